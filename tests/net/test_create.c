/* test_create -- new networks: parameters against the closed form, first weights against their distribution, files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <string.h>

#include "net/internal.h"
#include "../support/bytes.h"
#include "weft/base/dtype.h"
#include "weft/base/error.h"
#include "weft/base/fault.h"
#include "weft/base/memory.h"
#include "weft/base/tensor.h"

static ArchitectureRequest request_of(const char *architecture, unsigned channels, unsigned classes) {
    ArchitectureRequest request = {.architecture = architecture, .in_channels = channels, .classes = classes};
    Error err;
    assert_true(normalisation_parse("none", channels, &request.normalisation, &err));
    return request;
}

static Network *create(const ArchitectureRequest *request, uint64_t seed) {
    Error err;
    Network *network = network_create(request, seed, "fit net", &err);
    if (!network) fail_msg("%s: %s", request->architecture, err.text);
    return network;
}

/* ---- what is made ------------------------------------------------------------------------------------------------ */

/* Stem, stages of n blocks, linear layer, as He et al. count them. */
static uint64_t closed_form(const ArchitectureRequest *request, unsigned n) {
    const uint64_t w[4] = {request->widths[0], request->widths[0], request->widths[1], request->widths[2]};
    uint64_t total = 9 * request->in_channels * w[0] + 2 * w[0] + (w[3] + 1) * request->classes;
    for (int s = 1; s < 4; s++) {
        total += 9 * w[s - 1] * w[s] + 9 * w[s] * w[s] + 4 * w[s] + (n - 1) * (18 * w[s] * w[s] + 4 * w[s]);
        if (request->variants && s > 1) total += w[s - 1] * w[s] + 2 * w[s];
    }
    return total;
}

static void check_made(const ArchitectureRequest *request, uint64_t parameters, const char *architecture,
                       size_t layers) {
    Network *network = create(request, 1);
    assert_int_equal(network_parameters(network), parameters);
    assert_string_equal(network->architecture, architecture);
    assert_null(network->why_unknown);
    assert_int_equal(network->layer_count, layers);
    assert_int_equal(network->graph->in_channels, request->in_channels);
    assert_int_equal(network->graph->classes, request->classes);
    assert_int_equal(network->graph->height, request->in_channels == 1 ? 28 : 32);
    assert_int_equal(network->graph->width, network->graph->height);
    assert_memory_equal(&network->normalisation, &request->normalisation, sizeof network->normalisation);
    assert_int_equal(network->lineage_count, 1);
    assert_string_equal(network->lineage[0].key, "fit");
    assert_string_equal(network->lineage[0].value, "fit net");
    network_free(network);
}

static void parameter_counts(void **state) {
    (void)state;
    /* the published counts, option A, three channels, ten classes */
    ArchitectureRequest request = request_of("resnet20", 3, 10);
    check_made(&request, 269722, "ResNet20 (CIFAR, option A, widths 16/32/64)", 20);
    request.architecture = "resnet32";
    check_made(&request, 464154, "ResNet32 (CIFAR, option A, widths 16/32/64)", 32);
    request.architecture = "resnet56";
    check_made(&request, 853018, "ResNet56 (CIFAR, option A, widths 16/32/64)", 56);
    request.architecture = "resnet110";
    check_made(&request, 1727962, "ResNet110 (CIFAR, option A, widths 16/32/64)", 110);
    request = request_of("resnet20", 1, 10);
    check_made(&request, 269722 - 2 * 9 * 16, "ResNet20 (CIFAR, option A, widths 16/32/64)", 20);
}

static void widths_and_shortcuts(void **state) {
    (void)state;
    ArchitectureRequest request = request_of("resnet8", 1, 7);
    const unsigned widths[3] = {3, 5, 5};
    memcpy(request.widths, widths, sizeof widths);
    request.width_count = 3;
    check_made(&request, closed_form(&request, 1), "ResNet8 (CIFAR, option A, widths 3/5/5)", 8);
    request.variants = "B";
    check_made(&request, closed_form(&request, 1), "ResNet8 (CIFAR, option B, widths 3/5/5)", 10);
    request.widths[2] = 2; /* a projection may narrow */
    request.architecture = "resnet14";
    check_made(&request, closed_form(&request, 2), "ResNet14 (CIFAR, option B, widths 3/5/2)", 16);
    request = request_of("resnet20", 3, 100);
    request.width_count = 3;
    request.widths[1] = 40; /* the others are the usual ones */
    ArchitectureRequest whole = request;
    whole.widths[0] = 16;
    whole.widths[2] = 64;
    check_made(&request, closed_form(&whole, 3), "ResNet20 (CIFAR, option A, widths 16/40/64)", 20);
}

/* It runs, in both modes. */
static void runs(void **state) {
    (void)state;
    Error err;
    static float pixels[2 * 28 * 28];
    float logits[20];
    const ArchitectureRequest request = request_of("resnet8", 1, 10);
    Network *network = create(&request, 3);
    for (size_t i = 0; i < 2 * 28 * 28; i++) pixels[i] = (float)(i % 7) / 7;
    for (int training = 0; training < 2; training++) {
        const EngineOptions options = {.batch_statistics = training};
        Engine *engine = engine_new(network, 2, 28, 28, &options, &err);
        assert_non_null(engine);
        assert_true(engine_forward(engine, pixels, 2, logits, &err));
        for (size_t i = 0; i < 20; i++) assert_true(isfinite(logits[i]));
        assert_true(fabsf(logits[0] - logits[1]) > 0);
        engine_free(engine);
    }
    network_free(network);
}

static void refused(const ArchitectureRequest *request, Status status, const char *words) {
    Error err;
    if (network_create(request, 1, "fit", &err)) fail_msg("made: %s", request->architecture);
    if (err.status != status || !strstr(err.text, words)) fail_msg("%d: %s; expected: %s", err.status, err.text, words);
}

static void bad_requests(void **state) {
    (void)state;
    static const char *const names[] = {"vgg", "", "resnet-cifar", "resnet20x", "ResNet20", "resnet-8", "resnet020"};
    static const char *const depths[] = {"resnet0", "resnet2", "resnet7", "resnet21", "resnet24", "resnet4294967294"};
    ArchitectureRequest request = request_of("resnet20", 3, 10);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        request.architecture = names[i];
        refused(&request, STATUS_USAGE, text_of("no architecture '%s' to create; ", names[i]));
    }
    for (size_t i = 0; i < sizeof depths / sizeof *depths; i++) {
        request.architecture = depths[i];
        refused(&request, STATUS_USAGE,
                text_of("%s: there are resnet8, resnet14, resnet20, ...: 6n + 2 layers", depths[i]));
    }
    request.architecture = "resnet20:C";
    refused(&request, STATUS_USAGE, "resnet-cifar has no variant 'C'; there are B");
    request.architecture = "resnet20";
    request.width_count = 2;
    refused(&request, STATUS_USAGE, "resnet20: --widths must be W (for W, 2W, 4W, ...) or 3 numbers, not 2");
    request = request_of("resnet20", 2, 10);
    refused(&request, STATUS_USAGE, "resnet20: images of 2 channels, there can be 1 or 3");
    request = request_of("resnet20", 3, 0);
    refused(&request, STATUS_USAGE, "resnet20: 0 classes, there can be 1 to 65536");
    request.classes = 65537;
    refused(&request, STATUS_USAGE, "65537 classes");
    request = request_of("resnet20", 3, 10);
    request.normalisation.channels = 2;
    refused(&request, STATUS_USAGE, "a normalisation of 2 channels for images of 3");
    request = request_of("resnet20", 3, 10);
    request.width_count = 3;
    request.widths[1] = 8;
    refused(&request, STATUS_USAGE, "from 16 channels to 8");
    request.widths[1] = 0;
    request.widths[2] = 1u << 20;
    refused(&request, STATUS_LIMIT, "a new network needs");
    request.widths[2] = 0;
    mem_set_budget(100000);
    refused(&request, STATUS_LIMIT, "a new network needs");
    mem_set_budget(0);
}

/* ---- first weights ----------------------------------------------------------------------------------------------- */

static const Tensor *named(const Network *network, const char *name) {
    for (size_t i = 0; i < network->tensor_count; i++)
        if (strcmp(network->tensors[i].name, name) == 0) return network->tensors[i].tensor;
    fail_msg("no tensor %s", name);
    return NULL;
}

enum { ERRORS = 5 }; /* standard errors that a statistic may be off: one in two million */

static void check_moment(const char *name, const char *what, double found, double expected, double error) {
    if (!(fabs(found - expected) < ERRORS * error))
        fail_msg("%s: %s %g, expected %g +- %g", name, what, found, expected, error);
}

/* Mean 0, the variance given; the fourth moment over the variance squared is 3 for normal numbers, 9/5 for uniform. */
static void check_distribution(const char *name, const Tensor *tensor, double variance, bool normal) {
    double mean = 0, second = 0, fourth = 0;
    const double n = (double)tensor->count, kurtosis = normal ? 3 : 9.0 / 5;
    for (uint64_t i = 0; i < tensor->count; i++) {
        const double x = (double)tensor->data[i];
        mean += x / n;
        second += x * x / n;
        fourth += pow(x, 4) / n;
    }
    check_moment(name, "mean", mean, 0, sqrt(variance / n));
    check_moment(name, "variance", second / variance, 1, sqrt((kurtosis - 1) / n));
    /* variance of x^4 / s^4: 105 - 9 for normal numbers, 81 (1/9 - 1/25) for uniform ones */
    check_moment(name, "fourth moment", fourth / variance / variance, kurtosis, sqrt((normal ? 96 : 5.76) / n));
}

static void first_weights(void **state) {
    (void)state;
    ArchitectureRequest request = request_of("resnet20", 3, 5000);
    request.variants = "B";
    Network *network = create(&request, 42);
    for (size_t i = 0; i < network->layer_count; i++) {
        size_t rows, columns;
        layer_matrix(network, &network->layers[i], &rows, &columns);
        check_distribution(network->layers[i].name, layer_weight(network, &network->layers[i]), 2 / (double)columns,
                           true);
    }
    const Tensor *bias = named(network, "linear.bias");
    check_distribution("linear.bias", bias, 1.0 / 64 / 3, false);
    for (uint64_t i = 0; i < bias->count; i++) assert_true(fabsf(bias->data[i]) <= 1.0f / 8);
    for (size_t i = 0; i < network->graph->count; i++) {
        const Op *op = &network->graph->ops[i];
        if (op->kind != OP_BATCH_NORM) continue;
        for (unsigned c = 0; c < op->out_channels; c++) {
            const float values[4] = {
                network->tensors[op->weight].tensor->data[c], network->tensors[op->bias].tensor->data[c],
                network->tensors[op->mean].tensor->data[c], network->tensors[op->variance].tensor->data[c]};
            assert_memory_equal(values, ((const float[]){1, 0, 0, 1}), sizeof values);
        }
    }
    network_free(network);
}

/* Correlation of the common beginning of two tensors; of unrelated numbers 0 +- 1 / sqrt(n). */
static void check_unrelated(const char *what, const Tensor *a, const Tensor *b) {
    const uint64_t n = a->count < b->count ? a->count : b->count;
    double ab = 0, aa = 0, bb = 0;
    for (uint64_t i = 0; i < n; i++) {
        ab += (double)a->data[i] * (double)b->data[i];
        aa += (double)a->data[i] * (double)a->data[i];
        bb += (double)b->data[i] * (double)b->data[i];
    }
    check_moment(what, "correlation", ab / sqrt(aa * bb), 0, 1 / sqrt((double)n));
}

static void seeds_and_layers_differ(void **state) {
    (void)state;
    const ArchitectureRequest request = request_of("resnet14", 1, 10);
    Network *one = create(&request, 7), *again = create(&request, 7), *other = create(&request, 8);
    for (size_t i = 0; i < one->tensor_count; i++)
        assert_memory_equal(one->tensors[i].tensor->data, again->tensors[i].tensor->data,
                            one->tensors[i].tensor->count * sizeof(float));
    for (size_t i = 0; i < one->layer_count; i++) {
        check_unrelated("seeds", layer_weight(one, &one->layers[i]), layer_weight(other, &one->layers[i]));
        for (size_t j = 0; j < i; j++)
            check_unrelated("layers", layer_weight(one, &one->layers[i]), layer_weight(one, &one->layers[j]));
    }
    network_free(one);
    network_free(again);
    network_free(other);
}

static void trainable(void **state) {
    (void)state;
    ArchitectureRequest request = request_of("resnet8", 1, 10);
    request.variants = "B";
    Network *network = create(&request, 1);
    size_t statistics = 0;
    for (size_t i = 0; i < network->tensor_count; i++) {
        const bool running = strstr(network->tensors[i].name, ".running_") != NULL;
        assert_int_equal(network_trainable(network, i), !running);
        statistics += running;
    }
    assert_int_equal(statistics, 2 * 9); /* 7 batch norms, 2 of shortcuts */
    network_free(network);
}

/* ---- files ------------------------------------------------------------------------------------------------------- */

static Network *load(const char *path) {
    Error err;
    Network *network = network_load(path, NULL, &err);
    if (!network) fail_msg("%s", err.text);
    return network;
}

static void check_same(const Network *a, const Network *b) {
    assert_string_equal(a->architecture, b->architecture);
    assert_true(graph_equal(a->graph, b->graph));
    assert_memory_equal(&a->normalisation, &b->normalisation, sizeof a->normalisation);
    assert_int_equal(a->tensor_count, b->tensor_count);
    for (size_t i = 0; i < a->tensor_count; i++) {
        const Tensor *one = a->tensors[i].tensor, *two = b->tensors[i].tensor;
        assert_string_equal(a->tensors[i].name, b->tensors[i].name);
        assert_int_equal(one->rank, two->rank);
        assert_memory_equal(one->dim, two->dim, one->rank * sizeof *one->dim);
        assert_memory_equal(one->data, two->data, one->count * sizeof *one->data);
    }
    assert_int_equal(b->lineage_count, a->lineage_count + 1);
    for (size_t i = 0; i < a->lineage_count; i++) assert_string_equal(a->lineage[i].value, b->lineage[i].value);
}

static void saved_and_loaded(void **state) {
    (void)state;
    Error err;
    const char *path = scratch_path("new.safetensors");
    ArchitectureRequest request = request_of("resnet8", 3, 12);
    assert_true(normalisation_parse("0.1,0.2,0.3/0.4", 3, &request.normalisation, &err));
    for (int projection = 0; projection < 2; projection++) {
        request.variants = projection ? "B" : NULL;
        Network *network = create(&request, 5);
        assert_true(network_save(network, path, true, &err));
        Network *back = load(path);
        check_same(network, back);
        network_free(back);
        network_free(network);
    }
}

/* A trainer's checkpoint is the network in it; without the trainer's mark a tensor is a tensor. */
static void leaves_state_alone(void **state) {
    (void)state;
    Error err;
    const char *path = scratch_path("run.safetensors");
    const ArchitectureRequest request = request_of("resnet8", 1, 10);
    const uint64_t three = 3;
    const float values[3] = {1, 2, 3};
    Network *network = create(&request, 5);
    FileParts parts;
    assert_true(network_parts(network, &parts, &err));
    assert_int_equal(parts.count, network->tensor_count);
    size_t capacity = parts.count;
    assert_true(mem_grow(&parts.tensors, &capacity, parts.count + 1, sizeof *parts.tensors, &err));
    parts.tensors[parts.count++] = (TensorOut){"state.first", DTYPE_F32, 1, &three, values};
    for (int mark = 0; mark < 2; mark++) {
        if (mark) assert_true(key_value_add(&parts.metadata, &parts.metadata_count, "weft.run", "{}", &err));
        if (mark) assert_true(key_value_add(&parts.metadata, &parts.metadata_count, "weft.run.hash", "0", &err));
        assert_true(
            safetensors_save(path, true, parts.tensors, parts.count, parts.metadata, parts.metadata_count, &err));
        Network *back = load(path);
        if (mark) check_same(network, back);
        if (mark) assert_int_equal(back->note_count, 0);
        if (!mark) assert_int_equal(back->tensor_count, network->tensor_count + 1);
        network_free(back);
    }
    file_parts_done(&parts);
    network_free(network);
}

/* ---- memory ------------------------------------------------------------------------------------------------------ */

static void memory_runs_out(void **state) {
    (void)state;
    Error err;
    ArchitectureRequest request = request_of("resnet8", 1, 10);
    request.variants = "B";
    for (int all_after = 0; all_after < 2; all_after++) {
        bool done = false;
        for (uint64_t k = 1; !done; k++) {
            FileParts parts = {0};
            fault_arm(FAULT_ALLOC, k, all_after);
            Network *network = network_create(&request, 1, "fit", &err);
            done = network && network_parts(network, &parts, &err);
            fault_disarm();
            file_parts_done(&parts);
            network_free(network);
            if (!done && err.status != STATUS_LIMIT) fail_msg("allocation %d: %s", (int)k, err.text);
        }
        request.architecture = "vgg"; /* its message needs memory */
        fault_arm(FAULT_ALLOC, 1, all_after);
        assert_null(network_create(&request, 1, "fit", &err));
        fault_disarm();
        assert_int_equal(err.status, STATUS_LIMIT);
        request.architecture = "resnet8";
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parameter_counts),
        cmocka_unit_test(widths_and_shortcuts),
        cmocka_unit_test(runs),
        cmocka_unit_test(bad_requests),
        cmocka_unit_test(first_weights),
        cmocka_unit_test(seeds_and_layers_differ),
        cmocka_unit_test(trainable),
        cmocka_unit_test(saved_and_loaded),
        cmocka_unit_test(leaves_state_alone),
        cmocka_unit_test(memory_runs_out),
    };
    return cmocka_run_group_tests_name("creating", tests, NULL, NULL);
}
