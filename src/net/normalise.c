/* normalise -- input normalisation, (pixel / 255 - mean) / std per channel: names, texts, and the usual choice. */
#include "net/internal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "weft/base/error.h"
#include "weft/base/text.h"

enum { CHANNELS = sizeof((Normalisation *)0)->mean / sizeof(float) };

static const struct {
    const char *name;
    Normalisation value;
} presets[] = {
#define VALUES(...) \
    { __VA_ARGS__ }
#define X(name, channels, means, stds) {name, {channels, VALUES means, VALUES stds}},
    NORMALISATIONS(X)
#undef X
#undef VALUES
};
enum { PRESETS = sizeof presets / sizeof *presets };

/* A preset that is there, for so many channels. */
static Normalisation preset(size_t index, unsigned channels) {
    Normalisation value = presets[index].value;
    if (value.channels > 0) return value;
    value.channels = channels > 0 ? channels : 1;
    for (unsigned i = 1; i < value.channels; i++) {
        value.mean[i] = value.mean[0];
        value.std[i] = value.std[0];
    }
    return value;
}

static bool find_preset(const char *name, size_t *index) {
    for (*index = 0; *index < PRESETS; ++*index)
        if (strcmp(presets[*index].name, name) == 0) return true;
    return false;
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

#define X(name, channels, means, stds) name ", "
#define NAMES NORMALISATIONS(X) "or "
static bool parse_numbers(const char *text, unsigned channels, Normalisation *out, Error *err) {
    Normalisation result = {0};
    const char *slash = strchr(text, '/');
    unsigned means = slash ? numbers(text, (size_t)(slash - text), result.mean) : 0;
    unsigned stds = slash ? numbers(slash + 1, strlen(slash + 1), result.std) : 0;
    if (means == 0 || stds == 0)
        return error_set(err, STATUS_USAGE,
                         "normalisation '%s': give " NAMES "MEANS/STDS, one value per channel "
                         "(0.5,0.5,0.5/0.25,0.25,0.25)",
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
#undef NAMES
#undef X

bool normalisation_parse(const char *text, unsigned channels, Normalisation *out, Error *err) {
    if (channels > CHANNELS)
        return error_set(err, STATUS_USAGE, "normalisation '%s': %u channels, at most %d", text, channels, CHANNELS);
    size_t index;
    if (!find_preset(text, &index)) return parse_numbers(text, channels, out, err);
    const unsigned own = presets[index].value.channels;
    if (channels > 0 && own > 0 && channels != own)
        return error_set(err, STATUS_USAGE, "normalisation '%s' is for %u channel%s, the network takes %u", text, own,
                         own == 1 ? "" : "s", channels);
    *out = preset(index, channels);
    return true;
}

static bool same(const float *a, const float *b, unsigned count) {
    return memcmp(a, b, count * sizeof *a) == 0;
}

const char *normalisation_name(const Normalisation *normalisation) {
    for (size_t i = 0; i < PRESETS; i++) {
        const Normalisation value = preset(i, normalisation->channels);
        if (value.channels == normalisation->channels && same(value.mean, normalisation->mean, value.channels) &&
            same(value.std, normalisation->std, value.channels))
            return presets[i].name;
    }
    return NULL;
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

void network_normalisation(const Network *network, Str *out) {
    const char *name = normalisation_name(&network->normalisation);
    if (network->normalisation.channels == 0) return;
    normalisation_text(&network->normalisation, out);
    if (network->normalise_why) str_addf(out, " (%s), assumed: %s", name ? name : "?", network->normalise_why);
}
