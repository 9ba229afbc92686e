/* json -- a strict pull parser. */
#include "format/json.h"

#include <string.h>

#include "format/checkpoint.h"
#include "weft/base/error.h"
#include "weft/base/text.h"

#define INTEGER_LIMIT (UINT64_C(1) << 48) /* of safetensors' published schema */

bool json_pull_fail(const Json *json, Error *err, const char *what) {
    return error_set(err, STATUS_BAD_INPUT, "JSON: %s at byte %llu", what,
                     (unsigned long long)(json->base + (uint64_t)(json->at - json->start)));
}

bool json_pull_begin(Json *json, char *bytes, size_t length, uint64_t base, Error *err) {
    *json = (Json){.start = bytes, .at = bytes, .end = bytes + length, .base = base};
    if (!text_valid_utf8(bytes, length)) return error_set(err, STATUS_BAD_INPUT, "JSON: not valid UTF-8");
    return true;
}

static char json_here(const Json *json) {
    return json->at < json->end ? *json->at : '\0';
}

char json_pull_peek(Json *json) {
    while (json_here(json) && strchr(" \t\n\r", *json->at)) json->at++;
    return json_here(json);
}

bool json_pull_expect(Json *json, char character, Error *err) {
    char what[] = "expected '?'";
    what[sizeof "expected '" - 1] = character;
    if (json_pull_peek(json) == character) { /* which is no NUL */
        json->at++;
        return true;
    }
    return json_pull_fail(json, err, what);
}

bool json_pull_end(Json *json, Error *err) {
    json_pull_peek(json);
    return json->at == json->end || json_pull_fail(json, err, "text after the last brace");
}

/* ---- strings ----------------------------------------------------------------------------------------------------- */

static bool hex4(Json *json, unsigned *value, Error *err) {
    *value = 0;
    for (int i = 0; i < 4; i++, json->at++) {
        char c = json_here(json);
        unsigned digit = c >= '0' && c <= '9'   ? (unsigned)(c - '0')
                         : c >= 'a' && c <= 'f' ? (unsigned)(c - 'a' + 10)
                         : c >= 'A' && c <= 'F' ? (unsigned)(c - 'A' + 10)
                                                : 16;
        if (digit == 16) return json_pull_fail(json, err, "expected four hexadecimal digits");
        *value = *value << 4 | digit;
    }
    return true;
}

static char *put_utf8(char *out, unsigned code) {
    if (code < 0x80) {
        *out++ = (char)code;
        return out;
    }
    int more = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
    static const unsigned char lead[] = {0, 0xC0, 0xE0, 0xF0};
    *out++ = (char)(lead[more] | code >> (6 * more));
    while (more-- > 0) *out++ = (char)(0x80 | (code >> (6 * more) & 0x3F));
    return out;
}

/* What follows a backslash. The decoded text is never longer than its escape. */
static bool unescape(Json *json, char **out, Error *err) {
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    char c = json_here(json);
    const char *simple = c ? strchr(from, c) : NULL;
    unsigned code, low;
    if (simple) {
        *(*out)++ = to[simple - from];
        json->at++;
        return true;
    }
    if (c != 'u') return json_pull_fail(json, err, "unknown escape");
    json->at++;
    if (!hex4(json, &code, err)) return false;
    if (code >= 0xDC00 && code < 0xE000) return json_pull_fail(json, err, "lone surrogate");
    if (code >= 0xD800 && code < 0xDC00) {
        if (json->end - json->at < 2 || json->at[0] != '\\' || json->at[1] != 'u')
            return json_pull_fail(json, err, "lone surrogate");
        json->at += 2;
        if (!hex4(json, &low, err)) return false;
        if (low < 0xDC00 || low >= 0xE000) return json_pull_fail(json, err, "lone surrogate");
        code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
    }
    if (code == 0) return json_pull_fail(json, err, "NUL in a string");
    *out = put_utf8(*out, code);
    return true;
}

bool json_pull_string(Json *json, char **text, size_t *length, Error *err) {
    if (!json_pull_expect(json, '"', err)) return false;
    char *out = json->at;
    *text = out;
    while (json->at < json->end) {
        char c = *json->at;
        if ((unsigned char)c < ' ') return json_pull_fail(json, err, "control character in a string");
        json->at++;
        if (c == '"') {
            *out = '\0';
            *length = (size_t)(out - *text);
            return true;
        }
        if (c != '\\')
            *out++ = c;
        else if (!unescape(json, &out, err))
            return false;
    }
    return json_pull_fail(json, err, "unterminated string");
}

/* ---- numbers and structure --------------------------------------------------------------------------------------- */

static bool is_digit(const Json *json) {
    return json_here(json) >= '0' && json_here(json) <= '9';
}

bool json_pull_integer(Json *json, uint64_t *value, Error *err) {
    json_pull_peek(json);
    const char *first = json->at;
    *value = 0;
    for (; is_digit(json); json->at++) {
        *value = *value * 10 + (uint64_t)(*json->at - '0');
        if (*value >= INTEGER_LIMIT) return json_pull_fail(json, err, "integer of 2^48 or more");
        if (*first == '0' && json->at > first) return json_pull_fail(json, err, "integer with a leading zero");
    }
    if (json->at == first) return json_pull_fail(json, err, "expected an integer without a sign");
    if (json->at < json->end && strchr(".eE", *json->at) && *json->at)
        return json_pull_fail(json, err, "expected an integer, not a fraction");
    return true;
}

bool json_pull_next(Json *json, char closing, bool *first, bool *more, Error *err) {
    if (json_pull_peek(json) == closing) {
        json->at++;
        *more = false;
        return true;
    }
    if (!*first && !json_pull_expect(json, ',', err)) return false;
    if (!*first && json_pull_peek(json) == closing) return json_pull_fail(json, err, "comma before a closing bracket");
    *first = false;
    *more = true;
    return true;
}

bool json_pull_next_key(Json *json, bool *first, bool *more, char **key, size_t *length, Error *err) {
    if (!json_pull_next(json, '}', first, more, err)) return false;
    return !*more || (json_pull_string(json, key, length, err) && json_pull_expect(json, ':', err));
}

uint64_t json_pull_count_ahead(const Json *json) {
    uint64_t commas = 0, depth = 0;
    bool quoted = false;
    for (const char *at = json->at; at < json->end; at++) {
        if (*at == '"')
            quoted = !quoted;
        else if (quoted)
            at += *at == '\\';
        else if (*at == '{' || *at == '[')
            depth++;
        else if (*at == '}' || *at == ']')
            depth--;
        else
            commas += *at == ',' && depth == 1;
    }
    return commas + 1;
}

/* A number by the grammar, or true, false, null. */
static bool skip_scalar(Json *json, Error *err) {
    static const char *const words[] = {"true", "false", "null"};
    for (size_t i = 0; i < 3; i++) {
        size_t length = strlen(words[i]);
        if ((size_t)(json->end - json->at) >= length && memcmp(json->at, words[i], length) == 0) {
            json->at += length;
            return true;
        }
    }
    if (json_here(json) == '-') json->at++;
    const char *first = json->at;
    while (is_digit(json)) json->at++;
    if (json->at == first || (*first == '0' && json->at > first + 1))
        return json_pull_fail(json, err, "expected a value");
    if (json_here(json) == '.') {
        const char *fraction = ++json->at;
        while (is_digit(json)) json->at++;
        if (json->at == fraction) return json_pull_fail(json, err, "expected a digit");
    }
    if (json_here(json) == 'e' || json_here(json) == 'E') {
        json->at++;
        if (json_here(json) == '+' || json_here(json) == '-') json->at++;
        const char *exponent = json->at;
        while (is_digit(json)) json->at++;
        if (json->at == exponent) return json_pull_fail(json, err, "expected a digit");
    }
    return true;
}

bool json_pull_skip(Json *json, Error *err) {
    char closing[CAP_JSON_DEPTH], *text;
    bool first[CAP_JSON_DEPTH], more;
    size_t depth = 0, length;
    do {
        char c = json_pull_peek(json);
        if (c == '{' || c == '[') {
            if (depth == CAP_JSON_DEPTH) return json_pull_fail(json, err, "more than 16 levels");
            json->at++;
            first[depth] = true;
            closing[depth++] = c == '{' ? '}' : ']';
        } else if (c == '"' ? !json_pull_string(json, &text, &length, err) : !skip_scalar(json, err)) {
            return false;
        }
        /* On to where the next value begins, leaving what is complete. */
        for (more = false; depth > 0 && !more; depth -= !more) {
            bool *begun = &first[depth - 1];
            if (closing[depth - 1] == '}' ? !json_pull_next_key(json, begun, &more, &text, &length, err)
                                          : !json_pull_next(json, ']', begun, &more, err))
                return false;
        }
    } while (depth > 0);
    return true;
}
