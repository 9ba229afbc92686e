/* find -- paths, and where the files of a collection are: in a folder, or one folder down. */
#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "data/dataset.h"
#include "weft/base/error.h"
#include "weft/base/text.h"

bool path_exists(const char *path) {
    return access(path, F_OK) == 0;
}

const char *path_basename(const char *path) {
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
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

/* Whether FOLDER, or FOLDER/NAME, has one of the files. */
static bool has_one(const char *folder, const char *name, const char *const *files) {
    char path[PATH_MAX];
    struct stat about;
    for (size_t i = 0; files[i]; i++) {
        const int length =
            snprintf(path, sizeof path, "%s%s%s/%s", folder, name ? "/" : "", name ? name : "", files[i]);
        if (length > 0 && (size_t)length < sizeof path && stat(path, &about) == 0 && S_ISREG(about.st_mode))
            return true;
    }
    return false;
}

static bool give(const char *folder, const char *name, Str *out, Error *err) {
    str_addf(out, "%s%s%s", folder, name ? "/" : "", name ? name : "");
    return str_ok(out, err);
}

static const char *find_name(const char *folder, const char *const *usual, const char *const *files) {
    if (has_one(folder, NULL, files)) return NULL;
    for (size_t i = 0; usual[i]; i++)
        if (has_one(folder, usual[i], files)) return usual[i];
    return NULL;
}

bool find_usual(const char *folder, const char *const *usual, const char *const *files, Str *out, Error *err) {
    return give(folder, find_name(folder, usual, files), out, err);
}

bool find_folder(const char *folder, const char *const *usual, const char *const *files, Str *out, Error *err) {
    const char *name = find_name(folder, usual, files);
    if (name || has_one(folder, NULL, files)) return give(folder, name, out, err);
    char best[sizeof((struct dirent *)0)->d_name] = "";
    DIR *listing = opendir(folder);
    for (const struct dirent *entry; listing && (entry = readdir(listing));) {
        const bool first = !best[0] || strcmp(entry->d_name, best) < 0;
        if (entry->d_name[0] != '.' && first && has_one(folder, entry->d_name, files))
            snprintf(best, sizeof best, "%s", entry->d_name);
    }
    if (listing) closedir(listing);
    return give(folder, best[0] ? best : NULL, out, err);
}
