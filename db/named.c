/* Named queries: the files of db/queries/. */
#include <stdlib.h>
#include <string.h>

#include "db/query.h"
#include "profiler/base/embed.h"

static const struct {
    const char *name, *file;
} queries[] = {
    {"latency", "db/queries/latency.sql"}, {"ablation", "db/queries/ablation.sql"},
    {"pareto", "db/queries/pareto.sql"},   {"layers", "db/queries/layers.sql"},
    {"sweep", "db/queries/sweep.sql"},     {"repeat", "db/queries/repeat.sql"},
    {"engines", "db/queries/engines.sql"}, {"roofline", "db/queries/roofline.sql"},
    {"fusion", "db/queries/fusion.sql"},
};

enum { N_QUERIES = sizeof queries / sizeof queries[0] };

const char *mop_named_query(const char *name)
{
    size_t size;
    for (size_t i = 0; i < N_QUERIES; i++)
        if (strcmp(name, queries[i].name) == 0)
            return mop_embed_get(queries[i].file, &size);
    return NULL;
}

const char *mop_named_query_at(size_t i)
{
    return i < N_QUERIES ? queries[i].name : NULL;
}
