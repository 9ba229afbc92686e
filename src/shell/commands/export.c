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
    const char *file;
    bool force;
} Export;

static const struct {
    const char *extension;
    bool chart;
    TableFormat format;
} kinds[] = {{".svg", true, 0},
             {".png", true, 0},
             {".pdf", true, 0},
             {".csv", false, TABLE_CSV},
             {".tsv", false, TABLE_TSV},
             {".json", false, TABLE_JSON},
             {".md", false, TABLE_MARKDOWN},
             {".txt", false, TABLE_TEXT}};

static bool export_chart(const Args *args, const Export *o, const char *path, Error *err) {
    Encoding encoding;
    if (!options_chart(args, &o->chart, o->chart.table, &encoding, err)) return false;
    Chart *chart = chart_new(o->chart.table->table, &encoding, err);
    if (!chart) return false;
    ChartView view = chart_view(chart);
    bool ok = chart_save(chart, &view, path, o->force, err);
    chart_free(chart);
    return ok;
}

static bool export_rows(const Args *args, const Export *o, TableFormat format, const char *path, Error *err) {
    Str text = {0};
    const char *of_charts = options_chart_given(args);
    if (of_charts) return error_set(err, STATUS_USAGE, "--%s changes the chart, but %s holds rows", of_charts, path);
    table_write(o->chart.table->table, format, 0, &text);
    bool ok = str_ok(&text, err) && save_text(path, o->force, str_text(&text), text.length, err);
    str_done(&text);
    return ok;
}

static bool export_command(Session *session, const Args *args, Result *result, Error *err) {
    (void)session;
    const Export *o = args->options;
    bool ok = false, known = false;
    Str path = {0};
    if (path_expand(o->file, &path, err)) {
        const char *dot = strrchr(str_text(&path), '.');
        for (size_t i = 0; dot && !known && i < sizeof kinds / sizeof *kinds; i++) {
            if (strcmp(dot, kinds[i].extension) != 0) continue;
            known = true;
            ok = kinds[i].chart ? export_chart(args, o, str_text(&path), err)
                                : export_rows(args, o, kinds[i].format, str_text(&path), err);
        }
        if (!known)
            error_set(
                err, STATUS_USAGE,
                "%s: the extension must be .svg, .png or .pdf for a chart, or .csv, .tsv, .json, .md or .txt for rows",
                str_text(&path));
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
static const SettingGroup options[] = {{chart_settings, 0}, {own, 0}, {NULL, 0}};
static const char *const examples[] = {"sratio base --vs smooth --as change", "export change change.svg --force",
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
