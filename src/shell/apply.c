/* apply -- what commands share: network-to-network ones publish the new network and say in one row what changed. */
#include "apply.h"
#include "session.h"
#include "workspace.h"
#include "weft/base/error.h"
#include "weft/base/memory.h"
#include "weft/base/table.h"
#include "weft/base/text.h"
#include "weft/spectral.h"

bool work_command(const Network *network, const Network *versus, bool *chosen, WorkFunction *work, Result *result,
                  Error *err) {
    result->table = chosen ? work_table(network, versus, chosen, work, err) : NULL;
    mem_free(chosen);
    return result->table != NULL;
}

bool run_apply(Session *session, const Args *args, Result *result, Error *err) {
    const Maker *maker = args->options;
    const Network *network = maker->network->network;
    if (!workspace_accepts(session, maker->into, OBJECT_NETWORK, err)) return false;
    bool *chosen = choose_layers(network, maker->layers, args->command->layers, err);
    if (maker->dry_run) return work_command(network, NULL, chosen, args->command->work, result, err);
    Network *made = chosen ? args->command->apply(network, maker, chosen, args->line, &session->task, err) : NULL;
    mem_free(chosen);
    if (!made) return false;
    result->network = made;
    result->name = maker->into;
    result->receipt = true;
    for (size_t i = 0; i < made->note_count; i++)
        str_addf(&result->message, "%s: %s\n", made->notes[i].key, made->notes[i].value);
    WeightChange change;
    if (!weights_change(network, made, &session->task, &change, err)) return false;
    if (change.unmeasured)
        str_add(&result->message,
                "large networks are mixed where their weights are read; `distance` measures the change\n");
    Table *table = table_new(err);
    if (!table) return false;
    table_column(table, "network", "", COLUMN_TEXT);
    table_column(table, "layers", "", COLUMN_INTEGER);
    table_column(table, "weights", "", COLUMN_INTEGER);
    table_column(table, "relative_change", "", COLUMN_REAL);
    table_text(table, result->name);
    table_integer(table, (int64_t)change.layers);
    table_integer(table, (int64_t)change.weights);
    table_real(table, change.relative);
    result->table = table_finish(table, err);
    return result->table != NULL;
}

bool lineage_say(KeyValue *newest, const char *line, Error *err) {
    char *copy = mem_copy_text(line, err);
    if (!copy) return false;
    mem_free(newest->value);
    newest->value = copy;
    return true;
}
