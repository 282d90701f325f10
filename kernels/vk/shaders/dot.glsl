// sum + the products of four signed 8-bit integers in a and in b, with MOP_DOT in one instruction
// of VK_KHR_shader_integer_dot_product.
#ifdef MOP_DOT
#extension GL_EXT_spirv_intrinsics : require
// OpSDotKHR; capabilities DotProduct, DotProductInput4x8BitPacked; form 0: PackedVectorFormat4x8Bit
spirv_instruction(extensions = ["SPV_KHR_integer_dot_product"], capabilities = [6019, 6018], id = 4450)
int dot_packed(uint a, uint b, spirv_literal int form);

int dot4(int sum, uint a, uint b)
{
    return sum + dot_packed(a, b, 0);
}
#else
int dot4(int sum, uint a, uint b)
{
    const int x = int(a), y = int(b);
    return sum + (x << 24 >> 24) * (y << 24 >> 24) + (x << 16 >> 24) * (y << 16 >> 24) +
           (x << 8 >> 24) * (y << 8 >> 24) + (x >> 24) * (y >> 24);
}
#endif

// The same for four outputs, of which each has a component of b.
ivec4 dot4(ivec4 sum, uint a, uvec4 b)
{
    return ivec4(dot4(sum.x, a, b.x), dot4(sum.y, a, b.y), dot4(sum.z, a, b.z), dot4(sum.w, a, b.w));
}
