/* resume -- continues a run from its folder. */
#include "../explore.h"
#include "../rounds.h"
#include "../background.h"
#include "../jobs.h"
#include "../session.h"
#include "../workspace.h"
#include "weft/base/error.h"
#include "weft/base/memory.h"
#include "weft/base/record.h"
#include "weft/base/run.h"
#include "weft/base/text.h"

typedef struct Resume {
    const char *run, *into;
    bool monitor, background;
} Resume;

static bool resume_survey(Session *session, const Resume *o, const char *folder, const RunRecord *record,
                          Result *result, Error *err) {
    if (o->into)
        return error_set(err, STATUS_USAGE, "--into needs a training run; this run makes a table, which --as names");
    return explore_resume(session, folder, record, result, err);
}

static bool resume_training(Session *session, const Resume *o, const char *folder, const RunRecord *record,
                            Result *result, Error *err) {
    const char *into = o->into ? o->into : record->name;
    TrainJob job = {.folder = folder, .task = &session->task};
    if (!workspace_name_check(session, into, err) ||
        !workspace_accepts(session, into, train_makes_network(record) ? OBJECT_NETWORK : OBJECT_PREDICTOR, err) ||
        !(result->own_name = mem_copy_text(into, err)))
        return false;
    if (record->rounds == 0) return training_again(session, result->own_name, o->monitor, &job, record, result, err);
    ProgressiveJob rounds = {.train = job, .rounds = record->rounds};
    rounds.train.config.steps = record->steps;
    return rounds_run(session, result->own_name, o->monitor, &rounds, true, NULL, result, err);
}

static bool resume_command(Session *session, const Args *args, Result *result, Error *err) {
    const Resume *o = args->options;
    Str folder = {0};
    RunRecord record = {0};
    Run *look = NULL; /* what is read now and what is written later is one folder */
    bool done = job_find(o->run, &folder, err) && (look = run_look(str_text(&folder), err)) &&
                record_read(str_text(&folder), &record, err);
    if (done && o->background)
        done = background_resume(session, explore_recorded(&record) ? str_text(&folder) : record.name,
                                 str_text(&folder), result, err);
    else if (done)
        done = (explore_recorded(&record) ? resume_survey : resume_training)(session, o, str_text(&folder), &record,
                                                                             result, err);
    record_done(&record);
    run_close(look);
    str_done(&folder);
    return done;
}

static const Setting positionals[] = {
    WORD(Resume, run, RUN, "RUN", NULL, .help = "the run folder, or a job's number or name"), {0}};
static const Setting options[] = {
    WORD(Resume, into, NEW, "into", "NEW", .usual = "as when the run began", .excludes = "background",
         .help = "name of the result"),
    FLAG(Resume, monitor, "monitor", .excludes = "background",
         .help = "show the run full-screen: curves; keys to pause, save and stop"),
    FLAG(Resume, background, "background", .help = "run in another process and return to the prompt"),
    {0}};
static const char *const examples[] = {"resume runs/b", "resume runs/b --into again", NULL};

const Command command_resume = {
    .name = "resume",
    .group = "Predictors",
    .summary = "Continue a run, bit for bit",
    .description =
        "Continues from the newest intact checkpoint of a run folder. The result is bit-identical to that of an "
        "uninterrupted run, with any number of threads (on the same kind of CPU). A finished run returns its "
        "predictor or network. The folder holds the source network. Data are opened again from their "
        "specification and must be the same images. For a sweep, an interpolation or a landscape, the missing "
        "points are computed.",
    .size = sizeof(Resume),
    .positionals = positionals,
    .options = ONE_GROUP(options),
    .examples = examples,
    .prelude = "train p --net base --hidden 8 --steps 6 --run runs/b --quiet",
    .run = resume_command,
    .table = true,
    .retries = true,
};
