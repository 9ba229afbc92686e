/* test_images -- images:DIR: classes and their order, sizes and channels, scaling as Pillow scales, what is left out
 * and what is refused. The pictures and their pixels are those of tests/fixtures/pictures. */
#include "../support/bytes.h"
#include "../support/datasets.h"
#include "data/resize.h"
#include "weft/data.h"
#include "weft/format.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#define PICTURES "tests/fixtures/pictures/"

/* A copy of the fixture NAME as scratch PATH. */
static void copy(const char *name, const char *path) {
    size_t length;
    Error err;
    char *bytes = file_read_all(text_of(PICTURES "%s", name), 1 << 20, &length, &err);
    if (!bytes) fail_msg("%s", err.text);
    assert_true(write_bytes(scratch_path(path), bytes, length));
    mem_free(bytes);
}

static const char *spec_of(const char *name) {
    return text_of("images:%s", scratch_path(name));
}

/* The fixture's pixels as planes, as many as `channels`, of which a grey one has all alike. */
static void check_pixels(const Dataset *dataset, uint64_t image, const char *name) {
    IdxArray pixels = {0};
    Error err = {0};
    if (!npy_read(text_of(PICTURES "%s.npy", name), 0, &pixels, &err)) fail_msg("%s", err.text);
    assert_int_equal(dataset->height, pixels.dim[0]);
    assert_int_equal(dataset->width, pixels.dim[1]);
    const uint64_t plane = pixels.dim[0] * pixels.dim[1], own = pixels.dim[2];
    const uint8_t *seen = dataset->pixels + image * plane * dataset->channels;
    for (uint64_t c = 0; c < dataset->channels; c++)
        for (uint64_t i = 0; i < plane; i++)
            assert_int_equal(*seen++, ((const uint8_t *)pixels.data)[i * own + (own == 1 ? 0 : c)]);
    idx_done(&pixels);
}

/* ---- what is loaded ---------------------------------------------------------------------------------------------- */

static void test_classes(void **state) {
    (void)state;
    folder_given("pets");
    folder_given("pets/dog");
    folder_given("pets/cat");
    folder_given("pets/cat-like"); /* by names, "cat" comes first; by paths, "cat-like/" would */
    folder_given("pets/cat/more");
    folder_given("pets/.git");
    copy("rgb8.png", "pets/dog/b.PNG");
    copy("palette4.png", "pets/dog/a.jpeg"); /* the content decides */
    copy("grey8.png", "pets/cat-like/1.png");
    copy("opaque.png", "pets/cat/more/x.Png");
    copy("rgba8.png", "pets/cat/2.jpg");
    copy("grey.jpg", "pets/cat/.hidden.jpg");
    copy("grey.jpg", "pets/.git/1.jpg");
    copy("make.py", "pets/cat/labels.csv");
    copy("make.py", "pets/README.md");
    Dataset *dataset = dataset_given(text_of("%s/", spec_of("pets")), 0);
    static const char *const names[] = {"rgba8.png", "opaque.png", "grey8.png", "palette4.png", "rgb8.png"};
    static const uint16_t labels[] = {0, 0, 1, 2, 2};
    assert_string_equal(dataset->title, "pets (1 grey as colour; 2 other files left out), 5 images");
    assert_int_equal(dataset->count, 5);
    assert_int_equal(dataset->channels, 3);
    assert_int_equal(dataset->classes, 3);
    assert_string_equal(dataset->class_names[0], "cat");
    assert_string_equal(dataset->class_names[1], "cat-like");
    assert_string_equal(dataset->class_names[2], "dog");
    for (unsigned i = 0; i < 5; i++) {
        assert_int_equal(dataset->labels[i], labels[i]);
        check_pixels(dataset, i, names[i]);
    }
    dataset_free(dataset);
    static const uint16_t limited[5][4] = {{0}, {0, 1}, {0, 1, 2}, {0, 0, 1, 2}, {0}};
    for (unsigned limit = 1; limit < 5; limit++) { /* of each class in turn */
        dataset = dataset_given(spec_of("pets"), limit);
        assert_int_equal(dataset->count, limit);
        assert_int_equal(dataset->classes, 3);
        for (unsigned i = 0; i < limit; i++) assert_int_equal(dataset->labels[i], limited[limit - 1][i]);
        dataset_free(dataset);
    }
}

static void test_without_classes(void **state) {
    (void)state;
    folder_given("flat:8"); /* no size: part of the name */
    copy("grey8.png", "flat:8/2.png");
    copy("grey-alpha.png", "flat:8/1.png");
    assert_int_equal(symlink("2.png", scratch_path("flat:8/3.png")), 0);
    Dataset *dataset = dataset_given(spec_of("flat:8"), 0);
    assert_string_equal(dataset->title, "flat:8, 3 images");
    assert_int_equal(dataset->channels, 1);
    assert_int_equal(dataset->classes, 0);
    assert_null(dataset->labels);
    assert_null(dataset->class_names);
    check_pixels(dataset, 0, "grey-alpha.png");
    check_pixels(dataset, 1, "grey8.png");
    check_pixels(dataset, 2, "grey8.png");
    float image[13 * 9];
    dataset_image(dataset, 1, image);
    assert_true(image[5] == (float)dataset->pixels[13 * 9 + 5] / 255.0f);
    dataset_free(dataset);
}

/* ---- scaling ----------------------------------------------------------------------------------------------------- */

static void test_scaling(void **state) {
    (void)state;
    static const char *const names[] = {"rgb8", "grey8"};
    static const unsigned sizes[][2] = {{5, 4}, {26, 20}, {13, 3}, {40, 9}, {1, 1}};
    for (unsigned n = 0; n < 2; n++) {
        folder_given(names[n]);
        copy(text_of("%s.png", names[n]), text_of("%s/a.png", names[n]));
        for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
            const unsigned width = sizes[s][0], height = sizes[s][1];
            IdxArray meant = {0};
            Error err = {0};
            assert_true(npy_read(text_of(PICTURES "resize-%s-%ux%u.npy", names[n], width, height), 0, &meant, &err));
            Dataset *dataset = dataset_given(text_of("%s:%ux%u", spec_of(names[n]), width, height), 0);
            assert_int_equal(dataset->width, width);
            assert_int_equal(dataset->height, height);
            const unsigned channels = dataset->channels, plane = width * height;
            assert_int_equal(meant.count, plane * channels);
            for (unsigned i = 0; i < plane * channels; i++) { /* Pillow rounds between the two axes */
                const int seen = dataset->pixels[i % channels * plane + i / channels];
                if (abs(seen - ((const uint8_t *)meant.data)[i]) > 1)
                    fail_msg("%s %ux%u: byte %u is %d, not %d", names[n], width, height, i, seen,
                             ((const uint8_t *)meant.data)[i]);
            }
            dataset_free(dataset);
            idx_done(&meant);
        }
    }
    Dataset *dataset = dataset_given(text_of("%s:13x9", spec_of("rgb8")), 0); /* the same size is the same image */
    check_pixels(dataset, 0, "rgb8.png");
    dataset_free(dataset);
    dataset_refused(text_of("%s:0x9", spec_of("rgb8")), STATUS_USAGE, "width and height must be 1 to 4096");
    dataset_refused(text_of("%s:9x4097", spec_of("rgb8")), STATUS_USAGE, "width and height must be 1 to 4096");
    dataset_refused(text_of("%s:99999999999999999999x1", spec_of("rgb8")), STATUS_USAGE,
                    "width and height must be 1 to 4096");
    dataset_refused(text_of("%s:9x", spec_of("rgb8")), STATUS_BAD_INPUT, "rgb8:9x: No such file or directory");
}

/* One colour everywhere stays that colour, whatever the sizes. */
static void test_scaling_keeps_a_colour(void **state) {
    (void)state;
    enum { HEIGHT = 6, MOST = 40 };
    for (unsigned from = 1; from < MOST; from += 3)
        for (unsigned to = 1; to < MOST; to += 2)
            for (unsigned colour = 0; colour < 256; colour += 51) {
                uint8_t pixels[HEIGHT * MOST], out[HEIGHT * MOST];
                const Picture picture = {.channels = 1, .height = HEIGHT, .width = from, .pixels = pixels};
                Error err = {0};
                memset(pixels, (int)colour, sizeof pixels);
                assert_true(resize_picture(&picture, 3, to, out, &err));
                for (unsigned i = 0; i < to * 3; i++) assert_int_equal(out[i], colour);
            }
}

/* ---- what is refused --------------------------------------------------------------------------------------------- */

static void test_refused(void **state) {
    (void)state;
    folder_given("r");
    dataset_refused(spec_of("r"), STATUS_BAD_INPUT, "r: no PNG or JPEG files and no folders of them in it");
    dataset_refused(spec_of("r/nowhere"), STATUS_BAD_INPUT, "r/nowhere: No such file or directory");
    folder_given("r/a");
    folder_given("r/b");
    copy("rgb8.png", "r/b/1.png");
    dataset_refused(spec_of("r"), STATUS_BAD_INPUT, "r/a: no PNG or JPEG files in this class");
    copy("420.jpg", "r/a/1.jpg");
    dataset_refused(spec_of("r"), STATUS_BAD_INPUT, "r/b/1.png: 13 x 9 pixels, but 37 x 21 in ");
    dataset_free(dataset_given(text_of("%s:8x8", spec_of("r")), 0));
    copy("rgb8.png", "r/c.png");
    dataset_refused(spec_of("r"), STATUS_BAD_INPUT,
                    "r/c.png: an image beside the folders of the classes; which class is it?");
    assert_int_equal(unlink(scratch_path("r/c.png")), 0);
    dataset_refused(spec_of("r/a/1.jpg"), STATUS_BAD_INPUT, "1.jpg: Not a directory");
    assert_int_equal(symlink("..", scratch_path("r/b/loop")), 0);
    dataset_refused(spec_of("r"), STATUS_BAD_INPUT, "r/b/loop: links back to a folder above it");
    assert_int_equal(unlink(scratch_path("r/b/loop")), 0);
    assert_int_equal(symlink("nowhere", scratch_path("r/b/2.png")), 0);
    dataset_refused(text_of("%s:8x8", spec_of("r")), STATUS_BAD_INPUT, "r/b/2.png: No such file");
    assert_int_equal(unlink(scratch_path("r/b/2.png")), 0);
    mem_set_budget(600);
    dataset_refused(text_of("%s:8x8", spec_of("r")), STATUS_LIMIT, "limit 600 bytes");
    mem_set_budget(0);
    const char *deep = "r/b";
    for (unsigned i = 0; i < 16; i++) {
        deep = text_of("%s/d", deep);
        folder_given(deep);
    }
    dataset_refused(spec_of("r"), STATUS_LIMIT, "folders nested deeper than 16");
}

/* A link to a folder beside it is no loop. */
static void test_linked_class(void **state) {
    (void)state;
    folder_given("linked");
    folder_given("linked/a");
    copy("rgb8.png", "linked/a/1.png");
    assert_int_equal(symlink("a", scratch_path("linked/b")), 0);
    Dataset *dataset = dataset_given(spec_of("linked"), 0);
    assert_int_equal(dataset->count, 2);
    assert_string_equal(dataset->class_names[1], "b");
    dataset_free(dataset);
}

static void test_faults(void **state) {
    (void)state;
    pool_set_threads(1); /* which call fails is then the same each time */
    folder_given("f");
    folder_given("f/a");
    folder_given("f/b");
    copy("rgb8.png", "f/a/1.png");
    copy("grey8.png", "f/a/2.png");
    copy("grey.jpg", "f/b/1.jpg");
    for (unsigned later = 0; later < 2; later++) {
        Dataset *dataset = NULL;
        for (uint64_t k = 1; !dataset && k < 1000; k++) {
            Error err = {0};
            fault_arm(FAULT_ALLOC | FAULT_OPEN | FAULT_READ, k, later);
            dataset = dataset_load(text_of("%s:8x9", spec_of("f")), 0, &err);
            fault_disarm();
            assert_true(dataset || (err.status != STATUS_OK && err.text[0]));
        }
        assert_non_null(dataset);
        assert_int_equal(dataset->count, 3);
        dataset_free(dataset);
    }
    pool_set_threads(0);
}

/* Many files, several threads: each image in its place. */
static void test_many(void **state) {
    (void)state;
    pool_set_threads(4);
    folder_given("many");
    static const char *const names[] = {"rgb8.png", "opaque.png", "palette8.png", "interlaced.png"};
    for (unsigned i = 0; i < 60; i++) {
        if (i < 3) folder_given(text_of("many/%u", i));
        copy(names[i % 4], text_of("many/%u/%02u.png", i % 3, i));
    }
    Dataset *dataset = dataset_given(spec_of("many"), 0);
    assert_int_equal(dataset->count, 60);
    for (unsigned i = 0; i < 60; i++) {
        const unsigned number = i % 20 * 3 + i / 20;
        assert_int_equal(dataset->labels[i], i / 20);
        check_pixels(dataset, i, names[number % 4]);
    }
    dataset_free(dataset);
    pool_set_threads(0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_classes), cmocka_unit_test(test_without_classes),
        cmocka_unit_test(test_scaling), cmocka_unit_test(test_scaling_keeps_a_colour),
        cmocka_unit_test(test_refused), cmocka_unit_test(test_linked_class),
        cmocka_unit_test(test_faults),  cmocka_unit_test(test_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
