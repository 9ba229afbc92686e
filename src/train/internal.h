/* internal -- what the files of src/train share. Private to src/train and its tests. */
#ifndef WEFT_TRAIN_INTERNAL_H
#define WEFT_TRAIN_INTERNAL_H

#include <assert.h>
#include <jansson.h>

#include "weft/base/error.h"
#include "weft/base/record.h"
#include "weft/base/run.h"
#include "weft/base/table.h"
#include "weft/base/text.h"
#include "weft/train.h"

/* ---- config.c ---------------------------------------------------------------------------------------------------- */

json_t *train_config_json(const TrainConfig *config); /* a new object; NULL: no memory */
bool train_config_from_json(const json_t *object, TrainConfig *out, Error *err);
bool train_config_check(const TrainConfig *config, Error *err); /* values that make no sense: STATUS_USAGE, by field */
const char *train_config_difference(const TrainConfig *a,
                                    const TrainConfig *b); /* the first field that differs; NULL */

/* ---- what is trained --------------------------------------------------------------------------------------------- */

/* The loss of one step, before the step; terms that it does not have are NaN. */
typedef struct StepLoss {
    double loss, recon, kd, fmd, cross_entropy;
    double scale; /* what the gradient is to be multiplied with */
    size_t items; /* kernels, or images, that the step worked on, for the rate */
} StepLoss;

/* How good the parameters are. NaN if unknown. */
typedef struct Measure {
    double accuracy; /* per cent, on the data */
    double distance; /* the least is best where accuracy does not decide: L_recon; a network's loss on the data */
} Measure;

/* What is trained, as the loop sees it: parameters, where their gradient comes from, and the product they make. */
typedef struct Learner {
    void *context;
    float *parameters;  /* `count` trained parameters, then the other parts of the product (running statistics) */
    size_t count, kept; /* kept: both */
    ParameterBlock *blocks;
    size_t block_count;
    const Batches *batches; /* of images, the learner's own; NULL: it takes none */
    double scalar;          /* what a step remembers for the next, kept in checkpoints */
    bool (*gradient)(struct Learner *learner, uint64_t step, float *gradient, StepLoss *loss, Error *err);
    bool (*measure)(struct Learner *learner, bool on_data, Measure *out, Error *err);
    /* the product with these parameters (`kept` of them), as a file holds it */
    bool (*parts)(struct Learner *learner, const float *parameters, FileParts *out, Error *err);
    /* hands the product over, with its log (taken, may be NULL); `partial`: how far it came, or NULL */
    bool (*take)(struct Learner *learner, const char *partial, Table *log, TrainResult *out, Error *err);
    void (*done)(struct Learner *learner);
} Learner;
/* A learner for a job's configuration: new, or in the state of `checkpoint`. `config` and the job's objects are
 * borrowed. Call learner_done also after a failure. */
bool learner_new(Learner *learner, const TrainConfig *config, const TrainJob *job, Checkpoint *checkpoint, Error *err);
void learner_done(Learner *learner);
/* STATUS_USAGE if images or teacher are missing or do not fit the network: everything that can be checked before a
 * folder is made.
 */
bool learner_check(const TrainConfig *config, const TrainJob *job, Error *err);
/* measure.c: accuracy (per cent) of a network on data, and the mean cross-entropy (`loss` may be NULL). */
bool learner_evaluate(const Network *network, const Dataset *data, double *accuracy, double *loss, Error *err);

/* predict.c: a weight predictor, on L_recon and losses on images. */
bool predict_learner(Learner *learner, const TrainConfig *config, const TrainJob *job, Checkpoint *checkpoint,
                     Error *err);

/* fit.c: a network, on labels and perhaps a teacher. */
bool fit_learner(Learner *learner, const TrainConfig *config, const TrainJob *job, Checkpoint *checkpoint, Error *err);

/* distil.c: gradients of image losses for a predictor's kernels. Borrows its arguments. */
typedef struct Distil Distil;
Distil *distil_new(const TrainConfig *config, const Predictor *predictor, const TrainJob *job, Error *err);
void distil_free(Distil *distil);
/* The losses of a step's images in the network that `predictions` (kernels x outputs) make, weighted and summed into
 * *loss with their terms; and the gradient of that sum at chosen kernels (NULL: all), `times` (NULL: 1) each, into
 * delta (count x outputs). */
bool distil_step(Distil *distil, uint64_t step, const float *predictions, const uint32_t *kernels,
                 const uint16_t *times, size_t count, float *delta, StepLoss *loss, Error *err);
const Batches *distil_batches(const Distil *distil);
/* Shuffled batches of a run's images. `network`: whose normalisation turns noise into pixels. */
Batches *images_open(const TrainConfig *config, const Network *network, const Dataset *images, Error *err);

/* ---- checkpoint.c ------------------------------------------------------------------------------------------------ */

/* The contents of a checkpoint besides the product and the optimiser's arrays. */
typedef struct Progress {
    uint64_t step;
    double seconds;
    double best_accuracy, best_distance, accuracy; /* NaN: none yet */
} Progress;

/* Saves FOLDER/last.safetensors: written to another file, read back completely, then the old one becomes
 * previous.safetensors. */
bool checkpoint_save(const char *folder, const TrainConfig *config, Learner *learner, Optimiser *optimiser,
                     const Progress *progress, Error *err);
/* Opens the newest checkpoint of a folder that is whole (a finished one not yet in its place, last, previous); why
 * others were passed over is added to `notes`. STATUS_BAD_INPUT names the field in which its run's configuration
 * differs. */
Checkpoint *checkpoint_newest(const char *folder, const TrainConfig *config, Progress *progress, double *scalar,
                              Str *notes, Error *err);
/* Removes the checkpoints of a run that no longer exists: its config.json is gone. */
bool checkpoint_clear(const char *folder, Error *err);
/* Puts the optimiser's arrays back, as they were after `step` steps: it takes one in each step of the run. */
bool checkpoint_restore(Checkpoint *checkpoint, Optimiser *optimiser, uint64_t step, Error *err);

/* ---- loop.c ------------------------------------------------------------------------------------------------------ */

typedef struct Loop {
    const TrainConfig *config;
    Learner *learner;
    Optimiser *optimiser;
    Progress progress;
    Run *run;      /* NULL: no folder */
    Table *log;    /* grows */
    bool log_file; /* log.csv is open */
    TrainWatch *watch;
    void *watch_context;
    float *best; /* the parameters of a best that could not be saved yet, where best_waits */
    bool best_waits;
    Str rows;        /* of log.csv that could not be written yet */
    double saved_at; /* clock at the newest checkpoint */
    uint64_t saved_step;
    Status saved; /* of all that should be in the folder */
    Error save_error;
} Loop;
/* Runs until config->steps, a request to stop or a cancellation; *stopped: before the last step. */
bool loop_run(Loop *loop, bool *stopped, Error *err);
void loop_done(Loop *loop);       /* frees what it made */
extern const char loop_heading[]; /* of log.csv */
Table *loop_log_table(Error *err);

/* ---- run.c ------------------------------------------------------------------------------------------------------- */

/* The images that a run needs, according to its record. */
typedef struct StoredData {
    const RecordObject *object; /* NULL: none */
    Dataset *data;              /* loaded, and found to be the same; NULL if that failed: */
    Error problem;              /* what a run that has steps to go cannot do without */
} StoredData;

/* The description of a run in its folder (stored.c). */
typedef struct Stored {
    RunRecord record;
    TrainConfig config;
    StoredData data, images, select; /* to evaluate on, to train on, to choose on */
    Network *source, *teacher;       /* teacher NULL: the source */
} Stored;
bool stored_read(const char *folder, Stored *out, Error *err); /* config.json */
/* Source, teacher and data; if the data are missing or have changed, their `problem` says so. */
bool stored_load(const char *folder, Stored *stored, Error *err);
/* The job with what was loaded. */
TrainJob stored_job(const TrainJob *job, const Stored *stored);
/* Why the data of a job are not there; NULL: they are, or there are none. */
const Error *stored_problem(const Stored *stored);
bool stored_save_networks(const char *folder, const TrainJob *job, Error *err); /* source and teacher */
void stored_done(Stored *stored);
/* config.json of a folder; `trials` > 1: of the folder above trial-1, trial-2, ...; `rounds`: of a progressive run, or
 * NULL. */
bool stored_write(const char *folder, const TrainJob *job, const TrainConfig *config, unsigned trials,
                  const ProgressiveJob *rounds, Error *err);
void stored_trial(const char *folder, unsigned number, Str *out); /* the folder of a trial */
/* Takes a folder for a new run with this many trials: STATUS_WRITE if it holds something else, STATUS_FAILED if it
 * already holds a run. */
Run *stored_claim(const char *folder, unsigned trials, Error *err);
/* Gives the folder its name if `done`, which is what was written into it; else its name to the message. */
bool stored_publish(Run *run, bool done, Error *err);
void stored_source(const char *folder, Str *out); /* of trials: the folder with the networks of all */

/* One run of a job, into `folder` (NULL: none) and from its configuration but with `seed`; or on from `folder`, whose
 * configuration the job has. */
bool run_begin(const TrainJob *job, const char *folder, uint64_t seed, TrainResult *out, Error *err);
bool run_continue(const TrainJob *job, const char *folder, TrainResult *out, Error *err);

/* ---- job.c ------------------------------------------------------------------------------------------------------- */

bool results_new(TrainResults *out, unsigned trials, const TrainConfig *config, Error *err);
/* The job's trials (out->trials of them) into trial-1, trial-2, ... of its folder, from the start or, if their folders
 * exist, from their last checkpoint; as many in parallel as there are threads. If one fails or is cancelled, those
 * before it keep their results, and `stopped` says why there are no more. Sets `best`. */
bool trials_run(const TrainJob *job, TrainResults *out, Error *err);

/* For a worker of several ranks: whether it sees the folder that rank 0 has above the trials. */
Run *trials_elsewhere(const char *folder, Error *err);

/* ---- travel.c ---------------------------------------------------------------------------------------------------- */

/* A trial's result, appended to bytes; and back, for the same job. */
bool travel_pack(const TrainResult *result, Str *out, Error *err);
bool travel_unpack(const TrainJob *job, const char *bytes, size_t length, TrainResult *out, Error *err);

#endif
