/* read -- a network from a checkpoint: its tensors, its graph, and what the file says about it. */
#include "net/internal.h"

#include <string.h>

#include "weft/base/error.h"
#include "weft/base/memory.h"
#include "weft/base/text.h"
#include "weft/format/onnx.h"

static bool load_notes(Network *network, const Checkpoint *checkpoint, Error *err) {
    for (size_t i = 0; i < network->tensor_count; i++)
        if (text_ends_with(network->tensors[i].name, "final_linear_layer.weight") &&
            !key_value_add(&network->notes, &network->note_count, "note",
                           "these are the weights of a weight predictor (load predictor reads it)", err))
            return false;
    for (size_t i = 0; i < checkpoint_note_count(checkpoint); i++)
        if (!key_value_add(&network->notes, &network->note_count, "note", checkpoint_note(checkpoint, i), err))
            return false;
    return true;
}

/* What the file says in words, beside what is weft's and the further names of tied tensors. */
static bool load_metadata(Network *network, const Checkpoint *checkpoint, Error *err) {
    TensorNames names;
    bool done = tensor_names_begin(&names, network, err);
    const bool named = done;
    for (size_t i = 0; done && i < checkpoint_metadata_count(checkpoint); i++) {
        const KeyValue *entry = checkpoint_metadata(checkpoint, i);
        size_t ignored;
        bool told = strncmp(entry->key, "weft.", 5) != 0 && strcmp(entry->key, "format") != 0; /* "pt" tells nothing */
        if (!told || tensor_names_find(&names, entry->key, &ignored)) continue;
        done = key_value_add(&network->notes, &network->note_count, entry->key, entry->value, err) &&
               key_value_add(&network->metadata, &network->metadata_count, entry->key, entry->value, err);
    }
    if (named) tensor_names_done(&names);
    return done;
}

/* What a saved network says about itself; a lineage that cannot be read is told, a fresh file's one begins here. */
static bool load_lineage(Network *network, const Checkpoint *checkpoint, bool own, Error *err) {
    const char *text = checkpoint_metadata_find(checkpoint, "weft.lineage");
    bool understood = true;
    if (text && !key_value_read(&network->lineage, &network->lineage_count, LINEAGE_NAMES, text, &understood, err))
        return false;
    if (!understood && !key_value_add(&network->notes, &network->note_count, "note",
                                      "weft.lineage is not understood and was left out", err))
        return false;
    return own || key_value_add(&network->lineage, &network->lineage_count, "load", checkpoint_path(checkpoint), err);
}

/* One value stands for all channels. */
static void spread_channels(Normalisation *one, unsigned channels) {
    if (one->channels != 1 || channels > sizeof one->mean / sizeof *one->mean) return;
    for (; one->channels < channels; one->channels++) {
        one->mean[one->channels] = one->mean[0];
        one->std[one->channels] = one->std[0];
    }
}

/* `own`: from the file's tensors. */
static bool load_normalisation(Network *network, const Checkpoint *checkpoint, const char *asked,
                               const Normalisation *own, Error *err) {
    unsigned channels = network->graph ? network->graph->in_channels : 0;
    const char *saved = checkpoint_metadata_find(checkpoint, "weft.normalise");
    if (asked) return normalisation_parse(asked, channels, &network->normalisation, err);
    if (saved) {
        if (normalisation_parse(saved, channels, &network->normalisation, err)) return true;
        err->status = STATUS_BAD_INPUT;
        return error_prefix(err, "%s: metadata weft.normalise", checkpoint_path(checkpoint));
    }
    network->normalisation = *own;
    spread_channels(&network->normalisation, channels);
    if (own->channels == 0) normalisation_assume(network);
    return true;
}

/* A network that weft saved carries its graph; others are recognised. An --arch is for what the graph does not say. */
static bool find_graph(Network *network, const Checkpoint *checkpoint, const NetworkOptions *options, Error *err) {
    const char *text = checkpoint_metadata_find(checkpoint, "weft.graph");
    const char *name = checkpoint_metadata_find(checkpoint, "weft.architecture");
    if (text && !options->architecture && !options->prefix) {
        network->graph = network_graph_read(network, text, err);
        if (network->graph) return (network->architecture = mem_copy_text(name ? name : "saved graph", err)) != NULL;
        if (err->status == STATUS_BAD_INPUT) error_prefix(err, "%s: metadata weft.graph", checkpoint_path(checkpoint));
        return false;
    }
    if (architecture_recognise(network, options, err)) return true;
    if (err->status == STATUS_BAD_INPUT) error_prefix(err, "%s", checkpoint_path(checkpoint));
    return false;
}

/* The graph of the ONNX file `path`, over the network's own tensors. */
static bool take_graph(Network *network, const char *path, Error *err) {
    const NetworkOptions own = {.own = true};
    Checkpoint *checkpoint = checkpoint_open(path, err);
    Network *model = NULL;
    bool ok = false;
    if (checkpoint && !checkpoint_onnx(checkpoint))
        error_set(err, STATUS_BAD_INPUT, "%s: %s, not ONNX: --graph takes an ONNX file", path,
                  checkpoint_format(checkpoint));
    else if (checkpoint)
        model = network_from_checkpoint(checkpoint, &own, err);
    if (model && !model->graph)
        error_set(err, STATUS_BAD_INPUT, "%s: %s", path, model->why_unknown);
    else if (model)
        ok = onnx_take_graph(network, model, path, err);
    network_free(model);
    checkpoint_close(checkpoint);
    return ok;
}

/* Files of weft say what they are. */
static bool is_predictor(const Checkpoint *checkpoint, Error *err) {
    const char *kind = checkpoint_metadata_find(checkpoint, "weft.kind");
    if (!kind || strcmp(kind, "predictor") != 0) return false;
    error_set(err, STATUS_BAD_INPUT, "%s: a weight predictor, not a network (load predictor reads it)",
              checkpoint_path(checkpoint));
    return true;
}

Network *network_from_checkpoint(Checkpoint *checkpoint, const NetworkOptions *options, Error *err) {
    static const NetworkOptions defaults;
    if (is_predictor(checkpoint, err)) return NULL;
    Network *network = mem_alloc(1, sizeof *network, err);
    if (!network) return NULL;
    if (!options) options = &defaults;
    const bool onnx = checkpoint_onnx(checkpoint) && !options->architecture;
    const bool lazy = options->lazy && !checkpoint_onnx(checkpoint) && !options->graph; /* both look at the weights */
    Normalisation own;
    bool done = network_load_tensors(network, checkpoint, lazy, options->lazy_always, err) &&
                network_load_ties(network, checkpoint, err) && (onnx || network_fold(network, err)) &&
                load_notes(network, checkpoint, err) && load_metadata(network, checkpoint, err) &&
                load_lineage(network, checkpoint, options->own, err) && normalisation_from_tensors(network, &own, err);
    if (done && options->graph)
        done = take_graph(network, options->graph, err);
    else if (done && onnx)
        done = onnx_recognise(network, checkpoint, err);
    else if (done)
        done = find_graph(network, checkpoint, options, err);
    if (done && network_list_layers(network, err) && network_note_unlisted(network, err) &&
        load_normalisation(network, checkpoint, options->normalise, &own, err) &&
        quantisers_read(network, checkpoint, err))
        return network;
    network_free(network);
    return NULL;
}

Network *network_load(const char *path, const NetworkOptions *options, Error *err) {
    Checkpoint *checkpoint = checkpoint_open_key(path, options ? options->key : NULL, err);
    Network *network = checkpoint ? network_from_checkpoint(checkpoint, options, err) : NULL;
    checkpoint_close(checkpoint);
    if (!network || !network_lazy(network) || origin_note(network, path, options, err)) return network;
    network_free(network);
    return NULL;
}
