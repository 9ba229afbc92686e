/* test_text -- growing strings, widths, patterns, near misses, numbers. */
#include "weft/base/error.h"
#include "weft/base/fault.h"
#include "weft/base/text.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static void strings_grow(void **state) {
    (void)state;
    Error err;
    Str str = {0};
    assert_string_equal(str_text(&str), "");
    for (int i = 0; i < 1000; i++) str_addf(&str, "%d,", i);
    str_add(&str, "end");
    str_add_bytes(&str, "\0x", 2);
    assert_true(str_ok(&str, &err));
    assert_int_equal(str.length, 10 * 2 + 90 * 3 + 900 * 4 + 3 + 2);
    assert_memory_equal(str.text + str.length - 5, "end\0x", 6);
    assert_memory_equal(str.text, "0,1,2,", 6);
    str_done(&str);
    assert_true(str.text == NULL && str.length == 0);
    str_addf(&str, "%s", "");
    assert_string_equal(str_text(&str), "");
    assert_true(str_ok(&str, &err));
    str_done(&str);
}

static void strings_fail_softly(void **state) {
    (void)state;
    bool hit = true;
    for (uint64_t k = 1; hit; k++) {
        Error err = {0};
        Str str = {0};
        fault_arm(FAULT_ALLOC, k, false);
        for (int i = 0; i < 100; i++) {
            str_addf(&str, "%08d", i);
            str_add(&str, "0123456789abcdef");
            str_add_escaped(&str, "\x1b\xc3\xa9", 3);
        }
        hit = fault_disarm() >= k;
        bool failed = hit;
        assert_int_equal(str.failed, failed);
        assert_int_equal(str_ok(&str, &err), !failed);
        if (failed) assert_int_equal(err.status, STATUS_LIMIT);
        assert_int_equal(strlen(str_text(&str)), str.length); /* what was added stays sound */
        if (!failed) assert_int_equal(str.length, 100 * (8 + 16 + 6));
        str_done(&str);
    }
}

static void utf8_is_checked(void **state) {
    (void)state;
    assert_true(text_valid_utf8("", 0));
    assert_true(text_valid_utf8("a\0b\xc3\xa9\xed\x9f\xbf\xee\x80\x80\xf4\x8f\xbf\xbf", 15));
    static const char *const bad[] = {"\x80",
                                      "\xc1\x81",
                                      "\xc3",
                                      "\xe0\x9f\xbf",
                                      "\xed\xa0\x80",
                                      "\xf0\x8f\xbf\xbf",
                                      "\xf4\x90\x80\x80",
                                      "\xf5\x80\x80\x80",
                                      "\xe2\x28\xa1",
                                      "\xff"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) assert_false(text_valid_utf8(bad[i], strlen(bad[i])));
}

/* Every code point and its sequence: the encoder here is written from RFC 3629's table. */
static void utf8_exhaustively(void **state) {
    (void)state;
    for (uint32_t code = 1; code <= 0x110000; code++) {
        char bytes[5] = {0};
        if (code < 0x80) {
            bytes[0] = (char)code;
        } else if (code < 0x800) {
            bytes[0] = (char)(0xc0 | code >> 6), bytes[1] = (char)(0x80 | (code & 63));
        } else if (code < 0x10000) {
            bytes[0] = (char)(0xe0 | code >> 12), bytes[1] = (char)(0x80 | (code >> 6 & 63));
            bytes[2] = (char)(0x80 | (code & 63));
        } else {
            bytes[0] = (char)(0xf0 | code >> 18), bytes[1] = (char)(0x80 | (code >> 12 & 63));
            bytes[2] = (char)(0x80 | (code >> 6 & 63)), bytes[3] = (char)(0x80 | (code & 63));
        }
        bool legal = code <= 0x10ffff && !(code >= 0xd800 && code <= 0xdfff);
        size_t length = strlen(bytes);
        if (text_valid_utf8(bytes, length) != legal) fail_msg("U+%04x", code);
        if (code >= 0x80 && text_valid_utf8(bytes, length - 1)) fail_msg("U+%04x cut short", code);
    }
}

static void columns(void **state) {
    (void)state;
    assert_int_equal(text_columns(""), 0);
    assert_int_equal(text_columns("conv1"), 5);
    assert_int_equal(text_columns("\xc3\xa9\xe2\x80\xa6"), 2);
    assert_int_equal(text_columns("e\xcc\x81"), 1);                /* a combining accent */
    assert_int_equal(text_columns("\xe6\xb0\xb4x"), 3);            /* wide */
    assert_int_equal(text_columns("\xf0\x9f\x98\x80"), 2);         /* wide, beyond the first plane */
    assert_int_equal(text_columns("\xe2\xa0\xbf\xe2\x96\x88"), 2); /* braille and blocks, for charts */
    assert_int_equal(text_columns("a\xff\xc2"), 3);
    assert_int_equal(text_columns("a\tb\x7f"), 2);
    assert_int_equal(text_fit("conv1", 3), 3);
    assert_int_equal(text_fit("conv1", 9), 5);
    assert_int_equal(text_fit("\xe6\xb0\xb4\xe6\xb0\xb4", 3), 3);
    assert_int_equal(text_fit("e\xcc\x81x", 1), 3); /* an accent stays with its letter */
    assert_int_equal(text_fit("abc", 0), 0);
}

static void globs(void **state) {
    (void)state;
    static const struct {
        const char *pattern, *text;
        bool match;
    } cases[] = {
        {"layer1.*", "layer1.0.conv1.weight", true},
        {"layer1.*", "layer10.0", false},
        {"*", "", true},
        {"**", "abc", true},
        {"", "", true},
        {"", "a", false},
        {"?", "", false},
        {"a?c", "abc", true},
        {"?", "\xc3\xa9", true},
        {"??", "\xc3\xa9", false},
        {"*.weight", "a.weight.weight", true},
        {"*ab*ab", "abab", true},
        {"*ab*ab", "abxb", false},
        {"layer[1-3].*", "layer2.x", true},
        {"layer[1-3].*", "layer4.x", false},
        {"layer[!1-3]", "layer4", true},
        {"layer[!1-3]", "layer2", false},
        {"[]]", "]", true},
        {"[!]]", "]", false},
        {"[a-]", "-", true},
        {"[\xc3\xa0-\xc3\xaf]", "\xc3\xa9", true},
        {"[abc", "[abc", true},
        {"[abc", "a", false},
        {"x[", "x[", true},
        {"\xff*", "\xff\xfe", true},
        {"\xff", "\xfe", false},
        {"*[0-9]", "abc7", true},
        {"*[0-9]", "abc", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        if (text_glob(cases[i].pattern, cases[i].text) != cases[i].match) {
            fail_msg("%s against %s", cases[i].pattern, cases[i].text);
        }
    }
    /* No blow-up: what takes a backtracking matcher forever. */
    char text[5001];
    memset(text, 'a', 5000);
    text[5000] = '\0';
    assert_false(text_glob("*a*a*a*a*a*a*a*a*a*a*b", text));
}

static void nearest(void **state) {
    (void)state;
    static const char *const words[] = {"evaluate", "load",  "lowpass", "svscale", "mix",
                                        "spectrum", "sweep", "ls",      "sratio"};
    static const struct {
        const char *word, *expected;
    } cases[] = {
        {"evalaute", "evaluate"},
        {"lowpas", "lowpass"},
        {"laod", "load"},
        {"eval", "evaluate"},
        {"SWEEP", "sweep"},
        {"specturm", "spectrum"},
        {"s-ratio", "sratio"},
        {"mux", "mix"},
        {"sl", "ls"},
        {"quux", NULL},
        {"", NULL},
        {"x", NULL},
        {"xylophone", NULL},
        {"lo", "load"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *found = text_nearest(cases[i].word, words, sizeof words / sizeof *words);
        if (!found || !cases[i].expected) {
            if (found != cases[i].expected) fail_msg("%s gives %s", cases[i].word, found ? found : "nothing");
        } else {
            assert_string_equal(found, cases[i].expected);
        }
    }
    char word[200];
    memset(word, 'a', 199);
    word[199] = '\0';
    const char *const only[] = {word};
    assert_null(text_nearest("aaaa-", only, 1));
    assert_null(text_nearest(word, words, 9));
    assert_null(text_nearest("load", words, 0));
}

static void numbers(void **state) {
    (void)state;
    double d = 0;
    uint64_t u = 0;
    assert_true(text_to_double("2.5e-3", &d) && d == 2.5e-3);
    assert_true(text_to_double("-7", &d) && d == -7);
    assert_true(text_to_double("inf", &d) && isinf(d));
    assert_true(text_to_double("nan", &d) && isnan(d));
    assert_true(text_to_double("1e-400", &d) && d == 0);
    static const char *const not_real[] = {"", " 1", "1 ", "1,5", "1.5x", "1e999", "-", "e5", "\t2", "0.5.5"};
    for (size_t i = 0; i < sizeof not_real / sizeof *not_real; i++) {
        d = 42;
        assert_false(text_to_double(not_real[i], &d));
        assert_true(d == 42);
    }
    assert_true(text_to_u64("0", &u) && u == 0);
    assert_true(text_to_u64("18446744073709551615", &u) && u == UINT64_MAX);
    assert_true(text_to_u64("007", &u) && u == 7);
    static const char *const not_whole[] = {"",   "-1", "+1", "1.0", "18446744073709551616", "99999999999999999999",
                                            " 1", "1e3"};
    for (size_t i = 0; i < sizeof not_whole / sizeof *not_whole; i++) {
        u = 42;
        assert_false(text_to_u64(not_whole[i], &u));
        assert_int_equal(u, 42);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(strings_grow),    cmocka_unit_test(strings_fail_softly),
        cmocka_unit_test(utf8_is_checked), cmocka_unit_test(utf8_exhaustively),
        cmocka_unit_test(columns),         cmocka_unit_test(globs),
        cmocka_unit_test(nearest),         cmocka_unit_test(numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
