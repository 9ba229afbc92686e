/* table_text -- a table as aligned text in the columns of a terminal. */
#include <string.h>

#include "table_cells.h"
#include "weft/base/error.h"
#include "weft/base/memory.h"
#include "weft/base/table.h"
#include "weft/base/text.h"

/* Columns of the screen: between two columns; that a text keeps at least, also where nothing
 * else fits; below which a terminal gets no sentences. */
enum { GAP = 2, TEXT_LEAST = 10, CUT_LEAST = 4, SENTENCE_LEAST = 20 };
#define ELLIPSIS "\xe2\x80\xa6" /* U+2026, one column */

typedef struct Layout {
    size_t natural, least, width; /* columns on the screen: of the widest cell; that must stay; that it gets */
    int decimals;
    TextCut cut; /* of a text that is narrower than it would be */
} Layout;

/* What is written: the first and the last rows of a table, in `width` columns (0: as many as it takes). */
typedef struct Page {
    const Table *table;
    Layout *layout;
    size_t width, head, tail; /* rows */
    size_t shown;             /* columns of the table */
    Str scratch;
} Page;

/* The number of the i-th row that is shown; `shown_rows` of them. */
static size_t shown_rows(const Page *page) {
    return page->head + page->tail;
}
static size_t row_of(const Page *page, size_t i) {
    return i < page->head ? i : page->table->rows - shown_rows(page) + i;
}

static void empty(Str *str) {
    if (str->text) str->text[0] = '\0';
    str->length = 0;
}

/* "accuracy (%)". */
static void add_heading(Str *out, const Column *column) {
    str_add_escaped(out, column->name, strlen(column->name));
    if (!*column->unit) return;
    str_add(out, " (");
    str_add_escaped(out, column->unit, strlen(column->unit));
    str_add(out, ")");
}

/* ---- widths ------------------------------------------------------------------------------------------------------ */

static void measure(Page *page) {
    for (size_t c = 0; c < page->table->column_count; c++) {
        const Column *column = &page->table->columns[c];
        Layout *layout = &page->layout[c];
        layout->decimals = cell_decimals(column, page->table->rows);
        empty(&page->scratch);
        add_heading(&page->scratch, column);
        layout->natural = text_columns(str_text(&page->scratch));
        for (size_t i = 0; i < shown_rows(page); i++) {
            empty(&page->scratch);
            cell_add_shown(&page->scratch, column, row_of(page, i), layout->decimals);
            const size_t columns = text_columns(str_text(&page->scratch));
            if (columns > layout->natural) layout->natural = columns;
        }
        layout->width = layout->least = layout->natural;
    }
}

/* The texts of a column that are shown, as a terminal shows them; NULL: memory ran out. Free with texts_done. */
static char **texts_of(Page *page, size_t c) {
    Error ignored;
    const size_t count = shown_rows(page);
    char **texts = mem_alloc(count, sizeof *texts, &ignored);
    for (size_t i = 0; texts && i < count; i++) {
        empty(&page->scratch);
        cell_add_shown(&page->scratch, &page->table->columns[c], row_of(page, i), 0);
        texts[i] = mem_copy_text(str_text(&page->scratch), &ignored);
        if (!texts[i]) page->scratch.failed = true;
    }
    if (!texts) page->scratch.failed = true;
    return texts;
}

static void texts_done(Page *page, char **texts) {
    for (size_t i = 0; texts && i < shown_rows(page); i++) mem_free(texts[i]);
    mem_free(texts);
}

/* Where not all fits: the fewest columns in which the texts of a column stay different. */
static void find_least(Page *page, size_t c, size_t limit) {
    Layout *layout = &page->layout[c];
    size_t low = TEXT_LEAST, high = layout->natural < limit ? layout->natural : limit;
    if (page->table->columns[c].type != COLUMN_TEXT || low >= layout->natural) return;
    if (high < low) high = low;
    char **texts = texts_of(page, c);
    while (low < high && !page->scratch.failed) {
        const size_t middle = low + (high - low) / 2;
        bool apart;
        text_cut((const char *const *)texts, shown_rows(page), middle, &apart);
        if (apart)
            high = middle;
        else
            low = middle + 1;
    }
    layout->least = high;
    texts_done(page, texts);
}

/* The columns that fit on a line, their texts as narrow as they may be; where not all do, room is left for the ellipsis
 * that tells. Sets *left to the columns of the line that the chosen ones may fill. */
static void choose_columns(Page *page, size_t *left) {
    const size_t width = page->width, count = page->table->column_count;
    size_t line = 0, shown = 0;
    *left = width;
    for (size_t c = 0; c < count; c++) {
        line += page->layout[c].least + (c > 0 ? GAP : 0);
        if (line <= width && width - line >= GAP + 1) shown = c + 1;
    }
    page->shown = line <= width ? count : shown;
    if (line <= width) return;
    *left = width > GAP + 1 ? width - GAP - 1 : 0;
    if (shown > 0 || count == 0 || *left < CUT_LEAST || page->table->columns[0].type != COLUMN_TEXT) return;
    page->shown = 1; /* better a name that is cut than nothing */
    page->layout[0].least = *left;
}

/* Shortens the texts of a column that got fewer columns than it would take; where what they share is dropped, it may
 * need still fewer. */
static void shorten(Page *page, size_t c) {
    Layout *layout = &page->layout[c];
    if (layout->width == layout->natural) return;
    char **texts = texts_of(page, c);
    if (!page->scratch.failed) {
        layout->cut = text_cut((const char *const *)texts, shown_rows(page), layout->width, NULL);
        const size_t cells = text_cut_columns((const char *const *)texts, shown_rows(page), &layout->cut);
        empty(&page->scratch);
        add_heading(&page->scratch, &page->table->columns[c]);
        const size_t heading = text_columns(str_text(&page->scratch)), needed = heading > cells ? heading : cells;
        if (needed < layout->width) layout->width = needed;
    }
    texts_done(page, texts);
}

/* Takes from the widest text until the shown columns fit on a line of `width`. */
static void narrow(Page *page, size_t width) {
    size_t line = 0;
    for (size_t c = 0; c < page->shown; c++) line += page->layout[c].width + (c > 0 ? GAP : 0);
    for (; line > width; line--) {
        Layout *widest = NULL;
        for (size_t c = 0; c < page->shown; c++) {
            Layout *layout = &page->layout[c];
            if (layout->width > layout->least && (!widest || layout->width > widest->width)) widest = layout;
        }
        if (!widest) break;
        widest->width--;
    }
    for (size_t c = 0; c < page->shown; c++) shorten(page, c);
}

static void fit(Page *page) {
    size_t line = 0, left;
    for (size_t c = 0; c < page->table->column_count; c++) line += page->layout[c].natural + (c > 0 ? GAP : 0);
    page->shown = page->table->column_count;
    if (page->width == 0 || line <= page->width) return;
    for (size_t c = 0; c < page->table->column_count; c++)
        find_least(page, c, c == 0 ? 2 * page->width / 3 : page->width / 3);
    choose_columns(page, &left);
    narrow(page, left);
}

/* ---- lines ------------------------------------------------------------------------------------------------------- */

/* Adds `text` in `width` columns; what is longer is shortened by `cut`, or ends in an ellipsis. */
static void add_fitted(Str *out, const char *text, size_t width, const TextCut *cut, bool right) {
    const size_t start = out->length;
    size_t columns = text_columns(text);
    if (right && columns < width) str_addf(out, "%*s", (int)(width - columns), "");
    if (cut && *text && (*cut->begin || columns > width)) {
        text_add_cut(out, text, cut);
    } else if (columns > width) {
        str_add_bytes(out, text, text_fit(text, width > 0 ? width - 1 : 0));
        str_add(out, ELLIPSIS);
    } else {
        str_add(out, text);
    }
    columns = out->failed ? width : text_columns(out->text ? out->text + start : ""); /* wide characters leave gaps */
    if (!right && columns < width) str_addf(out, "%*s", (int)(width - columns), "");
}

/* Ends a line without the blanks it ends in; nothing before `start` belongs to it. */
static void end_line(Str *out, size_t start) {
    if (out->failed) return;
    while (out->length > start && out->text[out->length - 1] == ' ') out->length--;
    str_add(out, "\n");
}

/* One line: a row, or the heading where row == table->rows. */
static void add_line(Page *page, size_t row, Str *out) {
    const size_t start = out->length;
    for (size_t c = 0; c < page->shown; c++) {
        const Column *column = &page->table->columns[c];
        const Layout *layout = &page->layout[c];
        const bool heading = row == page->table->rows, cut = !heading && layout->width < layout->natural;
        empty(&page->scratch);
        if (heading)
            add_heading(&page->scratch, column);
        else
            cell_add_shown(&page->scratch, column, row, layout->decimals);
        if (c > 0) str_addf(out, "%*s", GAP, "");
        add_fitted(out, str_text(&page->scratch), layout->width, cut ? &layout->cut : NULL,
                   column->type != COLUMN_TEXT);
    }
    if (page->shown < page->table->column_count) str_add(out, page->shown > 0 ? "  " ELLIPSIS : ELLIPSIS);
    end_line(out, start);
}

/* A sentence of its own, filled to the width. */
static void add_sentence(const Page *page, const Str *text, Str *out) {
    if (page->width == 0)
        str_add(out, str_text(text));
    else
        str_add_wrapped(out, str_text(text), 0, GAP, page->width);
    str_add(out, "\n");
    if (text->failed) out->failed = true;
}

static void add_rows_left_out(const Page *page, Str *out) {
    const size_t rows = page->table->rows - shown_rows(page);
    Str text = {0};
    str_addf(&text, ELLIPSIS " %zu row%s not shown; export writes them all", rows, rows == 1 ? "" : "s");
    add_sentence(page, &text, out);
    str_done(&text);
}

static void add_columns_left_out(const Page *page, Str *out) {
    Str text = {0};
    str_add(&text, "not shown: ");
    for (size_t c = page->shown; c < page->table->column_count; c++) {
        if (c > page->shown) str_add(&text, ", ");
        const char *name = page->table->columns[c].name;
        str_add_escaped(&text, name, strlen(name));
    }
    str_add(&text, "; a wider terminal or export shows them");
    add_sentence(page, &text, out);
    str_done(&text);
}

/* A single row that is too wide for a line: a line for each column. */
static void add_record(Page *page, Str *out) {
    size_t widest = 0;
    for (size_t c = 0; c < page->table->column_count; c++) {
        empty(&page->scratch);
        add_heading(&page->scratch, &page->table->columns[c]);
        const size_t columns = text_columns(str_text(&page->scratch));
        if (columns > widest) widest = columns;
    }
    const size_t room = page->width / 2, hang = widest < room ? widest + GAP : GAP;
    for (size_t c = 0; c < page->table->column_count; c++) {
        empty(&page->scratch);
        add_heading(&page->scratch, &page->table->columns[c]);
        const size_t start = out->length;
        size_t column = text_columns(str_text(&page->scratch));
        str_add(out, str_text(&page->scratch));
        for (; column < widest + GAP; column++) str_add(out, " ");
        empty(&page->scratch);
        cell_add_shown(&page->scratch, &page->table->columns[c], 0, page->layout[c].decimals);
        str_add_wrapped(out, str_text(&page->scratch), column, hang, page->width);
        end_line(out, start);
    }
}

void table_write_part(const Table *table, size_t width, size_t head, size_t tail, Str *out) {
    Error ignored;
    Page page = {.table = table, .width = width, .head = head, .tail = tail};
    if (head + tail > table->rows) page.head = table->rows, page.tail = 0;
    page.layout = mem_alloc(table->column_count, sizeof *page.layout, &ignored);
    if (!page.layout) {
        out->failed = true;
        return;
    }
    measure(&page);
    fit(&page);
    if (table->rows == 1 && page.shown < table->column_count && width >= SENTENCE_LEAST) {
        add_record(&page, out);
        goto out;
    }
    if (table->column_count > 0) add_line(&page, table->rows, out);
    for (size_t i = 0; i < shown_rows(&page); i++) {
        if (i == page.head && shown_rows(&page) < table->rows) add_rows_left_out(&page, out);
        add_line(&page, row_of(&page, i), out);
    }
    if (page.shown < table->column_count && width >= SENTENCE_LEAST) add_columns_left_out(&page, out);
out:
    if (page.scratch.failed) out->failed = true;
    str_done(&page.scratch);
    mem_free(page.layout);
}
