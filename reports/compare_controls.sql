-- ?1: number of the sweep
SELECT name, value, low, high
FROM control
WHERE sweep_id = CAST(?1 AS INTEGER) AND passed = 0
ORDER BY name
