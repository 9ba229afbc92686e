/* canvas -- a chart of character cells while it is drawn (inside chart). */
#ifndef WEFT_CHART_CANVAS_H
#define WEFT_CHART_CANVAS_H

#include "chart/model.h"
#include "chart/palette.h"

typedef struct Canvas {
    ChartGrid grid;
    bool ascii;
    ChartColours colours;
} Canvas;

typedef struct Box {
    int x, y, width, height; /* in cells */
} Box;

enum { PLAIN = -1 }; /* the terminal's own colour */

ChartCell *canvas_cell(Canvas *canvas, int x, int y); /* NULL outside */
/* `glyph` or, on an ASCII canvas, `ascii`; the background stays. */
void canvas_put(Canvas *canvas, int x, int y, const char *glyph, const char *ascii, int foreground);
/* At most `room` columns of a text, an ellipsis in place of what is cut; returns the columns used. */
int canvas_text(Canvas *canvas, int x, int y, const char *text, int room, int foreground, bool bold);
/* The same, cut in the middle: the ends are what tells names of layers apart. */
int canvas_name(Canvas *canvas, int x, int y, const char *name, int room, bool bold);
int canvas_right(Canvas *canvas, int right, int y, const char *text, int room,
                 int foreground); /* ends before `right` */
int text_width(const char *text);

int canvas_series_colour(const Canvas *canvas, size_t series);

/* The mark of a series on lines, and the fill of its bars. */
const char *series_mark(const Canvas *canvas, size_t series);
const char *series_fill(const Canvas *canvas, size_t series);

/* ---- parts shared by the kinds (text_parts.c) -------------------------------------------------------------------- */

/* The legend from `x` to the right end of row y, going on in the rows below from column 0; returns the rows used. It
 * uses at most `most` rows and says how many names it left out. */
int draw_legend(Canvas *canvas, const Chart *chart, const ChartView *view, int x, int y, int most, bool fills);
int legend_width(const Chart *chart);

/* Places along an axis that are labelled. */
typedef struct Labels {
    size_t count;
    int at[TICKS_MAX]; /* cells from the start of the axis */
    char text[TICKS_MAX][TICK_TEXT];
} Labels;
/* A cell's place from a fraction: `parts` to a cell, so that ticks fall where the finest marks do. */
int cell_of(double fraction, int cells, int parts);
/* Ticks of a horizontal axis, as many as stand apart; of a vertical one, one every third row or so. */
void labels_across(Scale scale, int cells, int parts, Labels *out);
void labels_up(Scale scale, int cells, int parts, Labels *out);
/* Names of the categories in view, thinned until they stand apart; true where too few names fit, so that indices stand
 * for them. */
bool labels_names(const Axis *axis, Scale scale, int cells, Labels *out);
int labels_width(const Labels *labels);
/* The axis line with ticks in row y and the texts below it; the vertical one with texts to its left. */
void draw_axis_across(Canvas *canvas, const Labels *labels, int x, int y, int cells);
void draw_axis_up(Canvas *canvas, const Labels *labels, int x, int y, int cells, int text_columns);

/* Room that title, header, axis and footnote leave for the plot. */
typedef struct Layout {
    int header, axis, tick_labels, x_label; /* rows; -1: left out */
    Box plot;                               /* full width; the rows between */
} Layout;
enum { PARTS_AXIS = 1, PARTS_MARKS = 2, PARTS_FILLS = 4, LEAST_PLOT = 3 };
/* Draws title, header (label left, then a legend of marks or fills) and footnote, and keeps rows for the axis and for
 * x_label below it, as long as `least` rows are left for the plot. */
Layout layout_begin(Canvas *canvas, const Chart *chart, const ChartView *view, const char *label, const char *x_label,
                    int least, unsigned parts);
/* `indices`: the ticks are indices of names. */
void layout_x_label(Canvas *canvas, const Layout *layout, const char *label, bool indices);

/* ---- the kinds --------------------------------------------------------------------------------------------------- */

void text_bars(Canvas *canvas, const Chart *chart, const ChartView *view);
bool text_lines(Canvas *canvas, const Chart *chart, const ChartView *view, Error *err);
void text_heatmap(Canvas *canvas, const Chart *chart, const ChartView *view);
void text_kernels(Canvas *canvas, const Chart *chart, const ChartView *view);

#endif
