-- What an engine fuses and whether it may use Winograd's convolution are part of a measurement's setting. fuse is
-- none, all, or some of bn, act, add, se, dwpw joined by + in that order; winograd is auto or off. Either is what the
-- back end heeds of what was asked for: what makes no difference there is one setting.

-- The setting belongs to what a cell of a plan is known by, and a rule of a table can only be made with it: the rows
-- go out and come back. What refers to them is looked at again when all of them are back.
PRAGMA defer_foreign_keys = ON;
DROP VIEW engine_result;
DROP VIEW failure;
DROP VIEW result;
DROP VIEW result_all;
CREATE TEMP TABLE moved AS SELECT * FROM measurement;
DROP TABLE measurement;

-- One cell of a sweep's plan. alias is '' except for a control's second copy of a cell.
CREATE TABLE measurement (
    id INTEGER PRIMARY KEY,
    sweep_id INTEGER NOT NULL REFERENCES sweep (id),
    model_id INTEGER NOT NULL REFERENCES model (id),
    device_id INTEGER NOT NULL REFERENCES device (id),
    dtype TEXT NOT NULL,
    cache TEXT NOT NULL,
    threads INTEGER NOT NULL CHECK (threads >= 0),
    batch INTEGER NOT NULL CHECK (batch >= 0),
    alias TEXT NOT NULL DEFAULT '',
    state TEXT NOT NULL CHECK (state IN ('pending', 'done', 'failed', 'skipped')),
    stop TEXT NOT NULL
        CHECK (stop IN ('none', 'precision', 'passes', 'budget', 'interrupt', 'failed')),
    reason TEXT NOT NULL,
    checksum TEXT CHECK (length(checksum) = 16),
    error REAL,
    error_bound REAL,
    node_error REAL,
    setup_ns INTEGER,
    first_run_ns INTEGER,
    arena_bytes INTEGER,
    weight_bytes INTEGER,
    grade TEXT CHECK (grade IN ('A', 'B', 'C', 'X')),
    layer_overhead REAL,
    layer_residual REAL,
    fuse TEXT NOT NULL,
    winograd TEXT NOT NULL,
    UNIQUE (sweep_id, model_id, device_id, dtype, cache, threads, batch, alias, fuse, winograd)
) STRICT;
CREATE INDEX measurement_model ON measurement (model_id);
CREATE INDEX measurement_device ON measurement (device_id);
-- Older versions folded BatchNorm, activations and adds, and had no other convolution than the direct sum.
INSERT INTO measurement (
    id, sweep_id, model_id, device_id, dtype, cache, threads, batch, alias, state, stop, reason, checksum, error,
    error_bound, node_error, setup_ns, first_run_ns, arena_bytes, weight_bytes, grade, layer_overhead, layer_residual, fuse, winograd)
SELECT
    id, sweep_id, model_id, device_id, dtype, cache, threads, batch, alias, state, stop, reason, checksum, error,
    error_bound, node_error, setup_ns, first_run_ns, arena_bytes, weight_bytes, grade, layer_overhead, layer_residual,
    'bn+act+add', 'off'
FROM moved ORDER BY id;
DROP TABLE moved;

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
    x.layer_overhead, x.layer_residual, w.shard, w.shards,
    x.fuse, x.winograd
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
    layer_overhead, layer_residual, shard, shards,
    fuse, winograd
FROM (
    SELECT *, row_number() OVER (
        PARTITION BY variant, backend, device, isa, dtype, threads, batch, cache, fuse, winograd
        ORDER BY started_utc DESC, measurement DESC) AS newest
    FROM result_all)
WHERE newest = 1;

-- What did not run, and why.
CREATE VIEW failure AS
SELECT
    m.variant, d.backend, d.name AS device, x.dtype, x.threads, x.batch,
    x.state, x.reason, x.error, x.error_bound, x.node_error,
    x.sweep_id AS sweep, w.started_utc, x.id AS measurement,
    x.cache, x.fuse, x.winograd
FROM measurement AS x
JOIN model AS m ON m.id = x.model_id
JOIN device AS d ON d.id = x.device_id
JOIN sweep AS w ON w.id = x.sweep_id
WHERE x.state IN ('failed', 'skipped');

-- moprof's own rows beside those of other engines; is_checked = 1 only where an output was held to the reference.
CREATE VIEW engine_result AS
SELECT 'moprof' AS engine, variant, backend, device, dtype, threads, batch, n, min_ns, mean_ns, median_ns,
    1 AS is_checked, grade, NULL AS source, cache, fuse, winograd
FROM result
UNION ALL
SELECT engine, variant, '', device, dtype, threads, batch, n, min_ns, mean_ns, median_ns, 0, NULL, source,
    NULL, NULL, NULL
FROM external_result;
