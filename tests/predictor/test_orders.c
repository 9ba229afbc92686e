/* test_orders -- the positional encoding and the orders of kernels, against NumPy and PyTorch in float64 (tests/oracle,
 * ../shared/oracle) and against plain loops written here. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <zlib.h>

#include "predictor/internal.h"
#include "../support/oracle.h"
#include "weft/base/dtype.h"
#include "weft/base/error.h"
#include "weft/base/fault.h"
#include "weft/base/memory.h"
#include "weft/base/pool.h"
#include "weft/base/random.h"
#include "weft/base/task.h"

static void *allocate(size_t count, size_t size) {
    Error err;
    void *memory = mem_alloc(count, size, &err);
    assert_non_null(memory);
    return memory;
}

/* ---- encoding ---------------------------------------------------------------------------------------------------- */

static void encodes_as_the_oracle(void **state) {
    (void)state;
    for (const Oracle *o = NULL; (o = oracle_next(o));) {
        Checkpoint *npz = oracle_arrays(o, "predictor");
        int32_t *triples = oracle_array(npz, "enc.triples", DTYPE_I32, 30);
        double *expected = oracle_array(npz, "enc.f64", DTYPE_F64, 10 * 240);
        for (size_t row = 0; row < 10; row++) {
            float encoded[240];
            for (size_t i = 0; i < 3; i++) encoding_row(0.76, 40, triples[row * 3 + i], encoded + 80 * i);
            for (size_t i = 0; i < 240; i++) assert_true(fabs((double)encoded[i] - expected[row * 240 + i]) <= 1e-7);
        }
        mem_free(triples);
        mem_free(expected);
        checkpoint_close(npz);
    }
}

/* Closed forms: base 2 at 1/4 is sin pi/4, sin pi/2, sin pi; base 1 repeats itself. */
static void encodes_closed_forms(void **state) {
    (void)state;
    const float half = (float)M_SQRT1_2, expected[] = {half, half, 1, 0, 0, -1};
    float encoded[6];
    encoding_row(2, 3, 0.25, encoded);
    for (size_t i = 0; i < 6; i++) assert_true(fabsf(encoded[i] - expected[i]) < 1e-7f);
    encoding_row(1, 3, 0.125, encoded);
    for (size_t i = 2; i < 6; i++) assert_true(encoded[i] == encoded[i - 2]);
    encoding_row(0.76, 3, 0, encoded);
    for (size_t i = 0; i < 6; i++) assert_true(encoded[i] == (float)(i % 2));
}

/* ---- orders of a real network ------------------------------------------------------------------------------------ */

static Predictor *permuted(const Network *network, PermutationKind kind) {
    Error err;
    PredictorConfig config = predictor_config();
    config.permutation = kind;
    config.hidden = 8;
    Predictor *p = predictor_new(network, NULL, &config, 1, "train", NULL, &err);
    if (!p) fail_msg("%s", err.text);
    return p;
}

/* order[r] = item at rank r: so the item's rank is r. */
static void check_ranks(Checkpoint *npz, const PredictedLayer *layer, const KernelIndex *index, bool cross) {
    const size_t channels = layer->channels, kernels = layer->filters * channels;
    char name[128];
    snprintf(name, sizeof name, "%s.%s", layer->name, cross ? "cross_order" : "filter_order");
    int16_t *order = oracle_array(npz, name, DTYPE_I16, cross ? kernels : layer->filters);
    if (cross) {
        for (size_t r = 0; r < kernels; r++)
            if (index[order[r]].filter * channels + index[order[r]].channel != r) fail_msg("%s at rank %zu", name, r);
        mem_free(order);
        return;
    }
    for (size_t r = 0; r < layer->filters; r++)
        if (index[(size_t)order[r] * channels].filter != r) fail_msg("%s at rank %zu", name, r);
    snprintf(name, sizeof name, "%s.channel_order", layer->name);
    int16_t *channel = oracle_array(npz, name, DTYPE_I16, kernels);
    for (size_t f = 0; f < layer->filters; f++)
        for (size_t r = 0; r < channels; r++)
            if (index[f * channels + (size_t)channel[f * channels + r]].channel != r)
                fail_msg("%s of filter %zu at rank %zu", name, f, r);
    mem_free(order);
    mem_free(channel);
}

/* What is encoded of a kernel: its layer, and ranks that exist. */
static void check_triples(const Predictor *p) {
    for (size_t i = 0; i < p->layer_count; i++) {
        const PredictedLayer *layer = &p->layers[i];
        for (size_t k = 0; k < layer->filters * layer->channels; k++) {
            const KernelIndex *index = &p->index[layer->first + k];
            assert_int_equal(index->layer, i);
            assert_true(index->filter < layer->filters && index->channel < layer->channels);
        }
    }
}

static void orders_as_the_oracle(void **state) {
    (void)state;
    for (const Oracle *o = NULL; (o = oracle_next(o));) {
        Network *network = oracle_network(o->network);
        Checkpoint *npz = oracle_arrays(o, "permutation");
        for (int cross = 0; cross < 2; cross++) {
            Predictor *p = permuted(network, cross ? PERMUTATION_CROSS_FILTER : PERMUTATION_IN_FILTER);
            assert_int_equal(p->layer_count, o->own ? 7 : 19);
            assert_int_equal(p->kernel_count, o->own ? 8208 : 29744);
            assert_int_equal(p->weight_count, 9 * p->kernel_count);
            for (size_t i = 0; i < p->layer_count; i++)
                check_ranks(npz, &p->layers[i], p->index + p->layers[i].first, cross);
            check_triples(p);
            predictor_free(p);
        }
        checkpoint_close(npz);
        network_free(network);
    }
}

/* Of the deeper sample a checksum of all indices (uint32, little-endian). */
static void orders_of_the_deep(void **state) {
    (void)state;
    const Oracle *oracle = oracle_next(NULL);
    json_t *values = oracle_values(oracle, "permutation");
    const json_t *sums = json_object_get(values, "crc32_of_triples");
    Network *network = oracle_network(oracle->deep);
    for (int cross = 0; cross < 2; cross++) {
        Predictor *p = permuted(network, cross ? PERMUTATION_CROSS_FILTER : PERMUTATION_IN_FILTER);
        unsigned char *bytes = allocate(p->kernel_count, 12);
        for (size_t k = 0; k < p->kernel_count; k++) {
            const uint32_t triple[] = {(uint32_t)p->index[k].layer, p->index[k].filter, p->index[k].channel};
            for (size_t b = 0; b < 12; b++) bytes[12 * k + b] = (unsigned char)(triple[b / 4] >> (8 * (b % 4)));
        }
        const double found = (double)crc32(0, bytes, (unsigned)(12 * p->kernel_count));
        assert_true(found == oracle_number(sums, cross ? "crossfilter" : "infilter"));
        mem_free(bytes);
        predictor_free(p);
    }
    network_free(network);
    json_decref(values);
}

/* ---- orders of made-up kernels ----------------------------------------------------------------------------------- */

/* Kernels of a few kinds: scattered, near each other, repeated, zero. */
static double *kernels(size_t count, size_t size, unsigned zeros, unsigned repeats, uint64_t seed) {
    double *rows = allocate(count * size, sizeof *rows);
    Rng rng = {.seed = seed, .stream = 1};
    for (size_t i = 0; i < count; i++) {
        double squares = 0, common = rng_normal(&rng);
        const size_t same = i > 0 && rng_below(&rng, 100) < repeats ? rng_below(&rng, i) : i;
        const bool zero = rng_below(&rng, 100) < zeros;
        for (size_t d = 0; d < size; d++) {
            rows[i * size + d] = (double)(d + 1) * common + rng_normal(&rng);
            squares += rows[i * size + d] * rows[i * size + d];
        }
        for (size_t d = 0; d < size; d++)
            rows[i * size + d] = zero ? 0 : same < i ? rows[same * size + d] : rows[i * size + d] / sqrt(squares);
    }
    return rows;
}

/* The definition, and nothing else. */
static void order_by_definition(const double *rows, size_t count, size_t size, uint32_t *order) {
    bool *used = allocate(count, sizeof *used);
    for (size_t r = 0, last = 0; r < count; r++) {
        double best = -INFINITY;
        for (size_t i = 0; r > 0 && i < count; i++) {
            double sum = 0;
            for (size_t d = 0; d < size; d++) sum += rows[order[r - 1] * size + d] * rows[i * size + d];
            if (used[i] || sum <= best) continue;
            best = sum;
            last = i;
        }
        order[r] = (uint32_t)last;
        used[last] = true;
    }
    mem_free(used);
}

static void check_order(size_t count, size_t size, unsigned zeros, unsigned repeats) {
    Error err;
    double *rows = kernels(count, size, zeros, repeats, count + size);
    uint32_t *expected = allocate(count, sizeof *expected), *order = allocate(count, sizeof *order);
    order_by_definition(rows, count, size, expected);
    assert_true(greedy_plain(rows, count, size, order, NULL, &err));
    assert_memory_equal(order, expected, count * sizeof *order);
    assert_true(greedy_pruned(rows, count, size, order, NULL, &err));
    assert_memory_equal(order, expected, count * sizeof *order);
    mem_free(rows);
    mem_free(expected);
    mem_free(order);
}

static void orders_by_definition(void **state) {
    (void)state;
    const size_t counts[] = {1, 2, 15, 16, 17, 129, 700};
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        check_order(counts[i], 9, 0, 0);
        check_order(counts[i], 9, 10, 30);
        check_order(counts[i], 2, 5, 10);
        check_order(counts[i], 25, 0, 5);
        check_order(counts[i], 9, 100, 0); /* all zero: as they stand */
    }
    check_order(3000, 9, 1, 5);
}

/* Kernels of one weight point up or down; zero is equally far from all. */
static void orders_single_weights(void **state) {
    (void)state;
    Error err;
    const float weights[] = {2, -1, 0, 3, -4, 0, 0.5f};
    const uint32_t expected[] = {0, 4, 3, 1, 5, 6, 2}; /* 0 3 6, then zero 2, the lowest left 1, 4, zero 5 */
    uint32_t rank[7], filter_rank[1];
    assert_true(permute_cross_filter(weights, 1, 7, 1, rank, NULL, &err));
    for (size_t i = 0; i < 7; i++) assert_int_equal(rank[i], expected[i]);
    assert_true(permute_in_filter(weights, 1, 7, 1, filter_rank, rank, NULL, &err));
    for (size_t i = 0; i < 7; i++) assert_int_equal(rank[i], expected[i]);
    assert_int_equal(filter_rank[0], 0);
    const float broken[] = {NAN, 1, INFINITY, 1};
    const uint32_t as_zero[] = {0, 1, 3, 2};
    assert_true(permute_cross_filter(broken, 2, 2, 1, rank, NULL, &err));
    for (size_t i = 0; i < 4; i++) assert_int_equal(rank[i], as_zero[i]);
}

static void is_the_same_for_any_threads(void **state) {
    (void)state;
    enum { FILTERS = 70, CHANNELS = 40, COUNT = FILTERS * CHANNELS };
    Error err;
    float *weights = allocate(COUNT * 9, sizeof *weights);
    uint32_t *rank[2] = {allocate(3 * COUNT, 4), allocate(3 * COUNT, 4)};
    Rng rng = {.seed = 7};
    for (size_t i = 0; i < COUNT * 9; i++) weights[i] = (float)rng_normal(&rng);
    for (unsigned i = 0; i < 2; i++) {
        pool_set_threads(i ? 3 : 1);
        assert_true(permute_cross_filter(weights, FILTERS, CHANNELS, 9, rank[i], NULL, &err));
        assert_true(permute_in_filter(weights, FILTERS, CHANNELS, 9, rank[i] + COUNT, rank[i] + 2 * COUNT, NULL, &err));
    }
    pool_set_threads(0);
    assert_memory_equal(rank[0], rank[1], 3 * COUNT * 4);
    mem_free(weights);
    mem_free(rank[0]);
    mem_free(rank[1]);
}

/* ---- failing ----------------------------------------------------------------------------------------------------- */

static void count_reports(void *context, const char *what, uint64_t done, uint64_t total) {
    assert_string_equal(what, "ordering kernels");
    assert_true(done <= total);
    ++*(size_t *)context;
}

static void reports_and_stops(void **state) {
    (void)state;
    Error err;
    size_t reports = 0;
    const Task task = {.report = count_reports, .context = &reports};
    double *rows = kernels(1000, 9, 0, 0, 3);
    uint32_t order[1000];
    assert_true(greedy_pruned(rows, 1000, 9, order, &task, &err));
    assert_true(reports >= 4);
    cancel_request();
    assert_false(greedy_pruned(rows, 1000, 9, order, &task, &err));
    assert_int_equal(err.status, STATUS_CANCELLED);
    assert_false(greedy_plain(rows, 1000, 9, order, NULL, &err));
    assert_int_equal(err.status, STATUS_CANCELLED);
    const Task patient = {.patient = true}; /* the first is somebody else's */
    assert_true(greedy_pruned(rows, 1000, 9, order, &patient, &err) &&
                greedy_plain(rows, 1000, 9, order, &patient, &err));
    cancel_clear();
    mem_free(rows);
}

static void survives_lack_of_memory(void **state) {
    (void)state;
    Error err;
    float weights[5 * 6 * 9];
    uint32_t rank[30], filter_rank[5];
    Rng rng = {.seed = 2};
    for (size_t i = 0; i < 5 * 6 * 9; i++) weights[i] = (float)rng_normal(&rng);
    for (int cross = 0; cross < 2; cross++) {
        bool done = false;
        for (uint64_t n = 1; !done; n++) {
            fault_arm(FAULT_ALLOC, n, false);
            done = cross ? permute_cross_filter(weights, 5, 6, 9, rank, NULL, &err)
                         : permute_in_filter(weights, 5, 6, 9, filter_rank, rank, NULL, &err);
            fault_disarm();
            assert_true(done || err.status == STATUS_LIMIT);
            assert_true(n < 1000);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(encodes_as_the_oracle),       cmocka_unit_test(encodes_closed_forms),
        cmocka_unit_test(orders_as_the_oracle),        cmocka_unit_test(orders_of_the_deep),
        cmocka_unit_test(orders_by_definition),        cmocka_unit_test(orders_single_weights),
        cmocka_unit_test(is_the_same_for_any_threads), cmocka_unit_test(reports_and_stops),
        cmocka_unit_test(survives_lack_of_memory),
    };
    return cmocka_run_group_tests_name("orders", tests, NULL, NULL);
}
