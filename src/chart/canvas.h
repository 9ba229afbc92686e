/* canvas -- a chart of character cells while it is drawn (inside chart). */
#ifndef WEFT_CHART_CANVAS_H
#define WEFT_CHART_CANVAS_H

#include "chart/layout.h"
#include "chart/model.h"
#include "chart/palette.h"
#include "weft/base/error.h"
#include "weft/base/text.h"

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
/* The same, cut in the middle: the ends distinguish the names of layers. */
int canvas_name(Canvas *canvas, int x, int y, const char *name, const TextCut *cut, bool bold);
int canvas_right(Canvas *canvas, int right, int y, const char *text, int room,
                 int foreground); /* ends before `right` */
int text_width(const char *text);
TextAdvance cells_wide; /* the same, for layouts */

void canvas_plot(Canvas *canvas, const Box *plot); /* where the data lie, for the grid's reader */
int canvas_series_colour(const Canvas *canvas, size_t series);
/* With 256 colours and more: a colour; that of a value from 0 to 1; black or white, whichever is seen on a cell's
 * colour. */
bool canvas_shaded(const Canvas *canvas);
int canvas_colour(const Canvas *canvas, Rgb colour);
int canvas_value_colour(const Canvas *canvas, double fraction, bool diverging);
int canvas_ink(const Canvas *canvas, bool white);
int canvas_ink_on(const Canvas *canvas, int colour);

/* The mark of a series on lines, and the fill of its bars. */
const char *series_mark(const Canvas *canvas, size_t series);
const char *series_fill(const Canvas *canvas, size_t series);

/* ---- parts shared by the kinds (text_parts.c) -------------------------------------------------------------------- */

/* The legend from `x` to the right end of row y, continuing in the rows below from column 0; returns the rows used. It
 * uses at most `most` rows and prints how many names are omitted. */
int draw_legend(Canvas *canvas, const Chart *chart, const ChartView *view, int x, int y, int most, bool fills);
int legend_width(const Canvas *canvas, const Chart *chart); /* in one row */

/* Places along an axis that are labelled. */
typedef struct Labels {
    size_t count;
    int at[TICKS_MAX]; /* cells from the start of the axis */
    char text[TICKS_MAX][TICK_TEXT];
} Labels;
/* A cell's place from a fraction: `parts` to a cell, so that ticks fall where the finest marks do. */
int cell_of(double fraction, int cells, int parts);
/* Ticks of a horizontal axis, as many as fit without overlap; of a vertical one, about one every third row. */
void labels_across(Scale scale, int cells, int parts, Labels *out);
void labels_up(Scale scale, int cells, int parts, Labels *out);
/* Names of the categories in view, thinned until they fit; true if too few names fit, so that indices replace them. */
bool labels_names(const Axis *axis, Scale scale, int cells, Labels *out);
int labels_width(const Labels *labels);
/* The axis line with ticks in row y and the texts below it; the vertical one with texts to its left. */
void draw_axis_across(Canvas *canvas, const Labels *labels, int x, int y, int cells);
void draw_axis_up(Canvas *canvas, const Labels *labels, int x, int y, int cells, int text_columns);

/* The second axis: texts to its right. */
void draw_axis_right(Canvas *canvas, const Labels *labels, int x, int y, int cells);

/* The space for the plot beside title, header, axis and footnote. */
typedef struct Layout {
    int header, axis, tick_labels, x_label; /* rows; -1: left out */
    int footnote;                           /* columns of it, in the last row; 0: none */
    Box plot;                               /* full width; the rows between */
} Layout;
enum { PARTS_AXIS = 1, PARTS_MARKS = 2, PARTS_FILLS = 4, LEAST_PLOT = 3 };
/* Draws title, header (label left, then a legend of marks or fills, the second axis's label right) and footnote, and
 * keeps rows for the axis and for x_label below it, as long as `least` rows are left for the plot. */
Layout layout_begin(Canvas *canvas, const Chart *chart, const ChartView *view, const char *label, const char *x_label,
                    int least, unsigned parts);
/* `indices`: the ticks are indices of names. */
/* Shrinks the plot so that one unit is as long on both axes (a cell is twice as high as wide); it keeps its lower left
 * corner. */
void layout_equal(Layout *layout, const Chart *chart, Scale x, Scale y);
void layout_x_label(Canvas *canvas, const Layout *layout, const char *label, bool indices);

/* ---- lines of dots (text_pen.c) ---------------------------------------------------------------------------------- */

/* How points become places: `across` x `down` dots to a cell. */
typedef struct Pen {
    Canvas *canvas;
    Box plot;
    int across, down;
    Scale x, y;
    uint8_t *dots; /* braille bits of each cell of the plot; NULL: marks */
    const char *mark;
    int colour;
    uint8_t *owner; /* of each cell of the plot, where dots are collected in `dots` instead of drawn: `name` + 1 of */
    uint8_t name;   /* the last series drawn there */
} Pen;

void pen_dot(Pen *pen, int x, int y); /* counted from the plot's top left corner; outside it nothing is drawn */
/* Between two places in fractions of the plot, y upwards, cut to the plot. */
void pen_segment(Pen *pen, double x0, double y0, double x1, double y1);
/* The dot of a fraction; across from the left, up counted from the top. */
int pen_x(const Pen *pen, double fraction);
int pen_y(const Pen *pen, double fraction);
void braille(uint8_t bits, char out[4]);

/* ---- parts of series (text_series.c) ----------------------------------------------------------------------------- */

/* The intervals of a series as a band of light shade in blank cells, or as error bars; against the pen's axes. */
void draw_band(const Pen *pen, size_t s, const Series *series);
void draw_error_bars(const Pen *pen, const Series *series);
/* Whether one of them is seen beside the mark of its point, and whether one is not. */
void error_bars_seen(const Pen *pen, const Series *series, bool *seen, bool *hidden);
/* A star over (or at the plot's edge under) each flagged point, or over its error bar, so that both stay visible. */
void draw_flags(const Pen *pen, const Series *series, bool bars);
/* Every point: dots where braille is drawn and they are many, else marks. */
void draw_points(Pen *pen, const Series *series, bool many);
/* The heights of bins as one outline from the axis, or as filled columns. */
void draw_steps(Pen *pen, const Chart *chart, const Series *series);
void fill_bins(const Pen *pen, const Chart *chart, const Series *series);

/* ---- marks and contours (text_overlay.c) ------------------------------------------------------------------------- */

/* The marks in view and the positions of their labels, in cells of the plot, hiding little where `hides` counts it.
 * at(context, mark, &column, &row): false if a mark is not in view. */
typedef bool MarkCell(const void *context, unsigned mark, int *column, int *row);
size_t text_marks_place(const Chart *chart, const Box *plot, MarkCell *at, SpotHides *hides, const void *context,
                        MarkSpot out[CHART_MARKS_MAX]);
/* `on_colours`: the plot's cells are coloured, and marks must stand out from them. */
void text_marks(Canvas *canvas, const Chart *chart, const Box *plot, const MarkSpot *marks, size_t count,
                bool on_colours);

/* Contour lines: braille, or in ASCII letters of the levels ('a' is the lowest). ready(context, column, row,
 * level) makes a cell of the plot fit for a line of this value and returns the line's colour. letters: labels are
 * letters, for which there is a legend, instead of values. */
typedef int ReadyCell(const void *context, int column, int row, double level);
typedef struct ContourStyle {
    ReadyCell *ready;
    const void *context;
    bool letters;
} ContourStyle;
bool text_contours(Canvas *canvas, const Chart *chart, const ChartView *view, const Box *plot, const MarkSpot *marks,
                   size_t mark_count, ContourStyle style, Error *err);

/* ---- the kinds --------------------------------------------------------------------------------------------------- */

void text_bars(Canvas *canvas, const Chart *chart, const ChartView *view);
bool text_lines(Canvas *canvas, const Chart *chart, const ChartView *view, Error *err);
bool text_heatmap(Canvas *canvas, const Chart *chart, const ChartView *view, Error *err);
void text_kernels(Canvas *canvas, const Chart *chart, const ChartView *view);
void text_pictures(Canvas *canvas, const Chart *chart);
unsigned pictures_height(const Chart *chart, unsigned width); /* rows that text_pictures needs for all */

/* A picture in cells (picture.c): its pixels, `channel` and `pixel` bytes from one channel or pixel to the next. */
typedef struct Picture {
    const uint8_t *pixels;
    unsigned channels, height, width; /* of the image */
    size_t channel, pixel;
    unsigned rows, columns; /* of what is drawn, in pixels */
    int x, y;               /* its top left cell */
} Picture;
unsigned picture_cells(bool ascii, ChartColours colours); /* cells that a pixel is wide: 1 where two share a cell */
void picture_draw(const Picture *picture, Canvas *canvas);

#endif
