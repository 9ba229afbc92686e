/* setting -- see weft/setting.h. */
#include "weft/setting.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "weft/base/error.h"
#include "weft/base/text.h"

SettingForm setting_form(const Setting *setting) {
#define X(kind, form) FORM_##form,
    static const SettingForm forms[] = {SETTING_KINDS(X)};
#undef X
    return forms[setting->kind];
}

bool setting_is_option(const Setting *setting) {
    return setting->value || setting->kind == SETTING_FLAG;
}

bool setting_is_number(const Setting *setting) {
    return setting->kind == SETTING_INTEGER || setting->kind == SETTING_REAL;
}

void setting_called(const Setting *setting, Str *out) {
    str_addf(out, setting_is_option(setting) ? "--%s" : "%s", setting->name);
}

void setting_key(const Setting *setting, Str *out) {
    const size_t start = out->length;
    str_add(out, setting->key ? setting->key : setting->name);
    for (size_t i = start; i < out->length; i++)
        if (out->text[i] == '-') out->text[i] = '_';
}

/* ---- ranges ------------------------------------------------------------------------------------------------------ */

static bool has_max(const Setting *s) {
    return s->max > s->min;
}

static bool has_min(const Setting *s) {
    return s->min != 0 || s->max != 0 || s->open_min || s->kind == SETTING_INTEGER;
}

/* Whole numbers with all their digits, others with as many as they need. */
static void add_number(double value, Str *out) {
    str_addf(out, value == floor(value) && fabs(value) < 1e15 ? "%.0f" : "%g", value);
}

static bool fail_range(const Setting *s, const char *relation, double bound, double value, Error *err) {
    Str called = {0}, text = {0}, given = {0};
    setting_called(s, &called);
    add_number(bound, &text);
    add_number(value, &given);
    error_set(err, STATUS_USAGE, "%s must be %s %s, not %s", str_text(&called), relation, str_text(&text),
              str_text(&given));
    str_done(&called);
    str_done(&text);
    str_done(&given);
    return false;
}

static bool check_range(const Setting *s, double value, Error *err) {
    if (has_min(s) && (s->open_min ? value <= s->min : value < s->min))
        return fail_range(s, s->open_min ? "greater than" : "at least", s->min, value, err);
    if (has_max(s) && (s->open_max ? value >= s->max : value > s->max))
        return fail_range(s, s->open_max ? "below" : "at most", s->max, value, err);
    return true;
}

bool setting_number(const Setting *setting, double number, SettingValue *out, Error *err) {
    Str called = {0};
    setting_called(setting, &called);
    bool ok = true;
    if (setting->kind == SETTING_INTEGER && number != floor(number))
        ok = error_set(err, STATUS_USAGE, "%s needs a whole number, not %g", str_text(&called), number);
    ok = ok && check_range(setting, number, err);
    str_done(&called);
    if (!ok) return false;
    if (setting->kind == SETTING_INTEGER)
        out->integer = (uint64_t)number;
    else
        out->real = number;
    return true;
}

/* ---- from text --------------------------------------------------------------------------------------------------- */

static bool read_number(const Setting *setting, const char *called, const char *text, SettingValue *out, Error *err) {
    double number;
    if (!text_to_double(text, &number) || !isfinite(number))
        return error_set(err, STATUS_USAGE, "%s needs a number, not '%s'", called, text);
    if (setting->kind == SETTING_INTEGER && number != floor(number))
        return error_set(err, STATUS_USAGE, "%s needs a whole number, not '%s'", called, text);
    return setting_number(setting, number, out, err);
}

void setting_choices(const char *const *choices, const char *between, const char *last, Str *out) {
    for (size_t i = 0; choices[i]; i++)
        str_addf(out, "%s%s", i == 0 ? "" : choices[i + 1] ? between : last, choices[i]);
}

static bool find_choice(const char *const *choices, const char *text, int *out) {
    for (int i = 0; choices[i]; i++)
        if (strcmp(choices[i], text) == 0) {
            *out = i;
            return true;
        }
    return false;
}

/* The names of off and on. */
static const char *const *switch_names(const Setting *setting) {
    static const char *const usual[] = {"off", "on", NULL};
    return setting->choices ? setting->choices : usual;
}

static bool read_choice(const char *const *choices, const char *called, const char *text, int *out, Error *err) {
    if (find_choice(choices, text, out)) return true;
    Str known = {0};
    setting_choices(choices, ", ", " or ", &known);
    error_set(err, STATUS_USAGE, "%s must be %s, not '%s'", called, str_text(&known), text);
    str_done(&known);
    return false;
}

static bool read_text(const Setting *setting, const char *called, const char *text, SettingValue *out, Error *err) {
    out->text = text;
    return setting->repeated || setting->size <= sizeof(char *) || strlen(text) < setting->size ||
           error_set(err, STATUS_USAGE, "%s is longer than %zu bytes", called, setting->size - 1);
}

bool setting_read(const Setting *setting, const char *text, SettingValue *out, Error *err) {
    Str called = {0};
    int choice = 0;
    bool ok = true;
    setting_called(setting, &called);
    switch (setting_form(setting)) {
    case FORM_FLAG: /* "--log-x", or "--log-x=off" */
        ok = !*text || read_choice(switch_names(setting), str_text(&called), text, &choice, err);
        if (ok) out->flag = !*text || choice == 1;
        break;
    case FORM_SWITCH:
        ok = read_choice(switch_names(setting), str_text(&called), text, &choice, err);
        if (ok) out->flag = choice == 1;
        break;
    case FORM_INTEGER:
    case FORM_REAL:
        ok = read_number(setting, str_text(&called), text, out, err);
        break;
    case FORM_CHOICE:
        ok = read_choice(setting->choices, str_text(&called), text, &choice, err);
        if (ok) out->choice = choice;
        break;
    case FORM_TEXT:
        ok = read_text(setting, str_text(&called), text, out, err);
        break;
    case FORM_OBJECT:
        ok = error_set(err, STATUS_USAGE, "%s names an object", str_text(&called));
        break;
    }
    str_done(&called);
    return ok;
}

/* ---- places ------------------------------------------------------------------------------------------------------ */

void setting_put(const Setting *setting, void *structure, SettingValue value) {
    char *at = (char *)structure + setting->offset;
    const unsigned small = (unsigned)value.integer;
    switch (setting_form(setting)) {
    case FORM_FLAG:
    case FORM_SWITCH:
        memcpy(at, &value.flag, sizeof value.flag);
        break;
    case FORM_INTEGER:
        memcpy(at, setting->size == sizeof small ? (const void *)&small : (const void *)&value.integer, setting->size);
        break;
    case FORM_REAL:
        memcpy(at, &value.real, sizeof value.real);
        break;
    case FORM_CHOICE:
        memcpy(at, &value.choice, sizeof value.choice);
        break;
    case FORM_TEXT:
        if (setting->size > sizeof(char *))
            memcpy(at, value.text, strlen(value.text) + 1);
        else
            memcpy(at, &value.text, sizeof value.text);
        break;
    case FORM_OBJECT:
        memcpy(at, &value.object, sizeof value.object);
        break;
    }
}

SettingValue setting_get(const Setting *setting, const void *structure) {
    const char *at = (const char *)structure + setting->offset;
    SettingValue value = {0};
    unsigned small;
    switch (setting_form(setting)) {
    case FORM_FLAG:
    case FORM_SWITCH:
        memcpy(&value.flag, at, sizeof value.flag);
        break;
    case FORM_INTEGER:
        if (setting->size == sizeof small) {
            memcpy(&small, at, sizeof small);
            value.integer = small;
        } else {
            memcpy(&value.integer, at, sizeof value.integer);
        }
        break;
    case FORM_REAL:
        memcpy(&value.real, at, sizeof value.real);
        break;
    case FORM_CHOICE:
        memcpy(&value.choice, at, sizeof value.choice);
        break;
    case FORM_TEXT:
        if (setting->size > sizeof(char *))
            value.text = at;
        else
            memcpy(&value.text, at, sizeof value.text);
        break;
    case FORM_OBJECT:
        memcpy(&value.object, at, sizeof value.object);
        break;
    }
    return value;
}

/* ---- help -------------------------------------------------------------------------------------------------------- */

static void add_range(const Setting *s, Str *out) {
    if (has_max(s) && s->max < SETTING_MANY && has_min(s) && !s->open_min && !s->open_max) {
        add_number(s->min, out);
        str_add(out, " to ");
        add_number(s->max, out);
        return;
    }
    if (has_min(s)) {
        str_add(out, s->open_min ? "above " : "at least ");
        add_number(s->min, out);
    }
    if (!has_max(s) || s->max >= SETTING_MANY) return;
    str_add(out, s->open_max ? ", below " : ", at most ");
    add_number(s->max, out);
}

const char *setting_standard(const Setting *setting) {
    const char *text = setting->environment ? getenv(setting->environment) : NULL;
    return text && *text ? text : setting->standard;
}

void setting_details(const Setting *setting, Str *out) {
    Str details = {0};
    if (setting_is_number(setting)) add_range(setting, &details);
    const char *usual = setting->usual ? setting->usual : setting->standard;
    if (usual) str_addf(&details, "%sdefault %s", details.length ? "; " : "", usual);
    if (setting->environment) str_addf(&details, ", or as %s says", setting->environment);
    if (setting->required) str_addf(&details, "%srequired", details.length ? "; " : "");
    if (details.length) str_addf(out, " (%s)", str_text(&details));
    str_done(&details);
}

/* ---- groups ------------------------------------------------------------------------------------------------------ */

static void apply_changes(const SettingChange *changes, Setting *out) {
    for (const SettingChange *change = changes; change && change->name; change++) {
        if (strcmp(change->name, out->name) != 0) continue;
        if (change->standard || change->usual) {
            out->standard = change->standard;
            out->usual = change->usual;
        }
        if (change->needs) out->needs = change->needs;
        if (change->help) out->help = change->help;
    }
}

bool settings_next(const SettingGroup *groups, const SettingChange *changes, SettingWalk *walk, Setting *out) {
    while (groups && groups[walk->group].settings) {
        const SettingGroup *group = &groups[walk->group];
        const Setting *row = &group->settings[walk->row];
        if (!row->name) {
            walk->group++;
            walk->row = 0;
            continue;
        }
        walk->row++;
        *out = *row;
        out->offset += group->offset;
        apply_changes(changes, out);
        return true;
    }
    return false;
}

bool settings_find(const SettingGroup *groups, const SettingChange *changes, const char *name, size_t length,
                   Setting *out) {
    SettingWalk walk = {0};
    while (settings_next(groups, changes, &walk, out))
        if (strlen(out->name) == length && strncmp(out->name, name, length) == 0) return true;
    return false;
}

void settings_standard(const SettingGroup *groups, void *structure) {
    SettingWalk walk = {0};
    Setting setting;
    SettingValue value;
    Error unused; /* a row's own default is in its range: tests/base/test_setting.c and tests/shell/test_commands.c */
    while (settings_next(groups, NULL, &walk, &setting))
        if (setting.standard && (setting_read(&setting, setting_standard(&setting), &value, &unused) ||
                                 setting_read(&setting, setting.standard, &value, &unused)))
            setting_put(&setting, structure, value);
}

bool settings_check(const SettingGroup *groups, const void *structure, Error *err) {
    SettingWalk walk = {0};
    Setting setting;
    SettingValue unused;
    while (settings_next(groups, NULL, &walk, &setting)) {
        const SettingValue value = setting_get(&setting, structure);
        if (!setting_is_number(&setting)) continue;
        const double number = setting.kind == SETTING_INTEGER ? (double)value.integer : value.real;
        if (!isfinite(number) || !setting_number(&setting, number, &unused, err)) {
            Str key = {0};
            setting_key(&setting, &key);
            error_set(err, STATUS_USAGE, "field '%s' of the configuration is out of range", str_text(&key));
            str_done(&key);
            return false;
        }
    }
    return true;
}
