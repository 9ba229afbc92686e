/* sheet -- a table with the chart that it draws, and the commands on tables: one implementation for words and Lua.
 * Private to src/shell. */
#ifndef WEFT_SHELL_SHEET_H
#define WEFT_SHELL_SHEET_H

#include "weft/base/error.h"
#include "weft/base/table.h"
#include "weft/base/table_ops.h"
#include "weft/chart.h"

#include "command.h"
#include "words.h"

/* Who holds it says whether the table is owned. */
typedef struct Sheet {
    Table *table;
    Encoding encoding;
    bool plots;    /* the encoding is set */
    char name[72]; /* that columns of a join bear, and errors; "" where there is none */
} Sheet;
void sheet_name(Sheet *sheet, const char *name);
Sheet sheet_of(const Object *object);                  /* borrowed */
void sheet_result(const Sheet *sheet, Result *result); /* given to the result of a command */

/* "layer,stage" as words. STATUS_USAGE, naming `what`, where a name is empty or given twice. */
bool sheet_list(const char *text, const char *what, Words *out, Error *err);

/* Each makes *out, whose table the caller frees. The chart is that of the first source, as far as the result has its
 * columns; a guess otherwise. Errors as in weft/base/table_ops.h. */

/* By these columns; one that begins with - is descending, and with `descending` the others are too. */
bool sheet_sort(const Sheet *from, const char *const *columns, size_t count, bool descending, Sheet *out, Error *err);
/* The first rows, or the last. */
bool sheet_head(const Sheet *from, uint64_t count, bool tail, Sheet *out, Error *err);
bool sheet_pick(const Sheet *from, const size_t *rows, size_t count, Sheet *out, Error *err);

typedef struct SheetJoin {
    const Sheet *sheets; /* with names */
    size_t count;
    const char *by, *columns; /* with commas between; columns NULL: all */
    const char *stack;        /* the name of the column of names; NULL: side by side */
    TableKeep keep;
} SheetJoin;
/* Side by side, the chart draws the column of all tables; stacked, a series for each table. */
bool sheet_join(const SheetJoin *join, Sheet *out, Error *err);

/* by, columns, take: with commas between; columns NULL: all that hold numbers. The chart draws means, with standard
 * deviations where both were taken. */
bool sheet_group(const Sheet *from, const char *by, const char *columns, const char *take, Sheet *out, Error *err);

/* The rows for which a Lua expression over the columns is true. */
bool sheet_filter(Session *session, const Sheet *from, const char *expression, Sheet *out, Error *err);

#endif
