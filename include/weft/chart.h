/* chart -- Chart = Table + encoding. One model without cells or pixels; renderers for text (also the ncurses viewer's),
 * SVG, PNG and PDF draw it. */
#ifndef WEFT_CHART_H
#define WEFT_CHART_H

#include "weft/base/error.h"
#include "weft/base/table.h"
#include "weft/base/text.h"

/* bars: one bar a row, signed; x: a text column, y: 1 or more numeric columns (grouped). lines: x numeric, y: several
 * columns, or one column split by the text column `series`. heatmap: x, y numeric or text columns; value: numeric;
 * colour bar. kernels: a grid of k x k heat maps; columns filter, channel, row, column, weight; the text column
 * `series` splits them into panels side by side with one colour scale. histogram: how many values of the columns y (or
 * of y[0], split by `series`) lie in each of a row of equal bins; where `low` and `high` are given, every row is a bin
 * from low to high and y are the heights. scatter: as lines, but points that are not joined. pictures: images with
 * captions, in rows; x and y: columns with a pixel's column and row, from 0; series: the text column with the caption,
 * whose parts between "; " have lines of their own; the colours as for a `picture`. */
#define CHART_KINDS(X) \
    X(BARS, "bars")    \
    X(LINES, "lines")  \
    X(HEATMAP, "heatmap") X(KERNELS, "kernels") X(HISTOGRAM, "histogram") X(SCATTER, "scatter") X(PICTURES, "pictures")
typedef enum ChartKind {
#define X(name, text) CHART_##name,
    CHART_KINDS(X)
#undef X
} ChartKind;

enum {
    CHART_SERIES_MAX = 12,
    CHART_NAME_MAX = 64,
    CHART_MARKS_MAX = 8,
    CHART_REFERENCES_MAX = 2,
    CHART_CONTOURS_MAX = 20,
    CHART_BINS_MAX = 1000,
    CHART_BINS_USUAL = 100
};

/* A point marked and labelled, in data units (categories: index from 0). */
typedef struct ChartMark {
    double x, y;
    char label[CHART_NAME_MAX];
} ChartMark;

/* The height of the dotted line where `column` is the one drawn. */
typedef struct ChartReference {
    char column[CHART_NAME_MAX];
    double value;
} ChartReference;

/* How a table becomes a chart: column names. Copyable; empty strings mean "none" or "by default". */
typedef struct Encoding {
    ChartKind kind;
    char title[128];
    char x[CHART_NAME_MAX];
    char y[CHART_SERIES_MAX][CHART_NAME_MAX];      /* columns, up to the first empty one */
    char legend[CHART_SERIES_MAX][CHART_NAME_MAX]; /* what the legend calls the columns y; empty: by their words */
    char series[CHART_NAME_MAX];                   /* BARS, LINES, SCATTER, HISTOGRAM: text column that splits y[0] into
                                                      series; KERNELS: into panels */
    char value[CHART_NAME_MAX];                    /* HEATMAP */
    char y2[CHART_NAME_MAX]; /* LINES: one more column, against a separate linear axis on the right; cannot be combined
                                with `series` */
    char low[CHART_NAME_MAX],
        high[CHART_NAME_MAX]; /* BARS, LINES, SCATTER: numeric columns with the ends of an interval of y[0], in its
                                 units; both or neither; a row without one of the two has no interval */
    char deviation[CHART_NAME_MAX]; /* the same, as a numeric column: y[0] minus and plus it; not with low and high */
    bool error_bars; /* LINES: intervals are drawn as error bars, else as a band; other kinds always have bars */
    char flag[CHART_NAME_MAX]; /* BARS, LINES, SCATTER: text column; values of y[0] whose cell is not empty are marked
                                  with a star */
    unsigned bins; /* HISTOGRAM: this many, up to CHART_BINS_MAX; 0: by the rule of Freedman and Diaconis (1981), width
                      2 IQR / n^(1/3), but at most CHART_BINS_USUAL */
    bool share;    /* HISTOGRAM: heights are shares of the series' finite values in %, else counts */
    bool log_x, log_y;
    bool y_names; /* HEATMAP: values of y are names, running downwards in the table's order (rows of an image) */
    bool picture; /* HEATMAP: cells are square pixels. Files use their own colours: the columns red, green and blue, or
                     `value` as grey, from 0 to 255 */
    unsigned across; /* PICTURES: how many belong together in a row, or a multiple of it; 0: as many as fit */
    bool diverging;  /* colours centred on 0 (differences, weights) */
    double range_low, range_high; /* HEATMAP, KERNELS: the values of the first and the last colour, low < high; what is
                                     beyond has the last colour. NaN, each: from the data */
    bool numbers;                 /* HEATMAP: cells show their numbers where all fit; encoding_new sets it */
    bool equal;        /* HEATMAP, LINES, SCATTER of two numeric axes: one unit is as long on both, in files and text */
    bool log_value;    /* HEATMAP: colours on a log scale, values <= 0 are gaps; cannot be combined with `diverging` */
    unsigned contours; /* HEATMAP of two numeric axes: this many levels, evenly spaced strictly between the least and
                          the greatest value (log_value: in the logarithm); 0 to CHART_CONTOURS_MAX, 0: none */
    char where[CHART_NAME_MAX],
        where_text[CHART_NAME_MAX]; /* only the rows in which this column has this text; the title names it */
    double reference;               /* dotted line at this y; NaN: none */
    char reference_label[CHART_NAME_MAX];
    ChartReference
        references[CHART_REFERENCES_MAX]; /* for columns that may be drawn later; up to the first empty one */
    ChartMark marks[CHART_MARKS_MAX];     /* HEATMAP, LINES (left axis); those outside the view are not drawn */
    unsigned mark_count;
} Encoding;
/* Everything off: no names, reference and colour range NaN; only `numbers` is on. */
Encoding encoding_new(ChartKind kind);
/* A sensible encoding for any table: first text column against first numeric ones as bars, or first numeric against the
 * others as lines. false if the table has no numeric column. */
bool encoding_guess(const Table *table, Encoding *out);

/* The model: series, ranges, ticks, colours. Opaque; it keeps what it needs of the table. STATUS_USAGE names a missing
 * or non-numeric column. */
typedef struct Chart Chart;
Chart *chart_new(const Table *table, const Encoding *encoding, Error *err);
void chart_free(Chart *chart);

/* What is in view, and what the viewer changes. */
typedef struct ChartView {
    double x0, x1, y0, y1; /* data units (bars and categories: index from 0); log axes in data units, not exponents */
    bool log_x, log_y;
    int series;        /* the series the cursor is on, -1 none */
    double cursor;     /* x of the cursor in data units, NaN: none */
    double cursor_y;   /* y of the cursor, on the right axis where the series is; BARS: unused */
    unsigned contours; /* HEATMAP: levels drawn, as in the encoding */
} ChartView;
ChartView chart_view(const Chart *chart);      /* everything in view */
bool chart_takes_contours(const Chart *chart); /* a HEATMAP of two numeric axes */
size_t chart_series_count(const Chart *chart);
const char *chart_series_name(const Chart *chart, size_t series); /* "accuracy (right)" on the second axis */
const Encoding *chart_encoding(const Chart *chart);
/* Moves the cursor of the view to the nearest data point at least one step in direction (dx, dy) and returns it in the
 * view; zooms by a factor around the cursor (or centre); pans by a fraction of the span. */
void chart_cursor_move(const Chart *chart, ChartView *view, int dx, int dy);
void chart_zoom(const Chart *chart, ChartView *view, double factor);
void chart_pan(const Chart *chart, ChartView *view, double dx, double dy);
/* The read-out at the cursor: "layer2.0.conv1  s_ratio 0.8123", the values of all series there (the cursor's own one
 * first, with its interval), and the label of a mark at this point. */
void chart_readout(const Chart *chart, const ChartView *view, Str *out);

/* ---- text -------------------------------------------------------------------------------------------------------- */

/* TRUE: 24 bits. */
typedef enum ChartColours { COLOURS_NONE, COLOURS_8, COLOURS_16, COLOURS_256, COLOURS_TRUE } ChartColours;
enum { COLOUR_RGB = 1 << 24 }; /* added to 0xRRGGBB */
/* One character cell; colours are xterm-256 indices, with COLOURS_TRUE also COLOUR_RGB + 0xRRGGBB, -1 the terminal's
 * own. */
typedef struct ChartCell {
    char glyph[5]; /* UTF-8, NUL-terminated */
    int32_t foreground, background;
    bool bold;
} ChartCell;
/* Where the data lie in the cells, so that a pointer finds them. BARS and KERNELS are shown from `left` and `top` on,
 * in units of a bar's place or a kernel. */
typedef struct ChartPlot {
    int x, y, width, height;         /* cells; width 0: not known */
    double left, top, across, down;  /* BARS, KERNELS: the units at the edge, and those that a cell is wide and high */
    bool downwards;                  /* BARS: they are rows, one below the other */
    size_t shown_across, shown_down; /* KERNELS: how many are drawn */
    double gap_across, gap_down;     /* KERNELS: the blank end of a unit, as a share of it */
    int pitch;                       /* KERNELS: columns from one panel to the next; 0: one panel */
} ChartPlot;
typedef struct ChartGrid {
    unsigned width, height;
    ChartCell *cells; /* height x width, row-major */
    ChartPlot plot;
} ChartGrid;
/* Draws the chart into width x height cells: title, axes with ticks and units, legend or colour bar. Any size from 1 x
 * 1 works; parts that do not fit are omitted. ascii: only 7-bit glyphs. Without colours, series differ by glyph. */
bool chart_grid(const Chart *chart, const ChartView *view, unsigned width, unsigned height, bool ascii,
                ChartColours colours, ChartGrid *out, Error *err);
void chart_grid_done(ChartGrid *grid);
/* Moves the cursor to what is drawn nearest to this cell; false (and nothing changes) outside of the plot. */
bool chart_cursor_at(const Chart *chart, ChartView *view, const ChartPlot *plot, int column, int row);
/* Puts what lies between two cells into view; false (and nothing changes) unless both axes are numbers and both cells
 * in the plot. */
bool chart_zoom_to(const Chart *chart, ChartView *view, const ChartPlot *plot, const int from[2], const int to[2]);
/* BARS: of the bars in view, those from the first on that fit as rows with their names into `height` rows. Others: all.
 * True if the view changed. */
bool chart_view_rows(const Chart *chart, ChartView *view, unsigned height);
/* KERNELS: moves the view by so many kernels that the cursor is among those that were drawn. True if it did. */
bool chart_view_follow(const Chart *chart, ChartView *view, const ChartPlot *plot);
/* The grid as lines of text with SGR escapes (none for COLOURS_NONE), trailing blanks cut. */
void chart_grid_text(const ChartGrid *grid, ChartColours colours, Str *out);

/* ---- pictures in the terminal ------------------------------------------------------------------------------------ */

#define CHART_GRAPHICS(X) X(AUTO, "auto") X(SIXEL, "sixel") X(KITTY, "kitty") X(OFF, "off")
typedef enum ChartGraphics {
#define X(name, text) GRAPHICS_##name,
    CHART_GRAPHICS(X)
#undef X
} ChartGraphics;

/* Where a picture is shown. */
typedef struct ChartScreen {
    ChartGraphics how;                /* SIXEL or KITTY */
    bool tmux;                        /* between weft and a terminal that knows kitty's protocol */
    unsigned columns, rows;           /* cells of the picture */
    unsigned cell_width, cell_height; /* pixels */
} ChartScreen;
/* Appends the chart as a picture, drawn as a PNG file is (dark on white, so that dark and light terminals show it
 * alike), with type about as high as the terminal's, and a line break after it. STATUS_USAGE: too few cells for a
 * figure. */
bool chart_graphics(const Chart *chart, const ChartView *view, const ChartScreen *screen, Str *out, Error *err);

const char *chart_sixel_version(void); /* of the library that makes sixel graphics */

/* A picture in cells: `pixels` are channels x height x width bytes; three channels are red, green and blue, for other
 * numbers of channels the mean is drawn as grey. With 256 colours a cell shows two pixels, one above the other (ascii:
 * a pixel is two coloured blanks); else a pixel is two characters of a ramp, denser where it is lighter. A picture
 * wider than `columns` is reduced by averaging, equally in both directions. */
bool picture_grid(const uint8_t *pixels, unsigned channels, unsigned height, unsigned width, unsigned columns,
                  bool ascii, ChartColours colours, ChartGrid *out, Error *err);

/* Rows that suit a compact chart `width` columns wide printed under a table. */
unsigned chart_height(const Chart *chart, unsigned width);
/* The height below which it says less: a few bars keep a row each, other charts shrink to 10 lines. */
unsigned chart_height_least(const Chart *chart, unsigned width);

/* ---- files ------------------------------------------------------------------------------------------------------- */

/* The size of a file. Zeros mean the default. */
typedef struct ChartPage {
    double width, height; /* inches, 1 to 100; default 10 x 6, kernels and pictures only as high as they are */
    double dpi;           /* PNG: pixels an inch, which the file says; default 200 */
    double font; /* points: size of the axes' names; everything else (ticks 0.87, heading 1.33, lines, marks) is
                    scaled with it; default 10.8 */
} ChartPage;

/* What the extension of a file's name asks for: a chart, or the rows of its table in a format. */
typedef struct FileForm {
    const char *extension; /* ".svg", with its dot */
    bool chart;
    TableFormat format; /* rows */
} FileForm;
const FileForm *file_form(const char *path); /* static; NULL: none of them */

/* By extension: .svg (text stays text), .png, .pdf; atomic. The same chart gives the same bytes: a PDF has the date of
 * SOURCE_DATE_EPOCH, or none. page: NULL for the default. STATUS_USAGE: another extension, or a page too small for its
 * font or too large. */
bool chart_save(const Chart *chart, const ChartView *view, const ChartPage *page, const char *path, bool overwrite,
                Error *err);
/* The bytes that chart_save would write, appended to *out. */
bool chart_bytes(const Chart *chart, const ChartView *view, const ChartPage *page, const char *path, Str *out,
                 Error *err);

#endif
