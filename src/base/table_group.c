/* table_group -- statistics of numbers, and of groups of a Table's rows. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "table_keys.h"
#include "weft/base/error.h"
#include "weft/base/memory.h"
#include "weft/base/stats.h"
#include "weft/base/table.h"
#include "weft/base/table_ops.h"
#include "weft/base/text.h"

static const char *const statistic_names[] = {
#define X(name, text) text,
    TABLE_STATISTICS(X)
#undef X
};

/* ---- statistics -------------------------------------------------------------------------------------------------- */

static double sum_of(const double *values, size_t count) {
    double sum = 0;
    for (size_t i = 0; i < count; i++) sum += values[i];
    return sum;
}

/* Two passes: the deviations from the mean keep their digits where the mean is large. */
static double deviation(const double *values, size_t count) {
    const double mean = sum_of(values, count) / (double)count;
    double squares = 0;
    for (size_t i = 0; i < count; i++) squares += (values[i] - mean) * (values[i] - mean);
    return count > 1 ? sqrt(squares / (double)(count - 1)) : NAN;
}

/* `sorted` is. */
static double median(const double *sorted, size_t count) {
    const double low = sorted[(count - 1) / 2], high = sorted[count / 2];
    return low < high || low > high ? (low + high) / 2 : low; /* not the sum of two infinities */
}

double table_statistic(TableStatistic statistic, double *values, size_t count) {
    size_t there = 0;
    for (size_t i = 0; i < count; i++)
        if (!isnan(values[i])) values[there++] = values[i];
    if (statistic == STATISTIC_COUNT) return (double)there;
    if (there == 0) return NAN;
    if (statistic == STATISTIC_SUM) return sum_of(values, there);
    if (statistic == STATISTIC_MEAN) return sum_of(values, there) / (double)there;
    if (statistic == STATISTIC_STD) return deviation(values, there);
    qsort(values, there, sizeof *values, numbers_ascending);
    return statistic == STATISTIC_MIN   ? values[0]
           : statistic == STATISTIC_MAX ? values[there - 1]
                                        : median(values, there);
}

/* ---- groups ------------------------------------------------------------------------------------------------------ */

typedef struct Grouping {
    const Table *table;
    const TableGroup *group;
    const Column **by, **columns;
    size_t column_count;
    Keys keys;
    size_t *start, *rows; /* of group g: rows[start[g]] to rows[start[g + 1] - 1] */
    double *values;       /* of one column and group */
    Table *out;
} Grouping;

static bool is_key(const TableGroup *group, const char *name) {
    for (size_t k = 0; k < group->by_count; k++)
        if (strcmp(group->by[k], name) == 0) return true;
    return false;
}

static bool find_columns(Grouping *g, Error *err) {
    const TableGroup *group = g->group;
    g->by = mem_alloc(group->by_count, sizeof *g->by, err);
    g->columns = mem_alloc(group->column_count + g->table->column_count, sizeof *g->columns, err);
    if (!g->by || !g->columns) return false;
    for (size_t k = 0; k < group->by_count; k++)
        if (!(g->by[k] = table_need(g->table, group->called, group->by[k], err))) return false;
    for (size_t i = 0; i < group->column_count; i++) {
        const Column *column = table_need_numbers(g->table, group->called, group->columns[i], err);
        if (!column) return false;
        g->columns[g->column_count++] = column;
    }
    for (size_t c = 0; group->column_count == 0 && c < g->table->column_count; c++) {
        const Column *column = &g->table->columns[c];
        if (column->type != COLUMN_TEXT && !is_key(group, column->name)) g->columns[g->column_count++] = column;
    }
    return true;
}

static bool gather_rows(Grouping *g, Error *err) {
    const size_t rows = g->table->rows;
    if (!keys_number(&g->table, 1, g->by, g->group->by_count, &g->keys, err)) return false;
    g->start = mem_alloc((uint64_t)g->keys.count + 2, sizeof *g->start, err);
    g->rows = mem_alloc(rows, sizeof *g->rows, err);
    g->values = mem_alloc(rows, sizeof *g->values, err);
    if (!g->start || !g->rows || !g->values) return false;
    size_t *next = g->start + 1; /* where the next row of a group goes; in the end, where the group ends */
    for (size_t r = 0; r < rows; r++) next[g->keys.all[r] + 1]++;
    for (size_t k = 0; k < g->keys.count; k++) next[k + 1] += next[k];
    for (size_t r = 0; r < rows; r++) g->rows[next[g->keys.all[r]]++] = r;
    return true;
}

static bool lay_out(Grouping *g, Error *err) {
    Str name = {0};
    if (!(g->out = table_new(err))) return false;
    for (size_t k = 0; k < g->group->by_count; k++)
        table_column(g->out, g->by[k]->name, g->by[k]->unit, g->by[k]->type);
    name_unused(g->out, "count", &name);
    table_column(g->out, str_text(&name), "", COLUMN_INTEGER);
    for (size_t c = 0; c < g->column_count; c++) {
        for (size_t s = 0; s < g->group->take_count; s++) {
            const bool counts = g->group->take[s] == STATISTIC_COUNT;
            Str own = {0};
            str_addf(&own, "%s_%s", g->columns[c]->name, statistic_names[g->group->take[s]]);
            name.length = 0;
            name_unused(g->out, str_text(&own), &name);
            table_column(g->out, str_text(&name), counts ? "" : g->columns[c]->unit,
                         counts ? COLUMN_INTEGER : COLUMN_REAL);
            if (own.failed) g->out->failed = true;
            str_done(&own);
        }
    }
    if (name.failed) g->out->failed = true;
    str_done(&name);
    return true;
}

static void write_group(Grouping *g, size_t key) {
    const size_t *rows = g->rows + g->start[key], count = g->start[key + 1] - g->start[key];
    for (size_t k = 0; k < g->group->by_count; k++) cell_add(g->out, g->by[k]->type, g->by[k], rows[0]);
    table_integer(g->out, (int64_t)count);
    for (size_t c = 0; c < g->column_count; c++) {
        for (size_t s = 0; s < g->group->take_count; s++) {
            for (size_t i = 0; i < count; i++) g->values[i] = table_number(g->table, g->columns[c]->name, rows[i]);
            const double value = table_statistic(g->group->take[s], g->values, count);
            if (g->group->take[s] == STATISTIC_COUNT)
                table_integer(g->out, (int64_t)value);
            else
                table_real(g->out, value);
        }
    }
}

Table *table_group(const Table *table, const TableGroup *group, Error *err) {
    Grouping g = {.table = table, .group = group};
    bool ok = find_columns(&g, err) && gather_rows(&g, err) && lay_out(&g, err);
    for (size_t key = 0; ok && key < g.keys.count; key++) write_group(&g, key);
    notes_inherit(g.out, table, false);
    Table *out = ok ? table_finish(g.out, err) : NULL;
    if (!ok) table_free(g.out);
    mem_free(g.by);
    mem_free(g.columns);
    mem_free(g.start);
    mem_free(g.rows);
    mem_free(g.values);
    keys_done(&g.keys);
    return out;
}
