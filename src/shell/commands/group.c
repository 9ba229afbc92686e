/* group -- statistics of groups of a table's rows. */
#include "../sheet.h"
#include "weft/base/error.h"

typedef struct Group {
    const Object *table;
    const char *by, *columns, *take;
} Group;

static bool group_command(Session *session, const Args *args, Result *result, Error *err) {
    (void)session;
    const Group *o = args->options;
    const Sheet from = sheet_of(o->table);
    Sheet grouped;
    if (!sheet_group(&from, o->by, o->columns, o->take, &grouped, err)) return false;
    sheet_result(&grouped, result);
    return true;
}

static const Setting positionals[] = {OBJECT(Group, table, TABLE, "TABLE", NULL, .help = "the table"), {0}};
static const Setting options[] = {
    WORD(Group, by, COLUMN, "by", "COLUMNS", .required = true,
         .help = "columns whose equal values form a group, separated by commas"),
    WORD(Group, take, TEXT, "take", "LIST", .standard = "mean", .choices = SETTING_NAMES(TABLE_STATISTICS),
         .help = "statistics, separated by commas: mean, std, min, max, median, sum, count"),
    WORD(Group, columns, COLUMN, "columns", "COLUMNS", .usual = "all that hold numbers",
         .help = "which columns to describe, separated by commas"),
    {0}};
static const char *const examples[] = {"group all --by layer",
                                       "group all --by network --take mean,std,max --columns s_ratio", NULL};

const Command command_group = {
    .name = "group",
    .group = "Tables",
    .summary = "Describe groups of rows by their means and other statistics",
    .description =
        "The result has one row per group, in the order in which the groups first occur: the columns of --by, `count` (the number "
        "of rows) and COLUMN_STATISTIC, such as accuracy_mean. Missing values are ignored. std is the standard "
        "deviation of a sample (n - 1); it is missing for a single value. With --take mean,std, `plot` draws the means with their "
        "deviations. In Lua: t:group(\"layer\", \"mean,std\"). See help tables.",
    .size = sizeof(Group),
    .positionals = positionals,
    .options = ONE_GROUP(options),
    .examples = examples,
    .prelude = "sratio base --as one; sratio smooth --as two; join one two --stack network --as all",
    .run = group_command,
    .table = true,
};
