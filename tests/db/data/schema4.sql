-- A database of schema 4 as moprof left it, small. Never changed: what it holds must come out of every later moprof.
PRAGMA foreign_keys=OFF;
BEGIN TRANSACTION;
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
INSERT INTO device VALUES(1,'cpu','Test processor','cpu','none','0011','avx2',0,'cpu=test;kernel=6.1;');
INSERT INTO device VALUES(2,'vulkan','Test processor','cpu','none','0011','avx2',1,'cpu=test;kernel=6.1;');
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
INSERT INTO model VALUES(1,'4b304547b0a1e743','87f64754c4e30ffd','mobileone-s0','mobileone','deploy',224,224,1,10000,1000000,2000007,7,1000,4000,30,20);
INSERT INTO model VALUES(6,'f9f3d0784a62f14a','e8945d6b3c0e4a19','cnn30+se','cnn30','deploy',224,224,1,60000,6000000,12000007,7,1000,4000,30,20);
INSERT INTO model VALUES(8,'ea46d543721b558d','4f213d65c3fc439c','resnet18','resnet18','deploy',224,224,1,90000,9000000,18000007,7,1000,4000,30,20);
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
INSERT INTO layer VALUES(1,0,'stage0','conv2d','conv_direct_avx2','relu',112,112,48,100,300000,3,64);
INSERT INTO layer VALUES(1,1,'stage1','conv2d','conv_direct_avx2','relu',112,112,48,100,600000,3,64);
INSERT INTO layer VALUES(1,2,'stage2','conv2d','conv_direct_avx2','relu',112,112,48,100,900000,3,64);
INSERT INTO layer VALUES(6,0,'stage0','conv2d','conv_direct_avx2','relu',112,112,48,100,300000,3,64);
INSERT INTO layer VALUES(6,1,'stage1','conv2d','conv_direct_avx2','relu',112,112,48,100,600000,3,64);
INSERT INTO layer VALUES(6,2,'stage2','conv2d','conv_direct_avx2','relu',112,112,48,100,900000,3,64);
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
, uuid TEXT, kind TEXT NOT NULL DEFAULT 'sweep' CHECK (kind IN ('sweep', 'calibration')), shard INTEGER NOT NULL DEFAULT 1 CHECK (shard >= 1), shards INTEGER NOT NULL DEFAULT 1 CHECK (shards >= 1), baseline TEXT NOT NULL DEFAULT '') STRICT;
INSERT INTO sweep VALUES(1,'done','2026-01-31T12:00:00Z',42,'000000000000004d','variants=all','test','passes=12',0.0040000000000000000832,20,1,'load=0.1;','6f1c5c2e9d3b4a7081b2c3d4e5f60718','sweep',1,1,'mobileone-s0');
CREATE TABLE calibration (
    sweep_id INTEGER NOT NULL REFERENCES sweep (id),
    device_id INTEGER NOT NULL REFERENCES device (id),
    name TEXT NOT NULL,
    value REAL NOT NULL,
    PRIMARY KEY (sweep_id, device_id, name)
) STRICT, WITHOUT ROWID;
INSERT INTO calibration VALUES(1,1,'peak_flops',100000000000.0);
INSERT INTO calibration VALUES(1,2,'peak_flops',100000000000.0);
CREATE TABLE control (
    sweep_id INTEGER NOT NULL REFERENCES sweep (id),
    name TEXT NOT NULL,
    value REAL,
    low REAL,
    high REAL,
    passed INTEGER CHECK (passed IN (0, 1)),
    PRIMARY KEY (sweep_id, name)
) STRICT, WITHOUT ROWID;
INSERT INTO control VALUES(1,'fma x1.02',1.0198000000000000397,1.0149999999999999023,1.0249999999999999111,1);
CREATE TABLE worker (
    sweep_id INTEGER NOT NULL REFERENCES sweep (id),
    worker INTEGER NOT NULL,
    first_pass INTEGER,
    last_pass INTEGER,
    outcome TEXT,
    PRIMARY KEY (sweep_id, worker)
) STRICT, WITHOUT ROWID;
INSERT INTO worker VALUES(1,0,0,7,'done');
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
INSERT INTO pass VALUES(1,0,0,900,0,0,0,0,0,0,0,0,0);
INSERT INTO pass VALUES(1,1,1000,1900,0,0,0,0,0,0,0,0,0);
INSERT INTO pass VALUES(1,2,2000,2900,0,0,0,0,0,0,0,0,0);
INSERT INTO pass VALUES(1,3,3000,3900,0,0,0,0,0,0,0,0,0);
INSERT INTO pass VALUES(1,4,4000,4900,0,0,0,0,0,0,0,0,0);
INSERT INTO pass VALUES(1,5,5000,5900,0,0,0,0,0,0,0,0,0);
INSERT INTO pass VALUES(1,6,6000,6900,0,0,0,0,0,0,0,0,0);
INSERT INTO pass VALUES(1,7,7000,7900,0,0,0,0,0,0,0,0,0);
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
INSERT INTO sample VALUES(1,0,0,1,161019,NULL,100000,0,0,0,NULL,0,0,0,0);
INSERT INTO sample VALUES(1,0,1,1,168216,NULL,100000,0,0,0,NULL,0,0,0,0);
INSERT INTO sample VALUES(1,0,2,1,141933,NULL,100000,0,0,0,NULL,1,0,0,0);
INSERT INTO sample VALUES(1,1,0,1,138030,NULL,100000,0,0,0,NULL,0,0,0,0);
INSERT INTO sample VALUES(1,1,1,1,112263,NULL,100000,0,0,0,NULL,0,0,0,0);
INSERT INTO sample VALUES(1,1,2,1,169234,NULL,100000,0,0,0,NULL,0,0,0,0);
INSERT INTO sample VALUES(1,2,0,1,139253,NULL,100000,0,0,0,NULL,0,0,0,0);
INSERT INTO sample VALUES(1,2,1,1,183671,NULL,100000,0,0,0,NULL,0,0,0,0);
INSERT INTO sample VALUES(1,2,2,1,184151,NULL,100000,0,0,0,NULL,0,0,0,0);
INSERT INTO sample VALUES(1,3,0,1,132314,NULL,100000,0,0,0,NULL,0,0,0,0);
INSERT INTO sample VALUES(1,3,1,1,101792,NULL,100000,0,0,0,NULL,0,0,0,0);
INSERT INTO sample VALUES(1,3,2,1,151107,NULL,100000,0,0,0,NULL,0,0,0,0);
INSERT INTO sample VALUES(1,4,0,1,160267,NULL,100000,0,0,0,NULL,0,0,0,0);
INSERT INTO sample VALUES(1,4,1,1,188013,NULL,100000,0,0,0,NULL,0,0,0,0);
INSERT INTO sample VALUES(1,4,2,1,109978,NULL,100000,0,0,0,NULL,1,0,0,0);
INSERT INTO sample VALUES(1,5,0,1,194414,NULL,100000,0,0,0,NULL,0,0,0,0);
INSERT INTO sample VALUES(1,5,1,1,186197,NULL,100000,0,0,0,NULL,0,0,0,0);
INSERT INTO sample VALUES(1,5,2,1,104018,NULL,100000,0,0,0,NULL,0,0,0,0);
INSERT INTO sample VALUES(1,6,0,1,105685,NULL,100000,0,0,0,NULL,0,0,0,0);
INSERT INTO sample VALUES(1,6,1,1,183728,NULL,100000,0,0,0,NULL,0,0,0,0);
INSERT INTO sample VALUES(1,6,2,1,181450,NULL,100000,0,0,0,NULL,0,0,0,0);
INSERT INTO sample VALUES(1,7,0,1,119427,NULL,100000,0,0,0,NULL,0,0,0,0);
INSERT INTO sample VALUES(1,7,1,1,159548,NULL,100000,0,0,0,NULL,0,0,0,0);
INSERT INTO sample VALUES(1,7,2,1,120556,NULL,100000,0,0,0,NULL,0,0,0,0);
INSERT INTO sample VALUES(2,0,0,1,2026513,NULL,1100000,0,0,0,NULL,0,0,0,0);
INSERT INTO sample VALUES(2,0,1,1,1934299,NULL,1100000,0,0,0,NULL,0,0,0,0);
INSERT INTO sample VALUES(2,0,2,1,1755654,NULL,1100000,0,0,0,NULL,1,0,0,0);
INSERT INTO sample VALUES(2,1,0,1,1113843,NULL,1100000,0,0,0,NULL,0,0,0,0);
INSERT INTO sample VALUES(2,1,1,1,1805382,NULL,1100000,0,0,0,NULL,0,0,0,0);
INSERT INTO sample VALUES(2,1,2,1,1147320,NULL,1100000,0,0,0,NULL,0,0,0,0);
INSERT INTO sample VALUES(2,2,0,1,1938468,NULL,1100000,0,0,0,NULL,0,0,0,0);
INSERT INTO sample VALUES(2,2,1,1,1977126,NULL,1100000,0,0,0,NULL,0,0,0,0);
INSERT INTO sample VALUES(2,2,2,1,1167584,NULL,1100000,0,0,0,NULL,0,0,0,0);
INSERT INTO sample VALUES(2,3,0,1,2163322,NULL,1100000,0,0,0,NULL,0,0,0,0);
INSERT INTO sample VALUES(2,3,1,1,2070696,NULL,1100000,0,0,0,NULL,0,0,0,0);
INSERT INTO sample VALUES(2,3,2,1,1799017,NULL,1100000,0,0,0,NULL,0,0,0,0);
INSERT INTO sample VALUES(2,4,0,1,1483110,NULL,1100000,0,0,0,NULL,0,0,0,0);
INSERT INTO sample VALUES(2,4,1,1,2073496,NULL,1100000,0,0,0,NULL,0,0,0,0);
INSERT INTO sample VALUES(2,4,2,1,1314445,NULL,1100000,0,0,0,NULL,1,0,0,0);
INSERT INTO sample VALUES(2,5,0,1,1380467,NULL,1100000,0,0,0,NULL,0,0,0,0);
INSERT INTO sample VALUES(2,5,1,1,1571311,NULL,1100000,0,0,0,NULL,0,0,0,0);
INSERT INTO sample VALUES(2,5,2,1,1478673,NULL,1100000,0,0,0,NULL,0,0,0,0);
INSERT INTO sample VALUES(2,6,0,1,1132261,NULL,1100000,0,0,0,NULL,0,0,0,0);
INSERT INTO sample VALUES(2,6,1,1,2119089,NULL,1100000,0,0,0,NULL,0,0,0,0);
INSERT INTO sample VALUES(2,6,2,1,1791391,NULL,1100000,0,0,0,NULL,0,0,0,0);
INSERT INTO sample VALUES(2,7,0,1,1690311,NULL,1100000,0,0,0,NULL,0,0,0,0);
INSERT INTO sample VALUES(2,7,1,1,1163366,NULL,1100000,0,0,0,NULL,0,0,0,0);
INSERT INTO sample VALUES(2,7,2,1,1870469,NULL,1100000,0,0,0,NULL,0,0,0,0);
INSERT INTO sample VALUES(11,0,0,1,616468,NULL,600000,0,0,0,NULL,0,0,0,0);
INSERT INTO sample VALUES(11,0,1,1,729501,NULL,600000,0,0,0,NULL,0,0,0,0);
INSERT INTO sample VALUES(11,0,2,1,627012,NULL,600000,0,0,0,NULL,1,0,0,0);
INSERT INTO sample VALUES(11,1,0,1,1177518,NULL,600000,0,0,0,NULL,0,0,0,0);
INSERT INTO sample VALUES(11,1,1,1,842792,NULL,600000,0,0,0,NULL,0,0,0,0);
INSERT INTO sample VALUES(11,1,2,1,966609,NULL,600000,0,0,0,NULL,0,0,0,0);
INSERT INTO sample VALUES(11,2,0,1,838270,NULL,600000,0,0,0,NULL,0,0,0,0);
INSERT INTO sample VALUES(11,2,1,1,809950,NULL,600000,0,0,0,NULL,0,0,0,0);
INSERT INTO sample VALUES(11,2,2,1,960897,NULL,600000,0,0,0,NULL,0,0,0,0);
INSERT INTO sample VALUES(11,3,0,1,819266,NULL,600000,0,0,0,NULL,0,0,0,0);
INSERT INTO sample VALUES(11,3,1,1,839044,NULL,600000,0,0,0,NULL,0,0,0,0);
INSERT INTO sample VALUES(11,3,2,1,731518,NULL,600000,0,0,0,NULL,0,0,0,0);
INSERT INTO sample VALUES(11,4,0,1,898751,NULL,600000,0,0,0,NULL,0,0,0,0);
INSERT INTO sample VALUES(11,4,1,1,860033,NULL,600000,0,0,0,NULL,0,0,0,0);
INSERT INTO sample VALUES(11,4,2,1,738354,NULL,600000,0,0,0,NULL,1,0,0,0);
INSERT INTO sample VALUES(11,5,0,1,1104699,NULL,600000,0,0,0,NULL,0,0,0,0);
INSERT INTO sample VALUES(11,5,1,1,1196448,NULL,600000,0,0,0,NULL,0,0,0,0);
INSERT INTO sample VALUES(11,5,2,1,888633,NULL,600000,0,0,0,NULL,0,0,0,0);
INSERT INTO sample VALUES(11,6,0,1,925351,NULL,600000,0,0,0,NULL,0,0,0,0);
INSERT INTO sample VALUES(11,6,1,1,1076886,NULL,600000,0,0,0,NULL,0,0,0,0);
INSERT INTO sample VALUES(11,6,2,1,796908,NULL,600000,0,0,0,NULL,0,0,0,0);
INSERT INTO sample VALUES(11,7,0,1,1183603,NULL,600000,0,0,0,NULL,0,0,0,0);
INSERT INTO sample VALUES(11,7,1,1,1118523,NULL,600000,0,0,0,NULL,0,0,0,0);
INSERT INTO sample VALUES(11,7,2,1,862649,NULL,600000,0,0,0,NULL,0,0,0,0);
INSERT INTO sample VALUES(12,0,0,1,2893099,NULL,1600000,0,0,0,NULL,0,0,0,0);
INSERT INTO sample VALUES(12,0,1,1,3096145,NULL,1600000,0,0,0,NULL,0,0,0,0);
INSERT INTO sample VALUES(12,0,2,1,2206584,NULL,1600000,0,0,0,NULL,1,0,0,0);
INSERT INTO sample VALUES(12,1,0,1,2968984,NULL,1600000,0,0,0,NULL,0,0,0,0);
INSERT INTO sample VALUES(12,1,1,1,2686565,NULL,1600000,0,0,0,NULL,0,0,0,0);
INSERT INTO sample VALUES(12,1,2,1,2223896,NULL,1600000,0,0,0,NULL,0,0,0,0);
INSERT INTO sample VALUES(12,2,0,1,2997566,NULL,1600000,0,0,0,NULL,0,0,0,0);
INSERT INTO sample VALUES(12,2,1,1,2014773,NULL,1600000,0,0,0,NULL,0,0,0,0);
INSERT INTO sample VALUES(12,2,2,1,2790995,NULL,1600000,0,0,0,NULL,0,0,0,0);
INSERT INTO sample VALUES(12,3,0,1,2772847,NULL,1600000,0,0,0,NULL,0,0,0,0);
INSERT INTO sample VALUES(12,3,1,1,3129773,NULL,1600000,0,0,0,NULL,0,0,0,0);
INSERT INTO sample VALUES(12,3,2,1,3163673,NULL,1600000,0,0,0,NULL,0,0,0,0);
INSERT INTO sample VALUES(12,4,0,1,2214562,NULL,1600000,0,0,0,NULL,0,0,0,0);
INSERT INTO sample VALUES(12,4,1,1,2484357,NULL,1600000,0,0,0,NULL,0,0,0,0);
INSERT INTO sample VALUES(12,4,2,1,2005598,NULL,1600000,0,0,0,NULL,1,0,0,0);
INSERT INTO sample VALUES(12,5,0,1,2504715,NULL,1600000,0,0,0,NULL,0,0,0,0);
INSERT INTO sample VALUES(12,5,1,1,2016757,NULL,1600000,0,0,0,NULL,0,0,0,0);
INSERT INTO sample VALUES(12,5,2,1,2031038,NULL,1600000,0,0,0,NULL,0,0,0,0);
INSERT INTO sample VALUES(12,6,0,1,1672056,NULL,1600000,0,0,0,NULL,0,0,0,0);
INSERT INTO sample VALUES(12,6,1,1,1900006,NULL,1600000,0,0,0,NULL,0,0,0,0);
INSERT INTO sample VALUES(12,6,2,1,2488968,NULL,1600000,0,0,0,NULL,0,0,0,0);
INSERT INTO sample VALUES(12,7,0,1,1968031,NULL,1600000,0,0,0,NULL,0,0,0,0);
INSERT INTO sample VALUES(12,7,1,1,2791021,NULL,1600000,0,0,0,NULL,0,0,0,0);
INSERT INTO sample VALUES(12,7,2,1,3197862,NULL,1600000,0,0,0,NULL,0,0,0,0);
INSERT INTO sample VALUES(21,0,0,1,162019,NULL,100000,0,0,0,NULL,0,0,0,0);
INSERT INTO sample VALUES(21,0,1,1,169216,NULL,100000,0,0,0,NULL,0,0,0,0);
INSERT INTO sample VALUES(21,0,2,1,142933,NULL,100000,0,0,0,NULL,1,0,0,0);
INSERT INTO sample VALUES(21,1,0,1,139030,NULL,100000,0,0,0,NULL,0,0,0,0);
INSERT INTO sample VALUES(21,1,1,1,113263,NULL,100000,0,0,0,NULL,0,0,0,0);
INSERT INTO sample VALUES(21,1,2,1,170234,NULL,100000,0,0,0,NULL,0,0,0,0);
INSERT INTO sample VALUES(21,2,0,1,140253,NULL,100000,0,0,0,NULL,0,0,0,0);
INSERT INTO sample VALUES(21,2,1,1,184671,NULL,100000,0,0,0,NULL,0,0,0,0);
INSERT INTO sample VALUES(21,2,2,1,185151,NULL,100000,0,0,0,NULL,0,0,0,0);
INSERT INTO sample VALUES(21,3,0,1,133314,NULL,100000,0,0,0,NULL,0,0,0,0);
INSERT INTO sample VALUES(21,3,1,1,102792,NULL,100000,0,0,0,NULL,0,0,0,0);
INSERT INTO sample VALUES(21,3,2,1,152107,NULL,100000,0,0,0,NULL,0,0,0,0);
INSERT INTO sample VALUES(21,4,0,1,161267,NULL,100000,0,0,0,NULL,0,0,0,0);
INSERT INTO sample VALUES(21,4,1,1,189013,NULL,100000,0,0,0,NULL,0,0,0,0);
INSERT INTO sample VALUES(21,4,2,1,110978,NULL,100000,0,0,0,NULL,1,0,0,0);
INSERT INTO sample VALUES(21,5,0,1,195414,NULL,100000,0,0,0,NULL,0,0,0,0);
INSERT INTO sample VALUES(21,5,1,1,187197,NULL,100000,0,0,0,NULL,0,0,0,0);
INSERT INTO sample VALUES(21,5,2,1,105018,NULL,100000,0,0,0,NULL,0,0,0,0);
INSERT INTO sample VALUES(21,6,0,1,106685,NULL,100000,0,0,0,NULL,0,0,0,0);
INSERT INTO sample VALUES(21,6,1,1,184728,NULL,100000,0,0,0,NULL,0,0,0,0);
INSERT INTO sample VALUES(21,6,2,1,182450,NULL,100000,0,0,0,NULL,0,0,0,0);
INSERT INTO sample VALUES(21,7,0,1,120427,NULL,100000,0,0,0,NULL,0,0,0,0);
INSERT INTO sample VALUES(21,7,1,1,160548,NULL,100000,0,0,0,NULL,0,0,0,0);
INSERT INTO sample VALUES(21,7,2,1,121556,NULL,100000,0,0,0,NULL,0,0,0,0);
INSERT INTO sample VALUES(31,0,0,1,617468,NULL,600000,0,0,0,NULL,0,0,0,0);
INSERT INTO sample VALUES(31,0,1,1,730501,NULL,600000,0,0,0,NULL,0,0,0,0);
INSERT INTO sample VALUES(31,0,2,1,628012,NULL,600000,0,0,0,NULL,1,0,0,0);
INSERT INTO sample VALUES(31,1,0,1,1178518,NULL,600000,0,0,0,NULL,0,0,0,0);
INSERT INTO sample VALUES(31,1,1,1,843792,NULL,600000,0,0,0,NULL,0,0,0,0);
INSERT INTO sample VALUES(31,1,2,1,967609,NULL,600000,0,0,0,NULL,0,0,0,0);
INSERT INTO sample VALUES(31,2,0,1,839270,NULL,600000,0,0,0,NULL,0,0,0,0);
INSERT INTO sample VALUES(31,2,1,1,810950,NULL,600000,0,0,0,NULL,0,0,0,0);
INSERT INTO sample VALUES(31,2,2,1,961897,NULL,600000,0,0,0,NULL,0,0,0,0);
INSERT INTO sample VALUES(31,3,0,1,820266,NULL,600000,0,0,0,NULL,0,0,0,0);
INSERT INTO sample VALUES(31,3,1,1,840044,NULL,600000,0,0,0,NULL,0,0,0,0);
INSERT INTO sample VALUES(31,3,2,1,732518,NULL,600000,0,0,0,NULL,0,0,0,0);
INSERT INTO sample VALUES(31,4,0,1,899751,NULL,600000,0,0,0,NULL,0,0,0,0);
INSERT INTO sample VALUES(31,4,1,1,861033,NULL,600000,0,0,0,NULL,0,0,0,0);
INSERT INTO sample VALUES(31,4,2,1,739354,NULL,600000,0,0,0,NULL,1,0,0,0);
INSERT INTO sample VALUES(31,5,0,1,1105699,NULL,600000,0,0,0,NULL,0,0,0,0);
INSERT INTO sample VALUES(31,5,1,1,1197448,NULL,600000,0,0,0,NULL,0,0,0,0);
INSERT INTO sample VALUES(31,5,2,1,889633,NULL,600000,0,0,0,NULL,0,0,0,0);
INSERT INTO sample VALUES(31,6,0,1,926351,NULL,600000,0,0,0,NULL,0,0,0,0);
INSERT INTO sample VALUES(31,6,1,1,1077886,NULL,600000,0,0,0,NULL,0,0,0,0);
INSERT INTO sample VALUES(31,6,2,1,797908,NULL,600000,0,0,0,NULL,0,0,0,0);
INSERT INTO sample VALUES(31,7,0,1,1184603,NULL,600000,0,0,0,NULL,0,0,0,0);
INSERT INTO sample VALUES(31,7,1,1,1119523,NULL,600000,0,0,0,NULL,0,0,0,0);
INSERT INTO sample VALUES(31,7,2,1,863649,NULL,600000,0,0,0,NULL,0,0,0,0);
CREATE TABLE layer_run (
    measurement_id INTEGER NOT NULL REFERENCES measurement (id),
    pass INTEGER NOT NULL CHECK (pass >= 0),
    total_ns INTEGER NOT NULL CHECK (total_ns >= 0), plain_ns INTEGER,
    PRIMARY KEY (measurement_id, pass)
) STRICT, WITHOUT ROWID;
INSERT INTO layer_run VALUES(1,0,600,600);
INSERT INTO layer_run VALUES(1,1,601,601);
INSERT INTO layer_run VALUES(1,2,602,602);
INSERT INTO layer_run VALUES(1,3,603,603);
INSERT INTO layer_run VALUES(1,4,604,604);
INSERT INTO layer_run VALUES(1,5,605,605);
INSERT INTO layer_run VALUES(1,6,606,606);
INSERT INTO layer_run VALUES(1,7,607,607);
INSERT INTO layer_run VALUES(11,0,600,600);
INSERT INTO layer_run VALUES(11,1,601,601);
INSERT INTO layer_run VALUES(11,2,602,602);
INSERT INTO layer_run VALUES(11,3,603,603);
INSERT INTO layer_run VALUES(11,4,604,604);
INSERT INTO layer_run VALUES(11,5,605,605);
INSERT INTO layer_run VALUES(11,6,606,606);
INSERT INTO layer_run VALUES(11,7,607,607);
CREATE TABLE layer_time (
    measurement_id INTEGER NOT NULL,
    pass INTEGER NOT NULL,
    idx INTEGER NOT NULL CHECK (idx >= 0),
    ns INTEGER NOT NULL CHECK (ns >= 0),
    PRIMARY KEY (measurement_id, pass, idx),
    FOREIGN KEY (measurement_id, pass) REFERENCES layer_run (measurement_id, pass)
        DEFERRABLE INITIALLY DEFERRED
) STRICT, WITHOUT ROWID;
INSERT INTO layer_time VALUES(1,0,0,100);
INSERT INTO layer_time VALUES(1,0,1,200);
INSERT INTO layer_time VALUES(1,0,2,300);
INSERT INTO layer_time VALUES(1,1,0,101);
INSERT INTO layer_time VALUES(1,1,1,200);
INSERT INTO layer_time VALUES(1,1,2,300);
INSERT INTO layer_time VALUES(1,2,0,102);
INSERT INTO layer_time VALUES(1,2,1,200);
INSERT INTO layer_time VALUES(1,2,2,300);
INSERT INTO layer_time VALUES(1,3,0,103);
INSERT INTO layer_time VALUES(1,3,1,200);
INSERT INTO layer_time VALUES(1,3,2,300);
INSERT INTO layer_time VALUES(1,4,0,104);
INSERT INTO layer_time VALUES(1,4,1,200);
INSERT INTO layer_time VALUES(1,4,2,300);
INSERT INTO layer_time VALUES(1,5,0,105);
INSERT INTO layer_time VALUES(1,5,1,200);
INSERT INTO layer_time VALUES(1,5,2,300);
INSERT INTO layer_time VALUES(1,6,0,106);
INSERT INTO layer_time VALUES(1,6,1,200);
INSERT INTO layer_time VALUES(1,6,2,300);
INSERT INTO layer_time VALUES(1,7,0,107);
INSERT INTO layer_time VALUES(1,7,1,200);
INSERT INTO layer_time VALUES(1,7,2,300);
INSERT INTO layer_time VALUES(11,0,0,100);
INSERT INTO layer_time VALUES(11,0,1,200);
INSERT INTO layer_time VALUES(11,0,2,300);
INSERT INTO layer_time VALUES(11,1,0,101);
INSERT INTO layer_time VALUES(11,1,1,200);
INSERT INTO layer_time VALUES(11,1,2,300);
INSERT INTO layer_time VALUES(11,2,0,102);
INSERT INTO layer_time VALUES(11,2,1,200);
INSERT INTO layer_time VALUES(11,2,2,300);
INSERT INTO layer_time VALUES(11,3,0,103);
INSERT INTO layer_time VALUES(11,3,1,200);
INSERT INTO layer_time VALUES(11,3,2,300);
INSERT INTO layer_time VALUES(11,4,0,104);
INSERT INTO layer_time VALUES(11,4,1,200);
INSERT INTO layer_time VALUES(11,4,2,300);
INSERT INTO layer_time VALUES(11,5,0,105);
INSERT INTO layer_time VALUES(11,5,1,200);
INSERT INTO layer_time VALUES(11,5,2,300);
INSERT INTO layer_time VALUES(11,6,0,106);
INSERT INTO layer_time VALUES(11,6,1,200);
INSERT INTO layer_time VALUES(11,6,2,300);
INSERT INTO layer_time VALUES(11,7,0,107);
INSERT INTO layer_time VALUES(11,7,1,200);
INSERT INTO layer_time VALUES(11,7,2,300);
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
, p90_ns REAL, p99_ns REAL, unexplained INTEGER, modelbench_ns REAL, ratio REAL, ratio_low REAL, ratio_high REAL, ratio_passes INTEGER) STRICT;
INSERT INTO stat VALUES(1,24,22,8,101792.0,104101.35000000000581,123495.5,159907.49999999999999,120556.0,186197.0,152016.04545454547041,24032.0,155327.49999999999999,194414.0,NULL,NULL,0,NULL,1.0,1.0,1.0,8);
INSERT INTO stat VALUES(2,24,22,8,1113843.0,1133013.9499999999534,1405018.5,1795204.0,1147320.0,2070696.0,1677159.7272727270609,276892.0,1773522.5,2163322.0,NULL,NULL,0,NULL,1.0,1.0,1.0,8);
INSERT INTO stat VALUES(11,24,22,8,616468.0,729601.8499999999767,824017.0,875641.0,672984.49999999999998,1118523.0,920196.22727272729388,81994.499999999999996,861341.0,1196448.0,NULL,NULL,0,NULL,5.5006042975944753337,4.0881710632223180468,9.2780367629981110866,8);
INSERT INTO stat VALUES(12,24,22,8,1672056.0,1903407.25,2076919.0,2595640.0,1900006.0,3129773.0,2545804.0454545454122,391502.0,2496841.4999999999999,3197862.0,NULL,NULL,0,NULL,1.4751916949190613248,1.0606316543959415366,2.3416004253390512168,8);
INSERT INTO stat VALUES(21,24,22,8,102792.0,105101.35000000000582,124495.49999999999999,160907.49999999999999,121556.0,187197.0,153016.04545454547042,24032.0,156327.49999999999999,195414.0,NULL,NULL,0,NULL,1.0,1.0,1.0,8);
INSERT INTO stat VALUES(31,24,22,8,617468.0,730601.84999999997672,825017.0,876641.0,673984.5,1119523.0,921196.22727272729391,81994.499999999999996,862341.0,1197448.0,NULL,NULL,0,NULL,5.4762702188891889676,4.0695246577203496585,9.2099361611109262781,8);
CREATE TABLE reference (
    variant TEXT NOT NULL,
    metric TEXT NOT NULL,
    value REAL NOT NULL,
    source TEXT NOT NULL,
    PRIMARY KEY (variant, metric)
) STRICT, WITHOUT ROWID;
INSERT INTO reference VALUES('mobilenetv1-1.0','iphone12_ms',0.94999999999999995559,'MobileOne paper v2, Table 9');
INSERT INTO reference VALUES('mobilenetv1-1.0','rtx2080ti_ms',0.57999999999999996003,'MobileOne paper v2, Table 9');
INSERT INTO reference VALUES('mobilenetv1-1.0','top1_percent',70.900000000000005682,'tensorflow/models research/slim/nets/mobilenet_v1.md');
INSERT INTO reference VALUES('mobilenetv1-1.0','xeon_gold_5118_ms',10.650000000000000355,'MobileOne paper v2, Table 9');
INSERT INTO reference VALUES('mobilenetv2-1.0','iphone12_ms',0.97999999999999998223,'MobileOne paper v2, Table 9');
INSERT INTO reference VALUES('mobilenetv2-1.0','rtx2080ti_ms',0.6899999999999999467,'MobileOne paper v2, Table 9');
INSERT INTO reference VALUES('mobilenetv2-1.0','top1_percent',71.799999999999997157,'tensorflow/models research/slim/nets/mobilenet/README.md');
INSERT INTO reference VALUES('mobilenetv2-1.0','xeon_gold_5118_ms',13.650000000000000355,'MobileOne paper v2, Table 9');
INSERT INTO reference VALUES('mobileone-s0','iphone12_ms',0.79000000000000003552,'MobileOne paper v2, Table 9');
INSERT INTO reference VALUES('mobileone-s0','rtx2080ti_ms',0.56000000000000005329,'MobileOne paper v2, Table 9');
INSERT INTO reference VALUES('mobileone-s0','top1_percent',71.400000000000005684,'MobileOne paper v2, Table 9');
INSERT INTO reference VALUES('mobileone-s0','xeon_gold_5118_ms',10.55000000000000071,'MobileOne paper v2, Table 9');
INSERT INTO reference VALUES('mobileone-s0:train','top1_percent',71.400000000000005684,'MobileOne paper v2, Table 9 (the same weights as the deploy form)');
INSERT INTO reference VALUES('mobileone-s1','iphone12_ms',0.89000000000000001332,'MobileOne paper v2, Table 9');
INSERT INTO reference VALUES('mobileone-s1','rtx2080ti_ms',0.66000000000000003108,'MobileOne paper v2, Table 9');
INSERT INTO reference VALUES('mobileone-s1','top1_percent',75.900000000000005682,'MobileOne paper v2, Table 9');
INSERT INTO reference VALUES('mobileone-s1','xeon_gold_5118_ms',13.039999999999999147,'MobileOne paper v2, Table 9');
INSERT INTO reference VALUES('mobileone-s1:train','top1_percent',75.900000000000005682,'MobileOne paper v2, Table 9 (the same weights as the deploy form)');
INSERT INTO reference VALUES('mobileone-s2','iphone12_ms',1.1799999999999999378,'MobileOne paper v2, Table 9');
INSERT INTO reference VALUES('mobileone-s2','rtx2080ti_ms',0.71999999999999997335,'MobileOne paper v2, Table 9');
INSERT INTO reference VALUES('mobileone-s2','top1_percent',77.400000000000005683,'MobileOne paper v2, Table 9');
INSERT INTO reference VALUES('mobileone-s2','xeon_gold_5118_ms',14.869999999999999218,'MobileOne paper v2, Table 9');
INSERT INTO reference VALUES('mobileone-s2:train','top1_percent',77.400000000000005683,'MobileOne paper v2, Table 9 (the same weights as the deploy form)');
INSERT INTO reference VALUES('mobileone-s3','iphone12_ms',1.5300000000000000266,'MobileOne paper v2, Table 9');
INSERT INTO reference VALUES('mobileone-s3','rtx2080ti_ms',0.76000000000000000888,'MobileOne paper v2, Table 9');
INSERT INTO reference VALUES('mobileone-s3','top1_percent',78.099999999999994313,'MobileOne paper v2, Table 9');
INSERT INTO reference VALUES('mobileone-s3','xeon_gold_5118_ms',16.469999999999998863,'MobileOne paper v2, Table 9');
INSERT INTO reference VALUES('mobileone-s3:train','top1_percent',78.099999999999994313,'MobileOne paper v2, Table 9 (the same weights as the deploy form)');
INSERT INTO reference VALUES('mobileone-s4','iphone12_ms',1.8600000000000000976,'MobileOne paper v2, Table 9');
INSERT INTO reference VALUES('mobileone-s4','rtx2080ti_ms',0.94999999999999995559,'MobileOne paper v2, Table 9');
INSERT INTO reference VALUES('mobileone-s4','top1_percent',79.400000000000005686,'MobileOne paper v2, Table 9');
INSERT INTO reference VALUES('mobileone-s4','xeon_gold_5118_ms',26.600000000000001421,'MobileOne paper v2, Table 9');
INSERT INTO reference VALUES('mobileone-s4:train','top1_percent',79.400000000000005686,'MobileOne paper v2, Table 9 (the same weights as the deploy form)');
INSERT INTO reference VALUES('resnet18','iphone12_ms',2.1000000000000000888,'MobileOne paper v2, Table 10');
INSERT INTO reference VALUES('resnet18','top1_percent',69.751999999999995337,'timm results/results-imagenet.csv, resnet18.tv_in1k');
CREATE TABLE visit (
    measurement_id INTEGER NOT NULL REFERENCES measurement (id),
    pass INTEGER NOT NULL CHECK (pass >= 0),
    position INTEGER NOT NULL CHECK (position >= 0),
    canary_cpu_ns INTEGER,
    canary_memory_ns INTEGER,
    PRIMARY KEY (measurement_id, pass)
) STRICT, WITHOUT ROWID;
INSERT INTO visit VALUES(1,0,1,50000,90000);
INSERT INTO visit VALUES(1,1,1,50001,90001);
INSERT INTO visit VALUES(1,2,1,50002,90002);
INSERT INTO visit VALUES(1,3,1,50003,90003);
INSERT INTO visit VALUES(1,4,1,50004,90004);
INSERT INTO visit VALUES(1,5,1,50005,90005);
INSERT INTO visit VALUES(1,6,1,50006,90006);
INSERT INTO visit VALUES(1,7,1,50007,90007);
INSERT INTO visit VALUES(2,0,2,50000,90000);
INSERT INTO visit VALUES(2,1,2,50001,90001);
INSERT INTO visit VALUES(2,2,2,50002,90002);
INSERT INTO visit VALUES(2,3,2,50003,90003);
INSERT INTO visit VALUES(2,4,2,50004,90004);
INSERT INTO visit VALUES(2,5,2,50005,90005);
INSERT INTO visit VALUES(2,6,2,50006,90006);
INSERT INTO visit VALUES(2,7,2,50007,90007);
INSERT INTO visit VALUES(11,0,11,50000,90000);
INSERT INTO visit VALUES(11,1,11,50001,90001);
INSERT INTO visit VALUES(11,2,11,50002,90002);
INSERT INTO visit VALUES(11,3,11,50003,90003);
INSERT INTO visit VALUES(11,4,11,50004,90004);
INSERT INTO visit VALUES(11,5,11,50005,90005);
INSERT INTO visit VALUES(11,6,11,50006,90006);
INSERT INTO visit VALUES(11,7,11,50007,90007);
INSERT INTO visit VALUES(12,0,12,50000,90000);
INSERT INTO visit VALUES(12,1,12,50001,90001);
INSERT INTO visit VALUES(12,2,12,50002,90002);
INSERT INTO visit VALUES(12,3,12,50003,90003);
INSERT INTO visit VALUES(12,4,12,50004,90004);
INSERT INTO visit VALUES(12,5,12,50005,90005);
INSERT INTO visit VALUES(12,6,12,50006,90006);
INSERT INTO visit VALUES(12,7,12,50007,90007);
INSERT INTO visit VALUES(21,0,5,50000,90000);
INSERT INTO visit VALUES(21,1,5,50001,90001);
INSERT INTO visit VALUES(21,2,5,50002,90002);
INSERT INTO visit VALUES(21,3,5,50003,90003);
INSERT INTO visit VALUES(21,4,5,50004,90004);
INSERT INTO visit VALUES(21,5,5,50005,90005);
INSERT INTO visit VALUES(21,6,5,50006,90006);
INSERT INTO visit VALUES(21,7,5,50007,90007);
INSERT INTO visit VALUES(31,0,15,50000,90000);
INSERT INTO visit VALUES(31,1,15,50001,90001);
INSERT INTO visit VALUES(31,2,15,50002,90002);
INSERT INTO visit VALUES(31,3,15,50003,90003);
INSERT INTO visit VALUES(31,4,15,50004,90004);
INSERT INTO visit VALUES(31,5,15,50005,90005);
INSERT INTO visit VALUES(31,6,15,50006,90006);
INSERT INTO visit VALUES(31,7,15,50007,90007);
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
INSERT INTO external_result VALUES(1,'onnxruntime','1.17','mobileone-s0','cpu','fp32',1,1,100,1000000.0,1200000.0,1100000.0,NULL,NULL,NULL,'onnxruntime','perf.json','00112233445566ff',1,'2026-02-01T00:00:00Z');
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
INSERT INTO measurement VALUES(1,1,1,1,'fp32','hot',1,1,'','done','passes','','feedfacecafebeef',9.9999999999999995472e-08,1.0000000000000000817e-05,0.25,1000,2000,4096,NULL,'B',0.0040000000000000000832,-0.010000000000000000208,'bn+act+add','off');
INSERT INTO measurement VALUES(2,1,1,2,'fp32','hot',1,1,'','done','passes','','feedfacecafebeef',9.9999999999999995472e-08,1.0000000000000000817e-05,0.25,1000,2000,4096,NULL,'B',0.0040000000000000000832,-0.010000000000000000208,'bn+act+add','off');
INSERT INTO measurement VALUES(11,1,6,1,'fp32','hot',1,1,'','done','passes','','feedfacecafebeef',9.9999999999999995472e-08,1.0000000000000000817e-05,0.25,1000,2000,4096,NULL,'B',0.0040000000000000000832,-0.010000000000000000208,'bn+act+add','off');
INSERT INTO measurement VALUES(12,1,6,2,'fp32','hot',1,1,'','done','passes','','feedfacecafebeef',9.9999999999999995472e-08,1.0000000000000000817e-05,0.25,1000,2000,4096,NULL,'B',0.0040000000000000000832,-0.010000000000000000208,'bn+act+add','off');
INSERT INTO measurement VALUES(15,1,8,2,'fp32','hot',1,1,'','failed','failed','node 3 is NaN','feedfacecafebeef',9.9999999999999995472e-08,1.0000000000000000817e-05,0.25,1000,2000,4096,NULL,NULL,NULL,NULL,'bn+act+add','off');
INSERT INTO measurement VALUES(21,1,1,1,'fp32','hot',1,1,'','done','passes','','feedfacecafebeef',9.9999999999999995472e-08,1.0000000000000000817e-05,0.25,1000,2000,4096,NULL,'B',0.0040000000000000000832,-0.010000000000000000208,'none','auto');
INSERT INTO measurement VALUES(31,1,6,1,'fp32','hot',1,1,'','done','passes','','feedfacecafebeef',9.9999999999999995472e-08,1.0000000000000000817e-05,0.25,1000,2000,4096,NULL,'B',0.0040000000000000000832,-0.010000000000000000208,'none','auto');
CREATE INDEX device_uuid ON device (uuid);
CREATE INDEX model_graph ON model (graph_hash);
CREATE INDEX model_variant ON model (variant);
CREATE INDEX sweep_plan ON sweep (plan_hash);
CREATE TRIGGER sample_is_checked BEFORE INSERT ON sample
WHEN NOT EXISTS (
    SELECT 1 FROM measurement
    WHERE id = NEW.measurement_id AND state <> 'failed' AND checksum IS NOT NULL AND error IS NOT NULL)
BEGIN
    SELECT raise(ABORT, 'its output was not checked against the reference');
END;
CREATE TRIGGER layer_run_adds_up BEFORE INSERT ON layer_run
WHEN NEW.total_ns <> (
    SELECT coalesce(sum(ns), 0) FROM layer_time
    WHERE measurement_id = NEW.measurement_id AND pass = NEW.pass)
BEGIN
    SELECT raise(ABORT, 'the layer times do not add up to the total');
END;
CREATE UNIQUE INDEX sweep_uuid ON sweep (uuid);
CREATE INDEX measurement_model ON measurement (model_id);
CREATE INDEX measurement_device ON measurement (device_id);
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
CREATE VIEW engine_result AS
SELECT 'moprof' AS engine, variant, backend, device, dtype, threads, batch, n, min_ns, mean_ns, median_ns,
    1 AS is_checked, grade, NULL AS source, cache, fuse, winograd
FROM result
UNION ALL
SELECT engine, variant, '', device, dtype, threads, batch, n, min_ns, mean_ns, median_ns, 0, NULL, source,
    NULL, NULL, NULL
FROM external_result;
COMMIT;
PRAGMA application_id = 0x6d6f7066;
PRAGMA user_version = 4;
