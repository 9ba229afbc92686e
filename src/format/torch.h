/* torch -- what the three PyTorch readers share: storages, tensors on them, and which dict holds the weights.
 *
 * Each reader interprets one pickle, lists the storages it refers to, finds each one's bytes, and then calls
 * torch_add_tensors. Errors do not name the file. Private to src/format.
 */
#ifndef WEFT_FORMAT_TORCH_H
#define WEFT_FORMAT_TORCH_H

#include "format/checkpoint.h"
#include "format/pickle.h"
#include "format/zip.h"
#include "weft/base/dtype.h"
#include "weft/base/error.h"
#include "weft/base/file.h"
#include "weft/base/tensor.h"
#include "weft/base/text.h"

typedef struct TorchStorage {
    const PickleNode *key; /* a short text; NULL in tar files */
    const PickleGlobal *kind;
    uint64_t elements, bytes; /* as the pickle declares them */
    uint64_t offset;          /* legacy: of the data in the file, once it is found; else 0 */
    size_t member;            /* zip: the record */
} TorchStorage;

typedef struct TorchTensor {
    size_t storage;
    uint64_t offset;         /* in elements of the tensor's type */
    const uint64_t *stride;  /* of each dimension, also in elements */
    const PickleNode *array; /* of NumPy, in the pickle itself: then the three above are nothing; else NULL */
} TorchTensor;

/* A tensor's place before it has been checked. */
typedef struct TorchShape {
    DType dtype;
    unsigned rank;
    uint64_t dim[TENSOR_RANK_MAX], stride[TENSOR_RANK_MAX];
} TorchShape;

typedef struct Torch Torch;
struct Torch {
    Pickle *pickle;
    TorchStorage *storages; /* in the order of the stream, backwards */
    size_t storage_count;
    uint32_t *slots; /* a hash table by key: index + 1 of a storage, 0 free */
    size_t slot_count;
    TorchTensor *tensors; /* as the checkpoint's */
    size_t tensor_count, tensor_capacity;
    uint64_t name_bytes;
    uint8_t *network; /* while choosing, by node number: 1 not a network, 2 a network */
    bool swap;        /* data is big-endian */

    const File *text; /* where the pickle's long strings are; NULL: it has none. `text_owned`: closed with it */
    File *text_owned;
    void *text_bytes;
    const File *file; /* legacy and tar; borrowed */
    Zip *zip;         /* zip; owned */
    uint8_t *cache;   /* zip: the bytes of one storage */
    size_t cached;
    /* Bytes [from, from + length) of a storage. */
    bool (*fetch)(Torch *torch, const TorchStorage *storage, uint64_t from, uint64_t length, void *out, Error *err);
    /* Tar: the record of the tensor whose persistent id is its key as a text; NULL in files of other formats. */
    bool (*record)(const Torch *torch, const PickleNode *id, const char *name, TorchTensor *out, TorchShape *shape,
                   Error *err);

    struct TarTensor *tar; /* the tensors of a tar file by their keys (torch_tar.c); else NULL */
    size_t tar_count;
};

/* torch_storage.c: lists the storages of the pickle's persistent ids, which must have `items_min` to `items_max` items.
 */
bool torch_list_storages(Torch *torch, uint32_t items_min, uint32_t items_max, Error *err);
TorchStorage *torch_find_storage(const Torch *torch, const PickleNode *key);
bool torch_is_short_text(const PickleNode *node); /* as keys are, without NUL */

/* torch.c: finds the state dict (`key`: the dotted path to it, or NULL), adds its tensors and the scalars next to it,
 * and seals the checkpoint, whose `reader` is a Torch. STATUS_USAGE for a missing key. */
bool torch_add_tensors(Checkpoint *checkpoint, const char *key, Error *err);
void torch_free(void *torch);

/* torch_tensor.c: one tensor of the graph, checked against its storage; and its elements. out->stride is not touched:
 * it follows from the shape. */
bool torch_tensor_parse(const Torch *torch, const PickleNode *node, const char *name, TorchTensor *out,
                        TorchShape *shape, Error *err);
bool torch_tensor_read(Checkpoint *checkpoint, size_t index, void *out, Error *err);
bool torch_tensor_place(const Checkpoint *checkpoint, size_t index, CheckpointPlace *out);

/* torch_array.c: the same for a NumPy array. */
bool torch_array_parse(const PickleNode *node, const char *name, TorchShape *shape, Error *err);
bool torch_array_read(const Torch *torch, const PickleNode *node, const CheckpointTensor *tensor, void *out,
                      Error *err);

/* torch_walk.c: a walk, parents first, over what the containers below one hold. A graph that shares nodes has as many
 * names as paths: the walk takes them all, or, with `seen`, each container once. */
typedef struct TorchWalk {
    struct {
        PickleView view;
        size_t name_length; /* of the container */
    } path[PICKLE_DEPTH + 1];
    unsigned depth;
    bool all; /* also containers without tensors */
    uint64_t steps;
    Str name;      /* of the value that torch_walk_next gave, a dotted path */
    uint8_t *seen; /* by node number; may be NULL */
} TorchWalk;
void torch_walk_enter(TorchWalk *walk, const PickleNode *container);
/* The next value, tensor or container (with `all`, any value); *out is NULL at the end. A container is walked next,
 * unless it was seen or torch_walk_leave follows. */
bool torch_walk_next(TorchWalk *walk, const PickleNode **out, Error *err);
void torch_walk_leave(TorchWalk *walk);       /* does not walk the container that torch_walk_next gave */
bool torch_is_script(const PickleNode *node); /* an object of TorchScript */
bool torch_add_key(Str *name, const PickleNode *key, uint32_t index, Error *err); /* appends ".KEY" */

/* torch_choose.c: which container holds the weights. The choice, or NULL with an error; `path` (from {0}) becomes its
 * path from the root. Adds notes with the choice and the other candidates. */
const PickleNode *torch_choose(Checkpoint *checkpoint, const char *key, Str *path, Error *err);
bool torch_is_flat(const PickleNode *node); /* whether it holds tensors with dotted names */
bool torch_is_aside(const char *name);      /* whether it belongs to training rather than to a network */
/* The note of what is neither a tensor nor a plain value, and where. */
bool torch_note_left_out(Checkpoint *checkpoint, const PickleNode *chosen, Error *err);

#endif
