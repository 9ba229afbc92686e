/* oracle -- values that PyTorch and NumPy computed, in tests. Those of the sample networks are part of the repository
 * (tests/oracle, whose README says how they were made), those of published networks are in ../shared where it is: tests
 * go through both in the same way.
 */
#ifndef WEFT_TESTS_ORACLE_H
#define WEFT_TESTS_ORACLE_H

#include <jansson.h>

#include "weft/base/dtype.h"
#include "weft/base/tensor.h"
#include "weft/data.h"
#include "weft/format.h"
#include "weft/net.h"

#define SHARED "../shared/"

/* Networks, images and the folder of what they give. */
typedef struct Oracle {
    const char *folder;
    const char *name, *network; /* as the files call it; its checkpoint */
    const char *deep_name, *deep;
    const char *data; /* a specification; the values are of its first images */
    unsigned channels, side;
    bool own; /* of the repository */
} Oracle;

/* To go through them: the first for NULL, then the one after `oracle`, at last NULL. That ../shared is there is said
 * once. oracle_next_quick leaves ../shared out where the build is slow, for what takes minutes with its networks. */
const Oracle *oracle_next(const Oracle *oracle);
const Oracle *oracle_next_quick(const Oracle *oracle);
bool oracle_slow(void); /* built with AddressSanitizer */

/* NAME.npz and NAME.json of the folder; fail the test where they cannot be read. Free with checkpoint_close,
 * json_decref. */
Checkpoint *oracle_arrays(const Oracle *oracle, const char *name);
json_t *oracle_values(const Oracle *oracle, const char *name);
Dataset *oracle_images(const Oracle *oracle, uint64_t limit);
Network *oracle_network(const char *path);
/* An array of an npz file as float32, by a formatted name; fails the test where it is missing. Free with
 * tensor_release. */
Tensor *oracle_tensor(Checkpoint *arrays, const char *format, ...) __attribute__((format(printf, 2, 3)));
bool oracle_has(Checkpoint *arrays, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* An array as it is stored; fails the test where its type or size is another. Free with mem_free. */
void *oracle_array(Checkpoint *arrays, const char *name, DType type, size_t count);
double oracle_number(const json_t *object, const char *name);
/* |a - b| / |b|, Euclidean norms, over `count` values. */
double relative_distance(const float *a, const float *b, size_t count);
double euclidean_norm(const float *values, size_t count);

#endif
