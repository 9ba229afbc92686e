/* interpolate -- accuracy, loss and distance on the line from one network to another, or along several. */
#include <stdio.h>
#include <math.h>

#include "../explore.h"
#include "../dispatch.h"
#include "weft/base/error.h"
#include "weft/base/text.h"

typedef struct Interpolate {
    const Object *first;
    SettingList others;
    uint64_t points;
    double from, to;
    ExploreOptions explore;
} Interpolate;

static bool read_path(const Args *args, Path *path, Error *err) {
    const Interpolate *o = args->options;
    *path = (Path){.points = o->points,
                   .count = o->others.count + 1,
                   .from = o->from,
                   .recalibrate = object_dataset(o->explore.recalibrate),
                   .command = args->line};
    if (path->count > PATH_NETWORKS_MOST)
        return error_set(err, STATUS_USAGE, "a path of more than %d networks", PATH_NETWORKS_MOST);
    for (size_t i = 0; i < path->count; i++) {
        const Object *object = i == 0 ? o->first : o->others.item[i - 1];
        path->name[i] = object->name;
        path->network[i] = object->network;
    }
    if (path->points == 0) path->points = 10 * (path->count - 1) + 1; /* each network is one of them */
    path->to = args_given(args, "to") ? o->to : (double)(path->count - 1);
    if (path->points > 1 && path->to == path->from)
        return error_set(err, STATUS_USAGE, "--from and --to are both %g; give different values, or --points 1",
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

static void draw(const Path *path, const Object *on, const Survey *survey, const Findings *findings, Result *result) {
    Str title = {0};
    str_addf(&title, "From %s", path->name[0]);
    for (size_t i = 1; i < path->count; i++) str_addf(&title, " to %s", path->name[i]);
    result_chart(result, CHART_LINES, "alpha", survey->data_count ? "accuracy" : "distance", "%s", str_text(&title));
    str_done(&title);
    result_images(result, on);
    if (!survey->data_count) return;
    snprintf(result->encoding.y2, CHART_NAME_MAX, "distance");
    result_interval(result, true);
    if (path->count > 2) mark_networks(path, findings, &result->encoding);
}

static bool survey_path(Session *session, const Args *args, Path *path, Result *result, Error *err) {
    Survey survey;
    Findings findings;
    const ExploreOptions *explore = &((const Interpolate *)args->options)->explore;
    if (!path_survey(path, object_dataset(explore->on), &survey, err) ||
        !explore_run(session, args, explore, &survey, &findings, result, err))
        return false;
    if (!findings.results) return true; /* in the background */
    result->table = path_table(path, &findings, &survey, err);
    draw(path, explore->on, &survey, &findings, result);
    findings_done(&findings);
    return result->table != NULL;
}

static bool interpolate_command(Session *session, const Args *args, Result *result, Error *err) {
    Path path;
    const bool done = read_path(args, &path, err) && survey_path(session, args, &path, result, err);
    path_done(&path);
    return done;
}

static const Setting positionals[] = {
    OBJECT(Interpolate, first, NETWORK, "A", NULL, .help = "the network at alpha 0"),
    LIST(Interpolate, others, NETWORK, "B", .help = "the network at alpha 1, and those at 2, 3, ..."),
    {0}};
static const Setting own[] = {
    INTEGER(Interpolate, points, "points", "N", .min = 1, .max = 100000,
            .usual = "11, and 10 more for each further network", .help = "number of points"),
    REAL(Interpolate, from, "from", "X", .standard = "0", .help = "alpha of the first point; also below 0"),
    REAL(Interpolate, to, "to", "X", .usual = "that of the last network",
         .help = "alpha of the last point; also beyond the last network"),
    {0}};
static const SettingGroup options[] = {{own, 0},
                                       {explore_settings, offsetof(Interpolate, explore)},
                                       {recalibrate_settings, offsetof(Interpolate, explore)},
                                       {NULL, 0}};
static const char *const examples[] = {"interpolate base smooth --on few --points 5",
                                       "interpolate base smooth --from -0.5 --to 1.5 --points 5 --on few",
                                       "interpolate base smooth base --points 3", NULL};

const Command command_interpolate = {
    .name = "interpolate",
    .group = "Exploring",
    .summary = "Measure networks on the line between networks",
    .description =
        "Makes the networks (1 - alpha) A + alpha B for evenly spaced alpha and measures their accuracy (with its "
        "95 % interval) and loss on DATA. Each network is compared with A image by image; * marks an exact McNemar "
        "p below 0.05, and a note says what chance alone would mark (help significance). distance is the Frobenius norm of their difference from A over all convolutions, relative to A; "
        "rms is its root mean square. sratio_change is the mean change of S_ratio (help s_ratio).\n\n"
        "If a reconstruction beats its source, networks between the two often do as well. With more than two "
        "networks, the path leads from each to the next. Networks that were trained separately need "
        "--recalibrate, because between them the statistics of batch norm are wrong.",
    .size = sizeof(Interpolate),
    .positionals = positionals,
    .options = options,
    .examples = examples,
    .prelude = "load data few sample:fashion-test --limit 64",
    .run = interpolate_command,
    .table = true,
};
