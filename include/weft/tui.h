/* tui -- full-screen views on ncurses. The terminal is given back as it was on every way out: key, error, signal,
 * crash. */
#ifndef WEFT_TUI_H
#define WEFT_TUI_H

#include "weft/base/error.h"
#include "weft/base/table.h"
#include "weft/chart.h"

/* Shows a chart until the user leaves (q, Esc, F10). Keys: ? help, arrows/hjkl cursor, + - zoom, _ fit, < > or
 * shift-arrows pan, Tab next series, L log axis, s save (asks for a file name), Ctrl-L redraw. Returns true when left
 * normally; STATUS_FAILED where standard output or input is no terminal or TERM cannot do it. */
bool tui_view_chart(const Chart *chart, Error *err);

/* The monitor of a training run: its log as charts, its step, what is left; keys to pause, save, stop, leave. */
typedef struct MonitorRun {
    const char *title;
    uint64_t steps;      /* planned; 0: not known */
    const char *rate_of; /* what the log's column `rate` counts: "kernels", "images" */
    bool foreground;     /* this process trains: pause and save now are offered */
} MonitorRun;
typedef enum MonitorWish {
    MONITOR_GO_ON,
    MONITOR_SAVE,  /* save now, then go on */
    MONITOR_STOP,  /* end the run in order (asked and confirmed) */
    MONITOR_LEAVE, /* close the monitor; the run goes on. Also where the terminal was closed */
} MonitorWish;
typedef struct Monitor Monitor;
/* Takes the terminal; what `run` points to is borrowed until monitor_close. STATUS_FAILED as tui_view_chart. */
Monitor *monitor_open(const MonitorRun *run, Error *err);
void monitor_close(Monitor *monitor);
/* Call it after every step: it answers the keys typed so far, draws at most ten times a second (and never takes more
 * than a tenth of the time), and returns at once what the user wishes, each wish once. While the user pauses the run it
 * waits inside, until the wish is another or cancel_level is not 0. `log` as run_log_table gives it (columns step,
 * loss, recon, kd, fmd, learning_rate, accuracy, rate, seconds; those it lacks are left out), NULL: none yet; `status`:
 * a few words, NULL: none. Both are borrowed until the next call. Ctrl-C raises SIGINT in the foreground, else leaves.
 */
MonitorWish monitor_update(Monitor *monitor, const Table *log, uint64_t step, const char *status);
/* The same for who has nothing to do meanwhile: waits up to `milliseconds`, or until there is a wish. */
MonitorWish monitor_wait(Monitor *monitor, unsigned milliseconds);

/* Async-signal-safe: gives the terminal back (termios, alternate screen, cursor, SGR, mouse, bracketed paste) using
 * only tcsetattr and write; does nothing when no view is open. For the shell's handlers of fatal signals. */
void tui_emergency_restore(void);

#endif
