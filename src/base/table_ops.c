/* table_ops -- sorted, picked and stacked Tables; one more column. Joins and groups have files of their own. */
#include "weft/base/table_ops.h"

#include <math.h>
#include <string.h>

#include "table_keys.h"
#include "weft/base/error.h"
#include "weft/base/memory.h"
#include "weft/base/table.h"
#include "weft/base/text.h"

/* ---- columns ----------------------------------------------------------------------------------------------------- */

enum { NAMES_MOST = 64, LISTED_MOST = 24 };

/* The nearest name and the names, of the columns that hold numbers or of all. */
static bool unknown_column(const Table *table, const char *called, const char *wanted, bool numbers, Error *err) {
    const char *names[NAMES_MOST];
    size_t count = 0;
    Str owner = {0}, list = {0};
    for (size_t c = 0; c < table->column_count && count < NAMES_MOST; c++)
        if (!numbers || table->columns[c].type != COLUMN_TEXT) names[count++] = table->columns[c].name;
    for (size_t i = 0; i < count && i < LISTED_MOST; i++) str_addf(&list, "%s%s", i ? ", " : "", names[i]);
    if (count > LISTED_MOST) str_add(&list, ", ...");
    if (called) str_addf(&owner, "'%s'", called);
    const char *near = text_nearest(wanted, names, count);
    error_set(err, STATUS_USAGE, "%s has no column '%s'%s%s%s (%s%s)", called ? str_text(&owner) : "the table", wanted,
              near ? "; did you mean " : "", near ? near : "", near ? "?" : "",
              numbers ? "numbers: " : "columns: ", str_text(&list));
    str_done(&owner);
    str_done(&list);
    return false;
}

const Column *table_need(const Table *table, const char *called, const char *column, Error *err) {
    const Column *found = table_find(table, column);
    if (!found) unknown_column(table, called, column, false, err);
    return found;
}

const Column *table_need_numbers(const Table *table, const char *called, const char *column, Error *err) {
    const Column *found = table_find(table, column);
    if (!found) unknown_column(table, called, column, true, err);
    if (!found || found->type != COLUMN_TEXT) return found;
    error_set(err, STATUS_USAGE, "column '%s' holds texts, not numbers", column);
    return NULL;
}

/* ---- rows -------------------------------------------------------------------------------------------------------- */

static Table *like(const Table *table, Error *err) {
    Table *made = table_new(err);
    for (size_t c = 0; c < table->column_count; c++)
        table_column(made, table->columns[c].name, table->columns[c].unit, table->columns[c].type);
    return made;
}

Table *table_pick(const Table *table, const size_t *rows, size_t count, Error *err) {
    Table *picked = like(table, err);
    for (size_t i = 0; i < count; i++)
        for (size_t c = 0; c < table->column_count; c++)
            cell_add(picked, table->columns[c].type, &table->columns[c], rows[i]);
    notes_inherit(picked, table, count == table->rows);
    return table_finish(picked, err);
}

typedef struct SortBy {
    const Column **column;
    const TableOrder *orders;
    size_t count;
} SortBy;

static int compare_rows(const void *context, size_t a, size_t b) {
    const SortBy *by = context;
    for (size_t i = 0; i < by->count; i++) {
        const Column *column = by->column[i];
        const int order = cell_compare(column, a, column, b);
        const bool both = cell_there(column, a) && cell_there(column, b);
        if (order) return both && by->orders[i].descending ? -order : order;
    }
    return 0;
}

Table *table_sort(const Table *table, const char *called, const TableOrder *orders, size_t count, Error *err) {
    Table *sorted = NULL;
    size_t *rows = mem_alloc(table->rows, sizeof *rows, err);
    SortBy by = {mem_alloc(count, sizeof *by.column, err), orders, count};
    bool ok = rows && by.column;
    for (size_t i = 0; ok && i < count; i++) ok = (by.column[i] = table_need(table, called, orders[i].column, err));
    for (size_t r = 0; ok && r < table->rows; r++) rows[r] = r;
    if (ok && sort_stable(rows, table->rows, compare_rows, &by, err))
        sorted = table_pick(table, rows, table->rows, err);
    mem_free(by.column);
    mem_free(rows);
    return sorted;
}

/* ---- columns more ------------------------------------------------------------------------------------------------ */

Table *table_with(const Table *table, const char *name, const char *unit, ColumnType type, const Cell *cells,
                  Error *err) {
    Table *made = table_new(err);
    const Column fresh = {(char *)name, (char *)unit, type, (Cell *)cells}, *old = table_find(table, name);
    for (size_t c = 0; c < table->column_count + !old; c++) {
        const Column *column = c < table->column_count && &table->columns[c] != old ? &table->columns[c] : &fresh;
        table_column(made, column->name, column->unit, column->type);
    }
    for (size_t r = 0; r < table->rows; r++) {
        for (size_t c = 0; c < table->column_count + !old; c++) {
            const Column *column = c < table->column_count && &table->columns[c] != old ? &table->columns[c] : &fresh;
            cell_add(made, column->type, column, r);
        }
    }
    notes_inherit(made, table, true);
    return table_finish(made, err);
}

/* ---- stacks ------------------------------------------------------------------------------------------------------ */

/* Adds a column of one table to those of the stack, or checks that it goes together with the one of its name. */
static bool stack_column(Table *stack, const Column *column, const char *called, Error *err) {
    Column *same = (Column *)table_find(stack, column->name);
    if (!same) {
        table_column(stack, column->name, column->unit, column->type);
        return true;
    }
    if ((same->type == COLUMN_TEXT) != (column->type == COLUMN_TEXT))
        return error_set(err, STATUS_USAGE, "column '%s' holds %s in '%s', %s in the tables before it", column->name,
                         column->type == COLUMN_TEXT ? "texts" : "numbers", called,
                         column->type == COLUMN_TEXT ? "numbers" : "texts");
    if (strcmp(same->unit, column->unit) != 0)
        return error_set(err, STATUS_USAGE, "column '%s' has the unit '%s' in '%s', '%s' in the tables before it",
                         column->name, column->unit, called, same->unit);
    if (column->type == COLUMN_REAL) same->type = COLUMN_REAL;
    return true;
}

static bool stack_columns(Table *stack, const Table *const *tables, const char *const *names, size_t count,
                          const char *source, Error *err) {
    table_column(stack, source, "", COLUMN_TEXT);
    for (size_t t = 0; t < count; t++) {
        if (table_find(tables[t], source))
            return error_set(err, STATUS_USAGE, "'%s' has a column '%s' already; choose another name", names[t],
                             source);
        for (size_t c = 0; c < tables[t]->column_count; c++)
            if (!stack_column(stack, &tables[t]->columns[c], names[t], err)) return false;
    }
    for (size_t c = 1; c < stack->column_count; c++) /* an integer cannot be missing */
        for (size_t t = 0; t < count; t++)
            if (stack->columns[c].type == COLUMN_INTEGER && !table_find(tables[t], stack->columns[c].name))
                stack->columns[c].type = COLUMN_REAL;
    return true;
}

Table *table_stack(const Table *const *tables, const char *const *names, size_t count, const char *source, Error *err) {
    Table *stack = table_new(err);
    if (!stack) return NULL;
    if (!stack_columns(stack, tables, names, count, source, err)) {
        table_free(stack);
        return NULL;
    }
    for (size_t t = 0; t < count; t++) {
        for (size_t r = 0; r < tables[t]->rows; r++) {
            table_text(stack, names[t]);
            for (size_t c = 1; c < stack->column_count; c++)
                cell_add(stack, stack->columns[c].type, table_find(tables[t], stack->columns[c].name), r);
        }
    }
    notes_share(stack, tables, names, count);
    return table_finish(stack, err);
}
