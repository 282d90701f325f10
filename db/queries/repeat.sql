-- How well two sweeps agree: what each variant costs relative to the baseline, in one and in the other.
-- floor is the fifth percentile of the clean samples over the baseline's. aim is what is asked of
-- the ratios of medians at the worse of the two grades: 2 % at A, 5 % at B, nothing below.
-- ?1: number of the first sweep (the newest but one), ?2: of the second (the newest)
WITH
sides AS MATERIALIZED (
    SELECT
        coalesce(CAST(?1 AS INTEGER), (
            SELECT max(id) FROM sweep
            WHERE kind = 'sweep' AND id < coalesce(CAST(?2 AS INTEGER), (SELECT max(id) FROM sweep WHERE kind = 'sweep')))) AS a,
        coalesce(CAST(?2 AS INTEGER), (SELECT max(id) FROM sweep WHERE kind = 'sweep')) AS b
),
timed AS MATERIALIZED (
    SELECT * FROM result_all WHERE sweep IN (SELECT a FROM sides UNION SELECT b FROM sides)
),
bases AS MATERIALIZED (
    SELECT * FROM timed WHERE variant = baseline
),
rows AS MATERIALIZED (
    SELECT r.*, r.p5_ns / base.p5_ns AS floor_ratio
    FROM timed AS r
    JOIN bases AS base
        ON base.sweep = r.sweep AND base.backend = r.backend
        AND base.device = r.device AND base.threads = r.threads AND base.batch = r.batch
        AND base.dtype = r.dtype AND base.cache = r.cache
        AND base.fuse = r.fuse AND base.winograd = r.winograd
),
pairs AS (
    SELECT
        x.variant, x.backend, x.threads, x.batch, x.cache, x.fuse, x.winograd, x.dtype,
        CASE WHEN x.grade > y.grade THEN x.grade ELSE y.grade END AS grade,
        x.n_clean || '/' || x.n || ' ' || y.n_clean || '/' || y.n AS clean,
        x.floor_ratio AS floor_a, y.floor_ratio AS floor_b, x.ratio AS ratio_a, y.ratio AS ratio_b,
        100 * abs(y.floor_ratio / x.floor_ratio - 1) AS floor_change_percent,
        100 * abs(y.ratio / x.ratio - 1) AS ratio_change_percent,
        100 * abs(y.median_ns / x.median_ns - 1) AS median_change_percent
    FROM sides
    JOIN rows AS x ON x.sweep = sides.a
    JOIN rows AS y ON y.sweep = sides.b AND y.variant = x.variant AND y.backend = x.backend
        AND y.device = x.device AND y.threads = x.threads AND y.batch = x.batch
        AND y.dtype = x.dtype AND y.cache = x.cache
        AND y.fuse = x.fuse AND y.winograd = x.winograd
)
SELECT
    variant, backend, threads, grade, clean,
    round(floor_a, 4) AS floor_a, round(floor_b, 4) AS floor_b,
    round(floor_change_percent, 2) AS floor_change_percent,
    round(ratio_a, 4) AS ratio_a, round(ratio_b, 4) AS ratio_b,
    round(ratio_change_percent, 2) AS ratio_change_percent,
    round(median_change_percent, 2) AS median_change_percent,
    CASE grade WHEN 'A' THEN 2 WHEN 'B' THEN 5 END AS aim_percent,
    cache, fuse, winograd, dtype
FROM pairs
ORDER BY backend, threads, batch, cache, fuse, winograd, dtype, variant
