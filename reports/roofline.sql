-- Intensity is 2 x MACs per byte moved; attainable the smaller of the measured peak and intensity x memory
-- bandwidth of as many threads, both of the newest calibration of the device.
, calibrated AS (
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
    FROM results AS r
    JOIN measurement AS x ON x.id = r.measurement
    JOIN calibrated AS k ON k.device_id = x.device_id
    JOIN calibration AS p ON p.sweep_id = k.sweep_id AND p.name = 'peak_flops_' || r.isa || '_' || r.dtype
        || CASE WHEN r.threads > 1 THEN '_x' || r.threads ELSE '' END
    JOIN calibration AS b ON b.sweep_id = k.sweep_id AND b.name = 'read_bandwidth_dram'
        || CASE WHEN r.threads > 1 THEN '_x' || r.threads ELSE '' END
    WHERE r.macs > 0 AND r.bytes > 0
)
SELECT
    setting, variant, family, form,
    flop_byte AS "intensity, FLOP/B",
    min(peak, flop_byte * bandwidth) / 1e9 AS "attainable, GFLOP/s",
    achieved / 1e9 AS "achieved, GFLOP/s",
    100 * achieved / min(peak, flop_byte * bandwidth) AS "of attainable, %",
    CASE WHEN flop_byte * bandwidth < peak THEN 'memory' ELSE 'compute' END AS "bound by",
    peak / 1e9 AS "peak, GFLOP/s", bandwidth / 1e9 AS "memory, GB/s", calibrated_utc AS calibrated
FROM roof
ORDER BY setting, flop_byte, variant
