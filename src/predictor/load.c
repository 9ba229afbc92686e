/* load -- predictors from files of ours (save.c says what is in them) and from checkpoints of the reference
 * implementation: layers.N.weight, layers.N.bias, final_linear_layer.weight, final_linear_layer.bias, perhaps all with
 * one prefix, and nothing else; what they predict, and how it is encoded, the caller must know.
 *
 * All names, shapes and types are checked against the configuration before anything is allocated for them.
 */
#include "predictor/internal.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "weft/base/dtype.h"
#include "weft/base/error.h"
#include "weft/base/hash.h"
#include "weft/base/memory.h"
#include "weft/base/task.h"
#include "weft/base/tensor.h"
#include "weft/base/text.h"

#define FINAL "final_linear_layer."

/* One file being read. */
typedef struct Reading {
    Checkpoint *checkpoint;
    Predictor *p;
    const char *prefix; /* of the parameters' names, prefix_length bytes */
    size_t prefix_length;
    size_t parameter[2 * MLP_LAYERS_MAX]; /* their tensors: weight, bias of each layer */
    size_t order[2];                      /* of filters, of channels */
} Reading;

/* ---- names ------------------------------------------------------------------------------------------------------- */

/* Which parameter a name stands for: 2 * layer, plus 1 for a bias; -1 for none. `final` counts as layer `last`. */
static int parameter_of(const Reading *r, const char *name, unsigned last) {
    static const char *const kinds[] = {"weight", "bias"};
    unsigned layer = 0;
    if (strncmp(name, r->prefix, r->prefix_length) != 0) return -1;
    name += r->prefix_length;
    if (strncmp(name, FINAL, strlen(FINAL)) == 0) {
        layer = last;
        name += strlen(FINAL);
    } else {
        if (strncmp(name, "layers.", 7) != 0 || name[7] < '0' || name[7] > '9') return -1;
        if (name[7] == '0' && name[8] != '.') return -1; /* no leading zeros */
        for (name += 7; *name >= '0' && *name <= '9'; name++)
            if ((layer = 10 * layer + (unsigned)(*name - '0')) >= MLP_LAYERS_MAX) return -1;
        if (*name++ != '.' || layer >= last) return -1;
    }
    for (int kind = 0; kind < 2; kind++)
        if (strcmp(name, kinds[kind]) == 0) return 2 * (int)layer + kind;
    return -1;
}

static void parameter_name(const Reading *r, unsigned number, char *out, size_t size) {
    const unsigned layer = number / 2;
    const char *kind = number % 2 ? "bias" : "weight";
    if (layer + 1 == r->p->config.linear)
        snprintf(out, size, "%.*s" FINAL "%s", (int)r->prefix_length, r->prefix, kind);
    else
        snprintf(out, size, "%.*slayers.%u.%s", (int)r->prefix_length, r->prefix, layer, kind);
}

/* Finds every tensor its place. Unknown ones are refused, but for those of a trainer's checkpoint. */
static bool find_tensors(Reading *r, Error *err) {
    const Checkpoint *c = r->checkpoint;
    const unsigned linear = r->p->config.linear;
    bool seen[2 * MLP_LAYERS_MAX] = {false}, ordered[2] = {false};
    for (size_t i = 0; i < checkpoint_count(c); i++) {
        const char *name = checkpoint_tensor(c, i)->name;
        const int number = parameter_of(r, name, linear - 1);
        if (number >= 0) {
            r->parameter[number] = i;
            seen[number] = true;
        } else if (strcmp(name, ORDER_FILTER) == 0 || strcmp(name, ORDER_CHANNEL) == 0) {
            const bool channel = strcmp(name, ORDER_CHANNEL) == 0;
            r->order[channel] = i;
            ordered[channel] = true;
        } else if (strncmp(name, "state.", 6) != 0) {
            return error_set(err, STATUS_BAD_INPUT, "tensor '%s' does not belong to a predictor with %u linear layers",
                             name, linear);
        }
    }
    for (unsigned number = 0; number < 2 * linear; number++) {
        char name[256];
        parameter_name(r, number, name, sizeof name);
        if (!seen[number]) return error_set(err, STATUS_BAD_INPUT, "tensor '%s' is missing", name);
    }
    const bool permuted = checkpoint_metadata_find(c, "weft.kind") && r->p->config.permutation != PERMUTATION_NONE;
    for (int channel = 0; channel < 2; channel++)
        if (ordered[channel] != permuted)
            return error_set(err, STATUS_BAD_INPUT, "tensor '%s' %s", channel ? ORDER_CHANNEL : ORDER_FILTER,
                             permuted ? "is missing" : "does not belong to a predictor without a permutation");
    return true;
}

/* ---- shapes ------------------------------------------------------------------------------------------------------ */

static bool is_float(DType type) {
    return type == DTYPE_F32 || type == DTYPE_F16 || type == DTYPE_BF16 || type == DTYPE_F64;
}

static void shape_text(unsigned rank, const uint64_t *dim, char *out, size_t size) {
    size_t length = 0;
    for (unsigned d = 0; d < rank && length < size; d++)
        length += (size_t)snprintf(out + length, size - length, "%s%llu", d ? "x" : "", (unsigned long long)dim[d]);
    if (rank == 0) snprintf(out, size, "a scalar");
}

static bool check_shape(const CheckpointTensor *tensor, unsigned rank, const uint64_t *dim, Error *err) {
    char is[128], wanted[128];
    if (tensor->rank == rank && memcmp(tensor->dim, dim, rank * sizeof *dim) == 0) return true;
    shape_text(tensor->rank, tensor->dim, is, sizeof is);
    shape_text(rank, dim, wanted, sizeof wanted);
    return error_set(err, STATUS_BAD_INPUT, "tensor '%s' is %s, not %s", tensor->name, is, wanted);
}

static bool check_tensors(const Reading *r, Error *err) {
    const Predictor *p = r->p;
    for (unsigned number = 0; number < 2 * p->config.linear; number++) {
        const CheckpointTensor *tensor = checkpoint_tensor(r->checkpoint, r->parameter[number]);
        const MlpLayer *layer = &p->mlp[number / 2];
        const uint64_t dim[2] = {layer->out, layer->in};
        if (!check_shape(tensor, number % 2 ? 1 : 2, dim, err)) return false;
        if (!is_float(tensor->dtype))
            return error_set(err, STATUS_BAD_INPUT, "tensor '%s' is %s, not real numbers", tensor->name,
                             dtype_name(tensor->dtype));
    }
    if (!checkpoint_metadata_find(r->checkpoint, "weft.kind") || p->config.permutation == PERMUTATION_NONE) return true;
    for (int channel = 0; channel < 2; channel++) {
        const CheckpointTensor *tensor = checkpoint_tensor(r->checkpoint, r->order[channel]);
        const uint64_t kernels = p->kernel_count;
        if (!check_shape(tensor, 1, &kernels, err)) return false;
        if (tensor->dtype != DTYPE_U16 && tensor->dtype != DTYPE_U32)
            return error_set(err, STATUS_BAD_INPUT, "tensor '%s' is %s, not U16 or U32", tensor->name,
                             dtype_name(tensor->dtype));
    }
    return true;
}

/* ---- contents ---------------------------------------------------------------------------------------------------- */

static bool read_parameters(const Reading *r, Error *err) {
    for (unsigned number = 0; number < 2 * r->p->config.linear; number++) {
        const MlpLayer *layer = &r->p->mlp[number / 2];
        Tensor *tensor = checkpoint_read_tensor(r->checkpoint, r->parameter[number], err);
        if (!tensor) return false;
        memcpy(r->p->parameters + (number % 2 ? layer->bias : layer->weight), tensor->data,
               tensor->count * sizeof *tensor->data);
        tensor_release(tensor);
    }
    return true;
}

/* One of the order tensors into the index. */
static bool read_order(const Reading *r, int channel, Error *err) {
    const CheckpointTensor *tensor = checkpoint_tensor(r->checkpoint, r->order[channel]);
    void *values = mem_alloc(tensor->count, dtype_bits(tensor->dtype) / 8, err);
    const bool done = values && checkpoint_read(r->checkpoint, r->order[channel], values, err);
    for (size_t k = 0; done && k < r->p->kernel_count; k++) {
        const uint32_t value = tensor->dtype == DTYPE_U16 ? ((uint16_t *)values)[k] : ((uint32_t *)values)[k];
        *(channel ? &r->p->index[k].channel : &r->p->index[k].filter) = value;
    }
    mem_free(values);
    return done;
}

/* Each index pair of a layer must be there once. */
static bool check_order(const Predictor *p, const PredictedLayer *layer, Error *err) {
    const size_t count = (size_t)layer->filters * layer->channels;
    bool *seen = mem_alloc(count, sizeof *seen, err), done = seen != NULL;
    for (size_t k = 0; done && k < count; k++) {
        const KernelIndex *index = &p->index[layer->first + k];
        if (index->filter >= layer->filters || index->channel >= layer->channels) {
            const bool filter = index->filter >= layer->filters;
            done = error_set(err, STATUS_BAD_INPUT, "tensor '%s': %u at kernel %zu of layer %s, which has %u %s",
                             filter ? ORDER_FILTER : ORDER_CHANNEL, filter ? index->filter : index->channel, k,
                             layer->name, filter ? layer->filters : layer->channels, filter ? "filters" : "channels");
        } else if (seen[(size_t)index->filter * layer->channels + index->channel]) {
            done = error_set(err, STATUS_BAD_INPUT, "tensors '%s' and '%s': layer %s has the position %u, %u twice",
                             ORDER_FILTER, ORDER_CHANNEL, layer->name, index->filter, index->channel);
        } else {
            seen[(size_t)index->filter * layer->channels + index->channel] = true;
        }
    }
    mem_free(seen);
    return done;
}

static bool read_index(const Reading *r, Error *err) {
    Predictor *p = r->p;
    if (p->config.permutation == PERMUTATION_NONE) return predictor_order(p, NULL, NULL, err);
    if (!read_order(r, 0, err) || !read_order(r, 1, err)) return false;
    for (size_t i = 0; i < p->layer_count; i++) {
        const PredictedLayer *layer = &p->layers[i];
        const size_t end = layer->first + (size_t)layer->filters * layer->channels;
        for (size_t k = layer->first; k < end; k++) p->index[k].layer = (uint32_t)i;
        if (!check_order(p, layer, err)) return false;
    }
    return true;
}

static bool add_file_notes(const Reading *r, Error *err) {
    for (size_t i = 0; i < checkpoint_note_count(r->checkpoint); i++)
        if (!key_value_add(&r->p->notes, &r->p->note_count, "note", checkpoint_note(r->checkpoint, i), err))
            return false;
    return true;
}

/* ---- files of ours ----------------------------------------------------------------------------------------------- */

static bool read_list(const Reading *r, const char *key, const char *const names[2], KeyValue **list, size_t *count,
                      Error *err) {
    const char *text = checkpoint_metadata_find(r->checkpoint, key);
    bool understood = true;
    if (text && !key_value_read(list, count, names, text, &understood, err)) return false;
    return understood || error_set(err, STATUS_BAD_INPUT, "metadata %s is invalid", key);
}

static bool read_facts(const Reading *r, Error *err) {
    Predictor *p = r->p;
    const char *fingerprint = checkpoint_metadata_find(r->checkpoint, "weft.fingerprint"),
               *parameters = checkpoint_metadata_find(r->checkpoint, "weft.source_parameters");
    if (fingerprint) {
        if (strlen(fingerprint) != HASH_HEX - 1 || strspn(fingerprint, "0123456789abcdef") != HASH_HEX - 1)
            return error_set(err, STATUS_BAD_INPUT, "metadata weft.fingerprint is not 32 hexadecimal digits");
        memcpy(p->fingerprint, fingerprint, HASH_HEX);
    }
    if (parameters && !text_to_u64(parameters, &p->source_parameters))
        return error_set(err, STATUS_BAD_INPUT, "metadata weft.source_parameters is not a number");
    return read_list(r, "weft.lineage", LINEAGE_NAMES, &p->lineage, &p->lineage_count, err) &&
           read_list(r, "weft.notes", predictor_note_names, &p->notes, &p->note_count, err);
}

static bool read_ours(Reading *r, Error *err) {
    const char *text = checkpoint_metadata_find(r->checkpoint, "weft.predictor");
    if (!text) return error_set(err, STATUS_BAD_INPUT, "metadata weft.predictor is missing");
    if (!predictor_understand(r->p, text, err))
        return err->status == STATUS_BAD_INPUT ? error_prefix(err, "metadata weft.predictor") : false;
    return find_tensors(r, err) && predictor_measure(r->p, err) && check_tensors(r, err) &&
           predictor_lay_out(r->p, err) && read_parameters(r, err) && read_index(r, err) && read_facts(r, err) &&
           add_file_notes(r, err);
}

/* ---- checkpoints of the reference implementation ----------------------------------------------------------------- */

/* The tensor whose name ends in the last layer's weight; sets the prefix. */
static bool find_final(Reading *r, size_t *index) {
    static const char name[] = FINAL "weight";
    for (size_t i = 0; i < checkpoint_count(r->checkpoint); i++) {
        const char *own = checkpoint_tensor(r->checkpoint, i)->name;
        const size_t length = strlen(own), tail = sizeof name - 1;
        if (length < tail || strcmp(own + length - tail, name) != 0) continue;
        if (length > tail && own[length - tail - 1] != '.') continue;
        r->prefix = own;
        r->prefix_length = length - tail;
        *index = i;
        return true;
    }
    return false;
}

/* The number of linear layers and their width, from names and shapes. */
static bool read_sizes(const Reading *r, size_t final, Error *err) {
    const CheckpointTensor *last = checkpoint_tensor(r->checkpoint, final);
    PredictorConfig *config = &r->p->config;
    unsigned layers = 0;
    for (size_t i = 0; i < checkpoint_count(r->checkpoint); i++) {
        const int number = parameter_of(r, checkpoint_tensor(r->checkpoint, i)->name, MLP_LAYERS_MAX - 1);
        if (number >= 0 && number / 2 < MLP_LAYERS_MAX - 1 && (unsigned)number / 2 + 1 > layers)
            layers = (unsigned)number / 2 + 1;
    }
    config->linear = layers + 1;
    if (last->rank != 2 || last->dim[1] < 1 || last->dim[1] > PREDICTOR_HIDDEN_MAX || layers == 0)
        return error_set(err, STATUS_BAD_INPUT, "tensor '%s' is not the last layer of a predictor", last->name);
    config->hidden = (unsigned)last->dim[1];
    if (predictor_check_config(config, err)) return true;
    return false;
}

static bool read_reference(Reading *r, size_t final, const PredictorOptions *options, const Task *task, Error *err) {
    Predictor *p = r->p;
    if (!options->source)
        return error_set(err, STATUS_USAGE,
                         "holds only the weights of a predictor; --for NET tells which network's layers it predicts");
    p->config = options->config ? *options->config : predictor_config();
    if (!options->config || options->usual_order) {
        uint64_t kernels, weights;
        predictor_count(options->source, options->chosen, &kernels, &weights);
        p->config.permutation = predictor_usual_order(weights);
    }
    return read_sizes(r, final, err) && find_tensors(r, err) &&
           predictor_choose(p, options->source, options->chosen, err) && predictor_measure(p, err) &&
           check_tensors(r, err) && predictor_lay_out(p, err) && read_parameters(r, err) &&
           predictor_keep_source(p, options->source, err) && predictor_order(p, options->source, task, err) &&
           add_file_notes(r, err);
}

/* ---- either ------------------------------------------------------------------------------------------------------ */

Predictor *predictor_from_checkpoint(Checkpoint *checkpoint, const PredictorOptions *options, const Task *task,
                                     Error *err) {
    static const PredictorOptions none;
    const char *kind = checkpoint_metadata_find(checkpoint, "weft.kind"), *path = checkpoint_path(checkpoint);
    Reading r = {.checkpoint = checkpoint, .prefix = "", .p = mem_alloc(1, sizeof *r.p, err)};
    size_t final = 0;
    bool done = false;
    if (!r.p) return NULL;
    if (!options) options = &none;
    if (kind && strcmp(kind, "predictor") == 0) {
        if (options->config || options->chosen)
            error_set(err, STATUS_USAGE, "is self-describing; leave out the settings");
        else
            done = read_ours(&r, err) && (!options->source || predictor_attach(r.p, options->source, err));
    } else if (!kind && find_final(&r, &final)) {
        done = read_reference(&r, final, options, task, err);
    } else if (kind) {
        error_set(err, STATUS_BAD_INPUT, "a %s, not a predictor", kind);
    } else {
        error_set(err, STATUS_BAD_INPUT,
                  "not a weight predictor: no tensor '" FINAL "weight' (load net reads networks)");
    }
    if (done) return r.p;
    predictor_free(r.p);
    if (strncmp(err->text, path, strlen(path)) != 0 && err->status != STATUS_CANCELLED) error_prefix(err, "%s", path);
    return NULL;
}

Predictor *predictor_load(const char *path, const PredictorOptions *options, const Task *task, Error *err) {
    Checkpoint *checkpoint = checkpoint_open_key(path, options ? options->key : NULL, err);
    Predictor *p = checkpoint ? predictor_from_checkpoint(checkpoint, options, task, err) : NULL;
    checkpoint_close(checkpoint);
    if (!p || key_value_add(&p->lineage, &p->lineage_count, "load", path, err)) return p;
    predictor_free(p);
    return NULL;
}
