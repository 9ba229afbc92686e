/* training -- what `train` and `resume` share: watching a run, and returning its result. Private to src/shell. */
#ifndef WEFT_SHELL_TRAINING_H
#define WEFT_SHELL_TRAINING_H

#include "report.h"

#include "train_options.h"
#include "weft/base/error.h"
#include "weft/base/record.h"
#include "weft/base/text.h"
#include "weft/train.h"
#include "weft/tui.h"

typedef struct Training {
    Session *session;
    const char *name; /* of the predictor */
    Monitor *monitor; /* NULL: the progress line */
    MonitorRun about;
    double shown;     /* when the progress line was last drawn */
    char warned[256]; /* the newest warning that was printed */
    char saved[160];  /* what the monitor shows about the current part and the newest checkpoint */
    bool stopping;    /* the monitor knows */
    bool detaching;   /* it stops here to go on in the background */
} Training;

/* `monitor`: opens the full-screen monitor; STATUS_FAILED without a terminal. `folder`: where the run is kept, so that
 * it can be detached; NULL: it cannot. */
bool training_open(Training *training, Session *session, const char *name, uint64_t steps, const char *rate_of,
                   bool monitor, const char *folder, Error *err);
void training_close(Training *training);
TrainWish training_watch(void *training, const TrainStatus *status);
/* Fills the result of the command: the best trial's predictor or network as `name` (taken out of *results), a row for
 * each trial (with `report`, not NULL, also its columns), and what must be said where the run is partial or could not
 * be saved. */
bool training_result(const char *name, const char *folder, TrainResults *results, const Report *report, Result *result,
                     Error *err);
/* Where a run is kept, added to *folder (nothing: nowhere); STATUS_USAGE where the options do not go together. */
bool training_place(const Session *session, const TrainOptions *options, Str *folder, Error *err);
/* Does a job as the options have it: here, watched, from training_open to training_result, or in another process. */
bool training_run(Session *session, const TrainOptions *options, TrainJob *job, Result *result, Error *err);
/* Goes on with the job's folder here. */
bool training_again(Session *session, const char *name, bool monitor, TrainJob *job, const RunRecord *record,
                    Result *result, Error *err);

#endif
