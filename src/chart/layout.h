/* layout -- positions in a chart, for both renderers (inside chart).
 *
 * Text charts are laid out in cells, figures in points on paper. What follows is the same in both: a renderer gives its
 * measures and draws what it gets. Lengths are in its units.
 */
#ifndef WEFT_CHART_LAYOUT_H
#define WEFT_CHART_LAYOUT_H

#include "chart/model.h"

typedef double TextAdvance(const char *text); /* the width of a text */

/* ---- what is in view --------------------------------------------------------------------------------------------- */

typedef struct Span {
    size_t first, count;
} Span;
Span categories_in_view(const Axis *axis, Scale scale); /* whose middle is */
Span kernels_in_view(Scale scale, size_t count);        /* of which any part is */
double names_widest(const Axis *axis, Span span, TextAdvance *advance);
/* The fraction of the axis where bars begin: at 0, or at the edge of a log axis. */
double bars_base(Scale scale);

/* ---- axes -------------------------------------------------------------------------------------------------------- */

/* How far apart ticks are on a horizontal axis. */
typedef struct TickRule {
    size_t most; /* initial number of ticks */
    double gap;  /* between the texts of two neighbours, which are centred on their places */
    TextAdvance *half;
    double (*place)(const void *context, double value); /* position of a tick, as a fraction of `length` */
    const void *context;
    double length;
} TickRule;
/* At the measured values if all fit without overlap, else as many as do. False, and none, if not even one fits. */
bool ticks_apart(Scale scale, const TickRule *rule, Ticks *out);
/* Of a vertical axis `length` long: at the measured values if they are `gap` apart, else at most `most`; more where
 * that would be one alone. */
void ticks_upright(Scale scale, double length, double gap, size_t most, Ticks *out);

/* ---- numbers in cells -------------------------------------------------------------------------------------------- */

/* HEATMAP: cells may show their numbers, where all fit. */
bool numbers_wanted(const Chart *chart, const ChartView *view);
/* The number of a cell, "" of one without a colour. */
void number_of_cell(const Chart *chart, size_t row, size_t column, char out[TICK_TEXT]);
/* Where the middle and the ends of cell i lie on an axis, as fractions from the left or the top. */
typedef struct CellSpan {
    double from, to;
} CellSpan;
CellSpan cell_span(const Axis *axis, Scale scale, size_t i, bool upwards);

/* ---- legend ------------------------------------------------------------------------------------------------------ */

typedef struct LegendRule {
    double start;       /* of the first item */
    double left, right; /* of a row */
    double swatch, gap; /* before an item's text, and after it */
    unsigned most;      /* rows */
    TextAdvance *advance;
} LegendRule;
typedef struct Legend {
    size_t shown;  /* items, in the order of the series */
    unsigned rows; /* at least 1 */
    double x[CHART_SERIES_MAX];
    unsigned row[CHART_SERIES_MAX];
    double more_x; /* if not all are shown: position of `more` in the last row */
    char more[24]; /* "+3 more" */
} Legend;
Legend legend_place(const Chart *chart, const LegendRule *rule);
double legend_length(const Chart *chart, const LegendRule *rule); /* in one row */

/* ---- lines ------------------------------------------------------------------------------------------------------- */

/* Where a point of a series lies, as fractions of the axes; false for a gap. */
bool series_place(const Series *series, size_t i, Scale x, Scale y, double *across, double *up);

/* Which points of a series carry its mark: up to `most` in view all do; of more, some that are `spacing` apart, from
 * `start` on. A series that is alone needs no marks then. */
typedef struct MarkRule {
    size_t most;
    double spacing, start;
    bool (*place)(const void *context, size_t s, size_t i, Place *at); /* false for a gap and outside of the plot */
    void (*draw)(const void *context, size_t s, Place at);
    const void *context;
} MarkRule;
size_t points_in_view(const Chart *chart, size_t s, const MarkRule *rule);
void series_marks(const Chart *chart, size_t s, const MarkRule *rule); /* draws them */

/* Position of a reference line's label in a plot: just above or below the line, where it hides least, preferably on the
 * right. */
typedef struct ReferenceRule {
    double width, height; /* of the plot */
    double line;          /* down from its top */
    double above, below;  /* from the line to the label's top */
    double label_width, label_height;
    SpotHides *hides;
    const void *context;
} ReferenceRule;
/* False if it has no room; *hidden: how much of the data it covers. */
bool reference_place(const ReferenceRule *rule, Spot *out, size_t *hidden);

#endif
