/* load predictor -- a weight predictor into the workspace. */
#include <string.h>

#include "../apply.h"
#include "../output.h"
#include "../paths.h"
#include "../session.h"
#include "../workspace.h"
#include "weft/base/error.h"
#include "weft/base/memory.h"
#include "weft/base/table.h"
#include "weft/base/text.h"

typedef struct LoadPredictor {
    PredictorConfig config;
    const char *name, *file, *layers, *key;
    const Object *network;
} LoadPredictor;

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

/* Whether something is given that a checkpoint of the reference implementation does not hold. */
static bool says_settings(const Args *args) {
    bool given = false;
    for (const Setting *row = predictor_settings; row->name; row++) given = given || args_given(args, row->name);
    return given;
}

/* Whether it was made for the weights of this network, which it knows then. */
static bool try_source(const Object *object, Predictor *p, Str *message, Error *err) {
    char fingerprint[FINGERPRINT_MAX];
    Error other;
    if (!predictor_fingerprint(object->network, p->layers, p->layer_count, fingerprint, &other) ||
        strcmp(fingerprint, p->fingerprint) != 0)
        return true;
    if (!predictor_attach(p, object->network, err)) return false;
    str_addf(message, "predicts the weights of %s\n", object->name);
    return true;
}

/* Without --for: the network of the workspace whose weights it was made for, if there is one. */
static bool find_source(const Session *session, Predictor *p, Str *message, Error *err) {
    for (size_t i = 0; !p->source && p->fingerprint[0] && i < session->object_count; i++) {
        const Object *object = session->objects[i];
        Error other; /* too large a network is not the one */
        if (object->kind != OBJECT_NETWORK || !network_hold(object->network, object->name, &session->task, &other))
            continue;
        const bool done = try_source(object, p, message, err);
        network_unhold(object->network);
        if (!done) return false;
    }
    return true;
}

static bool load_predictor_command(Session *session, const Args *args, Result *result, Error *err) {
    Str path = {0};
    bool *chosen = NULL;
    const LoadPredictor *o = args->options;
    PredictorOptions how = {.source = object_network(o->network),
                            .key = o->key,
                            .config = says_settings(args) ? &o->config : NULL,
                            .usual_order = !args_given(args, "permutation")};
    result->name = o->name;
    result->receipt = true;
    result->transient = true;
    bool ok = workspace_accepts(session, result->name, OBJECT_PREDICTOR, err) && path_find(o->file, &path, err);
    if (ok && o->layers) {
        how.chosen = chosen = choose_layers(how.source, o->layers, CHOOSE_CONVOLUTIONS, err);
        ok = chosen != NULL;
    }
    Predictor *p = ok ? predictor_load(str_text(&path), &how, &session->task, err) : NULL;
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

static const Setting positionals[] = {
    WORD(LoadPredictor, name, NEW, "NAME", NULL, .help = "name of the predictor"),
    WORD(LoadPredictor, file, FILE, "FILE", NULL, .help = "a predictor saved by weft or PyTorch, or sample:NAME"),
    {0}};
static const Setting own[] = {
    OBJECT(LoadPredictor, network, NETWORK, "for", "NET", .usual = "found automatically if it is in the workspace",
           .help = "the network it was made for"),
    WORD(LoadPredictor, layers, LAYERS, "layers", "SEL", .usual = "those of the architecture", .needs = "for",
         .help = "layers that a PyTorch checkpoint predicts (help selectors)"),
    WORD(LoadPredictor, key, TEXT, "key", "PATH",
         .help = "take the state dict at this dotted path of a PyTorch file; show FILE lists them"),
    {0}};
static const SettingGroup options[] = {{own, 0}, {predictor_settings, offsetof(LoadPredictor, config)}, {NULL, 0}};
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
    .size = sizeof(LoadPredictor),
    .positionals = positionals,
    .options = options,
    .examples = examples,
    .run = load_predictor_command,
};
