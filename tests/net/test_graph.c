/* test_graph -- graphs as text: what is written is read back, what makes no sense is refused, a saved network carries
 * its graph; and the table of a graph's costs.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "net/internal.h"

#include "../support/graphs.h"
#include "../support/trial.h"
#include "weft/base/error.h"
#include "weft/base/random.h"
#include "weft/base/table.h"
#include "weft/base/tensor.h"
#include "weft/base/text.h"

/* ---- round trips ------------------------------------------------------------------------------------------------- */

/* Names, places and tensors too, which graph_equal leaves aside. */
static void check_same(const Graph *a, const Graph *b, uint64_t seed) {
    if (!graph_equal(a, b)) fail_msg("seed %d: another graph was read", (int)seed);
    for (size_t i = 0; i < a->count; i++) {
        const Op *x = &a->ops[i], *y = &b->ops[i];
        const bool same = strcmp(x->name, y->name) == 0 && x->weight == y->weight && x->bias == y->bias &&
                          x->mean == y->mean && x->variance == y->variance && x->stage == y->stage &&
                          x->block == y->block && x->predicted == y->predicted;
        if (!same) fail_msg("seed %d: operation %d was read otherwise", (int)seed, (int)i);
    }
}

static void random_graphs_come_back(void **state) {
    (void)state;
    for (uint64_t seed = 0; seed < 200; seed++) {
        Error err;
        Str text = {0};
        Network *network = random_network(seed, 8, 8);
        Rng rng = {.seed = seed, .stream = 9};
        for (size_t i = 1; i < network->graph->count; i++) {
            Op *op = &network->graph->ops[i];
            snprintf(op->name, sizeof op->name, i % 3 ? "op%d" : "a b=%%%d\t\x7f\xc3\xa4", (int)i);
            op->stage = (unsigned)rng_below(&rng, 3);
            op->block = (unsigned)rng_below(&rng, 3);
            op->predicted = rng_below(&rng, 2);
        }
        assert_true(network_graph_text(network, &text, &err));
        Graph *read = network_graph_read(network, text.text, &err);
        if (!read) fail_msg("seed %d: %s\n%s", (int)seed, err.text, text.text);
        check_same(network->graph, read, seed);
        graph_release(read);
        str_done(&text);
        network_free(network);
    }
}

/* Every operation alone, so that none is missing from the text. */
static void every_operation_comes_back(void **state) {
    (void)state;
    bool seen[OP_COUNT] = {[OP_INPUT] = true, [OP_QUANTISE] = true}; /* quantisers are told apart */
    for (size_t i = 0; trial_cases[i].name; i++) {
        Error err;
        Str text = {0};
        if (trial_cases[i].op.kind == OP_QUANTISE) continue;
        Network *network = case_network(&trial_cases[i], false, i);
        network->graph->height = trial_cases[i].height;
        network->graph->width = trial_cases[i].width;
        assert_true(network_graph_text(network, &text, &err));
        Graph *read = network_graph_read(network, text.text, &err);
        if (!read) fail_msg("%s: %s\n%s", trial_cases[i].name, err.text, text.text);
        check_same(network->graph, read, i);
        seen[trial_cases[i].op.kind] = true;
        graph_release(read);
        str_done(&text);
        network_free(network);
    }
    for (size_t kind = 0; kind < OP_COUNT; kind++)
        if (!seen[kind]) fail_msg("no case for %s", op_name((OpKind)kind));
}

/* ---- what makes no sense ----------------------------------------------------------------------------------------- */

#define HEAD "input=3x8x8 classes=4\n"
#define CONV "c convolution 0 out=4 kernel=3x3 stride=1x1 padding=1,1,1,1 groups=1 weight=tensor0\n"

static const struct {
    const char *text, *reason;
} bad[] = {
    {"", "line 1"},
    {"\n", "line 1"},
    {"input=3x8x8\n", "line 1"},
    {"input=3x8 classes=4\n", "line 1"},
    {"input=0x8x8 classes=4\n", "line 1"},
    {"input=3x8x8 classes=0\n", "line 1"},
    {"input=3x8x8 classes=99999999999\n", "line 1"},
    {"input=3x8x8 classes=4 more\n", "line 1"},
    {HEAD, "no input and output"},
    {HEAD "\n", "line 2"},
    {HEAD "c\n", "line 2: not an operation"},
    {HEAD "c convolutions 0\n", "line 2: not an operation: 'convolutions'"},
    {HEAD "c input 0\n", "line 2: not an operation"},
    {HEAD "c quantise 0\n", "line 2: not an operation"},
    {HEAD "c relu\n", "line 2: not the inputs"},
    {HEAD "c relu 0,0\n", "line 2: not the inputs"},
    {HEAD "c add 0\n", "line 2: not the inputs"},
    {HEAD "c relu -1\n", "line 2: not the inputs"},
    {HEAD "c relu 1\n", "line 2: inputs come from earlier lines"},
    {HEAD "c relu 2\nd relu 1\n", "line 2: inputs come from earlier lines"},
    {HEAD "c relu 4294967296\n", "line 2: not the inputs"},
    {HEAD "c relu 0 kernel\n", "line 2: not NAME=VALUE"},
    {HEAD "c relu 0 kern=3\n", "line 2: there is no 'kern'"},
    {HEAD "c relu 0 kernel=3\n", "line 2: kernel '3'"},
    {HEAD "c relu 0 kernel=3x\n", "line 2: kernel '3x'"},
    {HEAD "c relu 0 padding=1,2,3\n", "line 2: padding"},
    {HEAD "c relu 0 padding=1,2,3,4,5\n", "line 2: padding"},
    {HEAD "c relu 0 slope=nan\n", "line 2: slope"},
    {HEAD "c relu 0 slope=1e300\n", "line 2: slope"},
    {HEAD "c relu 0 ceiling=2\n", "line 2: ceiling"},
    {HEAD "c relu 0 weight=nothing\n", "line 2: there is no tensor 'nothing'"},
    {HEAD "c relu 0 weight=%zz\n", "line 2: there is no tensor"},
    {HEAD "c%00 relu 0\n", "line 2: not a name"},
    {HEAD CONV "p relu 1\n", "gives 4x8x8"},
    {HEAD CONV "p global_average_pool 1\nx linear 2 out=5 weight=tensor0\n", "not one value for each of 4"},
    {HEAD "c convolution 0 out=4 kernel=3x3 padding=1,1,1,1 groups=1 weight=tensor0\n",
     "c: a convolution of kernel 3x3"},
    {HEAD "c convolution 0 out=4 kernel=3x3 stride=1x1 groups=1\np global_average_pool 1\n", "without its tensors"},
    {HEAD "n batch_norm 0\np global_average_pool 1\nq concat 2,2\nr slice 3 out=4\n", "n: a batch norm without"},
    {HEAD "c convolution 0 out=4 kernel=99x3 stride=1x1 groups=1 weight=tensor0\n", "c: a 99x3 kernel does not fit"},
    {HEAD "c pad 0 padding=2000000000,0,0,0\n", "c: a padding of"},
    {HEAD "c pad 0 padding=65536,65536,65536,65536\n", "out of range"},
    {HEAD "c slice 0 out=4 offset=2147483647\n", "c: channels"},
    {HEAD "c channel_shuffle 0 groups=2\n", "c: 2 groups do not divide"},
    {HEAD "c adaptive_average_pool 0 size=0x3\n", "out of range"},
    {HEAD "c shortcut_A 0 out=4 stride=1x1 offset=2\n", "c: a shortcut"},
};

static Network *with_tensor(void) {
    Error err;
    Making making = make_begin();
    make_tensor(&making, tensor_new(4, (const uint64_t[]){4, 3, 3, 3}, &err));
    making.builder.failed = true;
    graph_finish(&making.builder, 1);
    return making.network;
}

static void bad_texts_are_refused(void **state) {
    (void)state;
    Network *network = with_tensor();
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        Error err = {0};
        Graph *graph = network_graph_read(network, bad[i].text, &err);
        if (graph) fail_msg("'%s' was read", bad[i].text);
        if (err.status != STATUS_BAD_INPUT || !strstr(err.text, bad[i].reason))
            fail_msg("'%s': %d, '%s', expected '%s'", bad[i].text, (int)err.status, err.text, bad[i].reason);
    }
    network_free(network);
}

/* Each prefix and each text with one byte changed is read or refused, never worse. */
static void broken_texts(void **state) {
    (void)state;
    Error err;
    Str text = {0};
    Network *network = random_network(11, 8, 8);
    assert_true(network_graph_text(network, &text, &err));
    Rng rng = {.seed = 5};
    for (size_t i = 0; i < text.length; i++) {
        const char kept = text.text[i];
        text.text[i] = (char)(1 + rng_below(&rng, 255));
        graph_release(network_graph_read(network, text.text, &err));
        text.text[i] = '\0';
        graph_release(network_graph_read(network, text.text, &err));
        text.text[i] = kept;
    }
    str_done(&text);
    network_free(network);
}

/* ---- files ------------------------------------------------------------------------------------------------------- */

/* A saved network is not recognised again: one whose names no architecture knows still runs. */
static void saved_networks_carry_their_graph(void **state) {
    (void)state;
    Error err;
    char path[] = "/tmp/weft-graph-XXXXXX.safetensors";
    close(mkstemps(path, 12));
    Network *network = random_network(3, 8, 8);
    float pixels[3 * 8 * 8], logits[2][9];
    for (size_t i = 0; i < sizeof pixels / sizeof *pixels; i++) pixels[i] = (float)(i % 17) / 17;
    if (!network_save(network, path, true, &err)) fail_msg("%s", err.text);
    Network *loaded = network_load(path, NULL, &err);
    if (!loaded) fail_msg("%s", err.text);
    assert_non_null(loaded->graph);
    assert_null(loaded->why_unknown);
    for (int i = 0; i < 2; i++) {
        Engine *engine = engine_new(i ? loaded : network, 1, 8, 8, NULL, &err);
        if (!engine) fail_msg("%s", err.text);
        assert_true(engine_forward(engine, pixels, 1, logits[i], &err));
        engine_free(engine);
    }
    assert_memory_equal(logits[0], logits[1], sizeof logits[0]);
    network_free(loaded);
    network_free(network);
    remove(path);
}

/* ---- costs ------------------------------------------------------------------------------------------------------- */

static int64_t column_sum(const Table *table, const char *name) {
    int64_t sum = 0;
    for (size_t row = 0; row < table->rows; row++) sum += (int64_t)table_number(table, name, row);
    return sum;
}

/* ResNet8 of 28x28 images, by hand: a stem of 144 weights on 28x28, two layers a stage of 16, 32, 64 channels. */
static void costs_by_hand(void **state) {
    (void)state;
    Error err;
    Network *network = network_load("samples/fashion-resnet8.safetensors", NULL, &err);
    if (!network) fail_msg("%s", err.text);
    Table *table = network_graph_table(network, &err);
    if (!table) fail_msg("%s", err.text);
    const int64_t macs = 144 * 784 + 2 * 2304 * 784 + (4608 + 9216) * 196 + (18432 + 36864) * 49 + 640;
    assert_int_equal(column_sum(table, "multiply_adds"), macs);
    assert_int_equal(column_sum(table, "parameters"), 75002);
    table_free(table);
    network_free(network);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_graphs_come_back),
        cmocka_unit_test(every_operation_comes_back),
        cmocka_unit_test(bad_texts_are_refused),
        cmocka_unit_test(broken_texts),
        cmocka_unit_test(saved_networks_carry_their_graph),
        cmocka_unit_test(costs_by_hand),
    };
    return cmocka_run_group_tests_name("graph", tests, NULL, NULL);
}
