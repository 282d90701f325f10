#include "profiler/cli/sweep_view.h"

#include <inttypes.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A signal handler has no other way to reach its program. */
static volatile sig_atomic_t signal_seen;

static void on_signal(int number)
{
    if (signal_seen)
        _exit(128 + number); /* asked twice: finished passes are on disk already */
    signal_seen = 1;
}

static void clear_line(const mop_sweep_view *v)
{
    if (v->is_terminal)
        fputs("\r\033[K", stderr);
}

static void note(void *ctx, const char *sentence)
{
    clear_line(ctx);
    fprintf(stderr, "moprof: %s\n", sentence);
}

static void planned(void *ctx, const mop_sweep_row *row, size_t index, size_t n_rows)
{
    mop_sweep_view *v = ctx;
    if (v->row_printed == NULL) {
        v->row_printed = calloc(n_rows, sizeof *v->row_printed);
        v->n_rows = v->row_printed != NULL ? n_rows : 0;
        if (!v->is_quiet)
            fprintf(stderr, "plan: %zu rows\n", n_rows);
    }
    (void)row;
    (void)index;
}

static void bar(const char *what, size_t done, size_t total, const char *tail)
{
    enum { WIDTH = 24 };
    size_t full = total > 0 ? done * WIDTH / total : 0;
    fprintf(stderr, "\r\033[K%s [", what);
    for (size_t i = 0; i < WIDTH; i++)
        fputc(i < full ? '#' : '.', stderr);
    fprintf(stderr, "] %zu/%zu %s", done, total, tail);
    (void)fflush(stderr); /* only a picture */
}

static void prepared(void *ctx, const mop_sweep_row *row, size_t index, size_t n_rows)
{
    mop_sweep_view *v = ctx;
    char tail[256];
    if (row->record.state == MOP_FAILED || row->record.state == MOP_SKIPPED) {
        clear_line(v);
        fprintf(stderr, "moprof: %s on %s %s: %s\n", row->variant, row->backend,
                row->record.state == MOP_FAILED ? "failed" : "was skipped", row->record.reason);
        return;
    }
    if (v->is_quiet)
        return;
    (void)snprintf(tail, sizeof tail, "%s on %s, error %.2f of its bound", row->variant,
                   row->backend, row->record.node_error); /* cut is fine */
    if (v->is_terminal)
        bar("check", index + 1, n_rows, tail);
    else
        fprintf(stderr, "check %zu/%zu: %s\n", index + 1, n_rows, tail);
}

void mop_sweep_row_setting(const mop_sweep_row *row, char out[MOP_SETTING_TEXT])
{
    const mop_measurement_record *r = &row->record;
    const bool is_plain = strcmp(r->dtype, mop_dtype_name(MOP_DTYPE_FP32)) == 0;
    (void)snprintf(out, MOP_SETTING_TEXT, "%s/%s/%s%s%s", r->fuse, r->winograd, r->cache,
                   is_plain ? "" : "/", is_plain ? "" : r->dtype); /* fits */
}

static void print_row(mop_sweep_view *v, const mop_sweep_row *r)
{
    char interval[64] = "too few passes", half[16] = "", setting[MOP_SETTING_TEXT];
    if (isfinite(r->low_ns) && isfinite(r->high_ns)) { /* both fit, or are cut */
        (void)snprintf(interval, sizeof interval, "[%10.3f, %10.3f]", r->low_ns / 1e6,
                       r->high_ns / 1e6);
        (void)snprintf(half, sizeof half, "%.2f%%", 50 * (r->high_ns - r->low_ns) / r->median_ns);
    }
    clear_line(v);
    if (!v->header_printed)
        fprintf(stderr, "%-34s %-7s %3s %-19s %12s %24s %7s %9s\n", "variant", "backend", "thr",
                "fuse/winograd/cache", "median ms", "95 % interval", "+-", "clean");
    v->header_printed = true;
    mop_sweep_row_setting(r, setting);
    fprintf(stderr, "%-34s %-7s %3d %-19s %12.3f %24s %7s %4" PRIu32 "/%-4" PRIu32 "\n", r->variant,
            r->backend, r->threads, setting, r->median_ns / 1e6, interval, half, r->n_clean, r->n);
}

static void pass_done(void *ctx, uint32_t passes, uint32_t satisfied, uint64_t eta_ns,
                      const mop_sweep_row *rows, size_t n_rows)
{
    mop_sweep_view *v = ctx;
    char tail[128];
    size_t alive = 0;
    if (v->is_quiet)
        return;
    for (size_t i = 0; i < n_rows; i++) {
        alive += rows[i].record.state == MOP_PENDING;
        if (i < v->n_rows && !v->row_printed[i] && rows[i].is_satisfied) {
            print_row(v, &rows[i]);
            v->row_printed[i] = true;
        }
    }
    (void)snprintf(tail, sizeof tail,
                   "rows settled after pass %" PRIu32 ", at most %" PRIu64 " min %02" PRIu64
                   " s left",
                   passes, eta_ns / UINT64_C(60000000000), eta_ns / UINT64_C(1000000000) % 60);
    if (v->is_terminal)
        bar("measure", satisfied, alive > satisfied ? alive : satisfied, tail);
    else if (passes % 4 == 0 || passes == 1)
        fprintf(stderr, "measure: %" PRIu32 " %s\n", satisfied, tail);
}

static void finished(void *ctx, const mop_sweep_row *rows, size_t n_rows)
{
    mop_sweep_view *v = ctx;
    for (size_t i = 0; i < n_rows; i++) {
        bool is_noisy =
            rows[i].n >= MOP_VIEW_ENOUGH_CLEAN && rows[i].n_clean < MOP_VIEW_ENOUGH_CLEAN;
        v->n_noisy += is_noisy;
        v->n_out_of_time += !is_noisy && rows[i].record.stop == MOP_STOP_BUDGET;
        v->n_out_of_passes += !is_noisy && rows[i].record.stop == MOP_STOP_PASSES;
    }
    if (v->is_quiet)
        return;
    for (size_t i = 0; i < n_rows && i < v->n_rows; i++)
        if (!v->row_printed[i] && isfinite(rows[i].median_ns))
            print_row(v, &rows[i]);
    clear_line(v);
}

static bool interrupted(void *ctx)
{
    (void)ctx;
    return signal_seen != 0;
}

mop_sweep_events mop_sweep_view_events(mop_sweep_view *view)
{
    struct sigaction action = {.sa_handler = on_signal};
    view->is_terminal = isatty(STDERR_FILENO) != 0 && !view->is_quiet;
    (void)sigaction(SIGINT, &action, NULL); /* cannot fail for these two */
    (void)sigaction(SIGTERM, &action, NULL);
    return (mop_sweep_events){
        .note = note,
        .planned = planned,
        .prepared = prepared,
        .pass_done = pass_done,
        .finished = finished,
        .interrupted = interrupted,
        .ctx = view,
    };
}

void mop_sweep_view_release(mop_sweep_view *view)
{
    free(view->row_printed);
    view->row_printed = NULL;
    view->n_rows = 0;
}
