/* test_run_log -- logs of runs as other programs and accidents leave them, and the pace of a run by its log. */
#include "weft/base/error.h"
#include "weft/base/fault.h"
#include "weft/base/run.h"
#include "weft/base/table.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "../support/bytes.h"

static char folder[64];

static int make_folder(void **state) {
    (void)state;
    strcpy(folder, "/tmp/weft-log-XXXXXX");
    return mkdtemp(folder) && chdir(folder) == 0 ? 0 : -1;
}

static int remove_folder(void **state) {
    (void)state;
    return chdir("/") == 0 ? system(text_of("rm -r %s", folder)) : -1;
}

static void put(const char *path, const char *text) {
    assert_true(write_bytes(path, text, strlen(text)));
}

/* ---- rows -------------------------------------------------------------------------------------------------------- */

/* What stands of a log whose run goes on from the last step. */
static void kept(const char *heading, const char *log, const char *stands) {
    Error err = {0};
    char text[400] = "";
    Run *run = run_open("a", &err);
    assert_non_null(run);
    put("a/log.csv", log);
    if (!run_log_open(run, heading, UINT64_MAX, &err)) fail_msg("%s", err.text);
    run_close(run);
    FILE *file = fopen("a/log.csv", "r");
    assert_non_null(file);
    text[fread(text, 1, sizeof text - 1, file)] = '\0';
    fclose(file);
    assert_string_equal(text, stands);
}

/* Up to the first line that begins with no step: one that no run could have reached is none, either. */
static void rows_without_a_step(void **state) {
    (void)state;
    static const char *const bad[] = {"x,2\n",
                                      ",2\n",
                                      "-1,2\n",
                                      "1.5,2\n",
                                      "1 ,2\n",
                                      "18446744073709551616,2\n",  /* 2^64 */
                                      "99999999999999999999,2\n",  /* too large to add its last digit */
                                      "999999999999999999999,2\n", /* and to multiply with ten */
                                      "1\n"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        kept("step,loss", text_of("step,loss\n7,1\n%s9,3\n", bad[i]), "step,loss\n7,1\n");
    kept("step,loss", "step,loss\n18446744073709551615,2\n", "step,loss\n18446744073709551615,2\n");
    kept("step", "step\n1\n2\nx\n", "step\n1\n2\n");
}

/* A call refused while a log is opened, a row added, all synced: one line, of the folder. */
static void calls_refused(void **state) {
    (void)state;
    static const unsigned kinds[] = {FAULT_ALLOC | FAULT_OPEN | FAULT_READ | FAULT_RENAME, FAULT_WRITE, FAULT_FSYNC};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        bool hit = true;
        for (uint64_t n = 1; hit; n++) {
            Error err = {0};
            Run *run = run_open("a", &err);
            assert_non_null(run);
            if (n % 2)
                unlink("a/log.csv");
            else
                put("a/log.csv", "step,loss\n1,2\n3");
            fault_arm(kinds[i], n, false);
            const bool done =
                run_log_open(run, "step,loss", 9, &err) && run_log_row(run, "2,3", &err) && run_log_sync(run, &err);
            hit = fault_disarm() >= n;
            if (!done) {
                assert_true(err.status == STATUS_WRITE || err.status == STATUS_BAD_INPUT || err.status == STATUS_LIMIT);
                if (err.status != STATUS_LIMIT && (err.text[0] != 'a' || !strchr(":/", err.text[1])))
                    fail_msg("%d: %s", err.status, err.text);
            }
            if (done) assert_false(hit && kinds[i] == FAULT_FSYNC);
            run_close(run);
        }
    }
}

/* ---- tables ------------------------------------------------------------------------------------------------------ */

static void headings(void **state) {
    (void)state;
    enum { MOST = 4096 };
    Error err = {0};
    char *wide = calloc(1, 2 * MOST + 8);
    assert_int_equal(mkdir("b", 0755), 0);
    put("b/log.csv", "step,a (b),c (d) e,f (g,h)\n1,2,3,4,5\n");
    Table *table = run_log_table("b", &err);
    assert_non_null(table);
    assert_string_equal(table->columns[1].name, "a");
    assert_string_equal(table->columns[1].unit, "b");
    assert_string_equal(table->columns[2].name, "c (d) e");
    assert_string_equal(table->columns[3].name, "f (g");
    assert_string_equal(table->columns[4].unit, "");
    table_free(table);
    for (int more = 0; more < 2; more++) { /* columns: at most MOST, which have MOST - 1 commas */
        strcpy(wide, "s");
        for (int i = 1; i < MOST + more; i++) strcat(wide + 2 * (i - 1), ",c");
        strcat(wide, "\n");
        put("b/log.csv", wide);
        table = run_log_table("b", &err);
        assert_int_equal(table != NULL, !more);
        table_free(table);
    }
    assert_int_equal(err.status, STATUS_BAD_INPUT);
    assert_string_equal(err.text, "b/log.csv: has more than 4096 columns");
    free(wide);
}

/* ---- pace -------------------------------------------------------------------------------------------------------- */

static Table *times(const double *seconds, size_t count, int64_t each) {
    Error err;
    Table *table = table_new(&err);
    assert_non_null(table);
    table_column(table, "step", "", COLUMN_INTEGER);
    table_column(table, "seconds", "s", COLUMN_REAL);
    for (size_t i = 0; i < count; i++) {
        table_integer(table, each * (int64_t)i);
        table_real(table, seconds[i]);
    }
    assert_non_null(table = table_finish(table, &err));
    return table;
}

/* By the last 50 rows. */
static void pace_by_the_log(void **state) {
    (void)state;
    double seconds[70];
    for (size_t i = 0; i < 70; i++) seconds[i] = i < 19 ? 1000.0 * (double)i : 18000 + 4.0 * (double)(i - 19);
    static const struct {
        size_t rows;
        int64_t each;
        double expected;
    } cases[] = {{0, 2, NAN}, {1, 2, NAN}, {2, 2, 500}, {19, 2, 500}, {70, 2, 2}, {10, 0, NAN}, {10, -1, NAN}};
    assert_true(isnan(run_step_seconds(NULL)));
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Table *table = times(seconds, cases[i].rows, cases[i].each);
        const double pace = run_step_seconds(table);
        assert_true(isnan(cases[i].expected) ? isnan(pace) : pace == cases[i].expected);
        table_free(table);
    }
    static const double still[] = {5, 5};
    Table *table = times(still, 2, 1);
    assert_true(isnan(run_step_seconds(table)));
    table_free(table);
}

static void pace_by_the_files(void **state) {
    (void)state;
    double idle = 0;
    assert_int_equal(mkdir("c", 0755), 0);
    for (int file = 0; file < 4; file++) { /* no lock; no second line; an empty one; no log */
        if (file > 0) put("c/lock", file == 1 ? "7" : file == 2 ? "7\n" : "7\n0\n");
        if (file < 3) put("c/log.csv", "step\n1\n");
        if (file == 3) unlink("c/log.csv");
        assert_true(isnan(run_row_seconds("c", 4, &idle)));
        assert_true(isnan(idle));
    }
    put("c/log.csv", "step\n1\n");
    assert_true(isnan(run_row_seconds("c", 0, &idle))); /* this writer has written none */
    assert_true(idle >= 0 && idle < 600);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_without_a_step), cmocka_unit_test(calls_refused),     cmocka_unit_test(headings),
        cmocka_unit_test(pace_by_the_log),     cmocka_unit_test(pace_by_the_files),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
