/* contents -- the contents of a dataset: one image as numbers, mean and deviation of its pixels, its hash. */
#include "data/dataset.h"

#include <math.h>
#include <string.h>

#include "weft/base/hash.h"

void dataset_spread(const Dataset *dataset, float *mean, float *std) {
    const uint64_t area = (uint64_t)dataset->height * dataset->width;
    for (unsigned c = 0; c < dataset->channels; c++) {
        uint64_t sum = 0, squares = 0;
        for (uint64_t i = 0; dataset->pixels && i < dataset->count; i++) {
            const uint8_t *pixels = dataset->pixels + (i * dataset->channels + c) * area;
            for (uint64_t j = 0; j < area; j++) {
                sum += pixels[j];
                squares += (uint64_t)pixels[j] * pixels[j];
            }
        }
        const double count = (double)dataset->count * (double)area, m = (double)sum / count;
        const double variance = (double)squares / count - m * m;
        mean[c] = dataset->pixels ? (float)(m / 255) : 0;
        std[c] = dataset->pixels && variance > 0 ? (float)(sqrt(variance) / 255) : 1;
    }
}

void dataset_image(const Dataset *dataset, uint64_t index, float *out) {
    uint64_t size = (uint64_t)dataset->channels * dataset->height * dataset->width;
    if (dataset->noise) {
        noise_image(index, size, out);
        return;
    }
    const uint8_t *pixels = dataset->pixels + index * size;
    for (uint64_t i = 0; i < size; i++) out[i] = (float)pixels[i] / 255.0f;
}

void dataset_hash(const Dataset *data, char out[HASH_HEX]) {
    const size_t size = (size_t)data->channels * data->height * data->width;
    if (data->noise) {
        const uint64_t form[] = {data->count, data->channels, data->height, data->width};
        hash_hex(form, sizeof form, out);
        return;
    }
    char both[2 * HASH_HEX];
    hash_hex(data->pixels, (size_t)data->count * size, both);
    hash_hex(data->labels, data->labels ? (size_t)data->count * sizeof *data->labels : 0, both + HASH_HEX - 1);
    hash_hex(both, strlen(both), out);
}
