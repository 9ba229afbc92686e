/* tui -- full-screen views on ncurses. The terminal is restored on every exit: key, error, signal, crash. */
#ifndef WEFT_TUI_H
#define WEFT_TUI_H

#include "weft/base/error.h"
#include "weft/base/table.h"
#include "weft/base/text.h"
#include "weft/chart.h"
#include "weft/data.h"
#include "weft/net.h"
#include "weft/probe/smoothing.h"

/* Shows a chart until the user quits (q, Esc, F10). Keys: ? help, arrows/hjkl cursor, + - zoom, _ fit, < > or
 * shift-arrows pan, Tab next series, L log axis, s save (asks for a file name, and offers NAME.svg), Ctrl-L redraw;
 * click, drag, wheel and right click of a mouse. Returns true after a normal exit; STATUS_FAILED if standard output or
 * input is not a terminal or TERM cannot do it. */
bool tui_view_chart(const Chart *chart, const char *name, Error *err);

/* The monitor of a training run: its log as charts, its step, the time left; keys to pause, save, stop and close it. */
typedef struct MonitorRun {
    const char *title;
    uint64_t steps;      /* planned; 0: unknown */
    const char *rate_of; /* what the log's column `rate` counts: "kernels", "images" */
    bool foreground;     /* this process trains: pause and save are available */
    bool detachable;     /* foreground: another process can go on with it */
} MonitorRun;
typedef enum MonitorWish {
    MONITOR_GO_ON,
    MONITOR_SAVE,   /* save now, then continue */
    MONITOR_STOP,   /* end the run in order (confirmed by the user) */
    MONITOR_LEAVE,  /* close the monitor; the run continues. Also if the terminal was closed */
    MONITOR_DETACH, /* end the run here in order, and continue it in the background */
} MonitorWish;
typedef struct Monitor Monitor;
/* Takes the terminal; what `run` points to is borrowed until monitor_close. STATUS_FAILED as tui_view_chart. */
Monitor *monitor_open(const MonitorRun *run, Error *err);
void monitor_close(Monitor *monitor);
/* Call it after every step. It handles the keys typed so far, draws at most ten times a second (and never uses more
 * than a tenth of the time), and returns each request of the user once, without waiting. While the user pauses the run
 * it blocks until there is another request or cancel_level is not 0. `log` comes from run_log_table (columns step,
 * loss, recon, kd, fmd, learning_rate, accuracy, rate, seconds; missing ones are omitted), NULL: none yet; `status`: a
 * few words, NULL: none. Both are borrowed until the next call. Ctrl-C raises SIGINT in the foreground, otherwise it
 * closes the monitor.
 */
MonitorWish monitor_update(Monitor *monitor, const Table *log, uint64_t step, const char *status);
/* Somebody else's run: whether it has ended, so that nothing is left to stop. */
void monitor_ended(Monitor *monitor, bool ended);
/* As monitor_update, but blocks for up to `milliseconds`, or until there is a request. */
MonitorWish monitor_wait(Monitor *monitor, unsigned milliseconds);

/* ---- pictures ---------------------------------------------------------------------------------------------------- */

/* Which pictures the terminal of standard input and output shows: SIXEL, KITTY or OFF. It is asked, for at most
 * `patience` milliseconds; so is tmux (`processes`: its program may be run). What the user typed meanwhile is appended
 * to *typed. *late: it did not answer in time, and may do so later. OFF without a terminal. */
ChartGraphics tui_graphics(bool processes, unsigned patience, Str *typed, bool *late);
bool tui_in_tmux(void);

/* What a terminal answered. */
typedef struct TerminalAnswers {
    bool whole; /* the answer to the last question (DA1) has come */
    bool sixel, kitty;
} TerminalAnswers;
/* Finds the answers among bytes that were read; what the user typed is appended to *typed. Returns `whole`. */
bool tui_answers(const char *text, size_t length, TerminalAnswers *answers, Str *typed);
ChartGraphics tui_answered(const TerminalAnswers *answers); /* what they mean, without tmux */

/* The number of colours of the terminal type TERM by terminfo; -1: the type is unknown. */
int tui_type_colours(void);
/* Whether charts are drawn in 7-bit characters: the locale is not UTF-8, or this is the Linux console, whose fonts have
 * no Braille and few blocks. */
bool tui_type_ascii(void);

/* ---- the live view of smoothing ---------------------------------------------------------------------------------- */

/* What the view shows and whom it asks. All pointers are borrowed. */
typedef struct SmoothView {
    const Network *network;
    const char *name;
    const Dataset *data; /* NULL: no accuracy */
    const char *data_name;
    void *context;
    /* A name for the smoothed network that is not taken yet, appended. */
    void (*propose)(void *context, Str *out);
    /* The command line that makes and measures it, appended. */
    void (*line)(void *context, const Smoothing *smoothing, const char *into, Str *out);
    /* Whether there is something of this name, which keep replaces. */
    bool (*taken)(void *context, const char *name);
    /* Keeps the smoothed network under a name. */
    bool (*keep)(void *context, const Smoothing *smoothing, const char *into, Error *err);
} SmoothView;

/* The charts of the view, in the order in which they are given up where there is no room, the last first. */
#define SMOOTH_PARTS(X) X(KERNELS, "kernels") X(CURVE, "filter") X(ACCURACY, "accuracy") X(SPECTRUM, "spectrum")
typedef enum SmoothPart {
#define X(name, text) SMOOTH_##name,
    SMOOTH_PARTS(X)
#undef X
        SMOOTH_PART_COUNT
} SmoothPart;
const char *smooth_part_name(SmoothPart part);
/* A chart of the view, and in *shown what part of it is in view. NULL with STATUS_OK: there is nothing to draw yet. */
Chart *smooth_chart(const SmoothView *view, const Smoothing *smoothing, const SmoothingFindings *findings,
                    SmoothPart part, ChartView *shown, Error *err);
/* Adds the view's lines of numbers, of at most `width` columns each: the filter, its scope, S_ratio, accuracy. `busy`:
 * something is still being computed. */
void smooth_numbers(const SmoothView *view, const Smoothing *smoothing, const SmoothingFindings *findings, bool busy,
                    size_t width, Str *out);
/* Saves each part that there is as FILE with its name before the extension ("smooth.svg": "smooth-kernels.svg"): .svg,
 * .png, .pdf for charts, .csv, .tsv, .json, .md for their rows. *written: the files, for people. */
bool smooth_save(const SmoothView *view, const Smoothing *smoothing, const SmoothingFindings *findings,
                 const char *file, bool overwrite, Str *written, Error *err);
bool smooth_files_exist(const char *file); /* one that smooth_save may write */

/* The view, from *smoothing on, which is then the setting at which the user left (q, Esc, Ctrl-C). Fails as
 * smoother_new does, and as tui_view_chart. */
bool tui_smooth(const SmoothView *view, Smoothing *smoothing, Error *err);

/* Appends what clears the screen of this terminal; false where TERM does not know how. */
bool tui_clear_text(Str *out);

/* Async-signal-safe: restores the terminal (termios, alternate screen, cursor, SGR, mouse, bracketed paste) using
 * only tcsetattr and write; does nothing when no view is open. For the shell's handlers of fatal signals. */
void tui_emergency_restore(void);

#endif
