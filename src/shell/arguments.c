/* arguments -- from words to checked values in a command's struct, after its rows. */
#include <stdlib.h>
#include <string.h>

#include "kinds.h"
#include "session.h"
#include "words.h"
#include "weft/base/error.h"
#include "weft/base/memory.h"
#include "weft/base/text.h"

/* ---- values ------------------------------------------------------------------------------------------------------ */

static ArgValue *find_value(const Args *args, const char *name, size_t length) {
    for (size_t i = 0; i < args->value_count; i++) {
        const char *own = args->values[i].setting.name;
        if (strlen(own) == length && strncmp(own, name, length) == 0) return &args->values[i];
    }
    return NULL;
}

bool args_given(const Args *args, const char *name) {
    const ArgValue *value = find_value(args, name, strlen(name));
    return value && value->given;
}

const Object *args_object(const Args *args, const char *name) {
    const ArgValue *value = find_value(args, name, strlen(name));
    return value && value->given && setting_form(&value->setting) == FORM_OBJECT ? value->value.object : NULL;
}

/* The struct that holds a value. */
static void *structure_of(Args *args, const ArgValue *value) {
    return (size_t)(value - args->values) < args->own_count ? args->options : &args->common;
}

static bool set_value(Session *session, Args *args, ArgValue *value, const char *text, bool given, Error *err) {
    if (!kind_read(session, &value->setting, text, &value->value, err)) return false;
    value->given = value->given || given;
    if (value->setting.repeated) {
        const bool object = setting_form(&value->setting) == FORM_OBJECT;
        args->rest[args->rest_count++] = object ? value->value.object : (const void *)value->value.text;
    } else {
        setting_put(&value->setting, structure_of(args, value), value->value);
    }
    return true;
}

uint64_t args_seed(const Session *session, const Args *args) {
    return args_given(args, "seed") ? args->common.seed : session->seed;
}

/* Those that were given, or with `all` also the defaults of rows. */
static void write_values(Args *args, bool all) {
    for (size_t i = 0; i < args->own_count; i++) {
        const ArgValue *value = &args->values[i];
        if (value->setting.repeated || !(value->given || (all && value->setting.standard))) continue;
        setting_put(&value->setting, args->options, value->value);
    }
}

void args_write_given(Args *args) {
    write_values(args, false);
}

void args_write_all(Args *args) {
    write_values(args, true);
}

bool args_give_text(Args *args, const char *name, const char *text, Error *err) {
    ArgValue *value = find_value(args, name, strlen(name));
    if (!value || setting_form(&value->setting) != FORM_TEXT)
        return error_set(err, STATUS_BAD_INPUT, "%s takes no --%s", args->command->name, name);
    value->value.text = text;
    value->given = true;
    setting_put(&value->setting, args->options, value->value);
    return true;
}

bool args_give(Args *args, const char *name, double number, Error *err) {
    ArgValue *value = find_value(args, name, strlen(name));
    if (!setting_number(&value->setting, number, &value->value, err)) return false;
    value->given = true;
    setting_put(&value->setting, args->options, value->value);
    return true;
}

void args_forget(Args *args, const char *name) {
    find_value(args, name, strlen(name))->given = false;
}

/* ---- a line ------------------------------------------------------------------------------------------------------ */

static bool unknown_option(const Args *args, const char *name, Error *err) {
    const char *names[64];
    size_t count = 0;
    for (size_t i = 0; i < args->value_count && count < 64; i++)
        if (setting_is_option(&args->values[i].setting)) names[count++] = args->values[i].setting.name;
    const char *near = text_nearest(name, names, count);
    if (near)
        return error_set(err, STATUS_USAGE, "%s has no option --%s; did you mean --%s?", args->command->name, name,
                         near);
    return error_set(err, STATUS_USAGE, "%s has no option --%s (help %s)", args->command->name, name,
                     args->command->name);
}

static bool needs_value(const Setting *setting, Error *err) {
    return error_set(err, STATUS_USAGE, "--%s needs a value (%s)", setting->name, setting->value);
}

/* An option that is another command's: it and its value are handed on as they are. */
static bool pass_option(Args *args, size_t *next, const char *name, bool equals, Error *err) {
    const char *inner = args->own_count && args->values[0].given ? args->values[0].value.text : NULL;
    size_t used;
    Setting setting;
    const Command *command = inner ? command_find(&inner, 1, &used) : NULL;
    if (!command) return unknown_option(args, name, err);
    if (!command_option(command, name, strlen(name), &setting))
        return error_set(err, STATUS_USAGE, "neither %s nor %s has an option --%s", args->command->name, command->name,
                         name);
    const bool value = setting.kind != SETTING_FLAG && !equals;
    if (value && *next >= args->word_count) return needs_value(&setting, err);
    args->passed[args->passed_count++] = args->words[*next - 1];
    if (value) args->passed[args->passed_count++] = args->words[(*next)++];
    return true;
}

/* An option word, "--name", "--name=value", and for its value perhaps the next word too: *next is moved past it. */
static bool take_option(Session *session, Args *args, size_t *next, Error *err) {
    char *word = args->words[*next] + 2, *equals = strchr(word, '=');
    const size_t length = equals ? (size_t)(equals - word) : strlen(word);
    ArgValue *value = find_value(args, word, length);
    ++*next;
    if (!value || !setting_is_option(&value->setting)) {
        Str name = {0};
        str_add_bytes(&name, word, length);
        const bool passed =
            str_ok(&name, err) && (args->command->passes ? pass_option(args, next, str_text(&name), equals != NULL, err)
                                                         : unknown_option(args, str_text(&name), err));
        str_done(&name);
        return passed;
    }
    if (value->given) return error_set(err, STATUS_USAGE, "--%s is given twice", value->setting.name);
    if (value->setting.kind == SETTING_FLAG)
        return set_value(session, args, value, equals ? equals + 1 : "", true, err);
    if (!equals && *next >= args->word_count) return needs_value(&value->setting, err);
    return set_value(session, args, value, equals ? equals + 1 : args->words[(*next)++], true, err);
}

/* Positionals come first among the values. */
static bool take_positional(Session *session, Args *args, size_t *taken, const char *word, Error *err) {
    ArgValue *value = &args->values[*taken];
    if (*taken >= args->own_count || setting_is_option(&value->setting))
        return error_set(err, STATUS_USAGE, "%s: unexpected argument '%s' (help %s)", args->command->name, word,
                         args->command->name);
    if (!value->setting.repeated) ++*taken;
    if (value->setting.repeated && args->command->passes) args->passed[args->passed_count++] = word;
    return set_value(session, args, value, word, true, err);
}

static bool missing(const Args *args, const Setting *setting, Error *err) {
    enum { SYNOPSIS_MOST = 240 }; /* what still reads as a line */
    Str synopsis = {0}, called = {0};
    setting_called(setting, &called);
    command_synopsis(args->command, &synopsis);
    const bool fits = synopsis.length <= SYNOPSIS_MOST;
    error_set(err, STATUS_USAGE, "%s needs %s%s%s%s", args->command->name, str_text(&called), fits ? ": " : " (help ",
              fits ? str_text(&synopsis) : args->command->name, fits ? "" : ")");
    str_done(&synopsis);
    str_done(&called);
    return false;
}

bool args_complete(const Args *args, const char *const *settled, size_t count, Error *err) {
    for (size_t i = 0; i < args->own_count; i++) {
        const ArgValue *value = &args->values[i];
        const Setting *setting = &value->setting;
        bool needed = !value->given && (setting_is_option(setting) ? setting->required : !setting->optional);
        for (size_t s = 0; s < count && needed; s++) needed = strcmp(settled[s], setting->name) != 0;
        if (needed) return missing(args, setting, err);
    }
    return true;
}

static bool copy_words(Args *args, const char *const *words, size_t count, Error *err) {
    Str line = {0};
    str_add(&line, args->command->name);
    for (; args->word_count < count; args->word_count++) {
        args->words[args->word_count] = mem_copy_text(words[args->word_count], err);
        if (!args->words[args->word_count]) break;
        str_add(&line, " ");
        words_quote(words[args->word_count], &line);
    }
    bool ok = args->word_count == count && str_ok(&line, err) && (args->line = mem_copy_text(str_text(&line), err));
    str_done(&line);
    return ok;
}

/* Every row with its default. */
static bool lay_out(Session *session, Args *args, Error *err) {
    CommandWalk walk = {0};
    Setting setting;
    size_t count = 0;
    while (command_row(args->command, &walk, &setting)) count++;
    args->values = mem_alloc(count, sizeof *args->values, err);
    args->options = mem_alloc(1, args->command->size, err);
    if (!args->values || !args->options) return false;
    walk = (CommandWalk){0};
    bool ok = true;
    while (ok && command_row(args->command, &walk, &setting)) {
        ArgValue *value = &args->values[args->value_count++];
        value->setting = setting;
        if (walk.part != PART_COMMON) args->own_count = args->value_count;
        if (!setting.standard) continue;
        const char *standard = setting_standard(&setting);
        ok = set_value(session, args, value, standard, false, err) ||
             (standard != setting.standard && error_prefix(err, "%s", setting.environment));
    }
    return ok;
}

bool args_begin(Session *session, const Command *command, size_t words, Args *args, Error *err) {
    *args = (Args){.command = command};
    return (args->words = mem_alloc(words, sizeof *args->words, err)) &&
           (args->passed = mem_alloc(words, sizeof *args->passed, err)) &&
           (args->rest = mem_alloc(words, sizeof *args->rest, err)) && lay_out(session, args, err);
}

void args_close_lists(Args *args) {
    const SettingList list = {args->rest, args->rest_count};
    for (size_t i = 0; i < args->own_count; i++)
        if (args->values[i].setting.repeated)
            memcpy((char *)args->options + args->values[i].setting.offset, &list, sizeof list);
}

/* The first positional that the words from `next` on cannot reach. Told before the value of an earlier one is refused:
 * in `load net FILE` it is not NAME that is wrong. */
static const Setting *unreached(const Args *args, size_t taken, size_t next) {
    for (; next < args->word_count; next++)
        if (strncmp(args->words[next], "--", 2) != 0) taken++;
    for (size_t i = taken; i < args->own_count; i++) {
        const Setting *setting = &args->values[i].setting;
        if (!args->values[i].given && !setting_is_option(setting) && !setting->optional) return setting;
    }
    return NULL;
}

static bool parse(Session *session, const Command *command, const char *const *words, const bool *literal, size_t count,
                  Args *args, Error *err) {
    size_t taken = 0;
    bool only_positionals = false;
    if (!args_begin(session, command, count, args, err) || !copy_words(args, words, count, err)) return false;
    for (size_t next = 0; next < count;) {
        const char *word = args->words[next];
        const bool as_is = only_positionals || (literal && literal[next]);
        if (!as_is && strcmp(word, "--") == 0) {
            only_positionals = true;
            next++;
        } else if (!as_is && strncmp(word, "--", 2) == 0) {
            if (!take_option(session, args, &next, err)) return false;
        } else if (!take_positional(session, args, &taken, args->words[next++], err)) {
            const Setting *left = args->common.help ? NULL : unreached(args, taken, next);
            return left ? missing(args, left, err) : false;
        }
    }
    args_close_lists(args);
    return true;
}

/* The command that another one runs, on what was handed on. */
static bool parse_inner(Session *session, Args *args, Error *err) {
    size_t used;
    const char *name = args->values[0].value.text;
    const Command *command = command_find(&name, 1, &used);
    if (!command) return true; /* who runs it says which there are */
    args->inner = mem_alloc(1, sizeof *args->inner, err);
    return args->inner && parse(session, command, args->passed, NULL, args->passed_count, args->inner, err);
}

bool args_parse(Session *session, const Command *command, const char *const *words, const bool *literal, size_t count,
                Args *args, Error *err) {
    if (!parse(session, command, words, literal, count, args, err)) return false;
    if (args->common.help) return true;
    return args_complete(args, NULL, 0, err) && (!command->passes || parse_inner(session, args, err)) &&
           args_settle(session, args, err);
}

bool args_settle(Session *session, Args *args, Error *err) {
    const Command *command = args->command;
    return (!command->settle || command->settle(session, args, err)) && args_check_needs(args, err);
}

void args_done(Args *args) {
    for (size_t i = 0; i < args->word_count; i++) mem_free(args->words[i]);
    if (args->inner) args_done(args->inner);
    mem_free(args->inner);
    mem_free(args->words);
    mem_free(args->values);
    mem_free(args->options);
    mem_free(args->rest);
    mem_free(args->passed);
    mem_free(args->line);
    *args = (Args){0};
}

/* ---- needs ------------------------------------------------------------------------------------------------------- */

/* One clause of `needs`: "optimiser=sgd|adam" or "optimiser!=sgd" (a choice), "alpha>0" (a number), "attack" (given).
 */
typedef struct Clause {
    const char *text;
    size_t length, name; /* of the clause, of the name it begins with */
} Clause;

static bool listed(const char *names, const char *end, const char *name) {
    const size_t length = strlen(name);
    for (; names < end; names += strcspn(names, "|,") + 1) {
        const size_t size = strcspn(names, "|,");
        if (size == length && strncmp(names, name, size) == 0) return true;
    }
    return false;
}

static bool clause_met(const Args *args, const Clause *clause) {
    const ArgValue *value = find_value(args, clause->text, clause->name);
    const char *sign = clause->text + clause->name, *end = clause->text + clause->length;
    if (!value) return true; /* another command's */
    const SettingValue now = value->setting.repeated ? value->value : setting_get(&value->setting, args->options);
    const bool no_choice = value->setting.kind == SETTING_CHOICE && !value->setting.standard && !value->given;
    switch (sign < end ? *sign : '\0') {
    case '=':
        return !no_choice && listed(sign + 1, end, value->setting.choices[now.choice]);
    case '!':
        return !no_choice && !listed(sign + 2, end, value->setting.choices[now.choice]);
    case '>':
        return now.real > 0;
    default:
        return value->given;
    }
}

/* "--scheme joint or distil", "--alpha above 0", "--attack" */
static void say_clause(const Args *args, const Clause *clause, Str *out) {
    const ArgValue *value = find_value(args, clause->text, clause->name);
    const char *sign = clause->text + clause->name, *end = clause->text + clause->length;
    const char *fitting[16] = {NULL};
    setting_called(&value->setting, out);
    if (sign >= end) return;
    if (*sign == '>') {
        str_add(out, " above 0");
        return;
    }
    size_t count = 0;
    const bool inverted = *sign == '!';
    for (const char *const *choice = value->setting.choices; *choice && count < 15; choice++)
        if (listed(sign + 1 + inverted, end, *choice) != inverted) fitting[count++] = *choice;
    str_add(out, " ");
    setting_choices(fitting, ", ", " or ", out);
}

static bool check_needs(const Args *args, const Setting *setting, Error *err) {
    for (const char *at = setting->needs; at && *at;) {
        const Clause clause = {at, strcspn(at, ","), strcspn(at, ",=!>")};
        at += clause.length + (at[clause.length] == ',');
        if (clause_met(args, &clause)) continue;
        Str called = {0}, wanted = {0};
        setting_called(setting, &called);
        say_clause(args, &clause, &wanted);
        error_set(err, STATUS_USAGE, "%s needs %s", str_text(&called), str_text(&wanted));
        str_done(&called);
        str_done(&wanted);
        return false;
    }
    return true;
}

bool args_check_needs(const Args *args, Error *err) {
    for (size_t i = 0; i < args->own_count; i++) {
        const Setting *setting = &args->values[i].setting;
        if (!args->values[i].given) continue;
        if (setting->excludes && args_given(args, setting->excludes))
            return error_set(err, STATUS_USAGE, "--%s does not go with --%s", setting->name, setting->excludes);
        if (!check_needs(args, setting, err)) return false;
    }
    return true;
}

bool *choose_layers(const Network *network, const char *selector, LayerChoice choice, Error *err) {
    bool *chosen = mem_alloc(network->layer_count, sizeof *chosen, err);
    if (chosen && !layer_select(network, selector, choice, chosen, err)) {
        mem_free(chosen);
        return NULL;
    }
    return chosen;
}
