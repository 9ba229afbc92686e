/* corrupt_filter -- filters on planes. Each is what the published script calls, with its rules for the border: Gaussian
 * filters of scipy.ndimage, filter2D of OpenCV, scipy.ndimage.zoom, ImageMagick's motion blur. */
#include "data/corrupt.h"

#include <math.h>
#include <stdlib.h>

enum { REACH_MOST = 64 };

size_t border_index(Border border, int64_t at, size_t size) {
    const int64_t count = (int64_t)size;
    if (at >= 0 && at < count) return (size_t)at;
    if (border == BORDER_NEAREST) return at < 0 ? 0 : size - 1;
    const int64_t period = border == BORDER_REFLECT ? 2 * count : 2 * count - 2;
    if (period == 0) return 0;
    int64_t place = at % period;
    if (place < 0) place += period;
    if (place < count) return (size_t)place;
    return (size_t)(period - place - (border == BORDER_REFLECT));
}

/* Weights 0 .. reach of one side; they and their mirror images sum to 1. */
static int gaussian_weights(double sigma, double reach, double *weight) {
    int side = (int)(reach * sigma + 0.5);
    side = side > REACH_MOST ? REACH_MOST : side;
    double sum = 0;
    for (int i = 0; i <= side; i++) weight[i] = i ? exp(-0.5 / (sigma * sigma) * i * i) : 1;
    for (int i = -side; i <= side; i++) sum += weight[abs(i)];
    for (int i = 0; i <= side; i++) weight[i] /= sum;
    return side;
}

/* The middle first, then pairs from the outermost in: scipy's order, which decides what an even area, whose sum is a
 * whole byte up to the last bit, is cut to. */
void filter_gaussian(double *plane, double *spare, unsigned height, unsigned width, double sigma, double reach,
                     Border border) {
    double weight[REACH_MOST + 1];
    const int side = gaussian_weights(sigma, reach, weight);
    if (side == 0) return;
    for (unsigned y = 0; y < height; y++) {
        double *out = spare + (size_t)y * width;
        for (unsigned x = 0; x < width; x++) out[x] = plane[(size_t)y * width + x] * weight[0];
        for (int i = side; i > 0; i--) {
            const double *above = plane + border_index(border, (int64_t)y - i, height) * width;
            const double *below = plane + border_index(border, (int64_t)y + i, height) * width;
            for (unsigned x = 0; x < width; x++) out[x] += (above[x] + below[x]) * weight[i];
        }
    }
    for (unsigned y = 0; y < height; y++) {
        const double *row = spare + (size_t)y * width;
        for (unsigned x = 0; x < width; x++) {
            double sum = row[x] * weight[0];
            for (int i = side; i > 0; i--)
                sum += (row[border_index(border, (int64_t)x - i, width)] +
                        row[border_index(border, (int64_t)x + i, width)]) *
                       weight[i];
            plane[(size_t)y * width + x] = sum;
        }
    }
}

void filter_kernel(const double *plane, double *out, unsigned height, unsigned width, const double *kernel, int side) {
    const int half = side / 2;
    for (unsigned y = 0; y < height; y++)
        for (unsigned x = 0; x < width; x++) {
            double sum = 0;
            for (int i = 0; i < side; i++) {
                const double *row = plane + border_index(BORDER_MIRROR, (int64_t)y + i - half, height) * width;
                for (int j = 0; j < side; j++)
                    sum += kernel[i * side + j] * row[border_index(BORDER_MIRROR, (int64_t)x + j - half, width)];
            }
            out[(size_t)y * width + x] = sum;
        }
}

/* How one side is enlarged: its middle is cut out, corners of the crop stay corners (scipy's grid_mode False), and what
 * is too much after rounding goes from both ends. */
typedef struct Enlargement {
    double top, last, step, trim;
} Enlargement;

static Enlargement enlargement(unsigned side, double factor) {
    const unsigned crop = (unsigned)ceil(side / factor), large = (unsigned)rint(crop * factor);
    return (Enlargement){.top = (side - crop) / 2,
                         .last = crop - 1,
                         .step = large > 1 ? (double)(crop - 1) / (large - 1) : 0,
                         .trim = large > side ? (large - side) / 2 : 0};
}

/* Where line `at` of the enlarged side lies in the plane. */
static double enlarged_place(const Enlargement *enlarged, unsigned at) {
    return enlarged->top + clip((at + enlarged->trim) * enlarged->step, 0, enlarged->last);
}

double filter_sample(const double *plane, unsigned height, unsigned width, double y, double x, Border border) {
    const double top = floor(y), left = floor(x), down = y - top, right = x - left;
    const double *upper = plane + border_index(border, (int64_t)top, height) * width;
    const double *lower = plane + border_index(border, (int64_t)top + 1, height) * width;
    const size_t a = border_index(border, (int64_t)left, width), b = border_index(border, (int64_t)left + 1, width);
    return (upper[a] * (1 - right) + upper[b] * right) * (1 - down) +
           (lower[a] * (1 - right) + lower[b] * right) * down;
}

void filter_enlarge(const double *plane, double *out, unsigned height, unsigned width, double factor) {
    const Enlargement rows = enlargement(height, factor), columns = enlargement(width, factor);
    for (unsigned y = 0; y < height; y++) {
        const double from = enlarged_place(&rows, y);
        for (unsigned x = 0; x < width; x++)
            *out++ = filter_sample(plane, height, width, from, enlarged_place(&columns, x), BORDER_NEAREST);
    }
}

void filter_motion(const double *plane, double *out, unsigned height, unsigned width, double radius, double sigma,
                   double angle) {
    enum { TAPS_MOST = 64 };
    const int taps = 2 * (int)ceil(radius) + 1;
    double weight[TAPS_MOST], sum = 0;
    int across[TAPS_MOST], down[TAPS_MOST];
    const double turn = angle * M_PI / 180;
    for (int i = 0; i < taps; i++) {
        weight[i] = exp(-0.5 * i * i / (sigma * sigma));
        sum += weight[i];
        across[i] = (int)ceil(i * cos(turn) - 0.5);
        down[i] = (int)ceil(i * sin(turn) - 0.5);
    }
    for (unsigned y = 0; y < height; y++)
        for (unsigned x = 0; x < width; x++) {
            double value = 0;
            for (int i = 0; i < taps; i++)
                value += weight[i] / sum *
                         plane[border_index(BORDER_NEAREST, (int64_t)y + down[i], height) * width +
                               border_index(BORDER_NEAREST, (int64_t)x + across[i], width)];
            *out++ = floor(value * 255 + 0.5) / 255;
        }
}
