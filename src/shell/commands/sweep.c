/* sweep -- a network-to-network command over a range of one or two of its numbers, measured. */
#include <stdio.h>
#include <string.h>

#include "../explore.h"
#include "../dispatch.h"
#include "weft/base/error.h"
#include "weft/base/memory.h"
#include "weft/base/task.h"
#include "weft/base/text.h"

typedef struct SweepOptions {
    const char *command, *over, *layers;
    SettingList networks;
    SweepPart each;
    ExploreOptions explore;
    bool whole;
} SweepOptions;

/* A sweep of a command. */
typedef struct Swept {
    const SweepOptions *options;
    const Args *args;
    Args *inner; /* of the command; its struct is copied for every point */
    Setting number[SWEEP_AXES];
    Sweep sweep;
} Swept;

/* ---- --over ------------------------------------------------------------------------------------------------------ */

static bool find_number(const Command *command, const char *name, Setting *out, Error *err) {
    if (command_option(command, name, strlen(name), out) && setting_is_number(out)) return true;
    Str known = {0};
    SettingWalk walk = {0};
    while (settings_next(command->options, command->changes, &walk, out))
        if (setting_is_number(out)) str_addf(&known, "%s%s", known.length ? ", " : "", out->name);
    error_set(err, STATUS_USAGE, "--over: %s has no numeric option '%s'; one of: %s", command->name, name,
              str_text(&known));
    str_done(&known);
    return false;
}

static bool add_axis(Swept *swept, const char *name, const char *values, Error *err) {
    Sweep *sweep = &swept->sweep;
    if (sweep->axes == SWEEP_AXES) return error_set(err, STATUS_USAGE, "--over takes at most %d options", SWEEP_AXES);
    SweepAxis *axis = &sweep->axis[sweep->axes];
    if (!(axis->name = mem_copy_text(name, err))) return false;
    sweep->axes++;
    if (sweep->axes == 2 && strcmp(sweep->axis[0].name, name) == 0)
        return error_set(err, STATUS_USAGE, "--over: %s is given twice", name);
    Setting *number = &swept->number[sweep->axes - 1];
    if (!find_number(swept->inner->command, name, number, err)) return false;
    Str what = {0};
    str_addf(&what, "--over %s", name);
    const bool ok =
        str_ok(&what, err) && range_read(str_text(&what), values, number->kind == SETTING_INTEGER, &axis->range, err);
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
            ok = error_set(err, STATUS_USAGE, "--over %s must be OPTION=LIST or OPTION=MIN:MAX:COUNT[:log]", text);
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
    Sweep *sweep = &swept->sweep;
    bool *chosen = choose_layers(sweep->base, swept->options->layers, swept->inner->command->layers, err);
    const bool ok = chosen && (args_given(swept->args, "each") ? sweep_split(sweep, swept->options->each, chosen, err)
                                                               : sweep_whole(sweep, chosen, err));
    mem_free(chosen);
    return ok;
}

/* ---- points ------------------------------------------------------------------------------------------------------ */

/* Every value is checked before anything runs; a record keeps them as --over has them. */
static bool check_values(Swept *swept, Error *err) {
    const char *settled[SWEEP_AXES + 1] = {"into"};
    for (size_t a = 0; a < swept->sweep.axes; a++) {
        const SweepAxis *axis = &swept->sweep.axis[a];
        settled[a + 1] = axis->name;
        if (args_given(swept->inner, axis->name))
            return error_set(err, STATUS_USAGE, "--%s is fixed by --over", axis->name);
        for (size_t i = 0; i < axis->range.count; i++)
            if (!args_give(swept->inner, axis->name, axis->range.values[i], err)) return false;
    }
    if (args_given(swept->inner, "into"))
        return error_set(err, STATUS_USAGE, "sweep keeps none of its networks; leave out --into");
    /* Layers chosen by a sweep count as chosen by name, which mix asks for. */
    Maker *maker = swept->inner->options;
    const bool parts = swept->options->layers || args_given(swept->args, "each");
    if (parts) maker->layers = swept->options->layers ? swept->options->layers : "all";
    const bool done =
        args_complete(swept->inner, settled, swept->sweep.axes + 1, err) && args_check_needs(swept->inner, err);
    for (size_t a = 0; a < swept->sweep.axes; a++) args_forget(swept->inner, swept->sweep.axis[a].name);
    return done;
}

static Network *make_network(void *context, const double values[SWEEP_AXES], const bool *layers, Error *err) {
    const Swept *swept = context;
    const Task quiet = {.patient = true};
    const Command *command = swept->inner->command;
    void *options = mem_alloc(1, command->size, err);
    if (!options) return NULL;
    memcpy(options, swept->inner->options, command->size);
    SettingValue value;
    bool ok = true;
    for (size_t a = 0; ok && a < swept->sweep.axes; a++) {
        ok = setting_number(&swept->number[a], values[a], &value, err);
        if (ok) setting_put(&swept->number[a], options, value);
    }
    Network *made = ok ? command->apply(swept->sweep.base, options, layers, swept->args->line, &quiet, err) : NULL;
    mem_free(options);
    return made;
}

/* ---- the result -------------------------------------------------------------------------------------------------- */

static void draw(const Swept *swept, const Survey *survey, const Findings *findings, Result *result) {
    const char *value = survey->data_count ? "accuracy" : "sratio_change",
               *name = ((const Object *)swept->options->networks.item[0])->name;
    const Sweep *sweep = &swept->sweep;
    const bool grid = sweep->axes == 2;
    result_chart(result, grid ? CHART_HEATMAP : CHART_LINES, sweep->axis[0].name, grid ? sweep->axis[1].name : value,
                 "%s of %s", swept->options->command, name);
    result_images(result, swept->options->explore.on);
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
    if (survey->data_count && !grid) result_interval(result, true);
    if (!survey->data_count || !findings->done[survey->points - 1]) return;
    const SweepFacts facts = sweep_facts(sweep, findings, survey);
    encoding->references[0] = (ChartReference){"accuracy", facts.accuracy};
    encoding->references[1] = (ChartReference){"loss", facts.loss};
    if (grid) return;
    encoding->reference = facts.accuracy;
    snprintf(encoding->reference_label, CHART_NAME_MAX, "%s", name);
}

static bool survey_sweep(Session *session, Swept *swept, Result *result, Error *err) {
    Survey survey;
    Findings findings;
    const SweepOptions *o = swept->options;
    if (!sweep_survey(&swept->sweep, object_dataset(o->explore.on), &survey, err)) return false;
    survey.whole = o->whole;
    if (!explore_run(session, swept->args, &o->explore, &survey, &findings, result, err)) return false;
    if (!findings.results) return true; /* in the background */
    result->table = sweep_table(&swept->sweep, &findings, &survey, err);
    draw(swept, &survey, &findings, result);
    findings_done(&findings);
    return result->table != NULL;
}

static bool sweep_command(Session *session, const Args *args, Result *result, Error *err) {
    const SweepOptions *o = args->options;
    const Object *network = o->networks.item[0];
    Swept swept = {.options = o,
                   .args = args,
                   .inner = args->inner,
                   .sweep = {.base = network->network, .make = make_network, .context = &swept}};
    const bool done = read_over(&swept, o->over, err) && choose_series(&swept, err) && check_values(&swept, err) &&
                      survey_sweep(session, &swept, result, err);
    sweep_done(&swept.sweep);
    return done;
}

static const Setting positionals[] = {
    WORD(SweepOptions, command, MAKER, "COMMAND", NULL,
         .help = "lowpass, svscale, mix or another that makes a network from a network"),
    LIST(SweepOptions, networks, NETWORK, "NET", .help = "its network (mix: both)"),
    {0}};
static const Setting own[] = {
    WORD(SweepOptions, over, OVER, "over", "OPTION=VALUES", .required = true,
         .help = "which of its numbers to vary: OPTION=1,2,4 or OPTION=MIN:MAX:COUNT[:log]; a second one after a comma "
                 "gives a grid"),
    CHOICE(SweepOptions, each, "each", "PART", SWEEP_PARTS,
           .help = "draw a curve for each stage, block or layer, changing only that part"),
    WORD(SweepOptions, layers, LAYERS, "layers", "SEL", .help = "only these convolutions (help selectors)"),
    {0}};
static const Setting whole[] = {
    FLAG(SweepOptions, whole, "whole",
         .help = "compute every layer at each point, also those before the first that changes; the numbers are the "
                 "same"),
    {0}};
static const SettingGroup options[] = {
    {own, 0}, {explore_settings, offsetof(SweepOptions, explore)}, {whole, 0}, {NULL, 0}};
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
        "networks: accuracy with its 95 % interval and loss on DATA, and over the changed convolutions the mean change of S_ratio, the "
        "relative distance from NET and its root mean square. The networks themselves are not kept.\n\n"
        "--each stage draws one curve per stage, filtering only that stage (--layers stage:1 selects one). The "
        "curves show how much smoothing each tolerates; the dotted line is NET's own accuracy.\n\n"
        "Each point is compared with NET image by image: only counts the images that only the point's network gets "
        "right, only_vs those that only NET does, and p_value is the exact McNemar test. * marks p < 0.05. Of many "
        "points that equal NET, chance marks 5 %; the note under the table counts them and says how many are left "
        "after Holm's correction (help significance).\n\n"
        "Each point computes only the layers from the first changed one on. The note `recomputed` gives the "
        "fraction of the work.",
    .size = sizeof(SweepOptions),
    .positionals = positionals,
    .options = options,
    .examples = examples,
    .prelude = "load data few sample:fashion-test --limit 64",
    .run = sweep_command,
    .table = true,
    .passes = true,
};
