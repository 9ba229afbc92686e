/* loss -- cross-entropy and logit distillation of one image, in double (docs/method.md, section 4), and the
 * loss of a block of images.
 */
#include "net/engine/engine.h"

#include <math.h>
#include <string.h>

/* The log-softmax of logits / temperature, one class after the other. */
typedef struct LogSoftmax {
    const float *logits;
    double temperature, shift; /* the largest scaled logit plus the log of the sum of exponentials under it */
} LogSoftmax;

static LogSoftmax log_softmax(const float *logits, size_t classes, double temperature) {
    double most = -INFINITY, sum = 0;
    for (size_t j = 0; j < classes; j++)
        if (!((double)logits[j] / temperature <= most)) most = (double)logits[j] / temperature;
    for (size_t j = 0; j < classes; j++) sum += exp((double)logits[j] / temperature - most);
    return (LogSoftmax){logits, temperature, most + log(sum)};
}

static double log_at(const LogSoftmax *softmax, size_t j) {
    return (double)softmax->logits[j] / softmax->temperature - softmax->shift;
}

/* Adds factor * gradient. The target's probabilities sum up to 1 as the softmax does, so the label's entry is minus the
 * sum of the others: formed directly it would cancel. */
static double cross_entropy(const Loss *loss, const float *logits, size_t label, size_t classes, double factor,
                            float *gradient) {
    const LogSoftmax softmax = log_softmax(logits, classes, 1);
    const double other = loss->label_smoothing / (double)classes;
    double sum = 0, rest = 0;
    for (size_t j = 0; j < classes; j++) {
        const double target = j == label ? 1 - loss->label_smoothing + other : other;
        sum -= target > 0 ? target * log_at(&softmax, j) : 0;
        if (j == label) continue;
        const double entry = exp(log_at(&softmax, j)) - target;
        rest += entry;
        if (gradient) gradient[j] += (float)(factor * entry);
    }
    if (gradient && label < classes) gradient[label] -= (float)(factor * rest);
    return sum;
}

static double kd_temperature(const Loss *loss) {
    return loss->temperature > 0 ? loss->temperature : 1;
}

/* KL(p || q) with p the teacher's softmax, q the student's: gradient (q - p) / T, times T^2. */
static double kd_plain(const Loss *loss, const float *logits, const float *teacher, size_t classes, double factor,
                       float *gradient) {
    const double t = kd_temperature(loss);
    const LogSoftmax student = log_softmax(logits, classes, t), target = log_softmax(teacher, classes, t);
    double sum = 0;
    for (size_t j = 0; j < classes; j++) {
        const double p = exp(log_at(&target, j)), q = exp(log_at(&student, j));
        if (p > 0) sum += p * (log_at(&target, j) - log_at(&student, j));
        if (gradient) gradient[j] += (float)(factor * t * (q - p));
    }
    return t * t * sum;
}

/* The same with log(q + 1e-4): with u = p / (q + 1e-4) the gradient is -q (u - sum q u) / T, times T^2. */
static double kd_stable(const Loss *loss, const float *logits, const float *teacher, size_t classes, double factor,
                        float *gradient) {
    const double t = kd_temperature(loss), floor = 1e-4;
    const LogSoftmax student = log_softmax(logits, classes, t), target = log_softmax(teacher, classes, t);
    double sum = 0, mean = 0;
    for (size_t j = 0; j < classes; j++) {
        const double p = exp(log_at(&target, j)), q = exp(log_at(&student, j));
        if (p > 0) sum += p * (log_at(&target, j) - log(q + floor));
        mean += q * p / (q + floor);
    }
    for (size_t j = 0; gradient && j < classes; j++) {
        const double p = exp(log_at(&target, j)), q = exp(log_at(&student, j));
        gradient[j] -= (float)(factor * t * q * (p / (q + floor) - mean));
    }
    return t * t * sum;
}

void loss_logits(const Loss *loss, const float *logits, const float *teacher, const uint16_t *label, size_t classes,
                 unsigned images, ImageTerms *terms, float *gradient) {
    size_t best = 0;
    for (size_t j = 1; j < classes; j++)
        if (logits[j] > logits[best]) best = j;
    *terms = (ImageTerms){.correct = label && *label == best};
    if (gradient) memset(gradient, 0, classes * sizeof *gradient);
    if (loss->cross_entropy > 0)
        terms->cross_entropy =
            cross_entropy(loss, logits, *label, classes, loss->cross_entropy / (double)images, gradient);
    if (loss->kd > 0)
        terms->kd = (loss->kd_form == KD_STABLE ? kd_stable : kd_plain)(loss, logits, teacher, classes,
                                                                        loss->kd / (double)images, gradient);
}

/* ---- blocks ------------------------------------------------------------------------------------------------------ */

/* The teacher's logits of the block's images; its maps stay in the worker's arenas. */
static void run_teacher(const Pass *pass, const Block *block) {
    const Engine *teacher = pass->teacher;
    const Pass forward = {.engine = pass->teacher, .pixels = pass->pixels, .logits = pass->engine->teacher_logits};
    const size_t end = block->first + block->count;
    if (!teacher || teacher->training) return;
    Block part;
    for (size_t first = block->first; first < end; first += part.count) {
        part = block_at(teacher, first, end, block->worker);
        forward_steps(&forward, &part, 0, teacher->plan.step_count);
        forward_logits(&forward, &part);
    }
}

void loss_block(const Pass *pass, const Block *block) {
    const Engine *engine = pass->engine;
    const size_t classes = engine->graph->classes;
    const int last = (int)engine->graph->count - 1;
    run_teacher(pass, block);
    for (size_t i = 0; i < block->count; i++) {
        const size_t image = block->first + i;
        float *arena = block->arenas + i * engine->plan.arena;
        const View logits = map_view(engine, arena, last), gradient = gradient_view(engine, arena, last);
        const bool back = engine->plan.steps[engine->plan.step_count - 1].backward;
        if (back) view_clear_border(&gradient);
        loss_logits(pass->loss, logits.at, pass->teacher_logits ? pass->teacher_logits + image * classes : NULL,
                    pass->labels ? pass->labels + image : NULL, classes, pass->images, &engine->terms[image],
                    back ? gradient.at : NULL);
        const Activation activation = engine->plan.maps[last].activation;
        for (size_t j = 0; back && activation != ACTIVATION_NONE && j < classes; j++)
            if (!(logits.at[j] > 0 && (activation == ACTIVATION_RELU || logits.at[j] < 6))) gradient.at[j] = 0;
    }
    if (pass->loss->fmd > 0) feature_losses(pass, block);
}
