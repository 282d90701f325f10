#include "profiler/engine/backend.h"

#include <string.h>

#include "profiler/base/text.h"

static const mop_backend *const backends[] = {
#define MOP_BACKEND_ROW(id) &mop_backend_##id,
#include "profiler/engine/backends.def"
#undef MOP_BACKEND_ROW
};

enum { BACKENDS = sizeof backends / sizeof backends[0] };

const mop_backend *mop_backend_at(size_t i)
{
    return i < BACKENDS ? backends[i] : NULL;
}

const mop_backend *mop_backend_find(const char *id, mop_err *err)
{
    const char *ids[BACKENDS], *nearest;
    for (size_t i = 0; i < BACKENDS; i++) {
        ids[i] = backends[i]->id;
        if (strcmp(ids[i], id) == 0)
            return backends[i];
    }
    nearest = mop_nearest(id, ids, BACKENDS);
    (void)mop_fail(err, MOP_EINVAL, "there is no back end '%s'%s%s%s", id,
                   nearest != NULL ? "; did you mean '" : "", nearest != NULL ? nearest : "",
                   nearest != NULL ? "'?" : "");
    return NULL;
}

mop_status mop_backend_runs(const mop_backend *backend, const mop_device *device, mop_dtype dtype,
                            mop_err *err)
{
    if (dtype == MOP_DTYPE_FP32)
        return MOP_OK;
    if (backend->runs != NULL)
        return backend->runs(device, dtype, err);
    return mop_fail(err, MOP_EUNSUPPORTED, "back end %s computes in %s only, not in %s",
                    backend->id, mop_dtype_name(MOP_DTYPE_FP32), mop_dtype_name(dtype));
}

const char *mop_winograd_name(bool no_winograd)
{
    return no_winograd ? "off" : "auto";
}

mop_status mop_winograd_parse(const char *text, bool *no_winograd, mop_err *err)
{
    bool is_off = strcmp(text, "off") == 0;
    if (!is_off && strcmp(text, "auto") != 0)
        return mop_fail(err, MOP_EINVAL, "Winograd is auto or off, not '%s'", text);
    *no_winograd = is_off;
    return MOP_OK;
}
