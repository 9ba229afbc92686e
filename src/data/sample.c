/* sample -- the small datasets that come with weft, and where they are. */
#include "data/dataset.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "weft/base/error.h"
#include "weft/base/text.h"

/* Adds FOLDER/FILE to `out` where it exists; `out` fails where memory did. */
static bool found_in(const char *folder, const char *file, Str *out) {
    Str path = {0};
    str_addf(&path, "%s/%s", folder, file);
    bool found = !path.failed && path_exists(str_text(&path));
    if (found) str_add(out, str_text(&path));
    out->failed = out->failed || path.failed;
    str_done(&path);
    return found;
}

/* A build lies somewhere inside its source tree: looks for samples/FILE in every folder above the executable. */
static bool found_above_executable(const char *file, Str *out) {
    char folder[4096];
    ssize_t length = readlink("/proc/self/exe", folder, sizeof folder - sizeof "/samples");
    if (length <= 0 || (size_t)length >= sizeof folder - sizeof "/samples") return false;
    folder[length] = '\0';
    for (char *slash; (slash = strrchr(folder, '/')) != NULL;) {
        strcpy(slash, "/samples");
        if (found_in(folder, file, out)) return true;
        *slash = '\0';
    }
    return false;
}

bool sample_path(const char *file, Str *out) {
    const char *own = getenv("WEFT_SAMPLES");
    return (own && *own && found_in(own, file, out)) || found_in(WEFT_DATADIR "/samples", file, out) ||
           found_above_executable(file, out) || found_in("samples", file, out);
}

static bool find_sample(const char *name, const char *ending, Str *out, Error *err) {
    Str file = {0};
    str_addf(&file, "%s%s", name, ending);
    bool ok = str_ok(&file, err);
    if (ok && !sample_path(str_text(&file), out) && (ok = str_ok(out, err)))
        ok = error_set(err, STATUS_BAD_INPUT, "no sample %s: %s is not in %s, nor above the program, nor in ./samples",
                       name, str_text(&file),
                       getenv("WEFT_SAMPLES") ? "$WEFT_SAMPLES, " WEFT_DATADIR "/samples" : WEFT_DATADIR "/samples");
    str_done(&file);
    return ok && str_ok(out, err);
}

bool load_sample(const char *rest, uint64_t limit, Dataset *out, Error *err) {
    if (!*rest || strchr(rest, '/')) return bad_form("sample", rest, err);
    Str images = {0}, labels = {0}, title = {0};
    str_addf(&title, "sample %s", rest);
    bool ok = find_sample(rest, "-images-idx3-ubyte.gz", &images, err) &&
              find_sample(rest, "-labels-idx1-ubyte.gz", &labels, err) && str_ok(&title, err) &&
              load_idx_pair(str_text(&images), str_text(&labels), limit, out, err) &&
              dataset_set_title(out, str_text(&title), err);
    if (ok && strncmp(rest, "fashion-", 8) == 0 && out->classes == 10) out->class_names = FASHION_MNIST_CLASSES;
    str_done(&images);
    str_done(&labels);
    str_done(&title);
    return ok;
}
