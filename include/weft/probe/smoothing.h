/* smoothing -- one network under a filter whose setting moves: what a live view of it shows. Beside probe.h, whose
 * folder it describes.
 *
 * A Smoothing is a setting. A Smoother is a thread that follows the newest setting: first one layer, its kernels and
 * singular values before and after, then the accuracy of the smoothed network on images. What it has found is taken
 * from it without waiting.
 */
#ifndef WEFT_PROBE_SMOOTHING_H
#define WEFT_PROBE_SMOOTHING_H

#include "weft/base/error.h"
#include "weft/base/table.h"
#include "weft/base/task.h"
#include "weft/base/text.h"
#include "weft/data.h"
#include "weft/net.h"
#include "weft/probe.h"
#include "weft/spectral.h"

/* ---- settings ---------------------------------------------------------------------------------------------------- */

#define SMOOTHING_FILTERS(X) X(LOWPASS, "lowpass") X(SVSCALE, "svscale")
typedef enum SmoothingFilter {
#define X(name, text) SMOOTHING_##name,
    SMOOTHING_FILTERS(X)
#undef X
        SMOOTHING_FILTER_COUNT
} SmoothingFilter;
const char *smoothing_filter_name(SmoothingFilter filter);

#define SMOOTHING_SCOPES(X) X(LAYER, "layer") X(BLOCK, "block") X(STAGE, "stage") X(ALL, "all")
typedef enum SmoothingScope {
#define X(name, text) SMOOTHING_##name,
    SMOOTHING_SCOPES(X)
#undef X
        SMOOTHING_SCOPE_COUNT
} SmoothingScope;

/* What is filtered, and how. Numbers of the filter that is not chosen are kept for when it is. */
typedef struct Smoothing {
    SmoothingFilter filter;
    SmoothingScope scope; /* the layer, or what it is part of */
    LowpassMode mode;
    size_t layer;
    double cutoff, factor; /* as lowpass_apply and svscale_apply take them */
    unsigned last;
} Smoothing;
bool smoothing_equal(const Smoothing *a, const Smoothing *b); /* the same network: numbers not used do not count */

/* False if the filter cannot be applied to the layer, or the layer is in no such part of the network: STATUS_USAGE. */
bool smoothing_check(const Network *network, const Smoothing *smoothing, Error *err);
/* The selector of the scope ("layer1.0.conv1", "block:1.0", "stage:1"), appended; nothing for all layers. */
void smoothing_selector(const Network *network, const Smoothing *smoothing, Str *out);
/* The layers that the scope means for this filter, as the commands choose them: layer_count marks, mem_free. */
bool *smoothing_layers(const Network *network, const Smoothing *smoothing, Error *err);
/* The next scope of the layer that means other layers than every narrower one; the same if there is none. */
SmoothingScope smoothing_next_scope(const Network *network, const Smoothing *smoothing);
/* The smoothed network (lineage entry lowpass or svscale = `command`), as lowpass_apply or svscale_apply makes it. */
Network *smoothing_apply(const Network *network, const Smoothing *smoothing, const char *command, const Task *task,
                         Error *err);

/* The limits within which smoothing_move keeps the numbers. */
#define SMOOTHING_CUTOFF_LEAST 0.1
#define SMOOTHING_CUTOFF_MOST 50.0
#define SMOOTHING_FACTOR_MOST 2.0
/* Moves the chosen filter's number by so many fine steps, up or down. A cutoff has two significant digits and moves by
 * one unit of the second; a factor moves by 0.05. */
void smoothing_move(Smoothing *smoothing, int steps);
enum { SMOOTHING_COARSE = 5 }; /* fine steps of a coarse one */

/* ---- what is shown ----------------------------------------------------------------------------------------------- */

/* The curve of the filter for the layer: lowpass_curve or svscale_curve. */
Table *smoothing_curve(const Network *network, const Smoothing *smoothing, Error *err);

enum { SMOOTHING_KERNELS = 32 }; /* the filters and channels of a layer that are listed, at most */
/* One layer before and after. */
typedef struct SmoothedLayer {
    Smoothing of;
    Table *kernels;            /* kernels_table_part: networks "before" and "after" */
    Table *spectrum;           /* spectrum_table with the smoothed layer as `versus` */
    double largest;            /* magnitude of a weight before */
    double ratio, ratio_after; /* S_ratio; NaN if undefined */
    double change;             /* relative change of the layer, Frobenius norm; NaN if it was zero */
} SmoothedLayer;
/* STATUS_BAD_INPUT if weights of the layer are not finite. Free with smoothed_layer_done. */
bool smoothed_layer(const Network *network, const Smoothing *smoothing, const Task *task, SmoothedLayer *out,
                    Error *err);
void smoothed_layer_done(SmoothedLayer *layer);

/* How well a smoothed network does on the images. */
typedef struct SmoothedScore {
    Smoothing of;
    uint64_t images, correct;
    double accuracy; /* %; NaN if images have no logits */
    double loss;
    double seconds; /* from the setting to this score */
} SmoothedScore;
/* The scores of this filter and scope, by setting: cutoff or factor, images, correct, accuracy with its interval, loss.
 * Of equal settings the last counts. NULL if memory ran out. */
Table *smoothed_scores_table(const SmoothedScore *scores, size_t count, const Smoothing *like, Error *err);

/* ---- following --------------------------------------------------------------------------------------------------- */

/* All that was found so far. Begin with zeroes; smoothing_findings_done. */
typedef struct SmoothingFindings {
    bool has_layer, has_unchanged;
    SmoothedLayer layer;     /* the newest */
    SmoothedScore unchanged; /* of the network itself */
    SmoothedScore *scores;   /* in the order in which they were measured */
    size_t count, capacity;
    Error failure; /* why there is nothing for the setting `failed`; STATUS_OK: nothing failed */
    Smoothing failed;
} SmoothingFindings;
void smoothing_findings_done(SmoothingFindings *findings);
/* Everything about one setting, at once: what a Smoother finds, to the same bits. `data` NULL: the layer only. Fails as
 * smoothed_layer and evaluate_run do. */
bool smoothing_measure(const Network *network, const Dataset *data, const Smoothing *smoothing, const Task *task,
                       SmoothingFindings *out, Error *err);

typedef struct Smoother Smoother;
/* Starts the thread. `data` NULL: layers only. The network is copied (its tensors are shared), the dataset is borrowed.
 * Fails as evaluate_check does. */
Smoother *smoother_new(const Network *network, const Dataset *data, Error *err);
void smoother_free(Smoother *smoother); /* gives up what is being computed */
/* The setting to follow. What is being computed for another one is given up, unless it is nearly done. */
void smoother_ask(Smoother *smoother, const Smoothing *smoothing);
/* Moves what was found since the last call into *findings; false if that is nothing. Waits for up to `seconds` for the
 * layer of the newest setting. STATUS_LIMIT in findings->failure if memory ran out. */
bool smoother_take(Smoother *smoother, double seconds, SmoothingFindings *findings);
/* True while something of the newest setting is still to be found. */
bool smoother_busy(Smoother *smoother);

#endif
