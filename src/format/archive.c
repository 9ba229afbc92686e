/* archive -- a zip archive: a checkpoint of PyTorch, arrays of NumPy, or something else, which is refused by what is in
 * it.
 */
#include <string.h>

#include "format/checkpoint.h"
#include "format/zip.h"
#include "weft/base/error.h"
#include "weft/base/file.h"
#include "weft/base/text.h"

static bool is_beside(const char *name) { /* what desktops put into archives */
    const char *slash = strrchr(name, '/'), *last = slash ? slash + 1 : name;
    return !*last || strncmp(name, "__MACOSX/", 9) == 0 || strncmp(last, "._", 2) == 0 ||
           strcmp(last, ".DS_Store") == 0;
}

static Checkpoint *refuse_zip(Zip *zip, Error *err) {
    const char *first = NULL;
    bool keras = false;
    size_t members = 0;
    for (size_t i = 0; i < zip_count(zip); i++) {
        const char *name = zip_member(zip, i)->name;
        keras = keras || strcmp(name, "model.weights.h5") == 0;
        if (is_beside(name)) continue;
        members++;
        if (!first) first = name;
    }
    if (!first)
        error_set(err, STATUS_BAD_INPUT, "an empty zip archive");
    else if (keras)
        error_set(err, STATUS_BAD_INPUT, "a Keras archive; convert its weights to safetensors or npz");
    else
        error_set(
            err, STATUS_BAD_INPUT,
            "a zip archive of \"%s\"%s, but neither PyTorch's (no data.pkl) nor NumPy's (no .npy members); extract it and open its contents",
            first, members > 1 ? " and more" : "");
    zip_close(zip);
    return NULL;
}

/* The records decide: PyTorch's data.pkl, or NumPy's arrays. */
static Checkpoint *open_zip(File *file, const CheckpointOpening *opening, Error *err) {
    Zip *zip = zip_open(file, err);
    if (!zip) return NULL;
    size_t arrays = 0, count = zip_count(zip);
    for (size_t i = 0; i < count; i++) {
        const char *name = zip_member(zip, i)->name;
        if (strcmp(name, "data.pkl") == 0 || text_ends_with(name, "/data.pkl"))
            return torch_zip_open(zip, opening->key, err);
        arrays += text_ends_with(name, ".npy");
    }
    return arrays > 0 ? npz_open(zip, err) : refuse_zip(zip, err);
}

static bool is_zip(const Head *head) {
    return head_holds(head, 0, "PK\3\4", 4) || head_holds(head, 0, "PK\5\6", 4);
}

const CheckpointReader zip_reader = {FILE_ZIP, is_zip, open_zip};
