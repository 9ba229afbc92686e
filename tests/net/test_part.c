/* test_part -- a pass in two parts gives the bits of a whole one, whatever the cut; where networks begin to differ. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "net/engine/engine.h"
#include "weft/base/error.h"
#include "weft/base/hash.h"
#include "weft/base/memory.h"
#include "weft/base/pool.h"
#include "weft/base/tensor.h"
#include "weft/data.h"

enum { IMAGES = 7, CLASSES = 10 };

static Network *network;
static Dataset *data;
static float *pixels;

static int begin(void **state) {
    (void)state;
    Error err;
    network = network_load("samples/fashion-resnet8.safetensors", NULL, &err);
    data = dataset_load("sample:fashion-test", IMAGES, &err);
    assert_true(network && data);
    const size_t size = (size_t)data->channels * data->height * data->width;
    pixels = mem_alloc(IMAGES, size * sizeof *pixels, &err);
    for (size_t i = 0; i < IMAGES; i++) dataset_image(data, i, pixels + i * size);
    return 0;
}

static int end(void **state) {
    (void)state;
    network_free(network);
    dataset_free(data);
    mem_free(pixels);
    return 0;
}

/* The network with one weight of the layer changed. */
static Network *changed(size_t layer) {
    Error err;
    Network *other = network_derive(network, "test", "test", &err);
    const Tensor *old = layer_weight(network, &network->layers[layer]);
    Tensor *tensor = tensor_new(old->rank, old->dim, &err);
    assert_true(other && tensor);
    memcpy(tensor->data, old->data, old->count * sizeof *old->data);
    tensor->data[old->count / 2] += 0.5f;
    network_replace(other, other->layers[layer].tensor, tensor);
    return other;
}

static Engine *engine_of(const Network *of, const EngineOptions *options) {
    Error err;
    Engine *engine = engine_new(of, IMAGES, data->height, data->width, options, &err);
    assert_non_null(engine);
    return engine;
}

static void check_cuts(const EngineOptions *options) {
    Error err;
    Engine *engine = engine_of(network, options);
    float whole[IMAGES * CLASSES], parts[IMAGES * CLASSES];
    assert_true(engine_forward(engine, pixels, IMAGES, whole, &err));
    for (size_t cut = 0; cut <= engine->plan.step_count; cut++) {
        float *states = mem_alloc(IMAGES, engine_state(engine, cut) * sizeof *states, &err);
        assert_true(engine_forward_head(engine, pixels, IMAGES, cut, states, &err));
        memset(parts, 0, sizeof parts);
        /* Whatever lies in the arenas meanwhile. */
        assert_true(engine_forward(engine, pixels, IMAGES / 2, NULL, &err));
        if (cut > 0) {
            assert_true(engine_forward_tail(engine, states, IMAGES, cut, parts, &err));
            assert_memory_equal(whole, parts, sizeof whole);
        }
        mem_free(states);
    }
    engine_free(engine);
}

static void parts_are_the_whole(void **state) {
    (void)state;
    static const EngineOptions kept = {.feature_maps = true};
    for (unsigned threads = 1; threads <= 3; threads++) {
        pool_set_threads(threads);
        check_cuts(NULL);
        check_cuts(&kept);
    }
    pool_set_threads(0);
}

/* The head of one network and the tail of another that differs behind the cut only. */
static void tail_of_another(void **state) {
    (void)state;
    Error err;
    Engine *engine = engine_of(network, NULL);
    size_t last = 0;
    double share = 1;
    for (size_t layer = 0; layer < network->layer_count; layer++) {
        Network *other = changed(layer);
        const size_t cut = engine_cut(engine, network, other);
        assert_true(cut > last && cut < engine->plan.step_count);
        assert_true(engine_tail_share(engine, cut) <= share);
        last = cut;
        share = engine_tail_share(engine, cut);
        float whole[IMAGES * CLASSES], parts[IMAGES * CLASSES];
        float *states = mem_alloc(IMAGES, engine_state(engine, cut) * sizeof *states, &err);
        assert_true(engine_set_network(engine, network, &err));
        assert_true(engine_forward_head(engine, pixels, IMAGES, cut, states, &err));
        assert_true(engine_set_network(engine, other, &err));
        assert_true(engine_forward_tail(engine, states, IMAGES, cut, parts, &err));
        assert_true(engine_forward(engine, pixels, IMAGES, whole, &err));
        assert_memory_equal(whole, parts, sizeof whole);
        mem_free(states);
        network_free(other);
    }
    engine_free(engine);
}

static void alike_and_not(void **state) {
    (void)state;
    Error err;
    Engine *engine = engine_of(network, NULL);
    Network *same = network_derive(network, "test", "test", &err);
    assert_int_equal(engine_cut(engine, network, same), engine->plan.step_count);
    assert_true(engine_tail_share(engine, engine->plan.step_count) == 0);
    assert_true(engine_tail_share(engine, 0) == 1);
    same->normalisation.mean[0] += 0.25f;
    assert_int_equal(engine_cut(engine, network, same), 0);
    network_free(same);
    engine_free(engine);
}

/* Quantised activations with other levels are other networks, though all weights are the same. */
static void other_levels(void **state) {
    (void)state;
    Error err;
    bool *places = mem_alloc(network->graph->count, sizeof *places, &err);
    Quantiser *levels = mem_alloc(network->graph->count, sizeof *levels, &err);
    size_t count = 0;
    graph_quantiser_places(network->graph, places);
    for (size_t i = 0; i < network->graph->count; i++)
        if (places[i]) levels[count++] = quantiser_of_range(-2, 6, 8);
    Network *one = network_copy(network, &err), *same = network_copy(network, &err),
            *other = network_copy(network, &err);
    assert_true(network_put_quantisers(one, places, levels, &err));
    assert_true(network_put_quantisers(same, places, levels, &err));
    levels[count / 2] = quantiser_of_range(-2, 5, 8);
    assert_true(network_put_quantisers(other, places, levels, &err));
    Engine *engine = engine_of(one, NULL);
    const size_t cut = engine_cut(engine, one, other);
    char hash[3][HASH_HEX];
    assert_int_equal(engine_cut(engine, one, same), engine->plan.step_count);
    assert_true(cut > 0 && cut < engine->plan.step_count && engine->plan.steps[cut].kind == STEP_QUANTISE);
    assert_true(network_hash(one, hash[0], &err) && network_hash(same, hash[1], &err) &&
                network_hash(other, hash[2], &err));
    assert_string_equal(hash[0], hash[1]);
    assert_string_not_equal(hash[0], hash[2]);
    engine_free(engine);
    network_free(one);
    network_free(same);
    network_free(other);
    mem_free(places);
    mem_free(levels);
}

static void refuses(void **state) {
    (void)state;
    Error err;
    static const EngineOptions training = {.batch_statistics = true};
    Engine *engine = engine_of(network, &training);
    float logits[CLASSES];
    assert_false(engine_forward_head(engine, pixels, 1, 1, logits, &err));
    assert_int_equal(err.status, STATUS_FAILED);
    engine_free(engine);
    engine = engine_of(network, NULL);
    assert_false(engine_forward_tail(engine, pixels, 1, engine->plan.step_count + 1, logits, &err));
    assert_false(engine_forward_tail(engine, pixels, IMAGES + 1, 1, logits, &err));
    engine_free(engine);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(parts_are_the_whole), cmocka_unit_test(tail_of_another),
                                       cmocka_unit_test(alike_and_not), cmocka_unit_test(other_levels),
                                       cmocka_unit_test(refuses)};
    return cmocka_run_group_tests(tests, begin, end);
}
