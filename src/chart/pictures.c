/* pictures -- a table of pixels becomes images with captions. */
#include "chart/pictures.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "weft/base/error.h"
#include "weft/base/memory.h"
#include "weft/base/size.h"
#include "weft/base/table.h"

enum { BYTES_MAX = 1 << 28, PICTURES_MAX = 10000 };

/* ---- model ------------------------------------------------------------------------------------------------------- */

/* The number of places along one side: one more than the largest index. */
static bool side_of(const Column *column, size_t rows, size_t *side, Error *err) {
    *side = 0;
    for (size_t row = 0; row < rows; row++) {
        const double index = column_number(column, row);
        if (!(index >= 0 && index < BYTES_MAX) || index != floor(index))
            return error_set(err, STATUS_USAGE, "chart: row %zu: '%s' is not an index", row + 1, column->name);
        if ((size_t)index >= *side) *side = (size_t)index + 1;
    }
    return true;
}

static bool new_pictures(Chart *chart, Error *err) {
    uint64_t pixels, all;
    if (!size_mul(chart->grid_rows, chart->grid_columns, &pixels) || !size_mul(pixels, 3 * chart->panel_count, &all) ||
        all > BYTES_MAX)
        return error_set(err, STATUS_LIMIT, "chart: %zu pictures of %zu x %zu pixels are too many to draw",
                         chart->panel_count, chart->grid_rows, chart->grid_columns);
    return (chart->colours = mem_alloc(all, 1, err)) != NULL;
}

bool model_pictures(Chart *chart, const Table *table, Error *err) {
    const Encoding *encoding = &chart->encoding;
    const Column *x = model_column(table, encoding->x, true, err), *colours[3];
    const Column *y = x ? model_column(table, encoding->y[0], true, err) : NULL;
    const Column *caption = y ? model_column(table, encoding->series, false, err) : NULL;
    const Column *value = caption ? model_column(table, encoding->value, true, err) : NULL;
    Names names = {0};
    chart->x.category = chart->y.category = true;
    bool ok = value && axis_label(&chart->x, NULL, err) && axis_label(&chart->y, NULL, err) &&
              side_of(x, table->rows, &chart->grid_columns, err) && side_of(y, table->rows, &chart->grid_rows, err) &&
              model_panels(chart, caption, table->rows, PICTURES_MAX, &names, err) && new_pictures(chart, err);
    if (ok) picture_columns(table, value, colours);
    for (size_t row = 0; ok && row < table->rows; row++) {
        size_t picture;
        char number[TICK_TEXT];
        if (!(ok = names_add(&names, cell_name(caption, row, number), &picture, err))) break;
        const size_t i = (size_t)column_number(y, row), j = (size_t)column_number(x, row);
        uint8_t *pixel = chart->colours + 3 * ((picture * chart->grid_rows + i) * chart->grid_columns + j);
        for (size_t c = 0; c < 3; c++) pixel[c] = picture_byte(column_number(colours[c], row));
    }
    names_done(&names);
    return ok;
}

/* ---- captions ---------------------------------------------------------------------------------------------------- */

/* Adds a word to the last line, or begins one. */
static void add_word(Caption *caption, const char *word, size_t length, bool new_line, double room,
                     TextAdvance *advance) {
    char joined[CAPTION_BYTES];
    if (!new_line) {
        char *line = caption->line[caption->count - 1];
        const int size = snprintf(joined, sizeof joined, "%s %.*s", line, (int)length, word);
        if ((size < CAPTION_BYTES && advance(joined) <= room) || caption->count == CAPTION_LINES) {
            memcpy(line, joined, sizeof joined);
            return;
        }
    }
    if (caption->count == CAPTION_LINES) return;
    snprintf(caption->line[caption->count++], CAPTION_BYTES, "%.*s", (int)length, word);
}

void caption_split(const char *text, double room, TextAdvance *advance, Caption *out) {
    bool new_line = true;
    out->count = 0;
    while (*text) {
        size_t word = strcspn(text, " ");
        if (text[word] == ' ' && text[word + 1] == '%') word += 1 + strcspn(text + word + 1, " "); /* "98.2 %" */
        const bool last = word > 0 && text[word - 1] == ';';                                       /* of its part */
        if (word > 0) {
            add_word(out, text, word - last, new_line, room, advance);
            new_line = last;
        }
        text += word;
        text += *text == ' ';
    }
}

size_t captions_lines(const Chart *chart, double room, TextAdvance *advance) {
    size_t most = 0;
    for (size_t i = 0; i < chart->panel_count; i++) {
        Caption caption;
        caption_split(chart->panels[i], room, advance, &caption);
        if (caption.count > most) most = caption.count;
    }
    return most;
}
