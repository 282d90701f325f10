/* What a CPU kernel promises. Every kernel has this one shape, so tables and tests need no casts.
 *
 * Activations are NHWC float32 without padding between pixels. Constants are packed once at plan
 * time. A kernel's work is cut into units; units write disjoint parts of the output, any range
 * [begin, end) may run on any thread in any order, and a range writes exactly its own part and
 * reads nothing past the end of any buffer. Kernels never fail and never allocate. */
#ifndef KERNELS_CPU_KERNEL_H
#define KERNELS_CPU_KERNEL_H

#include "kernels/cpu/isa.h"
#include "kernels/op.h"

typedef struct mop_args {
    const mop_op_inst *inst;
    const float *in[MOP_MAX_IN]; /* inst->n_in tensors, 64-byte aligned not required */
    const void *packed;          /* what pack() wrote, MOP_ALIGN-aligned; NULL if packed_bytes is */
    float *out;                  /* never overlaps an input */
    void *scratch;               /* scratch_bytes() bytes of this thread's own, MOP_ALIGN-aligned */
    float *sums; /* NULL, or for a kernel that gathers: [units()][out.c], unit u writes into row u
                    the sums over the positions of its own part of the output */
    int64_t begin, end; /* units to do, 0 <= begin <= end <= units() */
} mop_args;

typedef void mop_kernel_fn(const mop_args *args);

typedef struct mop_cpu_kernel {
    const char *name; /* the data sheet: "gemm_6x16" */
    mop_op op;
    mop_isa isa;
    bool (*fits)(const mop_op_inst *inst);    /* shapes and epilogue it can do */
    bool (*is_best)(const mop_op_inst *inst); /* of these, which it is chosen for where
                                                 nothing was measured; NULL: all */
    bool is_winograd;                         /* not the sum as it is written */
    bool gathers;                             /* mop_args.sums may be given: the units of an
                                                 image follow each other, as many for each */
    mop_bound_fn *bound;                      /* NULL: the operator's own bound holds */
    double error_growth; /* of a kernel with a bound of its own: how much larger its error is in the
                            2-norm than that of the operator's sums, see profiler/engine/check.h */
    /* What is packed does not depend on batch size, height and padding above and below: it serves
     * any range of output rows (mop_op_rows). NULL: nothing is packed. */
    size_t (*packed_bytes)(const mop_op_inst *inst);
    void (*pack)(const mop_op_inst *inst, const float *const w[MOP_MAX_WEIGHTS], void *packed);
    size_t (*scratch_bytes)(const mop_op_inst *inst); /* per thread; NULL: none */
    int64_t (*units)(const mop_op_inst *inst);        /* >= 1 */
    mop_kernel_fn *run;
    /* gap: what run() gives, from what the producer of its input gathered instead of from the
     * input: args->sums holds `rows` rows of in[0].c for each image (the producer's units of an
     * image), args->in is not read. Rows are added in their order, whoever wrote them. NULL:
     * cannot. */
    void (*finish)(const mop_args *args, int64_t rows);
    mop_shape tile; /* its own tile (pixels in h, w; channels in c), for tests to straddle */
} mop_cpu_kernel;

/* All kernels of this build, slowest first; *n receives how many. */
const mop_cpu_kernel *const *mop_cpu_kernels(size_t *n);

/* What a choice is made by. */
typedef struct mop_kernel_policy {
    unsigned isa_mask;
    bool no_winograd;
    /* The name of the kernel that a measurement found fastest for inst; NULL: not measured. The
     * function may be NULL. */
    const char *(*tuned)(const void *ctx, const mop_op_inst *inst);
    const void *ctx;
} mop_kernel_policy;

/* Whether a machine that offers the levels of isa_mask may run kernel on inst under the policy. */
bool mop_cpu_kernel_allowed(const mop_cpu_kernel *kernel, const mop_op_inst *inst,
                            const mop_kernel_policy *policy);

/* Of the allowed kernels of the highest level that has one for inst: the tuned one, else the last
 * listed that is best for inst, else the last listed. NULL if none fits (a missing operator). */
const mop_cpu_kernel *mop_cpu_kernel_choose(const mop_op_inst *inst,
                                            const mop_kernel_policy *policy);

#endif
