/* chosen -- the weight gradients of a few kernels out of many. With the channels of a pixel side by side a kernel alone
 * would use one lane of a vector; so the maps are turned into planes, one a channel (see plan.h), and lanes are pixels.
 * Kernels are taken input channel by input channel, two filters at a time, which share what they read.
 */
#include "net/engine/engine.h"

#include <string.h>

const KernelChoice *chosen_of(const Pass *pass, const Step *step) {
    const KernelChoice *choices = pass->gradients->kernels;
    const KernelChoice *choice = choices ? &choices[pass->engine->graph->ops[step->op].weight] : NULL;
    return choice && choice->kernels ? choice : NULL;
}

bool chosen_sparse(const Pass *pass, const Step *step) {
    const Plan *plan = &pass->engine->plan;
    if (!planes_apply(step)) return false;
    const KernelChoice *choice = chosen_of(pass, step);
    if (!choice) return false;
    return 2 * (uint64_t)choice->count <=
           (uint64_t)plan->maps[step->input].shape.channels * plan->maps[step->op].shape.channels;
}

/* Sorts the positions of the chosen kernels by input channel. */
static void sort_choice(const Engine *engine, const Step *step, const KernelChoice *choice) {
    const size_t channels = engine->plan.maps[step->input].shape.channels;
    uint32_t *starts = engine->channel_starts + step->channels, *order = engine->kernel_order + step->kernels;
    memset(starts, 0, (channels + 1) * sizeof *starts);
    for (size_t i = 0; i < choice->count; i++) starts[choice->kernels[i] % channels + 1]++;
    for (size_t c = 0; c < channels; c++) starts[c + 1] += starts[c];
    for (size_t i = 0; i < choice->count; i++) order[starts[choice->kernels[i] % channels]++] = (uint32_t)i;
    memmove(starts + 1, starts, channels * sizeof *starts);
    starts[0] = 0;
}

void chosen_begin(const Pass *pass) {
    const Plan *plan = &pass->engine->plan;
    for (size_t i = 0; i < plan->step_count; i++)
        if (chosen_sparse(pass, &plan->steps[i]))
            sort_choice(pass->engine, &plan->steps[i], chosen_of(pass, &plan->steps[i]));
}

/* ---- planes ------------------------------------------------------------------------------------------------------ */

typedef float Four __attribute__((vector_size(16), aligned(4), may_alias));

/* Four channels of four pixels, `pixel` floats apart, to four planes. */
static inline void take_four(const float *from, size_t pixel, float *to, size_t distance) {
    const Four a = *(const Four *)from, b = *(const Four *)(from + pixel);
    const Four c = *(const Four *)(from + 2 * pixel), d = *(const Four *)(from + 3 * pixel);
    const Four ab01 = __builtin_shufflevector(a, b, 0, 4, 1, 5), cd01 = __builtin_shufflevector(c, d, 0, 4, 1, 5);
    const Four ab23 = __builtin_shufflevector(a, b, 2, 6, 3, 7), cd23 = __builtin_shufflevector(c, d, 2, 6, 3, 7);
    *(Four *)to = __builtin_shufflevector(ab01, cd01, 0, 1, 4, 5);
    *(Four *)(to + distance) = __builtin_shufflevector(ab01, cd01, 2, 3, 6, 7);
    *(Four *)(to + 2 * distance) = __builtin_shufflevector(ab23, cd23, 0, 1, 4, 5);
    *(Four *)(to + 3 * distance) = __builtin_shufflevector(ab23, cd23, 2, 3, 6, 7);
}

/* A map's rows and pixels, `row` and `pixel` floats apart, as planes `distance` floats apart with rows of `pitch`. */
static void take_planes(const float *from, size_t row, size_t pixel, Shape shape, float *to, size_t pitch,
                        size_t distance) {
    const size_t wide = shape.width / 4 * 4, deep = shape.channels / 4 * 4;
    for (size_t y = 0; y < shape.height; y++, from += row, to += pitch) {
        for (size_t c = 0; c < deep; c += 4)
            for (size_t x = 0; x < wide; x += 4)
                take_four(from + x * pixel + c, pixel, to + c * distance + x, distance);
        for (size_t c = 0; c < shape.channels; c++)
            for (size_t x = c < deep ? wide : 0; x < shape.width; x++) to[c * distance + x] = from[x * pixel + c];
    }
}

static void take_input(const Step *step, const Planes *planes, const View *in, float *to) {
    const size_t stride = step->stride[0], border = step->padding[0], height = in->shape.height + 2 * border;
    const size_t width = in->shape.width + 2 * border;
    const float *first = in->at - border * (in->row + in->pixel);
    for (size_t y = 0; y < stride && y < height; y++)
        for (size_t x = 0; x < stride && x < width; x++)
            take_planes(first + y * in->row + x * in->pixel, stride * in->row, stride * in->pixel,
                        (Shape){in->shape.channels, (unsigned)((height - y + stride - 1) / stride),
                                (unsigned)((width - x + stride - 1) / stride)},
                        to + (y * stride + x) * planes->part, planes->pitch, planes->plane);
}

static void take_gradient(const Planes *planes, const View *gradient, float *to) {
    memset(to, 0, gradient->shape.channels * planes->length * sizeof *to);
    take_planes(gradient->at, gradient->row, gradient->pixel, gradient->shape, to, planes->pitch, planes->length);
}

/* ---- steps ------------------------------------------------------------------------------------------------------- */

/* The shift of each tap within a plane of the input. */
static unsigned find_shifts(const Step *step, const Planes *planes, size_t *shifts) {
    const unsigned stride = step->stride[0];
    unsigned taps = 0;
    for (unsigned i = 0; i < step->kernel[0]; i++)
        for (unsigned j = 0; j < step->kernel[1]; j++)
            shifts[taps++] =
                (i % stride * stride + j % stride) * planes->part + i / stride * planes->pitch + j / stride;
    return taps;
}

void chosen_step(const Pass *pass, const Block *block, const Step *step) {
    const Engine *engine = pass->engine;
    const Shape in = engine->plan.maps[step->input].shape, out = engine->plan.maps[step->result].shape;
    const Planes planes = planes_of(step, in, out);
    const KernelChoice *choice = chosen_of(pass, step);
    const uint32_t *starts = engine->channel_starts + step->channels, *order = engine->kernel_order + step->kernels;
    float *input = engine->scratch + block->worker * engine->plan.scratch;
    float *gradient = input + in.channels * planes.plane, *sums = block->sums + step->weight_gradient;
    size_t shifts[PLANE_TAPS];
    for (size_t i = 0; i < block->count; i++) {
        float *arena = block->arenas + i * engine->plan.arena;
        const View input_view = map_view(engine, arena, step->input);
        const View result_view = gradient_view(engine, arena, step->result);
        take_input(step, &planes, &input_view, input + i * engine->plan.planes);
        take_gradient(&planes, &result_view, gradient + i * engine->plan.planes);
    }
    KernelGradient g = {.shifts = shifts,
                        .length = planes.length,
                        .images = block->count,
                        .next_in = engine->plan.planes,
                        .next_gradient = engine->plan.planes,
                        .taps = find_shifts(step, &planes, shifts),
                        .add = block->add};
    for (size_t c = 0; c < in.channels; c++)
        for (uint32_t k = starts[c]; k < starts[c + 1]; k += g.filters) {
            g.in = input + c * planes.plane;
            g.filters = starts[c + 1] - k > 1 ? 2 : 1;
            for (unsigned f = 0; f < g.filters; f++) {
                g.gradient[f] = gradient + choice->kernels[order[k + f]] / in.channels * planes.length;
                g.sums[f] = sums + (size_t)order[k + f] * g.taps;
            }
            engine->kernels->kernel_gradient(&g);
        }
}
