/* test_histogram -- counts, number of bins and moments of weights equal NumPy's and SciPy's (tests/oracle/bins.h). */
#include "weft/spectral/histogram.h"

#include "../oracle/bins.h"
#include "../support/handmade.h"
#include "weft/base/bins.h"
#include "weft/base/error.h"
#include "weft/base/fault.h"
#include "weft/base/memory.h"
#include "weft/base/table.h"
#include "weft/base/text.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

enum { WEIGHTS = 1000, BINS = sizeof bell_counts / sizeof *bell_counts };

/* Two layers with the 1000 numbers of the case "bell", exact in float32, times `factor`. */
static Network *bell_network(float factor) {
    const HandmadeLayer layers[] = {{"conv", 4, {10, 4, 3, 3}}, {"fc", 2, {64, 10}}};
    Network *network = handmade_network(layers, 2, 0);
    for (unsigned i = 0; i < WEIGHTS; i++) {
        float sum = -3;
        for (unsigned k = 0; k < 6; k++) sum += (float)(((6 * i + k) * 2654435761u) >> 16 & 0xfff) / 4096;
        handmade_weights(network, i < 360 ? 0 : 1)[i < 360 ? i : i - 360] = factor * sum;
    }
    return network;
}

static void near(double value, double expected) {
    if (fabs(value - expected) > 1e-12) fail_msg("%.17g, not %.17g", value, expected);
}

static void one_network(void **state) {
    (void)state;
    Error err;
    WeightHistogram histogram;
    Network *network = bell_network(1);
    bool *all = handmade_all(network);
    assert_true(histogram_measure(network, NULL, all, 0, NULL, &histogram, &err));
    assert_int_equal(histogram.bins.count, BINS); /* the exact quartiles are those of NumPy */
    for (size_t i = 0; i < BINS; i++) assert_int_equal(histogram.counts[0][i], bell_counts[i]);
    assert_memory_equal(histogram.bins.edges, bell_edges, sizeof bell_edges);
    const WeightMoments *moments = &histogram.moments[0];
    const double found[] = {moments->mean,     moments->deviation, moments->least,
                            moments->greatest, moments->kurtosis,  (double)moments->zeros / WEIGHTS};
    for (size_t i = 0; i < 6; i++) near(found[i], bell_moments[i]);
    histogram_done(&histogram);
    mem_free(all);
    network_free(network);
}

static void two_networks_share_bins(void **state) {
    (void)state;
    Error err;
    WeightHistogram histogram;
    Network *network = bell_network(1), *quarter = bell_network(0.25f);
    bool *all = handmade_all(network);
    assert_true(histogram_measure(network, quarter, all, 0, NULL, &histogram, &err));
    assert_int_equal(histogram.bins.count, POOL_BINS);
    histogram_done(&histogram);
    Table *table = histogram_table(network, quarter, all, BINS, NULL, &err);
    for (size_t i = 0; i < BINS; i++) {
        assert_true(table_number(table, "count", i) == bell_counts[i]);
        assert_true(table_number(table, "count_vs", i) == quarter_counts[i]);
        near(table_number(table, "share_vs", i), quarter_counts[i] / 10.0);
    }
    table_free(table);
    mem_free(all);
    network_free(network);
    network_free(quarter);
}

static void what_is_not_finite_is_counted(void **state) {
    (void)state;
    Error err;
    Network *network = bell_network(1);
    bool *all = handmade_all(network);
    float *weights = handmade_weights(network, 0);
    weights[0] = NAN;
    weights[1] = INFINITY;
    weights[2] = 0;
    Table *table = histogram_table(network, NULL, all, 5, NULL, &err);
    double counted = 0;
    for (size_t i = 0; i < 5; i++) counted += table_number(table, "count", i);
    assert_true(counted == WEIGHTS - 2);
    assert_string_equal(table_get_note(table, "not_finite"), "2");
    assert_string_equal(table_get_note(table, "weights"), "1000");
    assert_string_equal(table_get_note(table, "zeros"), "0.00100200401");
    table_free(table);
    for (size_t i = 0; i < 360; i++) weights[i] = NAN;
    all[1] = false;
    assert_null(histogram_table(network, NULL, all, 5, NULL, &err));
    assert_int_equal(err.status, STATUS_BAD_INPUT);
    for (size_t i = 0; i < 360; i++) weights[i] = -2; /* all alike: one bin around them */
    table = histogram_table(network, NULL, all, 0, NULL, &err);
    assert_int_equal(table->rows, 1);
    assert_true(table_number(table, "low", 0) == -2.5 && table_number(table, "high", 0) == -1.5);
    assert_null(table_get_note(table, "kurtosis"));
    table_free(table);
    mem_free(all);
    network_free(network);
}

static int ascending(const void *a, const void *b) {
    const float x = *(const float *)a, y = *(const float *)b;
    return x < y ? -1 : x > y;
}

/* Layers of bfloat16 numbers, of which the first pass tells everything, alone and beside others: as plain loops and
 * sorting have it. */
static void bfloat16(void **state) {
    (void)state;
    Error err;
    for (size_t coarse = 1; coarse <= 2; coarse++) {
        WeightHistogram histogram;
        Network *network = bell_network(1);
        bool *all = handmade_all(network);
        float values[WEIGHTS];
        double mean = 0, second = 0, fourth = 0;
        for (size_t i = 0; i < WEIGHTS; i++) {
            float *weight = &handmade_weights(network, i < 360 ? 0 : 1)[i < 360 ? i : i - 360];
            uint32_t bits;
            memcpy(&bits, weight, sizeof bits);
            if (i < 360 || coarse == 2) bits &= 0xffff0000;
            memcpy(weight, &bits, sizeof bits);
            values[i] = *weight;
            mean += (double)*weight / WEIGHTS;
        }
        for (size_t i = 0; i < WEIGHTS; i++) {
            const double off = ((double)values[i] - mean) * ((double)values[i] - mean);
            second += off / WEIGHTS;
            fourth += off * off / WEIGHTS;
        }
        qsort(values, WEIGHTS, sizeof *values, ascending);
        assert_true(histogram_measure(network, NULL, all, 0, NULL, &histogram, &err));
        const WeightMoments *m = &histogram.moments[0];
        near(m->mean, mean);
        near(m->deviation, sqrt(second));
        near(m->kurtosis, fourth / second / second - 3);
        assert_true(m->least == (double)values[0] && m->greatest == (double)values[WEIGHTS - 1]);
        double sorted[WEIGHTS];
        for (size_t i = 0; i < WEIGHTS; i++) sorted[i] = (double)values[i];
        assert_int_equal(histogram.bins.count,
                         bins_usual(sorted[0], sorted[WEIGHTS - 1], quantile_of(sorted, WEIGHTS, 0.25),
                                    quantile_of(sorted, WEIGHTS, 0.75), WEIGHTS, HISTOGRAM_BINS_USUAL));
        for (size_t b = 0; b < histogram.bins.count; b++) {
            const double *edge = &histogram.bins.edges[b];
            uint64_t count = 0;
            for (size_t i = 0; i < WEIGHTS; i++)
                count += sorted[i] >= edge[0] && (sorted[i] < edge[1] || b + 1 == histogram.bins.count);
            assert_int_equal(histogram.counts[0][b], count);
        }
        histogram_done(&histogram);
        mem_free(all);
        network_free(network);
    }
}

static void without_memory(void **state) {
    (void)state;
    Error err;
    Network *network = bell_network(1);
    bool *all = handmade_all(network), done = false;
    for (uint64_t k = 1; !done; k++) {
        fault_arm(FAULT_ALLOC, k, false);
        Table *table = histogram_table(network, network, all, 0, NULL, &err);
        done = fault_disarm() < k;
        if (!table) assert_int_equal(err.status, STATUS_LIMIT);
        table_free(table);
    }
    mem_free(all);
    network_free(network);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(one_network), cmocka_unit_test(two_networks_share_bins),
                                       cmocka_unit_test(what_is_not_finite_is_counted), cmocka_unit_test(bfloat16),
                                       cmocka_unit_test(without_memory)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
