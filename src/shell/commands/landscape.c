/* landscape -- loss and error around a network, or on the plane through three. */
#include <math.h>
#include <string.h>

#include "../explore.h"

typedef struct Mark {
    const char *name;
    double a, b, distance; /* in units of u and v; from the plane */
} Mark;

typedef struct Landscape {
    const Network *origin;
    Plane *plane;
    double unit_u, unit_v; /* what a and b are multiplied with in the table: |u|, |v|, or 1 */
    bool line;
    size_t grid;
    double low[2], high[2]; /* of a and b */
    Mark mark[CHART_MARKS_MAX];
    size_t marks;
    double tolerance; /* of --adaptive; 0: every point is measured */
    const Dataset *recalibrate;
    const char *line_text;
} Landscape;

static double grid_at(const Landscape *l, int axis, size_t i) {
    if (l->grid == 1) return l->low[axis] / 2 + l->high[axis] / 2;
    return explore_evenly(l->low[axis], l->high[axis], l->grid, i);
}

/* Rows of b, in each a from low to high. */
static void place_of(const Landscape *l, size_t point, double *a, double *b) {
    *a = grid_at(l, 0, l->line ? point : point % l->grid);
    *b = l->line ? 0 : grid_at(l, 1, point / l->grid);
}

static Network *make(void *context, size_t point, Error *err) {
    const Landscape *l = context;
    double a, b;
    place_of(l, point, &a, &b);
    return explore_recalibrated(plane_network(l->plane, a, b, l->line_text, err), l->recalibrate, l->line_text, err);
}

/* ---- the plane --------------------------------------------------------------------------------------------------- */

static bool add_mark(Landscape *l, const char *name, const Network *network, Error *err) {
    Mark *mark = &l->mark[l->marks++];
    mark->name = name;
    return plane_project(l->plane, network, &mark->a, &mark->b, &mark->distance, err) || error_prefix(err, "%s", name);
}

/* The grid holds all marks with a margin around them: a share of what they span. */
static void frame(Landscape *l, double margin) {
    for (int axis = 0; axis < 2; axis++) {
        double low = INFINITY, high = -INFINITY;
        for (size_t i = 0; i < l->marks; i++) {
            const double at = axis == 0 ? l->mark[i].a : l->mark[i].b;
            low = fmin(low, at);
            high = fmax(high, at);
        }
        l->low[axis] = low - margin * (high - low);
        l->high[axis] = high + margin * (high - low);
    }
}

static bool through_networks(const Session *session, const Args *args, Landscape *l, Error *err) {
    if (args_value(args, "span")->given)
        return error_set(err, STATUS_USAGE, "--span is for --random; the plane through networks has --margin");
    if (args->rest_count < 2)
        return error_set(err, STATUS_USAGE, "a plane goes through three networks (or --random 1|2 around one)");
    if (args->rest_count + 1 > CHART_MARKS_MAX)
        return error_set(err, STATUS_USAGE, "at most %d networks", CHART_MARKS_MAX);
    const Network *other[CHART_MARKS_MAX];
    for (size_t i = 0; i < args->rest_count; i++) other[i] = workspace_find(session, args->rest[i])->network;
    if (!(l->plane = plane_through(l->origin, other[0], other[1], err))) return false;
    plane_norms(l->plane, &l->unit_u, &l->unit_v);
    if (!add_mark(l, args_text(args, "A"), l->origin, err)) return false;
    for (size_t i = 0; i < args->rest_count; i++)
        if (!add_mark(l, args->rest[i], other[i], err)) return false;
    frame(l, args_real(args, "margin"));
    return true;
}

static bool around_one(const Session *session, const Args *args, Landscape *l, Error *err) {
    if (args->rest_count > 0)
        return error_set(err, STATUS_USAGE, "--random takes one network; '%s' is one too many", args->rest[0]);
    if (args_value(args, "margin")->given)
        return error_set(err, STATUS_USAGE, "--margin is for a plane through networks; --random has --span");
    const unsigned directions = args_choice(args, "random") == 0 ? 1 : 2;
    const double span = args_real(args, "span");
    l->line = directions == 1;
    l->unit_u = l->unit_v = 1;
    l->plane = plane_random(l->origin, directions, session->seed, err);
    l->mark[l->marks++] = (Mark){.name = args_text(args, "A")};
    for (int axis = 0; axis < 2; axis++) {
        l->low[axis] = -span;
        l->high[axis] = span;
    }
    return l->plane != NULL;
}

/* ---- the table --------------------------------------------------------------------------------------------------- */

static void add_columns(Table *table, const Landscape *l, const Survey *survey) {
    table_column(table, "x", "", COLUMN_REAL);
    if (!l->line) table_column(table, "y", "", COLUMN_REAL);
    for (size_t d = 0; d < survey->data_count; d++) {
        table_column(table, d ? "train_loss" : "loss", "", COLUMN_REAL);
        table_column(table, d ? "train_error" : "error", "%", COLUMN_REAL);
        table_column(table, d ? "train_accuracy" : "accuracy", "%", COLUMN_REAL);
    }
    if (l->tolerance > 0) table_column(table, "measured", "", COLUMN_TEXT);
}

static void add_notes(Table *table, const Landscape *l, size_t measured, size_t points) {
    Str marks = {0};
    for (size_t i = 0; i < l->marks; i++) {
        const Mark *mark = &l->mark[i];
        str_addf(&marks, "%s%s (%.6g, %.6g)", i ? ", " : "", mark->name, mark->a * l->unit_u, mark->b * l->unit_v);
        if (mark->distance > 1e-6 * (l->unit_u + l->unit_v)) str_addf(&marks, " at a distance of %.3g", mark->distance);
    }
    table_note(table, "networks", "%s", str_text(&marks));
    if (l->tolerance > 0)
        table_note(table, "measured", "%zu of %zu points%s", measured, points,
                   table->rows == points && measured < points ? "; the others are interpolated" : "");
    table->failed = table->failed || marks.failed;
    str_done(&marks);
}

static Table *make_table(const Landscape *l, const Survey *survey, const Explored *explored, Error *err) {
    Table *table = table_new(err);
    size_t measured = 0;
    if (!table) return NULL;
    add_columns(table, l, survey);
    for (size_t i = 0; i < survey->points; i++) {
        double a, b;
        if (!explored->done[i]) continue;
        place_of(l, i, &a, &b);
        table_real(table, a * l->unit_u);
        if (!l->line) table_real(table, b * l->unit_v);
        for (size_t d = 0; d < survey->data_count; d++) {
            const double accuracy = explored_value(explored, i, 2 * d);
            table_real(table, explored_value(explored, i, 2 * d + 1));
            table_real(table, 100 - accuracy);
            table_real(table, accuracy);
        }
        const bool own = explored_value(explored, i, explored->values - 1) > 0; /* recomputed */
        if (l->tolerance > 0) table_text(table, own ? "yes" : "no");
        measured += own;
    }
    add_notes(table, l, measured, survey->points);
    return table_finish(table, err);
}

static void draw(const Landscape *l, Result *result) {
    enum { CONTOURS = 8 };
    Str title = {0};
    str_addf(&title, l->marks > 1 ? "Plane through %s" : l->line ? "Line through %s" : "Around %s", l->mark[0].name);
    for (size_t i = 1; i < l->marks && i < 3; i++) str_addf(&title, ", %s", l->mark[i].name);
    result_chart(result, l->line ? CHART_LINES : CHART_HEATMAP, "x", l->line ? "loss" : "y", "%s", str_text(&title));
    str_done(&title);
    Encoding *encoding = &result->encoding;
    if (l->line) {
        snprintf(encoding->y2, CHART_NAME_MAX, "error");
        return;
    }
    snprintf(encoding->value, CHART_NAME_MAX, "loss");
    encoding->log_value = true;
    encoding->contours = l->grid > 2 ? CONTOURS : 0;
    for (size_t i = 0; i < l->marks; i++) {
        ChartMark *mark = &encoding->marks[encoding->mark_count++];
        mark->x = l->mark[i].a * l->unit_u;
        mark->y = l->mark[i].b * l->unit_v;
        snprintf(mark->label, sizeof mark->label, "%s", l->mark[i].name);
    }
}

/* ---- the command ------------------------------------------------------------------------------------------------- */

static bool survey_landscape(Session *session, const Args *args, Landscape *l, Result *result, Error *err) {
    const Dataset *train = args_dataset(args, "train");
    Explored explored;
    const Survey survey = {.base = l->origin,
                           .data = {args_dataset(args, "on"), train},
                           .data_count = train ? 2 : 1,
                           .points = l->line ? l->grid : l->grid * l->grid,
                           .series_count = 1,
                           .tolerance = l->tolerance,
                           .columns = l->grid,
                           .make = make,
                           .context = l,
                           .what = "landscape"};
    if (!explore_run(session, args, &survey, &explored, result, err)) return false;
    if (explored.elsewhere) return true;
    result->table = make_table(l, &survey, &explored, err);
    explored_done(&explored);
    draw(l, result);
    return result->table != NULL;
}

static bool run(Session *session, const Args *args, Result *result, Error *err) {
    Landscape landscape = {.origin = args_network(args, "A"),
                           .grid = (size_t)args_integer(args, "grid"),
                           .tolerance = args_value(args, "adaptive")->given ? args_real(args, "adaptive") : 0,
                           .recalibrate = args_dataset(args, "recalibrate"),
                           .line_text = args->line};
    if (!args_dataset(args, "on"))
        return error_set(err, STATUS_USAGE, "landscape measures loss and error: on which images? --on DATA");
    const bool done = (args_text(args, "random") ? around_one(session, args, &landscape, err)
                                                 : through_networks(session, args, &landscape, err)) &&
                      survey_landscape(session, args, &landscape, result, err);
    plane_free(landscape.plane);
    return done;
}

static const ArgSpec positionals[] = {
    {.name = "A", .kind = ARG_NETWORK, .help = "the network at the origin"},
    {.name = "B",
     .kind = ARG_NETWORK,
     .optional = true,
     .repeated = true,
     .help = "two more that span the plane with it; any others are projected onto it"},
    {0}};
static const ArgSpec options[] = {
    {.name = "random",
     .kind = ARG_CHOICE,
     .value = "1|2",
     .choices = "1|2",
     .help = "one or two random directions from A, scaled filter by filter to the weights' own norm"},
    {.name = "grid",
     .kind = ARG_INTEGER,
     .value = "N",
     .min = 1,
     .max = 1000,
     .standard = "21",
     .help = "points a side"},
    {.name = "margin",
     .kind = ARG_REAL,
     .value = "M",
     .min = 0,
     .max = 100,
     .standard = "0.5",
     .help = "around the networks, in what they span"},
    {.name = "span",
     .kind = ARG_REAL,
     .value = "S",
     .above_min = true,
     .max = 1e6,
     .standard = "1",
     .help = "random directions go from -S to S"},
    {.name = "adaptive",
     .kind = ARG_REAL,
     .value = "T",
     .above_min = true,
     .max = 10,
     .help =
         "measure only where the loss bends: until it is within this share (0.1, say) of what the points around foretell"},
    OPTIONS_EXPLORE,
    OPTION_RECALIBRATE,
    {.name = "train", .kind = ARG_DATASET, .value = "DATA", .help = "measure on these too: train_loss, train_error"},
    {0}};
static const char *const examples[] = {"landscape base smooth quieter --on few --grid 5",
                                       "landscape base --random 1 --on few --grid 9 --span 0.5",
                                       "landscape base --random 2 --on few --grid 3 --seed 4",
                                       "landscape base --random 1 --on few --grid 33 --adaptive 0.05", NULL};

const Command command_landscape = {
    .name = "landscape",
    .group = "Exploring",
    .summary = "loss and error on a plane through networks, or around one",
    .description =
        "Through three networks: the origin is A, x runs towards B, y at a right angle to it in the plane with the third; both in "
        "the weights' own distance. What all three have alike stays as it is. The networks are marked, and more of them are projected onto the plane (the note tells how far "
        "from it they are). A flat valley that holds a network and its smoothed reconstruction says that they are one solution. With --random: around one network, along normal random directions of which every filter has the "
        "norm of the network's own (Li et al., 2018); the seed chooses them. The chart draws the loss on a logarithmic colour scale with contour lines; plot "
        "--value error draws the error. --adaptive begins with a coarse grid and halves its cells where the loss bends; what lies between is "
        "interpolated (column `measured`: no), so that fine grids of smooth valleys cost a fraction.",
    .positionals = positionals,
    .options = options,
    .examples = examples,
    .prelude = "load data few sample:fashion-test --limit 32; svscale base --factor 0.5 --into quieter",
    .run = run,
    .table = true,
};
