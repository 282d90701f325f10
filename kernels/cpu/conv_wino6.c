/* Winograd F(6 x 6, 3 x 3); conv_wino.h says how. */
#define WINO_M    6
#define WINO_NAME conv_wino6

#include "kernels/cpu/conv_wino.h"
