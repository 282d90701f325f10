/* The format: https://docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU,
 * "Trace Event Format". Complete events ("X") with ts and dur in microseconds from the first run
 * on; names of processes and tracks are metadata events ("M"). */
#include "profiler/cli/trace.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "profiler/base/alloc.h"
#include "profiler/base/build.h"
#include "profiler/base/outfile.h"
#include "profiler/cli/layer_kind.h"

enum { HOST = 1, DEVICE = 2 };

struct mop_trace {
    json_t *events, *about;
    mop_trace_process process;
    json_int_t pid;
    uint64_t zero;             /* the moment that is 0 in the file */
    uint64_t last[DEVICE + 1]; /* end of the latest event of each track of the process */
    bool has_zero;
};

static mop_status no_memory(mop_err *err)
{
    return mop_fail(err, MOP_ENOMEM, "out of memory for the events of a trace");
}

mop_status mop_trace_create(mop_trace **out, mop_err *err)
{
    mop_trace *t = mop_calloc(1, sizeof *t, err);
    if (t == NULL)
        return MOP_ENOMEM;
    t->events = json_array();
    t->about = json_pack("{s:s}", "moprof", mop_build_id());
    if (t->events == NULL || t->about == NULL) {
        mop_trace_free(t);
        return no_memory(err);
    }
    *out = t;
    return MOP_OK;
}

void mop_trace_free(mop_trace *trace)
{
    if (trace == NULL)
        return;
    json_decref(trace->events);
    json_decref(trace->about);
    free(trace);
}

static mop_status add_name(mop_trace *t, const char *what, int tid, const char *name, mop_err *err)
{
    json_t *e = json_pack("{s:s, s:s, s:I, s:i, s:{s:s}}", "name", what, "ph", "M", "pid", t->pid,
                          "tid", tid, "args", "name", name);
    return json_array_append_new(t->events, e) == 0 ? MOP_OK : no_memory(err);
}

mop_status mop_trace_begin(mop_trace *trace, const mop_trace_process *process, mop_err *err)
{
    char name[320];
    const bool is_host = process->backend->times == NULL;
    trace->process = *process;
    trace->pid++;
    trace->last[HOST] = trace->last[DEVICE] = 0;
    (void)snprintf(name, sizeof name, "%s on %s: %s%s", process->variant, process->backend->id,
                   process->info->name,
                   process->info->is_software ? " (software)" : ""); /* fits, or is cut */
    mop_status s = add_name(trace, "process_name", 0, name, err);
    if (s == MOP_OK)
        s = add_name(trace, "thread_name", HOST, is_host ? "layers" : "host", err);
    if (s == MOP_OK && !is_host)
        s = add_name(trace, "thread_name", DEVICE, "device", err);
    return s;
}

/* An event from begin on, `ns` long, which takes args. Clocks that are laid on each other may be
 * off by less than a microsecond: an event does not begin before the one before it has ended. */
static mop_status add(mop_trace *t, int tid, const char *name, uint64_t begin, uint64_t ns,
                      json_t *args, mop_err *err)
{
    if (begin < t->last[tid])
        begin = t->last[tid];
    t->last[tid] = begin + ns;
    json_t *e =
        json_pack("{s:s, s:s, s:s, s:I, s:i, s:f, s:f, s:o*}", "name", name, "cat",
                  tid == HOST ? "host" : "device", "ph", "X", "pid", t->pid, "tid", tid, "ts",
                  (double)(begin - t->zero) / 1e3, "dur", (double)ns / 1e3, "args", args);
    return json_array_append_new(t->events, e) == 0 ? MOP_OK : no_memory(err);
}

static json_t *describe(const mop_trace *t, uint32_t node)
{
    const mop_op_inst *inst = &t->process.graph->nodes[node].inst;
    char kind[48], shape[64];
    mop_cost cost;
    mop_op_cost(inst, &cost);
    mop_layer_kind(inst, kind, sizeof kind);
    (void)snprintf(shape, sizeof shape, "%" PRId32 "x%" PRId32 "x%" PRId32 "x%" PRId32, inst->out.n,
                   inst->out.h, inst->out.w, inst->out.c); /* four numbers fit */
    return json_pack("{s:s, s:s, s:s, s:I, s:I}", "op", kind, "kernel",
                     t->process.backend->kernel_name(t->process.plan, node), "output", shape,
                     "macs", (json_int_t)cost.macs, "bytes",
                     (json_int_t)(cost.bytes_read + cost.bytes_written));
}

/* How the device's track lies beside the host's. */
static mop_status say_clocks(mop_trace *t, const mop_profile *profile, mop_err *err)
{
    char text[160];
    if (profile == NULL)
        (void)snprintf(text, sizeof text, "no device timestamps that can be trusted");
    else if (profile->is_calibrated)
        (void)snprintf(text, sizeof text,
                       "device and host clock were read together, at most %" PRIu64 " ns apart",
                       profile->deviation_ns);
    else
        (void)snprintf(text, sizeof text,
                       "device and host clock could not be read together: the device's work is put "
                       "in the middle of the host's waiting");
    return json_object_set_new(t->about, t->process.backend->id, json_string(text)) == 0
               ? MOP_OK
               : no_memory(err);
}

static mop_status add_host(mop_trace *t, const mop_run_times *r, mop_err *err)
{
    const struct {
        const char *name;
        uint64_t begin, end;
    } spans[] = {{"input to NC4HW4", r->begin, r->packed},
                 {"submit", r->submitting, r->submitted},
                 {"wait", r->submitted, r->finished},
                 {"output to NHWC", r->unpacking, r->end}};
    mop_status s = MOP_OK;
    for (size_t i = 0; i < sizeof spans / sizeof spans[0] && s == MOP_OK; i++)
        s = add(t, HOST, spans[i].name, spans[i].begin, spans[i].end - spans[i].begin, NULL, err);
    return s;
}

mop_status mop_trace_add(mop_trace *trace, const mop_run_times *times, const mop_profile *profile,
                         mop_err *err)
{
    mop_status s = MOP_OK;
    if (!trace->has_zero)
        trace->zero = times != NULL ? times->begin : profile->begin_ns[0];
    trace->has_zero = true;
    if (times != NULL)
        s = add_host(trace, times, err);
    if (s == MOP_OK && times != NULL)
        s = say_clocks(trace, profile, err);
    for (uint32_t i = 0; profile != NULL && i < profile->n_layers && s == MOP_OK; i++)
        if (profile->layer_ns[i] > 0)
            s = add(trace, times != NULL ? DEVICE : HOST, trace->process.graph->nodes[i].name,
                    profile->begin_ns[i], profile->layer_ns[i], describe(trace, i), err);
    return s;
}

mop_status mop_trace_write(const mop_trace *trace, const char *file, mop_err *err)
{
    mop_outfile out;
    json_t *all = json_pack("{s:O, s:s, s:O}", "traceEvents", trace->events, "displayTimeUnit",
                            "ms", "otherData", trace->about);
    if (all == NULL)
        return no_memory(err);
    mop_status s = mop_outfile_open(&out, file, err);
    if (s == MOP_OK) {
        (void)json_dumpf(all, out.f, JSON_COMPACT | JSON_REAL_PRECISION(15)); /* commit checks */
        (void)fputc('\n', out.f);
        s = mop_outfile_commit(&out, err);
    }
    json_decref(all);
    return s;
}
