/* Databases for tests: a directory of their own, records with known values, whole files as bytes.
 */
#ifndef TESTS_SUPPORT_DB_FIXTURE_H
#define TESTS_SUPPORT_DB_FIXTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "db/record.h"
#include "db/store.h"
#include "profiler/base/rng.h"

/* A fresh directory under $TMPDIR, /dev/shm or /tmp; dir has 256 bytes. Fails the test if it
 * cannot. */
void dbfix_dir(char *dir);
/* Removes the directory and the files in it. */
void dbfix_remove(const char *dir);
/* path (512 bytes) = dir/name. */
void dbfix_path(char *path, const char *dir, const char *name);

/* All bytes of a file, free() them; NULL if there is no such file. */
char *dbfix_read(const char *path, size_t *n);
void dbfix_write(const char *path, const void *bytes, size_t n);

/* Fails the test with the sentence in err unless st is MOP_OK. */
#define DBFIX_OK(expr)                                                                             \
    do {                                                                                           \
        if ((expr) != MOP_OK)                                                                      \
            fail_msg("%s: %s", #expr, err.msg);                                                    \
    } while (0)

/* Fails the test unless the first cell of a query over the database at path reads `text`. */
void dbfix_expect(const char *path, const char *sql, const char *text);

mop_sweep_record dbfix_sweep(uint64_t plan_hash);
mop_device_record dbfix_device(const char *backend);
mop_model_record dbfix_model(const char *variant, int64_t macs);
mop_layer_record dbfix_layer(int32_t index, int64_t macs);
/* A checked, pending measurement. */
mop_measurement_record dbfix_measurement(int64_t model_id, int64_t device_id);

/* Runs samples [0, runs) of one measurement in one pass: clean, about base_ns. */
void dbfix_samples(mop_sample_record *out, int64_t measurement_id, uint32_t pass, uint32_t runs,
                   int64_t base_ns, mop_rng *rng);

enum { DBFIX_VARIANTS = 7, DBFIX_LAYERS = 3, DBFIX_PASSES = 8, DBFIX_RUNS = 3 };

/* A finished sweep over DBFIX_VARIANTS variants on "cpu" and "vulkan" with layer times on the CPU,
 * and one failed measurement. variants: mobileone-s0 -s1 (-s0:train), mobilenetv1-1.0, cnn30,
 * cnn30+se, cnn30+act=gelu; the failed one is resnet18 on vulkan. */
void dbfix_fill(const char *path);

#endif
