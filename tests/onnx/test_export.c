/* What stands in an exported file, read back with protobuf-c and compared with the model by code of
 * its own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <onnx/onnx.pb-c.h>

#include "onnx/export.h"
#include "onnx/ops.h"
#include "tests/support/folder.h"
#include "variants/passes.h"
#include "variants/variant.h"

static char folder[MOP_FOLDER_MAX];

static int begin(void **state)
{
    (void)state;
    return mop_folder_make(folder) ? 0 : -1;
}

static int end(void **state)
{
    (void)state;
    return mop_folder_remove(folder) ? 0 : -1;
}

static void path_of(const char *file, char path[256])
{
    assert_true(snprintf(path, 256, "%s/%s", folder, file) < 256);
}

static uint8_t *read_file(const char *file, size_t *n)
{
    char path[256];
    uint8_t *bytes;
    FILE *f;
    path_of(file, path);
    f = fopen(path, "rb");
    assert_non_null(f);
    assert_int_equal(fseek(f, 0, SEEK_END), 0);
    *n = (size_t)ftell(f);
    rewind(f);
    bytes = malloc(*n + 1);
    assert_non_null(bytes);
    assert_int_equal(fread(bytes, 1, *n, f), *n);
    assert_int_equal(fclose(f), 0);
    return bytes;
}

static mop_model *model_of(const char *text, int32_t batch, unsigned fuse)
{
    mop_err err = {0};
    mop_spec spec;
    mop_model *plain = NULL, *fused = NULL;
    if (mop_spec_parse(text, &spec, &err) != MOP_OK ||
        mop_variant_model(&spec, batch, 1, &plain, &err) != MOP_OK ||
        mop_pass_fuse(plain, fuse, &fused, &err) != MOP_OK)
        fail_msg("%s: %s", text, err.msg);
    mop_model_free(plain);
    return fused;
}

static const mop_onnx_prop props[] = {{"spec", "a+b"}, {"seed", "1"}};
static const mop_onnx_desc plain_desc = {"net", "1.2", "A net.", props, 2, NULL, NULL};

static Onnx__ModelProto *exported(const mop_model *m)
{
    char path[256];
    mop_err err = {0};
    size_t n;
    uint8_t *bytes;
    Onnx__ModelProto *proto;
    path_of("m.onnx", path);
    if (mop_onnx_export(m, &plain_desc, path, &err) != MOP_OK)
        fail_msg("%s", err.msg);
    bytes = read_file("m.onnx", &n);
    proto = onnx__model_proto__unpack(NULL, n, bytes);
    assert_non_null(proto);
    free(bytes);
    return proto;
}

static void every_operator_and_activation_can_be_written(void **state)
{
    (void)state;
    for (int op = 0; op < MOP_OP_COUNT; op++)
        if (mop_onnx_of((mop_op)op) == NULL)
            fail_msg("%s has no row in onnx/exports.def", mop_op_get((mop_op)op)->name);
    for (int act = 1; act < MOP_ACT_COUNT; act++)
        if (mop_onnx_of_act((mop_act)act) == NULL)
            fail_msg("%s has no row in onnx/acts.def", mop_act_name((mop_act)act));
}

static void the_file_says_what_it_is(void **state)
{
    mop_model *m = model_of("cnn30@32", 2, MOP_FUSE_NONE);
    Onnx__ModelProto *p = exported(m);
    const Onnx__TensorShapeProto *in = p->graph->input[0]->type->tensor_type->shape;
    const Onnx__TensorShapeProto *out = p->graph->output[0]->type->tensor_type->shape;
    (void)state;
    assert_int_equal(p->ir_version, 8);
    assert_int_equal(p->n_opset_import, 1);
    assert_int_equal(p->opset_import[0]->version, 17);
    assert_string_equal(p->producer_name, "moprof");
    assert_string_equal(p->producer_version, "1.2");
    assert_string_equal(p->doc_string, "A net.");
    assert_string_equal(p->graph->name, "net");
    assert_int_equal(p->n_metadata_props, 2);
    assert_string_equal(p->metadata_props[0]->key, "spec");
    assert_string_equal(p->metadata_props[0]->value, "a+b");
    assert_int_equal(p->graph->n_input, 1);
    assert_int_equal(p->graph->n_output, 1);
    assert_int_equal(in->n_dim, 4);
    assert_int_equal(in->dim[0]->dim_value, 2);
    assert_int_equal(in->dim[1]->dim_value, 3);
    assert_int_equal(in->dim[2]->dim_value, 32);
    assert_int_equal(out->n_dim, 2);
    assert_int_equal(out->dim[0]->dim_value, 2);
    assert_int_equal(out->dim[1]->dim_value, 1000);
    onnx__model_proto__free_unpacked(p, NULL);
    mop_model_free(m);
}

/* --- nodes and constants ---------------------------------------------------------------------- */

static const Onnx__TensorProto *constant(const Onnx__GraphProto *g, const char *node,
                                         const char *role)
{
    char name[128];
    (void)snprintf(name, sizeof name, "%s/%s", node, role);
    for (size_t i = 0; i < g->n_initializer; i++)
        if (strcmp(g->initializer[i]->name, name) == 0)
            return g->initializer[i];
    fail_msg("there is no constant %s", name);
    return NULL;
}

static float value_at(const Onnx__TensorProto *t, int64_t i)
{
    float v;
    memcpy(&v, t->raw_data.data + 4 * i, sizeof v);
    return v;
}

/* Element (co, kh, kw, ci) of ours is element (co, ci, kh, kw) of theirs. */
static void expect_kernel(const mop_node *node, const float *w, const Onnx__TensorProto *t)
{
    const mop_conv_params *p = &node->inst.params.u.conv;
    const int64_t cg = node->inst.in[0].c / p->groups, area = (int64_t)p->kh * p->kw;
    assert_int_equal(t->n_dims, 4);
    assert_int_equal(t->dims[0], p->cout);
    assert_int_equal(t->dims[1], cg);
    assert_int_equal(t->dims[2], p->kh);
    assert_int_equal(t->dims[3], p->kw);
    for (int64_t i = 0; i < p->cout * area * cg; i++) {
        int64_t ci = i % cg, tap = i / cg % area, co = i / cg / area;
        float theirs = value_at(t, (co * cg + ci) * area + tap);
        if (memcmp(&theirs, &w[i], sizeof theirs) != 0)
            fail_msg("%s: weight %lld differs", node->name, (long long)i);
    }
}

static void expect_constants(const mop_model *m, uint32_t i, const Onnx__GraphProto *g)
{
    const mop_node *node = &m->graph->nodes[i];
    mop_weight_desc desc[MOP_MAX_WEIGHTS];
    uint32_t n = mop_op_weights(&node->inst, desc);
    for (uint32_t k = 0; k < n; k++) {
        const Onnx__TensorProto *t = constant(g, node->name, desc[k].role);
        assert_int_equal(t->data_type, ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT);
        assert_int_equal(t->raw_data.len, desc[k].elems * 4);
        if (node->inst.op == MOP_OP_CONV2D && k == 0)
            expect_kernel(node, mop_model_w(m, i, k), t);
        else
            assert_memory_equal(t->raw_data.data, mop_model_w(m, i, k), t->raw_data.len);
    }
}

/* How many nodes of type `op` the graph has. */
static size_t count(const Onnx__GraphProto *g, const char *op)
{
    size_t n = 0;
    for (size_t i = 0; i < g->n_node; i++)
        n += strcmp(g->node[i]->op_type, op) == 0;
    return n;
}

static size_t count_op(const mop_graph *g, mop_op op)
{
    size_t n = 0;
    for (uint32_t i = 0; i < g->n_nodes; i++)
        n += g->nodes[i].inst.op == op;
    return n;
}

/* The operators in their order, each ending in the node of its name, which gives the value of that
 * name; nodes between belong to the next one. */
static void expect_nodes(const mop_model *m, const Onnx__GraphProto *g)
{
    size_t at = 0;
    for (uint32_t i = 1; i < m->graph->n_nodes; i++) {
        const char *name = m->graph->nodes[i].name;
        const size_t len = strlen(name);
        while (at < g->n_node && strcmp(g->node[at]->name, name) != 0) {
            if (strncmp(g->node[at]->name, name, len) != 0 || g->node[at]->name[len] != '/')
                fail_msg("the node %s does not belong to %s", g->node[at]->name, name);
            at++;
        }
        if (at == g->n_node)
            fail_msg("there is no node %s", name);
        assert_string_equal(g->node[at]->output[0], name);
        at++;
    }
    assert_int_equal(at, g->n_node);
    assert_string_equal(g->output[0]->name, m->graph->nodes[m->graph->n_nodes - 1].name);
    assert_string_equal(g->input[0]->name, "input");
}

static void the_file_holds_the_graph_and_its_constants(void **state)
{
    static const struct {
        const char *spec;
        unsigned fuse;
    } cases[] = {
        {"mobileone-s0@32", MOP_FUSE_NONE},        {"mobileone-s0:train+se@32", MOP_FUSE_NONE},
        {"mobilenetv2-1.0@32", MOP_FUSE_NONE},     {"resnet18@32", MOP_FUSE_ALL},
        {"cnn30+act=gelu+se@32", MOP_FUSE_ALL},    {"cnn30:train+act=dyrelu-b@32", MOP_FUSE_BN},
        {"cnn30+act=dyshiftmax@32", MOP_FUSE_NONE}};
    (void)state;
    for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++) {
        mop_model *m = model_of(cases[c].spec, 1, cases[c].fuse);
        Onnx__ModelProto *p = exported(m);
        print_message("%s, fuse %u\n", cases[c].spec, cases[c].fuse);
        expect_nodes(m, p->graph);
        assert_int_equal(count(p->graph, "Conv"), count_op(m->graph, MOP_OP_CONV2D));
        assert_int_equal(count(p->graph, "Gemm"), count_op(m->graph, MOP_OP_FC));
        assert_int_equal(count(p->graph, "BatchNormalization"),
                         count_op(m->graph, MOP_OP_BATCHNORM));
        assert_int_equal(p->graph->n_value_info, m->graph->n_nodes - 2);
        for (uint32_t i = 1; i < m->graph->n_nodes; i++)
            expect_constants(m, i, p->graph);
        onnx__model_proto__free_unpacked(p, NULL);
        mop_model_free(m);
    }
}

static void an_epilogue_becomes_nodes_of_its_own(void **state)
{
    mop_model *plain = model_of("resnet18@32", 1, MOP_FUSE_NONE);
    mop_model *fused = model_of("resnet18@32", 1, MOP_FUSE_ALL);
    Onnx__ModelProto *a = exported(plain), *b = exported(fused);
    (void)state;
    assert_true(fused->graph->n_nodes < plain->graph->n_nodes);
    assert_int_equal(count(a->graph, "Add"), 8);
    assert_int_equal(count(b->graph, "Add"), 8);
    assert_int_equal(count(a->graph, "Relu"), 17);
    assert_int_equal(count(b->graph, "Relu"), 17);
    onnx__model_proto__free_unpacked(a, NULL);
    onnx__model_proto__free_unpacked(b, NULL);
    mop_model_free(plain);
    mop_model_free(fused);
}

/* --- files ------------------------------------------------------------------------------------ */

static Onnx__TensorProto *read_tensor(const char *file)
{
    size_t n;
    uint8_t *bytes = read_file(file, &n);
    Onnx__TensorProto *t = onnx__tensor_proto__unpack(NULL, n, bytes);
    assert_non_null(t);
    free(bytes);
    return t;
}

static void test_data_lie_beside_the_file_in_its_layout(void **state)
{
    enum { N = 2, H = 32, W = 64, C = 3, CLASSES = 1000 };
    mop_model *m = model_of("cnn30@32x64", N, MOP_FUSE_NONE);
    float *in = malloc(sizeof *in * N * H * W * C), out[N * CLASSES];
    mop_onnx_desc desc = plain_desc;
    mop_err err = {0};
    char path[256];
    Onnx__TensorProto *x, *y;
    (void)state;
    assert_non_null(in);
    for (int i = 0; i < N * H * W * C; i++)
        in[i] = (float)i;
    for (int i = 0; i < N * CLASSES; i++)
        out[i] = (float)-i;
    desc.input = in;
    desc.output = out;
    path_of("d.onnx", path);
    assert_int_equal(mop_onnx_export(m, &desc, path, &err), MOP_OK);
    x = read_tensor("test_data_set_0/input_0.pb");
    y = read_tensor("test_data_set_0/output_0.pb");
    assert_string_equal(x->name, "input");
    assert_string_equal(y->name, m->graph->nodes[m->graph->n_nodes - 1].name);
    assert_int_equal(x->n_dims, 4);
    assert_int_equal(x->dims[1], C);
    assert_int_equal(x->dims[2], H);
    assert_int_equal(x->dims[3], W);
    assert_int_equal(y->n_dims, 2);
    for (int i = 0; i < N * C * H * W; i++) {
        int w = i % W, h = i / W % H, c = i / W / H % C, n = i / W / H / C;
        assert_true(value_at(x, i) == (float)(((n * H + h) * W + w) * C + c));
    }
    for (int i = 0; i < N * CLASSES; i++)
        assert_true(value_at(y, i) == (float)-i);
    onnx__tensor_proto__free_unpacked(x, NULL);
    onnx__tensor_proto__free_unpacked(y, NULL);
    free(in);
    mop_model_free(m);
}

/* Six kernels of half a gigabyte each that nobody has to hold: they are refused by their number. */
static void constants_beyond_two_gigabytes_are_refused(void **state)
{
    mop_err err = {0};
    mop_graph_builder *b = mop_graph_builder_create((mop_shape){1, 1, 1, 11585}, &err);
    const mop_params conv = {
        .u.conv = {.cout = 11585, .kh = 1, .kw = 1, .stride = 1, .dilation = 1, .groups = 1}};
    mop_graph *g = NULL;
    uint32_t node = 0;
    char path[256];
    (void)state;
    for (int i = 0; i < 6; i++)
        node = mop_graph_add(b, MOP_OP_CONV2D, &conv, &node, 1, "conv%d", i);
    assert_int_equal(mop_graph_seal(b, node, &g, &err), MOP_OK);
    path_of("large.onnx", path);
    assert_int_equal(mop_onnx_export(&(mop_model){.graph = g}, &plain_desc, path, &err),
                     MOP_EUNSUPPORTED);
    assert_non_null(strstr(err.msg, "2 GiB"));
    assert_int_not_equal(access(path, F_OK), 0);
    mop_graph_free(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_operator_and_activation_can_be_written),
        cmocka_unit_test(the_file_says_what_it_is),
        cmocka_unit_test(the_file_holds_the_graph_and_its_constants),
        cmocka_unit_test(an_epilogue_becomes_nodes_of_its_own),
        cmocka_unit_test(test_data_lie_beside_the_file_in_its_layout),
        cmocka_unit_test(constants_beyond_two_gigabytes_are_refused),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
