/* batches -- images in batches, the next one prepared by another thread.
 *
 * Two slots: one is lent to the caller, the other one is being filled or holds the step that is likely asked for next.
 * Only one thread fills at a time: the loader while `busy`, otherwise the caller. All changing state belongs to the
 * thread that fills, except for the fields under `lock`.
 */
#include "data/dataset.h"

#include <pthread.h>
#include <signal.h>

#include "weft/base/error.h"
#include "weft/base/memory.h"
#include "weft/base/random.h"
#include "weft/base/task.h"

enum { STEP_BITS = 40 }; /* epochs are added to a stream's label: they must stay below its lowest bit */

typedef struct Slot {
    float *pixels;
    uint16_t *labels;
    uint64_t *index;
    unsigned images; /* 0: not filled yet */
    uint64_t step;
    double seconds; /* that filling took */
} Slot;

struct Batches {
    const Dataset *data;
    BatchOptions options; /* mean and std are NULL or in `normalisation` */
    size_t size;          /* of an image */
    uint64_t per_epoch;
    float *normalisation;
    float unit[256]; /* a byte's value on [0, 1] */
    uint32_t *order; /* of the images in order_epoch; NULL: as they are */
    uint64_t order_epoch;
    Slot slots[2];
    unsigned lent; /* which of them is the caller's */
    double waited, prepared;
    pthread_t thread;
    bool threaded; /* it could be started */
    pthread_mutex_t lock;
    pthread_cond_t wake, rested;
    uint64_t wanted; /* under `lock`: the step to fill the free slot with */
    bool busy;       /* under `lock`: until it is filled */
    bool ending;     /* under `lock` */
};

/* ---- filling ----------------------------------------------------------------------------------------------------- */

static void shuffle(Batches *b, uint64_t epoch) {
    Rng rng = {.seed = b->options.seed, .stream = STREAM_ORDER + epoch};
    for (uint64_t i = 0; i < b->data->count; i++) b->order[i] = (uint32_t)i;
    for (uint64_t i = b->data->count - 1; i > 0; i--) {
        const uint64_t j = rng_below(&rng, i + 1);
        const uint32_t other = b->order[j];
        b->order[j] = b->order[i];
        b->order[i] = other;
    }
    b->order_epoch = epoch;
}

static void noise_pixels(const Batches *b, uint64_t image, float *out) {
    const size_t plane = b->size / b->data->channels;
    noise_image(image, b->size, out);
    for (unsigned c = 0; b->normalisation && c < b->data->channels; c++)
        for (size_t i = 0; i < plane; i++, out++) *out = *out * b->options.std[c] + b->options.mean[c];
}

static void fill_slot(Batches *b, Slot *slot, uint64_t step) {
    const Dataset *data = b->data;
    const double start = clock_seconds();
    const uint64_t epoch = step / b->per_epoch, first = step % b->per_epoch * b->options.batch;
    const uint64_t left = data->count - first;
    if (b->order && b->order_epoch != epoch) shuffle(b, epoch);
    slot->step = step;
    slot->images = left < b->options.batch ? (unsigned)left : b->options.batch;
    for (unsigned i = 0; i < slot->images; i++) {
        const uint64_t image = b->order ? b->order[first + i] : first + i;
        float *pixels = slot->pixels + i * b->size;
        slot->index[i] = image;
        if (data->labels) slot->labels[i] = data->labels[image];
        if (data->noise)
            noise_pixels(b, image, pixels);
        else
            crop_image(data, image,
                       b->options.augment ? crop_draw(b->options.seed, epoch, image) : (Crop){PADDING, PADDING, false},
                       b->unit, pixels);
    }
    slot->seconds = clock_seconds() - start;
}

/* ---- the thread -------------------------------------------------------------------------------------------------- */

static void *load_loop(void *argument) {
    Batches *b = argument;
    pthread_mutex_lock(&b->lock);
    while (!b->ending) {
        if (!b->busy) {
            pthread_cond_wait(&b->wake, &b->lock);
            continue;
        }
        const uint64_t step = b->wanted;
        Slot *slot = &b->slots[!b->lent];
        pthread_mutex_unlock(&b->lock);
        fill_slot(b, slot, step);
        pthread_mutex_lock(&b->lock);
        b->busy = false;
        pthread_cond_signal(&b->rested);
    }
    pthread_mutex_unlock(&b->lock);
    return NULL;
}

/* Signals go to the program's own threads only. Where the system gives no thread, batches_get does without. */
static void start_thread(Batches *b) {
    sigset_t all, before;
    pthread_mutex_init(&b->lock, NULL);
    pthread_cond_init(&b->wake, NULL);
    pthread_cond_init(&b->rested, NULL);
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    b->threaded = pthread_create(&b->thread, NULL, load_loop, b) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static void end_thread(Batches *b) {
    pthread_mutex_lock(&b->lock);
    b->ending = true;
    pthread_cond_signal(&b->wake);
    pthread_mutex_unlock(&b->lock);
    if (b->threaded) pthread_join(b->thread, NULL);
    pthread_cond_destroy(&b->rested);
    pthread_cond_destroy(&b->wake);
    pthread_mutex_destroy(&b->lock);
}

static void let_rest(Batches *b) {
    pthread_mutex_lock(&b->lock);
    while (b->busy) pthread_cond_wait(&b->rested, &b->lock);
    pthread_mutex_unlock(&b->lock);
}

static void want(Batches *b, uint64_t step) {
    pthread_mutex_lock(&b->lock);
    b->wanted = step;
    b->busy = b->threaded;
    pthread_cond_signal(&b->wake);
    pthread_mutex_unlock(&b->lock);
}

/* ---- batches ----------------------------------------------------------------------------------------------------- */

static bool take_memory(Batches *b, const float *mean, const float *std, Error *err) {
    const Dataset *data = b->data;
    const uint64_t images = b->options.batch < data->count ? b->options.batch : data->count;
    for (size_t i = 0; i < 2; i++) {
        Slot *slot = &b->slots[i];
        if (!(slot->pixels = mem_alloc(images, b->size * sizeof *slot->pixels, err)) ||
            !(slot->index = mem_alloc(images, sizeof *slot->index, err)) ||
            (data->labels && !(slot->labels = mem_alloc(images, sizeof *slot->labels, err))))
            return false;
    }
    if (b->options.shuffle && !(b->order = mem_alloc(data->count, sizeof *b->order, err))) return false;
    if (!data->noise || (!mean && !std)) return true;
    if (!(b->normalisation = mem_alloc(data->channels, 2 * sizeof *b->normalisation, err))) return false;
    b->options.mean = b->normalisation;
    b->options.std = b->normalisation + data->channels;
    for (unsigned c = 0; c < data->channels; c++) {
        b->normalisation[c] = mean ? mean[c] : 0;
        b->normalisation[data->channels + c] = std ? std[c] : 1;
    }
    return true;
}

static void give_memory_back(Batches *b) {
    for (size_t i = 0; i < 2; i++) {
        mem_free(b->slots[i].pixels);
        mem_free(b->slots[i].labels);
        mem_free(b->slots[i].index);
    }
    mem_free(b->order);
    mem_free(b->normalisation);
    mem_free(b);
}

Batches *batches_new(const Dataset *dataset, const BatchOptions *options, Error *err) {
    if (options->batch == 0 || dataset->count == 0) {
        error_set(err, STATUS_USAGE, "%s: a batch of %u of %llu images must have at least 1", dataset->spec,
                  options->batch, (unsigned long long)dataset->count);
        return NULL;
    }
    if (options->shuffle && dataset->count > UINT32_MAX) {
        error_set(err, STATUS_LIMIT, "%s: %llu images; at most %u can be shuffled", dataset->spec,
                  (unsigned long long)dataset->count, UINT32_MAX);
        return NULL;
    }
    Batches *b = mem_alloc(1, sizeof *b, err);
    if (!b) return NULL;
    b->data = dataset;
    b->options = *options;
    b->size = (size_t)dataset->channels * dataset->height * dataset->width;
    b->per_epoch = (dataset->count - 1) / options->batch + 1;
    for (unsigned p = 0; p < 256; p++) b->unit[p] = (float)p / 255.0f;
    if (!take_memory(b, options->mean, options->std, err)) {
        give_memory_back(b);
        return NULL;
    }
    if (b->order) shuffle(b, 0);
    start_thread(b);
    return b;
}

void batches_free(Batches *batches) {
    if (!batches) return;
    end_thread(batches);
    give_memory_back(batches);
}

bool batches_get(Batches *batches, uint64_t step, Batch *out, Error *err) {
    if (step >> STEP_BITS)
        return error_set(err, STATUS_USAGE, "step %llu: there are 2^%d", (unsigned long long)step, STEP_BITS);
    const double start = clock_seconds();
    Slot *slot = &batches->slots[!batches->lent];
    let_rest(batches);
    if (slot->images == 0 || slot->step != step) fill_slot(batches, slot, step);
    batches->lent = !batches->lent;
    batches->waited += clock_seconds() - start;
    batches->prepared += slot->seconds;
    want(batches, step + 1);
    *out = (Batch){.pixels = slot->pixels, .labels = slot->labels, .index = slot->index, .images = slot->images};
    return true;
}

uint64_t batches_per_epoch(const Batches *batches) {
    return batches->per_epoch;
}

bool batches_repeat(const Batches *batches) {
    return batches->data->noise || !batches->options.augment;
}

double batches_waited(const Batches *batches) {
    return batches->waited;
}

double batches_prepared(const Batches *batches) {
    return batches->prepared;
}
