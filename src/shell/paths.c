/* paths -- files as users name them: "~", samples; where --safe allows writing. */
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "paths.h"
#include "session.h"
#include "weft/base/error.h"
#include "weft/base/text.h"
#include "weft/data.h"

bool safe_to_write(const Session *session, const char *path, Error *err) {
    if (!session->options.safe) return true;
    char here[PATH_MAX], folder[PATH_MAX];
    const char *slash = strrchr(path, '/');
    size_t length = slash ? (size_t)(slash - path) : 0;
    char parent[PATH_MAX] = ".";
    bool ok = length < sizeof parent;
    if (ok && slash) {
        memcpy(parent, length ? path : "/", length ? length : 1);
        parent[length ? length : 1] = '\0';
    }
    ok = ok && realpath(".", here) && realpath(parent, folder);
    size_t size = ok ? strlen(here) : 0;
    ok = ok && strncmp(folder, here, size) == 0 && (folder[size] == '/' || folder[size] == '\0' || size == 1);
    char target[PATH_MAX];
    struct stat status;
    if (ok && lstat(path, &status) == 0) /* an existing target may be a link to somewhere else, or to nothing yet */
        ok = realpath(path, target) && strncmp(target, here, size) == 0 && (target[size] == '/' || size == 1);
    return ok || error_set(err, STATUS_USAGE, "%s: --safe allows writing only below the working folder", path);
}

bool path_expand(const char *path, Str *out, Error *err) {
    const char *home = getenv("HOME");
    if (path[0] == '~' && (path[1] == '/' || path[1] == '\0') && home) {
        str_add(out, home);
        path++;
    }
    str_add(out, path);
    return str_ok(out, err);
}

bool path_find(const char *text, Str *out, Error *err) {
    if (strncmp(text, "sample:", 7) == 0) {
        Str file = {0};
        str_addf(&file, "%s%s", text + 7, strchr(text + 7, '.') ? "" : ".safetensors");
        bool found = !file.failed && !strchr(text + 7, '/') && sample_path(str_text(&file), out);
        bool whole = str_ok(&file, err) && str_ok(out, err);
        str_done(&file);
        if (!whole) return false;
        return found || sample_unknown(text + 7, SAMPLE_NETWORK, err);
    }
    if (!path_expand(text, out, err)) return false;
    if (strchr(text, '/') || access(str_text(out), F_OK) == 0) return true;
    Str sample = {0};
    if (sample_path(text, &sample)) {
        out->length = 0;
        str_add(out, str_text(&sample));
    }
    out->failed = out->failed || sample.failed;
    str_done(&sample);
    return str_ok(out, err);
}
