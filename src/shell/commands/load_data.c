/* load data -- labelled images into the workspace. */
#include <stdio.h>
#include <string.h>

#include "../command.h"
#include "../workspace.h"
#include "weft/base/error.h"
#include "weft/base/table.h"
#include "weft/base/text.h"

typedef struct LoadData {
    const char *name, *spec, *classes;
    uint64_t limit;
    bool skip_broken, partial;
} LoadData;

/* The flags belong to the specification: so a run that opens its data again does it in the same way. */
static bool full_spec(const Args *args, Str *out, Error *err) {
    const LoadData *o = args->options;
    const char *spec = o->spec, *classes = o->classes;
    const bool images = strncmp(spec, "images:", 7) == 0, cifar10 = strncmp(spec, "cifar10:", 8) == 0;
    if (classes && !images) return error_set(err, STATUS_USAGE, "--classes needs images:DIR, not '%s'", spec);
    if (o->skip_broken && !images)
        return error_set(err, STATUS_USAGE, "--skip-broken needs images:DIR, not '%s'", spec);
    if (o->partial && !cifar10) return error_set(err, STATUS_USAGE, "--partial needs cifar10:DIR:PART, not '%s'", spec);
    str_add(out, spec);
    if (o->partial) str_add(out, ":partial");
    if (o->skip_broken) str_add(out, ":skip-broken");
    if (classes) str_addf(out, ":classes=%s", classes);
    return str_ok(out, err);
}

static bool load_data_command(Session *session, const Args *args, Result *result, Error *err) {
    const LoadData *o = args->options;
    result->name = o->name;
    result->receipt = true;
    if (!workspace_accepts(session, result->name, OBJECT_DATASET, err)) return false;
    Str spec = {0};
    if (full_spec(args, &spec, err)) result->dataset = dataset_load(str_text(&spec), o->limit, err);
    str_done(&spec);
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

static const Setting positionals[] = {WORD(LoadData, name, NEW, "NAME", NULL, .help = "name of the dataset"),
                                      WORD(LoadData, spec, SPEC, "SPEC", NULL, .help = "which images (help data)"),
                                      {0}};
static const Setting options[] = {
    INTEGER(LoadData, limit, "limit", "N", .min = 1, .max = 1e15, .usual = "all", .help = "only the first N images"),
    WORD(LoadData, classes, FILE, "classes", "FILE", .usual = "their order",
         .help = "images:DIR: file that assigns classes to folders (help data)"),
    FLAG(LoadData, skip_broken, "skip-broken", .help = "images:DIR: skip unreadable files, and count them"),
    FLAG(LoadData, partial, "partial", .help = "cifar10:DIR: use the batches that exist if one is missing"),
    {0}};
static const char *const examples[] = {"load data few sample:fashion-test --limit 100", NULL};

const Command command_load_data = {
    .name = "load data",
    .group = "Objects",
    .summary = "Open a dataset of images",
    .size = sizeof(LoadData),
    .positionals = positionals,
    .options = ONE_GROUP(options),
    .examples = examples,
    .run = load_data_command,
};
