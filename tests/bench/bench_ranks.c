/* bench_ranks -- how well a map of several ranks scales, with points that sleep: no processor is needed, so that 64
 * ranks can be tried on two cores. scripts/bench/ranks runs it.
 *
 *   mpirun -n N bench_ranks POINTS MILLISECONDS
 *
 * Point i takes between half and one and a half times MILLISECONDS. Prints a row: ranks, seconds, those of perfect
 * sharing (the sum of all points by the number of ranks), and their ratio in per cent.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "weft/base/map.h"
#include "weft/base/memory.h"
#include "weft/base/random.h"
#include "weft/base/ranks.h"

typedef struct Sleep {
    size_t points;
    double milliseconds;
    double *value;
} Sleep;

static double seconds_of(const Sleep *sleep, size_t point) {
    Rng random = {.seed = 1, .stream = point};
    return sleep->milliseconds * (0.5 + rng_uniform(&random)) / 1000;
}

static bool evaluate(void *context, size_t point, Error *err) {
    const Sleep *sleep = context;
    const double seconds = seconds_of(sleep, point);
    const struct timespec time = {(time_t)seconds, (long)(1e9 * (seconds - (double)(time_t)seconds))};
    nanosleep(&time, NULL);
    sleep->value[point] = seconds;
    return true;
    (void)err;
}

static void *result(void *context, size_t point) {
    const Sleep *sleep = context;
    return &sleep->value[point];
}

static bool run(Sleep *sleep, Error *err) {
    const Items items = {.count = sleep->points,
                         .evaluate = evaluate,
                         .result = result,
                         .result_bytes = sizeof *sleep->value,
                         .context = sleep,
                         .what = "sleeping",
                         .executor = run_in_turn};
    if (!(sleep->value = mem_alloc(sleep->points, sizeof *sleep->value, err))) return false;
    const bool done = map_items(&items, NULL, err);
    mem_free(sleep->value);
    return done;
}

static bool parcel_of(void *context, bool all, Str *parcel, Error *err) {
    (void)all;
    str_add_bytes(parcel, context, sizeof(Sleep));
    return str_ok(parcel, err);
}

static int fail(const Error *err) {
    fprintf(stderr, "bench_ranks: %s\n", err->text);
    return (int)err->status;
}

static void serve(void) {
    char *parcel;
    size_t length;
    while (ranks_await(&parcel, &length)) {
        Error err;
        Sleep sleep;
        memcpy(&sleep, parcel, sizeof sleep);
        mem_free(parcel);
        ranks_leave(run(&sleep, &err) ? NULL : &err);
    }
}

static void say(const char *text) {
    fprintf(stderr, "bench_ranks: %s\n", text);
}

/* The first map is for all to have come. */
int main(int argc, char **argv) {
    Error err;
    Sleep sleep = {.points = 4, .milliseconds = 500};
    if (argc != 3) return STATUS_USAGE;
    if (!ranks_start(say, &err)) return fail(&err);
    if (ranks_worker()) {
        serve();
        return STATUS_OK;
    }
    double ideal = 0, seconds = 0;
    for (int i = 0; i < 2; i++) {
        sleep.points = i ? strtoul(argv[1], NULL, 10) : 4UL * ranks_count();
        sleep.milliseconds = i ? strtod(argv[2], NULL) : 250;
        RanksCommand command = {.pack = parcel_of, .context = &sleep};
        ranks_begin(&command);
        seconds = clock_seconds();
        if (!run(&sleep, &err)) return fail(&err);
        seconds = clock_seconds() - seconds;
        ranks_end(&command);
    }
    for (size_t point = 0; point < sleep.points; point++) ideal += seconds_of(&sleep, point) / ranks_count();
    printf("%u\t%.3f\t%.3f\t%.1f\n", ranks_count(), seconds, ideal, 100 * ideal / seconds);
    ranks_stop();
    return STATUS_OK;
}
