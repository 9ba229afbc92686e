/* checkpoint -- the state of a run in a file that can be verified.
 *
 * last.safetensors is a predictor or network file (it loads as one) with the optimiser's arrays as tensors state.NAME
 * beside it, and two entries of metadata:
 *
 * - weft.run: a JSON object with version, step, what the run must remember, and a hash of the bytes of every tensor and
 * of every other entry of metadata (as "metadata KEY"). Real numbers are written in hexadecimal ("0x1.8p+1"), so that
 * they come back to the bit.
 * - weft.run.hash: the hash of that text.
 *
 * A save writes next.safetensors, reads it back whole, and only then lets last become previous and next become last.
 * Whatever is cut short, one of the three is whole.
 */
#include "train/internal.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "weft/base/dtype.h"
#include "weft/base/error.h"
#include "weft/base/hash.h"
#include "weft/base/json_text.h"
#include "weft/base/memory.h"
#include "weft/base/run.h"
#include "weft/base/text.h"

enum { VERSION = 1, METADATA_NAME = 128 };
#define LAST "last.safetensors"
#define NEXT "next.safetensors"
#define PREVIOUS "previous.safetensors"

/* ---- writing ----------------------------------------------------------------------------------------------------- */

static json_t *real_text(double value) {
    char text[64];
    snprintf(text, sizeof text, "%a", value);
    return json_string(text);
}

static bool add_tensor(FileParts *parts, const OptimiserState *state, Error *err) {
    size_t capacity = parts->count;
    if (!mem_grow(&parts->tensors, &capacity, parts->count + 1, sizeof *parts->tensors, err)) return false;
    parts->tensors[parts->count++] =
        (TensorOut){.name = state->name, .dtype = DTYPE_F32, .rank = 1, .dim = &state->count, .data = state->values};
    return true;
}

/* Under which name, and with what hash, an entry of metadata is listed. */
static void hash_metadata(const KeyValue *entry, char name[METADATA_NAME], char hash[HASH_HEX]) {
    snprintf(name, METADATA_NAME, "metadata %s", entry->key);
    hash_hex(entry->value, strlen(entry->value), hash);
}

static json_t *hashes_of(const FileParts *parts) {
    json_t *object = json_object();
    bool done = object != NULL;
    for (size_t i = 0; done && i < parts->count; i++) {
        const TensorOut *tensor = &parts->tensors[i];
        uint64_t count = 1;
        char hash[HASH_HEX];
        for (unsigned d = 0; d < tensor->rank; d++) count *= tensor->dim[d];
        hash_hex(tensor->data, (size_t)(count * dtype_bits(tensor->dtype) / 8), hash);
        done = json_object_set_new(object, tensor->name, json_string(hash)) == 0;
    }
    for (size_t i = 0; done && i < parts->metadata_count; i++) {
        char name[METADATA_NAME], hash[HASH_HEX];
        hash_metadata(&parts->metadata[i], name, hash);
        done = json_object_set_new(object, name, json_string(hash)) == 0;
    }
    if (done) return object;
    json_decref(object);
    return NULL;
}

static bool describe(const TrainConfig *config, const Learner *learner, const Progress *p, const FileParts *parts,
                     Str *out) {
    json_t *object = json_object();
    const bool made = object && json_object_set_new(object, "version", json_integer(VERSION)) == 0 &&
                      json_object_set_new(object, "step", json_integer((json_int_t)p->step)) == 0 &&
                      json_object_set_new(object, "scalar", real_text(learner->scalar)) == 0 &&
                      json_object_set_new(object, "seconds", real_text(p->seconds)) == 0 &&
                      json_object_set_new(object, "accuracy", real_text(p->accuracy)) == 0 &&
                      json_object_set_new(object, "best_accuracy", real_text(p->best_accuracy)) == 0 &&
                      json_object_set_new(object, "best_distance", real_text(p->best_distance)) == 0 &&
                      json_object_set_new(object, "config", train_config_json(config)) == 0 &&
                      json_object_set_new(object, "hashes", hashes_of(parts)) == 0;
    const bool done = made && str_add_json(out, object, JSON_COMPACT | JSON_REAL_PRECISION(17));
    json_decref(object);
    return done;
}

static bool write_file(const char *path, const TrainConfig *config, Learner *learner, Optimiser *optimiser,
                       const Progress *progress, Error *err) {
    FileParts parts = {0};
    OptimiserState state[OPTIMISER_STATES];
    const size_t arrays = optimiser_state(optimiser, state);
    char hash[HASH_HEX];
    Str text = {0};
    bool done = learner->parts(learner, learner->parameters, &parts, err);
    for (size_t i = 0; done && i < arrays; i++) done = add_tensor(&parts, &state[i], err);
    if (done) {
        done = describe(config, learner, progress, &parts, &text) ||
               error_set(err, STATUS_LIMIT, "%s: no memory for a checkpoint", path);
        if (done) hash_hex(str_text(&text), text.length, hash);
        done = done && key_value_add(&parts.metadata, &parts.metadata_count, "weft.run", str_text(&text), err) &&
               key_value_add(&parts.metadata, &parts.metadata_count, "weft.run.hash", hash, err);
    }
    done = done && safetensors_save(path, true, parts.tensors, parts.count, parts.metadata, parts.metadata_count, err);
    str_done(&text);
    file_parts_done(&parts);
    return done;
}

/* ---- checking ---------------------------------------------------------------------------------------------------- */

static bool check_tensor(Checkpoint *checkpoint, size_t index, const json_t *hashes, Error *err) {
    const CheckpointTensor *tensor = checkpoint_tensor(checkpoint, index);
    const char *wanted = json_string_value(json_object_get(hashes, tensor->name)), *path = checkpoint_path(checkpoint);
    const uint64_t bytes = tensor->count * dtype_bits(tensor->dtype) / 8;
    if (!wanted) return error_set(err, STATUS_BAD_INPUT, "%s: tensor '%s' has no hash", path, tensor->name);
    if (!mem_admit(bytes, path, err)) return false;
    void *data = mem_alloc(bytes, 1, err);
    char hash[HASH_HEX];
    bool done = data && checkpoint_read(checkpoint, index, data, err);
    if (done) {
        hash_hex(data, (size_t)bytes, hash);
        if (strcmp(hash, wanted) != 0)
            done = error_set(err, STATUS_BAD_INPUT, "%s: tensor '%s' is not what was saved", path, tensor->name);
    }
    mem_free(data);
    return done;
}

static bool check_metadata(Checkpoint *checkpoint, const json_t *hashes, Error *err) {
    for (size_t i = 0; i < checkpoint_metadata_count(checkpoint); i++) {
        const KeyValue *entry = checkpoint_metadata(checkpoint, i);
        char name[METADATA_NAME], hash[HASH_HEX];
        if (strncmp(entry->key, "weft.run", 8) == 0) continue;
        hash_metadata(entry, name, hash);
        const char *wanted = json_string_value(json_object_get(hashes, name));
        if (!wanted || strcmp(hash, wanted) != 0)
            return error_set(err, STATUS_BAD_INPUT, "%s: metadata '%s' is not what was saved",
                             checkpoint_path(checkpoint), entry->key);
    }
    return true;
}

static bool get_real(const json_t *object, const char *name, double *out) {
    const char *text = json_string_value(json_object_get(object, name));
    char *end;
    if (!text || !*text) return false;
    *out = strtod(text, &end);
    return !*end;
}

static bool get_count(const json_t *object, const char *name, uint64_t *out) {
    const json_t *value = json_object_get(object, name);
    *out = (uint64_t)json_integer_value(value);
    return json_is_integer(value) && json_integer_value(value) >= 0;
}

static bool read_progress(const json_t *object, Progress *p, double *scalar) {
    *p = (Progress){0};
    return get_count(object, "step", &p->step) && get_real(object, "scalar", scalar) &&
           get_real(object, "seconds", &p->seconds) && get_real(object, "accuracy", &p->accuracy) &&
           get_real(object, "best_accuracy", &p->best_accuracy) && get_real(object, "best_distance", &p->best_distance);
}

/* The run's description, after its own hash and that of every tensor. */
static json_t *description(Checkpoint *checkpoint, Error *err) {
    const char *path = checkpoint_path(checkpoint), *text = checkpoint_metadata_find(checkpoint, "weft.run"),
               *wanted = checkpoint_metadata_find(checkpoint, "weft.run.hash");
    char hash[HASH_HEX];
    json_error_t problem;
    if (!text || !wanted) {
        error_set(err, STATUS_BAD_INPUT, "%s: not a checkpoint of a run", path);
        return NULL;
    }
    if (!json_room(strlen(text), err)) return NULL;
    hash_hex(text, strlen(text), hash);
    json_t *object = strcmp(hash, wanted) == 0 ? json_loads(text, JSON_REJECT_DUPLICATES, &problem) : NULL;
    const json_t *hashes = json_object_get(object, "hashes");
    uint64_t version = 0;
    bool done = object && json_is_object(hashes) && get_count(object, "version", &version);
    if (!done)
        error_set(err, STATUS_BAD_INPUT, "%s: its description of the run is not what was saved", path);
    else if (version != VERSION)
        done = error_set(err, STATUS_BAD_INPUT, "%s: made by a newer weft (version %llu of checkpoints)", path,
                         (unsigned long long)version);
    /* the two entries of metadata that are not hashed are the description and its hash */
    if (done && json_object_size(hashes) + 2 != checkpoint_count(checkpoint) + checkpoint_metadata_count(checkpoint))
        done = error_set(err, STATUS_BAD_INPUT, "%s: tensors or metadata are missing", path);
    done = done && check_metadata(checkpoint, hashes, err);
    for (size_t i = 0; done && i < checkpoint_count(checkpoint); i++) done = check_tensor(checkpoint, i, hashes, err);
    if (done) return object;
    json_decref(object);
    return NULL;
}

/* `config`: what the run's configuration should be; NULL: whatever. */
static Checkpoint *open_whole(const char *path, const TrainConfig *config, Progress *progress, double *scalar,
                              Error *err) {
    Checkpoint *checkpoint = checkpoint_open(path, err);
    json_t *object = checkpoint ? description(checkpoint, err) : NULL;
    bool done = object != NULL;
    if (done && !read_progress(object, progress, scalar))
        done = error_set(err, STATUS_BAD_INPUT, "%s: its description of the run is invalid", path);
    TrainConfig own;
    if (done && config && !train_config_from_json(json_object_get(object, "config"), &own, err))
        done = error_prefix(err, "%s", path);
    const char *difference = done && config ? train_config_difference(config, &own) : NULL;
    if (difference)
        done = error_set(err, STATUS_BAD_INPUT, "%s: field '%s' differs from config.json", path, difference);
    json_decref(object);
    if (done) return checkpoint;
    checkpoint_close(checkpoint);
    return NULL;
}

/* ---- the folder -------------------------------------------------------------------------------------------------- */

bool checkpoint_save(const char *folder, const TrainConfig *config, Learner *learner, Optimiser *optimiser,
                     const Progress *progress, Error *err) {
    Str next = {0};
    Progress read;
    double scalar;
    run_path(folder, NEXT, &next);
    bool done = str_ok(&next, err) && write_file(str_text(&next), config, learner, optimiser, progress, err);
    if (done) {
        Checkpoint *again = open_whole(str_text(&next), NULL, &read, &scalar, err);
        done = again != NULL;
        if (!done) err->status = STATUS_WRITE;
        checkpoint_close(again);
    }
    done = done && run_rename(folder, LAST, PREVIOUS, err) && run_rename(folder, NEXT, LAST, err);
    str_done(&next);
    return done;
}

/* One that waits for its place is newer than the last, which is newer than the previous. */
Checkpoint *checkpoint_newest(const char *folder, const TrainConfig *config, Progress *progress, double *scalar,
                              Str *notes, Error *err) {
    static const char *const names[] = {NEXT, LAST, PREVIOUS};
    Checkpoint *checkpoint = NULL;
    error_set(err, STATUS_BAD_INPUT, "%s: no run to continue: it has no " LAST, folder);
    for (size_t i = 0; !checkpoint && i < sizeof names / sizeof *names; i++) {
        Str path = {0};
        Error problem;
        run_path(folder, names[i], &path);
        if (run_has(folder, names[i])) {
            checkpoint = open_whole(str_text(&path), config, progress, scalar, &problem);
            if (!checkpoint) str_addf(notes, "%s\n", problem.text);
            if (!checkpoint && strcmp(names[i], PREVIOUS) != 0) *err = problem; /* of the newest that should be whole */
        }
        str_done(&path);
    }
    return checkpoint;
}

bool checkpoint_clear(const char *folder, Error *err) {
    static const char *const names[] = {LAST, NEXT, PREVIOUS, "best.safetensors"};
    bool done = true;
    for (size_t i = 0; done && i < sizeof names / sizeof *names; i++) done = run_remove(folder, names[i], err);
    return done;
}

bool checkpoint_restore(Checkpoint *checkpoint, Optimiser *optimiser, uint64_t step, Error *err) {
    OptimiserState state[OPTIMISER_STATES];
    const size_t arrays = optimiser_state(optimiser, state);
    optimiser_set_steps(optimiser, step);
    for (size_t i = 0; i < arrays; i++) {
        size_t index;
        const bool found = checkpoint_find(checkpoint, state[i].name, &index);
        const CheckpointTensor *tensor = found ? checkpoint_tensor(checkpoint, index) : NULL;
        if (!found || tensor->dtype != DTYPE_F32 || tensor->count != state[i].count)
            return error_set(err, STATUS_BAD_INPUT, "%s: tensor '%s' is missing or of another size",
                             checkpoint_path(checkpoint), state[i].name);
        if (!checkpoint_read(checkpoint, index, state[i].values, err)) return false;
    }
    return true;
}
