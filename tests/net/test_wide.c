/* test_wide -- networks with many weights: their late steps serve all images of a block, and passes of few images are
 * divided among the threads step by step. The images of a block, the number of threads and a cut change no bit, and
 * every set of kernels agrees with plain loops. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "../support/graphs.h"
#include "net/engine/engine.h"
#include "weft/base/error.h"
#include "weft/base/memory.h"
#include "weft/base/pool.h"
#include "weft/base/random.h"

enum { IMAGES = 11, HEIGHT = 47, WIDTH = 39, SIZE = 3 * HEIGHT * WIDTH, CLASSES = 7, WIDE = 96 };

static Network *network;
static float pixels[IMAGES * SIZE];

static int weights(Making *making, Rng *rng, unsigned rank, unsigned out, unsigned in, unsigned kernel) {
    Error err;
    Tensor *tensor = tensor_new(rank, (const uint64_t[]){out, in, kernel, kernel}, &err);
    assert_non_null(tensor);
    for (uint64_t i = 0; i < tensor->count; i++)
        tensor->data[i] = (float)(rng_normal(rng) / sqrt((double)tensor->count / out));
    return make_tensor(making, tensor);
}

static int convolve(Making *making, Rng *rng, int input, unsigned in, unsigned out, unsigned kernel, unsigned stride) {
    Op op = {.kind = OP_CONV,
             .input = {input},
             .out_channels = out,
             WINDOW(kernel, kernel, stride, kernel / 2),
             .dilation = {1, 1},
             .groups = 1};
    op.weight = weights(making, rng, 4, out, in, kernel);
    op.bias = weights(making, rng, 1, out, 1, 1);
    return graph_add(&making->builder, op, "conv");
}

static int activate(Making *making, OpKind kind, int input) {
    return graph_add(&making->builder, (Op){.kind = kind, .input = {input}}, "activation");
}

/* Late steps of all kinds: a sum with an early map, a pool, 1x1 with a stride, a depthwise and a linear layer. */
static int begin(void **state) {
    (void)state;
    Rng rng = {.seed = 5};
    Making m = make_begin();
    int at = activate(&m, OP_RELU, convolve(&m, &rng, 0, 3, 20, 7, 2));
    const int first = at = activate(&m, OP_RELU, convolve(&m, &rng, at, 20, WIDE, 3, 2));
    at = convolve(&m, &rng, at, WIDE, WIDE, 3, 1);
    at = activate(&m, OP_RELU, graph_add(&m.builder, (Op){.kind = OP_ADD, .input = {at, first}}, "sum"));
    at = graph_add(&m.builder, (Op){.kind = OP_MAX_POOL, .input = {at}, WINDOW(2, 2, 1, 0)}, "pool");
    at = activate(&m, OP_RELU6, convolve(&m, &rng, at, WIDE, 50, 1, 2));
    Op depthwise = {.kind = OP_CONV, .input = {at}, .out_channels = 50, WINDOW(3, 3, 1, 1), .dilation = {1, 1}};
    depthwise.groups = 50;
    depthwise.weight = weights(&m, &rng, 4, 50, 1, 3);
    depthwise.bias = NO_TENSOR;
    at = graph_add(&m.builder, depthwise, "depthwise");
    at = graph_add(&m.builder, (Op){.kind = OP_GLOBAL_POOL, .input = {at}}, "mean");
    Op linear = {.kind = OP_LINEAR, .input = {at}, .out_channels = CLASSES, .bias = NO_TENSOR};
    linear.weight = weights(&m, &rng, 2, CLASSES, 50, 1);
    graph_add(&m.builder, linear, "linear");
    network = make_end(&m, CLASSES);
    for (size_t i = 0; i < IMAGES * SIZE; i++) pixels[i] = (float)rng_uniform(&rng);
    return 0;
}

static int end(void **state) {
    (void)state;
    network_free(network);
    return 0;
}

static Engine *engine_for(unsigned batch) {
    Error err;
    Engine *engine = engine_new(network, batch, HEIGHT, WIDTH, NULL, &err);
    if (!engine) fail_msg("%s", err.text);
    return engine;
}

static void late_steps(void **state) {
    (void)state;
    Engine *engine = engine_for(IMAGES);
    assert_int_equal(engine->plan.early, 3); /* the pixels and two convolutions */
    assert_true(engine->block > 1 && engine->plan.early_arena > 0);
    engine_free(engine);
}

static void as_plain_loops(void **state) {
    (void)state;
    Error err;
    float logits[IMAGES * CLASSES];
    Engine *engine = engine_for(IMAGES);
    for (size_t set = 0; kernels_available(set); set++) {
        engine_set_kernels(engine, kernels_available(set));
        assert_true(engine_forward(engine, pixels, IMAGES, logits, &err));
        for (unsigned i = 0; i < IMAGES; i++) {
            unsigned channels, h, w;
            float *expected = engine_reference(network, pixels + i * SIZE, HEIGHT, WIDTH, network->graph->count - 1,
                                               &channels, &h, &w, &err);
            assert_non_null(expected);
            for (unsigned c = 0; c < CLASSES; c++)
                if (!(fabsf(logits[i * CLASSES + c] - expected[c]) < 1e-5f * (1 + fabsf(expected[c]))))
                    fail_msg("%s, image %u, logit %u", kernels_available(set)->name, i, c);
            mem_free(expected);
        }
    }
    engine_free(engine);
}

/* Whether the logits are the same where a pass ends at a step and another one goes on from there. */
static void cuts_agree(Engine *engine, const float *images, unsigned count, const float *expected) {
    Error err;
    const size_t bytes = count * CLASSES * sizeof(float);
    float *logits = mem_alloc(count, CLASSES * sizeof *logits, &err);
    for (size_t cut = 1; cut <= engine->plan.step_count; cut++) {
        float *states = mem_alloc(count, engine_state(engine, cut) * sizeof *states, &err);
        assert_true(engine_forward_head(engine, images, count, cut, states, &err));
        assert_true(engine_forward(engine, images + (size_t)3 * engine->height * engine->width, 2, NULL,
                                   &err)); /* in the same memory */
        assert_true(engine_forward_tail(engine, states, count, cut, logits, &err));
        assert_memory_equal(expected, logits, bytes);
        mem_free(states);
    }
    mem_free(logits);
}

/* An engine for one image has blocks of one. */
static void same_bits(void **state) {
    (void)state;
    static const unsigned threads[] = {1, 2, 3, 8};
    Error err;
    float one[IMAGES * CLASSES], more[IMAGES * CLASSES];
    Engine *single = engine_for(1), *engine = engine_for(IMAGES);
    pool_set_threads(1);
    for (unsigned i = 0; i < IMAGES; i++)
        assert_true(engine_forward(single, pixels + i * SIZE, 1, one + i * CLASSES, &err));
    for (unsigned t = 0; t < 4; t++) {
        pool_set_threads(threads[t]);
        for (unsigned images = 1; images <= IMAGES; images++) {
            assert_true(engine_forward(engine, pixels, images, more, &err));
            assert_memory_equal(one, more, images * CLASSES * sizeof *one);
            assert_true(engine_forward(single, pixels, 1, more, &err));
            assert_memory_equal(one, more, CLASSES * sizeof *one);
        }
        cuts_agree(engine, pixels, IMAGES, one);
    }
    pool_set_threads(0);
    engine_free(single);
    engine_free(engine);
}

/* A depthwise convolution by rows and a dense one by channels, each divided among the threads. */
static void divided(void **state) {
    (void)state;
    enum { ROWS = 7, COLUMNS = 6, IN_ROW = (COLUMNS + 2) * 70 };
    Error err;
    Rng rng = {.seed = 9};
    const size_t in_size = (ROWS + 2) * IN_ROW, weight_size = 70 * 9 * 80, out_size = ROWS * COLUMNS * 70;
    float *memory = mem_alloc(in_size + weight_size + 2 * out_size, sizeof *memory, &err);
    for (size_t i = 0; i < in_size + weight_size; i++) memory[i] = (float)rng_normal(&rng);
    float *out = memory + in_size + weight_size, *expected = out + out_size;
    Convolution c = {.in = memory,
                     .step_row = IN_ROW,
                     .step_pixel = 70,
                     .tap_row = IN_ROW,
                     .tap_pixel = 70,
                     .rows = 3,
                     .columns = 3,
                     .run = 70,
                     .weights = memory + in_size,
                     .out_row = COLUMNS * 70,
                     .out_pixel = 70,
                     .out_height = ROWS,
                     .out_width = COLUMNS,
                     .out_channels = 70,
                     .images = 1};
    for (size_t set = 0; kernels_available(set); set++)
        for (int depthwise = 0; depthwise < 2; depthwise++) {
            const Kernels *kernels = kernels_available(set);
            c.out = expected;
            (depthwise ? kernels->depthwise : kernels->convolution)(&c);
            c.out = out;
            for (unsigned threads = 1; threads <= 8; threads++) {
                pool_set_threads(threads);
                memset(out, 0, out_size * sizeof *out);
                divide_run(&c, depthwise ? kernels->depthwise : kernels->convolution, depthwise);
                assert_memory_equal(out, expected, out_size * sizeof *out);
            }
        }
    pool_set_threads(0);
    mem_free(memory);
}

/* ---- turns ------------------------------------------------------------------------------------------------------- */

enum { TALL = 61, BROAD = 83, LARGE = 3 * TALL * BROAD };

static int depthwise_of(Making *making, Rng *rng, int input, unsigned channels, unsigned stride) {
    Op op = {.kind = OP_CONV,
             .input = {input},
             .out_channels = channels,
             WINDOW(3, 3, stride, 1),
             .dilation = {2, 1},
             .groups = channels,
             .bias = NO_TENSOR};
    op.weight = weights(making, rng, 4, channels, 1, 3);
    return graph_add(&making->builder, op, "depthwise");
}

/* Large maps: chains with strides, dilation, no padding, tiles, and a sum with an early map. */
static Network *large_maps(void) {
    Rng rng = {.seed = 6};
    Making m = make_begin();
    const int first = activate(&m, OP_RELU, convolve(&m, &rng, 0, 3, 56, 5, 1));
    int at = depthwise_of(&m, &rng, first, 56, 1);
    at = convolve(&m, &rng, at, 56, 56, 3, 1);
    at = activate(&m, OP_RELU6, convolve(&m, &rng, at, 56, 70, 1, 1));
    at = depthwise_of(&m, &rng, at, 70, 2);
    at = convolve(&m, &rng, at, 70, 9, 3, 2);
    at = graph_add(&m.builder, (Op){.kind = OP_GLOBAL_POOL, .input = {at}}, "mean");
    Op linear = {.kind = OP_LINEAR, .input = {at}, .out_channels = CLASSES, .bias = NO_TENSOR};
    linear.weight = weights(&m, &rng, 2, CLASSES, 9, 1);
    graph_add(&m.builder, linear, "linear");
    return make_end(&m, CLASSES);
}

/* One image is divided among two threads, step by step; of more, each thread's steps take turns. */
static void taking_turns(void **state) {
    (void)state;
    enum { MANY = 4 };
    Error err;
    Network *large = large_maps();
    float one[MANY * CLASSES], more[MANY * CLASSES];
    float *images = mem_alloc(MANY * LARGE, sizeof *images, &err);
    for (size_t i = 0; i < MANY * LARGE; i++) images[i] = pixels[i % (IMAGES * SIZE)];
    Engine *engine = engine_new(large, MANY, TALL, BROAD, NULL, &err);
    assert_non_null(engine);
    unsigned together = 0;
    for (size_t i = 0; i < engine->plan.step_count; i++) together += engine->plan.steps[i].turns > 1;
    assert_int_equal(together, 3); /* 3 steps and 2 */
    pool_set_threads(2);
    for (unsigned i = 0; i < MANY; i++)
        assert_true(engine_forward(engine, images + i * LARGE, 1, one + i * CLASSES, &err));
    assert_true(engine_forward(engine, images, MANY, more, &err));
    assert_memory_equal(one, more, sizeof one);
    cuts_agree(engine, images, MANY, one); /* within a chain too */
    pool_set_threads(0);
    engine_free(engine);
    mem_free(images);
    network_free(large);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(late_steps), cmocka_unit_test(as_plain_loops),
                                       cmocka_unit_test(same_bits), cmocka_unit_test(divided),
                                       cmocka_unit_test(taking_turns)};
    return cmocka_run_group_tests(tests, begin, end);
}
