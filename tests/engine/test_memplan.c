#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "profiler/base/alloc.h"
#include "profiler/base/rng.h"
#include "profiler/engine/memplan.h"
#include "variants/passes.h"
#include "variants/variant.h"

enum { MAX_NODES = 40 };

static const mop_params relu = {.act = MOP_ACT_RELU};

/* A graph of adds and activations over random earlier nodes; every node stays needed by chance. */
static mop_graph *random_graph(mop_rng *rng)
{
    mop_graph_builder *b = mop_graph_builder_create((mop_shape){1, 2, 2, 3}, NULL);
    const uint32_t n = 2 + (uint32_t)mop_rng_below(rng, MAX_NODES - 2);
    const mop_params none = {0};
    mop_graph *g = NULL;
    uint32_t last = 0;
    for (uint32_t i = 1; i < n; i++) {
        const uint32_t in[2] = {last, (uint32_t)mop_rng_below(rng, i)};
        if (mop_rng_below(rng, 3) == 0)
            last = mop_graph_add(b, MOP_OP_ACT, &relu, in, 1, "act%u", i);
        else
            last = mop_graph_add(b, MOP_OP_ADD, &none, in, 2, "add%u", i);
    }
    assert_int_equal(mop_graph_seal(b, last, &g, NULL), MOP_OK);
    return g;
}

static uint32_t last_reader(const mop_graph *g, uint32_t node)
{
    uint32_t last = node == g->n_nodes - 1 ? UINT32_MAX : node;
    for (uint32_t j = node + 1; j < g->n_nodes; j++)
        for (uint32_t k = 0; k < g->nodes[j].inst.n_in; k++)
            if (g->nodes[j].in[k] == node && last != UINT32_MAX)
                last = j;
    return last;
}

static bool overlap(const mop_memplan *p, const size_t *size, uint32_t i, uint32_t j)
{
    return p->offset[i] < p->offset[j] + size[j] && p->offset[j] < p->offset[i] + size[i];
}

static void hold_plan(const mop_graph *g, const size_t *size, const mop_memplan *p, bool keep_all)
{
    for (uint32_t i = 0; i < g->n_nodes; i++) {
        if (size[i] == 0) {
            assert_true(p->offset[i] == SIZE_MAX);
            continue;
        }
        assert_true(p->offset[i] % MOP_ALIGN == 0);
        assert_true(p->offset[i] + size[i] <= p->bytes);
        for (uint32_t j = i + 1; j < g->n_nodes; j++)
            if (size[j] > 0 && (keep_all || last_reader(g, i) >= j))
                assert_false(overlap(p, size, i, j));
    }
}

/* The plan of the outputs of g's nodes. */
static mop_status plan_nodes(mop_memplan *p, const mop_graph *g, const size_t *size, bool keep_all,
                             mop_err *err)
{
    mop_memspan spans[MAX_NODES];
    mop_memplan_lifetimes(g, keep_all, spans);
    for (uint32_t i = 0; i < g->n_nodes; i++)
        spans[i].bytes = size[i];
    return mop_memplan_init(p, spans, g->n_nodes, err);
}

static void nodes_that_live_together_never_overlap(void **state)
{
    const uint64_t seed = 7;
    (void)state;
    printf("seed %llu\n", (unsigned long long)seed);
    for (uint64_t trial = 0; trial < 300; trial++) {
        mop_rng rng;
        size_t size[MAX_NODES], bytes[2];
        mop_rng_init(&rng, seed, trial);
        mop_graph *g = random_graph(&rng);
        for (uint32_t i = 0; i < g->n_nodes; i++)
            size[i] = mop_rng_below(&rng, 5) == 0 ? 0 : 1 + (size_t)mop_rng_below(&rng, 5000);
        for (int keep_all = 0; keep_all < 2; keep_all++) {
            mop_memplan p;
            assert_int_equal(plan_nodes(&p, g, size, keep_all, NULL), MOP_OK);
            hold_plan(g, size, &p, keep_all);
            bytes[keep_all] = p.bytes;
            mop_memplan_release(&p);
        }
        assert_true(bytes[0] <= bytes[1]);
        mop_graph_free(g);
    }
}

static void a_chain_needs_its_two_largest_neighbours(void **state)
{
    const size_t size[5] = {0, 640, 6400, 64, 640};
    mop_graph_builder *b = mop_graph_builder_create((mop_shape){1, 2, 2, 3}, NULL);
    mop_graph *g = NULL;
    mop_memplan p;
    uint32_t at = 0;
    (void)state;
    for (uint32_t i = 1; i < 5; i++)
        at = mop_graph_add(b, MOP_OP_ACT, &relu, &at, 1, "act%u", i);
    assert_int_equal(mop_graph_seal(b, at, &g, NULL), MOP_OK);
    assert_int_equal(plan_nodes(&p, g, size, false, NULL), MOP_OK);
    assert_int_equal(p.bytes, 640 + 6400);
    mop_memplan_release(&p);
    assert_int_equal(plan_nodes(&p, g, size, true, NULL), MOP_OK);
    assert_int_equal(p.bytes, 640 + 6400 + 64 + 640);
    mop_memplan_release(&p);
    mop_graph_free(g);
}

static void sizes_beyond_the_address_space_are_refused(void **state)
{
    const size_t one[3] = {0, SIZE_MAX - 3, 64}, sum[3] = {0, SIZE_MAX / 2 + 64, SIZE_MAX / 2 + 64};
    mop_graph_builder *b = mop_graph_builder_create((mop_shape){1, 2, 2, 3}, NULL);
    mop_graph *g = NULL;
    mop_memplan p = {.bytes = 77};
    mop_err err = {0};
    uint32_t at = 0;
    (void)state;
    for (uint32_t i = 1; i < 3; i++)
        at = mop_graph_add(b, MOP_OP_ACT, &relu, &at, 1, "act%u", i);
    assert_int_equal(mop_graph_seal(b, at, &g, NULL), MOP_OK);
    assert_int_equal(plan_nodes(&p, g, one, false, &err), MOP_ENOMEM);
    assert_int_equal(plan_nodes(&p, g, sum, false, &err), MOP_ENOMEM);
    assert_int_equal(p.bytes, 77);
    assert_string_equal(err.msg, "out of memory: 3 tensors exceed the address space");
    mop_graph_free(g);
}

/* What the outputs of g's nodes take, in an arena and at the step that needs most. */
static void hold_arena(const mop_graph *g, const char *what)
{
    mop_memspan *spans = mop_calloc(g->n_nodes, sizeof *spans, NULL);
    mop_memplan p;
    assert_non_null(spans);
    mop_memplan_lifetimes(g, false, spans);
    for (uint32_t i = 1; i < g->n_nodes; i++)
        spans[i].bytes = (size_t)mop_shape_elems(g->nodes[i].inst.out) * sizeof(float);
    assert_int_equal(mop_memplan_init(&p, spans, g->n_nodes, NULL), MOP_OK);
    assert_true(p.live_bytes > 0 && p.bytes >= p.live_bytes);
    if (p.bytes > p.live_bytes)
        printf("%s: arena %zu bytes, %.3f of the largest live set\n", what, p.bytes,
               (double)p.bytes / (double)p.live_bytes);
    if ((double)p.bytes > 1.1 * (double)p.live_bytes)
        fail_msg("%s: arena %zu, largest live set %zu", what, p.bytes, p.live_bytes);
    mop_memplan_release(&p);
    free(spans);
}

static void arenas_are_within_a_tenth_of_the_largest_live_set(void **state)
{
    const char *text;
    (void)state;
    for (size_t i = 0; (text = mop_variant_at(i)) != NULL; i++) {
        mop_spec spec;
        mop_graph *g = NULL;
        mop_model *m = NULL, *fused = NULL;
        assert_int_equal(mop_spec_parse(text, &spec, NULL), MOP_OK);
        assert_int_equal(mop_variant_graph(&spec, 1, &g, NULL), MOP_OK);
        assert_int_equal(mop_model_create(g, &m, NULL), MOP_OK);
        assert_int_equal(mop_pass_fuse(m, MOP_FUSE_ALL, &fused, NULL), MOP_OK);
        hold_arena(m->graph, text);
        hold_arena(fused->graph, text);
        mop_model_free(m);
        mop_model_free(fused);
    }
}

static void the_largest_live_set_is_that_of_one_step(void **state)
{
    const mop_memspan spans[] = {{0, 1, 100}, {1, 3, 640}, {2, 2, 64}, {3, 4, 0}, {4, 4, 700}};
    mop_memplan p;
    (void)state;
    assert_int_equal(mop_memplan_init(&p, spans, 5, NULL), MOP_OK);
    assert_int_equal(p.live_bytes, 128 + 640); /* in whole lines; the others never meet */
    assert_int_equal(p.bytes, p.live_bytes);
    assert_true(p.offset[3] == SIZE_MAX && p.offset[4] != SIZE_MAX);
    mop_memplan_release(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nodes_that_live_together_never_overlap),
        cmocka_unit_test(a_chain_needs_its_two_largest_neighbours),
        cmocka_unit_test(arenas_are_within_a_tenth_of_the_largest_live_set),
        cmocka_unit_test(the_largest_live_set_is_that_of_one_step),
        cmocka_unit_test(sizes_beyond_the_address_space_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
