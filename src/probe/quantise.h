/* quantise -- what the files of quantisation share. Private to src/probe. */
#ifndef WEFT_PROBE_QUANTISE_H
#define WEFT_PROBE_QUANTISE_H

#include "weft/base/error.h"
#include "weft/base/table.h"
#include "weft/base/task.h"
#include "weft/probe.h"

bool bits_check(unsigned bits, const char *what, Error *err); /* STATUS_USAGE outside 2 .. 8 */

/* Levels for the maps behind the marked operations, in order, from the images of `options`. */
bool calibrate_levels(const Network *network, const bool *places, const QuantiseOptions *options, Quantiser *levels,
                      const Task *task, Error *err);

/* What quantisation did to a tensor, or to a map. */
typedef struct Fidelity {
    double signal, noise;           /* sums of squares: of what was, of what changed */
    double product, power, largest; /* of both values; of the new one; the largest change */
} Fidelity;
void fidelity_add(Fidelity *fidelity, const float *was, const float *is, size_t count);
double fidelity_sqnr(const Fidelity *fidelity);   /* dB; inf where nothing changed, NaN for nothing but zeros */
double fidelity_cosine(const Fidelity *fidelity); /* NaN for nothing but zeros */

/* Signal and noise of every quantiser of `network` on the images; graph->count entries, zeroed. */
bool measure_levels(const Network *network, const Dataset *images, Fidelity *fidelity, const Task *task, Error *err);

/* One row of a table of layers; `activation` apart, all tables have these. */
typedef struct QuantisedRow {
    const char *name;
    unsigned bits;
    Fidelity weights, activation;
    Quantiser levels; /* bits 0: none */
} QuantisedRow;
/* The rows, the worst first, and the notes of sizes. `activations`: with the columns of these. */
Table *quantised_rows_table(QuantisedRow *rows, size_t count, bool activations, QuantisedSize size, Error *err);

#endif
