/* paths -- files as users name them: "~", samples. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "paths.h"
#include "weft/base/error.h"
#include "weft/base/text.h"
#include "weft/data.h"

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
