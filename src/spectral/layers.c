/* layers -- which layers of a network an analysis reads or changes, and the walk over them. */
#include "spectral/layers.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "weft/base/error.h"
#include "weft/base/map.h"
#include "weft/base/memory.h"
#include "weft/base/task.h"
#include "weft/base/tensor.h"
#include "weft/base/text.h"

size_t *layers_chosen(const Network *network, const bool *chosen, bool convolutions_only, size_t *count, Error *err) {
    size_t *layers = mem_alloc(network->layer_count, sizeof *layers, err), found = 0;
    if (!layers) return NULL;
    for (size_t i = 0; i < network->layer_count; i++) {
        if (!chosen[i]) continue;
        if (convolutions_only && !layers_convolution(network, i)) {
            error_set(err, STATUS_USAGE, "layer '%s' is of kind %s; only convolutions can be used here",
                      network->layers[i].name, layer_kind_name(network->layers[i].kind));
            goto failed;
        }
        layers[found++] = i;
    }
    if (found == 0) {
        error_set(err, STATUS_USAGE, "no %s is selected", convolutions_only ? "convolution" : "layer");
        goto failed;
    }
    *count = found;
    return layers;
failed:
    mem_free(layers);
    return NULL;
}

void layers_list(Str *list, const char *name, const char *reason) {
    str_addf(list, "%s%s (%s)", list->length > 0 ? ", " : "", name, reason);
}

/* ---- matching ---------------------------------------------------------------------------------------------------- */

typedef struct Entry {
    const char *name;
    size_t layer;
    bool used;
} Entry;

static int by_name(const void *a, const void *b) {
    return strcmp(((const Entry *)a)->name, ((const Entry *)b)->name);
}

/* The layers of a network, sorted by name. */
static Entry *index_layers(const Network *network, Error *err) {
    Entry *entries = mem_alloc(network->layer_count, sizeof *entries, err);
    if (!entries) return NULL;
    for (size_t i = 0; i < network->layer_count; i++) entries[i] = (Entry){network->layers[i].name, i, false};
    qsort(entries, network->layer_count, sizeof *entries, by_name);
    return entries;
}

static void add_shape(Str *text, const Tensor *tensor) {
    for (unsigned i = 0; i < tensor->rank; i++)
        str_addf(text, "%s%llu", i ? "x" : "", (unsigned long long)tensor->dim[i]);
}

static bool same_shape(const Tensor *a, const Tensor *b) {
    return a->rank == b->rank && memcmp(a->dim, b->dim, a->rank * sizeof *a->dim) == 0;
}

static void list_shapes(Str *unmatched, const char *name, const Tensor *a, const Tensor *b) {
    Str reason = {0};
    add_shape(&reason, a);
    str_add(&reason, " against ");
    add_shape(&reason, b);
    layers_list(unmatched, name, str_text(&reason));
    if (reason.failed) unmatched->failed = true;
    str_done(&reason);
}

LayerPair *layers_match(const Network *a, const Network *b, const bool *chosen, bool convolutions_only, size_t *count,
                        Str *unmatched, Error *err) {
    size_t wanted = 0, found = 0, eligible = 0;
    LayerPair *pairs = NULL, *result = NULL;
    Entry *entries = NULL;
    size_t *layers = layers_chosen(a, chosen, convolutions_only, &wanted, err);
    if (layers) entries = index_layers(b, err);
    if (entries) pairs = mem_alloc(wanted, sizeof *pairs, err);
    if (!pairs) goto out;
    for (size_t i = 0; i < wanted; i++) {
        const Layer *layer = &a->layers[layers[i]];
        Entry *entry = bsearch(&(Entry){.name = layer->name}, entries, b->layer_count, sizeof *entries, by_name);
        if (!entry) {
            layers_list(unmatched, layer->name, "only in the first network");
            continue;
        }
        entry->used = true;
        const Tensor *first = layer_weight(a, layer), *second = layer_weight(b, &b->layers[entry->layer]);
        if (same_shape(first, second))
            pairs[found++] = (LayerPair){layers[i], entry->layer};
        else
            list_shapes(unmatched, layer->name, first, second);
    }
    for (size_t i = 0; i < a->layer_count; i++) eligible += !convolutions_only || layers_convolution(a, i);
    for (size_t i = 0; wanted == eligible && i < b->layer_count; i++) {
        if (!entries[i].used && (!convolutions_only || layers_convolution(b, entries[i].layer))) {
            layers_list(unmatched, entries[i].name, "only in the second network");
        }
    }
    if (!str_ok(unmatched, err)) goto out;
    if (found == 0) {
        error_set(err, STATUS_USAGE, "the networks have no common layers: %s", str_text(unmatched));
        goto out;
    }
    result = pairs;
    *count = found;
out:
    if (!result) mem_free(pairs);
    mem_free(entries);
    mem_free(layers);
    return result;
}

bool layers_twin(const Network *a, size_t layer, const Network *b, size_t *twin, Error *err) {
    const Layer *wanted = &a->layers[layer];
    for (size_t i = 0; i < b->layer_count; i++) {
        if (strcmp(b->layers[i].name, wanted->name) != 0) continue;
        const Tensor *first = layer_weight(a, wanted), *second = layer_weight(b, &b->layers[i]);
        *twin = i;
        if (same_shape(first, second)) return true;
        Str shapes = {0};
        add_shape(&shapes, first);
        str_add(&shapes, " against ");
        add_shape(&shapes, second);
        error_set(err, STATUS_USAGE, "layer '%s' has another shape in the second network: %s", wanted->name,
                  str_text(&shapes));
        str_done(&shapes);
        return false;
    }
    return error_set(err, STATUS_USAGE, "the second network has no layer '%s'", wanted->name);
}

/* ---- weights ----------------------------------------------------------------------------------------------------- */

bool layers_convolution(const Network *network, size_t layer) {
    return layer_kind_axes(network->layers[layer].kind) > 0;
}

LayerKernel layers_kernel(const Network *network, size_t layer) {
    const Tensor *weight = layer_weight(network, &network->layers[layer]);
    LayerKernel kernel = {.axes = layer_kind_axes(network->layers[layer].kind), .size = {1, 1, 1}, .elements = 1};
    for (unsigned i = 0; i < kernel.axes; i++) {
        kernel.size[3 - kernel.axes + i] = (size_t)weight->dim[2 + i];
        kernel.elements *= (size_t)weight->dim[2 + i];
    }
    return kernel;
}

double layers_cost(const Network *network, size_t layer) {
    size_t rows, columns;
    layer_matrix(network, &network->layers[layer], &rows, &columns);
    return (double)rows * (double)columns * (double)(rows < columns ? rows : columns);
}

/* Some 0.2 s of one thread; a weight that is sent takes as long as so many multiply-adds. */
double layers_worth(const Network *a, const Network *b) {
    static const double WORTH = 2e9, SENT = 400;
    double sent = 0;
    for (const Network *each = a; each; each = each == a && b != a ? b : NULL)
        for (size_t i = 0; !each->origin && i < each->tensor_count; i++) sent += (double)each->tensors[i].tensor->count;
    return WORTH + SENT * sent;
}

/* Sixteen at a time without a branch between them: compilers turn this into vector comparisons. */
static bool all_within(const float *weights, float largest) {
    unsigned outside = 0;
    for (unsigned i = 0; i < 16; i++) outside |= fabsf(weights[i]) <= largest ? 0U : 1U;
    return outside == 0;
}

/* `first`: the number of the first of them. */
static bool check_part(const float *weights, uint64_t first, uint64_t count, float largest, Error *err) {
    for (uint64_t i = 0; i < count; i++) {
        while (count - i >= 16 && all_within(weights + i, largest)) i += 16;
        if (i == count || fabsf(weights[i]) <= largest) continue;
        const char *why = isfinite(weights[i]) ? "too large" : "not a finite number";
        return error_set(err, STATUS_BAD_INPUT, "weight %llu is %g, %s", (unsigned long long)(first + i),
                         (double)weights[i], why);
    }
    return true;
}

bool layers_check_weights(const float *weights, uint64_t count, float largest, Error *err) {
    return check_part(weights, 0, count, largest, err);
}

const char *layer_fault_text(LayerFault fault) {
    static const char *const texts[] = {NULL,
#define X(name, text) text,
                                        LAYER_FAULTS(X)
#undef X
    };
    return texts[fault];
}

bool layers_fault(const Tensor *weight, LayerFault *fault, Error *err) {
    TensorWalk walk;
    Error ignored;
    *fault = LAYER_SOUND;
    bool done = tensor_walk_begin(&walk, weight, NULL, err);
    while (done && *fault != LAYER_FAULT_NAN && (done = tensor_walk_next(&walk, err)) && walk.count > 0) {
        if (layers_check_weights(walk.a, walk.count, FLT_MAX, &ignored)) continue;
        *fault = LAYER_FAULT_INFINITE;
        for (uint64_t i = 0; i < walk.count; i++)
            if (isnan(walk.a[i])) *fault = LAYER_FAULT_NAN;
    }
    tensor_walk_end(&walk);
    return done;
}

/* ---- memory ------------------------------------------------------------------------------------------------------ */

uint64_t layers_bytes(const Network *network, size_t layer) {
    return layer_weight(network, &network->layers[layer])->count * sizeof(float);
}

const float *layers_weights(const Network *network, size_t layer, float **copy, Error *err) {
    const Tensor *weight = layer_weight(network, &network->layers[layer]);
    *copy = NULL;
    if (!weight->lazy) return weight->data;
    *copy = mem_alloc(weight->count, sizeof **copy, err);
    return *copy ? tensor_span(weight, 0, weight->count, *copy, err) : NULL;
}

bool layers_check(const Network *network, size_t layer, Error *err) {
    TensorWalk walk;
    bool done = tensor_walk_begin(&walk, layer_weight(network, &network->layers[layer]), NULL, err);
    while (done && (done = tensor_walk_next(&walk, err)) && walk.count > 0)
        done = check_part(walk.a, walk.first, walk.count, FLT_MAX, err);
    tensor_walk_end(&walk);
    return done;
}

/* ---- applying ---------------------------------------------------------------------------------------------------- */

typedef struct Application {
    const Network *network;
    const size_t *layers;
    LayerFunction *function;
    LayerBytes *bytes;
    const void *context;
    Tensor **made;     /* one a layer, */
    LayerFault *fault; /* or why there is none */
} Application;

static bool make_one(Application *work, size_t point, const Tensor *weight, Error *err) {
    const size_t layer = work->layers[point];
    const uint64_t bytes = layers_bytes(work->network, layer) + (work->bytes ? work->bytes(work->network, layer) : 0);
    if (!mem_work_begin(bytes, LAYERS_WORK, err)) return false;
    Tensor *made = tensor_new(weight->rank, weight->dim, err);
    const bool done = made && work->function(work->context, work->network, layer, made->data, err) &&
                      (!tensor_streams(weight) || tensor_spill(made, err));
    work->made[point] = made;
    mem_work_end(bytes);
    return done;
}

static bool apply_one(void *context, size_t point, Error *err) {
    Application *work = context;
    const Layer *layer = &work->network->layers[work->layers[point]];
    const Tensor *weight = layer_weight(work->network, layer);
    const bool done =
        layers_fault(weight, &work->fault[point], err) && (work->fault[point] || make_one(work, point, weight, err));
    return done || error_prefix(err, "layer '%s'", layer->name);
}

/* The fault, and new weights where there is none. */
static bool pack_made(void *context, size_t point, Str *bytes, Error *err) {
    const Application *work = context;
    const Tensor *made = work->made[point];
    TensorWalk walk;
    bool done = true;
    str_add_bytes(bytes, (const char *)&work->fault[point], sizeof work->fault[point]);
    if (!made) return str_ok(bytes, err);
    done = tensor_walk_begin(&walk, made, NULL, err);
    while (done && (done = tensor_walk_next(&walk, err)) && walk.count > 0)
        str_add_bytes(bytes, (const char *)walk.a, walk.count * sizeof *walk.a);
    tensor_walk_end(&walk);
    return done && str_ok(bytes, err);
}

static bool unpack_made(void *context, size_t point, const char *bytes, size_t length, Error *err) {
    Application *work = context;
    const Tensor *weight = layer_weight(work->network, &work->network->layers[work->layers[point]]);
    const size_t head = sizeof work->fault[point], values = length - head;
    if (length < head) return error_set(err, STATUS_FAILED, "new weights of another rank are cut");
    memcpy(&work->fault[point], bytes, head);
    if (values == 0 && work->fault[point]) return true;
    if (values != weight->count * sizeof(float))
        return error_set(err, STATUS_FAILED, "new weights of another rank are cut");
    Tensor *made = work->made[point] = tensor_new(weight->rank, weight->dim, err);
    if (made && values > 0) memcpy(made->data, bytes + head, values);
    return made && (!tensor_streams(weight) || tensor_spill(made, err));
}

/* Puts the new weights in; layers that have none stay, with a note. */
static bool take_made(Application *work, size_t count, Network *result, Error *err) {
    Str left = {0};
    for (size_t i = 0; i < count; i++) {
        const Layer *layer = &work->network->layers[work->layers[i]];
        if (work->made[i])
            network_replace(result, layer->tensor, work->made[i]);
        else
            layers_list(&left, layer->name, layer_fault_text(work->fault[i]));
        work->made[i] = NULL;
    }
    const bool ok = str_ok(&left, err) && (left.length == 0 || key_value_add(&result->notes, &result->note_count,
                                                                             "unchanged", str_text(&left), err));
    str_done(&left);
    return ok;
}

Network *layers_apply(const Network *network, const size_t *layers, size_t count, LayerFunction *function,
                      LayerBytes *bytes, LayerEffort effort, const void *context, const char *what, const char *command,
                      const Task *task, Error *err) {
    Application work = {network, layers, function, bytes, context, NULL, NULL};
    Items items = {.count = count,
                   .evaluate = apply_one,
                   .pack = pack_made,
                   .unpack = unpack_made,
                   .context = &work,
                   .what = what,
                   .worth = effort == LAYERS_DEAR ? layers_worth(network, NULL) : (double)INFINITY,
                   .least = LAYERS_LEAST,
                   .last = true};
    Network *result = NULL;
    double *costs = mem_alloc(count, sizeof *costs, err);
    if (costs) work.made = mem_alloc(count, sizeof *work.made, err);
    if (work.made) work.fault = mem_alloc(count, sizeof *work.fault, err);
    if (!work.fault) goto out;
    for (size_t i = 0; i < count; i++) costs[i] = layers_cost(network, layers[i]);
    items.cost = costs;
    if (!map_items(&items, task, err)) goto out;
    result = network_derive(network, what, command, err);
    if (result && !take_made(&work, count, result, err)) {
        network_free(result);
        result = NULL;
    }
out:
    for (size_t i = 0; work.made && i < count; i++) tensor_release(work.made[i]);
    mem_free(work.made);
    mem_free(work.fault);
    mem_free(costs);
    return result;
}
