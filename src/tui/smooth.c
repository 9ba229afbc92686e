/* smooth -- the live view of smoothing: keys move a filter's setting, everything that follows from it is drawn.
 *
 * The Smoother's thread computes; this one waits for keys and for what was found, and draws. One table defines all
 * keys; the ? screen is written from it. */
#include "tui/question.h"
#include "tui/terminal.h"
#include "weft/base/error.h"
#include "weft/base/task.h"
#include "weft/base/text.h"
#include "weft/tui.h"

#include <curses.h>
#include <signal.h>
#include <string.h>

typedef struct View {
    const SmoothView *given;
    Smoothing *now, start;
    Smoother *smoother;
    SmoothingFindings found;
    ChartColours colours;
    bool ascii, leave, quit, gone; /* quit: leave, then raise SIGQUIT; gone: the terminal was closed */
    bool kept;                     /* the setting, under the name `into` */
    Str into, message;             /* message: stands in the bottom line until the next key */
} View;

typedef void Action(View *view, int amount);

static void set_message(View *view, const char *text) {
    str_done(&view->message);
    str_add(&view->message, text);
}

/* ---- drawing ----------------------------------------------------------------------------------------------------- */

static void draw_part(View *view, SmoothPart part, int y, int x, int height, int width) {
    Error err;
    ChartView shown;
    ChartGrid grid;
    Chart *chart = smooth_chart(view->given, view->now, &view->found, part, &shown, &err);
    if (chart && height > 0 && width > 0 &&
        chart_grid(chart, &shown, (unsigned)width, (unsigned)height, view->ascii, view->colours, &grid, &err)) {
        terminal_put_grid(y, x, &grid);
        chart_grid_done(&grid);
    }
    chart_free(chart);
}

/* As many charts as have room, in two columns where the window is wide enough. */
static void draw_parts(View *view, int y, int height) {
    enum { LEAST_WIDTH = 28, LEAST_HEIGHT = 8, GAP = 2 };
    const int all = view->given->data ? SMOOTH_PART_COUNT : SMOOTH_PART_COUNT - 1;
    int rows = height / LEAST_HEIGHT > 2 ? 2 : height / LEAST_HEIGHT;
    if (rows < 1) rows = height > 2 ? 1 : 0;
    int columns = COLS >= 2 * LEAST_WIDTH + GAP ? 2 : 1;
    if (rows == 1 && COLS >= SMOOTH_PART_COUNT * (LEAST_WIDTH + GAP)) columns = all;
    const int count = rows * columns < all ? rows * columns : all;
    for (int part = 0, place = 0; part < SMOOTH_PART_COUNT && place < count; part++) {
        if (part == SMOOTH_ACCURACY && !view->given->data) continue;
        const int row = place / columns, column = place % columns;
        const int in_row = count - row * columns < columns ? count - row * columns : columns;
        const int left = (COLS + GAP) * column / in_row, right = (COLS + GAP) * (column + 1) / in_row - GAP;
        const int first = height / rows;
        const int top = row == 0 ? 0 : first, bottom = row + 1 == rows ? height : first;
        draw_part(view, (SmoothPart)part, y + top, left, bottom - top, right - left);
        place++;
    }
}

/* Network and layer, and the most needed keys. */
static void draw_title(const View *view) {
    static const char *const hint = "? keys  q quit";
    const Network *network = view->given->network;
    Str text = {0};
    str_add_escaped(&text, view->given->name, strlen(view->given->name));
    str_add(&text, "  ");
    str_add_escaped(&text, network->layers[view->now->layer].name, strlen(network->layers[view->now->layer].name));
    const int used = terminal_put_text(0, 0, str_text(&text), COLS);
    mvchgat(0, 0, used, A_BOLD, 0, NULL);
    if (used + 2 + (int)strlen(hint) <= COLS) terminal_put_text(0, COLS - (int)strlen(hint), hint, COLS);
    str_done(&text);
}

/* The lines of numbers, at most `most` of them; how many. */
static int draw_numbers(View *view, int y, int most) {
    Str text = {0};
    int lines = 0;
    smooth_numbers(view->given, view->now, &view->found, smoother_busy(view->smoother), (size_t)COLS, &text);
    for (const char *line = str_text(&text); *line && lines < most; lines++) {
        const size_t length = strcspn(line, "\n");
        Str one = {0};
        str_add_escaped(&one, line, length);
        terminal_put_text(y + lines, 0, str_text(&one), COLS);
        str_done(&one);
        line += length + (line[length] == '\n');
    }
    str_done(&text);
    return lines;
}

/* The bottom: a message, or the command line that does the same, in two lines where one is too short. Its height. */
static int draw_bottom(const View *view) {
    Str line = {0}, text = {0};
    view->given->line(view->given->context, view->now, str_text(&view->into), &line);
    if (view->message.length > 0)
        str_add(&text, str_text(&view->message));
    else
        str_add_escaped(&text, str_text(&line), line.length);
    const int rows = bottom_lines(str_text(&text), LINES >= 12 ? 2 : 1, "");
    str_done(&line);
    str_done(&text);
    return rows;
}

/* The lines that matter most first; charts get what is left. */
static void draw_view(View *view) {
    erase();
    const int bottom = LINES > 1 ? draw_bottom(view) : 0, title = LINES > 2 ? 1 : 0;
    const int most = LINES < 16 ? 2 : 5, free = LINES - title - bottom;
    if (title) draw_title(view);
    const int numbers = draw_numbers(view, title, most < free ? most : free);
    draw_parts(view, title + numbers, free - numbers);
    refresh();
}

/* ---- waiting ----------------------------------------------------------------------------------------------------- */

/* Leaves where the terminal or the process says so. */
static void heed(View *view, int event) {
    if (event == EVENT_GONE) view->gone = view->leave = true;
    if (cancel_level() > 0) view->leave = true;
}

/* Takes what was found; a failure becomes the message. False: nothing was found. */
static bool take(View *view, double seconds) {
    const bool found = smoother_take(view->smoother, seconds, &view->found);
    if (view->found.failure.status == STATUS_OK) return found;
    set_message(view, view->found.failure.text);
    view->found.failure.status = STATUS_OK;
    return true;
}

/* A key; draws meanwhile what is found, and where the window changes. EVENT_NONE: the view ends. */
static int wait_key(View *view) {
    enum { SOON = 10 /* ms: while something is being computed */ };
    while (!view->leave) {
        const bool busy = smoother_busy(view->smoother);
        const int event = terminal_event(busy ? SOON : EVENT_WAIT);
        if (event >= 0) return event;
        heed(view, event);
        const bool found = take(view, 0);
        if (found || event == EVENT_RESIZE || busy != smoother_busy(view->smoother)) draw_view(view);
    }
    return EVENT_NONE;
}

/* The same without drawing: a question or the page of keys stands on the screen. */
static int wait_answer(void *context) {
    View *view = context;
    while (!view->leave) {
        const int event = terminal_event(EVENT_WAIT);
        if (event >= 0 || event == EVENT_RESIZE) return event;
        heed(view, event);
    }
    return EVENT_NONE;
}

static void paint(void *view) {
    draw_view(view);
}

static bool ask(View *view, const char *question, char answer[ANSWER_MOST]) {
    const AskView asker = {view, paint, wait_answer};
    return ask_line(&asker, question, answer);
}

static bool ask_yes(View *view, const char *question) {
    char answer[ANSWER_MOST] = "";
    return ask(view, question, answer) && (*answer == 'y' || *answer == 'Y');
}

/* ---- settings ---------------------------------------------------------------------------------------------------- */

/* The view follows another setting, if the network takes it. */
static void change(View *view, const Smoothing *to) {
    Error err;
    if (!smoothing_check(view->given->network, to, &err)) {
        set_message(view, err.text);
        return;
    }
    if (to->layer == view->now->layer && smoothing_equal(to, view->now)) return;
    if (view->kept) { /* the next one has a name of its own */
        str_done(&view->into);
        view->given->propose(view->given->context, &view->into);
        view->kept = false;
    }
    *view->now = *to;
    smoother_ask(view->smoother, to);
}

static void do_move(View *view, int amount) {
    Smoothing to = *view->now;
    smoothing_move(&to, amount);
    change(view, &to);
}

static void do_limit(View *view, int amount) {
    Smoothing to = *view->now;
    to.cutoff = to.filter != SMOOTHING_LOWPASS ? to.cutoff
                : amount < 0                   ? SMOOTHING_CUTOFF_LEAST
                                               : SMOOTHING_CUTOFF_MOST;
    to.factor = to.filter != SMOOTHING_SVSCALE ? to.factor : amount < 0 ? 0 : SMOOTHING_FACTOR_MOST;
    change(view, &to);
}

static void do_filter(View *view, int amount) {
    Smoothing to = *view->now;
    to.filter = (SmoothingFilter)(((int)to.filter + amount) % SMOOTHING_FILTER_COUNT);
    change(view, &to);
}

static void do_scope(View *view, int amount) {
    (void)amount;
    Smoothing to = *view->now;
    to.scope = smoothing_next_scope(view->given->network, view->now);
    if (to.scope == view->now->scope) set_message(view, "the layer is all that there is to filter");
    change(view, &to);
}

static void do_mode(View *view, int amount) {
    enum { MODES = LOWPASS_RAW + 1 };
    Smoothing to = *view->now;
    if (to.filter != SMOOTHING_LOWPASS) {
        set_message(view, "modes: of the low-pass filter only (Tab)");
        return;
    }
    to.mode = (LowpassMode)(((int)to.mode + amount) % MODES);
    change(view, &to);
}

static void do_last(View *view, int amount) {
    Smoothing to = *view->now;
    size_t rows, columns;
    layer_matrix(view->given->network, &view->given->network->layers[to.layer], &rows, &columns);
    const unsigned most = (unsigned)(rows < columns ? rows : columns);
    if (to.filter != SMOOTHING_SVSCALE) {
        set_message(view, "+ and -: of singular values only (Tab)");
        return;
    }
    if (amount > 0 && to.last < most) to.last++;
    if (amount < 0 && to.last > 1) to.last = to.last > most ? most : to.last - 1;
    change(view, &to);
}

/* The next layer that the filter takes; the scope becomes the layer where the new one is in no such part. */
static void do_layer(View *view, int amount) {
    const size_t count = view->given->network->layer_count;
    Smoothing to = *view->now;
    Error ignored;
    for (size_t i = 1; i < count; i++) {
        to.layer = (to.layer + (amount > 0 ? 1 : count - 1)) % count;
        to.scope = view->now->scope;
        if (!smoothing_check(view->given->network, &to, &ignored)) to.scope = SMOOTHING_LAYER;
        if (smoothing_check(view->given->network, &to, &ignored)) break;
    }
    change(view, &to);
}

static void do_reset(View *view, int amount) {
    (void)amount;
    change(view, &view->start);
}

/* ---- keeping ----------------------------------------------------------------------------------------------------- */

static void do_keep(View *view, int amount) {
    (void)amount;
    char answer[ANSWER_MOST];
    Error err;
    Str text = {0};
    snprintf(answer, sizeof answer, "%s", str_text(&view->into));
    if (!ask(view, "keep the network as: ", answer)) return;
    const bool taken = view->given->taken(view->given->context, answer);
    if (taken && !ask_yes(view, "the name is taken; replace it? (y/n): ")) {
        set_message(view, "not kept");
        return;
    }
    const bool ok = view->given->keep(view->given->context, view->now, answer, &err);
    if (ok) {
        str_done(&view->into);
        str_add(&view->into, answer);
        view->kept = true;
        str_addf(&text, "kept as %s", answer);
    }
    if (!view->leave) set_message(view, ok ? str_text(&text) : err.text);
    str_done(&text);
}

static void do_save(View *view, int amount) {
    (void)amount;
    static char name[ANSWER_MOST] = "smooth.svg"; /* the next question offers what was given last */
    Error err;
    Str text = {0};
    if (!ask(view, "save all as (svg png pdf csv tsv json md): ", name)) return;
    while (smoother_busy(view->smoother) && !view->leave) { /* what is saved belongs together */
        heed(view, EVENT_NONE);
        take(view, 0.01);
    }
    take(view, 0);
    const bool exist = smooth_files_exist(name);
    if (exist && !ask_yes(view, "files exist; overwrite them? (y/n): "))
        set_message(view, "not saved");
    else if (smooth_save(view->given, view->now, &view->found, name, exist, &text, &err))
        set_message(view, "saved "), str_add_escaped(&view->message, str_text(&text), text.length);
    else
        set_message(view, err.text);
    str_done(&text);
}

/* ---- keys -------------------------------------------------------------------------------------------------------- */

static void do_leave(View *view, int amount) {
    view->leave = true;
    view->quit = amount != 0;
}

static void do_redraw(View *view, int amount) {
    (void)view;
    (void)amount;
    clearok(curscr, TRUE);
}

static void do_suspend(View *view, int amount) {
    (void)view;
    (void)amount;
    terminal_suspend();
}

static Action do_help;

enum { KEYS_EACH = 4 };
#define SPECIAL(key) (KEY_SPECIAL + KEY_##key)
typedef struct Binding {
    int keys[KEYS_EACH]; /* 0: none */
    KeyHelp help;
    Action *action;
    int amount;
} Binding;

static const Binding bindings[] = {
    {{SPECIAL(RIGHT), SPECIAL(UP), 'l', 'k'}, {"right  up", "a higher cutoff (or factor)"}, do_move, 1},
    {{SPECIAL(LEFT), SPECIAL(DOWN), 'h', 'j'}, {"left  down", "a lower one: smoother"}, do_move, -1},
    {{SPECIAL(PPAGE)}, {"Page Up", "five steps higher"}, do_move, SMOOTHING_COARSE},
    {{SPECIAL(NPAGE)}, {"Page Down", "five steps lower"}, do_move, -SMOOTHING_COARSE},
    {{SPECIAL(HOME), 'g'}, {"Home", "the lowest"}, do_limit, -1},
    {{SPECIAL(END), 'G'}, {"End", "the highest"}, do_limit, 1},
    {{'\t'}, {"Tab", "filter: low-pass, singular values"}, do_filter, 1},
    {{'m'}, {"m", "mode of low-pass: 1d, 2d, raw"}, do_mode, 1},
    {{'+', '='}, {"+", "scale one singular value more"}, do_last, 1},
    {{'-'}, {"-", "one less"}, do_last, -1},
    {{' ', 'o'}, {"Space  o", "scope: layer, block, stage, all"}, do_scope, 1},
    {{'n', ']'}, {"n", "show the next layer"}, do_layer, 1},
    {{'p', '['}, {"p", "show the previous layer"}, do_layer, -1},
    {{'r'}, {"r", "back to the first setting"}, do_reset, 0},
    {{'\r', '\n', SPECIAL(ENTER)}, {"Enter", "keep the network under a name"}, do_keep, 0},
    {{'s'}, {"s", "save the charts or their rows"}, do_save, 0},
    {{'q', 27, SPECIAL(F(10)), CTRL_KEY('c')}, {"q  Esc  F10  Ctrl-C", "quit the view"}, do_leave, 0},
    {{'?', SPECIAL(F(1))}, {"?  F1", "this help"}, do_help, 0},
    {{CTRL_KEY('l')}, {"Ctrl-L", "redraw"}, do_redraw, 0},
    {{CTRL_KEY('z')}, {"Ctrl-Z", "suspend"}, do_suspend, 0},
    {{CTRL_KEY('\\')}, {"Ctrl-\\", "quit the program"}, do_leave, 1},
};
enum { BINDINGS = sizeof bindings / sizeof *bindings };

static void do_help(View *view, int amount) {
    (void)amount;
    KeyHelp rows[BINDINGS];
    for (int i = 0; i < BINDINGS; i++) rows[i] = bindings[i].help;
    for (int first = 0; first < BINDINGS && !view->leave;) {
        const int next = keys_page(rows, BINDINGS, first, "any key: back to the view");
        const int key = wait_answer(view);
        if (key == 'q' || key == 27 || key == CTRL_KEY('c')) return;
        if (key != EVENT_RESIZE) first = next;
    }
}

static void act(View *view, int key) {
    str_done(&view->message);
    for (int i = 0; i < BINDINGS; i++)
        for (int k = 0; k < KEYS_EACH; k++)
            if (bindings[i].keys[k] == key && key != 0) {
                bindings[i].action(view, bindings[i].amount);
                return;
            }
    set_message(view, "unknown key; ? lists the keys");
}

/* ---- view -------------------------------------------------------------------------------------------------------- */

/* Keys that are typed already are all answered before anything is drawn. The layer of most networks is there within
 * this time after a key, and is drawn with the first picture. */
#define LAYER_WAIT 0.03
static void run_view(View *view) {
    smoother_ask(view->smoother, view->now);
    while (!view->leave) {
        take(view, LAYER_WAIT);
        draw_view(view);
        int key = wait_key(view);
        for (; key >= 0 && !view->leave; key = terminal_event(0)) act(view, key);
        if (key == EVENT_RESIZE) draw_view(view);
        if (!view->leave) heed(view, key);
    }
}

static void close_view(View *view) {
    smoother_free(view->smoother);
    smoothing_findings_done(&view->found);
    str_done(&view->into);
    str_done(&view->message);
}

bool tui_smooth(const SmoothView *given, Smoothing *smoothing, Error *err) {
    View view = {.given = given, .now = smoothing, .start = *smoothing};
    if (!smoothing_check(given->network, smoothing, err)) return false;
    if (!(view.smoother = smoother_new(given->network, given->data, err))) return false;
    if (!terminal_enter(err)) {
        close_view(&view);
        return false;
    }
    given->propose(given->context, &view.into);
    view.colours = terminal_colours();
    view.ascii = tui_type_ascii();
    run_view(&view);
    terminal_leave();
    close_view(&view);
    if (view.quit) raise(SIGQUIT);
    if (view.gone) return error_set(err, STATUS_FAILED, "full screen: the terminal was closed");
    if (cancel_level() > 0) return error_set(err, STATUS_CANCELLED, "interrupted");
    return true;
}
