/* test_corrupt -- the corruptions: their statistics against other people's libraries
 * (tests/fixtures/make_corruptions.py), what they promise about seeds, threads, sizes and channels, what they refuse.
 */
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
}

static void test_photographs(void **state) {
    (void)state;
    if (access(CIFAR, R_OK) != 0) skip();
    Dataset *clean = load("cifar10:" CIFAR ":test", PHOTOGRAPHS);
    check_set("photographs", clean);
    dataset_free(clean);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pictures),
        cmocka_unit_test(test_photographs),
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
