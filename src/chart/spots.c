/* spots -- where labels stand in a plot: beside marks, and on contour lines. */
#include "chart/model.h"

#include <math.h>

bool spots_overlap(Spot a, Spot b, double gap) {
    return a.x < b.x + b.width + gap && b.x < a.x + a.width + gap && a.y < b.y + b.height + gap &&
           b.y < a.y + a.height + gap;
}

static bool within(Spot spot, SpotSizes sizes) {
    return spot.x >= 0 && spot.y >= 0 && spot.x + spot.width <= sizes.width && spot.y + spot.height <= sizes.height;
}

/* What a mark's point itself covers. */
static Spot point_spot(const MarkSpot *mark, SpotSizes sizes) {
    double across = 0.7 * sizes.gap_across, down = 0.7 * sizes.gap_down;
    return (Spot){mark->x - across, mark->y - down, 2 * across, 2 * down};
}

/* ---- marks ------------------------------------------------------------------------------------------------------- */

/* How much a label there would cover; out of the plot it cannot stand. */
static int cost_of(const MarkSpot *marks, size_t count, size_t placed, Spot spot, SpotSizes sizes) {
    int cost = 0;
    if (!within(spot, sizes)) return INT32_MAX;
    for (size_t i = 0; i < count; i++) {
        if (i != placed && spots_overlap(spot, point_spot(&marks[i], sizes), 0)) cost += 2;
        if (i < placed && marks[i].label.width > 0 && spots_overlap(spot, marks[i].label, 0)) cost += 3;
    }
    return cost;
}

void spots_marks(MarkSpot *marks, size_t count, SpotSizes sizes, SpotHides *hides, const void *context) {
    for (size_t i = 0; i < count; i++) {
        MarkSpot *mark = &marks[i];
        double width = mark->label.width, height = sizes.text_height;
        double right = mark->x + sizes.gap_across, left = mark->x - sizes.gap_across - width;
        double above = mark->y - sizes.gap_down - height, below = mark->y + sizes.gap_down;
        const Spot places[] = {
            {right, mark->y - height / 2, width, height},
            {left, mark->y - height / 2, width, height},
            {mark->x - width / 2, above, width, height},
            {mark->x - width / 2, below, width, height},
            {right, above, width, height},
            {left, above, width, height},
            {right, below, width, height},
            {left, below, width, height},
        };
        int least = INT32_MAX;
        mark->label.width = 0;
        for (size_t p = 0; p < sizeof places / sizeof *places && width > 0; p++) {
            int cost = cost_of(marks, count, i, places[p], sizes);
            if (hides && cost < INT32_MAX) cost = 100 * cost + (int)fmin((double)hides(context, places[p]), 150);
            if (cost >= least) continue;
            least = cost;
            mark->label = places[p];
        }
    }
}

/* ---- contour lines ----------------------------------------------------------------------------------------------- */

/* Noise has lines without end: after so many looks at pieces of lines, labels no longer care what they cover. */
enum { CANDIDATES = 64, LOOKS_MOST = 4000000 };

typedef struct Placing {
    const Contours *contours;
    Scale x, y;
    SpotSizes sizes;
    const MarkSpot *marks;
    size_t mark_count;
    LevelSpot *out;
    size_t count, looks;
} Placing;

static Place at_place(const Placing *placing, size_t i) {
    Place place = placing->contours->places[i];
    return (Place){scale_fraction(placing->x, place.x) * placing->sizes.width,
                   (1 - scale_fraction(placing->y, place.y)) * placing->sizes.height};
}

static bool is_free(const Placing *placing, Spot spot) {
    double gap = placing->sizes.text_height / 4;
    if (!within(spot, placing->sizes)) return false;
    for (size_t i = 0; i < placing->mark_count; i++) {
        const MarkSpot *mark = &placing->marks[i];
        if (spots_overlap(spot, point_spot(mark, placing->sizes), gap)) return false;
        if (mark->label.width > 0 && spots_overlap(spot, mark->label, gap)) return false;
    }
    for (size_t i = 0; i < placing->count; i++) {
        if (spots_overlap(spot, placing->out[i].spot, gap)) return false;
    }
    return true;
}

/* How many pieces of lines of other levels pass through a label (by their bounds). */
static size_t foreign_lines(Placing *placing, Spot spot, unsigned level) {
    size_t count = 0;
    if (placing->looks > LOOKS_MOST) return 0;
    placing->looks += placing->contours->place_count;
    for (size_t p = 0; p < placing->contours->path_count; p++) {
        const ContourPath *path = &placing->contours->paths[p];
        if (path->level == level) continue;
        Place last = at_place(placing, path->first);
        for (size_t i = path->first + 1; i < path->first + path->count; i++) {
            Place at = at_place(placing, i);
            Spot piece = {fmin(last.x, at.x), fmin(last.y, at.y), fabs(at.x - last.x), fabs(at.y - last.y)};
            count += spots_overlap(spot, piece, 0);
            last = at;
        }
    }
    return count;
}

/* From place `i` of a path on, `step` by step, the first place that is `distance` away (or the path's end). */
static Place reach(const Placing *placing, const ContourPath *path, size_t i, int step, double distance) {
    Place from = at_place(placing, path->first + i), at = from;
    for (size_t walked = 1; walked < path->count && hypot(at.x - from.x, at.y - from.y) < distance; walked++) {
        if (i == 0 && step < 0) i = path->closed ? path->count - 1 : 1;
        if (i + 1 == path->count && step > 0) i = path->closed ? 0 : path->count - 2;
        i = step < 0 ? i - 1 : i + 1;
        at = at_place(placing, path->first + i);
    }
    return at;
}

static double length_of(const Placing *placing, const ContourPath *path) {
    Place last = at_place(placing, path->first);
    double length = 0;
    for (size_t i = path->first + 1; i < path->first + path->count; i++) {
        Place at = at_place(placing, i);
        length += hypot(at.x - last.x, at.y - last.y);
        last = at;
    }
    return length;
}

/* The best place on a path: flat, away from other lines, rather in the middle of the plot than at its rim. */
static bool best_on(Placing *placing, const ContourPath *path, double width, Spot *best) {
    SpotSizes sizes = placing->sizes;
    double least = INFINITY, height = sizes.text_height;
    size_t step = path->count / CANDIDATES + 1;
    if (length_of(placing, path) < 4 * (width + height)) return false;
    for (size_t i = 0; i < path->count; i += step) {
        Place at = at_place(placing, path->first + i);
        Spot spot = {at.x - width / 2, at.y - height / 2, width, height};
        if (isnan(at.x) || isnan(at.y) || !is_free(placing, spot)) continue;
        Place a = reach(placing, path, i, -1, width / 2), b = reach(placing, path, i, 1, width / 2);
        double across = fabs(b.x - a.x), down = fabs(b.y - a.y);
        double off = fabs(at.x / sizes.width - 0.5) + fabs(at.y / sizes.height - 0.5);
        double cost =
            down / (across + down + 1e-9) + 0.5 * (double)foreign_lines(placing, spot, path->level) + 0.3 * off;
        if (!(cost < least)) continue;
        least = cost;
        *best = spot;
    }
    return isfinite(least);
}

size_t spots_levels(const Contours *contours, Scale x, Scale y, SpotSizes sizes,
                    const double text_width[CHART_CONTOURS_MAX], const MarkSpot *marks, size_t mark_count,
                    LevelSpot out[LEVEL_SPOTS_MAX]) {
    Placing placing = {contours, x, y, sizes, marks, mark_count, out, 0, 0};
    for (size_t p = 0; p < contours->path_count && placing.count < LEVEL_SPOTS_MAX; p++) {
        const ContourPath *path = &contours->paths[p];
        Spot spot;
        if (!best_on(&placing, path, text_width[path->level], &spot)) continue;
        out[placing.count++] = (LevelSpot){spot, path->level};
    }
    return placing.count;
}
