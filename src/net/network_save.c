/* network_save -- networks to safetensors (with their lineage, normalisation and architecture as metadata) or npz.
 *
 * Weights are written as the float32 they are, bit for bit; integer tensors as the bytes they were read from. Metadata
 * of a safetensors file: format ("pt", which the Python readers expect), weft.architecture, weft.graph, weft.normalise,
 * weft.lineage: a JSON array of {"what": ..., "command": ...}, oldest first; weft.quantisers and weft.bits
 * (quantisers.c).
 */
#include "net/internal.h"

#include <string.h>
#include <strings.h>

/* ---- saving ------------------------------------------------------------------------------------------------------ */

static TensorOut tensor_out(const NetTensor *tensor) {
    return (TensorOut){.name = tensor->name,
                       .dtype = tensor->integers ? tensor->stored : DTYPE_F32,
                       .rank = tensor->tensor->rank,
                       .dim = tensor->tensor->dim,
                       .data = tensor->integers ? integers_bytes(tensor->integers) : tensor->tensor->data};
}

static bool add_metadata(FileParts *parts, const Network *network, Error *err) {
    KeyValue **list = &parts->metadata;
    size_t *count = &parts->metadata_count;
    Str lineage = {0}, normalise = {0}, graph = {0};
    normalisation_text(&network->normalisation, &normalise);
    bool done = key_value_add(list, count, "format", "pt", err) &&
                key_value_write(network->lineage, network->lineage_count, LINEAGE_NAMES, &lineage, err) &&
                key_value_add(list, count, "weft.lineage", str_text(&lineage), err) && str_ok(&normalise, err);
    if (done && network->architecture)
        done = key_value_add(list, count, "weft.architecture", network->architecture, err);
    if (done && network->graph)
        done =
            network_graph_text(network, &graph, err) && key_value_add(list, count, "weft.graph", str_text(&graph), err);
    if (done && network->normalisation.channels > 0)
        done = key_value_add(list, count, "weft.normalise", str_text(&normalise), err);
    str_done(&graph);
    str_done(&lineage);
    str_done(&normalise);
    return done;
}

bool network_parts(const Network *network, FileParts *out, Error *err) {
    FileParts parts = {.tensors = mem_alloc(network->tensor_count, sizeof *parts.tensors, err)};
    if (!parts.tensors) return false;
    for (size_t i = 0; i < network->tensor_count; i++) parts.tensors[parts.count++] = tensor_out(&network->tensors[i]);
    const bool done = add_metadata(&parts, network, err) && quantisers_write(network, &parts, err);
    if (done)
        *out = parts;
    else
        file_parts_done(&parts);
    return done;
}

bool network_save(const Network *network, const char *path, bool overwrite, Error *err) {
    const char *dot = strrchr(path, '.');
    bool safetensors = dot && strcasecmp(dot, ".safetensors") == 0, npz = dot && strcasecmp(dot, ".npz") == 0;
    bool onnx = dot && strcasecmp(dot, ".onnx") == 0;
    FileParts parts;
    if (!safetensors && !npz && !onnx)
        return error_set(err, STATUS_USAGE, "%s: a network is saved as .safetensors, .onnx or .npz", path);
    if (npz && network_quantisers(network) > 0)
        return error_set(err, STATUS_USAGE, "%s: an npz file has no place for quantisers; save it as .safetensors",
                         path);
    if (!network_parts(network, &parts, err)) return false;
    bool done = safetensors ? safetensors_save(path, overwrite, parts.tensors, parts.count, parts.metadata,
                                               parts.metadata_count, err)
                : onnx      ? onnx_save_network(network, &parts, path, overwrite, err)
                            : npz_save(path, overwrite, parts.tensors, parts.count, err);
    file_parts_done(&parts);
    return done;
}

bool network_hash(const Network *network, char out[HASH_HEX], Error *err) {
    Str text = {0};
    for (size_t i = 0; i < network->tensor_count; i++) {
        const Tensor *tensor = network->tensors[i].tensor;
        char hash[HASH_HEX];
        hash_hex(tensor->data, tensor->count * sizeof *tensor->data, hash);
        str_addf(&text, "%s %s\n", network->tensors[i].name, hash);
    }
    for (size_t i = 0; network->graph && i < network->graph->count; i++) {
        const Quantiser *q = &network->graph->ops[i].quantiser;
        if (network->graph->ops[i].kind != OP_QUANTISE) continue;
        str_addf(&text, "%s %.9g %d %u\n", network->graph->ops[i].name, (double)q->scale, q->zero_point, q->bits);
    }
    bool done = str_ok(&text, err);
    if (done) hash_hex(str_text(&text), text.length, out);
    str_done(&text);
    return done;
}

Network *network_load_kept(const char *folder, const char *file, const char *hash, const char *what, Error *err) {
    const NetworkOptions own = {.own = true};
    char found[HASH_HEX];
    Str path = {0};
    run_path(folder, file, &path);
    Network *network = str_ok(&path, err) ? network_load(str_text(&path), &own, err) : NULL;
    str_done(&path);
    if (network && network_hash(network, found, err)) {
        if (strcmp(found, hash) == 0) return network;
        error_set(err, STATUS_BAD_INPUT, "%s: %s is not the %s the run began with", folder, file, what);
    }
    network_free(network);
    return NULL;
}
