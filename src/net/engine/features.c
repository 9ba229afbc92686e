/* features -- the feature-map loss of an image: the sum over maps of |n(a) - n(b)|^2, n(x) = x / (|x| + 1e-3), a the
 * student's and b the teacher's map before a ReLU.
 *
 * With r = |a|, s = |b|, d = n(a) - n(b), e = 1e-3, the gradient at a is
 *
 *   2 d / (r + e) - 2 a (a . d) / (r (r + e)^2)  =  a (2 / (r + e)^2 - 2 (a . d) / (r (r + e)^2)) - b 2 / ((r + e)(s +
 * e))
 *
 * so three sums over a map's values -- a . a, b . b, a . b -- give its loss and two factors its gradient.
 */
#include "net/engine/engine.h"

#include <math.h>

static const double epsilon = 1e-3;

/* a . a, b . b, a . b, in double, several sums side by side. */
typedef struct Products {
    double aa, bb, ab;
} Products;

enum { SIDE = 8 };

static Products products(const View *a, const View *b) {
    double aa[SIDE] = {0}, bb[SIDE] = {0}, ab[SIDE] = {0};
    const size_t row = (size_t)a->shape.width * a->pixel;
    for (size_t y = 0; y < a->shape.height; y++) {
        const float *p = a->at + y * a->row, *q = b->at + y * b->row;
        for (size_t i = 0; i < row; i += SIDE)
            for (size_t k = 0; k < SIDE && i + k < row; k++) {
                const double u = (double)p[i + k], v = (double)q[i + k];
                aa[k] += u * u;
                bb[k] += v * v;
                ab[k] += u * v;
            }
    }
    Products sum = {0};
    for (size_t k = 0; k < SIDE; k++) {
        sum.aa += aa[k];
        sum.bb += bb[k];
        sum.ab += ab[k];
    }
    return sum;
}

static double feature_weight(const Loss *loss, const Feature *feature) {
    if (!loss->fmd_aliased) return 1;
    return feature->second ? 0 : feature->sum ? 2 : 1;
}

void feature_losses(const Pass *pass, const Block *block) {
    const Engine *engine = pass->engine, *teacher = pass->teacher;
    for (size_t i = 0; i < block->count; i++)
        for (size_t f = 0; f < engine->feature_count; f++) {
            const Feature *feature = &engine->features[f];
            float *theirs = teacher->arenas + (block->worker * (size_t)teacher->block + i) * teacher->plan.arena;
            const View a = map_view(engine, block->arenas + i * engine->plan.arena, feature->map);
            const View b = map_view(teacher, theirs, feature->map);
            const Products sum = products(&a, &b);
            const double weight = feature_weight(pass->loss, feature), r = sqrt(sum.aa), s = sqrt(sum.bb);
            const double u = 1 / (r + epsilon), v = 1 / (s + epsilon);
            const double distance = sum.aa * u * u + sum.bb * v * v - 2 * sum.ab * u * v;
            const double along = sum.aa * u - sum.ab * v; /* a . d */
            const double factor = 2 * weight * pass->loss->fmd / (double)pass->images;
            engine->terms[block->first + i].fmd += weight * (distance > 0 ? distance : 0);
            engine->feature_gradients[(block->arena + i) * engine->feature_count + f] =
                (FeatureGradient){factor * u * u * (1 - (r > 0 ? along / r : 0)), -factor * u * v};
        }
}

void feature_add(const Pass *pass, const Block *block, size_t image, int map) {
    const Engine *engine = pass->engine, *teacher = pass->teacher;
    size_t f = 0;
    while (f < engine->feature_count && engine->features[f].map != map) f++;
    if (f == engine->feature_count) return;
    const FeatureGradient factor = engine->feature_gradients[(block->arena + image) * engine->feature_count + f];
    float *arena = block->arenas + image * engine->plan.arena;
    float *theirs = teacher->arenas + (block->worker * (size_t)teacher->block + image) * teacher->plan.arena;
    const View a = map_view(engine, arena, map), b = map_view(teacher, theirs, map);
    const View gradient = gradient_view(engine, arena, map);
    const size_t row = (size_t)a.shape.width * a.pixel;
    for (size_t y = 0; y < a.shape.height; y++) {
        const float *p = a.at + y * a.row, *q = b.at + y * b.row;
        float *to = gradient.at + y * gradient.row;
        for (size_t i = 0; i < row; i++)
            to[i] += (float)(factor.of_student * (double)p[i] + factor.of_teacher * (double)q[i]);
    }
}
