/* chart_options -- the options that plot and export share: what they add to the chart a table has. Private to
 * src/shell. */
#ifndef WEFT_SHELL_CHART_OPTIONS_H
#define WEFT_SHELL_CHART_OPTIONS_H

#include "session.h"

#define OPTIONS_CHART                                                                               \
    {.name = "y2",                                                                                  \
     .kind = ARG_COLUMN,                                                                            \
     .value = "COLUMN",                                                                             \
     .help = "one more column of lines, against an axis of its own at the right"},                  \
        {.name = "where",                                                                           \
         .kind = ARG_TEXT,                                                                          \
         .value = "COLUMN=VALUE",                                                                   \
         .help = "draw only the rows in which the column reads so; COLUMN= draws all again"},       \
        {.name = "log-value", .kind = ARG_FLAG, .help = "logarithmic colours of a heat map"}, {     \
        .name = "contours", .kind = ARG_INTEGER, .value = "N", .min = 0, .max = CHART_CONTOURS_MAX, \
        .help = "contour lines over a heat map, at so many levels"                                  \
    }

/* Sets what they ask for; STATUS_USAGE where the kind of chart has no such thing. */
bool options_chart(const Args *args, Encoding *encoding, Error *err);
/* The name of the first of them that is given, NULL: none is. */
const char *options_chart_given(const Args *args);

#endif
