SELECT
    r.backend AS "back end", r.device,
    CASE WHEN r.is_software AND r.backend <> 'cpu' THEN 'SOFTWARE: a CPU, not a GPU'
         ELSE r.device_type END AS kind,
    r.driver, r.isa,
    group_concat(DISTINCT r.threads) AS threads,
    max(r.peak_flops) / 1e9 AS "peak of one core, GFLOP/s",
    count(*) AS timed, sum(r.median_ns IS NULL OR r.grade IS 'X') AS "left out",
    sum(r.grade IS 'A') || ' / ' || sum(r.grade IS 'B') || ' / ' || sum(r.grade IS 'C')
        || ' / ' || sum(r.grade IS 'X') AS "grades A / B / C / X",
    min(r.started_utc) AS "first sweep", max(r.started_utc) AS "last sweep"
FROM result AS r
GROUP BY r.backend, r.device, r.device_type, r.is_software, r.driver, r.isa
ORDER BY r.backend, r.device, r.isa
