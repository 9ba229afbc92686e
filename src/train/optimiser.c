/* optimiser -- Ranger, Adam, AdamW, SGD with Nesterov momentum, and learning-rate schedules; Muon and SOAP take whole
 * matrices, in files of their own.
 *
 * The parameters are cut into pieces of whole rows; a step of a piece needs nothing of the others, so it runs on the
 * pool and the result does not depend on the threads.
 */
#include "weft/train.h"

#include <math.h>
#include <string.h>

#include "weft/base/error.h"
#include "weft/base/memory.h"
#include "weft/base/pool.h"
#include "weft/base/size.h"
#include "train/matrices.h"

enum { PIECE_FLOATS = 8192 };

/* Whole rows of one block. */
typedef struct Piece {
    size_t offset, rows, columns;
    bool whole; /* its block's step is a function of the whole matrix */
} Piece;

struct Optimiser {
    OptimiserConfig config;
    Piece *pieces;
    size_t piece_count, piece_capacity, count;
    float *first, *second, *slow; /* NULL where the kind has none */
    Muon *muon;                   /* the same */
    Soap *soap;
    uint64_t steps;
};

/* ---- making ------------------------------------------------------------------------------------------------------ */

/* Whether Muon or SOAP takes a block. */
static bool takes(const OptimiserConfig *config, const ParameterBlock *block) {
    if (config->kind != OPTIMISER_MUON && config->kind != OPTIMISER_SOAP) return false;
    if (block->rows < 2 || block->columns < 2) return false;
    return config->matrices == MATRICES_ALL || block->place == BLOCK_INNER ||
           (config->matrices == MATRICES_NOT_LAST && block->place == BLOCK_FIRST);
}

static bool cut(Optimiser *optimiser, const ParameterBlock *block, Error *err) {
    size_t each = block->columns > 0 ? PIECE_FLOATS / block->columns : 1;
    if (each == 0) each = 1;
    for (size_t row = 0; row < block->rows; row += each) {
        if (!mem_grow(&optimiser->pieces, &optimiser->piece_capacity, optimiser->piece_count + 1, sizeof(Piece), err))
            return false;
        const size_t rows = block->rows - row < each ? block->rows - row : each;
        optimiser->pieces[optimiser->piece_count++] =
            (Piece){block->offset + row * block->columns, rows, block->columns, takes(&optimiser->config, block)};
    }
    return true;
}

/* What takes whole matrices, where the kind does. */
static bool take_matrices(Optimiser *optimiser, const ParameterBlock *blocks, size_t block_count, Error *err) {
    const OptimiserConfig *config = &optimiser->config;
    if (config->kind != OPTIMISER_MUON && config->kind != OPTIMISER_SOAP) return true;
    ParameterBlock *matrices = mem_alloc(block_count, sizeof *matrices, err);
    size_t count = 0;
    if (!matrices) return false;
    for (size_t i = 0; i < block_count; i++)
        if (takes(config, &blocks[i])) matrices[count++] = blocks[i];
    const bool done = config->kind == OPTIMISER_MUON
                          ? (optimiser->muon = muon_new(config, matrices, count, err)) != NULL
                          : (optimiser->soap = soap_new(config, matrices, count, err)) != NULL;
    mem_free(matrices);
    return done;
}

Optimiser *optimiser_new(const OptimiserConfig *config, const ParameterBlock *blocks, size_t block_count,
                         const float *parameters, size_t count, Error *err) {
    Optimiser *optimiser = mem_alloc(1, sizeof *optimiser, err);
    if (!optimiser) return NULL;
    const bool slow = config->kind == OPTIMISER_RANGER && config->lookahead > 0, second = config->kind != OPTIMISER_SGD;
    uint64_t bytes;
    optimiser->config = *config;
    optimiser->count = count;
    if (!size_mul(count, 3 * sizeof(float), &bytes)) bytes = UINT64_MAX;
    bool done = mem_admit(bytes, "the state of its optimiser", err) &&
                (optimiser->first = mem_alloc(count, sizeof(float), err)) &&
                (!second || (optimiser->second = mem_alloc(count, sizeof(float), err))) &&
                (!slow || (optimiser->slow = mem_alloc(count, sizeof(float), err)));
    for (size_t i = 0; done && i < block_count; i++) done = cut(optimiser, &blocks[i], err);
    done = done && take_matrices(optimiser, blocks, block_count, err);
    if (!done) {
        optimiser_free(optimiser);
        return NULL;
    }
    if (slow) memcpy(optimiser->slow, parameters, count * sizeof *parameters);
    return optimiser;
}

void optimiser_free(Optimiser *optimiser) {
    if (!optimiser) return;
    muon_free(optimiser->muon);
    soap_free(optimiser->soap);
    mem_free(optimiser->pieces);
    mem_free(optimiser->first);
    mem_free(optimiser->second);
    mem_free(optimiser->slow);
    mem_free(optimiser);
}

void optimiser_set_steps(Optimiser *optimiser, uint64_t steps) {
    optimiser->steps = steps;
}

size_t optimiser_state(Optimiser *optimiser, OptimiserState state[OPTIMISER_STATES]) {
    float *bases = NULL, *factors = NULL;
    size_t size = 0, count = 0;
    if (optimiser->soap) soap_state(optimiser->soap, &bases, &factors, &size);
    const OptimiserState all[OPTIMISER_STATES] = {{"state.first", optimiser->first, optimiser->count},
                                                  {"state.second", optimiser->second, optimiser->count},
                                                  {"state.slow", optimiser->slow, optimiser->count},
                                                  {"state.bases", bases, size},
                                                  {"state.factors", factors, size}};
    for (size_t i = 0; i < OPTIMISER_STATES; i++)
        if (all[i].values && all[i].count > 0) state[count++] = all[i];
    return count;
}

/* ---- a step ------------------------------------------------------------------------------------------------------ */

/* The step's scalars, the same for every parameter. */
typedef struct Scalars {
    float scale, beta1, beta2, one_beta1, one_beta2, epsilon; /* one_beta: 1 - beta */
    float keep;                                               /* 1 - decay * rate, or 1 */
    float decay;                                              /* added to the gradient, or 0 */
    float size;                                               /* what the direction is multiplied with */
    float root;                                               /* of the second moment's bias correction */
    bool adaptive, pull;
} Scalars;

typedef struct Step {
    Optimiser *optimiser;
    float *parameters, *gradient;
    Scalars s;
} Step;

/* RAdam's rectification: the size of the step, and whether the second moment is trusted yet. */
static double ranger_size(const OptimiserConfig *config, double t, bool *adaptive) {
    const double power = pow(config->beta2, t), limit = 2 / (1 - config->beta2) - 1;
    const double length = limit - 2 * t * power / (1 - power); /* N_sma */
    const double unbias = 1 - pow(config->beta1, t);
    *adaptive = length > config->threshold;
    if (!*adaptive) return 1 / unbias;
    return sqrt((1 - power) * (length - 4) / (limit - 4) * (length - 2) / length * limit / (limit - 2)) / unbias;
}

static Scalars scalars_of(const Optimiser *optimiser, double scale, double rate) {
    const OptimiserConfig *config = &optimiser->config;
    const double t = (double)optimiser->steps;
    const bool decoupled = config->kind != OPTIMISER_ADAM && config->kind != OPTIMISER_SGD;
    Scalars s = {.scale = (float)scale,
                 .beta1 = (float)config->beta1,
                 .beta2 = (float)config->beta2,
                 .one_beta1 = (float)(1 - config->beta1),
                 .one_beta2 = (float)(1 - config->beta2),
                 .epsilon = (float)config->epsilon,
                 .keep = decoupled ? (float)(1 - config->weight_decay * rate) : 1,
                 .decay = decoupled ? 0 : (float)config->weight_decay,
                 .root = 1};
    switch (config->kind) {
    case OPTIMISER_RANGER:
        s.size = (float)(ranger_size(config, t, &s.adaptive) * rate);
        s.pull = config->lookahead > 0 && optimiser->steps % config->lookahead == 0;
        break;
    case OPTIMISER_ADAM:
    case OPTIMISER_ADAMW:
        s.adaptive = true;
        s.size = (float)(rate / (1 - pow(config->beta1, t)));
        s.root = (float)(1 / sqrt(1 - pow(config->beta2, t)));
        break;
    case OPTIMISER_MUON: /* Adam, for what is no matrix */
        s.adaptive = true;
        s.size = (float)(config->rest_rate * rate / (1 - pow(config->beta1, t)));
        s.root = (float)(1 / sqrt(1 - pow(config->beta2, t)));
        break;
    case OPTIMISER_SOAP: /* the same, a step behind, and epsilon is not corrected */
        s.adaptive = true;
        s.size = (float)(config->rest_rate * rate / (1 - pow(config->beta1, t - 1)));
        s.root = (float)(1 / sqrt(1 - pow(config->beta2, t - 1)));
        s.epsilon *= s.root;
        break;
    case OPTIMISER_SGD:
    case OPTIMISER_COUNT:
        s.size = (float)rate;
        s.beta1 = (float)config->momentum;
        break;
    }
    return s;
}

/* Scale, decay and, for matrices, centralisation of the rows. */
static void prepare(const Step *step, const Piece *piece) {
    const bool centralise = step->optimiser->config.centralise && piece->columns > 1;
    for (size_t row = 0; row < piece->rows; row++) {
        float *restrict g = step->gradient + piece->offset + row * piece->columns;
        const float *restrict p = step->parameters + piece->offset + row * piece->columns;
        for (size_t i = 0; i < piece->columns; i++) g[i] = g[i] * step->s.scale + step->s.decay * p[i];
        if (!centralise) continue;
        double sum = 0;
        for (size_t i = 0; i < piece->columns; i++) sum += (double)g[i];
        const float mean = (float)(sum / (double)piece->columns);
        for (size_t i = 0; i < piece->columns; i++) g[i] -= mean;
    }
}

static void adaptive_step(const Step *step, size_t offset, size_t count) {
    const Scalars s = step->s;
    float *restrict p = step->parameters + offset, *restrict m = step->optimiser->first + offset;
    float *restrict v = step->optimiser->second + offset;
    const float *restrict g = step->gradient + offset;
    for (size_t i = 0; i < count; i++) {
        m[i] = s.beta1 * m[i] + s.one_beta1 * g[i];
        v[i] = s.beta2 * v[i] + s.one_beta2 * g[i] * g[i];
        p[i] *= s.keep;
        if (s.adaptive)
            p[i] -= s.size * m[i] / (sqrtf(v[i]) * s.root + s.epsilon);
        else
            p[i] -= s.size * m[i];
    }
}

/* torch.optim.SGD: the buffer starts as the first gradient, which beta * 0 + g also gives. */
static void sgd_step(const Step *step, size_t offset, size_t count) {
    const float momentum = step->s.beta1;
    float *restrict p = step->parameters + offset, *restrict m = step->optimiser->first + offset;
    const float *restrict g = step->gradient + offset;
    for (size_t i = 0; i < count; i++) {
        m[i] = momentum * m[i] + g[i];
        p[i] -= step->s.size * (g[i] + momentum * m[i]);
    }
}

static void run_piece(void *context, size_t index, unsigned worker) {
    (void)worker;
    const Step *step = context;
    const Piece *piece = &step->optimiser->pieces[index];
    const size_t count = piece->rows * piece->columns;
    prepare(step, piece);
    if (piece->whole || (step->optimiser->soap && step->optimiser->steps == 1)) return;
    if (step->optimiser->config.kind == OPTIMISER_SGD)
        sgd_step(step, piece->offset, count);
    else
        adaptive_step(step, piece->offset, count);
    if (!step->s.pull) return;
    float *restrict p = step->parameters + piece->offset, *restrict slow = step->optimiser->slow + piece->offset;
    const float pull = (float)step->optimiser->config.pull;
    for (size_t i = 0; i < count; i++) p[i] = slow[i] += pull * (p[i] - slow[i]);
}

void optimiser_step(Optimiser *optimiser, float *parameters, float *gradient, double scale, double learning_rate) {
    optimiser->steps++;
    Step step = {optimiser, parameters, gradient, scalars_of(optimiser, scale, learning_rate)};
    pool_run(optimiser->piece_count, run_piece, &step);
    const MatrixStep whole = {parameters,    gradient,    optimiser->first, optimiser->second,
                              learning_rate, step.s.keep, optimiser->steps};
    if (optimiser->muon) muon_step(optimiser->muon, &whole);
    if (optimiser->soap) soap_step(optimiser->soap, &whole);
}

double gradient_norm(const float *gradient, size_t count) {
    double total = 0;
    for (size_t first = 0; first < count; first += PIECE_FLOATS) {
        const size_t end = count - first < PIECE_FLOATS ? count : first + PIECE_FLOATS;
        double sum[4] = {0}; /* four chains, so that additions need not wait for one another */
        for (size_t i = first; i < end; i++) sum[i % 4] += (double)gradient[i] * (double)gradient[i];
        total += (sum[0] + sum[1]) + (sum[2] + sum[3]);
    }
    return sqrt(total);
}

/* ---- schedules --------------------------------------------------------------------------------------------------- */

static double cosine(double from, double to, double part) {
    return to + 0.5 * (from - to) * (1 + cos(M_PI * part));
}

/* As torch.optim.lr_scheduler.OneCycleLR with cosine annealing: up over the first 30 % of the steps from a 25th of the
 * peak, then down; the last step has the last rate. */
static double one_cycle(double peak, double last, uint64_t step, uint64_t steps) {
    const double top = 0.3 * (double)steps - 1, end = (double)steps - 1, at = (double)step;
    if (at <= top) return cosine(peak / 25, peak, top > 0 ? at / top : 1);
    return cosine(peak, last, end > top ? fmin((at - top) / (end - top), 1) : 1);
}

double schedule_rate(ScheduleKind kind, double first, double last, uint64_t step, uint64_t steps) {
    const double part = steps ? (double)step / (double)steps : 0;
    switch (kind) {
    case SCHEDULE_COSINE:
        return cosine(first, last, part);
    case SCHEDULE_ONE_CYCLE:
        return one_cycle(first, last, step, steps);
    case SCHEDULE_EXPONENTIAL:
        return first * pow(last / first, part);
    case SCHEDULE_CONSTANT:
    case SCHEDULE_COUNT:
        break;
    }
    return first;
}
