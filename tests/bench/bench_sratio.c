/* bench_sratio -- seconds that S_ratio of all convolutions of a network takes; scripts/bench/sratio runs it beside
 * NumPy.
 *
 *   bench_sratio NETWORK [ROUNDS]          prints the median time of one sratio_table, in seconds
 *   bench_sratio NETWORK --weights FILE.npz   writes the network for the peer to read
 */
#include "weft/base/error.h"
#include "weft/base/memory.h"
#include "weft/base/table.h"
#include "weft/base/task.h"
#include "weft/base/text.h"
#include "weft/spectral.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROUNDS_MAX = 1000 };

static int ascending(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

/* The first round also starts the threads; it is not counted. */
static bool measure(const Network *network, size_t rounds, Error *err) {
    double seconds[ROUNDS_MAX];
    bool *chosen = mem_alloc(network->layer_count, sizeof *chosen, err);
    bool done = chosen && layer_select(network, NULL, true, chosen, err);
    for (size_t round = 0; done && round <= rounds; round++) {
        double start = clock_seconds();
        Table *table = sratio_table(network, NULL, chosen, NULL, err);
        if (round > 0) seconds[round - 1] = clock_seconds() - start;
        done = table != NULL;
        table_free(table);
    }
    mem_free(chosen);
    if (!done) return false;
    qsort(seconds, rounds, sizeof *seconds, ascending);
    printf("%.9f\n", seconds[rounds / 2]);
    return true;
}

int main(int argc, char **argv) {
    bool weights = argc == 4 && strcmp(argv[2], "--weights") == 0;
    uint64_t rounds = 21;
    if (!weights && (argc < 2 || argc > 3 || (argc == 3 && (!text_to_u64(argv[2], &rounds) || rounds < 1)) ||
                     rounds > ROUNDS_MAX)) {
        fprintf(stderr, "usage: bench_sratio NETWORK [ROUNDS | --weights FILE.npz]\n");
        return 2;
    }
    Error err;
    Network *network = network_load(argv[1], NULL, &err);
    bool done = network && (weights ? network_save(network, argv[3], true, &err) : measure(network, rounds, &err));
    if (!done) fprintf(stderr, "%s\n", err.text);
    network_free(network);
    return done ? 0 : 1;
}
