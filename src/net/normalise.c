/* normalise -- input normalisation, (pixel / 255 - mean) / std per channel: names, texts, and the usual choice. */
#include "net/internal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct {
    const char *name;
    unsigned classes; /* what a network with this input and number of classes was most likely trained with */
    Normalisation value;
} presets[] = {
    /* The ImageNet statistics, because that is what the public CIFAR-10 ResNets were trained with (not the data's own
     * .4914,.4822,.4465/.2470,.2435,.2616). */
    {"cifar10", 10, {3, {.485f, .456f, .406f}, {.229f, .224f, .225f}}},
    {"cifar100", 100, {3, {.5071f, .4865f, .4409f}, {.2673f, .2564f, .2762f}}},
    {"fashion-mnist", 10, {1, {.2860f}, {.3530f}}},
};
enum { PRESETS = sizeof presets / sizeof *presets, CHANNELS = sizeof((Normalisation *)0)->mean / sizeof(float) };

Normalisation normalisation_guess(unsigned channels, unsigned classes) {
    for (size_t i = 0; i < PRESETS; i++)
        if (presets[i].value.channels == channels && (channels == 1 || presets[i].classes == classes))
            return presets[i].value;
    return (Normalisation){0};
}

/* One or more comma-separated finite numbers, at most CHANNELS; how many, or 0 where it is none. */
static unsigned numbers(const char *text, size_t length, float *out) {
    char part[64];
    unsigned count = 0;
    const char *end = text + length;
    while (text <= end) {
        const char *comma = memchr(text, ',', (size_t)(end - text));
        size_t size = (size_t)((comma ? comma : end) - text);
        double value;
        if (count == CHANNELS || size >= sizeof part) return 0;
        memcpy(part, text, size);
        part[size] = '\0';
        if (!text_to_double(part, &value) || !isfinite((float)value)) return 0;
        out[count++] = (float)value;
        text += size + 1;
    }
    return count;
}

static bool parse_numbers(const char *text, unsigned channels, Normalisation *out, Error *err) {
    Normalisation result = {0};
    const char *slash = strchr(text, '/');
    unsigned means = slash ? numbers(text, (size_t)(slash - text), result.mean) : 0;
    unsigned stds = slash ? numbers(slash + 1, strlen(slash + 1), result.std) : 0;
    if (means == 0 || stds == 0)
        return error_set(err, STATUS_USAGE,
                         "normalisation '%s': give cifar10, cifar100, fashion-mnist, none or MEANS/STDS, one value per "
                         "channel (0.5,0.5,0.5/0.25,0.25,0.25)",
                         text);
    result.channels = channels > 0 ? channels : means > stds ? means : stds;
    if ((means != 1 && means != result.channels) || (stds != 1 && stds != result.channels))
        return error_set(err, STATUS_USAGE, "normalisation '%s': %u means and %u stds for %u channel%s", text, means,
                         stds, result.channels, result.channels == 1 ? "" : "s");
    for (unsigned i = 0; i < result.channels; i++) {
        if (means == 1) result.mean[i] = result.mean[0];
        if (stds == 1) result.std[i] = result.std[0];
        if (!(result.std[i] > 0))
            return error_set(err, STATUS_USAGE, "normalisation '%s': a std must be above 0", text);
    }
    *out = result;
    return true;
}

bool normalisation_parse(const char *text, unsigned channels, Normalisation *out, Error *err) {
    if (channels > CHANNELS)
        return error_set(err, STATUS_USAGE, "normalisation '%s': %u channels, at most %d", text, channels, CHANNELS);
    for (size_t i = 0; i < PRESETS; i++) {
        if (strcmp(text, presets[i].name) != 0) continue;
        unsigned own = presets[i].value.channels;
        if (channels > 0 && channels != own)
            return error_set(err, STATUS_USAGE, "normalisation '%s' is for %u channel%s, the network takes %u", text,
                             own, own == 1 ? "" : "s", channels);
        *out = presets[i].value;
        return true;
    }
    return parse_numbers(strcmp(text, "none") == 0 ? "0/1" : text, channels, out, err);
}

static bool is_none(const Normalisation *normalisation) {
    bool none = normalisation->channels > 0;
    for (unsigned i = 0; i < normalisation->channels; i++)
        if (fabsf(normalisation->mean[i]) > 0 || fabsf(normalisation->std[i] - 1) > 0) none = false;
    return none;
}

/* The fewest digits that read back as the same float. */
static void add_number(Str *out, float value) {
    char text[32];
    for (int digits = 6; digits <= 9; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, (double)value);
        if (!(fabsf(strtof(text, NULL) - value) > 0)) break;
    }
    str_add(out, text);
}

/* Always the numbers, never a preset's name: a text in a file must not change its meaning. */
void normalisation_text(const Normalisation *normalisation, Str *out) {
    if (is_none(normalisation)) {
        str_add(out, "none");
        return;
    }
    for (int part = 0; part < 2; part++)
        for (unsigned i = 0; i < normalisation->channels; i++) {
            if (i > 0 || part > 0) str_add(out, i > 0 ? "," : "/");
            add_number(out, part > 0 ? normalisation->std[i] : normalisation->mean[i]);
        }
}
