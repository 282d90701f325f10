#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "kernels/cpu/isa.h"

static void scalar_is_always_there_and_cannot_be_masked(void **state)
{
    (void)state;
    assert_true((mop_isa_detect() & 1u << MOP_ISA_SCALAR) != 0);
    assert_int_equal(mop_isa_best(0), MOP_ISA_SCALAR);
    assert_int_equal(mop_isa_best(1u << MOP_ISA_SCALAR), MOP_ISA_SCALAR);
}

static void best_is_the_highest_level_of_the_mask_that_is_here(void **state)
{
    (void)state;
    for (unsigned mask = 0; mask <= MOP_ISA_ALL; mask++) {
        const mop_isa best = mop_isa_best(mask);
        const unsigned usable = (mop_isa_detect() & mask) | 1u;
        assert_true((usable & 1u << best) != 0);
        assert_int_equal(usable >> (best + 1), 0);
    }
}

static void masking_the_highest_level_falls_back_to_the_next(void **state)
{
    const mop_isa next = (mop_isa)(MOP_ISA_COUNT - 2);
    (void)state;
    if ((mop_isa_detect() & 1u << next) == 0) {
        printf("skip: this machine has no %s to fall back to\n", mop_isa_name(next));
        skip();
    }
    assert_int_equal(mop_isa_best(MOP_ISA_ALL & ~(1u << (MOP_ISA_COUNT - 1))), next);
}

static void levels_are_found_by_their_names(void **state)
{
    mop_isa isa = MOP_ISA_COUNT;
    (void)state;
    for (int level = 0; level < MOP_ISA_COUNT; level++) {
        assert_true(mop_isa_find(mop_isa_name((mop_isa)level), &isa));
        assert_int_equal(isa, level);
    }
    assert_false(mop_isa_find("avx3", &isa));
    assert_int_equal(isa, MOP_ISA_COUNT - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scalar_is_always_there_and_cannot_be_masked),
        cmocka_unit_test(best_is_the_highest_level_of_the_mask_that_is_here),
        cmocka_unit_test(masking_the_highest_level_falls_back_to_the_next),
        cmocka_unit_test(levels_are_found_by_their_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
