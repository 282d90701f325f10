/* What a layer is, in the words of the field: "conv3x3 s2", "dwconv3x3", "conv1x1", "act relu". */
#ifndef PROFILER_CLI_LAYER_KIND_H
#define PROFILER_CLI_LAYER_KIND_H

#include "kernels/op.h"

/* Writes the words to text[size], cut if they do not fit. */
void mop_layer_kind(const mop_op_inst *inst, char *text, size_t size);

#endif
