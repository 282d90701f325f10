#include "profiler/engine/job.h"

#include <stdlib.h>

#include "profiler/base/alloc.h"
#include "variants/passes.h"

mop_status mop_subject_model_build(mop_subject_model *m, const mop_spec *spec, int32_t batch,
                                   uint64_t seed, unsigned fuse, mop_err *err)
{
    const mop_graph *g;
    mop_shape in;
    mop_status status;
    *m = (mop_subject_model){.spec = *spec};
    status = mop_variant_model(spec, batch, seed, &m->model, err);
    if (status != MOP_OK)
        return status;
    g = m->model->graph;
    in = g->nodes[0].inst.out;
    m->n_out = (size_t)mop_shape_elems(g->nodes[g->n_nodes - 1].inst.out);
    m->input = mop_calloc((size_t)mop_shape_elems(in), sizeof *m->input, err);
    if (m->input == NULL)
        return MOP_ENOMEM;
    mop_standard_input(in, seed, m->input);
    return mop_pass_fuse(m->model, fuse, &m->fused, err);
}

mop_status mop_subject_model_judge(mop_subject_model *m, mop_err *err)
{
    m->reference = mop_calloc(m->n_out, sizeof *m->reference, err);
    if (m->reference == NULL)
        return MOP_ENOMEM;
    return mop_reference_run(m->model, m->input, m->reference, m->n_out, err);
}

mop_status mop_subject_model_init(mop_subject_model *m, const mop_spec *spec, int32_t batch,
                                  uint64_t seed, unsigned fuse, mop_err *err)
{
    mop_status status = mop_subject_model_build(m, spec, batch, seed, fuse, err);
    return status == MOP_OK ? mop_subject_model_judge(m, err) : status;
}

void mop_subject_model_release(mop_subject_model *m)
{
    mop_model_free(m->model);
    mop_model_free(m->fused);
    free(m->input);
    free(m->reference);
    *m = (mop_subject_model){0};
}

mop_status mop_subject_model_plan(const mop_subject_model *m, const mop_backend *backend,
                                  mop_device *device, const mop_plan_desc *desc, mop_plan **plan,
                                  mop_check *check, mop_err *err)
{
    mop_status status = backend->plan(device, m->fused, desc, plan, err);
    if (status == MOP_OK)
        status = mop_check_plan(backend, device, *plan, desc, m->fused, m->input, m->reference,
                                m->n_out, check, err);
    return status;
}
