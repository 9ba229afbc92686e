/* measure -- measures a network on data for learners. */
#include "train/internal.h"

#include "weft/base/error.h"
#include "weft/base/task.h"
#include "weft/probe.h"

bool learner_evaluate(const Network *network, const Dataset *data, double *accuracy, double *loss, Error *err) {
    const Task patient = {.patient = true}; /* an evaluation belongs to its step */
    Evaluation evaluation;
    if (!evaluate_run(network, data, NULL, &evaluation, &patient, err)) return false;
    *accuracy = evaluation_accuracy(&evaluation);
    if (loss) *loss = evaluation.loss;
    evaluation_done(&evaluation);
    return true;
}
