#include <inttypes.h>
#include <stdio.h>

#include "db/merge.h"
#include "profiler/base/str.h"
#include "profiler/cli/cli.h"

static mop_status report(const char *out, size_t n, const mop_merge_counts *c, mop_err *err)
{
    mop_str text = {0};
    mop_str_addf(&text,
                 "%s has %" PRId64 " more sweep%s with %" PRId64 " measurements and %" PRId64
                 " samples from %zu database%s",
                 out, c->sweeps, c->sweeps == 1 ? "" : "s", c->measurements, c->samples, n,
                 n == 1 ? "" : "s");
    if (c->known > 0)
        mop_str_addf(&text, "; %" PRId64 " sweep%s there already", c->known,
                     c->known == 1 ? " was" : "s were");
    mop_str_add(&text, "\n");
    if (c->longer > 0)
        mop_str_addf(&text,
                     "%" PRId64
                     " of these %s more passes in the input and stayed as %s; merge into "
                     "a new database to have them whole\n",
                     c->longer, c->longer == 1 ? "has" : "have",
                     c->longer == 1 ? "it was"
                                    : "they "
                                      "were");
    mop_status st = mop_str_status(&text, err);
    if (st == MOP_OK)
        st = mop_cli_write_text(mop_str_get(&text), NULL, err);
    mop_str_release(&text);
    return st;
}

int mop_cmd_merge(int argc, const char **argv)
{
    const struct poptOption options[] = {POPT_TABLEEND};
    const mop_cli_desc desc = {
        .verb = "merge",
        .args = "OUT.db IN.db...",
        .about =
            "Adds the sweeps of other databases to OUT.db, all of them or none. A sweep that is\n"
            "there already stays as it is, so merging twice changes nothing. Nothing is averaged.\n"
            "The inputs are only read, and checked before.\n\n"
            "  moprof merge all.db shard-1.db shard-2.db\n"
            "  moprof merge all.db shard-*.db && moprof query latency --db all.db",
        .options = options,
        .min_args = 2,
        .max_args = 10000,
    };
    mop_strlist args = {0};
    mop_merge_counts counts = {0};
    mop_err err = {0};
    int code = mop_cli_parse(&desc, argc, argv, &args);
    if (code < 0) {
        const char *const *in = (const char *const *)args.items + 1;
        mop_status st = mop_merge(args.items[0], in, args.n - 1, &counts, &err);
        if (st == MOP_OK)
            st = report(args.items[0], args.n - 1, &counts, &err);
        code = st == MOP_OK ? MOP_EXIT_DONE : mop_cli_fail(&err);
    }
    mop_strlist_release(&args);
    return code;
}
