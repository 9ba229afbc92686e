/* table_ops -- Tables from Tables: sorted, picked, joined, stacked, grouped, with one more column.
 *
 * Every function returns a new Table that the caller frees, and leaves its sources as they are. NULL where it fails:
 * STATUS_USAGE names a column that is absent or has the wrong type, STATUS_LIMIT means that memory ran out. Names and
 * units of columns stay. A missing cell is a NULL text or a NaN.
 *
 * Notes: `from` says how the sources were made: their own `from`, then " | " and their `command`. The other notes are
 * kept as they are where all rows are kept. Of some rows, and of groups, only notes that are texts, and `seed`, are
 * kept: a note like `mean` would be about other rows. A join or a stack keeps the texts that all its tables agree on.
 */
#ifndef WEFT_TABLE_OPS_H
#define WEFT_TABLE_OPS_H

#include "weft/base/error.h"
#include "weft/base/table.h"

/* The column, or NULL with STATUS_USAGE: "'r' has no column 'laier'; did you mean layer? (layer, s_ratio)". `called`
 * is the table's name, NULL: it has none. */
const Column *table_need(const Table *table, const char *called, const char *column, Error *err);
/* The same for a column of numbers. */
const Column *table_need_numbers(const Table *table, const char *called, const char *column, Error *err);

/* The rows with these indices, in this order; an index may come again. */
Table *table_pick(const Table *table, const size_t *rows, size_t count, Error *err);

/* A column to sort by. */
typedef struct TableOrder {
    const char *column;
    bool descending;
} TableOrder;
/* All rows, by the first column, then by the second among equals, and so on. Stable. Texts sort naturally, so that
 * layer2 comes before layer10: runs of digits by value, all else by bytes. Missing cells are last either way. */
Table *table_sort(const Table *table, const char *called, const TableOrder *orders, size_t count, Error *err);

/* How texts sort; below, equal to or above 0. */
int table_natural_order(const char *a, const char *b);

/* The table with one more column, or with another one in the place of the column of this name. cells: table->rows
 * of them, copied. */
Table *table_with(const Table *table, const char *name, const char *unit, ColumnType type, const Cell *cells,
                  Error *err);

/* Which rows a join keeps: those whose key is in every table; all of the first table; all. Where a table has no such
 * row its cells are missing, and its integers become reals, which can be missing. */
#define TABLE_KEEPS(X) X(COMMON, "common") X(FIRST, "first") X(ALL, "all")
typedef enum TableKeep {
#define X(name, text) KEEP_##name,
    TABLE_KEEPS(X)
#undef X
} TableKeep;
typedef struct TableJoin {
    const Table *const *tables;
    const char *const *names; /* of the tables, for columns and errors */
    size_t count;             /* of the tables, 1 or more */
    const char *const *by;    /* columns that all tables have, texts or numbers in all of them */
    size_t by_count;
    const char *const *columns; /* the other columns to take, each from the tables that have it */
    size_t column_count;        /* 0: take all */
    TableKeep keep;
} TableJoin;
/* The key columns once, then the others of each table in order. A column that several tables have gets each table's
 * name behind it (s_ratio_base, s_ratio_smooth; characters that a Lua name cannot have become _). Rows stand in the
 * order of the first table; what only later tables have comes behind. A key that stands in several rows of both
 * tables gives every combination, as in SQL; missing keys are equal to each other, as in dplyr and pandas. The note
 * `unmatched` counts the rows of each table that are not in the result, `repeated` names the first key that several
 * tables have more than once. STATUS_LIMIT if the result would exceed the memory budget. */
Table *table_join(const TableJoin *join, Error *err);

/* The rows of all tables, one table after the other, with a first column `source` that holds the table's name. The
 * columns are matched by name; where a table lacks one, its cells are missing. */
Table *table_stack(const Table *const *tables, const char *const *names, size_t count, const char *source, Error *err);

/* std: the standard deviation of a sample, sqrt(sum (x - mean)^2 / (n - 1)); median: the mean of the two values in the
 * middle where n is even; count: the values that are there. */
#define TABLE_STATISTICS(X) \
    X(MEAN, "mean")         \
    X(STD, "std") X(MIN, "min") X(MAX, "max") X(MEDIAN, "median") X(SUM, "sum") X(COUNT, "count")
typedef enum TableStatistic {
#define X(name, text) STATISTIC_##name,
    TABLE_STATISTICS(X)
#undef X
        STATISTIC_KINDS
} TableStatistic;
/* Of the values that are not NaN; NaN where there are too few (count: 0). Reorders `values`. */
double table_statistic(TableStatistic statistic, double *values, size_t count);

typedef struct TableGroup {
    const char *called;         /* the table's name for errors, NULL: none */
    const char *const *by;      /* key columns; a group for each combination of their values, missing ones included */
    size_t by_count;            /* 0: one group of all rows */
    const char *const *columns; /* columns of numbers to describe; */
    size_t column_count;        /* 0: all that are no key */
    const TableStatistic *take;
    size_t take_count;
} TableGroup;
/* One row a group, in the order in which the groups first occur: the keys, `count` (rows of the group), then for each
 * column and each statistic COLUMN_STATISTIC, in the column's unit: accuracy_mean, accuracy_std. */
Table *table_group(const Table *table, const TableGroup *group, Error *err);

#endif
