/* Random numbers: the published sequence, reproducible streams, distributions. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <math.h>

#include "profiler/base/rng.h"

/* First outputs of xoshiro256** from the state 1, 2, 3, 4, by the authors' recurrence in integers.
 */
static void the_sequence_is_that_of_the_authors(void **state)
{
    static const uint64_t want[] = {11520, 0, 1509978240, UINT64_C(1215971899390074240),
                                    UINT64_C(1216172134540287360)};
    mop_rng rng = {{1, 2, 3, 4}};
    (void)state;
    for (size_t i = 0; i < sizeof want / sizeof want[0]; i++)
        assert_true(mop_rng_u64(&rng) == want[i]);
}

/* Computed apart by splitmix64 and xoshiro256**: stored weights depend on these never changing. */
static void a_seed_and_a_stream_always_give_the_same_numbers(void **state)
{
    static const uint64_t want[] = {UINT64_C(0x62737c38a122f17b), UINT64_C(0xea6ebb82a9ba9daf),
                                    UINT64_C(0xd441ca1af7a73d34), UINT64_C(0x98876492b1a0996a)};
    mop_rng rng;
    (void)state;
    mop_rng_init(&rng, 42, 7);
    for (size_t i = 0; i < sizeof want / sizeof want[0]; i++)
        assert_true(mop_rng_u64(&rng) == want[i]);
}

static void streams_and_seeds_differ(void **state)
{
    mop_rng a, b, c;
    (void)state;
    mop_rng_init(&a, 1, 0);
    mop_rng_init(&b, 1, 1);
    mop_rng_init(&c, 2, 0);
    for (int i = 0; i < 100; i++) {
        uint64_t x = mop_rng_u64(&a), y = mop_rng_u64(&b), z = mop_rng_u64(&c);
        assert_true(x != y && x != z && y != z);
    }
}

/* Mean and variance of 200000 draws within 5 standard errors of 1/2 and 1/12. */
static void uniform_has_its_range_and_moments(void **state)
{
    enum { N = 200000 };
    mop_rng rng;
    double sum = 0, square = 0;
    (void)state;
    print_message("seed 3\n");
    mop_rng_init(&rng, 3, 0);
    for (int i = 0; i < N; i++) {
        double u = mop_rng_uniform(&rng);
        assert_true(u >= 0 && u < 1);
        sum += u;
        square += (u - 0.5) * (u - 0.5);
    }
    assert_true(fabs(sum / N - 0.5) < 5 * sqrt(1.0 / 12 / N));
    assert_true(fabs(square / N - 1.0 / 12) < 5 * sqrt(1.0 / 180 / N));
}

/* Mean 0, variance 1, fourth moment 3, each within 5 standard errors. */
static void normal_has_its_moments(void **state)
{
    enum { N = 200000 };
    mop_rng rng;
    double m1 = 0, m2 = 0, m4 = 0;
    (void)state;
    print_message("seed 4\n");
    mop_rng_init(&rng, 4, 0);
    for (int i = 0; i < N; i++) {
        double z = mop_rng_normal(&rng);
        assert_true(isfinite(z));
        m1 += z;
        m2 += z * z;
        m4 += z * z * z * z;
    }
    assert_true(fabs(m1 / N) < 5 * sqrt(1.0 / N));
    assert_true(fabs(m2 / N - 1) < 5 * sqrt(2.0 / N));
    assert_true(fabs(m4 / N - 3) < 5 * sqrt(96.0 / N));
}

/* Chi-squared with 6 degrees of freedom; 38 is exceeded once in a million. */
static void below_is_even_over_its_range(void **state)
{
    enum { N = 70000 };
    mop_rng rng;
    int count[7] = {0};
    double chi2 = 0;
    (void)state;
    print_message("seed 5\n");
    mop_rng_init(&rng, 5, 0);
    for (int i = 0; i < N; i++) {
        uint64_t x = mop_rng_below(&rng, 7);
        assert_true(x < 7);
        count[x]++;
    }
    for (int i = 0; i < 7; i++)
        chi2 += (count[i] - 10000.0) * (count[i] - 10000.0) / 10000.0;
    assert_true(chi2 < 38);
    for (int i = 0; i < 100; i++) {
        assert_true(mop_rng_below(&rng, 1) == 0);
        assert_true(mop_rng_below(&rng, UINT64_MAX) < UINT64_MAX);
    }
}

/* All 24 orders of 4 appear, none more than twice as often as the mean of 500. */
static void shuffle_reaches_every_order(void **state)
{
    mop_rng rng;
    int seen[256] = {0};
    int orders = 0;
    (void)state;
    print_message("seed 6\n");
    mop_rng_init(&rng, 6, 0);
    for (int i = 0; i < 12000; i++) {
        uint32_t item[4] = {0, 1, 2, 3};
        mop_rng_shuffle(&rng, item, 4);
        assert_int_equal(1 << item[0] | 1 << item[1] | 1 << item[2] | 1 << item[3], 15);
        seen[item[0] << 6 | item[1] << 4 | item[2] << 2 | item[3]]++;
    }
    for (int i = 0; i < 256; i++) {
        orders += seen[i] > 250;
        assert_true(seen[i] < 1000);
    }
    assert_int_equal(orders, 24);
    mop_rng_shuffle(&rng, NULL, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_sequence_is_that_of_the_authors),
        cmocka_unit_test(a_seed_and_a_stream_always_give_the_same_numbers),
        cmocka_unit_test(streams_and_seeds_differ),
        cmocka_unit_test(uniform_has_its_range_and_moments),
        cmocka_unit_test(normal_has_its_moments),
        cmocka_unit_test(below_is_even_over_its_range),
        cmocka_unit_test(shuffle_reaches_every_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
