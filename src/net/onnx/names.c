/* names -- of tensors and operations: those of the file, or, where an exporter gave the tensors numbers (it does so
 * when it folds batch norm), those of the modules that the nodes are named after. Tensors that no operation reads are
 * constants of the file's own arithmetic; they are dropped.
 */
#include "net/onnx/onnx.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "weft/base/memory.h"
#include "weft/base/text.h"

/* ---- modules ----------------------------------------------------------------------------------------------------- */

static void copy_part(char out[OP_NAME_SIZE], size_t *length, const char *part, size_t size) {
    if (*length > 0 && *length + 1 < OP_NAME_SIZE) out[(*length)++] = '.';
    for (size_t i = 0; i < size && *length + 1 < OP_NAME_SIZE; i++) out[(*length)++] = part[i];
    out[*length] = '\0';
}

/* PyTorch's TorchScript exporter writes scopes: "/layer1/layer1.0/conv1/Conv"; a part that goes on from the one before
 * it ("layer1.0" from "layer1") takes its place. */
static void from_scopes(const char *name, char out[OP_NAME_SIZE]) {
    const char *last = strrchr(name, '/'), *before = NULL;
    size_t length = 0, before_length = 0, before_at = 0;
    out[0] = '\0';
    for (const char *part = name + 1; part < last;) {
        const size_t size = strcspn(part, "/");
        const bool goes_on =
            before && size > before_length && strncmp(part, before, before_length) == 0 && part[before_length] == '.';
        if (goes_on) length = before_at;
        before_at = length;
        copy_part(out, &length, part, size);
        before = part;
        before_length = size;
        part += size + 1;
    }
}

static bool is_scoped(const char *name) {
    const char *last = *name == '/' ? strrchr(name, '/') : NULL;
    return last && last > name;
}

void node_module(const OnnxNode *node, char out[OP_NAME_SIZE]) {
    const char *plain = *node->name ? node->name : node->output_count > 0 ? node->outputs[0] : node->type;
    if (is_scoped(node->name))
        from_scopes(node->name, out);
    else
        snprintf(out, OP_NAME_SIZE, "%.*s", OP_NAME_SIZE - 1, *plain == '/' ? plain + 1 : plain);
}

static bool is_digits(const char *text) {
    return *text && text[strspn(text, "0123456789")] == '\0';
}

bool name_anonymous(const char *tensor) {
    return strncmp(tensor, "onnx::", 6) == 0 || is_digits(tensor) ||
           (strncmp(tensor, "val_", 4) == 0 && is_digits(tensor + 4));
}

/* ---- tensors ----------------------------------------------------------------------------------------------------- */

/* What an operation calls its tensor, for one that has no name of its own. */
static const char *const suffixes[] = {"weight", "bias", "running_mean", "running_var"};

static bool rename_tensor(Converter *c, NetTensor *tensor, const char *module, const char *suffix) {
    Str name = {0};
    str_addf(&name, "%s.%s", module, suffix);
    char *copy = str_ok(&name, c->err) ? mem_copy_text(str_text(&name), c->err) : NULL;
    str_done(&name);
    if (!copy) return false;
    mem_free(tensor->name);
    tensor->name = copy;
    return true;
}

static bool name_tensors(Converter *c, const Graph *graph, const bool *used) {
    for (size_t i = 0; i < graph->count; i++) {
        const Op *op = &graph->ops[i];
        const bool scoped = c->made_by[i] && is_scoped(c->made_by[i]->name);
        for (size_t k = 0; k < OP_TENSORS && scoped; k++) {
            NetTensor *tensor = op->tensors[k] < 0 ? NULL : &c->network->tensors[op->tensors[k]];
            if (tensor && used[op->tensors[k]] && name_anonymous(tensor->name) &&
                !rename_tensor(c, tensor, op->name, suffixes[k]))
                return false;
        }
    }
    return true;
}

/* Keeps the tensors that operations read, in their order. */
static bool drop_unused(Converter *c, Graph *graph, bool *used) {
    for (size_t i = 0; i < c->network->tensor_count; i++) used[i] = !used[i];
    return network_drop_tensors(c->network, graph, used, c->err);
}

static int compare_order(const void *a, const void *b) {
    const NetTensor *x = *(const NetTensor *const *)a, *y = *(const NetTensor *const *)b;
    const int order = strcmp(x->name, y->name);
    return order ? order : (x > y) - (x < y);
}

/* Two tensors of one name (a matrix that one layer reads turned round and another as it is): the later ones get a
 * number. */
static bool make_unique(Converter *c) {
    Network *network = c->network;
    NetTensor **sorted = mem_alloc(network->tensor_count, sizeof *sorted, c->err);
    if (!sorted) return false;
    for (size_t i = 0; i < network->tensor_count; i++) sorted[i] = &network->tensors[i];
    qsort(sorted, network->tensor_count, sizeof *sorted, compare_order);
    bool ok = true;
    size_t first = 0;
    for (size_t i = 1; ok && i < network->tensor_count; i++) {
        if (strcmp(sorted[i]->name, sorted[first]->name) != 0) {
            first = i;
            continue;
        }
        char number[32];
        snprintf(number, sizeof number, "again%zu", i - first);
        ok = rename_tensor(c, sorted[i], sorted[i]->name, number);
    }
    mem_free(sorted);
    return ok;
}

/* An operation with weights is named after them where they have a name, as every other architecture does it. */
static void name_operation(const Network *network, Op *op) {
    static const char tail[] = ".weight";
    const OpClass class = op_class(op->kind);
    if ((class != CLASS_WEIGHTS && class != CLASS_NORM) || op->weight < 0) return;
    const char *name = network->tensors[op->weight].name;
    const size_t length = strlen(name), end = sizeof tail - 1;
    if (length > end && length - end < OP_NAME_SIZE && strcmp(name + length - end, tail) == 0)
        snprintf(op->name, sizeof op->name, "%.*s", (int)(length - end), name);
}

bool converter_name(Converter *c, Graph *graph) {
    bool *used = mem_alloc(c->network->tensor_count, sizeof *used, c->err);
    if (!used) return false;
    graph_mark_tensors(graph, used);
    const bool ok = name_tensors(c, graph, used) && drop_unused(c, graph, used) && make_unique(c);
    for (size_t i = 0; ok && i < graph->count; i++) name_operation(c->network, &graph->ops[i]);
    mem_free(used);
    return ok;
}
