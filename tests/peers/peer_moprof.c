/* moprof's own CPU back end: as it is used, and held to the scalar kernels. */
#include <stdio.h>
#include <stdlib.h>

#include "kernels/cpu/isa.h"
#include "profiler/base/alloc.h"
#include "profiler/base/build.h"
#include "profiler/base/clock.h"
#include "tests/peers/peer.h"
#include "variants/passes.h"

struct mop_peer_net {
    const mop_backend *backend;
    const mop_subject_model *subject;
    mop_device *device;
    mop_plan *plan;
    float *out;
    mop_clock clock;
};

static void moprof_close(mop_peer_net *net)
{
    if (net == NULL)
        return;
    net->backend->plan_free(net->plan);
    net->backend->close(net->device);
    free(net->out);
    free(net);
}

static mop_status open_masked(const mop_peer_task *task, unsigned isa_mask, mop_peer_net **out,
                              mop_err *err)
{
    const mop_device_choice choice = {.threads = task->threads, .isa_mask = isa_mask};
    const mop_plan_desc desc = {.fuse = MOP_FUSE_ALL};
    const mop_backend *backend = mop_backend_find("cpu", err);
    mop_peer_net *net = backend != NULL ? mop_calloc(1, sizeof *net, err) : NULL;
    mop_status status = MOP_ENOMEM;
    if (net == NULL)
        return err->code;
    net->backend = backend;
    net->subject = task->subject;
    net->clock = mop_clock_real();
    net->out = mop_calloc(task->subject->n_out, sizeof *net->out, err);
    if (net->out != NULL)
        status = backend->open(&choice, &net->device, err);
    if (status == MOP_OK)
        status = backend->plan(net->device, task->subject->fused, &desc, &net->plan, err);
    if (status != MOP_OK) {
        moprof_close(net);
        return status;
    }
    *out = net;
    return MOP_OK;
}

static mop_status moprof_open(const mop_peer_task *task, mop_peer_net **out, mop_err *err)
{
    return open_masked(task, MOP_ISA_ALL, out, err);
}

static mop_status scalar_open(const mop_peer_task *task, mop_peer_net **out, mop_err *err)
{
    return open_masked(task, 1u << MOP_ISA_SCALAR, out, err);
}

static mop_status moprof_run(mop_peer_net *net, int times, uint64_t *ns, mop_err *err)
{
    mop_status status = MOP_OK;
    for (int i = 0; i < times && status == MOP_OK; i++) {
        const uint64_t start = mop_now_ns(&net->clock);
        status = net->backend->run(net->plan, net->subject->input, net->out, NULL, err);
        ns[i] = mop_now_ns(&net->clock) - start;
    }
    return status;
}

static mop_status moprof_output(mop_peer_net *net, float *out, size_t n, mop_err *err)
{
    (void)err;
    for (size_t i = 0; i < n; i++)
        out[i] = net->out[i];
    return MOP_OK;
}

static double moprof_bound(const mop_peer_net *net)
{
    return mop_network_bound(net->subject->fused->graph, net->backend, net->plan);
}

static mop_status moprof_version(char *text, size_t size, mop_err *err)
{
    (void)err;
    (void)snprintf(text, size, "moprof %s, %s kernels", mop_build_id(),
                   mop_isa_name(mop_isa_best(MOP_ISA_ALL))); /* cut is fine */
    return MOP_OK;
}

static mop_status scalar_version(char *text, size_t size, mop_err *err)
{
    (void)err;
    (void)snprintf(text, size, "moprof %s, scalar kernels", mop_build_id()); /* cut is fine */
    return MOP_OK;
}

const mop_peer mop_peer_moprof = {
    .name = "moprof",
    .install = "",
    .version = moprof_version,
    .open = moprof_open,
    .close = moprof_close,
    .run = moprof_run,
    .output = moprof_output,
    .bound = moprof_bound,
};

const mop_peer mop_peer_scalar = {
    .name = "scalar",
    .is_slow = true,
    .install = "",
    .version = scalar_version,
    .open = scalar_open,
    .close = moprof_close,
    .run = moprof_run,
    .output = moprof_output,
    .bound = moprof_bound,
};
