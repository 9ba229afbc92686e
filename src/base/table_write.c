/* table_write -- a table as aligned text, CSV (quoting of RFC 4180), TSV, JSON (RFC 8259) and Markdown.
 *
 * TEXT shows numbers for people: a real column has one number of decimals, chosen so that its largest value shows six
 * digits, less the zeros that all its values end in; a column that mixes magnitudes too far for that shows each value
 * as %.6g. All other formats give each number the fewest of 9 to 17 digits that read back as the same double.
 */

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "utf8.h"
#include "weft/base/error.h"
#include "weft/base/memory.h"
#include "weft/base/table.h"
#include "weft/base/text.h"

enum { NUMBER_TEXT = 400 }; /* %.9f of the largest double has 319 characters */
enum { GENERAL = -1 };      /* as decimals: %.6g */
enum { GAP = 2, TEXT_LEAST = 4 };
#define ELLIPSIS "\xe2\x80\xa6" /* U+2026, one column */

/* ---- numbers ----------------------------------------------------------------------------------------------------- */

/* All digits of a finite number. */
static void exact_text(double value, char out[NUMBER_TEXT]) {
    for (int digits = 9; digits <= 17; digits++) {
        snprintf(out, NUMBER_TEXT, "%.*g", digits, value);
        if (strtod(out, NULL) == value) return;
    }
}

static void add_exact(Str *out, const Column *column, size_t row, const char *nan, const char *infinity) {
    char text[NUMBER_TEXT];
    double value = column->cells[row].real;
    if (column->type == COLUMN_INTEGER) {
        str_addf(out, "%" PRId64, column->cells[row].integer);
    } else if (isnan(value)) {
        str_add(out, nan);
    } else if (isinf(value)) {
        str_addf(out, "%s%s", value < 0 && *infinity == 'i' ? "-" : "", infinity);
    } else {
        exact_text(value, text);
        str_add(out, text);
    }
}

/* Zeros at the end of the decimals of `value`. */
static int trailing_zeros(double value, int decimals) {
    char text[NUMBER_TEXT];
    int length = snprintf(text, sizeof text, "%.*f", decimals, value), zeros = 0;
    while (zeros < decimals && text[length - 1 - zeros] == '0') zeros++;
    return zeros;
}

/* The decimals of a real column as people read it, or GENERAL. */
static int column_decimals(const Column *column, size_t rows) {
    double largest = 0, least = INFINITY;
    if (strcmp(column->unit, "%") == 0) return 3;
    for (size_t r = 0; r < rows; r++) {
        double size = fabs(column->cells[r].real);
        if (!isfinite(size) || size == 0) continue;
        if (size > largest) largest = size;
        if (size < least) least = size;
    }
    if (largest == 0) return 0;
    if (largest >= 1e15 || largest < 1e-4) return GENERAL;
    int decimals = 5 - (int)floor(log10(largest)), spare;
    if (decimals < 0) decimals = 0;
    spare = decimals;
    for (size_t r = 0; r < rows && spare > 0; r++) {
        double value = column->cells[r].real;
        int zeros = isfinite(value) ? trailing_zeros(value, decimals) : decimals;
        if (zeros < spare) spare = zeros;
    }
    /* The least value keeps two digits at least, or is shown exactly. */
    if (least < 10 * pow(10, -decimals)) {
        for (size_t r = 0; r < rows; r++) {
            char text[NUMBER_TEXT];
            double value = column->cells[r].real;
            snprintf(text, sizeof text, "%.*f", decimals, value);
            if (isfinite(value) && fabs(value) < 10 * pow(10, -decimals) &&
                fabs(strtod(text, NULL) - value) > 1e-6 * fabs(value)) {
                return GENERAL;
            }
        }
    }
    return decimals - spare;
}

/* A number with so many decimals, or %.6g; what rounds to zero loses its sign. */
static void add_rounded(Str *out, double value, int decimals) {
    char text[NUMBER_TEXT];
    if (decimals == GENERAL) {
        str_addf(out, "%.6g", value);
        return;
    }
    snprintf(text, sizeof text, "%.*f", decimals, value);
    bool zero = strspn(text, "-0.") == strlen(text);
    str_add(out, zero && text[0] == '-' ? text + 1 : text);
}

/* A cell as people read it, `decimals` being its column's. */
static void add_cell(Str *out, const Column *column, size_t row, int decimals) {
    Cell cell = column->cells[row];
    switch (column->type) {
    case COLUMN_TEXT:
        if (cell.text) str_add_escaped(out, cell.text, strlen(cell.text));
        break;
    case COLUMN_INTEGER:
        str_addf(out, "%" PRId64, cell.integer);
        break;
    case COLUMN_REAL:
        if (isnan(cell.real)) break;
        if (isinf(cell.real)) {
            str_add(out, cell.real < 0 ? "-inf" : "inf");
        } else {
            add_rounded(out, cell.real, decimals);
        }
        break;
    }
}

void table_cell_text(const Table *table, size_t column, size_t row, Str *out) {
    const Column *in = &table->columns[column];
    add_cell(out, in, row, in->type == COLUMN_REAL ? column_decimals(in, table->rows) : 0);
}

/* ---- TEXT -------------------------------------------------------------------------------------------------------- */

typedef struct Layout {
    size_t width; /* columns on the screen */
    int decimals;
} Layout;

static void empty(Str *str) {
    if (str->text) str->text[0] = '\0';
    str->length = 0;
}

/* "accuracy (%)"; "images_per_second" reads "images/s". */
static void add_heading(Str *out, const Column *column) {
    static const char rate[] = "_per_second";
    const size_t length = strlen(column->name), end = sizeof rate - 1;
    if (length > end && strcmp(column->name + length - end, rate) == 0) {
        str_add_escaped(out, column->name, length - end);
        str_add(out, "/s");
        return;
    }
    str_add_escaped(out, column->name, length);
    if (!*column->unit) return;
    str_add(out, " (");
    str_add_escaped(out, column->unit, strlen(column->unit));
    str_add(out, ")");
}

/* The columns that fit on a line of `width`, their text narrowed as far as it may be; where not all do, room is left
 * for the ellipsis that tells. Sets *left to the columns of the line that the chosen ones may fill. */
static size_t columns_shown(const Table *table, const Layout *layout, size_t width, size_t *left) {
    size_t line = 0, shown = 0;
    *left = width;
    for (size_t c = 0; c < table->column_count; c++) {
        bool text = table->columns[c].type == COLUMN_TEXT && layout[c].width > TEXT_LEAST;
        line += (text ? TEXT_LEAST : layout[c].width) + (c > 0 ? GAP : 0);
        if (line <= width && width - line >= GAP + 1) shown = c + 1;
    }
    if (line <= width) return table->column_count;
    *left = width > GAP + 1 ? width - GAP - 1 : 0;
    return shown;
}

/* Takes from the widest text column until the first `shown` columns fit on a line of `width`. */
static void narrow(const Table *table, Layout *layout, size_t shown, size_t width) {
    size_t line = 0;
    for (size_t c = 0; c < shown; c++) line += layout[c].width + (c > 0 ? GAP : 0);
    for (; line > width; line--) {
        Layout *widest = NULL;
        for (size_t c = 0; c < shown; c++) {
            bool text = table->columns[c].type == COLUMN_TEXT;
            if (text && (!widest || layout[c].width > widest->width)) widest = &layout[c];
        }
        widest->width--; /* there is one: columns_shown has seen that the line fits */
    }
}

/* Adds `text` in `width` columns, shortened with an ellipsis where it is longer. */
static void add_fitted(Str *out, const char *text, size_t width, bool right) {
    size_t columns = text_columns(text), start = out->length;
    if (columns > width) {
        str_add_bytes(out, text, text_fit(text, width - 1));
        str_add(out, ELLIPSIS);
        columns = out->failed ? width : text_columns(out->text + start); /* a wide character may leave one open */
    } else {
        if (right) str_addf(out, "%*s", (int)(width - columns), "");
        str_add(out, text);
    }
    if (!right && columns < width) str_addf(out, "%*s", (int)(width - columns), "");
}

/* Ends a line without the blanks it ends in; nothing before `start` belongs to it. */
static void end_line(Str *out, size_t start) {
    if (out->failed) return;
    while (out->length > start && out->text[out->length - 1] == ' ') out->length--;
    str_add(out, "\n");
}

/* One line: a row, or the heading where row == table->rows. */
static void add_line(const Table *table, const Layout *layout, size_t shown, size_t row, Str *scratch, Str *out) {
    size_t start = out->length;
    for (size_t c = 0; c < shown; c++) {
        const Column *column = &table->columns[c];
        empty(scratch);
        if (row == table->rows)
            add_heading(scratch, column);
        else
            add_cell(scratch, column, row, layout[c].decimals);
        if (c > 0) str_addf(out, "%*s", GAP, "");
        add_fitted(out, str_text(scratch), layout[c].width, column->type != COLUMN_TEXT);
    }
    if (shown < table->column_count) str_add(out, shown > 0 ? "  " ELLIPSIS : ELLIPSIS);
    end_line(out, start);
}

static void write_text(const Table *table, size_t width, Str *out) {
    Error ignored;
    Str scratch = {0};
    Layout *layout = mem_alloc(table->column_count, sizeof *layout, &ignored);
    if (!layout) {
        out->failed = true;
        return;
    }
    for (size_t c = 0; c < table->column_count; c++) {
        const Column *column = &table->columns[c];
        if (column->type == COLUMN_REAL) layout[c].decimals = column_decimals(column, table->rows);
        empty(&scratch);
        add_heading(&scratch, column);
        layout[c].width = text_columns(str_text(&scratch));
        for (size_t r = 0; r < table->rows; r++) {
            empty(&scratch);
            add_cell(&scratch, column, r, layout[c].decimals);
            size_t columns = text_columns(str_text(&scratch));
            if (columns > layout[c].width) layout[c].width = columns;
        }
    }
    size_t shown = table->column_count, left;
    if (width > 0) {
        shown = columns_shown(table, layout, width, &left);
        narrow(table, layout, shown, left);
    }
    if (table->column_count > 0) add_line(table, layout, shown, table->rows, &scratch, out);
    for (size_t r = 0; r < table->rows; r++) add_line(table, layout, shown, r, &scratch, out);
    if (scratch.failed) out->failed = true;
    str_done(&scratch);
    mem_free(layout);
}

/* ---- CSV, TSV, Markdown ------------------------------------------------------------------------------------------ */

static void add_csv(Str *out, const char *text) {
    if (!strpbrk(text, "\",\r\n")) {
        str_add(out, text);
        return;
    }
    str_add(out, "\"");
    for (; *text; text++) str_add_bytes(out, *text == '"' ? "\"\"" : text, *text == '"' ? 2 : 1);
    str_add(out, "\"");
}

/* A tab, line end or backslash within a field: \t \n \r \\. */
static void add_tsv(Str *out, const char *text) {
    for (; *text; text++) {
        switch (*text) {
        case '\t':
            str_add(out, "\\t");
            break;
        case '\n':
            str_add(out, "\\n");
            break;
        case '\r':
            str_add(out, "\\r");
            break;
        case '\\':
            str_add(out, "\\\\");
            break;
        default:
            str_add_bytes(out, text, 1);
        }
    }
}

static void add_markdown(Str *out, const char *text) {
    for (; *text; text++) {
        if (*text == '|' || *text == '\\') str_add(out, "\\");
        str_add_bytes(out, *text == '\n' || *text == '\r' ? " " : text, 1);
    }
}

static bool is_empty(const Column *column, size_t row) {
    return column->type == COLUMN_TEXT && (!column->cells[row].text || !*column->cells[row].text);
}

static void write_separated(const Table *table, const char *separator, void (*add)(Str *, const char *), Str *out) {
    /* In CSV, readers skip a line with nothing on it: a lone empty cell is quoted. */
    bool quote_empty = add == add_csv && table->column_count == 1;
    for (size_t c = 0; c < table->column_count; c++) {
        if (c > 0) str_add(out, separator);
        add(out, table->columns[c].name);
    }
    if (table->column_count > 0) str_add(out, "\n");
    for (size_t r = 0; r < table->rows; r++) {
        for (size_t c = 0; c < table->column_count; c++) {
            const Column *column = &table->columns[c];
            if (c > 0) str_add(out, separator);
            if (column->type != COLUMN_TEXT)
                add_exact(out, column, r, "nan", "inf");
            else if (column->cells[r].text)
                add(out, column->cells[r].text);
        }
        if (quote_empty && is_empty(&table->columns[0], r)) str_add(out, "\"\"");
        str_add(out, "\n");
    }
}

static void write_markdown(const Table *table, Str *out) {
    for (size_t c = 0; c < table->column_count; c++) {
        const Column *column = &table->columns[c];
        str_add(out, "| ");
        add_markdown(out, column->name);
        if (*column->unit) {
            str_add(out, " (");
            add_markdown(out, column->unit);
            str_add(out, ")");
        }
        str_add(out, " ");
    }
    if (table->column_count > 0) str_add(out, "|\n");
    for (size_t c = 0; c < table->column_count; c++) {
        str_add(out, table->columns[c].type == COLUMN_TEXT ? "| --- " : "| ---: ");
    }
    if (table->column_count > 0) str_add(out, "|\n");
    for (size_t r = 0; r < table->rows; r++) {
        for (size_t c = 0; c < table->column_count; c++) {
            const Column *column = &table->columns[c];
            str_add(out, "| ");
            if (column->type != COLUMN_TEXT)
                add_exact(out, column, r, "", "inf");
            else if (column->cells[r].text)
                add_markdown(out, column->cells[r].text);
            str_add(out, " ");
        }
        str_add(out, "|\n");
    }
}

/* ---- JSON -------------------------------------------------------------------------------------------------------- */

static void add_json(Str *out, const char *text) {
    if (!text) {
        str_add(out, "null");
        return;
    }
    size_t length = strlen(text);
    str_add(out, "\"");
    for (size_t at = 0; at < length && !out->failed;) {
        uint32_t code = 0;
        size_t used = utf8_decode(text + at, length - at, &code);
        if (used == 0) {
            str_add(out, "\xef\xbf\xbd"); /* U+FFFD for a byte that is not UTF-8 */
            used = 1;
        } else if (code == '"' || code == '\\') {
            str_addf(out, "\\%c", (int)code);
        } else if (utf8_unsafe(code)) {
            str_addf(out, "\\u%04x", code);
        } else {
            str_add_bytes(out, text + at, used);
        }
        at += used;
    }
    str_add(out, "\"");
}

/* Whether `text` is a number as JSON writes it, and a finite one; a note such as "007" or "0x1f" is none. */
static bool json_number(const char *text) {
    static const char digits[] = "0123456789";
    const char *at = text + (*text == '-');
    const size_t whole = strspn(at, digits);
    if (whole == 0 || (whole > 1 && *at == '0')) return false;
    at += whole;
    if (*at == '.') {
        const size_t decimals = strspn(++at, digits);
        if (decimals == 0) return false;
        at += decimals;
    }
    if (*at == 'e' || *at == 'E') {
        at += 1 + (at[1] == '-' || at[1] == '+');
        const size_t exponent = strspn(at, digits);
        if (exponent == 0) return false;
        at += exponent;
    }
    return *at == '\0' && isfinite(strtod(text, NULL));
}

/* Notes are kept as texts: those that are numbers are written as such, NaN and infinity, which JSON lacks, as null. */
static void add_json_note(Str *out, const char *value) {
    static const char *const none[] = {"nan", "-nan", "inf", "-inf"};
    for (size_t i = 0; i < sizeof none / sizeof *none; i++)
        if (strcmp(value, none[i]) == 0) value = NULL, i = sizeof none / sizeof *none;
    if (value && json_number(value))
        str_add(out, value);
    else
        add_json(out, value);
}

static void write_json(const Table *table, Str *out) {
    static const char *const types[] = {[COLUMN_TEXT] = "text", [COLUMN_INTEGER] = "integer", [COLUMN_REAL] = "real"};
    str_add(out, "{\"notes\":{");
    for (size_t i = 0; i < table->note_count; i++) {
        if (i > 0) str_add(out, ",");
        add_json(out, table->notes[i].key);
        str_add(out, ":");
        add_json_note(out, table->notes[i].value);
    }
    str_add(out, "},\n\"columns\":[");
    for (size_t c = 0; c < table->column_count; c++) {
        str_add(out, c > 0 ? ",{\"name\":" : "{\"name\":");
        add_json(out, table->columns[c].name);
        str_add(out, ",\"unit\":");
        add_json(out, table->columns[c].unit);
        str_addf(out, ",\"type\":\"%s\"}", types[table->columns[c].type]);
    }
    str_add(out, "],\n\"rows\":[");
    for (size_t r = 0; r < table->rows; r++) {
        str_add(out, r > 0 ? ",\n{" : "\n{");
        for (size_t c = 0; c < table->column_count; c++) {
            const Column *column = &table->columns[c];
            if (c > 0) str_add(out, ",");
            add_json(out, column->name);
            str_add(out, ":");
            if (column->type == COLUMN_TEXT)
                add_json(out, column->cells[r].text);
            else
                add_exact(out, column, r, "null", "null");
        }
        str_add(out, "}");
    }
    str_add(out, "]}\n");
}

void table_write(const Table *table, TableFormat format, size_t width, Str *out) {
    switch (format) {
    case TABLE_TEXT:
        write_text(table, width, out);
        break;
    case TABLE_CSV:
        write_separated(table, ",", add_csv, out);
        break;
    case TABLE_TSV:
        write_separated(table, "\t", add_tsv, out);
        break;
    case TABLE_JSON:
        write_json(table, out);
        break;
    case TABLE_MARKDOWN:
        write_markdown(table, out);
        break;
    }
}
