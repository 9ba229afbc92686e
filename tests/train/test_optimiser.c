/* test_optimiser -- 30-step trajectories and the 20-step training trace against NumPy and torch.optim in float64
 * (tests/oracle, ../shared/oracle), 20 steps of Muon and SOAP against torch.optim.Muon and NumPy, schedules against
 * their formulas, threads and faults. */
#include "weft/train.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "../support/oracle.h"
#include "weft/base/error.h"
#include "weft/base/fault.h"
#include "weft/base/memory.h"
#include "weft/base/pool.h"
#include "weft/base/random.h"
#include "weft/base/tensor.h"

enum { ROWS = 5, COLUMNS = 7, WEIGHTS = ROWS * COLUMNS, COUNT = WEIGHTS + ROWS, STEPS = 30 };
static const ParameterBlock blocks[] = {{0, ROWS, COLUMNS, BLOCK_INNER}, {WEIGHTS, ROWS, 1, BLOCK_INNER}};

/* ---- trajectories ------------------------------------------------------------------------------------------------ */

static void compare_trajectory(Checkpoint *arrays, const char *name, OptimiserConfig config) {
    Error err;
    float parameters[COUNT], gradient[COUNT];
    Tensor *weight = oracle_tensor(arrays, "p0_weight"), *bias = oracle_tensor(arrays, "p0_bias"),
           *grad_weight = oracle_tensor(arrays, "grad_weight"), *grad_bias = oracle_tensor(arrays, "grad_bias"),
           *rates = oracle_tensor(arrays, "lr"), *wanted_weight = oracle_tensor(arrays, "%s.weight", name),
           *wanted_bias = oracle_tensor(arrays, "%s.bias", name);
    memcpy(parameters, weight->data, WEIGHTS * sizeof(float));
    memcpy(parameters + WEIGHTS, bias->data, ROWS * sizeof(float));
    Optimiser *optimiser = optimiser_new(&config, blocks, 2, parameters, COUNT, &err);
    assert_non_null(optimiser);
    for (unsigned step = 0; step < STEPS; step++) {
        memcpy(gradient, grad_weight->data + step * WEIGHTS, WEIGHTS * sizeof(float));
        memcpy(gradient + WEIGHTS, grad_bias->data + step * ROWS, ROWS * sizeof(float));
        const double rate = schedule_rate(SCHEDULE_COSINE, 5e-3, 1e-6, step, STEPS);
        assert_true(fabs(rate - (double)rates->data[step]) < 1e-9);
        for (unsigned i = 0; i < COUNT; i++) gradient[i] *= 0.25f; /* exactly undone by the scale */
        optimiser_step(optimiser, parameters, gradient, 4, rate);
        for (unsigned i = 0; i < COUNT; i++) {
            const float wanted =
                i < WEIGHTS ? wanted_weight->data[step * WEIGHTS + i] : wanted_bias->data[step * ROWS + i - WEIGHTS];
            if (!(fabs((double)parameters[i] - (double)wanted) < 5e-6))
                fail_msg("%s, step %u, parameter %u: %.9g, expected %.9g", name, step, i, (double)parameters[i],
                         (double)wanted);
        }
    }
    optimiser_free(optimiser);
    Tensor *all[] = {weight, bias, grad_weight, grad_bias, rates, wanted_weight, wanted_bias};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) tensor_release(all[i]);
}

static void check_trajectories(const Oracle *oracle) {
    Checkpoint *arrays = oracle_arrays(oracle, "ranger");
    OptimiserConfig config = optimiser_config(OPTIMISER_RANGER);
    compare_trajectory(arrays, "ranger_gc", config);
    config.centralise = false;
    compare_trajectory(arrays, "ranger", config);
    config.lookahead = 0;
    compare_trajectory(arrays, "radam", config);
    config.lookahead = 6;
    config.weight_decay = 0;
    compare_trajectory(arrays, "ranger_wd0", config);
    config.weight_decay = 1e-3;
    config.beta1 = 0.95;
    compare_trajectory(arrays, "ranger_beta95", config);
    config = optimiser_config(OPTIMISER_ADAM);
    compare_trajectory(arrays, "adam_beta9", config);
    config.beta1 = 0.5;
    compare_trajectory(arrays, "adam", config);
    config.weight_decay = 1e-3;
    compare_trajectory(arrays, "adam_l2", config);
    config = optimiser_config(OPTIMISER_ADAMW);
    config.beta1 = 0.5;
    config.weight_decay = 1e-3;
    compare_trajectory(arrays, "adamw", config);
    config = optimiser_config(OPTIMISER_SGD);
    compare_trajectory(arrays, "sgd_nesterov", config);
    config.weight_decay = 1e-3;
    compare_trajectory(arrays, "sgd_nesterov_wd", config);
    checkpoint_close(arrays);
}

static void trajectories(void **state) {
    (void)state;
    for (const Oracle *o = NULL; (o = oracle_next(o));) check_trajectories(o);
}

/* ---- Muon and SOAP ----------------------------------------------------------------------------------------------- */

enum { PARTS = 5, MANY = 36 + 36 + 36 + 21 + 5, MATRIX_STEPS = 20 };
static const char *const part_names[PARTS] = {"square", "wide", "tall", "last", "bias"};
static const ParameterBlock mixed_blocks[PARTS] = {{0, 6, 6, BLOCK_FIRST},
                                                   {36, 4, 9, BLOCK_INNER},
                                                   {72, 9, 4, BLOCK_INNER},
                                                   {108, 3, 7, BLOCK_LAST},
                                                   {129, 5, 1, BLOCK_INNER}};

/* A run of tests/oracle/make_optimisers.py; stopped and begun again from its state in the middle. */
static void compare_matrices(Checkpoint *arrays, const char *name, const OptimiserConfig *config, double rate) {
    Error err;
    float parameters[MANY], gradient[MANY];
    Tensor *start[PARTS], *gradients[PARTS], *wanted[PARTS];
    for (unsigned i = 0; i < PARTS; i++) {
        start[i] = oracle_tensor(arrays, "start.%s", part_names[i]);
        gradients[i] = oracle_tensor(arrays, "gradient.%s", part_names[i]);
        wanted[i] = oracle_tensor(arrays, "%s.%s", name, part_names[i]);
        memcpy(parameters + mixed_blocks[i].offset, start[i]->data, start[i]->count * sizeof(float));
    }
    Optimiser *optimiser = optimiser_new(config, mixed_blocks, PARTS, parameters, MANY, &err);
    assert_non_null(optimiser);
    for (unsigned step = 0; step < MATRIX_STEPS; step++) {
        if (step == 11) {
            OptimiserState from[OPTIMISER_STATES], to[OPTIMISER_STATES];
            Optimiser *again = optimiser_new(config, mixed_blocks, PARTS, parameters, MANY, &err);
            assert_non_null(again);
            const size_t count = optimiser_state(optimiser, from);
            assert_int_equal(optimiser_state(again, to), count);
            for (size_t i = 0; i < count; i++) memcpy(to[i].values, from[i].values, from[i].count * sizeof(float));
            optimiser_set_steps(again, step);
            optimiser_free(optimiser);
            optimiser = again;
        }
        for (unsigned i = 0; i < PARTS; i++)
            memcpy(gradient + mixed_blocks[i].offset, gradients[i]->data + step * start[i]->count,
                   start[i]->count * sizeof(float));
        optimiser_step(optimiser, parameters, gradient, 1,
                       schedule_rate(SCHEDULE_COSINE, rate, 1e-6, step, MATRIX_STEPS));
        for (unsigned i = 0; i < PARTS; i++)
            for (unsigned j = 0; j < start[i]->count; j++) {
                const double made = (double)parameters[mixed_blocks[i].offset + j],
                             right = (double)wanted[i]->data[step * start[i]->count + j];
                if (!(fabs(made - right) < 5e-6))
                    fail_msg("%s, step %u, %s %u: %.9g, expected %.9g", name, step, part_names[i], j, made, right);
            }
    }
    optimiser_free(optimiser);
    for (unsigned i = 0; i < PARTS; i++) {
        tensor_release(start[i]);
        tensor_release(gradients[i]);
        tensor_release(wanted[i]);
    }
}

static void matrices(void **state) {
    (void)state;
    Error err;
    Checkpoint *arrays = checkpoint_open("tests/oracle/optimisers.npz", &err);
    assert_non_null(arrays);
    OptimiserConfig config = optimiser_config(OPTIMISER_MUON);
    config.rest_rate = 0.1;
    compare_matrices(arrays, "muon", &config, 0.02);
    config.matrices = MATRICES_HIDDEN;
    compare_matrices(arrays, "muon_hidden", &config, 0.02);
    config.matrices = MATRICES_NOT_LAST;
    config.momentum = 0.9;
    config.weight_decay = 0.1;
    config.rest_rate = 0.25;
    compare_matrices(arrays, "muon_not_last", &config, 0.05);
    config = optimiser_config(OPTIMISER_SOAP);
    config.weight_decay = 0;
    config.rest_rate = 1;
    config.basis_limit = 6;
    compare_matrices(arrays, "soap", &config, 0.01);
    config.matrices = MATRICES_HIDDEN;
    compare_matrices(arrays, "soap_hidden", &config, 0.01);
    config.matrices = MATRICES_ALL;
    config.basis_every = 3;
    config.weight_decay = 0.1;
    config.rest_rate = 0.5;
    compare_matrices(arrays, "soap_often", &config, 0.01);
    checkpoint_close(arrays);
}

/* rows x columns: H(rows) times middle times H(columns), with the reflections H(n) = I - 2 v v^T, v = (1, ..., 1) /
 * sqrt(n): a matrix whose singular vectors are known. */
static void between_reflections(size_t rows, size_t columns, const double *middle, double *out) {
    double *sum = mem_alloc(rows > columns ? rows : columns, sizeof *sum, NULL);
    assert_non_null(sum);
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < columns; j++) sum[j] += middle[i * columns + j];
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < columns; j++) out[i * columns + j] = middle[i * columns + j] - 2 * sum[j] / (double)rows;
    for (size_t i = 0; i < rows; i++) {
        double all = 0;
        for (size_t j = 0; j < columns; j++) all += out[i * columns + j];
        for (size_t j = 0; j < columns; j++) out[i * columns + j] -= 2 * all / (double)columns;
    }
    mem_free(sum);
}

static void compare_step(const OptimiserConfig *config, size_t rows, size_t columns, unsigned steps,
                         const double *const gradient[], const double *wanted, double rate, double most) {
    const size_t count = rows * columns;
    const ParameterBlock block = {0, rows, columns, BLOCK_INNER};
    Error err;
    float *p = mem_alloc(count, sizeof *p, &err), *g = mem_alloc(count, sizeof *g, &err);
    Optimiser *optimiser = p ? optimiser_new(config, &block, 1, p, count, &err) : NULL;
    assert_true(optimiser && g);
    for (unsigned step = 0; step < steps; step++) {
        for (size_t i = 0; i < count; i++) g[i] = (float)gradient[step][i];
        optimiser_step(optimiser, p, g, 1, rate);
    }
    for (size_t i = 0; i < count; i++)
        if (!(fabs((double)p[i] + rate * wanted[i]) < most))
            fail_msg("%zu x %zu, parameter %zu: %.9g, expected %.9g", rows, columns, i, (double)p[i],
                     -rate * wanted[i]);
    optimiser_free(optimiser);
    mem_free(p);
    mem_free(g);
}

/* Matrices that are cut into strips: Newton-Schulz changes nothing but the singular values, each by the polynomial. */
static void large_muon(void **state) {
    (void)state;
    enum { SHORT = 270, LONG = 300 };
    static double middle[SHORT * LONG], gradient[SHORT * LONG], wanted[SHORT * LONG];
    const OptimiserConfig config = optimiser_config(OPTIMISER_MUON);
    for (int tall = 0; tall < 2; tall++) {
        const size_t rows = tall ? LONG : SHORT, columns = tall ? SHORT : LONG;
        double squares = 0;
        memset(middle, 0, sizeof middle);
        for (size_t i = 0; i < SHORT; i++) {
            middle[i * columns + i] = exp(-0.02 * (double)i);
            squares += exp(-0.04 * (double)i);
        }
        between_reflections(rows, columns, middle, gradient);
        for (size_t i = 0; i < SHORT; i++) {
            double x = exp(-0.02 * (double)i) / sqrt(squares);
            for (int turn = 0; turn < 5; turn++) x *= 3.4445 - 4.7750 * x * x + 2.0315 * x * x * x * x;
            middle[i * columns + i] = x * (tall ? sqrt((double)LONG / SHORT) : 1);
        }
        between_reflections(rows, columns, middle, wanted);
        compare_step(&config, rows, columns, 1, (const double *const[]){gradient}, wanted, 1, 2e-5);
    }
}

/* The first gradient gives the bases, which are the reflections; in them Adam's first step is the sign of the second.
 */
static void large_soap(void **state) {
    (void)state;
    enum { SIDE = 80, N = SIDE * SIDE };
    static double middle[N], first[N], second[N], wanted[N];
    const OptimiserConfig config = optimiser_config(OPTIMISER_SOAP);
    Rng rng = {.seed = 5};
    for (size_t i = 0; i < SIDE; i++) middle[i * SIDE + i] = 1 + (double)i / SIDE;
    between_reflections(SIDE, SIDE, middle, first);
    for (size_t i = 0; i < N; i++) middle[i] = (rng_normal(&rng) > 0 ? 1 : -1) * (1 + rng_uniform(&rng));
    between_reflections(SIDE, SIDE, middle, second);
    for (size_t i = 0; i < N; i++) middle[i] = middle[i] > 0 ? 1 : -1;
    between_reflections(SIDE, SIDE, middle, wanted);
    compare_step(&config, SIDE, SIDE, 2, (const double *const[]){first, second}, wanted, 0.01, 1e-5);
}

/* ---- the training trace ------------------------------------------------------------------------------------------ */

enum { TRACE = 20, KERNELS_MOST = 29744 };

typedef struct Trace {
    const Oracle *oracle;
    Predictor *predictor;
    Network *network;
    Checkpoint *arrays;
    json_t *runs;
} Trace;

/* `list` has a row of kernels for each step. */
static size_t batch_of(const Tensor *list, size_t row, uint32_t *kernels, uint16_t *times, bool counted) {
    static uint16_t seen[KERNELS_MOST];
    const size_t size = list->dim[1];
    size_t count = 0;
    memset(seen, 0, sizeof seen);
    for (size_t i = 0; i < size; i++) seen[(size_t)list->data[row * size + i]]++;
    for (uint32_t k = 0; k < KERNELS_MOST; k++) {
        if (!seen[k]) continue;
        kernels[count] = k;
        times[count++] = counted ? seen[k] : 1;
    }
    return count;
}

static void take_start(const Oracle *oracle, Predictor *p) {
    Checkpoint *arrays = oracle_arrays(oracle, "predictor");
    for (unsigned i = 0; i < 5; i++) {
        char layer[32];
        snprintf(layer, sizeof layer, i < 4 ? "layers.%u" : "final_linear_layer", i);
        Tensor *weight = oracle_tensor(arrays, "h32.%s.weight", layer),
               *bias = oracle_tensor(arrays, "h32.%s.bias", layer);
        memcpy(p->parameters + p->mlp[i].weight, weight->data, weight->count * sizeof(float));
        memcpy(p->parameters + p->mlp[i].bias, bias->data, bias->count * sizeof(float));
        tensor_release(weight);
        tensor_release(bias);
    }
    checkpoint_close(arrays);
}

static void near(double value, double wanted, const char *what, unsigned step) {
    if (!(fabs(value / wanted - 1) < 2e-6))
        fail_msg("%s, step %u: loss %.9g, expected %.9g", what, step, value, wanted);
}

/* One of the oracle's runs: batches with repeats counted or not, with centralisation or without. */
static void follow(const Trace *trace, const char *name, bool mixed, bool counted, bool centralise) {
    Error err;
    Predictor *p = trace->predictor;
    OptimiserConfig config = optimiser_config(OPTIMISER_RANGER);
    ParameterBlock parts[10];
    config.centralise = centralise;
    take_start(trace->oracle, p);
    for (unsigned i = 0; i < 5; i++) {
        parts[2 * i] = (ParameterBlock){p->mlp[i].weight, p->mlp[i].out, p->mlp[i].in, BLOCK_INNER};
        parts[2 * i + 1] = (ParameterBlock){p->mlp[i].bias, p->mlp[i].out, 1, BLOCK_INNER};
    }
    Optimiser *optimiser = optimiser_new(&config, parts, 10, p->parameters, p->parameter_count, &err);
    float *targets = predictor_targets(p, trace->network, &err);
    float *gradient = mem_alloc(p->parameter_count, sizeof(float), &err);
    Mlp *mlp = mlp_new(p, &err);
    assert_true(optimiser && targets && gradient && mlp);
    Tensor *uniform = oracle_tensor(trace->arrays, "train.batches_uniform"),
           *weighted = oracle_tensor(trace->arrays, "train.batches_weighted_steps_4_9_14_19");
    const json_t *run = json_object_get(trace->runs, name), *losses = json_object_get(run, "losses");
    const double weights = (double)p->weight_count;
    double batch, rest;
    for (unsigned step = 0; step < TRACE; step++) {
        static uint32_t kernels[KERNELS_MOST];
        static uint16_t times[KERNELS_MOST];
        const bool drawn = mixed && step % 5 == 4;
        const size_t count = batch_of(drawn ? weighted : uniform, drawn ? step / 5 : step, kernels, times, counted);
        mlp_set(mlp, p->parameters);
        mlp_reconstruction(mlp, targets, kernels, times, count, gradient, &batch, &rest);
        const double loss = sqrt((batch + rest) / weights);
        near(loss, json_number_value(json_array_get(losses, step)), name, step);
        optimiser_step(optimiser, p->parameters, gradient, 1 / (weights * loss),
                       schedule_rate(SCHEDULE_COSINE, 5e-3, 1e-6, step, TRACE));
    }
    mlp_set(mlp, p->parameters);
    mlp_reconstruction(mlp, targets, NULL, NULL, 0, gradient, &batch, NULL);
    near(sqrt(batch / weights), oracle_number(run, "final_loss"), name, TRACE);
    tensor_release(uniform);
    tensor_release(weighted);
    mem_free(targets);
    mem_free(gradient);
    mlp_free(mlp);
    optimiser_free(optimiser);
}

static void check_trace(const Oracle *oracle) {
    Error err;
    PredictorConfig config = predictor_config();
    json_t *values = oracle_values(oracle, "ranger");
    Trace trace = {
        .oracle = oracle, .network = oracle_network(oracle->network), .arrays = oracle_arrays(oracle, "ranger")};
    trace.runs = json_object_get(json_object_get(values, "training"), "runs");
    config.hidden = 32;
    config.permutation = PERMUTATION_NONE;
    trace.predictor = predictor_new(trace.network, NULL, &config, 1, "train", NULL, &err);
    assert_non_null(trace.predictor);
    follow(&trace, "uniform", false, true, false);
    follow(&trace, "uniform_gc", false, true, true);
    follow(&trace, "mixed_counted", true, true, false);
    follow(&trace, "mixed_once", true, false, false);
    follow(&trace, "mixed_counted_gc", true, true, true);
    predictor_free(trace.predictor);
    network_free(trace.network);
    checkpoint_close(trace.arrays);
    json_decref(values);
}

static void training_trace(void **state) {
    (void)state;
    for (const Oracle *o = NULL; (o = oracle_next(o));) check_trace(o);
}

/* ---- the rest ---------------------------------------------------------------------------------------------------- */

static void schedules(void **state) {
    (void)state;
    assert_true(fabs(schedule_rate(SCHEDULE_COSINE, 1, 0, 0, 10) - 1) < 1e-15);
    assert_true(fabs(schedule_rate(SCHEDULE_COSINE, 1, 0, 5, 10) - 0.5) < 1e-15);
    assert_true(fabs(schedule_rate(SCHEDULE_EXPONENTIAL, 1, 1e-4, 5, 10) - 1e-2) < 1e-15);
    assert_true(fabs(schedule_rate(SCHEDULE_CONSTANT, 0.3, 1e-4, 9, 10) - 0.3) < 1e-15);
    /* torch.optim.lr_scheduler.OneCycleLR(max_lr=0.2, total_steps=100, pct_start=0.3, div_factor=25,
     * final_div_factor=800), which ends at 1e-5 */
    static const struct {
        uint64_t step;
        double rate;
    } cycle[] = {{0, 0.00800000000000001},
                 {1, 0.0085627561131815},
                 {10, 0.0590327896928202},
                 {29, 0.2},
                 {30, 0.199899311688799},
                 {31, 0.199597449528054},
                 {60, 0.11785979669539},
                 {98, 0.000110688311201248},
                 {99, 1e-05}};
    for (size_t i = 0; i < sizeof cycle / sizeof *cycle; i++) {
        const double rate = schedule_rate(SCHEDULE_ONE_CYCLE, 0.2, 1e-5, cycle[i].step, 100);
        if (fabs(rate - cycle[i].rate) > 1e-12) fail_msg("step %d: %.15g", (int)cycle[i].step, rate);
    }
}

/* torch.optim.lr_scheduler.OneCycleLR(max_lr=0.2, total_steps=100, pct_start=0.3, anneal_strategy='cos', div_factor=25,
 * final_div_factor=800), the last rate of which is 1e-5: what PyTorch 1.13 gives. */
static void one_cycle(void **state) {
    (void)state;
    static const struct {
        uint64_t step;
        double rate;
    } torch[] = {
        {0, 0.008000000000000007},
        {1, 0.008562756113181497},
        {10, 0.059032789692820165},
        {28, 0.19943724388681852},
        {29, 0.2},
        {30, 0.19989931168879876},
        {31, 0.19959744952805394},
        {50, 0.15878058630298586},
        {75, 0.0526205030960125},
        {98, 0.00011068831120124764},
        {99, 1e-05},
    };
    for (size_t i = 0; i < sizeof torch / sizeof *torch; i++) {
        const double rate = schedule_rate(SCHEDULE_ONE_CYCLE, 0.2, 1e-5, torch[i].step, 100);
        if (!(fabs(rate / torch[i].rate - 1) < 1e-12))
            fail_msg("step %d: %.17g, not %.17g", (int)torch[i].step, rate, torch[i].rate);
    }
    for (uint64_t steps = 1; steps < 8; steps++) /* runs too short to go up end all the same */
        for (uint64_t step = 0; step < steps; step++) {
            const double rate = schedule_rate(SCHEDULE_ONE_CYCLE, 0.2, 1e-5, step, steps);
            assert_true(rate >= 1e-5 * (1 - 1e-12) && rate <= 0.2);
            if (steps > 1 && step + 1 == steps) assert_true(fabs(rate / 1e-5 - 1) < 1e-12);
        }
}

static void norms(void **state) {
    (void)state;
    static float values[20001];
    for (size_t i = 0; i < 20001; i++) values[i] = (float)(i % 3);
    /* 6667 each of 0, 1, 2: squares 6667 * (0 + 1 + 4) */
    assert_true(fabs(gradient_norm(values, 20001) - sqrt(6667.0 * 5)) < 1e-9);
    assert_true(gradient_norm(values, 0) == 0);
}

/* Large blocks are cut into pieces: the same result for every number of threads. */
static void threads(void **state) {
    (void)state;
    enum { R = 300, C = 270, N = R * C + R };
    static float start[N], first[N], now[N], gradient[N];
    const ParameterBlock large[] = {{0, R, C, BLOCK_INNER}, {R * C, R, 1, BLOCK_INNER}};
    Error err;
    Rng rng = {.seed = 4};
    for (size_t i = 0; i < N; i++) start[i] = (float)rng_normal(&rng);
    for (int kind = 0; kind < OPTIMISER_COUNT; kind++)
        for (unsigned count = 1; count <= 8; count += count < 3 ? 1 : 5) {
            pool_set_threads(count);
            const OptimiserConfig config = optimiser_config((OptimiserKind)kind);
            Optimiser *optimiser = optimiser_new(&config, large, 2, start, N, &err);
            assert_non_null(optimiser);
            memcpy(now, start, sizeof now);
            for (int step = 0; step < 12; step++) { /* SOAP's bases change in the eleventh */
                for (size_t i = 0; i < N; i++) gradient[i] = sinf((float)(i + (size_t)step * 7));
                fault_arm(FAULT_ALLOC, 1, true);
                optimiser_step(optimiser, now, gradient, 0.1, 0.01);
                assert_int_equal(fault_disarm(), 0);
            }
            if (count == 1) memcpy(first, now, sizeof first);
            assert_memory_equal(first, now, sizeof now);
            optimiser_free(optimiser);
        }
    pool_set_threads(0);
}

static void faults(void **state) {
    (void)state;
    static float start[COUNT];
    Error err;
    for (int kind = 0; kind < OPTIMISER_COUNT; kind++)
        for (uint64_t n = 1;; n++) {
            const OptimiserConfig config = optimiser_config((OptimiserKind)kind);
            fault_arm(FAULT_ALLOC, n, false);
            Optimiser *optimiser = optimiser_new(&config, blocks, 2, start, COUNT, &err);
            fault_disarm();
            if (optimiser) {
                optimiser_free(optimiser);
                break;
            }
            assert_int_equal(err.status, STATUS_LIMIT);
        }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(trajectories), cmocka_unit_test(training_trace), cmocka_unit_test(schedules),
        cmocka_unit_test(one_cycle),    cmocka_unit_test(norms),          cmocka_unit_test(threads),
        cmocka_unit_test(matrices),     cmocka_unit_test(faults),         cmocka_unit_test(large_muon),
        cmocka_unit_test(large_soap),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
