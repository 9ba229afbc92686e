/* interpolate -- accuracy, loss and distance on the way from one network to another, or along several. */
#include <math.h>
#include <string.h>

#include "../explore.h"

enum { NETWORKS_MOST = 64 };

typedef struct Path {
    const Network *network[NETWORKS_MOST];
    const char *name[NETWORKS_MOST];
    size_t count, points;
    double from, to;
    const Dataset *recalibrate;
    const char *line;
} Path;

static double alpha_of(const Path *path, size_t point) {
    return explore_evenly(path->from, path->to, path->points, point);
}

/* The first of the two networks between which alpha lies; outside, the path goes straight on. */
static size_t segment_of(const Path *path, double alpha) {
    if (!(alpha >= 1)) return 0;
    const size_t segment = (size_t)floor(alpha);
    return segment + 2 > path->count ? path->count - 2 : segment;
}

static Network *make(void *context, size_t point, Error *err) {
    const Path *path = context;
    const double alpha = alpha_of(path, point);
    const size_t segment = segment_of(path, alpha);
    Network *mixed =
        mix_apply(path->network[segment], path->network[segment + 1], alpha - (double)segment, NULL, path->line, err);
    return explore_recalibrated(mixed, path->recalibrate, path->line, err);
}

static bool read_path(const Session *session, const Args *args, Path *path, Error *err) {
    *path = (Path){.points = (size_t)args_integer(args, "points"),
                   .from = args_real(args, "from"),
                   .recalibrate = args_dataset(args, "recalibrate"),
                   .line = args->line};
    path->name[0] = args_text(args, "A");
    if (args->rest_count >= NETWORKS_MOST)
        return error_set(err, STATUS_USAGE, "a path of more than %d networks", NETWORKS_MOST);
    for (size_t i = 0; i < args->rest_count; i++) path->name[i + 1] = args->rest[i];
    path->count = args->rest_count + 1;
    if (!args_value(args, "points")->given) path->points = 10 * (path->count - 1) + 1; /* each network is one of them */
    for (size_t i = 0; i < path->count; i++) {
        path->network[i] = workspace_find(session, path->name[i])->network;
        if (i > 0 && !mix_check(path->network[i - 1], path->network[i], err))
            return error_prefix(err, "%s and %s", path->name[i - 1], path->name[i]);
    }
    path->to = args_value(args, "to")->given ? args_real(args, "to") : (double)(path->count - 1);
    if (path->points > 1 && path->to == path->from)
        return error_set(err, STATUS_USAGE, "--from and --to are both %g: there is no way between them (--points 1)",
                         path->from);
    return true;
}

static Table *make_table(const Path *path, const Survey *survey, const Explored *explored, Error *err) {
    Table *table = table_new(err);
    if (!table) return NULL;
    if (path->count > 2) table_column(table, "between", "", COLUMN_TEXT);
    table_column(table, "alpha", "", COLUMN_REAL);
    explore_columns(table, survey);
    for (size_t i = 0; i < survey->points; i++) {
        const double alpha = alpha_of(path, i);
        const size_t segment = segment_of(path, alpha);
        Str between = {0};
        if (!explored->done[i]) continue;
        str_addf(&between, "%s %s", path->name[segment], path->name[segment + 1]);
        if (path->count > 2) table_text(table, str_text(&between));
        table->failed = table->failed || between.failed;
        table_real(table, alpha);
        explore_cells(table, survey, explored, i);
        str_done(&between);
    }
    return table_finish(table, err);
}

/* The networks that the path leads through are marked where they were measured. */
static void mark_networks(const Path *path, const Explored *explored, Encoding *encoding) {
    for (size_t i = 0; i < path->points; i++) {
        const double alpha = alpha_of(path, i), accuracy = explored_value(explored, i, 0);
        if (alpha < 0 || alpha > (double)(path->count - 1) || alpha != floor(alpha) || isnan(accuracy)) continue;
        if (encoding->mark_count == CHART_MARKS_MAX) return;
        ChartMark *mark = &encoding->marks[encoding->mark_count++];
        *mark = (ChartMark){.x = alpha, .y = accuracy};
        snprintf(mark->label, sizeof mark->label, "%s", path->name[(size_t)alpha]);
    }
}

static void draw(const Path *path, const Survey *survey, const Explored *explored, Result *result) {
    Str title = {0};
    str_addf(&title, "From %s", path->name[0]);
    for (size_t i = 1; i < path->count; i++) str_addf(&title, " to %s", path->name[i]);
    result_chart(result, CHART_LINES, "alpha", survey->data_count ? "accuracy" : "distance", "%s", str_text(&title));
    str_done(&title);
    if (!survey->data_count) return;
    snprintf(result->encoding.y2, CHART_NAME_MAX, "distance");
    if (path->count > 2) mark_networks(path, explored, &result->encoding);
}

static bool run(Session *session, const Args *args, Result *result, Error *err) {
    Path path;
    Explored explored;
    const Dataset *data = args_dataset(args, "on");
    if (!read_path(session, args, &path, err)) return false;
    bool *layers = mem_alloc(path.network[0]->layer_count, sizeof *layers, err);
    if (!layers || !layer_select(path.network[0], NULL, CHOOSE_ANY, layers, err)) {
        mem_free(layers);
        return false;
    }
    const bool *marks[] = {layers};
    const Survey survey = {.base = path.network[0],
                           .data = {data},
                           .data_count = data != NULL,
                           .points = path.points,
                           .series_count = 1,
                           .layers = marks,
                           .make = make,
                           .context = &path,
                           .what = "interpolating"};
    bool done = explore_run(session, args, &survey, &explored, result, err);
    if (done && !explored.elsewhere) {
        result->table = make_table(&path, &survey, &explored, err);
        draw(&path, &survey, &explored, result);
        explored_done(&explored);
        done = result->table != NULL;
    }
    mem_free(layers);
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
    .summary = "accuracy, loss and distance between networks",
    .description =
        "Networks (1 - alpha) A + alpha B for evenly spaced alpha: accuracy and loss on DATA, and how far they are from A over all "
        "convolutions: distance is the Frobenius norm of the difference over that of A's weights, rms the root mean square. "
        "sratio_change is the mean change of S_ratio. Where a reconstruction beats its source, the way between them often does so "
        "too. With more networks the path leads from one to the next. Networks that were trained apart need --recalibrate: "
        "between them batch norm's statistics fit neither.",
    .positionals = positionals,
    .options = options,
    .examples = examples,
    .prelude = "load data few sample:fashion-test --limit 64",
    .run = run,
    .table = true,
};
