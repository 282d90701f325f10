#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/fuzz.h"
#include "variants/variant.h"

enum { GRAPHS = 2, SIDE = 64 };

static void build(const mop_spec *spec)
{
    mop_graph *graph = NULL;
    mop_err err = {0};
    mop_status st;
    if (spec->height > SIDE || spec->width > SIDE)
        return;
    st = mop_variant_graph(spec, 1, &graph, &err);
    mop_fuzz_demand_sentence(st != MOP_OK, err.msg);
    mop_fuzz_demand((st == MOP_OK) == (graph != NULL), "a graph and a failure, or neither");
    mop_graph_free(graph);
}

void mop_fuzz_spec(const uint8_t *data, size_t size)
{
    char *text = mop_fuzz_text(data, size, 300);
    mop_strlist specs = {0};
    mop_err err = {0};
    mop_status st = mop_specs_expand(text, &specs, &err);
    mop_fuzz_demand_sentence(st != MOP_OK, err.msg);
    mop_fuzz_demand(st == MOP_OK || specs.n == 0, "a failure that leaves variants");
    for (size_t i = 0; i < specs.n; i++) {
        mop_spec spec;
        mop_fuzz_demand(mop_spec_parse(specs.items[i], &spec, &err) == MOP_OK,
                        "a canonical spec is refused");
        mop_fuzz_demand(strcmp(spec.text, specs.items[i]) == 0, "a canonical spec has another");
        if (i < GRAPHS)
            build(&spec);
    }
    mop_strlist_release(&specs);
    free(text);
}
