/* contour -- lines of equal value through the grid of a heat map: marching squares, whose pieces are joined to paths.
 */
#include "chart/model.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "weft/base/error.h"
#include "weft/base/memory.h"

/* ---- levels ------------------------------------------------------------------------------------------------------ */

/* The power of ten below a positive number. */
static int magnitude(double value) {
    return (int)floor(log10(value) + 1e-9);
}

/* A level with the digits that tell it from its neighbours `step` away. */
static void level_text(double value, double step, char out[TICK_TEXT]) {
    double size = fabs(value) < step * 1e-9 ? 0 : fabs(value);
    int decimals = 1 - magnitude(step);
    if (size == 0) {
        snprintf(out, TICK_TEXT, "0");
    } else if (size >= 1e6 || size < 1e-4) {
        int digits = magnitude(size) - magnitude(step) + 2;
        snprintf(out, TICK_TEXT, "%.*g", digits < 2 ? 2 : digits > 17 ? 17 : digits, value);
    } else {
        number_text(value, decimals < 0 ? 0 : decimals > 16 ? 16 : decimals, out);
    }
    shorten_exponent(out);
}

void contours_levels(const Chart *chart, const ChartView *view, Contours *out) {
    unsigned count = view->contours < CHART_CONTOURS_MAX ? view->contours : CHART_CONTOURS_MAX;
    Scale scale = value_scale(chart);
    double low = scale.log ? scale.low : chart->value.low, high = scale.log ? scale.high : chart->value.high;
    bool apart = scale.log ? chart->value.high > chart->value.least_positive * (1 + 1e-9)
                           : high - low > 1e-13 * fmax(fabs(low), fabs(high));
    *out = (Contours){0};
    if (!chart_takes_contours(chart) || !apart || !isfinite(high - low)) return;
    out->level_count = count;
    scale = (Scale){.low = low, .high = high, .log = scale.log};
    for (unsigned i = 0; i < count; i++) out->level[i] = scale_value(scale, (i + 1.0) / (count + 1));
    for (unsigned i = 0; i < count; i++) {
        double next = i + 1 < count ? out->level[i + 1] : high, step = next - out->level[i];
        if (scale.log) step = fmin(step, out->level[i]); /* two digits at least, where the next level is far */
        level_text(out->level[i], step > 0 ? step : fabs(high - low), out->label[i]);
    }
}

/* ---- field: the grid as marching squares walk it ----------------------------------------------------------------- */

enum { SIDE_MOST = 256 };

typedef struct Field {
    size_t rows, columns;
    double *x, *y;     /* logarithms on log axes; NaN: a place that a log axis does not have */
    double *value;     /* rows x columns; logarithms with log colours; NaN: a gap */
    uint32_t *crossed; /* two for each edge: 1 + the pieces that end on it */
    uint32_t *pieces;  /* two edges for each piece */
    bool *used;        /* pieces that are in a path */
    size_t piece_count;
    bool log_x, log_y;
} Field;

static void field_done(Field *field) {
    mem_free(field->x);
    mem_free(field->y);
    mem_free(field->value);
    mem_free(field->crossed);
    mem_free(field->pieces);
    mem_free(field->used);
}

/* Places along an axis, each the mean of `each` of them. */
static bool field_axis(const Axis *axis, size_t each, bool log_axis, double **out, Error *err) {
    size_t count = (axis->count + each - 1) / each;
    double *places = *out = mem_alloc(count, sizeof(double), err);
    if (!places) return false;
    for (size_t i = 0; i < count; i++) {
        size_t last = (i + 1) * each < axis->count ? (i + 1) * each : axis->count;
        for (size_t k = i * each; k < last; k++) {
            double place = axis->values[k];
            places[i] += (log_axis ? place > 0 ? log(place) : NAN : place) / (double)(last - i * each);
        }
    }
    return true;
}

/* A block with a gap is a gap, so that no line runs where nothing is known. */
static double field_value(const Chart *chart, size_t row, size_t rows, size_t column, size_t columns) {
    bool log_value = chart->encoding.log_value;
    double sum = 0;
    size_t count = 0;
    for (size_t i = row; i < row + rows && i < chart->grid_rows; i++) {
        for (size_t j = column; j < column + columns && j < chart->grid_columns; j++) {
            double value = grid_value(chart, i, j);
            sum += log_value ? log(value) : value;
            count++;
        }
    }
    return sum / (double)count;
}

static bool field_open(Field *field, const Chart *chart, const ChartView *view, Error *err) {
    size_t down = (chart->grid_rows + SIDE_MOST - 1) / SIDE_MOST;
    size_t across = (chart->grid_columns + SIDE_MOST - 1) / SIDE_MOST;
    field->log_x = view->log_x;
    field->log_y = view->log_y;
    field->rows = (chart->grid_rows + down - 1) / down;
    field->columns = (chart->grid_columns + across - 1) / across;
    size_t cells = field->rows * field->columns;
    if (!field_axis(&chart->x, across, view->log_x, &field->x, err) ||
        !field_axis(&chart->y, down, view->log_y, &field->y, err) ||
        !(field->value = mem_alloc(cells, sizeof(double), err)) ||
        !(field->crossed = mem_alloc(4 * cells, sizeof(uint32_t), err)) ||
        !(field->pieces = mem_alloc(4 * cells, sizeof(uint32_t), err)) ||
        !(field->used = mem_alloc(2 * cells, sizeof(bool), err))) {
        return false;
    }
    for (size_t i = 0; i < field->rows; i++) {
        for (size_t j = 0; j < field->columns; j++) {
            double value = field_value(chart, i * down, down, j * across, across);
            bool there = !isnan(field->x[j]) && !isnan(field->y[i]);
            field->value[i * field->columns + j] = there ? value : NAN;
        }
    }
    return true;
}

/* ---- marching squares -------------------------------------------------------------------------------------------- */

/* An edge of the field is twice the value at its left or lower end, plus 1 where it leads to the next row. */
static uint32_t edge(const Field *field, size_t i, size_t j, bool next_row) {
    return (uint32_t)(2 * (i * field->columns + j) + next_row);
}

static void add_piece(Field *field, uint32_t from, uint32_t to) {
    uint32_t name = (uint32_t)++field->piece_count;
    const uint32_t ends[2] = {from, to};
    for (int end = 0; end < 2; end++) {
        uint32_t *slots = &field->crossed[2 * ends[end]];
        slots[slots[0] ? 1 : 0] = name; /* an edge has two squares, and each gives it one piece at most */
        field->pieces[2 * (name - 1) + (uint32_t)end] = ends[end];
    }
}

/* The square whose lower left corner is value (i, j). */
static void march(Field *field, size_t i, size_t j, double level) {
    const double *below = &field->value[i * field->columns + j], *above = below + field->columns;
    const double corners[4] = {below[0], below[1], above[1], above[0]}; /* round the square */
    const uint32_t sides[4] = {edge(field, i, j, false), edge(field, i, j + 1, true), edge(field, i + 1, j, false),
                               edge(field, i, j, true)};
    uint32_t crossed[4];
    int count = 0;
    double mean = (corners[0] + corners[1] + corners[2] + corners[3]) / 4;
    if (isnan(mean)) return;
    for (int side = 0; side < 4; side++) {
        if ((corners[side] >= level) != (corners[(side + 1) % 4] >= level)) crossed[count++] = sides[side];
    }
    if (count == 2) add_piece(field, crossed[0], crossed[1]);
    if (count < 4) return;
    /* A saddle: the corners that are on the mean's side are joined through the middle, the others cut off. */
    bool first_joined = (mean >= level) == (corners[0] >= level);
    add_piece(field, crossed[0], crossed[first_joined ? 1 : 3]);
    add_piece(field, crossed[2], crossed[first_joined ? 3 : 1]);
}

/* Where an edge crosses the level, in data units. */
static Place crossing(const Field *field, uint32_t at, double level) {
    size_t cell = at / 2, i = cell / field->columns, j = cell % field->columns, next = at % 2 ? field->columns : 1;
    double a = field->value[cell], b = field->value[cell + next];
    double part = fmin(fmax((level - a) / (b - a), 0), 1);
    double x = at % 2 ? field->x[j] : field->x[j] + part * (field->x[j + 1] - field->x[j]);
    double y = at % 2 ? field->y[i] + part * (field->y[i + 1] - field->y[i]) : field->y[i];
    return (Place){field->log_x ? exp(x) : x, field->log_y ? exp(y) : y};
}

/* ---- paths ------------------------------------------------------------------------------------------------------- */

static bool add_place(Contours *out, const ContourPath *path, Place place, Error *err) {
    const Place *last = path->first < out->place_count ? &out->places[out->place_count - 1] : NULL;
    if (last && last->x == place.x && last->y == place.y) return true; /* through a value that is the level */
    if (!mem_grow(&out->places, &out->place_capacity, out->place_count + 1, sizeof *out->places, err)) return false;
    out->places[out->place_count++] = place;
    return true;
}

/* Follows the pieces, from the end `start` of `piece` (counted from 1) on, until there is none left. */
static bool trace(Field *field, uint32_t start, uint32_t piece, unsigned level, double value, Contours *out,
                  Error *err) {
    ContourPath path = {.first = out->place_count, .level = level};
    uint32_t at = start;
    if (!add_place(out, &path, crossing(field, at, value), err)) return false;
    while (piece && !field->used[piece - 1]) {
        const uint32_t *ends = &field->pieces[2 * (piece - 1)];
        field->used[piece - 1] = true;
        at = ends[0] == at ? ends[1] : ends[0];
        if (!add_place(out, &path, crossing(field, at, value), err)) return false;
        const uint32_t *next = &field->crossed[2 * at];
        piece = next[0] == piece ? next[1] : next[0];
    }
    path.count = out->place_count - path.first;
    path.closed = at == start;
    if (path.count < 2) {
        out->place_count = path.first;
        return true;
    }
    if (!mem_grow(&out->paths, &out->path_capacity, out->path_count + 1, sizeof *out->paths, err)) return false;
    out->paths[out->path_count++] = path;
    return true;
}

static bool find_level(Field *field, unsigned level, double value, Contours *out, Error *err) {
    size_t cells = field->rows * field->columns;
    memset(field->crossed, 0, 4 * cells * sizeof(uint32_t));
    memset(field->used, 0, 2 * cells * sizeof(bool));
    field->piece_count = 0;
    for (size_t i = 0; i + 1 < field->rows; i++) {
        for (size_t j = 0; j + 1 < field->columns; j++) march(field, i, j, value);
    }
    /* Lines that end, at the border or at a gap, from their ends; what is left then are loops. */
    for (int loops = 0; loops < 2; loops++) {
        for (size_t p = 0; p < field->piece_count; p++) {
            for (int end = 0; end < 2 && !field->used[p]; end++) {
                uint32_t at = field->pieces[2 * p + (size_t)end];
                if (!loops && field->crossed[2 * at + 1]) continue;
                if (!trace(field, at, (uint32_t)p + 1, level, value, out, err)) return false;
            }
        }
    }
    return true;
}

bool contours_find(const Chart *chart, const ChartView *view, Contours *out, Error *err) {
    Field field = {0};
    contours_levels(chart, view, out);
    if (out->level_count == 0) return true;
    bool ok = field_open(&field, chart, view, err);
    for (unsigned l = 0; ok && l < out->level_count; l++) {
        double level = out->level[l];
        ok = find_level(&field, l, chart->encoding.log_value ? log(level) : level, out, err);
    }
    field_done(&field);
    if (!ok) contours_done(out);
    return ok;
}

void contours_done(Contours *contours) {
    mem_free(contours->places);
    mem_free(contours->paths);
    *contours = (Contours){0};
}
