#include <stdlib.h>
#include <sys/stat.h>

#include "db/query.h"
#include "tests/fuzz/fuzz.h"
#include "tests/support/db_fixture.h"

/* A clock that runs a second a look, so that a statement that goes on for ever ends soon. */
static uint64_t next_second(void *ctx)
{
    uint64_t *now = ctx;
    *now += UINT64_C(1000000000);
    return *now;
}

void mop_fuzz_query(const uint8_t *data, size_t size)
{
    static const char *const params[] = {"mobileone-*", "cpu"};
    static mop_db *db;
    static char path[512];
    static uint64_t now;
    static struct stat before;
    char *sql = mop_fuzz_text(data, size, 4000);
    mop_table t = {0};
    mop_err err = {0};
    struct stat after;
    mop_status st;
    if (db == NULL) {
        mop_fuzz_path(path, "query.db");
        dbfix_fill(path);
        mop_fuzz_demand(mop_db_open(path, &db, &err) == MOP_OK, err.msg);
        mop_db_set_clock(db, (mop_clock){next_second, &now});
        mop_fuzz_demand(stat(path, &before) == 0, "no database");
    }
    st = mop_db_query(db, sql, params, 2, &t, &err);
    mop_fuzz_demand_sentence(st != MOP_OK, err.msg);
    mop_fuzz_demand(st == MOP_OK || (t.cells == NULL && t.n_rows == 0),
                    "a failure that leaves a table");
    mop_table_release(&t);
    mop_fuzz_demand(stat(path, &after) == 0 && after.st_size == before.st_size &&
                        after.st_mtim.tv_sec == before.st_mtim.tv_sec &&
                        after.st_mtim.tv_nsec == before.st_mtim.tv_nsec,
                    "a query that changed the database");
    free(sql);
}
