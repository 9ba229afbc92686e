/* paint_svg -- SVG 1.1; text stays text. */
#include "chart/paint.h"

#include <math.h>
#include <stdio.h>

#include "weft/base/error.h"
#include "weft/base/text.h"

typedef struct SvgPaint {
    Paint paint;
    Str *out;
    unsigned clips;
} SvgPaint;

static Str *out_of(Paint *paint) {
    return ((SvgPaint *)(void *)paint)->out;
}

/* Two decimals at most, no trailing zeros. */
static void add_number(Str *out, double value) {
    char text[32];
    if (!(fabs(value) < 1e6)) value = value < 0 ? -1e6 : 1e6;
    double rounded = floor(value * 100 + 0.5) / 100;
    int length = snprintf(text, sizeof text, "%.2f", rounded == 0 ? 0 : rounded);
    while (text[length - 1] == '0') length--;
    if (text[length - 1] == '.') length--;
    str_add_bytes(out, text, (size_t)length);
}

static void add_attribute(Str *out, const char *name, double value) {
    str_addf(out, " %s=\"", name);
    add_number(out, value);
    str_add(out, "\"");
}

static void add_length(Str *out, const char *name, double inches) {
    str_addf(out, " %s=\"", name);
    add_number(out, inches);
    str_add(out, "in\"");
}

static void add_colour(Str *out, const char *name, Rgb colour) {
    str_addf(out, " %s=\"#%02x%02x%02x\"", name, colour.red, colour.green, colour.blue);
}

static void add_pen(Str *out, Pen pen) {
    add_colour(out, "stroke", pen.colour);
    add_attribute(out, "stroke-width", pen.width);
    if (pen.dotted) str_addf(out, " stroke-dasharray=\"2 4\"");
}

static void add_escaped(Str *out, const char *text) {
    for (; *text; text++) {
        if (*text == '&')
            str_add(out, "&amp;");
        else if (*text == '<')
            str_add(out, "&lt;");
        else if (*text == '>')
            str_add(out, "&gt;");
        else
            str_add_bytes(out, text, 1);
    }
}

static void svg_line(Paint *paint, Point from, Point to, Pen pen) {
    Str *out = out_of(paint);
    str_add(out, "<line");
    add_attribute(out, "x1", from.x);
    add_attribute(out, "y1", from.y);
    add_attribute(out, "x2", to.x);
    add_attribute(out, "y2", to.y);
    add_pen(out, pen);
    str_add(out, "/>\n");
}

static void svg_polyline(Paint *paint, const Point *points, size_t count, Pen pen, const Rgb *fill) {
    Str *out = out_of(paint);
    str_add(out, fill ? "<polygon points=\"" : "<polyline points=\"");
    for (size_t i = 0; i < count; i++) {
        if (i > 0) str_add(out, " ");
        add_number(out, points[i].x);
        str_add(out, ",");
        add_number(out, points[i].y);
    }
    str_add(out, "\"");
    if (fill)
        add_colour(out, "fill", *fill);
    else
        str_add(out, " fill=\"none\" stroke-linejoin=\"round\" stroke-linecap=\"round\"");
    if (pen.width > 0) add_pen(out, pen);
    str_add(out, "/>\n");
}

static void svg_rectangle(Paint *paint, Frame frame, Rgb fill) {
    Str *out = out_of(paint);
    str_add(out, "<rect");
    add_attribute(out, "x", frame.x);
    add_attribute(out, "y", frame.y);
    add_attribute(out, "width", frame.width);
    add_attribute(out, "height", frame.height);
    add_colour(out, "fill", fill);
    str_add(out, " shape-rendering=\"crispEdges\"/>\n");
}

static void svg_text(Paint *paint, Point at, const char *text, TextStyle style) {
    static const char *const anchors[] = {"start", "middle", "end"};
    Str *out = out_of(paint);
    str_add(out, "<text");
    add_attribute(out, "x", at.x);
    add_attribute(out, "y", at.y);
    add_attribute(out, "font-size", style.size);
    add_colour(out, "fill", style.colour);
    if (style.anchor != ANCHOR_START) str_addf(out, " text-anchor=\"%s\"", anchors[style.anchor]);
    if (style.bold) str_add(out, " font-weight=\"bold\"");
    if (style.upwards) {
        str_add(out, " transform=\"rotate(-90 ");
        add_number(out, at.x);
        str_add(out, " ");
        add_number(out, at.y);
        str_add(out, ")\"");
    }
    str_add(out, ">");
    add_escaped(out, text);
    str_add(out, "</text>\n");
}

static void svg_clip(Paint *paint, Frame frame) {
    SvgPaint *svg = (SvgPaint *)(void *)paint;
    Str *out = svg->out;
    str_addf(out, "<clipPath id=\"clip%u\"><rect", svg->clips);
    add_attribute(out, "x", frame.x);
    add_attribute(out, "y", frame.y);
    add_attribute(out, "width", frame.width);
    add_attribute(out, "height", frame.height);
    str_addf(out, "/></clipPath>\n<g clip-path=\"url(#clip%u)\">\n", svg->clips++);
}

static void svg_unclip(Paint *paint) {
    str_add(out_of(paint), "</g>\n");
}

bool paint_svg(Page page, const char *title, DrawFigure *draw, const void *context, Str *out, Error *err) {
    static const PaintOps ops = {svg_line, svg_polyline, svg_rectangle, svg_text, svg_clip, svg_unclip};
    SvgPaint svg = {{&ops}, out, 0};
    str_add(out, "<svg xmlns=\"http://www.w3.org/2000/svg\"");
    add_length(out, "width", page.width * page.unit);
    add_length(out, "height", page.height * page.unit);
    str_add(out, " viewBox=\"0 0 ");
    add_number(out, page.width);
    str_add(out, " ");
    add_number(out, page.height);
    str_add(out, "\" role=\"img\" aria-labelledby=\"title\" font-family=\"'DejaVu Sans', Verdana, Helvetica, Arial, "
                 "sans-serif\">\n");
    str_add(out, "<title id=\"title\">");
    add_escaped(out, *title ? title : "Chart");
    str_add(out, "</title>\n");
    svg_rectangle(&svg.paint, (Frame){0, 0, page.width, page.height}, (Rgb){255, 255, 255});
    draw(context, &svg.paint);
    str_add(out, "</svg>\n");
    return str_ok(out, err);
}
