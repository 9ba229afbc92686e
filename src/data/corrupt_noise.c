/* corrupt_noise -- gaussian_noise, shot_noise, impulse_noise, speckle_noise. Constants: CIFAR-10-C's, by severity. */
#include "data/corrupt.h"

#include <math.h>

#include "weft/base/random.h"

void corrupt_gaussian_noise(Studio *studio, unsigned severity, Rng *rng) {
    static const double deviation[SEVERITIES] = {0.04, 0.06, 0.08, 0.09, 0.10};
    for (size_t i = 0; i < studio->channels * studio->area; i++)
        studio->picture[i] += deviation[severity] * rng_normal(rng);
}

void corrupt_speckle_noise(Studio *studio, unsigned severity, Rng *rng) {
    static const double deviation[SEVERITIES] = {0.06, 0.1, 0.12, 0.16, 0.2};
    for (size_t i = 0; i < studio->channels * studio->area; i++)
        studio->picture[i] += studio->picture[i] * deviation[severity] * rng_normal(rng);
}

/* A Poisson count by inversion: the uniform number less the probabilities of the mean's floor, then of the counts next
 * to it, alternately above and below, until it is used up. Takes about the standard deviation in steps; one number of
 * the stream whatever the mean, so that a pixel's noise depends on no other pixel. */
static double poisson(double mean, double uniform) {
    if (mean <= 0) return 0;
    int sign;
    const double middle = floor(mean);
    double up = exp(middle * log(mean) - mean - lgamma_r(middle + 1, &sign)), down = up;
    uniform -= up;
    for (double above = middle, below = middle; uniform > 0;) {
        up *= mean / ++above;
        uniform -= up;
        if (uniform <= 0) return above;
        if (below > 0) {
            down *= below-- / mean;
            uniform -= down;
            if (uniform <= 0) return below;
        } else if (up < 1e-18) {
            return above; /* rounding left more than there are probabilities */
        }
    }
    return middle;
}

void corrupt_shot_noise(Studio *studio, unsigned severity, Rng *rng) {
    static const double photons[SEVERITIES] = {500, 250, 100, 75, 50}; /* of a white pixel */
    for (size_t i = 0; i < studio->channels * studio->area; i++)
        studio->picture[i] = poisson(studio->picture[i] * photons[severity], rng_uniform(rng)) / photons[severity];
}

void corrupt_impulse_noise(Studio *studio, unsigned severity, Rng *rng) {
    static const double share[SEVERITIES] = {0.01, 0.02, 0.03, 0.05, 0.07};
    for (size_t i = 0; i < studio->channels * studio->area; i++) {
        const double hit = rng_uniform(rng), salt = rng_uniform(rng);
        if (hit < share[severity]) studio->picture[i] = salt < 0.5 ? 1 : 0;
    }
}
