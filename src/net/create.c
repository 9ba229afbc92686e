/* create -- new networks: a definition makes tensors and graph, then come the weights that training begins with. */
#include "net/architecture.h"

#include <math.h>
#include <string.h>

#include "weft/base/error.h"
#include "weft/base/memory.h"
#include "weft/base/random.h"
#include "weft/base/tensor.h"
#include "weft/base/text.h"

/* Each tensor has a stream of its own, by its position. */
static const uint64_t STREAM_WEIGHTS = UINT64_C(0x6e6574) << 40;

/* ---- first weights ----------------------------------------------------------------------------------------------- */

static void fill_tensor(Network *network, int tensor, float value) {
    if (tensor == NO_TENSOR) return;
    Tensor *to = network->tensors[tensor].tensor;
    for (uint64_t i = 0; i < to->count; i++) to->data[i] = value;
}

/* Of a convolution or linear layer. */
static void draw_weights(Network *network, const Op *op, uint64_t seed) {
    Tensor *weight = network->tensors[op->weight].tensor;
    const double fan_in = (double)(weight->count / weight->dim[0]);
    Rng rng = {.seed = seed, .stream = STREAM_WEIGHTS + (uint64_t)op->weight};
    for (uint64_t i = 0; i < weight->count; i++) weight->data[i] = (float)(sqrt(2 / fan_in) * rng_normal(&rng));
    if (op->bias == NO_TENSOR) return;
    Tensor *bias = network->tensors[op->bias].tensor;
    rng = (Rng){.seed = seed, .stream = STREAM_WEIGHTS + (uint64_t)op->bias};
    for (uint64_t i = 0; i < bias->count; i++) bias->data[i] = (float)((2 * rng_uniform(&rng) - 1) / sqrt(fan_in));
}

static void initialise(Network *network, uint64_t seed) {
    for (size_t i = 0; i < network->graph->count; i++) {
        const Op *op = &network->graph->ops[i];
        if (op->kind == OP_CONV || op->kind == OP_LINEAR) draw_weights(network, op, seed);
        if (op->kind != OP_BATCH_NORM) continue;
        fill_tensor(network, op->weight, 1);
        fill_tensor(network, op->variance, 1);
    }
}

/* ---- the whole --------------------------------------------------------------------------------------------------- */

static bool check_request(const ArchitectureRequest *request, Error *err) {
    if (request->in_channels != 1 && request->in_channels != 3)
        return error_set(err, STATUS_USAGE, "%s: images of %u channels, there can be 1 or 3", request->architecture,
                         request->in_channels);
    if (request->classes == 0 || request->classes > CLASSES_MAX)
        return error_set(err, STATUS_USAGE, "%s: %u classes, there can be 1 to %d", request->architecture,
                         request->classes, CLASSES_MAX);
    if (request->normalisation.channels != 0 && request->normalisation.channels != request->in_channels)
        return error_set(err, STATUS_USAGE, "%s: a normalisation of %u channels for images of %u",
                         request->architecture, request->normalisation.channels, request->in_channels);
    return true;
}

/* The families whose networks can be made, and what they are called, for a message. */
static bool no_preset(const Library *library, const char *name, Error *err) {
    const char **names = NULL, *nearest = NULL;
    size_t count = 0, capacity = 0;
    Str known = {0};
    bool done = true;
    for (size_t i = 0; done && i < library->count; i++) {
        const Family *family = library->entries[i].family;
        if (strcmp(family->name, name) == 0) {
            nearest = family->listed_count > 0 ? family->listed[0] : NULL;
            if (nearest) break;
        }
        done = mem_grow(&names, &capacity, count + family->listed_count, sizeof *names, err);
        for (size_t k = 0; done && k < family->listed_count; k++) names[count++] = family->listed[k];
    }
    for (size_t i = 0; i < count && i < 12; i++) str_addf(&known, "%s%s", i > 0 ? ", " : "", names[i]);
    if (done && str_ok(&known, err)) {
        if (!nearest && count > 0) nearest = text_nearest(name, names, count);
        error_set(err, STATUS_USAGE, "no architecture '%s' to create; %s%s%s", name,
                  nearest ? "did you mean " : "there are ", nearest ? nearest : known.text,
                  nearest ? "?" : ", ... (help architectures)");
    }
    str_done(&known);
    mem_free(names);
    return false;
}

/* Sets *entry to the family that has the preset: an exact one comes before a pattern. */
static bool find_preset(const Library *library, const char *name, const LibraryEntry **entry) {
    *entry = NULL;
    for (size_t i = 0; i < library->count; i++) {
        bool exact;
        if (!family_preset(library->entries[i].family, name, &exact)) continue;
        if (exact || !*entry) *entry = &library->entries[i];
        if (exact) break;
    }
    return *entry != NULL;
}

/* What is to be made. */
typedef struct Plan {
    Library library;
    const LibraryEntry *entry;
    Variants variants;
    char *name; /* the preset; "" for the only network of a file */
} Plan;

static void plan_done(Plan *plan) {
    library_done(&plan->library);
    mem_free(plan->name);
}

/* Adds the request's further variants to `text`, which may be NULL. */
static bool plan_variants(Plan *plan, const ArchitectureRequest *request, const char *text, Error *err) {
    Str all = {0};
    str_addf(&all, "%s%s%s", text ? text : "", text && request->variants ? "," : "",
             request->variants ? request->variants : "");
    const bool done = str_ok(&all, err) && family_variants(plan->entry->family, str_text(&all), &plan->variants, err);
    str_done(&all);
    return done;
}

/* PRESET[:VARIANTS]; a preset may hold a colon itself ("mobilenetv2:0.5"), so the longest one counts. */
static bool plan_preset(Plan *plan, const ArchitectureRequest *request, const char *text, Error *err) {
    plan->name = mem_copy_text(text, err);
    if (!plan->name) return false;
    if (find_preset(&plan->library, plan->name, &plan->entry)) return plan_variants(plan, request, NULL, err);
    char *colon = strrchr(plan->name, ':');
    if (colon) *colon = '\0';
    if (!colon || !find_preset(&plan->library, plan->name, &plan->entry)) return no_preset(&plan->library, text, err);
    return plan_variants(plan, request, colon + 1, err);
}

/* FILE.lua[:PRESET][:VARIANTS]: without a preset, the file's first one, or what the definition makes without values. */
static bool plan_file(Plan *plan, const ArchitectureRequest *request, const char *rest, Error *err) {
    const Family *family = plan->library.entries[0].family;
    Variants ignored;
    Error unknown;
    plan->entry = &plan->library.entries[0];
    if (rest && !family_variants(family, rest, &ignored, &unknown)) return plan_preset(plan, request, rest, err);
    plan->name = mem_copy_text(family->listed_count > 0 ? family->listed[0] : "", err);
    return plan->name && plan_variants(plan, request, rest, err);
}

static bool plan_init(Plan *plan, const ArchitectureRequest *request, Error *err) {
    const char *name = request->architecture, *rest = NULL;
    const bool is_file = architecture_is_file(name);
    char *file = is_file ? architecture_file(name, &rest, err) : NULL;
    *plan = (Plan){0};
    bool done = (!is_file || file) && library_init(&plan->library, file, err);
    if (done) done = is_file ? plan_file(plan, request, rest, err) : plan_preset(plan, request, name, err);
    mem_free(file);
    if (!done) plan_done(plan);
    return done;
}

/* As many as the family's definition takes, each below 2^31. */
static bool check_widths(const Plan *plan, ArchitectureRequest *request, Error *err) {
    const unsigned most = plan->entry->family->widths, count = request->width_count;
    if (count == 0) return true;
    if (most == 0) return error_set(err, STATUS_USAGE, "%s: its widths cannot be chosen", request->architecture);
    if (count != 1 && count != most)
        return error_set(err, STATUS_USAGE, "%s: --widths must be W (for W, 2W, 4W, ...) or %u numbers, not %u",
                         request->architecture, most, count);
    bool sound = true;
    for (unsigned i = 0; i < most; i++) {
        const uint64_t width = i < count ? request->widths[i] : 2 * (uint64_t)request->widths[i - 1];
        sound = sound && width <= INT32_MAX;
        request->widths[i] = (unsigned)width;
    }
    return sound || error_set(err, STATUS_LIMIT, "%s: a width of more than %d", request->architecture, INT32_MAX);
}

/* Tensors and graph. */
static bool make_network(Network *network, Plan *plan, const ArchitectureRequest *asked, Error *err) {
    Fit fit = {0};
    ArchitectureRequest own = *asked;
    const ArchitectureRequest *request = &own;
    const char *preset = plan->name[0] ? plan->name : NULL;
    bool done = check_widths(plan, &own, err) && definition_make(plan->entry->definitions, plan->entry->family,
                                                                 &plan->variants, preset, request, network, &fit, err);
    if (done && !fit.graph) done = error_set(err, STATUS_USAGE, "%s: %s", request->architecture, str_text(&fit.why));
    if (done && fit.graph->classes != request->classes)
        done = error_set(err, STATUS_USAGE, "%s: makes %u classes, not %u", request->architecture, fit.graph->classes,
                         request->classes);
    if (done) {
        network->graph = fit.graph;
        fit.graph = NULL;
        network->architecture = mem_copy_text(str_text(&fit.description), err);
        done = network->architecture != NULL;
    }
    fit_done(&fit);
    return done;
}

Network *network_create(const ArchitectureRequest *request, uint64_t seed, const char *command, Error *err) {
    Plan plan;
    if (!plan_init(&plan, request, err)) return NULL;
    Network *network = check_request(request, err) ? mem_alloc(1, sizeof *network, err) : NULL;
    if (network && make_network(network, &plan, request, err) && network_list_layers(network, err) &&
        key_value_add(&network->lineage, &network->lineage_count, "fit", command, err)) {
        network->normalisation = request->normalisation.channels > 0
                                     ? request->normalisation
                                     : normalisation_usual(request->in_channels, request->classes);
        if (network->normalisation.channels == 0) network->normalisation = request->otherwise;
        initialise(network, seed);
        plan_done(&plan);
        return network;
    }
    plan_done(&plan);
    network_free(network);
    return NULL;
}
