/* question -- see question.h. */
#include "tui/question.h"
#include "tui/terminal.h"
#include "weft/base/text.h"
#include "weft/tui.h"

#include <curses.h>
#include <string.h>

/* ---- questions --------------------------------------------------------------------------------------------------- */

static void add_utf8(char *text, wchar_t code) {
    unsigned value = (unsigned)code;
    char out[5] = {0};
    if (value < 0x80) {
        out[0] = (char)value;
    } else if (value < 0x800) {
        out[0] = (char)(0xc0 | value >> 6);
        out[1] = (char)(0x80 | (value & 0x3f));
    } else if (value < 0x10000) {
        out[0] = (char)(0xe0 | value >> 12);
        out[1] = (char)(0x80 | (value >> 6 & 0x3f));
        out[2] = (char)(0x80 | (value & 0x3f));
    } else {
        out[0] = (char)(0xf0 | value >> 18);
        out[1] = (char)(0x80 | (value >> 12 & 0x3f));
        out[2] = (char)(0x80 | (value >> 6 & 0x3f));
        out[3] = (char)(0x80 | (value & 0x3f));
    }
    if (strlen(text) + strlen(out) < ANSWER_MOST) strcat(text, out);
}

static void remove_last(char *text) {
    size_t length = strlen(text);
    while (length > 0 && (text[length - 1] & 0xc0) == 0x80) length--;
    if (length > 0) text[length - 1] = '\0';
}

/* The end of a question and its answer, with a block as cursor; a selected answer in reverse. */
static void show_question(const AskView *asker, const char *question, const char *answer, bool selected) {
    Str text = {0};
    str_add(&text, question);
    str_add(&text, answer);
    const char *visible = str_text(&text);
    while ((int)text_columns(visible) > COLS - 1 && *visible) {
        for (visible++; (*visible & 0xc0) == 0x80; visible++) {
        }
    }
    asker->paint(asker->view);
    move(LINES - 1, 0);
    clrtoeol();
    int used = terminal_put_text(LINES - 1, 0, visible, COLS - 1), wide = (int)text_columns(answer);
    if (wide > used) wide = used;
    if (selected) mvchgat(LINES - 1, used - wide, wide, A_REVERSE, 0, NULL);
    mvchgat(LINES - 1, used, 1, selected ? A_UNDERLINE : A_REVERSE, 0, NULL);
    refresh();
    str_done(&text);
}

bool ask_line(const AskView *asker, const char *question, char answer[ANSWER_MOST]) {
    for (bool selected = *answer != '\0';;) {
        show_question(asker, question, answer, selected);
        int key = asker->wait(asker->view);
        if (key == EVENT_RESIZE) continue;
        if (key == EVENT_NONE || key == 27 || key == 3) return false;
        if (key == '\r' || key == '\n' || key == KEY_SPECIAL + KEY_ENTER) return true;
        if (key == 127 || key == 8 || key == KEY_SPECIAL + KEY_BACKSPACE)
            remove_last(answer);
        else if (key == 21) /* Ctrl-U */
            answer[0] = '\0';
        else if (key >= 32 && key < KEY_SPECIAL) {
            if (selected) answer[0] = '\0';
            add_utf8(answer, (wchar_t)key);
        }
        selected = false;
    }
}

/* ---- the bottom lines -------------------------------------------------------------------------------------------- */

/* The bytes of the next line of `room` columns: all that is left, or up to a blank where there is one. */
static size_t line_length(const char *text, int room) {
    size_t length = text_fit(text, (size_t)room);
    if (!text[length]) return length;
    const size_t whole = length;
    while (length > 0 && text[length] != ' ') length--;
    return length > 0 ? length : whole;
}

static void put_bottom(int y, const char *text, size_t length, int room) {
    Str line = {0};
    str_add_bytes(&line, text, length);
    const int used = terminal_put_text(y, 0, str_text(&line), room);
    if ((int)text_columns(str_text(&line)) > room)
        terminal_put_text(y, used < room ? used : room - 1, tui_type_ascii() ? "~" : "…", 1);
    str_done(&line);
}

int bottom_lines(const char *text, int most, const char *hint) {
    enum { LINES_MOST = 8, LEAST = 16, GAP = 2 };
    const int wide = (int)text_columns(hint), kept = wide > 0 && COLS >= wide + GAP + LEAST ? wide + GAP : 0;
    const char *begin[LINES_MOST];
    int count = 0;
    for (begin[count++] = text; count < most && count < LINES_MOST; begin[count++] = text) {
        const int columns = (int)text_columns(text);
        if (columns + kept <= COLS) break;
        text += line_length(text, columns <= COLS ? COLS - kept : COLS);
        text += strspn(text, " ");
    }
    for (int i = 0; i < count; i++) {
        const bool last = i + 1 == count;
        move(LINES - count + i, 0);
        clrtoeol();
        put_bottom(LINES - count + i, begin[i], last ? strlen(begin[i]) : (size_t)(begin[i + 1] - begin[i]),
                   last ? COLS - kept : COLS);
    }
    if (kept > 0) terminal_put_text(LINES - 1, COLS - wide, hint, wide);
    for (int i = 0; i < count; i++) mvchgat(LINES - count + i, 0, -1, A_REVERSE, 0, NULL);
    return count;
}

/* ---- keys -------------------------------------------------------------------------------------------------------- */

int keys_page(const KeyHelp *keys, int count, int first, const char *back) {
    enum { NAME_COLUMNS = 22, HALF = 56 };
    int rows = LINES > 3 ? LINES - 3 : 1, halves = COLS >= 2 * HALF ? 2 : 1, i = first;
    erase();
    if (LINES > 3) terminal_put_text(0, 0, "Keys", COLS);
    for (int half = 0; half < halves; half++) {
        for (int row = 0; row < rows && i < count; row++, i++) {
            int y = row + (LINES > 3 ? 2 : 0), x = half * HALF;
            terminal_put_text(y, x, keys[i].names, COLS - x);
            if (COLS - x > NAME_COLUMNS) terminal_put_text(y, x + NAME_COLUMNS, keys[i].help, COLS - x - NAME_COLUMNS);
        }
    }
    if (LINES > 3) {
        terminal_put_text(LINES - 1, 0, i < count ? "any key: more" : back, COLS);
        mvchgat(LINES - 1, 0, -1, A_REVERSE, 0, NULL);
    }
    refresh();
    return i;
}
