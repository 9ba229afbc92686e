/* caps -- the most similar of many unit vectors; caps.h says how. */
#include "predictor/caps.h"

#include <math.h>
#include <string.h>

#include "weft/base/error.h"
#include "weft/base/memory.h"
#include "weft/base/pool.h"

enum {
    LANES = 16,
    CAP_ITEMS = 128, /* in a cap, on average */
    ROUNDS = 2,      /* of moving the centres into the middle of their members */
    PIECE = 1024     /* units that are assigned at a time */
};
#define NOWHERE UINT32_MAX
#define SLACK 1e-5f /* more than float32 loses in cosines of angles between centres and vectors */

typedef float Lanes __attribute__((vector_size(4 * LANES), may_alias));
typedef int Masks __attribute__((vector_size(4 * LANES)));

typedef struct Cap {
    size_t block, count; /* its vectors begin at a whole block of LANES */
    float cosine, sine;  /* of the angle R */
} Cap;

struct Caps {
    const double *rows;
    size_t size;
    const uint32_t *item;
    size_t units, left, built; /* units in it: now, and when the caps were made */
    float margin;              /* float32 similarities are this near the true ones */
    Cap *caps;
    size_t cap_count;
    float *centres; /* in blocks of LANES vectors, coordinate after coordinate: one instruction works on them all */
    float *vectors; /* the same, cap after cap */
    uint32_t *unit; /* of each vector; NOWHERE */
    uint32_t *place, *cap_of;             /* of each unit: its vector, NOWHERE where it is not in it; its cap */
    uint32_t *list;                       /* scratch: units */
    float *query, *to_centre, *to_member; /* scratch: one vector; similarities */
    float *worker;                        /* scratch: a vector and similarities to centres for each */
    size_t worker_size;
    double *mean;
};

static size_t blocks(size_t count) {
    return (count + LANES - 1) / LANES;
}

/* ---- many at a time ---------------------------------------------------------------------------------------------- */

/* out[i] = query . vector i for whole blocks of vectors; returns the largest (of what lies in unused places, too). */
static inline __attribute__((always_inline)) float look_at_all(const float *query, size_t size, const float *vectors,
                                                               size_t count, float *out) {
    Lanes most;
    float largest = -2;
    for (size_t i = 0; i < LANES; i++) most[i] = -2;
    for (size_t block = 0; block < count; block++) {
        const Lanes *vector = (const Lanes *)vectors + block * size;
        Lanes sum = query[0] * vector[0];
        for (size_t d = 1; d < size; d++) sum += query[d] * vector[d];
        ((Lanes *)out)[block] = sum;
        const Masks more = sum > most;
        most = (Lanes)(((Masks)sum & more) | ((Masks)most & ~more));
    }
    for (size_t i = 0; i < LANES; i++)
        if (most[i] > largest) largest = most[i];
    return largest;
}

#if defined(__x86_64__)
/* The same, nine coordinates known to the compiler, for the CPUs that have wide vectors. */
__attribute__((target("avx2,fma"))) static float look_avx2(const float *query, size_t size, const float *vectors,
                                                           size_t count, float *out) {
    return size == 9 ? look_at_all(query, 9, vectors, count, out) : look_at_all(query, size, vectors, count, out);
}

static bool has_avx2(void) {
    __builtin_cpu_init();
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}
#else
#define look_avx2 look_at_all
static bool has_avx2(void) {
    return false;
}
#endif

static float similarities(const float *query, size_t size, const float *vectors, size_t count, float *out) {
    return has_avx2() ? look_avx2(query, size, vectors, count, out) : look_at_all(query, size, vectors, count, out);
}

/* ---- blocks of vectors ------------------------------------------------------------------------------------------- */

static float *coordinates(float *vectors, size_t size, size_t index) {
    return vectors + index / LANES * LANES * size + index % LANES; /* LANES apart */
}

static const double *row_of(const Caps *caps, size_t unit) {
    return caps->rows + caps->item[unit] * caps->size;
}

typedef double Doubles __attribute__((vector_size(64), aligned(8), may_alias));

double rows_dot(const double *a, const double *b, size_t size) {
    Doubles sum = {0};
    const size_t lanes = sizeof sum / sizeof *a;
    double total = 0;
    size_t i = 0;
    for (; i + lanes <= size; i += lanes) sum += *(const Doubles *)(a + i) * *(const Doubles *)(b + i);
    for (; i < size; i++) total += a[i] * b[i];
    for (size_t lane = 0; lane < lanes; lane++) total += sum[lane];
    return total;
}

/* ---- making the caps --------------------------------------------------------------------------------------------- */

static void assign_piece(void *context, size_t piece, unsigned worker) {
    Caps *caps = context;
    float *query = caps->worker + worker * caps->worker_size, *to_centre = query + blocks(caps->size) * LANES;
    const size_t end = (piece + 1) * PIECE < caps->left ? (piece + 1) * PIECE : caps->left;
    for (size_t i = piece * PIECE; i < end; i++) {
        const double *row = row_of(caps, caps->list[i]);
        size_t best = 0;
        for (size_t d = 0; d < caps->size; d++) query[d] = (float)row[d];
        similarities(query, caps->size, caps->centres, blocks(caps->cap_count), to_centre);
        for (size_t c = 1; c < caps->cap_count; c++)
            if (to_centre[c] > to_centre[best]) best = c;
        caps->cap_of[caps->list[i]] = (uint32_t)best;
    }
}

static void set_centre(Caps *caps, size_t cap, const double *vector) {
    float *centre = coordinates(caps->centres, caps->size, cap);
    const double norm = sqrt(rows_dot(vector, vector, caps->size));
    for (size_t d = 0; norm > 0 && d < caps->size; d++) centre[d * LANES] = (float)(vector[d] / norm);
}

/* Where each cap's vectors begin; the lists of its members, in `unit` and `place`. */
static void place_members(Caps *caps) {
    size_t block = 0;
    for (size_t c = 0; c < caps->cap_count; c++) caps->caps[c] = (Cap){.cosine = 1};
    for (size_t i = 0; i < caps->left; i++) caps->caps[caps->cap_of[caps->list[i]]].count++;
    for (size_t c = 0; c < caps->cap_count; c++) {
        caps->caps[c].block = block;
        block += blocks(caps->caps[c].count);
        caps->caps[c].count = 0;
    }
    for (size_t i = 0; i < caps->left; i++) {
        const uint32_t unit = caps->list[i];
        Cap *cap = &caps->caps[caps->cap_of[unit]];
        caps->place[unit] = (uint32_t)(cap->block * LANES + cap->count++);
        caps->unit[caps->place[unit]] = unit;
    }
}

static void move_centres(Caps *caps) {
    place_members(caps);
    for (size_t c = 0; c < caps->cap_count; c++) {
        const Cap *cap = &caps->caps[c];
        memset(caps->mean, 0, caps->size * sizeof *caps->mean);
        for (size_t i = 0; i < cap->count; i++) {
            const double *row = row_of(caps, caps->unit[cap->block * LANES + i]);
            for (size_t d = 0; d < caps->size; d++) caps->mean[d] += row[d];
        }
        set_centre(caps, c, caps->mean);
    }
}

static void copy_vectors(Caps *caps) {
    for (size_t i = 0; i < caps->left; i++) {
        const uint32_t unit = caps->list[i];
        Cap *cap = &caps->caps[caps->cap_of[unit]];
        const float *centre = coordinates(caps->centres, caps->size, caps->cap_of[unit]);
        const double *row = row_of(caps, unit);
        float *vector = coordinates(caps->vectors, caps->size, caps->place[unit]);
        double cosine = 0;
        for (size_t d = 0; d < caps->size; d++) {
            vector[d * LANES] = (float)row[d];
            cosine += row[d] * (double)centre[d * LANES];
        }
        if ((float)cosine < cap->cosine) cap->cosine = (float)cosine;
    }
    for (size_t c = 0; c < caps->cap_count; c++) {
        Cap *cap = &caps->caps[c];
        if (cap->cosine < -1) cap->cosine = -1;
        cap->sine = sqrtf(1 - cap->cosine * cap->cosine);
    }
}

/* Makes caps of the units that are left: first around some of them, then around their members' means. */
static void build_caps(Caps *caps) {
    const size_t pieces = (caps->left + PIECE - 1) / PIECE;
    size_t listed = 0;
    for (size_t u = 0; u < caps->units; u++)
        if (caps->place[u] != NOWHERE) caps->list[listed++] = (uint32_t)u;
    caps->built = caps->left;
    caps->cap_count = caps->left / CAP_ITEMS + 1;
    for (size_t c = 0; c < caps->cap_count; c++)
        if (caps->left) set_centre(caps, c, row_of(caps, caps->list[c * caps->left / caps->cap_count]));
    for (int round = 0; round < ROUNDS; round++) {
        pool_run(pieces, assign_piece, caps);
        move_centres(caps);
    }
    pool_run(pieces, assign_piece, caps);
    place_members(caps);
    copy_vectors(caps);
}

static bool make_arrays(Caps *caps, Error *err) {
    const size_t most = caps->units / CAP_ITEMS + 1, places = (blocks(caps->units) + most) * LANES;
    const size_t vector = blocks(caps->size) * LANES;
    caps->worker_size = vector + blocks(most) * LANES;
    return (caps->caps = mem_alloc(most, sizeof *caps->caps, err)) &&
           (caps->centres = mem_alloc(blocks(most) * LANES * caps->size, sizeof(float), err)) &&
           (caps->vectors = mem_alloc(places * caps->size, sizeof(float), err)) &&
           (caps->unit = mem_alloc(places, sizeof *caps->unit, err)) &&
           (caps->place = mem_alloc(caps->units, sizeof *caps->place, err)) &&
           (caps->cap_of = mem_alloc(caps->units, sizeof *caps->cap_of, err)) &&
           (caps->list = mem_alloc(caps->units, sizeof *caps->list, err)) &&
           (caps->query = mem_alloc(vector, sizeof(float), err)) &&
           (caps->to_centre = mem_alloc(blocks(most) * LANES, sizeof(float), err)) &&
           (caps->to_member = mem_alloc(places, sizeof(float), err)) &&
           (caps->worker = mem_alloc(pool_threads() * caps->worker_size, sizeof(float), err)) &&
           (caps->mean = mem_alloc(caps->size, sizeof *caps->mean, err));
}

Caps *caps_new(const double *rows, size_t size, const uint32_t *item, size_t units, const bool *left_out, Error *err) {
    Caps *caps = mem_alloc(1, sizeof *caps, err);
    if (!caps) return NULL;
    caps->rows = rows;
    caps->size = size;
    caps->item = item;
    caps->units = units;
    /* Rounding both vectors, then size products and sums: at most (size + 2) 2^-24 of sum |a b| <= 1; twice that. */
    caps->margin = (float)(size + 4) * 0x1p-23f;
    if (!make_arrays(caps, err)) {
        caps_free(caps);
        return NULL;
    }
    for (size_t u = 0; u < units; u++) {
        caps->place[u] = left_out[u] ? NOWHERE : 0;
        caps->left += !left_out[u];
    }
    build_caps(caps);
    return caps;
}

void caps_free(Caps *caps) {
    if (!caps) return;
    mem_free(caps->caps);
    mem_free(caps->centres);
    mem_free(caps->vectors);
    mem_free(caps->unit);
    mem_free(caps->place);
    mem_free(caps->cap_of);
    mem_free(caps->list);
    mem_free(caps->query);
    mem_free(caps->to_centre);
    mem_free(caps->to_member);
    mem_free(caps->worker);
    mem_free(caps->mean);
    mem_free(caps);
}

/* ---- using them -------------------------------------------------------------------------------------------------- */

/* The last member takes the place of the one that goes. Caps that have lost half of all are made anew, smaller. */
void caps_remove(Caps *caps, size_t unit) {
    Cap *cap = &caps->caps[caps->cap_of[unit]];
    const size_t from = cap->block * LANES + --cap->count, to = caps->place[unit];
    float *last = coordinates(caps->vectors, caps->size, from), *gone = coordinates(caps->vectors, caps->size, to);
    for (size_t d = 0; d < caps->size; d++) gone[d * LANES] = last[d * LANES];
    caps->unit[to] = caps->unit[from];
    caps->place[caps->unit[to]] = (uint32_t)to;
    caps->place[unit] = NOWHERE;
    caps->left--;
    if (caps->left < caps->built / 2) build_caps(caps);
}

typedef struct Nearest {
    const double *row;
    double similarity;
    size_t unit;
} Nearest;

static void look_into(Caps *caps, const Cap *cap, Nearest *best) {
    const float *vectors = caps->vectors + cap->block * LANES * caps->size;
    const float most = similarities(caps->query, caps->size, vectors, blocks(cap->count), caps->to_member);
    if (most < (float)best->similarity - caps->margin) return;
    for (size_t i = 0; i < cap->count; i++) {
        if (caps->to_member[i] < (float)best->similarity - caps->margin) continue;
        const size_t unit = caps->unit[cap->block * LANES + i];
        const double similarity = rows_dot(best->row, row_of(caps, unit), caps->size);
        if (similarity < best->similarity || (similarity == best->similarity && unit > best->unit)) continue;
        best->similarity = similarity;
        best->unit = unit;
    }
}

/* Whether a cap may hold one as similar as the best: its centre's angle a <= R + r, where r is the best's angle. */
static bool within_reach(const Cap *cap, float to_centre, float cosine, float sine) {
    return to_centre >= cap->cosine * cosine - cap->sine * sine - SLACK || cap->cosine <= SLACK - cosine;
}

bool caps_nearest(Caps *caps, size_t unit, size_t *nearest, double *similarity) {
    Nearest best = {row_of(caps, unit), -2, 0};
    size_t start = SIZE_MAX;
    for (size_t d = 0; d < caps->size; d++) caps->query[d] = (float)best.row[d];
    similarities(caps->query, caps->size, caps->centres, blocks(caps->cap_count), caps->to_centre);
    for (size_t c = 0; c < caps->cap_count; c++)
        if (caps->caps[c].count && (start == SIZE_MAX || caps->to_centre[c] > caps->to_centre[start])) start = c;
    if (start == SIZE_MAX) return false;
    look_into(caps, &caps->caps[start], &best);
    for (size_t c = 0; c < caps->cap_count; c++) {
        const float cosine = (float)best.similarity, sine = sqrtf(fmaxf(0, 1 - cosine * cosine));
        if (c != start && caps->caps[c].count && within_reach(&caps->caps[c], caps->to_centre[c], cosine, sine))
            look_into(caps, &caps->caps[c], &best);
    }
    *nearest = best.unit;
    *similarity = best.similarity;
    return true;
}
