/* viewer -- a chart full-screen: cursor, zoom, pan, log axes, saving. One table defines all keys; the ? screen is
 * written from it. */
#include "tui/question.h"
#include "tui/terminal.h"
#include "weft/base/error.h"
#include "weft/base/task.h"
#include "weft/base/text.h"
#include "weft/tui.h"

#include <curses.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* curses' noutrefresh and friends work on stdscr; what the viewer itself knows is here. */
typedef struct Viewer {
    const Chart *chart;
    ChartView view;
    ChartColours colours;
    ChartPlot plot;          /* where the data were last drawn */
    char name[ANSWER_MOST];  /* what the next question for a file's name offers */
    int pressed[2];          /* the cell where the mouse's button went down; -1: it did not */
    bool scrolls;            /* bars: as many as fit are in view, until the user zooms */
    bool ascii, leave, quit; /* quit: leave, then raise SIGQUIT */
    bool gone;               /* the terminal was closed */
    Str message;             /* stands in the bottom line until the next key */
} Viewer;

typedef void Action(Viewer *viewer, int dx, int dy);

/* ---- drawing ----------------------------------------------------------------------------------------------------- */

static void set_message(Viewer *viewer, const char *text) {
    str_done(&viewer->message);
    str_add(&viewer->message, text);
}

/* The bottom line: a message, or what is under the cursor. A longer one covers the lowest lines of the chart, so that
 * the chart stays where it is. */
static void draw_bottom(const Viewer *viewer) {
    enum { HIGH = 12, SHARE = 4 };
    Str text = {0};
    if (viewer->message.length > 0)
        str_add(&text, str_text(&viewer->message));
    else
        chart_readout(viewer->chart, &viewer->view, &text);
    if (LINES > 1) bottom_lines(str_text(&text), LINES >= HIGH ? LINES / SHARE : 1, "? help  q quit");
    str_done(&text);
}

static bool make_grid(Viewer *viewer, ChartGrid *grid) {
    const unsigned height = LINES > 1 ? (unsigned)LINES - 1 : 1;
    Error err;
    if (chart_grid(viewer->chart, &viewer->view, (unsigned)COLS, height, viewer->ascii, viewer->colours, grid, &err)) {
        viewer->plot = grid->plot;
        return true;
    }
    set_message(viewer, err.text);
    return false;
}

static void draw_viewer(Viewer *viewer) {
    ChartGrid grid;
    erase();
    bool drawn = make_grid(viewer, &grid);
    if (drawn && chart_view_follow(viewer->chart, &viewer->view, &viewer->plot)) {
        chart_grid_done(&grid);
        drawn = make_grid(viewer, &grid);
    }
    if (drawn) {
        terminal_put_grid(0, 0, &grid);
        chart_grid_done(&grid);
    }
    draw_bottom(viewer);
    refresh();
}

/* Many bars: as many as fit are in view with their names. */
static void show_rows(Viewer *viewer) {
    ChartView all = chart_view(viewer->chart);
    viewer->scrolls = chart_view_rows(viewer->chart, &all, LINES > 1 ? (unsigned)LINES - 1 : 1);
    if (!viewer->scrolls) return;
    const double width = all.x1 - all.x0, first = chart_view(viewer->chart).x0;
    const double cursor = isnan(viewer->view.cursor) ? first + 0.5 : viewer->view.cursor;
    if (!(viewer->view.x0 >= first)) viewer->view.x0 = first;
    if (cursor + 0.5 > viewer->view.x0 + width) viewer->view.x0 = cursor + 0.5 - width;
    viewer->view.x1 = viewer->view.x0 + width;
}

static void resize(Viewer *viewer) {
    if (viewer->scrolls) show_rows(viewer);
}

/* Waits for a key; draws again where the window changes meanwhile (paint NULL: returns EVENT_RESIZE). EVENT_NONE: the
 * view ends. */
static int wait_key(Viewer *viewer, void (*paint)(Viewer *viewer)) {
    for (;;) {
        int event = terminal_event(EVENT_WAIT);
        if (event >= 0) return event;
        if (event == EVENT_RESIZE) resize(viewer);
        if (event == EVENT_RESIZE && !paint) return EVENT_RESIZE;
        if (event == EVENT_RESIZE) paint(viewer);
        if (event == EVENT_GONE) viewer->gone = viewer->leave = true;
        if (cancel_level() > 0) viewer->leave = true;
        if (viewer->leave) return EVENT_NONE;
    }
}

/* ---- asking in the bottom line ----------------------------------------------------------------------------------- */

static void paint(void *viewer) {
    draw_viewer(viewer);
}

static int wait_for_answer(void *viewer) {
    return wait_key(viewer, NULL);
}

static bool ask(Viewer *viewer, const char *question, char answer[ANSWER_MOST]) {
    const AskView asker = {viewer, paint, wait_for_answer};
    return ask_line(&asker, question, answer);
}

/* ---- actions ----------------------------------------------------------------------------------------------------- */

static void do_leave(Viewer *viewer, int dx, int dy) {
    (void)dy;
    viewer->leave = true;
    viewer->quit = dx != 0;
}

static void do_move(Viewer *viewer, int dx, int dy) {
    chart_cursor_move(viewer->chart, &viewer->view, dx, dy);
}

static void do_zoom(Viewer *viewer, int dx, int dy) {
    (void)dy;
    chart_zoom(viewer->chart, &viewer->view, dx > 0 ? 1.5 : 1 / 1.5);
    viewer->scrolls = false;
}

static void do_pan(Viewer *viewer, int dx, int dy) {
    chart_pan(viewer->chart, &viewer->view, dx * 0.25, dy * 0.25);
}

/* Everything in view; cursor, series and log axes stay. */
static void do_fit(Viewer *viewer, int dx, int dy) {
    (void)dx;
    (void)dy;
    ChartView all = chart_view(viewer->chart);
    viewer->scrolls = false;
    viewer->view.x0 = all.x0;
    viewer->view.x1 = all.x1;
    viewer->view.y0 = all.y0;
    viewer->view.y1 = all.y1;
}

static void do_series(Viewer *viewer, int dx, int dy) {
    (void)dy;
    int count = (int)chart_series_count(viewer->chart);
    if (count == 0) return;
    int next = viewer->view.series < 0 ? (dx > 0 ? 0 : count - 1) : (viewer->view.series + dx + count) % count;
    viewer->view.series = next;
    chart_cursor_move(viewer->chart, &viewer->view, 0, 0);
    Str text = {0};
    chart_readout(viewer->chart, &viewer->view, &text);
    if (text.length == 0) set_message(viewer, chart_series_name(viewer->chart, (size_t)next));
    str_done(&text);
}

/* linear, log y, log x and y, log x; bars have no numeric x. */
static void do_log(Viewer *viewer, int dx, int dy) {
    (void)dx;
    (void)dy;
    ChartView *view = &viewer->view;
    ChartKind kind = chart_encoding(viewer->chart)->kind;
    if (kind == CHART_KERNELS) {
        set_message(viewer, "kernels have no axis for a logarithm");
        return;
    }
    if (kind == CHART_BARS) {
        view->log_y = !view->log_y;
    } else if (view->log_x == view->log_y) {
        view->log_y = !view->log_y;
    } else {
        view->log_x = !view->log_x;
    }
    set_message(viewer, view->log_x && view->log_y ? "log x and y"
                        : view->log_x              ? "log x"
                        : view->log_y              ? "log y"
                                                   : "linear");
}

/* The chart's own number of levels, or one that suits most. */
static void do_contours(Viewer *viewer, int dx, int dy) {
    (void)dx;
    (void)dy;
    enum { USUAL = 8 };
    unsigned own = chart_encoding(viewer->chart)->contours;
    if (!chart_takes_contours(viewer->chart))
        set_message(viewer, "contours need a heat map with numbers on both axes");
    else
        viewer->view.contours = viewer->view.contours > 0 ? 0 : own > 0 ? own : USUAL;
}

static void do_save(Viewer *viewer, int dx, int dy) {
    (void)dx;
    (void)dy;
    char answer[ANSWER_MOST] = "", *name = viewer->name;
    Error err;
    if (!ask(viewer, "save as (.svg, .png, .pdf): ", name)) return;
    bool ok = chart_save(viewer->chart, &viewer->view, NULL, name, false, &err);
    if (!ok && err.status == STATUS_WRITE && access(name, F_OK) == 0) {
        if (!ask(viewer, "the file exists; overwrite it? (y/n): ", answer) || (*answer != 'y' && *answer != 'Y')) {
            set_message(viewer, "not saved");
            return;
        }
        ok = chart_save(viewer->chart, &viewer->view, NULL, name, true, &err);
    }
    Str text = {0};
    if (ok) str_add(&text, "saved ");
    str_add_escaped(&text, ok ? name : err.text, strlen(ok ? name : err.text));
    set_message(viewer, str_text(&text));
    str_done(&text);
}

static void do_redraw(Viewer *viewer, int dx, int dy) {
    (void)viewer;
    (void)dx;
    (void)dy;
    clearok(curscr, TRUE);
}

static void do_suspend(Viewer *viewer, int dx, int dy) {
    (void)viewer;
    (void)dx;
    (void)dy;
    terminal_suspend();
}

/* ---- mouse ------------------------------------------------------------------------------------------------------- */

static void release(Viewer *viewer, const Mouse *mouse) {
    const int from[2] = {viewer->pressed[0], viewer->pressed[1]}, to[2] = {mouse->x, mouse->y};
    const bool dragged = from[0] >= 0 && abs(from[0] - to[0]) > 1 && abs(from[1] - to[1]) > 0;
    viewer->pressed[0] = -1;
    if (!dragged || chart_zoom_to(viewer->chart, &viewer->view, &viewer->plot, from, to)) return;
    const ChartKind kind = chart_encoding(viewer->chart)->kind;
    if (kind == CHART_BARS || kind == CHART_KERNELS)
        set_message(viewer, "only charts with two number axes zoom to a rectangle; + and - zoom here");
}

/* The wheel zooms about what is under the pointer; over bars, which have names to read, it scrolls. */
static void wheel(Viewer *viewer, const Mouse *mouse) {
    enum { LINES_EACH = 3 };
    const bool in = mouse->kind == MOUSE_IN;
    if (viewer->plot.downwards) {
        if (in && viewer->view.x0 <= chart_view(viewer->chart).x0) return;
        const double rows = viewer->view.x1 - viewer->view.x0, last = chart_view(viewer->chart).x1;
        double shift = (in ? -LINES_EACH : LINES_EACH) / rows;
        if (viewer->view.x1 + shift * rows > last) shift = (last - viewer->view.x1) / rows;
        chart_pan(viewer->chart, &viewer->view, shift, 0);
    } else if (chart_cursor_at(viewer->chart, &viewer->view, &viewer->plot, mouse->x, mouse->y)) {
        do_zoom(viewer, in ? 1 : -1, 0);
    }
}

static void do_mouse(Viewer *viewer, int dx, int dy) {
    (void)dx;
    (void)dy;
    Mouse mouse;
    if (!terminal_mouse_event(&mouse)) return;
    switch (mouse.kind) {
    case MOUSE_PRESS:
        chart_cursor_at(viewer->chart, &viewer->view, &viewer->plot, mouse.x, mouse.y);
        viewer->pressed[0] = mouse.x;
        viewer->pressed[1] = mouse.y;
        break;
    case MOUSE_RELEASE:
        release(viewer, &mouse);
        break;
    case MOUSE_FIT:
        do_fit(viewer, 0, 0);
        break;
    case MOUSE_IN:
    case MOUSE_OUT:
        wheel(viewer, &mouse);
    }
}

static Action do_help;

/* ---- keys -------------------------------------------------------------------------------------------------------- */

enum { KEYS_EACH = 4, FAR = 1 << 28 };
#define SPECIAL(key) (KEY_SPECIAL + KEY_##key)
typedef struct Binding {
    int keys[KEYS_EACH]; /* 0: none */
    const char *names, *help;
    Action *action;
    int dx, dy;
} Binding;

static const Binding bindings[] = {
    {{'q', 27, SPECIAL(F(10)), CTRL_KEY('c')}, "q  Esc  F10  Ctrl-C", "quit the viewer", do_leave, 0, 0},
    {{'?', SPECIAL(F(1))}, "?  F1", "this help", do_help, 0, 0},
    {{'h', SPECIAL(LEFT)}, "h  left", "cursor to the previous point", do_move, -1, 0},
    {{'l', SPECIAL(RIGHT)}, "l  right", "cursor to the next point", do_move, 1, 0},
    {{'k', SPECIAL(UP)}, "k  up", "cursor up", do_move, 0, 1},
    {{'j', SPECIAL(DOWN)}, "j  down", "cursor down", do_move, 0, -1},
    {{SPECIAL(PPAGE)}, "Page Up", "cursor ten points back", do_move, -10, 0},
    {{SPECIAL(NPAGE)}, "Page Down", "cursor ten points forward", do_move, 10, 0},
    {{'g', SPECIAL(HOME)}, "g  Home", "cursor to the first point", do_move, -FAR, 0},
    {{'G', SPECIAL(END)}, "G  End", "cursor to the last point", do_move, FAR, 0},
    {{'\t'}, "Tab", "next series", do_series, 1, 0},
    {{SPECIAL(BTAB)}, "Shift-Tab", "previous series", do_series, -1, 0},
    {{'+', '='}, "+", "zoom in at the cursor", do_zoom, 1, 0},
    {{'-'}, "-", "zoom out", do_zoom, -1, 0},
    {{'_', '0'}, "_  0", "fit everything", do_fit, 0, 0},
    {{'<', ',', SPECIAL(SLEFT)}, "<  Shift-left", "pan left", do_pan, -1, 0},
    {{'>', '.', SPECIAL(SRIGHT)}, ">  Shift-right", "pan right", do_pan, 1, 0},
    {{SPECIAL(SR)}, "Shift-up", "pan up", do_pan, 0, 1},
    {{SPECIAL(SF)}, "Shift-down", "pan down", do_pan, 0, -1},
    {{'L'}, "L", "log axes: y, x and y, x, none", do_log, 0, 0},
    {{'c'}, "c", "contours of a heat map on or off", do_contours, 0, 0},
    {{'s'}, "s", "save as SVG, PNG or PDF", do_save, 0, 0},
    {{SPECIAL(MOUSE)}, "click, wheel", "cursor; zoom (bars: scroll)", do_mouse, 0, 0},
    {{0}, "drag, right click", "zoom to it (lines, maps); fit all", NULL, 0, 0},
    {{CTRL_KEY('l')}, "Ctrl-L", "redraw", do_redraw, 0, 0},
    {{CTRL_KEY('z')}, "Ctrl-Z", "suspend", do_suspend, 0, 0},
    {{CTRL_KEY('\\')}, "Ctrl-\\", "quit the program", do_leave, 1, 0},
};
enum { BINDINGS = sizeof bindings / sizeof *bindings };

static const Binding *find_binding(int key) {
    for (int i = 0; i < BINDINGS; i++) {
        for (int k = 0; k < KEYS_EACH; k++) {
            if (bindings[i].keys[k] == key && key != 0) return &bindings[i];
        }
    }
    return NULL;
}

static int draw_help(int first) {
    KeyHelp rows[BINDINGS];
    for (int i = 0; i < BINDINGS; i++) rows[i] = (KeyHelp){bindings[i].names, bindings[i].help};
    return keys_page(rows, BINDINGS, first, "any key: back to the chart");
}

static void begin_help(Viewer *viewer) {
    (void)viewer;
    draw_help(0);
}

static void do_help(Viewer *viewer, int dx, int dy) {
    (void)dx;
    (void)dy;
    for (int first = 0; first < BINDINGS && !viewer->leave;) {
        int next = draw_help(first);
        int key = wait_key(viewer, begin_help);
        if (key == 'q' || key == 27 || key == CTRL_KEY('c')) return;
        first = next;
    }
}

/* ---- view -------------------------------------------------------------------------------------------------------- */

static void run_viewer(Viewer *viewer) {
    while (!viewer->leave) {
        draw_viewer(viewer);
        int key = wait_key(viewer, draw_viewer);
        if (key == EVENT_NONE) continue;
        str_done(&viewer->message);
        const Binding *binding = find_binding(key);
        if (binding)
            binding->action(viewer, binding->dx, binding->dy);
        else
            set_message(viewer, "unknown key; ? lists the keys");
    }
}

bool tui_view_chart(const Chart *chart, const char *name, Error *err) {
    Viewer viewer = {.chart = chart, .view = chart_view(chart), .pressed = {-1, -1}};
    snprintf(viewer.name, sizeof viewer.name, "%.*s.svg", ANSWER_MOST - 8, name);
    if (!terminal_enter(err)) return false;
    terminal_mouse();
    show_rows(&viewer);
    viewer.colours = terminal_colours();
    viewer.ascii = tui_type_ascii();
    run_viewer(&viewer);
    terminal_leave();
    str_done(&viewer.message);
    if (viewer.quit) raise(SIGQUIT);
    if (viewer.gone) return error_set(err, STATUS_FAILED, "full screen: the terminal was closed");
    if (cancel_level() > 0) return error_set(err, STATUS_CANCELLED, "interrupted");
    return true;
}
