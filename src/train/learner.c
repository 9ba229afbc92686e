/* learner -- what every learner shares, and which one a scheme has. */
#include "train/internal.h"

#include "weft/probe.h"

bool learner_new(Learner *learner, const TrainConfig *config, const TrainJob *job, Checkpoint *checkpoint, Error *err) {
    *learner = (Learner){0};
    return (config->scheme == SCHEME_FIT ? fit_learner : predict_learner)(learner, config, job, checkpoint, err);
}

void learner_done(Learner *learner) {
    if (learner->context) learner->done(learner);
    mem_free(learner->blocks);
    *learner = (Learner){0};
}

bool learner_evaluate(const Network *network, const Dataset *data, Measure *out, double *loss, Error *err) {
    const Task patient = {.patient = true}; /* an evaluation belongs to its step */
    Evaluation evaluation;
    if (!evaluate_run(network, data, NULL, &evaluation, &patient, err)) return false;
    out->accuracy = 100.0 * (double)evaluation.correct / (double)evaluation.images;
    if (loss) *loss = evaluation.loss;
    evaluation_done(&evaluation);
    return true;
}
