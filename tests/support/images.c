/* images -- the network and images of tests/fixtures/make_quantise.py. */
#include "images.h"
#include "weft/base/dtype.h"
#include "weft/base/error.h"
#include "weft/base/memory.h"
#include "weft/base/tensor.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static Error images_error;

Checkpoint *images_fixture(void) {
    Checkpoint *fixture = checkpoint_open("tests/fixtures/quantise.npz", &images_error);
    if (!fixture) fail_msg("%s", images_error.text);
    return fixture;
}

Network *images_network(void) {
    const NetworkOptions options = {.normalise = "none"};
    Network *network = network_load("tests/fixtures/quantise_net.npz", &options, &images_error);
    if (!network) fail_msg("%s", images_error.text);
    assert_non_null(network->graph);
    return network;
}

Images images_given(void) {
    size_t index;
    Checkpoint *fixture = images_fixture();
    assert_true(checkpoint_find(fixture, "images", &index));
    const CheckpointTensor *entry = checkpoint_tensor(fixture, index);
    assert_int_equal(entry->rank, 4);
    assert_int_equal(entry->dtype, DTYPE_U8);
    Images images = {
        .fixture = fixture, .network = images_network(), .pixels = mem_alloc(entry->count, 1, &images_error)};
    assert_non_null(images.pixels);
    assert_true(checkpoint_read(fixture, index, images.pixels, &images_error));
    images.dataset = (Dataset){.spec = (char *)(uintptr_t) "idx:images",
                               .count = entry->dim[0],
                               .channels = (unsigned)entry->dim[1],
                               .height = (unsigned)entry->dim[2],
                               .width = (unsigned)entry->dim[3],
                               .pixels = images.pixels};
    return images;
}

void images_done(Images *images) {
    mem_free(images->pixels);
    network_free(images->network);
    checkpoint_close(images->fixture);
}

float *logits_of(const Network *network, const Dataset *data) {
    const uint64_t size = (uint64_t)data->channels * data->height * data->width;
    float *pixels = mem_alloc(data->count * size, sizeof *pixels, &images_error),
          *logits = mem_alloc(data->count, network->graph->classes * sizeof *logits, &images_error);
    assert_true(pixels && logits);
    for (uint64_t i = 0; i < data->count; i++) dataset_image(data, i, pixels + i * size);
    Engine *engine = engine_new(network, (unsigned)data->count, data->height, data->width, NULL, &images_error);
    if (!engine) fail_msg("%s", images_error.text);
    assert_true(engine_forward(engine, pixels, (unsigned)data->count, logits, &images_error));
    engine_free(engine);
    mem_free(pixels);
    return logits;
}

Tensor *images_tensor(Checkpoint *fixture, const char *name) {
    size_t index;
    if (!checkpoint_find(fixture, name, &index)) fail_msg("no array '%s'", name);
    Tensor *tensor = checkpoint_read_tensor(fixture, index, &images_error);
    if (!tensor) fail_msg("%s", images_error.text);
    return tensor;
}
