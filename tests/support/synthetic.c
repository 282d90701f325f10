#include "tests/support/synthetic.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sqlite3.h>

#include "db/import.h"
#include "db/store.h"
#include "profiler/base/rng.h"

enum { MAX_ROWS = 64, RUNS = 3, N_LAYERS = 28 };

struct network {
    const char *variant, *family, *form;
    double params, macs, slowness; /* millions, millions, times what the MACs alone would take */
};

static const struct network networks[] = {
    {"mobileone-s0", "mobileone", "deploy", 2.1, 275, 1.3},
    {"mobileone-s1", "mobileone", "deploy", 4.8, 825, 1.1},
    {"mobileone-s2", "mobileone", "deploy", 7.8, 1298, 1.0},
    {"mobileone-s3", "mobileone", "deploy", 10.1, 1896, 1.0},
    {"mobileone-s4", "mobileone", "deploy", 14.8, 2979, 1.1},
    {"mobileone-s0:train", "mobileone", "train", 5.3, 1052, 3.1},
    {"mobileone-s1:train", "mobileone", "train", 4.8, 830, 2.2},
    {"mobileone-s2:train", "mobileone", "train", 7.9, 1304, 1.9},
    {"mobileone-s3:train", "mobileone", "train", 10.2, 1902, 1.8},
    {"mobileone-s4:train", "mobileone", "train", 15.0, 2987, 1.9},
    {"mobilenetv1-1.0", "mobilenetv1", "deploy", 4.2, 569, 1.2},
    {"mobilenetv2-1.0", "mobilenetv2", "deploy", 3.5, 301, 2.0},
    {"resnet18", "resnet18", "deploy", 11.7, 1814, 0.8},
    {"cnn30", "cnn30", "deploy", 6.2, 1500, 0.8},
    {"cnn30+act=gelu", "cnn30", "deploy", 6.2, 1500, 0.95},
    {"cnn30+act=silu", "cnn30", "deploy", 6.2, 1500, 0.9},
    {"cnn30+act=dyrelu-b", "cnn30", "deploy", 7.1, 1502, 4.0},
    {"cnn30+act=dyshiftmax", "cnn30", "deploy", 7.0, 1502, 2.9},
    {"cnn30+se", "cnn30", "deploy", 6.4, 1500, 1.05},
    {"cnn30+skip", "cnn30", "deploy", 6.2, 1500, 0.83},
    {"cnn30:train", "cnn30", "train", 6.3, 1650, 1.4},
};

struct lab {
    mop_store *store;
    const mop_synthetic *what;
    mop_rng rng;
    int64_t sweep, device[2];
    size_t n_devices, n_rows;
    mop_measurement_record rows[MAX_ROWS];
    double ns[MAX_ROWS]; /* the truth that samples scatter about */
};

static void fill_device(mop_device_record *d, size_t which)
{
    *d = (mop_device_record){.is_software = which == 1, .peak_flops = which == 0 ? 100e9 : 0};
    (void)snprintf(d->backend, sizeof d->backend, "%s", which == 0 ? "cpu" : "vulkan");
    (void)snprintf(d->name, sizeof d->name, "synthetic %s", which == 0 ? "CPU" : "pipe");
    (void)snprintf(d->type, sizeof d->type, "cpu");
    (void)snprintf(d->driver, sizeof d->driver, "%s", which == 0 ? "" : "synthetic driver 1.0");
    (void)snprintf(d->uuid, sizeof d->uuid, "00000000-0000-0000-0000-00000000000%c",
                   which == 0 ? '0' : '1');
    (void)snprintf(d->isa, sizeof d->isa, "%s", which == 0 ? "avx2" : "");
    (void)snprintf(d->fingerprint, sizeof d->fingerprint,
                   "cpu=synthetic;cores=2;kernel=0.0;compiler=none;note=made up for tests");
}

static size_t fill_layers(const struct network *net, mop_layer_record layers[N_LAYERS])
{
    static const char *const ops[] = {"conv2d", "conv2d", "act"};
    for (int32_t i = 0; i < N_LAYERS; i++) {
        mop_layer_record *l = &layers[i];
        const char *op = i == N_LAYERS - 1 ? "fc" : i == N_LAYERS - 2 ? "gap" : ops[i % 3];
        *l = (mop_layer_record){.index = i,
                                .out_h = 112 >> i / 6,
                                .out_w = 112 >> i / 6,
                                .out_c = 48 << i / 6,
                                .params = (int64_t)(net->params * 1e6 / N_LAYERS),
                                .macs = (int64_t)(net->macs * 1e6 / N_LAYERS),
                                .bytes = 1000000};
        (void)snprintf(l->name, sizeof l->name, "stage%d.%d", i / 6 + 1, i % 6);
        (void)snprintf(l->op, sizeof l->op, "%s", op);
        (void)snprintf(l->kernel, sizeof l->kernel, "synthetic");
        (void)snprintf(l->act, sizeof l->act, "%s", strcmp(op, "conv2d") == 0 ? "relu" : "none");
    }
    return N_LAYERS;
}

static mop_status plan_network(struct lab *lab, const struct network *net, uint64_t hash,
                               mop_err *err)
{
    mop_model_record m = {.graph_hash = hash,
                          .height = 224,
                          .width = 224,
                          .batch = 1,
                          .params = (int64_t)(net->params * 1e6),
                          .macs = (int64_t)(net->macs * 1e6),
                          .flops = (int64_t)(net->macs * 2.01e6),
                          .elementwise = (int64_t)(net->macs * 1e4),
                          .activations = (int64_t)(net->macs * 5e3),
                          .bytes = (int64_t)(net->params * 4e6 + net->macs * 2e4),
                          .ops = N_LAYERS,
                          .depth = N_LAYERS - 1 + (int32_t)(hash % 5)};
    (void)snprintf(m.variant, sizeof m.variant, "%s", net->variant);
    (void)snprintf(m.family, sizeof m.family, "%s", net->family);
    (void)snprintf(m.form, sizeof m.form, "%s", net->form);
    mop_layer_record layers[N_LAYERS];
    size_t n_layers = fill_layers(net, layers);
    int64_t model;
    mop_status status = mop_store_put_model(lab->store, &m, layers, n_layers, &model, err);
    for (size_t d = 0; d < lab->n_devices && status == MOP_OK; d++) {
        mop_measurement_record *x = &lab->rows[lab->n_rows];
        *x = (mop_measurement_record){.model_id = model,
                                      .device_id = lab->device[d],
                                      .dtype = "fp32",
                                      .cache = "hot",
                                      .fuse = "all",
                                      .winograd = "auto",
                                      .threads = 1,
                                      .batch = 1,
                                      .checksum = hash,
                                      .error = 1e-6,
                                      .error_bound = 1e-4};
        status = mop_store_put_measurement(lab->store, lab->sweep, x, err);
        double scatter = exp(0.15 * mop_rng_normal(&lab->rng));
        lab->ns[lab->n_rows++] =
            net->macs * 1e6 / 35.0 * net->slowness * scatter * (d == 0 ? 1 : 4);
    }
    return status;
}

static mop_status plan(struct lab *lab, mop_err *err)
{
    const mop_synthetic *w = lab->what;
    mop_sweep_record sweep = {.started_utc = "2026-01-31T12:00:00Z",
                              .seed = w->seed,
                              .plan_text = "synthetic",
                              .plan_hash = 1,
                              .build_id = "synthetic",
                              .protocol = "synthetic",
                              .kind = "sweep",
                              .shard = 1,
                              .shards = 1};
    mop_status status = mop_store_begin_plan(lab->store, &sweep, &lab->sweep, err);
    for (size_t d = 0; d < lab->n_devices && status == MOP_OK; d++) {
        mop_device_record device;
        fill_device(&device, d);
        status = mop_store_put_device(lab->store, &device, &lab->device[d], err);
    }
    size_t all = sizeof networks / sizeof networks[0];
    size_t n = w->n_variants > 0 && w->n_variants < all ? w->n_variants : all;
    for (size_t i = 0; i < n && status == MOP_OK; i++)
        status = plan_network(lab, &networks[i], 100 + i, err);
    if (status == MOP_OK && w->extra != NULL) {
        const struct network extra = {w->extra, "strange", "deploy", 1, 100, 1};
        status = plan_network(lab, &extra, 99, err);
    }
    return status == MOP_OK ? mop_store_commit_plan(lab->store, err) : status;
}

static mop_status measure(struct lab *lab, mop_err *err)
{
    mop_status status = MOP_OK;
    for (size_t i = 0; i < lab->n_rows && status == MOP_OK; i++)
        status = mop_store_update_measurement(lab->store, &lab->rows[i], err);
    for (uint32_t p = 0; p < lab->what->passes && status == MOP_OK; p++) {
        mop_sample_record samples[MAX_ROWS * RUNS];
        size_t n = 0;
        double pace =
            exp(0.02 * mop_rng_normal(&lab->rng)); /* the whole pass is slower or faster */
        for (size_t i = 0; i < lab->n_rows; i++)
            for (uint32_t r = 0; r < RUNS; r++)
                samples[n++] = (mop_sample_record){
                    .measurement_id = lab->rows[i].id,
                    .pass = p,
                    .run = r,
                    .batched = 1,
                    .wall_ns =
                        (int64_t)(lab->ns[i] * pace * exp(0.004 * mop_rng_normal(&lab->rng))),
                    .device_ns = MOP_ABSENT,
                    .cpu_ns = MOP_ABSENT,
                    .flags = lab->what->is_noisy || mop_rng_below(&lab->rng, 20) == 0
                                 ? MOP_FLAG_PREEMPTED
                                 : 0};
        const mop_pass_record pass = {.pass = p,
                                      .began_ns = p * INT64_C(1000000),
                                      .ended_ns = (p + 1) * INT64_C(1000000),
                                      .samples = samples,
                                      .n_samples = n};
        status = mop_store_commit_pass(lab->store, lab->sweep, &pass, err);
    }
    return status;
}

static mop_status profile(struct lab *lab, size_t row, mop_err *err)
{
    mop_status status = MOP_OK;
    for (uint32_t p = 0; p < 5 && status == MOP_OK; p++) {
        int64_t ns[N_LAYERS], total = 0;
        for (size_t i = 0; i < N_LAYERS; i++) {
            ns[i] = (int64_t)(lab->ns[row] / N_LAYERS * (0.4 + 1.2 * mop_rng_uniform(&lab->rng)));
            total += ns[i];
        }
        status = mop_store_put_layer_times(lab->store, lab->rows[row].id, p,
                                           &(mop_layer_times){ns, N_LAYERS, total, total}, err);
    }
    return status;
}

static mop_status put_controls(struct lab *lab, mop_err *err)
{
    static const mop_control_record controls[] = {{"fma x1.02", 1.05, 1.015, 1.025, false},
                                                  {"linearity", 1.0, 0.985, 1.015, true}};
    mop_status status = MOP_OK;
    for (size_t i = 0; i < sizeof controls / sizeof controls[0] && status == MOP_OK; i++)
        status = mop_store_put_control(lab->store, lab->sweep, &controls[i], err);
    return status;
}

static mop_status finish(struct lab *lab, mop_err *err)
{
    mop_status status = lab->what->has_controls ? put_controls(lab, err) : MOP_OK;
    for (size_t i = 0; i < lab->n_rows && status == MOP_OK; i++) {
        mop_measurement_record *x = &lab->rows[i];
        bool failed = lab->what->has_failure && i == lab->n_rows - 1;
        x->state = failed ? MOP_FAILED : MOP_DONE;
        x->stop = failed ? MOP_STOP_FAILED : MOP_STOP_PASSES;
        (void)snprintf(x->grade, sizeof x->grade, "%s",
                       lab->what->is_noisy ? "X"
                       : i % 3 == 0        ? "A"
                                           : "B");
        (void)snprintf(x->reason, sizeof x->reason, "%s",
                       failed ? "output <NaN> at element 7 of 1000" : "");
        status = mop_store_update_measurement(lab->store, x, err);
    }
    return status == MOP_OK ? mop_store_finish_sweep(lab->store, lab->sweep, (double)NAN, err)
                            : status;
}

/* A calibration of the first device, after the sweep. */
static mop_status calibrate(struct lab *lab, mop_err *err)
{
    static const mop_calibration_record figures[] = {{"peak_flops_avx2_fp32", 100e9},
                                                     {"read_bandwidth_dram", 20e9}};
    const mop_sweep_record run = {.started_utc = "2026-01-31T13:00:00Z",
                                  .plan_text = "calibrate",
                                  .plan_hash = 2,
                                  .build_id = "synthetic",
                                  .protocol = "synthetic",
                                  .kind = "calibration",
                                  .shard = 1,
                                  .shards = 1,
                                  .aa_floor = (double)NAN};
    mop_device_record device;
    int64_t sweep = 0, id = 0;
    mop_status status = mop_store_begin_plan(lab->store, &run, &sweep, err);
    fill_device(&device, 0);
    if (status == MOP_OK)
        status = mop_store_put_device(lab->store, &device, &id, err);
    for (size_t i = 0; i < sizeof figures / sizeof figures[0] && status == MOP_OK; i++)
        status = mop_store_put_calibration(lab->store, sweep, id, &figures[i], err);
    if (status == MOP_OK)
        status = mop_store_finish_sweep(lab->store, sweep, (double)NAN, err);
    return status == MOP_OK ? mop_store_commit_plan(lab->store, err) : status;
}

mop_status mop_synthetic_write(const char *path, const mop_synthetic *what, mop_err *err)
{
    struct lab *lab = calloc(1, sizeof *lab);
    if (lab == NULL)
        return mop_fail(err, MOP_ENOMEM, "out of memory");
    lab->what = what;
    lab->n_devices = what->has_vulkan ? 2 : 1;
    mop_rng_init(&lab->rng, what->seed, 0);
    mop_status status = mop_store_open(path, &lab->store, err);
    if (status == MOP_OK)
        status = plan(lab, err);
    if (status == MOP_OK)
        status = measure(lab, err);
    for (size_t i = 0; i < lab->n_devices && what->has_layers && status == MOP_OK; i++)
        status = profile(lab, i, err); /* the first network on every device */
    if (status == MOP_OK)
        status = finish(lab, err);
    if (status == MOP_OK && what->has_calibration)
        status = calibrate(lab, err);
    mop_status closed = mop_store_close(lab->store, err);
    free(lab);
    return status == MOP_OK ? closed : status;
}

mop_status mop_synthetic_other_engine(const char *path, mop_err *err)
{
    char file[512];
    const char *const files[] = {file};
    const mop_import_options generic = {.format = "generic"};
    mop_import_result result;
    (void)snprintf(file, sizeof file, "%s.csv", path); /* folders of tests are short */
    FILE *f = fopen(file, "wb");
    if (f == NULL)
        return mop_fail(err, MOP_EIO, "cannot write %.100s", file);
    (void)fputs("engine,variant,threads,median_ms\nother,mobileone-s0,1,3.5\n", f);
    (void)fclose(f); /* an import of a file cut short fails */
    mop_status status = mop_import(files, 1, path, &generic, &result, err);
    (void)remove(file);
    return status;
}

/* A multiple of 4 is divided without a rest. */
#define COPY(by, setting, factor)                                                                  \
    "CREATE TEMP TABLE m AS SELECT * FROM measurement WHERE id < 1000;"                            \
    "UPDATE m SET id = id + " by ", " setting ";"                                                  \
    "INSERT INTO measurement SELECT * FROM m; DROP TABLE m;"                                       \
    "CREATE TEMP TABLE s AS SELECT * FROM sample WHERE measurement_id IN "                         \
    "(SELECT id FROM measurement WHERE id < 1000 AND state <> 'failed');"                          \
    "UPDATE s SET measurement_id = measurement_id + " by ", wall_ns = wall_ns * " factor ";"       \
    "INSERT INTO sample SELECT * FROM s; DROP TABLE s;"                                            \
    "CREATE TEMP TABLE t AS SELECT * FROM stat WHERE measurement_id < 1000;"                       \
    "UPDATE t SET measurement_id = measurement_id + " by ", median_ns = median_ns * 1.0 * " factor \
    "; INSERT INTO stat SELECT * FROM t; DROP TABLE t;"

static mop_status change(const char *path, const char *sql, mop_err *err)
{
    sqlite3 *db = NULL;
    int rc = sqlite3_open(path, &db);
    if (rc == SQLITE_OK)
        rc = sqlite3_exec(db, sql, NULL, NULL, NULL);
    mop_status status =
        rc == SQLITE_OK ? MOP_OK : mop_fail(err, MOP_EFAIL, "%s: %s", path, sqlite3_errmsg(db));
    (void)sqlite3_close(db); /* what was wrong is told */
    return status;
}

mop_status mop_synthetic_settings(const char *path, mop_err *err)
{
    return change(path,
                  "UPDATE sample SET wall_ns = wall_ns / 4 * 4;" COPY(
                      "1000", "fuse = 'none'", "5 / 4") COPY("2000", "winograd = 'off'", "6 / 4"),
                  err);
}

mop_status mop_synthetic_dtypes(const char *path, mop_err *err)
{
    return change(
        path,
        "UPDATE sample SET wall_ns = wall_ns / 4 * 4;" COPY("3000", "dtype = 'fp16s'", "3 / 4"),
        err);
}
