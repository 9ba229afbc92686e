/* smooth_parts -- what the live view of smoothing shows, without a screen: its charts, its lines of numbers, files. */
#include "weft/tui.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "weft/base/memory.h"
#include "weft/base/save.h"
#include "weft/base/tensor.h"

#define NAME(name, text) text,
static const char *const names[] = {SMOOTH_PARTS(NAME)};
static const char *const modes[] = {LOWPASS_MODES(NAME)};
#undef NAME

const char *smooth_part_name(SmoothPart part) {
    return names[part];
}

/* ---- tables and how they are drawn ------------------------------------------------------------------------------- */

/* A part of the view: the table is its own only where `owned` is. */
typedef struct Sheet {
    const Table *table;
    Table *owned;
    Encoding encoding;
    double low, high;   /* of the y axis; NaN: by the data */
    double left, right; /* of the x axis, likewise */
} Sheet;

static void add_number(Str *out, double number) {
    str_addf(out, "%.6g", number);
}

static double number_of(const Smoothing *smoothing) {
    return smoothing->filter == SMOOTHING_LOWPASS ? smoothing->cutoff : smoothing->factor;
}

/* Marks the frequencies that the kernels have, as far as there are marks: the lowest one last. */
static void mark_frequencies(const Table *curve, Encoding *encoding) {
    const Column *own = table_find(curve, "kernel_frequency");
    for (size_t row = curve->rows; row > 0 && encoding->mark_count < CHART_MARKS_MAX; row--) {
        if (!*own->cells[row - 1].text) continue;
        ChartMark *mark = &encoding->marks[encoding->mark_count++];
        *mark = (ChartMark){.x = table_number(curve, "frequency", row - 1), .y = table_number(curve, "gain", row - 1)};
        if (encoding->mark_count == 1) strcpy(mark->label, "kernel's frequency");
    }
}

static bool curve_sheet(const SmoothView *view, const Smoothing *smoothing, Sheet *out, Error *err) {
    Encoding *encoding = &out->encoding;
    const bool lowpass = smoothing->filter == SMOOTHING_LOWPASS;
    Str number = {0};
    add_number(&number, number_of(smoothing));
    out->table = out->owned = smoothing_curve(view->network, smoothing, err);
    *encoding = encoding_new(CHART_LINES);
    out->low = 0;
    out->high = lowpass ? 1 : fmax(1, smoothing->factor) * 1.05;
    if (lowpass) {
        snprintf(encoding->title, sizeof encoding->title, "H(f), %s, cutoff %s", modes[smoothing->mode],
                 str_text(&number));
        strcpy(encoding->x, "frequency");
        strcpy(encoding->y[0], "response");
        if (out->table) mark_frequencies(out->table, encoding);
        if (smoothing->mode == LOWPASS_RAW) strcpy(encoding->y[1], "gain");
    } else {
        snprintf(encoding->title, sizeof encoding->title, "Factors, last %u times %s", smoothing->last,
                 str_text(&number));
        strcpy(encoding->x, "index");
        strcpy(encoding->y[0], "factor");
    }
    str_done(&number);
    return out->table != NULL;
}

static void kernels_title(const SmoothView *view, const SmoothedLayer *layer, Encoding *encoding) {
    const Layer *of = &view->network->layers[layer->of.layer];
    size_t filters, columns;
    layer_matrix(view->network, of, &filters, &columns);
    snprintf(encoding->title, sizeof encoding->title, "Kernels of %.60s%s", of->name,
             filters > SMOOTHING_KERNELS ? " (the first ones)" : "");
}

static void kernels_sheet(const SmoothView *view, const SmoothedLayer *layer, Sheet *out) {
    Encoding *encoding = &out->encoding;
    out->table = layer->kernels;
    *encoding = encoding_new(CHART_KERNELS);
    kernels_title(view, layer, encoding);
    strcpy(encoding->series, "network");
    encoding->diverging = true;
    if (layer->largest > 0) { /* of the layer before, so that colours mean the same at every setting */
        encoding->range_low = -layer->largest;
        encoding->range_high = layer->largest;
    }
}

/* Both curves, with the end of the larger half, whose squares S_ratio counts. */
static void spectrum_sheet(const SmoothedLayer *layer, Sheet *out) {
    Encoding *encoding = &out->encoding;
    const double ratios[] = {layer->ratio, layer->ratio_after};
    const size_t half = layer->spectrum->rows / 2;
    out->table = layer->spectrum;
    out->low = 0;
    *encoding = encoding_new(CHART_LINES);
    strcpy(encoding->title, "Singular values");
    strcpy(encoding->x, "index");
    strcpy(encoding->y[0], "sigma");
    strcpy(encoding->legend[0], "before");
    strcpy(encoding->y[1], "sigma_vs");
    strcpy(encoding->legend[1], "after");
    for (unsigned i = 0; half > 0 && i < 2; i++) {
        ChartMark *mark = &encoding->marks[encoding->mark_count++];
        *mark = (ChartMark){.x = (double)half, .y = table_number(out->table, i == 0 ? "sigma" : "sigma_vs", half - 1)};
        snprintf(mark->label, CHART_NAME_MAX, "S_ratio %.4f", ratios[i]);
    }
}

static const SmoothedScore *score_of(const Smoothing *smoothing, const SmoothingFindings *findings) {
    for (size_t i = findings->count; i > 0; i--)
        if (smoothing_equal(&findings->scores[i - 1].of, smoothing)) return &findings->scores[i - 1];
    return NULL;
}

/* All settings that were visited, and room around the one that is looked at, so that points seldom move. */
static void settings_in_view(const Smoothing *smoothing, Sheet *sheet) {
    const bool lowpass = smoothing->filter == SMOOTHING_LOWPASS;
    const double now = number_of(smoothing), room = lowpass ? now * 0.5 : 0.25;
    sheet->left = lowpass ? now / 1.5 : fmax(now - room, -0.02);
    sheet->right = now + room;
    for (size_t row = 0; row < sheet->table->rows; row++) {
        const double visited = table_number(sheet->table, sheet->encoding.x, row);
        sheet->left = fmin(sheet->left, lowpass ? visited / 1.1 : visited - 0.02);
        sheet->right = fmax(sheet->right, lowpass ? visited * 1.1 : visited + 0.02);
    }
}

/* Points, which no line joins: nobody has measured what lies between them. */
static bool accuracy_sheet(const SmoothView *view, const Smoothing *smoothing, const SmoothingFindings *findings,
                           Sheet *out, Error *err) {
    Encoding *encoding = &out->encoding;
    const SmoothedScore *now = score_of(smoothing, findings);
    out->table = out->owned = smoothed_scores_table(findings->scores, findings->count, smoothing, err);
    *encoding = encoding_new(CHART_SCATTER);
    encoding->log_x = smoothing->filter == SMOOTHING_LOWPASS; /* as the steps of its keys */
    snprintf(encoding->title, sizeof encoding->title, "Accuracy, %.40s, %llu images", view->data_name,
             (unsigned long long)view->data->count);
    strcpy(encoding->x, smoothing->filter == SMOOTHING_LOWPASS ? "cutoff" : "factor");
    strcpy(encoding->y[0], "accuracy");
    strcpy(encoding->low, "accuracy_low");
    strcpy(encoding->high, "accuracy_high");
    encoding->reference = findings->unchanged.accuracy;
    strcpy(encoding->reference_label, "unchanged");
    if (now && isfinite(now->accuracy)) {
        encoding->mark_count = 1;
        encoding->marks[0] = (ChartMark){.x = number_of(smoothing), .y = now->accuracy};
        strcpy(encoding->marks[0].label, "now");
    }
    if (out->table) settings_in_view(smoothing, out);
    return out->table != NULL;
}

/* False with STATUS_OK: nothing yet. */
static bool sheet_of(const SmoothView *view, const Smoothing *smoothing, const SmoothingFindings *findings,
                     SmoothPart part, Sheet *out, Error *err) {
    *out = (Sheet){.low = NAN, .high = NAN, .left = NAN, .right = NAN};
    err->status = STATUS_OK;
    if (part == SMOOTH_CURVE) return curve_sheet(view, smoothing, out, err);
    if (part == SMOOTH_ACCURACY)
        return view->data && findings->has_unchanged && accuracy_sheet(view, smoothing, findings, out, err);
    if (!findings->has_layer) return false;
    if (part == SMOOTH_KERNELS)
        kernels_sheet(view, &findings->layer, out);
    else
        spectrum_sheet(&findings->layer, out);
    return true;
}

/* ---- charts ------------------------------------------------------------------------------------------------------ */

static ChartView visible(const Sheet *sheet, const Chart *chart) {
    ChartView view = chart_view(chart);
    if (!isnan(sheet->low)) view.y0 = sheet->low;
    if (!isnan(sheet->high)) view.y1 = sheet->high;
    if (!isnan(sheet->left)) view.x0 = sheet->left;
    if (!isnan(sheet->right)) view.x1 = sheet->right;
    return view;
}

Chart *smooth_chart(const SmoothView *view, const Smoothing *smoothing, const SmoothingFindings *findings,
                    SmoothPart part, ChartView *shown, Error *err) {
    Sheet sheet;
    if (!sheet_of(view, smoothing, findings, part, &sheet, err)) return NULL;
    Chart *chart = sheet.table->rows > 0 ? chart_new(sheet.table, &sheet.encoding, err) : NULL;
    if (chart) *shown = visible(&sheet, chart);
    table_free(sheet.owned);
    return chart;
}

/* ---- numbers ----------------------------------------------------------------------------------------------------- */

/* Lines of pieces. */
typedef struct Flow {
    Str *out;
    size_t width, column;
} Flow;

static const char stale_word[] = " (stale)";

/* What follows begins a line of its own, so that it stays in its place whatever stands before. */
static void flow_break(Flow *lines) {
    if (lines->column > 0) lines->column = lines->width;
}

/* Adds a piece, in a new line where it does not fit into this one, and frees it. One that can be stale takes the room
 * of the word always, so that lines stay where they are. */
static void flow(Flow *lines, Str *piece, bool can, bool stale) {
    enum { GAP = 3 };
    if (piece->length == 0) return;
    const size_t columns = text_columns(str_text(piece)) + (can ? sizeof stale_word - 1 : 0);
    const bool fits = lines->column + GAP + columns <= lines->width;
    if (lines->column > 0) str_add(lines->out, fits ? "   " : "\n");
    lines->column = lines->column > 0 && fits ? lines->column + GAP + columns : columns;
    str_add(lines->out, str_text(piece));
    if (stale) str_add(lines->out, stale_word);
    str_done(piece);
}

static void add_setting(const Smoothing *smoothing, Str *out) {
    if (smoothing->filter == SMOOTHING_LOWPASS)
        str_addf(out, "Gaussian low-pass, mode %s: cutoff ", modes[smoothing->mode]);
    else
        str_addf(out, "Singular values: last %u times ", smoothing->last);
    add_number(out, number_of(smoothing));
}

static void add_scope(const SmoothView *view, const Smoothing *smoothing, Str *out) {
    Error ignored;
    size_t count = 0;
    bool *chosen = smoothing_layers(view->network, smoothing, &ignored);
    for (size_t i = 0; chosen && i < view->network->layer_count; i++) count += chosen[i];
    mem_free(chosen);
    str_add(out, "on ");
    if (smoothing->scope == SMOOTHING_ALL) str_add(out, "all");
    Str selector = {0};
    smoothing_selector(view->network, smoothing, &selector);
    str_add_escaped(out, str_text(&selector), selector.length);
    str_done(&selector);
    if (smoothing->scope != SMOOTHING_LAYER) str_addf(out, " (%zu layer%s)", count, count == 1 ? "" : "s");
}

/* Whose number it is, where the filter is not that layer's alone; else `otherwise`. */
static void add_layer(const SmoothView *view, const SmoothedLayer *layer, const char *otherwise, Str *out) {
    const char *name = view->network->layers[layer->of.layer].name;
    if (layer->of.scope == SMOOTHING_LAYER)
        str_add(out, otherwise);
    else
        str_add_escaped(out, name, strlen(name));
}

/* The newest accuracy there is. */
static void add_accuracy(const SmoothView *view, const SmoothedScore *score, bool busy, Str *out) {
    if (!view->data)
        str_add(out, "accuracy: not measured (--on DATA)");
    else if (!score)
        str_add(out, busy ? "accuracy: measuring" : "no accuracy");
    else if (isnan(score->accuracy))
        str_add(out, "accuracy undefined: images without logits");
    else {
        const Interval interval = accuracy_interval(score->accuracy, score->images);
        str_addf(out, "accuracy %.3f %% (95 %%: %.3f to %.3f)", score->accuracy, 100 * interval.low,
                 100 * interval.high);
    }
}

void smooth_numbers(const SmoothView *view, const Smoothing *smoothing, const SmoothingFindings *findings, bool busy,
                    size_t width, Str *out) {
    const SmoothedLayer *layer = &findings->layer;
    const SmoothedScore *now = score_of(smoothing, findings);
    const SmoothedScore *score = now ? now : findings->count > 0 ? &findings->scores[findings->count - 1] : NULL;
    const bool stale = layer->of.layer != smoothing->layer || !smoothing_equal(&layer->of, smoothing);
    Flow lines = {out, width, 0};
    Str piece = {0};
    add_setting(smoothing, &piece);
    flow(&lines, &piece, false, false);
    add_scope(view, smoothing, &piece);
    flow(&lines, &piece, false, false);
    flow_break(&lines);
    add_accuracy(view, score, busy, &piece);
    flow(&lines, &piece, view->data, score && !now);
    if (findings->has_unchanged) str_addf(&piece, "unchanged %.3f %%", findings->unchanged.accuracy);
    flow(&lines, &piece, false, false);
    if (!findings->has_layer) return;
    flow_break(&lines);
    add_layer(view, layer, "", &piece);
    if (piece.length > 0) str_add(&piece, ": ");
    str_addf(&piece, "S_ratio %.4f, after %.4f", layer->ratio, layer->ratio_after);
    flow(&lines, &piece, true, stale);
    if (isfinite(layer->change)) {
        add_layer(view, layer, "layer", &piece);
        str_addf(&piece, " changed by %.3g %%", 100 * layer->change);
    }
    flow(&lines, &piece, false, false);
}

/* ---- files ------------------------------------------------------------------------------------------------------- */

/* NULL for a form that the view does not save. */
static const FileForm *form_of(const char *file) {
    const FileForm *form = file_form(file);
    return form && (form->chart || form->format != TABLE_TEXT) ? form : NULL;
}

static void part_path(const char *file, const char *extension, SmoothPart part, Str *out) {
    str_add_bytes(out, file, strlen(file) - strlen(extension));
    str_addf(out, "-%s%s", names[part], extension);
}

static bool save_sheet(const Sheet *sheet, const FileForm *form, const char *path, bool overwrite, Error *err) {
    if (form->chart) {
        Chart *chart = chart_new(sheet->table, &sheet->encoding, err);
        if (!chart) return false;
        const ChartView shown = visible(sheet, chart);
        const bool ok = chart_save(chart, &shown, NULL, path, overwrite, err);
        chart_free(chart);
        return ok;
    }
    Str text = {0};
    table_write(sheet->table, form->format, 0, &text);
    const bool ok = str_ok(&text, err) && save_text(path, overwrite, str_text(&text), text.length, err);
    str_done(&text);
    return ok;
}

bool smooth_files_exist(const char *file) {
    const FileForm *form = form_of(file);
    bool exist = false;
    for (int part = 0; form && part < SMOOTH_PART_COUNT; part++) {
        Str path = {0};
        part_path(file, form->extension, (SmoothPart)part, &path);
        exist = exist || access(str_text(&path), F_OK) == 0;
        str_done(&path);
    }
    return exist;
}

/* A file is seen without the view's lines: its title says what was smoothed, and how. */
static void complete_title(const SmoothView *view, const Smoothing *smoothing, SmoothPart part, Encoding *encoding) {
    Str text = {0};
    str_addf(&text, "%s, %s", encoding->title, view->name);
    if (part == SMOOTH_KERNELS || part == SMOOTH_SPECTRUM) {
        str_add(&text, smoothing->filter == SMOOTHING_LOWPASS ? ", cutoff " : ", factor ");
        add_number(&text, number_of(smoothing));
    }
    if (part != SMOOTH_CURVE) str_add(&text, " ");
    if (part != SMOOTH_CURVE) add_scope(view, smoothing, &text);
    snprintf(encoding->title, sizeof encoding->title, "%s", str_text(&text));
    str_done(&text);
}

bool smooth_save(const SmoothView *view, const Smoothing *smoothing, const SmoothingFindings *findings,
                 const char *file, bool overwrite, Str *written, Error *err) {
    const FileForm *form = form_of(file);
    bool ok = form ||
              error_set(err, STATUS_USAGE, "charts are saved as .svg, .png or .pdf, rows as .csv, .tsv, .json or .md");
    for (int part = 0; ok && part < SMOOTH_PART_COUNT; part++) {
        Sheet sheet;
        Str path = {0};
        if (sheet_of(view, smoothing, findings, (SmoothPart)part, &sheet, err) && sheet.table->rows > 0) {
            complete_title(view, smoothing, (SmoothPart)part, &sheet.encoding);
            part_path(file, form->extension, (SmoothPart)part, &path);
            ok = str_ok(&path, err) && save_sheet(&sheet, form, str_text(&path), overwrite, err);
            if (ok) str_addf(written, "%s%s", written->length > 0 ? ", " : "", str_text(&path));
        } else {
            ok = err->status == STATUS_OK;
        }
        table_free(sheet.owned);
        str_done(&path);
    }
    return ok;
}
