/* finder -- how an architecture looks tensors up: by name and shape, ticking off what it has found, so that what is
 * missing, extra or of another shape is told by name. Private to src/net/arch. */
#ifndef WEFT_NET_FINDER_H
#define WEFT_NET_FINDER_H

#include "net/internal.h"

typedef struct FinderName {
    const char *name;
    int tensor;
    bool taken;
} FinderName;

typedef struct Finder {
    const Network *network;
    FinderName *names; /* sorted */
    size_t count;
    Str *why; /* the first reason why the architecture does not fit; empty while it does */
} Finder;

bool finder_init(Finder *finder, const Network *network, Str *why, Error *err);
void finder_done(Finder *finder);

bool finder_has(const Finder *finder, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Takes the tensor of this name and `rank` dimensions, in which 0 stands for any size; NO_TENSOR, and the reason, where
 * it is missing or has another shape. */
int finder_take(Finder *finder, unsigned rank, const uint64_t *dim, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* The batch norm NAME over `channels`: its weight, bias and statistics, and its counter where there is one. */
Op finder_batch_norm(Finder *finder, int input, unsigned channels, const char *name);
/* After everything was taken: a tensor left over is a reason too. True where the architecture fits. */
bool finder_fits(Finder *finder);
/* Gives a reason of the architecture's own, unless there is one. */
void finder_refuse(Finder *finder, const char *format, ...) __attribute__((format(printf, 2, 3)));

const Tensor *finder_tensor(const Finder *finder, int tensor);

#endif
