/* shell -- the session: a workspace of named objects, one table of commands, Lua, the prompt. */
#ifndef WEFT_SHELL_H
#define WEFT_SHELL_H

#include "weft/base/error.h"
#include "weft/base/text.h"

/* How a session runs; all zero is a script session that prints, without --safe. */
typedef struct SessionOptions {
    bool interactive;   /* a person types: errors do not end it, and results come with charts if stdout is a terminal */
    bool quiet;         /* tables and messages are not printed; scripts still get the values */
    bool safe;          /* no processes, bytecode or native modules; writes only below the working folder */
    bool ascii;         /* charts in 7-bit glyphs even if the locale is UTF-8 */
    bool no_pager;      /* long results are printed at once */
    bool echo;          /* print each command line before it runs */
    const char *format; /* table|csv|tsv|json|md; NULL: table on a terminal, tsv elsewhere */
    const char *colour; /* auto|always|never; NULL: auto */
    const char *graphics;         /* auto|sixel|kitty|off; NULL: auto */
    uint64_t seed;                /* of all random numbers, until --seed changes it */
    const char *script;           /* its file: arg[0]; NULL: none */
    const char *const *arguments; /* the script's: arg[1].. in Lua; borrowed */
    size_t argument_count;
} SessionOptions;

typedef struct Session Session;
Session *session_new(const SessionOptions *options, Error *err);
void session_free(Session *session);

/* Runs a text of commands and Lua (NULL: standard input, line by line). Errors call it `name` ("tour.weft"; NULL: no
 * file:line). Stops at the first failure, prints it on standard error as one line, and returns its status; STATUS_OK if
 * everything ran or `quit` was reached. */
Status session_run_text(Session *session, const char *name, const char *text);
/* As session_run_text, for a file; "-" is standard input. */
Status session_run_file(Session *session, const char *path);
/* The prompt, until `quit` or end of input; returns the exit status. */
Status session_prompt(Session *session);
/* A worker's session (weft/base/ranks.h): runs its part of the commands of rank 0 until the job is over. */
Status session_serve(Session *session);
/* The exit status after a quit, a signal (128 + n) or a closed pipe (141); STATUS_OK otherwise. */
int session_exit_status(const Session *session);
/* Runs `lesson` with the script's arguments; *prompt becomes true if a lesson goes on. */
Status session_lesson(Session *session, bool *prompt);
/* Loads a checkpoint as `name` as `load net` does, and prints errors. */
Status session_open_network(Session *session, const char *name, const char *path);

/* The section 1 man page, from the command table. */
void shell_manual(Str *out);
/* Installs the handlers: Ctrl-C cancels, TERM and HUP end, crashes restore the terminal. */
void shell_signals(void);
/* The text of --version: versions of weft and its libraries, threads, CPU. */
void shell_version(Str *out);
/* The usage text of --help, as wide as standard output. */
void shell_usage(Str *out);

#endif
