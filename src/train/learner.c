/* learner -- what all learners share, and the learner of each scheme. */
#include "train/internal.h"

#include "weft/base/error.h"
#include "weft/base/memory.h"
#include "weft/probe.h"

/* ---- what fits together ------------------------------------------------------------------------------------------ */

/* Labels, where a loss needs them, must be those of the network. */
static bool check_images(const TrainConfig *config, const Network *network, const Dataset *images, Error *err) {
    const bool labels = config->images.cross_entropy > 0;
    if (!images) return error_set(err, STATUS_USAGE, "losses on images need images: --data DATA");
    if (labels && !images->labels) return error_set(err, STATUS_USAGE, "%s has no labels to train on", images->spec);
    return labels ? evaluate_check(network, images, err) : evaluate_takes(network, images, err);
}

/* Classes, channels, and the architecture where feature maps are distilled. */
static bool check_teacher(const TrainConfig *config, const Network *student, const Network *teacher, Error *err) {
    if (!teacher->graph)
        return error_set(err, STATUS_FAILED, "the teacher cannot run: %s",
                         teacher->why_unknown ? teacher->why_unknown : "its architecture is unknown");
    if (teacher->graph->classes != student->graph->classes)
        return error_set(err, STATUS_USAGE, "the teacher has %u classes, the network has %u", teacher->graph->classes,
                         student->graph->classes);
    if (teacher->graph->in_channels != student->graph->in_channels)
        return error_set(err, STATUS_USAGE, "the teacher takes %u input channels, the network takes %u",
                         teacher->graph->in_channels, student->graph->in_channels);
    if (config->images.fmd > 0 && !graph_equal(teacher->graph, student->graph))
        return error_set(err, STATUS_USAGE, "feature maps (--beta) need a teacher of the network's own architecture");
    return true;
}

bool learner_check(const TrainConfig *config, const TrainJob *job, Error *err) {
    const bool fit = config->scheme == SCHEME_FIT;
    if (!fit && !train_on_images(config)) return true;
    if (!check_images(config, job->source, job->images, err)) return false;
    if (!(config->images.kd > 0) && !(config->images.fmd > 0)) return true;
    if (fit && !job->teacher) return error_set(err, STATUS_USAGE, "distillation needs a teacher: --teacher NET");
    return check_teacher(config, job->source, job->teacher ? job->teacher : job->source, err);
}

/* ---- learners ---------------------------------------------------------------------------------------------------- */

bool learner_new(Learner *learner, const TrainConfig *config, const TrainJob *job, Checkpoint *checkpoint, Error *err) {
    const bool ended = checkpoint && job->data_problem && !job->images; /* goes nowhere any more: needs no images */
    *learner = (Learner){0};
    if (!ended && !learner_check(config, job, err)) return false;
    return (config->scheme == SCHEME_FIT ? fit_learner : predict_learner)(learner, config, job, checkpoint, err);
}

void learner_done(Learner *learner) {
    if (learner->context) learner->done(learner);
    mem_free(learner->blocks);
    *learner = (Learner){0};
}
