/* test_table_write -- what people and programs read: exact texts, and jansson and strtod as witnesses. */
#include "weft/base/error.h"
#include "weft/base/random.h"
#include "weft/base/table.h"
#include "weft/base/text.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static void check(const Table *table, TableFormat format, size_t width, const char *expected) {
    Error err;
    Str out = {0};
    table_write(table, format, width, &out);
    assert_true(str_ok(&out, &err));
    assert_string_equal(str_text(&out), expected);
    str_done(&out);
}

static Table *finish(Table *table) {
    Error err;
    table = table_finish(table, &err);
    assert_non_null(table);
    return table;
}

static Table *layers(void) {
    Error err;
    Table *table = table_new(&err);
    table_column(table, "layer", "", COLUMN_TEXT);
    table_column(table, "accuracy", "%", COLUMN_REAL);
    table_column(table, "loss", "", COLUMN_REAL);
    table_column(table, "n", "", COLUMN_INTEGER);
    table_text(table, "conv1"), table_real(table, 91.5), table_real(table, 0.25), table_integer(table, 16);
    table_text(table, NULL), table_real(table, NAN), table_real(table, 1.5), table_integer(table, -9);
    table_text(table, "a,\"b\"|c\n\x1b[2J"), table_real(table, 100), table_real(table, -INFINITY),
        table_integer(table, 0);
    table_note(table, "seed", "%d", 7);
    return finish(table);
}

static void text(void **state) {
    (void)state;
    Table *table = layers();
    check(table, TABLE_TEXT, 0,
          "layer               accuracy (%)  loss   n\n"
          "conv1                     91.500  0.25  16\n"
          "                                  1.50  -9\n"
          "a,\"b\"|c\\x0a\\x1b[2J       100.000  -inf   0\n");
    check(table, TABLE_TEXT, 34,
          "layer       accuracy (%)  loss   n\n"
          "conv1             91.500  0.25  16\n"
          "                          1.50  -9\n"
          "a,\"b…1b[2J       100.000  -inf   0\n");
    check(table, TABLE_TEXT, 27, /* the whole columns that fit, and the names of the others */
          "layer       accuracy (%)  …\n"
          "conv1             91.500  …\n"
          "                          …\n"
          "a,\"b…1b[2J       100.000  …\n"
          "not shown: loss, n; a wider\n"
          "  terminal or export shows\n"
          "  them\n");
    check(table, TABLE_TEXT, 3, "…\n…\n…\n…\n");
    for (size_t width = 1; width < 60; width++) { /* never wider than asked for */
        Str out = {0};
        table_write(table, TABLE_TEXT, width, &out);
        for (char *line = strtok(out.text, "\n"); line; line = strtok(NULL, "\n")) {
            assert_true(text_columns(line) <= width);
            assert_true(line[strlen(line) - 1] != ' ');
        }
        str_done(&out);
    }
    table_free(table);
}

/* A single row that is too wide stands as lines. */
static void record(void **state) {
    (void)state;
    Error err;
    Table *table = table_new(&err);
    table_column(table, "name", "", COLUMN_TEXT);
    table_column(table, "accuracy", "%", COLUMN_REAL);
    table_column(table, "note", "", COLUMN_TEXT);
    table_text(table, "base"), table_real(table, 91.5), table_text(table, "a text of many words");
    table = finish(table);
    check(table, TABLE_TEXT, 40,
          "name  accuracy (%)  note\n"
          "base        91.500  a text of many words\n");
    check(table, TABLE_TEXT, 22,
          "name          base\n"
          "accuracy (%)  91.500\n"
          "note          a text\n"
          "  of many words\n");
    table_free(table);
}

static void wide_characters(void **state) {
    (void)state;
    Error err;
    Table *table = table_new(&err);
    table_column(table, "name", "", COLUMN_TEXT);
    table_column(table, "n", "", COLUMN_INTEGER);
    table_text(table, "水水水水"), table_integer(table, 1);
    table_text(table, "é\xff"), table_integer(table, 2);
    table = finish(table);
    check(table, TABLE_TEXT, 0,
          "name      n\n"
          "水水水水  1\n"
          "é\\xff     2\n");
    check(table, TABLE_TEXT, 9,
          "name   …\n"
          "水…水  …\n"
          "é\\xff  …\n");
    table_free(table);
}

static void separated(void **state) {
    (void)state;
    Table *table = layers();
    check(table, TABLE_CSV, 10,
          "layer,accuracy,loss,n\n"
          "conv1,91.5,0.25,16\n"
          ",nan,1.5,-9\n"
          "\"a,\"\"b\"\"|c\n\x1b[2J\",100,-inf,0\n");
    check(table, TABLE_TSV, 10,
          "layer\taccuracy\tloss\tn\n"
          "conv1\t91.5\t0.25\t16\n"
          "\tnan\t1.5\t-9\n"
          "a,\"b\"|c\\n\x1b[2J\t100\t-inf\t0\n");
    check(table, TABLE_MARKDOWN, 10,
          "| layer | accuracy (%) | loss | n |\n"
          "| --- | ---: | ---: | ---: |\n"
          "| conv1 | 91.500 | 0.25 | 16 |\n"
          "|  |  | 1.50 | -9 |\n"
          "| a,\"b\"\\|c \x1b[2J | 100.000 | -inf | 0 |\n");
    table_free(table);
    Error err;
    table = table_new(&err);
    table_column(table, "a\tb|c", "x|y", COLUMN_TEXT);
    table_text(table, "\\\t\r\n");
    table_text(table, "");
    table = finish(table);
    check(table, TABLE_CSV, 0, "a\tb|c\n\"\\\t\r\n\"\n\"\"\n"); /* an empty line would be no row */
    check(table, TABLE_TSV, 0, "a\\tb|c\n\\\\\\t\\r\\n\n\n");
    check(table, TABLE_MARKDOWN, 0, "| a\tb\\|c (x\\|y) |\n| --- |\n| \\\\\t   |\n|  |\n");
    table_free(table);
}

static json_t *load(const Table *table) {
    Error err;
    json_error_t why;
    Str out = {0};
    table_write(table, TABLE_JSON, 0, &out);
    assert_true(str_ok(&out, &err));
    json_t *root = json_loads(str_text(&out), JSON_REJECT_DUPLICATES, &why);
    if (!root) fail_msg("%s in %s", why.text, str_text(&out));
    str_done(&out);
    return root;
}

/* Numbers as JSON writes them are numbers; NaN and infinities are null; whatever only looks like a number is a text. */
static void json_notes(void **state) {
    (void)state;
    static const char *const numbers[] = {"0", "-1", "0.25", "1e-05", "-2.5E+10", "18446744073709551615"};
    static const char *const texts[] = {"",   "007",  "0x1f", "1.", ".5",    "+1",  "1e",    "1e999",
                                        "--", "1 MB", " 1",   "1 ", "2/255", "NaN", "0.2.0", "infinity"};
    static const char *const nulls[] = {"nan", "-nan", "inf", "-inf"};
    Error err;
    Table *table = table_new(&err);
    for (size_t i = 0; i < 6; i++) table_note(table, numbers[i], "%s", numbers[i]);
    for (size_t i = 0; i < 16; i++) table_note(table, texts[i], "%s", texts[i]);
    for (size_t i = 0; i < 4; i++) table_note(table, nulls[i], "%s", nulls[i]);
    table = table_finish(table, &err);
    Str out = {0};
    json_error_t why;
    table_write(table, TABLE_JSON, 0, &out);
    json_t *root = json_loads(str_text(&out), JSON_DECODE_INT_AS_REAL, &why), *notes = json_object_get(root, "notes");
    assert_non_null(root);
    for (size_t i = 0; i < 6; i++)
        assert_true(json_real_value(json_object_get(notes, numbers[i])) == strtod(numbers[i], NULL));
    for (size_t i = 0; i < 16; i++) assert_string_equal(json_string_value(json_object_get(notes, texts[i])), texts[i]);
    for (size_t i = 0; i < 4; i++) assert_true(json_is_null(json_object_get(notes, nulls[i])));
    json_decref(root);
    str_done(&out);
    table_free(table);
}

static void json(void **state) {
    (void)state;
    Table *table = layers();
    json_t *root = load(table), *rows = json_object_get(root, "rows"), *columns = json_object_get(root, "columns");
    assert_int_equal(json_integer_value(json_object_get(json_object_get(root, "notes"), "seed")), 7);
    assert_int_equal(json_array_size(columns), 4);
    assert_string_equal(json_string_value(json_object_get(json_array_get(columns, 1), "unit")), "%");
    assert_string_equal(json_string_value(json_object_get(json_array_get(columns, 3), "type")), "integer");
    assert_int_equal(json_array_size(rows), 3);
    assert_true(json_is_null(json_object_get(json_array_get(rows, 1), "layer")));
    assert_true(json_is_null(json_object_get(json_array_get(rows, 1), "accuracy")));
    assert_true(json_is_null(json_object_get(json_array_get(rows, 2), "loss")));
    assert_true(json_number_value(json_object_get(json_array_get(rows, 0), "loss")) == 0.25);
    assert_int_equal(json_integer_value(json_object_get(json_array_get(rows, 1), "n")), -9);
    assert_string_equal(json_string_value(json_object_get(json_array_get(rows, 2), "layer")), "a,\"b\"|c\n\x1b[2J");
    json_decref(root);
    table_free(table);
    Error err;
    table = table_new(&err);
    table_column(table, "t\"", "", COLUMN_TEXT);
    char all[256] = {0};
    for (int i = 1; i < 128; i++) all[i - 1] = (char)i;
    table_text(table, all);
    table_text(table, "\xff\xed\xa0\x80\xc3\xa9\xf0\x9f\x98\x80\xc2");
    table = finish(table);
    root = load(table);
    rows = json_object_get(root, "rows");
    assert_string_equal(json_string_value(json_object_get(json_array_get(rows, 0), "t\"")), all);
    assert_string_equal(json_string_value(json_object_get(json_array_get(rows, 1), "t\"")),
                        "\ufffd\ufffd\ufffd\ufffdé😀\ufffd");
    json_decref(root);
    table_free(table);
}

/* Doubles of all magnitudes read back equal from CSV and JSON, and no shorter text of 9 digits or more would do. */
static void numbers_read_back(void **state) {
    (void)state;
    enum { ROWS = 5000 };
    Error err;
    Rng rng = {.seed = 21};
    Table *table = table_new(&err);
    table_column(table, "x", "", COLUMN_REAL);
    for (int i = 0; i < ROWS; i++) {
        uint64_t bits = (uint64_t)rng_u32(&rng) << 32 | rng_u32(&rng);
        double value;
        memcpy(&value, &bits, sizeof value);
        if (!isfinite(value) || i % 3 == 0) value = (double)(float)rng_normal(&rng);
        if (i < 4) value = (double[]){0.1, -0.0, 0x1p-1074, 0x1.fffffffffffffp1023}[i];
        table_real(table, value);
    }
    table = finish(table);
    json_t *root = load(table), *rows = json_object_get(root, "rows");
    Str out = {0};
    table_write(table, TABLE_CSV, 0, &out);
    char *line = strtok(out.text, "\n");
    assert_string_equal(line, "x");
    for (size_t r = 0; r < ROWS; r++) {
        double value = table->columns[0].cells[r].real;
        line = strtok(NULL, "\n");
        double back = strtod(line, NULL);
        assert_memory_equal(&back, &value, sizeof value);
        assert_true(json_number_value(json_object_get(json_array_get(rows, r), "x")) == value);
        for (int digits = 9; digits < 17; digits++) {
            char shorter[40];
            snprintf(shorter, sizeof shorter, "%.*g", digits, value);
            if (strlen(shorter) >= strlen(line)) break;
            assert_true(strtod(shorter, NULL) != value);
        }
    }
    json_decref(root);
    str_done(&out);
    table_free(table);
}

/* The cells of one real column as people read them, joined by blanks. */
static void check_column(const char *unit, const double *values, size_t count, const char *expected) {
    Error err;
    Str out = {0};
    Table *table = table_new(&err);
    table_column(table, "x", unit, COLUMN_REAL);
    for (size_t i = 0; i < count; i++) table_real(table, values[i]);
    table = finish(table);
    for (size_t i = 0; i < count; i++) {
        if (i > 0) str_add(&out, " ");
        table_cell_text(table, 0, i, &out);
    }
    assert_string_equal(str_text(&out), expected);
    str_done(&out);
    table_free(table);
}

#define COLUMN(unit, expected, ...) \
    check_column(unit, (const double[]){__VA_ARGS__}, sizeof((const double[]){__VA_ARGS__}) / sizeof(double), expected)

static void decimals(void **state) {
    (void)state;
    COLUMN("", "0.5 1.0 2.0 24.0", 0.5, 1, 2, 24);
    COLUMN("", "1 2 3", 1, 2, 3);
    COLUMN("", "0 0", 0, -0.0);
    COLUMN("%", "0.000 -0.001", -0.0001, -0.0009);
    COLUMN("", "2.303 0.123", 2.302585093, 0.123456);  /* four digits of what was measured */
    COLUMN("", "2.303 0.012", 2.302585093, 0.0123456); /* two of the least */
    COLUMN("", "2.303 -0.012", 2.302585093, -0.0123456);
    COLUMN("", "2.303 -0.012 0.000", 2.302585093, -0.0123456, 0);
    COLUMN("", "0.69315 0.69319 0.69340", 0.69314718, 0.69319217, 0.69340123); /* rows stay different */
    COLUMN("", "12345.6 12345.7 12346.0", 12345.61, 12345.72, 12345.99);
    COLUMN("", "0.700000 0.125000 0.123456", 0.7, 0.125, 0.123456); /* chosen ones whole */
    COLUMN("", "0.3333", 1 / 3.0);
    COLUMN("", "1234.57 -0.50", 1234.5678, -0.5);
    COLUMN("", "123456789 3", 123456789, 3);
    COLUMN("", "0.0012 1.0000", 0.00123456789, 1);
    COLUMN("", "1.235e-05 1", 0.0000123456789, 1); /* too far apart for one number of decimals */
    COLUMN("", "0.00001 1.00000", 0.00001, 1);     /* but not where they show exactly */
    COLUMN("", "1e-07 3e-05", 1e-7, 3e-5);
    COLUMN("", "1.5e+300 2", 1.5e300, 2);
    COLUMN("", " inf -inf 1.25", NAN, INFINITY, -INFINITY, 1.25);
    COLUMN("", "", NAN);
    COLUMN("", "0.1 0.7", (double)0.1f, (double)0.7f); /* float32's own digits are not shown */
    COLUMN("%", "91.500 0.000 100.000 33.333", 91.5, 0, 100, 100 / 3.0);
    COLUMN("%", "1e+300 50", 1e300, 50); /* no share: not 300 digits */
    COLUMN("ms", "10.0 0.5", 9.9999994, 0.5);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text),     cmocka_unit_test(wide_characters), cmocka_unit_test(separated),
        cmocka_unit_test(json),     cmocka_unit_test(json_notes),      cmocka_unit_test(numbers_read_back),
        cmocka_unit_test(decimals), cmocka_unit_test(record),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
