#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "profiler/base/rng.h"
#include "variants/family.h"
#include "variants/variant.h"

static mop_spec parse(const char *text)
{
    mop_err err = {0};
    mop_spec s;
    if (mop_spec_parse(text, &s, &err) != MOP_OK)
        fail_msg("%s: %s", text, err.msg);
    return s;
}

static void assert_rejects(const char *text, const char *sentence)
{
    mop_err err = {0};
    mop_spec s, untouched;
    memset(&s, 0x5a, sizeof s);
    memset(&untouched, 0x5a, sizeof untouched);
    assert_int_equal(mop_spec_parse(text, &s, &err), MOP_EINVAL);
    assert_string_equal(err.msg, sentence);
    assert_memory_equal(&s, &untouched, sizeof s);
}

/* --- valid specs ------------------------------------------------------------------------------ */

static void every_part_is_read(void **state)
{
    mop_spec s = parse("mobileone-s1:train+act=gelu-tanh+se+skip+branches=3@96x160");
    (void)state;
    assert_string_equal(s.family, "mobileone");
    assert_string_equal(s.size, "s1");
    assert_int_equal(s.form, MOP_FORM_TRAIN);
    assert_int_equal(s.act, MOP_BLOCK_ACT_PLAIN);
    assert_int_equal(s.plain_act, MOP_ACT_GELU_TANH);
    assert_true(s.se && s.skip);
    assert_int_equal(s.branches, 3);
    assert_int_equal(s.height, 96);
    assert_int_equal(s.width, 160);
    assert_string_equal(s.text, "mobileone-s1:train+act=gelu-tanh+se+skip+branches=3@96x160");
    assert_string_equal(mop_form_name(s.form), "train");
    assert_string_equal(mop_form_name(parse("cnn30").form), "deploy");
}

static void one_network_has_one_spelling(void **state)
{
    static const char *const same[][2] = {
        {"mobilenetv1", "mobilenetv1-1.0"},
        {"mobilenetv2:train", "mobilenetv2-1.0:train"},
        {"mobileone-s0:deploy", "mobileone-s0"},
        {"cnn30+act=relu", "cnn30"},
        {"mobilenetv1-0.5+act=relu6", "mobilenetv1-0.5"},
        {"mobilenetv1-0.5+act=relu", "mobilenetv1-0.5+act=relu"},
        {"cnn30@224", "cnn30"},
        {"cnn30@224x224", "cnn30"},
        {"cnn30@96x96", "cnn30@96"},
        {"cnn30+skip+se", "cnn30+se+skip"},
        {"cnn30@64+branches=2+act=silu:train", "cnn30:train+act=silu+branches=2@64"},
        {"mobileone-s0+branches=4", "mobileone-s0"},
        {"mobileone-s0+branches=1", "mobileone-s0+branches=1"},
        {"mobileone-s1+branches=1", "mobileone-s1"},
        {"mobileone-s1+branches=4", "mobileone-s1+branches=4"},
        {"cnn30+branches=1", "cnn30"},
        {"mobileone-s4+branches=1", "mobileone-s4"},
        {"efficientnet-b2+act=silu", "efficientnet-b2"},
        {"efficientnet-b2+act=relu6", "efficientnet-b2+act=relu6"},
        {"efficientnet-lite0+act=relu6", "efficientnet-lite0"},
        {"efficientnet-lite0+act=silu", "efficientnet-lite0+act=silu"},
        {"mobilenetv3-large+act=hardswish", "mobilenetv3-large+act=hardswish"}, /* also has ReLU */
        {"mobilenetv3-small-minimal+act=relu", "mobilenetv3-small-minimal"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof same / sizeof same[0]; i++)
        assert_string_equal(parse(same[i][0]).text, same[i][1]);
}

static void rows_of_the_list_are_canonical_and_different(void **state)
{
    mop_strlist seen = {0};
    size_t n = 0;
    (void)state;
    for (; mop_variant_at(n) != NULL; n++) {
        assert_string_equal(parse(mop_variant_at(n)).text, mop_variant_at(n));
        assert_false(mop_strlist_has(&seen, mop_variant_at(n)));
        assert_int_equal(mop_strlist_add(&seen, mop_variant_at(n), NULL), MOP_OK);
    }
    assert_true(n >= 31);
    assert_null(mop_variant_at(n + 1));
    mop_strlist_release(&seen);
}

static void append(char *text, size_t size, const char *part)
{
    size_t len = strlen(text);
    snprintf(text + len, size - len, "%s", part);
}

/* A random valid spec with its parts in random order. */
static void random_spec(mop_rng *rng, char *text, size_t size)
{
    static const char *const acts[] = {"relu",     "relu6",    "gelu",        "gelu-tanh",
                                       "silu",     "sigmoid",  "hardsigmoid", "hardswish",
                                       "dyrelu-a", "dyrelu-b", "dyshiftmax"};
    static const char *const heads[] = {"mobileone-s0", "mobileone-s4", "cnn30"};
    uint32_t order[6] = {0, 1, 2, 3, 4, 5};
    char part[40];
    snprintf(text, size, "%s", heads[mop_rng_below(rng, 3)]);
    mop_rng_shuffle(rng, order, 6);
    for (int i = 0; i < 6; i++) {
        if (mop_rng_below(rng, 2) == 0)
            continue;
        switch (order[i]) {
        case 0:
            append(text, size, mop_rng_below(rng, 2) == 0 ? ":train" : ":deploy");
            break;
        case 1:
            snprintf(part, sizeof part, "+act=%s", acts[mop_rng_below(rng, 11)]);
            append(text, size, part);
            break;
        case 2:
            append(text, size, "+se");
            break;
        case 3:
            append(text, size, "+skip");
            break;
        case 4:
            snprintf(part, sizeof part, "+branches=%d", 1 + (int)mop_rng_below(rng, 8));
            append(text, size, part);
            break;
        default:
            snprintf(part, sizeof part, "@%dx%d", 32 + (int)mop_rng_below(rng, 993),
                     32 + (int)mop_rng_below(rng, 993));
            append(text, size, part);
        }
    }
}

static void parsing_the_canonical_spelling_gives_the_same_spec(void **state)
{
    enum { SEED = 9, ROUNDS = 2000 };
    mop_rng rng;
    (void)state;
    print_message("seed %d\n", SEED);
    mop_rng_init(&rng, SEED, 0);
    for (int i = 0; i < ROUNDS; i++) {
        char text[2 * MOP_SPEC_MAX];
        mop_spec a, b;
        random_spec(&rng, text, sizeof text);
        a = parse(text);
        b = parse(a.text);
        assert_string_equal(a.text, b.text);
        assert_string_equal(a.family, b.family);
        assert_string_equal(a.size, b.size);
        assert_int_equal(a.form, b.form);
        assert_int_equal(a.act, b.act);
        assert_int_equal(a.plain_act, b.plain_act);
        assert_true(a.se == b.se && a.skip == b.skip && a.branches == b.branches);
        assert_true(a.height == b.height && a.width == b.width);
    }
}

static void the_smallest_and_the_longest_inputs_build(void **state)
{
    static const char *const specs[] = {"mobileone-s0@32", "mobileone-s0@1024x32",
                                        "mobilenetv2-1.4@33x57", "resnet18@32",
                                        "cnn30+act=dyshiftmax@32"};
    (void)state;
    for (size_t i = 0; i < sizeof specs / sizeof specs[0]; i++) {
        mop_spec s = parse(specs[i]);
        mop_err err = {0};
        mop_graph *g = NULL;
        if (mop_variant_graph(&s, 1, &g, &err) != MOP_OK)
            fail_msg("%s: %s", specs[i], err.msg);
        mop_graph_free(g);
    }
}

static void every_size_of_every_family_builds_in_both_forms(void **state)
{
    (void)state;
    for (size_t f = 0; mop_family_at(f) != NULL; f++) {
        const mop_family *family = mop_family_at(f);
        char size[16], text[64];
        for (size_t i = 0; i == 0 || mop_list_word(family->sizes, i, size, sizeof size); i++) {
            mop_spec s;
            mop_err err = {0};
            mop_graph *g = NULL;
            if (mop_list_word(family->sizes, i, size, sizeof size))
                snprintf(text, sizeof text, "%s-%s:train", family->id, size);
            else
                snprintf(text, sizeof text, "%s:train", family->id);
            s = parse(text);
            if (mop_variant_graph(&s, 2, &g, &err) != MOP_OK)
                fail_msg("%s: %s", text, err.msg);
            mop_graph_free(g);
            s.form = MOP_FORM_DEPLOY;
            assert_int_equal(mop_variant_graph(&s, 2, &g, &err), MOP_OK);
            mop_graph_free(g);
        }
    }
}

static void a_batch_without_images_is_refused(void **state)
{
    mop_spec s = parse("cnn30");
    mop_err err = {0};
    mop_graph *g = NULL;
    mop_model *m = NULL;
    (void)state;
    assert_int_equal(mop_variant_graph(&s, 0, &g, &err), MOP_EINVAL);
    assert_string_equal(err.msg, "batch size 0, must be at least 1");
    assert_int_equal(mop_variant_model(&s, -1, 0, &m, NULL), MOP_EINVAL);
    assert_null(g);
    assert_null(m);
}

/* --- bad specs -------------------------------------------------------------------------------- */

/* A name that is near none gets all of families.def to choose from. */
static void rejects_with_all_families(const char *text)
{
    char sentence[512];
    size_t n = (size_t)snprintf(sentence, sizeof sentence,
                                "'%s': there is no family '%s'; there is: ", text, text);
    for (size_t i = 0; mop_family_at(i) != NULL; i++)
        n += (size_t)snprintf(sentence + n, sizeof sentence - n, "%s%s", i > 0 ? ", " : "",
                              mop_family_at(i)->id);
    assert_true(n < sizeof sentence);
    assert_rejects(text, sentence);
}

static void unknown_names_suggest_the_nearest(void **state)
{
    (void)state;
    assert_rejects("mobilone-s0", "'mobilone-s0': there is no variant 'mobilone-s0'; did you mean "
                                  "'mobileone-s0'?");
    assert_rejects("mobileone_s3", "'mobileone_s3': there is no variant 'mobileone_s3'; did you "
                                   "mean 'mobileone-s3'?");
    assert_rejects("resnet-18",
                   "'resnet-18': there is no variant 'resnet-18'; did you mean 'resnet18'?");
    rejects_with_all_families("xyzzy");
    rejects_with_all_families("");
}

static void sizes_are_checked(void **state)
{
    (void)state;
    assert_rejects("mobileone-s5",
                   "'mobileone-s5': mobileone has no size 's5'; its sizes are s0 s1 s2 s3 s4");
    assert_rejects("mobileone", "'mobileone': mobileone needs a size: one of s0 s1 s2 s3 s4, as in "
                                "'mobileone-s0'");
    assert_rejects("mobileone-", "'mobileone-': mobileone needs a size: one of s0 s1 s2 s3 s4, as "
                                 "in 'mobileone-s0'");
    assert_rejects("cnn30-large", "'cnn30-large': cnn30 has no sizes, but 'large' was asked for; "
                                  "write 'cnn30'");
    assert_rejects("mobilenetv1-1", "'mobilenetv1-1': mobilenetv1 has no size '1'; its sizes are "
                                    "0.25 0.5 0.75 1.0");
}

static void forms_are_checked(void **state)
{
    (void)state;
    assert_rejects("cnn30:tain", "'cnn30:tain': there is no form 'tain'; did you mean 'train'?");
    assert_rejects("cnn30:onnxruntime", "'cnn30:onnxruntime': there is no form 'onnxruntime'; "
                                        "there is: deploy, train");
    assert_rejects("cnn30:train:deploy", "'cnn30:train:deploy': the form is given twice, the "
                                         "second time as ':deploy'");
}

static void modifiers_are_checked(void **state)
{
    (void)state;
    assert_rejects("cnn30+skp", "'cnn30+skp': there is no modifier '+skp'; did you mean 'skip'?");
    assert_rejects("cnn30+batchnormless",
                   "'cnn30+batchnormless': there is no modifier '+batchnormless'; there is: act, "
                   "se, skip, branches");
    assert_rejects("cnn30+se+se", "'cnn30+se+se': '+se' is given twice");
    assert_rejects("cnn30+se=4", "'cnn30+se=4': '+se' takes no value, but '4' was given");
    assert_rejects("cnn30+act", "'cnn30+act': '+act' needs a value, as in '+act=gelu'");
    assert_rejects("cnn30+branches=", "'cnn30+branches=': '+branches' needs a value, as in "
                                      "'+branches=4'");
    assert_rejects("resnet18+se", "'resnet18+se': resnet18 does not offer '+se'; it offers +act=");
    assert_rejects("mobilenetv2+skip", "'mobilenetv2+skip': mobilenetv2 does not offer '+skip'; it "
                                       "offers +act=");
}

static void activations_are_checked(void **state)
{
    (void)state;
    assert_rejects("cnn30+act=glu",
                   "'cnn30+act=glu': there is no activation 'glu'; did you mean 'gelu'?");
    assert_rejects("cnn30+act=dyrelu",
                   "'cnn30+act=dyrelu': there is no activation 'dyrelu'; did you mean 'dyrelu-a'?");
    assert_rejects("cnn30+act=none",
                   "'cnn30+act=none': there is no activation 'none'; there is: dyrelu-a, dyrelu-b, "
                   "dyshiftmax, relu, relu6, gelu, gelu-tanh, silu, hardswish, sigmoid, "
                   "hardsigmoid");
}

static void numbers_are_checked(void **state)
{
    static const char *const branches[] = {"0", "9", "-1", "4x", "2.5", "99999999999999999999"};
    static const char *const inputs[] = {"31",    "1025",    "",     "x",   "64x",        "x64",
                                         "64x31", "64x64x3", "64.0", "-64", "2147483649", "0x40"};
    (void)state;
    for (size_t i = 0; i < sizeof branches / sizeof branches[0]; i++) {
        char text[64], sentence[128];
        snprintf(text, sizeof text, "cnn30+branches=%s", branches[i]);
        snprintf(sentence, sizeof sentence, "'%s': branches=%s: must be a whole number from 1 to 8",
                 text, branches[i]);
        assert_rejects(text, sentence);
    }
    for (size_t i = 0; i < sizeof inputs / sizeof inputs[0]; i++) {
        char text[64], sentence[160];
        snprintf(text, sizeof text, "cnn30@%s", inputs[i]);
        snprintf(sentence, sizeof sentence,
                 "'%s': input size '@%s': write @H or @HxW with whole numbers from 32 to 1024",
                 text, inputs[i]);
        assert_rejects(text, sentence);
    }
    assert_rejects("cnn30@64@64",
                   "'cnn30@64@64': the input size is given twice, the second time as '@64'");
}

static void a_text_of_any_length_is_refused_whole(void **state)
{
    char text[1000];
    mop_err err = {0};
    mop_spec s;
    (void)state;
    for (size_t n = 1; n < sizeof text; n++) {
        memset(text, 'a', n);
        text[n] = '\0';
        err = (mop_err){0};
        assert_int_equal(mop_spec_parse(text, &s, &err), MOP_EINVAL);
        assert_true(strlen(err.msg) > 10);
    }
}

/* --- lists ------------------------------------------------------------------------------------ */

/* Expands text and asserts the items, separated by blanks. */
static void assert_expands(const char *text, const char *items)
{
    mop_strlist out = {0};
    mop_err err = {0};
    char joined[2000] = "";
    if (mop_specs_expand(text, &out, &err) != MOP_OK)
        fail_msg("%s: %s", text, err.msg);
    for (size_t i = 0; i < out.n; i++) {
        append(joined, sizeof joined, i > 0 ? " " : "");
        append(joined, sizeof joined, out.items[i]);
    }
    assert_string_equal(joined, items);
    mop_strlist_release(&out);
}

static void assert_list_rejects(const char *text, const char *sentence)
{
    mop_strlist out = {0};
    mop_err err = {0};
    assert_int_equal(mop_strlist_add(&out, "kept", NULL), MOP_OK);
    assert_int_equal(mop_specs_expand(text, &out, &err), MOP_EINVAL);
    assert_string_equal(err.msg, sentence);
    assert_int_equal(out.n, 1);
    mop_strlist_release(&out);
}

static void lists_expand_in_the_order_of_the_rows(void **state)
{
    (void)state;
    assert_expands("mobileone-s{0..2}", "mobileone-s0 mobileone-s1 mobileone-s2");
    assert_expands("cnn30,mobileone-s0", "mobileone-s0 cnn30");
    assert_expands("mobileone-s{0,1}{,:train}",
                   "mobileone-s0 mobileone-s1 mobileone-s0:train mobileone-s1:train");
    assert_expands("mobilenet*", "mobilenetv1-1.0 mobilenetv2-1.0 mobilenetv3-large "
                                 "mobilenetv3-small");
    assert_expands("mobileone-s?", "mobileone-s0 mobileone-s1 mobileone-s2 mobileone-s3 "
                                   "mobileone-s4");
    assert_expands("cnn30+s[ek]*", "cnn30+se cnn30+skip");
    assert_expands("cnn30+act={gelu,silu}", "cnn30+act=gelu cnn30+act=silu");
}

static void specs_that_are_no_row_come_last_as_written(void **state)
{
    (void)state;
    assert_expands("cnn30@96,cnn30+act=silu+se,mobileone-s1,cnn30",
                   "mobileone-s1 cnn30 cnn30@96 cnn30+act=silu+se");
    assert_expands("mobileone-s{0..4}@{64,32}",
                   "mobileone-s0@64 mobileone-s0@32 mobileone-s1@64 mobileone-s1@32 "
                   "mobileone-s2@64 mobileone-s2@32 mobileone-s3@64 mobileone-s3@32 "
                   "mobileone-s4@64 mobileone-s4@32");
}

static void duplicates_are_dropped_by_meaning(void **state)
{
    (void)state;
    assert_expands("cnn30,cnn30+act=relu,cnn30@224", "cnn30");
    assert_expands("mobilenetv1,mobilenetv1-1.0,mobilenetv1*", "mobilenetv1-1.0");
    assert_expands("cnn30@64,cnn30@64x64", "cnn30@64");
}

static void all_is_every_row(void **state)
{
    mop_strlist out = {0};
    size_t n = 0;
    (void)state;
    assert_int_equal(mop_specs_expand("cnn30@64,all", &out, NULL), MOP_OK);
    for (; mop_variant_at(n) != NULL; n++)
        assert_string_equal(out.items[n], mop_variant_at(n));
    assert_int_equal(out.n, n + 1);
    mop_strlist_release(&out);
}

static void bad_lists_add_nothing(void **state)
{
    (void)state;
    assert_list_rejects("cnn30,nothing*",
                        "the pattern 'nothing*' matches no variant ('moprof list' shows them)");
    assert_list_rejects("cnn30,cnn31",
                        "'cnn31': there is no variant 'cnn31'; did you mean 'cnn30'?");
    assert_list_rejects("cnn30,", "the list has an empty item");
    assert_list_rejects("", "the list has an empty item");
    assert_list_rejects("mobileone-s{0..4", "the brace in 'mobileone-s{0..4' is never closed");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_part_is_read),
        cmocka_unit_test(one_network_has_one_spelling),
        cmocka_unit_test(rows_of_the_list_are_canonical_and_different),
        cmocka_unit_test(parsing_the_canonical_spelling_gives_the_same_spec),
        cmocka_unit_test(the_smallest_and_the_longest_inputs_build),
        cmocka_unit_test(every_size_of_every_family_builds_in_both_forms),
        cmocka_unit_test(a_batch_without_images_is_refused),
        cmocka_unit_test(unknown_names_suggest_the_nearest),
        cmocka_unit_test(sizes_are_checked),
        cmocka_unit_test(forms_are_checked),
        cmocka_unit_test(modifiers_are_checked),
        cmocka_unit_test(activations_are_checked),
        cmocka_unit_test(numbers_are_checked),
        cmocka_unit_test(a_text_of_any_length_is_refused_whole),
        cmocka_unit_test(lists_expand_in_the_order_of_the_rows),
        cmocka_unit_test(specs_that_are_no_row_come_last_as_written),
        cmocka_unit_test(duplicates_are_dropped_by_meaning),
        cmocka_unit_test(all_is_every_row),
        cmocka_unit_test(bad_lists_add_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
