#version 450
#extension GL_EXT_shader_explicit_arithmetic_types_int64 : require
#extension GL_GOOGLE_include_directive : require
#define MOP_PAIRS
#include "common.glsl"
#include "depthwise.glsl"
