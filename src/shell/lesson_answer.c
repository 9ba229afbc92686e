/* lesson_answer -- whether an answer is right, a command is the one proposed, the workspace is as a check wants it. */
#include <ctype.h>
#include <jansson.h>
#include <math.h>
#include <string.h>
#include <strings.h>

#include "lesson_play.h"
#include "lua_shell.h"
#include "script.h"
#include "session.h"
#include "words.h"

#include "weft/base/text.h"

bool lesson_value(Session *session, const char *expression, Str *out, Error *err) {
    const bool before = session->aside;
    session->aside = true;
    const bool ok = lua_value_text(session, expression, out, err);
    session->aside = before;
    return ok;
}

/* ---- numbers ----------------------------------------------------------------------------------------------------- */

static bool right_number(Session *session, const LessonItem *item, double *out, Error *err) {
    Str value = {0};
    bool ok = lesson_value(session, item->answer, &value, err) && str_ok(&value, err);
    if (ok && !text_to_double(str_text(&value), out))
        ok = error_set(err, STATUS_FAILED, "= %s: '%s' is not a number", item->answer, str_text(&value));
    str_done(&value);
    return ok;
}

/* Whole numbers are exact, others may be 1 % off. */
static double largest_error(const LessonItem *item, double right) {
    const double usual = right == floor(right) ? 0 : fabs(right) / 100;
    return item->tolerance > 0 ? item->tolerance : item->tolerance < 0 ? -item->tolerance * fabs(right) : usual;
}

/* How commas in a number are read. */
typedef enum Commas { COMMA_DECIMAL, COMMA_THOUSANDS } Commas;

/* "93.2", "93.2 %", "93,2", "28*28": a number, or a sum that Lua does. */
static bool read_number(Session *session, const char *answer, Commas commas, double *out) {
    Str text = {0}, value = {0};
    Error ignored;
    size_t length = strlen(answer);
    while (length && strchr(" %", answer[length - 1])) length--;
    for (size_t i = 0; i < length; i++)
        if (answer[i] != ',')
            str_add_bytes(&text, answer + i, 1);
        else if (commas == COMMA_DECIMAL)
            str_add(&text, ".");
    bool ok = text.length && !text.failed && text_to_double(str_text(&text), out);
    if (!ok && text.length && strspn(str_text(&text), "0123456789.+-*/() ") == text.length)
        ok = lesson_value(session, str_text(&text), &value, &ignored) && text_to_double(str_text(&value), out);
    str_done(&text);
    str_done(&value);
    return ok && isfinite(*out);
}

static bool is_near(const LessonItem *item, double number, double wanted) {
    const double slack = 1e-9 * fabs(wanted); /* a whole number that was computed */
    return fabs(number - wanted) <= largest_error(item, wanted) + slack;
}

bool lesson_right_number(Session *session, const LessonItem *item, double number) {
    double wanted;
    Error ignored;
    return right_number(session, item, &wanted, &ignored) && is_near(item, number, wanted);
}

static bool judge_number(Session *session, const LessonItem *item, const char *answer, LessonVerdict *verdict, Str *out,
                         Error *err) {
    double number, thousands, wanted;
    if (!right_number(session, item, &wanted, err)) return false;
    const bool grouped = strchr(answer, ',') && read_number(session, answer, COMMA_THOUSANDS, &thousands);
    const bool read = read_number(session, answer, COMMA_DECIMAL, &number);
    if (!read && !grouped) {
        *verdict = LESSON_UNREADABLE;
        str_add(out, "'");
        str_add_escaped(out, answer, strlen(answer));
        str_add(out, "' is not a number.");
        return true;
    }
    if (!read || (grouped && is_near(item, thousands, wanted))) number = thousands; /* "8,208" may be meant so */
    const double most = largest_error(item, wanted);
    const bool right = is_near(item, number, wanted);
    *verdict = right ? LESSON_RIGHT : LESSON_WRONG;
    str_add(out, right ? "Right: " : "");
    str_add_number(out, right ? wanted : number);
    if (!right) str_add(out, number > wanted ? " is too large" : " is too small");
    if (!right && fabs(number / 100 - wanted) <= most) str_add(out, ": a share from 0 to 1 is asked for, not per cent");
    if (!right && fabs(number * 100 - wanted) <= 100 * most) str_add(out, ": per cent are asked for, not a share");
    str_add(out, ".");
    return true;
}

/* ---- choices ----------------------------------------------------------------------------------------------------- */

/* The choice that a word means: its letter or its text; the count of choices: none. */
static bool find_choice(Session *session, const LessonItem *item, const char *word, bool letters, size_t *out,
                        Error *err) {
    const LessonPairs *choices = &item->choices;
    bool ok = true;
    *out = choices->count;
    for (size_t i = 0; ok && i < choices->count && *out == choices->count; i++) {
        Str text = {0};
        ok = lesson_fill_in(session, choices->pair[i].text, &text, err) && str_ok(&text, err);
        const bool letter = letters && tolower((unsigned char)word[0]) == (char)('a' + (int)i) &&
                            (!word[1] || (word[1] == ')' && !word[2]));
        if (ok && (letter || strcasecmp(str_text(&text), word) == 0)) *out = i;
        str_done(&text);
    }
    return ok;
}

static bool right_choice(Session *session, const LessonItem *item, size_t *out, Error *err) {
    *out = item->right;
    if (!item->answer) return true;
    Str value = {0};
    bool ok = lesson_value(session, item->answer, &value, err) && str_ok(&value, err) &&
              find_choice(session, item, str_text(&value), false, out, err);
    if (ok && *out == item->choices.count)
        ok = error_set(err, STATUS_FAILED, "= %s: '%s' is none of the choices", item->answer, str_text(&value));
    str_done(&value);
    return ok;
}

static bool judge_choice(Session *session, const LessonItem *item, const char *answer, LessonVerdict *verdict, Str *out,
                         Error *err) {
    size_t wanted, chosen;
    if (!right_choice(session, item, &wanted, err) || !find_choice(session, item, answer, true, &chosen, err))
        return false;
    if (chosen == item->choices.count) {
        *verdict = LESSON_UNREADABLE;
        str_add(out, "'");
        str_add_escaped(out, answer, strlen(answer));
        str_addf(out, "' is none of the choices: answer with a letter from a to %c.",
                 (char)('a' + (int)item->choices.count - 1));
        return true;
    }
    const LessonPair *pair = &item->choices.pair[chosen];
    const bool right = chosen == wanted;
    *verdict = right ? LESSON_RIGHT : LESSON_WRONG;
    str_addf(out, right ? "Right: " : pair->note ? "Not %c: " : "Not %c, ", (char)('a' + (int)chosen));
    const bool ok = lesson_fill_in(session, right || !pair->note ? pair->text : pair->note, out, err);
    if (out->length && !ispunct((unsigned char)out->text[out->length - 1])) str_add(out, ".");
    return ok;
}

bool lesson_judge(Session *session, const LessonItem *item, const char *answer, LessonVerdict *verdict, Str *out,
                  Error *err) {
    return (item->kind == LESSON_CHOICE ? judge_choice : judge_number)(session, item, answer, verdict, out, err);
}

bool lesson_answer(Session *session, const LessonItem *item, Str *out, Error *err) {
    double number;
    size_t index;
    if (item->kind == LESSON_CHOICE) {
        if (!right_choice(session, item, &index, err)) return false;
        str_addf(out, "%c", (char)('a' + (int)index));
    } else {
        if (!right_number(session, item, &number, err)) return false;
        if (largest_error(item, number) < fabs(number) * 1e-3)
            lua_number_text(number, out);
        else
            str_add_number(out, number);
    }
    return str_ok(out, err);
}

/* "lowpas base": several words, of which the first is nearly a command. */
static bool mistyped_command(const char *line) {
    Str word = {0};
    const size_t length = strcspn(line, " ");
    str_add_bytes(&word, line, length);
    const bool mistyped = line[length] && command_nearest(str_text(&word));
    str_done(&word);
    return mistyped;
}

bool lesson_is_answer(Session *session, const LessonItem *item, const char *line) {
    const size_t length = strspn(line, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_");
    double number;
    size_t index;
    Error ignored;
    if (!item || (item->kind != LESSON_NUMBER && item->kind != LESSON_CHOICE)) return false;
    if (script_command_line(line) || strchr("?!#", *line) || line[strlen(line) - 1] == '?') return false;
    if (item->kind == LESSON_CHOICE && find_choice(session, item, line, true, &index, &ignored) &&
        index < item->choices.count)
        return true;
    if (read_number(session, line, COMMA_DECIMAL, &number) || read_number(session, line, COMMA_THOUSANDS, &number))
        return true;
    if (mistyped_command(line)) return false;
    return !lua_defined(session, line, length) && !strpbrk(line, "=({[") && !lua_open(session, line) &&
           !lua_compiles(session, NULL, line, &ignored);
}

/* ---- checks ------------------------------------------------------------------------------------------------------ */

/* " (now 85.2)" where the detail is "85.2 > 90": what one side of an inequality is, for people. */
static void add_now(const char *detail, Str *out) {
    const size_t length = strcspn(detail, " ");
    Str side = {0};
    double number;
    str_add_bytes(&side, detail, length);
    if (detail[length] && strchr("<>", detail[length + 1]) && text_to_double(str_text(&side), &number)) {
        str_add(out, " (now ");
        str_add_number(out, number);
        str_add(out, ")");
    }
    str_done(&side);
}

static bool add_missing(Session *session, const LessonPair *check, const char *detail, Str *out, Error *err) {
    if (check->note && !lesson_fill_in(session, check->note, out, err)) return false;
    if (!check->note) str_add_escaped(out, check->text, strlen(check->text));
    add_now(detail, out);
    return true;
}

/* Why a check could not be computed, without the advice in brackets: the task wants its object made otherwise. */
static void add_reason(const char *error, Str *out) {
    const char *advice = strstr(error, " (");
    str_addf(out, " (%.*s)", advice ? (int)(advice - error) : (int)strlen(error), error);
}

bool lesson_holds(Session *session, const LessonItem *item, bool *holds, Str *out, Error *err) {
    const bool before = session->aside;
    bool ok = *holds = true;
    for (size_t i = 0; ok && *holds && i < item->checks.count; i++) {
        const LessonPair *check = &item->checks.pair[i];
        Str detail = {0}, message = {0};
        Error failed;
        session->aside = true;
        const bool told = lua_truth(session, check->text, holds, &detail, &message, &failed);
        session->aside = before;
        if (!told && failed.status == STATUS_CANCELLED) {
            *err = failed;
            ok = false;
        }
        if (!told) *holds = false;
        if (ok && !*holds) ok = add_missing(session, check, told ? str_text(&detail) : "", out, err);
        if (ok && !told) add_reason(failed.text, out);
        str_done(&detail);
        str_done(&message);
    }
    return ok;
}

/* ---- commands ---------------------------------------------------------------------------------------------------- */

/* The arguments of a line that is one command; NULL: it is none, or it does not parse (any more). */
static json_t *parsed(Session *session, const char *line) {
    Words words;
    Args args;
    Error err;
    size_t used, name;
    json_t *json = NULL;
    if (!script_command_line(line) || !words_split(session, line, &words, &used, &err)) return NULL;
    const Command *command = command_find((const char *const *)words.word, words.count, &name);
    if (command && !line[used]) {
        if (args_parse(session, command, (const char *const *)words.word + name, NULL, words.count - name, &args, &err))
            json = args_json(&args);
        if (json && command->table) json_object_set_new(json, "as", json_string(args.common.as));
        args_done(&args);
    }
    words_done(&words);
    return json;
}

/* Equal but for blanks. */
static bool same_text(const char *a, const char *b) {
    while (true) {
        while (isspace((unsigned char)*a)) a++;
        while (isspace((unsigned char)*b)) b++;
        if (!*a || *a != *b) return *a == *b;
        a++, b++;
    }
}

bool lesson_same_command(Session *session, const char *a, const char *b) {
    if (same_text(a, b)) return true;
    const bool before = session->aside;
    session->aside = true;
    json_t *first = parsed(session, a), *second = first ? parsed(session, b) : NULL;
    session->aside = before;
    const bool same = second && json_equal(first, second);
    json_decref(first);
    json_decref(second);
    return same;
}
