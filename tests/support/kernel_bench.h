/* Benchmark of CPU kernels on real layer shapes. */
#ifndef TESTS_SUPPORT_KERNEL_BENCH_H
#define TESTS_SUPPORT_KERNEL_BENCH_H

/* Prints for each shape the kernel chosen, its best time, GFLOP/s and the fraction of the peak (the
 * best of measurements made between them: on a busy machine one alone may come out low), the bytes
 * of inputs, constants and output, those per second and as a fraction of what one core reads from
 * the smallest level that holds them (measured first), and how many times longer the scalar kernel
 * takes. Lines whose name does not contain `pick` are left out (NULL: none is). Returns the exit
 * status. */
int mop_kernel_bench(const char *pick);

#endif
