#version 450
#extension GL_EXT_control_flow_attributes : require

// Work whose length is known: `rounds` times 64 steps of Marsaglia's xorshift (2003), each of which
// needs the one before. The test of the timer (kernels/vk/timer.c) checks the result.
layout(local_size_x_id = 0) in;
layout(set = 0, binding = 0) buffer Spin { uint rounds, state, result; };

void main()
{
    const uint n = rounds;
    uint x = state + gl_LocalInvocationID.x;
    for (uint i = 0; i < n; i++) {
        [[unroll]] for (uint k = 0; k < 64; k++) {
            x ^= x << 13;
            x ^= x >> 17;
            x ^= x << 5;
        }
    }
    if (gl_LocalInvocationID.x == 0)
        result = x;
}
