/* oracle -- values that PyTorch and NumPy computed, in tests. */
#include "oracle.h"
#include "weft/base/dtype.h"
#include "weft/base/error.h"
#include "weft/base/memory.h"
#include "weft/base/tensor.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#define CHECKPOINTS SHARED "data/checkpoints/"

static const Oracle oracles[] = {{.folder = "tests/oracle/",
                                  .name = "fashion-resnet8",
                                  .network = "samples/fashion-resnet8.safetensors",
                                  .deep_name = "fashion-resnet20",
                                  .deep = "samples/fashion-resnet20.safetensors",
                                  .data = "sample:fashion-test",
                                  .channels = 1,
                                  .side = 28,
                                  .own = true},
                                 {.folder = SHARED "oracle/",
                                  .name = "resnet20",
                                  .network = CHECKPOINTS "resnet20-12fca82f.th",
                                  .deep_name = "resnet56",
                                  .deep = CHECKPOINTS "resnet56-4bfd9763.th",
                                  .data = "cifar10:" SHARED "data/cifar10-subset:test",
                                  .channels = 3,
                                  .side = 32}};

const Oracle *oracle_next(const Oracle *oracle) {
    static bool told;
    if (!oracle) return oracles;
    if (!oracle->own || access(oracles[1].folder, R_OK) != 0 || access(oracles[1].network, R_OK) != 0) return NULL;
    if (!told) print_message("# also " SHARED "\n");
    told = true;
    return &oracles[1];
}

const Oracle *oracle_next_quick(const Oracle *oracle) {
    return oracle && oracle_slow() ? NULL : oracle_next(oracle);
}

bool oracle_slow(void) {
    return strcmp(WEFT_BUILD_MODE, "asan") == 0;
}

Checkpoint *oracle_arrays(const Oracle *oracle, const char *name) {
    char path[256];
    Error err;
    snprintf(path, sizeof path, "%s%s.npz", oracle->folder, name);
    Checkpoint *arrays = checkpoint_open(path, &err);
    if (!arrays) fail_msg("%s", err.text);
    return arrays;
}

json_t *oracle_values(const Oracle *oracle, const char *name) {
    char path[256];
    json_error_t problem;
    snprintf(path, sizeof path, "%s%s.json", oracle->folder, name);
    json_t *values = json_load_file(path, 0, &problem);
    if (!values) fail_msg("%s: %s", path, problem.text);
    return values;
}

Dataset *oracle_images(const Oracle *oracle, uint64_t limit) {
    Error err;
    Dataset *images = dataset_load(oracle->data, limit, &err);
    if (!images) fail_msg("%s", err.text);
    return images;
}

Network *oracle_network(const char *path) {
    Error err;
    Network *network = network_load(path, NULL, &err);
    if (!network) fail_msg("%s", err.text);
    return network;
}

static bool find(Checkpoint *arrays, const char *format, va_list args, size_t *index, char name[256]) {
    vsnprintf(name, 256, format, args);
    return checkpoint_find(arrays, name, index);
}

bool oracle_has(Checkpoint *arrays, const char *format, ...) {
    char name[256];
    size_t index;
    va_list args;
    va_start(args, format);
    const bool found = find(arrays, format, args, &index, name);
    va_end(args);
    return found;
}

Tensor *oracle_tensor(Checkpoint *arrays, const char *format, ...) {
    char name[256];
    Error err;
    size_t index;
    va_list args;
    va_start(args, format);
    const bool found = find(arrays, format, args, &index, name);
    va_end(args);
    if (!found) fail_msg("%s: no array %s", checkpoint_path(arrays), name);
    Tensor *tensor = checkpoint_read_tensor(arrays, index, &err);
    if (!tensor) fail_msg("%s", err.text);
    return tensor;
}

void *oracle_array(Checkpoint *arrays, const char *name, DType type, size_t count) {
    Error err;
    size_t index;
    if (!checkpoint_find(arrays, name, &index)) fail_msg("%s: no array %s", checkpoint_path(arrays), name);
    assert_int_equal(checkpoint_tensor(arrays, index)->dtype, type);
    assert_int_equal(checkpoint_tensor(arrays, index)->count, count);
    void *values = mem_alloc(count, dtype_bits(type) / 8, &err);
    assert_non_null(values);
    assert_true(checkpoint_read(arrays, index, values, &err));
    return values;
}

double oracle_number(const json_t *object, const char *name) {
    const json_t *value = json_object_get(object, name);
    if (!json_is_number(value)) fail_msg("no number %s", name);
    return json_number_value(value);
}

double relative_distance(const float *a, const float *b, size_t count) {
    double difference = 0, size = 0;
    for (size_t i = 0; i < count; i++) {
        const double d = (double)a[i] - (double)b[i];
        difference += d * d;
        size += (double)b[i] * (double)b[i];
    }
    return sqrt(difference / size);
}

double euclidean_norm(const float *values, size_t count) {
    double sum = 0;
    for (size_t i = 0; i < count; i++) sum += (double)values[i] * (double)values[i];
    return sqrt(sum);
}
