/* test_contour -- contour lines against closed forms, gaps, saddles, logarithms; the second axis; marks. */
#include "chart/model.h"
#include "samples.h"
#include "weft/base/error.h"
#include "weft/base/fault.h"
#include "weft/base/file.h"
#include "weft/base/memory.h"
#include "weft/base/table.h"
#include "weft/base/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

#include "drawn.h"

typedef double Field(double x, double y);

/* A table of f over the places of two axes. */
static Table *table_over(const double *x, size_t columns, const double *y, size_t rows, Field *f) {
    Error err;
    Table *table = table_new(&err);
    table_column(table, "x", "", COLUMN_REAL);
    table_column(table, "y", "", COLUMN_REAL);
    table_column(table, "z", "", COLUMN_REAL);
    for (size_t i = 0; i < rows; i++) {
        for (size_t j = 0; j < columns; j++) {
            table_real(table, x[j]);
            table_real(table, y[i]);
            table_real(table, f(x[j], y[i]));
        }
    }
    table = table_finish(table, &err);
    assert_non_null(table);
    return table;
}

static Encoding heat(unsigned contours) {
    Encoding encoding = sample_encoding(CHART_HEATMAP, "plane", "x", "y");
    strcpy(encoding.value, "z");
    encoding.contours = contours;
    return encoding;
}

static Contours contours_of(const Chart *chart) {
    Contours contours;
    Error err;
    ChartView view = chart_view(chart);
    assert_true(contours_find(chart, &view, &contours, &err));
    return contours;
}

/* ---- circles ----------------------------------------------------------------------------------------------------- */

static double paraboloid(double x, double y) {
    return x * x + y * y;
}

/* Every place of every line lies within one spacing of its circle, and every line that does not leave the square is
 * closed and goes once round. */
static void contours_of_a_paraboloid_are_circles(void **state) {
    (void)state;
    enum { SIDE = 121 };
    for (int uneven = 0; uneven < 2; uneven++) {
        double places[SIDE], spacing = 0;
        for (int i = 0; i < SIDE; i++) {
            double even = -1 + 2.0 * i / (SIDE - 1);
            places[i] = uneven ? even * (0.4 + 0.6 * fabs(even)) : even;
            if (i > 0) spacing = fmax(spacing, places[i] - places[i - 1]);
        }
        Table *table = table_over(places, SIDE, places, SIDE, paraboloid);
        Encoding encoding = heat(7);
        Chart *chart = chart_of(table, &encoding);
        Contours contours = contours_of(chart);
        assert_int_equal(contours.level_count, 7);
        double round[7] = {0};
        for (size_t p = 0; p < contours.path_count; p++) {
            const ContourPath *path = &contours.paths[p];
            double radius = sqrt(contours.level[path->level]);
            assert_true(path->count >= 2);
            /* The circle of radius 1 touches the border and may be cut there. */
            if (fabs(radius - 1) > 1e-9) assert_true(path->closed == (radius < 1));
            for (size_t i = path->first; i < path->first + path->count; i++) {
                Place at = contours.places[i];
                assert_true(fabs(hypot(at.x, at.y) - radius) < spacing * spacing);
                if (i == path->first) continue;
                Place last = contours.places[i - 1];
                assert_true(hypot(at.x - last.x, at.y - last.y) < 1.5 * spacing);
                double turn = atan2(at.y, at.x) - atan2(last.y, last.x);
                round[path->level] += turn > M_PI ? turn - 2 * M_PI : turn < -M_PI ? turn + 2 * M_PI : turn;
            }
        }
        for (int l = 0; l < 7; l++) {
            double level = 2.0 * (l + 1) / 8; /* the least value is 0, the greatest 2 */
            assert_true(fabs(contours.level[l] - level) < 1e-12);
            if (level < 1 - 1e-9) assert_true(fabs(fabs(round[l]) - 2 * M_PI) < 1e-6);
        }
        contours_done(&contours);
        chart_free(chart);
        table_free(table);
    }
}

/* ---- gaps -------------------------------------------------------------------------------------------------------- */

static double with_hole(double x, double y) {
    return x * x + (y - 3) * (y - 3) < 9 ? NAN : paraboloid(x, y);
}

/* With places at whole numbers a piece lies in one square; none lies in a square with a gap at a corner. */
static void gaps_leave_holes(void **state) {
    (void)state;
    double places[21];
    size_t pieces = 0;
    for (int i = 0; i < 21; i++) places[i] = i - 10;
    Table *table = table_over(places, 21, places, 21, with_hole);
    Encoding encoding = heat(20);
    Chart *chart = chart_of(table, &encoding);
    Contours contours = contours_of(chart);
    assert_int_equal(contours.level_count, 20);
    for (size_t p = 0; p < contours.path_count; p++) {
        const ContourPath *path = &contours.paths[p];
        for (size_t i = path->first + 1; i < path->first + path->count; i++, pieces++) {
            double x = floor((contours.places[i].x + contours.places[i - 1].x) / 2);
            double y = floor((contours.places[i].y + contours.places[i - 1].y) / 2);
            double corners = with_hole(x, y) + with_hole(x + 1, y) + with_hole(x, y + 1) + with_hole(x + 1, y + 1);
            if (isnan(corners)) fail_msg("a piece in a hole at %g, %g", x, y);
        }
    }
    assert_true(pieces > 200);
    contours_done(&contours);
    chart_free(chart);
    table_free(table);
}

/* ---- saddles ----------------------------------------------------------------------------------------------------- */

static double square[2][2]; /* [y][x] */

static double corner(double x, double y) {
    return square[(int)y][(int)x];
}

/* Each piece cuts off a corner on the other side of the level than the mean. */
static void saddles_go_with_the_mean(void **state) {
    (void)state;
    static const struct {
        double values[2][2];
        bool equal; /* the corners cut off are (0, 0) and (1, 1) */
    } cases[] = {
        {{{0, 10}, {10, 4.5}}, true},   /* level 5, mean 6.125 */
        {{{0, 10}, {10, -1}}, true},    /* level 4.5, mean 4.75 */
        {{{0, 10}, {5.5, 0}}, false},   /* level 5, mean 3.875 */
        {{{0, -10}, {-10, -2}}, true},  /* level -5, mean -5.5 */
        {{{0, -10}, {-5.5, 0}}, false}, /* level -5, mean -3.875 */
        {{{-5.5, 0}, {0, -10}}, true},  /* the same, turned */
    };
    const double places[] = {0, 1};
    for (size_t c = 0; c < sizeof cases / sizeof *cases; c++) {
        memcpy(square, cases[c].values, sizeof square);
        Table *table = table_over(places, 2, places, 2, corner);
        Encoding encoding = heat(1);
        Chart *chart = chart_of(table, &encoding);
        Contours contours = contours_of(chart);
        assert_int_equal(contours.path_count, 2);
        for (size_t p = 0; p < 2; p++) {
            const Place *ends = &contours.places[contours.paths[p].first];
            assert_int_equal(contours.paths[p].count, 2);
            bool across = ends[0].y == 0 || ends[0].y == 1; /* the first end is on a horizontal side */
            const Place *on_y = &ends[across ? 0 : 1], *on_x = &ends[across ? 1 : 0];
            if ((on_y->y == on_x->x) != cases[c].equal) fail_msg("case %zu, piece %zu", c, p);
        }
        contours_done(&contours);
        chart_free(chart);
        table_free(table);
    }
}

/* ---- logarithms -------------------------------------------------------------------------------------------------- */

static double powers(double x, double y) {
    (void)y;
    return pow(10, x);
}

/* 10^x on a log scale is x: its lines stand upright where the logarithm is the level's, however coarse the grid. */
static void log_colours_have_levels_in_the_logarithm(void **state) {
    (void)state;
    const double x[] = {-3, -2.5, 0, 1}, y[] = {0, 5};
    Table *table = table_over(x, 4, y, 2, powers);
    Encoding encoding = heat(3);
    encoding.log_value = true;
    Chart *chart = chart_of(table, &encoding);
    Contours contours = contours_of(chart);
    static const char *const labels[] = {"0.010", "0.10", "1.0"};
    assert_int_equal(contours.path_count, 3);
    for (size_t p = 0; p < 3; p++) {
        const ContourPath *path = &contours.paths[p];
        assert_int_equal(path->level, p);
        assert_true(fabs(contours.level[p] / pow(10, (double)p - 2) - 1) < 1e-9);
        assert_string_equal(contours.label[p], labels[p]);
        for (size_t i = path->first; i < path->first + path->count; i++)
            assert_true(fabs(contours.places[i].x - ((double)p - 2)) < 1e-9);
    }
    contours_done(&contours);
    chart_free(chart);
    table_free(table);
}

static double some_negative(double x, double y) {
    return x + 2 * y - 2; /* over 0..3 x 0..1: -2 -1 0 1, 0 1 2 3 */
}

static void values_without_logarithm_are_counted(void **state) {
    (void)state;
    const double x[] = {0, 1, 2, 3}, y[] = {0, 1};
    Table *table = table_over(x, 4, y, 2, some_negative);
    Encoding encoding = heat(4);
    encoding.log_value = true;
    Chart *chart = chart_of(table, &encoding);
    ChartView view = chart_view(chart);
    Str note = {0};
    chart_footnote(chart, &view, &note);
    assert_string_equal(str_text(&note), "4 values <= 0 not on the log scale");
    str_done(&note);
    Scale scale = value_scale(chart);
    assert_true(scale.log && scale.low == 1 && scale.high == 3);
    size_t gaps = 0;
    for (size_t i = 0; i < 8; i++) gaps += isnan(grid_value(chart, i / 4, i % 4)) ? 1 : 0;
    assert_int_equal(gaps, 4);
    chart_free(chart);
    encoding.log_value = false;
    chart = chart_of(table, &encoding);
    chart_footnote(chart, &view, &note);
    assert_int_equal(note.length, 0);
    str_done(&note);
    chart_free(chart);
    table_free(table);
}

/* ---- degenerate planes ------------------------------------------------------------------------------------------- */

static double constant(double x, double y) {
    (void)x;
    (void)y;
    return 3;
}

static double negative(double x, double y) {
    return -1 - x * x - y * y;
}

static double noise(double x, double y) {
    return sample_noise((unsigned)(x * 37 + y * 411)) - 0.1;
}

static double huge(double x, double y) {
    return (x - y) * 1e307;
}

static void draw_everywhere(const Chart *chart) {
    char path[] = "/tmp/weft-contour-XXXXXX.svg";
    Error err;
    int file = mkstemps(path, 4);
    assert_true(file >= 0);
    close(file);
    ChartView view = chart_view(chart);
    chart_cursor_move(chart, &view, 1, 1);
    for (unsigned width = 1; width <= 100; width += width < 6 ? 1 : width / 3) {
        for (unsigned height = 1; height <= 40; height += height < 6 ? 1 : height / 3) {
            for (int form = 0; form < 6; form++) {
                ChartGrid grid;
                assert_true(chart_grid(chart, &view, width, height, form % 2, (ChartColours)(form / 2), &grid, &err));
                chart_grid_done(&grid);
            }
        }
    }
    size_t length;
    assert_true(chart_save(chart, &view, NULL, path, true, &err));
    char *svg = file_read_all(path, 1 << 26, &length, &err);
    assert_non_null(svg);
    assert_null(strstr(svg, "nan"));
    assert_null(strstr(svg, "=\"inf"));
    mem_free(svg);
    unlink(path);
}

static void degenerate_planes(void **state) {
    (void)state;
    static const size_t sizes[][2] = {{1, 1}, {1, 7}, {7, 1}, {2, 2}, {9, 5}};
    static Field *const fields[] = {paraboloid, constant, negative, with_hole, noise, huge};
    const double places[] = {-4, -3, -1, 0, 1, 2, 3, 5, 9};
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        for (size_t f = 0; f < sizeof fields / sizeof *fields; f++) {
            for (int form = 0; form < 4; form++) {
                Table *table = table_over(places, sizes[s][0], places, sizes[s][1], fields[f]);
                Encoding encoding = heat(form < 2 ? CHART_CONTOURS_MAX : 1);
                encoding.log_value = form % 2;
                encoding.log_x = form == 3;
                sample_mark(&encoding, -4, -4, "a corner with a rather long name, as names go");
                sample_mark(&encoding, NAN, 0, "nowhere");
                sample_mark(&encoding, -4, -3.9, "");
                Chart *chart = chart_of(table, &encoding);
                Contours contours = contours_of(chart);
                if (sizes[s][0] < 2 || sizes[s][1] < 2) assert_int_equal(contours.path_count, 0);
                if (fields[f] == constant) assert_int_equal(contours.level_count, 0);
                if (fields[f] == negative && encoding.log_value) assert_int_equal(contours.level_count, 0);
                contours_done(&contours);
                draw_everywhere(chart);
                chart_free(chart);
                table_free(table);
            }
        }
    }
}

/* Block means of a grid too large to walk: the circle stays within a block. */
static void large_grids_are_thinned(void **state) {
    (void)state;
    enum { SIDE = 700 };
    Error err;
    double *places = mem_alloc(SIDE, sizeof(double), &err);
    assert_non_null(places);
    for (int i = 0; i < SIDE; i++) places[i] = -1 + 2.0 * i / (SIDE - 1);
    Table *table = table_over(places, SIDE, places, SIDE, paraboloid);
    Encoding encoding = heat(1); /* the circle of radius 1 */
    Chart *chart = chart_of(table, &encoding);
    Contours contours = contours_of(chart);
    assert_true(contours.path_count >= 1 && contours.place_count < 4 * 700);
    for (size_t i = 0; i < contours.place_count; i++)
        assert_true(fabs(hypot(contours.places[i].x, contours.places[i].y) - 1) < 3 * 2.0 / SIDE);
    contours_done(&contours);
    chart_free(chart);
    table_free(table);
    mem_free(places);
}

static void what_does_not_go_together_is_refused(void **state) {
    (void)state;
    Error err;
    Table *table = table_new(&err);
    table_column(table, "name", "", COLUMN_TEXT);
    table_column(table, "x", "", COLUMN_REAL);
    table_column(table, "y", "", COLUMN_REAL);
    table_text(table, "one");
    table_real(table, 1);
    table_real(table, 2);
    table = table_finish(table, &err);
    static const char *const reasons[] = {"21 contours",
                                          "cannot be on a log scale",
                                          "'name' holds text",
                                          "cannot be combined",
                                          "no column 'nowhere'",
                                          "'name' holds text",
                                          "9 marks"};
    for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++) {
        Encoding encoding = sample_encoding(i < 3 ? CHART_HEATMAP : CHART_LINES, "", i == 2 ? "name" : "x", "y");
        strcpy(encoding.value, "y");
        encoding.contours = i == 0 ? 21 : 3;
        encoding.log_value = encoding.diverging = i == 1;
        if (i > 2) strcpy(encoding.y2, i == 4 ? "nowhere" : i == 5 ? "name" : "x");
        if (i == 3) strcpy(encoding.series, "name");
        if (i == 6) encoding.mark_count = 9;
        assert_null(chart_new(table, &encoding, &err));
        assert_int_equal(err.status, STATUS_USAGE);
        if (!strstr(err.text, reasons[i])) fail_msg("case %zu: %s", i, err.text);
    }
    table_free(table);
}

/* ---- the second axis --------------------------------------------------------------------------------------------- */

static void the_second_axis_has_a_range_of_its_own(void **state) {
    (void)state;
    Error err;
    Table *table = sample_path(31, &err);
    Encoding encoding = sample_encoding(CHART_LINES, "", "alpha", "loss");
    Chart *alone = chart_of(table, &encoding);
    strcpy(encoding.y2, "accuracy");
    encoding.log_y = true;
    Chart *chart = chart_of(table, &encoding);
    ChartView view = chart_view(chart);
    assert_int_equal(chart_series_count(chart), 2);
    assert_string_equal(chart_series_name(chart, 1), "accuracy (right)");
    assert_string_equal(chart->y.label, "loss (nat)");
    assert_string_equal(chart->y2.label, "accuracy (%)");
    assert_true(chart->y.high == alone->y.high && chart->y.low == alone->y.low);
    Scale right = view_y2(chart, &view);
    assert_false(right.log);
    assert_true(right.low < 12.01 && right.low > 5 && right.high > 91.9 && right.high <= 100);
    /* It zooms with the left one, about the cursor on whichever axis that is. */
    view.series = 1;
    chart_cursor_move(chart, &view, 0, 0);
    chart_cursor_move(chart, &view, 3, 0);
    double height = scale_fraction(view_y2(chart, &view), view.cursor_y);
    chart_zoom(chart, &view, 2);
    Scale zoomed = view_y2(chart, &view);
    assert_true(fabs((zoomed.high - zoomed.low) / (right.high - right.low) - 0.5) < 1e-6);
    assert_true(fabs(scale_fraction(zoomed, view.cursor_y) - height) < 1e-6);
    Str read = {0};
    chart_readout(chart, &view, &read);
    assert_non_null(strstr(str_text(&read), "accuracy (right) "));
    str_done(&read);
    chart_free(chart);
    chart_free(alone);
    table_free(table);
}

/* ---- marks ------------------------------------------------------------------------------------------------------- */

static void the_cursor_reads_marks(void **state) {
    (void)state;
    for (int kind = 0; kind < 2; kind++) {
        Error err;
        Table *table;
        Encoding encoding;
        sample_chart(kind ? 12 : 10, &table, &encoding, &err);
        Chart *chart = chart_of(table, &encoding);
        ChartView view = chart_view(chart);
        view.series = 0;
        view.cursor = 0;
        view.cursor_y = 0;
        Str read = {0};
        chart_readout(chart, &view, &read);
        assert_non_null(strstr(str_text(&read), kind ? "  (seed 1)" : "  (saddle)"));
        view.cursor = 0.5;
        str_done(&read);
        chart_readout(chart, &view, &read);
        assert_true(read.length > 0 && !strstr(str_text(&read), kind ? "(seed 1)" : "(saddle)"));
        str_done(&read);
        chart_free(chart);
        table_free(table);
    }
}

/* In whatever form, the labels of marks in view are there in full at a usual size, and that of the one outside is not.
 */
static void marks_in_view_are_labelled(void **state) {
    (void)state;
    Error err;
    Table *table;
    Encoding encoding;
    sample_chart(10, &table, &encoding, &err);
    Chart *chart = chart_of(table, &encoding);
    ChartView view = chart_view(chart);
    for (int form = 0; form < 6; form++) {
        ChartGrid grid;
        Str text = {0};
        assert_true(chart_grid(chart, &view, 80, 24, form % 2, (ChartColours)(form / 2), &grid, &err));
        chart_grid_text(&grid, COLOURS_NONE, &text);
        assert_non_null(strstr(str_text(&text), " minimum A"));
        assert_non_null(strstr(str_text(&text), " minimum B"));
        assert_non_null(strstr(str_text(&text), " saddle"));
        assert_null(strstr(str_text(&text), "elsewhere"));
        str_done(&text);
        chart_grid_done(&grid);
    }
    chart_free(chart);
    table_free(table);
}

/* Labels of levels stand in the plot, clear of each other and of marks and their labels. */
static void labels_do_not_overlap(void **state) {
    (void)state;
    static const SpotSizes sizes[] = {{70, 20, 1, 0.5, 0.5}, {150, 44, 1, 0.5, 0.5}, {780, 480, 14, 10, 9}};
    for (int c = 0; c < 12; c++) {
        Error err;
        Table *table;
        Encoding encoding;
        SpotSizes size = sizes[c % 3];
        sample_chart(c < 6 ? 10 : 11, &table, &encoding, &err);
        encoding.contours = c / 3 % 2 ? CHART_CONTOURS_MAX : 5;
        Chart *chart = chart_of(table, &encoding);
        ChartView view = chart_view(chart);
        Contours contours = contours_of(chart);
        MarkSpot marks[2] = {{.x = 0.5 * size.width, .y = 0.5 * size.height, .label = {.width = 8 * size.text_height}},
                             {.x = 0.3 * size.width, .y = 0.5 * size.height, .label = {.width = 8 * size.text_height}}};
        LevelSpot spots[LEVEL_SPOTS_MAX];
        double widths[CHART_CONTOURS_MAX];
        for (int l = 0; l < CHART_CONTOURS_MAX; l++) widths[l] = 3 * size.text_height;
        spots_marks(marks, 2, size, NULL, NULL);
        assert_true(marks[0].label.width > 0 && marks[1].label.width > 0);
        assert_false(spots_overlap(marks[0].label, marks[1].label, 0));
        size_t count =
            spots_levels(&contours, view_x(chart, &view), view_y(chart, &view), size, widths, marks, 2, spots);
        assert_true(count >= 3);
        for (size_t i = 0; i < count; i++) {
            Spot spot = spots[i].spot;
            assert_true(spot.x >= 0 && spot.y >= 0);
            assert_true(spot.x + spot.width <= size.width && spot.y + spot.height <= size.height);
            for (size_t k = 0; k < i; k++) assert_false(spots_overlap(spot, spots[k].spot, 0));
            for (int m = 0; m < 2; m++) assert_false(spots_overlap(spot, marks[m].label, 0));
        }
        contours_done(&contours);
        chart_free(chart);
        table_free(table);
    }
}

/* ---- failing allocations ----------------------------------------------------------------------------------------- */

static void every_allocation_may_fail(void **state) {
    (void)state;
    double places[] = {-4, -3, -1, 0, 1, 2, 3, 5, 9};
    Table *table = table_over(places, 9, places, 9, noise);
    Encoding encoding = heat(10);
    Error err;
    Chart *chart = chart_of(table, &encoding);
    ChartView view = chart_view(chart);
    bool done = false;
    for (uint64_t k = 1; !done; k++) {
        Contours contours = {0};
        fault_arm(FAULT_ALLOC, k, false);
        bool ok = contours_find(chart, &view, &contours, &err);
        done = fault_disarm() < k;
        assert_true(ok == done);
        if (!ok) assert_int_equal(err.status, STATUS_LIMIT);
        contours_done(&contours);
    }
    chart_free(chart);
    table_free(table);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(contours_of_a_paraboloid_are_circles),
        cmocka_unit_test(gaps_leave_holes),
        cmocka_unit_test(saddles_go_with_the_mean),
        cmocka_unit_test(log_colours_have_levels_in_the_logarithm),
        cmocka_unit_test(values_without_logarithm_are_counted),
        cmocka_unit_test(degenerate_planes),
        cmocka_unit_test(large_grids_are_thinned),
        cmocka_unit_test(what_does_not_go_together_is_refused),
        cmocka_unit_test(the_second_axis_has_a_range_of_its_own),
        cmocka_unit_test(the_cursor_reads_marks),
        cmocka_unit_test(marks_in_view_are_labelled),
        cmocka_unit_test(labels_do_not_overlap),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
