/* bytes -- files for tests of the readers, made byte by byte, and a scratch folder to put them in. */
#include "bytes.h"

#include <ftw.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

static char folder[64];
static pid_t owner;

static int remove_one(const char *path, const struct stat *unused, int type, struct FTW *walk) {
    (void)unused, (void)type, (void)walk;
    return remove(path);
}

static void remove_folder(void) {
    if (getpid() == owner) nftw(folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

const char *scratch_folder(void) {
    if (!*folder) {
        strcpy(folder, "/tmp/weft-test-XXXXXX");
        if (!mkdtemp(folder)) abort();
        owner = getpid(); /* a child that ends leaves it */
        atexit(remove_folder);
    }
    return folder;
}

const char *text_of(const char *format, ...) {
    static char texts[64][512];
    static unsigned turn;
    char *text = texts[turn++ % 64];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof texts[0], format, args);
    va_end(args);
    return text;
}

const char *scratch_path(const char *name) {
    return text_of("%s/%s", scratch_folder(), name);
}

bool write_bytes(const char *path, const void *bytes, size_t length) {
    FILE *file = fopen(path, "wb");
    bool ok = file && fwrite(bytes, 1, length, file) == length;
    return file && fclose(file) == 0 && ok;
}

/* ---- growing blocks ---------------------------------------------------------------------------------------------- */

static uint8_t *room(Bytes *bytes, size_t length) {
    uint8_t *data = realloc(bytes->data, bytes->length + length + 1);
    if (!data) abort();
    bytes->data = data;
    bytes->length += length;
    return data + bytes->length - length;
}

void bytes_add(Bytes *bytes, const void *more, size_t length) {
    if (length > 0) memcpy(room(bytes, length), more, length);
}

void bytes_fill(Bytes *bytes, uint8_t value, size_t count) {
    memset(room(bytes, count), value, count);
}

void bytes_u32be(Bytes *bytes, uint32_t value) {
    for (int shift = 24; shift >= 0; shift -= 8) bytes_fill(bytes, (uint8_t)(value >> shift), 1);
}

void bytes_le(Bytes *bytes, uint64_t value, unsigned size) {
    for (unsigned i = 0; i < size; i++) bytes_fill(bytes, (uint8_t)(value >> (8 * i)), 1);
}

void bytes_done(Bytes *bytes) {
    free(bytes->data);
    *bytes = (Bytes){0};
}

/* ---- formats ----------------------------------------------------------------------------------------------------- */

void bytes_idx(Bytes *bytes, uint8_t type, uint8_t rank, const uint32_t *dim, size_t dims) {
    bytes_add(bytes, (uint8_t[]){0, 0, type, rank}, 4);
    for (size_t i = 0; i < dims; i++) bytes_u32be(bytes, dim[i]);
}

void bytes_gzip(Bytes *bytes, const void *content, size_t length, bool fields) {
    gz_header header = {.extra = (Bytef *)(char[]){"WF\4\0data"},
                        .extra_len = 8,
                        .name = (Bytef *)(char[]){"a name"},
                        .comment = (Bytef *)(char[]){"a comment"},
                        .hcrc = 1};
    z_stream stream = {0};
    if (deflateInit2(&stream, 6, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY) != Z_OK ||
        (fields && deflateSetHeader(&stream, &header) != Z_OK))
        abort();
    uLong bound = deflateBound(&stream, (uLong)length);
    uint8_t *out = room(bytes, bound);
    stream.next_in = (z_const Bytef *)content;
    stream.avail_in = (uInt)length;
    stream.next_out = out;
    stream.avail_out = (uInt)bound;
    if (deflate(&stream, Z_FINISH) != Z_STREAM_END) abort();
    bytes->length -= stream.avail_out;
    deflateEnd(&stream);
}

void bytes_cifar(Bytes *bytes, int label, int fine, unsigned first) {
    bytes_fill(bytes, (uint8_t)label, 1);
    if (fine >= 0) bytes_fill(bytes, (uint8_t)fine, 1);
    uint8_t *pixels = room(bytes, 3072);
    for (unsigned i = 0; i < 3072; i++) pixels[i] = (uint8_t)(first + i);
}

void bytes_safetensors(Bytes *bytes, const char *json, size_t data) {
    bytes_le(bytes, strlen(json), 8);
    bytes_add(bytes, json, strlen(json));
    if (data > 0) bytes_fill(bytes, 0, data);
}

void bytes_npy(Bytes *bytes, unsigned version, const char *header) {
    unsigned width = version == 1 ? 2 : 4;
    size_t start = 8 + width, length = (start + strlen(header) + 1 + 63) / 64 * 64 - start;
    bytes_add(bytes, "\223NUMPY", 6);
    bytes_le(bytes, version, 2);
    bytes_le(bytes, length, width);
    bytes_add(bytes, header, strlen(header));
    bytes_fill(bytes, ' ', length - strlen(header) - 1);
    bytes_fill(bytes, '\n', 1);
}

/* ---- zip --------------------------------------------------------------------------------------------------------- */

static void deflate_raw(Bytes *out, const void *data, size_t length) {
    z_stream stream = {0};
    if (deflateInit2(&stream, 9, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY) != Z_OK) abort();
    uLong bound = deflateBound(&stream, (uLong)length);
    stream.next_in = (z_const Bytef *)data;
    stream.avail_in = (uInt)length;
    stream.next_out = room(out, bound);
    stream.avail_out = (uInt)bound;
    if (deflate(&stream, Z_FINISH) != Z_STREAM_END) abort();
    out->length -= stream.avail_out;
    deflateEnd(&stream);
}

/* The 26 bytes from the version to the lengths of name and extra field. */
static void zip_fields(Bytes *bytes, const ZipPart *part, const char *name, size_t stored, bool wide) {
    bytes_le(bytes, 20, 2);
    bytes_le(bytes, part->flags, 2);
    bytes_le(bytes, part->method, 2);
    bytes_le(bytes, 0x00210000, 4);
    bytes_le(bytes, crc32(0, part->data, (uInt)part->length) ^ part->crc_change, 4);
    bytes_le(bytes, wide ? 0xFFFFFFFF : stored, 4);
    bytes_le(bytes, wide ? 0xFFFFFFFF : part->declared ? part->declared : part->length, 4);
    bytes_le(bytes, strlen(name), 2);
    bytes_le(bytes, wide ? 20 : 0, 2);
}

/* Uncompressed, then stored size. */
static void zip_extra(Bytes *bytes, const ZipPart *part, size_t stored, bool wide) {
    if (!wide) return;
    bytes_le(bytes, 1, 2);
    bytes_le(bytes, 16, 2);
    bytes_le(bytes, part->declared ? part->declared : part->length, 8);
    bytes_le(bytes, stored, 8);
}

void bytes_zip(Bytes *bytes, const ZipPart *part, size_t count) {
    Bytes directory = {0};
    for (size_t i = 0; i < count; i++) {
        Bytes stored = {0};
        const char *local_name = part[i].local_name ? part[i].local_name : part[i].name;
        if (part[i].method == 8)
            deflate_raw(&stored, part[i].data, part[i].length);
        else
            bytes_add(&stored, part[i].data, part[i].length);
        bytes_add(&directory, "PK\1\2\24\0", 6);
        zip_fields(&directory, &part[i], part[i].name, stored.length, part[i].wide & ZIP_WIDE_ENTRY);
        bytes_fill(&directory, 0, 10);
        bytes_le(&directory, bytes->length, 4);
        bytes_add(&directory, part[i].name, strlen(part[i].name));
        zip_extra(&directory, &part[i], stored.length, part[i].wide & ZIP_WIDE_ENTRY);
        bytes_add(bytes, "PK\3\4", 4);
        zip_fields(bytes, &part[i], local_name, stored.length, part[i].wide & ZIP_WIDE_LOCAL);
        bytes_add(bytes, local_name, strlen(local_name));
        zip_extra(bytes, &part[i], stored.length, part[i].wide & ZIP_WIDE_LOCAL);
        bytes_add(bytes, stored.data, stored.length);
        bytes_done(&stored);
    }
    size_t offset = bytes->length;
    bytes_add(bytes, directory.data, directory.length);
    bytes_add(bytes, "PK\5\6\0\0\0\0", 8);
    bytes_le(bytes, count, 2);
    bytes_le(bytes, count, 2);
    bytes_le(bytes, directory.length, 4);
    bytes_le(bytes, offset, 4);
    bytes_le(bytes, 0, 2);
    bytes_done(&directory);
}
