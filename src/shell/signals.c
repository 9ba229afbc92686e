/* signals -- Ctrl-C cancels, TERM, HUP and QUIT end in order, crashes give the terminal back first.
 *
 * Handlers only set flags, or write and re-raise; everything they call is async-signal-safe. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "session.h"
#include "weft/tui.h"

static volatile sig_atomic_t ending;

int signals_ending(void) {
    return ending;
}

static void on_interrupt(int number) {
    (void)number;
    cancel_request();
}

static void on_end(int number) {
    ending = number;
    cancel_request();
    cancel_request();
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
    install(SIGPIPE, SIG_IGN, 0);
    install(SIGXFSZ, SIG_IGN, 0);
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
