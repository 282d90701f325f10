/* What the files of the store share. For the inside of db/. */
#ifndef DB_STORE_INTERNAL_H
#define DB_STORE_INTERNAL_H

#include <sqlite3.h>

#include "db/fields.h"
#include "db/sql.h"
#include "db/store.h"

typedef struct mop_lock {
    int fd;
    char *path;
} mop_lock;

struct mop_store {
    sqlite3 *db;
    char *path;
    mop_lock lock;
    int64_t planning; /* sweep of the open plan transaction; 0: none */
};

/* Takes the writer's lock PATH.lock. MOP_EBUSY with the holder's own words. */
mop_status mop_lock_take(const char *path, mop_lock *lock, mop_err *err);
void mop_lock_release(mop_lock *lock);

/* BEGIN IMMEDIATE, and its end: COMMIT if st is MOP_OK, else ROLLBACK. _end returns st or the
 * failure of COMMIT. */
mop_status mop_tx_begin(mop_store *store, mop_err *err);
mop_status mop_tx_end(mop_store *store, mop_status st, mop_err *err);

/* Inserts record into its table with `n_extra` further integer columns. *id may be NULL. */
typedef struct mop_extra {
    const char *column;
    int64_t value;
} mop_extra;
mop_status mop_insert(mop_store *store, mop_record_kind kind, const void *record,
                      const mop_extra *extra, size_t n_extra, int64_t *id, mop_err *err);
/* The same, but a row with the same key is replaced. */
mop_status mop_replace(mop_store *store, mop_record_kind kind, const void *record,
                       const mop_extra *extra, size_t n_extra, mop_err *err);

/* Row id of the record equal in every field, 0 if there is none. hex_column (may be NULL) must
 * equal hex too. */
mop_status mop_find(mop_store *store, mop_record_kind kind, const void *record,
                    const char *hex_column, uint64_t hex, int64_t *id, mop_err *err);

/* Identity of what mop_store_put_model stores beside the graph hash. */
uint64_t mop_content_hash(const mop_model_record *model, const mop_layer_record *layers,
                          size_t n_layers);

/* A model by its content hash, found or inserted, without its layers; *is_new may be NULL. */
mop_status mop_model_row(mop_store *store, const mop_model_record *model, uint64_t content_hash,
                         int64_t *id, bool *is_new, mop_err *err);
/* The same with its layers, which a model that was known by its hash alone then gets. */
mop_status mop_model_put(mop_store *store, const mop_model_record *model,
                         const mop_layer_record *layers, size_t n_layers, int64_t *id,
                         mop_err *err);
mop_status mop_device_row(mop_store *store, const mop_device_record *device, int64_t sweep_id,
                          int64_t *id, mop_err *err);

/* Rows of `stat`, recomputed inside the caller's transaction; a measurement without samples has
 * none. mop_stat_refresh: one measurement, and those whose ratio is taken to it.
 * mop_stats_refresh_pass: those of the samples of a finished pass, all of which are stored; the
 * ratios of others cannot have changed, because they have no sample in it. mop_stats_refresh_sweep:
 * a whole sweep; 0 means all. */
mop_status mop_stat_refresh(mop_store *store, int64_t measurement_id, mop_err *err);
mop_status mop_stats_refresh_pass(mop_store *store, const mop_sample_record *samples, size_t n,
                                  mop_err *err);
mop_status mop_stats_refresh_sweep(mop_store *store, int64_t sweep_id, mop_err *err);

/* Inserts samples[0..n) inside the caller's transaction. */
mop_status mop_samples_insert(mop_store *store, const mop_sample_record *samples, size_t n,
                              mop_err *err);

#endif
