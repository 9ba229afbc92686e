/* network -- loading, deriving and freeing networks. */
#include "net/internal.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "weft/onnx.h"

/* ---- integers ---------------------------------------------------------------------------------------------------- */

struct IntegerBytes {
    int references;
    unsigned char bytes[];
};

static bool is_integer(DType type) {
    return type == DTYPE_BOOL || dtype_integer(type);
}

static IntegerBytes *integers_new(uint64_t length, Error *err) {
    uint64_t size;
    if (!size_add(length, sizeof(IntegerBytes), &size)) size = UINT64_MAX;
    IntegerBytes *integers = mem_alloc(size, 1, err);
    if (integers) integers->references = 1;
    return integers;
}

static IntegerBytes *integers_share(IntegerBytes *integers) {
    if (integers) __atomic_add_fetch(&integers->references, 1, __ATOMIC_RELAXED);
    return integers;
}

static void integers_release(IntegerBytes *integers) {
    if (integers && __atomic_sub_fetch(&integers->references, 1, __ATOMIC_ACQ_REL) == 0) mem_free(integers);
}

const void *integers_bytes(const IntegerBytes *integers) {
    return integers->bytes;
}

/* ---- loading ----------------------------------------------------------------------------------------------------- */

/* Complex and sub-byte elements cannot be used as numbers. */
static bool is_number(DType type) {
    float none;
    Error ignored;
    return dtype_to_f32(type, "", 0, &none, &ignored);
}

static bool load_tensor(Checkpoint *checkpoint, size_t index, NetTensor *out, Error *err) {
    const CheckpointTensor *entry = checkpoint_tensor(checkpoint, index);
    out->stored = entry->dtype;
    out->name = mem_copy_text(entry->name, err);
    if (!out->name) return false;
    if (!is_integer(entry->dtype)) {
        out->tensor = checkpoint_read_tensor(checkpoint, index, err);
        return out->tensor != NULL;
    }
    out->integers = integers_new(entry->count * (dtype_bits(entry->dtype) / 8), err);
    out->tensor = out->integers ? tensor_new(entry->rank, entry->dim, err) : NULL;
    return out->tensor && checkpoint_read(checkpoint, index, out->integers->bytes, err) &&
           dtype_to_f32(entry->dtype, out->integers->bytes, entry->count, out->tensor->data, err);
}

bool network_note(Network *network, Error *err, const char *format, ...) {
    Str text = {0};
    va_list args;
    va_start(args, format);
    str_addv(&text, format, args);
    va_end(args);
    const bool ok = str_ok(&text, err) && key_value_add(&network->notes, &network->note_count, "note", text.text, err);
    str_done(&text);
    return ok;
}

static bool note_unusable(Network *network, const CheckpointTensor *entry, Error *err) {
    return network_note(network, err, "tensor '%s' left out: %s values cannot be used as numbers", entry->name,
                        dtype_name(entry->dtype));
}

/* The optimiser's arrays in a trainer's checkpoint. */
static bool is_state(const Checkpoint *checkpoint, const CheckpointTensor *entry) {
    return strncmp(entry->name, "state.", 6) == 0 && checkpoint_metadata_find(checkpoint, "weft.run");
}

/* Bytes that the tensors will take: float32, and the stored bytes of integers. */
static bool admit(const Checkpoint *checkpoint, Error *err) {
    uint64_t total = 0;
    for (size_t i = 0; i < checkpoint_count(checkpoint); i++) {
        const CheckpointTensor *entry = checkpoint_tensor(checkpoint, i);
        if (!is_number(entry->dtype) || is_state(checkpoint, entry)) continue;
        uint64_t bytes, each = sizeof(float) + (is_integer(entry->dtype) ? dtype_bits(entry->dtype) / 8 : 0);
        if (!size_mul(entry->count, each, &bytes) || !size_add(total, bytes, &total)) total = UINT64_MAX;
    }
    return mem_admit(total, checkpoint_path(checkpoint), err);
}

static bool load_tensors(Network *network, Checkpoint *checkpoint, Error *err) {
    size_t count = checkpoint_count(checkpoint);
    if (!admit(checkpoint, err)) return false;
    network->tensors = mem_alloc(count, sizeof *network->tensors, err);
    if (!network->tensors) return false;
    for (size_t i = 0; i < count; i++) {
        const CheckpointTensor *entry = checkpoint_tensor(checkpoint, i);
        if (is_state(checkpoint, entry)) continue;
        if (is_number(entry->dtype)) {
            if (!load_tensor(checkpoint, i, &network->tensors[network->tensor_count++], err)) return false;
        } else if (!note_unusable(network, entry, err)) {
            return false;
        }
    }
    if (network->tensor_count > 0) return true;
    const CheckpointTensor *first = count > 0 ? checkpoint_tensor(checkpoint, 0) : NULL;
    if (first && !is_number(first->dtype))
        return error_set(err, STATUS_BAD_INPUT, "%s: no tensor can be used: '%s': %s values cannot be used as numbers",
                         checkpoint_path(checkpoint), first->name, dtype_name(first->dtype));
    return error_set(err, STATUS_BAD_INPUT, "%s: holds no tensors", checkpoint_path(checkpoint));
}

static bool ends_with(const char *text, const char *end) {
    size_t length = strlen(text), tail = strlen(end);
    return length >= tail && strcmp(text + length - tail, end) == 0;
}

static bool load_notes(Network *network, const Checkpoint *checkpoint, Error *err) {
    for (size_t i = 0; i < network->tensor_count; i++)
        if (ends_with(network->tensors[i].name, "final_linear_layer.weight") &&
            !key_value_add(&network->notes, &network->note_count, "note",
                           "these are the weights of a weight predictor (load predictor reads it)", err))
            return false;
    for (size_t i = 0; i < checkpoint_note_count(checkpoint); i++)
        if (!key_value_add(&network->notes, &network->note_count, "note", checkpoint_note(checkpoint, i), err))
            return false;
    for (size_t i = 0; i < checkpoint_metadata_count(checkpoint); i++) {
        const KeyValue *entry = checkpoint_metadata(checkpoint, i);
        bool told = strncmp(entry->key, "weft.", 5) != 0 && strcmp(entry->key, "format") != 0; /* "pt" tells nothing */
        if (told && !key_value_add(&network->notes, &network->note_count, entry->key, entry->value, err)) return false;
    }
    return true;
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

static bool load_normalisation(Network *network, const Checkpoint *checkpoint, const char *asked, Error *err) {
    unsigned channels = network->graph ? network->graph->in_channels : 0;
    const char *saved = checkpoint_metadata_find(checkpoint, "weft.normalise");
    if (asked) return normalisation_parse(asked, channels, &network->normalisation, err);
    if (saved) {
        if (normalisation_parse(saved, channels, &network->normalisation, err)) return true;
        err->status = STATUS_BAD_INPUT;
        return error_prefix(err, "%s: metadata weft.normalise", checkpoint_path(checkpoint));
    }
    if (network->graph) network->normalisation = normalisation_guess(channels, network->graph->classes);
    return true;
}

static bool copy_optional(char **out, const char *text, Error *err) {
    if (!text) return true;
    *out = mem_copy_text(text, err);
    return *out != NULL;
}

/* A network that weft saved carries its graph; others are recognised. An --arch is for what the graph does not say. */
static bool find_graph(Network *network, const Checkpoint *checkpoint, const char *asked,
                       const Architecture **architecture, Error *err) {
    const char *text = checkpoint_metadata_find(checkpoint, "weft.graph");
    const char *name = checkpoint_metadata_find(checkpoint, "weft.architecture");
    if (text && !asked) {
        network->graph = network_graph_read(network, text, err);
        if (network->graph) return copy_optional(&network->architecture, name ? name : "saved graph", err);
        if (err->status == STATUS_BAD_INPUT) error_prefix(err, "%s: metadata weft.graph", checkpoint_path(checkpoint));
        return false;
    }
    if (architecture_recognise(network, asked, architecture, err)) return true;
    if (err->status == STATUS_BAD_INPUT) error_prefix(err, "%s", checkpoint_path(checkpoint));
    return false;
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
    const Architecture *architecture = NULL;
    if (is_predictor(checkpoint, err)) return NULL;
    Network *network = mem_alloc(1, sizeof *network, err);
    if (!network) return NULL;
    if (!options) options = &defaults;
    bool done = load_tensors(network, checkpoint, err) && load_notes(network, checkpoint, err) &&
                load_lineage(network, checkpoint, options->own, err);
    if (done && options->graph)
        done = onnx_take_graph(network, options->graph, err);
    else if (done && checkpoint_onnx(checkpoint) && !options->architecture)
        done = onnx_recognise(network, checkpoint, err);
    else if (done)
        done = find_graph(network, checkpoint, options->architecture, &architecture, err);
    if (done && network_list_layers(network, architecture, err) &&
        load_normalisation(network, checkpoint, options->normalise, err) && quantisers_read(network, checkpoint, err))
        return network;
    network_free(network);
    return NULL;
}

Network *network_load(const char *path, const NetworkOptions *options, Error *err) {
    Checkpoint *checkpoint = checkpoint_open(path, err);
    Network *network = checkpoint ? network_from_checkpoint(checkpoint, options, err) : NULL;
    checkpoint_close(checkpoint);
    return network;
}

void net_tensor_done(NetTensor *tensor) {
    mem_free(tensor->name);
    tensor_release(tensor->tensor);
    integers_release(tensor->integers);
    *tensor = (NetTensor){0};
}

void network_free(Network *network) {
    if (!network) return;
    for (size_t i = 0; i < network->tensor_count; i++) net_tensor_done(&network->tensors[i]);
    network_free_layers(network);
    graph_release(network->graph);
    key_value_free(network->lineage, network->lineage_count);
    key_value_free(network->notes, network->note_count);
    mem_free(network->tensors);
    mem_free(network->architecture);
    mem_free(network->why_unknown);
    mem_free(network);
}

/* ---- deriving ---------------------------------------------------------------------------------------------------- */

static bool copy_tensors(Network *copy, const Network *network, Error *err) {
    copy->tensors = mem_alloc(network->tensor_count, sizeof *copy->tensors, err);
    if (!copy->tensors) return false;
    for (size_t i = 0; i < network->tensor_count; i++) {
        const NetTensor *from = &network->tensors[i];
        NetTensor *to = &copy->tensors[i];
        to->name = mem_copy_text(from->name, err);
        if (!to->name) return false;
        to->tensor = tensor_share(from->tensor);
        to->integers = integers_share(from->integers);
        to->stored = from->stored;
        copy->tensor_count++;
    }
    return true;
}

Network *network_copy(const Network *network, Error *err) {
    Network *copy = mem_alloc(1, sizeof *copy, err);
    if (!copy) return NULL;
    copy->graph = graph_share(network->graph);
    copy->normalisation = network->normalisation;
    bool done = copy_tensors(copy, network, err) && network_copy_layers(copy, network, err) &&
                copy_optional(&copy->architecture, network->architecture, err) &&
                copy_optional(&copy->why_unknown, network->why_unknown, err);
    if (done && key_value_copy(&copy->lineage, &copy->lineage_count, network->lineage, network->lineage_count, err))
        return copy;
    network_free(copy);
    return NULL;
}

Network *network_derive(const Network *network, const char *what, const char *command, Error *err) {
    Network *copy = network_copy(network, err);
    if (!copy || key_value_add(&copy->lineage, &copy->lineage_count, what, command, err)) return copy;
    network_free(copy);
    return NULL;
}

void network_replace(Network *network, size_t index, Tensor *tensor) {
    NetTensor *slot = &network->tensors[index];
    assert(index < network->tensor_count && slot->tensor->rank == tensor->rank &&
           memcmp(slot->tensor->dim, tensor->dim, tensor->rank * sizeof *tensor->dim) == 0);
    tensor_release(slot->tensor);
    slot->tensor = tensor;
    for (size_t i = 0; i < network->layer_count; i++)
        if (network->layers[i].tensor == index) network->layers[i].bits = 0;
    if (!slot->integers) return;
    integers_release(slot->integers);
    slot->integers = NULL;
    slot->stored = DTYPE_F32;
}

/* ---- asking ------------------------------------------------------------------------------------------------------ */

bool network_trainable(const Network *network, size_t tensor) {
    const NetTensor *one = &network->tensors[tensor];
    return !is_integer(one->stored) && !ends_with(one->name, "running_mean") && !ends_with(one->name, "running_var") &&
           !ends_with(one->name, "num_batches_tracked");
}

uint64_t network_parameters(const Network *network) {
    uint64_t total = 0;
    for (size_t i = 0; i < network->tensor_count; i++)
        if (network_trainable(network, i)) total += network->tensors[i].tensor->count;
    return total;
}
