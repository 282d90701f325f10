/* moprof's CPU back end and other engines on the very same networks, fp32, batch 1, timed in turn.
 * See docs/measuring.md; --help lists the options. Exit codes as moprof's: 7 if an output is wrong.
 */
#include <math.h>
#include <popt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kernels/cpu/isa.h"
#include "profiler/base/outfile.h"
#include "profiler/engine/calibrate.h"
#include "profiler/engine/cpu_info.h"
#include "profiler/engine/peak.h"
#include "tests/peers/results.h"
#include "tests/support/folder.h"
#include "variants/passes.h"

/* How far an output may be from float64, in bounds that moprof holds itself to: an engine may add
 * up in another order and fold other constants, but it must compute the same network. */
#define BOUND_FACTOR 4

enum { PEAK_BURSTS = 5, MOST_NETWORKS = 128, EXIT_CHECK = 7 };

#define VARIANTS                                                                                   \
    "mobileone-s{0..4},mobileone-s0:train,mobilenetv1-1.0,mobilenetv2-1.0,mobilenetv3-large,"      \
    "efficientnet-b0,resnet18,repvgg-a0,cnn30"
#define PEERS "moprof,onnxruntime,xnnpack,onednn"

typedef struct options {
    char *variants, *peers, *csv;
    int threads, rounds, is_quick, is_long;
    int seed;
    double budget;
} options;

typedef struct contest {
    const options *options;
    const mop_peer *peers[MOP_PEERS_MOST];
    bool missing[MOP_PEERS_MOST]; /* not installed */
    size_t n_peers;
    mop_clock clock;
    mop_canary canary;
    mop_rng rng;
    double bandwidth;
    char folder[MOP_FOLDER_MAX];
    bool is_any_wrong;
    mop_result results[MOST_NETWORKS];
    size_t n_results;
} contest;

/* --- one network --------------------------------------------------------------------------- */

static double relative_error(const float *y, const double *ref, size_t n)
{
    double difference = 0, norm = 0;
    for (size_t i = 0; i < n; i++) {
        difference += ((double)y[i] - ref[i]) * ((double)y[i] - ref[i]);
        norm += ref[i] * ref[i];
    }
    return sqrt(difference / norm);
}

/* Runs once and holds the output to m->reference, which is made of the first output where it is
 * still NULL. */
static mop_status check(contest *c, mop_contestant *who, mop_subject_model *m, mop_err *err)
{
    const double plain = BOUND_FACTOR * mop_network_bound(m->model->graph, NULL, NULL);
    const double bound = who->peer->bound != NULL ? fmax(plain, who->peer->bound(who->net)) : plain;
    float *out = calloc(m->n_out, sizeof *out);
    uint64_t ns;
    mop_status status = MOP_ENOMEM;
    if (out != NULL)
        status = who->peer->run(who->net, 1, &ns, err);
    if (status == MOP_OK) {
        who->once_ns = (double)ns;
        status = who->peer->output(who->net, out, m->n_out, err);
    }
    if (status == MOP_OK && m->reference == NULL) {
        m->reference = calloc(m->n_out, sizeof *m->reference);
        for (size_t i = 0; m->reference != NULL && i < m->n_out; i++)
            m->reference[i] = (double)out[i];
        status = m->reference != NULL ? MOP_OK : mop_fail(err, MOP_ENOMEM, "out of memory");
    }
    if (status == MOP_OK) {
        who->error = relative_error(out, m->reference, m->n_out);
        if (!(who->error <= bound)) {
            status = mop_fail(err, MOP_ECHECK, "wrong output: off by %.2g, bound %.2g", who->error,
                              bound);
            c->is_any_wrong = true;
        }
    }
    free(out);
    return status;
}

/* Opens and checks what can be; the others say why not. */
static void enter(contest *c, mop_contestant *who, mop_subject_model *m)
{
    const mop_peer_task task = {.subject = m,
                                .seed = (uint64_t)c->options->seed,
                                .threads = c->options->threads,
                                .folder = c->folder};
    mop_err err = {0};
    mop_status status = who->peer->open(&task, &who->net, &err);
    if (status == MOP_OK)
        status = check(c, who, m, &err);
    if (status == MOP_OK)
        return;
    (void)snprintf(who->why, sizeof who->why, "%s", err.msg); /* of one size */
    who->peer->close(who->net);
    who->net = NULL;
}

static void describe(const contest *c, const mop_contestant *who, int rounds, mop_result *r)
{
    const mop_contestant *first = &who[0];
    r->n_engines = c->n_peers;
    r->rounds = rounds;
    r->threads = c->options->threads;
    r->bandwidth = c->bandwidth;
    r->peak = fmax(r->peak_before, r->peak_after) * r->threads;
    for (size_t i = 0; i < c->n_peers; i++) {
        mop_result_engine *e = &r->engines[i];
        e->name = who[i].peer->name;
        e->error = who[i].error;
        (void)snprintf(e->why, sizeof e->why, "%s", who[i].why); /* of one size */
        if (who[i].net == NULL)
            continue;
        e->best_ns = mop_contestant_best(&who[i], rounds);
        e->ns = mop_contestant_median(&who[i], rounds);
        e->clean = mop_contestant_clean(&who[i], rounds);
        e->ratio = first->net != NULL ? mop_contestant_ratio(&who[i], first, rounds)
                                      : (mop_interval){NAN, NAN, NAN};
    }
}

static mop_status time_network(contest *c, mop_contestant *who, mop_result *r, mop_err *err)
{
    const mop_isa isa = mop_isa_best(MOP_ISA_ALL);
    const mop_rounds how = {.clock = &c->clock,
                            .canary = &c->canary,
                            .rng = &c->rng,
                            .threads = c->options->threads,
                            .rounds = c->options->rounds,
                            .budget_ns = (uint64_t)(c->options->budget * 1e9)};
    int rounds = 0;
    r->peak_before = mop_peak_flops(&c->clock, isa, PEAK_BURSTS);
    mop_status status = mop_rounds_run(&how, who, c->n_peers, &rounds, err);
    r->peak_after = mop_peak_flops(&c->clock, isa, PEAK_BURSTS);
    if (status == MOP_OK)
        describe(c, who, rounds, r);
    return status;
}

static mop_status compare(contest *c, const char *text, mop_err *err)
{
    mop_contestant *who = calloc(c->n_peers, sizeof *who);
    mop_result *r = &c->results[c->n_results];
    mop_subject_model m = {0};
    mop_graph_counts counts;
    mop_spec spec;
    mop_status status =
        who != NULL ? mop_spec_parse(text, &spec, err) : mop_fail(err, MOP_ENOMEM, "out of memory");
    if (status == MOP_OK)
        status =
            mop_subject_model_build(&m, &spec, 1, (uint64_t)c->options->seed, MOP_FUSE_ALL, err);
    if (status == MOP_OK && !c->options->is_quick)
        status = mop_subject_model_judge(&m, err);
    for (size_t i = 0; i < c->n_peers && status == MOP_OK; i++) {
        who[i].peer = c->peers[i];
        who[i].error = NAN;
        if (c->missing[i])
            (void)snprintf(who[i].why, sizeof who[i].why, "not installed: %s",
                           who[i].peer->install);
        else
            enter(c, &who[i], &m);
    }
    if (status == MOP_OK) {
        (void)snprintf(r->spec, sizeof r->spec, "%s", spec.text); /* of one size */
        mop_graph_count(m.model->graph, &counts);
        r->macs = counts.macs;
        mop_graph_count(m.fused->graph, &counts);
        r->bytes = counts.bytes;
        status = time_network(c, who, r, err);
    }
    for (size_t i = 0; who != NULL && i < c->n_peers; i++)
        if (who[i].net != NULL)
            who[i].peer->close(who[i].net);
    free(who);
    mop_subject_model_release(&m);
    c->n_results += status == MOP_OK;
    return status;
}

/* --- all ----------------------------------------------------------------------------------- */

/* Prints what every engine is, or what to install. */
static mop_status choose_peers(contest *c, mop_err *err)
{
    mop_strlist names = {0};
    mop_status status = mop_expand(c->options->peers, &names, err);
    for (size_t i = 0; i < names.n && status == MOP_OK; i++) {
        const mop_peer *peer = NULL;
        mop_err absent = {0};
        char version[128];
        for (size_t k = 0; mop_peer_at(k) != NULL; k++)
            if (strcmp(mop_peer_at(k)->name, names.items[i]) == 0)
                peer = mop_peer_at(k);
        if (peer == NULL || c->n_peers == MOP_PEERS_MOST) {
            status = mop_fail(err, MOP_EINVAL, "--peers: there is no engine '%s'", names.items[i]);
            break;
        }
        c->missing[c->n_peers] = peer->version(version, sizeof version, &absent) != MOP_OK;
        if (c->missing[c->n_peers])
            printf("skip: %s, because %s (%s)\n", peer->name, absent.msg, peer->install);
        else
            printf("%s: %s\n", peer->name, version);
        c->peers[c->n_peers++] = peer;
    }
    mop_strlist_release(&names);
    return status;
}

static mop_status measure_bandwidth(contest *c, mop_err *err)
{
    const mop_calibration how = {
        .clock = c->clock, .isa_mask = MOP_ISA_ALL, .threads = c->options->threads, .bursts = 10};
    mop_figures figures = {0};
    char name[40] = "read_bandwidth_dram";
    mop_status status = c->options->threads == 1 ? mop_calibrate_bandwidth(&how, &figures, err)
                                                 : mop_calibrate_threads(&how, &figures, err);
    if (c->options->threads > 1)
        (void)snprintf(name, sizeof name, "read_bandwidth_dram_x%d",
                       c->options->threads); /* fits */
    const mop_figure *f = mop_figures_find(&figures, name);
    c->bandwidth = f != NULL ? f->best : NAN;
    mop_figures_release(&figures);
    return status;
}

static mop_status show(const contest *c, mop_err *err)
{
    mop_table wide = {0}, all = {0};
    mop_outfile file;
    mop_status status = mop_results_long(c->results, c->n_results, &all, err);
    if (status == MOP_OK)
        status = mop_results_wide(c->results, c->n_results, &wide, err);
    if (status == MOP_OK)
        status = mop_table_write(c->options->is_long ? &all : &wide, MOP_FORMAT_TABLE, stdout, err);
    for (size_t i = 0; i < c->n_results; i++)
        for (size_t k = 0; k < c->n_peers; k++)
            if (c->results[i].engines[k].why[0] != '\0' && !c->missing[k])
                printf("%s, %s: -, because %s\n", c->results[i].spec, c->peers[k]->name,
                       c->results[i].engines[k].why);
    if (status == MOP_OK && c->options->csv != NULL) {
        status = mop_outfile_open(&file, c->options->csv, err);
        if (status == MOP_OK) {
            status = mop_table_write(&all, MOP_FORMAT_CSV, file.f, err);
            if (status == MOP_OK)
                status = mop_outfile_commit(&file, err);
            else
                mop_outfile_abort(&file);
        }
    }
    mop_table_release(&wide);
    mop_table_release(&all);
    return status;
}

static mop_status run_all(contest *c, mop_err *err)
{
    mop_strlist specs = {0};
    const uint64_t began = mop_now_ns(&c->clock);
    mop_status status = mop_specs_expand(c->options->variants, &specs, err);
    if (status == MOP_OK && specs.n > MOST_NETWORKS)
        status = mop_fail(err, MOP_EINVAL, "--variants: %zu networks, %d at most", specs.n,
                          MOST_NETWORKS);
    if (status == MOP_OK)
        status = choose_peers(c, err);
    if (status == MOP_OK)
        status = mop_canary_open(c->clock, &c->canary, err);
    if (status == MOP_OK)
        status = measure_bandwidth(c, err);
    for (size_t i = 0; i < specs.n && status == MOP_OK; i++) {
        status = compare(c, specs.items[i], err);
        if (status == MOP_OK)
            fprintf(stderr, "%zu of %zu networks, %.0f s\n", i + 1, specs.n,
                    (double)(mop_now_ns(&c->clock) - began) / 1e9);
    }
    if (status == MOP_OK)
        status = show(c, err);
    mop_canary_close(&c->canary);
    mop_strlist_release(&specs);
    return status;
}

static int parse(options *o, int argc, const char **argv)
{
    const struct poptOption table[] = {
        {"variants", 'v', POPT_ARG_STRING | POPT_ARGFLAG_SHOW_DEFAULT, &o->variants, 0,
         "names, globs, brace lists", "LIST"},
        {"peers", 'p', POPT_ARG_STRING | POPT_ARGFLAG_SHOW_DEFAULT, &o->peers, 0,
         "engines; ratios are to the first", "LIST"},
        {"threads", 't', POPT_ARG_INT | POPT_ARGFLAG_SHOW_DEFAULT, &o->threads, 0, "threads", "N"},
        {"rounds", 0, POPT_ARG_INT | POPT_ARGFLAG_SHOW_DEFAULT, &o->rounds, 0,
         "at most, of each network", "N"},
        {"budget", 0, POPT_ARG_DOUBLE | POPT_ARGFLAG_SHOW_DEFAULT, &o->budget, 0,
         "seconds for the rounds of each network", "S"},
        {"seed", 0, POPT_ARG_INT | POPT_ARGFLAG_SHOW_DEFAULT, &o->seed, 0,
         "of constants, input and order", "N"},
        {"quick", 0, POPT_ARG_NONE, &o->is_quick, 0,
         "hold outputs to that of the first engine instead of float64", NULL},
        {"long", 0, POPT_ARG_NONE, &o->is_long, 0, "a row for each engine, with all figures", NULL},
        {"csv", 0, POPT_ARG_STRING, &o->csv, 0, "write that to FILE too", "FILE"},
        POPT_AUTOHELP POPT_TABLEEND};
    poptContext con = poptGetContext("bench_peers", argc, argv, table, 0);
    int rc = poptGetNextOpt(con);
    const char *rest = poptGetArg(con);
    if (rc < -1)
        fprintf(stderr, "bench_peers: %s: %s\n", poptBadOption(con, POPT_BADOPTION_NOALIAS),
                poptStrerror(rc));
    else if (rest != NULL)
        fprintf(stderr, "bench_peers takes options only, not '%s'\n", rest);
    else if (o->threads < 1 || o->threads > mop_cpu_processors())
        fprintf(stderr, "--threads takes 1 to %d\n", mop_cpu_processors());
    else if (o->rounds < MOP_ROUNDS_LEAST || o->rounds > MOP_ROUNDS_MOST)
        fprintf(stderr, "--rounds takes %d to %d\n", MOP_ROUNDS_LEAST, MOP_ROUNDS_MOST);
    else if (!(o->budget >= 0 && o->budget <= 3600) || o->seed < 0)
        fprintf(stderr, "--budget takes 0 to 3600 seconds, --seed no negative number\n");
    else
        rc = 0;
    poptFreeContext(con);
    return rc;
}

int main(int argc, const char **argv)
{
    options o = {.threads = 1, .rounds = 60, .budget = 8, .seed = 1};
    contest *c = calloc(1, sizeof *c);
    mop_err err = {0};
    o.variants = strdup(VARIANTS); /* popt frees what it replaces */
    o.peers = strdup(PEERS);
    if (c == NULL || o.variants == NULL || o.peers == NULL || parse(&o, argc, argv) != 0)
        return 2;
    (void)signal(SIGPIPE, SIG_IGN); /* an engine in another process may die */
    c->options = &o;
    c->clock = mop_clock_real();
    mop_rng_init(&c->rng, (uint64_t)o.seed, 0);
    if (!mop_folder_make(c->folder)) {
        (void)mop_fail(&err, MOP_EIO, "cannot make a folder for files of the engines");
    } else {
        (void)run_all(c, &err);
        (void)mop_folder_remove(c->folder); /* the figures are there all the same */
    }
    if (err.code != MOP_OK)
        fprintf(stderr, "bench_peers: %s\n", err.msg);
    int rc = err.code == MOP_OK ? c->is_any_wrong ? EXIT_CHECK : 0 : err.code == MOP_EINVAL ? 2 : 1;
    free(c);
    free(o.peers);
    free(o.variants);
    free(o.csv);
    return rc;
}
