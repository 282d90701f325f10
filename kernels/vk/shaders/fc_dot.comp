#version 450
#extension GL_GOOGLE_include_directive : require
#define MOP_DOT
#include "fc_int8.glsl"
