/* model -- what a chart is before anything draws it (inside chart). */
#ifndef WEFT_CHART_MODEL_H
#define WEFT_CHART_MODEL_H

#include "chart/scales.h"
#include "weft/base/error.h"
#include "weft/base/table.h"
#include "weft/base/text.h"
#include "weft/chart.h"

typedef struct Axis {
    char *label; /* "cutoff (px)"; "" if there is nothing to report */
    char *unit;
    bool category;  /* positions are indices into `names` */
    bool integer;   /* numbers without decimals */
    char **names;   /* category: `count` of them, escaped for terminals */
    double *values; /* HEATMAP with numbers, and LINES at few places: `count` distinct ones, increasing */
    size_t count;
    double low, high;      /* of the finite data; low > high where there is none */
    double least_positive; /* INFINITY where there is none */
} Axis;

typedef struct Series {
    char *name, *unit;
    bool integer;
    bool right; /* LINES: drawn against y2 */
    size_t count;
    double *x, *y; /* BARS: y[category]; LINES, SCATTER: sorted by x; HISTOGRAM: middle and height of each bin. y may
                      be NaN or infinite: a gap */
    double *low, *high; /* ends of the interval of each y; NaN: it has none. NULL: none has one */
    bool *flag;         /* which are marked; NULL: none */
} Series;

struct Chart {
    Encoding encoding;
    char *title; /* escaped for terminals */
    char *reference_label;
    char *mark_label[CHART_MARKS_MAX];
    Axis x, y, value; /* value: HEATMAP, KERNELS */
    Axis y2;          /* LINES: the right axis; its label is NULL if there is none */
    Series series[CHART_SERIES_MAX];
    size_t series_count;
    double *edges; /* HISTOGRAM: of its bin_count bins, one more, increasing */
    size_t bin_count;
    uint8_t *colours;               /* HEATMAP that is a picture: red, green, blue of each value of the grid */
    double *grid;                   /* HEATMAP, KERNELS: grid_rows x grid_columns, NaN if nothing is known */
    size_t grid_rows, grid_columns; /* HEATMAP: y.count x x.count; KERNELS: all weights of all kernels */
    size_t kernel_rows, kernel_columns;
    bool wrapped; /* KERNELS of one channel: rows of filters, not a row a filter */
    char *
        *panels; /* KERNELS split by a column: the names of the grids, one after the other in `grid`; NULL: one.
                    PICTURES: their captions; `colours` has one after the other, grid_rows x grid_columns pixels each */
    size_t panel_count;
    size_t missing, infinite, repeated;
    size_t beyond;     /* HEATMAP, KERNELS: values outside of the range of colours that the encoding gives */
    size_t colourless; /* HEATMAP: finite values that the log scale of colours has no colour for; HISTOGRAM: that a log
                          axis has no bin for */
};

/* ---- building (names.c, axes.c, model_series.c, model_grid.c) -------------------------------------------------------
 */

/* Texts and their order of first appearance. */
typedef struct Names {
    char **text;
    size_t count, capacity;
    uint32_t *slots; /* open addressing: index + 1, 0 empty */
    size_t slot_count;
} Names;
bool names_add(Names *names, const char *text, size_t *index, Error *err); /* finds it, or adds a copy */
void names_done(Names *names);

bool model_bars(Chart *chart, const Table *table, Error *err);
bool model_lines(Chart *chart, const Table *table, Error *err); /* LINES, SCATTER */
bool model_histogram(Chart *chart, const Table *table, Error *err);
bool model_grid(Chart *chart, const Table *table, Error *err);     /* HEATMAP */
bool model_kernels(Chart *chart, const Table *table, Error *err);  /* KERNELS */
bool model_pictures(Chart *chart, const Table *table, Error *err); /* PICTURES */
/* Names the panels by the distinct texts of a column, `most` at most; `names` finds their indices again. */
bool model_panels(Chart *chart, const Column *split, size_t rows, size_t most, Names *names, Error *err);
/* The columns that colour a picture: red, green and blue, or `value` in the place of those that there are not. */
void picture_columns(const Table *table, const Column *value, const Column *out[3]);
uint8_t picture_byte(double value); /* 0 to 255; NaN: black */
/* A text, or a number as a name. */
const char *cell_name(const Column *column, size_t row, char number[TICK_TEXT]);

/* STATUS_USAGE if there is no such column, or (numeric) it holds text. */
const Column *model_column(const Table *table, const char *name, bool numeric, Error *err);
double column_number(const Column *column, size_t row); /* NaN for text */
/* "name (unit)", either of which may be empty. */
char *joined_label(const char *name, const char *unit, Error *err);
bool axis_label(Axis *axis, const Column *column, Error *err);
void axis_done(Axis *axis);
void axis_note(Axis *axis, double value);       /* widens the range by a finite value */
char *clean_text(const char *text, Error *err); /* a copy that is safe on a terminal */
bool count_gap(Chart *chart, double value);     /* true (and counted) where the value is not finite */

/* ---- asking ------------------------------------------------------------------------------------------------------ */

/* The scales in view. KERNELS and categories: positions from -0.5. */
Scale view_x(const Chart *chart, const ChartView *view);
Scale view_y(const Chart *chart, const ChartView *view);
/* The right axis, which zooms and pans with the left one, and the axis of a series. */
Scale view_y2(const Chart *chart, const ChartView *view);
Scale view_series(const Chart *chart, const ChartView *view, const Series *series);
/* Colours: the data's range, symmetric about 0 where diverging, its positive part where logarithmic. */
Scale value_scale(const Chart *chart);
/* A value of the grid; NaN if it has no colour: not finite, or <= 0 on a log scale. */
double grid_value(const Chart *chart, size_t row, size_t column);
/* The mean of what has a colour in a block (clipped to the grid), on the scale of the colours; NaN if nothing has.
 */
double grid_mean(const Chart *chart, size_t row, size_t rows, size_t column, size_t columns);
/* One unit shall be as long on both axes: it can where both are numbers, and both or none logarithms. */
bool axes_equal(const Chart *chart, Scale x, Scale y);
bool x_is_numeric(const Chart *chart);
bool y_is_numeric(const Chart *chart);
/* "2 values missing, 1 infinite, 3 values <= 0 not on the log axis"; empty if there is nothing to report. */
void chart_footnote(const Chart *chart, const ChartView *view, Str *out);
/* A value as the read-out shows it, with its unit. */
void value_text(double value, const char *unit, bool integer, Str *out);
/* The decimals all bars of a chart are labelled with. */
int bar_decimals(const Chart *chart);

/* HEATMAP, KERNELS: where column (or row) i begins on the axis; i == count: where the last one ends. */
double grid_edge(const Axis *axis, size_t i, bool log);
/* The cell at a place, false outside; KERNELS: see chart.h's view. */
bool grid_index(const Axis *axis, double at, bool log, size_t *index);

/* Position of a mark as fractions of the plot from its top left corner; false if it is not in view. */
bool mark_place(const Chart *chart, const ChartView *view, unsigned mark, double *x, double *y);

/* KERNELS: how many grids stand side by side, 1 at least, and a weight of one of them. */
size_t kernel_panels(const Chart *chart);
double kernel_weight(const Chart *chart, size_t panel, size_t row, size_t column);
/* KERNELS: place (in kernels from -0.5) of the weight in grid column or row i, and the reverse. */
double kernel_place(size_t i, size_t size);
bool kernel_index(double at, size_t size, size_t count, size_t *index);

/* ---- contours (contour.c) ---------------------------------------------------------------------------------------- */

typedef struct Place {
    double x, y; /* data units; of a layout, its own */
} Place;

/* A line of equal value: places `first` to first + count - 1 joined in turn; closed: the last one is the first one. */
typedef struct ContourPath {
    size_t first, count; /* count >= 2 */
    unsigned level;
    bool closed;
} ContourPath;

typedef struct Contours {
    unsigned level_count; /* 0 where all values are one */
    double level[CHART_CONTOURS_MAX];
    char label[CHART_CONTOURS_MAX][TICK_TEXT]; /* with enough digits to distinguish them */
    Place *places;
    ContourPath *paths;
    size_t place_count, path_count, place_capacity, path_capacity;
} Contours;

/* The levels of the view (view->contours of them) without their lines. */
void contours_levels(const Chart *chart, const ChartView *view, Contours *out);
/* Marching squares over the heat map's grid; between two values of the grid a line is placed linearly as the eye sees
 * axes and colours (in logarithms where they are logarithmic). Saddles are resolved by the mean of their four corners;
 * no line enters a square with a gap at a corner. Grids of more than 256 rows or columns are thinned to block means. */
bool contours_find(const Chart *chart, const ChartView *view, Contours *out, Error *err);
void contours_done(Contours *contours);

/* ---- labels in the plot (spots.c): any units, y downwards from the plot's top left corner ------------------------ */

typedef struct Spot {
    double x, y, width, height;
} Spot;
bool spots_overlap(Spot a, Spot b, double gap);

/* A mark's point, and the position of its label (width 0: no room). */
typedef struct MarkSpot {
    double x, y;
    Spot label;
    unsigned mark;
} MarkSpot;
/* What label placing needs to know of a plot and its type. */
typedef struct SpotSizes {
    double width, height;                     /* of the plot */
    double text_height, gap_across, gap_down; /* gaps: between a mark's point and its label */
} SpotSizes;
/* How much of the data a label would hide there. */
typedef size_t SpotHides(const void *context, Spot spot);
/* Places labels (their widths are given) right of, left of, above or below their marks, so that they cover neither a
 * mark nor each other, and little of the data (hides: NULL, no matter), where that can be. */
void spots_marks(MarkSpot *marks, size_t count, SpotSizes sizes, SpotHides *hides, const void *context);

typedef struct LevelSpot {
    Spot spot;
    unsigned level;
} LevelSpot;
enum { LEVEL_SPOTS_MAX = 48 };
/* At most one label a line, on it, where it runs flattest and other lines are far, apart from `marks` and from each
 * other. text_width: of each level's label. */
size_t spots_levels(const Contours *contours, Scale x, Scale y, SpotSizes sizes,
                    const double text_width[CHART_CONTOURS_MAX], const MarkSpot *marks, size_t mark_count,
                    LevelSpot out[LEVEL_SPOTS_MAX]);

#endif
