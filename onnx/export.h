/* A model as an ONNX file that any engine reads, and the input and output it is judged by.
 *
 * Operator set 17, IR version 8, float32. ONNX has its images as [n, c, h, w], moprof as
 * [n, h, w, c]: tensors and constants are transposed on the way. Every operator is written as the
 * nodes of exports.def, then the epilogue's residual and activation as nodes of their own. The last
 * node of an operator and its output carry the operator's name in the graph; what comes before them
 * and the constants are called NAME/PART. */
#ifndef ONNX_EXPORT_H
#define ONNX_EXPORT_H

#include <stddef.h>

#include "variants/model.h"

/* An entry of the file's metadata. */
typedef struct mop_onnx_prop {
    const char *key, *value;
} mop_onnx_prop;

typedef struct mop_onnx_desc {
    const char *name;    /* of the graph */
    const char *version; /* of the producer, moprof */
    const char *doc;     /* sentence about the network */
    const mop_onnx_prop *props;
    size_t n_props;
    /* NULL, or the input and the expected output, NHWC: they are written as ONNX's own tests have
     * them, test_data_set_0/input_0.pb and output_0.pb beside the file. */
    const float *input, *output;
} mop_onnx_desc;

/* Writes m to path, with the test data if there are any; no file is replaced before all of
 * them are written. MOP_EUNSUPPORTED for an operator without a row in exports.def and for a
 * model beyond the 2 GiB of a protobuf file, MOP_EIO with the path. */
mop_status mop_onnx_export(const mop_model *m, const mop_onnx_desc *desc, const char *path,
                           mop_err *err);

#endif
