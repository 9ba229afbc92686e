/* test_onnx_load -- graphs of ONNX files that end or begin unusually, what is told of them, which layers are predicted,
 * and files of which any part cannot be read or written. */
#include "../support/bytes.h"
#include "../support/graphs.h"
#include "weft/base/dtype.h"
#include "weft/base/error.h"
#include "weft/base/fault.h"
#include "weft/base/file.h"
#include "weft/base/memory.h"
#include "weft/base/random.h"
#include "weft/base/tensor.h"
#include "weft/format/onnx.h"
#include "weft/net.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

enum { ANY = ONNX_ANY_SIZE, ELEMENTS = 1 << 14 };
static float numbers[ELEMENTS];

/* A node of the inputs up to NULL. */
static void node(OnnxWriter *w, const char *type, const char *out, const char *const *inputs) {
    for (; *inputs; inputs++) onnx_node_input(w, *inputs);
    onnx_node_output(w, out);
    onnx_node(w, type, text_of("the-%s", out));
}
#define NODE(w, type, out, ...)                                       \
    do {                                                              \
        node(w, type, out, (const char *const[]){__VA_ARGS__, NULL}); \
        onnx_node_end(w);                                             \
    } while (0)

static void conv(OnnxWriter *w, const char *out, const char *in, const char *weight, const char *bias, int64_t stride) {
    node(w, "Conv", out, (const char *const[]){in, weight, bias, NULL});
    onnx_node_integers(w, "strides", (int64_t[]){stride, stride}, 2);
    onnx_node_end(w);
}

static void tensor(OnnxWriter *w, const char *name, DType dtype, unsigned rank, const uint64_t *dim, const void *data) {
    Error err = {0};
    onnx_tensor(w, &(TensorOut){name, dtype, rank, dim, data ? data : numbers}, &err);
}
#define FLOATS(w, name, ...) \
    tensor(w, name, DTYPE_F32, sizeof(uint64_t[]){__VA_ARGS__} / 8, (uint64_t[]){__VA_ARGS__}, NULL)

static const char *put(OnnxWriter *w) {
    Error err = {0};
    const char *path = scratch_path("load.onnx");
    if (!onnx_save(w, path, true, NULL, 0, &err)) fail_msg("%s", err.text);
    return path;
}

/* With an input x of 3 x 16 x 16 and an output y of four classes; `why` NULL: it has a graph. */
static Network *load(OnnxWriter *w, const char *why) {
    Error err = {0};
    FLOATS(w, "w", 4, 3, 3, 3);
    onnx_value(w, false, "x", 4, (int64_t[]){ANY, 3, 16, 16});
    onnx_value(w, true, "y", 2, (int64_t[]){ANY, 4});
    Network *network = network_load(put(w), NULL, &err);
    if (!network) fail_msg("%s", err.text);
    if (!network->graph != (why != NULL) || (why && !strstr(network->why_unknown, why)))
        fail_msg("'%s', not '%s'", network->graph ? "loads" : network->why_unknown, why ? why : "loaded");
    return network;
}

static bool has_note(const Network *network, const char *text) {
    bool found = false;
    for (size_t i = 0; i < network->note_count; i++) found = found || strstr(network->notes[i].value, text);
    return found;
}

/* ---- ends -------------------------------------------------------------------------------------------------------- */

static void ends(void **state) {
    (void)state;
    static const int64_t sizes[] = {1, 1, 14, 14};
    static const float scale = 0.1f;
    static const uint8_t zero;
    OnnxWriter w = {0};
    NODE(&w, "Add", "y", "w", "w"); /* a constant */
    network_free(load(&w, "its output 'y' is no map"));
    tensor(&w, "s", DTYPE_F32, 0, NULL, &scale);
    tensor(&w, "z", DTYPE_U8, 0, NULL, &zero);
    NODE(&w, "GlobalAveragePool", "a", "x");
    NODE(&w, "QuantizeLinear", "y", "a", "s", "z");
    network_free(load(&w, "its output 'y' is no map"));
    NODE(&w, "GlobalAveragePool", "a", "x");
    NODE(&w, "Elu", "y", "a");
    network_free(load(&w, "this function of one value is none that weft has"));
    NODE(&w, "Identity", "y", "x");
    network_free(load(&w, "is 3x16x16, not one value for each class"));
    /* the sizes of a map that is computed for them alone, behind the output */
    conv(&w, "a", "x", "w", NULL, 1);
    NODE(&w, "GlobalAveragePool", "p", "a");
    conv(&w, "b", "x", "w", NULL, 1);
    NODE(&w, "Shape", "s", "b");
    tensor(&w, "k", DTYPE_I64, 1, (uint64_t[]){4}, sizes);
    NODE(&w, "Div", "d", "s", "k");
    NODE(&w, "Reshape", "y", "p", "d");
    network_free(load(&w, "its output 'y' is not what it computes last"));
    /* a node with a result that has no name, and an input without one */
    conv(&w, "a", "x", "w", NULL, 1);
    onnx_node_input(&w, "a");
    onnx_node_output(&w, "p");
    onnx_node_output(&w, "");
    onnx_node(&w, "Dropout", "drop");
    onnx_node_end(&w);
    NODE(&w, "GlobalAveragePool", "y", "p");
    onnx_value(&w, false, "", 4, (int64_t[]){ANY, 3, 16, 16});
    network_free(load(&w, NULL));
}

/* An input of one pixel that is the output; maps of one row; more channels than classes can be; an input without a
 * shape; two inputs of which the first is not used. */
static void inputs(void **state) {
    (void)state;
    static const struct {
        int64_t dim[4];
        const char *first, *output, *why;
        unsigned rank;
    } cases[] = {{{ANY, 3, 1, 1}, "x", "same", "is 3x1x1, not one value for each class", 4},
                 {{ANY, 3, 3, 8}, "x", "a", "is 4x1x6, not one value for each class", 4},
                 {{ANY, 3, 8, 3}, "x", "a", "is 4x6x1, not one value for each class", 4},
                 {{ANY, 3, 8, 8}, "x", "wide", "not one value for each class", 4},
                 {{0}, NULL, "y", "its input 'x' has 0 dimensions", 0},
                 {{ANY, 3, 8, 8}, "other", "y", NULL, 4}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        OnnxWriter w = {0};
        Error err = {0};
        conv(&w, "a", "x", "w", NULL, 1);
        NODE(&w, "GlobalAveragePool", "y", "a");
        NODE(&w, "Identity", "same", "x");
        conv(&w, "many", "y", "m", NULL, 1);
        node(&w, "Concat", "wide", /* 17 times 4,096 */
             (const char *const[]){"many", "many", "many", "many", "many", "many", "many", "many", "many", "many",
                                   "many", "many", "many", "many", "many", "many", "many", NULL});
        onnx_node_integer(&w, "axis", 1);
        onnx_node_end(&w);
        FLOATS(&w, "w", 4, 3, 3, 3);
        FLOATS(&w, "m", 4096, 4, 1, 1);
        if (cases[i].rank == 0) str_add_bytes(&w.values, "\x5a\x03\x0a\x01x", 5); /* a name alone */
        if (cases[i].first && strcmp(cases[i].first, "x") != 0) onnx_value(&w, false, cases[i].first, 4, cases[i].dim);
        if (cases[i].rank > 0) onnx_value(&w, false, "x", cases[i].rank, cases[i].dim);
        onnx_value(&w, true, cases[i].output, 2, (int64_t[]){ANY, 4});
        Network *network = network_load(put(&w), NULL, &err);
        if (!network) fail_msg("%s", err.text);
        if (!network->graph != (cases[i].why != NULL) || (cases[i].why && !strstr(network->why_unknown, cases[i].why)))
            fail_msg("case %zu: %s", i, network->graph ? "loads" : network->why_unknown);
        network_free(network);
    }
}

/* ---- what is told ------------------------------------------------------------------------------------------------ */

/* A stem of 7x7 with a stride is not predicted; one without, and a later layer of the same kind, are. */
static void stems(void **state) {
    (void)state;
    for (int64_t stride = 1; stride <= 2; stride++) {
        OnnxWriter w = {0};
        conv(&w, "a", "x", "stem", NULL, stride);
        conv(&w, "b", "a", "later", NULL, stride == 1 ? 2 : 1);
        NODE(&w, "GlobalAveragePool", "y", "b");
        FLOATS(&w, "stem", 4, 3, 7, 7);
        FLOATS(&w, "later", 4, 4, stride == 1 ? 7 : 3, stride == 1 ? 7 : 3);
        Network *network = load(&w, NULL);
        assert_int_equal(network->graph->ops[1].kind, OP_CONV);
        assert_int_equal(network->graph->ops[1].predicted, stride == 1);
        assert_true(network->graph->ops[2].predicted);
        network_free(network);
    }
}

/* Batch norm behind the first layer, and a bias of the second whose name tells whether batch norm was folded. */
static void folded(void **state) {
    (void)state;
    static const struct {
        const char *bias;
        bool folded;
    } cases[] = {{"c.weight_bias", true},
                 {".weight_bias", false},
                 {"c.bias", false},
                 {"c.longer.name.bias", false},
                 {"onnx::Conv_12", true}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        OnnxWriter w = {0};
        conv(&w, "a", "x", "w", NULL, 1);
        NODE(&w, "BatchNormalization", "n", "a", "g", "h", "m", "v");
        NODE(&w, "Relu", "r", "n");
        conv(&w, "b", "r", "later", cases[i].bias, 1);
        NODE(&w, "GlobalAveragePool", "y", "b");
        FLOATS(&w, "later", 4, 4, 3, 3);
        FLOATS(&w, cases[i].bias, 4);
        FLOATS(&w, "g", 4);
        FLOATS(&w, "h", 4);
        FLOATS(&w, "m", 4);
        FLOATS(&w, "v", 4);
        Network *network = load(&w, NULL);
        const bool told = has_note(network, "batch norm behind some convolutions only");
        if (told != cases[i].folded) fail_msg("%s: %d", cases[i].bias, told);
        network_free(network);
    }
}

/* A file without a producer of which everything is told; any allocation that fails. */
static void notes(void **state) {
    (void)state;
    static const char *const texts[] = {"no batch norm", "softmax at the end", "leaves the size of the images open",
                                        "of 2 outputs 'y'", "that no layer reads"};
    OnnxWriter w = {0};
    Error err = {0};
    conv(&w, "a", "x", "w", "bias", 1);
    NODE(&w, "GlobalAveragePool", "p", "a");
    NODE(&w, "Flatten", "f", "p");
    NODE(&w, "Softmax", "y", "f");
    FLOATS(&w, "bias", 4);
    FLOATS(&w, "unused", 4);
    FLOATS(&w, "w", 4, 3, 3, 3);
    onnx_value(&w, false, "x", 4, (int64_t[]){ANY, 3, ANY, ANY});
    onnx_value(&w, true, "y", 2, (int64_t[]){ANY, 4});
    onnx_value(&w, true, "f", 2, (int64_t[]){ANY, 4});
    const char *path = put(&w);
    size_t length = 0;
    char *bytes = file_read_all(path, 1 << 20, &length, &err);
    assert_non_null(bytes);
    assert_memory_equal(bytes + 2, "\x12\x04weft", 6); /* behind the version */
    memmove(bytes + 2, bytes + 8, length - 8);
    assert_true(write_bytes(path, bytes, length - 6));
    mem_free(bytes);
    Network *network = network_load(path, NULL, &err);
    assert_true(network && network->graph);
    assert_string_equal(network->architecture, "ONNX graph, operator set 13");
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (!has_note(network, texts[i])) fail_msg("not told: %s", texts[i]);
    network_free(network);
    bool over = false;
    for (uint64_t nth = 1; !over; nth++) {
        fault_arm(FAULT_ALLOC, nth, false);
        network = network_load(path, NULL, &err);
        over = fault_disarm() < nth;
        if (!network && err.status != STATUS_LIMIT) fail_msg("allocation %d: %s", (int)nth, err.text);
        if (network && !network->graph) fail_msg("allocation %d: %s", (int)nth, network->why_unknown);
        network_free(network);
    }
}

/* ---- saving ------------------------------------------------------------------------------------------------------ */

/* Any allocation and any file operation fails while networks of all operations are saved; what is left is the old file.
 */
static void saved(void **state) {
    (void)state;
    static const unsigned kinds[] = {FAULT_ALLOC, FAULT_OPEN | FAULT_WRITE | FAULT_FSYNC | FAULT_RENAME};
    const char *path = scratch_path("saved.onnx");
    for (uint64_t seed = 1; seed <= 6; seed++)
        for (size_t k = 0; k < 2; k++) {
            Error err = {0};
            Network *network = random_network(seed, 16, 16);
            network->graph->height = network->graph->width = 16;
            const bool whole = network_save(network, path, true, &err);
            if (!whole) assert_non_null(strstr(err.text, path));
            bool over = false;
            for (uint64_t nth = 1; !over; nth++) {
                fault_arm(kinds[k], nth, nth % 2);
                const bool done = network_save(network, path, true, &err);
                over = fault_disarm() < nth;
                if (over) assert_int_equal(done, whole);
                if (!done && !over && whole && !(k == 0 && err.status == STATUS_LIMIT) && err.status != STATUS_WRITE)
                    fail_msg("seed %d, call %d: %s", (int)seed, (int)nth, err.text);
            }
            network_free(network);
        }
}

/* Pools to one value; a network without a graph, which says why or does not. */
static void odd_networks(void **state) {
    (void)state;
    Error err = {0};
    for (unsigned height = 1; height <= 2; height++)
        for (unsigned width = 1; width <= 2; width++) {
            Making making = make_begin();
            Tensor *point = tensor_new(4, (uint64_t[]){3, 3, 1, 1}, &err);
            assert_non_null(point);
            for (size_t i = 0; i < 9; i++) point->data[i] = numbers[i];
            const int weight = make_tensor(&making, point);
            graph_add(&making.builder,
                      (Op){.kind = OP_ADAPTIVE_POOL, .input = {0}, .out_channels = 3, .size = {height, width}}, "pool");
            graph_add(&making.builder,
                      (Op){.kind = OP_CONV,
                           .input = {1},
                           .out_channels = 3,
                           .groups = 1,
                           .weight = weight,
                           .bias = NO_TENSOR,
                           .kernel = {1, 1},
                           .stride = {1, 1},
                           .dilation = {1, 1}},
                      "point");
            graph_add(&making.builder, (Op){.kind = OP_GLOBAL_POOL, .input = {2}, .out_channels = 3}, "all");
            Network *network = make_end(&making, 3);
            network->graph->height = network->graph->width = 8;
            if (!network_save(network, scratch_path("pool.onnx"), true, &err)) fail_msg("%s", err.text);
            Network *again = network_load(scratch_path("pool.onnx"), NULL, &err);
            if (!again) fail_msg("%s", err.text);
            if (!again->graph) fail_msg("%ux%u: %s", height, width, again->why_unknown);
            network_free(again);
            network_free(network);
        }
    Network *network = network_load("tests/fixtures/constants.onnx", NULL, &err);
    assert_non_null(network);
    mem_free(network->why_unknown);
    network->why_unknown = NULL;
    assert_false(network_save(network, scratch_path("none.onnx"), true, &err));
    assert_non_null(strstr(err.text, "this network has none: its architecture is not known"));
    network_free(network);
}

int main(void) {
    Rng rng = {.seed = 1};
    for (size_t i = 0; i < ELEMENTS; i++) numbers[i] = (float)rng_uniform(&rng) + 0.1f;
    scratch_folder();
    const struct CMUnitTest tests[] = {cmocka_unit_test(ends),        cmocka_unit_test(inputs), cmocka_unit_test(stems),
                                       cmocka_unit_test(folded),      cmocka_unit_test(notes),  cmocka_unit_test(saved),
                                       cmocka_unit_test(odd_networks)};
    return cmocka_run_group_tests_name("onnx_load", tests, NULL, NULL);
}
