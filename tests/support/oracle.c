/* oracle -- reading ../shared/oracle in tests. */
#include "oracle.h"
#include "weft/base/error.h"
#include "weft/base/tensor.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>
#include <cmocka.h>

void oracle_need(const char *path) {
    if (access(path, R_OK) == 0) return;
    print_message("# skip: %s is not there\n", path);
    skip();
}

Checkpoint *oracle_arrays(const char *name) {
    char path[256];
    Error err;
    snprintf(path, sizeof path, SHARED "oracle/%s.npz", name);
    oracle_need(path);
    Checkpoint *arrays = checkpoint_open(path, &err);
    if (!arrays) fail_msg("%s", err.text);
    return arrays;
}

json_t *oracle_values(const char *name) {
    char path[256];
    json_error_t problem;
    snprintf(path, sizeof path, SHARED "oracle/%s.json", name);
    oracle_need(path);
    json_t *values = json_load_file(path, 0, &problem);
    if (!values) fail_msg("%s: %s", path, problem.text);
    return values;
}

Tensor *oracle_tensor(Checkpoint *arrays, const char *format, ...) {
    char name[256];
    Error err;
    size_t index;
    va_list args;
    va_start(args, format);
    vsnprintf(name, sizeof name, format, args);
    va_end(args);
    if (!checkpoint_find(arrays, name, &index)) fail_msg("%s: no array %s", checkpoint_path(arrays), name);
    Tensor *tensor = checkpoint_read_tensor(arrays, index, &err);
    if (!tensor) fail_msg("%s", err.text);
    return tensor;
}

Network *oracle_network(const char *path) {
    Error err;
    oracle_need(path);
    Network *network = network_load(path, NULL, &err);
    if (!network) fail_msg("%s", err.text);
    return network;
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
