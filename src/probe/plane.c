/* plane -- weight vectors in a plane. Directions are kept in double: the difference of two float32 weights is then
 * nearly always exact, so that the plane goes through the very networks that span it.
 */
#include "probe/blend.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "weft/base/error.h"
#include "weft/base/memory.h"
#include "weft/base/random.h"
#include "weft/base/tensor.h"

/* Of a direction that is less than this share of what it was before the projection, rounding is all that is left. */
#define LINE_SHARE 1e-5

/* One tensor of the origin that moves. */
typedef struct Part {
    size_t tensor;
    double *u, *v; /* of its elements; v NULL: a line */
} Part;

struct Plane {
    const Network *origin;
    Part *parts; /* in the order of the tensors */
    size_t count;
    double norm_u, norm_v;
};

void plane_free(Plane *plane) {
    if (!plane) return;
    for (size_t i = 0; i < plane->count; i++) {
        mem_free(plane->parts[i].u);
        mem_free(plane->parts[i].v);
    }
    mem_free(plane->parts);
    mem_free(plane);
}

void plane_norms(const Plane *plane, double *u, double *v) {
    *u = plane->norm_u;
    *v = plane->norm_v;
}

static const Tensor *part_tensor(const Plane *plane, const Part *part) {
    return plane->origin->tensors[part->tensor].tensor;
}

static Plane *plane_new(const Network *origin, Error *err) {
    Plane *plane = mem_alloc(1, sizeof *plane, err);
    if (!plane) return NULL;
    plane->origin = origin;
    plane->parts = mem_alloc(origin->tensor_count, sizeof *plane->parts, err);
    if (plane->parts) return plane;
    plane_free(plane);
    return NULL;
}

/* A tensor more, with room for its directions. */
static Part *add_part(Plane *plane, size_t tensor, bool line, Error *err) {
    const uint64_t count = plane->origin->tensors[tensor].tensor->count;
    Part *part = &plane->parts[plane->count++];
    part->tensor = tensor;
    if ((part->u = mem_alloc(count, sizeof *part->u, err)) &&
        (line || (part->v = mem_alloc(count, sizeof *part->v, err))))
        return part;
    return NULL;
}

/* ---- through networks -------------------------------------------------------------------------------------------- */

/* NULL where the network has no such tensor: its files lack batch norm's counters. */
static const Tensor *tensor_of(const Network *network, const char *name) {
    size_t index;
    return blend_find(network, name, &index) ? network->tensors[index].tensor : NULL;
}

static bool differs(const Tensor *a, const Tensor *b) {
    return a != b && memcmp(a->data, b->data, a->count * sizeof *a->data) != 0;
}

static bool add_differences(Plane *plane, const Network *w2, const Network *w3, Error *err) {
    const Network *w1 = plane->origin;
    for (size_t i = 0; i < w1->tensor_count; i++) {
        if (!blend_float(w1, i)) continue;
        const Tensor *one = w1->tensors[i].tensor, *two = tensor_of(w2, w1->tensors[i].name),
                     *three = tensor_of(w3, w1->tensors[i].name);
        if (!differs(one, two) && !differs(one, three)) continue;
        Part *part = add_part(plane, i, false, err);
        if (!part) return false;
        for (uint64_t j = 0; j < one->count; j++) {
            part->u[j] = (double)two->data[j] - (double)one->data[j];
            part->v[j] = (double)three->data[j] - (double)one->data[j];
        }
    }
    return true;
}

typedef struct Products {
    double uu, uv, vv;
} Products;

static Products products(const Plane *plane) {
    Products p = {0};
    for (size_t i = 0; i < plane->count; i++) {
        const Part *part = &plane->parts[i];
        const uint64_t count = part_tensor(plane, part)->count;
        for (uint64_t j = 0; j < count; j++) {
            const double v = part->v ? part->v[j] : 0;
            if (!isfinite(part->u[j]) || !isfinite(v)) continue; /* no distance, and no point with a number there */
            p.uu += part->u[j] * part->u[j];
            p.uv += part->u[j] * v;
            p.vv += v * v;
        }
    }
    return p;
}

/* v less its projection on u. */
static void orthogonalise(Plane *plane, double share) {
    for (size_t i = 0; i < plane->count; i++) {
        const Part *part = &plane->parts[i];
        const uint64_t count = part_tensor(plane, part)->count;
        for (uint64_t j = 0; j < count; j++)
            if (isfinite(part->u[j])) part->v[j] -= share * part->u[j];
    }
}

static bool span(Plane *plane, Error *err) {
    const Products before = products(plane);
    if (!isfinite(before.uu) || !isfinite(before.vv))
        return error_set(err, STATUS_BAD_INPUT, "the networks' weights are too far apart");
    if (before.uu == 0) return error_set(err, STATUS_USAGE, "the first two networks have the same finite weights");
    if (before.vv == 0)
        return error_set(err, STATUS_USAGE, "the first and the third network have the same finite weights");
    orthogonalise(plane, before.uv / before.uu);
    const Products after = products(plane);
    plane->norm_u = sqrt(after.uu);
    plane->norm_v = sqrt(after.vv);
    return plane->norm_v > LINE_SHARE * sqrt(before.vv) ||
           error_set(err, STATUS_USAGE,
                     "the three networks lie on one line, so they do not span a plane (interpolate draws the line)");
}

Plane *plane_through(const Network *w1, const Network *w2, const Network *w3, Error *err) {
    if (!mix_check(w1, w2, err) || !mix_check(w1, w3, err)) return NULL;
    Plane *plane = plane_new(w1, err);
    if (plane && add_differences(plane, w2, w3, err) && span(plane, err)) return plane;
    plane_free(plane);
    return NULL;
}

/* ---- random directions ------------------------------------------------------------------------------------------- */

enum { STREAM_DIRECTION = 0x446972 };

/* Normal values, filter by filter of the filter's own norm. */
static void fill_filters(const Tensor *weight, Rng *rng, double *out) {
    const uint64_t each = weight->dim[0] > 0 ? weight->count / weight->dim[0] : 0;
    for (uint64_t filter = 0; filter < weight->dim[0]; filter++) {
        double own = 0, drawn = 0;
        for (uint64_t j = filter * each; j < (filter + 1) * each; j++) {
            out[j] = rng_normal(rng);
            drawn += out[j] * out[j];
            own += (double)weight->data[j] * (double)weight->data[j];
        }
        const double scale = drawn > 0 && isfinite(own) ? sqrt(own / drawn) : 0; /* NaN stays NaN anyway */
        for (uint64_t j = filter * each; j < (filter + 1) * each; j++) out[j] *= scale;
    }
}

/* Layers are in the order of the graph, which need not be that of the file. */
static int by_tensor(const void *a, const void *b) {
    const size_t x = ((const Part *)a)->tensor, y = ((const Part *)b)->tensor;
    return (x > y) - (x < y);
}

Plane *plane_random(const Network *origin, unsigned directions, uint64_t seed, Error *err) {
    Plane *plane = plane_new(origin, err);
    bool done = plane != NULL;
    Rng rng[2];
    for (unsigned d = 0; d < 2; d++) rng[d] = (Rng){.seed = seed, .stream = STREAM_DIRECTION + d};
    for (size_t i = 0; done && i < origin->layer_count; i++) {
        const Tensor *weight = layer_weight(origin, &origin->layers[i]);
        const Part *part = add_part(plane, origin->layers[i].tensor, directions < 2, err);
        if (!(done = part != NULL)) break;
        fill_filters(weight, &rng[0], part->u);
        if (part->v) fill_filters(weight, &rng[1], part->v);
    }
    if (done) {
        qsort(plane->parts, plane->count, sizeof *plane->parts, by_tensor);
        const Products p = products(plane);
        plane->norm_u = sqrt(p.uu);
        plane->norm_v = sqrt(p.vv);
        done =
            (isfinite(p.uu) && p.uu > 0) || error_set(err, STATUS_USAGE, "the network's finite weights are all zero");
    }
    if (done) return plane;
    plane_free(plane);
    return NULL;
}

/* ---- points ------------------------------------------------------------------------------------------------------ */

/* A step of 0 is none, also along a direction that is not finite. */
static double along(double step, const double *direction, uint64_t at) {
    return direction && step != 0 ? step * direction[at] : 0;
}

Network *plane_network(const Plane *plane, double a, double b, const char *command, Error *err) {
    Network *network = network_derive(plane->origin, "landscape", command, err);
    for (size_t i = 0; network && i < plane->count; i++) {
        const Part *part = &plane->parts[i];
        const Tensor *old = part_tensor(plane, part);
        Tensor *tensor = tensor_new(old->rank, old->dim, err);
        for (uint64_t j = 0; tensor && j < old->count; j++)
            tensor->data[j] = (float)((double)old->data[j] + along(a, part->u, j) + along(b, part->v, j));
        if (tensor) {
            network_replace(network, part->tensor, tensor);
        } else {
            network_free(network);
            network = NULL;
        }
    }
    return network;
}

/* The directions through networks are orthogonal; random ones nearly are: hence the two by two system. */
bool plane_project(const Plane *plane, const Network *network, double *a, double *b, double *distance, Error *err) {
    const Network *origin = plane->origin;
    if (!mix_check(origin, network, err)) return false;
    const Products p = products(plane);
    double du = 0, dv = 0, dd = 0;
    size_t next = 0;
    for (size_t i = 0; i < origin->tensor_count; i++) {
        if (!blend_float(origin, i)) continue;
        const Tensor *from = origin->tensors[i].tensor, *to = tensor_of(network, origin->tensors[i].name);
        const bool moves = next < plane->count && plane->parts[next].tensor == i;
        const Part *part = moves ? &plane->parts[next++] : NULL;
        for (uint64_t j = 0; j < from->count; j++) {
            const double d = (double)to->data[j] - (double)from->data[j];
            if (!isfinite(d) || (part && !isfinite(part->u[j])) || (part && part->v && !isfinite(part->v[j]))) continue;
            dd += d * d;
            du += part ? d * part->u[j] : 0;
            dv += part && part->v ? d * part->v[j] : 0;
        }
    }
    const double determinant = p.uu * p.vv - p.uv * p.uv;
    *a = p.vv > 0 ? (du * p.vv - dv * p.uv) / determinant : du / p.uu;
    *b = p.vv > 0 ? (dv * p.uu - du * p.uv) / determinant : 0;
    const double inside = *a * *a * p.uu + 2 * *a * *b * p.uv + *b * *b * p.vv;
    *distance = dd > inside ? sqrt(dd - inside) : 0;
    return true;
}
