/* record -- see weft/base/record.h. */

#include <jansson.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "weft/base/error.h"
#include "weft/base/file.h"
#include "weft/base/json_text.h"
#include "weft/base/machine.h"
#include "weft/base/memory.h"
#include "weft/base/pool.h"
#include "weft/base/record.h"
#include "weft/base/run.h"
#include "weft/base/save.h"
#include "weft/base/text.h"
#include "weft/base/version.h"

enum { CONFIG_LIMIT = 1 << 20, NAME_MOST = 79 };
static const char config_name[] = "config.json";

/* ---- making ------------------------------------------------------------------------------------------------------ */

static bool set_text(char **to, const char *text, Error *err) {
    mem_free(*to);
    return (*to = mem_copy_text(text, err)) != NULL;
}

bool record_begin(RunRecord *record, const char *kind, const char *name, const char *command, json_t *settings,
                  Error *err) {
    char here[PATH_MAX];
    Str line = {0};
    record->settings = settings;
    if (!settings) return error_set(err, STATUS_LIMIT, "no memory for %s", config_name);
    if (!getcwd(here, sizeof here) || !text_valid_utf8(here, strlen(here))) here[0] = '\0';
    const char *plain = text_as_utf8(command, &line);
    const bool done = (plain || error_set(err, STATUS_LIMIT, "no memory for %s", config_name)) &&
                      set_text(&record->kind, kind, err) && set_text(&record->name, name, err) &&
                      set_text(&record->command, plain, err) && set_text(&record->folder, here, err);
    str_done(&line);
    return done;
}

static RecordObject *add_object(RunRecord *record, const char *role, const char *hash, Error *err) {
    if (!mem_grow(&record->objects, &record->object_capacity, record->object_count + 1, sizeof *record->objects, err))
        return NULL;
    RecordObject *object = &record->objects[record->object_count++];
    *object = (RecordObject){0};
    snprintf(object->hash, sizeof object->hash, "%s", hash);
    return set_text(&object->role, role, err) ? object : NULL;
}

bool record_add_network(RunRecord *record, const char *role, const char *hash, const char *file, Error *err) {
    RecordObject *object = add_object(record, role, hash, err);
    return object && set_text(&object->file, file, err);
}

bool record_add_data(RunRecord *record, const char *role, const char *hash, const char *spec, const char *folder,
                     uint64_t images, Error *err) {
    if (!text_valid_utf8(spec, strlen(spec)))
        return error_set(err, STATUS_USAGE, "%s: a run saves the data's specification, but this one is not UTF-8",
                         spec);
    RecordObject *object = add_object(record, role, hash, err);
    if (!object || !set_text(&object->spec, spec, err)) return false;
    object->images = images;
    const bool other = folder && (!record->folder || strcmp(folder, record->folder) != 0);
    return !other || !text_valid_utf8(folder, strlen(folder)) || set_text(&object->folder, folder, err);
}

const RecordObject *record_object(const RunRecord *record, const char *role) {
    for (size_t i = 0; i < record->object_count; i++)
        if (strcmp(record->objects[i].role, role) == 0) return &record->objects[i];
    return NULL;
}

const char *record_objects_difference(const RunRecord *a, const RunRecord *b) {
    for (int turn = 0; turn < 2; turn++) {
        const RunRecord *from = turn == 0 ? a : b, *other = turn == 0 ? b : a;
        for (size_t i = 0; i < from->object_count; i++) {
            const RecordObject *same = record_object(other, from->objects[i].role);
            if (!same || strcmp(same->hash, from->objects[i].hash) != 0) return from->objects[i].role;
        }
    }
    return NULL;
}

void record_done(RunRecord *record) {
    for (size_t i = 0; i < record->object_count; i++) {
        mem_free(record->objects[i].role);
        mem_free(record->objects[i].file);
        mem_free(record->objects[i].spec);
        mem_free(record->objects[i].folder);
    }
    mem_free(record->objects);
    mem_free(record->weft);
    mem_free(record->kind);
    mem_free(record->name);
    mem_free(record->command);
    mem_free(record->folder);
    mem_free(record->rate_of);
    json_decref(record->settings);
    *record = (RunRecord){0};
}

/* ---- writing ----------------------------------------------------------------------------------------------------- */

static json_t *object_json(const RecordObject *object) {
    return object->file
               ? json_pack("{s:s,s:s,s:s}", "role", object->role, "network", object->hash, "file", object->file)
               : json_pack("{s:s,s:s,s:s,s:s*,s:I}", "role", object->role, "data", object->hash, "spec", object->spec,
                           "folder", object->folder, "images", (json_int_t)object->images);
}

static json_t *record_json(const RunRecord *r) {
    json_t *objects = json_array();
    for (size_t i = 0; i < r->object_count; i++)
        if (json_array_append_new(objects, object_json(&r->objects[i])) != 0) {
            json_decref(objects);
            return NULL;
        }
    return json_pack("{s:s,s:s,s:s,s:s,s:s,s:s,s:I,s:I,s:I,s:I,s:I,s:s,s:I,s:o,s:O}", "weft", WEFT_VERSION, "kind",
                     r->kind, "name", r->name, "command", r->command, "folder", r->folder, "rate_of", r->rate_of,
                     "steps", (json_int_t)r->steps, "seed", (json_int_t)r->seed, "trials", (json_int_t)r->trials,
                     "rounds", (json_int_t)r->rounds, "patience", (json_int_t)r->patience, "cpu", cpu_name(), "threads",
                     (json_int_t)pool_threads(), "objects", objects, "settings", r->settings);
}

bool record_here(const char *folder) {
    return run_has(folder, config_name);
}

bool record_write(const char *folder, const RunRecord *record, Error *err) {
    Str path = {0}, text = {0};
    json_t *json = record_json(record);
    const bool made = str_add_json(&text, json, JSON_INDENT(2) | JSON_REAL_PRECISION(17));
    json_decref(json);
    run_path(folder, config_name, &path);
    const bool done = (made || error_set(err, STATUS_LIMIT, "no memory for %s", config_name)) && str_ok(&path, err) &&
                      save_text(str_text(&path), true, str_text(&text), text.length, err);
    str_done(&path);
    str_done(&text);
    return done;
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */

static bool bad_field(const char *field, Error *err) {
    return error_set(err, STATUS_BAD_INPUT, "field '%s' is invalid", field);
}

static bool take_text(const json_t *object, const char *field, char **out, Error *err) {
    const char *text = json_string_value(json_object_get(object, field));
    return text ? set_text(out, text, err) : bad_field(field, err);
}

static bool take_count(const json_t *object, const char *field, uint64_t most, uint64_t *out, Error *err) {
    const json_t *value = json_object_get(object, field);
    *out = (uint64_t)json_integer_value(value);
    return (json_is_integer(value) && json_integer_value(value) >= 0 && *out <= most) || bad_field(field, err);
}

static bool take_small(const json_t *object, const char *field, unsigned *out, Error *err) {
    uint64_t number;
    if (!take_count(object, field, UINT16_MAX, &number, err)) return false;
    *out = (unsigned)number;
    return true;
}

static bool take_object(RunRecord *out, const char *role, const json_t *one, Error *err) {
    const char *network = json_string_value(json_object_get(one, "network")),
               *data = json_string_value(json_object_get(one, "data")),
               *file = json_string_value(json_object_get(one, "file")),
               *spec = json_string_value(json_object_get(one, "spec"));
    uint64_t images;
    if (!role || strlen(role) == 0) return bad_field("objects", err);
    if (network && file)
        return strchr(file, '/') ? bad_field("file", err) : record_add_network(out, role, network, file, err);
    if (!data || !spec) return bad_field("objects", err);
    return take_count(one, "images", INT64_MAX, &images, err) &&
           record_add_data(out, role, data, spec, json_string_value(json_object_get(one, "folder")), images, err);
}

static bool take_objects(const json_t *json, RunRecord *out, Error *err) {
    const json_t *objects = json_object_get(json, "objects");
    size_t i;
    json_t *one;
    if (!json_is_array(objects)) return bad_field("objects", err);
    json_array_foreach(objects, i, one) {
        if (!take_object(out, json_string_value(json_object_get(one, "role")), one, err)) return false;
    }
    return true;
}

/* ---- folders of weft 0.1 ----------------------------------------------------------------------------------------- */

static bool take_old_data(const json_t *json, const char *role, RunRecord *out, Error *err) {
    const json_t *data = json_object_get(json, role);
    const char *hash = json_string_value(json_object_get(data, "hash")),
               *spec = json_string_value(json_object_get(data, "spec"));
    uint64_t images;
    if (json_is_null(data)) return true;
    if (!hash || !spec) return bad_field(role, err);
    return take_count(data, "images", INT64_MAX, &images, err) &&
           record_add_data(out, role, hash, spec, NULL, images, err);
}

/* Networks by their roles, with the hashes as fields of the record. */
static bool take_old_objects(const json_t *json, RunRecord *out, Error *err) {
    const char *source = json_string_value(json_object_get(json, "source")),
               *teacher = json_string_value(json_object_get(json, "teacher"));
    if (!source || !teacher) return bad_field(source ? "teacher" : "source", err);
    return record_add_network(out, "source", source, "source.safetensors", err) &&
           (!*teacher || record_add_network(out, "teacher", teacher, "teacher.safetensors", err)) &&
           take_old_data(json, "data", out, err) && take_old_data(json, "images", out, err) &&
           take_old_data(json, "select", out, err);
}

/* Surveys kept the words of their command. */
static bool refuse_words(const json_t *json, Error *err) {
    const char *version = json_string_value(json_object_get(json, "weft"));
    return !json_is_array(json_object_get(json, "words")) ||
           error_set(err, STATUS_FAILED,
                     "weft %s wrote it, in a form that %s cannot continue; run the command again into another folder",
                     version ? version : "0.1", WEFT_VERSION);
}

/* ---- a record ---------------------------------------------------------------------------------------------------- */

static bool take(const json_t *json, RunRecord *out, Error *err) {
    const bool old = !json_object_get(json, "objects");
    json_t *settings = json_object_get(json, old ? "config" : "settings");
    if (!refuse_words(json, err)) return false;
    if (!json_is_object(settings)) return bad_field(old ? "config" : "settings", err);
    out->settings = json_incref(settings);
    return take_text(json, "weft", &out->weft, err) && take_text(json, "kind", &out->kind, err) &&
           take_text(json, "name", &out->name, err) && (strlen(out->name) <= NAME_MOST || bad_field("name", err)) &&
           take_text(json, "command", &out->command, err) && take_text(json, "folder", &out->folder, err) &&
           take_text(json, "rate_of", &out->rate_of, err) && take_count(json, "steps", INT64_MAX, &out->steps, err) &&
           (old || take_count(json, "seed", INT64_MAX, &out->seed, err)) &&
           take_small(json, "trials", &out->trials, err) && take_small(json, "rounds", &out->rounds, err) &&
           take_small(json, "patience", &out->patience, err) && (old ? take_old_objects : take_objects)(json, out, err);
}

bool record_read(const char *folder, RunRecord *out, Error *err) {
    Str path = {0};
    size_t length;
    json_error_t problem;
    *out = (RunRecord){0};
    if (!record_here(folder)) return error_set(err, STATUS_BAD_INPUT, "%s: not a run: it has no config.json", folder);
    run_path(folder, config_name, &path);
    char *text = str_ok(&path, err) ? run_read(folder, config_name, CONFIG_LIMIT, &length, err) : NULL;
    const bool room = text && json_room(length, err);
    json_t *json = room ? json_loads(text, JSON_REJECT_DUPLICATES, &problem) : NULL;
    bool done = json_is_object(json);
    if (room && !json && !*problem.text) /* all that the library says of it */
        error_set(err, STATUS_LIMIT, "no memory for %s", str_text(&path));
    else if (room && !done)
        error_set(err, STATUS_BAD_INPUT, "%s: %s", str_text(&path), json ? "not a JSON object" : problem.text);
    else if (done)
        done = take(json, out, err) || error_prefix(err, "%s", str_text(&path));
    json_decref(json);
    mem_free(text);
    str_done(&path);
    if (!done) record_done(out);
    return done;
}
