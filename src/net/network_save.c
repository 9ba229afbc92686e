/* network_save -- networks to safetensors, npz or ONNX; the hash of a network, and one that a run keeps. */
#include "net/internal.h"

#include <string.h>
#include <strings.h>

#include "weft/base/error.h"
#include "weft/base/hash.h"
#include "weft/base/run.h"
#include "weft/base/tensor.h"
#include "weft/base/text.h"

static bool save_parts(const Network *network, const char *path, bool overwrite, SaveForm form, Error *err) {
    FileParts parts;
    if (!network_parts_of(network, form, &parts, err)) return false;
    const bool done = form == FORM_NPZ ? npz_save(path, overwrite, parts.tensors, parts.count, err)
                                       : safetensors_save(path, overwrite, parts.tensors, parts.count, parts.metadata,
                                                          parts.metadata_count, err);
    file_parts_done(&parts);
    return done;
}

bool network_keep(const Network *network, const char *path, bool overwrite, Error *err) {
    return save_parts(network, path, overwrite, FORM_KEPT, err);
}

bool network_save(const Network *network, const char *path, bool overwrite, Error *err) {
    const char *dot = strrchr(path, '.');
    bool safetensors = dot && strcasecmp(dot, ".safetensors") == 0, npz = dot && strcasecmp(dot, ".npz") == 0;
    if (dot && strcasecmp(dot, ".onnx") == 0) return onnx_save_network(network, path, overwrite, err);
    if (!safetensors && !npz)
        return error_set(err, STATUS_USAGE, "%s: a network is saved as .safetensors, .onnx or .npz", path);
    if (npz && network_quantisers(network) > 0)
        return error_set(err, STATUS_USAGE, "%s: an npz file has no place for quantisers; save it as .safetensors",
                         path);
    return save_parts(network, path, overwrite, npz ? FORM_NPZ : FORM_SAFETENSORS, err);
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
        error_set(err, STATUS_BAD_INPUT, "%s: %s is not the %s the run started with", folder, file, what);
    }
    network_free(network);
    return NULL;
}
