/* What the readers of other tools' formats share. For the inside of db/. */
#ifndef DB_IMPORTER_H
#define DB_IMPORTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "db/import_input.h"

/* A whole file. text has a terminator after len bytes and no NUL before it. */
typedef struct mop_import_text {
    mop_input *in;
    const char *text;
    size_t len;
} mop_import_text;

/* One result. "" and 0 are what the file does not say, NAN a time that it does not give. */
typedef struct mop_external {
    char variant[96]; /* the network, by the tool's own name */
    char engine[48], engine_version[64], device[128], dtype[16];
    char where[32]; /* "cpu", "gpu 0": the device, where nobody names it */
    int32_t threads, batch;
    int64_t n; /* inferences */
    double min_ns, mean_ns, median_ns, p90_ns, p99_ns, max_ns;
    size_t row; /* where in the file: a line, or a number that counts from 1 */
} mop_external;

typedef struct mop_external_list {
    mop_external *rows;
    size_t n, cap;
} mop_external_list;

enum { MOP_IMPORT_ROWS = 100000 };

/* An empty result: no text, no times. */
mop_external mop_external_none(void);

/* Appends; MOP_EINVAL beyond MOP_IMPORT_ROWS. */
mop_status mop_external_add(mop_external_list *list, const mop_external *row, mop_err *err);

/* Sets the times of a result from its single inferences, n > 0 of them, which are sorted:
 * p90 and p99 as those of `stat`, NAN under 64 and 662 of them. */
void mop_external_from_runs(mop_external *row, double *ns, size_t n);

/* "path:line:column: <sentence>" for the place `at` in the text. */
mop_status mop_import_fail_at(const mop_import_text *t, const char *at, const char *sentence,
                              mop_err *err);

/* The number at *at, after blanks: finite, over 0 and at most `most`. *at goes past it. MOP_EINVAL
 * with the place and `what` otherwise. */
mop_status mop_import_number(const mop_import_text *t, const char **at, double most,
                             const char *what, double *out, mop_err *err);

/* Longest time that is taken for one: 1e9 s. */
#define MOP_IMPORT_MOST_NS 1e18

/* Goes past `word` at *at, blanks before it included; false, and *at as it was, if another stands
 * there. */
bool mop_import_word(const char **at, const char *word);

/* The next line of the text, without its end; false after the last. Starts as {0}. */
typedef struct mop_import_line {
    const char *text, *next; /* in the text; len bytes, no terminator */
    size_t len, number;      /* number counts from 1 */
} mop_import_line;
bool mop_import_next_line(const mop_import_text *t, mop_import_line *line);

/* Place of word in the line, or NULL. */
const char *mop_import_find(const mop_import_line *line, const char *word);

/* Copies [from, to) without blanks around it, cut to size. */
void mop_import_copy(const char *from, const char *to, char *out, size_t size);

/* Whether the text looks like the format, and reading it into the list. */
typedef bool mop_import_is_fn(const mop_import_text *t);
typedef mop_status mop_import_read_fn(const mop_import_text *t, mop_external_list *list,
                                      mop_err *err);
#define MOP_IMPORTER_ROW(name, engine, what)                                                       \
    mop_import_is_fn mop_import_##name##_is;                                                       \
    mop_import_read_fn mop_import_##name##_read;
#include "db/importers.def"
#undef MOP_IMPORTER_ROW

#endif
