SELECT
    setting, max(is_software AND backend <> 'cpu') AS is_software, count(*) AS n,
    sum(grade IS 'A') AS a, sum(grade IS 'B') AS b, sum(grade IS 'C') AS c,
    (SELECT s.variant FROM results AS s WHERE s.setting = r.setting
        ORDER BY s.median_ns, s.variant LIMIT 1) AS fastest, min(median_ns) / 1e6 AS "fastest, ms",
    (SELECT s.variant FROM results AS s WHERE s.setting = r.setting
        ORDER BY s.median_ns DESC, s.variant LIMIT 1) AS slowest,
    max(median_ns) / 1e6 AS "slowest, ms",
    100 * max(fraction_of_peak) AS "best of one core's peak, %",
    (SELECT s.variant FROM results AS s WHERE s.setting = r.setting
        ORDER BY s.fraction_of_peak DESC, s.variant LIMIT 1) AS best
FROM results AS r
GROUP BY setting
ORDER BY setting
