/* A folder of a test's own. */
#ifndef TESTS_SUPPORT_FOLDER_H
#define TESTS_SUPPORT_FOLDER_H

#include <stdbool.h>

enum { MOP_FOLDER_MAX = 96 };

/* Makes a fresh folder under $TMPDIR, else in memory, else in the system's place for such things,
 * and writes its path. False if it cannot. */
bool mop_folder_make(char path[MOP_FOLDER_MAX]);

/* Removes it with everything in it; false if something stayed. */
bool mop_folder_remove(const char *path);

#endif
