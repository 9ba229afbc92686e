/* test_table_pandas -- joins, groups and stacks give what pandas gives (tests/oracle/make_tables.py). */
#include "weft/base/error.h"
#include "weft/base/table.h"
#include "weft/base/table_ops.h"
#include "weft/base/text.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

/* The next field of a line, cut off there; *at becomes NULL behind the last one. */
static char *field(char **at) {
    char *text = *at, *end = text + strcspn(text, "\t\n");
    *at = *end == '\t' ? end + 1 : NULL;
    *end = '\0';
    return text;
}

static Table *read_tsv(const char *name) {
    char path[128], line[4096];
    snprintf(path, sizeof path, "tests/oracle/tables/%s.tsv", name);
    FILE *file = fopen(path, "r");
    if (!file) fail_msg("%s cannot be read", path);
    Error err;
    Table *table = table_new(&err);
    assert_non_null(fgets(line, sizeof line, file));
    for (char *at = line; at;) {
        char *heading = field(&at), *type = strchr(heading, ':') + 1;
        type[-1] = '\0';
        table_column(table, heading, "", *type == 't' ? COLUMN_TEXT : *type == 'i' ? COLUMN_INTEGER : COLUMN_REAL);
    }
    while (fgets(line, sizeof line, file)) {
        char *at = line;
        for (size_t c = 0; c < table->column_count; c++) {
            char *text = field(&at);
            if (table->columns[c].type == COLUMN_TEXT)
                table_text(table, *text ? text : NULL);
            else if (table->columns[c].type == COLUMN_INTEGER)
                table_integer(table, strtoll(text, NULL, 10));
            else
                table_real(table, *text ? strtod(text, NULL) : NAN);
        }
    }
    fclose(file);
    table = table_finish(table, &err);
    assert_non_null(table);
    return table;
}

static Table *in_order(Table *table) {
    Error err;
    TableOrder orders[64] = {0};
    for (size_t c = 0; c < table->column_count; c++) orders[c].column = table->columns[c].name;
    Table *sorted = table_sort(table, NULL, orders, table->column_count, &err);
    assert_non_null(sorted);
    table_free(table);
    return sorted;
}

/* Takes both. */
static void compare(const char *name, Table *table, Table *expected, bool ordered) {
    assert_non_null(table);
    if (!ordered) table = in_order(table), expected = in_order(expected);
    assert_int_equal(table->column_count, expected->column_count);
    assert_int_equal(table->rows, expected->rows);
    for (size_t c = 0; c < table->column_count; c++) {
        const Column *a = &table->columns[c], *b = &expected->columns[c];
        assert_string_equal(a->name, b->name);
        assert_int_equal(a->type == COLUMN_TEXT, b->type == COLUMN_TEXT);
        for (size_t r = 0; r < table->rows; r++) {
            if (a->type == COLUMN_TEXT) {
                const char *x = a->cells[r].text, *y = b->cells[r].text;
                if (!x != !y || (x && strcmp(x, y) != 0)) fail_msg("%s: %s, row %zu: %s, %s", name, a->name, r, x, y);
                continue;
            }
            const double x = table_number(table, a->name, r), y = table_number(expected, b->name, r);
            if (isnan(x) != isnan(y) || fabs(x - y) > 1e-12 * fabs(y))
                fail_msg("%s: %s, row %zu: %.17g, %.17g", name, a->name, r, x, y);
        }
    }
    table_free(table);
    table_free(expected);
}

static void joins(void **state) {
    (void)state;
    Error err;
    Table *tables[3] = {read_tsv("a"), read_tsv("b"), read_tsv("c")};
    const char *const names[] = {"a", "b", "c"}, *const by[] = {"layer", "epoch"};
    static const char *const keeps[] = {"common", "first", "all"};
    static const struct {
        const char *name;
        size_t tables, by;
    } cases[] = {{"join-ab", 2, 2}, {"join-abc", 3, 2}, {"join-layer", 2, 1}};
    for (size_t i = 0; i < 3; i++) {
        for (TableKeep keep = KEEP_COMMON; keep <= KEEP_ALL; keep++) {
            char name[64];
            snprintf(name, sizeof name, "%s-%s", cases[i].name, keeps[keep]);
            const TableJoin join = {.tables = (const Table *const *)tables,
                                    .names = names,
                                    .count = cases[i].tables,
                                    .by = by,
                                    .by_count = cases[i].by,
                                    .keep = keep};
            compare(name, table_join(&join, &err), read_tsv(name), keep != KEEP_ALL);
        }
    }
    for (size_t t = 0; t < 3; t++) table_free(tables[t]);
}

static void groups(void **state) {
    (void)state;
    Error err;
    static const TableStatistic take[] = {STATISTIC_MEAN,   STATISTIC_STD, STATISTIC_MIN,  STATISTIC_MAX,
                                          STATISTIC_MEDIAN, STATISTIC_SUM, STATISTIC_COUNT};
    const char *const by[] = {"layer", "epoch"};
    static const struct {
        const char *table, *expected;
        size_t first, count;
    } cases[] = {{"a", "group-layer", 0, 1}, {"a", "group-both", 0, 2}, {"c", "group-epoch", 1, 1}};
    for (size_t i = 0; i < 3; i++) {
        Table *table = read_tsv(cases[i].table);
        const TableGroup group = {.by = by + cases[i].first, .by_count = cases[i].count, .take = take, .take_count = 7};
        compare(cases[i].expected, table_group(table, &group, &err), read_tsv(cases[i].expected), true);
        table_free(table);
    }
}

static void stacks(void **state) {
    (void)state;
    Error err;
    Table *tables[3] = {read_tsv("a"), read_tsv("b"), read_tsv("c")};
    const char *const names[] = {"a", "b", "c"};
    compare("stack", table_stack((const Table *const *)tables, names, 3, "run", &err), read_tsv("stack"), true);
    for (size_t t = 0; t < 3; t++) table_free(tables[t]);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(joins), cmocka_unit_test(groups), cmocka_unit_test(stacks)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
