/* One rule for every top-level line; Lua and commands side by side; errors leave the workspace as it was. */
#include <math.h>
#include <stdlib.h>
#include <unistd.h>

#include "session_fixture.h"
#include "weft/base/error.h"
#include "weft/base/memory.h"
#include "weft/base/table.h"
#include "weft/base/task.h"
#include "weft/base/text.h"

static void test_rule(void **state) {
    (void)state;
    static const char *const words[] = {"ls",
                                        "  show base",
                                        "lowpass base --cutoff 4 --into s",
                                        "load net a b",
                                        "quit",
                                        "expect x == 1",
                                        "help",
                                        "record ../x.weft",
                                        "show ./x",
                                        "show 'x'",
                                        "show \"x\" --layers stage:1",
                                        "help\"lowpass\"",
                                        "cd ..",
                                        "cd .config"};
    static const char *const lua[] = {"evaluate = 3",   "show(1)",      "show{\"base\"}", "load[[x]]",
                                      "sratio.x = 2",   "x = 1",        "print(1)",       "load: x",
                                      "show, a = 1, 2", "show = 'x'",   "local x",        "for i = 1, 2 do",
                                      "lowpassing x",   "-- a comment", "show(\"x\")",    "show..x"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (!script_command_line(words[i])) fail_msg("'%s' is a command line", words[i]);
    for (size_t i = 0; i < sizeof lua / sizeof *lua; i++)
        if (script_command_line(lua[i])) fail_msg("'%s' is Lua", lua[i]);
}

static void test_chunks(void **state) {
    (void)state;
    assert_int_equal(
        session_run_text(session, NULL,
                         "# a comment\n\nn = 0\nfor i = 1, 3 do\n  n = n + i\nend\nexpect n == 6\n"
                         "t = {\n  1,\n  2,\n}\nexpect #t == 2\nsratio base \\\n  --layers conv1 --as one\n"
                         "expect #show{\"one\"} == 1\nls; m = 5\nexpect m == 5\r\n"),
        STATUS_OK);
}

/* `!`, `?`, quoted first arguments, Tables as Lua variables. */
static void test_shorthands(void **state) {
    (void)state;
    fixture_works(session, "!true");
    fixture_fails(session, "!exit 3", STATUS_FAILED, "ended with status 3");
    fixture_works(session, "?lowpass");
    fixture_works(session, "lowpass?");
    fixture_works(session, "load net?");
    fixture_works(session, "base?");
    fixture_works(session, "?");
    fixture_fails(session, "?nothing", STATUS_USAGE, "no help on 'nothing'");
    fixture_works(session, "expect \"a\" == \"a\"");
    fixture_fails(session, "expect \"a\" == \"b\"", STATUS_FAILED, "the result is a == b");
    fixture_works(session, "sratio \"base\" --vs smooth --as quoted");
    fixture_works(session, "expect quoted.difference[1] ~= 0");
    fixture_works(session, "expect #quoted > 3 and quoted.notes.mean > 0");
    fixture_works(session, "sratio base --as print --quiet; expect type(print) == 'function'");
    fixture_works(session, "rm print");
    fixture_works(session, "mine = 3");
    fixture_works(session, "sratio base --as mine --quiet");
    fixture_works(session, "expect #mine > 3");
    fixture_works(session, "rm mine quoted");
    fixture_works(session, "expect mine == nil and quoted == nil");
}

static void test_open(void **state) {
    (void)state;
    static const char *const open[] = {"for i = 1, 3 do", "ls\nx = {", "sratio base \\", "ls\n\nif true then\n  x = 1",
                                       "s = [[\nls"};
    static const char *const closed[] = {"ls",    "",      "# a comment",   "for i = 1, 3 do\nend",    "x = (1))",
                                         "!ls (", "what?", "x = {\n1}\nls", "sratio base \\\n --quiet"};
    const Reader nothing = {0}, begun = {.pending = {.text = (char[]){"for i = 1, 3 do"}, .length = 15}};
    for (size_t i = 0; i < sizeof open / sizeof *open; i++)
        if (!script_open(session, &nothing, open[i])) fail_msg("'%s' goes on", open[i]);
    for (size_t i = 0; i < sizeof closed / sizeof *closed; i++)
        if (script_open(session, &nothing, closed[i])) fail_msg("'%s' is complete", closed[i]);
    assert_true(script_open(session, &begun, "x = 1"));
    assert_false(script_open(session, &begun, "end"));
}

static void test_errors(void **state) {
    (void)state;
    fixture_fails(session, "evalute base test", STATUS_USAGE, "unknown command 'evalute'; did you mean evaluate?");
    fixture_fails(session, "sration", STATUS_USAGE, "did you mean sratio?");
    fixture_fails(session, "frobnicate everything", STATUS_USAGE, "unknown command 'frobnicate'");
    fixture_fails(session, "plott --inline", STATUS_USAGE, "unknown command 'plott'; did you mean plot?");
    fixture_fails(session, "plott \"last\" --inline", STATUS_USAGE, "unknown command 'plott'; did you mean plot?");
    fixture_fails(session, "evalute(\"base\")", STATUS_FAILED, "did you mean evaluate?");
    fixture_fails(session, "base --layers conv1", STATUS_USAGE, "'base' is a network; a line begins with a command");
    fixture_fails(session, "print base", STATUS_USAGE,
                  "'print' is a name of Lua; a function's arguments are in brackets");
    fixture_fails(session, "base.layers", STATUS_FAILED, "'base' is a network, which Lua knows by its name only");
    fixture_fails(session, "load net sample:fashion-resnet8", STATUS_USAGE, "load net needs FILE: load net NAME FILE");
    fixture_fails(session, "filter 's_ratio > 1'", STATUS_USAGE, "filter needs EXPR: filter TABLE EXPR");
    fixture_fails(session, "evaluate bse test", STATUS_USAGE, "no network 'bse'; did you mean base?");
    fixture_fails(session, "load nett base x", STATUS_USAGE, "load of what? load net NAME FILE");
    fixture_fails(session, "local x = 1", STATUS_USAGE,
                  "a top-level local would be lost on the next line; remove `local`");
    fixture_fails(session, "x = = 2", STATUS_USAGE, "unexpected symbol");
    fixture_fails(session, "x = (1", STATUS_USAGE, "does not end");
    fixture_fails(session, "error('mine')", STATUS_FAILED, "mine");
    fixture_fails(session, "x = nil + 1", STATUS_FAILED, "arithmetic on a nil value");
    fixture_fails(session, "sratio{\"nothing\"}", STATUS_USAGE, "no network 'nothing'");
    fixture_fails(session, "load{\"net\", \"x\", \"/nowhere/y\"}", STATUS_BAD_INPUT, "/nowhere/y");
    fixture_fails(session, "run('sratio %s', 'nothing')", STATUS_USAGE, "no network 'nothing'");
    fixture_fails(session, "run('ls; ls')", STATUS_USAGE, "run takes a single command");
    fixture_fails(session, "expect 1 + 1 == 3", STATUS_FAILED, "expect 1 + 1 == 3: the result is 2 == 3");
    fixture_fails(session, "expect #'ab' > 2", STATUS_FAILED, "the result is 2 > 2");
    fixture_fails(session, "expect 1 == 2, 'one is ' .. 1", STATUS_FAILED, "one is 1");
    fixture_works(session, "expect 1 == 1, 'never said'");
    fixture_fails(session, "expect nil", STATUS_FAILED, "it is false");
    fixture_fails(session, "expect(false, 'not so')", STATUS_FAILED, "not so");
    fixture_fails(session, "sratio{print}", STATUS_USAGE, "a function cannot be an argument");
    fixture_fails(session, "show{'a\\0b'}", STATUS_USAGE, "NUL byte");
    fixture_fails(session, "run('ls\\0x')", STATUS_FAILED, "NUL byte");
    fixture_fails(session, "for k in pairs(nil) do end", STATUS_FAILED, "bad argument #1 to 'pairs'");
    fixture_fails(session, "for k in pairs(ls()) do end", STATUS_FAILED, "table expected, got userdata");
    fixture_works(session, "s = sratio{'base'}");
    fixture_fails(session, "s.s_ratio.mean()", STATUS_FAILED, "stands behind a colon, :mean(...)");
    fixture_fails(session, "s.sort('layer')", STATUS_FAILED, "stands behind a colon, :sort(...)");
    fixture_fails(session, "table.sort()", STATUS_FAILED, "table expected, got no value)");
    fixture_works(session, "help(sratio)");
    fixture_works(session, "ls{format = 'json'}");
    fixture_fails(session, "os.exit('x')", STATUS_FAILED, "number expected");
    assert_false(session->quit);
    fixture_fails(session, "load('sratio{[[nothing]]}')()", STATUS_USAGE, "no network 'nothing'");
}

/* Both sides of a comparison are evaluated once; what is no single comparison is only said to be false. */
static void test_expect(void **state) {
    (void)state;
    fixture_works(session, "calls = 0; function count() calls = calls + 1; return calls end");
    fixture_fails(session, "expect count() == 5", STATUS_FAILED, "the result is 1 == 5");
    fixture_works(session, "expect calls == 1");
    fixture_works(session, "expect count() == 2");
    fixture_fails(session, "expect 1 << 2 ~= 4", STATUS_FAILED, "the result is 4 ~= 4");
    fixture_fails(session, "expect 1 == 1 == nil", STATUS_FAILED, "it is false");
    fixture_fails(session, "expect 1 == 1 and 2 == 3", STATUS_FAILED, "it is false");
    fixture_fails(session, "expect 2 == 3 -- < 4", STATUS_FAILED, "the result is 2 == 3");
    fixture_fails(session, "expect (1 + 1) ~= 3", STATUS_USAGE, "put the whole condition there");
    fixture_fails(session, "expect #{'a<b', 1 == 2} > 2", STATUS_FAILED, "the result is 2 > 2");
    fixture_fails(session, "expect 1), (2 == 3", STATUS_USAGE, "");
    fixture_fails(session, "expect nothing < 3", STATUS_FAILED, "attempt to compare nil with number");
    for (int i = 0; i < 1000; i++) fixture_fails(session, "expect nothing.x", STATUS_FAILED, "nothing");
    assert_int_equal(lua_gettop(session->lua), 0);
}

/* Values whose __tostring fails, errors that are no texts, tables that are used after their end: words, not a crash. */
static void test_hostile_values(void **state) {
    (void)state;
    fixture_works(session, "bad = setmetatable({}, {__tostring = function() error('x') end})");
    fixture_fails(session, "error(bad)", STATUS_FAILED, "a table whose __tostring fails");
    fixture_fails(session, "expect bad == 1", STATUS_FAILED, "__tostring fails) == 1");
    fixture_fails(session, "error({})", STATUS_FAILED, "error object is a table value");
    fixture_fails(session, "error()", STATUS_FAILED, "error object is a nil value");
    fixture_works(session, "math.randomseed(1e300); math.randomseed(0/0); math.randomseed(-1)");
    fixture_works(session, "function deep() run('expect deep()') end");
    fixture_fails(session, "deep()", STATUS_FAILED, "C stack overflow");
    fixture_works(session, "function wound() return coroutine.wrap(function() run('expect wound()') end)() end");
    fixture_fails(session, "wound()", STATUS_FAILED, "");
    fixture_works(session, "coroutine.wrap(function() run('sratio $(\"base\")') end)()");
    Str nested = {0};
    str_add(&nested, "x = ");
    for (int i = 0; i < 100000; i++) str_add(&nested, "(");
    fixture_fails(session, str_text(&nested), STATUS_FAILED, "C stack overflow");
    str_done(&nested);
    Error err;
    SessionOptions options = {.quiet = true};
    Session *other = session_new(&options, &err);
    assert_non_null(other);
    fixture_works(other, "x = setmetatable({}, {__gc = function() pcall(function() return t.a end) end})");
    fixture_works(other, "t = tabulate('q', {'a'}, {{1}})"); /* its finaliser runs before that of x */
    fixture_works(other, "string.format = function() return {} end; run('ls')");
    session_free(other);
}

/* What a script hands to weft's functions must lead to no other memory: a table of a few dozen fields whose length is
 * any number, and the row of a filter that is kept. */
static void test_hostile_lengths(void **state) {
    (void)state;
    fixture_works(session, "function forge(n) local t, i, j = {1, 1, 1, 1, 1, 1, 1, 1}, 8, 8; t[9] = 1; t[17] = 1; "
                           "while j <= n do t[j] = 1; i = j; j = j * 2 end; while j - i > 1 do local m = (i + j) // 2; "
                           "if m <= n then t[m] = 1; i = m else j = m end end; return t end");
    fixture_works(session,
                  "expect (#forge((1 << 61) + 1) == (1 << 61) + 1 and #forge((1 << 31) - 1) == (1 << 31) - 1)");
    fixture_works(session, "t = tabulate('lengths', {'a', 'b'}, {{1, 'x'}, {2, 'y'}})");
    fixture_works(session, "ok, why = pcall(t.a.mean, forge((1 << 61) + 1))");
    fixture_works(session, "expect (not ok and why:find('too many rows', 1, true) ~= nil)");
    fixture_works(session, "ok, why = pcall(t.join, t, forge((1 << 31) - 1), 'a')");
    fixture_works(session, "expect (not ok and why:find('too many tables', 1, true) ~= nil)");
    fixture_works(session, "u = t:filter('rawset(_G, \"kept\", row) and b == \"x\"')");
    fixture_works(session, "ok, why = pcall(function() return kept.b end)");
    fixture_works(session, "expect (#u == 1 and not ok and why:find('rows are gone', 1, true) ~= nil)");
}

/* Leaving cannot be caught, and nothing runs after it. */
static void test_quit(void **state) {
    (void)state;
    static const char *const lines[] = {"after = 1; os.exit(3); after = 2",
                                        "after = 1; pcall(os.exit, 3); after = 2",
                                        "after = 1; quit{3} after = 2",
                                        "after = 1; load('pcall(quit, {3}) after = 2')() after = 2",
                                        "after = 1; coroutine.wrap(function() os.exit(3) end)(); after = 2",
                                        "after = 1\nexpect os.exit(3)",
                                        "after = 1\nshow $(os.exit(3))"};
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        Error err;
        SessionOptions options = {.quiet = true};
        Session *other = session_new(&options, &err);
        assert_non_null(other);
        assert_int_equal(session_run_text(other, NULL, lines[i]), STATUS_OK);
        assert_int_equal(session_exit_status(other), 3);
        other->quit = false;
        fixture_works(other, "expect after == 1");
        session_free(other);
    }
}

static void test_memory_limit(void **state) {
    (void)state;
    mem_set_budget(32 << 20);
    fixture_fails(session, "string.rep('x', 1000000000)", STATUS_LIMIT, "--max-memory");
    fixture_fails(session, "t = {} while true do t[#t + 1] = {} end", STATUS_LIMIT, "--max-memory");
    fixture_works(session, "t = nil; collectgarbage()");
    mem_set_budget(0);
}

/* What a record holds runs again: commands of a line that fails later, lines that go on, but not `record` itself. */
static void test_done(void **state) {
    (void)state;
    Error err;
    SessionOptions options = {.quiet = true};
    Session *other = session_new(&options, &err);
    assert_non_null(other);
    assert_int_equal(
        session_run_text(other, NULL, "ls; x = 1\nls \\\n  --quiet\nhelp ls; help sel\\\nectors ;  y = {\n"),
        STATUS_USAGE);
    static const char *const expected[] = {"ls", "x = 1", "ls    --quiet", "help ls"};
    assert_int_equal(other->done_count, 4);
    for (size_t i = 0; i < 4; i++) assert_string_equal(other->done[i], expected[i]);
    session_free(other);
}

/* The line that an error names is the line that failed, also inside a chunk of several lines. */
static void test_lines(void **state) {
    (void)state;
    Reader reader = {0};
    Error err;
    session->source = "script.weft";
    assert_int_equal(script_feed(session, &reader, "for i = 1, 2 do", 7, &err), READER_MORE);
    assert_int_equal(script_feed(session, &reader, "  sratio{'nothing'}", 8, &err), READER_MORE);
    assert_int_equal(script_feed(session, &reader, "end", 9, &err), READER_FAILED);
    assert_int_equal(session->line, 8);
    assert_string_equal(err.text, "no network 'nothing' (load net nothing ... makes one)");
    session->source = "/a/path/that/is/longer/than/what/lua/keeps/of/a/name/in/its/messages/script.weft";
    fixture_fails(session, "x = nil + 1", STATUS_FAILED, "attempt to perform");
    assert_int_equal(fixture_run(session, "error('mine')", &err), STATUS_FAILED);
    assert_string_equal(err.text, "mine");
    session->source = NULL;
}

static void test_lua_values(void **state) {
    (void)state;
    fixture_works(session, "r = evaluate{'base', 'test'}");
    fixture_works(session, "expect r.images == 200 and r.accuracy > 50 and #r == 1");
    fixture_works(session, "s = sratio{'base'}");
    fixture_works(session, "expect #s.s_ratio == #s and s[1].layer == 'conv1' and s.names[1] == 'layer'");
    fixture_works(session, "expect s.notes.seed == 0");
    fixture_works(session, "s2 = run('sratio %s --layers %s', 'base', 'conv1')");
    fixture_works(session, "expect s2.s_ratio == s[1].s_ratio");
    fixture_works(session, "sratio{'base', layers = {'conv1', 'layer1.*'}, as = 'several'}");
    fixture_works(session, "expect #show{'several'} == 3");
    fixture_works(session, "two = s:head(2)");
    fixture_works(session, "sort two -s_ratio --as sorted");
    fixture_works(session, "expect sorted.s_ratio[1] == two.s_ratio:max() and #sorted == 2");
    fixture_works(session, "two = s:head(1)"); /* the variable is newer than the object that it became */
    fixture_works(session, "head two --as one");
    fixture_works(session, "expect #one == 1");
    fixture_fails(session, "head{two}", STATUS_USAGE, "a table is given by its variable's name, in quotes");
    fixture_fails(session, "x = s.s_ration", STATUS_USAGE, "did you mean s_ratio?");
    fixture_works(session, "f = load('return 41 + 1')");
    fixture_works(session, "expect f() == 42");
    fixture_works(session, "ok, message = pcall(sratio, {'nothing'})");
    fixture_works(session, "expect not ok and message:find('no network', 1, true)");
}

static void test_tabulate(void **state) {
    (void)state;
    fixture_works(session, "t = tabulate('mine', {'d', 'stage', 'accuracy (%)'}, {{1, 'a', 2.5}, {2, 'b', 3}})");
    fixture_works(session, "expect t.d[2] == 2 and t.stage[1] == 'a' and t.accuracy[2] == 3");
    const Object *object = workspace_find(session, "mine");
    assert_non_null(object);
    assert_string_equal(object->table->columns[2].unit, "%");
    assert_int_equal(object->table->columns[0].type, COLUMN_INTEGER);
    fixture_fails(session, "tabulate('base', {'d'}, {{1}})", STATUS_USAGE,
                  "'base' is already a network; rm it first or choose another name");
    fixture_fails(session, "tabulate('x', {'d'}, {1})", STATUS_FAILED, "row 1 is not a table");
}

static void test_random_repeats(void **state) {
    (void)state;
    fixture_works(session, "math.randomseed(3); a = {math.random(), math.random(10), math.random(-5, 5)}");
    fixture_works(session, "math.randomseed(3); b = {math.random(), math.random(10), math.random(-5, 5)}");
    fixture_works(session, "expect a[1] == b[1] and a[2] == b[2] and a[3] == b[3]");
    fixture_works(session, "expect a[1] >= 0 and a[1] < 1 and a[2] >= 1 and a[2] <= 10 and a[3] >= -5 and a[3] <= 5");
    fixture_works(session, "keys = {}; for k in pairs{z = 1, [3] = 1, a = 1, [1] = 1} do keys[#keys + 1] = k end");
    fixture_works(session, "expect keys[1] == 1 and keys[2] == 3 and keys[3] == 'a' and keys[4] == 'z'");
}

/* What fails publishes nothing and replaces nothing. */
static void test_workspace_unchanged(void **state) {
    (void)state;
    const Network *smooth = workspace_find(session, "smooth")->network;
    size_t count = session->object_count;
    fixture_fails(session, "lowpass base --cutoff 1 --layers nothing --into smooth", STATUS_USAGE, "nothing");
    fixture_fails(session, "lowpass base --cutoff 0 --into smooth", STATUS_USAGE, "greater than 0");
    fixture_fails(session, "lowpass base --cutoff 1 --into test", STATUS_USAGE,
                  "'test' is already a dataset; rm it first or choose another name");
    fixture_fails(session, "sratio base --as smooth", STATUS_USAGE,
                  "'smooth' is already a network; rm it first or choose another name");
    fixture_fails(session, "load net smooth /nowhere", STATUS_BAD_INPUT, "/nowhere");
    fixture_fails(session, "lowpass base --cutoff 1 --into both --as both", STATUS_USAGE, "cannot be both");
    fixture_fails(session, "lowpass base --cutoff 1 --into test --seed 9", STATUS_USAGE, "");
    assert_int_equal(session->seed, 0);
    fixture_fails(session, "rm base nothing", STATUS_USAGE, "no object 'nothing'");
    fixture_fails(session, "rename base smooth", STATUS_USAGE, "'smooth' already exists (a");
    assert_ptr_equal(workspace_find(session, "smooth")->network, smooth);
    assert_non_null(workspace_find(session, "base"));
    assert_int_equal(session->object_count, count);
}

static void test_cancel(void **state) {
    (void)state;
    cancel_request();
    fixture_fails(session, "while true do end", STATUS_CANCELLED, "interrupted");
    fixture_fails(session, "lowpass base --cutoff 1 --into never", STATUS_CANCELLED, "");
    assert_null(workspace_find(session, "never"));
    fixture_fails(session, "ls", STATUS_CANCELLED, "interrupted");
    fixture_fails(session, "while true do pcall(function() while true do end end) end", STATUS_CANCELLED, "");
    fixture_fails(session, "while true do pcall(ls) end", STATUS_CANCELLED, "");
    fixture_fails(session, "coroutine.wrap(function() while true do end end)()", STATUS_CANCELLED, "");
    fixture_fails(session, "load('while true do end')()", STATUS_CANCELLED, "");
    assert_int_equal(session_run_text(session, NULL, "after = true"), STATUS_CANCELLED);
    cancel_clear();
    fixture_works(session, "ls; expect after == nil");
}

/* A finaliser runs wherever Lua allocates: here at every chance, and after `delay` of them it changes the rows. What
 * tabulate has checked is what it uses. */
static void test_finalisers(void **state) {
    (void)state;
    enum { DELAYS = 30 };
    fixture_works(session, "collectgarbage('incremental', 1, 1000, 30)");
    fixture_works(session, "rows, heads, calls, delay, meta = {}, {'a', 'b'}, 0, 0, {}");
    fixture_works(session, "function fill() for i = 1, 50 do rows[i] = {i, i} end heads[2], calls = 'b', 0 end");
    fixture_works(session, "function meta.__gc() calls = calls + 1; "
                           "if calls > delay then for i = 1, 50 do rows[i] = 5 end heads[2] = {} end "
                           "if calls < 60 then setmetatable({}, meta) end end");
    for (int delay = 0; delay < DELAYS; delay++) {
        char line[64];
        snprintf(line, sizeof line, "fill(); delay = %d; collectgarbage()", delay);
        fixture_works(session, line);
        fixture_works(session, "setmetatable({}, meta)");
        fixture_works(session, "ok = pcall(tabulate, 'out', heads, rows)");
        fixture_works(session, "calls = 1000; collectgarbage()");
    }
    fixture_works(session, "expect (ok and out.b[50] == 50)"); /* late enough, it changes nothing */
    fixture_works(session, "collectgarbage('incremental', 200, 100, 13)");
    fixture_works(session, "setmetatable({}, {__gc = function() ok, why = pcall(tabulate, 'in_it', {'a'}, {{1}}); "
                           "ok2, why2 = pcall(rm, 'out') end}); collectgarbage()");
    fixture_works(session, "expect (not ok and why:find('do not run in a finaliser', 1, true) ~= nil)");
    fixture_works(session, "expect (not ok2 and why2:find('do not run in a finaliser', 1, true) ~= nil)");
    assert_null(workspace_find(session, "in_it"));
}

static void test_safe(void **state) {
    (void)state;
    Error err;
    SessionOptions options = {.quiet = true, .safe = true};
    Session *safe = session_new(&options, &err);
    assert_non_null(safe);
    fixture_works(
        safe,
        "expect os.execute == nil and io.popen == nil and package == nil and string.dump == nil and debug == nil");
    fixture_works(safe, "f, why = load('\\27Lua')");
    fixture_works(safe, "expect f == nil");
    fixture_fails(safe, "io.open('/tmp/x', 'w')", STATUS_USAGE, "--safe");
    fixture_fails(safe, "record /tmp/x.weft", STATUS_USAGE, "--safe allows writing only below the working folder");
    fixture_fails(safe, "record ../x.weft", STATUS_USAGE, "--safe");
    char link[] = "weft-test-link-XXXXXX"; /* a link to a file that is not there yet */
    int made = mkstemp(link);
    assert_true(made >= 0 && close(made) == 0 && unlink(link) == 0 && symlink("/nowhere/x", link) == 0);
    Str line = {0};
    str_addf(&line, "f, why = io.open('%s', 'w')", link);
    fixture_works(safe, str_text(&line));
    fixture_works(safe, "expect (f == nil and why:find('is a link', 1, true) ~= nil)");
    str_done(&line);
    unlink(link);
    session_free(safe);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_rule),
                                       cmocka_unit_test(test_chunks),
                                       cmocka_unit_test(test_shorthands),
                                       cmocka_unit_test(test_open),
                                       cmocka_unit_test(test_errors),
                                       cmocka_unit_test(test_lines),
                                       cmocka_unit_test(test_lua_values),
                                       cmocka_unit_test(test_tabulate),
                                       cmocka_unit_test(test_random_repeats),
                                       cmocka_unit_test(test_workspace_unchanged),
                                       cmocka_unit_test(test_cancel),
                                       cmocka_unit_test(test_expect),
                                       cmocka_unit_test(test_hostile_values),
                                       cmocka_unit_test(test_hostile_lengths),
                                       cmocka_unit_test(test_quit),
                                       cmocka_unit_test(test_memory_limit),
                                       cmocka_unit_test(test_done),
                                       cmocka_unit_test(test_finalisers),
                                       cmocka_unit_test(test_safe)}; /* last: it confines the process */
    return cmocka_run_group_tests(tests, fixture_begin, fixture_end);
}
