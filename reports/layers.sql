-- ?1 is the variant, or empty for the largest one that has layer times. Medians over profiled
-- runs, which have no flags, so `everything` counts.
, profiled AS (
    SELECT setting, variant, macs, measurement
    FROM everything
    WHERE measurement IN (SELECT measurement_id FROM layer_run)
),
chosen AS (
    SELECT * FROM profiled
    WHERE variant = CASE WHEN ?1 <> '' THEN ?1
        ELSE (SELECT variant FROM profiled ORDER BY macs DESC, variant LIMIT 1) END
),
ranked AS (
    SELECT measurement_id, idx, ns,
        row_number() OVER (PARTITION BY measurement_id, idx ORDER BY ns) AS place,
        count(*) OVER (PARTITION BY measurement_id, idx) AS n
    FROM layer_time
    WHERE measurement_id IN (SELECT measurement FROM chosen)
),
layer_median AS (
    SELECT measurement_id, idx, avg(ns) AS ns, max(n) AS runs
    FROM ranked
    WHERE place IN ((n + 1) / 2, (n + 2) / 2)
    GROUP BY measurement_id, idx
)
SELECT
    c.variant || ', ' || c.setting || CASE
        WHEN x.layer_overhead <= 0.01 AND abs(x.layer_residual) <= 0.03 THEN ''
        WHEN x.layer_overhead IS NULL THEN ''
        ELSE printf(', UNRELIABLE: profiled runs %+.1f %%, sum of medians %+.1f %% off the total',
            100 * x.layer_overhead, 100 * x.layer_residual) END AS setting,
    l.idx AS layer, l.name, l.op, l.act AS activation, l.kernel,
    l.out_h || 'x' || l.out_w || 'x' || l.out_c AS "output, HxWxC",
    l.params / 1e3 AS "params, k", l.macs / 1e6 AS "MACs, M", l.bytes / 1e6 AS "moved, MB",
    t.ns / 1e6 AS "median, ms",
    100.0 * t.ns / sum(t.ns) OVER (PARTITION BY c.measurement) AS "share, %",
    2.0 * l.macs / t.ns AS "GFLOP/s", t.runs
FROM chosen AS c
JOIN measurement AS x ON x.id = c.measurement
JOIN layer AS l ON l.model_id = x.model_id
JOIN layer_median AS t ON t.measurement_id = x.id AND t.idx = l.idx
ORDER BY c.setting, l.idx
