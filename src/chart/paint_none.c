/* paint_none -- a figure that is only laid out: nothing is drawn. */
#include "chart/paint.h"

static void no_line(Paint *paint, Point from, Point to, Pen pen) {
    (void)paint, (void)from, (void)to, (void)pen;
}

static void no_polyline(Paint *paint, const Point *points, size_t count, Pen pen, const Rgb *fill) {
    (void)paint, (void)points, (void)count, (void)pen, (void)fill;
}

static void no_rectangle(Paint *paint, Frame frame, Rgb fill) {
    (void)paint, (void)frame, (void)fill;
}

static void no_text(Paint *paint, Point at, const char *text, TextStyle style) {
    (void)paint, (void)at, (void)text, (void)style;
}

static void no_clip(Paint *paint, Frame frame) {
    (void)paint, (void)frame;
}

static void no_unclip(Paint *paint) {
    (void)paint;
}

void paint_nothing(DrawFigure *draw, const void *context) {
    static const PaintOps ops = {no_line, no_polyline, no_rectangle, no_text, no_clip, no_unclip};
    Paint paint = {&ops};
    draw(context, &paint);
}
