/* test_forward -- trained ResNets against PyTorch in float64 (tests/oracle, ../shared/oracle): logits, feature maps,
 * predictions, losses, folded batch norm; and the same bits for any number of threads.
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

#include "../support/bytes.h"
#include "../support/oracle.h"
#include "net/engine/plan.h"
#include "weft/base/dtype.h"
#include "weft/base/error.h"
#include "weft/base/memory.h"
#include "weft/base/pool.h"
#include "weft/base/tensor.h"

enum { CLASSES = 10, BATCH = 47 }; /* an odd number on purpose */

/* Images and values of one oracle. */
typedef struct Setting {
    const Oracle *oracle;
    Dataset *dataset;
    unsigned images;
    size_t size;   /* of an image */
    float *pixels; /* of all images, on [0, 1] */
    json_t *values;
    Checkpoint *arrays;
} Setting;

static Setting settings[2];

static const Setting *setting_of(const Oracle *oracle) {
    Error err;
    Setting *s = &settings[oracle->own ? 0 : 1];
    if (s->oracle) return s;
    s->oracle = oracle;
    s->values = oracle_values(oracle, "forward");
    s->arrays = oracle_arrays(oracle, "forward");
    s->dataset = oracle_images(oracle, oracle_slow() ? 4 * BATCH : 0);
    s->images = (unsigned)s->dataset->count;
    s->size = (size_t)oracle->channels * oracle->side * oracle->side;
    s->pixels = mem_alloc(s->images * s->size, sizeof *s->pixels, &err);
    assert_non_null(s->pixels);
    for (unsigned i = 0; i < s->images; i++) dataset_image(s->dataset, i, s->pixels + i * s->size);
    return s;
}

static int end(void **state) {
    (void)state;
    for (Setting *s = settings; s < settings + 2; s++) {
        mem_free(s->pixels);
        dataset_free(s->dataset);
        json_decref(s->values);
        checkpoint_close(s->arrays);
    }
    return 0;
}

static Engine *make_engine(const Setting *s, const Network *network, unsigned batch) {
    Error err;
    Engine *engine = engine_new(network, batch, s->oracle->side, s->oracle->side, NULL, &err);
    if (!engine) fail_msg("%s", err.text);
    return engine;
}

/* The logits of the first `images` images, for the caller to free. */
static float *forward(const Setting *s, Engine *engine, unsigned images) {
    Error err;
    float *logits = mem_alloc((uint64_t)images * CLASSES, sizeof *logits, &err);
    assert_non_null(logits);
    for (unsigned first = 0; first < images; first += BATCH) {
        unsigned count = images - first < BATCH ? images - first : BATCH;
        if (!engine_forward(engine, s->pixels + first * s->size, count, logits + first * CLASSES, &err))
            fail_msg("%s", err.text);
    }
    return logits;
}

static Tensor *array_of(const Setting *s, const char *name, const char *part) {
    return oracle_tensor(s->arrays, "%s.%s", name, part);
}

/* ---- whole networks ---------------------------------------------------------------------------------------------- */

static void check_logits(const Setting *s, const char *name, const char *path) {
    Network *network = oracle_network(path);
    Engine *engine = make_engine(s, network, BATCH);
    float *logits = forward(s, engine, 16);
    double *expected = oracle_array(s->arrays, text_of("%s.logits16", name), DTYPE_F64, 16 * CLASSES);
    for (size_t i = 0; i < 16 * CLASSES; i++) assert_true(fabs((double)logits[i] - expected[i]) < 1e-4);
    mem_free(expected);
    mem_free(logits);
    engine_free(engine);
    network_free(network);
}

static void logits_of(void **state) {
    (void)state;
    for (const Oracle *o = NULL; (o = oracle_next(o));) check_logits(setting_of(o), o->name, o->network);
}

static void logits_of_deep(void **state) {
    (void)state;
    for (const Oracle *o = NULL; (o = oracle_next(o));) check_logits(setting_of(o), o->deep_name, o->deep);
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

/* Under AddressSanitizer there are fewer images than the oracle's numbers of all of them are about. */
static void check_predictions(const Setting *s, const char *name, const char *path) {
    Network *network = oracle_network(path);
    Engine *engine = make_engine(s, network, BATCH);
    float *logits = forward(s, engine, s->images);
    Tensor *predicted = array_of(s, name, "predictions"), *loss = array_of(s, name, "ce_per_image");
    const json_t *test = json_object_get(json_object_get(s->values, name), "test");
    double mean = 0;
    unsigned correct = 0;
    for (size_t i = 0; i < s->images; i++) {
        const unsigned label = s->dataset->labels[i];
        double found = cross_entropy(logits + i * CLASSES, label);
        assert_int_equal(prediction(logits + i * CLASSES), (int)predicted->data[i]);
        assert_true(fabs(found - (double)loss->data[i]) < 1e-4);
        correct += prediction(logits + i * CLASSES) == label;
        mean += found / s->images;
    }
    if (s->images == predicted->count) {
        assert_int_equal(correct, (int)oracle_number(test, "correct"));
        assert_true(fabs(mean - oracle_number(test, "ce")) < 2e-5);
    }
    tensor_release(predicted);
    tensor_release(loss);
    mem_free(logits);
    engine_free(engine);
    network_free(network);
}

static void predictions(void **state) {
    (void)state;
    for (const Oracle *o = NULL; (o = oracle_next(o));) check_predictions(setting_of(o), o->name, o->network);
}

static void predictions_of_deep(void **state) {
    (void)state;
    for (const Oracle *o = NULL; (o = oracle_next(o));) check_predictions(setting_of(o), o->deep_name, o->deep);
}

/* What a network of `depth` says of itself; the last step of its lineage is the file. */
static void check_description(const char *path, unsigned depth, uint64_t parameters) {
    Network *network = oracle_network(path);
    assert_string_equal(network->architecture, text_of("ResNet%u (CIFAR, option A, widths 16/32/64)", depth));
    assert_null(network->why_unknown);
    assert_int_equal(network_parameters(network), parameters);
    assert_int_equal(network->layer_count, depth);
    assert_true(network->lineage_count > 0);
    const KeyValue *last = &network->lineage[network->lineage_count - 1];
    assert_string_equal(last->key, "load");
    assert_string_equal(last->value, path);
    size_t predicted = 0;
    for (size_t i = 0; i < network->layer_count; i++) predicted += network->layers[i].predicted;
    assert_int_equal(predicted, depth - 1);
    network_free(network);
}

static void describes_itself(void **state) {
    (void)state;
    for (const Oracle *o = NULL; (o = oracle_next(o));)
        check_description(o->deep, o->own ? 20 : 56, o->own ? 269434 : 853018);
}

/* ---- feature maps ------------------------------------------------------------------------------------------------ */

/* Every map before a ReLU: the reference runs op by op, so its error is that of plain loops. */
static void check_maps(const Setting *s, const char *name, const char *path, size_t every) {
    Network *network = oracle_network(path);
    const unsigned side = s->oracle->side;
    const json_t *maps = json_object_get(json_object_get(s->values, name), "feature_maps_image0");
    assert_int_equal(json_array_size(maps), 1 + 3 * (network->layer_count - 2) / 2);
    for (size_t m = 0; m < json_array_size(maps); m += every) {
        const json_t *map = json_array_get(maps, m), *first = json_object_get(map, "first4");
        const char *op_is = json_string_value(json_object_get(map, "name"));
        size_t op = 0;
        while (op < network->graph->count && strcmp(network->graph->ops[op].name, op_is) != 0) op++;
        if (op == network->graph->count) fail_msg("the graph has no %s", op_is);
        Error err;
        unsigned channels, height, width;
        float *found = engine_reference(network, s->pixels, side, side, op, &channels, &height, &width, &err);
        assert_non_null(found);
        const json_t *shape = json_object_get(map, "shape");
        assert_int_equal(channels, json_integer_value(json_array_get(shape, 0)));
        assert_int_equal(height, json_integer_value(json_array_get(shape, 1)));
        assert_int_equal(width, json_integer_value(json_array_get(shape, 2)));
        const double expected = oracle_number(map, "l2");
        const double norm = euclidean_norm(found, (size_t)channels * height * width);
        assert_true(fabs(norm - expected) < 1e-5 * expected);
        for (size_t i = 0; i < 4; i++)
            assert_true(fabs((double)found[i] - json_number_value(json_array_get(first, i))) < 5e-5);
        mem_free(found);
    }
    network_free(network);
}

static void maps(void **state) {
    (void)state;
    for (const Oracle *o = NULL; (o = oracle_next(o));) check_maps(setting_of(o), o->name, o->network, 1);
}

static void maps_of_deep(void **state) {
    (void)state;
    for (const Oracle *o = NULL; (o = oracle_next(o));)
        check_maps(setting_of(o), o->deep_name, o->deep, o->own ? 1 : 9);
}

/* ---- folding ----------------------------------------------------------------------------------------------------- */

static float *fold(const Network *network, Plan *plan) {
    Error err;
    float *parameters = mem_alloc(plan->parameters, sizeof *parameters, &err);
    const float **values = mem_alloc(network->tensor_count, sizeof *values, &err);
    assert_true(parameters && values);
    for (size_t i = 0; i < network->tensor_count; i++) values[i] = network->tensors[i].tensor->data;
    for (size_t i = 0; i < plan->step_count; i++) fold_step(plan, &plan->steps[i], network->graph, values, parameters);
    mem_free(values);
    return parameters;
}

static void check_folded(const Setting *s, const json_t *net, const char *path) {
    Network *network = oracle_network(path);
    const json_t *weights = json_object_get(net, "folded_conv_l2"), *biases = json_object_get(net, "folded_bias_l2");
    const unsigned side = s->oracle->side;
    Error err;
    Plan plan;
    engine_set_convolutions(CONVOLUTIONS_DIRECT);
    assert_true(plan_make(&plan, network, side, side, NULL, &err));
    engine_set_convolutions(-1);
    float *parameters = fold(network, &plan);
    size_t checked = 0;
    for (size_t i = 0; i < plan.step_count; i++) {
        const Step *step = &plan.steps[i];
        if (step->kind != STEP_CONVOLUTION || step->batch_norm < 0) continue;
        const Op *ops = network->graph->ops;
        const double weight = oracle_number(weights, ops[step->op].name);
        const double bias = oracle_number(biases, ops[step->batch_norm].name);
        const double found = euclidean_norm(parameters + step->weights, step->bias - step->weights);
        assert_true(fabs(found - weight) < 1e-6 * weight);
        assert_true(fabs(euclidean_norm(parameters + step->bias, ops[step->op].out_channels) - bias) < 1e-6 * bias);
        checked++;
    }
    assert_int_equal(checked, json_object_size(weights));
    mem_free(parameters);
    plan_done(&plan);
    network_free(network);
}

/* The L2 norms of folded weights and biases, layer by layer. */
static void folded_norms(void **state) {
    (void)state;
    for (const Oracle *o = NULL; (o = oracle_next(o));) {
        json_t *values = oracle_values(o, "bnfold");
        const json_t *deep = json_object_get(values, o->deep_name);
        check_folded(setting_of(o), json_object_get(values, o->name), o->network);
        if (deep) check_folded(setting_of(o), deep, o->deep);
        json_decref(values);
    }
}

/* ---- threads, kernels, sizes ------------------------------------------------------------------------------------- */

static void same_bits_for_any_threads(void **state) {
    (void)state;
    const Setting *s = setting_of(oracle_next(NULL));
    Network *network = oracle_network(s->oracle->deep);
    Engine *engine = make_engine(s, network, BATCH);
    pool_set_threads(1);
    float *one = forward(s, engine, 100);
    for (unsigned threads = 2; threads <= 3; threads++) {
        pool_set_threads(threads); /* 3: more than the engine was made for */
        float *more = forward(s, engine, 100);
        assert_memory_equal(one, more, 100 * CLASSES * sizeof *one);
        mem_free(more);
    }
    pool_set_threads(0);
    mem_free(one);
    engine_free(engine);
    network_free(network);
}

static void check_kernels(const Setting *s) {
    Network *network = oracle_network(s->oracle->network);
    Tensor *expected = array_of(s, s->oracle->name, "logits16");
    Engine *engine = make_engine(s, network, BATCH);
    size_t sets = 0;
    for (const Kernels *kernels; (kernels = kernels_available(sets)); sets++) {
        engine_set_kernels(engine, kernels);
        float *logits = forward(s, engine, 16);
        for (size_t i = 0; i < 16 * CLASSES; i++)
            if (!(fabsf(logits[i] - expected->data[i]) < 1e-4f)) fail_msg("%s: logit %zu", kernels->name, i);
        mem_free(logits);
    }
    assert_true(sets > 0);
    tensor_release(expected);
    engine_free(engine);
    network_free(network);
}

static void all_kernels_agree(void **state) {
    (void)state;
    for (const Oracle *o = NULL; (o = oracle_next(o));) check_kernels(setting_of(o));
}

/* An engine that takes another network gives what an engine made for it gives; one of another shape it refuses. */
static void takes_another_network(void **state) {
    (void)state;
    Error err;
    const Setting *s = setting_of(oracle_next(NULL));
    Network *network = oracle_network(s->oracle->network), *deeper = oracle_network(s->oracle->deep),
            *other = network_derive(network, "half", "half", &err);
    assert_non_null(other);
    Tensor *old = other->tensors[0].tensor, *half = tensor_new(old->rank, old->dim, &err);
    for (uint64_t i = 0; i < half->count; i++) half->data[i] = old->data[i] / 2;
    network_replace(other, 0, half);
    Engine *engine = make_engine(s, network, BATCH), *fresh = make_engine(s, other, BATCH);
    float *before = forward(s, engine, 5), *expected = forward(s, fresh, 5);
    assert_true(engine_set_network(engine, other, &err));
    float *after = forward(s, engine, 5);
    assert_memory_equal(after, expected, 5 * CLASSES * sizeof *after);
    assert_memory_not_equal(after, before, 5 * CLASSES * sizeof *after);
    assert_false(engine_set_network(engine, deeper, &err));
    assert_int_equal(err.status, STATUS_FAILED);
    assert_true(engine_set_network(engine, network, &err));
    float *again = forward(s, engine, 5);
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
    const Setting *s = setting_of(oracle_next(NULL));
    Network *network = oracle_network(s->oracle->deep);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        Error err;
        unsigned height = sizes[i][0], width = sizes[i][1], channels, h, w;
        float logits[CLASSES];
        Engine *engine = engine_new(network, 1, height, width, NULL, &err);
        assert_non_null(engine);
        assert_true(engine_forward(engine, s->pixels, 1, logits, &err));
        float *expected =
            engine_reference(network, s->pixels, height, width, network->graph->count - 1, &channels, &h, &w, &err);
        assert_non_null(expected);
        for (size_t c = 0; c < CLASSES; c++) assert_true(fabsf(logits[c] - expected[c]) < 1e-4f);
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
    const Setting *s = setting_of(oracle_next(NULL));
    Network *network = oracle_network(s->oracle->network);
    Engine *engine = make_engine(s, network, 1);
    assert_false(engine_forward(engine, s->pixels, 2, logits, &err));
    assert_true(engine_forward(engine, s->pixels, 0, logits, &err));
    engine_free(engine);
    network_free(network);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(describes_itself),
        cmocka_unit_test(logits_of),
        cmocka_unit_test(logits_of_deep),
        cmocka_unit_test(predictions),
        cmocka_unit_test(predictions_of_deep),
        cmocka_unit_test(maps),
        cmocka_unit_test(maps_of_deep),
        cmocka_unit_test(folded_norms),
        cmocka_unit_test(same_bits_for_any_threads),
        cmocka_unit_test(all_kernels_agree),
        cmocka_unit_test(takes_another_network),
        cmocka_unit_test(other_sizes),
        cmocka_unit_test(too_many_images),
    };
    return cmocka_run_group_tests_name("forward", tests, NULL, end);
}
