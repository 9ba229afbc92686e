/* evaluate -- accuracy and loss of a network on data. */
#include "../session.h"
#include "weft/probe.h"

static bool run(Session *session, const Args *args, Result *result, Error *err) {
    const Dataset *data = args_dataset(args, "DATA");
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

static const ArgSpec positionals[] = {{.name = "NET", .kind = ARG_NETWORK, .help = "the network"},
                                      {.name = "DATA", .kind = ARG_DATASET, .help = "the images"},
                                      {0}};
static const ArgSpec options[] = {{.name = "per-class", .kind = ARG_FLAG, .help = "a row for every class"}, {0}};
static const char *const examples[] = {"evaluate base test", "evaluate smooth test --per-class", NULL};

const Command command_evaluate = {
    .name = "evaluate",
    .group = "Measuring",
    .summary = "accuracy and loss on data",
    .description =
        "Accuracy in per cent, top-5 accuracy where there are more than 10 classes, mean cross-entropy (natural logarithm) and images "
        "per second. Batch norm uses its stored statistics.",
    .positionals = positionals,
    .options = options,
    .examples = examples,
    .run = run,
    .table = true,
};
