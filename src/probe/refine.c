/* refine -- see refine.h.
 *
 * Patches of the grid are halved both ways, level by level. The points that are new in a patch are measured and
 * compared with the bilinear interpolation of its corners, of the logarithm of the loss (which spans orders of
 * magnitude on such surfaces). Where they agree, the halves are interpolated; where they do not, they are halved in
 * turn. What is measured is a function of measured values alone, so that a resumed survey measures the same points.
 */
#include "probe/refine.h"

#include <math.h>

#include "weft/base/error.h"
#include "weft/base/memory.h"

enum { COARSE = 4 /* patches a side to begin with, at least */, AXES = 2, ENDS = 3 };

static const double least_loss = 1e-30; /* what a loss of nought counts as */

/* Points first[axis] to last[axis], its corners among them. */
typedef struct Patch {
    size_t first[AXES], last[AXES];
} Patch;

typedef struct Refiner {
    const Survey *survey;
    size_t columns, values;
    double *results;
    bool *measured, *wanted;
    Patch *patches; /* those to halve: of this level, then of the next */
    size_t begin, end, room;
} Refiner;

static size_t point_at(const Refiner *r, size_t x, size_t y) {
    return y * r->columns + x;
}

static bool is_loss(const Refiner *r, size_t value) {
    return value < 2 * r->survey->data_count && value % 2 == 1;
}

/* ---- patches -------------------------------------------------------------------------------------------------------
 */

static bool add_patch(Refiner *r, const Patch *patch, Error *err) {
    if (!mem_grow(&r->patches, &r->room, r->end + 1, sizeof *r->patches, err)) return false;
    r->patches[r->end++] = *patch;
    return true;
}

static bool can_halve(const Patch *patch) {
    return patch->last[0] > patch->first[0] + 1 || patch->last[1] > patch->first[1] + 1;
}

/* The patch's ends along an axis and, where it can be halved, its middle. */
static size_t ends_of(const Patch *patch, int axis, size_t ends[ENDS]) {
    const size_t first = patch->first[axis], last = patch->last[axis];
    size_t count = 0;
    ends[count++] = first;
    if (last > first + 1) ends[count++] = first + (last - first) / 2;
    if (last > first) ends[count++] = last;
    return count;
}

static void want(Refiner *r, const Patch *patch) {
    size_t x[ENDS], y[ENDS];
    const size_t columns = ends_of(patch, 0, x), rows = ends_of(patch, 1, y);
    for (size_t j = 0; j < rows; j++)
        for (size_t i = 0; i < columns; i++) r->wanted[point_at(r, x[i], y[j])] = true;
}

/* Along one axis, from the widest patches that are powers of two and at least COARSE in number. */
static size_t first_stride(size_t points) {
    size_t stride = 1;
    while (points - 1 >= 2 * COARSE * stride) stride *= 2;
    return stride;
}

static bool begin_patches(Refiner *r, Error *err) {
    const size_t sides[AXES] = {r->columns, r->survey->points / r->columns};
    const size_t stride[AXES] = {first_stride(sides[0]), first_stride(sides[1])};
    for (size_t y = 0; y == 0 || y < sides[1] - 1; y += stride[1])
        for (size_t x = 0; x == 0 || x < sides[0] - 1; x += stride[0]) {
            Patch patch = {.first = {x, y}, .last = {x + stride[0], y + stride[1]}};
            for (int axis = 0; axis < AXES; axis++)
                if (patch.last[axis] > sides[axis] - 1) patch.last[axis] = sides[axis] - 1;
            if (!add_patch(r, &patch, err)) return false;
        }
    return true;
}

/* ---- values ------------------------------------------------------------------------------------------------------ */

static double value_at(const Refiner *r, size_t x, size_t y, size_t value) {
    const double v = r->results[point_at(r, x, y) * r->values + value];
    return is_loss(r, value) ? log(v < least_loss ? least_loss : v) : v; /* NaN stays NaN */
}

/* From the patch's corners, of which equal ones count as one: what is flat stays exactly what it is. */
static double interpolate(const Refiner *r, const Patch *patch, size_t x, size_t y, size_t value) {
    const size_t at[AXES] = {x, y};
    double share[AXES], edge[2];
    for (int axis = 0; axis < AXES; axis++) {
        const size_t width = patch->last[axis] - patch->first[axis];
        share[axis] = width ? (double)(at[axis] - patch->first[axis]) / (double)width : 0;
    }
    for (int j = 0; j < 2; j++) {
        const size_t row = j ? patch->last[1] : patch->first[1];
        const double left = value_at(r, patch->first[0], row, value);
        edge[j] = left + share[0] * (value_at(r, patch->last[0], row, value) - left);
    }
    return edge[0] + share[1] * (edge[1] - edge[0]);
}

/* Whether what was measured in the patch is what its corners foretell; never so where a loss is no number. */
static bool foretold(const Refiner *r, const Patch *patch) {
    size_t x[ENDS], y[ENDS];
    const size_t columns = ends_of(patch, 0, x), rows = ends_of(patch, 1, y);
    for (size_t value = 0; value < r->values; value++)
        for (size_t j = 0; is_loss(r, value) && j < rows; j++)
            for (size_t i = 0; i < columns; i++) {
                const double difference =
                    fabs(value_at(r, x[i], y[j], value) - interpolate(r, patch, x[i], y[j], value));
                if (!(difference <= r->survey->tolerance)) return false;
            }
    return true;
}

static void fill_patch(Refiner *r, const Patch *patch) {
    for (size_t y = patch->first[1]; y <= patch->last[1]; y++)
        for (size_t x = patch->first[0]; x <= patch->last[0]; x++) {
            if (r->measured[point_at(r, x, y)]) continue;
            double *values = r->results + point_at(r, x, y) * r->values;
            for (size_t value = 0; value < r->values; value++) {
                const double v = interpolate(r, patch, x, y, value);
                values[value] = is_loss(r, value) ? exp(v) : v;
            }
            values[r->values - 1] = 0; /* recomputed */
        }
}

/* ---- levels ------------------------------------------------------------------------------------------------------ */

/* Its halves are for the next level or, where they need not be measured, interpolated. */
static bool halve(Refiner *r, const Patch *patch, Error *err) {
    size_t x[ENDS], y[ENDS];
    const size_t columns = ends_of(patch, 0, x), rows = ends_of(patch, 1, y);
    const bool flat = foretold(r, patch);
    for (size_t j = 0; j == 0 || j + 1 < rows; j++)
        for (size_t i = 0; i == 0 || i + 1 < columns; i++) {
            const Patch half = {.first = {x[i], y[j]},
                                .last = {x[i + 1 < columns ? i + 1 : i], y[j + 1 < rows ? j + 1 : j]}};
            if (flat || !can_halve(&half))
                fill_patch(r, &half);
            else if (!add_patch(r, &half, err))
                return false;
        }
    return true;
}

static bool measure_level(Refiner *r, RefineMeasure *measure, void *context, bool *done, Error *err) {
    const size_t points = r->survey->points;
    for (size_t i = r->begin; i < r->end; i++) want(r, &r->patches[i]);
    for (size_t i = 0; i < points; i++) done[i] = r->measured[i] || !r->wanted[i];
    const bool ok = measure(context, done, err);
    for (size_t i = 0; i < points; i++) r->measured[i] = done[i] = done[i] && r->wanted[i];
    return ok;
}

static bool run_levels(Refiner *r, RefineMeasure *measure, void *context, bool *done, Error *err) {
    if (!begin_patches(r, err)) return false;
    while (r->begin < r->end) {
        if (!measure_level(r, measure, context, done, err)) return false;
        const size_t end = r->end;
        for (; r->begin < end; r->begin++) {
            const Patch patch = r->patches[r->begin]; /* patches move as they grow */
            if (!halve(r, &patch, err)) return false;
        }
    }
    for (size_t i = 0; i < r->survey->points; i++) done[i] = true;
    return true;
}

bool refine_grid(const Survey *survey, size_t values, RefineMeasure *measure, void *context, double *results,
                 bool *done, Error *err) {
    Refiner r = {.survey = survey, .columns = survey->columns, .values = values, .results = results};
    const bool ok = (r.measured = mem_alloc(survey->points, sizeof *r.measured, err)) &&
                    (r.wanted = mem_alloc(survey->points, sizeof *r.wanted, err)) &&
                    run_levels(&r, measure, context, done, err);
    mem_free(r.measured);
    mem_free(r.wanted);
    mem_free(r.patches);
    return ok;
}
