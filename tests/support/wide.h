/* Kernels with the tiles of AVX-512 over four emulated lanes: their tile shapes, panels and masks
 * can be held to the reference on any machine. */
#ifndef TESTS_SUPPORT_WIDE_H
#define TESTS_SUPPORT_WIDE_H

#include "kernels/cpu/kernel.h"

extern const mop_cpu_kernel mop_cpu_conv_gemm_wide, mop_cpu_conv_wino4_wide, mop_cpu_conv_dw3_wide,
    mop_cpu_conv_dw_ring_wide;

#endif
