/* network_save -- networks to safetensors, npz or ONNX; the hash of a network, and one that a run keeps. */
#include "net/internal.h"

#include <string.h>
#include <strings.h>

#include "weft/base/error.h"
#include "weft/base/hash.h"
#include "weft/base/run.h"
#include "weft/base/tensor.h"
#include "weft/base/text.h"

bool network_keep(const Network *network, const char *path, bool overwrite, Error *err) {
    FileParts parts;
    if (!network_parts_of(network, FORM_KEPT, &parts, err)) return false;
    const bool done =
        safetensors_save(path, overwrite, parts.tensors, parts.count, parts.metadata, parts.metadata_count, err);
    file_parts_done(&parts);
    return done;
}

/* ONNX is written from memory: its files have at most 2 GB. */
static bool save_onnx(const Network *network, const char *path, bool overwrite, const Task *task, Error *err) {
    if (!network_hold(network, path, task, err)) return false;
    const bool done = onnx_save_network(network, path, overwrite, err);
    network_unhold(network);
    return done;
}

bool network_save_large(const Network *network, const char *path, const FileSaving *saving, Str *notes, size_t *files,
                        Error *err) {
    const char *dot = strrchr(path, '.');
    const bool safetensors = dot && strcasecmp(dot, ".safetensors") == 0, npz = dot && strcasecmp(dot, ".npz") == 0;
    const bool onnx = dot && strcasecmp(dot, ".onnx") == 0;
    FileParts parts;
    *files = 1;
    if (!safetensors && !npz && !onnx)
        return error_set(err, STATUS_USAGE, "%s: a network is saved as .safetensors, .onnx or .npz", path);
    if (saving->shard_size && !safetensors)
        return error_set(err, STATUS_USAGE, "%s: only .safetensors files come in shards", path);
    if (npz && network_quantisers(network) > 0)
        return error_set(err, STATUS_USAGE, "%s: an npz file has no place for quantisers; save it as .safetensors",
                         path);
    const SaveForm form = npz ? FORM_NPZ : FORM_SAFETENSORS;
    if (onnx) return save_onnx(network, path, saving->overwrite, saving->task, err);
    if (!network_parts_of(network, form, &parts, err)) return false;
    const bool done =
        npz ? npz_save_large(path, saving, &parts, err) : safetensors_save_large(path, saving, &parts, files, err);
    if (done && notes) network_save_notes(network, form, &parts, notes);
    file_parts_done(&parts);
    return done;
}

bool network_save(const Network *network, const char *path, bool overwrite, Error *err) {
    const FileSaving saving = {.overwrite = overwrite};
    size_t files;
    return network_save_large(network, path, &saving, NULL, &files, err);
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
