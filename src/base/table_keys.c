/* table_keys -- see table_keys.h. */
#include "table_keys.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "weft/base/error.h"
#include "weft/base/memory.h"
#include "weft/base/table_ops.h"
#include "weft/base/text.h"

/* ---- cells ------------------------------------------------------------------------------------------------------- */

bool cell_there(const Column *column, size_t row) {
    const Cell cell = column->cells[row];
    return column->type == COLUMN_TEXT ? cell.text != NULL : column->type == COLUMN_INTEGER || !isnan(cell.real);
}

static double number_of(const Column *column, size_t row) {
    return column->type == COLUMN_REAL ? column->cells[row].real : (double)column->cells[row].integer;
}

void cell_add(Table *to, ColumnType type, const Column *from, size_t row) {
    if (type == COLUMN_TEXT)
        table_text(to, from ? from->cells[row].text : NULL);
    else if (type == COLUMN_INTEGER)
        table_integer(to, from->cells[row].integer);
    else
        table_real(to, from ? number_of(from, row) : NAN);
}

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

/* Two runs of digits by value; both are moved past. Leading zeros do not count. */
static int compare_digits(const char **a, const char **b) {
    while (**a == '0') ++*a;
    while (**b == '0') ++*b;
    size_t la = 0, lb = 0;
    while (is_digit((*a)[la])) la++;
    while (is_digit((*b)[lb])) lb++;
    const int order = la != lb ? (la < lb ? -1 : 1) : strncmp(*a, *b, la);
    *a += la;
    *b += lb;
    return order;
}

int table_natural_order(const char *a, const char *b) {
    const char *x = a, *y = b;
    while (*x && *y) {
        if (is_digit(*x) && is_digit(*y)) {
            const int order = compare_digits(&x, &y);
            if (order) return order;
        } else if (*x != *y) {
            return (unsigned char)*x < (unsigned char)*y ? -1 : 1;
        } else {
            x++, y++;
        }
    }
    if (*x || *y) return *x ? 1 : -1;
    return strcmp(a, b); /* 1 and 01 differ, but little */
}

int cell_compare(const Column *a, size_t row_a, const Column *b, size_t row_b) {
    const bool there_a = cell_there(a, row_a), there_b = cell_there(b, row_b);
    if (!there_a || !there_b) return there_a ? -1 : there_b;
    const Cell x = a->cells[row_a], y = b->cells[row_b];
    if (a->type == COLUMN_TEXT) return table_natural_order(x.text, y.text);
    if (a->type == COLUMN_INTEGER && b->type == COLUMN_INTEGER)
        return x.integer < y.integer ? -1 : x.integer > y.integer;
    const double u = number_of(a, row_a), v = number_of(b, row_b);
    return u < v ? -1 : u > v;
}

/* ---- order ------------------------------------------------------------------------------------------------------- */

/* Merges two sorted runs of `from` into `to`; of equal items the one of the first run comes first. */
static void merge(const size_t *from, size_t begin, size_t middle, size_t end, size_t *to, ItemCompare *compare,
                  const void *context) {
    size_t a = begin, b = middle;
    for (size_t i = begin; i < end; i++)
        to[i] = a < middle && (b >= end || compare(context, from[a], from[b]) <= 0) ? from[a++] : from[b++];
}

bool sort_stable(size_t *items, size_t count, ItemCompare *compare, const void *context, Error *err) {
    size_t *spare = mem_alloc(count, sizeof *spare, err), *from = items, *to = spare;
    if (!spare) return false;
    for (size_t width = 1; width < count; width *= 2) {
        for (size_t begin = 0; begin < count; begin += 2 * width) {
            const size_t middle = begin + width < count ? begin + width : count;
            const size_t end = middle + width < count ? middle + width : count;
            merge(from, begin, middle, end, to, compare, context);
        }
        size_t *swap = from;
        from = to;
        to = swap;
    }
    if (from != items) memcpy(items, from, count * sizeof *items);
    mem_free(spare);
    return true;
}

/* ---- keys -------------------------------------------------------------------------------------------------------- */

typedef struct KeyRows {
    const Column *const *by;
    size_t by_count;
    const size_t *table, *row; /* of each item */
} KeyRows;

static int compare_keys(const void *context, size_t a, size_t b) {
    const KeyRows *rows = context;
    for (size_t k = 0; k < rows->by_count; k++) {
        const int order = cell_compare(rows->by[rows->table[a] * rows->by_count + k], rows->row[a],
                                       rows->by[rows->table[b] * rows->by_count + k], rows->row[b]);
        if (order) return order;
    }
    return 0;
}

/* From sorted items to numbers in the order of first occurrence: stable sorting puts a key's first item first. */
static bool number_sorted(const size_t *order, size_t count, const KeyRows *rows, Keys *out, Error *err) {
    size_t *first = mem_alloc(count, sizeof *first, err);
    if (!first) return false;
    for (size_t i = 0; i < count; i++)
        first[order[i]] = i > 0 && compare_keys(rows, order[i - 1], order[i]) == 0 ? first[order[i - 1]] : order[i];
    for (size_t i = 0; i < count; i++) out->all[i] = first[i] == i ? out->count++ : out->all[first[i]];
    mem_free(first);
    return true;
}

bool keys_number(const Table *const *tables, size_t table_count, const Column *const *by, size_t by_count, Keys *out,
                 Error *err) {
    size_t count = 0, next = 0;
    *out = (Keys){0};
    for (size_t t = 0; t < table_count; t++) count += tables[t]->rows;
    size_t *of = mem_alloc(count, 3 * sizeof *of, err);
    out->all = mem_alloc(count, sizeof *out->all, err);
    out->ids = mem_alloc(table_count, sizeof *out->ids, err);
    bool ok = of && out->all && out->ids;
    for (size_t t = 0; ok && t < table_count; t++) {
        out->ids[t] = out->all + next;
        for (size_t r = 0; r < tables[t]->rows; r++, next++) {
            of[next] = t;
            of[count + next] = r;
            of[2 * count + next] = next;
        }
    }
    if (ok) {
        const KeyRows rows = {by, by_count, of, of + count};
        ok = sort_stable(of + 2 * count, count, compare_keys, &rows, err) &&
             number_sorted(of + 2 * count, count, &rows, out, err);
    }
    mem_free(of);
    if (!ok) keys_done(out);
    return ok;
}

void keys_done(Keys *keys) {
    mem_free(keys->all);
    mem_free(keys->ids);
    *keys = (Keys){0};
}

/* ---- notes and names --------------------------------------------------------------------------------------------- */

/* How a table was made: "sratio base | sort last s_ratio". */
static void add_lineage(const Table *table, Str *out) {
    const char *from = table_get_note(table, "from"), *command = table_get_note(table, "command");
    if (from) str_add(out, from);
    if (command) str_addf(out, "%s%s", from ? " | " : "", command);
}

static void note_text(Table *to, const char *key, const Str *text) {
    if (text->failed)
        to->failed = true;
    else if (text->length)
        table_note(to, key, "%s", text->text);
}

/* A note that is as true of some of the rows as of all. */
static bool of_any_rows(const TableNote *note) {
    double number;
    return strcmp(note->key, "seed") == 0 || (!text_to_double(note->value, &number) && strcmp(note->key, "means") != 0);
}

static bool of_lineage(const TableNote *note) {
    return strcmp(note->key, "from") == 0 || strcmp(note->key, "command") == 0;
}

void notes_inherit(Table *to, const Table *from, bool all_rows) {
    if (!to) return;
    Str lineage = {0};
    for (size_t i = 0; i < from->note_count; i++) {
        const TableNote *note = &from->notes[i];
        if (!of_lineage(note) && (all_rows || of_any_rows(note))) table_note(to, note->key, "%s", note->value);
    }
    add_lineage(from, &lineage);
    note_text(to, "from", &lineage);
    str_done(&lineage);
}

void notes_share(Table *to, const Table *const *tables, const char *const *names, size_t count) {
    if (!to) return;
    Str lineage = {0};
    for (size_t i = 0; i < tables[0]->note_count; i++) {
        const TableNote *note = &tables[0]->notes[i];
        bool shared = !of_lineage(note) && of_any_rows(note);
        for (size_t t = 1; t < count && shared; t++) {
            const char *other = table_get_note(tables[t], note->key);
            shared = other && strcmp(other, note->value) == 0;
        }
        if (shared) table_note(to, note->key, "%s", note->value);
    }
    for (size_t t = 0; t < count; t++) {
        str_addf(&lineage, "%s%s: ", t ? "; " : "", names[t]);
        add_lineage(tables[t], &lineage);
    }
    note_text(to, "from", &lineage);
    str_done(&lineage);
}

void name_unused(const Table *table, const char *name, Str *out) {
    const size_t begin = out->length;
    str_add(out, name);
    for (unsigned n = 2; table && !out->failed && table_find(table, out->text + begin); n++) {
        out->length = begin;
        str_addf(out, "%s_%u", name, n);
    }
}
