/* sample -- the small datasets that come with weft, and where they are. */
#include "data/dataset.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "weft/base/error.h"
#include "weft/base/memory.h"
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

/* The samples folder of a source tree: a build lies somewhere inside it, in a folder above the executable. */
static bool folder_above_executable(Str *out) {
    char folder[4096];
    ssize_t length = readlink("/proc/self/exe", folder, sizeof folder - sizeof "/samples");
    if (length <= 0 || (size_t)length >= sizeof folder - sizeof "/samples") return false;
    folder[length] = '\0';
    for (char *slash; (slash = strrchr(folder, '/')) != NULL;) {
        strcpy(slash, "/samples");
        if (path_exists(folder)) {
            str_add(out, folder);
            return true;
        }
        *slash = '\0';
    }
    return false;
}

/* The folders that samples may be in, the first first; false beyond the last, or where there is none of this kind. */
enum { FOLDERS = 4 };
static bool sample_folder(int index, Str *out) {
    const char *own = getenv("WEFT_SAMPLES");
    if (index == 0 && own && *own) return str_add(out, own), true;
    if (index == 1) return str_add(out, WEFT_DATADIR "/samples"), true;
    if (index == 2) return folder_above_executable(out);
    return index == 3 ? (str_add(out, "samples"), true) : false;
}

bool sample_path(const char *file, Str *out) {
    bool found = false;
    for (int i = 0; i < FOLDERS && !found; i++) {
        Str folder = {0};
        found = sample_folder(i, &folder) && found_in(str_text(&folder), file, out);
        out->failed = out->failed || folder.failed;
        str_done(&folder);
    }
    return found;
}

void sample_each(const char *ending, SampleTaker *take, void *context) {
    const char *slash = strchr(ending, '/'); /* behind a folder of the samples folder */
    const size_t inner = slash ? (size_t)(slash - ending) : 0;
    if (slash) ending = slash + 1;
    const size_t tail = strlen(ending);
    for (int i = 0; i < FOLDERS; i++) {
        Str folder = {0};
        const bool known = sample_folder(i, &folder);
        if (slash) str_addf(&folder, "/%.*s", (int)inner, slash - inner);
        DIR *directory = known && !folder.failed ? opendir(str_text(&folder)) : NULL;
        for (struct dirent *entry; directory && (entry = readdir(directory));) {
            const size_t length = strlen(entry->d_name);
            if (length <= tail || strcmp(entry->d_name + length - tail, ending) != 0) continue;
            entry->d_name[length - tail] = '\0';
            take(context, entry->d_name);
        }
        if (directory) closedir(directory);
        str_done(&folder);
    }
}

typedef struct NameList {
    char *name[64];
    size_t count;
} NameList;

static void keep_name(void *context, const char *name) {
    NameList *list = context;
    Error ignored;
    for (size_t i = 0; i < list->count; i++)
        if (strcmp(list->name[i], name) == 0) return;
    if (list->count < sizeof list->name / sizeof *list->name &&
        (list->name[list->count] = mem_copy_text(name, &ignored)))
        list->count++;
}

static int compare_names(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

bool sample_unknown(const char *name, const char *ending, Error *err) {
    NameList list = {0};
    Str known = {0};
    sample_each(ending, keep_name, &list);
    if (list.count) qsort(list.name, list.count, sizeof *list.name, compare_names);
    for (size_t i = 0; i < list.count; i++) {
        str_addf(&known, "%s%s", i ? ", " : "", list.name[i]);
        mem_free(list.name[i]);
    }
    if (list.count)
        error_set(err, STATUS_BAD_INPUT, "no sample '%s'; there are %s", name, str_text(&known));
    else
        error_set(err, STATUS_BAD_INPUT,
                  "no sample '%s': no samples in $WEFT_SAMPLES, " WEFT_DATADIR "/samples, above the program, or in "
                  "./samples",
                  name);
    str_done(&known);
    return false;
}

static bool find_sample(const char *name, const char *ending, Str *out, Error *err) {
    Str file = {0};
    str_addf(&file, "%s%s", name, ending);
    bool ok = str_ok(&file, err);
    if (ok && !sample_path(str_text(&file), out) && (ok = str_ok(out, err)))
        ok = sample_unknown(name, SAMPLE_IMAGES, err);
    str_done(&file);
    return ok && str_ok(out, err);
}

bool load_sample(const char *rest, uint64_t limit, Dataset *out, Error *err) {
    if (!*rest || strchr(rest, '/')) return bad_form("sample", rest, err);
    Str images = {0}, labels = {0}, title = {0};
    str_addf(&title, "sample %s", rest);
    bool ok = find_sample(rest, SAMPLE_IMAGES, &images, err) &&
              find_sample(rest, "-labels-idx1-ubyte.gz", &labels, err) && str_ok(&title, err) &&
              load_idx_pair(str_text(&images), str_text(&labels), limit, out, err) &&
              dataset_set_title(out, str_text(&title), err);
    if (ok && strncmp(rest, "fashion-", 8) == 0 && out->classes == 10) out->class_names = FASHION_MNIST_CLASSES;
    str_done(&images);
    str_done(&labels);
    str_done(&title);
    return ok;
}
