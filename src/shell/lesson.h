/* lesson -- lessons at the prompt: what the commands and the readers of lines ask for. Private to src/shell. */
#ifndef WEFT_SHELL_LESSON_H
#define WEFT_SHELL_LESSON_H

#include "command.h"
#include "script.h"
#include "weft/base/error.h"
#include "weft/base/text.h"

/* The commands. What the learner is to read is added to *out, safe for terminals and in colours. */
bool lesson_start(Session *session, const char *word, bool restart, Str *out, Error *err);
bool lesson_auto(Session *session, const char *word, Error *err); /* prints as it plays */
bool lesson_next(Session *session, Str *out, Error *err);
bool lesson_back(Session *session, Str *out, Error *err);
bool lesson_hint(Session *session, Str *out, Error *err);
bool lesson_check(Session *session, const char *answer, Str *out, Error *err); /* NULL: of the state so far */
bool lesson_skip(Session *session, Str *out, Error *err);
bool lesson_leave(Session *session, Str *out, Error *err);

/* The readers of lines. */
bool lesson_active(const Session *session);
const char *lesson_prompt(const Session *session); /* "lesson 3/9> "; NULL: no lesson */
/* What a line means: an empty one is the command that the lesson proposes, `next` or `check`; others are themselves. */
const char *lesson_line(const Session *session, const Reader *reader, const char *line);
/* script_feed, where a line may be an answer, and what it did may end a step. */
ReaderState lesson_feed(Session *session, Reader *reader, const char *line, int number, Error *err);
/* A command or a chunk of Lua has run. */
void lesson_ran(Session *session, const char *text);
/* Lines that the command which the lesson waits for may print, so that it and what the lesson says next are on the
 * screen together; 0: any number. */
unsigned lesson_room(Session *session);
bool lesson_command(const char *word); /* lesson, next, back, hint, check, skip or leave */
void lesson_end(Session *session);

#endif
