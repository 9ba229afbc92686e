/* samples -- small tables, each with an encoding, that the tests of charts draw. */
#ifndef WEFT_TESTS_CHART_SAMPLES_H
#define WEFT_TESTS_CHART_SAMPLES_H

#include "weft/base/error.h"
#include "weft/base/table.h"
#include "weft/chart.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Names as a ResNet has them: conv1, stages of blocks of two convolutions, fc; `blocks` a stage. */
static inline void sample_layer(unsigned index, unsigned blocks, char out[40]) {
    if (index == 0)
        snprintf(out, 40, "conv1");
    else if (index == 6 * blocks + 1)
        snprintf(out, 40, "fc");
    else
        snprintf(out, 40, "layer%u.%u.conv%u", (index - 1) / (2 * blocks) + 1, (index - 1) / 2 % blocks,
                 (index - 1) % 2 + 1);
}

/* A number in [0, 1) that looks random but is the same everywhere. */
static inline double sample_noise(unsigned i) {
    return (double)((i * 2654435761u) >> 16 & 0xfff) / 4096;
}

static inline Table *sample_layers(unsigned blocks, unsigned columns, bool is_signed, Error *err) {
    static const char *const names[] = {"original", "smoothed", "reconstructed"};
    Table *table = table_new(err);
    table_column(table, "layer", "", COLUMN_TEXT);
    for (unsigned c = 0; c < columns; c++) table_column(table, columns > 1 ? names[c] : "s_ratio", "", COLUMN_REAL);
    for (unsigned i = 0; i < 6 * blocks + 2; i++) {
        char name[40];
        sample_layer(i, blocks, name);
        table_text(table, name);
        for (unsigned c = 0; c < columns; c++) {
            double value = is_signed ? 0.1 * sin(i * 0.5) + 0.04 * sample_noise(i) : 0.95 - 0.5 * i / (6 * blocks + 2);
            table_real(table, value - c * 0.07 + (is_signed ? 0 : 0.05 * sample_noise(i)));
        }
    }
    return table_finish(table, err);
}

static inline Table *sample_curves(unsigned points, unsigned columns, Error *err) {
    static const char *const names[] = {"original", "low-passed", "reconstructed"};
    Table *table = table_new(err);
    table_column(table, "cutoff", "D0", COLUMN_REAL);
    for (unsigned c = 0; c < columns; c++) table_column(table, columns > 1 ? names[c] : "accuracy", "%", COLUMN_REAL);
    for (unsigned i = 0; i < points; i++) {
        double x = 0.5 + 23.5 * i / (points - 1);
        table_real(table, x);
        for (unsigned c = 0; c < columns; c++) table_real(table, 10 + (82 - 4.0 * c) * (1 - exp(-x / (3 + 3.0 * c))));
    }
    return table_finish(table, err);
}

/* A bowl with a saddle on a square grid, as a loss landscape. */
static inline Table *sample_landscape(unsigned side, Error *err) {
    Table *table = table_new(err);
    table_column(table, "u", "", COLUMN_REAL);
    table_column(table, "v", "", COLUMN_REAL);
    table_column(table, "loss", "nat", COLUMN_REAL);
    for (unsigned i = 0; i < side; i++) {
        for (unsigned j = 0; j < side; j++) {
            double u = -0.5 + 2.0 * j / (side - 1), v = -0.5 + 2.0 * i / (side - 1);
            table_real(table, u);
            table_real(table, v);
            table_real(table, 0.2 + 2.5 * (u * (u - 1)) * (u * (u - 1)) + v * v * 0.9 + 0.3 * u * v);
        }
    }
    return table_finish(table, err);
}

/* Two minima with a saddle between them; or an elongated bowl over six powers of ten, with a hole and one value of 0.
 */
static inline Table *sample_plane(unsigned side, bool hole, Error *err) {
    Table *table = table_new(err);
    table_column(table, "u", "", COLUMN_REAL);
    table_column(table, "v", "", COLUMN_REAL);
    table_column(table, "loss", "nat", COLUMN_REAL);
    for (unsigned i = 0; i < side; i++) {
        for (unsigned j = 0; j < side; j++) {
            double u = -1 + 2.0 * j / (side - 1), v = -1 + 2.0 * i / (side - 1), bowl = u * u + 6 * v * v;
            double wells = 0.02 + 2.5 * (u * u - 0.36) * (u * u - 0.36) + 1.4 * v * v + 0.25 * u * v + 0.05 * u;
            bool gap = (u - 0.4) * (u - 0.4) + (v - 0.35) * (v - 0.35) < 0.06;
            table_real(table, u);
            table_real(table, v);
            table_real(table, !hole ? wells : gap ? NAN : i + j == 0 ? 0 : 0.001 + 40 * bowl * bowl);
        }
    }
    return table_finish(table, err);
}

/* Loss and accuracy on the way between two networks. */
static inline Table *sample_path(unsigned points, Error *err) {
    Table *table = table_new(err);
    table_column(table, "alpha", "", COLUMN_REAL);
    table_column(table, "loss", "nat", COLUMN_REAL);
    table_column(table, "accuracy", "%", COLUMN_REAL);
    for (unsigned i = 0; i < points; i++) {
        double alpha = -0.25 + 1.5 * i / (points - 1), off = alpha - 0.5;
        table_real(table, alpha);
        table_real(table, 0.1 + 3 * exp(-off * off / 0.04) + off * off);
        table_real(table, 92 - 80 * exp(-off * off / 0.0625));
    }
    return table_finish(table, err);
}

/* Accuracies with their intervals, the low ones flagged. */
static inline Table *sample_intervals(unsigned points, Error *err) {
    Table *table = table_new(err);
    table_column(table, "cutoff", "", COLUMN_REAL);
    table_column(table, "accuracy", "%", COLUMN_REAL);
    table_column(table, "accuracy_low", "%", COLUMN_REAL);
    table_column(table, "accuracy_high", "%", COLUMN_REAL);
    table_column(table, "std", "%", COLUMN_REAL);
    table_column(table, "significant", "", COLUMN_TEXT);
    for (unsigned i = 0; i < points; i++) {
        double accuracy = 15 + 77 * (1 - exp(-(double)i)), half = 2 + 6 * exp(-0.5 * i);
        table_real(table, ldexp(0.5, (int)i));
        table_real(table, accuracy);
        table_real(table, accuracy - half);
        table_real(table, i == 2 ? NAN : accuracy + 0.7 * half);
        table_real(table, half);
        table_text(table, i < 3 ? "*" : "");
    }
    return table_finish(table, err);
}

/* A small grid of two settings with one hole. */
static inline Table *sample_grid(Error *err) {
    Table *table = table_new(err);
    table_column(table, "cutoff", "", COLUMN_REAL);
    table_column(table, "factor", "", COLUMN_REAL);
    table_column(table, "accuracy", "%", COLUMN_REAL);
    for (unsigned i = 0; i < 12; i++) {
        table_real(table, ldexp(0.5, (int)i % 4));
        table_real(table, 0.25 * (i / 4 + 1));
        table_real(table, i == 6 ? NAN : 20 + 7.04 * i);
    }
    return table_finish(table, err);
}

/* Weights of two networks: a bell, and one narrower with a missing value. */
static inline Table *sample_weights(unsigned count, Error *err) {
    Table *table = table_new(err);
    table_column(table, "weight", "", COLUMN_REAL);
    table_column(table, "other", "", COLUMN_REAL);
    table_column(table, "net", "", COLUMN_TEXT);
    for (unsigned i = 0; i < count; i++) {
        double sum = -3;
        for (unsigned k = 0; k < 6; k++) sum += sample_noise(6 * i + k);
        table_real(table, 0.1 * sum);
        table_real(table, i == 1 ? NAN : 0.05 * sum + 0.02 * sample_noise(i));
        table_text(table, i % 3 == 0 ? "smooth" : "base");
    }
    return table_finish(table, err);
}

static inline void sample_mark(Encoding *encoding, double x, double y, const char *label) {
    ChartMark *mark = &encoding->marks[encoding->mark_count++];
    *mark = (ChartMark){.x = x, .y = y};
    snprintf(mark->label, sizeof mark->label, "%s", label);
}

static inline Table *sample_kernels(unsigned filters, unsigned channels, unsigned side, Error *err) {
    static const char *const names[] = {"filter", "channel", "row", "column"};
    Table *table = table_new(err);
    for (int i = 0; i < 4; i++) table_column(table, names[i], "", COLUMN_INTEGER);
    table_column(table, "weight", "", COLUMN_REAL);
    for (unsigned i = 0; i < filters * channels * side * side; i++) {
        unsigned row = i / side % side, column = i % side, channel = i / (side * side) % channels;
        unsigned filter = i / (side * side * channels);
        table_integer(table, filter);
        table_integer(table, channel);
        table_integer(table, row);
        table_integer(table, column);
        table_real(table, 0.3 * sin(0.9 * row + 0.7 * filter) * cos(1.1 * column + 0.5 * channel) +
                              0.05 * (sample_noise(i) - 0.5));
    }
    return table_finish(table, err);
}

/* Two such tables and their difference, one after the other; the column `network` names them. */
static inline Table *sample_panels(unsigned filters, unsigned channels, unsigned side, Error *err) {
    static const char *const parts[] = {"base", "smooth", "smooth - base"};
    Table *one = sample_kernels(filters, channels, side, err), *table = table_new(err);
    table_column(table, "network", "", COLUMN_TEXT);
    for (size_t c = 0; c < 5; c++) table_column(table, one->columns[c].name, "", one->columns[c].type);
    for (size_t row = 0; row < 3 * one->rows; row++) {
        const size_t part = row / one->rows, at = row % one->rows;
        table_text(table, parts[part]);
        for (size_t c = 0; c < 4; c++) table_integer(table, one->columns[c].cells[at].integer);
        const double weight = one->columns[4].cells[at].real, factors[] = {1, 0.6, -0.4};
        table_real(table, factors[part] * weight);
    }
    table_free(one);
    return table_finish(table, err);
}

static inline Encoding sample_encoding(ChartKind kind, const char *title, const char *x, const char *y) {
    Encoding encoding = encoding_new(kind);
    snprintf(encoding.title, sizeof encoding.title, "%s", title);
    snprintf(encoding.x, sizeof encoding.x, "%s", x);
    snprintf(encoding.y[0], sizeof encoding.y[0], "%s", y);
    return encoding;
}

/* Adds further y columns. */
static inline void sample_also(Encoding *encoding, const char *first, const char *second) {
    snprintf(encoding->y[1], sizeof encoding->y[1], "%s", first);
    snprintf(encoding->y[2], sizeof encoding->y[2], "%s", second);
}

/* The charts of the golden files; their names are the files'. */
enum { SAMPLES = 21 };

static inline const char *sample_bars_or_lines(int sample, Table **table, Encoding *encoding, Error *err) {
    switch (sample) {
    case 0:
        *table = sample_layers(3, 1, false, err);
        *encoding = sample_encoding(CHART_BARS, "S_ratio of each layer", "layer", "s_ratio");
        return "bars";
    case 1:
        *table = sample_layers(3, 1, true, err);
        *encoding = sample_encoding(CHART_BARS, "S_ratio, reconstructed minus original", "layer", "s_ratio");
        return "bars-signed";
    case 2:
        *table = sample_layers(9, 1, false, err);
        *encoding = sample_encoding(CHART_BARS, "S_ratio of each layer, ResNet-56", "layer", "s_ratio");
        encoding->reference = 0.7;
        snprintf(encoding->reference_label, sizeof encoding->reference_label, "target 0.7");
        return "bars-many";
    case 3:
        *table = sample_layers(1, 3, false, err);
        *encoding = sample_encoding(CHART_BARS, "S_ratio of three networks", "layer", "original");
        sample_also(encoding, "smoothed", "reconstructed");
        return "bars-grouped";
    case 4:
        *table = sample_curves(20, 1, err);
        *encoding = sample_encoding(CHART_LINES, "Accuracy against cutoff", "cutoff", "accuracy");
        encoding->reference = 91.3;
        snprintf(encoding->reference_label, sizeof encoding->reference_label, "unfiltered 91.3");
        return "line";
    case 5:
        *table = sample_curves(12, 3, err);
        *encoding = sample_encoding(CHART_LINES, "Accuracy against cutoff", "cutoff", "original");
        sample_also(encoding, "low-passed", "reconstructed");
        return "lines";
    case 6:
        *table = sample_curves(48, 3, err);
        *encoding = sample_encoding(CHART_LINES, "Accuracy against cutoff, log axes", "cutoff", "original");
        sample_also(encoding, "low-passed", "reconstructed");
        encoding->log_x = encoding->log_y = true;
        return "lines-log";
    case 12:
        *table = sample_path(31, err);
        *encoding = sample_encoding(CHART_LINES, "Between two networks", "alpha", "loss");
        snprintf(encoding->y2, sizeof encoding->y2, "accuracy");
        sample_mark(encoding, 0, 0.35, "seed 1");
        sample_mark(encoding, 1, 0.35, "seed 2");
        return "lines-right";
    default:
        return NULL;
    }
}

static inline void sample_bounds(Encoding *encoding) {
    snprintf(encoding->low, sizeof encoding->low, "accuracy_low");
    snprintf(encoding->high, sizeof encoding->high, "accuracy_high");
    snprintf(encoding->flag, sizeof encoding->flag, "significant");
}

static inline const char *sample_spread(int sample, Table **table, Encoding *encoding, Error *err) {
    switch (sample) {
    case 13:
        *table = sample_weights(400, err);
        *encoding = sample_encoding(CHART_HISTOGRAM, "Weights of base", "", "weight");
        return "histogram";
    case 14:
        *table = sample_weights(400, err);
        *encoding = sample_encoding(CHART_HISTOGRAM, "Weights of two networks", "", "weight");
        sample_also(encoding, "other", "");
        encoding->share = true;
        encoding->bins = 16;
        return "histogram-two";
    case 15:
        *table = sample_weights(60, err);
        *encoding = sample_encoding(CHART_SCATTER, "One weight against the other", "weight", "other");
        snprintf(encoding->series, sizeof encoding->series, "net");
        return "scatter";
    case 16:
        *table = sample_intervals(6, err);
        *encoding = sample_encoding(CHART_LINES, "Accuracy with its band", "cutoff", "accuracy");
        sample_bounds(encoding);
        encoding->log_x = true;
        return "band";
    case 17:
        *table = sample_intervals(6, err);
        *encoding = sample_encoding(CHART_LINES, "Accuracy with error bars", "cutoff", "accuracy");
        snprintf(encoding->deviation, sizeof encoding->deviation, "std");
        encoding->log_x = encoding->error_bars = true;
        return "error-bars";
    case 18:
        *table = sample_intervals(6, err);
        *encoding = sample_encoding(CHART_BARS, "Accuracy with whiskers", "cutoff", "accuracy");
        sample_bounds(encoding);
        return "bars-intervals";
    case 20:
        *table = sample_grid(err);
        *encoding = sample_encoding(CHART_HEATMAP, "Accuracy of a grid", "cutoff", "factor");
        snprintf(encoding->value, sizeof encoding->value, "accuracy");
        encoding->log_x = true;
        return "heatmap-numbers";
    default:
        return NULL;
    }
}

static inline const char *sample_plane_or_kernels(int sample, Table **table, Encoding *encoding, Error *err) {
    switch (sample) {
    case 7:
        *table = sample_landscape(21, err);
        *encoding = sample_encoding(CHART_HEATMAP, "Loss landscape", "u", "v");
        snprintf(encoding->value, sizeof encoding->value, "loss");
        return "heatmap";
    case 8:
        *table = sample_kernels(6, 8, 3, err);
        *encoding = sample_encoding(CHART_KERNELS, "Kernels of layer1.0.conv1", "", "");
        return "kernels";
    case 10:
        *table = sample_plane(21, false, err);
        *encoding = sample_encoding(CHART_HEATMAP, "Loss around two minima", "u", "v");
        snprintf(encoding->value, sizeof encoding->value, "loss");
        encoding->contours = 8;
        sample_mark(encoding, -0.6, 0.05, "minimum A");
        sample_mark(encoding, 0.6, -0.05, "minimum B");
        sample_mark(encoding, 0, 0, "saddle");
        sample_mark(encoding, 0, 2, "elsewhere");
        return "contours";
    case 11:
        *table = sample_plane(25, true, err);
        *encoding = sample_encoding(CHART_HEATMAP, "Loss with a hole", "u", "v");
        snprintf(encoding->value, sizeof encoding->value, "loss");
        encoding->log_value = true;
        encoding->contours = 6;
        sample_mark(encoding, 0, 0, "trained");
        return "contours-log";
    case 19:
        *table = sample_panels(5, 4, 3, err);
        *encoding = sample_encoding(CHART_KERNELS, "Kernels of conv1 in base and smooth", "", "");
        snprintf(encoding->series, sizeof encoding->series, "network");
        return "kernels-panels";
    default:
        *table = sample_kernels(16, 1, 5, err);
        *encoding = sample_encoding(CHART_KERNELS, "Kernels of conv1", "", "");
        return "kernels-wrapped";
    }
}

static inline const char *sample_chart(int sample, Table **table, Encoding *encoding, Error *err) {
    const char *name = sample_bars_or_lines(sample, table, encoding, err);
    if (!name) name = sample_spread(sample, table, encoding, err);
    return name ? name : sample_plane_or_kernels(sample, table, encoding, err);
}

#endif
