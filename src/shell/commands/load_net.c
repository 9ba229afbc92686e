/* load net -- a checkpoint into the workspace. */
#include "../session.h"
#include "weft/base/error.h"
#include "weft/base/table.h"
#include "weft/base/text.h"

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

static bool run(Session *session, const Args *args, Result *result, Error *err) {
    Str path = {0}, graph = {0};
    NetworkOptions options = {.architecture = args_text(args, "arch"),
                              .prefix = args_text(args, "prefix"),
                              .normalise = args_text(args, "normalise"),
                              .key = args_text(args, "key")};
    result->name = args_text(args, "NAME");
    bool ok = workspace_accepts(session, result->name, OBJECT_NETWORK, err) &&
              path_find(args_text(args, "FILE"), &path, err) &&
              (!args_text(args, "graph") || path_find(args_text(args, "graph"), &graph, err));
    if (graph.length > 0) options.graph = str_text(&graph);
    ok = ok && (result->network = network_load(str_text(&path), &options, err)) &&
         lineage_say(&result->network->lineage[result->network->lineage_count - 1], args->line, err) &&
         (result->table = network_summary(result->name, result->network, err));
    result->transient = true;
    for (size_t i = 0; ok && i < result->network->note_count; i++)
        output_add_note(&result->message, result->network->notes[i].key, result->network->notes[i].value);
    if (ok && result->network->normalise_why) {
        str_add(&result->message, "normalisation: ");
        network_normalisation(result->network, &result->message);
        str_add(&result->message, "; --normalise sets another\n");
    }
    if (ok && result->network->why_unknown)
        str_addf(&result->message,
                 "architecture not recognised (%s): every analysis of weights works, evaluate does not\n",
                 result->network->why_unknown);
    str_done(&path);
    str_done(&graph);
    return ok;
}

static const ArgSpec positionals[] = {{.name = "NAME", .kind = ARG_NEW, .help = "what to call it"},
                                      {.name = "FILE", .kind = ARG_FILE, .help = "a checkpoint, or sample:NAME"},
                                      {0}};
#define X(name, channels, means, stds) "|" name
#define Y(name, channels, means, stds) " " name ","
static const ArgSpec options[] = {
    {.name = "arch",
     .kind = ARG_FAMILY,
     .value = "ARCH",
     .help = "insist on an architecture: FAMILY[:VARIANT] (help architectures), or FILE.lua, a definition of your own"},
    {.name = "prefix",
     .kind = ARG_TEXT,
     .value = "P",
     .help = "take the tensors whose names begin with P, and remove it; by default the prefix under which an "
             "architecture fits"},
    {.name = "key",
     .kind = ARG_TEXT,
     .value = "PATH",
     .help = "take the state dict at this dotted path of a PyTorch file, such as state_dict_ema; show FILE lists them"},
    {.name = "graph",
     .kind = ARG_FILE,
     .value = "MODEL.onnx",
     .help = "take the graph from this ONNX file and the weights from FILE"},
    {.name = "normalise",
     .kind = ARG_TEXT,
     .choices = &(NORMALISATIONS(X))[1],
     .value = "MEAN/STD",
     .help =
         "input normalisation:" NORMALISATIONS(Y) " or means/deviations such as .286/.353; default: that of the file, "
                                                  "else assumed"},
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
    .positionals = positionals,
    .options = options,
    .examples = examples,
    .run = run,
};
