#include "tests/peers/results.h"

#include <math.h>
#include <stdio.h>

static double gflops(const mop_result *r, const mop_result_engine *e)
{
    return 2 * (double)r->macs / e->ns;
}

static double percent_of_peak(const mop_result *r, const mop_result_engine *e)
{
    return 100 * gflops(r, e) / (r->peak / 1e9);
}

/* A NaN leaves the cell NULL: what was not timed has no number. */
static mop_status put_timed(mop_cell *cell, const mop_result *r, const mop_result_engine *e,
                            mop_err *err)
{
    const double bytes_per_s = (double)r->bytes / e->ns * 1e9;
    const struct {
        double v;
        int decimals;
    } reals[] = {{e->best_ns / 1e6, 3},
                 {e->ns / 1e6, 3},
                 {gflops(r, e), 1},
                 {percent_of_peak(r, e), 1},
                 {(double)r->bytes / 1e6, 1},
                 {bytes_per_s / 1e9, 1},
                 {100 * bytes_per_s / r->bandwidth, 1},
                 {e->ratio.est, 3},
                 {e->ratio.lo, 3},
                 {e->ratio.hi, 3}};
    mop_status status = MOP_OK;
    for (size_t i = 0; i < sizeof reals / sizeof reals[0] && status == MOP_OK; i++)
        status = mop_cell_set_real(&cell[i], reals[i].v, reals[i].decimals, err);
    return status;
}

static mop_status put_row(mop_table *t, const mop_result *r, const mop_result_engine *e,
                          mop_err *err)
{
    char error[32];
    mop_cell *cell = mop_table_row(t, err);
    mop_status status = cell != NULL ? mop_cell_set_text(&cell[0], r->spec, err) : MOP_ENOMEM;
    if (status == MOP_OK)
        status = mop_cell_set_int(&cell[1], r->threads, err);
    if (status == MOP_OK)
        status = mop_cell_set_text(&cell[2], e->name, err);
    if (status == MOP_OK && e->why[0] == '\0')
        status = put_timed(&cell[3], r, e, err);
    if (status == MOP_OK && e->why[0] == '\0')
        status = mop_cell_set_int(&cell[13], r->rounds, err);
    if (status == MOP_OK && e->why[0] == '\0')
        status = mop_cell_set_int(&cell[14], e->clean, err);
    (void)snprintf(error, sizeof error, "%.1e", e->error); /* fits */
    if (status == MOP_OK && !isnan(e->error))
        status = mop_cell_set_text(&cell[15], error, err);
    if (status == MOP_OK)
        status = mop_cell_set_text(&cell[16], e->why, err);
    return status;
}

mop_status mop_results_long(const mop_result *r, size_t n, mop_table *out, mop_err *err)
{
    static const char *const cols[] = {"network", "threads",  "engine", "best_ms", "ms",
                                       "gflop_s", "peak_%",   "mbyte",  "gbyte_s", "dram_%",
                                       "ratio",   "lo",       "hi",     "rounds",  "clean",
                                       "error",   "not_timed"};
    mop_status status = mop_table_start(out, cols, sizeof cols / sizeof cols[0], err);
    for (size_t i = 0; i < n && status == MOP_OK; i++)
        for (size_t k = 0; k < r[i].n_engines && status == MOP_OK; k++)
            status = put_row(out, &r[i], &r[i].engines[k], err);
    return status;
}

/* The engine with the smallest ratio to the first one, whose own is 1; "even" where the interval of
 * a ratio does not tell it from the first. */
static const char *fastest(const mop_result *r)
{
    const char *name = r->engines[0].name;
    double least = 1;
    bool is_even = false;
    for (size_t k = 1; k < r->n_engines; k++) {
        const mop_result_engine *e = &r->engines[k];
        if (e->why[0] != '\0')
            continue;
        is_even = is_even || !(e->ratio.lo > 1 || e->ratio.hi < 1);
        if (e->ratio.hi < 1 && e->ratio.est < least) {
            least = e->ratio.est;
            name = e->name;
        }
    }
    return least < 1 || !is_even ? name : "even";
}

static mop_status put_engine(mop_cell *cell, const mop_result *r, size_t k, mop_err *err)
{
    const mop_result_engine *e = &r->engines[k];
    char text[64] = "-";
    mop_status status;
    if (e->why[0] == '\0')
        (void)snprintf(text, sizeof text, "%.1f", percent_of_peak(r, e)); /* fits */
    status = mop_cell_set_text(&cell[0], text, err);
    if (k == 0 || status != MOP_OK)
        return status;
    if (e->why[0] == '\0')
        (void)snprintf(text, sizeof text, "%.3f [%.3f, %.3f]", e->ratio.est, e->ratio.lo,
                       e->ratio.hi); /* fits */
    return mop_cell_set_text(&cell[1], text, err);
}

mop_status mop_results_wide(const mop_result *r, size_t n, mop_table *out, mop_err *err)
{
    char names[2 * MOP_PEERS_MOST + 2][40];
    const char *cols[2 * MOP_PEERS_MOST + 3];
    const size_t n_engines = n > 0 ? r[0].n_engines : 0, n_cols = 2 * n_engines + 2;
    mop_status status;
    cols[0] = "network";
    cols[1] = "ms"; /* of the first engine, which has no ratio */
    for (size_t c = 2; c < n_cols - 1; c++) {
        (void)snprintf(names[c], sizeof names[c], c % 2 == 1 || c == 2 ? "%s_peak_%%" : "%s_ratio",
                       r[0].engines[c == 2 ? 0 : (c - 1) / 2].name); /* fits */
        cols[c] = names[c];
    }
    cols[n_cols - 1] = "fastest";
    status = mop_table_start(out, cols, n_cols, err);
    for (size_t i = 0; i < n && status == MOP_OK; i++) {
        mop_cell *cell = mop_table_row(out, err);
        status = cell != NULL ? mop_cell_set_text(&cell[0], r[i].spec, err) : MOP_ENOMEM;
        if (status == MOP_OK)
            status = mop_cell_set_real(&cell[1], r[i].engines[0].ns / 1e6, 3, err);
        for (size_t k = 0; k < n_engines && status == MOP_OK; k++)
            status = put_engine(&cell[k == 0 ? 2 : 2 * k + 1], &r[i], k, err);
        if (status == MOP_OK)
            status = mop_cell_set_text(&cell[n_cols - 1], fastest(&r[i]), err);
    }
    return status;
}
