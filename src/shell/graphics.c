/* graphics -- see graphics.h. */
#include "graphics.h"

#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "output.h"
#include "session.h"
#include "weft/base/error.h"
#include "weft/base/text.h"
#include "weft/tui.h"

enum { PATIENCE = 100, PATIENCE_START = 4 }; /* milliseconds */

static ChartGraphics choose(Session *session, unsigned patience) {
    const char *wish = session->options.graphics ? session->options.graphics : "auto";
    const char *const *names = SETTING_NAMES(CHART_GRAPHICS);
    for (int i = 0; session->graphics == GRAPHICS_AUTO && names[i]; i++)
        if (strcmp(wish, names[i]) == 0) session->graphics = (ChartGraphics)i;
    if (session->graphics != GRAPHICS_AUTO) return session->graphics;
    if (!session->options.interactive || !session->out_terminal) return GRAPHICS_OFF;
    session->graphics = tui_graphics(!session->options.safe, patience, &session->typed, &session->answers_late);
    return session->graphics;
}

ChartGraphics graphics_choice(Session *session) {
    return choose(session, PATIENCE);
}

void graphics_ask(Session *session) {
    if (!tui_in_tmux()) choose(session, PATIENCE_START);
}

/* The terminal's cells as it says, else usual ones. */
static void measure(ChartScreen *screen, unsigned *rows) {
    enum { WIDTH = 8, HEIGHT = 16, ROWS = 24 };
    struct winsize size;
    screen->cell_width = WIDTH;
    screen->cell_height = HEIGHT;
    *rows = ROWS;
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_row == 0 || size.ws_col == 0) return;
    *rows = size.ws_row;
    if (size.ws_xpixel / size.ws_col < 2 || size.ws_ypixel / size.ws_row < 4) return;
    screen->cell_width = size.ws_xpixel / size.ws_col;
    screen->cell_height = size.ws_ypixel / size.ws_row;
}

bool graphics_chart(ChartGraphics how, const Chart *chart, unsigned columns, unsigned rows, unsigned most, Str *out) {
    enum { WIDEST = 100, LEFT = 3 /* rows for the prompt and what stands above it */ };
    ChartScreen screen = {.how = how, .tmux = tui_in_tmux()};
    unsigned window;
    Error ignored;
    ChartView view = chart_view(chart);
    measure(&screen, &window);
    const unsigned room = output_columns();
    screen.columns = columns ? columns : room < WIDEST ? room : WIDEST;
    screen.rows = rows;
    if (!rows) { /* five to three, as files are, or as many as the text would have; but no more than the window */
        const unsigned shape = screen.columns * screen.cell_width * 3 / 5 / screen.cell_height;
        const unsigned text = chart_height(chart, screen.columns);
        screen.rows = shape > text ? shape : text;
        if (screen.rows + LEFT > window) screen.rows = window > 2 * LEFT ? window - LEFT : LEFT;
        if (most && screen.rows > most) screen.rows = most > LEFT ? most : LEFT;
    }
    const size_t before = out->length;
    if (chart_graphics(chart, &view, &screen, out, &ignored)) return true;
    if (out->text) out->text[out->length = before] = '\0';
    return false;
}
