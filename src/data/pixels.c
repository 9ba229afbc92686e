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

Table *pixels_table(const uint8_t *pixels, unsigned channels, unsigned height, unsigned width, Error *err) {
    const size_t area = (size_t)height * width;
    Table *table = table_new(err);
    if (!table) return NULL;
    table_column(table, "row", "", COLUMN_INTEGER);
    table_column(table, "column", "", COLUMN_INTEGER);
    add_channels(table, channels);
    for (size_t i = 0; i < area; i++) {
        table_integer(table, (int64_t)(i / width));
        table_integer(table, (int64_t)(i % width));
        for (unsigned c = 0; c < channels; c++) table_integer(table, pixels[c * area + i]);
        if (channels == 3)
            table_real(table, 0.299 * pixels[i] + 0.587 * pixels[area + i] + 0.114 * pixels[2 * area + i]);
    }
    return table_finish(table, err);
}
