/* paint_cairo -- PNG and PDF; the same figure gives the same bytes. */
#include "chart/paint.h"

#include <cairo-pdf.h>
#include <cairo.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "weft/base/error.h"
#include "weft/base/text.h"
#include "weft/base/version.h"

typedef struct CairoPaint {
    Paint paint;
    cairo_t *cairo;
} CairoPaint;

static cairo_t *cairo_of(Paint *paint) {
    return ((CairoPaint *)(void *)paint)->cairo;
}

static void set_colour(cairo_t *cairo, Rgb colour) {
    cairo_set_source_rgb(cairo, colour.red / 255.0, colour.green / 255.0, colour.blue / 255.0);
}

static void stroke(cairo_t *cairo, Pen pen) {
    const double dots[] = {2, 4};
    set_colour(cairo, pen.colour);
    cairo_set_line_width(cairo, pen.width);
    cairo_set_dash(cairo, dots, pen.dotted ? 2 : 0, 0);
    cairo_stroke(cairo);
}

static void paint_line(Paint *paint, Point from, Point to, Pen pen) {
    cairo_t *cairo = cairo_of(paint);
    cairo_set_line_cap(cairo, CAIRO_LINE_CAP_BUTT);
    cairo_move_to(cairo, from.x, from.y);
    cairo_line_to(cairo, to.x, to.y);
    stroke(cairo, pen);
}

static void paint_polyline(Paint *paint, const Point *points, size_t count, Pen pen, const Rgb *fill) {
    cairo_t *cairo = cairo_of(paint);
    cairo_set_line_cap(cairo, CAIRO_LINE_CAP_ROUND);
    cairo_set_line_join(cairo, CAIRO_LINE_JOIN_ROUND);
    for (size_t i = 0; i < count; i++) cairo_line_to(cairo, points[i].x, points[i].y);
    if (fill) {
        cairo_close_path(cairo);
        set_colour(cairo, *fill);
        cairo_fill_preserve(cairo);
    }
    if (pen.width > 0)
        stroke(cairo, pen);
    else
        cairo_new_path(cairo);
}

/* Without antialiasing, so that neighbouring cells show no seam. */
static void paint_rectangle(Paint *paint, Frame frame, Rgb fill) {
    cairo_t *cairo = cairo_of(paint);
    cairo_antialias_t before = cairo_get_antialias(cairo);
    cairo_set_antialias(cairo, CAIRO_ANTIALIAS_NONE);
    cairo_rectangle(cairo, frame.x, frame.y, frame.width, frame.height);
    set_colour(cairo, fill);
    cairo_fill(cairo);
    cairo_set_antialias(cairo, before);
}

static void paint_text(Paint *paint, Point at, const char *text, TextStyle style) {
    cairo_t *cairo = cairo_of(paint);
    cairo_text_extents_t extents;
    cairo_save(cairo);
    cairo_select_font_face(cairo, "sans-serif", CAIRO_FONT_SLANT_NORMAL,
                           style.bold ? CAIRO_FONT_WEIGHT_BOLD : CAIRO_FONT_WEIGHT_NORMAL);
    cairo_set_font_size(cairo, style.size);
    cairo_text_extents(cairo, text, &extents);
    double part = style.anchor == ANCHOR_START ? 0 : style.anchor == ANCHOR_MIDDLE ? 0.5 : 1;
    cairo_translate(cairo, at.x, at.y);
    if (style.upwards) cairo_rotate(cairo, -M_PI / 2);
    cairo_move_to(cairo, -part * extents.x_advance, 0);
    set_colour(cairo, style.colour);
    cairo_show_text(cairo, text);
    cairo_restore(cairo);
    cairo_new_path(cairo);
}

static void paint_clip(Paint *paint, Frame frame) {
    cairo_t *cairo = cairo_of(paint);
    cairo_save(cairo);
    cairo_rectangle(cairo, frame.x, frame.y, frame.width, frame.height);
    cairo_clip(cairo);
}

static void paint_unclip(Paint *paint) {
    cairo_restore(cairo_of(paint));
}

static cairo_status_t collect_bytes(void *closure, const unsigned char *bytes, unsigned length) {
    Str *out = closure;
    str_add_bytes(out, (const char *)bytes, length);
    return out->failed ? CAIRO_STATUS_NO_MEMORY : CAIRO_STATUS_SUCCESS;
}

/* ---- dates and sizes in the files ---------------------------------------------------------------------------------
 */

/* SOURCE_DATE_EPOCH (reproducible-builds.org) as ISO 8601, empty where there is none. */
static void source_date(char out[40]) {
    const char *epoch = getenv("SOURCE_DATE_EPOCH");
    uint64_t seconds;
    struct tm parts;
    *out = '\0';
    if (!epoch || !text_to_u64(epoch, &seconds) || seconds > 253402300799) return; /* the year 9999 */
    const time_t time = (time_t)seconds;
    if (gmtime_r(&time, &parts)) strftime(out, 40, "%Y-%m-%dT%H:%M:%S+00", &parts);
}

/* Cairo 1.16 writes "(20010203040506+00')" for this date, without the "D:" that PDF demands: "(D:20010203040506Z) " is
 * as long, so that the file's table of offsets stays true. Later versions may write it rightly themselves. */
static void mend_date(Str *out) {
    static const char key[] = "/CreationDate (";
    enum { DIGITS = 14 };
    char *at = out->length > 0 ? memmem(out->text, out->length, key, sizeof key - 1) : NULL;
    if (!at) return;
    at += sizeof key - 1;
    if ((size_t)(out->text + out->length - at) < DIGITS + 5 || memcmp(at + DIGITS, "+00')", 5) != 0) return;
    memmove(at + 2, at, DIGITS);
    memcpy(at, "D:", 2);
    memcpy(at + 2 + DIGITS, "Z) ", 3);
}

static void add_big_endian(Str *out, uint32_t value) {
    const unsigned char bytes[4] = {(unsigned char)(value >> 24), (unsigned char)(value >> 16),
                                    (unsigned char)(value >> 8), (unsigned char)value};
    str_add_bytes(out, (const char *)bytes, 4);
}

/* The check of PNG's chunks (ISO 3309). */
static uint32_t crc_of(const char *bytes, size_t length) {
    uint32_t crc = 0xffffffff;
    for (size_t i = 0; i < length; i++) {
        crc ^= (unsigned char)bytes[i];
        for (int bit = 0; bit < 8; bit++) crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
    }
    return ~crc;
}

/* A PNG with its pixels per metre, in a chunk behind the header, which cairo does not write. */
static void add_png(const Str *png, double dpi, Str *out) {
    enum { HEADER = 33 }; /* signature and IHDR */
    Str chunk = {0};
    str_add(&chunk, "pHYs");
    for (int axis = 0; axis < 2; axis++) add_big_endian(&chunk, (uint32_t)lround(dpi / 0.0254));
    str_add_bytes(&chunk, "\1", 1); /* metres */
    str_add_bytes(out, png->text, HEADER);
    add_big_endian(out, (uint32_t)chunk.length - 4);
    str_add_bytes(out, str_text(&chunk), chunk.length);
    add_big_endian(out, crc_of(str_text(&chunk), chunk.length));
    str_add_bytes(out, png->text + HEADER, png->length - HEADER);
    if (chunk.failed) out->failed = true;
    str_done(&chunk);
}

/* Cairo's pixels are words: 0x00RRGGBB. */
static void add_pixels(cairo_surface_t *surface, Str *out) {
    cairo_surface_flush(surface);
    const unsigned char *rows = cairo_image_surface_get_data(surface);
    const int width = cairo_image_surface_get_width(surface), height = cairo_image_surface_get_height(surface),
              stride = cairo_image_surface_get_stride(surface);
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x++) {
            uint32_t word;
            memcpy(&word, rows + (size_t)y * (size_t)stride + 4 * (size_t)x, 4);
            const char pixel[3] = {(char)(word >> 16), (char)(word >> 8), (char)word};
            str_add_bytes(out, pixel, 3);
        }
}

/* ---- files ------------------------------------------------------------------------------------------------------- */

static cairo_surface_t *new_surface(PaintFormat format, Page page, const char *title, double scale, Str *out) {
    char date[40];
    if (paint_has_pixels(format)) {
        return cairo_image_surface_create(CAIRO_FORMAT_RGB24, (int)lround(page.width * scale),
                                          (int)lround(page.height * scale));
    }
    cairo_surface_t *surface =
        cairo_pdf_surface_create_for_stream(collect_bytes, out, page.width * scale, page.height * scale);
    source_date(date);
    cairo_pdf_surface_set_metadata(surface, CAIRO_PDF_METADATA_TITLE, title);
    cairo_pdf_surface_set_metadata(surface, CAIRO_PDF_METADATA_CREATOR, "weft " WEFT_VERSION);
    cairo_pdf_surface_set_metadata(surface, CAIRO_PDF_METADATA_CREATE_DATE, date); /* "": none */
    return surface;
}

bool paint_cairo(PaintFormat format, Page page, const char *title, DrawFigure *draw, const void *context, Str *out,
                 Error *err) {
    static const PaintOps ops = {paint_line, paint_polyline, paint_rectangle, paint_text, paint_clip, paint_unclip};
    double scale = page.unit * (paint_has_pixels(format) ? page.dpi : 72); /* points an inch */
    Str bytes = {0};
    cairo_surface_t *surface = new_surface(format, page, title, scale, &bytes);
    CairoPaint paint = {{&ops}, cairo_create(surface)};
    cairo_scale(paint.cairo, scale, scale);
    cairo_set_source_rgb(paint.cairo, 1, 1, 1);
    cairo_paint(paint.cairo);
    draw(context, &paint.paint);
    cairo_status_t status = cairo_status(paint.cairo);
    cairo_destroy(paint.cairo);
    if (status == CAIRO_STATUS_SUCCESS && format == PAINT_PNG) {
        status = cairo_surface_write_to_png_stream(surface, collect_bytes, &bytes);
    }
    if (status == CAIRO_STATUS_SUCCESS && format == PAINT_PIXELS) add_pixels(surface, &bytes);
    cairo_surface_finish(surface);
    if (status == CAIRO_STATUS_SUCCESS) status = cairo_surface_status(surface);
    cairo_surface_destroy(surface);
    if (status == CAIRO_STATUS_SUCCESS && !bytes.failed) {
        mend_date(&bytes);
        if (format == PAINT_PNG)
            add_png(&bytes, page.dpi, out);
        else
            str_add_bytes(out, bytes.text, bytes.length);
    }
    const bool whole = str_ok(&bytes, err) && str_ok(out, err);
    str_done(&bytes);
    if (!whole) return false;
    if (status == CAIRO_STATUS_SUCCESS) return true;
    return error_set(err, status == CAIRO_STATUS_NO_MEMORY ? STATUS_LIMIT : STATUS_FAILED, "chart: %s",
                     cairo_status_to_string(status));
}
