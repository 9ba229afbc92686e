/* script -- text read line by line: command lines and Lua chunks. Private to src/shell. */
#ifndef WEFT_SHELL_SCRIPT_H
#define WEFT_SHELL_SCRIPT_H

#include "weft/base/error.h"
#include "weft/base/text.h"

#include "command.h"

/* Text being read line by line: a command line, or Lua until the chunk is complete. */
typedef struct Reader {
    Str pending;
    int first_line; /* of what is pending */
} Reader;
typedef enum ReaderState { READER_DONE, READER_MORE, READER_FAILED } ReaderState;
/* A line that begins with the name of a command, unless an assignment, an index or a call in brackets follows. */
bool script_command_line(const char *line);
ReaderState script_feed(Session *session, Reader *reader, const char *line, int number, Error *err);
/* Whether `text`, lines read after those of `before`, ends within a command line or a chunk. Runs nothing. */
bool script_open(Session *session, const Reader *before, const char *text);
/* What is still pending at the end is a syntax error. */
bool script_end(Session *session, Reader *reader, Error *err);
/* Keeps a line that ran, for `record`. */
void script_remember(Session *session, const char *text, size_t length);

#endif
