/* nodes -- joins, slices, pads, quantisers, and which function takes which node. */
#include "net/onnx/onnx.h"

#include <math.h>
#include <string.h>

#include "weft/base/dtype.h"

static bool is(const OnnxNode *node, const char *type) {
    return strcmp(node->type, type) == 0;
}

/* The map's axis that dimension `dim` of the view is; 0 where it is none or several. */
static char axis_of(const Converter *c, const Value *value, unsigned dim) {
    const char *word = value->view.dim[dim];
    if (view_plain(c, value)) return "BCHW"[dim];
    if (!*word && c->shapes[value->op].channels == 1 && !strchr(value->view.dim[value->view.rank - 1], 'C')) return 'C';
    return strlen(word) == 1 ? *word : '\0';
}

/* An axis that counts from the end where it is negative. */
static bool read_axis(Converter *c, const OnnxNode *node, const Value *value, double axis, unsigned *out) {
    axis = axis < 0 ? axis + value->view.rank : axis;
    if (!(axis >= 0 && axis < value->view.rank)) return node_refuse(c, node, "axis %g of %u", axis, value->view.rank);
    *out = (unsigned)axis;
    return true;
}

static bool give_viewed(Converter *c, const OnnxNode *node, size_t output, int op, const View *view) {
    if (!give_map(c, node, output, op)) return false;
    node_output(c, node, output)->view = *view;
    return true;
}

/* ---- shortcuts without weights ----------------------------------------------------------------------------------- */

/* Every stride-th pixel, with channels of zeros before and behind; one operation where the map was such a shortcut. */
static int add_shortcut(Converter *c, const OnnxNode *node, int from, const unsigned stride[2], unsigned before,
                        unsigned behind, const Value *value) {
    enum { STRIDE_MAX = 1 << 16, CHANNELS_MAX = 1 << 20 };
    Graph *graph = c->builder.graph;
    Op *last = &graph->ops[from];
    const bool own = c->made_by[from] == node; /* nobody else has seen it yet */
    const bool alone = own || (value && value->uses == 1 && c->made_by[from] == value->node);
    const bool fits = (uint64_t)last->stride[0] * stride[0] <= STRIDE_MAX &&
                      (uint64_t)last->stride[1] * stride[1] <= STRIDE_MAX &&
                      (uint64_t)last->out_channels + before + behind <= CHANNELS_MAX;
    if (alone && fits && last->kind == OP_SHORTCUT_A && (size_t)from + 1 == graph->count) {
        c->made_by[from] = node;
        last->stride[0] *= stride[0];
        last->stride[1] *= stride[1];
        last->offset += before;
        last->out_channels += before + behind;
        return op_shape(last, c->shapes[last->input[0]], c->shapes[last->input[0]], &c->shapes[from], c->err) ? from
                                                                                                              : -1;
    }
    return converter_add(c, node,
                         (Op){.kind = OP_SHORTCUT_A,
                              .input = {from},
                              .stride = {stride[0], stride[1]},
                              .offset = before,
                              .out_channels = c->shapes[from].channels + before + behind});
}

/* ---- Slice, Split, Gather ---------------------------------------------------------------------------------------- */

typedef struct Cut {
    double from, to, step;
} Cut;

/* Cuts one axis; *op goes on. */
static bool cut_axis(Converter *c, const OnnxNode *node, const Value *in, unsigned dim, Cut cut, int *op) {
    static const unsigned one[2] = {1, 1};
    const char axis = axis_of(c, in, dim);
    const Shape shape = c->shapes[*op];
    const double size = axis == 'C'   ? (double)shape.channels
                        : axis == 'H' ? (double)shape.height
                        : axis == 'W' ? (double)shape.width
                                      : -1;
    if (axis == 'B') {
        const bool all = !(fabs(cut.from) > 0) && (isnan(cut.to) || cut.to >= 1e9) && !(fabs(cut.step - 1) > 0);
        return all || node_refuse(c, node, "takes some images of the batch");
    }
    if (size < 0 || isnan(cut.from) || isnan(cut.to) || !(cut.step >= 1 && cut.step <= 65536))
        return node_refuse(c, node, "a slice that weft does not have");
    const double first = fmin(fmax(cut.from < 0 ? cut.from + size : cut.from, 0), size);
    const double last = fmin(fmax(cut.to < 0 ? cut.to + size : cut.to, 0), size);
    const bool whole = !(first > 0) && !(last < size), step = cut.step > 1;
    if (whole && !step) return true;
    if (axis == 'C' && !step && last > first) {
        *op = converter_add(
            c, node,
            (Op){
                .kind = OP_SLICE, .input = {*op}, .offset = (unsigned)first, .out_channels = (unsigned)(last - first)});
        return *op >= 0;
    }
    if (axis == 'C' || !whole) return node_refuse(c, node, "cuts maps smaller");
    const unsigned stride[2] = {axis == 'H' ? (unsigned)cut.step : one[0], axis == 'W' ? (unsigned)cut.step : one[1]};
    *op = add_shortcut(c, node, *op, stride, 0, 0, in);
    return *op >= 0;
}

static bool slice(Converter *c, const OnnxNode *node) {
    double from[ONNX_RANK_MAX], to[ONNX_RANK_MAX], axes[ONNX_RANK_MAX], steps[ONNX_RANK_MAX];
    size_t count, tos, axis_count, step_count;
    const Value *in = map_input(c, node, 0, false);
    if (!in || !node_list(c, node, "starts", 1, from, &count) || !node_list(c, node, "ends", 2, to, &tos) ||
        !node_list(c, node, "axes", 3, axes, &axis_count) || !node_list(c, node, "steps", 4, steps, &step_count))
        return false;
    if (tos != count || (axis_count != 0 && axis_count != count) || (step_count != 0 && step_count != count))
        return node_refuse(c, node, "starts, ends, axes and steps differ in number");
    int op = in->op;
    View view = in->view;
    for (size_t i = 0; i < count; i++) {
        unsigned dim = 0;
        const Cut cut = {from[i], to[i], step_count ? steps[i] : 1};
        if (!read_axis(c, node, in, axis_count ? axes[i] : (double)i, &dim) || !cut_axis(c, node, in, dim, cut, &op))
            return false;
        const Shape now = c->shapes[op];
        const char axis = axis_of(c, in, dim);
        const unsigned size = axis == 'C' ? now.channels : axis == 'H' ? now.height : axis == 'W' ? now.width : 2;
        if (size == 1) view.dim[dim][0] = '\0';
    }
    return give_viewed(c, node, 0, op, &view);
}

static bool split(Converter *c, const OnnxNode *node) {
    double sizes[ONNX_RANK_MAX], at = 0;
    size_t count;
    unsigned dim = 0;
    const Value *in = map_input(c, node, 0, false);
    if (!in || !read_axis(c, node, in, (double)node_integer(node, "axis", 0), &dim) ||
        !node_list(c, node, "split", 1, sizes, &count))
        return false;
    if (axis_of(c, in, dim) != 'C') return node_refuse(c, node, "splits other than channels");
    const double channels = c->shapes[in->op].channels, outputs = (double)node->output_count;
    if (count != 0 && count != node->output_count) return node_refuse(c, node, "%zu parts", count);
    for (size_t i = 0; i < node->output_count; i++) {
        const double size = count ? sizes[i] : fmin(ceil(channels / outputs), channels - at);
        if (!(size >= 1 && at + size <= channels)) return node_refuse(c, node, "a part of %g channels", size);
        const Op op = {.kind = OP_SLICE, .input = {in->op}, .offset = (unsigned)at, .out_channels = (unsigned)size};
        View view = in->view;
        if (op.out_channels == 1) view.dim[dim][0] = '\0';
        if (*node->outputs[i] && !give_viewed(c, node, i, converter_add(c, node, op), &view)) return false;
        at += size;
    }
    return true;
}

static bool gather(Converter *c, const OnnxNode *node) {
    unsigned dim = 0;
    const Value *in = map_input(c, node, 0, false);
    Value *index = in ? node_need(c, node, 1) : NULL;
    if (!index || !read_axis(c, node, in, (double)node_integer(node, "axis", 0), &dim)) return false;
    if (axis_of(c, in, dim) != 'C' || !value_numbers(c, index) || index->count != 1)
        return node_refuse(c, node, "gathers other than one channel");
    const double channels = c->shapes[in->op].channels;
    const double at = index->numbers[0] < 0 ? index->numbers[0] + channels : index->numbers[0];
    if (!(at >= 0 && at < channels)) return node_refuse(c, node, "channel %g of %g", at, channels);
    View view = in->view;
    view.dim[dim][0] = '\0';
    for (unsigned i = dim; index->rank == 0 && i + 1 < view.rank; i++) strcpy(view.dim[i], view.dim[i + 1]);
    if (index->rank == 0) view.rank--;
    const Op op = {.kind = OP_SLICE, .input = {in->op}, .offset = (unsigned)at, .out_channels = 1};
    return give_viewed(c, node, 0, converter_add(c, node, op), &view);
}

/* ---- Concat, Pad ------------------------------------------------------------------------------------------------- */

/* Joins one more input to *op (-1: there is none yet); zeros before the first map wait in *before. */
static bool join(Converter *c, const OnnxNode *node, Value *part, unsigned axis, int *op, unsigned *before,
                 View *view) {
    static const unsigned stride[2] = {1, 1};
    const bool zeros = part->kind == VALUE_ZEROS || (part->kind == VALUE_MAP && value_is_zero(part));
    if (zeros) {
        const double more = part->kind == VALUE_MAP ? c->shapes[part->op].channels
                            : axis < part->rank     ? part->dim[axis]
                                                    : NAN;
        if (!(more >= 0 && more <= 1 << 20)) return node_refuse(c, node, "zeros of an unknown size");
        if (*op < 0)
            *before += (unsigned)more;
        else
            *op = add_shortcut(c, node, *op, stride, 0, (unsigned)more, NULL);
        return *op >= 0 || *before > 0;
    }
    if (part->kind != VALUE_MAP || !value_settle(c, part)) return node_refuse(c, node, "joins '%s'", part->name);
    View here = part->view;
    if (axis >= here.rank || axis_of(c, part, axis) != 'C') return node_refuse(c, node, "joins other than channels");
    strcpy(here.dim[axis], "C");
    for (unsigned i = 0; *op >= 0 && i < here.rank; i++)
        if (here.rank != view->rank || strcmp(here.dim[i], view->dim[i]) != 0)
            return node_refuse(c, node, "joins maps that lie differently");
    *view = here;
    if (*op >= 0) {
        *op = converter_add(c, node, (Op){.kind = OP_CONCAT, .input = {*op, part->op}});
        return *op >= 0;
    }
    *op = part->op;
    if (*before > 0) *op = add_shortcut(c, node, *op, stride, *before, 0, part);
    return *op >= 0;
}

static bool concat(Converter *c, const OnnxNode *node) {
    int op = -1;
    unsigned before = 0, axis = 0;
    View view = {0};
    const Value *map = NULL;
    for (size_t i = 0; i < node->input_count; i++) {
        const Value *part = node_need(c, node, i);
        if (!part) return false;
        if (part->kind == VALUE_MAP) map = part;
    }
    if (!map) return node_refuse(c, node, "joins no map");
    if (!read_axis(c, node, map, (double)node_integer(node, "axis", 1), &axis)) return false;
    for (size_t i = 0; i < node->input_count; i++)
        if (!join(c, node, node_need(c, node, i), axis, &op, &before, &view)) return false;
    if (op < 0) return node_refuse(c, node, "joins nothing but zeros");
    return give_viewed(c, node, 0, op, &view);
}

/* The padding of each axis, before and behind. */
typedef struct Pads {
    unsigned channels[2];
    unsigned sides[4]; /* top, left, bottom, right */
} Pads;

static bool read_pads(Converter *c, const OnnxNode *node, const Value *in, Pads *out) {
    const OnnxAttribute *old = onnx_attribute(node, "pads");
    double axes[ONNX_RANK_MAX];
    size_t count = 0, axis_count;
    Value *list = old ? NULL : node_need(c, node, 1);
    if (!node_list(c, node, "axes", 3, axes, &axis_count)) return false;
    if (old && old->kind == ONNX_INTEGERS)
        count = old->count;
    else if (list && value_numbers(c, list))
        count = list->count;
    else
        return node_refuse(c, node, "its pads are no constants");
    const size_t half = axis_count ? axis_count : in->view.rank;
    if (count != 2 * half) return node_refuse(c, node, "%zu pads", count);
    for (size_t i = 0; i < count; i++) {
        unsigned dim = 0;
        const double pad = old ? (double)old->integers[i] : list->numbers[i];
        if (!read_axis(c, node, in, axis_count ? axes[i % half] : (double)(i % half), &dim)) return false;
        const char axis = axis_of(c, in, dim);
        if (!(fabs(pad) > 0)) continue;
        if (!(pad > 0 && pad <= 65536) || axis == 'B' || !axis) return node_refuse(c, node, "a padding of %g", pad);
        if (axis == 'C')
            out->channels[i / half] = (unsigned)pad;
        else
            out->sides[(axis == 'W') + 2 * (i / half)] = (unsigned)pad;
    }
    return true;
}

static bool pad(Converter *c, const OnnxNode *node) {
    static const unsigned stride[2] = {1, 1};
    const OnnxAttribute *mode = onnx_attribute(node, "mode");
    Pads pads = {{0}, {0}};
    const Value *in = map_input(c, node, 0, false);
    Value *fill = in ? node_input(c, node, 2) : NULL;
    if (!in || (node->input_count > 2 && *node->inputs[2] && !fill) || !read_pads(c, node, in, &pads)) return false;
    const bool sides = pads.sides[0] || pads.sides[1] || pads.sides[2] || pads.sides[3];
    const bool channels = pads.channels[0] || pads.channels[1];
    double value = node_number(node, "value", 0);
    if (fill && value_numbers(c, fill) && fill->count == 1) value = fill->numbers[0];
    if ((sides || channels) && (fabs(value) > 0 || (mode && strcmp(mode->text ? mode->text : "", "constant") != 0)))
        return node_refuse(c, node, "pads with something other than 0");
    int op = in->op;
    if (channels) op = add_shortcut(c, node, op, stride, pads.channels[0], pads.channels[1], in);
    if (op >= 0 && sides) {
        Op add = {.kind = OP_PAD, .input = {op}};
        memcpy(add.padding, pads.sides, sizeof add.padding);
        op = converter_add(c, node, add);
    }
    if (!give_map(c, node, 0, op)) return false;
    if (!view_plain(c, in)) node_output(c, node, 0)->view = in->view;
    return true;
}

/* ---- quantisers -------------------------------------------------------------------------------------------------- */

static bool quantise(Converter *c, const OnnxNode *node) {
    const Value *in = map_input(c, node, 0, false);
    Value *out = in ? node_output(c, node, 0) : NULL;
    if (!out) return false;
    out->kind = VALUE_MAP;
    out->op = in->op;
    out->view = in->view;
    out->quantised = true;
    return true;
}

/* One scale and zero point, equal in both nodes. */
static bool read_levels(Converter *c, const OnnxNode *node, Quantiser *out) {
    Value *scale = node_need(c, node, 1), *zero = scale ? node_input(c, node, 2) : NULL;
    if (!scale || !value_numbers(c, scale) || (zero && !value_numbers(c, zero)) || scale->count != 1)
        return node_refuse(c, node, "levels that are no constants, or differ by channel");
    const DType type = zero && zero->stored ? zero->stored->dtype : DTYPE_U8;
    if (type != DTYPE_U8 && type != DTYPE_I8) return node_refuse(c, node, "levels of %s", dtype_name(type));
    *out = (Quantiser){.scale = (float)scale->numbers[0], .bits = 8};
    out->zero_point = (zero && zero->count == 1 ? (int)zero->numbers[0] : 0) + (type == DTYPE_I8 ? 128 : 0);
    return quantiser_sound(out) || node_refuse(c, node, "levels that make no sense");
}

static bool dequantise(Converter *c, const OnnxNode *node) {
    Op op = {.kind = OP_QUANTISE};
    Quantiser before;
    const Value *in = node_need(c, node, 0);
    if (!in) return false;
    if (in->kind != VALUE_MAP || !in->quantised) return node_refuse(c, node, "no QuantizeLinear before it");
    if (!read_levels(c, in->node, &before) || !read_levels(c, node, &op.quantiser)) return false;
    if (fabsf(before.scale - op.quantiser.scale) > 0 || before.zero_point != op.quantiser.zero_point)
        return node_refuse(c, node, "other levels than those of QuantizeLinear");
    op.input[0] = in->op;
    return give_viewed(c, node, 0, converter_add(c, node, op), &in->view);
}

/* ---- the rest ---------------------------------------------------------------------------------------------------- */

static bool give_again(Converter *c, const OnnxNode *node) {
    Value *in = node_need(c, node, 0), *out = in ? node_output(c, node, 0) : NULL;
    if (!out) return false;
    out->alias = value_index(c, in);
    in->uses += out->uses;
    return true;
}

/* Types with a fraction: float, float16, double, bfloat16. */
static bool cast(Converter *c, const OnnxNode *node) {
    const int64_t to = node_integer(node, "to", 1);
    if (to != 1 && to != 10 && to != 11 && to != 16) return node_refuse(c, node, "turns maps into integers");
    return give_again(c, node);
}

static bool softmax(Converter *c, const OnnxNode *node) {
    const Value *in = map_input(c, node, 0, false);
    if (!in || !give_viewed(c, node, 0, in->op, &in->view)) return false;
    node_output(c, node, 0)->final = true;
    c->softmax = true;
    return true;
}

bool graph_node(Converter *c, const OnnxNode *node) {
    static const struct {
        const char *type;
        bool (*take)(Converter *c, const OnnxNode *node);
    } others[] = {
        {"Slice", slice},
        {"Split", split},
        {"Gather", gather},
        {"Concat", concat},
        {"Pad", pad},
        {"QuantizeLinear", quantise},
        {"DequantizeLinear", dequantise},
        {"Dropout", give_again},
        {"Cast", cast},
        {"Softmax", softmax},
        {"LogSoftmax", softmax},
    };
    bool done;
    bool (*const takers[])(Converter *, const OnnxNode *, bool *) = {fold_node, layer_node, function_node, move_node};
    for (size_t i = 0; i < sizeof takers / sizeof *takers; i++) {
        if (!takers[i](c, node, &done)) return false;
        if (done) return true;
    }
    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (is(node, others[i].type)) return others[i].take(c, node);
    return node_refuse(c, node, "the operator is not supported");
}
