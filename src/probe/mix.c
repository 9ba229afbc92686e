/* mix -- a network between two others, or beyond them. */
#include "probe/blend.h"

#include <math.h>
#include <string.h>

#include "weft/base/error.h"
#include "weft/base/tensor.h"

bool blend_float(const Network *network, size_t tensor) {
    return !network_integer(network, tensor);
}

bool blend_find(const Network *network, const char *name, size_t *index) {
    for (size_t i = 0; i < network->tensor_count; i++)
        if (strcmp(network->tensors[i].name, name) == 0) {
            *index = i;
            return true;
        }
    return false;
}

static bool same_shape(const Tensor *a, const Tensor *b) {
    return a->rank == b->rank && memcmp(a->dim, b->dim, a->rank * sizeof *a->dim) == 0;
}

/* Old files lack the counters of batch norm, which are no floats: they do not tell networks apart. */
static bool has_all(const Network *a, const Network *b, const char *which, Error *err) {
    size_t other;
    for (size_t i = 0; i < a->tensor_count; i++) {
        if (!blend_float(a, i)) continue;
        const char *name = a->tensors[i].name;
        if (!blend_find(b, name, &other))
            return error_set(err, STATUS_USAGE, "only the %s network has '%s'", which, name);
        if (!same_shape(a->tensors[i].tensor, b->tensors[other].tensor))
            return error_set(err, STATUS_USAGE, "the networks' '%s' have different shapes", name);
    }
    return true;
}

bool mix_check(const Network *a, const Network *b, Error *err) {
    if (!has_all(a, b, "first", err) || !has_all(b, a, "second", err)) return false;
    return !a->graph || !b->graph || graph_equal(a->graph, b->graph) ||
           error_set(err, STATUS_USAGE, "the networks' architectures differ");
}

static bool chosen(const Network *a, size_t tensor, const bool *layers) {
    for (size_t i = 0; layers && i < a->layer_count; i++)
        if (layers[i] && a->layers[i].tensor == tensor) return true;
    return layers == NULL;
}

static Tensor *mix_tensor(const char *name, const Tensor *a, const Tensor *b, double alpha, Error *err) {
    Tensor *mixed = tensor_new(a->rank, a->dim, err);
    for (uint64_t i = 0; mixed && i < a->count; i++) {
        mixed->data[i] = (float)((1 - alpha) * (double)a->data[i] + alpha * (double)b->data[i]);
        if (isfinite(mixed->data[i]) || !isfinite(a->data[i]) || !isfinite(b->data[i])) continue;
        error_set(err, STATUS_USAGE, "alpha %g makes '%s' too large", alpha, name);
        tensor_release(mixed);
        return NULL;
    }
    return mixed;
}

Network *mix_apply(const Network *a, const Network *b, double alpha, const bool *layers, const char *command,
                   Error *err) {
    if (!mix_check(a, b, err)) return NULL;
    if (!isfinite(alpha)) {
        error_set(err, STATUS_USAGE, "alpha must be a finite number");
        return NULL;
    }
    Network *mixed = network_derive(a, "mix", command, err);
    for (size_t i = 0, other; mixed && i < a->tensor_count; i++) {
        if (!blend_float(a, i) || !chosen(a, i, layers) || !blend_find(b, a->tensors[i].name, &other)) continue;
        Tensor *from = a->tensors[i].tensor, *to = b->tensors[other].tensor;
        if (from == to || alpha == 0) continue;
        Tensor *tensor = alpha == 1 ? tensor_share(to) : mix_tensor(a->tensors[i].name, from, to, alpha, err);
        if (tensor) {
            network_replace(mixed, i, tensor);
        } else {
            network_free(mixed);
            mixed = NULL;
        }
    }
    return mixed;
}
