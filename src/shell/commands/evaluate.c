/* evaluate -- accuracy and loss of a network on data, as it is, attacked or corrupted. */
#include <math.h>
#include <string.h>

#include "../attack_options.h"
#include "../report.h"
#include "weft/base/error.h"
#include "weft/base/memory.h"
#include "weft/base/table.h"
#include "weft/base/text.h"
#include "weft/probe.h"

/* ---- running ----------------------------------------------------------------------------------------------------- */

/* `attack`: NULL where there was none. */
static void give_classes(const Args *args, const Evaluation *evaluation, const Attack *attack, Result *result,
                         Error *err) {
    const Dataset *data = args_dataset(args, "DATA");
    result->table = evaluate_class_table(evaluation, data, err);
    result_chart(result, CHART_BARS, data->class_names ? "name" : "class", "accuracy", "Accuracy of %s per class%s%s",
                 args_text(args, "NET"), attack ? ", " : "", attack ? attack_name(attack->kind) : "");
    if (!attack || !result->table) return;
    attack_notes(result->table, attack);
    table_note(result->table, "eps", "%.9g", attack->epsilon);
}

/* --corrupt without --per-class: a row for each kind and severity. */
static bool run_corruptions(Session *session, const Args *args, const CorruptionChoice *choice, Result *result,
                            Error *err) {
    result->table = corruption_table(args_network(args, "NET"), args_dataset(args, "DATA"), choice, session->seed,
                                     &session->task, err);
    if (corruption_single(choice)) return result->table != NULL; /* a row is no chart */
    const bool one_kind = choice->end - choice->first == 1;
    if (one_kind) {
        result_chart(result, CHART_LINES, "severity", "accuracy", "Accuracy of %s under %s", args_text(args, "NET"),
                     corruption_name(choice->first));
        return result->table != NULL;
    }
    result_chart(result, CHART_HEATMAP, "severity", "corruption", "Accuracy of %s on corrupted images",
                 args_text(args, "NET"));
    strcpy(result->encoding.value, "accuracy");
    return result->table != NULL;
}

static bool run_plain(Session *session, const Args *args, const Dataset *data, Result *result, Error *err) {
    Evaluation evaluation;
    if (!evaluate_run(args_network(args, "NET"), data, NULL, &evaluation, &session->task, err)) return false;
    if (args_flag(args, "per-class"))
        give_classes(args, &evaluation, NULL, result, err);
    else
        result->table = evaluate_table(&evaluation, err);
    evaluation_done(&evaluation);
    return result->table != NULL;
}

/* --report full: the row that the paper's tables have. */
static bool run_full(Session *session, const Args *args, Result *result, Error *err) {
    const Network *network = args_network(args, "NET");
    const Dataset *data = args_dataset(args, "DATA");
    double full[REPORT_VALUES];
    Evaluation evaluation;
    if (args_flag(args, "per-class") || args_text(args, "attack") || args_text(args, "corrupt"))
        return error_set(err, STATUS_USAGE, "--report full stands alone: it attacks and corrupts by itself");
    if (!evaluate_run(network, data, NULL, &evaluation, &session->task, err)) return false;
    const int64_t images = (int64_t)evaluation.images;
    const double accuracy = evaluation_accuracy(&evaluation), loss = evaluation.loss;
    Table *table = report_measure(network, data, session->seed, &session->task, full, err) ? table_new(err) : NULL;
    evaluation_note(table, &evaluation);
    evaluation_done(&evaluation);
    if (!table) return false;
    table_column(table, "images", "", COLUMN_INTEGER);
    table_column(table, "accuracy", "%", COLUMN_REAL);
    table_column(table, "loss", "", COLUMN_REAL);
    report_columns(table);
    table_integer(table, images);
    table_real(table, accuracy);
    table_real(table, loss);
    report_cells(table, full);
    result->table = table_finish(table, err);
    return result->table != NULL;
}

static bool run_attacks(Session *session, const Args *args, const Attack *attacks, size_t count, Result *result,
                        Error *err) {
    const Dataset *data = args_dataset(args, "DATA");
    if (args_flag(args, "per-class") && count > 1)
        return error_set(err, STATUS_USAGE, "--per-class shows one attack: give --eps one number, not %zu", count);
    Evaluation *evaluations = mem_alloc(count, sizeof *evaluations, err);
    bool ok =
        evaluations && attack_run(args_network(args, "NET"), data, attacks, count, evaluations, &session->task, err);
    if (ok && args_flag(args, "per-class")) {
        give_classes(args, &evaluations[0], attacks, result, err);
    } else if (ok) {
        result->table = attack_table(attacks, evaluations, count, err);
        if (count > 1)
            result_chart(result, CHART_LINES, "eps_255", "accuracy", "Accuracy of %s under %s", args_text(args, "NET"),
                         args_text(args, "attack"));
    }
    for (size_t i = 0; ok && i < count; i++) evaluation_done(&evaluations[i]);
    mem_free(evaluations);
    return result->table != NULL;
}

static bool attacked_run(Session *session, const Args *args, Result *result, Error *err) {
    Attack *attacks;
    size_t count;
    if (!attacks_read(args, &attacks, &count, err)) return false;
    const bool ok = count == 0 ? run_plain(session, args, args_dataset(args, "DATA"), result, err)
                               : run_attacks(session, args, attacks, count, result, err);
    mem_free(attacks);
    return ok;
}

static bool measure(Session *session, const Args *args, Result *result, Error *err) {
    const Dataset *data = args_dataset(args, "DATA");
    const char *wish = args_text(args, "corrupt");
    CorruptionChoice choice;
    if (args_choice(args, "report") == 1) return run_full(session, args, result, err);
    if (!wish) return attacked_run(session, args, result, err);
    if (args_text(args, "attack"))
        return error_set(err, STATUS_USAGE, "--attack and --corrupt are measured one at a time");
    if (!corruption_choose(wish, &choice, err)) return false;
    if (!args_flag(args, "per-class")) return run_corruptions(session, args, &choice, result, err);
    if (!corruption_single(&choice))
        return error_set(err, STATUS_USAGE, "--per-class is for one corruption: --corrupt KIND:SEVERITY");
    if (!evaluate_check(args_network(args, "NET"), data, err)) return false;
    Dataset *dirty = dataset_corrupt(data, choice.first, choice.low, session->seed, &session->task, err);
    bool ok = dirty && run_plain(session, args, dirty, result, err);
    dataset_free(dirty);
    return ok;
}

static bool run(Session *session, const Args *args, Result *result, Error *err) {
    if (!measure(session, args, result, err)) return false;
    const Network *network = args_network(args, "NET");
    if (!network->normalise_why) return true;
    Str text = {0};
    network_normalisation(network, &text);
    table_note(result->table, "normalisation", "%s", str_text(&text));
    const bool ok = str_ok(&text, err);
    str_done(&text);
    return ok;
}

#define X(name, help) "|" #name
static const ArgSpec positionals[] = {{.name = "NET", .kind = ARG_NETWORK, .help = "the network"},
                                      {.name = "DATA", .kind = ARG_DATASET, .help = "the images"},
                                      {0}};
static const ArgSpec options[] = {
    {.name = "per-class", .kind = ARG_FLAG, .help = "a row for every class"},
    OPTIONS_ATTACK("; a list gives a row each"),
    OPTION_REPORT,
    {.name = "corrupt",
     .kind = ARG_TEXT,
     .value = "KIND[:SEVERITY]",
     .choices = "all" CORRUPTIONS(X),
     .help = "corrupt the images first: one kind at a severity (1 to 5) or at all five, or all "
             "kinds (help corruptions)"},
    {0}};
#undef X
static const char *const examples[] = {"evaluate base test",
                                       "evaluate smooth test --per-class",
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
        "Reports accuracy in per cent, top-5 accuracy if there are more than 10 classes, mean cross-entropy "
        "(natural logarithm) and images/s. Batch norm uses its stored statistics.\n\n"
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
    .positionals = positionals,
    .options = options,
    .examples = examples,
    .run = run,
    .table = true,
};
