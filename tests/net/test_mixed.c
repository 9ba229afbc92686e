/* test_mixed -- a network of all the operations that have no oracle of their own, as PyTorch runs it: logits, and the
 * gradients of pixels and weights, in evaluation mode and with batch norm in training mode
 * (tests/fixtures/make_net.py).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "net/engine/kernels/kernels.h"
#include "net/internal.h"
#include "weft/base/error.h"
#include "weft/base/memory.h"
#include "weft/base/tensor.h"

enum { IMAGES = 5, CLASSES = 7, TENSORS_MOST = 64 };

static Tensor *expected(Checkpoint *fixture, const char *mode, const char *name) {
    char key[64];
    size_t index;
    Error err;
    snprintf(key, sizeof key, "%s%s%s", mode, *mode ? "." : "", name);
    if (!checkpoint_find(fixture, key, &index)) return NULL;
    Tensor *tensor = checkpoint_read_tensor(fixture, index, &err);
    if (!tensor) fail_msg("%s", err.text);
    return tensor;
}

/* Relative to the norm; what is zero in training mode (a shift before a batch norm) is rounding on both sides. */
static void check_close(Checkpoint *fixture, const char *mode, const char *name, const float *found, double tolerance) {
    Tensor *tensor = expected(fixture, mode, name);
    double norm = 0, error = 0;
    if (!tensor) fail_msg("%s.%s is not there", mode, name);
    for (uint64_t i = 0; i < tensor->count; i++) {
        norm += pow((double)tensor->data[i], 2);
        error += pow((double)found[i] - (double)tensor->data[i], 2);
    }
    if (!(sqrt(error) <= tolerance * sqrt(norm) + 4e-8))
        fail_msg("%s.%s is off by %.3g of %.3g", mode, name, sqrt(error), sqrt(norm));
    tensor_release(tensor);
}

static void check_mode(Network *network, Checkpoint *fixture, const char *mode, const Kernels *kernels) {
    Error err;
    bool marks[TENSORS_MOST] = {0};
    float *to[TENSORS_MOST] = {0}, logits[IMAGES * CLASSES], pixel_gradient[IMAGES * 3 * 9 * 8];
    const uint16_t labels[IMAGES] = {0, 1, 2, 3, 4};
    const Loss loss = {.cross_entropy = 1};
    const bool training = strcmp(mode, "train") == 0;
    LossTerms terms;
    Tensor *pixels = expected(fixture, "", "input");
    for (size_t i = 0; i < network->tensor_count; i++) {
        const char *name = network->tensors[i].name;
        marks[i] = network_trainable(network, i) && (training || strncmp(name, "bn", 2) != 0);
        to[i] = mem_alloc(network->tensors[i].tensor->count, sizeof **to, &err);
    }
    const EngineOptions options = {.gradients = marks, .input_gradient = true, .batch_statistics = training};
    Engine *engine = engine_new(network, IMAGES, 9, 8, &options, &err);
    if (!engine) fail_msg("%s", err.text);
    engine_set_kernels(engine, kernels);
    const Gradients gradients = {.tensors = to, .pixels = pixel_gradient};
    if (!engine_backward(engine, pixels->data, labels, IMAGES, NULL, NULL, &loss, &gradients, logits, &terms, &err))
        fail_msg("%s", err.text);
    check_close(fixture, mode, "logits", logits, 2e-6);
    check_close(fixture, mode, "loss", &(float){(float)terms.cross_entropy}, 2e-6);
    check_close(fixture, mode, "pixels", pixel_gradient, 1e-5);
    for (size_t i = 0; i < network->tensor_count; i++) {
        if (marks[i]) check_close(fixture, mode, network->tensors[i].name, to[i], 1e-5);
        mem_free(to[i]);
    }
    engine_free(engine);
    tensor_release(pixels);
}

static void mixed_as_pytorch(void **state) {
    (void)state;
    Error err;
    Network *network = network_load("tests/fixtures/net_mixed.safetensors", NULL, &err);
    if (!network) fail_msg("%s", err.text);
    Checkpoint *fixture = checkpoint_open("tests/fixtures/net_mixed.npz", &err);
    if (!fixture) fail_msg("%s", err.text);
    assert_true(network->tensor_count <= TENSORS_MOST);
    for (size_t set = 0; kernels_available(set); set++) {
        check_mode(network, fixture, "eval", kernels_available(set));
        check_mode(network, fixture, "train", kernels_available(set));
    }
    checkpoint_close(fixture);
    network_free(network);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(mixed_as_pytorch)};
    return cmocka_run_group_tests_name("mixed", tests, NULL, NULL);
}
