/* Every allocation of an export is made to fail once: this program has an allocator of its own in
 * place of profiler/base/alloc.c. What leaks is found by sanitizer builds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "onnx/export.h"
#include "tests/support/folder.h"
#include "tests/support/own_alloc.h"

static uint32_t add(mop_graph_builder *b, mop_op op, mop_params p, uint32_t x, uint32_t y)
{
    const uint32_t in[] = {x, y};
    const uint32_t n = mop_op_get(op)->n_in + (p.has_residual ? 1 : 0);
    return mop_graph_add(b, op, &p, in, n, "%s", mop_op_get(op)->name);
}

/* Attributes, epilogues, constants of every kind, nodes with many outputs, both forms of vectors.
 */
static mop_model *small_model(void)
{
    mop_err err = {0};
    mop_graph_builder *b = mop_graph_builder_create((mop_shape){1, 4, 4, 2}, &err);
    mop_params conv = {
        .u.conv = {2, 3, 3, 1, 1, 1, 1, 1, 1, 1, true}, .act = MOP_ACT_GELU, .has_residual = true};
    uint32_t x = add(b, MOP_OP_CONV2D, conv, 0, 0), s;
    mop_graph *g = NULL;
    mop_model *m = NULL;
    x = add(b, MOP_OP_BATCHNORM, (mop_params){.u.bn = {1e-5f}}, x, 0);
    s = add(b, MOP_OP_GAP, (mop_params){.act = MOP_ACT_NONE}, x, 0);
    s = add(b, MOP_OP_FC, (mop_params){.u.fc = {8, true}, .act = MOP_ACT_SIGMOID}, s, 0);
    x = add(b, MOP_OP_DYSHIFTMAX, (mop_params){.u.dy = {2, 2, 2, false}}, x, s);
    assert_int_equal(mop_graph_seal(b, x, &g, &err), MOP_OK);
    assert_int_equal(mop_model_synthesize(g, 1, &m, &err), MOP_OK);
    return m;
}

static void an_export_without_memory_fails_and_leaves_nothing(void **state)
{
    static const float input[32], output[32];
    const mop_onnx_prop prop = {"seed", "1"};
    const mop_onnx_desc desc = {"net", "1", "A net.", &prop, 1, input, output};
    mop_model *m = small_model();
    char folder[MOP_FOLDER_MAX], path[MOP_FOLDER_MAX + 16];
    mop_status status = MOP_ENOMEM;
    (void)state;
    assert_true(mop_folder_make(folder));
    (void)snprintf(path, sizeof path, "%s/m.onnx", folder);
    for (own_alloc_fails = 1; status == MOP_ENOMEM; own_alloc_fails++) {
        mop_err err = {0};
        own_alloc_calls = 0;
        status = mop_onnx_export(m, &desc, path, &err);
        assert_int_equal(status, err.code);
        assert_int_equal(access(path, F_OK) == 0, status == MOP_OK);
    }
    assert_int_equal(status, MOP_OK);
    assert_true(own_alloc_fails > 100); /* so many were reached */
    mop_model_free(m);
    assert_true(mop_folder_remove(folder));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_export_without_memory_fails_and_leaves_nothing)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
