/* table_write -- a table as CSV (quoting of RFC 4180), TSV, JSON (RFC 8259) and Markdown; TEXT is in table_text.c. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "table_cells.h"
#include "utf8.h"
#include "weft/base/error.h"
#include "weft/base/memory.h"
#include "weft/base/table.h"
#include "weft/base/text.h"

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
                cell_add_exact(out, column, r, "nan", "inf");
            else if (column->cells[r].text)
                add(out, column->cells[r].text);
        }
        if (quote_empty && is_empty(&table->columns[0], r)) str_add(out, "\"\"");
        str_add(out, "\n");
    }
}

/* Numbers as in TEXT: Markdown is for people, too. */
static void write_markdown(const Table *table, Str *out) {
    Error ignored;
    int *decimals = mem_alloc(table->column_count, sizeof *decimals, &ignored);
    if (!decimals) {
        out->failed = true;
        return;
    }
    for (size_t c = 0; c < table->column_count; c++) decimals[c] = cell_decimals(&table->columns[c], table->rows);
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
                cell_add_shown(out, column, r, decimals[c]);
            else if (column->cells[r].text)
                add_markdown(out, column->cells[r].text);
            str_add(out, " ");
        }
        str_add(out, "|\n");
    }
    mem_free(decimals);
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
                cell_add_exact(out, column, r, "null", "null");
        }
        str_add(out, "}");
    }
    str_add(out, "]}\n");
}

void table_write(const Table *table, TableFormat format, size_t width, Str *out) {
    switch (format) {
    case TABLE_TEXT:
        table_write_part(table, width, table->rows, 0, out);
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
