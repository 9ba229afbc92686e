/* clear -- an empty screen. */
#include "../output.h"
#include "../session.h"
#include "weft/base/error.h"
#include "weft/base/text.h"
#include "weft/tui.h"

static bool clear_command(Session *session, const Args *args, Result *result, Error *err) {
    (void)args;
    (void)result;
    (void)err;
    Str text = {0};
    if (session->out_terminal && tui_clear_text(&text)) output_drawn(session, str_text(&text));
    str_done(&text);
    return true;
}

static const char *const examples[] = {"clear", NULL};

const Command command_clear = {
    .name = "clear",
    .group = "Scripts and help",
    .summary = "Clear the screen",
    .examples = examples,
    .run = clear_command,
};
