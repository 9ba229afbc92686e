/* Settings: values from text, numbers and JSON into a struct and back, their ranges, defaults, changes, differences. */
#include "weft/setting.h"

#include <jansson.h>
#include <math.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "weft/base/error.h"
#include "weft/base/text.h"

#define SHAPES(X) X(ROUND, "round") X(FLAT, "flat") X(LONG, "long")
typedef enum Shape { SHAPE_ROUND, SHAPE_FLAT, SHAPE_LONG } Shape;

typedef struct Inner {
    double rate;
    Shape shape;
} Inner;
typedef struct Outer {
    unsigned small;
    uint64_t large;
    bool flag, on;
    const char *text;
    char held[12]; /* longer than a pointer, as texts that are held must be */
    Inner inner;
} Outer;

static const Setting inner_rows[] = {
    REAL(Inner, rate, "rate", "R", .max = 1, .open_max = true, .standard = "0.5", .key = "learning_rate", .help = "h"),
    CHOICE(Inner, shape, "shape", "SHAPE", SHAPES, .standard = "flat", .help = "h"),
    {0}};
static const Setting outer_rows[] = {
    INTEGER(Outer, small, "small", "N", .min = 1, .max = 9, .standard = "3", .help = "h"),
    INTEGER(Outer, large, "large-one", "N", .help = "h"),
    FLAG(Outer, flag, "flag", .help = "h"),
    SWITCH(Outer, on, "on", "on|off", .standard = "on", .help = "h"),
    WORD(Outer, text, TEXT, "text", "T", .help = "h"),
    WORD(Outer, held, TEXT, "held", "T", .standard = "", .help = "h"),
    {0}};
static const SettingGroup groups[] = {{outer_rows, 0}, {inner_rows, offsetof(Outer, inner)}, {NULL, 0}};

static Setting row(const char *name) {
    Setting out;
    if (!settings_find(groups, NULL, name, strlen(name), &out)) fail_msg("no row %s", name);
    return out;
}

static void give(Outer *outer, const char *name, const char *text) {
    Error err;
    SettingValue value;
    const Setting setting = row(name);
    if (!setting_read(&setting, text, &value, &err)) fail_msg("%s", err.text);
    setting_put(&setting, outer, value);
}

static void refuse(const char *name, const char *text, const char *message) {
    Error err;
    SettingValue value;
    const Setting setting = row(name);
    assert_false(setting_read(&setting, text, &value, &err));
    assert_int_equal(err.status, STATUS_USAGE);
    assert_string_equal(err.text, message);
}

static void test_places(void **state) {
    (void)state;
    Outer outer = {0};
    settings_standard(groups, &outer);
    assert_int_equal(outer.small, 3);
    assert_true(outer.on && !outer.flag && outer.inner.rate == 0.5 && outer.inner.shape == SHAPE_FLAT);
    give(&outer, "small", "9");
    give(&outer, "large-one", "18014398509481984"); /* 2^54 */
    give(&outer, "flag", "");
    give(&outer, "on", "off");
    give(&outer, "text", "abc");
    give(&outer, "held", "12345678901");
    give(&outer, "rate", "0.999");
    give(&outer, "shape", "long");
    assert_true(outer.small == 9 && outer.large == 18014398509481984u && outer.flag && !outer.on);
    assert_string_equal(outer.text, "abc");
    assert_string_equal(outer.held, "12345678901");
    assert_true(outer.inner.rate == 0.999 && outer.inner.shape == SHAPE_LONG);
}

static void test_refusals(void **state) {
    (void)state;
    refuse("small", "0", "--small must be at least 1, not 0");
    refuse("small", "10", "--small must be at most 9, not 10");
    refuse("small", "2.5", "--small needs a whole number, not '2.5'");
    refuse("small", "many", "--small needs a number, not 'many'");
    refuse("large-one", "-1", "--large-one must be at least 0, not -1");
    refuse("rate", "1", "--rate must be below 1, not 1");
    refuse("rate", "-0.5", "--rate must be at least 0, not -0.5");
    refuse("rate", "nan", "--rate needs a number, not 'nan'");
    refuse("shape", "square", "--shape must be round, flat or long, not 'square'");
    refuse("on", "yes", "--on must be off or on, not 'yes'");
    refuse("held", "123456789012", "--held is longer than 11 bytes");
}

static void test_details(void **state) {
    (void)state;
    static const struct {
        const char *name, *text;
    } expected[] = {{"small", " (1 to 9; default 3)"},
                    {"large-one", " (at least 0)"},
                    {"rate", " (at least 0, below 1; default 0.5)"},
                    {"flag", ""},
                    {"shape", " (default flat)"}};
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++) {
        const Setting setting = row(expected[i].name);
        Str text = {0};
        setting_details(&setting, &text);
        assert_string_equal(str_text(&text), expected[i].text);
        str_done(&text);
    }
}

static void test_changes(void **state) {
    (void)state;
    static const SettingChange changes[] = {{.name = "small", .standard = "5", .help = "other"}, {.name = NULL}};
    Setting out;
    assert_true(settings_find(groups, changes, "small", 5, &out));
    assert_string_equal(out.standard, "5");
    assert_string_equal(out.help, "other");
    assert_true(settings_find(groups, changes, "rate", 4, &out));
    assert_string_equal(out.standard, "0.5");
    assert_int_equal(out.offset, offsetof(Outer, inner.rate));
    assert_false(settings_find(groups, changes, "smal", 4, &out));
}

static void test_json(void **state) {
    (void)state;
    Error err;
    Outer outer = {.large = 7, .text = "x"}, back = {0};
    settings_standard(groups, &outer);
    json_t *json = settings_json(groups, &outer);
    assert_non_null(json);
    assert_true(json_real_value(json_object_get(json, "learning_rate")) == 0.5);
    assert_string_equal(json_string_value(json_object_get(json, "shape")), "flat");
    assert_int_equal(json_integer_value(json_object_get(json, "large_one")), 7);
    assert_true(settings_from_json(groups, json, &back, &err));
    assert_null(settings_difference(groups, &outer, &back));
    back.inner.rate = 0.25;
    assert_string_equal(settings_difference(groups, &outer, &back), "learning_rate");

    json_object_del(json, "shape"); /* a row that is newer than the file: its default stands */
    back.inner.shape = SHAPE_LONG;
    assert_true(settings_from_json(groups, json, &back, &err));
    assert_int_equal(back.inner.shape, SHAPE_LONG);
    json_object_del(json, "large_one");
    assert_false(settings_from_json(groups, json, &back, &err));
    assert_string_equal(err.text, "field 'large_one' is missing");
    json_object_set_new(json, "large_one", json_integer(-1));
    assert_false(settings_from_json(groups, json, &back, &err));
    assert_string_equal(err.text, "field 'large_one' is invalid");
    json_object_set_new(json, "large_one", json_integer(1));
    json_object_set_new(json, "more", json_integer(1));
    assert_false(settings_from_json(groups, json, &back, &err));
    assert_string_equal(err.text, "field 'more' is unknown");
    json_decref(json);
}

static void test_check(void **state) {
    (void)state;
    Error err;
    Outer outer = {0};
    settings_standard(groups, &outer);
    assert_true(settings_check(groups, &outer, &err));
    outer.inner.rate = NAN;
    assert_false(settings_check(groups, &outer, &err));
    assert_string_equal(err.text, "field 'learning_rate' of the configuration is out of range");
    outer.inner.rate = 0.5;
    outer.small = 0;
    assert_false(settings_check(groups, &outer, &err));
    assert_string_equal(err.text, "field 'small' of the configuration is out of range");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_places),  cmocka_unit_test(test_refusals), cmocka_unit_test(test_details),
        cmocka_unit_test(test_changes), cmocka_unit_test(test_json),     cmocka_unit_test(test_check),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
