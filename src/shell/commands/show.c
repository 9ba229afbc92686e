/* show -- what an object holds and how it was made; or the contents of a file. */
#include <math.h>
#include <string.h>

#include "../command.h"
#include "../dispatch.h"
#include "../paths.h"
#include "../session.h"
#include "../workspace.h"
#include "weft/base/dtype.h"
#include "weft/base/error.h"
#include "weft/base/memory.h"
#include "weft/base/table.h"
#include "weft/base/tensor.h"
#include "weft/base/text.h"

typedef struct Show {
    const char *name, *layers, *key;
    bool graph;
} Show;

static void shape_text(unsigned rank, const uint64_t *dim, Str *out) {
    for (unsigned i = 0; i < rank; i++) str_addf(out, "%s%llu", i ? "x" : "", (unsigned long long)dim[i]);
    if (!rank) str_add(out, "scalar");
}

/* Notes of one key that there may be several of: "lineage_1", "lineage_2". A table holds one note a key. */
static void numbered_note(Table *table, const char *key, size_t index, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
static void numbered_note(Table *table, const char *key, size_t index, const char *format, ...) {
    Str name = {0}, value = {0};
    va_list args;
    va_start(args, format);
    str_addv(&value, format, args);
    va_end(args);
    str_addf(&name, "%s_%zu", key, index + 1);
    table_note(table, str_text(&name), "%s", str_text(&value));
    str_done(&name);
    str_done(&value);
}

static void add_history(Table *table, const KeyValue *lineage, size_t lineage_count, const KeyValue *notes,
                        size_t note_count) {
    for (size_t i = 0; i < lineage_count; i++) {
        const KeyValue *entry = &lineage[i];
        bool named =
            strncmp(entry->value, entry->key, strlen(entry->key)) == 0; /* a command begins with its own name */
        numbered_note(table, "lineage", i, "%s%s%s", named ? "" : entry->key, named ? "" : " ", entry->value);
    }
    for (size_t i = 0; i < note_count; i++) numbered_note(table, notes[i].key, i, "%s", notes[i].value);
}

/* Of a quantised network: how many bits its activations have. */
static void note_quantisers(Table *table, const Network *network) {
    unsigned least = QUANTISER_BITS_MAX, most = 0;
    for (size_t i = 0; network->graph && i < network->graph->count; i++) {
        const Op *op = &network->graph->ops[i];
        if (op->kind != OP_QUANTISE) continue;
        if (op->quantiser.bits < least) least = op->quantiser.bits;
        if (op->quantiser.bits > most) most = op->quantiser.bits;
    }
    if (most == 0) return;
    if (least == most)
        table_note(table, "quantisers", "%zu of activations, %u bits", network_quantisers(network), most);
    else
        table_note(table, "quantisers", "%zu of activations, %u to %u bits", network_quantisers(network), least, most);
}

static Table *layer_table(const Network *network, const bool *chosen, Error *err) {
    Table *table = table_new(err);
    bool integers = false;
    if (!table) return NULL;
    for (size_t i = 0; i < network->layer_count; i++) integers = integers || network->layers[i].bits > 0;
    table_column(table, "layer", "", COLUMN_TEXT);
    table_column(table, "kind", "", COLUMN_TEXT);
    table_column(table, "shape", "", COLUMN_TEXT);
    table_column(table, "parameters", "", COLUMN_INTEGER);
    table_column(table, "predicted", "", COLUMN_TEXT);
    if (integers) table_column(table, "bits", "", COLUMN_INTEGER);
    uint64_t predicted = 0, layers = 0;
    for (size_t i = 0; i < network->layer_count; i++) {
        const Layer *layer = &network->layers[i];
        const Tensor *weight = layer_weight(network, layer);
        if (layer->predicted) predicted += weight->count, layers++;
        if (!chosen[i]) continue;
        Str shape = {0};
        shape_text(weight->rank, weight->dim, &shape);
        table_text(table, layer->name);
        table_text(table, layer_kind_name(layer->kind));
        table_text(table, str_text(&shape));
        table_integer(table, (int64_t)weight->count);
        table_text(table, layer->predicted ? "yes" : "no");
        if (integers) table_integer(table, layer->bits > 0 ? layer->bits : 32);
        str_done(&shape);
    }
    table_note(table, "architecture", "%s", network->architecture ? network->architecture : "not recognised");
    table_note(table, "parameters", "%llu in %zu tensors", (unsigned long long)network_parameters(network),
               network->tensor_count);
    table_note(table, "predicted", "%llu weights in %llu layers", (unsigned long long)predicted,
               (unsigned long long)layers);
    if (network->normalisation.channels) {
        Str text = {0};
        network_normalisation(network, &text);
        table_note(table, "normalisation", "%s", str_text(&text));
        str_done(&text);
    }
    note_quantisers(table, network);
    add_history(table, network->lineage, network->lineage_count, network->notes, network->note_count);
    return table_finish(table, err);
}

static Table *kernel_table(const Predictor *p, Error *err) {
    Table *table = predictor_table(p, err);
    if (!table) return NULL;
    add_history(table, p->lineage, p->lineage_count, p->notes, p->note_count);
    return table_finish(table, err);
}

static Table *dataset_table(const Dataset *data, Error *err) {
    uint64_t *counts = mem_alloc(data->classes, sizeof *counts, err);
    Table *table = counts ? table_new(err) : NULL;
    if (table) {
        for (uint64_t i = 0; data->labels && i < data->count; i++) counts[data->labels[i]]++;
        table_column(table, "class", "", COLUMN_INTEGER);
        table_column(table, "name", "", COLUMN_TEXT);
        table_column(table, "images", "", COLUMN_INTEGER);
        for (unsigned c = 0; c < data->classes; c++) {
            table_integer(table, c);
            table_text(table, data->class_names ? data->class_names[c] : NULL);
            table_integer(table, (int64_t)counts[c]);
        }
        table_note(table, "title", "%s", data->title);
        table_note(table, "spec", "%s", data->spec);
        table_note(table, "images", "%llu of %ux%ux%u", (unsigned long long)data->count, data->channels, data->height,
                   data->width);
        table = table_finish(table, err);
    }
    mem_free(counts);
    return table;
}

/* Only the header of the file is read. */
static Table *file_table(const char *path, const char *key, Error *err) {
    Checkpoint *checkpoint = checkpoint_open_key(path, key, err);
    Table *table = checkpoint ? table_new(err) : NULL;
    if (table) {
        uint64_t elements = 0;
        table_column(table, "tensor", "", COLUMN_TEXT);
        table_column(table, "dtype", "", COLUMN_TEXT);
        table_column(table, "shape", "", COLUMN_TEXT);
        table_column(table, "elements", "", COLUMN_INTEGER);
        for (size_t i = 0; i < checkpoint_count(checkpoint); i++) {
            const CheckpointTensor *tensor = checkpoint_tensor(checkpoint, i);
            Str shape = {0};
            shape_text(tensor->rank, tensor->dim, &shape);
            table_text(table, tensor->name);
            table_text(table, dtype_name(tensor->dtype));
            table_text(table, str_text(&shape));
            table_integer(table, (int64_t)tensor->count);
            elements += tensor->count;
            str_done(&shape);
        }
        table_note(table, "format", "%s", checkpoint_format(checkpoint));
        table_note(table, "elements", "%llu in %zu tensors", (unsigned long long)elements,
                   checkpoint_count(checkpoint));
        for (size_t i = 0; i < checkpoint_note_count(checkpoint); i++)
            numbered_note(table, "note", i, "%s", checkpoint_note(checkpoint, i));
        for (size_t i = 0; i < checkpoint_metadata_count(checkpoint); i++) {
            const KeyValue *entry = checkpoint_metadata(checkpoint, i);
            table_note(table, entry->key, "%s", entry->value);
        }
        table = table_finish(table, err);
    }
    checkpoint_close(checkpoint);
    return table;
}

static Table *network_table(const Network *network, const Show *o, Error *err) {
    if (o->graph) return network_graph_table(network, err);
    bool none = network->layer_count == 0 && !o->layers; /* its totals are worth showing */
    bool *chosen = none ? mem_alloc(0, 1, err) : choose_layers(network, o->layers, CHOOSE_LAYERS, err);
    Table *table = chosen ? layer_table(network, chosen, err) : NULL;
    mem_free(chosen);
    return table;
}

/* The tensors of a file, or with --layers and --graph the network in it. */
static Table *shown_file(const char *path, const Show *o, Error *err) {
    if (!o->layers && !o->graph) return file_table(path, o->key, err);
    const NetworkOptions how = {.key = o->key, .lazy = true};
    Network *network = network_load(path, &how, err);
    Table *table = network ? network_table(network, o, err) : NULL;
    network_free(network);
    return table;
}

static bool show_command(Session *session, const Args *args, Result *result, Error *err) {
    const Show *o = args->options;
    const char *name = o->name;
    const Object *object = workspace_find(session, name);
    result->transient = !args_given(args, "as");
    const char *asked = o->layers ? "layers" : o->graph ? "graph" : NULL;
    const bool file = !object && strpbrk(name, "./~:");
    if (asked && !file && (!object || object->kind != OBJECT_NETWORK))
        return error_set(err, STATUS_USAGE, "--%s needs a network; '%s' is none of the workspace (load net opens one)",
                         asked, name);
    if (o->key && !file) return error_set(err, STATUS_USAGE, "--key needs a file; '%s' is not one", name);
    if (object && object->kind == OBJECT_NETWORK) {
        result->table = network_table(object->network, o, err);
    } else if (object && object->kind == OBJECT_PREDICTOR) {
        const Network *source = object->predictor->source;
        if (source && !network_hold(source, name, &session->task, err)) return false;
        result->table = kernel_table(object->predictor, err);
        if (source) network_unhold(source);
        if (object->predictor->source) result_chart(result, CHART_BARS, "layer", "rms_error", "Errors of %s", name);
    } else if (object && object->kind == OBJECT_DATASET) {
        result->table = dataset_table(object->dataset, err);
    } else if (object) {
        result->table = table_copy(object->table, err);
        result->encoding = object->encoding;
        result->plots = object->plots;
    } else if (file) {
        Str path = {0};
        if (path_find(name, &path, err)) result->table = shown_file(str_text(&path), o, err);
        str_done(&path);
    } else {
        workspace_any(session, name, err);
    }
    return result->table != NULL;
}

static const Setting positionals[] = {
    WORD(Show, name, SHOWN, "NAME", NULL, .help = "an object of the workspace, or a checkpoint file by its path"), {0}};
static const Setting options[] = {
    WORD(Show, layers, LAYERS, "layers", "SEL", .excludes = "graph",
         .help = "only these layers of a network (help selectors)"),
    FLAG(Show, graph, "graph",
         .help = "show a network's operations: output shapes, parameters, multiply-adds per image"),
    WORD(Show, key, TEXT, "key", "PATH", .help = "only the state dict at this dotted path of a PyTorch file"),
    {0}};
static const char *const examples[] = {"show base",
                                       "show base --graph",
                                       "show smooth --layers stage:2",
                                       "show sample:fashion-resnet20 --layers stage:3",
                                       "show pred",
                                       "show test",
                                       "show last",
                                       NULL};

const Command command_show = {
    .name = "show",
    .group = "Objects",
    .summary = "Show what an object holds and how it was made",
    .description =
        "For a network: its layers with name, shape, parameters, whether a weight predictor predicts them, and "
        "bits if quantised; totals, normalisation and lineage. --graph lists its operations in order.\n\n"
        "For a predictor: the layers it predicts with their errors, sizes, compression ratios (help cr), settings "
        "and lineage. For a dataset: its classes. For a table: its rows. For a file: its tensors, read from the "
        "header alone, and the state dicts that --key selects from; with --layers or --graph, the network in it.",
    .size = sizeof(Show),
    .positionals = positionals,
    .options = ONE_GROUP(options),
    .examples = examples,
    .run = show_command,
    .streams = true,
    .table = true,
};
