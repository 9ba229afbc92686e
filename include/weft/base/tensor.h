/* tensor -- a dense array of float32 numbers, shared by reference; in memory, or read where it is needed.
 *
 * A lazy tensor knows where its values come from (a place in a file, other tensors) and has them in memory only while
 * they are needed. Three ways to them:
 *   tensor_span   a part of the values, without keeping anything: analyses that go through a layer once
 *   tensor_pin    all of them in tensor->data until tensor_unpin: whatever indexes them freely
 *   tensor->data  without either: only for tensors that are not lazy, and while somebody holds the pin
 * What was pinned stays in memory until room is needed (mem_keep_budget); the tensor that was used longest ago goes
 * first.
 */
#ifndef WEFT_TENSOR_H
#define WEFT_TENSOR_H

#include <stdint.h>

#include "weft/base/error.h"

enum { TENSOR_RANK_MAX = 32 };

/* Where the values of a lazy tensor come from; the first member of a larger struct. */
typedef struct TensorSource TensorSource;
struct TensorSource {
    /* `count` values from element `first` on. From any thread, several at once. */
    bool (*read)(TensorSource *source, uint64_t first, uint64_t count, float *out, Error *err);
    void (*free)(TensorSource *source);
    bool computed; /* the values are made of other tensors' whenever they are read */
};

/* Row-major, immutable once shared. Counted references let a smoothed network share every weight it did not change. */
typedef struct Tensor {
    unsigned rank;
    uint64_t dim[TENSOR_RANK_MAX];
    uint64_t count;          /* product of the dimensions */
    float *data;             /* 64-byte aligned; NULL where a lazy tensor is not in memory */
    int references;          /* touched only by tensor_share and tensor_release (atomically) */
    struct LazyTensor *lazy; /* tensor.c's; NULL: the values are in memory for good */
} Tensor;
Tensor *tensor_new(unsigned rank, const uint64_t *dim, Error *err); /* zeroed, one reference */
/* A lazy tensor. Takes `source` over, also on failure. */
Tensor *tensor_lazy(unsigned rank, const uint64_t *dim, TensorSource *source, Error *err);
/* Makes a tensor with values that nobody shares yet lazy: they are written to a temporary file, from which they come
 * back. STATUS_WRITE where it has no room. */
bool tensor_spill(Tensor *tensor, Error *err);
Tensor *tensor_share(Tensor *tensor);
void tensor_release(Tensor *tensor);

/* Puts all values into tensor->data, until tensor_unpin; pins are counted. Does nothing for a tensor that is not lazy.
 * STATUS_BAD_INPUT where its file cannot be read any more, or is another one by now. */
bool tensor_pin(const Tensor *tensor, Error *err);
void tensor_unpin(const Tensor *tensor);

/* Whether it is lazy and nobody holds a pin: its values are read part by part, and what is made of them goes the same
 * way (tensor_spill). */
bool tensor_streams(const Tensor *tensor);
bool tensor_computed(const Tensor *tensor); /* TensorSource.computed */
/* The values from `first` on, `count` of them (first + count <= tensor->count): those in memory, or read into `room`
 * (count floats), which nothing keeps. NULL on failure, as tensor_pin. Parts of TENSOR_SPAN values from multiples of it
 * are read fastest. */
enum { TENSOR_SPAN = 1 << 18 };
const float *tensor_span(const Tensor *tensor, uint64_t first, uint64_t count, float *room, Error *err);

/* Goes through the values of a tensor, or of two of one shape side by side (`b` NULL: one), part by part: begin, then
 * next until *count is 0, then end. Nothing is kept.
 *
 *     TensorWalk walk;
 *     bool done = tensor_walk_begin(&walk, a, b, err);
 *     while (done && (done = tensor_walk_next(&walk, err)) && walk.count > 0) use(walk.a, walk.b, walk.count);
 *     tensor_walk_end(&walk);
 */
typedef struct TensorWalk {
    const Tensor *tensor[2];
    float *room[2];
    uint64_t next;         /* the value that comes next */
    const float *a, *b;    /* the values of this part; b NULL where there is one tensor */
    uint64_t first, count; /* which they are */
} TensorWalk;
bool tensor_walk_begin(TensorWalk *walk, const Tensor *a, const Tensor *b, Error *err);
bool tensor_walk_next(TensorWalk *walk, Error *err);
void tensor_walk_end(TensorWalk *walk);

/* Bytes of lazy tensors that are in memory now. */
uint64_t tensor_kept(void);

#endif
