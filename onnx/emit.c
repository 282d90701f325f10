/* Everything hangs in the graph, allocated with malloc as protobuf-c frees it. */
#include "onnx/emit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "profiler/base/alloc.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "raw_data of ONNX is little-endian");

enum { NAME_ROOM = 128 }; /* a node's name, a slash and the part's */

mop_status mop_onnx_emit_init(mop_onnx_emit *e, Onnx__GraphProto *graph, const mop_model *model,
                              mop_err *err)
{
    *e = (mop_onnx_emit){.graph = graph, .model = model};
    e->value = mop_calloc(model->graph->n_nodes, sizeof *e->value, err);
    return e->value != NULL ? MOP_OK : MOP_ENOMEM;
}

void mop_onnx_emit_release(mop_onnx_emit *e)
{
    free(e->value);
    *e = (mop_onnx_emit){0};
}

/* --- pieces ----------------------------------------------------------------------------------- */

size_t mop_onnx_dims(mop_shape s, bool is_vector, int64_t dims[MOP_ONNX_MAX_RANK])
{
    dims[0] = s.n;
    dims[1] = s.c;
    dims[2] = s.h;
    dims[3] = s.w;
    return is_vector ? 2 : 4;
}

static int64_t *copy_ints(const int64_t *v, size_t n, mop_err *err)
{
    int64_t *copy = mop_calloc(n, sizeof *copy, err);
    if (copy != NULL && n > 0)
        memcpy(copy, v, n * sizeof *copy);
    return copy;
}

/* Fills the empty t; what it holds after a failure is freed with it. */
static mop_status fill_tensor(Onnx__TensorProto *t, const char *name, const int64_t *dims,
                              size_t rank, mop_err *err)
{
    size_t bytes = t->data_type == ONNX__TENSOR_PROTO__DATA_TYPE__INT64 ? 8 : 4;
    for (size_t i = 0; i < rank; i++)
        if (!mop_mul_size(bytes, (size_t)dims[i], &bytes))
            return mop_fail(err, MOP_EUNSUPPORTED, "the tensor %s is too large", name);
    t->name = mop_strdup(name, err);
    t->dims = copy_ints(dims, rank, err);
    t->n_dims = t->dims != NULL ? rank : 0;
    t->raw_data.data = mop_calloc(bytes, 1, err);
    t->raw_data.len = t->raw_data.data != NULL ? bytes : 0;
    t->has_raw_data = true;
    return t->name != NULL && t->dims != NULL && t->raw_data.data != NULL ? MOP_OK : MOP_ENOMEM;
}

Onnx__TensorProto *mop_onnx_tensor(const char *name, int32_t type, const int64_t *dims, size_t rank,
                                   mop_err *err)
{
    Onnx__TensorProto *t = mop_calloc(1, sizeof *t, err);
    if (t == NULL)
        return NULL;
    onnx__tensor_proto__init(t);
    t->has_data_type = true;
    t->data_type = type;
    if (fill_tensor(t, name, dims, rank, err) == MOP_OK)
        return t;
    onnx__tensor_proto__free_unpacked(t, NULL);
    return NULL;
}

static mop_status fill_shape(Onnx__TensorShapeProto *shape, const int64_t *dims, size_t rank,
                             mop_err *err)
{
    shape->dim = mop_calloc(rank, sizeof(*shape->dim), err);
    for (size_t i = 0; shape->dim != NULL && i < rank; i++) {
        Onnx__TensorShapeProto__Dimension *d = mop_calloc(1, sizeof *d, err);
        if (d == NULL)
            return MOP_ENOMEM;
        onnx__tensor_shape_proto__dimension__init(d);
        d->value_case = ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE;
        d->dim_value = dims[i];
        shape->dim[shape->n_dim++] = d;
    }
    return shape->dim != NULL ? MOP_OK : MOP_ENOMEM;
}

static mop_status fill_type(Onnx__TypeProto *type, const int64_t *dims, size_t rank, mop_err *err)
{
    Onnx__TypeProto__Tensor *tensor = mop_calloc(1, sizeof *tensor, err);
    if (tensor == NULL)
        return MOP_ENOMEM;
    onnx__type_proto__tensor__init(tensor);
    tensor->has_elem_type = true;
    tensor->elem_type = ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT;
    type->value_case = ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE;
    type->tensor_type = tensor;
    tensor->shape = mop_calloc(1, sizeof *tensor->shape, err);
    if (tensor->shape == NULL)
        return MOP_ENOMEM;
    onnx__tensor_shape_proto__init(tensor->shape);
    return fill_shape(tensor->shape, dims, rank, err);
}

Onnx__ValueInfoProto *mop_onnx_info(const char *name, const int64_t *dims, size_t rank,
                                    mop_err *err)
{
    Onnx__ValueInfoProto *info = mop_calloc(1, sizeof *info, err);
    if (info == NULL)
        return NULL;
    onnx__value_info_proto__init(info);
    info->name = mop_strdup(name, err);
    info->type = mop_calloc(1, sizeof *info->type, err);
    if (info->type != NULL) {
        onnx__type_proto__init(info->type);
        if (info->name != NULL && fill_type(info->type, dims, rank, err) == MOP_OK)
            return info;
    }
    onnx__value_info_proto__free_unpacked(info, NULL);
    return NULL;
}

void mop_onnx_transpose(mop_shape s, const float *src, float *dst)
{
    const int64_t pixels = (int64_t)s.h * s.w;
    for (int64_t n = 0; n < s.n; n++)
        for (int64_t c = 0; c < s.c; c++)
            for (int64_t p = 0; p < pixels; p++)
                *dst++ = src[(n * pixels + p) * s.c + c];
}

/* --- inputs and constants ----------------------------------------------------------------------*/

/* NODE/part */
static void part_name(const mop_onnx_emit *e, const char *part, char name[NAME_ROOM])
{
    (void)snprintf(name, NAME_ROOM, "%.63s/%.60s", e->model->graph->nodes[e->node].name, part);
}

static const mop_node *node_of(const mop_onnx_emit *e)
{
    return &e->model->graph->nodes[e->node];
}

const char *mop_onnx_image(mop_onnx_emit *e, uint32_t k)
{
    const int64_t axes[] = {2, 3};
    const mop_onnx_value v = e->value[node_of(e)->in[k]];
    char part[24];
    if (!v.is_vector)
        return v.name;
    (void)snprintf(part, sizeof part, "axes_%u", k);
    return mop_onnx_binary(e, "Unsqueeze", v.name, mop_onnx_indices(e, part, axes, 2));
}

const char *mop_onnx_vector(mop_onnx_emit *e, uint32_t k)
{
    const mop_onnx_value v = e->value[node_of(e)->in[k]];
    const char *flat;
    if (v.is_vector)
        return v.name;
    flat = mop_onnx_unary(e, "Flatten", v.name);
    mop_onnx_int(e, "axis", 1);
    return flat;
}

/* Makes room for one more element of size bytes in an array of *cap; false after a failure. */
static bool grow(mop_onnx_emit *e, void **array, size_t n, size_t *cap, size_t size)
{
    size_t more = *cap > 0 ? 2 * *cap : 64;
    void *p;
    if (e->err.code != MOP_OK)
        return false;
    if (n < *cap)
        return true;
    p = mop_realloc(*array, more, size, &e->err);
    if (p == NULL)
        return false;
    *array = p;
    *cap = more;
    return true;
}

/* An empty constant named NODE/part. */
static Onnx__TensorProto *add_constant(mop_onnx_emit *e, const char *part, int32_t type,
                                       const int64_t *dims, size_t rank)
{
    Onnx__GraphProto *g = e->graph;
    void *array = g->initializer;
    char name[NAME_ROOM];
    Onnx__TensorProto *t;
    bool has_room = grow(e, &array, g->n_initializer, &e->constant_cap, sizeof(*g->initializer));
    g->initializer = array;
    if (!has_room)
        return NULL;
    part_name(e, part, name);
    t = mop_onnx_tensor(name, type, dims, rank, &e->err);
    if (t != NULL)
        g->initializer[g->n_initializer++] = t;
    return t;
}

float *mop_onnx_room(mop_onnx_emit *e, const char *part, const int64_t *dims, size_t rank,
                     const char **name)
{
    Onnx__TensorProto *t = add_constant(e, part, ONNX__TENSOR_PROTO__DATA_TYPE__FLOAT, dims, rank);
    *name = t != NULL ? t->name : NULL;
    return t != NULL ? (float *)(void *)t->raw_data.data : NULL; /* from calloc: aligned */
}

const char *mop_onnx_weight(mop_onnx_emit *e, uint32_t slot, const int64_t *dims, size_t rank)
{
    mop_weight_desc desc[MOP_MAX_WEIGHTS];
    const char *name;
    float *room;
    (void)mop_op_weights(&node_of(e)->inst, desc);
    room = mop_onnx_room(e, desc[slot].role, dims, rank, &name);
    if (room != NULL)
        memcpy(room, mop_model_w(e->model, e->node, slot), (size_t)desc[slot].elems * sizeof *room);
    return name;
}

const char *mop_onnx_scalar(mop_onnx_emit *e, const char *part, double value)
{
    const char *name;
    float *room = mop_onnx_room(e, part, NULL, 0, &name);
    if (room != NULL)
        *room = (float)value;
    return name;
}

const char *mop_onnx_indices(mop_onnx_emit *e, const char *part, const int64_t *v, size_t n)
{
    const int64_t dims[] = {(int64_t)n};
    Onnx__TensorProto *t = add_constant(e, part, ONNX__TENSOR_PROTO__DATA_TYPE__INT64, dims, 1);
    if (t == NULL)
        return NULL;
    memcpy(t->raw_data.data, v, n * sizeof *v);
    return t->name;
}

/* --- nodes ------------------------------------------------------------------------------------ */

static mop_status copy_texts(const char *const *in, size_t n, char ***out, size_t *n_out,
                             mop_err *err)
{
    *out = mop_calloc(n, sizeof **out, err);
    for (size_t i = 0; *out != NULL && i < n; i++) {
        (*out)[i] = mop_strdup(in[i], err);
        if ((*out)[i] == NULL)
            return MOP_ENOMEM;
        *n_out = i + 1;
    }
    return *out != NULL ? MOP_OK : MOP_ENOMEM;
}

/* Fills the empty node, which has n_out outputs NODE/op_k or NODE/op_k_i. */
static mop_status fill_node(mop_onnx_emit *e, Onnx__NodeProto *node, const char *op,
                            const char *const *in, size_t n_in, size_t n_out)
{
    char part[64], name[NAME_ROOM];
    (void)snprintf(part, sizeof part, "%.40s_%u", op, e->parts);
    part_name(e, part, name);
    node->op_type = mop_strdup(op, &e->err);
    node->name = mop_strdup(name, &e->err);
    if (node->op_type == NULL || node->name == NULL ||
        copy_texts(in, n_in, &node->input, &node->n_input, &e->err) != MOP_OK)
        return MOP_ENOMEM;
    node->output = mop_calloc(n_out, sizeof(*node->output), &e->err);
    for (size_t i = 0; node->output != NULL && i < n_out; i++) {
        (void)snprintf(part, sizeof part, n_out > 1 ? "%.40s_%u_%zu" : "%.40s_%u", op, e->parts, i);
        part_name(e, part, name);
        node->output[i] = mop_strdup(name, &e->err);
        if (node->output[i] == NULL)
            return MOP_ENOMEM;
        node->n_output = i + 1;
    }
    return node->output != NULL ? MOP_OK : MOP_ENOMEM;
}

/* Appends a node; NULL after a failure, also of one of its inputs. */
static Onnx__NodeProto *add_node(mop_onnx_emit *e, const char *op, const char *const *in,
                                 size_t n_in, size_t n_out)
{
    Onnx__GraphProto *g = e->graph;
    void *array = g->node;
    Onnx__NodeProto *node;
    bool has_room = grow(e, &array, g->n_node, &e->node_cap, sizeof(*g->node));
    g->node = array;
    for (size_t i = 0; i < n_in; i++)
        has_room = has_room && in[i] != NULL;
    if (!has_room)
        return NULL;
    node = mop_calloc(1, sizeof *node, &e->err);
    if (node == NULL)
        return NULL;
    onnx__node_proto__init(node);
    g->node[g->n_node++] = node;
    if (fill_node(e, node, op, in, n_in, n_out) != MOP_OK)
        return NULL;
    e->parts++;
    return node;
}

const char *mop_onnx_node(mop_onnx_emit *e, const char *op, const char *const *in, size_t n)
{
    const Onnx__NodeProto *node = add_node(e, op, in, n, 1);
    return node != NULL ? node->output[0] : NULL;
}

const char *mop_onnx_unary(mop_onnx_emit *e, const char *op, const char *x)
{
    return mop_onnx_node(e, op, &x, 1);
}

const char *mop_onnx_binary(mop_onnx_emit *e, const char *op, const char *a, const char *b)
{
    const char *const in[] = {a, b};
    return mop_onnx_node(e, op, in, 2);
}

void mop_onnx_split(mop_onnx_emit *e, const char *x, const char **out, size_t n)
{
    const Onnx__NodeProto *node = add_node(e, "Split", &x, 1, n);
    mop_onnx_int(e, "axis", 1);
    for (size_t i = 0; i < n; i++)
        out[i] = node != NULL ? node->output[i] : NULL;
}

/* A new attribute of the node appended last; NULL after a failure. */
static Onnx__AttributeProto *add_attribute(mop_onnx_emit *e, const char *name,
                                           Onnx__AttributeProto__AttributeType type)
{
    Onnx__AttributeProto *a;
    Onnx__NodeProto *node;
    void *array;
    if (e->err.code != MOP_OK)
        return NULL;
    node = e->graph->node[e->graph->n_node - 1];
    array = mop_realloc(node->attribute, node->n_attribute + 1, sizeof(*node->attribute), &e->err);
    a = array != NULL ? mop_calloc(1, sizeof *a, &e->err) : NULL;
    node->attribute = array != NULL ? array : node->attribute;
    if (a == NULL)
        return NULL;
    onnx__attribute_proto__init(a);
    node->attribute[node->n_attribute++] = a;
    a->name = mop_strdup(name, &e->err);
    a->has_type = true;
    a->type = type;
    return a;
}

void mop_onnx_int(mop_onnx_emit *e, const char *name, int64_t v)
{
    Onnx__AttributeProto *a = add_attribute(e, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT);
    if (a == NULL)
        return;
    a->has_i = true;
    a->i = v;
}

void mop_onnx_float(mop_onnx_emit *e, const char *name, float v)
{
    Onnx__AttributeProto *a = add_attribute(e, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOAT);
    if (a == NULL)
        return;
    a->has_f = true;
    a->f = v;
}

void mop_onnx_ints(mop_onnx_emit *e, const char *name, const int64_t *v, size_t n)
{
    Onnx__AttributeProto *a = add_attribute(e, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INTS);
    if (a == NULL)
        return;
    a->ints = copy_ints(v, n, &e->err);
    a->n_ints = a->ints != NULL ? n : 0;
}

void mop_onnx_done(mop_onnx_emit *e, mop_onnx_value value)
{
    const char *name = node_of(e)->name;
    if (e->parts > 0 && e->err.code == MOP_OK) {
        Onnx__NodeProto *last = e->graph->node[e->graph->n_node - 1];
        char *own = mop_strdup(name, &e->err), *out = mop_strdup(name, &e->err);
        if (own != NULL && out != NULL) {
            free(last->name);
            free(last->output[0]);
            last->name = own;
            last->output[0] = out;
            value.name = out;
        } else {
            free(own);
            free(out);
        }
    }
    e->value[e->node] = value;
}
