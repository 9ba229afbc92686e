/* compare -- two networks on the same images: which images only one of them gets right, and whether that is chance.
 *
 * Everything is paired by image. If a network has no logits for some image, nothing is compared: all numbers are NaN
 * (empty cells), as accuracy and loss are.
 */
#ifndef WEFT_COMPARE_H
#define WEFT_COMPARE_H

#include "weft/base/error.h"
#include "weft/base/stats.h"
#include "weft/base/table.h"
#include "weft/probe.h"

typedef struct Comparison {
    PairCounts pairs;       /* of the images that were compared */
    uint64_t images;        /* all of them */
    bool defined;           /* there are images, and both networks have logits for each */
    double loss_a, loss_b;  /* mean cross-entropies */
    double loss_difference; /* b minus a */
    double
        loss_difference_error; /* its standard error: that of the mean of the images' differences; NaN for one image */
} Comparison;
/* Of two evaluations of the same images. */
Comparison comparison_of(const Evaluation *a, const Evaluation *b);
/* Of the images with this label only. */
Comparison comparison_of_class(const Evaluation *a, const Evaluation *b, const Dataset *data, unsigned label);

/* What tables say of the networks. */
typedef struct ComparedNames {
    const char *a, *b; /* borrowed */
} ComparedNames;

/* Tables of comparisons. The columns of each row: images, accuracy (%; of a), accuracy_vs (of b), difference (%; of b
 * minus a), p_value (stats_mcnemar), significant ("*" or ""), only and only_vs (images that only a, only b gets right),
 * difference_low, difference_high (stats_paired), loss, loss_vs, loss_difference, loss_difference_error, and the ends
 * of both accuracies' intervals (accuracy_low, ...). Notes: no_logits, no_logits_vs, and comparison, a sentence: for a
 * single row its result, for several as compared_note.
 *
 * One row for all images. */
Table *compare_table(const Evaluation *a, const Evaluation *b, const ComparedNames *names, Error *err);
/* A row per class: class and name before the columns. */
Table *compare_class_table(const Evaluation *a, const Evaluation *b, const Dataset *data, const ComparedNames *names,
                           Error *err);
/* A row per attack, as attack_table; each network under attacks with its own gradient. */
Table *compare_attack_table(const Attack *attacks, const Evaluation *a, const Evaluation *b, size_t count,
                            const ComparedNames *names, Error *err);
/* A row per corruption and severity, as corruption_table; notes ood_accuracy, ood_accuracy_vs if there are several. */
Table *compare_corruption_table(const CorruptionScores *a, const CorruptionScores *b, const ComparedNames *names,
                                Error *err);

/* For tables whose rows are compared with one reference, behind a column `accuracy`: the columns p_value, significant,
 * accuracy_low, accuracy_high, only and only_vs, and their cells. `accuracy` (%) is the row's, on `images` images; only
 * and only_vs are how many images only the row's network, only the reference gets right. What is NaN leaves its cells
 * empty. */
void compared_columns(Table *table);
void compared_cells(Table *table, double accuracy, uint64_t images, double only, double only_vs);
/* Adds the note comparison to a table with a column p_value: how many rows were compared with `reference`, how many
 * differ at STATS_LEVEL, how many would by chance if none differed, and how many remain after stats_holm. Nothing if no
 * row was compared. */
void compared_note(Table *table, const char *reference);

#endif
