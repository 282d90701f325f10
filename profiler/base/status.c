#include "profiler/base/status.h"

#include <stdarg.h>
#include <stdio.h>

mop_status mop_fail(mop_err *err, mop_status code, const char *fmt, ...)
{
    if (err != NULL && err->code == MOP_OK) {
        va_list ap;
        err->code = code;
        va_start(ap, fmt);
        (void)vsnprintf(err->msg, sizeof err->msg, fmt, ap); /* truncation is acceptable here */
        va_end(ap);
    }
    return code;
}

const char *mop_status_name(mop_status code)
{
    static const char *const names[] = {
        [MOP_OK] = "ok",
        [MOP_EINVAL] = "invalid argument",
        [MOP_ENOMEM] = "out of memory",
        [MOP_EUNSUPPORTED] = "unsupported",
        [MOP_ENODEV] = "no device",
        [MOP_ELOST] = "device lost",
        [MOP_EIO] = "input/output error",
        [MOP_EBUSY] = "busy",
        [MOP_ECHECK] = "output check failed",
        [MOP_EINTR] = "interrupted",
        [MOP_EFAIL] = "failed",
    };
    return (unsigned)code < sizeof names / sizeof names[0] ? names[code] : "unknown status";
}
