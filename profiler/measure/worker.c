#include "profiler/measure/worker.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "profiler/base/alloc.h"
#include "profiler/measure/remote.h"

static void put_texts(mop_bytes *out, const char *const *texts, size_t n)
{
    for (size_t i = 0; i < n; i++)
        mop_bytes_put_text(out, texts[i]);
}

/* The structs go as they are; what their pointers lead to follows. */
void mop_job_put(const mop_job *job, mop_bytes *out)
{
    const mop_sweep_options *o = &job->options;
    mop_bytes_put(out, job, sizeof *job);
    put_texts(out, o->specs, o->n_specs);
    put_texts(out, o->backends, o->n_backends);
    mop_bytes_put_array(out, o->settings, o->n_settings, sizeof *o->settings);
    mop_bytes_put_array(out, o->threads, o->n_threads, sizeof *o->threads);
    mop_bytes_put_array(out, o->batches, o->n_batches, sizeof *o->batches);
    mop_bytes_put_text(out, o->device);
    mop_bytes_put_text(out, o->tuning);
    mop_bytes_put_text(out, o->vulkan);
    mop_bytes_put_text(out, o->pipeline_cache);
    mop_bytes_put_text(out, o->baseline);
    mop_bytes_put_array(out, job->part.dead, job->part.n_dead, sizeof *job->part.dead);
}

/* free() of what is const to readers of the job. */
static void free_const(const void *p)
{
    union {
        const void *in;
        void *out;
    } u = {.in = p};
    free(u.out);
}

static void free_texts(const char *const *texts, size_t n)
{
    for (size_t i = 0; texts != NULL && i < n; i++)
        free_const(texts[i]);
    free_const(texts);
}

static const char *const *get_texts(mop_bytes *in, size_t n)
{
    char **texts = n <= in->len ? mop_calloc(n, sizeof *texts, NULL) : NULL;
    if (texts == NULL) {
        in->failed = true;
        return NULL;
    }
    for (size_t i = 0; i < n; i++)
        texts[i] = mop_bytes_get_text(in);
    return (void *)texts;
}

mop_status mop_job_get(mop_job *job, mop_bytes *in, mop_err *err)
{
    mop_job j;
    mop_sweep_options *o = &j.options;
    mop_bytes_get(in, &j, sizeof j);
    if (in->failed)
        return mop_fail(err, MOP_EFAIL, "what came is no job");
    j.part.page = NULL;
    o->specs = get_texts(in, o->n_specs);
    o->backends = get_texts(in, o->n_backends);
    o->settings = mop_bytes_get_array(in, &o->n_settings, sizeof *o->settings);
    o->threads = mop_bytes_get_array(in, &o->n_threads, sizeof *o->threads);
    o->batches = mop_bytes_get_array(in, &o->n_batches, sizeof *o->batches);
    o->device = mop_bytes_get_text(in);
    o->tuning = mop_bytes_get_text(in);
    o->vulkan = mop_bytes_get_text(in);
    o->pipeline_cache = mop_bytes_get_text(in);
    o->baseline = mop_bytes_get_text(in);
    j.part.dead = mop_bytes_get_array(in, &j.part.n_dead, sizeof *j.part.dead);
    if (in->failed || in->at != in->len) {
        mop_job_release(&j);
        return mop_fail(err, MOP_EFAIL, "a job came incomplete");
    }
    *job = j;
    return MOP_OK;
}

void mop_job_release(mop_job *job)
{
    mop_sweep_options *o = &job->options;
    free_texts(o->specs, o->n_specs);
    free_texts(o->backends, o->n_backends);
    free_const(o->settings);
    free_const(o->threads);
    free_const(o->batches);
    free_const(o->device);
    free_const(o->tuning);
    free_const(o->vulkan);
    free_const(o->pipeline_cache);
    free_const(o->baseline);
    free_const(job->part.dead);
    *job = (mop_job){0};
}

/* The supervisor hears of Ctrl-C too and tells when to stop; a supervisor that died before the
 * death signal was asked for is no parent any more. */
static mop_status become_worker(pid_t supervisor, mop_err *err)
{
    const struct sigaction ignore = {.sa_handler = SIG_IGN};
    (void)sigaction(SIGINT, &ignore, NULL); /* cannot fail for these two */
    (void)sigaction(SIGTERM, &ignore, NULL);
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || getppid() != supervisor)
        return mop_fail(err, MOP_EIO, "the supervisor of this worker is gone");
    return MOP_OK;
}

static mop_status work(mop_remote *remote, mop_job *job, const mop_sweep_world *world, mop_err *err)
{
    const mop_record_sink sink = mop_remote_sink(remote);
    const mop_sweep_events events = mop_remote_events(remote);
    mop_part_end end = {0};
    job->part.page = remote->page;
    end.status = mop_sweep_run_part(&job->options, world, &sink, &events, &job->part, &end.outcome,
                                    &end.err);
    if (remote->broken.code != MOP_OK)
        return mop_fail(err, remote->broken.code, "%s", remote->broken.msg);
    mop_bytes_clear(&remote->out);
    mop_bytes_put(&remote->out, &end, sizeof end);
    return mop_wire_send(remote->fd, MOP_FRAME_DONE, &remote->out, err);
}

mop_status mop_worker_run(int socket, mop_work_page *page, const mop_sweep_world *world,
                          mop_err *err)
{
    mop_remote remote = {.fd = socket, .page = page};
    mop_job job = {0};
    mop_frame type = MOP_FRAME_DONE;
    mop_status st = mop_wire_receive(socket, &type, &remote.in, err);
    if (st == MOP_OK && type != MOP_FRAME_JOB)
        st = mop_fail(err, MOP_EFAIL, "something else came instead of a job");
    if (st == MOP_OK)
        st = mop_job_get(&job, &remote.in, err);
    if (st == MOP_OK)
        st = become_worker(job.supervisor, err);
    if (st == MOP_OK)
        st = work(&remote, &job, world, err);
    mop_job_release(&job);
    mop_remote_release(&remote);
    return st;
}
