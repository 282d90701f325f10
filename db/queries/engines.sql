-- Results of other engines beside moprof's own of the same network, threads, batch and number format.
-- Nobody checked their outputs here. ratio is theirs over moprof's, of the statistic that they give, in each setting
-- of moprof that was measured.
-- ?1: glob of variants (all), ?2: back end (all), ?3: X also shows what has too few clean samples
WITH
other AS (
    SELECT *,
        CASE WHEN median_ns IS NOT NULL THEN 'median' WHEN mean_ns IS NOT NULL THEN 'mean' ELSE 'minimum' END
            AS statistic,
        coalesce(median_ns, mean_ns, min_ns) AS ns
    FROM external_result
),
paired AS (
    SELECT o.*, r.fuse, r.winograd, r.backend, r.device AS moprof_device, r.median_ns AS moprof_ns, r.grade,
        CASE o.statistic WHEN 'median' THEN r.median_ns WHEN 'mean' THEN r.mean_ns ELSE r.min_ns END AS same_ns
    FROM other AS o
    LEFT JOIN result AS r ON r.variant = o.variant AND r.batch = o.batch AND r.threads = o.threads
        AND o.dtype IN ('', r.dtype) AND r.cache = 'hot' AND r.backend = coalesce(nullif(?2, ''), r.backend)
        AND (r.grade IS NOT 'X' OR upper(?3) = 'X')
)
SELECT
    variant, threads, batch, engine, engine_version, device, dtype, statistic,
    round(ns / 1e6, 4) AS ms,
    round(ns / same_ns, 4) AS ratio,
    0 AS is_checked,
    backend AS moprof_backend, moprof_device,
    round(moprof_ns / 1e6, 4) AS moprof_median_ms,
    grade AS moprof_grade,
    source, fuse AS moprof_fuse, winograd AS moprof_winograd
FROM paired
WHERE variant GLOB coalesce(nullif(?1, ''), '*')
ORDER BY variant, threads, batch, backend, moprof_device, fuse, winograd, ms, engine, source, id;
