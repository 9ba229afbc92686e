/* predictor -- making, deriving and freeing predictors. */
#include "predictor/internal.h"

#include <math.h>
#include <string.h>

#include "weft/base/error.h"
#include "weft/base/memory.h"
#include "weft/base/random.h"
#include "weft/base/table.h"
#include "weft/base/task.h"

#define STREAM_PARAMETERS UINT64_C(0x70617261) /* of a predictor's first parameters */

/* As torch.nn.Linear: weight and bias uniform within 1 / sqrt(in). */
static void initialise(Predictor *p, uint64_t seed) {
    Rng rng = {.seed = seed, .stream = STREAM_PARAMETERS};
    for (unsigned i = 0; i < p->config.linear; i++) {
        const MlpLayer *layer = &p->mlp[i];
        const double bound = 1 / sqrt(layer->in);
        const size_t end = layer->bias + layer->out;
        for (size_t k = layer->weight; k < end; k++) p->parameters[k] = (float)(bound * (2 * rng_uniform(&rng) - 1));
    }
}

Predictor *predictor_new(const Network *source, const bool *chosen, const PredictorConfig *config, uint64_t seed,
                         const char *command, const Task *task, Error *err) {
    if (!predictor_check_config(config, err)) return NULL;
    Predictor *p = mem_alloc(1, sizeof *p, err);
    if (!p) return NULL;
    p->config = *config;
    bool done = predictor_choose(p, source, chosen, err) && predictor_lay_out(p, err) &&
                predictor_keep_source(p, source, err) && predictor_order(p, source, task, err) &&
                key_value_copy(&p->lineage, &p->lineage_count, source->lineage, source->lineage_count, err) &&
                key_value_add(&p->lineage, &p->lineage_count, "train", command, err);
    if (done) {
        initialise(p, seed);
        return p;
    }
    predictor_free(p);
    return NULL;
}

static bool copy_layers(Predictor *copy, const Predictor *p, Error *err) {
    copy->layers = mem_alloc(p->layer_count, sizeof *copy->layers, err);
    if (!copy->layers) return false;
    for (size_t i = 0; i < p->layer_count; i++) {
        copy->layers[i] = p->layers[i];
        copy->layers[i].name = mem_copy_text(p->layers[i].name, err);
        if (!copy->layers[i].name) return false;
        copy->layer_count++;
    }
    return true;
}

Predictor *predictor_derive(const Predictor *p, const char *what, const char *command, Error *err) {
    Predictor *copy = mem_alloc(1, sizeof *copy, err);
    if (!copy) return NULL;
    copy->config = p->config;
    copy->source_parameters = p->source_parameters;
    memcpy(copy->fingerprint, p->fingerprint, sizeof copy->fingerprint);
    bool done = copy_layers(copy, p, err) && predictor_lay_out(copy, err) &&
                key_value_copy(&copy->lineage, &copy->lineage_count, p->lineage, p->lineage_count, err) &&
                key_value_add(&copy->lineage, &copy->lineage_count, what, command, err) &&
                key_value_copy(&copy->notes, &copy->note_count, p->notes, p->note_count, err) &&
                (!p->source || (copy->source = network_copy(p->source, err)));
    if (!done) {
        predictor_free(copy);
        return NULL;
    }
    memcpy(copy->index, p->index, p->kernel_count * sizeof *p->index);
    memcpy(copy->parameters, p->parameters, p->parameter_count * sizeof *p->parameters);
    return copy;
}

void predictor_free(Predictor *p) {
    if (!p) return;
    for (size_t i = 0; i < p->layer_count; i++) mem_free(p->layers[i].name);
    mem_free(p->layers);
    mem_free(p->index);
    mem_free(p->parameters);
    network_free(p->source);
    key_value_free(p->lineage, p->lineage_count);
    key_value_free(p->notes, p->note_count);
    table_free(p->log);
    mem_free(p);
}

bool predictor_note(Predictor *p, const char *key, const char *value, Error *err) {
    KeyValue *notes = NULL;
    size_t count = 0;
    bool done = true;
    for (size_t i = 0; done && i < p->note_count; i++)
        if (strcmp(p->notes[i].key, key) != 0)
            done = key_value_add(&notes, &count, p->notes[i].key, p->notes[i].value, err);
    if (done && value) done = key_value_add(&notes, &count, key, value, err);
    if (done) {
        key_value_free(p->notes, p->note_count);
        p->notes = notes;
        p->note_count = count;
    } else {
        key_value_free(notes, count);
    }
    return done;
}

bool predictor_attach(Predictor *p, const Network *source, Error *err) {
    char fingerprint[FINGERPRINT_MAX];
    if (!predictor_fingerprint(source, p->layers, p->layer_count, fingerprint, err)) return false;
    const bool same = !p->fingerprint[0] || strcmp(p->fingerprint, fingerprint) == 0;
    return predictor_note(p, "source",
                          same ? NULL : "its predicted weights differ from those the predictor was made for", err) &&
           predictor_keep_source(p, source, err);
}
