/* ONNX Runtime (npm package onnxruntime-node, which carries its shared library) in a node process
 * of its own, tests/peers/onnxruntime.js, that runs the very file that `moprof export` writes. It
 * does its own fusions
 * ("all" graph optimizations). */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "onnx/export.h"
#include "profiler/base/alloc.h"
#include "profiler/base/build.h"
#include "tests/peers/peer.h"
#include "tests/support/folder.h"

#define SCRIPT "tests/peers/onnxruntime.js"

struct mop_peer_net {
    pid_t child;
    FILE *to, *from;
    char folder[MOP_FOLDER_MAX];
};

/* node SCRIPT arg[0] arg[1] arg[2], with pipes to its input and from its output. */
static mop_status start(mop_peer_net *net, const char *const arg[3], mop_err *err)
{
    int in[2], out[2];
    if (pipe(in) != 0)
        return mop_fail(err, MOP_EIO, "no pipe: %s", strerror(errno));
    if (pipe(out) != 0) {
        (void)close(in[0]);
        (void)close(in[1]);
        return mop_fail(err, MOP_EIO, "no pipe: %s", strerror(errno));
    }
    net->child = fork();
    if (net->child == 0) {
        (void)dup2(in[0], STDIN_FILENO);
        (void)dup2(out[1], STDOUT_FILENO);
        for (int k = 0; k < 2; k++) {
            (void)close(in[k]);
            (void)close(out[k]);
        }
        (void)execlp("node", "node", SCRIPT, arg[0], arg[1], arg[2], (char *)NULL);
        _exit(127);
    }
    (void)close(in[0]);
    (void)close(out[1]);
    net->to = fdopen(in[1], "w");
    net->from = fdopen(out[0], "r");
    if (net->child < 0 || net->to == NULL || net->from == NULL)
        return mop_fail(err, MOP_EIO, "node does not start: %s", strerror(errno));
    return MOP_OK;
}

/* A word of the answer to what was asked. */
static mop_status expect(mop_peer_net *net, const char *word, mop_err *err)
{
    char got[32] = "";
    if (fscanf(net->from, "%31s", got) == 1 && strcmp(got, word) == 0)
        return MOP_OK;
    return mop_fail(err, MOP_EFAIL, "ONNX Runtime ended or answered '%s', not '%s'", got, word);
}

static void onnxruntime_close(mop_peer_net *net)
{
    if (net == NULL)
        return;
    if (net->to != NULL)
        (void)fclose(net->to); /* the end of its input ends it */
    if (net->from != NULL)
        (void)fclose(net->from);
    if (net->child > 0)
        (void)waitpid(net->child, NULL, 0);
    free(net);
}

static mop_status write_input(const mop_subject_model *m, const char *path, mop_err *err)
{
    const mop_shape s = m->model->graph->nodes[0].inst.out;
    const int64_t pixels = (int64_t)s.h * s.w, image = pixels * s.c, n = mop_shape_elems(s);
    float *nchw = mop_calloc((size_t)n, sizeof *nchw, err);
    FILE *f = nchw != NULL ? fopen(path, "wb") : NULL;
    mop_status status = MOP_OK;
    for (int64_t i = 0; nchw != NULL && i < n; i++)
        nchw[i / image * image + i % s.c * pixels + i % image / s.c] = m->input[i];
    if (f == NULL || fwrite(nchw, sizeof *nchw, (size_t)n, f) != (size_t)n)
        status = mop_fail(err, MOP_EIO, "cannot write %s", path);
    if (f != NULL && fclose(f) != 0)
        status = mop_fail(err, MOP_EIO, "cannot write %s", path);
    free(nchw);
    return status;
}

static mop_status onnxruntime_open(const mop_peer_task *task, mop_peer_net **out, mop_err *err)
{
    char model[MOP_FOLDER_MAX + 16], input[MOP_FOLDER_MAX + 16], threads[16];
    const char *const arg[] = {model, input, threads};
    const mop_onnx_desc desc = {
        .name = task->subject->spec.text, .version = mop_build_id(), .doc = ""};
    mop_peer_net *net = mop_calloc(1, sizeof *net, err);
    mop_status status;
    if (net == NULL)
        return MOP_ENOMEM;
    (void)snprintf(net->folder, sizeof net->folder, "%s", task->folder);
    (void)snprintf(model, sizeof model, "%s/model.onnx", task->folder); /* all fit */
    (void)snprintf(input, sizeof input, "%s/input.f32", task->folder);
    (void)snprintf(threads, sizeof threads, "%d", task->threads);
    status = mop_onnx_export(task->subject->model, &desc, model, err);
    if (status == MOP_OK)
        status = write_input(task->subject, input, err);
    if (status == MOP_OK)
        status = start(net, arg, err);
    if (status == MOP_OK)
        status = expect(net, "ready", err);
    (void)unlink(model); /* it has read both */
    (void)unlink(input);
    if (status != MOP_OK) {
        onnxruntime_close(net);
        return status;
    }
    *out = net;
    return MOP_OK;
}

static mop_status onnxruntime_run(mop_peer_net *net, int times, uint64_t *ns, mop_err *err)
{
    (void)fprintf(net->to, "run %d\n", times);
    if (fflush(net->to) != 0)
        return mop_fail(err, MOP_EFAIL, "ONNX Runtime's process ended");
    for (int i = 0; i < times; i++) {
        unsigned long long t;
        if (fscanf(net->from, "%llu", &t) != 1)
            return mop_fail(err, MOP_EFAIL, "ONNX Runtime's process ended in a run");
        ns[i] = t;
    }
    return MOP_OK;
}

static mop_status onnxruntime_output(mop_peer_net *net, float *out, size_t n, mop_err *err)
{
    char path[MOP_FOLDER_MAX + 16];
    size_t got = 0;
    FILE *f;
    mop_status status;
    (void)snprintf(path, sizeof path, "%s/output.f32", net->folder); /* fits */
    (void)fprintf(net->to, "output %s\n", path);
    (void)fflush(net->to); /* a failure shows in the answer */
    status = expect(net, "written", err);
    f = status == MOP_OK ? fopen(path, "rb") : NULL;
    if (f != NULL) {
        got = fread(out, sizeof *out, n, f);
        (void)fclose(f);
    }
    (void)unlink(path);
    if (status == MOP_OK && got != n)
        status = mop_fail(err, MOP_EFAIL, "ONNX Runtime's output has %zu values, not %zu", got, n);
    return status;
}

static pid_t onnxruntime_process(const mop_peer_net *net)
{
    return net->child;
}

static mop_status onnxruntime_version(char *text, size_t size, mop_err *err)
{
    FILE *f = popen("node " SCRIPT " --version 2>/dev/null && node " SCRIPT " --overhead", "r");
    char version[32] = "";
    double overhead = 0;
    int n = 0;
    if (f != NULL) {
        n = fscanf(f, "%31s %lf", version, &overhead);
        (void)pclose(f);
    }
    if (n != 2)
        return mop_fail(err, MOP_ENODEV, "node cannot load onnxruntime-node");
    (void)snprintf(text, size, "ONNX Runtime %s through node (an empty run takes %.1f us)", version,
                   overhead / 1e3);
    return MOP_OK;
}

const mop_peer mop_peer_onnxruntime = {
    .name = "onnxruntime",
    .install = "node, and npm ci --prefix tests/peers --ignore-scripts",
    .version = onnxruntime_version,
    .open = onnxruntime_open,
    .close = onnxruntime_close,
    .run = onnxruntime_run,
    .output = onnxruntime_output,
    .process = onnxruntime_process,
};
