/* resize -- a picture at another size, by a triangle filter along the rows and then along the columns. */
#include "data/resize.h"

#include <math.h>
#include <string.h>

/* How one axis is scaled: output i is the sum of `count[i]` inputs from `first[i]` on, times weight[i * most + k]. */
typedef struct Axis {
    unsigned size, most;
    unsigned *first, *count;
    float *weight;
} Axis;

static unsigned most_taps(unsigned from, unsigned to) {
    return 2 * (unsigned)ceil(fmax((double)from / to, 1)) + 1;
}

static void axis_done(Axis *axis) {
    mem_free(axis->first);
    mem_free(axis->count);
    mem_free(axis->weight);
}

/* Pixel j covers [j, j + 1); output i lies around (i + 1/2) from / to, and reaches as far as `support` on both sides.
 */
static bool axis_init(Axis *axis, unsigned from, unsigned to, Error *err) {
    const double ratio = (double)from / to, support = fmax(ratio, 1);
    *axis = (Axis){.size = to, .most = most_taps(from, to)};
    if (!(axis->first = mem_alloc(to, sizeof *axis->first, err)) ||
        !(axis->count = mem_alloc(to, sizeof *axis->count, err)) ||
        !(axis->weight = mem_alloc((uint64_t)to * axis->most, sizeof *axis->weight, err)))
        return false;
    for (unsigned i = 0; i < to; i++) {
        const double centre = (i + 0.5) * ratio;
        const unsigned begin = (unsigned)fmax(centre - support + 0.5, 0);
        const unsigned end = (unsigned)fmin(centre + support + 0.5, from);
        float *weight = axis->weight + (size_t)i * axis->most;
        double sum = 0;
        for (unsigned j = begin; j < end; j++) sum += fmax(1 - fabs(j + 0.5 - centre) / support, 0);
        for (unsigned j = begin; j < end; j++)
            weight[j - begin] = (float)(fmax(1 - fabs(j + 0.5 - centre) / support, 0) / sum);
        axis->first[i] = begin;
        axis->count[i] = end - begin;
    }
    return true;
}

/* Every row of the picture at the new width, channels apart: channels x picture's height x width. */
static void scale_rows(const Picture *picture, const Axis *axis, float *out) {
    const size_t plane = (size_t)picture->height * axis->size, channels = picture->channels;
    for (unsigned y = 0; y < picture->height; y++) {
        const uint8_t *row = picture->pixels + (size_t)y * picture->width * channels;
        for (unsigned x = 0; x < axis->size; x++) {
            const uint8_t *from = row + axis->first[x] * channels;
            const float *weight = axis->weight + (size_t)x * axis->most;
            float sum[3] = {0};
            for (unsigned k = 0; k < axis->count[x]; k++, from += channels)
                for (size_t c = 0; c < channels; c++) sum[c] += weight[k] * from[c];
            for (size_t c = 0; c < channels; c++) out[c * plane + (size_t)y * axis->size + x] = sum[c];
        }
    }
}

static void scale_columns(const float *plane, unsigned width, const Axis *axis, uint8_t *out) {
    for (unsigned y = 0; y < axis->size; y++)
        for (unsigned x = 0; x < width; x++) {
            const float *weight = axis->weight + (size_t)y * axis->most;
            const float *from = plane + (size_t)axis->first[y] * width + x;
            float sum = 0.5f; /* rounds; all weights are positive and their sum is 1 */
            for (unsigned k = 0; k < axis->count[y]; k++) sum += weight[k] * from[(size_t)k * width];
            *out++ = (uint8_t)(sum < 255 ? sum : 255);
        }
}

static uint64_t axis_bytes(unsigned from, unsigned to) {
    return to * ((uint64_t)most_taps(from, to) * sizeof(float) + 2 * sizeof(unsigned));
}

uint64_t resize_bytes(const Picture *picture, unsigned height, unsigned width) {
    return (uint64_t)picture->channels * picture->height * width * sizeof(float) + axis_bytes(picture->width, width) +
           axis_bytes(picture->height, height);
}

bool resize_picture(const Picture *picture, unsigned height, unsigned width, uint8_t *out, Error *err) {
    Axis across = {0}, down = {0};
    const size_t plane = (size_t)picture->height * width;
    float *rows = mem_alloc(plane, picture->channels * sizeof *rows, err);
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
