/* Entry points that take any bytes at all: libFuzzer calls them (`make fuzz`), and test_corpus with
 * the files of corpus/ and changes of them. Each aborts where a promise is broken. */
#ifndef TESTS_FUZZ_FUZZ_H
#define TESTS_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>

typedef void mop_fuzz_fn(const uint8_t *data, size_t size);

mop_fuzz_fn mop_fuzz_csv;       /* a CSV file; what is read is written and read again */
mop_fuzz_fn mop_fuzz_import;    /* a letter that picks the format, and the file */
mop_fuzz_fn mop_fuzz_spec;      /* a list of variants */
mop_fuzz_fn mop_fuzz_options;   /* words of a command line, a line each */
mop_fuzz_fn mop_fuzz_query;     /* SQL */
mop_fuzz_fn mop_fuzz_pipelines; /* 'f' and a pipeline cache, or 'd' and the driver's part of one */
mop_fuzz_fn mop_fuzz_db;        /* 'f' and a database file, or 'p' and changes of a good one */

/* Aborts with the words unless ok. */
void mop_fuzz_demand(int ok, const char *words);

/* A failure has a sentence. */
void mop_fuzz_demand_sentence(int failed, const char *sentence);

/* A path in a folder in memory that is gone when the program ends. Aborts if there is no such
 * folder. path has 512 bytes. */
void mop_fuzz_path(char *path, const char *name);
void mop_fuzz_write(const char *path, const uint8_t *data, size_t size);

/* data as a text with a terminator, free() it; cut at the first NUL and at `most` bytes. */
char *mop_fuzz_text(const uint8_t *data, size_t size, size_t most);

#endif
