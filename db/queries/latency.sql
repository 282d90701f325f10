-- Latency in milliseconds, fastest first within each setting (device, threads, batch, cache, fuse, winograd, dtype).
-- ?1: glob of variants (all), ?2: back end (all), ?3: X also shows what has too few clean samples
SELECT
    variant, backend, device, threads, batch,
    round(median_ns / 1e6, 4) AS median_ms,
    round(ci_low_ns / 1e6, 4) AS ci_low_ms,
    round(ci_high_ns / 1e6, 4) AS ci_high_ms,
    round(min_ns / 1e6, 4) AS min_ms,
    n_clean, n, grade, params, macs,
    round(2.0 * macs / median_ns, 2) AS gflop_s,
    round(fraction_of_peak, 3) AS fraction_of_peak,
    baseline, round(ratio, 4) AS ratio, round(ratio_low, 4) AS ratio_low, round(ratio_high, 4) AS ratio_high,
    cache, fuse, winograd, dtype
FROM result
WHERE variant GLOB coalesce(nullif(?1, ''), '*') AND backend = coalesce(nullif(?2, ''), backend)
    AND (grade IS NOT 'X' OR upper(?3) = 'X')
ORDER BY backend, device, isa, dtype, threads, batch, cache, fuse, winograd, median_ns NULLS LAST, variant;
