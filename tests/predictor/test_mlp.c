/* test_mlp -- predictions and gradients of the MLP: against PyTorch in float64 (tests/oracle, ../shared/oracle),
 * against a plain-loop MLP in double with finite differences for what the oracle does not have, and their independence
 * of the threads. */
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

static size_t array_count(const Predictor *predictor, unsigned index) {
    const MlpLayer *layer = &predictor->mlp[index / 2];
    return (size_t)layer->out * (index % 2 ? 1 : layer->in);
}

static void take_parameters(Predictor *predictor, Checkpoint *arrays, const char *tag) {
    for (unsigned i = 0; i < 10; i++) {
        char name[64];
        array_name(i, name);
        Tensor *tensor = oracle_tensor(arrays, "%s.%s", tag, name);
        assert_int_equal(tensor->count, array_count(predictor, i));
        memcpy(predictor->parameters + array_offset(predictor, i), tensor->data, tensor->count * sizeof(float));
        tensor_release(tensor);
    }
}

/* What one predictor gives, and what the oracle has of it. */
typedef struct Trial {
    const char *tag;
    Predictor *predictor;
    Checkpoint *arrays;
    const json_t *values;
    const char *all; /* the row of all kernels' gradient */
} Trial;

/* The norms of all arrays; where they are stored, the arrays. */
static void compare_gradient(const Trial *trial, const char *row, const float *gradient) {
    const Predictor *predictor = trial->predictor;
    const json_t *norms = json_object_get(json_object_get(trial->values, "grad_l2"), row + strlen("grad_"));
    for (unsigned i = 0; i < 10; i++) {
        char name[64];
        array_name(i, name);
        const float *found = gradient + array_offset(predictor, i);
        const double wanted = oracle_number(norms, name);
        if (!(fabs(euclidean_norm(found, array_count(predictor, i)) / wanted - 1) < 2e-4))
            fail_msg("%s.%s.%s has norm %g, not %g", trial->tag, row, name,
                     euclidean_norm(found, array_count(predictor, i)), wanted);
        if (!oracle_has(trial->arrays, "%s.%s.%s", trial->tag, row, name)) continue;
        Tensor *stored = oracle_tensor(trial->arrays, "%s.%s.%s", trial->tag, row, name);
        const double distance = relative_distance(found, stored->data, stored->count);
        assert_int_equal(stored->count, array_count(predictor, i));
        if (!(distance < 2e-4)) fail_msg("%s.%s.%s: relative distance %g", trial->tag, row, name, distance);
        tensor_release(stored);
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

static void compare_kernels(const Trial *trial, Mlp *mlp) {
    static const char *const layers[] = {"conv1", "layer1.0.conv1"};
    Error err;
    float *all = mem_alloc((uint64_t)trial->predictor->kernel_count * 9, sizeof(float), &err);
    assert_non_null(all);
    mlp_predict(mlp, NULL, 0, all);
    for (size_t i = 0, at = 0; i < 2; i++) {
        Tensor *wanted = oracle_tensor(trial->arrays, "%s.kernels.%s", trial->tag, layers[i]);
        for (uint64_t j = 0; j < wanted->count; j++)
            assert_true(fabs((double)all[at + j] - (double)wanted->data[j]) < 1e-6);
        at += wanted->count;
        tensor_release(wanted);
    }
    mem_free(all);
}

/* The gradient of all kernels, but for those near the kink of a ReLU, where the oracle names such. */
static void compare_all(const Trial *trial, Mlp *mlp, const float *targets, float *gradient) {
    const Predictor *predictor = trial->predictor;
    const double weights = (double)predictor->weight_count, loss = oracle_number(trial->values, "loss");
    Error err;
    double batch, rest = 0;
    if (!oracle_has(trial->arrays, "%s.near_kinks", trial->tag)) {
        mlp_reconstruction(mlp, targets, NULL, NULL, 0, gradient, &batch, NULL);
    } else {
        Tensor *left_out = oracle_tensor(trial->arrays, "%s.near_kinks", trial->tag);
        uint32_t *kernels = mem_alloc(predictor->kernel_count, sizeof *kernels, &err);
        size_t count = 0, next = 0;
        assert_non_null(kernels);
        assert_true(left_out->count < predictor->kernel_count / 10);
        for (uint32_t k = 0; k < predictor->kernel_count; k++) {
            const bool near = next < left_out->count && (uint32_t)left_out->data[next] == k;
            if (near)
                next++;
            else
                kernels[count++] = k;
        }
        mlp_reconstruction(mlp, targets, kernels, NULL, count, gradient, &batch, &rest);
        mem_free(kernels);
        tensor_release(left_out);
    }
    assert_true(fabs(sqrt((batch + rest) / weights) / loss - 1) < 1e-6);
    scale(gradient, predictor->parameter_count, 1 / (weights * loss));
    compare_gradient(trial, trial->all, gradient);
}

/* Kernels, loss and gradients: of all kernels, and of batches with repeats that count or do not. */
static void compare_trial(const Trial *trial, const Network *network) {
    static const char *const batches[][2] = {{"batch512", "grad_batch512"},
                                             {"batch512_dup", "grad_batch512_dup_counted"},
                                             {"batch512_dup", "grad_batch512_dup_once"}};
    Predictor *predictor = trial->predictor;
    Error err;
    const double weights = (double)predictor->weight_count, loss = oracle_number(trial->values, "loss");
    float *targets = predictor_targets(predictor, network, &err);
    Mlp *mlp = mlp_new(predictor, &err);
    float *gradient = mem_alloc(predictor->parameter_count, sizeof(float), &err);
    assert_true(targets && mlp && gradient);
    compare_kernels(trial, mlp);
    double batch, rest;
    compare_all(trial, mlp, targets, gradient);
    for (size_t i = 0; i < 3; i++) {
        uint32_t kernels[512];
        uint16_t times[512];
        Tensor *list = oracle_tensor(trial->arrays, "%s", batches[i][0]);
        const size_t count = count_kernels(list, kernels, times);
        mlp_reconstruction(mlp, targets, kernels, i == 2 ? NULL : times, count, gradient, &batch, &rest);
        assert_true(fabs(sqrt((batch + rest) / weights) / loss - 1) < 1e-6);
        scale(gradient, predictor->parameter_count, 1 / (weights * loss));
        compare_gradient(trial, batches[i][1], gradient);
        tensor_release(list);
    }
    mem_free(gradient);
    mem_free(targets);
    mlp_free(mlp);
}

/* An untrained predictor, its parameters from the oracle. */
static void compare_untrained(const Oracle *oracle, const char *tag, unsigned hidden) {
    json_t *values = oracle_values(oracle, "predictor");
    Network *network = oracle_network(oracle->network);
    PredictorConfig config = predictor_config();
    config.hidden = hidden;
    config.permutation = PERMUTATION_NONE;
    const Trial trial = {.tag = tag,
                         .predictor = predictor_for(network, &config),
                         .arrays = oracle_arrays(oracle, "predictor"),
                         .values = json_object_get(values, tag),
                         .all = oracle->own ? "grad_clear" : "grad_all"};
    assert_int_equal(trial.predictor->weight_count, (int)oracle_number(values, "weights"));
    take_parameters(trial.predictor, trial.arrays, tag);
    compare_trial(&trial, network);
    predictor_free(trial.predictor);
    network_free(network);
    json_decref(values);
    checkpoint_close(trial.arrays);
}

static void untrained(void **state) {
    (void)state;
    for (const Oracle *o = NULL; (o = oracle_next(o));) {
        compare_untrained(o, "h32", 32);
        if (!o->own) compare_untrained(o, "h140", 140);
    }
}

/* The sample, whose file has its order of kernels. */
static void trained(void **state) {
    (void)state;
    Error err;
    const Oracle *oracle = oracle_next(NULL);
    json_t *values = oracle_values(oracle, "predictor");
    Network *network = oracle_network(oracle->network);
    Predictor *predictor = predictor_load("samples/fashion-resnet8-predictor.safetensors", NULL, NULL, &err);
    if (!predictor) fail_msg("%s", err.text);
    const Trial trial = {.tag = "h64",
                         .predictor = predictor,
                         .arrays = oracle_arrays(oracle, "predictor"),
                         .values = json_object_get(values, "h64"),
                         .all = oracle->own ? "grad_clear" : "grad_all"};
    compare_trial(&trial, network);
    predictor_free(predictor);
    network_free(network);
    json_decref(values);
    checkpoint_close(trial.arrays);
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
        cmocka_unit_test(untrained),  cmocka_unit_test(trained),      cmocka_unit_test(plain_activations),
        cmocka_unit_test(plain_wide), cmocka_unit_test(passes_agree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
