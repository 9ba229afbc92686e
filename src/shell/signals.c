/* signals -- Ctrl-C cancels, TERM, HUP and QUIT end in order, crashes restore the terminal first.
 *
 * Handlers only set flags, or write and re-raise; everything they call is async-signal-safe. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "command.h"
#include "signals.h"
#include "weft/shell.h"
#include "weft/base/task.h"
#include "weft/tui.h"

static volatile sig_atomic_t ending, continued;

int signals_ending(void) {
    return ending;
}

bool signals_continued(void) {
    const bool was = continued;
    continued = 0;
    return was;
}

enum { PATIENCE_SECOND = 1, PATIENCE_END = 8 }; /* seconds that a step gets after a second Ctrl-C, after TERM or HUP */

/* A step that did not end: nothing is left but to leave. Saves are atomic, so no file is harmed. */
static void on_alarm(int number) {
    (void)number;
    static const char words[] = "weft: the step did not end; quitting at once\n";
    if (!ending && cancel_level() < 2) return; /* it ended, and what runs now is something else */
    tui_emergency_restore();
    if (ending != SIGHUP && write(STDERR_FILENO, words, sizeof words - 1) < 0) _exit(128 + SIGINT);
    _exit(128 + (ending ? ending : SIGINT));
}

static void on_interrupt(int number) {
    (void)number;
    if (cancel_level()) alarm(PATIENCE_SECOND);
    cancel_request();
}

static void on_end(int number) {
    ending = number;
    if (cancel_level() == 0) cancel_request(); /* one: what trains saves before it ends */
    alarm(PATIENCE_END);
}

/* For signals that do nothing here, but what they always do in the programs that a script starts. */
static void on_nothing(int number) {
    (void)number;
}

static void on_continue(int number) {
    (void)number;
    continued = 1;
}

/* SA_RESETHAND has put the previous behaviour back, so raising again ends the process as it would have ended (or
 * reaches a sanitizer). */
static void on_crash(int number) {
    tui_emergency_restore();
    raise(number);
}

static void install(int number, void (*handler)(int), int flags) {
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = handler;
    action.sa_flags = flags;
    sigemptyset(&action.sa_mask);
    sigaction(number, &action, NULL);
}

/* Crash handlers run on a stack of their own: the usual one may be what overflowed. */
static void alternate_stack(void) {
    enum { SIZE = 1 << 16 };
    void *memory = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) return;
    stack_t stack = {.ss_sp = memory, .ss_size = SIZE};
    sigaltstack(&stack, NULL);
}

void shell_signals(void) {
    static const int ends[] = {SIGTERM, SIGHUP, SIGQUIT};
    install(SIGINT, on_interrupt, 0);
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) install(ends[i], on_end, 0);
    install(SIGALRM, on_alarm, SA_RESTART);
    install(SIGCONT, on_continue, SA_RESTART); /* what was read or written when weft was stopped goes on */
    install(SIGPIPE, on_nothing, SA_RESTART);
    install(SIGXFSZ, on_nothing, SA_RESTART);
#if !defined(__SANITIZE_ADDRESS__) /* a sanitizer's own reports matter more there */
    static const int crashes[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGSYS};
    alternate_stack();
    for (size_t i = 0; i < sizeof crashes / sizeof *crashes; i++)
        install(crashes[i], on_crash, (int)(SA_RESETHAND | SA_ONSTACK | SA_NODEFER));
#else
    (void)alternate_stack;
    (void)on_crash;
#endif
}

void signals_usual(void) {
    static const int handled[] = {SIGINT,  SIGTERM, SIGHUP, SIGQUIT, SIGALRM, SIGCONT, SIGPIPE,
                                  SIGXFSZ, SIGSEGV, SIGBUS, SIGFPE,  SIGILL,  SIGABRT, SIGSYS};
    for (size_t i = 0; i < sizeof handled / sizeof *handled; i++) install(handled[i], SIG_DFL, 0);
}
