/* Networks of one operator as ONNX files with their input and expected output: parameters and
 * shapes that no variant has. */
#ifndef TESTS_SUPPORT_ONNX_NETS_H
#define TESTS_SUPPORT_ONNX_NETS_H

/* Writes DIR/NAME/model.onnx and DIR/NAME/test_data_set_0/ for random instances of every operator,
 * epilogue included, and for every activation. Fails the test if one cannot be written. */
void onnx_nets_write(const char *dir);

#endif
