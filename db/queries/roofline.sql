-- Where each network stands under the roofline of its machine; needs `moprof calibrate` into the same file.
-- intensity is 2 x MACs per byte moved; attainable the smaller of the measured peak and intensity x memory
-- bandwidth of as many threads, both of the newest calibration of the device; bound says which of the two. Where
-- caches keep what was counted as moved, a network may lie above the memory's roof.
-- ?1: glob of variants (all), ?2: X also shows what has too few clean samples
WITH
calibrated AS (
    SELECT device_id, sweep_id, started_utc
    FROM (
        SELECT a.id AS device_id, w.id AS sweep_id, w.started_utc, row_number() OVER (
            PARTITION BY a.id
            ORDER BY b.fingerprint = a.fingerprint DESC, w.started_utc DESC, w.id DESC) AS place
        FROM device AS a
        JOIN device AS b ON b.backend = a.backend AND b.uuid = a.uuid AND b.name = a.name
        JOIN calibration AS c ON c.device_id = b.id AND c.name = 'read_bandwidth_dram'
        JOIN sweep AS w ON w.id = c.sweep_id AND w.kind = 'calibration')
    WHERE place = 1
),
roof AS (
    SELECT r.*, 2.0 * r.macs / r.bytes AS flop_byte, 2e9 * r.macs / r.median_ns AS achieved,
        p.value AS peak, b.value AS bandwidth, k.started_utc AS calibrated_utc
    FROM result AS r
    JOIN measurement AS x ON x.id = r.measurement
    JOIN calibrated AS k ON k.device_id = x.device_id
    JOIN calibration AS p ON p.sweep_id = k.sweep_id AND p.name = 'peak_flops_' || r.isa || '_' || r.dtype
        || CASE WHEN r.threads > 1 THEN '_x' || r.threads ELSE '' END
    JOIN calibration AS b ON b.sweep_id = k.sweep_id AND b.name = 'read_bandwidth_dram'
        || CASE WHEN r.threads > 1 THEN '_x' || r.threads ELSE '' END
    WHERE r.macs > 0 AND r.bytes > 0 AND r.median_ns IS NOT NULL
)
SELECT
    variant, backend, device, isa, threads, batch, cache,
    round(flop_byte, 3) AS intensity,
    round(min(peak, flop_byte * bandwidth) / 1e9, 2) AS attainable_gflop_s,
    round(achieved / 1e9, 2) AS achieved_gflop_s,
    round(achieved / min(peak, flop_byte * bandwidth), 4) AS fraction,
    CASE WHEN flop_byte * bandwidth < peak THEN 'memory' ELSE 'compute' END AS bound,
    round(peak / 1e9, 2) AS peak_gflop_s, round(bandwidth / 1e9, 2) AS memory_gbyte_s,
    grade, calibrated_utc, fuse, winograd, dtype
FROM roof
WHERE variant GLOB coalesce(nullif(?1, ''), '*') AND (grade IS NOT 'X' OR upper(?2) = 'X')
ORDER BY backend, device, isa, threads, batch, cache, fuse, winograd, dtype, fraction DESC, variant;
