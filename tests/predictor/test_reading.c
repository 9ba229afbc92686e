/* test_reading -- files that seem to be predictors: each tensor and each fact of another name, shape or kind is refused
 * with its line; the orders of wide layers come back; memory that runs out anywhere leaves nothing. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "../support/bytes.h"
#include "../support/handmade.h"
#include "../support/json_memory.h"
#include "weft/base/dtype.h"
#include "weft/base/error.h"
#include "weft/base/fault.h"
#include "weft/base/memory.h"
#include "weft/base/task.h"
#include "weft/predictor.h"

static const HandmadeLayer layers[] = {{"a", 4, {4, 3, 3, 3}}, {"b", 4, {5, 4, 3, 3}}};
static const bool both[] = {true, true};
static Network *network;
static PredictorConfig small; /* 6 inputs, 2 hidden values, 9 outputs */

static int begin(void **state) {
    (void)state;
    json_memory_counts(true);
    network = handmade_network(layers, 2, 1);
    small = predictor_config();
    small.levels = 1;
    small.hidden = small.linear = 2;
    small.permutation = PERMUTATION_NONE;
    return 0;
}

static int end(void **state) {
    (void)state;
    network_free(network);
    return 0;
}

/* ---- the reference implementation's ------------------------------------------------------------------------------ */

typedef struct Item {
    const char *name; /* NULL: left out */
    DType dtype;
    unsigned rank;
    uint64_t dim[8];
} Item;
enum { ITEMS = 4, ADD = ITEMS };
static const Item good[ITEMS] = {{"m.layers.0.weight", DTYPE_F32, 2, {2, 6}},
                                 {"m.layers.0.bias", DTYPE_F32, 1, {2}},
                                 {"m.final_linear_layer.weight", DTYPE_F32, 2, {9, 2}},
                                 {"m.final_linear_layer.bias", DTYPE_F32, 1, {9}}};

/* The good file with another item in place of number `at`, or more. */
static const char *file_with(size_t at, const Item *item) {
    static double zeros[1 << 16];
    const char *path = scratch_path("reference.safetensors");
    TensorOut tensors[ITEMS + 1];
    Error err;
    size_t count = 0;
    for (size_t i = 0; i < ITEMS + (at == ADD); i++) {
        const Item *own = i == at ? item : &good[i];
        if (own->name) tensors[count++] = (TensorOut){own->name, own->dtype, own->rank, own->dim, zeros};
    }
    if (!safetensors_save(path, true, tensors, count, NULL, 0, &err)) fail_msg("%s", err.text);
    return path;
}

static void refused(const char *path, const PredictorOptions *options, const Task *task, Status status,
                    const char *words) {
    Error err = {0};
    Predictor *p = predictor_load(path, options, task, &err);
    if (p) fail_msg("loaded, though it should have said: %s", words);
    if (err.status != status || strcmp(err.text, text_of("%s: %s", path, words)) != 0)
        fail_msg("%d: %s; expected: %s", err.status, err.text, words);
}

static void loaded(const char *path, const PredictorOptions *options) {
    Error err = {0};
    Predictor *p = predictor_load(path, options, NULL, &err);
    if (!p) fail_msg("%s", err.text);
    predictor_free(p);
}

static void other_tensors(void **state) {
    (void)state;
    static const char *const strangers[] = {"layers.0.weight",     "m.lay.0.weight",     "m.layers.x.weight",
                                            "m.layers..weight",    "m.layers.-1.weight", "m.layers.00.weight",
                                            "m.layers.01.weight",  "m.layers.32.weight", "m.layers.4294967296.weight",
                                            "m.layers.0weight",    "m.layers.0.scale",   "m.layers.31.weight",
                                            "m.layers.0.weight.x", "n.layers.0.weight",  "m.final_linear_layer.scale"};
    static const struct {
        size_t at;
        Item item;
        const char *words;
    } cases[] = {
        {0, {0}, "tensor 'm.layers.0.weight' is missing"},
        {3, {0}, "tensor 'm.final_linear_layer.bias' is missing"},
        {2, {0}, "not a weight predictor: no tensor 'final_linear_layer.weight' (load net reads networks)"},
        {2,
         {"m.final_linear_layer.weigh", DTYPE_F32, 2, {9, 2}},
         "not a weight predictor: no tensor 'final_linear_layer.weight' (load net reads networks)"},
        {2,
         {"m.xfinal_linear_layer.weight", DTYPE_F32, 2, {9, 2}},
         "not a weight predictor: no tensor 'final_linear_layer.weight' (load net reads networks)"},
        {2,
         {"m.final_linear_layer.weight", DTYPE_F32, 1, {9}},
         "tensor 'm.final_linear_layer.weight' is not the last layer of a predictor"},
        {2,
         {"m.final_linear_layer.weight", DTYPE_F32, 2, {9, 0}},
         "tensor 'm.final_linear_layer.weight' is not the last layer of a predictor"},
        {2,
         {"m.final_linear_layer.weight", DTYPE_F32, 2, {1, 65537}},
         "tensor 'm.final_linear_layer.weight' is not the last layer of a predictor"},
        {2,
         {"m.final_linear_layer.weight", DTYPE_F32, 2, {8, 2}},
         "tensor 'm.final_linear_layer.weight' is 8x2, not 9x2"},
        {1, {"m.layers.0.bias", DTYPE_F32, 2, {2, 1}}, "tensor 'm.layers.0.bias' is 2x1, not 2"},
        {1, {"m.layers.0.bias", DTYPE_F32, 0, {0}}, "tensor 'm.layers.0.bias' is a scalar, not 2"},
        {0, {"m.layers.0.weight", DTYPE_I32, 2, {2, 6}}, "tensor 'm.layers.0.weight' is I32, not real numbers"},
        {ADD, {"m.layers.30.weight", DTYPE_F32, 2, {2, 2}}, "tensor 'm.layers.1.weight' is missing"},
    };
    const PredictorOptions options = {.source = network, .chosen = both, .config = &small};
    for (size_t i = 0; i < sizeof strangers / sizeof *strangers; i++)
        refused(file_with(ADD, &(Item){strangers[i], DTYPE_F32, 1, {1}}), &options, NULL, STATUS_BAD_INPUT,
                text_of("tensor '%s' does not belong to a predictor with 2 linear layers", strangers[i]));
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        refused(file_with(cases[i].at, &cases[i].item), &options, NULL, STATUS_BAD_INPUT, cases[i].words);
    static const DType reals[] = {DTYPE_F16, DTYPE_BF16, DTYPE_F64, DTYPE_F32};
    for (size_t i = 0; i < sizeof reals / sizeof *reals; i++)
        loaded(file_with(0, &(Item){"m.layers.0.weight", reals[i], 2, {2, 6}}), &options);
    static const Item last[] = {{"final_linear_layer.weight", DTYPE_F32, 2, {9, 2}}};
    const char *path = scratch_path("alone.safetensors");
    const TensorOut alone = {last->name, last->dtype, last->rank, last->dim, (const float[18]){0}};
    Error err;
    assert_true(safetensors_save(path, true, &alone, 1, NULL, 0, &err));
    refused(path, &options, NULL, STATUS_BAD_INPUT,
            "tensor 'final_linear_layer.weight' is not the last layer of a predictor");
}

/* What the caller says of the file. */
static void other_options(void **state) {
    (void)state;
    static const bool none[] = {false, false};
    const char *path = file_with(0, &good[0]);
    PredictorConfig config = small;
    PredictorOptions options = {.source = network, .config = &config};
    Error err = {0};
    refused(path, &(PredictorOptions){.config = &small}, NULL, STATUS_USAGE,
            "holds only the weights of a predictor; --for NET tells which network's layers it predicts");
    options.chosen = none;
    assert_null(predictor_load(path, &options, NULL, &err));
    assert_int_equal(err.status, STATUS_USAGE);
    options.chosen = both;
    config.base = 0;
    assert_null(predictor_load(path, &options, NULL, &err));
    assert_non_null(strstr(err.text, "base 0"));
    config.base = 0.5;
    config.permutation = PERMUTATION_CROSS_FILTER;
    Predictor *p = predictor_load(path, &options, NULL, &err);
    assert_non_null(p);
    assert_int_equal(p->config.permutation, PERMUTATION_CROSS_FILTER);
    predictor_free(p);
    options.usual_order = true; /* of few weights: in each filter */
    assert_non_null(p = predictor_load(path, &options, NULL, &err));
    assert_int_equal(p->config.permutation, PERMUTATION_IN_FILTER);
    predictor_free(p);
    options = (PredictorOptions){.source = network, .chosen = both}; /* with the usual settings it has 240 inputs */
    refused(path, &options, NULL, STATUS_BAD_INPUT, "tensor 'm.layers.0.weight' is 2x6, not 2x240");
    options.config = &config;
    cancel_request();
    assert_null(predictor_load(path, &options, NULL, &err));
    cancel_clear();
    assert_int_equal(err.status, STATUS_CANCELLED);
    assert_null(strstr(err.text, path));
}

/* ---- ours -------------------------------------------------------------------------------------------------------- */

static Predictor *made(const Network *source, const bool *chosen, PermutationKind permutation) {
    Error err;
    PredictorConfig config = small;
    config.permutation = permutation;
    Predictor *p = predictor_new(source, chosen, &config, 3, "train p", NULL, &err);
    if (!p) fail_msg("%s", err.text);
    return p;
}

/* A saved predictor with another value of a fact (NULL: without it), or its last tensor in another dtype or name. */
typedef struct Forgery {
    const char *key, *value;
    const char *last_name; /* NULL: as it is; "": left out */
    DType last;            /* where `last_name` is not NULL */
} Forgery;

static const char *forge(const Forgery *forgery) {
    const char *path = scratch_path("ours.safetensors");
    Predictor *p = made(network, both, PERMUTATION_CROSS_FILTER);
    FileParts parts;
    Error err;
    KeyValue *facts = NULL;
    size_t count = 0;
    uint32_t wide[64] = {0};
    bool found = false;
    assert_true(predictor_parts(p, DTYPE_F32, &parts, &err));
    for (size_t i = 0; i < parts.metadata_count; i++) {
        const KeyValue *fact = &parts.metadata[i];
        const bool this = forgery->key && strcmp(fact->key, forgery->key) == 0;
        found = found || this;
        if (!this || forgery->value)
            assert_true(key_value_add(&facts, &count, fact->key, this ? forgery->value : fact->value, &err));
    }
    assert_true(found || !forgery->key);
    TensorOut *last = &parts.tensors[parts.count - 1];
    for (size_t k = 0; k < p->kernel_count; k++) wide[k] = p->index[k].channel;
    if (forgery->last_name) last->dtype = forgery->last;
    if (forgery->last_name) last->data = wide;
    parts.count -= forgery->last_name && !*forgery->last_name;
    if (!safetensors_save(path, true, parts.tensors, parts.count, facts, count, &err)) fail_msg("%s", err.text);
    key_value_free(facts, count);
    file_parts_done(&parts);
    predictor_free(p);
    return path;
}

static void other_facts(void **state) {
    (void)state;
    static const char no_digits[] = "metadata weft.fingerprint is not 32 hexadecimal digits";
    static const struct {
        Forgery forgery;
        const char *words;
    } cases[] = {
        {{.key = "weft.kind", .value = "network"}, "a network, not a predictor"},
        {{.key = "weft.kind", .value = ""}, "a , not a predictor"},
        {{.key = "weft.predictor"}, "metadata weft.predictor is missing"},
        {{.key = "weft.fingerprint", .value = "0123456789abcdef0123456789abcdeg"}, no_digits},
        {{.key = "weft.fingerprint", .value = "0123456789ABCDEF0123456789abcdef"}, no_digits},
        {{.key = "weft.fingerprint", .value = ""}, no_digits},
        {{.key = "weft.fingerprint", .value = "0123456789abcdef0123456789abcdef0"}, no_digits},
        {{.key = "weft.source_parameters", .value = "1e5"}, "metadata weft.source_parameters is not a number"},
        {{.key = "weft.lineage", .value = "{}"}, "metadata weft.lineage is invalid"},
        {{.key = "weft.lineage", .value = "[{\"what\":\"load\"}]"}, "metadata weft.lineage is invalid"},
        {{.key = "weft.notes", .value = "[{\"key\":\"a\",\"value\":7}]"}, "metadata weft.notes is invalid"},
        {{.key = "weft.notes", .value = "["}, "metadata weft.notes is invalid"},
        {{.last_name = ""}, "tensor 'order.channel' is missing"},
        {{.last_name = "order.channel", .last = DTYPE_I32}, "tensor 'order.channel' is I32, not U16 or U32"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        refused(forge(&cases[i].forgery), NULL, NULL, STATUS_BAD_INPUT, cases[i].words);
    loaded(forge(&(Forgery){.last_name = "order.channel", .last = DTYPE_U32}), NULL);
    const char *path = forge(&(Forgery){0});
    loaded(path, NULL);
    refused(path, &(PredictorOptions){.source = network, .chosen = both}, NULL, STATUS_USAGE,
            "is self-describing; leave out the settings");
}

/* Facts that a file may lack stay unknown when it is saved again. */
static void unknown_facts(void **state) {
    (void)state;
    static const char *const facts[] = {"weft.fingerprint", "weft.source_parameters", "weft.lineage", "weft.notes"};
    const char *again = scratch_path("again.safetensors");
    for (size_t i = 0; i < sizeof facts / sizeof *facts; i++) {
        Error err = {0};
        Predictor *p = predictor_load(forge(&(Forgery){.key = facts[i]}), NULL, NULL, &err);
        if (!p) fail_msg("%s", err.text);
        assert_int_equal(p->fingerprint[0] == '\0', i == 0);
        assert_int_equal(p->source_parameters == 0, i == 1);
        assert_true(predictor_save(p, again, DTYPE_F32, true, &err));
        Checkpoint *checkpoint = checkpoint_open(again, &err);
        assert_non_null(checkpoint);
        assert_int_equal(checkpoint_metadata_find(checkpoint, facts[i]) == NULL, i < 2);
        checkpoint_close(checkpoint);
        assert_false(predictor_save(p, "again", DTYPE_F32, true, &err));
        assert_string_equal(err.text, "again: a predictor is saved as .safetensors");
        predictor_free(p);
    }
}

/* Numbers that are none survive in every dtype; the indices of a layer with more than 65535 filters or channels take
 * four bytes. */
static void wide_layers(void **state) {
    (void)state;
    static const HandmadeLayer wide[] = {{"filters", 4, {65537, 1, 1, 1}}, {"channels", 4, {1, 65537, 1, 1}}};
    static const bool one[] = {true};
    const char *path = scratch_path("wide.safetensors");
    for (size_t i = 0; i < 2; i++) {
        Error err = {0};
        Network *source = handmade_network(&wide[i], 1, 1);
        Predictor *p = made(source, one, PERMUTATION_NONE);
        p->config.permutation = PERMUTATION_CROSS_FILTER; /* backwards: to find the best order would take long */
        for (size_t k = 0; k < p->kernel_count; k++)
            *(i ? &p->index[k].channel : &p->index[k].filter) = (uint32_t)(p->kernel_count - 1 - k);
        p->parameters[0] = NAN;
        p->parameters[1] = -INFINITY;
        if (!predictor_save(p, path, DTYPE_F16, true, &err)) fail_msg("%s", err.text);
        Predictor *q = predictor_load(path, NULL, NULL, &err);
        if (!q) fail_msg("%s", err.text);
        assert_memory_equal(p->index, q->index, p->kernel_count * sizeof *p->index);
        assert_true(isnan(q->parameters[0]) && q->parameters[1] == -INFINITY);
        predictor_free(p);
        predictor_free(q);
        network_free(source);
    }
}

/* ---- memory ------------------------------------------------------------------------------------------------------ */

typedef bool Work(void *context, Error *err);

/* Every allocation fails in turn, and all after it, the JSON library's too: one line, and nothing is left. */
static void without_memory(Work *work, void *context) {
    bool hit = true;
    uint64_t n = 1;
    for (; hit; n++) {
        Error err = {0};
        fault_arm(FAULT_ALLOC, n, true);
        const bool done = work(context, &err);
        hit = fault_disarm() >= n;
        assert_int_equal(done, !hit);
        if (!done && err.status != STATUS_LIMIT && err.status != STATUS_WRITE && err.status != STATUS_BAD_INPUT)
            fail_msg("allocation %u: %d: %s", (unsigned)n, err.status, err.text);
        if (!done) assert_true(*err.text && !strchr(err.text, '\n'));
    }
    assert_true(n > 20);
}

static bool load_reference(void *context, Error *err) {
    const PredictorOptions options = {.source = network, .chosen = both, .config = context};
    Predictor *p = predictor_load("tests/fixtures/predictor-prefixed.th", &options, NULL, err);
    if (p) assert_true(p->note_count > 0);
    predictor_free(p);
    return p != NULL;
}

static bool load_ours(void *context, Error *err) {
    const PredictorOptions options = {.source = network};
    Predictor *p = predictor_load(context, &options, NULL, err);
    predictor_free(p);
    return p != NULL;
}

static bool save_ours(void *context, Error *err) {
    return predictor_save(context, scratch_path("saved.safetensors"), DTYPE_BF16, true, err);
}

static void memory(void **state) {
    (void)state;
    PredictorConfig config = small;
    config.levels = 6;
    without_memory(load_reference, &config);
    char path[256];
    strcpy(path, forge(&(Forgery){0}));
    json_memory_counts(false);
    without_memory(load_ours, path);
    json_memory_counts(true);
    Predictor *p = made(network, both, PERMUTATION_IN_FILTER);
    without_memory(save_ours, p);
    predictor_free(p);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(other_tensors), cmocka_unit_test(other_options), cmocka_unit_test(other_facts),
        cmocka_unit_test(unknown_facts), cmocka_unit_test(wide_layers),   cmocka_unit_test(memory),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
