/* filter -- the rows of a table for which a Lua expression is true. */
#include "../sheet.h"
#include "weft/base/error.h"
#include "weft/base/text.h"

typedef struct Filter {
    const Object *table;
    SettingList words;
} Filter;

static bool filter_command(Session *session, const Args *args, Result *result, Error *err) {
    const Filter *o = args->options;
    const Sheet from = sheet_of(o->table);
    Sheet filtered;
    Str expression = {0};
    for (size_t i = 0; i < o->words.count; i++)
        str_addf(&expression, "%s%s", i ? " " : "", (const char *)o->words.item[i]);
    const bool ok = str_ok(&expression, err) && sheet_filter(session, &from, str_text(&expression), &filtered, err);
    str_done(&expression);
    if (ok) sheet_result(&filtered, result);
    return ok;
}

static const Setting positionals[] = {
    OBJECT(Filter, table, TABLE, "TABLE", NULL, .help = "the table"),
    LIST(Filter, words, COLUMN, "EXPR", .help = "a Lua expression over the columns, such as \"s_ratio > 0.8\""),
    {0}};
static const char *const examples[] = {"filter change difference > 0.03",
                                       "filter change \"difference > 0.02 and layer:match('layer3')\" --as high", NULL};

const Command command_filter = {
    .name = "filter",
    .group = "Tables",
    .summary = "Keep the rows of a table for which an expression is true",
    .description =
        "EXPR is Lua. Columns are variables, and row[\"NAME\"] is a column whose name is not a Lua name. Other names are "
        "Lua's own and your variables. Enclose an expression with texts in double quotes, and its texts in single ones. "
        "Lua writes == for equal, ~= for not equal, and, or, not.\n\n"
        "A missing number is NaN: no comparison with it holds but ~=, and x == x holds where x is not missing. A "
        "missing text is ''. In Lua: t:filter(\"s_ratio > 0.8\"), or t:filter(function(row) return row.s_ratio > 0.8 "
        "end). See help tables.",
    .size = sizeof(Filter),
    .positionals = positionals,
    .examples = examples,
    .prelude = "sratio base --vs smooth --as change",
    .run = filter_command,
    .table = true,
};
