/* tensor -- dense float32 arrays with counted references, and the memory that lazy ones share. */
#include "weft/base/tensor.h"

#include <pthread.h>
#include <string.h>

#include "memory.h"
#include "spill.h"
#include "weft/base/error.h"
#include "weft/base/memory.h"
#include "weft/base/size.h"

/* What a lazy tensor has beyond others. All but `source` is guarded by `lock`. */
typedef struct LazyTensor {
    TensorSource *source;
    Tensor *tensor;
    unsigned pins;
    bool reading;                     /* a thread reads the values; the others wait */
    struct LazyTensor *newer, *older; /* in the list of those that are in memory and not pinned */
} LazyTensor;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static LazyTensor *newest, *oldest;
static uint64_t kept; /* bytes of lazy tensors in memory, pinned ones too */

/* ---- making ------------------------------------------------------------------------------------------------------ */

/* Everything but the values. */
static Tensor *make_shape(unsigned rank, const uint64_t *dim, Error *err) {
    uint64_t count;
    if (rank > TENSOR_RANK_MAX) {
        error_set(err, STATUS_LIMIT, "a tensor of rank %u, limit %d", rank, TENSOR_RANK_MAX);
        return NULL;
    }
    if (!size_product(dim, rank, &count)) {
        error_set(err, STATUS_LIMIT, "a tensor with too many elements");
        return NULL;
    }
    Tensor *tensor = mem_alloc(1, sizeof *tensor, err);
    if (!tensor) return NULL;
    tensor->rank = rank;
    if (rank > 0) memcpy(tensor->dim, dim, rank * sizeof *dim);
    tensor->count = count;
    tensor->references = 1;
    return tensor;
}

Tensor *tensor_new(unsigned rank, const uint64_t *dim, Error *err) {
    Tensor *tensor = make_shape(rank, dim, err);
    if (!tensor) return NULL;
    tensor->data = mem_alloc(tensor->count, sizeof *tensor->data, err);
    if (tensor->data) return tensor;
    mem_free(tensor);
    return NULL;
}

Tensor *tensor_lazy(unsigned rank, const uint64_t *dim, TensorSource *source, Error *err) {
    Tensor *tensor = make_shape(rank, dim, err);
    if (tensor && (tensor->lazy = mem_alloc(1, sizeof *tensor->lazy, err))) {
        *tensor->lazy = (LazyTensor){.source = source, .tensor = tensor};
        return tensor;
    }
    mem_free(tensor);
    source->free(source);
    return NULL;
}

Tensor *tensor_share(Tensor *tensor) {
    __atomic_fetch_add(&tensor->references, 1, __ATOMIC_RELAXED);
    return tensor;
}

/* ---- what is in memory ------------------------------------------------------------------------------------------- */

static uint64_t bytes_of(const Tensor *tensor) {
    return tensor->count * sizeof *tensor->data; /* fits: it was allocated */
}

/* Under the lock, as all of this section. */
static void unlist(LazyTensor *lazy) {
    *(lazy->newer ? &lazy->newer->older : &newest) = lazy->older;
    *(lazy->older ? &lazy->older->newer : &oldest) = lazy->newer;
    lazy->newer = lazy->older = NULL;
}

static void list_newest(LazyTensor *lazy) {
    lazy->older = newest;
    *(newest ? &newest->newer : &oldest) = lazy;
    newest = lazy;
}

static void forget(LazyTensor *lazy) {
    kept -= bytes_of(lazy->tensor);
    mem_free(lazy->tensor->data);
    lazy->tensor->data = NULL;
}

/* Gives memory back until `more` bytes have room, or nothing is left to give. */
static void make_room(uint64_t more) {
    const uint64_t budget = mem_keep_budget(), used = mem_working();
    while (oldest && (used >= budget || kept + more > budget - used)) {
        LazyTensor *lazy = oldest;
        unlist(lazy);
        forget(lazy);
    }
}

static void free_lazy(Tensor *tensor) {
    LazyTensor *lazy = tensor->lazy;
    pthread_mutex_lock(&lock);
    if (tensor->data) {
        unlist(lazy);
        forget(lazy);
    }
    pthread_mutex_unlock(&lock);
    lazy->source->free(lazy->source);
    mem_free(lazy);
}

void tensor_release(Tensor *tensor) {
    if (!tensor || __atomic_sub_fetch(&tensor->references, 1, __ATOMIC_ACQ_REL) > 0) return;
    if (tensor->lazy)
        free_lazy(tensor);
    else
        mem_free(tensor->data);
    mem_free(tensor);
}

uint64_t tensor_kept(void) {
    pthread_mutex_lock(&lock);
    const uint64_t bytes = kept;
    pthread_mutex_unlock(&lock);
    return bytes;
}

void tensor_give_back(void) {
    pthread_mutex_lock(&lock);
    make_room(0);
    pthread_mutex_unlock(&lock);
}

bool tensor_spill(Tensor *tensor, Error *err) {
    if (tensor->lazy) return true;
    LazyTensor *lazy = mem_alloc(1, sizeof *lazy, err);
    TensorSource *source = lazy ? spill_write(tensor->data, tensor->count, err) : NULL;
    if (!source) {
        mem_free(lazy);
        return false;
    }
    *lazy = (LazyTensor){.source = source, .tensor = tensor};
    tensor->lazy = lazy;
    pthread_mutex_lock(&lock);
    kept += bytes_of(tensor);
    list_newest(lazy);
    make_room(0);
    pthread_mutex_unlock(&lock);
    return true;
}

/* ---- pinning ----------------------------------------------------------------------------------------------------- */

/* With the lock, which is open while the values are read. */
static bool read_all(LazyTensor *lazy, Error *err) {
    Tensor *tensor = lazy->tensor;
    lazy->reading = true;
    make_room(bytes_of(tensor));
    kept += bytes_of(tensor);
    pthread_mutex_unlock(&lock);
    float *data = mem_alloc(tensor->count, sizeof *data, err);
    const bool done = data && lazy->source->read(lazy->source, 0, tensor->count, data, err);
    pthread_mutex_lock(&lock);
    lazy->reading = false;
    tensor->data = data;
    if (!done) forget(lazy);
    pthread_cond_broadcast(&changed);
    return done;
}

bool tensor_pin(const Tensor *tensor, Error *err) {
    LazyTensor *lazy = tensor->lazy;
    bool done = true;
    if (!lazy) return true;
    pthread_mutex_lock(&lock);
    while (lazy->reading) pthread_cond_wait(&changed, &lock);
    if (!tensor->data)
        done = read_all(lazy, err);
    else if (lazy->pins == 0)
        unlist(lazy);
    if (done) lazy->pins++;
    pthread_mutex_unlock(&lock);
    return done;
}

void tensor_unpin(const Tensor *tensor) {
    LazyTensor *lazy = tensor->lazy;
    if (!lazy) return;
    pthread_mutex_lock(&lock);
    if (--lazy->pins == 0) {
        list_newest(lazy);
        make_room(0);
    }
    pthread_mutex_unlock(&lock);
}

bool tensor_streams(const Tensor *tensor) {
    if (!tensor->lazy) return false;
    pthread_mutex_lock(&lock);
    const bool free = tensor->lazy->pins == 0;
    pthread_mutex_unlock(&lock);
    return free;
}

bool tensor_computed(const Tensor *tensor) {
    return tensor->lazy && tensor->lazy->source->computed;
}

const float *tensor_span(const Tensor *tensor, uint64_t first, uint64_t count, float *room, Error *err) {
    LazyTensor *lazy = tensor->lazy;
    if (!lazy) return tensor->data + first;
    pthread_mutex_lock(&lock);
    const bool here = tensor->data && !lazy->reading;
    if (here && lazy->pins++ == 0) unlist(lazy);
    pthread_mutex_unlock(&lock);
    if (!here) return count == 0 || lazy->source->read(lazy->source, first, count, room, err) ? room : NULL;
    memcpy(room, tensor->data + first, count * sizeof *room);
    tensor_unpin(tensor);
    return room;
}

/* ---- going through ----------------------------------------------------------------------------------------------- */

bool tensor_walk_begin(TensorWalk *walk, const Tensor *a, const Tensor *b, Error *err) {
    *walk = (TensorWalk){.tensor = {a, b}};
    for (int i = 0; i < 2 && walk->tensor[i]; i++) {
        const uint64_t most = a->count < TENSOR_SPAN ? a->count : TENSOR_SPAN;
        if (walk->tensor[i]->lazy && !(walk->room[i] = mem_alloc(most, sizeof(float), err))) return false;
    }
    return true;
}

bool tensor_walk_next(TensorWalk *walk, Error *err) {
    const Tensor *a = walk->tensor[0], *b = walk->tensor[1];
    walk->first = walk->next;
    walk->count = a->count - walk->first < TENSOR_SPAN ? a->count - walk->first : TENSOR_SPAN;
    walk->next += walk->count;
    if (walk->count == 0) return true;
    walk->a = tensor_span(a, walk->first, walk->count, walk->room[0], err);
    walk->b = walk->a && b ? tensor_span(b, walk->first, walk->count, walk->room[1], err) : NULL;
    return walk->a && (walk->b || !b);
}

void tensor_walk_end(TensorWalk *walk) {
    mem_free(walk->room[0]);
    mem_free(walk->room[1]);
}
