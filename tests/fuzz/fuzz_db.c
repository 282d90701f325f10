#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "db/query.h"
#include "db/sql.h"
#include "db/store.h"
#include "tests/fuzz/fuzz.h"
#include "tests/support/db_fixture.h"

typedef struct bytes {
    char *data;
    size_t size;
} bytes;

/* A good database, made once. */
static const bytes *good(void)
{
    static bytes b;
    char path[512];
    if (b.data == NULL) {
        mop_fuzz_path(path, "good.db");
        dbfix_fill(path);
        b.data = dbfix_read(path, &b.size);
    }
    return &b;
}

/* Four bytes a change: where (24 bits, counted round the file) and what. One to three bytes left
 * over cut the file. */
static void write_changed(const char *path, const uint8_t *data, size_t size)
{
    const bytes *g = good();
    uint8_t *copy = malloc(g->size);
    size_t n = g->size;
    mop_fuzz_demand(copy != NULL, "out of memory");
    memcpy(copy, g->data, g->size);
    for (; size >= 4; data += 4, size -= 4) {
        size_t at = (size_t)data[0] << 16 | (size_t)data[1] << 8 | data[2];
        copy[at % g->size] = data[3];
    }
    if (size > 0)
        n = g->size * data[0] / 256;
    mop_fuzz_write(path, copy, n);
    free(copy);
}

static void read_it(const char *path)
{
    static const char *const queries[] = {"SELECT * FROM result",
                                          "SELECT count(*), sum(wall_ns) FROM sample",
                                          "SELECT * FROM layer_time LIMIT 50"};
    mop_db *db = NULL;
    mop_err err = {0};
    if (mop_db_open(path, &db, &err) != MOP_OK) {
        mop_fuzz_demand_sentence(1, err.msg);
        return;
    }
    for (size_t i = 0; i < sizeof queries / sizeof queries[0]; i++) {
        mop_table t = {0};
        mop_err why = {0};
        mop_status st = mop_db_query(db, queries[i], NULL, 0, &t, &why);
        mop_fuzz_demand_sentence(st != MOP_OK, why.msg);
        mop_table_release(&t);
    }
    mop_db_close(db);
}

static void write_it(const char *path)
{
    mop_store *store = NULL;
    mop_resume resume = {0};
    mop_err err = {0};
    if (mop_store_open(path, &store, &err) != MOP_OK) {
        mop_fuzz_demand_sentence(1, err.msg);
        return;
    }
    if (mop_store_resume(store, 77, &resume, &err) == MOP_OK)
        mop_resume_release(&resume);
    (void)mop_store_refresh_stats(store, NULL); /* any outcome: the rows may be nonsense */
    (void)mop_store_close(store, NULL);         /* likewise */
}

void mop_fuzz_db(const uint8_t *data, size_t size)
{
    static const char *const beside[] = {"",      "-wal",       "-shm",       "-journal",
                                         ".lock", ".v1.backup", ".v2.backup", ".v0.backup"};
    mop_file_kind kind;
    bool has_wal;
    char path[512], name[540];
    mop_err err = {0};
    mop_status st;
    if (size == 0)
        return;
    mop_fuzz_path(path, "fuzz.db");
    if (data[0] == 'p')
        write_changed(path, data + 1, size - 1);
    else
        mop_fuzz_write(path, data + 1, size - 1);
    st = mop_file_inspect(path, &kind, &has_wal, &err);
    mop_fuzz_demand_sentence(st != MOP_OK, err.msg);
    read_it(path);
    write_it(path);
    for (size_t i = 0; i < sizeof beside / sizeof beside[0]; i++) {
        (void)snprintf(name, sizeof name, "%s%s", path, beside[i]); /* fits */
        (void)unlink(name);                                         /* most are not there */
    }
}
