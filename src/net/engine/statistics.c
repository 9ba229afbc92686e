/* statistics -- batch norm in training mode, where all images of a batch meet. With m, v the batch's mean and biased
 * variance of a channel over images and pixels, i = 1 / sqrt(v + epsilon), x the input, d the gradient of the result:
 *
 *   result   gamma (x - m) i + beta
 *   beta     sum d
 *   gamma    sum d (x - m) i
 *   input    gamma i (d - (sum d) / N - (x - m) i^2 (sum d (x - m)) / N)      = a d + b x + c by channel
 *
 * (Ioffe and Szegedy, 2015). Every image has its own sums, in double; they are added in the order of the images.
 */
#include "net/engine/engine.h"

#include <math.h>

size_t stage_end(const Plan *plan, size_t first) {
    size_t end = first + 1;
    while (end < plan->step_count && !plan->steps[end].training) end++;
    return end;
}

static double *partial_of(const Engine *engine, size_t image) {
    return engine->statistics.partial + image * 2 * engine->plan.channels;
}

/* ---- forward ----------------------------------------------------------------------------------------------------- */

/* What all channels of a map have; `origin` is to be set. */
static Moments moments_of(const Engine *engine, const View *in, size_t image) {
    double *partial = partial_of(engine, image);
    return (Moments){.in = in->at,
                     .in_row = in->row,
                     .in_pixel = in->pixel,
                     .height = in->shape.height,
                     .width = in->shape.width,
                     .channels = in->shape.channels,
                     .sums = partial,
                     .products = partial + engine->plan.channels};
}

/* Mean and sum of squared deviations of one image's channels, by way of the deviations from its first pixel: one pass
 * over the map, and nothing is lost where the mean is large. */
static void forward_image(const Engine *engine, const Step *step, float *arena, size_t image) {
    const View in = map_view(engine, arena, step->input);
    const double pixels = (double)in.shape.height * in.shape.width;
    Moments moments = moments_of(engine, &in, image);
    moments.origin = in.at;
    engine->kernels->moments(&moments);
    for (size_t c = 0; c < in.shape.channels; c++) {
        double *mean = &moments.sums[c], *squares = &moments.products[c];
        *squares -= *mean * *mean / pixels;
        if (*squares < 0) *squares = 0; /* by rounding */
        *mean = (double)in.at[c] + *mean / pixels;
    }
}

void statistics_block_forward(const Pass *pass, const Block *block) {
    const Engine *engine = pass->engine;
    const Step *step = &engine->plan.steps[pass->end];
    if (pass->end == engine->plan.step_count || !step->training) return;
    for (size_t i = 0; i < block->count; i++)
        forward_image(engine, step, block->arenas + i * engine->plan.arena, block->first + i);
}

/* gamma or beta of a channel. */
static double parameter(const Engine *engine, int tensor, size_t channel, double absent) {
    return tensor == NO_TENSOR ? absent : (double)engine->tensors[tensor][channel];
}

void statistics_forward(const Pass *pass, const Step *step) {
    Engine *engine = pass->engine;
    const Shape shape = engine->plan.maps[step->input].shape;
    const Op *op = &engine->graph->ops[step->batch_norm];
    const double pixels = (double)shape.height * shape.width, images = (double)pass->images;
    for (size_t c = 0; c < shape.channels; c++) {
        double mean = 0, squares = 0;
        for (size_t i = 0; i < pass->images; i++) mean += partial_of(engine, i)[c];
        mean /= images;
        for (size_t i = 0; i < pass->images; i++) {
            const double *one = partial_of(engine, i);
            squares += one[engine->plan.channels + c] + pixels * (one[c] - mean) * (one[c] - mean);
        }
        const double variance = squares / (images * pixels);
        const double scale = parameter(engine, op->weight, c, 1) / sqrt(variance + (double)op->epsilon);
        engine->statistics.mean[step->statistics + c] = (float)mean;
        engine->statistics.variance[step->statistics + c] = (float)variance;
        engine->parameters[step->weights + c] = (float)scale;
        engine->parameters[step->bias + c] = (float)(parameter(engine, op->bias, c, 0) - mean * scale);
    }
}

/* ---- backward ---------------------------------------------------------------------------------------------------- */

/* Of one image: sum of d, sum of d (x - m). */
static void backward_image(const Pass *pass, const Block *block, size_t i, const Step *step) {
    const Engine *engine = pass->engine;
    float *arena = block->arenas + i * engine->plan.arena;
    gradient_begin(pass, block, i, step);
    const View in = map_view(engine, arena, step->input), out = gradient_view(engine, arena, step->result);
    Moments moments = moments_of(engine, &in, block->first + i);
    moments.gradient = out.at;
    moments.gradient_row = out.row;
    moments.gradient_pixel = out.pixel;
    moments.origin = engine->statistics.mean + step->statistics;
    engine->kernels->moments(&moments);
}

void statistics_block_backward(const Pass *pass, const Block *block) {
    const Step *step = &pass->engine->plan.steps[pass->first > 0 ? pass->first - 1 : 0];
    for (size_t i = 0; step->training && i < block->count; i++) backward_image(pass, block, i, step);
}

void statistics_backward(const Pass *pass, const Step *step) {
    Engine *engine = pass->engine;
    const Shape shape = engine->plan.maps[step->input].shape;
    const Op *op = &engine->graph->ops[step->batch_norm];
    const double count = (double)shape.height * shape.width * (double)pass->images;
    float *a = engine->statistics.coefficients, *b = a + shape.channels, *c = b + shape.channels;
    for (size_t i = 0; i < shape.channels; i++) {
        const size_t at = step->statistics + i;
        const double mean = (double)engine->statistics.mean[at];
        const double inverse = 1 / sqrt((double)engine->statistics.variance[at] + (double)op->epsilon);
        const double scale = parameter(engine, op->weight, i, 1) * inverse;
        double sum = 0, product = 0;
        for (size_t image = 0; image < pass->images; image++) {
            sum += partial_of(engine, image)[i];
            product += partial_of(engine, image)[engine->plan.channels + i];
        }
        engine->statistics.beta_sum[at] = sum;
        engine->statistics.gamma_sum[at] = product * inverse;
        a[i] = (float)scale;
        b[i] = (float)(-scale * inverse * inverse * product / count);
        c[i] = (float)(scale * (inverse * inverse * product * mean - sum) / count);
    }
}

void engine_batch_statistics(const Engine *engine, size_t op, const float **mean, const float **variance) {
    *mean = *variance = NULL;
    for (size_t i = 0; i < engine->plan.step_count; i++) {
        const Step *step = &engine->plan.steps[i];
        if (!step->training || step->batch_norm != (int)op) continue;
        *mean = engine->statistics.mean + step->statistics;
        *variance = engine->statistics.variance + step->statistics;
    }
}

size_t engine_map_pixels(const Engine *engine, size_t op) {
    const Shape shape = engine->plan.maps[op].shape;
    return (size_t)shape.height * shape.width;
}
