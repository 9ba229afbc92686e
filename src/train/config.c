/* config -- the configuration of a run and config.json: one list of fields serves writing, reading and comparing. */
#include "train/internal.h"

#include <jansson.h>
#include <math.h>
#include <string.h>

#include "weft/base/error.h"
#include "weft/base/text.h"

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
    if (config->scheme != SCHEME_FIT) config->rate = optimiser_rate(config->optimiser.kind);
    if (config->scheme == SCHEME_RECON && config->optimiser.kind == OPTIMISER_MUON)
        config->schedule = SCHEDULE_ONE_CYCLE; /* from a small rate: L_recon ends 1 to 5 % lower than by cosine */
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

OptimiserKind train_optimiser(SchemeKind scheme) {
    return scheme == SCHEME_RECON ? OPTIMISER_MUON : OPTIMISER_RANGER;
}

uint64_t train_paper_steps(unsigned classes) {
    enum { EPOCH = 196 }; /* 50,000 images by 256 */
    return classes > 100 ? 160000 : classes > 10 ? 450 * EPOCH : 350 * EPOCH;
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

/* ---- config.json ------------------------------------------------------------------------------------------------- */

const char *train_scheme_name(SchemeKind scheme) {
    return SETTING_NAMES(SCHEMES)[scheme];
}

json_t *train_config_json(const TrainConfig *config) {
    return settings_json(train_config_settings(config->scheme), config);
}

bool train_config_check(const TrainConfig *c, Error *err) {
    if (!settings_check(train_config_settings(c->scheme), c, err)) return false;
    const char *field = c->recon == 0 && !train_on_images(c)             ? "recon"
                        : !text_valid_utf8(c->layers, strlen(c->layers)) ? "layers"
                                                                         : NULL;
    return !field || error_set(err, STATUS_USAGE, "field '%s' of the configuration is out of range", field);
}

/* The scheme tells which fields there are. */
static bool read_scheme(const json_t *object, SchemeKind *out, Error *err) {
    const json_t *scheme = json_object_get(object, "scheme");
    if (!scheme) return error_set(err, STATUS_BAD_INPUT, "field 'scheme' is missing");
    for (int i = 0; json_is_string(scheme) && i < SCHEME_COUNT; i++)
        if (strcmp(json_string_value(scheme), train_scheme_name((SchemeKind)i)) == 0) {
            *out = (SchemeKind)i;
            return true;
        }
    return error_set(err, STATUS_BAD_INPUT, "field 'scheme' does not hold what it should");
}

bool train_config_from_json(const json_t *object, TrainConfig *out, Error *err) {
    TrainConfig config = train_config();
    if (!read_scheme(object, &config.scheme, err) ||
        !settings_from_json(train_config_settings(config.scheme), object, &config, err))
        return false;
    if (!train_config_check(&config, err)) {
        err->status = STATUS_BAD_INPUT;
        return false;
    }
    *out = config;
    return true;
}

const char *train_config_difference(const TrainConfig *a, const TrainConfig *b) {
    return a->scheme != b->scheme ? "scheme" : settings_difference(train_config_settings(a->scheme), a, b);
}
