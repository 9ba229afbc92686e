/* shell -- the session: a workspace of named objects, one table of commands, Lua, the prompt. */
#ifndef WEFT_SHELL_H
#define WEFT_SHELL_H

#include "weft/base/error.h"
#include "weft/base/text.h"

/* How a session runs; zeroed is a plain, quiet-less, unsafe script session. */
typedef struct SessionOptions {
    bool interactive;   /* a person types: errors do not end it, results come with charts where stdout is a terminal */
    bool quiet;         /* tables and messages are not printed; values are still there for scripts */
    bool safe;          /* no processes, bytecode or native modules; writes only below the working folder */
    bool ascii;         /* charts in 7-bit glyphs even where the locale is UTF-8 */
    bool echo;          /* print each command line before it runs */
    const char *format; /* table|csv|tsv|json|md; NULL: table on a terminal, tsv elsewhere */
    const char *colour; /* auto|always|never; NULL: auto */
    uint64_t seed;      /* of everything random, until --seed says otherwise */
    const char *script; /* its file: arg[0]; NULL: none */
    const char *const *arguments; /* the script's: arg[1].. in Lua; borrowed */
    size_t argument_count;
} SessionOptions;

typedef struct Session Session;
Session *session_new(const SessionOptions *options, Error *err);
void session_free(Session *session);

/* Runs a text of commands and Lua (NULL: standard input, line by line). `name` is what errors call it ("tour.weft";
 * NULL: no file:line). Stops at the first failure, which it has printed on standard error as one line, and returns its
 * status; STATUS_OK when all ran or `quit` was met. */
Status session_run_text(Session *session, const char *name, const char *text);
/* The same for a file, "-" standard input. */
Status session_run_file(Session *session, const char *path);
/* The prompt, until `quit` or end of input; returns the status to exit with. */
Status session_prompt(Session *session);
/* The status to exit with after a quit, a signal (128 + n) or a closed pipe (141); STATUS_OK otherwise. */
int session_exit_status(const Session *session);
/* Loads a checkpoint as `name` the way `load net` does; what went wrong is printed. */
Status session_open_network(Session *session, const char *name, const char *path);

/* The section 1 man page, from the command table. */
void shell_manual(Str *out);
/* Installs the handlers: Ctrl-C cancels, TERM and HUP end, crashes give the terminal back. */
void shell_signals(void);
/* The text of --version: ours, the libraries', threads, CPU. */
void shell_version(Str *out);
/* The usage text of --help. */
const char *shell_usage(void);

#endif
