/* explore_folder -- the run folder of a survey: see explore.h. */
#include <jansson.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "explore.h"
#include "weft/base/error.h"
#include "weft/base/file.h"
#include "weft/base/hash.h"
#include "weft/base/machine.h"
#include "weft/base/memory.h"
#include "weft/base/pool.h"
#include "weft/base/run.h"
#include "weft/base/save.h"
#include "weft/base/text.h"
#include "weft/base/version.h"

enum { CONFIG_LIMIT = 1 << 20 };
static const char config_name[] = "config.json", kind_name[] = "points";

/* ---- what a command is ------------------------------------------------------------------------------------------- */

/* Options that say where a result goes, not what it is. */
static bool about_output(const char *word, bool *value) {
    static const struct {
        const char *name;
        bool flag;
    } options[] = {{"run", false}, {"as", false}, {"format", false}, {"quiet", true}, {"background", true}};
    for (size_t i = 0; i < sizeof options / sizeof *options; i++) {
        const size_t length = strlen(options[i].name);
        if (strncmp(word, "--", 2) != 0 || strncmp(word + 2, options[i].name, length) != 0) continue;
        if (word[2 + length] != '\0' && word[2 + length] != '=') continue;
        *value = word[2 + length] == '\0' && !options[i].flag;
        return true;
    }
    return false;
}

/* NULL: no memory. */
static json_t *words_json(const Args *args) {
    json_t *words = json_array();
    bool value = false;
    for (size_t i = 0; words && i < args->word_count; i++) {
        if (about_output(args->words[i], &value)) {
            i += value;
            continue;
        }
        if (json_array_append_new(words, json_string(args->words[i])) == 0) continue;
        json_decref(words);
        words = NULL;
    }
    return words;
}

static json_t *network_json(const Object *object, Error *err) {
    char hash[HASH_HEX];
    return network_hash(object->network, hash, err) ? json_pack("{s:s,s:s}", "name", object->name, "network", hash)
                                                    : NULL;
}

static json_t *data_json(const Object *object) {
    char hash[HASH_HEX], here[PATH_MAX];
    dataset_hash(object->dataset, hash);
    if (!getcwd(here, sizeof here) || !text_valid_utf8(here, strlen(here))) here[0] = '\0';
    return json_pack("{s:s,s:s,s:s,s:s,s:I}", "name", object->name, "data", hash, "spec", object->dataset->spec,
                     "folder", here, "images", (json_int_t)object->dataset->count);
}

/* Each object that the words name, once. */
static bool add_object(json_t *objects, const Object *object, Error *err) {
    size_t i;
    json_t *known;
    json_array_foreach(objects, i, known) if (strcmp(json_string_value(json_object_get(known, "name")), object->name) ==
                                              0) return true;
    err->status = STATUS_OK;
    json_t *one = object->kind == OBJECT_NETWORK   ? network_json(object, err)
                  : object->kind == OBJECT_DATASET ? data_json(object)
                                                   : NULL;
    if (one && json_array_append_new(objects, one) == 0) return true;
    return err->status != STATUS_OK ||
           error_set(err, STATUS_USAGE,
                     "'%s' cannot be saved with a run, because its name or specification is not UTF-8", object->name);
}

static json_t *objects_json(const Session *session, const Args *args, Error *err) {
    json_t *objects = json_array();
    bool done = objects != NULL;
    for (size_t i = 0; done && i < args->value_count; i++)
        if (args->values[i].object) done = add_object(objects, args->values[i].object, err);
    for (size_t i = 0; done && i < args->rest_count; i++) {
        const Object *object = workspace_find(session, args->rest[i]);
        if (object) done = add_object(objects, object, err);
    }
    for (size_t i = 0; done && i < args->passed_count; i++) {
        const char *equals = strchr(args->passed[i], '=');
        const Object *object = workspace_find(session, equals ? equals + 1 : args->passed[i]);
        if (object && (object->kind == OBJECT_NETWORK || object->kind == OBJECT_DATASET))
            done = add_object(objects, object, err);
    }
    if (done) return objects;
    json_decref(objects);
    return NULL;
}

/* What makes a run the run it is. */
static json_t *identity_json(const Session *session, const Args *args, Error *err) {
    json_t *objects = objects_json(session, args, err), *words = objects ? words_json(args) : NULL;
    json_t *identity = words ? json_pack("{s:s,s:s,s:o,s:I,s:o}", "kind", kind_name, "command", args->command->name,
                                         "words", words, "seed", (json_int_t)session->seed, "objects", objects)
                             : NULL;
    if (!identity && words) error_set(err, STATUS_LIMIT, "no memory for config.json");
    return identity;
}

/* ---- writing and comparing --------------------------------------------------------------------------------------- */

static json_t *read_config(const char *folder, Error *err) {
    Str path = {0};
    size_t length;
    json_error_t problem;
    run_path(folder, config_name, &path);
    char *text = str_ok(&path, err) ? file_read_all(str_text(&path), CONFIG_LIMIT, &length, err) : NULL;
    json_t *config = text ? json_loads(text, JSON_REJECT_DUPLICATES, &problem) : NULL;
    if (text && !config) error_set(err, STATUS_BAD_INPUT, "%s: %s", str_text(&path), problem.text);
    mem_free(text);
    str_done(&path);
    return config;
}

static bool of_points(const json_t *config) {
    const char *kind = json_string_value(json_object_get(config, "kind"));
    return kind && strcmp(kind, kind_name) == 0;
}

bool explore_here(const char *folder) {
    Error ignored;
    json_t *config = read_config(folder, &ignored);
    const bool here = of_points(config);
    json_decref(config);
    return here;
}

static bool save_networks(const Session *session, const char *folder, const json_t *identity, Error *err) {
    size_t i;
    const json_t *one;
    const json_t *objects = json_object_get(identity, "objects");
    json_array_foreach(objects, i, one) {
        const Object *object = workspace_find(session, json_string_value(json_object_get(one, "name")));
        if (!object || object->kind != OBJECT_NETWORK) continue;
        Str name = {0}, path = {0};
        str_addf(&name, "%s.safetensors", object->name);
        run_path(folder, str_text(&name), &path);
        const bool done =
            str_ok(&name, err) && str_ok(&path, err) && network_keep(object->network, str_text(&path), true, err);
        str_done(&name);
        str_done(&path);
        if (!done) return false;
    }
    return true;
}

/* config.json comes last: a folder that has one is complete. */
static bool write_config(const char *folder, size_t points, json_t *identity, Error *err) {
    Str path = {0};
    run_path(folder, config_name, &path);
    json_t *config = json_pack("{s:s,s:s,s:I,s:I}", "weft", WEFT_VERSION, "cpu", cpu_name(), "threads",
                               (json_int_t)pool_threads(), "points", (json_int_t)points);
    char *text = config && json_object_update(config, identity) == 0 ? json_dumps(config, JSON_INDENT(2)) : NULL;
    bool done = (text || error_set(err, STATUS_LIMIT, "no memory for config.json")) && str_ok(&path, err) &&
                save_text(str_text(&path), true, text, strlen(text), err);
    json_decref(config);
    free(text);
    str_done(&path);
    return done;
}

/* By their names and what they hold; the same images may be found elsewhere. */
static bool same_objects(const json_t *a, const json_t *b) {
    static const char *const fields[] = {"name", "network", "data"};
    bool same = json_array_size(a) == json_array_size(b);
    for (size_t i = 0; same && i < json_array_size(a); i++)
        for (size_t f = 0; same && f < sizeof fields / sizeof *fields; f++) {
            const json_t *x = json_object_get(json_array_get(a, i), fields[f]),
                         *y = json_object_get(json_array_get(b, i), fields[f]);
            same = (!x && !y) || json_equal(x, y);
        }
    return same;
}

/* What is different, in words; NULL: nothing. */
static const char *difference(const json_t *config, size_t points, const json_t *identity) {
    static const char *const fields[][2] = {{"command", "another command"},
                                            {"words", "the same command with other arguments"},
                                            {"seed", "the same command with another --seed"}};
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        if (!json_equal(json_object_get(config, fields[i][0]), json_object_get(identity, fields[i][0])))
            return fields[i][1];
    if (!same_objects(json_object_get(config, "objects"), json_object_get(identity, "objects")))
        return "the same command on other networks or data";
    if (json_integer_value(json_object_get(config, "points")) != (json_int_t)points)
        return "the same command from a weft version that uses other points";
    return NULL;
}

static bool go_on(const char *folder, size_t points, const json_t *identity, Error *err) {
    json_t *config = read_config(folder, err);
    if (!config) return false;
    const char *what = of_points(config) ? difference(config, points, identity) : "another kind of run";
    json_decref(config);
    return !what || error_set(err, STATUS_FAILED, "%s: holds %s; choose another folder", folder, what);
}

Run *explore_open(Session *session, const Args *args, const char *folder, size_t points, Error *err) {
    json_t *identity = identity_json(session, args, err);
    Run *run = identity && run_vacant(folder, err) ? run_open(folder, err) : NULL;
    const bool done = run && (run_has(folder, config_name) ? go_on(folder, points, identity, err)
                                                           : save_networks(session, folder, identity, err) &&
                                                                 write_config(folder, points, identity, err));
    json_decref(identity);
    if (done) return run;
    run_close(run);
    return NULL;
}

/* ---- resuming ---------------------------------------------------------------------------------------------------- */

static bool bad_config(const char *folder, const char *field, Error *err) {
    return error_set(err, STATUS_BAD_INPUT, "%s/%s: field '%s' is invalid", folder, config_name, field);
}

static Network *load_network(const char *folder, const char *name, const char *hash, Error *err) {
    Str file = {0};
    str_addf(&file, "%s.safetensors", name);
    Network *network = str_ok(&file, err) ? network_load_kept(folder, str_text(&file), hash, "network", err) : NULL;
    str_done(&file);
    return network;
}

static Dataset *load_data(const char *run, const json_t *one, const char *expected, Error *err) {
    char hash[HASH_HEX];
    const char *spec = json_string_value(json_object_get(one, "spec")),
               *folder = json_string_value(json_object_get(one, "folder"));
    const json_int_t images = json_integer_value(json_object_get(one, "images"));
    if (!spec || !folder || images < 1) {
        bad_config(run, "objects", err);
        return NULL;
    }
    Dataset *data = dataset_load_from(folder, spec, (uint64_t)images, err);
    if (!data) return NULL;
    dataset_hash(data, hash);
    if (strcmp(hash, expected) == 0) return data;
    error_set(err, STATUS_BAD_INPUT, "%s: %s does not hold the images the run started with", run, spec);
    dataset_free(data);
    return NULL;
}

static bool load_object(Session *session, const char *folder, const json_t *one, Error *err) {
    const char *name = json_string_value(json_object_get(one, "name")),
               *network = json_string_value(json_object_get(one, "network")),
               *data = json_string_value(json_object_get(one, "data"));
    if (!name || (!network && !data) || !workspace_name_check(session, name, err))
        return bad_config(folder, "objects", err);
    Object object = {.kind = network ? OBJECT_NETWORK : OBJECT_DATASET};
    if (network)
        object.network = load_network(folder, name, network, err);
    else
        object.dataset = load_data(folder, one, data, err);
    if (!object.network && !object.dataset) return false;
    if (workspace_put(session, &name, &object, 1, err)) return true;
    network_free(object.network);
    dataset_free(object.dataset);
    return false;
}

/* In a workspace that holds what the folder does. */
static bool run_again(Session *session, const char *folder, const json_t *config, Result *result, Error *err) {
    const json_t *words = json_object_get(config, "words"), *objects = json_object_get(config, "objects"), *one;
    const char *name = json_string_value(json_object_get(config, "command"));
    size_t i, used;
    const Command *command = name ? command_find(&name, 1, &used) : NULL;
    if (!command || !json_is_array(words) || !json_is_integer(json_object_get(config, "seed")))
        return bad_config(folder, "command", err);
    json_array_foreach(objects, i, one) if (!load_object(session, folder, one, err)) return false;
    const size_t count = json_array_size(words);
    Str run = {0};
    str_addf(&run, "--run=%s", folder);
    const char **all = mem_alloc(count + 1, sizeof *all, err);
    bool done = all && str_ok(&run, err);
    json_array_foreach(words, i, one) if (done && !(all[i] = json_string_value(one))) done =
        bad_config(folder, "words", err);
    Args args = {0};
    const uint64_t seed = session->seed;
    session->seed = (uint64_t)json_integer_value(json_object_get(config, "seed"));
    if (done) all[count] = str_text(&run);
    done = done && args_parse(session, command, all, NULL, count + 1, &args, err) &&
           command->run(session, &args, result, err);
    session->seed = seed;
    args_done(&args);
    mem_free(all);
    str_done(&run);
    return done;
}

bool explore_resume(Session *session, const char *folder, Result *result, Error *err) {
    json_t *config = read_config(folder, err);
    if (!config) return false;
    Object **objects = session->objects;
    const size_t count = session->object_count, capacity = session->object_capacity;
    session->objects = NULL;
    session->object_count = session->object_capacity = 0;
    const bool done = run_again(session, folder, config, result, err);
    workspace_clear(session);
    mem_free(session->objects);
    session->objects = objects;
    session->object_count = count;
    session->object_capacity = capacity;
    json_decref(config);
    return done;
}

/* ---- the end ----------------------------------------------------------------------------------------------------- */

bool explore_close(const char *folder, Error *err) {
    static const char text[] = "complete\n";
    Str path = {0};
    run_path(folder, "done", &path);
    const bool done = str_ok(&path, err) && save_text(str_text(&path), true, text, sizeof text - 1, err);
    str_done(&path);
    return done;
}
