/* evaluate -- accuracy and loss of a network on clean, attacked or corrupted data. */
#include <string.h>

#include "../attack_options.h"
#include "../report.h"
#include "../dispatch.h"
#include "../session.h"
#include "weft/base/error.h"
#include "weft/base/memory.h"
#include "weft/base/table.h"
#include "weft/base/text.h"
#include "weft/probe.h"
#include "weft/probe/compare.h"

typedef struct Evaluate {
    const Object *object, *data, *vs;
    bool per_class;
    AttackOptions attack;
    ReportKind report;
    const char *corrupt;
    Convolutions convolutions;
} Evaluate;

/* ---- running ----------------------------------------------------------------------------------------------------- */

enum { PAIR = 2 };

/* NET and, with --vs, the network that it is compared with. */
static size_t networks_of(const Evaluate *o, const Network *networks[PAIR]) {
    networks[0] = o->object->network;
    networks[1] = o->vs ? o->vs->network : NULL;
    return o->vs ? PAIR : 1;
}

static ComparedNames names_of(const Evaluate *o) {
    return (ComparedNames){.a = o->object->name, .b = o->vs ? o->vs->name : NULL};
}

/* A chart of accuracies with their intervals. With --vs: of differences, or (`curves`) of both networks. */
static void draw(const Evaluate *o, ChartKind kind, const char *x, bool curves, const char *what, const char *of,
                 Result *result) {
    const char *vs = o->vs ? " and " : "", *name = o->vs ? o->vs->name : "";
    if (o->vs && !curves)
        result_chart(result, kind, x, "difference", "Accuracy of %s minus %s%s%s", name, o->object->name, what, of);
    else
        result_chart(result, kind, x, "accuracy", "Accuracy of %s%s%s%s%s", o->object->name, vs, name, what, of);
    result_images(result, o->data);
    result_interval(result, o->vs != NULL);
    if (o->vs && curves) strcpy(result->encoding.y[1], "accuracy_vs");
}

/* `attack`: NULL where there was none. */
static void give_classes(const Evaluate *o, const Evaluation *evaluations, const Attack *attack, Result *result,
                         Error *err) {
    const Dataset *data = o->data->dataset;
    const ComparedNames names = names_of(o);
    result->table = o->vs ? compare_class_table(&evaluations[0], &evaluations[1], data, &names, err)
                          : evaluate_class_table(evaluations, data, err);
    draw(o, CHART_BARS, data->class_names ? "name" : "class", false, attack ? " per class, " : " per class",
         attack ? attack_name(attack->kind) : "", result);
    if (!attack || !result->table) return;
    attack_notes(result->table, attack);
    table_note(result->table, "eps", "%.9g", attack->epsilon);
}

/* --corrupt without --per-class: a row for each kind and severity. */
static bool give_corruptions(Session *session, const Evaluate *o, const CorruptionChoice *choice, Result *result,
                             Error *err) {
    const Network *networks[PAIR];
    const ComparedNames names = names_of(o);
    CorruptionScores scores[PAIR];
    if (!o->vs)
        result->table =
            corruption_table(o->object->network, o->data->dataset, choice, session->seed, &session->task, err);
    else if (corruption_run(networks, networks_of(o, networks), o->data->dataset, choice, session->seed, &session->task,
                            scores, err)) {
        result->table = compare_corruption_table(&scores[0], &scores[1], &names, err);
        for (size_t i = 0; i < PAIR; i++) corruption_scores_done(&scores[i]);
    }
    return result->table != NULL;
}

static bool run_corruptions(Session *session, const Evaluate *o, const CorruptionChoice *choice, Result *result,
                            Error *err) {
    if (!give_corruptions(session, o, choice, result, err)) return false;
    if (corruption_single(choice)) return true; /* a row is no chart */
    if (choice->end - choice->first == 1) {
        draw(o, CHART_LINES, "severity", true, " under ", corruption_name(choice->first), result);
        return true;
    }
    result_chart(result, CHART_HEATMAP, "severity", "corruption", "Accuracy of %s%s%s on corrupted images",
                 o->vs ? o->vs->name : "", o->vs ? " minus " : "", o->object->name);
    result_images(result, o->data);
    strcpy(result->encoding.value, o->vs ? "difference" : "accuracy");
    result->encoding.diverging = o->vs != NULL;
    return true;
}

/* Runs NET, and the network of --vs, on `data`. */
static bool run_networks(Session *session, const Evaluate *o, const Dataset *data, Evaluation evaluations[PAIR],
                         Error *err) {
    const Network *networks[PAIR];
    const size_t count = networks_of(o, networks);
    for (size_t i = 0; i < count; i++)
        if (!evaluate_check(networks[i], data, err)) return i == 0 ? false : error_prefix(err, "%s", o->vs->name);
    if (!evaluate_run(networks[0], data, NULL, &evaluations[0], &session->task, err)) return false;
    if (count == 1 || evaluate_run(networks[1], data, NULL, &evaluations[1], &session->task, err)) return true;
    evaluation_done(&evaluations[0]);
    return false;
}

static bool run_plain(Session *session, const Evaluate *o, const Dataset *data, Result *result, Error *err) {
    Evaluation evaluations[PAIR] = {0};
    const ComparedNames names = names_of(o);
    if (!run_networks(session, o, data, evaluations, err)) return false;
    if (o->per_class)
        give_classes(o, evaluations, NULL, result, err);
    else if (o->vs)
        result->table = compare_table(&evaluations[0], &evaluations[1], &names, err);
    else
        result->table = evaluate_table(evaluations, err);
    for (size_t i = 0; i < PAIR; i++) evaluation_done(&evaluations[i]);
    return result->table != NULL;
}

/* --report full: the row that the paper's tables have. */
static bool run_full(Session *session, const Args *args, const Evaluate *o, Result *result, Error *err) {
    const Network *network = o->object->network;
    const Dataset *data = o->data->dataset;
    double full[REPORT_VALUES];
    Evaluation evaluation;
    if (o->per_class || args_given(args, "attack") || o->corrupt)
        return error_set(err, STATUS_USAGE,
                         "--report full cannot be combined with --attack or --corrupt; it measures both");
    if (o->vs)
        return error_set(err, STATUS_USAGE, "--report full cannot be combined with --vs; use --attack and --corrupt");
    if (!evaluate_run(network, data, NULL, &evaluation, &session->task, err)) return false;
    Table *table = report_measure(network, data, session->seed, &session->task, full, err) ? table_new(err) : NULL;
    if (table) {
        evaluation_note(table, &evaluation);
        table_column(table, "images", "", COLUMN_INTEGER);
        accuracy_columns(table, "accuracy");
        table_column(table, "loss", "", COLUMN_REAL);
        report_columns(table);
        table_integer(table, (int64_t)evaluation.images);
        accuracy_cells(table, evaluation.correct, evaluation.images, evaluation.no_logits == 0);
        table_real(table, evaluation.loss);
        report_cells(table, full, evaluation.images);
        result->table = table_finish(table, err);
    }
    evaluation_done(&evaluation);
    return result->table != NULL;
}

/* The table of `count` attacks: of NET in evaluations, of --vs behind them. */
static void give_attacks(const Evaluate *o, const Attack *attacks, const Evaluation *evaluations, size_t count,
                         Result *result, Error *err) {
    const ComparedNames names = names_of(o);
    if (o->per_class) { /* one attack: the pair lies side by side */
        give_classes(o, evaluations, attacks, result, err);
        return;
    }
    result->table = o->vs ? compare_attack_table(attacks, evaluations, evaluations + count, count, &names, err)
                          : attack_table(attacks, evaluations, count, err);
    if (count > 1) draw(o, CHART_LINES, "eps_255", true, " under ", attack_name(o->attack.kind), result);
}

static bool run_attacks(Session *session, const Evaluate *o, const Attack *attacks, size_t count, Result *result,
                        Error *err) {
    const Dataset *data = o->data->dataset;
    const Network *networks[PAIR];
    const size_t pair = networks_of(o, networks);
    if (o->per_class && count > 1)
        return error_set(err, STATUS_USAGE, "--per-class needs a single attack; give --eps one number, not %zu", count);
    Evaluation *evaluations = mem_alloc(pair * count, sizeof *evaluations, err);
    bool ok = evaluations != NULL;
    for (size_t i = 0; ok && i < pair; i++)
        ok = attack_run(networks[i], data, attacks, count, evaluations + i * count, &session->task, err);
    if (ok) give_attacks(o, attacks, evaluations, count, result, err);
    for (size_t i = 0; evaluations && i < pair * count; i++) evaluation_done(&evaluations[i]);
    mem_free(evaluations);
    return result->table != NULL;
}

static bool attacked_run(Session *session, const Args *args, const Evaluate *o, Result *result, Error *err) {
    Attack *attacks;
    size_t count;
    if (!attacks_read(args, &o->attack, &attacks, &count, err)) return false;
    const bool ok = count == 0 ? run_plain(session, o, o->data->dataset, result, err)
                               : run_attacks(session, o, attacks, count, result, err);
    mem_free(attacks);
    return ok;
}

static bool measure(Session *session, const Args *args, Result *result, Error *err) {
    const Evaluate *o = args->options;
    const Dataset *data = o->data->dataset;
    const char *wish = o->corrupt;
    CorruptionChoice choice;
    if (o->report == REPORT_FULL) return run_full(session, args, o, result, err);
    if (!wish) return attacked_run(session, args, o, result, err);
    if (args_given(args, "attack")) return error_set(err, STATUS_USAGE, "--attack cannot be combined with --corrupt");
    if (!corruption_choose(wish, &choice, err)) return false;
    if (!o->per_class) return run_corruptions(session, o, &choice, result, err);
    if (!corruption_single(&choice))
        return error_set(err, STATUS_USAGE, "--per-class needs a single corruption: --corrupt KIND:SEVERITY");
    if (!evaluate_check(o->object->network, data, err)) return false;
    Dataset *dirty = dataset_corrupt(data, choice.first, choice.low, session->seed, &session->task, err);
    bool ok = dirty && run_plain(session, o, dirty, result, err);
    dataset_free(dirty);
    return ok;
}

static bool note_normalisation(Table *table, const char *key, const Object *object, Error *err) {
    Str text = {0};
    if (!object || !object->network->normalise_why) return true;
    network_normalisation(object->network, &text);
    table_note(table, key, "%s", str_text(&text));
    const bool ok = str_ok(&text, err);
    str_done(&text);
    return ok;
}

static bool evaluate_command(Session *session, const Args *args, Result *result, Error *err) {
    const Evaluate *o = args->options;
    return measure(session, args, result, err) && note_normalisation(result->table, "normalisation", o->object, err) &&
           note_normalisation(result->table, "normalisation_vs", o->vs, err);
}

#define X(name, help) #name,
static const Setting positionals[] = {OBJECT(Evaluate, object, NETWORK, "NET", NULL, .help = "the network"),
                                      OBJECT(Evaluate, data, DATASET, "DATA", NULL, .help = "the images"),
                                      {0}};
static const Setting classes[] = {
    OBJECT(Evaluate, vs, NETWORK, "vs", "NET2",
           .help = "compare with this network, image by image: is the difference chance? (help significance)"),
    FLAG(Evaluate, per_class, "per-class", .help = "give a row for every class"),
    {0}};
static const Setting others[] = {
    REPORT_ROW(Evaluate, report),
    WORD(Evaluate, corrupt, TEXT, "corrupt", "KIND[:SEVERITY]",
         .choices = (const char *const[]){"all", CORRUPTIONS(X) NULL},
         .help = "corrupt the images first: one kind at a severity (1 to 5) or at all five, or all kinds (help "
                 "corruptions)"),
    CONVOLUTIONS_ROW(Evaluate),
    {0}};
#undef X
static const SettingGroup options[] = {
    {classes, 0}, {attack_settings, offsetof(Evaluate, attack)}, {others, 0}, {NULL, 0}};
static const char *const examples[] = {"evaluate base test",
                                       "evaluate smooth test --per-class",
                                       "evaluate smooth test --vs base",
                                       "evaluate base test --attack fgsm --eps 0,1/255,2/255,4/255",
                                       "evaluate base test --attack ifgsm --eps 2/255 --steps 4 --step 1/255",
                                       "evaluate base test --corrupt fog:3 --seed 1",
                                       "evaluate base test --corrupt contrast",
                                       NULL};

const Command command_evaluate = {
    .name = "evaluate",
    .group = "Measuring",
    .summary = "Measure accuracy and loss on data",
    .description =
        "Reports accuracy in per cent, top-5 accuracy if there are more than 10 classes, and mean cross-entropy "
        "(natural logarithm). A note gives images/s. Batch norm uses its stored statistics. accuracy_low and accuracy_high "
        "are the ends of the accuracy's 95 % interval (Wilson); the top-5 accuracy and the attacks of --report full have "
        "theirs. Means over corruptions have none, since all of them are of the same images.\n\n"
        "--vs compares NET with NET2 on the same images. only counts the images that only NET gets right, only_vs "
        "those that only NET2 does. difference is NET2 - NET. p_value is the exact McNemar test of these two counts; * marks p < 0.05. "
        "difference_low and difference_high are the 95 % interval of the difference (Newcombe's for paired data). "
        "loss_difference has its standard error beside it. With --attack, each network is attacked with its own "
        "gradient. help significance explains these numbers.\n\n"
        "--attack measures adversarial robustness. fgsm moves every pixel by eps in the direction that increases "
        "the loss: x' = clip(x + eps sign(dCE/dx), 0, 1). ifgsm (stronger) takes --steps smaller steps, "
        "recomputing the gradient and clipping to within eps after each. eps 0 is the unchanged image. eps "
        "applies to pixels in [0, 1], before normalisation; the column eps_255 gives it in 8-bit levels. The "
        "paper (help paper) does not state its eps; its accuracies fit about 0.3/255, and none of 1/255 to 8/255.\n\n"
        "For confidently classified images the usual float32 gradient is rounding noise, so attacks look weaker "
        "than they are. weft computes it without that cancellation. For a ResNet20 on CIFAR-10 at 2/255, the "
        "usual gradient reports 29 % accuracy instead of 20 %.\n\n"
        "--corrupt prints one row per kind and severity. The mean accuracy of each kind, and of all kinds (OOD "
        "accuracy), follows the table.\n\n"
        "If the logits of an image are NaN or infinite, no accuracy is reported. A note counts such images and "
        "names the first layer with such values.",
    .size = sizeof(Evaluate),
    .positionals = positionals,
    .options = options,
    .examples = examples,
    .run = evaluate_command,
    .table = true,
};
