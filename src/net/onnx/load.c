/* load -- the graph of an ONNX file. A node that weft does not have leaves the network without a graph: its tensors
 * still serve every analysis of weights, and why_unknown names the node.
 *
 * An ONNX model takes the images as they were normalised: weft's normalisation stands outside of the file, as it does
 * outside of a checkpoint (metadata weft.normalise where weft wrote it).
 */
#include "net/onnx/onnx.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "weft/base/error.h"
#include "weft/base/memory.h"
#include "weft/base/tensor.h"
#include "weft/base/text.h"

/* ---- what is needed, and its order ------------------------------------------------------------------------------- */

enum { NEW, OPEN, DONE };

/* The nodes that the output depends on. */
typedef struct Plan {
    size_t *producer;     /* of each value: 1 + the node that gives it */
    size_t *stack, *next; /* the nodes on the way, and which of their inputs comes next */
    unsigned char *state; /* of each node */
    size_t *order, count; /* the nodes, each behind those that it depends on */
} Plan;

static bool plan_rooms(Converter *c, Plan *plan) {
    const size_t nodes = c->model->node_count;
    return (plan->producer = converter_room(c, c->value_count, sizeof *plan->producer)) &&
           (plan->stack = converter_room(c, nodes, sizeof *plan->stack)) &&
           (plan->next = converter_room(c, nodes, sizeof *plan->next)) && (plan->state = converter_room(c, nodes, 1)) &&
           (plan->order = converter_room(c, nodes, sizeof *plan->order));
}

/* Walks from the output to what it depends on, depth first. */
static bool walk_back(Converter *c, Plan *plan, size_t last) {
    size_t depth = 0;
    plan->stack[depth++] = last;
    plan->state[last] = OPEN;
    while (depth > 0) {
        const size_t at = plan->stack[depth - 1];
        const OnnxNode *node = &c->model->nodes[at];
        if (plan->next[at] == node->input_count) {
            plan->state[at] = DONE;
            plan->order[plan->count++] = at;
            depth--;
            continue;
        }
        const Value *value = value_named(c, node->inputs[plan->next[at]++]);
        const size_t producer = value ? plan->producer[value_index(c, value)] : 0;
        if (producer == 0 || plan->state[producer - 1] == DONE) continue;
        if (plan->state[producer - 1] == OPEN)
            return node_refuse(c, node, "its input '%s' depends on itself", value->name);
        plan->state[producer - 1] = OPEN;
        plan->stack[depth++] = producer - 1;
    }
    return true;
}

/* The file's own order where that is one of computation, as ONNX asks for; some exporters do not mind. */
static void keep_order(const Converter *c, Plan *plan) {
    size_t count = 0;
    for (size_t i = 0; i < c->model->node_count; i++)
        if (plan->state[i] == DONE) plan->order[count++] = i;
}

static bool in_order(Converter *c, const Plan *plan) {
    for (size_t i = 0; i < c->model->node_count; i++) {
        const OnnxNode *node = &c->model->nodes[i];
        for (size_t k = 0; plan->state[i] == DONE && k < node->input_count; k++) {
            const Value *value = value_named(c, node->inputs[k]);
            if (value && plan->producer[value_index(c, value)] > i) return false;
        }
    }
    return true;
}

static bool plan_nodes(Converter *c, const char *output, Plan *plan) {
    if (!plan_rooms(c, plan)) return false;
    for (size_t i = 0; i < c->model->node_count; i++)
        for (size_t k = 0; k < c->model->nodes[i].output_count; k++) {
            const Value *value = value_named(c, c->model->nodes[i].outputs[k]);
            if (value) plan->producer[value_index(c, value)] = i + 1;
        }
    const Value *last = value_named(c, output);
    if (!last || plan->producer[value_index(c, last)] == 0)
        return error_set(c->err, STATUS_FAILED, "its output '%s' is given by no node", output);
    if (!walk_back(c, plan, plan->producer[value_index(c, last)] - 1)) return false;
    if (in_order(c, plan)) keep_order(c, plan);
    return true;
}

/* ---- input ------------------------------------------------------------------------------------------------------- */

/* The one input that is no initialiser. */
static const OnnxValue *find_input(Converter *c, Value **value) {
    const OnnxValue *found = NULL;
    for (size_t i = 0; i < c->model->input_count; i++) {
        Value *one = value_named(c, c->model->inputs[i].name);
        if (!one || one->kind != VALUE_UNKNOWN || (found && one->uses == 0)) continue;
        if (found && (*value)->uses > 0) {
            error_set(c->err, STATUS_FAILED, "it has several inputs ('%s', '%s')", found->name, one->name);
            return NULL;
        }
        found = &c->model->inputs[i];
        *value = one;
    }
    if (!found) error_set(c->err, STATUS_FAILED, "it has no input");
    return found;
}

static bool begin_graph(Converter *c) {
    enum { PIXEL_CHANNELS_MAX = 4, SIDE_MAX = 1 << 16 };
    Value *value = NULL;
    const OnnxValue *input = find_input(c, &value);
    if (!input) return false;
    if (!input->shaped || input->rank != 4)
        return error_set(c->err, STATUS_FAILED, "its input '%s' has %u dimensions, images have 4", input->name,
                         input->rank);
    const int64_t *dim = input->dim;
    const bool last = !(dim[1] >= 1 && dim[1] <= PIXEL_CHANNELS_MAX) && dim[3] >= 1 && dim[3] <= PIXEL_CHANNELS_MAX;
    const int64_t channels = dim[last ? 3 : 1];
    int64_t height = dim[last ? 1 : 2], width = dim[last ? 2 : 3];
    if (channels < 1 || channels > SIDE_MAX)
        return error_set(c->err, STATUS_FAILED, "its input '%s' does not say how many channels it has", input->name);
    c->default_size = height < 1 || width < 1;
    if (height < 1) height = width >= 1 ? width : DEFAULT_SIZE;
    if (width < 1) width = height;
    if (height > SIDE_MAX || width > SIDE_MAX)
        return error_set(c->err, STATUS_FAILED, "its input '%s' has %lldx%lld pixels", input->name, (long long)height,
                         (long long)width);
    c->batch = dim[0] > 0 ? (double)dim[0] : NAN;
    c->builder = graph_begin((unsigned)channels, (unsigned)height, (unsigned)width, c->err);
    if (c->builder.failed || !mem_grow(&c->shapes, &c->shape_capacity, 1, sizeof *c->shapes, c->err) ||
        !mem_grow(&c->made_by, &c->made_capacity, 1, sizeof(const OnnxNode *), c->err))
        return false;
    c->shapes[0] = (Shape){(unsigned)channels, (unsigned)height, (unsigned)width};
    value->kind = VALUE_MAP;
    value->op = 0;
    value->view = view_of_map(c, 0);
    if (!last) return true;
    const View plain = value->view;
    for (unsigned i = 1; i < 4; i++) memcpy(value->view.dim[i], plain.dim[i == 3 ? 1 : i + 1], sizeof plain.dim[i]);
    return true;
}

/* ---- output ------------------------------------------------------------------------------------------------------ */

static Graph *finish_graph(Converter *c, const char *output) {
    Value *value = &c->values[value_named(c, output)->alias]; /* plan_nodes has found it */
    if (value->kind != VALUE_MAP || value->quantised) {
        error_set(c->err, STATUS_FAILED, "its output '%s' is no map", output);
        return NULL;
    }
    if (!value_settle(c, value)) return NULL;
    const Shape shape = c->shapes[value->op];
    if (shape.height != 1 || shape.width != 1 || value->op == 0 || shape.channels > CLASSES_MAX) {
        error_set(c->err, STATUS_FAILED, "its output '%s' is %ux%ux%u, not one value for each class", output,
                  shape.channels, shape.height, shape.width);
        return NULL;
    }
    if ((size_t)value->op + 1 != c->builder.graph->count) {
        error_set(c->err, STATUS_FAILED, "its output '%s' is not what it computes last", output);
        return NULL;
    }
    return graph_finish(&c->builder, shape.channels);
}

/* docs/method.md, section 1: every convolution but the 1x1 ones and a strided stem of 7x7; all of a network with
 * depthwise ones. */
static void mark_predicted(Graph *graph) {
    bool depthwise = false;
    for (size_t i = 0; i < graph->count; i++)
        depthwise = depthwise || (graph->ops[i].kind == OP_CONV && graph->ops[i].groups > 1 &&
                                  graph->ops[i].groups == graph->ops[graph->ops[i].input[0]].out_channels);
    for (size_t i = 0; i < graph->count; i++) {
        Op *op = &graph->ops[i];
        const bool stem = op->kernel[0] >= 7 && op->stride[0] >= 2 && op->input[0] == 0;
        const bool point = op->kernel[0] == 1 && op->kernel[1] == 1;
        op->predicted = op->kind == OP_CONV && (depthwise || !(stem || point));
    }
}

static Graph *convert_nodes(Converter *c) {
    if (!values_prepare(c)) return NULL;
    if (c->model->output_count == 0) {
        error_set(c->err, STATUS_FAILED, "it has no output");
        return NULL;
    }
    const char *output = c->model->outputs[0].name;
    Plan plan = {0};
    if (!plan_nodes(c, output, &plan) || !begin_graph(c)) return NULL;
    for (size_t i = 0; i < plan.count; i++)
        if (!graph_node(c, &c->model->nodes[plan.order[i]])) return NULL;
    return finish_graph(c, output);
}

/* ---- the network ------------------------------------------------------------------------------------------------- */

static int compare_indices(const void *a, const void *b, void *network) {
    const NetTensor *tensors = ((const Network *)network)->tensors;
    return strcmp(tensors[*(const size_t *)a].name, tensors[*(const size_t *)b].name);
}

static bool sort_tensors(Converter *c) {
    c->sorted_count = c->tensor_capacity = c->network->tensor_count;
    c->sorted = converter_room(c, c->sorted_count, sizeof *c->sorted);
    if (!c->sorted) return false;
    for (size_t i = 0; i < c->sorted_count; i++) c->sorted[i] = i;
    qsort_r(c->sorted, c->sorted_count, sizeof *c->sorted, compare_indices, c->network);
    return true;
}

static void converter_done(Converter *c) {
    for (size_t i = 0; i < c->tensors_count; i++) tensor_release(c->tensors[i]);
    for (size_t i = 0; i < c->room_count; i++) mem_free(c->rooms[i]);
    graph_release(c->builder.graph);
    mem_free(c->tensors);
    mem_free(c->rooms);
    mem_free(c->shapes);
    mem_free(c->made_by);
}

/* Whether exporters folded batch norm into the convolutions: it is not there, or biases tell by their names. */
static bool looks_folded(const Network *network, const Graph *graph, bool *all) {
    static const char tail[] = ".weight_bias";
    size_t norms = 0, folded = 0;
    for (size_t i = 0; i < graph->count; i++) {
        const Op *op = &graph->ops[i];
        norms += op->kind == OP_BATCH_NORM;
        if (op->kind != OP_CONV || op->bias < 0) continue;
        const char *name = network->tensors[op->bias].name;
        const size_t length = strlen(name), end = sizeof tail - 1;
        folded += norms == 0 || name_anonymous(name) || (length > end && strcmp(name + length - end, tail) == 0);
    }
    *all = norms == 0;
    return folded > 0;
}

static bool tell(Network *network, const Converter *c, const Graph *graph, size_t dropped, bool folded, bool all,
                 Error *err) {
    bool ok = true;
    if (folded)
        ok = network_note(
            network, err,
            "%s: convolutions have a bias, so it was probably folded into them; S_ratio, spectra and "
            "distances are then of other weights (load net NAME CHECKPOINT --graph THIS.onnx takes those before)",
            all ? "no batch norm" : "batch norm behind some convolutions only");
    if (ok && c->softmax)
        ok = network_note(network, err, "the softmax at the end was left out: weft works with logits");
    if (ok && c->default_size)
        ok = network_note(network, err, "the file leaves the size of the images open: taken as %ux%u", graph->height,
                          graph->width);
    if (ok && c->model->output_count > 1)
        ok = network_note(network, err, "of %zu outputs '%s' was taken for the logits; the others were left out",
                          c->model->output_count, c->model->outputs[0].name);
    if (ok && dropped > 0)
        ok = network_note(network, err, "%zu tensors that no layer reads (sizes, bounds, constants) were left out",
                          dropped);
    return ok;
}

static bool describe_model(Network *network, const OnnxModel *model, Error *err) {
    Str text = {0};
    str_addf(&text, "ONNX graph%s%s, operator set %lld", *model->producer ? " of " : "", model->producer,
             (long long)model->opset);
    network->architecture = str_ok(&text, err) ? mem_copy_text(str_text(&text), err) : NULL;
    str_done(&text);
    return network->architecture != NULL;
}

/* How many of the tensors that were loaded are gone. */
static size_t count_dropped(size_t loaded, const Network *network) {
    return loaded > network->tensor_count ? loaded - network->tensor_count : 0;
}

bool onnx_recognise(Network *network, Checkpoint *checkpoint, Error *err) {
    const OnnxModel *model = checkpoint_onnx(checkpoint);
    Error why = {0};
    Converter c = {.checkpoint = checkpoint, .model = model, .network = network, .batch = NAN, .err = &why};
    const size_t loaded = network->tensor_count;
    c.room = ROOM_MAX + 2 * checkpoint_bytes(checkpoint);
    bool all = false, ok = true;
    Graph *graph = sort_tensors(&c) ? convert_nodes(&c) : NULL;
    if (graph) {
        mark_predicted(graph);
        const bool folded = looks_folded(network, graph, &all);
        network->graph = graph;
        ok = converter_name(&c, graph);
        if (!ok) *err = why;
        ok = ok && tell(network, &c, graph, count_dropped(loaded, network), folded, all, err) &&
             describe_model(network, model, err);
    } else if (why.status == STATUS_LIMIT || why.status == STATUS_BAD_INPUT) { /* memory, or the file */
        *err = why;
        ok = false;
    } else {
        for (size_t i = loaded; i < network->tensor_count; i++) net_tensor_done(&network->tensors[i]);
        network->tensor_count = loaded;
        network->why_unknown = mem_copy_text(why.text, err);
        ok = network->why_unknown != NULL;
    }
    converter_done(&c);
    return ok;
}
