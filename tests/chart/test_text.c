/* test_text -- text charts: golden files, and what must hold whatever they look like. WEFT_GOLDEN=update writes the
 * golden files anew. */
#include "samples.h"
#include "weft/base/error.h"
#include "weft/base/fault.h"
#include "weft/base/file.h"
#include "weft/base/memory.h"
#include "weft/base/save.h"
#include "weft/base/table.h"
#include "weft/base/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

/* ---- golden files ------------------------------------------------------------------------------------------------ */

static void check_golden(const char *name, const Str *text) {
    char path[200];
    Error err;
    const char *update = getenv("WEFT_GOLDEN");
    snprintf(path, sizeof path, "tests/chart/golden/%s", name);
    if (update && strcmp(update, "update") == 0) {
        assert_true(save_text(path, true, str_text(text), text->length, &err));
        return;
    }
    size_t length;
    char *golden = file_read_all(path, 1 << 24, &length, &err);
    if (!golden) fail_msg("%s", err.text);
    if (length != text->length || memcmp(golden, str_text(text), length) != 0) {
        fail_msg("%s differs; now it is\n%s", path, str_text(text));
    }
    mem_free(golden);
}

static Str draw(const Chart *chart, unsigned width, unsigned height, bool ascii, ChartColours colours) {
    ChartView view = chart_view(chart);
    ChartGrid grid;
    Error err;
    Str out = {0};
    assert_true(
        chart_grid(chart, &view, width, height ? height : chart_height(chart, width), ascii, colours, &grid, &err));
    chart_grid_text(&grid, colours, &out);
    chart_grid_done(&grid);
    assert_true(str_ok(&out, &err));
    return out;
}

static void golden_files(void **state) {
    (void)state;
    for (int sample = 0; sample < SAMPLES; sample++) {
        for (int form = 0; form < 4; form++) {
            Table *table;
            Encoding encoding;
            Error err;
            char name[100];
            unsigned width = form < 2 ? 80 : 40;
            bool ascii = form % 2;
            const char *kind = sample_chart(sample, &table, &encoding, &err);
            Chart *chart = chart_new(table, &encoding, &err);
            assert_non_null(chart);
            Str text = draw(chart, width, 0, ascii, COLOURS_NONE);
            snprintf(name, sizeof name, "%s-%u.%s.txt", kind, width, ascii ? "ascii" : "utf8");
            check_golden(name, &text);
            str_done(&text);
            chart_free(chart);
            table_free(table);
        }
    }
}

/* ---- what must hold ---------------------------------------------------------------------------------------------- */

static void check_grid(const ChartGrid *grid, unsigned width, unsigned height, bool ascii, ChartColours colours) {
    assert_int_equal(grid->width, width);
    assert_int_equal(grid->height, height);
    for (size_t i = 0; i < (size_t)width * height; i++) {
        const ChartCell *cell = &grid->cells[i];
        size_t length = strlen(cell->glyph);
        assert_true(text_valid_utf8(cell->glyph, length));
        if (ascii) assert_true(length == 1 && cell->glyph[0] >= ' ' && cell->glyph[0] <= '~');
        const int most = colours == COLOURS_NONE  ? 0
                         : colours == COLOURS_8   ? 8
                         : colours == COLOURS_16  ? 16
                         : colours == COLOURS_256 ? 256
                                                  : 2 * COLOUR_RGB;
        assert_true(cell->foreground >= -1 && cell->foreground < most);
        assert_true(cell->background >= -1 && cell->background < most);
    }
}

static void every_size(void **state) {
    (void)state;
    for (int sample = 0; sample < SAMPLES; sample++) {
        Table *table;
        Encoding encoding;
        Error err;
        sample_chart(sample, &table, &encoding, &err);
        Chart *chart = chart_new(table, &encoding, &err);
        assert_non_null(chart);
        ChartView view = chart_view(chart);
        view.series = 0;
        chart_cursor_move(chart, &view, 1, 0);
        for (unsigned width = 1; width <= 90; width += width < 30 ? 1 : 7) {
            for (unsigned height = 1; height <= 60; height += height < 16 ? 1 : 9) {
                for (int form = 0; form < 8; form++) {
                    ChartGrid grid;
                    assert_true(
                        chart_grid(chart, &view, width, height, form % 2, (ChartColours)(form / 2), &grid, &err));
                    check_grid(&grid, width, height, form % 2, (ChartColours)(form / 2));
                    chart_grid_done(&grid);
                }
            }
        }
        chart_free(chart);
        table_free(table);
    }
}

/* ---- failing allocations ----------------------------------------------------------------------------------------- */

static void every_allocation_may_fail(void **state) {
    (void)state;
    for (int sample = 0; sample < SAMPLES; sample += 1) {
        Table *table;
        Encoding encoding;
        Error err;
        bool done = false;
        sample_chart(sample, &table, &encoding, &err);
        for (uint64_t k = 1; !done; k += k < 60 ? 1 : 17) {
            ChartGrid grid = {0};
            fault_arm(FAULT_ALLOC, k, false);
            Chart *chart = chart_new(table, &encoding, &err);
            ChartView view;
            if (chart) view = chart_view(chart);
            bool drawn = chart && chart_grid(chart, &view, 60, 20, false, COLOURS_256, &grid, &err);
            done = fault_disarm() < k;
            if (!drawn) assert_int_equal(err.status, STATUS_LIMIT);
            if (done) assert_true(drawn);
            chart_grid_done(&grid);
            chart_free(chart);
        }
        table_free(table);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(golden_files),
        cmocka_unit_test(every_size),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
