/* assume -- which normalisation a network was trained with, where neither its file nor the user says: from tensors of a
 * normalising layer in front of it, or from its names, channels and classes.
 */
#include "net/internal.h"

#include <math.h>
#include <string.h>

#include "weft/base/error.h"
#include "weft/base/memory.h"
#include "weft/base/tensor.h"

enum { CHANNELS = sizeof((Normalisation *)0)->mean / sizeof(float), LARGE_INPUT = 160, DEPTH = 2 };

/* ---- tensors ----------------------------------------------------------------------------------------------------- */

static const char *const endings[][2] = {{"mean", "std"}, {"mu", "sigma"}, {"mean", "sigma"}, {"means", "stds"}};
enum { ENDINGS = sizeof endings / sizeof *endings };

/* One value a channel: all dimensions but one are 1. */
static bool is_row(const Tensor *tensor) {
    unsigned longer = 0;
    for (unsigned i = 0; i < tensor->rank; i++) longer += tensor->dim[i] > 1;
    return tensor->count >= 1 && tensor->count <= CHANNELS && longer <= 1;
}

/* `name` is ending alone, or PREFIX.ending, PREFIX_ending with a PREFIX of at most DEPTH + 1 parts. The length of what
 * stands before it, SIZE_MAX where it is no such name. Batch norm's running_mean is another thing. */
static size_t prefix_of(const char *name, const char *ending) {
    const size_t length = strlen(name), tail = strlen(ending);
    if (length < tail || strcmp(name + length - tail, ending) != 0) return SIZE_MAX;
    const size_t before = length - tail;
    unsigned parts = 0;
    for (size_t i = 0; i + 1 < before; i++) parts += name[i] == '.';
    if (before > 0 && name[before - 1] != '.' && name[before - 1] != '_') return SIZE_MAX;
    if (before >= 8 && memcmp(name + before - 8, "running_", 8) == 0) return SIZE_MAX;
    return parts <= DEPTH ? before : SIZE_MAX;
}

static bool find_partner(const Network *network, const char *name, size_t before, const char *ending, size_t *out) {
    for (size_t i = 0; i < network->tensor_count; i++) {
        const char *other = network->tensors[i].name;
        if (strncmp(other, name, before) == 0 && strcmp(other + before, ending) == 0) {
            *out = i;
            return true;
        }
    }
    return false;
}

/* Values for pixels of 0 to 255 become those for [0, 1]. False where they normalise nothing. */
static bool take_values(const Tensor *mean, const Tensor *std, Normalisation *out) {
    if (!is_row(mean) || !is_row(std) || mean->count != std->count) return false;
    *out = (Normalisation){.channels = (unsigned)mean->count};
    bool bytes = false;
    float room[2][CHANNELS];
    Error ignored; /* a file that cannot be read says so when it is used */
    const float *means = tensor_span(mean, 0, mean->count, room[0], &ignored);
    const float *deviations = tensor_span(std, 0, std->count, room[1], &ignored);
    if (!means || !deviations) return false;
    for (unsigned i = 0; i < out->channels; i++) {
        out->mean[i] = means[i];
        out->std[i] = deviations[i];
        if (!isfinite(out->mean[i]) || !isfinite(out->std[i]) || !(out->std[i] > 0)) return false;
        bytes = bytes || out->mean[i] > 1 || out->std[i] > 2;
    }
    for (unsigned i = 0; bytes && i < out->channels; i++) {
        out->mean[i] /= 255;
        out->std[i] /= 255;
    }
    return true;
}

/* A mean and its deviation among the tensors. */
typedef struct Pair {
    size_t mean, std;
    Normalisation value;
} Pair;

static bool find_pair(const Network *network, size_t index, Pair *out) {
    const char *name = network->tensors[index].name;
    for (size_t e = 0; e < ENDINGS; e++) {
        const size_t before = prefix_of(name, endings[e][0]);
        out->mean = index;
        if (before != SIZE_MAX && find_partner(network, name, before, endings[e][1], &out->std) &&
            take_values(network->tensors[index].tensor, network->tensors[out->std].tensor, &out->value))
            return true;
    }
    return false;
}

bool normalisation_from_tensors(Network *network, Normalisation *out, Error *err) {
    Pair pair = {0}, other;
    size_t found = 0;
    *out = (Normalisation){0};
    for (size_t i = 0; i < network->tensor_count && found < 2; i++)
        if (find_pair(network, i, &other) && found++ == 0) pair = other;
    if (found > 1)
        return network_note(network, err, "several tensors look like the input's mean; none is taken for it");
    if (found == 0 || network->tensor_count <= 2) return true;
    *out = pair.value;
    if (!network_note(network, err, "input normalisation from '%s' and '%s'", network->tensors[pair.mean].name,
                      network->tensors[pair.std].name))
        return false;
    bool *drop = mem_alloc(network->tensor_count, sizeof *drop, err);
    if (!drop) return false;
    drop[pair.mean] = drop[pair.std] = true;
    const bool done = network_drop_tensors(network, NULL, drop, err);
    mem_free(drop);
    return done;
}

/* ---- names ------------------------------------------------------------------------------------------------------- */

/* A tensor whose name is, or ends in, ".NAME". */
static bool has(const Network *network, const char *name) {
    const size_t tail = strlen(name);
    for (size_t i = 0; i < network->tensor_count; i++) {
        const char *own = network->tensors[i].name;
        const size_t length = strlen(own);
        if (length >= tail && strcmp(own + length - tail, name) == 0 &&
            (length == tail || own[length - tail - 1] == '.'))
            return true;
    }
    return false;
}

static void assume(Network *network, const char *name, const char *why) {
    Error ignored; /* the name is known, and the channels fit */
    if (normalisation_parse(name, network->graph->in_channels, &network->normalisation, &ignored))
        network->normalise_why = why;
}

/* Three channels, ten classes: repositories differ in what they normalise with, and in their names. */
static void assume_cifar10(Network *network) {
    const bool stages = has(network, "layer3.0.conv1.weight"), fourth = has(network, "layer4.0.conv1.weight");
    if (stages && !fourth && has(network, "linear.weight"))
        assume(network, "imagenet", "names as in akamaster's pytorch_resnet_cifar10, which trains with it");
    else if (stages && !fourth && has(network, "fc.weight"))
        assume(network, "cifar10-kuangliu", "names as in chenyaofo's pytorch-cifar-models, which trains with it");
    else if (has(network, "linear.weight"))
        assume(network, "cifar10-kuangliu", "names as in kuangliu's pytorch-cifar, which trains with it");
    else
        assume(network, "cifar10", "3 channels and 10 classes, as CIFAR-10 has");
}

void normalisation_assume(Network *network) {
    const Graph *graph = network->graph;
    if (!graph) return;
    if (graph->in_channels == 1)
        assume(network, "fashion-mnist", "1 channel, as Fashion-MNIST has");
    else if (graph->in_channels != 3)
        return;
    else if (graph->classes >= 1000)
        assume(network, "imagenet", "3 channels and 1000 classes or more, as ImageNet has");
    else if (graph->height >= LARGE_INPUT)
        assume(network, "imagenet", "made for images as large as ImageNet's");
    else if (graph->classes == 100)
        assume(network, "cifar100", "3 channels and 100 classes, as CIFAR-100 has");
    else if (graph->classes == 10)
        assume_cifar10(network);
}

Normalisation normalisation_usual(unsigned channels, unsigned classes) {
    const char *name = channels == 1 ? "fashion-mnist" : channels == 3 && classes == 100 ? "cifar100" : "cifar10";
    Normalisation usual = {0};
    Error ignored;
    if (channels == 1 || (channels == 3 && (classes == 10 || classes == 100)))
        normalisation_parse(name, channels, &usual, &ignored);
    return usual;
}
