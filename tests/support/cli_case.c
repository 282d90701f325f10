#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/support/cli_case.h"
#include "tests/support/folder.h"

static char folder[MOP_FOLDER_MAX];

/* Runs a shell line in the folder; its output (both streams) goes to out. Returns the exit code. */
static int shell(const char *line, char *out, size_t size)
{
    char command[2048];
    size_t n;
    int status;
    FILE *p;
    assert_true(snprintf(command, sizeof command, "cd '%s' && { %s ; } 2>&1", folder, line) <
                (int)sizeof command);
    p = popen(command, "r");
    assert_non_null(p);
    n = fread(out, 1, size - 1, p);
    out[n] = '\0';
    while (fgetc(p) != EOF)
        continue;
    status = pclose(p);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

void cli_expect(const cli_case *cases, size_t n)
{
    static char out[1 << 18];
    for (size_t i = 0; i < n; i++) {
        int code = shell(cases[i].line, out, sizeof out);
        if (code != cases[i].exit || strstr(out, cases[i].says) == NULL)
            fail_msg("%s\nexit %d, expected %d, saying '%s'; it said:\n%s", cases[i].line, code,
                     cases[i].exit, cases[i].says, out);
    }
}

int cli_begin(void **state)
{
    const char *program = getenv("MOPROF");
    char absolute[4096];
    (void)state;
    if (program == NULL || realpath(program, absolute) == NULL) {
        fprintf(stderr, "set MOPROF to the program under test\n");
        return -1;
    }
    return setenv("MOPROF", absolute, 1) == 0 && mop_folder_make(folder) ? 0 : -1;
}

int cli_end(void **state)
{
    (void)state;
    return mop_folder_remove(folder) ? 0 : -1;
}
