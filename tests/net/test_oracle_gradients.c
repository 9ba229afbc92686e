/* test_oracle_gradients -- losses and gradients of trained ResNets against the numeric oracle (../shared/oracle:
 * PyTorch in float64): distillation of resnet20 into its low-passed copy, the gradient with respect to pixels.
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
#include <unistd.h>

#include "net/internal.h"
#include "weft/base/error.h"
#include "weft/base/memory.h"
#include "weft/base/tensor.h"
#include "weft/spectral.h"

#define SHARED "../shared/"
#define RESNET20 SHARED "data/checkpoints/resnet20-12fca82f.th"

enum { IMAGES = 32, PIXELS = 3 * 32 * 32, CLASSES = 10 };

static float pixels[IMAGES * PIXELS]; /* on [0, 1] */
static uint16_t labels[IMAGES];
static json_t *oracle; /* losses.json */
static Checkpoint *losses, *attacks;
static Network *network, *student;
static bool *marks;       /* every convolution */
static float **gradients; /* of these */

static bool read_images(void) {
    FILE *file = fopen(SHARED "data/cifar10-subset/test_batch.bin", "rb");
    unsigned char record[1 + PIXELS];
    size_t count = 0;
    while (file && count < IMAGES && fread(record, sizeof record, 1, file) == 1) {
        labels[count] = record[0];
        for (size_t i = 0; i < PIXELS; i++) pixels[count * PIXELS + i] = (float)record[1 + i] / 255;
        count++;
    }
    if (file) fclose(file);
    return count == IMAGES;
}

/* The convolutions of stage 2 low-passed with D0 = 1, flattened kernels. */
static Network *low_passed(Error *err) {
    bool *chosen = mem_alloc(network->layer_count, sizeof *chosen, err);
    Network *result = NULL;
    if (chosen && layer_select(network, "stage:2", true, chosen, err))
        result = lowpass_apply(network, 1, LOWPASS_1D, chosen, "lowpass", NULL, err);
    mem_free(chosen);
    return result;
}

static int begin(void **state) {
    (void)state;
    Error err = {0};
    json_error_t problem;
    if (access(RESNET20, R_OK) != 0 || access(SHARED "oracle/losses.npz", R_OK) != 0) return 0;
    oracle = json_load_file(SHARED "oracle/losses.json", 0, &problem);
    losses = checkpoint_open(SHARED "oracle/losses.npz", &err);
    attacks = checkpoint_open(SHARED "oracle/attacks.npz", &err);
    network = network_load(RESNET20, NULL, &err);
    if (!oracle || !losses || !attacks || !network || !read_images()) return -1;
    student = low_passed(&err);
    marks = mem_alloc(network->tensor_count, sizeof *marks, &err);
    gradients = mem_alloc(network->tensor_count, sizeof *gradients, &err);
    if (!student || !marks || !gradients) return -1;
    for (size_t i = 0; i < network->layer_count; i++) {
        const size_t tensor = network->layers[i].tensor;
        if (network->layers[i].kind != LAYER_CONV) continue;
        marks[tensor] = true;
        gradients[tensor] = mem_alloc(network->tensors[tensor].tensor->count, sizeof **gradients, &err);
        if (!gradients[tensor]) return -1;
    }
    return 0;
}

static int end(void **state) {
    (void)state;
    for (size_t i = 0; gradients && i < network->tensor_count; i++) mem_free(gradients[i]);
    mem_free(gradients);
    mem_free(marks);
    network_free(student);
    network_free(network);
    checkpoint_close(losses);
    checkpoint_close(attacks);
    json_decref(oracle);
    return 0;
}

static void need_oracle(void) {
    if (oracle) return;
    print_message("../shared/data or ../shared/oracle is missing\n");
    skip();
}

static double value(const char *name) {
    const json_t *number = json_object_get(json_object_get(oracle, "values"), name);
    assert_true(json_is_real(number));
    return json_real_value(number);
}

/* |found - expected| / |expected| against `count` elements of an array of the oracle from `first` on. */
static double difference(Checkpoint *npz, const char *name, size_t first, const float *found, size_t count) {
    size_t index;
    Error err;
    if (!checkpoint_find(npz, name, &index)) fail_msg("the oracle has no %s", name);
    Tensor *expected = checkpoint_read_tensor(npz, index, &err);
    assert_non_null(expected);
    assert_true(first + count <= expected->count);
    double square = 0, norm = 0;
    for (size_t i = 0; i < count; i++) {
        square += pow((double)found[i] - (double)expected->data[first + i], 2);
        norm += pow((double)expected->data[first + i], 2);
    }
    tensor_release(expected);
    return sqrt(square / norm);
}

static Engine *make_engine(const Network *of, const EngineOptions *options) {
    Error err;
    Engine *engine = engine_new(of, IMAGES, 32, 32, options, &err);
    if (!engine) fail_msg("%s", err.text);
    return engine;
}

/* Loss `name` of the oracle: its value, all gradients' norms, and where they are stored the gradients themselves. */
static void check_loss(const char *name, Loss loss, bool norms, bool stored) {
    need_oracle();
    Error err;
    LossTerms terms;
    const EngineOptions options = {.gradients = marks, .feature_maps = loss.fmd > 0};
    const EngineOptions teacher_options = {.feature_maps = loss.fmd > 0};
    Engine *engine = make_engine(student, &options), *teacher = make_engine(network, &teacher_options);
    const Gradients to = {.tensors = gradients};
    if (!engine_backward(engine, pixels, labels, IMAGES, teacher, NULL, &loss, &to, NULL, &terms, &err))
        fail_msg("%s", err.text);
    const double found = terms.kd + terms.fmd + terms.cross_entropy;
    if (!(fabs(found - value(name)) < 5e-6 * value(name))) fail_msg("%s is %.9g, not %.9g", name, found, value(name));
    const json_t *expected = json_object_get(json_object_get(oracle, "gradient_l2_per_layer"), name);
    for (size_t i = 0; norms && i < network->layer_count; i++) {
        const Layer *layer = &network->layers[i];
        if (layer->kind != LAYER_CONV) continue;
        const uint64_t count = network->tensors[layer->tensor].tensor->count;
        const double norm = json_real_value(json_object_get(expected, layer->name));
        double sum = 0;
        for (uint64_t j = 0; j < count; j++) sum += pow((double)gradients[layer->tensor][j], 2);
        if (!(fabs(sqrt(sum) - norm) < 1e-4 * norm))
            fail_msg("%s: the gradient of %s has norm %.9g, not %.9g", name, layer->name, sqrt(sum), norm);
        char key[96];
        snprintf(key, sizeof key, "grad_%s.%s", name, layer->name);
        size_t index;
        if (!stored || !checkpoint_find(losses, key, &index)) continue;
        const double off = difference(losses, key, 0, gradients[layer->tensor], count);
        if (!(off < 1e-4)) fail_msg("%s is off by %.3g", key, off);
    }
    engine_free(engine);
    engine_free(teacher);
}

static void kd(void **state) {
    (void)state;
    check_loss("kd", (Loss){.kd = 1}, true, true);
}

static void kd_stable(void **state) {
    (void)state;
    check_loss("kd_stable", (Loss){.kd = 1, .kd_form = KD_STABLE}, true, false);
}

static void kd_temperatures(void **state) {
    (void)state;
    check_loss("kd_T2", (Loss){.kd = 1, .temperature = 2}, false, false);
    check_loss("kd_T4", (Loss){.kd = 1, .temperature = 4}, false, false);
}

static void cross_entropy(void **state) {
    (void)state;
    check_loss("ce_student", (Loss){.cross_entropy = 1}, false, false);
}

static void fmd(void **state) {
    (void)state;
    check_loss("fmd", (Loss){.fmd = 1}, true, true);
}

static void fmd_aliased(void **state) {
    (void)state;
    check_loss("fmd_aliased", (Loss){.fmd = 1, .fmd_aliased = true}, true, false);
}

/* Two of these images are classified with a probability that rounds to 1, so that their gradients are 1e-7 of the
 * others': compared image by image, alone and together with the others. */
static void input_gradient(void **state) {
    (void)state;
    need_oracle();
    Error err;
    static float found[4 * PIXELS], alone[PIXELS];
    const EngineOptions options = {.input_gradient = true};
    const Loss loss = {.cross_entropy = 1};
    const Gradients all = {.pixels = found}, one = {.pixels = alone};
    Engine *engine = make_engine(network, &options);
    assert_true(engine_backward(engine, pixels, labels, 4, NULL, NULL, &loss, &all, NULL, NULL, &err));
    for (unsigned i = 0; i < 4; i++) {
        assert_true(
            engine_backward(engine, pixels + i * PIXELS, labels + i, 1, NULL, NULL, &loss, &one, NULL, NULL, &err));
        for (size_t j = 0; j < PIXELS; j++) assert_true(fabsf(alone[j] - 4 * found[i * PIXELS + j]) <= 0);
        const double off = difference(attacks, "input_grad_first4", i * PIXELS, alone, PIXELS);
        if (!(off < 2e-4)) fail_msg("the gradient of image %u is off by %.3g", i, off);
    }
    engine_free(engine);
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
    };
    return cmocka_run_group_tests_name("oracle gradients", tests, begin, end);
}
