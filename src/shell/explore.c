/* explore -- see explore.h. */
#include "explore.h"
#include "background.h"
#include "paths.h"
#include "session.h"
#include "weft/base/error.h"
#include "weft/base/run.h"
#include "weft/base/text.h"

const Setting explore_settings[] = {
    OBJECT(ExploreOptions, on, DATASET, "on", "DATA", .help = "measure accuracy and loss on these images"),
    WORD(ExploreOptions, run, OUTPUT, "run", "FOLDER", .aside = true,
         .help = "keep every point in this folder; `resume FOLDER` computes the missing ones"),
    FLAG(ExploreOptions, background, "background", .aside = true, .needs = "run",
         .help = "compute in another process and return to the prompt"),
    CONVOLUTIONS_ROW(ExploreOptions),
    {0}};
const Setting recalibrate_settings[] = {
    OBJECT(ExploreOptions, recalibrate, DATASET, "recalibrate", "DATA",
           .help = "recompute the statistics of batch norm from these images at each point"),
    {0}};

/* Of an interruption, or a log that could not be written: what is done is worth something. */
static bool keep_partial(const Findings *findings, const char *folder, Result *result, const Error *failure) {
    const size_t count = findings_count(findings);
    if (count == 0 || (failure->status != STATUS_CANCELLED && failure->status != STATUS_WRITE)) return false;
    if (failure->status == STATUS_WRITE)
        result->afterwards = *failure;
    else
        error_set(&result->afterwards, STATUS_CANCELLED, "stopped after %zu of %zu points; %s%s%s", count,
                  findings->points, folder ? "resume " : "--run FOLDER would have saved them", folder ? folder : "",
                  folder ? " continues" : "");
    return true;
}

/* The other process needs no more than the folder. */
static bool in_background(Session *session, const Args *args, const char *folder, const Survey *survey, Result *result,
                          Error *err) {
    if (!background_allowed(session, err)) return false;
    if (!survey_check(survey, err)) return false;
    Run *run = explore_open(session, args, folder, survey->points, err);
    run_close(run);
    return run && background_resume(session, args->command->name, folder, result, err);
}

static bool run_here(Session *session, const Args *args, const char *folder, const Survey *survey, Findings *out,
                     Result *result, Error *err) {
    Run *run = NULL;
    Error problem;
    bool ok = survey_check(survey, err) && findings_begin(survey, out, err) &&
              (!folder || (run = explore_open(session, args, folder, survey->points, err)));
    if (ok && !survey_run(survey, run, out->results, out->done, &session->task, err))
        ok = keep_partial(out, folder, result, err);
    /* A folder that cannot be marked as complete is no reason to lose what was found. */
    if (ok && run && result->afterwards.status == STATUS_OK && !explore_close(folder, &problem))
        result->afterwards = problem;
    run_close(run);
    if (ok)
        findings_undefined(out, survey, &result->message);
    else
        findings_done(out);
    return ok;
}

bool explore_run(Session *session, const Args *args, const ExploreOptions *options, const Survey *survey, Findings *out,
                 Result *result, Error *err) {
    Str path = {0};
    *out = (Findings){0};
    bool ok = !options->run || path_expand(options->run, &path, err);
    const char *folder = path.length ? str_text(&path) : NULL;
    ok = ok && (options->background ? in_background(session, args, folder, survey, result, err)
                                    : run_here(session, args, folder, survey, out, result, err));
    str_done(&path);
    return ok;
}
