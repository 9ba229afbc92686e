/* test_oracle_gradients -- losses and gradients of trained ResNets against PyTorch in float64 (tests/oracle,
 * ../shared/oracle): distillation of a network into its low-passed copy, the gradient with respect to pixels.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "../support/oracle.h"
#include "net/internal.h"
#include "weft/base/error.h"
#include "weft/base/memory.h"
#include "weft/base/tensor.h"
#include "weft/spectral.h"

enum { IMAGES = 32, PIXELS_MOST = 3 * 32 * 32 };

/* Images, networks and values of one oracle. */
typedef struct Setting {
    const Oracle *oracle;
    Dataset *dataset;
    size_t size;    /* of an image */
    float *pixels;  /* on [0, 1] */
    json_t *values; /* losses.json */
    Checkpoint *arrays;
    Network *network, *student;
    bool *marks;       /* every convolution */
    float **gradients; /* of these */
} Setting;

static Setting settings[2];

/* The convolutions of stage 2 low-passed with D0 = 1, flattened kernels. */
static Network *low_passed(const Network *network) {
    Error err;
    bool *chosen = mem_alloc(network->layer_count, sizeof *chosen, &err);
    assert_true(chosen && layer_select(network, "stage:2", true, chosen, &err));
    Network *result = lowpass_apply(network, 1, LOWPASS_1D, chosen, "lowpass", NULL, &err);
    assert_non_null(result);
    mem_free(chosen);
    return result;
}

static void mark_convolutions(Setting *s) {
    Error err;
    const Network *network = s->network;
    s->marks = mem_alloc(network->tensor_count, sizeof *s->marks, &err);
    s->gradients = mem_alloc(network->tensor_count, sizeof *s->gradients, &err);
    assert_true(s->marks && s->gradients);
    for (size_t i = 0; i < network->layer_count; i++) {
        const size_t tensor = network->layers[i].tensor;
        if (network->layers[i].kind != LAYER_CONV) continue;
        s->marks[tensor] = true;
        s->gradients[tensor] = mem_alloc(network->tensors[tensor].tensor->count, sizeof **s->gradients, &err);
        assert_non_null(s->gradients[tensor]);
    }
}

static Setting *setting_of(const Oracle *oracle) {
    Error err;
    Setting *s = &settings[oracle->own ? 0 : 1];
    if (s->oracle) return s;
    s->oracle = oracle;
    s->values = oracle_values(oracle, "losses");
    s->arrays = oracle_arrays(oracle, "losses");
    s->network = oracle_network(oracle->network);
    s->student = low_passed(s->network);
    s->dataset = oracle_images(oracle, IMAGES);
    s->size = (size_t)oracle->channels * oracle->side * oracle->side;
    s->pixels = mem_alloc(IMAGES * s->size, sizeof *s->pixels, &err);
    assert_non_null(s->pixels);
    for (unsigned i = 0; i < IMAGES; i++) dataset_image(s->dataset, i, s->pixels + i * s->size);
    mark_convolutions(s);
    return s;
}

static int end(void **state) {
    (void)state;
    for (Setting *s = settings; s < settings + 2; s++) {
        for (size_t i = 0; s->gradients && i < s->network->tensor_count; i++) mem_free(s->gradients[i]);
        mem_free(s->gradients);
        mem_free(s->marks);
        mem_free(s->pixels);
        network_free(s->student);
        network_free(s->network);
        dataset_free(s->dataset);
        checkpoint_close(s->arrays);
        json_decref(s->values);
    }
    spectral_cleanup();
    return 0;
}

static Engine *make_engine(const Setting *s, const Network *of, const EngineOptions *options) {
    Error err;
    Engine *engine = engine_new(of, IMAGES, s->oracle->side, s->oracle->side, options, &err);
    if (!engine) fail_msg("%s", err.text);
    return engine;
}

/* The norm of a layer's gradient, and where it is stored the gradient itself. */
static void check_gradient(const Setting *s, const char *name, const json_t *norms, const Layer *layer) {
    const float *found = s->gradients[layer->tensor];
    const uint64_t count = s->network->tensors[layer->tensor].tensor->count;
    const double expected = oracle_number(norms, layer->name), norm = euclidean_norm(found, count);
    if (!(fabs(norm - expected) < 1e-4 * expected))
        fail_msg("%s: the gradient of %s has norm %.9g, not %.9g", name, layer->name, norm, expected);
    if (!oracle_has(s->arrays, "grad_%s.%s", name, layer->name)) return;
    Tensor *stored = oracle_tensor(s->arrays, "grad_%s.%s", name, layer->name);
    assert_int_equal(stored->count, count);
    const double off = relative_distance(found, stored->data, count);
    if (!(off < 1e-4)) fail_msg("%s: the gradient of %s is off by %.3g", name, layer->name, off);
    tensor_release(stored);
}

/* Loss `name` of the oracle: its value, and of those that the oracle has gradients of these. */
static void check_loss_of(Setting *s, const char *name, Loss loss) {
    Error err;
    LossTerms terms;
    const EngineOptions options = {.gradients = s->marks, .feature_maps = loss.fmd > 0};
    const EngineOptions teacher_options = {.feature_maps = loss.fmd > 0};
    Engine *engine = make_engine(s, s->student, &options), *teacher = make_engine(s, s->network, &teacher_options);
    const Gradients to = {.tensors = s->gradients};
    if (!engine_backward(engine, s->pixels, s->dataset->labels, IMAGES, teacher, NULL, &loss, &to, NULL, &terms, &err))
        fail_msg("%s", err.text);
    const double found = terms.kd + terms.fmd + terms.cross_entropy;
    const double expected = oracle_number(json_object_get(s->values, "values"), name);
    if (!(fabs(found - expected) < 5e-6 * expected)) fail_msg("%s is %.9g, not %.9g", name, found, expected);
    const json_t *norms = json_object_get(json_object_get(s->values, "gradient_l2_per_layer"), name);
    for (size_t i = 0; norms && i < s->network->layer_count; i++)
        if (s->network->layers[i].kind == LAYER_CONV) check_gradient(s, name, norms, &s->network->layers[i]);
    engine_free(engine);
    engine_free(teacher);
}

static void check_loss(const char *name, Loss loss) {
    for (const Oracle *o = NULL; (o = oracle_next(o));) check_loss_of(setting_of(o), name, loss);
}

static void kd(void **state) {
    (void)state;
    check_loss("kd", (Loss){.kd = 1});
}

static void kd_stable(void **state) {
    (void)state;
    check_loss("kd_stable", (Loss){.kd = 1, .kd_form = KD_STABLE});
}

static void kd_temperatures(void **state) {
    (void)state;
    check_loss("kd_T2", (Loss){.kd = 1, .temperature = 2});
    check_loss("kd_T4", (Loss){.kd = 1, .temperature = 4});
}

static void cross_entropy(void **state) {
    (void)state;
    check_loss("ce_student", (Loss){.cross_entropy = 1});
}

static void fmd(void **state) {
    (void)state;
    check_loss("fmd", (Loss){.fmd = 1});
}

static void fmd_aliased(void **state) {
    (void)state;
    check_loss("fmd_aliased", (Loss){.fmd = 1, .fmd_aliased = true});
}

/* Of four images, one by one, alone and together with the others, against the oracle's array. */
static void check_pixels(const Setting *s, const Network *network, const char *array) {
    Error err;
    static float found[4 * PIXELS_MOST], alone[PIXELS_MOST];
    const EngineOptions options = {.input_gradient = true};
    const Loss loss = {.cross_entropy = 1};
    const Gradients all = {.pixels = found}, one = {.pixels = alone};
    const uint16_t *labels = s->dataset->labels;
    Checkpoint *attacks = oracle_arrays(s->oracle, "attacks");
    Tensor *expected = oracle_tensor(attacks, "%s", array);
    Engine *engine = make_engine(s, network, &options);
    assert_int_equal(expected->count, 4 * s->size);
    assert_true(engine_backward(engine, s->pixels, labels, 4, NULL, NULL, &loss, &all, NULL, NULL, &err));
    for (unsigned i = 0; i < 4; i++) {
        const float *pixels = s->pixels + i * s->size;
        assert_true(engine_backward(engine, pixels, labels + i, 1, NULL, NULL, &loss, &one, NULL, NULL, &err));
        for (size_t j = 0; j < s->size; j++) assert_true(fabsf(alone[j] - 4 * found[i * s->size + j]) <= 0);
        const double off = relative_distance(alone, expected->data + i * s->size, s->size);
        if (!(off < 2e-4)) fail_msg("%s: that of image %u is off by %.3g", array, i, off);
    }
    engine_free(engine);
    tensor_release(expected);
    checkpoint_close(attacks);
}

static void input_gradient(void **state) {
    (void)state;
    for (const Oracle *o = NULL; (o = oracle_next(o));) {
        const Setting *s = setting_of(o);
        check_pixels(s, s->network, "input_grad_first4");
    }
}

/* With logits times 4 the label's probability rounds to 1: softmax less the label's 1 would be noise. */
static void input_gradient_of_the_sure(void **state) {
    (void)state;
    Error err;
    const Setting *s = setting_of(oracle_next(NULL));
    const Op *last = &s->network->graph->ops[s->network->graph->count - 1];
    const size_t changed[] = {(size_t)last->weight, (size_t)last->bias};
    Network *sure = network_derive(s->network, "sure", "logits times 4", &err);
    assert_non_null(sure);
    for (unsigned i = 0; i < 2; i++) {
        const Tensor *old = sure->tensors[changed[i]].tensor;
        Tensor *made = tensor_new(old->rank, old->dim, &err);
        assert_non_null(made);
        for (uint64_t j = 0; j < old->count; j++) made->data[j] = 4 * old->data[j];
        network_replace(sure, changed[i], made);
    }
    check_pixels(s, sure, "input_grad_sure");
    network_free(sure);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kd),
        cmocka_unit_test(kd_stable),
        cmocka_unit_test(kd_temperatures),
        cmocka_unit_test(cross_entropy),
        cmocka_unit_test(fmd),
        cmocka_unit_test(fmd_aliased),
        cmocka_unit_test(input_gradient),
        cmocka_unit_test(input_gradient_of_the_sure),
    };
    return cmocka_run_group_tests_name("oracle gradients", tests, NULL, end);
}
