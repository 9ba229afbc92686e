/* table_join -- Tables side by side, matched by keys.
 *
 * Every row of every table gets the number of its key. A row of the result is one row of each table, all of the same
 * key; NO_ROW where a table has none. The same walk counts these rows first and then writes them.
 */
#include <math.h>
#include <string.h>

#include "table_keys.h"
#include "weft/base/error.h"
#include "weft/base/memory.h"
#include "weft/base/size.h"
#include "weft/base/table.h"
#include "weft/base/table_ops.h"
#include "weft/base/text.h"

#define NO_ROW SIZE_MAX

/* The rows of each key of one table: rows[start[key]] to rows[start[key + 1] - 1], in the table's order. */
typedef struct Buckets {
    size_t *start, *rows;
} Buckets;

/* Where a column of the result comes from. */
typedef struct Origin {
    size_t table;
    const Column *column;
} Origin;

typedef struct Joining {
    const TableJoin *join;
    const Column **by; /* tables x by_count */
    Keys keys;
    Buckets *buckets; /* of each table */
    bool *padded;     /* of each table: some row of the result has none of its rows */
    bool **used;      /* of each table's rows: it is in the result */
    Origin *origins;  /* of the result's columns behind the keys */
    size_t origin_count;
    size_t *tuple; /* one row of each table */
    Table *out;
} Joining;

/* ---- keys -------------------------------------------------------------------------------------------------------- */

static bool find_keys(Joining *j, Error *err) {
    const TableJoin *join = j->join;
    j->by = mem_alloc(join->count, join->by_count * sizeof *j->by, err);
    if (!j->by) return false;
    for (size_t t = 0; t < join->count; t++) {
        for (size_t k = 0; k < join->by_count; k++) {
            const Column *column = table_need(join->tables[t], join->names[t], join->by[k], err), *first = j->by[k];
            if (!column) return false;
            j->by[t * join->by_count + k] = column;
            if (t && (first->type == COLUMN_TEXT) != (column->type == COLUMN_TEXT))
                return error_set(err, STATUS_USAGE, "column '%s' holds %s in '%s', %s in '%s'", join->by[k],
                                 first->type == COLUMN_TEXT ? "texts" : "numbers", join->names[0],
                                 first->type == COLUMN_TEXT ? "numbers" : "texts", join->names[t]);
        }
    }
    return keys_number(join->tables, join->count, j->by, join->by_count, &j->keys, err);
}

static bool fill_buckets(Joining *j, size_t t, Error *err) {
    const size_t rows = j->join->tables[t]->rows, keys = j->keys.count;
    Buckets *b = &j->buckets[t];
    b->start = mem_alloc((uint64_t)keys + 2, sizeof *b->start, err);
    b->rows = mem_alloc(rows, sizeof *b->rows, err);
    j->used[t] = mem_alloc(rows, sizeof *j->used[t], err);
    if (!b->start || !b->rows || !j->used[t]) return false;
    size_t *next = b->start + 1; /* of key k: where its next row goes; in the end its end, the start of k + 1 */
    for (size_t r = 0; r < rows; r++) next[j->keys.ids[t][r] + 1]++;
    for (size_t k = 0; k < keys; k++) next[k + 1] += next[k];
    for (size_t r = 0; r < rows; r++) b->rows[next[j->keys.ids[t][r]]++] = r;
    return true;
}

static size_t rows_of(const Joining *j, size_t t, size_t key) {
    return j->buckets[t].start[key + 1] - j->buckets[t].start[key];
}

/* ---- the walk ---------------------------------------------------------------------------------------------------- */

/* How many rows tables `first` and on give to one row of the tables before them; 0: the key is not kept. */
static bool combinations(const Joining *j, size_t first, size_t key, uint64_t *count) {
    *count = 1;
    for (size_t t = first; t < j->join->count; t++) {
        const size_t rows = rows_of(j, t, key);
        if (rows == 0 && j->join->keep == KEEP_COMMON) *count = 0;
        if (rows > 0 && !size_mul(*count, rows, count)) return false;
    }
    return true;
}

/* The first table that has the key. */
static size_t first_with(const Joining *j, size_t key) {
    size_t t = 0;
    while (rows_of(j, t, key) == 0) t++;
    return t;
}

static bool count_rows(Joining *j, uint64_t *rows) {
    const TableJoin *join = j->join;
    *rows = 0;
    for (size_t key = 0; key < j->keys.count; key++) {
        const size_t first = first_with(j, key);
        uint64_t more = 0;
        if (first > 0 && join->keep != KEEP_ALL) continue;
        if (!combinations(j, first + 1, key, &more) || !size_mul(more, rows_of(j, first, key), &more) ||
            *rows + more < more)
            return false;
        *rows += more;
        for (size_t t = 0; t < join->count && more; t++) j->padded[t] = j->padded[t] || rows_of(j, t, key) == 0;
    }
    return true;
}

static void write_row(Joining *j, size_t key_table) {
    const TableJoin *join = j->join;
    for (size_t k = 0; k < join->by_count; k++)
        cell_add(j->out, j->out->columns[k].type, j->by[key_table * join->by_count + k], j->tuple[key_table]);
    for (size_t i = 0; i < j->origin_count; i++) {
        const Origin *origin = &j->origins[i];
        const size_t row = j->tuple[origin->table];
        cell_add(j->out, j->out->columns[join->by_count + i].type, row == NO_ROW ? NULL : origin->column, row);
    }
    for (size_t t = 0; t < join->count; t++)
        if (j->tuple[t] != NO_ROW) j->used[t][j->tuple[t]] = true;
}

/* All combinations of rows of the tables behind `first`, the last table's changing fastest. */
static void write_combinations(Joining *j, size_t first, size_t key, uint64_t count) {
    for (uint64_t i = 0; i < count; i++) {
        uint64_t rest = i;
        for (size_t t = j->join->count; t-- > first + 1;) {
            const size_t rows = rows_of(j, t, key);
            j->tuple[t] = rows ? j->buckets[t].rows[j->buckets[t].start[key] + rest % rows] : NO_ROW;
            if (rows) rest /= rows;
        }
        write_row(j, first);
    }
}

static void write_rows(Joining *j) {
    const size_t tables = j->join->keep == KEEP_ALL ? j->join->count : 1;
    for (size_t t = 0; t < tables; t++) {
        for (size_t r = 0; r < j->join->tables[t]->rows; r++) {
            const size_t key = j->keys.ids[t][r];
            uint64_t count;
            if (first_with(j, key) != t || !combinations(j, t + 1, key, &count)) continue;
            for (size_t before = 0; before < t; before++) j->tuple[before] = NO_ROW;
            j->tuple[t] = r;
            write_combinations(j, t, key, count);
        }
    }
}

/* ---- columns ----------------------------------------------------------------------------------------------------- */

static bool is_key(const TableJoin *join, const char *name) {
    for (size_t k = 0; k < join->by_count; k++)
        if (strcmp(join->by[k], name) == 0) return true;
    return false;
}

static bool is_taken(const TableJoin *join, const char *name) {
    bool taken = join->column_count == 0;
    for (size_t i = 0; i < join->column_count && !taken; i++) taken = strcmp(join->columns[i], name) == 0;
    return taken && !is_key(join, name);
}

/* A column that is asked for is in one of the tables; if it is in none, the first table says what there is. */
static bool check_taken(const TableJoin *join, Error *err) {
    for (size_t i = 0; i < join->column_count; i++) {
        bool there = false;
        for (size_t t = 0; t < join->count; t++) there = there || table_find(join->tables[t], join->columns[i]);
        if (!there) return table_need(join->tables[0], join->names[0], join->columns[i], err) != NULL;
    }
    return true;
}

static void add_suffix(Str *name, const char *table) {
    str_add(name, "_");
    for (; *table; table++) {
        const bool plain = (*table >= '0' && *table <= '9') || (*table >= 'a' && *table <= 'z') ||
                           (*table >= 'A' && *table <= 'Z') || *table == '_';
        str_add_bytes(name, plain ? table : "_", 1);
    }
}

static void add_column(Joining *j, size_t t, const Column *column) {
    const TableJoin *join = j->join;
    Str name = {0}, unused = {0};
    size_t owners = 0;
    for (size_t i = 0; i < join->count; i++) owners += table_find(join->tables[i], column->name) != NULL;
    str_add(&name, column->name);
    if (owners > 1) add_suffix(&name, join->names[t]);
    name_unused(j->out, str_text(&name), &unused);
    const bool real = column->type == COLUMN_INTEGER && j->padded[t];
    table_column(j->out, str_text(&unused), column->unit, real ? COLUMN_REAL : column->type);
    if (name.failed || unused.failed) j->out->failed = true;
    j->origins[j->origin_count++] = (Origin){t, column};
    str_done(&name);
    str_done(&unused);
}

static bool lay_out(Joining *j, Error *err) {
    const TableJoin *join = j->join;
    size_t most = 0;
    for (size_t t = 0; t < join->count; t++) most += join->tables[t]->column_count;
    j->origins = mem_alloc(most, sizeof *j->origins, err);
    j->out = j->origins ? table_new(err) : NULL;
    if (!j->out) return false;
    for (size_t k = 0; k < join->by_count; k++) {
        ColumnType type = j->by[k]->type;
        for (size_t t = 1; t < join->count; t++)
            if (j->by[t * join->by_count + k]->type == COLUMN_REAL) type = COLUMN_REAL;
        table_column(j->out, join->by[k], j->by[k]->unit, type);
    }
    for (size_t t = 0; t < join->count; t++)
        for (size_t c = 0; c < join->tables[t]->column_count; c++) {
            const Column *column = &join->tables[t]->columns[c];
            if (is_taken(join, column->name)) add_column(j, t, column);
        }
    return !j->out->failed || error_set(err, STATUS_LIMIT, "out of memory for a table");
}

/* ---- notes ------------------------------------------------------------------------------------------------------- */

static void add_key_text(const Joining *j, size_t key, Str *out) {
    const size_t t = first_with(j, key), row = j->buckets[t].rows[j->buckets[t].start[key]];
    for (size_t k = 0; k < j->join->by_count; k++) {
        const Column *column = j->by[t * j->join->by_count + k];
        if (k) str_add(out, ", ");
        table_cell_text(j->join->tables[t], (size_t)(column - j->join->tables[t]->columns), row, out);
    }
}

static void note_repeated(Joining *j) {
    for (size_t key = 0; key < j->keys.count; key++) {
        size_t several = 0;
        for (size_t t = 0; t < j->join->count; t++) several += rows_of(j, t, key) > 1;
        if (several < 2) continue;
        Str text = {0};
        add_key_text(j, key, &text);
        str_add(&text, ":");
        for (size_t t = 0, n = 0; t < j->join->count; t++)
            if (rows_of(j, t, key) > 1)
                str_addf(&text, "%s %zu rows of %s", n++ ? "," : "", rows_of(j, t, key), j->join->names[t]);
        table_note(j->out, "repeated", "%s; every combination is a row", str_text(&text));
        if (text.failed) j->out->failed = true;
        str_done(&text);
        return;
    }
}

static void note_unmatched(Joining *j) {
    Str text = {0};
    for (size_t t = 0; t < j->join->count; t++) {
        size_t left = 0;
        for (size_t r = 0; r < j->join->tables[t]->rows; r++) left += !j->used[t][r];
        if (left)
            str_addf(&text, "%s%zu row%s of %s", text.length ? ", " : "", left, left == 1 ? "" : "s",
                     j->join->names[t]);
    }
    if (text.length) table_note(j->out, "unmatched", "%s", str_text(&text));
    if (text.failed) j->out->failed = true;
    str_done(&text);
}

/* ---- all of it --------------------------------------------------------------------------------------------------- */

static bool fits(const Joining *j, uint64_t rows, Error *err) {
    uint64_t bytes;
    if (size_mul(rows, sizeof(Cell) * (j->origin_count + j->join->by_count), &bytes) && bytes <= mem_budget())
        return true;
    return error_set(err, STATUS_LIMIT, "the join would have %llu rows, more than --max-memory allows",
                     (unsigned long long)rows);
}

static bool join_all(Joining *j, Error *err) {
    const size_t count = j->join->count;
    if (!check_taken(j->join, err) || !find_keys(j, err)) return false;
    j->buckets = mem_alloc(count, sizeof *j->buckets, err);
    j->padded = mem_alloc(count, sizeof *j->padded, err);
    j->used = mem_alloc(count, sizeof *j->used, err);
    j->tuple = mem_alloc(count, sizeof *j->tuple, err);
    bool ok = j->buckets && j->padded && j->used && j->tuple;
    for (size_t t = 0; ok && t < count; t++) ok = fill_buckets(j, t, err);
    uint64_t rows;
    if (!ok) return false;
    if (!count_rows(j, &rows)) return error_set(err, STATUS_LIMIT, "the join would have more rows than can be counted");
    if (!lay_out(j, err) || !fits(j, rows, err)) return false;
    write_rows(j);
    notes_share(j->out, j->join->tables, j->join->names, count);
    note_unmatched(j);
    note_repeated(j);
    return true;
}

Table *table_join(const TableJoin *join, Error *err) {
    Joining j = {.join = join};
    Table *out = NULL;
    if (join_all(&j, err))
        out = table_finish(j.out, err);
    else
        table_free(j.out);
    for (size_t t = 0; t < join->count; t++) {
        if (j.buckets) mem_free(j.buckets[t].start);
        if (j.buckets) mem_free(j.buckets[t].rows);
        if (j.used) mem_free(j.used[t]);
    }
    mem_free(j.by);
    mem_free(j.buckets);
    mem_free(j.padded);
    mem_free(j.used);
    mem_free(j.origins);
    mem_free(j.tuple);
    keys_done(&j.keys);
    return out;
}
