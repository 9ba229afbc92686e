/* tensors -- the tensors of a network: read from a checkpoint or found in it, looked up, tied to one another, replaced.
 *
 * Every tensor is worked with as float32. What float32 does not bring back bit for bit is kept as the bytes it was read
 * from, for saving: integers, doubles, odd NaNs of small floats. Tied tensors (two names of one) share one Tensor.
 */
#include "net/internal.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "weft/base/dtype.h"
#include "weft/base/error.h"
#include "weft/base/map.h"
#include "weft/base/memory.h"
#include "weft/base/size.h"
#include "weft/base/tensor.h"
#include "weft/base/text.h"

/* ---- loading ----------------------------------------------------------------------------------------------------- */

/* A network of up to SMALL_MOST bytes, and up to this part of what may be kept, is read at once. */
enum { SMALL_PART = 16, SMALL_MOST = 256 << 20 };

static bool is_integer(DType type) {
    return type == DTYPE_BOOL || dtype_integer(type);
}

/* Complex and sub-byte elements cannot be used as numbers. */
static bool is_number(DType type) {
    return is_integer(type) || dtype_float(type);
}

static uint64_t stored_size(const CheckpointTensor *entry) {
    return entry->count * dtype_bits(entry->dtype) / 8; /* the checkpoint has seen that this does not overflow */
}

static bool comes_back(DType type, const Tensor *tensor, const void *bytes, Error *err) {
    const uint64_t length = tensor->count * dtype_bits(type) / 8;
    void *back = mem_alloc(length, 1, err);
    if (!back) return false;
    dtype_from_f32(type, tensor->data, tensor->count, back);
    const bool same = length == 0 || memcmp(back, bytes, length) == 0;
    mem_free(back);
    return same;
}

/* Tensors of another dtype than float32: the bytes are kept where they must be. */
static bool load_converted(Checkpoint *checkpoint, size_t index, NetTensor *out, Error *err) {
    const CheckpointTensor *entry = checkpoint_tensor(checkpoint, index);
    StoredBytes *bytes = bytes_new(stored_size(entry), err);
    out->tensor = bytes ? tensor_new(entry->rank, entry->dim, err) : NULL;
    bool done = out->tensor && checkpoint_read(checkpoint, index, bytes_memory(bytes), err) &&
                dtype_to_f32(entry->dtype, bytes_memory(bytes), entry->count, out->tensor->data, err);
    Error none = {.status = STATUS_OK};
    if (done && (is_integer(entry->dtype) || !comes_back(entry->dtype, out->tensor, bytes_memory(bytes), &none)))
        out->bytes = bytes_share(bytes);
    bytes_release(bytes);
    return done;
}

/* At its place in the file; *lazy stays false where it has none. */
static bool load_lazy(Checkpoint *checkpoint, size_t index, NetTensor *out, bool *lazy, Error *err) {
    const CheckpointTensor *entry = checkpoint_tensor(checkpoint, index);
    CheckpointPlace place;
    *lazy = entry->count > 0 && checkpoint_place(checkpoint, index, &place);
    if (!*lazy) return true;
    out->bytes = bytes_at(&place, entry->name, err);
    if (out->bytes) out->tensor = bytes_tensor(out->bytes, entry->dtype, entry->rank, entry->dim, err);
    return out->tensor != NULL;
}

/* `place`: 1 + the position in the network of each of the checkpoint's tensors that was read already, else 0. */
static bool load_tensor(Network *network, Checkpoint *checkpoint, size_t index, bool lazy, size_t *place, Error *err) {
    const CheckpointTensor *entry = checkpoint_tensor(checkpoint, index);
    NetTensor *out = &network->tensors[network->tensor_count++];
    out->stored = entry->dtype;
    out->name = mem_copy_text(entry->name, err);
    if (!out->name) return false;
    place[index] = network->tensor_count;
    const size_t twin = entry->shares_with;
    if (twin < index && place[twin] && entry->count > 0) {
        out->tied = place[twin];
        out->tensor = tensor_share(network->tensors[out->tied - 1].tensor);
        out->bytes = bytes_share(network->tensors[out->tied - 1].bytes);
        return true;
    }
    if (lazy && (!load_lazy(checkpoint, index, out, &lazy, err) || lazy)) return lazy && out->tensor;
    if (entry->dtype != DTYPE_F32) return load_converted(checkpoint, index, out, err);
    out->tensor = checkpoint_read_tensor(checkpoint, index, err);
    return out->tensor != NULL;
}

static bool load_carried(Network *network, Checkpoint *checkpoint, size_t index, bool lazy, Error *err) {
    const CheckpointTensor *entry = checkpoint_tensor(checkpoint, index);
    CarriedTensor *out = &network->carried[network->carried_count++];
    *out = (CarriedTensor){.dtype = entry->dtype, .rank = entry->rank};
    if (entry->rank > 0) memcpy(out->dim, entry->dim, entry->rank * sizeof *entry->dim);
    out->name = mem_copy_text(entry->name, err);
    CheckpointPlace place;
    lazy = lazy && checkpoint_place(checkpoint, index, &place);
    if (out->name) out->bytes = lazy ? bytes_at(&place, entry->name, err) : bytes_new(stored_size(entry), err);
    if (lazy) return out->bytes != NULL;
    return out->bytes && checkpoint_read(checkpoint, index, bytes_memory(out->bytes), err);
}

static bool note_carried(Network *network, Error *err) {
    NameList list = {.head = "weft cannot compute with these tensors; save copies them"};
    for (size_t i = 0; i < network->carried_count; i++)
        name_list_add(&list, network->carried[i].name, "%s", dtype_name(network->carried[i].dtype));
    return name_list_note(&list, network, err);
}

/* The optimiser's arrays in a trainer's checkpoint. */
static bool is_state(const Checkpoint *checkpoint, const CheckpointTensor *entry) {
    return strncmp(entry->name, "state.", 6) == 0 && checkpoint_metadata_find(checkpoint, "weft.run");
}

/* Bytes that the tensors will take: float32, and the stored bytes of all that may need them. `lazy`: only those that
 * have no place in the file. */
static uint64_t bytes_needed(const Checkpoint *checkpoint, bool lazy, size_t *carried) {
    uint64_t total = 0;
    CheckpointPlace place;
    *carried = 0;
    for (size_t i = 0; i < checkpoint_count(checkpoint); i++) {
        const CheckpointTensor *entry = checkpoint_tensor(checkpoint, i);
        if (is_state(checkpoint, entry) || (entry->shares_with < i && is_number(entry->dtype))) continue;
        uint64_t bytes = 0;
        if (is_number(entry->dtype) && !size_mul(entry->count, sizeof(float), &bytes)) bytes = UINT64_MAX;
        if (!is_number(entry->dtype)) ++*carried;
        if (lazy && checkpoint_place(checkpoint, i, &place)) continue;
        if (entry->dtype != DTYPE_F32 && !size_add(bytes, stored_size(entry), &bytes)) bytes = UINT64_MAX;
        if (!size_add(total, bytes, &total)) total = UINT64_MAX;
    }
    return total;
}

/* A small network is read at once: its file may change then, and nothing waits for the disk later. */
static bool is_small(uint64_t bytes) {
    const uint64_t most = mem_keep_budget() / SMALL_PART;
    return bytes <= most && bytes <= SMALL_MOST;
}

static bool none_usable(const Network *network, const Checkpoint *checkpoint, Error *err) {
    if (network->carried_count == 0)
        return error_set(err, STATUS_BAD_INPUT, "%s: has no tensors", checkpoint_path(checkpoint));
    return error_set(err, STATUS_BAD_INPUT, "%s: no tensor can be used: '%s': %s values cannot be used as numbers",
                     checkpoint_path(checkpoint), network->carried[0].name, dtype_name(network->carried[0].dtype));
}

bool network_load_tensors(Network *network, Checkpoint *checkpoint, bool lazy, bool always, Error *err) {
    const size_t count = checkpoint_count(checkpoint);
    size_t carried, *place = NULL;
    uint64_t bytes = bytes_needed(checkpoint, false, &carried);
    lazy = lazy && (always || !is_small(bytes));
    if (lazy) bytes = bytes_needed(checkpoint, true, &carried);
    bool done = mem_admit(bytes, checkpoint_path(checkpoint), err) &&
                (network->tensors = mem_alloc(count, sizeof *network->tensors, err)) &&
                (network->carried = mem_alloc(carried, sizeof *network->carried, err)) &&
                (place = mem_alloc(count, sizeof *place, err));
    for (size_t i = 0; done && i < count; i++) {
        const CheckpointTensor *entry = checkpoint_tensor(checkpoint, i);
        if (is_state(checkpoint, entry)) continue;
        done = is_number(entry->dtype) ? load_tensor(network, checkpoint, i, lazy, place, err)
                                       : load_carried(network, checkpoint, i, lazy, err);
    }
    mem_free(place);
    if (done && network->tensor_count == 0) return none_usable(network, checkpoint, err);
    return done && note_carried(network, err);
}

/* ---- ties of a file ---------------------------------------------------------------------------------------------- */

/* The tensor that metadata entry `entry` gives one more name: {"head.weight": "embed.weight"}, as safetensors' own
 * saving of whole models writes it; `own`: the file is weft's. NULL where it is no such entry. */
static const NetTensor *tie_of(const TensorNames *names, const KeyValue *entry, bool own) {
    size_t index;
    if (!own && (!strchr(entry->key, '.') || !strchr(entry->value, '.'))) return NULL; /* a title, perhaps */
    if (strcmp(entry->key, "format") == 0 || tensor_names_find(names, entry->key, &index)) return NULL;
    return tensor_names_find(names, entry->value, &index) ? &names->network->tensors[index] : NULL;
}

static bool add_tie(Network *network, size_t twin, const char *name, Error *err) {
    NetTensor *out = &network->tensors[network->tensor_count];
    const NetTensor *of = &network->tensors[twin];
    *out = (NetTensor){.name = mem_copy_text(name, err), .stored = of->stored};
    if (!out->name) return false;
    network->tensor_count++;
    out->tensor = tensor_share(of->tensor);
    out->bytes = bytes_share(of->bytes);
    out->tied = of->tied ? of->tied : twin + 1;
    return true;
}

bool network_load_ties(Network *network, const Checkpoint *checkpoint, Error *err) {
    TensorNames names;
    size_t capacity = network->tensor_count, more = 0, loaded = network->tensor_count;
    size_t *twins = mem_alloc(checkpoint_metadata_count(checkpoint), sizeof *twins, err);
    if (!twins || !tensor_names_begin(&names, network, err)) {
        mem_free(twins);
        return false;
    }
    const bool own = checkpoint_metadata_find(checkpoint, "weft.lineage") != NULL;
    for (size_t i = 0; i < checkpoint_metadata_count(checkpoint); i++) {
        const NetTensor *of = tie_of(&names, checkpoint_metadata(checkpoint, i), own);
        twins[i] = of ? (size_t)(of - network->tensors) + 1 : 0;
        more += of != NULL;
    }
    tensor_names_done(&names);
    bool done = more == 0 || mem_grow(&network->tensors, &capacity, loaded + more, sizeof *network->tensors, err);
    for (size_t i = 0; done && more > 0 && i < checkpoint_metadata_count(checkpoint); i++)
        if (twins[i]) done = add_tie(network, twins[i] - 1, checkpoint_metadata(checkpoint, i)->key, err);
    mem_free(twins);
    return done;
}

/* ---- names ------------------------------------------------------------------------------------------------------- */

static int by_name(const void *a, const void *b) {
    return strcmp((*(const NetTensor *const *)a)->name, (*(const NetTensor *const *)b)->name);
}

bool tensor_names_begin(TensorNames *names, const Network *network, Error *err) {
    *names = (TensorNames){network, mem_alloc(network->tensor_count, sizeof *names->sorted, err)};
    if (!names->sorted) return false;
    for (size_t i = 0; i < network->tensor_count; i++) names->sorted[i] = &network->tensors[i];
    if (network->tensor_count > 0) qsort(names->sorted, network->tensor_count, sizeof *names->sorted, by_name);
    return true;
}

void tensor_names_done(TensorNames *names) {
    mem_free(names->sorted);
}

bool tensor_names_find(const TensorNames *names, const char *name, size_t *index) {
    const NetTensor key = {.name = (char *)(uintptr_t)name}, *wanted = &key;
    if (names->network->tensor_count == 0) return false;
    const NetTensor *const *found =
        bsearch(&wanted, names->sorted, names->network->tensor_count, sizeof wanted, by_name);
    if (found) *index = (size_t)(*found - names->network->tensors);
    return found != NULL;
}

size_t tensor_names_below(const TensorNames *names, const char *prefix, size_t length) {
    size_t low = 0, high = names->network->tensor_count;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        if (strncmp(names->sorted[middle]->name, prefix, length) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    high = low;
    while (high < names->network->tensor_count && strncmp(names->sorted[high]->name, prefix, length) == 0) high++;
    return high - low;
}

/* ---- lists for people -------------------------------------------------------------------------------------------- */

enum { LISTED_MAX = 12 };

void name_list_clear(NameList *list) {
    str_done(&list->text);
    list->count = 0;
}

void name_list_add(NameList *list, const char *name, const char *format, ...) {
    va_list args;
    if (list->count++ >= LISTED_MAX) return;
    Str entry = {0};
    str_addf(&entry, "'%s' (", name);
    va_start(args, format);
    str_addv(&entry, format, args);
    va_end(args);
    str_addf(&list->text, "%s", list->count == 1 ? "" : ", ");
    str_add_escaped(&list->text, str_text(&entry), entry.length);
    str_add(&list->text, ")");
    if (entry.failed) list->text.failed = true;
    str_done(&entry);
}

void name_list_text(const NameList *list, Str *out) {
    str_addf(out, "%s: %s", list->head, str_text(&list->text));
    if (list->count > LISTED_MAX) str_addf(out, " and %zu more", list->count - LISTED_MAX);
}

bool name_list_note(NameList *list, Network *network, Error *err) {
    Str note = {0};
    bool done = true;
    if (list->count > 0) {
        name_list_text(list, &note);
        done = network_add_note(network, "note", &note, err) && str_ok(&list->text, err);
    }
    str_done(&list->text);
    return done;
}

/* ---- changing ---------------------------------------------------------------------------------------------------- */

bool network_copy_tensors(Network *copy, const Network *network, Error *err) {
    if (!(copy->tensors = mem_alloc(network->tensor_count, sizeof *copy->tensors, err)) ||
        !(copy->carried = mem_alloc(network->carried_count, sizeof *copy->carried, err)))
        return false;
    for (size_t i = 0; i < network->tensor_count; i++) {
        const NetTensor *from = &network->tensors[i];
        NetTensor *to = &copy->tensors[i];
        to->name = mem_copy_text(from->name, err);
        if (!to->name) return false;
        to->tensor = tensor_share(from->tensor);
        to->bytes = bytes_share(from->bytes);
        to->stored = from->stored;
        to->tied = from->tied;
        copy->tensor_count++;
    }
    for (size_t i = 0; i < network->carried_count; i++) {
        CarriedTensor *to = &copy->carried[i];
        *to = network->carried[i];
        to->name = mem_copy_text(network->carried[i].name, err);
        if (!to->name) return false;
        bytes_share(to->bytes);
        copy->carried_count++;
    }
    return true;
}

void net_tensor_done(NetTensor *tensor) {
    mem_free(tensor->name);
    tensor_release(tensor->tensor);
    bytes_release(tensor->bytes);
    *tensor = (NetTensor){0};
}

void network_free_tensors(Network *network) {
    for (size_t i = 0; i < network->tensor_count; i++) net_tensor_done(&network->tensors[i]);
    for (size_t i = 0; i < network->carried_count; i++) {
        mem_free(network->carried[i].name);
        bytes_release(network->carried[i].bytes);
    }
    mem_free(network->tensors);
    mem_free(network->carried);
}

bool network_drop_tensors(Network *network, Graph *graph, const bool *drop, Error *err) {
    size_t kept = 0, *place = mem_alloc(network->tensor_count, sizeof *place, err);
    if (!place) return false;
    for (size_t i = 0; i < network->tensor_count; i++) {
        NetTensor tensor = network->tensors[i];
        if (drop[i]) {
            net_tensor_done(&tensor);
            continue;
        }
        if (tensor.tied) tensor.tied = place[tensor.tied - 1]; /* 0 where the other is gone: it is its own then */
        place[i] = kept + 1;
        network->tensors[kept++] = tensor;
    }
    network->tensor_count = kept;
    for (size_t i = 0; graph && i < graph->count; i++)
        for (int k = 0; k < OP_TENSORS; k++) {
            int *tensor = &graph->ops[i].tensors[k];
            if (*tensor != NO_TENSOR) *tensor = (int)place[*tensor] - 1;
        }
    mem_free(place);
    return true;
}

void tensor_put(Network *network, size_t index, Tensor *tensor) {
    NetTensor *slot = &network->tensors[index];
    if (!dtype_float(slot->stored)) slot->stored = DTYPE_F32;
    tensor_release(slot->tensor);
    bytes_release(slot->bytes);
    slot->tensor = tensor;
    slot->bytes = NULL;
    for (size_t i = 0; i < network->layer_count; i++)
        if (network->layers[i].tensor == index) network->layers[i].bits = 0;
}

void network_replace(Network *network, size_t index, Tensor *tensor) {
    const NetTensor *slot = &network->tensors[index];
    assert(index < network->tensor_count && slot->tensor->rank == tensor->rank &&
           memcmp(slot->tensor->dim, tensor->dim, tensor->rank * sizeof *tensor->dim) == 0);
    const size_t first = slot->tied ? slot->tied - 1 : index;
    for (size_t i = first + 1; i < network->tensor_count; i++)
        if (network->tensors[i].tied == first + 1) tensor_put(network, i, tensor_share(tensor));
    tensor_put(network, first, tensor);
}

/* ---- all in memory ----------------------------------------------------------------------------------------------- */

typedef struct Holding {
    const Network *network;
    bool *held; /* of each tensor */
} Holding;

static bool hold_one(void *context, size_t point, Error *err) {
    Holding *holding = context;
    return holding->held[point] = tensor_pin(holding->network->tensors[point].tensor, err);
}

bool network_hold(const Network *network, const char *name, const Task *task, Error *err) {
    uint64_t bytes = 0;
    for (size_t i = 0; i < network->tensor_count; i++)
        if (network->tensors[i].tensor->lazy && !network->tensors[i].tied)
            bytes += network->tensors[i].tensor->count * sizeof(float);
    if (bytes == 0) return true;
    Holding holding = {network, mem_alloc(network->tensor_count, sizeof(bool), err)};
    const bool done = holding.held && mem_admit(bytes, name, err) &&
                      map_points(network->tensor_count, NULL, hold_one, &holding, "reading", task, err);
    for (size_t i = 0; holding.held && !done && i < network->tensor_count; i++)
        if (holding.held[i]) tensor_unpin(network->tensors[i].tensor);
    mem_free(holding.held);
    return done;
}

void network_unhold(const Network *network) {
    for (size_t i = 0; i < network->tensor_count; i++) tensor_unpin(network->tensors[i].tensor);
}

bool network_lazy(const Network *network) {
    for (size_t i = 0; i < network->tensor_count; i++)
        if (network->tensors[i].tensor->lazy) return true;
    return false;
}

/* ---- asking ------------------------------------------------------------------------------------------------------ */

bool network_integer(const Network *network, size_t tensor) {
    return is_integer(network->tensors[tensor].stored);
}

bool network_trainable(const Network *network, size_t tensor) {
    const NetTensor *one = &network->tensors[tensor];
    return !is_integer(one->stored) && !text_ends_with(one->name, "running_mean") &&
           !text_ends_with(one->name, "running_var") && !text_ends_with(one->name, "num_batches_tracked");
}

uint64_t network_parameters(const Network *network) {
    uint64_t total = 0;
    for (size_t i = 0; i < network->tensor_count; i++)
        if (network_trainable(network, i) && !network->tensors[i].tied) total += network->tensors[i].tensor->count;
    return total;
}
