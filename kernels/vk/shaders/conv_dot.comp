#version 450
#extension GL_GOOGLE_include_directive : require
#define MOP_DOT
#include "conv_int8.glsl"
