/* backward -- the steps of a backward pass, block of images by block of images: for each step the gradients of its
 * weights, then its part of the gradients of its operands. See plan.h for the order in which these come together.
 */
#include "net/engine/engine.h"

/* ---- weights ----------------------------------------------------------------------------------------------------- */

/* What the kernels of weight gradients have in common, for the image in `arena`. */
static WeightGradient weight_gradient_of(const Engine *engine, const Block *block, const Step *step, float *arena,
                                         bool add) {
    const View in = map_view(engine, arena, step->input), out = gradient_view(engine, arena, step->result);
    return (WeightGradient){
        .in = in.at - step->padding[0] * in.row - step->padding[1] * in.pixel,
        .step_row = step->stride[0] * in.row,
        .step_pixel = step->stride[1] * in.pixel,
        .tap_row = step->dilation[0] * in.row,
        .tap_pixel = step->dilation[1] * in.pixel,
        .rows = step->kernel[0],
        .columns = step->kernel[1],
        .run = in.shape.channels / step->groups,
        .gradient = out.at,
        .gradient_row = out.row,
        .gradient_pixel = out.pixel,
        .height = out.shape.height,
        .width = out.shape.width,
        .channels = out.shape.channels,
        .sums = block->sums + step->weight_gradient,
        .add = add,
    };
}

static void weight_step(const Pass *pass, const Block *block, const Step *step, float *arena, bool add) {
    const Engine *engine = pass->engine;
    WeightGradient g = weight_gradient_of(engine, block, step, arena, add);
    const float *gradient = g.gradient;
    const size_t channels = g.run;
    const unsigned out_channels = g.channels;
    const bool dense = step->weight_wanted && !chosen_sparse(pass, step) && step->gradient_tile == 0;
    if (dense && step->kind == STEP_DEPTHWISE) engine->kernels->depthwise_gradient(&g);
    if (dense && step->kind == STEP_CONVOLUTION) {
        g.channels /= step->groups;
        const size_t sums = padded_channels(g.channels) * g.rows * g.columns * channels;
        if (g.tap_pixel == g.run) {
            g.run *= g.columns;
            g.columns = 1;
        }
        for (unsigned group = 0; group < step->groups; group++) {
            engine->kernels->weight_gradient(&g);
            g.in += channels;
            g.gradient += g.channels;
            g.sums += sums;
        }
    }
    if (!step->bias_wanted) return;
    g.in = NULL;
    g.rows = g.columns = 1;
    g.gradient = gradient;
    g.channels = out_channels;
    g.sums = block->sums + step->bias_gradient;
    engine->kernels->depthwise_gradient(&g);
}

/* The gradients of 3 x 3 weights for a whole block, in tiles. */
static void weight_tiles(const Pass *pass, const Block *block, const Step *step) {
    const Engine *engine = pass->engine;
    const WeightGradient gradient = weight_gradient_of(engine, block, step, block->arenas, block->add);
    const WinogradGradient w = {
        .gradient = gradient,
        .images = block->count,
        .next_image = engine->plan.arena,
        .tile = step->gradient_tile,
        .chunk = tiling_of(step->gradient_tile, 1, false, gradient.run).chunk,
        .scratch = engine->scratch + block->worker * engine->plan.scratch,
    };
    engine->kernels->winograd_gradient(&w);
}

/* ---- maps -------------------------------------------------------------------------------------------------------- */

/* A Convolution that writes the gradient of `map` as the flow says; what it reads is the caller's to set. */
static Convolution flow_begin(const Engine *engine, float *arena, const Flow *flow, int map) {
    const View out = gradient_view(engine, arena, map), value = map_view(engine, arena, map);
    if (flow->with != map) view_clear_border(&out);
    Convolution c = {
        .rows = 1,
        .columns = 1,
        .out = out.at,
        .out_row = out.row,
        .out_pixel = out.pixel,
        .out_height = out.shape.height,
        .out_width = out.shape.width,
        .out_channels = out.shape.channels,
        .images = 1,
    };
    if (flow->with >= 0) {
        const View with = gradient_view(engine, arena, flow->with);
        c.residual = with.at;
        c.residual_row = with.row;
        c.residual_pixel = with.pixel;
    }
    if (flow->last && engine->plan.maps[map].activation != ACTIVATION_NONE) {
        c.mask = value.at;
        c.mask_row = value.row;
        c.mask_pixel = value.pixel;
        c.masked = engine->plan.maps[map].activation;
    }
    return c;
}

static void flow_read(Convolution *c, const View *in) {
    c->in = in->at;
    c->step_row = c->tap_row = in->row;
    c->step_pixel = c->tap_pixel = in->pixel;
}

/* The same for what is done channel by channel: `in`, added to what the flow brings. */
static Blend flow_blend(const Engine *engine, float *arena, const Flow *flow, int map, const View *in) {
    const Convolution c = flow_begin(engine, arena, flow, map);
    return (Blend){
        .in = in->at,
        .in_row = in->row,
        .in_pixel = in->pixel,
        .other = c.residual,
        .other_row = c.residual_row,
        .other_pixel = c.residual_pixel,
        .mask = c.mask,
        .mask_row = c.mask_row,
        .mask_pixel = c.mask_pixel,
        .masked = c.masked,
        .out = c.out,
        .out_row = c.out_row,
        .out_pixel = c.out_pixel,
        .height = c.out_height,
        .width = c.out_width,
        .channels = c.out_channels,
    };
}

/* The gradient of the step's result itself, or scaled by channel. */
static void pass_on(const Engine *engine, float *arena, const Step *step, const Flow *flow, int map,
                    const float *scale) {
    const View in = gradient_view(engine, arena, step->result);
    Blend b = flow_blend(engine, arena, flow, map, &in);
    b.factor = scale;
    engine->kernels->blend(&b);
}

/* To every stride-th pixel from `first` on only. */
static void narrow(Convolution *c, const unsigned *stride, const Phase *down, const Phase *across) {
    c->out += down->first * c->out_row + across->first * c->out_pixel;
    c->out_row *= stride[0];
    c->out_pixel *= stride[1];
    if (c->residual) c->residual += down->first * c->residual_row + across->first * c->residual_pixel;
    c->residual_row *= stride[0];
    c->residual_pixel *= stride[1];
    if (c->mask) c->mask += down->first * c->mask_row + across->first * c->mask_pixel;
    c->mask_row *= stride[0];
    c->mask_pixel *= stride[1];
    c->out_height = down->count;
    c->out_width = across->count;
}

/* One phase of a convolution, all its groups of channels (`in`, `out`: channels of one). */
static void convolution_phase(const Engine *engine, Convolution c, unsigned groups, size_t in, size_t out) {
    const size_t weights = padded_channels(in) * c.rows * c.columns * out;
    c.run = out;
    c.out_channels = (unsigned)in;
    if (c.tap_pixel == c.run) {
        c.run *= c.columns;
        c.columns = 1;
    }
    for (unsigned group = 0; group < groups; group++) {
        engine->kernels->convolution(&c);
        c.in += out;
        c.weights += weights;
        c.out += in;
        if (c.residual) c.residual += in;
        if (c.mask) c.mask += in;
    }
}

/* Convolutions of all kinds and shortcuts: phase by phase, each a convolution of stride 1 over the result's gradient.
 */
static void windows_back(const Engine *engine, float *arena, const Step *step) {
    static const float nothing[1] = {0};
    const View gradient = gradient_view(engine, arena, step->result);
    const Shape in = engine->plan.maps[step->input].shape;
    const size_t out = gradient.shape.channels / step->groups, each = in.channels / step->groups;
    const size_t channels = step->kind == STEP_CONVOLUTION ? step->groups * padded_channels(each) * out : in.channels;
    const Convolution whole = flow_begin(engine, arena, &step->to_input, step->input);
    const float *weights = engine->parameters + step->transposed;
    for (unsigned y = 0; y < step->stride[0]; y++)
        for (unsigned x = 0; x < step->stride[1]; x++) {
            const Phase down = phase_at(step, 0, y, in.height), across = phase_at(step, 1, x, in.width);
            Convolution c = whole;
            flow_read(&c, &gradient);
            narrow(&c, step->stride, &down, &across);
            c.in += down.offset * (ptrdiff_t)gradient.row + across.offset * (ptrdiff_t)gradient.pixel;
            c.tap_row *= down.dilation;
            c.tap_pixel *= across.dilation;
            c.rows = across.taps > 0 ? down.taps : 0;
            c.columns = across.taps;
            c.weights = weights;
            weights += (size_t)down.taps * across.taps * channels;
            if (step->kind == STEP_CONVOLUTION) {
                convolution_phase(engine, c, step->groups, each, out);
                continue;
            }
            if (step->kind == STEP_SHORTCUT_A) {
                c.weights = c.rows > 0 ? NULL : nothing;
                c.in += engine->graph->ops[step->op].offset;
            }
            engine->kernels->depthwise(&c);
        }
}

/* The same of a whole block: the only phase of a stride of 1, in tiles. */
static void tiles_back(const Engine *engine, const Block *block, const Step *step) {
    const View gradient = gradient_view(engine, block->arenas, step->result);
    const Shape in = engine->plan.maps[step->input].shape;
    const Phase down = phase_at(step, 0, 0, in.height), across = phase_at(step, 1, 0, in.width);
    Convolution c = {0};
    for (size_t i = block->count; i-- > 0;) /* the first image's comes last */
        c = flow_begin(engine, block->arenas + i * engine->plan.arena, &step->to_input, step->input);
    flow_read(&c, &gradient);
    c.in += down.offset * (ptrdiff_t)gradient.row + across.offset * (ptrdiff_t)gradient.pixel;
    c.images = (unsigned)block->count;
    c.next = engine->plan.arena;
    c.weights = engine->parameters + (step->back_tiling.plain ? step->transposed : step->back_tile_weights);
    c.run = gradient.shape.channels;
    c.tap_row = c.step_row;
    c.tap_pixel = c.step_pixel;
    block_tiles(engine, block, &c, step->back_tiling);
}

/* Adds what the step hands on to one of its operands, which it scatters or whose other parts it leaves alone. */
static void scatter(const Engine *engine, float *arena, const Step *step, int map, const View *to) {
    const View in = map_view(engine, arena, step->input), gradient = gradient_view(engine, arena, step->result);
    if (step->kind == STEP_MULTIPLY) {
        const View other = map_view(engine, arena, map == step->input ? step->residual : step->input);
        multiply_backward(&other, &gradient, to);
    } else if (step->kind == STEP_POINTWISE) {
        pointwise_backward(engine, step, &in, &gradient, to);
    } else if (step->kind == STEP_MOVE) {
        move_backward(engine, step, &gradient, to);
    } else {
        const Pool pool = step_pool(engine, step, &in, &gradient);
        (step->kind == STEP_MAX_POOL ? pool_maximum_backward : pool_average_backward)(&pool, to->at, to->row,
                                                                                      to->pixel);
    }
}

/* The gradient of the operand is begun, added to, and then goes through the activation. */
static void scatter_back(const Engine *engine, float *arena, const Step *step, const Flow *flow, int map) {
    const View to = gradient_view(engine, arena, map);
    Blend masks = flow_blend(engine, arena, flow, map, &to);
    masks.other = NULL;
    if (flow->with < 0) view_clear(&to);
    if (flow->with >= 0 && flow->with != map) {
        const View with = gradient_view(engine, arena, flow->with);
        Blend copy = masks;
        copy.in = with.at;
        copy.in_row = with.row;
        copy.in_pixel = with.pixel;
        copy.mask = NULL;
        engine->kernels->blend(&copy);
    }
    scatter(engine, arena, step, map, &to);
    if (masks.mask) engine->kernels->blend(&masks);
}

/* The channels of the result that came from this operand, the one from channel `first` on. */
static void concat_back(const Engine *engine, float *arena, const Step *step, const Flow *flow, int map, size_t first) {
    View in = gradient_view(engine, arena, step->result);
    in.at += first;
    const Blend b = flow_blend(engine, arena, flow, map, &in);
    engine->kernels->blend(&b);
}

/* The second operand of a step: what is added takes the gradient of the result as it is. */
static void residual_back(const Engine *engine, float *arena, const Step *step) {
    const Flow *flow = &step->to_residual;
    if (step->kind == STEP_MULTIPLY)
        scatter_back(engine, arena, step, flow, step->residual);
    else if (step->kind == STEP_CONCAT)
        concat_back(engine, arena, step, flow, step->residual, engine->plan.maps[step->input].shape.channels);
    else
        pass_on(engine, arena, step, flow, step->residual, NULL);
}

/* Batch norm in training mode: a * gradient + b * input + c, by channel (see statistics_backward). */
static void training_back(const Engine *engine, float *arena, const Step *step) {
    const View value = map_view(engine, arena, step->input), gradient = gradient_view(engine, arena, step->result);
    const float *coefficients = engine->statistics.coefficients;
    const size_t channels = value.shape.channels;
    Blend b = flow_blend(engine, arena, &step->to_input, step->input, &value); /* the small terms first */
    b.factor = coefficients + channels;
    b.constant = coefficients + 2 * channels;
    if (b.other) { /* what other readers of the input gave comes in first */
        Blend sum = b;
        sum.mask = NULL;
        engine->kernels->blend(&sum);
        b.in = b.out;
        b.in_row = b.out_row;
        b.in_pixel = b.out_pixel;
        b.factor = b.constant = NULL;
    }
    b.other = gradient.at;
    b.other_row = gradient.row;
    b.other_pixel = gradient.pixel;
    b.other_factor = coefficients;
    engine->kernels->blend(&b);
}

/* Straight through, but for what the quantiser cut. The gradient of its result is nobody else's: changed in place. */
static void quantise_back(const Engine *engine, float *arena, const Step *step) {
    const View in = map_view(engine, arena, step->input), gradient = gradient_view(engine, arena, step->result);
    const Levels levels = step_levels(step, &in, &gradient);
    if (step->quantiser.bits > 0) engine->kernels->quantise_mask(&levels);
    pass_on(engine, arena, step, &step->to_input, step->input, NULL);
}

/* The gradient with respect to the pixels, as they come in. */
static void pixels_back(const Pass *pass, size_t image, float *arena) {
    const Engine *engine = pass->engine;
    const View gradient = gradient_view(engine, arena, 0);
    const size_t size = (size_t)engine->height * engine->width;
    if (!pass->gradients->pixels) return;
    float *to = pass->gradients->pixels + image * gradient.shape.channels * size;
    for (unsigned c = 0; c < gradient.shape.channels; c++)
        for (unsigned y = 0; y < engine->height; y++)
            for (unsigned x = 0; x < engine->width; x++)
                *to++ = gradient.at[y * gradient.row + x * gradient.pixel + c] / engine->normalisation.std[c];
}

static void input_back(const Pass *pass, size_t image, const Step *step, float *arena) {
    const Engine *engine = pass->engine;
    switch (step->kind) {
    case STEP_INPUT:
        pixels_back(pass, image, arena);
        break;
    case STEP_CONVOLUTION:
    case STEP_DEPTHWISE:
    case STEP_SHORTCUT_A:
        windows_back(engine, arena, step);
        break;
    case STEP_ELEMENTWISE:
        if (step->training)
            training_back(engine, arena, step);
        else
            pass_on(engine, arena, step, &step->to_input, step->input, engine->parameters + step->weights);
        break;
    case STEP_CONCAT:
        concat_back(engine, arena, step, &step->to_input, step->input, 0);
        break;
    case STEP_POINTWISE:
    case STEP_MULTIPLY:
    case STEP_MOVE:
    case STEP_MAX_POOL:
    case STEP_AVERAGE_POOL:
        scatter_back(engine, arena, step, &step->to_input, step->input);
        break;
    case STEP_QUANTISE:
        quantise_back(engine, arena, step);
        break;
    }
}

/* ---- blocks ------------------------------------------------------------------------------------------------------ */

void backward_steps(const Pass *pass, const Block *block, size_t first, size_t end) {
    const Engine *engine = pass->engine;
    for (size_t s = end; s-- > first;) {
        const Step *step = &engine->plan.steps[s];
        if (!step->backward) continue;
        for (size_t i = 0; i < block->count; i++) {
            gradient_begin(pass, block, i, step);
            if (!step->training && (step->weight_wanted || step->bias_wanted))
                weight_step(pass, block, step, block->arenas + i * engine->plan.arena, block->add || i > 0);
        }
        if (!step->training && chosen_sparse(pass, step))
            chosen_step(pass, block, step);
        else if (step->weight_wanted && step->gradient_tile > 0)
            weight_tiles(pass, block, step);
        const bool tiles = step->to_input.write && step->back_tiling.tile > 0;
        for (size_t i = 0; i < block->count; i++) {
            float *arena = block->arenas + i * engine->plan.arena;
            if (step->to_residual.write) residual_back(engine, arena, step);
            if (!tiles && (step->to_input.write || step->kind == STEP_INPUT))
                input_back(pass, block->first + i, step, arena);
        }
        if (tiles) tiles_back(engine, block, step);
    }
}
