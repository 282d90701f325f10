-- Every row of a sweep's plan, controls too, in the order of compare_passes.sql. ?1: number of the sweep
SELECT x.id, m.variant, d.backend, d.name AS device, d.uuid, d.isa, x.dtype, x.threads, x.batch, x.cache,
    x.fuse, x.winograd,
    x.alias, x.state, x.reason, x.grade, s.median_ns, s.n_clean, s.ratio, d.driver, d.fingerprint
FROM measurement AS x
JOIN model AS m ON m.id = x.model_id
JOIN device AS d ON d.id = x.device_id
LEFT JOIN stat AS s ON s.measurement_id = x.id
WHERE x.sweep_id = CAST(?1 AS INTEGER)
ORDER BY x.id
