/* test_files -- predictors saved and loaded; checkpoints as the reference implementation writes them, made by PyTorch
 * (tests/fixtures/make_predictor.py); failing writes, reads and allocations. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "weft/base/dtype.h"
#include "weft/base/error.h"
#include "weft/base/fault.h"
#include "weft/base/memory.h"
#include "weft/base/tensor.h"
#include "weft/predictor.h"
#include "../support/bytes.h"
#include "../support/handmade.h"
#include "../support/oracle.h"

#define FIXTURES "tests/fixtures/"
enum { ALL_FAULTS = FAULT_ALLOC | FAULT_OPEN | FAULT_READ | FAULT_WRITE | FAULT_FSYNC | FAULT_CLOSE | FAULT_RENAME };

static const HandmadeLayer layers[] = {{"a", 4, {4, 3, 3, 3}}, {"b \"\303\244\"", 4, {5, 4, 3, 3}}};
static const bool both[] = {true, true};

static Predictor *made(const Network *network, PermutationKind permutation) {
    Error err;
    PredictorConfig config = predictor_config();
    config.base = 0.1 + 0.2; /* not a short decimal */
    config.levels = 6;
    config.hidden = 7;
    config.linear = 4;
    config.permutation = permutation;
    config.normalisation = INDEX_GLOBAL;
    config.activation = PREDICTOR_GELU;
    Predictor *p = predictor_new(network, both, &config, 3, "train p \"x\"", NULL, &err);
    if (!p) fail_msg("%s", err.text);
    assert_true(predictor_note(p, "partial", "step 3 of 9", &err));
    return p;
}

static void compare(const Predictor *a, const Predictor *b, bool parameters) {
    assert_true(a->config.base == b->config.base);
    assert_int_equal(a->config.levels, b->config.levels);
    assert_int_equal(a->config.normalisation, b->config.normalisation);
    assert_int_equal(a->config.permutation, b->config.permutation);
    assert_int_equal(a->config.hidden, b->config.hidden);
    assert_int_equal(a->config.linear, b->config.linear);
    assert_int_equal(a->config.activation, b->config.activation);
    assert_int_equal(a->layer_count, b->layer_count);
    for (size_t i = 0; i < a->layer_count; i++) {
        assert_string_equal(a->layers[i].name, b->layers[i].name);
        assert_memory_equal(&a->layers[i].filters, &b->layers[i].filters, 4 * sizeof(unsigned));
    }
    assert_int_equal(a->kernel_count, b->kernel_count);
    assert_memory_equal(a->index, b->index, a->kernel_count * sizeof *a->index);
    assert_int_equal(a->parameter_count, b->parameter_count);
    if (parameters) assert_memory_equal(a->parameters, b->parameters, a->parameter_count * sizeof(float));
    assert_string_equal(a->fingerprint, b->fingerprint);
    assert_int_equal(a->source_parameters, b->source_parameters);
    assert_int_equal(a->note_count, b->note_count);
    assert_string_equal(a->notes[0].value, b->notes[0].value);
}

static Predictor *load(const char *path, const PredictorOptions *options) {
    Error err;
    Predictor *p = predictor_load(path, options, NULL, &err);
    if (!p) fail_msg("%s", err.text);
    return p;
}

/* ---- ours -------------------------------------------------------------------------------------------------------- */

static void keeps_everything(void **state) {
    (void)state;
    Error err;
    const char *path = scratch_path("p.safetensors");
    Network *network = handmade_network(layers, 2, 1);
    for (int kind = 0; kind < PERMUTATION_COUNT; kind++) {
        Predictor *p = made(network, (PermutationKind)kind);
        assert_true(predictor_save(p, path, DTYPE_F32, true, &err));
        Predictor *q = load(path, NULL);
        compare(p, q, true);
        assert_null(q->source);
        assert_int_equal(q->lineage_count, 2);
        assert_string_equal(q->lineage[0].value, "train p \"x\"");
        assert_string_equal(q->lineage[1].value, path);
        const PredictorOptions options = {.source = network};
        predictor_free(q);
        q = load(path, &options);
        assert_non_null(q->source);
        assert_int_equal(q->note_count, 1);
        predictor_free(q);
        predictor_free(p);
    }
    network_free(network);
}

/* Half precision: as the definition of the formats rounds, 11 and 8 bits to the nearest, ties to even. */
static void rounds_parameters(void **state) {
    (void)state;
    Error err;
    const char *path = scratch_path("half.safetensors");
    Network *network = handmade_network(layers, 2, 1);
    Predictor *p = made(network, PERMUTATION_IN_FILTER);
    p->parameters[0] = 1 + 0x1p-11f;     /* a tie in F16: 1 */
    p->parameters[1] = 1 + 3 * 0x1p-11f; /* a tie: 1 + 2^-9 */
    p->parameters[2] = -(1 + 0x1p-8f);   /* a tie in BF16: -1 */
    for (int wide = 0; wide < 2; wide++) {
        const int bits = wide ? 8 : 11;
        assert_true(predictor_save(p, path, wide ? DTYPE_BF16 : DTYPE_F16, true, &err));
        Predictor *q = load(path, NULL);
        compare(p, q, false);
        for (size_t i = 0; i < p->parameter_count; i++) {
            const double value = (double)p->parameters[i], unit = ldexp(1, ilogb(value) + 1 - bits);
            if (value != 0 && fabs(value) > 0x1p-13) assert_true((double)q->parameters[i] == unit * rint(value / unit));
        }
        predictor_free(q);
    }
    assert_false(predictor_save(p, path, DTYPE_F64, true, &err));
    assert_int_equal(err.status, STATUS_USAGE);
    p->parameters[3] = 65520; /* rounds to infinity */
    assert_false(predictor_save(p, path, DTYPE_F16, true, &err));
    assert_non_null(strstr(err.text, "F16 cannot hold"));
    assert_false(predictor_save(p, scratch_path("p.npz"), DTYPE_F32, true, &err));
    assert_int_equal(err.status, STATUS_USAGE);
    assert_false(predictor_save(p, path, DTYPE_F32, false, &err));
    assert_int_equal(err.status, STATUS_WRITE);
    predictor_free(p);
    network_free(network);
}

/* Each kind of file says what it is to who takes it for the other. */
static void tells_files_apart(void **state) {
    (void)state;
    Error err;
    const char *predictor = scratch_path("p.safetensors"), *net = scratch_path("net.safetensors");
    Network *network = handmade_network(layers, 2, 1);
    Predictor *p = made(network, PERMUTATION_NONE);
    assert_true(predictor_save(p, predictor, DTYPE_F32, true, &err) && network_save(network, net, true, &err));
    assert_null(network_load(predictor, NULL, &err));
    assert_int_equal(err.status, STATUS_BAD_INPUT);
    assert_non_null(strstr(err.text, "a weight predictor, not a network"));
    assert_null(predictor_load(net, NULL, NULL, &err));
    assert_int_equal(err.status, STATUS_BAD_INPUT);
    assert_non_null(strstr(err.text, "not a weight predictor"));
    assert_non_null(strstr(err.text, net));
    const PredictorConfig config = predictor_config();
    const PredictorOptions options = {.config = &config};
    assert_null(predictor_load(predictor, &options, NULL, &err));
    assert_int_equal(err.status, STATUS_USAGE);
    predictor_free(p);
    network_free(network);
}

/* What a trainer writes beside a predictor is none of its business. */
static void leaves_state_alone(void **state) {
    (void)state;
    Error err;
    const char *path = scratch_path("more.safetensors");
    Network *network = handmade_network(layers, 2, 1);
    Predictor *p = made(network, PERMUTATION_CROSS_FILTER);
    FileParts parts;
    assert_true(predictor_parts(p, DTYPE_F32, &parts, &err));
    const uint64_t three = 3;
    const float values[3] = {1, 2, 3};
    for (int known = 0; known < 2; known++) {
        size_t capacity = parts.count;
        assert_true(mem_grow(&parts.tensors, &capacity, parts.count + 1, sizeof *parts.tensors, &err));
        parts.tensors[parts.count] = (TensorOut){known ? "state.first" : "stat.first", DTYPE_F32, 1, &three, values};
        assert_true(
            safetensors_save(path, true, parts.tensors, parts.count + 1, parts.metadata, parts.metadata_count, &err));
        Predictor *q = predictor_load(path, NULL, NULL, &err);
        assert_int_equal(q != NULL, known);
        if (!q) assert_non_null(strstr(err.text, "'stat.first'"));
        predictor_free(q);
    }
    file_parts_done(&parts);
    predictor_free(p);
    network_free(network);
}

/* ---- the reference implementation's ------------------------------------------------------------------------------ */

static void check_predictions(const Predictor *p, Checkpoint *expected, const char *name) {
    Error err;
    Mlp *mlp = mlp_new(p, &err);
    Tensor *tensor = oracle_tensor(expected, "%s", name);
    float out[32 * 9];
    assert_non_null(mlp);
    assert_int_equal(tensor->count, 32 * 9);
    mlp_predict(mlp, NULL, p->kernel_count, out);
    for (size_t i = 0; i < 32 * 9; i++) assert_true(fabsf(out[i] - tensor->data[i]) < 1e-6f);
    tensor_release(tensor);
    mlp_free(mlp);
}

static void loads_reference_checkpoints(void **state) {
    (void)state;
    static const char *const files[] = {FIXTURES "predictor.pth", FIXTURES "predictor-prefixed.th"};
    Error err;
    Network *network = handmade_network(layers, 2, 1);
    Checkpoint *expected = checkpoint_open(FIXTURES "predictor.npz", &err);
    assert_non_null(expected);
    PredictorConfig config = predictor_config();
    config.base = 0.9;
    config.levels = 6;
    config.permutation = PERMUTATION_NONE;
    PredictorOptions options = {.source = network, .chosen = both, .config = &config};
    for (size_t i = 0; i < 2; i++) {
        config.normalisation = INDEX_NONE;
        Predictor *p = load(files[i], &options);
        assert_int_equal(p->config.hidden, 7);
        assert_int_equal(p->config.linear, 4);
        assert_int_equal(strlen(p->fingerprint), 32);
        check_predictions(p, expected, "none");
        predictor_free(p);
        config.normalisation = INDEX_GLOBAL;
        p = load(files[i], &options);
        check_predictions(p, expected, "global");
        predictor_free(p);
    }
    Network *itself = network_load(files[0], NULL, &err);
    assert_non_null(itself);
    assert_non_null(strstr(itself->notes[0].value, "weights of a weight predictor"));
    network_free(itself);
    config.levels = 7;
    assert_null(predictor_load(files[0], &options, NULL, &err));
    assert_non_null(strstr(err.text, "'layers.0.weight' is 7x36, not 7x42"));
    options.source = NULL;
    assert_null(predictor_load(files[0], &options, NULL, &err));
    assert_int_equal(err.status, STATUS_USAGE);
    assert_non_null(strstr(err.text, "--for NET"));
    checkpoint_close(expected);
    network_free(network);
}

/* ---- failing ----------------------------------------------------------------------------------------------------- */

static bool save_and_load(const Network *network, const char *path, Error *err) {
    PredictorConfig config = predictor_config();
    config.levels = config.hidden = 2;
    config.linear = 2;
    Predictor *p = predictor_new(network, both, &config, 1, "train", NULL, err), *q = NULL;
    const PredictorOptions options = {.source = network};
    if (p && predictor_save(p, path, DTYPE_F16, true, err)) q = predictor_load(path, &options, NULL, err);
    predictor_free(p);
    predictor_free(q);
    return q != NULL;
}

static void survives_every_fault(void **state) {
    (void)state;
    Error err;
    const char *path = scratch_path("fault.safetensors");
    Network *network = handmade_network(layers, 2, 1);
    assert_true(save_and_load(network, path, &err));
    bool done = false;
    for (uint64_t n = 1; !done; n++) {
        err = (Error){0};
        fault_arm(ALL_FAULTS, n, false);
        done = save_and_load(network, path, &err);
        fault_disarm();
        assert_true(done || err.status != STATUS_OK);
        assert_true(n < 3000);
        Predictor *old = predictor_load(path, NULL, NULL, &err); /* a save that failed left a whole file */
        assert_non_null(old);
        predictor_free(old);
    }
    network_free(network);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_everything),
        cmocka_unit_test(rounds_parameters),
        cmocka_unit_test(tells_files_apart),
        cmocka_unit_test(leaves_state_alone),
        cmocka_unit_test(loads_reference_checkpoints),
        cmocka_unit_test(survives_every_fault),
    };
    return cmocka_run_group_tests_name("files", tests, NULL, NULL);
}
