/* test_scales -- ticks, scales and colours hold what they promise over every magnitude. */
#include "chart/palette.h"
#include "chart/scales.h"
#include "weft/base/random.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static void check_ticks(Scale scale, size_t most) {
    Ticks ticks;
    ticks_find(scale, most, &ticks);
    assert_true(ticks.count <= most);
    if (most >= 5 && ticks.count < 2) fail_msg("%zu ticks on %g to %g", ticks.count, scale.low, scale.high);
    for (size_t i = 0; i < ticks.count; i++) {
        double slack = 1e-6 * (scale.log ? ticks.at[i] : scale.high - scale.low), read = strtod(ticks.label[i], NULL);
        assert_true(ticks.at[i] >= scale.low && ticks.at[i] <= scale.high);
        if (fabs(read - ticks.at[i]) > slack) {
            fail_msg("tick %g of %g to %g is labelled %s", ticks.at[i], scale.low, scale.high, ticks.label[i]);
        }
        if (i == 0) continue;
        assert_true(ticks.at[i] > ticks.at[i - 1]);
        assert_string_not_equal(ticks.label[i], ticks.label[i - 1]);
    }
}

static void ticks_are_ordered_inside_and_rightly_labelled(void **state) {
    (void)state;
    Rng rng = {.seed = 1};
    for (int i = 0; i < 20000; i++) {
        double size = pow(10, 500 * rng_uniform(&rng) - 250),
               offset = size * (i % 3 == 0 ? 0 : 1000 * rng_normal(&rng));
        check_ticks(scale_sane(offset - size, offset + size * rng_uniform(&rng), false, 1), (size_t)(1 + i % 12));
        double low = pow(10, 400 * rng_uniform(&rng) - 200),
               ratio = pow(10, i % 2 ? rng_uniform(&rng) : 90 * rng_uniform(&rng));
        check_ticks(scale_sane(low, low * ratio, true, low), (size_t)(1 + i % 12));
    }
    check_ticks(scale_sane(-INFINITY, INFINITY, false, 1), 8);
    check_ticks(scale_sane(-1e308, 1e308, false, 1), 8);
    check_ticks(scale_sane(1e-300, 1e300, true, 1), 8);
    check_ticks(scale_sane(5e-324, 5e-324, true, 5e-324), 8);
    check_ticks(scale_sane(0, 5e-324, false, 1), 8);
}

static void measured_values_are_ticks(void **state) {
    (void)state;
    static const double values[] = {0.5, 1, 2, 4.0625, 1e7}, close[] = {1, 1.0001};
    Ticks ticks;
    Scale scale = {0.5, 5, true, false, values, 5};
    assert_true(ticks_measured(scale, &ticks)); /* those in view */
    assert_int_equal(ticks.count, 4);
    assert_string_equal(ticks.label[0], "0.5");
    assert_string_equal(ticks.label[3], "4.06");
    assert_true(number_neat(0.125) && number_neat(1e7) && !number_neat(4.0625) && number_neat(0));
    scale = (Scale){0, 2, false, false, close, 2};
    assert_false(ticks_measured(scale, &ticks)); /* the labels would be the same */
    scale.at_count = 1;
    assert_false(ticks_measured(scale, &ticks));
}

static void steps_are_1_2_5(void **state) {
    (void)state;
    Rng rng = {.seed = 2};
    for (int i = 0; i < 2000; i++) {
        Ticks ticks;
        double low = rng_normal(&rng), span = pow(10, 6 * rng_uniform(&rng) - 3);
        ticks_find((Scale){.low = low, .high = low + span}, 7, &ticks);
        assert_true(ticks.count >= 2);
        double step = ticks.at[1] - ticks.at[0], mantissa = step / pow(10, floor(log10(step * 1.0000001)));
        assert_true(fabs(mantissa - 1) < 1e-3 || fabs(mantissa - 2) < 1e-3 || fabs(mantissa - 5) < 1e-3);
    }
}

static void known_labels(void **state) {
    (void)state;
    static const struct {
        Scale scale;
        size_t most;
        const char *labels;
    } cases[] = {
        {{0, 1, false, false, NULL, 0}, 6, "0.0 0.2 0.4 0.6 0.8 1.0"},
        {{0, 100, false, false, NULL, 0}, 6, "0 20 40 60 80 100"},
        {{-0.07, 0.13, false, false, NULL, 0}, 5, "-0.05 0.00 0.05 0.10"},
        {{0, 3e6, false, false, NULL, 0}, 4, "0 1e6 2e6 3e6"},
        {{1e-7, 4e-7, false, false, NULL, 0}, 4, "1e-7 2e-7 3e-7 4e-7"},
        {{1, 1000, true, false, NULL, 0}, 5, "1 10 100 1000"},
        {{1e-8, 1, true, false, NULL, 0}, 5, "1e-8 1e-6 1e-4 0.01 1"},
        {{1, 10, true, false, NULL, 0}, 4, "1 2 5 10"},
        {{0.5, 24, true, false, NULL, 0}, 6, "0.5 1 2 5 10 20"},
        {{0.5, 3.5, false, true, NULL, 0}, 8, "1 2 3"},
        {{1.2, 1.8, false, true, NULL, 0}, 4, "1.2 1.4 1.6 1.8"},
        {{0, 30, false, true, NULL, 0}, 4, "0 10 20 30"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Ticks ticks;
        char joined[200] = "";
        ticks_find(cases[i].scale, cases[i].most, &ticks);
        for (size_t t = 0; t < ticks.count; t++) {
            snprintf(joined + strlen(joined), sizeof joined - strlen(joined), "%s%s", t ? " " : "", ticks.label[t]);
        }
        assert_string_equal(joined, cases[i].labels);
    }
}

static void fractions_and_values_are_inverse(void **state) {
    (void)state;
    Rng rng = {.seed = 3};
    for (int i = 0; i < 10000; i++) {
        double a = pow(10, 100 * rng_uniform(&rng) - 50), b = a * (1.001 + rng_uniform(&rng)), part = rng_uniform(&rng);
        Scale scale = scale_sane(a, b, i % 2, a);
        assert_true(fabs(scale_fraction(scale, scale_value(scale, part)) - part) < 1e-9);
        assert_true(fabs(scale_fraction(scale, a)) < 1e-9);
        assert_true(fabs(scale_fraction(scale, b) - 1) < 1e-9);
    }
    assert_true(isnan(scale_fraction((Scale){.low = 1, .high = 10, .log = true}, 0)));
    assert_true(isnan(scale_fraction((Scale){.low = 1, .high = 10, .log = true}, -1)));
    assert_true(isnan(scale_fraction((Scale){.low = 1, .high = 10}, NAN)));
}

static double lightness(Rgb colour) {
    return 0.299 * colour.red + 0.587 * colour.green + 0.114 * colour.blue;
}

static void palettes_grow_lighter_or_meet_in_white(void **state) {
    (void)state;
    for (int i = 0; i < 100; i++) {
        assert_true(lightness(palette_value((i + 1) / 100.0, false)) > lightness(palette_value(i / 100.0, false)));
        double here = lightness(palette_value(i / 100.0, true)), next = lightness(palette_value((i + 1) / 100.0, true));
        assert_true(i < 50 ? next >= here : next <= here);
    }
    Rgb middle = palette_value(0.5, true), low = palette_value(0, true), high = palette_value(1, true);
    assert_true(middle.red == middle.blue && middle.red > 240);
    assert_true(low.blue > low.red && high.red > high.blue);
    for (int a = 0; a < 12; a++) {
        for (int b = 0; b < a; b++)
            assert_int_not_equal(palette_xterm(palette_series(a)), palette_xterm(palette_series(b)));
    }
    assert_int_equal(palette_xterm((Rgb){255, 0, 0}), 196);
    assert_int_equal(palette_xterm((Rgb){255, 255, 255}), 231);
    assert_int_equal(palette_xterm((Rgb){128, 128, 128}), 244);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ticks_are_ordered_inside_and_rightly_labelled),
        cmocka_unit_test(measured_values_are_ticks),
        cmocka_unit_test(steps_are_1_2_5),
        cmocka_unit_test(known_labels),
        cmocka_unit_test(fractions_and_values_are_inverse),
        cmocka_unit_test(palettes_grow_lighter_or_meet_in_white),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
