/* test_attack -- FGSM and I-FGSM: ResNets against PyTorch in float64 (tests/oracle, ../shared/oracle), a small network
 * against finite differences of plain loops in double, and what must hold for any network. */
#include "weft/probe.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "../support/oracle.h"
#include "../support/trial.h"
#include "weft/base/error.h"
#include "weft/base/fault.h"
#include "weft/base/pool.h"
#include "weft/base/random.h"
#include "weft/base/table.h"
#include "weft/base/task.h"
#include "weft/base/tensor.h"

static Dataset *images_of(const char *spec, uint64_t limit) {
    Error err;
    Dataset *dataset = dataset_load(spec, limit, &err);
    if (!dataset) fail_msg("%s", err.text);
    return dataset;
}

static Network *sample_network(void) {
    Error err;
    Network *network = network_load("samples/fashion-resnet8.safetensors", NULL, &err);
    if (!network) fail_msg("%s", err.text);
    return network;
}

static void attack(const Network *network, const Dataset *dataset, const Attack *attacks, size_t count,
                   Evaluation *out) {
    Error err;
    if (!attack_run(network, dataset, attacks, count, out, NULL, &err)) fail_msg("%s", err.text);
}

static size_t size_of(const Dataset *dataset) {
    return (size_t)dataset->channels * dataset->height * dataset->width;
}

/* ---- the oracle -------------------------------------------------------------------------------------------------- */

enum { EPSILONS = 6 };

/* A row of the oracle's: of all its images, or under AddressSanitizer of the first few. */
static double number_of(const json_t *row, const char *what, const char *part) {
    char name[64];
    snprintf(name, sizeof name, "%s_%s%s", what, part, oracle_slow() ? "_few" : "");
    return oracle_number(row, name);
}

/* The loss moves with the few pixels whose gradient has no sign in float32, and in I-FGSM's steps they add up. */
static void compare_row(const Evaluation *found, const json_t *row, const char *what, double loss_bound) {
    const double correct = number_of(row, what, "correct"), loss = number_of(row, what, "ce");
    if (fabs((double)found->correct - correct) > 2)
        fail_msg("%s: %llu images are correct, not %g", what, (unsigned long long)found->correct, correct);
    if (!(fabs(found->loss - loss) < loss_bound * loss))
        fail_msg("%s: the loss is %.9g, not %.9g", what, found->loss, loss);
}

static Dataset *attacked_images(const Oracle *oracle, const json_t *values) {
    return oracle_images(oracle, oracle->own ? (uint64_t)oracle_number(values, oracle_slow() ? "few" : "images") : 0);
}

/* Every `step`-th row: ten steps of each cost ten times as much. */
static void compare(const Oracle *oracle, AttackKind kind, size_t step, double loss_bound) {
    json_t *values = oracle_values(oracle, "attacks");
    const json_t *rows = json_object_get(values, "rows");
    Attack attacks[EPSILONS];
    Evaluation found[EPSILONS];
    assert_int_equal(json_array_size(rows), EPSILONS);
    const size_t count = EPSILONS / step;
    for (size_t i = 0; i < count; i++)
        attacks[i] = (Attack){
            .kind = kind, .epsilon = oracle_number(json_array_get(rows, i * step), "eps_times_255") / 255, .steps = 10};
    Network *network = oracle_network(oracle->network);
    Dataset *dataset = attacked_images(oracle, values);
    attack(network, dataset, attacks, count, found);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(found[i].images, dataset->count);
        compare_row(&found[i], json_array_get(rows, i * step), attack_name(kind), loss_bound);
        evaluation_done(&found[i]);
    }
    dataset_free(dataset);
    network_free(network);
    json_decref(values);
}

static void oracle_fgsm(void **state) {
    (void)state;
    for (const Oracle *o = NULL; (o = oracle_next_quick(o));) compare(o, ATTACK_FGSM, 1, 1e-4);
}

static void oracle_ifgsm(void **state) {
    (void)state;
    for (const Oracle *o = NULL; (o = oracle_next_quick(o));)
        compare(o, ATTACK_IFGSM, o->own && !oracle_slow() ? 1 : 3, 1e-3);
}

/* Other numbers of steps, of other sizes. */
static void oracle_steps(void **state) {
    (void)state;
    enum { CASES = 2 };
    const Oracle *oracle = oracle_next(NULL);
    json_t *values = oracle_values(oracle, "attacks");
    const json_t *rows = json_object_get(values, "other_steps_at_2");
    const double eps = 2.0 / 255;
    Network *network = oracle_network(oracle->network);
    Dataset *dataset = attacked_images(oracle, values);
    Attack attacks[CASES];
    Evaluation found[CASES];
    assert_int_equal(json_array_size(rows), CASES);
    for (size_t i = 0; i < CASES; i++) {
        const json_t *row = json_array_get(rows, i);
        attacks[i] = (Attack){ATTACK_IFGSM, .epsilon = eps, .steps = (unsigned)oracle_number(row, "steps"),
                              .step = eps * oracle_number(row, "part")};
    }
    attack(network, dataset, attacks, CASES, found);
    for (size_t i = 0; i < CASES; i++) {
        compare_row(&found[i], json_array_get(rows, i), attack_name(ATTACK_IFGSM), 1e-3);
        evaluation_done(&found[i]);
    }
    dataset_free(dataset);
    network_free(network);
    json_decref(values);
}

/* Of the first four images every pixel goes the way of the float64 gradient, but for those whose gradient is next to
 * nothing. Of ../shared's two are recognised with a probability that rounds to 1. */
static void check_signs(const Oracle *oracle) {
    Error err;
    Checkpoint *arrays = oracle_arrays(oracle, "attacks");
    Tensor *gradient = oracle_tensor(arrays, "input_grad_first4");
    Network *network = oracle_network(oracle->network);
    Dataset *dataset = oracle_images(oracle, 4);
    const Attack one = {.kind = ATTACK_FGSM, .epsilon = 2.0 / 255};
    const size_t size = size_of(dataset);
    float clean[3072], pixels[3072];
    assert_int_equal(gradient->count, 4 * size);
    for (uint64_t image = 0; image < 4; image++) {
        const float *g = gradient->data + image * size;
        const double norm = trial_norm(g, size);
        dataset_image(dataset, image, clean);
        assert_true(attack_image(network, dataset, image, &one, pixels, &err));
        for (size_t i = 0; i < size; i++) {
            if (fabs((double)g[i]) < 1e-4 * norm / sqrt((double)size)) continue;
            const double to = (double)clean[i] + (g[i] > 0 ? one.epsilon : -one.epsilon);
            assert_true(fabs((double)pixels[i] - fmin(fmax(to, 0), 1)) < 1e-7);
        }
    }
    dataset_free(dataset);
    network_free(network);
    tensor_release(gradient);
    checkpoint_close(arrays);
}

static void oracle_signs(void **state) {
    (void)state;
    for (const Oracle *o = NULL; (o = oracle_next(o));) check_signs(o);
}

/* ---- finite differences ------------------------------------------------------------------------------------------ */

static double witness_slope(Witness *witness, size_t pixel, const uint16_t *label) {
    const Loss loss = {.cross_entropy = 1};
    const double step = 1e-6, before = witness->pixels[pixel];
    double change = 0;
    for (int side = -1; side <= 1; side += 2) {
        witness->pixels[pixel] = before + side * step;
        witness_run(witness);
        change += side * witness_loss(witness, &loss, label, NULL);
    }
    witness->pixels[pixel] = before;
    return change / (2 * step);
}

/* A few images of noise, labelled; some pixels lie at the ends of [0, 1]. */
typedef struct Small {
    Dataset dataset;
    uint8_t pixels[IMAGES * 3 * 6 * 5];
    uint16_t labels[IMAGES];
} Small;

static void small_init(Small *small, uint64_t seed) {
    Rng rng = {.seed = seed};
    small->dataset = (Dataset){.spec = (char *)(uintptr_t) "idx:a,b",
                               .count = IMAGES,
                               .channels = 3,
                               .height = 6,
                               .width = 5,
                               .classes = CLASSES,
                               .pixels = small->pixels,
                               .labels = small->labels};
    for (size_t i = 0; i < sizeof small->pixels; i++)
        small->pixels[i] = (uint8_t)(rng_below(&rng, 8) ? rng_below(&rng, 256) : 255 * rng_below(&rng, 2));
    for (size_t i = 0; i < IMAGES; i++) small->labels[i] = (uint16_t)rng_below(&rng, CLASSES);
}

/* The definition, in double, with slopes by finite differences; witness->pixels become x'. false where a slope is too
 * small to tell its sign. */
static bool plain_attack(Witness *witness, const uint16_t *label, double eps, double step, unsigned steps) {
    enum { SIZE = 3 * 6 * 5 };
    double clean[SIZE], slope[SIZE];
    memcpy(clean, witness->pixels, sizeof clean);
    for (unsigned k = 0; k < steps; k++) {
        double largest = 0;
        for (size_t i = 0; i < SIZE; i++) {
            slope[i] = witness_slope(witness, i, label);
            largest = fmax(largest, fabs(slope[i]));
        }
        for (size_t i = 0; i < SIZE; i++) {
            if (fabs(slope[i]) < 1e-4 * largest) return false;
            const double moved = witness->pixels[i] + (slope[i] > 0 ? step : -step);
            witness->pixels[i] = fmin(fmax(fmin(fmax(moved, clean[i] - eps), clean[i] + eps), 0), 1);
        }
    }
    return true;
}

static unsigned compare_plain(uint64_t seed, Attack attack) {
    Error err;
    Small small;
    Network *network = block_network(seed);
    unsigned compared = 0;
    small_init(&small, seed);
    const size_t size = size_of(&small.dataset);
    const double step = attack.kind == ATTACK_FGSM ? attack.epsilon
                        : attack.step > 0          ? attack.step
                                                   : attack.epsilon / 4;
    for (uint64_t image = 0; image < IMAGES; image++) {
        float found[3 * 6 * 5];
        assert_true(attack_image(network, &small.dataset, image, &attack, found, &err));
        Witness *witness = witness_new(network, 6, 5, 1, false);
        for (size_t i = 0; i < size; i++) witness->pixels[i] = (double)small.pixels[image * size + i] / 255;
        if (plain_attack(witness, &small.labels[image], attack.epsilon, step,
                         attack.kind == ATTACK_FGSM ? 1 : attack.steps)) {
            for (size_t i = 0; i < size; i++) assert_true(fabs((double)found[i] - witness->pixels[i]) < 2e-7);
            compared++;
        }
        witness_free(witness);
    }
    network_free(network);
    return compared;
}

static void finite_differences(void **state) {
    (void)state;
    const uint64_t seeds = oracle_slow() ? 1 : 4;
    unsigned compared[3] = {0};
    for (uint64_t seed = 1; seed <= seeds; seed++) {
        compared[0] += compare_plain(seed, (Attack){ATTACK_FGSM, .epsilon = 0.03});
        compared[1] += compare_plain(seed, (Attack){ATTACK_IFGSM, .epsilon = 0.03, .steps = 6});
        compared[2] += compare_plain(seed, (Attack){ATTACK_IFGSM, .epsilon = 0.03, .step = 0.02, .steps = 4});
    }
    for (int i = 0; i < 3; i++) assert_true(compared[i] * 2 >= seeds * IMAGES); /* most could be */
}

/* A real network through its normalisation, a few pixels of an image. */
static void sample_pixels(void **state) {
    (void)state;
    Error err;
    Network *network = sample_network();
    Dataset *dataset = images_of("sample:fashion-test", 2);
    const Attack one = {.kind = ATTACK_FGSM, .epsilon = 4.0 / 255};
    float clean[28 * 28], pixels[28 * 28];
    Witness *witness = witness_new(network, 28, 28, 1, false);
    for (uint64_t image = 0; image < 2; image++) {
        dataset_image(dataset, image, clean);
        assert_true(attack_image(network, dataset, image, &one, pixels, &err));
        for (size_t i = 0; i < 28 * 28; i++) witness->pixels[i] = (double)clean[i];
        for (size_t i = 300 + image; i < 500; i += 37) {
            const double slope = witness_slope(witness, i, &dataset->labels[image]);
            const double to = (double)clean[i] + (slope > 0 ? one.epsilon : -one.epsilon);
            assert_true(fabs((double)pixels[i] - fmin(fmax(to, 0), 1)) < 1e-7);
        }
    }
    witness_free(witness);
    dataset_free(dataset);
    network_free(network);
}

/* ---- what holds for any network ---------------------------------------------------------------------------------- */

static void same(const Evaluation *a, const Evaluation *b) {
    assert_int_equal(a->images, b->images);
    assert_int_equal(a->correct, b->correct);
    assert_int_equal(a->correct_top5, b->correct_top5);
    assert_memory_equal(&a->loss, &b->loss, sizeof a->loss);
    assert_int_equal(a->classes, b->classes);
    assert_memory_equal(a->class_images, b->class_images, a->classes * sizeof *a->class_images);
    assert_memory_equal(a->class_correct, b->class_correct, a->classes * sizeof *a->class_correct);
}

static const Attack kinds[] = {{ATTACK_FGSM, .epsilon = 0},
                               {ATTACK_IFGSM, .epsilon = 0, .steps = 3},
                               {ATTACK_FGSM, .epsilon = 4.0 / 255},
                               {ATTACK_IFGSM, .epsilon = 4.0 / 255, .steps = 3, .step = 0.01}};
enum { KINDS = sizeof kinds / sizeof *kinds };

/* eps 0 is evaluate_run to the bit, alone or with others; attacks harm; together they are what each is alone. */
static void nothing_is_nothing(void **state) {
    (void)state;
    Error err;
    Network *network = sample_network();
    Dataset *dataset = images_of("sample:fashion-test", oracle_slow() ? 12 : 300); /* 128, 128, 44 */
    Evaluation plain, found[KINDS], alone;
    assert_true(evaluate_run(network, dataset, NULL, &plain, NULL, &err));
    attack(network, dataset, kinds, KINDS, found);
    for (int i = 0; i < KINDS; i++) {
        attack(network, dataset, &kinds[i], 1, &alone);
        same(&alone, &found[i]);
        if (!(kinds[i].epsilon > 0)) same(&plain, &found[i]);
        if (kinds[i].epsilon > 0) assert_true(found[i].loss > plain.loss && found[i].correct < plain.correct);
        assert_true(found[i].seconds > 0);
        evaluation_done(&alone);
        evaluation_done(&found[i]);
    }
    evaluation_done(&plain);
    dataset_free(dataset);
    network_free(network);
}

static void threads(void **state) {
    (void)state;
    Network *network = sample_network();
    Dataset *dataset = images_of("sample:fashion-test", oracle_slow() ? 12 : 300);
    Evaluation one[KINDS], more[KINDS];
    pool_set_threads(1);
    attack(network, dataset, kinds, KINDS, one);
    for (unsigned count = 2; count <= 3; count++) {
        pool_set_threads(count);
        attack(network, dataset, kinds, KINDS, more);
        for (int i = 0; i < KINDS; i++) {
            same(&one[i], &more[i]);
            evaluation_done(&more[i]);
        }
    }
    pool_set_threads(0);
    for (int i = 0; i < KINDS; i++) evaluation_done(&one[i]);
    dataset_free(dataset);
    network_free(network);
}

/* The images that attack_image gives are within bounds, and the network's logits of them are those that attack_run
 * counted. */
static void image_by_image(void **state) {
    (void)state;
    Error err;
    enum { COUNT = 9, SIZE = 28 * 28 };
    static float pixels[COUNT * SIZE], logits[COUNT * 10], clean[SIZE];
    Network *network = sample_network();
    Dataset *dataset = images_of("sample:fashion-test", COUNT);
    Engine *engine = engine_new(network, COUNT, 28, 28, NULL, &err);
    for (int kind = 0; kind < KINDS; kind++) {
        const double eps = kinds[kind].epsilon;
        Evaluation found;
        double loss = 0;
        unsigned at_bound = 0;
        attack(network, dataset, &kinds[kind], 1, &found);
        for (uint64_t n = 0; n < COUNT; n++) {
            assert_true(attack_image(network, dataset, n, &kinds[kind], pixels + n * SIZE, &err));
            dataset_image(dataset, n, clean);
            for (size_t i = 0; i < SIZE; i++) {
                const double x = (double)pixels[n * SIZE + i], off = fabs(x - (double)clean[i]);
                assert_true(x >= 0 && x <= 1 && off <= eps + 0x1p-25); /* half a float's spacing below 1 */
                at_bound += eps > 0 && off > eps - 1e-7;
            }
        }
        assert_true(eps > 0 ? at_bound > COUNT * SIZE / 4 : at_bound == 0);
        assert_true(engine_forward(engine, pixels, COUNT, logits, &err));
        for (size_t n = 0; n < COUNT; n++) {
            double sum = 0;
            const float *z = logits + 10 * n;
            for (size_t j = 0; j < 10; j++) sum += exp((double)z[j] - (double)z[dataset->labels[n]]);
            loss += log(sum) / COUNT;
        }
        assert_true(fabs(loss - found.loss) < 1e-12 * (1 + loss));
        evaluation_done(&found);
    }
    engine_free(engine);
    dataset_free(dataset);
    network_free(network);
}

/* A label whose logit lies 105 above all others, or more: the gradient, below 1e-45, is no float32, and still has
 * signs.
 */
static void sure_of_it(void **state) {
    (void)state;
    Error err;
    Small small;
    Network *network = block_network(3);
    const Op *last = &network->graph->ops[network->graph->count - 1];
    small_init(&small, 3);
    for (size_t i = 0; i < IMAGES; i++) small.labels[i] = 4;
    const Attack one = {.kind = ATTACK_FGSM, .epsilon = 0.01};
    float before[3 * 6 * 5], after[3 * 6 * 5];
    assert_true(attack_image(network, &small.dataset, 0, &one, before, &err));
    Tensor *bias = tensor_new(1, (const uint64_t[]){CLASSES}, &err);
    memcpy(bias->data, network->tensors[last->bias].tensor->data, CLASSES * sizeof(float));
    bias->data[4] += 110; /* the others' shares among themselves stay, and so do the signs */
    network_replace(network, (size_t)last->bias, bias);
    assert_true(attack_image(network, &small.dataset, 0, &one, after, &err));
    assert_memory_equal(before, after, sizeof before);
    network_free(network);
}

/* ---- refusals ---------------------------------------------------------------------------------------------------- */

static void refuse(const Network *network, const Dataset *dataset, Attack attack, Status status, const char *text) {
    Error err = {0};
    Evaluation out = {.images = 77};
    assert_false(attack_run(network, dataset, &attack, 1, &out, NULL, &err));
    assert_int_equal(err.status, status);
    if (!strstr(err.text, text)) fail_msg("'%s' does not say '%s'", err.text, text);
    assert_int_equal(out.images, 77);
    float pixels[3 * 32 * 32];
    if (status == STATUS_CANCELLED) return;
    assert_false(attack_image(network, dataset, 0, &attack, pixels, &err));
    assert_int_equal(err.status, status);
}

static void refusals(void **state) {
    (void)state;
    Error err;
    Network *network = sample_network();
    Dataset *dataset = images_of("sample:fashion-test", 3), *noise = images_of("noise:3:1x28x28", 0);
    const Attack fine = {ATTACK_FGSM, .epsilon = 0.1};
    refuse(network, dataset, (Attack){ATTACK_FGSM, .epsilon = -0.1}, STATUS_USAGE, "eps must be from 0 to 1");
    refuse(network, dataset, (Attack){ATTACK_FGSM, .epsilon = NAN}, STATUS_USAGE, "eps must be from 0 to 1");
    refuse(network, dataset, (Attack){ATTACK_IFGSM, .epsilon = 1.1, .steps = 1}, STATUS_USAGE, "not 1.1");
    refuse(network, dataset, (Attack){ATTACK_IFGSM, .epsilon = 0.1}, STATUS_USAGE, "at least one step");
    refuse(network, dataset, (Attack){ATTACK_IFGSM, .epsilon = 0.1, .steps = 1, .step = NAN}, STATUS_USAGE, "the step");
    refuse(network, noise, fine, STATUS_USAGE, "no labels");
    cancel_request();
    refuse(network, dataset, fine, STATUS_CANCELLED, "cancelled");
    cancel_clear();
    float pixels[28 * 28];
    assert_false(attack_image(network, dataset, 3, &fine, pixels, &err));
    assert_int_equal(err.status, STATUS_USAGE);
    dataset_free(noise);
    dataset_free(dataset);
    network_free(network);
}

typedef struct Reports {
    uint64_t last, total, count;
} Reports;

static void count_report(void *context, const char *what, uint64_t done, uint64_t total) {
    Reports *reports = context;
    assert_string_equal(what, "attacking");
    assert_true(reports->count == 0 ? done == 0 : done == reports->last + 1 && total == reports->total);
    *reports = (Reports){done, total, reports->count + 1};
}

static void progress(void **state) {
    (void)state;
    Error err;
    Reports reports = {0};
    Small small;
    Network *network = block_network(1);
    Evaluation out[KINDS];
    const Task task = {.report = count_report, .context = &reports};
    small_init(&small, 1);
    assert_true(attack_run(network, &small.dataset, kinds, KINDS, out, &task, &err));
    assert_int_equal(reports.last, reports.total);
    assert_int_equal(reports.total, 1 + 1 + 1 + 1 + 3); /* the common gradient, then each; two more gradients */
    for (int i = 0; i < KINDS; i++) evaluation_done(&out[i]);
    network_free(network);
}

/* Every allocation refused in turn; and what is allocated does not depend on how many batches there are. */
static void memory(void **state) {
    (void)state;
    Small small;
    Network *network = block_network(1);
    small_init(&small, 1);
    bool ok = false;
    for (uint64_t k = 1; !ok && k < 1000; k++) {
        Error err = {0};
        Evaluation out[KINDS] = {0};
        fault_arm(FAULT_ALLOC, k, k % 2);
        ok = attack_run(network, &small.dataset, kinds, KINDS, out, NULL, &err);
        Table *table = ok ? attack_table(kinds, out, KINDS, &err) : NULL;
        fault_disarm();
        ok = table != NULL;
        assert_true(ok || err.status == STATUS_LIMIT);
        table_free(table);
        for (int i = 0; i < KINDS; i++) evaluation_done(&out[i]);
    }
    assert_true(ok);
    network_free(network);
    if (oracle_slow()) return;
    uint64_t seen[2];
    network = sample_network();
    for (unsigned i = 0; i < 2; i++) {
        Dataset *dataset = images_of("sample:fashion-test", i ? 300 : 128);
        Evaluation out[KINDS];
        fault_arm(FAULT_ALLOC, UINT64_MAX, false);
        attack(network, dataset, kinds, KINDS, out);
        seen[i] = fault_disarm();
        for (int j = 0; j < KINDS; j++) evaluation_done(&out[j]);
        dataset_free(dataset);
    }
    assert_int_equal(seen[0], seen[1]);
    network_free(network);
}

/* ---- table ------------------------------------------------------------------------------------------------------- */

static void table_of_two(void **state) {
    (void)state;
    Error err;
    const Attack attacks[2] = {{ATTACK_IFGSM, .epsilon = 1.0 / 255, .steps = 7},
                               {ATTACK_IFGSM, .epsilon = 0.5, .steps = 7}};
    const Evaluation found[2] = {{.images = 8, .correct = 7, .loss = 0.25, .seconds = 0.5, .classes = 10},
                                 {.images = 8, .correct = 2, .loss = 4, .seconds = 0.25, .classes = 10}};
    static const char *const columns[] = {"eps",      "eps_255",      "images",        "correct",
                                          "accuracy", "accuracy_low", "accuracy_high", "loss"};
    Table *table = attack_table(attacks, found, 2, &err);
    assert_int_equal(table->rows, 2);
    assert_int_equal(table->column_count, 8);
    for (int i = 0; i < 8; i++) assert_string_equal(table->columns[i].name, columns[i]);
    assert_true(fabs(table_number(table, "eps", 0) - 0.00392156862745098) < 1e-17);
    assert_true(fabs(table_number(table, "eps_255", 0) - 1) < 1e-15);
    assert_true(fabs(table_number(table, "accuracy", 1) - 25) < 1e-12);
    assert_string_equal(table_get_note(table, "images_per_second"), "21.3333333"); /* 16 in 0.75 s */
    assert_string_equal(table_get_note(table, "attack"), "ifgsm");
    assert_string_equal(table_get_note(table, "steps"), "7");
    assert_string_equal(table_get_note(table, "step"), "eps/4");
    table_free(table);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(oracle_fgsm),    cmocka_unit_test(oracle_ifgsm),       cmocka_unit_test(oracle_steps),
        cmocka_unit_test(oracle_signs),   cmocka_unit_test(finite_differences), cmocka_unit_test(sample_pixels),
        cmocka_unit_test(image_by_image), cmocka_unit_test(nothing_is_nothing), cmocka_unit_test(threads),
        cmocka_unit_test(sure_of_it),     cmocka_unit_test(refusals),           cmocka_unit_test(progress),
        cmocka_unit_test(memory),         cmocka_unit_test(table_of_two),
    };
    return cmocka_run_group_tests_name("attack", tests, NULL, NULL);
}
