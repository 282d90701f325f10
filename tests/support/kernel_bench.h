/* Benchmark of CPU kernels on real layer shapes. */
#ifndef TESTS_SUPPORT_KERNEL_BENCH_H
#define TESTS_SUPPORT_KERNEL_BENCH_H

/* Prints for each shape the kernel chosen, best time, GFLOP/s and the fraction of the peak, the
 * best of measurements made between them: on a busy machine one alone may come out low. Lines whose
 * name does not contain `pick` are left out (NULL: none is). Returns the exit status. */
int mop_kernel_bench(const char *pick);

#endif
