/* resnet -- files of CIFAR ResNets with random weights. */
#include "resnet.h"

#include <stdio.h>
#include <string.h>

#include "weft/base/dtype.h"
#include "weft/base/error.h"
#include "weft/base/memory.h"
#include "weft/base/random.h"
#include "weft/format.h"

enum { TENSORS_MAX = 400 };

const ResNetFile resnet_small = {
    .channels = 3, .classes = 10, .width = {4, 6, 8}, .blocks = {1, 1, 1}, .last = "linear"};

/* The file that is being put together. */
typedef struct Parts {
    const ResNetFile *file;
    TensorOut tensors[TENSORS_MAX];
    char names[TENSORS_MAX][64];
    uint64_t dims[TENSORS_MAX][5];
    float *values[TENSORS_MAX];
    size_t count;
} Parts;

static const int64_t counter = (INT64_C(1) << 53) + 1; /* neither a float nor a double */

static void add(Parts *parts, DType type, unsigned rank, const uint64_t *dim, const char *name) {
    Error err;
    if (parts->count == TENSORS_MAX || (parts->file->omit && strcmp(parts->file->omit, name) == 0)) return;
    const size_t at = parts->count;
    uint64_t count = 1;
    for (unsigned i = 0; i < rank; i++) {
        parts->dims[at][i] = dim[i];
        count *= dim[i];
    }
    if (parts->file->reshape && strcmp(parts->file->reshape, name) == 0) parts->dims[at][rank++] = 1;
    snprintf(parts->names[at], sizeof parts->names[at], "%s", name);
    float *values = parts->values[at] = mem_alloc(count, sizeof *values, &err);
    Rng rng = {.seed = 1, .stream = at};
    for (uint64_t i = 0; values && i < count; i++) values[i] = (float)(rng_uniform(&rng) - 0.25);
    parts->tensors[at] = (TensorOut){.name = parts->names[at], .dtype = type, .rank = rank, .dim = parts->dims[at]};
    parts->tensors[at].data = type == DTYPE_I64 ? (const void *)&counter : values;
    parts->count++;
}

static void add_convolution(Parts *parts, unsigned out, unsigned in, unsigned kernel, const char *name) {
    char full[96];
    snprintf(full, sizeof full, "%s.weight", name);
    add(parts, DTYPE_F32, 4, (const uint64_t[]){out, in, kernel, kernel}, full);
}

static void add_norm(Parts *parts, unsigned channels, const char *name) {
    static const char *const part[] = {"weight", "bias", "running_mean", "running_var"};
    char full[96];
    for (int i = 0; i < 4; i++) {
        snprintf(full, sizeof full, "%s.%s", name, part[i]);
        add(parts, DTYPE_F32, 1, (const uint64_t[]){channels}, full);
        if (i == 3 && parts->count > 0)
            for (unsigned j = 0; j < channels; j++) parts->values[parts->count - 1][j] += 0.75f;
    }
    snprintf(full, sizeof full, "%s.num_batches_tracked", name);
    if (parts->file->counters) add(parts, DTYPE_I64, 0, NULL, full);
}

static void add_block(Parts *parts, unsigned in, unsigned out, bool shrinks, const char *prefix) {
    char name[64];
#define NAMED(...) (snprintf(name, sizeof name, __VA_ARGS__), name)
    add_convolution(parts, out, in, 3, NAMED("%s.conv1", prefix));
    add_norm(parts, out, NAMED("%s.bn1", prefix));
    add_convolution(parts, out, out, 3, NAMED("%s.conv2", prefix));
    add_norm(parts, out, NAMED("%s.bn2", prefix));
    if (!parts->file->shortcut || (in == out && !shrinks)) return;
    add_convolution(parts, out, in, 1, NAMED("%s.%s.0", prefix, parts->file->shortcut));
    add_norm(parts, out, NAMED("%s.%s.1", prefix, parts->file->shortcut));
#undef NAMED
}

static void fill(Parts *parts) {
    const ResNetFile *file = parts->file;
    char prefix[32];
    unsigned in = file->width[0];
    add_convolution(parts, in, file->channels, 3, "conv1");
    add_norm(parts, in, "bn1");
    for (unsigned s = 0; s < 3; s++)
        for (unsigned b = 0; b < file->blocks[s]; b++) {
            snprintf(prefix, sizeof prefix, "layer%u.%u", s + 1, b);
            add_block(parts, in, file->width[s], s > 0 && b == 0, prefix);
            in = file->width[s];
        }
    snprintf(prefix, sizeof prefix, "%s.weight", file->last);
    add(parts, DTYPE_F32, 2, (const uint64_t[]){file->classes, in}, prefix);
    snprintf(prefix, sizeof prefix, "%s.bias", file->last);
    add(parts, DTYPE_F32, 1, (const uint64_t[]){file->classes}, prefix);
    if (file->add) add(parts, DTYPE_F32, 1, (const uint64_t[]){3}, file->add);
}

bool write_resnet(const char *path, const ResNetFile *file) {
    Error err;
    Parts *parts = mem_alloc(1, sizeof *parts, &err);
    if (!parts) return false;
    parts->file = file;
    fill(parts);
    bool done = safetensors_save(path, true, parts->tensors, parts->count, NULL, 0, &err);
    for (size_t i = 0; i < parts->count; i++) {
        if (!parts->values[i]) done = false;
        mem_free(parts->values[i]);
    }
    mem_free(parts);
    return done;
}
