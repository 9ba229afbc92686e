/* words -- cutting a command line into words, with Lua values put in for $name and $(expr). */
#include <ctype.h>
#include <string.h>

#include "command.h"
#include "lua_shell.h"
#include "words.h"
#include "weft/base/error.h"
#include "weft/base/memory.h"
#include "weft/base/text.h"

bool words_add(Words *words, const char *text, Error *err) {
    if (!mem_grow(&words->word, &words->capacity, words->count + 1, sizeof(char *), err)) return false;
    words->word[words->count] = mem_copy_text(text, err);
    return words->word[words->count] && ++words->count;
}

static bool push(Words *words, const Str *word, Error *err) {
    return str_ok(word, err) && words_add(words, str_text(word), err);
}

void words_done(Words *words) {
    for (size_t i = 0; i < words->count; i++) mem_free(words->word[i]);
    mem_free(words->word);
    *words = (Words){0};
}

size_t words_bracket(const char *text) {
    size_t depth = 0;
    for (size_t i = 0; text[i]; i++) {
        if (text[i] == '\'' || text[i] == '"') {
            char quote = text[i++];
            while (text[i] && text[i] != quote) i += text[i] == '\\' && text[i + 1] ? 2 : 1;
            if (!text[i]) return 0;
        } else if (text[i] == '(') {
            depth++;
        } else if (text[i] == ')' && --depth == 0) {
            return i + 1;
        }
    }
    return 0;
}

/* $name, $name[key], $1 (the script's first argument) or $(expr) at `text`: its Lua value is added to `word`. Returns
 * the characters read, 0 on failure. */
static size_t substitute(Session *session, const char *text, Str *word, Error *err) {
    size_t length = 1;
    Str expression = {0};
    if (text[1] == '(') {
        size_t bracket = words_bracket(text + 1);
        if (!bracket) {
            error_set(err, STATUS_USAGE, "$( without its closing bracket");
            return 0;
        }
        str_add_bytes(&expression, text + 2, bracket - 2);
        length += bracket;
    } else if (isdigit((unsigned char)text[1])) {
        while (isdigit((unsigned char)text[length])) length++;
        str_addf(&expression, "arg[%.*s]", (int)length - 1, text + 1);
    } else {
        while (isalnum((unsigned char)text[length]) || text[length] == '_') length++;
        if (text[length] == '[' && strchr(text + length, ']')) length += strcspn(text + length, "]") + 1;
        str_add_bytes(&expression, text + 1, length - 1);
    }
    if (!str_ok(&expression, err) || !lua_value_text(session, str_text(&expression), word, err)) length = 0;
    str_done(&expression);
    return length;
}

static bool is_substitution(const char *text) {
    return text[0] == '$' && (text[1] == '(' || text[1] == '_' || isalnum((unsigned char)text[1]));
}

/* One word, from its first character on; returns where it ends, or NULL. */
static const char *one_word(Session *session, const char *at, Str *word, Error *err) {
    char quote = 0;
    str_add(word, "");
    for (; *at && (quote || !(isspace((unsigned char)*at) || *at == ';')); at++) {
        if (quote ? *at == quote : (*at == '\'' || *at == '"')) {
            quote = quote ? 0 : *at;
        } else if (quote != '\'' && is_substitution(at)) {
            size_t length = substitute(session, at, word, err);
            if (!length) return NULL;
            at += length - 1;
        } else if (*at == '\\' && quote != '\'' && at[1] && strchr("\\\"'$;# \t", at[1])) {
            str_add_bytes(word, ++at, 1);
        } else {
            str_add_bytes(word, at, 1);
        }
    }
    if (quote) {
        error_set(err, STATUS_USAGE, "unclosed quote (%c)", quote);
        return NULL;
    }
    return at;
}

static bool takes_rest(const Words *words) {
    size_t used;
    const Command *command = command_find((const char *const *)words->word, words->count, &used);
    return command && used == words->count && command->positionals && command->positionals[0].kind == SETTING_REST;
}

bool words_split(Session *session, const char *line, Words *out, size_t *used, Error *err) {
    *out = (Words){0};
    const char *at = line;
    while (true) {
        while (isspace((unsigned char)*at)) at++;
        bool rest = out->count && takes_rest(out), ok;
        if (!*at || (!rest && (*at == ';' || *at == '#'))) break;
        Str word = {0};
        if (rest) {
            size_t length = strlen(at);
            while (length && isspace((unsigned char)at[length - 1])) length--;
            str_add_bytes(&word, at, length);
            at += strlen(at);
            ok = push(out, &word, err);
        } else {
            const char *end = one_word(session, at, &word, err);
            ok = end && push(out, &word, err);
            at = end;
        }
        str_done(&word);
        if (!ok) {
            words_done(out);
            return false;
        }
    }
    *used = (size_t)(at - line) + (*at == ';' ? 1 : *at == '#' ? strlen(at) : 0);
    return true;
}

void words_quote(const char *word, Str *out) {
    if (*word && !strpbrk(word, " \t\n\v\f\r;#\"'$\\")) {
        str_add(out, word);
        return;
    }
    str_add(out, "\"");
    for (; *word; word++) {
        if (strchr("\\\"$", *word)) str_add(out, "\\");
        str_add_bytes(out, word, 1);
    }
    str_add(out, "\"");
}
