/* pixels -- an image as a table. */
#include "weft/data.h"
#include "weft/base/error.h"
#include "weft/base/table.h"
#include "weft/base/text.h"

static void add_channels(Table *table, unsigned channels) {
    static const char *const colours[3] = {"red", "green", "blue"};
    for (unsigned c = 0; c < channels; c++) {
        Str name = {0};
        str_addf(&name, "channel_%u", c);
        table_column(table, channels == 1 ? "value" : channels == 3 ? colours[c] : str_text(&name), "", COLUMN_INTEGER);
        str_done(&name);
    }
    if (channels == 3) table_column(table, "light", "", COLUMN_REAL);
}

/* The rows of one image; with `image`, they begin with its number and caption. */
static void add_pixels(Table *table, const uint8_t *pixels, unsigned channels, unsigned height, unsigned width,
                       const uint64_t *image, const char *caption) {
    const size_t area = (size_t)height * width;
    for (size_t i = 0; i < area; i++) {
        if (image) table_integer(table, (int64_t)*image);
        if (image) table_text(table, caption);
        table_integer(table, (int64_t)(i / width));
        table_integer(table, (int64_t)(i % width));
        for (unsigned c = 0; c < channels; c++) table_integer(table, pixels[c * area + i]);
        if (channels == 3)
            table_real(table, 0.299 * pixels[i] + 0.587 * pixels[area + i] + 0.114 * pixels[2 * area + i]);
    }
}

static void add_places(Table *table, unsigned channels) {
    table_column(table, "row", "", COLUMN_INTEGER);
    table_column(table, "column", "", COLUMN_INTEGER);
    add_channels(table, channels);
}

Table *pixels_table(const uint8_t *pixels, unsigned channels, unsigned height, unsigned width, Error *err) {
    Table *table = table_new(err);
    if (!table) return NULL;
    add_places(table, channels);
    add_pixels(table, pixels, channels, height, width, NULL, NULL);
    return table_finish(table, err);
}

Table *sheet_table(unsigned channels, Error *err) {
    Table *table = table_new(err);
    table_column(table, "image", "", COLUMN_INTEGER);
    table_column(table, "caption", "", COLUMN_TEXT);
    if (table) add_places(table, channels);
    return table;
}

void sheet_add(Table *table, uint64_t image, const char *caption, const uint8_t *pixels, unsigned channels,
               unsigned height, unsigned width) {
    add_pixels(table, pixels, channels, height, width, &image, caption);
}
