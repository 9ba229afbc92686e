/* plot -- a table as a chart, full-screen on a terminal, else as text. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../chart_options.h"
#include "weft/tui.h"

/* What the options ask for, on top of the encoding the table has. */
static bool choose_encoding(const Args *args, const Object *object, Encoding *out, Error *err) {
    static const char *const names[] = {"x", "series", "value", "title"};
    *out = object->encoding;
    if (!object->plots && !encoding_guess(object->table, out))
        return error_set(err, STATUS_USAGE, "'%s' has no numbers to plot", object->name);
    if (args_text(args, "kind")) out->kind = (ChartKind)args_choice(args, "kind");
    char *const places[] = {out->x, out->series, out->value, out->title};
    const size_t sizes[] = {sizeof out->x, sizeof out->series, sizeof out->value, sizeof out->title};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (args_text(args, names[i])) snprintf(places[i], sizes[i], "%s", args_text(args, names[i]));
    if (args_text(args, "y")) { /* other columns: what was said of the old ones need not hold */
        out->log_x = out->log_y = out->log_value = out->diverging = false;
        out->contours = out->mark_count = 0;
        *out->y2 = '\0';
        const char *at = args_text(args, "y");
        memset(out->y, 0, sizeof out->y);
        for (size_t i = 0; i < CHART_SERIES_MAX && *at; i++) {
            size_t length = strcspn(at, ",");
            snprintf(out->y[i], CHART_NAME_MAX, "%.*s", (int)length, at);
            at += length + (at[length] == ',');
        }
    }
    if (args_flag(args, "log-x")) out->log_x = true;
    if (args_flag(args, "log-y")) out->log_y = true;
    if (args_flag(args, "diverging")) out->diverging = true;
    if (out->kind == CHART_HEATMAP && (!*out->x || !*out->y[0] || !*out->value))
        return error_set(err, STATUS_USAGE, "a heat map needs three columns: --x, --y and --value");
    if (!options_chart(args, out, err)) return false;
    if (args_text(args, "reference")) {
        out->reference = args_real(args, "reference");
        snprintf(out->reference_label, sizeof out->reference_label, "%s",
                 args_text(args, "reference-label") ? args_text(args, "reference-label") : "");
    }
    return true;
}

static bool show_inline(Session *session, const Args *args, const Chart *chart) {
    unsigned width = args_text(args, "width") ? (unsigned)args_integer(args, "width") : output_columns();
    unsigned height = args_text(args, "height") ? (unsigned)args_integer(args, "height") : chart_height(chart, width);
    const bool silent = session->options.quiet || (session->lua_depth && !args_flag(args, "inline"));
    if (!silent) output_chart(session, chart, width, height);
    return true;
}

static bool run(Session *session, const Args *args, Result *result, Error *err) {
    (void)result;
    Object *object = args_value(args, "TABLE")->object;
    if (!object && !(object = workspace_newest(session, OBJECT_TABLE)))
        return error_set(err, STATUS_USAGE, "nothing to plot yet: run a command that makes a table, such as sratio");
    Encoding encoding;
    if (!choose_encoding(args, object, &encoding, err)) return false;
    Chart *chart = chart_new(object->table, &encoding, err);
    if (!chart) return false;
    object->encoding = encoding;
    object->plots = true;
    const char *term = getenv("TERM");
    bool full_screen = !args_flag(args, "inline") && session->out_terminal && isatty(STDIN_FILENO) &&
                       !session->lua_depth && term && strcmp(term, "dumb") != 0;
    bool ok = full_screen ? tui_view_chart(chart, err) : show_inline(session, args, chart);
    if (full_screen && ok && !signals_ending()) cancel_clear(); /* Ctrl-C leaves the viewer, not the session */
    chart_free(chart);
    return ok;
}

static const ArgSpec positionals[] = {
    {.name = "TABLE", .kind = ARG_TABLE, .optional = true, .help = "the table (the newest one)"}, {0}};
static const ArgSpec options[] = {
    {.name = "kind",
     .kind = ARG_CHOICE,
     .value = "KIND",
     .choices = "bars|lines|heatmap|kernels",
     .help = "kind of chart"},
    {.name = "x", .kind = ARG_COLUMN, .value = "COLUMN", .help = "column of the horizontal axis"},
    {.name = "y",
     .kind = ARG_COLUMN,
     .value = "COLUMNS",
     .help = "columns of the vertical axis, with commas between them"},
    {.name = "series", .kind = ARG_COLUMN, .value = "COLUMN", .help = "column that splits the rows into series"},
    {.name = "value", .kind = ARG_COLUMN, .value = "COLUMN", .help = "column that a heat map colours"},
    OPTIONS_CHART,
    {.name = "log-x", .kind = ARG_FLAG, .help = "logarithmic horizontal axis"},
    {.name = "log-y", .kind = ARG_FLAG, .help = "logarithmic vertical axis"},
    {.name = "diverging", .kind = ARG_FLAG, .help = "colours centred on 0"},
    {.name = "reference", .kind = ARG_REAL, .value = "Y", .help = "dotted line at this height"},
    {.name = "reference-label", .kind = ARG_TEXT, .value = "TEXT", .help = "what the dotted line is"},
    {.name = "title", .kind = ARG_TEXT, .value = "TEXT", .help = "heading"},
    {.name = "inline", .kind = ARG_FLAG, .help = "print it as text instead of opening the viewer"},
    {.name = "width", .kind = ARG_INTEGER, .value = "N", .min = 1, .max = 1000, .help = "columns of the text"},
    {.name = "height", .kind = ARG_INTEGER, .value = "N", .min = 1, .max = 1000, .help = "lines of the text"},
    {0}};
static const char *const examples[] = {"sratio base --as ratios", "plot ratios --inline", "spectrum base conv1",
                                       "plot --inline --log-y --width 60 --height 12", NULL};

const Command command_plot = {
    .name = "plot",
    .group = "Charts and files",
    .summary = "shows a table as a chart, full-screen on a terminal",
    .description =
        "Without TABLE the newest one. In Lua, plot{..., inline = true} prints it. Options choose another chart of the same table and stay with it, also for export. Keys of the "
        "viewer: help charts.",
    .positionals = positionals,
    .options = options,
    .examples = examples,
    .run = run,
};
