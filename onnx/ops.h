/* The functions behind exports.def and acts.def. */
#ifndef ONNX_OPS_H
#define ONNX_OPS_H

#include "onnx/emit.h"

/* Writes the operator without its epilogue; inputs through mop_onnx_image and mop_onnx_vector. */
typedef mop_onnx_value mop_onnx_op_fn(mop_onnx_emit *e, const mop_op_inst *inst);

/* Writes the function of x, elementwise in any shape. */
typedef const char *mop_onnx_act_fn(mop_onnx_emit *e, const char *x);

#define MOP_ONNX_ROW(ID, id) mop_onnx_op_fn mop_onnx_##id;
#include "onnx/exports.def"
#undef MOP_ONNX_ROW

#define MOP_ONNX_ACT_ROW(ID, id) mop_onnx_act_fn mop_onnx_act_##id;
#include "onnx/acts.def"
#undef MOP_ONNX_ACT_ROW

/* The row of op or act; NULL where there is none. */
mop_onnx_op_fn *mop_onnx_of(mop_op op);
mop_onnx_act_fn *mop_onnx_of_act(mop_act act);

#endif
