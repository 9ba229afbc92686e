/* test_npz -- npz:FILE: which arrays are images and labels; floats and integers as bytes, in npz and npy alike. The
 * files are those of tests/fixtures/npz, by NumPy. */
#include "../support/bytes.h"
#include "../support/datasets.h"
#include "weft/base/error.h"
#include "weft/base/fault.h"
#include "weft/base/memory.h"
#include "weft/data.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define NPZ "npz:tests/fixtures/npz/"

enum { HEIGHT = 5, WIDTH = 6 };

static uint8_t pixel(unsigned n, unsigned c, unsigned y, unsigned x) {
    return (uint8_t)(n * 101 + c * 50 + y * 3 + x * 7);
}

/* The images and the labels 2, 0, 11. */
static void check(const char *spec, uint64_t limit, unsigned count, unsigned channels, bool labelled,
                  const char *title) {
    static const unsigned labels[] = {2, 0, 11};
    Dataset *dataset = dataset_given(spec, limit);
    assert_string_equal(dataset->title, title);
    assert_int_equal(dataset->count, count);
    assert_int_equal(dataset->channels, channels);
    assert_int_equal(dataset->height, HEIGHT);
    assert_int_equal(dataset->width, WIDTH);
    const uint8_t *seen = dataset->pixels;
    for (unsigned n = 0; n < count; n++)
        for (unsigned c = 0; c < channels; c++)
            for (unsigned y = 0; y < HEIGHT; y++)
                for (unsigned x = 0; x < WIDTH; x++) assert_int_equal(*seen++, pixel(n, c, y, x));
    assert_int_equal(dataset->labels != NULL, labelled);
    for (unsigned n = 0; labelled && n < count; n++) assert_int_equal(dataset->labels[n], labels[n]);
    dataset_free(dataset);
}

static void test_arrays_are_found(void **state) {
    (void)state;
    check(NPZ "keras.npz:test", 0, 3, 1, true, "keras.npz (x_test, y_test), 3 images");
    check(NPZ "keras.npz:train", 0, 2, 1, true, "keras.npz (x_train, y_train), 2 images");
    check(NPZ "keras.npz:x_test,y_test", 0, 3, 1, true, "keras.npz (x_test, y_test), 3 images");
    check(NPZ "keras.npz:test", 2, 2, 1, true, "keras.npz (x_test, y_test), 2 images");
    check(NPZ "medmnist.npz", 0, 3, 3, true, "medmnist.npz (test_images, test_labels), 3 images");
    check(NPZ "floats.npz", 0, 3, 3, true, "floats.npz (images, labels), 3 images");
    check(NPZ "quarters.npz", 0, 3, 1, true,
          "quarters.npz (X, Y; floats rounded to bytes, by up to 0.25 of 255), 3 images");
    check(NPZ "whole.npz", 0, 3, 1, true, "whole.npz (arr_0, arr_1), 3 images");
    check(NPZ "named.npz", 0, 3, 1, true, "named.npz (pictures, kind), 3 images");
    check(NPZ "unlabelled.npz", 0, 3, 1, false, "unlabelled.npz (data, no labels), 3 images");
    check(NPZ "unknown.npz:b,c", 0, 3, 1, true, "unknown.npz (b, c), 3 images");
    Dataset *dataset = dataset_given(NPZ "keras.npz:test", 1);
    assert_int_equal(dataset->classes, 12); /* also where a limit hides the largest label */
    dataset_free(dataset);
}

static void test_refused(void **state) {
    (void)state;
    dataset_refused(NPZ "keras.npz", STATUS_BAD_INPUT, "keras.npz: holds train, test; choose one with npz:FILE:PART");
    dataset_refused(NPZ "keras.npz:val", STATUS_BAD_INPUT,
                    "cannot tell images and labels of val among x_train, y_train, x_test, y_test");
    dataset_refused(NPZ "unknown.npz", STATUS_BAD_INPUT, "cannot tell images and labels among a, b, c");
    dataset_refused(NPZ "unknown.npz:a,d", STATUS_BAD_INPUT, "unknown.npz: no array 'd'");
    dataset_refused(NPZ "unknown.npz:c,a", STATUS_BAD_INPUT, "shape (3) of I64: images are");
    dataset_refused(NPZ "unknown.npz:a,b", STATUS_BAD_INPUT, "labels must be integers of rank 1, not rank 3 and type");
    dataset_refused(NPZ "keras.npz:x_test,y_train", STATUS_BAD_INPUT, "x_test: 3 images, but 2 labels in y_train");
    dataset_refused(NPZ "nothing.npz", STATUS_BAD_INPUT, "nothing.npz: No such file");
    dataset_refused("npz:tests/fixtures/v1.npy", STATUS_BAD_INPUT, "v1.npy: npy, not an npz file");
    mem_set_budget(50);
    dataset_refused(NPZ "keras.npz:test", STATUS_LIMIT, "limit 50 bytes");
    mem_set_budget(0);
}

/* ---- numbers as bytes -------------------------------------------------------------------------------------------- */

static void put(const char *name, const char *descr, const char *shape, const void *data, size_t length) {
    Bytes file = {0};
    bytes_npy(&file, 1, text_of("{'descr': '%s', 'fortran_order': False, 'shape': (%s), }", descr, shape));
    bytes_add(&file, data, length);
    assert_true(write_bytes(scratch_path(name), file.data, file.length));
    bytes_done(&file);
}

static void test_numbers(void **state) {
    (void)state;
    static const struct {
        double values[4];
        uint8_t bytes[4];
        const char *reason; /* NULL: these bytes */
    } cases[] = {
        {{0, 1, 0.5, 1.0 / 255}, {0, 255, 128, 1}, NULL},
        {{0, 0, 0, 0}, {0}, NULL},
        {{1, 1, 0, 0}, {255, 255}, NULL},
        {{0.00195, 0.00197, 0.998, 0.999}, {0, 1, 254, 255}, NULL}, /* halves lie at 1/510 and 509/510 */
        {{0, 255, 2, 17}, {0, 255, 2, 17}, NULL},
        {{0, 1.5, 0, 0}, {0}, "F64 values from 0 to 1.5; images are bytes, or floats in [0, 1]"},
        {{0, 256, 0, 0}, {0}, "F64 values from 0 to 256; images are bytes, or floats in [0, 1]"},
        {{-0.5, 1, 0, 0}, {0}, "F64 values from -0.5 to 1; images are bytes, or floats in [0, 1], not normalised"},
        {{0, (double)NAN, 0, 0}, {0}, "a value is not a finite number; images are bytes, or floats in [0, 1]"},
        {{0, (double)INFINITY, 0, 0}, {0}, "a value is not a finite number; images are bytes, or floats in [0, 1]"}};
    put("labels.npy", "|u1", "1,", "\3", 1);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *spec = text_of("npy:%s,%s", scratch_path("images.npy"), scratch_path("labels.npy"));
        put("images.npy", "<f8", "1, 2, 2", cases[i].values, sizeof cases[i].values);
        if (cases[i].reason) {
            dataset_refused(spec, STATUS_BAD_INPUT, cases[i].reason);
            continue;
        }
        Dataset *dataset = dataset_given(spec, 0);
        assert_memory_equal(dataset->pixels, cases[i].bytes, 4);
        dataset_free(dataset);
    }
    const char *spec = text_of("npy:%s,%s", scratch_path("images.npy"), scratch_path("labels.npy"));
    put("images.npy", "|b1", "1, 2, 2", "\0\1\1\0", 4); /* masks */
    Dataset *dataset = dataset_given(spec, 0);
    assert_memory_equal(dataset->pixels, ((uint8_t[]){0, 255, 255, 0}), 4);
    dataset_free(dataset);
    put("images.npy", "<i2", "1, 2, 2", (int16_t[]){0, 255, 1, 7}, 8);
    dataset = dataset_given(spec, 0);
    assert_memory_equal(dataset->pixels, ((uint8_t[]){0, 255, 1, 7}), 4);
    dataset_free(dataset);
    put("images.npy", "<i2", "1, 2, 2", (int16_t[]){0, 255, -1, 7}, 8);
    dataset_refused(spec, STATUS_BAD_INPUT,
                    "images.npy: I16 values from -1 to 255; images are bytes, or floats in [0, 1]");
    put("images.npy", "<c8", "1, 2, 1", (float[]){0, 1, 0, 1}, 16);
    dataset_refused(spec, STATUS_BAD_INPUT, "C64 values cannot be used as numbers");
}

static void test_faults(void **state) {
    (void)state;
    static const char *const specs[] = {NPZ "keras.npz:test", NPZ "medmnist.npz", NPZ "quarters.npz", NPZ "named.npz"};
    for (size_t i = 0; i < 2 * sizeof specs / sizeof *specs; i++) {
        Dataset *dataset = NULL;
        for (uint64_t k = 1; !dataset && k < 1000; k++) {
            Error err = {0};
            fault_arm(FAULT_ALLOC | FAULT_OPEN | FAULT_READ, k, i % 2);
            dataset = dataset_load(specs[i / 2], 0, &err);
            fault_disarm();
            assert_true(dataset || (err.status != STATUS_OK && err.text[0]));
        }
        assert_non_null(dataset);
        dataset_free(dataset);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_arrays_are_found), cmocka_unit_test(test_refused),
                                       cmocka_unit_test(test_numbers), cmocka_unit_test(test_faults)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
