/* What ONNX itself says of the exported files; skipped where its Python package is missing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <sys/wait.h>

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

static void the_checker_accepts_every_variant_in_both_forms(void **state)
{
    char out[4096];
    size_t n;
    int status;
    /* Debian's package belongs to Debian's interpreter, which need not be the first in $PATH; the
     * folder onnx/ here has no checker */
    FILE *p =
        popen("for p in python3 /usr/bin/python3; do $p -c 'import onnx.checker' 2>/dev/null && "
              "exec $p tests/onnx/check.py 32 " SPECS " 2>&1; done; exit 77",
              "r");
    (void)state;
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_checker_accepts_every_variant_in_both_forms)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
