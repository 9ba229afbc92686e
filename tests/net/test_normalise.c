/* test_normalise -- the input normalisation of a network that does not say it in weft's own words: tensors of a layer
 * in front of it, or what its names, channels and classes suggest.
 */
#include "../support/bytes.h"
#include "../support/resnet.h"
#include "net/internal.h"
#include "weft/base/dtype.h"
#include "weft/base/error.h"
#include "weft/base/fault.h"
#include "weft/base/tensor.h"
#include "weft/base/text.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

/* ---- tensors ----------------------------------------------------------------------------------------------------- */

typedef struct Added {
    const char *name;
    unsigned rank;
    uint64_t dim[4];
    float values[4];
} Added;

enum { MOST = 64 };

/* A small ResNet with more tensors beside it, through a file. */
static Network *with(const Added *added, size_t count, const char *asked) {
    Error err;
    TensorOut out[MOST] = {{0}};
    assert_true(write_resnet(scratch_path("plain.safetensors"), &resnet_small));
    Network *plain = network_load(scratch_path("plain.safetensors"), NULL, &err);
    if (!plain) fail_msg("%s", err.text);
    assert_true(plain->tensor_count + count <= MOST);
    for (size_t i = 0; i < count; i++)
        out[i] = (TensorOut){added[i].name, DTYPE_F32, added[i].rank, added[i].dim, added[i].values};
    for (size_t i = 0; i < plain->tensor_count; i++) {
        const Tensor *tensor = plain->tensors[i].tensor;
        out[count + i] = (TensorOut){plain->tensors[i].name, DTYPE_F32, tensor->rank, tensor->dim, tensor->data};
    }
    const char *path = scratch_path("with.safetensors");
    if (!safetensors_save(path, true, out, plain->tensor_count + count, NULL, 0, &err)) fail_msg("%s", err.text);
    const NetworkOptions options = {.normalise = asked};
    Network *network = network_load(path, &options, &err);
    if (!network) fail_msg("%s", err.text);
    network_free(plain);
    return network;
}

static bool has_tensor(const Network *network, const char *name) {
    for (size_t i = 0; i < network->tensor_count; i++)
        if (strcmp(network->tensors[i].name, name) == 0) return true;
    return false;
}

static bool has_note(const Network *network, const char *text) {
    for (size_t i = 0; i < network->note_count; i++)
        if (strstr(network->notes[i].value, text)) return true;
    return false;
}

static void check(const Network *network, const char *text) {
    Str seen = {0};
    normalisation_text(&network->normalisation, &seen);
    assert_string_equal(str_text(&seen), text);
    str_done(&seen);
}

#define ROW(name, a, b, c) \
    {                      \
        name, 1, {3}, {    \
            a, b, c        \
        }                  \
    }
#define MAPS(name, a, b, c)      \
    {                            \
        name, 4, {1, 3, 1, 1}, { \
            a, b, c              \
        }                        \
    }

static void from_tensors(void **state) {
    (void)state;
    static const struct {
        Added added[2];
        const char *text;
    } cases[] = {
        {{ROW("normalize.mean", .5f, .25f, .125f), ROW("normalize.std", .1f, .2f, .3f)}, "0.5,0.25,0.125/0.1,0.2,0.3"},
        {{MAPS("mu", .5f, .25f, .125f), MAPS("sigma", .1f, .2f, .3f)}, "0.5,0.25,0.125/0.1,0.2,0.3"},
        {{MAPS("norm_std", .1f, .2f, .3f), MAPS("norm_mean", .5f, .25f, .125f)}, "0.5,0.25,0.125/0.1,0.2,0.3"},
        {{{"model.normalizer.mean", 3, {3, 1, 1}, {.5f, .25f, 0}}, {"model.normalizer.std", 3, {3, 1, 1}, {1, 1, 2}}},
         "0.5,0.25,0/1,1,2"},
        {{{"mean", 1, {1}, {.5f}}, {"std", 1, {1}, {.25f}}}, "0.5,0.5,0.5/0.25,0.25,0.25"},
        {{ROW("pixel_mean", 127.5f, 0, 255), ROW("pixel_std", 51, 255, 127.5f)}, "0.5,0,1/0.2,1,0.5"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Network *network = with(cases[i].added, 2, NULL);
        check(network, cases[i].text);
        assert_null(network->normalise_why);
        assert_non_null(network->graph); /* the rest is the network */
        for (size_t j = 0; j < 2; j++) {
            assert_false(has_tensor(network, cases[i].added[j].name));
            assert_true(has_note(network, cases[i].added[j].name));
        }
        Error err;
        const char *saved = scratch_path("saved.safetensors");
        assert_true(network_save(network, saved, true, &err)); /* and comes back */
        Network *again = network_load(saved, NULL, &err);
        assert_non_null(again);
        check(again, cases[i].text);
        network_free(again);
        network_free(network);
    }
    static const Added added[2] = {ROW("mean", .5f, .25f, .125f), ROW("std", .1f, .2f, .3f)};
    Network *network = with(added, 2, "half"); /* who asks for another gets it */
    check(network, "0.5,0.5,0.5/0.5,0.5,0.5");
    assert_non_null(network->graph);
    network_free(network);
}

/* A leading Normalize module, as torch.nn.Sequential numbers it. */
static void sequential(void **state) {
    (void)state;
    const float mean[3] = {.5f, .25f, .125f}, std[3] = {.1f, .2f, .3f}, weight[6] = {0};
    const uint64_t three = 3, matrix[2] = {2, 3};
    const TensorOut out[] = {{"0.mean", DTYPE_F32, 1, &three, mean},
                             {"0.std", DTYPE_F32, 1, &three, std},
                             {"1.weight", DTYPE_F32, 2, matrix, weight}};
    Error err;
    const char *path = scratch_path("sequential.safetensors");
    assert_true(safetensors_save(path, true, out, 3, NULL, 0, &err));
    Network *network = network_load(path, NULL, &err);
    assert_non_null(network);
    assert_int_equal(network->tensor_count, 1);
    check(network, "0.5,0.25,0.125/0.1,0.2,0.3");
    network_free(network);
    assert_true(safetensors_save(path, true, out, 2, NULL, 0, &err)); /* nothing else: these are what the file holds */
    network = network_load(path, NULL, &err);
    assert_non_null(network);
    assert_int_equal(network->tensor_count, 2);
    network_free(network);
}

/* What looks like it and is not. */
static void other_tensors(void **state) {
    (void)state;
    static const Added cases[][2] = {
        {ROW("bn.running_mean", .5f, .25f, .125f), ROW("bn.running_std", .1f, .2f, .3f)},
        {ROW("demean", .5f, .25f, .125f), ROW("destd", .1f, .2f, .3f)},
        {ROW("mean", .5f, .25f, .125f), ROW("std", .1f, 0, .3f)},
        {ROW("mean", .5f, NAN, .125f), ROW("std", .1f, .2f, .3f)},
        {ROW("mean", .5f, .25f, .125f), {"std", 1, {2}, {1, 1}}},
        {{"mean", 2, {2, 2}, {1, 1, 1, 1}}, {"std", 2, {2, 2}, {1, 1, 1, 1}}},
        {ROW("a.b.c.d.mean", .5f, .25f, .125f), ROW("a.b.c.d.std", .1f, .2f, .3f)},
        {ROW("mean", .5f, .25f, .125f), ROW("other.std", .1f, .2f, .3f)},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Network *network = with(cases[i], 2, NULL);
        assert_true(has_tensor(network, cases[i][0].name));
        assert_false(has_note(network, "input normalisation from"));
        network_free(network);
    }
    static const Added two[4] = {ROW("a.mean", 0, 0, 0), ROW("a.std", 1, 1, 1), ROW("b.mean", .5f, .5f, .5f),
                                 ROW("b.std", 1, 1, 1)};
    Network *network = with(two, 4, NULL);
    assert_true(has_tensor(network, "a.mean"));
    assert_true(has_note(network, "several tensors look like the input's mean"));
    network_free(network);
}

static void memory_runs_out(void **state) {
    (void)state;
    static const Added added[2] = {ROW("mean", .5f, .25f, .125f), ROW("std", .1f, .2f, .3f)};
    network_free(with(added, 2, NULL));
    const char *path = scratch_path("with.safetensors");
    Network *network = NULL;
    for (uint64_t k = 1; !network && k < 10000; k++) {
        Error err = {0};
        fault_arm(FAULT_ALLOC, k, k % 2);
        network = network_load(path, NULL, &err);
        fault_disarm();
        assert_true(network || err.status == STATUS_LIMIT);
    }
    assert_non_null(network);
    check(network, "0.5,0.25,0.125/0.1,0.2,0.3");
    network_free(network);
}

/* ---- names ------------------------------------------------------------------------------------------------------- */

static void assumed(void **state) {
    (void)state;
    static const struct {
        unsigned channels, classes, height;
        const char *names[3], *name, *why; /* name NULL: none is assumed */
    } cases[] = {
        {3, 10, 32, {"layer3.0.conv1.weight", "linear.weight"}, "imagenet", "akamaster"},
        {3, 10, 32, {"module.layer3.0.conv1.weight", "module.linear.weight"}, "imagenet", "akamaster"},
        {3, 10, 32, {"layer3.0.conv1.weight", "fc.weight"}, "cifar10-kuangliu", "chenyaofo"},
        {3,
         10,
         32,
         {"layer3.0.conv1.weight", "layer4.0.conv1.weight", "linear.weight"},
         "cifar10-kuangliu",
         "kuangliu"},
        {3, 10, 32, {"layers.0.conv1.weight", "linear.weight"}, "cifar10-kuangliu", "kuangliu"},
        {3, 10, 32, {"layer3.0.conv1.weight", "layer4.0.conv1.weight", "fc.weight"}, "cifar10", "10 classes"},
        {3, 10, 32, {"features.0.weight", "classifier.weight"}, "cifar10", "10 classes"},
        {3, 10, 224, {"layer4.0.conv1.weight", "fc.weight"}, "imagenet", "as large as ImageNet's"},
        {3, 100, 32, {"fc.weight"}, "cifar100", "100 classes"},
        {3, 1000, 224, {"fc.weight"}, "imagenet", "1000 classes"},
        {3, 21841, 32, {"fc.weight"}, "imagenet", "1000 classes or more"},
        {1, 10, 28, {"fc.weight"}, "fashion-mnist", "1 channel"},
        {3, 43, 32, {"fc.weight"}, NULL, NULL},
        {4, 10, 32, {"fc.weight"}, NULL, NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Graph graph = {.in_channels = cases[i].channels, .classes = cases[i].classes, .height = cases[i].height};
        NetTensor tensors[3] = {{0}};
        Network network = {.graph = &graph, .tensors = tensors};
        for (; network.tensor_count < 3 && cases[i].names[network.tensor_count]; network.tensor_count++)
            tensors[network.tensor_count].name = (char *)(uintptr_t)cases[i].names[network.tensor_count];
        normalisation_assume(&network);
        if (!cases[i].name) {
            assert_int_equal(network.normalisation.channels, 0);
            assert_null(network.normalise_why);
            continue;
        }
        assert_string_equal(normalisation_name(&network.normalisation), cases[i].name);
        if (!strstr(network.normalise_why, cases[i].why)) fail_msg("%zu: %s", i, network.normalise_why);
        Str text = {0};
        network_normalisation(&network, &text);
        assert_non_null(strstr(str_text(&text), cases[i].name));
        assert_non_null(strstr(str_text(&text), "), assumed: "));
        str_done(&text);
    }
    Network none = {0};
    normalisation_assume(&none); /* not recognised */
    assert_int_equal(none.normalisation.channels, 0);
}

/* What the user or a file says is not assumed. */
static void said(void **state) {
    (void)state;
    Network *network = with(NULL, 0, NULL);
    assert_non_null(strstr(network->normalise_why, "akamaster"));
    Error err;
    Network *copy = network_derive(network, "copy", "copy", &err);
    assert_ptr_equal(copy->normalise_why, network->normalise_why);
    network_free(copy);
    assert_true(network_save(network, scratch_path("said.safetensors"), true, &err));
    network_free(network);
    network = network_load(scratch_path("said.safetensors"), NULL, &err);
    assert_null(network->normalise_why);
    check(network, "0.485,0.456,0.406/0.229,0.224,0.225");
    network_free(network);
    network = with(NULL, 0, "cifar10");
    assert_null(network->normalise_why);
    network_free(network);
}

static void usual(void **state) {
    (void)state;
    Normalisation n = normalisation_usual(3, 10);
    assert_string_equal(normalisation_name(&n), "cifar10");
    n = normalisation_usual(3, 100);
    assert_string_equal(normalisation_name(&n), "cifar100");
    n = normalisation_usual(1, 3);
    assert_string_equal(normalisation_name(&n), "fashion-mnist");
    assert_int_equal(normalisation_usual(3, 2).channels, 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(from_tensors),  cmocka_unit_test(sequential),
                                       cmocka_unit_test(other_tensors), cmocka_unit_test(memory_runs_out),
                                       cmocka_unit_test(assumed),       cmocka_unit_test(said),
                                       cmocka_unit_test(usual)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
