/* Instruction set levels of the CPU back end and what this machine offers. */
#ifndef KERNELS_CPU_ISA_H
#define KERNELS_CPU_ISA_H

#include <stdbool.h>

/* The levels of a build, by the architecture that it is for, slowest first: DO(ID, name, x) for
 * each. The Makefile compiles every kernel once for each name. */
#if defined(__x86_64__)
#define MOP_ISAS(DO, x) DO(SCALAR, scalar, x) DO(AVX2, avx2, x) DO(AVX512, avx512, x)
#elif defined(__aarch64__)
#define MOP_ISAS(DO, x) DO(SCALAR, scalar, x) DO(NEON, neon, x)
#else
#define MOP_ISAS(DO, x) DO(SCALAR, scalar, x)
#endif

/* A mask is a union of 1u << level; MOP_ISA_SCALAR can never be masked away. */
#define MOP_ISA_ENUM_(ID, name, x) MOP_ISA_##ID,
typedef enum mop_isa { MOP_ISAS(MOP_ISA_ENUM_, ) MOP_ISA_COUNT } mop_isa;

/* Their names for people, each after a blank. */
#define MOP_ISA_WORD_(ID, name, x) " " #name
#define MOP_ISA_WORDS              MOP_ISAS(MOP_ISA_WORD_, )

#define MOP_ISA_ALL ((1u << MOP_ISA_COUNT) - 1u)

/* Levels that the CPU and the operating system both offer (by cpuinfo; on x86 XCR0 has the last
 * word). */
unsigned mop_isa_detect(void);

/* The highest level in detect & mask. */
mop_isa mop_isa_best(unsigned mask);

const char *mop_isa_name(mop_isa isa); /* "scalar", "avx2" */

/* Level by name; false if unknown. */
bool mop_isa_find(const char *name, mop_isa *isa);

#endif
