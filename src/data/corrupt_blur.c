/* corrupt_blur -- gaussian_blur, defocus_blur, glass_blur, motion_blur, zoom_blur. Constants: CIFAR-10-C's, by
 * severity. */
#include "data/corrupt.h"

#include <math.h>
#include <string.h>

#include "weft/base/random.h"

static void smooth(Studio *studio, double sigma) {
    for (unsigned c = 0; c < studio->channels; c++)
        filter_gaussian(studio->picture + c * studio->area, studio->spare, studio->height, studio->width, sigma, 4,
                        BORDER_NEAREST);
}

void corrupt_gaussian_blur(Studio *studio, unsigned severity, Rng *rng) {
    static const double sigma[SEVERITIES] = {0.4, 0.6, 0.7, 0.8, 1};
    (void)rng;
    smooth(studio, sigma[severity]);
}

/* A disk of whole pixels, its edge softened by a 3 x 3 Gaussian, rows first. Radii are below 2: all of it fits 5 x 5.
 * In float, as published: whether the weights sum to a little more or less than 1 decides what an even area is cut to.
 */
static void disk(double radius, double sigma, double out[25]) {
    const double tail = exp(-0.5 / (sigma * sigma));
    const float edge[3] = {(float)(tail / (1 + 2 * tail)), (float)(1 / (1 + 2 * tail)), (float)(tail / (1 + 2 * tail))};
    float sharp[25] = {0}, rows[25] = {0}, count = 0;
    for (int i = 0; i < 25; i++) {
        const int y = i / 5 - 2, x = i % 5 - 2;
        sharp[i] = x * x + y * y <= radius * radius ? 1 : 0;
        count += sharp[i];
    }
    for (int i = 0; i < 25; i++)
        for (int j = -1; j <= 1; j++)
            if (i % 5 + j >= 0 && i % 5 + j < 5) rows[i] += edge[j + 1] * (sharp[i + j] / count);
    for (int i = 0; i < 25; i++) {
        float sum = 0;
        for (int j = -1; j <= 1; j++)
            if (i / 5 + j >= 0 && i / 5 + j < 5) sum += edge[j + 1] * rows[i + 5 * j];
        out[i] = (double)sum;
    }
}

void corrupt_defocus_blur(Studio *studio, unsigned severity, Rng *rng) {
    static const double radius[SEVERITIES] = {0.3, 0.4, 0.5, 1, 1.5}, sigma[SEVERITIES] = {0.4, 0.5, 0.6, 0.2, 0.1};
    double kernel[25];
    (void)rng;
    disk(radius[severity], sigma[severity], kernel);
    for (unsigned c = 0; c < studio->channels; c++)
        filter_kernel(studio->picture + c * studio->area, studio->spare + c * studio->area, studio->height,
                      studio->width, kernel, 5);
    memcpy(studio->picture, studio->spare, studio->channels * studio->area * sizeof *studio->picture);
}

/* The published script means to swap two pixels; what it swaps are two views of one array, so that the first pixel gets
 * the second one's colour and the second keeps it. The published images are made that way, and so are these. Offsets
 * are 0 or -1: its upper bound is not among them. */
void corrupt_glass_blur(Studio *studio, unsigned severity, Rng *rng) {
    static const double sigma[SEVERITIES] = {0.05, 0.25, 0.4, 0.25, 0.4};
    static const int times[SEVERITIES] = {1, 1, 1, 2, 2};
    const size_t width = studio->width;
    smooth(studio, sigma[severity]);
    for (size_t i = 0; i < studio->channels * studio->area; i++) studio->picture[i] = cut_to_byte(studio->picture[i]);
    for (int time = 0; time < times[severity]; time++)
        for (size_t y = studio->height - 1; y > 1 && y < studio->height; y--)
            for (size_t x = width - 1; x > 1 && x < width; x--) {
                const uint32_t bits = rng_u32(rng);
                const size_t from = (y - (bits & 1)) * width + x - (bits >> 1 & 1);
                for (unsigned c = 0; c < studio->channels; c++)
                    studio->picture[c * studio->area + y * width + x] = studio->picture[c * studio->area + from];
            }
    smooth(studio, sigma[severity]);
}

void corrupt_motion_blur(Studio *studio, unsigned severity, Rng *rng) {
    static const double radius[SEVERITIES] = {6, 6, 6, 8, 9}, sigma[SEVERITIES] = {1, 1.5, 2, 2, 2.5};
    const double angle = -45 + 90 * rng_uniform(rng);
    for (unsigned c = 0; c < studio->channels; c++)
        filter_motion(studio->picture + c * studio->area, studio->spare + c * studio->area, studio->height,
                      studio->width, radius[severity], sigma[severity], angle);
    memcpy(studio->picture, studio->spare, studio->channels * studio->area * sizeof *studio->picture);
}

/* The mean of the image and its enlargements by 1, 1.01, 1.02, ...; in float, as published: it decides which bytes
 * values are cut to where the image is even. */
void corrupt_zoom_blur(Studio *studio, unsigned severity, Rng *rng) {
    static const int enlargements[SEVERITIES] = {7, 12, 16, 21, 26};
    const int count = enlargements[severity];
    (void)rng;
    for (unsigned c = 0; c < studio->channels; c++) {
        double *plane = studio->picture + c * studio->area, *sum = studio->plane[0], *large = studio->plane[1];
        for (size_t i = 0; i < studio->area; i++) {
            plane[i] = (double)(float)plane[i];
            sum[i] = 0;
        }
        for (int step = 0; step < count; step++) {
            filter_enlarge(plane, large, studio->height, studio->width, 1 + step * (1.01 - 1));
            for (size_t i = 0; i < studio->area; i++) sum[i] = (double)((float)sum[i] + (float)large[i]);
        }
        for (size_t i = 0; i < studio->area; i++) {
            const float mean = ((float)plane[i] + (float)sum[i]) / (float)(count + 1);
            plane[i] = (double)((float)clip((double)mean, 0, 1) * 255.0f) / 255;
        }
    }
}
