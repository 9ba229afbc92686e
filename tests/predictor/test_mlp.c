/* test_mlp -- predictions and gradients of the MLP: against PyTorch in float64 (../shared/oracle), against a plain-loop
 * MLP in double with finite differences for what the oracle does not have, and their independence of the threads. */
#include "weft/predictor.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "../support/handmade.h"
#include "../support/oracle.h"
#include "../support/plain_mlp.h"
#include "weft/base/error.h"
#include "weft/base/fault.h"
#include "weft/base/memory.h"
#include "weft/base/pool.h"
#include "weft/base/random.h"
#include "weft/base/tensor.h"

/* ---- the oracle -------------------------------------------------------------------------------------------------- */

static Predictor *predictor_for(const Network *source, const PredictorConfig *config) {
    Error err;
    Predictor *predictor = predictor_new(source, NULL, config, 1, "train", NULL, &err);
    if (!predictor) fail_msg("%s", err.text);
    return predictor;
}

/* The oracle's names of the parameters, in the order of ours. */
static void array_name(unsigned index, char out[64]) {
    const unsigned layer = index / 2;
    const char *part = index % 2 ? "bias" : "weight";
    if (layer == 4)
        snprintf(out, 64, "final_linear_layer.%s", part);
    else
        snprintf(out, 64, "layers.%u.%s", layer, part);
}

static size_t array_offset(const Predictor *predictor, unsigned index) {
    const MlpLayer *layer = &predictor->mlp[index / 2];
    return index % 2 ? layer->bias : layer->weight;
}

static void take_parameters(Predictor *predictor, Checkpoint *arrays, const char *tag) {
    for (unsigned i = 0; i < 10; i++) {
        char name[64];
        array_name(i, name);
        Tensor *tensor = oracle_tensor(arrays, "%s.%s", tag, name);
        memcpy(predictor->parameters + array_offset(predictor, i), tensor->data, tensor->count * sizeof(float));
        tensor_release(tensor);
    }
}

static void compare_gradient(const Predictor *predictor, Checkpoint *arrays, const char *tag, const float *gradient,
                             double tolerance) {
    for (unsigned i = 0; i < 10; i++) {
        char name[64];
        array_name(i, name);
        if (strstr(tag, "dup") && i < 8) continue; /* the oracle has only the last layer of these */
        Tensor *wanted = oracle_tensor(arrays, "%s.%s", tag, name);
        double distance = relative_distance(gradient + array_offset(predictor, i), wanted->data, wanted->count);
        if (!(distance < tolerance)) fail_msg("%s.%s: relative distance %g", tag, name, distance);
        tensor_release(wanted);
    }
}

static void scale(float *values, size_t count, double factor) {
    for (size_t i = 0; i < count; i++) values[i] = (float)((double)values[i] * factor);
}

/* Sorted distinct kernels of a list and how often each stands there. */
static size_t count_kernels(const Tensor *list, uint32_t *kernels, uint16_t *times) {
    size_t count = 0;
    static uint16_t seen[1 << 15];
    memset(seen, 0, sizeof seen);
    for (uint64_t i = 0; i < list->count; i++) seen[(size_t)list->data[i]]++;
    for (uint32_t k = 0; k < 1 << 15; k++) {
        if (!seen[k]) continue;
        kernels[count] = k;
        times[count++] = seen[k];
    }
    return count;
}

static void compare_predictor(const char *tag, unsigned hidden, double tolerance_all) {
    Checkpoint *arrays = oracle_arrays("predictor");
    json_t *values = oracle_values("predictor");
    Network *network = oracle_network(SHARED_RESNET20);
    PredictorConfig config = predictor_config();
    Error err;
    config.hidden = hidden;
    config.permutation = PERMUTATION_NONE;
    Predictor *predictor = predictor_for(network, &config);
    take_parameters(predictor, arrays, tag);
    const double weights = (double)predictor->weight_count;
    assert_int_equal(predictor->weight_count, 267696);
    float *targets = predictor_targets(predictor, network, &err);
    Mlp *mlp = mlp_new(predictor, &err);
    float *gradient = mem_alloc(predictor->parameter_count, sizeof(float), &err);
    float *all = mem_alloc((uint64_t)predictor->kernel_count * 9, sizeof(float), &err);
    assert_true(targets && mlp && gradient && all);
    mlp_predict(mlp, NULL, 0, all);
    static const char *const layers[] = {"conv1", "layer1.0.conv1"};
    for (size_t i = 0, at = 0; i < 2; i++) {
        Tensor *wanted = oracle_tensor(arrays, "%s.kernels.%s", tag, layers[i]);
        for (uint64_t j = 0; j < wanted->count; j++)
            assert_true(fabs((double)all[at + j] - (double)wanted->data[j]) < 1e-6);
        at += wanted->count;
        tensor_release(wanted);
    }
    const double loss = oracle_number(json_object_get(values, tag), "loss");
    double batch, rest;
    char name[64];
    mlp_reconstruction(mlp, targets, NULL, NULL, 0, gradient, &batch, NULL);
    assert_true(fabs(sqrt(batch / weights) / loss - 1) < 1e-6);
    scale(gradient, predictor->parameter_count, 1 / (weights * loss));
    snprintf(name, sizeof name, "%s.grad_all", tag);
    compare_gradient(predictor, arrays, name, gradient, tolerance_all);
    static const char *const batches[][2] = {{"batch512", "grad_batch512"},
                                             {"batch512_dup", "grad_batch512_dup_counted"},
                                             {"batch512_dup", "grad_batch512_dup_once"}};
    for (size_t i = 0; i < 3; i++) {
        uint32_t kernels[512];
        uint16_t times[512];
        Tensor *list = oracle_tensor(arrays, "%s", batches[i][0]);
        const size_t count = count_kernels(list, kernels, times);
        mlp_reconstruction(mlp, targets, kernels, i == 2 ? NULL : times, count, gradient, &batch, &rest);
        assert_true(fabs(sqrt((batch + rest) / weights) / loss - 1) < 1e-6);
        scale(gradient, predictor->parameter_count, 1 / (weights * loss));
        snprintf(name, sizeof name, "%s.%s", tag, batches[i][1]);
        compare_gradient(predictor, arrays, name, gradient, 2e-4);
        tensor_release(list);
    }
    mem_free(all);
    mem_free(gradient);
    mem_free(targets);
    mlp_free(mlp);
    predictor_free(predictor);
    network_free(network);
    json_decref(values);
    checkpoint_close(arrays);
}

static void oracle_hidden_32(void **state) {
    (void)state;
    compare_predictor("h32", 32, 2e-4);
}

static void oracle_hidden_140(void **state) {
    (void)state;
    compare_predictor("h140", 140, 2e-4);
}

/* ---- a plain MLP in double --------------------------------------------------------------------------------------- */

/* 1/2 sum over the batch of times (w^ - w)^2, whose gradient is what mlp_reconstruction gives. */
static double plain_loss(const Predictor *p, const double *parameters, const float *targets, const uint32_t *kernels,
                         const uint16_t *times, size_t count) {
    double total = 0;
    for (size_t i = 0; i < count; i++) {
        double encoded[PLAIN_WIDEST], out[64];
        float mask[64];
        plain_encoding(p, kernels[i], encoded);
        plain_kernel(p, parameters, encoded, out);
        predictor_mask(p, predictor_layer_of(p, kernels[i]), mask);
        for (unsigned j = 0; j < p->outputs; j++) {
            const double d = (double)mask[j] * (out[j] - (double)targets[kernels[i] * p->outputs + j]);
            total += 0.5 * times[i] * d * d;
        }
    }
    return total;
}

static void compare_with_plain(const Predictor *p, const Network *network) {
    Error err;
    uint32_t kernels[64];
    uint16_t times[64];
    size_t count = 0;
    for (uint32_t k = 0; k < p->kernel_count && count < 64; k += 1 + k % 3) {
        kernels[count] = k;
        times[count] = (uint16_t)(1 + count % 3);
        count++;
    }
    double *parameters = mem_alloc(p->parameter_count, sizeof *parameters, &err);
    float *gradient = mem_alloc(p->parameter_count, sizeof *gradient, &err);
    float *targets = predictor_targets(p, network, &err);
    Mlp *mlp = mlp_new(p, &err);
    assert_true(parameters && gradient && targets && mlp);
    for (size_t i = 0; i < p->parameter_count; i++) parameters[i] = (double)p->parameters[i];
    double batch, rest, largest = 0;
    mlp_reconstruction(mlp, targets, kernels, times, count, gradient, &batch, &rest);
    for (size_t i = 0; i < p->parameter_count; i++) largest = fmax(largest, fabs((double)gradient[i]));
    Rng rng = {.seed = 3};
    for (int trial = 0; trial < 60; trial++) {
        const unsigned layer = (unsigned)trial % p->config.linear;
        const size_t size = (size_t)p->mlp[layer].out * (p->mlp[layer].in + 1);
        const size_t at = p->mlp[layer].weight + (size_t)rng_below(&rng, size);
        const double step = 1e-5, was = parameters[at];
        parameters[at] = was + step;
        const double up = plain_loss(p, parameters, targets, kernels, times, count);
        parameters[at] = was - step;
        const double down = plain_loss(p, parameters, targets, kernels, times, count);
        parameters[at] = was;
        if (!(fabs((up - down) / (2 * step) - (double)gradient[at]) < 2e-4 * largest))
            fail_msg("activation %d, parameter %zu of layer %u: %g, finite difference %g", p->config.activation, at,
                     layer, (double)gradient[at], (up - down) / (2 * step));
    }
    double squares = 0;
    for (uint32_t k = 0; k < p->kernel_count; k++)
        squares += 2 * plain_loss(p, parameters, targets, &k, (const uint16_t[]){1}, 1);
    assert_true(fabs((batch + rest) / squares - 1) < 1e-6);
    float out[64 * 64];
    mlp_predict(mlp, kernels, count, out);
    for (size_t i = 0; i < count; i++) {
        double encoded[PLAIN_WIDEST], wanted[64];
        plain_encoding(p, kernels[i], encoded);
        plain_kernel(p, parameters, encoded, wanted);
        for (unsigned j = 0; j < p->outputs; j++) assert_true(fabs((double)out[i * p->outputs + j] - wanted[j]) < 1e-5);
    }
    mem_free(parameters);
    mem_free(gradient);
    mem_free(targets);
    mlp_free(mlp);
}

/* Layers of different kernels, so that crops count. */
static Network *mixed_network(void) {
    static const HandmadeLayer layers[] = {{"a", 4, {6, 3, 3, 3}}, {"b", 4, {5, 6, 1, 1}}, {"c", 4, {4, 5, 3, 3}}};
    return handmade_network(layers, 3, 7);
}

static void plain_activations(void **state) {
    (void)state;
    Network *network = mixed_network();
    bool *all = handmade_all(network);
    for (int activation = 0; activation < PREDICTOR_ACTIVATION_COUNT; activation++)
        for (int normalisation = 0; normalisation < INDEX_NORMALISATION_COUNT; normalisation++) {
            PredictorConfig config = predictor_config();
            Error err;
            config.levels = 5;
            config.hidden = 17;
            config.linear = (unsigned)(2 + (activation + normalisation) % 4);
            config.activation = (PredictorActivation)activation;
            config.normalisation = (IndexNormalisation)normalisation;
            Predictor *p = predictor_new(network, all, &config, 5, "train", NULL, &err);
            if (!p) fail_msg("%s", err.text);
            compare_with_plain(p, network);
            predictor_free(p);
        }
    mem_free(all);
    network_free(network);
}

/* Where the CPU has a matrix unit its products are used from some width on. */
static void plain_wide(void **state) {
    static const PredictorActivation activations[] = {PREDICTOR_RELU, PREDICTOR_GELU};
    (void)state;
    Network *network = mixed_network();
    bool *all = handmade_all(network);
    for (unsigned i = 0; i < 2; i++) {
        PredictorConfig config = predictor_config();
        Error err;
        config.levels = 5;
        config.hidden = 270;
        config.linear = 4;
        config.activation = activations[i];
        Predictor *p = predictor_new(network, all, &config, 5, "train", NULL, &err);
        if (!p) fail_msg("%s", err.text);
        compare_with_plain(p, network);
        predictor_free(p);
    }
    mem_free(all);
    network_free(network);
}

/* ---- passes agree, whatever the threads -------------------------------------------------------------------------- */

/* Every allocation that fails is said, nothing leaks. */
static void faults_are_said(const Predictor *p) {
    Error err;
    for (uint64_t n = 1;; n++) {
        fault_arm(FAULT_ALLOC, n, false);
        Mlp *mlp = mlp_new(p, &err);
        const uint64_t seen = fault_disarm();
        mlp_free(mlp);
        if (mlp) break;
        assert_int_equal(err.status, STATUS_LIMIT);
        assert_true(seen >= n);
    }
}

static void agree(unsigned hidden) {
    static const HandmadeLayer layers[] = {{"a", 4, {64, 24, 3, 3}}, {"b", 4, {40, 64, 3, 3}}};
    Network *network = handmade_network(layers, 2, 9);
    bool *all = handmade_all(network);
    PredictorConfig config = predictor_config();
    Error err;
    config.hidden = hidden;
    config.permutation = PERMUTATION_NONE;
    Predictor *p = predictor_new(network, all, &config, 5, "train", NULL, &err);
    assert_non_null(p);
    float *targets = predictor_targets(p, network, &err);
    float *first = mem_alloc(p->parameter_count, sizeof(float), &err);
    float *other = mem_alloc(p->parameter_count, sizeof(float), &err);
    float *delta = mem_alloc((uint64_t)p->kernel_count * 9, sizeof(float), &err);
    uint32_t *kernels = mem_alloc(p->kernel_count, sizeof *kernels, &err);
    assert_true(targets && first && other && delta && kernels);
    size_t count = 0;
    for (uint32_t k = 0; k < p->kernel_count; k++)
        if (k % 7 != 3) kernels[count++] = k;
    double batch, rest, batch_1, rest_1;
    for (unsigned threads = 1; threads <= 3; threads++) {
        pool_set_threads(threads);
        Mlp *mlp = mlp_new(p, &err);
        float *gradient = threads == 1 ? first : other;
        assert_non_null(mlp);
        mlp_reconstruction(mlp, targets, kernels, NULL, count, gradient, &batch, &rest);
        if (threads == 1) {
            batch_1 = batch;
            rest_1 = rest;
        }
        assert_memory_equal(first, gradient, p->parameter_count * sizeof(float));
        assert_true(batch == batch_1 && rest == rest_1);
        /* the same by hand: predict, subtract, back-propagate */
        mlp_predict(mlp, kernels, count, delta);
        for (size_t i = 0; i < count * 9; i++) delta[i] -= targets[kernels[i / 9] * 9 + i % 9];
        mlp_backward(mlp, kernels, count, delta, other);
        assert_memory_equal(first, other, p->parameter_count * sizeof(float));
        /* no allocation in a pass */
        fault_arm(FAULT_ALLOC, 1, true);
        mlp_set(mlp, p->parameters);
        mlp_reconstruction(mlp, targets, kernels, NULL, count, gradient, &batch, &rest);
        assert_int_equal(fault_disarm(), 0);
        mlp_free(mlp);
    }
    pool_set_threads(0);
    faults_are_said(p);
    mem_free(all);
    mem_free(targets);
    mem_free(first);
    mem_free(other);
    mem_free(delta);
    mem_free(kernels);
    predictor_free(p);
    network_free(network);
}

static void passes_agree(void **state) {
    (void)state;
    agree(33);
    agree(260); /* on the matrix unit, where there is one */
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(oracle_hidden_32), cmocka_unit_test(oracle_hidden_140), cmocka_unit_test(plain_activations),
        cmocka_unit_test(plain_wide),       cmocka_unit_test(passes_agree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
