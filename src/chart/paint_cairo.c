/* paint_cairo -- PNG (twice the figure's size in pixels, for sharpness) and PDF (the figure ten inches wide). */
#include "chart/paint.h"

#include <cairo-pdf.h>
#include <cairo.h>
#include <math.h>

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

enum { PIXELS = 2 };

static cairo_surface_t *new_surface(PaintFormat format, const char *title, double scale, Str *out) {
    if (format == PAINT_PNG) {
        return cairo_image_surface_create(CAIRO_FORMAT_RGB24, PIXELS * FIGURE_WIDTH, PIXELS * FIGURE_HEIGHT);
    }
    cairo_surface_t *surface =
        cairo_pdf_surface_create_for_stream(collect_bytes, out, FIGURE_WIDTH * scale, FIGURE_HEIGHT * scale);
    cairo_pdf_surface_set_metadata(surface, CAIRO_PDF_METADATA_TITLE, title);
    cairo_pdf_surface_set_metadata(surface, CAIRO_PDF_METADATA_CREATOR, "weft " WEFT_VERSION);
    return surface;
}

bool paint_cairo(PaintFormat format, const char *title, DrawFigure *draw, const void *context, Str *out, Error *err) {
    static const PaintOps ops = {paint_line, paint_polyline, paint_rectangle, paint_text, paint_clip, paint_unclip};
    double scale = format == PAINT_PNG ? PIXELS : 720.0 / FIGURE_WIDTH; /* 72 points an inch */
    cairo_surface_t *surface = new_surface(format, title, scale, out);
    CairoPaint paint = {{&ops}, cairo_create(surface)};
    cairo_scale(paint.cairo, scale, scale);
    cairo_set_source_rgb(paint.cairo, 1, 1, 1);
    cairo_paint(paint.cairo);
    draw(context, &paint.paint);
    cairo_status_t status = cairo_status(paint.cairo);
    cairo_destroy(paint.cairo);
    if (status == CAIRO_STATUS_SUCCESS && format == PAINT_PNG) {
        status = cairo_surface_write_to_png_stream(surface, collect_bytes, out);
    }
    cairo_surface_finish(surface);
    if (status == CAIRO_STATUS_SUCCESS) status = cairo_surface_status(surface);
    cairo_surface_destroy(surface);
    if (!str_ok(out, err)) return false;
    if (status == CAIRO_STATUS_SUCCESS) return true;
    return error_set(err, status == CAIRO_STATUS_NO_MEMORY ? STATUS_LIMIT : STATUS_FAILED, "chart: %s",
                     cairo_status_to_string(status));
}
