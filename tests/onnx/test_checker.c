/* What ONNX itself says of the exported files; skipped where its Python package is missing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "tests/support/folder.h"
#include "tests/support/onnx_nets.h"

/* Sanitizers find nothing in the larger networks that the small ones, which have every operator, do
 * not show. */
#ifdef __SANITIZE_ADDRESS__
#define SPECS                                                                                      \
    "mobileone-s0 mobileone-s0:train resnet18 cnn30+se+act=hardswish cnn30+act=gelu "              \
    "cnn30+act=gelu-tanh cnn30+act=dyrelu-a cnn30+act=dyrelu-b cnn30+act=dyshiftmax"
#else
#define SPECS ""
#endif

enum { NO_CHECKER = 77 };

/* Runs check.py with these words after it, in the first Python that has ONNX. Debian's package
 * belongs to Debian's interpreter, which need not be the first in $PATH; the folder onnx/ here
 * has no checker. */
static void expect_accepted(const char *words)
{
    char command[512], out[4096];
    size_t n;
    int status;
    FILE *p;
    assert_true(snprintf(command, sizeof command,
                         "for p in python3 /usr/bin/python3; do $p -c 'import onnx.checker' "
                         "2>/dev/null && exec $p tests/onnx/check.py %s 2>&1; done; exit %d",
                         words, NO_CHECKER) < (int)sizeof command);
    p = popen(command, "r");
    assert_non_null(p);
    n = fread(out, 1, sizeof out - 1, p);
    out[n] = '\0';
    while (fgetc(p) != EOF)
        continue;
    status = pclose(p);
    if (WIFEXITED(status) && WEXITSTATUS(status) == NO_CHECKER) {
        print_message("skip: no Python has the module onnx (Debian package python3-onnx)\n");
        skip();
    }
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        fail_msg("%s", out);
}

static void the_checker_accepts_every_variant_in_both_forms(void **state)
{
    (void)state;
    expect_accepted("--size 32 " SPECS);
}

static void the_checker_accepts_operators_as_no_variant_has_them(void **state)
{
    char folder[MOP_FOLDER_MAX], words[MOP_FOLDER_MAX + 16];
    (void)state;
    assert_true(mop_folder_make(folder));
    onnx_nets_write(folder);
    (void)snprintf(words, sizeof words, "%s/*/model.onnx", folder);
    expect_accepted(words);
    assert_true(mop_folder_remove(folder));
}

/* --write DIR leaves the networks of the second test there, for `make check-onnx`. */
int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_checker_accepts_every_variant_in_both_forms),
        cmocka_unit_test(the_checker_accepts_operators_as_no_variant_has_them)};
    if (argc == 3 && strcmp(argv[1], "--write") == 0) {
        onnx_nets_write(argv[2]);
        return 0;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
