-- Put behind a list of pairs (setting, base, modifier, variant, own, other, paper): the ratio of own to other
-- in each pass in which both were timed clean. reports/ratios.c takes the median over passes and its interval.
, used AS (
    SELECT own AS measurement FROM pair UNION SELECT other FROM pair
),
clean AS (
    SELECT measurement_id, pass, 1.0 * wall_ns / batched AS ns,
        row_number() OVER (PARTITION BY measurement_id, pass
            ORDER BY 1.0 * wall_ns / batched) AS place,
        count(*) OVER (PARTITION BY measurement_id, pass) AS n
    FROM sample
    WHERE flags = 0 AND measurement_id IN (SELECT measurement FROM used)
),
pass_median AS (
    SELECT measurement_id, pass, avg(ns) AS ns
    FROM clean
    WHERE place IN ((n + 1) / 2, (n + 2) / 2)
    GROUP BY measurement_id, pass
)
SELECT
    p.setting, p.base, p.modifier, p.variant, v.ns / w.ns AS ratio, p.paper
FROM pair AS p
JOIN pass_median AS v ON v.measurement_id = p.own
JOIN pass_median AS w ON w.measurement_id = p.other AND w.pass = v.pass
ORDER BY p.setting, p.base, p.modifier, p.variant, v.pass
