/* Cutting command lines into words, and putting them together again. */
#include "session_fixture.h"
#include "weft/base/error.h"
#include "weft/base/text.h"

static void check(const char *line, size_t count, const char *const *expected) {
    Words words;
    Error err;
    size_t used;
    if (!words_split(session, line, &words, &used, &err)) fail_msg("%s: %s", line, err.text);
    assert_int_equal(words.count, count);
    for (size_t i = 0; i < count; i++) assert_string_equal(words.word[i], expected[i]);
    words_done(&words);
}
#define CHECK(line, ...)                                           \
    do {                                                           \
        const char *const expected[] = {__VA_ARGS__};              \
        check(line, sizeof expected / sizeof *expected, expected); \
    } while (0)

static void test_plain(void **state) {
    (void)state;
    CHECK("sratio base --layers conv1", "sratio", "base", "--layers", "conv1");
    CHECK("  ls\t ", "ls");
    CHECK("save a 'my file.npz'", "save", "a", "my file.npz");
    CHECK("save a my\\ file", "save", "a", "my file");
    CHECK("plot --title \"a 'b' c\"", "plot", "--title", "a 'b' c");
    CHECK("plot --title=''", "plot", "--title=");
    CHECK("ls # all of it", "ls");
    CHECK("show x#1", "show", "x#1");
}

static void test_substitution(void **state) {
    (void)state;
    fixture_works(session, "d0 = 2.5; name = 'net one'; list = {'a', 'b'}");
    CHECK("lowpass base --cutoff $d0", "lowpass", "base", "--cutoff", "2.5");
    CHECK("lowpass base --cutoff $(d0 * 2)", "lowpass", "base", "--cutoff", "5");
    CHECK("show $name", "show", "net one");
    CHECK("show \"<$name>\"", "show", "<net one>");
    fixture_works(session, "arg = {\"first one\", \"second\"}");
    CHECK("show $arg[1]x $2 '$1' \\$1", "show", "first onex", "second", "$1", "$1");
    CHECK("show '$name'", "show", "$name");
    CHECK("show \\$name", "show", "$name");
    CHECK("sratio a --layers $list", "sratio", "a", "--layers", "a,b");
    CHECK("show $(string.rep(')', 2))x", "show", "))x");
    CHECK("show $(1/3)", "show", "0.3333333333333333");
    CHECK("show $", "show", "$");
}

static void test_rest_of_line(void **state) {
    (void)state;
    CHECK("expect t.a == 'x; y' and #z > 2", "expect", "t.a == 'x; y' and #z > 2");
}

static void test_semicolon(void **state) {
    (void)state;
    Words words;
    Error err;
    size_t used;
    assert_true(words_split(session, "ls; show a", &words, &used, &err));
    assert_int_equal(words.count, 1);
    assert_int_equal(used, 3);
    words_done(&words);
}

static void test_errors(void **state) {
    (void)state;
    fixture_fails(session, "show a 'x", STATUS_USAGE, "unclosed quote (')");
    fixture_fails(session, "show $(1 + ", STATUS_USAGE, "closing bracket");
    fixture_fails(session, "show $nothing", STATUS_USAGE, "$nothing: no such Lua");
    fixture_fails(session, "show $(print)", STATUS_USAGE, "a function cannot be an argument");
}

/* Quoting is the inverse of splitting. */
static void test_quote_round_trip(void **state) {
    (void)state;
    static const char *const samples[] = {"plain", "",          "two words", "it's", "\"q\"", "$name",
                                          "a\\b",  "tab\there", "#x",        "a;b",  "\r",    "\f\v"};
    for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
        Str line = {0};
        str_add(&line, "show ");
        words_quote(samples[i], &line);
        CHECK(str_text(&line), "show", samples[i]);
        str_done(&line);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_plain),        cmocka_unit_test(test_substitution),
                                       cmocka_unit_test(test_rest_of_line), cmocka_unit_test(test_semicolon),
                                       cmocka_unit_test(test_errors),       cmocka_unit_test(test_quote_round_trip)};
    return cmocka_run_group_tests(tests, fixture_begin_empty, fixture_end);
}
