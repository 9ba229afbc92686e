/* dataset -- from a specification, KIND:REST, to a dataset. */
#include "data/dataset.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "weft/base/error.h"
#include "weft/base/hash.h"
#include "weft/base/memory.h"
#include "weft/base/text.h"

#define KIND(name, form, loader, help) {name, form, help},
static const DatasetKind kinds[] = {
#include "data/kinds.def"
    {NULL, NULL, NULL}};
#undef KIND
#define KIND(name, form, loader, help) loader,
static DatasetLoader *const loaders[] = {
#include "data/kinds.def"
};
#undef KIND
enum { KIND_COUNT = sizeof loaders / sizeof *loaders };

const DatasetKind *dataset_kinds(void) {
    return kinds;
}

static const DatasetKind *find_kind(const char *name, size_t length) {
    for (const DatasetKind *kind = kinds; kind->name; kind++)
        if (strlen(kind->name) == length && memcmp(kind->name, name, length) == 0) return kind;
    return NULL;
}

static bool unknown_kind(const char *spec, size_t length, Error *err) {
    const char *names[KIND_COUNT];
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

bool bad_form(const char *kind, const char *rest, Error *err) {
    return error_set(err, STATUS_USAGE, "%s:%s does not have the form %s", kind, rest,
                     find_kind(kind, strlen(kind))->form);
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
                    loaders[kind - kinds](str_text(&rest), limit, dataset, err);
    str_done(&rest);
    if (ok) return dataset;
    dataset_free(dataset);
    return NULL;
}

void dataset_free(Dataset *dataset) {
    if (!dataset) return;
    mem_free(dataset->spec);
    mem_free(dataset->title);
    mem_free(dataset->pixels);
    mem_free(dataset->labels);
    for (unsigned i = 0; dataset->names && i < dataset->classes; i++) mem_free(dataset->names[i]);
    mem_free(dataset->names);
    mem_free(dataset);
}

void dataset_spread(const Dataset *dataset, float *mean, float *std) {
    const uint64_t area = (uint64_t)dataset->height * dataset->width;
    for (unsigned c = 0; c < dataset->channels; c++) {
        uint64_t sum = 0, squares = 0;
        for (uint64_t i = 0; dataset->pixels && i < dataset->count; i++) {
            const uint8_t *pixels = dataset->pixels + (i * dataset->channels + c) * area;
            for (uint64_t j = 0; j < area; j++) {
                sum += pixels[j];
                squares += (uint64_t)pixels[j] * pixels[j];
            }
        }
        const double count = (double)dataset->count * (double)area, m = (double)sum / count;
        const double variance = (double)squares / count - m * m;
        mean[c] = dataset->pixels ? (float)(m / 255) : 0;
        std[c] = dataset->pixels && variance > 0 ? (float)(sqrt(variance) / 255) : 1;
    }
}

void dataset_image(const Dataset *dataset, uint64_t index, float *out) {
    uint64_t size = (uint64_t)dataset->channels * dataset->height * dataset->width;
    if (dataset->noise) {
        noise_image(index, size, out);
        return;
    }
    const uint8_t *pixels = dataset->pixels + index * size;
    for (uint64_t i = 0; i < size; i++) out[i] = (float)pixels[i] / 255.0f;
}

bool dataset_set_title(Dataset *dataset, const char *title, Error *err) {
    Str text = {0};
    str_addf(&text, "%s, %llu image%s", title, (unsigned long long)dataset->count, dataset->count == 1 ? "" : "s");
    bool ok = str_ok(&text, err) && (dataset->title = mem_copy_text(str_text(&text), err));
    str_done(&text);
    return ok;
}

bool path_exists(const char *path) {
    return access(path, F_OK) == 0;
}

const char *path_basename(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

void channels_apart(const uint8_t *pixels, uint64_t plane, unsigned channels, uint8_t *out) {
    for (unsigned c = 0; c < channels; c++)
        for (uint64_t i = 0; i < plane; i++) *out++ = pixels[i * channels + c];
}

bool find_plain_or_gz(const char *folder, const char *name, Str *out) {
    static const char *const endings[] = {"", ".gz"};
    for (size_t i = 0; i < 2; i++) {
        Str path = {0};
        str_addf(&path, "%s/%s%s", folder, name, endings[i]);
        bool found = !path.failed && path_exists(str_text(&path));
        if (found) str_add(out, str_text(&path));
        str_done(&path);
        if (found) return true;
    }
    return false;
}

void dataset_hash(const Dataset *data, char out[HASH_HEX]) {
    const size_t size = (size_t)data->channels * data->height * data->width;
    if (data->noise) {
        const uint64_t form[] = {data->count, data->channels, data->height, data->width};
        hash_hex(form, sizeof form, out);
        return;
    }
    char both[2 * HASH_HEX];
    hash_hex(data->pixels, (size_t)data->count * size, both);
    hash_hex(data->labels, data->labels ? (size_t)data->count * sizeof *data->labels : 0, both + HASH_HEX - 1);
    hash_hex(both, strlen(both), out);
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
