/* An input that is read more than once, whether it is a file or a pipe. For the inside of db/. */
#ifndef DB_IMPORT_INPUT_H
#define DB_IMPORT_INPUT_H

#include <stdint.h>
#include <stdio.h>

#include "profiler/base/status.h"

typedef struct mop_input {
    FILE *f;          /* at its beginning, and can be rewound */
    const char *path; /* what messages call it; borrowed */
    char source[128]; /* the file's name without its folder */
    uint64_t hash;    /* FNV-1a of all bytes */
} mop_input;

/* Opens path ("-": standard input) and reads it once for its hash. What cannot be read twice, such
 * as a pipe, is copied to an unnamed temporary file. MOP_EIO if it cannot be read or copied. */
mop_status mop_input_open(const char *path, mop_input *in, mop_err *err);
void mop_input_close(mop_input *in); /* one that was never opened is {0} */

enum { MOP_INPUT_TEXT_BYTES = 64 << 20 };

/* The whole content with a terminator, free() it. MOP_EINVAL for an empty file, one over
 * MOP_INPUT_TEXT_BYTES, and one with a NUL byte ("path:line:column: "), which is no text. */
mop_status mop_input_text(mop_input *in, char **text, size_t *len, mop_err *err);

#endif
