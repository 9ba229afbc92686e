/* landscape -- loss and error around a network, or on the plane through three. */
#include "../explore.h"
#include "weft/base/error.h"
#include "weft/base/text.h"

static bool through_networks(const Session *session, const Args *args, Landscape *landscape, Error *err) {
    _Static_assert((int)LANDSCAPE_MARKS_MOST <= (int)CHART_MARKS_MAX, "a chart has room for all networks");
    const Network *networks[LANDSCAPE_MARKS_MOST] = {args_network(args, "A")};
    const char *names[LANDSCAPE_MARKS_MOST] = {args_text(args, "A")};
    if (args_value(args, "span")->given)
        return error_set(err, STATUS_USAGE, "--span is for --random; the plane through networks has --margin");
    if (args->rest_count < 2)
        return error_set(err, STATUS_USAGE, "a plane goes through three networks (or --random 1|2 around one)");
    if (args->rest_count + 1 > LANDSCAPE_MARKS_MOST)
        return error_set(err, STATUS_USAGE, "at most %d networks", LANDSCAPE_MARKS_MOST);
    for (size_t i = 0; i < args->rest_count; i++) {
        names[i + 1] = args->rest[i];
        networks[i + 1] = workspace_find(session, args->rest[i])->network;
    }
    return landscape_through(landscape, networks, names, args->rest_count + 1, args_real(args, "margin"), err);
}

static bool around_one(const Session *session, const Args *args, Landscape *landscape, Error *err) {
    if (args->rest_count > 0)
        return error_set(err, STATUS_USAGE, "--random takes one network; '%s' is one too many", args->rest[0]);
    if (args_value(args, "margin")->given)
        return error_set(err, STATUS_USAGE, "--margin is for a plane through networks; --random has --span");
    return landscape_around(landscape, args_network(args, "A"), args_text(args, "A"),
                            args_choice(args, "random") == 0 ? 1 : 2, args_real(args, "span"), session->seed, err);
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

static bool survey_landscape(Session *session, const Args *args, Landscape *landscape, Result *result, Error *err) {
    const Survey survey = landscape_survey(landscape, args_dataset(args, "on"), args_dataset(args, "train"));
    Findings findings;
    if (!explore_run(session, args, &survey, &findings, result, err)) return false;
    if (!findings.results) return true; /* in the background */
    result->table = landscape_table(landscape, &findings, &survey, err);
    findings_done(&findings);
    draw(landscape, result);
    return result->table != NULL;
}

static bool run(Session *session, const Args *args, Result *result, Error *err) {
    Landscape landscape = {.grid = (size_t)args_integer(args, "grid"),
                           .tolerance = args_value(args, "adaptive")->given ? args_real(args, "adaptive") : 0,
                           .recalibrate = args_dataset(args, "recalibrate"),
                           .command = args->line};
    if (!args_dataset(args, "on"))
        return error_set(err, STATUS_USAGE, "landscape measures loss and error: on which images? --on DATA");
    const bool done = (args_text(args, "random") ? around_one(session, args, &landscape, err)
                                                 : through_networks(session, args, &landscape, err)) &&
                      survey_landscape(session, args, &landscape, result, err);
    landscape_done(&landscape);
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
    .summary = "Map loss and error on a plane through networks, or around one",
    .description =
        "Maps the plane through three networks (help landscape). The origin is A, x points towards B, and y is "
        "orthogonal to x in the plane with the third. Both axes are in units of distance between weights. Tensors "
        "equal in all three are unchanged. The networks are marked. Further networks are projected onto the "
        "plane; a note gives their distances from it.\n\n"
        "--random maps the surroundings of a single network along random normal directions, scaled filter by "
        "filter to the network's own norms (Li et al., 2018). --seed selects the directions.\n\n"
        "The chart draws the loss on a logarithmic colour scale with contour lines; plot --value error draws the "
        "error. --adaptive starts with a coarse grid and refines only where the loss is curved. The remaining "
        "points are interpolated (column `measured`: no), so fine grids over smooth regions cost a fraction.",
    .positionals = positionals,
    .options = options,
    .examples = examples,
    .prelude = "load data few sample:fashion-test --limit 32; svscale base --factor 0.5 --into quieter",
    .run = run,
    .table = true,
};
