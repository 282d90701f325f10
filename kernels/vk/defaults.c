#include "kernels/vk/defaults.h"

static const mop_vk_default rows[] = {
#define ANY MOP_VK_ANY
#define MOP_VK_DEFAULT_ROW(driver, vendor, type, class, kernel, source, stores, x, y, t)           \
    {driver, vendor, type, class, kernel, source, stores, x, y, t},
#include "kernels/vk/defaults.def"
#undef MOP_VK_DEFAULT_ROW
#undef ANY
};

const mop_vk_default *mop_vk_default_at(size_t i)
{
    return i < sizeof rows / sizeof rows[0] ? &rows[i] : NULL;
}

static bool is_pixel(mop_shape s)
{
    return s.h == 1 && s.w == 1;
}

mop_vk_class mop_vk_class_of(const mop_op_inst *inst)
{
    const mop_conv_params *p = &inst->params.u.conv;
    if (inst->op != MOP_OP_CONV2D)
        return MOP_VK_OTHER;
    if (p->groups == 1)
        return is_pixel(inst->in[0]) && is_pixel(inst->out) ? MOP_VK_OTHER : MOP_VK_DENSE;
    return p->groups == inst->in[0].c && p->cout == p->groups ? MOP_VK_DEPTHWISE : MOP_VK_OTHER;
}

static bool meets(int64_t wanted, int64_t has)
{
    return wanted == MOP_VK_ANY || wanted == has;
}

bool mop_vk_default_is_for(const mop_vk_default *row, const mop_vk_caps *caps,
                           const mop_op_inst *inst)
{
    return meets(row->driver, caps->driver) && meets(row->vendor, caps->vendor) &&
           meets(row->type, caps->type) &&
           (row->class == MOP_VK_CLASSES || row->class == mop_vk_class_of(inst));
}

bool mop_vk_default_takes(const mop_vk_default *row, const mop_vk_kernel *kernel,
                          const mop_vk_variant *variant)
{
    return (row->kernel == NULL || strcmp(row->kernel, kernel->name) == 0) &&
           meets(row->source, variant->source) && meets(row->stores, variant->stores) &&
           meets(row->x, variant->x) && meets(row->y, variant->y) && meets(row->t, variant->t);
}
