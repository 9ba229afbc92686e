/* folder -- a folder that was given where a checkpoint was to be: what it is, and which file to open. */
#include <dirent.h>
#include <stdlib.h>
#include <string.h>

#include "format/checkpoint.h"
#include "weft/base/error.h"
#include "weft/base/memory.h"
#include "weft/base/text.h"

enum { CAP_ENTRIES = 100000, TOLD_MOST = 4 };

/* What a file of this name makes of the folder, in order of preference: `open` files can be opened. */
static const struct {
    const char *name;
    bool open;
    const char *what;
} known[] = {
    {"model.safetensors", true, "a Hugging Face folder"},
    {"model.safetensors.index.json", true, "a Hugging Face folder"},
    {"diffusion_pytorch_model.safetensors", true, "a Hugging Face folder"},
    {"pytorch_model.bin", true, "a Hugging Face folder"},
    {"pytorch_model.bin.index.json", true, "a Hugging Face folder"},
    {"saved_model.pb", false, "a TensorFlow SavedModel; convert it to ONNX (tf2onnx) or its weights to npz"},
    {"keras_metadata.pb", false, "a Keras SavedModel; convert it to ONNX (tf2onnx) or its weights to npz"},
    {"Manifest.json", false, "a Core ML package; convert the network it was made from"},
    {"coremldata.bin", false, "a compiled Core ML model; convert the network it was made from"},
    {"data.pkl", false, "an unpacked PyTorch file; zip it again (zip -0 -r FILE.pth FOLDER)"},
    {"manifest.ocdbt", false, "an Orbax checkpoint (Flax); save its arrays as safetensors or npz"},
    {".metadata", false,
     "a distributed PyTorch checkpoint; convert it to one file with torch.distributed.checkpoint.format_utils"},
    {"checkpoint", false, "a folder of TensorFlow checkpoints; save their variables as npz"},
    {".zarray", false, "a Zarr array; save it as npy"},
    {".zgroup", false, "a Zarr group; save its arrays as npz"},
};
enum { KNOWN = sizeof known / sizeof *known };

static bool is_checkpoint_name(const char *name) {
    static const char *const ends[] = {".safetensors", ".pth",    ".pt",  ".th",   ".bin", ".ckpt",
                                       ".tar",         ".npz",    ".npy", ".onnx", ".t7",  ".index.json",
                                       ".pkl",         ".pickle", ".h5",  ".keras"};
    const size_t length = strlen(name);
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        const size_t end = strlen(ends[i]);
        if (length > end && strcmp(name + length - end, ends[i]) == 0) return true;
    }
    return false;
}

typedef struct Listing {
    bool has[KNOWN];
    char *first[TOLD_MOST]; /* files that look like checkpoints, the first ones by name */
    size_t count, entries;
} Listing;

static void keep_first(Listing *list, const char *name) {
    Error ignored;
    char *copy = mem_copy_text(name, &ignored);
    list->count++;
    for (size_t i = 0; i < TOLD_MOST && copy; i++) {
        if (list->first[i] && strcmp(copy, list->first[i]) >= 0) continue;
        char *other = list->first[i];
        list->first[i] = copy;
        copy = other;
    }
    mem_free(copy);
}

static void read_folder(DIR *folder, Listing *list) {
    for (struct dirent *entry; list->entries < CAP_ENTRIES && (entry = readdir(folder));) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
        list->entries++;
        for (size_t i = 0; i < KNOWN; i++)
            if (strcmp(entry->d_name, known[i].name) == 0) list->has[i] = true;
        if (is_checkpoint_name(entry->d_name)) keep_first(list, entry->d_name);
    }
}

bool folder_refuse(const char *path, Error *err) {
    DIR *folder = opendir(path);
    Listing list = {0};
    Str text = {0};
    if (!folder) return error_set(err, STATUS_BAD_INPUT, "%s: is a directory that cannot be read", path);
    read_folder(folder, &list);
    closedir(folder);
    size_t which = 0;
    while (which < KNOWN && !list.has[which]) which++;
    const size_t length = strlen(path);
    const char *slash = length > 0 && path[length - 1] == '/' ? "" : "/";
    if (which < KNOWN && known[which].open) {
        str_addf(&text, "%s; open %s%s%s", known[which].what, path, slash, known[which].name);
    } else if (which < KNOWN && list.count == 0) {
        str_add(&text, known[which].what);
    } else if (list.count > 0) {
        str_add(&text, list.count == 1 ? "a folder; open the file inside: " : "a folder; open one of its files: ");
        for (size_t i = 0; i < TOLD_MOST && list.first[i]; i++) str_addf(&text, i > 0 ? ", %s" : "%s", list.first[i]);
        if (list.count > TOLD_MOST) str_addf(&text, " and %zu more", list.count - TOLD_MOST);
    } else {
        str_add(&text, list.entries == 0 ? "an empty folder" : "a folder without a checkpoint in it");
    }
    for (size_t i = 0; i < TOLD_MOST; i++) mem_free(list.first[i]);
    if (str_ok(&text, err)) error_set(err, STATUS_BAD_INPUT, "%s: is a directory: %s", path, str_text(&text));
    str_done(&text);
    return false;
}
