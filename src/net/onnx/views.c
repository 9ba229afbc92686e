/* views -- nodes that only look at a map in another shape: Reshape, Flatten, Transpose, Squeeze, Unsqueeze. A channel
 * shuffle is a Reshape to groups, a Transpose and a Reshape back. */
#include "net/onnx/onnx.h"

#include <math.h>
#include <string.h>

static void append(char *word, char axis) {
    const size_t length = strlen(word);
    if (length + 1 >= AXES_MAX) return; /* there are six axes */
    word[length] = axis;
    word[length + 1] = '\0';
}

/* The output as another view of the input's map. E before G within one dimension is a shuffle, an operation. */
static bool give_view(Converter *c, const OnnxNode *node, const Value *value, View view) {
    int op = value->op;
    for (unsigned i = 0; i < view.rank; i++) {
        char *both = strstr(view.dim[i], "EG");
        if (both) {
            op = converter_add(c, node, (Op){.kind = OP_SHUFFLE, .input = {op}, .groups = view.groups});
            if (op < 0) return false;
            memcpy(both, "GE", 2);
        }
        view_merge(&view, i);
    }
    Value *out = node_output(c, node, 0);
    if (!out) return false;
    out->kind = VALUE_MAP;
    out->op = op;
    out->view = view;
    return true;
}

/* ---- Reshape ----------------------------------------------------------------------------------------------------- */

/* A dimension of the batch stays where it is: first. */
static bool is_batch(const Converter *c, double size, bool rest_known) {
    return isnan(size) || (c->batch > 0 && !(fabs(size - c->batch) > 0)) || (size < 0 && rest_known);
}

/* The target's sizes with 0 and -1 replaced; `total`: elements of an image. */
static bool complete_target(Converter *c, const OnnxNode *node, const Value *value, double *target, size_t count,
                            double total) {
    const bool zero_kept = node_integer(node, "allowzero", 0) == 0;
    double product = 1;
    size_t open = 0;
    for (size_t i = 0; i < count; i++) {
        if (!isnan(target[i]) && !(fabs(target[i]) > 0) && zero_kept && i < value->view.rank)
            target[i] = view_size(c, value, (unsigned)i);
        if (i == 0) continue;
        if (target[i] < 0)
            open = i;
        else
            product *= target[i];
    }
    if (open > 0) target[open] = total / product;
    if (count == 0 || !is_batch(c, target[0], open == 0))
        return node_refuse(c, node, "its first dimension is not the batch");
    for (size_t i = 1; i < count; i++) {
        if (!(target[i] >= 1) || target[i] > floor(target[i]))
            return node_refuse(c, node, "dimension %zu has no known size", i);
    }
    if (open == 0 && fabs(product - total) > 0)
        return node_refuse(c, node, "%g elements of an image become %g", total, product);
    return true;
}

static bool reshape(Converter *c, const OnnxNode *node, const Value *value, double *target, size_t count) {
    char axes[32] = "";
    double total = 1;
    View view = value->view, out = {.rank = (unsigned)count, .dim = {"B"}, .groups = view.groups};
    if (strcmp(view.dim[0], "B") != 0) return node_refuse(c, node, "the batch is not the first dimension");
    for (unsigned i = 1; i < view.rank; i++)
        for (const char *axis = view.dim[i]; *axis; axis++) {
            append(axes, *axis);
            total *= axis_size(c, value, &view, *axis);
        }
    if (!complete_target(c, node, value, target, count, total)) return false;
    const char *axis = axes;
    bool split = false; /* G was given, E is next */
    for (size_t i = 1; i < count; i++)
        for (double left = target[i]; left > 1;) {
            const char next = split ? 'E' : *axis;
            if (!next) return node_refuse(c, node, "its sizes do not fit");
            const double size = axis_size(c, value, &out, next);
            if (next == 'C' && size > left && !(fmod(size, left) > 0) && out.groups == 0) {
                out.groups = (unsigned)left;
                append(out.dim[i], 'G');
                split = true;
                break;
            }
            if (fmod(left, size) > 0 || size > left)
                return node_refuse(c, node, "cuts maps other than into groups of channels");
            append(out.dim[i], next);
            left /= size;
            if (next == 'E' && split) split = false;
            if (!split) axis++;
        }
    return give_view(c, node, value, out);
}

/* ---- the others -------------------------------------------------------------------------------------------------- */

static bool flatten(Converter *c, const OnnxNode *node, const Value *value) {
    const int64_t axis = node_integer(node, "axis", 1);
    View view = value->view, out = {.rank = 2, .dim = {"B"}, .groups = view.groups};
    if (axis != 1 && axis != 1 - (int64_t)view.rank)
        return node_refuse(c, node, "flattens from axis %lld", (long long)axis);
    if (strcmp(view.dim[0], "B") != 0) return node_refuse(c, node, "the batch is not the first dimension");
    for (unsigned i = 1; i < view.rank; i++)
        for (const char *at = view.dim[i]; *at; at++) append(out.dim[1], *at);
    return give_view(c, node, value, out);
}

static bool transpose(Converter *c, const OnnxNode *node, const Value *value) {
    double perm[ONNX_RANK_MAX];
    size_t count;
    View out = value->view;
    if (!node_list(c, node, "perm", 1, perm, &count)) return false;
    const unsigned rank = value->view.rank;
    for (unsigned i = 0; count == 0 && i < rank; i++) perm[i] = rank - 1 - i;
    bool seen[ONNX_RANK_MAX] = {false};
    if (count != 0 && count != rank) return node_refuse(c, node, "%zu axes of %u", count, rank);
    for (unsigned i = 0; i < rank; i++) {
        if (!(perm[i] >= 0 && perm[i] < rank) || seen[(size_t)perm[i]])
            return node_refuse(c, node, "its axes make no sense");
        seen[(size_t)perm[i]] = true;
        strcpy(out.dim[i], value->view.dim[(size_t)perm[i]]);
    }
    return give_view(c, node, value, out);
}

static bool squeeze(Converter *c, const OnnxNode *node, const Value *value, bool un) {
    double axes[ONNX_RANK_MAX];
    bool marked[ONNX_RANK_MAX] = {false};
    size_t count;
    if (!node_list(c, node, "axes", 1, axes, &count)) return false;
    const double rank = value->view.rank + (un ? (double)count : 0);
    if (rank > ONNX_RANK_MAX) return node_refuse(c, node, "too many dimensions");
    for (size_t i = 0; i < count; i++) {
        const double axis = axes[i] < 0 ? axes[i] + rank : axes[i];
        if (!(axis >= 0 && axis < rank)) return node_refuse(c, node, "an axis out of range");
        marked[(size_t)axis] = true;
        if (!un && *value->view.dim[(size_t)axis]) return node_refuse(c, node, "dimension %g is not of size 1", axis);
    }
    View out = {.groups = value->view.groups};
    unsigned in = 0;
    for (unsigned i = 0; i < (unsigned)rank; i++) {
        if (un && marked[i])
            out.rank++;
        else if (un)
            strcpy(out.dim[out.rank++], value->view.dim[in++]);
        else if (!(marked[i] || (count == 0 && !*value->view.dim[i])))
            strcpy(out.dim[out.rank++], value->view.dim[i]);
    }
    return give_view(c, node, value, out);
}

bool move_node(Converter *c, const OnnxNode *node, bool *done) {
    static const char *const types[] = {"Reshape", "Flatten", "Transpose", "Squeeze", "Unsqueeze", NULL};
    double target[ONNX_RANK_MAX];
    size_t which = 0, count;
    while (types[which] && strcmp(types[which], node->type) != 0) which++;
    *done = types[which] != NULL;
    if (!*done) return true;
    const Value *value = map_input(c, node, 0, false);
    if (!value) return false;
    switch (which) {
    case 0:
        return node_list(c, node, "shape", 1, target, &count) && reshape(c, node, value, target, count);
    case 1:
        return flatten(c, node, value);
    case 2:
        return transpose(c, node, value);
    default:
        return squeeze(c, node, value, which == 4);
    }
}
