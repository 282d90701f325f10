/* What the command line says about this machine. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/support/cli_case.h"

static void a_calibration_is_printed_and_stored_and_is_no_sweep(void **state)
{
    (void)state;
    EXPECT({"$MOPROF calibrate --db c.db --budget 1s --threads 1 -f csv 2>said | head -1", 0,
            "figure,best,median,unit,spread_%,bursts"},
           {"cat said", 0, "are not told apart"},
           {"$MOPROF query 'SELECT kind, state, count(*) AS n FROM sweep' --db c.db -f csv", 0,
            "calibration,done,1"},
           {"$MOPROF query \"SELECT count(*) AS n FROM calibration AS c JOIN device AS d "
            "ON d.id = c.device_id WHERE d.backend = 'cpu' AND c.value > 0 AND c.name IN "
            "('peak_flops', 'peak_flops_scalar_fp32', 'peak_flops_scalar_fp32_median', "
            "'read_bandwidth_dram', 'fork_join_x1', 'clock_cost', 'counters_cost', 'canary_cost', "
            "'smallest_difference')\" --db c.db -f csv",
            0, "n\n9"},
           {"$MOPROF query 'SELECT count(*) AS n FROM result' --db c.db -f csv", 0, "n\n0"});
    /* the newest sweep is still the sweep, not the calibration after it */
    EXPECT({"$MOPROF sweep --variants mobileone-s0@32 --backends cpu --precision 0.5 --budget 1m "
            "--db d.db && $MOPROF calibrate --db d.db --budget 1s --threads 1",
            0, "fork_join_x1"},
           {"$MOPROF query sweep --db d.db -f csv", 0, "mobileone-s0@32"},
           {"ls d.db*", 0, "d.db\n"});
}

static void a_calibration_that_cannot_be_stored_is_not_begun(void **state)
{
    (void)state;
    EXPECT({"$MOPROF calibrate --db /nonexistent/c.db", 1, "/nonexistent/c.db"},
           {"echo hello > t.db; cp t.db copy; $MOPROF calibrate --db t.db", 2, "t.db"},
           {"cmp t.db copy && echo same", 0, "same"},
           {"$MOPROF calibrate --threads 0 --db n.db", 2, "from 1 to"},
           {"$MOPROF calibrate --budget never --db n.db", 2, "90s"},
           {"$MOPROF calibrate --isa mmx --db n.db", 2, "avx2"},
           {"$MOPROF calibrate -f xml --db n.db", 2, "csv"},
           {"test ! -e n.db && echo clean", 0, "clean"},
           {"flock h.db.lock $MOPROF calibrate --db h.db", 1, "is being written by"});
}

/* 9 multiply-adds for each element read and written can only wait for memory, but where a sanitizer
 * makes the multiply-adds of the peak loop slow. */
#ifdef __SANITIZE_ADDRESS__
#define BOUND "compute"
#else
#define BOUND "memory"
#endif

static void layers_stand_under_the_roofline_of_a_calibration(void **state)
{
    (void)state;
    EXPECT({"$MOPROF show mobileone-s0@64 -f csv | grep stage1.1.dw,", 0, ",,\n"},
           {"$MOPROF profile mobileone-s0@64 --runs 3", 0, "roofline: not known"},
           {"$MOPROF calibrate --db r.db --budget 1s --threads 1", 0, "read_bandwidth_dram"},
           {"$MOPROF query roofline --db r.db -f csv", 0, "variant,"},
           {"$MOPROF show mobileone-s0@64 --db r.db -f csv | grep stage1.1.dw,", 0, "," BOUND "\n"},
           {"$MOPROF show mobileone-s0@64 --db r.db", 0, "FLOP a byte: bound by"},
           {"$MOPROF show mobileone-s0@64 --db r.db -f json", 0, "\"bound\": \"" BOUND "\""},
           {"$MOPROF show mobileone-s0@64 -f json", 0, "\"attainable_gflops_s\": null"},
           {"$MOPROF profile mobileone-s0@64 --runs 3 --db r.db -f csv", 0, "," BOUND "\n"},
           {"$MOPROF profile mobileone-s0@64 --runs 3 --db r.db", 0, "GFLOP/s attainable"},
           {"$MOPROF show mobileone-s0@64 --db absent.db", 2, "absent.db"},
           {"$MOPROF profile mobileone-s0@64 --db absent.db", 2, "absent.db"});
    EXPECT(
        {"$MOPROF sweep --variants cnn30@32,mobileone-s0@32 --backends cpu --precision 0.5 "
         "--budget 1m --db r.db >/dev/null && $MOPROF query roofline '' X --db r.db -f csv | wc -l",
         0, "3"});
}

static void the_doctor_tells_machine_and_database_and_writes_nothing(void **state)
{
    (void)state;
    EXPECT({"$MOPROF doctor", 0, "governor"},
           {"$MOPROF doctor -f csv | head -1", 0, "level,check,found,why,remedy"},
           {"LP_NUM_THREADS=3 $MOPROF doctor -f json | grep -B2 \"set to '3'\"", 0, "\"note\""},
           {"$MOPROF doctor -f xml", 2, "csv"});
    EXPECT({"$MOPROF calibrate --db e.db --budget 1s --threads 1 && cp e.db copy.db && chmod a-w "
            "e.db && $MOPROF doctor --db e.db",
            0, "0 of 1 sweeps and calibrations are unfinished"},
           {"cmp e.db copy.db && ls e.db*", 0, "e.db\n"},
           {"chmod u+w e.db && sqlite3 e.db \"PRAGMA foreign_keys=OFF; INSERT INTO worker VALUES "
            "(77, 1, NULL, NULL, 'done')\" && $MOPROF doctor --db e.db",
            0, "db_references  1 rows"},
           {"$MOPROF doctor --db e.db --strict", 1, "problem"});
    EXPECT({"$MOPROF doctor --db absent.db", 2, "there is no database absent.db"},
           {"echo hello > t.db; $MOPROF doctor --db t.db", 2, "not a SQLite file"},
           {"head -c 9000 e.db > cut.db; $MOPROF doctor --db cut.db", 2, "cut short"},
           {"cp copy.db n.db; chmod u+w n.db; sqlite3 n.db 'PRAGMA user_version=99'; $MOPROF "
            "doctor --db n.db",
            2, "newer"},
           {"sqlite3 o.db 'PRAGMA application_id=7; CREATE TABLE t (x)'; $MOPROF doctor --db o.db",
            2, "another program"});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_calibration_is_printed_and_stored_and_is_no_sweep),
        cmocka_unit_test(a_calibration_that_cannot_be_stored_is_not_begun),
        cmocka_unit_test(layers_stand_under_the_roofline_of_a_calibration),
        cmocka_unit_test(the_doctor_tells_machine_and_database_and_writes_nothing),
    };
    return cmocka_run_group_tests(tests, cli_begin, cli_end);
}
