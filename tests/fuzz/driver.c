/* What libFuzzer calls: the target that the Makefile names. */
#include "tests/fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    MOP_FUZZ_TARGET(data, size);
    return 0;
}
