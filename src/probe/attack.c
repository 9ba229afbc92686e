/* attack -- accuracy and loss of a network on images that are changed against it (FGSM, I-FGSM; see weft/probe.h).
 *
 * The gradient taken is that of the sum over a batch, not of the mean: so an image's is the same in every batch, and
 * attack_image gives to the bit what attack_run measures. It is taken times 2^64, which no sign depends on, and which
 * keeps images whose label has a logit far above all others from a gradient that float32 rounds to 0: up to 130 above
 * them rather than 85.
 */
#include "probe/evaluate.h"
#include "weft/base/error.h"
#include "weft/base/memory.h"
#include "weft/base/table.h"
#include "weft/base/task.h"

static const double GRADIENT_SCALE = 0x1p64;

/* What the passes of attacks work on, for batches of `batch` images; taken before the first. */
typedef struct Attacker {
    Engine *engine;
    const Task *task;
    unsigned batch, classes;
    uint64_t size;         /* floats of an image */
    float *clean;          /* batch x size: the images as they are */
    float *pixels;         /* the same, attacked */
    float *clean_gradient; /* at `clean`, which all attacks begin with */
    float *gradient;       /* at `pixels` */
    float *logits;         /* batch x classes */
    uint64_t done, total;  /* passes */
} Attacker;

const char *attack_name(AttackKind kind) {
    static const char *const names[] = {
#define X(name, text) text,
        ATTACKS(X)
#undef X
    };
    return names[kind];
}

bool attack_check(const Attack *attack, Error *err) {
    if (!(attack->epsilon >= 0 && attack->epsilon <= 1))
        return error_set(err, STATUS_USAGE, "eps must be from 0 to 1, not %g", attack->epsilon);
    if (attack->kind == ATTACK_FGSM) return true;
    if (!(attack->step >= 0 && attack->step <= 1))
        return error_set(err, STATUS_USAGE, "the step of an attack must be from 0 to 1, not %g", attack->step);
    return attack->steps > 0 || error_set(err, STATUS_USAGE, "an attack needs at least one step");
}

/* ---- one batch --------------------------------------------------------------------------------------------------- */

static bool pass_done(Attacker *a, Error *err) {
    return task_step(a->task, "attacking", ++a->done, a->total, err);
}

static bool take_gradient(Attacker *a, const float *at, const uint16_t *labels, unsigned images, float *gradient,
                          Error *err) {
    const Loss loss = {.cross_entropy = GRADIENT_SCALE * images};
    const Gradients to = {.pixels = gradient};
    return engine_backward(a->engine, at, labels, images, NULL, NULL, &loss, &to, NULL, NULL, err) && pass_done(a, err);
}

static double sign(float value) {
    return (value > 0) - (value < 0);
}

/* A step along the gradient from `from` (which may be `to`) on that stays within epsilon of `clean` and on [0, 1]. */
static void move_pixels(const float *clean, const float *from, const float *gradient, double step, double epsilon,
                        uint64_t count, float *to) {
    for (uint64_t i = 0; i < count; i++) {
        const double x = (double)clean[i], moved = (double)from[i] + step * sign(gradient[i]);
        const double least = x > epsilon ? x - epsilon : 0, most = x + epsilon < 1 ? x + epsilon : 1;
        to[i] = (float)(moved < least ? least : moved > most ? most : moved);
    }
}

static unsigned attack_steps(const Attack *attack) {
    if (!(attack->epsilon > 0)) return 0;
    return attack->kind == ATTACK_FGSM ? 1 : attack->steps;
}

/* Makes a->pixels of a->clean, whose gradient is in a->clean_gradient where the attack takes a step at all. */
static bool attack_batch(Attacker *a, const Attack *attack, const uint16_t *labels, unsigned images, Error *err) {
    const uint64_t count = images * a->size;
    const double usual = attack->kind == ATTACK_FGSM ? attack->epsilon : attack->epsilon / 4;
    const double step = attack->kind == ATTACK_IFGSM && attack->step > 0 ? attack->step : usual;
    const unsigned steps = attack_steps(attack);
    if (steps == 0) {
        for (uint64_t i = 0; i < count; i++) a->pixels[i] = a->clean[i];
        return true;
    }
    move_pixels(a->clean, a->clean, a->clean_gradient, step, attack->epsilon, count, a->pixels);
    for (unsigned i = 1; i < steps; i++) {
        if (!take_gradient(a, a->pixels, labels, images, a->gradient, err)) return false;
        move_pixels(a->clean, a->pixels, a->gradient, step, attack->epsilon, count, a->pixels);
    }
    return true;
}

/* Loads images from `first` on and takes the gradient that attacks begin with. */
static bool begin_batch(Attacker *a, const Dataset *dataset, uint64_t first, unsigned images, bool moves, Error *err) {
    evaluate_take(dataset, first, images, a->clean);
    return !moves || take_gradient(a, a->clean, dataset->labels + first, images, a->clean_gradient, err);
}

/* ---- all of them ------------------------------------------------------------------------------------------------- */

static void attacker_done(Attacker *a) {
    float *const buffers[] = {a->clean, a->pixels, a->clean_gradient, a->gradient, a->logits};
    for (size_t i = 0; i < sizeof buffers / sizeof *buffers; i++) mem_free(buffers[i]);
    engine_free(a->engine);
}

/* To be followed by attacker_done, whether it fails or not. */
static bool attacker_init(Attacker *a, const Network *network, const Dataset *dataset, unsigned batch, const Task *task,
                          Error *err) {
    const EngineOptions options = {.input_gradient = true};
    *a = (Attacker){.task = task, .batch = batch, .classes = network->graph->classes, .size = evaluate_pixels(dataset)};
    float **const buffers[] = {&a->clean, &a->pixels, &a->clean_gradient, &a->gradient};
    for (size_t i = 0; i < sizeof buffers / sizeof *buffers; i++)
        if (!(*buffers[i] = mem_alloc(batch * a->size, sizeof(float), err))) return false;
    return (a->logits = mem_alloc((uint64_t)batch * a->classes, sizeof(float), err)) &&
           (a->engine = engine_new(network, batch, dataset->height, dataset->width, &options, err));
}

/* Some attack takes a step: the gradient is needed. */
static bool any_moves(const Attack *attacks, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (attack_steps(&attacks[i]) > 0) return true;
    return false;
}

static void count_passes(Attacker *a, const Dataset *dataset, const Attack *attacks, size_t count) {
    uint64_t passes = any_moves(attacks, count);
    for (size_t i = 0; i < count; i++) {
        const unsigned steps = attack_steps(&attacks[i]);
        passes += steps > 0 ? steps : 1; /* a gradient fewer than steps, and what the network makes of it */
    }
    a->total = passes * ((dataset->count + a->batch - 1) / a->batch);
}

static bool run_batches(Attacker *a, const Dataset *dataset, const Attack *attacks, size_t count, Evaluation *out,
                        Error *err) {
    const bool moves = any_moves(attacks, count);
    bool ok = task_step(a->task, "attacking", 0, a->total, err);
    for (uint64_t first = 0; ok && first < dataset->count; first += a->batch) {
        const uint64_t left = dataset->count - first;
        const unsigned images = left < a->batch ? (unsigned)left : a->batch;
        double start = clock_seconds();
        ok = begin_batch(a, dataset, first, images, moves, err);
        const double shared = (clock_seconds() - start) / (double)count;
        for (size_t i = 0; ok && i < count; i++) {
            start = clock_seconds();
            ok = attack_batch(a, &attacks[i], dataset->labels + first, images, err) &&
                 engine_forward(a->engine, a->pixels, images, a->logits, err) && pass_done(a, err);
            if (!ok) break;
            evaluation_add(&out[i], dataset, first, images, a->logits, a->classes);
            out[i].seconds += shared + clock_seconds() - start;
        }
    }
    return ok;
}

bool attack_run(const Network *network, const Dataset *dataset, const Attack *attacks, size_t count, Evaluation *out,
                const Task *task, Error *err) {
    Attacker attacker = {0};
    bool ok = evaluate_check(network, dataset, err);
    for (size_t i = 0; ok && i < count; i++) ok = attack_check(&attacks[i], err);
    Evaluation *found = ok ? mem_alloc(count, sizeof *found, err) : NULL;
    ok = found != NULL;
    for (size_t i = 0; ok && i < count; i++) ok = evaluation_begin(&found[i], dataset, err);
    ok = ok && attacker_init(&attacker, network, dataset, evaluate_batch(dataset), task, err);
    if (ok) count_passes(&attacker, dataset, attacks, count);
    ok = ok && run_batches(&attacker, dataset, attacks, count, found, err);
    attacker_done(&attacker);
    for (size_t i = 0; ok && i < count; i++) ok = evaluation_end(&found[i], network, dataset, found[i].seconds, err);
    for (size_t i = 0; found && i < count; i++) {
        if (ok)
            out[i] = found[i];
        else
            evaluation_done(&found[i]);
    }
    mem_free(found);
    return ok;
}

bool attack_image(const Network *network, const Dataset *dataset, uint64_t index, const Attack *attack, float *pixels,
                  Error *err) {
    Attacker attacker = {0};
    if (!evaluate_check(network, dataset, err) || !attack_check(attack, err)) return false;
    if (index >= dataset->count)
        return error_set(err, STATUS_USAGE, "%s has %llu images, so there is no image %llu", dataset->spec,
                         (unsigned long long)dataset->count, (unsigned long long)index);
    bool ok = attacker_init(&attacker, network, dataset, 1, NULL, err) &&
              begin_batch(&attacker, dataset, index, 1, attack_steps(attack) > 0, err) &&
              attack_batch(&attacker, attack, dataset->labels + index, 1, err);
    for (uint64_t i = 0; ok && i < attacker.size; i++) pixels[i] = attacker.pixels[i];
    attacker_done(&attacker);
    return ok;
}

/* ---- table ------------------------------------------------------------------------------------------------------- */

void attack_notes(Table *table, const Attack *attack) {
    table_note(table, "attack", "%s", attack_name(attack->kind));
    if (attack->kind == ATTACK_FGSM) return;
    table_note(table, "steps", "%u", attack->steps);
    if (attack->step > 0)
        table_note(table, "step", "%.9g", attack->step);
    else
        table_note(table, "step", "eps/4");
}

Table *attack_table(const Attack *attacks, const Evaluation *evaluations, size_t count, Error *err) {
    Table *table = table_new(err);
    if (!table) return NULL;
    table_column(table, "eps", "", COLUMN_REAL);
    table_column(table, "eps_255", "", COLUMN_REAL);
    evaluation_columns(table, evaluations[0].classes);
    for (size_t i = 0; i < count; i++) {
        table_real(table, attacks[i].epsilon);
        table_real(table, 255 * attacks[i].epsilon);
        evaluation_cells(table, &evaluations[i]);
    }
    attack_notes(table, &attacks[0]);
    evaluation_rate(table, evaluations, count);
    for (size_t i = count; i-- > 0;) evaluation_note(table, &evaluations[i]);
    return table_finish(table, err);
}
