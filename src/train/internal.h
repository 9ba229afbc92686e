/* internal -- what the files of src/train share. Private to src/train and its tests. */
#ifndef WEFT_TRAIN_INTERNAL_H
#define WEFT_TRAIN_INTERNAL_H

#include <assert.h>
#include <jansson.h>

#include "weft/train.h"

/* ---- config.c ---------------------------------------------------------------------------------------------------- */

json_t *train_config_json(const TrainConfig *config); /* a new object; NULL: no memory */
bool train_config_from_json(const json_t *object, TrainConfig *out, Error *err);
bool train_config_check(const TrainConfig *config, Error *err); /* values that make no sense: STATUS_USAGE, by field */
const char *train_config_difference(const TrainConfig *a,
                                    const TrainConfig *b); /* the first field that differs; NULL */

/* ---- what is trained --------------------------------------------------------------------------------------------- */

/* The loss of one step, before the step; terms that the scheme does not have are NaN. */
typedef struct StepLoss {
    double loss, recon, kd, fmd;
    double scale; /* what the gradient is to be multiplied with */
    size_t items; /* kernels or images that the step worked on, for the rate */
} StepLoss;

/* How good the parameters are. */
typedef struct Measure {
    double recon, accuracy; /* NaN where there is none */
} Measure;

/* A scheme, as the loop sees it: parameters, and where their gradient comes from. */
typedef struct Learner {
    void *context;
    float *parameters;
    size_t count;
    ParameterBlock blocks[2 * MLP_LAYERS_MAX];
    size_t block_count;
    double scalar; /* what a step remembers for the next, kept in checkpoints */
    bool (*gradient)(struct Learner *learner, uint64_t step, float *gradient, StepLoss *loss, Error *err);
    bool (*measure)(struct Learner *learner, bool on_data, Measure *out, Error *err);
    bool (*parts)(struct Learner *learner, PredictorParts *out, Error *err); /* the product, as a file holds it */
} Learner;

/* recon.c: L_recon of a predictor against `targets` (taken over). Borrows the rest. */
bool recon_learner(Learner *learner, const TrainConfig *config, Predictor *predictor, float *targets,
                   const Dataset *data, Error *err);
void recon_done(Learner *learner);

/* ---- checkpoint.c ------------------------------------------------------------------------------------------------ */

/* What a checkpoint holds beside the product and the optimiser's arrays. */
typedef struct Progress {
    uint64_t step;
    double seconds;
    double best_accuracy, best_recon, accuracy; /* NaN: none yet */
} Progress;

/* Saves FOLDER/last.safetensors: written beside it, read back whole, then the old one becomes previous.safetensors. */
bool checkpoint_save(const char *folder, const TrainConfig *config, Learner *learner, Optimiser *optimiser,
                     const Progress *progress, Error *err);
/* Opens the newest checkpoint of a folder that is whole (a finished one not yet in its place, last, previous); why
 * others were passed over is added to `notes`. STATUS_BAD_INPUT names the field in which its run's configuration
 * differs. */
Checkpoint *checkpoint_newest(const char *folder, const TrainConfig *config, Progress *progress, double *scalar,
                              Str *notes, Error *err);
/* Removes the checkpoints of a run that is no more: its config.json is gone. */
bool checkpoint_clear(const char *folder, Error *err);
/* Puts the optimiser's arrays back, as they were after `step` steps: it takes one in each step of the run. */
bool checkpoint_restore(Checkpoint *checkpoint, Optimiser *optimiser, size_t count, uint64_t step, Error *err);

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
    bool (*save_best)(void *context, const float *parameters, Error *err); /* writes best.safetensors */
    void *best_context;
    float *best; /* the parameters of a best that could not be saved yet, where best_waits */
    bool best_waits;
    Str rows;        /* of log.csv that could not be written yet */
    double saved_at; /* clock at the newest checkpoint */
    uint64_t saved_step;
    Status saved; /* of all that should be in the folder */
    Error save_error;
} Loop;
/* Runs until config->steps, a wish to stop or a cancellation; *stopped: before the last step. */
bool loop_run(Loop *loop, bool *stopped, Error *err);
void loop_done(Loop *loop);       /* frees what it made */
extern const char loop_heading[]; /* of log.csv */
Table *loop_log_table(Error *err);

/* ---- run.c ------------------------------------------------------------------------------------------------------- */

/* What a run folder says of its run (stored.c). */
typedef struct Stored {
    TrainConfig config;
    char name[80];
    char *command;
    char *folder;    /* working folder of its begin, which a data specification may be relative to; "" unknown */
    unsigned trials; /* 0: one run; else the number of trial-N folders it has or will have */
    char data_hash[HASH_HEX]; /* "" none */
    char *data_spec;
    uint64_t data_limit;
    Dataset *data;      /* loaded, and found to be the same; NULL where that failed: */
    Error data_problem; /* what a run that has steps to go cannot do without */
    Network *source;
} Stored;
bool stored_read(const char *folder, Stored *out, Error *err); /* config.json */
/* Source and data; where the data are not there or not the same any more, data_problem says so. */
bool stored_load(const char *folder, Stored *stored, Error *err);
void stored_done(Stored *stored);
/* config.json of a folder; `trials` > 1: of the folder above trial-1, trial-2, ... */
bool stored_write(const char *folder, const TrainJob *job, const TrainConfig *config, unsigned trials, Error *err);
bool stored_here(const char *folder);
void stored_trial(const char *folder, unsigned number, Str *out); /* the folder of a trial */
/* Takes a folder for a new run of so many trials: STATUS_WRITE where it holds something else, STATUS_FAILED where it
 * holds a run already. */
Run *stored_claim(const char *folder, unsigned trials, Error *err);

/* One run of a job, into `folder` (NULL: none) and from its configuration but with `seed`; or on from `folder`. */
bool run_begin(const TrainJob *job, const char *folder, uint64_t seed, TrainResult *out, Error *err);
bool run_continue(const TrainJob *job, const char *folder, const Stored *stored, TrainResult *out, Error *err);

#endif
