/* test_table -- building, reading and copying tables; running out of memory at every step of it. */
#include "weft/base/error.h"
#include "weft/base/fault.h"
#include "weft/base/table.h"
#include "weft/base/text.h"

#include <math.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static Table *sample(size_t rows, Error *err) {
    Table *table = table_new(err);
    table_column(table, "layer", "", COLUMN_TEXT);
    table_column(table, "weights", NULL, COLUMN_INTEGER);
    table_column(table, "share", "%", COLUMN_REAL);
    table_note(table, "command", "show %s", "base");
    for (size_t r = 0; r < rows; r++) {
        table_text(table, r % 3 == 2 ? NULL : "conv");
        table_integer(table, (int64_t)r * 1000000007);
        table_real(table, (double)r / 7);
    }
    table_note(table, "seed", "%d", 7);
    table_note(table, "command", "show %s again", "base");
    return table_finish(table, err);
}

static void check_sample(const Table *table, size_t rows) {
    assert_int_equal(table->rows, rows);
    assert_int_equal(table->column_count, 3);
    assert_int_equal(table->note_count, 2);
    assert_string_equal(table_get_note(table, "command"), "show base again");
    assert_string_equal(table_get_note(table, "seed"), "7");
    assert_null(table_get_note(table, "none"));
    assert_string_equal(table->columns[1].unit, "");
    assert_ptr_equal(table_find(table, "share"), &table->columns[2]);
    assert_null(table_find(table, "Share"));
    for (size_t r = 0; r < rows; r++) {
        if (r % 3 == 2)
            assert_null(table->columns[0].cells[r].text);
        else
            assert_string_equal(table->columns[0].cells[r].text, "conv");
        assert_true(table_number(table, "weights", r) == (double)r * 1000000007);
        assert_true(table_number(table, "share", r) == (double)r / 7);
        assert_true(isnan(table_number(table, "layer", r)) && isnan(table_number(table, "none", r)));
    }
    assert_true(isnan(table_number(table, "share", rows)));
    assert_true(rows == 0 ? isnan(table_latest(table, "share"))
                          : table_latest(table, "share") == (double)(rows - 1) / 7);
    assert_true(isnan(table_latest(table, "layer")) && isnan(table_latest(table, "none")));
}

static void built_and_copied(void **state) {
    (void)state;
    static const size_t rows[] = {0, 1, 8, 9, 1000};
    for (size_t i = 0; i < 5; i++) {
        Error err;
        Table *table = sample(rows[i], &err);
        assert_non_null(table);
        check_sample(table, rows[i]);
        Table *copy = table_copy(table, &err);
        assert_non_null(copy);
        table_free(table);
        check_sample(copy, rows[i]);
        table_free(copy);
    }
    table_free(NULL);
}

static void an_empty_table(void **state) {
    (void)state;
    Error err;
    Table *table = table_finish(table_new(&err), &err);
    assert_non_null(table);
    Table *copy = table_copy(table, &err);
    assert_non_null(copy);
    for (TableFormat format = TABLE_TEXT; format <= TABLE_MARKDOWN; format++) {
        Str out = {0};
        table_write(table, format, 10, &out);
        assert_true(str_ok(&out, &err));
        if (format != TABLE_JSON) assert_string_equal(str_text(&out), "");
        str_done(&out);
    }
    table_free(copy);
    table_free(table);
}

static void without_memory(void **state) {
    (void)state;
    for (int all_after = 0; all_after < 2; all_after++) {
        bool hit = true;
        for (uint64_t k = 1; hit; k++) {
            Error err = {0};
            fault_arm(FAULT_ALLOC, k, all_after);
            Table *table = sample(30, &err), *copy = table ? table_copy(table, &err) : NULL;
            hit = fault_disarm() >= k;
            if (hit) {
                assert_null(copy);
                assert_int_equal(err.status, STATUS_LIMIT);
            } else {
                check_sample(copy, 30);
            }
            table_free(copy);
            table_free(table);
        }
    }
}

static void rows_of(const Table *table, const char *column, const char *text, size_t rows) {
    Error err;
    Table *part = table_where(table, column, text, &err);
    assert_non_null(part);
    assert_int_equal(part->rows, rows);
    assert_int_equal(part->column_count, 3);
    table_free(part);
}

static void some_rows(void **state) {
    (void)state;
    Error err;
    Table *table = sample(9, &err);
    rows_of(table, "layer", "conv", 6);
    rows_of(table, "weights", "2000000014", 1);
    rows_of(table, "weights", "2000000014.0", 1);
    rows_of(table, "share", "1", 1);
    rows_of(table, "share", "0.142857", 1); /* 1/7 */
    Table *part = table_where(table, "share", "1", &err);
    assert_true(table_number(part, "weights", 0) == 7000000049.0);
    assert_string_equal(part->columns[2].unit, "%");
    table_free(part);
    assert_null(table_where(table, "layers", "conv", &err));
    assert_string_equal(err.text,
                        "the table has no column 'layers'; did you mean layer? (columns: layer, weights, share)");
    assert_null(table_where(table, "share", "conv", &err));
    assert_string_equal(err.text, "no row with 'conv' in column 'share'");
    for (uint64_t k = 1, seen = k; seen >= k; k++) {
        fault_arm(FAULT_ALLOC, k, false);
        part = table_where(table, "layer", "conv", &err);
        seen = fault_disarm();
        assert_true((part != NULL) == (seen < k));
        if (!part) assert_int_equal(err.status, STATUS_LIMIT);
        table_free(part);
    }
    table_free(table);
}

static void writing_without_memory(void **state) {
    (void)state;
    Error err;
    Table *table = sample(30, &err);
    for (TableFormat format = TABLE_TEXT; format <= TABLE_MARKDOWN; format++) {
        for (size_t width = 0; width <= 20; width += 20) {
            bool hit = true;
            for (uint64_t k = 1; hit; k++) {
                Str out = {0};
                fault_arm(FAULT_ALLOC, k, k % 2);
                table_write(table, format, width, &out);
                hit = fault_disarm() >= k;
                assert_int_equal(str_ok(&out, &err), !hit);
                str_done(&out);
            }
        }
    }
    table_free(table);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(built_and_copied), cmocka_unit_test(an_empty_table),         cmocka_unit_test(without_memory),
        cmocka_unit_test(some_rows),        cmocka_unit_test(writing_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
