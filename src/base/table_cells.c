/* table_cells -- numbers and cells of a table as text.
 *
 * For people, a real column has one number of decimals. Numbers that six digits show exactly are shown so: somebody
 * chose them. Measured numbers show four digits of the largest, but at least two of the column's spread, so that
 * different rows stay different, and two of the smallest; never more than six of the largest. A column that mixes
 * magnitudes too far for that shows each value on its own. Percentages have three decimals. For machines, a number has
 * the fewest of 9 to 17 digits that read back as the same double.
 */
#include "table_cells.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NUMBER_TEXT = 400 }; /* %.9f of the largest double has 319 characters */
enum { GENERAL = -1 };      /* as decimals: each value on its own */
enum { DIGITS = 4, DIGITS_MOST = 6, DIGITS_SPREAD = 2, DIGITS_LEAST = 2 };

/* ---- one number -------------------------------------------------------------------------------------------------- */

/* All digits of a finite number. */
static void exact_text(double value, char out[NUMBER_TEXT]) {
    for (int digits = 9; digits <= 17; digits++) {
        snprintf(out, NUMBER_TEXT, "%.*g", digits, value);
        if (strtod(out, NULL) == value) return;
    }
}

/* Decimals that show so many digits of a number of this size. */
static int decimals_for(double size, int digits) {
    const int decimals = digits - 1 - (int)floor(log10(size));
    return decimals > 0 ? decimals : 0;
}

/* Whether a text shows the value. Of up to four digits, what float32 adds does not count; of more, a measured number
 * would too often look like one that somebody chose. */
#define FLOAT32_ADDS 1e-7
#define DOUBLE_ADDS 1e-9
static bool shows(const char *text, double value, double tolerance) {
    return fabs(strtod(text, NULL) - value) <= tolerance * fabs(value);
}

/* A number with so many decimals; what rounds to zero loses its sign. */
static void add_fixed(Str *out, double value, int decimals) {
    char text[NUMBER_TEXT];
    snprintf(text, sizeof text, "%.*f", decimals, value);
    const bool zero = strspn(text, "-0.") == strlen(text);
    str_add(out, zero && text[0] == '-' ? text + 1 : text);
}

void str_add_number(Str *out, double value) {
    char few[NUMBER_TEXT], more[NUMBER_TEXT];
    const double size = fabs(value);
    snprintf(few, sizeof few, "%.*g", DIGITS, value);
    snprintf(more, sizeof more, "%.*g", DIGITS_MOST, value);
    if (!isfinite(value))
        str_add(out, isnan(value) ? "nan" : value < 0 ? "-inf" : "inf");
    else if (size == 0)
        str_add(out, "0");
    else if (shows(few, value, FLOAT32_ADDS) && !strchr(few, 'e'))
        str_add(out, few);
    else if (shows(more, value, DOUBLE_ADDS) && !strchr(more, 'e'))
        str_add(out, more);
    else if (size >= 1e-4 && size < 1e15)
        add_fixed(out, value, decimals_for(size, DIGITS));
    else
        str_addf(out, "%.*g", DIGITS, value);
}

/* ---- columns ----------------------------------------------------------------------------------------------------- */

/* What decides on the decimals of a column: sizes of its numbers that are finite and not 0. */
typedef struct Range {
    double largest, least, low, high;
} Range;

static Range range_of(const Column *column, size_t rows) {
    Range range = {.least = INFINITY, .low = INFINITY, .high = -INFINITY};
    for (size_t r = 0; r < rows; r++) {
        const double value = column->cells[r].real, size = fabs(value);
        if (!isfinite(value)) continue;
        range.low = fmin(range.low, value);
        range.high = fmax(range.high, value);
        if (size == 0) continue;
        range.largest = fmax(range.largest, size);
        range.least = fmin(range.least, size);
    }
    return range;
}

/* Zeros at the end of the decimals of `value`. */
static int trailing_zeros(double value, int decimals) {
    char text[NUMBER_TEXT];
    int length = snprintf(text, sizeof text, "%.*f", decimals, value), zeros = 0;
    while (zeros < decimals && text[length - 1 - zeros] == '0') zeros++;
    return zeros;
}

/* Whether `decimals` show all values exactly (only those below `limit`), and the decimals that are zeros in all. */
static bool all_exact(const Column *column, size_t rows, int decimals, double limit, double tolerance, int *spare) {
    *spare = decimals;
    for (size_t r = 0; r < rows; r++) {
        char text[NUMBER_TEXT];
        const double value = column->cells[r].real;
        if (!isfinite(value) || fabs(value) >= limit) continue;
        snprintf(text, sizeof text, "%.*f", decimals, value);
        if (!shows(text, value, tolerance)) return false;
        const int zeros = trailing_zeros(value, decimals);
        if (zeros < *spare) *spare = zeros;
    }
    return true;
}

int cell_decimals(const Column *column, size_t rows) {
    int spare;
    if (column->type != COLUMN_REAL) return 0;
    const Range range = range_of(column, rows);
    if (strcmp(column->unit, "%") == 0 && range.largest < 1e15) return 3;
    if (range.largest == 0) return 0;
    if (range.largest >= 1e15 || range.largest < 1e-4) return GENERAL;
    const int most = decimals_for(range.largest, DIGITS_MOST);
    int decimals = decimals_for(range.largest, DIGITS);
    if (all_exact(column, rows, most, INFINITY, FLOAT32_ADDS, &spare) &&
        (most - spare <= decimals || all_exact(column, rows, most, INFINITY, DOUBLE_ADDS, &spare)))
        return most - spare;
    const double two_digits = 10 * pow(10, -most);
    if (range.least < two_digits && !all_exact(column, rows, most, two_digits, FLOAT32_ADDS, &spare)) return GENERAL;
    decimals = (int)fmax(decimals, decimals_for(range.least, DIGITS_LEAST));
    if (range.high > range.low) decimals = (int)fmax(decimals, decimals_for(range.high - range.low, DIGITS_SPREAD));
    return decimals < most ? decimals : most;
}

/* ---- cells ------------------------------------------------------------------------------------------------------- */

void cell_add_exact(Str *out, const Column *column, size_t row, const char *nan, const char *infinity) {
    char text[NUMBER_TEXT];
    const double value = column->cells[row].real;
    if (column->type == COLUMN_INTEGER) {
        str_addf(out, "%" PRId64, column->cells[row].integer);
    } else if (isnan(value)) {
        str_add(out, nan);
    } else if (isinf(value)) {
        str_addf(out, "%s%s", value < 0 && *infinity == 'i' ? "-" : "", infinity);
    } else {
        exact_text(value, text);
        str_add(out, text);
    }
}

void cell_add_shown(Str *out, const Column *column, size_t row, int decimals) {
    const Cell cell = column->cells[row];
    if (column->type == COLUMN_TEXT) {
        if (cell.text) str_add_escaped(out, cell.text, strlen(cell.text));
    } else if (column->type == COLUMN_INTEGER) {
        str_addf(out, "%" PRId64, cell.integer);
    } else if (!isnan(cell.real)) {
        if (decimals == GENERAL || isinf(cell.real))
            str_add_number(out, cell.real);
        else
            add_fixed(out, cell.real, decimals);
    }
}

void table_cell_text(const Table *table, size_t column, size_t row, Str *out) {
    const Column *in = &table->columns[column];
    cell_add_shown(out, in, row, cell_decimals(in, table->rows));
}
