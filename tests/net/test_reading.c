/* test_reading -- what a file says about its network is believed, told or refused: its graph, lineage, normalisation
 * and kind; weights that stay in the file give the same values part by part; memory that runs out anywhere, and files
 * that fail, leave one line and nothing else. */
#include "../support/bytes.h"
#include "../support/graphs.h"
#include "../support/handmade.h"
#include "weft/base/dtype.h"
#include "weft/base/error.h"
#include "weft/base/fault.h"
#include "weft/base/hash.h"
#include "weft/base/memory.h"
#include "weft/base/tensor.h"
#include "weft/base/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#define FIXTURES "tests/fixtures/"

/* ---- metadata ---------------------------------------------------------------------------------------------------- */

static const char *base; /* a file of weft with a graph */

static int begin(void **state) {
    (void)state;
    Error err;
    Network *network = random_network(7, 8, 8);
    base = strdup(scratch_path("base.safetensors"));
    const bool done = network_save(network, base, true, &err);
    network_free(network);
    return done ? 0 : -1;
}

static int end(void **state) {
    (void)state;
    free((char *)(uintptr_t)base);
    return 0;
}

/* The file with another value of a fact, which it may lack (NULL: without it); `more`: a tensor of that name, too. */
static const char *forge(const char *key, const char *value, const char *more) {
    const char *path = scratch_path("forged.safetensors");
    Error err;
    Checkpoint *old = checkpoint_open(base, &err);
    assert_non_null(old);
    const size_t count = checkpoint_count(old);
    TensorOut *tensors = mem_alloc(count + 1, sizeof *tensors, &err);
    KeyValue *facts = NULL;
    size_t fact_count = 0;
    for (size_t i = 0; i < count; i++) {
        const CheckpointTensor *tensor = checkpoint_tensor(old, i);
        void *data = mem_alloc(tensor->count, sizeof(float), &err);
        assert_true(checkpoint_read(old, i, data, &err));
        tensors[i] = (TensorOut){tensor->name, tensor->dtype, tensor->rank, tensor->dim, data};
    }
    for (size_t i = 0; i < checkpoint_metadata_count(old); i++) {
        const KeyValue *fact = checkpoint_metadata(old, i);
        if (!key || strcmp(fact->key, key) != 0)
            assert_true(key_value_add(&facts, &fact_count, fact->key, fact->value, &err));
    }
    if (value) assert_true(key_value_add(&facts, &fact_count, key, value, &err));
    static const uint64_t one[] = {1};
    static const float zero;
    tensors[count] = (TensorOut){more, DTYPE_F32, 1, one, &zero};
    if (!safetensors_save(path, true, tensors, count + (more != NULL), facts, fact_count, &err))
        fail_msg("%s", err.text);
    for (size_t i = 0; i < count; i++) mem_free((void *)(uintptr_t)tensors[i].data);
    mem_free(tensors);
    key_value_free(facts, fact_count);
    checkpoint_close(old);
    return path;
}

static void refused(const char *path, const NetworkOptions *options, const char *words) {
    Error err = {0};
    Network *network = network_load(path, options, &err);
    if (network) fail_msg("%s: loaded, though it should have said: %s", path, words);
    assert_true(err.status == STATUS_BAD_INPUT || (options && err.status == STATUS_USAGE));
    if (!strstr(err.text, words) || strchr(err.text, '\n')) fail_msg("%s; expected: %s", err.text, words);
}

static Network *loaded(const char *path, const NetworkOptions *options) {
    Error err = {0};
    Network *network = network_load(path, options, &err);
    if (!network) fail_msg("%s", err.text);
    return network;
}

static bool noted(const Network *network, const char *key, const char *words) {
    for (size_t i = 0; i < network->note_count; i++)
        if (strcmp(network->notes[i].key, key) == 0 && strstr(network->notes[i].value, words)) return true;
    return false;
}

static void graphs(void **state) {
    (void)state;
    Network *network = loaded(forge("weft.architecture", "mine", NULL), NULL);
    assert_string_equal(network->architecture, "mine");
    assert_non_null(network->graph);
    network_free(network);
    network = loaded(forge("weft.architecture", NULL, NULL), NULL);
    assert_string_equal(network->architecture, "saved graph");
    network_free(network);
    const char *path = forge("weft.graph", "x", NULL);
    refused(path, NULL, text_of("%s: metadata weft.graph: ", path));
    path = forge("weft.graph", NULL, NULL); /* nobody knows it then */
    network = loaded(path, NULL);
    assert_null(network->graph);
    network_free(network);
    refused(path, &(NetworkOptions){.architecture = "resnet-cifar"}, path);
    refused(base, &(NetworkOptions){.architecture = "resnet-cifar"}, base); /* the graph of the file does not count */
    refused(base, &(NetworkOptions){.prefix = "module."}, "module.");
}

static void facts(void **state) {
    (void)state;
    Network *network = loaded(forge("weft.lineage", "[", NULL), NULL);
    assert_true(noted(network, "note", "weft.lineage is not understood and was left out"));
    assert_int_equal(network->lineage_count, 1);
    network_free(network);
    network = loaded(forge("weft.lineage", "[{\"what\":\"made\",\"command\":\"by hand\"}]", NULL), NULL);
    assert_false(noted(network, "note", "weft.lineage"));
    assert_int_equal(network->lineage_count, 2);
    assert_string_equal(network->lineage[0].value, "by hand");
    network_free(network);
    network = loaded(forge("author", "N. N.", "m.final_linear_layer.weight"), &(NetworkOptions){.own = true});
    assert_true(noted(network, "author", "N. N."));
    assert_true(noted(network, "note", "the weights of a weight predictor"));
    network_free(network);
    network_free(loaded(forge("weft.kind", "network", NULL), NULL));
    const char *path = forge("weft.kind", "predictor", NULL);
    refused(path, NULL, text_of("%s: a weight predictor, not a network (load predictor reads it)", path));
    path = forge("weft.normalise", "1,2", NULL);
    refused(path, NULL, text_of("%s: metadata weft.normalise: ", path));
}

static void graphs_of_onnx(void **state) {
    (void)state;
    refused(base, &(NetworkOptions){.graph = base},
            text_of("%s: safetensors, not ONNX: --graph takes an ONNX file", base));
    refused(base, &(NetworkOptions){.graph = base, .lazy = true, .lazy_always = true}, "not ONNX");
    refused(base, &(NetworkOptions){.graph = "nowhere.onnx"}, "nowhere.onnx: No such file or directory");
    refused(base, &(NetworkOptions){.graph = FIXTURES "constants.onnx"}, FIXTURES "constants.onnx: ");
    refused(base, &(NetworkOptions){.graph = FIXTURES "onnx/mobile-14.onnx"}, FIXTURES "onnx/mobile-14.onnx");
    refused(FIXTURES "onnx/mobile-14.onnx", &(NetworkOptions){.architecture = "resnet-cifar"}, "mobile-14.onnx");
    static const char onnx[] = FIXTURES "onnx/dense.onnx";
    for (int lazy = 0; lazy < 2; lazy++) { /* with the graph of itself */
        const NetworkOptions options = {.graph = onnx, .lazy = lazy, .lazy_always = lazy};
        Network *network = loaded(onnx, &options);
        assert_non_null(network->graph);
        assert_false(network_lazy(network)); /* a graph looks at the weights */
        network_free(network);
    }
}

/* ---- kept networks ----------------------------------------------------------------------------------------------- */

static void other_networks(void **state) {
    (void)state;
    static const HandmadeLayer layers[] = {{"a", 2, {3, 5}}};
    Error err = {0};
    char hash[HASH_HEX];
    Network *network = handmade_network(layers, 1, 1);
    assert_true(network_keep(network, scratch_path("kept.safetensors"), true, &err));
    assert_true(network_hash(network, hash, &err));
    Network *again = network_load_kept(scratch_folder(), "kept.safetensors", hash, "teacher", &err);
    assert_non_null(again);
    assert_int_equal(again->lineage_count, 0); /* it goes on as it was */
    network_free(again);
    handmade_weights(network, 0)[14] += 1;
    assert_true(network_keep(network, scratch_path("kept.safetensors"), true, &err));
    assert_null(network_load_kept(scratch_folder(), "kept.safetensors", hash, "teacher", &err));
    assert_int_equal(err.status, STATUS_BAD_INPUT);
    assert_string_equal(err.text,
                        text_of("%s: kept.safetensors is not the teacher the run started with", scratch_folder()));
    assert_false(network_keep(network, scratch_path("kept.safetensors"), false, &err));
    assert_int_equal(err.status, STATUS_WRITE);
    network_free(network);
}

/* ---- weights in the file ----------------------------------------------------------------------------------------- */

enum { ROWS = 30, COLUMNS = 3001 }; /* several blocks of 32 KiB in each dtype, and a part of one */

/* A tensor of numbers that every dtype holds. */
static const char *large_file(DType dtype) {
    static float values[ROWS * COLUMNS];
    static unsigned char converted[ROWS * COLUMNS * sizeof(double)];
    static const uint64_t dim[] = {ROWS, COLUMNS};
    const char *path = scratch_path(text_of("large-%s.safetensors", dtype_name(dtype)));
    Error err;
    for (size_t i = 0; i < ROWS * COLUMNS; i++) values[i] = (float)((i * 7) % 251) - 125;
    if (dtype == DTYPE_F64)
        for (size_t i = 0; i < ROWS * COLUMNS; i++) ((double *)(void *)converted)[i] = (double)values[i];
    else if (dtype != DTYPE_F32)
        dtype_from_f32(dtype, values, ROWS * COLUMNS, converted);
    const TensorOut tensor = {"w", dtype, 2, dim, dtype == DTYPE_F32 ? (void *)values : (void *)converted};
    if (!safetensors_save(path, true, &tensor, 1, NULL, 0, &err)) fail_msg("%s", err.text);
    return path;
}

static const struct {
    uint64_t first, count;
} stretches[] = {{0, 1},
                 {0, ROWS *COLUMNS},
                 {1, 9000},
                 {8191, 2},
                 {8192, 8192},
                 {8193, 20000},
                 {16000, 800},
                 {ROWS * COLUMNS - 1, 1},
                 {ROWS * COLUMNS - 9000, 9000},
                 {77, 0}};
enum { STRETCHES = sizeof stretches / sizeof *stretches };

/* Any stretch of the values, of every dtype. */
static void stretches_of_a_file(void **state) {
    (void)state;
    static const DType dtypes[] = {DTYPE_F32, DTYPE_F16, DTYPE_BF16, DTYPE_F64};
    static float room[ROWS * COLUMNS];
    for (size_t d = 0; d < sizeof dtypes / sizeof *dtypes; d++) {
        Error err = {0};
        Str identity = {0};
        Network *network = loaded(large_file(dtypes[d]), &(NetworkOptions){.lazy = true, .lazy_always = true});
        assert_true(network_lazy(network));
        for (size_t s = 0; s < STRETCHES; s++) {
            const uint64_t first = stretches[s].first, count = stretches[s].count;
            const float *values = tensor_span(network->tensors[0].tensor, first, count, room, &err);
            if (!values) fail_msg("%s", err.text);
            for (uint64_t i = 0; i < count; i++)
                if (values[i] != (float)((first + i) * 7 % 251) - 125) fail_msg("value %u", (unsigned)(first + i));
        }
        assert_true(network_identity(network, &identity, &err)); /* one file, and the layers */
        assert_true(identity.length > HASH_HEX);
        str_done(&identity);
        network_free(network);
    }
}

/* Of a network in memory no file needs to be known. */
static void identity_without_files(void **state) {
    (void)state;
    Error err = {0};
    Str identity = {0};
    Network *network = loaded(FIXTURES "types.safetensors", NULL);
    assert_true(network_identity(network, &identity, &err));
    assert_int_equal(identity.length, HASH_HEX); /* that of its layers, and a line end */
    str_done(&identity);
    network_free(network);
}

/* Reads and allocations refused, in a first reading and in a later one: a line, or the values. */
static void stretches_that_fail(void **state) {
    (void)state;
    static float room[ROWS * COLUMNS];
    const char *const paths[] = {large_file(DTYPE_F32), large_file(DTYPE_BF16)};
    for (size_t s = 0; s < 2 * STRETCHES; s++) {
        bool hit = true;
        for (uint64_t n = 1; hit; n++) {
            Error err = {0};
            Network *network = loaded(paths[s / STRETCHES], &(NetworkOptions){.lazy = true, .lazy_always = true});
            const Tensor *tensor = network->tensors[0].tensor;
            fault_arm(FAULT_ALLOC | FAULT_READ, n, false);
            const float *values =
                tensor_span(tensor, stretches[s % STRETCHES].first, stretches[s % STRETCHES].count, room, &err);
            hit = fault_disarm() >= n;
            assert_int_equal(values != NULL, !hit);
            if (!values) assert_true(err.status == STATUS_LIMIT || err.status == STATUS_BAD_INPUT);
            values = tensor_span(tensor, stretches[s % STRETCHES].first, stretches[s % STRETCHES].count, room, &err);
            assert_non_null(values);
            for (uint64_t i = 0; i < stretches[s % STRETCHES].count; i++)
                assert_true(values[i] == (float)((stretches[s % STRETCHES].first + i) * 7 % 251) - 125);
            network_free(network);
        }
    }
}

/* ---- what fails -------------------------------------------------------------------------------------------------- */

typedef bool Work(const void *context, Error *err);

/* Every allocation and every reading refused, alone and with all after it. */
static void refuse_each(Work *work, const void *context, Status other) {
    for (int all_after = 0; all_after < 2; all_after++) {
        bool hit = true;
        for (uint64_t n = 1; hit; n++) {
            Error err = {0};
            fault_arm(FAULT_ALLOC | FAULT_OPEN | FAULT_READ, n, all_after);
            const bool done = work(context, &err);
            hit = fault_disarm() >= n;
            if (!hit && !done) fail_msg("%s", err.text);
            if (!done && err.status != STATUS_LIMIT && err.status != STATUS_BAD_INPUT && err.status != other)
                fail_msg("call %u: %d: %s", (unsigned)n, err.status, err.text);
            if (!done) assert_true(*err.text && !strchr(err.text, '\n'));
        }
    }
}

typedef struct Loading {
    const char *path;
    NetworkOptions options;
} Loading;

static bool load(const void *context, Error *err) {
    const Loading *loading = context;
    Network *network = network_load(loading->path, &loading->options, err);
    network_free(network);
    return network != NULL;
}

static bool load_kept(const void *context, Error *err) {
    Network *network = network_load_kept(scratch_folder(), "kept.safetensors", context, "network", err);
    network_free(network);
    return network != NULL;
}

static bool keep(const void *context, Error *err) {
    char hash[HASH_HEX];
    return network_keep(context, scratch_path("kept.safetensors"), true, err) && network_hash(context, hash, err);
}

static bool save_onnx(const void *context, Error *err) {
    return network_save(context, scratch_path("saved.onnx"), true, err);
}

static void calls_refused(void **state) {
    (void)state;
    Error err;
    char hash[HASH_HEX];
    Loading loading = {.path = forge("author", "N. N.", "m.final_linear_layer.weight")};
    refuse_each(load, &loading, STATUS_BAD_INPUT);
    loading.path = forge("weft.lineage", "[", NULL);
    refuse_each(load, &loading, STATUS_BAD_INPUT);
    loading.path = forge("weft.lineage", "[{\"what\":\"made\",\"command\":\"by hand\"}]", NULL);
    refuse_each(load, &loading, STATUS_BAD_INPUT);
    loading.path = FIXTURES "predictor-prefixed.th"; /* with notes */
    refuse_each(load, &loading, STATUS_BAD_INPUT);
    loading = (Loading){.path = FIXTURES "onnx/dense.onnx", .options.graph = FIXTURES "onnx/dense.onnx"};
    refuse_each(load, &loading, STATUS_BAD_INPUT);
    Network *network = loaded(base, &(NetworkOptions){.own = true});
    assert_true(keep(network, &err) && network_hash(network, hash, &err));
    refuse_each(keep, network, STATUS_WRITE);
    assert_true(keep(network, &err));
    refuse_each(load_kept, hash, STATUS_BAD_INPUT);
    network_free(network);
    network = loaded(FIXTURES "onnx/dense.onnx", NULL);
    assert_true(network_save(network, scratch_path("dense.safetensors"), true, &err));
    network_free(network);
    network = loaded(scratch_path("dense.safetensors"), &(NetworkOptions){.lazy = true, .lazy_always = true});
    mem_set_budget(1); /* ONNX is written from memory */
    assert_false(save_onnx(network, &err));
    mem_set_budget(0);
    assert_int_equal(err.status, STATUS_LIMIT);
    refuse_each(save_onnx, network, STATUS_WRITE);
    network_free(network);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(graphs),
        cmocka_unit_test(facts),
        cmocka_unit_test(graphs_of_onnx),
        cmocka_unit_test(other_networks),
        cmocka_unit_test(stretches_of_a_file),
        cmocka_unit_test(stretches_that_fail),
        cmocka_unit_test(calls_refused),
        cmocka_unit_test(identity_without_files),
    };
    return cmocka_run_group_tests_name("reading", tests, begin, end);
}
