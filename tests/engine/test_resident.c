/* What planning and running a network takes at most, beside what was there before, where the plan
 * takes the model's constants: a process for each network. Scratch counts to the peak, and so do
 * the code that is run for the first time and what the heap needs; the bound knows weights and
 * arena only. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "kernels/cpu/isa.h"
#include "profiler/base/alloc.h"
#include "profiler/base/hash.h"
#include "profiler/engine/job.h"
#include "profiler/measure/resident.h"
#include "variants/passes.h"

#define PEAK_BOUND 1.3

/* What a child ends with. */
enum { HELD, EXCEEDED, UNKNOWN, FAILED };

static uint64_t constant_bytes(const mop_model *m)
{
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < m->graph->n_nodes; i++) {
        mop_weight_desc desc[MOP_MAX_WEIGHTS];
        const uint32_t n = mop_op_weights(&m->graph->nodes[i].inst, desc);
        for (uint32_t s = 0; s < n; s++)
            bytes += (uint64_t)desc[s].elems * sizeof(float);
    }
    return bytes;
}

static int measure(const char *text)
{
    const mop_backend *cpu = mop_backend_find("cpu", NULL);
    const mop_device_choice choice = {.threads = 1, .isa_mask = MOP_ISA_ALL};
    const mop_plan_desc desc = {.fuse = MOP_FUSE_ALL, .takes_constants = true};
    mop_device *device = NULL;
    mop_subject_model m;
    mop_spec spec;
    mop_plan *plan;
    mop_plan_info info;
    uint64_t before, peak;
    float *out;
    if (mop_spec_parse(text, &spec, NULL) != MOP_OK ||
        cpu->open(&choice, &device, NULL) != MOP_OK ||
        mop_subject_model_build(&m, &spec, 1, 11, MOP_FUSE_ALL, NULL) != MOP_OK)
        return FAILED;
    mop_model_free(m.model);
    m.model = NULL;
    out = mop_calloc(m.n_out, sizeof *out, NULL);
    if (out == NULL)
        return FAILED;
    if (!mop_resident_begin(&before))
        return UNKNOWN;
    before -= constant_bytes(m.fused);
    if (cpu->plan(device, m.fused, &desc, &plan, NULL) != MOP_OK ||
        cpu->run(plan, m.input, out, NULL, NULL) != MOP_OK || !mop_resident_peak(&peak))
        return FAILED;
    cpu->plan_info(plan, &info);
    const double own = (double)(info.weight_bytes + info.arena_bytes);
    const double ratio = (double)(peak - before) / own;
    printf("%s: resident peak %.2f MiB, %.3f of weights %.2f MiB and arena %.2f MiB\n", text,
           (double)(peak - before) / 0x1p20, ratio, (double)info.weight_bytes / 0x1p20,
           (double)info.arena_bytes / 0x1p20);
    cpu->plan_free(plan);
    cpu->close(device);
    mop_subject_model_release(&m);
    free(out);
    return ratio >= 1 && ratio <= PEAK_BOUND ? HELD : EXCEEDED;
}

static void the_peak_is_within_three_tenths_of_weights_and_arena(void **state)
{
    static const char *const texts[] = {"mobileone-s0", "mobileone-s1", "mobilenetv2", "resnet18",
                                        "mobilenetv3-large"};
    (void)state;
#if defined(__SANITIZE_ADDRESS__)
    print_message("skip: the sanitizer's own memory would be measured\n");
    skip();
#endif
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        int status = 0;
        (void)fflush(stdout);
        const pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            const int end = measure(texts[i]);
            (void)fflush(stdout);
            _exit(end);
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFEXITED(status));
        if (WEXITSTATUS(status) == UNKNOWN) {
            print_message("skip: this kernel does not reset or tell the resident peak\n");
            skip();
        }
        if (WEXITSTATUS(status) != HELD)
            fail_msg("%s: %s", texts[i],
                     WEXITSTATUS(status) == EXCEEDED ? "not within the bound" : "could not be run");
    }
}

/* The hash of what a plan of m gives; with takes_constants m's constants are gone afterwards. */
static uint64_t hash_of(const mop_subject_model *m, bool takes_constants)
{
    const mop_backend *cpu = mop_backend_find("cpu", NULL);
    const mop_device_choice choice = {.threads = 1, .isa_mask = MOP_ISA_ALL};
    const mop_plan_desc desc = {.fuse = MOP_FUSE_ALL, .takes_constants = takes_constants};
    mop_device *device = NULL;
    mop_plan *plan = NULL;
    float *out = mop_calloc(m->n_out, sizeof *out, NULL);
    assert_non_null(out);
    assert_int_equal(cpu->open(&choice, &device, NULL), MOP_OK);
    assert_int_equal(cpu->plan(device, m->fused, &desc, &plan, NULL), MOP_OK);
    assert_int_equal(cpu->run(plan, m->input, out, NULL, NULL), MOP_OK);
    const uint64_t hash = mop_hash(MOP_HASH_INIT, out, m->n_out * sizeof *out);
    cpu->plan_free(plan);
    cpu->close(device);
    free(out);
    return hash;
}

static bool has_constants(const mop_model *m)
{
    for (size_t i = 0; i < (size_t)m->graph->n_nodes * MOP_MAX_WEIGHTS; i++)
        if (m->w[i] != NULL)
            return true;
    return false;
}

static void a_plan_that_takes_the_constants_gives_the_same_bits(void **state)
{
    mop_subject_model m;
    mop_spec spec;
    (void)state;
    assert_int_equal(mop_spec_parse("mobilenetv3-small@64", &spec, NULL), MOP_OK);
    assert_int_equal(mop_subject_model_build(&m, &spec, 1, 3, MOP_FUSE_ALL, NULL), MOP_OK);
    const uint64_t hash = hash_of(&m, false);
    assert_true(has_constants(m.fused));
    assert_true(hash_of(&m, true) == hash);
    assert_false(has_constants(m.fused));
    mop_subject_model_release(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_peak_is_within_three_tenths_of_weights_and_arena),
        cmocka_unit_test(a_plan_that_takes_the_constants_gives_the_same_bits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
