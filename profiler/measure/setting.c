#include "profiler/measure/setting.h"

#include <stdio.h>
#include <string.h>

bool mop_setting_equal(const mop_setting *a, const mop_setting *b)
{
    return a->fuse == b->fuse && a->no_winograd == b->no_winograd && a->is_cold == b->is_cold &&
           a->dtype == b->dtype;
}

void mop_setting_name(const mop_setting *s, char out[MOP_SETTING_TEXT])
{
    char fuse[MOP_FUSE_TEXT];
    const bool is_plain = s->dtype == MOP_DTYPE_FP32;
    (void)snprintf(out, MOP_SETTING_TEXT, "%s/%s/%s%s%s", mop_fuse_name(s->fuse, fuse),
                   mop_winograd_name(s->no_winograd), mop_cache_name(s->is_cold),
                   is_plain ? "" : "/", is_plain ? "" : mop_dtype_name(s->dtype)); /* fits */
}

mop_status mop_setting_parse(const char *text, mop_setting *s, mop_err *err)
{
    char part[4][MOP_SETTING_TEXT];
    int third = 0, fourth = 0, n;
    mop_setting read = MOP_SETTING_DEFAULT;
    mop_status st = MOP_OK;
    n = sscanf(text, "%63[^/]/%63[^/]/%63[^/]%n/%63[^/]%n", part[0], part[1], part[2], &third,
               part[3], &fourth);
    if (n < 3 || text[n == 3 ? third : fourth] != '\0')
        return mop_fail(err, MOP_EINVAL, "a setting reads FUSE/WINOGRAD/CACHE[/DTYPE], not '%.60s'",
                        text);
    st = mop_fuse_parse(part[0], &read.fuse, err);
    if (st == MOP_OK)
        st = mop_winograd_parse(part[1], &read.no_winograd, err);
    if (st == MOP_OK)
        st = mop_cache_parse(part[2], &read.is_cold, err);
    if (st == MOP_OK && n == 4)
        st = mop_dtype_parse(part[3], &read.dtype, err);
    if (st == MOP_OK)
        *s = read;
    return st;
}

const char *mop_cache_name(bool is_cold)
{
    return is_cold ? "cold" : "hot";
}

mop_status mop_cache_parse(const char *text, bool *is_cold, mop_err *err)
{
    bool cold = strcmp(text, "cold") == 0;
    if (!cold && strcmp(text, "hot") != 0)
        return mop_fail(err, MOP_EINVAL, "a cache mode is hot or cold, not '%.40s'", text);
    *is_cold = cold;
    return MOP_OK;
}

mop_setting mop_setting_heeded(const mop_setting *s, const mop_backend *backend)
{
    return (mop_setting){.fuse = s->fuse & (MOP_FUSE_GRAPH | backend->fuses),
                         .no_winograd = s->no_winograd || !backend->has_winograd,
                         .dtype = s->dtype,
                         .is_cold = s->is_cold};
}
