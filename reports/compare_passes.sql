-- Median of the clean samples of each pass, an inference. ?1: number of the sweep
SELECT measurement_id, pass, avg(ns) AS ns
FROM (
    SELECT s.measurement_id, s.pass, 1.0 * s.wall_ns / s.batched AS ns,
        row_number() OVER (
            PARTITION BY s.measurement_id, s.pass ORDER BY 1.0 * s.wall_ns / s.batched) AS place,
        count(*) OVER (PARTITION BY s.measurement_id, s.pass) AS n
    FROM measurement AS x
    JOIN sample AS s ON s.measurement_id = x.id
    WHERE x.sweep_id = CAST(?1 AS INTEGER) AND s.flags = 0 AND s.wall_ns > 0)
WHERE place IN ((n + 1) / 2, (n + 2) / 2)
GROUP BY measurement_id, pass
ORDER BY measurement_id, pass
