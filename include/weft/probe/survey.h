/* survey -- many networks measured on the same images: the survey, and the three that are made of it, sweeps, paths and
 * landscapes. Beside probe.h, whose folder it describes.
 *
 * A sweep, a path or a landscape prepares a Survey, which borrows it. Whoever runs the survey keeps its numbers in
 * Findings; the tables are made of these.
 */
#ifndef WEFT_SURVEY_H
#define WEFT_SURVEY_H

#include "weft/base/error.h"
#include "weft/base/run.h"
#include "weft/base/table.h"
#include "weft/base/task.h"
#include "weft/base/text.h"
#include "weft/probe.h"

/* ---- surveys ----------------------------------------------------------------------------------------------------- */

/* Many networks of one graph, one a point, measured on the same images: what sweeps, interpolations and landscapes are.
 * Points run side by side, each network on one thread, or, where there are fewer points than threads, one after the
 * other on all of them; to the same bits. */
enum { SURVEY_DATA = 2 };
typedef struct Survey {
    const Network *base; /* what the networks are compared with */
    const Dataset *data[SURVEY_DATA];
    size_t data_count; /* 0: weights only */
    size_t points;
    const size_t *series_of; /* of each point; NULL, where there is one series: 0 */
    size_t series_count;     /* at least 1 */
    /* Of each series, layer_count marks: the layers in which its networks may differ from the base. What comes before
     * the first of them runs once for the series (where its results fit into an eighth of the memory budget), and the
     * change of these layers is measured. NULL: neither. */
    const bool *const *layers;
    /* Compare each network with the base, image by image, on the data, of which there is one at most. The base is
     * evaluated once, before the first point; `base_point` is the point that is the base itself (its numbers are those
     * of that evaluation), or `points` if there is none. */
    bool compare;
    size_t base_point;
    bool whole; /* run every network from the first step on all the same */
    /* Above 0: the points are a grid, row by row, with `columns` columns, and are measured only where the surface is
     * curved: until every loss is within this fraction of the value predicted by its neighbours. The others are
     * interpolated, bilinearly (a loss in its logarithm); their `recomputed` is 0. */
    double tolerance;
    size_t columns;
    /* The network of a point; from several threads at once. */
    Network *(*make)(void *context, size_t point, Error *err);
    void *context;
    const char *what; /* for progress */
} Survey;

/* The numbers of each point, in this order: for each of the data accuracy (%) and loss, as from evaluate_run (both NaN
 * if an image has no logits); with `compare` and data, only and only_vs: how many images only this network, only the
 * base gets right (both NaN if one of the two has no accuracy); with `layers`, over the marked convolutions:
 * sratio_change, the mean of S_ratio minus the base's (NaN if no layer has one); distance, ||w - v||_F / ||w||_F; rms,
 * the root of the mean of (w - v)^2, v the base's weights (w in the denominator: the base's); last recomputed
 * (%), the fraction of a pass's multiplications that was computed (NaN without data). */
size_t survey_values(const Survey *survey);
const char *survey_value_name(const Survey *survey,
                              size_t value); /* "accuracy (%)"; with a second dataset also "accuracy_2 (%)" */
/* False if the base cannot be measured on the data: as evaluate_check. */
bool survey_check(const Survey *survey, Error *err);
/* Fills results (points x survey_values) and done, as points_run does with `run`, and fails as it does. A second
 * cancellation ends it between two batches. Errors of a point's network are those of `make`, and STATUS_FAILED if it
 * has other layers than the base. A network with a different graph (quantisers) is only slower. */
bool survey_run(const Survey *survey, Run *run, double *results, bool *done, const Task *task, Error *err);

/* What a survey found. */
typedef struct Findings {
    double *results; /* points x values */
    bool *done;      /* of each point: whether its numbers are there */
    size_t points, values;
} Findings;
/* Room for the survey's numbers, none of them there; free with findings_done, also where it fails. */
bool findings_begin(const Survey *survey, Findings *out, Error *err);
void findings_done(Findings *findings);
double findings_value(const Findings *findings, size_t point, size_t value); /* NaN if the point is not done */
size_t findings_count(const Findings *findings);                             /* points that are done */
/* Where points have no accuracy and loss: two lines for people, how many these are and which layer of the first one is
 * the cause. That one is measured once more. Nothing if all have them. */
void findings_undefined(const Findings *findings, const Survey *survey, Str *out);

/* The columns of a survey's numbers in a table, and the cells of a point: each accuracy with its interval
 * (accuracy_columns); with `compare`, compared_columns behind the loss, whose comparison is empty for base_point.
 * Without images the share that was recomputed is left out. */
void survey_columns(Table *table, const Survey *survey);
void survey_cells(Table *table, const Findings *findings, const Survey *survey, size_t point);

/* ---- ranges ------------------------------------------------------------------------------------------------------ */

enum { RANGE_MOST = 100000 };

typedef struct Range {
    double *values; /* owned */
    size_t count, capacity;
    bool log; /* the last range of the text was logarithmic */
} Range;
/* Reads "1,2,4", "MIN:MAX:COUNT", "MIN:MAX:COUNT:log", or several of them separated by commas. The first and the last
 * value of a range are exactly its bounds. `whole`: only whole numbers; those of a range are rounded. Equal neighbours
 * count once. Messages begin with `what`: "--over cutoff". STATUS_USAGE if the text is not such a list, STATUS_LIMIT
 * for more than RANGE_MOST values. Free with range_done, also after a failure. */
bool range_read(const char *what, const char *text, bool whole, Range *out, Error *err);
void range_done(Range *range);

/* ---- sweeps ------------------------------------------------------------------------------------------------------ */

/* The parts of a network that a sweep can change one by one. */
#define SWEEP_PARTS(X) X(STAGE, "stage") X(BLOCK, "block") X(LAYER, "layer")
typedef enum SweepPart {
#define X(name, text) SWEEP_##name,
    SWEEP_PARTS(X)
#undef X
        SWEEP_PART_COUNT
} SweepPart;
const char *sweep_part_name(SweepPart part);

enum { SWEEP_AXES = 2, SWEEP_POINTS_MOST = 1000000 };

typedef struct SweepAxis {
    char *name; /* owned */
    Range range;
} SweepAxis;

/* One curve: the layers that are changed; the others are unchanged. */
typedef struct SweepSeries {
    char *label;  /* a selector: "stage:1"; NULL if the sweep is not split */
    bool *layers; /* layer_count marks */
} SweepSeries;

/* Networks made from one network over one or two numbers. Each series runs over all values of the axes, the first of
 * them fastest; the last point of the survey is the unchanged network. */
typedef struct Sweep {
    const Network *base;
    SweepAxis axis[SWEEP_AXES];
    size_t axes;      /* at least 1 */
    const char *part; /* the column of the series' labels; NULL if the sweep is not split */
    SweepSeries *series;
    size_t series_count, series_capacity;
    /* The network with these values, one an axis, of which only the marked layers are changed; from several threads at
     * once. */
    Network *(*make)(void *context, const double values[SWEEP_AXES], const bool *layers, Error *err);
    void *context;
    size_t pairs; /* by sweep_survey: the points of a series */
    size_t *series_of;
    const bool **layers;
} Sweep;
/* One series, of the chosen layers. */
bool sweep_whole(Sweep *sweep, const bool *chosen, Error *err);
/* A series for each part of the network with chosen layers. Layers outside of stages (blocks) are in none; STATUS_USAGE
 * if all of them are. */
bool sweep_split(Sweep *sweep, SweepPart part, const bool *chosen, Error *err);
size_t sweep_pairs(const Sweep *sweep);
/* The values of one of sweep_pairs. */
void sweep_values(const Sweep *sweep, size_t pair, double values[SWEEP_AXES]);
/* The survey of a sweep with base, axes, series and make, on `data` (NULL: weights only). It borrows the sweep.
 * STATUS_LIMIT for more than SWEEP_POINTS_MOST points. */
bool sweep_survey(Sweep *sweep, const Dataset *data, Survey *out, Error *err);
/* The numbers of the unchanged network, and the fraction of the work that was done; NaN if unknown. */
typedef struct SweepFacts {
    double accuracy, loss; /* accuracy in per cent */
    double recomputed;     /* the mean share (%) of a pass's multiplications */
} SweepFacts;
SweepFacts sweep_facts(const Sweep *sweep, const Findings *findings, const Survey *survey);
/* A row for each point that is done: part, the axes, survey_columns; notes accuracy_unchanged, loss_unchanged,
 * recomputed, comparison (compared_note). */
Table *sweep_table(const Sweep *sweep, const Findings *findings, const Survey *survey, Error *err);
void sweep_done(Sweep *sweep);

/* ---- paths ------------------------------------------------------------------------------------------------------- */

enum { PATH_NETWORKS_MOST = 64 };

/* The line from one network to the next: alpha 0 is the first network, 1 the second, and so on. Below 0 and beyond the
 * last network the path goes straight on. All pointers are borrowed. */
typedef struct Path {
    const Network *network[PATH_NETWORKS_MOST];
    const char *name[PATH_NETWORKS_MOST];
    size_t count;               /* at least 2 */
    size_t points;              /* evenly spaced, */
    double from, to;            /* from this alpha to that one, both included */
    const Dataset *recalibrate; /* NULL, or the images from which the statistics of batch norm are recomputed */
    const char *command;        /* for lineage */
    bool *layers;               /* by path_survey: those that are compared, */
    const bool *marks[1];       /* as the one series */
} Path;
double path_alpha(const Path *path, size_t point);
/* The survey of a path, on `data` (NULL: weights only). It borrows the path. Fails as mix_check does, naming both
 * networks. */
bool path_survey(Path *path, const Dataset *data, Survey *out, Error *err);
/* A row for each point that is done: between (the names of two networks, where there are more), alpha,
 * survey_columns; the note comparison. */
Table *path_table(const Path *path, const Findings *findings, const Survey *survey, Error *err);
void path_done(Path *path);

/* ---- landscapes -------------------------------------------------------------------------------------------------- */

enum { LANDSCAPE_MARKS_MOST = 8 };

/* A network in the plane. */
typedef struct LandscapeMark {
    const char *name;      /* borrowed */
    double a, b, distance; /* in units of u and v; from the plane */
} LandscapeMark;

/* Loss and error on a grid of points in a plane, or on a line. */
typedef struct Landscape {
    const Network *origin;
    Plane *plane;           /* owned */
    double unit_u, unit_v;  /* what a and b are multiplied with in the table: |u|, |v|, or 1 */
    bool line;              /* b is 0 everywhere */
    size_t grid;            /* points a side, at least 1 */
    double low[2], high[2]; /* of a and b */
    LandscapeMark mark[LANDSCAPE_MARKS_MOST];
    size_t marks;
    double tolerance;           /* as Survey's; 0: every point is measured */
    const Dataset *recalibrate; /* as Path's */
    const char *command;        /* for lineage */
} Landscape;
/* The plane through the first three of `count` networks (at most LANDSCAPE_MARKS_MOST), in units of weight space. All
 * are projected onto it and lie on the grid, with a margin around them: this share of what they span. Fails as
 * plane_through and plane_project do. */
bool landscape_through(Landscape *landscape, const Network *const *networks, const char *const *names, size_t count,
                       double margin, Error *err);
/* Random directions, one (a line) or two, from -span to span around a network: plane_random. */
bool landscape_around(Landscape *landscape, const Network *network, const char *name, unsigned directions, double span,
                      uint64_t seed, Error *err);
/* The survey of a landscape on `data` and, where it is not NULL, `train`. It borrows the landscape. */
Survey landscape_survey(Landscape *landscape, const Dataset *data, const Dataset *train);
/* A row for each point that is done: x, y (not of a line), loss, error (%), accuracy with its interval (empty where it
 * is interpolated), the same of `train` with "train_" before the names, and measured (yes or no) where there is a
 * tolerance. Notes: networks, where they lie; measured, how many points. */
Table *landscape_table(const Landscape *landscape, const Findings *findings, const Survey *survey, Error *err);
void landscape_done(Landscape *landscape);

#endif
