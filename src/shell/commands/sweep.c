/* sweep -- a network-to-network command over a range of one or two of its numbers, measured. */
#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../explore.h"

enum { POINTS_MOST = 1000000, PER_OPTION = 100000, OPTIONS_MOST = 2 };

/* One option and its values. */
typedef struct Over {
    char *name;
    double *values;
    size_t count, capacity;
    bool log, integer;
} Over;

/* One curve: the layers that are changed, the others stay as they are. */
typedef struct Series {
    char *selector; /* NULL: those of --layers */
    bool *layers;
} Series;

typedef struct Sweep {
    Session *session;
    const Args *args;
    const Command *command;
    const Network *network;
    Over over[OPTIONS_MOST];
    size_t overs;
    Series *series;
    size_t series_count, series_capacity;
    size_t per_series; /* points of each series; after all of them comes the network as it is */
    Args *points;      /* the command's arguments, of each value (not of each series) */
} Sweep;

static size_t value_of(const Sweep *sweep, size_t point, size_t over) {
    const size_t at = point % sweep->per_series;
    return sweep->overs == 2 ? (over == 0 ? at % sweep->over[0].count : at / sweep->over[0].count) : at;
}

/* ---- --over ------------------------------------------------------------------------------------------------------ */

static bool add_value(Over *over, double value, Error *err) {
    if (over->count >= PER_OPTION)
        return error_set(err, STATUS_LIMIT, "--over %s: more than %d values", over->name, PER_OPTION);
    if (over->integer) value = round(value);
    /* Whole numbers of a fine range, and a range of no width. */
    if (over->count > 0 && over->values[over->count - 1] == value) return true;
    if (!mem_grow(&over->values, &over->capacity, over->count + 1, sizeof *over->values, err)) return false;
    over->values[over->count++] = value;
    return true;
}

/* MIN:MAX:COUNT[:log] */
static bool add_range(Over *over, const char *text, Error *err) {
    char *copy = mem_copy_text(text, err), *part[4] = {copy};
    size_t parts = copy ? 1 : 0;
    double low, high;
    uint64_t count;
    for (char *at = copy; at && parts < 4 && (at = strchr(at, ':')); parts++) {
        *at++ = '\0';
        part[parts] = at;
    }
    bool ok = copy != NULL;
    over->log = parts == 4 && strcmp(part[3], "log") == 0;
    if (ok && (parts < 3 || (parts == 4 && !over->log) || !text_to_double(part[0], &low) ||
               !text_to_double(part[1], &high) || !text_to_u64(part[2], &count) || !isfinite(low) || !isfinite(high)))
        ok = error_set(err, STATUS_USAGE, "--over %s=%s: a list (1,2,4) or MIN:MAX:COUNT[:log] is meant", over->name,
                       text);
    if (ok && (count == 0 || (count == 1 && low != high)))
        ok = error_set(err, STATUS_USAGE, "--over %s=%s: from %g to %g takes at least two values", over->name, text,
                       low, high);
    if (ok && count > PER_OPTION)
        ok = error_set(err, STATUS_LIMIT, "--over %s=%s: more than %d values", over->name, text, PER_OPTION);
    if (ok && over->log && !(low > 0 && high > 0))
        ok = error_set(err, STATUS_USAGE, "--over %s=%s: a logarithmic range needs numbers above 0", over->name, text);
    for (uint64_t i = 0; ok && i < count; i++) {
        const double share = count > 1 ? (double)i / (double)(count - 1) : 0;
        ok = add_value(over,
                       i == 0           ? low
                       : i + 1 == count ? high
                       : over->log      ? low * pow(high / low, share)
                                        : low + share * (high - low),
                       err);
    }
    mem_free(copy);
    return ok;
}

static bool add_number(Over *over, const char *text, Error *err) {
    double value;
    if (strchr(text, ':')) return add_range(over, text, err);
    if (!text_to_double(text, &value) || !isfinite(value))
        return error_set(err, STATUS_USAGE, "--over %s: '%s' is no number", over->name, text);
    if (over->integer && value != floor(value))
        return error_set(err, STATUS_USAGE, "--over %s: '%s' is no whole number", over->name, text);
    return add_value(over, value, err);
}

static bool no_such_option(const Sweep *sweep, const char *name, Error *err) {
    Str known = {0};
    for (const ArgSpec *spec = sweep->command->options; spec && spec->name; spec++)
        if (spec->kind == ARG_REAL || spec->kind == ARG_INTEGER)
            str_addf(&known, "%s%s", known.length ? ", " : "", spec->name);
    error_set(err, STATUS_USAGE, "--over: %s has no number called '%s'; it has %s", sweep->command->name, name,
              str_text(&known));
    str_done(&known);
    return false;
}

static bool begin_option(Sweep *sweep, const char *name, size_t length, Error *err) {
    if (sweep->overs == OPTIONS_MOST)
        return error_set(err, STATUS_USAGE, "--over takes at most %d options at a time", OPTIONS_MOST);
    Over *over = &sweep->over[sweep->overs];
    if (!(over->name = mem_copy_bytes(name, length, err))) return false;
    sweep->overs++;
    if (sweep->overs == 2 && strcmp(sweep->over[0].name, over->name) == 0)
        return error_set(err, STATUS_USAGE, "--over: %s is given twice", over->name);
    for (const ArgSpec *spec = sweep->command->options; spec && spec->name; spec++) {
        if (strcmp(spec->name, over->name) != 0 || (spec->kind != ARG_REAL && spec->kind != ARG_INTEGER)) continue;
        over->integer = spec->kind == ARG_INTEGER;
        return true;
    }
    return no_such_option(sweep, over->name, err);
}

/* "cutoff=0.5:24:20" and "cutoff=1,2,4,factor=0:1:5": a word with = begins the next option. */
static bool read_over(Sweep *sweep, const char *text, Error *err) {
    char *copy = mem_copy_text(text, err);
    bool ok = copy != NULL;
    for (char *word = copy, *next; ok && word; word = next) {
        if ((next = strchr(word, ','))) *next++ = '\0';
        char *equals = strchr(word, '=');
        if (equals) ok = begin_option(sweep, word, (size_t)(equals - word), err);
        if (ok && sweep->overs == 0)
            ok = error_set(err, STATUS_USAGE, "--over %s: OPTION=LIST or OPTION=MIN:MAX:COUNT[:log] is meant", text);
        if (ok) ok = add_number(&sweep->over[sweep->overs - 1], equals ? equals + 1 : word, err);
    }
    mem_free(copy);
    return ok;
}

/* ---- series ------------------------------------------------------------------------------------------------------ */

static bool add_series(Sweep *sweep, const char *selector, Error *err) {
    if (!mem_grow(&sweep->series, &sweep->series_capacity, sweep->series_count + 1, sizeof *sweep->series, err))
        return false;
    Series *series = &sweep->series[sweep->series_count];
    *series = (Series){0};
    sweep->series_count++;
    return (!selector || (series->selector = mem_copy_text(selector, err))) &&
           (series->layers = mem_alloc(sweep->network->layer_count, sizeof *series->layers, err));
}

static bool known_series(const Sweep *sweep, const char *selector) {
    for (size_t i = 0; i < sweep->series_count; i++)
        if (strcmp(sweep->series[i].selector, selector) == 0) return true;
    return false;
}

/* The chosen layers, one series a stage, a block or a layer; layers outside of stages are in none. */
static bool split(Sweep *sweep, const bool *chosen, int each, Error *err) {
    enum { STAGE, BLOCK };
    bool ok = true;
    for (size_t i = 0; ok && i < sweep->network->layer_count; i++) {
        const Layer *layer = &sweep->network->layers[i];
        Str selector = {0};
        if (!chosen[i] || (each <= BLOCK && layer->stage < 0) || (each == BLOCK && layer->block < 0)) continue;
        if (each == STAGE)
            str_addf(&selector, "stage:%d", layer->stage);
        else if (each == BLOCK)
            str_addf(&selector, "block:%d.%d", layer->stage, layer->block);
        else
            str_add(&selector, layer->name);
        ok = str_ok(&selector, err);
        if (ok && !known_series(sweep, str_text(&selector))) ok = add_series(sweep, str_text(&selector), err);
        for (size_t s = 0; ok && s < sweep->series_count; s++)
            if (strcmp(sweep->series[s].selector, str_text(&selector)) == 0) sweep->series[s].layers[i] = true;
        str_done(&selector);
    }
    return ok &&
           (sweep->series_count > 0 ||
            error_set(err, STATUS_USAGE, "the network has no stages and blocks to take one by one: --each layer"));
}

static bool read_series(Sweep *sweep, Error *err) {
    const Args *args = sweep->args;
    const char *each = args_text(args, "each");
    bool *chosen = args_layers(args, sweep->network, sweep->command->layers, err);
    bool ok = chosen != NULL;
    if (ok && each) {
        ok = split(sweep, chosen, args_choice(args, "each"), err);
    } else if (ok) {
        ok = add_series(sweep, NULL, err);
        if (ok) memcpy(sweep->series[0].layers, chosen, sweep->network->layer_count * sizeof *chosen);
    }
    mem_free(chosen);
    return ok;
}

/* ---- points ------------------------------------------------------------------------------------------------------ */

/* The command's own arguments for one pair of values; every one of them is checked before anything runs. */
static bool parse_point(const Sweep *sweep, size_t point, Args *out, Error *err) {
    const Args *args = sweep->args;
    Words words = {0};
    bool ok = true;
    for (size_t i = 0; ok && i < args->rest_count; i++) ok = words_add(&words, args->rest[i], err);
    for (size_t i = 0; ok && i < args->passed_count; i++) ok = words_add(&words, args->passed[i], err);
    if (ok && (args_text(args, "layers") || args_text(args, "each")))
        ok = words_add(&words, "--layers", err) &&
             words_add(&words, args_text(args, "layers") ? args_text(args, "layers") : "all", err);
    for (size_t o = 0; ok && o < sweep->overs; o++) {
        Str word = {0};
        str_addf(&word, "--%s=%.17g", sweep->over[o].name, sweep->over[o].values[value_of(sweep, point, o)]);
        ok = str_ok(&word, err) && words_add(&words, str_text(&word), err);
        str_done(&word);
    }
    ok = ok && words_add(&words, "--into", err) && words_add(&words, "swept", err) &&
         args_parse(sweep->session, sweep->command, (const char *const *)words.word, NULL, words.count, out, err);
    words_done(&words);
    return ok;
}

static bool parse_points(Sweep *sweep, Error *err) {
    sweep->per_series = sweep->over[0].count * (sweep->overs == 2 ? sweep->over[1].count : 1);
    if (sweep->per_series > POINTS_MOST / sweep->series_count)
        return error_set(err, STATUS_LIMIT, "more than %d points", POINTS_MOST);
    sweep->points = mem_alloc(sweep->per_series, sizeof *sweep->points, err);
    bool ok = sweep->points != NULL;
    for (size_t i = 0; ok && i < sweep->per_series; i++) ok = parse_point(sweep, i, &sweep->points[i], err);
    return ok;
}

static Network *make(void *context, size_t point, Error *err) {
    const Sweep *sweep = context;
    const Task quiet = {.patient = true};
    const size_t series = point / sweep->per_series;
    if (series == sweep->series_count) return network_copy(sweep->network, err);
    return sweep->command->apply(sweep->network, &sweep->points[point % sweep->per_series],
                                 sweep->series[series].layers, &quiet, err);
}

/* ---- the result -------------------------------------------------------------------------------------------------- */

static Table *make_table(const Sweep *sweep, const Survey *survey, const Explored *explored, Error *err) {
    const size_t reference = survey->points - 1;
    Table *table = table_new(err);
    double recomputed = 0, count = 0;
    if (!table) return NULL;
    if (sweep->series[0].selector) table_column(table, args_text(sweep->args, "each"), "", COLUMN_TEXT);
    for (size_t o = 0; o < sweep->overs; o++) table_column(table, sweep->over[o].name, "", COLUMN_REAL);
    explore_columns(table, survey);
    for (size_t i = 0; i < reference; i++) {
        if (!explored->done[i]) continue;
        if (sweep->series[0].selector) table_text(table, sweep->series[i / sweep->per_series].selector);
        for (size_t o = 0; o < sweep->overs; o++) table_real(table, sweep->over[o].values[value_of(sweep, i, o)]);
        explore_cells(table, survey, explored, i);
        recomputed += explored_value(explored, i, explored->values - 1);
        count++;
    }
    if (survey->data_count && explored->done[reference]) {
        table_note(table, "accuracy_unchanged", "%.9g", explored_value(explored, reference, 0));
        table_note(table, "loss_unchanged", "%.9g", explored_value(explored, reference, 1));
    }
    if (survey->data_count && count > 0)
        table_note(table, "recomputed", "%.1f %% of the multiplications", recomputed / count);
    return table_finish(table, err);
}

static void draw(const Sweep *sweep, const Survey *survey, const Explored *explored, Result *result) {
    const char *value = survey->data_count ? "accuracy" : "sratio_change", *name = sweep->args->rest[0];
    const bool grid = sweep->overs == 2;
    result_chart(result, grid ? CHART_HEATMAP : CHART_LINES, sweep->over[0].name, grid ? sweep->over[1].name : value,
                 "%s of %s", sweep->command->name, name);
    Encoding *encoding = &result->encoding;
    encoding->log_x = sweep->over[0].log;
    encoding->log_y = grid && sweep->over[1].log;
    if (grid) snprintf(encoding->value, CHART_NAME_MAX, "%s", value);
    if (grid && sweep->series[0].selector &&
        strlen(sweep->series[0].selector) <
            CHART_NAME_MAX) { /* a map shows one of them: plot --where stage=stage:2 another */
        snprintf(encoding->where, CHART_NAME_MAX, "%s", args_text(sweep->args, "each"));
        snprintf(encoding->where_text, CHART_NAME_MAX, "%s", sweep->series[0].selector);
    }
    if (sweep->series[0].selector && !grid)
        snprintf(encoding->series, CHART_NAME_MAX, "%s", args_text(sweep->args, "each"));
    if (grid || !survey->data_count || !explored->done[survey->points - 1]) return;
    encoding->reference = explored_value(explored, survey->points - 1, 0);
    snprintf(encoding->reference_label, CHART_NAME_MAX, "%s", name);
}

static bool survey_sweep(Sweep *sweep, Result *result, Error *err) {
    const size_t points = sweep->series_count * sweep->per_series + 1;
    const Dataset *data = args_dataset(sweep->args, "on");
    Explored explored;
    size_t *series_of = mem_alloc(points, sizeof *series_of, err);
    const bool **layers = series_of ? mem_alloc(sweep->series_count, sizeof *layers, err) : NULL;
    for (size_t i = 0; layers && i < points; i++)
        series_of[i] = i / sweep->per_series < sweep->series_count ? i / sweep->per_series : sweep->series_count - 1;
    for (size_t i = 0; layers && i < sweep->series_count; i++) layers[i] = sweep->series[i].layers;
    const Survey survey = {.base = sweep->network,
                           .data = {data},
                           .data_count = data != NULL,
                           .points = points,
                           .series_of = series_of,
                           .series_count = sweep->series_count,
                           .layers = layers,
                           .whole = args_flag(sweep->args, "whole"),
                           .make = make,
                           .context = sweep,
                           .what = "sweeping"};
    bool done = layers && explore_run(sweep->session, sweep->args, &survey, &explored, result, err);
    if (done && !explored.elsewhere) {
        result->table = make_table(sweep, &survey, &explored, err);
        draw(sweep, &survey, &explored, result);
        explored_done(&explored);
        done = result->table != NULL;
    }
    mem_free(layers);
    mem_free(series_of);
    return done;
}

static void sweep_done(Sweep *sweep) {
    for (size_t i = 0; i < sweep->overs; i++) {
        mem_free(sweep->over[i].name);
        mem_free(sweep->over[i].values);
    }
    for (size_t i = 0; i < sweep->series_count; i++) {
        mem_free(sweep->series[i].selector);
        mem_free(sweep->series[i].layers);
    }
    for (size_t i = 0; sweep->points && i < sweep->per_series; i++) args_done(&sweep->points[i]);
    mem_free(sweep->points);
    mem_free(sweep->series);
}

/* What sweep itself gives to the command. */
static bool check_passed(const Args *args, Error *err) {
    for (size_t i = 0; i < args->passed_count; i++)
        if (strncmp(args->passed[i], "--into", 6) == 0 && (args->passed[i][6] == '\0' || args->passed[i][6] == '='))
            return error_set(err, STATUS_USAGE, "sweep keeps none of its networks; --into is not for it");
    return true;
}

static bool find_command(Sweep *sweep, Error *err) {
    const char *name = args_text(sweep->args, "COMMAND");
    size_t used;
    Str known = {0};
    sweep->command = command_find(&name, 1, &used);
    if (sweep->command && sweep->command->apply) return true;
    for (const Command *const *each = commands; *each; each++)
        if ((*each)->apply) str_addf(&known, "%s%s", known.length ? ", " : "", (*each)->name);
    error_set(err, STATUS_USAGE, "sweep runs over commands that make networks: %s; not '%s'", str_text(&known), name);
    str_done(&known);
    return false;
}

static bool run(Session *session, const Args *args, Result *result, Error *err) {
    Sweep sweep = {.session = session, .args = args, .network = args_network(args, "NET")};
    const bool done = check_passed(args, err) && find_command(&sweep, err) &&
                      read_over(&sweep, args_text(args, "over"), err) && read_series(&sweep, err) &&
                      parse_points(&sweep, err) && survey_sweep(&sweep, result, err);
    sweep_done(&sweep);
    return done;
}

static const ArgSpec positionals[] = {
    {.name = "COMMAND", .kind = ARG_MAKER, .help = "lowpass, svscale, mix or another that makes a network of one"},
    {.name = "NET", .kind = ARG_NETWORK, .repeated = true, .help = "its network (mix: both)"},
    {0}};
static const ArgSpec options[] = {
    {.name = "over",
     .kind = ARG_OVER,
     .value = "OPTION=VALUES",
     .required = true,
     .help =
         "which of its numbers: OPTION=1,2,4 or OPTION=MIN:MAX:COUNT[:log]; a second one after a comma gives a grid"},
    {.name = "each",
     .kind = ARG_CHOICE,
     .value = "PART",
     .choices = "stage|block|layer",
     .help = "a curve for each stage, block or layer, the others as they are"},
    {.name = "layers", .kind = ARG_LAYERS, .value = "SEL", .help = "only these convolutions (help selectors)"},
    OPTIONS_EXPLORE,
    {.name = "whole",
     .kind = ARG_FLAG,
     .help = "compute every layer at each point, also those before the first that changes; the numbers are the same"},
    {0}};
static const char *const examples[] = {"sweep lowpass base --over cutoff=0.5:24:6:log --each stage --on few",
                                       "sweep svscale base --over factor=0:1:5 --last 10 --layers stage:3 --on few",
                                       "sweep lowpass base --over cutoff=0.5:8:4 --mode 2d",
                                       "sweep svscale base --over factor=0:1:3,last=5,10,15 --on few",
                                       "sweep mix base smooth --over alpha=0:1:3 --each block --on few",
                                       NULL};

const Command command_sweep = {
    .name = "sweep",
    .group = "Exploring",
    .summary = "a smoothing command over a range of its numbers, measured",
    .description =
        "Runs COMMAND on NET for every value, as it would be run by hand with its other options, and measures what comes out: accuracy "
        "and loss on DATA, and over the changed convolutions the mean change of S_ratio, the relative distance from NET and its root mean square. "
        "The networks themselves are not kept. --each stage draws a curve for each stage, the "
        "others as they are (--layers stage:1 only that one): which of them stands how much smoothing, and where accuracy even rises above that of NET, the dotted line. Only layers from "
        "the first changed one on are computed at every point; the note `recomputed` says how much of the work that is.",
    .positionals = positionals,
    .options = options,
    .examples = examples,
    .prelude = "load data few sample:fashion-test --limit 64",
    .run = run,
    .table = true,
    .passes = true,
};
