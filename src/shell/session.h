/* session -- the state of one session, shared by the files of src/shell. */
#ifndef WEFT_SHELL_SESSION_H
#define WEFT_SHELL_SESSION_H

#include <lua.h>
#include <stdio.h>

#include "command.h"
#include "weft/base/random.h"
#include "weft/base/table.h"
#include "weft/base/task.h"

#include "words.h"
#include "weft/shell.h"

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
    ChartGraphics graphics; /* AUTO: the terminal has not been asked yet */
    Str typed;              /* what the user typed while it was; the prompt reads it first */
    bool answers_late;      /* it did not answer in time: the prompt drops answers */
    Str held_pictures;      /* as `held`, with pictures in the place of their charts; empty: there are none */
    const char *source;     /* what errors call the text being run; NULL: the prompt or -c */
    int line;               /* of that text, from 1 */
    int source_depth;       /* scripts that `source` is inside of */
    int lua_depth;          /* inside a Lua chunk: commands print nothing */
    size_t lua_bytes;       /* allocated by Lua */
    bool quit;
    int quit_status;
    bool holding; /* output for people waits in `held` until it is known whether it needs a pager */
    Str held;
    bool table_before; /* the last output was a table for machines */
    int write_error;   /* errno of the first write to standard output that failed since the last flush */
    char **done;       /* top-level texts that ran, for `record` */
    size_t done_count, done_capacity;
    bool left_lines;     /* the command that runs has put lines there (script_remember) that stand for its own */
    char *record_path;   /* absolute */
    char *folder_before; /* the working folder before the last cd; NULL: there was none */
    Task task;
    struct ProgressLine {
        double started, shown;
        bool visible;
    } progress;
    unsigned room;             /* lines of the screen that a lesson leaves for what the command prints; 0: any number */
    struct LessonPlay *lesson; /* the one that was begun last; NULL: none */
    bool aside;                /* Lua that nobody typed: it prints no values, and its commands leave no table in the
                                * workspace without --as */
    bool number_shown;         /* the last Lua that ran was one number: */
    double number;
    bool unattended;  /* a lesson plays itself: nothing waits for a key */
    Words background; /* folders of the runs that this session started there */
};

/* Runs the lines of a script in this session. A failure names the script and its line. */
bool session_source(Session *session, const char *path, Error *err);

#endif
