/* cifar -- what the two readers of CIFAR batches share. Private to src/format. */
#ifndef WEFT_FORMAT_CIFAR_H
#define WEFT_FORMAT_CIFAR_H

#include "weft/base/error.h"
#include "weft/base/file.h"
#include "weft/format.h"

enum { CIFAR_PIXELS = 3 * 32 * 32, CIFAR_CLASSES = 10, CIFAR_FINE_CLASSES = 100, CIFAR_COARSE_CLASSES = 20 };

/* Makes room for `records` more of them, which the memory budget must allow; counts none yet. */
bool cifar_make_room(const File *file, uint64_t records, ImageRecords *out, Error *err);

/* A batch that Python pickled; as cifar_parse. */
bool cifar_pickle_parse(const File *file, bool fine, uint64_t limit, ImageRecords *out, Error *err);

#endif
