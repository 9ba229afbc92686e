/* test_smoothing -- what the live view of smoothing computes: the same as lowpass, svscale, spectrum and evaluate; the
 * filter's curve against what it does to an impulse; the thread that follows a setting. */
#include "weft/probe/smoothing.h"

#include <complex.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>

#include "../support/oracle.h"
#include "weft/base/memory.h"
#include "weft/base/pool.h"
#include "weft/base/tensor.h"

static Network *base;
static Dataset *data;

static int load(void **state) {
    (void)state;
    Error err;
    base = network_load("samples/fashion-resnet8.safetensors", &(NetworkOptions){0}, &err);
    data = dataset_load("sample:fashion-test", oracle_slow() ? 12 : 150, &err);
    return base && data ? 0 : -1;
}

static int unload(void **state) {
    (void)state;
    network_free(base);
    dataset_free(data);
    spectral_cleanup();
    pool_set_threads(0);
    return 0;
}

static size_t layer_named(const char *name) {
    Error err;
    size_t layer = 0;
    if (!network_find_layer(base, name, &layer, &err)) fail_msg("%s", err.text);
    return layer;
}

static Smoothing usual(const char *layer) {
    return (Smoothing){.filter = SMOOTHING_LOWPASS,
                       .scope = SMOOTHING_LAYER,
                       .layer = layer_named(layer),
                       .cutoff = 2,
                       .factor = 0.5,
                       .last = 15};
}

/* ---- networks ---------------------------------------------------------------------------------------------------- */

/* What the command with this selector makes. */
static Network *by_command(const Smoothing *smoothing, const char *selector) {
    Error err;
    bool chosen[64] = {0};
    const bool lowpass = smoothing->filter == SMOOTHING_LOWPASS;
    assert_true(layer_select(base, selector, lowpass ? CHOOSE_CONVOLUTIONS : CHOOSE_ANY, chosen, &err));
    Network *made = lowpass ? lowpass_apply(base, smoothing->cutoff, smoothing->mode, chosen, "x", NULL, &err)
                            : svscale_apply(base, smoothing->factor, smoothing->last, chosen, "x", NULL, &err);
    if (!made) fail_msg("%s", err.text);
    return made;
}

static void expect_equal(const Network *a, const Network *b) {
    char first[HASH_HEX], second[HASH_HEX];
    Error err;
    assert_true(network_hash(a, first, &err) && network_hash(b, second, &err));
    assert_string_equal(first, second);
}

static void makes_what_the_commands_make(void **state) {
    (void)state;
    static const struct {
        SmoothingScope scope;
        const char *selector, *given;
        size_t lowpass, svscale; /* layers */
    } cases[] = {{SMOOTHING_LAYER, "layer2.0.conv1", "layer2.0.conv1", 1, 1},
                 {SMOOTHING_BLOCK, "block:2.0", "block:2.0", 2, 2},
                 {SMOOTHING_STAGE, "stage:2", "stage:2", 2, 2},
                 {SMOOTHING_ALL, NULL, "", 7, 7}};
    for (int filter = 0; filter < SMOOTHING_FILTER_COUNT; filter++) {
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
            Error err;
            Str selector = {0};
            Smoothing smoothing = usual("layer2.0.conv1");
            smoothing.filter = (SmoothingFilter)filter;
            smoothing.scope = cases[i].scope;
            smoothing.mode = LOWPASS_2D;
            smoothing_selector(base, &smoothing, &selector);
            assert_string_equal(str_text(&selector), cases[i].given);
            str_done(&selector);
            bool *chosen = smoothing_layers(base, &smoothing, &err);
            size_t count = 0;
            for (size_t layer = 0; layer < base->layer_count; layer++) count += chosen[layer];
            mem_free(chosen);
            assert_int_equal(count, filter == SMOOTHING_LOWPASS ? cases[i].lowpass : cases[i].svscale);
            Network *made = smoothing_apply(base, &smoothing, "y", NULL, &err);
            Network *expected = by_command(&smoothing, cases[i].selector);
            expect_equal(made, expected);
            assert_string_equal(made->lineage[made->lineage_count - 1].key, filter ? "svscale" : "lowpass");
            assert_string_equal(made->lineage[made->lineage_count - 1].value, "y");
            network_free(made);
            network_free(expected);
        }
    }
}

/* What a block and a stage have alike is not offered twice, nor what the layer is in no part of. */
static void scopes_differ(void **state) {
    (void)state;
    Smoothing smoothing = usual("layer2.0.conv1");
    assert_int_equal(smoothing.scope = smoothing_next_scope(base, &smoothing), SMOOTHING_BLOCK);
    assert_int_equal(smoothing.scope = smoothing_next_scope(base, &smoothing), SMOOTHING_ALL);
    assert_int_equal(smoothing.scope = smoothing_next_scope(base, &smoothing), SMOOTHING_LAYER);
    smoothing = usual("conv1");
    assert_int_equal(smoothing_next_scope(base, &smoothing), SMOOTHING_ALL);
}

static void says_what_does_not_go(void **state) {
    (void)state;
    Error err;
    Smoothing smoothing = usual("linear");
    assert_false(smoothing_check(base, &smoothing, &err));
    assert_int_equal(err.status, STATUS_USAGE);
    assert_string_equal(err.text, "layer 'linear' is of kind linear; lowpass filters convolutions");
    smoothing.filter = SMOOTHING_SVSCALE;
    assert_true(smoothing_check(base, &smoothing, &err));
    smoothing.scope = SMOOTHING_STAGE;
    assert_false(smoothing_check(base, &smoothing, &err));
    assert_string_equal(err.text, "layer 'linear' is in no stage");
    smoothing.scope = SMOOTHING_BLOCK;
    assert_false(smoothing_check(base, &smoothing, &err));
    assert_string_equal(err.text, "layer 'linear' is in no block");
}

/* ---- moving ------------------------------------------------------------------------------------------------------ */

static double moved(double cutoff, int steps) {
    Smoothing smoothing = {.filter = SMOOTHING_LOWPASS, .cutoff = cutoff};
    smoothing_move(&smoothing, steps);
    return smoothing.cutoff;
}

static double scaled(double factor, int steps) {
    Smoothing smoothing = {.filter = SMOOTHING_SVSCALE, .factor = factor};
    smoothing_move(&smoothing, steps);
    return smoothing.factor;
}

/* The numbers are those that a user would type: the very same doubles. */
static void moves_by_digits(void **state) {
    (void)state;
    assert_true(moved(2, 1) == 2.1 && moved(2, -1) == 1.9 && moved(2, 5) == 2.5 && moved(2, 0) == 2);
    assert_true(moved(0.98, 1) == 0.99 && moved(0.98, 2) == 1 && moved(0.98, 3) == 1.1 && moved(1, -1) == 0.99);
    assert_true(moved(9.9, 1) == 10 && moved(9.9, 2) == 11 && moved(10, -1) == 9.9 && moved(0.11, -1) == 0.1);
    assert_true(moved(2.345, 1) == 2.4 && moved(2.345, -1) == 2.3);
    assert_true(moved(0.1, -1) == 0.1 && moved(50, 1) == 50 && moved(1e9, -1) == 49 && moved(1e-9, 1) == 0.11);
    for (double cutoff = 0.1; cutoff < 50;) { /* no step is lost on the way up and down */
        const double next = moved(cutoff, 1);
        assert_true(next > cutoff && moved(next, -1) == cutoff);
        cutoff = next;
    }
    assert_true(scaled(0.5, 1) == 0.55 && scaled(0.5, -1) == 0.45 && scaled(0, -1) == 0 && scaled(2, 1) == 2);
    assert_true(scaled(0.52, 1) == 0.55 && scaled(0.52, -1) == 0.5 && scaled(0.95, 1) == 1 && scaled(100, -1) == 2);
}

static void equal_means_the_same_network(void **state) {
    (void)state;
    Smoothing a = usual("layer2.0.conv1"), b = a;
    b.factor = 7; /* of the other filter */
    assert_true(smoothing_equal(&a, &b));
    b.cutoff = 3;
    assert_false(smoothing_equal(&a, &b));
    b = a;
    b.layer = layer_named("conv1");
    assert_false(smoothing_equal(&a, &b));
    a.scope = b.scope = SMOOTHING_ALL;
    assert_true(smoothing_equal(&a, &b));
}

/* ---- the curve --------------------------------------------------------------------------------------------------- */

/* An impulse has 1 at every frequency, so what the filter makes of it has its gains: by a plain sum. */
static double gain_at(size_t frequency, double cutoff, LowpassMode mode) {
    enum { N = 9 };
    float impulse[N] = {1}, filtered[N];
    Error err;
    assert_true(lowpass_kernels(impulse, filtered, 1, (const size_t[]){1, 3, 3}, cutoff, mode, &err));
    double complex sum = 0;
    for (size_t i = 0; i < N; i++) sum += (double)filtered[i] * cexp(-2 * M_PI * I * (double)(frequency * i) / N);
    return creal(sum);
}

static void curve_is_what_the_filter_does(void **state) {
    (void)state;
    for (int mode = LOWPASS_1D; mode <= LOWPASS_RAW; mode++) {
        Error err;
        Smoothing smoothing = usual("layer1.0.conv1");
        smoothing.cutoff = 1.7;
        smoothing.mode = (LowpassMode)mode;
        Table *curve = smoothing_curve(base, &smoothing, &err);
        assert_non_null(curve);
        const Column *own = table_find(curve, "kernel_frequency");
        size_t found = 0;
        for (size_t row = 0; row < curve->rows; row++) {
            const double f = table_number(curve, "frequency", row), gain = table_number(curve, "gain", row);
            assert_true(fabs(table_number(curve, "response", row) - exp(-f * f / (2 * 1.7 * 1.7))) < 1e-12);
            assert_true(row == 0 || f > table_number(curve, "frequency", row - 1));
            if (!*own->cells[row].text) continue;
            found++;
            if (mode != LOWPASS_2D) assert_true(fabs(gain - gain_at((size_t)f, 1.7, smoothing.mode)) < 1e-6);
        }
        assert_int_equal(found, mode == LOWPASS_1D ? 5 : mode == LOWPASS_2D ? 3 : 9); /* 2d: 0, 1, sqrt 2 */
        table_free(curve);
    }
}

static void curve_of_modulation(void **state) {
    (void)state;
    Error err;
    Smoothing smoothing = usual("linear"); /* 10 x 64 */
    smoothing.filter = SMOOTHING_SVSCALE;
    smoothing.last = 4;
    Table *curve = smoothing_curve(base, &smoothing, &err);
    assert_int_equal(curve->rows, 10);
    for (size_t row = 0; row < 10; row++) {
        assert_true(table_number(curve, "index", row) == (double)row + 1);
        assert_true(table_number(curve, "factor", row) == (row < 6 ? 1 : 0.5));
    }
    table_free(curve);
}

/* ---- one layer, and all ------------------------------------------------------------------------------------------ */

static void expect_same_numbers(const Table *a, const Table *b, const char *column) {
    assert_int_equal(a->rows, b->rows);
    for (size_t row = 0; row < a->rows; row++)
        assert_true(table_number(a, column, row) == table_number(b, column, row));
}

/* Against spectrum, kernels, distance and evaluate of the network that the command makes. */
static void finds_what_the_commands_find(void **state) {
    (void)state;
    static const char *const names[] = {"before", "after", "change"};
    Error err;
    Smoothing smoothing = usual("layer2.0.conv1");
    smoothing.scope = SMOOTHING_STAGE;
    Network *made = by_command(&smoothing, "stage:2");
    SmoothingFindings found;
    Evaluation before, after;
    assert_true(smoothing_measure(base, data, &smoothing, NULL, &found, &err));
    assert_true(found.has_layer && found.has_unchanged && found.count == 1);
    Table *spectrum = spectrum_table(base, smoothing.layer, made, false, &err);
    expect_same_numbers(found.layer.spectrum, spectrum, "sigma");
    expect_same_numbers(found.layer.spectrum, spectrum, "sigma_vs");
    double ratio = 0;
    assert_true(text_to_double(table_get_note(spectrum, "s_ratio_vs"), &ratio));
    assert_true(found.layer.ratio_after == ratio && found.layer.ratio_after > found.layer.ratio);
    table_free(spectrum);
    Table *kernels = kernels_table(base, smoothing.layer, made, names, &err);
    Table *two = table_new(&err); /* without the third part */
    table_column(two, "weight", "", COLUMN_REAL);
    for (size_t row = 0; row < kernels->rows / 3 * 2; row++) table_real(two, table_number(kernels, "weight", row));
    expect_same_numbers(found.layer.kernels, two, "weight");
    table_free(table_finish(two, &err));
    table_free(kernels);
    bool chosen[64] = {0};
    chosen[smoothing.layer] = true;
    WeightDistances distances;
    assert_true(distance_measure(base, made, chosen, NULL, &distances, &err));
    assert_true(fabs(found.layer.change - distances.all.relative) < 1e-12);
    distances_done(&distances);
    assert_true(evaluate_run(base, data, NULL, &before, NULL, &err));
    assert_true(evaluate_run(made, data, NULL, &after, NULL, &err));
    assert_int_equal(found.unchanged.correct, before.correct);
    assert_int_equal(found.scores[0].correct, after.correct);
    assert_true(found.scores[0].loss == after.loss && found.unchanged.loss == before.loss);
    evaluation_done(&before);
    evaluation_done(&after);
    smoothing_findings_done(&found);
    network_free(made);
}

static void large_layers_in_part(void **state) {
    (void)state;
    static const char *const names[] = {"before", "after", NULL};
    Error err;
    const size_t layer = layer_named("layer3.0.conv2"); /* 64 x 64 x 3 x 3 */
    Table *all = kernels_table(base, layer, NULL, names, &err),
          *part = kernels_table_part(base, layer, NULL, names, 5, &err);
    assert_int_equal(part->rows, 5 * 5 * 9);
    for (size_t row = 0; row < part->rows; row++) {
        const size_t filter = (size_t)table_number(part, "filter", row), in = row % (5 * 9);
        assert_true(table_number(part, "weight", row) == table_number(all, "weight", filter * 64 * 9 + in));
        assert_true(table_number(part, "channel", row) == table_number(all, "channel", filter * 64 * 9 + in));
    }
    table_free(all);
    table_free(part);
}

static void scores_by_setting(void **state) {
    (void)state;
    Error err;
    Smoothing a = usual("conv1"), b = a, other = a;
    b.cutoff = 1;
    other.scope = SMOOTHING_ALL;
    const SmoothedScore scores[] = {{.of = a, .images = 100, .correct = 90, .accuracy = 90},
                                    {.of = other, .images = 100, .correct = 1, .accuracy = 1},
                                    {.of = b, .images = 100, .correct = 50, .accuracy = 50},
                                    {.of = a, .images = 100, .correct = 90, .accuracy = 90}};
    Table *table = smoothed_scores_table(scores, 4, &a, &err);
    assert_int_equal(table->rows, 2);
    assert_true(table_number(table, "cutoff", 0) == 1 && table_number(table, "accuracy", 0) == 50);
    assert_true(table_number(table, "cutoff", 1) == 2 && table_number(table, "accuracy", 1) == 90);
    assert_true(fabs(table_number(table, "accuracy_low", 0) - 40.3832) < 1e-3); /* Wilson, 50 of 100 */
    table_free(table);
}

/* ---- the thread -------------------------------------------------------------------------------------------------- */

/* Until nothing is left to be found. */
static void settle(Smoother *smoother, SmoothingFindings *found) {
    const double end = clock_seconds() + 60;
    while (smoother_busy(smoother) && clock_seconds() < end) {
        smoother_take(smoother, 0, found);
        nanosleep(&(struct timespec){.tv_nsec = 2000000}, NULL);
    }
    smoother_take(smoother, 0, found);
}

static void expect_score(const SmoothingFindings *found, const Smoothing *smoothing) {
    Error err;
    SmoothingFindings expected;
    assert_true(smoothing_measure(base, data, smoothing, NULL, &expected, &err));
    assert_true(found->count > 0 && found->has_unchanged && found->has_layer);
    const SmoothedScore *score = &found->scores[found->count - 1];
    assert_true(smoothing_equal(&score->of, smoothing) && smoothing_equal(&found->layer.of, smoothing));
    assert_int_equal(score->correct, expected.scores[0].correct);
    assert_true(score->loss == expected.scores[0].loss); /* also with states: to the same bits */
    assert_true(found->unchanged.loss == expected.unchanged.loss);
    expect_same_numbers(found->layer.spectrum, expected.layer.spectrum, "sigma_vs");
    smoothing_findings_done(&expected);
}

static void follows_the_newest(void **state) {
    (void)state;
    Error err;
    SmoothingFindings found = {0};
    Smoother *smoother = smoother_new(base, data, &err);
    assert_non_null(smoother);
    assert_false(smoother_take(smoother, 0, &found));
    Smoothing smoothing = usual("layer3.0.conv1"); /* what comes before it is kept as states */
    smoother_ask(smoother, &smoothing);
    assert_true(smoother_take(smoother, 20, &found));
    assert_true(found.has_layer);
    settle(smoother, &found);
    expect_score(&found, &smoothing);
    for (int i = 0; i < 30; i++) { /* a held key */
        smoothing_move(&smoothing, -1);
        smoother_ask(smoother, &smoothing);
        nanosleep(&(struct timespec){.tv_nsec = 3000000}, NULL);
        smoother_take(smoother, 0, &found);
    }
    settle(smoother, &found);
    expect_score(&found, &smoothing);
    smoothing.filter = SMOOTHING_SVSCALE;
    smoothing.scope = SMOOTHING_ALL;
    smoother_ask(smoother, &smoothing);
    settle(smoother, &found);
    expect_score(&found, &smoothing);
    const size_t count = found.count; /* a setting that was measured is not measured again */
    smoother_ask(smoother, &smoothing);
    settle(smoother, &found);
    assert_int_equal(found.count, count);
    smoother_free(smoother);
    smoothing_findings_done(&found);
}

static void can_be_left_at_any_time(void **state) {
    (void)state;
    Error err;
    Smoothing smoothing = usual("layer1.0.conv1");
    smoothing.scope = SMOOTHING_ALL;
    for (long wait = 0; wait < 40; wait += 5) {
        Smoother *smoother = smoother_new(base, data, &err);
        smoother_ask(smoother, &smoothing);
        nanosleep(&(struct timespec){.tv_nsec = wait * 1000000}, NULL);
        smoother_free(smoother);
    }
    smoother_free(NULL);
}

static void reports_what_fails(void **state) {
    (void)state;
    Error err;
    SmoothingFindings found = {0};
    Smoothing smoothing = usual("linear"); /* which lowpass does not take */
    Smoother *smoother = smoother_new(base, NULL, &err);
    smoother_ask(smoother, &smoothing);
    assert_true(smoother_take(smoother, 20, &found));
    assert_int_equal(found.failure.status, STATUS_USAGE);
    smoother_free(smoother);
    smoothing_findings_done(&found);
    Dataset *three = dataset_load("noise:4:3x8x8", 0, &err);
    assert_non_null(three);
    assert_null(smoother_new(base, three, &err)); /* the network has one channel */
    dataset_free(three);
}

static bool no(void *context) {
    return *(bool *)context;
}

static void tasks_are_given_up_one_by_one(void **state) {
    (void)state;
    Error err;
    bool stop = false;
    const Task task = {.context = &stop, .given_up = no};
    assert_true(task_step(&task, "x", 0, 1, &err));
    stop = true;
    assert_false(task_step(&task, "x", 0, 1, &err));
    assert_int_equal(err.status, STATUS_CANCELLED);
    assert_true(task_step(NULL, "x", 0, 1, &err));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(makes_what_the_commands_make), cmocka_unit_test(scopes_differ),
        cmocka_unit_test(says_what_does_not_go),        cmocka_unit_test(moves_by_digits),
        cmocka_unit_test(equal_means_the_same_network), cmocka_unit_test(curve_is_what_the_filter_does),
        cmocka_unit_test(curve_of_modulation),          cmocka_unit_test(finds_what_the_commands_find),
        cmocka_unit_test(large_layers_in_part),         cmocka_unit_test(scores_by_setting),
        cmocka_unit_test(follows_the_newest),           cmocka_unit_test(can_be_left_at_any_time),
        cmocka_unit_test(reports_what_fails),           cmocka_unit_test(tasks_are_given_up_one_by_one)};
    return cmocka_run_group_tests(tests, load, unload);
}
