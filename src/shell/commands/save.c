/* save -- a network or a predictor to a file, all or nothing. */
#include <string.h>
#include <sys/stat.h>

#include "../command.h"
#include "../paths.h"
#include "../workspace.h"
#include "weft/base/dtype.h"
#include "weft/base/error.h"
#include "weft/base/text.h"

#define SAVED_TYPES(X) X(F32, "f32") X(F16, "f16") X(BF16, "bf16")
typedef enum SavedType {
#define X(name, text) SAVED_##name,
    SAVED_TYPES(X)
#undef X
} SavedType;

typedef struct SaveOptions {
    const Object *object;
    const char *file;
    bool force;
    SavedType dtype;
} SaveOptions;

static bool save_object(const char *path, const Args *args, Error *err) {
#define X(name, text) DTYPE_##name,
    static const DType dtypes[] = {SAVED_TYPES(X)};
#undef X
    const SaveOptions *o = args->options;
    const Object *object = o->object;
    if (object->kind == OBJECT_PREDICTOR)
        return predictor_save(object->predictor, path, dtypes[o->dtype], o->force, err);
    if (object->kind != OBJECT_NETWORK)
        return error_set(err, STATUS_USAGE, "'%s' is a %s; save writes only networks and predictors%s", object->name,
                         object_kind_name(object->kind), object->kind == OBJECT_TABLE ? "; export writes tables" : "");
    if (args_given(args, "dtype"))
        return error_set(err, STATUS_USAGE, "--dtype needs a predictor; a network keeps its dtypes");
    return network_save(object->network, path, o->force, err);
}

static bool save_command(Session *session, const Args *args, Result *result, Error *err) {
    (void)session;
    const SaveOptions *o = args->options;
    const Object *object = o->object;
    Str path = {0};
    bool ok = path_expand(o->file, &path, err);
    ok = ok && save_object(str_text(&path), args, err);
    struct stat status;
    if (ok && object->kind == OBJECT_NETWORK) network_save_notes(object->network, str_text(&path), &result->message);
    if (ok && stat(str_text(&path), &status) == 0)
        str_addf(&result->message, "%s: %lld bytes written", str_text(&path), (long long)status.st_size);
    str_done(&path);
    return ok;
}

static const Setting positionals[] = {
    OBJECT(SaveOptions, object, OBJECT, "NAME", NULL, .help = "the network or predictor"),
    WORD(SaveOptions, file, OUTPUT, "FILE", NULL,
         .help = "file to write: .safetensors (with lineage and metadata), networks also .onnx and .npz"),
    {0}};
static const Setting options[] = {FLAG(SaveOptions, force, "force", .help = "overwrite an existing file"),
                                  CHOICE(SaveOptions, dtype, "dtype", "DTYPE", SAVED_TYPES, .standard = "f32",
                                         .help = "type of a predictor's parameters in the file"),
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
    .size = sizeof(SaveOptions),
    .positionals = positionals,
    .options = ONE_GROUP(options),
    .examples = examples,
    .run = save_command,
};
