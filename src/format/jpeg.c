/* jpeg -- JPEG images, baseline and progressive, grey and colour, through libjpeg, which only reads here.
 *
 *   ff d8 | segments: ff, marker, length u16be, data | scans of entropy-coded blocks | ff d9
 *
 * What libjpeg only warns of is refused where pixels may be wrong for it: a damaged image is not passed on as a good
 * one. Colours come as libjpeg gives them by default (slow integer transform, smooth upsampling); orientation in EXIF
 * is left alone. Bytes after the end marker are left alone too: cameras append previews there.
 * Source: ITU-T T.81; https://libjpeg-turbo.org/Documentation.
 *
 * libjpeg reports by error_raised, which jumps back to where setjmp was called; what is needed after that lives in the
 * Reader, not in variables of the functions that are left.
 */
#include <setjmp.h>
#include <stdio.h>
#include <string.h>
#include <jpeglib.h>
#include <jerror.h>

#include "format/picture.h"
#include "weft/base/error.h"
#include "weft/base/file.h"
#include "weft/base/memory.h"

enum { PIECE = 16384, SCANS_MOST = 100, BITS = 8, COEFFICIENT = sizeof(JCOEF), BLOCKS_PER_BYTE = 8 };

typedef struct Reader {
    struct jpeg_decompress_struct info; /* first: libjpeg hands out its address */
    struct jpeg_error_mgr errors;
    struct jpeg_source_mgr source;
    struct jpeg_progress_mgr progress;
    const File *file;
    uint64_t at; /* of the next piece */
    Picture *out;
    Error failure;
    jmp_buf back;
    JOCTET piece[PIECE];
} Reader;

/* ---- what libjpeg calls ------------------------------------------------------------------------------------------ */

static _Noreturn void give_up(Reader *r, Status status, const char *reason) {
    error_set(&r->failure, status, "%s: JPEG: %s", file_name(r->file), reason);
    longjmp(r->back, 1);
}

static _Noreturn void error_raised(j_common_ptr info) {
    char reason[JMSG_LENGTH_MAX];
    info->err->format_message(info, reason);
    give_up((Reader *)info, info->err->msg_code == JERR_OUT_OF_MEMORY ? STATUS_LIMIT : STATUS_BAD_INPUT, reason);
}

/* Level -1 is a warning: the data are damaged. These leave the pixels as they were meant. */
static void message_raised(j_common_ptr info, int level) {
    const int code = info->err->msg_code;
    if (level >= 0 || code == JWRN_EXTRANEOUS_DATA || code == JWRN_JFIF_MAJOR || code == JWRN_ADOBE_XFORM) return;
    error_raised(info);
}

static void do_nothing(j_decompress_ptr info) {
    (void)info;
}

static boolean next_piece(j_decompress_ptr info) {
    Reader *r = (Reader *)info;
    const uint64_t left = file_size(r->file) - r->at, length = left < PIECE ? left : PIECE;
    if (length == 0) give_up(r, STATUS_BAD_INPUT, "the file is truncated");
    if (!file_read(r->file, r->at, r->piece, length, &r->failure)) longjmp(r->back, 1);
    r->at += length;
    r->source.next_input_byte = r->piece;
    r->source.bytes_in_buffer = length;
    return TRUE;
}

static void skip_bytes(j_decompress_ptr info, long count) {
    Reader *r = (Reader *)info;
    uint64_t skip = count > 0 ? (uint64_t)count : 0;
    if (skip > r->source.bytes_in_buffer) {
        skip -= r->source.bytes_in_buffer;
        const uint64_t left = file_size(r->file) - r->at;
        r->at += skip < left ? skip : left;
        skip = r->source.bytes_in_buffer;
    }
    r->source.next_input_byte += skip;
    r->source.bytes_in_buffer -= skip;
}

/* A small file can ask for thousands of passes over a large image. */
static void watch_scans(j_common_ptr info) {
    if (((j_decompress_ptr)info)->input_scan_number > SCANS_MOST)
        give_up((Reader *)info, STATUS_LIMIT, "more than 100 scans");
}

/* ---- decoding ---------------------------------------------------------------------------------------------------- */

static void check_kind(Reader *r) {
    struct jpeg_decompress_struct *info = &r->info;
    if (!picture_check_size(r->file, "JPEG", info->image_width, info->image_height, &r->failure)) longjmp(r->back, 1);
    if (info->data_precision != BITS) give_up(r, STATUS_BAD_INPUT, "not 8 bits per sample");
    if (info->arith_code) give_up(r, STATUS_BAD_INPUT, "arithmetic coding is not supported");
    if (info->num_components == 4) give_up(r, STATUS_BAD_INPUT, "CMYK colours; convert it to RGB");
    if (info->num_components != 1 && info->num_components != 3) give_up(r, STATUS_BAD_INPUT, "neither grey nor colour");
    *r->out = (Picture){.width = info->image_width, .height = info->image_height};
    r->out->channels = (unsigned)info->num_components;
    info->out_color_space = info->num_components == 1 ? JCS_GRAYSCALE : JCS_RGB;
}

/* Each block takes a bit at least, so that a small file cannot ask for a large image. */
static void take_pixels(Reader *r) {
    Picture *out = r->out;
    uint64_t blocks = 0, bytes = (uint64_t)out->height * out->width * out->channels, needed = bytes;
    for (int i = 0; i < r->info.num_components; i++)
        blocks += (uint64_t)r->info.comp_info[i].width_in_blocks * r->info.comp_info[i].height_in_blocks;
    if (blocks / BLOCKS_PER_BYTE > file_size(r->file)) {
        error_set(&r->failure, STATUS_BAD_INPUT, "%s: JPEG of %u x %u pixels, which do not fit into %llu bytes",
                  file_name(r->file), out->width, out->height, (unsigned long long)file_size(r->file));
        longjmp(r->back, 1);
    }
    if (jpeg_has_multiple_scans(&r->info)) needed += blocks * DCTSIZE2 * COEFFICIENT;
    if (!mem_admit(needed, file_name(r->file), &r->failure)) longjmp(r->back, 1);
    if ((out->pixels = mem_alloc(bytes, 1, &r->failure))) return;
    error_prefix(&r->failure, "%s", file_name(r->file));
    longjmp(r->back, 1);
}

static void decode(Reader *r) {
    Picture *out = r->out;
    jpeg_start_decompress(&r->info);
    while (r->info.output_scanline < r->info.output_height) {
        JSAMPROW row = out->pixels + (uint64_t)r->info.output_scanline * out->width * out->channels;
        jpeg_read_scanlines(&r->info, &row, 1);
    }
    jpeg_finish_decompress(&r->info);
}

/* Everything that can jump runs below this call. */
static bool read_jpeg(Reader *r, bool whole) {
    if (setjmp(r->back)) return false;
    r->info.err = jpeg_std_error(&r->errors);
    r->errors.error_exit = error_raised;
    r->errors.emit_message = message_raised;
    jpeg_create_decompress(&r->info);
    r->source = (struct jpeg_source_mgr){.init_source = do_nothing,
                                         .fill_input_buffer = next_piece,
                                         .skip_input_data = skip_bytes,
                                         .resync_to_restart = jpeg_resync_to_restart,
                                         .term_source = do_nothing};
    r->info.src = &r->source;
    r->progress.progress_monitor = watch_scans;
    r->info.progress = &r->progress;
    jpeg_read_header(&r->info, TRUE);
    check_kind(r);
    if (!whole) return true;
    take_pixels(r);
    decode(r);
    return true;
}

bool jpeg_picture(const File *file, bool whole, Picture *out, Error *err) {
    Reader *reader = mem_alloc(1, sizeof *reader, err);
    if (!reader) return error_prefix(err, "%s", file_name(file));
    reader->file = file;
    reader->out = out;
    const bool ok = read_jpeg(reader, whole);
    jpeg_destroy_decompress(&reader->info);
    if (!ok) *err = reader->failure;
    mem_free(reader);
    return ok;
}
