#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "db/store.h"
#include "profiler/base/embed.h"
#include "reports/report.h"
#include "reports/rho.h"
#include "tests/support/folder.h"
#include "tests/support/synthetic.h"

#define SEED 11
static char dir[MOP_FOLDER_MAX];

static int make_dir(void **state)
{
    (void)state;
    printf("seed %d\n", SEED);
    return mop_folder_make(dir) ? 0 : -1;
}

static int remove_dir(void **state)
{
    (void)state;
    return mop_folder_remove(dir) ? 0 : -1;
}

static const char *in_dir(const char *name, char path[128])
{
    snprintf(path, 128, "%s/%s", dir, name);
    return path;
}

/* The whole file, NUL-terminated; free() it. */
static char *slurp(const char *path)
{
    FILE *f = fopen(path, "rb");
    if (f == NULL)
        fail_msg("cannot open %s", path);
    fseek(f, 0, SEEK_END);
    long size = ftell(f);
    rewind(f);
    char *text = calloc(1, (size_t)size + 1);
    assert_non_null(text);
    assert_int_equal(fread(text, 1, (size_t)size, f), (size_t)size);
    fclose(f);
    return text;
}

static size_t count(const char *text, const char *what)
{
    size_t n = 0;
    for (const char *at = text; (at = strstr(at, what)) != NULL; at += strlen(what))
        n++;
    return n;
}

static void assert_has(const char *text, const char *what)
{
    if (strstr(text, what) == NULL)
        fail_msg("\"%s\" is not in the report", what);
}

static void assert_has_not(const char *text, const char *what)
{
    if (strstr(text, what) != NULL)
        fail_msg("\"%s\" is in the report", what);
}

static const char *synthesize(const char *name, const mop_synthetic *what, char path[128])
{
    mop_err err = {0};
    in_dir(name, path);
    if (mop_synthetic_write(path, what, &err) != MOP_OK)
        fail_msg("%s", err.msg);
    return path;
}

/* The page without the libraries at its end, whose text is none of ours. */
static char *render(const char *db, const char *name, const mop_report_options *options)
{
    char path[128];
    mop_err err = {0};
    if (mop_report_write(db, in_dir(name, path), options, &err) != MOP_OK)
        fail_msg("%s", err.msg);
    char *text = slurp(path);
    char *libraries = strstr(text, "<script>\n");
    if (libraries != NULL)
        *libraries = '\0';
    return text;
}

static const mop_synthetic full = {.seed = SEED,
                                   .passes = 12,
                                   .has_vulkan = true,
                                   .has_layers = true,
                                   .has_failure = true,
                                   .has_calibration = true,
                                   .extra = "</script><b>|`x`"};

static void both_formats_have_every_section_and_its_sql(void **state)
{
    (void)state;
    static const char *const titles[] = {
#define MOP_SECTION_ROW(id, title, write, is_folded, lead, empty) title,
#include "reports/reports.def"
#undef MOP_SECTION_ROW
    };
    size_t n = sizeof titles / sizeof titles[0];
    char path[128];
    synthesize("full.db", &full, path);
    assert_int_equal(mop_synthetic_other_engine(path, NULL), MOP_OK);
    assert_int_equal(mop_synthetic_settings(path, NULL), MOP_OK);
    char *html = render(path, "full.html", NULL), *md = render(path, "full.md", NULL);
    for (size_t i = 0; i < n; i++) {
        char heading[96];
        snprintf(heading, sizeof heading, "\">%s</h2>", titles[i]);
        assert_has(html, heading);
        snprintf(heading, sizeof heading, "\n## %s\n", titles[i]);
        assert_has(md, heading);
    }
    assert_int_equal(count(html, "SQL of these figures"), n);
    assert_int_equal(count(md, "SQL of these figures"), n);
    assert_int_equal(count(html, "<table>"), count(html, "</table>"));
    assert_has(html, "cnn30+act=gelu");
    assert_has(html, "arXiv 2206.04040, Table 1");
    assert_has(md, "stage1.0");
    free(html);
    free(md);
}

static void a_software_device_is_called_a_cpu_wherever_its_figures_are(void **state)
{
    (void)state;
    char path[128];
    synthesize("soft.db", &full, path);
    char *html = render(path, "soft.html", NULL);
    const char *heading = "<h3>software Vulkan device (a CPU, not a GPU): synthetic pipe";
    assert_int_equal(count(html, "<p class=\"warning\""), 2 + (strstr(html, "<figure") == NULL));
    assert_in_range(count(html, heading), 6, 12); /* in every section that has settings */
    assert_int_equal(count(html, "<h3>vulkan: synthetic"), 1); /* its properties, under Machine */
    assert_has(html, "SOFTWARE: a CPU, not a GPU");
    free(html);
}

static void names_from_the_database_cannot_become_markup(void **state)
{
    (void)state;
    char path[128];
    synthesize("names.db", &full, path);
    char *html = render(path, "names.html", NULL), *md = render(path, "names.md", NULL);
    assert_has_not(html, "</script><b>");
    assert_has(html, "&lt;/script&gt;&lt;b&gt;|`x`");
    assert_has(html, "output &lt;NaN&gt; at element 7");
    assert_int_equal(count(html, "<script"), count(html, "</script>"));
    assert_has_not(md, "</script><b>");
    assert_has(md, "&lt;/script>&lt;b>\\|\\`x\\`");
    free(html);
    free(md);
}

static void the_page_fetches_nothing(void **state)
{
    (void)state;
    char path[128];
    synthesize("alone.db", &full, path);
    char *html = render(path, "alone.html", NULL);
    assert_has(html, "default-src 'none'");
    assert_has_not(html, "<script src");
    assert_has_not(html, "<link ");
    assert_has_not(html, "<img ");
    free(html);
}

static void charts_are_embedded_or_said_to_be_missing(void **state)
{
    (void)state;
    char path[128];
    size_t size;
    synthesize("charts.db", &full, path);
    char *html = render(path, "charts.html", NULL);
    if (mop_embed_get("vega.min.js", &size) != NULL) {
        assert_has(html, "id=\"rows-latency_macs\"");
        assert_has(html, "id=\"spec-layers\"");
        /* 2 settings x MACs, params, rho, ablation, layers; 1 roofline */
        assert_int_equal(count(html, "<figure class=\"chart\""), 2 * 5 + 1);
    } else {
        printf("skip: the chart libraries are not in this build; that is checked instead\n");
        assert_has(html, "Install npm");
        assert_has(html, "<details open>");
    }
    free(html);
}

static void the_same_database_gives_the_same_bytes(void **state)
{
    (void)state;
    char path[128], out[128];
    synthesize("same.db", &full, path);
    free(render(path, "a.html", NULL));
    free(render(path, "b.html", NULL));
    char *a = slurp(in_dir("a.html", out)), *b = slurp(in_dir("b.html", out));
    assert_has(a, "</html>\n");
    assert_string_equal(a, b);
    free(a);
    free(b);
}

static void an_empty_database_gives_sentences(void **state)
{
    (void)state;
    char path[128];
    mop_err err = {0};
    mop_store *store;
    assert_int_equal(mop_store_open(in_dir("empty.db", path), &store, &err), MOP_OK);
    assert_int_equal(mop_store_close(store, &err), MOP_OK);
    char *html = render(path, "empty.html", NULL), *md = render(path, "empty.md", NULL);
#define MOP_SECTION_ROW(id, title, write, is_folded, lead, empty)                                  \
    if (strchr(empty, '`') == NULL)                                                                \
        assert_has(md, empty);
#include "reports/reports.def"
#undef MOP_SECTION_ROW
    assert_has(html, "There are no results to sum up: <code>moprof sweep");
    assert_has_not(html, "<table>");
    assert_has_not(html, "<figure");
    mop_db *db;
    mop_table t;
    assert_int_equal(mop_db_open(path, &db, &err), MOP_OK);
    assert_int_equal(mop_rho_table(db, &t, &err), MOP_OK);
    assert_int_equal(t.n_rows, 0);
    mop_table_release(&t);
    mop_db_close(db);
    free(html);
    free(md);
}

static void one_result_is_described_and_not_correlated(void **state)
{
    (void)state;
    char path[128];
    const mop_synthetic one = {.seed = SEED, .n_variants = 1, .passes = 8};
    synthesize("one.db", &one, path);
    char *md = render(path, "one.md", NULL);
    assert_has(md, "One variant: mobileone-s0 takes ");
    assert_has(md, "Latency against MACs has no rank correlation: too few networks.");
    assert_has(md, "| MACs | 1 | 1 | – | – | – | – | – | too few networks |");
    assert_has(md, "There are no layer times of such a variant");
    assert_has(md, "No variant with a modifier was timed together with its base.");
    assert_has(md, "Everything that was tried ran.");
    free(md);
}

static void what_is_left_out_is_counted_and_its_layers_are_shown(void **state)
{
    (void)state;
    char path[128];
    const mop_synthetic noisy = {
        .seed = SEED, .n_variants = 2, .passes = 3, .is_noisy = true, .has_layers = true};
    synthesize("noisy.db", &noisy, path);
    char *md = render(path, "noisy.md", NULL);
    assert_has(md, "2 of 2 measurements are left out everywhere below");
    assert_has(md, "There are no results to sum up");
    assert_has(md, "| 27 | stage5.3 | fc |");
    free(md);
}

static void a_failed_control_is_told_before_any_figure(void **state)
{
    char path[128];
    (void)state;
    synthesize("c.db", &(mop_synthetic){.n_variants = 2, .passes = 8, .has_controls = true}, path);
    char *md = render(path, "c.md", NULL);
    assert_has(md, "Control fma x1.02 of sweep 1 failed: it read 1.05");
    free(md);
}

static void few_results_are_descriptive_only(void **state)
{
    (void)state;
    char path[128];
    const mop_synthetic five = {.seed = SEED, .n_variants = 5, .passes = 8};
    synthesize("five.db", &five, path);
    char *md = render(path, "five.md", NULL);
    assert_has(md, "over n = 5 variants. That is descriptive only: fewer than 8 networks");
    assert_has(md, "| descriptive only: n &lt; 8 |");
    free(md);
}

static void layers_are_of_the_variant_asked_for(void **state)
{
    (void)state;
    char path[128];
    synthesize("layers.db", &full, path);
    const mop_report_options own = {.layers_variant = "mobileone-s0"};
    const mop_report_options other = {.layers_variant = "resnet18' OR 1 --"};
    char *md = render(path, "own.md", &own), *none = render(path, "none.md", &other);
    assert_has(md, "### mobileone-s0, cpu: synthetic CPU, avx2, 1 thread");
    assert_has(md, "| 27 | stage5.3 | fc |");
    assert_has(none, "There are no layer times of such a variant");
    free(md);
    free(none);
}

static double cell_of(const mop_table *t, size_t row, const char *col)
{
    for (size_t c = 0; c < t->n_cols; c++)
        if (strcmp(t->cols[c], col) == 0)
            return t->cells[row * t->n_cols + c].kind == MOP_CELL_INT
                       ? (double)t->cells[row * t->n_cols + c].i
                       : t->cells[row * t->n_cols + c].r;
    fail_msg("no column %s", col);
    return NAN;
}

static void the_rho_table_is_what_the_statistics_say_of_the_results(void **state)
{
    (void)state;
    char path[128];
    const mop_synthetic all = {.seed = SEED, .passes = 12, .has_vulkan = true};
    synthesize("rho.db", &all, path);
    mop_err err = {0};
    mop_db *db;
    mop_table t, raw;
    assert_int_equal(mop_db_open(path, &db, &err), MOP_OK);
    assert_int_equal(mop_rho_table(db, &t, &err), MOP_OK);
    assert_int_equal(t.n_rows, 8); /* 2 devices x 2 populations x MACs, params */
    assert_int_equal(mop_db_query(db, "SELECT macs, median_ns FROM result WHERE backend = 'cpu'",
                                  NULL, 0, &raw, &err),
                     MOP_OK);
    double x[32], y[32];
    assert_in_range(raw.n_rows, 8, 32);
    for (size_t i = 0; i < raw.n_rows; i++) {
        x[i] = (double)raw.cells[2 * i].i;
        y[i] = raw.cells[2 * i + 1].r;
    }
    mop_interval rho;
    assert_int_equal(mop_spearman(x, y, raw.n_rows, 0.95, 0, 0, &rho, &err), MOP_OK);
    assert_true(fabs(cell_of(&t, 0, "rho") - rho.est) < 1e-12);
    assert_int_equal((int)cell_of(&t, 0, "n"), (int)raw.n_rows);
    assert_true(cell_of(&t, 0, "low") <= rho.est && rho.est <= cell_of(&t, 0, "high"));
    assert_true(cell_of(&t, 0, "p") <= cell_of(&t, 0, "p (Holm)"));
    mop_table_release(&raw);
    mop_table_release(&t);
    mop_db_close(db);
}

static void bad_paths_leave_the_old_report_as_it_was(void **state)
{
    (void)state;
    char path[128], out[128];
    mop_err err = {0};
    const mop_synthetic one = {.seed = SEED, .n_variants = 1, .passes = 2};
    synthesize("paths.db", &one, path);
    assert_int_equal(mop_report_write(path, in_dir("report.pdf", out), NULL, &err), MOP_EINVAL);
    assert_non_null(strstr(err.msg, "report.pdf"));
    assert_int_not_equal(access(out, F_OK), 0);

    err = (mop_err){0};
    assert_int_equal(mop_report_write(path, in_dir("absent/report.md", out), NULL, &err), MOP_EIO);
    assert_non_null(strstr(err.msg, "absent/report.md"));

    FILE *f = fopen(in_dir("old.md", out), "w");
    assert_non_null(f);
    fputs("old", f);
    fclose(f);
    err = (mop_err){0};
    char absent[128];
    assert_int_not_equal(mop_report_write(in_dir("absent.db", absent), out, NULL, &err), MOP_OK);
    assert_true(err.msg[0] != '\0');
    assert_int_not_equal(access(absent, F_OK), 0); /* reading creates nothing */
    char *old = slurp(out);
    assert_string_equal(old, "old");
    free(old);
}

static size_t count_entries(const char *path)
{
    size_t n = 0;
    DIR *d = opendir(path);
    assert_non_null(d);
    while (readdir(d) != NULL)
        n++;
    closedir(d);
    return n;
}

static void what_cannot_be_written_or_replaced_is_a_sentence_and_leaves_nothing(void **state)
{
    (void)state;
    char path[128], full_device[128], folder[128];
    mop_err err = {0};
    const mop_synthetic one = {.seed = SEED, .n_variants = 1, .passes = 2};
    synthesize("replaced.db", &one, path);
    assert_int_equal(symlink("/dev/full", in_dir("device.html", full_device)), 0);
    assert_int_equal(mkdir(in_dir("folder.html", folder), 0700), 0);
    size_t before = count_entries(dir);
    assert_int_equal(mop_report_write(path, full_device, NULL, &err), MOP_EIO);
    assert_non_null(strstr(err.msg, "device.html"));
    err = (mop_err){0};
    assert_int_equal(mop_report_write(path, folder, NULL, &err), MOP_EIO);
    assert_non_null(strstr(err.msg, "folder.html"));
    assert_int_equal(count_entries(dir), before);
}

static void an_unwritable_directory_leaves_the_old_report_as_it_was(void **state)
{
    (void)state;
    if (geteuid() == 0) {
        printf("skip: the superuser can write everywhere\n");
        skip();
    }
    char path[128], locked[128], out[160];
    mop_err err = {0};
    const mop_synthetic one = {.seed = SEED, .n_variants = 1, .passes = 2};
    synthesize("locked.db", &one, path);
    assert_int_equal(mkdir(in_dir("locked", locked), 0700), 0);
    snprintf(out, sizeof out, "%s/report.md", locked);
    FILE *f = fopen(out, "w");
    assert_non_null(f);
    fputs("old", f);
    fclose(f);
    assert_int_equal(chmod(locked, 0500), 0);
    assert_int_equal(mop_report_write(path, out, NULL, &err), MOP_EIO);
    char *old = slurp(out);
    assert_string_equal(old, "old");
    free(old);
    assert_int_equal(chmod(locked, 0700), 0);
}

static void every_chart_is_drawn_in_a_browser_without_a_word_on_its_console(void **state)
{
    (void)state;
    char path[128], command[256];
    size_t size;
    if (mop_embed_get("vega.min.js", &size) == NULL) {
        printf("skip: the chart libraries are not in this build\n");
        skip();
    }
    synthesize("look.db", &full, path);
    free(render(path, "look.html", NULL));
    snprintf(command, sizeof command, "sh tests/reports/look.sh '%s'", in_dir("look.html", path));
    fflush(stdout);
    int rc = system(command);
    if (WIFEXITED(rc) && WEXITSTATUS(rc) == 77) /* it said why */
        skip();
    assert_int_equal(rc, 0);
}

/* `test_report --write DIR`: full.html for tests/reports/look.sh. */
static int write_for_looking(const char *where)
{
    char db[512], html[512];
    mop_err err = {0};
    snprintf(db, sizeof db, "%s/full.db", where);
    snprintf(html, sizeof html, "%s/full.html", where);
    if (mop_synthetic_write(db, &full, &err) != MOP_OK ||
        mop_report_write(db, html, NULL, &err) != MOP_OK) {
        fprintf(stderr, "%s\n", err.msg);
        return 1;
    }
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "--write") == 0)
        return write_for_looking(argv[2]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_formats_have_every_section_and_its_sql),
        cmocka_unit_test(a_software_device_is_called_a_cpu_wherever_its_figures_are),
        cmocka_unit_test(names_from_the_database_cannot_become_markup),
        cmocka_unit_test(the_page_fetches_nothing),
        cmocka_unit_test(charts_are_embedded_or_said_to_be_missing),
        cmocka_unit_test(the_same_database_gives_the_same_bytes),
        cmocka_unit_test(an_empty_database_gives_sentences),
        cmocka_unit_test(one_result_is_described_and_not_correlated),
        cmocka_unit_test(what_is_left_out_is_counted_and_its_layers_are_shown),
        cmocka_unit_test(a_failed_control_is_told_before_any_figure),
        cmocka_unit_test(few_results_are_descriptive_only),
        cmocka_unit_test(layers_are_of_the_variant_asked_for),
        cmocka_unit_test(the_rho_table_is_what_the_statistics_say_of_the_results),
        cmocka_unit_test(bad_paths_leave_the_old_report_as_it_was),
        cmocka_unit_test(what_cannot_be_written_or_replaced_is_a_sentence_and_leaves_nothing),
        cmocka_unit_test(an_unwritable_directory_leaves_the_old_report_as_it_was),
        cmocka_unit_test(every_chart_is_drawn_in_a_browser_without_a_word_on_its_console),
    };
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
