/* chart_options -- which chart of a table, for plot and export alike. */
#include "chart_options.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "weft/base/error.h"

const char *options_chart_given(const Args *args) {
    static const ArgSpec specs[] = {OPTIONS_CHART, {0}};
    for (const ArgSpec *spec = specs; spec->name; spec++)
        if (args_value(args, spec->name)->given) return spec->name;
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

static bool choose_columns(const Args *args, Encoding *out, Error *err) {
    const char *value;
    if (args_text(args, "kind")) out->kind = (ChartKind)args_choice(args, "kind");
    if ((value = args_text(args, "x"))) choose_x(value, out);
    if ((value = args_text(args, "series"))) snprintf(out->series, sizeof out->series, "%s", value);
    if ((value = args_text(args, "value"))) choose_value(value, out);
    if ((value = args_text(args, "y"))) choose_y(value, out);
    if ((value = args_text(args, "y2"))) snprintf(out->y2, sizeof out->y2, "%s", value);
    if ((value = args_text(args, "title"))) snprintf(out->title, sizeof out->title, "%s", value);
    if (args_text(args, "y") && *out->series && *out->y[1] && (out->kind == CHART_LINES || out->kind == CHART_BARS))
        return error_set(err, STATUS_USAGE, "--y: a chart with one series per %s draws only one column", out->series);
    return !args_text(args, "where") || choose_rows(args_text(args, "where"), out, err);
}

static bool check_kind(const Args *args, const Encoding *encoding, Error *err) {
    const bool lines = encoding->kind == CHART_LINES, heat = encoding->kind == CHART_HEATMAP;
    if (heat && (!*encoding->x || !*encoding->y[0] || !*encoding->value))
        return error_set(err, STATUS_USAGE, "a heat map needs three columns: --x, --y and --value");
    if (args_text(args, "y2") && !lines)
        return error_set(err, STATUS_USAGE, "--y2: only line charts have a second axis (--kind lines)");
    if (args_text(args, "value") && !heat)
        return error_set(err, STATUS_USAGE,
                         "--value: only heat maps colour a column (--kind heatmap); other charts use --y");
    if (args_text(args, "reference-label") && !args_text(args, "reference"))
        return error_set(err, STATUS_USAGE, "--reference-label needs --reference");
    if (args_flag(args, "log-value") && !heat)
        return error_set(err, STATUS_USAGE, "--log-value: only heat maps have a colour scale (--kind heatmap)");
    if (args_text(args, "contours") && !heat)
        return error_set(err, STATUS_USAGE, "--contours: only heat maps have contour lines (--kind heatmap)");
    return true;
}

bool options_chart(const Args *args, const Object *object, Encoding *out, Error *err) {
    *out = object->encoding;
    if (!object->plots && !encoding_guess(object->table, out))
        return error_set(err, STATUS_USAGE, "'%s' has no numbers to draw", object->name);
    if (!choose_columns(args, out, err) || !check_kind(args, out, err)) return false;
    if (args_flag(args, "linear")) out->log_x = out->log_y = out->log_value = false;
    out->log_x = out->log_x || args_flag(args, "log-x");
    out->log_y = out->log_y || args_flag(args, "log-y");
    out->log_value = out->log_value || args_flag(args, "log-value");
    if (args_flag(args, "diverging")) {
        out->diverging = true;
        out->log_value = args_flag(args, "log-value"); /* which the chart refuses: they do not go together */
    }
    if (args_text(args, "contours")) out->contours = (unsigned)args_integer(args, "contours");
    if (args_text(args, "reference")) {
        out->reference = args_real(args, "reference");
        snprintf(out->reference_label, sizeof out->reference_label, "%s",
                 args_text(args, "reference-label") ? args_text(args, "reference-label") : "");
    }
    return true;
}
