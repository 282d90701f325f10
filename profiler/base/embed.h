/* Files built into the program: shaders, SQL, chart specifications, scripts. */
#ifndef PROFILER_BASE_EMBED_H
#define PROFILER_BASE_EMBED_H

#include <stddef.h>

/* The bytes of an embedded file by its name in the tree ("db/migrations/0001_first.sql",
 * "kernels/vk/shaders/gap.spv", "vega.min.js"), NUL-terminated beyond *size. NULL where the build
 * left it out, *size untouched. */
const void *mop_embed_get(const char *name, size_t *size);

/* Name of embedded file i in the order of the build, or NULL past the end. */
const char *mop_embed_name(size_t i);

#endif
