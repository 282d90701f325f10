-- One row for each network of each population; reports/rho.c computes the coefficients.
, population AS (
    SELECT 1 AS place, 'all variants' AS population
    UNION ALL
    SELECT 2, 'deploy form without modifiers'
)
SELECT
    setting, population, variant, family,
    median_ns, macs, params, activations, bytes, ops, depth
FROM results, population
WHERE place = 1 OR (form = 'deploy' AND variant NOT LIKE '%+%')
ORDER BY setting, place, variant
