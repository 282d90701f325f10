#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "db/query.h"
#include "profiler/base/hash.h"
#include "tests/support/db_fixture.h"
#include "tests/support/folder.h"

void dbfix_dir(char *dir)
{
    if (!mop_folder_make(dir))
        fail_msg("cannot make %s", dir);
}

void dbfix_remove(const char *dir)
{
    if (!mop_folder_remove(dir))
        fail_msg("cannot remove %s", dir);
}

void dbfix_path(char *path, const char *dir, const char *name)
{
    int n = snprintf(path, 512, "%s/%s", dir, name);
    assert_true(n > 0 && n < 512);
}

char *dbfix_read(const char *path, size_t *n)
{
    FILE *f = fopen(path, "rb");
    char *bytes;
    long size;
    if (f == NULL)
        return NULL;
    assert_int_equal(fseek(f, 0, SEEK_END), 0);
    size = ftell(f);
    rewind(f);
    bytes = calloc((size_t)size + 1, 1);
    assert_non_null(bytes);
    *n = fread(bytes, 1, (size_t)size, f);
    assert_int_equal(*n, size);
    (void)fclose(f);
    return bytes;
}

void dbfix_write(const char *path, const void *bytes, size_t n)
{
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes, 1, n, f), n);
    assert_int_equal(fclose(f), 0);
}

void dbfix_expect(const char *path, const char *sql, const char *text)
{
    mop_table t = {0};
    mop_db *db = NULL;
    mop_err err = {0};
    DBFIX_OK(mop_db_open(path, &db, &err));
    DBFIX_OK(mop_db_query(db, sql, NULL, 0, &t, &err));
    assert_true(t.n_rows >= 1);
    assert_string_equal(t.cells[0].text, text);
    mop_table_release(&t);
    mop_db_close(db);
}

/* --- records
 * ---------------------------------------------------------------------------------------- */

mop_sweep_record dbfix_sweep(uint64_t plan_hash)
{
    return (mop_sweep_record){.started_utc = "2026-01-31T12:00:00Z",
                              .seed = 42,
                              .plan_text = "variants=all",
                              .plan_hash = plan_hash,
                              .build_id = "test",
                              .protocol = "passes=12",
                              .kind = "sweep",
                              .shard = 1,
                              .shards = 1,
                              .baseline = "mobileone-s0",
                              .clock_cost_ns = 20,
                              .clock_step_ns = 1,
                              .aa_floor = (double)NAN};
}

mop_device_record dbfix_device(const char *backend)
{
    mop_device_record d = {.name = "Test processor",
                           .type = "cpu",
                           .driver = "none",
                           .uuid = "0011",
                           .isa = "avx2",
                           .peak_flops = 1e11,
                           .fingerprint = "cpu=test;kernel=6.1;"};
    (void)snprintf(d.backend, sizeof d.backend, "%s", backend);
    d.is_software = strcmp(backend, "cpu") != 0;
    return d;
}

mop_model_record dbfix_model(const char *variant, int64_t macs)
{
    mop_model_record m = {.graph_hash = mop_hash(MOP_HASH_INIT, variant, strlen(variant)),
                          .form = "deploy",
                          .height = 224,
                          .width = 224,
                          .batch = 1,
                          .params = macs / 100,
                          .macs = macs,
                          .flops = 2 * macs + 7,
                          .elementwise = 7,
                          .activations = 1000,
                          .bytes = 4000,
                          .ops = 30,
                          .depth = 20};
    (void)snprintf(m.variant, sizeof m.variant, "%s", variant);
    (void)snprintf(m.family, sizeof m.family, "%.*s", (int)strcspn(variant, "-+:@"), variant);
    if (strstr(variant, ":train") != NULL)
        (void)snprintf(m.form, sizeof m.form, "train");
    return m;
}

mop_layer_record dbfix_layer(int32_t index, int64_t macs)
{
    mop_layer_record l = {.index = index,
                          .op = "conv2d",
                          .kernel = "conv_direct_avx2",
                          .act = "relu",
                          .out_h = 112,
                          .out_w = 112,
                          .out_c = 48,
                          .params = 100,
                          .macs = macs,
                          .elementwise = 3,
                          .bytes = 64};
    (void)snprintf(l.name, sizeof l.name, "stage%d", index);
    return l;
}

mop_measurement_record dbfix_measurement(int64_t model_id, int64_t device_id)
{
    return (mop_measurement_record){.model_id = model_id,
                                    .device_id = device_id,
                                    .dtype = "fp32",
                                    .cache = "hot",
                                    .fuse = "all",
                                    .winograd = "auto",
                                    .threads = 1,
                                    .batch = 1,
                                    .state = MOP_PENDING,
                                    .checksum = 0xfeedfacecafebeef,
                                    .error = 1e-7,
                                    .error_bound = 1e-5,
                                    .node_error = 0.25,
                                    .setup_ns = 1000,
                                    .first_run_ns = 2000,
                                    .arena_bytes = 4096,
                                    .weight_bytes = MOP_ABSENT,
                                    .layer_overhead = (double)NAN,
                                    .layer_residual = (double)NAN};
}

void dbfix_samples(mop_sample_record *out, int64_t measurement_id, uint32_t pass, uint32_t runs,
                   int64_t base_ns, mop_rng *rng)
{
    for (uint32_t r = 0; r < runs; r++)
        out[r] =
            (mop_sample_record){.measurement_id = measurement_id,
                                .pass = pass,
                                .run = r,
                                .batched = 1,
                                .wall_ns = base_ns + (int64_t)mop_rng_below(rng, (uint64_t)base_ns),
                                .device_ns = MOP_ABSENT,
                                .cpu_ns = base_ns,
                                .vol_switches = 0,
                                .invol_switches = 0,
                                .minor_faults = 0,
                                .major_faults = MOP_ABSENT};
}

/* --- a whole database
 * ------------------------------------------------------------------------------- */

typedef struct filler {
    mop_store *store;
    mop_err err;
    int64_t sweep, device[2];
    mop_measurement_record m[2 * DBFIX_VARIANTS];
    size_t n;
} filler;

static void plan(filler *f)
{
    static const char *const variants[DBFIX_VARIANTS] = {
        "mobileone-s0", "mobileone-s1", "mobileone-s0:train", "mobilenetv1-1.0",
        "cnn30",        "cnn30+se",     "cnn30+act=gelu"};
    mop_sweep_record sweep = dbfix_sweep(77);
    mop_err err = {0};
    DBFIX_OK(mop_store_begin_plan(f->store, &sweep, &f->sweep, &err));
    for (int d = 0; d < 2; d++) {
        mop_device_record device = dbfix_device(d == 0 ? "cpu" : "vulkan");
        DBFIX_OK(mop_store_put_device(f->store, &device, &f->device[d], &err));
    }
    for (int v = 0; v < DBFIX_VARIANTS; v++) {
        mop_model_record model = dbfix_model(variants[v], 1000000 * (v + 1));
        mop_layer_record layers[DBFIX_LAYERS];
        int64_t model_id;
        for (int i = 0; i < DBFIX_LAYERS; i++)
            layers[i] = dbfix_layer(i, 300000 * (i + 1));
        DBFIX_OK(mop_store_put_model(f->store, &model, layers, DBFIX_LAYERS, &model_id, &err));
        for (int d = 0; d < 2; d++, f->n++) {
            f->m[f->n] = dbfix_measurement(model_id, f->device[d]);
            DBFIX_OK(mop_store_put_measurement(f->store, f->sweep, &f->m[f->n], &err));
        }
    }
    mop_model_record broken = dbfix_model("resnet18", 9000000);
    mop_measurement_record failed;
    int64_t broken_id;
    DBFIX_OK(mop_store_put_model(f->store, &broken, NULL, 0, &broken_id, &err));
    failed = dbfix_measurement(broken_id, f->device[1]);
    failed.state = MOP_FAILED;
    failed.stop = MOP_STOP_FAILED;
    (void)snprintf(failed.reason, sizeof failed.reason, "node 3 is NaN");
    DBFIX_OK(mop_store_put_measurement(f->store, f->sweep, &failed, &err));
    DBFIX_OK(mop_store_commit_plan(f->store, &err));
}

static void measure(filler *f, mop_rng *rng)
{
    mop_sample_record samples[2 * DBFIX_VARIANTS * DBFIX_RUNS];
    mop_err err = {0};
    for (uint32_t p = 0; p < DBFIX_PASSES; p++) {
        mop_pass_record pass = {.pass = p,
                                .began_ns = p * 1000,
                                .ended_ns = p * 1000 + 900,
                                .samples = samples,
                                .n_samples = f->n * DBFIX_RUNS};
        for (size_t i = 0; i < f->n; i++)
            dbfix_samples(&samples[i * DBFIX_RUNS], f->m[i].id, p, DBFIX_RUNS,
                          100000 * (int64_t)(i / 2 + 1 + 10 * (i % 2)), rng);
        DBFIX_OK(mop_store_commit_pass(f->store, f->sweep, &pass, &err));
        for (size_t i = 0; i < f->n; i += 2) {
            const int64_t ns[DBFIX_LAYERS] = {100 + p, 200, 300};
            DBFIX_OK(mop_store_put_layer_times(
                f->store, f->m[i].id, p, &(mop_layer_times){ns, DBFIX_LAYERS, 600 + p, 600 + p},
                &err));
        }
    }
}

void dbfix_fill(const char *path)
{
    filler f = {0};
    mop_err err = {0};
    mop_rng rng;
    mop_rng_init(&rng, 5, 0);
    DBFIX_OK(mop_store_open(path, &f.store, &err));
    plan(&f);
    measure(&f, &rng);
    for (size_t i = 0; i < f.n; i++) {
        f.m[i].state = MOP_DONE;
        f.m[i].stop = MOP_STOP_PASSES;
        DBFIX_OK(mop_store_update_measurement(f.store, &f.m[i], &err));
    }
    DBFIX_OK(mop_store_finish_sweep(f.store, f.sweep, (double)NAN, &err));
    DBFIX_OK(mop_store_close(f.store, &err));
}
