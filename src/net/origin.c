/* origin -- the file of a large network, and whether another process sees the same one.
 *
 * A file that takes a minute to read is not compared byte by byte. Its size, the time of its last change and parts of
 * it that lie all over it tell it from every file that people mistake it for: an older version, another network of the
 * same shapes, a copy that is not complete.
 */
#include "net/internal.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <stdlib.h>

#include "weft/base/error.h"
#include "weft/base/file.h"
#include "weft/base/hash.h"
#include "weft/base/memory.h"
#include "weft/base/tensor.h"
#include "weft/base/text.h"

void origin_free(NetworkOrigin *origin) {
    if (!origin) return;
    mem_free(origin->path);
    mem_free(origin->name);
    mem_free(origin->architecture);
    mem_free(origin->prefix);
    mem_free(origin->normalise);
    mem_free(origin->key);
    mem_free(origin);
}

static bool absolute(const char *path, char **out, Error *err) {
    Str text = {0};
    char *folder = *path == '/' ? NULL : getcwd(NULL, 0);
    if (folder) str_addf(&text, "%s/", folder);
    free(folder);
    str_add(&text, path);
    const bool done = str_ok(&text, err) && (*out = mem_copy_text(str_text(&text), err));
    str_done(&text);
    return done;
}

static bool copy(char **out, const char *text, Error *err) {
    return !text || (*out = mem_copy_text(text, err));
}

bool origin_note(Network *network, const char *path, const NetworkOptions *options, Error *err) {
    NetworkOrigin *origin = network->origin = mem_alloc(1, sizeof *origin, err);
    return origin && absolute(path, &origin->path, err) && copy(&origin->name, path, err) &&
           copy(&origin->architecture, options->architecture, err) && copy(&origin->prefix, options->prefix, err) &&
           copy(&origin->normalise, options->normalise, err) && copy(&origin->key, options->key, err);
}

/* ---- identity ---------------------------------------------------------------------------------------------------- */

/* The files of the tensors, each once. */
typedef struct Files {
    const File **file;
    size_t count, capacity;
} Files;

static bool add_file(Files *files, const File *file, Error *err) {
    for (size_t i = files->count; file && i-- > 0;)
        if (files->file[i] == file) return true;
    if (!file) return true;
    if (!mem_grow(&files->file, &files->capacity, files->count + 1, sizeof *files->file, err)) return false;
    files->file[files->count++] = file;
    return true;
}

static bool list_files(const Network *network, Files *out, Error *err) {
    bool done = true;
    for (size_t i = 0; done && i < network->tensor_count; i++)
        if (network->tensors[i].bytes) done = add_file(out, bytes_file(network->tensors[i].bytes), err);
    for (size_t i = 0; done && i < network->carried_count; i++)
        done = add_file(out, bytes_file(network->carried[i].bytes), err);
    return done;
}

static void add_layers(const Network *network, Str *out) {
    Str text = {0};
    char sum[HASH_HEX];
    for (size_t i = 0; i < network->layer_count; i++) {
        const Tensor *weight = layer_weight(network, &network->layers[i]);
        str_addf(&text, "%s %d", network->layers[i].name, (int)network->layers[i].kind);
        for (unsigned axis = 0; axis < weight->rank; axis++)
            str_addf(&text, " %llu", (unsigned long long)weight->dim[axis]);
        str_add(&text, "\n");
    }
    hash_hex(str_text(&text), text.length, sum);
    str_addf(out, "%s\n", sum);
    if (text.failed) out->failed = true;
    str_done(&text);
}

static bool identify(const Network *network, const Files *files, Str *out, Error *err) {
    bool done = true;
    for (size_t i = 0; done && i < files->count; i++) {
        done = file_identity(files->file[i], out, err);
        str_add(out, "\n");
    }
    add_layers(network, out);
    return done && str_ok(out, err);
}

bool network_identity(const Network *network, Str *out, Error *err) {
    Files files = {0};
    const bool done = list_files(network, &files, err) && identify(network, &files, out, err);
    mem_free((void *)files.file);
    return done;
}

/* ---- the same elsewhere ------------------------------------------------------------------------------------------ */

static const char *next_line(const char **text, size_t *length) {
    const char *line = *text;
    *length = strcspn(line, "\n");
    *text = line + *length + (line[*length] == '\n');
    return line;
}

/* Why `own` is not `wanted`, a line of one file each. */
static bool differ(const char *name, const char *own, const char *wanted, Error *err) {
    unsigned long long size[2] = {0};
    char time[2][64] = {"", ""};
    sscanf(own, "%llu %63s", &size[0], time[0]);
    sscanf(wanted, "%llu %63s", &size[1], time[1]);
    if (size[0] != size[1])
        return error_set(err, STATUS_BAD_INPUT, "%s: has %llu bytes here, %llu on rank 0", name, size[0], size[1]);
    if (strcmp(time[0], time[1]) != 0)
        return error_set(err, STATUS_BAD_INPUT,
                         "%s: was last changed at another time than rank 0's file (cp -p and rsync -t keep the time)",
                         name);
    return error_set(err, STATUS_BAD_INPUT, "%s: holds other data than rank 0's file", name);
}

static bool same_files(const Network *network, const char *path, const char *wanted, Error *err) {
    Files files = {0};
    Str own = {0};
    bool same = list_files(network, &files, err) && identify(network, &files, &own, err);
    const char *a = str_text(&own), *b = wanted;
    for (size_t i = 0; same && i < files.count && *b; i++) {
        size_t length[2];
        const char *line[2] = {next_line(&a, &length[0]), next_line(&b, &length[1])};
        if (length[0] != length[1] || memcmp(line[0], line[1], length[0]) != 0)
            same = differ(file_name(files.file[i]), line[0], line[1], err);
    }
    if (same && strcmp(a, b) != 0)
        same = error_set(err, STATUS_BAD_INPUT, "%s: has other layers or shards here than on rank 0", path);
    str_done(&own);
    mem_free((void *)files.file);
    return same;
}

Network *network_load_again(const NetworkOrigin *origin, const char *identity, Error *err) {
    const NetworkOptions options = {.architecture = origin->architecture,
                                    .prefix = origin->prefix,
                                    .normalise = origin->normalise,
                                    .key = origin->key,
                                    .lazy = true,
                                    .lazy_always = true,
                                    .own = true};
    Network *network = network_load(origin->path, &options, err);
    if (network && same_files(network, origin->path, identity, err) &&
        key_value_add(&network->lineage, &network->lineage_count, "load", origin->name, err))
        return network;
    network_free(network);
    return NULL;
}
