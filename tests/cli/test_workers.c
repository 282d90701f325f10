/* Sweeps of the real program in real worker processes: who does what, what is refused, and what is
 * left when processes are killed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/support/cli_case.h"

/* Small networks and an interval that is never reached: the number of passes ends it. */
#define SWEEP                                                                                      \
    "$MOPROF sweep --variants mobilenetv2-1.0@32x32,mobilenetv2-1.0@33x32 --backends cpu "         \
    "--precision 0.0001 --budget 60s "

static void options_out_of_range_are_refused_with_what_is_allowed(void **state)
{
    (void)state;
    EXPECT({"$MOPROF sweep --shard 0/3", 2, "part K from 1 to N"},
           {"$MOPROF sweep --shard 4/3", 2, "not '4/3'"}, {"$MOPROF sweep --shard 1", 2, "K/N"},
           {"$MOPROF sweep --shard 1/2x", 2, "'1/2x'"},
           {"$MOPROF sweep --workers 0", 2, "from 1 to 16"},
           {"$MOPROF sweep --workers 17", 2, "from 1 to 16"},
           {"$MOPROF sweep --patience never", 2, "90s"},
           {"$MOPROF sweep --max-passes 0", 2, "from 1 to"},
           {"$MOPROF sweep --fuse none,actt", 2, "the nearest is 'act'"},
           {"$MOPROF sweep --winograd auto,on", 2, "auto or off, not 'on'"},
           {"$MOPROF sweep --dtype fp32,fp61", 2, "did you mean 'fp16'?"},
           {"$MOPROF sweep --cache warm", 2, "hot or cold, not 'warm'"},
           {"$MOPROF sweep --baseline nosuch", 2, "nosuch"},
           {"MOPROF_SHARD=3/2 $MOPROF sweep", 2, "not '3/2'"},
           {"test ! -e moprof.db && echo clean", 0, "clean"});
}

static void a_worker_is_not_a_command_for_people(void **state)
{
    (void)state;
    EXPECT({"$MOPROF sweep-worker", 2, "is started by `moprof sweep` itself"},
           {"$MOPROF sweep-worker 40,41", 2, "is started by `moprof sweep` itself"},
           {"$MOPROF sweep-worker 1,2", 2, "is started by `moprof sweep` itself"},
           {"! $MOPROF --help | grep sweep-worker && echo hidden", 0, "hidden"});
}

static void the_passes_are_shared_by_processes(void **state)
{
    (void)state;
    EXPECT(
        {SWEEP "--max-passes 6 --db w.db --workers 2", 0, "2 of 2 rows measured"},
        {"sqlite3 w.db \"SELECT count(*) FROM worker WHERE outcome = 'done' AND first_pass IS "
         "NOT NULL\"",
         0, "2\n"},
        {"sqlite3 w.db 'SELECT count(DISTINCT worker), min(n) FROM (SELECT worker, count(*) AS n "
         "FROM pass GROUP BY worker)'",
         0, "2|3"},
        {"sqlite3 w.db 'SELECT count(*), min(pass), max(pass) FROM pass'", 0, "6|0|5"},
        {"sqlite3 w.db \"SELECT count(*) FROM measurement WHERE state <> 'done'\"", 0, "0\n"},
        {"ls w.db*", 0, "w.db\n"});
}

static void a_killed_worker_costs_a_row_at_most_and_not_the_sweep(void **state)
{
    (void)state;
    /* the kill comes when the second pass is stored, so that the plan is there */
    EXPECT(
        {SWEEP
         "--db k.db --max-passes 40 & pid=$!; for k in $(seq 1200); do "
         "n=$(sqlite3 'file:k.db?mode=ro' 'SELECT count(*) FROM pass' 2>/dev/null || echo "
         "0); [ \"${n:-0}\" -ge 2 ] && break; sleep 0.05; done; "
         "until kill -9 $(pgrep -P $pid); do sleep 0.05; done 2>/dev/null; wait $pid; code=$?; "
         "[ $code = 0 -o $code = 6 ] && echo goes on",
         0, "goes on"},
        {"sqlite3 k.db \"SELECT count(*) FROM worker WHERE outcome LIKE '%killed by signal 9%'\"",
         0, "1\n"},
        {"sqlite3 k.db \"SELECT count(*) >= 1 FROM measurement WHERE state = 'done' AND alias = "
         "''\"",
         0, "1\n"},
        {"sqlite3 k.db \"SELECT count(*) FROM measurement WHERE state = 'pending'\"", 0, "0\n"},
        {"sqlite3 k.db \"SELECT count(*) FROM measurement WHERE state = 'failed' AND reason NOT "
         "LIKE 'the worker was killed by signal 9 (Killed)%'\"",
         0, "0\n"},
        {"sqlite3 k.db 'PRAGMA integrity_check; PRAGMA foreign_key_check'", 0, "ok\n"});
}

/* The times are random; a seed could not repeat them, and any of them must do. */
static void a_killed_supervisor_takes_its_worker_along_and_the_sweep_goes_on(void **state)
{
    (void)state;
    EXPECT({"i=0; while [ $i -lt 4 ]; do i=$((i + 1)); " SWEEP
            "--max-passes 8 --db s.db --resume >/dev/null 2>&1 & pid=$!; "
            "sleep $(awk -v i=$i 'BEGIN { srand(); print 0.4 + 0.5 * i + rand() }'); "
            "child=$(pgrep -P $pid); kill -9 $pid 2>/dev/null; wait $pid 2>/dev/null; "
            "for k in $(seq 100); do kill -0 $child 2>/dev/null || break; sleep 0.05; done; "
            "kill -0 $child 2>/dev/null && exit 9; done; echo over",
            0, "over"},
           {SWEEP "--max-passes 8 --db s.db --resume", 0, "rows measured"},
           {"sqlite3 s.db \"SELECT count(*) FROM measurement WHERE state <> 'done'\"", 0, "0\n"},
           {"sqlite3 s.db \"SELECT count(*) FROM measurement WHERE alias = 'aa'\"", 0, "2\n"},
           {"sqlite3 s.db \"SELECT count(*) FROM result AS r JOIN measurement AS x ON x.id = "
            "r.measurement WHERE x.alias <> ''\"",
            0, "0\n"},
           {"sqlite3 s.db 'SELECT sum(gap) FROM (SELECT max(pass) + 1 - count(*) AS gap FROM pass "
            "GROUP "
            "BY sweep_id)'",
            0, "0\n"},
           {"sqlite3 s.db 'SELECT count(*) FROM (SELECT 1 FROM sample GROUP BY measurement_id, "
            "pass, run HAVING count(*) > 1)'",
            0, "0\n"},
           {"sqlite3 s.db 'PRAGMA integrity_check; PRAGMA foreign_key_check'", 0, "ok\n"});
}

static void a_signal_to_the_supervisor_alone_ends_the_sweep_cleanly(void **state)
{
    (void)state;
    EXPECT({SWEEP "--db t.db --max-passes 4000 & pid=$!; for k in $(seq 1200); do "
                  "n=$(sqlite3 'file:t.db?mode=ro' 'SELECT count(*) FROM pass' 2>/dev/null || echo "
                  "0); [ \"${n:-0}\" -ge 2 ] && break; sleep 0.05; done; "
                  "kill -TERM $pid; wait $pid; echo code $?",
            0, "code 130"},
           {"sqlite3 t.db \"SELECT state FROM sweep\"", 0, "stopped"}, {"ls t.db*", 0, "t.db\n"});
}

/* And repeated as such: the plan of the sweep names it. */
static void a_number_type_that_the_device_lacks_is_stored_as_skipped(void **state)
{
    (void)state;
    EXPECT(
        {"$MOPROF sweep --variants cnn30@32 --backends cpu --dtype fp32,int8 --workers 1 "
         "--max-passes 1 --db types.db",
         0, "int8 rows are skipped: back end cpu computes in fp32 only, not in int8"},
        {"$MOPROF rerun --budget 5s --db types.db", 0, "int8 rows are skipped"},
        {"$MOPROF query \"SELECT dtype, state, count(*) FROM measurement AS x JOIN model AS m ON "
         "m.id = x.model_id WHERE alias = '' AND variant = 'cnn30@32' GROUP BY 1, 2\" "
         "--db types.db -f csv",
         0, "fp32,done,2\nint8,skipped,2\n"},
        {"$MOPROF query 'SELECT DISTINCT reason FROM failure' --db types.db -f csv", 0,
         "back end cpu computes in fp32 only"});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_out_of_range_are_refused_with_what_is_allowed),
        cmocka_unit_test(a_number_type_that_the_device_lacks_is_stored_as_skipped),
        cmocka_unit_test(a_worker_is_not_a_command_for_people),
        cmocka_unit_test(the_passes_are_shared_by_processes),
        cmocka_unit_test(a_killed_worker_costs_a_row_at_most_and_not_the_sweep),
        cmocka_unit_test(a_killed_supervisor_takes_its_worker_along_and_the_sweep_goes_on),
        cmocka_unit_test(a_signal_to_the_supervisor_alone_ends_the_sweep_cleanly),
    };
    return cmocka_run_group_tests(tests, cli_begin, cli_end);
}
