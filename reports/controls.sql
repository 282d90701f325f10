SELECT
    c.sweep_id AS sweep, c.name AS control, c.value AS measured, c.low AS "at least", c.high AS "at most",
    CASE c.passed WHEN 1 THEN 'passed' ELSE 'FAILED' END AS verdict
FROM control AS c
WHERE c.sweep_id IN (SELECT sweep FROM result)
ORDER BY c.passed, c.sweep_id DESC, c.name
