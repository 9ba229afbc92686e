/* reference -- the graph run op by op with plain loops, sums in double: what the engine is compared with. */
#include "net/internal.h"

#include <math.h>

#include "weft/base/error.h"
#include "weft/base/memory.h"
#include "weft/base/size.h"

/* What one operation works on; maps are channels x height x width. */
typedef struct Work {
    const Network *network;
    const Op *op;
    const float *in, *other;          /* other: the second input of a join */
    Shape shape, other_shape, result; /* of `in`, of `other`, of `out` */
    float *out;
} Work;

static double value(const Network *network, int tensor, size_t index, double absent) {
    return tensor == NO_TENSOR ? absent : (double)network->tensors[tensor].tensor->data[index];
}

static size_t at(Shape shape, size_t channel, size_t y, size_t x) {
    return (channel * shape.height + y) * shape.width + x;
}

/* Whether (y, x) of the padded map lies on the map. */
static bool within(const Work *work, uint64_t y, uint64_t x) {
    const unsigned top = work->op->padding[0], left = work->op->padding[1];
    return y >= top && x >= left && y - top < work->shape.height && x - left < work->shape.width;
}

/* A value of the input map, `outside` beyond its edge; y and x are those of the padded map. */
static double tap(const Work *work, unsigned channel, uint64_t y, uint64_t x, double outside) {
    const unsigned top = work->op->padding[0], left = work->op->padding[1];
    return within(work, y, x) ? (double)work->in[at(work->shape, channel, y - top, x - left)] : outside;
}

static float convolution(const Work *work, unsigned channel, unsigned y, unsigned x) {
    const Op *op = work->op;
    const unsigned in = work->shape.channels / op->groups, first = channel / (op->out_channels / op->groups) * in;
    const float *weight = work->network->tensors[op->weight].tensor->data;
    double sum = value(work->network, op->bias, channel, 0);
    for (unsigned c = 0; c < in; c++)
        for (unsigned i = 0; i < op->kernel[0]; i++)
            for (unsigned j = 0; j < op->kernel[1]; j++)
                sum += tap(work, first + c, (uint64_t)y * op->stride[0] + (uint64_t)i * op->dilation[0],
                           (uint64_t)x * op->stride[1] + (uint64_t)j * op->dilation[1], 0) *
                       (double)weight[(((size_t)channel * in + c) * op->kernel[0] + i) * op->kernel[1] + j];
    return (float)sum;
}

/* Windows that ceil_mode lets reach beyond the padding: what is there counts for nothing. */
static float pool(const Work *work, unsigned channel, unsigned y, unsigned x) {
    const Op *op = work->op;
    const bool maximum = op->kind == OP_MAX_POOL;
    const uint64_t height = (uint64_t)work->shape.height + op->padding[0] + op->padding[2];
    const uint64_t width = (uint64_t)work->shape.width + op->padding[1] + op->padding[3];
    double result = maximum ? -INFINITY : 0, count = 0;
    for (uint64_t i = (uint64_t)y * op->stride[0]; i < (uint64_t)y * op->stride[0] + op->kernel[0]; i++)
        for (uint64_t j = (uint64_t)x * op->stride[1]; j < (uint64_t)x * op->stride[1] + op->kernel[1]; j++) {
            const bool inside = within(work, i, j);
            double v = tap(work, channel, i, j, maximum ? -INFINITY : 0);
            count += op->exclude_padding ? inside : i < height && j < width;
            if (!maximum)
                result += v;
            else if (v > result || isnan(v))
                result = v;
        }
    return (float)(maximum ? result : result / count);
}

/* Window i of n over a map of `size`: from floor(i size / n) up to ceil((i + 1) size / n), as in PyTorch. */
static float adaptive_pool(const Work *work, unsigned channel, unsigned y, unsigned x) {
    const Shape in = work->shape, out = work->result;
    const size_t top = (size_t)y * in.height / out.height, left = (size_t)x * in.width / out.width;
    const size_t bottom = ((size_t)(y + 1) * in.height + out.height - 1) / out.height;
    const size_t right = ((size_t)(x + 1) * in.width + out.width - 1) / out.width;
    double sum = 0;
    for (size_t i = top; i < bottom; i++)
        for (size_t j = left; j < right; j++) sum += (double)work->in[at(in, channel, i, j)];
    return (float)(sum / ((double)(bottom - top) * (double)(right - left)));
}

static float global_pool(const Work *work, unsigned channel) {
    const size_t size = (size_t)work->shape.height * work->shape.width;
    double sum = 0;
    for (size_t i = 0; i < size; i++) sum += (double)work->in[channel * size + i];
    return (float)(sum / (double)size);
}

static float linear(const Work *work, unsigned channel) {
    const size_t size = (size_t)work->shape.channels * work->shape.height * work->shape.width;
    const float *weight = work->network->tensors[work->op->weight].tensor->data + channel * size;
    double sum = value(work->network, work->op->bias, channel, 0);
    for (size_t i = 0; i < size; i++) sum += (double)work->in[i] * (double)weight[i];
    return (float)sum;
}

static float shortcut(const Work *work, unsigned channel, unsigned y, unsigned x) {
    const Op *op = work->op;
    if (channel < op->offset || channel - op->offset >= work->shape.channels) return 0;
    return work->in[at(work->shape, channel - op->offset, (size_t)y * op->stride[0], (size_t)x * op->stride[1])];
}

/* The first operand's channels, then the second's. */
static float concat(const Work *work, unsigned channel, unsigned y, unsigned x) {
    const Shape in = work->shape;
    const size_t rest = (size_t)in.channels * in.height * in.width, index = at(in, channel, y, x);
    return channel < in.channels ? work->in[index] : work->other[index - rest];
}

/* Of groups x each channels the transpose. */
static float shuffle(const Work *work, unsigned channel, unsigned y, unsigned x) {
    const unsigned groups = work->op->groups, each = work->shape.channels / groups;
    return work->in[at(work->shape, channel % groups * each + channel / groups, y, x)];
}

static float batch_norm(const Work *work, unsigned channel, float x) {
    const Op *op = work->op;
    const Network *network = work->network;
    double deviation = sqrt(value(network, op->variance, channel, 1) + (double)op->epsilon);
    double normal = ((double)x - value(network, op->mean, channel, 0)) / deviation;
    return (float)(normal * value(network, op->weight, channel, 1) + value(network, op->bias, channel, 0));
}

static float element(const Work *work, unsigned channel, unsigned y, unsigned x) {
    const size_t index = at(work->result, channel, y, x);
    const Normalisation *normalisation = &work->network->normalisation;
    switch (work->op->kind) {
    case OP_INPUT:
        return (work->in[index] - normalisation->mean[channel]) / normalisation->std[channel];
    case OP_CONV:
        return convolution(work, channel, y, x);
    case OP_BATCH_NORM:
        return batch_norm(work, channel, work->in[index]);
    case OP_ADD:
        return work->in[index] + work->other[index];
    case OP_MULTIPLY:
        return work->in[index] *
               work->other[work->other_shape.height == 1 && work->other_shape.width == 1 ? channel : index];
    case OP_CONCAT:
        return concat(work, channel, y, x);
    case OP_SHORTCUT_A:
        return shortcut(work, channel, y, x);
    case OP_SLICE:
        return work->in[at(work->shape, channel + work->op->offset, y, x)];
    case OP_SHUFFLE:
        return shuffle(work, channel, y, x);
    case OP_PAD:
        return (float)tap(work, channel, y, x, 0);
    case OP_MAX_POOL:
    case OP_AVERAGE_POOL:
        return pool(work, channel, y, x);
    case OP_ADAPTIVE_POOL:
        return adaptive_pool(work, channel, y, x);
    case OP_GLOBAL_POOL:
        return global_pool(work, channel);
    case OP_LINEAR:
        return linear(work, channel);
    case OP_QUANTISE:
        return quantiser_apply(&work->op->quantiser, work->in[index]);
    default: /* the activations */
        return (float)op_activation(work->op, (double)work->in[index]);
    }
    return NAN;
}

static void run_operation(const Work *work) {
    for (unsigned channel = 0; channel < work->result.channels; channel++)
        for (unsigned y = 0; y < work->result.height; y++)
            for (unsigned x = 0; x < work->result.width; x++)
                work->out[at(work->result, channel, y, x)] = element(work, channel, y, x);
}

/* Runs operations 0 to `last` into `maps`. */
static bool run_all(const Network *network, const float *pixels, const Shape *shapes, size_t last, float **maps,
                    Error *err) {
    for (size_t i = 0; i <= last; i++) {
        const Op *op = &network->graph->ops[i];
        Work work = {.network = network, .op = op, .in = pixels, .shape = shapes[i], .result = shapes[i]};
        if (i > 0) {
            work.in = maps[op->input[0]];
            work.shape = shapes[op->input[0]];
            if (op_inputs(op->kind) == 2) {
                work.other = maps[op->input[1]];
                work.other_shape = shapes[op->input[1]];
            }
        }
        const uint64_t dim[3] = {work.result.channels, work.result.height, work.result.width};
        uint64_t count;
        if (!size_product(dim, 3, &count)) count = UINT64_MAX;
        maps[i] = work.out = mem_alloc(count, sizeof *work.out, err);
        if (!maps[i]) return false;
        run_operation(&work);
    }
    return true;
}

float *engine_reference(const Network *network, const float *pixels, unsigned height, unsigned width, size_t op,
                        unsigned *channels, unsigned *out_height, unsigned *out_width, Error *err) {
    Shape *shapes = graph_shapes(network, height, width, err);
    float **maps = NULL, *result = NULL;
    if (!shapes) return NULL;
    const size_t count = network->graph->count;
    if (op >= count)
        error_set(err, STATUS_FAILED, "no operation %zu: the graph has %zu", op, count);
    else
        maps = mem_alloc(count, sizeof *maps, err);
    if (maps && run_all(network, pixels, shapes, op, maps, err)) {
        result = maps[op];
        maps[op] = NULL;
        *channels = shapes[op].channels;
        *out_height = shapes[op].height;
        *out_width = shapes[op].width;
    }
    for (size_t i = 0; maps && i < count; i++) mem_free(maps[i]);
    mem_free(maps);
    mem_free(shapes);
    return result;
}
