/* test_gradients -- the gradients of every operation and every loss against finite differences of a network that runs
 * by plain loops in double (tests/support/witness.h), on random graphs and on every set of kernels this CPU can run.
 *
 * A tensor's gradient g is tested along random directions v: (f(w + h v) - f(w - h v)) / 2h against g . v. A single
 * wrong element of a thousand changes that product by a thirtieth of |g|; float32 by less than a ten-thousandth.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "net/engine/plan.h"

#include "../support/trial.h"
#include "weft/base/random.h"
#include "weft/base/tensor.h"

static const Loss plain = {.cross_entropy = 1};

/* ---- operations ---------------------------------------------------------------------------------------------------
 */

static void every_operation(void **state) {
    (void)state;
    bool seen[OP_COUNT] = {[OP_INPUT] = true}; /* in every network */
    for (size_t i = 0; trial_cases[i].name; i++)
        for (int relu = 0; relu < 2; relu++) {
            bool smooth = false;
            for (uint64_t seed = 100 * i; !smooth && seed < 100 * i + 20; seed++) {
                Trial trial = {
                    .name = trial_cases[i].name, .height = trial_cases[i].height, .width = trial_cases[i].width};
                trial.images = IMAGES;
                trial.loss = plain;
                trial.network = case_network(&trial_cases[i], relu, seed);
                smooth = trial_check(&trial, seed);
            }
            if (!smooth) fail_msg("%s: a kink for every seed", trial_cases[i].name);
            seen[trial_cases[i].op.kind] = true;
        }
    for (size_t kind = 0; kind < OP_COUNT; kind++)
        if (!seen[kind]) fail_msg("no case for %s", op_name((OpKind)kind));
}

/* ---- random graphs ----------------------------------------------------------------------------------------------- */

/* The sanitizers make it slow. */
static uint64_t share(uint64_t seeds) {
    return strcmp(WEFT_BUILD_MODE, "asan") == 0 ? seeds / 10 : seeds;
}

typedef Network *MakeNetwork(uint64_t seed, unsigned height, unsigned width);

static void check_random(uint64_t seeds, MakeNetwork *make, EngineOptions options, Loss loss, bool teacher) {
    unsigned checked = 0;
    seeds = share(seeds);
    char name[32];
    for (uint64_t seed = 0; seed < seeds; seed++) {
        Rng rng = {.seed = seed, .stream = 1};
        Trial trial = {.name = name, .options = options, .loss = loss};
        trial.images = options.batch_statistics ? 2 * IMAGES : IMAGES;
        trial.height = 1 + (unsigned)rng_below(&rng, 9);
        trial.width = 1 + (unsigned)rng_below(&rng, 9);
        snprintf(name, sizeof name, "seed %d", (int)seed);
        trial.network = make(seed, trial.height, trial.width);
        if (teacher) {
            trial.teacher = make(seed, trial.height, trial.width);
            for (size_t i = 0; i < trial.teacher->tensor_count; i++) {
                Tensor *tensor = trial.teacher->tensors[i].tensor;
                for (uint64_t j = 0; j < tensor->count; j++) tensor->data[j] *= 1 + 0.2f * (float)rng_uniform(&rng);
            }
        }
        checked += trial_check(&trial, seed);
    }
    if (checked < seeds / 4) fail_msg("%u of %u graphs could be tested", checked, (unsigned)seeds);
}

static void random_graphs(void **state) {
    (void)state;
    check_random(60, random_network, (EngineOptions){0}, plain, false);
}

static void random_graphs_training(void **state) {
    (void)state;
    check_random(40, random_network, (EngineOptions){.batch_statistics = true}, plain, false);
}

static void random_graphs_features(void **state) {
    (void)state;
    const Loss loss = {.kd = 0.5, .fmd = 1};
    check_random(40, random_network, (EngineOptions){.feature_maps = true}, loss, true);
}

/* Straight through the quantisers, in all the ways that a pass goes. */
static void random_graphs_quantised(void **state) {
    (void)state;
    const Loss loss = {.kd = 0.5, .fmd = 1};
    check_random(60, random_quantised, (EngineOptions){0}, plain, false);
    check_random(40, random_quantised, (EngineOptions){.batch_statistics = true}, plain, false);
    check_random(40, random_quantised, (EngineOptions){.feature_maps = true}, loss, true);
}

/* ---- losses ------------------------------------------------------------------------------------------------------ */

static void every_loss(void **state) {
    (void)state;
    static const struct {
        const char *name;
        Loss loss;
    } all[] = {
        {"cross-entropy", {.cross_entropy = 0.7}},
        {"label smoothing", {.cross_entropy = 1, .label_smoothing = 0.1}},
        {"kd", {.kd = 2}},
        {"kd, T = 4", {.kd = 1, .temperature = 4}},
        {"stable kd", {.kd = 1, .kd_form = KD_STABLE}},
        {"stable kd, T = 2", {.kd = 1, .kd_form = KD_STABLE, .temperature = 2}},
        {"fmd", {.fmd = 1}},
        {"fmd, aliased", {.fmd = 0.3, .fmd_aliased = true}},
        {"all", {.cross_entropy = 0.5, .label_smoothing = 0.2, .kd = 0.4, .temperature = 3, .fmd = 0.1}},
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        bool smooth = false;
        for (uint64_t seed = 0; !smooth && seed < 20; seed++) {
            Trial trial = trial_distillation(all[i].name, seed, (EngineOptions){.feature_maps = true}, all[i].loss);
            smooth = trial_check(&trial, seed);
        }
        if (!smooth) fail_msg("%s: a kink for every seed", all[i].name);
    }
}

/* Enough images for pieces of several blocks; such a batch is close to some kink, so that only a direction is certain.
 */
static void many_images(void **state) {
    (void)state;
    static const EngineOptions kinds[] = {{0}, {.batch_statistics = true}};
    for (size_t kind = 0; kind < 2; kind++) {
        Trial trial = trial_distillation("many", 3, kinds[kind], plain);
        trial.images = MANY_IMAGES;
        trial.tolerance = 3e-3;
        trial_check(&trial, 3);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_operation),
        cmocka_unit_test(random_graphs),
        cmocka_unit_test(random_graphs_training),
        cmocka_unit_test(random_graphs_features),
        cmocka_unit_test(random_graphs_quantised),
        cmocka_unit_test(every_loss),
        cmocka_unit_test(many_images),
    };
    /* The convolutions of these small maps as the plan has them, directly, and by Winograd's kernels. */
    int failed = 0;
    static const Tiling tilings[] = {{0}, {.tile = 2}, {.tile = 4}, {.tile = 4, .plain = true}};
    for (size_t i = 0; i < sizeof tilings / sizeof *tilings; i++) {
        plan_force_tile(tilings[i].tile, tilings[i].plain);
        failed += cmocka_run_group_tests_name(i == 0 ? "gradients" : "gradients, tiles", tests, NULL, NULL);
    }
    return failed;
}
