/* interpolate -- accuracy, loss and distance on the way from one network to another, or along several. */
#include <math.h>

#include "../explore.h"
#include "weft/base/error.h"
#include "weft/base/text.h"

static bool read_path(const Session *session, const Args *args, Path *path, Error *err) {
    *path = (Path){.points = (size_t)args_integer(args, "points"),
                   .from = args_real(args, "from"),
                   .recalibrate = args_dataset(args, "recalibrate"),
                   .command = args->line};
    path->name[0] = args_text(args, "A");
    if (args->rest_count >= PATH_NETWORKS_MOST)
        return error_set(err, STATUS_USAGE, "a path of more than %d networks", PATH_NETWORKS_MOST);
    for (size_t i = 0; i < args->rest_count; i++) path->name[i + 1] = args->rest[i];
    path->count = args->rest_count + 1;
    if (!args_value(args, "points")->given) path->points = 10 * (path->count - 1) + 1; /* each network is one of them */
    for (size_t i = 0; i < path->count; i++) path->network[i] = workspace_find(session, path->name[i])->network;
    path->to = args_value(args, "to")->given ? args_real(args, "to") : (double)(path->count - 1);
    if (path->points > 1 && path->to == path->from)
        return error_set(err, STATUS_USAGE, "--from and --to are both %g: there is no way between them (--points 1)",
                         path->from);
    return true;
}

/* The networks that the path leads through are marked where they were measured. */
static void mark_networks(const Path *path, const Findings *findings, Encoding *encoding) {
    for (size_t i = 0; i < path->points; i++) {
        const double alpha = path_alpha(path, i), accuracy = findings_value(findings, i, 0);
        if (alpha < 0 || alpha > (double)(path->count - 1) || alpha != floor(alpha) || isnan(accuracy)) continue;
        if (encoding->mark_count == CHART_MARKS_MAX) return;
        ChartMark *mark = &encoding->marks[encoding->mark_count++];
        *mark = (ChartMark){.x = alpha, .y = accuracy};
        snprintf(mark->label, sizeof mark->label, "%s", path->name[(size_t)alpha]);
    }
}

static void draw(const Path *path, const Survey *survey, const Findings *findings, Result *result) {
    Str title = {0};
    str_addf(&title, "From %s", path->name[0]);
    for (size_t i = 1; i < path->count; i++) str_addf(&title, " to %s", path->name[i]);
    result_chart(result, CHART_LINES, "alpha", survey->data_count ? "accuracy" : "distance", "%s", str_text(&title));
    str_done(&title);
    if (!survey->data_count) return;
    snprintf(result->encoding.y2, CHART_NAME_MAX, "distance");
    if (path->count > 2) mark_networks(path, findings, &result->encoding);
}

static bool survey_path(Session *session, const Args *args, Path *path, Result *result, Error *err) {
    Survey survey;
    Findings findings;
    if (!path_survey(path, args_dataset(args, "on"), &survey, err) ||
        !explore_run(session, args, &survey, &findings, result, err))
        return false;
    if (!findings.results) return true; /* in the background */
    result->table = path_table(path, &findings, &survey, err);
    draw(path, &survey, &findings, result);
    findings_done(&findings);
    return result->table != NULL;
}

static bool run(Session *session, const Args *args, Result *result, Error *err) {
    Path path;
    const bool done = read_path(session, args, &path, err) && survey_path(session, args, &path, result, err);
    path_done(&path);
    return done;
}

static const ArgSpec positionals[] = {
    {.name = "A", .kind = ARG_NETWORK, .help = "the network at alpha 0"},
    {.name = "B", .kind = ARG_NETWORK, .repeated = true, .help = "the network at alpha 1, and those at 2, 3, ..."},
    {0}};
static const ArgSpec options[] = {
    {.name = "points",
     .kind = ARG_INTEGER,
     .value = "N",
     .min = 1,
     .max = 100000,
     .standard = "11",
     .help = "how many (10 more for each further network)"},
    {.name = "from", .kind = ARG_REAL, .value = "X", .standard = "0", .help = "alpha of the first point; also below 0"},
    {.name = "to", .kind = ARG_REAL, .value = "X", .help = "alpha of the last point; also beyond the last network (1)"},
    OPTIONS_EXPLORE,
    OPTION_RECALIBRATE,
    {0}};
static const char *const examples[] = {"interpolate base smooth --on few --points 5",
                                       "interpolate base smooth --from -0.5 --to 1.5 --points 5 --on few",
                                       "interpolate base smooth base --points 3", NULL};

const Command command_interpolate = {
    .name = "interpolate",
    .group = "Exploring",
    .summary = "Measure networks on the line between networks",
    .description =
        "Makes the networks (1 - alpha) A + alpha B for evenly spaced alpha and measures their accuracy and loss "
        "on DATA. distance is the Frobenius norm of their difference from A over all convolutions, relative to A; "
        "rms is its root mean square. sratio_change is the mean change of S_ratio (help s_ratio).\n\n"
        "If a reconstruction beats its source, networks between the two often do as well. With more than two "
        "networks, the path leads from each to the next. Networks that were trained separately need "
        "--recalibrate, because between them the statistics of batch norm are wrong.",
    .positionals = positionals,
    .options = options,
    .examples = examples,
    .prelude = "load data few sample:fashion-test --limit 64",
    .run = run,
    .table = true,
};
