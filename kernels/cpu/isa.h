/* Instruction set levels of the CPU back end and what this machine offers. */
#ifndef KERNELS_CPU_ISA_H
#define KERNELS_CPU_ISA_H

#include <stdbool.h>

/* Slowest first. A mask is a union of 1u << level; MOP_ISA_SCALAR can never be masked away. */
typedef enum mop_isa { MOP_ISA_SCALAR, MOP_ISA_AVX2, MOP_ISA_AVX512, MOP_ISA_COUNT } mop_isa;

#define MOP_ISA_ALL ((1u << MOP_ISA_COUNT) - 1u)

/* Levels that the CPU and the operating system both offer (CPUID by cpuinfo, XCR0 as the last
 * word). */
unsigned mop_isa_detect(void);

/* The highest level in detect & mask. */
mop_isa mop_isa_best(unsigned mask);

const char *mop_isa_name(mop_isa isa); /* "scalar", "avx2", "avx512" */

/* Level by name; false if unknown. */
bool mop_isa_find(const char *name, mop_isa *isa);

#endif
