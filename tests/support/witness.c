#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <string.h>

#include "witness.h"
#include "weft/base/error.h"
#include "weft/base/memory.h"
#include "weft/base/tensor.h"

static Error witness_error;

static void *take(uint64_t count, size_t size) {
    void *memory = mem_alloc(count, size, &witness_error);
    assert_non_null(memory);
    return memory;
}

static size_t size_of(Shape shape) {
    return (size_t)shape.channels * shape.height * shape.width;
}

Witness *witness_new(const Network *network, unsigned height, unsigned width, unsigned images, bool training) {
    const size_t count = network->graph->count;
    Witness *witness = take(1, sizeof *witness);
    *witness = (Witness){.network = network, .images = images, .training = training};
    witness->shapes = graph_shapes(network, height, width, &witness_error);
    assert_non_null(witness->shapes);
    witness->maps = take(count, sizeof *witness->maps);
    witness->anchors = take(count, sizeof *witness->anchors);
    for (size_t i = 0; i < count; i++) {
        witness->maps[i] = take(images * size_of(witness->shapes[i]), sizeof **witness->maps);
        witness->anchors[i] = take(images * size_of(witness->shapes[i]), sizeof **witness->anchors);
    }
    witness->pixels = take(images * size_of(witness->shapes[0]), sizeof *witness->pixels);
    witness->tensors = take(network->tensor_count, sizeof *witness->tensors);
    for (size_t i = 0; i < network->tensor_count; i++) {
        const Tensor *tensor = network->tensors[i].tensor;
        witness->tensors[i] = take(tensor->count, sizeof **witness->tensors);
        for (uint64_t j = 0; j < tensor->count; j++) witness->tensors[i][j] = (double)tensor->data[j];
    }
    return witness;
}

void witness_free(Witness *witness) {
    for (size_t i = 0; i < witness->network->graph->count; i++) {
        mem_free(witness->maps[i]);
        mem_free(witness->anchors[i]);
    }
    mem_free(witness->anchors);
    for (size_t i = 0; i < witness->network->tensor_count; i++) mem_free(witness->tensors[i]);
    mem_free(witness->maps);
    mem_free(witness->tensors);
    mem_free(witness->pixels);
    mem_free(witness->shapes);
    mem_free(witness);
}

/* ---- operations -------------------------------------------------------------------------------------------------- */

static double value(const Witness *witness, int tensor, size_t index, double absent) {
    return tensor == NO_TENSOR ? absent : witness->tensors[tensor][index];
}

/* What is closer than this lies there exactly: zeros, and the levels of quantisers. */
static const double same = 1e-12;

/* A distance from a jump of a derivative; exactly there the anchors decide. */
static void near(Witness *witness, double distance) {
    distance = fabs(distance);
    if (distance > same && distance < witness->margin) witness->margin = distance;
}

/* One image of a map, read with the operation's padding. */
typedef struct Source {
    const double *at;
    Shape shape;
    unsigned top, left;
} Source;

static bool inside(const Source *source, unsigned y, unsigned x) {
    return y >= source->top && x >= source->left && y - source->top < source->shape.height &&
           x - source->left < source->shape.width;
}

static double read_at(const Source *source, unsigned channel, unsigned y, unsigned x) {
    if (!inside(source, y, x)) return 0;
    y -= source->top;
    x -= source->left;
    return source->at[((size_t)channel * source->shape.height + y) * source->shape.width + x];
}

static double convolution(const Witness *witness, const Op *op, const Source *in, unsigned channel, unsigned y,
                          unsigned x) {
    const unsigned each = in->shape.channels / op->groups, first = channel / (op->out_channels / op->groups) * each;
    const double *weight = witness->tensors[op->weight] + (size_t)channel * each * op->kernel[0] * op->kernel[1];
    double sum = value(witness, op->bias, channel, 0);
    for (unsigned c = 0; c < each; c++)
        for (unsigned i = 0; i < op->kernel[0]; i++)
            for (unsigned j = 0; j < op->kernel[1]; j++)
                sum += *weight++ * read_at(in, first + c, y * op->stride[0] + i * op->dilation[0],
                                           x * op->stride[1] + j * op->dilation[1]);
    return sum;
}

/* An anchor is, for a ReLU, 0 where it gave 0, 1 where it let through, 2 where it gave 6; for a maximum, which tap it
 * was, the first of equal ones; for a quantiser, what it added, NaN where it cut. */
static double rectify(Witness *witness, bool six, double x, double *anchor) {
    near(witness, x);
    if (six) near(witness, x - 6);
    if (!witness->anchored) *anchor = x <= same ? 0 : six && x >= 6 - same ? 2 : 1;
    return *anchor < 0.5 ? 0 : *anchor < 1.5 ? x : 6;
}

static double pool(Witness *witness, const Op *op, const Source *in, unsigned channel, unsigned y, unsigned x,
                   double *anchor) {
    double sum = 0, most = -INFINITY, second = -INFINITY, chosen = 0, area = 0;
    const unsigned height = in->shape.height + op->padding[0] + op->padding[2];
    const unsigned width = in->shape.width + op->padding[1] + op->padding[3];
    for (unsigned i = 0; i < op->kernel[0]; i++)
        for (unsigned j = 0; j < op->kernel[1]; j++) {
            const unsigned v = y * op->stride[0] + i, u = x * op->stride[1] + j;
            const double one = read_at(in, channel, v, u);
            sum += one;
            if (op->exclude_padding ? inside(in, v, u) : v < height && u < width) area++;
            if (!inside(in, v, u)) continue;
            const double tap = i * op->kernel[1] + j;
            if (witness->anchored && fabs(tap - *anchor) < 0.5) chosen = one;
            if (one > most + same) {
                second = most;
                most = one;
                if (!witness->anchored) {
                    *anchor = tap;
                    chosen = one;
                }
            } else if (one > second) {
                second = one;
            }
        }
    if (op->kind == OP_AVERAGE_POOL) return sum / area;
    near(witness, most - second);
    return chosen;
}

/* Mean over the rows and columns that the place has a share in. */
static double adaptive(const Source *in, Shape out, unsigned channel, unsigned y, unsigned x) {
    double sum = 0, area = 0;
    for (unsigned i = 0; i < in->shape.height; i++)
        for (unsigned j = 0; j < in->shape.width; j++)
            if ((i + 1) * out.height > y * in->shape.height && i * out.height < (y + 1) * in->shape.height &&
                (j + 1) * out.width > x * in->shape.width && j * out.width < (x + 1) * in->shape.width) {
                sum += read_at(in, channel, i, j);
                area++;
            }
    return sum / area;
}

/* Activations with kinks say how close to one they came; the anchor is the piece that x lies in. */
static double piecewise(Witness *witness, double x, double low, double high, double *anchor) {
    near(witness, x - low);
    near(witness, x - high);
    if (!witness->anchored) *anchor = x <= low ? 0 : x >= high ? 2 : 1;
    return *anchor;
}

static double activation(Witness *witness, const Op *op, double x, double *anchor) {
    double piece;
    switch (op->kind) {
    case OP_LEAKY_RELU:
        return piecewise(witness, x, 0, 0, anchor) < 0.5 ? x * (double)op->slope : x;
    case OP_SIGMOID:
        return 1 / (1 + exp(-x));
    case OP_SILU:
        return x / (1 + exp(-x));
    case OP_HARD_SIGMOID:
    case OP_HARD_SWISH:
        piece = piecewise(witness, x, -3, 3, anchor);
        return (piece < 0.5 ? 0 : piece > 1.5 ? 1 : x / 6 + 0.5) * (op->kind == OP_HARD_SWISH ? x : 1);
    case OP_GELU:
        return x * 0.5 * (1 + erf(x / sqrt(2)));
    case OP_TANH:
        return (exp(2 * x) - 1) / (exp(2 * x) + 1);
    default:
        return rectify(witness, op->kind == OP_RELU6, x, anchor);
    }
}

static double element(Witness *witness, const Op *op, const Source *in, const Source *other, Shape shape,
                      unsigned channel, unsigned y, unsigned x, double *anchor) {
    const size_t index = ((size_t)channel * shape.height + y) * shape.width + x;
    const unsigned channels = in->shape.channels;
    double sum;
    switch (op->kind) {
    case OP_CONV:
        return convolution(witness, op, in, channel, y, x);
    case OP_ADD:
        return in->at[index] + other->at[index];
    case OP_MULTIPLY:
        return in->at[index] * (size_of(other->shape) == channels ? other->at[channel] : other->at[index]);
    case OP_CONCAT:
        return channel < channels ? read_at(in, channel, y, x) : read_at(other, channel - channels, y, x);
    case OP_SLICE:
        return read_at(in, channel + op->offset, y, x);
    case OP_SHUFFLE: /* channel = place within the group times groups, plus the group */
        return read_at(in, channel % op->groups * (channels / op->groups) + channel / op->groups, y, x);
    case OP_PAD:
        return read_at(in, channel, y, x);
    case OP_SHORTCUT_A:
        if (channel < op->offset || channel - op->offset >= channels) return 0;
        return read_at(in, channel - op->offset, y * op->stride[0], x * op->stride[1]);
    case OP_MAX_POOL:
    case OP_AVERAGE_POOL:
        return pool(witness, op, in, channel, y, x, anchor);
    case OP_ADAPTIVE_POOL:
        return adaptive(in, shape, channel, y, x);
    case OP_GLOBAL_POOL:
        sum = 0;
        for (unsigned i = 0; i < in->shape.height; i++)
            for (unsigned j = 0; j < in->shape.width; j++) sum += read_at(in, channel, i, j);
        return sum / ((double)in->shape.height * in->shape.width);
    case OP_LINEAR:
        sum = value(witness, op->bias, channel, 0);
        for (size_t i = 0; i < size_of(in->shape); i++)
            sum += in->at[i] * witness->tensors[op->weight][channel * size_of(in->shape) + i];
        return sum;
    default:
        return activation(witness, op, in->at[index], anchor);
    }
}

/* Every value goes to the nearest level; anchored, it takes as much as before, or stays cut. */
static void quantise(Witness *witness, const Op *op, size_t i) {
    const double scale = (double)op->quantiser.scale, low = -op->quantiser.zero_point;
    const double high = low + pow(2, op->quantiser.bits) - 1;
    const double *in = witness->maps[op->input[0]];
    double *out = witness->maps[i], *anchor = witness->anchors[i];
    for (size_t n = 0; n < witness->images * size_of(witness->shapes[i]); n++) {
        const double place = in[n] / scale, level = floor(place + 0.5);
        out[n] = scale * (level < low ? low : level > high ? high : level);
        if (place > low - 1 && place < high + 1) near(witness, scale * (0.5 - fabs(place - level)));
        if (!witness->anchored) anchor[n] = level < low || level > high ? NAN : out[n] - in[n];
        if (!isnan(anchor[n])) out[n] = in[n] + anchor[n];
    }
}

static void batch_norm(Witness *witness, const Op *op, size_t i) {
    const Shape shape = witness->shapes[i];
    const size_t pixels = (size_t)shape.height * shape.width, size = size_of(shape);
    const double *in = witness->maps[op->input[0]];
    for (unsigned c = 0; c < shape.channels; c++) {
        double mean = value(witness, op->mean, c, 0), variance = value(witness, op->variance, c, 1);
        if (witness->training) {
            mean = variance = 0;
            for (size_t n = 0; n < witness->images * pixels; n++)
                mean += in[n / pixels * size + c * pixels + n % pixels];
            mean /= (double)(witness->images * pixels);
            for (size_t n = 0; n < witness->images * pixels; n++)
                variance += pow(in[n / pixels * size + c * pixels + n % pixels] - mean, 2);
            variance /= (double)(witness->images * pixels);
            /* It divides by that: float32 has nothing to say about almost 0, where a map of levels may well be. */
            witness->margin = fmin(witness->margin, 1e-3 * sqrt(variance));
        }
        for (size_t n = 0; n < witness->images * pixels; n++) {
            const size_t at = n / pixels * size + c * pixels + n % pixels;
            witness->maps[i][at] =
                (in[at] - mean) / sqrt(variance + (double)op->epsilon) * value(witness, op->weight, c, 1) +
                value(witness, op->bias, c, 0);
        }
    }
}

void witness_run(Witness *witness) {
    const Graph *graph = witness->network->graph;
    const Normalisation *normalisation = &witness->network->normalisation;
    const size_t all = witness->images * size_of(witness->shapes[0]);
    const size_t plane = (size_t)witness->shapes[0].height * witness->shapes[0].width;
    witness->margin = INFINITY;
    for (size_t i = 0; i < all; i++) {
        const size_t c = i / plane % graph->in_channels;
        witness->maps[0][i] = (witness->pixels[i] - (double)normalisation->mean[c]) / (double)normalisation->std[c];
    }
    for (size_t i = 1; i < graph->count; i++) {
        const Op *op = &graph->ops[i];
        const Shape shape = witness->shapes[i], in = witness->shapes[op->input[0]];
        const bool whole = op->kind == OP_BATCH_NORM || op->kind == OP_QUANTISE; /* all images at once */
        if (whole) (op->kind == OP_BATCH_NORM ? batch_norm : quantise)(witness, op, i);
        for (unsigned image = 0; !whole && image < witness->images; image++) {
            const Source source = {witness->maps[op->input[0]] + image * size_of(in), in, op->padding[0],
                                   op->padding[1]};
            const int second = op->input[op_inputs(op->kind) - 1];
            const Shape there = witness->shapes[second];
            const Source other = {witness->maps[second] + image * size_of(there), there, 0, 0};
            double *to = witness->maps[i] + image * size_of(shape);
            double *anchor = witness->anchors[i] + image * size_of(shape);
            for (unsigned c = 0; c < shape.channels; c++)
                for (unsigned y = 0; y < shape.height; y++)
                    for (unsigned x = 0; x < shape.width; x++)
                        *to++ = element(witness, op, &source, &other, shape, c, y, x, anchor++);
        }
    }
}

/* ---- losses ------------------------------------------------------------------------------------------------------ */

static void softmax(const double *logits, size_t classes, double temperature, double *out) {
    double most = -INFINITY, sum = 0;
    for (size_t i = 0; i < classes; i++) most = fmax(most, logits[i]);
    for (size_t i = 0; i < classes; i++) sum += out[i] = exp((logits[i] - most) / temperature);
    for (size_t i = 0; i < classes; i++) out[i] /= sum;
}

enum { LOGITS_MAX = 64 };

static double logit_loss(const Loss *loss, const double *logits, const double *teacher, size_t classes, size_t label) {
    const double temperature = loss->temperature > 0 ? loss->temperature : 1;
    double p[LOGITS_MAX], q[LOGITS_MAX], sum = 0;
    assert_true(classes <= LOGITS_MAX);
    if (loss->cross_entropy > 0) {
        softmax(logits, classes, 1, q);
        for (size_t i = 0; i < classes; i++) {
            const double target =
                loss->label_smoothing / (double)classes + (i == label ? 1 - loss->label_smoothing : 0);
            if (target > 0) sum -= loss->cross_entropy * target * log(q[i]);
        }
    }
    if (loss->kd > 0) {
        softmax(logits, classes, temperature, q);
        softmax(teacher, classes, temperature, p);
        for (size_t i = 0; i < classes; i++)
            if (p[i] > 0)
                sum += loss->kd * temperature * temperature * p[i] *
                       (log(p[i]) - log(loss->kd_form == KD_STABLE ? q[i] + 1e-4 : q[i]));
    }
    return sum;
}

/* The norm of a map of zeros has no derivative: that is a jump, too. */
static double map_loss(Witness *witness, const double *a, const double *b, size_t size) {
    double r = 0, s = 0, sum = 0;
    for (size_t i = 0; i < size; i++) {
        r += a[i] * a[i];
        s += b[i] * b[i];
    }
    if (sqrt(r) < 1e-6) witness->margin = 0;
    for (size_t i = 0; i < size; i++) sum += pow(a[i] / (sqrt(r) + 1e-3) - b[i] / (sqrt(s) + 1e-3), 2);
    return sum;
}

/* The batch norm that a sum adds to is its first input. */
static double map_weight(const Graph *graph, const Loss *loss, size_t op) {
    if (!loss->fmd_aliased) return 1;
    if (graph->ops[op].kind == OP_ADD) return 2;
    for (size_t i = 0; i < graph->count; i++) {
        const int first = graph->ops[i].input[0];
        if (graph->ops[i].kind != OP_ADD) continue;
        if (first == (int)op || (graph->ops[first].kind == OP_QUANTISE && graph->ops[first].input[0] == (int)op))
            return 0;
    }
    return 1;
}

double witness_loss(Witness *witness, const Loss *loss, const uint16_t *labels, const Witness *teacher) {
    const Graph *graph = witness->network->graph;
    const size_t classes = graph->classes, last = graph->count - 1;
    double sum = 0;
    for (unsigned image = 0; image < witness->images; image++) {
        const double *theirs = teacher ? teacher->maps[teacher->network->graph->count - 1] + image * classes : NULL;
        sum += logit_loss(loss, witness->maps[last] + image * classes, theirs, classes, labels[image]);
        for (size_t i = 0; loss->fmd > 0 && i < graph->count; i++) {
            const size_t size = size_of(witness->shapes[i]);
            if (graph->ops[i].kind != OP_BATCH_NORM && graph->ops[i].kind != OP_ADD) continue;
            sum += loss->fmd * map_weight(graph, loss, i) *
                   map_loss(witness, witness->maps[i] + image * size, teacher->maps[i] + image * size, size);
        }
    }
    return sum / witness->images;
}
