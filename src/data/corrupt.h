/* corrupt -- what the kinds of corruption share: an image being worked on, filters, resizing. Private to src/data.
 *
 * Planes are height x width doubles, row-major, 0 black and 1 white. A kind gets the clean image in `picture` and
 * replaces it by the corrupted one; values outside [0, 1] are clipped afterwards. If the published script works on
 * bytes in between, so do we (a multiple of 1/255, which turns back into the same byte).
 */
#ifndef WEFT_DATA_CORRUPT_H
#define WEFT_DATA_CORRUPT_H

#include "weft/base/error.h"
#include "weft/base/random.h"
#include "weft/data.h"

enum { SPARE_PLANES = 6 };

/* The memory of one worker for images of one size. */
typedef struct Studio {
    unsigned channels, height, width; /* channels 1 or 3 */
    size_t area;                      /* height x width */
    double *picture, *spare;          /* channels planes each */
    double *plane[SPARE_PLANES];      /* one plane each */
    double *map;                      /* map_side x map_side: the power of two that covers the image, at least 2 */
    size_t map_side;
    Error error; /* of a kind that can fail; STATUS_OK */
} Studio;

/* Corrupts studio->picture; `severity` counts from 0 here, as the rows of constants do. */
typedef void Corrupt(Studio *studio, unsigned severity, Rng *rng);
#define X(name, help) Corrupt corrupt_##name;
CORRUPTIONS(X)
#undef X

/* ---- corrupt_filter.c ---- */

/* Values beyond the border, by the names of scipy.ndimage: aaa|abcd|ddd, cba|abcd|dcb, dcb|abcd|cba. */
typedef enum Border { BORDER_NEAREST, BORDER_REFLECT, BORDER_MIRROR } Border;
size_t border_index(Border border, int64_t at, size_t size);

/* Gaussian blur of a plane in place, first along columns, then along rows; weights end at int(reach * sigma + 0.5).
 * Uses `spare`, a plane too. */
void filter_gaussian(double *plane, double *spare, unsigned height, unsigned width, double sigma, double reach,
                     Border border);
/* out = the correlation of `plane` with a side x side kernel (odd), mirrored at the border. */
void filter_kernel(const double *plane, double *out, unsigned height, unsigned width, const double *kernel, int side);
/* out = the middle of `plane`, 1 / factor of each side (rounded up), enlarged linearly to fill it; factor >= 1. */
void filter_enlarge(const double *plane, double *out, unsigned height, unsigned width, double factor);
/* out = each pixel of bytes with the `2 * ceil(radius) + 1` pixels that lie from it in the direction of `angle`
 * (degrees, clockwise from the right), Gaussian weights of `sigma`, as bytes again: ImageMagick's motion blur. */
void filter_motion(const double *plane, double *out, unsigned height, unsigned width, double radius, double sigma,
                   double angle);
/* The value at a place between pixels, linear in both directions. */
double filter_sample(const double *plane, unsigned height, unsigned width, double y, double x, Border border);

static inline double clip(double value, double low, double high) {
    return value < low ? low : value > high ? high : value;
}
/* Brightness of a colour as ITU-R BT.601 has it. */
static inline double luminance(double red, double green, double blue) {
    return 0.299 * red + 0.587 * green + 0.114 * blue;
}
/* Down to the byte below, as a share of 255; and to the nearest byte. */
static inline double cut_to_byte(double value) {
    return (double)(uint8_t)(clip(value, 0, 1) * 255) / 255;
}

#endif
