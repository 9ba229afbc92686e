/* smooth -- a live view of smoothing: a filter whose setting moves, and what follows from it. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../command.h"
#include "../dispatch.h"
#include "../output.h"
#include "../script.h"
#include "../session.h"
#include "../signals.h"
#include "../words.h"
#include "../workspace.h"
#include "weft/base/error.h"
#include "weft/base/table.h"
#include "weft/base/task.h"
#include "weft/base/text.h"
#include "weft/probe/smoothing.h"
#include "weft/tui.h"

typedef struct Smooth {
    const Object *object, *on;
    const char *layer;
    Smoothing start; /* its layer and, unless given, its filter and scope are settled by settle_start */
    bool in_line;
    Convolutions convolutions;
} Smooth;

/* What the view's questions to the shell are about. */
typedef struct Host {
    Session *session;
    const Smooth *options;
    Str *kept;      /* lines of the networks kept, for the end */
    Smoothing last; /* of the last one */
} Host;

/* ---- command lines ----------------------------------------------------------------------------------------------- */

/* With the digits that read back as the same number. */
static void add_exact(Str *out, double value) {
    char text[40];
    double back;
    for (int digits = 6; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, value);
        if (text_to_double(text, &back) && back == value) break;
    }
    str_add(out, text);
}

/* "lowpass base --cutoff 2.3 --layers stage:3 --into smooth". */
static void add_making(const Smooth *o, const Smoothing *smoothing, const char *into, Str *out) {
    static const char *const modes[] = {"1d", "2d", "raw"};
    enum { LAST_USUAL = 15 };
    Str selector = {0};
    str_addf(out, "%s ", smoothing_filter_name(smoothing->filter));
    words_quote(o->object->name, out);
    if (smoothing->filter == SMOOTHING_LOWPASS) {
        str_add(out, " --cutoff ");
        add_exact(out, smoothing->cutoff);
        if (smoothing->mode != LOWPASS_1D) str_addf(out, " --mode %s", modes[smoothing->mode]);
    } else {
        str_add(out, " --factor ");
        add_exact(out, smoothing->factor);
        if (smoothing->last != LAST_USUAL) str_addf(out, " --last %u", smoothing->last);
    }
    smoothing_selector(o->object->network, smoothing, &selector);
    if (selector.length > 0) str_add(out, " --layers ");
    if (selector.length > 0) words_quote(str_text(&selector), out);
    str_add(out, " --into ");
    words_quote(into, out);
    str_done(&selector);
}

/* The whole of it: what makes the network, and what measures it. */
static void add_line(const Smooth *o, const Smoothing *smoothing, const char *into, Str *out) {
    add_making(o, smoothing, into, out);
    if (!o->on) return;
    str_add(out, "; evaluate ");
    words_quote(into, out);
    str_add(out, " ");
    words_quote(o->on->name, out);
}

/* For people: on a terminal that is too narrow broken between words. */
static void add_shown_line(const Session *session, const Smooth *o, const Smoothing *smoothing, const char *into,
                           Str *out) {
    enum { HANG = 4 };
    Str line = {0}, safe = {0};
    add_line(o, smoothing, into, &line);
    str_add_escaped(&safe, str_text(&line), line.length);
    if (session->out_terminal)
        str_add_wrapped(out, str_text(&safe), 0, HANG, output_columns());
    else
        str_add(out, str_text(&safe));
    str_add(out, "\n");
    str_done(&line);
    str_done(&safe);
}

static void host_line(void *context, const Smoothing *smoothing, const char *into, Str *out) {
    add_line(((const Host *)context)->options, smoothing, into, out);
}

/* "smooth", or with the first number that makes a name which is free. */
static void propose(const Session *session, Str *out) {
    Str name = {0};
    str_add(&name, "smooth");
    for (unsigned i = 2; workspace_find(session, str_text(&name)); i++) {
        str_done(&name);
        str_addf(&name, "smooth%u", i);
    }
    str_add(out, str_text(&name));
    str_done(&name);
}

static void host_propose(void *context, Str *out) {
    propose(((const Host *)context)->session, out);
}

/* The network itself is refused without a question, and so is an object of another kind. */
static bool host_taken(void *context, const char *name) {
    const Host *host = context;
    const Object *there = workspace_find(host->session, name);
    return there && there != host->options->object && object_network(there);
}

/* Runs the line that makes it, so that the network, its lineage and the record are as if it had been typed. */
static bool host_keep(void *context, const Smoothing *smoothing, const char *into, Error *err) {
    Host *host = context;
    Session *session = host->session;
    if (strcmp(into, host->options->object->name) == 0)
        return error_set(err, STATUS_USAGE, "'%s' is the network that is smoothed; choose another name", into);
    Str line = {0};
    Words words;
    size_t used;
    const Task task = session->task;
    add_making(host->options, smoothing, into, &line);
    bool ok = str_ok(&line, err);
    if (ok && (ok = words_split(session, str_text(&line), &words, &used, err))) {
        session->task = (Task){0}; /* its progress would be written over the view */
        ok = dispatch(session, (const char *const *)words.word, NULL, words.count, false, NULL, err);
        session->task = task;
        words_done(&words);
    }
    if (ok) script_remember(session, str_text(&line), line.length);
    if (ok) add_shown_line(session, host->options, smoothing, into, host->kept);
    if (ok) host->last = *smoothing;
    str_done(&line);
    return ok;
}

static SmoothView view_of(const Smooth *o, Host *host) {
    return (SmoothView){.network = o->object->network,
                        .name = o->object->name,
                        .data = object_dataset(o->on),
                        .data_name = o->on ? o->on->name : NULL,
                        .context = host,
                        .propose = host_propose,
                        .line = host_line,
                        .taken = host_taken,
                        .keep = host_keep};
}

/* ---- full-screen ------------------------------------------------------------------------------------------------- */

static bool can_show(const Session *session, Error *err) {
    const char *term = getenv("TERM");
    if (!session->lua_depth && session->out_terminal && isatty(STDIN_FILENO) && term && strcmp(term, "dumb") != 0)
        return true;
    return error_set(err, STATUS_USAGE, "smooth needs a terminal with a full screen; --inline prints the view as text");
}

/* After the view its command lines are printed: those of networks that were kept, and that of the last setting. */
static bool show_view(Session *session, const Smooth *o, Result *result, Error *err) {
    Host host = {session, o, &result->text, {0}};
    const SmoothView view = view_of(o, &host);
    Smoothing smoothing = o->start;
    session->left_lines = true;
    const bool ok = tui_smooth(&view, &smoothing, err);
    if (!ok) return false;
    if (!signals_ending()) cancel_clear(); /* Ctrl-C leaves the view, not the session */
    if (result->text.length > 0 && smoothing_equal(&host.last, &smoothing)) return true;
    Str into = {0};
    propose(session, &into);
    add_shown_line(session, o, &smoothing, str_text(&into), &result->text);
    str_done(&into);
    return true;
}

/* ---- as text ----------------------------------------------------------------------------------------------------- */

static void print_part(Session *session, const SmoothView *view, const Smoothing *smoothing,
                       const SmoothingFindings *findings, SmoothPart part, Str *out) {
    Error ignored;
    ChartView shown;
    ChartGrid grid;
    Chart *chart = smooth_chart(view, smoothing, findings, part, &shown, &ignored);
    if (!chart) return;
    const unsigned width = output_columns();
    if (chart_grid(chart, &shown, width, chart_height(chart, width), session->ascii, session->colours, &grid,
                   &ignored)) {
        str_add(out, "\n");
        chart_grid_text(&grid, session->colours, out);
        chart_grid_done(&grid);
    }
    chart_free(chart);
}

/* One row of what the view shows in numbers. */
static Table *numbers_table(const Smooth *o, const SmoothingFindings *findings, Error *err) {
    const Smoothing *smoothing = &o->start;
    const bool lowpass = smoothing->filter == SMOOTHING_LOWPASS;
    Table *table = table_new(err);
    table_column(table, "layer", "", COLUMN_TEXT);
    table_column(table, lowpass ? "cutoff" : "factor", "", COLUMN_REAL);
    table_column(table, "s_ratio", "", COLUMN_REAL);
    table_column(table, "s_ratio_after", "", COLUMN_REAL);
    table_column(table, "relative_change", "", COLUMN_REAL);
    if (o->on) table_column(table, "accuracy_unchanged", "%", COLUMN_REAL);
    if (o->on) table_column(table, "images", "", COLUMN_INTEGER);
    if (o->on) accuracy_columns(table, "accuracy");
    if (o->on) table_column(table, "loss", "", COLUMN_REAL);
    if (!table) return NULL;
    table_text(table, o->object->network->layers[smoothing->layer].name);
    table_real(table, lowpass ? smoothing->cutoff : smoothing->factor);
    table_real(table, findings->layer.ratio);
    table_real(table, findings->layer.ratio_after);
    table_real(table, findings->layer.change);
    if (o->on) {
        const SmoothedScore *score = &findings->scores[0];
        table_real(table, findings->unchanged.accuracy);
        table_integer(table, (int64_t)score->images);
        accuracy_cells(table, score->correct, score->images, !isnan(score->accuracy));
        table_real(table, score->loss);
    }
    return table_finish(table, err);
}

static bool print_view(Session *session, const Smooth *o, Result *result, Error *err) {
    Host host = {session, o, &result->text, {0}};
    const SmoothView view = view_of(o, &host);
    SmoothingFindings findings;
    Str numbers = {0}, into = {0};
    if (!smoothing_measure(view.network, view.data, &o->start, &session->task, &findings, err)) return false;
    smooth_numbers(&view, &o->start, &findings, false, output_columns(), &numbers);
    str_add_escaped(&result->text, view.name, strlen(view.name));
    str_add(&result->text, "  ");
    const char *layer = view.network->layers[o->start.layer].name;
    str_add_escaped(&result->text, layer, strlen(layer));
    str_addf(&result->text, "\n%s\n", str_text(&numbers));
    for (int part = 0; part < SMOOTH_PART_COUNT; part++)
        if (part != SMOOTH_ACCURACY) /* a chart of one point */
            print_part(session, &view, &o->start, &findings, (SmoothPart)part, &result->text);
    propose(session, &into);
    str_add(&result->text, "\n");
    add_shown_line(session, o, &o->start, str_text(&into), &result->text);
    result->table = numbers_table(o, &findings, err);
    result->drawn = true;
    str_done(&numbers);
    str_done(&into);
    smoothing_findings_done(&findings);
    return result->table != NULL;
}

/* ---- the command ------------------------------------------------------------------------------------------------- */

/* Without LAYER the first convolution, in a network without any its first layer. */
static bool first_layer(const Network *network, size_t *layer, Error *err) {
    *layer = 0;
    if (network->layer_count == 0) return error_set(err, STATUS_USAGE, "the network has no layers");
    for (size_t i = network->layer_count; i-- > 0;)
        if (layer_kind_axes(network->layers[i].kind) > 0) *layer = i;
    return true;
}

/* What depends on the layer, and on what was given. */
static bool settle_start(Session *session, Args *args, Error *err) {
    (void)session;
    Smooth *o = args->options;
    const Network *network = object_network(o->object);
    if (!network) return true; /* a missing argument is reported elsewhere */
    if (!(o->layer ? network_find_layer(network, o->layer, &o->start.layer, err)
                   : first_layer(network, &o->start.layer, err)))
        return false;
    const bool kernels = layer_kind_axes(network->layers[o->start.layer].kind) > 0;
    const bool singular = args_given(args, "factor") || args_given(args, "last");
    if (!args_given(args, "filter")) o->start.filter = singular || !kernels ? SMOOTHING_SVSCALE : SMOOTHING_LOWPASS;
    if (!args_given(args, "scope")) o->start.scope = o->layer ? SMOOTHING_LAYER : SMOOTHING_ALL;
    return true;
}

static bool smooth_command(Session *session, const Args *args, Result *result, Error *err) {
    const Smooth *o = args->options;
    if (!smoothing_check(o->object->network, &o->start, err)) return false;
    if (o->in_line) return print_view(session, o, result, err);
    return can_show(session, err) && show_view(session, o, result, err);
}

static const Setting positionals[] = {
    OBJECT(Smooth, object, NETWORK, "NET", NULL, .help = "the network; it is not changed"),
    WORD(Smooth, layer, LAYER, "LAYER", NULL, .optional = true,
         .help = "the layer that is shown; the first convolution by default"),
    {0}};
static const Setting options[] = {
    OBJECT(Smooth, on, DATASET, "on", "DATA", .help = "measure accuracy on these images"),
    CHOICE(Smooth, start.filter, "filter", "F", SMOOTHING_FILTERS, .usual = "lowpass, for other layers svscale",
           .help = "begin with this filter"),
    REAL(Smooth, start.cutoff, "cutoff", "D0", .open_min = true, .standard = "2", .help = "begin with this cutoff"),
    CHOICE(Smooth, start.mode, "mode", "MODE", LOWPASS_MODES, .standard = "1d",
           .help = "begin with this mode of the low-pass filter"),
    REAL(Smooth, start.factor, "factor", "A", .max = 1000, .standard = "0.5",
         .help = "begin with this factor of the smallest singular values"),
    INTEGER(Smooth, start.last, "last", "N", .min = 1, .max = 1000000, .standard = "15",
            .help = "how many singular values are scaled"),
    CHOICE(Smooth, start.scope, "scope", "SCOPE", SMOOTHING_SCOPES, .usual = "layer if LAYER is given, otherwise all",
           .help = "filter the layer, or the whole block, stage or network that it is part of"),
    CONVOLUTIONS_ROW(Smooth),
    FLAG(Smooth, in_line, "inline", .help = "print the view once as text instead of opening it"),
    {0}};
static const char *const examples[] = {"smooth base layer2.0.conv1 --cutoff 1.5 --scope stage --on test --inline",
                                       "smooth base linear --factor 0.2 --last 5 --inline", NULL};

const Command command_smooth = {
    .name = "smooth",
    .group = "Smoothing",
    .summary = "Move a filter by keys and watch its effect live",
    .description =
        "Shows the filter's curve, the layer's kernels before and after, its singular values with S_ratio, and "
        "the accuracy with its 95 % interval at every setting that was visited. Arrows move the cutoff, Page Up and "
        "Page Down move it faster, Tab changes the filter, Space its scope. n and p show other layers. The accuracy "
        "is computed in the background; the view says when it is stale.\n\n"
        "Enter keeps the smoothed network under a name. s saves all charts or their rows. ? lists the keys. The "
        "last line is the command that makes and measures the same network; it is printed when you leave.",
    .size = sizeof(Smooth),
    .positionals = positionals,
    .options = ONE_GROUP(options),
    .examples = examples,
    .settle = settle_start,
    .run = smooth_command,
    .table = true,
};
