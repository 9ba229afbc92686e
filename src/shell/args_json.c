/* args_json -- a command's arguments as JSON: how a run record stores a command, and how the command is run again. */
#include <jansson.h>
#include <string.h>

#include "command.h"

#include "weft/base/error.h"
#include "weft/base/memory.h"
#include "weft/base/text.h"

/* ---- writing ----------------------------------------------------------------------------------------------------- */

static const char *object_name(void *context, const void *object) {
    (void)context;
    return ((const Object *)object)->name;
}

static json_t *list_json(const Args *args, const Setting *setting) {
    static const SettingObjects objects = {.name = object_name};
    const bool object = setting_form(setting) == FORM_OBJECT;
    json_t *list = json_array();
    for (size_t i = 0; list && i < args->rest_count; i++) {
        SettingValue value = {0};
        if (object)
            value.object = args->rest[i];
        else
            value.text = args->rest[i];
        if (json_array_append_new(list, setting_json(setting, value, &objects)) == 0) continue;
        json_decref(list);
        list = NULL;
    }
    return list;
}

static bool add_value(json_t *settings, const Args *args, const ArgValue *value) {
    static const SettingObjects objects = {.name = object_name};
    Str key = {0};
    setting_key(&value->setting, &key);
    json_t *json = value->setting.repeated ? list_json(args, &value->setting)
                                           : setting_json(&value->setting, value->value, &objects);
    const bool done = !key.failed && json_object_set_new(settings, str_text(&key), json) == 0;
    str_done(&key);
    return done;
}

/* What was given, and what a variable may have decided: another session may have another one. */
static bool recorded(const ArgValue *value) {
    return (value->given || value->setting.environment) && !value->setting.aside;
}

json_t *args_json(const Args *args) {
    json_t *settings = json_object(), *all = json_object();
    bool done = settings && all && json_object_set_new(all, "command", json_string(args->command->name)) == 0;
    for (size_t i = 0; done && i < args->own_count; i++)
        if (recorded(&args->values[i])) done = add_value(settings, args, &args->values[i]);
    done = done && json_object_set(all, "settings", settings) == 0 &&
           (!args->inner || json_object_set_new(all, "inner", args_json(args->inner)) == 0);
    json_decref(settings);
    if (done) return all;
    json_decref(all);
    return NULL;
}

const char *args_difference(const json_t *a, const json_t *b) {
    const json_t *x = json_object_get(a, "settings"), *y = json_object_get(b, "settings");
    const char *key;
    json_t *value;
    if (!json_equal(json_object_get(a, "command"), json_object_get(b, "command"))) return "command";
    json_object_foreach((json_t *)(uintptr_t)x, key, value) if (!json_equal(value, json_object_get(y, key))) return key;
    /* Runs from before that setting existed go on. */
    json_object_foreach((json_t *)(uintptr_t)y, key,
                        value) if (!json_object_get(x, key) && strcmp(key, "convolutions") != 0) return key;
    const json_t *inner = json_object_get(a, "inner"), *other = json_object_get(b, "inner");
    if (!inner && !other) return NULL;
    return inner && other ? args_difference(inner, other) : "command";
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */

static bool bad_field(const char *key, Error *err) {
    return error_set(err, STATUS_BAD_INPUT, "field '%s' is invalid", key);
}

static bool read_value(const Setting *setting, const char *key, const json_t *json, const SettingObjects *objects,
                       SettingValue *out, Error *err) {
    if (!setting_from_json(setting, json, objects, out)) return bad_field(key, err);
    if (!setting_is_number(setting)) return true;
    const double number = setting->kind == SETTING_INTEGER ? (double)out->integer : out->real;
    return setting_number(setting, number, out, err) || bad_field(key, err);
}

static bool read_list(Args *args, ArgValue *value, const char *key, const json_t *json, const SettingObjects *objects,
                      Error *err) {
    const bool object = setting_form(&value->setting) == FORM_OBJECT;
    size_t i;
    json_t *one;
    if (!json_is_array(json)) return bad_field(key, err);
    mem_free(args->rest);
    if (!(args->rest = mem_alloc(json_array_size(json), sizeof *args->rest, err))) return false;
    json_array_foreach(json, i, one) {
        if (!read_value(&value->setting, key, one, objects, &value->value, err)) return false;
        args->rest[args->rest_count++] = object ? value->value.object : (const void *)value->value.text;
    }
    return true;
}

/* Each field that is there, and no others. */
static bool read_settings(Args *args, const json_t *settings, const SettingObjects *objects, Error *err) {
    size_t known = 0;
    bool ok = true;
    for (size_t i = 0; ok && i < args->own_count; i++) {
        ArgValue *value = &args->values[i];
        Str key = {0};
        setting_key(&value->setting, &key);
        const json_t *json = json_object_get(settings, str_text(&key));
        if (json) {
            known++;
            value->given = true;
            ok = value->setting.repeated
                     ? read_list(args, value, str_text(&key), json, objects, err)
                     : read_value(&value->setting, str_text(&key), json, objects, &value->value, err);
            if (ok && !value->setting.repeated) setting_put(&value->setting, args->options, value->value);
        }
        str_done(&key);
    }
    if (ok && known != json_object_size(settings))
        ok = error_set(err, STATUS_BAD_INPUT, "a field of 'settings' is not known to this version");
    args_close_lists(args);
    return ok;
}

/* A command and its values, neither complete nor settled. */
static bool read_args(Session *session, const Command *command, const json_t *json, const SettingObjects *objects,
                      Args *args, Error *err) {
    return args_begin(session, command, 0, args, err) &&
           read_settings(args, json_object_get(json, "settings"), objects, err);
}

static bool read_inner(Session *session, const json_t *inner, const SettingObjects *objects, Args *args, Error *err) {
    const char *name = json_string_value(json_object_get(inner, "command"));
    size_t used;
    const Command *command = name ? command_find(&name, 1, &used) : NULL;
    if (!command || !command->apply) return bad_field("inner", err);
    args->inner = mem_alloc(1, sizeof *args->inner, err);
    return args->inner && read_args(session, command, inner, objects, args->inner, err);
}

bool args_from_json(Session *session, const Command *command, const json_t *json, const SettingObjects *objects,
                    Args *args, Error *err) {
    const bool ok = read_args(session, command, json, objects, args, err) && args_complete(args, NULL, 0, err) &&
                    (!command->passes || read_inner(session, json_object_get(json, "inner"), objects, args, err)) &&
                    args_settle(session, args, err);
    if (!ok && err->status == STATUS_USAGE) err->status = STATUS_BAD_INPUT;
    return ok;
}
