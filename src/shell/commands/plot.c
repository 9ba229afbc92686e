/* plot -- a table as a chart, full-screen on a terminal, else as text. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../chart_options.h"
#include "../output.h"
#include "../session.h"
#include "../signals.h"
#include "../workspace.h"
#include "weft/base/error.h"
#include "weft/base/task.h"
#include "weft/tui.h"

typedef struct Plot {
    ChartOptions chart;
    bool in_line;
    ChartGraphics graphics;
    unsigned width, height;
} Plot;

static bool show_inline(Session *session, const Plot *o, const Chart *chart) {
    const bool silent = session->options.quiet || (session->lua_depth && !o->in_line);
    if (!silent) output_chart(session, o->graphics, chart, o->width, o->height);
    return true;
}

static bool plot_command(Session *session, const Args *args, Result *result, Error *err) {
    (void)result;
    const Plot *o = args->options;
    Object *object = o->chart.table;
    if (!object && !(object = workspace_newest(session, OBJECT_TABLE)))
        return error_set(err, STATUS_USAGE, "nothing to plot yet; run a command that makes a table, such as sratio");
    Encoding encoding;
    if (!options_chart(args, &o->chart, object, &encoding, err)) return false;
    Chart *chart = chart_new(object->table, &encoding, err);
    if (!chart) return false;
    object->redrawn = encoding;
    object->redraws = true;
    const char *term = getenv("TERM");
    bool full_screen = !o->in_line && !args_given(args, "graphics") && session->out_terminal && isatty(STDIN_FILENO) &&
                       !session->lua_depth && !session->unattended && term && strcmp(term, "dumb") != 0;
    bool ok = full_screen ? tui_view_chart(chart, object->name, err) : show_inline(session, o, chart);
    if (full_screen && ok && !signals_ending()) cancel_clear(); /* Ctrl-C leaves the viewer, not the session */
    chart_free(chart);
    return ok;
}

static const Setting positionals[] = {
    OBJECT(ChartOptions, table, TABLE, "TABLE", NULL, .optional = true, .help = "the table; the newest one by default"),
    {0}};
static const Setting own[] = {
    FLAG(Plot, in_line, "inline", .help = "print the chart as text instead of opening the viewer"),
    CHOICE(Plot, graphics, "graphics", "HOW", CHART_GRAPHICS, .standard = "auto",
           .help = "print the chart as a picture (sixel, kitty) or as text (off); auto: as the --graphics of weft"),
    INTEGER(Plot, width, "width", "N", .min = 1, .max = 1000, .usual = "the terminal's", .help = "columns of the text"),
    INTEGER(Plot, height, "height", "N", .min = 1, .max = 1000, .usual = "by the width", .help = "lines of the text"),
    {0}};
static const SettingGroup options[] = {{chart_settings, 0}, {own, 0}, {NULL, 0}};
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
    .size = sizeof(Plot),
    .positionals = positionals,
    .options = options,
    .examples = examples,
    .run = plot_command,
};
