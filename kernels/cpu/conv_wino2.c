/* Winograd F(2 x 2, 3 x 3); conv_wino.h says how. */
#define WINO_M    2
#define WINO_NAME conv_wino2

#include "kernels/cpu/conv_wino.h"
