SELECT
    e.variant, e.threads, e.batch, e.engine || ' ' || e.engine_version AS engine, e.device, e.dtype,
    round(coalesce(e.median_ns, e.mean_ns, e.min_ns) / 1e6, 3) AS "ms",
    CASE WHEN e.median_ns IS NOT NULL THEN 'median' WHEN e.mean_ns IS NOT NULL THEN 'mean' ELSE 'minimum' END
        AS "of",
    r.backend || ': ' || r.device AS moprof,
    round(r.median_ns / 1e6, 3) AS "moprof's median, ms",
    round(coalesce(e.median_ns / r.median_ns, e.mean_ns / r.mean_ns, e.min_ns / r.min_ns), 3) AS ratio,
    e.source
FROM external_result AS e
LEFT JOIN result AS r ON r.variant = e.variant AND r.batch = e.batch AND r.threads = e.threads
    AND e.dtype IN ('', r.dtype) AND r.cache = 'hot' AND r.grade IS NOT 'X'
ORDER BY e.variant, e.threads, e.batch, r.backend, r.device, "ms", e.id
