/* The summary: for each setting what was measured and what the rank correlations say, in sentences.
 */
#include <math.h>
#include <string.h>

#include "reports/rho.h"
#include "reports/section.h"

static void say_range(const mop_table *t, size_t row, mop_page *page)
{
    mop_str s = {0};
    char a[32], b[32], peak[32];
    const mop_cell *n = mop_section_cell(t, row, "n");
    const mop_cell *best = mop_section_cell(t, row, "best of one core's peak, %");
    if (n->i == 1)
        mop_str_addf(&s, "One variant: %s takes %s ms.", mop_section_cell(t, row, "fastest")->text,
                     mop_page_number(mop_section_cell(t, row, "fastest, ms"), a));
    else
        mop_str_addf(&s, "%s variants, from %s ms (%s) to %s ms (%s).", n->text,
                     mop_page_number(mop_section_cell(t, row, "fastest, ms"), a),
                     mop_section_cell(t, row, "fastest")->text,
                     mop_page_number(mop_section_cell(t, row, "slowest, ms"), b),
                     mop_section_cell(t, row, "slowest")->text);
    if (best->kind != MOP_CELL_NULL)
        mop_str_addf(&s, " The best use of one core's measured multiply-add peak is %s %% (%s).",
                     mop_page_number(best, peak), mop_section_cell(t, row, "best")->text);
    page->text.failed |= s.failed;
    page->ops->paragraph(page, mop_str_get(&s));
    mop_str_release(&s);
}

static void say_rho(const mop_rho *r, mop_page *page)
{
    mop_str s = {0};
    if (isnan(r->rho.est))
        mop_str_addf(&s, "Latency against %s has no rank correlation: %s.", r->metric,
                     mop_rho_reading(r));
    else if (r->n < MOP_RHO_DESCRIPTIVE)
        mop_str_addf(
            &s,
            "Latency against %s: rho = %.2f over n = %zu variants. That is descriptive only: "
            "fewer than %d networks say nothing about others.",
            r->metric, r->rho.est, r->n, MOP_RHO_DESCRIPTIVE);
    else if (isnan(r->rho.lo))
        mop_str_addf(
            &s,
            "Latency and %s put the variants into %s: rho = %.2f (n = %zu variants; there is no "
            "bootstrap interval of so regular an order).",
            r->metric, mop_rho_reading(r), r->rho.est, r->n);
    else if (r->rho.lo <= 0 && r->rho.hi >= 0)
        mop_str_addf(&s,
                     "No relation of latency to %s can be told: rho = %.2f, and the 95 %% interval "
                     "%.2f to %.2f contains 0 (n = %zu variants).",
                     r->metric, r->rho.est, r->rho.lo, r->rho.hi, r->n);
    else
        mop_str_addf(&s,
                     "Latency and %s put the variants into %s: rho = %.2f, 95 %% interval %.2f to "
                     "%.2f (n = %zu variants of %zu families).",
                     r->metric, mop_rho_reading(r), r->rho.est, r->rho.lo, r->rho.hi, r->n,
                     r->families);
    page->text.failed |= s.failed;
    page->ops->paragraph(page, mop_str_get(&s));
    mop_str_release(&s);
}

static void say_setting(const mop_table *t, size_t row, const mop_rho_list *list, mop_page *page)
{
    const char *setting = mop_section_cell(t, row, "setting")->text;
    page->ops->heading(page, setting);
    if (mop_section_cell(t, row, "is_software")->i != 0)
        page->ops->warning(page, MOP_SOFTWARE_WARNING);
    say_range(t, row, page);
    for (size_t i = 0; i < list->n; i++) {
        const mop_rho *r = &list->items[i];
        bool is_main = strcmp(r->metric, "MACs") == 0 || strcmp(r->metric, "params") == 0;
        if (is_main && strcmp(r->setting, setting) == 0 &&
            strcmp(r->population, "all variants") == 0)
            say_rho(r, page);
    }
}

/* What the figures leave out, said where they are summed up. */
static mop_status say_left_out(mop_db *db, mop_page *page, mop_err *err)
{
    mop_table t = {0};
    mop_status status = mop_section_query(db, "environment", NULL, &t, err);
    if (status != MOP_OK)
        return status;
    int64_t timed = 0, left_out = 0;
    for (size_t i = 0; i < t.n_rows; i++) {
        timed += mop_section_cell(&t, i, "timed")->i;
        left_out += mop_section_cell(&t, i, "left out")->i;
    }
    mop_table_release(&t);
    if (left_out == 0)
        return MOP_OK;
    mop_str s = {0};
    mop_str_addf(
        &s,
        "%lld of %lld measurements are left out everywhere below: too few of their samples "
        "are clean (grade X), mostly because other work ran on the machine meanwhile.",
        (long long)left_out, (long long)timed);
    page->text.failed |= s.failed;
    page->ops->warning(page, mop_str_get(&s));
    mop_str_release(&s);
    return MOP_OK;
}

/* A sweep that misjudges what is known is not to be believed in what is not. */
static mop_status say_failed_controls(mop_db *db, mop_page *page, mop_err *err)
{
    mop_table t = {0};
    mop_status status = mop_section_query(db, "controls", NULL, &t, err);
    for (size_t i = 0; status == MOP_OK && i < t.n_rows; i++) {
        mop_str s = {0};
        char value[32], low[32], high[32];
        if (strcmp(mop_section_cell(&t, i, "verdict")->text, "FAILED") != 0)
            break; /* the failed ones come first */
        mop_str_addf(&s,
                     "Control %s of sweep %s failed: it read %s and must lie between %s and %s. No "
                     "row of that sweep is graded above C.",
                     mop_section_cell(&t, i, "control")->text,
                     mop_section_cell(&t, i, "sweep")->text,
                     mop_page_number(mop_section_cell(&t, i, "measured"), value),
                     mop_page_number(mop_section_cell(&t, i, "at least"), low),
                     mop_page_number(mop_section_cell(&t, i, "at most"), high));
        page->text.failed |= s.failed;
        page->ops->warning(page, mop_str_get(&s));
        mop_str_release(&s);
    }
    mop_table_release(&t);
    return status;
}

mop_status mop_section_summary(const mop_section *s, mop_db *db, const mop_report_options *o,
                               mop_page *page, mop_err *err)
{
    (void)o; /* every setting has its sentences */
    mop_table t = {0};
    mop_rho_list list = {0};
    mop_status status = mop_section_query(db, s->id, NULL, &t, err);
    if (status == MOP_OK)
        status = mop_rho_compute(db, &list, err);
    if (status == MOP_OK)
        status = say_failed_controls(db, page, err);
    if (status == MOP_OK)
        status = say_left_out(db, page, err);
    if (status == MOP_OK && t.n_rows == 0)
        page->ops->paragraph(page, s->empty);
    for (size_t i = 0; i < t.n_rows && status == MOP_OK; i++)
        say_setting(&t, i, &list, page);
    mop_str sql = {0};
    if (status == MOP_OK)
        status = mop_section_sql(s->id, &sql, err);
    if (status == MOP_OK)
        page->ops->sql(page, mop_str_get(&sql), NULL);
    mop_str_release(&sql);
    mop_rho_list_release(&list);
    mop_table_release(&t);
    return status;
}

mop_status mop_section_rho(const mop_section *s, mop_db *db, const mop_report_options *o,
                           mop_page *page, mop_err *err)
{
    (void)o; /* every coefficient is shown */
    mop_rho_list list = {0};
    mop_table t = {0};
    mop_status status = mop_rho_compute(db, &list, err);
    if (status == MOP_OK)
        status = mop_rho_list_table(&list, &t, err);
    mop_rho_list_release(&list);
    if (status != MOP_OK)
        return status;
    page->ops->paragraph(
        page, "Variants of one family share their blocks, so they are not independent: an interval "
              "over networks is narrower than what is really known. Compare n with the number of "
              "families beside it. Below n = 8 a coefficient is descriptive only: it describes "
              "these networks and no others.");
    page->ops->paragraph(
        page,
        "The MobileOne paper (Vasu et al. 2023, arXiv 2206.04040, Table 1) has, for its own set "
        "of networks and devices, rho = 0.47 (p = 0.03) against FLOPs and 0.30 (p = 0.18) "
        "against parameters on a phone, and 0.06 (p = 0.80) and 0.07 (p = 0.77) on a CPU. "
        "Other networks, runtimes and machines than here: a note beside these figures, "
        "not a target.");
    mop_section_show(s, &t, NULL, page, err);
    mop_table_release(&t);
    return MOP_OK;
}
