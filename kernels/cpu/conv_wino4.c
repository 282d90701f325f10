/* Winograd F(4 x 4, 3 x 3); conv_wino.h says how. */
#define WINO_M    4
#define WINO_NAME conv_wino4

#include "kernels/cpu/conv_wino.h"
