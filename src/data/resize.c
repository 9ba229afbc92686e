/* resize -- a picture at another size, by a triangle filter along the rows and then along the columns, in Pillow's own
 * arithmetic: weights in fixed point, and bytes between the two passes.
 */
#include "data/resize.h"

#include <math.h>
#include <string.h>

#include "weft/base/error.h"
#include "weft/base/memory.h"

enum { PRECISION = 32 - 8 - 2 }; /* bits behind the point: 255 times a sum of weights fits into 32 */

/* How one axis is scaled: output i is the sum of `count[i]` inputs from `first[i]` on, times weight[i * most + k]. */
typedef struct Axis {
    unsigned size, most;
    unsigned *first, *count;
    int32_t *weight;
} Axis;

static unsigned most_taps(unsigned from, unsigned to) {
    return 2 * (unsigned)ceil(fmax((double)from / to, 1)) + 1;
}

static void axis_done(Axis *axis) {
    mem_free(axis->first);
    mem_free(axis->count);
    mem_free(axis->weight);
}

static double triangle(double x) {
    return fabs(x) < 1 ? 1 - fabs(x) : 0;
}

/* Pixel j covers [j, j + 1); output i lies around (i + 1/2) from / to, and reaches as far as `support` on both sides.
 */
static bool axis_init(Axis *axis, unsigned from, unsigned to, Error *err) {
    const double ratio = (double)from / to, support = fmax(ratio, 1), inverse = 1 / support;
    *axis = (Axis){.size = to, .most = most_taps(from, to)};
    if (!(axis->first = mem_alloc(to, sizeof *axis->first, err)) ||
        !(axis->count = mem_alloc(to, sizeof *axis->count, err)) ||
        !(axis->weight = mem_alloc((uint64_t)to * axis->most, sizeof *axis->weight, err)))
        return false;
    for (unsigned i = 0; i < to; i++) {
        const double centre = (i + 0.5) * ratio;
        const unsigned begin = (unsigned)fmax(centre - support + 0.5, 0);
        const unsigned end = (unsigned)fmin(centre + support + 0.5, from);
        int32_t *weight = axis->weight + (size_t)i * axis->most;
        double sum = 0;
        for (unsigned j = begin; j < end; j++) sum += triangle((j - centre + 0.5) * inverse);
        for (unsigned j = begin; j < end; j++)
            weight[j - begin] = (int32_t)(triangle((j - centre + 0.5) * inverse) / sum * (1 << PRECISION) + 0.5);
        axis->first[i] = begin;
        axis->count[i] = end - begin;
    }
    return true;
}

/* A sum in fixed point, which began with a half, as a byte. */
static uint8_t to_byte(int32_t sum) {
    sum >>= PRECISION;
    return (uint8_t)(sum < 0 ? 0 : sum > 255 ? 255 : sum);
}

/* Every row of the picture at the new width, channels apart: channels x picture's height x width. */
static void scale_rows(const Picture *picture, const Axis *axis, uint8_t *out) {
    const size_t plane = (size_t)picture->height * axis->size, channels = picture->channels;
    for (unsigned y = 0; y < picture->height; y++) {
        const uint8_t *row = picture->pixels + (size_t)y * picture->width * channels;
        for (unsigned x = 0; x < axis->size; x++) {
            const uint8_t *from = row + axis->first[x] * channels;
            const int32_t *weight = axis->weight + (size_t)x * axis->most;
            int32_t sum[3] = {1 << (PRECISION - 1), 1 << (PRECISION - 1), 1 << (PRECISION - 1)};
            for (unsigned k = 0; k < axis->count[x]; k++, from += channels)
                for (size_t c = 0; c < channels; c++) sum[c] += weight[k] * from[c];
            for (size_t c = 0; c < channels; c++) out[c * plane + (size_t)y * axis->size + x] = to_byte(sum[c]);
        }
    }
}

static void scale_columns(const uint8_t *plane, unsigned width, const Axis *axis, uint8_t *out) {
    for (unsigned y = 0; y < axis->size; y++)
        for (unsigned x = 0; x < width; x++) {
            const int32_t *weight = axis->weight + (size_t)y * axis->most;
            const uint8_t *from = plane + (size_t)axis->first[y] * width + x;
            int32_t sum = 1 << (PRECISION - 1);
            for (unsigned k = 0; k < axis->count[y]; k++) sum += weight[k] * from[(size_t)k * width];
            *out++ = to_byte(sum);
        }
}

static uint64_t axis_bytes(unsigned from, unsigned to) {
    return to * ((uint64_t)most_taps(from, to) * sizeof(int32_t) + 2 * sizeof(unsigned));
}

uint64_t resize_bytes(const Picture *picture, unsigned height, unsigned width) {
    return (uint64_t)picture->channels * picture->height * width + axis_bytes(picture->width, width) +
           axis_bytes(picture->height, height);
}

bool resize_picture(const Picture *picture, unsigned height, unsigned width, uint8_t *out, Error *err) {
    Axis across = {0}, down = {0};
    const size_t plane = (size_t)picture->height * width;
    uint8_t *rows = mem_alloc(plane, picture->channels, err);
    const bool ok =
        rows && axis_init(&across, picture->width, width, err) && axis_init(&down, picture->height, height, err);
    if (ok) scale_rows(picture, &across, rows);
    for (unsigned c = 0; ok && c < picture->channels; c++, out += (size_t)height * width)
        scale_columns(rows + c * plane, width, &down, out);
    mem_free(rows);
    axis_done(&across);
    axis_done(&down);
    return ok;
}
