/* shapes -- what each operation makes of the maps it is given. */
#include "weft/base/error.h"
#include "weft/net/graph.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The largest height or width of a map, and the most channels: far beyond any network here, and small enough that the
 * product of two sizes fits 64 bits with room to spare. */
enum { SIZE_MAX_MAP = 1 << 16, CHANNELS_MAX = 1 << 20 };

/* ---- windows ----------------------------------------------------------------------------------------------------- */

/* A window's numbers are within their ranges; a pool's window never lies wholly on padding. */
static bool window_sound(const Op *op) {
    bool sound = true;
    for (int i = 0; i < 2; i++) {
        const unsigned kernel = op->kernel[i], dilation = op->dilation[i];
        sound = sound && kernel > 0 && kernel <= SIZE_MAX_MAP && op->stride[i] > 0 && op->stride[i] <= SIZE_MAX_MAP &&
                dilation <= SIZE_MAX_MAP && (op->kind == OP_CONV ? dilation > 0 : dilation <= 1);
        for (int side = i; side < 4; side += 2)
            sound = sound && op->padding[side] <= SIZE_MAX_MAP &&
                    (op->kind == OP_CONV || 2 * (uint64_t)op->padding[side] <= kernel);
    }
    return sound;
}

/* Windows along axis `i` of a map of `size`. PyTorch's ceil_mode drops a window that would begin behind the map. */
static unsigned windows(const Op *op, int i, unsigned size) {
    const unsigned dilation = op->dilation[i] ? op->dilation[i] : 1, stride = op->stride[i];
    const uint64_t reach = (uint64_t)(op->kernel[i] - 1) * dilation + 1;
    const uint64_t room = (uint64_t)size + op->padding[i] + op->padding[i + 2];
    if (room < reach) return 0;
    uint64_t count = (room - reach + (op->ceiling ? stride - 1 : 0)) / stride + 1;
    if (op->ceiling && (count - 1) * stride >= (uint64_t)size + op->padding[i]) count--;
    return (unsigned)count;
}

static bool windowed(const Op *op, Shape in, Shape *out, Error *err) {
    const bool pool = op->kind != OP_CONV;
    if (!window_sound(op))
        return error_set(err, STATUS_FAILED,
                         "%s: a %s of kernel %ux%u, stride %ux%u, padding %u,%u,%u,%u, dilation %ux%u makes no sense",
                         op->name, op_name(op->kind), op->kernel[0], op->kernel[1], op->stride[0], op->stride[1],
                         op->padding[0], op->padding[1], op->padding[2], op->padding[3], op->dilation[0],
                         op->dilation[1]);
    *out = (Shape){pool ? in.channels : op->out_channels, windows(op, 0, in.height), windows(op, 1, in.width)};
    if (out->height == 0 || out->width == 0)
        return error_set(err, STATUS_FAILED, "%s: a %ux%u kernel does not fit on a map of %ux%u", op->name,
                         op->kernel[0], op->kernel[1], in.height, in.width);
    if (!pool && (op->groups == 0 || in.channels % op->groups || op->out_channels % op->groups))
        return error_set(err, STATUS_FAILED, "%s: %u groups do not divide %u and %u channels", op->name, op->groups,
                         in.channels, op->out_channels);
    return true;
}

/* ---- joins and moves --------------------------------------------------------------------------------------------- */

static bool joined(const Op *op, Shape in, Shape other, Shape *out, Error *err) {
    const bool same_map = in.height == other.height && in.width == other.width;
    *out = in;
    if (op->kind == OP_CONCAT) {
        out->channels += other.channels;
        return same_map || error_set(err, STATUS_FAILED, "%s: joins channels of %ux%u with channels of %ux%u", op->name,
                                     in.height, in.width, other.height, other.width);
    }
    if (in.channels == other.channels && same_map) return true;
    if (op->kind == OP_MULTIPLY && in.channels == other.channels && other.height == 1 && other.width == 1) return true;
    return error_set(err, STATUS_FAILED, "%s: %s %ux%ux%u to %ux%ux%u", op->name,
                     op->kind == OP_ADD ? "adds" : "multiplies", other.channels, other.height, other.width, in.channels,
                     in.height, in.width);
}

static bool moved(const Op *op, Shape in, Shape *out, Error *err) {
    *out = in;
    switch (op->kind) {
    case OP_SHORTCUT_A:
        if (op->out_channels < in.channels)
            return error_set(err, STATUS_FAILED, "%s: cannot narrow %u channels to %u", op->name, in.channels,
                             op->out_channels);
        if (op->offset > op->out_channels - in.channels || op->stride[0] == 0 || op->stride[1] == 0)
            return error_set(err, STATUS_FAILED,
                             "%s: a shortcut with %u of %u new channels first, stride %ux%u, makes "
                             "no sense",
                             op->name, op->offset, op->out_channels - in.channels, op->stride[0], op->stride[1]);
        *out = (Shape){op->out_channels, (in.height - 1) / op->stride[0] + 1, (in.width - 1) / op->stride[1] + 1};
        return true;
    case OP_SLICE:
        out->channels = op->out_channels;
        return (op->offset <= in.channels && op->out_channels <= in.channels - op->offset) ||
               error_set(err, STATUS_FAILED, "%s: channels %u to %llu of %u", op->name, op->offset,
                         (unsigned long long)op->offset + op->out_channels, in.channels);
    case OP_SHUFFLE:
        return (op->groups > 0 && in.channels % op->groups == 0) ||
               error_set(err, STATUS_FAILED, "%s: %u groups do not divide %u channels", op->name, op->groups,
                         in.channels);
    default: /* OP_PAD */
        for (int side = 0; side < 4; side++)
            if (op->padding[side] > SIZE_MAX_MAP)
                return error_set(err, STATUS_FAILED, "%s: a padding of %u", op->name, op->padding[side]);
        out->height += op->padding[0] + op->padding[2];
        out->width += op->padding[1] + op->padding[3];
        return true;
    }
}

/* ---- the whole --------------------------------------------------------------------------------------------------- */

static bool quantiser_fits(const Op *op, Error *err) {
    return quantiser_sound(&op->quantiser) ||
           error_set(err, STATUS_FAILED, "%s: a quantiser of scale %g, zero point %d, %u bits makes no sense", op->name,
                     (double)op->quantiser.scale, op->quantiser.zero_point, op->quantiser.bits);
}

bool op_shape(const Op *op, Shape in, Shape other, Shape *out, Error *err) {
    *out = in;
    if (op->kind == OP_CONV || op->kind == OP_MAX_POOL || op->kind == OP_AVERAGE_POOL)
        return windowed(op, in, out, err);
    switch (op_class(op->kind)) {
    case CLASS_WEIGHTS:
        *out = (Shape){op->out_channels, 1, 1};
        return true;
    case CLASS_JOIN:
        return joined(op, in, other, out, err);
    case CLASS_MOVE:
        return moved(op, in, out, err);
    case CLASS_POOL:
        out->height = op->kind == OP_ADAPTIVE_POOL ? op->size[0] : 1;
        out->width = op->kind == OP_ADAPTIVE_POOL ? op->size[1] : 1;
        return true;
    case CLASS_LEVELS:
        return quantiser_fits(op, err);
    case CLASS_SOURCE:
    case CLASS_NORM:
    case CLASS_ACTIVATION:
        break;
    }
    return true;
}

bool graph_find_shapes(const Graph *graph, unsigned height, unsigned width, Shape *shapes, Error *err) {
    if (graph->count < 2 || graph->ops[0].kind != OP_INPUT)
        return error_set(err, STATUS_FAILED, "the graph has no input and output");
    if (height == 0 || width == 0 || height > SIZE_MAX_MAP || width > SIZE_MAX_MAP)
        return error_set(err, STATUS_FAILED, "images of %ux%u: sizes go from 1 to %d", height, width, SIZE_MAX_MAP);
    shapes[0] = (Shape){graph->in_channels, height, width};
    for (size_t i = 1; i < graph->count; i++) {
        const Op *op = &graph->ops[i];
        const int first = op->input[0], second = op_inputs(op->kind) == 2 ? op->input[1] : first;
        if (op->kind == OP_INPUT || first < 0 || (size_t)first >= i || second < 0 || (size_t)second >= i)
            return error_set(err, STATUS_FAILED, "%s: takes its input from a later operation", op->name);
        if (!op_shape(op, shapes[first], shapes[second], &shapes[i], err)) return false;
        if (shapes[i].channels == 0 || shapes[i].channels > CHANNELS_MAX || shapes[i].height == 0 ||
            shapes[i].width == 0 || shapes[i].height > SIZE_MAX_MAP || shapes[i].width > SIZE_MAX_MAP)
            return error_set(err, STATUS_FAILED, "%s: a map of %ux%ux%u is out of range", op->name, shapes[i].channels,
                             shapes[i].height, shapes[i].width);
        if (op->out_channels != shapes[i].channels)
            return error_set(err, STATUS_FAILED, "%s: gives %u channels, not %u", op->name, shapes[i].channels,
                             op->out_channels);
    }
    const Shape *last = &shapes[graph->count - 1];
    if (last->channels != graph->classes || last->height != 1 || last->width != 1)
        return error_set(err, STATUS_FAILED, "%s: gives %ux%ux%u, not one value for each of %u classes",
                         graph->ops[graph->count - 1].name, last->channels, last->height, last->width, graph->classes);
    return true;
}
