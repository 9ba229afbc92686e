/* parts -- what a file of a network holds: its tensors; its lineage, normalisation and architecture as metadata.
 *
 * A tensor that was not changed is written as the file had it: the bytes that were kept, or the float32 values in the
 * dtype that gives them back bit for bit. A changed one (network_replace) is rounded to the dtype of the old one; but
 * to float32 in a run's files, and where the weights are integers times a scale, which rounding would spoil. Tied
 * tensors are written once; the others' names are metadata, {"head.weight": "embed.weight"}, as safetensors' save_model
 * has it. Metadata of a safetensors file besides: format ("pt", which the Python readers expect), weft.architecture,
 * weft.graph, weft.normalise, weft.lineage: a JSON array of {"what": ..., "command": ...}, oldest first;
 * weft.quantisers and weft.bits (quantisers.c); and what the file that was loaded had.
 */
#include "net/internal.h"

#include <string.h>
#include <strings.h>

#include "weft/base/dtype.h"
#include "weft/base/error.h"
#include "weft/base/memory.h"
#include "weft/base/text.h"

/* ---- tensors ----------------------------------------------------------------------------------------------------- */

/* The dtypes that have no place in the form: NumPy knows no small floats but F16, safetensors no C128. */
static bool has_dtype(SaveForm form, DType dtype) {
    if (form != FORM_NPZ) return dtype != DTYPE_C128;
    return dtype_bits(dtype) >= 8 && dtype != DTYPE_BF16 && !(dtype_float(dtype) && dtype_bits(dtype) == 8);
}

static bool is_written(SaveForm form, const NetTensor *tensor) {
    return form == FORM_NPZ || tensor->tied == 0;
}

static bool has_bits(const Network *network, size_t tensor) {
    for (size_t i = 0; i < network->layer_count; i++)
        if (network->layers[i].tensor == tensor && network->layers[i].bits > 0) return true;
    return false;
}

static void *add_buffer(FileParts *parts, uint64_t bytes, Error *err) {
    size_t capacity = parts->buffer_count;
    if (!mem_grow(&parts->buffers, &capacity, parts->buffer_count + 1, sizeof *parts->buffers, err)) return NULL;
    void *buffer = mem_alloc(bytes, 1, err);
    if (buffer) parts->buffers[parts->buffer_count++] = buffer;
    return buffer;
}

/* Whether `bytes` of this dtype are the same float32 values again. */
static bool holds(DType dtype, const void *bytes, const float *values, uint64_t count) {
    float part[256];
    Error ignored;
    for (uint64_t i = 0; i < count; i += 256) {
        const uint64_t some = count - i < 256 ? count - i : 256;
        const char *from = (const char *)bytes + i * (dtype_bits(dtype) / 8);
        if (!dtype_to_f32(dtype, from, some, part, &ignored) || memcmp(part, values + i, some * sizeof *part) != 0)
            return false;
    }
    return true;
}

/* The values in the tensor's dtype, where the form wants that; *rounded: some of them became others. */
static bool convert_tensor(const Network *network, size_t index, SaveForm form, FileParts *parts, TensorOut *out,
                           bool *rounded, Error *err) {
    const NetTensor *tensor = &network->tensors[index];
    const uint64_t count = tensor->tensor->count;
    *rounded = false;
    if (tensor->stored == DTYPE_F32 || !has_dtype(form, tensor->stored) || has_bits(network, index)) return true;
    void *bytes = add_buffer(parts, count * (dtype_bits(tensor->stored) / 8), err);
    if (!bytes) return false;
    dtype_from_f32(tensor->stored, tensor->tensor->data, count, bytes);
    *rounded = !holds(tensor->stored, bytes, tensor->tensor->data, count);
    if (*rounded && form == FORM_KEPT) return true;
    out->dtype = tensor->stored;
    out->data = bytes;
    return true;
}

static bool add_tensor(const Network *network, size_t index, SaveForm form, FileParts *parts, bool *rounded,
                       Error *err) {
    const NetTensor *tensor = &network->tensors[index];
    TensorOut out = {.name = tensor->name,
                     .dtype = DTYPE_F32,
                     .rank = tensor->tensor->rank,
                     .dim = tensor->tensor->dim,
                     .data = tensor->tensor->data};
    *rounded = false;
    if (tensor->bytes && has_dtype(form, tensor->stored)) {
        out.dtype = tensor->stored;
        out.data = stored_bytes(tensor->bytes);
    } else if (!convert_tensor(network, index, form, parts, &out, rounded, err)) {
        return false;
    }
    parts->tensors[parts->count++] = out;
    return true;
}

static bool add_tensors(const Network *network, SaveForm form, FileParts *parts, Error *err) {
    bool ignored;
    parts->tensors = mem_alloc((uint64_t)network->tensor_count + network->carried_count, sizeof *parts->tensors, err);
    if (!parts->tensors) return false;
    for (size_t i = 0; i < network->tensor_count; i++)
        if (is_written(form, &network->tensors[i]) && !add_tensor(network, i, form, parts, &ignored, err)) return false;
    for (size_t i = 0; i < network->carried_count; i++) {
        const CarriedTensor *carried = &network->carried[i];
        if (has_dtype(form, carried->dtype))
            parts->tensors[parts->count++] = (TensorOut){.name = carried->name,
                                                         .dtype = carried->dtype,
                                                         .rank = carried->rank,
                                                         .dim = carried->dim,
                                                         .data = stored_bytes(carried->bytes)};
    }
    return true;
}

/* ---- what a file does not hold ----------------------------------------------------------------------------------- */

static void add_line(NameList *list, Str *notes) {
    if (list->count > 0) name_list_text(list, notes), str_add(notes, "\n");
    str_done(&list->text);
}

void network_save_notes(const Network *network, const char *path, Str *notes) {
    const char *dot = strrchr(path, '.');
    const SaveForm form = dot && strcasecmp(dot, ".npz") == 0 ? FORM_NPZ : FORM_SAFETENSORS;
    NameList rounded_ones = {.head = "These changed weights were rounded to the dtype that they had"};
    NameList widened = {.head = "npz has no such dtype; these tensors were saved as F32"};
    NameList left_out = {.head = "The format has no such dtype; these tensors were left out"};
    NameList tied = {.head = "npz does not say which tensors are tied; these were saved under each name"};
    for (size_t i = 0; i < network->tensor_count; i++) {
        const NetTensor *tensor = &network->tensors[i];
        FileParts parts = {0};
        TensorOut out;
        Error ignored;
        bool rounded = false;
        if (form == FORM_NPZ && tensor->tied)
            name_list_add(&tied, tensor->name, "= %s", network->tensors[tensor->tied - 1].name);
        if (!has_dtype(form, tensor->stored)) name_list_add(&widened, tensor->name, "%s", dtype_name(tensor->stored));
        if (is_written(form, tensor) && !tensor->bytes &&
            convert_tensor(network, i, form, &parts, &out, &rounded, &ignored) && rounded)
            name_list_add(&rounded_ones, tensor->name, "%s", dtype_name(tensor->stored));
        file_parts_done(&parts);
    }
    for (size_t i = 0; i < network->carried_count; i++)
        if (!has_dtype(form, network->carried[i].dtype))
            name_list_add(&left_out, network->carried[i].name, "%s", dtype_name(network->carried[i].dtype));
    add_line(&rounded_ones, notes);
    add_line(&widened, notes);
    add_line(&left_out, notes);
    add_line(&tied, notes);
}

/* ---- metadata ---------------------------------------------------------------------------------------------------- */

static bool add_ties(FileParts *parts, const Network *network, Error *err) {
    for (size_t i = 0; i < network->tensor_count; i++) {
        const NetTensor *tensor = &network->tensors[i];
        if (tensor->tied && !key_value_add(&parts->metadata, &parts->metadata_count, tensor->name,
                                           network->tensors[tensor->tied - 1].name, err))
            return false;
    }
    return true;
}

/* What the network's file had; bytes that are no UTF-8, which PyTorch's may have, are escaped. Keys that name a tensor
 * (they would be read as ties) are none: loading leaves them out. */
static bool add_own(FileParts *parts, const Network *network, Error *err) {
    bool done = true;
    for (size_t i = 0; done && i < network->metadata_count; i++) {
        Str key = {0}, value = {0};
        const char *name = text_as_utf8(network->metadata[i].key, &key);
        const char *text = text_as_utf8(network->metadata[i].value, &value);
        done = str_ok(&key, err) && str_ok(&value, err) &&
               key_value_add(&parts->metadata, &parts->metadata_count, name, text, err);
        str_done(&key);
        str_done(&value);
    }
    return done;
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
    done = done && add_ties(parts, network, err);
    str_done(&graph);
    str_done(&lineage);
    str_done(&normalise);
    return done;
}

/* ---- both -------------------------------------------------------------------------------------------------------- */

bool network_parts_of(const Network *network, SaveForm form, FileParts *out, Error *err) {
    FileParts parts = {0};
    const bool done = add_tensors(network, form, &parts, err) && add_metadata(&parts, network, err) &&
                      quantisers_write(network, &parts, err) && add_own(&parts, network, err);
    if (done)
        *out = parts;
    else
        file_parts_done(&parts);
    return done;
}

bool network_parts(const Network *network, FileParts *out, Error *err) {
    return network_parts_of(network, FORM_KEPT, out, err);
}
