/* load -- from a specification, KIND:REST, to a dataset: by the loader of its kind. */
#include "data/dataset.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "weft/base/error.h"
#include "weft/base/hash.h"
#include "weft/base/memory.h"
#include "weft/base/record.h"
#include "weft/base/text.h"

#define KIND(name, form, loader, help) loader,
static DatasetLoader *const loaders[] = {
#include "data/kinds.def"
};
#undef KIND
enum { KIND_COUNT = sizeof loaders / sizeof *loaders };

static bool unknown_kind(const char *spec, size_t length, Error *err) {
    const char *names[KIND_COUNT];
    const DatasetKind *kinds = dataset_kinds();
    Str known = {0}, word = {0};
    for (size_t i = 0; i < KIND_COUNT; i++) {
        names[i] = kinds[i].name;
        str_addf(&known, "%s%s", i ? ", " : "", kinds[i].name);
    }
    str_add_bytes(&word, spec, length);
    if (str_ok(&known, err) && str_ok(&word, err)) {
        const char *nearest = text_nearest(str_text(&word), names, KIND_COUNT);
        error_set(err, STATUS_USAGE, "unknown kind of dataset '%s'%s%s%s; one of: %s (help data)", str_text(&word),
                  nearest ? "; did you mean " : "", nearest ? nearest : "", nearest ? "?" : "", str_text(&known));
    }
    str_done(&known);
    str_done(&word);
    return false;
}

/* "~" where a path begins: at the start, and after a colon, a comma or "=". */
static void expand_home(const char *rest, Str *out) {
    const char *home = getenv("HOME");
    for (size_t i = 0; rest[i]; i++) {
        const bool begins = i == 0 || strchr(":,=", rest[i - 1]);
        const bool ends = !rest[i + 1] || strchr("/:,", rest[i + 1]);
        if (home && begins && rest[i] == '~' && ends)
            str_add(out, home);
        else
            str_add_bytes(out, &rest[i], 1);
    }
}

Dataset *dataset_load(const char *spec, uint64_t limit, Error *err) {
    size_t length = strcspn(spec, ":");
    const DatasetKind *kind = find_kind(spec, length);
    if (!kind) {
        unknown_kind(spec, length, err);
        return NULL;
    }
    Dataset *dataset = mem_alloc(1, sizeof *dataset, err);
    Str rest = {0};
    expand_home(spec + length + (spec[length] == ':'), &rest);
    const bool ok = dataset && (dataset->spec = mem_copy_text(spec, err)) && str_ok(&rest, err) &&
                    loaders[kind - dataset_kinds()](str_text(&rest), limit, dataset, err);
    str_done(&rest);
    char here[PATH_MAX];
    if (ok && (!getcwd(here, sizeof here) || (dataset->folder = mem_copy_text(here, err)))) return dataset;
    dataset_free(dataset);
    return NULL;
}

Dataset *dataset_load_from(const char *folder, const char *spec, uint64_t limit, Error *err) {
    const int here = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    const bool moved = here >= 0 && folder[0] && chdir(folder) == 0;
    Dataset *data = dataset_load(spec, limit, err);
    if (moved && fchdir(here) != 0) {
        error_set(err, STATUS_FAILED, "the working folder is gone: %s", strerror(errno));
        dataset_free(data);
        data = NULL;
    }
    if (here >= 0) close(here);
    return data;
}

bool dataset_record(const Dataset *data, const char *role, RunRecord *record, Error *err) {
    char hash[HASH_HEX];
    if (!data) return true;
    dataset_hash(data, hash);
    return record_add_data(record, role, hash, data->spec, data->folder, data->count, err);
}

Dataset *dataset_load_recorded(const char *folder, const RunRecord *record, const RecordObject *object, Error *err) {
    char hash[HASH_HEX];
    Dataset *data =
        dataset_load_from(object->folder ? object->folder : record->folder, object->spec, object->images, err);
    if (!data) return NULL;
    dataset_hash(data, hash);
    if (strcmp(hash, object->hash) == 0) return data;
    error_set(err, STATUS_BAD_INPUT, "%s: field '%s' differs: %s does not hold the images the run started with", folder,
              object->role, object->spec);
    dataset_free(data);
    return NULL;
}
