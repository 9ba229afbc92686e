/* test_images -- images:DIR: classes and their order, sizes and channels, scaling as Pillow scales, what is left out
 * and what is refused. The pictures and their pixels are those of tests/fixtures/pictures. */
#include "../support/bytes.h"
#include "../support/datasets.h"
#include "data/resize.h"
#include "weft/base/error.h"
#include "weft/base/fault.h"
#include "weft/base/file.h"
#include "weft/base/memory.h"
#include "weft/base/pool.h"
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
#define CROPS "tests/fixtures/crops/"

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
    assert_string_equal(dataset->title, "pets (1 grey as colour; 2 other files left out; 2 hidden left out), 5 images");
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
            for (unsigned i = 0; i < plane * channels; i++) {
                const int seen = dataset->pixels[i % channels * plane + i / channels];
                if (seen != ((const uint8_t *)meant.data)[i])
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

/* Resize and CenterCrop of torchvision, on whichever side is the shorter, and where the crop is the larger. */
static void test_crops(void **state) {
    (void)state;
    static const char *const names[] = {"rgb8", "grey8", "tall", "interlaced"};
    static const unsigned sizes[][2] = {{8, 6}, {8, 5}, {20, 16}, {5, 7}, {9, 8}, {6, 6}, {0, 7}, {0, 12}};
    for (unsigned n = 0; n < sizeof names / sizeof *names; n++) {
        folder_given(text_of("crop-%s", names[n]));
        copy(text_of("%s%s.png", n == 2 ? "../crops/" : "", names[n]), text_of("crop-%s/a.png", names[n]));
        for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
            const unsigned resize = sizes[s][0], crop = sizes[s][1];
            IdxArray meant = {0};
            Error err = {0};
            assert_true(npy_read(text_of(CROPS "%s-%u-%u.npy", names[n], resize, crop), 0, &meant, &err));
            const char *spec = spec_of(text_of("crop-%s", names[n]));
            Dataset *dataset = dataset_given(resize ? text_of("%s:resize=%u,crop=%u", spec, resize, crop)
                                                    : text_of("%s:crop=%ux%u", spec, crop, crop),
                                             0);
            assert_int_equal(dataset->width, crop);
            assert_int_equal(dataset->height, crop);
            assert_int_equal(dataset->channels, meant.dim[0]);
            for (unsigned i = 0; i < meant.count; i++) {
                const int off = dataset->pixels[i] - ((const uint8_t *)meant.data)[i];
                if (abs(off) > (n == 2 ? 1 : 0)) /* Pillow 13 takes the columns of high pictures first */
                    fail_msg("%s resize %u, crop %u: byte %u is off by %d", names[n], resize, crop, i, off);
            }
            dataset_free(dataset);
            idx_done(&meant);
        }
    }
}

/* Different sizes become one. */
static void test_sizes(void **state) {
    (void)state;
    folder_given("sizes");
    copy("rgb8.png", "sizes/1.png");
    copy("420.jpg", "sizes/2.jpg");
    copy("../crops/tall.png", "sizes/3.png");
    dataset_refused(text_of("%s:resize=8", spec_of("sizes")), STATUS_BAD_INPUT, "2.jpg: 37 x 21 pixels, but 13 x 9 in");
    static const struct {
        const char *options;
        unsigned width, height;
    } cases[] = {{"resize=8,crop=6", 6, 6},   {"crop=6,resize=8", 6, 6},     {"resize=7x5", 7, 5},     {"7x5", 7, 5},
                 {"resize=8,crop=7x5", 7, 5}, {"resize=20x30:crop=4", 4, 4}, {"7x5,skip-broken", 7, 5}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Dataset *dataset = dataset_given(text_of("%s:%s", spec_of("sizes"), cases[i].options), 0);
        assert_int_equal(dataset->count, 3);
        assert_int_equal(dataset->width, cases[i].width);
        assert_int_equal(dataset->height, cases[i].height);
        dataset_free(dataset);
    }
    static const struct {
        const char *options, *reason;
    } bad[] = {
        {"resize=", "resize= is neither N nor WxH"},
        {"resize=8x", "resize=8x is neither N nor WxH"},
        {"crop=0", "crop=0: width and height must be 1"},
        {"resize=5000", "must be 1 to 4096"},
        {"resize=8,crop=-1", "crop=-1 is neither"},
        {"resize=8,colour",
         "images: unknown option 'colour'; one of: resize=N, resize=WxH, crop=N, crop=WxH, skip-broken, classes=FILE"},

        {"classes=", "classes= needs a file"}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        dataset_refused(text_of("%s:%s", spec_of("sizes"), bad[i].options), STATUS_USAGE, bad[i].reason);
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

/* ---- classes ----------------------------------------------------------------------------------------------------- */

/* Folders 0 to 11, each with one image, in numeric order; where one is no number, in that of the names. */
static void test_numbers(void **state) {
    (void)state;
    folder_given("numbers");
    for (unsigned i = 0; i < 12; i++) {
        folder_given(text_of("numbers/%u", i));
        copy("rgb8.png", text_of("numbers/%u/a.png", i));
    }
    Dataset *dataset = dataset_given(spec_of("numbers"), 0);
    assert_int_equal(dataset->classes, 12);
    for (unsigned i = 0; i < 12; i++) {
        assert_string_equal(dataset->class_names[i], text_of("%u", i));
        assert_int_equal(dataset->labels[i], i);
    }
    dataset_free(dataset);
    folder_given("numbers/007");                     /* the same number as 7: before it, by its text */
    folder_given("numbers/99999999999999999999999"); /* and one beyond any integer */
    copy("rgb8.png", "numbers/007/a.png");
    copy("rgb8.png", "numbers/99999999999999999999999/a.png");
    dataset = dataset_given(spec_of("numbers"), 0);
    assert_string_equal(dataset->class_names[7], "007");
    assert_string_equal(dataset->class_names[8], "7");
    assert_string_equal(dataset->class_names[12], "11");
    assert_string_equal(dataset->class_names[13], "99999999999999999999999");
    dataset_free(dataset);
    folder_given("numbers/x");
    copy("rgb8.png", "numbers/x/a.png");
    dataset = dataset_given(spec_of("numbers"), 0);
    assert_string_equal(dataset->class_names[0], "0");
    assert_string_equal(dataset->class_names[1], "007");
    assert_string_equal(dataset->class_names[3], "10");
    dataset_free(dataset);
}

/* What macOS leaves, and folders without images. */
static void test_left_out(void **state) {
    (void)state;
    static const char *const folders[] = {"left",      "left/a",      "left/b",    "left/__MACOSX", "left/__MACOSX/a",
                                          "left/none", "left/a-none", "left/.git", "left/c",        "left/c/deep"};
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) folder_given(folders[i]);
    copy("rgb8.png", "left/a/1.png");
    copy("rgb8.png", "left/b/1.png");
    copy("rgb8.png", "left/__MACOSX/a/1.png");
    copy("rgb8.png", "left/a/._1.png");
    copy("make.py", "left/.DS_Store");
    copy("make.py", "left/c/deep/notes.txt");
    Dataset *dataset = dataset_given(spec_of("left"), 0);
    assert_string_equal(dataset->title, "left (1 other file left out; 4 hidden left out; 3 classes without images left "
                                        "out: a-none, c, none), 2 images");
    assert_int_equal(dataset->classes, 2);
    assert_string_equal(dataset->class_names[1], "b");
    assert_int_equal(dataset->labels[1], 1);
    dataset_free(dataset);
}

static void test_parts(void **state) {
    (void)state;
    static const char *const folders[] = {"parts",       "parts/train",   "parts/val",
                                          "parts/val/a", "parts/train/a", "parts/train/b"};
    for (size_t i = 0; i < sizeof folders / sizeof *folders; i++) folder_given(folders[i]);
    copy("rgb8.png", "parts/train/a/1.png");
    copy("rgb8.png", "parts/train/b/1.png");
    copy("grey8.png", "parts/val/a/1.png");
    dataset_refused(spec_of("parts"), STATUS_BAD_INPUT,
                    "parts: holds train, val, which are not classes; choose one with images:");
    dataset_refused(text_of("%s:test", spec_of("parts")), STATUS_BAD_INPUT, "parts/test: No such file");
    Dataset *dataset = dataset_given(text_of("%s:train", spec_of("parts")), 0);
    assert_int_equal(dataset->count, 2);
    dataset_free(dataset);
    dataset = dataset_given(text_of("%s:val:resize=8,crop=6", spec_of("parts")), 0);
    assert_int_equal(dataset->count, 1);
    assert_int_equal(dataset->width, 6);
    dataset_free(dataset);
    folder_given("parts:val"); /* a folder of just this name goes first */
    copy("rgb8.png", "parts:val/1.png");
    dataset = dataset_given(spec_of("parts:val"), 0);
    assert_int_equal(dataset->channels, 3);
    dataset_free(dataset);
    folder_given("parts/lorry"); /* a train among other things is a class */
    copy("rgb8.png", "parts/lorry/1.png");
    dataset = dataset_given(text_of("%s:13x9", spec_of("parts")), 0);
    assert_int_equal(dataset->classes, 3);
    dataset_free(dataset);
}

/* ---- classes=FILE ------------------------------------------------------------------------------------------------ */

static void write_list(const char *text) {
    assert_true(write_bytes(scratch_path("list"), text, strlen(text)));
}

static const char *listed(void) {
    return text_of("%s:classes=%s", spec_of("listed"), scratch_path("list"));
}

/* The same mapping in each of the forms: n00000001 is class 3, n00000002 class 0, "a b" class 1. */
static void test_class_lists(void **state) {
    (void)state;
    static const struct {
        const char *text, *names[4];
    } cases[] = {
        {"n00000002\na b\nother\nn00000001\n", {"n00000002", "a b", "other", "n00000001"}},
        {"n00000002 tench, Tinca tinca\r\na b\r\nother\r\nn00000001\tgoldfish\r\n\n",
         {"tench, Tinca tinca", "a b", "other", "goldfish"}},
        {"n00000002,tench\n  a b \nother\nn00000001,goldfish", {"tench", "a b", "other", "goldfish"}},
        {"[\"n00000002\", \"a b\", \"other\", \"n00000001\"]", {"n00000002", "a b", "other", "n00000001"}},
        {"{\"n00000001\": 3, \"n00000002\": 0, \"a b\": 1}", {"n00000002", "a b", "2", "n00000001"}},
        {"{\"3\": \"n00000001\", \"0\": \"n00000002\", \"1\": \"a b\"}", {"n00000002", "a b", "2", "n00000001"}},
        {"{\"0\": [\"n00000002\", \"tench\"], \"1\": [\"a b\"], \"3\": [\"n00000001\", \"goldfish\"]}",
         {"tench", "a b", "2", "goldfish"}},
    };
    static const char *const folders[] = {"a b", "n00000001", "n00000002"}; /* as the images come */
    static const unsigned labels[] = {1, 3, 0};
    folder_given("listed");
    for (unsigned i = 0; i < 3; i++) {
        folder_given(text_of("listed/%s", folders[i]));
        copy("rgb8.png", text_of("listed/%s/1.png", folders[i]));
    }
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        write_list(cases[i].text);
        Dataset *dataset = dataset_given(listed(), 0);
        assert_string_equal(dataset->title, "listed (classes of list), 3 images");
        assert_int_equal(dataset->classes, 4);
        for (unsigned c = 0; c < 4; c++) assert_string_equal(dataset->class_names[c], cases[i].names[c]);
        for (unsigned n = 0; n < 3; n++) assert_int_equal(dataset->labels[n], labels[n]);
        dataset_free(dataset);
    }
    write_list("{\"n00000001\": 1, \"n00000002\": 0, \"a b\": 1}");   /* two folders, one class */
    Dataset *dataset = dataset_given(text_of("%s:8x8", listed()), 0); /* an option behind the file */
    assert_int_equal(dataset->classes, 2);
    assert_int_equal(dataset->labels[0], 1);
    assert_int_equal(dataset->labels[1], 1);
    assert_int_equal(dataset->width, 8);
    dataset_free(dataset);
}

static void test_bad_class_lists(void **state) {
    (void)state;
    static const struct {
        const char *text, *reason;
    } cases[] = {{"", "list: it has no classes"},
                 {"\n\n", "list: it has no classes"},
                 {"a b\n\nn00000001\n", "line 2 is empty"},
                 {"a b\na b\n", "'a b' appears twice"},
                 {"a b\nn00000001\n", "n00000002: "},
                 {"[\"a b\", 3]", "entry 1 is not text"},
                 {"[\"a b\"", "JSON, line 1"},
                 {"{\"a b\": -1}", "'a b': neither FOLDER: NUMBER"},
                 {"{\"a b\": 65536}", "class 65536 of 'a b' must be below 65536"},
                 {"{\"99999999999999999999999\": \"a b\"}", "must be below 65536"},
                 {"{\"a b\": {}}", "'a b': neither"},
                 {"{\"x\": \"a b\"}", "'x': neither"},
                 {"{\"0\": []}", "'0': neither"},
                 {"{\"0\": \"\"}", "class 0 has no name"},
                 {"{\"0\": \"a b\", \"0\": \"n00000001\"}", "JSON, line 1"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        write_list(cases[i].text);
        dataset_refused(listed(), STATUS_BAD_INPUT, cases[i].reason);
    }
    assert_true(write_bytes(scratch_path("list"), "a\0b", 3));
    dataset_refused(listed(), STATUS_BAD_INPUT, "a NUL byte");
    dataset_refused(text_of("%s:classes=/nowhere", spec_of("listed")), STATUS_BAD_INPUT, "/nowhere: No such file");
    write_list("a");
    dataset_refused(text_of("%s:classes=%s", spec_of("listed/a b"), scratch_path("list")), STATUS_USAGE,
                    "images without class folders have no classes");
}

/* ---- broken files ------------------------------------------------------------------------------------------------ */

/* Broken in its header, in its pixels, no image at all, empty, and a link to nowhere: each is named, or left out. */
static void test_broken(void **state) {
    (void)state;
    folder_given("broken");
    folder_given("broken/a");
    folder_given("broken/b");
    for (unsigned i = 0; i < 3; i++) copy(i == 1 ? "opaque.png" : "rgb8.png", text_of("broken/a/%u.png", i));
    for (unsigned i = 0; i < 3; i++) copy("palette8.png", text_of("broken/b/%u.png", i));
    size_t length;
    Error err = {0};
    char *bytes = file_read_all(PICTURES "rgb8.png", 1 << 20, &length, &err);
    assert_non_null(bytes);
    const struct {
        size_t length;
        const char *reason;
    } cuts[] = {{length / 2, "truncated"}, {20, ""}, {4, ""}, {0, "empty"}};
    for (size_t i = 0; i < sizeof cuts / sizeof *cuts; i++) {
        assert_true(write_bytes(scratch_path("broken/a/1.png"), bytes, cuts[i].length));
        dataset_refused(spec_of("broken"), STATUS_BAD_INPUT, "broken/a/1.png: ");
        dataset_refused(spec_of("broken"), STATUS_BAD_INPUT, cuts[i].reason);
        dataset_refused(spec_of("broken"), STATUS_BAD_INPUT, "(--skip-broken skips such files)");
        Dataset *dataset = dataset_given(text_of("%s:skip-broken", spec_of("broken")), 0);
        assert_string_equal(dataset->title, "broken (1 broken file left out: a/1.png), 5 images");
        static const char *const names[] = {"rgb8.png", "rgb8.png", "palette8.png", "palette8.png", "palette8.png"};
        static const uint16_t labels[] = {0, 0, 1, 1, 1};
        for (unsigned n = 0; n < 5; n++) {
            check_pixels(dataset, n, names[n]);
            assert_int_equal(dataset->labels[n], labels[n]);
        }
        dataset_free(dataset);
    }
    mem_free(bytes);
    copy("make.py", "broken/a/0.png");
    copy("make.py", "broken/a/2.png"); /* a class without a sound file stays a class: its images are there */
    Dataset *dataset = dataset_given(text_of("%s:skip-broken", spec_of("broken")), 0);
    assert_string_equal(dataset->title, "broken (3 broken files left out, the first: a/0.png), 3 images");
    assert_int_equal(dataset->classes, 2);
    assert_int_equal(dataset->labels[0], 1);
    dataset_free(dataset);
    for (unsigned i = 0; i < 3; i++) copy("make.py", text_of("broken/b/%u.png", i));
    dataset_refused(text_of("%s:skip-broken", spec_of("broken")), STATUS_BAD_INPUT,
                    "broken: none of the 6 images can be read");
    mem_set_budget(1); /* no excuse for memory */
    copy("rgb8.png", "broken/b/0.png");
    dataset_refused(text_of("%s:skip-broken", spec_of("broken")), STATUS_LIMIT, "limit 1 bytes");
    mem_set_budget(0);
}

/* ---- what is refused --------------------------------------------------------------------------------------------- */

static void test_refused(void **state) {
    (void)state;
    folder_given("r");
    dataset_refused(spec_of("r"), STATUS_BAD_INPUT, "r: no PNG or JPEG files and no subfolders with such files");
    dataset_refused(spec_of("r/nowhere"), STATUS_BAD_INPUT, "r/nowhere: No such file or directory");
    folder_given("r/a");
    folder_given("r/b");
    dataset_refused(spec_of("r"), STATUS_BAD_INPUT, "r: no PNG or JPEG files in its subfolders");
    copy("rgb8.png", "r/b/1.png");
    copy("420.jpg", "r/a/1.jpg");
    dataset_refused(spec_of("r"), STATUS_BAD_INPUT, "r/b/1.png: 13 x 9 pixels, but 37 x 21 in ");
    dataset_free(dataset_given(text_of("%s:8x8", spec_of("r")), 0));
    copy("rgb8.png", "r/c.png");
    dataset_refused(spec_of("r"), STATUS_BAD_INPUT,
                    "r/c.png: the image is beside the class folders, so its class is unknown");
    assert_int_equal(unlink(scratch_path("r/c.png")), 0);
    dataset_refused(spec_of("r/a/1.jpg"), STATUS_BAD_INPUT, "1.jpg: Not a directory");
    assert_int_equal(symlink("..", scratch_path("r/b/loop")), 0);
    dataset_refused(spec_of("r"), STATUS_BAD_INPUT, "r/b/loop: it links back to a parent folder");
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
    write_list("b\na");
    for (unsigned later = 0; later < 4; later++) {
        const char *spec =
            text_of("%s:%s%s", spec_of("f"),
                    later < 2 ? "8x9" : "resize=10,crop=8,classes=", later < 2 ? "" : scratch_path("list"));
        Dataset *dataset = NULL;
        for (uint64_t k = 1; !dataset && k < 1000; k++) {
            Error err = {0};
            fault_arm(FAULT_ALLOC | FAULT_OPEN | FAULT_READ, k, later % 2);
            dataset = dataset_load(spec, 0, &err);
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
        cmocka_unit_test(test_classes),         cmocka_unit_test(test_without_classes),
        cmocka_unit_test(test_scaling),         cmocka_unit_test(test_scaling_keeps_a_colour),
        cmocka_unit_test(test_crops),           cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_numbers),         cmocka_unit_test(test_left_out),
        cmocka_unit_test(test_parts),           cmocka_unit_test(test_class_lists),
        cmocka_unit_test(test_bad_class_lists), cmocka_unit_test(test_broken),
        cmocka_unit_test(test_refused),         cmocka_unit_test(test_linked_class),
        cmocka_unit_test(test_faults),          cmocka_unit_test(test_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
