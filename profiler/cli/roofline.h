/* The roofline of this machine's processor as a stored calibration has it. */
#ifndef PROFILER_CLI_ROOFLINE_H
#define PROFILER_CLI_ROOFLINE_H

#include "profiler/base/status.h"
#include "profiler/engine/backend.h"

/* NAN each where there is no calibration. */
typedef struct mop_roofline {
    double peak_flops, bytes_per_s;
} mop_roofline;

/* From the newest calibration of the processor `info` in the database at db, with as many threads
 * as info has. db NULL: moprof.db, if there is one that can be read. MOP_EINVAL or MOP_EIO if the
 * one named cannot be read; without a calibration in it *out is NAN and the status MOP_OK. */
mop_status mop_roofline_read(const char *db, const mop_device_info *info, mop_roofline *out,
                             mop_err *err);

/* 2 x MACs per byte; NAN where nothing is moved. */
double mop_roofline_intensity(int64_t macs, int64_t bytes);

/* The smaller of the peak and intensity x bandwidth, FLOP/s; NAN where either is unknown. */
double mop_roofline_attainable(const mop_roofline *r, double intensity);

/* "compute" or "memory"; "" where it is not known. */
const char *mop_roofline_bound(const mop_roofline *r, double intensity);

#endif
