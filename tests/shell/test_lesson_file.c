/* test_lesson_file -- lessons as files: what is read of them, each reason for refusing one, and memory that runs out.
 */
#include "session_fixture.h"

#include "../support/bytes.h"
#include "shell/lesson_file.h"
#include "weft/base/error.h"
#include "weft/base/fault.h"
#include "weft/base/memory.h"
#include "weft/base/text.h"

#include <dirent.h>
#include <stdlib.h>

static const char *put_lesson(const char *text, size_t length) {
    const char *path = scratch_path("test.lesson");
    assert_true(write_bytes(path, text, length));
    return path;
}

/* ---- what is read ------------------------------------------------------------------------------------------------ */

static void add_pairs(Str *out, const char *name, const LessonPairs *pairs) {
    for (size_t i = 0; i < pairs->count; i++)
        str_addf(out, " %s[%s|%s]", name, pairs->pair[i].text, pairs->pair[i].note ? pairs->pair[i].note : "");
}

/* A line for the lesson, one for each step, and one for each item. */
static void describe(const Lesson *lesson, Str *out) {
    str_addf(out, "%s about[%s] %d %d\n", lesson->title, lesson->about ? lesson->about : "", (int)lesson->minutes,
             (int)lesson->order);
    for (size_t s = 0; s < lesson->count; s++) {
        const LessonStep *step = &lesson->steps[s];
        str_addf(out, "%d step %s\n", step->line, step->title);
        for (size_t i = 0; i < step->count; i++) {
            static const char *const kinds[] = {"text", "lua", "command", "number", "choice", "task"};
            const LessonItem *item = &step->items[i];
            str_addf(out, "%d %s [%s]", item->line, kinds[item->kind], item->text);
            if (item->answer) str_addf(out, " = %s", item->answer);
            if (item->tolerance != 0) str_addf(out, " +- %g", item->tolerance);
            if (item->right != SIZE_MAX) str_addf(out, " right %d", (int)item->right);
            add_pairs(out, "choice", &item->choices);
            add_pairs(out, "check", &item->checks);
            add_pairs(out, "hint", &item->hints);
            if (item->solution) str_addf(out, " solution[%s]", item->solution);
            str_add(out, "\n");
        }
    }
}

static const char whole[] = "\xEF\xBB\xBF# A title\r\n"
                            "% a comment\n"
                            "about: what it is\n"
                            "  about\n"
                            "minutes: 1000\n"
                            "order: 1\n"
                            "\n"
                            "== One\n"
                            "A paragraph \n"
                            "of two lines.\n"
                            "  code\n"
                            "    more\n"
                            "and on.\n"
                            "\n"
                            "\n"
                            "#no title\n"
                            "a:b, http: x\n"
                            "It has $(1 + (2)) and $(%.2f 2 / 3); #no title, http://x, note: this, -5.\n"
                            "lua: _a = {\n"
                            "  1}\n"
                            "lua:\n"
                            "> ls\n"
                            "hint: a hint\n"
                            "hint: the $(1) next\n"
                            "> for i = 1, 2 do\n"
                            "    print(i)\n"
                            " end\n"
                            ">\n"
                            "  ls\n"
                            "  # aside\n"
                            "  x = 1; next(_a)\n"
                            "check: x == 1 | not $(x)\n"
                            "check: true\n"
                            "== Two\n"
                            "> ?ls\n"
                            "> ls?\n"
                            "> !true\n"
                            "? A number?\n"
                            "= 0.25 +- 0.01\n"
                            "? A share?\n"
                            "= 3 +- 2 %\n"
                            "? Exact?\n"
                            "= 7\n"
                            "? Which?\n"
                            "- a | too small\n"
                            "* b\n"
                            "- c\n"
                            "? Which?\n"
                            "- a\n"
                            "- b | why\n"
                            "= _a.b\n"
                            "? A task\n"
                            "  of two lines\n"
                            "check: y | y is missing\n"
                            "solution: y = 1\n"
                            "  ls\n"
                            "hint: h";

static const char described[] =
    "A title about[what it is about] 1000 1\n"
    "8 step One\n"
    "9 text [A paragraph of two lines.\n  code\n    more\nand on.\n\n"
    "#no title a:b, http: x It has $(1 + (2)) and $(%.2f 2 / 3); #no title, http://x, note: this, -5.]\n"
    "19 lua [_a = {\n1}]\n"
    "21 lua []\n"
    "22 command [ls] hint[a hint|] hint[the $(1) next|]\n"
    "25 command [for i = 1, 2 do\n  print(i)\nend]\n"
    "28 command [\nls\n# aside\nx = 1; next(_a)] check[x == 1|not $(x)] check[true|]\n"
    "34 step Two\n"
    "35 command [?ls]\n"
    "36 command [ls?]\n"
    "37 command [!true]\n"
    "38 number [A number?] = 0.25 +- 0.01\n"
    "40 number [A share?] = 3 +- -0.02\n"
    "42 number [Exact?] = 7\n"
    "44 choice [Which?] right 1 choice[a|too small] choice[b|] choice[c|]\n"
    "48 choice [Which?] = _a.b choice[a|] choice[b|why]\n"
    "52 task [A task of two lines] check[y|y is missing] hint[h|] solution[y = 1\nls]\n";

static void check_read(const char *path, const char *expected) {
    Error err = {0};
    Str out = {0};
    Lesson *lesson = lesson_read(session, path, &err);
    if (!lesson) fail_msg("%s", err.text);
    describe(lesson, &out);
    if (expected) assert_string_equal(str_text(&out), expected);
    lesson_free(lesson);
    str_done(&out);
}

static void test_read(void **state) {
    (void)state;
    check_read(put_lesson(whole, sizeof whole - 1), described);
    check_read(put_lesson("# T\n== S\ntext", 13), "T about[] 0 0\n2 step S\n3 text [text]\n");
    lesson_free(NULL);
}

/* The lessons that come with weft. */
static void test_samples(void **state) {
    (void)state;
    unsigned count = 0;
    DIR *folder = opendir("samples/lessons");
    assert_non_null(folder);
    for (const struct dirent *entry; (entry = readdir(folder));) {
        if (!text_ends_with(entry->d_name, ".lesson")) continue;
        check_read(text_of("samples/lessons/%s", entry->d_name), NULL);
        count++;
    }
    closedir(folder);
    assert_true(count >= 7);
}

/* ---- what is refused --------------------------------------------------------------------------------------------- */

#define STEP "# T\n== S\n"
#define QUESTION STEP "? Q\n"
#define LETTERS "- a\n- b\n- c\n- d\n- e\n- f\n- g\n- h\n- i\n- j\n- k\n- l\n- m\n"

static const struct {
    const char *text, *reason; /* LINE: REASON */
} refused[] = {
    {"", "1: no title (# TITLE)"},
    {"== S\ntext", "1: no title (# TITLE)"},
    {"#\n== S\ntext", "1: no title (# TITLE)"},
    {"# T\n# U", "2: a second title (# ...); steps begin with =="},
    {"# T", "1: no step (== TITLE)"},
    {"# T\n\ntext", "3: a step (== TITLE) must come first"},
    {"# T\nlua: x = 1", "2: a step (== TITLE) must come first"},
    {"# T\n> ls", "2: a step (== TITLE) must come first"},
    {"# T\n? Q", "2: a step (== TITLE) must come first"},
    {"# T\n== S\n\n== U\ntext", "2: the step 'S' is empty"},
    {"# T\n== S\n", "2: the step 'S' is empty"},
    {STEP "about: x", "3: about: stands once, before the first step"},
    {"# T\nabout: x\nabout: y", "3: about: stands once, before the first step"},
    {STEP "minutes: 3", "3: minutes: stands before the first step"},
    {STEP "order: 3", "3: order: stands before the first step"},
    {"# T\nminutes: few", "2: minutes: is a number from 1 to 1000"},
    {"# T\nminutes: 0", "2: minutes: is a number from 1 to 1000"},
    {"# T\norder: 1001", "2: order: is a number from 1 to 1000"},
    {QUESTION "\ntext", "3: the question has no answer: add = LUA, choices (- and *), or check: and solution:"},
    {QUESTION "? R\n= 1", "3: the question has no answer: add = LUA, choices (- and *), or check: and solution:"},
    {QUESTION "> ls", "3: the question has no answer: add = LUA, choices (- and *), or check: and solution:"},
    {QUESTION "lua: x = 1", "3: the question has no answer: add = LUA, choices (- and *), or check: and solution:"},
    {QUESTION "== U", "3: the question has no answer: add = LUA, choices (- and *), or check: and solution:"},
    {QUESTION "= 1\nsolution: x = 1", "3: a solution: belongs to a question with a check: line"},
    {QUESTION "* a", "3: a question with choices needs at least two"},
    {QUESTION "- a\n- b", "3: no choice is right: mark it with *, or add a line = LUA"},
    {QUESTION "- a\n* b\n= 'b'", "3: the right choice is given twice: by * and by ="},
    {QUESTION "* a\n* b", "5: a second right choice (*)"},
    {QUESTION "check: true", "3: the task has no solution: line, which skip and --auto need"},
    {STEP "= 3", "3: an answer (= ...) without a question before it"},
    {STEP "> ls\n= 3", "4: an answer (= ...) without a question before it"},
    {QUESTION "check: true\n= 3", "5: a question with check: has no answer (= ...)"},
    {QUESTION "= 3\n= 4", "5: a second answer to the same question"},
    {QUESTION "- a\n= 'a' +- 1", "5: the answer to a choice has no tolerance"},
    {QUESTION "= 3 +- 1\n- a", "5: the answer to a choice has no tolerance"},
    {QUESTION "=", "4: = is empty; a Lua expression belongs there"},
    {QUESTION "= 3 +", "4: =: unexpected symbol near <eof>"},
    {QUESTION "= 3 +- much", "4: a tolerance is a number above 0, or one with %, not 'much'"},
    {QUESTION "= 3 +- 0", "4: a tolerance is a number above 0, or one with %, not '0'"},
    {QUESTION "= 3 +- -2 %", "4: a tolerance is a number above 0, or one with %, not '-2 %'"},
    {QUESTION "= 3 +- %", "4: a tolerance is a number above 0, or one with %, not '%'"},
    {QUESTION "= 3 +- 1e300", "4: a tolerance is a number above 0, or one with %, not '1e300'"},
    {STEP "- a", "3: a choice (- or *) without a question before it"},
    {STEP "* a", "3: a choice (- or *) without a question before it"},
    {QUESTION "check: true\n- a", "5: a question with check: has no choices"},
    {QUESTION "-", "4: the choice is empty"},
    {QUESTION LETTERS LETTERS "- a", "30: a question has at most 26 choices"},
    {QUESTION "- $(", "4: $( without its closing bracket"},
    {STEP "check: true", "3: check: without a command or a question before it"},
    {STEP "text\ncheck: true", "4: check: without a command or a question before it"},
    {QUESTION "= 1\ncheck: true", "5: a question with an answer has no check:"},
    {QUESTION "- a\ncheck: true", "5: a question with an answer has no check:"},
    {QUESTION "check:", "4: check: is empty; a Lua expression belongs there"},
    {QUESTION "check: true | $(", "4: $( without its closing bracket"},
    {STEP "> ls\nsolution: ls", "4: solution: without a question before it"},
    {QUESTION "check: true\nsolution: ls\nsolution: ls", "6: a second solution to the same question"},
    {QUESTION "check: true\nsolution:", "5: a command is missing"},
    {STEP "hint: h", "3: hint: without a command or a question before it"},
    {STEP "text\nhint: h", "4: hint: without a command or a question before it"},
    {STEP "> ls\nhint:", "4: the hint is empty"},
    {STEP "> ls\nhint: $()", "4: $(...) is empty; a Lua expression belongs there"},
    {STEP "text $(1 + 2", "3: $( without its closing bracket"},
    {STEP "text $(\"", "3: $( without its closing bracket"},
    {STEP "text $(1 +) on", "3: $(...): unexpected symbol near <eof>"},
    {STEP "? Q $(", "3: $( without its closing bracket"},
    {STEP "lua: x =", "3: lua: unexpected symbol near <eof>"},
    {STEP ">", "3: a command is missing"},
    {STEP "> skip", "3: skip is a command of lessons; a lesson does not run it"},
    {STEP "> ls\n   skip; ls", "3: skip is a command of lessons; a lesson does not run it"},
    {STEP "> lesson first", "3: lesson is a command of lessons; a lesson does not run it"},
    {STEP "> for i = 1, 3 do", "3: the command is not complete: for i = 1, 3 do"},
    {STEP "> ls \\", "3: the command is not complete: ls \\"},
    {STEP "> x = 1\n  y ==", "3: neither a command nor Lua: syntax error near '=='"},
    {STEP "> evalute base test", "3: neither a command nor Lua: syntax error near 'base'"},
    {STEP "> ls\nhnt: h", "4: unknown 'hnt:'; did you mean hint:?"},
    {STEP "> ls\nhnt:", "4: unknown 'hnt:'; did you mean hint:?"},
    {STEP "text \xff", "3: not UTF-8"},
    {STEP "text \033[2J", "3: a control character (or a tab)"},
    {STEP "text\ton", "3: a control character (or a tab)"},
    {STEP "text \x7f", "3: a control character (or a tab)"},
    {STEP "text \xc2\x9b"
          "2J",
     "3: a control character (or a tab)"},
    {STEP "text \xe2\x80\xae on", "3: a control character (or a tab)"}};

static void check_refused(const char *text, size_t length, const char *reason) {
    Error err = {0};
    const char *path = put_lesson(text, length);
    Lesson *lesson = lesson_read(session, path, &err);
    if (lesson || err.status != STATUS_BAD_INPUT || strcmp(err.text, text_of("%s:%s", path, reason)) != 0)
        fail_msg("%s: '%s', not '%s'", text, lesson ? "read" : err.text, reason);
}

static void test_refused(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
        check_refused(refused[i].text, strlen(refused[i].text), refused[i].reason);
    check_refused("# T\n== S\n\0", 10, "1: NUL bytes; not a lesson");
}

/* What is no regular file, or too long for a lesson. */
static void test_no_file(void **state) {
    (void)state;
    Error err = {0};
    assert_null(lesson_read(session, scratch_path("none.lesson"), &err));
    assert_non_null(strstr(err.text, "none.lesson: No such file"));
    assert_null(lesson_read(session, scratch_folder(), &err));
    assert_non_null(strstr(err.text, scratch_folder()));
    Bytes bytes = {0};
    bytes_fill(&bytes, 'x', (1 << 20) + 1);
    assert_null(lesson_read(session, put_lesson((const char *)bytes.data, bytes.length), &err));
    assert_non_null(strstr(err.text, "test.lesson"));
    bytes_done(&bytes);
}

/* A command of lessons is refused behind another command and in a script, too, where it could run the lesson again
 * within itself. */
static void test_within_itself(void **state) {
    (void)state;
    static const char *const lines[] = {"ls; lesson %s --auto", "ls; lesson %s", "ls; lesson first", "source %s.weft"};
    const char *path = scratch_path("test.lesson");
    const char *script = text_of("lesson %s --auto\n", path);
    assert_true(write_bytes(text_of("%s.weft", path), script, strlen(script)));
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        Str text = {0};
        str_add(&text, STEP "> ");
        for (const char *at = lines[i]; *at; at++) /* %s is the lesson itself */
            if (*at == '%')
                str_add(&text, path), at++;
            else
                str_add_bytes(&text, at, 1);
        put_lesson(str_text(&text), text.length);
        str_done(&text);
        fixture_fails(session, text_of("lesson %s --auto", path), STATUS_USAGE, "a lesson does not run commands of");
        fixture_works(session, text_of("lesson %s --restart", path));
        fixture_fails(session, "skip", STATUS_USAGE, "a lesson does not run commands of lessons");
        fixture_works(session, "leave");
    }
}

/* ---- memory ------------------------------------------------------------------------------------------------------ */

/* With the n-th allocation refused a lesson is not read, for want of memory, or is the one that stands there; the
 * session, which sees that memory was refused (mem_refusals), does not take one of which a part may be missing. */
static void walk_memory(const char *text, size_t length, const char *reason, bool all_after) {
    const char *path = put_lesson(text, length);
    bool over = false;
    for (uint64_t nth = 1; !over; nth++) {
        Error err = {0};
        const uint64_t before = mem_refusals();
        fault_arm(FAULT_ALLOC, nth, all_after);
        Lesson *lesson = lesson_read(session, path, &err);
        over = fault_disarm() < nth;
        const bool refusal = mem_refusals() != before;
        assert_int_equal(refusal, !over);
        if (!lesson && err.status != STATUS_LIMIT && !(refusal && err.status == STATUS_BAD_INPUT) && !reason)
            fail_msg("allocation %d: %s", (int)nth, err.text);
        assert_null(strchr(err.text, '\n'));
        if (over && reason) assert_non_null(strstr(err.text, reason));
        if (over) assert_int_equal(lesson != NULL, reason == NULL);
        lesson_free(lesson);
        assert_true(nth < 5000);
    }
}

static void test_memory(void **state) {
    (void)state;
    for (int all_after = 0; all_after < 2; all_after++) {
        walk_memory(whole, sizeof whole - 1, NULL, all_after);
        for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
            walk_memory(refused[i].text, strlen(refused[i].text), refused[i].reason, all_after);
    }
}

int main(void) {
    setenv("XDG_STATE_HOME", scratch_folder(), 1); /* where lessons keep their progress */
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_read),          cmocka_unit_test(test_samples),
                                       cmocka_unit_test(test_refused),       cmocka_unit_test(test_no_file),
                                       cmocka_unit_test(test_within_itself), cmocka_unit_test(test_memory)};
    return cmocka_run_group_tests_name("lesson_file", tests, fixture_begin_empty, fixture_end);
}
