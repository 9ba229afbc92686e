/* test_table_ops -- Tables from Tables: closed forms, notes, bad columns, running out of memory at every step. */
#include "weft/base/error.h"
#include "weft/base/fault.h"
#include "weft/base/memory.h"
#include "weft/base/table.h"
#include "weft/base/table_ops.h"
#include "weft/base/text.h"

#include <math.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

typedef struct Row {
    const char *layer;
    int64_t epoch;
    double accuracy;
} Row;

static const Row rows[] = {{"layer10.b", 3, 90}, {"layer2.a", 1, NAN}, {NULL, 2, 92},
                           {"layer2.a", 3, 91},  {"layer10.b", 1, 92}, {"layer2.a", 2, -INFINITY}};
enum { ROWS = sizeof rows / sizeof *rows };

static Table *sample_of(const Row *from, size_t count) {
    Error err;
    Table *table = table_new(&err);
    table_column(table, "layer", "", COLUMN_TEXT);
    table_column(table, "epoch", "", COLUMN_INTEGER);
    table_column(table, "accuracy", "%", COLUMN_REAL);
    for (size_t r = 0; r < count; r++) {
        table_text(table, from[r].layer);
        table_integer(table, from[r].epoch);
        table_real(table, from[r].accuracy);
    }
    table_note(table, "data", "test");
    table_note(table, "mean", "91.25");
    table_note(table, "command", "evaluate a test");
    table_note(table, "seed", "7");
    table = table_finish(table, &err);
    assert_non_null(table);
    return table;
}

static Table *sample(void) {
    return sample_of(rows, ROWS);
}

/* "index index ...": which rows of the sample these are. */
static void expect_rows(const Table *table, const size_t *order, size_t count) {
    assert_int_equal(table->rows, count);
    for (size_t r = 0; r < count; r++) {
        const Row *row = &rows[order[r]];
        const char *layer = table->columns[0].cells[r].text;
        if (row->layer)
            assert_string_equal(layer, row->layer);
        else
            assert_null(layer);
        assert_int_equal(table->columns[1].cells[r].integer, row->epoch);
        const double x = table->columns[2].cells[r].real, y = row->accuracy;
        assert_true(x == y || (isnan(x) && isnan(y)));
    }
    assert_string_equal(table->columns[2].unit, "%");
}

static void expect_note(const Table *table, const char *key, const char *value) {
    const char *got = table_get_note(table, key);
    if (!value && got) fail_msg("note %s: %s", key, got);
    if (value && (!got || strcmp(got, value) != 0)) fail_msg("note %s: '%s', not '%s'", key, got ? got : "-", value);
}

static void natural_order(void **state) {
    (void)state;
    static const char *const ascending[] = {"",
                                            "a",
                                            "a1",
                                            "a01",
                                            "a1b",
                                            "a2",
                                            "a10",
                                            "a10.0",
                                            "a010.1",
                                            "layer2.9",
                                            "layer10",
                                            "x",
                                            "x0",
                                            "x00",
                                            "x18446744073709551616",
                                            "x18446744073709551617",
                                            "xy"};
    for (size_t a = 0; a < sizeof ascending / sizeof *ascending; a++) {
        for (size_t b = 0; b < sizeof ascending / sizeof *ascending; b++) {
            const int order = table_natural_order(ascending[a], ascending[b]);
            /* 1 and 01 are of one value: the bytes decide, whatever follows */
            if (strcmp(ascending[a], "a01") == 0 || strcmp(ascending[b], "a01") == 0) {
                assert_int_equal(order == 0, a == b);
                continue;
            }
            assert_int_equal(order < 0, a < b);
            assert_int_equal(order > 0, a > b);
        }
    }
}

static void sorted(void **state) {
    (void)state;
    Error err;
    Table *table = sample(), *made;
    made = table_sort(table, NULL, (TableOrder[]){{"layer", false}}, 1, &err);
    expect_rows(made, (size_t[]){1, 3, 5, 0, 4, 2}, ROWS); /* stable; missing last */
    expect_note(made, "mean", "91.25");
    expect_note(made, "from", "evaluate a test");
    expect_note(made, "command", NULL);
    table_free(made);
    made = table_sort(table, NULL, (TableOrder[]){{"accuracy", true}}, 1, &err);
    expect_rows(made, (size_t[]){2, 4, 3, 0, 5, 1}, ROWS); /* missing last, also here */
    table_free(made);
    made = table_sort(table, NULL, (TableOrder[]){{"layer", true}, {"epoch", false}}, 2, &err);
    expect_rows(made, (size_t[]){4, 0, 1, 5, 3, 2}, ROWS);
    table_free(made);
    assert_null(table_sort(table, NULL, (TableOrder[]){{"layer", true}, {"acuracy", false}}, 2, &err));
    assert_int_equal(err.status, STATUS_USAGE);
    assert_string_equal(err.text,
                        "the table has no column 'acuracy'; did you mean accuracy? (columns: layer, epoch, accuracy)");
    table_free(table);
}

static void picked(void **state) {
    (void)state;
    Error err;
    Table *table = sample(), *made = table_pick(table, (size_t[]){4, 1, 1}, 3, &err), *again;
    expect_rows(made, (size_t[]){4, 1, 1}, 3);
    expect_note(made, "mean", NULL); /* it is another one now */
    expect_note(made, "data", "test");
    expect_note(made, "seed", "7");
    table_note(made, "command", "head last 3");
    again = table_pick(made, NULL, 0, &err);
    assert_int_equal(again->rows, 0);
    expect_note(again, "from", "evaluate a test | head last 3");
    table_free(again);
    table_free(made);
    table_free(table);
}

static void with_column(void **state) {
    (void)state;
    Error err;
    Table *table = sample(), *made;
    Cell cells[ROWS];
    for (size_t r = 0; r < ROWS; r++) cells[r].real = (double)r / 2;
    made = table_with(table, "half", "s", COLUMN_REAL, cells, &err);
    assert_int_equal(made->column_count, 4);
    assert_string_equal(made->columns[3].unit, "s");
    assert_true(table_number(made, "half", 5) == 2.5 && table_number(made, "epoch", 5) == 2);
    expect_note(made, "mean", "91.25");
    table_free(made);
    made = table_with(table, "layer", "", COLUMN_REAL, cells, &err); /* in its place */
    assert_int_equal(made->column_count, 3);
    assert_true(table_number(made, "layer", 3) == 1.5 && made->columns[0].type == COLUMN_REAL);
    table_free(made);
    table_free(table);
}

static void joined(void **state) {
    (void)state;
    Error err;
    static const Row left[] = {{"a", 1, 10}, {"b", 2, 20}, {NULL, 3, 30}}, right[] = {{NULL, 4, 40}, {"b", 5, 50}};
    Table *one = sample_of(left, 3), *two = sample_of(right, 2);
    TableJoin join = {.tables = (const Table *const[]){one, two},
                      .names = (const char *const[]){"base", "net-2.x"},
                      .count = 2,
                      .by = (const char *const[]){"layer"},
                      .by_count = 1};
    Table *made = table_join(&join, &err);
    static const char *const names[] = {"layer", "epoch_base", "accuracy_base", "epoch_net_2_x", "accuracy_net_2_x"};
    assert_int_equal(made->column_count, 5);
    for (size_t c = 0; c < 5; c++) assert_string_equal(made->columns[c].name, names[c]);
    assert_string_equal(made->columns[4].unit, "%");
    assert_int_equal(made->rows, 2);
    assert_string_equal(made->columns[0].cells[0].text, "b");
    assert_null(made->columns[0].cells[1].text); /* missing keys are equal */
    assert_true(table_number(made, "accuracy_net_2_x", 0) == 50 && table_number(made, "epoch_net_2_x", 1) == 4);
    assert_int_equal(made->columns[3].type, COLUMN_INTEGER);
    expect_note(made, "unmatched", "1 row of base");
    expect_note(made, "repeated", NULL);
    expect_note(made, "data", "test");
    expect_note(made, "mean", NULL);
    expect_note(made, "from", "base: evaluate a test; net-2.x: evaluate a test");
    table_free(made);
    join.keep = KEEP_ALL;
    join.columns = (const char *const[]){"epoch"};
    join.column_count = 1;
    made = table_join(&join, &err);
    assert_int_equal(made->rows, 3);
    assert_int_equal(made->column_count, 3);
    assert_int_equal(made->columns[1].type, COLUMN_INTEGER);
    assert_int_equal(made->columns[2].type, COLUMN_REAL); /* it can be missing */
    assert_true(isnan(table_number(made, "epoch_net_2_x", 0)));
    expect_note(made, "unmatched", NULL);
    table_free(made);
    table_free(one);
    table_free(two);
}

static void repeated_keys(void **state) {
    (void)state;
    Error err;
    static const Row left[] = {{"a", 1, 10}, {"a", 2, 20}, {"b", 3, 30}}, right[] = {{"a", 4, 40}, {"a", 5, 50}};
    Table *one = sample_of(left, 3), *two = sample_of(right, 2);
    TableJoin join = {.tables = (const Table *const[]){one, two, one},
                      .names = (const char *const[]){"x", "y", "x"},
                      .count = 3,
                      .by = (const char *const[]){"layer"},
                      .by_count = 1};
    Table *made = table_join(&join, &err);
    assert_int_equal(made->rows, 8);
    assert_string_equal(made->columns[5].name, "epoch_x_2"); /* a table joined with itself */
    for (size_t r = 0; r < 8; r++) {
        assert_true(table_number(made, "epoch_x", r) == (double)(1 + r / 4));
        assert_true(table_number(made, "epoch_y", r) == (double)(4 + r / 2 % 2));
        assert_true(table_number(made, "epoch_x_2", r) == (double)(1 + r % 2));
    }
    expect_note(made, "repeated", "a: 2 rows of x, 2 rows of y, 2 rows of x; every combination is a row");
    expect_note(made, "unmatched", "1 row of x, 1 row of x");
    table_free(made);
    mem_set_budget(400);
    assert_null(table_join(&join, &err));
    mem_set_budget(0);
    assert_int_equal(err.status, STATUS_LIMIT);
    assert_string_equal(err.text, "the join would have 8 rows, more than --max-memory allows");
    table_free(one);
    table_free(two);
}

static void joins_refused(void **state) {
    (void)state;
    Error err;
    Table *one = sample(), *two;
    Cell cells[ROWS] = {{.real = 0}};
    two = table_with(one, "layer", "", COLUMN_REAL, cells, &err);
    TableJoin join = {.tables = (const Table *const[]){one, two},
                      .names = (const char *const[]){"a", "b"},
                      .count = 2,
                      .by = (const char *const[]){"layer"},
                      .by_count = 1};
    assert_null(table_join(&join, &err));
    assert_string_equal(err.text, "column 'layer' holds texts in 'a', numbers in 'b'");
    join.by = (const char *const[]){"laier"};
    assert_null(table_join(&join, &err));
    assert_string_equal(err.text, "'a' has no column 'laier'; did you mean layer? (columns: layer, epoch, accuracy)");
    join.by = (const char *const[]){"epoch"};
    join.columns = (const char *const[]){"loss"};
    join.column_count = 1;
    assert_null(table_join(&join, &err));
    assert_string_equal(err.text, "'a' has no column 'loss' (columns: layer, epoch, accuracy)");
    assert_int_equal(err.status, STATUS_USAGE);
    table_free(one);
    table_free(two);
}

static void stacked(void **state) {
    (void)state;
    Error err;
    Table *one = sample(), *two, *made;
    Cell cells[ROWS];
    for (size_t r = 0; r < ROWS; r++) cells[r].integer = (int64_t)r;
    two = table_with(one, "loss", "", COLUMN_INTEGER, cells, &err);
    const Table *const tables[] = {one, two};
    const char *const names[] = {"one", "two"};
    made = table_stack(tables, names, 2, "network", &err);
    assert_int_equal(made->rows, 2 * ROWS);
    assert_string_equal(made->columns[0].name, "network");
    assert_string_equal(made->columns[0].cells[ROWS - 1].text, "one");
    assert_string_equal(made->columns[0].cells[ROWS].text, "two");
    assert_int_equal(made->columns[4].type, COLUMN_REAL);
    assert_true(isnan(table_number(made, "loss", 3)) && table_number(made, "loss", ROWS + 3) == 3);
    assert_true(table_number(made, "epoch", ROWS + 3) == 3);
    table_free(made);
    assert_null(table_stack(tables, names, 2, "epoch", &err));
    assert_string_equal(err.text, "'one' has a column 'epoch' already; choose another name");
    table_free(two);
    two = table_with(one, "accuracy", "", COLUMN_INTEGER, cells, &err);
    assert_null(table_stack((const Table *const[]){one, two}, names, 2, "network", &err));
    assert_string_equal(err.text, "column 'accuracy' has the unit '' in 'two', '%' in the tables before it");
    table_free(two);
    two = table_with(one, "layer", "", COLUMN_INTEGER, cells, &err);
    assert_null(table_stack((const Table *const[]){one, two}, names, 2, "network", &err));
    assert_string_equal(err.text, "column 'layer' holds numbers in 'two', texts in the tables before it");
    table_free(two);
    table_free(one);
}

static void statistics(void **state) {
    (void)state;
    static const struct {
        double values[4];
        size_t count;
        double expected[STATISTIC_KINDS]; /* mean, std, min, max, median, sum, count */
    } cases[] = {
        {{4, 1, NAN, 1}, 4, {2, 1.7320508075688772, 1, 4, 1, 6, 3}},
        {{1, 2, 3, 4}, 4, {2.5, 1.2909944487358056, 1, 4, 2.5, 10, 4}},
        {{1e9 + 1, 1e9 + 2, 1e9 + 3}, 3, {1e9 + 2, 1, 1e9 + 1, 1e9 + 3, 1e9 + 2, 3e9 + 6, 3}},
        {{5}, 1, {5, NAN, 5, 5, 5, 5, 1}},
        {{NAN}, 1, {NAN, NAN, NAN, NAN, NAN, NAN, 0}},
        {{INFINITY, INFINITY}, 2, {INFINITY, NAN, INFINITY, INFINITY, INFINITY, INFINITY, 2}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        for (TableStatistic s = 0; s < STATISTIC_KINDS; s++) {
            double values[4];
            memcpy(values, cases[i].values, sizeof values);
            const double got = table_statistic(s, values, cases[i].count), expected = cases[i].expected[s];
            if (!(got == expected || (isnan(got) && isnan(expected)) || fabs(got - expected) < 1e-15))
                fail_msg("case %zu, statistic %d: %.17g, not %.17g", i, (int)s, got, expected);
        }
    }
}

static void grouped(void **state) {
    (void)state;
    Error err;
    Table *table = sample(), *made;
    const TableStatistic mean[] = {STATISTIC_MEAN};
    made = table_group(
        table, &(TableGroup){.by = (const char *const[]){"layer"}, .by_count = 1, .take = mean, .take_count = 1}, &err);
    assert_int_equal(made->rows, 3);
    assert_int_equal(made->column_count, 4);
    assert_string_equal(made->columns[1].name, "count");
    assert_string_equal(made->columns[2].name, "epoch_mean");
    assert_string_equal(made->columns[3].name, "accuracy_mean");
    assert_string_equal(made->columns[3].unit, "%");
    assert_string_equal(made->columns[0].cells[0].text, "layer10.b");
    assert_null(made->columns[0].cells[2].text);
    assert_true(table_number(made, "accuracy_mean", 0) == 91 && table_number(made, "count", 1) == 3);
    expect_note(made, "mean", NULL);
    expect_note(made, "from", "evaluate a test");
    table_free(made);
    made = table_group(table, &(TableGroup){.take = (const TableStatistic[]){STATISTIC_COUNT}, .take_count = 1}, &err);
    assert_int_equal(made->rows, 1); /* all rows are one group */
    assert_true(table_number(made, "count", 0) == ROWS && table_number(made, "accuracy_count", 0) == ROWS - 1);
    table_free(made);
    assert_null(table_group(
        table,
        &(TableGroup){
            .called = "t", .columns = (const char *const[]){"layer"}, .column_count = 1, .take = mean, .take_count = 1},
        &err));
    assert_string_equal(err.text, "column 'layer' holds texts, not numbers");
    assert_null(table_group(
        table,
        &(TableGroup){
            .called = "t", .columns = (const char *const[]){"lair"}, .column_count = 1, .take = mean, .take_count = 1},
        &err));
    assert_string_equal(err.text, "'t' has no column 'lair' (numbers: epoch, accuracy)");
    table_free(table);
}

static void empty_tables(void **state) {
    (void)state;
    Error err;
    Table *table = sample_of(rows, 0), *made;
    const char *const by[] = {"layer"}, *const names[] = {"a", "b"};
    const Table *const tables[] = {table, table};
    assert_non_null(made = table_sort(table, NULL, (TableOrder[]){{"layer", false}}, 1, &err));
    table_free(made);
    assert_non_null(
        made = table_join(&(TableJoin){.tables = tables, .names = names, .count = 2, .by = by, .by_count = 1}, &err));
    assert_int_equal(made->rows, 0);
    table_free(made);
    assert_non_null(made = table_group(table, &(TableGroup){.by = by, .by_count = 1}, &err));
    assert_int_equal(made->rows, 0);
    table_free(made);
    table_free(table);
}

/* ---- without memory ---------------------------------------------------------------------------------------------- */

static Table *sort_it(const Table *table, Error *err) {
    return table_sort(table, NULL, (TableOrder[]){{"layer", true}, {"epoch", false}}, 2, err);
}

static Table *with_it(const Table *table, Error *err) {
    return table_with(table, "again", "", COLUMN_TEXT, table->columns[0].cells, err);
}

static Table *join_it(const Table *table, Error *err) {
    const TableJoin join = {.tables = (const Table *const[]){table, table},
                            .names = (const char *const[]){"a", "b"},
                            .count = 2,
                            .by = (const char *const[]){"layer"},
                            .by_count = 1,
                            .keep = KEEP_ALL};
    return table_join(&join, err);
}

static Table *stack_it(const Table *table, Error *err) {
    return table_stack((const Table *const[]){table, table}, (const char *const[]){"a", "b"}, 2, "run", err);
}

static Table *group_it(const Table *table, Error *err) {
    const TableStatistic take[] = {STATISTIC_MEAN, STATISTIC_MEDIAN};
    return table_group(
        table, &(TableGroup){.by = (const char *const[]){"layer"}, .by_count = 1, .take = take, .take_count = 2}, err);
}

static void without_memory(void **state) {
    (void)state;
    Table *(*const operations[])(const Table *, Error *) = {sort_it, with_it, join_it, stack_it, group_it};
    Table *table = sample();
    for (size_t i = 0; i < sizeof operations / sizeof *operations; i++) {
        bool hit = true;
        for (uint64_t k = 1; hit; k++) {
            Error err;
            fault_arm(FAULT_ALLOC, k, k % 2);
            Table *made = operations[i](table, &err);
            hit = fault_disarm() >= k;
            assert_int_equal(made == NULL, hit);
            if (hit) assert_int_equal(err.status, STATUS_LIMIT);
            table_free(made);
        }
    }
    table_free(table);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(natural_order), cmocka_unit_test(sorted),       cmocka_unit_test(picked),
        cmocka_unit_test(with_column),   cmocka_unit_test(joined),       cmocka_unit_test(repeated_keys),
        cmocka_unit_test(joins_refused), cmocka_unit_test(stacked),      cmocka_unit_test(statistics),
        cmocka_unit_test(grouped),       cmocka_unit_test(empty_tables), cmocka_unit_test(without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
