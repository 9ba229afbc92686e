/* forward -- the steps of a forward pass, block of images by block of images. */
#include "net/engine/engine.h"

#include <limits.h>
#include <string.h>

#include "weft/base/pool.h"

/* ---- steps ------------------------------------------------------------------------------------------------------- */

/* Divisions that are done together. */
enum { TOGETHER = 8 };
typedef float Together __attribute__((vector_size(TOGETHER * sizeof(float)), aligned(4), may_alias));

/* Channel planes on [0, 1] to normalised pixels. */
static void run_input(const Engine *engine, const float *pixels, const View *out) {
    const Normalisation *n = &engine->normalisation;
    const unsigned width = engine->width, whole = width / TOGETHER * TOGETHER;
    const size_t size = (size_t)engine->height * width;
    for (unsigned y = 0; y < engine->height; y++, pixels += width)
        for (unsigned c = 0; c < out->shape.channels; c++) {
            const float *from = pixels + c * size;
            float *to = out->at + y * out->row + c;
            for (unsigned x = 0; x < whole; x += TOGETHER) {
                const Together values = (*(const Together *)(from + x) - n->mean[c]) / n->std[c];
                for (unsigned i = 0; i < TOGETHER; i++, to += out->pixel) *to = values[i];
            }
            for (unsigned x = whole; x < width; x++, to += out->pixel) *to = (from[x] - n->mean[c]) / n->std[c];
        }
}

/* What convolutions of all kinds share; of the block's band of rows. */
static Convolution convolution_of(const Engine *engine, const Block *block, float *arena, const Step *step,
                                  const View *in, const View *out) {
    const Band band = block->band;
    Convolution c = {
        .in = in->at - step->padding[0] * in->row - step->padding[1] * in->pixel,
        .step_row = step->stride[0] * in->row,
        .step_pixel = step->stride[1] * in->pixel,
        .tap_row = step->dilation[0] * in->row,
        .tap_pixel = step->dilation[1] * in->pixel,
        .rows = step->kernel[0],
        .columns = step->kernel[1],
        .weights = engine->parameters + step->weights,
        .bias = engine->parameters + step->bias,
        .out = out->at,
        .out_row = out->row,
        .out_pixel = out->pixel,
        .out_height = out->shape.height,
        .out_width = out->shape.width,
        .out_channels = out->shape.channels,
        .activation = step->activation,
        .images = 1,
    };
    if (step->residual >= 0) {
        const View residual = map_view(engine, arena, step->residual);
        c.residual = residual.at;
        c.residual_row = residual.row;
        c.residual_pixel = residual.pixel;
    }
    return band.end > 0 ? convolution_rows(c, band.first, band.end - band.first) : c;
}

/* Of `images` images, the first of them in `arena`. All groups of channels, one after the other; a row of taps is one
 * run where they are neighbours. */
static void run_convolution(const Pass *pass, const Block *block, float *arena, size_t images, const Step *step,
                            const View *in, const View *out) {
    const Engine *engine = pass->engine;
    Convolution c = convolution_of(engine, block, arena, step, in, out);
    c.images = (unsigned)images;
    c.next = engine->plan.arena;
    const size_t channels = in->shape.channels / step->groups;
    c.run = channels;
    c.out_channels = out->shape.channels / step->groups;
    const size_t padded = padded_channels(c.out_channels);
    const size_t weights = padded * c.rows * c.columns * channels;
    if (c.tap_pixel == c.run) {
        c.run *= c.columns;
        c.columns = 1;
    }
    const bool divided = step->groups == 1 && divide_step(pass, step, images);
    for (unsigned group = 0; group < step->groups; group++) {
        if (divided)
            divide_run(&c, engine->kernels->convolution, false);
        else
            engine->kernels->convolution(&c);
        c.in += channels;
        c.weights += weights;
        c.bias += padded;
        c.out += c.out_channels;
        if (c.residual) c.residual += c.out_channels;
    }
}

/* Batch norm, sum and activation with no convolution before them. */
static void run_elementwise(const Engine *engine, float *arena, const Step *step, const View *in, const View *out) {
    Blend b = {
        .in = in->at,
        .in_row = in->row,
        .in_pixel = in->pixel,
        .factor = engine->parameters + step->weights,
        .constant = engine->parameters + step->bias,
        .out = out->at,
        .out_row = out->row,
        .out_pixel = out->pixel,
        .height = out->shape.height,
        .width = out->shape.width,
        .channels = out->shape.channels,
        .activation = step->activation,
    };
    if (step->residual >= 0) {
        const View other = map_view(engine, arena, step->residual);
        b.other = other.at;
        b.other_row = other.row;
        b.other_pixel = other.pixel;
    }
    engine->kernels->blend(&b);
}

/* The same by Winograd's kernels. */
static void run_tiles(const Pass *pass, const Block *block, float *arena, size_t images, const Step *step,
                      const View *in, const View *out) {
    const Engine *engine = pass->engine;
    Convolution c = convolution_of(engine, block, arena, step, in, out);
    c.images = (unsigned)images;
    c.next = engine->plan.arena;
    if (!step->tiling.plain) c.weights = engine->parameters + step->tile_weights;
    c.run = in->shape.channels;
    if (divide_step(pass, step, images))
        divide_tiles(engine, &c, step->tiling);
    else
        block_tiles(engine, block, &c, step->tiling);
}

/* Every stride-th pixel; the new channels are zero. */
static void run_shortcut(const Engine *engine, const Step *step, const View *in, const View *out) {
    const Blend copy = {
        .in = in->at,
        .in_row = step->stride[0] * in->row,
        .in_pixel = step->stride[1] * in->pixel,
        .out = out->at + engine->graph->ops[step->op].offset,
        .out_row = out->row,
        .out_pixel = out->pixel,
        .height = out->shape.height,
        .width = out->shape.width,
        .channels = in->shape.channels,
    };
    const size_t added = out->shape.channels - in->shape.channels;
    for (unsigned y = 0; added > 0 && y < out->shape.height; y++)
        memset(out->at + y * out->row, 0, out->shape.width * out->pixel * sizeof *out->at);
    engine->kernels->blend(&copy);
}

static void run_quantise(const Engine *engine, const Step *step, const View *in, const View *out) {
    const Levels levels = step_levels(step, in, out);
    if (step->quantiser.bits > 0)
        engine->kernels->quantise(&levels);
    else
        for (size_t y = 0; y < levels.rows; y++)
            memcpy(out->at + y * out->row, in->at + y * in->row, levels.run * sizeof *out->at);
}

static void observe(const Pass *pass, const Block *block, size_t image, const Step *step) {
    const Engine *engine = pass->engine;
    float *arena = block->arenas + image * engine->plan.arena;
    const View in = map_view(engine, arena, step->input), out = map_view(engine, arena, step->result);
    for (size_t y = 0; y < in.shape.height; y++)
        engine->observer(engine->observer_context, (size_t)step->op, (unsigned)(block->first + image), block->worker,
                         in.at + y * in.row, out.at + y * out.row, (size_t)in.shape.width * in.shape.channels);
}

/* Of one image, with no border around the result yet; not a convolution. */
static void run_step(const Pass *pass, const Block *block, float *arena, const Step *step, const float *pixels) {
    const Engine *engine = pass->engine;
    const View out = map_view(engine, arena, step->result),
               in = map_view(engine, arena, step->input < 0 ? 0 : step->input);
    switch (step->kind) {
    case STEP_INPUT:
        run_input(engine, pixels, &out);
        break;
    case STEP_CONVOLUTION:
        break;
    case STEP_ELEMENTWISE:
        run_elementwise(engine, arena, step, &in, &out);
        break;
    case STEP_DEPTHWISE: {
        Depthwise d = convolution_of(engine, block, arena, step, &in, &out);
        if (divide_step(pass, step, 1))
            divide_run(&d, engine->kernels->depthwise, true);
        else
            engine->kernels->depthwise(&d);
        break;
    }
    case STEP_POINTWISE:
        pointwise_forward(engine, step, &in, &out);
        break;
    case STEP_MULTIPLY:
    case STEP_CONCAT: {
        const View other = map_view(engine, arena, step->residual);
        (step->kind == STEP_CONCAT ? concat_forward : multiply_forward)(&in, &other, &out);
        break;
    }
    case STEP_SHORTCUT_A:
        run_shortcut(engine, step, &in, &out);
        break;
    case STEP_MOVE:
        move_forward(engine, step, &in, &out);
        break;
    case STEP_MAX_POOL:
    case STEP_AVERAGE_POOL: {
        const Pool pool = step_pool(engine, step, &in, &out);
        (step->kind == STEP_MAX_POOL ? engine->kernels->pool_maximum : engine->kernels->pool_average)(&pool);
        break;
    }
    case STEP_QUANTISE:
        run_quantise(engine, step, &in, &out);
        break;
    }
}

/* ---- blocks ------------------------------------------------------------------------------------------------------ */

/* Images [first, end) of the block; of its band of rows. */
static void forward_rows(const Pass *pass, const Block *block, const Step *step, size_t first, size_t end) {
    const Engine *engine = pass->engine;
    const size_t size = (size_t)engine->graph->in_channels * engine->height * engine->width;
    if (step->kind != STEP_CONVOLUTION) {
        for (size_t i = first; i < end; i++)
            run_step(pass, block, block->arenas + i * engine->plan.arena, step,
                     pass->pixels + (block->first + i) * size);
        return;
    }
    float *arena = block->arenas + first * engine->plan.arena;
    const View in = map_view(engine, arena, step->input), out = map_view(engine, arena, step->result);
    if (step->tiling.tile > 0)
        run_tiles(pass, block, arena, end - first, step, &in, &out);
    else
        run_convolution(pass, block, arena, end - first, step, &in, &out);
}

static void clear_border(const Engine *engine, const Block *block, size_t image, const Step *step) {
    const View out = map_view(engine, block->arenas + image * engine->plan.arena, step->result);
    if (!engine->plan.keep) view_clear_border(&out);
}

/* Images [first, end) of the block. */
static void forward_step(const Pass *pass, const Block *block, const Step *step, size_t first, size_t end) {
    for (size_t i = first; i < end; i++) clear_border(pass->engine, block, i, step);
    forward_rows(pass, block, step, first, end);
    for (size_t i = first; i < end && pass->engine->observer && step->kind == STEP_QUANTISE; i++)
        observe(pass, block, i, step);
}

/* Floats of the first result's rows in a band, and the least of these rows. */
enum { BAND_FLOATS = 1 << 16, BAND_ROWS = 8 };

/* So many rows of the step's result can be had from the first `rows` of its input. */
static unsigned rows_from(const Step *step, const View *in, const View *out, unsigned rows) {
    const unsigned window = step->dilation[0] * (step->kernel[0] - 1) + 1, there = rows + step->padding[0];
    if (rows == in->shape.height) return out->shape.height;
    unsigned able = there < window ? 0 : (there - window) / step->stride[0] + 1;
    if (able > out->shape.height) able = out->shape.height;
    return step->tiling.tile > 0 ? able / step->tiling.tile * step->tiling.tile : able;
}

/* The rows of a step's next band: as many as its input has by now, `most` where that is complete. */
static Band next_band(const Engine *engine, float *arena, const Step *step, unsigned from, unsigned done,
                      unsigned most) {
    const View in = map_view(engine, arena, step->input), out = map_view(engine, arena, step->result);
    const unsigned able = rows_from(step, &in, &out, from);
    return (Band){done, able - done < most ? able : done + most};
}

/* `count` steps that take turns, of one image. */
static void forward_turns(const Pass *pass, const Block *block, const Step *steps, size_t count, size_t image) {
    const Engine *engine = pass->engine;
    float *arena = block->arenas + image * engine->plan.arena;
    const View first = map_view(engine, arena, steps[0].result);
    const unsigned rows = (unsigned)(BAND_FLOATS / first.row / BAND_ROWS * BAND_ROWS);
    unsigned done[TURNS_MOST] = {0};
    for (size_t s = 0; s < count; s++) clear_border(engine, block, image, &steps[s]);
    while (done[0] < first.shape.height) {
        unsigned from = map_view(engine, arena, steps[0].input).shape.height;
        for (size_t s = 0; s < count; from = done[s++]) {
            const unsigned most = s > 0 ? UINT_MAX : rows < BAND_ROWS ? BAND_ROWS : rows;
            Block turn = *block;
            turn.band = next_band(engine, arena, &steps[s], from, done[s], most);
            if (turn.band.end > done[s]) forward_rows(pass, &turn, &steps[s], image, image + 1);
            done[s] = turn.band.end;
        }
    }
}

void forward_steps(const Pass *pass, const Block *block, size_t first, size_t end) {
    const Plan *plan = &pass->engine->plan;
    const size_t early = end < plan->early ? end : plan->early;
    for (size_t i = block->count; i-- > 0;)
        for (size_t s = first, count; s < early; s += count) {
            count = pass->divide ? 1 : plan->steps[s].turns < early - s ? plan->steps[s].turns : early - s;
            if (count > 1)
                forward_turns(pass, block, &plan->steps[s], count, i);
            else
                forward_step(pass, block, &plan->steps[s], i, i + 1);
        }
    for (size_t s = first > plan->early ? first : plan->early; s < end; s++)
        forward_step(pass, block, &plan->steps[s], 0, block->count);
}

void forward_again(const Pass *pass, const Block *block, size_t first, size_t end) {
    const Plan *plan = &pass->engine->plan;
    for (size_t s = first; s < end; s++)
        if (plan->maps[plan->steps[s].result].local) forward_step(pass, block, &plan->steps[s], 0, block->count);
}

void forward_logits(const Pass *pass, const Block *block) {
    const Engine *engine = pass->engine;
    const unsigned classes = engine->graph->classes;
    for (size_t i = 0; pass->logits && i < block->count; i++) {
        const View last = map_view(engine, block->arenas + i * engine->plan.arena, (int)engine->graph->count - 1);
        memcpy(pass->logits + (block->first + i) * classes, last.at, classes * sizeof *pass->logits);
    }
}

/* ---- the whole --------------------------------------------------------------------------------------------------- */

/* Without sums nothing depends on the pieces: as many for each thread as there are blocks of its share. */
static size_t forward_images(const Pass *pass) {
    const Engine *engine = pass->engine;
    const size_t threads = pool_threads(), share = (pass->images + threads - 1) / threads;
    const size_t pieces = threads * ((share + engine->block - 1) / engine->block);
    const bool early = pass->state > 0 && pass->cut < engine->plan.early; /* states of maps that images share */
    if (early || pass->images == 0) return 1;
    return pass->divide ? engine->block : (pass->images + pieces - 1) / pieces;
}

void pass_cut(Pass *pass) {
    const Engine *engine = pass->engine;
    const size_t blocks = ((size_t)pass->images + engine->block - 1) / engine->block;
    pass->divide = engine->pieces == 0 && pass->images < pool_threads();
    if (engine->pieces == 0)
        pass->per_piece = forward_images(pass);
    else
        pass->per_piece = blocks == 0 ? 1 : (blocks + engine->pieces - 1) / engine->pieces * engine->block;
}

size_t pass_pieces(const Pass *pass) {
    return (pass->images + pass->per_piece - 1) / pass->per_piece;
}

static void move_states(const Pass *pass, const Block *block, float *states, bool keep) {
    for (size_t i = 0; i < block->count; i++)
        state_copy(pass->engine, pass->cut, block->arenas + i * pass->engine->plan.arena,
                   states + (block->first + i) * pass->state, keep);
}

static void forward_piece(void *context, size_t piece, unsigned worker) {
    const Pass *pass = context;
    const size_t first = piece * pass->per_piece, end = first + pass->per_piece;
    Block block;
    for (size_t i = first; i < end && i < pass->images; i += block.count) {
        block = block_at(pass->engine, i, end < pass->images ? end : pass->images, worker);
        if (pass->from) move_states(pass, &block, (float *)pass->from, false);
        forward_steps(pass, &block, pass->first, pass->end);
        statistics_block_forward(pass, &block);
        if (pass->keep) move_states(pass, &block, pass->keep, true);
        if (pass->end == pass->engine->plan.step_count) forward_logits(pass, &block);
    }
}

static void forward_pieces(Pass *pass) {
    const size_t pieces = pass_pieces(pass);
    if (!pass->divide) pool_run(pieces, forward_piece, pass);
    for (size_t piece = 0; pass->divide && piece < pieces; piece++) forward_piece(pass, piece, 0);
}

void forward_part(Pass *pass) {
    pass_cut(pass);
    forward_pieces(pass);
}

void forward_pass(Pass *pass) {
    const Plan *plan = &pass->engine->plan;
    pass_cut(pass);
    for (pass->first = 0; pass->first < plan->step_count; pass->first = pass->end) {
        pass->end = stage_end(plan, pass->first);
        if (plan->steps[pass->first].training) statistics_forward(pass, &plan->steps[pass->first]);
        forward_pieces(pass);
    }
}
