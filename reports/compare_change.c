/* What two sweeps differ in apart from their times. A "key=value;" text is compared key by key. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "db/table.h"
#include "profiler/base/str.h"
#include "reports/compare_load.h"
#include "reports/section.h"

enum { KEY_BYTES = 64, VALUE_BYTES = 256 };

/* One pair of "key=value;" at *at, which moves behind it; false at the end. A text without '=' is a
 * value without a key. */
static bool next_pair(const char **at, char key[KEY_BYTES], char value[VALUE_BYTES])
{
    *at += strspn(*at, "; ");
    if (**at == '\0')
        return false;
    size_t len = strcspn(*at, ";"), k = strcspn(*at, "=;");
    bool has_key = (*at)[k] == '=';
    (void)snprintf(key, KEY_BYTES, "%.*s", has_key ? (int)k : 0, *at); /* long ones are cut */
    (void)snprintf(value, VALUE_BYTES, "%.*s", (int)(has_key ? len - k - 1 : len),
                   *at + (has_key ? k + 1 : 0));
    *at += len;
    return true;
}

static bool find_value(const char *text, const char *wanted, char value[VALUE_BYTES])
{
    char key[KEY_BYTES];
    while (next_pair(&text, key, value))
        if (strcmp(key, wanted) == 0)
            return true;
    value[0] = '\0';
    return false;
}

/* Receives each difference. */
typedef struct sink {
    mop_table *table;
    mop_strlist *notes;
    mop_err *err;
} sink;

static mop_status put(const sink *s, const char *where, const char *what, const char *a,
                      const char *b)
{
    const char *texts[] = {where, what, a, b};
    if (s->notes != NULL)
        return mop_compare_say(s->notes, s->err, "%s: %s is %s in A and %s in B", where, what,
                               *a != '\0' ? a : "unknown", *b != '\0' ? b : "unknown");
    mop_cell *row = mop_table_row(s->table, s->err);
    mop_status status = row == NULL ? MOP_ENOMEM : MOP_OK;
    for (size_t i = 0; i < 4 && status == MOP_OK; i++)
        status = mop_cell_set_text(&row[i], texts[i], s->err);
    return status;
}

static mop_status put_pairs(const sink *s, const char *where, const char *a, const char *b)
{
    char key[KEY_BYTES], value[VALUE_BYTES], other[VALUE_BYTES];
    mop_status status = MOP_OK;
    for (const char *at = a; status == MOP_OK && next_pair(&at, key, value);) {
        (void)find_value(b, key, other); /* "" where it is not */
        if (strcmp(value, other) != 0)
            status = put(s, where, *key != '\0' ? key : "text", value, other);
    }
    for (const char *at = b; status == MOP_OK && next_pair(&at, key, value);)
        if (!find_value(a, key, other))
            status = put(s, where, *key != '\0' ? key : "text", "", value);
    return status;
}

/* A device is the same if its back end and uuid are; each is looked at once. Devices of one machine
 * share its fingerprint, which is told once. */
static mop_status put_device(const sink *s, const mop_compare_row *a, const mop_compare_row *b,
                             mop_strlist *seen)
{
    char device[256];
    mop_str machine = {0};
    mop_status status = MOP_OK;
    (void)snprintf(device, sizeof device, "%s %s", a->backend, a->uuid); /* cut is fine */
    if (mop_strlist_has(seen, device))
        return MOP_OK;
    mop_str_addf(&machine, "%s|%s", a->fingerprint, b->fingerprint);
    status = mop_str_status(&machine, s->err);
    if (status == MOP_OK && strcmp(a->driver, b->driver) != 0)
        status = put(s, a->backend, "driver", a->driver, b->driver);
    if (status == MOP_OK && !mop_strlist_has(seen, mop_str_get(&machine)))
        status = put_pairs(s, "machine", a->fingerprint, b->fingerprint);
    if (status == MOP_OK)
        status = mop_strlist_add(seen, device, s->err);
    if (status == MOP_OK)
        status = mop_strlist_add(seen, mop_str_get(&machine), s->err);
    mop_str_release(&machine);
    return status;
}

static mop_status put_devices(const sink *s, const mop_compare_loaded *a,
                              const mop_compare_loaded *b)
{
    mop_strlist seen = {0};
    mop_status status = MOP_OK;
    for (size_t i = 0; i < a->n && status == MOP_OK; i++) {
        const mop_compare_row *r = &a->row[i];
        size_t k = 0;
        while (k < b->n &&
               (strcmp(b->row[k].backend, r->backend) != 0 || strcmp(b->row[k].uuid, r->uuid) != 0))
            k++;
        if (k < b->n)
            status = put_device(s, r, &b->row[k], &seen);
    }
    mop_strlist_release(&seen);
    return status;
}

static mop_status put_build(const sink *s, const mop_compare_loaded *a, const mop_compare_loaded *b)
{
    const char *x = mop_compare_sweep_text(a, "build_id");
    const char *y = mop_compare_sweep_text(b, "build_id");
    return strcmp(x, y) != 0 ? put(s, "build", "build_id", x, y) : MOP_OK;
}

mop_status mop_compare_note_changes(const mop_compare_loaded *a, const mop_compare_loaded *b,
                                    mop_strlist *notes, mop_err *err)
{
    const sink s = {.notes = notes, .err = err};
    mop_status status = put_build(&s, a, b);
    if (status == MOP_OK)
        status = put_pairs(&s, "protocol", mop_compare_sweep_text(a, "protocol"),
                           mop_compare_sweep_text(b, "protocol"));
    return status == MOP_OK ? put_devices(&s, a, b) : status;
}

static mop_status all_changes(const mop_compare_loaded *a, const mop_compare_loaded *b,
                              mop_table *out, mop_err *err)
{
    static const char *const cols[] = {"where", "what", "a", "b"};
    static const char *const texts[] = {"protocol", "plan_text", "environment"};
    static const char *const names[] = {"protocol", "plan", "environment"};
    const sink s = {.table = out, .err = err};
    mop_status status = mop_table_start(out, cols, 4, err);
    if (status == MOP_OK)
        status = put_build(&s, a, b);
    for (size_t i = 0; i < 3 && status == MOP_OK; i++)
        status = put_pairs(&s, names[i], mop_compare_sweep_text(a, texts[i]),
                           mop_compare_sweep_text(b, texts[i]));
    return status == MOP_OK ? put_devices(&s, a, b) : status;
}

mop_status mop_compare_changes(const mop_compare_side *a, const mop_compare_side *b, mop_table *out,
                               mop_err *err)
{
    const mop_compare_filter all = {0};
    mop_compare_loaded x = {0}, y = {0};
    mop_table t = {0};
    mop_status status = mop_compare_load(a, &all, &x, err);
    if (status == MOP_OK)
        status = mop_compare_load(b, &all, &y, err);
    if (status == MOP_OK)
        status = all_changes(&x, &y, &t, err);
    mop_compare_loaded_release(&x);
    mop_compare_loaded_release(&y);
    if (status == MOP_OK)
        *out = t;
    else
        mop_table_release(&t);
    return status;
}
