-- What says how far a number can be trusted: controls, canaries, ratios, workers, and where a sweep comes from.

-- uuid is what merge knows a sweep by. kind tells sweeps from runs of `moprof calibrate`. shard K of shards N
-- holds a part of the plan. baseline is the variant that ratios are taken to.
ALTER TABLE sweep ADD COLUMN uuid TEXT;
ALTER TABLE sweep ADD COLUMN kind TEXT NOT NULL DEFAULT 'sweep' CHECK (kind IN ('sweep', 'calibration'));
ALTER TABLE sweep ADD COLUMN shard INTEGER NOT NULL DEFAULT 1 CHECK (shard >= 1);
ALTER TABLE sweep ADD COLUMN shards INTEGER NOT NULL DEFAULT 1 CHECK (shards >= 1);
ALTER TABLE sweep ADD COLUMN baseline TEXT NOT NULL DEFAULT '';
-- Two copies of one old database must still know their sweeps as the same.
UPDATE sweep SET uuid = plan_hash || '-' || started_utc || '-' || id;
CREATE UNIQUE INDEX sweep_uuid ON sweep (uuid);

-- Profiled over plain time of the runs that alternate, and the sum of layer medians over the median total,
-- both minus 1. NULL where no layer was timed. The layer table is reliable within 0.01 and 0.03.
ALTER TABLE measurement ADD COLUMN layer_overhead REAL;
ALTER TABLE measurement ADD COLUMN layer_residual REAL;
ALTER TABLE layer_run ADD COLUMN plain_ns INTEGER;

-- One visit of a pass: its place in the order and the canaries before it.
CREATE TABLE visit (
    measurement_id INTEGER NOT NULL REFERENCES measurement (id),
    pass INTEGER NOT NULL CHECK (pass >= 0),
    position INTEGER NOT NULL CHECK (position >= 0),
    canary_cpu_ns INTEGER,
    canary_memory_ns INTEGER,
    PRIMARY KEY (measurement_id, pass)
) STRICT, WITHOUT ROWID;

-- p90_ns and p99_ns are upper estimates; unexplained counts clean samples over 1.5 x the median. ratio is to the
-- sweep's baseline on the same device and setting, out of passes that have clean samples of both.
ALTER TABLE stat ADD COLUMN p90_ns REAL;
ALTER TABLE stat ADD COLUMN p99_ns REAL;
ALTER TABLE stat ADD COLUMN unexplained INTEGER;
ALTER TABLE stat ADD COLUMN modelbench_ns REAL;
ALTER TABLE stat ADD COLUMN ratio REAL;
ALTER TABLE stat ADD COLUMN ratio_low REAL;
ALTER TABLE stat ADD COLUMN ratio_high REAL;
ALTER TABLE stat ADD COLUMN ratio_passes INTEGER;

-- Results of other engines' own tools. Their outputs were not checked here, so they live apart.
CREATE TABLE external_result (
    id INTEGER PRIMARY KEY,
    engine TEXT NOT NULL,
    engine_version TEXT NOT NULL,
    variant TEXT NOT NULL,
    device TEXT NOT NULL,
    dtype TEXT NOT NULL,
    threads INTEGER CHECK (threads >= 1),
    batch INTEGER NOT NULL CHECK (batch >= 1),
    n INTEGER,
    min_ns REAL,
    mean_ns REAL,
    median_ns REAL,
    p90_ns REAL,
    p99_ns REAL,
    max_ns REAL,
    format TEXT NOT NULL,
    source TEXT NOT NULL,
    source_hash TEXT NOT NULL CHECK (length(source_hash) = 16),
    source_row INTEGER NOT NULL,
    imported_utc TEXT NOT NULL,
    UNIQUE (source_hash, source_row)
) STRICT;

DROP VIEW result;
DROP VIEW result_all;

-- Everything that was timed, of every sweep.
CREATE VIEW result_all AS
SELECT
    m.variant, m.family, m.form, m.height, m.width,
    d.backend, d.name AS device, x.dtype, x.threads, x.batch,
    m.params, m.macs, m.flops, m.activations,
    s.n_clean, s.n, s.min_ns, s.p5_ns, s.median_ns, s.ci_low_ns, s.ci_high_ns,
    x.grade,
    x.cache, m.bytes, m.elementwise, m.ops, m.depth,
    x.state, x.stop, x.reason,
    x.sweep_id AS sweep, w.started_utc, x.id AS measurement,
    d.type AS device_type, d.is_software, d.driver, d.isa,
    c.value AS peak_flops,
    2e9 * m.macs / s.median_ns / c.value AS fraction_of_peak,
    x.error, x.error_bound, x.node_error, x.checksum,
    x.setup_ns, x.first_run_ns, x.arena_bytes, x.weight_bytes,
    s.passes, s.p25_ns, s.mean_ns, s.mad_ns, s.median_all_ns, s.max_ns,
    s.p90_ns, s.p99_ns, s.unexplained, s.modelbench_ns,
    w.baseline, s.ratio, s.ratio_low, s.ratio_high, s.ratio_passes,
    w.aa_floor,
    (SELECT count(*) FROM control WHERE sweep_id = x.sweep_id AND passed = 0) AS controls_failed,
    x.layer_overhead, x.layer_residual, w.shard, w.shards
FROM measurement AS x
JOIN model AS m ON m.id = x.model_id
JOIN device AS d ON d.id = x.device_id
JOIN sweep AS w ON w.id = x.sweep_id
JOIN stat AS s ON s.measurement_id = x.id
LEFT JOIN calibration AS c
    ON c.sweep_id = x.sweep_id AND c.device_id = x.device_id AND c.name = 'peak_flops'
WHERE x.state IN ('pending', 'done') AND x.alias = '';

-- The newest of them per setting.
CREATE VIEW result AS
SELECT
    variant, family, form, height, width,
    backend, device, dtype, threads, batch,
    params, macs, flops, activations,
    n_clean, n, min_ns, p5_ns, median_ns, ci_low_ns, ci_high_ns,
    grade,
    cache, bytes, elementwise, ops, depth,
    state, stop, reason,
    sweep, started_utc, measurement,
    device_type, is_software, driver, isa,
    peak_flops, fraction_of_peak,
    error, error_bound, node_error, checksum,
    setup_ns, first_run_ns, arena_bytes, weight_bytes,
    passes, p25_ns, mean_ns, mad_ns, median_all_ns, max_ns,
    p90_ns, p99_ns, unexplained, modelbench_ns,
    baseline, ratio, ratio_low, ratio_high, ratio_passes,
    aa_floor, controls_failed,
    layer_overhead, layer_residual, shard, shards
FROM (
    SELECT *, row_number() OVER (
        PARTITION BY variant, backend, device, isa, dtype, threads, batch, cache
        ORDER BY started_utc DESC, measurement DESC) AS newest
    FROM result_all)
WHERE newest = 1;

-- moprof's own rows beside those of other engines; is_checked = 1 only where an output was held to the reference.
CREATE VIEW engine_result AS
SELECT 'moprof' AS engine, variant, backend, device, dtype, threads, batch, n, min_ns, mean_ns, median_ns,
    1 AS is_checked, grade, NULL AS source
FROM result
UNION ALL
SELECT engine, variant, '', device, dtype, threads, batch, n, min_ns, mean_ns, median_ns, 0, NULL, source
FROM external_result;

