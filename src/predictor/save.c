/* save -- predictors to safetensors.
 *
 * Tensors: layers.N.weight, layers.N.bias, final_linear_layer.weight, final_linear_layer.bias (the reference
 * implementation's names), and, where the kernels are permuted, order.filter and order.channel: the indices that each
 * kernel is encoded with, in the kernels' order. Metadata: format ("pt"), weft.kind ("predictor"), weft.predictor
 * (describe.c), weft.fingerprint, weft.source_parameters, weft.lineage, weft.notes.
 */
#include "predictor/internal.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "weft/base/dtype.h"
#include "weft/base/error.h"
#include "weft/base/memory.h"
#include "weft/base/text.h"

const char *const predictor_note_names[2] = {"key", "value"};

/* What the tensors' names and shapes point to. */
typedef struct Labels {
    char name[2 * MLP_LAYERS_MAX][40];
    uint64_t dim[MLP_LAYERS_MAX][2], kernels;
} Labels;

/* `size` bytes that `parts` frees. */
static void *buffer(FileParts *parts, uint64_t size, Error *err) {
    size_t capacity = parts->buffer_count;
    if (!mem_grow(&parts->buffers, &capacity, parts->buffer_count + 1, sizeof *parts->buffers, err)) return NULL;
    void *memory = mem_alloc(size, 1, err);
    if (memory) parts->buffers[parts->buffer_count++] = memory;
    return memory;
}

/* The parameters in the dtype asked for. */
static const void *convert_parameters(FileParts *parts, const Predictor *p, DType dtype, Error *err) {
    if (dtype == DTYPE_F32) return p->parameters;
    for (size_t i = 0; i < p->parameter_count; i++)
        if (dtype == DTYPE_F16 && fabsf(p->parameters[i]) >= 65520 && isfinite(p->parameters[i])) {
            error_set(err, STATUS_USAGE, "a parameter is %g, which F16 cannot hold", (double)p->parameters[i]);
            return NULL;
        }
    void *converted = buffer(parts, p->parameter_count * (dtype_bits(dtype) / 8), err);
    if (converted) dtype_from_f32(dtype, p->parameters, p->parameter_count, converted);
    return converted;
}

static void add_parameters(FileParts *parts, const Predictor *p, DType dtype, Labels *labels, const char *data) {
    const size_t bytes = dtype_bits(dtype) / 8;
    for (unsigned i = 0; i < p->config.linear; i++) {
        const MlpLayer *layer = &p->mlp[i];
        char stem[32];
        snprintf(stem, sizeof stem, i + 1 < p->config.linear ? "layers.%u" : "final_linear_layer", i);
        snprintf(labels->name[2 * i], sizeof *labels->name, "%s.weight", stem);
        snprintf(labels->name[2 * i + 1], sizeof *labels->name, "%s.bias", stem);
        labels->dim[i][0] = layer->out;
        labels->dim[i][1] = layer->in;
        parts->tensors[parts->count++] =
            (TensorOut){labels->name[2 * i], dtype, 2, labels->dim[i], data + layer->weight * bytes};
        parts->tensors[parts->count++] =
            (TensorOut){labels->name[2 * i + 1], dtype, 1, labels->dim[i], data + layer->bias * bytes};
    }
}

/* U16 where that is enough. */
static bool add_order(FileParts *parts, const Predictor *p, Labels *labels, Error *err) {
    uint32_t most = 0;
    for (size_t i = 0; i < p->layer_count; i++) {
        if (p->layers[i].filters > most) most = p->layers[i].filters;
        if (p->layers[i].channels > most) most = p->layers[i].channels;
    }
    const DType dtype = most <= UINT16_MAX ? DTYPE_U16 : DTYPE_U32;
    for (unsigned which = 0; which < 2; which++) {
        void *data = buffer(parts, p->kernel_count * (dtype_bits(dtype) / 8), err);
        if (!data) return false;
        for (size_t k = 0; k < p->kernel_count; k++) {
            const uint32_t value = which ? p->index[k].channel : p->index[k].filter;
            if (dtype == DTYPE_U16)
                ((uint16_t *)data)[k] = (uint16_t)value;
            else
                ((uint32_t *)data)[k] = value;
        }
        parts->tensors[parts->count++] =
            (TensorOut){which ? ORDER_CHANNEL : ORDER_FILTER, dtype, 1, &labels->kernels, data};
    }
    return true;
}

static bool add_metadata(FileParts *parts, const Predictor *p, Error *err) {
    KeyValue **list = &parts->metadata;
    size_t *count = &parts->metadata_count;
    Str description = {0}, parameters = {0}, lineage = {0}, notes = {0};
    str_addf(&parameters, "%llu", (unsigned long long)p->source_parameters);
    bool done = predictor_describe(p, &description, err) && str_ok(&parameters, err) &&
                key_value_write(p->lineage, p->lineage_count, LINEAGE_NAMES, &lineage, err) &&
                key_value_write(p->notes, p->note_count, predictor_note_names, &notes, err) &&
                key_value_add(list, count, "format", "pt", err) &&
                key_value_add(list, count, "weft.kind", "predictor", err) &&
                key_value_add(list, count, "weft.predictor", str_text(&description), err) &&
                key_value_add(list, count, "weft.lineage", str_text(&lineage), err) &&
                key_value_add(list, count, "weft.notes", str_text(&notes), err);
    if (done && p->fingerprint[0]) done = key_value_add(list, count, "weft.fingerprint", p->fingerprint, err);
    if (done && p->source_parameters)
        done = key_value_add(list, count, "weft.source_parameters", str_text(&parameters), err);
    str_done(&description);
    str_done(&parameters);
    str_done(&lineage);
    str_done(&notes);
    return done;
}

bool predictor_parts(const Predictor *p, DType dtype, FileParts *out, Error *err) {
    FileParts parts = {0};
    if (dtype != DTYPE_F32 && dtype != DTYPE_F16 && dtype != DTYPE_BF16)
        return error_set(err, STATUS_USAGE, "a predictor is saved as F32, F16 or BF16, not %s", dtype_name(dtype));
    Labels *labels = buffer(&parts, sizeof *labels, err);
    parts.tensors = labels ? mem_alloc(2 * p->config.linear + 2, sizeof *parts.tensors, err) : NULL;
    const void *data = parts.tensors ? convert_parameters(&parts, p, dtype, err) : NULL;
    bool done = data != NULL;
    if (done) {
        labels->kernels = p->kernel_count;
        add_parameters(&parts, p, dtype, labels, data);
    }
    if (done && p->config.permutation != PERMUTATION_NONE) done = add_order(&parts, p, labels, err);
    done = done && add_metadata(&parts, p, err);
    if (done)
        *out = parts;
    else
        file_parts_done(&parts);
    return done;
}

bool predictor_save(const Predictor *p, const char *path, DType dtype, bool overwrite, Error *err) {
    const char *dot = strrchr(path, '.');
    FileParts parts;
    if (!dot || strcasecmp(dot, ".safetensors") != 0)
        return error_set(err, STATUS_USAGE, "%s: a predictor is saved as .safetensors", path);
    if (!predictor_parts(p, dtype, &parts, err)) return error_prefix(err, "%s", path);
    const bool done =
        safetensors_save(path, overwrite, parts.tensors, parts.count, parts.metadata, parts.metadata_count, err);
    file_parts_done(&parts);
    return done;
}
