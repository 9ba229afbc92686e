/* scales -- linear and log axes, and ticks whose steps are 1, 2 or 5 times a power of ten. */
#include "chart/scales.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- ranges ------------------------------------------------------------------------------------------------------ */

static double bounded(double value, double fallback) {
    if (isnan(value)) return fallback;
    return fmin(fmax(value, -SCALE_LIMIT), SCALE_LIMIT);
}

Scale scale_sane(double low, double high, bool log, double least_positive) {
    Scale scale = {.low = bounded(low, 0), .high = bounded(high, 1), .log = log};
    if (scale.low > scale.high) scale = (Scale){.low = scale.high, .high = scale.low, .log = log};
    if (log) {
        if (!(least_positive > 0) || !isfinite(least_positive)) least_positive = 1;
        if (scale.low <= 0) scale.low = fmin(least_positive, scale.high > 0 ? scale.high : least_positive);
        scale.low = fmax(scale.low, 1 / SCALE_LIMIT);
        if (scale.high < scale.low) scale.high = scale.low;
        if (scale.high / scale.low < 1 + 1e-9) {
            scale.low /= 2;
            scale.high *= 2;
        }
    } else if (scale.high - scale.low <= fmax(1e-13 * fmax(fabs(scale.low), fabs(scale.high)), 1 / SCALE_LIMIT)) {
        double margin = fabs(scale.low) < 1e10 / SCALE_LIMIT ? 1 : fabs(scale.low) / 10;
        scale.low -= margin;
        scale.high += margin;
    }
    return scale;
}

double scale_fraction(Scale scale, double value) {
    double low = scale.low, high = scale.high;
    if (isnan(value) || (scale.log && value <= 0)) return NAN;
    if (scale.log) {
        low = log10(low);
        high = log10(high);
        value = log10(value);
    }
    return fmin(fmax((value - low) / (high - low), -1e6), 1e6);
}

double scale_span(Scale scale) {
    return scale.log ? log10(scale.high) - log10(scale.low) : scale.high - scale.low;
}

double scale_value(Scale scale, double fraction) {
    if (!scale.log) return scale.low + fraction * (scale.high - scale.low);
    return pow(10, log10(scale.low) + fraction * (log10(scale.high) - log10(scale.low)));
}

/* ---- numbers ----------------------------------------------------------------------------------------------------- */

static int magnitude(double value) {
    return value > 0 ? (int)floor(log10(value) + 1e-9) : 0;
}

int number_decimals(double largest, int significant) {
    if (largest == 0) return 0;
    if (largest >= 1e6 || largest < 1e-4) return -1;
    int decimals = significant - 1 - magnitude(largest);
    return decimals < 0 ? 0 : decimals;
}

void shorten_exponent(char *text) {
    char *e = strchr(text, 'e');
    if (e) snprintf(e + 1, 6, "%d", (int)strtol(e + 1, NULL, 10));
}

void number_text(double value, int decimals, char out[TICK_TEXT]) {
    if (decimals < 0 || fabs(value) >= 1e15)
        snprintf(out, TICK_TEXT, "%.4g", value);
    else
        snprintf(out, TICK_TEXT, "%.*f", decimals, value);
    if (*out == '-' && strtod(out, NULL) == 0) memmove(out, out + 1, strlen(out)); /* no "-0.00" */
    shorten_exponent(out);
}

/* Labels in one style, with just the digits that tell steps apart. */
static void label_ticks(Ticks *ticks, double step) {
    double largest = 0;
    for (size_t i = 0; i < ticks->count; i++) largest = fmax(largest, fabs(ticks->at[i]));
    bool exponents = largest >= 1e6 || (largest > 0 && largest < 1e-4);
    int digits = exponents ? magnitude(largest) - magnitude(step) : -magnitude(step);
    digits = digits < 0 ? 0 : digits > 16 ? 16 : digits;
    for (size_t i = 0; i < ticks->count; i++) {
        double value = ticks->at[i] == 0 ? 0 : ticks->at[i]; /* no "-0" */
        int own = digits;
        if (exponents && value != 0) own -= magnitude(largest) - magnitude(fabs(value));
        if (exponents && value == 0)
            snprintf(ticks->label[i], TICK_TEXT, "0");
        else
            snprintf(ticks->label[i], TICK_TEXT, exponents ? "%.*e" : "%.*f", own < 0 ? 0 : own, value);
        shorten_exponent(ticks->label[i]);
    }
}

/* ---- ticks ------------------------------------------------------------------------------------------------------- */

/* The multiples of `step` in the range; false where they are more than `most`. */
static bool multiples(Scale scale, double step, size_t most, Ticks *out) {
    double slack = step * 1e-9, first = ceil((scale.low - slack) / step), last = floor((scale.high + slack) / step);
    if (!(last - first < (double)most)) return false;
    out->count = 0;
    for (double i = first; i <= last; i++) {
        double value = fmin(fmax(i * step, scale.low), scale.high);
        if (out->count > 0 && value <= out->at[out->count - 1]) continue;
        out->at[out->count++] = value;
    }
    return true;
}

static void linear_ticks(Scale scale, size_t most, Ticks *out) {
    static const int steps[] = {1, 2, 5};
    double span = scale.high - scale.low;
    int power = (int)floor(log10(span / (double)most)) - 1;
    for (int i = 0; i < 12; i++) {
        double step = steps[i % 3] * pow(10, power + i / 3);
        if (scale.whole && step < 1 && floor(scale.high) >= ceil(scale.low)) step = 1; /* zoomed in between: as ever */
        if (step > 0 && multiples(scale, step, most, out)) {
            label_ticks(out, step);
            return;
        }
    }
    out->count = 0;
}

/* All m x 10^e in the range, m in `mantissas`, e a multiple of `stride`; false where they are more than `most`. */
static bool decades(Scale scale, const int *mantissas, int stride, size_t most, Ticks *out) {
    int first = (int)floor(log10(scale.low)) - 1, last = (int)ceil(log10(scale.high));
    out->count = 0;
    for (int e = first; e <= last; e++) {
        if (e % stride != 0) continue;
        for (int m = 0; mantissas[m]; m++) {
            double value = mantissas[m] * pow(10, e);
            if (value < scale.low * (1 - 1e-12) || value > scale.high * (1 + 1e-12)) continue;
            if (out->count >= most) return false;
            if (e < -3 || e > 5)
                snprintf(out->label[out->count], TICK_TEXT, "%de%d", mantissas[m], e);
            else
                snprintf(out->label[out->count], TICK_TEXT, "%.*f", e < 0 ? -e : 0, value);
            out->at[out->count++] = fmin(fmax(value, scale.low), scale.high);
        }
    }
    return true;
}

static void log_ticks(Scale scale, size_t most, Ticks *out) {
    static const int finest[] = {1, 2, 3, 5, 7, 0}, fine[] = {1, 2, 5, 0}, coarse[] = {1, 0};
    if (scale.high / scale.low < 20 && decades(scale, finest, 1, most, out) && out->count >= 2) return;
    if (decades(scale, fine, 1, most, out) && out->count >= 2) return;
    for (int stride = 1; stride <= 700; stride = stride == 1 ? 2 : stride == 2 ? 5 : stride == 5 ? 10 : stride + 10) {
        if (decades(scale, coarse, stride, most, out)) break;
    }
    if (out->count < 2 && scale.high / scale.low < 10) linear_ticks(scale, most, out);
}

static void three_digits(double value, char out[TICK_TEXT]) {
    snprintf(out, TICK_TEXT, "%.3g", value == 0 ? 0 : value);
    shorten_exponent(out);
}

bool number_neat(double value) {
    char text[TICK_TEXT];
    three_digits(value, text);
    return fabs(strtod(text, NULL) - value) <= 1e-9 * fabs(value);
}

bool ticks_measured(Scale scale, Ticks *out) {
    out->count = 0;
    for (size_t i = 0; i < scale.at_count; i++) {
        const double fraction = scale_fraction(scale, scale.at[i]);
        if (!(fraction >= -1e-9 && fraction <= 1 + 1e-9)) continue;
        if (out->count == TICKS_MAX) return false;
        out->at[out->count] = fmin(fmax(scale.at[i], scale.low), scale.high);
        three_digits(scale.at[i], out->label[out->count]);
        if (out->count > 0 && strcmp(out->label[out->count], out->label[out->count - 1]) == 0) return false;
        out->count++;
    }
    return out->count >= 2;
}

void ticks_find(Scale scale, size_t most, Ticks *out) {
    out->count = 0;
    if (most == 0) return;
    if (most > TICKS_MAX) most = TICKS_MAX;
    if (scale.log)
        log_ticks(scale, most, out);
    else
        linear_ticks(scale, most, out);
}
