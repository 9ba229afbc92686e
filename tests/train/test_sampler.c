/* test_sampler -- batches of kernels: distinct, of the right size and distribution, a function of (seed, step) alone.
 */
#include "weft/train.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "../support/handmade.h"
#include "weft/base/error.h"
#include "weft/base/fault.h"
#include "weft/base/memory.h"

enum { KERNELS = 24 * 10 + 8 * 24 };

typedef struct Fixture {
    Network *network;
    Predictor *predictor;
    float *targets;
} Fixture;

/* Two layers; the kernels' norms are 1, 2, 3, 1, 2, 3, ... */
static Fixture fixture(void) {
    static const HandmadeLayer layers[] = {{"a", 4, {24, 10, 3, 3}}, {"b", 4, {8, 24, 3, 3}}};
    Error err;
    Fixture f = {.network = handmade_network(layers, 2, 7)};
    PredictorConfig config = predictor_config();
    bool *all = handmade_all(f.network);
    config.hidden = 4;
    config.permutation = PERMUTATION_NONE;
    f.predictor = predictor_new(f.network, all, &config, 1, "train", NULL, &err);
    mem_free(all);
    assert_non_null(f.predictor);
    assert_int_equal(f.predictor->kernel_count, KERNELS);
    f.targets = mem_alloc(KERNELS * 9, sizeof(float), &err);
    assert_non_null(f.targets);
    for (size_t k = 0; k < KERNELS; k++) f.targets[9 * k + k % 9] = (float)(1 + k % 3);
    return f;
}

static void fixture_done(Fixture *f) {
    mem_free(f->targets);
    predictor_free(f->predictor);
    network_free(f->network);
}

/* Draws steps 0.. and adds up how often each kernel came; checks order and distinctness. */
static void tally(const Fixture *f, SamplingKind kind, size_t batch, double share, unsigned steps, double *times_drawn,
                  unsigned *repeated_steps) {
    Error err;
    Sampler *sampler = sampler_new(f->predictor, f->targets, kind, batch, share, 11, &err);
    assert_non_null(sampler);
    memset(times_drawn, 0, KERNELS * sizeof *times_drawn);
    *repeated_steps = 0;
    for (unsigned step = 0; step < steps; step++) {
        const uint32_t *kernels;
        const uint16_t *times;
        fault_arm(FAULT_ALLOC, 1, true);
        const size_t count = sampler_draw(sampler, step, &kernels, &times);
        assert_int_equal(fault_disarm(), 0);
        bool repeated = false;
        size_t total = 0;
        for (size_t i = 0; i < count; i++) {
            assert_true(i == 0 || kernels[i] > kernels[i - 1]);
            assert_true(kernels[i] < KERNELS && times[i] > 0);
            repeated = repeated || times[i] > 1;
            total += times[i];
            times_drawn[kernels[i]] += times[i];
        }
        if (kind != SAMPLING_LAYER) assert_int_equal(total, batch);
        *repeated_steps += repeated;
    }
    sampler_free(sampler);
}

static void uniform(void **state) {
    (void)state;
    Fixture f = fixture();
    double drawn[KERNELS];
    unsigned repeated;
    enum { STEPS = 4000, BATCH = 54 };
    tally(&f, SAMPLING_UNIFORM, BATCH, 0, STEPS, drawn, &repeated);
    assert_int_equal(repeated, 0);
    const double p = BATCH / (double)KERNELS, mean = STEPS * p, deviation = sqrt(STEPS * p * (1 - p));
    for (size_t k = 0; k < KERNELS; k++) assert_true(fabs(drawn[k] - mean) < 5 * deviation);
    fixture_done(&f);
}

static void magnitude(void **state) {
    (void)state;
    Fixture f = fixture();
    double drawn[KERNELS];
    unsigned repeated;
    enum { STEPS = 4000, BATCH = 54 };
    tally(&f, SAMPLING_MAGNITUDE, BATCH, 0, STEPS, drawn, &repeated);
    assert_true(repeated > STEPS / 2); /* with replacement */
    for (size_t k = 0; k < KERNELS; k++) {
        const double p = (double)(1 + k % 3) / (2.0 * KERNELS), n = STEPS * BATCH;
        assert_true(fabs(drawn[k] - n * p) < 5 * sqrt(n * p * (1 - p)));
    }
    fixture_done(&f);
}

/* A fifth of the steps is drawn with replacement. */
static void mixed(void **state) {
    (void)state;
    Fixture f = fixture();
    double drawn[KERNELS];
    unsigned repeated;
    tally(&f, SAMPLING_MIXED, 100, 0.2, 4000, drawn, &repeated);
    assert_true(fabs(repeated - 800.0) < 5 * sqrt(4000 * 0.2 * 0.8));
    fixture_done(&f);
}

static void by_layer(void **state) {
    (void)state;
    Fixture f = fixture();
    Error err;
    Sampler *sampler = sampler_new(f.predictor, f.targets, SAMPLING_LAYER, 10, 0, 3, &err);
    unsigned seen[2] = {0};
    for (unsigned step = 0; step < 200; step++) {
        const uint32_t *kernels;
        const uint16_t *times;
        const size_t count = sampler_draw(sampler, step, &kernels, &times);
        const size_t layer = predictor_layer_of(f.predictor, kernels[0]);
        assert_int_equal(count, layer == 0 ? 240 : 192);
        assert_int_equal(kernels[count - 1], layer == 0 ? 239 : KERNELS - 1);
        seen[layer]++;
    }
    assert_true(seen[0] > 60 && seen[1] > 60);
    sampler_free(sampler);
    fixture_done(&f);
}

static void all_and_large(void **state) {
    (void)state;
    Fixture f = fixture();
    Error err;
    const SamplingKind kinds[] = {SAMPLING_ALL, SAMPLING_UNIFORM};
    for (size_t i = 0; i < 2; i++) {
        const uint32_t *kernels;
        const uint16_t *times;
        Sampler *sampler = sampler_new(f.predictor, f.targets, kinds[i], 1000000, 0, 3, &err);
        assert_int_equal(sampler_draw(sampler, 5, &kernels, &times), KERNELS);
        assert_null(kernels);
        sampler_free(sampler);
    }
    fixture_done(&f);
}

/* A step's batch does not depend on the steps before it; seeds and steps differ. */
static void repeats(void **state) {
    (void)state;
    Fixture f = fixture();
    Error err;
    uint32_t before[50];
    const uint32_t *kernels;
    const uint16_t *times;
    Sampler *a = sampler_new(f.predictor, f.targets, SAMPLING_UNIFORM, 50, 0, 3, &err);
    Sampler *b = sampler_new(f.predictor, f.targets, SAMPLING_UNIFORM, 50, 0, 3, &err);
    Sampler *c = sampler_new(f.predictor, f.targets, SAMPLING_UNIFORM, 50, 0, 4, &err);
    for (unsigned step = 0; step < 20; step++) sampler_draw(a, step, &kernels, &times);
    sampler_draw(a, 20, &kernels, &times);
    memcpy(before, kernels, sizeof before);
    sampler_draw(b, 20, &kernels, &times);
    assert_memory_equal(before, kernels, sizeof before);
    sampler_draw(c, 20, &kernels, &times);
    assert_memory_not_equal(before, kernels, sizeof before);
    sampler_draw(b, 21, &kernels, &times);
    assert_memory_not_equal(before, kernels, sizeof before);
    sampler_free(a);
    sampler_free(b);
    sampler_free(c);
    fixture_done(&f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(uniform),  cmocka_unit_test(magnitude),     cmocka_unit_test(mixed),
        cmocka_unit_test(by_layer), cmocka_unit_test(all_and_large), cmocka_unit_test(repeats),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
