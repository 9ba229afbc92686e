/* simple -- steps without weights that have no kernels of their own: activations other than ReLU, products and joins of
 * maps, and moves of channels and pixels; both ways. Functions of one value are computed in float32, GELU in double
 * (its erf).
 */
#include "net/engine/engine.h"

#include <math.h>
#include <string.h>

#define EACH_ROW(y, view) for (size_t y = 0; y < (view)->shape.height; y++)

static size_t row_floats(const View *view) {
    return (size_t)view->shape.width * view->shape.channels;
}

/* ---- activations ------------------------------------------------------------------------------------------------- */

static inline float sigmoid(float x) {
    return 1 / (1 + expf(-x));
}

static inline float hard_sigmoid(float x) {
    return x <= -3 ? 0 : x >= 3 ? 1 : (x + 3) / 6;
}

static void activate(const Op *op, const float *in, float *out, size_t count) {
    switch (op->kind) {
    case OP_LEAKY_RELU:
        for (size_t i = 0; i < count; i++) out[i] = in[i] < 0 ? in[i] * op->slope : in[i];
        break;
    case OP_SIGMOID:
        for (size_t i = 0; i < count; i++) out[i] = sigmoid(in[i]);
        break;
    case OP_SILU:
        for (size_t i = 0; i < count; i++) out[i] = in[i] * sigmoid(in[i]);
        break;
    case OP_HARD_SIGMOID:
        for (size_t i = 0; i < count; i++) out[i] = hard_sigmoid(in[i]);
        break;
    case OP_HARD_SWISH:
        for (size_t i = 0; i < count; i++) out[i] = in[i] * hard_sigmoid(in[i]);
        break;
    case OP_TANH:
        for (size_t i = 0; i < count; i++) out[i] = tanhf(in[i]);
        break;
    default:
        for (size_t i = 0; i < count; i++) out[i] = (float)op_activation(op, (double)in[i]);
    }
}

void pointwise_forward(const Engine *engine, const Step *step, const View *in, const View *out) {
    const Op *op = &engine->graph->ops[step->op];
    EACH_ROW(y, out) activate(op, in->at + y * in->row, out->at + y * out->row, row_floats(out));
}

void pointwise_backward(const Engine *engine, const Step *step, const View *in, const View *gradient, const View *to) {
    const Op *op = &engine->graph->ops[step->op];
    EACH_ROW(y, to) {
        const float *x = in->at + y * in->row, *from = gradient->at + y * gradient->row;
        float *sum = to->at + y * to->row;
        for (size_t i = 0; i < row_floats(to); i++) sum[i] += from[i] * (float)op_activation_slope(op, (double)x[i]);
    }
}

/* ---- joins ------------------------------------------------------------------------------------------------------- */

/* Whether a factor is one value a channel for the whole map. */
static bool by_channel(const View *factor, const View *map) {
    return factor->shape.height == 1 && factor->shape.width == 1 && (map->shape.height > 1 || map->shape.width > 1);
}

void multiply_forward(const View *in, const View *factor, const View *out) {
    const bool channels = by_channel(factor, out);
    EACH_ROW(y, out) {
        const float *a = in->at + y * in->row, *b = factor->at + (channels ? 0 : y * factor->row);
        float *to = out->at + y * out->row;
        for (size_t x = 0; x < out->shape.width;
             x++, a += in->pixel, to += out->pixel, b += channels ? 0 : factor->pixel)
            for (size_t c = 0; c < out->shape.channels; c++) to[c] = a[c] * b[c];
    }
}

/* Where the operand itself is one value a channel, it takes the sum over all pixels. */
void multiply_backward(const View *other, const View *gradient, const View *to) {
    const bool spread = by_channel(other, gradient), sum = by_channel(to, gradient);
    EACH_ROW(y, gradient) {
        const float *from = gradient->at + y * gradient->row, *b = other->at + (spread ? 0 : y * other->row);
        float *a = to->at + (sum ? 0 : y * to->row);
        for (size_t x = 0; x < gradient->shape.width; x++) {
            for (size_t c = 0; c < gradient->shape.channels; c++) a[c] += from[c] * b[c];
            from += gradient->pixel;
            if (!spread) b += other->pixel;
            if (!sum) a += to->pixel;
        }
    }
}

static void copy_channels(const View *in, const View *out, size_t first) {
    EACH_ROW(y, in)
    for (size_t x = 0; x < in->shape.width; x++)
        memcpy(out->at + y * out->row + x * out->pixel + first, in->at + y * in->row + x * in->pixel,
               in->shape.channels * sizeof *in->at);
}

void concat_forward(const View *first, const View *second, const View *out) {
    copy_channels(first, out, 0);
    copy_channels(second, out, first->shape.channels);
}

/* ---- moves ------------------------------------------------------------------------------------------------------- */

/* Where the result's value (y, x, channel) comes from in a map like `in`; NULL: it is a zero of the padding. */
static float *source(const Op *op, const View *in, size_t y, size_t x, size_t channel) {
    if (op->kind == OP_SLICE) channel += op->offset;
    if (op->kind == OP_SHUFFLE) {
        const size_t each = in->shape.channels / op->groups;
        channel = channel % op->groups * each + channel / op->groups;
    }
    if (op->kind == OP_PAD) {
        if (y < op->padding[0] || x < op->padding[1]) return NULL;
        y -= op->padding[0];
        x -= op->padding[1];
        if (y >= in->shape.height || x >= in->shape.width) return NULL;
    }
    return in->at + y * in->row + x * in->pixel + channel;
}

void move_forward(const Engine *engine, const Step *step, const View *in, const View *out) {
    const Op *op = &engine->graph->ops[step->op];
    EACH_ROW(y, out)
    for (size_t x = 0; x < out->shape.width; x++) {
        float *to = out->at + y * out->row + x * out->pixel;
        for (size_t c = 0; c < out->shape.channels; c++) {
            const float *from = source(op, in, y, x, c);
            to[c] = from ? *from : 0;
        }
    }
}

void move_backward(const Engine *engine, const Step *step, const View *gradient, const View *to) {
    const Op *op = &engine->graph->ops[step->op];
    EACH_ROW(y, gradient)
    for (size_t x = 0; x < gradient->shape.width; x++) {
        const float *from = gradient->at + y * gradient->row + x * gradient->pixel;
        for (size_t c = 0; c < gradient->shape.channels; c++) {
            float *sum = source(op, to, y, x, c);
            if (sum) *sum += from[c];
        }
    }
}
