-- The layers of a network with the median of their profiled times, newest measurement per setting.
-- is_reliable is 1 if profiling cost at most 1 % and the medians sum to the total within 3 %.
-- ?1: glob of variants (the first variant that was profiled, else the first measured), ?2: X also shows what
-- has too few clean samples
WITH
chosen AS (
    SELECT r.measurement, r.variant, r.backend, r.device, r.threads, r.cache, r.fuse, r.winograd, r.dtype, x.model_id, r.grade,
        r.layer_overhead <= 0.01 AND abs(r.layer_residual) <= 0.03 AS is_reliable
    FROM result AS r
    JOIN measurement AS x ON x.id = r.measurement
    WHERE (r.grade IS NOT 'X' OR upper(?2) = 'X') AND r.variant GLOB coalesce(nullif(?1, ''), (
        SELECT y.variant FROM result AS y
        WHERE y.grade IS NOT 'X' OR upper(?2) = 'X'
        ORDER BY NOT EXISTS (SELECT 1 FROM layer_run WHERE measurement_id = y.measurement),
            y.measurement
        LIMIT 1))
),
ranked AS (
    SELECT measurement_id, idx, ns,
        row_number() OVER (PARTITION BY measurement_id, idx ORDER BY ns) AS rank,
        count(*) OVER (PARTITION BY measurement_id, idx) AS n
    FROM layer_time WHERE measurement_id IN (SELECT measurement FROM chosen)
),
typical AS (
    SELECT measurement_id, idx, avg(ns) AS ns
    FROM ranked WHERE rank IN ((n + 1) / 2, (n + 2) / 2)
    GROUP BY measurement_id, idx
)
SELECT
    c.variant, c.backend, c.threads, l.idx, l.name, l.op, l.kernel,
    l.out_h || 'x' || l.out_w || 'x' || l.out_c AS output,
    round(t.ns / 1e3, 2) AS median_us,
    round(100 * t.ns / sum(t.ns) OVER (PARTITION BY c.measurement), 2) AS share_percent,
    l.macs,
    round(2.0 * l.macs / t.ns, 2) AS gflop_s,
    l.params, l.bytes, c.grade, c.is_reliable, c.cache, c.fuse, c.winograd, c.dtype
FROM chosen AS c
JOIN layer AS l ON l.model_id = c.model_id
LEFT JOIN typical AS t ON t.measurement_id = c.measurement AND t.idx = l.idx
ORDER BY c.variant, c.backend, c.device, c.threads, c.measurement, l.idx;
