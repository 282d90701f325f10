#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_KHR_shader_subgroup_shuffle : require
#define MOP_SHUFFLE
#include "common.glsl"
#include "conv.glsl"
