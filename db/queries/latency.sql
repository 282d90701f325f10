-- Latency of every setting in milliseconds, fastest first.
-- ?1: glob of variants (all), ?2: back end (all)
SELECT
    variant, backend, device, threads, batch,
    round(median_ns / 1e6, 4) AS median_ms,
    round(ci_low_ns / 1e6, 4) AS ci_low_ms,
    round(ci_high_ns / 1e6, 4) AS ci_high_ms,
    round(min_ns / 1e6, 4) AS min_ms,
    n_clean, n, grade, params, macs,
    round(2.0 * macs / median_ns, 2) AS gflop_s,
    round(fraction_of_peak, 3) AS fraction_of_peak
FROM result
WHERE variant GLOB coalesce(?1, '*') AND backend = coalesce(?2, backend)
ORDER BY backend, device, threads, batch, median_ns NULLS LAST, variant;
