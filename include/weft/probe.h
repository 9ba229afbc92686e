/* probe -- what a network does on data. */
#ifndef WEFT_PROBE_H
#define WEFT_PROBE_H

#include "weft/base.h"
#include "weft/data.h"
#include "weft/net.h"

typedef struct Evaluation {
    uint64_t images, correct, correct_top5;
    double loss; /* mean cross-entropy, natural logarithm, summed in double in image order */
    double seconds;
    uint64_t *class_images, *class_correct; /* classes of each */
    unsigned classes;
} Evaluation;

/* False where the network cannot run on these images, labels apart: STATUS_FAILED where its architecture is unknown,
 * STATUS_USAGE where the channels do not fit. */
bool evaluate_takes(const Network *network, const Dataset *dataset, Error *err);
/* False where evaluate_run would refuse: STATUS_USAGE where the data have no labels, or channels or classes do not fit,
 * naming both; STATUS_FAILED where the architecture is unknown. */
bool evaluate_check(const Network *network, const Dataset *dataset, Error *err);
/* Runs `network` on every image of `dataset`. Fails as evaluate_check does. `logits`, if not NULL, receives images x
 * classes. */
bool evaluate_run(const Network *network, const Dataset *dataset, float *logits, Evaluation *out, const Task *task,
                  Error *err);
void evaluation_done(Evaluation *evaluation);

/* One row: images, correct, accuracy (%), top5 (%; where there are more than 10 classes), loss, images_per_second. */
Table *evaluate_table(const Evaluation *evaluation, Error *err);
/* One row per class: class, name, images, correct, accuracy (%). */
Table *evaluate_class_table(const Evaluation *evaluation, const Dataset *dataset, Error *err);

/* ---- attacks ----------------------------------------------------------------------------------------------------- */

/* Images changed by at most epsilon a pixel so that the network errs, x' of x, all pixels on [0, 1]:
 *   FGSM   x' = clip(x + epsilon sign(dCE/dx), 0, 1)            (Goodfellow et al., 2015)
 *   IFGSM  from x on `steps` times: x' = x' + step sign(dCE/dx'), brought back into [x - epsilon, x + epsilon] and
 *          [0, 1]                                               (Kurakin et al., 2017)
 * rounded to float32. CE is the cross-entropy with the image's label, through the network's normalisation; sign(0) = 0.
 * Its gradient at the logits, softmax minus onehot, is formed without cancellation: of images that are recognised with
 * a probability that rounds to 1 the plain float32 difference has another direction, and attacks look weaker than they
 * are. */
#define ATTACKS(X) X(FGSM, "fgsm") X(IFGSM, "ifgsm")
typedef enum AttackKind {
#define X(name, text) ATTACK_##name,
    ATTACKS(X)
#undef X
        ATTACK_COUNT
} AttackKind;
const char *attack_name(AttackKind kind);

typedef struct Attack {
    AttackKind kind;
    double epsilon; /* in [0, 1]; 0: the images as they are, and the results of evaluate_run to the bit */
    double step;    /* IFGSM: in (0, 1]; 0: epsilon / 4 */
    unsigned steps; /* IFGSM: at least 1 */
} Attack;

/* False where a number of an attack is out of its range: STATUS_USAGE, naming it. */
bool attack_check(const Attack *attack, Error *err);
/* Attacks every image of `dataset` and runs `network` on what comes out, once for each of the `count` attacks (at least
 * 1): out[i] is what attacks[i] leaves of it, to be freed with evaluation_done. Attacks share the gradient of the
 * images as they are, which counts for the seconds of all of them alike. The same bits for any number of threads. Fails
 * as evaluate_check and attack_check do, and with STATUS_CANCELLED. */
bool attack_run(const Network *network, const Dataset *dataset, const Attack *attacks, size_t count, Evaluation *out,
                const Task *task, Error *err);
/* The pixels that an attack makes of image `index`, to the bit those that attack_run shows the network: channels x
 * height x width on [0, 1]. Fails as attack_run does; STATUS_USAGE where there is no such image. */
bool attack_image(const Network *network, const Dataset *dataset, uint64_t index, const Attack *attack, float *pixels,
                  Error *err);

/* A row per attack: eps, eps_255 (eps times 255, in steps of 8-bit pixels), and the columns of evaluate_table. `count`
 * (at least 1) attacks that differ in epsilon only; notes say which. */
Table *attack_table(const Attack *attacks, const Evaluation *evaluations, size_t count, Error *err);
/* Notes for a table of one's own: attack, and of IFGSM steps and step. */
void attack_notes(Table *table, const Attack *attack);

#endif
