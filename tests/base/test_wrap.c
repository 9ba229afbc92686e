/* Texts filled into the columns of a terminal: every line fits, no word is cut or lost, lists keep their columns. */
#include "weft/base/fault.h"
#include "weft/base/text.h"

#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static void is_filled(const char *text, size_t width, const char *expected) {
    Str out = {0};
    str_add_filled(&out, text, width);
    assert_string_equal(str_text(&out), expected);
    str_done(&out);
}

static void words_stay_whole(void **state) {
    (void)state;
    Str out = {0};
    assert_int_equal(str_add_wrapped(&out, "weft: the file /a/very/long/path/of/one.pth does not exist", 0, 6, 36), 20);
    assert_string_equal(str_text(&out), "weft: the file\n      /a/very/long/path/of/one.pth\n      does not exist");
    out.length = 0;
    assert_int_equal(str_add_wrapped(&out, "weft: the file /a/very/long/path/of/one.pth does not exist", 0, 6, 24),
                     15); /* the terminal breaks it */
    assert_string_equal(str_text(&out), "weft: the file /a/very/long/path/of/one.pth does\n      not exist");
    out.length = 0; /* a line holds it, but not so far to the right; choices may be parted */
    assert_int_equal(str_add_wrapped(&out, "--kind abc|defghijk", 0, 2, 10), 10);
    assert_string_equal(str_text(&out), "--kind\n  abc|\n  defghijk");
    out.length = 0;
    assert_int_equal(str_add_wrapped(&out, "\xc3\xa4\xc3\xb6 \xc3\xbc", 0, 2, 4), 4); /* columns, not bytes */
    assert_string_equal(str_text(&out), "\xc3\xa4\xc3\xb6 \xc3\xbc");
    out.length = 0;
    assert_int_equal(str_add_wrapped(&out, "", 3, 2, 4), 3);
    str_done(&out);
}

static void prose_and_lists(void **state) {
    (void)state;
    is_filled("one two three\n\nfour\n", 9, "one two\nthree\n\nfour\n");
    /* a full line of prose goes on, a heading does not */
    is_filled("Heading\nA line of prose that is more than sixty columns wide, so that it counts\nas full.\n", 80,
              "Heading\nA line of prose that is more than sixty columns wide, so that it counts as full.\n");
    is_filled("  -x      one two three four five six seven\n", 34,
              "  -x      one two three four five\n          six seven\n");
    is_filled("  --long-option  one two three\n", 18, "  --long-option\n      one two\n      three\n");
    is_filled("  for i = 1, 10 do something end\n", 20, "  for i = 1, 10 do\n      something end\n");
    is_filled("                    far to the right\n", 20, "      far to the\n      right\n");
    is_filled("a   \n", 20, "a\n");
    is_filled("", 20, "");
}

/* Whatever the width: the same words in the same order, and no line of more than one word is too long. */
static void same_words_at_every_width(void **state) {
    (void)state;
    static const char text[] =
        "Title of it\n\nProse which goes on and on until it has filled a line of its own, more or "
        "less.\n\n  term     what it means, at length and then some\n  code --with options\n"
        "      a text that is indented, as lists have them\n";
    for (size_t width = 24; width <= 200; width++) {
        Str out = {0}, words = {0}, expected = {0};
        str_add_filled(&out, text, width);
        char *in = strdup(text), *filled = strdup(str_text(&out)), *rest = NULL;
        for (char *word = strtok_r(in, " \n", &rest); word; word = strtok_r(NULL, " \n", &rest))
            str_addf(&expected, "%s ", word);
        for (char *word = strtok_r(filled, " \n", &rest); word; word = strtok_r(NULL, " \n", &rest))
            str_addf(&words, "%s ", word);
        assert_string_equal(str_text(&words), str_text(&expected));
        free(in);
        free(filled);
        filled = strdup(str_text(&out));
        for (char *line = strtok_r(filled, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
            if (strchr(line + strspn(line, " "), ' ')) assert_true(strlen(line) <= width);
        free(filled);
        str_done(&out);
        str_done(&words);
        str_done(&expected);
    }
}

/* Every allocation fails once, and once with all after it: the text says so, or is whole. */
static void out_of_memory(void **state) {
    (void)state;
    static const char text[] = "Title\n\n  term     what it means, at length and then some\n           more of it\n"
                               "  a-long-term-with-options  text that has no room beside it\n";
    Str whole = {0};
    str_add_filled(&whole, text, 40);
    for (int after = 0; after < 2; after++) {
        uint64_t calls = 1;
        for (uint64_t nth = 1; nth <= calls; nth++) {
            Str out = {0};
            fault_arm(FAULT_ALLOC, nth, after);
            str_add_filled(&out, text, 40);
            calls = fault_disarm();
            if (!out.failed) assert_string_equal(str_text(&out), str_text(&whole));
            str_done(&out);
        }
        assert_true(calls > 10);
    }
    str_done(&whole);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(words_stay_whole), cmocka_unit_test(prose_and_lists),
                                       cmocka_unit_test(same_words_at_every_width), cmocka_unit_test(out_of_memory)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
