/* sort -- a table's rows in the order of some columns. */
#include "../sheet.h"
#include "weft/base/error.h"

typedef struct Sort {
    const Object *table;
    SettingList columns;
    bool descending;
} Sort;

static bool sort_command(Session *session, const Args *args, Result *result, Error *err) {
    (void)session;
    const Sort *o = args->options;
    const Sheet from = sheet_of(o->table);
    Sheet sorted;
    if (!sheet_sort(&from, (const char *const *)o->columns.item, o->columns.count, o->descending, &sorted, err))
        return false;
    sheet_result(&sorted, result);
    return true;
}

static const Setting positionals[] = {
    OBJECT(Sort, table, TABLE, "TABLE", NULL, .help = "the table"),
    LIST(Sort, columns, COLUMN, "COLUMN", .help = "columns to sort by, the first one first; -COLUMN is descending"),
    {0}};
static const Setting options[] = {
    FLAG(Sort, descending, "descending", .help = "sort by all columns in descending order"), {0}};
static const char *const examples[] = {"sort change difference --descending",
                                       "sort change -difference layer --as ranked", NULL};

const Command command_sort = {
    .name = "sort",
    .group = "Tables",
    .summary = "Sort the rows of a table",
    .description =
        "Equal rows keep their order. Texts sort naturally: layer2 comes before layer10. Missing values are last, "
        "also in descending order. In Lua: t:sort(\"-difference\", \"layer\"). See help tables.",
    .size = sizeof(Sort),
    .positionals = positionals,
    .options = ONE_GROUP(options),
    .examples = examples,
    .prelude = "sratio base --vs smooth --as change",
    .run = sort_command,
    .table = true,
};
