/* model_grid -- a table becomes a grid of values: heat maps, and the weights of kernels side by side. */
#include "chart/model.h"

#include <math.h>
#include <stdlib.h>

#include "weft/base/error.h"
#include "weft/base/memory.h"
#include "weft/base/stats.h"
#include "weft/base/size.h"
#include "weft/base/table.h"
#include "weft/base/text.h"

enum { GRID_MAX = 1 << 24 };

/* ---- heat maps --------------------------------------------------------------------------------------------------- */

/* The distinct finite numbers of a column, increasing. */
static bool numeric_axis(Axis *axis, const Column *column, size_t rows, Error *err) {
    size_t count = 0;
    axis->values = mem_alloc(rows, sizeof(double), err);
    if (!axis->values) return false;
    for (size_t row = 0; row < rows; row++) {
        double value = column_number(column, row);
        if (isfinite(value)) axis->values[count++] = value == 0 ? 0 : value;
    }
    if (count > 0) qsort(axis->values, count, sizeof(double), numbers_ascending);
    axis->integer = true; /* a sweep's whole numbers are such, whatever the column's type */
    for (size_t i = 0; i < count; i++) {
        axis->integer = axis->integer && axis->values[i] == floor(axis->values[i]);
        if (axis->count == 0 || axis->values[i] != axis->values[axis->count - 1]) {
            axis->values[axis->count++] = axis->values[i];
        }
        axis_note(axis, axis->values[i]);
    }
    return true;
}

const char *cell_name(const Column *column, size_t row, char number[TICK_TEXT]) {
    if (column->type == COLUMN_TEXT) return column->cells[row].text ? column->cells[row].text : "";
    number_text(column_number(column, row), column->type == COLUMN_INTEGER ? 0 : -1, number);
    return number;
}

/* The distinct texts of a column in their order; `names` finds their indices again. */
static bool category_axis(Axis *axis, const Column *column, size_t rows, Names *names, Error *err) {
    size_t index;
    char number[TICK_TEXT];
    axis->category = true;
    for (size_t row = 0; row < rows; row++) {
        if (!names_add(names, cell_name(column, row, number), &index, err)) return false;
    }
    axis->names = mem_alloc(names->count, sizeof(char *), err);
    for (size_t i = 0; axis->names && i < names->count; i++) {
        axis->names[i] = clean_text(names->text[i], err);
        if (!axis->names[i]) return false;
        axis->count = i + 1;
    }
    return axis->names != NULL;
}

static bool grid_axis(Axis *axis, const Column *column, bool named, size_t rows, Names *names, Error *err) {
    if (!axis_label(axis, column, err)) return false;
    if (column->type == COLUMN_TEXT || named) return category_axis(axis, column, rows, names, err);
    return numeric_axis(axis, column, rows, err);
}

static bool axis_find(const Axis *axis, const Column *column, size_t row, Names *names, size_t *index, Error *err) {
    char number[TICK_TEXT];
    if (axis->category) return names_add(names, cell_name(column, row, number), index, err);
    double value = column_number(column, row);
    if (isnan(value)) return false; /* which no comparison tells from a number */
    const double *found = bsearch(&value, axis->values, axis->count, sizeof(double), numbers_ascending);
    if (!found) return false;
    *index = (size_t)(found - axis->values);
    return true;
}

static bool new_grid(Chart *chart, size_t rows, size_t columns, Error *err) {
    uint64_t cells;
    if (!size_mul(rows, columns, &cells) || cells > GRID_MAX) {
        return error_set(err, STATUS_LIMIT, "chart: a grid of %zu x %zu values is too large to draw", rows, columns);
    }
    chart->grid = mem_alloc(cells, sizeof(double), err);
    if (!chart->grid) return false;
    for (uint64_t i = 0; i < cells; i++) chart->grid[i] = NAN;
    chart->grid_rows = rows;
    chart->grid_columns = columns;
    return true;
}

static void count_beyond(Chart *chart, double value) {
    if (value < chart->encoding.range_low || value > chart->encoding.range_high) chart->beyond++;
}

/* Counts the gaps and finds the range of what was put into the grid. */
static void survey_grid(Chart *chart) {
    for (size_t i = 0; i < chart->grid_rows * chart->grid_columns; i++) {
        if (count_gap(chart, chart->grid[i])) continue;
        axis_note(&chart->value, chart->grid[i]);
        if (chart->encoding.log_value && chart->grid[i] <= 0) chart->colourless++;
        count_beyond(chart, chart->grid[i]);
    }
}

uint8_t picture_byte(double value) {
    return value > 0 ? (uint8_t)lround(fmin(value, 255)) : 0;
}

void picture_columns(const Table *table, const Column *value, const Column *out[3]) {
    static const char *const names[3] = {"red", "green", "blue"};
    for (size_t c = 0; c < 3; c++) {
        const Column *own = table_find(table, names[c]);
        out[c] = own && own->type != COLUMN_TEXT ? own : value;
    }
}

/* What the colours are, and that they are logarithms. */
static bool value_label(Chart *chart, const Column *value, Error *err) {
    if (!axis_label(&chart->value, value, err)) return false;
    if (!chart->encoding.log_value) return true;
    Str label = {0};
    str_addf(&label, "%s, log", chart->value.label);
    if (!str_ok(&label, err)) {
        str_done(&label);
        return false;
    }
    mem_free(chart->value.label);
    chart->value.label = label.text;
    return true;
}

bool model_grid(Chart *chart, const Table *table, Error *err) {
    const Encoding *encoding = &chart->encoding;
    const Column *x = model_column(table, encoding->x, false, err);
    const Column *y = x ? model_column(table, encoding->y[0], false, err) : NULL;
    const Column *value = y ? model_column(table, encoding->value, true, err) : NULL;
    const Column *colours[3] = {NULL};
    Names x_names = {0}, y_names = {0};
    Error ignored;
    bool ok = value && value_label(chart, value, err) && grid_axis(&chart->x, x, false, table->rows, &x_names, err) &&
              grid_axis(&chart->y, y, encoding->y_names, table->rows, &y_names, err) &&
              new_grid(chart, chart->y.count, chart->x.count, err);
    bool *given = ok ? mem_alloc(chart->grid_rows * chart->grid_columns, sizeof(bool), err) : NULL;
    ok = ok && given;
    if (ok && encoding->picture) picture_columns(table, value, colours);
    if (ok && encoding->picture)
        ok = (chart->colours = mem_alloc(chart->grid_rows * chart->grid_columns, 3, err)) != NULL;
    for (size_t row = 0; ok && row < table->rows; row++) {
        size_t i, j;
        if (!axis_find(&chart->x, x, row, &x_names, &j, &ignored) ||
            !axis_find(&chart->y, y, row, &y_names, &i, &ignored)) {
            chart->missing++; /* a place that is not finite: nowhere to draw it */
            continue;
        }
        size_t at = i * chart->grid_columns + j;
        if (given[at])
            chart->repeated++;
        else
            chart->grid[at] = column_number(value, row);
        for (size_t c = 0; chart->colours && !given[at] && c < 3; c++)
            chart->colours[3 * at + c] = picture_byte(column_number(colours[c], row));
        given[at] = true;
    }
    if (ok) survey_grid(chart);
    if (ok && encoding->contours > 0 && !chart_takes_contours(chart)) {
        ok = error_set(err, STATUS_USAGE, "chart: contours need two axes of numbers; column '%s' holds text",
                       chart->x.category ? x->name : y->name);
    }
    mem_free(given);
    names_done(&x_names);
    names_done(&y_names);
    return ok;
}

double grid_value(const Chart *chart, size_t row, size_t column) {
    double value = chart->grid[row * chart->grid_columns + column];
    bool log = chart->encoding.kind == CHART_HEATMAP && chart->encoding.log_value;
    return isfinite(value) && (!log || value > 0) ? value : NAN;
}

double grid_mean(const Chart *chart, size_t row, size_t rows, size_t column, size_t columns) {
    bool log_value = chart->encoding.kind == CHART_HEATMAP && chart->encoding.log_value;
    double sum = 0;
    size_t count = 0;
    if (rows == 1 && columns == 1) return grid_value(chart, row, column);
    for (size_t i = row; i < row + rows && i < chart->grid_rows; i++) {
        for (size_t j = column; j < column + columns && j < chart->grid_columns; j++) {
            double value = grid_value(chart, i, j);
            if (isnan(value)) continue;
            sum += log_value ? log(value) : value;
            count++;
        }
    }
    if (count == 0) return NAN;
    return log_value ? exp(sum / (double)count) : sum / (double)count;
}

/* ---- kernels ----------------------------------------------------------------------------------------------------- */

/* The names of kernels along one side are numbers; the axis says of what. */
static bool kernel_axis(Axis *axis, const char *label, size_t count, size_t step, Error *err) {
    axis->category = true;
    axis->label = mem_copy_text(label, err);
    axis->unit = mem_copy_text("", err);
    axis->names = mem_alloc(count, sizeof(char *), err);
    if (!axis->label || !axis->unit || !axis->names) return false;
    for (size_t i = 0; i < count; i++) {
        char text[TICK_TEXT];
        number_text((double)(i * step), 0, text);
        axis->names[i] = mem_copy_text(text, err);
        if (!axis->names[i]) return false;
        axis->count = i + 1;
    }
    return true;
}

enum { FILTER, CHANNEL, ROW, COLUMN, WEIGHT, PARTS };

/* The indices must be whole numbers from 0 on; sizes[i] is one more than the largest. */
static bool kernel_sizes(const Column *const columns[PARTS], size_t rows, size_t sizes[WEIGHT], Error *err) {
    for (int part = FILTER; part < WEIGHT; part++) {
        sizes[part] = 0;
        for (size_t row = 0; row < rows; row++) {
            double index = column_number(columns[part], row);
            if (!(index >= 0 && index < GRID_MAX) || index != floor(index)) {
                return error_set(err, STATUS_USAGE, "chart: row %zu: '%s' is not an index", row + 1,
                                 columns[part]->name);
            }
            if ((size_t)index >= sizes[part]) sizes[part] = (size_t)index + 1;
        }
    }
    return true;
}

bool model_panels(Chart *chart, const Column *split, size_t rows, size_t most, Names *names, Error *err) {
    for (size_t row = 0; row < rows; row++) {
        size_t index;
        char number[TICK_TEXT];
        if (!names_add(names, cell_name(split, row, number), &index, err)) return false;
    }
    if (names->count > most) {
        return error_set(err, STATUS_USAGE, "chart: column '%s' names %zu panels; at most %zu can be drawn",
                         split->name, names->count, most);
    }
    chart->panels = mem_alloc(names->count, sizeof *chart->panels, err);
    for (size_t i = 0; chart->panels && i < names->count; i++) {
        if (!(chart->panels[i] = clean_text(names->text[i], err))) return false;
        chart->panel_count = i + 1;
    }
    return chart->panels != NULL;
}

size_t kernel_panels(const Chart *chart) {
    return chart->panel_count > 0 ? chart->panel_count : 1;
}

double kernel_weight(const Chart *chart, size_t panel, size_t row, size_t column) {
    return chart->grid[(panel * chart->grid_rows + row) * chart->grid_columns + column];
}

/* The sizes of the grids, and the grids: `down` x `across` kernels each. */
static bool kernel_grids(Chart *chart, const Column *weight, const size_t sizes[WEIGHT], size_t down, size_t across,
                         Error *err) {
    const bool wrapped = chart->wrapped;
    const size_t rows = down * sizes[ROW], columns = across * sizes[COLUMN];
    if (rows > GRID_MAX || columns > GRID_MAX)
        return error_set(err, STATUS_LIMIT, "chart: %zu x %zu kernels are too many to draw", down, across);
    if (!axis_label(&chart->value, weight, err) || !new_grid(chart, rows * kernel_panels(chart), columns, err) ||
        !kernel_axis(&chart->x, wrapped ? "" : "channel", across, 1, err) ||
        !kernel_axis(&chart->y, "filter", down, wrapped ? across : 1, err))
        return false;
    chart->grid_rows = rows;
    return true;
}

/* Kernels stand in rows of filters and columns of channels; those of one channel in as square a block as can be. */
bool model_kernels(Chart *chart, const Table *table, Error *err) {
    static const char *const names[PARTS] = {"filter", "channel", "row", "column", "weight"};
    const Column *columns[PARTS], *split;
    size_t sizes[WEIGHT];
    Names panels = {0};
    for (int part = 0; part < PARTS; part++) {
        columns[part] = model_column(table, names[part], true, err);
        if (!columns[part]) return false;
    }
    split = *chart->encoding.series ? model_column(table, chart->encoding.series, false, err) : NULL;
    if (!split && *chart->encoding.series) return false;
    bool ok = kernel_sizes(columns, table->rows, sizes, err) &&
              (!split || model_panels(chart, split, table->rows, CHART_SERIES_MAX, &panels, err));
    if (ok) {
        bool wrapped = chart->wrapped = sizes[CHANNEL] <= 1;
        double square = sqrt((double)sizes[FILTER] * 2 / (double)kernel_panels(chart));
        size_t across = wrapped ? (size_t)ceil(square) : sizes[CHANNEL];
        size_t down = across > 0 ? (wrapped ? (sizes[FILTER] + across - 1) / across : sizes[FILTER]) : 0;
        chart->kernel_rows = sizes[ROW];
        chart->kernel_columns = sizes[COLUMN];
        chart->encoding.diverging = true;
        ok = kernel_grids(chart, columns[WEIGHT], sizes, down, across, err);
    }
    for (size_t row = 0; ok && row < table->rows; row++) {
        size_t at[WEIGHT], panel = 0, across = chart->x.count;
        char number[TICK_TEXT];
        for (int part = FILTER; part < WEIGHT; part++) at[part] = (size_t)column_number(columns[part], row);
        if (split && !(ok = names_add(&panels, cell_name(split, row, number), &panel, err))) break;
        size_t tile_row = chart->wrapped ? at[FILTER] / across : at[FILTER];
        size_t tile_column = chart->wrapped ? at[FILTER] % across : at[CHANNEL];
        size_t grid_row = panel * chart->grid_rows + tile_row * sizes[ROW] + at[ROW];
        double weight = column_number(columns[WEIGHT], row);
        if (!count_gap(chart, weight)) {
            axis_note(&chart->value, weight);
            count_beyond(chart, weight);
        }
        chart->grid[grid_row * chart->grid_columns + tile_column * sizes[COLUMN] + at[COLUMN]] = weight;
    }
    names_done(&panels);
    return ok;
}

/* ---- places ------------------------------------------------------------------------------------------------------ */

/* Halfway between two places, as the eye sees it on this axis. */
static double between(double a, double b, bool log) {
    return log && a > 0 && b > 0 ? sqrt(a) * sqrt(b) : a / 2 + b / 2;
}

double grid_edge(const Axis *axis, size_t i, bool log) {
    const double *values = axis->values;
    size_t count = axis->count;
    if (axis->category) return (double)i - 0.5;
    if (count == 0) return (double)i;
    if (count == 1) {
        double margin = log ? 0 : values[0] == 0 ? 0.5 : fabs(values[0]) / 2;
        if (log) return i == 0 ? values[0] / 2 : values[0] * 2;
        return i == 0 ? values[0] - margin : values[0] + margin;
    }
    if (i > 0 && i < count) return between(values[i - 1], values[i], log);
    /* The outermost cells reach as far outwards as inwards. */
    double end = i == 0 ? values[0] : values[count - 1];
    double inner = i == 0 ? between(values[0], values[1], log) : between(values[count - 2], values[count - 1], log);
    return log && end > 0 && inner > 0 ? end * (end / inner) : end + (end - inner);
}

bool grid_index(const Axis *axis, double at, bool log, size_t *index) {
    size_t low = 0, high = axis->count;
    if (high == 0 || !(at >= grid_edge(axis, 0, log)) || !(at <= grid_edge(axis, high, log))) return false;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (at >= grid_edge(axis, middle, log))
            low = middle;
        else
            high = middle;
    }
    *index = low;
    return true;
}

double kernel_place(size_t i, size_t size) {
    return (double)(i / size) - 0.5 + ((double)(i % size) + 0.5) / (double)size;
}

bool kernel_index(double at, size_t size, size_t count, size_t *index) {
    double cell = floor((at + 0.5) * (double)size);
    if (!(cell >= 0) || !(cell < (double)count)) return false;
    *index = (size_t)cell;
    return true;
}
