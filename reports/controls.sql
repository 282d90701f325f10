SELECT
    c.sweep_id AS sweep, c.name AS control, c.value AS measured, c.low AS "at least", c.high AS "at most",
    CASE WHEN c.passed THEN 'passed' WHEN c.value IS NULL THEN 'not judged' ELSE 'FAILED' END AS verdict
FROM control AS c
WHERE c.sweep_id IN (SELECT sweep FROM result)
ORDER BY c.passed, c.value IS NULL, c.sweep_id DESC, c.name
