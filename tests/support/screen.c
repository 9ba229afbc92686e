/* screen -- see screen.h. */
#include "screen.h"

#include <poll.h>
#include <pty.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utmp.h>
#include <cmocka.h>

#include "weft/base/error.h"
#include "weft/base/memory.h"
#include "weft/base/task.h"

Screen screen_start(const char *program, const char *how, const char *term, unsigned short rows,
                    unsigned short columns) {
    Screen screen = {0};
    struct winsize size = {.ws_row = rows, .ws_col = columns};
    int slave;
    assert_int_equal(openpty(&screen.terminal, &slave, NULL, NULL, &size), 0);
    assert_int_equal(tcgetattr(slave, &screen.before), 0);
    screen.child = fork();
    if (screen.child == 0) {
        close(screen.terminal);
        login_tty(slave);
        setenv("TERM", term, 1);
        setenv("NCURSES_GPM_TERMS", "none", 1); /* libgpm, the mouse of the Linux console, loses some bytes */
        setenv("LC_ALL", "C.UTF-8", 1);
        unsetenv("NO_COLOR");
        execl("/proc/self/exe", program, how, (char *)NULL);
        _exit(98);
    }
    close(slave);
    return screen;
}

bool screen_take(Screen *screen, int milliseconds) {
    struct pollfd input = {.fd = screen->terminal, .events = POLLIN};
    Error err;
    if (poll(&input, 1, milliseconds) <= 0) return false;
    assert_true(mem_grow(&screen->output, &screen->capacity, screen->length + 65537, 1, &err));
    ssize_t got = read(screen->terminal, screen->output + screen->length, 65536);
    if (got <= 0) return false;
    screen->length += (size_t)got;
    screen->output[screen->length] = '\0';
    return true;
}

bool screen_seen(const Screen *screen, const char *text) {
    return screen->output && memmem(screen->output, screen->length, text, strlen(text));
}

void screen_expect(Screen *screen, const char *text) {
    /* By the clock: a busy machine hands over a screen in any number of pieces. */
    for (double end = clock_seconds() + 20; !screen_seen(screen, text) && clock_seconds() < end;) {
        if (!screen_take(screen, 100)) usleep(1000);
    }
    if (!screen_seen(screen, text)) fail_msg("'%s' was not shown, but: %s", text, screen->output ? screen->output : "");
}

void screen_settle(Screen *screen) {
    while (screen_take(screen, 60)) {
    }
}

void screen_forget(Screen *screen) {
    screen->length = 0;
}

void screen_type(Screen *screen, const char *keys) {
    assert_int_equal(write(screen->terminal, keys, strlen(keys)), (ssize_t)strlen(keys));
}

void screen_press(Screen *screen, const char *key) {
    screen_type(screen, key);
    screen_settle(screen);
}

bool screen_same_modes(const struct termios *a, const struct termios *b) {
    return a->c_iflag == b->c_iflag && a->c_oflag == b->c_oflag && a->c_cflag == b->c_cflag &&
           a->c_lflag == b->c_lflag && memcmp(a->c_cc, b->c_cc, sizeof a->c_cc) == 0;
}

void screen_expect_modes(const Screen *screen) {
    struct termios now;
    assert_int_equal(tcgetattr(screen->terminal, &now), 0);
    assert_true(screen_same_modes(&screen->before, &now));
}

int screen_finish(Screen *screen) {
    int status = 0;
    pid_t ended = 0;
    for (double end = clock_seconds() + 20; ended == 0 && clock_seconds() < end;) {
        if (screen->terminal < 0 || !screen_take(screen, 50)) usleep(20000);
        ended = waitpid(screen->child, &status, WNOHANG);
    }
    if (ended == 0) {
        kill(screen->child, SIGKILL);
        waitpid(screen->child, &status, 0);
        fail_msg("the program did not end");
    }
    if (screen->terminal >= 0) screen_settle(screen);
    return status;
}

void screen_done(Screen *screen) {
    if (screen->terminal >= 0) close(screen->terminal);
    mem_free(screen->output);
}
