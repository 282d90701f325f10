-- What each modifier and the training form cost beside the same variant without it.
-- In the same setting. change is what was added; ratio 1.10 means 10 % slower than the base.
-- ?1: glob of variants (all), ?2: back end (all), ?3: X also shows what has too few clean samples
WITH
plain AS (
    SELECT *, instr(variant, '+') AS plus,
        CASE WHEN instr(variant, '@') > 0 THEN instr(variant, '@')
            ELSE length(variant) + 1 END AS at
    FROM result
    WHERE grade IS NOT 'X' OR upper(?3) = 'X'
),
pair AS (
    SELECT variant, substr(variant, plus, at - plus) AS change,
        substr(variant, 1, plus - 1) || substr(variant, at) AS base
    FROM plain WHERE plus > 0
    UNION
    SELECT variant, ':train', replace(variant, ':train', '')
    FROM plain WHERE instr(variant, ':train') > 0
)
SELECT
    p.variant, p.change, p.base, v.backend, v.device, v.threads, v.batch,
    round(v.median_ns / b.median_ns, 4) AS ratio,
    round((v.median_ns - b.median_ns) / 1e6, 4) AS extra_ms,
    round(b.median_ns / 1e6, 4) AS base_ms,
    v.params - b.params AS extra_params,
    v.macs - b.macs AS extra_macs,
    v.ops - b.ops AS extra_ops,
    v.grade, b.grade AS base_grade,
    v.cache, v.fuse, v.winograd, v.dtype
FROM pair AS p
JOIN plain AS v ON v.variant = p.variant
JOIN plain AS b ON b.variant = p.base
    AND b.backend = v.backend AND b.device = v.device AND b.isa = v.isa AND b.dtype = v.dtype
    AND b.threads = v.threads AND b.batch = v.batch AND b.cache = v.cache
    AND b.fuse = v.fuse AND b.winograd = v.winograd
WHERE p.variant GLOB coalesce(nullif(?1, ''), '*') AND v.backend = coalesce(nullif(?2, ''), v.backend)
ORDER BY v.backend, v.device, v.threads, v.batch, v.cache, v.fuse, v.winograd, v.dtype, p.base, ratio, p.variant;
