/* Graph, then model, then files: the messages hold everything, and protobuf-c writes them through a
 * buffer that is the file. */
#include "onnx/export.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "onnx/ops.h"
#include "profiler/base/alloc.h"
#include "profiler/base/outfile.h"

enum { OPSET = 17, IR_VERSION = 8 }; /* both of ONNX 1.12, June 2022 */

/* --- the graph -------------------------------------------------------------------------------- */

static const char *add_residual(mop_onnx_emit *e, const mop_op_inst *inst, mop_onnx_value value)
{
    uint32_t last = inst->n_in - 1;
    return mop_onnx_binary(e, "Add", value.name,
                           value.is_vector ? mop_onnx_vector(e, last) : mop_onnx_image(e, last));
}

/* The operator with its epilogue, act(op(in) + residual). */
static mop_status add_operator(mop_onnx_emit *e, uint32_t i)
{
    const mop_op_inst *inst = &e->model->graph->nodes[i].inst;
    mop_onnx_op_fn *op = mop_onnx_of(inst->op);
    mop_onnx_act_fn *act = mop_onnx_of_act(inst->params.act);
    mop_onnx_value value;
    if (op == NULL || (act == NULL && inst->params.act != MOP_ACT_NONE))
        return mop_fail(&e->err, MOP_EUNSUPPORTED, "%s: there is no way yet to write %s as ONNX",
                        e->model->graph->nodes[i].name,
                        op == NULL ? mop_op_get(inst->op)->name : mop_act_name(inst->params.act));
    e->node = i;
    e->parts = 0;
    value = op(e, inst);
    if (inst->params.has_residual)
        value.name = add_residual(e, inst, value);
    if (act != NULL)
        value.name = act(e, value.name);
    mop_onnx_done(e, value);
    return e->err.code;
}

static Onnx__ValueInfoProto *info_of(mop_onnx_emit *e, uint32_t i)
{
    int64_t dims[MOP_ONNX_MAX_RANK];
    size_t rank = mop_onnx_dims(e->model->graph->nodes[i].inst.out, e->value[i].is_vector, dims);
    return mop_onnx_info(e->value[i].name, dims, rank, &e->err);
}

/* Shapes of the input, the output and every operator between them: a checker can hold its own
 * inference to them. */
static mop_status add_shapes(mop_onnx_emit *e)
{
    Onnx__GraphProto *g = e->graph;
    const uint32_t n = e->model->graph->n_nodes;
    g->input = mop_calloc(1, sizeof(*g->input), &e->err);
    g->output = mop_calloc(1, sizeof(*g->output), &e->err);
    g->value_info = mop_calloc(n, sizeof(*g->value_info), &e->err);
    for (uint32_t i = 0; i < n && e->err.code == MOP_OK; i++) {
        Onnx__ValueInfoProto *info = info_of(e, i);
        if (info == NULL)
            break;
        if (i == 0)
            g->input[g->n_input++] = info;
        else if (i == n - 1)
            g->output[g->n_output++] = info;
        else
            g->value_info[g->n_value_info++] = info;
    }
    return e->err.code;
}

/* --- the model -------------------------------------------------------------------------------- */

/* Every constant is stored as it is, so their sum tells whether a file can hold them. */
static mop_status check_size(const mop_graph *g, mop_err *err)
{
    int64_t bytes = 0;
    for (uint32_t i = 0; i < g->n_nodes; i++) {
        mop_weight_desc desc[MOP_MAX_WEIGHTS];
        uint32_t n = mop_op_weights(&g->nodes[i].inst, desc);
        for (uint32_t k = 0; k < n; k++)
            bytes += 4 * desc[k].elems; /* below 2^33 each */
        if (bytes > INT32_MAX)
            return mop_fail(err, MOP_EUNSUPPORTED,
                            "the constants take more than the 2 GiB that an ONNX file can hold");
    }
    return MOP_OK;
}

static mop_status add_prop(Onnx__ModelProto *m, const mop_onnx_prop *prop, mop_err *err)
{
    Onnx__StringStringEntryProto *entry = mop_calloc(1, sizeof *entry, err);
    if (entry == NULL)
        return MOP_ENOMEM;
    onnx__string_string_entry_proto__init(entry);
    m->metadata_props[m->n_metadata_props++] = entry;
    entry->key = mop_strdup(prop->key, err);
    entry->value = mop_strdup(prop->value, err);
    return entry->key != NULL && entry->value != NULL ? MOP_OK : MOP_ENOMEM;
}

static mop_status add_opset(Onnx__ModelProto *m, mop_err *err)
{
    Onnx__OperatorSetIdProto *set = mop_calloc(1, sizeof *set, err);
    if (set == NULL)
        return MOP_ENOMEM;
    onnx__operator_set_id_proto__init(set);
    set->has_version = true;
    set->version = OPSET;
    m->opset_import = mop_calloc(1, sizeof(*m->opset_import), err);
    if (m->opset_import == NULL) {
        free(set);
        return MOP_ENOMEM;
    }
    m->opset_import[m->n_opset_import++] = set;
    return MOP_OK;
}

static mop_status fill_head(Onnx__ModelProto *m, const mop_onnx_desc *desc, mop_err *err)
{
    mop_status status = add_opset(m, err);
    m->has_ir_version = true;
    m->ir_version = IR_VERSION;
    m->producer_name = mop_strdup("moprof", err);
    m->producer_version = mop_strdup(desc->version, err);
    m->doc_string = mop_strdup(desc->doc, err);
    m->graph->name = mop_strdup(desc->name, err);
    m->metadata_props = mop_calloc(desc->n_props, sizeof(*m->metadata_props), err);
    if (m->producer_name == NULL || m->producer_version == NULL || m->doc_string == NULL ||
        m->graph->name == NULL || m->metadata_props == NULL)
        return MOP_ENOMEM;
    for (size_t i = 0; i < desc->n_props && status == MOP_OK; i++)
        status = add_prop(m, &desc->props[i], err);
    return status;
}

static mop_status fill_graph(Onnx__GraphProto *g, const mop_model *model, bool *gives_vector,
                             mop_err *err)
{
    mop_onnx_emit e;
    mop_status status = mop_onnx_emit_init(&e, g, model, err);
    for (uint32_t i = 0; i < model->graph->n_nodes && status == MOP_OK; i++)
        status = add_operator(&e, i);
    if (status == MOP_OK)
        status = add_shapes(&e);
    if (status != MOP_OK)
        (void)mop_fail(err, status, "%s", e.err.msg); /* an earlier failure stays */
    else
        *gives_vector = e.value[model->graph->n_nodes - 1].is_vector;
    mop_onnx_emit_release(&e);
    return status;
}

/* The whole file in *out (onnx__model_proto__free_unpacked); *gives_vector: the output is [n, c].
 */
static mop_status build(const mop_model *model, const mop_onnx_desc *desc, Onnx__ModelProto **out,
                        bool *gives_vector, mop_err *err)
{
    Onnx__ModelProto *m;
    mop_status status = check_size(model->graph, err);
    if (status != MOP_OK)
        return status;
    m = mop_calloc(1, sizeof *m, err);
    if (m == NULL)
        return MOP_ENOMEM;
    onnx__model_proto__init(m);
    m->graph = mop_calloc(1, sizeof *m->graph, err);
    status = m->graph != NULL ? MOP_OK : MOP_ENOMEM;
    if (status == MOP_OK) {
        onnx__graph_proto__init(m->graph);
        status = fill_head(m, desc, err);
    }
    if (status == MOP_OK)
        status = fill_graph(m->graph, model, gives_vector, err);
    if (status == MOP_OK && onnx__model_proto__get_packed_size(m) > INT32_MAX)
        status = mop_fail(err, MOP_EUNSUPPORTED,
                          "the model takes more than the 2 GiB that an ONNX file can hold");
    if (status == MOP_OK)
        *out = m;
    else
        onnx__model_proto__free_unpacked(m, NULL);
    return status;
}

/* --- files ------------------------------------------------------------------------------------ */

/* A protobuf-c buffer that is a file; the commit looks at ferror. */
struct file_buffer {
    ProtobufCBuffer base;
    FILE *f;
};

static void append(ProtobufCBuffer *buffer, size_t n, const uint8_t *data)
{
    (void)fwrite(data, 1, n, ((struct file_buffer *)(void *)buffer)->f);
}

static void pack(const ProtobufCMessage *message, FILE *f)
{
    struct file_buffer buffer = {.base = {append}, .f = f};
    (void)protobuf_c_message_pack_to_buffer(message, &buffer.base);
}

static mop_status pack_tensor(const char *name, mop_shape s, bool is_vector, const float *values,
                              FILE *f, mop_err *err)
{
    int64_t dims[MOP_ONNX_MAX_RANK];
    size_t rank = mop_onnx_dims(s, is_vector, dims);
    Onnx__TensorProto *t =
        mop_onnx_tensor(name, ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT, dims, rank, err);
    if (t == NULL)
        return MOP_ENOMEM;
    mop_onnx_transpose(s, values, (float *)(void *)t->raw_data.data); /* from calloc: aligned */
    pack(&t->base, f);
    onnx__tensor_proto__free_unpacked(t, NULL);
    return MOP_OK;
}

enum { MODEL, INPUT, OUTPUT, FILES };

/* What one export writes. */
struct files {
    mop_outfile out[FILES];
    size_t n;
    char folder[4096]; /* that was made for the test data; "" if none was */
};

/* folder/test_data_set_0/file */
static mop_status open_data(struct files *w, const char *path, const char *file, mop_err *err)
{
    const char *slash = strrchr(path, '/');
    int len = slash != NULL ? (int)(slash + 1 - path) : 0;
    char folder[4096], full[4096];
    if (snprintf(folder, sizeof folder, "%.*stest_data_set_0", len, path) >= (int)sizeof folder ||
        snprintf(full, sizeof full, "%s/%s", folder, file) >= (int)sizeof full)
        return mop_fail(err, MOP_EINVAL, "the path '%.60s...' is too long", path);
    if (mkdir(folder, 0777) == 0)
        memcpy(w->folder, folder, sizeof folder);
    else if (errno != EEXIST)
        return mop_fail(err, MOP_EIO, "cannot make the folder '%s': %s", folder, strerror(errno));
    return mop_outfile_open(&w->out[w->n], full, err);
}

static mop_status open_files(struct files *w, const char *path, bool has_data, mop_err *err)
{
    static const char *const names[FILES] = {[INPUT] = "input_0.pb", [OUTPUT] = "output_0.pb"};
    mop_status status = mop_outfile_open(&w->out[MODEL], path, err);
    w->n = status == MOP_OK ? 1 : 0;
    for (size_t i = INPUT; has_data && i < FILES && status == MOP_OK; i++) {
        status = open_data(w, path, names[i], err);
        w->n += status == MOP_OK;
    }
    return status;
}

static mop_status write_files(struct files *w, const mop_model *m, const mop_onnx_desc *desc,
                              mop_err *err)
{
    const mop_node *last = &m->graph->nodes[m->graph->n_nodes - 1];
    Onnx__ModelProto *proto;
    bool gives_vector = false;
    mop_status status = build(m, desc, &proto, &gives_vector, err);
    if (status != MOP_OK)
        return status;
    pack(&proto->base, w->out[MODEL].f);
    onnx__model_proto__free_unpacked(proto, NULL);
    if (w->n > INPUT)
        status = pack_tensor(m->graph->nodes[0].name, m->graph->nodes[0].inst.out, false,
                             desc->input, w->out[INPUT].f, err);
    if (status == MOP_OK && w->n > OUTPUT)
        status = pack_tensor(last->name, last->inst.out, gives_vector, desc->output,
                             w->out[OUTPUT].f, err);
    return status;
}

mop_status mop_onnx_export(const mop_model *m, const mop_onnx_desc *desc, const char *path,
                           mop_err *err)
{
    struct files w = {.n = 0};
    size_t done = 0;
    mop_status status = open_files(&w, path, desc->input != NULL, err);
    if (status == MOP_OK)
        status = write_files(&w, m, desc, err);
    for (; done < w.n && status == MOP_OK; done++) /* the largest first: most likely to fail */
        status = mop_outfile_commit(&w.out[done], err);
    for (; done < w.n; done++)
        mop_outfile_abort(&w.out[done]);
    if (status != MOP_OK && w.folder[0] != '\0')
        (void)rmdir(w.folder); /* stays where something is in it */
    return status;
}
