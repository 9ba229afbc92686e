/* save -- a network or a predictor to a file, all or nothing. */
#include <string.h>
#include <sys/stat.h>

#include "../session.h"
#include "weft/base/dtype.h"
#include "weft/base/error.h"
#include "weft/base/text.h"

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
     .help = "where to: .safetensors (with lineage and all else), networks also .onnx and .npz"},
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
    .summary = "Write a network or predictor to a file",
    .description =
        "A save is all or nothing: if anything fails, an existing file of that name stays intact. A safetensors "
        "file also records how the object was made; `load net` and `load predictor` restore this.\n\n"
        "A network's tensors keep the dtypes of their file. Unchanged tensors are saved bit for bit. Changed ones "
        "are rounded to their dtype, and `save` reports it. Tied tensors are saved once in safetensors (metadata "
        "names the other) and under each name in npz. Tensors that weft cannot use (complex numbers) and the "
        "file's own metadata are copied. If the weights changed, numbers in the metadata, such as an accuracy, "
        "are dropped.\n\n"
        "A predictor's file includes its permutation. With the source network, it is all that `reconstruct` "
        "needs.",
    .positionals = positionals,
    .options = options,
    .examples = examples,
    .run = run,
};
