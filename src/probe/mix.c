/* mix -- a network between two others, or beyond them. */
#include "probe/blend.h"

#include <math.h>
#include <string.h>

#include "weft/base/error.h"
#include "weft/base/memory.h"
#include "weft/base/tensor.h"
#include "weft/base/vectors.h"

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

/* The mixture is made where it is read: a step of alpha from a to b. */
typedef struct Mixture {
    TensorSource source;
    Tensor *a, *b;
    double alpha;
    char *name; /* for errors */
    bool deep;  /* of a mixture, which is made with the thread's parts meanwhile */
} Mixture;

/* Whether all results are finite: exponents that are not all ones. */
#define MIX_LOOP                                                                                       \
    const double beta = 1 - alpha;                                                                     \
    uint32_t odd = 0;                                                                                  \
    for (uint64_t i = 0; i < count; i++) out[i] = (float)(beta * (double)a[i] + alpha * (double)b[i]); \
    for (uint64_t i = 0; i < count; i++) {                                                             \
        uint32_t bits;                                                                                 \
        memcpy(&bits, out + i, sizeof bits);                                                           \
        odd |= (bits & 0x7f800000U) == 0x7f800000U ? 1U : 0U;                                          \
    }                                                                                                  \
    return odd == 0

VECTOR_PLAIN static bool mix_plain(const float *restrict a, const float *restrict b, double alpha, uint64_t count,
                                   float *restrict out) {
    MIX_LOOP;
}

#ifdef VECTOR_AVX2
VECTOR_AVX2 static bool mix_avx2(const float *restrict a, const float *restrict b, double alpha, uint64_t count,
                                 float *restrict out) {
    MIX_LOOP;
}

static bool mix_finite(const float *restrict a, const float *restrict b, double alpha, uint64_t count,
                       float *restrict out) {
    return vector_avx2() ? mix_avx2(a, b, alpha, count, out) : mix_plain(a, b, alpha, count, out);
}
#else
#define mix_finite mix_plain
#endif

static bool mix_values(const char *name, const float *a, const float *b, double alpha, uint64_t count, float *out,
                       Error *err) {
    if (mix_finite(a, b, alpha, count, out)) return true;
    for (uint64_t i = 0; i < count; i++)
        if (!isfinite(out[i]) && isfinite(a[i]) && isfinite(b[i]))
            return error_set(err, STATUS_USAGE, "alpha %g makes '%s' too large", alpha, name);
    return true;
}

enum { PART = 1 << 14 };                   /* values that are mixed at a time: they stay in a core's cache */
static _Thread_local float parts[2][PART]; /* of each thread, which makes one mixture at a time */

static bool read_mixture(TensorSource *source, uint64_t first, uint64_t count, float *out, Error *err) {
    const Mixture *self = (const Mixture *)source;
    bool done = true;
    while (done && count > 0) {
        const uint64_t left = PART - first % PART, some = left < count ? left : count;
        float *room = self->deep ? mem_alloc(2 * (uint64_t)PART, sizeof *room, err) : parts[0];
        const float *a = room ? tensor_span(self->a, first, some, room, err) : NULL;
        const float *b = a ? tensor_span(self->b, first, some, room + PART, err) : NULL;
        done = b && mix_values(self->name, a, b, self->alpha, some, out, err);
        if (self->deep) mem_free(room);
        first += some;
        count -= some;
        out += some;
    }
    return done;
}

static void free_mixture(TensorSource *source) {
    Mixture *self = (Mixture *)source;
    tensor_release(self->a);
    tensor_release(self->b);
    mem_free(self->name);
    mem_free(self);
}

static Tensor *mix_lazily(const char *name, Tensor *a, Tensor *b, double alpha, Error *err) {
    Mixture *self = mem_alloc(1, sizeof *self, err);
    if (!self) return NULL;
    *self = (Mixture){
        {read_mixture, free_mixture, true},      tensor_share(a), tensor_share(b), alpha, mem_copy_text(name, err),
        tensor_computed(a) || tensor_computed(b)};
    if (self->name) return tensor_lazy(a->rank, a->dim, &self->source, err);
    free_mixture(&self->source);
    return NULL;
}

static Tensor *mix_tensor(const char *name, Tensor *a, Tensor *b, double alpha, Error *err) {
    if (tensor_streams(a) || tensor_streams(b)) return mix_lazily(name, a, b, alpha, err);
    Tensor *mixed = tensor_new(a->rank, a->dim, err);
    if (mixed && mix_values(name, a->data, b->data, alpha, a->count, mixed->data, err)) return mixed;
    tensor_release(mixed);
    return NULL;
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
