/* network_save -- networks to safetensors (with their lineage, normalisation and architecture as metadata) or npz.
 *
 * Weights are written as the float32 they are, bit for bit; integer tensors as the bytes they were read from. Metadata
 * of a safetensors file: format ("pt", which the Python readers expect), weft.architecture, weft.normalise, and
 * weft.lineage: a JSON array of {"what": ..., "command": ...}, oldest first.
 */
#include "net/internal.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* ---- lineage ----------------------------------------------------------------------------------------------------- */

/* JSON holds only UTF-8; other bytes (of a file's name) are escaped. */
static json_t *json_text(const char *text) {
    if (text_valid_utf8(text, strlen(text))) return json_string(text);
    Str escaped = {0};
    str_add_escaped(&escaped, text, strlen(text));
    json_t *string = escaped.failed ? NULL : json_string(str_text(&escaped));
    str_done(&escaped);
    return string;
}

bool lineage_write(const Network *network, Str *out, Error *err) {
    json_t *list = json_array();
    bool done = list != NULL;
    for (size_t i = 0; done && i < network->lineage_count; i++) {
        json_t *entry = json_object();
        done = entry && json_object_set_new(entry, "what", json_text(network->lineage[i].key)) == 0 &&
               json_object_set_new(entry, "command", json_text(network->lineage[i].value)) == 0;
        if (json_array_append_new(list, entry) != 0) done = false;
    }
    char *text = done ? json_dumps(list, JSON_COMPACT) : NULL;
    if (text) str_add(out, text);
    free(text);
    json_decref(list);
    if (!text) return error_set(err, STATUS_LIMIT, "no memory for the lineage");
    return str_ok(out, err);
}

bool lineage_read(Network *network, const char *text, bool *understood, Error *err) {
    json_error_t problem;
    json_t *list = json_loads(text, JSON_REJECT_DUPLICATES, &problem);
    bool done = true;
    size_t index;
    json_t *entry;
    *understood = json_is_array(list);
    json_array_foreach(list, index, entry) {
        if (!json_is_string(json_object_get(entry, "what")) || !json_is_string(json_object_get(entry, "command")))
            *understood = false;
    }
    for (index = 0; *understood && done && index < json_array_size(list); index++) {
        entry = json_array_get(list, index);
        done =
            key_value_add(&network->lineage, &network->lineage_count, json_string_value(json_object_get(entry, "what")),
                          json_string_value(json_object_get(entry, "command")), err);
    }
    json_decref(list);
    return done;
}

/* ---- saving ------------------------------------------------------------------------------------------------------ */

static TensorOut tensor_out(const NetTensor *tensor) {
    return (TensorOut){.name = tensor->name,
                       .dtype = tensor->integers ? tensor->stored : DTYPE_F32,
                       .rank = tensor->tensor->rank,
                       .dim = tensor->tensor->dim,
                       .data = tensor->integers ? integers_bytes(tensor->integers) : tensor->tensor->data};
}

static bool save_safetensors(const Network *network, const char *path, bool overwrite, const TensorOut *tensors,
                             Error *err) {
    KeyValue *metadata = NULL;
    size_t count = 0;
    Str lineage = {0}, normalise = {0};
    normalisation_text(&network->normalisation, &normalise);
    bool done = key_value_add(&metadata, &count, "format", "pt", err) && lineage_write(network, &lineage, err) &&
                key_value_add(&metadata, &count, "weft.lineage", str_text(&lineage), err) && str_ok(&normalise, err);
    if (done && network->architecture)
        done = key_value_add(&metadata, &count, "weft.architecture", network->architecture, err);
    if (done && network->normalisation.channels > 0)
        done = key_value_add(&metadata, &count, "weft.normalise", str_text(&normalise), err);
    done = done && safetensors_save(path, overwrite, tensors, network->tensor_count, metadata, count, err);
    key_value_free(metadata, count);
    str_done(&lineage);
    str_done(&normalise);
    return done;
}

bool network_save(const Network *network, const char *path, bool overwrite, Error *err) {
    const char *dot = strrchr(path, '.');
    bool safetensors = dot && strcasecmp(dot, ".safetensors") == 0, npz = dot && strcasecmp(dot, ".npz") == 0;
    if (!safetensors && !npz)
        return error_set(err, STATUS_USAGE, "%s: a network is saved as .safetensors or .npz", path);
    TensorOut *tensors = mem_alloc(network->tensor_count, sizeof *tensors, err);
    if (!tensors) return false;
    for (size_t i = 0; i < network->tensor_count; i++) tensors[i] = tensor_out(&network->tensors[i]);
    bool done = safetensors ? save_safetensors(network, path, overwrite, tensors, err)
                            : npz_save(path, overwrite, tensors, network->tensor_count, err);
    mem_free(tensors);
    return done;
}
