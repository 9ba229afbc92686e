/* sweep -- a network-to-network command over a range of one or two of its numbers, measured. */
#include <string.h>

#include "../explore.h"
#include "weft/base/error.h"
#include "weft/base/memory.h"
#include "weft/base/task.h"
#include "weft/base/text.h"

/* A sweep of a command. */
typedef struct Swept {
    Session *session;
    const Args *args;
    const Command *command;
    Sweep sweep;
    Args *pairs; /* the command's arguments with each pair of values */
    size_t pair_count;
} Swept;

/* ---- --over ------------------------------------------------------------------------------------------------------ */

static const ArgSpec *number_called(const Command *command, const char *name) {
    for (const ArgSpec *spec = command->options; spec && spec->name; spec++)
        if ((spec->kind == ARG_REAL || spec->kind == ARG_INTEGER) && strcmp(spec->name, name) == 0) return spec;
    return NULL;
}

static bool no_such_option(const Command *command, const char *name, Error *err) {
    Str known = {0};
    for (const ArgSpec *spec = command->options; spec && spec->name; spec++)
        if (spec->kind == ARG_REAL || spec->kind == ARG_INTEGER)
            str_addf(&known, "%s%s", known.length ? ", " : "", spec->name);
    error_set(err, STATUS_USAGE, "--over: %s has no number called '%s'; it has %s", command->name, name,
              str_text(&known));
    str_done(&known);
    return false;
}

static bool add_axis(Swept *swept, const char *name, const char *values, Error *err) {
    Sweep *sweep = &swept->sweep;
    if (sweep->axes == SWEEP_AXES)
        return error_set(err, STATUS_USAGE, "--over takes at most %d options at a time", SWEEP_AXES);
    SweepAxis *axis = &sweep->axis[sweep->axes];
    if (!(axis->name = mem_copy_text(name, err))) return false;
    sweep->axes++;
    if (sweep->axes == 2 && strcmp(sweep->axis[0].name, name) == 0)
        return error_set(err, STATUS_USAGE, "--over: %s is given twice", name);
    const ArgSpec *spec = number_called(swept->command, name);
    if (!spec) return no_such_option(swept->command, name, err);
    Str what = {0};
    str_addf(&what, "--over %s", name);
    const bool ok =
        str_ok(&what, err) && range_read(str_text(&what), values, spec->kind == ARG_INTEGER, &axis->range, err);
    str_done(&what);
    return ok;
}

/* The comma before the next word with an = in it; NULL where there is none. */
static char *next_option(char *values) {
    char *equals = strchr(values, '=');
    while (equals && equals > values && *equals != ',') equals--;
    return equals && *equals == ',' ? equals : NULL;
}

/* "cutoff=0.5:24:20" and "cutoff=1,2,4,factor=0:1:5": a word with = begins the next option. */
static bool read_over(Swept *swept, const char *text, Error *err) {
    char *copy = mem_copy_text(text, err);
    bool ok = copy != NULL;
    for (char *name = copy, *next; ok && name; name = next) {
        char *equals = strchr(name, '='), *comma = strchr(name, ',');
        if (!equals || (comma && comma < equals)) {
            ok = error_set(err, STATUS_USAGE, "--over %s: OPTION=LIST or OPTION=MIN:MAX:COUNT[:log] is meant", text);
            break;
        }
        *equals = '\0';
        if ((next = next_option(equals + 1))) *next++ = '\0';
        ok = add_axis(swept, name, equals + 1, err);
    }
    mem_free(copy);
    return ok;
}

static bool choose_series(Swept *swept, Error *err) {
    const Args *args = swept->args;
    Sweep *sweep = &swept->sweep;
    bool *chosen = args_layers(args, sweep->base, swept->command->layers, err);
    const bool ok =
        chosen && (args_text(args, "each") ? sweep_split(sweep, (SweepPart)args_choice(args, "each"), chosen, err)
                                           : sweep_whole(sweep, chosen, err));
    mem_free(chosen);
    return ok;
}

/* ---- points ------------------------------------------------------------------------------------------------------ */

/* The command's own arguments with one pair of values. */
static bool parse_pair(const Swept *swept, size_t pair, Args *out, Error *err) {
    const Args *args = swept->args;
    double values[SWEEP_AXES];
    Words words = {0};
    bool ok = true;
    for (size_t i = 0; ok && i < args->rest_count; i++) ok = words_add(&words, args->rest[i], err);
    for (size_t i = 0; ok && i < args->passed_count; i++) ok = words_add(&words, args->passed[i], err);
    if (ok && (args_text(args, "layers") || args_text(args, "each")))
        ok = words_add(&words, "--layers", err) &&
             words_add(&words, args_text(args, "layers") ? args_text(args, "layers") : "all", err);
    sweep_values(&swept->sweep, pair, values);
    for (size_t a = 0; ok && a < swept->sweep.axes; a++) {
        Str word = {0};
        str_addf(&word, "--%s=%.17g", swept->sweep.axis[a].name, values[a]);
        ok = str_ok(&word, err) && words_add(&words, str_text(&word), err);
        str_done(&word);
    }
    ok = ok && words_add(&words, "--into", err) && words_add(&words, "swept", err) &&
         args_parse(swept->session, swept->command, (const char *const *)words.word, NULL, words.count, out, err);
    words_done(&words);
    return ok;
}

/* Every pair is checked before anything runs. */
static bool parse_pairs(Swept *swept, Error *err) {
    swept->pair_count = sweep_pairs(&swept->sweep);
    swept->pairs = mem_alloc(swept->pair_count, sizeof *swept->pairs, err);
    bool ok = swept->pairs != NULL;
    for (size_t i = 0; ok && i < swept->pair_count; i++) ok = parse_pair(swept, i, &swept->pairs[i], err);
    return ok;
}

static size_t index_of(const Range *range, double value) {
    size_t i = 0;
    while (range->values[i] != value) i++;
    return i;
}

static const Args *pair_args(const Swept *swept, const double values[SWEEP_AXES]) {
    const Range *fast = &swept->sweep.axis[0].range, *slow = &swept->sweep.axis[1].range;
    const size_t row = swept->sweep.axes == 2 ? index_of(slow, values[1]) : 0;
    return &swept->pairs[row * fast->count + index_of(fast, values[0])];
}

static Network *make_network(void *context, const double values[SWEEP_AXES], const bool *layers, Error *err) {
    const Swept *swept = context;
    const Task quiet = {.patient = true};
    return swept->command->apply(swept->sweep.base, pair_args(swept, values), layers, &quiet, err);
}

/* ---- the result -------------------------------------------------------------------------------------------------- */

static void draw(const Swept *swept, const Survey *survey, const Findings *findings, Result *result) {
    const char *value = survey->data_count ? "accuracy" : "sratio_change", *name = swept->args->rest[0];
    const Sweep *sweep = &swept->sweep;
    const bool grid = sweep->axes == 2;
    result_chart(result, grid ? CHART_HEATMAP : CHART_LINES, sweep->axis[0].name, grid ? sweep->axis[1].name : value,
                 "%s of %s", swept->command->name, name);
    Encoding *encoding = &result->encoding;
    encoding->log_x = sweep->axis[0].range.log;
    encoding->log_y = grid && sweep->axis[1].range.log;
    if (grid) snprintf(encoding->value, CHART_NAME_MAX, "%s", value);
    if (grid && sweep->part && strlen(sweep->series[0].label) < CHART_NAME_MAX) {
        /* a map shows one of them: plot --where stage=stage:2 another */
        snprintf(encoding->where, CHART_NAME_MAX, "%s", sweep->part);
        snprintf(encoding->where_text, CHART_NAME_MAX, "%s", sweep->series[0].label);
    }
    if (sweep->part && !grid) snprintf(encoding->series, CHART_NAME_MAX, "%s", sweep->part);
    if (!survey->data_count || !findings->done[survey->points - 1]) return;
    const SweepFacts facts = sweep_facts(sweep, findings, survey);
    encoding->references[0] = (ChartReference){"accuracy", facts.accuracy};
    encoding->references[1] = (ChartReference){"loss", facts.loss};
    if (grid) return;
    encoding->reference = facts.accuracy;
    snprintf(encoding->reference_label, CHART_NAME_MAX, "%s", name);
}

static bool survey_sweep(Swept *swept, Result *result, Error *err) {
    Survey survey;
    Findings findings;
    if (!sweep_survey(&swept->sweep, args_dataset(swept->args, "on"), &survey, err) || !parse_pairs(swept, err))
        return false;
    survey.whole = args_flag(swept->args, "whole");
    if (!explore_run(swept->session, swept->args, &survey, &findings, result, err)) return false;
    if (!findings.results) return true; /* in the background */
    result->table = sweep_table(&swept->sweep, &findings, &survey, err);
    draw(swept, &survey, &findings, result);
    findings_done(&findings);
    return result->table != NULL;
}

static void swept_done(Swept *swept) {
    for (size_t i = 0; swept->pairs && i < swept->pair_count; i++) args_done(&swept->pairs[i]);
    mem_free(swept->pairs);
    sweep_done(&swept->sweep);
}

/* What sweep itself gives to the command. */
static bool check_passed(const Args *args, Error *err) {
    for (size_t i = 0; i < args->passed_count; i++)
        if (strncmp(args->passed[i], "--into", 6) == 0 && (args->passed[i][6] == '\0' || args->passed[i][6] == '='))
            return error_set(err, STATUS_USAGE, "sweep keeps none of its networks; --into is not for it");
    return true;
}

static bool find_command(Swept *swept, Error *err) {
    const char *name = args_text(swept->args, "COMMAND");
    size_t used;
    Str known = {0};
    swept->command = command_find(&name, 1, &used);
    if (swept->command && swept->command->apply) return true;
    for (const Command *const *each = commands; *each; each++)
        if ((*each)->apply) str_addf(&known, "%s%s", known.length ? ", " : "", (*each)->name);
    error_set(err, STATUS_USAGE, "sweep runs over commands that make networks: %s; not '%s'", str_text(&known), name);
    str_done(&known);
    return false;
}

static bool run(Session *session, const Args *args, Result *result, Error *err) {
    Swept swept = {.session = session,
                   .args = args,
                   .sweep = {.base = args_network(args, "NET"), .make = make_network, .context = &swept}};
    const bool done = check_passed(args, err) && find_command(&swept, err) &&
                      read_over(&swept, args_text(args, "over"), err) && choose_series(&swept, err) &&
                      survey_sweep(&swept, result, err);
    swept_done(&swept);
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
    .summary = "Run a smoothing command over a range of settings",
    .description =
        "Runs COMMAND on NET for every value, with its other options as given, and measures the resulting "
        "networks: accuracy and loss on DATA, and over the changed convolutions the mean change of S_ratio, the "
        "relative distance from NET and its root mean square. The networks themselves are not kept.\n\n"
        "--each stage draws one curve per stage, filtering only that stage (--layers stage:1 selects one). The "
        "curves show how much smoothing each tolerates; the dotted line is NET's own accuracy.\n\n"
        "Each point computes only the layers from the first changed one on. The note `recomputed` gives the "
        "fraction of the work.",
    .positionals = positionals,
    .options = options,
    .examples = examples,
    .prelude = "load data few sample:fashion-test --limit 64",
    .run = run,
    .table = true,
    .passes = true,
};
