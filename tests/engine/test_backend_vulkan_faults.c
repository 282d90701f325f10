/* What goes wrong with a Vulkan device: every call of opening, planning and running is made to fail
 * in turn, with each result that it may have, and every allocation of memory. Whatever fails, there
 * is a sentence, outputs are as they were, all objects are destroyed, and a device that is not lost
 * goes on working. Leaks are found by sanitizer builds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "kernels/vk/timer.h"
#include "tests/support/folder.h"
#include "tests/support/own_alloc.h"
#include "tests/support/vklayer.h"
#include "tests/support/vulkan.h"

enum { SEED = 20240607, OUTPUTS = 3, MOST_CALLS = 400 };

/* Calls of a profile by repetition from this one on are much alike. */
enum { ALIKE = 16 };

static const mop_backend *const vulkan = &mop_backend_vulkan;
static const float untouched[OUTPUTS] = {-7, -7, -7};
static float want[OUTPUTS]; /* what the network gives */
static char folder[MOP_FOLDER_MAX];

/* A result that calls return, or an allocation that fails. */
typedef struct fault {
    const char *name;
    VkResult with; /* VK_SUCCESS: an allocation of this program */
    int only;      /* of this call; 0: of all */
} fault;

static const fault faults[] = {
    {"host memory", VK_ERROR_OUT_OF_HOST_MEMORY, 0},
    {"device memory", VK_ERROR_OUT_OF_DEVICE_MEMORY, 0},
    {"a lost device", VK_ERROR_DEVICE_LOST, 0},
    {"something else", VK_ERROR_INITIALIZATION_FAILED, 0},
    {"a fence that never comes", VK_TIMEOUT, VKLAYER_WaitForFences},
    {"an allocation", VK_SUCCESS, 0},
};

typedef struct stage {
    mop_device *device;
    mop_plan *plan;
    obo_net net;
    float *x, y[OUTPUTS];
} stage;

typedef struct scene {
    const char *name, *switches;
    bool is_planned, has_run; /* before the act */
    mop_status (*act)(stage *st, mop_err *err);
    bool is_split; /* a submit for each node */
} scene;

static mop_status act_plan(stage *st, mop_err *err)
{
    const mop_plan_desc desc = {0};
    return vulkan->plan(st->device, &st->net.model, &desc, &st->plan, err);
}

static mop_status act_run(stage *st, mop_err *err)
{
    return vulkan->run(st->plan, st->x, st->y, NULL, err);
}

static mop_status act_profile(stage *st, mop_err *err)
{
    uint64_t layers[OBO_NODES];
    mop_profile profile = {.layer_ns = layers, .n_layers = OBO_NODES};
    return vulkan->run(st->plan, st->x, st->y, &profile, err);
}

static mop_status act_repeat(stage *st, mop_err *err)
{
    uint64_t layers[OBO_NODES];
    mop_profile profile = {.layer_ns = layers, .n_layers = OBO_NODES};
    return vulkan->repeat(st->plan, &profile, err);
}

static mop_status act_read(stage *st, mop_err *err)
{
    uint64_t ns;
    float y[OUTPUTS];
    (void)vulkan->device_time(st->plan, &ns); /* a clock that cannot be read has no time to tell */
    mop_status s = vulkan->read(st->plan, st->net.graph.n_nodes - 1, y, OUTPUTS, err);
    if (s == MOP_OK)
        memcpy(st->y, y, sizeof y);
    return s;
}

static const scene scenes[] = {
    {"planning", NULL, false, false, act_plan, false},
    {"planning with copies", "staging,flush", false, false, act_plan, false},
    {"the first run", NULL, true, false, act_run, false},
    {"the first run with copies", "staging,flush", true, false, act_run, false},
    {"a later run", "flush", true, true, act_run, false},
    {"planning several submits", NULL, false, false, act_plan, true},
    {"a run of several submits", NULL, true, true, act_run, true},
    {"a profiled run", NULL, true, true, act_profile, false},
    {"a profiled run with copies", "staging,flush", true, true, act_profile, false},
    {"a profile by repetition", "staging", true, true, act_repeat, false},
    {"reading back", "staging,flush", true, true, act_read, false},
};

static void arm(const fault *f, int n)
{
    vklayer_reset();
    own_alloc_calls = own_alloc_fails = 0;
    if (f->with == VK_SUCCESS) {
        own_alloc_fails = (size_t)n;
        return;
    }
    vklayer_now.fail_at = n;
    vklayer_now.with = f->with;
    vklayer_now.fails_only = f->only;
}

/* Ends the fault; the name of what failed, NULL if it never came to that. */
static const char *disarm(void)
{
    const char *failed = vklayer_now.failed;
    if (own_alloc_fails != 0 && own_alloc_calls >= own_alloc_fails)
        failed = "an allocation";
    vklayer_reset();
    own_alloc_fails = 0;
    return failed;
}

static mop_status open_layered(const char *switches, const char *cache, mop_device **device,
                               mop_err *err)
{
    const mop_vk_options options = {
        .threads = 1, .switches = switches, .pipeline_cache = cache, .entry = vklayer_entry};
    *device = NULL;
    return mop_vulkan_open(&options, device, err);
}

/* The state before the act. */
static void set_up(stage *st, const scene *sc)
{
    mop_err err = {0};
    memset(st, 0, sizeof *st);
    vklayer_reset();
    if (open_layered(sc->switches, folder, &st->device, &err) != MOP_OK)
        fail_msg("%s", err.msg);
    /* the test of the clock has a test of its own below */
    st->device->vk->timer.is_tested = st->device->vk->timer.is_trusted = true;
    if (sc->is_split)
        st->device->vk->macs_per_submit = 1;
    vulkan_small_net(&st->net, SEED);
    st->x = obo_input(&st->net);
    if (sc->is_planned)
        assert_int_equal(act_plan(st, &err), MOP_OK);
    if (sc->has_run)
        assert_int_equal(act_run(st, &err), MOP_OK);
    memcpy(st->y, untouched, sizeof untouched);
}

static void tear_down(stage *st)
{
    vulkan->plan_free(st->plan);
    vulkan->close(st->device);
    free(st->x);
    obo_free(&st->net);
    assert_int_equal(vklayer_now.live, 0);
}

/* Whether what failed was keeping the pipelines, which is only a remark. */
static bool is_remark(stage *st)
{
    char text[512];
    return vulkan->remark(st->device, text, sizeof text) &&
           strstr(text, "compiled pipelines are not kept") != NULL;
}

/* What must hold after the act, failed being what did. */
static void judge(stage *st, const scene *sc, mop_status s, const mop_err *err, const char *failed)
{
    mop_err later = {0};
    const bool is_lost = st->device->vk->is_lost;
    if (s == MOP_OK && failed != NULL && sc->act != act_read && !is_remark(st))
        fail_msg("%s: %s failed unseen", sc->name, failed);
    if (s != MOP_OK) {
        assert_non_null(failed);
        assert_true(strlen(err->msg) > 0);
        assert_memory_equal(st->y, untouched, sizeof untouched);
        assert_int_equal(s == MOP_ELOST, is_lost);
        assert_true(sc->is_planned || st->plan == NULL);
    }
    if (is_lost) { /* for good */
        if (st->plan != NULL)
            assert_int_equal(act_run(st, &later), MOP_ELOST);
        return;
    }
    if (s != MOP_OK)
        assert_int_equal(sc->act(st, &later), MOP_OK);
    later = (mop_err){0};
    if (act_run(st, &later) != MOP_OK)
        fail_msg("%s after %s failed: %s", sc->name, failed, later.msg);
    assert_memory_equal(st->y, want, sizeof want);
}

/* Whether call n of the act came to fail. */
static bool try_fault(const scene *sc, const fault *f, int n)
{
    stage st;
    mop_err err = {0};
    set_up(&st, sc);
    arm(f, n);
    mop_status s = sc->act(&st, &err);
    const char *failed = disarm();
    judge(&st, sc, s, &err, failed);
    tear_down(&st);
    return failed != NULL;
}

static bool has_device;

static int find_device(void **state)
{
    mop_err err = {0};
    stage st = {0};
    (void)state;
    printf("seed %d\n", SEED);
    assert_true(mop_folder_make(folder));
    has_device = open_layered(NULL, NULL, &st.device, &err) == MOP_OK;
    if (!has_device) {
        printf("skip: %s\n", err.msg);
        return 0;
    }
    vulkan_small_net(&st.net, SEED);
    st.x = obo_input(&st.net);
    assert_true(obo_worst(vulkan, st.device, &st.net.model, st.x) <= 1);
    assert_int_equal(act_plan(&st, &err), MOP_OK);
    assert_int_equal(act_run(&st, &err), MOP_OK);
    memcpy(want, st.y, sizeof want);
    tear_down(&st);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    return mop_folder_remove(folder) ? 0 : 1;
}

static void need_device(void)
{
    if (!has_device)
        skip();
}

static void every_failing_call_unwinds(void **state)
{
    (void)state;
    need_device();
    for (size_t i = 0; i < sizeof scenes / sizeof scenes[0]; i++) {
        int tried = 0;
        for (size_t k = 0; k < sizeof faults / sizeof faults[0]; k++) {
            int n = 1;
            for (; n < MOST_CALLS && try_fault(&scenes[i], &faults[k], n); tried++)
                n += scenes[i].act != act_repeat || n < ALIKE ? 1 : n / 2;
            if (faults[k].with == VK_ERROR_DEVICE_LOST)
                assert_true(n > 1); /* no act is without calls */
        }
        printf("%s: %d failures\n", scenes[i].name, tried);
    }
}

/* Lists that are not there leave their extensions out; anything else fails. */
static void every_failing_call_of_opening_unwinds(void **state)
{
    int n_failed = 0;
    (void)state;
    need_device();
    for (size_t k = 0; k < sizeof faults / sizeof faults[0]; k++) {
        const char *failed = "";
        for (int n = 1; n < MOST_CALLS && failed != NULL; n++) {
            mop_device *device = NULL;
            mop_err err = {0};
            arm(&faults[k], n);
            mop_status s = open_layered(NULL, folder, &device, &err);
            failed = disarm();
            if (s != MOP_OK) {
                assert_non_null(failed);
                assert_null(device);
                assert_true(strlen(err.msg) > 0);
                n_failed++;
            } else if (failed != NULL && strncmp(failed, "Enumerate", 9) != 0 &&
                       strcmp(failed, "an allocation") != 0 &&
                       strcmp(failed, "GetPhysicalDeviceCalibrateableTimeDomainsEXT") != 0 &&
                       strcmp(failed, "CreatePipelineCache") != 0) {
                fail_msg("%s failed unseen", failed);
            }
            vulkan->close(device);
            assert_int_equal(vklayer_now.live, 0);
        }
        assert_null(failed);
    }
    printf("opening: %d failures\n", n_failed);
    assert_true(n_failed > 20);
}

/* An entry point that a driver lacks is named, or was optional. */
static void every_missing_entry_point_is_named(void **state)
{
    int n_named = 0;
    const char *failed = "";
    (void)state;
    need_device();
    for (int n = 1; failed != NULL; n++) {
        mop_device *device = NULL;
        mop_err err = {0};
        arm(&faults[0], 0);
        vklayer_now.hide_at = n;
        mop_status s = open_layered(NULL, NULL, &device, &err);
        failed = disarm();
        const int live = vklayer_now.live;
        vulkan->close(device);
        if (s != MOP_OK) {
            assert_int_equal(s, MOP_ENODEV);
            const bool is_version = strcmp(failed, "vkEnumerateInstanceVersion") == 0;
            if (strstr(err.msg, is_version ? "version 1.0" : failed) == NULL)
                fail_msg("without %s: %s", failed, err.msg);
            n_named++;
        }
        if (failed != NULL && strncmp(failed, "vkDestroy", 9) == 0)
            vklayer_now.live -= s != MOP_OK ? live : vklayer_now.live; /* nothing else could */
        assert_int_equal(vklayer_now.live, 0);
    }
    printf("opening: %d entry points needed\n", n_named);
    assert_true(n_named > 40);
}

/* The test of the clock is no part of a plan, and whatever fails in it leaves a device without one.
 * It makes hundreds of like calls, of which the first and some others are tried. */
static void a_clock_that_cannot_be_tested_is_not_trusted(void **state)
{
    static const scene idle = {"", NULL, true, false, act_plan, false};
    (void)state;
    need_device();
    for (size_t k = 0; k < sizeof faults / sizeof faults[0]; k++) {
        const char *failed = "";
        for (int n = 1; failed != NULL && n < 120; n += 1 + n / 12) {
            stage st;
            mop_err err = {0};
            set_up(&st, &idle);
            mop_vk *vk = st.device->vk;
            vk->timer.is_tested = vk->timer.is_trusted = false;
            arm(&faults[k], n);
            const bool is_trusted = mop_vk_timer_is_trusted(vk);
            failed = disarm();
            if (failed != NULL)
                assert_false(is_trusted);
            assert_int_equal(act_run(&st, &err), vk->is_lost ? MOP_ELOST : MOP_OK);
            tear_down(&st);
        }
    }
}

static void the_layer_stands_before_every_entry_point(void **state)
{
    static const char *const called[] = {
#define MOP_VK_GLOBAL(name)       #name,
#define MOP_VK_INSTANCE(name)     #name,
#define MOP_VK_INSTANCE_OPT(name) #name,
#define MOP_VK_DEVICE(name)       #name,
#define MOP_VK_DEVICE_OPT(name)   #name,
#include "kernels/vk/functions.def"
#undef MOP_VK_GLOBAL
#undef MOP_VK_INSTANCE
#undef MOP_VK_INSTANCE_OPT
#undef MOP_VK_DEVICE
#undef MOP_VK_DEVICE_OPT
    };
    (void)state;
    for (size_t i = 0; i < sizeof called / sizeof called[0]; i++) {
        int k = 0;
        while (vklayer_name(k) != NULL && strcmp(vklayer_name(k), called[i]) != 0)
            k++;
        if (vklayer_name(k) == NULL && strcmp(called[i], "GetDeviceProcAddr") != 0)
            fail_msg("tests/support/vklayer.def has no row for vk%s", called[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_layer_stands_before_every_entry_point),
        cmocka_unit_test(every_failing_call_of_opening_unwinds),
        cmocka_unit_test(every_missing_entry_point_is_named),
        cmocka_unit_test(every_failing_call_unwinds),
        cmocka_unit_test(a_clock_that_cannot_be_tested_is_not_trusted),
    };
    return cmocka_run_group_tests(tests, find_device, remove_folder);
}
