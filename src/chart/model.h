/* model -- what a chart is before anything draws it (inside chart). */
#ifndef WEFT_CHART_MODEL_H
#define WEFT_CHART_MODEL_H

#include "chart/scales.h"
#include "weft/chart.h"

typedef struct Axis {
    char *label; /* "cutoff (px)"; "" where there is nothing to say */
    char *unit;
    bool category;  /* positions are indices into `names` */
    bool integer;   /* numbers without decimals */
    char **names;   /* category: `count` of them, escaped for terminals */
    double *values; /* HEATMAP with numbers: `count` distinct ones, increasing */
    size_t count;
    double low, high;      /* of the finite data; low > high where there is none */
    double least_positive; /* INFINITY where there is none */
} Axis;

typedef struct Series {
    char *name, *unit;
    bool integer;
    size_t count;
    double *x, *y; /* BARS: y[category]; LINES: sorted by x. y may be NaN or infinite: a gap */
} Series;

struct Chart {
    Encoding encoding;
    char *title; /* escaped for terminals */
    char *reference_label;
    Axis x, y, value; /* value: HEATMAP, KERNELS */
    Series series[CHART_SERIES_MAX];
    size_t series_count;
    double *grid;                   /* HEATMAP, KERNELS: grid_rows x grid_columns, NaN where nothing is known */
    size_t grid_rows, grid_columns; /* HEATMAP: y.count x x.count; KERNELS: all weights of all kernels */
    size_t kernel_rows, kernel_columns;
    bool wrapped; /* KERNELS of one channel: rows of filters, not a row a filter */
    size_t missing, infinite, repeated;
};

/* ---- building (names.c, model.c, model_grid.c) ------------------------------------------------------------------- */

/* Texts and their order of first appearance. */
typedef struct Names {
    char **text;
    size_t count, capacity;
    uint32_t *slots; /* open addressing: index + 1, 0 empty */
    size_t slot_count;
} Names;
bool names_add(Names *names, const char *text, size_t *index, Error *err); /* finds it, or adds a copy */
void names_done(Names *names);

bool model_grid(Chart *chart, const Table *table, Error *err);    /* HEATMAP */
bool model_kernels(Chart *chart, const Table *table, Error *err); /* KERNELS */

/* STATUS_USAGE where there is no such column, or (numeric) it holds text. */
const Column *model_column(const Table *table, const char *name, bool numeric, Error *err);
double column_number(const Column *column, size_t row); /* NaN for text */
bool axis_label(Axis *axis, const Column *column, Error *err);
void axis_note(Axis *axis, double value);       /* widens the range by a finite value */
char *clean_text(const char *text, Error *err); /* a copy that is safe on a terminal */
bool count_gap(Chart *chart, double value);     /* true (and counted) where the value is not finite */

/* ---- asking ------------------------------------------------------------------------------------------------------ */

/* The scales in view. KERNELS and categories: positions from -0.5. */
Scale view_x(const Chart *chart, const ChartView *view);
Scale view_y(const Chart *chart, const ChartView *view);
/* Colours: the data's range, symmetric about 0 where diverging. */
Scale value_scale(const Chart *chart);
bool x_is_numeric(const Chart *chart);
bool y_is_numeric(const Chart *chart);
/* "2 values missing, 1 infinite, 3 values <= 0 not on the log axis"; empty where there is nothing to say. */
void chart_footnote(const Chart *chart, const ChartView *view, Str *out);
/* A value as the read-out shows it, with its unit. */
void value_text(double value, const char *unit, bool integer, Str *out);
/* The decimals all bars of a chart are labelled with. */
int bar_decimals(const Chart *chart);

/* HEATMAP, KERNELS: where column (or row) i begins on the axis; i == count: where the last one ends. */
double grid_edge(const Axis *axis, size_t i, bool log);
/* The cell at a place, false outside; KERNELS: see chart.h's view. */
bool grid_index(const Axis *axis, double at, bool log, size_t *index);

/* KERNELS: place (in kernels from -0.5) of the weight in grid column or row i, and the reverse. */
double kernel_place(size_t i, size_t size);
bool kernel_index(double at, size_t size, size_t count, size_t *index);

#endif
