/* landscape -- loss and error around a network, or on the plane through three. */
#include "../explore.h"
#include "../dispatch.h"
#include "../session.h"
#include "weft/base/error.h"
#include "weft/base/text.h"

typedef struct LandscapeOptions {
    const Object *origin, *train;
    SettingList others;
    unsigned random;
    uint64_t grid;
    double margin, span, tolerance;
    ExploreOptions explore;
} LandscapeOptions;

static bool through_networks(const LandscapeOptions *o, Landscape *landscape, Error *err) {
    _Static_assert((int)LANDSCAPE_MARKS_MOST <= (int)CHART_MARKS_MAX, "a chart has room for all networks");
    const Network *networks[LANDSCAPE_MARKS_MOST];
    const char *names[LANDSCAPE_MARKS_MOST];
    const size_t count = o->others.count + 1;
    if (count < 3)
        return error_set(err, STATUS_USAGE, "a plane needs three networks (or one network and --random 1|2)");
    if (count > LANDSCAPE_MARKS_MOST) return error_set(err, STATUS_USAGE, "at most %d networks", LANDSCAPE_MARKS_MOST);
    for (size_t i = 0; i < count; i++) {
        const Object *object = i == 0 ? o->origin : o->others.item[i - 1];
        names[i] = object->name;
        networks[i] = object->network;
    }
    return landscape_through(landscape, networks, names, count, o->margin, err);
}

static bool around_one(const LandscapeOptions *o, uint64_t seed, Landscape *landscape, Error *err) {
    if (o->others.count > 0)
        return error_set(err, STATUS_USAGE, "--random takes one network; unexpected argument '%s'",
                         ((const Object *)o->others.item[0])->name);
    return landscape_around(landscape, o->origin->network, o->origin->name, o->random, o->span, seed, err);
}

static void draw(const Landscape *l, const Object *on, Result *result) {
    enum { CONTOURS = 8 };
    Str title = {0};
    str_addf(&title, l->marks > 1 ? "Plane through %s" : l->line ? "Line through %s" : "Around %s", l->mark[0].name);
    for (size_t i = 1; i < l->marks && i < 3; i++) str_addf(&title, ", %s", l->mark[i].name);
    str_add(&title, l->marks > 1 ? "" : ", random directions");
    result_chart(result, l->line ? CHART_LINES : CHART_HEATMAP, "direction_1", l->line ? "loss" : "direction_2", "%s",
                 str_text(&title));
    str_done(&title);
    result_images(result, on);
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
    const LandscapeOptions *o = args->options;
    const Survey survey = landscape_survey(landscape, object_dataset(o->explore.on), object_dataset(o->train));
    Findings findings;
    if (!explore_run(session, args, &o->explore, &survey, &findings, result, err)) return false;
    if (!findings.results) return true; /* in the background */
    result->table = landscape_table(landscape, &findings, &survey, err);
    findings_done(&findings);
    draw(landscape, o->explore.on, result);
    return result->table != NULL;
}

static bool landscape_command(Session *session, const Args *args, Result *result, Error *err) {
    const LandscapeOptions *o = args->options;
    Landscape landscape = {.grid = o->grid,
                           .tolerance = o->tolerance,
                           .recalibrate = object_dataset(o->explore.recalibrate),
                           .command = args->line};
    if (!o->explore.on)
        return error_set(err, STATUS_USAGE, "landscape measures loss and error: on which images? --on DATA");
    const bool done =
        (o->random ? around_one(o, session->seed, &landscape, err) : through_networks(o, &landscape, err)) &&
        survey_landscape(session, args, &landscape, result, err);
    landscape_done(&landscape);
    return done;
}

static const Setting positionals[] = {
    OBJECT(LandscapeOptions, origin, NETWORK, "A", NULL, .help = "the network at the origin"),
    LIST(LandscapeOptions, others, NETWORK, "B", .optional = true,
         .help = "two more that span the plane with it; any others are projected onto it"),
    {0}};
static const Setting own[] = {
    INTEGER(LandscapeOptions, random, "random", "1|2", .min = 1, .max = 2,
            .help = "follow one or two random directions from A, scaled filter by filter to the weights' own norm"),
    INTEGER(LandscapeOptions, grid, "grid", "N", .min = 1, .max = 1000, .standard = "21", .help = "points per side"),
    REAL(LandscapeOptions, margin, "margin", "M", .min = 0, .max = 100, .standard = "0.5", .excludes = "random",
         .help = "margin around the networks, as a fraction of their extent"),
    REAL(LandscapeOptions, span, "span", "S", .open_min = true, .max = 1e6, .standard = "1", .needs = "random",
         .help = "random directions go from -S to S"),
    REAL(LandscapeOptions, tolerance, "adaptive", "T", .open_min = true, .max = 10,
         .help = "refine only where the loss is curved: until it is within this fraction (e.g. 0.1) of the value "
                 "predicted by its neighbours"),
    {0}};
static const Setting more[] = {OBJECT(LandscapeOptions, train, DATASET, "train", "DATA",
                                      .help = "measure on these images, too: train_loss, train_error"),
                               {0}};
static const SettingGroup options[] = {{own, 0},
                                       {explore_settings, offsetof(LandscapeOptions, explore)},
                                       {recalibrate_settings, offsetof(LandscapeOptions, explore)},
                                       {more, 0},
                                       {NULL, 0}};
static const char *const examples[] = {"landscape base smooth quieter --on few --grid 5",
                                       "landscape base --random 1 --on few --grid 9 --span 0.5",
                                       "landscape base --random 2 --on few --grid 3 --seed 4",
                                       "landscape base --random 1 --on few --grid 33 --adaptive 0.05", NULL};

const Command command_landscape = {
    .name = "landscape",
    .group = "Exploring",
    .summary = "Map loss and error on a plane through networks, or around one",
    .description =
        "Maps the plane through three networks. The origin is A, direction 1 points towards B, and direction 2 is "
        "orthogonal to it in the plane with the third. Both are in units of distance between weights. Tensors "
        "equal in all three are unchanged. The networks are marked. Further networks are projected onto the "
        "plane; a note gives their distances from it.\n\n"
        "--random maps the surroundings of a single network along random normal directions, scaled filter by "
        "filter to the network's own norms (Li et al., 2018). --seed selects the directions.\n\n"
        "The chart draws the loss on a logarithmic colour scale with contour lines, as its colour bar says; plot "
        "--value error draws the error, --value loss the loss as before. --range fixes the colours, so that two "
        "landscapes can be compared. --adaptive starts with a coarse grid and refines only where the loss is curved. The remaining "
        "points are interpolated (column `measured`: no), so fine grids over smooth regions cost a fraction.",
    .size = sizeof(LandscapeOptions),
    .positionals = positionals,
    .options = options,
    .examples = examples,
    .prelude = "load data few sample:fashion-test --limit 32; svscale base --factor 0.5 --into quieter",
    .run = landscape_command,
    .table = true,
};
