#include "profiler/engine/cpu_group.h"

#include <stdlib.h>

#include "profiler/base/alloc.h"
#include "profiler/engine/cpu_info.h"
#include "variants/passes.h"

enum { USUAL_L2 = 512 << 10 }; /* where the machine does not tell */

static bool is_pointwise(const mop_op_inst *inst)
{
    const mop_conv_params *p = &inst->params.u.conv;
    return inst->op == MOP_OP_CONV2D && p->kh == 1 && p->kw == 1 && p->stride == 1 &&
           p->groups == 1 && inst->in[0].h == inst->out.h && inst->in[0].w == inst->out.w;
}

static bool is_depthwise(const mop_op_inst *inst)
{
    const mop_conv_params *p = &inst->params.u.conv;
    return inst->op == MOP_OP_CONV2D && p->groups == inst->in[0].c && p->cout == p->groups;
}

static bool is_scale(const mop_op_inst *inst)
{
    return inst->op == MOP_OP_MUL && inst->in[1].h == 1 && inst->in[1].w == 1;
}

uint32_t mop_cpu_group_producer(const mop_graph *graph, uint32_t consumer, const uint32_t *readers,
                                unsigned fuse)
{
    const mop_node *c = &graph->nodes[consumer];
    const mop_op_inst *p;
    if (consumer == 0 || !is_pointwise(&c->inst) || readers[c->in[0]] != 1)
        return MOP_NODE_NONE;
    p = &graph->nodes[c->in[0]].inst;
    return ((fuse & MOP_FUSE_DWPW) != 0 && is_depthwise(p)) ||
                   ((fuse & MOP_FUSE_SE) != 0 && is_scale(p))
               ? c->in[0]
               : MOP_NODE_NONE;
}

/* Floats from the beginning of a tensor to a row of one of its images. */
static int64_t row_at(mop_shape s, int32_t image, int32_t row)
{
    return ((int64_t)image * s.h + row) * s.w * s.c;
}

/* The part of a depthwise convolution or scale, or of a pointwise convolution, that makes rows
 * [begin, end) of an image; at[] receives where it begins in each input. */
static mop_op_inst part_of(const mop_op_inst *inst, int32_t image, int32_t begin, int32_t end,
                           int64_t at[MOP_MAX_IN])
{
    mop_op_inst part = *inst;
    int32_t row = begin;
    if (inst->op == MOP_OP_CONV2D) {
        part = mop_op_rows(inst, begin, end, &row);
    } else {
        part.out.n = part.in[1].n = 1;
        part.out.h = end - begin;
        part.in[0] = part.out;
    }
    at[0] = row_at(inst->in[0], image, row);
    for (uint32_t k = 1; k < inst->n_in; k++) /* a residual, or a vector for each image */
        at[k] = row_at(inst->in[k], image, inst->op == MOP_OP_CONV2D ? begin : 0);
    return part;
}

/* Whether the kernel works on the part with what it packed for the whole. */
static bool does_part(const mop_cpu_kernel *kernel, const mop_op_inst *whole,
                      const mop_op_inst *part)
{
    return kernel->fits(part) && (kernel->packed_bytes == NULL ||
                                  kernel->packed_bytes(part) == kernel->packed_bytes(whole));
}

/* Every output row has input under its window, so that no part is without rows. */
static bool can_cut(const mop_op_inst *inst)
{
    const mop_conv_params *p = &inst->params.u.conv;
    const int32_t span = (p->kh - 1) * p->dilation + 1;
    return inst->op != MOP_OP_CONV2D || (p->pad_top < span && p->pad_bottom < span);
}

static size_t scratch_of(const mop_cpu_kernel *kernel, const mop_op_inst *part)
{
    return kernel->scratch_bytes != NULL ? kernel->scratch_bytes(part) : 0;
}

/* Fills piece for rows [begin, end) of an image; false if a kernel cannot do its part. */
static bool make_piece(mop_cpu_group *g, const mop_op_inst *const whole[2],
                       const mop_cpu_kernel *const kernels[2], const int32_t rows[3],
                       mop_cpu_piece *piece)
{
    const int32_t image = rows[0], begin = rows[1], end = rows[2];
    int64_t ignored[MOP_MAX_IN];
    size_t bytes, scratch;
    piece->producer = part_of(whole[0], image, begin, end, piece->in);
    piece->consumer = part_of(whole[1], image, begin, end, ignored);
    if (!does_part(kernels[0], whole[0], &piece->producer) ||
        !does_part(kernels[1], whole[1], &piece->consumer))
        return false;
    piece->producer_units = kernels[0]->units(&piece->producer);
    piece->consumer_units = kernels[1]->units(&piece->consumer);
    piece->between = row_at(whole[0]->out, image, begin);
    piece->out = row_at(whole[1]->out, image, begin);
    bytes = (size_t)mop_shape_elems(piece->producer.out) * sizeof(float);
    g->between_bytes = bytes > g->between_bytes ? bytes : g->between_bytes;
    for (int k = 0; k < 2; k++) {
        scratch = scratch_of(kernels[k], k == 0 ? &piece->producer : &piece->consumer);
        g->scratch_bytes = scratch > g->scratch_bytes ? scratch : g->scratch_bytes;
    }
    return true;
}

/* Whether running together pays, as measured on Zen 3 (L2 512 KiB). On one thread a scaled tensor
 * of half of L2 wins 1 to 13 % of the two layers and a smaller one loses 1 %; a depthwise output
 * wins 2 to 6 % where it is large and goes into fewer channels, and else nothing, or loses: at
 * stride 2 up to 20 %, because the depthwise layer then waits for what the pointwise one wrote to
 * leave L2. Several threads win 2 to 20 %: each reads back what it wrote itself, and they meet once
 * instead of twice. That holds while the rows divide evenly. */
static bool pays(const mop_op_inst *inst, int32_t channels, int threads, size_t l2)
{
    const mop_shape o = inst->out;
    const int32_t turns = (o.h + threads - 1) / threads;
    const size_t image = (size_t)o.h * (size_t)o.w * (size_t)o.c * sizeof(float);
    if (threads > 1)
        return turns * threads * 16 <= o.h * 17;
    if (inst->op != MOP_OP_CONV2D)
        return image >= l2 / 2;
    return image >= 3 * l2 && inst->params.u.conv.stride == 1 && 2 * channels <= o.c;
}

/* Blocks of rows, of a quarter of L2 at most, that an image is cut into for a pointwise layer with
 * that many channels; 0 where running together would not pay. */
static int32_t blocks_of(const mop_op_inst *inst, int32_t channels, int threads)
{
    const mop_shape o = inst->out;
    const int64_t row = (int64_t)o.w * o.c * (int64_t)sizeof(float);
    uint64_t cache[MOP_CPU_CACHES];
    int32_t rows, blocks;
    mop_cpu_caches(cache);
    if (cache[1] == 0)
        cache[1] = USUAL_L2;
    if (!pays(inst, channels, threads, (size_t)cache[1]))
        return 0;
    rows = (int32_t)((int64_t)cache[1] / 4 / row);
    rows = rows < 1 ? 1 : rows;
    blocks = (o.h + rows - 1) / rows;
    blocks = (blocks + threads - 1) / threads * threads;
    return blocks < o.h ? blocks : o.h;
}

mop_status mop_cpu_group_init(mop_cpu_group *group, const mop_graph *graph, const uint32_t nodes[2],
                              const mop_cpu_kernel *const kernels[2], int threads, bool *formed,
                              mop_err *err)
{
    const mop_op_inst *const whole[2] = {&graph->nodes[nodes[0]].inst,
                                         &graph->nodes[nodes[1]].inst};
    const mop_shape o = whole[0]->out;
    const int32_t blocks = can_cut(whole[0]) ? blocks_of(whole[0], whole[1]->out.c, threads) : 0;
    mop_cpu_group made = {.producer = nodes[0], .consumer = nodes[1]};
    *formed = false;
    if (blocks == 0)
        return MOP_OK;
    made.pieces = mop_calloc((size_t)o.n * (size_t)blocks, sizeof *made.pieces, err);
    if (made.pieces == NULL)
        return MOP_ENOMEM;
    *formed = true;
    for (int32_t image = 0; image < o.n; image++)
        for (int32_t i = 0; i < blocks; i++) {
            const int32_t rows[3] = {image, (int32_t)((int64_t)o.h * i / blocks),
                                     (int32_t)((int64_t)o.h * (i + 1) / blocks)};
            *formed =
                *formed && make_piece(&made, whole, kernels, rows, &made.pieces[made.n_pieces++]);
        }
    if (*formed)
        *group = made;
    else
        mop_cpu_group_release(&made);
    return MOP_OK;
}

void mop_cpu_group_release(mop_cpu_group *group)
{
    free(group->pieces);
    *group = (mop_cpu_group){0};
}
