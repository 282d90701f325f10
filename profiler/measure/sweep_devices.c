/* The devices of a sweep, and what cannot be measured on them. */
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include "profiler/base/alloc.h"
#include "profiler/engine/cpu_info.h"
#include "profiler/measure/sweep_internal.h"

static bool knows_device(const sweep *s, const sweep_device *d)
{
    for (size_t i = 0; i < s->n_devices; i++) {
        if (s->devices[i].backend == d->backend && s->devices[i].info.threads == d->info.threads)
            return true;
    }
    return false;
}

/* One back end with every number of threads. A device that ignores the number is kept once. */
static mop_status open_backend(sweep *s, const mop_backend *backend, mop_err *err)
{
    const mop_sweep_options *o = s->options;
    for (size_t i = 0; i < o->n_threads; i++) {
        const mop_device_choice choice = {.selector = o->device,
                                          .threads = o->threads[i],
                                          .isa_mask = o->isa_mask,
                                          .tuning = o->tuning,
                                          .vulkan = o->vulkan,
                                          .pipeline_cache = o->pipeline_cache};
        sweep_device d = {.backend = backend};
        mop_status st = backend->open(&choice, &d.handle, err);
        if (st != MOP_OK)
            return st;
        backend->info(d.handle, &d.info);
        mop_sweep_tell_remark(s, &d);
        if (knows_device(s, &d))
            backend->close(d.handle);
        else
            s->devices[s->n_devices++] = d;
        if (d.info.is_software && i == 0)
            mop_sweep_note(s, MOP_SOFTWARE_REMARK, d.info.name);
    }
    return MOP_OK;
}

/* Its caches, and its threads, are those of this machine's processors. */
static bool is_on_host(const sweep_device *d)
{
    return strcmp(d->info.type, "cpu") == 0 || d->info.is_software;
}

/* Threads that must take turns say more about the scheduler than about a network. */
static void tell_threads(const sweep *s)
{
    cpu_set_t set;
    int cores = sched_getaffinity(0, sizeof set, &set) == 0 ? mop_cpu_cores("", &set) : 0;
    double quota = mop_cpu_quota("");
    int most = 0;
    for (size_t i = 0; i < s->n_devices; i++) {
        bool is_here = is_on_host(&s->devices[i]); /* its threads are the host's */
        most = is_here && s->devices[i].info.threads > most ? s->devices[i].info.threads : most;
    }
    if (cores > 0 && most > cores)
        mop_sweep_note(s, "%d threads share the %d physical cores that this process may use", most,
                       cores);
    if (quota > 0 && most > quota)
        mop_sweep_note(s,
                       "the control group's quota is %.2f processors: %d threads will be throttled",
                       quota, most);
}

mop_status mop_sweep_open_devices(sweep *s, mop_err *err)
{
    const mop_sweep_options *o = s->options;
    size_t cap;
    if (!mop_mul_size(o->n_backends, o->n_threads, &cap) || cap == 0)
        return mop_fail(err, MOP_EINVAL, "a sweep needs at least one back end and thread count");
    s->devices = mop_calloc(cap, sizeof *s->devices, err);
    if (s->devices == NULL)
        return MOP_ENOMEM;
    for (size_t i = 0; i < o->n_backends; i++) {
        mop_err why = {0};
        const mop_backend *backend = s->world->find_backend(o->backends[i], &why);
        mop_status st = backend != NULL ? open_backend(s, backend, &why) : MOP_EINVAL;
        if (st == MOP_ENODEV && !o->backends_named)
            mop_sweep_note(s, "back end %s is left out: %s", o->backends[i], why.msg);
        else if (st != MOP_OK)
            return mop_fail(err, st, "%s", why.msg);
    }
    if (s->n_devices == 0)
        return mop_fail(err, MOP_ENODEV, "no back end has a device on this machine");
    tell_threads(s);
    return MOP_OK;
}

void mop_sweep_close_devices(sweep *s)
{
    for (size_t i = 0; i < s->n_devices; i++) {
        mop_sweep_tell_remark(s, &s->devices[i]);
        s->devices[i].backend->close(s->devices[i].handle);
    }
    free(s->devices);
}

bool mop_sweep_is_beyond(const sweep_device *d, const mop_setting *setting, mop_err *why)
{
    if (mop_backend_runs(d->backend, d->handle, setting->dtype, why) != MOP_OK)
        return true;
    if (!setting->is_cold || is_on_host(d))
        return false;
    (void)mop_fail(why, MOP_EUNSUPPORTED,
                   "the caches of %s device \"%.80s\" cannot be emptied from outside",
                   d->backend->id, d->info.name);
    return true;
}
