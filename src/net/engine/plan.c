/* plan -- which operations of a graph run together, and where their results lie. */
#include "net/engine/plan.h"

#include <string.h>

#include "weft/base/error.h"
#include "weft/base/memory.h"

/* The graph as the planner sees it; arrays have one entry per operation. */
typedef struct Planner {
    const Graph *graph;
    Plan *plan;
    int *uses;                   /* how many operations read this result */
    int *reader;                 /* the last of them */
    bool *done;                  /* part of a step already */
    int *last_use;               /* the last step that reads this result; step_count for the logits */
    bool feature_maps, training; /* batch norms and sums remain maps; batch norms are steps of their own */
} Planner;

/* ---- steps ------------------------------------------------------------------------------------------------------- */

static void count_uses(const Planner *planner) {
    for (size_t i = 1; i < planner->graph->count; i++)
        for (int j = 0; j < 2; j++) {
            int input = planner->graph->ops[i].input[j];
            if (input < 0) continue;
            planner->uses[input]++;
            planner->reader[input] = (int)i;
        }
}

/* The operation of this kind that alone reads the step's result, or -1. */
static int follower(const Planner *planner, const Step *step, OpKind kind) {
    if (planner->uses[step->result] != 1) return -1;
    int reader = planner->reader[step->result];
    return planner->graph->ops[reader].kind == kind ? reader : -1;
}

static void absorb(const Planner *planner, Step *step, int op) {
    step->result = op;
    planner->done[op] = true;
}

/* Takes into the step what follows it: batch norm, a sum whose other part is there already, ReLU. */
static void fuse(const Planner *planner, Step *step) {
    int next;
    if (step->batch_norm < 0 && step->kind != STEP_ELEMENTWISE && !planner->training &&
        (next = follower(planner, step, OP_BATCH_NORM)) >= 0) {
        step->batch_norm = next;
        absorb(planner, step, next);
    }
    if (planner->feature_maps && (step->batch_norm >= 0 || step->residual >= 0)) return;
    if (step->residual < 0 && (next = follower(planner, step, OP_ADD)) >= 0) {
        const int *input = planner->graph->ops[next].input;
        int other = input[0] == step->result ? input[1] : input[0];
        if (planner->done[other]) {
            step->residual = other;
            absorb(planner, step, next);
        }
    }
    if (planner->feature_maps && step->residual >= 0) return;
    if (step->activation != ACTIVATION_NONE) return;
    if ((next = follower(planner, step, OP_RELU)) >= 0) {
        step->activation = ACTIVATION_RELU;
        absorb(planner, step, next);
    } else if ((next = follower(planner, step, OP_RELU6)) >= 0) {
        step->activation = ACTIVATION_RELU6;
        absorb(planner, step, next);
    }
}

/* The window of a convolution or pool. */
static void take_window(Step *step, const Op *op) {
    memcpy(step->kernel, op->kernel, sizeof step->kernel);
    memcpy(step->stride, op->stride, sizeof step->stride);
    memcpy(step->padding, op->padding, sizeof step->padding);
    if (op->kind != OP_CONV) return;
    memcpy(step->dilation, op->dilation, sizeof step->dilation);
    step->groups = op->groups;
}

static void begin_weights(Step *step, const Op *op, Shape in) {
    step->kind = STEP_CONVOLUTION;
    if (op->kind == OP_CONV) {
        take_window(step, op);
        if (op->groups > 1 && op->groups == in.channels && op->out_channels == in.channels) step->kind = STEP_DEPTHWISE;
        return;
    }
    /* One window as large as the map: any stride does, and this one keeps the windows of the way back apart. */
    step->kernel[0] = step->stride[0] = in.height;
    step->kernel[1] = step->stride[1] = in.width;
}

static void begin_pool(Step *step, const Op *op, Shape in) {
    step->kind = op->kind == OP_MAX_POOL ? STEP_MAX_POOL : STEP_AVERAGE_POOL;
    if (op->kind == OP_MAX_POOL || op->kind == OP_AVERAGE_POOL) take_window(step, op);
    if (op->kind != OP_GLOBAL_POOL) return;
    step->kernel[0] = step->stride[0] = in.height;
    step->kernel[1] = step->stride[1] = in.width;
}

static void begin_norm(const Planner *planner, Step *step, Shape in) {
    Plan *plan = planner->plan;
    step->batch_norm = step->op;
    step->kind = STEP_ELEMENTWISE;
    step->training = planner->training;
    step->statistics = plan->statistics;
    if (!step->training) return;
    plan->statistics += in.channels;
    if (in.channels > plan->channels) plan->channels = in.channels;
}

/* The step that begins with operation `i`. */
static Step begin_step(const Planner *planner, int i) {
    const Op *op = &planner->graph->ops[i];
    Step step = {.op = i, .input = op->input[0], .batch_norm = -1, .residual = -1, .result = i, .groups = 1};
    for (int axis = 0; axis < 2; axis++) step.kernel[axis] = step.stride[axis] = step.dilation[axis] = 1;
    const Shape in = i > 0 ? planner->plan->maps[step.input].shape : (Shape){0};
    switch (op_class(op->kind)) {
    case CLASS_SOURCE:
        step.kind = STEP_INPUT;
        break;
    case CLASS_WEIGHTS:
        begin_weights(&step, op, in);
        break;
    case CLASS_NORM:
        begin_norm(planner, &step, in);
        break;
    case CLASS_ACTIVATION:
        step.kind = op->kind == OP_RELU || op->kind == OP_RELU6 ? STEP_ELEMENTWISE : STEP_POINTWISE;
        if (step.kind == STEP_ELEMENTWISE) step.activation = op->kind == OP_RELU ? ACTIVATION_RELU : ACTIVATION_RELU6;
        break;
    case CLASS_POOL:
        begin_pool(&step, op, in);
        break;
    case CLASS_JOIN:
        step.residual = op->input[1];
        step.kind = op->kind == OP_ADD ? STEP_ELEMENTWISE : op->kind == OP_MULTIPLY ? STEP_MULTIPLY : STEP_CONCAT;
        break;
    case CLASS_MOVE:
        step.kind = op->kind == OP_SHORTCUT_A ? STEP_SHORTCUT_A : STEP_MOVE;
        if (op->kind == OP_SHORTCUT_A) memcpy(step.stride, op->stride, sizeof step.stride);
        break;
    case CLASS_LEVELS:
        step.kind = STEP_QUANTISE;
        step.quantiser = op->quantiser;
        break;
    }
    return step;
}

static bool fusible(const Step *step) {
    return step->kind == STEP_CONVOLUTION || step->kind == STEP_DEPTHWISE || step->kind == STEP_ELEMENTWISE;
}

/* A step after a ReLU of its own can take nothing more in: what follows would come before it. */
static void make_steps(const Planner *planner) {
    Plan *plan = planner->plan;
    for (size_t i = 0; i < planner->graph->count; i++) {
        if (planner->done[i]) continue;
        Step step = begin_step(planner, (int)i);
        planner->done[i] = true;
        if (fusible(&step) && step.activation == ACTIVATION_NONE) fuse(planner, &step);
        plan->maps[step.result].activation = step.activation;
        plan->steps[plan->step_count++] = step;
    }
}

/* ---- places ------------------------------------------------------------------------------------------------------ */

/* Where each step's folded weights and biases lie. */
static bool place_parameters(const Planner *planner) {
    Plan *plan = planner->plan;
    for (size_t i = 0; i < plan->step_count; i++) {
        Step *step = &plan->steps[i];
        if (!fusible(step)) continue;
        unsigned channels = plan->maps[step->op].shape.channels;
        uint64_t taps = (uint64_t)step->kernel[0] * step->kernel[1], rows = channels;
        if (step->kind == STEP_CONVOLUTION) {
            unsigned each = channels / step->groups;
            taps *= plan->maps[step->input].shape.channels / step->groups;
            rows = (uint64_t)step->groups * padded_channels(each);
        }
        step->tile_weights = plan->parameters;
        if (step->tiling.tile > 0) {
            const unsigned in = plan->maps[step->input].shape.channels, tile = step->tiling.tile;
            scratch_need(plan, winograd_scratch(step->tiling, in, channels));
            if (tiling_transformed(step->tiling) && !size_place(&plan->parameters, winograd_positions(tile), in, rows))
                return false;
        }
        step->weights = plan->parameters;
        if (step_direct(plan, step) && !size_place(&plan->parameters, taps, rows, 1)) return false;
        step->bias = plan->parameters;
        if (!size_place(&plan->parameters, rows, 1, 1)) return false;
    }
    return true;
}

static void find_lives(const Planner *planner) {
    Plan *plan = planner->plan;
    for (size_t i = 0; i < plan->step_count; i++) {
        const Step *step = &plan->steps[i];
        if (step->input >= 0) planner->last_use[step->input] = (int)i;
        if (step->residual >= 0) planner->last_use[step->residual] = (int)i;
        if (step->input < 0 || (step->kind != STEP_CONVOLUTION && step->kind != STEP_DEPTHWISE)) continue;
        Map *in = &plan->maps[step->input];
        for (int side = 0; side < 4; side++)
            if (step->padding[side] > in->border) in->border = step->padding[side];
    }
    planner->last_use[planner->graph->count - 1] = (int)plan->step_count;
}

/* Weights that do not stay in a cache from one image to the next, and maps of which those of a block do (floats). */
enum { LATE_WEIGHTS = 1 << 16, LATE_MAP = 1 << 17 };

/* The late steps begin with the first that has many weights, if no later map is large. */
static bool find_late(Plan *plan) {
    plan->early = plan->keep ? 0 : plan->step_count;
    for (size_t i = plan->step_count; !plan->keep && i-- > 0;) {
        const Step *step = &plan->steps[i];
        size_t size = 0;
        if (!map_place(&size, &plan->maps[step->result])) return false;
        if (size > LATE_MAP) break;
        if (step->kind == STEP_CONVOLUTION && step->bias - step->tile_weights >= LATE_WEIGHTS) plan->early = i;
    }
    return true;
}

/* Maps that do not stay in a core's cache, in floats. */
enum { TURN_MAP = 1 << 18 };

static bool takes_turns(const Step *step) {
    return (step->kind == STEP_CONVOLUTION && step->groups == 1) || step->kind == STEP_DEPTHWISE;
}

/* What steps that take turns read lives until the last of them is done. */
static bool find_turns(const Planner *planner) {
    Plan *plan = planner->plan;
    for (size_t i = 0, end; i < plan->step_count; i = end) {
        for (end = i + 1; end < plan->early && end < i + TURNS_MOST; end++) {
            const Step *before = &plan->steps[end - 1], *step = &plan->steps[end];
            size_t size = 0;
            if (!map_place(&size, &plan->maps[before->result])) return false;
            if (size < TURN_MAP || !takes_turns(before) || !takes_turns(step) || step->input != before->result) break;
        }
        for (size_t j = i; j < end; j++) {
            const Step *step = &plan->steps[j];
            plan->steps[j].turns = (unsigned)(end - j);
            for (int operand = 0; operand < 2; operand++) {
                const int map = operand == 0 ? step->input : step->residual;
                if (map >= 0 && planner->last_use[map] < (int)end - 1) planner->last_use[map] = (int)end - 1;
            }
        }
    }
    return true;
}

static bool is_late(const Planner *planner, size_t step) {
    const Plan *plan = planner->plan;
    return step >= plan->early || planner->last_use[plan->steps[step].result] >= (int)plan->early;
}

/* Gives the early or the late results a slot for their lives, then the slots their offsets from `begin` on, and *total
 * their floats. `slot_of`: one entry per operation. */
static bool place_maps(const Planner *planner, Slot *slots, size_t *slot_of, bool late, size_t begin, size_t *total) {
    Plan *plan = planner->plan;
    size_t count = 0;
    for (size_t i = 0; i < plan->step_count; i++) {
        int result = plan->steps[i].result;
        const Map *map = &plan->maps[result];
        size_t size = 0;
        if (!map_place(&size, map)) return false;
        if (is_late(planner, i) == late && !map->local) {
            Slot *slot = slot_choose(slots, &count, size);
            slot->map = result;
            slot_of[result] = (size_t)(slot - slots);
        }
        for (size_t j = 0; j < count && !plan->keep; j++)
            if (slots[j].map >= 0 && planner->last_use[slots[j].map] <= (int)i) slots[j].map = -1;
    }
    for (size_t j = 0; j < count; j++) {
        for (size_t i = 0; i < plan->step_count; i++)
            if (is_late(planner, i) == late && !plan->maps[plan->steps[i].result].local &&
                slot_of[plan->steps[i].result] == j)
                plan->maps[plan->steps[i].result].offset = begin + *total;
        if (!size_place(total, slots[j].size, 1, 1)) return false;
    }
    return true;
}

/* ---- the whole --------------------------------------------------------------------------------------------------- */

bool plan_make(Plan *plan, const Network *network, unsigned height, unsigned width, const EngineOptions *options,
               Error *err) {
    static const EngineOptions nothing = {0};
    const Graph *graph = network->graph;
    *plan = (Plan){0};
    Shape *shapes = graph_shapes(network, height, width, err);
    if (!shapes) return false;
    size_t count = network->graph->count;
    if (!options) options = &nothing;
    plan->keep = options->gradients || options->input_gradient || options->feature_maps || options->batch_statistics;
    Planner planner = {
        .graph = graph, .plan = plan, .feature_maps = options->feature_maps, .training = options->batch_statistics};
    Slot *slots = NULL;
    size_t *slot_of = NULL;
    bool done = (planner.uses = mem_alloc(count, sizeof *planner.uses, err)) &&
                (planner.reader = mem_alloc(count, sizeof *planner.reader, err)) &&
                (planner.done = mem_alloc(count, sizeof *planner.done, err)) &&
                (planner.last_use = mem_alloc(count, sizeof *planner.last_use, err)) &&
                (slots = mem_alloc(count, sizeof *slots, err)) && (slot_of = mem_alloc(count, sizeof *slot_of, err)) &&
                (plan->steps = mem_alloc(count, sizeof *plan->steps, err)) &&
                (plan->maps = mem_alloc(count, sizeof *plan->maps, err)) &&
                (plan->gradients = mem_alloc(count, sizeof *plan->gradients, err));
    if (done) {
        for (size_t i = 0; i < count; i++) plan->maps[i].shape = shapes[i];
        count_uses(&planner);
        make_steps(&planner);
        find_lives(&planner);
        plan->backward = options->gradients || options->input_gradient;
        plan_tiles(plan, graph);
        /* Kernels read up to a group of channels beyond a map's end. */
        plan->arena = plan->statistics > 0 ? ARENA_HEAD : 0;
        done = (place_parameters(&planner) && find_late(plan) && find_turns(&planner) && plan_local(plan) &&
                place_maps(&planner, slots, slot_of, false, 0, &plan->early_arena) &&
                place_maps(&planner, slots, slot_of, true, plan->early_arena, &plan->arena) &&
                size_place(&plan->arena, CHANNEL_GROUP, 1, 1)) ||
               error_set(err, STATUS_LIMIT, "the maps of images of %ux%u are too large", height, width);
        done = done && (!plan->backward || plan_backward(plan, graph, options, slots, err));
        if (plan->local > 0 && plan->arena < plan->local + CHANNEL_GROUP) plan->arena = plan->local + CHANNEL_GROUP;
    }
    mem_free(shapes);
    mem_free(planner.uses);
    mem_free(planner.reader);
    mem_free(planner.done);
    mem_free(planner.last_use);
    mem_free(slots);
    mem_free(slot_of);
    if (!done) plan_done(plan);
    return done;
}

void plan_done(Plan *plan) {
    mem_free(plan->steps);
    mem_free(plan->maps);
    mem_free(plan->gradients);
    *plan = (Plan){0};
}
