#include "tests/support/folder.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

bool mop_folder_make(char path[MOP_FOLDER_MAX])
{
    const char *parent = getenv("TMPDIR");
    if (parent == NULL) /* syncing is free in memory */
        parent = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : P_tmpdir;
    return snprintf(path, MOP_FOLDER_MAX, "%s/moprof-XXXXXX", parent) < MOP_FOLDER_MAX &&
           mkdtemp(path) != NULL;
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st;
    (void)type;
    (void)at;
    return remove(path);
}

bool mop_folder_remove(const char *path)
{
    return nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS) == 0;
}
