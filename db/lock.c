/* The writer's lock: flock on a file beside the database, which dies with its holder. The file
 * names the holder, and goes away with it; taking it again checks that the file locked is still the
 * file there. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "db/store_internal.h"
#include "profiler/base/alloc.h"

static mop_status refuse(const char *path, int fd, mop_err *err)
{
    char who[128] = "";
    ssize_t n = pread(fd, who, sizeof who - 1, 0);
    if (n <= 0)
        (void)snprintf(who, sizeof who, "another process"); /* it has not signed yet */
    who[strcspn(who, "\n")] = '\0';
    return mop_fail(err, MOP_EBUSY, "%.120s is being written by %.100s; wait for it to end", path,
                    who);
}

static mop_status sign(const char *name, int fd, mop_err *err)
{
    char host[64] = "", who[128];
    int n;
    if (gethostname(host, sizeof host - 1) != 0)
        (void)snprintf(host, sizeof host, "this machine"); /* fits */
    n = snprintf(who, sizeof who, "process %ld on %s\n", (long)getpid(), host);
    if (ftruncate(fd, 0) != 0 || pwrite(fd, who, (size_t)n, 0) != n)
        return mop_fail(err, MOP_EIO, "cannot write %.150s: %s", name, strerror(errno));
    return MOP_OK;
}

/* *taken stays false if the file was removed between opening and locking: try again. */
static mop_status try_take(const char *path, const char *name, int *fd, bool *taken, mop_err *err)
{
    struct stat mine, there;
    mop_status st = MOP_OK;
    *fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
    if (*fd < 0)
        return mop_fail(err, MOP_EIO, "cannot create %.150s: %s", name, strerror(errno));
    if (flock(*fd, LOCK_EX | LOCK_NB) != 0) {
        st = errno == EWOULDBLOCK
                 ? refuse(path, *fd, err)
                 : mop_fail(err, MOP_EIO, "cannot lock %.150s: %s", name, strerror(errno));
    } else if (fstat(*fd, &mine) == 0 && stat(name, &there) == 0 && mine.st_ino == there.st_ino &&
               mine.st_dev == there.st_dev) {
        st = sign(name, *fd, err);
        *taken = st == MOP_OK;
    }
    if (!*taken)
        (void)close(*fd); /* nothing of value was written */
    return st;
}

mop_status mop_lock_take(const char *path, mop_lock *lock, mop_err *err)
{
    size_t n = strlen(path) + sizeof ".lock";
    char *name = mop_calloc(n, 1, err);
    bool taken = false;
    mop_status st = MOP_OK;
    int fd = -1;
    if (name == NULL)
        return MOP_ENOMEM;
    (void)snprintf(name, n, "%s.lock", path); /* fits by construction */
    while (st == MOP_OK && !taken)
        st = try_take(path, name, &fd, &taken, err);
    if (st != MOP_OK) {
        free(name);
        return st;
    }
    *lock = (mop_lock){.fd = fd, .path = name};
    return MOP_OK;
}

void mop_lock_release(mop_lock *lock)
{
    if (lock->path == NULL)
        return;
    (void)unlink(lock->path); /* a file left behind is only untidy: the lock is the flock */
    (void)close(lock->fd);    /* releases it */
    free(lock->path);
    *lock = (mop_lock){.fd = -1};
}
