/* test_error -- one line of text, safe for a terminal, whatever goes into it. */
#include "weft/base/error.h"
#include "weft/base/text.h"

#include <stdio.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static void sets_status_and_text(void **state) {
    (void)state;
    Error err = {0};
    assert_false(error_set(&err, STATUS_USAGE, "no layer '%s' in %d", "conv1", 7));
    assert_int_equal(err.status, STATUS_USAGE);
    assert_string_equal(err.text, "no layer 'conv1' in 7");
    assert_false(error_prefix(&err, "%s", "net"));
    assert_string_equal(err.text, "net: no layer 'conv1' in 7");
    assert_int_equal(err.status, STATUS_USAGE);
}

static void escapes_what_a_terminal_might_act_on(void **state) {
    (void)state;
    static const char *const cases[][2] = {
        {"\x1b]0;x\x07\x1b[2J", "\\x1b]0;x\\x07\\x1b[2J"},
        {"a\nb\tc\rd\x7f", "a\\x0ab\\x09c\\x0dd\\x7f"},
        {"\xc2\x80\xc2\x9b\xc2\x9f", "\\u{0080}\\u{009b}\\u{009f}"}, /* C1 */
        {"\xc2\xa0\xc3\xa9\xe2\x80\xa6\xf0\x9f\x98\x80", "\xc2\xa0\xc3\xa9\xe2\x80\xa6\xf0\x9f\x98\x80"},
        {"\xe2\x80\x8d\xe2\x80\x8e\xe2\x80\x8f\xe2\x80\x90", "\xe2\x80\x8d\\u{200e}\\u{200f}\xe2\x80\x90"},
        {"\xe2\x80\xa9\xe2\x80\xaa\xe2\x80\xae\xe2\x80\xaf", "\xe2\x80\xa9\\u{202a}\\u{202e}\xe2\x80\xaf"},
        {"\xe2\x81\xa5\xe2\x81\xa6\xe2\x81\xa9\xe2\x81\xaa", "\xe2\x81\xa5\\u{2066}\\u{2069}\xe2\x81\xaa"},
        {"\xd8\x9c", "\\u{061c}"},
        {"\xff\xc0\xaf", "\\xff\\xc0\\xaf"},          /* no lead byte, overlong */
        {"\xed\xa0\x80", "\\xed\\xa0\\x80"},          /* a surrogate */
        {"\xf4\x90\x80\x80", "\\xf4\\x90\\x80\\x80"}, /* over U+10FFFF */
        {"\xe2\x82", "\\xe2\\x82"},                   /* cut short */
        {"\xe0\x80\xaf\xf0\x80\x80\xaf", "\\xe0\\x80\\xaf\\xf0\\x80\\x80\\xaf"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Error err;
        Str str = {0};
        error_set(&err, STATUS_FAILED, "%s", cases[i][0]);
        assert_string_equal(err.text, cases[i][1]);
        str_add_escaped(&str, cases[i][0], strlen(cases[i][0]));
        assert_string_equal(str_text(&str), cases[i][1]);
        str_done(&str);
        error_set(&err, STATUS_FAILED, "%s", err.text); /* escaped text is left as it is */
        assert_string_equal(err.text, cases[i][1]);
    }
}

static void long_texts_end_in_dots(void **state) {
    (void)state;
    char text[3000];
    Error err;
    for (size_t length = 1000; length < 1100; length++) {
        memset(text, 'x', length);
        text[length] = '\0';
        error_set(&err, STATUS_FAILED, "%s", text);
        bool fits = length <= sizeof err.text - sizeof "...";
        assert_int_equal(strlen(err.text), fits ? length : sizeof err.text - 1);
        assert_string_equal(err.text + strlen(err.text) - 3, fits ? "xxx" : "...");
    }
    memset(text, '\x01', 2999); /* every byte becomes four */
    text[2999] = '\0';
    error_set(&err, STATUS_FAILED, "%s", text);
    assert_string_equal(err.text + strlen(err.text) - 7, "\\x01...");
    for (size_t i = 0; i + 1 < 2999; i += 2) memcpy(text + i, "\xc3\xa9", 2);
    for (size_t start = 0; start < 2; start++) { /* never half a character */
        error_set(&err, STATUS_FAILED, "%s%s", start ? "x" : "", text);
        assert_true(text_valid_utf8(err.text, strlen(err.text)));
        assert_null(strchr(err.text, '\\'));
    }
    for (int i = 0; i < 50; i++) error_prefix(&err, "%s", text);
    assert_true(strlen(err.text) < sizeof err.text);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sets_status_and_text),
        cmocka_unit_test(escapes_what_a_terminal_might_act_on),
        cmocka_unit_test(long_texts_end_in_dots),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
