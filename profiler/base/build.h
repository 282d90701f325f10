/* Which build this is. */
#ifndef PROFILER_BASE_BUILD_H
#define PROFILER_BASE_BUILD_H

#include <stdint.h>

/* Version control state at build time ("1a2b3c4", "-dirty" after a local change), or "unversioned".
 */
const char *mop_build_id(void);

/* "gcc 12.2.0". */
const char *mop_build_compiler(void);

/* Options that the C code was compiled with, kernels' own left out. */
const char *mop_build_flags(void);

/* One hash over all embedded shaders: two builds with the same hash run the same GPU code. */
uint64_t mop_build_shader_hash(void);

#endif
