/* Parts of a sweep as separate processes, merged: by the very commands of docs/measuring.md. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/cli_case.h"
#include "tests/support/db_fixture.h"

#define SECTION "## Spreading a sweep over machines\n"
#define SWEEP   "--variants mobileone-s0@32,mobileone-s1@32,cnn30@32 --backends cpu"

/* What a network is and what came out of it; the times are those of each run. */
#define ROWS                                                                                       \
    "SELECT variant, backend, device, isa, dtype, threads, batch, cache, macs, checksum, state, "  \
    "passes FROM result ORDER BY variant"

static char *manual;

/* The n-th block of shell commands in the section (from 1), without its fences. */
static void block(int n, char *out, size_t size)
{
    static const char fence[] = "```sh\n";
    char *at = strstr(manual, SECTION), *end;
    assert_non_null(at);
    for (int i = 0; i < n; i++) {
        at = strstr(at, fence);
        assert_non_null(at);
        at += sizeof fence - 1;
    }
    end = strstr(at, "```");
    assert_true(end != NULL && (size_t)(end - at) < size);
    memcpy(out, at, (size_t)(end - at));
    out[end - at] = '\0';
}

/* Writes the n-th block to `name` in the folder of the test, where moprof is the one under test. */
static void write_block(int n, const char *name)
{
    char text[1024], line[1400];
    block(n, text, sizeof text);
    (void)snprintf(line, sizeof line,
                   "mkdir -p bin && ln -sf $MOPROF bin/moprof && cat > %s <<'END'\n%sEND\n:", name,
                   text);
    const cli_case write = {line, 0, ""};
    cli_expect(&write, 1);
}

static void expect_one_set(const char *db)
{
    char compare[400];
    (void)snprintf(compare, sizeof compare,
                   "$MOPROF query '" ROWS "' --db one.db -f csv > one.csv && $MOPROF query '" ROWS
                   "' --db %s -f csv > all.csv && wc -l < all.csv && diff one.csv all.csv",
                   db);
    const cli_case same = {compare, 0, "4\n"};
    cli_expect(&same, 1);
}

/* The options come by the environment, so that the commands stay those of the manual. */
static int begin(void **state)
{
    size_t n;
    manual = dbfix_read("docs/measuring.md", &n);
    if (manual == NULL || setenv("MOPROF_MAX_PASSES", "2", 1) != 0 ||
        setenv("MOPROF_WORKERS", "1", 1) != 0 || setenv("MOPROF_BUDGET", "2m", 1) != 0)
        return -1;
    return cli_begin(state);
}

static int end(void **state)
{
    free(manual);
    return cli_end(state);
}

static void two_parts_as_processes_are_merged_into_what_one_sweep_has(void **state)
{
    (void)state;
    EXPECT({"$MOPROF sweep " SWEEP " --db one.db --quiet", 0, ""});
    write_block(1, "parts.sh");
    EXPECT({"PATH=$PWD/bin:$PATH sh -e parts.sh", 0, "2 more sweeps"},
           {"head -c 15 all.html", 0, "<!"});
    expect_one_set("all.db");
    EXPECT({"$MOPROF query 'SELECT group_concat(shard || shards) FROM sweep' --db all.db -f csv", 0,
            "\"12,22\""},
           {"$MOPROF query 'SELECT count(*) AS c FROM result_all WHERE variant = baseline' --db "
            "all.db -f csv",
            0, "c\n2"}, /* the baseline is in both */
           {"cp all.db before.db; $MOPROF merge all.db shard-2.db shard-1.db", 0,
            "2 sweeps were there already"},
           {"for d in before all; do $MOPROF export --db $d.db -o $d.csv; done; cmp before.csv "
            "all.csv && echo same",
            0, "same"});
}

/* After the first test: one.db is there. A job array is processes that know their number. */
static void a_job_array_does_the_same(void **state)
{
    (void)state;
    write_block(3, "job.sh");
    EXPECT({"rm -f shard-*.db; for k in 1 2; do SLURM_ARRAY_TASK_ID=$k SLURM_ARRAY_TASK_COUNT=2 "
            "PATH=$PWD/bin:$PATH sh -e job.sh & done; wait; $MOPROF merge array.db shard-*.db",
            0, "2 more sweeps"});
    expect_one_set("array.db");
}

static void gnu_parallel_does_the_same(void **state)
{
    (void)state;
    if (system("command -v parallel > /dev/null") != 0) {
        puts("skip: there is no GNU parallel (Debian package parallel)");
        skip();
    }
    write_block(2, "spread.sh"); /* ":" is this machine, without ssh */
    EXPECT({"rm -f shard-*.db all.db; echo : > hosts; PATH=$PWD/bin:$PATH sh -e spread.sh", 0,
            "2 more sweeps"});
    expect_one_set("all.db");
}

static void a_part_that_is_none_is_refused(void **state)
{
    (void)state;
    EXPECT({"$MOPROF sweep " SWEEP " --shard 3/2 --db no.db", 2, "3/2"},
           {"$MOPROF sweep " SWEEP " --shard 0/2 --db no.db", 2, "0/2"},
           {"$MOPROF sweep " SWEEP " --shard one --db no.db", 2, "one"},
           {"test ! -e no.db && echo clean", 0, "clean"});
}

static void what_cannot_be_merged_is_told(void **state)
{
    (void)state;
    EXPECT({"$MOPROF merge", 2, "merge"}, {"$MOPROF merge out.db", 2, "merge"},
           {"$MOPROF merge out.db none.db", 2, "there is no database none.db"},
           {"echo hello > text.db; $MOPROF merge out.db text.db", 2, "not a SQLite file"},
           {"test ! -e out.db && echo clean", 0, "clean"},
           {"flock all.db.lock $MOPROF merge all.db one.db", 1, "all.db is being written by"});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_parts_as_processes_are_merged_into_what_one_sweep_has),
        cmocka_unit_test(a_job_array_does_the_same),
        cmocka_unit_test(gnu_parallel_does_the_same),
        cmocka_unit_test(a_part_that_is_none_is_refused),
        cmocka_unit_test(what_cannot_be_merged_is_told),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
