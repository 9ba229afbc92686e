/* crop -- augmentation of small images: a random crop of the padded image, mirrored half of the time. */
#include "data/dataset.h"

#include <string.h>

#include "weft/base/random.h"

/* One block of random numbers an image. The high part of a 32-bit product favours no offset by more than 2^-28. */
Crop crop_draw(uint64_t seed, uint64_t epoch, uint64_t image) {
    uint32_t words[4];
    rng_block(seed, STREAM_CROP + epoch, image, words);
    return (Crop){.top = (unsigned)(((uint64_t)words[0] * (2 * PADDING + 1)) >> 32),
                  .left = (unsigned)(((uint64_t)words[1] * (2 * PADDING + 1)) >> 32),
                  .mirrored = words[2] >> 31};
}

/* Pixel x of the crop is pixel x + shift of the row, 0 where there is none. */
static void crop_row(const uint8_t *row, int64_t width, int64_t shift, bool mirrored, const float unit[256],
                     float *out) {
    const int64_t begin = shift < 0 ? -shift : 0, end = shift > 0 ? width - shift : width;
    memset(out, 0, (size_t)width * sizeof *out);
    if (mirrored)
        for (int64_t x = begin; x < end; x++) out[width - 1 - x] = unit[row[x + shift]];
    else
        for (int64_t x = begin; x < end; x++) out[x] = unit[row[x + shift]];
}

void crop_image(const Dataset *dataset, uint64_t index, Crop crop, const float unit[256], float *out) {
    const int64_t height = dataset->height, width = dataset->width;
    const uint8_t *plane = dataset->pixels + index * dataset->channels * (uint64_t)(height * width);
    for (unsigned c = 0; c < dataset->channels; c++, plane += height * width)
        for (int64_t y = 0; y < height; y++, out += width) {
            const int64_t from = y + crop.top - PADDING;
            if (from < 0 || from >= height)
                memset(out, 0, (size_t)width * sizeof *out);
            else
                crop_row(plane + from * width, width, (int64_t)crop.left - PADDING, crop.mirrored, unit, out);
        }
}
