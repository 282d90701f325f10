/* The builder keeps nodes in the order they were added, so that order is topological by
 * construction; seal compacts it to what the output needs and fixes the hash. */
#include "variants/graph.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "profiler/base/alloc.h"
#include "profiler/base/hash.h"

struct mop_graph_builder {
    mop_node *nodes;
    uint32_t n, cap;
    mop_err err; /* the first failure; nothing is added after it */
};

mop_graph_builder *mop_graph_builder_create(mop_shape input, mop_err *err)
{
    mop_graph_builder *b = mop_calloc(1, sizeof *b, err);
    if (b == NULL)
        return NULL;
    b->cap = 64;
    b->nodes = mop_calloc(b->cap, sizeof *b->nodes, err);
    if (b->nodes == NULL) {
        free(b);
        return NULL;
    }
    if (mop_shape_check(input, "the input", &b->err) == MOP_OK)
        b->nodes[0].inst.out = input;
    b->nodes[0].inst.op = MOP_OP_INPUT;
    snprintf(b->nodes[0].name, sizeof b->nodes[0].name, "input");
    b->n = 1;
    return b;
}

void mop_graph_builder_free(mop_graph_builder *b)
{
    if (b == NULL)
        return;
    free(b->nodes);
    free(b);
}

static bool reserve_one(mop_graph_builder *b)
{
    mop_node *nodes;
    uint32_t cap;
    if (b->n < b->cap)
        return true;
    cap = 2 * b->cap;
    nodes = mop_realloc(b->nodes, cap, sizeof *nodes, &b->err);
    if (nodes == NULL)
        return false;
    b->nodes = nodes;
    b->cap = cap;
    return true;
}

/* Copies the inputs' indices and shapes into node; false once something is wrong with them. */
static bool set_inputs(mop_graph_builder *b, mop_node *node, const uint32_t *in, uint32_t n_in)
{
    if (n_in > MOP_MAX_IN) {
        mop_fail(&b->err, MOP_EINVAL, "%s: %" PRIu32 " inputs, an operator takes at most %d",
                 node->name, n_in, MOP_MAX_IN);
        return false;
    }
    for (uint32_t i = 0; i < n_in; i++) {
        if (in[i] == MOP_NODE_NONE)
            return false;
        if (in[i] >= b->n) {
            mop_fail(&b->err, MOP_EINVAL,
                     "%s: input %" PRIu32 " is node %" PRIu32 " of only %" PRIu32, node->name, i,
                     in[i], b->n);
            return false;
        }
        node->in[i] = in[i];
        node->inst.in[i] = b->nodes[in[i]].inst.out;
    }
    node->inst.n_in = n_in;
    return true;
}

uint32_t mop_graph_add(mop_graph_builder *b, mop_op op, const mop_params *params,
                       const uint32_t *in, uint32_t n_in, const char *fmt, ...)
{
    mop_node node = {.inst = {.op = op, .params = *params}};
    mop_err err = {0};
    va_list ap;
    int len;
    if (b->err.code != MOP_OK)
        return MOP_NODE_NONE;
    va_start(ap, fmt);
    len = vsnprintf(node.name, sizeof node.name, fmt, ap);
    va_end(ap);
    if (len < 0 || len >= (int)sizeof node.name) {
        mop_fail(&b->err, MOP_EINVAL, "the node name '%s...' is longer than %d characters",
                 node.name, MOP_NAME_MAX - 1);
        return MOP_NODE_NONE;
    }
    if (!set_inputs(b, &node, in, n_in) || !reserve_one(b))
        return MOP_NODE_NONE;
    if (mop_op_infer(&node.inst, &err) != MOP_OK) {
        mop_fail(&b->err, err.code, "%s: %s", node.name, err.msg);
        return MOP_NODE_NONE;
    }
    b->nodes[b->n] = node;
    return b->n++;
}

mop_shape mop_graph_shape(const mop_graph_builder *b, uint32_t node)
{
    return node < b->n ? b->nodes[node].inst.out : (mop_shape){0};
}

/* --- sealing ---------------------------------------------------------------------------------- */

/* Keeps the nodes that output reaches, and the input; afterwards the output is the last one. */
static mop_status drop_dead(mop_graph_builder *b, uint32_t output, mop_err *err)
{
    uint32_t *map = mop_calloc(b->n, sizeof *map, err);
    uint32_t kept = 0;
    if (map == NULL)
        return MOP_ENOMEM;
    map[0] = map[output] = 1;
    for (uint32_t i = output; i > 0; i--)
        for (uint32_t k = 0; map[i] != 0 && k < b->nodes[i].inst.n_in; k++)
            map[b->nodes[i].in[k]] = 1;
    for (uint32_t i = 0; i <= output; i++) {
        mop_node *node = &b->nodes[kept];
        if (map[i] == 0)
            continue;
        *node = b->nodes[i];
        for (uint32_t k = 0; k < node->inst.n_in; k++)
            node->in[k] = map[node->in[k]];
        map[i] = kept++;
    }
    b->n = kept;
    free(map);
    return MOP_OK;
}

static int by_name(const void *a, const void *b)
{
    const mop_node *const *x = a;
    const mop_node *const *y = b;
    return strcmp((*x)->name, (*y)->name);
}

static mop_status check_names(const mop_graph_builder *b, mop_err *err)
{
    const mop_node **sorted = mop_calloc(b->n, sizeof *sorted, err);
    mop_status status = MOP_OK;
    if (sorted == NULL)
        return MOP_ENOMEM;
    for (uint32_t i = 0; i < b->n; i++)
        sorted[i] = &b->nodes[i];
    qsort(sorted, b->n, sizeof *sorted, by_name);
    for (uint32_t i = 1; i < b->n && status == MOP_OK; i++)
        if (strcmp(sorted[i - 1]->name, sorted[i]->name) == 0)
            status =
                mop_fail(err, MOP_EINVAL, "two nodes have the same name '%s'", sorted[i]->name);
    free(sorted);
    return status;
}

static uint64_t hash_i32(uint64_t h, int32_t v)
{
    return mop_hash_u64(h, (uint64_t)(int64_t)v);
}

static uint64_t hash_shape(uint64_t h, mop_shape s)
{
    return hash_i32(hash_i32(hash_i32(hash_i32(h, s.n), s.h), s.w), s.c);
}

static uint64_t hash_conv(uint64_t h, const mop_conv_params *p)
{
    const int32_t fields[] = {p->cout,       p->kh,        p->kw,      p->stride,
                              p->dilation,   p->groups,    p->pad_top, p->pad_left,
                              p->pad_bottom, p->pad_right, p->has_bias};
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++)
        h = hash_i32(h, fields[i]);
    return h;
}

/* Field by field: the union's unused bytes are nobody's business. */
static uint64_t hash_params(uint64_t h, mop_op op, const mop_params *p)
{
    uint32_t bits;
    switch (op) {
    case MOP_OP_CONV2D:
        h = hash_conv(h, &p->u.conv);
        break;
    case MOP_OP_POOL:
        h = hash_i32(hash_i32(h, (int32_t)p->u.pool.kind), p->u.pool.k);
        h = hash_i32(hash_i32(h, p->u.pool.stride), p->u.pool.pad);
        break;
    case MOP_OP_FC:
        h = hash_i32(hash_i32(h, p->u.fc.cout), p->u.fc.has_bias);
        break;
    case MOP_OP_ATTN_QK:
    case MOP_OP_ATTN_AV:
        h = hash_i32(h, p->u.attn.heads);
        break;
    case MOP_OP_BATCHNORM:
    case MOP_OP_LAYERNORM:
        memcpy(&bits, &p->u.bn.eps, sizeof bits);
        h = mop_hash_u64(h, bits);
        break;
    case MOP_OP_DYRELU:
    case MOP_OP_DYSHIFTMAX:
        h = hash_i32(hash_i32(h, p->u.dy.pieces), p->u.dy.shifts);
        h = hash_i32(hash_i32(h, p->u.dy.groups), p->u.dy.per_channel);
        break;
    default:
        break;
    }
    return hash_i32(hash_i32(h, (int32_t)p->act), p->has_residual);
}

static uint64_t hash_nodes(const mop_node *nodes, uint32_t n)
{
    uint64_t h = mop_hash_u64(MOP_HASH_INIT, n);
    for (uint32_t i = 0; i < n; i++) {
        const mop_op_inst *inst = &nodes[i].inst;
        h = hash_i32(h, (int32_t)inst->op);
        h = hash_params(h, inst->op, &inst->params);
        h = hash_shape(h, inst->out);
        h = mop_hash_u64(h, inst->n_in);
        for (uint32_t k = 0; k < inst->n_in; k++)
            h = mop_hash_u64(h, nodes[i].in[k]);
    }
    return h;
}

/* --- counts ----------------------------------------------------------------------------------- */

/* Adds v to *sum; false on overflow, *sum untouched. */
static bool add_checked(int64_t *sum, int64_t v)
{
    int64_t r;
    if (__builtin_add_overflow(*sum, v, &r))
        return false;
    *sum = r;
    return true;
}

/* Sums every node's cost; false if a sum leaves int64_t. */
static bool sum_costs(const mop_graph *g, mop_graph_counts *counts)
{
    mop_graph_counts c = {0};
    bool ok = true;
    for (uint32_t i = 1; i < g->n_nodes && ok; i++) {
        mop_cost cost = {0};
        mop_op_cost(&g->nodes[i].inst, &cost);
        ok = add_checked(&c.params, cost.params) && add_checked(&c.buffers, cost.buffers) &&
             add_checked(&c.macs, cost.macs) && add_checked(&c.elementwise, cost.elementwise) &&
             add_checked(&c.activations, cost.activations) &&
             add_checked(&c.bytes, cost.bytes_read) && add_checked(&c.bytes, cost.bytes_written);
    }
    ok = ok && mop_mul_i64(2, c.macs, &c.flops) && add_checked(&c.flops, c.elementwise);
    if (ok)
        *counts = c;
    return ok;
}

/* Operators on the longest path; depth[n_nodes] is room to work in. */
static int32_t longest_path(const mop_graph *g, int32_t *depth)
{
    int32_t longest = 0;
    for (uint32_t i = 1; i < g->n_nodes; i++) {
        int32_t d = 0;
        for (uint32_t k = 0; k < g->nodes[i].inst.n_in; k++)
            if (depth[g->nodes[i].in[k]] > d)
                d = depth[g->nodes[i].in[k]];
        depth[i] = d + 1;
        if (depth[i] > longest)
            longest = depth[i];
    }
    return longest;
}

/* A sealed graph carries its counts, so that counting neither allocates nor fails later. */
typedef struct sealed {
    mop_graph graph;
    mop_graph_counts counts;
} sealed;

static mop_status count_sealed(sealed *s, mop_err *err)
{
    int32_t *depth = mop_calloc(s->graph.n_nodes, sizeof *depth, err);
    bool ok;
    if (depth == NULL)
        return MOP_ENOMEM;
    ok = sum_costs(&s->graph, &s->counts);
    s->counts.ops = (int32_t)(s->graph.n_nodes - 1);
    s->counts.depth = longest_path(&s->graph, depth);
    free(depth);
    if (!ok)
        return mop_fail(err, MOP_EINVAL,
                        "the counts of a graph of %" PRIu32 " nodes do not fit in 63 bits",
                        s->graph.n_nodes);
    return MOP_OK;
}

static mop_status seal(mop_graph_builder *b, uint32_t output, sealed *s, mop_err *err)
{
    mop_status status;
    if (b->err.code != MOP_OK)
        return mop_fail(err, b->err.code, "%s", b->err.msg);
    if (output == 0 || output >= b->n)
        return mop_fail(err, MOP_EINVAL,
                        "the output must be an operator of the graph: node %" PRIu32 " of %" PRIu32,
                        output, b->n);
    status = drop_dead(b, output, err);
    if (status == MOP_OK)
        status = check_names(b, err);
    if (status != MOP_OK)
        return status;
    s->graph = (mop_graph){.n_nodes = b->n, .nodes = b->nodes, .hash = hash_nodes(b->nodes, b->n)};
    return count_sealed(s, err);
}

mop_status mop_graph_seal(mop_graph_builder *b, uint32_t output, mop_graph **out, mop_err *err)
{
    sealed *s = mop_calloc(1, sizeof *s, err);
    mop_status status = s == NULL ? MOP_ENOMEM : seal(b, output, s, err);
    if (status == MOP_OK) {
        b->nodes = NULL; /* now the graph's */
        *out = &s->graph;
    } else {
        free(s);
    }
    mop_graph_builder_free(b);
    return status;
}

/* The nodes are const to every reader; here, where they were allocated, they are ours again. */
static void free_nodes(const mop_node *nodes)
{
    union {
        const mop_node *shared;
        mop_node *own;
    } p = {.shared = nodes};
    free(p.own);
}

void mop_graph_free(mop_graph *g)
{
    if (g == NULL)
        return;
    free_nodes(g->nodes);
    free(g); /* the first member of its struct sealed */
}

void mop_graph_count(const mop_graph *g, mop_graph_counts *counts)
{
    *counts = ((const sealed *)(const void *)g)->counts;
}
