/* hostile_pictures -- folders of images with something hostile in them (docs/reliability.md, section 7, rows 1, 2, 4
 * and 8 for PNG and JPEG, and damage of their own, as row 121). Each case is a folder of a class "cat" with one good
 * image and a bad one.
 */
#include "bytes.h"
#include "hostile.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#define IMAGES "images:%s"
#define PICTURES "tests/fixtures/pictures/"

static Bytes fixture(const char *name) {
    Bytes out = {0};
    FILE *file = fopen(text_of(PICTURES "%s", name), "rb");
    for (int c; file && (c = fgetc(file)) != EOF;) bytes_fill(&out, (uint8_t)c, 1);
    if (file) fclose(file);
    return out;
}

/* FOLDER/cat/1.png, a good one; then FOLDER/cat/NAME with the bytes, which it frees. */
static bool put(const char *folder, const char *name, Bytes *bytes) {
    Bytes good = fixture("rgb8.png");
    bool ok = mkdir(folder, 0777) == 0 && mkdir(text_of("%s/cat", folder), 0777) == 0 &&
              write_bytes(text_of("%s/cat/1.png", folder), good.data, good.length) &&
              write_bytes(text_of("%s/cat/%s", folder, name), bytes->data, bytes->length);
    bytes_done(&good);
    bytes_done(bytes);
    return ok;
}

static bool put_text(const char *folder, const char *name, const char *text) {
    Bytes bytes = {0};
    bytes_fill(&bytes, 0, 0);
    bytes_add(&bytes, text, strlen(text));
    return put(folder, name, &bytes);
}

static bool put_start(const char *folder, const char *name, const char *of, size_t less) {
    Bytes bytes = fixture(of);
    bytes.length -= less;
    return put(folder, name, &bytes);
}

/* A good folder with something else made in it: replaces cat/2.png. */
static bool put_special(const char *folder, bool (*make)(const char *path)) {
    if (!put_text(folder, "2.png", "")) return false;
    const char *path = text_of("%s/cat/2.png", folder);
    return unlink(path) == 0 && make(path);
}

/* ---- any file ---------------------------------------------------------------------------------------------------- */

static bool make_fifo(const char *path) {
    return mkfifo(path, 0666) == 0;
}
static bool make_device(const char *path) {
    return symlink("/dev/zero", path) == 0;
}
static bool make_dangling(const char *path) {
    return symlink("nowhere", path) == 0;
}
static bool make_itself(const char *path) {
    return symlink("2.png", path) == 0;
}
static bool make_loop(const char *path) {
    return symlink("..", path) == 0;
}
static bool make_unread(const char *path) {
    return mkdir(path, 0777) == 0 && symlink("../..", text_of("%s/up", path)) == 0;
}

static bool empty(const char *folder) {
    return put_text(folder, "2.png", "");
}
static bool fifo(const char *folder) {
    return put_special(folder, make_fifo);
}
static bool device(const char *folder) {
    return put_special(folder, make_device);
}
static bool dangling(const char *folder) {
    return put_special(folder, make_dangling);
}
static bool itself(const char *folder) {
    return put_special(folder, make_itself);
}
static bool loop(const char *folder) {
    return put_special(folder, make_loop);
}
static bool loop_below(const char *folder) {
    return put_special(folder, make_unread);
}
static bool lfs_pointer(const char *folder) {
    return put_text(folder, "2.png", "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n");
}
static bool text(const char *folder) {
    return put_text(folder, "2.jpg", "load net base base.safetensors\n");
}
static bool gif(const char *folder) {
    return put_text(folder, "2.png", "GIF89a\1");
}
static bool wrong_extension(const char *folder) {
    return put_start(folder, "2.jpg", "opaque.png", 0);
}
static bool escapes_in_name(const char *folder) {
    return put_text(folder, "\033]0;x\007\033[2J.png", "nothing");
}
static bool no_files(const char *folder) {
    return mkdir(folder, 0777) == 0;
}
static bool no_class(const char *folder) {
    return put_start(folder, "2.png", "rgb8.png", 0) && mkdir(text_of("%s/dog", folder), 0777) == 0;
}

/* ---- PNG --------------------------------------------------------------------------------------------------------- */

static void u32_at(Bytes *bytes, size_t at, uint32_t value) {
    for (unsigned i = 0; i < 4; i++) bytes->data[at + i] = (uint8_t)(value >> (24 - 8 * i));
}

static bool png_of_size(const char *folder, uint32_t width, uint32_t height) {
    Bytes bytes = fixture("rgb8.png");
    u32_at(&bytes, 16, width);
    u32_at(&bytes, 20, height);
    u32_at(&bytes, 29, (uint32_t)crc32(0, bytes.data + 12, 17));
    return put(folder, "0.png", &bytes); /* the first, which gives the size */
}

static bool png_truncated(const char *folder) {
    return put_start(folder, "2.png", "rgb8.png", 20);
}
static bool png_crc(const char *folder) {
    Bytes bytes = fixture("rgb8.png");
    bytes.data[bytes.length - 14] ^= 1;
    return put(folder, "2.png", &bytes);
}
static bool png_huge(const char *folder) {
    return png_of_size(folder, 0x7fffffff, 0x7fffffff);
}
static bool png_promise(const char *folder) {
    return png_of_size(folder, 16384, 16384);
}
static bool png_zero(const char *folder) {
    return png_of_size(folder, 0, 9);
}
static bool png_other_size(const char *folder) {
    return put_start(folder, "2.png", "pixel.png", 0);
}

/* A text chunk of 64 KiB that unpacks to 64 MiB: nobody asks for it. */
static bool png_text_bomb(const char *folder) {
    Bytes good = fixture("rgb8.png"), bytes = {0}, chunk = {0};
    uLongf packed = compressBound(64 << 20);
    uint8_t *zeros = calloc(64 << 20, 1), *out = malloc(packed);
    if (!zeros || !out || compress2(out, &packed, zeros, 64 << 20, 9) != Z_OK) abort();
    bytes_add(&chunk, "zTXtComment\0\0", 13);
    bytes_add(&chunk, out, packed);
    bytes_add(&bytes, good.data, 33);
    bytes_u32be(&bytes, (uint32_t)chunk.length - 4);
    bytes_add(&bytes, chunk.data, chunk.length);
    bytes_u32be(&bytes, (uint32_t)crc32(0, chunk.data, (uInt)chunk.length));
    bytes_add(&bytes, good.data + 33, good.length - 33);
    free(zeros);
    free(out);
    bytes_done(&chunk);
    bytes_done(&good);
    return put(folder, "2.png", &bytes);
}

/* ---- JPEG -------------------------------------------------------------------------------------------------------- */

static bool jpeg_of_size(const char *folder, const char *name, unsigned side) {
    Bytes bytes = fixture(name);
    for (size_t i = 2; i + 9 < bytes.length; i += 2 + ((size_t)bytes.data[i + 2] << 8 | bytes.data[i + 3]))
        if (bytes.data[i + 1] == 0xc0 || bytes.data[i + 1] == 0xc2) {
            u32_at(&bytes, i + 5, side << 16 | side);
            break;
        }
    return put(folder, "0.jpg", &bytes);
}

static bool jpeg_truncated(const char *folder) {
    return put_start(folder, "2.jpg", "420.jpg", 200);
}
static bool jpeg_no_end(const char *folder) {
    return put_start(folder, "2.jpg", "progressive.jpg", 2);
}
static bool jpeg_huge(const char *folder) {
    return jpeg_of_size(folder, "420.jpg", 65500);
}
static bool jpeg_promise(const char *folder) {
    return jpeg_of_size(folder, "progressive.jpg", 16384);
}
static bool jpeg_cmyk(const char *folder) {
    return put_start(folder, "2.jpeg", "cmyk.jpeg", 0);
}

const HostileCase hostile_pictures[] = {
    {1, "1-image-empty", IMAGES, empty, 3, "cat/2.png: the file is empty"},
    {1, "1-images-none", IMAGES, no_files, 3, "no PNG or JPEG files"},
    {1, "1-images-empty-class", IMAGES, no_class, 0, NULL},
    {2, "2-image-fifo", IMAGES, fifo, 3, "cat/2.png: is not a regular file"},
    {2, "2-image-device", IMAGES, device, 3, "cat/2.png: is not a regular file"},
    {2, "2-image-dangling", IMAGES, dangling, 3, "cat/2.png: No such file"},
    {2, "2-image-link-to-itself", IMAGES, itself, 3, "cat/2.png: Too many levels of symbolic links"},
    {2, "2-images-loop", IMAGES, loop, 3, "cat/2.png: it links back to a parent folder"},
    {2, "2-images-loop-below", IMAGES, loop_below, 3, "cat/2.png/up: it links back to a parent folder"},
    {4, "4-image-lfs-pointer", IMAGES, lfs_pointer, 3, "git-LFS pointer"},
    {4, "4-image-text", IMAGES, text, 3, "cat/2.jpg: is neither a PNG nor a JPEG"},
    {4, "4-image-gif", IMAGES, gif, 3, "a GIF image"},
    {8, "8-image-wrong-extension", IMAGES, wrong_extension, 0, NULL},
    {9, "9-image-escapes-in-name", IMAGES, escapes_in_name, 3, "neither a PNG nor a JPEG"},
    {121, "121-png-truncated", IMAGES, png_truncated, 3, "cat/2.png: PNG: the file is truncated"},
    {121, "121-png-bad-crc", IMAGES, png_crc, 3, "CRC error"},
    {121, "121-png-huge", IMAGES, png_huge, 5, "pixels; at most 16384 per side"},
    {121, "121-png-promise", IMAGES ":8x8", png_promise, 3, "pixels, which do not fit into 469 bytes"},
    {121, "121-png-zero", IMAGES, png_zero, 3, "PNG of 0 x 9 pixels"},
    {121, "121-png-other-size", IMAGES, png_other_size, 3, "1 x 1 pixels, but 13 x 9 in"},
    {121, "121-png-text-bomb", IMAGES, png_text_bomb, 0, NULL},
    {121, "121-jpeg-truncated", IMAGES ":8x8", jpeg_truncated, 3, "cat/2.jpg: JPEG: the file is truncated"},
    {121, "121-jpeg-no-end", IMAGES ":8x8", jpeg_no_end, 3, "cat/2.jpg: JPEG: the file is truncated"},
    {121, "121-jpeg-huge", IMAGES, jpeg_huge, 5, "pixels; at most 16384 per side"},
    {121, "121-jpeg-promise", IMAGES ":8x8", jpeg_promise, 3, "pixels, which do not fit into 964 bytes"},
    {121, "121-jpeg-cmyk", IMAGES, jpeg_cmyk, 3, "CMYK"},
    {0},
};
