/* chart_options -- the settings that plot and export share: which chart of a table. Private to src/shell. */
#ifndef WEFT_SHELL_CHART_OPTIONS_H
#define WEFT_SHELL_CHART_OPTIONS_H

#include "weft/base/error.h"

#include "command.h"

#define INTERVAL_STYLES(X) X(BAND, "band") X(BARS, "bars")
typedef enum IntervalStyle {
#define X(name, text) INTERVAL_##name,
    INTERVAL_STYLES(X)
#undef X
} IntervalStyle;

/* The first member of the structs of plot and export. */
typedef struct ChartOptions {
    Object *table;
    ChartKind kind;
    IntervalStyle errors;
    const char *x, *y, *series, *value, *y2, *low, *high, *deviation, *flag, *where, *range, *reference,
        *reference_label, *title;
    bool log_x, log_y, log_value, linear, diverging, share, numbers, equal, reset;
    unsigned contours, bins;
} ChartOptions;
extern const Setting chart_settings[];

/* The table's own chart, or what `plot` made of it, with what the options change in it; STATUS_USAGE where the kind of
 * chart has no such thing, or the table no numbers. */
bool options_chart(const Args *args, const ChartOptions *options, const Object *table, Encoding *out, Error *err);
/* The range of colours from "MIN:MAX", either of which may be left out, or "auto". */
bool options_range(const char *text, Encoding *out, Error *err);
/* The name of the first of them that is given, NULL: none is. */
const char *options_chart_given(const Args *args);

#endif
