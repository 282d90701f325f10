/* Status codes and the caller-owned error record that every fallible function fills. */
#ifndef PROFILER_BASE_STATUS_H
#define PROFILER_BASE_STATUS_H

typedef enum mop_status {
    MOP_OK = 0,
    MOP_EINVAL,       /* the caller asked for something that makes no sense: a usage error */
    MOP_ENOMEM,       /* an allocation failed */
    MOP_EUNSUPPORTED, /* well formed, but not offered by this back end, device or build */
    MOP_ENODEV,       /* the device asked for does not exist here */
    MOP_ELOST,        /* the device was lost or timed out; the handle is dead */
    MOP_EIO,          /* the operating system or SQLite refused a read or write */
    MOP_EBUSY,        /* somebody else holds the lock */
    MOP_ECHECK,       /* a computed output is not what the reference says */
    MOP_EINTR,        /* interrupted by a signal, state flushed */
    MOP_EFAIL         /* anything else */
} mop_status;

/* The caller's record of the first failure: `msg` is a whole sentence with the values in it.
 * Initialise with {0}; pass the same record to several calls and the first message stays. */
typedef struct mop_err {
    mop_status code;
    char msg[256];
} mop_err;

/* Records code and the formatted sentence in err (which may be NULL) unless err already holds a
 * failure, and returns code, so that `return mop_fail(err, ...)` ends a function. */
mop_status mop_fail(mop_err *err, mop_status code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* A short constant name such as "no device", for logs and tests. */
const char *mop_status_name(mop_status code);

#endif
