/* corrupt_digital -- brightness, contrast, saturate, elastic_transform, pixelate. Constants: CIFAR-10-C's, by severity.
 */
#include "data/corrupt.h"

#include <math.h>
#include <string.h>

#include "weft/base/random.h"

/* ---- colours ----------------------------------------------------------------------------------------------------- */

typedef struct Hsv {
    double hue, saturation, value; /* all on [0, 1] */
} Hsv;

static Hsv to_hsv(double red, double green, double blue) {
    const double value = fmax(red, fmax(green, blue)), span = value - fmin(red, fmin(green, blue));
    double hue = 0;
    if (span == 0) return (Hsv){0, 0, value};
    if (red == value) hue = (green - blue) / span;
    if (green == value) hue = 2 + (blue - red) / span;
    if (blue == value) hue = 4 + (red - green) / span;
    hue /= 6;
    return (Hsv){hue - floor(hue), span / value, value};
}

static void from_hsv(Hsv hsv, double rgb[3]) {
    const double sector = floor(hsv.hue * 6), part = hsv.hue * 6 - sector, v = hsv.value;
    const double low = v * (1 - hsv.saturation), falling = v * (1 - part * hsv.saturation);
    const double rising = v * (1 - (1 - part) * hsv.saturation);
    const double sectors[6][3] = {{v, rising, low},  {falling, v, low}, {low, v, rising},
                                  {low, falling, v}, {rising, low, v},  {v, low, falling}};
    memcpy(rgb, sectors[(int)sector % 6], 3 * sizeof *rgb);
}

void corrupt_brightness(Studio *studio, unsigned severity, Rng *rng) {
    static const double more[SEVERITIES] = {0.05, 0.1, 0.15, 0.2, 0.3};
    double *red = studio->picture, *green = red + studio->area, *blue = green + studio->area, rgb[3];
    (void)rng;
    for (size_t i = 0; i < studio->area; i++) {
        if (studio->channels == 1) {
            red[i] += more[severity];
            continue;
        }
        Hsv hsv = to_hsv(red[i], green[i], blue[i]);
        hsv.value = clip(hsv.value + more[severity], 0, 1);
        from_hsv(hsv, rgb);
        red[i] = rgb[0];
        green[i] = rgb[1];
        blue[i] = rgb[2];
    }
}

/* Three channels always. */
void corrupt_saturate(Studio *studio, unsigned severity, Rng *rng) {
    static const double factor[SEVERITIES] = {0.3, 0.1, 1.5, 2, 2.5}, more[SEVERITIES] = {0, 0, 0, 0.1, 0.2};
    double *red = studio->picture, *green = red + studio->area, *blue = green + studio->area, rgb[3];
    (void)rng;
    for (size_t i = 0; i < studio->area; i++) {
        Hsv hsv = to_hsv(red[i], green[i], blue[i]);
        hsv.saturation = clip(hsv.saturation * factor[severity] + more[severity], 0, 1);
        from_hsv(hsv, rgb);
        red[i] = rgb[0];
        green[i] = rgb[1];
        blue[i] = rgb[2];
    }
}

void corrupt_contrast(Studio *studio, unsigned severity, Rng *rng) {
    static const double factor[SEVERITIES] = {0.75, 0.5, 0.4, 0.3, 0.15};
    (void)rng;
    for (unsigned c = 0; c < studio->channels; c++) {
        double *plane = studio->picture + c * studio->area, mean = 0;
        for (size_t i = 0; i < studio->area; i++) mean += plane[i];
        mean /= (double)studio->area;
        for (size_t i = 0; i < studio->area; i++) plane[i] = (plane[i] - mean) * factor[severity] + mean;
    }
}

/* ---- places ------------------------------------------------------------------------------------------------------ */

typedef struct Point {
    double x, y;
} Point;

/* x' = m[0] x + m[1] y + m[2], y' = m[3] x + m[4] y + m[5]: the map of three points to three others (Cramer's rule);
 * the identity where they lie on a line, as in images too small to hold a triangle. */
static void affine(const Point from[3], const Point to[3], double m[6]) {
    const double ax = from[1].x - from[0].x, ay = from[1].y - from[0].y;
    const double bx = from[2].x - from[0].x, by = from[2].y - from[0].y, area = ax * by - bx * ay;
    memcpy(m, (const double[]){1, 0, 0, 0, 1, 0}, 6 * sizeof *m);
    if (fabs(area) < 1e-6) return;
    const double px = to[1].x - to[0].x, py = to[1].y - to[0].y, qx = to[2].x - to[0].x, qy = to[2].y - to[0].y;
    m[0] = (px * by - qx * ay) / area;
    m[1] = (qx * ax - px * bx) / area;
    m[2] = to[0].x - m[0] * from[0].x - m[1] * from[0].y;
    m[3] = (py * by - qy * ay) / area;
    m[4] = (qy * ax - py * bx) / area;
    m[5] = to[0].y - m[3] * from[0].x - m[4] * from[0].y;
}

/* Where each pixel's place lies before the affine map that moves three corners of the middle by up to `reach`. */
static void random_affine(const Studio *studio, double reach, double side, Rng *rng, double m[6]) {
    const double x = studio->width / 2, y = studio->height / 2, third = floor(side / 3);
    const Point corner[3] = {{x + third, y + third}, {x + third, y - third}, {x - third, y - third}};
    Point moved[3];
    for (int i = 0; i < 3; i++) {
        moved[i].x = corner[i].x + reach * (2 * rng_uniform(rng) - 1);
        moved[i].y = corner[i].y + reach * (2 * rng_uniform(rng) - 1);
    }
    affine(moved, corner, m);
}

static void random_shift(Studio *studio, double *plane, double strength, double sigma, Rng *rng) {
    for (size_t i = 0; i < studio->area; i++) plane[i] = 2 * rng_uniform(rng) - 1;
    filter_gaussian(plane, studio->plane[2], studio->height, studio->width, sigma, 3, BORDER_REFLECT);
    for (size_t i = 0; i < studio->area; i++) plane[i] *= strength;
}

void corrupt_elastic_transform(Studio *studio, unsigned severity, Rng *rng) {
    static const double strength[SEVERITIES] = {0, 0.05, 0.08, 0.1, 0.1},
                        sigma[SEVERITIES] = {0, 0.2, 0.06, 0.04, 0.03};
    static const double reach[SEVERITIES] = {0.08, 0.07, 0.06, 0.05, 0.03};
    const unsigned height = studio->height, width = studio->width;
    const double side = height < width ? height : width;
    double m[6], *right = studio->plane[0], *down = studio->plane[1];
    random_affine(studio, side * reach[severity], side, rng, m);
    random_shift(studio, right, side * strength[severity], side * sigma[severity], rng);
    random_shift(studio, down, side * strength[severity], side * sigma[severity], rng);
    for (unsigned c = 0; c < studio->channels; c++) {
        double *plane = studio->picture + c * studio->area, *warped = studio->spare;
        for (unsigned y = 0; y < height; y++)
            for (unsigned x = 0; x < width; x++)
                warped[(size_t)y * width + x] = filter_sample(plane, height, width, m[3] * x + m[4] * y + m[5],
                                                              m[0] * x + m[1] * y + m[2], BORDER_MIRROR);
        for (size_t i = 0; i < studio->area; i++)
            plane[i] = filter_sample(warped, height, width, (double)(i / width) + down[i],
                                     (double)(i % width) + right[i], BORDER_REFLECT);
    }
}

/* ---- pixelate ---------------------------------------------------------------------------------------------------- */

/* One line of `in` values `step` apart to one of `out` values, each the mean of the pixels whose middle its interval
 * holds (of the nearest one where there are more than before): Pillow's box filter. To whole bytes. */
static void box_line(const double *from, unsigned in, double *to, unsigned out, size_t step) {
    const double scale = (double)in / out, reach = 0.5 * fmax(scale, 1);
    for (unsigned i = 0; i < out; i++) {
        const double middle = (i + 0.5) * scale;
        unsigned first = (unsigned)fmax(middle - reach + 0.5, 0), count = 0;
        double sum = 0;
        for (; first < in && first + 0.5 - middle <= reach; first++) {
            if (first + 0.5 - middle <= -reach) continue;
            sum += from[first * step];
            count++;
        }
        to[i * step] = floor(rint(sum * 255) / count + 0.5) / 255; /* ties of whole numbers, upwards */
    }
}

/* in_height x in_width to out_height x out_width in place; rows lie `width` apart in all of it. */
static void box_resize(Studio *studio, double *plane, unsigned in_height, unsigned in_width, unsigned out_height,
                       unsigned out_width) {
    const size_t width = studio->width;
    double *between = studio->plane[0];
    for (unsigned y = 0; y < in_height; y++) box_line(plane + y * width, in_width, between + y * width, out_width, 1);
    for (unsigned x = 0; x < out_width; x++) box_line(between + x, in_height, plane + x, out_height, width);
}

void corrupt_pixelate(Studio *studio, unsigned severity, Rng *rng) {
    static const double share[SEVERITIES] = {0.95, 0.9, 0.85, 0.75, 0.65};
    const unsigned height = studio->height, width = studio->width;
    const unsigned rows = (unsigned)fmax(height * share[severity], 1);
    const unsigned columns = (unsigned)fmax(width * share[severity], 1);
    (void)rng;
    for (unsigned c = 0; c < studio->channels; c++) {
        double *plane = studio->picture + c * studio->area;
        box_resize(studio, plane, height, width, rows, columns);
        box_resize(studio, plane, rows, columns, height, width);
    }
}
