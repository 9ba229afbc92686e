/* png -- PNG images as 8 bits a channel, through libpng, which nothing else calls.
 *
 *   89 "PNG" 0d 0a 1a 0a | chunks: length u32be, type, data, CRC-32 of type and data
 *   IHDR first: width u32be, height u32be, bits, colour (1 palette, 2 colour, 4 alpha), 0, 0, interlaced
 *
 * Palettes and fewer bits are expanded, 16 bits are scaled and rounded, transparency lies over black. Of the other
 * chunks only PLTE, tRNS, IDAT and IEND are looked at: no gamma, no text that unpacks into memory. Every CRC counts.
 * Source: https://www.w3.org/TR/png-3/.
 *
 * libpng reports by error_raised, which jumps back to where setjmp was called; what is needed after that lives in the
 * Reader, not in variables of the functions that are left.
 */
#include <png.h>
#include <setjmp.h>
#include <string.h>

#include "format/gzip.h"
#include "format/picture.h"
#include "weft/base/error.h"
#include "weft/base/file.h"
#include "weft/base/memory.h"

enum { HEADER = 8 + 8 + 13, COLOUR_AT = 25, ALPHA_MOST = 255 };

typedef struct Reader {
    const File *file;
    uint64_t at;
    png_structp png;
    png_infop info;
    Picture *out;
    Error failure;
    bool failed; /* `failure` says why */
    jmp_buf back;
} Reader;

static uint32_t be32(const uint8_t *at) {
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

/* ---- what libpng calls ------------------------------------------------------------------------------------------- */

static _Noreturn void error_raised(png_structp png, png_const_charp reason) {
    Reader *reader = png_get_error_ptr(png);
    if (!reader->failed) error_set(&reader->failure, STATUS_BAD_INPUT, "%s: PNG: %s", file_name(reader->file), reason);
    reader->failed = true;
    longjmp(reader->back, 1);
}

static void warning_raised(png_structp png, png_const_charp reason) {
    (void)png, (void)reason;
}

static void read_bytes(png_structp png, png_bytep out, size_t length) {
    Reader *reader = png_get_io_ptr(png);
    const uint64_t left = file_size(reader->file) - reader->at;
    if (length > left) png_error(png, "the file is truncated");
    if (!file_read(reader->file, reader->at, out, length, &reader->failure)) {
        reader->failed = true;
        png_error(png, "");
    }
    reader->at += length;
}

static png_voidp take_memory(png_structp png, png_alloc_size_t size) {
    Reader *reader = png_get_mem_ptr(png);
    Error again;
    void *memory = mem_alloc(1, size, reader->failed ? &again : &reader->failure);
    if (!memory && !reader->failed) reader->failed = !error_prefix(&reader->failure, "%s", file_name(reader->file));
    return memory;
}

static void give_memory_back(png_structp png, png_voidp memory) {
    (void)png;
    mem_free(memory);
}

/* ---- decoding ---------------------------------------------------------------------------------------------------- */

/* Colours times alpha, rounded; the alphas are left out. */
static void lay_over_black(Picture *picture) {
    const unsigned colours = picture->channels - 1;
    const uint64_t pixels = (uint64_t)picture->height * picture->width;
    const uint8_t *from = picture->pixels;
    uint8_t *to = picture->pixels;
    for (uint64_t i = 0; i < pixels; i++, from += colours + 1)
        for (unsigned c = 0; c < colours; c++)
            *to++ = (uint8_t)((from[c] * from[colours] + ALPHA_MOST / 2) / ALPHA_MOST);
    picture->channels = colours;
}

/* What deflate can make of the file at most, before memory is taken for it. */
static void check_packed(Reader *r) {
    const uint64_t row = png_get_rowbytes(r->png, r->info), size = file_size(r->file);
    if (row * r->out->height <= gzip_most_unpacked(size)) return;
    error_set(&r->failure, STATUS_BAD_INPUT, "%s: PNG of %u x %u pixels, which do not fit into %llu bytes",
              file_name(r->file), r->out->width, r->out->height, (unsigned long long)size);
    r->failed = true;
    longjmp(r->back, 1);
}

static void take_pixels(Reader *r) {
    Picture *out = r->out;
    const uint64_t bytes = (uint64_t)out->height * out->width * out->channels;
    if (png_get_rowbytes(r->png, r->info) == (uint64_t)out->width * out->channels &&
        mem_admit(bytes, file_name(r->file), &r->failure) && (out->pixels = mem_alloc(bytes, 1, &r->failure)))
        return;
    if (r->failure.status == STATUS_OK) png_error(r->png, "rows of an unexpected length");
    if (!strstr(r->failure.text, file_name(r->file))) error_prefix(&r->failure, "%s", file_name(r->file));
    r->failed = true;
    longjmp(r->back, 1);
}

static void decode(Reader *r) {
    png_set_user_limits(r->png, CAP_PICTURE_SIDE, CAP_PICTURE_SIDE);
    png_set_keep_unknown_chunks(r->png, PNG_HANDLE_CHUNK_NEVER, NULL, -1);
    png_set_crc_action(r->png, PNG_CRC_ERROR_QUIT, PNG_CRC_ERROR_QUIT);
    png_read_info(r->png, r->info);
    check_packed(r);
    png_set_expand(r->png);
    png_set_scale_16(r->png);
    const int passes = png_set_interlace_handling(r->png);
    png_read_update_info(r->png, r->info);
    Picture *out = r->out;
    out->channels = png_get_channels(r->png, r->info);
    take_pixels(r);
    for (int pass = 0; pass < passes; pass++)
        for (unsigned y = 0; y < out->height; y++)
            png_read_row(r->png, out->pixels + (uint64_t)y * out->width * out->channels, NULL);
    png_read_end(r->png, NULL);
    if (out->channels == 2 || out->channels == 4) lay_over_black(out);
}

/* Everything that can jump runs below this call. */
static bool read_png(Reader *r) {
    if (setjmp(r->back)) return false;
    r->png = png_create_read_struct_2(PNG_LIBPNG_VER_STRING, r, error_raised, warning_raised, r, take_memory,
                                      give_memory_back);
    r->info = r->png ? png_create_info_struct(r->png) : NULL;
    if (!r->info) return false;
    png_set_read_fn(r->png, r, read_bytes);
    decode(r);
    return true;
}

/* Size and colours, which stand at the same place in every PNG. */
static bool read_header(const File *file, Picture *out, Error *err) {
    uint8_t head[HEADER];
    if (file_size(file) < sizeof head)
        return error_set(err, STATUS_BAD_INPUT, "%s: PNG: the file is truncated", file_name(file));
    if (!file_read(file, 0, head, sizeof head, err)) return false;
    if (be32(head + 8) != 13 || memcmp(head + 12, "IHDR", 4) != 0)
        return error_set(err, STATUS_BAD_INPUT, "%s: PNG: does not begin with a header", file_name(file));
    if (!picture_check_size(file, "PNG", be32(head + 16), be32(head + 20), err)) return false;
    *out = (Picture){.width = be32(head + 16), .height = be32(head + 20)};
    out->channels = head[COLOUR_AT] & PNG_COLOR_MASK_COLOR ? 3 : 1;
    return true;
}

bool png_picture(const File *file, bool whole, Picture *out, Error *err) {
    if (!read_header(file, out, err)) return false;
    if (!whole) return true;
    Reader *reader = mem_alloc(1, sizeof *reader, err);
    if (!reader) return error_prefix(err, "%s", file_name(file));
    reader->file = file;
    reader->out = out;
    const bool ok = read_png(reader);
    png_destroy_read_struct(&reader->png, &reader->info, NULL);
    if (!ok && reader->failed) *err = reader->failure;
    if (!ok && !reader->failed) error_set(err, STATUS_FAILED, "%s: libpng cannot start", file_name(file));
    mem_free(reader);
    return ok;
}
