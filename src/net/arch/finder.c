/* finder -- looking tensors up by name and shape. */
#include "net/arch/finder.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAME_MAX_LENGTH = 128 }; /* of the names that architectures ask for */

static int compare_names(const void *a, const void *b) {
    return strcmp(((const FinderName *)a)->name, ((const FinderName *)b)->name);
}

bool finder_init(Finder *finder, const Network *network, Str *why, Error *err) {
    *finder = (Finder){.network = network, .count = network->tensor_count, .why = why};
    finder->names = mem_alloc(finder->count, sizeof *finder->names, err);
    if (!finder->names) return false;
    for (size_t i = 0; i < finder->count; i++)
        finder->names[i] = (FinderName){.name = network->tensors[i].name, .tensor = (int)i};
    qsort(finder->names, finder->count, sizeof *finder->names, compare_names);
    return true;
}

void finder_done(Finder *finder) {
    mem_free(finder->names);
}

static FinderName *find(const Finder *finder, const char *name) {
    const FinderName key = {.name = name};
    return bsearch(&key, finder->names, finder->count, sizeof *finder->names, compare_names);
}

bool finder_has(const Finder *finder, const char *format, ...) {
    char name[NAME_MAX_LENGTH];
    va_list args;
    va_start(args, format);
    vsnprintf(name, sizeof name, format, args);
    va_end(args);
    return find(finder, name) != NULL;
}

void finder_refuse(Finder *finder, const char *format, ...) {
    if (finder->why->length > 0) return;
    va_list args;
    va_start(args, format);
    str_addv(finder->why, format, args);
    va_end(args);
}

/* "16x3x3x3"; N for a dimension of any size. */
static void add_shape(Str *out, unsigned rank, const uint64_t *dim) {
    if (rank == 0) str_add(out, "a scalar");
    for (unsigned i = 0; i < rank; i++) {
        if (i > 0) str_add(out, "x");
        if (dim[i] > 0)
            str_addf(out, "%llu", (unsigned long long)dim[i]);
        else
            str_add(out, "N");
    }
}

static int take(Finder *finder, unsigned rank, const uint64_t *dim, const char *name) {
    FinderName *found = find(finder, name);
    if (!found) {
        finder_refuse(finder, "no tensor '%s'", name);
        return NO_TENSOR;
    }
    const Tensor *tensor = finder_tensor(finder, found->tensor);
    bool fits = tensor->rank == rank && tensor->count > 0;
    for (unsigned i = 0; fits && i < rank; i++) fits = dim[i] == 0 || dim[i] == tensor->dim[i];
    for (unsigned i = 0; fits && i < rank; i++) fits = tensor->dim[i] <= INT32_MAX;
    if (!fits && finder->why->length == 0) {
        str_addf(finder->why, "'%s' is ", name);
        add_shape(finder->why, tensor->rank, tensor->dim);
        str_add(finder->why, ", expected ");
        add_shape(finder->why, rank, dim);
    }
    found->taken = true;
    return fits ? found->tensor : NO_TENSOR;
}

int finder_take(Finder *finder, unsigned rank, const uint64_t *dim, const char *format, ...) {
    char name[NAME_MAX_LENGTH];
    va_list args;
    va_start(args, format);
    vsnprintf(name, sizeof name, format, args);
    va_end(args);
    return take(finder, rank, dim, name);
}

Op finder_batch_norm(Finder *finder, int input, unsigned channels, const char *name) {
    const uint64_t dim[1] = {channels};
    Op op = {.kind = OP_BATCH_NORM, .input = {input}, .out_channels = channels, .epsilon = 1e-5f};
    op.weight = finder_take(finder, 1, dim, "%s.weight", name);
    op.bias = finder_take(finder, 1, dim, "%s.bias", name);
    op.mean = finder_take(finder, 1, dim, "%s.running_mean", name);
    op.variance = finder_take(finder, 1, dim, "%s.running_var", name);
    if (finder_has(finder, "%s.num_batches_tracked", name)) {
        char counter[NAME_MAX_LENGTH];
        snprintf(counter, sizeof counter, "%s.num_batches_tracked", name);
        find(finder, counter)->taken = true; /* a scalar, or of one element in npy files: no matter here */
    }
    return op;
}

bool finder_fits(Finder *finder) {
    for (size_t i = 0; i < finder->network->tensor_count && finder->why->length == 0; i++) {
        const char *name = finder->network->tensors[i].name;
        if (!find(finder, name)->taken) finder_refuse(finder, "tensor '%s' does not belong to it", name);
    }
    return finder->why->length == 0 && !finder->why->failed;
}

const Tensor *finder_tensor(const Finder *finder, int tensor) {
    return finder->network->tensors[tensor].tensor;
}
