/* test_corrupt -- the corruptions: their statistics against other people's libraries
 * (tests/fixtures/make_corruptions.py), what they promise about seeds, threads, sizes and channels, what they refuse.
 */
#include "weft/base/error.h"
#include "weft/base/fault.h"
#include "weft/base/memory.h"
#include "weft/base/pool.h"
#include "weft/base/task.h"
#include "weft/data.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <jansson.h>
#include <cmocka.h>

enum { SIDE = 32, AREA = SIDE * SIDE, PICTURES = 40, PHOTOGRAPHS = 100, FIGURES = 5 };
#define CIFAR "../shared/data/cifar10-subset"

static json_t *witness;

static Dataset *load(const char *spec, uint64_t limit) {
    Error err = {0};
    Dataset *dataset = dataset_load(spec, limit, &err);
    if (!dataset) fail_msg("%s: %s", spec, err.text);
    return dataset;
}

static Dataset *corrupt(const Dataset *clean, CorruptionKind kind, unsigned severity, uint64_t seed) {
    Error err = {0};
    Dataset *dataset = dataset_corrupt(clean, kind, severity, seed, NULL, &err);
    if (!dataset) fail_msg("%s: %s", corruption_name(kind), err.text);
    return dataset;
}

/* Sample image i in the middle of a coloured slope, as picture() of make_corruptions.py. */
static Dataset *pictures(void) {
    Dataset *grey = load("sample:fashion-test", PICTURES);
    uint8_t *pixels = calloc(PICTURES * 3, AREA);
    for (int i = 0; i < PICTURES; i++)
        for (int channel = 0; channel < 3; channel++)
            for (int y = 0; y < SIDE; y++)
                for (int x = 0; x < SIDE; x++) {
                    static const int fore[3] = {255, 180, 96};
                    const int turn = (channel + i) % 3, back = 20 + 15 * channel + (1 + turn) * x + (4 - turn) * y;
                    bool inside = x >= 2 && x < 30 && y >= 2 && y < 30;
                    const int value = inside ? grey->pixels[i * 784 + (y - 2) * 28 + x - 2] : 0;
                    pixels[(i * 3 + channel) * AREA + y * SIDE + x] =
                        (uint8_t)((value * fore[turn] + (255 - value) * back) / 255);
                }
    Error err;
    mem_free(grey->pixels);
    grey->pixels = mem_alloc(PICTURES * 3, AREA, &err);
    memcpy(grey->pixels, pixels, PICTURES * 3 * AREA);
    free(pixels);
    grey->channels = 3;
    grey->height = grey->width = SIDE;
    return grey;
}

/* ---- figures ----------------------------------------------------------------------------------------------------- */

/* Mean, deviation, change, differences along rows and along columns, of images [first, end). */
static void measure(const Dataset *clean, const Dataset *set, uint64_t first, uint64_t end, double out[FIGURES]) {
    const unsigned planes = set->channels, height = set->height, width = set->width;
    const size_t area = (size_t)height * width;
    const double count = (double)((end - first) * planes * area);
    double sum = 0, squares = 0, change = 0, across = 0, down = 0;
    for (uint64_t plane = first * planes; plane < end * planes; plane++)
        for (size_t i = 0; i < area; i++) {
            const uint8_t *at = set->pixels + plane * area + i;
            sum += *at;
            squares += *at * *at;
            change += abs(*at - clean->pixels[plane * area + i]);
            if (i % width + 1 < width) across += abs(at[1] - at[0]);
            if (i / width + 1 < height) down += abs(at[width] - at[0]);
        }
    out[0] = sum / count;
    out[1] = sqrt(squares / count - out[0] * out[0]);
    out[2] = change / count;
    out[3] = across / count * width / (width - 1);
    out[4] = down / count * height / (height - 1);
}

/* How far a figure may lie from the witness's: kinds without random numbers agree but for what rounds differently, to
 * `close`; of random ones one draw is compared with the mean of eight, by the spread of a draw. */
static double allowed(const json_t *row, size_t figure, double close) {
    const json_t *spread = json_object_get(row, "spread");
    if (!spread) return close;
    const double value = json_real_value(json_array_get(json_object_get(row, "figures"), figure));
    return 5 * json_real_value(json_array_get(spread, figure)) + 0.004 * value + 0.05;
}

static unsigned compare(const char *set, CorruptionKind kind, unsigned severity, const json_t *row,
                        const json_t *expected, const double got[FIGURES], double close) {
    unsigned wrong = 0;
    for (size_t f = 0; f < FIGURES; f++) {
        const double want = json_real_value(json_array_get(expected, f));
        if (fabs(got[f] - want) <= allowed(row, f, close)) continue;
        wrong++;
        print_error("%s, %s:%u: figure %zu is %.4f, not %.4f\n", set, corruption_name(kind), severity, f, got[f], want);
    }
    return wrong;
}

static void check_set(const char *name, const Dataset *clean) {
    unsigned wrong = 0;
    const json_t *set = json_object_get(witness, name);
    assert_non_null(set);
    double figures[FIGURES];
    measure(clean, clean, 0, clean->count, figures);
    for (size_t f = 0; f < FIGURES; f++) /* the images are the same */
        assert_true(fabs(figures[f] - json_real_value(json_array_get(json_object_get(set, "clean"), f))) < 1e-3);
    for (int kind = 0; kind < CORRUPTION_COUNT; kind++)
        for (unsigned severity = 1; severity <= SEVERITIES; severity++) {
            if (kind == CORRUPTION_frost) continue; /* another texture: test_frost */
            const json_t *row =
                json_array_get(json_object_get(set, corruption_name((CorruptionKind)kind)), severity - 1);
            assert_non_null(row);
            Dataset *dirty = corrupt(clean, (CorruptionKind)kind, severity, 1);
            measure(clean, dirty, 0, clean->count, figures);
            wrong += compare(name, (CorruptionKind)kind, severity, row, json_object_get(row, "figures"), figures, 0.02);
            const json_t *images = json_object_get(row, "images");
            for (size_t i = 0; i < json_array_size(images); i++) {
                measure(clean, dirty, i, i + 1, figures);
                wrong += compare(name, (CorruptionKind)kind, severity, row, json_array_get(images, i), figures, 0.1);
            }
            dataset_free(dirty);
        }
    assert_int_equal(wrong, 0);
}

static void test_pictures(void **state) {
    (void)state;
    Dataset *clean = pictures();
    check_set("pictures", clean);
    dataset_free(clean);
    if (access(CIFAR, R_OK) != 0) return;
    print_message("# also the photographs of " CIFAR "\n");
    clean = load("cifar10:" CIFAR ":test", PHOTOGRAPHS);
    check_set("photographs", clean);
    dataset_free(clean);
}

/* Another texture than the original's five photographs, of their brightness, contrast and colour: in distribution near.
 */
static void test_frost(void **state) {
    (void)state;
    Dataset *clean = pictures();
    for (unsigned severity = 1; severity <= SEVERITIES; severity++) {
        static const double near[FIGURES] = {2, 2, 2, 1, 1};
        const json_t *row =
            json_array_get(json_object_get(json_object_get(witness, "pictures"), "frost"), severity - 1);
        double mean[FIGURES] = {0};
        for (uint64_t seed = 0; seed < 8; seed++) {
            double figures[FIGURES];
            Dataset *dirty = corrupt(clean, CORRUPTION_frost, severity, seed);
            measure(clean, dirty, 0, clean->count, figures);
            for (size_t f = 0; f < FIGURES; f++) mean[f] += figures[f] / 8;
            dataset_free(dirty);
        }
        for (size_t f = 0; f < FIGURES; f++) {
            const double want = json_real_value(json_array_get(json_object_get(row, "figures"), f));
            if (fabs(mean[f] - want) > near[f])
                fail_msg("frost:%u, figure %zu: %f, not %f", severity, f, mean[f], want);
        }
    }
    dataset_free(clean);
}

/* ---- promises ---------------------------------------------------------------------------------------------------- */

static double change_of(const Dataset *clean, const Dataset *dirty) {
    double figures[FIGURES];
    measure(clean, dirty, 0, clean->count, figures);
    return figures[2];
}

/* Whether the witness finds that this severity changes images more than the one below: not of every kind it does. */
static bool grows(int kind, unsigned severity) {
    const json_t *rows = json_object_get(json_object_get(witness, "pictures"), corruption_name((CorruptionKind)kind));
    double change[2] = {0};
    for (unsigned i = 0; i < 2 && severity + i >= 2; i++) {
        const json_t *row = json_array_get(rows, severity - 2 + i);
        change[i] = json_real_value(json_array_get(json_object_get(row, "figures"), 2));
    }
    return change[1] > change[0] + 0.1;
}

static void test_severities(void **state) {
    (void)state;
    Dataset *clean = pictures();
    for (int kind = 0; kind < CORRUPTION_COUNT; kind++) {
        double before = 0;
        for (unsigned severity = 1; severity <= SEVERITIES; severity++) {
            Dataset *dirty = corrupt(clean, (CorruptionKind)kind, severity, 3);
            const double change = change_of(clean, dirty);
            if (change <= before && grows(kind, severity))
                fail_msg("%s:%u changes less than %u", corruption_name((CorruptionKind)kind), severity, severity - 1);
            assert_true(change > 0);
            before = change;
            assert_int_equal(dirty->count, clean->count);
            assert_int_equal(dirty->classes, clean->classes);
            assert_ptr_equal(dirty->class_names, clean->class_names);
            assert_memory_equal(dirty->labels, clean->labels, clean->count * sizeof *clean->labels);
            dataset_free(dirty);
        }
    }
    Dataset *dirty = corrupt(clean, CORRUPTION_fog, 2, 3);
    assert_string_equal(dirty->spec, "sample:fashion-test, fog:2");
    assert_string_equal(dirty->title, "sample fashion-test, 40 images, fog at severity 2");
    dataset_free(dirty);
    dataset_free(clean);
}

static bool is_random(int kind) {
    const json_t *rows = json_object_get(json_object_get(witness, "pictures"), corruption_name((CorruptionKind)kind));
    return json_object_get(json_array_get(rows, 0), "spread") != NULL;
}

/* Nothing depends on threads, on the images around one, or on the order; all that is random depends on the seed. */
static void test_seeds_and_threads(void **state) {
    (void)state;
    Error err;
    Dataset *clean = pictures(), *some = pictures();
    const size_t size = 3 * AREA;
    static uint8_t one[3 * AREA];
    some->count = 7;
    for (int i = 0; i < CORRUPTION_COUNT; i++) {
        const CorruptionKind kind = (CorruptionKind)i;
        pool_set_threads(1);
        Dataset *single = corrupt(clean, kind, 4, 11);
        pool_set_threads(2);
        Dataset *twin = corrupt(clean, kind, 4, 11), *few = corrupt(some, kind, 4, 11),
                *other = corrupt(clean, kind, 4, 12);
        pool_set_threads(0);
        assert_memory_equal(single->pixels, twin->pixels, PICTURES * size);
        assert_memory_equal(single->pixels, few->pixels, 7 * size);
        assert_int_equal(memcmp(single->pixels, other->pixels, PICTURES * size) != 0, is_random(i));
        assert_true(dataset_corrupt_image(clean, 33, kind, 4, 11, one, &err));
        assert_memory_equal(single->pixels + 33 * size, one, size);
        dataset_free(single);
        dataset_free(twin);
        dataset_free(few);
        dataset_free(other);
    }
    dataset_free(clean);
    dataset_free(some);
}

/* Images of one grey channel: what is no matter of colour does to them what it does to each of three. */
static void test_grey(void **state) {
    (void)state;
    Dataset *grey = load("sample:fashion-test", 20), *three = load("sample:fashion-test", 20);
    Error err;
    mem_free(three->pixels);
    three->pixels = mem_alloc(20 * 3, 784, &err);
    three->channels = 3;
    for (int i = 0; i < 60; i++) memcpy(three->pixels + i * 784, grey->pixels + i / 3 * 784, 784);
    for (int i = 0; i < CORRUPTION_COUNT; i++) {
        const CorruptionKind kind = (CorruptionKind)i;
        const bool noise = kind <= CORRUPTION_speckle_noise;
        for (unsigned severity = 1; severity <= SEVERITIES; severity += 2) {
            Dataset *one = corrupt(grey, kind, severity, 5), *colours = corrupt(three, kind, severity, 5);
            assert_int_equal(one->channels, 1);
            assert_int_equal(one->height, 28);
            int worst = 0;
            for (int p = 0; p < 20 * 784; p++) {
                const uint8_t *at = colours->pixels + p / 784 * 3 * 784 + p % 784;
                const int light = (299 * at[0] + 587 * at[784] + 114 * at[2 * 784] + 500) / 1000;
                const int off = abs(light - one->pixels[p]);
                worst = off > worst ? off : worst;
            }
            if (worst > 1 && !noise && kind != CORRUPTION_jpeg_compression)
                fail_msg("%s:%u: %d off", corruption_name(kind), severity, worst);
            dataset_free(one);
            dataset_free(colours);
        }
    }
    dataset_free(grey);
    dataset_free(three);
}

/* From one pixel to sizes beyond 32: no kind reads or writes beside its planes (asan), and even images stay even under
 * blurs. */
static void test_sizes(void **state) {
    (void)state;
    static const unsigned sizes[][2] = {{1, 1}, {1, 2}, {2, 1}, {2, 2}, {3, 5}, {7, 4}, {31, 33}, {64, 40}, {1, 100}};
    static uint8_t clean[2 * 3 * 64 * 40];
    uint16_t labels[2] = {1, 0};
    for (size_t i = 0; i < sizeof clean; i++) clean[i] = (uint8_t)(i * 37);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        for (unsigned channels = 1; channels <= 3; channels += 2)
            for (int kind = 0; kind < CORRUPTION_COUNT; kind++) {
                Dataset set = {.spec = (char *)(uintptr_t) "x",
                               .title = (char *)(uintptr_t) "x",
                               .count = 2,
                               .channels = channels,
                               .height = sizes[i][0],
                               .width = sizes[i][1],
                               .classes = 2,
                               .pixels = clean,
                               .labels = labels};
                for (unsigned severity = 1; severity <= SEVERITIES; severity++)
                    dataset_free(corrupt(&set, (CorruptionKind)kind, severity, 1));
            }
}

/* Blurs, resizing and warps leave an even image even, to a byte; a mean of 1 more pixel would show. */
static void test_even(void **state) {
    (void)state;
    static const CorruptionKind kept[] = {CORRUPTION_gaussian_blur, CORRUPTION_defocus_blur,     CORRUPTION_glass_blur,
                                          CORRUPTION_motion_blur,   CORRUPTION_zoom_blur,        CORRUPTION_contrast,
                                          CORRUPTION_pixelate,      CORRUPTION_elastic_transform};
    static uint8_t pixels[3 * AREA];
    memset(pixels, 77, sizeof pixels);
    Dataset set = {.spec = (char *)(uintptr_t) "x",
                   .title = (char *)(uintptr_t) "x",
                   .count = 1,
                   .channels = 3,
                   .height = SIDE,
                   .width = SIDE,
                   .pixels = pixels};
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++)
        for (unsigned severity = 1; severity <= SEVERITIES; severity++) {
            Dataset *dirty = corrupt(&set, kept[i], severity, 1);
            assert_null(dirty->labels);
            for (size_t p = 0; p < sizeof pixels; p++)
                if (dirty->pixels[p] < 76 || dirty->pixels[p] > 77)
                    fail_msg("%s:%u: %d", corruption_name(kept[i]), severity, dirty->pixels[p]);
            dataset_free(dirty);
        }
}

/* ---- choices, refusals, failures --------------------------------------------------------------------------------- */

static void refused_choice(const char *text, const char *reason) {
    Error err = {0};
    CorruptionChoice choice;
    assert_false(corruption_choose(text, &choice, &err));
    assert_int_equal(err.status, STATUS_USAGE);
    if (!strstr(err.text, reason)) fail_msg("%s: \"%s\" does not say \"%s\"", text, err.text, reason);
}

static void test_choices(void **state) {
    (void)state;
    Error err;
    CorruptionChoice choice;
    assert_true(corruption_choose("all", &choice, &err));
    assert_true(choice.first == 0 && choice.end == CORRUPTION_COUNT && choice.low == 1 && choice.high == 5);
    assert_int_equal(CORRUPTION_COUNT, 19);
    assert_false(corruption_single(&choice));
    for (int kind = 0; kind < CORRUPTION_COUNT; kind++) {
        assert_true(corruption_choose(corruption_name((CorruptionKind)kind), &choice, &err));
        assert_true((int)choice.first == kind && (int)choice.end == kind + 1 && choice.low == 1 && choice.high == 5);
        assert_false(corruption_single(&choice));
        assert_true(strlen(corruption_help((CorruptionKind)kind)) > 5);
    }
    assert_true(corruption_choose("jpeg_compression:4", &choice, &err));
    assert_true(choice.first == CORRUPTION_jpeg_compression && choice.low == 4 && choice.high == 4);
    assert_true(corruption_single(&choice));
    assert_true(corruption_choose("all:2", &choice, &err));
    assert_true(choice.first == 0 && choice.end == CORRUPTION_COUNT && choice.low == 2 && choice.high == 2);
    refused_choice("all:6", "all:6: the severity must be 1 to 5");
    refused_choice("", "one of: all, gaussian_noise, shot_noise");
    refused_choice("fogg", "no corruption 'fogg'; did you mean fog?");
    refused_choice("fog:", "the severity must be 1 to 5");
    refused_choice("fog:0", "the severity must be 1 to 5");
    refused_choice("fog:6", "fog:6: the severity must be 1 to 5");
    refused_choice("fog:33", "the severity must be 1 to 5");
    refused_choice("fog:3:3", "the severity must be 1 to 5");
}

static void refused(const char *spec, unsigned channels, unsigned severity, const char *reason) {
    Error err = {0};
    Dataset *clean = load(spec, 2);
    clean->channels = channels ? channels : clean->channels;
    assert_null(dataset_corrupt(clean, CORRUPTION_fog, severity, 0, NULL, &err));
    dataset_free(clean);
    assert_int_equal(err.status, STATUS_USAGE);
    if (!strstr(err.text, reason)) fail_msg("\"%s\" does not say \"%s\"", err.text, reason);
}

static void test_refused(void **state) {
    (void)state;
    refused("noise:5", 0, 3, "'noise:5' has no pixels to corrupt");
    refused("sample:fashion-test", 2, 3, "corruptions need images with 1 or 3 channels; 'sample:fashion-test' has 2");
    refused("sample:fashion-test", 0, 0, "the severity must be 1 to 5");
    refused("sample:fashion-test", 0, 6, "the severity must be 1 to 5");
}

static void test_failures(void **state) {
    (void)state;
    Dataset *clean = load("sample:fashion-test", 70), *dirty = NULL;
    Error err = {0};
    for (uint64_t k = 1; !dirty && k < 1000; k++) {
        err = (Error){0};
        fault_arm(FAULT_ALLOC, k, k % 2);
        dirty = dataset_corrupt(clean, CORRUPTION_spatter, 3, 0, NULL, &err);
        fault_disarm();
        assert_true(dirty || err.status == STATUS_LIMIT);
    }
    assert_non_null(dirty);
    dataset_free(dirty);
    cancel_request();
    assert_null(dataset_corrupt(clean, CORRUPTION_spatter, 3, 0, NULL, &err));
    cancel_clear();
    assert_int_equal(err.status, STATUS_CANCELLED);
    mem_set_budget(1000);
    assert_null(dataset_corrupt(clean, CORRUPTION_spatter, 3, 0, NULL, &err));
    mem_set_budget(0);
    assert_int_equal(err.status, STATUS_LIMIT);
    dataset_free(clean);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pictures),   cmocka_unit_test(test_frost),
        cmocka_unit_test(test_severities), cmocka_unit_test(test_seeds_and_threads),
        cmocka_unit_test(test_grey),       cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_even),       cmocka_unit_test(test_choices),
        cmocka_unit_test(test_refused),    cmocka_unit_test(test_failures),
    };
    json_error_t reason;
    witness = json_load_file("tests/fixtures/corruptions.json", 0, &reason);
    if (!witness) {
        fprintf(stderr, "tests/fixtures/corruptions.json: %s\n", reason.text);
        return 1;
    }
    int failures = cmocka_run_group_tests(tests, NULL, NULL);
    json_decref(witness);
    return failures;
}
