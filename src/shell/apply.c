/* apply -- what commands share: network-to-network ones publish the new network and say in one row what changed. */
#include <math.h>

#include "apply.h"
#include "session.h"
#include "workspace.h"
#include "weft/base/error.h"
#include "weft/base/memory.h"
#include "weft/base/table.h"
#include "weft/base/tensor.h"
#include "weft/base/text.h"

bool run_apply(Session *session, const Args *args, Result *result, Error *err) {
    const Maker *maker = args->options;
    const Network *network = maker->network->network;
    if (!workspace_accepts(session, maker->into, OBJECT_NETWORK, err)) return false;
    bool *chosen = choose_layers(network, maker->layers, args->command->layers, err);
    Network *made = chosen ? args->command->apply(network, maker, chosen, args->line, &session->task, err) : NULL;
    mem_free(chosen);
    if (!made) return false;
    result->network = made;
    result->name = maker->into;
    result->receipt = true;
    for (size_t i = 0; i < made->note_count; i++)
        str_addf(&result->message, "%s: %s\n", made->notes[i].key, made->notes[i].value);
    int64_t layers = 0, weights = 0;
    double change = 0, size = 0;
    for (size_t i = 0; i < network->layer_count; i++) {
        const Tensor *old = layer_weight(network, &network->layers[i]), *now = layer_weight(made, &made->layers[i]);
        if (old == now || network->tensors[network->layers[i].tensor].tied) continue; /* a tied one is changed once */
        layers++;
        weights += (int64_t)old->count;
        for (uint64_t w = 0; w < old->count; w++) {
            double difference = (double)now->data[w] - (double)old->data[w];
            change += difference * difference;
            size += (double)old->data[w] * (double)old->data[w];
        }
    }
    Table *table = table_new(err);
    if (!table) return false;
    table_column(table, "network", "", COLUMN_TEXT);
    table_column(table, "layers", "", COLUMN_INTEGER);
    table_column(table, "weights", "", COLUMN_INTEGER);
    table_column(table, "relative_change", "", COLUMN_REAL);
    table_text(table, result->name);
    table_integer(table, layers);
    table_integer(table, weights);
    table_real(table, size > 0 ? sqrt(change / size) : NAN);
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
