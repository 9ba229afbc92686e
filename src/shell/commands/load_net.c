/* load net -- a checkpoint into the workspace. */
#include "../apply.h"
#include "../command.h"
#include "../output.h"
#include "../paths.h"
#include "../workspace.h"
#include "weft/base/error.h"
#include "weft/base/table.h"
#include "weft/base/text.h"

typedef struct LoadNet {
    const char *name, *file, *architecture, *prefix, *key, *graph, *normalise;
} LoadNet;

static Table *network_summary(const char *name, const Network *network, Error *err) {
    size_t convolutions = 0;
    for (size_t i = 0; i < network->layer_count; i++) convolutions += layer_kind_axes(network->layers[i].kind) > 0;
    Table *table = table_new(err);
    if (!table) return NULL;
    table_column(table, "network", "", COLUMN_TEXT);
    table_column(table, "architecture", "", COLUMN_TEXT);
    table_column(table, "layers", "", COLUMN_INTEGER);
    table_column(table, "convolutions", "", COLUMN_INTEGER);
    table_column(table, "parameters", "", COLUMN_INTEGER);
    table_text(table, name);
    table_text(table, network->architecture ? network->architecture : "not recognised");
    table_integer(table, (int64_t)network->layer_count);
    table_integer(table, (int64_t)convolutions);
    table_integer(table, (int64_t)network_parameters(network));
    return table_finish(table, err);
}

/* A network that cannot run: why, and what its weights still allow. */
static void say_unknown(const Network *network, Str *out) {
    str_addf(out, "architecture not recognised (%s)\n", network->why_unknown);
    if (network->layer_count == 0)
        str_add(out, "no layers found: no tensor has the name and shape of a layer's weight (help layers)\n");
    else
        str_addf(out, "%zu layers found: analyses of their weights work, evaluate does not\n", network->layer_count);
}

static bool load_net_command(Session *session, const Args *args, Result *result, Error *err) {
    Str path = {0}, graph = {0};
    const LoadNet *o = args->options;
    NetworkOptions how = {
        .architecture = o->architecture, .prefix = o->prefix, .normalise = o->normalise, .key = o->key, .lazy = true};
    result->name = o->name;
    result->receipt = true;
    bool ok = workspace_accepts(session, result->name, OBJECT_NETWORK, err) && path_find(o->file, &path, err) &&
              (!o->graph || path_find(o->graph, &graph, err));
    if (graph.length > 0) how.graph = str_text(&graph);
    ok = ok && (result->network = network_load(str_text(&path), &how, err)) &&
         lineage_say(&result->network->lineage[result->network->lineage_count - 1], args->line, err) &&
         (result->table = network_summary(result->name, result->network, err));
    result->transient = true;
    for (size_t i = 0; ok && i < result->network->note_count; i++)
        output_add_note(&result->message, result->network->notes[i].key, result->network->notes[i].value);
    if (ok && result->network->normalise_why) {
        str_add(&result->message, "normalisation: ");
        network_normalisation(result->network, &result->message);
        str_add(&result->message, "; change it with --normalise\n");
    }
    if (ok && result->network->why_unknown) say_unknown(result->network, &result->message);
    str_done(&path);
    str_done(&graph);
    return ok;
}

static const Setting positionals[] = {WORD(LoadNet, name, NEW, "NAME", NULL, .help = "name of the network"),
                                      WORD(LoadNet, file, FILE, "FILE", NULL, .help = "a checkpoint, or sample:NAME"),
                                      {0}};
#define X(name, channels, means, stds) name,
#define Y(name, channels, means, stds) " " name ","
static const Setting options[] = {
    WORD(LoadNet, architecture, FAMILY, "arch", "ARCH", .usual = "recognised",
         .help = "require an architecture: FAMILY[:VARIANT] (help architectures), or FILE.lua, a definition of your "
                 "own"),
    WORD(LoadNet, prefix, TEXT, "prefix", "P", .usual = "the prefix with which an architecture matches",
         .help = "take only the tensors whose names begin with P, and remove it from them"),
    WORD(LoadNet, key, TEXT, "key", "PATH",
         .help = "take the state dict at this dotted path of a PyTorch file, such as state_dict_ema; show FILE lists "
                 "them"),
    WORD(LoadNet, graph, FILE, "graph", "MODEL.onnx",
         .help = "take the graph from this ONNX file and the weights from FILE"),
    WORD(LoadNet, normalise, TEXT, "normalise", "MEAN/STD", .choices = (const char *const[]){NORMALISATIONS(X) NULL},
         .usual = "that of the file, otherwise assumed",
         .help = "input normalisation:" NORMALISATIONS(Y) " or means/deviations such as .286/.353"),
    {0}};
#undef X
#undef Y
static const char *const examples[] = {"load net other sample:fashion-resnet8 --normalise fashion-mnist",
                                       "load net insisted sample:fashion-resnet8 --arch resnet-cifar", NULL};

const Command command_load_net = {
    .name = "load net",
    .group = "Objects",
    .summary = "Open a trained network",
    .description =
        "Reads safetensors, PyTorch checkpoints (.pth, .th, whole modules, the weights of TorchScript archives), "
        "the shard indexes of both, ONNX (help onnx), npz and npy. No code in a file is executed.\n\n"
        "The architecture is recognised from the names and shapes of the tensors (help architectures). If it is "
        "not recognised, every analysis of the weights still works. Weights stored in parts (weight norm, "
        "spectral norm, pruning) are combined, with a note. Another note lists the tensors that do not count as "
        "layers (help layers).\n\n"
        "The input normalisation comes from the file's metadata or from tensors such as normalize.mean and "
        "normalize.std. Otherwise it is assumed from names, channels and classes, and a note gives the reason. "
        "--normalise sets another one.",
    .size = sizeof(LoadNet),
    .positionals = positionals,
    .options = ONE_GROUP(options),
    .examples = examples,
    .run = load_net_command,
};
