/* export -- a table's chart or rows to a file, by its extension. */
#include <string.h>

#include "../chart_options.h"
#include "weft/base/error.h"
#include "weft/base/save.h"
#include "weft/base/table.h"
#include "weft/base/text.h"

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

static bool export_chart(const Args *args, const Object *object, const char *path, bool force, Error *err) {
    Encoding encoding;
    if (!options_chart(args, object, &encoding, err)) return false;
    Chart *chart = chart_new(object->table, &encoding, err);
    if (!chart) return false;
    ChartView view = chart_view(chart);
    bool ok = chart_save(chart, &view, path, force, err);
    chart_free(chart);
    return ok;
}

static bool export_rows(const Args *args, const Object *object, TableFormat format, const char *path, bool force,
                        Error *err) {
    Str text = {0};
    const char *of_charts = options_chart_given(args);
    if (of_charts) return error_set(err, STATUS_USAGE, "--%s: %s would hold rows, not a chart", of_charts, path);
    table_write(object->table, format, 0, &text);
    bool ok = str_ok(&text, err) && save_text(path, force, str_text(&text), text.length, err);
    str_done(&text);
    return ok;
}

static bool run(Session *session, const Args *args, Result *result, Error *err) {
    (void)session;
    const Object *object = args_value(args, "TABLE")->object;
    bool force = args_flag(args, "force"), ok = false, known = false;
    Str path = {0};
    if (path_expand(args_text(args, "FILE"), &path, err)) {
        const char *dot = strrchr(str_text(&path), '.');
        for (size_t i = 0; dot && !known && i < sizeof kinds / sizeof *kinds; i++) {
            if (strcmp(dot, kinds[i].extension) != 0) continue;
            known = true;
            ok = kinds[i].chart ? export_chart(args, object, str_text(&path), force, err)
                                : export_rows(args, object, kinds[i].format, str_text(&path), force, err);
        }
        if (!known)
            error_set(err, STATUS_USAGE,
                      "%s: the extension says what to write: .svg .png .pdf, or .csv .tsv .json .md .txt",
                      str_text(&path));
    }
    if (ok) str_addf(&result->message, "%s written", str_text(&path));
    str_done(&path);
    return ok;
}

static const ArgSpec positionals[] = {
    {.name = "TABLE", .kind = ARG_TABLE, .help = "the table"},
    {.name = "FILE", .kind = ARG_OUTPUT, .help = ".svg .png .pdf for the chart; .csv .tsv .json .md .txt for the rows"},
    {0}};
static const ArgSpec options[] = {
    OPTIONS_CHART, {.name = "force", .kind = ARG_FLAG, .help = "overwrite an existing file"}, {0}};
static const char *const examples[] = {"sratio base --vs smooth --as change", "export change change.svg --force",
                                       "export change change.csv --force", NULL};

const Command command_export = {
    .name = "export",
    .group = "Charts and files",
    .summary = "Write a table's chart or rows to a file",
    .description = "The chart is the one that `plot` shows. Options that change it apply to this file only.",
    .positionals = positionals,
    .options = options,
    .examples = examples,
    .run = run,
};
