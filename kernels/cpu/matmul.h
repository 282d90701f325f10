/* Product of a matrix in memory with a panel of columns packed side by side, for attention, where
 * both factors are activations. */
#ifndef KERNELS_CPU_MATMUL_H
#define KERNELS_CPU_MATMUL_H

#include "kernels/cpu/vec.h"

/* A tile of MATMUL_ROWS x 2 vectors of sums lives in registers. */
#if MOP_WIDE
enum { MATMUL_ROWS = 12 };
#elif MOP_VL == 8
enum { MATMUL_ROWS = 6 };
#else
enum { MATMUL_ROWS = 4 };
#endif

enum { MATMUL_PANEL = 2 * MOP_VL };

/* out[rows][columns] = a[rows][depth] panel[depth][MATMUL_PANEL], of which `columns` are real. */
typedef struct mop_matmul {
    const float *a, *panel;
    float *out;
    int64_t rows;
    ptrdiff_t depth, lda, ldo; /* lda, ldo: floats from row to row */
    int columns;               /* 1 to MATMUL_PANEL */
} mop_matmul;

/* rows is a constant of each caller. */
MOP_INLINE void mop_matmul_tile(const mop_matmul *m, int64_t first, const int rows)
{
    const float *a = m->a + first * m->lda, *b = m->panel;
    float *out = m->out + first * m->ldo;
    vf sum[MATMUL_ROWS][2];
#pragma GCC unroll 16
    for (int r = 0; r < rows; r++)
        sum[r][0] = sum[r][1] = vf_zero();
    for (ptrdiff_t k = 0; k < m->depth; k++, b += MATMUL_PANEL) {
        const vf left = vf_load(b), right = vf_load(b + MOP_VL);
#pragma GCC unroll 16
        for (int r = 0; r < rows; r++) {
            const vf x = vf_set1(a[r * m->lda + k]);
            sum[r][0] += x * left;
            sum[r][1] += x * right;
        }
    }
#pragma GCC unroll 16
    for (int r = 0; r < rows; r++, out += m->ldo) {
        vf_store_part(out, sum[r][0], m->columns < MOP_VL ? m->columns : MOP_VL);
        if (m->columns > MOP_VL)
            vf_store_part(out + MOP_VL, sum[r][1], m->columns - MOP_VL);
    }
}

/* The last tile reaches back over rows that are done already, which come out the same. */
MOP_INLINE void mop_matmul_run(const mop_matmul *m)
{
    int64_t first = 0;
    if (m->rows < MATMUL_ROWS) {
        for (; first < m->rows; first++)
            mop_matmul_tile(m, first, 1);
        return;
    }
    for (; first + MATMUL_ROWS <= m->rows; first += MATMUL_ROWS)
        mop_matmul_tile(m, first, MATMUL_ROWS);
    if (first < m->rows)
        mop_matmul_tile(m, m->rows - MATMUL_ROWS, MATMUL_ROWS);
}

#endif
