/* ls -- the objects of the workspace. */
#include "../session.h"
#include "../workspace.h"
#include "weft/base/error.h"
#include "weft/base/table.h"
#include "weft/base/text.h"

static void describe(const Object *object, Table *table) {
    Str what = {0};
    table_text(table, object->name);
    table_text(table, object_kind_name(object->kind));
    if (object->kind == OBJECT_NETWORK) {
        const Network *network = object->network;
        str_addf(&what, "%s, %llu parameters",
                 network->architecture ? network->architecture : "architecture not recognised",
                 (unsigned long long)network_parameters(network));
        table_text(table, str_text(&what));
        table_text(table, network->lineage_count ? network->lineage[network->lineage_count - 1].value : "");
    } else if (object->kind == OBJECT_PREDICTOR) {
        const Predictor *p = object->predictor;
        str_addf(&what, "hidden %u, %zu layers predicted, %zu parameters", p->config.hidden, p->layer_count,
                 p->parameter_count);
        table_text(table, str_text(&what));
        table_text(table, p->lineage_count ? p->lineage[p->lineage_count - 1].value : "");
    } else if (object->kind == OBJECT_DATASET) {
        table_text(table, object->dataset->title);
        table_text(table, object->dataset->spec);
    } else {
        const char *command = table_get_note(object->table, "command");
        str_addf(&what, "%zu rows, %zu columns", object->table->rows, object->table->column_count);
        table_text(table, str_text(&what));
        table_text(table, command ? command : "");
    }
    str_done(&what);
}

static bool ls_command(Session *session, const Args *args, Result *result, Error *err) {
    Table *table = table_new(err);
    if (!table) return false;
    table_column(table, "name", "", COLUMN_TEXT);
    table_column(table, "kind", "", COLUMN_TEXT);
    table_column(table, "what", "", COLUMN_TEXT);
    table_column(table, "made_by", "", COLUMN_TEXT);
    for (size_t i = 0; i < session->object_count; i++) describe(session->objects[i], table);
    if (!session->object_count) str_add(&result->message, "nothing loaded yet (help start)");
    result->transient = !args_given(args, "as");
    return (result->table = table_finish(table, err)) != NULL;
}

static const char *const examples[] = {"ls", NULL};

const Command command_ls = {
    .name = "ls",
    .group = "Objects",
    .summary = "List the objects in the workspace",
    .examples = examples,
    .run = ls_command,
    .table = true,
};
