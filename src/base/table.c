/* table -- building and reading tables. */
#include "table_keys.h"

#include "weft/base/error.h"
#include "weft/base/memory.h"
#include "weft/base/table.h"
#include "weft/base/table_ops.h"
#include "weft/base/text.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

Table *table_new(Error *err) {
    return mem_alloc(1, sizeof(Table), err);
}

void table_free(Table *table) {
    if (!table) return;
    for (size_t c = 0; c < table->column_count; c++) {
        Column *column = &table->columns[c];
        for (size_t r = 0; column->type == COLUMN_TEXT && column->cells && r < table->rows; r++) {
            mem_free(column->cells[r].text);
        }
        mem_free(column->cells);
        mem_free(column->name);
        mem_free(column->unit);
    }
    for (size_t i = 0; i < table->note_count; i++) {
        mem_free(table->notes[i].key);
        mem_free(table->notes[i].value);
    }
    mem_free(table->columns);
    mem_free(table->notes);
    mem_free(table);
}

static bool sound(const Table *table) {
    return table && !table->failed;
}

void table_column(Table *table, const char *name, const char *unit, ColumnType type) {
    Error ignored;
    if (!sound(table)) return;
    assert(table->rows == 0);
    size_t room = table->column_count;
    Column column = {mem_copy_text(name, &ignored), mem_copy_text(unit ? unit : "", &ignored), type, NULL};
    if (column.name && column.unit && mem_grow(&table->columns, &room, room + 1, sizeof column, &ignored)) {
        table->columns[table->column_count++] = column;
        return;
    }
    mem_free(column.name);
    mem_free(column.unit);
    table->failed = true;
}

/* Makes room for one more row in every column. */
static bool grow_rows(Table *table) {
    Error ignored;
    size_t room = table->cell_capacity;
    if (table->rows < room) return true;
    for (size_t c = 0; c < table->column_count; c++) {
        room = table->cell_capacity;
        if (!mem_grow(&table->columns[c].cells, &room, table->rows + 1, sizeof(Cell), &ignored)) return false;
    }
    table->cell_capacity = room;
    return true;
}

/* The next cell to fill, left to right; NULL once memory has run out. */
static Cell *next_cell(Table *table, ColumnType type) {
    if (!sound(table)) return NULL;
    assert(table->column_count > 0);
    if (table->rows == 0 || table->filled == table->column_count) {
        if (!grow_rows(table)) {
            table->failed = true;
            return NULL;
        }
        table->rows++;
        table->filled = 0;
    }
    Column *column = &table->columns[table->filled++];
    assert(column->type == type);
    (void)type;
    return &column->cells[table->rows - 1];
}

void table_text(Table *table, const char *text) {
    Error ignored;
    Cell *cell = next_cell(table, COLUMN_TEXT);
    if (!cell || !text) return;
    cell->text = mem_copy_text(text, &ignored);
    if (!cell->text) table->failed = true;
}

void table_integer(Table *table, int64_t value) {
    Cell *cell = next_cell(table, COLUMN_INTEGER);
    if (cell) cell->integer = value;
}

void table_real(Table *table, double value) {
    Cell *cell = next_cell(table, COLUMN_REAL);
    if (cell) cell->real = value;
}

static TableNote *find_note(const Table *table, const char *key) {
    for (size_t i = 0; i < table->note_count; i++) {
        if (strcmp(table->notes[i].key, key) == 0) return &table->notes[i];
    }
    return NULL;
}

void table_note(Table *table, const char *key, const char *format, ...) {
    if (!sound(table)) return;
    Error ignored;
    Str value = {0};
    va_list args;
    va_start(args, format);
    str_addv(&value, format, args);
    va_end(args);
    TableNote *note = find_note(table, key);
    size_t room = table->note_count;
    if (value.failed) goto failed;
    if (!note) {
        char *name = mem_copy_text(key, &ignored);
        if (!name || !mem_grow(&table->notes, &room, room + 1, sizeof *note, &ignored)) {
            mem_free(name);
            goto failed;
        }
        note = &table->notes[table->note_count++];
        *note = (TableNote){name, NULL};
    }
    mem_free(note->value);
    note->value = value.text;
    return;
failed:
    str_done(&value);
    table->failed = true;
}

Table *table_finish(Table *table, Error *err) {
    if (sound(table)) {
        assert(table->rows == 0 || table->filled == table->column_count);
        return table;
    }
    table_free(table);
    error_set(err, STATUS_LIMIT, "out of memory for a table");
    return NULL;
}

Table *table_copy(const Table *table, Error *err) {
    Table *copy = table_new(err);
    for (size_t c = 0; c < table->column_count; c++) {
        table_column(copy, table->columns[c].name, table->columns[c].unit, table->columns[c].type);
    }
    for (size_t i = 0; i < table->note_count; i++) table_note(copy, table->notes[i].key, "%s", table->notes[i].value);
    for (size_t r = 0; r < table->rows; r++) {
        for (size_t c = 0; c < table->column_count; c++) cell_add(copy, table->columns[c].type, &table->columns[c], r);
    }
    return table_finish(copy, err);
}

const Column *table_find(const Table *table, const char *name) {
    for (size_t c = 0; c < table->column_count; c++) {
        if (strcmp(table->columns[c].name, name) == 0) return &table->columns[c];
    }
    return NULL;
}

double table_number(const Table *table, const char *column, size_t row) {
    const Column *found = table_find(table, column);
    if (!found || found->type == COLUMN_TEXT || row >= table->rows) return NAN;
    return found->type == COLUMN_REAL ? found->cells[row].real : (double)found->cells[row].integer;
}

double table_latest(const Table *table, const char *column) {
    double value = NAN;
    for (size_t row = table->rows; row-- > 0 && isnan(value);) value = table_number(table, column, row);
    return value;
}

const char *table_get_note(const Table *table, const char *key) {
    const TableNote *note = find_note(table, key);
    return note ? note->value : NULL;
}

bool table_same_column(const Table *table, const char *a, const char *b) {
    for (size_t row = 0; row < table->rows; row++) {
        const double x = table_number(table, a, row), y = table_number(table, b, row);
        if (x < y || x > y || isnan(x) != isnan(y)) return false;
    }
    return true;
}

/* A number also where the text is what people are shown of it: of 0.30000000000000004 that is 0.3. */
static bool reads(const Column *column, size_t row, const char *text) {
    const Cell cell = column->cells[row];
    double number;
    char shown[32], asked[32];
    if (column->type == COLUMN_TEXT) return cell.text && strcmp(cell.text, text) == 0;
    if (!text_to_double(text, &number)) return false;
    if (column->type == COLUMN_INTEGER) return number == (double)cell.integer;
    snprintf(shown, sizeof shown, "%.6g", cell.real);
    snprintf(asked, sizeof asked, "%.6g", number);
    return number == cell.real || strcmp(shown, asked) == 0;
}

Table *table_where(const Table *table, const char *name, const char *text, Error *err) {
    const Column *column = table_need(table, NULL, name, err);
    if (!column) return NULL;
    Table *part = table_new(err);
    for (size_t c = 0; part && c < table->column_count; c++)
        table_column(part, table->columns[c].name, table->columns[c].unit, table->columns[c].type);
    for (size_t r = 0; part && r < table->rows; r++) {
        if (!reads(column, r, text)) continue;
        for (size_t c = 0; c < table->column_count; c++) cell_add(part, table->columns[c].type, &table->columns[c], r);
    }
    part = part ? table_finish(part, err) : NULL;
    if (!part || part->rows > 0) return part;
    table_free(part);
    error_set(err, STATUS_USAGE, "no row with '%s' in column '%s'", text, name);
    return NULL;
}

Table *table_filled(const Table *table, const char *needs, Error *err) {
    const Column *needed = needs ? table_find(table, needs) : NULL;
    bool *kept = mem_alloc(table->column_count, sizeof *kept, err);
    Table *filled = kept ? table_new(err) : NULL;
    for (size_t c = 0; filled && c < table->column_count; c++) {
        const Column *column = &table->columns[c];
        for (size_t r = 0; r < table->rows && !kept[c]; r++) kept[c] = cell_there(column, r);
        if (kept[c]) table_column(filled, column->name, column->unit, column->type);
    }
    for (size_t r = 0; filled && r < table->rows; r++) {
        if (needs && (!needed || !cell_there(needed, r))) continue;
        for (size_t c = 0; c < table->column_count; c++)
            if (kept[c]) cell_add(filled, table->columns[c].type, &table->columns[c], r);
    }
    mem_free(kept);
    return filled ? table_finish(filled, err) : NULL;
}
