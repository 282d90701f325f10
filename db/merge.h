/* Many databases into one: the parts of a sweep that was spread over machines, or years of results.
 */
#ifndef DB_MERGE_H
#define DB_MERGE_H

#include <stddef.h>
#include <stdint.h>

#include "profiler/base/status.h"

typedef struct mop_merge_counts {
    int64_t sweeps, measurements, samples; /* added */
    int64_t known;                         /* sweeps that were there already */
    int64_t longer; /* of those, with more passes in the input: left as they were */
} mop_merge_counts;

/* Adds what the databases in[0..n) hold to the one at out, which is created if absent: all of them
 * or nothing. Sweeps are known by their uuid (by all their fields where they have none), devices by
 * all fields, models by graph and content with their layers, other engines' results by source and
 * row, references by variant and metric; what is there already stays as it is, so that merging
 * twice changes nothing. Nothing is averaged: every sweep stays a sweep of its own. Statistics are
 * recomputed. A running or stopped sweep merges as far as it is.
 *
 * The inputs are not trusted and not written: each is opened to read by a connection of its own,
 * must be a database of moprof that is not newer, pass SQLite's quick_check and have the tables of
 * its schema version to the letter; it is read by named columns, and all constraints of the output
 * hold for what comes in. An input of an older schema is migrated in a temporary copy beside out.
 *
 * MOP_EINVAL for an input that fails this or is out itself, MOP_EBUSY while a sweep writes to out,
 * MOP_EIO where reading or writing fails; then out is as it was. *counts is only set on success. */
mop_status mop_merge(const char *out, const char *const *in, size_t n, mop_merge_counts *counts,
                     mop_err *err);

#endif
