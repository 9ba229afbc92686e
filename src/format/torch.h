/* torch -- what the two PyTorch readers share: storages, tensors on them, and which dict holds the weights.
 *
 * Both readers interpret one pickle, list the storages it refers to, find each one's bytes, and then call
 * torch_add_tensors. Errors leave the file's name out. Private to src/format.
 */
#ifndef WEFT_FORMAT_TORCH_H
#define WEFT_FORMAT_TORCH_H

#include "format/checkpoint.h"
#include "format/pickle.h"
#include "format/zip.h"

typedef struct TorchStorage {
    const PickleNode *key; /* a short text */
    const PickleGlobal *kind;
    uint64_t elements, bytes; /* as the pickle declares them */
    uint64_t offset;          /* legacy: of the data in the file, once it is found; else 0 */
    size_t member;            /* zip: the record */
} TorchStorage;

typedef struct TorchTensor {
    size_t storage;
    uint64_t offset;          /* in elements of the tensor's type */
    const PickleNode *stride; /* a tuple of rank integers, also in elements */
} TorchTensor;

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
    bool swap; /* data is big-endian */

    const File *file; /* legacy; borrowed */
    Zip *zip;         /* zip; owned */
    uint8_t *cache;   /* zip: the bytes of one storage */
    size_t cached;
    /* Bytes [from, from + length) of a storage. */
    bool (*fetch)(Torch *torch, const TorchStorage *storage, uint64_t from, uint64_t length, void *out, Error *err);
};

/* Lists the storages of the pickle's persistent ids, which must have `items_min` to `items_max` items. */
bool torch_list_storages(Torch *torch, uint32_t items_min, uint32_t items_max, Error *err);
TorchStorage *torch_find_storage(const Torch *torch, const PickleNode *key);
/* Finds the state dict, adds its tensors and the scalars beside it, and seals the checkpoint, whose `reader` is a
 * Torch. */
bool torch_add_tensors(Checkpoint *checkpoint, Error *err);
void torch_free(void *torch);

/* torch_tensor.c: one tensor of the graph, checked against its storage; and its elements. */
bool torch_tensor_parse(const Torch *torch, const PickleNode *node, const char *name, TorchTensor *out, DType *dtype,
                        unsigned *rank, uint64_t dim[TENSOR_RANK_MAX], Error *err);
bool torch_tensor_read(Checkpoint *checkpoint, size_t index, void *out, Error *err);

#endif
