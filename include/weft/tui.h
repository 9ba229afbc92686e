/* tui -- full-screen views on ncurses. The terminal is restored on every exit: key, error, signal, crash. */
#ifndef WEFT_TUI_H
#define WEFT_TUI_H

#include "weft/base/error.h"
#include "weft/base/table.h"
#include "weft/base/text.h"
#include "weft/chart.h"

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
} MonitorRun;
typedef enum MonitorWish {
    MONITOR_GO_ON,
    MONITOR_SAVE,  /* save now, then continue */
    MONITOR_STOP,  /* end the run in order (confirmed by the user) */
    MONITOR_LEAVE, /* close the monitor; the run continues. Also if the terminal was closed */
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
/* As monitor_update, but blocks for up to `milliseconds`, or until there is a request. */
MonitorWish monitor_wait(Monitor *monitor, unsigned milliseconds);

/* ---- pictures ---------------------------------------------------------------------------------------------------- */

/* Which pictures the terminal of standard input and output shows: SIXEL, KITTY or OFF. It is asked, for at most about
 * a tenth of a second; so is tmux (`processes`: its program may be run). What the user typed meanwhile is appended to
 * *typed. *late: it did not answer in time, and may do so later. OFF without a terminal. */
ChartGraphics tui_graphics(bool processes, Str *typed, bool *late);
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
/* Appends what clears the screen of this terminal; false where TERM does not know how. */
bool tui_clear_text(Str *out);

/* Async-signal-safe: restores the terminal (termios, alternate screen, cursor, SGR, mouse, bracketed paste) using
 * only tcsetattr and write; does nothing when no view is open. For the shell's handlers of fatal signals. */
void tui_emergency_restore(void);

#endif
