/* Networks of one operator as ONNX files with their input and expected output: parameters and
 * shapes that no variant has. */
#ifndef TESTS_SUPPORT_ONNX_NETS_H
#define TESTS_SUPPORT_ONNX_NETS_H

#include <stddef.h>

/* Writes DIR/NAME/model.onnx and DIR/NAME/test_data_set_0/ for random instances of every operator,
 * epilogue included, and for every activation. Returns how many; fails the test if one cannot be
 * written. */
size_t onnx_nets_write(const char *dir);

#endif
