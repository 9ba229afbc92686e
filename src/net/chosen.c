/* chosen -- the weight gradients of a few kernels out of many. With the channels of a pixel side by side a kernel alone
 * would use one lane of a vector; so the maps are turned into planes, one a channel (see plan.h), and lanes are pixels.
 * Kernels are taken input channel by input channel, two filters at a time, which share what they read.
 */
#include "net/engine.h"

#include <string.h>

const KernelChoice *chosen_of(const Pass *pass, const Step *step) {
    const KernelChoice *choices = pass->gradients->kernels;
    const KernelChoice *choice = choices ? &choices[pass->engine->graph->ops[step->op].weight] : NULL;
    return choice && choice->kernels ? choice : NULL;
}

bool chosen_sparse(const Pass *pass, const Step *step) {
    const KernelChoice *choice = chosen_of(pass, step);
    const Plan *plan = &pass->engine->plan;
    if (!choice || !planes_apply(step)) return false;
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
        if (plan->steps[i].weight_wanted && !plan->steps[i].training && chosen_sparse(pass, &plan->steps[i]))
            sort_choice(pass->engine, &plan->steps[i], chosen_of(pass, &plan->steps[i]));
}

/* ---- planes ------------------------------------------------------------------------------------------------------ */

/* Every stride-th pixel of every stride-th row, as planes `distance` floats apart. */
static void take_plane(const float *from, size_t row, size_t pixel, size_t height, size_t width, size_t channels,
                       float *to, size_t pitch, size_t distance) {
    for (size_t y = 0; y < height; y++)
        for (size_t c = 0; c < channels; c++) {
            const float *restrict in = from + y * row + c;
            float *restrict out = to + c * distance + y * pitch;
            for (size_t x = 0; x < width; x++) out[x] = in[x * pixel];
        }
}

static void take_input(const Step *step, const Planes *planes, const View *in, float *to) {
    const size_t stride = step->stride, height = in->shape.height + 2 * (size_t)step->padding;
    const size_t width = in->shape.width + 2 * (size_t)step->padding;
    const float *first = in->at - step->padding * (in->row + in->pixel);
    for (size_t y = 0; y < stride && y < height; y++)
        for (size_t x = 0; x < stride && x < width; x++)
            take_plane(first + y * in->row + x * in->pixel, stride * in->row, stride * in->pixel,
                       (height - y + stride - 1) / stride, (width - x + stride - 1) / stride, in->shape.channels,
                       to + (y * stride + x) * planes->part, planes->pitch, planes->plane);
}

static void take_gradient(const Planes *planes, const View *gradient, float *to) {
    memset(to, 0, gradient->shape.channels * planes->length * sizeof *to);
    take_plane(gradient->at, gradient->row, gradient->pixel, gradient->shape.height, gradient->shape.width,
               gradient->shape.channels, to, planes->pitch, planes->length);
}

/* ---- steps ------------------------------------------------------------------------------------------------------- */

void chosen_step(const Pass *pass, const Block *block, const Step *step, float *arena, bool add) {
    const Engine *engine = pass->engine;
    const View in = map_view(engine, arena, step->input), out = gradient_view(engine, arena, step->result);
    const Planes planes = planes_of(step, in.shape, out.shape);
    const KernelChoice *choice = chosen_of(pass, step);
    const uint32_t *starts = engine->channel_starts + step->channels, *order = engine->kernel_order + step->kernels;
    float *input = engine->planes + block->worker * engine->plan.planes;
    float *gradient = input + in.shape.channels * planes.plane, *sums = block->sums + step->weight_gradient;
    size_t shifts[PLANE_TAPS];
    KernelGradient g = {.shifts = shifts, .length = planes.length, .add = add};
    take_input(step, &planes, &in, input);
    take_gradient(&planes, &out, gradient);
    for (unsigned i = 0; i < step->kernel[0]; i++)
        for (unsigned j = 0; j < step->kernel[1]; j++)
            shifts[g.taps++] = (i % step->stride * step->stride + j % step->stride) * planes.part +
                               i / step->stride * planes.pitch + j / step->stride;
    for (size_t c = 0; c < in.shape.channels; c++)
        for (uint32_t k = starts[c]; k < starts[c + 1]; k += g.filters) {
            g.in = input + c * planes.plane;
            g.filters = starts[c + 1] - k > 1 ? 2 : 1;
            for (unsigned f = 0; f < g.filters; f++) {
                g.gradient[f] = gradient + choice->kernels[order[k + f]] / in.shape.channels * planes.length;
                g.sums[f] = sums + (size_t)order[k + f] * g.taps;
            }
            engine->kernels->kernel_gradient(&g);
        }
}
