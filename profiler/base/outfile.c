#include "profiler/base/outfile.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TEMP_STEM = 4080 }; /* longest path: the temporary name adds 7 characters and the NUL */

static mop_status cannot(const mop_outfile *o, int cause, mop_err *err)
{
    if (o->path[0] == '\0')
        return mop_fail(err, MOP_EIO, "cannot write to standard output: %s", strerror(cause));
    return mop_fail(err, MOP_EIO, "cannot write '%s': %s", o->path, strerror(cause));
}

/* The temporary file has the access rights a plain new file would have, or the old file's. */
static void set_mode(int fd, const struct stat *old)
{
    mode_t mask = umask(0);
    (void)umask(mask);
    (void)fchmod(fd, old != NULL ? old->st_mode & 07777u : 0666u & ~mask); /* best effort */
}

void mop_make_folders(const char *path)
{
    char folder[4096];
    (void)snprintf(folder, sizeof folder, "%s", path); /* a longer path is refused later */
    for (char *slash = strchr(folder + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        (void)mkdir(folder, 0777);
        *slash = '/';
    }
}

mop_status mop_outfile_open(mop_outfile *o, const char *path, mop_err *err)
{
    struct stat st;
    bool exists;
    int fd;
    *o = (mop_outfile){.f = stdout};
    if (path == NULL || strcmp(path, "-") == 0)
        return MOP_OK;
    if (snprintf(o->path, sizeof o->path, "%s", path) > TEMP_STEM)
        return mop_fail(err, MOP_EINVAL, "the path '%.60s...' is too long", path);
    exists = stat(path, &st) == 0;
    if (exists && !S_ISREG(st.st_mode)) {
        o->f = fopen(path, "w");
        return o->f != NULL ? MOP_OK : cannot(o, errno, err);
    }
    (void)snprintf(o->temp, sizeof o->temp, "%.*s.XXXXXX", TEMP_STEM,
                   path); /* length checked above */
    fd = mkstemp(o->temp);
    o->f = fd >= 0 ? fdopen(fd, "w") : NULL;
    if (o->f == NULL) {
        int cause = errno;
        if (fd >= 0) {
            (void)close(fd);
            (void)unlink(o->temp);
        }
        return cannot(o, cause, err);
    }
    set_mode(fd, exists ? &st : NULL);
    return MOP_OK;
}

mop_status mop_outfile_commit(mop_outfile *o, mop_err *err)
{
    int cause = 0;
    errno = 0;
    if (fflush(o->f) != 0 || ferror(o->f) != 0)
        cause = errno != 0 ? errno : EIO;
    if (o->path[0] == '\0')
        return cause == 0 ? MOP_OK : cannot(o, cause, err);
    if (cause == 0 && o->temp[0] != '\0' && fsync(fileno(o->f)) != 0)
        cause = errno;
    if (fclose(o->f) != 0 && cause == 0)
        cause = errno;
    if (cause == 0 && o->temp[0] != '\0' && rename(o->temp, o->path) != 0)
        cause = errno;
    if (cause == 0)
        return MOP_OK;
    if (o->temp[0] != '\0')
        (void)unlink(o->temp); /* nothing else can be done about it */
    return cannot(o, cause, err);
}

void mop_outfile_abort(mop_outfile *o)
{
    if (o->path[0] == '\0')
        return;
    (void)fclose(o->f); /* its content is not wanted */
    if (o->temp[0] != '\0')
        (void)unlink(o->temp);
}
