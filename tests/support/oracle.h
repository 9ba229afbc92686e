/* oracle -- reading ../shared/oracle in tests; what is missing skips the test, saying so. */
#ifndef WEFT_TESTS_ORACLE_H
#define WEFT_TESTS_ORACLE_H

#include <jansson.h>

#include "weft/base/tensor.h"
#include "weft/format.h"
#include "weft/net.h"

#define SHARED "../shared/"
#define SHARED_RESNET20 SHARED "data/checkpoints/resnet20-12fca82f.th"

void oracle_need(const char *path); /* skips the running test where `path` cannot be read */
/* SHARED "oracle/NAME.npz" and .json; needs them. Free with checkpoint_close, json_decref. */
Checkpoint *oracle_arrays(const char *name);
json_t *oracle_values(const char *name);
/* An array of an npz file as float32, by a formatted name; fails the test where it is missing. Free with
 * tensor_release. */
Tensor *oracle_tensor(Checkpoint *arrays, const char *format, ...) __attribute__((format(printf, 2, 3)));
Network *oracle_network(const char *path); /* needs it */
double oracle_number(const json_t *object, const char *name);
/* |a - b| / |b|, Euclidean norms, over `count` values. */
double relative_distance(const float *a, const float *b, size_t count);

#endif
