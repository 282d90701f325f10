SELECT
    setting, variant, macs / 1e6 AS "MACs, M", params / 1e6 AS "params, M",
    median_ns / 1e6 AS "median, ms", ci_low_ns / 1e6 AS "low, ms", ci_high_ns / 1e6 AS "high, ms",
    min_ns / 1e6 AS "fastest, ms", n_clean || ' of ' || n AS "clean samples", grade,
    100 * fraction_of_peak AS "of one core's peak, %"
FROM results
ORDER BY setting, median_ns, variant
