/* divide -- one convolution on all threads, for passes of fewer images than threads. Each result is computed by one
 * thread as one thread alone would, so its bits do not depend on how the work is divided.
 */
#include "net/engine/engine.h"
#include "weft/base/pool.h"

/* Less work than this is done sooner than another thread wakes up: multiplications, of which a depthwise convolution
 * does a quarter as many in the same time. */
#define DIVIDE_LEAST ((double)(1 << 20))

/* Channels of a part are a multiple of the two groups that kernels take together. */
enum { DIVIDE_CHANNELS = 2 * CHANNEL_GROUP };

typedef struct Division {
    const Convolution *whole;
    void (*kernel)(const Convolution *convolution);
    const Engine *engine; /* of Winograd's kernel, which needs a worker's memory */
    Tiling tiling;        /* of it; else none */
    size_t taps;          /* weights of an input and an output channel */
    size_t parts, units;
    size_t unit; /* rows or channels */
    bool channels;
} Division;

static Convolution channels_of(Convolution c, size_t taps, size_t first, size_t end) {
    c.weights += first * taps * c.run;
    if (c.bias) c.bias += first;
    if (c.residual) c.residual += first;
    if (c.mask) c.mask += first;
    c.out += first;
    c.out_channels = (unsigned)((end < c.out_channels ? end : c.out_channels) - first);
    return c;
}

static void run_part(void *context, size_t part, unsigned worker) {
    const Division *d = context;
    const Block block = {.worker = worker};
    const size_t first = part * d->units / d->parts * d->unit, end = (part + 1) * d->units / d->parts * d->unit;
    const size_t rows = (end < d->whole->out_height ? end : d->whole->out_height) - first;
    const Convolution c = d->channels ? channels_of(*d->whole, d->taps, first, end)
                                      : convolution_rows(*d->whole, (unsigned)first, (unsigned)rows);
    if (d->tiling.tile > 0)
        block_tiles(d->engine, &block, &c, d->tiling);
    else
        d->kernel(&c);
}

static void run_parts(Division *d) {
    const size_t all = d->channels ? d->whole->out_channels : d->whole->out_height;
    d->units = (all + d->unit - 1) / d->unit;
    d->parts = d->units < pool_threads() ? d->units : pool_threads();
    pool_run(d->parts, run_part, d);
}

bool divide_step(const Pass *pass, const Step *step, size_t images) {
    const double work = step_work(pass->engine, step) * (double)images;
    return pass->divide && (step->kind == STEP_DEPTHWISE ? 4 * work : work) >= DIVIDE_LEAST;
}

/* By channels where there are more weights than pixels, so that each thread reads a part of the weights. */
void divide_run(const Convolution *c, void (*kernel)(const Convolution *), bool depthwise) {
    Division d = {.whole = c, .kernel = kernel, .taps = (size_t)c->rows * c->columns, .unit = 1};
    const size_t weights = d.taps * c->run * c->out_channels;
    d.channels = !depthwise && weights > (size_t)c->out_height * c->out_width * c->step_pixel;
    if (d.channels) d.unit = DIVIDE_CHANNELS;
    run_parts(&d);
}

/* By whole rows of tiles where there are enough: then no thread transforms the input of another one. Weights that are
 * transformed on the way are divided by channels, so that each is transformed once. */
void divide_tiles(const Engine *engine, const Convolution *c, Tiling tiling) {
    Division d = {.whole = c, .engine = engine, .tiling = tiling, .unit = tiling.tile};
    d.taps = tiling.plain ? 9 : winograd_positions(tiling.tile);
    d.channels = tiling.plain || c->out_height < tiling.tile * pool_threads();
    if (d.channels) d.unit = DIVIDE_CHANNELS;
    run_parts(&d);
}
