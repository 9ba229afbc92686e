/* noise -- images without data: uniform in [-1, 1) after normalisation (data-free distillation). */
#include "data/dataset.h"
#include "weft/base/error.h"
#include "weft/base/random.h"

/* "weft noi": no user's seed, so its streams are free to be the numbers of the images. */
static const uint64_t NOISE_SEED = UINT64_C(0x77656674206e6f69);

static const struct Number {
    char before;
    const char *what;
    uint64_t most;
} numbers[] = {{'\0', "the number of images", 1000000000},
               {':', "the number of channels", 1024},
               {'x', "the height", 4096},
               {'x', "the width", 4096}};
enum { NUMBERS = sizeof numbers / sizeof *numbers, VALUES_MOST = 1 << 24 };

/* The digits at *text, which moves behind them; a number beyond 2^60 is only known to be large. */
static bool take_number(const char **text, uint64_t *out) {
    const char *start = *text;
    for (*out = 0; **text >= '0' && **text <= '9'; ++*text)
        if (*out < UINT64_C(1) << 60) *out = *out * 10 + (uint64_t)(**text - '0');
    return *text > start;
}

static bool parse(const char *rest, uint64_t value[NUMBERS], Error *err) {
    const char *at = rest;
    for (size_t i = 0; i < NUMBERS; i++) {
        if (i == 1 && !*at) break; /* the rest keeps what it has */
        if ((i > 0 && *at++ != numbers[i].before) || !take_number(&at, &value[i])) return bad_form("noise", rest, err);
        if (value[i] < 1 || value[i] > numbers[i].most)
            return error_set(err, STATUS_USAGE, "noise:%s: %s must be 1 to %llu", rest, numbers[i].what,
                             (unsigned long long)numbers[i].most);
    }
    if (*at) return bad_form("noise", rest, err);
    const uint64_t values = value[1] * value[2] * value[3];
    if (values > VALUES_MOST)
        return error_set(err, STATUS_USAGE, "noise:%s: %llu values per image; at most %d are possible", rest,
                         (unsigned long long)values, VALUES_MOST);
    return true;
}

bool load_noise(const char *rest, uint64_t limit, Dataset *out, Error *err) {
    uint64_t value[NUMBERS] = {0, 3, 32, 32};
    if (!parse(rest, value, err)) return false;
    out->noise = true;
    out->count = limit && limit < value[0] ? limit : value[0];
    out->channels = (unsigned)value[1];
    out->height = (unsigned)value[2];
    out->width = (unsigned)value[3];
    return dataset_set_title(out, "noise", err);
}

/* 24 bits of a word are a multiple of 2^-23 on [0, 2): a float holds it exactly, less 1 too. */
void noise_image(uint64_t index, uint64_t size, float *out) {
    uint32_t words[4];
    for (uint64_t i = 0; i < size; i++) {
        if (i % 4 == 0) rng_block(NOISE_SEED, index, i / 4, words);
        out[i] = (float)(words[i % 4] >> 8) * 0x1p-23f - 1.0f;
    }
}
