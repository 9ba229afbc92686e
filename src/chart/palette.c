/* palette -- series colours after Okabe and Ito (2008), then Tol's muted scheme; viridis (Smith and van der Walt, CC0)
 * and ColorBrewer's RdBu, each interpolated between equidistant stops. */
#include "chart/palette.h"

#include <math.h>
#include <stddef.h>

Rgb palette_series(int series) {
    static const Rgb colours[12] = {
        {0, 114, 178}, {213, 94, 0},  {0, 158, 115},  {204, 121, 167}, {230, 159, 0},  {86, 180, 233},
        {80, 80, 80},  {136, 34, 85}, {153, 153, 51}, {68, 170, 153},  {170, 68, 153}, {160, 82, 45},
    };
    return colours[(series % 12 + 12) % 12];
}

Rgb palette_screen(int series) {
    static const Rgb colours[12] = {
        {0, 114, 178}, {213, 94, 0},   {0, 158, 115},  {201, 119, 165}, {194, 134, 0},  {72, 154, 199},
        {96, 96, 96},  {175, 60, 100}, {150, 150, 50}, {64, 161, 145},  {170, 68, 153}, {160, 82, 45},
    };
    return colours[(series % 12 + 12) % 12];
}

int palette_screen_xterm(int series) {
    static const int colours[12] = {25, 166, 29, 169, 136, 68, 59, 161, 101, 30, 133, 130};
    return colours[(series % 12 + 12) % 12];
}

/* Magenta and red alone have a contrast of 3 and more with black and with white; blue on black has 2. */
int palette_basic(int series) {
    static const int colours[6] = {5, 1, 2, 4, 6, 3};
    return colours[(series % 6 + 6) % 6];
}

/* In xterm's shades these have a contrast of 3 and more with black and with white; in those of the Linux console, which
 * is black, with black. */
int palette_sixteen(int series) {
    static const int colours[4] = {12, 9, 5, 13};
    return colours[(series % 4 + 4) % 4];
}

const int *palette_ramp(bool sixteen, bool diverging, int *count) {
    static const int basic[] = {4, 6, 2, 3}, basic_signs[] = {4, 7, 1};
    static const int bright[] = {4, 12, 6, 10, 11}, bright_signs[] = {4, 12, 15, 9, 1};
    *count = sixteen ? 5 : diverging ? 3 : 4;
    if (sixteen) return diverging ? bright_signs : bright;
    return diverging ? basic_signs : basic;
}

static uint8_t mix(uint8_t a, uint8_t b, double fraction) {
    return (uint8_t)lround(a + (b - a) * fraction);
}

Rgb palette_value(double fraction, bool diverging) {
    static const Rgb viridis[9] = {
        {68, 1, 84},    {71, 44, 122}, {59, 81, 139},  {44, 113, 142}, {33, 144, 141},
        {39, 173, 129}, {92, 200, 99}, {170, 220, 50}, {253, 231, 37},
    };
    static const Rgb blue_red[9] = {
        {33, 102, 172},  {67, 147, 195},  {146, 197, 222}, {209, 229, 240}, {247, 247, 247},
        {253, 219, 199}, {244, 165, 130}, {214, 96, 77},   {178, 24, 43},
    };
    const Rgb *stops = diverging ? blue_red : viridis;
    double at = fmin(fmax(isnan(fraction) ? 0 : fraction, 0), 1) * 8;
    int stop = at >= 8 ? 7 : (int)at;
    Rgb a = stops[stop], b = stops[stop + 1];
    at -= stop;
    return (Rgb){mix(a.red, b.red, at), mix(a.green, b.green, at), mix(a.blue, b.blue, at)};
}

static double linear(uint8_t part) {
    const double value = part / 255.0;
    return value <= 0.04045 ? value / 12.92 : pow((value + 0.055) / 1.055, 2.4);
}

double palette_luminance(Rgb colour) {
    return 0.2126 * linear(colour.red) + 0.7152 * linear(colour.green) + 0.0722 * linear(colour.blue);
}

/* White and black have the same contrast with 0.179. */
bool palette_needs_white(Rgb colour) {
    return palette_luminance(colour) < 0.179;
}

bool palette_dark(double fraction, bool diverging) {
    return palette_needs_white(palette_value(fraction, diverging));
}

static int squared(int difference) {
    return difference * difference;
}

static int distance(Rgb a, int red, int green, int blue) {
    return squared(a.red - red) + squared(a.green - green) + squared(a.blue - blue);
}

/* xterm's colours 0 to 15 are named (XTerm-col.ad), 16 to 231 a cube of six levels, 232 to 255 greys 8, 18, ... 238. */
static const int levels[6] = {0, 95, 135, 175, 215, 255};

Rgb palette_of_xterm(int colour) {
    static const Rgb first[16] = {{0, 0, 0},       {205, 0, 0},   {0, 205, 0},   {205, 205, 0},
                                  {0, 0, 238},     {205, 0, 205}, {0, 205, 205}, {229, 229, 229},
                                  {127, 127, 127}, {255, 0, 0},   {0, 255, 0},   {255, 255, 0},
                                  {92, 92, 255},   {255, 0, 255}, {0, 255, 255}, {255, 255, 255}};
    const int cube = colour - 16, grey = 8 + 10 * (colour - 232);
    if (colour < 16) return first[colour];
    if (colour >= 232) return (Rgb){(uint8_t)grey, (uint8_t)grey, (uint8_t)grey};
    return (Rgb){(uint8_t)levels[cube / 36], (uint8_t)levels[cube / 6 % 6], (uint8_t)levels[cube % 6]};
}

int palette_xterm(Rgb colour) {
    int nearest[3], parts[3] = {colour.red, colour.green, colour.blue};
    for (int c = 0; c < 3; c++) {
        nearest[c] = 0;
        for (int i = 1; i < 6; i++) {
            if (squared(parts[c] - levels[i]) < squared(parts[c] - levels[nearest[c]])) nearest[c] = i;
        }
    }
    int grey = ((int)colour.red + colour.green + colour.blue) / 3, step = grey < 8 ? 0 : (grey - 3) / 10;
    if (step > 23) step = 23;
    int cube = distance(colour, levels[nearest[0]], levels[nearest[1]], levels[nearest[2]]);
    if (distance(colour, 8 + 10 * step, 8 + 10 * step, 8 + 10 * step) < cube) return 232 + step;
    return 16 + 36 * nearest[0] + 6 * nearest[1] + nearest[2];
}

int palette_value_xterm(double fraction, bool diverging) {
    static const int viridis[] = {53, 54, 24, 30, 36, 71, 77, 149, 185, 227};
    static const int blue_red[] = {25, 67, 110, 153, 255, 223, 216, 167, 124};
    int count = diverging ? 9 : 10, level = (int)floor(fmin(fmax(isnan(fraction) ? 0 : fraction, 0), 1) * count);
    return (diverging ? blue_red : viridis)[level < count ? level : count - 1];
}
