/* test_arrays -- datasets whose files are plain arrays: stl10, npy, and CIFAR's Python version in its folder. */
#include "../support/bytes.h"
#include "../support/datasets.h"
#include "../support/cifar_pickle.h"
#include "weft/base/error.h"
#include "weft/base/fault.h"
#include "weft/base/memory.h"
#include "weft/data.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

enum { SIDE = 96, STL_PIXELS = 3 * SIDE * SIDE };

static void put(const char *folder, const char *name, Bytes *bytes) {
    assert_true(write_bytes(text_of("%s/%s", folder, name), bytes->data, bytes->length));
    bytes_done(bytes);
}

/* ---- STL-10 ------------------------------------------------------------------------------------------------------ */

/* Column x and row y of channel c of image i. */
static uint8_t stl_pixel(unsigned i, unsigned c, unsigned y, unsigned x) {
    return (uint8_t)(i * 101 + c * 50 + y * 3 + x * 7);
}

static Bytes stl_images(unsigned count) {
    Bytes bytes = {0};
    for (unsigned i = 0; i < count; i++) {
        uint8_t image[STL_PIXELS], *to = image;
        for (unsigned c = 0; c < 3; c++)
            for (unsigned x = 0; x < SIDE; x++)
                for (unsigned y = 0; y < SIDE; y++) *to++ = stl_pixel(i, c, y, x);
        bytes_add(&bytes, image, sizeof image);
    }
    return bytes;
}

static Bytes stl_labels(unsigned count) {
    Bytes bytes = {0};
    for (unsigned i = 0; i < count; i++) bytes_fill(&bytes, (uint8_t)(10 - i), 1);
    return bytes;
}

static void put_stl(const char *folder, const char *part, unsigned images, unsigned labels) {
    Bytes pixels = stl_images(images), numbers = stl_labels(labels);
    put(folder, text_of("%s_X.bin", part), &pixels);
    if (labels > 0) put(folder, text_of("%s_y.bin", part), &numbers);
}

static void test_stl10(void **state) {
    (void)state;
    const char *folder = folder_given("stl:10");
    dataset_refused(text_of("stl10:%s:train", folder), STATUS_BAD_INPUT, "train_X.bin: No such file");
    put_stl(folder, "train", 3, 3);
    put_stl(folder, "test", 2, 0);
    put_stl(folder, "unlabeled", 2, 0);
    dataset_refused(text_of("stl10:%s:test", folder), STATUS_BAD_INPUT, "test_y.bin: No such file");
    for (uint64_t limit = 0; limit < 5; limit++) {
        Dataset *dataset = dataset_given(text_of("stl10:%s:train", folder), limit);
        assert_int_equal(dataset->count, limit > 0 && limit < 3 ? limit : 3);
        assert_int_equal(dataset->channels, 3);
        assert_int_equal(dataset->height, SIDE);
        assert_int_equal(dataset->width, SIDE);
        assert_int_equal(dataset->classes, 10);
        for (unsigned i = 0; i < dataset->count; i++) {
            assert_int_equal(dataset->labels[i], 9 - i);
            const uint8_t *pixel = dataset->pixels + (size_t)i * STL_PIXELS;
            for (unsigned c = 0; c < 3; c++)
                for (unsigned y = 0; y < SIDE; y++)
                    for (unsigned x = 0; x < SIDE; x++) assert_int_equal(*pixel++, stl_pixel(i, c, y, x));
        }
        assert_string_equal(dataset->class_names[dataset->labels[0]], "truck");
        if (limit == 0) assert_string_equal(dataset->title, "STL-10 train, 3 images");
        dataset_free(dataset);
    }
    Dataset *dataset = dataset_given(text_of("stl10:%s:unlabeled", folder), 0);
    assert_int_equal(dataset->count, 2);
    assert_null(dataset->labels);
    assert_null(dataset->class_names);
    assert_int_equal(dataset->classes, 0);
    dataset_free(dataset);
    /* A limit reads what it needs: behind the first image the labels may be what they like. */
    Bytes labels = {0};
    bytes_add(&labels, "\1\0\13", 3);
    put(folder, "train_y.bin", &labels);
    dataset = dataset_given(text_of("stl10:%s:train", folder), 1);
    assert_string_equal(dataset->class_names[dataset->labels[0]], "airplane");
    dataset_free(dataset);
    dataset_refused(text_of("stl10:%s:train", folder), STATUS_BAD_INPUT,
                    "label 0 of image 1; STL-10's labels are 1 to 10");
}

/* ---- CIFAR ------------------------------------------------------------------------------------------------------- */

static void put_batch(const char *folder, const char *name, unsigned rows, bool fine) {
    Bytes bytes = {0};
    bytes_cifar_pickle(&bytes, &(CifarPickle){.rows = rows, .fine = fine});
    put(folder, name, &bytes);
}

static void test_python_folders(void **state) {
    (void)state;
    const char *folder = folder_given("python");
    put_batch(folder, "data_batch_2", 3, false);
    put_batch(folder, "data_batch_5", 30, false);
    put_batch(folder, "test_batch", 1, false);
    put_batch(folder, "train", 2, true);
    dataset_refused(text_of("cifar10:%s:train", folder), STATUS_BAD_INPUT,
                    "python: data_batch_1, data_batch_3, data_batch_4 are missing (--partial uses the others)");
    Dataset *dataset = dataset_given(text_of("cifar10:%s:train:partial", folder), 0);
    assert_string_equal(dataset->title, "CIFAR-10 train (without data_batch_1, data_batch_3, data_batch_4), 33 images");
    assert_int_equal(dataset->labels[32], 29 % 10);
    assert_int_equal(dataset->pixels[32 * 3072 + 5], 29 + 5);
    assert_string_equal(dataset->class_names[dataset->labels[1]], "automobile");
    dataset_free(dataset);
    dataset = dataset_given(text_of("cifar10:%s:train:partial", folder), 4);
    assert_int_equal(dataset->count, 4);
    assert_int_equal(dataset->labels[3], 0);
    dataset_free(dataset);
    dataset = dataset_given(text_of("cifar10:%s:test", folder), 0);
    assert_int_equal(dataset->count, 1);
    dataset_free(dataset);
    dataset = dataset_given(text_of("cifar100:%s:train", folder), 0);
    assert_int_equal(dataset->classes, 100);
    assert_string_equal(dataset->class_names[dataset->labels[1]], "aquarium_fish");
    dataset_free(dataset);
    dataset_refused(text_of("cifar100:%s:test", folder), STATUS_BAD_INPUT,
                    "has no test.bin, nor these files without .bin (Python version)");

    Bytes bytes = {0}; /* the binary version goes first, and the two do not mix */
    bytes_cifar(&bytes, 7, -1, 0);
    put(folder, "data_batch_4.bin", &bytes);
    dataset = dataset_given(text_of("cifar10:%s:train:partial", folder), 0);
    assert_int_equal(dataset->count, 1);
    assert_int_equal(dataset->labels[0], 7);
    dataset_free(dataset);
}

/* ---- NumPy ------------------------------------------------------------------------------------------------------- */

/* An array of `bytes` bytes that count up, in the type and shape given. */
static void put_npy(const char *name, const char *descr, bool fortran, const char *shape, unsigned bytes) {
    Bytes file = {0};
    bytes_npy(
        &file, 1,
        text_of("{'descr': '%s', 'fortran_order': %s, 'shape': (%s), }", descr, fortran ? "True" : "False", shape));
    for (unsigned i = 0; i < bytes; i++) bytes_fill(&file, (uint8_t)i, 1);
    assert_true(write_bytes(scratch_path(name), file.data, file.length));
    bytes_done(&file);
}

static void put_labels(const char *descr, const void *bytes, size_t length, const char *shape) {
    Bytes file = {0};
    bytes_npy(&file, 1, text_of("{'descr': '%s', 'fortran_order': False, 'shape': (%s), }", descr, shape));
    bytes_add(&file, bytes, length);
    assert_true(write_bytes(scratch_path("labels.npy"), file.data, file.length));
    bytes_done(&file);
}

static const char *npy_spec(void) {
    return text_of("npy:%s,%s", scratch_path("images.npy"), scratch_path("labels.npy"));
}

typedef enum Layout { PLAIN, LAST, FIRST } Layout;

/* Three images of 2 x 4; byte i of the row-major array is i. */
static void check_layout(Layout layout, unsigned channels, bool fortran, uint64_t limit) {
    const unsigned all = 3 * 2 * 4 * channels;
    const unsigned dim[4] = {3, layout == FIRST ? channels : 2, layout == FIRST ? 2 : 4,
                             layout == FIRST  ? 4
                             : layout == LAST ? channels
                                              : 1};
    const char *shape = layout == PLAIN ? "3, 2, 4" : text_of("%u, %u, %u, %u", dim[0], dim[1], dim[2], dim[3]);
    Bytes file = {0};
    bytes_npy(&file, 1,
              text_of("{'descr': '|u1', 'fortran_order': %s, 'shape': (%s), }", fortran ? "True" : "False", shape));
    for (unsigned n = 0; n < all; n++) { /* in column order the first index runs fastest */
        unsigned rest = n, at = 0, index[4];
        for (unsigned d = 0; d < 4; d++) index[d] = rest % dim[d], rest /= dim[d];
        for (unsigned d = 0; d < 4; d++) at = at * dim[d] + index[d];
        bytes_fill(&file, (uint8_t)(fortran ? at : n), 1);
    }
    assert_true(write_bytes(scratch_path("images.npy"), file.data, file.length));
    bytes_done(&file);
    Dataset *dataset = dataset_given(npy_spec(), limit);
    assert_int_equal(dataset->count, limit ? limit : 3);
    assert_int_equal(dataset->channels, channels);
    assert_int_equal(dataset->height, 2);
    assert_int_equal(dataset->width, 4);
    for (unsigned i = 0; i < dataset->count; i++)
        for (unsigned c = 0; c < channels; c++)
            for (unsigned p = 0; p < 8; p++)
                assert_int_equal(dataset->pixels[(i * channels + c) * 8 + p],
                                 layout == LAST ? (i * 8 + p) * channels + c : (i * channels + c) * 8 + p);
    dataset_free(dataset);
}

static void test_npy_layouts(void **state) {
    (void)state;
    put_labels("<i8", (int64_t[]){4, 0, 11}, 24, "3,");
    for (unsigned fortran = 0; fortran < 2; fortran++)
        for (uint64_t limit = 0; limit < 3; limit++) {
            check_layout(PLAIN, 1, fortran, limit);
            for (unsigned channels = 1; channels <= 3; channels += 2) {
                check_layout(LAST, channels, fortran, limit);
                check_layout(FIRST, channels, fortran, limit);
            }
        }
    Dataset *dataset = dataset_given(npy_spec(), 1);
    assert_string_equal(dataset->title, "images.npy, 1 image");
    assert_int_equal(dataset->classes, 12); /* also where a limit hides the largest label */
    assert_null(dataset->class_names);
    dataset_free(dataset);
}

static void test_npy_labels(void **state) {
    (void)state;
    static const struct {
        const char *descr;
        uint8_t bytes[16];
        size_t length;
        const char *reason;
    } cases[] = {
        {"|u1", {200, 7}, 2, NULL},
        {"|i1", {100, 7}, 2, NULL},
        {"<u2", {0x2c, 1, 7, 0}, 4, NULL},
        {">i2", {1, 0x2c, 0, 7}, 4, NULL},
        {"<u4", {0x2c, 1, 0, 0, 7}, 8, NULL},
        {">i4", {0, 0, 1, 0x2c, 0, 0, 0, 7}, 8, NULL},
        {"<u8", {0x2c, 1, 0, 0, 0, 0, 0, 0, 7}, 16, NULL},
        {"<i8", {0x2c, 1, 0, 0, 0, 0, 0, 0, 7}, 16, NULL},
        {"|i1", {0xff, 7}, 2, "label -1 of image 0 is not between 0 and 65535"},
        {"<i8", {1, 0, 0, 0, 0, 0, 0, 0x80}, 16, "label -9223372036854775807 of image 0"},
        {"<u8", {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x80}, 16, "label 9223372036854775807 of image 1"},
        {"<u4", {0, 0, 1, 0, 7}, 8, "label 65536 of image 0"},
        {"<f4", {0}, 8, "labels must be integers of rank 1, not rank 1 and type F32"},
        {"|b1", {1, 1}, 2, "labels must be integers of rank 1, not rank 1 and type BOOL"}};
    put_npy("images.npy", "|u1", false, "2, 3, 4", 24);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        put_labels(cases[i].descr, cases[i].bytes, cases[i].length, "2,");
        if (cases[i].reason) {
            dataset_refused(npy_spec(), STATUS_BAD_INPUT, cases[i].reason);
            continue;
        }
        const unsigned first = i == 0 ? 200 : i == 1 ? 100 : 300;
        Dataset *dataset = dataset_given(npy_spec(), 0);
        assert_int_equal(dataset->labels[0], first);
        assert_int_equal(dataset->labels[1], 7);
        assert_int_equal(dataset->classes, first + 1);
        dataset_free(dataset);
    }
    put_labels("|u1", "\1\2", 2, "1, 2");
    dataset_refused(npy_spec(), STATUS_BAD_INPUT, "labels must be integers of rank 1, not rank 2 and type");
    put_labels("|u1", "\5\2", 2, "2, 1"); /* a column */
    Dataset *column = dataset_given(npy_spec(), 0);
    assert_int_equal(column->labels[0], 5);
    dataset_free(column);
    put_labels("|u1", "\1\2\3", 3, "3,");
    dataset_refused(npy_spec(), STATUS_BAD_INPUT, "2 images, but 3 labels in");
    dataset_refused(text_of("npy:%s,/nowhere", scratch_path("images.npy")), STATUS_BAD_INPUT, "/nowhere: No such file");
}

static void test_npy_images(void **state) {
    (void)state;
    static const struct {
        const char *descr, *shape, *reason;
        unsigned bytes;
    } cases[] = {{"<f4", "2, 3", "shape (2,3) of F32: images are (N,H,W), (N,H,W,C) or (N,C,H,W)", 24},
                 {"|u1", "2, 12", "shape (2,12) of U8: images are", 24},
                 {"|u1", "2, 1, 1, 3, 4", "shape (2,1,1,3,4) of U8: images are", 24},
                 {"|u1", "2, 3, 4, 1", "ambiguous: only one of axes 1 and 3 may have 1 or 3 channels", 24},
                 {"|u1", "1, 3, 5, 3", "ambiguous: only one of axes 1 and 3 may have 1 or 3 channels", 45},
                 {"|u1", "2, 2, 3, 2", "neither axis 1 nor axis 3 has 1 or 3 channels", 24},
                 {"|u1", "0, 3, 4", "no images", 0},
                 {"|u1", "2, 0, 4, 3", "no images", 0},
                 {"|u1", "", "npy: rank 0 is not between 1 and 8", 1},
                 {"|u1", "2, 3, 5", "needs 30 bytes, 24 follow the header", 24}};
    put_labels("|u1", "\1\2", 2, "2,");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        put_npy("images.npy", cases[i].descr, false, cases[i].shape, cases[i].bytes);
        dataset_refused(npy_spec(), STATUS_BAD_INPUT, cases[i].reason);
        dataset_refused(npy_spec(), STATUS_BAD_INPUT, "images.npy: ");
    }
    put_npy("images.npy", "|u1", false, "2, 3, 4", 24);
    mem_set_budget(20);
    dataset_refused(npy_spec(), STATUS_LIMIT, "images.npy needs 24 bytes, limit 20 bytes");
    Dataset *dataset = dataset_given(npy_spec(), 1); /* half of it is allowed */
    dataset_free(dataset);
    mem_set_budget(0);
}

/* ---- faults ------------------------------------------------------------------------------------------------------ */

static void test_faults(void **state) {
    (void)state;
    const char *folder = folder_given("faults");
    put_stl(folder, "train", 2, 2);
    put_stl(folder, "unlabeled", 2, 0);
    put_batch(folder, "data_batch_1", 3, false);
    put_batch(folder, "data_batch_3", 30, false);
    put_batch(folder, "train", 3, true);
    put_npy("images.npy", "|u1", true, "2, 3, 5, 4", 120);
    put_labels("<i8", (int64_t[]){1, 0}, 16, "2,");
    const char *specs[] = {text_of("stl10:%s:train", folder), text_of("stl10:%s:unlabeled", folder),
                           text_of("cifar10:%s:train:partial", folder), text_of("cifar100:%s:train", folder),
                           npy_spec()};
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
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stl10),      cmocka_unit_test(test_python_folders), cmocka_unit_test(test_npy_layouts),
        cmocka_unit_test(test_npy_labels), cmocka_unit_test(test_npy_images),     cmocka_unit_test(test_faults),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
