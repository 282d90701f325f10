#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sqlite3.h>
#include <string.h>

#include "tests/support/sqlite_faults.h"

/* SQLite takes its allocator and file system as process-wide tables, so the state is process-wide.
 */
static struct {
    sqlite_fault kind;
    unsigned left; /* occasions until the fault; 0: not armed */
    bool for_good, happened;
} faults;

static sqlite_watch watch;
static sqlite3_mem_methods real_memory;
static sqlite3_vfs shim_vfs;
static sqlite3_vfs *real_vfs;

void sqlite_faults_arm(sqlite_fault kind, unsigned n, bool for_good)
{
    faults.kind = kind;
    faults.left = n;
    faults.for_good = for_good;
    faults.happened = false;
}

bool sqlite_faults_disarm(void)
{
    faults.left = 0;
    return faults.happened;
}

static bool fails(sqlite_fault kind)
{
    if (faults.left == 0 || faults.kind != kind)
        return false;
    if (faults.left > 1) {
        faults.left--;
        return false;
    }
    if (!faults.for_good)
        faults.left = 0;
    faults.happened = true;
    return true;
}

/* --- memory
 * ------------------------------------------------------------------------------------------ */

static void *shim_malloc(int n)
{
    return fails(SQLITE_FAULT_MEMORY) ? NULL : real_memory.xMalloc(n);
}

static void *shim_realloc(void *p, int n)
{
    return fails(SQLITE_FAULT_MEMORY) ? NULL : real_memory.xRealloc(p, n);
}

/* --- files
 * ------------------------------------------------------------------------------------------- */

/* The real file lies behind the shim in the same allocation. */
typedef struct shim_file {
    sqlite3_file base;
    sqlite3_file *real;
    const char *path; /* SQLite's; NULL for a temporary file */
} shim_file;

static sqlite3_file *real_of(sqlite3_file *f)
{
    return ((shim_file *)f)->real;
}

static int shim_close(sqlite3_file *f)
{
    return real_of(f)->pMethods->xClose(real_of(f));
}

static int shim_read(sqlite3_file *f, void *p, int n, sqlite3_int64 at)
{
    return real_of(f)->pMethods->xRead(real_of(f), p, n, at);
}

static int shim_write(sqlite3_file *f, const void *p, int n, sqlite3_int64 at)
{
    if (fails(SQLITE_FAULT_FILE)) /* half of it arrives */
        return real_of(f)->pMethods->xWrite(real_of(f), p, n / 2, at) == SQLITE_OK ? SQLITE_FULL
                                                                                   : SQLITE_IOERR;
    return real_of(f)->pMethods->xWrite(real_of(f), p, n, at);
}

static int shim_truncate(sqlite3_file *f, sqlite3_int64 size)
{
    return fails(SQLITE_FAULT_FILE) ? SQLITE_IOERR_TRUNCATE
                                    : real_of(f)->pMethods->xTruncate(real_of(f), size);
}

static int shim_sync(sqlite3_file *f, int flags)
{
    const char *path = ((shim_file *)f)->path;
    if (fails(SQLITE_FAULT_FILE))
        return SQLITE_IOERR_FSYNC;
    if (watch.before_sync != NULL && path != NULL)
        watch.before_sync(watch.ctx, path);
    int rc = real_of(f)->pMethods->xSync(real_of(f), flags);
    if (rc == SQLITE_OK && watch.after_sync != NULL && path != NULL)
        watch.after_sync(watch.ctx, path);
    return rc;
}

static int shim_size(sqlite3_file *f, sqlite3_int64 *size)
{
    return real_of(f)->pMethods->xFileSize(real_of(f), size);
}

static int shim_lock(sqlite3_file *f, int how)
{
    return real_of(f)->pMethods->xLock(real_of(f), how);
}

static int shim_unlock(sqlite3_file *f, int how)
{
    return real_of(f)->pMethods->xUnlock(real_of(f), how);
}

static int shim_check_lock(sqlite3_file *f, int *out)
{
    return real_of(f)->pMethods->xCheckReservedLock(real_of(f), out);
}

static int shim_control(sqlite3_file *f, int op, void *arg)
{
    return real_of(f)->pMethods->xFileControl(real_of(f), op, arg);
}

static int shim_sector(sqlite3_file *f)
{
    return real_of(f)->pMethods->xSectorSize(real_of(f));
}

static int shim_traits(sqlite3_file *f)
{
    return real_of(f)->pMethods->xDeviceCharacteristics(real_of(f));
}

static int shim_shm_map(sqlite3_file *f, int page, int size, int extend, void volatile **out)
{
    return real_of(f)->pMethods->xShmMap(real_of(f), page, size, extend, out);
}

static int shim_shm_lock(sqlite3_file *f, int at, int n, int flags)
{
    return real_of(f)->pMethods->xShmLock(real_of(f), at, n, flags);
}

static void shim_shm_barrier(sqlite3_file *f)
{
    real_of(f)->pMethods->xShmBarrier(real_of(f));
}

static int shim_shm_unmap(sqlite3_file *f, int drop)
{
    return real_of(f)->pMethods->xShmUnmap(real_of(f), drop);
}

static int shim_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *f, int flags, int *out)
{
    static const sqlite3_io_methods methods = {
        .iVersion = 2,
        .xClose = shim_close,
        .xRead = shim_read,
        .xWrite = shim_write,
        .xTruncate = shim_truncate,
        .xSync = shim_sync,
        .xFileSize = shim_size,
        .xLock = shim_lock,
        .xUnlock = shim_unlock,
        .xCheckReservedLock = shim_check_lock,
        .xFileControl = shim_control,
        .xSectorSize = shim_sector,
        .xDeviceCharacteristics = shim_traits,
        .xShmMap = shim_shm_map,
        .xShmLock = shim_shm_lock,
        .xShmBarrier = shim_shm_barrier,
        .xShmUnmap = shim_shm_unmap,
    };
    shim_file *s = (shim_file *)f;
    int rc;
    (void)vfs;
    s->real = (sqlite3_file *)(s + 1);
    s->path = name;
    rc = real_vfs->xOpen(real_vfs, name, s->real, flags, out);
    s->base.pMethods = rc == SQLITE_OK ? &methods : NULL;
    return rc;
}

static int shim_delete(sqlite3_vfs *vfs, const char *path, int sync_folder)
{
    (void)vfs;
    int rc = real_vfs->xDelete(real_vfs, path, sync_folder);
    if (rc == SQLITE_OK && watch.removed != NULL)
        watch.removed(watch.ctx, path, sync_folder != 0);
    return rc;
}

void sqlite_faults_watch(sqlite_watch hooks)
{
    watch = hooks;
}

void sqlite_faults_install(void)
{
    sqlite3_mem_methods shim;
    assert_int_equal(sqlite3_config(SQLITE_CONFIG_GETMALLOC, &real_memory), SQLITE_OK);
    shim = real_memory;
    shim.xMalloc = shim_malloc;
    shim.xRealloc = shim_realloc;
    assert_int_equal(sqlite3_config(SQLITE_CONFIG_MALLOC, &shim), SQLITE_OK);
    /* Without lookaside every small allocation is an occasion. */
    assert_int_equal(sqlite3_config(SQLITE_CONFIG_LOOKASIDE, 0, 0), SQLITE_OK);
    assert_int_equal(sqlite3_initialize(), SQLITE_OK);
    real_vfs = sqlite3_vfs_find(NULL);
    shim_vfs = *real_vfs;
    shim_vfs.zName = "faults";
    shim_vfs.szOsFile = (int)sizeof(shim_file) + real_vfs->szOsFile;
    shim_vfs.xOpen = shim_open;
    shim_vfs.xDelete = shim_delete;
    shim_vfs.pNext = NULL;
    assert_int_equal(sqlite3_vfs_register(&shim_vfs, 1), SQLITE_OK);
}
