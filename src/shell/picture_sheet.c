/* picture_sheet -- images of a dataset with captions, and what an attack does to them. */
#include "picture_sheet.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "dispatch.h"
#include "output.h"
#include "session.h"
#include "weft/base/error.h"
#include "weft/base/memory.h"
#include "weft/base/table.h"
#include "weft/base/task.h"
#include "weft/base/text.h"
#include "weft/probe.h"

void shown_done(Shown *shown) {
    mem_free(shown->values);
    mem_free(shown->bytes);
}

/* As it is. Values of noise reach from -1 to 1, others from 0 to 1. */
static bool take_image(const Dataset *data, uint64_t index, Shown *out, Error *err) {
    out->size = (size_t)data->channels * data->height * data->width;
    out->values = mem_alloc(out->size, sizeof *out->values, err);
    out->bytes = out->values ? mem_alloc(out->size, 1, err) : NULL;
    if (!out->bytes) return false;
    dataset_image(data, index, out->values);
    for (size_t i = 0; i < out->size; i++) {
        const float value = data->noise ? out->values[i] / 2 + 0.5f : out->values[i];
        out->bytes[i] = (uint8_t)lroundf(value * 255);
    }
    return true;
}

static bool corrupt(const Session *session, const Image *o, const Dataset *data, uint64_t index, Shown *shown,
                    Error *err) {
    CorruptionChoice choice;
    if (!corruption_choose(o->corrupt, &choice, err)) return false;
    if (!corruption_single(&choice))
        return error_set(err, STATUS_USAGE, "image shows a single corruption: --corrupt KIND:SEVERITY");
    if (!dataset_corrupt_image(data, index, choice.first, choice.low, session->seed, shown->bytes, err)) return false;
    for (size_t i = 0; i < shown->size; i++) shown->values[i] = (float)shown->bytes[i] / 255.0f;
    return true;
}

bool shown_take(const Session *session, const Image *o, uint64_t index, Shown *out, Error *err) {
    const Dataset *data = o->data->dataset;
    return take_image(data, index, out, err) && (!o->corrupt || corrupt(session, o, data, index, out, err));
}

void add_class(const Dataset *data, const char *what, unsigned label, Str *out) {
    const char *name = data->class_names && label < data->classes ? data->class_names[label] : "";
    str_addf(out, "%s%u%s%s", what, label, *name ? " " : "", name);
}

bool add_prediction(const Image *o, const char *prefix, uint64_t index, const Shown *shown, bool *right, Str *out,
                    Error *err) {
    const Dataset *data = o->data->dataset;
    unsigned predicted;
    double probability;
    *right = false;
    if (!o->network) return true;
    if (!predict_image(o->network->network, data, shown->values, &predicted, &probability, err)) return false;
    if (isnan(probability)) {
        str_addf(out, "; %s has no logits for it (NaN or infinite)", o->network->name);
        return true;
    }
    add_class(data, prefix, predicted, out);
    str_addf(out, " (%.1f %%)", 100 * probability);
    *right = data->labels && predicted == data->labels[index];
    return true;
}

void pixels_chart(Result *result, ChartKind kind, const char *title) {
    const Column *last = &result->table->columns[result->table->column_count - 1];
    result_chart(result, kind, "column", "row", "%s", title);
    snprintf(result->encoding.value, CHART_NAME_MAX, "%s", last->name);
    result->drawn = true;
}

/* ---- the sheet --------------------------------------------------------------------------------------- */

typedef struct Sheet {
    const Image *o;
    const Attack *attack; /* NULL: none */
    Table *table;
    bool many;                          /* images: captions say which */
    size_t right, attacked_right, seen; /* predictions */
} Sheet;

/* "12: 9 Ankle boot; base: 7 Sneaker (97.1 %)"; with a name, "original: ..." */
static bool add_picture(Sheet *sheet, uint64_t index, const char *name, const Shown *shown, bool *right, Error *err) {
    const Dataset *data = sheet->o->data->dataset;
    Str caption = {0}, prefix = {0};
    if (sheet->many) str_addf(&caption, "%llu%s", (unsigned long long)index, *name ? ", " : "");
    str_add(&caption, name);
    if (data->labels && strncmp(name, "attacked", 8) != 0) add_class(data, ": ", data->labels[index], &caption);
    str_addf(&prefix, "; %s: ", sheet->o->network ? sheet->o->network->name : "");
    const bool ok = str_ok(&prefix, err) &&
                    add_prediction(sheet->o, str_text(&prefix), index, shown, right, &caption, err) &&
                    str_ok(&caption, err);
    if (ok) sheet_add(sheet->table, index, str_text(&caption), shown->bytes, data->channels, data->height, data->width);
    str_done(&caption);
    str_done(&prefix);
    return ok;
}

/* What the attack added, times the largest whole number with which all of it fits around a middle grey. */
static bool add_difference(Sheet *sheet, uint64_t index, const Shown *before, Shown *after, Error *err) {
    const Dataset *data = sheet->o->data->dataset;
    double largest = 0;
    Str caption = {0};
    for (size_t i = 0; i < after->size; i++)
        largest = fmax(largest, fabs((double)after->values[i] - (double)before->values[i]));
    const double times = largest > 0 ? fmax(floor(127 / (255 * largest)), 1) : 1;
    for (size_t i = 0; i < after->size; i++) {
        const double change = 255 * times * ((double)after->values[i] - (double)before->values[i]);
        after->bytes[i] = (uint8_t)lround(fmin(fmax(128 + change, 0), 255));
    }
    if (sheet->many) str_addf(&caption, "%llu, ", (unsigned long long)index);
    if (largest > 0)
        str_addf(&caption, "difference times %.0f; grey: unchanged", times);
    else
        str_add(&caption, "difference: none");
    const bool ok = str_ok(&caption, err);
    if (ok) sheet_add(sheet->table, index, str_text(&caption), after->bytes, data->channels, data->height, data->width);
    str_done(&caption);
    return ok;
}

static bool add_attack(Sheet *sheet, uint64_t index, const Shown *shown, Error *err) {
    const Image *o = sheet->o;
    Shown after = {0};
    Str name = {0};
    bool right = false;
    str_addf(&name, "attacked: %s eps %s", attack_name(o->attack.kind), o->attack.eps);
    bool ok = str_ok(&name, err) && take_image(o->data->dataset, index, &after, err) &&
              attack_image(o->network->network, o->data->dataset, index, sheet->attack, after.values, err);
    for (size_t i = 0; ok && i < after.size; i++) after.bytes[i] = (uint8_t)lroundf(after.values[i] * 255);
    ok = ok && add_picture(sheet, index, str_text(&name), &after, &right, err) &&
         add_difference(sheet, index, shown, &after, err);
    sheet->attacked_right += right;
    str_done(&name);
    shown_done(&after);
    return ok;
}

static bool add_image(const Session *session, Sheet *sheet, uint64_t index, Error *err) {
    const Image *o = sheet->o;
    Shown shown = {0};
    bool right;
    const bool ok = shown_take(session, o, index, &shown, err) &&
                    add_picture(sheet, index, sheet->attack ? "original" : "", &shown, &right, err) &&
                    (!sheet->attack || add_attack(sheet, index, &shown, err));
    if (ok) sheet->right += right;
    sheet->seen++;
    shown_done(&shown);
    return ok;
}

static void sheet_title(const Sheet *sheet, Str *out) {
    const Image *o = sheet->o;
    str_addf(out, "%s, image%s %s", o->data->name, sheet->many ? "s" : "", o->which);
    if (o->corrupt) str_addf(out, ", %s", o->corrupt);
    if (sheet->attack) str_addf(out, ", %s eps %s on %s", attack_name(o->attack.kind), o->attack.eps, o->network->name);
    if (!sheet->many || !o->network || !o->data->dataset->labels) return;
    str_addf(out, ": %s%s%zu of %zu right", sheet->attack ? "" : o->network->name, sheet->attack ? "" : " has ",
             sheet->right, sheet->seen);
    if (sheet->attack) str_addf(out, ", %zu when attacked", sheet->attacked_right);
}

/* The result's chart as text, without empty rows at its end. */
static bool draw_sheet(const Session *session, Result *result, Error *err) {
    const unsigned columns = output_columns();
    Chart *chart = chart_new(result->table, &result->encoding, err);
    ChartGrid grid;
    bool ok = false;
    if (chart) {
        const ChartView view = chart_view(chart);
        ok = chart_grid(chart, &view, columns, chart_height(chart, columns), session->ascii, session->colours, &grid,
                        err);
    }
    if (ok) {
        chart_grid_text(&grid, session->colours, &result->text);
        chart_grid_done(&grid);
        Str *text = &result->text;
        while (text->length > 1 && text->text[text->length - 1] == '\n' && text->text[text->length - 2] == '\n')
            text->text[--text->length] = '\0';
        if (!session->options.interactive) str_add(text, "\n");
    }
    chart_free(chart);
    return ok;
}

bool show_sheet(Session *session, const Image *o, const Attack *attack, const uint64_t *indices, size_t count,
                Result *result, Error *err) {
    Sheet sheet = {.o = o, .attack = attack, .many = count > 1};
    Str title = {0};
    bool ok = (sheet.table = sheet_table(o->data->dataset->channels, err)) != NULL;
    for (size_t i = 0; ok && i < count; i++)
        ok = add_image(session, &sheet, indices[i], err) && task_step(&session->task, "images", i + 1, count, err);
    sheet_title(&sheet, &title);
    ok = ok && str_ok(&title, err);
    if (ok) {
        result->table = table_finish(sheet.table, err);
        sheet.table = NULL;
        ok = result->table != NULL;
    }
    if (ok) {
        pixels_chart(result, CHART_PICTURES, str_text(&title));
        snprintf(result->encoding.series, CHART_NAME_MAX, "caption");
        result->encoding.across = attack ? 3 : 0;
        ok = draw_sheet(session, result, err);
    }
    table_free(sheet.table);
    str_done(&title);
    return ok;
}
