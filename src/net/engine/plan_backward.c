/* plan_backward -- which gradients a backward pass needs, in what order they come together, and where they lie. */
#include "net/engine/plan.h"
#include "weft/base/error.h"
#include "weft/base/memory.h"

/* ---- windows ----------------------------------------------------------------------------------------------------- */

static unsigned common_divisor(unsigned a, unsigned b) {
    while (b) {
        const unsigned rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

/* Tap t of the result at o reads the input at o * stride + t * dilation - padding: so the taps that hit a position p
 * are those with t * dilation = p + padding modulo the stride, which come at equal distances. */
Phase phase_at(const Step *step, int axis, unsigned phase, unsigned size) {
    const unsigned stride = step->stride[axis], dilation = step->dilation[axis], kernel = step->kernel[axis];
    const unsigned padding = step->padding[axis], common = common_divisor(dilation, stride);
    const unsigned first = (phase + stride - padding % stride) % stride;
    Phase result = {.first = first, .every = stride / common, .dilation = dilation / common};
    while (result.tap < result.every && (uint64_t)result.tap * dilation % stride != phase) result.tap++;
    result.count = first < size ? (size - 1 - first) / stride + 1 : 0;
    if (result.tap < result.every && result.tap < kernel) result.taps = (kernel - 1 - result.tap) / result.every + 1;
    if (result.taps == 0) return result;
    const ptrdiff_t last = (ptrdiff_t)(result.tap + (result.taps - 1) * result.every) * dilation;
    result.offset = ((ptrdiff_t)first + padding - last) / (ptrdiff_t)stride;
    return result;
}

/* How far the phases of a step reach beyond the gradient of its result. */
static unsigned gradient_border(const Step *step, Shape in, Shape out) {
    const unsigned size[2] = {in.height, in.width}, out_size[2] = {out.height, out.width};
    ptrdiff_t border = 0;
    if (step->kind != STEP_CONVOLUTION && step->kind != STEP_DEPTHWISE) return 0;
    for (int i = 0; i < 2; i++)
        for (unsigned p = 0; p < step->stride[i]; p++) {
            const Phase phase = phase_at(step, i, p, size[i]);
            if (phase.count == 0 || phase.taps == 0) continue;
            const ptrdiff_t reach = (ptrdiff_t)(phase.taps - 1) * phase.dilation;
            const ptrdiff_t end = phase.offset + phase.count + reach - (ptrdiff_t)out_size[i];
            if (-phase.offset > border) border = -phase.offset;
            if (end > border) border = end;
        }
    return (unsigned)border;
}

/* ---- planes ------------------------------------------------------------------------------------------------------ */

bool planes_apply(const Step *step) {
    bool plain = step->stride[0] == step->stride[1] && step->dilation[0] == 1 && step->dilation[1] == 1;
    for (int side = 1; side < 4; side++) plain = plain && step->padding[side] == step->padding[0];
    return plain && step->kind == STEP_CONVOLUTION && step->groups == 1 &&
           step->kernel[0] * step->kernel[1] <= PLANE_TAPS && step->weight_wanted;
}

Planes planes_of(const Step *step, Shape in, Shape out) {
    const size_t stride = step->stride[0], border = 2 * (size_t)step->padding[0];
    Planes planes = {.pitch = (in.width + border + stride - 1) / stride};
    planes.length = (out.height - 1) * planes.pitch + out.width;
    planes.length = (planes.length + CHANNEL_GROUP - 1) / CHANNEL_GROUP * CHANNEL_GROUP;
    planes.part = (in.height + border + stride - 1) / stride * planes.pitch;
    planes.plane = stride * stride * planes.part;
    planes.size = in.channels * planes.plane + out.channels * planes.length + CHANNEL_GROUP;
    return planes;
}

/* ---- what is wanted ---------------------------------------------------------------------------------------------- */

static bool wanted(const EngineOptions *options, int tensor) {
    return tensor != NO_TENSOR && options->gradients && options->gradients[tensor];
}

/* Marks what each step computes; a map's gradient is needed where anything before it is wanted. */
static void find_wanted(Plan *plan, const Graph *graph, const EngineOptions *options, bool *needed) {
    for (size_t i = 0; i < plan->step_count; i++) {
        Step *step = &plan->steps[i];
        if (step->kind == STEP_INPUT) {
            needed[0] = step->backward = options->input_gradient;
            continue;
        }
        const Op *op = &graph->ops[step->training ? step->batch_norm : step->op];
        if (step->kind == STEP_CONVOLUTION || step->kind == STEP_DEPTHWISE || step->training) {
            step->weight_wanted = wanted(options, op->weight);
            step->bias_wanted = wanted(options, op->bias);
        }
        step->backward = step->weight_wanted || step->bias_wanted || needed[step->input] ||
                         (step->residual >= 0 && needed[step->residual]);
        needed[step->result] = step->backward;
    }
}

/* ---- places ------------------------------------------------------------------------------------------------------ */

/* The floats of a step's weights on the way back: those of the way there, with the input's channels padded. */
static bool place_step(Plan *plan, Step *step) {
    const unsigned in = plan->maps[step->input].shape.channels, out = plan->maps[step->op].shape.channels;
    const uint64_t taps = (uint64_t)step->kernel[0] * step->kernel[1];
    step->transposed = plan->parameters;
    step->back_tile_weights = plan->parameters;
    if (step->to_input.write && step->back_tiling.tile > 0)
        scratch_need(plan, winograd_scratch(step->back_tiling, out, in));
    if (step->to_input.write && tiling_transformed(step->back_tiling)) {
        const size_t rows = padded_channels(in);
        if (!size_place(&plan->parameters, winograd_positions(step->back_tiling.tile), rows, out)) return false;
    } else if (step->kind == STEP_CONVOLUTION) {
        const uint64_t each = in / step->groups;
        const uint64_t rows = step->groups * padded_channels(each);
        if (step->to_input.write && !size_place(&plan->parameters, taps, rows, out / step->groups)) return false;
    } else if (step->kind == STEP_DEPTHWISE && step->to_input.write) {
        if (!size_place(&plan->parameters, taps, out, 1)) return false;
    }
    step->weight_gradient = plan->sums;
    if (step->weight_wanted && !step->training) {
        const size_t rows = step->kind == STEP_DEPTHWISE ? out : step->groups * padded_channels(out / step->groups);
        const size_t columns = step->kind == STEP_DEPTHWISE ? 1 : in / step->groups;
        if (!size_place(&plan->sums, taps, rows, columns)) return false;
        if (step->gradient_tile > 0)
            scratch_need(plan, winograd_gradient_scratch(step->gradient_tile,
                                                         tiling_of(step->gradient_tile, 1, false, in).chunk, in, out));
    }
    if (planes_apply(step)) {
        const Planes planes = planes_of(step, plan->maps[step->input].shape, plan->maps[step->op].shape);
        if (planes.size > plan->planes) plan->planes = planes.size;
        scratch_need(plan, plan->planes * KEPT_BLOCK);
        step->kernels = plan->kernels;
        step->channels = plan->kernel_channels;
        plan->kernels += (size_t)in * out;
        plan->kernel_channels += in + 1;
    }
    step->bias_gradient = plan->sums;
    return !step->bias_wanted || step->training || size_place(&plan->sums, out, 1, 1);
}

/* The walk back over the steps; arrays have one entry per operation. */
typedef struct Walk {
    Plan *plan;
    const bool *needed;
    int *left;    /* contributions to this map's gradient still to come */
    int *pending; /* the map whose gradient holds those that came, or -1 */
    int *holders; /* others that read this map's gradient later */
    Slot *slots;
    size_t slot_count;
    size_t *slot_of;
} Walk;

static void release(Walk *walk, int map) {
    Slot *slot = &walk->slots[walk->slot_of[map]];
    if (walk->holders[map] == 0 && !walk->plan->gradients[map].local && slot->map == map) slot->map = -1;
}

static bool take_place(Walk *walk, int map) {
    size_t size = 0;
    walk->holders[map] = 1; /* the step that made it */
    if (walk->plan->gradients[map].local) return local_place(walk->plan, &walk->plan->gradients[map]);
    if (!map_place(&size, &walk->plan->gradients[map])) return false;
    Slot *slot = slot_choose(walk->slots, &walk->slot_count, size);
    slot->map = map;
    walk->slot_of[map] = (size_t)(slot - walk->slots);
    return true;
}

/* One contribution of a step to the gradient of `map`. `plain`: it is the gradient of the step's result itself, which
 * may then stand for the sum as long as more is to come. */
static bool contribute(Walk *walk, const Step *step, int map, bool plain, Flow *flow) {
    const int before = walk->pending[map];
    *flow = (Flow){.with = -1};
    if (!walk->needed[map]) return true;
    walk->left[map]--;
    if (plain && before < 0 && walk->left[map] > 0) {
        walk->pending[map] = step->result;
        walk->holders[step->result]++;
        return true;
    }
    *flow = (Flow){.write = true, .with = before, .last = walk->left[map] == 0};
    if (before != map && !take_place(walk, map)) return false;
    if (before >= 0 && before != map) {
        walk->holders[before]--;
        release(walk, before);
    }
    walk->pending[map] = map;
    return true;
}

static bool walk_back(Walk *walk) {
    Plan *plan = walk->plan;
    for (size_t i = 0; i < plan->step_count; i++) {
        const Step *step = &plan->steps[i];
        if (!step->backward || step->kind == STEP_INPUT) continue;
        walk->left[step->input]++;
        if (step->residual >= 0) walk->left[step->residual]++;
    }
    const int last = plan->steps[plan->step_count - 1].result; /* its gradient comes from the loss */
    if (walk->needed[last] && !take_place(walk, last)) return false;
    walk->pending[last] = last;
    for (size_t i = plan->step_count; i-- > 0;) {
        Step *step = &plan->steps[i];
        if (!step->backward) continue;
        step->unread = walk->pending[step->result] < 0;
        if (step->unread && !take_place(walk, step->result)) return false;
        if (step->kind == STEP_INPUT) continue;
        /* The residual first: where it is the same map as the input, the input's part is added to it. */
        const bool plain = step->kind != STEP_MULTIPLY && step->kind != STEP_CONCAT;
        if (step->residual >= 0 && !contribute(walk, step, step->residual, plain, &step->to_residual)) return false;
        if (!contribute(walk, step, step->input, false, &step->to_input)) return false;
        walk->holders[step->result]--;
        release(walk, step->result);
    }
    return true;
}

static bool place_gradients(Walk *walk) {
    Plan *plan = walk->plan;
    if (!walk_back(walk)) return false;
    for (size_t j = 0; j < walk->slot_count; j++) {
        for (size_t i = 0; i < plan->step_count; i++) {
            const Step *step = &plan->steps[i];
            Map *gradient = &plan->gradients[step->result];
            if (step->backward && !gradient->local && walk->slot_of[step->result] == j) gradient->offset = plan->arena;
        }
        if (!size_place(&plan->arena, walk->slots[j].size, 1, 1)) return false;
    }
    for (size_t i = 0; i < plan->step_count; i++)
        if (plan->steps[i].backward && plan->steps[i].kind != STEP_INPUT && !place_step(plan, &plan->steps[i]))
            return false;
    return size_place(&plan->arena, CHANNEL_GROUP, 1, 1); /* as after the maps */
}

/* ---- the whole --------------------------------------------------------------------------------------------------- */

bool plan_backward(Plan *plan, const Graph *graph, const EngineOptions *options, Slot *slots, Error *err) {
    Walk walk = {.plan = plan, .slots = slots};
    bool *needed = NULL;
    bool done = (needed = mem_alloc(graph->count, sizeof *needed, err)) &&
                (walk.left = mem_alloc(graph->count, sizeof *walk.left, err)) &&
                (walk.pending = mem_alloc(graph->count, sizeof *walk.pending, err)) &&
                (walk.holders = mem_alloc(graph->count, sizeof *walk.holders, err)) &&
                (walk.slot_of = mem_alloc(graph->count, sizeof *walk.slot_of, err));
    if (done) {
        find_wanted(plan, graph, options, needed);
        walk.needed = needed;
        for (size_t i = 0; i < graph->count; i++) {
            walk.pending[i] = -1;
            slots[i] = (Slot){0};
            plan->gradients[i].shape = plan->maps[i].shape;
        }
        for (size_t i = 1; i < plan->step_count; i++) {
            const Step *step = &plan->steps[i];
            plan->gradients[step->result].border =
                gradient_border(step, plan->maps[step->input].shape, plan->maps[step->op].shape);
        }
        done = place_gradients(&walk) || error_set(err, STATUS_LIMIT, "the gradients are too large");
    }
    mem_free(needed);
    mem_free(walk.left);
    mem_free(walk.pending);
    mem_free(walk.holders);
    mem_free(walk.slot_of);
    return done;
}
