-- One row for each pass in which a variant and its base were both timed clean: the ratio of their
-- medians within that pass. reports/ablation.c takes the median over passes and its interval. The
-- base is the same spec without its modifiers, or without its form where it has no modifier.
, named AS (
    SELECT *,
        CASE WHEN instr(variant, '@') > 0 THEN substr(variant, 1, instr(variant, '@') - 1)
             ELSE variant END AS stem,
        CASE WHEN instr(variant, '@') > 0 THEN substr(variant, instr(variant, '@'))
             ELSE '' END AS size
    FROM results
),
modified AS (
    SELECT *,
        CASE WHEN instr(stem, '+') > 0 THEN substr(stem, 1, instr(stem, '+') - 1)
             ELSE substr(stem, 1, instr(stem, ':') - 1) END || size AS base,
        CASE WHEN instr(stem, '+') > 0 THEN substr(stem, instr(stem, '+') + 1)
             ELSE substr(stem, instr(stem, ':') + 1) || ' form' END AS modifier
    FROM named
    WHERE instr(stem, '+') > 0 OR instr(stem, ':') > 0
),
pair AS (
    SELECT m.setting, m.family, m.base, m.modifier, m.variant, m.measurement AS own,
        b.measurement AS other
    FROM modified AS m
    JOIN result_all AS b
        ON b.variant = m.base AND b.sweep = m.sweep AND b.backend = m.backend
        AND b.device = m.device AND b.isa = m.isa AND b.dtype = m.dtype
        AND b.threads = m.threads AND b.batch = m.batch AND b.cache = m.cache
        AND b.fuse = m.fuse AND b.winograd = m.winograd
),
used AS (
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
),
-- Vasu et al. 2023 (arXiv 2206.04040), Table 2: milliseconds on a phone, of the paper's own 30-layer
-- network, over its ReLU's 1.53 ms.
paper (base, modifier, ratio) AS (
    VALUES
        ('cnn30', 'act=gelu', 1.63 / 1.53), ('cnn30', 'se', 2.10 / 1.53),
        ('cnn30', 'act=silu', 2.54 / 1.53), ('cnn30', 'act=dyshiftmax', 57.04 / 1.53),
        ('cnn30', 'act=dyrelu-a', 273.49 / 1.53), ('cnn30', 'act=dyrelu-b', 242.14 / 1.53)
)
SELECT
    p.setting, p.family, p.base, p.modifier, p.variant,
    v.ns / w.ns AS ratio, paper.ratio AS paper
FROM pair AS p
JOIN pass_median AS v ON v.measurement_id = p.own
JOIN pass_median AS w ON w.measurement_id = p.other AND w.pass = v.pass
LEFT JOIN paper ON paper.base = p.base AND paper.modifier = p.modifier
ORDER BY p.setting, p.base, p.modifier, v.pass
