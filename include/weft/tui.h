/* tui -- full-screen views on ncurses. The terminal is given back as it was on every way out: key, error, signal,
 * crash. */
#ifndef WEFT_TUI_H
#define WEFT_TUI_H

#include "weft/base.h"
#include "weft/chart.h"

/* Shows a chart until the user leaves (q, Esc, F10). Keys: ? help, arrows/hjkl cursor, + - zoom, _ fit, < > or
 * shift-arrows pan, Tab next series, L log axis, s save (asks for a file name), Ctrl-L redraw. Returns true when left
 * normally; STATUS_FAILED where standard output or input is no terminal or TERM cannot do it. */
bool tui_view_chart(const Chart *chart, Error *err);

/* Async-signal-safe: gives the terminal back (termios, alternate screen, cursor, SGR, mouse, bracketed paste) using
 * only tcsetattr and write; does nothing when no view is open. For the shell's handlers of fatal signals. */
void tui_emergency_restore(void);

#endif
