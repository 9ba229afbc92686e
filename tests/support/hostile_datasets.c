/* hostile_datasets -- hostile dataset files (docs/reliability.md, section 7, rows 107 to 117). Each case is a folder.
 */
#include "bytes.h"
#include "cifar_pickle.h"
#include "hostile.h"

#include <math.h>
#include <string.h>
#include <sys/stat.h>

#define IDX "idx:%s/images,%s/labels"
#define CIFAR10 "cifar10:%s:test"
#define CIFAR100 "cifar100:%s:test"
#define STL10 "stl10:%s:test"
#define NPY "npy:%s/images.npy,%s/labels.npy"
#define CIFAR10C "cifar10c:%s:fog:3"
#define CIFAR100C "cifar100c:%s:fog:3"
#define NPZ "npz:%s/arrays.npz"
#define CLASSES "images:%s:classes=%s/list"

enum { IMAGES = 3, HEIGHT = 4, WIDTH = 5, PIXELS = IMAGES * HEIGHT * WIDTH };

/* Writes FOLDER/NAME and frees the bytes. */
static bool put(const char *folder, const char *name, Bytes *bytes) {
    mkdir(folder, 0777); /* a second file finds it made */
    bool ok = write_bytes(text_of("%s/%s", folder, name), bytes->data, bytes->length);
    bytes_done(bytes);
    return ok;
}

static void add_images(Bytes *bytes) {
    bytes_idx(bytes, 0x08, 3, (uint32_t[]){IMAGES, HEIGHT, WIDTH}, 3);
    for (unsigned i = 0; i < PIXELS; i++) bytes_fill(bytes, (uint8_t)(4 * i), 1);
}

/* FOLDER/labels of `count` labels, and FOLDER/images with the given bytes. */
static bool put_pair(const char *folder, Bytes *images, uint32_t count) {
    Bytes labels = {0};
    bytes_idx(&labels, 0x08, 1, &count, 1);
    for (uint32_t i = 0; i < count; i++) bytes_fill(&labels, (uint8_t)i, 1);
    return put(folder, "labels", &labels) && put(folder, "images", images);
}

/* ---- IDX --------------------------------------------------------------------------------------------------------- */

static bool with_header(const char *folder, uint8_t type, uint8_t rank) {
    Bytes bytes = {0};
    add_images(&bytes);
    bytes.data[2] = type;
    bytes.data[3] = rank;
    return put_pair(folder, &bytes, IMAGES);
}

static bool rank_0(const char *folder) {
    return with_header(folder, 0x08, 0);
}

static bool rank_255(const char *folder) {
    return with_header(folder, 0x08, 255);
}

static bool type_0a(const char *folder) {
    return with_header(folder, 0x0A, 3);
}

static bool huge_dimensions(const char *folder) {
    Bytes bytes = {0};
    bytes_idx(&bytes, 0x08, 3, (uint32_t[]){UINT32_MAX, UINT32_MAX, UINT32_MAX}, 3);
    return put_pair(folder, &bytes, IMAGES);
}

static bool dimensions_wrap(const char *folder) {
    Bytes bytes = {0};
    bytes_idx(&bytes, 0x08, 3, (uint32_t[]){UINT32_MAX, UINT32_MAX, 1}, 3);
    return put_pair(folder, &bytes, IMAGES);
}

static bool zero_dimension(const char *folder) {
    Bytes bytes = {0};
    bytes_idx(&bytes, 0x08, 3, (uint32_t[]){IMAGES, 0, UINT32_MAX}, 3);
    return put_pair(folder, &bytes, IMAGES);
}

static bool fewer_labels(const char *folder) {
    Bytes bytes = {0};
    add_images(&bytes);
    return put_pair(folder, &bytes, IMAGES - 1);
}

/* ---- gzip -------------------------------------------------------------------------------------------------------- */

static void add_packed(Bytes *bytes) {
    Bytes plain = {0};
    add_images(&plain);
    bytes_gzip(bytes, plain.data, plain.length, true);
    bytes_done(&plain);
}

static bool gzip_truncated(const char *folder) {
    Bytes bytes = {0};
    add_packed(&bytes);
    bytes.length -= 9;
    return put_pair(folder, &bytes, IMAGES);
}

/* One bit of the byte `back` before the end. */
static bool gzip_flipped(const char *folder, size_t back) {
    Bytes bytes = {0};
    add_packed(&bytes);
    bytes.data[bytes.length - back] ^= 1;
    return put_pair(folder, &bytes, IMAGES);
}

static bool gzip_bad_crc(const char *folder) {
    return gzip_flipped(folder, 8);
}

static bool gzip_bad_length(const char *folder) {
    return gzip_flipped(folder, 4);
}

static bool gzip_trailing(const char *folder) {
    Bytes bytes = {0};
    add_packed(&bytes);
    bytes_add(&bytes, "junk", 4);
    return put_pair(folder, &bytes, IMAGES);
}

/* A small honest header before 64 MiB of zeros. */
static bool gzip_bomb(const char *folder) {
    Bytes plain = {0}, bytes = {0};
    add_images(&plain);
    bytes_fill(&plain, 0, 64 << 20);
    bytes_gzip(&bytes, plain.data, plain.length, false);
    bytes_done(&plain);
    return put_pair(folder, &bytes, IMAGES);
}

/* A header that tells of a terabyte. */
static bool gzip_promise(const char *folder) {
    Bytes plain = {0}, bytes = {0};
    bytes_idx(&plain, 0x08, 3, (uint32_t[]){1 << 20, 1 << 10, 1 << 10}, 3);
    bytes_fill(&plain, 0, 1 << 20);
    bytes_gzip(&bytes, plain.data, plain.length, false);
    bytes_done(&plain);
    return put_pair(folder, &bytes, IMAGES);
}

static bool gzip_two_members(const char *folder) {
    Bytes plain = {0}, bytes = {0};
    add_images(&plain);
    bytes_gzip(&bytes, plain.data, 30, true);
    bytes_gzip(&bytes, plain.data + 30, plain.length - 30, false);
    bytes_fill(&bytes, 0, 100);
    bytes_done(&plain);
    return put_pair(folder, &bytes, IMAGES);
}

/* ---- CIFAR ------------------------------------------------------------------------------------------------------- */

static bool cifar_odd_size(const char *folder) {
    Bytes bytes = {0};
    bytes_cifar(&bytes, 1, -1, 0);
    bytes_fill(&bytes, 0, 1);
    return put(folder, "test_batch.bin", &bytes);
}

static bool cifar_empty(const char *folder) {
    Bytes bytes = {0};
    bytes_fill(&bytes, 0, 0);
    return put(folder, "test_batch.bin", &bytes);
}

static bool cifar_label_10(const char *folder) {
    Bytes bytes = {0};
    bytes_cifar(&bytes, 9, -1, 0);
    bytes_cifar(&bytes, 10, -1, 0);
    return put(folder, "test_batch.bin", &bytes);
}

static bool cifar_labels(const char *folder, int coarse, int fine) {
    Bytes bytes = {0};
    bytes_cifar(&bytes, coarse, fine, 0);
    return put(folder, "test.bin", &bytes);
}

static bool cifar_coarse_20(const char *folder) {
    return cifar_labels(folder, 20, 99);
}

static bool cifar_fine_100(const char *folder) {
    return cifar_labels(folder, 19, 100);
}

/* ---- CIFAR, Python version --------------------------------------------------------------------------------------- */

static bool put_pickle(const char *folder, CifarPickle about) {
    Bytes bytes = {0};
    if (about.rows == 0) about.rows = IMAGES;
    bytes_cifar_pickle(&bytes, &about);
    return put(folder, "test_batch", &bytes);
}

static bool pickle_fewer_labels(const char *folder) {
    return put_pickle(folder, (CifarPickle){.labels = IMAGES - 1});
}

static bool pickle_shape(const char *folder) {
    return put_pickle(folder, (CifarPickle){.shape = "( 4 3072 t", .labels = 4});
}

static bool pickle_doubles(const char *folder) {
    return put_pickle(folder, (CifarPickle){.dtype = "f8"});
}

static bool pickle_label_10(const char *folder) {
    return put_pickle(folder, (CifarPickle){.label_0 = 10});
}

static bool pickle_runs(const char *folder) {
    return put_pickle(folder, (CifarPickle){.labels_as = "@os.system ( 'touch${IFS}weft-canary t R"});
}

/* As a public repository holds them. */
static bool pickle_truncated(const char *folder) {
    Bytes bytes = {0};
    bytes_cifar_pickle(&bytes, &(CifarPickle){.rows = 10000});
    bytes.length = 2359296;
    return put(folder, "test_batch", &bytes);
}

/* ---- STL-10 ------------------------------------------------------------------------------------------------------ */

static bool put_stl(const char *folder, size_t bytes_more, const char *labels, size_t count) {
    Bytes images = {0}, numbers = {0};
    bytes_fill(&images, 0, 2 * 27648 + bytes_more);
    bytes_add(&numbers, labels, count);
    return put(folder, "test_X.bin", &images) && put(folder, "test_y.bin", &numbers);
}

static bool stl_label_0(const char *folder) {
    return put_stl(folder, 0, "\1\0", 2);
}

static bool stl_label_11(const char *folder) {
    return put_stl(folder, 0, "\13\1", 2);
}

static bool stl_odd_size(const char *folder) {
    return put_stl(folder, 1, "\1\1", 2);
}

static bool stl_fewer_labels(const char *folder) {
    return put_stl(folder, 0, "\1", 1);
}

/* ---- NumPy (CIFAR-10-C) ------------------------------------------------------------------------------------------ */

static bool put_npy(const char *folder, const char *shape, unsigned labels) {
    Bytes images = {0}, numbers = {0};
    bytes_npy(&images, 1, text_of("{'descr': '|u1', 'fortran_order': False, 'shape': (%s), }", shape));
    bytes_fill(&images, 7, 2 * 4 * 4 * 3);
    bytes_npy(&numbers, 1, text_of("{'descr': '|u1', 'fortran_order': False, 'shape': (%u,), }", labels));
    bytes_fill(&numbers, 1, labels);
    return put(folder, "images.npy", &images) && put(folder, "labels.npy", &numbers);
}

static bool npy_rank(const char *folder) {
    return put_npy(folder, "2, 48", 2);
}

static bool npy_fewer_labels(const char *folder) {
    return put_npy(folder, "2, 4, 4, 3", 1);
}

static bool npy_ambiguous(const char *folder) {
    return put_npy(folder, "2, 3, 16, 1", 2);
}

/* ---- CIFAR-10-C -------------------------------------------------------------------------------------------------- */

/* FOLDER/fog.npy and FOLDER/labels.npy with headers as given and so many bytes of zeros behind them. */
static bool put_arrays(const char *folder, const char *images, size_t image_bytes, const char *labels,
                       size_t label_bytes) {
    Bytes bytes = {0};
    bytes_npy(&bytes, 1, images);
    bytes_fill(&bytes, 0, image_bytes);
    if (!put(folder, "fog.npy", &bytes)) return false;
    bytes = (Bytes){0};
    bytes_npy(&bytes, 1, labels);
    bytes_fill(&bytes, 0, label_bytes);
    return put(folder, "labels.npy", &bytes);
}

#define ARRAY(type, shape) "{'descr': '" type "', 'fortran_order': False, 'shape': (" shape "), }"
#define IMAGES_10 ARRAY("|u1", "10, 32, 32, 3"), 10 * 3072
#define LABELS_10 ARRAY("<i8", "10,"), 80

static bool c_good(const char *folder) {
    return put_arrays(folder, IMAGES_10, LABELS_10);
}

static bool c_rank_3(const char *folder) {
    return put_arrays(folder, ARRAY("|u1", "10, 32, 96"), 10 * 3072, LABELS_10);
}

static bool c_planes_first(const char *folder) {
    return put_arrays(folder, ARRAY("|u1", "10, 3, 32, 32"), 10 * 3072, LABELS_10);
}

static bool c_floats(const char *folder) {
    return put_arrays(folder, ARRAY("<f4", "10, 32, 32, 3"), 40 * 3072, LABELS_10);
}

static bool c_seven(const char *folder) {
    return put_arrays(folder, ARRAY("|u1", "7, 32, 32, 3"), 7 * 3072, ARRAY("|u1", "7,"), 7);
}

static bool c_none(const char *folder) {
    return put_arrays(folder, ARRAY("|u1", "0, 32, 32, 3"), 0, ARRAY("|u1", "0,"), 0);
}

static bool c_fewer_labels(const char *folder) {
    return put_arrays(folder, IMAGES_10, ARRAY("<i8", "9,"), 72);
}

static bool c_labels_of_one(const char *folder) {
    return put_arrays(folder, IMAGES_10, ARRAY("<i8", "2,"), 16);
}

static bool c_label_rank_2(const char *folder) {
    return put_arrays(folder, IMAGES_10, ARRAY("<i8", "10, 1"), 80);
}

static bool c_label_floats(const char *folder) {
    return put_arrays(folder, IMAGES_10, ARRAY("<f8", "10,"), 80);
}

static bool c_short(const char *folder) {
    return put_arrays(folder, ARRAY("|u1", "50000, 32, 32, 3"), 3072, LABELS_10);
}

static bool c_columns(const char *folder) {
    return put_arrays(folder, "{'descr': '|u1', 'fortran_order': True, 'shape': (10, 32, 32, 3), }", 10 * 3072,
                      LABELS_10);
}

/* The same label in every byte. */
static bool put_label(const char *folder, uint8_t byte) {
    Bytes bytes = {0};
    if (!c_good(folder)) return false;
    bytes_npy(&bytes, 1, ARRAY("<i4", "10,"));
    bytes_fill(&bytes, byte, 40);
    return put(folder, "labels.npy", &bytes);
}

static bool c_label_minus_1(const char *folder) {
    return put_label(folder, 255);
}

static bool c_no_array(const char *folder) {
    Bytes bytes = {0};
    bytes_fill(&bytes, 'x', 4096);
    return put(folder, "fog.npy", &bytes);
}

static bool c_no_labels(const char *folder) {
    Bytes bytes = {0};
    bytes_npy(&bytes, 1, ARRAY("|u1", "10, 32, 32, 3"));
    bytes_fill(&bytes, 0, 10 * 3072);
    return put(folder, "fog.npy", &bytes);
}

/* ---- numbers that are no pixels ---------------------------------------------------------------------------------- */

/* Two images of 1 x 2 floats. */
static bool put_floats(const char *folder, const float values[4]) {
    Bytes images = {0}, numbers = {0};
    bytes_npy(&images, 1, ARRAY("<f4", "2, 1, 2"));
    bytes_add(&images, values, 4 * sizeof *values);
    bytes_npy(&numbers, 1, ARRAY("|u1", "2,"));
    bytes_fill(&numbers, 1, 2);
    return put(folder, "images.npy", &images) && put(folder, "labels.npy", &numbers);
}

static bool floats_good(const char *folder) {
    return put_floats(folder, (float[]){0, 1, 0.5f, 0.25f});
}

static bool floats_nan(const char *folder) {
    return put_floats(folder, (float[]){0, 1, NAN, 0.25f});
}

static bool floats_huge(const char *folder) {
    return put_floats(folder, (float[]){0, 1, 3e38f, 0.25f});
}

static bool floats_normalised(const char *folder) {
    return put_floats(folder, (float[]){-2, 1, 0, 0.25f});
}

/* ---- npz --------------------------------------------------------------------------------------------------------- */

/* An array of `bytes` zeros with this header, as member NAME of arrays.npz; `more`: an array of labels too. */
static bool put_npz(const char *folder, const char *name, const char *header, size_t bytes, const char *labels,
                    size_t label_bytes) {
    Bytes images = {0}, numbers = {0}, zip = {0};
    bytes_npy(&images, 1, header);
    bytes_fill(&images, 0, bytes);
    if (labels) bytes_npy(&numbers, 1, labels);
    bytes_fill(&numbers, 0, label_bytes);
    const ZipPart parts[] = {{.name = name, .data = images.data, .length = images.length},
                             {.name = "labels.npy", .data = numbers.data, .length = numbers.length}};
    bytes_zip(&zip, parts, labels ? 2 : 1);
    bytes_done(&images);
    bytes_done(&numbers);
    return put(folder, "arrays.npz", &zip);
}

static bool npz_good(const char *folder) {
    return put_npz(folder, "images.npy", ARRAY("|u1", "2, 4, 4, 3"), 96, ARRAY("<i8", "2, 1"), 16);
}

static bool npz_fewer_labels(const char *folder) {
    return put_npz(folder, "images.npy", ARRAY("|u1", "2, 4, 4, 3"), 96, ARRAY("<i8", "3,"), 24);
}

static bool npz_rank_0(const char *folder) {
    return put_npz(folder, "images.npy", ARRAY("|u1", "2, 4, 4, 3"), 96, ARRAY("<i8", ""), 8);
}

static bool npz_rank_9(const char *folder) {
    return put_npz(folder, "images.npy", ARRAY("|u1", "1, 1, 1, 1, 1, 1, 1, 1, 1"), 1, ARRAY("<i8", "1,"), 8);
}

static bool npz_none(const char *folder) {
    return put_npz(folder, "images.npy", ARRAY("|u1", "0, 4, 4"), 0, ARRAY("<i8", "0,"), 0);
}

static bool npz_short(const char *folder) {
    return put_npz(folder, "images.npy", ARRAY("|u1", "50000, 32, 32, 3"), 96, ARRAY("<i8", "2,"), 16);
}

static bool npz_nothing(const char *folder) {
    return put_npz(folder, "epoch.npy", ARRAY("<i8", "1,"), 8, NULL, 0);
}

/* ---- classes of folders ------------------------------------------------------------------------------------------ */

static bool put_list(const char *folder, const char *text, size_t length) {
    Bytes list = {0}, image = {0};
    bytes_add(&list, text, length);
    bytes_fill(&image, 'x', 9);
    mkdir(folder, 0777);
    mkdir(text_of("%s/a", folder), 0777);
    return put(folder, "list", &list) && put(text_of("%s/a", folder), "1.png", &image);
}

static bool list_deep(const char *folder) {
    char text[5000];
    memset(text, '[', sizeof text);
    return put_list(folder, text, sizeof text);
}

static bool list_label(const char *folder) {
    return put_list(folder, "{\"a\": 4294967296}", 17);
}

static bool list_text_label(const char *folder) {
    return put_list(folder, "{\"a\": \"b\"}", 10);
}

static bool list_zero(const char *folder) {
    return put_list(folder, "a\0b", 3);
}

static bool list_other(const char *folder) {
    return put_list(folder, "b\nc\n", 4);
}

const HostileCase hostile_datasets[] = {
    {107, "107-idx-rank-0", IDX, rank_0, 3, "rank 0"},
    {107, "107-idx-rank-255", IDX, rank_255, 3, "rank 255"},
    {107, "107-idx-type-0a", IDX, type_0a, 3, "type 0x0A"},
    {108, "108-idx-huge-dimensions", IDX, huge_dimensions, 3, "overflows"},
    {108, "108-idx-dimensions-beyond-file", IDX, dimensions_wrap, 3, "bytes, 0 remain"},
    {108, "108-idx-zero-dimension", IDX, zero_dimension, 3, "no images"},
    {109, "109-idx-fewer-labels", IDX, fewer_labels, 3, "3 images, but 2 labels"},
    {110, "110-gzip-truncated", IDX, gzip_truncated, 3, "truncated"},
    {110, "110-gzip-bad-crc", IDX, gzip_bad_crc, 3, "CRC-32"},
    {110, "110-gzip-bad-length", IDX, gzip_bad_length, 3, "its length"},
    {110, "110-gzip-trailing-bytes", IDX, gzip_trailing, 3, "bytes that are not a gzip member follow at byte"},
    {110, "110-gzip-bomb", IDX, gzip_bomb, 3, "more than the 76 bytes"},
    {110, "110-gzip-promise", IDX, gzip_promise, 3, "packed bytes can hold"},
    {111, "111-gzip-two-members", IDX, gzip_two_members, 0, NULL},
    {112, "112-cifar-odd-size", CIFAR10, cifar_odd_size, 3, "not a multiple"},
    {112, "112-cifar-empty", CIFAR10, cifar_empty, 3, "empty"},
    {113, "113-cifar10-label-10", CIFAR10, cifar_label_10, 3, "label 10"},
    {113, "113-cifar100-coarse-20", CIFAR100, cifar_coarse_20, 3, "coarse label 20"},
    {113, "113-cifar100-fine-100", CIFAR100, cifar_fine_100, 3, "fine label 100"},
    {113, "113-cifar-pickle-label-10", CIFAR10, pickle_label_10, 3, "label 10"},
    {114, "114-cifar-pickle-fewer-labels", CIFAR10, pickle_fewer_labels, 3, "3 images, but 2 labels"},
    {114, "114-cifar-pickle-shape", CIFAR10, pickle_shape, 3, "needs 12288 bytes, it has 9216"},
    {114, "114-cifar-pickle-doubles", CIFAR10, pickle_doubles, 3, "data has dtype f8"},
    {114, "114-cifar-pickle-runs", CIFAR10, pickle_runs, 3,
     "is not a tensor type; the file may be malicious; nothing was executed"},
    {115, "115-cifar-pickle-truncated", CIFAR10, pickle_truncated, 3, "data needs 30720000 bytes, 2339078 remain"},
    {116, "116-stl10-label-0", STL10, stl_label_0, 3, "label 0 of image 1"},
    {116, "116-stl10-label-11", STL10, stl_label_11, 3, "label 11 of image 0"},
    {116, "116-stl10-odd-size", STL10, stl_odd_size, 3, "bytes are not a multiple of STL-10's image size"},
    {116, "116-stl10-fewer-labels", STL10, stl_fewer_labels, 3, "2 images, but 1 labels"},
    {117, "117-npy-rank", NPY, npy_rank, 3, "shape (2,48) of U8"},
    {117, "117-npy-fewer-labels", NPY, npy_fewer_labels, 3, "2 images, but 1 labels"},
    {117, "117-npy-ambiguous", NPY, npy_ambiguous, 3, "ambiguous: only one of axes 1 and 3 may have 1 or 3 channels"},
    {117, "117-cifar10c-good", CIFAR10C, c_good, 0, NULL},
    {117, "117-cifar10c-rank-3", CIFAR10C, c_rank_3, 3, "images must have rank 4 and type U8, not rank 3 and type"},
    {117, "117-cifar10c-planes-first", CIFAR10C, c_planes_first, 3, "images must be 32x32x3, not 3x32x32"},
    {117, "117-cifar10c-floats", CIFAR10C, c_floats, 3, "images must have rank 4 and type U8, not rank 4 and type F32"},
    {117, "117-cifar10c-seven", CIFAR10C, c_seven, 3, "7 images cannot be divided equally among 5 severities"},
    {117, "117-cifar10c-none", CIFAR10C, c_none, 3, "0 images"},
    {117, "117-cifar10c-fewer-labels", CIFAR10C, c_fewer_labels, 3, "9 labels for 10 images"},
    {117, "117-cifar10c-labels-of-one", CIFAR10C, c_labels_of_one, 3, "2 labels for 10 images"},
    {117, "117-cifar10c-label-rank-2", CIFAR10C, c_label_rank_2, 3,
     "labels must be integers of rank 1, not rank 2 and type"},
    {117, "117-cifar10c-label-floats", CIFAR10C, c_label_floats, 3, "labels must be integers of rank 1"},
    {117, "117-cifar10c-label-minus-1", CIFAR10C, c_label_minus_1, 3, "row 4 is not between 0 and 9"},
    {117, "117-cifar10c-short", CIFAR10C, c_short, 3, "needs 153600000 bytes, 3072 follow"},
    {117, "117-cifar10c-columns", CIFAR10C, c_columns, 3, "column order"},
    {117, "117-cifar10c-no-array", CIFAR10C, c_no_array, 3, "is not a NumPy array (.npy)"},
    {117, "117-cifar10c-no-labels", CIFAR10C, c_no_labels, 3, "labels.npy: No such file"},
    {117, "117-cifar100c-good", CIFAR100C, c_good, 0, NULL},
    {117, "117-cifar100c-floats", CIFAR100C, c_floats, 3,
     "images must have rank 4 and type U8, not rank 4 and type F32"},
    {117, "117-cifar100c-seven", CIFAR100C, c_seven, 3, "7 images cannot be divided equally among 5 severities"},
    {117, "117-cifar100c-label-minus-1", CIFAR100C, c_label_minus_1, 3, "row 4 is not between 0 and 99"},
    {117, "117-npy-floats-good", NPY, floats_good, 0, NULL},
    {117, "117-npy-floats-nan", NPY, floats_nan, 3,
     "a value is not a finite number; images are bytes, or floats in [0, 1]"},
    {117, "117-npy-floats-huge", NPY, floats_huge, 3, "from 0 to 3e+38"},
    {117, "117-npy-floats-normalised", NPY, floats_normalised, 3, "not normalised values"},
    {117, "117-npz-good", NPZ, npz_good, 0, NULL},
    {117, "117-npz-fewer-labels", NPZ, npz_fewer_labels, 3, "2 images, but 3 labels"},
    {117, "117-npz-rank-0", NPZ, npz_rank_0, 3, "'labels' has rank 0, not 1 to 8"},
    {117, "117-npz-rank-9", NPZ, npz_rank_9, 3, "'images' has rank 9, not 1 to 8"},
    {117, "117-npz-none", NPZ, npz_none, 3, "no images"},
    {117, "117-npz-short", NPZ, npz_short, 3, "153600000 bytes"},
    {117, "117-npz-nothing", NPZ, npz_nothing, 3, "cannot tell images and labels among epoch"},
    {117, "117-classes-deep", CLASSES, list_deep, 3, "JSON, line 1"},
    {117, "117-classes-label", CLASSES, list_label, 3, "class 4294967296 of 'a' must be below 65536"},
    {117, "117-classes-text-label", CLASSES, list_text_label, 3, "'a': neither FOLDER: NUMBER"},
    {117, "117-classes-zero", CLASSES, list_zero, 3, "a NUL byte"},
    {117, "117-classes-other", CLASSES, list_other, 3, "list has no class with this name"},
    {0},
};
