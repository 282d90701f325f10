#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kernels/cpu/kernel.h"
#include "profiler/base/alloc.h"
#include "profiler/engine/check.h"
#include "variants/passes.h"
#include "variants/variant.h"

static bool is_winograd(const char *name)
{
    size_t n;
    const mop_cpu_kernel *const *k = mop_cpu_kernels(&n);
    for (size_t i = 0; i < n; i++)
        if (strcmp(k[i]->name, name) == 0)
            return k[i]->is_winograd;
    return false; /* the input */
}

/* Plans and checks text; the number of Winograd kernels in the plan, its check in *check. */
static uint32_t plan_and_check(const char *text, const mop_plan_desc *desc, mop_check *check)
{
    const mop_backend *b = mop_backend_find("cpu", NULL);
    const mop_device_choice choice = {.threads = 1, .isa_mask = MOP_ISA_ALL};
    mop_model *model = NULL, *fused = NULL;
    mop_device *device = NULL;
    mop_plan *plan = NULL;
    mop_spec spec;
    mop_err err = {0};
    uint32_t count = 0;
    if (mop_spec_parse(text, &spec, &err) != MOP_OK ||
        mop_variant_model(&spec, 1, 11, &model, &err) != MOP_OK ||
        mop_pass_fuse(model, MOP_FUSE_ALL, &fused, &err) != MOP_OK ||
        b->open(&choice, &device, &err) != MOP_OK ||
        b->plan(device, fused, desc, &plan, &err) != MOP_OK)
        fail_msg("%s: %s", text, err.msg);
    const mop_graph *g = fused->graph;
    const size_t n = (size_t)mop_shape_elems(g->nodes[g->n_nodes - 1].inst.out);
    const size_t n_in = (size_t)mop_shape_elems(g->nodes[0].inst.out);
    float *in = mop_calloc(n_in, sizeof *in, NULL);
    double *reference = mop_calloc(n, sizeof *reference, NULL);
    assert_true(in != NULL && reference != NULL);
    mop_standard_input(g->nodes[0].inst.out, 5, in);
    if (mop_reference_run(model, in, reference, n, &err) != MOP_OK ||
        mop_check_plan(b, device, plan, desc, fused, in, reference, n, check, &err) != MOP_OK)
        fail_msg("%s: %s", text, err.msg);
    for (uint32_t i = 0; i < g->n_nodes; i++) {
        const bool has = is_winograd(b->kernel_name(plan, i));
        assert_true(b->error_growth(plan, i) == 1 || has);
        assert_true((b->bound(plan, i) != NULL) == has);
        count += has;
    }
    printf("%s: %u Winograd layers, worst node %.3f of its bound, end to end %.2e of %.2e\n", text,
           count, check->worst_node, check->end_to_end, check->end_bound);
    b->plan_free(plan);
    b->close(device);
    free(in);
    free(reference);
    mop_model_free(fused);
    mop_model_free(model);
    return count;
}

static void a_plan_without_winograd_uses_none_and_is_held_to_less(void **state)
{
    static const char *const specs[] = {"cnn30@64", "resnet18@64"};
    (void)state;
    for (size_t i = 0; i < sizeof specs / sizeof specs[0]; i++) {
        mop_check with, without;
        assert_true(plan_and_check(specs[i], &(mop_plan_desc){0}, &with) > 0);
        assert_int_equal(plan_and_check(specs[i], &(mop_plan_desc){.no_winograd = true}, &without),
                         0);
        assert_true(without.end_bound < with.end_bound);
        assert_true(without.checksum != with.checksum);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_plan_without_winograd_uses_none_and_is_held_to_less),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
