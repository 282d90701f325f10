/* The command line as a user meets it: a case is a command, its exit code and what it must say. */
#ifndef TESTS_SUPPORT_CLI_CASE_H
#define TESTS_SUPPORT_CLI_CASE_H

#include <stddef.h>

typedef struct cli_case {
    const char *line; /* a shell line; the program is $MOPROF */
    int exit;
    const char *says; /* a part of the output, both streams */
} cli_case;

/* cmocka's group set-up and tear-down: a folder of the test's own in which the lines run, and the
 * program's absolute path in $MOPROF. */
int cli_begin(void **state);
int cli_end(void **state);

/* Runs the cases in order; fails the test at the first that does not do what it must. */
void cli_expect(const cli_case *cases, size_t n);

#define EXPECT(...)                                                                                \
    do {                                                                                           \
        const cli_case cases_[] = {__VA_ARGS__};                                                   \
        cli_expect(cases_, sizeof cases_ / sizeof cases_[0]);                                      \
    } while (0)

#endif
