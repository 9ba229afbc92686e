/* test_compare -- two networks on the same images: counts and losses against the predictions of PyTorch image by image,
 * tests and intervals against SciPy and statsmodels (tests/oracle/make_stats.py), and nothing where logits are missing.
 */
#include "weft/probe/compare.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "../support/oracle.h"
#include "weft/base/error.h"
#include "weft/base/fault.h"
#include "weft/base/table.h"

static const ComparedNames names = {.a = "small", .b = "deep"};

static Evaluation evaluate(const char *path, const Dataset *data) {
    Error err;
    Evaluation evaluation;
    Network *network = oracle_network(path);
    if (!evaluate_run(network, data, NULL, &evaluation, NULL, &err)) fail_msg("%s", err.text);
    network_free(network);
    return evaluation;
}

/* ---- PyTorch's predictions --------------------------------------------------------------------------------------- */

typedef struct Witness {
    PairCounts pairs;
    double difference, error; /* of losses */
} Witness;

/* In two passes, as the definition of a standard deviation has it. */
static Witness witness_of(const Oracle *oracle, const Dataset *data) {
    Checkpoint *arrays = oracle_arrays(oracle, "forward");
    const char *const name[2] = {oracle->name, oracle->deep_name};
    Tensor *predictions[2], *losses[2];
    Witness out = {0};
    double squares = 0;
    const double n = (double)data->count;
    for (int i = 0; i < 2; i++) {
        predictions[i] = oracle_tensor(arrays, "%s.predictions", name[i]);
        losses[i] = oracle_tensor(arrays, "%s.ce_per_image", name[i]);
    }
    for (uint64_t i = 0; i < data->count; i++) {
        const bool a = (unsigned)predictions[0]->data[i] == data->labels[i],
                   b = (unsigned)predictions[1]->data[i] == data->labels[i];
        out.pairs.both += a && b;
        out.pairs.only_a += a && !b;
        out.pairs.only_b += b && !a;
        out.pairs.neither += !a && !b;
        out.difference += ((double)losses[1]->data[i] - (double)losses[0]->data[i]) / n;
    }
    for (uint64_t i = 0; i < data->count; i++) {
        const double away = (double)losses[1]->data[i] - (double)losses[0]->data[i] - out.difference;
        squares += away * away;
    }
    out.error = sqrt(squares / (n - 1) / n);
    for (int i = 0; i < 2; i++) {
        tensor_release(predictions[i]);
        tensor_release(losses[i]);
    }
    checkpoint_close(arrays);
    return out;
}

static void check_row(const Table *table, size_t row, const json_t *expected) {
    static const char *const cells[] = {"p_value", "difference", "difference_low", "difference_high"};
    assert_true(table_number(table, "only", row) == oracle_number(expected, "only_a"));
    assert_true(table_number(table, "only_vs", row) == oracle_number(expected, "only_b"));
    for (size_t i = 0; i < sizeof cells / sizeof *cells; i++) {
        const double value = oracle_number(expected, cells[i]);
        assert_true(fabs(table_number(table, cells[i], row) - value) <= 1e-8 * fabs(value));
    }
    assert_true(fabs(table_number(table, "loss_difference", row) - oracle_number(expected, "loss_difference")) < 2e-5);
    assert_true(fabs(table_number(table, "loss_difference_error", row) - oracle_number(expected, "loss_error")) < 2e-6);
    const char *mark = table_find(table, "significant")->cells[row].text;
    assert_string_equal(mark, oracle_number(expected, "p_value") < 0.05 ? "*" : "");
}

/* The tables of the samples' networks, against statsmodels. */
static void check_tables(const Evaluation *a, const Evaluation *b, const Dataset *data) {
    Error err;
    json_t *values = json_load_file("tests/oracle/stats.json", 0, NULL);
    const json_t *networks = json_object_get(values, "networks");
    Table *table = compare_table(a, b, &names, &err);
    check_row(table, 0, json_object_get(networks, oracle_slow() ? "first_100" : "all"));
    assert_non_null(strstr(table_get_note(table, "comparison"),
                           oracle_slow() ? "p = 1, within chance" : "p = 0.00011, significant"));
    table_free(table);
    table = compare_class_table(a, b, data, &names, &err);
    assert_int_equal(table->rows, 10);
    for (size_t i = 0; !oracle_slow() && i < 10; i++)
        check_row(table, i, json_array_get(json_object_get(networks, "classes"), i));
    assert_int_equal(table_find(table, "images")->cells[0].integer, a->class_images[0]);
    table_free(table);
    json_decref(values);
}

static void check_networks(const Oracle *oracle) {
    Dataset *data = oracle_images(oracle, oracle_slow() ? 100 : 0);
    Evaluation a = evaluate(oracle->network, data), b = evaluate(oracle->deep, data);
    const Comparison found = comparison_of(&a, &b), back = comparison_of(&b, &a);
    const Witness expected = witness_of(oracle, data);
    assert_memory_equal(&found.pairs, &expected.pairs, sizeof expected.pairs);
    assert_true(found.defined && found.images == data->count);
    assert_true(fabs(found.loss_a - a.loss) < 1e-12 && fabs(found.loss_b - b.loss) < 1e-12);
    assert_true(fabs(found.loss_difference - expected.difference) < 2e-5);
    assert_true(fabs(found.loss_difference_error - expected.error) < 2e-6);
    assert_true(back.pairs.only_a == found.pairs.only_b && back.loss_difference == -found.loss_difference);
    if (oracle->own) check_tables(&a, &b, data);
    evaluation_done(&a);
    evaluation_done(&b);
    dataset_free(data);
}

static void as_pytorch_predicts(void **state) {
    (void)state;
    for (const Oracle *o = NULL; (o = oracle_next_quick(o));) check_networks(o);
}

/* ---- attacked, corrupted ----------------------------------------------------------------------------------------- */

/* Every row is the comparison of that row's two evaluations; the accuracies are those of the networks alone. */
static void attacks_and_corruptions(void **state) {
    (void)state;
    enum { ATTACKS = 2 };
    Error err;
    Dataset *data = dataset_load("sample:fashion-test", 30, &err);
    Network *a = oracle_network("samples/fashion-resnet8.safetensors"),
            *b = oracle_network("samples/fashion-resnet20.safetensors");
    const Network *const networks[] = {a, b};
    const Attack attacks[ATTACKS] = {{.kind = ATTACK_FGSM}, {.kind = ATTACK_FGSM, .epsilon = 0.02}};
    Evaluation attacked[2][ATTACKS];
    for (int i = 0; i < 2; i++) assert_true(attack_run(networks[i], data, attacks, ATTACKS, attacked[i], NULL, &err));
    Table *table = compare_attack_table(attacks, attacked[0], attacked[1], ATTACKS, &names, &err);
    for (size_t i = 0; i < ATTACKS; i++) {
        const Comparison expected = comparison_of(&attacked[0][i], &attacked[1][i]);
        assert_true(table_number(table, "eps", i) == attacks[i].epsilon);
        assert_true(table_number(table, "accuracy", i) == evaluation_accuracy(&attacked[0][i]));
        assert_true(table_number(table, "accuracy_vs", i) == evaluation_accuracy(&attacked[1][i]));
        assert_true(table_number(table, "only", i) == (double)expected.pairs.only_a);
        for (int k = 0; k < 2; k++) evaluation_done(&attacked[k][i]);
    }
    table_free(table);
    CorruptionChoice choice;
    CorruptionScores scores[2];
    assert_true(corruption_choose("fog", &choice, &err));
    assert_true(corruption_run(networks, 2, data, &choice, 3, NULL, scores, &err));
    table = compare_corruption_table(&scores[0], &scores[1], &names, &err);
    Table *alone = corruption_table(b, data, &choice, 3, NULL, &err);
    assert_int_equal(table->rows, 5);
    for (size_t i = 0; i < 5; i++)
        assert_true(table_number(table, "accuracy_vs", i) == table_number(alone, "accuracy", i));
    assert_string_equal(table_get_note(table, "ood_accuracy_vs"), table_get_note(alone, "ood_accuracy"));
    for (int i = 0; i < 2; i++) corruption_scores_done(&scores[i]);
    table_free(alone);
    table_free(table);
    network_free(a);
    network_free(b);
    dataset_free(data);
}

/* ---- no logits, no numbers --------------------------------------------------------------------------------------- */

static void without_logits(void **state) {
    (void)state;
    Error err;
    bool hits[3] = {true, false, true};
    double losses[3] = {1, 2, 3}, broken[3] = {1, NAN, 3};
    char cause[] = "conv1";
    uint16_t labels[3] = {0, 1, 0};
    uint64_t two[2] = {2, 1};
    const Dataset data = {.classes = 2, .labels = labels};
    const Evaluation sound = {.images = 3, .hits = hits, .losses = losses, .classes = 2, .class_images = two},
                     lost = {.images = 3, .hits = hits, .losses = broken, .classes = 2, .no_logits = 1, .cause = cause};
    const Comparison found = comparison_of(&sound, &lost);
    assert_false(found.defined);
    assert_true(isnan(found.loss_difference) && isnan(found.loss_difference_error));
    Table *table = compare_table(&sound, &lost, &names, &err);
    static const char *const empty[] = {"accuracy",       "accuracy_vs",     "difference",   "p_value",
                                        "only",           "only_vs",         "loss_vs",      "loss_difference",
                                        "difference_low", "difference_high", "accuracy_low", "accuracy_vs_high"};
    for (size_t i = 0; i < sizeof empty / sizeof *empty; i++) assert_true(isnan(table_number(table, empty[i], 0)));
    assert_string_equal(table_find(table, "significant")->cells[0].text, "");
    assert_null(table_get_note(table, "comparison"));
    assert_null(table_get_note(table, "no_logits"));
    assert_non_null(strstr(table_get_note(table, "no_logits_vs"), "conv1"));
    table_free(table);
    table = compare_class_table(&sound, &lost, &data, &names, &err); /* the other class has its numbers */
    assert_true(isnan(table_number(table, "p_value", 1)) && table_number(table, "p_value", 0) == 1);
    table_free(table);
    const Evaluation none = {0};
    assert_false(comparison_of(&none, &none).defined);
    const Evaluation one = {.images = 1, .hits = hits, .losses = losses};
    assert_true(comparison_of(&one, &one).loss_difference == 0 &&
                isnan(comparison_of(&one, &one).loss_difference_error));
}

/* ---- many comparisons -------------------------------------------------------------------------------------------- */

static void many_comparisons(void **state) {
    (void)state;
    static const double only[][2] = {{0, 6}, {5, 5}, {NAN, 3}, {0, 20}, {30, 50}};
    Error err;
    Table *table = table_new(&err);
    compared_columns(table);
    for (size_t i = 0; i < 5; i++) compared_cells(table, 50, 100, only[i][0], only[i][1]);
    compared_note(table, "the reference");
    table = table_finish(table, &err);
    assert_true(fabs(table_number(table, "accuracy_low", 0) - 100 * stats_wilson(50, 100).low) < 1e-12);
    assert_true(isnan(table_number(table, "p_value", 2)) && isnan(table_number(table, "only_vs", 2)));
    assert_true(fabs(table_number(table, "p_value", 0) - 0.03125) < 1e-15);
    /* p of 0.031, 1, 2e-6 and 0.033: only the third is below 0.05 / 4, the next not below 0.05 / 3 */
    assert_string_equal(table_get_note(table, "comparison"),
                        "4 comparisons with the reference on the same images; 3 differ at p < 0.05, where chance alone "
                        "gives up to 0.2; 1 after Holm's correction");
    table_free(table);
    table = table_new(&err);
    compared_columns(table);
    compared_cells(table, NAN, 100, NAN, NAN);
    assert_true(isnan(table_number(table, "accuracy_low", 0)));
    compared_note(table, "the reference");
    assert_null(table_get_note(table, "comparison"));
    table_free(table);
}

/* A table that memory runs out for is none, whichever allocation fails. */
static void without_memory(void **state) {
    (void)state;
    bool hits[4] = {true, false, true, true}, others[4] = {true, true, false, true};
    double losses[4] = {1, 2, 3, 4};
    uint16_t labels[4] = {0, 1, 0, 1};
    const Dataset data = {.classes = 2, .labels = labels};
    const Evaluation a = {.images = 4, .hits = hits, .losses = losses, .classes = 2},
                     b = {.images = 4, .hits = others, .losses = losses, .classes = 2};
    Table *table = NULL;
    uint64_t k = 0;
    while (!table) {
        Error err;
        fault_arm(FAULT_ALLOC, ++k, false);
        table = compare_class_table(&a, &b, &data, &names, &err);
        fault_disarm();
        assert_true(table || err.status == STATUS_LIMIT);
    }
    assert_true(k > 10);
    assert_string_equal(table_get_note(table, "comparison"),
                        "2 comparisons with deep on the same images; 0 differ at p < 0.05, where chance alone gives up "
                        "to 0.1; 0 after Holm's correction");
    table_free(table);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(as_pytorch_predicts), cmocka_unit_test(attacks_and_corruptions),
                                       cmocka_unit_test(without_logits), cmocka_unit_test(many_comparisons),
                                       cmocka_unit_test(without_memory)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
