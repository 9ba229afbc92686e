/* terminal -- the terminal taken over by a full-screen view, and given back (inside tui). One view at a time. */
#ifndef WEFT_TUI_TERMINAL_H
#define WEFT_TUI_TERMINAL_H

#include "weft/base/error.h"
#include "weft/chart.h"

#include <wchar.h>

/* Takes the terminal of standard input and output: raw keys, alternate screen. STATUS_FAILED if that is none, or
 * TERM has no cursor addressing. */
bool terminal_enter(Error *err);
/* Everything as before terminal_enter: screen, modes, signal handlers, locale. */
void terminal_leave(void);

ChartColours terminal_colours(void); /* by terminfo and COLORTERM; none if NO_COLOR is set */

#define CTRL_KEY(letter) ((letter)&0x1f)
enum {
    KEY_SPECIAL = 1 << 24, /* added to curses' KEY_ codes, which overlap with characters; alone: a key that terminfo
                              does not know */
    EVENT_NONE = -1,       /* something may have changed (a signal): check cancel_level */
    EVENT_RESIZE = -2,     /* the window has another size, curses knows */
    EVENT_GONE = -3,       /* the terminal was closed */
};
/* Waits for a key (a character or KEY_SPECIAL + KEY_...) or an event, for at most this long; 0: does not wait. Checking
 * cancel_level every quarter of a second is enough. */
enum { EVENT_WAIT = 250 };
int terminal_event(int milliseconds);
/* Reports the mouse as the key KEY_SPECIAL + KEY_MOUSE, until terminal_leave, where TERM knows of one. */
void terminal_mouse(void);
typedef enum MouseKind { MOUSE_PRESS, MOUSE_RELEASE, MOUSE_FIT, MOUSE_IN, MOUSE_OUT } MouseKind;
typedef struct Mouse {
    MouseKind kind; /* left button; right button; wheel up and down */
    int x, y;       /* cell of the screen */
} Mouse;
/* What the mouse did, after its key; false: nothing of these. */
bool terminal_mouse_event(Mouse *out);
/* Gives the terminal back, stops the process as Ctrl-Z does, and takes the terminal again when it continues. */
void terminal_suspend(void);

/* A chart, or a text of at most `room` columns; both tolerate places outside the screen. */
void terminal_put_grid(int y, int x, const ChartGrid *grid);
int terminal_put_text(int y, int x, const char *text, int room);

#endif
