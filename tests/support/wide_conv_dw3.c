#include "tests/support/wide.h"

#define MOP_VEC_EMULATED
#define MOP_ISA       wide
#define MOP_ISA_LEVEL MOP_ISA_AVX512

#include "kernels/cpu/conv_dw3.c"
