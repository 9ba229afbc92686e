/* plot -- a table as a chart, full-screen on a terminal, else as text. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../chart_options.h"
#include "weft/base/error.h"
#include "weft/base/task.h"
#include "weft/tui.h"

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
    if (!options_chart(args, object, &encoding, err)) return false;
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
    OPTIONS_CHART,
    {.name = "inline", .kind = ARG_FLAG, .help = "print it as text instead of opening the viewer"},
    {.name = "width", .kind = ARG_INTEGER, .value = "N", .min = 1, .max = 1000, .help = "columns of the text"},
    {.name = "height", .kind = ARG_INTEGER, .value = "N", .min = 1, .max = 1000, .help = "lines of the text"},
    {0}};
static const char *const examples[] = {"sratio base --as ratios", "plot ratios --inline", "spectrum base conv1",
                                       "plot --inline --log-y --width 60 --height 12", NULL};

const Command command_plot = {
    .name = "plot",
    .group = "Charts and files",
    .summary = "Show a table as a chart, full-screen on a terminal",
    .description =
        "Without TABLE, the newest table is shown. Options draw another chart of the same table; the table "
        "remembers them, also for `export`. In Lua, plot{..., inline = true} prints the chart. help charts lists "
        "the keys of the viewer.",
    .positionals = positionals,
    .options = options,
    .examples = examples,
    .run = run,
};
