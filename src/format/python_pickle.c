/* python_pickle -- a pickle of NumPy arrays that is not PyTorch's: a dict of them, as pickle.dump or, in an npy of one
 * Python object, numpy.save wrote it. Nothing in it is run.
 */
#include <string.h>

#include "format/torch.h"
#include "weft/base/dtype.h"
#include "weft/base/error.h"
#include "weft/base/file.h"
#include "weft/base/memory.h"

/* In an npy: _reconstruct(...), then the state (1, (), dtype('O'), False, [object]). */
static const PickleNode *lone_object(const PickleNode *root) {
    const PickleNode *part[4];
    if (!pickle_array_parts(root, part) || part[3]->type != PICKLE_LIST || part[3]->count != 1) return NULL;
    return pickle_item(part[3], 0);
}

static bool has_reals(const Checkpoint *checkpoint) {
    for (size_t i = 0; i < checkpoint->count; i++) {
        const DType type = checkpoint->tensors[i].dtype;
        if (type == DTYPE_F16 || type == DTYPE_F32 || type == DTYPE_F64) return true;
    }
    return false;
}

static bool open_arrays(Checkpoint *checkpoint, uint64_t offset, bool npy, const char *key, Error *err) {
    const File *file = checkpoint->file;
    Torch *torch = mem_alloc(1, sizeof *torch, err);
    if (!torch) return false;
    checkpoint->reader = torch;
    checkpoint->free_reader = torch_free;
    torch->file = torch->text = file;
    torch->pickle = pickle_parse(file, offset, file_size(file) - offset, err);
    if (!torch->pickle) return false;
    if (pickle_end(torch->pickle) != file_size(file))
        return error_set(err, STATUS_BAD_INPUT, "%llu bytes after the pickle",
                         (unsigned long long)(file_size(file) - pickle_end(torch->pickle)));
    if (pickle_last_persistent(torch->pickle)) return error_set(err, STATUS_BAD_INPUT, "it refers to external data");
    const PickleNode *object = npy ? lone_object(pickle_root(torch->pickle)) : pickle_root(torch->pickle);
    if (!object) return error_set(err, STATUS_BAD_INPUT, "an array of several objects");
    pickle_set_root(torch->pickle, object);
    if (pickle_root(torch->pickle)->tensors == 0) return error_set(err, STATUS_BAD_INPUT, "it has no numeric array");
    return torch_add_tensors(checkpoint, key, err) &&
           (has_reals(checkpoint) || error_set(err, STATUS_BAD_INPUT, "arrays of integers only"));
}

Checkpoint *python_pickle_open(File *file, uint64_t offset, bool npy, const char *key, Error *err) {
    const char *format = npy ? "npy of a Python object" : "Python pickle";
    Checkpoint *checkpoint = checkpoint_new(file, file_name(file), format, err);
    if (!checkpoint || open_arrays(checkpoint, offset, npy, key, err)) return checkpoint;
    if (err->status == STATUS_BAD_INPUT && !strstr(err->text, "malicious")) {
        const size_t length = strlen(checkpoint->path);
        const bool named = strncmp(err->text, checkpoint->path, length) == 0 && err->text[length] == ':';
        const Error why = *err;
        error_set(err, STATUS_BAD_INPUT, "a Python pickle without PyTorch tensors or arrays (%s); save %s",
                  why.text + (named ? length + 2 : 0),
                  npy ? "arrays with numpy.savez" : "a state_dict with torch.save");
    }
    checkpoint_close(checkpoint);
    return NULL;
}

static Checkpoint *open_pickle(File *file, const CheckpointOpening *opening, Error *err) {
    return python_pickle_open(file, 0, false, opening->key, err);
}

const CheckpointReader python_pickle_reader = {FILE_PICKLE, head_is_pickle, open_pickle};
