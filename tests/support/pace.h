/* How long a test may take where programs run. */
#ifndef TESTS_SUPPORT_PACE_H
#define TESTS_SUPPORT_PACE_H

#include <stdbool.h>
#include <stdlib.h>

/* True where a program runs many times slower than it should: under AddressSanitizer, or under the
 * emulator of another machine (tests/run.sh). Then a few of many alike cases are enough. */
static inline bool mop_test_is_slow(void)
{
#if defined(__SANITIZE_ADDRESS__)
    return true;
#else
    const char *emulator = getenv("EMULATOR");
    return emulator != NULL && emulator[0] != '\0';
#endif
}

#endif
