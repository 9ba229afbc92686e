/* quantise -- networks and predictors with integers for weights, dequantised again.
 *
 * Batch norm folded into a convolution multiplies the weights of an output channel with one number. A scale per channel
 * grows with them, so that the integers stay the same: they need not be folded to be quantised.
 */
#include "probe/quantise.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "weft/base/error.h"
#include "weft/base/map.h"
#include "weft/base/memory.h"
#include "weft/base/task.h"
#include "weft/base/tensor.h"

bool bits_check(unsigned bits, const char *what, Error *err) {
    if (bits >= QUANTISER_BITS_MIN && bits <= QUANTISER_BITS_MAX) return true;
    return error_set(err, STATUS_USAGE, "%u bits for %s must be %d to %d", bits, what, QUANTISER_BITS_MIN,
                     QUANTISER_BITS_MAX);
}

/* ---- weights ----------------------------------------------------------------------------------------------------- */

/* Half of what float32 holds: the largest level times its scale is then a number, too. */
static bool row_largest(const float *in, size_t columns, float *largest, Error *err) {
    *largest = 0;
    for (size_t i = 0; i < columns; i++) {
        const float size = fabsf(in[i]);
        if (!(size <= FLT_MAX / 2))
            return error_set(err, STATUS_BAD_INPUT, "a weight is %g, %s", (double)in[i],
                             isfinite(in[i]) ? "too large" : "not a finite number");
        *largest = fmaxf(*largest, size);
    }
    return true;
}

/* A scale is at least float32's smallest normal number, so that its inverse is a number; a row of zeros has that. */
bool quantise_rows(const float *in, size_t rows, size_t columns, unsigned bits, float *out, float *scales, Error *err) {
    const float last = (float)((1 << (bits - 1)) - 1);
    for (size_t row = 0; row < rows; row++, in += columns, out += columns) {
        float largest;
        if (!row_largest(in, columns, &largest, err)) return false;
        const float scale = fmaxf(largest / last, FLT_MIN), inverse = 1.0f / scale;
        for (size_t i = 0; i < columns; i++) out[i] = fmaxf(-last, fminf(last, nearbyintf(in[i] * inverse))) * scale;
        if (scales) scales[row] = scale;
    }
    return true;
}

/* ---- networks ---------------------------------------------------------------------------------------------------- */

static bool check_layers(const Network *network, const bool *chosen, Error *err) {
    size_t count = 0;
    for (size_t i = 0; i < network->layer_count; i++) {
        const Layer *layer = &network->layers[i];
        if (!chosen[i]) continue;
        count++;
        if (layer->bits > 0)
            return error_set(err, STATUS_USAGE, "layer '%s' is quantised already, to %u bits", layer->name,
                             layer->bits);
    }
    return count > 0 || error_set(err, STATUS_USAGE, "no layer is selected");
}

static bool check_calibration(const Network *network, const Dataset *images, Error *err) {
    if (network_quantisers(network) > 0)
        return error_set(err, STATUS_USAGE, "the network's activations are quantised already");
    if (!evaluate_takes(network, images, err)) return false;
    return images->count > 0 || error_set(err, STATUS_USAGE, "%s: no images to calibrate on", images->spec);
}

/* The weights of the chosen layers, made in parallel. */
typedef struct Quantising {
    const Network *network;
    const size_t *layers;
    Tensor **made; /* one a layer */
    unsigned bits;
} Quantising;

static Tensor *quantise_layer(const Quantising *work, const Layer *layer, Error *err) {
    const Tensor *old = layer_weight(work->network, layer);
    const bool transposed = layer_kind_transposed(layer->kind);
    size_t rows, columns;
    layer_matrix(work->network, layer, &rows, &columns);
    Tensor *weight = tensor_new(old->rank, old->dim, err);
    float *copy = NULL, *matrix = NULL;
    const float *values = weight ? layer_matrix_values(work->network, layer, &copy, err) : NULL;
    if (values && transposed) matrix = mem_alloc(old->count, sizeof *matrix, err);
    bool done = values && (!transposed || matrix) &&
                quantise_rows(values, rows, columns, work->bits, transposed ? matrix : weight->data, NULL, err);
    if (done && transposed) layer_matrix_store(work->network, layer, matrix, weight->data);
    mem_free(matrix);
    mem_free(copy);
    if (done && (!tensor_streams(old) || tensor_spill(weight, err))) return weight;
    tensor_release(weight);
    return NULL;
}

static bool quantise_one(void *context, size_t point, Error *err) {
    const Quantising *work = context;
    const Layer *layer = &work->network->layers[work->layers[point]];
    const uint64_t bytes = 4 * layer_weight(work->network, layer)->count * sizeof(float);
    bool done = mem_work_begin(bytes, "the work on it", err);
    if (done) {
        done = (work->made[point] = quantise_layer(work, layer, err));
        mem_work_end(bytes);
    }
    return done || error_prefix(err, "layer '%s'", layer->name);
}

static bool quantise_layers(const Network *network, Network *made, const bool *chosen, unsigned bits, const Task *task,
                            Error *err) {
    size_t count = 0, *layers = mem_alloc(network->layer_count, sizeof *layers, err);
    Tensor **weights = layers ? mem_alloc(network->layer_count, sizeof(Tensor *), err) : NULL;
    Quantising work = {network, layers, weights, bits};
    for (size_t i = 0; weights && i < network->layer_count; i++) {
        size_t before = 0; /* two layers of one tensor are quantised once */
        while (before < count && network->layers[layers[before]].tensor != network->layers[i].tensor) before++;
        if (chosen[i] && before == count) layers[count++] = i;
    }
    const bool done = weights && map_points(count, NULL, quantise_one, &work, "quantise", task, err);
    for (size_t i = 0; weights && i < count; i++) {
        if (done)
            network_replace(made, made->layers[layers[i]].tensor, weights[i]);
        else
            tensor_release(weights[i]);
    }
    for (size_t i = 0; done && i < network->layer_count; i++)
        if (chosen[i]) made->layers[i].bits = bits;
    mem_free(weights);
    mem_free(layers);
    return done;
}

/* `made` has the weights already; the levels are those of `network`, which has not. */
static bool put_levels(const Network *network, Network *made, const QuantiseOptions *options, const Task *task,
                       Error *err) {
    const Graph *graph = network->graph;
    bool *places = mem_alloc(graph->count, sizeof *places, err);
    Quantiser *levels = places ? mem_alloc(graph->count, sizeof *levels, err) : NULL;
    bool done = levels != NULL;
    if (done) {
        graph_quantiser_places(graph, places);
        done = calibrate_levels(network, places, options, levels, task, err) &&
               network_put_quantisers(made, places, levels, err);
    }
    mem_free(places);
    mem_free(levels);
    return done;
}

Network *quantise_apply(const Network *network, const QuantiseOptions *options, const bool *chosen, const char *command,
                        const Task *task, Error *err) {
    const Dataset *images = options->calibration;
    if (!bits_check(options->bits, "weights", err) || !check_layers(network, chosen, err)) return NULL;
    if (images &&
        (!bits_check(options->activation_bits, "activations", err) || !check_calibration(network, images, err)))
        return NULL;
    if (images && !network_hold(network, "the network", task, err)) return NULL; /* it runs on the images */
    Network *made = network_derive(network, "quantise", command, err);
    const bool done = made && quantise_layers(network, made, chosen, options->bits, task, err) &&
                      (!images || put_levels(network, made, options, task, err));
    if (images) network_unhold(network);
    if (done) return made;
    network_free(made);
    return NULL;
}

/* ---- size -------------------------------------------------------------------------------------------------------- */

/* A layer's weights, and the scales of its channels. */
static double layer_bytes(const Network *network, const Layer *layer) {
    const Tensor *weight = layer_weight(network, layer);
    size_t rows, columns;
    layer_matrix(network, layer, &rows, &columns);
    if (layer->bits == 0) return 4 * (double)weight->count;
    return ceil((double)weight->count * layer->bits / 8) + 4 * (double)rows;
}

/* What stands beside the weights of a graph's layers: a bias a channel where the layer has one, or batch norm leaves
 * one; a scale and a shift a channel of each other batch norm. */
static double graph_bytes(const Graph *graph) {
    double bytes = 0;
    for (size_t i = 0; i < graph->count; i++) {
        const Op *op = &graph->ops[i];
        const OpKind before = i > 0 ? graph->ops[op->input[0]].kind : OP_INPUT;
        const bool folded = op->kind == OP_BATCH_NORM && (before == OP_CONV || before == OP_LINEAR);
        if (op->kind == OP_BATCH_NORM && !(folded && graph->ops[op->input[0]].bias != NO_TENSOR))
            bytes += (folded ? 4 : 8) * (double)op->out_channels;
        if ((op->kind == OP_CONV || op->kind == OP_LINEAR) && op->bias != NO_TENSOR)
            bytes += 4 * (double)op->out_channels;
    }
    return bytes;
}

QuantisedSize quantise_size(const Network *network) {
    QuantisedSize size = {.as_float = 4 * (double)network_parameters(network)};
    double weights = 0;
    for (size_t i = 0; i < network->layer_count; i++) {
        size.quantised += layer_bytes(network, &network->layers[i]);
        weights += 4 * (double)layer_weight(network, &network->layers[i])->count;
    }
    size.quantised += network->graph ? graph_bytes(network->graph) : size.as_float - weights;
    return size;
}

/* ---- predictors -------------------------------------------------------------------------------------------------- */

/* Loading is no change. */
static bool quantised_last(const Predictor *predictor) {
    size_t i = predictor->lineage_count;
    while (i > 0 && strcmp(predictor->lineage[i - 1].key, "load") == 0) i--;
    return i > 0 && strcmp(predictor->lineage[i - 1].key, "quantise") == 0;
}

Predictor *quantise_predictor(const Predictor *predictor, unsigned bits, const char *command, Error *err) {
    if (!bits_check(bits, "weights", err)) return NULL;
    if (quantised_last(predictor)) {
        error_set(err, STATUS_USAGE, "the predictor is quantised already");
        return NULL;
    }
    Predictor *made = predictor_derive(predictor, "quantise", command, err);
    for (unsigned i = 0; made && i < predictor->config.linear; i++) {
        const MlpLayer *layer = &predictor->mlp[i];
        float *weight = made->parameters + layer->weight;
        if (quantise_rows(weight, layer->out, layer->in, bits, weight, NULL, err)) continue;
        error_prefix(err, "linear layer %u", i);
        predictor_free(made);
        return NULL;
    }
    return made;
}
