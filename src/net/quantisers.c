/* quantisers -- quantised activations: where they stand in a graph, their levels, and how a file tells of them.
 *
 * Metadata of a saved network: weft.quantisers, a JSON array of {"after": OPERATION, "levels": "SCALE ZERO_POINT
 * BITS"}, the scale with the digits that bring the same float32 back; weft.bits, of the layers whose weights are
 * integers times a scale: {"layer": LAYER, "bits": "BITS"}. The tensors are the dequantised ones, named as ever, so
 * that a file reads as a plain state dict, too.
 */
#include "net/internal.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "weft/base/error.h"
#include "weft/base/memory.h"
#include "weft/base/text.h"

static const char quantisers_key[] = "weft.quantisers", bits_key[] = "weft.bits";
static const char *const quantiser_names[2] = {"after", "levels"}, *const bits_names[2] = {"layer", "bits"};

/* ---- levels ------------------------------------------------------------------------------------------------------ */

static bool bits_sound(unsigned bits) {
    return bits >= QUANTISER_BITS_MIN && bits <= QUANTISER_BITS_MAX;
}

bool quantiser_sound(const Quantiser *q) {
    if (q->bits == 0) return true;
    return bits_sound(q->bits) && q->scale >= FLT_MIN && isfinite(q->scale) && q->zero_point >= 0 &&
           q->zero_point < 1 << q->bits;
}

/* PyTorch's MinMaxObserver: the scale at least float32's epsilon, and the zero point from the lower end. */
Quantiser quantiser_of_range(float low, float high, unsigned bits) {
    const int last = (1 << bits) - 1;
    low = fminf(low, 0);
    high = fmaxf(high, 0);
    const float scale = fmaxf((high - low) / (float)last, FLT_EPSILON);
    const float zero = -nearbyintf(low / scale);
    return (Quantiser){.scale = scale, .zero_point = zero > (float)last ? last : (int)zero, .bits = bits};
}

float quantiser_apply(const Quantiser *q, float x) {
    if (q->bits == 0) return x;
    const float level = nearbyintf(x * (1.0f / q->scale));
    const float low = (float)-q->zero_point, high = (float)((1 << q->bits) - 1 - q->zero_point);
    return (level < low ? low : level > high ? high : level) * q->scale;
}

/* ---- places ------------------------------------------------------------------------------------------------------ */

/* The operation that alone reads the result of `op`, or -1. */
static int only_reader(const Graph *graph, size_t op) {
    int reader = -1;
    for (size_t i = 1; i < graph->count; i++)
        for (int j = 0; j < 2; j++) {
            if (graph->ops[i].input[j] != (int)op) continue;
            if (reader >= 0) return -1;
            reader = (int)i;
        }
    return reader;
}

/* An integer network does what follows in one go with `op`: only that operation's result is quantised. */
static bool goes_on(const Graph *graph, size_t op) {
    const OpKind kind = graph->ops[op].kind;
    const int reader = only_reader(graph, op);
    if (reader < 0) return false;
    const OpKind next = graph->ops[reader].kind;
    if (next == OP_RELU || next == OP_RELU6)
        return op_class(kind) == CLASS_WEIGHTS || kind == OP_BATCH_NORM || kind == OP_ADD;
    return next == OP_BATCH_NORM && op_class(kind) == CLASS_WEIGHTS;
}

void graph_quantiser_places(const Graph *graph, bool *places) {
    for (size_t i = 0; i < graph->count; i++) {
        const OpKind kind = graph->ops[i].kind;
        const bool passes = kind == OP_MAX_POOL || op_class(kind) == CLASS_MOVE || kind == OP_QUANTISE;
        places[i] = !passes && !goes_on(graph, i);
    }
}

/* The graph with a quantiser behind each marked operation; all that read the operation read the quantiser. */
static Graph *graph_with(const Graph *graph, const bool *places, const Quantiser *quantisers, Error *err) {
    int *moved = mem_alloc(graph->count, sizeof *moved, err);
    if (!moved) return NULL;
    GraphBuilder builder = graph_begin(graph->in_channels, graph->height, graph->width, err);
    for (size_t i = 0, next = 0; i < graph->count; i++) {
        Op op = graph->ops[i];
        for (int j = 0; j < 2; j++)
            if (op.input[j] >= 0) op.input[j] = moved[op.input[j]];
        moved[i] = i == 0 ? 0 : graph_add(&builder, op, "%s", op.name);
        if (!places[i]) continue;
        const Quantiser quantiser = quantisers ? quantisers[next++] : (Quantiser){.bits = 0};
        moved[i] = graph_add(
            &builder,
            (Op){.kind = OP_QUANTISE, .input = {moved[i]}, .out_channels = op.out_channels, .quantiser = quantiser},
            "%s.quantise", op.name);
    }
    mem_free(moved);
    return graph_finish(&builder, graph->classes);
}

bool network_put_quantisers(Network *network, const bool *places, const Quantiser *quantisers, Error *err) {
    Graph *graph = graph_with(network->graph, places, quantisers, err);
    if (!graph) return false;
    graph_release(network->graph);
    network->graph = graph;
    return true;
}

size_t network_quantisers(const Network *network) {
    size_t count = 0;
    for (size_t i = 0; network->graph && i < network->graph->count; i++)
        count += network->graph->ops[i].kind == OP_QUANTISE;
    return count;
}

/* ---- files ------------------------------------------------------------------------------------------------------- */

/* Adds the list under `key`, where it has entries; frees it. */
static bool add_list(FileParts *parts, const char *key, KeyValue *list, size_t count, const char *const names[2],
                     bool complete, Error *err) {
    Str text = {0};
    if (complete && count > 0)
        complete = key_value_write(list, count, names, &text, err) &&
                   key_value_add(&parts->metadata, &parts->metadata_count, key, str_text(&text), err);
    str_done(&text);
    key_value_free(list, count);
    return complete;
}

static bool add_formatted(KeyValue **list, size_t *count, const char *key, Error *err, const char *format, ...)
    __attribute__((format(printf, 5, 6)));
static bool add_formatted(KeyValue **list, size_t *count, const char *key, Error *err, const char *format, ...) {
    Str text = {0};
    va_list args;
    va_start(args, format);
    str_addv(&text, format, args);
    va_end(args);
    const bool done = str_ok(&text, err) && key_value_add(list, count, key, text.text, err);
    str_done(&text);
    return done;
}

bool quantisers_write(const Network *network, FileParts *parts, Error *err) {
    const Graph *graph = network->graph;
    KeyValue *list = NULL;
    size_t count = 0;
    bool done = true;
    for (size_t i = 0; done && graph && i < graph->count; i++) {
        const Quantiser *q = &graph->ops[i].quantiser;
        if (graph->ops[i].kind == OP_QUANTISE)
            done = add_formatted(&list, &count, graph->ops[graph->ops[i].input[0]].name, err, "%.9g %d %u",
                                 (double)q->scale, q->zero_point, q->bits);
    }
    if (!add_list(parts, quantisers_key, list, count, quantiser_names, done, err)) return false;
    list = NULL;
    count = 0;
    for (size_t i = 0; done && i < network->layer_count; i++)
        if (network->layers[i].bits > 0)
            done = add_formatted(&list, &count, network->layers[i].name, err, "%u", network->layers[i].bits);
    return add_list(parts, bits_key, list, count, bits_names, done, err);
}

/* "SCALE ZERO_POINT BITS" */
static bool parse_levels(const char *text, Quantiser *out) {
    double number[3];
    for (int i = 0; i < 3; i++) {
        char part[32];
        const size_t length = strcspn(text, " ");
        if (length >= sizeof part || (text[length] == '\0') != (i == 2)) return false;
        memcpy(part, text, length);
        part[length] = '\0';
        if (!text_to_double(part, &number[i]) || !(number[i] >= 0 && number[i] <= (double)FLT_MAX)) return false;
        text += length + 1;
    }
    if (number[1] > UINT8_MAX || number[2] > QUANTISER_BITS_MAX) return false;
    if (number[1] > floor(number[1]) || number[2] > floor(number[2])) return false;
    *out = (Quantiser){.scale = (float)number[0], .zero_point = (int)number[1], .bits = (unsigned)number[2]};
    return bits_sound(out->bits) && quantiser_sound(out);
}

/* The entries come in the order of the operations. */
static bool put_list(Network *network, KeyValue *list, size_t count, Error *err) {
    const Graph *graph = network->graph;
    bool *places = mem_alloc(graph->count, sizeof *places, err);
    Quantiser *quantisers = places ? mem_alloc(graph->count, sizeof *quantisers, err) : NULL;
    size_t put = 0;
    bool done = quantisers != NULL;
    for (size_t i = 0; done && i < graph->count && put < count; i++) {
        places[i] = strcmp(graph->ops[i].name, list[put].key) == 0;
        if (!places[i]) continue;
        done = parse_levels(list[put].value, &quantisers[put]) ||
               error_set(err, STATUS_BAD_INPUT, "'%s' are not valid levels of '%s'", list[put].value, list[put].key);
        put++;
    }
    if (done && put < count)
        done = error_set(err, STATUS_BAD_INPUT, "operation '%s' is not where it should be", list[put].key);
    done = done && network_put_quantisers(network, places, quantisers, err);
    mem_free(places);
    mem_free(quantisers);
    return done;
}

static bool put_bits(Network *network, KeyValue *list, size_t count, Error *err) {
    size_t layer = 0;
    for (size_t i = 0; i < count; i++, layer++) {
        uint64_t bits;
        while (layer < network->layer_count && strcmp(network->layers[layer].name, list[i].key) != 0) layer++;
        if (layer == network->layer_count)
            return error_set(err, STATUS_BAD_INPUT, "layer '%s' is not where it should be", list[i].key);
        if (!text_to_u64(list[i].value, &bits) || bits > QUANTISER_BITS_MAX || !bits_sound((unsigned)bits))
            return error_set(err, STATUS_BAD_INPUT, "'%s' are not valid bits of '%s'", list[i].value, list[i].key);
        network->layers[layer].bits = (unsigned)bits;
    }
    return true;
}

static bool read_list(Network *network, const Checkpoint *checkpoint, const char *key, const char *const names[2],
                      bool (*put)(Network *network, KeyValue *list, size_t count, Error *err), Error *err) {
    const char *text = checkpoint_metadata_find(checkpoint, key);
    KeyValue *list = NULL;
    size_t count = 0;
    bool understood = true;
    if (!text) return true;
    bool done = key_value_read(&list, &count, names, text, &understood, err);
    if (done && !understood) done = error_set(err, STATUS_BAD_INPUT, "not a list of \"%s\"", names[0]);
    done = done && put(network, list, count, err);
    key_value_free(list, count);
    if (done || err->status != STATUS_BAD_INPUT) return done;
    return error_prefix(err, "%s: metadata %s", checkpoint_path(checkpoint), key);
}

/* A network that cannot run has no use for quantisers; it is told that they are gone. */
bool quantisers_read(Network *network, const Checkpoint *checkpoint, Error *err) {
    if (!network->graph && checkpoint_metadata_find(checkpoint, quantisers_key))
        return network_note(network, err, "its quantisers were left out, because its architecture is unknown") &&
               read_list(network, checkpoint, bits_key, bits_names, put_bits, err);
    return read_list(network, checkpoint, quantisers_key, quantiser_names, put_list, err) &&
           read_list(network, checkpoint, bits_key, bits_names, put_bits, err);
}
