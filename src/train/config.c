/* config -- the configuration of a run and config.json: one list of fields serves writing, reading and comparing. */
#include "train/internal.h"

#include <jansson.h>
#include <math.h>
#include <string.h>

#include "weft/base/error.h"
#include "weft/base/text.h"

TrainConfig train_config(void) {
    return (TrainConfig){.scheme = SCHEME_RECON,
                         .predictor = predictor_config(),
                         .steps = 20000,
                         .batch = 4096,
                         .sampling = SAMPLING_MIXED,
                         .magnitude_share = 0.2,
                         .recon = 1,
                         .recon_form = RECON_RMS,
                         .refresh = 20,
                         .image_batch = 256,
                         .optimiser = optimiser_config(OPTIMISER_RANGER),
                         .schedule = SCHEDULE_COSINE,
                         .rate = 5e-3,
                         .rate_last = 1e-6,
                         .evaluate_every = 1000,
                         .save_every = 1000,
                         .log_every = 20,
                         .epoch_steps = 196};
}

/* Datasets as the table of docs/method.md, section 5, tells them apart. */
static bool large(const Dataset *images) {
    return images && images->classes > 100;
}

void train_defaults(TrainConfig *config, const Dataset *images, uint64_t weights) {
    const bool fewer = images && (images->classes > 10 || strncmp(images->spec, "stl10", 5) == 0);
    const double joint = large(images) ? 1e-6 : fewer ? 1e-5 : 1e-4;
    config->predictor.permutation = predictor_usual_order(weights);
    if (weights > LARGE_WEIGHTS) config->batch = 65536;
    config->recon = config->scheme == SCHEME_RECON || config->scheme == SCHEME_JOINT;
    config->images = (Loss){.temperature = 1};
    if (config->scheme == SCHEME_JOINT) {
        config->images.kd = config->images.fmd = joint;
        config->images.kd_form = KD_STABLE; /* from random weights the plain one throws some seeds out for good */
    }
    if (config->scheme == SCHEME_DISTIL) {
        config->images.kd = 0.01;
        config->rate = 3e-4; /* begins near a good place, which 1e-3 loses again and again; the paper does not say */
    }
    if (config->scheme == SCHEME_FIT) config->images.cross_entropy = 1;
    if (config->scheme == SCHEME_RECON || config->scheme == SCHEME_FIT || !large(images)) return;
    config->batch = 65536;
    config->image_batch = 32;
}

uint64_t train_steps(const TrainConfig *config, const Dataset *images) {
    if (config->scheme == SCHEME_JOINT)
        return large(images) ? 160000 : config->epoch_steps * (images && images->classes > 10 ? 450 : 350);
    if (config->scheme == SCHEME_DISTIL) return large(images) ? 100000 : config->epoch_steps * 100;
    return config->scheme == SCHEME_FIT ? config->epoch_steps * 30 : config->steps;
}

bool train_on_images(const TrainConfig *config) {
    return config->images.kd > 0 || config->images.fmd > 0 || config->images.cross_entropy > 0;
}

const char *train_rate_of(const TrainConfig *config) {
    return train_on_images(config) ? "images" : "kernels";
}

/* ---- fields ------------------------------------------------------------------------------------------------------ */

typedef enum FieldKind {
    FIELD_U64,
    FIELD_SIZE,
    FIELD_UNSIGNED,
    FIELD_REAL,
    FIELD_FLAG,
    FIELD_CHOICE,
    FIELD_TEXT
} FieldKind;

typedef struct Field {
    const char *name;
    FieldKind kind;
    size_t offset;
    const char *const *choices; /* FIELD_CHOICE: names of the values 0, 1, ...; NULL ends */
    enum { FOR_ALL, FOR_PREDICTORS, FOR_NETWORKS } whose;
} Field;

#define X(name, text) text,
static const char *const schemes[] = {SCHEMES(X) NULL}, *const optimisers[] = {OPTIMISERS(X) NULL},
                         *const schedules[] = {SCHEDULES(X) NULL}, *const samplings[] = {SAMPLINGS(X) NULL},
                         *const forms[] = {RECON_FORMS(X) NULL}, *const activations[] = {PREDICTOR_ACTIVATIONS(X) NULL},
                         *const normalisations[] = {INDEX_NORMALISATIONS(X) NULL},
                         *const permutations[] = {PERMUTATIONS(X) NULL}, *const kd_forms[] = {KD_FORMS(X) NULL};
#undef X
static_assert(sizeof(SchemeKind) == sizeof(int) && sizeof(PermutationKind) == sizeof(int), "choices are read as int");

#define FIELD(name, kind, member, whose) \
    { name, kind, offsetof(TrainConfig, member), NULL, whose }
#define CHOICE(name, member, choices, whose) \
    { name, FIELD_CHOICE, offsetof(TrainConfig, member), choices, whose }
static const Field fields[] = {
    CHOICE("scheme", scheme, schemes, FOR_ALL),
    FIELD("base", FIELD_REAL, predictor.base, FOR_PREDICTORS),
    FIELD("levels", FIELD_UNSIGNED, predictor.levels, FOR_PREDICTORS),
    CHOICE("normalise_indices", predictor.normalisation, normalisations, FOR_PREDICTORS),
    CHOICE("permutation", predictor.permutation, permutations, FOR_PREDICTORS),
    FIELD("hidden", FIELD_UNSIGNED, predictor.hidden, FOR_PREDICTORS),
    FIELD("linear", FIELD_UNSIGNED, predictor.linear, FOR_PREDICTORS),
    CHOICE("activation", predictor.activation, activations, FOR_PREDICTORS),
    FIELD("layers", FIELD_TEXT, layers, FOR_PREDICTORS),
    FIELD("steps", FIELD_U64, steps, FOR_ALL),
    FIELD("seed", FIELD_U64, seed, FOR_ALL),
    FIELD("batch", FIELD_SIZE, batch, FOR_PREDICTORS),
    CHOICE("sampling", sampling, samplings, FOR_PREDICTORS),
    FIELD("magnitude_share", FIELD_REAL, magnitude_share, FOR_PREDICTORS),
    FIELD("recon", FIELD_REAL, recon, FOR_PREDICTORS),
    CHOICE("loss", recon_form, forms, FOR_PREDICTORS),
    FIELD("refresh", FIELD_U64, refresh, FOR_PREDICTORS),
    FIELD("warm_up", FIELD_U64, warm_up, FOR_PREDICTORS),
    FIELD("kd", FIELD_REAL, images.kd, FOR_ALL),
    CHOICE("kd_form", images.kd_form, kd_forms, FOR_ALL),
    FIELD("temperature", FIELD_REAL, images.temperature, FOR_ALL),
    FIELD("fmd", FIELD_REAL, images.fmd, FOR_PREDICTORS),
    FIELD("fmd_aliased", FIELD_FLAG, images.fmd_aliased, FOR_PREDICTORS),
    FIELD("cross_entropy", FIELD_REAL, images.cross_entropy, FOR_NETWORKS),
    FIELD("label_smoothing", FIELD_REAL, images.label_smoothing, FOR_NETWORKS),
    FIELD("image_batch", FIELD_UNSIGNED, image_batch, FOR_ALL),
    FIELD("augment", FIELD_FLAG, augment, FOR_ALL),
    CHOICE("optimiser", optimiser.kind, optimisers, FOR_ALL),
    FIELD("beta1", FIELD_REAL, optimiser.beta1, FOR_ALL),
    FIELD("beta2", FIELD_REAL, optimiser.beta2, FOR_ALL),
    FIELD("epsilon", FIELD_REAL, optimiser.epsilon, FOR_ALL),
    FIELD("momentum", FIELD_REAL, optimiser.momentum, FOR_ALL),
    FIELD("weight_decay", FIELD_REAL, optimiser.weight_decay, FOR_ALL),
    FIELD("centralise", FIELD_FLAG, optimiser.centralise, FOR_ALL),
    FIELD("lookahead", FIELD_UNSIGNED, optimiser.lookahead, FOR_ALL),
    FIELD("pull", FIELD_REAL, optimiser.pull, FOR_ALL),
    FIELD("threshold", FIELD_REAL, optimiser.threshold, FOR_ALL),
    CHOICE("schedule", schedule, schedules, FOR_ALL),
    FIELD("rate", FIELD_REAL, rate, FOR_ALL),
    FIELD("rate_last", FIELD_REAL, rate_last, FOR_ALL),
    FIELD("clip", FIELD_REAL, clip, FOR_ALL),
    FIELD("evaluate_every", FIELD_U64, evaluate_every, FOR_ALL),
    FIELD("save_every", FIELD_U64, save_every, FOR_ALL),
    FIELD("log_every", FIELD_U64, log_every, FOR_ALL),
    FIELD("epoch_steps", FIELD_U64, epoch_steps, FOR_ALL),
};
enum { FIELDS = sizeof fields / sizeof *fields };

const char *train_scheme_name(SchemeKind scheme) {
    return schemes[scheme];
}

static bool concerns(const Field *field, SchemeKind scheme) {
    return field->whose == FOR_ALL || (field->whose == FOR_NETWORKS) == (scheme == SCHEME_FIT);
}

static json_t *field_value(const TrainConfig *config, const Field *field) {
    const void *at = (const char *)config + field->offset;
    switch (field->kind) {
    case FIELD_U64:
        return json_integer((json_int_t) * (const uint64_t *)at);
    case FIELD_SIZE:
        return json_integer((json_int_t) * (const size_t *)at);
    case FIELD_UNSIGNED:
        return json_integer((json_int_t) * (const unsigned *)at);
    case FIELD_REAL:
        return json_real(*(const double *)at);
    case FIELD_FLAG:
        return json_boolean(*(const bool *)at);
    case FIELD_CHOICE:
        return json_string(field->choices[*(const int *)at]);
    case FIELD_TEXT:
        return json_string(at);
    }
    return NULL;
}

json_t *train_config_json(const TrainConfig *config) {
    json_t *object = json_object();
    bool done = object != NULL;
    for (size_t i = 0; done && i < FIELDS; i++)
        if (concerns(&fields[i], config->scheme))
            done = json_object_set_new(object, fields[i].name, field_value(config, &fields[i])) == 0;
    if (done) return object;
    json_decref(object);
    return NULL;
}

static bool set_integer(const Field *field, const json_t *value, void *at) {
    const json_int_t number = json_integer_value(value);
    if (!json_is_integer(value) || number < 0) return false;
    if (field->kind == FIELD_UNSIGNED && number > UINT32_MAX) return false;
    if (field->kind == FIELD_U64) *(uint64_t *)at = (uint64_t)number;
    if (field->kind == FIELD_SIZE) *(size_t *)at = (size_t)number;
    if (field->kind == FIELD_UNSIGNED) *(unsigned *)at = (unsigned)number;
    return true;
}

static bool set_choice(const Field *field, const json_t *value, void *at) {
    const char *text = json_string_value(value);
    for (int i = 0; text && field->choices[i]; i++)
        if (strcmp(text, field->choices[i]) == 0) {
            *(int *)at = i;
            return true;
        }
    return false;
}

static bool set_field(TrainConfig *config, const Field *field, const json_t *value) {
    void *at = (char *)config + field->offset;
    switch (field->kind) {
    case FIELD_U64:
    case FIELD_SIZE:
    case FIELD_UNSIGNED:
        return set_integer(field, value, at);
    case FIELD_REAL:
        *(double *)at = json_number_value(value);
        return json_is_number(value) && isfinite(*(double *)at);
    case FIELD_FLAG:
        *(bool *)at = json_is_true(value);
        return json_is_boolean(value);
    case FIELD_CHOICE:
        return set_choice(field, value, at);
    case FIELD_TEXT:
        if (!json_is_string(value) || json_string_length(value) >= CONFIG_TEXT_MAX) return false;
        memcpy(at, json_string_value(value), json_string_length(value) + 1);
        return true;
    }
    return false;
}

bool train_config_check(const TrainConfig *c, Error *err) {
    const struct {
        const char *name;
        bool sound;
    } checks[] = {
        {"steps", c->steps > 0},
        {"batch", c->batch > 0},
        {"refresh", c->refresh > 0},
        {"epoch_steps", c->epoch_steps > 0},
        {"magnitude_share", c->magnitude_share >= 0 && c->magnitude_share <= 1},
        {"rate", c->rate > 0},
        {"rate_last", c->rate_last > 0},
        {"clip", c->clip >= 0},
        {"recon", c->recon >= 0 && (c->recon > 0 || train_on_images(c))},
        {"kd", c->images.kd >= 0},
        {"fmd", c->images.fmd >= 0},
        {"temperature", c->images.temperature >= 0},
        {"cross_entropy", c->images.cross_entropy >= 0},
        {"label_smoothing", c->images.label_smoothing >= 0 && c->images.label_smoothing < 1},
        {"image_batch", c->image_batch > 0},
        {"beta1", c->optimiser.beta1 >= 0 && c->optimiser.beta1 < 1},
        {"beta2", c->optimiser.beta2 >= 0 && c->optimiser.beta2 < 1},
        {"epsilon", c->optimiser.epsilon > 0},
        {"momentum", c->optimiser.momentum >= 0 && c->optimiser.momentum < 1},
        {"layers", text_valid_utf8(c->layers, strlen(c->layers))},
    };
    for (size_t i = 0; i < sizeof checks / sizeof *checks; i++)
        if (!checks[i].sound)
            return error_set(err, STATUS_USAGE, "field '%s' of the configuration is out of range", checks[i].name);
    return true;
}

bool train_config_from_json(const json_t *object, TrainConfig *out, Error *err) {
    const char *name;
    json_t *value;
    TrainConfig config = train_config();
    for (size_t i = 0; i < FIELDS; i++) { /* the scheme comes first */
        if (!concerns(&fields[i], config.scheme)) continue;
        const json_t *given = json_object_get(object, fields[i].name);
        if (!given) return error_set(err, STATUS_BAD_INPUT, "field '%s' is missing", fields[i].name);
        if (!set_field(&config, &fields[i], given))
            return error_set(err, STATUS_BAD_INPUT, "field '%s' is invalid", fields[i].name);
    }
    json_object_foreach((json_t *)(uintptr_t)object, name, value) {
        bool known = false;
        for (size_t i = 0; i < FIELDS && !known; i++)
            known = strcmp(name, fields[i].name) == 0 && concerns(&fields[i], config.scheme);
        if (!known) return error_set(err, STATUS_BAD_INPUT, "field '%s' is unknown", name);
    }
    if (!train_config_check(&config, err)) {
        err->status = STATUS_BAD_INPUT;
        return false;
    }
    *out = config;
    return true;
}

const char *train_config_difference(const TrainConfig *a, const TrainConfig *b) {
    for (size_t i = 0; i < FIELDS; i++) {
        if (!concerns(&fields[i], a->scheme)) continue;
        json_t *x = field_value(a, &fields[i]), *y = field_value(b, &fields[i]);
        bool equal = json_equal(x, y);
        json_decref(x);
        json_decref(y);
        if (!equal) return fields[i].name;
    }
    return NULL;
}
