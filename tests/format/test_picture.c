/* test_picture -- PNG and JPEG files: the pixels that Pillow and NumPy say they have (tests/fixtures/pictures/make.py),
 * damage at every byte, failing reads and allocations. */
#include "../support/bytes.h"
#include "weft/base/error.h"
#include "weft/base/fault.h"
#include "weft/base/file.h"
#include "weft/base/memory.h"
#include "weft/format.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include <cmocka.h>

#define FOLDER "tests/fixtures/pictures"
enum { LOSSY = 2 /* how far two decoders of a JPEG may be apart */, SEED_MOST = 4096 };

static Error last;
static bool parse(const char *name, const uint8_t *bytes, size_t length, Picture *out) {
    last = (Error){0};
    File *file = file_memory(name, bytes, length, &last);
    assert_non_null(file);
    const bool ok = picture_parse(file, out, &last);
    file_close(file);
    return ok;
}

static void refuse(const Bytes *bytes, Status status, const char *reason) {
    Picture picture = {0};
    assert_false(parse("seed", bytes->data, bytes->length, &picture));
    assert_null(picture.pixels);
    if (last.status != status || !strstr(last.text, "seed") || !strstr(last.text, reason))
        fail_msg("status %d, \"%s\" does not say \"%s\"", last.status, last.text, reason);
}

static Bytes fixture(const char *name) {
    size_t length;
    Error err;
    char *bytes = file_read_all(text_of(FOLDER "/%s", name), SEED_MOST, &length, &err);
    if (!bytes) fail_msg("%s", err.text);
    Bytes out = {0};
    bytes_add(&out, bytes, length);
    mem_free(bytes);
    return out;
}

/* Calls `visit` with the name of each picture that has its pixels beside it. */
static int each_picture(void (*visit)(const char *name)) {
    struct dirent **entry;
    const int count = scandir(FOLDER, &entry, NULL, alphasort);
    int seen = 0;
    assert_true(count > 0);
    for (int i = 0; i < count; i++) {
        char *end = strstr(entry[i]->d_name, ".npy");
        if (end && strncmp(entry[i]->d_name, "resize", 6) != 0) {
            *end = '\0';
            visit(entry[i]->d_name);
            seen++;
        }
        free(entry[i]);
    }
    free(entry);
    return seen;
}

/* ---- what is read ------------------------------------------------------------------------------------------------ */

static void compare(const char *name) {
    Bytes bytes = fixture(name);
    Picture picture = {0}, header = {0};
    IdxArray pixels = {0};
    const int far = strstr(name, ".jpg") ? LOSSY : 0;
    if (!parse(name, bytes.data, bytes.length, &picture)) fail_msg("%s", last.text);
    assert_true(npy_read(text_of(FOLDER "/%s.npy", name), 0, &pixels, &last));
    assert_int_equal(pixels.dim[0], picture.height);
    assert_int_equal(pixels.dim[1], picture.width);
    assert_int_equal(pixels.dim[2], picture.channels);
    for (uint64_t i = 0; i < pixels.count; i++) {
        const int seen = picture.pixels[i], meant = ((const uint8_t *)pixels.data)[i];
        if (abs(seen - meant) > far) fail_msg("%s: byte %d is %d, not %d", name, (int)i, seen, meant);
    }
    File *file = file_memory(name, bytes.data, bytes.length, &last);
    assert_true(file && picture_look(file, &header, &last));
    assert_null(header.pixels);
    assert_int_equal(header.height, picture.height);
    assert_int_equal(header.width, picture.width);
    assert_int_equal(header.channels, picture.channels);
    file_close(file);
    idx_done(&pixels);
    picture_done(&picture);
    bytes_done(&bytes);
}

static void test_pixels(void **state) {
    (void)state;
    assert_true(each_picture(compare) > 20);
}

/* ---- what is refused --------------------------------------------------------------------------------------------- */

static void truncate_each(const char *name) {
    Bytes bytes = fixture(name);
    for (size_t i = 0; i < bytes.length; i++) {
        uint8_t *exact = malloc(i + !i); /* so that a sanitizer sees a read past the end */
        Picture picture = {0};
        assert_non_null(exact);
        memcpy(exact, bytes.data, i);
        if (parse(name, exact, i, &picture)) fail_msg("%s loads with %zu of its bytes", name, i);
        assert_int_equal(last.status, STATUS_BAD_INPUT);
        assert_int_equal(strncmp(last.text, name, strlen(name)), 0);
        free(exact);
    }
    bytes_done(&bytes);
}

static void overwrite_each(const char *name) {
    static const uint8_t values[] = {0x00, 0x7f, 0x80, 0xff};
    Bytes bytes = fixture(name);
    for (size_t i = 0; i < bytes.length; i++) {
        const uint8_t kept = bytes.data[i];
        for (size_t k = 0; k < sizeof values; k++) {
            Picture picture = {0};
            bytes.data[i] = values[k];
            const bool ok = parse(name, bytes.data, bytes.length, &picture);
            if (ok && strstr(name, ".png") && values[k] != kept) fail_msg("%s: byte %zu does not count", name, i);
            if (!ok) assert_int_equal(strncmp(last.text, name, strlen(name)), 0);
            picture_done(&picture);
        }
        bytes.data[i] = kept;
    }
    bytes_done(&bytes);
}

static void test_truncations(void **state) {
    (void)state;
    each_picture(truncate_each);
}

static void test_overwritten_bytes(void **state) {
    (void)state;
    mem_set_budget(64 << 20);
    each_picture(overwrite_each);
    mem_set_budget(0);
}

static void test_what_it_is_not(void **state) {
    (void)state;
    static const struct {
        const char *bytes, *reason;
        size_t length;
    } cases[] = {{"", "the file is empty", 0},
                 {"nothing", "seed: is neither a PNG nor a JPEG", 7},
                 {"GIF89a", "seed: is a GIF image, neither a PNG nor a JPEG", 6},
                 {"BM", "a BMP image", 2},
                 {"RIFF....WEBP", "a WebP image", 12},
                 {"II*", "a TIFF image", 3},
                 {"version https://git-lfs", "a git-LFS pointer", 23},
                 {"\x89PNG\r\n\x1a\n", "PNG: the file is truncated", 8},
                 {"\xff\xd8\xff", "JPEG: the file is truncated", 3},
                 {"\xff\xd8\xff\xd9", "JPEG: JPEG datastream contains no image", 4}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Bytes bytes = {0};
        bytes_fill(&bytes, 0, 0);
        bytes_add(&bytes, cases[i].bytes, cases[i].length);
        refuse(&bytes, STATUS_BAD_INPUT, cases[i].reason);
        bytes_done(&bytes);
    }
}

/* Puts the checksum of the chunk at `at` right. */
static void mend_chunk(Bytes *png, size_t at) {
    const uint8_t *length = png->data + at;
    const size_t size = (size_t)length[0] << 24 | (size_t)length[1] << 16 | (size_t)length[2] << 8 | length[3];
    const uint32_t sum = (uint32_t)crc32(0, png->data + at + 4, (uInt)size + 4);
    for (unsigned i = 0; i < 4; i++) png->data[at + 8 + size + i] = (uint8_t)(sum >> (24 - 8 * i));
}

static Bytes png_of_size(uint32_t width, uint32_t height) {
    Bytes png = fixture("rgb8.png");
    for (unsigned i = 0; i < 4; i++) {
        png.data[16 + i] = (uint8_t)(width >> (24 - 8 * i));
        png.data[20 + i] = (uint8_t)(height >> (24 - 8 * i));
    }
    mend_chunk(&png, 8);
    return png;
}

static void test_sizes(void **state) {
    (void)state;
    static const struct {
        uint32_t width, height;
        Status status;
        const char *reason;
    } cases[] = {
        {0, 9, STATUS_BAD_INPUT, "PNG of 0 x 9 pixels"},
        {13, 0, STATUS_BAD_INPUT, "PNG of 13 x 0 pixels"},
        {0x7fffffff, 0x7fffffff, STATUS_LIMIT, "PNG of 2147483647 x 2147483647 pixels; at most 16384 per side"},
        {0xffffffff, 9, STATUS_LIMIT, "pixels; at most 16384 per side"},
        {13, 16385, STATUS_LIMIT, "pixels; at most 16384 per side"},
        {16384, 16384, STATUS_BAD_INPUT, "PNG of 16384 x 16384 pixels, which do not fit into 469 bytes"},
        {13, 8, STATUS_OK, ""},
        {13, 10, STATUS_BAD_INPUT, "PNG: Not enough image data"},
        {14, 9, STATUS_BAD_INPUT, "PNG: "}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Bytes png = png_of_size(cases[i].width, cases[i].height);
        Picture picture = {0};
        if (cases[i].status == STATUS_OK) /* data that are left over are no harm */
            assert_true(parse("seed", png.data, png.length, &picture));
        else
            refuse(&png, cases[i].status, cases[i].reason);
        picture_done(&picture);
        bytes_done(&png);
    }
    Bytes png = fixture("rgb8.png");
    memcpy(png.data + 12, "IDAT", 4);
    mend_chunk(&png, 8);
    refuse(&png, STATUS_BAD_INPUT, "PNG: does not begin with a header");
    bytes_done(&png);
    png = fixture("rgb8.png");
    mem_set_budget(13 * 9 * 3 - 1);
    refuse(&png, STATUS_LIMIT, "loading seed needs 351 bytes, limit 350 bytes");
    mem_set_budget(0);
    bytes_done(&png);
}

/* The frame header of a JPEG: marker, length, bits, height, width, components. */
static uint8_t *frame_of(Bytes *jpeg) {
    for (size_t i = 2; i + 4 < jpeg->length; i += 2 + ((size_t)jpeg->data[i + 2] << 8 | jpeg->data[i + 3]))
        if (jpeg->data[i + 1] >= 0xc0 && jpeg->data[i + 1] <= 0xc2) return jpeg->data + i;
    fail_msg("no frame");
    return NULL;
}

static void test_jpeg_frames(void **state) {
    (void)state;
    static const struct {
        const char *name;
        int at;
        uint8_t value[4];
        size_t count;
        Status status;
        const char *reason;
    } cases[] = {
        {"420.jpg",
         5,
         {0xff, 0xdc, 0xff, 0xdc},
         4,
         STATUS_LIMIT,
         "JPEG of 65500 x 65500 pixels; at most 16384 per side"},
        {"420.jpg",
         5,
         {0x40, 0, 0x40, 0},
         4,
         STATUS_BAD_INPUT,
         "JPEG of 16384 x 16384 pixels, which do not fit into 1044 bytes"},
        {"420.jpg", 5, {0, 0, 0, 37}, 4, STATUS_BAD_INPUT, "JPEG: "},
        {"420.jpg", 5, {0, 200, 0, 37}, 4, STATUS_BAD_INPUT, "JPEG: "},
        {"420.jpg", 4, {12}, 1, STATUS_BAD_INPUT, "JPEG: Unsupported JPEG data precision 12"},
        {"420.jpg", 1, {0xc9}, 1, STATUS_BAD_INPUT, "JPEG: "},
        {"progressive.jpg", 5, {0x40, 0, 0x40, 0}, 4, STATUS_BAD_INPUT, "pixels, which do not fit into 964 bytes"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Bytes jpeg = fixture(cases[i].name);
        memcpy(frame_of(&jpeg) + cases[i].at, cases[i].value, cases[i].count);
        refuse(&jpeg, cases[i].status, cases[i].reason);
        bytes_done(&jpeg);
    }
    Bytes jpeg = fixture("cmyk.jpeg");
    refuse(&jpeg, STATUS_BAD_INPUT, "JPEG: CMYK colours; convert it to RGB");
    bytes_done(&jpeg);
    jpeg = fixture("progressive.jpg");
    mem_set_budget(37 * 21 * 3 + 1000); /* the pixels alone, not the coefficients */
    refuse(&jpeg, STATUS_LIMIT, "loading seed needs");
    mem_set_budget(0);
    bytes_done(&jpeg);
}

/* The first scan of a progressive image, of all bits of the means, again and again. */
static void test_scans(void **state) {
    (void)state;
    Bytes jpeg = fixture("grey-progressive.jpg");
    size_t scan = 2;
    while (jpeg.data[scan + 1] != 0xda) scan += 2 + ((size_t)jpeg.data[scan + 2] << 8 | jpeg.data[scan + 3]);
    size_t end = scan + 2;
    while (jpeg.data[end] != 0xff || jpeg.data[end + 1] == 0) end++;
    jpeg.data[scan + 9] = 0;
    for (unsigned scans = 100; scans <= 101; scans++) {
        Bytes many = {0};
        Picture picture = {0};
        bytes_add(&many, jpeg.data, scan);
        for (unsigned i = 0; i < scans; i++) bytes_add(&many, jpeg.data + scan, end - scan);
        bytes_add(&many, "\xff\xd9", 2);
        if (scans > 100)
            refuse(&many, STATUS_LIMIT, "seed: JPEG: more than 100 scans");
        else if (!parse("seed", many.data, many.length, &picture))
            fail_msg("%s", last.text);
        picture_done(&picture);
        bytes_done(&many);
    }
    bytes_done(&jpeg);
}

/* Bytes between segments, which libjpeg warns of, are no harm; nor is what follows the end. */
static void test_harmless(void **state) {
    (void)state;
    Bytes jpeg = fixture("grey.jpg"), png = fixture("rgb8.png"), odd = {0};
    Picture picture = {0};
    const size_t second = 4 + ((size_t)jpeg.data[4] << 8 | jpeg.data[5]);
    bytes_add(&odd, jpeg.data, second);
    bytes_add(&odd, "abc", 3);
    bytes_add(&odd, jpeg.data + second, jpeg.length - second);
    bytes_add(&odd, "tail", 4);
    assert_true(parse("seed", odd.data, odd.length, &picture));
    picture_done(&picture);
    bytes_add(&png, "tail", 4);
    assert_true(parse("seed", png.data, png.length, &picture));
    picture_done(&picture);
    bytes_done(&odd);
    bytes_done(&jpeg);
    bytes_done(&png);
}

/* ---- faults ------------------------------------------------------------------------------------------------------ */

static void fail_each(const char *name) {
    for (unsigned later = 0; later < 2; later++) {
        Picture picture = {0};
        bool ok = false;
        for (uint64_t k = 1; !ok && k < 1000; k++) {
            Error err = {0};
            fault_arm(FAULT_ALLOC | FAULT_OPEN | FAULT_READ, k, later);
            File *file = file_open(text_of(FOLDER "/%s", name), &err);
            ok = file && picture_parse(file, &picture, &err);
            const bool named = !file || ok || strstr(err.text, name);
            file_close(file);
            fault_disarm();
            assert_true(ok || (err.status != STATUS_OK && err.text[0] && !picture.pixels));
            if (!named) fail_msg("without a name: %s", err.text);
        }
        assert_true(ok);
        picture_done(&picture);
    }
}

static void test_faults(void **state) {
    (void)state;
    each_picture(fail_each);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pixels),
        cmocka_unit_test(test_truncations),
        cmocka_unit_test(test_overwritten_bytes),
        cmocka_unit_test(test_what_it_is_not),
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_jpeg_frames),
        cmocka_unit_test(test_scans),
        cmocka_unit_test(test_harmless),
        cmocka_unit_test(test_faults),
    };
    return cmocka_run_group_tests_name("picture", tests, NULL, NULL);
}
