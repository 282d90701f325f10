/* Back ends: a device, a plan made of a model for it, and one inference. One row of backends.def
 * and one file backend_<id>.c make a back end. */
#ifndef PROFILER_ENGINE_BACKEND_H
#define PROFILER_ENGINE_BACKEND_H

#include "kernels/dtype.h"
#include "variants/model.h"

typedef struct mop_device mop_device; /* each back end defines its own */
typedef struct mop_plan mop_plan;     /* likewise */

typedef struct mop_device_choice {
    const char *selector; /* index, name substring or uuid; NULL: the back end's default */
    int threads;          /* worker threads; Vulkan: threads of a software device, else ignored */
    unsigned isa_mask;    /* CPU: allowed levels */
    const char *tuning;   /* file of measured kernel choices (profiler/engine/tune.h), one that
                             cannot be read counts as none; NULL: the shipped choices */
    const char *vulkan;   /* Vulkan: what to switch off or force (kernels/vk/switches.h) */
    const char *pipeline_cache; /* Vulkan: folder where pipelines are kept for the next process;
                                   NULL: none are */
    bool validate; /* Vulkan: core and synchronization validation; messages are counted */
} mop_device_choice;

typedef struct mop_device_info {
    char name[128];   /* Vulkan: with what is switched off or forced, which makes it another device
                         wherever results are kept */
    char type[16];    /* "cpu", "software", "integrated", "discrete", "virtual", "other" */
    char driver[128]; /* Vulkan driver name and version; CPU: highest level used, and the tuning */
    char uuid[40];    /* stable identity of the device, hexadecimal */
    char isa[16];     /* CPU: "avx2"; else "" */
    int threads;
    bool is_software; /* a CPU pretending to be a GPU: never drawn as a GPU */
} mop_device_info;

/* What is said of a device with is_software wherever one is opened; its name goes in. */
#define MOP_SOFTWARE_REMARK                                                                        \
    "\"%.80s\" is a software device: a CPU, whose times say nothing of a GPU"

/* Takes one thing known of a device: what it is, its value, and what that means or its unit, "" if
 * that goes without saying. */
typedef mop_status mop_fact_fn(void *ctx, const char *item, const char *value, const char *about,
                               mop_err *err);

/* Start offsets are multiples of MOP_ALIGN below this: one small page. */
#define MOP_PLAN_OFFSETS 4096

/* How a model becomes a plan. fuse, no_winograd and dtype are settings that a study compares; the
 * others change no output bit. */
typedef struct mop_plan_desc {
    mop_dtype dtype;  /* what mop_backend_runs() refuses is MOP_EUNSUPPORTED to plan() */
    unsigned fuse;    /* CPU: of mop_fuse MOP_FUSE_SE and MOP_FUSE_DWPW; a back end without a way to
                         run these layers together ignores them */
    bool no_winograd; /* CPU: every convolution as the sum it is written as */
    bool keep_all; /* every node keeps its own memory and can be read; outputs stay bit-identical */
    /* CPU: arena and weights begin this many bytes past a page's start, so that a network is not
     * always measured with one and the same layout of its sets in the caches; outputs stay
     * bit-identical. Vulkan: the driver places memory, not applied. */
    size_t offset;
    /* plan() frees each constant of the model as soon as it is packed (mop_model_drop), so that the
     * peak of memory is what the plan needs and not twice that. Afterwards, also if plan() fails,
     * the model is good for its graph and for mop_model_free only. */
    bool takes_constants;
} mop_plan_desc;

/* "auto" or "off": the setting no_winograd as options and the database spell it. */
const char *mop_winograd_name(bool no_winograd);
/* MOP_EINVAL for any other text; *no_winograd is then as it was. */
mop_status mop_winograd_parse(const char *text, bool *no_winograd, mop_err *err);

typedef struct mop_plan_info {
    uint64_t arena_bytes, weight_bytes;
    uint64_t live_bytes;        /* of what the arena holds, at the step that needs most */
    uint64_t setup_ns;          /* planning, packing, pipeline creation */
    uint64_t pipeline_ns;       /* of that, making pipelines; 0: none were made */
    uint32_t n_pipelines;       /* made for this plan, those that were there already not counted */
    const char *pipeline_cache; /* of the device, on disk: mop_vk_cache_state_name(); NULL: it has
                                   no pipelines */
    uint64_t first_run_ns;      /* 0 until the first run has ended */
    uint32_t n_dispatches;
    bool is_locked;       /* its memory cannot be paged out */
    bool is_lock_refused; /* the system would not lock it; false where memory is the driver's */
} mop_plan_info;

/* Filled by run() and repeat() if given. The layers sum to total_ns. A layer that did nothing is 0
 * long. */
typedef struct mop_profile {
    uint64_t *layer_ns; /* [n_nodes], node 0 (input) takes what happens before the first layer */
    uint32_t n_layers;  /* capacity in, used out */
    uint64_t total_ns;  /* on the clock of `clock_name` */
    const char *clock_name; /* "host" or "device" */
    uint64_t *begin_ns;     /* [n_nodes] when each layer began, by mop_clock_real(); repeat() does
                               not fill it; NULL: not asked for */
    /* How the device's clock was laid on the host's for begin_ns: read together with it, at most
     * deviation_ns apart; otherwise its work is put in the middle of the host's waiting. */
    bool is_calibrated;
    uint64_t deviation_ns;
    uint32_t least_repeats, most_repeats; /* of a layer by repeat() */
} mop_profile;

/* Where one run of a device went: moments by mop_clock_real(), in this order, and spans by the
 * device's clock. Reading timestamps, between `readable` and `unpacking`, is no part of the run. */
typedef struct mop_run_times {
    uint64_t begin, packed;                   /* the input lies as the device wants it */
    uint64_t submitting, submitted, finished; /* the submit called and over, its end seen */
    uint64_t readable;                        /* the output can be seen by the host */
    uint64_t unpacking, end;                  /* the output is the caller's */
    /* 0 where not known, the last three in plain runs */
    uint64_t device_ns;   /* from before the first command to after the last */
    uint64_t dispatch_ns; /* of that, dispatches */
    uint64_t copy_ns;     /* copies from and to staging buffers */
    uint64_t gap_ns;      /* the rest: barriers, and starting one dispatch after the other */
} mop_run_times;

typedef struct mop_backend {
    const char *id;   /* "cpu", "vulkan" */
    const char *what; /* one line for --help */
    /* What it heeds of a plan's setting, beside the graph that it is given: settings that differ in
     * nothing else are one and the same here. */
    unsigned fuses;    /* of MOP_FUSE_SE and MOP_FUSE_DWPW */
    bool has_winograd; /* there is a choice between Winograd and the direct sum */

    /* MOP_ENODEV with the reason where there is no such device here. */
    mop_status (*open)(const mop_device_choice *choice, mop_device **out, mop_err *err);
    void (*close)(mop_device *device); /* NULL is fine */
    void (*info)(const mop_device *device, mop_device_info *info);

    /* Fills info[0..cap) with the devices of this machine and returns how many there are. */
    mop_status (*list)(mop_device_info *info, size_t cap, size_t *n, mop_err *err);

    /* Tells what mop_device_info has no field for of the device that is chosen: limits, optional
     * features, which ways kernels would take. Nothing is opened for work. */
    mop_status (*facts)(const mop_device_choice *choice, mop_fact_fn *tell, void *ctx,
                        mop_err *err);

    bool (*supports)(const mop_device *device, const mop_op_inst *inst);

    /* Whether device runs networks in dtype, else MOP_EUNSUPPORTED with what it lacks. Asked
     * through mop_backend_runs() and not for fp32, which every device runs. NULL: nothing else. */
    mop_status (*runs)(const mop_device *device, mop_dtype dtype, mop_err *err);

    /* Plans model, which is only read while plan() runs except for its graph, which must outlive
     * the plan, and for its constants with takes_constants. MOP_EUNSUPPORTED names the first node
     * that the device cannot do. */
    mop_status (*plan)(mop_device *device, const mop_model *model, const mop_plan_desc *desc,
                       mop_plan **out, mop_err *err);
    void (*plan_free)(mop_plan *plan); /* NULL is fine */
    void (*plan_info)(const mop_plan *plan, mop_plan_info *info);

    /* What does node's work: kernel or shader name; "" for the input. Borrowed. */
    const char *(*kernel_name)(const mop_plan *plan, uint32_t node);

    /* The bound that node's kernel is held to where it does not add up the operator's own sums,
     * else NULL. NULL: every kernel does. */
    mop_bound_fn *(*bound)(const mop_plan *plan, uint32_t node);

    /* How much larger than that of the operator's own sums the error of node's kernel is in the
     * 2-norm on independent values of zero mean, >= 1. NULL: 1 everywhere. */
    double (*error_growth)(const mop_plan *plan, uint32_t node);

    /* How finely node keeps its values in the plan's number type; node 0 is the input, of which
     * only `stored`, `tiny` and `largest` are looked at. NULL: float32 throughout. */
    void (*precision)(const mop_plan *plan, uint32_t node, mop_precision *out);

    /* Rounds w[n], constant j of node as the model has it, to what the plan holds of it, which
     * kernels compute with: what is rounded at packing is no error of a kernel. NULL: plans hold
     * what models have. */
    void (*hold)(const mop_plan *plan, uint32_t node, uint32_t j, float *w, size_t n);

    /* One inference: in is NHWC as the graph's input, out receives the output node, NHWC, complete
     * when run returns. Allocates and prints nothing. profile may be NULL; a profiled run is slower
     * and never mixed with plain ones. MOP_ELOST is sticky: free everything and open again. */
    mop_status (*run)(mop_plan *plan, const float *in, float *out, mop_profile *profile,
                      mop_err *err);

    /* Times each layer by itself for a device without timestamps that can be trusted: as many
     * dispatches of it, one after the other, as take some milliseconds by the host's clock, less
     * an empty submit, over their number. Only what went before is lost: layers work on whatever
     * the arena holds, and what is in it afterwards is nothing. NULL: no such way. */
    mop_status (*repeat)(mop_plan *plan, mop_profile *profile, mop_err *err);

    /* Where the latest run went; false if none has ended. NULL: layers are all there is. */
    bool (*times)(mop_plan *plan, mop_run_times *times);

    /* Copies node's output of the last run to dst[n], NHWC. Only with keep_all or the last node.
     * Node 0 gives the input as the plan holds it. */
    mop_status (*read)(mop_plan *plan, uint32_t node, float *dst, size_t n, mop_err *err);

    /* Device time of the latest plain run in ns into *ns; false if the device has no clock that can
     * be trusted or nothing has run. Not part of a run: called after it. NULL: never any. */
    bool (*device_time)(mop_plan *plan, uint64_t *ns);

    /* Puts the threads to sleep that wait for more work by spinning, which they do for 20 ms after
     * a run of several threads here, so that they do not disturb what is measured next. The next
     * run wakes them. NULL: none spin. */
    void (*rest)(mop_device *device);

    /* Writes a remark for the user that came up since the last call, one sentence: a cache that was
     * ignored or could not be written. False: there is none. NULL: there never is. */
    bool (*remark)(mop_device *device, char *out, size_t size);

    /* Validation messages seen so far on this device (0 without validation). NULL: none ever. */
    uint32_t (*validation_messages)(const mop_device *device);

    /* What `moprof tune` times kernels with. NULL: there is no choice between kernels. */
    const struct mop_tuner *tuner;
} mop_backend;

#define MOP_BACKEND_ROW(id) extern const mop_backend mop_backend_##id;
#include "profiler/engine/backends.def"
#undef MOP_BACKEND_ROW

/* Row i of backends.def, or NULL past the end. */
const mop_backend *mop_backend_at(size_t i);

/* By id; NULL with MOP_EINVAL and the nearest id if unknown. */
const mop_backend *mop_backend_find(const char *id, mop_err *err);

/* MOP_OK if device of backend runs networks in dtype, else MOP_EUNSUPPORTED with the reason. */
mop_status mop_backend_runs(const mop_backend *backend, const mop_device *device, mop_dtype dtype,
                            mop_err *err);

#endif
