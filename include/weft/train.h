/* train -- one loop for everything that is trained: optimisers, schedules, what a step takes its gradient from,
 * checkpoints, resuming. A run is a folder (base's run folders): config.json, log.csv, last.safetensors,
 * best.safetensors, source.safetensors.
 *
 * Sources: docs/method.md, section 5; docs/reliability.md, section 3.
 */
#ifndef WEFT_TRAIN_H
#define WEFT_TRAIN_H

#include "weft/base/error.h"
#include "weft/base/record.h"
#include "weft/base/table.h"
#include "weft/base/task.h"
#include "weft/base/text.h"
#include "weft/data.h"
#include "weft/net.h"
#include "weft/predictor.h"
#include "weft/probe/compare.h"
#include "weft/setting.h"

/* ---- optimisers -------------------------------------------------------------------------------------------------- */

/* Ranger: RAdam (Liu et al., 2020) with decoupled weight decay and Lookahead (Zhang et al., 2019). Adam, AdamW, SGD: as
 * torch.optim (SGD with Nesterov momentum). Muon: Nesterov momentum whose update of a matrix is made nearly orthogonal
 * (K. Jordan et al., 2024; torch.optim.Muon in float32, lr adjusted as "original"). SOAP: Adam in the eigenbasis of
 * Shampoo's preconditioner (Vyas et al., 2024, arXiv:2409.11321). These two take matrices; Adam takes everything else.
 */
#define OPTIMISERS(X) \
    X(RANGER, "ranger") X(ADAM, "adam") X(ADAMW, "adamw") X(SGD, "sgd") X(MUON, "muon") X(SOAP, "soap")
typedef enum OptimiserKind {
#define X(name, text) OPTIMISER_##name,
    OPTIMISERS(X)
#undef X
        OPTIMISER_COUNT
} OptimiserKind;

/* The matrices that Muon and SOAP take: all of them; all but the last (a network's classifier); all but the first and
 * the last. */
#define OPTIMISER_MATRICES(X) X(ALL, "all") X(NOT_LAST, "not-last") X(HIDDEN, "hidden")
typedef enum OptimiserMatrices {
#define X(name, text) MATRICES_##name,
    OPTIMISER_MATRICES(X)
#undef X
        MATRICES_COUNT
} OptimiserMatrices;

typedef struct OptimiserConfig {
    OptimiserKind kind;
    double beta1, beta2, epsilon; /* Ranger, Adam, AdamW, SOAP; of Muon the Adam beside it */
    double momentum;              /* SGD, Muon */
    double weight_decay;          /* Adam, SGD: added to the gradient; others: p *= 1 - decay * lr */
    bool centralise; /* the mean over all but the first axis is taken off gradients of matrices (Yong et al., 2020) */
    unsigned lookahead;         /* Ranger: steps between pulls towards the slow weights; 0: none */
    double pull;                /* Ranger: how far, 0.5 */
    double threshold;           /* Ranger: N_sma above which the adaptive step is taken, 5 */
    OptimiserMatrices matrices; /* Muon, SOAP: which they take */
    double rest_rate;           /* Muon, SOAP: learning rate of the others, as a fraction of the learning rate */
    unsigned iterations;        /* Muon: of Newton-Schulz, 5 */
    unsigned basis_every;       /* SOAP: steps between refreshes of the bases, 10 */
    unsigned basis_limit;       /* SOAP: a longer side of a matrix has no basis */
} OptimiserConfig;
/* Ranger: docs/method.md, section 5; SOAP: its authors'; others: torch.optim's. */
OptimiserConfig optimiser_config(OptimiserKind kind);
/* The learning rate to start from on L_recon; of Muon and SOAP as samples/paper/rates.weft found it. */
double optimiser_rate(OptimiserKind kind);

/* A stretch of the parameters with a shape: rows x columns; columns 1 if it is not a matrix. */
typedef enum BlockPlace { BLOCK_INNER, BLOCK_FIRST, BLOCK_LAST } BlockPlace;
typedef struct ParameterBlock {
    size_t offset, rows, columns;
    BlockPlace place; /* of a matrix: whether it takes the input or gives the output */
} ParameterBlock;

typedef struct Optimiser Optimiser;
/* Copies `blocks`; together they cover `count` parameters. `parameters`: the start values (Lookahead's slow weights).
 */
Optimiser *optimiser_new(const OptimiserConfig *config, const ParameterBlock *blocks, size_t block_count,
                         const float *parameters, size_t count, Error *err);
void optimiser_free(Optimiser *optimiser);
/* One step, in place. The gradient is scaled by `scale` first and is used up. No allocation; bit-identical for any
 * number of threads. */
void optimiser_step(Optimiser *optimiser, float *parameters, float *gradient, double scale, double learning_rate);
/* Euclidean norm, in double, by pieces in order. */
double gradient_norm(const float *gradient, size_t count);

/* The state needed to continue, besides the number of steps taken: arrays of floats, named as files name them
 * ("state.first", "state.second", "state.slow", "state.bases", "state.factors"; as many as the kind has). Returns how
 * many. */
typedef struct OptimiserState {
    const char *name;
    float *values; /* the optimiser's own */
    uint64_t count;
} OptimiserState;
enum { OPTIMISER_STATES = 5 };
size_t optimiser_state(Optimiser *optimiser, OptimiserState state[OPTIMISER_STATES]);
void optimiser_set_steps(Optimiser *optimiser, uint64_t steps); /* as if this many had been taken */

/* ---- schedules --------------------------------------------------------------------------------------------------- */

/* Of step t of T, from 0: cosine lr1 + (lr0 - lr1) (1 + cos(pi t / T)) / 2; exponential lr0 (lr1 / lr0)^(t / T);
 * constant; one-cycle, from lr0 / 25 up to lr0 at 30 % of the steps and down to lr1, as torch's OneCycleLR. */
#define SCHEDULES(X) X(COSINE, "cosine") X(EXPONENTIAL, "exponential") X(CONSTANT, "constant") X(ONE_CYCLE, "one-cycle")
typedef enum ScheduleKind {
#define X(name, text) SCHEDULE_##name,
    SCHEDULES(X)
#undef X
        SCHEDULE_COUNT
} ScheduleKind;
double schedule_rate(ScheduleKind kind, double first, double last, uint64_t step, uint64_t steps);

/* ---- batches of kernels ------------------------------------------------------------------------------------------ */

/* mixed: uniform without replacement, but a share of the steps by magnitude; magnitude: with replacement, probability
 * proportional to the kernel's norm; layer: the kernels of one layer, a random one each step. */
#define SAMPLINGS(X) X(MIXED, "mixed") X(UNIFORM, "uniform") X(MAGNITUDE, "magnitude") X(ALL, "all") X(LAYER, "layer")
typedef enum SamplingKind {
#define X(name, text) SAMPLING_##name,
    SAMPLINGS(X)
#undef X
        SAMPLING_COUNT
} SamplingKind;

typedef struct Sampler Sampler;
/* `targets`: kernel_count x outputs, for the norms; not kept. */
Sampler *sampler_new(const Predictor *predictor, const float *targets, SamplingKind kind, size_t batch,
                     double magnitude_share, uint64_t seed, Error *err);
void sampler_free(Sampler *sampler);
/* The batch of a step, which depends on (seed, step) alone: distinct kernels, ascending, and how often each was drawn.
 * Returns their number; *kernels NULL: all, once each. Borrowed until the next call. */
size_t sampler_draw(Sampler *sampler, uint64_t step, const uint32_t **kernels, const uint16_t **times);

/* ---- configuration ----------------------------------------------------------------------------------------------- */

/* docs/method.md, section 5. A scheme determines what is trained and names a choice of losses; what a run computes
 * follows from the weights of the losses alone. recon, joint, distil: a weight predictor; fit: a network. */
#define PREDICTOR_SCHEMES(X) X(RECON, "recon") X(JOINT, "joint") X(DISTIL, "distil")
#define SCHEMES(X) PREDICTOR_SCHEMES(X) X(FIT, "fit")
typedef enum SchemeKind {
#define X(name, text) SCHEME_##name,
    SCHEMES(X)
#undef X
        SCHEME_COUNT
} SchemeKind;

/* L_recon: the root of the mean square (docs/method.md, section 4), or the mean square itself. */
#define RECON_FORMS(X) X(RMS, "rms") X(MSE, "mse")
typedef enum ReconForm {
#define X(name, text) RECON_##name,
    RECON_FORMS(X)
#undef X
        RECON_FORM_COUNT
} ReconForm;

enum { CONFIG_TEXT_MAX = 512, SETTINGS_COUNT_MAX = 1000000000 };

/* Everything that decides what a run computes. config.json holds it field by field; two runs with equal configuration,
 * source and data are bit-identical. */
typedef struct TrainConfig {
    SchemeKind scheme;
    PredictorConfig predictor;
    char layers[CONFIG_TEXT_MAX]; /* selector of the predicted layers; "" the default ones */
    uint64_t steps, seed;
    size_t batch; /* kernels per step */
    SamplingKind sampling;
    double magnitude_share;
    double recon; /* weight of L_recon in the loss */
    ReconForm recon_form;
    uint64_t
        refresh; /* steps between evaluations of the whole L_recon; 1: every step (exact). Of steps without images */
    Loss images; /* losses on images, with their weights; all 0: there are none */
    uint64_t warm_up; /* first steps of a predictor that do not use the images */
    unsigned image_batch;
    bool augment; /* random crop with padding 4, horizontal flip */
    OptimiserConfig optimiser;
    ScheduleKind schedule;
    double rate, rate_last; /* learning rates that the schedule goes from and to */
    double clip;            /* largest gradient norm; 0: not clipped */
    Convolutions convolutions;
    uint64_t evaluate_every, save_every, log_every; /* steps; 0: evaluate and save only at the end, log only then */
    uint64_t epoch_steps;                           /* what the log calls an epoch */
} TrainConfig;
/* The rows of its fields, in groups that commands combine; offsets count from the TrainConfig, those of the optimiser
 * from its OptimiserConfig. */
extern const Setting train_layer_settings[], train_kernel_settings[], train_image_settings[], train_map_settings[],
    train_label_settings[], train_schedule_settings[], train_optimiser_settings[], train_length_settings[],
    train_every_settings[], train_engine_settings[];
/* All rows that config.json holds of a scheme. */
const SettingGroup *train_config_settings(SchemeKind scheme);
TrainConfig train_config(void); /* docs/method.md, section 5: 20,000 steps, L_recon alone */
/* The values of docs/method.md, section 5, for a scheme, the images it trains on (by their classes: CIFAR-10, STL-10,
 * CIFAR-100, ImageNet; NULL: none) and the number of predicted weights (LARGE_WEIGHTS; 0: no predictor): weights of the
 * losses, batches, order of the kernels. */
void train_defaults(TrainConfig *config, const Dataset *images, uint64_t weights);
OptimiserKind train_optimiser(SchemeKind scheme); /* the usual one of predictors */
/* The paper's steps on L_recon alone for a network of that many classes: 350 epochs of CIFAR-10, 450 of CIFAR-100,
 * 160,000 steps for ImageNet. */
uint64_t train_paper_steps(unsigned classes);
/* And how many steps it takes, once config->epoch_steps is set. */
uint64_t train_steps(const TrainConfig *config, const Dataset *images);
const char *train_scheme_name(SchemeKind scheme);
const char *train_rate_of(const TrainConfig *config); /* what TrainStatus.rate counts: "kernels" or "images" */
bool train_on_images(const TrainConfig *config);      /* some loss on images has a weight */

/* ---- runs -------------------------------------------------------------------------------------------------------- */

/* The state of a run after a step. Unknown values are NaN. */
typedef struct TrainStatus {
    uint64_t step, steps;             /* steps done */
    double loss, rate, seconds, left; /* kernels or images a second; seconds so far and to come */
    double accuracy;                  /* per cent, of the newest evaluation */
    const Table *log;                 /* the contents of log.csv so far */
    bool kept;                        /* there is a folder: */
    uint64_t saved;                   /* the step of its newest checkpoint */
    const char *warning;              /* a save that failed and will be tried again, or NULL */
    const char *part;                 /* "round 2 of 5, trials 1-2 of 3"; NULL: the job is this one run */
} TrainStatus;
typedef enum TrainWish { TRAIN_GO_ON, TRAIN_SAVE, TRAIN_STOP } TrainWish;
/* Called after every step, on the training thread; must be quick. With parallel trials it sees the first active one,
 * and its answer applies to all of them. */
typedef TrainWish TrainWatch(void *context, const TrainStatus *status);

typedef struct TrainJob {
    TrainConfig config;
    const char *name, *command; /* of the predictor or network; for its lineage */
    const Network *source;      /* whose weights are predicted; for `fit` the initial network */
    const Dataset *images;      /* to train on; NULL: none */
    const Network *teacher;     /* of distillation; NULL: the source */
    const Dataset *data;        /* to evaluate on; NULL: none */
    uint64_t data_images;  /* how many there were, where the data of a resumed job are not there; by train_resume */
    const Predictor *from; /* start from these parameters and this permutation; NULL: from scratch */
    const char *folder;    /* the run folder; NULL: none is kept */
    unsigned trials;       /* number of trials, with seeds seed, seed + 1, ..., in FOLDER/trial-N; 0 and 1: just one */
    const Error *data_problem; /* why the data of a resumed job are not there; a trial that needs them fails with it */
    bool prepare;              /* only prepare the folder for train_resume: the result has no predictor */
    TrainWatch *watch;         /* NULL: nobody watches */
    void *watch_context;
    const Task *task;
} TrainJob;

typedef struct TrainResult {
    Predictor *predictor; /* after the last step done; the caller's; NULL if a network is trained */
    Network *network;     /* the same for `fit` */
    bool partial;         /* stopped before the last step */
    uint64_t seed;
    uint64_t step;
    double recon;         /* L_recon over all weights (the root of the mean square); NaN for a network */
    double accuracy;      /* per cent on the data; NaN without */
    uint64_t images;      /* how many images these are */
    double best_accuracy; /* of all evaluations */
    double seconds;       /* of training, over all resumptions */
    Status saved;         /* STATUS_OK, or why the newest save failed: `save_error` */
    Error save_error;
    Str notes; /* notes from resuming: checkpoints that were skipped */
} TrainResult;
void train_result_done(TrainResult *result);

/* What a job came to: the trials that were begun, in order, and which of them is best (most accurate; without data
 * least L_recon). A cancelled job ends with the partial trial, one that fails with those before it. */
typedef struct TrainResults {
    TrainResult *trial;
    size_t count, best;
    unsigned trials;    /* that were asked for */
    TrainConfig config; /* of the first trial */
    Error stopped;      /* why there are fewer trials than asked for, the newest not being partial; else STATUS_OK */
} TrainResults;
void train_results_done(TrainResults *results);

/* Trains, from the first step. Stops early, with a partial result, where the watch asks or a cancellation is pending
 * (once: after the step, saved; twice: at once, not saved). STATUS_WRITE before the first step where the folder cannot
 * take the run; STATUS_FAILED if it holds one already. */
bool train_run(const TrainJob *job, TrainResults *out, Error *err);
/* Continues from the newest intact checkpoint of a folder, bit for bit. Only folder, watch and task of the job are
 * used. A finished run returns its result. STATUS_BAD_INPUT if the folder's configuration, source or data have changed
 * since it started. */
bool train_resume(const TrainJob *job, TrainResults *out, Error *err);

/* ---- progressive reconstruction ---------------------------------------------------------------------------------- */

/* docs/method.md, section 5, scheme 3: each round reconstructs the best reconstruction of the one before, by several
 * trials of which the best is kept. */
typedef struct ProgressiveJob {
    TrainJob train;        /* of a trial; source: the network of round 1; data: to report on; folder: round-N in it */
    const Dataset *select; /* to choose trials and to decide whether a round wins; NULL: train.data */
    unsigned rounds;       /* most */
    unsigned patience;     /* ends after this many rounds in a row that did not beat the best so far */
} ProgressiveJob;

typedef struct ProgressiveRound {
    double accuracy_mean, accuracy_std; /* per cent on train.data, over the trials (sample standard deviation) */
    double *accuracies;                 /* of each */
    unsigned trials, best;              /* trial 0, ... */
    double accuracy, selected;          /* of the chosen trial: on train.data, on select */
    Comparison comparison;              /* of its network (a) with the first one (b), on train.data */
    double recon, recon_original;       /* its L_recon against the round's target, against the first network */
    double sratio_change; /* against the first network: (2/L) sum over the last half of predicted layers */
    double distance;      /* mean |w - w^| over the predicted weights, against the first network */
    double seconds;       /* of all trials */
    bool won;             /* beat the best so far */
    Network *network;     /* the chosen reconstruction */
    Predictor *predictor;
} ProgressiveRound;

typedef struct ProgressiveResults {
    ProgressiveRound *round;
    size_t count;
    size_t best;         /* the winning round that ends best; count where none won */
    Network *network;    /* its network; where none won, the first one */
    double accuracy;     /* of the first network on train.data, */
    Evaluation original; /* image by image */
    bool partial;        /* stopped before its end: */
    Error stopped;       /* why, if the watch did not ask for it */
    unsigned round_now;  /* the round that was at work */
    Str notes;           /* notes from trials */
    Status saved;        /* as a TrainResult's */
    Error save_error;
} ProgressiveResults;
void progressive_results_done(ProgressiveResults *results);
/* Runs the rounds. A folder keeps config.json, source.safetensors, for each round its trials' folders,
 * network.safetensors and predictor.safetensors, and at the end the result, network.safetensors. Fails as train_run
 * does; STATUS_USAGE without data. */
bool progressive_run(const ProgressiveJob *job, ProgressiveResults *out, Error *err);
/* Continues, even in the middle of a trial, to the same result. Only train.folder, watch and task of the job are used.
 */
bool progressive_resume(const ProgressiveJob *job, ProgressiveResults *out, Error *err);

/* Whether a recorded run makes a network; otherwise it makes a predictor. */
bool train_makes_network(const RunRecord *record);

#endif
