/* expect -- a check in a script: ends it where a Lua expression is false. */
#include "../command.h"
#include "../lua_shell.h"
#include "weft/base/error.h"
#include "weft/base/text.h"

typedef struct Expect {
    const char *expression;
} Expect;

static bool expect_command(Session *session, const Args *args, Result *result, Error *err) {
    (void)result;
    const char *expression = ((const Expect *)args->options)->expression;
    bool truth = false;
    Str detail = {0}, message = {0};
    bool ok = lua_truth(session, expression, &truth, &detail, &message, err);
    if (ok && !truth && message.length)
        ok = error_set(err, STATUS_FAILED, "%s", str_text(&message));
    else if (ok && !truth && detail.length)
        ok = error_set(err, STATUS_FAILED, "expect %s: the result is %s", expression, str_text(&detail));
    else if (ok && !truth)
        ok = error_set(err, STATUS_FAILED, "expect %s: it is false", expression);
    str_done(&detail);
    str_done(&message);
    return ok;
}

static const Setting positionals[] = {
    WORD(Expect, expression, REST, "EXPR", NULL, .help = "a Lua expression, to the end of the line"), {0}};
static const char *const examples[] = {"expect 1 + 1 == 2", "expect evaluate{\"base\", \"test\"}.accuracy > 85",
                                       "expect near(sratio{\"base\"}.notes.mean, 0.85, 0.1)", NULL};

const Command command_expect = {
    .name = "expect",
    .group = "Scripts and help",
    .summary = "Stop a script if an expression is not true",
    .description = "When a comparison fails, both sides are printed. A text after a comma is printed instead:\n"
                   "expect arg[2], \"usage: weft compare.weft NET1 NET2\"",
    .size = sizeof(Expect),
    .positionals = positionals,
    .examples = examples,
    .run = expect_command,
};
