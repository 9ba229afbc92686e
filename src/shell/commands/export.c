/* export -- a table's chart or rows to a file, by its extension. */
#include <string.h>

#include "../chart_options.h"
#include "../paths.h"
#include "weft/base/error.h"
#include "weft/base/save.h"
#include "weft/base/table.h"
#include "weft/base/text.h"

typedef struct Export {
    ChartOptions chart;
    const char *file, *width, *height;
    double dpi, font;
    bool force;
} Export;

/* "8.5cm", "800px", "6": inches. */
static bool read_length(const char *option, const char *text, double *inches, Error *err) {
    static const struct {
        const char *suffix;
        double inches;
    } units[] = {{"cm", 1 / 2.54}, {"mm", 1 / 25.4}, {"in", 1}, {"pt", 1 / 72.0}, {"px", 1 / 96.0}, {"", 1}};
    const size_t length = text ? strlen(text) : 0;
    char number[32];
    if (!text) return true;
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        const size_t suffix = strlen(units[i].suffix);
        if (length <= suffix || length - suffix >= sizeof number) continue;
        if (strcmp(text + length - suffix, units[i].suffix) != 0) continue;
        memcpy(number, text, length - suffix);
        number[length - suffix] = '\0';
        if (!text_to_double(number, inches) || !(*inches > 0)) break;
        *inches *= units[i].inches;
        if (*inches <= 100) return true;
        break;
    }
    return error_set(err, STATUS_USAGE,
                     "--%s must be a length up to 100 inches (6, 6in, 15cm, 150mm, 430pt, 576px), "
                     "not '%s'",
                     option, text);
}

static bool export_chart(const Args *args, const Export *o, const char *path, Error *err) {
    Encoding encoding;
    if (!options_chart(args, &o->chart, o->chart.table, &encoding, err)) return false;
    ChartPage page = {.dpi = o->dpi, .font = o->font};
    if (!read_length("width", o->width, &page.width, err) || !read_length("height", o->height, &page.height, err))
        return false;
    Chart *chart = chart_new(o->chart.table->table, &encoding, err);
    if (!chart) return false;
    ChartView view = chart_view(chart);
    bool ok = chart_save(chart, &view, &page, path, o->force, err);
    chart_free(chart);
    return ok;
}

static const Setting page_settings[] = {
    WORD(Export, width, TEXT, "width", "LENGTH", .usual = "10in",
         .help = "width of the picture: inches, or a number with cm, mm, in, pt or px (1/96 inch)"),
    WORD(Export, height, TEXT, "height", "LENGTH", .usual = "6in, or what kernels and pictures need",
         .help = "its height"),
    REAL(Export, dpi, "dpi", "N", .min = 20, .max = 2400, .standard = "200", .help = "pixels an inch of a PNG"),
    REAL(Export, font, "font-size", "POINTS", .min = 3, .max = 100, .standard = "10.8",
         .help = "size of the axes' names; ticks (0.87), heading (1.33), lines and marks are scaled with it"),
    {0}};

static bool export_rows(const Args *args, const Export *o, TableFormat format, const char *path, Error *err) {
    Str text = {0};
    const char *of_charts = options_chart_given(args);
    for (const Setting *row = page_settings; !of_charts && row->name; row++)
        if (args_given(args, row->name)) of_charts = row->name;
    if (of_charts) return error_set(err, STATUS_USAGE, "--%s changes the chart, but %s holds rows", of_charts, path);
    table_write(o->chart.table->table, format, 0, &text);
    bool ok = str_ok(&text, err) && save_text(path, o->force, str_text(&text), text.length, err);
    str_done(&text);
    return ok;
}

static bool export_command(Session *session, const Args *args, Result *result, Error *err) {
    (void)session;
    const Export *o = args->options;
    bool ok = false;
    Str path = {0};
    if (path_expand(o->file, &path, err)) {
        const FileForm *form = file_form(str_text(&path));
        if (!form)
            error_set(
                err, STATUS_USAGE,
                "%s: the extension must be .svg, .png or .pdf for a chart, or .csv, .tsv, .json, .md or .txt for rows",
                str_text(&path));
        else
            ok = form->chart ? export_chart(args, o, str_text(&path), err)
                             : export_rows(args, o, form->format, str_text(&path), err);
    }
    if (ok) str_addf(&result->message, "%s written", str_text(&path));
    str_done(&path);
    return ok;
}

static const Setting positionals[] = {
    OBJECT(ChartOptions, table, TABLE, "TABLE", NULL, .help = "the table"),
    WORD(Export, file, OUTPUT, "FILE", NULL,
         .help = "file to write: .svg .png .pdf for the chart; .csv .tsv .json .md .txt for the rows"),
    {0}};
static const Setting own[] = {FLAG(Export, force, "force", .help = "overwrite an existing file"), {0}};
static const SettingGroup options[] = {{chart_settings, 0}, {page_settings, 0}, {own, 0}, {NULL, 0}};
static const char *const examples[] = {"sratio base --vs smooth --as change", "export change change.svg --force",
                                       "export change column.pdf --width 8.5cm --height 6cm --font-size 7 --force",
                                       "export change change.csv --force", NULL};

const Command command_export = {
    .name = "export",
    .group = "Charts and files",
    .summary = "Write a table's chart or rows to a file",
    .description = "The chart is the one that `plot` shows. Options that change it apply to this file only.",
    .size = sizeof(Export),
    .positionals = positionals,
    .options = options,
    .examples = examples,
    .run = export_command,
};
