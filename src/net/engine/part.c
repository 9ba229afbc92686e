/* part -- a forward pass in two parts. Networks that differ only from some step on do the same before it: what the
 * steps behind the cut read of what was done before it is an image's state.
 */
#include "net/engine/engine.h"

#include <string.h>

#include "weft/base/error.h"
#include "weft/base/tensor.h"

/* ---- where networks differ --------------------------------------------------------------------------------------- */

static bool same_tensor(const Network *a, int in_a, const Network *b, int in_b) {
    if (in_a == NO_TENSOR || in_b == NO_TENSOR) return in_a == in_b;
    const Tensor *x = a->tensors[in_a].tensor, *y = b->tensors[in_b].tensor;
    return x == y || (x->count == y->count && memcmp(x->data, y->data, x->count * sizeof *x->data) == 0);
}

static bool same_operation(const Network *a, const Network *b, int op) {
    const Op *x = &a->graph->ops[op], *y = &b->graph->ops[op];
    for (int k = 0; k < OP_TENSORS; k++)
        if (!same_tensor(a, x->tensors[k], b, y->tensors[k])) return false;
    return x->quantiser.scale == y->quantiser.scale && x->quantiser.zero_point == y->quantiser.zero_point &&
           x->quantiser.bits == y->quantiser.bits;
}

static bool reads(const Op *op, int tensor) {
    bool found = false;
    for (int k = 0; k < OP_TENSORS; k++) found = found || op->tensors[k] == tensor;
    return found;
}

size_t engine_cut(const Engine *engine, const Network *a, const Network *b) {
    const Plan *plan = &engine->plan;
    const size_t channels = a->normalisation.channels;
    if (channels != b->normalisation.channels ||
        memcmp(a->normalisation.mean, b->normalisation.mean, channels * sizeof *a->normalisation.mean) != 0 ||
        memcmp(a->normalisation.std, b->normalisation.std, channels * sizeof *a->normalisation.std) != 0)
        return 0;
    for (size_t i = 1; i < plan->step_count; i++) {
        const Step *step = &plan->steps[i];
        if (!same_operation(a, b, step->op) || (step->batch_norm >= 0 && !same_operation(a, b, step->batch_norm)))
            return i;
    }
    return plan->step_count;
}

size_t engine_reader(const Engine *engine, size_t tensor) {
    for (size_t i = 1; i < engine->plan.step_count; i++) {
        const Step *step = &engine->plan.steps[i];
        if (reads(&engine->graph->ops[step->op], (int)tensor) ||
            (step->batch_norm >= 0 && reads(&engine->graph->ops[step->batch_norm], (int)tensor)))
            return i;
    }
    return engine->plan.step_count;
}

double engine_tail_share(const Engine *engine, size_t cut) {
    double all = 0, tail = 0;
    for (size_t i = 0; i < engine->plan.step_count; i++) {
        const double work = step_work(engine, &engine->plan.steps[i]);
        all += work;
        if (i >= cut) tail += work;
    }
    return all > 0 ? tail / all : 1;
}

/* ---- the two parts ----------------------------------------------------------------------------------------------- */

static bool check_cut(const Engine *engine, size_t cut, Error *err) {
    if (engine->training) return error_set(err, STATUS_FAILED, "batch norm in training mode needs the whole pass");
    return cut <= engine->plan.step_count ||
           error_set(err, STATUS_FAILED, "a cut at step %zu of %zu", cut, engine->plan.step_count);
}

bool engine_forward_head(Engine *engine, const float *pixels, unsigned images, size_t cut, float *states, Error *err) {
    if (!check_cut(engine, cut, err) || !engine_prepare(engine, images, err)) return false;
    Pass pass = {.engine = engine, .pixels = pixels, .images = images, .end = cut, .keep = states, .cut = cut};
    pass.state = engine_state(engine, cut);
    forward_part(&pass);
    return true;
}

bool engine_forward_tail(Engine *engine, const float *states, unsigned images, size_t cut, float *logits, Error *err) {
    if (!check_cut(engine, cut, err) || !engine_prepare(engine, images, err)) return false;
    Pass pass = {.engine = engine, .images = images, .logits = logits, .from = states, .cut = cut};
    pass.state = engine_state(engine, cut);
    pass.first = cut;
    pass.end = engine->plan.step_count;
    forward_part(&pass);
    return true;
}
