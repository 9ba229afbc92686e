/* table -- a graph as a table: what each operation does, gives and costs. */
#include "net/internal.h"
#include "weft/base/error.h"
#include "weft/base/memory.h"
#include "weft/base/table.h"
#include "weft/base/text.h"

/* ---- cells ------------------------------------------------------------------------------------------------------- */

/* "3x3", or "3" where both are equal. */
static void add_pair(Str *out, const char *name, const unsigned pair[2], unsigned usual) {
    if (pair[0] == usual && pair[1] == usual) return;
    str_addf(out, "%s%s%u", out->length > 0 ? ", " : "", name, pair[0]);
    if (pair[1] != pair[0]) str_addf(out, "x%u", pair[1]);
}

static void add_sides(Str *out, const unsigned sides[4]) {
    const bool mirrored = sides[0] == sides[2] && sides[1] == sides[3];
    if (mirrored)
        add_pair(out, "padding ", sides, 0);
    else
        str_addf(out, "%spadding %u,%u,%u,%u", out->length > 0 ? ", " : "", sides[0], sides[1], sides[2], sides[3]);
}

/* "3x3, stride 2, padding 1, groups 32" */
static void add_settings(Str *out, const Op *op) {
    if (op->kernel[0] > 0) str_addf(out, "%ux%u", op->kernel[0], op->kernel[1]);
    if (op->stride[0] > 0) add_pair(out, "stride ", op->stride, 1);
    add_sides(out, op->padding);
    if (op->kind == OP_CONV) add_pair(out, "dilation ", op->dilation, 1);
    if (op->groups > 1) str_addf(out, "%sgroups %u", out->length > 0 ? ", " : "", op->groups);
    if (op->kind == OP_ADAPTIVE_POOL) str_addf(out, "to %ux%u", op->size[0], op->size[1]);
    if (op->kind == OP_SLICE) str_addf(out, "channels %u to %u", op->offset, op->offset + op->out_channels - 1);
    if (op->kind == OP_SHORTCUT_A && op->offset > 0) str_addf(out, ", %u zero channels first", op->offset);
    if (op->ceiling) str_add(out, ", rounded up");
    if (op->exclude_padding) str_add(out, ", padding left out");
    if (op->kind == OP_BATCH_NORM) str_addf(out, "epsilon %g", (double)op->epsilon);
    if (op->kind == OP_LEAKY_RELU) str_addf(out, "slope %g", (double)op->slope);
    if (op->kind == OP_QUANTISE) str_addf(out, "%u bits", op->quantiser.bits);
}

static void text_cell(Table *table, Str *text) {
    table_text(table, str_text(text));
    str_done(text);
}

/* ---- costs ------------------------------------------------------------------------------------------------------- */

/* A tensor that several operations share counts where it is first read. */
static uint64_t new_parameters(const Network *network, int tensor, bool *counted) {
    if (tensor == NO_TENSOR || counted[tensor]) return 0;
    counted[tensor] = true;
    return network_trainable(network, (size_t)tensor) ? network->tensors[tensor].tensor->count : 0;
}

static uint64_t multiply_adds(const Network *network, const Op *op, Shape out) {
    if (op_class(op->kind) != CLASS_WEIGHTS) return 0;
    return network->tensors[op->weight].tensor->count * out.height * out.width;
}

/* ---- the table --------------------------------------------------------------------------------------------------- */

static void add_columns(Table *table) {
    table_column(table, "number", "", COLUMN_INTEGER);
    table_column(table, "operation", "", COLUMN_TEXT);
    table_column(table, "kind", "", COLUMN_TEXT);
    table_column(table, "input", "", COLUMN_TEXT);
    table_column(table, "settings", "", COLUMN_TEXT);
    table_column(table, "output", "", COLUMN_TEXT);
    table_column(table, "place", "", COLUMN_TEXT);
    table_column(table, "parameters", "", COLUMN_INTEGER);
    table_column(table, "multiply_adds", "", COLUMN_INTEGER);
}

/* The numbers of the operations that it reads. */
static void input_cell(Table *table, const Op *op) {
    Str text = {0};
    for (unsigned j = 0; j < op_inputs(op->kind); j++) str_addf(&text, "%s%d", j ? "," : "", op->input[j]);
    text_cell(table, &text);
}

static void add_row(Table *table, size_t number, const Op *op, Shape out, uint64_t parameters, uint64_t macs) {
    Str settings = {0}, shape = {0}, place = {0};
    add_settings(&settings, op);
    str_addf(&shape, "%ux%ux%u", out.channels, out.height, out.width);
    if (op->stage > 0) str_addf(&place, "%u", op->stage);
    if (op->stage > 0 && op->block > 0) str_addf(&place, ".%u", op->block - 1);
    table_integer(table, (int64_t)number);
    table_text(table, op->name);
    table_text(table, op_name(op->kind));
    input_cell(table, op);
    text_cell(table, &settings);
    text_cell(table, &shape);
    text_cell(table, &place);
    table_integer(table, (int64_t)parameters);
    table_integer(table, (int64_t)macs);
}

static Table *fill_table(const Network *network, const Shape *shapes, bool *counted, Error *err) {
    const Graph *graph = network->graph;
    Table *table = table_new(err);
    uint64_t all_parameters = 0, all_macs = 0;
    if (!table) return NULL;
    add_columns(table);
    for (size_t i = 0; i < graph->count; i++) {
        const Op *op = &graph->ops[i];
        const uint64_t parameters =
            new_parameters(network, op->weight, counted) + new_parameters(network, op->bias, counted);
        const uint64_t macs = multiply_adds(network, op, shapes[i]);
        add_row(table, i, op, shapes[i], parameters, macs);
        all_parameters += parameters;
        all_macs += macs;
    }
    table_note(table, "architecture", "%s", network->architecture ? network->architecture : "not recognised");
    table_note(table, "input", "%ux%ux%u", graph->in_channels, graph->height, graph->width);
    table_note(table, "operations", "%zu", graph->count);
    table_note(table, "parameters", "%llu", (unsigned long long)all_parameters);
    table_note(table, "multiply_adds", "%llu per image", (unsigned long long)all_macs);
    return table_finish(table, err);
}

Table *network_graph_table(const Network *network, Error *err) {
    const Graph *graph = network->graph;
    if (!graph) {
        error_set(err, STATUS_FAILED, "the architecture is unknown: %s",
                  network->why_unknown ? network->why_unknown : "nothing in the file tells");
        return NULL;
    }
    Shape *shapes = mem_alloc(graph->count, sizeof *shapes, err);
    bool *counted = shapes ? mem_alloc(network->tensor_count, sizeof *counted, err) : NULL;
    Table *table = counted && graph_find_shapes(graph, graph->height, graph->width, shapes, err)
                       ? fill_table(network, shapes, counted, err)
                       : NULL;
    mem_free(counted);
    mem_free(shapes);
    return table;
}
