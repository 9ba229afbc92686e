/* paint -- the few drawing primitives that chart files are made of, and what draws them (inside chart). */
#ifndef WEFT_CHART_PAINT_H
#define WEFT_CHART_PAINT_H

#include "chart/palette.h"
#include "weft/base/error.h"
#include "weft/base/text.h"

/* What is drawn on. Coordinates grow right and down, in units in which type has a fixed size: a larger font is a
 * smaller page. */
typedef struct Page {
    double width, height; /* units */
    double unit;          /* inches */
    double dpi;           /* PNG */
} Page;

typedef struct Point {
    double x, y;
} Point;

typedef struct Frame {
    double x, y, width, height;
} Frame;

typedef struct Pen {
    Rgb colour;
    double width;
    bool dotted;
} Pen;

typedef enum Anchor { ANCHOR_START, ANCHOR_MIDDLE, ANCHOR_END } Anchor;
typedef struct TextStyle {
    double size;
    Rgb colour;
    Anchor anchor;
    bool bold;
    bool upwards; /* turned by a quarter, reading upwards */
} TextStyle;

typedef struct Paint Paint;
typedef struct PaintOps {
    void (*line)(Paint *paint, Point from, Point to, Pen pen);
    /* fill: closed and filled, and outlined where pen.width > 0 */
    void (*polyline)(Paint *paint, const Point *points, size_t count, Pen pen, const Rgb *fill);
    void (*rectangle)(Paint *paint, Frame frame, Rgb fill);
    void (*text)(Paint *paint, Point at, const char *text, TextStyle style); /* at: on the base line */
    void (*clip)(Paint *paint, Frame frame);                                 /* until unclip; one at a time */
    void (*unclip)(Paint *paint);
} PaintOps;
struct Paint {
    const PaintOps *ops;
};

/* PIXELS: as PNG, but rows of red, green and blue bytes. */
typedef enum PaintFormat { PAINT_SVG, PAINT_PNG, PAINT_PDF, PAINT_PIXELS } PaintFormat;
static inline bool paint_has_pixels(PaintFormat format) {
    return format == PAINT_PNG || format == PAINT_PIXELS;
}
/* Calls draw(context, paint) for a blank figure and stores the file's bytes in *out. */
typedef void DrawFigure(const void *context, Paint *paint);
bool paint_svg(Page page, const char *title, DrawFigure *draw, const void *context, Str *out, Error *err);
bool paint_cairo(PaintFormat format, Page page, const char *title, DrawFigure *draw, const void *context, Str *out,
                 Error *err);

void paint_nothing(DrawFigure *draw, const void *context); /* calls draw(context, paint), for what it finds out */

/* How wide a text is set, in the same units for every format: the advances of DejaVu Sans, which few fonts exceed. */
double text_advance(const char *text, double size);

#endif
