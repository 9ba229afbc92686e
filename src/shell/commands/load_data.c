/* load data -- labelled images into the workspace. */
#include "../session.h"

static bool run(Session *session, const Args *args, Result *result, Error *err) {
    result->name = args_text(args, "NAME");
    if (!workspace_accepts(session, result->name, OBJECT_DATASET, err)) return false;
    uint64_t limit = args_text(args, "limit") ? args_integer(args, "limit") : 0;
    result->dataset = dataset_load(args_text(args, "SPEC"), limit, err);
    const Dataset *data = result->dataset;
    Table *table = data ? table_new(err) : NULL;
    if (!table) return false;
    table_column(table, "dataset", "", COLUMN_TEXT);
    table_column(table, "title", "", COLUMN_TEXT);
    table_column(table, "images", "", COLUMN_INTEGER);
    table_column(table, "size", "", COLUMN_TEXT);
    table_column(table, "classes", "", COLUMN_INTEGER);
    char size[64];
    snprintf(size, sizeof size, "%ux%ux%u", data->channels, data->height, data->width);
    table_text(table, result->name);
    table_text(table, data->title);
    table_integer(table, (int64_t)data->count);
    table_text(table, size);
    table_integer(table, data->classes);
    result->table = table_finish(table, err);
    result->transient = true;
    return result->table != NULL;
}

static const ArgSpec positionals[] = {{.name = "NAME", .kind = ARG_NEW, .help = "what to call it"},
                                      {.name = "SPEC", .kind = ARG_SPEC, .help = "which images (help data)"},
                                      {0}};
static const ArgSpec options[] = {
    {.name = "limit", .kind = ARG_INTEGER, .value = "N", .min = 1, .max = 1e15, .help = "only the first N images"},
    {0}};
static const char *const examples[] = {"load data few sample:fashion-test --limit 100", NULL};

const Command command_load_data = {
    .name = "load data",
    .group = "Objects",
    .summary = "opens labelled images",
    .positionals = positionals,
    .options = options,
    .examples = examples,
    .run = run,
};
