/* bench -- the engine and the trainer, one case a call, as one line of JSON; scripts/bench/engine runs it beside
 * PyTorch.
 *
 *   bench machine                     what it runs on: CPU, threads, versions
 *   bench peak                        OpenBLAS SGEMM, one call on each thread: what the machine can do
 *   bench forward NETWORK [BATCH]     engine_forward
 *   bench layers NETWORK [BATCH]      the same step by step: milliseconds an image, share, GFLOP/s of a thread; a text
 *   bench distil NETWORK [BATCH]      teacher forward, student forward and backward to all convolution weights (KD)
 *   bench distil-batch NETWORK        the same with gradients of a random 4096 of the kernels only
 *   bench recon NETWORK HIDDEN [SEL]  a step on the reconstruction loss as `train --optimiser ranger` takes it, but for
 * those, one in 20, that evaluate all kernels; SEL: as train's --layers
 *   bench recon-exact NETWORK HIDDEN [SEL]  the same with --exact
 *   bench recon-ranger|adam|muon|soap NETWORK HIDDEN [SEL]  with this optimiser
 *   bench phase2 NETWORK HIDDEN DATA  a whole step of `train --scheme distil`, from loading its images on
 *   bench joint NETWORK HIDDEN DATA   the same of `--scheme joint`
 *   bench fit NETWORK BATCH DATA      the same of `fit`
 *   bench fgsm NETWORK BATCH DATA     `evaluate --attack fgsm --eps 2/255` from loaded images on (its batches are its
 * own)
 *
 * BENCH_KERNELS (avx512, avx2, baseline) chooses the engine's kernels in the first three cases.
 *
 * The time of a step is the median over BENCH_SECONDS (2) seconds of them; cpu, a median too, is what all threads
 * computed in a step, which other load on the machine disturbs less. A multiply-add counts as two operations; only
 * convolutions and linear layers are counted. Of steps with images, batch_seconds is what it takes to prepare a batch,
 * by a thread of its own, and waited the share of all the time that steps stood still for it.
 */
#include "net/engine/engine.h"
#include "train/internal.h"
#include "weft/base/error.h"
#include "weft/base/fault.h"
#include "weft/base/gemm.h"
#include "weft/base/machine.h"
#include "weft/base/memory.h"
#include "weft/base/pool.h"
#include "weft/base/random.h"
#include "weft/base/task.h"
#include "weft/base/tensor.h"
#include "weft/base/version.h"
#include "weft/probe.h"

#include <cblas.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

enum { ROUNDS_MOST = 100000, ROUNDS_LEAST = 5 };

typedef struct Case {
    bool (*step)(struct Case *c, uint64_t number, Error *err);
    void *context;
    double operations, items; /* of a step */
    const char *unit;         /* what items are */
    const Batches *batches;   /* that steps take images from; NULL: none */
} Case;

static int ascending(const void *a, const void *b) {
    const double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

/* What all threads of the process have computed so far, in seconds. */
static double cpu_seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static bool measure(Case *c, const char *name, const char *of, Error *err) {
    static double seconds[ROUNDS_MOST], computed[ROUNDS_MOST];
    const char *limit_text = getenv("BENCH_SECONDS");
    const double limit = limit_text ? atof(limit_text) : 2;
    size_t rounds = 0;
    if (!c->step(c, 0, err)) return false; /* threads start, memory is touched */
    const double waited = c->batches ? batches_waited(c->batches) : 0;
    const double prepared = c->batches ? batches_prepared(c->batches) : 0;
    fault_arm(FAULT_ALLOC, UINT64_MAX, false);
    const double begun = clock_seconds();
    while (rounds < ROUNDS_MOST) {
        const double start = clock_seconds(), before = cpu_seconds();
        if (rounds > 0 && start - begun > (rounds < ROUNDS_LEAST ? 5 : 1) * limit) break;
        if (!c->step(c, rounds + 1, err)) return false;
        computed[rounds] = cpu_seconds() - before;
        seconds[rounds++] = clock_seconds() - start;
    }
    const double elapsed = clock_seconds() - begun;
    const uint64_t allocations = fault_disarm();
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    qsort(seconds, rounds, sizeof *seconds, ascending);
    qsort(computed, rounds, sizeof *computed, ascending);
    const double median = seconds[rounds / 2];
    printf(
        "{\"case\": \"%s\", \"of\": \"%s\", \"seconds\": %.9f, \"least\": %.9f, \"cpu\": %.9f, \"rounds\": %zu, \"gflops\": %.3f, "
        "\"%s_per_second\": %.1f, \"allocations\": %llu, \"threads\": %u, \"peak_mb\": %.1f",
        name, of, median, seconds[0], computed[rounds / 2], rounds, c->operations / median / 1e9, c->unit,
        c->items / median, (unsigned long long)allocations, pool_threads(), (double)usage.ru_maxrss / 1024);
    if (c->batches)
        printf(", \"batch_seconds\": %.9f, \"waited\": %.6f",
               (batches_prepared(c->batches) - prepared) / (double)rounds,
               (batches_waited(c->batches) - waited) / elapsed);
    puts("}");
    return true;
}

/* ---- peak -------------------------------------------------------------------------------------------------------- */

enum { PEAK = 1024 };

static void multiply(void *context, size_t piece, unsigned worker) {
    float *at = (float *)context + piece * 3 * PEAK * PEAK;
    (void)worker;
    gemm_f32(false, false, PEAK, PEAK, PEAK, 1, at, PEAK, at + PEAK * PEAK, PEAK, 0, at + 2 * PEAK * PEAK, PEAK);
}

static bool peak_step(Case *c, uint64_t number, Error *err) {
    (void)number;
    (void)err;
    pool_run(2 * pool_threads(), multiply, c->context);
    return true;
}

static bool peak(Error *err) {
    const size_t pieces = 2 * pool_threads();
    Case c = {.step = peak_step, .operations = 2.0 * PEAK * PEAK * PEAK * (double)pieces, .unit = "products"};
    c.items = (double)pieces;
    c.context = mem_alloc(pieces * 3 * PEAK * PEAK, sizeof(float), err);
    bool done = c.context && measure(&c, "peak", "sgemm", err);
    mem_free(c.context);
    return done;
}

/* ---- the engine -------------------------------------------------------------------------------------------------- */

typedef struct Passes {
    Engine *engine, *teacher;
    float *pixels, *logits, *memory;
    float **tensors;
    bool *wanted;
    KernelChoice *kernels;
    uint32_t *chosen;
    unsigned batch;
} Passes;

/* The kernels that BENCH_KERNELS names, or the best. */
static const Kernels *kernels_named(void) {
    const char *name = getenv("BENCH_KERNELS");
    const Kernels *kernels = kernels_best();
    for (size_t i = 0; name && kernels_available(i); i++)
        if (strcmp(kernels_available(i)->name, name) == 0) kernels = kernels_available(i);
    return kernels;
}

static bool forward_images(Case *c, uint64_t number, Error *err) {
    Passes *p = c->context;
    (void)number;
    return engine_forward(p->engine, p->pixels, p->batch, p->logits, err);
}

static bool both_passes(Case *c, uint64_t number, Error *err) {
    Passes *p = c->context;
    const Loss loss = {.kd = 1};
    const Gradients gradients = {.tensors = p->tensors, .kernels = p->kernels};
    LossTerms terms;
    (void)number;
    return engine_backward(p->engine, p->pixels, NULL, p->batch, p->teacher, NULL, &loss, &gradients, NULL, &terms,
                           err);
}

/* Gradients of all convolution weights, into one stretch of memory. */
static bool ask_gradients(Passes *p, const Network *network, Error *err) {
    uint64_t total = 0;
    for (size_t i = 0; i < network->tensor_count; i++) total += network->tensors[i].tensor->count;
    if (!(p->memory = mem_alloc(total, sizeof(float), err)) ||
        !(p->tensors = mem_alloc(network->tensor_count, sizeof *p->tensors, err)) ||
        !(p->wanted = mem_alloc(network->tensor_count, sizeof *p->wanted, err)))
        return false;
    float *at = p->memory;
    for (size_t i = 0; i < network->layer_count; i++) {
        const Layer *layer = &network->layers[i];
        if (layer->kind != LAYER_CONV) continue;
        p->wanted[layer->tensor] = true;
        p->tensors[layer->tensor] = at;
        at += network->tensors[layer->tensor].tensor->count;
    }
    return true;
}

/* A random 4096 of all kernels, as a training step draws them. */
static bool choose_kernels(Passes *p, const Network *network, Error *err) {
    size_t total = 0, left = 4096, at = 0, used = 0;
    for (size_t i = 0; i < network->layer_count; i++)
        if (network->layers[i].kind == LAYER_CONV) {
            const Tensor *weight = layer_weight(network, &network->layers[i]);
            total += (size_t)(weight->dim[0] * weight->dim[1]);
        }
    if (!(p->kernels = mem_alloc(network->tensor_count, sizeof *p->kernels, err)) ||
        !(p->chosen = mem_alloc(left, sizeof *p->chosen, err)))
        return false;
    Rng rng = {.seed = 2};
    for (size_t i = 0; i < network->layer_count; i++) {
        const Layer *layer = &network->layers[i];
        if (layer->kind != LAYER_CONV) continue;
        const Tensor *weight = layer_weight(network, layer);
        KernelChoice *choice = &p->kernels[layer->tensor];
        choice->kernels = p->chosen + used;
        for (uint32_t k = 0; k < weight->dim[0] * weight->dim[1]; k++, at++) {
            if (rng_below(&rng, total - at) >= left) continue;
            p->chosen[used++] = k;
            choice->count++;
            left--;
        }
    }
    return true;
}

static bool passes(const char *kind, const char *path, unsigned batch, Error *err) {
    const bool distil = strncmp(kind, "distil", 6) == 0;
    Passes p = {.batch = batch};
    Case c = {.step = distil ? both_passes : forward_images, .context = &p, .items = batch, .unit = "images"};
    Network *network = network_load(path, NULL, err);
    bool done = network && (network->graph || error_set(err, STATUS_FAILED, "%s", network->why_unknown));
    if (done && distil) done = ask_gradients(&p, network, err);
    if (done && strcmp(kind, "distil-batch") == 0) done = choose_kernels(&p, network, err);
    const EngineOptions options = {.gradients = p.wanted};
    const Graph *graph = done ? network->graph : NULL;
    const uint64_t size = done ? (uint64_t)graph->in_channels * graph->height * graph->width : 0;
    done = done && (p.engine = engine_new(network, batch, graph->height, graph->width, &options, err)) &&
           (!distil || (p.teacher = engine_new(network, batch, graph->height, graph->width, NULL, err))) &&
           (p.pixels = mem_alloc(batch * size, sizeof(float), err)) &&
           (p.logits = mem_alloc((uint64_t)batch * graph->classes, sizeof(float), err));
    if (p.engine) engine_set_kernels(p.engine, kernels_named());
    Rng rng = {.seed = 1};
    for (uint64_t i = 0; done && i < batch * size; i++) p.pixels[i] = (float)rng_uniform(&rng);
    if (done) {
        const EngineOperations o = engine_operations(p.engine);
        c.operations = batch * (distil ? 2 * o.forward + o.backward_data + o.backward_weights : o.forward);
        if (p.kernels) c.operations -= batch * o.backward_weights * (1 - 4096.0 / 29744); /* counted for ResNet20 */
        done = measure(&c, kind, network->architecture, err);
    }
    engine_free(p.engine);
    engine_free(p.teacher);
    void *all[] = {p.pixels, p.logits, p.memory, p.tensors, p.wanted, p.kernels, p.chosen};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) mem_free(all[i]);
    network_free(network);
    return done;
}

/* ---- layers ------------------------------------------------------------------------------------------------------ */

/* One image block after the other, the time of each step apart; no more than `pieces` threads. */
typedef struct Profile {
    Pass pass;
    double *seconds; /* of each step, of each worker */
} Profile;

static void profile_piece(void *context, size_t piece, unsigned worker) {
    const Profile *p = context;
    const Engine *engine = p->pass.engine;
    const size_t steps = engine->plan.step_count, end = (piece + 1) * p->pass.per_piece;
    for (size_t i = piece * p->pass.per_piece; i < end && i < p->pass.images;) {
        const Block block = block_at(engine, i, end < p->pass.images ? end : p->pass.images, worker);
        for (size_t s = 0; s < steps; s++) {
            const double start = clock_seconds();
            forward_steps(&p->pass, &block, s, s + 1);
            p->seconds[worker * steps + s] += clock_seconds() - start;
        }
        i += block.count;
    }
}

static void print_step(const Engine *engine, size_t s, double seconds, double all, unsigned batch) {
    static const char *const kinds[] = {"input",  "convolution", "depthwise", "elementwise", "pointwise", "multiply",
                                        "concat", "shortcut",    "move",      "maximum",     "average",   "quantise"};
    const Step *step = &engine->plan.steps[s];
    const Shape in = engine->plan.maps[step->input < 0 ? 0 : step->input].shape;
    const Shape out = engine->plan.maps[step->result].shape;
    printf("%3zu %-12s %4ux%-4u %5u -> %-5u %ux%u /%u %8.3f ms %5.1f %% %8.1f GFLOP/s\n", s, kinds[step->kind],
           in.height, in.width, in.channels, out.channels, step->kernel[0], step->kernel[1], step->stride[0],
           1e3 * seconds / batch, 100 * seconds / all, 2 * step_work(engine, step) * batch / seconds / 1e9);
}

/* `seconds` of all threads together for one image; GFLOP/s of one thread. */
static bool layers(const char *path, unsigned batch, Error *err) {
    Network *network = network_load(path, NULL, err);
    const Graph *graph = network ? network->graph : NULL;
    Engine *engine = graph ? engine_new(network, batch, graph->height, graph->width, NULL, err) : NULL;
    const size_t steps = engine ? engine->plan.step_count : 0;
    float *pixels =
        engine ? mem_alloc((uint64_t)batch * graph->in_channels * graph->height * graph->width, sizeof *pixels, err)
               : NULL;
    double *seconds = mem_alloc(steps * pool_threads(), sizeof *seconds, err), all = 0;
    if (pixels && seconds) {
        engine_set_kernels(engine, kernels_named());
        Profile p = {.pass = {.engine = engine, .pixels = pixels, .images = batch, .end = steps}, .seconds = seconds};
        const double begun = clock_seconds();
        unsigned rounds = 0;
        pass_cut(&p.pass);
        for (; rounds == 0 || clock_seconds() - begun < 2; rounds++) {
            if (rounds == 1) memset(seconds, 0, steps * pool_threads() * sizeof *seconds);
            pool_run(pass_pieces(&p.pass), profile_piece, &p);
        }
        for (size_t i = steps; i < steps * pool_threads(); i++) seconds[i % steps] += seconds[i];
        for (size_t s = 0; s < steps; s++) all += seconds[s] /= rounds - 1 + (rounds == 1);
        for (size_t s = 0; s < steps; s++) print_step(engine, s, seconds[s], all, batch);
        printf("%.3f ms of all threads an image\n", 1e3 * all / batch);
    }
    const bool done = pixels && seconds;
    mem_free(pixels);
    mem_free(seconds);
    engine_free(engine);
    network_free(network);
    return done;
}

/* ---- training ---------------------------------------------------------------------------------------------------- */

typedef struct Training {
    TrainJob job; /* with its configuration */
    Network *network;
    Dataset *images;
    Learner learner;
    Optimiser *optimiser;
    float *gradient;
    bool *chosen; /* layers; NULL: the usual ones */
} Training;

static bool training_step(Case *c, uint64_t number, Error *err) {
    Training *t = c->context;
    StepLoss loss;
    if (!t->learner.gradient(&t->learner, number, t->gradient, &loss, err)) return false;
    optimiser_step(t->optimiser, t->learner.parameters, t->gradient, loss.scale, t->job.config.rate);
    return true;
}

static bool choose_layers(Training *t, const char *layers, Error *err) {
    if (!*layers) return true;
    return (t->chosen = mem_alloc(t->network->layer_count, sizeof *t->chosen, err)) &&
           layer_select(t->network, layers, true, t->chosen, err);
}

/* As `train` and `fit` have it where nothing is said; `number`: hidden width, of `fit` images of a batch. The order of
 * kernels is left as it is: it takes a while to make, and no step depends on it. */
static bool configure(Training *t, const char *kind, unsigned number, const char *layers, Error *err) {
    TrainConfig *config = &t->job.config;
    uint64_t kernels, weights;
    *config = train_config();
    config->seed = 1;
    config->steps = UINT64_MAX; /* no step is the last */
    config->augment = true;
    if (!choose_layers(t, layers, err)) return false;
    predictor_count(t->network, t->chosen, &kernels, &weights);
    snprintf(config->layers, sizeof config->layers, "%s", layers);
    if (strcmp(kind, "phase2") == 0) config->scheme = SCHEME_DISTIL;
    if (strcmp(kind, "joint") == 0) config->scheme = SCHEME_JOINT;
    if (strcmp(kind, "recon-exact") == 0) config->refresh = 1;
    for (int i = 0; i < OPTIMISER_COUNT; i++)
        if (strncmp(kind, "recon-", 6) == 0 && strcmp(kind + 6, SETTING_NAMES(OPTIMISERS)[i]) == 0)
            config->optimiser = optimiser_config((OptimiserKind)i);
    if (strcmp(kind, "fit") == 0) {
        config->scheme = SCHEME_FIT;
        config->optimiser = optimiser_config(OPTIMISER_SGD);
        config->optimiser.weight_decay = 5e-4;
        config->image_batch = number;
    }
    train_defaults(config, t->images, weights);
    config->predictor.hidden = number;
    config->predictor.permutation = PERMUTATION_NONE;
    return true;
}

/* Images that are a whole number of batches: all steps are alike. */
static bool load_images(Training *t, const char *spec, unsigned batch, Error *err) {
    if (!(t->images = dataset_load(spec, 0, err))) return false;
    if (t->images->count < batch) return error_set(err, STATUS_USAGE, "%s has less than %u images", spec, batch);
    t->images->count -= t->images->count % batch;
    return true;
}

static bool count_network(Case *c, const Training *t, double share, Error *err) {
    const Graph *graph = t->network->graph;
    bool *wanted = mem_alloc(t->network->tensor_count, sizeof *wanted, err);
    if (!wanted) return false;
    for (size_t i = 0; i < t->network->layer_count; i++) wanted[t->network->layers[i].tensor] = true;
    const EngineOptions options = {.gradients = wanted};
    Engine *engine = engine_new(t->network, 1, graph->height, graph->width, &options, err);
    mem_free(wanted);
    if (!engine) return false;
    const EngineOperations o = engine_operations(engine);
    const TrainConfig *config = &t->job.config;
    const double forwards = config->scheme == SCHEME_FIT ? 1 : 2; /* the teacher's too */
    c->items = config->image_batch;
    c->unit = "images";
    c->operations += c->items * (forwards * o.forward + o.backward_data + share * o.backward_weights);
    engine_free(engine);
    return true;
}

static bool count_operations(Case *c, const Training *t, Error *err) {
    const TrainConfig *config = &t->job.config;
    if (config->scheme == SCHEME_FIT) return count_network(c, t, 1, err);
    Predictor *predictor = predictor_new(t->network, t->chosen, &config->predictor, 1, "bench", NULL, err);
    if (!predictor) return false;
    const size_t all = predictor->kernel_count, batch = config->batch < all ? config->batch : all;
    const double refreshed = (double)(all - batch) / (double)config->refresh;
    c->operations = mlp_operations(predictor, t->images ? all : batch + (size_t)refreshed, batch);
    c->items = (double)batch;
    c->unit = "kernels";
    predictor_free(predictor);
    return !t->images || count_network(c, t, (double)batch / (double)all, err);
}

static bool training(const char *kind, const char *path, unsigned number, const char *data, const char *layers,
                     Error *err) {
    Training t = {.job = {.name = "bench", .command = "bench"}};
    Learner *learner = &t.learner;
    Case c = {.step = training_step, .context = &t};
    bool done = (t.network = network_load(path, NULL, err)) &&
                (!data || load_images(&t, data, strcmp(kind, "fit") == 0 ? number : 256, err));
    t.job.source = t.network;
    t.job.images = t.images;
    done = done && configure(&t, kind, number, layers, err) && learner_new(learner, &t.job.config, &t.job, NULL, err) &&
           count_operations(&c, &t, err) && (t.gradient = mem_alloc(learner->count, sizeof(float), err)) &&
           (t.optimiser = optimiser_new(&t.job.config.optimiser, learner->blocks, learner->block_count,
                                        learner->parameters, learner->count, err));
    if (done) {
        char of[128];
        c.batches = learner->batches;
        snprintf(of, sizeof of, "%s, %s %u", t.network->graph ? t.network->architecture : "-",
                 t.job.config.scheme == SCHEME_FIT ? "batch" : "hidden", number);
        done = measure(&c, kind, of, err);
    }
    optimiser_free(t.optimiser);
    mem_free(t.gradient);
    mem_free(t.chosen);
    learner_done(learner);
    dataset_free(t.images);
    network_free(t.network);
    return done;
}

/* ---- attacks ----------------------------------------------------------------------------------------------------- */

typedef struct Attacked {
    Network *network;
    Dataset *images;
} Attacked;

static bool attack_step(Case *c, uint64_t number, Error *err) {
    const Attacked *a = c->context;
    const Attack attack = {.kind = ATTACK_FGSM, .epsilon = 2.0 / 255};
    Evaluation evaluation;
    (void)number;
    if (!attack_run(a->network, a->images, &attack, 1, &evaluation, NULL, err)) return false;
    evaluation_done(&evaluation);
    return true;
}

static bool attacks(const char *path, const char *data, Error *err) {
    Attacked a = {0};
    Case c = {.step = attack_step, .context = &a, .unit = "images"};
    const EngineOptions options = {.input_gradient = true};
    bool done = (a.network = network_load(path, NULL, err)) && (a.images = dataset_load(data, 0, err)) &&
                evaluate_check(a.network, a.images, err);
    Engine *engine = done ? engine_new(a.network, 1, a.images->height, a.images->width, &options, err) : NULL;
    if (engine) {
        const EngineOperations o = engine_operations(engine);
        c.items = (double)a.images->count;
        c.operations = c.items * (2 * o.forward + o.backward_data);
    }
    done = engine && measure(&c, "fgsm", a.network->architecture, err);
    engine_free(engine);
    dataset_free(a.images);
    network_free(a.network);
    return done;
}

static int usage(void) {
    fputs(
        "usage: bench machine | peak | forward|layers|distil|distil-batch NETWORK [BATCH] | recon|recon-exact NETWORK HIDDEN [SEL]\n"
        "       bench phase2|joint NETWORK HIDDEN DATA | fit|fgsm NETWORK BATCH DATA\n",
        stderr);
    return 2;
}

int main(int argc, char **argv) {
    const char *kind = argc > 1 ? argv[1] : "";
    const unsigned number = argc > 3 ? (unsigned)atoi(argv[3]) : 256;
    const bool pass = strcmp(kind, "forward") == 0 || strncmp(kind, "distil", 6) == 0;
    const bool images = strcmp(kind, "phase2") == 0 || strcmp(kind, "joint") == 0 || strcmp(kind, "fit") == 0;
    Error err;
    bool done;
    if (strcmp(kind, "layers") == 0 && argc > 2) {
        done = layers(argv[2], number, &err);
    } else if (strcmp(kind, "machine") == 0) {
        printf(
            "{\"cpu\": \"%s\", \"threads\": %u, \"weft\": \"%s\", \"openblas\": \"%s, kernels %s\", \"compiler\": \"%s\"}\n",
            cpu_name(), pool_threads(), WEFT_VERSION, openblas_get_config(), openblas_get_corename(), __VERSION__);
        done = true;
    } else if (strcmp(kind, "peak") == 0) {
        done = peak(&err);
    } else if (pass && argc > 2) {
        done = passes(kind, argv[2], number, &err);
    } else if (strncmp(kind, "recon", 5) == 0 && argc > 3) {
        done = training(kind, argv[2], number, NULL, argc > 4 ? argv[4] : "", &err);
    } else if (strcmp(kind, "fgsm") == 0 && argc > 4) {
        done = attacks(argv[2], argv[4], &err);
    } else if (images && argc > 4) {
        done = training(kind, argv[2], number, argv[4], "", &err);
    } else {
        return usage();
    }
    if (!done) fprintf(stderr, "bench: %s\n", err.text);
    return done ? 0 : 1;
}
