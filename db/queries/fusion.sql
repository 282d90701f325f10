-- What fusions, Winograd's convolution and number types are worth: a network's time in a setting over its time without.
-- Beside fuse=none, winograd=off and dtype=fp32, in the newest sweep that has both; the rest of the setting is the same.
-- ratio 0.80 means that it takes 20 % off: the median over passes of ratios within a pass, between order statistics
-- that cover the true one with at least 95 % (NULL where there are too few passes).
-- ?1: glob of variants (all), ?2: back end (all), ?3: X also shows what has too few clean samples
WITH RECURSIVE
pair AS (
    SELECT *
    FROM (
        SELECT w.*, p.measurement AS without, p.median_ns AS without_ns,
            CASE WHEN w.dtype <> p.dtype THEN w.dtype WHEN w.fuse = p.fuse THEN 'winograd' ELSE w.fuse END AS change,
            row_number() OVER (
                PARTITION BY w.variant, w.backend, w.device, w.isa, w.dtype, w.threads, w.batch, w.cache,
                    w.fuse, w.winograd, p.fuse, p.winograd, p.dtype
                ORDER BY w.started_utc DESC, w.measurement DESC) AS place
        FROM result_all AS w
        JOIN result_all AS p
            ON p.sweep = w.sweep AND p.variant = w.variant AND p.backend = w.backend AND p.device = w.device
            AND p.isa = w.isa AND p.threads = w.threads AND p.batch = w.batch AND p.cache = w.cache
            AND (p.fuse = 'none' AND w.fuse <> 'none' AND p.winograd = w.winograd AND p.dtype = w.dtype
                OR p.winograd = 'off' AND w.winograd <> 'off' AND p.fuse = w.fuse AND p.dtype = w.dtype
                OR p.dtype = 'fp32' AND w.dtype <> 'fp32' AND p.fuse = w.fuse AND p.winograd = w.winograd)
        WHERE w.variant GLOB coalesce(nullif(?1, ''), '*') AND w.backend = coalesce(nullif(?2, ''), w.backend)
            AND (upper(?3) = 'X' OR w.grade IS NOT 'X' AND p.grade IS NOT 'X'))
    WHERE place = 1
),
clean AS (
    SELECT measurement_id, pass, 1.0 * wall_ns / batched AS ns,
        row_number() OVER (PARTITION BY measurement_id, pass ORDER BY 1.0 * wall_ns / batched) AS place,
        count(*) OVER (PARTITION BY measurement_id, pass) AS n
    FROM sample
    WHERE flags = 0 AND measurement_id IN (SELECT measurement FROM pair UNION SELECT without FROM pair)
),
typical AS MATERIALIZED (
    SELECT measurement_id, pass, avg(ns) AS ns
    FROM clean
    WHERE place IN ((n + 1) / 2, (n + 2) / 2)
    GROUP BY measurement_id, pass
),
ratios AS MATERIALIZED (
    SELECT p.measurement, p.without, w.ns / b.ns AS ratio,
        row_number() OVER (PARTITION BY p.measurement, p.without ORDER BY w.ns / b.ns) AS place,
        count(*) OVER (PARTITION BY p.measurement, p.without) AS n
    FROM pair AS p
    JOIN typical AS w ON w.measurement_id = p.measurement
    JOIN typical AS b ON b.measurement_id = p.without AND b.pass = w.pass
),
-- of n fair coins: in how many ways k show heads, k or fewer, and how many ways there are
coins (n, k, ways, up_to, total) AS (
    SELECT n, 0, 1.0, 1.0, pow(2.0, n) FROM (SELECT DISTINCT n FROM ratios WHERE n <= 1000)
    UNION ALL
    SELECT n, k + 1, ways * (n - k) / (k + 1), up_to + ways * (n - k) / (k + 1), total FROM coins WHERE k < n / 2
),
ends AS (
    SELECT n, sum(up_to <= 0.025 * total) AS low FROM coins GROUP BY n
),
worth AS (
    SELECT r.measurement, r.without, r.n,
        avg(CASE WHEN r.place IN ((r.n + 1) / 2, (r.n + 2) / 2) THEN ratio END) AS ratio,
        max(CASE WHEN r.place = e.low THEN ratio END) AS ratio_low,
        max(CASE WHEN r.place = r.n + 1 - e.low THEN ratio END) AS ratio_high
    FROM ratios AS r
    LEFT JOIN ends AS e ON e.n = r.n
    GROUP BY r.measurement, r.without
)
SELECT
    p.variant, p.backend, p.device, p.threads, p.batch, p.cache, p.change,
    round(p.without_ns / 1e6, 4) AS without_ms,
    round(p.median_ns / 1e6, 4) AS with_ms,
    round(w.ratio, 4) AS ratio, round(w.ratio_low, 4) AS ratio_low, round(w.ratio_high, 4) AS ratio_high,
    w.n AS passes, p.fuse, p.winograd, p.grade, p.sweep, p.dtype
FROM pair AS p
LEFT JOIN worth AS w ON w.measurement = p.measurement AND w.without = p.without
ORDER BY p.backend, p.device, p.isa, p.threads, p.batch, p.cache, p.dtype, p.variant, p.change = 'winograd', p.fuse, p.winograd;
