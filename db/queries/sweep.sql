-- One sweep's own table, by network and setting, whatever the grade.
-- ?1: number of the sweep (the newest)
SELECT
    variant, backend, threads, batch, params, macs,
    round(median_ns / 1e6, 3) AS median_ms,
    round(ci_low_ns / 1e6, 3) AS ci_low_ms,
    round(ci_high_ns / 1e6, 3) AS ci_high_ms,
    n_clean || '/' || n AS clean,
    round(median_all_ns / 1e6, 3) AS all_median_ms,
    round(2.0 * macs / median_ns, 1) AS gflop_s,
    round(100 * fraction_of_peak, 1) AS peak_percent,
    grade, round(ratio, 3) AS ratio, cache, fuse, winograd, dtype
FROM result_all
WHERE sweep = coalesce(CAST(?1 AS INTEGER), (SELECT max(id) FROM sweep WHERE kind = 'sweep'))
ORDER BY backend, threads, batch, cache, fuse, winograd, dtype, family, variant;
