/* output -- tables and charts on standard output; messages, errors and progress on standard error. */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "graphics.h"
#include "output.h"
#include "pager.h"
#include "session.h"
#include "weft/base/error.h"
#include "weft/base/labels.h"
#include "weft/base/ranks.h"
#include "weft/base/table.h"
#include "weft/base/task.h"
#include "weft/base/text.h"
#include "weft/tui.h"

static bool set_and_true(const char *name) {
    const char *value = getenv(name);
    return value && *value && strcmp(value, "0") != 0;
}

/* --colour, then NO_COLOR, then the forcing variables, then whether this is a terminal that can. */
static ChartColours choose_colours(const Session *session) {
    const char *wish = session->options.colour ? session->options.colour : "auto", *term = getenv("TERM");
    const char *no_colour = getenv("NO_COLOR"), *colour_term = getenv("COLORTERM");
    const int known = tui_type_colours(); /* -1: none */
    bool dumb = !term || !*term || strcmp(term, "dumb") == 0;
    bool want;
    if (strcmp(wish, "auto") != 0)
        want = strcmp(wish, "always") == 0;
    else if (no_colour && *no_colour)
        want = false;
    else if (set_and_true("FORCE_COLOR") || set_and_true("CLICOLOR_FORCE"))
        want = true;
    else
        want = session->out_terminal && !dumb && (known >= 8 || known < 0); /* an unknown type has them */
    if (!want) return COLOURS_NONE;
    if (colour_term && (strcmp(colour_term, "truecolor") == 0 || strcmp(colour_term, "24bit") == 0))
        return COLOURS_TRUE;
    if ((colour_term && *colour_term) || (term && strstr(term, "256color")) || known >= 256) return COLOURS_256;
    return known >= 16 ? COLOURS_16 : COLOURS_8;
}

void output_progress(Session *session, const char *what, uint64_t done, uint64_t total, const char *rest) {
    enum { BAR = 24 };
    char bar[BAR + 1];
    Str line = {0};
    const double fraction = (double)done / (double)total;
    for (int i = 0; i < BAR; i++) bar[i] = i < (int)(fraction * BAR + 0.5) ? '#' : '.';
    bar[BAR] = '\0';
    str_add_escaped(&line, what, strlen(what));
    str_addf(&line, " [%s] %llu/%llu, ", bar, (unsigned long long)done, (unsigned long long)total);
    str_add_escaped(&line, rest, strlen(rest));
    const char *text = str_text(&line);
    fprintf(stderr, "\r%.*s\033[K", (int)text_fit(text, output_error_columns() - 1), text);
    fflush(stderr);
    session->progress.visible = true;
    str_done(&line);
}

static void report(void *context, const char *what, uint64_t done, uint64_t total) {
    Session *session = context;
    struct ProgressLine *line = &session->progress;
    double now = clock_seconds();
    if (done == 0 || line->started == 0) line->started = now;
    if (now - line->started < 1 || now - line->shown < 0.1 || total == 0) return;
    line->shown = now;
    char left[32];
    snprintf(left, sizeof left, "%.0f s left",
             done ? (now - line->started) * (double)(total - done) / (double)done : 0);
    output_progress(session, what, done, total, left);
}

void output_progress_clear(Session *session) {
    enum { PASS_ON = 30000 /* us: a launcher passes both streams on in no order */ };
    if (session->progress.visible) fputs("\r\033[K", stderr);
    if (session->progress.visible && ranks_terminal() >= 0) {
        fflush(stderr);
        usleep(PASS_ON);
    }
    session->progress = (struct ProgressLine){0};
}

void output_start(Session *session) {
    /* Of several ranks it is the launcher's, which may have given us a terminal whatever its own output is. */
    session->out_terminal = isatty(STDOUT_FILENO) && ranks_count() == 1;
    session->err_terminal = isatty(STDERR_FILENO) || ranks_terminal() >= 0;
    session->colours = choose_colours(session);
    session->ascii = session->options.ascii || tui_type_ascii();
    const char *term = getenv("TERM");
    bool moves = session->err_terminal && term && strcmp(term, "dumb") != 0;
    session->task = (Task){.report = moves ? report : NULL, .context = session};
    session->format = session->out_terminal ? TABLE_TEXT : TABLE_TSV;
    if (session->options.format) session->format_given = output_table_format(session->options.format, &session->format);
}

bool output_table_format(const char *name, TableFormat *out) {
    const char *const *names = SETTING_NAMES(TABLE_FORMATS);
    for (int i = 0; names[i]; i++)
        if (strcmp(name, names[i]) == 0) {
            *out = (TableFormat)i;
            return true;
        }
    return false;
}

/* The terminal's width, then $COLUMNS, then 80; 0 counts as unknown. */
static unsigned columns_of(int stream) {
    struct winsize size;
    if (ioctl(stream, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
    const char *columns = getenv("COLUMNS");
    uint64_t value;
    if (columns && text_to_u64(columns, &value) && value > 0 && value <= 10000) return (unsigned)value;
    return 80;
}

unsigned output_columns(void) {
    return columns_of(STDOUT_FILENO);
}

unsigned output_rows(void) {
    enum { USUAL = 24 };
    struct winsize size;
    const char *lines = getenv("LINES");
    uint64_t value;
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row > 0) return size.ws_row;
    return lines && text_to_u64(lines, &value) && value > 0 && value <= 10000 ? (unsigned)value : USUAL;
}

unsigned output_error_columns(void) {
    return columns_of(ranks_terminal() >= 0 ? ranks_terminal() : STDERR_FILENO);
}

static void print_out(Session *session, const char *text) {
    errno = 0;
    if (fputs(text, stdout) == EOF && !session->write_error) session->write_error = errno;
}

void output_hold(Session *session) {
    session->holding = pager_wanted(session);
}

/* A pager gets text; pictures are for the terminal alone. */
void output_release(Session *session) {
    if (!session->holding) return;
    const char *text = str_text(&session->held);
    const bool pictures = session->held_pictures.length > 0 && !session->held_pictures.failed;
    session->holding = false;
    if (session->held.failed)
        output_message(session, "not printed: out of memory");
    else if (!pager_needed(text) || !pager_show(text, session->held.length))
        print_out(session, pictures ? str_text(&session->held_pictures) : text);
    str_done(&session->held);
    str_done(&session->held_pictures);
}

void output_drawn(Session *session, const char *text) {
    if (!session->holding) {
        print_out(session, text);
        return;
    }
    str_add(&session->held, text);
    if (session->held_pictures.length > 0) str_add(&session->held_pictures, text);
}

/* A picture, and the text that stands for it in a pager. */
static void draw_picture(Session *session, const char *picture, const char *text) {
    if (!session->holding) {
        print_out(session, picture);
        return;
    }
    if (session->held_pictures.length == 0) str_add(&session->held_pictures, str_text(&session->held));
    str_add(&session->held_pictures, picture);
    str_add(&session->held, text);
}

/* Names that come from files are in it. */
void output_text(Session *session, const char *text) {
    Str safe = {0};
    if (session->out_terminal) str_add_harmless(&safe, text, strlen(text));
    output_drawn(session, session->out_terminal && !safe.failed ? str_text(&safe) : session->out_terminal ? "" : text);
    str_done(&safe);
}

enum { NOTE_LONG = 1000, NOTE_SHOWN = 200 };

void output_add_note(Str *out, const char *key, const char *value) {
    const size_t length = strlen(value), shown = length > NOTE_LONG ? text_fit(value, NOTE_SHOWN) : length;
    str_add_escaped(out, key, strlen(key));
    str_add(out, ": ");
    str_add_escaped(out, value, shown);
    if (shown < length) str_addf(out, "... (%zu bytes)", length);
    str_add(out, "\n");
}

/* Lua's print writes past output_text: what went wrong there is found by asking the pipe. */
static bool pipe_closed(void) {
    struct pollfd out = {.fd = STDOUT_FILENO};
    return poll(&out, 1, 0) == 1 && (out.revents & POLLERR);
}

/* The words of a label: the second network is called by its name, where the table knows it. */
static void add_words(const Table *table, const char *words, Str *out) {
    static const char second[] = "NET2";
    const char *name = table_get_note(table, "vs"), *at = strstr(words, second);
    const size_t before = name && at ? (size_t)(at - words) : strlen(words);
    str_add_bytes(out, words, before);
    if (!words[before]) return;
    str_add_escaped(out, name, strlen(name));
    str_add(out, at + strlen(second));
}

/* A note's key as people read it: "relative_change" is "relative change". */
static void add_key(const Table *table, const char *key, Str *out) {
    const char *words = label_of(key);
    if (words != key) {
        add_words(table, words, out);
        return;
    }
    for (size_t length; *key; key += length) {
        length = strcspn(key, "_");
        str_add_escaped(out, key, length);
        if (key[length] == '_') str_add(out, " "), length++;
    }
}

/* A note's value as people read it. Counts and the numbers that somebody chose stay as they are. */
static void add_value(const TableNote *note, Str *out) {
    const size_t all = strlen(note->value), shown = all > NOTE_LONG ? text_fit(note->value, NOTE_SHOWN) : all;
    double number;
    const bool is_number = text_to_double(note->value, &number);
    if (is_number && strstr(note->key, "accuracy")) {
        str_addf(out, "%.3f", number);
    } else if (!is_number || strspn(note->value, "-0123456789") == all) {
        str_add_escaped(out, note->value, shown);
        if (shown < all) str_addf(out, "... (%zu bytes)", all);
    } else {
        str_add_number(out, number);
    }
}

/* A list whose items, one a line, are not broken. */
static void add_numbers(const char *list, size_t width, Str *out) {
    size_t column = 0;
    for (size_t length; *list; list += length + (list[length] == '\n')) {
        length = strcspn(list, "\n");
        const bool fits = column && column + 1 + length <= width;
        if (column) str_add(out, fits ? " " : "\n");
        str_add_bytes(out, list, length);
        column = fits ? column + 1 + length : length;
    }
    if (column) str_add(out, "\n");
}

/* Where a table comes from: people see that from the line above it. */
static bool is_origin(const char *key) {
    static const char *const keys[] = {"command", "vs", "from", "weft"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (strcmp(key, keys[i]) == 0) return true;
    return false;
}

/* The notes under a table for people: texts on lines of their own, then all numbers in a list, filled to `width`. */
static void add_notes(const Table *table, size_t width, Str *out) {
    enum { HANG_MOST = 24, HANG_LEAST = 2 };
    Str numbers = {0};
    for (size_t i = 0; i < table->note_count; i++) {
        const TableNote *note = &table->notes[i];
        Str line = {0};
        double number;
        if (is_origin(note->key)) continue;
        const bool text = !text_to_double(note->value, &number);
        add_key(table, note->key, &line);
        str_add(&line, text ? ": " : " ");
        const size_t hang = line.length <= HANG_MOST ? line.length : HANG_LEAST;
        add_value(note, &line);
        if (text) {
            str_add_wrapped(out, str_text(&line), 0, hang, width);
            str_add(out, "\n");
        } else {
            str_addf(&numbers, "%s%s", numbers.length ? ",\n" : "", str_text(&line));
        }
        if (line.failed) out->failed = true;
        str_done(&line);
    }
    add_numbers(str_text(&numbers), width, out);
    if (numbers.failed) out->failed = true;
    str_done(&numbers);
}

void output_receipt(Session *session, const Table *table) {
    if (session->options.quiet) return;
    Str out = {0};
    table_write(table, TABLE_TEXT, session->err_terminal ? output_error_columns() : 0, &out);
    fflush(stdout);
    fputs(str_text(&out), stderr);
    str_done(&out);
}

/* Results of a script stand apart: text ends in an empty line, and one stands between two tables for machines. */
static void stand_apart(Session *session, bool machine, Str *out) {
    if (session->options.interactive || session->room) return; /* what a lesson shows looks as if it were typed */
    if (!machine || session->table_before) str_add(out, "\n");
    session->table_before = machine;
}

static size_t lines_in(const char *text) {
    size_t lines = 0;
    for (; (text = strchr(text, '\n')); text++) lines++;
    return lines;
}

static void add_table(Session *session, const Table *table, size_t head, size_t tail, Str *out) {
    table_write_part(table, session->out_terminal ? output_columns() : 0, head, tail, out);
    add_notes(table, output_columns(), out);
    stand_apart(session, false, out);
}

/* As many rows as leave `below` lines of the room, but a few in any case. */
static void add_table_that_fits(Session *session, const Table *table, size_t below, Str *out) {
    enum { LEAST = 2, LINE_OF_LEFT_OUT = 1 };
    add_table(session, table, table->rows, 0, out);
    const size_t lines = lines_in(str_text(out)), most = session->room > below ? session->room - below : 1;
    if (lines > most && table->rows > LEAST + LINE_OF_LEFT_OUT) {
        const size_t over = lines - most + LINE_OF_LEFT_OUT;
        const size_t kept = over + LEAST < table->rows ? table->rows - over : LEAST;
        str_done(out);
        *out = (Str){0};
        const size_t tail = kept < 8 ? 1 : kept / 4;
        add_table(session, table, kept - tail, tail, out);
    }
    const unsigned used = (unsigned)lines_in(str_text(out));
    session->room = session->room > used ? session->room - used : 1;
}

void output_table(Session *session, const Table *table, TableFormat format, size_t below) {
    /* of a terminal; a pager takes more */
    const size_t most = session->holding ? 100000 : 100, end = session->holding ? most / 2 : 20;
    Str out = {0};
    const size_t width = session->out_terminal ? output_columns() : 0;
    if (format == TABLE_TEXT && session->room) {
        add_table_that_fits(session, table, below, &out);
    } else if (format == TABLE_TEXT) {
        const bool part = session->out_terminal && table->rows > most;
        add_table(session, table, part ? end : table->rows, part ? end : 0, &out);
    } else {
        stand_apart(session, true, &out);
        table_write(table, format, width, &out);
    }
    if (out.failed)
        output_message(session, "not printed: out of memory");
    else
        output_text(session, str_text(&out));
    str_done(&out);
}

bool output_picture(Session *session, ChartGraphics how, const Chart *chart, unsigned width, unsigned height,
                    const char *text) {
    Str picture = {0};
    if (how == GRAPHICS_AUTO) how = graphics_choice(session);
    if (how == GRAPHICS_OFF || how == GRAPHICS_AUTO) return false;
    const bool done = graphics_chart(how, chart, width, height, session->room, &picture);
    if (done) {
        stand_apart(session, false, &picture);
        draw_picture(session, str_text(&picture), text);
    }
    str_done(&picture);
    return done;
}

static unsigned height_that_fits(const Session *session, const Chart *chart, unsigned columns) {
    enum { LEAST = 7 };
    const unsigned natural = chart_height(chart, columns), room = session->room > LEAST ? session->room : LEAST;
    return session->room && natural > room ? room : natural;
}

void output_chart(Session *session, ChartGraphics how, const Chart *chart, unsigned width, unsigned height) {
    const unsigned columns = width ? width : output_columns();
    ChartGrid grid;
    Error err;
    ChartView view = chart_view(chart);
    Str out = {0};
    if (!chart_grid(chart, &view, columns, height ? height : height_that_fits(session, chart, columns), session->ascii,
                    session->colours, &grid, &err)) {
        output_error(session, &err);
        return;
    }
    chart_grid_text(&grid, session->colours, &out);
    chart_grid_done(&grid);
    if (!output_picture(session, how, chart, width, height, str_text(&out))) {
        stand_apart(session, false, &out);
        output_drawn(session, str_text(&out)); /* its labels are harmless, its colours are escapes */
    }
    str_done(&out);
}

/* A line for standard error, safe for terminals; on a terminal filled to its width, with the lines after the first
 * under the text that follows the prefix "key: " of `prefix` bytes. Elsewhere it stays one line. */
static void add_said(const Session *session, const char *line, size_t prefix, Str *out) {
    enum { HANG_MOST = 24, HANG_LEAST = 2 };
    if (!session->err_terminal) {
        str_add(out, line);
    } else {
        const size_t hang = prefix <= HANG_MOST ? prefix : HANG_LEAST;
        str_add_wrapped(out, line, 0, hang, output_error_columns());
    }
    str_add(out, "\n");
}

void output_message(Session *session, const char *text) {
    if (session->options.quiet) return;
    Str out = {0};
    for (size_t length; *text; text += length + (text[length] == '\n')) {
        Str line = {0}; /* names that come from files are made harmless, line by line */
        length = strcspn(text, "\n");
        str_add_escaped(&line, text, length);
        const char *said = str_text(&line), *colon = strstr(said, ": ");
        add_said(session, said, colon && !memchr(said, ' ', (size_t)(colon - said)) ? (size_t)(colon - said) + 2 : 2,
                 &out);
        str_done(&line);
    }
    fflush(stdout);
    fputs(str_text(&out), stderr);
    str_done(&out);
}

void output_error(Session *session, const Error *err) {
    Str line = {0}, out = {0};
    output_progress_clear(session);
    fflush(stdout);
    if (session->source)
        str_addf(&line, "%s:%d: ", session->source, session->line);
    else
        str_add(&line, "weft: ");
    const size_t prefix = line.length;
    str_add(&line, err->text);
    add_said(session, str_text(&line), prefix, &out);
    fputs(str_text(&out), stderr);
    str_done(&line);
    str_done(&out);
}

bool output_flush(Session *session, Error *err) {
    errno = 0;
    if (fflush(stdout) == 0 && !ferror(stdout)) return true;
    int reason = session->write_error ? session->write_error : errno;
    if (!reason && pipe_closed()) reason = EPIPE;
    clearerr(stdout);
    session->write_error = 0;
    session->quit = true;
    session->quit_status = reason == EPIPE ? 141 : STATUS_WRITE;
    if (reason == EPIPE) return true;
    return error_set(err, STATUS_WRITE, "standard output: %s", strerror(reason ? reason : EIO));
}
