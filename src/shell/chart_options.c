/* chart_options -- y2, where, log-value and contours, for plot and export alike. */
#include "chart_options.h"

#include <stdio.h>
#include <string.h>

const char *options_chart_given(const Args *args) {
    if (args_text(args, "y2")) return "y2";
    if (args_flag(args, "log-value")) return "log-value";
    return args_text(args, "where") ? "where" : args_text(args, "contours") ? "contours" : NULL;
}

static bool choose_rows(const char *text, Encoding *encoding, Error *err) {
    const char *equals = strchr(text, '=');
    if (!equals) return error_set(err, STATUS_USAGE, "--where needs COLUMN=VALUE, not '%s'", text);
    snprintf(encoding->where, sizeof encoding->where, "%.*s", equals[1] ? (int)(equals - text) : 0, text);
    snprintf(encoding->where_text, sizeof encoding->where_text, "%s", equals + 1);
    return true;
}

bool options_chart(const Args *args, Encoding *encoding, Error *err) {
    bool lines = encoding->kind == CHART_LINES, heat = encoding->kind == CHART_HEATMAP;
    if (args_text(args, "y2") && !lines)
        return error_set(err, STATUS_USAGE, "--y2: only lines have a second axis (--kind lines)");
    if (args_flag(args, "log-value") && !heat)
        return error_set(err, STATUS_USAGE, "--log-value: only heat maps have a scale of colours (--kind heatmap)");
    if (args_text(args, "contours") && !heat)
        return error_set(err, STATUS_USAGE, "--contours: only heat maps have contour lines (--kind heatmap)");
    if (args_text(args, "y2")) snprintf(encoding->y2, sizeof encoding->y2, "%s", args_text(args, "y2"));
    if (args_text(args, "where") && !choose_rows(args_text(args, "where"), encoding, err)) return false;
    if (args_flag(args, "log-value")) encoding->log_value = true;
    if (args_text(args, "contours")) encoding->contours = (unsigned)args_integer(args, "contours");
    return true;
}
