/* test_forward -- trained ResNets against the numeric oracle (../shared/oracle: PyTorch in float64): logits, feature
 * maps, predictions, losses, folded batch norm; and the same bits for any number of threads.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "net/engine/plan.h"
#include "weft/base/dtype.h"
#include "weft/base/error.h"
#include "weft/base/memory.h"
#include "weft/base/pool.h"
#include "weft/base/tensor.h"

#define SHARED "../shared/"
#define RESNET20 SHARED "data/checkpoints/resnet20-12fca82f.th"
#define RESNET56 SHARED "data/checkpoints/resnet56-4bfd9763.th"

enum { IMAGES = 846, PIXELS = 3 * 32 * 32, CLASSES = 10, BATCH = 47 }; /* 18 batches; an odd number on purpose */

static float *pixels; /* of all images, on [0, 1] */
static uint8_t labels[IMAGES];
static json_t *oracle;  /* forward.json */
static Checkpoint *npz; /* forward.npz */

/* Records of one label byte and 3072 pixel bytes. */
static bool read_images(void) {
    Error err;
    FILE *file = fopen(SHARED "data/cifar10-subset/test_batch.bin", "rb");
    unsigned char record[1 + PIXELS];
    pixels = mem_alloc((uint64_t)IMAGES * PIXELS, sizeof *pixels, &err);
    size_t count = 0;
    while (file && pixels && count < IMAGES && fread(record, sizeof record, 1, file) == 1) {
        labels[count] = record[0];
        for (size_t i = 0; i < PIXELS; i++) pixels[count * PIXELS + i] = (float)record[1 + i] / 255;
        count++;
    }
    if (file) fclose(file);
    return count == IMAGES;
}

static int begin(void **state) {
    (void)state;
    Error err;
    json_error_t problem;
    if (access(RESNET20, R_OK) != 0 || access(SHARED "oracle/forward.npz", R_OK) != 0) return 0;
    oracle = json_load_file(SHARED "oracle/forward.json", 0, &problem);
    npz = checkpoint_open(SHARED "oracle/forward.npz", &err);
    return oracle && npz && read_images() ? 0 : -1;
}

static int end(void **state) {
    (void)state;
    mem_free(pixels);
    json_decref(oracle);
    checkpoint_close(npz);
    return 0;
}

static Network *load(const char *path) {
    Error err;
    if (!oracle) {
        print_message("../shared/data or ../shared/oracle is missing\n");
        skip();
    }
    Network *network = network_load(path, NULL, &err);
    if (!network) fail_msg("%s", err.text);
    return network;
}

static Engine *make_engine(const Network *network, unsigned batch) {
    Error err;
    Engine *engine = engine_new(network, batch, 32, 32, NULL, &err);
    if (!engine) fail_msg("%s", err.text);
    return engine;
}

/* The logits of the first `images` images, for the caller to free. */
static float *forward(Engine *engine, unsigned images) {
    Error err;
    float *logits = mem_alloc((uint64_t)images * CLASSES, sizeof *logits, &err);
    assert_non_null(logits);
    for (unsigned first = 0; first < images; first += BATCH) {
        unsigned count = images - first < BATCH ? images - first : BATCH;
        if (!engine_forward(engine, pixels + first * PIXELS, count, logits + first * CLASSES, &err))
            fail_msg("%s", err.text);
    }
    return logits;
}

static double *oracle_doubles(const char *name, const char *part, size_t count) {
    Error err;
    char key[64];
    size_t index;
    snprintf(key, sizeof key, "%s.%s", name, part);
    if (!checkpoint_find(npz, key, &index)) fail_msg("the oracle has no %s", key);
    assert_int_equal(checkpoint_tensor(npz, index)->count, count);
    double *values = mem_alloc(count, sizeof *values, &err);
    assert_non_null(values);
    if (checkpoint_tensor(npz, index)->dtype == DTYPE_F64) {
        assert_true(checkpoint_read(npz, index, values, &err));
        return values;
    }
    Tensor *tensor = checkpoint_read_tensor(npz, index, &err);
    assert_non_null(tensor);
    for (size_t i = 0; i < count; i++) values[i] = (double)tensor->data[i];
    tensor_release(tensor);
    return values;
}

/* ---- whole networks ---------------------------------------------------------------------------------------------- */

static void check_logits(const char *path, const char *name) {
    Network *network = load(path);
    Engine *engine = make_engine(network, BATCH);
    float *logits = forward(engine, 16);
    double *expected = oracle_doubles(name, "logits16", 16 * CLASSES);
    for (size_t i = 0; i < 16 * CLASSES; i++) assert_true(fabs((double)logits[i] - expected[i]) < 1e-4);
    mem_free(expected);
    mem_free(logits);
    engine_free(engine);
    network_free(network);
}

static void logits_resnet20(void **state) {
    (void)state;
    check_logits(RESNET20, "resnet20");
}

static void logits_resnet56(void **state) {
    (void)state;
    check_logits(RESNET56, "resnet56");
}

static unsigned prediction(const float *logits) {
    unsigned best = 0;
    for (unsigned c = 1; c < CLASSES; c++)
        if (logits[c] > logits[best]) best = c;
    return best;
}

static double cross_entropy(const float *logits, unsigned label) {
    double top = (double)logits[prediction(logits)], sum = 0;
    for (unsigned c = 0; c < CLASSES; c++) sum += exp((double)logits[c] - top);
    return log(sum) + top - (double)logits[label];
}

static void check_predictions(const char *path, const char *name) {
    Network *network = load(path);
    Engine *engine = make_engine(network, BATCH);
    float *logits = forward(engine, IMAGES);
    double *predicted = oracle_doubles(name, "predictions", IMAGES),
           *loss = oracle_doubles(name, "ce_per_image", IMAGES);
    const json_t *test = json_object_get(json_object_get(oracle, name), "test");
    double mean = 0;
    unsigned correct = 0;
    for (size_t i = 0; i < IMAGES; i++) {
        double found = cross_entropy(logits + i * CLASSES, labels[i]);
        assert_int_equal(prediction(logits + i * CLASSES), (int)predicted[i]);
        assert_true(fabs(found - loss[i]) < 1e-4);
        correct += prediction(logits + i * CLASSES) == labels[i];
        mean += found / IMAGES;
    }
    assert_int_equal(correct, json_integer_value(json_object_get(test, "correct")));
    assert_true(fabs(mean - json_real_value(json_object_get(test, "ce"))) < 2e-5);
    mem_free(predicted);
    mem_free(loss);
    mem_free(logits);
    engine_free(engine);
    network_free(network);
}

static void predictions_resnet20(void **state) {
    (void)state;
    check_predictions(RESNET20, "resnet20");
}

static void predictions_resnet32(void **state) {
    (void)state;
    check_predictions(SHARED "data/checkpoints/resnet32-d509ac18.th", "resnet32");
}

static void predictions_resnet56(void **state) {
    (void)state;
    check_predictions(RESNET56, "resnet56");
}

static void describes_itself(void **state) {
    (void)state;
    Network *network = load(RESNET56);
    assert_string_equal(network->architecture, "ResNet56 (CIFAR, option A, widths 16/32/64)");
    assert_null(network->why_unknown);
    assert_int_equal(network_parameters(network), 853018);
    assert_int_equal(network->layer_count, 56);
    assert_int_equal(network->lineage_count, 1);
    assert_string_equal(network->lineage[0].key, "load");
    assert_string_equal(network->lineage[0].value, RESNET56);
    size_t predicted = 0;
    for (size_t i = 0; i < network->layer_count; i++) predicted += network->layers[i].predicted;
    assert_int_equal(predicted, 55);
    network_free(network);
}

/* ---- feature maps ------------------------------------------------------------------------------------------------ */

/* Every map before a ReLU: the reference runs op by op, so its error is that of plain loops. */
static void check_maps(const char *path, const char *name, size_t every) {
    Network *network = load(path);
    const json_t *maps = json_object_get(json_object_get(oracle, name), "feature_maps_image0");
    assert_true(json_array_size(maps) > 20);
    for (size_t m = 0; m < json_array_size(maps); m += every) {
        const json_t *map = json_array_get(maps, m), *first = json_object_get(map, "first4");
        const char *op_is = json_string_value(json_object_get(map, "name"));
        size_t op = 0;
        while (op < network->graph->count && strcmp(network->graph->ops[op].name, op_is) != 0) op++;
        if (op == network->graph->count) fail_msg("the graph has no %s", op_is);
        Error err;
        unsigned channels, height, width;
        float *found = engine_reference(network, pixels, 32, 32, op, &channels, &height, &width, &err);
        assert_non_null(found);
        const json_t *shape = json_object_get(map, "shape");
        assert_int_equal(channels, json_integer_value(json_array_get(shape, 0)));
        assert_int_equal(height, json_integer_value(json_array_get(shape, 1)));
        assert_int_equal(width, json_integer_value(json_array_get(shape, 2)));
        double norm = 0, expected = json_real_value(json_object_get(map, "l2"));
        for (size_t i = 0; i < (size_t)channels * height * width; i++) norm += (double)found[i] * (double)found[i];
        assert_true(fabs(sqrt(norm) - expected) < 1e-5 * expected);
        for (size_t i = 0; i < 4; i++)
            assert_true(fabs((double)found[i] - json_real_value(json_array_get(first, i))) < 5e-5);
        mem_free(found);
    }
    network_free(network);
}

static void maps_resnet20(void **state) {
    (void)state;
    check_maps(RESNET20, "resnet20", 1);
}

static void maps_resnet56(void **state) {
    (void)state;
    check_maps(RESNET56, "resnet56", 9);
}

/* ---- folding ----------------------------------------------------------------------------------------------------- */

static double norm_of(const float *values, size_t count) {
    double sum = 0;
    for (size_t i = 0; i < count; i++) sum += (double)values[i] * (double)values[i];
    return sqrt(sum);
}

/* The L2 norms of folded weights and biases, layer by layer. */
static void folded_norms(void **state) {
    (void)state;
    Network *network = load(RESNET20);
    Error err;
    Plan plan;
    json_error_t problem;
    json_t *file = json_load_file(SHARED "oracle/bnfold.json", 0, &problem);
    const json_t *net = json_object_get(file, "resnet20");
    assert_non_null(net);
    assert_true(plan_make(&plan, network, 32, 32, NULL, &err));
    float *parameters = mem_alloc(plan.parameters, sizeof *parameters, &err);
    assert_non_null(parameters);
    const float **values = mem_alloc(network->tensor_count, sizeof *values, &err);
    assert_non_null(values);
    for (size_t i = 0; i < network->tensor_count; i++) values[i] = network->tensors[i].tensor->data;
    for (size_t i = 0; i < plan.step_count; i++) fold_step(&plan, &plan.steps[i], network->graph, values, parameters);
    mem_free(values);
    size_t checked = 0;
    for (size_t i = 0; i < plan.step_count; i++) {
        const Step *step = &plan.steps[i];
        if (step->kind != STEP_CONVOLUTION || step->batch_norm < 0) continue;
        const Op *ops = network->graph->ops;
        double weight = json_real_value(json_object_get(json_object_get(net, "folded_conv_l2"), ops[step->op].name));
        double bias =
            json_real_value(json_object_get(json_object_get(net, "folded_bias_l2"), ops[step->batch_norm].name));
        assert_true(weight > 0 && bias > 0);
        assert_true(fabs(norm_of(parameters + step->weights, step->bias - step->weights) - weight) < 1e-6 * weight);
        assert_true(fabs(norm_of(parameters + step->bias, ops[step->op].out_channels) - bias) < 1e-6 * bias);
        checked++;
    }
    assert_int_equal(checked, 19);
    mem_free(parameters);
    plan_done(&plan);
    json_decref(file);
    network_free(network);
}

/* ---- threads, kernels, sizes ------------------------------------------------------------------------------------- */

static void same_bits_for_any_threads(void **state) {
    (void)state;
    Network *network = load(RESNET20);
    Engine *engine = make_engine(network, BATCH);
    pool_set_threads(1);
    float *one = forward(engine, 100);
    for (unsigned threads = 2; threads <= 3; threads++) {
        pool_set_threads(threads); /* 3: more than the engine was made for */
        float *more = forward(engine, 100);
        assert_memory_equal(one, more, 100 * CLASSES * sizeof *one);
        mem_free(more);
    }
    pool_set_threads(0);
    mem_free(one);
    engine_free(engine);
    network_free(network);
}

static void all_kernels_agree(void **state) {
    (void)state;
    Network *network = load(RESNET20);
    double *expected = oracle_doubles("resnet20", "logits16", 16 * CLASSES);
    Engine *engine = make_engine(network, BATCH);
    size_t sets = 0;
    for (const Kernels *kernels; (kernels = kernels_available(sets)); sets++) {
        engine_set_kernels(engine, kernels);
        float *logits = forward(engine, 16);
        for (size_t i = 0; i < 16 * CLASSES; i++)
            if (!(fabs((double)logits[i] - expected[i]) < 1e-4)) fail_msg("%s: logit %zu", kernels->name, i);
        mem_free(logits);
    }
    assert_true(sets > 0);
    mem_free(expected);
    engine_free(engine);
    network_free(network);
}

/* An engine that takes another network gives what an engine made for it gives; one of another shape it refuses. */
static void takes_another_network(void **state) {
    (void)state;
    Error err;
    Network *network = load(RESNET20), *deeper = load(RESNET56), *other = network_derive(network, "half", "half", &err);
    assert_non_null(other);
    Tensor *old = other->tensors[0].tensor, *half = tensor_new(old->rank, old->dim, &err);
    for (uint64_t i = 0; i < half->count; i++) half->data[i] = old->data[i] / 2;
    network_replace(other, 0, half);
    Engine *engine = make_engine(network, BATCH), *fresh = make_engine(other, BATCH);
    float *before = forward(engine, 5), *expected = forward(fresh, 5);
    assert_true(engine_set_network(engine, other, &err));
    float *after = forward(engine, 5);
    assert_memory_equal(after, expected, 5 * CLASSES * sizeof *after);
    assert_memory_not_equal(after, before, 5 * CLASSES * sizeof *after);
    assert_false(engine_set_network(engine, deeper, &err));
    assert_int_equal(err.status, STATUS_FAILED);
    assert_true(engine_set_network(engine, network, &err));
    float *again = forward(engine, 5);
    assert_memory_equal(again, before, 5 * CLASSES * sizeof *again);
    mem_free(before);
    mem_free(expected);
    mem_free(after);
    mem_free(again);
    engine_free(engine);
    engine_free(fresh);
    network_free(other);
    network_free(deeper);
    network_free(network);
}

/* Sizes that halve to odd ones, and are no multiple of a block of pixels. */
static void other_sizes(void **state) {
    (void)state;
    static const unsigned sizes[][2] = {{1, 1}, {5, 3}, {17, 30}, {31, 33}, {40, 24}};
    Network *network = load(RESNET20);
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        Error err;
        unsigned height = sizes[s][0], width = sizes[s][1], channels, h, w;
        float logits[CLASSES];
        Engine *engine = engine_new(network, 1, height, width, NULL, &err);
        assert_non_null(engine);
        assert_true(engine_forward(engine, pixels, 1, logits, &err));
        float *expected =
            engine_reference(network, pixels, height, width, network->graph->count - 1, &channels, &h, &w, &err);
        assert_non_null(expected);
        for (size_t i = 0; i < CLASSES; i++) assert_true(fabsf(logits[i] - expected[i]) < 1e-4f);
        mem_free(expected);
        engine_free(engine);
    }
    Error err;
    assert_null(engine_new(network, 1, 0, 32, NULL, &err));
    assert_null(engine_new(network, 1, 32, 1000000, NULL, &err));
    network_free(network);
}

static void too_many_images(void **state) {
    (void)state;
    Error err;
    float logits[2 * CLASSES];
    Network *network = load(RESNET20);
    Engine *engine = make_engine(network, 1);
    assert_false(engine_forward(engine, pixels, 2, logits, &err));
    assert_true(engine_forward(engine, pixels, 0, logits, &err));
    engine_free(engine);
    network_free(network);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(describes_itself),     cmocka_unit_test(logits_resnet20),
        cmocka_unit_test(logits_resnet56),      cmocka_unit_test(predictions_resnet20),
        cmocka_unit_test(predictions_resnet32), cmocka_unit_test(predictions_resnet56),
        cmocka_unit_test(maps_resnet20),        cmocka_unit_test(maps_resnet56),
        cmocka_unit_test(folded_norms),         cmocka_unit_test(same_bits_for_any_threads),
        cmocka_unit_test(all_kernels_agree),    cmocka_unit_test(takes_another_network),
        cmocka_unit_test(other_sizes),          cmocka_unit_test(too_many_images),
    };
    return cmocka_run_group_tests_name("forward", tests, begin, end);
}
