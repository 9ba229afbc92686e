/* chart_options -- the options that plot and export share: which chart of a table. Private to src/shell. */
#ifndef WEFT_SHELL_CHART_OPTIONS_H
#define WEFT_SHELL_CHART_OPTIONS_H

#include "session.h"
#include "weft/base/error.h"

#define OPTIONS_CHART                                                                                                 \
    {.name = "kind",                                                                                                  \
     .kind = ARG_CHOICE,                                                                                              \
     .value = "KIND",                                                                                                 \
     .choices = "bars|lines|heatmap|kernels",                                                                         \
     .help = "kind of chart"},                                                                                        \
        {.name = "x", .kind = ARG_COLUMN, .value = "COLUMN", .help = "column of the horizontal axis"},                \
        {.name = "y",                                                                                                 \
         .kind = ARG_COLUMN,                                                                                          \
         .value = "COLUMNS",                                                                                          \
         .help = "columns of the vertical axis, with commas between them"},                                           \
        {.name = "series", .kind = ARG_COLUMN, .value = "COLUMN", .help = "column that splits the rows into series"}, \
        {.name = "value", .kind = ARG_COLUMN, .value = "COLUMN", .help = "column that a heat map colours"},           \
        {.name = "y2",                                                                                                \
         .kind = ARG_COLUMN,                                                                                          \
         .value = "COLUMN",                                                                                           \
         .help = "one more column of lines, against an axis of its own at the right"},                                \
        {.name = "where",                                                                                             \
         .kind = ARG_TEXT,                                                                                            \
         .value = "COLUMN=VALUE",                                                                                     \
         .help = "draw only the rows in which the column reads so; COLUMN= draws all again"},                         \
        {.name = "log-x", .kind = ARG_FLAG, .help = "logarithmic horizontal axis"},                                   \
        {.name = "log-y", .kind = ARG_FLAG, .help = "logarithmic vertical axis"},                                     \
        {.name = "log-value", .kind = ARG_FLAG, .help = "logarithmic colours of a heat map"},                         \
        {.name = "linear", .kind = ARG_FLAG, .help = "no logarithmic axes and colours but those asked for"},          \
        {.name = "diverging", .kind = ARG_FLAG, .help = "colours centred on 0"},                                      \
        {.name = "contours",                                                                                          \
         .kind = ARG_INTEGER,                                                                                         \
         .value = "N",                                                                                                \
         .min = 0,                                                                                                    \
         .max = CHART_CONTOURS_MAX,                                                                                   \
         .help = "contour lines over a heat map, at so many levels"},                                                 \
        {.name = "reference", .kind = ARG_REAL, .value = "Y", .help = "dotted line at this height"},                  \
        {.name = "reference-label", .kind = ARG_TEXT, .value = "TEXT", .help = "what the dotted line is"}, {          \
        .name = "title", .kind = ARG_TEXT, .value = "TEXT", .help = "heading"                                         \
    }

/* What the options ask for, on top of the encoding that the table has; STATUS_USAGE where the kind of chart has no such
 * thing, or the table no numbers. */
bool options_chart(const Args *args, const Object *table, Encoding *out, Error *err);
/* The name of the first of them that is given, NULL: none is. */
const char *options_chart_given(const Args *args);

#endif
