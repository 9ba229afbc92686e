/* drawn -- tables, charts and their text for the tests of charts. Behind cmocka.h: what fails ends the test. */
#ifndef WEFT_TESTS_CHART_DRAWN_H
#define WEFT_TESTS_CHART_DRAWN_H

#include <stdio.h>

#include "weft/base/error.h"
#include "weft/base/table.h"
#include "weft/base/text.h"
#include "weft/chart.h"

/* A table of numbers (and, where `names`, a text column in front) from rows of `columns` values. */
static inline Table *table_of(const double *values, size_t rows, size_t columns, bool names) {
    static const char *const titles[] = {"a", "b", "c", "d"};
    Error err;
    Table *table = table_new(&err);
    if (names) table_column(table, "name", "", COLUMN_TEXT);
    for (size_t c = 0; c < columns; c++) table_column(table, titles[c], "", COLUMN_REAL);
    for (size_t r = 0; r < rows; r++) {
        char name[24];
        snprintf(name, sizeof name, "row%zu", r);
        if (names) table_text(table, name);
        for (size_t c = 0; c < columns; c++) table_real(table, values[r * columns + c]);
    }
    table = table_finish(table, &err);
    assert_non_null(table);
    return table;
}

static inline Chart *chart_of(const Table *table, const Encoding *encoding) {
    Error err;
    Chart *chart = chart_new(table, encoding, &err);
    if (!chart) fail_msg("%s", err.text);
    return chart;
}

static inline Str text_of(const Chart *chart, const ChartView *view, unsigned width, unsigned height, bool ascii) {
    ChartGrid grid;
    Error err;
    Str out = {0};
    assert_true(chart_grid(chart, view, width, height, ascii, COLOURS_NONE, &grid, &err));
    chart_grid_text(&grid, COLOURS_NONE, &out);
    chart_grid_done(&grid);
    return out;
}

#endif
