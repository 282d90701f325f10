-- Variants with a published accuracy that no other beats in both latency and accuracy, per setting.
-- ?1: back end (all), ?2: X also takes what has too few clean samples
WITH
scored AS (
    SELECT r.*, a.value AS top1_percent, a.source
    FROM result AS r
    JOIN reference AS a ON a.variant = r.variant AND a.metric = 'top1_percent'
    WHERE r.backend = coalesce(nullif(?1, ''), r.backend) AND r.median_ns IS NOT NULL
        AND (r.grade IS NOT 'X' OR upper(?2) = 'X')
),
beside AS (
    SELECT *,
        max(top1_percent) OVER (setting ORDER BY median_ns GROUPS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
            AS best_of_faster,
        max(top1_percent) OVER (setting ORDER BY median_ns GROUPS BETWEEN CURRENT ROW AND CURRENT ROW)
            AS best_of_equal
    FROM scored
    WINDOW setting AS (PARTITION BY backend, device, isa, dtype, threads, batch, cache, fuse, winograd)
)
SELECT
    variant, backend, device, threads, batch,
    round(median_ns / 1e6, 4) AS median_ms, top1_percent, grade, params, macs, source,
    cache, fuse, winograd, dtype
FROM beside
WHERE top1_percent = best_of_equal AND (best_of_faster IS NULL OR top1_percent > best_of_faster)
ORDER BY backend, device, isa, dtype, threads, batch, cache, fuse, winograd, median_ns;
