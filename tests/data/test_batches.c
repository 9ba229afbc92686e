/* test_batches -- batches of images: which images, in which order, with which pixels, whatever was asked before. */
#include "weft/base/error.h"
#include "weft/base/fault.h"
#include "weft/base/random.h"
#include "weft/data.h"

#include <dlfcn.h>
#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

enum { CLASSES = 7, OFFSETS = 9, CROPS = OFFSETS * OFFSETS * 2 };

/* Threads as the library starts them, or none. */
static bool refuse_threads;
static unsigned threads_started;
static sigset_t mask_at_start;

int pthread_create(pthread_t *thread, const pthread_attr_t *attributes, void *(*start)(void *), void *argument) {
    typedef int Create(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
    void *symbol = dlsym(RTLD_NEXT, "pthread_create");
    Create *create;
    memcpy(&create, &symbol, sizeof create);
    if (refuse_threads) return EAGAIN;
    pthread_sigmask(SIG_BLOCK, NULL, &mask_at_start);
    threads_started++;
    return create(thread, attributes, start, argument);
}

/* ---- datasets and batches ---------------------------------------------------------------------------------------- */

/* Bytes from 1 to 255, so that zeros are padding. */
static Dataset images_of(uint64_t count, unsigned channels, unsigned height, unsigned width) {
    const size_t pixels = (size_t)(count * channels * height * width);
    Rng rng = {.seed = 5, .stream = count};
    Dataset data = {.spec = (char *)(uintptr_t) "made:up",
                    .count = count,
                    .channels = channels,
                    .height = height,
                    .width = width,
                    .classes = CLASSES,
                    .pixels = malloc(pixels),
                    .labels = malloc((size_t)count * sizeof *data.labels)};
    assert_true(data.pixels && data.labels);
    for (size_t i = 0; i < pixels; i++) data.pixels[i] = (uint8_t)(1 + rng_below(&rng, 255));
    for (uint64_t i = 0; i < count; i++) data.labels[i] = (uint16_t)(i * 3 % CLASSES);
    return data;
}

static void images_done(Dataset *data) {
    free(data->pixels);
    free(data->labels);
}

static size_t image_size(const Dataset *data) {
    return (size_t)data->channels * data->height * data->width;
}

static Batches *begin(const Dataset *data, BatchOptions options) {
    Error err;
    Batches *batches = batches_new(data, &options, &err);
    if (!batches) fail_msg("%s", err.text);
    return batches;
}

static Batch get(Batches *batches, uint64_t step) {
    Error err;
    Batch batch;
    if (!batches_get(batches, step, &batch, &err)) fail_msg("%s", err.text);
    return batch;
}

/* A copy of `steps` batches, one after the other: pixels, labels and places. */
typedef struct Copy {
    Batch batch[40];
} Copy;

static void *copied(const void *from, size_t size) {
    void *to = malloc(size);
    assert_non_null(to);
    return memcpy(to, from, size);
}

static Copy copy_steps(Batches *batches, const Dataset *data, unsigned steps) {
    Copy copy = {0};
    for (unsigned i = 0; i < steps; i++) {
        const Batch batch = get(batches, i);
        copy.batch[i] = (Batch){.pixels = copied(batch.pixels, batch.images * image_size(data) * sizeof(float)),
                                .labels = copied(batch.labels, batch.images * sizeof(uint16_t)),
                                .index = copied(batch.index, batch.images * sizeof(uint64_t)),
                                .images = batch.images};
    }
    return copy;
}

static void copy_done(Copy *copy) {
    for (unsigned i = 0; i < 40; i++) {
        free((void *)(uintptr_t)copy->batch[i].pixels);
        free((void *)(uintptr_t)copy->batch[i].labels);
        free((void *)(uintptr_t)copy->batch[i].index);
    }
}

static bool same(const Batch *a, const Batch *b, const Dataset *data) {
    return a->images == b->images && memcmp(a->index, b->index, a->images * sizeof *a->index) == 0 &&
           memcmp(a->labels, b->labels, a->images * sizeof *a->labels) == 0 &&
           memcmp(a->pixels, b->pixels, a->images * image_size(data) * sizeof *a->pixels) == 0;
}

/* ---- which images ------------------------------------------------------------------------------------------------ */

static void test_epochs(void **state) {
    (void)state;
    enum { COUNT = 103, EPOCHS = 6 };
    Dataset data = images_of(COUNT, 1, 2, 3);
    static uint64_t order[EPOCHS + 1][COUNT];
    Batches *batches = begin(&data, (BatchOptions){.batch = 10, .shuffle = true, .seed = 3});
    assert_int_equal(batches_per_epoch(batches), 11);
    for (uint64_t epoch = 0; epoch < EPOCHS; epoch++) {
        bool seen[COUNT] = {false};
        for (uint64_t step = 0, place = 0; step < 11; step++) {
            const Batch batch = get(batches, epoch * 11 + step);
            assert_int_equal(batch.images, step < 10 ? 10 : 3);
            for (unsigned i = 0; i < batch.images; i++) {
                assert_true(batch.index[i] < COUNT && !seen[batch.index[i]]);
                assert_int_equal(batch.labels[i], data.labels[batch.index[i]]);
                seen[batch.index[i]] = true;
                order[epoch][place++] = batch.index[i];
            }
        }
        for (unsigned i = 0; i < COUNT; i++) assert_true(seen[i]);
    }
    batches_free(batches);
    batches = begin(&data, (BatchOptions){.batch = COUNT, .shuffle = true, .seed = 4}); /* another seed */
    memcpy(order[EPOCHS], get(batches, 0).index, sizeof order[EPOCHS]);
    batches_free(batches);
    for (unsigned a = 0; a <= EPOCHS; a++) { /* of COUNT images one on the average stays where it is */
        unsigned fixed = 0;
        for (unsigned i = 0; i < COUNT; i++) fixed += order[a][i] == i;
        assert_true(fixed < 10);
        for (unsigned b = 0; b < a; b++) {
            fixed = 0;
            for (unsigned i = 0; i < COUNT; i++) fixed += order[a][i] == order[b][i];
            assert_true(fixed < 10);
        }
    }
    images_done(&data);
}

/* All 720 orders of six images come equally often: chi-square of 719 degrees of freedom, within six deviations. */
static void test_orders(void **state) {
    (void)state;
    enum { COUNT = 6, ORDERS = 720, EPOCHS = 20 * ORDERS };
    Dataset data = images_of(COUNT, 1, 1, 1);
    static unsigned times[ORDERS];
    Batches *batches = begin(&data, (BatchOptions){.batch = COUNT, .shuffle = true, .seed = 1});
    for (uint64_t epoch = 0; epoch < EPOCHS; epoch++) {
        const Batch batch = get(batches, epoch);
        unsigned number = 0;
        for (unsigned i = 0; i < COUNT; i++) { /* in the factorial number system */
            unsigned smaller = 0;
            for (unsigned j = i + 1; j < COUNT; j++) smaller += batch.index[j] < batch.index[i];
            number = number * (COUNT - i) + smaller;
        }
        times[number]++;
    }
    batches_free(batches);
    images_done(&data);
    double chi = 0;
    for (unsigned i = 0; i < ORDERS; i++) chi += pow(times[i] - 20.0, 2) / 20;
    assert_true(fabs(chi - (ORDERS - 1)) < 6 * sqrt(2.0 * (ORDERS - 1)));
}

static void compare_anyhow(const Dataset *data, BatchOptions options) {
    enum { STEPS = 32 };
    Batches *batches = begin(data, options);
    Copy copy = copy_steps(batches, data, STEPS);
    Rng rng = {.seed = 11};
    for (unsigned i = 0; i < 300; i++) { /* the same object: runs, repetitions, jumps */
        const uint64_t first = rng_below(&rng, STEPS), length = rng_below(&rng, 4);
        for (uint64_t step = first; step < STEPS && step <= first + length; step++) {
            const Batch batch = get(batches, step);
            assert_true(same(&batch, &copy.batch[step], data));
        }
    }
    batches_free(batches);
    for (uint64_t step = 0; step < STEPS; step++) { /* a fresh one, as on resuming */
        batches = begin(data, options);
        const Batch batch = get(batches, step);
        assert_true(same(&batch, &copy.batch[step], data));
        batches_free(batches);
    }
    copy_done(&copy);
}

static void test_any_order(void **state) {
    (void)state;
    Dataset data = images_of(43, 3, 9, 8);
    for (unsigned how = 0; how < 4; how++)
        compare_anyhow(&data, (BatchOptions){.batch = 5, .shuffle = how & 1, .augment = how & 2, .seed = 8});
    images_done(&data);
}

/* A caller's thread does what the loader's would have done. */
static void test_without_thread(void **state) {
    (void)state;
    Dataset data = images_of(43, 3, 9, 8);
    const BatchOptions options = {.batch = 5, .shuffle = true, .augment = true, .seed = 8};
    sigset_t before, after;
    pthread_sigmask(SIG_BLOCK, NULL, &before);
    threads_started = 0;
    Batches *batches = begin(&data, options);
    pthread_sigmask(SIG_BLOCK, NULL, &after);
    assert_int_equal(threads_started, 1);
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGWINCH, SIGCHLD, SIGUSR1, SIGTSTP, SIGPIPE};
    for (size_t i = 0; i < sizeof signals / sizeof *signals; i++) {
        assert_true(sigismember(&mask_at_start, signals[i]));
        assert_int_equal(sigismember(&before, signals[i]), sigismember(&after, signals[i]));
    }
    Copy copy = copy_steps(batches, &data, 20);
    batches_free(batches);
    refuse_threads = true;
    batches = begin(&data, options);
    refuse_threads = false;
    for (uint64_t step = 0; step < 20; step++) {
        const Batch batch = get(batches, step);
        assert_true(same(&batch, &copy.batch[step], &data));
    }
    assert_true(batches_waited(batches) >= batches_prepared(batches));
    batches_free(batches);
    copy_done(&copy);
    images_done(&data);
}

/* ---- pixels ------------------------------------------------------------------------------------------------------ */

static void test_plain(void **state) {
    (void)state;
    static const struct {
        unsigned count, channels, height, width, batch, images;
    } cases[] = {
        {10, 3, 32, 32, 4, 4}, {9, 1, 1, 1, 1, 1}, {5, 2, 3, 7, 64, 5}, {1, 4, 2, 2, 1, 1}, {6, 1, 1, 9, 6, 6}};
    for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
        Dataset data = images_of(cases[k].count, cases[k].channels, cases[k].height, cases[k].width);
        for (unsigned p = 0; p < 256 && p < data.count * image_size(&data); p++) data.pixels[p] = (uint8_t)p;
        const size_t size = image_size(&data);
        float *image = malloc(size * sizeof *image);
        assert_non_null(image);
        Batches *batches = begin(&data, (BatchOptions){.batch = cases[k].batch, .seed = 1});
        assert_true(batches_repeat(batches));
        for (uint64_t step = 0, next = 0; step < 3 * batches_per_epoch(batches); step++) {
            const Batch batch = get(batches, step);
            assert_int_equal(batch.images, data.count - next < cases[k].images ? data.count - next : cases[k].images);
            for (unsigned i = 0; i < batch.images; i++, next++) {
                assert_int_equal(batch.index[i], next);
                assert_int_equal(batch.labels[i], data.labels[next]);
                dataset_image(&data, next, image);
                assert_memory_equal(batch.pixels + i * size, image, size * sizeof *image);
            }
            if (next == data.count) next = 0;
        }
        batches_free(batches);
        free(image);
        images_done(&data);
    }
}

/* Pixel (c, y, x) of a crop by the definition: of the padded image, mirrored after it was cut. */
static float cropped(const Dataset *data, uint64_t image, unsigned c, unsigned y, unsigned x, unsigned crop) {
    const int top = (int)(crop / 2 / OFFSETS), left = (int)(crop / 2 % OFFSETS);
    const int row = (int)y + top - 4, column = (int)(crop % 2 ? data->width - 1 - x : x) + left - 4;
    if (row < 0 || column < 0 || row >= (int)data->height || column >= (int)data->width) return 0;
    const size_t place = ((image * data->channels + c) * data->height + (size_t)row) * data->width + (size_t)column;
    return (float)data->pixels[place] / 255.0f;
}

static bool is_crop(const Dataset *data, uint64_t image, unsigned crop, const float *pixels) {
    for (unsigned c = 0; c < data->channels; c++)
        for (unsigned y = 0; y < data->height; y++)
            for (unsigned x = 0; x < data->width; x++)
                if (*pixels++ != cropped(data, image, c, y, x, crop)) return false;
    return true;
}

/* The crop that the pixels are; where images are so small that several are the same, the first. */
static unsigned find_crop(const Dataset *data, uint64_t image, const float *pixels) {
    for (unsigned crop = 0; crop < CROPS; crop++)
        if (is_crop(data, image, crop, pixels)) return crop;
    fail_msg("image %llu is none of its crops", (unsigned long long)image);
    return 0;
}

static void test_crops(void **state) {
    (void)state;
    static const unsigned shapes[][3] = {{3, 32, 32}, {1, 28, 28}, {2, 7, 12}, {1, 1, 1}, {1, 3, 2}, {4, 40, 5}};
    for (size_t k = 0; k < sizeof shapes / sizeof *shapes; k++) {
        Dataset data = images_of(13, shapes[k][0], shapes[k][1], shapes[k][2]);
        Batches *batches = begin(&data, (BatchOptions){.batch = 8, .shuffle = true, .augment = true, .seed = k});
        assert_false(batches_repeat(batches));
        for (uint64_t step = 0; step < 20; step++) {
            const Batch batch = get(batches, step);
            for (unsigned i = 0; i < batch.images; i++)
                find_crop(&data, batch.index[i], batch.pixels + i * image_size(&data));
        }
        batches_free(batches);
        images_done(&data);
    }
}

static double chi_square(const unsigned *times, unsigned cells, double expected) {
    double chi = 0;
    for (unsigned i = 0; i < cells; i++) chi += pow(times[i] - expected, 2) / expected;
    return chi;
}

/* Every crop equally often, whichever image and whichever came before: chi-squares within six deviations. */
static void test_frequencies(void **state) {
    (void)state;
    enum { COUNT = 8, EPOCHS = 4000, DRAWS = COUNT * EPOCHS };
    Dataset data = images_of(COUNT, 1, 10, 11);
    static unsigned times[CROPS], of_image[COUNT][CROPS], last[COUNT];
    unsigned repeated = 0, flips_kept = 0;
    Batches *batches = begin(&data, (BatchOptions){.batch = COUNT, .shuffle = true, .augment = true, .seed = 2});
    for (uint64_t epoch = 0; epoch < EPOCHS; epoch++) {
        const Batch batch = get(batches, epoch);
        for (unsigned i = 0; i < COUNT; i++) {
            const uint64_t image = batch.index[i];
            const unsigned crop = find_crop(&data, image, batch.pixels + i * image_size(&data));
            times[crop]++;
            of_image[image][crop]++;
            repeated += epoch > 0 && crop == last[image];
            flips_kept += epoch > 0 && crop % 2 == last[image] % 2;
            last[image] = crop;
        }
    }
    batches_free(batches);
    images_done(&data);
    const double spread = 6 * sqrt(2.0 * (CROPS - 1));
    assert_true(fabs(chi_square(times, CROPS, (double)DRAWS / CROPS) - (CROPS - 1)) < spread);
    for (unsigned i = 0; i < COUNT; i++)
        assert_true(fabs(chi_square(of_image[i], CROPS, (double)EPOCHS / CROPS) - (CROPS - 1)) < spread);
    const double pairs = DRAWS - COUNT;
    assert_true(fabs(repeated - pairs / CROPS) < 5 * sqrt(pairs / CROPS));
    assert_true(fabs(flips_kept - pairs / 2) < 5 * sqrt(pairs / 4));
}

/* ---- noise ------------------------------------------------------------------------------------------------------- */

static Dataset *noise_of(const char *spec) {
    Error err;
    Dataset *data = dataset_load(spec, 0, &err);
    if (!data) fail_msg("%s", err.text);
    return data;
}

/* Mean 0, variance 1/3, fourth moment 1/5, no relation between neighbours or images, all tenths equally full. */
static void test_noise_values(void **state) {
    (void)state;
    enum { COUNT = 200, SIZE = 3 * 32 * 32, BINS = 20 };
    const double n = (double)COUNT * SIZE;
    Dataset *data = noise_of("noise:200");
    static float image[SIZE], before[SIZE];
    static unsigned times[BINS];
    double sum = 0, squares = 0, fourths = 0, neighbours = 0, images = 0;
    for (uint64_t i = 0; i < COUNT; i++) {
        dataset_image(data, i, image);
        for (unsigned k = 0; k < SIZE; k++) {
            const double v = (double)image[k];
            assert_true(v >= -1 && v < 1);
            sum += v;
            squares += v * v;
            fourths += v * v * v * v;
            neighbours += v * (double)image[(k + 1) % SIZE];
            images += i ? v * (double)before[k] : 0;
            times[(unsigned)((v + 1) * BINS / 2)]++;
        }
        memcpy(before, image, sizeof image);
    }
    dataset_free(data);
    assert_true(fabs(sum / n) < 5 * sqrt(1 / (3 * n)));
    assert_true(fabs(squares / n - 1.0 / 3) < 5 * sqrt((1.0 / 5 - 1.0 / 9) / n));
    assert_true(fabs(fourths / n - 1.0 / 5) < 5 * sqrt((1.0 / 9 - 1.0 / 25) / n));
    assert_true(fabs(neighbours / n) < 5 / (3 * sqrt(n)));
    assert_true(fabs(images / n) < 5 / (3 * sqrt(n)));
    assert_true(fabs(chi_square(times, BINS, n / BINS) - (BINS - 1)) < 6 * sqrt(2.0 * (BINS - 1)));
}

static void test_noise_batches(void **state) {
    (void)state;
    enum { SIZE = 2 * 6 * 5 };
    Dataset *data = noise_of("noise:11:2x6x5");
    float mean[] = {0.485f, -3}, std[] = {0.229f, 10};
    static float image[SIZE];
    Batches *batches =
        begin(data, (BatchOptions){.batch = 4, .shuffle = true, .augment = true, .mean = mean, .std = std});
    assert_true(batches_repeat(batches));
    const float copy_mean[] = {mean[0], mean[1]}, copy_std[] = {std[0], std[1]};
    memset(mean, 0, sizeof mean); /* they were copied */
    memset(std, 0, sizeof std);
    for (uint64_t step = 0; step < 9; step++) {
        const Batch batch = get(batches, step);
        assert_null(batch.labels);
        assert_int_equal(batch.images, step % 3 < 2 ? 4 : 3);
        for (unsigned i = 0; i < batch.images; i++) {
            dataset_image(data, batch.index[i], image);
            for (unsigned k = 0; k < SIZE; k++) {
                const float m = copy_mean[k / 30], s = copy_std[k / 30], pixel = batch.pixels[i * SIZE + k];
                assert_true(fabs((double)pixel - ((double)image[k] * (double)s + (double)m)) < 1e-7 * (double)(s + 3));
                assert_true(fabs((double)((pixel - m) / s) - (double)image[k]) < 1e-6);
            }
        }
    }
    batches_free(batches);
    batches = begin(data, (BatchOptions){.batch = 11}); /* without a normalisation there is nothing to undo */
    const Batch batch = get(batches, 0);
    for (unsigned i = 0; i < 11; i++) {
        dataset_image(data, i, image);
        assert_memory_equal(batch.pixels + (size_t)i * SIZE, image, sizeof image);
    }
    batches_free(batches);
    dataset_free(data);
}

/* ---- the rest ---------------------------------------------------------------------------------------------------- */

static void test_refusals(void **state) {
    (void)state;
    Dataset data = images_of(3, 1, 2, 2);
    Error err;
    Batch batch = {.images = 77};
    assert_null(batches_new(&data, &(BatchOptions){.batch = 0}, &err));
    assert_int_equal(err.status, STATUS_USAGE);
    assert_non_null(strstr(err.text, "made:up: a batch of 0 of 3 images"));
    data.count = 0;
    assert_null(batches_new(&data, &(BatchOptions){.batch = 2}, &err));
    assert_non_null(strstr(err.text, "a batch of 2 of 0 images"));
    data.count = UINT64_C(1) << 32;
    assert_null(batches_new(&data, &(BatchOptions){.batch = 2, .shuffle = true}, &err));
    assert_int_equal(err.status, STATUS_LIMIT);
    data.count = 3;
    Batches *batches = begin(&data, (BatchOptions){.batch = 2, .shuffle = true});
    assert_false(batches_get(batches, UINT64_C(1) << 40, &batch, &err));
    assert_int_equal(err.status, STATUS_USAGE);
    assert_int_equal(batch.images, 77);
    assert_int_equal(get(batches, (UINT64_C(1) << 40) - 1).images, 1);
    assert_int_equal(get(batches, 0).images, 2);
    batches_free(batches);
    batches_free(NULL);
    batches_free(begin(&data, (BatchOptions){.batch = 2})); /* never asked */
    images_done(&data);
}

static void test_faults(void **state) {
    (void)state;
    Dataset images = images_of(20, 3, 4, 4), *noise = noise_of("noise:20:3x4x4");
    const float numbers[] = {1, 2, 3};
    const Dataset *data[] = {&images, noise};
    const BatchOptions options = {.batch = 6, .shuffle = true, .augment = true, .mean = numbers, .std = numbers};
    for (size_t i = 0; i < 2; i++) {
        Batches *batches = NULL;
        uint64_t nth = 0;
        while (!batches) {
            Error err = {0};
            nth++;
            fault_arm(FAULT_ALLOC, nth, nth % 2);
            batches = batches_new(data[i], &options, &err);
            fault_disarm();
            assert_true(batches || err.status == STATUS_LIMIT);
        }
        assert_true(nth > 6);
        fault_arm(FAULT_ALLOC, 1, true); /* nothing is allocated any more */
        for (uint64_t step = 0; step < 9; step++) assert_int_equal(get(batches, step).images, step % 4 < 3 ? 6 : 2);
        const uint64_t calls = fault_disarm();
        assert_int_equal(calls, 0);
        batches_free(batches);
    }
    dataset_free(noise);
    images_done(&images);
}

/* Given time to compute, a caller does not wait for what took the loader long. A busy machine gets several chances. */
static void test_ahead(void **state) {
    (void)state;
    Dataset data = images_of(2000, 3, 32, 32);
    Batches *batches = begin(&data, (BatchOptions){.batch = 2000, .shuffle = true, .augment = true});
    assert_true(batches_waited(batches) == 0 && batches_prepared(batches) == 0);
    get(batches, 0);
    const double first = batches_prepared(batches);
    assert_true(first > 0 && batches_waited(batches) >= first);
    bool ahead = false;
    for (uint64_t step = 1; !ahead && step < 40; step++) {
        const double waited = batches_waited(batches), prepared = batches_prepared(batches);
        usleep((useconds_t)(4e6 * first) + 1000);
        get(batches, step);
        assert_true(batches_prepared(batches) > prepared && batches_waited(batches) >= waited);
        ahead = batches_waited(batches) - waited < (batches_prepared(batches) - prepared) / 10;
    }
    assert_true(ahead);
    batches_free(batches);
    images_done(&data);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_epochs),        cmocka_unit_test(test_orders),
        cmocka_unit_test(test_any_order),     cmocka_unit_test(test_without_thread),
        cmocka_unit_test(test_plain),         cmocka_unit_test(test_crops),
        cmocka_unit_test(test_frequencies),   cmocka_unit_test(test_noise_values),
        cmocka_unit_test(test_noise_batches), cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_faults),        cmocka_unit_test(test_ahead),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
