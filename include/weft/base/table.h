/* table -- the one result type: named, typed columns with units, and notes. */
#ifndef WEFT_TABLE_H
#define WEFT_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "weft/base/error.h"
#include "weft/base/text.h"

typedef enum ColumnType { COLUMN_TEXT, COLUMN_INTEGER, COLUMN_REAL } ColumnType;
typedef union Cell {
    char *text; /* owned by the table; NULL prints as empty */
    int64_t integer;
    double real; /* NaN prints as empty in text and Markdown, "nan" in CSV/TSV, null in JSON */
} Cell;
typedef struct Column {
    char *name, *unit; /* unit "" where there is none; "%" prints with three decimals */
    ColumnType type;
    Cell *cells; /* table->rows of them */
} Column;
typedef struct TableNote {
    char *key, *value;
} TableNote;
typedef struct Table {
    Column *columns;
    size_t column_count, rows;
    TableNote *notes; /* the command, the objects it used, the seed; in the order added */
    size_t note_count;
    size_t cell_capacity, filled; /* building: cells per column allocated; cells filled of the last row */
    bool failed;                  /* building: memory ran out */
} Table;

/* Building: columns first, then cells row by row, left to right; a row begins with its first cell. Failures stick and
 * table_finish reports them, so the calls between need no checks. A cell of the wrong type for its column is a
 * programming error (assert). */
Table *table_new(Error *err);
void table_column(Table *table, const char *name, const char *unit, ColumnType type);
void table_text(Table *table, const char *text);
void table_integer(Table *table, int64_t value);
void table_real(Table *table, double value);
void table_note(Table *table, const char *key, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* Returns `table` when complete; else frees it, sets *err and returns NULL. */
Table *table_finish(Table *table, Error *err);
void table_free(Table *table);
Table *table_copy(const Table *table, Error *err);

const Column *table_find(const Table *table, const char *name); /* NULL if absent */
double table_number(const Table *table, const char *column,
                    size_t row);                             /* integer or real cell; NaN for text or absent */
double table_latest(const Table *table, const char *column); /* of the last row that has a value; NaN: none has */
const char *table_get_note(const Table *table, const char *key);
/* A copy without the columns that have no value in any row. Where `needs` is given, rows without a value in that column
 * are left out too. Notes are not copied. */
Table *table_filled(const Table *table, const char *needs, Error *err);
/* A copy with only the rows in which a column reads `text`, as its text or as its number to six digits. Notes are not
 * copied. STATUS_USAGE if there is no such column or row. */
Table *table_where(const Table *table, const char *column, const char *text, Error *err);
/* True if two columns show the same numbers, absent ones included. */
bool table_same_column(const Table *table, const char *a, const char *b);

#define TABLE_FORMATS(X) X(TEXT, "table") X(CSV, "csv") X(TSV, "tsv") X(JSON, "json") X(MARKDOWN, "md")
typedef enum TableFormat {
#define X(name, text) TABLE_##name,
    TABLE_FORMATS(X)
#undef X
} TableFormat;
/* TEXT has aligned columns for people: numbers right, units in the heading. Where width > 0 it takes at most `width`
 * columns of the terminal: texts are shortened so that different ones stay different, and a line under the rows names
 * the columns that did not fit; a single row that is too wide stands as a line for each column. Numbers of TEXT and
 * MARKDOWN have as many digits as mean something. CSV (RFC 4180, lines ending in \n) and TSV are a heading, then rows;
 * their numbers have all digits (%.9g, or more where that does not read back equal). JSON is
 * {"notes":{},"columns":[{name,unit,type}],"rows":[{...}]}; notes that are numbers are numbers in it, NaN and
 * infinities are null. Only TEXT escapes text for terminals. */
void table_write(const Table *table, TableFormat format, size_t width, Str *out);
/* TEXT with the first `head` and the last `tail` rows only; between them stands how many are left out. */
void table_write_part(const Table *table, size_t width, size_t head, size_t tail, Str *out);
/* One cell as TEXT shows it. */
void table_cell_text(const Table *table, size_t column, size_t row, Str *out);

#endif
