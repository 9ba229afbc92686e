/* corrupt_spatter -- drops of water (severities 1 to 3) or mud. Constants: CIFAR-10-C's, by severity.
 *
 * Drops are peaks of smoothed noise. Mud is painted over; water is made lighter by its distance from the drops' edges,
 * by steps that the published script takes in OpenCV: Canny's edges (Canny, 1986; 3 x 3 Sobel, L1 norm), chamfer
 * distances of a 5 x 5 mask (Borgefors, 1986), histogram equalisation, an embossing filter.
 */
#include "data/corrupt.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "weft/base/random.h"

static const struct Spatter {
    double mean, deviation, sigma, threshold, strength;
    bool mud;
} spatters[SEVERITIES] = {{0.62, 0.1, 0.7, 0.7, 0.5, false},
                          {0.65, 0.1, 0.8, 0.7, 0.5, false},
                          {0.65, 0.3, 1, 0.69, 0.5, false},
                          {0.65, 0.1, 0.7, 0.69, 0.6, true},
                          {0.65, 0.1, 0.5, 0.68, 0.6, true}};
static const double water[3] = {175, 238, 238}, mud[3] = {63, 42, 20};

/* ---- edges ------------------------------------------------------------------------------------------------------- */

enum { WEAK = 1, EDGE = 2 };

static double at_border(const double *plane, const Studio *studio, int64_t y, int64_t x) {
    return plane[border_index(BORDER_NEAREST, y, studio->height) * studio->width +
                 border_index(BORDER_NEAREST, x, studio->width)];
}

/* Sobel's derivatives of bytes: whole numbers. */
static void sobel(const Studio *studio, const double *plane, int64_t y, int64_t x, double *across, double *down) {
    double value[3][3];
    for (int i = 0; i < 3; i++)
        for (int j = 0; j < 3; j++) value[i][j] = at_border(plane, studio, y + i - 1, x + j - 1);
    *across = value[0][2] + 2 * value[1][2] + value[2][2] - value[0][0] - 2 * value[1][0] - value[2][0];
    *down = value[2][0] + 2 * value[2][1] + value[2][2] - value[0][0] - 2 * value[0][1] - value[0][2];
}

/* No slope beyond the border. */
static double slope_at(const Studio *studio, const double *slope, int64_t y, int64_t x) {
    bool inside = y >= 0 && x >= 0 && y < studio->height && x < studio->width;
    return inside ? slope[y * studio->width + x] : 0;
}

/* Whether the slope at (y, x) is the largest across the edge, of three in the nearest of four directions. */
static bool is_ridge(const Studio *studio, const double *plane, const double *slope, int64_t y, int64_t x) {
    double across, down;
    const double here = slope[y * studio->width + x];
    sobel(studio, plane, y, x, &across, &down);
    const double tangent = 0.4142135623730951 * fabs(across); /* of 22.5 degrees */
    if (fabs(down) < tangent)
        return here > slope_at(studio, slope, y, x - 1) && here >= slope_at(studio, slope, y, x + 1);
    if (fabs(down) > tangent + 2 * fabs(across))
        return here > slope_at(studio, slope, y - 1, x) && here >= slope_at(studio, slope, y + 1, x);
    const int side = (across < 0) != (down < 0) ? -1 : 1;
    return here > slope_at(studio, slope, y - 1, x - side) && here > slope_at(studio, slope, y + 1, x + side);
}

/* Weak ridges that touch an edge become edges, until none does. */
static void follow(const Studio *studio, double *mark) {
    for (bool changed = true; changed;) {
        changed = false;
        for (int64_t y = 0; y < studio->height; y++)
            for (int64_t x = 0; x < studio->width; x++) {
                double *here = &mark[y * studio->width + x];
                if (*here != WEAK) continue;
                for (int i = 0; i < 9 && *here == WEAK; i++)
                    if (slope_at(studio, mark, y + i / 3 - 1, x + i % 3 - 1) == EDGE) *here = EDGE;
                changed = changed || *here == EDGE;
            }
    }
}

/* mark: EDGE where there is one. `plane` holds bytes as numbers. */
static void find_edges(const Studio *studio, const double *plane, double *slope, double *mark) {
    enum { LOW = 50, HIGH = 150 };
    for (size_t i = 0; i < studio->area; i++) {
        double across, down;
        sobel(studio, plane, (int64_t)(i / studio->width), (int64_t)(i % studio->width), &across, &down);
        slope[i] = fabs(across) + fabs(down);
    }
    for (size_t i = 0; i < studio->area; i++) {
        const int64_t y = (int64_t)(i / studio->width), x = (int64_t)(i % studio->width);
        bool ridge = slope[i] > LOW && is_ridge(studio, plane, slope, y, x);
        mark[i] = !ridge ? 0 : slope[i] > HIGH ? EDGE : WEAK;
    }
    follow(studio, mark);
}

/* ---- distances and light ----------------------------------------------------------------------------------------- */

static void nearer(const Studio *studio, double *distance, int64_t y, int64_t x, int sign) {
    static const struct {
        int y, x;
        double length;
    } steps[] = {{0, -1, 1},       {-1, -1, 1.4},   {-1, 0, 1},       {-1, 1, 1.4},
                 {-2, -1, 2.1969}, {-2, 1, 2.1969}, {-1, -2, 2.1969}, {-1, 2, 2.1969}};
    double *here = &distance[y * studio->width + x];
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        const int64_t row = y + sign * steps[i].y, column = x + sign * steps[i].x;
        if (row < 0 || column < 0 || row >= studio->height || column >= studio->width) continue;
        *here = fmin(*here, distance[row * studio->width + column] + steps[i].length);
    }
}

/* The distance of every pixel from the nearest edge: one sweep from the top, one from the bottom. */
static void find_distances(const Studio *studio, const double *mark, double *distance) {
    for (size_t i = 0; i < studio->area; i++) distance[i] = mark[i] == EDGE ? 0 : 8192;
    for (size_t i = 0; i < studio->area; i++)
        nearer(studio, distance, (int64_t)(i / studio->width), (int64_t)(i % studio->width), 1);
    for (size_t i = studio->area; i-- > 0;)
        nearer(studio, distance, (int64_t)(i / studio->width), (int64_t)(i % studio->width), -1);
}

/* Bytes as numbers, spread so that each range of values is as frequent as any other. */
static void equalise(double *plane, size_t area) {
    size_t count[256] = {0}, before = 0;
    double value[256] = {0};
    int first = 0;
    for (size_t i = 0; i < area; i++) count[(uint8_t)plane[i]]++;
    while (!count[first]) first++;
    if (count[first] == area) return;
    for (int i = first + 1; i < 256; i++) {
        before += count[i];
        value[i] = fmin(rint(255.0 * (double)before / (double)(area - count[first])), 255);
    }
    for (size_t i = 0; i < area; i++) plane[i] = value[(uint8_t)plane[i]];
}

static void box_blur(const Studio *studio, double *plane, double *spare) {
    static const double box[9] = {1, 1, 1, 1, 1, 1, 1, 1, 1}; /* whole numbers stay exact */
    filter_kernel(plane, spare, studio->height, studio->width, box, 3);
    for (size_t i = 0; i < studio->area; i++) plane[i] = spare[i] / 9;
}

/* liquid (0 to 1, 0 where there is none) becomes how much light each pixel gains. */
static void lighten(const Studio *studio, double *liquid, double strength) {
    static const double emboss[9] = {-2, -1, 0, -1, 1, 1, 0, 1, 2};
    double *slope = studio->plane[1], *mark = studio->plane[2], *light = studio->plane[3], most = 0;
    for (size_t i = 0; i < studio->area; i++) liquid[i] = floor(clip(liquid[i] * 255, 0, 255));
    find_edges(studio, liquid, slope, mark);
    find_distances(studio, mark, light);
    for (size_t i = 0; i < studio->area; i++) light[i] = fmin(light[i], 20);
    box_blur(studio, light, slope);
    for (size_t i = 0; i < studio->area; i++) light[i] = floor(light[i] + 1e-6);
    equalise(light, studio->area);
    filter_kernel(light, slope, studio->height, studio->width, emboss, 3);
    for (size_t i = 0; i < studio->area; i++) light[i] = clip(slope[i], 0, 255);
    box_blur(studio, light, slope);
    for (size_t i = 0; i < studio->area; i++) {
        liquid[i] *= rint(light[i]);
        most = fmax(most, liquid[i]);
    }
    for (size_t i = 0; i < studio->area; i++) liquid[i] = most > 0 ? liquid[i] / most * strength : 0;
}

void corrupt_spatter(Studio *studio, unsigned severity, Rng *rng) {
    const struct Spatter *spatter = &spatters[severity];
    double *liquid = studio->plane[0];
    const double *colour = spatter->mud ? mud : water;
    for (size_t i = 0; i < studio->area; i++) liquid[i] = spatter->mean + spatter->deviation * rng_normal(rng);
    filter_gaussian(liquid, studio->plane[1], studio->height, studio->width, spatter->sigma, 4, BORDER_NEAREST);
    for (size_t i = 0; i < studio->area; i++) {
        if (spatter->mud)
            liquid[i] = liquid[i] > spatter->threshold ? 1 : 0;
        else if (liquid[i] < spatter->threshold)
            liquid[i] = 0;
    }
    if (spatter->mud) {
        filter_gaussian(liquid, studio->plane[1], studio->height, studio->width, spatter->strength, 4, BORDER_NEAREST);
        for (size_t i = 0; i < studio->area; i++) liquid[i] = liquid[i] < 0.8 ? 0 : liquid[i];
    } else {
        lighten(studio, liquid, spatter->strength);
    }
    for (unsigned c = 0; c < studio->channels; c++)
        for (size_t i = 0; i < studio->area; i++) {
            double *value = &studio->picture[c * studio->area + i];
            *value = *value * (spatter->mud ? 1 - liquid[i] : 1) + liquid[i] * colour[c] / 255;
        }
}
