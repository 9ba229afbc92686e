/* test_onnx -- ONNX files: the logits that onnxruntime gives (tests/fixtures/make_onnx.py), saving and reading back,
 * the graph of one file over the weights of another, and graphs that make no sense. */
#include "../support/bytes.h"
#include "../support/graphs.h"
#include "weft/base/dtype.h"
#include "weft/base/error.h"
#include "weft/base/fault.h"
#include "weft/base/memory.h"
#include "weft/base/random.h"
#include "weft/base/tensor.h"
#include "weft/net.h"
#include "weft/format/onnx.h"

#include <dirent.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define FOLDER "tests/fixtures/onnx"
enum { IMAGES = 2, PIXELS = 3 * 16 * 16 };

static const NetworkOptions normalised = {.normalise = "0.5/0.25"};

static Network *load(const char *path, const NetworkOptions *options) {
    Error err = {0};
    Network *network = network_load(path, options, &err);
    if (!network) fail_msg("%s", err.text);
    if (!network->graph) fail_msg("%s: %s", path, network->why_unknown);
    return network;
}

static Tensor *array(const char *name) {
    Error err = {0};
    size_t index;
    Checkpoint *all = checkpoint_open(FOLDER "/logits.npz", &err);
    assert_non_null(all);
    Tensor *found = checkpoint_find(all, name, &index) ? checkpoint_read_tensor(all, index, &err) : NULL;
    checkpoint_close(all);
    if (!found) fail_msg("no array %s", name);
    return found;
}

/* The largest difference from `wanted`, relative to its largest number. */
static double off_by(const Network *network, const Tensor *wanted) {
    Error err = {0};
    Tensor *images = array("images");
    const unsigned classes = network->graph->classes;
    float *logits = mem_alloc((uint64_t)IMAGES * classes, sizeof *logits, &err);
    Engine *engine = engine_new(network, IMAGES, 16, 16, NULL, &err);
    if (!engine) fail_msg("%s", err.text);
    assert_int_equal(wanted->count, (uint64_t)IMAGES * classes);
    for (size_t i = 0; i < (size_t)IMAGES * PIXELS; i++) images->data[i] /= 255.0f;
    assert_true(engine_forward(engine, images->data, IMAGES, logits, &err));
    double off = 0, most = 0;
    for (size_t i = 0; i < wanted->count; i++) {
        off = fmax(off, fabs((double)logits[i] - (double)wanted->data[i]));
        most = fmax(most, fabs((double)wanted->data[i]));
    }
    assert_true(most > 0.01);
    engine_free(engine);
    mem_free(logits);
    tensor_release(images);
    return off / most;
}

static size_t count_ops(const Graph *graph, OpKind kind) {
    size_t count = 0;
    for (size_t i = 0; i < graph->count; i++) count += graph->ops[i].kind == kind;
    return count;
}

static bool has_note(const Network *network, const char *text) {
    bool found = false;
    for (size_t i = 0; i < network->note_count; i++) found = found || strstr(network->notes[i].value, text);
    return found;
}

/* ---- files of exporters ------------------------------------------------------------------------------------------ */

static void each_file(void (*visit)(const char *path, const char *name)) {
    struct dirent **entry;
    int count = scandir(FOLDER, &entry, NULL, alphasort), seen = 0;
    for (int i = 0; i < count; i++) {
        char path[512], name[256];
        snprintf(name, sizeof name, "%s", entry[i]->d_name);
        snprintf(path, sizeof path, FOLDER "/%s", entry[i]->d_name);
        free(entry[i]);
        char *dot = strrchr(name, '.');
        if (!dot || strcmp(dot, ".onnx") != 0) continue;
        *dot = '\0';
        visit(path, name);
        seen++;
    }
    free(entry);
    assert_true(seen >= 15);
}

static void compare(const char *path, const char *name) {
    Network *network = load(path, &normalised);
    Tensor *wanted = array(name);
    const double off = off_by(network, wanted);
    if (!(off <= 1e-5)) fail_msg("%s differs by %.2g", path, off);
    tensor_release(wanted);
    network_free(network);
}

static void test_logits(void **state) {
    (void)state;
    each_file(compare);
}

/* Saved as ONNX and read back: the same operations, the same logits, lineage and normalisation. */
static void save_and_compare(const char *path, const char *name) {
    Error err = {0};
    Network *network = load(path, &normalised);
    Tensor *wanted = array(name);
    const char *saved = scratch_path(text_of("%s.onnx", name));
    if (!network_save(network, saved, true, &err)) fail_msg("%s", err.text);
    Network *again = load(saved, NULL);
    const double off = off_by(again, wanted);
    if (!(off <= 1e-5)) fail_msg("%s, saved, differs by %.2g", path, off);
    if (!graph_equal(network->graph, again->graph)) fail_msg("%s has another graph when saved", path);
    assert_int_equal(again->layer_count, network->layer_count);
    for (size_t i = 0; i < again->layer_count; i++) assert_string_equal(again->layers[i].name, network->layers[i].name);
    assert_int_equal(again->lineage_count, network->lineage_count + 1);
    assert_string_equal(again->lineage[0].value, network->lineage[0].value);
    assert_true(fabsf(again->normalisation.mean[0] - 0.5f) < 1e-7f);
    tensor_release(wanted);
    network_free(again);
    network_free(network);
}

static void test_saved(void **state) {
    (void)state;
    each_file(save_and_compare);
}

static void test_told(void **state) {
    (void)state;
    Network *kept = load(FOLDER "/residual-keep.onnx", NULL), *folded = load(FOLDER "/residual-fold.onnx", NULL);
    Network *keras = load(FOLDER "/keras-like.onnx", NULL);
    assert_true(has_note(folded, "no batch norm"));
    assert_false(has_note(kept, "no batch norm"));
    assert_true(has_note(keras, "softmax"));
    assert_string_equal(kept->layers[0].name, "conv1");
    assert_string_equal(folded->layers[0].name, "conv1");
    assert_string_equal(folded->layers[1].name, "layer1.0.0");
    assert_int_equal(folded->layers[1].stage, 1);
    assert_false(kept->graph->ops[1].predicted); /* a stem of 7x7 */
    for (size_t i = 2; i < kept->graph->count; i++)
        if (kept->graph->ops[i].kind == OP_CONV)
            assert_int_equal(kept->graph->ops[i].predicted, kept->graph->ops[i].kernel[0] > 1);
    assert_int_equal(kept->graph->height, 16);
    assert_int_equal(count_ops(kept->graph, OP_BATCH_NORM), 4);
    network_free(kept);
    network_free(folded);
    network_free(keras);
}

/* ---- a graph over other weights ---------------------------------------------------------------------------------- */

/* The weights of `keep` as safetensors, the graph of `fold`. */
static void graph_over_weights(const char *keep, const char *fold, const char *name) {
    Error err = {0};
    Network *kept = load(keep, &normalised);
    const char *weights = scratch_path("weights.safetensors");
    const NetworkOptions options = {.graph = fold, .normalise = "0.5/0.25"};
    assert_true(network_save(kept, weights, true, &err));
    Network *network = load(weights, &options);
    Tensor *wanted = array(name);
    const double off = off_by(network, wanted);
    if (!(off <= 1e-5)) fail_msg("%s over %s differs by %.2g", fold, keep, off);
    assert_int_equal(count_ops(network->graph, OP_BATCH_NORM), count_ops(kept->graph, OP_BATCH_NORM));
    assert_true(graph_equal(network->graph, kept->graph));
    assert_false(has_note(network, "epsilon"));
    tensor_release(wanted);
    network_free(network);
    network_free(kept);
}

static void test_graph_over_weights(void **state) {
    (void)state;
    graph_over_weights(FOLDER "/residual-keep.onnx", FOLDER "/residual-fold.onnx", "residual-keep");
    graph_over_weights(FOLDER "/residual-keep.onnx", FOLDER "/residual-dynamo.onnx", "residual-keep");
    graph_over_weights(FOLDER "/residual-keep.onnx", FOLDER "/residual-keep.onnx", "residual-keep");
}

static void test_graph_refused(void **state) {
    (void)state;
    Error err = {0};
    const NetworkOptions other = {.graph = FOLDER "/dense.onnx"}, none = {.graph = FOLDER "/logits.npz"};
    assert_null(network_load(FOLDER "/residual-keep.onnx", &other, &err));
    assert_int_equal(err.status, STATUS_BAD_INPUT);
    assert_non_null(strstr(err.text, "dense.onnx: layer '"));
    assert_null(network_load(FOLDER "/residual-keep.onnx", &none, &err));
    assert_non_null(strstr(err.text, "not ONNX"));
}

/* ---- graphs that make no sense ----------------------------------------------------------------------------------- */

static void node(OnnxWriter *writer, const char *type, const char *a, const char *b, const char *out) {
    onnx_node_input(writer, a);
    if (b) onnx_node_input(writer, b);
    onnx_node_output(writer, out);
    onnx_node(writer, type, text_of("the-%s", out));
    onnx_node_end(writer);
}

static void tensor(OnnxWriter *writer, const char *name, unsigned rank, const uint64_t *dim) {
    static const float zeros[4096];
    Error err;
    const TensorOut out = {name, DTYPE_F32, rank, dim, zeros};
    onnx_tensor(writer, &out, &err);
}

/* Saves it, with an input x of 1 x 3 x 8 x 8 and an output y, and loads it: it must have weights but no graph, for this
 * reason. */
static void refuses(OnnxWriter *writer, const char *why) {
    Error err = {0};
    const char *path = scratch_path("refused.onnx");
    tensor(writer, "w", 4, (uint64_t[]){4, 3, 3, 3});
    onnx_value(writer, false, "x", 4, (int64_t[]){ONNX_ANY_SIZE, 3, 8, 8});
    onnx_value(writer, true, "y", 2, (int64_t[]){ONNX_ANY_SIZE, 4});
    if (!onnx_save(writer, path, true, NULL, 0, &err)) fail_msg("%s", err.text);
    Network *network = network_load(path, NULL, &err);
    if (!network) fail_msg("%s", err.text);
    assert_null(network->graph);
    if (!strstr(network->why_unknown, why)) fail_msg("refused because %s, not because %s", network->why_unknown, why);
    assert_int_equal(network->layer_count, 1); /* the weights are there */
    network_free(network);
}

static void test_refused(void **state) {
    (void)state;
    OnnxWriter w = {0};
    node(&w, "Add", "x", "b", "a"); /* a cycle */
    node(&w, "Relu", "a", NULL, "b");
    node(&w, "GlobalAveragePool", "b", NULL, "y");
    refuses(&w, "depends on itself");
    node(&w, "Relu", "x", NULL, "a"); /* two of one name */
    node(&w, "Tanh", "x", NULL, "a");
    node(&w, "GlobalAveragePool", "a", NULL, "y");
    refuses(&w, "'a' is given twice");
    node(&w, "Add", "x", "nobody", "y");
    refuses(&w, "node 'the-y' (Add): its input 'nobody' is given by no earlier node");
    node(&w, "Relu", "x", NULL, "z");
    refuses(&w, "its output 'y' is given by no node");
    node(&w, "Conv", "x", NULL, "y");
    refuses(&w, "input 1 is missing");
    node(&w, "Conv", "x", "x", "y");
    refuses(&w, "computed from the images");
    node(&w, "Conv", "x", "w", "a"); /* 3 channels in, then 4 */
    node(&w, "Conv", "a", "w", "y");
    refuses(&w, "weights for 3 channels in 1 groups, a map of 4");
    node(&w, "Conv", "x", "w", "y");
    refuses(&w, "is 4x6x6, not one value for each class");
    node(&w, "Gemm", "x", "w", "y");
    refuses(&w, "weights of 4 dimensions");
    node(&w, "Resize", "x", NULL, "y");
    refuses(&w, "node 'the-y' (Resize): the operator is not supported");
    node(&w, "Elu", "x", NULL, "a");
    node(&w, "GlobalAveragePool", "a", NULL, "y");
    refuses(&w, "this function of one value is none that weft has");
    node(&w, "GlobalAveragePool", "x", NULL, "a"); /* attention */
    node(&w, "Softmax", "a", NULL, "b");
    node(&w, "Mul", "x", "b", "y");
    refuses(&w, "a softmax before it");
    node(&w, "Add", "w", "w", "a");
    node(&w, "Conv", "x", "a", "y");
    refuses(&w, "is 4x6x6");
}

/* A 3x3 convolution and the mean of its maps over an input of these sizes (0: left open), and what else the file names;
 * `why`: of a network without a graph; `note`: of one with. */
typedef struct Ends {
    unsigned rank;
    int64_t dim[5];
    const char *other; /* a second input, which `uses` nodes take */
    unsigned uses;
    const char *output, *second; /* the outputs */
    const char *why, *note;
} Ends;

static void write_ends(const Ends *ends, const char *path) {
    Error err = {0};
    OnnxWriter w = {0};
    node(&w, "Conv", "x", "w", "a");
    node(&w, "Relu", "a", NULL, "b");
    node(&w, "GlobalAveragePool", "b", NULL, "y");
    if (ends->uses > 0) node(&w, "Relu", ends->other, NULL, "unused");
    tensor(&w, "w", 4, (uint64_t[]){4, 3, 3, 3});
    if (ends->rank > 0) onnx_value(&w, false, "x", ends->rank, ends->dim);
    if (ends->other) onnx_value(&w, false, ends->other, 2, (int64_t[]){1, 2});
    onnx_value(&w, true, ends->output, 2, (int64_t[]){ONNX_ANY_SIZE, 4});
    if (ends->second) onnx_value(&w, true, ends->second, 2, (int64_t[]){ONNX_ANY_SIZE, 4});
    if (!onnx_save(&w, path, true, NULL, 0, &err)) fail_msg("%s", err.text);
}

static void test_ends(void **state) {
    (void)state;
    enum { ANY = ONNX_ANY_SIZE };
    static const Ends cases[] = {
        {4, {1, 3, 8, 8}, NULL, 0, "y", NULL, NULL, NULL},
        {4, {ANY, 3, ANY, ANY}, NULL, 0, "y", NULL, NULL, "leaves the size of the images open"},
        {4, {ANY, 3, ANY, 9}, NULL, 0, "y", NULL, NULL, "taken as 9x9"},
        {4, {ANY, 3, 9, ANY}, NULL, 0, "y", NULL, NULL, "taken as 9x9"},
        {4, {ANY, ANY, 8, 8}, NULL, 0, "y", NULL, "does not say how many channels", NULL},
        {4, {ANY, ANY, 8, ANY}, NULL, 0, "y", NULL, "does not say how many channels", NULL},
        {4, {ANY, 100000, 8, 8}, NULL, 0, "y", NULL, "does not say how many channels", NULL},
        {4, {ANY, 3, 100000, 8}, NULL, 0, "y", NULL, "has 100000x8 pixels", NULL},
        {4, {ANY, 3, 8, 100000}, NULL, 0, "y", NULL, "has 8x100000 pixels", NULL},
        {4, {ANY, 8, 8, 5}, NULL, 0, "y", NULL, "a map of 8", NULL},
        {4,
         {ANY, 8, 8, 3},
         NULL,
         0,
         "y",
         NULL,
         "does not lie as channels x height x width",
         NULL}, /* channels last, but the convolution wants them first */
        {3, {3, 8, 8}, NULL, 0, "y", NULL, "has 3 dimensions, images have 4", NULL},
        {5, {1, 3, 8, 8, 8}, NULL, 0, "y", NULL, "has 5 dimensions, images have 4", NULL},
        {0, {0}, NULL, 0, "y", NULL, "it has no input", NULL},
        {4, {ANY, 3, 8, 8}, "more", 0, "y", NULL, NULL, NULL},
        {4, {ANY, 3, 8, 8}, "more", 1, "y", NULL, "it has several inputs ('x', 'more')", NULL},
        {4, {ANY, 3, 8, 8}, "w", 0, "y", NULL, NULL, NULL}, /* an initialiser that is listed as an input, too */
        {4, {ANY, 3, 8, 8}, NULL, 0, "y", "b", NULL, "of 2 outputs 'y' was taken for the logits"},
        {4, {ANY, 3, 8, 8}, NULL, 0, "b", NULL, "is 4x6x6, not one value for each class", NULL},
        {4, {ANY, 3, 8, 8}, NULL, 0, "x", NULL, "its output 'x' is given by no node", NULL},
        {4, {ANY, 3, 8, 8}, NULL, 0, "w", NULL, "its output 'w' is given by no node", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Error err = {0};
        const char *path = scratch_path("ends.onnx");
        write_ends(&cases[i], path);
        Network *network = network_load(path, NULL, &err);
        if (!network) fail_msg("case %zu: %s", i, err.text);
        if (!network->graph != (cases[i].why != NULL)) fail_msg("case %zu: %s", i, network->why_unknown);
        if (cases[i].why && !strstr(network->why_unknown, cases[i].why))
            fail_msg("case %zu: %s", i, network->why_unknown);
        if (cases[i].note) assert_true(has_note(network, cases[i].note));
        network_free(network);
    }
}

/* Small files that ask for much: constants folded again and again, a wide map scaled again and again. */
static void test_bombs(void **state) {
    (void)state;
    static const int64_t pads[8] = {0, 0, 0, 0, 0, 65536, 0, 0};
    static const float numbers[65536], half = 0.5f;
    const TensorOut wide = {"p", DTYPE_I64, 1, (uint64_t[]){8}, pads}, scale = {"s", DTYPE_F32, 0, NULL, &half};
    const TensorOut many = {"m0", DTYPE_F32, 1, (uint64_t[]){65536}, numbers};
    OnnxWriter w = {0};
    Error err = {0};
    char from[32] = "x", to[32];
    for (int i = 0; i < 12; i++, strcpy(from, to)) {
        snprintf(to, sizeof to, "a%d", i);
        node(&w, "Pad", from, "p", to);
    }
    for (int i = 0; i < 400; i++, strcpy(from, to)) {
        snprintf(to, sizeof to, "b%d", i);
        node(&w, i % 2 ? "Tanh" : "Mul", from, i % 2 ? NULL : "s", to);
    }
    node(&w, "GlobalAveragePool", from, NULL, "y");
    onnx_tensor(&w, &wide, &err);
    onnx_tensor(&w, &scale, &err);
    refuses(&w, "constants take more than");
    strcpy(from, "m0");
    for (int i = 1; i < 2000; i++, strcpy(from, to)) {
        snprintf(to, sizeof to, "m%d", i);
        node(&w, "Mul", from, from, to);
    }
    node(&w, "Mul", "x", from, "y");
    onnx_tensor(&w, &many, &err);
    refuses(&w, "constants take more than");
}

/* A network without a graph, and quantisers that ONNX does not have. */
static void test_not_saved(void **state) {
    (void)state;
    Error err = {0};
    Network *network = load(FOLDER "/residual-keep.onnx", NULL);
    bool places[64] = {true};
    Quantiser four = quantiser_of_range(0, 1, 4);
    assert_true(network_put_quantisers(network, places, &four, &err));
    assert_false(network_save(network, scratch_path("four.onnx"), true, &err));
    assert_int_equal(err.status, STATUS_USAGE);
    assert_non_null(strstr(err.text, "quantisers of 8 bits, not of 4"));
    network_free(network);
    network = network_load("tests/fixtures/constants.onnx", NULL, &err);
    assert_non_null(network);
    assert_false(network_save(network, scratch_path("none.onnx"), true, &err));
    assert_int_equal(err.status, STATUS_USAGE);
    assert_non_null(strstr(err.text, "this network has none"));
    network_free(network);
}

/* ---- networks at random ------------------------------------------------------------------------------------------ */

/* The logits of both for the same images: the largest difference, relative to the largest logit. */
static double differ(const Network *a, const Network *b, unsigned height, unsigned width) {
    enum { MOST = IMAGES * 3 * 16 * 16 };
    static float images[MOST], logits[2][IMAGES * 9];
    const Network *networks[2] = {a, b};
    Error err = {0};
    Rng rng = {.seed = 5};
    double off = 0, most = 0;
    for (size_t i = 0; i < MOST; i++) images[i] = (float)rng_uniform(&rng);
    for (int i = 0; i < 2; i++) {
        Engine *engine = engine_new(networks[i], IMAGES, height, width, NULL, &err);
        if (!engine || !engine_forward(engine, images, IMAGES, logits[i], &err)) fail_msg("%s", err.text);
        engine_free(engine);
    }
    for (size_t i = 0; i < IMAGES * 9; i++) {
        off = fmax(off, fabs((double)logits[0][i] - (double)logits[1][i]));
        most = fmax(most, fabs((double)logits[0][i]));
    }
    return off / fmax(most, 1e-6);
}

/* Any operations in any order: what is read back computes the same, or what ONNX lacks is named. */
static void test_random(void **state) {
    (void)state;
    enum { NETWORKS = 90, SIDES = 3 };
    static const unsigned sides[SIDES][2] = {{16, 16}, {12, 15}, {7, 9}};
    unsigned saved = 0, refused = 0;
    for (uint64_t seed = 1; seed <= NETWORKS; seed++) {
        Error err = {0};
        const unsigned *side = sides[seed % SIDES];
        const char *path = scratch_path("random.onnx");
        Network *network = random_network(seed, side[0], side[1]);
        network->graph->height = side[0];
        network->graph->width = side[1];
        if (network_save(network, path, true, &err)) {
            Network *again = load(path, NULL);
            const double off = differ(network, again, side[0], side[1]);
            if (!(off <= 1e-4)) fail_msg("seed %llu, saved, differs by %.2g", (unsigned long long)seed, off);
            network_free(again);
            saved++;
        } else {
            assert_int_equal(err.status, STATUS_USAGE);
            if (!strstr(err.text, "ONNX has no adaptive pool")) fail_msg("%s", err.text);
            refused++;
        }
        network_free(network);
    }
    assert_true(saved > NETWORKS / 2 && refused > 0);
}

static int random_weights(Making *making, Rng *rng, unsigned rank, const uint64_t *dim) {
    Error err = {0};
    Tensor *made = tensor_new(rank, dim, &err);
    assert_non_null(made);
    for (uint64_t i = 0; i < made->count; i++) made->data[i] = (float)rng_normal(rng) * 0.2f;
    return make_tensor(making, made);
}

/* Features where maps are wanted, maps where features are, sums and joins of both, and shortcuts that do nothing, only
 * widen, or only thin. */
static void test_features_and_maps(void **state) {
    (void)state;
    enum { SIDE = 6, FEATURES = 12 };
    Error err = {0};
    Rng rng = {.seed = 3};
    Making making = make_begin();
    GraphBuilder *b = &making.builder;
    const int wide = random_weights(&making, &rng, 2, (uint64_t[]){FEATURES, 3 * SIDE * SIDE});
    const int point = random_weights(&making, &rng, 4, (uint64_t[]){FEATURES, FEATURES, 1, 1});
    graph_add(b, (Op){.kind = OP_LINEAR, .input = {0}, .out_channels = FEATURES, .weight = wide, .bias = NO_TENSOR},
              "1");
    graph_add(b, (Op){.kind = OP_RELU, .input = {1}, .out_channels = FEATURES}, "2");
    graph_add(b, (Op){.kind = OP_ADD, .input = {1, 2}, .out_channels = FEATURES}, "3");
    graph_add(b,
              (Op){.kind = OP_CONV,
                   .input = {3},
                   .out_channels = FEATURES,
                   .groups = 1,
                   .weight = point,
                   .bias = NO_TENSOR,
                   .kernel = {1, 1},
                   .stride = {1, 1},
                   .dilation = {1, 1}},
              "4");
    graph_add(b, (Op){.kind = OP_SHORTCUT_A, .input = {4}, .out_channels = FEATURES, .stride = {1, 1}}, "5");
    graph_add(b, (Op){.kind = OP_SHORTCUT_A, .input = {5}, .out_channels = 14, .stride = {1, 1}, .offset = 1}, "6");
    graph_add(b, (Op){.kind = OP_SHORTCUT_A, .input = {6}, .out_channels = 14, .stride = {2, 2}}, "7");
    graph_add(b, (Op){.kind = OP_SHORTCUT_A, .input = {7}, .out_channels = 14, .stride = {1, 2}}, "8");
    graph_add(b, (Op){.kind = OP_ADD, .input = {3, 5}, .out_channels = FEATURES}, "9");
    graph_add(b, (Op){.kind = OP_CONCAT, .input = {9, 8}, .out_channels = FEATURES + 14}, "10");
    graph_add(b, (Op){.kind = OP_CONCAT, .input = {2, 3}, .out_channels = 2 * FEATURES}, "11");
    graph_add(b, (Op){.kind = OP_CONCAT, .input = {10, 11}, .out_channels = 3 * FEATURES + 14}, "12");
    const int last = random_weights(&making, &rng, 2, (uint64_t[]){9, 3 * FEATURES + 14});
    graph_add(b, (Op){.kind = OP_LINEAR, .input = {12}, .out_channels = 9, .weight = last, .bias = NO_TENSOR}, "last");
    Network *network = make_end(&making, 9);
    network->graph->height = network->graph->width = SIDE;
    const char *path = scratch_path("features.onnx");
    if (!network_save(network, path, true, &err)) fail_msg("%s", err.text);
    Network *again = load(path, NULL);
    const double off = differ(network, again, SIDE, SIDE);
    if (!(off <= 1e-5)) fail_msg("saved, differs by %.2g", off);
    network_free(again);
    network_free(network);
}

/* Any one allocation or read that fails is a plain error. */
static void test_faults(void **state) {
    (void)state;
    static const unsigned kinds[] = {FAULT_ALLOC, FAULT_OPEN | FAULT_READ};
    Network *expected = load(FOLDER "/shuffle.onnx", NULL);
    for (size_t which = 0; which < 2; which++)
        for (uint64_t k = 1;; k++) {
            Error err = {0};
            assert_true(k < 100000);
            fault_arm(kinds[which], k, false);
            Network *network = network_load(FOLDER "/shuffle.onnx", NULL, &err);
            const bool through = fault_disarm() < k;
            const bool whole = network && network->graph; /* also where a text that nobody needed failed */
            if (network && !whole) fail_msg("call %d: %s", (int)k, network->why_unknown);
            if (whole && !graph_equal(network->graph, expected->graph)) fail_msg("call %d: another graph", (int)k);
            if (!network) assert_int_equal(err.status, which == 0 ? STATUS_LIMIT : STATUS_BAD_INPUT);
            network_free(network);
            if (through && !whole) fail_msg("%s", err.text);
            if (through) break;
        }
    network_free(expected);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_logits),
        cmocka_unit_test(test_saved),
        cmocka_unit_test(test_told),
        cmocka_unit_test(test_graph_over_weights),
        cmocka_unit_test(test_graph_refused),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_ends),
        cmocka_unit_test(test_bombs),
        cmocka_unit_test(test_not_saved),
        cmocka_unit_test(test_random),
        cmocka_unit_test(test_features_and_maps),
        cmocka_unit_test(test_faults),
    };
    return cmocka_run_group_tests_name("onnx", tests, NULL, NULL);
}
