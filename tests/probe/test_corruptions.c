/* test_corruptions -- accuracy on corrupted images: the table against evaluations one by one, its means, cancelling. */
#include "weft/base/error.h"
#include "weft/base/fault.h"
#include "weft/base/table.h"
#include "weft/base/task.h"
#include "weft/base/text.h"
#include "weft/probe.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static Network *network;
static Dataset *images;
static unsigned count = 30;

static int begin(void **state) {
    (void)state;
    Error err;
    Str path = {0};
    assert_true(sample_path("fashion-resnet8.safetensors", &path));
    network = network_load(str_text(&path), NULL, &err);
    str_done(&path);
    if (strcmp(WEFT_BUILD_MODE, "asan") == 0) count = 5; /* ten times as slow */
    images = dataset_load("sample:fashion-test", count, &err);
    return network && images ? 0 : -1;
}

static int end(void **state) {
    (void)state;
    network_free(network);
    dataset_free(images);
    return 0;
}

static CorruptionChoice choice_of(const char *text) {
    Error err;
    CorruptionChoice choice;
    assert_true(corruption_choose(text, &choice, &err));
    return choice;
}

static Table *table_of(const char *text, uint64_t seed) {
    Error err = {0};
    const CorruptionChoice choice = choice_of(text);
    Table *table = corruption_table(network, images, &choice, seed, NULL, &err);
    if (!table) fail_msg("%s: %s", text, err.text);
    return table;
}

static double note_of(const Table *table, const char *key) {
    double value;
    const char *text = table_get_note(table, key);
    assert_non_null(text);
    assert_true(text_to_double(text, &value));
    return value;
}

static void test_all(void **state) {
    (void)state;
    Error err;
    Table *table = table_of("all", 4);
    assert_int_equal(table->rows, CORRUPTION_COUNT * SEVERITIES);
    double all = 0;
    for (int kind = 0; kind < CORRUPTION_COUNT; kind++) {
        double mean = 0;
        for (unsigned severity = 1; severity <= SEVERITIES; severity++) {
            const size_t row = (size_t)kind * SEVERITIES + severity - 1;
            const char *name = corruption_name((CorruptionKind)kind);
            assert_string_equal(table_find(table, "corruption")->cells[row].text, name);
            assert_int_equal(table_number(table, "severity", row), severity);
            assert_int_equal(table_number(table, "images", row), count);
            Evaluation evaluation;
            Dataset *dirty = dataset_corrupt(images, (CorruptionKind)kind, severity, 4, NULL, &err);
            assert_true(dirty && evaluate_run(network, dirty, NULL, &evaluation, NULL, &err));
            dataset_free(dirty);
            assert_int_equal(table_number(table, "correct", row), evaluation.correct);
            assert_true(fabs(table_number(table, "accuracy", row) - 100.0 * (double)evaluation.correct / count) < 1e-9);
            assert_true(table_number(table, "loss", row) == evaluation.loss);
            evaluation_done(&evaluation);
            mean += table_number(table, "accuracy", row) / SEVERITIES;
        }
        assert_true(fabs(note_of(table, corruption_name((CorruptionKind)kind)) - mean) < 1e-6);
        all += mean / CORRUPTION_COUNT;
    }
    assert_true(fabs(note_of(table, "ood_accuracy") - all) < 1e-6);
    table_free(table);
}

static void test_some(void **state) {
    (void)state;
    Table *five = table_of("shot_noise", 4), *one = table_of("shot_noise:3", 4), *other = table_of("shot_noise:3", 5);
    assert_int_equal(five->rows, 5);
    assert_int_equal(one->rows, 1);
    assert_null(table_get_note(one, "ood_accuracy"));
    assert_null(table_find(one, "top5"));
    assert_true(note_of(five, "ood_accuracy") == note_of(five, "shot_noise"));
    assert_true(table_number(five, "loss", 2) == table_number(one, "loss", 0));
    assert_true(table_number(other, "loss", 0) != table_number(one, "loss", 0)); /* the seed's */
    table_free(five);
    table_free(one);
    table_free(other);
}

/* ---- progress, cancelling, failures ------------------------------------------------------------------------------ */

typedef struct Seen {
    uint64_t reports, last, total, stop_at;
} Seen;

static void watch(void *context, const char *what, uint64_t done, uint64_t total) {
    Seen *seen = context;
    (void)what;
    assert_true(done >= seen->last && done <= total && (seen->total == 0 || total == seen->total));
    seen->last = done;
    seen->total = total;
    if (++seen->reports == seen->stop_at) cancel_request();
}

static void test_progress(void **state) {
    (void)state;
    Error err = {0};
    Seen seen = {0};
    const CorruptionChoice choice = choice_of("contrast");
    Task task = {.report = watch, .context = &seen};
    Table *table = corruption_table(network, images, &choice, 0, &task, &err);
    assert_non_null(table);
    assert_int_equal(seen.last, 5 * count); /* one measure for all rows */
    assert_int_equal(seen.total, 5 * count);
    table_free(table);
    seen = (Seen){.stop_at = 4};
    table = corruption_table(network, images, &choice, 0, &task, &err);
    cancel_clear();
    assert_null(table);
    assert_int_equal(err.status, STATUS_CANCELLED);
    assert_true(seen.last < 5 * count);
}

static void test_failures(void **state) {
    (void)state;
    Table *table = NULL;
    const CorruptionChoice choice = choice_of("fog");
    Error err;
    for (uint64_t k = 1; !table && k < 100000; k += k < 20 ? 1 : k / 3) {
        err = (Error){0};
        fault_arm(FAULT_ALLOC, k, true);
        table = corruption_table(network, images, &choice, 0, NULL, &err);
        fault_disarm();
        assert_true(table || err.status == STATUS_LIMIT);
    }
    assert_non_null(table);
    table_free(table);
    Dataset *noise = dataset_load("noise:3:1x28x28", 0, &err);
    assert_null(corruption_table(network, noise, &choice, 0, NULL, &err));
    assert_int_equal(err.status, STATUS_USAGE);
    dataset_free(noise);
}

/* ---- one image --------------------------------------------------------------------------------------------------- */

static void test_predict(void **state) {
    (void)state;
    Error err;
    Evaluation evaluation;
    const unsigned classes = 10;
    float logits[30 * 10], image[784];
    assert_true(evaluate_run(network, images, logits, &evaluation, NULL, &err));
    evaluation_done(&evaluation);
    for (unsigned i = 0; i < count; i++) {
        const float *z = logits + i * classes;
        unsigned predicted, best = 0;
        double probability, sum = 0;
        for (unsigned j = 0; j < classes; j++) best = z[j] > z[best] ? j : best;
        for (unsigned j = 0; j < classes; j++) sum += exp((double)z[j] - (double)z[best]);
        dataset_image(images, i, image);
        assert_true(predict_image(network, images, image, &predicted, &probability, &err));
        assert_int_equal(predicted, best);
        assert_true(fabs(probability - 1 / sum) < 1e-5);
    }
    Dataset colours = *images;
    unsigned predicted;
    double probability;
    colours.channels = 3;
    assert_false(predict_image(network, &colours, image, &predicted, &probability, &err));
    assert_int_equal(err.status, STATUS_USAGE);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all),      cmocka_unit_test(test_some),    cmocka_unit_test(test_progress),
        cmocka_unit_test(test_failures), cmocka_unit_test(test_predict),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
