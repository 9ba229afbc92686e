/* network -- deriving and freeing networks. */
#include "net/internal.h"
#include "weft/base/error.h"
#include "weft/base/memory.h"
#include "weft/base/text.h"

void network_free(Network *network) {
    if (!network) return;
    network_free_tensors(network);
    network_free_layers(network);
    graph_release(network->graph);
    key_value_free(network->lineage, network->lineage_count);
    key_value_free(network->notes, network->note_count);
    key_value_free(network->metadata, network->metadata_count);
    mem_free(network->architecture);
    mem_free(network->why_unknown);
    origin_free(network->origin);
    mem_free(network);
}

/* ---- deriving ---------------------------------------------------------------------------------------------------- */

static bool copy_optional(char **out, const char *text, Error *err) {
    if (!text) return true;
    *out = mem_copy_text(text, err);
    return *out != NULL;
}

Network *network_copy(const Network *network, Error *err) {
    Network *copy = mem_alloc(1, sizeof *copy, err);
    if (!copy) return NULL;
    copy->graph = graph_share(network->graph);
    copy->normalisation = network->normalisation;
    copy->normalise_why = network->normalise_why;
    bool done = network_copy_tensors(copy, network, err) && network_copy_layers(copy, network, err) &&
                copy_optional(&copy->architecture, network->architecture, err) &&
                copy_optional(&copy->why_unknown, network->why_unknown, err);
    if (done && key_value_copy(&copy->lineage, &copy->lineage_count, network->lineage, network->lineage_count, err) &&
        key_value_copy(&copy->metadata, &copy->metadata_count, network->metadata, network->metadata_count, err))
        return copy;
    network_free(copy);
    return NULL;
}

/* Numbers, such as an accuracy or an epoch, are of the very weights in the file. */
static void forget_numbers(Network *network) {
    size_t kept = 0;
    for (size_t i = 0; i < network->metadata_count; i++) {
        double ignored;
        KeyValue entry = network->metadata[i];
        if (text_to_double(entry.value, &ignored)) {
            mem_free(entry.key);
            mem_free(entry.value);
        } else {
            network->metadata[kept++] = entry;
        }
    }
    network->metadata_count = kept;
}

Network *network_derive(const Network *network, const char *what, const char *command, Error *err) {
    Network *copy = network_copy(network, err);
    if (copy) forget_numbers(copy);
    if (!copy || key_value_add(&copy->lineage, &copy->lineage_count, what, command, err)) return copy;
    network_free(copy);
    return NULL;
}
