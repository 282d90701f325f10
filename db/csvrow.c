#include "db/csvrow.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

static void add(mop_csv_layout *l, const char *name, const char *from, mop_field field)
{
    mop_csv_column *c = &l->column[l->n++];
    assert(l->n <= MOP_CSV_MAX_COLUMNS);
    (void)snprintf(c->name, sizeof c->name, "%s", name); /* the test reads every name back */
    (void)snprintf(c->from, sizeof c->from, "%s", from);
    c->field = field;
    c->field.column = c->name; /* what messages call it */
}

static void add_record(mop_csv_layout *l, mop_record_kind kind, const char *alias, size_t base)
{
    const mop_fields *f = mop_fields_of(kind);
    for (size_t i = 0; i < f->n; i++) {
        mop_field field = f->field[i];
        char name[48], from[48];
        /* What was planned stays with the database that planned it, as does its identity. */
        if (kind == MOP_RECORD_SWEEP &&
            (strncmp(field.column, "plan_", 5) == 0 || strcmp(field.column, "uuid") == 0))
            continue;
        (void)snprintf(name, sizeof name, "%s_%s", f->table, field.column); /* fits */
        (void)snprintf(from, sizeof from, "%s.%s", alias, field.column);
        field.offset += base;
        add(l, name, from, field);
        l->column[l->n - 1].is_sample = kind == MOP_RECORD_SAMPLE;
    }
}

#define SPECIAL(kind_, member)                                                                     \
    (mop_field)                                                                                    \
    {                                                                                              \
        .kind = kind_, .offset = offsetof(mop_csv_row, member),                                    \
        .size = sizeof(((mop_csv_row *)0)->member)                                                 \
    }

/* What newer schemas added, and what it is in a file without it. */
static const struct {
    const char *name, *absent;
} added[] = {
    {"sweep_kind", "sweep"},
    {"sweep_shard", "1"},
    {"sweep_shards", "1"},
    {"sweep_baseline", ""},
    {"sweep_environment", NULL},
    {"sweep_clock_cost_ns", NULL},
    {"sweep_clock_step_ns", NULL},
    {"sweep_aa_floor", NULL},
    {"measurement_alias", ""},
    {"measurement_layer_overhead", NULL},
    {"measurement_layer_residual", NULL},
    {"measurement_fuse", "bn+act+add"},
    {"measurement_winograd", "off"},
    {"sample_run_delay_ns", NULL},
    {"sample_cpu_before", NULL},
    {"sample_cpu_after", NULL},
};

static void mark_optional(mop_csv_layout *l)
{
    for (size_t c = 0; c < l->n; c++) {
        for (size_t i = 0; i < sizeof added / sizeof added[0]; i++) {
            if (strcmp(l->column[c].name, added[i].name) == 0) {
                l->column[c].is_optional = true;
                l->column[c].absent = added[i].absent;
            }
        }
    }
}

void mop_csv_layout_make(mop_csv_layout *l)
{
    memset(l, 0, sizeof *l);
    add(l, "sweep", "dense_rank() OVER (ORDER BY x.sweep_id)",
        SPECIAL(MOP_FIELD_U64, sweep_number));
    add(l, "measurement", "dense_rank() OVER (ORDER BY x.sweep_id, x.id)",
        SPECIAL(MOP_FIELD_U64, measurement_number));
    add_record(l, MOP_RECORD_SWEEP, "w", offsetof(mop_csv_row, sweep));
    add_record(l, MOP_RECORD_DEVICE, "d", offsetof(mop_csv_row, device));
    add(l, "device_peak_flops", "c.value", SPECIAL(MOP_FIELD_F64, device.peak_flops));
    add(l, "model_content_hash", "m.content_hash", SPECIAL(MOP_FIELD_HEX, content_hash));
    add_record(l, MOP_RECORD_MODEL, "m", offsetof(mop_csv_row, model));
    add_record(l, MOP_RECORD_MEASUREMENT, "x", offsetof(mop_csv_row, measurement));
    add_record(l, MOP_RECORD_SAMPLE, "s", offsetof(mop_csv_row, sample));
    mark_optional(l);
}
