/* chart_options -- which chart of a table, for both plot and export.
 *
 * Options change what was there, and can be taken back one by one: a flag with `=off`, a column or text with "off", a
 * title or a range of colours with "auto", all of them with --reset. */
#include "chart_options.h"

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "weft/base/error.h"
#include "weft/base/labels.h"
#include "weft/base/table.h"
#include "weft/base/text.h"

const Setting chart_settings[] = {
    CHOICE(ChartOptions, kind, "kind", "KIND", CHART_KINDS, .help = "kind of chart"),
    WORD(ChartOptions, x, COLUMN, "x", "COLUMN", .help = "column of the horizontal axis"),
    WORD(ChartOptions, y, COLUMN, "y", "COLUMNS",
         .help = "columns of the vertical axis (a histogram: whose values are counted), separated by commas"),
    WORD(ChartOptions, series, COLUMN, "series", "COLUMN",
         .help = "column that splits the rows into series; off: none"),
    WORD(ChartOptions, value, COLUMN, "value", "COLUMN", .help = "column that a heat map colours"),
    WORD(ChartOptions, y2, COLUMN, "y2", "COLUMN",
         .help = "another column of lines, with its own axis on the right; off: none"),
    WORD(ChartOptions, low, COLUMN, "low", "COLUMN",
         .help = "column with the low end of an interval around the first of --y; off: none (a histogram: where each "
                 "row's bin begins)"),
    WORD(ChartOptions, high, COLUMN, "high", "COLUMN", .help = "column with its high end"),
    WORD(ChartOptions, deviation, COLUMN, "deviation", "COLUMN",
         .help = "the interval is plus and minus this column; off: none"),
    CHOICE(ChartOptions, errors, "errors", "STYLE", INTERVAL_STYLES,
           .help = "how lines show their intervals (other charts have bars)"),
    WORD(ChartOptions, flag, COLUMN, "flag", "COLUMN",
         .help = "mark the values whose cell in this text column is not empty with a star; off: none"),
    WORD(ChartOptions, where, TEXT, "where", "COLUMN=VALUE",
         .help = "draw only the rows in which the column has this value; off draws all again"),
    INTEGER(ChartOptions, bins, "bins", "N", .max = CHART_BINS_MAX,
            .usual = "0: by the rule of Freedman and Diaconis, at most 100", .help = "number of bins of a histogram"),
    FLAG(ChartOptions, share, "share", .help = "heights of a histogram in per cent of the values, not counts"),
    FLAG(ChartOptions, log_x, "log-x", .help = "logarithmic horizontal axis"),
    FLAG(ChartOptions, log_y, "log-y", .help = "logarithmic vertical axis"),
    FLAG(ChartOptions, log_value, "log-value", .help = "logarithmic colours of a heat map"),
    FLAG(ChartOptions, linear, "linear", .help = "make axes and colours linear, except those requested"),
    FLAG(ChartOptions, equal, "equal", .help = "one unit is as long on both axes"),
    FLAG(ChartOptions, diverging, "diverging", .help = "colours centred on 0"),
    WORD(ChartOptions, range, TEXT, "range", "MIN:MAX",
         .help = "colours of a heat map or of kernels go from MIN to MAX; auto: as far as the data"),
    SWITCH(ChartOptions, numbers, "numbers", "on|off", .help = "write numbers into the cells of a small heat map"),
    INTEGER(ChartOptions, contours, "contours", "N", .max = CHART_CONTOURS_MAX,
            .help = "draw contour lines over a heat map, at N levels"),
    WORD(ChartOptions, reference, TEXT, "reference", "Y", .help = "draw a dotted line at this height; off: none"),
    WORD(ChartOptions, reference_label, TEXT, "reference-label", "TEXT", .needs = "reference",
         .help = "label of the dotted line"),
    WORD(ChartOptions, title, TEXT, "title", "TEXT", .help = "heading; auto: the command's own"),
    FLAG(ChartOptions, reset, "reset", .help = "begin with the chart that the command gave, not with the last plot"),
    {0}};

const char *options_chart_given(const Args *args) {
    for (const Setting *row = chart_settings; row->name; row++)
        if (args_given(args, row->name)) return row->name;
    return NULL;
}

/* ---- columns ----------------------------------------------------------------------------------------------------- */

/* A name, or none for "off" and "". */
static void take_name(const char *given, char out[CHART_NAME_MAX]) {
    if (given) snprintf(out, CHART_NAME_MAX, "%s", strcmp(given, "off") == 0 ? "" : given);
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

/* The interval of the column that is drawn now: NAME_low and NAME_high. */
static void bound(const Table *table, Encoding *encoding) {
    Str low = {0}, high = {0};
    str_addf(&low, "%s_low", encoding->y[0]);
    str_addf(&high, "%s_high", encoding->y[0]);
    const bool there =
        !low.failed && !high.failed && table_find(table, str_text(&low)) && table_find(table, str_text(&high));
    snprintf(encoding->low, CHART_NAME_MAX, "%s", there ? str_text(&low) : "");
    snprintf(encoding->high, CHART_NAME_MAX, "%s", there ? str_text(&high) : "");
    *encoding->deviation = *encoding->flag = '\0';
    str_done(&low);
    str_done(&high);
}

/* Other columns: what was said of the old ones need not hold. */
static void choose_y(const char *columns, const Table *table, Encoding *encoding) {
    char before[CHART_NAME_MAX];
    snprintf(before, sizeof before, "%s", encoding->y[0]);
    memset(encoding->y, 0, sizeof encoding->y);
    memset(encoding->legend, 0, sizeof encoding->legend);
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
    if (encoding->kind == CHART_HISTOGRAM && *encoding->low) return; /* other heights of the same bins */
    if (strcmp(before, encoding->y[0]) != 0) bound(table, encoding);
    if (encoding->kind != CHART_HEATMAP) retitle(encoding, label_of(before), label_of(encoding->y[0]));
}

/* The column that the command drew comes back as the command drew it. */
static void choose_value(const char *column, const Encoding *own, Encoding *encoding) {
    if (strcmp(column, encoding->value) == 0) return;
    encoding->log_value = encoding->diverging = encoding->picture = false;
    encoding->range_low = encoding->range_high = NAN;
    retitle(encoding, label_of(encoding->value), label_of(column));
    snprintf(encoding->value, sizeof encoding->value, "%s", column);
    if (strcmp(column, own->value) != 0) return;
    encoding->log_value = own->log_value;
    encoding->diverging = own->diverging;
    encoding->picture = own->picture;
    encoding->range_low = own->range_low;
    encoding->range_high = own->range_high;
}

static bool choose_rows(const char *text, Encoding *encoding, Error *err) {
    const char *equals = strchr(text, '=');
    if (strcmp(text, "off") == 0) {
        *encoding->where = *encoding->where_text = '\0';
        return true;
    }
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

/* The ends of a histogram's bins are no intervals, and the reverse; what it counts stands on its x axis. */
static void choose_kind(ChartKind kind, const Table *table, Encoding *encoding) {
    if (kind == encoding->kind) return;
    const bool histogram = kind == CHART_HISTOGRAM;
    if (histogram || encoding->kind == CHART_HISTOGRAM) *encoding->low = *encoding->high = '\0';
    if (histogram) encoding->log_x = encoding->log_y = false;
    encoding->kind = kind;
    if (encoding->kind != CHART_HISTOGRAM && !*encoding->low && *encoding->y[0]) bound(table, encoding);
}

static bool choose_columns(const Args *args, const ChartOptions *o, const Object *object, Encoding *out, Error *err) {
    if (args_given(args, "kind")) choose_kind(o->kind, object->table, out);
    const bool counts = out->kind == CHART_HISTOGRAM && !o->low && !*out->low;
    if (o->x && (!counts || o->y)) choose_x(o->x, out);
    take_name(o->series, out->series);
    if (o->value) choose_value(o->value, &object->encoding, out);
    if (o->y || (o->x && counts)) choose_y(o->y ? o->y : o->x, object->table, out);
    take_name(o->y2, out->y2);
    take_name(o->low, out->low);
    take_name(o->high, out->high);
    take_name(o->deviation, out->deviation);
    if (o->low && !*out->low) *out->high = '\0';
    if (o->deviation && *out->deviation && !o->low) *out->low = *out->high = '\0';
    if (o->low && *out->low && !o->deviation) *out->deviation = '\0';
    take_name(o->flag, out->flag);
    if (o->title && strcmp(o->title, "auto") == 0)
        snprintf(out->title, sizeof out->title, "%s", object->plots ? object->encoding.title : "");
    else if (o->title)
        snprintf(out->title, sizeof out->title, "%s", o->title);
    if (o->y && *out->series && *out->y[1] && (out->kind == CHART_LINES || out->kind == CHART_BARS))
        return error_set(err, STATUS_USAGE, "--y: a chart with one series per %s draws only one column", out->series);
    return !o->where || choose_rows(o->where, out, err);
}

/* ---- what a kind has --------------------------------------------------------------------------------------------- */

#define OF(kind) (1u << CHART_##kind)

/* Options of some kinds of charts only, with what to say to the others. */
static bool check_kind(const Args *args, const Encoding *encoding, Error *err) {
    static const struct {
        const char *option;
        unsigned kinds;
        const char *words;
    } rules[] = {
        {"y2", OF(LINES), "only line charts have a second axis (--kind lines)"},
        {"value", OF(HEATMAP), "only heat maps colour a column (--kind heatmap); other charts use --y"},
        {"log-value", OF(HEATMAP), "only heat maps have a colour scale (--kind heatmap)"},
        {"contours", OF(HEATMAP), "only heat maps have contour lines (--kind heatmap)"},
        {"numbers", OF(HEATMAP), "only heat maps have cells with numbers (--kind heatmap)"},
        {"range", OF(HEATMAP) | OF(KERNELS), "only heat maps and kernels have a range of colours (--kind heatmap)"},
        {"bins", OF(HISTOGRAM), "only histograms have bins (--kind histogram)"},
        {"share", OF(HISTOGRAM), "only histograms count values (--kind histogram)"},
        {"errors", OF(LINES), "only line charts have bands or bars (--kind lines)"},
        {"flag", OF(BARS) | OF(LINES) | OF(SCATTER), "only bars, lines and scatter plots mark values"},
        {"deviation", OF(BARS) | OF(LINES) | OF(SCATTER), "only bars, lines and scatter plots have intervals"},
        {"low", OF(BARS) | OF(LINES) | OF(SCATTER) | OF(HISTOGRAM),
         "only bars, lines, scatter plots and histograms have intervals"},
        {"equal", OF(LINES) | OF(SCATTER) | OF(HEATMAP), "only lines, scatter plots and heat maps have two axes alike"},
    };
    if (encoding->kind == CHART_HEATMAP && (!*encoding->x || !*encoding->y[0] || !*encoding->value))
        return error_set(err, STATUS_USAGE, "a heat map needs three columns: --x, --y and --value");
    for (size_t i = 0; i < sizeof rules / sizeof *rules; i++)
        if (args_given(args, rules[i].option) && !(rules[i].kinds >> encoding->kind & 1))
            return error_set(err, STATUS_USAGE, "--%s: %s", rules[i].option, rules[i].words);
    return true;
}

bool options_range(const char *text, Encoding *out, Error *err) {
    const char *colon = strchr(text, ':');
    char low[64] = "";
    double ends[2] = {NAN, NAN};
    bool ok = strcmp(text, "auto") == 0;
    if (!ok && colon && colon - text < (ptrdiff_t)sizeof low) {
        memcpy(low, text, (size_t)(colon - text));
        ok = (!*low || (text_to_double(low, &ends[0]) && isfinite(ends[0]))) &&
             (!colon[1] || (text_to_double(colon + 1, &ends[1]) && isfinite(ends[1])));
    }
    if (!ok) return error_set(err, STATUS_USAGE, "--range needs MIN:MAX (-0.2:0.2, 0:) or auto, not '%s'", text);
    if (ends[0] >= ends[1])
        return error_set(err, STATUS_USAGE, "--range %s: the first number must be less than the second", text);
    out->range_low = ends[0];
    out->range_high = ends[1];
    return true;
}

static bool choose_reference(const ChartOptions *o, Encoding *out, Error *err) {
    double height = NAN;
    if (strcmp(o->reference, "off") != 0 && !(text_to_double(o->reference, &height) && isfinite(height)))
        return error_set(err, STATUS_USAGE, "--reference must be a number or off, not '%s'", o->reference);
    out->reference = height;
    snprintf(out->reference_label, sizeof out->reference_label, "%s", o->reference_label ? o->reference_label : "");
    return true;
}

static void choose_scales(const Args *args, const ChartOptions *o, Encoding *out) {
    const struct {
        const char *option;
        bool given, *place;
    } flags[] = {{"log-x", o->log_x, &out->log_x},      {"log-y", o->log_y, &out->log_y},
                 {"share", o->share, &out->share},      {"log-value", o->log_value, &out->log_value},
                 {"equal", o->equal, &out->equal},      {"diverging", o->diverging, &out->diverging},
                 {"numbers", o->numbers, &out->numbers}};
    if (o->linear) out->log_x = out->log_y = out->log_value = false;
    if (o->diverging) out->log_value = false; /* if both are asked for, the chart refuses: they do not go together */
    for (size_t i = 0; i < sizeof flags / sizeof *flags; i++)
        if (args_given(args, flags[i].option)) *flags[i].place = flags[i].given;
}

bool options_chart(const Args *args, const ChartOptions *o, const Object *object, Encoding *out, Error *err) {
    const bool last = object->redraws && !o->reset;
    *out = last ? object->redrawn : object->encoding;
    if (!last && !object->plots && !encoding_guess(object->table, out))
        return error_set(err, STATUS_USAGE, "'%s' has no numbers to draw", object->name);
    if (!choose_columns(args, o, object, out, err) || !check_kind(args, out, err)) return false;
    choose_scales(args, o, out);
    if (args_given(args, "contours")) out->contours = o->contours;
    if (args_given(args, "bins")) out->bins = o->bins;
    if (args_given(args, "errors")) out->error_bars = o->errors == INTERVAL_BARS;
    if (o->range && !options_range(o->range, out, err)) return false;
    return !o->reference || choose_reference(o, out, err);
}
