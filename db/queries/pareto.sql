-- Variants with a published accuracy that no other beats in both latency and accuracy, per setting.
-- ?1: back end (all), ?2: X also takes what has too few clean samples
WITH scored AS (
    SELECT r.*, a.value AS top1_percent, a.source
    FROM result AS r
    JOIN reference AS a ON a.variant = r.variant AND a.metric = 'top1_percent'
    WHERE r.backend = coalesce(nullif(?1, ''), r.backend) AND r.median_ns IS NOT NULL
        AND (r.grade IS NOT 'X' OR upper(?2) = 'X')
)
SELECT
    variant, backend, device, threads, batch,
    round(median_ns / 1e6, 4) AS median_ms, top1_percent, grade, params, macs, source
FROM scored AS s
WHERE NOT EXISTS (
    SELECT 1 FROM scored AS o
    WHERE o.backend = s.backend AND o.device = s.device AND o.isa = s.isa AND o.dtype = s.dtype
        AND o.threads = s.threads AND o.batch = s.batch AND o.cache = s.cache
        AND o.median_ns <= s.median_ns AND o.top1_percent >= s.top1_percent
        AND (o.median_ns < s.median_ns OR o.top1_percent > s.top1_percent))
ORDER BY backend, device, threads, batch, median_ns;
