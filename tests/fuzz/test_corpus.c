/* The targets of the fuzzers without a fuzzer: every file of corpus/, and seeded changes of them,
 * for about a second each. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "profiler/base/clock.h"
#include "profiler/base/rng.h"
#include "tests/fuzz/fuzz.h"
#include "tests/support/db_fixture.h"

enum { SEED = 20261122, MOST_BYTES = 1 << 16, MOST_FILES = 100, CHANGED = 400 };
#define MOST_NS UINT64_C(1000000000)

typedef struct corpus {
    char *data[MOST_FILES];
    size_t size[MOST_FILES], n;
} corpus;

static void load(const char *name, corpus *c)
{
    char folder[128], path[512];
    struct dirent *entry;
    DIR *d;
    (void)snprintf(folder, sizeof folder, "tests/fuzz/corpus/%s", name); /* fits */
    d = opendir(folder);
    if (d == NULL)
        fail_msg("there is no %s", folder);
    while ((entry = readdir(d)) != NULL) {
        if (entry->d_name[0] == '.')
            continue;
        assert_true(c->n < MOST_FILES);
        dbfix_path(path, folder, entry->d_name);
        c->data[c->n] = dbfix_read(path, &c->size[c->n]);
        assert_true(c->data[c->n] != NULL && c->size[c->n] < MOST_BYTES / 2);
        c->n++;
    }
    (void)closedir(d);
    assert_true(c->n > 0);
}

/* Some bytes set, removed, doubled, or taken from another file. */
static size_t change(const corpus *c, uint8_t *out, mop_rng *rng)
{
    size_t pick = (size_t)mop_rng_below(rng, c->n), n = c->size[pick];
    memcpy(out, c->data[pick], n);
    for (uint64_t times = 1 + mop_rng_below(rng, 4); times > 0; times--) {
        size_t at = (size_t)mop_rng_below(rng, n + 1), len = (size_t)mop_rng_below(rng, 9);
        size_t other = (size_t)mop_rng_below(rng, c->n);
        len = len < n - at ? len : n - at;
        switch (mop_rng_below(rng, 4)) {
        case 0:
            for (size_t i = 0; i < len; i++)
                out[at + i] = (uint8_t)mop_rng_u64(rng);
            break;
        case 1:
            memmove(out + at, out + at + len, n - at - len);
            n -= len;
            break;
        case 2:
            memmove(out + at + len, out + at, n - at);
            n += len;
            break;
        default:
            len = c->size[other] < n - at ? c->size[other] : n - at;
            memcpy(out + at, c->data[other], len);
        }
    }
    return n;
}

static void run(const char *name, mop_fuzz_fn *target)
{
    static uint8_t bytes[MOST_BYTES];
    corpus c = {0};
    mop_rng rng;
    mop_clock clock = mop_clock_real();
    uint64_t end;
    int changed = 0;
    load(name, &c);
    for (size_t i = 0; i < c.n; i++)
        target((const uint8_t *)c.data[i], c.size[i]);
    mop_rng_init(&rng, SEED, 0);
    end = mop_now_ns(&clock) + MOST_NS;
    for (; changed < CHANGED && mop_now_ns(&clock) < end; changed++)
        target(bytes, change(&c, bytes, &rng));
    print_message("%s: %zu files, %d changes of seed %d\n", name, c.n, changed, (int)SEED);
    for (size_t i = 0; i < c.n; i++)
        free(c.data[i]);
}

#define TARGET(name, claim)                                                                        \
    static void claim(void **state)                                                                \
    {                                                                                              \
        (void)state;                                                                               \
        run(#name, mop_fuzz_##name);                                                               \
    }

TARGET(csv, any_bytes_as_csv_are_read_or_refused)
TARGET(import, any_bytes_as_results_are_read_or_refused)
TARGET(spec, any_text_as_variants_is_understood_or_refused)
TARGET(options, any_words_as_options_are_parsed_or_refused)
TARGET(query, any_text_as_sql_reads_or_is_refused)
TARGET(pipelines, any_bytes_as_a_pipeline_cache_are_the_drivers_own_or_refused)
TARGET(db, any_bytes_as_a_database_are_read_or_refused)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_bytes_as_csv_are_read_or_refused),
        cmocka_unit_test(any_bytes_as_results_are_read_or_refused),
        cmocka_unit_test(any_text_as_variants_is_understood_or_refused),
        cmocka_unit_test(any_words_as_options_are_parsed_or_refused),
        cmocka_unit_test(any_text_as_sql_reads_or_is_refused),
        cmocka_unit_test(any_bytes_as_a_pipeline_cache_are_the_drivers_own_or_refused),
        cmocka_unit_test(any_bytes_as_a_database_are_read_or_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
