/* screen -- a program of a test's own in a pseudo-terminal: what it writes, what is typed. Failures end the test. */
#ifndef WEFT_TESTS_SCREEN_H
#define WEFT_TESTS_SCREEN_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <termios.h>

typedef struct Screen {
    int terminal; /* the master's side; -1: closed by the test */
    pid_t child;
    struct termios before;
    char *output; /* everything since screen_forget */
    size_t length, capacity;
} Screen;
/* The test's own program again, as `program` with the argument `how`, at a terminal of type `term`. */
Screen screen_start(const char *program, const char *how, const char *term, unsigned short rows,
                    unsigned short columns);
void screen_done(Screen *screen);
/* Takes in what has been written; false at the end of it or after `milliseconds` of silence. */
bool screen_take(Screen *screen, int milliseconds);
bool screen_seen(const Screen *screen, const char *text);
void screen_expect(Screen *screen, const char *text); /* waits for it */
void screen_settle(Screen *screen);                   /* until nothing more comes */
void screen_forget(Screen *screen);
void screen_type(Screen *screen, const char *keys);
/* Keys one after the other, as a person types them: an escape sequence is one key. */
void screen_press(Screen *screen, const char *key);
bool screen_same_modes(const struct termios *a, const struct termios *b);
void screen_expect_modes(const Screen *screen); /* as before the program began */
/* Collects the rest and the exit status; gives up after twenty seconds. */
int screen_finish(Screen *screen);

#endif
