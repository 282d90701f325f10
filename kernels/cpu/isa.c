#include "kernels/cpu/isa.h"

#include <cpuinfo.h>
#include <stdint.h>
#include <string.h>

#define MOP_NAME(ID, name, x) [MOP_ISA_##ID] = #name,
static const char *const names[MOP_ISA_COUNT] = {MOP_ISAS(MOP_NAME, )};

#if defined(__x86_64__)
/* Register state that the operating system saves and restores (Intel SDM vol. 1, section 13.3). */
static uint64_t saved_state(void)
{
    uint32_t a = 1, b, c = 0, d, lo, hi;
    __asm__("cpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
    if ((c & (1u << 27)) == 0) /* OSXSAVE: without it XGETBV itself is an invalid instruction */
        return 0;
    __asm__("xgetbv" : "=a"(lo), "=d"(hi) : "c"(0));
    return (uint64_t)hi << 32 | lo;
}

unsigned mop_isa_detect(void)
{
    const uint64_t ymm = 0x6, zmm = 0xe6; /* SSE, AVX; and opmask, upper ZMM halves, upper ZMMs */
    unsigned mask = 1u << MOP_ISA_SCALAR;
    uint64_t state;
    if (!cpuinfo_initialize())
        return mask;
    state = saved_state();
    if ((state & ymm) == ymm && cpuinfo_has_x86_avx2() && cpuinfo_has_x86_fma3())
        mask |= 1u << MOP_ISA_AVX2;
    if ((mask & 1u << MOP_ISA_AVX2) != 0 && (state & zmm) == zmm && cpuinfo_has_x86_avx512f() &&
        cpuinfo_has_x86_avx512bw() && cpuinfo_has_x86_avx512vl() && cpuinfo_has_x86_avx512dq())
        mask |= 1u << MOP_ISA_AVX512;
    return mask;
}
#elif defined(__aarch64__)
unsigned mop_isa_detect(void)
{
    unsigned mask = 1u << MOP_ISA_SCALAR;
    if (cpuinfo_initialize() && cpuinfo_has_arm_neon())
        mask |= 1u << MOP_ISA_NEON;
    return mask;
}
#else
unsigned mop_isa_detect(void)
{
    return 1u << MOP_ISA_SCALAR;
}
#endif

mop_isa mop_isa_best(unsigned mask)
{
    const unsigned usable = mop_isa_detect() & mask;
    for (int level = MOP_ISA_COUNT - 1; level > MOP_ISA_SCALAR; level--)
        if ((usable & 1u << level) != 0)
            return (mop_isa)level;
    return MOP_ISA_SCALAR;
}

const char *mop_isa_name(mop_isa isa)
{
    return names[isa];
}

bool mop_isa_find(const char *name, mop_isa *isa)
{
    for (int level = 0; level < MOP_ISA_COUNT; level++) {
        if (strcmp(names[level], name) == 0) {
            *isa = (mop_isa)level;
            return true;
        }
    }
    return false;
}
