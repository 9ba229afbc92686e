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

#include <stdatomic.h>
#include <string.h>

#include "weft/base/dtype.h"
#include "weft/base/error.h"
#include "weft/base/memory.h"
#include "weft/base/size.h"
#include "weft/base/tensor.h"
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

/* ---- tensors that are read while they are written ---------------------------------------------------------------- */

/* Elements converted at a time, which stay in the fastest cache, and elements read at a time. */
enum { PART = 1024, SPAN = 1 << 14 };
static _Thread_local float span[SPAN]; /* of each thread, which converts one part at a time */

/* The values of a tensor in the dtype of the file. */
typedef struct Conversion {
    const Tensor *tensor;
    DType dtype;
    _Atomic bool rounded; /* some became others */
} Conversion;

/* `count` (up to PART) values as `dtype`; whether they come back as they were. */
static bool convert_part(DType dtype, const float *values, uint64_t count, void *bytes) {
    float back[PART];
    Error ignored;
    dtype_from_f32(dtype, values, count, bytes);
    return dtype == DTYPE_F32 ||
           (dtype_to_f32(dtype, bytes, count, back, &ignored) && memcmp(back, values, count * sizeof *values) == 0);
}

static bool convert_span(Conversion *conversion, const float *values, uint64_t count, unsigned char *out) {
    const unsigned size = dtype_bits(conversion->dtype) / 8;
    bool same = true;
    for (uint64_t at = 0; at < count; at += PART)
        same &= convert_part(conversion->dtype, values + at, count - at < PART ? count - at : PART, out + at * size);
    if (!same) conversion->rounded = true;
    return same;
}

static bool read_converted(void *context, uint64_t offset, uint64_t length, void *out, Error *err) {
    Conversion *conversion = context;
    const unsigned size = dtype_bits(conversion->dtype) / 8;
    const uint64_t end = (offset + length) / size;
    bool done = true;
    for (uint64_t first = offset / size; done && first < end;) {
        const uint64_t left = SPAN - first % SPAN, count = left < end - first ? left : end - first;
        const float *values = tensor_span(conversion->tensor, first, count, span, err);
        if ((done = values != NULL))
            convert_span(conversion, values, count, (unsigned char *)out + (first * size - offset));
        first += count;
    }
    return done;
}

static bool read_stored(void *context, uint64_t offset, uint64_t length, void *out, Error *err) {
    return bytes_read(context, offset, length, out, err);
}

/* ---- every kind -------------------------------------------------------------------------------------------------- */

/* The dtype in which a tensor is written whose stored bytes are not. */
static DType dtype_written(const Network *network, size_t index, SaveForm form) {
    const DType stored = network->tensors[index].stored;
    return has_dtype(form, stored) && !has_bits(network, index) ? stored : DTYPE_F32;
}

/* A run's files are in memory as a whole; they keep what a dtype would round as float32. */
static bool keep_tensor(const NetTensor *tensor, DType dtype, FileParts *parts, TensorOut *out, Error *err) {
    Conversion conversion = {tensor->tensor, dtype, false};
    const float *values = tensor->tensor->data;
    if (tensor_streams(tensor->tensor)) {
        float *room = add_buffer(parts, tensor->tensor->count * sizeof *room, err);
        values = room ? tensor_span(tensor->tensor, 0, tensor->tensor->count, room, err) : NULL;
        if (!values) return false;
    }
    out->dtype = DTYPE_F32;
    out->data = values;
    if (dtype == DTYPE_F32) return true;
    unsigned char *bytes = add_buffer(parts, tensor->tensor->count * (dtype_bits(dtype) / 8), err);
    if (!bytes) return false;
    if (!convert_span(&conversion, values, tensor->tensor->count, bytes)) return true;
    out->dtype = dtype;
    out->data = bytes;
    return true;
}

/* The bytes as they were stored. */
static bool put_stored(StoredBytes *bytes, SaveForm form, FileParts *parts, uint64_t length, TensorOut *out,
                       TensorReader *reader, Error *err) {
    if ((out->data = bytes_memory(bytes))) return true;
    if (form != FORM_KEPT) {
        *reader = (TensorReader){read_stored, bytes};
        return true;
    }
    void *copy = add_buffer(parts, length, err);
    out->data = copy;
    return copy && bytes_read(bytes, 0, length, copy, err);
}

static bool add_tensor(const Network *network, size_t index, SaveForm form, FileParts *parts, Error *err) {
    const NetTensor *tensor = &network->tensors[index];
    TensorOut out = {
        .name = tensor->name, .dtype = tensor->stored, .rank = tensor->tensor->rank, .dim = tensor->tensor->dim};
    const DType dtype = dtype_written(network, index, form);
    TensorReader *reader = &parts->readers[parts->count];
    bool done = true;
    if (tensor->bytes && has_dtype(form, tensor->stored)) {
        done = put_stored(tensor->bytes, form, parts, tensor->tensor->count * (dtype_bits(tensor->stored) / 8), &out,
                          reader, err);
    } else if (form == FORM_KEPT || (dtype == DTYPE_F32 && !tensor->tensor->lazy)) {
        done = keep_tensor(tensor, dtype, parts, &out, err);
    } else {
        Conversion *conversion = add_buffer(parts, sizeof *conversion, err);
        if (conversion) *conversion = (Conversion){tensor->tensor, dtype, false};
        out.dtype = dtype;
        *reader = (TensorReader){read_converted, conversion};
        done = conversion != NULL;
    }
    parts->tensors[parts->count++] = out;
    return done;
}

static bool add_tensors(const Network *network, SaveForm form, FileParts *parts, Error *err) {
    parts->tensors = mem_alloc((uint64_t)network->tensor_count + network->carried_count, sizeof *parts->tensors, err);
    parts->readers = mem_alloc((uint64_t)network->tensor_count + network->carried_count, sizeof *parts->readers, err);
    if (!parts->tensors || !parts->readers) return false;
    for (size_t i = 0; i < network->tensor_count; i++)
        if (is_written(form, &network->tensors[i]) && !add_tensor(network, i, form, parts, err)) return false;
    for (size_t i = 0; i < network->carried_count; i++) {
        const CarriedTensor *carried = &network->carried[i];
        TensorOut out = {.name = carried->name, .dtype = carried->dtype, .rank = carried->rank, .dim = carried->dim};
        uint64_t count;
        if (!has_dtype(form, carried->dtype)) continue;
        size_product(out.dim, out.rank, &count);
        if (!put_stored(carried->bytes, form, parts, count * dtype_bits(out.dtype) / 8, &out,
                        &parts->readers[parts->count], err))
            return false;
        parts->tensors[parts->count++] = out;
    }
    return true;
}

/* ---- what a file does not hold ----------------------------------------------------------------------------------- */

static void add_line(NameList *list, Str *notes) {
    if (list->count > 0) name_list_text(list, notes), str_add(notes, "\n");
    str_done(&list->text);
}

void network_save_notes(const Network *network, SaveForm form, const FileParts *parts, Str *notes) {
    NameList rounded = {.head = "These changed weights were rounded to the dtype that they had"};
    NameList widened = {.head = "npz has no such dtype; these tensors were saved as F32"};
    NameList left_out = {.head = "The format has no such dtype; these tensors were left out"};
    NameList tied = {.head = "npz does not say which tensors are tied; these were saved under each name"};
    size_t written = 0;
    for (size_t i = 0; i < network->tensor_count; i++) {
        const NetTensor *tensor = &network->tensors[i];
        if (form == FORM_NPZ && tensor->tied)
            name_list_add(&tied, tensor->name, "= %s", network->tensors[tensor->tied - 1].name);
        if (!has_dtype(form, tensor->stored)) name_list_add(&widened, tensor->name, "%s", dtype_name(tensor->stored));
        if (!is_written(form, tensor)) continue;
        const TensorReader *reader = &parts->readers[written++];
        if (reader->read == read_converted && ((const Conversion *)reader->context)->rounded)
            name_list_add(&rounded, tensor->name, "%s", dtype_name(tensor->stored));
    }
    for (size_t i = 0; i < network->carried_count; i++)
        if (!has_dtype(form, network->carried[i].dtype))
            name_list_add(&left_out, network->carried[i].name, "%s", dtype_name(network->carried[i].dtype));
    add_line(&rounded, notes);
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
