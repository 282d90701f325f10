#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "db/import.h"
#include "tests/fuzz/fuzz.h"

static const char *format_of(uint8_t letter)
{
    const char *name, *what;
    for (size_t i = 0; (name = mop_import_format(i, &what)) != NULL; i++)
        if ((uint8_t)name[0] == letter)
            return name;
    return NULL; /* any other letter: found out from the content */
}

void mop_fuzz_import(const uint8_t *data, size_t size)
{
    mop_import_options options = {.engine = "fuzz", .variant = NULL};
    mop_import_result result = {0};
    char file[512], db[512];
    const char *const paths[] = {file};
    mop_err err = {0};
    mop_status st;
    struct stat sb;
    if (size == 0)
        return;
    options.format = format_of(data[0]);
    if (data[0] >= 'A' && data[0] <= 'Z')
        options.variant = "net"; /* for files that do not name one */
    mop_fuzz_path(file, "import.txt");
    mop_fuzz_path(db, "import.db");
    mop_fuzz_write(file, data + 1, size - 1);
    st = mop_import(paths, 1, db, &options, &result, &err);
    mop_fuzz_demand_sentence(st != MOP_OK, err.msg);
    mop_fuzz_demand(st == MOP_OK || st == MOP_EINVAL, "an import fails for another reason");
    if (stat(db, &sb) == 0 && sb.st_size > 1 << 20)
        (void)unlink(db); /* the next one makes it again */
}
