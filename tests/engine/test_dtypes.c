/* Number types, on every back end that has a device here. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "profiler/engine/backend.h"
#include "variants/variant.h"

static mop_model *small_model(void)
{
    mop_graph *g = NULL;
    mop_model *m = NULL;
    mop_spec spec;
    assert_int_equal(mop_spec_parse("mobileone-s0@32", &spec, NULL), MOP_OK);
    assert_int_equal(mop_variant_graph(&spec, 1, &g, NULL), MOP_OK);
    assert_int_equal(mop_model_synthesize(g, 1, &m, NULL), MOP_OK);
    return m;
}

/* plan() says of each number type what mop_backend_runs() said. */
static void expect_agreement(const mop_backend *b, mop_device *device, const mop_model *m)
{
    assert_int_equal(mop_backend_runs(b, device, MOP_DTYPE_FP32, NULL), MOP_OK);
    for (int i = 0; i < MOP_DTYPE_COUNT; i++) {
        const mop_plan_desc desc = {.dtype = (mop_dtype)i};
        mop_plan *plan = NULL;
        mop_err asked = {0}, err = {0};
        mop_status st = mop_backend_runs(b, device, desc.dtype, &asked);
        assert_int_equal(b->plan(device, m, &desc, &plan, &err), st);
        assert_true((plan != NULL) == (st == MOP_OK));
        assert_string_equal(err.msg, asked.msg);
        if (st != MOP_OK) {
            assert_int_equal(st, MOP_EUNSUPPORTED);
            assert_non_null(strstr(err.msg, mop_dtype_name(desc.dtype)));
        }
        b->plan_free(plan);
    }
}

static void a_number_type_that_a_device_lacks_is_refused_with_a_reason(void **state)
{
    const mop_backend *b;
    mop_model *m = small_model();
    (void)state;
    for (size_t i = 0; (b = mop_backend_at(i)) != NULL; i++) {
        const mop_device_choice choice = {.threads = 1, .isa_mask = ~0U};
        mop_device *device = NULL;
        mop_err err = {0};
        mop_status st = b->open(&choice, &device, &err);
        if (st != MOP_OK) {
            assert_int_equal(st, MOP_ENODEV);
            print_message("skip: %s\n", err.msg);
            continue;
        }
        expect_agreement(b, device, m);
        b->close(device);
    }
    mop_model_free(m);
}

static void the_cpu_computes_in_float32_only(void **state)
{
    const mop_backend *cpu = mop_backend_find("cpu", NULL);
    mop_err err = {0};
    (void)state;
    assert_int_equal(mop_backend_runs(cpu, NULL, MOP_DTYPE_FP16, &err), MOP_EUNSUPPORTED);
    assert_string_equal(err.msg, "back end cpu computes in fp32 only, not in fp16");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_number_type_that_a_device_lacks_is_refused_with_a_reason),
        cmocka_unit_test(the_cpu_computes_in_float32_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
