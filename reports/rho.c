#include "reports/rho.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "db/table.h"
#include "profiler/base/alloc.h"
#include "reports/section.h"

#define RESAMPLES 9999
#define SEED      UINT64_C(1)

/* Columns of reports/rho.sql. */
enum { SETTING, POPULATION, VARIANT, FAMILY, MEDIAN, FIRST_METRIC };
enum { N_METRICS = 6, N_PAPER_METRICS = 2 };

static const char *const metric_names[N_METRICS] = {"MACs",  "params", "activations",
                                                    "bytes", "ops",    "depth"};

void mop_rho_list_release(mop_rho_list *list)
{
    if (list == NULL)
        return;
    for (size_t i = 0; i < list->n; i++) {
        free(list->items[i].setting);
        free(list->items[i].population);
    }
    free(list->items);
    *list = (mop_rho_list){0};
}

static const mop_cell *cell(const mop_table *t, size_t row, size_t col)
{
    return &t->cells[row * t->n_cols + col];
}

static size_t count_families(const mop_table *t, size_t first, size_t end)
{
    size_t n = 0;
    for (size_t i = first; i < end; i++) {
        size_t j = first;
        while (j < i && strcmp(cell(t, j, FAMILY)->text, cell(t, i, FAMILY)->text) != 0)
            j++;
        n += j == i;
    }
    return n;
}

/* The networks of one setting and population: rows first..end; latency and value have room for n.
 */
struct group {
    const mop_table *t;
    size_t first, end;
    double *latency, *value;
};

static mop_status add_metric(const struct group *g, size_t metric, mop_rho_list *list, mop_err *err)
{
    size_t n = g->end - g->first;
    for (size_t i = 0; i < n; i++) {
        g->latency[i] = mop_section_number(cell(g->t, g->first + i, MEDIAN));
        g->value[i] = mop_section_number(cell(g->t, g->first + i, FIRST_METRIC + metric));
    }
    mop_rho *items = mop_realloc(list->items, list->n + 1, sizeof *items, err);
    if (items == NULL)
        return MOP_ENOMEM;
    list->items = items;
    mop_rho *r = &items[list->n++];
    *r = (mop_rho){.metric = metric_names[metric],
                   .n = n,
                   .families = count_families(g->t, g->first, g->end),
                   .setting = mop_strdup(cell(g->t, g->first, SETTING)->text, err),
                   .population = mop_strdup(cell(g->t, g->first, POPULATION)->text, err)};
    if (r->setting == NULL || r->population == NULL)
        return MOP_ENOMEM;
    mop_status status = mop_spearman(g->value, g->latency, n, 0.95, RESAMPLES, SEED, &r->rho, err);
    if (status == MOP_OK)
        status = mop_spearman_p(g->value, g->latency, n, RESAMPLES, SEED, &r->p, err);
    return status;
}

static int same_group(const mop_table *t, size_t a, size_t b)
{
    return strcmp(cell(t, a, SETTING)->text, cell(t, b, SETTING)->text) == 0 &&
           strcmp(cell(t, a, POPULATION)->text, cell(t, b, POPULATION)->text) == 0;
}

static mop_status add_groups(const mop_table *t, size_t n_metrics, double *work, mop_rho_list *list,
                             mop_err *err)
{
    for (size_t first = 0, end, previous = 0; first < t->n_rows;
         previous = end - first, first = end) {
        end = first + 1;
        while (end < t->n_rows && same_group(t, first, end))
            end++;
        int same_setting = first > 0 && strcmp(cell(t, first - 1, SETTING)->text,
                                               cell(t, first, SETTING)->text) == 0;
        if (same_setting && end - first == previous)
            continue; /* the same networks again */
        const struct group g = {t, first, end, work, work + t->n_rows};
        for (size_t m = 0; m < n_metrics; m++) {
            mop_status status = add_metric(&g, m, list, err);
            if (status != MOP_OK)
                return status;
        }
    }
    return MOP_OK;
}

/* Where there is no coefficient, nothing was tested: no p, and none to correct the others for. */
static mop_status correct(mop_rho_list *list, mop_err *err)
{
    size_t n = 0, k = 0;
    double *p = mop_calloc(2 * list->n, sizeof *p, err);
    if (p == NULL)
        return MOP_ENOMEM;
    for (size_t i = 0; i < list->n; i++)
        if (!isnan(list->items[i].rho.est))
            p[n++] = list->items[i].p;
    mop_holm(p, n, p + n);
    for (size_t i = 0; i < list->n; i++) {
        mop_rho *r = &list->items[i];
        r->p_holm = isnan(r->rho.est) ? (double)NAN : p[n + k++];
        if (isnan(r->rho.est))
            r->p = (double)NAN;
    }
    free(p);
    return MOP_OK;
}

static mop_status compute(mop_db *db, size_t n_metrics, mop_rho_list *out, mop_err *err)
{
    mop_rho_list list = {0};
    mop_table t = {0};
    mop_status status = mop_section_query(db, "rho", NULL, &t, err);
    if (status != MOP_OK)
        return status;
    double *work = mop_calloc(2 * t.n_rows, sizeof *work, err);
    status = work == NULL ? MOP_ENOMEM : add_groups(&t, n_metrics, work, &list, err);
    if (status == MOP_OK)
        status = correct(&list, err);
    free(work);
    mop_table_release(&t);
    if (status != MOP_OK) {
        mop_rho_list_release(&list);
        return status;
    }
    *out = list;
    return MOP_OK;
}

mop_status mop_rho_compute(mop_db *db, mop_rho_list *out, mop_err *err)
{
    return compute(db, N_METRICS, out, err);
}

const char *mop_rho_reading(const mop_rho *r)
{
    if (isnan(r->rho.est))
        return r->n < 2 ? "too few networks" : "no coefficient: one of the two does not vary";
    if (r->n < MOP_RHO_DESCRIPTIVE)
        return "descriptive only: n < 8";
    if (r->rho.lo <= 0 && r->rho.hi >= 0)
        return "no relation can be told from these";
    double size = fabs(r->rho.est);
    if (r->rho.est < 0)
        return size >= 0.5 ? "largely the opposite order" : "somewhat the opposite order";
    return size >= 0.9   ? "nearly the same order"
           : size >= 0.7 ? "largely the same order"
           : size >= 0.4 ? "partly the same order"
                         : "hardly the same order";
}

static mop_status fill_row(mop_cell *c, const mop_rho *r, mop_err *err)
{
    mop_status status = mop_cell_set_text(c++, r->setting, err);
    if (status == MOP_OK)
        status = mop_cell_set_text(c++, r->population, err);
    if (status == MOP_OK)
        status = mop_cell_set_text(c++, r->metric, err);
    if (status == MOP_OK)
        status = mop_cell_set_int(c++, (int64_t)r->n, err);
    if (status == MOP_OK)
        status = mop_cell_set_int(c++, (int64_t)r->families, err);
    const double reals[] = {r->rho.est, r->rho.lo, r->rho.hi, r->p, r->p_holm};
    for (size_t i = 0; i < sizeof reals / sizeof reals[0] && status == MOP_OK; i++)
        /* a p too small for four decimals is not zero */
        status = mop_cell_set_real(c++, reals[i], i < 3 ? 2 : reals[i] < 5e-5 ? -1 : 4, err);
    return status == MOP_OK ? mop_cell_set_text(c, mop_rho_reading(r), err) : status;
}

mop_status mop_rho_list_table(const mop_rho_list *list, mop_table *out, mop_err *err)
{
    static const char *const cols[] = {
        "setting", "population", "latency against", "n",      "families", "rho", "low",
        "high",    "p",          "p (Holm)",        "reading"};
    mop_table t;
    mop_status status = mop_table_start(&t, cols, sizeof cols / sizeof cols[0], err);
    for (size_t i = 0; i < list->n && status == MOP_OK; i++) {
        mop_cell *row = mop_table_row(&t, err);
        status = row == NULL ? MOP_ENOMEM : fill_row(row, &list->items[i], err);
    }
    if (status != MOP_OK)
        mop_table_release(&t);
    else
        *out = t;
    return status;
}

mop_status mop_rho_table(mop_db *db, mop_table *out, mop_err *err)
{
    mop_rho_list list;
    mop_status status = compute(db, N_PAPER_METRICS, &list, err);
    if (status != MOP_OK)
        return status;
    status = mop_rho_list_table(&list, out, err);
    mop_rho_list_release(&list);
    return status;
}
