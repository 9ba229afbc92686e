/* table_keys -- cells, rows and keys of Tables, for the operations on them. Private to src/base. */
#ifndef WEFT_BASE_TABLE_KEYS_H
#define WEFT_BASE_TABLE_KEYS_H

#include "weft/base/error.h"
#include "weft/base/table.h"

bool cell_there(const Column *column, size_t row); /* not missing */
/* Appends a cell to a column of `type`, which may be REAL where `from` holds integers; from NULL: a missing one (not
 * into INTEGER). */
void cell_add(Table *to, ColumnType type, const Column *from, size_t row);
/* Equal cells give 0, missing ones are equal to each other and above all others. Numbers compare as numbers. */
int cell_compare(const Column *a, size_t row_a, const Column *b, size_t row_b);

/* Sorts `items` by `compare`, stable. False if memory ran out. */
typedef int ItemCompare(const void *context, size_t a, size_t b);
bool sort_stable(size_t *items, size_t count, ItemCompare *compare, const void *context, Error *err);

/* Numbers the keys of several tables: rows with equal cells in all of `by` get the same number, from 0 in the order of
 * first occurrence. ids[t] points to the numbers of table t's rows. */
typedef struct Keys {
    size_t *all; /* of all rows of all tables; owned */
    size_t **ids;
    size_t count; /* of different keys */
} Keys;
/* by[t * by_count + b]: column b of the key in table t. */
bool keys_number(const Table *const *tables, size_t table_count, const Column *const *by, size_t by_count, Keys *out,
                 Error *err);
void keys_done(Keys *keys);

/* Which notes a Table takes over: see table_ops.h. */
void notes_inherit(Table *to, const Table *from, bool all_rows);
void notes_share(Table *to, const Table *const *tables, const char *const *names, size_t count);

/* `name`, or with _2, _3, ... behind it the first that the table does not have yet. Appended. */
void name_unused(const Table *table, const char *name, Str *out);

#endif
