/* save -- a network or a predictor to a file, all or nothing. */
#include <string.h>
#include <sys/stat.h>

#include "../command.h"
#include "../paths.h"
#include "../session.h"
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
    const char *file, *shard_size;
    bool force;
    SavedType dtype;
} SaveOptions;

/* "5G" as bytes; 0 where no shards are asked for. */
static bool read_shard_size(const Args *args, uint64_t *out, Error *err) {
    const SaveOptions *o = args->options;
    *out = 0;
    if (!o->shard_size) return true;
    if (o->object->kind != OBJECT_NETWORK)
        return error_set(err, STATUS_USAGE, "--shard-size needs a network; '%s' is none", o->object->name);
    return text_to_size(o->shard_size, out) ||
           error_set(err, STATUS_USAGE, "--shard-size needs a size such as 5G or 500M, not '%s'", o->shard_size);
}

static bool save_network(Session *session, const char *path, const Args *args, Result *result, Error *err) {
    const SaveOptions *o = args->options;
    FileSaving saving = {.overwrite = o->force, .task = &session->task};
    size_t files = 1;
    if (args_given(args, "dtype"))
        return error_set(err, STATUS_USAGE, "--dtype needs a predictor; a network keeps its dtypes");
    if (!read_shard_size(args, &saving.shard_size, err) ||
        !network_save_large(o->object->network, path, &saving, &result->message, &files, err))
        return false;
    if (files > 1)
        str_addf(&result->message, "%s.index.json: %zu shards written; load net opens this index", path, files);
    return true;
}

static bool save_object(Session *session, const char *path, const Args *args, Result *result, Error *err) {
#define X(name, text) DTYPE_##name,
    static const DType dtypes[] = {SAVED_TYPES(X)};
#undef X
    const SaveOptions *o = args->options;
    const Object *object = o->object;
    uint64_t shard_size;
    if (object->kind == OBJECT_NETWORK) return save_network(session, path, args, result, err);
    if (object->kind != OBJECT_PREDICTOR)
        return error_set(err, STATUS_USAGE, "'%s' is a %s; save writes only networks and predictors%s", object->name,
                         object_kind_name(object->kind), object->kind == OBJECT_TABLE ? "; export writes tables" : "");
    return read_shard_size(args, &shard_size, err) &&
           predictor_save(object->predictor, path, dtypes[o->dtype], o->force, err);
}

static bool save_command(Session *session, const Args *args, Result *result, Error *err) {
    const SaveOptions *o = args->options;
    Str path = {0};
    bool ok = path_expand(o->file, &path, err);
    ok = ok && save_object(session, str_text(&path), args, result, err);
    struct stat status;
    const bool sharded = result->message.length > 0 && text_ends_with(str_text(&result->message), "this index");
    if (ok && !sharded && stat(str_text(&path), &status) == 0)
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
                                  WORD(SaveOptions, shard_size, TEXT, "shard-size", "SIZE", .usual = "one file",
                                       .help = "write a network as .safetensors shards of at most this size, such as "
                                               "5G, and FILE.index.json"),
                                  {0}};
static const char *const examples[] = {"save smooth smooth.safetensors --force",
                                       "save pred pred.safetensors --dtype f16 --force",
                                       "save base parts.safetensors --shard-size 100K --force", NULL};

const Command command_save = {
    .name = "save",
    .group = "Objects",
    .summary = "Write a network or predictor to a file",
    .description =
        "A save is all or nothing: if anything fails, an existing file of that name stays intact. Weights are read, "
        "converted and written a part at a time, so a network may be larger than the memory. A safetensors "
        "file also records how the object was made; `load net` and `load predictor` restore this.\n\n"
        "A network's tensors keep the dtypes of their file. Unchanged tensors are saved bit for bit. Changed ones "
        "are rounded to their dtype, and `save` reports it. Tied tensors are saved once in safetensors (metadata "
        "names the other) and under each name in npz. Tensors that weft cannot use (complex numbers) and the "
        "file's own metadata are copied. If the weights changed, numbers in the metadata, such as an accuracy, "
        "are dropped.\n\n"
        "--shard-size writes FILE-00001-of-00003.safetensors and so on, then the index, which `load net` opens. All "
        "shards are complete before the first one gets its name. With --force the old index is removed before that, "
        "so an interrupted save leaves no mixture.\n\n"
        "A predictor's file includes its permutation. With the source network, it is all that `reconstruct` "
        "needs.",
    .size = sizeof(SaveOptions),
    .positionals = positionals,
    .options = ONE_GROUP(options),
    .examples = examples,
    .run = save_command,
    .streams = true,
};
