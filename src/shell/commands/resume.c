/* resume -- goes on with a training run from its folder. */
#include "../explore.h"
#include "../rounds.h"
#include "weft/base/error.h"
#include "weft/base/memory.h"
#include "weft/base/text.h"

static bool in_background(Session *session, const Args *args, const char *folder, Result *result, Error *err) {
    TrainAbout about = {0};
    if (args_text(args, "into") || args_flag(args, "monitor"))
        return error_set(err, STATUS_USAGE, "--background leaves the prompt free: %s",
                         args_flag(args, "monitor") ? "attach shows the monitor" : "resume --into takes the result");
    const bool survey = explore_here(folder);
    return (survey || train_about(folder, &about, err)) &&
           background_resume(session, survey ? folder : about.name, folder, result, err);
}

/* The folder's own name for the predictor is known only once it is read: --into goes before it. */
static bool run(Session *session, const Args *args, Result *result, Error *err) {
    Str folder = {0};
    char *name = NULL;
    TrainAbout about = {0};
    bool done = job_find(args_text(args, "RUN"), &folder, err);
    if (done && args_flag(args, "background")) {
        done = in_background(session, args, str_text(&folder), result, err);
        str_done(&folder);
        return done;
    }
    if (done && explore_here(str_text(&folder))) {
        done = (!args_text(args, "into") ||
                error_set(err, STATUS_USAGE, "--into is for training runs; this one makes a table: --as")) &&
               explore_resume(session, str_text(&folder), result, err);
        str_done(&folder);
        return done;
    }
    TrainJob job = {.folder = str_text(&folder), .task = &session->task};
    done = done && train_about(job.folder, &about, err);
    const char *into = done && args_text(args, "into") ? args_text(args, "into") : about.name;
    const bool network = about.rounds > 0 || about.scheme == SCHEME_FIT, monitor = args_flag(args, "monitor");
    done = done && workspace_name_check(session, into, err) &&
           workspace_accepts(session, into, network ? OBJECT_NETWORK : OBJECT_PREDICTOR, err) &&
           (name = mem_copy_text(into, err));
    if (done && about.rounds > 0) {
        ProgressiveJob rounds = {.train = job, .rounds = about.rounds};
        rounds.train.config.steps = about.steps;
        done = rounds_run(session, name, monitor, &rounds, true, NULL, result, err);
    } else if (done) {
        done = training_again(session, name, monitor, &job, &about, result, err);
    }
    str_done(&folder);
    result->own_name = name;
    return done;
}

static const ArgSpec positionals[] = {
    {.name = "RUN", .kind = ARG_RUN, .help = "the run folder, or a job's number or name"}, {0}};
static const ArgSpec options[] = {
    {.name = "into", .kind = ARG_NEW, .value = "NEW", .help = "what to call the result (as when the run was begun)"},
    {.name = "monitor", .kind = ARG_FLAG, .help = "watch full-screen: curves, pause, save now, stop"},
    {.name = "background", .kind = ARG_FLAG, .help = "in another process, as when it is begun with --background"},
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
    .positionals = positionals,
    .options = options,
    .examples = examples,
    .prelude = "train p --net base --hidden 8 --steps 6 --run runs/b --quiet",
    .run = run,
    .table = true,
};
