/* no_logits -- which layer makes the values that are no finite numbers.
 *
 * Where parameters are at fault, the first operation of the graph that has such ones. Where all are sound, products
 * grew beyond float32: the first step of the engine whose result, on an image without logits, has such a value.
 */
#include <math.h>

#include "probe/evaluate.h"
#include "weft/base/error.h"
#include "weft/base/memory.h"
#include "weft/base/tensor.h"
#include "weft/base/text.h"

/* Values of a tensor that no layer can work with. */
typedef struct Fault {
    uint64_t nans, infinite, negative, first_negative;
} Fault;

static Fault find_fault(const Tensor *tensor, bool variance, float epsilon) {
    Fault fault = {0};
    for (uint64_t i = 0; i < tensor->count; i++) {
        const float value = tensor->data[i];
        fault.nans += isnan(value) != 0;
        fault.infinite += isinf(value) != 0;
        if (variance && isfinite(value) && value + epsilon <= 0 && fault.negative++ == 0) fault.first_negative = i;
    }
    return fault;
}

static void add_fault(const Tensor *tensor, const char *what, const Fault *fault, Str *out) {
    const uint64_t bad = fault->nans ? fault->nans : fault->infinite;
    if (bad)
        str_addf(out, " (%s: %llu of %llu values %s %s)", what, (unsigned long long)bad,
                 (unsigned long long)tensor->count, bad == 1 ? "is" : "are", fault->nans ? "NaN" : "infinite");
    else
        str_addf(out, " (%s: %g in channel %llu; %llu of %llu are not above 0)", what,
                 (double)tensor->data[fault->first_negative], (unsigned long long)fault->first_negative,
                 (unsigned long long)fault->negative, (unsigned long long)tensor->count);
}

/* Adds the operation's name and what is wrong with its parameters; false where nothing is. */
static bool add_bad_parameters(const Network *network, const Op *op, Str *out) {
    const bool norm = op->kind == OP_BATCH_NORM;
    if (!norm && op->kind != OP_CONV && op->kind != OP_LINEAR) return false;
    const struct {
        int tensor;
        const char *what;
    } parts[] = {{op->weight, "weight"},
                 {op->bias, "bias"},
                 {norm ? op->mean : NO_TENSOR, "running mean"},
                 {norm ? op->variance : NO_TENSOR, "running variance"}};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        if (parts[i].tensor == NO_TENSOR) continue;
        const Tensor *tensor = network->tensors[parts[i].tensor].tensor;
        const Fault fault = find_fault(tensor, i == 3, op->epsilon);
        if (fault.nans + fault.infinite + fault.negative == 0) continue;
        str_add(out, op->name);
        add_fault(tensor, parts[i].what, &fault, out);
        return true;
    }
    return false;
}

/* ---- products beyond float32 ------------------------------------------------------------------------------------- */

/* Whether the image's state behind `cut` steps is finite. */
static bool sound_behind(Engine *engine, const float *image, size_t cut, bool *sound, Error *err) {
    const uint64_t count = engine_state(engine, cut);
    float *state = mem_alloc(count, sizeof *state, err);
    const bool ok = state && engine_forward_head(engine, image, 1, cut, state, err);
    *sound = true;
    for (uint64_t i = 0; ok && i < count && *sound; i++) *sound = isfinite(state[i]);
    mem_free(state);
    return ok;
}

/* The layer that step `step` reads the weights of, or the last before it. */
static const char *layer_of(const Network *network, const Engine *engine, size_t step) {
    const char *name = NULL;
    size_t last = 0;
    for (size_t i = 0; i < network->layer_count; i++) {
        const size_t reader = engine_reader(engine, network->layers[i].tensor);
        if (reader > step || (name && reader < last)) continue;
        name = network->layers[i].name;
        last = reader;
    }
    return name;
}

static bool add_overflow(const Network *network, const Dataset *data, const float *image, Str *out, Error *err) {
    Engine *engine = engine_new(network, 1, data->height, data->width, NULL, err);
    bool ok = engine != NULL;
    size_t good = 1, bad = engine ? engine_cut(engine, network, network) : 0; /* the logits themselves are bad */
    while (ok && good + 1 < bad) {
        const size_t middle = good + (bad - good) / 2;
        bool sound = true;
        ok = sound_behind(engine, image, middle, &sound, err);
        *(sound ? &good : &bad) = middle;
    }
    const char *name = ok ? layer_of(network, engine, bad - 1) : NULL;
    if (!name) name = network->graph->ops[network->graph->count - 1].name;
    if (ok) str_addf(out, "%s (values exceed float32, although its parameters are finite)", name);
    engine_free(engine);
    return ok;
}

bool no_logits_parameters(const Network *network, Str *out) {
    for (size_t i = 0; i < network->graph->count; i++)
        if (add_bad_parameters(network, &network->graph->ops[i], out)) return true;
    return false;
}

bool no_logits_cause(const Network *network, const Dataset *data, uint64_t index, Str *out, Error *err) {
    if (no_logits_parameters(network, out)) return str_ok(out, err);
    float *image = mem_alloc(evaluate_pixels(data), sizeof *image, err);
    if (!image) return false;
    dataset_image(data, index, image);
    const bool ok = add_overflow(network, data, image, out, err);
    mem_free(image);
    return ok && str_ok(out, err);
}
