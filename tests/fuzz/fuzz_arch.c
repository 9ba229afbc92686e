/* fuzz_arch -- any text as a definition of architectures: it is loaded, asked to recognise the names of a small ResNet,
 * and to make each of its presets.
 */
#include "fuzz.h"
#include "net/architecture.h"
#include "weft/base/error.h"
#include "weft/base/memory.h"

static const char *const layers[] = {"conv1",          "layer1.0.conv1", "layer1.0.conv2", "layer2.0.conv1",
                                     "layer2.0.conv2", "layer3.0.conv1", "layer3.0.conv2"};

/* The tensors of a ResNet8 without batch norm. */
static Network *small_network(void) {
    Error err;
    Network *network = mem_alloc(1, sizeof *network, &err);
    if (!network) return NULL;
    TensorBuilder builder = {.network = network, .err = &err};
    uint64_t dim[4] = {4, 3, 3, 3};
    for (size_t i = 0; i < sizeof layers / sizeof *layers; i++) {
        tensor_add(&builder, 4, dim, "%s.weight", layers[i]);
        tensor_add(&builder, 1, dim, "%s.bias", layers[i]);
        dim[1] = 4;
    }
    tensor_add(&builder, 2, (const uint64_t[]){10, 4}, "linear.weight");
    tensor_add(&builder, 1, (const uint64_t[]){10}, "linear.bias");
    return network;
}

static void recognise(Definitions *definitions, const Family *family, const Network *network) {
    Error err;
    NameIndex names;
    const Variants none = {0};
    Fit fit = {0};
    if (!name_index_init(&names, network, &err)) return;
    const View view = {.names = &names, .count = names.count};
    family_signature(family, &view);
    definition_recognise(definitions, family, &none, &view, &fit, &err);
    fit_done(&fit);
    name_index_done(&names);
}

static void make(Definitions *definitions, const Family *family, const char *preset) {
    Error err;
    const Variants none = {0};
    Fit fit = {0};
    const ArchitectureRequest request = {.architecture = preset, .in_channels = 3, .classes = 10};
    Network *network = mem_alloc(1, sizeof *network, &err);
    if (network) definition_make(definitions, family, &none, preset, &request, network, &fit, &err);
    fit_done(&fit);
    network_free(network);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
    static Network *network;
    Error err;
    mem_set_budget(FUZZ_BUDGET);
    if (!network) network = small_network();
    Definitions *definitions = definitions_new(&err);
    if (definitions && network && definitions_add(definitions, "input.lua", (const char *)bytes, length, true, &err))
        for (size_t i = 0; i < definitions_count(definitions) && i < 4; i++) {
            const Family *family = definitions_family(definitions, i);
            recognise(definitions, family, network);
            for (size_t k = 0; k < family->listed_count && k < 2; k++) make(definitions, family, family->listed[k]);
        }
    definitions_free(definitions);
    return 0;
}
