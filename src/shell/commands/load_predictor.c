/* load predictor -- a weight predictor into the workspace. */
#include <string.h>

#include "../session.h"
#include "weft/base/error.h"
#include "weft/base/memory.h"
#include "weft/base/table.h"
#include "weft/base/text.h"

static Table *summary(const char *name, const Predictor *p, Error *err) {
    Table *table = table_new(err);
    if (!table) return NULL;
    table_column(table, "predictor", "", COLUMN_TEXT);
    table_column(table, "hidden", "", COLUMN_INTEGER);
    table_column(table, "layers", "", COLUMN_INTEGER);
    table_column(table, "kernels", "", COLUMN_INTEGER);
    table_column(table, "parameters", "", COLUMN_INTEGER);
    table_column(table, "source", "", COLUMN_TEXT);
    table_text(table, name);
    table_integer(table, p->config.hidden);
    table_integer(table, (int64_t)p->layer_count);
    table_integer(table, (int64_t)p->kernel_count);
    table_integer(table, (int64_t)p->parameter_count);
    table_text(table, p->source ? "known" : "not known");
    return table_finish(table, err);
}

/* The settings that a checkpoint of the reference implementation does not hold; false where none is given. */
static bool settings(const Args *args, PredictorConfig *config) {
    static const char *const names[] = {"base", "levels", "normalise-indices", "permutation", "activation"};
    bool given = false;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) given = given || args_value(args, names[i])->given;
    config->base = args_real(args, "base");
    config->levels = (unsigned)args_integer(args, "levels");
    config->normalisation = (IndexNormalisation)args_choice(args, "normalise-indices");
    if (args_text(args, "permutation")) config->permutation = (PermutationKind)args_choice(args, "permutation");
    config->activation = (PredictorActivation)args_choice(args, "activation");
    return given;
}

/* Without --for: the network of the workspace whose weights it was made for, if there is one. */
static bool find_source(const Session *session, Predictor *p, Str *message, Error *err) {
    for (size_t i = 0; !p->source && p->fingerprint[0] && i < session->object_count; i++) {
        const Object *object = session->objects[i];
        char fingerprint[FINGERPRINT_MAX];
        Error other;
        if (object->kind != OBJECT_NETWORK ||
            !predictor_fingerprint(object->network, p->layers, p->layer_count, fingerprint, &other) ||
            strcmp(fingerprint, p->fingerprint) != 0)
            continue;
        if (!predictor_attach(p, object->network, err)) return false;
        str_addf(message, "made for the weights of %s\n", object->name);
    }
    return true;
}

static bool run(Session *session, const Args *args, Result *result, Error *err) {
    Str path = {0};
    bool *chosen = NULL;
    PredictorConfig config = predictor_config();
    PredictorOptions options = {.source = args_network(args, "for"),
                                .key = args_text(args, "key"),
                                .usual_order = !args_text(args, "permutation")};
    result->name = args_text(args, "NAME");
    result->transient = true;
    if (settings(args, &config)) options.config = &config;
    bool ok = workspace_accepts(session, result->name, OBJECT_PREDICTOR, err) &&
              path_find(args_text(args, "FILE"), &path, err);
    if (ok && args_text(args, "layers")) {
        if (!options.source) ok = error_set(err, STATUS_USAGE, "--layers needs --for NET, whose layers it chooses");
        chosen = ok ? args_layers(args, options.source, true, err) : NULL;
        ok = chosen != NULL;
        options.chosen = chosen;
    }
    Predictor *p = ok ? predictor_load(str_text(&path), &options, &session->task, err) : NULL;
    result->predictor = p;
    ok = p && find_source(session, p, &result->message, err) &&
         lineage_say(&p->lineage[p->lineage_count - 1], args->line, err) &&
         (result->table = summary(result->name, p, err));
    for (size_t i = 0; ok && i < p->note_count; i++)
        output_add_note(&result->message, p->notes[i].key, p->notes[i].value);
    mem_free(chosen);
    str_done(&path);
    return ok;
}

#define X(name, text) "|" text
static const ArgSpec positionals[] = {
    {.name = "NAME", .kind = ARG_NEW, .help = "what to call it"},
    {.name = "FILE", .kind = ARG_FILE, .help = "a predictor saved by weft or PyTorch, or sample:NAME"},
    {0}};
static const ArgSpec options[] = {
    {.name = "for",
     .kind = ARG_NETWORK,
     .value = "NET",
     .help = "the network it was made for (found by itself where the workspace has it)"},
    {.name = "layers",
     .kind = ARG_LAYERS,
     .value = "SEL",
     .help = "the layers it predicts (help selectors), of a PyTorch checkpoint; by default those of the architecture"},
    {.name = "key",
     .kind = ARG_TEXT,
     .value = "PATH",
     .help = "take the state dict at this dotted path of a PyTorch file; show FILE lists them"},
    {.name = "base", .kind = ARG_REAL, .value = "B", .standard = "0.76", .above_min = true, .help = "of the encoding"},
    {.name = "levels",
     .kind = ARG_INTEGER,
     .value = "N",
     .standard = "40",
     .min = 1,
     .max = 1000,
     .help = "of the encoding: 2 N inputs an index"},
    {.name = "normalise-indices",
     .kind = ARG_CHOICE,
     .value = "HOW",
     .standard = "none",
     .choices = &(INDEX_NORMALISATIONS(X))[1],
     .help = "what indices are divided by before they are encoded: nothing, the layer's sizes, the largest sizes"},
    {.name = "permutation",
     .kind = ARG_CHOICE,
     .value = "ORDER",
     .choices = &(PERMUTATIONS(X))[1],
     .help =
         "the order of kernels by which they are encoded (in-filter; cross-filter above 5 million predicted weights)"},
    {.name = "activation",
     .kind = ARG_CHOICE,
     .value = "NAME",
     .standard = "relu",
     .choices = &(PREDICTOR_ACTIVATIONS(X))[1],
     .help = "between its linear layers"},
    {0}};
#undef X
static const char *const examples[] = {"load predictor p sample:fashion-resnet8-predictor --for base", NULL};

const Command command_load_predictor = {
    .name = "load predictor",
    .group = "Objects",
    .summary = "Open a weight predictor",
    .description =
        "A weight predictor (help nern) is a small MLP that maps a kernel's position (layer, filter, channel) to "
        "the kernel.\n\n"
        "Files saved by weft are self-describing. --for NET attaches the network, which `reconstruct` and error "
        "columns need. A PyTorch checkpoint of the reference implementation (layers.N.weight, "
        "final_linear_layer.weight) holds only weights. It requires --for, and the other options give its "
        "settings; its permutation is recomputed from NET's weights.",
    .positionals = positionals,
    .options = options,
    .examples = examples,
    .run = run,
};
