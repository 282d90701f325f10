// What a convolution is, for all of its shaders: mop_vk_set_conv() fills these constants; a shader's
// own begin with 16.
layout(constant_id = 1) const uint IMAGES = 1;
layout(constant_id = 2) const uint C = 4;
layout(constant_id = 3) const uint IH = 1;
layout(constant_id = 4) const uint IW = 1;
layout(constant_id = 5) const uint O = 4;
layout(constant_id = 6) const uint OH = 1;
layout(constant_id = 7) const uint OW = 1;
layout(constant_id = 8) const uint KH = 1;
layout(constant_id = 9) const uint KW = 1;
layout(constant_id = 10) const uint STRIDE = 1;
layout(constant_id = 11) const uint DILATION = 1;
layout(constant_id = 12) const uint PAD_TOP = 0;
layout(constant_id = 13) const uint PAD_LEFT = 0;
layout(constant_id = 14) const uint ACT = 0;
layout(constant_id = 15) const bool RESIDUAL = false; // src1
