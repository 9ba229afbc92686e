/* match -- the graph of an ONNX file over the tensors of a checkpoint. Exporters fold batch norm and rename what they
 * folded, so that the ONNX file alone tells the graph and the checkpoint alone the weights before.
 *
 * A layer's weight is the tensor of the same name and shape (nodes of PyTorch's exporters tell the module where the
 * tensor has lost its name); else all layers are matched in order, if shapes agree at every place; else by shape, if no
 * other layer has it. A convolution that has a bias in the graph but none in the checkpoint was followed by batch norm:
 * that which stands behind it in the checkpoint, with the epsilon that explains the folded weights.
 */
#include "net/onnx/onnx.h"

#include <math.h>
#include <string.h>

#include "weft/base/dtype.h"
#include "weft/base/error.h"
#include "weft/base/memory.h"
#include "weft/base/tensor.h"
#include "weft/base/text.h"

typedef struct Match {
    Network *network;     /* whose tensors are used */
    const Network *model; /* the ONNX file: its graph, its own tensors */
    const char *path;
    int *place;            /* of each tensor of the model: that of the network; NO_TENSOR: none */
    bool *used;            /* of each tensor of the network */
    int *at;               /* of each operation of the model: its place in the new graph */
    size_t norms, assumed; /* batch norms put back; those whose epsilon nothing tells */
    bool by_name, has_norms;
    size_t used_count, tensor_capacity;
    Error *err;
} Match;

static bool same_shape(const Tensor *a, const Tensor *b) {
    return a->rank == b->rank && memcmp(a->dim, b->dim, a->rank * sizeof *a->dim) == 0;
}

static int find_tensor(const Match *m, const char *name, const Tensor *shape) {
    for (size_t i = 0; i < m->network->tensor_count; i++)
        if (strcmp(m->network->tensors[i].name, name) == 0 && same_shape(m->network->tensors[i].tensor, shape) &&
            !network_integer(m->network, i))
            return (int)i;
    return NO_TENSOR;
}

/* ---- layers ------------------------------------------------------------------------------------------------------ */

static bool is_layer(const Op *op) {
    return op_class(op->kind) == CLASS_WEIGHTS;
}

/* The network's next tensor from `from` on that can be a layer's weight. */
static size_t next_weight(const Match *m, size_t from) {
    for (; from < m->network->tensor_count; from++) {
        const Tensor *tensor = m->network->tensors[from].tensor;
        if (!network_integer(m->network, from) && (tensor->rank == 4 || tensor->rank == 2)) break;
    }
    return from;
}

/* Shared weights count once. */
static bool seen_before(const Graph *graph, size_t position) {
    bool seen = false;
    for (size_t i = 0; i < position && !seen; i++)
        seen = is_layer(&graph->ops[i]) && graph->ops[i].weight == graph->ops[position].weight;
    return seen;
}

static bool match_in_order(Match *m) {
    const Graph *graph = m->model->graph;
    size_t next = next_weight(m, 0);
    for (size_t i = 0; i < graph->count; i++) {
        const Op *op = &graph->ops[i];
        if (!is_layer(op) || seen_before(graph, i)) continue;
        if (next == m->network->tensor_count ||
            !same_shape(m->network->tensors[next].tensor, m->model->tensors[op->weight].tensor))
            return false;
        m->place[op->weight] = (int)next;
        next = next_weight(m, next + 1);
    }
    return next == m->network->tensor_count;
}

/* The one tensor of the network that has the shape; others of the model must not have it. */
static bool match_by_shape(Match *m, const Op *op) {
    const Graph *graph = m->model->graph;
    const Tensor *shape = m->model->tensors[op->weight].tensor;
    size_t here = 0, there = 0;
    for (size_t i = next_weight(m, 0); i < m->network->tensor_count; i = next_weight(m, i + 1))
        if (same_shape(m->network->tensors[i].tensor, shape)) {
            m->place[op->weight] = (int)i;
            here++;
        }
    for (size_t i = 0; i < graph->count; i++)
        there += is_layer(&graph->ops[i]) && !seen_before(graph, i) &&
                 same_shape(m->model->tensors[graph->ops[i].weight].tensor, shape);
    if (here == 1 && there == 1) return true;
    Str text = {0};
    for (unsigned i = 0; i < shape->rank; i++) str_addf(&text, i ? "x%llu" : "%llu", (unsigned long long)shape->dim[i]);
    error_set(m->err, STATUS_BAD_INPUT,
              "%s: layer '%s' (%s): no tensor has its name; %zu tensors and %zu layers have its shape, and their order "
              "does not tell which is which",
              m->path, op->name, str_text(&text), here, there);
    str_done(&text);
    return false;
}

static bool match_layers(Match *m) {
    const Graph *graph = m->model->graph;
    m->by_name = true;
    for (size_t i = 0; i < graph->count; i++) {
        const Op *op = &graph->ops[i];
        if (!is_layer(op)) continue;
        const NetTensor *tensor = &m->model->tensors[op->weight];
        m->place[op->weight] = find_tensor(m, tensor->name, tensor->tensor);
        m->by_name = m->by_name && m->place[op->weight] != NO_TENSOR;
    }
    if (m->by_name || match_in_order(m)) return true;
    for (size_t i = 0; i < graph->count; i++)
        if (is_layer(&graph->ops[i]) && !match_by_shape(m, &graph->ops[i])) return false;
    return true;
}

/* ---- batch norm that was folded ---------------------------------------------------------------------------------- */

/* The network's tensor PREFIX + suffix of `channels` numbers; `length` bytes of `name` are the prefix. */
static int part_of(const Match *m, const char *name, size_t length, const char *suffix, uint64_t channels) {
    for (size_t i = 0; i < m->network->tensor_count; i++) {
        const NetTensor *tensor = &m->network->tensors[i];
        if (strncmp(tensor->name, name, length) == 0 && strcmp(tensor->name + length, suffix) == 0 &&
            tensor->tensor->rank == 1 && tensor->tensor->dim[0] == channels && !network_integer(m->network, i))
            return (int)i;
    }
    return NO_TENSOR;
}

/* A batch norm of the graph has the statistics of this name: it is not folded. */
static bool in_graph(const Match *m, const char *mean) {
    const Graph *graph = m->model->graph;
    bool found = false;
    for (size_t i = 0; i < graph->count && !found; i++)
        found = graph->ops[i].kind == OP_BATCH_NORM && strcmp(m->model->tensors[graph->ops[i].mean].name, mean) == 0;
    return found;
}

/* The batch norm whose running_mean is tensor `index`; false where it is none, is in the graph, or is taken. */
static bool norm_at(const Match *m, size_t index, uint64_t channels, Op *out) {
    static const char mean[] = ".running_mean";
    const char *name = m->network->tensors[index].name;
    if (!text_ends_with(name, mean) || m->used[index]) return false;
    const size_t length = strlen(name) - (sizeof mean - 1);
    *out = (Op){.kind = OP_BATCH_NORM, .out_channels = (unsigned)channels, .epsilon = 1e-5F};
    out->weight = part_of(m, name, length, ".weight", channels);
    out->bias = part_of(m, name, length, ".bias", channels);
    out->mean = part_of(m, name, length, mean, channels);
    out->variance = part_of(m, name, length, ".running_var", channels);
    memcpy(out->name, name, length < OP_NAME_SIZE ? length : OP_NAME_SIZE - 1);
    return out->mean >= 0 && out->variance >= 0 && !in_graph(m, name);
}

/* How far the folded weights are from w gamma / sqrt(variance + epsilon), relative to each filter's largest; the rest
 * is not looked at once that is more than `enough`. */
static double fold_error(const Match *m, const Tensor *folded, int weight, const Op *norm, double epsilon,
                         double enough) {
    const NetTensor *tensors = m->network->tensors;
    const Tensor *w = tensors[weight].tensor, *gamma = norm->weight < 0 ? NULL : tensors[norm->weight].tensor;
    const Tensor *variance = tensors[norm->variance].tensor;
    const uint64_t each = w->count / w->dim[0];
    double worst = 0;
    for (uint64_t f = 0; f < w->dim[0] && worst <= enough; f++) {
        const double scale = (gamma ? (double)gamma->data[f] : 1) / sqrt((double)variance->data[f] + epsilon);
        double off = 0, size = 1e-30;
        for (uint64_t i = f * each; i < (f + 1) * each; i++) {
            off = fmax(off, fabs((double)folded->data[i] - scale * (double)w->data[i]));
            size = fmax(size, fabs((double)folded->data[i]));
        }
        worst = fmax(worst, off / size);
    }
    return worst;
}

/* Whether some epsilon that people use explains the folded weights; it is set then. */
static bool explains(const Match *m, const Tensor *folded, int weight, Op *norm) {
    static const double usual[] = {1e-5, 1e-3, 1e-4, 1e-6, 2e-5, 1e-2, 1e-8};
    double best = 1e-5;
    bool found = false;
    for (size_t k = 0; k < sizeof usual / sizeof *usual; k++) {
        const double error = fold_error(m, folded, weight, norm, usual[k], best);
        if (error >= best) continue;
        best = error;
        norm->epsilon = (float)usual[k];
        found = true;
    }
    return found;
}

typedef enum Fold { FOLD_NONE, FOLD_TOLD, FOLD_ASSUMED } Fold;

/* The batch norm that was folded into the layer. The first to stand behind its weight is tried first, then every other;
 * where none explains the folded weights (they are not those of the checkpoint), the first is assumed. */
static Fold find_norm(const Match *m, const Tensor *folded, int weight, Op *out) {
    const Network *network = m->network;
    const Tensor *w = network->tensors[weight].tensor;
    const size_t end = next_weight(m, (size_t)weight + 1);
    Fold fold = FOLD_NONE;
    Op norm;
    if (memcmp(folded->data, w->data, w->count * sizeof *w->data) == 0) return FOLD_NONE;
    for (size_t i = (size_t)weight + 1; i < end && fold == FOLD_NONE; i++)
        if (norm_at(m, i, w->dim[0], out)) fold = explains(m, folded, weight, out) ? FOLD_TOLD : FOLD_ASSUMED;
    for (size_t i = 0; i < m->used_count && fold != FOLD_TOLD; i++) {
        if (!norm_at(m, i, w->dim[0], &norm) || !explains(m, folded, weight, &norm)) continue;
        *out = norm;
        fold = FOLD_TOLD;
    }
    return fold;
}

/* ---- the graph --------------------------------------------------------------------------------------------------- */

/* The tensor of the model, carried over: a constant of the graph that no checkpoint has. */
static int carry(Match *m, int index) {
    Network *network = m->network;
    const NetTensor *from = &m->model->tensors[index];
    char *name = mem_copy_text(from->name, m->err);
    if (!name || !mem_grow(&network->tensors, &m->tensor_capacity, network->tensor_count + 1, sizeof *network->tensors,
                           m->err)) {
        mem_free(name);
        return NO_TENSOR;
    }
    network->tensors[network->tensor_count] =
        (NetTensor){.name = name, .tensor = tensor_share(from->tensor), .stored = DTYPE_F32};
    return (int)network->tensor_count++;
}

static bool take_norm(Match *m, Op *op) {
    int *const tensors = op->tensors;
    bool found = true;
    int mine[OP_TENSORS];
    for (size_t k = 0; k < OP_TENSORS; k++) {
        const NetTensor *tensor = tensors[k] < 0 ? NULL : &m->model->tensors[tensors[k]];
        mine[k] = tensor ? find_tensor(m, tensor->name, tensor->tensor) : NO_TENSOR;
        found = found && (!tensor || mine[k] >= 0);
    }
    const bool constants = !(op->epsilon > 0); /* arithmetic of the graph itself */
    if (!found && !constants)
        return error_set(m->err, STATUS_BAD_INPUT, "%s: batch norm '%s' is not in the checkpoint under its names",
                         m->path, op->name);
    for (size_t k = 0; k < OP_TENSORS; k++)
        if (tensors[k] >= 0 && (tensors[k] = found ? mine[k] : carry(m, tensors[k])) < 0) return false;
    return true;
}

/* The layer's bias in the network, by the layer's name there. */
static int own_bias(const Match *m, int weight, uint64_t outputs) {
    static const char tail[] = ".weight";
    const char *name = m->network->tensors[weight].name;
    const size_t length = strlen(name) - (text_ends_with(name, tail) ? sizeof tail - 1 : 0);
    return part_of(m, name, length, ".bias", outputs);
}

/* Those of the checkpoint: what was carried over comes behind them. */
static void mark_used(Match *m, const Op *op) {
    for (size_t k = 0; k < OP_TENSORS; k++)
        if (op->tensors[k] >= 0 && (size_t)op->tensors[k] < m->used_count) m->used[op->tensors[k]] = true;
}

static bool take_op(Match *m, GraphBuilder *builder, size_t position) {
    const Op *from = &m->model->graph->ops[position];
    Op op = *from, norm;
    Fold fold = FOLD_NONE;
    for (unsigned i = 0; i < op_inputs(op.kind); i++) op.input[i] = m->at[op.input[i]];
    if (op.kind == OP_BATCH_NORM && !take_norm(m, &op)) return false;
    if (is_layer(from)) {
        op.weight = m->place[from->weight];
        op.bias = own_bias(m, op.weight, op.out_channels);
        const Tensor *theirs = m->model->tensors[from->weight].tensor;
        if (from->kind == OP_CONV && from->bias >= 0) fold = find_norm(m, theirs, op.weight, &norm);
        if (from->bias >= 0 && op.bias < 0 && fold == FOLD_NONE)
            return error_set(m->err, STATUS_BAD_INPUT,
                             "%s: layer '%s' has a bias there; the checkpoint has neither a bias nor a batch norm for "
                             "'%s'",
                             m->path, from->name, m->network->tensors[op.weight].name);
        if (op.bias >= 0 && fold == FOLD_ASSUMED && m->has_norms)
            return error_set(m->err, STATUS_BAD_INPUT,
                             "%s: layer '%s': nothing tells whether batch norm '%s' was folded into it", m->path,
                             from->name, norm.name);
        if (op.bias >= 0 && from->bias < 0)
            return error_set(m->err, STATUS_BAD_INPUT, "%s: layer '%s' has no bias there, in the checkpoint it has",
                             m->path, from->name);
    }
    mark_used(m, &op);
    m->at[position] = graph_add(builder, op, "%s", op.name);
    if (fold == FOLD_NONE) return true;
    norm.input[0] = m->at[position];
    m->norms++;
    m->assumed += fold == FOLD_ASSUMED;
    mark_used(m, &norm);
    m->at[position] = graph_add(builder, norm, "%s", norm.name);
    return true;
}

/* Tensors that found no place: named, or refused where names did not tell. */
static bool check_rest(Match *m) {
    const char *first = NULL;
    size_t rest = 0;
    for (size_t i = 0; i < m->used_count; i++) {
        if (m->used[i] || network_integer(m->network, i)) continue;
        if (!first) first = m->network->tensors[i].name;
        rest++;
    }
    if (rest == 0) return true;
    if (!m->by_name)
        return error_set(m->err, STATUS_BAD_INPUT,
                         "%s: %zu tensors of the checkpoint ('%s') have no place in the graph", m->path, rest, first);
    return network_note(m->network, m->err, "the graph does not read %zu tensors ('%s')", rest, first);
}

static bool build_graph(Match *m) {
    const Graph *graph = m->model->graph;
    GraphBuilder builder = graph_begin(graph->in_channels, graph->height, graph->width, m->err);
    bool ok = !builder.failed;
    for (size_t i = 0; i < graph->count; i++) m->has_norms = m->has_norms || graph->ops[i].kind == OP_BATCH_NORM;
    for (size_t i = 1; i < graph->count && ok; i++) ok = take_op(m, &builder, i);
    builder.failed |= !ok;
    m->network->graph = graph_finish(&builder, graph->classes);
    if (!m->network->graph || !check_rest(m)) return false;
    if (m->norms > 0 &&
        !network_note(m->network, m->err, "%zu batch norms that the graph has folded were put back from the checkpoint",
                      m->norms))
        return false;
    return m->assumed == 0 ||
           network_note(
               m->network, m->err,
               "epsilon of %zu batch norms is taken as 1e-5: the graph's weights are not those of the checkpoint",
               m->assumed);
}

bool onnx_take_graph(Network *network, const Network *model, const char *path, Error *err) {
    Match m = {.network = network,
               .model = model,
               .path = path,
               .used_count = network->tensor_count,
               .tensor_capacity = network->tensor_count,
               .err = err};
    m.place = mem_alloc(model->tensor_count, sizeof *m.place, err);
    m.used = m.place ? mem_alloc(network->tensor_count, sizeof *m.used, err) : NULL;
    m.at = m.used ? mem_alloc(model->graph->count, sizeof *m.at, err) : NULL;
    bool ok = m.at && match_layers(&m) && build_graph(&m);
    if (ok) {
        network->architecture = mem_copy_text(model->architecture, err);
        ok = network->architecture != NULL;
    }
    mem_free(m.place);
    mem_free(m.used);
    mem_free(m.at);
    return ok;
}
