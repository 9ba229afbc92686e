/* sheet -- see sheet.h. */
#include "sheet.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "weft/base/error.h"
#include "weft/base/memory.h"
#include "weft/base/table.h"
#include "weft/base/text.h"

Sheet sheet_of(const Object *object) {
    Sheet sheet = {.table = object->table,
                   .encoding = object->redraws ? object->redrawn : object->encoding,
                   .plots = object->plots || object->redraws};
    sheet_name(&sheet, object->name);
    return sheet;
}

void sheet_name(Sheet *sheet, const char *name) {
    snprintf(sheet->name, sizeof sheet->name, "%s", name);
}

/* As errors have it. */
static const char *called(const Sheet *sheet) {
    return *sheet->name ? sheet->name : NULL;
}

void sheet_result(const Sheet *sheet, Result *result) {
    result->table = sheet->table;
    result->encoding = sheet->encoding;
    result->plots = sheet->plots;
}

bool sheet_list(const char *text, const char *what, Words *out, Error *err) {
    *out = (Words){0};
    bool ok = true;
    for (bool more = true; ok && more;) {
        const size_t length = strcspn(text, ",");
        Str name = {0};
        str_add_bytes(&name, text, length);
        ok = str_ok(&name, err);
        if (ok && length == 0) ok = error_set(err, STATUS_USAGE, "%s: an empty name", what);
        for (size_t i = 0; ok && i < out->count; i++)
            if (strcmp(out->word[i], name.text) == 0)
                ok = error_set(err, STATUS_USAGE, "%s: %s is given twice", what, name.text);
        ok = ok && words_add(out, name.text, err);
        str_done(&name);
        more = text[length] == ',';
        text += length + more;
    }
    if (!ok) words_done(out);
    return ok;
}

/* ---- charts ------------------------------------------------------------------------------------------------------ */

static bool draws(const Table *table, const Encoding *encoding) {
    Error ignored;
    Chart *chart = chart_new(table, encoding, &ignored);
    chart_free(chart);
    return chart != NULL;
}

/* The chart that was wished for if the table has it, else a guess with its title. */
static void settle(Sheet *sheet) {
    Encoding guess;
    if (sheet->plots && draws(sheet->table, &sheet->encoding)) return;
    sheet->plots = encoding_guess(sheet->table, &guess) && draws(sheet->table, &guess);
    if (!sheet->plots) return;
    snprintf(guess.title, sizeof guess.title, "%s", sheet->encoding.title);
    sheet->encoding = guess;
}

static bool kept(const Sheet *from, Table *table, Sheet *out) {
    *out = *from;
    out->table = table;
    if (table) settle(out);
    return table != NULL;
}

static void name_column(char out[CHART_NAME_MAX], const char *name) {
    const size_t length = strlen(name);
    memset(out, 0, CHART_NAME_MAX);
    if (length < CHART_NAME_MAX) memcpy(out, name, length);
}

/* ---- rows -------------------------------------------------------------------------------------------------------- */

bool sheet_sort(const Sheet *from, const char *const *columns, size_t count, bool descending, Sheet *out, Error *err) {
    TableOrder *orders = mem_alloc(count, sizeof *orders, err);
    for (size_t i = 0; orders && i < count; i++) {
        const bool minus = columns[i][0] == '-' && !table_find(from->table, columns[i]);
        orders[i] = (TableOrder){columns[i] + minus, descending || minus};
    }
    const bool ok = orders && kept(from, table_sort(from->table, called(from), orders, count, err), out);
    mem_free(orders);
    return ok;
}

bool sheet_pick(const Sheet *from, const size_t *rows, size_t count, Sheet *out, Error *err) {
    return kept(from, table_pick(from->table, rows, count, err), out);
}

bool sheet_head(const Sheet *from, uint64_t count, bool tail, Sheet *out, Error *err) {
    const size_t all = from->table->rows, shown = count < all ? (size_t)count : all;
    size_t *rows = mem_alloc(shown, sizeof *rows, err);
    for (size_t i = 0; rows && i < shown; i++) rows[i] = i + (tail ? all - shown : 0);
    const bool ok = rows && sheet_pick(from, rows, shown, out, err);
    mem_free(rows);
    return ok;
}

/* ---- joins ------------------------------------------------------------------------------------------------------- */

/* How many bytes all titles have in common at their beginning, or behind `skip` bytes at their end: whole words. */
static size_t common_part(const SheetJoin *join, size_t skip, bool end) {
    const char *first = join->sheets[0].encoding.title;
    const size_t all = strlen(first);
    size_t same = all - skip;
    for (size_t t = 1; t < join->count; t++) {
        const char *title = join->sheets[t].encoding.title;
        const size_t length = strlen(title);
        size_t i = 0;
        while (i < same && i + skip < length &&
               (end ? first[all - 1 - i] == title[length - 1 - i] : first[i] == title[i]))
            i++;
        same = i;
    }
    while (same > 0 && (end ? first[all - same] : first[same - 1]) != ' ') same--;
    return same;
}

/* "S_ratio of a" and "S_ratio of b" are "S_ratio of a, b". */
static void join_titles(const SheetJoin *join, char out[sizeof(((Encoding *)0)->title)]) {
    const size_t room = sizeof(((Encoding *)0)->title);
    const char *first = join->sheets[0].encoding.title;
    const size_t begin = common_part(join, 0, false);
    const size_t end = begin < strlen(first) ? common_part(join, begin, true) : 0;
    Str title = {0};
    str_add_bytes(&title, first, begin);
    for (size_t t = 0; t < join->count; t++) {
        const char *own = join->sheets[t].encoding.title;
        const size_t length = strlen(own);
        if (length <= begin + end) continue;
        str_addf(&title, "%s%.*s", title.length > begin ? ", " : "", (int)(length - begin - end), own + begin);
    }
    str_add(&title, first + strlen(first) - end);
    snprintf(out, room, "%.*s", (int)text_fit(str_text(&title), room - 1), str_text(&title));
    str_done(&title);
}

/* What was said of one table's points is not said of all. */
static void forget_points(Encoding *encoding) {
    encoding->reference = NAN;
    encoding->mark_count = 0;
    memset(encoding->references, 0, sizeof encoding->references);
}

/* Columns of the result behind the keys that are `column` of one of the tables: s_ratio, s_ratio_a, s_ratio_b. */
static void all_columns(const Table *table, size_t keys, const char *column, Encoding *encoding) {
    const size_t length = strlen(column);
    size_t count = 0;
    memset(encoding->y, 0, sizeof encoding->y);
    for (size_t c = keys; c < table->column_count && count < CHART_SERIES_MAX; c++) {
        const char *name = table->columns[c].name;
        const bool same = strncmp(name, column, length) == 0 && (!name[length] || name[length] == '_');
        if (same && table->columns[c].type != COLUMN_TEXT) name_column(encoding->y[count++], name);
    }
}

static void plot_join(const SheetJoin *join, size_t keys, Sheet *out) {
    Encoding *e = &out->encoding;
    forget_points(e);
    join_titles(join, e->title);
    if (join->stack) {
        name_column(e->series, join->stack);
        memset(e->y + 1, 0, sizeof e->y - sizeof *e->y);
        settle(out);
        return;
    }
    *e->low = *e->high = *e->deviation = *e->flag = '\0';
    if (e->kind == CHART_BARS || e->kind == CHART_LINES || e->kind == CHART_SCATTER) {
        char column[CHART_NAME_MAX];
        memcpy(column, e->y[0], sizeof column);
        *e->series = *e->y2 = '\0';
        all_columns(out->table, keys, column, e);
    }
    settle(out);
}

bool sheet_join(const SheetJoin *join, Sheet *out, Error *err) {
    Words by = {0}, columns = {0};
    *out = join->sheets[0];
    out->table = NULL;
    *out->name = '\0';
    const Table **tables = mem_alloc(join->count, sizeof *tables, err);
    const char **names = mem_alloc(join->count, sizeof *names, err);
    for (size_t t = 0; tables && names && t < join->count; t++) {
        tables[t] = join->sheets[t].table;
        names[t] = join->sheets[t].name;
    }
    bool ok = tables && names && (!join->by || sheet_list(join->by, "--by", &by, err)) &&
              (!join->columns || sheet_list(join->columns, "--columns", &columns, err));
    if (ok && join->stack)
        out->table = table_stack(tables, names, join->count, join->stack, err);
    else if (ok)
        out->table = table_join(&(TableJoin){.tables = tables,
                                             .names = names,
                                             .count = join->count,
                                             .by = (const char *const *)by.word,
                                             .by_count = by.count,
                                             .columns = (const char *const *)columns.word,
                                             .column_count = columns.count,
                                             .keep = join->keep},
                                err);
    if (out->table) plot_join(join, by.count, out);
    words_done(&by);
    words_done(&columns);
    mem_free(tables);
    mem_free(names);
    return out->table != NULL;
}

/* ---- groups ------------------------------------------------------------------------------------------------------ */

static bool read_statistics(const char *text, TableStatistic out[STATISTIC_KINDS], size_t *count, Error *err) {
    const char *const *names = SETTING_NAMES(TABLE_STATISTICS);
    Words words;
    if (!sheet_list(text, "--take", &words, err)) return false;
    bool ok = true;
    *count = 0;
    for (size_t i = 0; ok && i < words.count; i++) {
        size_t s = 0;
        while (names[s] && strcmp(names[s], words.word[i]) != 0) s++;
        if (names[s]) {
            out[(*count)++] = (TableStatistic)s;
            continue;
        }
        Str known = {0};
        setting_choices(names, ", ", " or ", &known);
        ok = error_set(err, STATUS_USAGE, "--take: '%s' is not %s", words.word[i], str_text(&known));
        str_done(&known);
    }
    words_done(&words);
    return ok;
}

/* COLUMN_STATISTIC where the table has it; appended to the encoding's columns. */
static bool add_y(const Table *table, const char *column, const char *statistic, Encoding *encoding, size_t *count) {
    char name[2 * CHART_NAME_MAX];
    snprintf(name, sizeof name, "%s_%s", column, statistic);
    if (*count >= CHART_SERIES_MAX || strlen(name) >= CHART_NAME_MAX || !table_find(table, name)) return false;
    name_column(encoding->y[(*count)++], name);
    return true;
}

/* Which key is the horizontal axis, and which one the series. */
static void choose_axes(const Sheet *from, const Words *by, Encoding *e) {
    size_t x = 0;
    for (size_t i = 0; i < by->count; i++)
        if (from->plots && strcmp(by->word[i], from->encoding.x) == 0) x = i;
    const Column *axis = table_find(from->table, by->word[x]);
    e->kind = axis->type == COLUMN_TEXT ? CHART_BARS : CHART_LINES;
    name_column(e->x, axis->name);
    for (size_t i = by->count; i-- > 0;)
        if (i != x && table_find(from->table, by->word[i])->type == COLUMN_TEXT) name_column(e->series, by->word[i]);
}

static void plot_group(const Sheet *from, const Words *by, const char *statistic, Sheet *out) {
    const Encoding *before = &from->encoding;
    Encoding e = encoding_new(CHART_BARS);
    size_t count = 0;
    choose_axes(from, by, &e);
    for (size_t i = 0; from->plots && i < CHART_SERIES_MAX && *before->y[i]; i++)
        add_y(out->table, before->y[i], statistic, &e, &count);
    if (count == 0 && from->plots) add_y(out->table, before->value, statistic, &e, &count);
    for (size_t c = 0; c < from->table->column_count && count == 0; c++)
        add_y(out->table, from->table->columns[c].name, statistic, &e, &count);
    if (*e.series) memset(e.y + 1, 0, sizeof e.y - sizeof *e.y);
    const size_t length = strlen(e.y[0]), tail = strlen(statistic);
    if (strcmp(statistic, "mean") == 0 && length > tail) {
        char deviation[2 * CHART_NAME_MAX];
        snprintf(deviation, sizeof deviation, "%.*sstd", (int)(length - tail), e.y[0]);
        if (table_find(out->table, deviation)) name_column(e.deviation, deviation);
    }
    if (from->plots && strcmp(e.x, before->x) == 0) e.log_x = before->log_x;
    snprintf(e.title, sizeof e.title, "%s", before->title);
    out->encoding = e;
    out->plots = count > 0;
    settle(out);
}

bool sheet_group(const Sheet *from, const char *by, const char *columns, const char *take, Sheet *out, Error *err) {
    const char *const *names = SETTING_NAMES(TABLE_STATISTICS);
    Words keys = {0}, taken = {0};
    TableStatistic statistics[STATISTIC_KINDS];
    size_t count = 0, shown = 0;
    *out = (Sheet){0};
    if (sheet_list(by, "--by", &keys, err) && (!columns || sheet_list(columns, "--columns", &taken, err)) &&
        read_statistics(take, statistics, &count, err))
        out->table = table_group(from->table,
                                 &(TableGroup){.called = called(from),
                                               .by = (const char *const *)keys.word,
                                               .by_count = keys.count,
                                               .columns = (const char *const *)taken.word,
                                               .column_count = taken.count,
                                               .take = statistics,
                                               .take_count = count},
                                 err);
    for (size_t i = 0; i < count; i++)
        if (statistics[i] == STATISTIC_MEAN) shown = i;
    if (out->table) plot_group(from, &keys, names[statistics[shown]], out);
    words_done(&keys);
    words_done(&taken);
    return out->table != NULL;
}
