/* Dynamic activations: the maximum over linear pieces, whose coefficients come from a vector s of
 * values in [0, 1]. What kernels/ops/dyrelu.c and dyshiftmax.c say in one loop is here a scale and
 * a shift of s, a cut into coefficients [n, c, 1, 1], and products over the whole image. */
#include "onnx/ops.h"

#include <stdio.h>
#include <stdlib.h>

#include "profiler/base/alloc.h"

enum { MAX_PIECES = 16, MAX_TERMS = 16 * 16 };

/* coefficient[i] = scale[i] s_i + shift[i], where s_i has `channels` channels each. */
static void coefficients(mop_onnx_emit *e, size_t n, int64_t channels, const float *scale,
                         const float *shift, const char **out)
{
    const int64_t dims[] = {1, (int64_t)n * channels, 1, 1};
    const char *names[2];
    float *a = mop_onnx_room(e, "scale", dims, 4, &names[0]);
    float *b = mop_onnx_room(e, "shift", dims, 4, &names[1]);
    for (int64_t i = 0; a != NULL && b != NULL && i < dims[1]; i++) {
        a[i] = scale[i / channels];
        b[i] = shift[i / channels];
    }
    mop_onnx_split(e,
                   mop_onnx_binary(e, "Add",
                                   mop_onnx_binary(e, "Mul", mop_onnx_image(e, 1), names[0]),
                                   names[1]),
                   out, n);
}

/* a = alpha + 2 s - 1 with alpha 1 for the first piece, b = s - 1 / 2 */
mop_onnx_value mop_onnx_dyrelu(mop_onnx_emit *e, const mop_op_inst *inst)
{
    const mop_dy_params *p = &inst->params.u.dy;
    const char *x = mop_onnx_image(e, 0), *part[2 * MAX_PIECES], *piece[MAX_PIECES];
    float scale[2 * MAX_PIECES] = {0}, shift[2 * MAX_PIECES] = {0};
    const size_t n = (size_t)p->pieces;
    for (size_t k = 0; k < n; k++) {
        scale[2 * k] = 2;
        shift[2 * k] = k == 0 ? 0 : -1;
        scale[2 * k + 1] = 1;
        shift[2 * k + 1] = -0.5f;
    }
    coefficients(e, 2 * n, p->per_channel ? inst->in[0].c : 1, scale, shift, part);
    for (size_t k = 0; k < n; k++)
        piece[k] =
            mop_onnx_binary(e, "Add", mop_onnx_binary(e, "Mul", x, part[2 * k]), part[2 * k + 1]);
    return (mop_onnx_value){.name = mop_onnx_node(e, "Max", piece, n)};
}

/* x with channel i taken from (i + by) mod c */
static const char *rotate(mop_onnx_emit *e, const char *x, int64_t channels, int64_t by)
{
    int64_t *from;
    const char *y;
    char part[32];
    if (by == 0)
        return x;
    from = mop_calloc((size_t)channels, sizeof *from, &e->err);
    if (from == NULL)
        return NULL;
    for (int64_t i = 0; i < channels; i++)
        from[i] = (i + by) % channels;
    (void)snprintf(part, sizeof part, "from_%lld", (long long)by);
    y = mop_onnx_binary(e, "Gather", x, mop_onnx_indices(e, part, from, (size_t)channels));
    mop_onnx_int(e, "axis", 1);
    free(from);
    return y;
}

/* a(k, j) = 4 s - 2, plus 1 for the first */
mop_onnx_value mop_onnx_dyshiftmax(mop_onnx_emit *e, const mop_op_inst *inst)
{
    const mop_dy_params *p = &inst->params.u.dy;
    const int64_t c = inst->in[0].c;
    const char *x = mop_onnx_image(e, 0), *part[MAX_TERMS], *rotated[16], *piece[MAX_PIECES];
    float scale[MAX_TERMS] = {0}, shift[MAX_TERMS] = {0};
    const size_t n = (size_t)p->pieces, shifts = (size_t)p->shifts;
    for (size_t i = 0; i < n * shifts; i++) {
        scale[i] = 4;
        shift[i] = i == 0 ? -1 : -2;
    }
    coefficients(e, n * shifts, c, scale, shift, part);
    for (size_t j = 0; j < shifts; j++)
        rotated[j] = rotate(e, x, c, (int64_t)j * (c / p->groups) % c);
    for (size_t k = 0; k < n; k++) {
        piece[k] = mop_onnx_binary(e, "Mul", rotated[0], part[k * shifts]);
        for (size_t j = 1; j < shifts; j++)
            piece[k] = mop_onnx_binary(e, "Add", piece[k],
                                       mop_onnx_binary(e, "Mul", rotated[j], part[k * shifts + j]));
    }
    return (mop_onnx_value){.name = mop_onnx_node(e, "Max", piece, n)};
}
