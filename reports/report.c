#include "reports/report.h"

#include <stdio.h>
#include <string.h>

#include "profiler/base/outfile.h"
#include "reports/section.h"

static const mop_section sections[] = {
#define MOP_SECTION_ROW(id, title, write, is_folded, lead, empty)                                  \
    {#id, title, lead, empty, is_folded, write},
#include "reports/reports.def"
#undef MOP_SECTION_ROW
};

static const mop_page_ops *format_of(const char *path)
{
    size_t n = strlen(path);
    if (n > 3 && strcmp(path + n - 3, ".md") == 0)
        return &mop_page_markdown;
    if (n > 5 && strcmp(path + n - 5, ".html") == 0)
        return &mop_page_html;
    return NULL;
}

/* Whether the section is one that a report without such rows does not have. */
static mop_status is_left_out(const mop_section *s, mop_db *db, bool *out, mop_err *err)
{
    mop_table t = {0};
    mop_status status = MOP_OK;
    *out = false;
    if (s->empty[0] != '\0')
        return MOP_OK;
    status = mop_section_query(db, s->id, NULL, &t, err);
    *out = status == MOP_OK && t.n_rows == 0;
    mop_table_release(&t);
    return status;
}

static mop_status write_page(mop_db *db, const mop_report_options *options, mop_page *page,
                             mop_err *err)
{
    page->ops->begin(page, "moprof report",
                     "Latencies of networks as measured by moprof, straight from its results "
                     "database. The SQL behind every figure stands below it.");
    for (size_t i = 0; i < sizeof sections / sizeof sections[0]; i++) {
        const mop_section *s = &sections[i];
        bool left_out;
        mop_status status = is_left_out(s, db, &left_out, err);
        if (status != MOP_OK)
            return status;
        if (left_out)
            continue;
        page->ops->section(page, s->id, s->title);
        page->ops->paragraph(page, s->lead);
        status = s->write(s, db, options, page, err);
        if (status != MOP_OK)
            return status;
    }
    page->ops->end(page);
    return mop_str_status(&page->text, err);
}

static mop_status put_file(const char *path, const mop_str *text, mop_err *err)
{
    mop_outfile out;
    mop_status status = mop_outfile_open(&out, path, err);
    if (status != MOP_OK)
        return status;
    if (fwrite(mop_str_get(text), 1, text->len, out.f) != text->len) {
        mop_outfile_abort(&out);
        return mop_fail(err, MOP_EIO, "Cannot write the report to %s.", path);
    }
    return mop_outfile_commit(&out, err);
}

mop_status mop_report_write(const char *db_path, const char *out_path,
                            const mop_report_options *options, mop_err *err)
{
    const mop_page_ops *format = format_of(out_path);
    if (format == NULL)
        return mop_fail(err, MOP_EINVAL, "A report ends in .html or .md, and \"%s\" does not.",
                        out_path);
    mop_db *db;
    mop_status status = mop_db_open(db_path, &db, err);
    if (status != MOP_OK)
        return status;
    mop_page page;
    mop_page_init(&page, format);
    status = write_page(db, options != NULL ? options : &(mop_report_options){0}, &page, err);
    if (status == MOP_OK)
        status = put_file(out_path, &page.text, err);
    mop_str_release(&page.text);
    mop_db_close(db);
    return status;
}
