/* Whether the calling thread takes denormals for zero, read and written: MXCSR.FTZ and DAZ on
 * x86-64, FPCR.FZ on aarch64; elsewhere the mode is left alone. */
#ifndef PROFILER_BASE_DENORMALS_H
#define PROFILER_BASE_DENORMALS_H

#include <stdbool.h>

/* Turns it on; returns what mop_denormals_restore() takes. */
unsigned mop_denormals_flush(void);

/* Sets the mode as it was, and nothing else of the control register. */
void mop_denormals_restore(unsigned before);

bool mop_denormals_are_flushed(void);

#endif
