/* evaluate -- accuracy and loss of a network on data, clean or corrupted. */
#include <string.h>

#include "../session.h"
#include "weft/probe.h"

/* --corrupt without --per-class: a row for each kind and severity. */
static bool run_corruptions(Session *session, const Args *args, const CorruptionChoice *choice, Result *result,
                            Error *err) {
    result->table = corruption_table(args_network(args, "NET"), args_dataset(args, "DATA"), choice, session->seed,
                                     &session->task, err);
    if (corruption_single(choice)) return result->table != NULL; /* a row is no chart */
    result_chart(result, CHART_HEATMAP, "severity", "corruption", "Accuracy of %s on corrupted images",
                 args_text(args, "NET"));
    strcpy(result->encoding.value, "accuracy");
    return result->table != NULL;
}

static bool run_plain(Session *session, const Args *args, const Dataset *data, Result *result, Error *err) {
    Evaluation evaluation;
    if (!evaluate_run(args_network(args, "NET"), data, NULL, &evaluation, &session->task, err)) return false;
    if (args_flag(args, "per-class")) {
        result->table = evaluate_class_table(&evaluation, data, err);
        result_chart(result, CHART_BARS, data->class_names ? "name" : "class", "accuracy", "Accuracy of %s per class",
                     args_text(args, "NET"));
    } else {
        result->table = evaluate_table(&evaluation, err);
    }
    evaluation_done(&evaluation);
    return result->table != NULL;
}

static bool run(Session *session, const Args *args, Result *result, Error *err) {
    const Dataset *data = args_dataset(args, "DATA");
    const char *wish = args_text(args, "corrupt");
    CorruptionChoice choice;
    if (!wish) return run_plain(session, args, data, result, err);
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

#define X(name, help) "|" #name
static const ArgSpec positionals[] = {{.name = "NET", .kind = ARG_NETWORK, .help = "the network"},
                                      {.name = "DATA", .kind = ARG_DATASET, .help = "the images"},
                                      {0}};
static const ArgSpec options[] = {
    {.name = "per-class", .kind = ARG_FLAG, .help = "a row for every class"},
    {.name = "corrupt",
     .kind = ARG_TEXT,
     .value = "KIND[:SEVERITY]",
     .choices = "all" CORRUPTIONS(X),
     .help = "corrupt the images first: one kind at a severity (1 to 5) or at all five, or all "
             "kinds (help corruptions)"},
    {0}};
#undef X
static const char *const examples[] = {"evaluate base test", "evaluate smooth test --per-class",
                                       "evaluate base test --corrupt fog:3 --seed 1",
                                       "evaluate base test --corrupt contrast", NULL};

const Command command_evaluate = {
    .name = "evaluate",
    .group = "Measuring",
    .summary = "accuracy and loss on data",
    .description =
        "Accuracy in per cent, top-5 accuracy where there are more than 10 classes, mean cross-entropy (natural logarithm) and images "
        "per second. Batch norm uses its stored statistics. With --corrupt a row for each kind and severity, and under the table the mean "
        "accuracy of each kind and of all (ood accuracy).",
    .positionals = positionals,
    .options = options,
    .examples = examples,
    .run = run,
    .table = true,
};
