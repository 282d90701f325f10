/* Epilogue fusion works on the graph alone, in one walk: an operator that disappears hands its
 * reader the node that now computes its value (`root`), and the constants move along. A residual
 * must be computed before the node that adds it, so the later operand of an add takes it in. */
#include "variants/passes.h"

#include <stdlib.h>

#include "profiler/base/alloc.h"
#include "variants/linear.h"

mop_status mop_pass_reparameterize(const mop_model *in, mop_model **out, mop_err *err)
{
    return mop_linear_rewrite(in->graph, in, true, NULL, out, err);
}

mop_status mop_pass_reparameterize_graph(const mop_graph *in, mop_graph **out, mop_err *err)
{
    return mop_linear_rewrite(in, NULL, true, out, NULL, err);
}

typedef struct epilogue {
    uint32_t root;     /* node that computes this node's value; itself if it stays */
    uint32_t residual; /* node added in the epilogue, MOP_NODE_NONE if none */
    uint32_t readers;
    mop_act act;
} epilogue;

/* An activation over x moves into the root of x if nobody else reads x. */
static bool absorb_act(const mop_graph *g, epilogue *e, uint32_t i)
{
    const mop_node *node = &g->nodes[i];
    uint32_t x = node->in[0], root = e[x].root;
    if (node->inst.op != MOP_OP_ACT || e[x].readers != 1)
        return false;
    if (!mop_op_get(g->nodes[root].inst.op)->takes_act || e[root].act != MOP_ACT_NONE)
        return false;
    e[root].act = node->inst.params.act;
    e[i].root = root;
    return true;
}

/* An add moves into the later operand if that is a convolution that nobody else reads and whose
 * epilogue is still empty: the epilogue is act(op + residual), so an activation comes after it. */
static bool absorb_add(const mop_graph *g, epilogue *e, uint32_t i)
{
    const mop_node *node = &g->nodes[i];
    uint32_t a, b, root;
    if (node->inst.op != MOP_OP_ADD || node->inst.params.has_residual ||
        node->inst.params.act != MOP_ACT_NONE)
        return false;
    a = node->in[0];
    b = node->in[1];
    if (e[a].root > e[b].root) {
        uint32_t t = a;
        a = b;
        b = t;
    }
    root = e[b].root;
    if (e[a].root == root || e[b].readers != 1 || g->nodes[root].inst.op != MOP_OP_CONV2D ||
        !mop_op_get(MOP_OP_CONV2D)->takes_residual || e[root].act != MOP_ACT_NONE ||
        e[root].residual != MOP_NODE_NONE ||
        !mop_shape_equal(g->nodes[a].inst.out, g->nodes[root].inst.out))
        return false;
    e[root].residual = a;
    e[i].root = root;
    return true;
}

static void find_epilogues(const mop_graph *g, unsigned flags, epilogue *e)
{
    for (uint32_t i = 0; i < g->n_nodes; i++) {
        const mop_node *node = &g->nodes[i];
        e[i].root = i;
        e[i].residual = MOP_NODE_NONE;
        e[i].act = node->inst.params.act;
        if (node->inst.params.has_residual)
            e[i].residual = node->in[node->inst.n_in - 1];
        for (uint32_t k = 0; k < node->inst.n_in; k++)
            e[node->in[k]].readers++;
    }
    for (uint32_t i = 1; i < g->n_nodes; i++) {
        if ((flags & MOP_FUSE_ADD) != 0 && absorb_add(g, e, i))
            continue;
        if ((flags & MOP_FUSE_ACT) != 0)
            (void)absorb_act(g, e, i); /* one that cannot move stays an operator */
    }
}

static uint32_t emit(const mop_graph *g, const epilogue *e, mop_graph_builder *b, uint32_t i,
                     const uint32_t *map)
{
    const mop_node *node = &g->nodes[i];
    mop_params params = node->inst.params;
    uint32_t in[MOP_MAX_IN + 1];
    uint32_t n = 0;
    for (uint32_t k = 0; k < node->inst.n_in - (params.has_residual ? 1u : 0u); k++)
        in[n++] = map[e[node->in[k]].root];
    params.act = e[i].act;
    params.has_residual = e[i].residual != MOP_NODE_NONE;
    if (params.has_residual)
        in[n++] = map[e[e[i].residual].root];
    return mop_graph_add(b, node->inst.op, &params, in, n, "%s", node->name);
}

/* Writes the graph and, for each new node, the node it was made of. */
static mop_status write_graph(const mop_graph *g, const epilogue *e, uint32_t *origin,
                              mop_graph **out, mop_err *err)
{
    uint32_t *map = mop_calloc(g->n_nodes, sizeof *map, err);
    mop_graph_builder *b = mop_graph_builder_create(g->nodes[0].inst.out, err);
    mop_status status = MOP_ENOMEM;
    if (map != NULL && b != NULL) {
        uint32_t last = 0;
        for (uint32_t i = 1; i < g->n_nodes && last != MOP_NODE_NONE; i++) {
            if (e[i].root != i)
                continue;
            last = map[i] = emit(g, e, b, i, map);
            if (last != MOP_NODE_NONE)
                origin[last] = i;
        }
        if (last != MOP_NODE_NONE)
            last = map[e[g->n_nodes - 1].root];
        status = mop_graph_seal(b, last, out, err);
        b = NULL;
    }
    mop_graph_builder_free(b);
    free(map);
    return status;
}

static mop_status fuse_epilogues(const mop_model *in, unsigned flags, mop_model **out, mop_err *err)
{
    const mop_graph *g = in->graph;
    epilogue *e = mop_calloc(g->n_nodes, sizeof *e, err);
    uint32_t *origin = mop_calloc(g->n_nodes, sizeof *origin, err);
    mop_status status = MOP_ENOMEM;
    mop_graph *graph;
    if (e != NULL && origin != NULL) {
        find_epilogues(g, flags, e);
        status = write_graph(g, e, origin, &graph, err);
        if (status == MOP_OK)
            status = mop_model_create(graph, out, err);
    }
    if (status == MOP_OK)
        for (uint32_t i = 1; i < (*out)->graph->n_nodes; i++)
            mop_linear_copy_constants(in, origin[i], *out, i);
    free(e);
    free(origin);
    return status;
}

mop_status mop_pass_fuse(const mop_model *in, unsigned flags, mop_model **out, mop_err *err)
{
    mop_model *folded = NULL;
    mop_status status = MOP_OK;
    if ((flags & MOP_FUSE_BN) != 0)
        status = mop_linear_rewrite(in->graph, in, false, NULL, &folded, err);
    if (status == MOP_OK)
        status = fuse_epilogues(folded != NULL ? folded : in, flags, out, err);
    mop_model_free(folded);
    return status;
}
