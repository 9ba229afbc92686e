/* rm -- removes objects from the workspace. */
#include "../command.h"
#include "../workspace.h"
#include "weft/base/error.h"

typedef struct Rm {
    SettingList objects;
} Rm;

static bool rm_command(Session *session, const Args *args, Result *result, Error *err) {
    (void)result;
    (void)err;
    const SettingList *objects = &((const Rm *)args->options)->objects;
    for (size_t i = 0; i < objects->count; i++) {
        bool again = false; /* named twice */
        for (size_t k = 0; k < i; k++) again = again || objects->item[k] == objects->item[i];
        if (!again) workspace_remove(session, (Object *)(uintptr_t)objects->item[i]);
    }
    return true;
}

static const Setting positionals[] = {LIST(Rm, objects, OBJECT, "NAME", .help = "object to remove"), {0}};
static const char *const examples[] = {"rm smooth", NULL};

const Command command_rm = {
    .name = "rm",
    .group = "Objects",
    .summary = "Remove objects from the workspace (files are kept)",
    .size = sizeof(Rm),
    .positionals = positionals,
    .examples = examples,
    .run = rm_command,
    .streams = true,
};
