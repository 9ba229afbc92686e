/* session -- the state of one session, shared by the files of src/shell. */
#ifndef WEFT_SHELL_SESSION_H
#define WEFT_SHELL_SESSION_H

#include <lua.h>
#include <stdio.h>

#include "command.h"
#include "weft/base/error.h"
#include "weft/base/random.h"
#include "weft/base/table.h"
#include "weft/base/task.h"
#include "weft/base/text.h"
#include "weft/shell.h"

typedef struct Words {
    char **word;
    size_t count, capacity;
} Words;

struct Session {
    SessionOptions options;
    Object **objects; /* in the order made */
    size_t object_count, object_capacity;
    uint64_t puts; /* objects put so far, for their numbers */
    lua_State *lua;
    Rng random; /* of Lua's math.random */
    uint64_t seed;
    TableFormat format;
    bool format_given, out_terminal, err_terminal, ascii;
    ChartColours colours;
    const char *source; /* what errors call the text being run; NULL: the prompt or -c */
    int line;           /* of that text, from 1 */
    int lua_depth;      /* inside a Lua chunk: commands print nothing */
    size_t lua_bytes;   /* allocated by Lua */
    bool quit;
    int quit_status;
    int write_error; /* errno of the first write to standard output that failed since the last flush */
    char **done;     /* top-level texts that ran, for `record` */
    size_t done_count, done_capacity;
    char *record_path;
    Task task;
    struct ProgressLine {
        double started, shown;
        bool visible;
    } progress;
    Words background; /* folders of the runs that this session started there */
};

/* ---- workspace.c ---- */
Object *workspace_newest(const Session *session, ObjectKind kind); /* the one put last; NULL: there is none */
Object *workspace_find(const Session *session, const char *name);
/* Finds an object of a kind, or says what is there instead, or which name is nearest. */
Object *workspace_need(const Session *session, const char *name, ObjectKind kind, Error *err);
Object *workspace_any(const Session *session, const char *name, Error *err);
const char *object_kind_name(ObjectKind kind);
bool workspace_name_check(const Session *session, const char *name, Error *err);
/* False where `name` is an object of another kind already: asked before anything is computed. */
bool workspace_accepts(const Session *session, const char *name, ObjectKind kind, Error *err);
/* Puts up to two objects under different names, all or none; an object of the same kind is replaced, one of another
 * kind is an error. Takes what the objects hold, but only where it succeeds. */
bool workspace_put(Session *session, const char *const *names, const Object *contents, size_t count, Error *err);
void workspace_remove(Session *session, Object *object);
bool workspace_rename(Session *session, Object *object, const char *name, Error *err);
void workspace_clear(Session *session);

/* ---- dispatch.c ---- */
/* Runs a command and publishes its result. `show`: print it. The table is also returned in *table (borrowed from the
 * workspace, or owned by *kept, which the caller frees, where it is transient). */
/* Runs one command (its name and arguments as words; `literal` marks words that are never options, NULL: none) and
 * publishes its result only when all went well. `show`: print what it gives. `copy`, if not NULL, receives the caller's
 * own copy of its table, or NULL where it has none. */
bool dispatch(Session *session, const char *const *words, const bool *literal, size_t count, bool show, Table **copy,
              Error *err);

/* How the result's table is drawn. */
void result_chart(Result *result, ChartKind kind, const char *x, const char *y, const char *title, ...)
    __attribute__((format(printf, 5, 6)));

/* ---- apply.c ---- */
/* The `run` of network-to-network commands: calls the command's apply, publishes the network as --into, one row of what
 * changed. */
bool run_apply(Session *session, const Args *args, Result *result, Error *err);
/* What was loaded is remembered by its command as it was given, options and all, rather than by where a sample was
 * found: puts `line` in the place of the value. */
bool lineage_say(KeyValue *newest, const char *line, Error *err);

/* ---- words.c ---- */
/* Cuts a command line into words: quotes group ('...' as it stands, "..." with $), $name and $(expr) are Lua values, #
 * begins a comment, an unquoted ; ends the command: *used is how far it was read. A command whose argument is ARG_REST
 * gets the rest of the line as one word. */
bool words_split(Session *session, const char *line, Words *out, size_t *used, Error *err);
void words_done(Words *words);
bool words_add(Words *words, const char *text, Error *err); /* a copy */
/* A word with quotes where it needs them to be read back. */
void words_quote(const char *word, Str *out);

/* ---- script.c ---- */
/* Text being read line by line: a command line, or Lua until the chunk is complete. */
typedef struct Reader {
    Str pending;
    int first_line; /* of what is pending */
} Reader;
typedef enum ReaderState { READER_DONE, READER_MORE, READER_FAILED } ReaderState;
bool script_command_line(const char *line);
ReaderState script_feed(Session *session, Reader *reader, const char *line, int number, Error *err);
/* What is still pending at the end is a syntax error. */
bool script_end(Session *session, Reader *reader, Error *err);

/* ---- lua.c, lua_call.c, lua_table.c, lua_repeat.c, lua_safe.c ---- */
typedef enum LuaState { LUA_CHUNK_DONE, LUA_CHUNK_MORE, LUA_CHUNK_FAILED } LuaState;
bool lua_start(Session *session, Error *err);
void lua_stop(Session *session);
/* Compiles and runs a chunk that begins at `line` of session->source. MORE: a syntax error at its very end. Values of
 * an expression are printed. A script that leaves with os.exit is DONE; where that happens in an expression, the
 * functions below fail with STATUS_OK. */
LuaState lua_chunk(Session *session, const char *text, int line, Error *err);
/* The text of a Lua expression's value. */
bool lua_value_text(Session *session, const char *expression, Str *out, Error *err);
/* True or false, and where it is a comparison that fails, both sides in `detail`. */
bool lua_truth(Session *session, const char *expression, bool *truth, Str *detail, Error *err);
/* Names of globals that begin with `prefix`, for completion; call with *state 0 first. NULL ends. The text is valid
 * until Lua runs again. */
const char *lua_global_name(Session *session, const char *prefix, int *state);
/* Pushes a table value, empty until the caller puts a Table, which Lua then frees, into the place returned. */
Table **lua_push_table(lua_State *lua);
void lua_table_open(lua_State *lua);
/* Arguments 2 and 3 (headings, rows) as a table, pushed; raises Lua errors. */
const Table *lua_tabulate(lua_State *lua);
void lua_repeat_open(lua_State *lua);
void lua_call_open(lua_State *lua);
/* A command's failure as a Lua error, which keeps its status. What ends the session cannot be caught by a script. */
int lua_fail(lua_State *lua, const Error *err);
int lua_leave(lua_State *lua); /* the same after quit */
/* A Lua value as a word of a command; arrays are joined by commas. */
bool lua_argument_text(lua_State *lua, int index, Str *out, Error *err);
void lua_safe_open(Session *session, lua_State *lua);
Session *lua_session(lua_State *lua);
/* Shortest digits that read back as the same number; integers plain. */
void lua_number_text(double value, Str *out);

/* ---- output.c ---- */
void output_start(Session *session);
unsigned output_columns(void);       /* of standard output */
unsigned output_error_columns(void); /* of standard error */
void output_table(Session *session, const Table *table, TableFormat format);
void output_chart(Session *session, const Chart *chart, unsigned width, unsigned height);
/* Text for standard output; on a terminal whatever could make it act is escaped, in a file or pipe the bytes stay. */
void output_text(Session *session, const char *text);
void output_drawn(Session *session, const char *text); /* the same as it is: with colours, and harmless names in it */
/* Appends "KEY: VALUE\n", one line whatever is in them, of a long value its beginning. */
void output_add_note(Str *out, const char *key, const char *value);
void output_message(Session *session, const char *text);
void output_error(Session *session, const Error *err);
/* A closed pipe makes the session end silently with 141; any other failure of standard output is STATUS_WRITE. */
bool output_flush(Session *session, Error *err);
/* The line of progress on standard error, as far as it fits: "what [####....] done/total, rest". */
void output_progress(Session *session, const char *what, uint64_t done, uint64_t total, const char *rest);
void output_progress_clear(Session *session);
bool output_table_format(const char *name, TableFormat *out);

/* ---- paths.c ---- */
/* Where --safe is on: STATUS_USAGE unless `path` lies below the working folder. */
bool safe_to_write(const Session *session, const char *path, Error *err);
/* "~" and "~/x" expanded. */
bool path_expand(const char *path, Str *out, Error *err);
/* A path as the user gave it, else, where there is no such file and no folder is named, a sample: "sample:NAME" or just
 * its file name. */
bool path_find(const char *text, Str *out, Error *err);

/* ---- help.c ---- */
bool help_text(const char *topic, Str *out, Error *err); /* NULL: the list of commands */
void help_overview(Str *out);
bool help_apropos(const char *word, Str *out);
/* src/shell/help/NAME.txt, embedded at build time: a summary of one line, then the text. */
typedef struct HelpTopic {
    const char *name, *file;
} HelpTopic;
extern const HelpTopic help_topics[]; /* ends with name NULL */
void topic_summary(const HelpTopic *topic, Str *out);
/* The text; a line "@NAME" of the file is replaced by a list made at run time. `own`: with what the user added. */
void topic_text(const HelpTopic *topic, bool own, Str *out);
/* Text filled to `width` columns, every line indented. */
void help_filled(Str *out, const char *text, size_t indent, size_t width);

/* ---- architectures.c ---- */
void architecture_folder_set(void); /* to the user's data folder */
void architecture_families(bool own, Str *out);

/* ---- complete.c ---- */
void complete_start(Session *session); /* hands the completer to readline */
/* All completions of the word that ends at `end`, sorted; `start` is where it begins. What readline and the tests call.
 */
bool complete_candidates(Session *session, const char *line, size_t start, size_t end, Words *out);

/* ---- jobs.c ---- */
/* $XDG_STATE_HOME/weft/NAME, else ~/.local/state/weft/NAME; false where neither is known. */
bool state_path(const char *name, Str *out);
void state_make_folders(char *path); /* those above a file; the text is put back */
typedef enum JobState { JOB_RUNNING, JOB_DONE, JOB_STOPPED, JOB_FAILED } JobState;
const char *job_state_name(JobState state);
/* How a run stands, as far as its folder tells. */
typedef struct Job {
    char *folder, *name, *rate_of;
    char *label;    /* the name, with round and trial where there are several */
    char *newest;   /* the folder itself, or that of the newest round's or trial's: where log and checkpoints are */
    bool last_part; /* no further round or trial follows */
    bool survey;    /* its steps are points, each a row of its log */
    uint64_t step, steps;  /* done, as far as log and checkpoints tell; planned, 0: not known */
    uint64_t saved;        /* the step of the newest checkpoint; 0: none */
    double loss, accuracy; /* the latest, NaN: none */
    JobState state;
    long process; /* that runs it; 0: none, or not known */
    Str reason;   /* JOB_FAILED */
    Table *log;   /* NULL: none */
} Job;
bool job_read(const char *folder, Job *out, Error *err);
void job_done(Job *job);
/* "runs/a: running (process 12), step 250 of 1000, loss 0.25" */
void job_describe(const Job *job, Str *out);
/* The folders of all background runs that still exist, in the order started: job N is word N - 1. */
bool jobs_list(Words *out, Error *err);
bool jobs_add(const char *folder, Error *err);
/* The folder that a word means: the number of a job, or a path. Added to *folder. */
bool job_find(const char *word, Str *folder, Error *err);
/* Whether error.txt ends in an error of weft's that is newer than the last lock; *reason is that. */
bool job_failure(const char *folder, Str *reason);

/* ---- background.c ---- */
/* Runs a command (its words) in another weft process, detached: output to FOLDER/output.txt, errors to
 * FOLDER/error.txt. The command must lock FOLDER with run_open; returns when it has, or with its error when it died
 * before. The job is listed. Relative paths mean the same there as here. */
bool background_start(Session *session, const char *folder, const char *const *words, size_t count, Error *err);
/* STATUS_USAGE where --safe forbids it; for whoever has work to do before background_start. */
bool background_allowed(const Session *session, Error *err);
/* The same for `resume FOLDER`, and says what can be done with the job `name`. */
bool background_resume(Session *session, const char *name, const char *folder, Result *result, Error *err);
void background_farewell(Session *session); /* one line where runs of this session go on */

/* ---- signals.c ---- */
int signals_ending(void); /* the signal that asks the process to end (TERM, HUP, QUIT), or 0 */

#endif
