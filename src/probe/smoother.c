/* smoother -- a thread that follows a setting: its layer, then its accuracy.
 *
 * One engine serves all settings. What the layers before the first filtered one make of the images is kept as states as
 * long as the scope stays the same, and only the rest runs again, to the same bits (src/net/engine/part.c).
 */
#include "probe/evaluate.h"

#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <time.h>

#include "weft/base/memory.h"
#include "weft/base/size.h"
#include "weft/base/task.h"
#include "weft/probe/smoothing.h"

enum { STATES_PART = 8 /* of the memory budget */ };
#define NEARLY_DONE 0.1 /* seconds; what needs no longer goes on, so that a held key shows accuracies on its way */

struct Smoother {
    pthread_t thread;
    Network *network;
    const Dataset *data; /* NULL: none */
    Task task;
    /* The thread's own: */
    Engine *engine;
    float *pixels, *logits, *states;
    size_t cut;        /* of the states; 0: there are none */
    bool measured;     /* the network itself */
    Smoothing *scored; /* settings whose scores were published */
    size_t scored_count, scored_capacity;
    double work_seconds;  /* of the last setting that was followed to its end */
    pthread_mutex_t lock; /* guards all below */
    pthread_cond_t asked, found;
    bool ending, wanted, busy; /* wanted: a setting that nobody has begun with; busy: something is still to be found */
    Smoothing newest;
    double asked_at, begun_at; /* of the newest; of the one that is being followed */
    bool pending;              /* something was found that nobody has taken */
    SmoothingFindings latest;
};

/* ---- giving up --------------------------------------------------------------------------------------------------- */

static bool given_up(void *context) {
    Smoother *smoother = context;
    pthread_mutex_lock(&smoother->lock);
    const double left = smoother->begun_at + smoother->work_seconds - clock_seconds();
    const bool soon = left > -NEARLY_DONE && left < NEARLY_DONE;
    const bool stop = smoother->ending || (smoother->wanted && !soon);
    pthread_mutex_unlock(&smoother->lock);
    return stop;
}

/* ---- images ------------------------------------------------------------------------------------------------------ */

/* The states of all images behind the steps that the scope leaves as they are. Without room for them, or with nothing
 * to gain, there are none. */
static bool prepare_states(Smoother *smoother, const bool *chosen, Error *err) {
    const Network *network = smoother->network;
    const Dataset *data = smoother->data;
    size_t cut = SIZE_MAX;
    uint64_t bytes;
    for (size_t i = 0; i < network->layer_count; i++) {
        const size_t reader = chosen[i] ? engine_reader(smoother->engine, network->layers[i].tensor) : SIZE_MAX;
        cut = reader < cut ? reader : cut;
    }
    if (smoother->states && cut == smoother->cut) return true;
    mem_free(smoother->states);
    smoother->states = NULL;
    smoother->cut = 0;
    if (cut <= 1 || cut == SIZE_MAX ||
        !size_mul(data->count, engine_state(smoother->engine, cut) * sizeof(float), &bytes) ||
        bytes > mem_budget() / STATES_PART)
        return true;
    Error none;
    float *states = mem_alloc(bytes, 1, &none);
    if (!states) return true;
    bool done = engine_set_network(smoother->engine, network, err);
    for (uint64_t first = 0; done && first < data->count;) {
        const unsigned images = evaluate_take(data, first, evaluate_batch(data), smoother->pixels);
        done = task_step(&smoother->task, "evaluating", first, data->count, err) &&
               engine_forward_head(smoother->engine, smoother->pixels, images, cut,
                                   states + first * engine_state(smoother->engine, cut), err);
        first += images;
    }
    if (done) {
        smoother->states = states;
        smoother->cut = cut;
    } else {
        mem_free(states);
    }
    return done;
}

/* `tail`: the network begins as the states do. */
static bool measure(Smoother *smoother, const Network *network, bool tail, SmoothedScore *out, Error *err) {
    const ImagePass pass = {.engine = smoother->engine,
                            .data = smoother->data,
                            .pixels = smoother->pixels,
                            .logits = smoother->logits,
                            .states = tail ? smoother->states : NULL,
                            .cut = tail ? smoother->cut : 0,
                            .what = "evaluating"};
    Evaluation evaluation;
    if (!engine_set_network(smoother->engine, network, err) || !evaluation_begin(&evaluation, smoother->data, err))
        return false;
    const bool done = evaluate_images(&pass, network->graph->classes, &evaluation, &smoother->task, err);
    if (done) {
        out->images = evaluation.images;
        out->correct = evaluation.correct;
        out->accuracy = evaluation_accuracy(&evaluation);
        out->loss = evaluation.no_logits ? (double)NAN : evaluation.loss / (double)evaluation.images;
    }
    evaluation_done(&evaluation);
    return done;
}

/* ---- findings ---------------------------------------------------------------------------------------------------- */

/* Under the lock: something is there to be taken. */
static void publish(Smoother *smoother) {
    smoother->pending = true;
    pthread_cond_broadcast(&smoother->found);
}

static void publish_layer(Smoother *smoother, SmoothedLayer *layer) {
    pthread_mutex_lock(&smoother->lock);
    smoothed_layer_done(&smoother->latest.layer);
    smoother->latest.layer = *layer;
    smoother->latest.has_layer = true;
    publish(smoother);
    pthread_mutex_unlock(&smoother->lock);
}

static bool add_score(SmoothingFindings *findings, const SmoothedScore *score, Error *err) {
    if (!mem_grow(&findings->scores, &findings->capacity, findings->count + 1, sizeof *score, err)) return false;
    findings->scores[findings->count++] = *score;
    return true;
}

static bool publish_score(Smoother *smoother, const SmoothedScore *score, Error *err) {
    pthread_mutex_lock(&smoother->lock);
    const bool done = add_score(&smoother->latest, score, err);
    if (done) publish(smoother);
    pthread_mutex_unlock(&smoother->lock);
    return done;
}

static void publish_unchanged(Smoother *smoother, const SmoothedScore *score) {
    pthread_mutex_lock(&smoother->lock);
    smoother->latest.unchanged = *score;
    smoother->latest.has_unchanged = true;
    publish(smoother);
    pthread_mutex_unlock(&smoother->lock);
}

static void publish_failure(Smoother *smoother, const Smoothing *smoothing, const Error *err) {
    pthread_mutex_lock(&smoother->lock);
    smoother->latest.failure = *err;
    smoother->latest.failed = *smoothing;
    publish(smoother);
    pthread_mutex_unlock(&smoother->lock);
}

/* ---- the thread -------------------------------------------------------------------------------------------------- */

static bool follow_layer(Smoother *smoother, const Smoothing *smoothing, Error *err) {
    SmoothedLayer layer;
    if (!smoothed_layer(smoother->network, smoothing, &smoother->task, &layer, err)) return false;
    publish_layer(smoother, &layer);
    return true;
}

static bool follow_unchanged(Smoother *smoother, Error *err) {
    SmoothedScore score = {0};
    if (smoother->measured) return true;
    if (!measure(smoother, smoother->network, false, &score, err)) return false;
    smoother->measured = true;
    publish_unchanged(smoother, &score);
    return true;
}

static bool follow_score(Smoother *smoother, const Smoothing *smoothing, double since, Error *err) {
    SmoothedScore score = {.of = *smoothing};
    for (size_t i = 0; i < smoother->scored_count; i++)
        if (smoothing_equal(&smoother->scored[i], smoothing)) return true;
    if (!mem_grow(&smoother->scored, &smoother->scored_capacity, smoother->scored_count + 1, sizeof *smoother->scored,
                  err))
        return false;
    bool *chosen = smoothing_layers(smoother->network, smoothing, err);
    Network *made = chosen ? smoothing_apply(smoother->network, smoothing, "", &smoother->task, err) : NULL;
    bool done =
        made && prepare_states(smoother, chosen, err) && measure(smoother, made, smoother->states != NULL, &score, err);
    score.seconds = clock_seconds() - since;
    done = done && publish_score(smoother, &score, err);
    if (done) smoother->scored[smoother->scored_count++] = *smoothing;
    network_free(made);
    mem_free(chosen);
    return done;
}

/* Everything about one setting. */
static void follow(Smoother *smoother, const Smoothing *smoothing, double since) {
    Error err = {0};
    const double begun = clock_seconds();
    const bool done =
        follow_layer(smoother, smoothing, &err) &&
        (!smoother->data || (follow_unchanged(smoother, &err) && follow_score(smoother, smoothing, since, &err)));
    if (done) smoother->work_seconds = clock_seconds() - begun;
    if (!done && err.status != STATUS_CANCELLED) publish_failure(smoother, smoothing, &err);
}

static void *work_loop(void *context) {
    Smoother *smoother = context;
    pthread_mutex_lock(&smoother->lock);
    while (!smoother->ending) {
        if (!smoother->wanted) {
            smoother->busy = false;
            pthread_cond_broadcast(&smoother->found);
            pthread_cond_wait(&smoother->asked, &smoother->lock);
            continue;
        }
        smoother->wanted = false;
        smoother->begun_at = clock_seconds();
        const Smoothing smoothing = smoother->newest;
        const double since = smoother->asked_at;
        pthread_mutex_unlock(&smoother->lock);
        follow(smoother, &smoothing, since);
        pthread_mutex_lock(&smoother->lock);
    }
    pthread_mutex_unlock(&smoother->lock);
    return NULL;
}

/* ---- the outside ------------------------------------------------------------------------------------------------- */

static bool begin_images(Smoother *smoother, Error *err) {
    const Dataset *data = smoother->data;
    if (!data) return true;
    if (!evaluate_check(smoother->network, data, err)) return false;
    const unsigned batch = evaluate_batch(data);
    return (smoother->engine = engine_new(smoother->network, batch, data->height, data->width, NULL, err)) &&
           (smoother->pixels = mem_alloc(batch * evaluate_pixels(data), sizeof *smoother->pixels, err)) &&
           (smoother->logits =
                mem_alloc((uint64_t)batch * smoother->network->graph->classes, sizeof *smoother->logits, err));
}

static void free_parts(Smoother *smoother) {
    smoothing_findings_done(&smoother->latest);
    engine_free(smoother->engine);
    mem_free(smoother->pixels);
    mem_free(smoother->logits);
    mem_free(smoother->states);
    mem_free(smoother->scored);
    network_free(smoother->network);
    mem_free(smoother);
}

/* The conditions wait by the clock of clock_seconds. */
static void begin_locks(Smoother *smoother) {
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_mutex_init(&smoother->lock, NULL);
    pthread_cond_init(&smoother->asked, &attributes);
    pthread_cond_init(&smoother->found, &attributes);
    pthread_condattr_destroy(&attributes);
}

static void end_locks(Smoother *smoother) {
    pthread_cond_destroy(&smoother->found);
    pthread_cond_destroy(&smoother->asked);
    pthread_mutex_destroy(&smoother->lock);
}

/* Signals go to the program's own thread. */
static bool start_thread(Smoother *smoother, Error *err) {
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    const int failure = pthread_create(&smoother->thread, NULL, work_loop, smoother);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return failure == 0 || error_set(err, STATUS_LIMIT, "no thread: %s", strerror(failure));
}

Smoother *smoother_new(const Network *network, const Dataset *data, Error *err) {
    Smoother *smoother = mem_alloc(1, sizeof *smoother, err);
    if (!smoother) return NULL;
    smoother->data = data;
    smoother->task = (Task){.context = smoother, .given_up = given_up};
    begin_locks(smoother);
    if ((smoother->network = network_copy(network, err)) && begin_images(smoother, err) && start_thread(smoother, err))
        return smoother;
    end_locks(smoother);
    free_parts(smoother);
    return NULL;
}

void smoother_free(Smoother *smoother) {
    if (!smoother) return;
    pthread_mutex_lock(&smoother->lock);
    smoother->ending = true;
    pthread_cond_signal(&smoother->asked);
    pthread_mutex_unlock(&smoother->lock);
    pthread_join(smoother->thread, NULL);
    end_locks(smoother);
    free_parts(smoother);
}

void smoother_ask(Smoother *smoother, const Smoothing *smoothing) {
    pthread_mutex_lock(&smoother->lock);
    smoother->newest = *smoothing;
    smoother->asked_at = clock_seconds();
    smoother->wanted = smoother->busy = true;
    pthread_cond_signal(&smoother->asked);
    pthread_mutex_unlock(&smoother->lock);
}

/* From the thread's findings to the caller's. */
static bool move_findings(SmoothingFindings *from, SmoothingFindings *to, Error *err) {
    for (size_t i = 0; i < from->count; i++)
        if (!add_score(to, &from->scores[i], err)) return false;
    from->count = 0;
    if (from->has_layer) {
        smoothed_layer_done(&to->layer);
        to->layer = from->layer;
        from->layer = (SmoothedLayer){0};
        to->has_layer = true;
    }
    if (from->has_unchanged) to->unchanged = from->unchanged;
    to->has_unchanged = to->has_unchanged || from->has_unchanged;
    if (from->failure.status != STATUS_OK) {
        to->failure = from->failure;
        to->failed = from->failed;
    }
    from->has_layer = from->has_unchanged = false;
    from->failure.status = STATUS_OK;
    return true;
}

/* Under the lock. */
static bool layer_is_there(const Smoother *smoother) {
    const SmoothedLayer *layer = &smoother->latest.layer;
    return !smoother->busy || smoother->latest.failure.status != STATUS_OK ||
           (smoother->latest.has_layer && layer->of.layer == smoother->newest.layer &&
            smoothing_equal(&layer->of, &smoother->newest));
}

bool smoother_take(Smoother *smoother, double seconds, SmoothingFindings *findings) {
    const double until = clock_seconds() + seconds;
    const struct timespec end = {.tv_sec = (time_t)until, .tv_nsec = (long)((until - floor(until)) * 1e9)};
    pthread_mutex_lock(&smoother->lock);
    while (seconds > 0 && !layer_is_there(smoother))
        if (pthread_cond_timedwait(&smoother->found, &smoother->lock, &end) != 0) break;
    const bool any = smoother->pending;
    Error err;
    if (any && !move_findings(&smoother->latest, findings, &err)) {
        findings->failure = err;
        findings->failed = smoother->newest;
    }
    smoother->pending = false;
    pthread_mutex_unlock(&smoother->lock);
    return any;
}

bool smoother_busy(Smoother *smoother) {
    pthread_mutex_lock(&smoother->lock);
    const bool busy = smoother->busy;
    pthread_mutex_unlock(&smoother->lock);
    return busy;
}
