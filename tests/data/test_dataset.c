/* test_dataset -- dataset specifications: what each kind loads, what its errors say, where files are looked for. */
#include "../support/bytes.h"
#include "../support/datasets.h"
#include "weft/base/error.h"
#include "weft/base/fault.h"
#include "weft/base/text.h"
#include "weft/data.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include <cmocka.h>

#define SUBSET "../shared/data/cifar10-subset"
#define FASHION "/usr/share/datasets/fashion-mnist"

/* ---- files to load ----------------------------------------------------------------------------------------------- */

/* `images` of 2 x 3 pixels; pixel i of the file is i mod 256. */
static void write_images(const char *path, uint32_t images, bool planes) {
    Bytes bytes = {0};
    if (planes)
        bytes_idx(&bytes, 8, 4, (uint32_t[]){images, 2, 2, 3}, 4);
    else
        bytes_idx(&bytes, 8, 3, (uint32_t[]){images, 2, 3}, 3);
    for (uint32_t i = 0; i < images * 6 * (planes ? 2 : 1); i++) bytes_fill(&bytes, (uint8_t)i, 1);
    assert_true(write_bytes(path, bytes.data, bytes.length));
    bytes_done(&bytes);
}

static void write_labels(const char *path, const uint8_t *labels, uint32_t count) {
    Bytes bytes = {0};
    bytes_idx(&bytes, 8, 1, &count, 1);
    bytes_add(&bytes, labels, count);
    assert_true(write_bytes(path, bytes.data, bytes.length));
    bytes_done(&bytes);
}

static void write_batch(const char *path, unsigned records, bool fine, unsigned first) {
    Bytes bytes = {0};
    for (unsigned i = 0; i < records; i++) bytes_cifar(&bytes, (int)(first + i) % 10, fine ? 99 : -1, first + i);
    assert_true(write_bytes(path, bytes.data, bytes.length));
    bytes_done(&bytes);
}

/* ---- tests ------------------------------------------------------------------------------------------------------- */

static void test_kinds(void **state) {
    (void)state;
    size_t count = 0;
    for (const DatasetKind *kind = dataset_kinds(); kind->name; kind++, count++) {
        assert_int_equal(strncmp(kind->form, kind->name, strlen(kind->name)), 0);
        assert_true(strlen(kind->help) > 10);
        dataset_refused(text_of("%s:", kind->name), STATUS_USAGE, kind->form);
        dataset_refused(kind->name, STATUS_USAGE, kind->form);
    }
    assert_int_equal(count, 12);
    dataset_refused("bogus:x", STATUS_USAGE,
                    "unknown kind of dataset 'bogus'; one of: fashion-mnist, cifar10, cifar100");
    dataset_refused("cifar-10:x:test", STATUS_USAGE, "did you mean cifar10?");
    dataset_refused("", STATUS_USAGE, "unknown kind of dataset ''");
    dataset_refused("cifar10:x:tests", STATUS_USAGE, "cifar10:DIR:train|test");
    dataset_refused("cifar10::test", STATUS_USAGE, "cifar10:DIR:train|test");
    dataset_refused("fashion-mnist:tests", STATUS_USAGE, "fashion-mnist:train|test[:DIR]");
    dataset_refused("fashion-mnist:test:", STATUS_USAGE, "fashion-mnist:train|test[:DIR]");
    dataset_refused("cifar10c:fog:3", STATUS_USAGE, "cifar10c:DIR:KIND:SEVERITY");
    dataset_refused("cifar10c::fog:3", STATUS_USAGE, "cifar10c:DIR:KIND:SEVERITY");
    dataset_refused("cifar10c:x:frots:3", STATUS_USAGE, "no corruption 'frots'; did you mean frost?");
    dataset_refused("cifar10c:x:fog:9", STATUS_USAGE, "fog:9: the severity must be 1 to 5");
    dataset_refused("cifar10c:x:all:1", STATUS_USAGE, "each file holds a single kind of corruption, not 'all:1'");
    dataset_refused("idx:one", STATUS_USAGE, "idx:IMAGES,LABELS");
    dataset_refused("sample:../x", STATUS_USAGE, "sample:NAME");
    dataset_refused("stl10:x:tests", STATUS_USAGE, "stl10:DIR:train|test|unlabeled");
    dataset_refused("stl10::test", STATUS_USAGE, "stl10:DIR:train|test|unlabeled");
    dataset_refused("npy:one", STATUS_USAGE, "npy:IMAGES,LABELS");
    dataset_refused("npy:one,", STATUS_USAGE, "npy:IMAGES,LABELS");
    dataset_refused("images::32x32", STATUS_USAGE, "images:DIR[:PART][:OPTION,...]");
}

static void test_idx(void **state) {
    (void)state;
    const char *images = scratch_path("images"), *labels = scratch_path("labels");
    const char *spec = text_of("idx:%s,%s", images, labels);
    write_images(images, 3, false);
    write_labels(labels, (uint8_t[]){4, 9, 1}, 3);
    Dataset *dataset = dataset_given(spec, 0);
    assert_string_equal(dataset->title, "images, 3 images");
    assert_int_equal(dataset->count, 3);
    assert_int_equal(dataset->channels, 1);
    assert_int_equal(dataset->height, 2);
    assert_int_equal(dataset->width, 3);
    assert_int_equal(dataset->classes, 10);
    assert_null(dataset->class_names);
    assert_int_equal(dataset->labels[1], 9);
    float image[6];
    dataset_image(dataset, 2, image);
    float mean, std; /* of 0, 1, ..., 17: 8.5, and sqrt((18^2 - 1) / 12) */
    dataset_spread(dataset, &mean, &std);
    assert_true(fabs((double)mean - 8.5 / 255) < 1e-7 && fabs((double)std - sqrt(323.0 / 12) / 255) < 1e-7);
    for (int i = 0; i < 6; i++) assert_true(image[i] == (float)(12 + i) / 255.0f);
    dataset_free(dataset);

    write_images(images, 3, true);
    write_labels(labels, (uint8_t[]){4, 10, 46}, 3);
    dataset = dataset_given(spec, 1);
    assert_string_equal(dataset->title, "images, 1 image");
    assert_int_equal(dataset->channels, 2);
    assert_int_equal(dataset->classes, 47); /* also where a limit hides the largest label */
    dataset_free(dataset);

    write_labels(labels, (uint8_t[]){4, 10}, 2);
    dataset_refused(spec, STATUS_BAD_INPUT, "3 images, but 2 labels in");
    dataset_refused(text_of("idx:%s,%s", labels, labels), STATUS_BAD_INPUT,
                    "images must have rank 3 or 4 and type U8, not rank 1 and type");
    dataset_refused(text_of("idx:%s,%s", images, images), STATUS_BAD_INPUT, "labels must be integers of rank 1");
    write_images(images, 0, false);
    write_labels(labels, NULL, 0);
    dataset_refused(spec, STATUS_BAD_INPUT, "no images");
    dataset_refused(text_of("idx:%s,/nowhere/labels", images), STATUS_BAD_INPUT, "/nowhere/labels");
}

static void test_wide_labels(void **state) {
    (void)state;
    static const struct {
        uint8_t type;
        uint8_t bytes[8];
        size_t size;
        const char *reason; /* NULL: loads */
    } cases[] = {{0x0B, {1, 0x2c, 0, 7}, 4, NULL},
                 {0x0C, {0, 0, 1, 0x2c, 0, 0, 0, 7}, 8, NULL},
                 {0x09, {0xff, 7}, 2, "label -1 of image 0"},
                 {0x0B, {0, 7, 0xff, 0xfe}, 4, "label -2 of image 1"},
                 {0x0C, {0, 1, 0, 0, 0, 0, 0, 7}, 8, "label 65536 of image 0"},
                 {0x0D, {0}, 8, "labels must be integers of rank 1"}};
    const char *images = scratch_path("wide-images"), *labels = scratch_path("wide-labels");
    const char *spec = text_of("idx:%s,%s", images, labels);
    write_images(images, 2, false);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Bytes bytes = {0};
        bytes_idx(&bytes, cases[i].type, 1, (uint32_t[]){2}, 1);
        bytes_add(&bytes, cases[i].bytes, cases[i].size);
        assert_true(write_bytes(labels, bytes.data, bytes.length));
        bytes_done(&bytes);
        if (cases[i].reason) {
            dataset_refused(spec, STATUS_BAD_INPUT, cases[i].reason);
            continue;
        }
        Dataset *dataset = dataset_given(spec, 0);
        assert_int_equal(dataset->labels[0], 300);
        assert_int_equal(dataset->labels[1], 7);
        assert_int_equal(dataset->classes, 301);
        dataset_free(dataset);
    }
}

static void test_cifar_folders(void **state) {
    (void)state;
    const char *folder = folder_given("a:b"); /* a folder's name may hold colons */
    dataset_refused(text_of("cifar10:%s:train", folder), STATUS_BAD_INPUT,
                    "has no data_batch_1.bin to data_batch_5.bin, nor");
    dataset_refused(text_of("cifar10:%s:test", folder), STATUS_BAD_INPUT, "no test_batch.bin");
    dataset_refused(text_of("cifar100:%s:test", folder), STATUS_BAD_INPUT, "no test.bin");
    write_batch(text_of("%s/data_batch_4.bin", folder), 2, false, 7);
    write_batch(text_of("%s/data_batch_2.bin", folder), 3, false, 0);
    dataset_refused(text_of("cifar10:%s:train", folder), STATUS_BAD_INPUT,
                    "data_batch_1.bin, data_batch_3.bin, data_batch_5.bin are missing");
    Dataset *dataset = dataset_given(text_of("cifar10:%s:train:partial", folder), 0);
    assert_string_equal(dataset->title,
                        "CIFAR-10 train (without data_batch_1.bin, data_batch_3.bin, data_batch_5.bin), 5 images");
    for (int i = 0; i < 5; i++) {
        static const unsigned first[] = {0, 1, 2, 7, 8};
        assert_int_equal(dataset->labels[i], first[i]);
        assert_int_equal(dataset->pixels[i * 3072 + 3071], (uint8_t)(first[i] + 3071));
    }
    assert_string_equal(dataset->class_names[dataset->labels[3]], "horse");
    dataset_free(dataset);
    for (uint64_t limit = 1; limit < 7; limit++) {
        dataset = dataset_given(text_of("cifar10:%s:train:partial", folder), limit);
        assert_int_equal(dataset->count, limit < 5 ? limit : 5);
        dataset_free(dataset);
    }
    write_batch(text_of("%s/test.bin", folder), 2, true, 3);
    dataset = dataset_given(text_of("cifar100:%s:test", folder), 0);
    assert_string_equal(dataset->title, "CIFAR-100 test, 2 images");
    assert_int_equal(dataset->classes, 100);
    assert_string_equal(dataset->class_names[dataset->labels[0]], "worm");
    for (int i = 1; i < 100; i++) /* alphabetical, as published */
        assert_true(strcmp(dataset->class_names[i - 1], dataset->class_names[i]) < 0);
    dataset_free(dataset);
}

/* One batch is missing: named, unless a limit ends before it. Archives unpack to a folder of their own. */
static void test_cifar_batches(void **state) {
    (void)state;
    const char *above = folder_given("cifar"), *folder = folder_given("cifar/cifar-10-batches-bin");
    const char *spec = text_of("cifar10:%s:train", above);
    folder_given("cifar/.hidden");
    folder_given("cifar/other");
    dataset_refused(spec, STATUS_BAD_INPUT, "cifar: has no data_batch_1.bin to data_batch_5.bin, nor");
    for (unsigned i = 1; i <= 5; i++)
        if (i != 3) write_batch(text_of("%s/data_batch_%u.bin", folder, i), 2, false, i);
    dataset_refused(spec, STATUS_BAD_INPUT,
                    "cifar/cifar-10-batches-bin: data_batch_3.bin is missing (--partial uses the others)");
    Dataset *dataset = dataset_given(spec, 4);
    assert_int_equal(dataset->labels[3], 3);
    assert_string_equal(dataset->title, "CIFAR-10 train, 4 images");
    dataset_free(dataset);
    Error err = {0};
    assert_null(dataset_load(spec, 5, &err));
    assert_non_null(strstr(err.text, "data_batch_3.bin is missing"));
    dataset = dataset_given(text_of("%s:partial", spec), 0);
    assert_int_equal(dataset->count, 8);
    assert_int_equal(dataset->labels[4], 4);
    dataset_free(dataset);
    write_batch(text_of("%s/data_batch_3.bin", folder), 2, false, 3);
    dataset = dataset_given(text_of("%s:partial", spec), 0);
    assert_string_equal(dataset->title, "CIFAR-10 train, 10 images");
    dataset_free(dataset);
    write_batch(scratch_path("cifar/other/test.bin"), 1, true, 3); /* any folder in it */
    dataset = dataset_given(text_of("cifar100:%s:test", above), 0);
    assert_int_equal(dataset->labels[0], 99);
    dataset_free(dataset);
    assert_true(write_bytes(scratch_path("cifar/other/cifar-10-python.tar.gz"), "x", 1));
    dataset_refused(text_of("cifar10:%s:test", scratch_path("cifar/other")), STATUS_BAD_INPUT,
                    "unpack it first: tar xf cifar-10-python.tar.gz");
}

/* "~" where a path begins, and nowhere else. */
static void test_home(void **state) {
    (void)state;
    char *before = strdup(getenv("HOME") ? getenv("HOME") : "/");
    folder_given("home");
    folder_given("home/~");
    assert_int_equal(setenv("HOME", scratch_path("home"), 1), 0);
    write_images(scratch_path("home/i"), 2, false);
    write_labels(scratch_path("home/l"), (uint8_t[]){1, 2}, 2);
    write_labels(scratch_path("home/~/l"), (uint8_t[]){3, 4}, 2);
    write_labels(scratch_path("home/~l"), (uint8_t[]){5, 6}, 2);
    static const char *const labels[] = {"~/l", "~/~/l", "~/~l"};
    for (unsigned i = 0; i < 3; i++) {
        Dataset *dataset = dataset_given(text_of("idx:~/i,%s", labels[i]), 0);
        assert_int_equal(dataset->labels[0], 2 * i + 1);
        dataset_free(dataset);
    }
    assert_int_equal(setenv("HOME", before, 1), 0);
    free(before);
}

/* Byte p of row r of the array is a function of both, so that each pixel's place shows. */
static uint8_t byte_at(unsigned row, unsigned p) {
    return (uint8_t)(row * 31 + p * 7 + p / 256);
}

static void write_corrupted(const char *folder, unsigned each, const char *descr, unsigned size) {
    Bytes bytes = {0};
    bytes_npy(&bytes, 1, text_of("{'descr': '|u1', 'fortran_order': False, 'shape': (%u, 32, 32, 3), }", 5 * each));
    for (unsigned row = 0; row < 5 * each; row++) {
        uint8_t pixels[3072];
        for (unsigned p = 0; p < 3072; p++) pixels[p] = byte_at(row, p);
        bytes_add(&bytes, pixels, sizeof pixels);
    }
    assert_true(write_bytes(text_of("%s/snow.npy", folder), bytes.data, bytes.length));
    bytes_done(&bytes);
    bytes_npy(&bytes, 2, text_of("{'descr': '%s', 'fortran_order': False, 'shape': (%u,), }", descr, 5 * each));
    for (unsigned row = 0; row < 5 * each; row++) {
        if (*descr == '>') bytes_fill(&bytes, 0, size - 1);
        bytes_le(&bytes, row % 10, *descr == '>' ? 1 : size);
    }
    assert_true(write_bytes(text_of("%s/labels.npy", folder), bytes.data, bytes.length));
    bytes_done(&bytes);
}

static void test_cifar10c(void **state) {
    (void)state;
    static const struct {
        const char *descr;
        unsigned size;
    } types[] = {{"|u1", 1}, {"|i1", 1}, {"<u2", 2}, {"<i2", 2}, {">i4", 4}, {"<u4", 4}, {"<i8", 8}, {">u8", 8}};
    char folder[4096]; /* of its own: scratch paths take turns */
    snprintf(folder, sizeof folder, "%s", folder_given("c:c"));
    for (size_t t = 0; t < sizeof types / sizeof *types; t++) {
        write_corrupted(folder, 70, types[t].descr, types[t].size);
        for (unsigned severity = 1; severity <= 5; severity++) {
            Dataset *dataset = dataset_given(text_of("cifar10c:%s:snow:%u", folder, severity), t ? 66 : 0);
            assert_string_equal(dataset->title,
                                text_of("CIFAR-10-C snow at severity %u, %d images", severity, t ? 66 : 70));
            assert_int_equal(dataset->classes, 10);
            assert_string_equal(dataset->class_names[9], "truck");
            for (unsigned i = 0; i < dataset->count; i++) {
                const unsigned row = (severity - 1) * 70 + i;
                assert_int_equal(dataset->labels[i], row % 10);
                for (unsigned p = 0; p < 3072; p++)
                    if (dataset->pixels[i * 3072 + p % 3 * 1024 + p / 3] != byte_at(row, p)) fail_msg("%u %u", row, p);
            }
            dataset_free(dataset);
        }
    }
    dataset_refused(text_of("cifar10c:%s:fog:1", folder), STATUS_BAD_INPUT, "fog.npy: No such file");
}

/* CIFAR-100-C: labels up to 99, in the folder of its archive; the one of CIFAR-10-C beside it is another's. */
static void test_cifar100c(void **state) {
    (void)state;
    char above[4096], folder[4096];
    snprintf(above, sizeof above, "%s", folder_given("c100"));
    snprintf(folder, sizeof folder, "%s", folder_given("c100/CIFAR-100-C"));
    write_corrupted(folder, 70, "<i8", 8);
    write_corrupted(folder_given("c100/CIFAR-10-C"), 2, "<i8", 8);
    Bytes labels = {0};
    bytes_npy(&labels, 1, "{'descr': '|u1', 'fortran_order': False, 'shape': (350,), }");
    for (unsigned i = 0; i < 350; i++) bytes_fill(&labels, (uint8_t)(i % 100), 1);
    assert_true(write_bytes(text_of("%s/labels.npy", folder), labels.data, labels.length));
    for (unsigned severity = 1; severity <= 5; severity++) {
        Dataset *dataset = dataset_given(text_of("cifar100c:%s:snow:%u", above, severity), 0);
        assert_string_equal(dataset->title, text_of("CIFAR-100-C snow at severity %u, 70 images", severity));
        assert_int_equal(dataset->classes, 100);
        assert_string_equal(dataset->class_names[1], "aquarium_fish");
        for (unsigned i = 0; i < 70; i++) {
            const unsigned row = (severity - 1) * 70 + i;
            assert_int_equal(dataset->labels[i], row % 100);
            assert_int_equal(dataset->pixels[i * 3072 + 1024], byte_at(row, 1));
        }
        dataset_free(dataset);
    }
    labels.data[labels.length - 1] = 100;
    assert_true(write_bytes(text_of("%s/labels.npy", folder), labels.data, labels.length));
    bytes_done(&labels);
    dataset_refused(text_of("cifar100c:%s:snow:5", above), STATUS_BAD_INPUT, "row 349 is not between 0 and 99");
    dataset_refused(text_of("cifar10c:%s:snow:5", folder), STATUS_BAD_INPUT, "is not between 0 and 9");
    dataset_refused("cifar100c:fog:3", STATUS_USAGE, "cifar100c:DIR:KIND:SEVERITY");
}

/* Sums taken with Python's zlib.crc32: of records that NumPy wrote (tests/fixtures/cifar/make.py), as a test batch and
 * as two batches of training, and of CIFAR-10's own. */
static void test_cifar_sums(void **state) {
    (void)state;
    const char *folder = folder_given("written");
    static uint8_t two[2 * 3073];
    FILE *written = fopen("tests/fixtures/cifar/cifar10.bin", "rb");
    assert_non_null(written);
    assert_int_equal(fread(two, 1, sizeof two, written), sizeof two);
    fclose(written);
    static const char *const names[] = {"test_batch", "data_batch_1", "data_batch_2"};
    for (int i = 0; i < 3; i++) assert_true(write_bytes(text_of("%s/%s.bin", folder, names[i]), two, sizeof two));
    Dataset *dataset = dataset_given(text_of("cifar10:%s:test", folder), 0);
    assert_string_equal(dataset->title, "CIFAR-10 test, 2 images");
    assert_int_equal(crc32(0, dataset->pixels, 2 * 3072), 0xe5539d2b);
    dataset_free(dataset);
    dataset = dataset_given(text_of("cifar10:%s:train:partial", folder), 0);
    assert_int_equal(dataset->count, 4);
    for (int i = 0; i < 2; i++) assert_int_equal(crc32(0, dataset->pixels + i * 2 * 3072, 2 * 3072), 0xe5539d2b);
    dataset_free(dataset);
    if (access(SUBSET, R_OK) != 0) return;
    print_message("# also " SUBSET "\n");
    dataset = dataset_given("cifar10:" SUBSET ":test", 0);
    assert_string_equal(dataset->title, "CIFAR-10 test, 846 images");
    assert_int_equal(crc32(0, dataset->pixels, 846 * 3072), 0x5dcee30c);
    dataset_free(dataset);
    dataset = dataset_given("cifar10:" SUBSET ":train", 0);
    assert_int_equal(dataset->count, 4660);
    assert_int_equal(crc32(0, dataset->pixels, 4660 * 3072), 0xd861d259);
    dataset_free(dataset);
}

static void test_real_fashion(void **state) {
    (void)state;
    if (access(FASHION, R_OK) != 0) skip();
    unsetenv("WEFT_DATA");
    Dataset *dataset = dataset_given("fashion-mnist:test", 0);
    assert_string_equal(dataset->title, "Fashion-MNIST test, 10000 images");
    assert_int_equal(crc32(0, dataset->pixels, 7840000), 0x12728439);
    assert_string_equal(dataset->class_names[dataset->labels[0]], "Ankle boot");
    dataset_free(dataset);
    dataset = dataset_given("fashion-mnist:train:" FASHION, 2000);
    assert_int_equal(crc32(0, dataset->pixels, 2000 * 784), 0x25d09ccc);
    dataset_free(dataset);
}

static void test_fashion_folders(void **state) {
    (void)state;
    const char *root = folder_given("root"), *folder = folder_given("root/fashion-mnist");
    dataset_refused(text_of("fashion-mnist:test:%s", folder), STATUS_BAD_INPUT,
                    "t10k-labels-idx1-ubyte (plain or .gz) in ");
    write_images(text_of("%s/t10k-images-idx3-ubyte", folder), 2, false);
    dataset_refused(text_of("fashion-mnist:test:%s", folder), STATUS_BAD_INPUT, "t10k-labels-idx1-ubyte");
    write_labels(text_of("%s/t10k-labels-idx1-ubyte", folder), (uint8_t[]){1, 2}, 2);
    assert_int_equal(setenv("WEFT_DATA", root, 1), 0);
    Dataset *dataset = dataset_given("fashion-mnist:test", 0); /* before the Debian package's */
    assert_int_equal(dataset->count, 2);
    dataset_free(dataset);
    if (access(FASHION, R_OK) != 0)
        dataset_refused("fashion-mnist:train", STATUS_BAD_INPUT, "install dataset-fashion-mnist");
    write_labels(text_of("%s/t10k-labels-idx1-ubyte", folder), (uint8_t[]){1, 10}, 2);
    dataset_refused("fashion-mnist:test", STATUS_BAD_INPUT, "label 10; Fashion-MNIST's labels are 0 to 9");
    unsetenv("WEFT_DATA");
}

static void test_samples(void **state) {
    (void)state;
    Str path = {0};
    assert_false(sample_path("no-such-file", &path));
    assert_string_equal(str_text(&path), "");
    dataset_refused("sample:nothing", STATUS_BAD_INPUT, "no sample 'nothing'; there are fashion-test");
    assert_true(sample_path("README.md", &path)); /* in the source tree, above this test */
    assert_int_equal(access(str_text(&path), R_OK), 0);
    str_done(&path);
    const char *folder = folder_given("samples");
    assert_true(write_bytes(text_of("%s/README.md", folder), "x", 1));
    assert_int_equal(setenv("WEFT_SAMPLES", folder, 1), 0);
    assert_true(sample_path("README.md", &path));
    assert_string_equal(str_text(&path), text_of("%s/README.md", folder));
    str_done(&path);
    Dataset *dataset = dataset_given("sample:fashion-test", 0); /* what the named folder lacks is found elsewhere */
    unsetenv("WEFT_SAMPLES");
    assert_string_equal(dataset->title, "sample fashion-test, 2000 images");
    assert_int_equal(dataset->height, 28);
    assert_int_equal(crc32(0, dataset->pixels, 2000 * 784), 0x49333794);
    uint8_t labels[2000];
    for (int i = 0; i < 2000; i++) labels[i] = (uint8_t)dataset->labels[i];
    assert_int_equal(crc32(0, labels, 2000), 0x15ce07fe);
    assert_string_equal(dataset->class_names[9], "Ankle boot");
    dataset_free(dataset);
}

static void test_noise(void **state) {
    (void)state;
    Dataset *dataset = dataset_given("noise:7", 0);
    assert_string_equal(dataset->title, "noise, 7 images");
    assert_true(dataset->noise);
    assert_null(dataset->pixels);
    assert_null(dataset->labels);
    assert_null(dataset->class_names);
    assert_int_equal(dataset->classes, 0);
    assert_int_equal(dataset->channels, 3);
    assert_int_equal(dataset->height, 32);
    assert_int_equal(dataset->width, 32);
    static float image[3 * 32 * 32], again[3 * 32 * 32];
    dataset_image(dataset, 6, image);
    dataset_free(dataset);

    dataset = dataset_given("noise:1000000000:4x32x24", 9);
    assert_int_equal(dataset->count, 9);
    assert_int_equal(dataset->channels, 4);
    assert_int_equal(dataset->height, 32);
    assert_int_equal(dataset->width, 24);
    dataset_image(dataset, 6, again); /* of the image's number alone */
    assert_memory_equal(image, again, sizeof image);
    dataset_image(dataset, 5, again);
    int same = 0;
    for (int i = 0; i < 3 * 32 * 32; i++) same += image[i] == again[i];
    assert_true(same < 4);
    dataset_free(dataset);
    dataset = dataset_given("noise:4:1024x128x128", 9);
    assert_int_equal(dataset->count, 4);
    dataset_free(dataset);

    static const char *const malformed[] = {"7x",        "x",       "-1",         "7:",        "7:3",         "7:3x",
                                            "7:3x32",    "7:3x32x", "7:3x32x32x", "7:3,32,32", "7:3x32x32:1", "7.5",
                                            "7:3x32x-1", " 7",      "7 ",         "7:x32x32",  "train"};
    for (size_t i = 0; i < sizeof malformed / sizeof *malformed; i++)
        dataset_refused(text_of("noise:%s", malformed[i]), STATUS_USAGE,
                        text_of("noise:%s does not have the form noise:N[:CxHxW]", malformed[i]));
    dataset_refused("noise:0", STATUS_USAGE, "noise:0: the number of images must be 1 to 1000000000");
    dataset_refused("noise:1000000001", STATUS_USAGE, "the number of images must be 1 to");
    dataset_refused("noise:18446744073709551617", STATUS_USAGE, "the number of images must be 1 to"); /* 2^64 + 1 */
    dataset_refused("noise:7:0x2x2", STATUS_USAGE, "the number of channels must be 1 to 1024");
    dataset_refused("noise:7:1025x2x2", STATUS_USAGE, "the number of channels must be 1 to 1024");
    dataset_refused("noise:7:1x4097x2", STATUS_USAGE, "the height must be 1 to 4096");
    dataset_refused("noise:7:1x2x0", STATUS_USAGE, "the width must be 1 to 4096");
    dataset_refused("noise:7:1024x129x128", STATUS_USAGE, "16908288 values per image; at most 16777216 are possible");
}

static void test_faults(void **state) {
    (void)state;
    const char *images = scratch_path("f-images"), *labels = scratch_path("f-labels"), *folder = folder_given("f");
    write_images(images, 2, false);
    write_labels(labels, (uint8_t[]){1, 2}, 2);
    write_batch(text_of("%s/data_batch_1.bin", folder), 3, false, 0);
    write_batch(text_of("%s/data_batch_3.bin", folder), 3, false, 0);
    write_batch(text_of("%s/train.bin", folder), 3, true, 0);
    write_corrupted(folder, 2, "<i8", 8);
    write_images(text_of("%s/train-images-idx3-ubyte", folder), 2, false);
    write_labels(text_of("%s/train-labels-idx1-ubyte", folder), (uint8_t[]){1, 2}, 2);
    const char *specs[] = {text_of("idx:%s,%s", images, labels),
                           text_of("cifar10:%s:train:partial", folder),
                           text_of("cifar100:%s:train", folder),
                           text_of("fashion-mnist:train:%s", folder),
                           "sample:fashion-test",
                           text_of("cifar10c:%s:snow:2", folder),
                           "noise:5"};
    for (size_t i = 0; i < sizeof specs / sizeof *specs; i++) {
        Dataset *dataset = NULL;
        for (uint64_t k = 1; !dataset && k < 1000; k++) {
            Error err = {0};
            fault_arm(FAULT_ALLOC | FAULT_OPEN | FAULT_READ, k, k % 2);
            dataset = dataset_load(specs[i], 0, &err);
            fault_disarm();
            assert_true(dataset || (err.status != STATUS_OK && err.text[0]));
        }
        assert_non_null(dataset);
        dataset_free(dataset);
    }
    fault_arm(FAULT_ALLOC, 1, true);
    Error err = {0};
    assert_null(dataset_load("bogus:", 0, &err));
    fault_disarm();
    assert_int_equal(err.status, STATUS_LIMIT);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kinds),           cmocka_unit_test(test_idx),
        cmocka_unit_test(test_wide_labels),     cmocka_unit_test(test_cifar_folders),
        cmocka_unit_test(test_cifar_batches),   cmocka_unit_test(test_home),
        cmocka_unit_test(test_cifar10c),        cmocka_unit_test(test_cifar100c),
        cmocka_unit_test(test_cifar_sums),      cmocka_unit_test(test_real_fashion),
        cmocka_unit_test(test_fashion_folders), cmocka_unit_test(test_samples),
        cmocka_unit_test(test_noise),           cmocka_unit_test(test_faults),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
