/* describe -- a predictor's configuration and layers as the JSON text that its files carry under "weft.predictor":
 *
 *   {"version":1,"base":0.76,"levels":40,"normalise_indices":"none","permutation":"in-filter","hidden":140,"linear":5,
 *    "activation":"relu","layers":[{"name":"conv1","shape":[16,3,3,3]},...]}
 */
#include "predictor/internal.h"

#include <jansson.h>
#include <string.h>

#include "weft/base/error.h"
#include "weft/base/json_text.h"
#include "weft/base/memory.h"
#include "weft/base/text.h"

enum {
    VERSION = 1,
    CAP_TEXT = 1 << 20,  /* bytes; a layer takes about 60 */
    CAP_NAME = 4096,     /* bytes, as for any tensor */
    CAP_LAYERS = 100000, /* more than the text has room for */
};

#define X(name, text) text,
static const char *const activations[] = {PREDICTOR_ACTIVATIONS(X)};
static const char *const normalisations[] = {INDEX_NORMALISATIONS(X)};
static const char *const permutations[] = {PERMUTATIONS(X)};
#undef X

const char *predictor_activation_name(PredictorActivation activation) {
    return activations[activation];
}

const char *predictor_normalisation_name(IndexNormalisation normalisation) {
    return normalisations[normalisation];
}

const char *predictor_permutation_name(PermutationKind permutation) {
    return permutations[permutation];
}

/* ---- writing ----------------------------------------------------------------------------------------------------- */

/* Takes `value` over; false where it is NULL. */
static bool set(json_t *object, const char *name, json_t *value) {
    return json_object_set_new(object, name, value) == 0;
}

static json_t *layer_value(const PredictedLayer *layer) {
    json_t *object = json_object();
    const json_int_t filters = layer->filters, channels = layer->channels, height = layer->kernel[0],
                     width = layer->kernel[1];
    const bool done = object && set(object, "name", json_string(layer->name)) &&
                      set(object, "shape", json_pack("[I,I,I,I]", filters, channels, height, width));
    if (done) return object;
    json_decref(object);
    return NULL;
}

static json_t *layers_value(const Predictor *p) {
    json_t *layers = json_array();
    for (size_t i = 0; layers && i < p->layer_count; i++)
        if (json_array_append_new(layers, layer_value(&p->layers[i])) != 0) {
            json_decref(layers);
            return NULL;
        }
    return layers;
}

bool predictor_describe(const Predictor *p, Str *out, Error *err) {
    const PredictorConfig *c = &p->config;
    json_t *object = json_object();
    const bool made =
        object && set(object, "version", json_integer(VERSION)) && set(object, "base", json_real(c->base)) &&
        set(object, "levels", json_integer(c->levels)) &&
        set(object, "normalise_indices", json_string(normalisations[c->normalisation])) &&
        set(object, "permutation", json_string(permutations[c->permutation])) &&
        set(object, "hidden", json_integer(c->hidden)) && set(object, "linear", json_integer(c->linear)) &&
        set(object, "activation", json_string(activations[c->activation])) && set(object, "layers", layers_value(p));
    const bool done = made && str_add_json(out, object, JSON_COMPACT | JSON_ENSURE_ASCII);
    json_decref(object);
    return done || error_set(err, STATUS_LIMIT, "no memory to describe a predictor");
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */

static bool get_number(const json_t *object, const char *name, uint64_t most, unsigned *out, Error *err) {
    const json_t *value = json_object_get(object, name);
    const json_int_t number = json_integer_value(value);
    if (!json_is_integer(value) || number < 1 || (uint64_t)number > most)
        return error_set(err, STATUS_BAD_INPUT, "'%s' is not a whole number from 1 to %llu", name,
                         (unsigned long long)most);
    *out = (unsigned)number;
    return true;
}

static bool get_choice(const json_t *object, const char *name, const char *const *choices, size_t count, unsigned *out,
                       Error *err) {
    const char *text = json_string_value(json_object_get(object, name));
    for (unsigned i = 0; text && i < count; i++)
        if (strcmp(text, choices[i]) == 0) {
            *out = i;
            return true;
        }
    return error_set(err, STATUS_BAD_INPUT, "'%s' is %s%s", name, text ? "unknown: " : "missing", text ? text : "");
}

static bool get_config(const json_t *object, PredictorConfig *c, Error *err) {
    const json_t *base = json_object_get(object, "base");
    unsigned activation, normalisation, permutation;
    if (!json_is_number(base)) return error_set(err, STATUS_BAD_INPUT, "'base' is not a number");
    c->base = json_number_value(base);
    if (!get_number(object, "levels", PREDICTOR_LEVELS_MAX, &c->levels, err) ||
        !get_number(object, "hidden", PREDICTOR_HIDDEN_MAX, &c->hidden, err) ||
        !get_number(object, "linear", MLP_LAYERS_MAX, &c->linear, err) ||
        !get_choice(object, "normalise_indices", normalisations, INDEX_NORMALISATION_COUNT, &normalisation, err) ||
        !get_choice(object, "permutation", permutations, PERMUTATION_COUNT, &permutation, err) ||
        !get_choice(object, "activation", activations, PREDICTOR_ACTIVATION_COUNT, &activation, err))
        return false;
    c->normalisation = (IndexNormalisation)normalisation;
    c->permutation = (PermutationKind)permutation;
    c->activation = (PredictorActivation)activation;
    if (predictor_check_config(c, err)) return true;
    err->status = STATUS_BAD_INPUT;
    return false;
}

static bool get_layer(const json_t *object, size_t number, PredictedLayer *layer, Error *err) {
    const char *name = json_string_value(json_object_get(object, "name"));
    const json_t *shape = json_object_get(object, "shape");
    unsigned *const dims[4] = {&layer->filters, &layer->channels, &layer->kernel[0], &layer->kernel[1]};
    if (!name || !*name || strlen(name) > CAP_NAME)
        return error_set(err, STATUS_BAD_INPUT, "layer %zu has no name", number);
    if (json_array_size(shape) != 4)
        return error_set(err, STATUS_BAD_INPUT, "layer %s has no shape of four numbers", name);
    for (size_t d = 0; d < 4; d++) {
        const json_t *value = json_array_get(shape, d);
        const json_int_t most = d < 2 ? INT32_MAX : PREDICTOR_KERNEL_MAX, number_here = json_integer_value(value);
        if (!json_is_integer(value) || number_here < 1 || number_here > most)
            return error_set(err, STATUS_BAD_INPUT, "layer %s: dimension %zu is not a whole number from 1 to %lld",
                             name, d, (long long)most);
        *dims[d] = (unsigned)number_here;
    }
    layer->name = mem_copy_text(name, err);
    return layer->name != NULL;
}

static int compare_names(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static bool check_names(const Predictor *p, Error *err) {
    const char **names = mem_alloc(p->layer_count, sizeof *names, err);
    if (!names) return false;
    bool done = true;
    for (size_t i = 0; i < p->layer_count; i++) names[i] = p->layers[i].name;
    qsort(names, p->layer_count, sizeof *names, compare_names);
    for (size_t i = 1; done && i < p->layer_count; i++)
        if (strcmp(names[i - 1], names[i]) == 0)
            done = error_set(err, STATUS_BAD_INPUT, "two layers are named '%s'", names[i]);
    mem_free(names);
    return done;
}

static bool get_layers(const json_t *layers, Predictor *p, Error *err) {
    const size_t count = json_array_size(layers);
    if (count < 1 || count > CAP_LAYERS) return error_set(err, STATUS_BAD_INPUT, "'layers' is not a list of layers");
    p->layers = mem_alloc(count, sizeof *p->layers, err);
    for (size_t i = 0; p->layers && i < count; i++, p->layer_count++)
        if (!get_layer(json_array_get(layers, i), i, &p->layers[i], err)) return false;
    return p->layers && check_names(p, err);
}

bool predictor_understand(Predictor *p, const char *text, Error *err) {
    json_error_t problem;
    unsigned version;
    if (strlen(text) > CAP_TEXT)
        return error_set(err, STATUS_BAD_INPUT, "more than %d bytes to describe a predictor", CAP_TEXT);
    if (!json_room(strlen(text), err)) return false;
    json_t *object = json_loads(text, JSON_REJECT_DUPLICATES, &problem);
    bool done = json_is_object(object);
    if (!done)
        error_set(err, STATUS_BAD_INPUT, "not a JSON object%s%s", object ? "" : ": ", object ? "" : problem.text);
    done = done && get_number(object, "version", INT32_MAX, &version, err);
    if (done && version != VERSION)
        done = error_set(err, STATUS_BAD_INPUT, "version %u of predictor files; this weft reads %d", version, VERSION);
    done = done && get_config(object, &p->config, err) && get_layers(json_object_get(object, "layers"), p, err);
    json_decref(object);
    return done;
}
