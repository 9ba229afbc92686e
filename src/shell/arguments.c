/* arguments -- from words to checked values, after a command's record. */
#include <assert.h>
#include <math.h>
#include <string.h>

#include "session.h"
#include "weft/base/error.h"
#include "weft/base/memory.h"
#include "weft/base/text.h"

static size_t spec_count(const ArgSpec *specs) {
    size_t count = 0;
    while (specs && specs[count].name) count++;
    return count;
}

static const char *place(const ArgSpec *spec, Str *out) {
    out->length = 0;
    str_addf(out, spec->value || spec->kind == ARG_FLAG ? "--%s" : "%s", spec->name);
    return str_text(out);
}

/* ---- one value --------------------------------------------------------------------------------------------------- */

static bool check_number(const ArgSpec *spec, const char *where, const char *text, double *out, Error *err) {
    double value;
    if (!text_to_double(text, &value) || !isfinite(value))
        return error_set(err, STATUS_USAGE, "%s needs a number, not '%s'", where, text);
    if (spec->kind == ARG_INTEGER && value != floor(value))
        return error_set(err, STATUS_USAGE, "%s needs a whole number, not '%s'", where, text);
    bool bounded = spec->min != 0 || spec->max != 0 || spec->above_min || spec->kind == ARG_INTEGER;
    bool low = bounded && (spec->above_min ? value <= spec->min : value < spec->min);
    if (low)
        return error_set(err, STATUS_USAGE, "%s must be %s %g, not %s", where,
                         spec->above_min ? "greater than" : "at least", spec->min, text);
    if (spec->max > spec->min && value > spec->max)
        return error_set(err, STATUS_USAGE, "%s must be at most %g, not %s", where, spec->max, text);
    *out = value;
    return true;
}

static bool check_choice(const ArgSpec *spec, const char *where, const char *text, int *out, Error *err) {
    size_t length = strlen(text);
    int index = 0;
    for (const char *choice = spec->choices; choice; index++) {
        size_t size = strcspn(choice, "|");
        if (size == length && strncmp(choice, text, size) == 0) {
            *out = index;
            return true;
        }
        choice = choice[size] ? choice + size + 1 : NULL;
    }
    return error_set(err, STATUS_USAGE, "%s must be one of %s, not '%s'", where, spec->choices, text);
}

static bool set_value(Session *session, ArgValue *value, const char *text, bool given, Error *err) {
    const ArgSpec *spec = value->spec;
    Str where = {0};
    place(spec, &where);
    value->text = text;
    value->given = given;
    bool ok = str_ok(&where, err);
    switch (spec->kind) {
    case ARG_INTEGER:
    case ARG_REAL:
        ok = ok && check_number(spec, str_text(&where), text, &value->real, err);
        break;
    case ARG_CHOICE:
        ok = ok && check_choice(spec, str_text(&where), text, &value->choice, err);
        break;
    case ARG_NETWORK:
        ok = ok && (value->object = workspace_need(session, text, OBJECT_NETWORK, err));
        break;
    case ARG_PREDICTOR:
        ok = ok && (value->object = workspace_need(session, text, OBJECT_PREDICTOR, err));
        break;
    case ARG_DATASET:
        ok = ok && (value->object = workspace_need(session, text, OBJECT_DATASET, err));
        break;
    case ARG_OBJECT:
        ok = ok && (value->object = workspace_any(session, text, err));
        break;
    case ARG_TABLE:
        ok = ok && (value->object = workspace_need(session, text, OBJECT_TABLE, err));
        break;
    case ARG_NEW:
        ok = ok && workspace_name_check(session, text, err);
        break;
    case ARG_RUN:
    case ARG_LOG:
    case ARG_FILE:
    case ARG_OUTPUT:
        if (!*text) ok = error_set(err, STATUS_USAGE, "%s is empty", str_text(&where));
        break;
    case ARG_FLAG:
    case ARG_TEXT:
    case ARG_COLUMN:
    case ARG_SHOWN:
    case ARG_LAYER:
    case ARG_LAYERS:
    case ARG_FAMILY:
    case ARG_PRESET:
    case ARG_SPEC:
    case ARG_COMMAND:
    case ARG_MAKER:
    case ARG_OVER:
    case ARG_REST:
        break;
    }
    str_done(&where);
    return ok;
}

/* ---- a line ------------------------------------------------------------------------------------------------------ */

static bool unknown_option(const Args *args, const char *name, Error *err) {
    const char *names[64];
    size_t count = 0;
    for (size_t i = 0; i < args->value_count && count < 64; i++)
        if (args->values[i].spec->value || args->values[i].spec->kind == ARG_FLAG)
            names[count++] = args->values[i].spec->name;
    const char *near = text_nearest(name, names, count);
    if (near)
        return error_set(err, STATUS_USAGE, "%s has no option --%s; did you mean --%s?", args->command->name, name,
                         near);
    return error_set(err, STATUS_USAGE, "%s has no option --%s (help %s)", args->command->name, name,
                     args->command->name);
}

/* An option that is another command's: it and its value are handed on as they are. */
static bool pass_option(Args *args, size_t *next, const char *name, bool equals, Error *err) {
    const char *inner = args->values[0].text;
    size_t used;
    const Command *command = inner ? command_find(&inner, 1, &used) : NULL;
    if (!command) return unknown_option(args, name, err);
    const ArgSpec *spec = command->options;
    while (spec && spec->name && strcmp(spec->name, name) != 0) spec++;
    if (!spec || !spec->name)
        return error_set(err, STATUS_USAGE, "neither %s nor %s has an option --%s", args->command->name, command->name,
                         name);
    const bool value = spec->kind != ARG_FLAG && !equals;
    if (value && *next >= args->word_count)
        return error_set(err, STATUS_USAGE, "--%s needs a value (%s)", name, spec->value);
    if (!args->passed && !(args->passed = mem_alloc(args->word_count, sizeof *args->passed, err))) return false;
    args->passed[args->passed_count++] = args->words[*next - 1];
    if (value) args->passed[args->passed_count++] = args->words[(*next)++];
    return true;
}

/* An option word, "--name", "--name=value", and for its value perhaps the next word too: *next is moved past it. */
static bool take_option(Session *session, Args *args, size_t *next, Error *err) {
    char *word = args->words[*next] + 2, *equals = strchr(word, '=');
    size_t length = equals ? (size_t)(equals - word) : strlen(word);
    ArgValue *value = NULL;
    for (size_t i = 0; i < args->value_count && !value; i++) {
        const ArgSpec *spec = args->values[i].spec;
        if ((spec->value || spec->kind == ARG_FLAG) && strlen(spec->name) == length &&
            !strncmp(spec->name, word, length))
            value = &args->values[i];
    }
    ++*next;
    if (!value) {
        Str name = {0};
        str_add_bytes(&name, word, length);
        const bool passed =
            str_ok(&name, err) && (args->command->passes ? pass_option(args, next, str_text(&name), equals != NULL, err)
                                                         : unknown_option(args, str_text(&name), err));
        str_done(&name);
        return passed;
    }
    if (value->given) return error_set(err, STATUS_USAGE, "--%s is given twice", value->spec->name);
    if (value->spec->kind == ARG_FLAG) {
        if (equals) return error_set(err, STATUS_USAGE, "--%s takes no value", value->spec->name);
        return set_value(session, value, "", true, err);
    }
    if (!equals && *next >= args->word_count)
        return error_set(err, STATUS_USAGE, "--%s needs a value (%s)", value->spec->name, value->spec->value);
    return set_value(session, value, equals ? equals + 1 : args->words[(*next)++], true, err);
}

static bool take_positional(Session *session, Args *args, size_t positionals, size_t *taken, size_t word, Error *err) {
    const ArgSpec *specs = args->command->positionals;
    if (*taken < positionals) {
        ArgValue *value = &args->values[(*taken)++];
        if (specs[*taken - 1].repeated) {
            args->rest = mem_alloc(args->word_count, sizeof *args->rest, err);
            if (!args->rest) return false;
            args->rest[args->rest_count++] = args->words[word];
        }
        return set_value(session, value, args->words[word], true, err);
    }
    if (positionals && specs[positionals - 1].repeated) {
        ArgValue probe = {.spec = &specs[positionals - 1]};
        args->rest[args->rest_count++] = args->words[word];
        return set_value(session, &probe, args->words[word], true, err);
    }
    return error_set(err, STATUS_USAGE, "%s: '%s' is one argument too many (help %s)", args->command->name,
                     args->words[word], args->command->name);
}

static bool fill_defaults(Session *session, Args *args, Error *err) {
    for (size_t i = 0; i < args->value_count; i++) {
        ArgValue *value = &args->values[i];
        const ArgSpec *spec = value->spec;
        bool option = spec->value || spec->kind == ARG_FLAG;
        if (value->given) continue;
        if (option ? spec->required : !spec->optional) {
            Str synopsis = {0};
            command_synopsis(args->command, &synopsis);
            enum { SYNOPSIS_MOST = 240 }; /* what still reads as a line */
            const bool fits = synopsis.length <= SYNOPSIS_MOST;
            error_set(err, STATUS_USAGE, "%s needs %s%s%s%s%s", args->command->name, option ? "--" : "", spec->name,
                      fits ? ": " : " (help ", fits ? str_text(&synopsis) : args->command->name, fits ? "" : ")");
            str_done(&synopsis);
            return false;
        }
        if (spec->standard && !set_value(session, value, spec->standard, false, err)) return false;
    }
    return true;
}

static bool copy_words(Args *args, const char *const *words, size_t count, Error *err) {
    args->words = mem_alloc(count, sizeof *args->words, err);
    if (!args->words) return false;
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

static bool lay_out(Args *args, Error *err) {
    const Command *command = args->command;
    const ArgSpec *groups[] = {command->positionals, command->options, common_options};
    size_t count = spec_count(groups[0]) + spec_count(groups[1]) + spec_count(groups[2]);
    args->values = mem_alloc(count, sizeof *args->values, err);
    if (!args->values) return false;
    for (size_t g = 0; g < 3; g++)
        for (const ArgSpec *spec = groups[g]; spec && spec->name; spec++)
            if (g < 2 || common_applies(command, spec)) args->values[args->value_count++].spec = spec;
    return true;
}

bool args_parse(Session *session, const Command *command, const char *const *words, const bool *literal, size_t count,
                Args *args, Error *err) {
    *args = (Args){.command = command};
    size_t positionals = spec_count(command->positionals), taken = 0;
    if (!copy_words(args, words, count, err) || !lay_out(args, err)) return false;
    bool only_positionals = false;
    for (size_t next = 0; next < count;) {
        const char *word = args->words[next];
        bool as_is = only_positionals || (literal && literal[next]);
        if (!as_is && strcmp(word, "--") == 0) {
            only_positionals = true;
            next++;
        } else if (!as_is && strncmp(word, "--", 2) == 0) {
            if (!take_option(session, args, &next, err)) return false;
        } else if (!take_positional(session, args, positionals, &taken, next++, err)) {
            return false;
        }
    }
    return args_flag(args, "help") || fill_defaults(session, args, err);
}

void args_done(Args *args) {
    for (size_t i = 0; i < args->word_count; i++) mem_free(args->words[i]);
    mem_free(args->words);
    mem_free(args->values);
    mem_free(args->rest);
    mem_free(args->passed);
    mem_free(args->line);
    *args = (Args){0};
}

/* ---- reading them ------------------------------------------------------------------------------------------------ */

const ArgValue *args_value(const Args *args, const char *name) {
    for (size_t i = 0; i < args->value_count; i++)
        if (strcmp(args->values[i].spec->name, name) == 0) return &args->values[i];
    assert(false && "an argument that the command's record does not have");
    return NULL;
}

const char *args_text(const Args *args, const char *name) {
    return args_value(args, name)->text;
}
bool args_flag(const Args *args, const char *name) {
    return args_value(args, name)->given;
}
double args_real(const Args *args, const char *name) {
    return args_value(args, name)->real;
}
uint64_t args_integer(const Args *args, const char *name) {
    return (uint64_t)args_value(args, name)->real;
}
int args_choice(const Args *args, const char *name) {
    return args_value(args, name)->choice;
}

const Network *args_network(const Args *args, const char *name) {
    const Object *object = args_value(args, name)->object;
    return object ? object->network : NULL;
}

const Predictor *args_predictor(const Args *args, const char *name) {
    const Object *object = args_value(args, name)->object;
    return object ? object->predictor : NULL;
}

const Dataset *args_dataset(const Args *args, const char *name) {
    const Object *object = args_value(args, name)->object;
    return object ? object->dataset : NULL;
}

bool *args_layers(const Args *args, const Network *network, LayerChoice choice, Error *err) {
    bool *chosen = mem_alloc(network->layer_count, sizeof *chosen, err);
    if (chosen && !layer_select(network, args_text(args, "layers"), choice, chosen, err)) {
        mem_free(chosen);
        return NULL;
    }
    return chosen;
}
