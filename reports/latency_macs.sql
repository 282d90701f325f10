SELECT
    setting, variant, family, form, macs / 1e6 AS "MACs, M",
    median_ns / 1e6 AS "median, ms", ci_low_ns / 1e6 AS "low, ms", ci_high_ns / 1e6 AS "high, ms",
    n_clean AS "clean samples", grade
FROM results
WHERE macs > 0
ORDER BY setting, macs, variant
