/* corrupt_weather -- snow, fog, frost. Constants: CIFAR-10-C's, by severity. */
#include "data/corrupt.h"

#include <math.h>
#include <string.h>

#include "weft/base/random.h"
#include "weft/base/spread.h"

/* ---- snow -------------------------------------------------------------------------------------------------------- */

static const struct Snow {
    double mean, deviation, factor, threshold, radius, sigma, share;
} snows[SEVERITIES] = {{0.1, 0.2, 1, 0.6, 8, 3, 0.95},
                       {0.1, 0.2, 1, 0.5, 10, 4, 0.9},
                       {0.15, 0.3, 1.75, 0.55, 10, 4, 0.9},
                       {0.25, 0.3, 2.25, 0.6, 12, 6, 0.85},
                       {0.3, 0.3, 1.25, 0.65, 14, 12, 0.8}};

/* Flakes are peaks of noise, enlarged and drawn out into streaks that fall; laid over twice, once turned by 180
 * degrees.
 */
void corrupt_snow(Studio *studio, unsigned severity, Rng *rng) {
    const struct Snow *snow = &snows[severity];
    double *noise = studio->plane[0], *flakes = studio->plane[1], *streaks = studio->plane[2];
    const size_t area = studio->area, last = area - 1;
    for (size_t i = 0; i < area; i++) noise[i] = snow->mean + snow->deviation * rng_normal(rng);
    filter_enlarge(noise, flakes, studio->height, studio->width, snow->factor);
    for (size_t i = 0; i < area; i++) flakes[i] = flakes[i] < snow->threshold ? 0 : cut_to_byte(flakes[i]);
    filter_motion(flakes, streaks, studio->height, studio->width, snow->radius, snow->sigma,
                  -135 + 90 * rng_uniform(rng));
    const double *red = studio->picture, *green = red, *blue = red;
    if (studio->channels == 3) {
        green = red + area;
        blue = green + area;
    }
    for (size_t i = 0; i < area; i++) {
        const double light = luminance(red[i], green[i], blue[i]) * 1.5 + 0.5;
        for (unsigned c = 0; c < studio->channels; c++) {
            double *value = &studio->picture[c * area + i];
            *value = snow->share * *value + (1 - snow->share) * fmax(*value, light) + streaks[i] + streaks[last - i];
        }
    }
}

/* ---- fog --------------------------------------------------------------------------------------------------------- */

static double wobbled(double total, double amplitude, Rng *rng) {
    return total / 4 + amplitude * amplitude * (2 * rng_uniform(rng) - 1);
}

/* A height map by diamond-square on a torus; the square of an amplitude that a step divides by `decay` is how far
 * heights stray, as published. The map is brought to [0, 1]. */
static void plasma(double *map, size_t side, double decay, Rng *rng) {
    double amplitude = 100;
    const size_t mask = side - 1;
    map[0] = 0;
    for (size_t step = side; step >= 2; step /= 2, amplitude /= decay) {
        const size_t half = step / 2;
#define AT(y, x) map[((y)&mask) * side + ((x)&mask)]
        for (size_t y = 0; y < side; y += step)
            for (size_t x = 0; x < side; x += step)
                AT(y + half, x + half) =
                    wobbled(AT(y, x) + AT(y + step, x) + AT(y, x + step) + AT(y + step, x + step), amplitude, rng);
        for (size_t y = 0; y < side; y += step)
            for (size_t x = 0; x < side; x += step) {
                AT(y, x + half) = wobbled(AT(y + half, x + half) + AT(y - half, x + half) + AT(y, x) + AT(y, x + step),
                                          amplitude, rng);
                AT(y + half, x) = wobbled(AT(y + half, x + half) + AT(y + half, x - half) + AT(y, x) + AT(y + step, x),
                                          amplitude, rng);
            }
#undef AT
    }
    double low = map[0], high = map[0];
    for (size_t i = 0; i < side * side; i++) {
        low = fmin(low, map[i]);
        high = fmax(high, map[i]);
    }
    for (size_t i = 0; i < side * side; i++) map[i] = high > low ? (map[i] - low) / (high - low) : 0;
}

void corrupt_fog(Studio *studio, unsigned severity, Rng *rng) {
    static const double strength[SEVERITIES] = {0.2, 0.5, 0.75, 1, 1.5}, decay[SEVERITIES] = {3, 3, 2.5, 2, 1.75};
    double most = 0;
    for (size_t i = 0; i < studio->channels * studio->area; i++) most = fmax(most, studio->picture[i]);
    plasma(studio->map, studio->map_side, decay[severity], rng);
    for (unsigned c = 0; c < studio->channels; c++)
        for (unsigned y = 0; y < studio->height; y++)
            for (unsigned x = 0; x < studio->width; x++) {
                double *value = &studio->picture[c * studio->area + (size_t)y * studio->width + x];
                *value += strength[severity] * studio->map[y * studio->map_side + x];
                *value *= most / (most + strength[severity]);
            }
}

/* ---- frost ------------------------------------------------------------------------------------------------------- */

/* What a crop of 32 x 32 of each of the five photographs looks like, on 0 to 255: mean colour, standard deviation
 * within the crop, and how much the means of crops differ (measured on the published files, reduced to a fifth). The
 * second and the third are the same photograph. */
static const struct Ice {
    double mean[3], deviation[3], drift;
} ices[5] = {{{76.7, 148.2, 164.8}, {21.3, 13.1, 12.5}, 10},
             {{198.6, 203.1, 212.4}, {17.7, 18.1, 18.6}, 9},
             {{198.6, 203.1, 212.4}, {17.7, 18.1, 18.6}, 9},
             {{143.4, 158.2, 171}, {25.8, 25.9, 26.9}, 10},
             {{103, 114.3, 126.1}, {34.7, 34.4, 33.7}, 16}};

/* Lights up the pixels that a needle from (y, x) covers, less towards its tip. */
static void needle(Studio *studio, double *plane, double y, double x, double angle, double length, double light) {
    for (double at = 0; at < length; at += 0.5) {
        const double down = floor(y + at * sin(angle) + 0.5), across = floor(x + at * cos(angle) + 0.5);
        if (down < 0 || across < 0 || down >= studio->height || across >= studio->width) continue;
        double *value = &plane[(size_t)down * studio->width + (size_t)across];
        *value = fmax(*value, light * (1 - 0.6 * at / length));
    }
}

/* A crystal: a stem with side branches at 60 degrees, as ice grows. */
static void feather(Studio *studio, double *plane, Rng *rng) {
    const double y = rng_uniform(rng) * studio->height, x = rng_uniform(rng) * studio->width;
    const double angle = 2 * M_PI * rng_uniform(rng), length = 8 + 16 * rng_uniform(rng);
    const double light = 0.5 + 0.5 * rng_uniform(rng);
    needle(studio, plane, y, x, angle, length, light);
    for (double at = 2; at < length - 2; at += 3)
        for (int side = -1; side <= 1; side += 2)
            needle(studio, plane, y + at * sin(angle), x + at * cos(angle), angle + side * M_PI / 3,
                   (length - at) * 0.5 * rng_uniform(rng), light * 0.7);
}

/* To mean 0 and standard deviation 1, as far as there is any. */
static void standardise(double *plane, size_t area) {
    Spread spread = {0};
    for (size_t i = 0; i < area; i++) spread_add(&spread, plane[i]);
    const double deviation = spread_deviation(&spread);
    for (size_t i = 0; i < area; i++) plane[i] = deviation > 0 ? (plane[i] - spread.mean) / deviation : 0;
}

/* Crystals, a grain of single pixels, and patches of some pixels: shares that give neighbours the correlation which the
 * photographs have (0.36 at one pixel, 0.19 at four). */
static const double *ice_texture(Studio *studio, Rng *rng) {
    double *crystals = studio->plane[0], *grain = studio->plane[1], *patches = studio->plane[2];
    const size_t area = studio->area;
    for (size_t i = 0; i < area; i++) {
        crystals[i] = 0;
        grain[i] = rng_normal(rng);
        patches[i] = rng_normal(rng);
    }
    for (size_t i = 0; i < 1 + area / 64; i++) feather(studio, crystals, rng);
    filter_gaussian(patches, studio->plane[3], studio->height, studio->width, 5, 3, BORDER_REFLECT);
    standardise(crystals, area);
    standardise(grain, area);
    standardise(patches, area);
    for (size_t i = 0; i < area; i++) crystals[i] = 0.6 * crystals[i] + 0.65 * grain[i] + 0.45 * patches[i];
    standardise(crystals, area);
    return crystals;
}

void corrupt_frost(Studio *studio, unsigned severity, Rng *rng) {
    static const double share[SEVERITIES] = {1, 1, 0.9, 0.85, 0.75}, strength[SEVERITIES] = {0.2, 0.3, 0.4, 0.4, 0.45};
    const struct Ice *ice = &ices[rng_below(rng, 5)];
    const double drift = ice->drift * rng_normal(rng);
    const double *texture = ice_texture(studio, rng);
    for (unsigned c = 0; c < studio->channels; c++)
        for (size_t i = 0; i < studio->area; i++) {
            const double value = clip(ice->mean[c] + drift + ice->deviation[c] * texture[i], 0, 255) / 255;
            double *pixel = &studio->picture[c * studio->area + i];
            *pixel = share[severity] * *pixel + strength[severity] * value;
        }
}
