/* join -- tables side by side, matched by columns, or one below the other. */
#include "../sheet.h"
#include "weft/base/error.h"
#include "weft/base/memory.h"

typedef struct Join {
    SettingList tables;
    const char *by, *columns, *stack;
    TableKeep keep;
} Join;

static bool join_command(Session *session, const Args *args, Result *result, Error *err) {
    (void)session;
    const Join *o = args->options;
    if (o->tables.count < 2) return error_set(err, STATUS_USAGE, "join needs two tables or more");
    if (!o->by && !o->stack)
        return error_set(err, STATUS_USAGE,
                         "join needs --by COLUMN (side by side) or --stack NAME (one below the other)");
    Sheet *sheets = mem_alloc(o->tables.count, sizeof *sheets, err), joined;
    if (!sheets) return false;
    for (size_t t = 0; t < o->tables.count; t++) sheets[t] = sheet_of(o->tables.item[t]);
    const SheetJoin join = {.sheets = sheets,
                            .count = o->tables.count,
                            .by = o->by,
                            .columns = o->columns,
                            .stack = o->stack,
                            .keep = o->keep};
    const bool ok = sheet_join(&join, &joined, err);
    if (ok) sheet_result(&joined, result);
    mem_free(sheets);
    return ok;
}

static const Setting positionals[] = {LIST(Join, tables, TABLE, "TABLE", .help = "two tables or more"), {0}};
static const Setting options[] = {
    WORD(Join, by, COLUMN, "by", "COLUMNS", .excludes = "stack",
         .help = "columns that identify a row, separated by commas; all tables have them"),
    WORD(Join, columns, COLUMN, "columns", "COLUMNS", .excludes = "stack", .usual = "all",
         .help = "which other columns to take, separated by commas"),
    CHOICE(Join, keep, "keep", "ROWS", TABLE_KEEPS, .excludes = "stack", .standard = "common",
           .help = "rows that are in every table, those of the first table, or all"),
    WORD(Join, stack, TEXT, "stack", "NAME",
         .help = "put the tables one below the other; a new column NAME holds each row's table"),
    {0}};
static const char *const examples[] = {"join one two --by layer --columns s_ratio --as both",
                                       "join one two --stack network", NULL};

const Command command_join = {
    .name = "join",
    .group = "Tables",
    .summary = "Put tables side by side, matched by columns, or below each other",
    .description =
        "--by matches rows by the values of columns. A column that several tables have gets each table's name: s_ratio_one, "
        "s_ratio_two. Rows stand in the order of the first table. --keep common is SQL's inner join, first its left join, "
        "all its full join; missing cells are empty. Rows that are left out are counted under the table. If a value occurs in "
        "several rows of both tables, every combination is a row, as in SQL.\n\n"
        "--stack puts tables of the same columns below each other. Columns are matched by name. `plot` draws a series "
        "for each table. In Lua: t:join(u, \"layer\"). See help tables.",
    .size = sizeof(Join),
    .positionals = positionals,
    .options = ONE_GROUP(options),
    .examples = examples,
    .prelude = "sratio base --as one; sratio smooth --as two",
    .run = join_command,
    .table = true,
};
