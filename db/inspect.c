/* Looks at a file before SQLite does, because opening with SQLite can already change a file (a hot
 * journal is rolled back). Offsets are those of the SQLite file format, section 1.3. */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>

#include <stdio.h>

#include "db/sql.h"

enum {
    HEADER_BYTES = 100,
    AT_PAGE_SIZE = 16,
    AT_WRITE_VERSION = 18,
    AT_CHANGE_COUNTER = 24,
    AT_PAGES = 28,
    AT_USER_VERSION = 60,
    AT_APPLICATION_ID = 68,
    AT_VALID_FOR = 92
};

static uint32_t be32(const unsigned char *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static bool is_beside(const char *path, const char *suffix)
{
    char name[4096];
    struct stat sb;
    int n = snprintf(name, sizeof name, "%s%s", path, suffix);
    return n > 0 && (size_t)n < sizeof name && stat(name, &sb) == 0 && sb.st_size > 0;
}

static mop_status judge(const char *path, const unsigned char *h, size_t n, int64_t file_bytes,
                        mop_file_kind *kind, mop_err *err)
{
    uint32_t id, version;
    int64_t page_bytes;
    if (n < HEADER_BYTES || memcmp(h, "SQLite format 3", 16) != 0)
        return mop_fail(err, MOP_EINVAL, "%.150s is not a database of moprof: not a SQLite file",
                        path);
    id = be32(h + AT_APPLICATION_ID);
    version = be32(h + AT_USER_VERSION);
    if (id != MOP_APPLICATION_ID && id != 0)
        return mop_fail(err, MOP_EINVAL,
                        "%.150s is a database of another program (application_id 0x%08x)", path,
                        id);
    if (id == MOP_APPLICATION_ID && version > (uint32_t)mop_schema_version())
        return mop_fail(err, MOP_EINVAL,
                        "%.150s has schema %u of a newer moprof; this one knows up to %d", path,
                        version, mop_schema_version());
    page_bytes = h[AT_PAGE_SIZE] << 8 | h[AT_PAGE_SIZE + 1];
    if (page_bytes == 1)
        page_bytes = 65536;
    /* The page count is only valid if the two counters agree, and only whole without a log. */
    if (be32(h + AT_CHANGE_COUNTER) == be32(h + AT_VALID_FOR) &&
        file_bytes < page_bytes * (int64_t)be32(h + AT_PAGES) && !is_beside(path, "-wal") &&
        !is_beside(path, "-journal"))
        return mop_fail(err, MOP_EINVAL, "%.150s is cut short: %lld of %lld bytes are there", path,
                        (long long)file_bytes, (long long)(page_bytes * be32(h + AT_PAGES)));
    *kind = id == 0 ? MOP_FILE_BLANK : MOP_FILE_OURS;
    return MOP_OK;
}

mop_status mop_file_inspect(const char *path, mop_file_kind *kind, bool *wal_mode, mop_err *err)
{
    unsigned char h[HEADER_BYTES];
    struct stat sb;
    FILE *f;
    size_t n;
    *wal_mode = false;
    if (stat(path, &sb) != 0) {
        if (errno != ENOENT)
            return mop_fail(err, MOP_EIO, "cannot read %.150s: %s", path, strerror(errno));
        *kind = MOP_FILE_ABSENT;
        return MOP_OK;
    }
    if (!S_ISREG(sb.st_mode))
        return mop_fail(err, MOP_EIO, "%.150s is not a regular file, so no database", path);
    if (sb.st_size == 0) {
        *kind = MOP_FILE_EMPTY;
        return MOP_OK;
    }
    f = fopen(path, "rb");
    if (f == NULL)
        return mop_fail(err, MOP_EIO, "cannot read %.150s: %s", path, strerror(errno));
    n = fread(h, 1, sizeof h, f);
    (void)fclose(f); /* only read from */
    if (n > AT_WRITE_VERSION)
        *wal_mode = h[AT_WRITE_VERSION] == 2;
    return judge(path, h, n, sb.st_size, kind, err);
}
