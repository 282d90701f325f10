-- One row for each pass in which a variant and its base were both timed clean: the ratio of their
-- medians within that pass. The base is the same spec without its modifiers, or without its form where
-- it has no modifier.
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
-- Vasu et al. 2023 (arXiv 2206.04040), Table 2: milliseconds on a phone, of the paper's own 30-layer
-- network, over its ReLU's 1.53 ms.
paper (base, modifier, ratio) AS (
    VALUES
        ('cnn30', 'act=gelu', 1.63 / 1.53), ('cnn30', 'se', 2.10 / 1.53),
        ('cnn30', 'act=silu', 2.54 / 1.53), ('cnn30', 'act=dyshiftmax', 57.04 / 1.53),
        ('cnn30', 'act=dyrelu-a', 273.49 / 1.53), ('cnn30', 'act=dyrelu-b', 242.14 / 1.53)
),
pair AS (
    SELECT m.setting, m.base, m.modifier, m.variant, m.measurement AS own, b.measurement AS other,
        paper.ratio AS paper
    FROM modified AS m
    JOIN result_all AS b
        ON b.variant = m.base AND b.sweep = m.sweep AND b.backend = m.backend
        AND b.device = m.device AND b.isa = m.isa AND b.dtype = m.dtype
        AND b.threads = m.threads AND b.batch = m.batch AND b.cache = m.cache
        AND b.fuse = m.fuse AND b.winograd = m.winograd
    LEFT JOIN paper ON paper.base = m.base AND paper.modifier = m.modifier
)
