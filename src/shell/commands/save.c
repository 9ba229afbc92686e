/* save -- a network or a predictor to a file, all or nothing. */
#include <string.h>
#include <sys/stat.h>

#include "../session.h"

static bool save(const Object *object, const char *path, const Args *args, Error *err) {
    static const DType dtypes[] = {DTYPE_F32, DTYPE_F16, DTYPE_BF16};
    const bool force = args_flag(args, "force");
    if (object->kind == OBJECT_PREDICTOR)
        return predictor_save(object->predictor, path, dtypes[args_choice(args, "dtype")], force, err);
    if (object->kind != OBJECT_NETWORK)
        return error_set(err, STATUS_USAGE, "'%s' is a %s; save writes networks and predictors%s", object->name,
                         object_kind_name(object->kind), object->kind == OBJECT_TABLE ? ", export writes tables" : "");
    if (args_value(args, "dtype")->given)
        return error_set(err, STATUS_USAGE, "--dtype is for predictors; a network is saved in the numbers it has");
    return network_save(object->network, path, force, err);
}

static bool run(Session *session, const Args *args, Result *result, Error *err) {
    (void)session;
    const Object *object = args_value(args, "NAME")->object;
    Str path = {0};
    bool ok = path_expand(args_text(args, "FILE"), &path, err);
    ok = ok && save(object, str_text(&path), args, err);
    struct stat status;
    if (ok && object->kind == OBJECT_NETWORK) network_save_notes(object->network, str_text(&path), &result->message);
    if (ok && stat(str_text(&path), &status) == 0)
        str_addf(&result->message, "%s: %lld bytes written", str_text(&path), (long long)status.st_size);
    str_done(&path);
    return ok;
}

static const ArgSpec positionals[] = {
    {.name = "NAME", .kind = ARG_OBJECT, .help = "the network or predictor"},
    {.name = "FILE",
     .kind = ARG_OUTPUT,
     .help = "where to: .safetensors (with lineage and all else), networks also .npz"},
    {0}};
static const ArgSpec options[] = {{.name = "force", .kind = ARG_FLAG, .help = "overwrite an existing file"},
                                  {.name = "dtype",
                                   .kind = ARG_CHOICE,
                                   .value = "DTYPE",
                                   .standard = "f32",
                                   .choices = "f32|f16|bf16",
                                   .help = "the numbers of a predictor's parameters in the file"},
                                  {0}};
static const char *const examples[] = {"save smooth smooth.safetensors --force",
                                       "save pred pred.safetensors --dtype f16 --force", NULL};

const Command command_save = {
    .name = "save",
    .group = "Objects",
    .summary = "writes a network or a predictor to a file",
    .description =
        "A save is all or nothing: whatever goes wrong, an old file of that name stays whole. A safetensors file also says how "
        "the object was made; load net and load predictor bring that back. A network's tensors keep the dtype that they had in "
        "their file, those that did not change to the bit; changed ones are rounded to it, which save says. Tied tensors are "
        "saved once in safetensors (metadata names the other), under each name in npz. Tensors that weft cannot use (complex "
        "ones) are carried over, and so is the file's own metadata; after a change what is a number, such as an accuracy, is "
        "left out of it. A predictor's file holds its order of kernels too: "
        "all that is needed to reconstruct beside the source network.",
    .positionals = positionals,
    .options = options,
    .examples = examples,
    .run = run,
};
