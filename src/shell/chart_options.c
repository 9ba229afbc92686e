/* chart_options -- which chart of a table, for both plot and export. */
#include "chart_options.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "weft/base/error.h"

const Setting chart_settings[] = {
    CHOICE(ChartOptions, kind, "kind", "KIND", CHART_KINDS, .help = "kind of chart"),
    WORD(ChartOptions, x, COLUMN, "x", "COLUMN", .help = "column of the horizontal axis"),
    WORD(ChartOptions, y, COLUMN, "y", "COLUMNS", .help = "columns of the vertical axis, separated by commas"),
    WORD(ChartOptions, series, COLUMN, "series", "COLUMN", .help = "column that splits the rows into series"),
    WORD(ChartOptions, value, COLUMN, "value", "COLUMN", .help = "column that a heat map colours"),
    WORD(ChartOptions, y2, COLUMN, "y2", "COLUMN", .help = "another column of lines, with its own axis on the right"),
    WORD(ChartOptions, where, TEXT, "where", "COLUMN=VALUE",
         .help = "draw only the rows in which the column has this value; COLUMN= draws all again"),
    FLAG(ChartOptions, log_x, "log-x", .help = "logarithmic horizontal axis"),
    FLAG(ChartOptions, log_y, "log-y", .help = "logarithmic vertical axis"),
    FLAG(ChartOptions, log_value, "log-value", .help = "logarithmic colours of a heat map"),
    FLAG(ChartOptions, linear, "linear", .help = "make axes and colours linear, except those requested"),
    FLAG(ChartOptions, diverging, "diverging", .help = "colours centred on 0"),
    INTEGER(ChartOptions, contours, "contours", "N", .max = CHART_CONTOURS_MAX,
            .help = "draw contour lines over a heat map, at N levels"),
    REAL(ChartOptions, reference, "reference", "Y", .help = "draw a dotted line at this height"),
    WORD(ChartOptions, reference_label, TEXT, "reference-label", "TEXT", .needs = "reference",
         .help = "label of the dotted line"),
    WORD(ChartOptions, title, TEXT, "title", "TEXT", .help = "heading"),
    {0}};

const char *options_chart_given(const Args *args) {
    for (const Setting *row = chart_settings; row->name; row++)
        if (args_given(args, row->name)) return row->name;
    return NULL;
}

/* "Accuracy of base" becomes "Loss of base". */
static void retitle(Encoding *encoding, const char *before, const char *now) {
    const size_t length = strlen(before);
    char rest[sizeof encoding->title];
    if (!length || strncasecmp(encoding->title, before, length) != 0) return;
    const bool capital = isupper((unsigned char)*encoding->title) != 0;
    snprintf(rest, sizeof rest, "%s", encoding->title + length);
    snprintf(encoding->title, sizeof encoding->title, "%s%s", now, rest);
    if (capital) *encoding->title = (char)toupper((unsigned char)*encoding->title);
}

/* The dotted line of the column that is drawn now. */
static void refer(Encoding *encoding) {
    encoding->reference = NAN;
    for (size_t i = 0; i < CHART_REFERENCES_MAX; i++)
        if (*encoding->references[i].column && strcmp(encoding->references[i].column, encoding->y[0]) == 0)
            encoding->reference = encoding->references[i].value;
}

/* Other columns: what was said of the old ones need not hold. */
static void choose_y(const char *columns, Encoding *encoding) {
    char before[CHART_NAME_MAX];
    snprintf(before, sizeof before, "%s", encoding->y[0]);
    memset(encoding->y, 0, sizeof encoding->y);
    for (size_t i = 0; i < CHART_SERIES_MAX && *columns; i++) {
        const size_t length = strcspn(columns, ",");
        snprintf(encoding->y[i], CHART_NAME_MAX, "%.*s", (int)length, columns);
        columns += length + (columns[length] == ',');
    }
    if (strcmp(before, encoding->y[0]) == 0 && !*encoding->y[1]) return;
    encoding->log_y = encoding->log_value = encoding->diverging = false;
    encoding->contours = encoding->mark_count = 0;
    *encoding->y2 = '\0';
    refer(encoding);
    if (encoding->kind != CHART_HEATMAP) retitle(encoding, before, encoding->y[0]);
}

static void choose_value(const char *column, Encoding *encoding) {
    if (strcmp(column, encoding->value) == 0) return;
    encoding->log_value = encoding->diverging = encoding->picture = false;
    retitle(encoding, encoding->value, column);
    snprintf(encoding->value, sizeof encoding->value, "%s", column);
}

static bool choose_rows(const char *text, Encoding *encoding, Error *err) {
    const char *equals = strchr(text, '=');
    if (!equals || equals == text) return error_set(err, STATUS_USAGE, "--where needs COLUMN=VALUE, not '%s'", text);
    if (equals - text >= CHART_NAME_MAX || strlen(equals + 1) >= CHART_NAME_MAX)
        return error_set(err, STATUS_USAGE, "--where: a column or value of more than %d bytes", CHART_NAME_MAX - 1);
    snprintf(encoding->where, sizeof encoding->where, "%.*s", equals[1] ? (int)(equals - text) : 0, text);
    snprintf(encoding->where_text, sizeof encoding->where_text, "%s", equals + 1);
    return true;
}

/* Marks and a logarithm are those of the column that was there before. */
static void choose_x(const char *column, Encoding *encoding) {
    if (strcmp(column, encoding->x) == 0) return;
    encoding->mark_count = 0;
    encoding->log_x = false;
    snprintf(encoding->x, sizeof encoding->x, "%s", column);
}

static bool choose_columns(const Args *args, const ChartOptions *o, Encoding *out, Error *err) {
    if (args_given(args, "kind")) out->kind = o->kind;
    if (o->x) choose_x(o->x, out);
    if (o->series) snprintf(out->series, sizeof out->series, "%s", o->series);
    if (o->value) choose_value(o->value, out);
    if (o->y) choose_y(o->y, out);
    if (o->y2) snprintf(out->y2, sizeof out->y2, "%s", o->y2);
    if (o->title) snprintf(out->title, sizeof out->title, "%s", o->title);
    if (o->y && *out->series && *out->y[1] && (out->kind == CHART_LINES || out->kind == CHART_BARS))
        return error_set(err, STATUS_USAGE, "--y: a chart with one series per %s draws only one column", out->series);
    return !o->where || choose_rows(o->where, out, err);
}

static bool check_kind(const Args *args, const ChartOptions *o, const Encoding *encoding, Error *err) {
    const bool lines = encoding->kind == CHART_LINES, heat = encoding->kind == CHART_HEATMAP;
    if (heat && (!*encoding->x || !*encoding->y[0] || !*encoding->value))
        return error_set(err, STATUS_USAGE, "a heat map needs three columns: --x, --y and --value");
    if (o->y2 && !lines)
        return error_set(err, STATUS_USAGE, "--y2: only line charts have a second axis (--kind lines)");
    if (o->value && !heat)
        return error_set(err, STATUS_USAGE,
                         "--value: only heat maps colour a column (--kind heatmap); other charts use --y");
    if (o->log_value && !heat)
        return error_set(err, STATUS_USAGE, "--log-value: only heat maps have a colour scale (--kind heatmap)");
    if (args_given(args, "contours") && !heat)
        return error_set(err, STATUS_USAGE, "--contours: only heat maps have contour lines (--kind heatmap)");
    return true;
}

bool options_chart(const Args *args, const ChartOptions *o, const Object *object, Encoding *out, Error *err) {
    *out = object->encoding;
    if (!object->plots && !encoding_guess(object->table, out))
        return error_set(err, STATUS_USAGE, "'%s' has no numbers to draw", object->name);
    if (!choose_columns(args, o, out, err) || !check_kind(args, o, out, err)) return false;
    if (o->linear) out->log_x = out->log_y = out->log_value = false;
    out->log_x = out->log_x || o->log_x;
    out->log_y = out->log_y || o->log_y;
    out->log_value = out->log_value || o->log_value;
    if (o->diverging) {
        out->diverging = true;
        out->log_value = o->log_value; /* which the chart refuses: they do not go together */
    }
    if (args_given(args, "contours")) out->contours = o->contours;
    if (args_given(args, "reference")) {
        out->reference = o->reference;
        snprintf(out->reference_label, sizeof out->reference_label, "%s", o->reference_label ? o->reference_label : "");
    }
    return true;
}
