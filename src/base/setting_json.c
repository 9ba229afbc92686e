/* setting_json -- settings as JSON: config.json of a run, and what differs between two. */
#include <jansson.h>
#include <math.h>
#include <string.h>

#include "weft/base/error.h"
#include "weft/base/text.h"
#include "weft/setting.h"

json_t *setting_json(const Setting *setting, SettingValue value, const SettingObjects *objects) {
    switch (setting_form(setting)) {
    case FORM_FLAG:
    case FORM_SWITCH:
        return json_boolean(value.flag);
    case FORM_INTEGER:
        return json_integer((json_int_t)value.integer);
    case FORM_REAL:
        return json_real(value.real);
    case FORM_CHOICE:
        return json_string(setting->choices[value.choice]);
    case FORM_TEXT:
        return value.text ? json_string(value.text) : json_null();
    case FORM_OBJECT:
        return value.object && objects ? json_string(objects->name(objects->context, value.object)) : json_null();
    }
    return NULL;
}

static bool integer_from(const Setting *setting, const json_t *json, SettingValue *out) {
    const json_int_t number = json_integer_value(json);
    if (!json_is_integer(json) || number < 0 || (setting->size == sizeof(unsigned) && number > UINT32_MAX))
        return false;
    out->integer = (uint64_t)number;
    return true;
}

static bool choice_from(const Setting *setting, const json_t *json, SettingValue *out) {
    const char *text = json_string_value(json);
    for (int i = 0; text && setting->choices[i]; i++)
        if (strcmp(text, setting->choices[i]) == 0) {
            out->choice = i;
            return true;
        }
    return false;
}

static bool text_from(const Setting *setting, const json_t *json, SettingValue *out) {
    const bool array = setting->size > sizeof(char *);
    out->text = json_string_value(json);
    if (json_is_null(json) && !array) return true;
    return out->text && strlen(out->text) == json_string_length(json) &&
           (!array || json_string_length(json) < setting->size);
}

bool setting_from_json(const Setting *setting, const json_t *json, const SettingObjects *objects, SettingValue *out) {
    *out = (SettingValue){0};
    switch (setting_form(setting)) {
    case FORM_FLAG:
    case FORM_SWITCH:
        out->flag = json_is_true(json);
        return json_is_boolean(json);
    case FORM_INTEGER:
        return integer_from(setting, json, out);
    case FORM_REAL:
        out->real = json_number_value(json);
        return json_is_number(json) && isfinite(out->real);
    case FORM_CHOICE:
        return choice_from(setting, json, out);
    case FORM_TEXT:
        return text_from(setting, json, out);
    case FORM_OBJECT:
        if (json_is_null(json)) return true;
        if (objects && json_is_string(json)) out->object = objects->find(objects->context, json_string_value(json));
        return out->object != NULL;
    }
    return false;
}

json_t *settings_json(const SettingGroup *groups, const void *structure) {
    json_t *object = json_object();
    SettingWalk walk = {0};
    Setting setting;
    Str key = {0};
    bool done = object != NULL;
    while (done && settings_next(groups, NULL, &walk, &setting)) {
        key.length = 0;
        setting_key(&setting, &key);
        done = !key.failed && json_object_set_new(object, str_text(&key),
                                                  setting_json(&setting, setting_get(&setting, structure), NULL)) == 0;
    }
    str_done(&key);
    if (done) return object;
    json_decref(object);
    return NULL;
}

/* A row named `key`: is there one? Where memory is short, no field is called unknown. */
static bool known(const SettingGroup *groups, const char *key) {
    SettingWalk walk = {0};
    Setting setting;
    Str own = {0};
    bool found = false;
    while (!found && settings_next(groups, NULL, &walk, &setting)) {
        own.length = 0;
        setting_key(&setting, &own);
        found = own.failed || strcmp(str_text(&own), key) == 0;
    }
    str_done(&own);
    return found;
}

bool settings_from_json(const SettingGroup *groups, const json_t *object, void *structure, Error *err) {
    SettingWalk walk = {0};
    Setting setting;
    Str key = {0};
    const char *name;
    json_t *unused;
    bool done = true;
    while (done && settings_next(groups, NULL, &walk, &setting)) {
        SettingValue value;
        key.length = 0;
        setting_key(&setting, &key);
        if (!(done = str_ok(&key, err))) break;
        const json_t *given = json_object_get(object, str_text(&key));
        if (!given && setting.standard) continue; /* newer than the file */
        if (!given)
            done = error_set(err, STATUS_BAD_INPUT, "field '%s' is missing", str_text(&key));
        else if (!setting_from_json(&setting, given, NULL, &value))
            done = error_set(err, STATUS_BAD_INPUT, "field '%s' is invalid", str_text(&key));
        else
            setting_put(&setting, structure, value);
    }
    str_done(&key);
    json_object_foreach((json_t *)(uintptr_t)object, name, unused) {
        if (done && !known(groups, name)) done = error_set(err, STATUS_BAD_INPUT, "field '%s' is unknown", name);
    }
    return done;
}

const char *settings_difference(const SettingGroup *groups, const void *a, const void *b) {
    SettingWalk walk = {0};
    Setting setting;
    while (settings_next(groups, NULL, &walk, &setting)) {
        json_t *x = setting_json(&setting, setting_get(&setting, a), NULL),
               *y = setting_json(&setting, setting_get(&setting, b), NULL);
        const bool equal = json_equal(x, y);
        json_decref(x);
        json_decref(y);
        if (!equal) return setting.key ? setting.key : setting.name;
    }
    return NULL;
}
