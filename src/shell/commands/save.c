/* save -- a network or a table to a file, all or nothing. */
#include <string.h>
#include <sys/stat.h>

#include "../session.h"

static bool run(Session *session, const Args *args, Result *result, Error *err) {
    (void)session;
    const Object *object = args_value(args, "NAME")->object;
    Str path = {0};
    bool ok = path_expand(args_text(args, "FILE"), &path, err);
    if (ok && object->kind != OBJECT_NETWORK)
        ok = error_set(err, STATUS_USAGE, "'%s' is a %s; save writes networks%s", object->name,
                       object_kind_name(object->kind), object->kind == OBJECT_TABLE ? ", export writes tables" : "");
    ok = ok && network_save(object->network, str_text(&path), args_flag(args, "force"), err);
    struct stat status;
    if (ok && stat(str_text(&path), &status) == 0)
        str_addf(&result->message, "%s: %lld bytes written", str_text(&path), (long long)status.st_size);
    str_done(&path);
    return ok;
}

static const ArgSpec positionals[] = {
    {.name = "NAME", .kind = ARG_NETWORK, .help = "the network"},
    {.name = "FILE", .kind = ARG_OUTPUT, .help = "where to: .safetensors (with lineage and normalisation) or .npz"},
    {0}};
static const ArgSpec options[] = {{.name = "force", .kind = ARG_FLAG, .help = "overwrite an existing file"}, {0}};
static const char *const examples[] = {"save smooth smooth.safetensors --force", NULL};

const Command command_save = {
    .name = "save",
    .group = "Objects",
    .summary = "writes a network to a file",
    .description =
        "A save is all or nothing: whatever goes wrong, an old file of that name stays whole. A safetensors file also says how "
        "the network was made; load net brings that back.",
    .positionals = positionals,
    .options = options,
    .examples = examples,
    .run = run,
};
