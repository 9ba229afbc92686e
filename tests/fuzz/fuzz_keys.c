/* fuzz_keys -- any bytes as what a terminal sends: answers to questions, and keys of the chart viewer and the monitor
 * of runs on a pseudo-terminal. The first byte chooses. Each must end when the terminal is closed. */
#include <fcntl.h>
#include <pthread.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fuzz.h"
#include "weft/base/confine.h"
#include "weft/base/error.h"
#include "weft/base/table.h"
#include "weft/base/task.h"
#include "weft/base/text.h"
#include "weft/tui.h"

enum { SILENCE = 100 /* ms */, KEYS_MOST = 1000 };

typedef struct Person {
    int terminal;
    const uint8_t *keys;
    size_t count;
} Person;

/* Types, reads what is drawn, and closes the terminal where nothing more comes. */
static void *type(void *context) {
    Person *person = context;
    char drawn[4096];
    size_t typed = 0;
    struct pollfd poll_for = {.fd = person->terminal};
    for (;;) {
        poll_for.events = (short)(POLLIN | (typed < person->count ? POLLOUT : 0));
        if (poll(&poll_for, 1, SILENCE) <= 0) break;
        if ((poll_for.revents & POLLIN) && read(person->terminal, drawn, sizeof drawn) <= 0) break;
        if (poll_for.revents & POLLOUT) typed += write(person->terminal, person->keys + typed, 1) == 1;
        if ((poll_for.revents & (POLLHUP | POLLERR)) && !(poll_for.revents & POLLIN)) break;
    }
    close(person->terminal);
    return NULL;
}

static Table *curve(const char *x, const char *y, Error *err) {
    Table *table = table_new(err);
    table_column(table, x, "", COLUMN_REAL);
    table_column(table, y, "", COLUMN_REAL);
    for (int i = 0; i < 20; i++) {
        table_real(table, i);
        table_real(table, 1.0 / (1 + i));
    }
    return table_finish(table, err);
}

static void watch_run(void) {
    Error err;
    const MonitorRun run = {.title = "p", .steps = 100, .rate_of = "kernels", .foreground = true, .detachable = true};
    Monitor *monitor = monitor_open(&run, &err);
    Table *log = curve("step", "loss", &err);
    for (int i = 0; monitor && log && i < KEYS_MOST; i++) {
        const MonitorWish wish = monitor_wait(monitor, 5);
        if (wish == MONITOR_LEAVE || wish == MONITOR_STOP || wish == MONITOR_DETACH || cancel_level()) break;
        monitor_update(monitor, log, (uint64_t)i, "");
    }
    table_free(log);
    monitor_close(monitor);
}

static void view_chart(void) {
    static Table *table;
    static Chart *chart;
    Error err;
    if (!chart) {
        Encoding encoding = encoding_new(CHART_LINES);
        table = curve("cutoff", "accuracy", &err);
        snprintf(encoding.x, CHART_NAME_MAX, "cutoff");
        snprintf(encoding.y[0], CHART_NAME_MAX, "accuracy");
        chart = table ? chart_new(table, &encoding, &err) : NULL;
        if (!chart) abort();
    }
    tui_view_chart(chart, "last", &err);
}

static void answers(const uint8_t *bytes, size_t length) {
    TerminalAnswers found = {0};
    Str typed = {0};
    tui_answers((const char *)bytes, length, &found, &typed);
    tui_answered(&found);
    str_done(&typed);
}

static int nowhere;

static void on_interrupt(int number) {
    (void)number;
    cancel_request();
}

static void start(void) {
    nowhere = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (nowhere < 0 || dup2(nowhere, STDIN_FILENO) < 0 || dup2(nowhere, STDOUT_FILENO) < 0) abort();
    setenv("TERM", "xterm-256color", 1);
    setenv("ESCDELAY", "1", 1);
    signal(SIGINT, on_interrupt); /* Ctrl-C is raised again by the views, and Ctrl-\\ */
    signal(SIGQUIT, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    signal(SIGTSTP, SIG_IGN);
    Error err;
    char folder[] = "/tmp/weft-fuzz-XXXXXX"; /* where a chart that is saved goes */
    if (!mkdtemp(folder) || chdir(folder) != 0 || !confine(&err)) abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
    static bool started;
    if (!started) start();
    started = true;
    if (length == 0) return 0;
    if (bytes[0] % 4 > 1) {
        answers(bytes + 1, length - 1);
        return 0;
    }
    uint8_t keys[256];
    size_t count = length - 1 < 200 ? length - 1 : 200;
    memcpy(keys, bytes + 1, count);
    for (size_t i = 0; i < count; i++)
        if (keys[i] == 0x1a) keys[i] = 'z'; /* Ctrl-Z would stop the fuzzer */
    memcpy(keys + count, "\003\003qqy", 5);
    const struct winsize size = {.ws_row = 24, .ws_col = 80};
    int inside;
    Person person = {.keys = keys, .count = count + 5};
    pthread_t thread;
    if (openpty(&person.terminal, &inside, NULL, NULL, &size) != 0) return 0;
    if (dup2(inside, STDIN_FILENO) < 0 || dup2(inside, STDOUT_FILENO) < 0) abort();
    close(inside);
    if (pthread_create(&thread, NULL, type, &person) != 0) abort();
    cancel_clear();
    (bytes[0] % 4 == 0 ? view_chart : watch_run)();
    if (dup2(nowhere, STDIN_FILENO) < 0 || dup2(nowhere, STDOUT_FILENO) < 0)
        abort(); /* the terminal has no user more */
    pthread_join(thread, NULL);
    return 0;
}
