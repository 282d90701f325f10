/* What the commands share: options, exit codes, output, messages. Only this room prints and exits.
 */
#ifndef PROFILER_CLI_CLI_H
#define PROFILER_CLI_CLI_H

#include <popt.h>

#include "db/query.h"
#include "profiler/base/status.h"
#include "profiler/base/text.h"
#include "profiler/engine/backend.h"

/* Room for mop_cli_switches_name. */
#define MOP_CLI_SWITCHES 80

/* The documented exit codes. */
enum mop_exit {
    MOP_EXIT_DONE = 0,
    MOP_EXIT_FAILED = 1,
    MOP_EXIT_USAGE = 2,
    MOP_EXIT_REGRESSION = 3, /* a comparison found what --fail-on names */
    MOP_EXIT_UNDECIDED = 4,  /* a comparison left open what --fail-on wants decided */
    MOP_EXIT_NO_DEVICE = 5,
    MOP_EXIT_SOME_FAILED = 6,
    MOP_EXIT_CHECK = 7,
    MOP_EXIT_INTERRUPTED = 130
};

int mop_exit_code(mop_status status);

/* Prints "moprof: <sentence>" to stderr and returns the exit code of err. */
int mop_cli_fail(const mop_err *err);
/* The same for a usage error with its own sentence. */
int mop_cli_usage(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* "moprof: <sentence>" to stderr, nothing more. */
void mop_cli_note(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* What one command takes. */
typedef struct mop_cli_desc {
    const char *verb;
    const char *args;  /* "SPEC", "[PATTERN]" or "" */
    const char *about; /* paragraphs for --help, ending with examples */
    const struct poptOption *options;
    size_t min_args, max_args;
} mop_cli_desc;

/* Parses argv (argv[0] is the verb) into the option variables and args. Every long option has an
 * environment twin MOPROF_NAME that the command line overrides. Returns -1 to go on, or the exit
 * code to end with (help printed, or a usage error with the nearest option named). */
int mop_cli_parse(const mop_cli_desc *desc, int argc, const char **argv, mop_strlist *args);

/* Number options within a range: MOP_EINVAL with the range in the sentence. */
mop_status mop_cli_int(const char *option, const char *text, long lo, long hi, long *out,
                       mop_err *err);
mop_status mop_cli_real(const char *option, const char *text, double lo, double hi, double *out,
                        mop_err *err);
/* "90s", "5m", "1h", "250ms" or plain seconds -> ns. */
mop_status mop_cli_time(const char *option, const char *text, uint64_t *ns, mop_err *err);

/* A list option "1,2" of numbers, each once; *out is the caller's to free. */
mop_status mop_cli_int_list(const char *option, const char *text, long lo, long hi, int **out,
                            size_t *n, mop_err *err);

/* "avx2" -> the mask of that level and all below; "" or NULL -> all. */
mop_status mop_cli_isa_mask(const char *text, unsigned *mask, mop_err *err);

/* --fuse, --winograd and --dtype of one run into desc; NULL: all, auto, fp32. MOP_EINVAL with the
 * nearest name. */
mop_status mop_cli_switches(const char *fuse, const char *winograd, const char *dtype,
                            mop_plan_desc *desc, mop_err *err);
/* How desc is not the default: " [fuse=none, winograd=off, dtype=fp16]"; "" if it is. */
const char *mop_cli_switches_name(const mop_plan_desc *desc, char out[MOP_CLI_SWITCHES]);

/* Room for mop_cli_vulkan. */
#define MOP_CLI_VULKAN 256

/* The one spelling of --vulkan (kernels/vk/switches.h) into out; NULL: "". MOP_EINVAL with the
 * nearest word for one that there is not. */
mop_status mop_cli_vulkan(const char *text, char out[MOP_CLI_VULKAN], mop_err *err);

/* What their options say in --help. */
#define MOP_CLI_VULKAN_HELP   "no-FEATURE (docs/gpu.md), staging, flush, subgroup=N"
#define MOP_CLI_FUSE_HELP     "none, all (default), or some of bn, act, add, se, dwpw joined by +"
#define MOP_CLI_WINOGRAD_HELP "CPU: auto (default), or off: every convolution as a direct sum"
#define MOP_CLI_DTYPE_HELP    "fp32 (default), fp16s: fp16 storage, fp16, int8; where a device can"

/* The back ends named in text, each once, or all where text is NULL. MOP_EINVAL for an unknown one.
 */
mop_status mop_cli_backends(const char *text, mop_strlist *ids, mop_err *err);

/* The file of measured kernel choices: $MOPROF_TUNE, else tune.json in $XDG_CACHE_HOME/moprof
 * or
 * ~/.cache/moprof. NULL where the variable is empty or there is no such place. */
const char *mop_cli_tune_path(void);
/* The same for a device to open: NULL with a note where the file cannot be read. */
const char *mop_cli_tuning(void);

/* The folder of Vulkan's pipeline caches: $MOPROF_PIPELINES, else $XDG_CACHE_HOME/moprof or
 * ~/.cache/moprof. NULL where the variable is empty or there is no such place. */
const char *mop_cli_pipelines(void);

/* Opens `choice` of back end `id`, with the tuning of mop_cli_tuning() and the pipelines of
 * mop_cli_pipelines(); what the device remarks is a note. */
mop_status mop_cli_open(const char *id, const mop_device_choice *choice,
                        const mop_backend **backend, mop_device **device, mop_err *err);
void mop_cli_close(const mop_backend *backend, mop_device *device); /* NULL device is fine */

/* Exactly one canonical spec out of text. */
mop_status mop_cli_one_spec(const char *text, char *spec, size_t size, mop_err *err);

/* Writes t to file (stdout if NULL) in the format named, or the one of the file's extension, or a
 * table for people. A file is replaced only once it is complete. */
mop_status mop_cli_write_table(const mop_table *t, const char *format, const char *file,
                               mop_err *err);
mop_status mop_cli_write_text(const char *text, const char *file, mop_err *err);
mop_status mop_cli_format(const char *format, const char *file, mop_format *out, mop_err *err);

/* The database named by --db, else moprof.db here. */
const char *mop_cli_db(const char *option);

#define MOP_COMMAND_ROW(name, what) int mop_cmd_##name(int argc, const char **argv);
#include "profiler/cli/commands.def"
#undef MOP_COMMAND_ROW

#endif
