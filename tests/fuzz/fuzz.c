#include "tests/fuzz/fuzz.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/folder.h"

static char folder[MOP_FOLDER_MAX];

static void remove_folder(void)
{
    (void)mop_folder_remove(folder); /* the program ends */
}

void mop_fuzz_demand(int ok, const char *words)
{
    if (ok)
        return;
    (void)fprintf(stderr, "fuzz: %s\n", words);
    abort();
}

void mop_fuzz_demand_sentence(int failed, const char *sentence)
{
    mop_fuzz_demand(!failed || sentence[0] != '\0', "a failure without a sentence");
}

void mop_fuzz_path(char *path, const char *name)
{
    if (folder[0] == '\0') {
        mop_fuzz_demand(mop_folder_make(folder), "no folder for files");
        mop_fuzz_demand(atexit(remove_folder) == 0, "no clean-up of the folder");
    }
    mop_fuzz_demand(snprintf(path, 512, "%s/%s", folder, name) < 512, "a path too long");
}

void mop_fuzz_write(const char *path, const uint8_t *data, size_t size)
{
    FILE *f = fopen(path, "wb");
    mop_fuzz_demand(f != NULL && fwrite(data, 1, size, f) == size && fclose(f) == 0,
                    "a file cannot be written");
}

char *mop_fuzz_text(const uint8_t *data, size_t size, size_t most)
{
    char *text = malloc(most + 1);
    mop_fuzz_demand(text != NULL, "out of memory");
    if (size > most)
        size = most;
    if (size > 0)
        memcpy(text, data, size);
    text[size] = '\0';
    return text;
}
