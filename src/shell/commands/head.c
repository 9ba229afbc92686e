/* head -- the first or last rows of a table. */
#include "../sheet.h"
#include "weft/base/error.h"

typedef struct Head {
    const Object *table;
    uint64_t count;
    bool tail;
} Head;

static bool head_command(Session *session, const Args *args, Result *result, Error *err) {
    (void)session;
    const Head *o = args->options;
    const Sheet from = sheet_of(o->table);
    Sheet head;
    if (!sheet_head(&from, o->count, o->tail, &head, err)) return false;
    sheet_result(&head, result);
    return true;
}

static const Setting positionals[] = {OBJECT(Head, table, TABLE, "TABLE", NULL, .help = "the table"),
                                      INTEGER(Head, count, "N", NULL, .max = SETTING_NO_LIMIT, .standard = "10",
                                              .optional = true, .help = "number of rows"),
                                      {0}};
static const Setting options[] = {FLAG(Head, tail, "tail", .help = "take the last rows instead"), {0}};
static const char *const examples[] = {"head change 3", "head change 2 --tail --as rest", NULL};

const Command command_head = {
    .name = "head",
    .group = "Tables",
    .summary = "Take the first rows of a table, or the last",
    .description = "In Lua: t:head(3), t:tail(2). See help tables.",
    .size = sizeof(Head),
    .positionals = positionals,
    .options = ONE_GROUP(options),
    .examples = examples,
    .prelude = "sratio base --vs smooth --as change",
    .run = head_command,
    .table = true,
};
