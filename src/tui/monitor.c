/* monitor -- a training run full-screen: its progress, its curves, keys to pause, save, stop and close.
 *
 * The computation calls monitor_update between its steps, so nothing here waits while it runs, and drawing is rationed.
 * The bottom line is written from the table of keys. */
#include "tui/terminal.h"
#include "weft/base/error.h"
#include "weft/base/memory.h"
#include "weft/base/run.h"
#include "weft/base/table.h"
#include "weft/base/task.h"
#include "weft/base/text.h"
#include "weft/tui.h"

#include <curses.h>
#include <math.h>
#include <signal.h>
#include <string.h>

struct Monitor {
    MonitorRun run;
    const Table *log; /* of the last update, as are the next two */
    const char *status;
    uint64_t step;
    ChartColours colours;
    bool ascii, linear, paused, helping;
    bool ended; /* the run: there is nothing to stop */
    enum { ASK_NOTHING, ASK_STOP, ASK_LEAVE } asking;
    bool stale; /* what is on the screen is no longer so */
    MonitorWish wish;
    double due; /* clock_seconds from which on it may draw again */
};

/* ---- keys -------------------------------------------------------------------------------------------------------- */

typedef void Action(Monitor *monitor);

static void do_pause(Monitor *monitor) {
    monitor->paused = !monitor->paused;
}

static void do_save(Monitor *monitor) {
    monitor->wish = MONITOR_SAVE;
}

static void do_ask(Monitor *monitor) {
    monitor->asking = ASK_STOP;
}

static void do_help(Monitor *monitor) {
    monitor->helping = true;
}

static void do_leave(Monitor *monitor) {
    monitor->wish = MONITOR_LEAVE;
    monitor->paused = false;
}

/* Somebody else's run goes on; of one that this process trains, the user says what becomes of it. */
static void do_quit(Monitor *monitor) {
    if (monitor->run.foreground)
        monitor->asking = ASK_LEAVE;
    else
        do_leave(monitor);
}

/* As Ctrl-C without the monitor: the computation notices cancel_level. */
static void do_interrupt(Monitor *monitor) {
    if (monitor->run.foreground)
        raise(SIGINT);
    else
        do_leave(monitor);
}

static void do_log(Monitor *monitor) {
    monitor->linear = !monitor->linear;
}

static void do_redraw(Monitor *monitor) {
    (void)monitor;
    clearok(curscr, TRUE);
}

static void do_suspend(Monitor *monitor) {
    (void)monitor;
    terminal_suspend();
}

typedef struct Binding {
    int keys[4];       /* 0: none */
    const char *help;  /* in the bottom line; NULL: not there */
    const char *names; /* of the keys, on the ? screen */
    const char *words; /* what they do */
    Action *action;
    bool foreground; /* only where this process trains */
} Binding;

static const Binding bindings[] = {
    {{'?', KEY_SPECIAL + KEY_F(1)}, "? keys", "?  F1", "this help", do_help, false},
    {{'p', ' '}, "p pause", "p  Space", "pause and continue", do_pause, true},
    {{'s'}, "s save", "s", "save a checkpoint now", do_save, true},
    {{'x'}, "x stop", "x", "stop the run, after a question", do_ask, false},
    {{'q', 27, KEY_SPECIAL + KEY_F(10)}, "q quit", "q  Esc  F10", NULL, do_quit, false},
    {{'L'}, "L log", "L", "logarithmic or linear axis of the loss", do_log, false},
    {{CTRL_KEY('c')}, NULL, "Ctrl-C", NULL, do_interrupt, false},
    {{CTRL_KEY('l')}, NULL, "Ctrl-L", "redraw", do_redraw, false},
    {{CTRL_KEY('z')}, NULL, "Ctrl-Z", "suspend", do_suspend, false},
};
enum { BINDINGS = sizeof bindings / sizeof *bindings, KEYS_EACH = sizeof bindings->keys / sizeof *bindings->keys };

static bool bound(const Binding *binding, int key) {
    for (int k = 0; k < KEYS_EACH; k++) {
        if (binding->keys[k] == key) return true;
    }
    return false;
}

/* Whether a key means anything for this run as it stands. */
static bool offered(const Monitor *monitor, const Binding *binding) {
    if (binding->action == do_ask && monitor->ended) return false;
    return monitor->run.foreground || !binding->foreground;
}

/* What the keys with another meaning in the foreground do. */
static const char *words_of(const Monitor *monitor, const Binding *binding) {
    if (binding->words) return binding->words;
    if (monitor->ended) return "quit the monitor";
    if (binding->action == do_quit)
        return monitor->run.foreground ? "quit: detach, stop or go on, after a question"
                                       : "quit the monitor; the run goes on";
    return monitor->run.foreground ? "interrupt the run" : "quit the monitor; the run goes on";
}

static void wish_for(Monitor *monitor, MonitorWish wish) {
    monitor->wish = wish;
    monitor->paused = false;
}

/* Any other key than those offered is no answer: all stays as it was. */
static void answer_question(Monitor *monitor, int key) {
    const bool stop = monitor->asking == ASK_STOP;
    monitor->asking = ASK_NOTHING;
    if (stop ? key == 'y' || key == 'Y' : key == 's' || key == 'x')
        wish_for(monitor, MONITOR_STOP);
    else if (!stop && key == 'd' && monitor->run.detachable)
        wish_for(monitor, MONITOR_DETACH);
    else if (!stop && key == 'c')
        wish_for(monitor, MONITOR_LEAVE);
}

static void answer_key(Monitor *monitor, int key) {
    if (monitor->asking) {
        answer_question(monitor, key);
        return;
    }
    if (monitor->helping) {
        monitor->helping = false;
        return;
    }
    for (int i = 0; i < BINDINGS; i++) {
        if (key > 0 && offered(monitor, &bindings[i]) && bound(&bindings[i], key)) bindings[i].action(monitor);
    }
}

/* Answers one event; false where there was none for so long. */
static bool answer_event(Monitor *monitor, int milliseconds) {
    int event = terminal_event(milliseconds);
    if (event == EVENT_NONE) return false;
    monitor->stale = true;
    if (event == EVENT_GONE) do_leave(monitor);
    if (event >= 0) answer_key(monitor, event);
    return true;
}

/* ---- numbers ----------------------------------------------------------------------------------------------------- */

static double latest(const Table *log, const char *column) {
    return log ? table_latest(log, column) : NAN;
}

/* "label value unit" with so many digits, set off from what stands before it; nothing for NaN, or where it does not fit
 * into the line. */
static void add_value(Str *out, const char *label, int digits, double value, const char *unit) {
    size_t before = out->length;
    if (isnan(value)) return;
    str_addf(out, "%s%s%.*g%s", before > 0 ? "   " : "", label, digits, value, unit);
    if (before == 0 || out->failed || (int)text_columns(out->text) <= COLS) return;
    out->length = before;
    out->text[before] = '\0';
}

/* ---- lines ------------------------------------------------------------------------------------------------------- */

static void draw_title(const Monitor *monitor, int y) {
    Str title = {0}, status = {0};
    const char *words = monitor->status ? monitor->status : "";
    str_add_escaped(&title, monitor->run.title, strlen(monitor->run.title));
    if (monitor->paused) str_add(&status, *words ? "paused; " : "paused");
    str_add_escaped(&status, words, strlen(words));
    int used = terminal_put_text(y, 0, str_text(&title), COLS);
    int room = COLS - used - 2, width = (int)text_columns(str_text(&status));
    if (width > 0 && room > 0) terminal_put_text(y, COLS - (width < room ? width : room), str_text(&status), room);
    mvchgat(y, 0, used, A_BOLD, 0, NULL);
    str_done(&title);
    str_done(&status);
}

/* "step 250 of 1000   25.0 %   left 6:15   elapsed 2:05", without what does not fit: first without the elapsed time,
 * then without the number of steps, then without the step. */
static void progress_text(const Monitor *monitor, int room, Str *out) {
    const double done = (double)monitor->step, steps = (double)monitor->run.steps;
    const double seconds = latest(monitor->log, "seconds"), left = (steps - done) * run_step_seconds(monitor->log);
    for (int without = 0; without < 4; without++) {
        str_done(out);
        if (without < 3) str_addf(out, "step %llu", (unsigned long long)monitor->step);
        if (without < 2 && steps > 0) str_addf(out, " of %.0f", steps);
        if (steps > 0) str_addf(out, "%s%.1f %%", without < 3 ? "   " : "", 100 * fmin(done / steps, 1));
        if (left >= 0 && steps > 0) str_add(out, "   left ");
        if (steps > 0) str_add_duration(out, left);
        if (without < 1 && !isnan(seconds)) str_add(out, "   elapsed ");
        if (without < 1) str_add_duration(out, seconds);
        if ((int)text_columns(str_text(out)) <= room) return;
    }
}

/* The step, the time; the part that is done in reverse, as a bar. */
static void draw_progress(const Monitor *monitor, int y) {
    Str text = {0};
    const double done = (double)monitor->step, steps = (double)monitor->run.steps;
    progress_text(monitor, COLS, &text);
    terminal_put_text(y, 0, str_text(&text), COLS);
    if (steps > 0) mvchgat(y, 0, (int)(COLS * fmin(done / steps, 1)), A_REVERSE, 0, NULL);
    str_done(&text);
}

static void draw_values(const Monitor *monitor, int y) {
    Str text = {0};
    double rate = latest(monitor->log, "rate");
    Str unit = {0};
    str_addf(&unit, " %s/s", monitor->run.rate_of ? monitor->run.rate_of : "steps");
    add_value(&text, "loss ", 5, latest(monitor->log, "loss"), "");
    add_value(&text, "learning rate ", 4, latest(monitor->log, "learning_rate"), "");
    add_value(&text, "", rate < 100 ? 3 : 15, rate < 100 ? rate : round(rate), str_text(&unit));
    add_value(&text, "accuracy ", 4, latest(monitor->log, "accuracy"), " %");
    add_value(&text, "gradient ", 3, latest(monitor->log, "gradient_norm"), "");
    terminal_put_text(y, 0, text.length > 0 ? text.text : "nothing logged yet", COLS);
    str_done(&text);
    str_done(&unit);
}

static void draw_bottom(const Monitor *monitor, int y) {
    Str text = {0};
    if (monitor->asking == ASK_STOP) {
        str_add(&text, "stop the run? (y, n) ");
    } else if (monitor->asking == ASK_LEAVE) {
        enum { WIDE = 72 };
        str_add(&text, monitor->run.detachable ? "d detach" : "");
        str_add(&text, monitor->run.detachable && COLS >= WIDE ? " (to the background)" : "");
        str_add(&text, monitor->run.detachable ? "   " : "");
        str_add(&text, "s stop   c close, go on here   Esc back");
    } else if (monitor->helping) {
        str_add(&text, "any key: back to the charts");
    } else {
        for (int i = 0; i < BINDINGS; i++) {
            if (!bindings[i].help || !offered(monitor, &bindings[i])) continue;
            const char *help = monitor->paused && bindings[i].action == do_pause ? "p continue" : bindings[i].help;
            str_addf(&text, "%s%s", text.length > 0 ? "   " : "", help);
        }
    }
    terminal_put_text(y, 0, str_text(&text), COLS);
    mvchgat(y, 0, -1, A_REVERSE, 0, NULL);
    str_done(&text);
}

/* ---- charts ------------------------------------------------------------------------------------------------------ */

enum { PANELS = 4, SERIES = 4 };
typedef struct Panel {
    const char *columns[SERIES]; /* of the log; NULL: no more */
    bool log;                    /* a log axis is offered */
} Panel;

static const Panel panels[PANELS] = {
    {{"loss", "recon", "kd", "fmd"}, true},
    {{"accuracy"}, false},
    {{"learning_rate"}, false},
    {{"rate"}, false},
};

/* The panel's columns that have values, and of the log the rows that do: NULL where there is none. */
static Table *panel_table(const Monitor *monitor, const Panel *panel, Encoding *encoding, Error *err) {
    const Table *log = monitor->log;
    const Column *chosen[SERIES];
    size_t count = 0;
    for (int i = 0; log && i < SERIES && panel->columns[i]; i++) {
        const Column *column = table_find(log, panel->columns[i]);
        bool again = i > 0 && table_same_column(log, panel->columns[0], panel->columns[i]); /* one curve is enough */
        if (column && !again && !isnan(latest(log, panel->columns[i]))) chosen[count++] = column;
    }
    Table *table = count > 0 ? table_new(err) : NULL;
    if (!table) return NULL;
    table_column(table, "step", "", COLUMN_REAL);
    for (size_t i = 0; i < count; i++) {
        bool rate = strcmp(chosen[i]->name, "rate") == 0 && monitor->run.rate_of;
        const char *name = rate ? monitor->run.rate_of : chosen[i]->name;
        table_column(table, name, chosen[i]->unit, COLUMN_REAL);
        snprintf(encoding->y[i], CHART_NAME_MAX, "%s", name);
    }
    for (size_t row = 0; row < log->rows; row++) {
        bool any = false;
        for (size_t i = 0; i < count; i++) any = any || !isnan(table_number(log, chosen[i]->name, row));
        if (!any) continue;
        table_real(table, table_number(log, "step", row));
        for (size_t i = 0; i < count; i++) table_real(table, table_number(log, chosen[i]->name, row));
    }
    return table_finish(table, err);
}

/* NULL where the log has nothing for it. */
static Chart *panel_chart(const Monitor *monitor, const Panel *panel) {
    Error ignored;
    Encoding encoding = encoding_new(CHART_LINES);
    strcpy(encoding.x, "step");
    encoding.log_y = panel->log && !monitor->linear;
    Table *table = panel_table(monitor, panel, &encoding, &ignored);
    Chart *chart = table ? chart_new(table, &encoding, &ignored) : NULL;
    table_free(table);
    return chart;
}

static void draw_chart(const Monitor *monitor, const Chart *chart, int y, int x, int height, int width) {
    Error ignored;
    ChartGrid grid;
    ChartView view = chart_view(chart);
    if (height < 1 || width < 1) return;
    if (!chart_grid(chart, &view, (unsigned)width, (unsigned)height, monitor->ascii, monitor->colours, &grid, &ignored))
        return;
    terminal_put_grid(y, x, &grid);
    chart_grid_done(&grid);
}

/* The first chart large; the others to its right where the window is wide, else below, as many as there is room for. */
static void draw_charts(const Monitor *monitor, int y, int height) {
    enum { WIDE = 110, LEAST_WIDTH = 26, LEAST_HEIGHT = 7 };
    Chart *charts[PANELS];
    int count = 0, gap = 1;
    for (int i = 0; i < PANELS; i++) {
        charts[count] = panel_chart(monitor, &panels[i]);
        if (charts[count]) count++;
    }
    bool beside = COLS >= WIDE;
    int room = beside ? height / LEAST_HEIGHT : height >= 2 * LEAST_HEIGHT ? COLS / LEAST_WIDTH : 0;
    int others = count - 1 < room ? count - 1 : room;
    int side = beside ? COLS * 2 / 5 : height * 2 / 5;
    if (others <= 0) side = gap = 0;
    if (count > 0)
        draw_chart(monitor, charts[0], y, 0, beside ? height : height - side, beside ? COLS - side - gap : COLS);
    for (int i = 0; i < others; i++) {
        int from = (beside ? height : COLS) * i / others, to = (beside ? height : COLS) * (i + 1) / others;
        if (beside)
            draw_chart(monitor, charts[i + 1], y + from, COLS - side, to - from, side);
        else
            draw_chart(monitor, charts[i + 1], y + height - side, from, side, to - from - (i + 1 < others ? gap : 0));
    }
    for (int i = 0; i < count; i++) chart_free(charts[i]);
}

/* ---- help -------------------------------------------------------------------------------------------------------- */

static void draw_help(const Monitor *monitor, int y, int height) {
    enum { NAMES = 14 };
    for (int i = 0, row = 0; i < BINDINGS && row < height; i++) {
        const Binding *binding = &bindings[i];
        if (!offered(monitor, binding)) continue;
        terminal_put_text(y + row, 0, binding->names, COLS);
        if (COLS > NAMES) terminal_put_text(y + row, NAMES, words_of(monitor, binding), COLS - NAMES);
        row++;
    }
}

/* ---- view -------------------------------------------------------------------------------------------------------- */

/* The lines that matter most first; charts get what is left. */
static void draw_monitor(Monitor *monitor) {
    enum { CHARTS_LEAST = 3 };
    double started = clock_seconds();
    int y = 0, bottom = LINES > 1 ? 1 : 0;
    erase();
    if (LINES > 2) draw_title(monitor, y++);
    draw_progress(monitor, y++);
    if (LINES > 3) draw_values(monitor, y++);
    if (monitor->helping)
        draw_help(monitor, y, LINES - y - bottom);
    else if (LINES - y - bottom >= CHARTS_LEAST)
        draw_charts(monitor, y, LINES - y - bottom);
    if (bottom || monitor->asking) draw_bottom(monitor, LINES - 1);
    refresh();
    double now = clock_seconds();
    monitor->stale = false;
    monitor->due = now + fmax(0.1, 9 * (now - started)); /* a tenth of the time at most */
}

/* Each wish is told once. */
static MonitorWish take_wish(Monitor *monitor) {
    MonitorWish wish = monitor->wish;
    monitor->wish = MONITOR_GO_ON;
    return wish;
}

static bool idle(const Monitor *monitor) {
    return monitor->wish == MONITOR_GO_ON && cancel_level() == 0;
}

MonitorWish monitor_update(Monitor *monitor, const Table *log, uint64_t step, const char *status) {
    monitor->log = log;
    monitor->step = step;
    monitor->status = status;
    while (idle(monitor) && answer_event(monitor, 0)) {
    }
    if (monitor->stale || monitor->paused || clock_seconds() >= monitor->due) draw_monitor(monitor);
    while (monitor->paused && idle(monitor)) {
        answer_event(monitor, EVENT_WAIT);
        if (monitor->stale) draw_monitor(monitor);
    }
    return take_wish(monitor);
}

void monitor_ended(Monitor *monitor, bool ended) {
    if (ended && monitor->asking == ASK_STOP) monitor->asking = ASK_NOTHING;
    monitor->stale = monitor->stale || ended != monitor->ended;
    monitor->ended = ended;
}

MonitorWish monitor_wait(Monitor *monitor, unsigned milliseconds) {
    double end = clock_seconds() + milliseconds / 1e3;
    for (double left; idle(monitor) && (left = end - clock_seconds()) > 0;) {
        answer_event(monitor, left * 1e3 < EVENT_WAIT ? (int)ceil(left * 1e3) : EVENT_WAIT);
        if (monitor->stale) draw_monitor(monitor);
    }
    return take_wish(monitor);
}

Monitor *monitor_open(const MonitorRun *run, Error *err) {
    Monitor *monitor = mem_alloc(1, sizeof *monitor, err);
    if (!monitor) return NULL;
    monitor->run = *run;
    if (!terminal_enter(err)) {
        mem_free(monitor);
        return NULL;
    }
    monitor->colours = terminal_colours();
    monitor->ascii = tui_type_ascii();
    return monitor;
}

void monitor_close(Monitor *monitor) {
    if (!monitor) return;
    terminal_leave();
    mem_free(monitor);
}
