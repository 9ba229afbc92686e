/* layers -- the weight layers of a network: listing, finding, and choosing them by a selector. */
#include "net/internal.h"

#include <stdlib.h>
#include <string.h>

#include "weft/base/dtype.h"
#include "weft/base/error.h"
#include "weft/base/memory.h"
#include "weft/base/tensor.h"
#include "weft/base/text.h"

/* ---- listing ----------------------------------------------------------------------------------------------------- */

static bool is_digits(const char *text, size_t length) {
    bool digits = length > 0 && length <= 6;
    for (size_t i = 0; i < length; i++)
        if (text[i] < '0' || text[i] > '9') digits = false;
    return digits;
}

/* Only for networks whose graph says nothing of stages: those without an architecture, ONNX files, and definitions that
 * call no stage(). A leading word "layerN" or "stageN" is a stage; the first part of the name that is a number is the
 * block. */
static void stage_and_block(const char *name, int *stage, int *block) {
    *stage = *block = -1;
    bool first = true;
    for (const char *part = name; part;) {
        size_t length = strcspn(part, ".");
        if (first && length > 5 && (strncmp(part, "layer", 5) == 0 || strncmp(part, "stage", 5) == 0) &&
            is_digits(part + 5, length - 5))
            *stage = atoi(part + 5);
        else if (*block < 0 && is_digits(part, length))
            *block = atoi(part);
        first = false;
        part = part[length] == '.' ? part + length + 1 : NULL;
    }
}

static const char suffix[] = ".weight";

/* The tensor's name less ".weight", for the caller to free. */
static char *layer_name(const char *tensor, Error *err) {
    size_t length = strlen(tensor), tail = sizeof suffix - 1;
    if (length > tail && strcmp(tensor + length - tail, suffix) == 0) length -= tail;
    return mem_copy_bytes(tensor, length, err);
}

/* `op`: the layer's operation; NULL where there is no graph. `staged`: stage and block are what the architecture counts
 * it to. */
static bool add_layer(Network *network, size_t tensor, LayerKind kind, const Op *op, bool staged, Error *err) {
    Layer *layer = &network->layers[network->layer_count];
    const Tensor *weight = network->tensors[tensor].tensor;
    char *name = layer_name(network->tensors[tensor].name, err);
    if (!name) return false;
    *layer = (Layer){.name = name, .tensor = tensor, .kind = kind};
    if (kind == LAYER_CONV && !network->tensors[tensor].tied)
        layer->predicted = op ? op->predicted : weight->dim[2] > 1 || weight->dim[3] > 1;
    if (staged) {
        layer->stage = op->stage > 0 ? (int)op->stage : -1;
        layer->block = (int)op->block - 1;
    } else {
        stage_and_block(name, &layer->stage, &layer->block);
    }
    network->layer_count++;
    return true;
}

static bool list_by_names(Network *network, Error *err) {
    TensorNames names;
    bool done = tensor_names_begin(&names, network, err);
    if (!done) return false;
    for (size_t i = 0; done && i < network->tensor_count; i++) {
        const LayerKind kind = layer_kind_of(&names, i);
        if (kind != LAYER_KIND_COUNT) done = add_layer(network, i, kind, NULL, false, err);
    }
    tensor_names_done(&names);
    return done;
}

bool network_list_layers(Network *network, Error *err) {
    const Graph *graph = network->graph;
    bool staged = false;
    for (size_t i = 0; graph && i < graph->count; i++) staged = staged || graph->ops[i].stage > 0;
    network->layers = mem_alloc(graph ? graph->count : network->tensor_count, sizeof *network->layers, err);
    if (!network->layers) return false;
    for (size_t i = 0; graph && i < graph->count; i++) {
        const Op *op = &graph->ops[i];
        const LayerKind kind = op->kind == OP_CONV ? LAYER_CONV : LAYER_LINEAR;
        if ((op->kind == OP_CONV || op->kind == OP_LINEAR) &&
            !add_layer(network, (size_t)op->weight, kind, op, staged, err))
            return false;
    }
    return graph || list_by_names(network, err);
}

/* Marks the tensors that are some layer's weight, or that the graph reads otherwise. */
static bool *used_tensors(const Network *network, Error *err) {
    bool *marks = mem_alloc(network->tensor_count, sizeof *marks, err);
    for (size_t i = 0; marks && i < network->layer_count; i++) marks[network->layers[i].tensor] = true;
    if (marks && network->graph) graph_mark_tensors(network->graph, marks);
    return marks;
}

bool network_note_unlisted(Network *network, Error *err) {
    NameList others = {.head = "These tensors are no layers, by their names or shapes"};
    NameList integers = {.head = "These weights are integers, and no layers"};
    if (network->graph) others.head = "The architecture has no use for these tensors";
    bool *listed = used_tensors(network, err);
    if (!listed) return false;
    for (size_t i = 0; i < network->tensor_count; i++) {
        const NetTensor *tensor = &network->tensors[i];
        Str shape = {0};
        if (listed[i] || tensor->tensor->rank < 2 || tensor->tensor->count == 0) continue;
        for (unsigned d = 0; d < tensor->tensor->rank; d++)
            str_addf(&shape, "%s%llu", d ? "x" : "", (unsigned long long)tensor->tensor->dim[d]);
        if (!network_integer(network, i))
            name_list_add(&others, tensor->name, "%s", str_text(&shape));
        else if (layer_named_weight(tensor->name))
            name_list_add(&integers, tensor->name, "%s %s", dtype_name(tensor->stored), str_text(&shape));
        str_done(&shape);
    }
    mem_free(listed);
    const bool done = name_list_note(&others, network, err);
    return name_list_note(&integers, network, err) && done;
}

bool network_copy_layers(Network *copy, const Network *network, Error *err) {
    copy->layers = mem_alloc(network->layer_count, sizeof *copy->layers, err);
    if (!copy->layers) return false;
    for (size_t i = 0; i < network->layer_count; i++) {
        copy->layers[i] = network->layers[i];
        copy->layers[i].name = mem_copy_text(network->layers[i].name, err);
        if (!copy->layers[i].name) return false;
        copy->layer_count++;
    }
    return true;
}

void network_free_layers(Network *network) {
    for (size_t i = 0; i < network->layer_count; i++) mem_free((void *)(uintptr_t)network->layers[i].name);
    mem_free(network->layers);
}

const Tensor *layer_weight(const Network *network, const Layer *layer) {
    return network->tensors[layer->tensor].tensor;
}

/* ---- matrices ---------------------------------------------------------------------------------------------------- */

void layer_matrix(const Network *network, const Layer *layer, size_t *rows, size_t *columns) {
    const Tensor *weight = layer_weight(network, layer);
    const bool swapped = layer_kind_transposed(layer->kind);
    *rows = (size_t)weight->dim[swapped ? 1 : 0];
    *columns = swapped ? (size_t)weight->dim[0] : 1; /* not count / rows: a file may hold a layer of no filters */
    for (unsigned i = swapped ? 2 : 1; i < weight->rank; i++) *columns *= (size_t)weight->dim[i];
}

/* Exchanges the first two axes of first x second x the others. */
static void exchange(const float *from, size_t first, size_t second, size_t others, float *to) {
    for (size_t i = 0; i < first && others > 0; i++)
        for (size_t j = 0; j < second; j++)
            memcpy(to + (j * first + i) * others, from + (i * second + j) * others, others * sizeof *to);
}

static size_t behind_two(const Tensor *weight) {
    size_t others = 1;
    for (unsigned i = 2; i < weight->rank; i++) others *= (size_t)weight->dim[i];
    return others;
}

/* All values of a lazy tensor that nobody holds: a copy of the caller's. */
static float *read_values(const Tensor *weight, Error *err) {
    float *values = mem_alloc(weight->count, sizeof *values, err);
    if (values && tensor_span(weight, 0, weight->count, values, err)) return values;
    mem_free(values);
    return NULL;
}

const float *layer_matrix_values(const Network *network, const Layer *layer, float **copy, Error *err) {
    const Tensor *weight = layer_weight(network, layer);
    float *values = weight->lazy ? read_values(weight, err) : NULL;
    *copy = values;
    if (weight->lazy && !values) return NULL;
    if (!layer_kind_transposed(layer->kind)) return values ? values : weight->data;
    *copy = mem_alloc(weight->count, sizeof **copy, err);
    if (*copy)
        exchange(values ? values : weight->data, (size_t)weight->dim[0], (size_t)weight->dim[1], behind_two(weight),
                 *copy);
    mem_free(values);
    return *copy;
}

void layer_matrix_store(const Network *network, const Layer *layer, const float *matrix, float *weight) {
    const Tensor *old = layer_weight(network, layer);
    if (layer_kind_transposed(layer->kind))
        exchange(matrix, (size_t)old->dim[1], (size_t)old->dim[0], behind_two(old), weight);
    else if (old->count > 0)
        memcpy(weight, matrix, old->count * sizeof *weight);
}

/* ---- finding ----------------------------------------------------------------------------------------------------- */

static bool is_convolution(const Network *network, size_t layer) {
    return layer_kind_axes(network->layers[layer].kind) > 0;
}

/* STATUS_USAGE "no layer 'WORD'; did you mean 'NEAREST'?". */
static bool no_layer(const Network *network, const char *word, bool convolutions_only, Error *err) {
    const char **names = mem_alloc(network->layer_count, sizeof *names, err);
    if (!names) return false;
    size_t count = 0;
    for (size_t i = 0; i < network->layer_count; i++)
        if (is_convolution(network, i) || !convolutions_only) names[count++] = network->layers[i].name;
    const char *nearest = text_nearest(word, names, count);
    if (nearest)
        error_set(err, STATUS_USAGE, "no layer '%s'; did you mean %s?", word, nearest);
    else if (count > 0)
        error_set(err, STATUS_USAGE, "no layer '%s'; there are %zu, from '%s' to '%s'", word, count, names[0],
                  names[count - 1]);
    else
        error_set(err, STATUS_USAGE, "no layer '%s': the network has no %slayers", word,
                  convolutions_only ? "convolution " : "");
    mem_free(names);
    return false;
}

bool network_find_layer(const Network *network, const char *name, size_t *index, Error *err) {
    for (size_t i = 0; i < network->layer_count; i++)
        if (strcmp(network->layers[i].name, name) == 0) {
            *index = i;
            return true;
        }
    return no_layer(network, name, false, err);
}

/* ---- selectors --------------------------------------------------------------------------------------------------- */

/* One selector at work. */
typedef struct Selection {
    const Network *network;
    bool convolutions_only;
    bool *marks; /* of one entry */
} Selection;

static bool selectable(const Selection *selection, size_t layer) {
    return is_convolution(selection->network, layer) || !selection->convolutions_only;
}

/* `N` or `N-M`; counts the layers that can be chosen. */
static bool parse_range(const char *word, uint64_t *first, uint64_t *last) {
    char part[32];
    size_t length = strcspn(word, "-");
    if (length >= sizeof part) return false;
    memcpy(part, word, length);
    part[length] = '\0';
    if (!text_to_u64(part, first)) return false;
    *last = *first;
    return word[length] == '\0' || text_to_u64(word + length + 1, last);
}

static bool mark_range(const Selection *selection, const char *word, uint64_t first, uint64_t last, Error *err) {
    const char *kind = selection->convolutions_only ? "convolution" : "layer";
    uint64_t position = 0;
    for (size_t i = 0; i < selection->network->layer_count; i++) {
        if (!selectable(selection, i)) continue;
        selection->marks[i] = position >= first && position <= last;
        position++;
    }
    if (first > last) return error_set(err, STATUS_USAGE, "layers '%s': the range runs backwards", word);
    if (last < position) return true;
    if (position == 0) return error_set(err, STATUS_USAGE, "layers '%s': the network has no %ss", word, kind);
    return error_set(err, STATUS_USAGE, "layers '%s': the %ss are 0 to %llu", word, kind,
                     (unsigned long long)(position - 1));
}

/* `stage:S` and `block:S.B`; *block is -1 for a whole stage. */
static bool parse_place(const char *word, uint64_t *stage, int64_t *block) {
    char part[32];
    *block = -1;
    if (strncmp(word, "stage:", 6) == 0) return text_to_u64(word + 6, stage);
    if (strncmp(word, "block:", 6) != 0) return false;
    uint64_t number;
    size_t length = strcspn(word + 6, ".");
    if (length >= sizeof part || word[6 + length] != '.') return false;
    memcpy(part, word + 6, length);
    part[length] = '\0';
    if (!text_to_u64(part, stage) || !text_to_u64(word + 6 + length + 1, &number) || number > INT32_MAX) return false;
    *block = (int64_t)number;
    return true;
}

/* The stages or blocks there are, for the message: "1 2 3", "1.0 1.1 1.2". */
static bool no_place(const Selection *selection, const char *word, Error *err) {
    bool blocks = strncmp(word, "block:", 6) == 0;
    int stage = -1, block = -1;
    Str known = {0};
    for (size_t i = 0; i < selection->network->layer_count; i++) {
        const Layer *layer = &selection->network->layers[i];
        bool again = layer->stage == stage && (!blocks || layer->block == block);
        if (!selectable(selection, i) || again || layer->stage < 0 || (blocks && layer->block < 0)) continue;
        stage = layer->stage;
        block = layer->block;
        str_addf(&known, blocks ? " %d.%d" : " %d", stage, block);
    }
    if (!str_ok(&known, err)) return false;
    if (known.length > 0)
        error_set(err, STATUS_USAGE, "layers '%s': the %ss are%s", word, blocks ? "block" : "stage", known.text);
    else
        error_set(err, STATUS_USAGE, "layers '%s': the layers' names tell of no %ss", word, blocks ? "block" : "stage");
    str_done(&known);
    return false;
}

/* Marks what one entry (without its leading "-") names. A layer's exact name comes before every other meaning. */
static bool mark_entry(const Selection *selection, const char *word, Error *err) {
    const Network *network = selection->network;
    uint64_t first, last, stage;
    int64_t block;
    size_t marked = 0, refused = 0;
    LayerKind other = LAYER_LINEAR;
    bool place = parse_place(word, &stage, &block), named = false;
    for (size_t i = 0; i < network->layer_count; i++) named = named || strcmp(network->layers[i].name, word) == 0;
    if (!named && parse_range(word, &first, &last)) return mark_range(selection, word, first, last, err);
    for (size_t i = 0; i < network->layer_count; i++) {
        const Layer *layer = &network->layers[i];
        bool match;
        if (named)
            match = strcmp(layer->name, word) == 0;
        else if (place)
            match = layer->stage >= 0 && (uint64_t)layer->stage == stage && (block < 0 || layer->block == block);
        else
            match = strcmp(word, "all") == 0 || text_glob(word, layer->name) ||
                    (strcmp(word, "convolutions") == 0 && is_convolution(network, i));
        selection->marks[i] = match && selectable(selection, i);
        marked += selection->marks[i];
        if (!match || selectable(selection, i)) continue;
        refused++;
        other = layer->kind;
    }
    if (marked > 0) return true;
    if (refused > 0)
        return error_set(err, STATUS_USAGE, "layers '%s': %s %s layer; convolutions are asked for", word,
                         other == LAYER_ATTENTION || other == LAYER_EMBEDDING ? "an" : "a", layer_kind_name(other));
    if (place) return no_place(selection, word, err);
    return no_layer(network, word, selection->convolutions_only, err);
}

/* Adds (or takes out) what one entry names. */
static bool apply_entry(const Selection *selection, const char *word, bool out, bool *chosen, Error *err) {
    memset(selection->marks, 0, selection->network->layer_count);
    if (!mark_entry(selection, word, err)) return false;
    for (size_t i = 0; i < selection->network->layer_count; i++)
        if (selection->marks[i]) chosen[i] = !out;
    return true;
}

/* The entries of one sign: first those that choose, then those that leave out. *seen counts them. */
static bool apply_sign(const Selection *selection, const char *selector, bool out, bool *chosen, size_t *seen,
                       Error *err) {
    bool done = true;
    for (const char *entry = selector; done && entry;) {
        size_t length = strcspn(entry, ",");
        const char *next = entry[length] == ',' ? entry + length + 1 : NULL;
        for (; length > 0 && *entry == ' '; length--) entry++;
        while (length > 0 && entry[length - 1] == ' ') length--;
        bool negative = length > 0 && *entry == '-';
        if (length == (size_t)negative) return error_set(err, STATUS_USAGE, "layers '%s': an entry is empty", selector);
        if (negative == out) {
            char *word = mem_copy_bytes(entry + negative, length - (size_t)negative, err);
            done = word && apply_entry(selection, word, out, chosen, err);
            mem_free(word);
            ++*seen;
        }
        entry = next;
    }
    return done;
}

/* What is chosen where no layer is named. */
static void choose_all(const Selection *selection, LayerChoice choice, bool *chosen) {
    const Network *network = selection->network;
    bool some = false;
    for (size_t i = 0; i < network->layer_count; i++) some = some || is_convolution(network, i);
    for (size_t i = 0; i < network->layer_count; i++)
        chosen[i] = choice == CHOOSE_LAYERS || is_convolution(network, i) || (choice == CHOOSE_ANY && !some);
}

bool layer_select(const Network *network, const char *selector, LayerChoice choice, bool *chosen, Error *err) {
    bool *work = mem_alloc((uint64_t)network->layer_count * 2, sizeof *work, err);
    if (!work) return false;
    const bool convolutions_only = choice == CHOOSE_CONVOLUTIONS;
    Selection selection = {network, convolutions_only, work + network->layer_count};
    size_t chosen_by = 0, left_out_by = 0, count = 0;
    bool done = !selector || apply_sign(&selection, selector, false, work, &chosen_by, err);
    if (done && chosen_by == 0) choose_all(&selection, choice, work);
    if (done && selector) done = apply_sign(&selection, selector, true, work, &left_out_by, err);
    for (size_t i = 0; i < network->layer_count; i++) count += work[i];
    if (done && count == 0)
        done = selector ? error_set(err, STATUS_USAGE, "layers '%s': none is left", selector)
                        : error_set(err, STATUS_USAGE, "the network has no %slayers",
                                    convolutions_only ? "convolution " : "");
    if (done) memcpy(chosen, work, network->layer_count * sizeof *chosen);
    mem_free(work);
    return done;
}
