/* figure -- a chart laid out on paper: margins, axes, legend, and the kinds (inside chart). */
#ifndef WEFT_CHART_FIGURE_H
#define WEFT_CHART_FIGURE_H

#include "chart/layout.h"
#include "chart/model.h"
#include "chart/paint.h"

#define FIGURE_TITLE 20.0
#define FIGURE_LABEL 15.0
#define FIGURE_TICK 13.0
#define FIGURE_NOTE 12.0
#define FIGURE_MARGIN 24.0
#define FIGURE_LEAST 20.0
#define FIGURE_BELOW 26.0 /* for ticks and their texts below the plot */

extern const Rgb figure_ink, figure_grey, figure_pale; /* texts; axes and notes; grid lines */

/* What is being drawn; the kinds shrink `plot` by what their axes need. */
typedef struct Figure {
    Paint *paint;
    Page page;
    const Chart *chart;
    const ChartView *view;
    const Contours *contours; /* HEATMAP: the lines of the view; NULL: none */
    double spare;             /* of the plot's height, below it, where equal axes, kernels or pictures leave some */
    double *left_over;        /* where figure_draw tells `spare`; NULL: nowhere */
    Frame plot;               /* at least FIGURE_LEAST on each side */
} Figure;

void figure_draw(const void *context, Paint *paint); /* context: a Figure without paint */
/* As chart_bytes, in a format. */
bool figure_bytes(const Chart *chart, const ChartView *view, const ChartPage *page, PaintFormat format, Str *out,
                  Error *err);

void figure_line(const Figure *figure, double x0, double y0, double x1, double y1, Rgb colour, double width);
void figure_text(const Figure *figure, double x, double y, const char *text, double size, Anchor anchor, Rgb colour);
/* As much of `text` as fits into `room`, with an ellipsis. */
void figure_fitted(const Figure *figure, double x, double y, const char *text, double room, TextStyle style);
void figure_mark(const Figure *figure, size_t series, Point at, double size); /* each series has its own shape */

/* The plot's axes. Ticks across: texts below; up: texts to the left. `grid` draws pale lines through the plot. */
void figure_ticks_across(Scale scale, double width, Ticks *ticks);
void figure_ticks_up(Scale scale, double height, Ticks *ticks);
double ticks_width(const Ticks *ticks);
void figure_axis_across(const Figure *figure, Scale scale, const Ticks *ticks, bool grid);
void figure_axis_up(const Figure *figure, Scale scale, const Ticks *ticks, bool grid);
void figure_axis_right(const Figure *figure, Scale scale, const Ticks *ticks); /* texts to the right; no grid */
void figure_labels(const Figure *figure, const char *x, const char *y);
/* Names in the margins, centred on their places, thinned to what can be read. */
void figure_names_left(const Figure *figure, const Axis *axis, Scale scale, double room);
void figure_names_below(const Figure *figure, const Axis *axis, Scale scale, bool upwards);
bool names_fit_below(const Axis *axis, Scale scale, double width);
double names_width(const Axis *axis, Scale scale, TextAdvance *advance);
TextAdvance tick_advance, note_advance; /* in the type of ticks, of notes */

/* Takes room from the plot's sides. */
void figure_margins(Figure *figure, double left, double right, double below);
/* Shrinks the plot so that one unit is as long on both axes; it keeps its top left corner. */
void figure_equal(Figure *figure, Scale x, Scale y);

double figure_x(const Figure *figure, Scale scale, double value);
double figure_y(const Figure *figure, Scale scale, double value);

/* The marks in view and the positions of their labels, in the plot's units from its top left corner; drawing them. */
size_t figure_marks_place(const Figure *figure, SpotHides *hides, const void *context, MarkSpot out[CHART_MARKS_MAX]);
void figure_marks(const Figure *figure, const MarkSpot *marks, size_t count);
/* Contour lines, interrupted at their labels, which avoid `marks`; and the levels across the colour bar. */
void figure_contours(const Figure *figure, const MarkSpot *marks, size_t mark_count);
void figure_bar_levels(const Figure *figure, Scale scale, Frame bar);

/* Parts of series, against these axes: bands, error bars (whiskers), stars, filled bins and their outlines. */
void figure_band(const Figure *figure, size_t s, bool edges, Scale x, Scale y); /* its area, or its edges */
void figure_error_bars(const Figure *figure, size_t s, Scale x, Scale y);
void figure_whisker(const Figure *figure, Point low, Point high, Rgb colour); /* level or upright, with its caps */
void figure_flags(const Figure *figure, size_t s, Scale x, Scale y);
void figure_bins(const Figure *figure, size_t s, Scale x, Scale y);
void figure_steps(const Figure *figure, size_t s, Scale x, Scale y);

void figure_bars(Figure *figure);
void figure_lines(Figure *figure); /* LINES, SCATTER, HISTOGRAM */
void figure_heatmap(Figure *figure);
void figure_kernels(Figure *figure);
void figure_pictures(Figure *figure);

#endif
