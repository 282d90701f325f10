#version 450
#extension GL_EXT_shader_explicit_arithmetic_types_int64 : require
#extension GL_GOOGLE_include_directive : require
#extension GL_KHR_shader_subgroup_shuffle : require
#define MOP_SHUFFLE
#define MOP_PAIRS
#include "common.glsl"
#include "conv.glsl"
