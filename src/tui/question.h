/* question -- what full-screen views share: a question in the bottom line, and the page of keys (inside tui). */
#ifndef WEFT_TUI_QUESTION_H
#define WEFT_TUI_QUESTION_H

#include <stdbool.h>

/* The view that asks. */
typedef struct AskView {
    void *view;
    void (*paint)(void *view); /* all of it */
    int (*wait)(void *view);   /* a key or EVENT_RESIZE, as terminal_event; EVENT_NONE: the view ends */
} AskView;

enum { ANSWER_MOST = 1024 };
/* Asks in the bottom line. `answer` holds the offer, a selected text that the first character typed replaces and that
 * keys that edit go on from; then the answer.
 * False if the user gives up (Esc, Ctrl-C) or the view ends. */
bool ask_line(const AskView *asker, const char *question, char answer[ANSWER_MOST]);

/* A text in the bottom lines, in reverse: broken between words into at most `most` lines, then cut. `hint` stands at
 * the right end of the last one, or nowhere if it is "". Returns how many lines it took. */
int bottom_lines(const char *text, int most, const char *hint);

typedef struct KeyHelp {
    const char *names, *help;
} KeyHelp;
/* Draws the rows from `first` on that fit, in one or two columns, and in the bottom line what any key does: `back`, or
 * show more. Returns the first row that did not fit. */
int keys_page(const KeyHelp *rows, int count, int first, const char *back);

#endif
