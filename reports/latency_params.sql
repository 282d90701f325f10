SELECT
    setting, variant, family, form, params / 1e6 AS "params, M",
    median_ns / 1e6 AS "median, ms", ci_low_ns / 1e6 AS "low, ms", ci_high_ns / 1e6 AS "high, ms",
    n_clean AS "clean samples", grade
FROM results
WHERE params > 0
ORDER BY setting, params, variant
