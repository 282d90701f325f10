-- The results database. Times are integer nanoseconds; a value that the machine does not offer is NULL,
-- never zero. Hashes are 16 hexadecimal digits. Tables are for programs; the views result, result_all
-- and failure are for people and only ever gain columns.

-- Where something ran: one row for every distinct description.
CREATE TABLE device (
    id INTEGER PRIMARY KEY,
    backend TEXT NOT NULL,
    name TEXT NOT NULL,
    type TEXT NOT NULL,
    driver TEXT NOT NULL,
    uuid TEXT NOT NULL,
    isa TEXT NOT NULL,
    is_software INTEGER NOT NULL CHECK (is_software IN (0, 1)),
    fingerprint TEXT NOT NULL
) STRICT;
CREATE INDEX device_uuid ON device (uuid);

-- A network as one back end runs it. content_hash covers the counts and the layers with their kernels,
-- so that the plans of two back ends are two rows.
CREATE TABLE model (
    id INTEGER PRIMARY KEY,
    graph_hash TEXT NOT NULL CHECK (length(graph_hash) = 16),
    content_hash TEXT CHECK (length(content_hash) = 16),
    variant TEXT NOT NULL,
    family TEXT NOT NULL,
    form TEXT NOT NULL,
    height INTEGER NOT NULL CHECK (height >= 0),
    width INTEGER NOT NULL CHECK (width >= 0),
    batch INTEGER NOT NULL CHECK (batch >= 0),
    params INTEGER NOT NULL,
    macs INTEGER NOT NULL,
    flops INTEGER NOT NULL,
    elementwise INTEGER NOT NULL,
    activations INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    ops INTEGER NOT NULL,
    depth INTEGER NOT NULL
) STRICT;
CREATE INDEX model_graph ON model (graph_hash);
CREATE INDEX model_variant ON model (variant);

CREATE TABLE layer (
    model_id INTEGER NOT NULL REFERENCES model (id),
    idx INTEGER NOT NULL CHECK (idx >= 0),
    name TEXT NOT NULL,
    op TEXT NOT NULL,
    kernel TEXT NOT NULL,
    act TEXT NOT NULL,
    out_h INTEGER NOT NULL,
    out_w INTEGER NOT NULL,
    out_c INTEGER NOT NULL,
    params INTEGER NOT NULL,
    macs INTEGER NOT NULL,
    elementwise INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    PRIMARY KEY (model_id, idx)
) STRICT, WITHOUT ROWID;

-- One run of the program over a plan. seed is the 64 bits as a signed number.
CREATE TABLE sweep (
    id INTEGER PRIMARY KEY,
    state TEXT NOT NULL DEFAULT 'running'
        CHECK (state IN ('running', 'done', 'stopped', 'imported')),
    started_utc TEXT NOT NULL,
    seed INTEGER NOT NULL,
    plan_hash TEXT NOT NULL CHECK (length(plan_hash) = 16),
    plan_text TEXT NOT NULL,
    build_id TEXT NOT NULL,
    protocol TEXT NOT NULL,
    aa_floor REAL,
    clock_cost_ns INTEGER,
    clock_step_ns INTEGER,
    environment TEXT
) STRICT;
CREATE INDEX sweep_plan ON sweep (plan_hash);

-- Numbers measured about a device at the start of a sweep: name 'peak_flops' is the multiply-add peak
-- of one core in FLOP/s.
CREATE TABLE calibration (
    sweep_id INTEGER NOT NULL REFERENCES sweep (id),
    device_id INTEGER NOT NULL REFERENCES device (id),
    name TEXT NOT NULL,
    value REAL NOT NULL,
    PRIMARY KEY (sweep_id, device_id, name)
) STRICT, WITHOUT ROWID;

-- Controls of a sweep (A/A aliases, the x1.02 kernel, linearity): what came out and what had to.
CREATE TABLE control (
    sweep_id INTEGER NOT NULL REFERENCES sweep (id),
    name TEXT NOT NULL,
    value REAL,
    low REAL,
    high REAL,
    passed INTEGER CHECK (passed IN (0, 1)),
    PRIMARY KEY (sweep_id, name)
) STRICT, WITHOUT ROWID;

-- Worker processes of a sweep and how each ended.
CREATE TABLE worker (
    sweep_id INTEGER NOT NULL REFERENCES sweep (id),
    worker INTEGER NOT NULL,
    first_pass INTEGER,
    last_pass INTEGER,
    outcome TEXT,
    PRIMARY KEY (sweep_id, worker)
) STRICT, WITHOUT ROWID;

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
    UNIQUE (sweep_id, model_id, device_id, dtype, cache, threads, batch, alias)
) STRICT;
CREATE INDEX measurement_model ON measurement (model_id);
CREATE INDEX measurement_device ON measurement (device_id);

-- One visit to every pending measurement in random order, with the state of the machine.
CREATE TABLE pass (
    sweep_id INTEGER NOT NULL REFERENCES sweep (id),
    pass INTEGER NOT NULL CHECK (pass >= 0),
    began_ns INTEGER NOT NULL,
    ended_ns INTEGER NOT NULL,
    worker INTEGER,
    canary_cpu_ns INTEGER,
    canary_memory_ns INTEGER,
    steal_ticks INTEGER,
    irq_ticks INTEGER,
    pressure_us INTEGER,
    runnable INTEGER,
    temperature_mc INTEGER,
    frequency_khz INTEGER,
    PRIMARY KEY (sweep_id, pass)
) STRICT, WITHOUT ROWID;

-- Raw samples, never deleted. wall_ns is the time of `batched` inferences together. flags is a union of
-- 1 preempted, 2 off cpu, 4 page fault, 8 migrated, 16 canary, 32 steal, 64 throttled; 0 is clean.
CREATE TABLE sample (
    measurement_id INTEGER NOT NULL REFERENCES measurement (id),
    pass INTEGER NOT NULL CHECK (pass >= 0),
    run INTEGER NOT NULL CHECK (run >= 0),
    batched INTEGER NOT NULL CHECK (batched >= 1),
    wall_ns INTEGER NOT NULL CHECK (wall_ns >= 0),
    device_ns INTEGER,
    cpu_ns INTEGER,
    vol_switches INTEGER,
    invol_switches INTEGER,
    minor_faults INTEGER,
    major_faults INTEGER,
    flags INTEGER NOT NULL,
    run_delay_ns INTEGER,
    cpu_before INTEGER,
    cpu_after INTEGER,
    PRIMARY KEY (measurement_id, pass, run)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER sample_is_checked BEFORE INSERT ON sample
WHEN NOT EXISTS (
    SELECT 1 FROM measurement
    WHERE id = NEW.measurement_id AND state <> 'failed' AND checksum IS NOT NULL AND error IS NOT NULL)
BEGIN
    SELECT raise(ABORT, 'its output was not checked against the reference');
END;

-- Profiled runs, apart from the plain ones. The layers of a run sum to its total to the nanosecond.
CREATE TABLE layer_run (
    measurement_id INTEGER NOT NULL REFERENCES measurement (id),
    pass INTEGER NOT NULL CHECK (pass >= 0),
    total_ns INTEGER NOT NULL CHECK (total_ns >= 0),
    PRIMARY KEY (measurement_id, pass)
) STRICT, WITHOUT ROWID;

CREATE TABLE layer_time (
    measurement_id INTEGER NOT NULL,
    pass INTEGER NOT NULL,
    idx INTEGER NOT NULL CHECK (idx >= 0),
    ns INTEGER NOT NULL CHECK (ns >= 0),
    PRIMARY KEY (measurement_id, pass, idx),
    FOREIGN KEY (measurement_id, pass) REFERENCES layer_run (measurement_id, pass)
        DEFERRABLE INITIALLY DEFERRED
) STRICT, WITHOUT ROWID;

CREATE TRIGGER layer_run_adds_up BEFORE INSERT ON layer_run
WHEN NEW.total_ns <> (
    SELECT coalesce(sum(ns), 0) FROM layer_time
    WHERE measurement_id = NEW.measurement_id AND pass = NEW.pass)
BEGIN
    SELECT raise(ABORT, 'the layer times do not add up to the total');
END;

-- Statistics of the samples, per inference. All but n, max_ns and median_all_ns are of the clean
-- samples; ci_low_ns .. ci_high_ns is the 95 % interval of the median over pass medians. NULL where
-- there are too few.
CREATE TABLE stat (
    measurement_id INTEGER PRIMARY KEY REFERENCES measurement (id),
    n INTEGER NOT NULL,
    n_clean INTEGER NOT NULL,
    passes INTEGER NOT NULL,
    min_ns REAL,
    p5_ns REAL,
    p25_ns REAL,
    median_ns REAL,
    ci_low_ns REAL,
    ci_high_ns REAL,
    mean_ns REAL,
    mad_ns REAL,
    median_all_ns REAL,
    max_ns REAL
) STRICT;

-- Published figures about variants, each with its source.
CREATE TABLE reference (
    variant TEXT NOT NULL,
    metric TEXT NOT NULL,
    value REAL NOT NULL,
    source TEXT NOT NULL,
    PRIMARY KEY (variant, metric)
) STRICT, WITHOUT ROWID;

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
    s.passes, s.p25_ns, s.mean_ns, s.mad_ns, s.median_all_ns, s.max_ns
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
    passes, p25_ns, mean_ns, mad_ns, median_all_ns, max_ns
FROM (
    SELECT *, row_number() OVER (
        PARTITION BY variant, backend, device, isa, dtype, threads, batch, cache
        ORDER BY started_utc DESC, measurement DESC) AS newest
    FROM result_all)
WHERE newest = 1;

-- What did not run, and why.
CREATE VIEW failure AS
SELECT
    m.variant, d.backend, d.name AS device, x.dtype, x.threads, x.batch,
    x.state, x.reason, x.error, x.error_bound, x.node_error,
    x.sweep_id AS sweep, w.started_utc, x.id AS measurement
FROM measurement AS x
JOIN model AS m ON m.id = x.model_id
JOIN device AS d ON d.id = x.device_id
JOIN sweep AS w ON w.id = x.sweep_id
WHERE x.state IN ('failed', 'skipped');
