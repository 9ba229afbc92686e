/* explore_folder -- the run folder of a survey: see explore.h. */
#include <string.h>

#include "dispatch.h"
#include "explore.h"
#include "session.h"
#include "spread.h"
#include "weft/base/error.h"
#include "weft/base/hash.h"
#include "weft/base/memory.h"
#include "weft/base/record.h"
#include "weft/base/run.h"
#include "weft/base/save.h"
#include "weft/base/text.h"

static const char kind_name[] = "points";

/* ---- the record -------------------------------------------------------------------------------------------------- */

/* Once, under its name. */
static bool add_object(void *context, const Object *object, Error *err) {
    RunRecord *record = context;
    char hash[HASH_HEX];
    Str file = {0};
    if (record_object(record, object->name)) return true;
    if (object->kind == OBJECT_DATASET) return dataset_record(object->dataset, object->name, record, err);
    if (object->kind != OBJECT_NETWORK) return true;
    str_addf(&file, "%s.safetensors", object->name);
    const bool done = str_ok(&file, err) && network_hash(object->network, hash, err) &&
                      record_add_network(record, object->name, hash, str_text(&file), err);
    str_done(&file);
    return done;
}

static bool make_record(const Session *session, const Args *args, size_t points, RunRecord *out, Error *err) {
    *out = (RunRecord){.steps = points, .seed = session->seed};
    return record_begin(out, kind_name, args->command->name, args->line, args_json(args), err) &&
           (out->rate_of = mem_copy_text("points", err)) && args_each_object(args, add_object, out, err);
}

/* ---- beginning --------------------------------------------------------------------------------------------------- */

/* `context`: the folder. */
static bool save_network(void *context, const Object *object, Error *err) {
    Str name = {0}, path = {0};
    if (object->kind != OBJECT_NETWORK) return true;
    str_addf(&name, "%s.safetensors", object->name);
    run_path(context, str_text(&name), &path);
    const bool done =
        str_ok(&name, err) && str_ok(&path, err) && network_keep(object->network, str_text(&path), true, err);
    str_done(&name);
    str_done(&path);
    return done;
}

/* What is different, in words; false: nothing. */
static bool difference(const RunRecord *kept, const RunRecord *now, Str *out) {
    const char *setting = args_difference(kept->settings, now->settings),
               *object = record_objects_difference(kept, now);
    if (strcmp(kept->kind, now->kind) != 0)
        str_add(out, "another kind of run");
    else if (strcmp(kept->name, now->name) != 0)
        str_add(out, "another command");
    else if (setting)
        str_addf(out, "the same command with another '%s'", setting);
    else if (kept->seed != now->seed)
        str_add(out, "the same command with another --seed");
    else if (object)
        str_addf(out, "the same command on another '%s'", object);
    else if (kept->steps != now->steps)
        str_add(out, "the same command from a weft version that uses other points");
    return out->length > 0;
}

static bool continues(const char *folder, const RunRecord *now, Error *err) {
    RunRecord kept;
    Str what = {0};
    if (!record_read(folder, &kept, err)) return false;
    const bool same = !difference(&kept, now, &what) ||
                      error_set(err, STATUS_FAILED, "%s: holds %s; choose another folder", folder, str_text(&what));
    str_done(&what);
    record_done(&kept);
    return same;
}

/* config.json comes last: a folder that has one is complete. */
static bool fill_folder(const Args *args, Run *run, const RunRecord *record, Error *err) {
    const char *folder = run_folder(run);
    const bool done = args_each_object(args, save_network, (void *)(uintptr_t)folder, err) &&
                      record_write(folder, record, err) && run_publish(run, err);
    if (!done) run_name_error(run, err);
    return done;
}

Run *explore_open(Session *session, const Args *args, const char *folder, size_t points, Error *err) {
    RunRecord record;
    Run *run = NULL;
    bool done = make_record(session, args, points, &record, err);
    if (done && record_here(folder))
        done = (run = run_open(folder, err)) && continues(folder, &record, err);
    else if (done)
        done = (run = run_create(folder, err)) && fill_folder(args, run, &record, err);
    record_done(&record);
    if (done) return run;
    run_close(run);
    return NULL;
}

/* ---- resuming ---------------------------------------------------------------------------------------------------- */

/* The objects of a record, apart from the workspace. */
typedef struct Kept {
    Object *objects;
    size_t count;
} Kept;

static const void *find_kept(void *context, const char *name) {
    const Kept *kept = context;
    for (size_t i = 0; i < kept->count; i++)
        if (strcmp(kept->objects[i].name, name) == 0) return &kept->objects[i];
    return NULL;
}

static bool load_kept(const char *folder, const RunRecord *record, Kept *kept, Error *err) {
    if (!(kept->objects = mem_alloc(record->object_count, sizeof *kept->objects, err))) return false;
    for (size_t i = 0; i < record->object_count; i++) {
        const RecordObject *from = &record->objects[i];
        Object *object = &kept->objects[kept->count++];
        object->name = from->role;
        object->kind = from->file ? OBJECT_NETWORK : OBJECT_DATASET;
        if (from->file)
            object->network = network_load_kept(folder, from->file, from->hash, "network", err);
        else
            object->dataset = dataset_load_recorded(folder, record, from, err);
        if (!object->network && !object->dataset) return false;
    }
    return true;
}

static void kept_done(Kept *kept) {
    for (size_t i = 0; i < kept->count; i++) {
        network_free(kept->objects[i].network);
        dataset_free(kept->objects[i].dataset);
    }
    mem_free(kept->objects);
}

/* The file may name any command; only a survey is one that a run folder is of. */
static bool is_survey(const Command *command) {
    for (const SettingGroup *group = command->options; group && group->settings; group++)
        if (group->settings == explore_settings) return true;
    return false;
}

static bool run_again(Session *session, const char *folder, const RunRecord *record, Kept *kept, Result *result,
                      Error *err) {
    const SettingObjects objects = {.context = kept, .find = find_kept};
    const char *name = record->name;
    size_t used;
    Args args = {0};
    const Command *command = command_find(&name, 1, &used);
    if (!command) return error_set(err, STATUS_BAD_INPUT, "%s/config.json: unknown command '%s'", folder, name);
    if (!is_survey(command))
        return error_set(err, STATUS_BAD_INPUT, "%s/config.json: %s has no points to compute", folder, name);
    const uint64_t seed = session->seed;
    session->seed = record->seed;
    bool done = args_from_json(session, command, record->settings, &objects, &args, err) ||
                error_prefix(err, "%s/config.json", folder);
    done = done && (args.line = mem_copy_text(record->command, err)) && args_give_text(&args, "run", folder, err) &&
           dispatch_command(session, &args, result, err);
    session->seed = seed;
    args_done(&args);
    return done;
}

bool explore_resume(Session *session, const char *folder, const RunRecord *record, Result *result, Error *err) {
    Kept kept = {0};
    const bool done = load_kept(folder, record, &kept, err) && run_again(session, folder, record, &kept, result, err);
    kept_done(&kept);
    return done;
}

bool explore_recorded(const RunRecord *record) {
    return strcmp(record->kind, kind_name) == 0;
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
