/* A setting: what a study varies about how a network is run on one device, with its one spelling.
 */
#ifndef PROFILER_MEASURE_SETTING_H
#define PROFILER_MEASURE_SETTING_H

#include "profiler/engine/backend.h"
#include "variants/passes.h"

/* Plain data: it goes over a socket as it is. */
typedef struct mop_setting {
    unsigned fuse;    /* union of mop_fuse */
    bool no_winograd; /* as in mop_plan_desc */
    mop_dtype dtype;  /* likewise */
    bool is_cold;     /* nothing of the network is in a cache before a run */
} mop_setting;

/* What is measured where nothing is asked for. */
#define MOP_SETTING_DEFAULT ((mop_setting){.fuse = MOP_FUSE_ALL})

/* Room for its spelling, the end included. */
#define MOP_SETTING_TEXT 64

bool mop_setting_equal(const mop_setting *a, const mop_setting *b);

/* "all/auto/hot": what is fused, Winograd, caches; "all/auto/hot/fp16s": number type, if it is not
 * fp32. */
void mop_setting_name(const mop_setting *s, char out[MOP_SETTING_TEXT]);
/* Reads that again. MOP_EINVAL with what is wrong; *s is then as it was. */
mop_status mop_setting_parse(const char *text, mop_setting *s, mop_err *err);

/* "hot" or "cold". */
const char *mop_cache_name(bool is_cold);
mop_status mop_cache_parse(const char *text, bool *is_cold, mop_err *err);

/* What is left of s on a back end: fusions and a choice that it does not know of are taken out, so
 * that two settings are equal there exactly if what runs is the same. A number type that it does
 * not run is left: nothing runs in its place. */
mop_setting mop_setting_heeded(const mop_setting *s, const mop_backend *backend);

#endif
