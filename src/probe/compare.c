/* compare -- see weft/probe/compare.h. */
#include "weft/probe/compare.h"

#include <math.h>

#include "probe/evaluate.h"
#include "weft/base/error.h"
#include "weft/base/memory.h"
#include "weft/base/spread.h"
#include "weft/base/stats.h"
#include "weft/base/table.h"

/* ---- counting ---------------------------------------------------------------------------------------------------- */

typedef struct Losses {
    Spread a, b, difference;
} Losses;

static void add_image(Comparison *out, Losses *losses, const Evaluation *a, const Evaluation *b, uint64_t image) {
    const bool hit_a = a->hits[image], hit_b = b->hits[image];
    uint64_t *const counts[] = {&out->pairs.neither, &out->pairs.only_b, &out->pairs.only_a, &out->pairs.both};
    ++*counts[2 * hit_a + hit_b];
    out->images++;
    spread_add(&losses->a, a->losses[image]);
    spread_add(&losses->b, b->losses[image]);
    spread_add(&losses->difference, b->losses[image] - a->losses[image]);
}

/* An image without logits makes the spreads NaN. */
static void finish(Comparison *out, const Losses *losses) {
    const Spread *difference = &losses->difference;
    out->defined = difference->count > 0 && !isnan(difference->mean);
    out->loss_a = out->images ? losses->a.mean : NAN;
    out->loss_b = out->images ? losses->b.mean : NAN;
    out->loss_difference = out->defined ? difference->mean : NAN;
    out->loss_difference_error =
        out->defined && difference->count > 1 ? spread_deviation(difference) / sqrt(difference->count) : NAN;
}

Comparison comparison_of(const Evaluation *a, const Evaluation *b) {
    Comparison out = {0};
    Losses losses = {0};
    for (uint64_t i = 0; i < a->images; i++) add_image(&out, &losses, a, b, i);
    finish(&out, &losses);
    return out;
}

Comparison comparison_of_class(const Evaluation *a, const Evaluation *b, const Dataset *data, unsigned label) {
    Comparison out = {0};
    Losses losses = {0};
    for (uint64_t i = 0; i < a->images; i++)
        if (data->labels[i] == label) add_image(&out, &losses, a, b, i);
    finish(&out, &losses);
    return out;
}

/* ---- parts of tables --------------------------------------------------------------------------------------------- */

static void p_columns(Table *table) {
    table_column(table, "p_value", "", COLUMN_REAL);
    table_column(table, "significant", "", COLUMN_TEXT);
}

static void only_columns(Table *table) {
    table_column(table, "only", "", COLUMN_REAL);
    table_column(table, "only_vs", "", COLUMN_REAL);
}

static void p_cells(Table *table, double only, double only_vs) {
    const bool known = !isnan(only) && !isnan(only_vs);
    const double p = known ? stats_mcnemar((uint64_t)only, (uint64_t)only_vs) : (double)NAN;
    table_real(table, p);
    table_text(table, p < STATS_LEVEL ? "*" : "");
}

static void only_cells(Table *table, double only, double only_vs) {
    const bool known = !isnan(only) && !isnan(only_vs);
    table_real(table, known ? only : (double)NAN);
    table_real(table, known ? only_vs : (double)NAN);
}

void compared_columns(Table *table) {
    p_columns(table);
    interval_columns(table, "accuracy");
    only_columns(table);
}

void compared_cells(Table *table, double accuracy, uint64_t images, double only, double only_vs) {
    p_cells(table, only, only_vs);
    interval_cells(table, accuracy_interval(accuracy, images));
    only_cells(table, only, only_vs);
}

/* The p values of a table's rows, NULL without memory (the table has failed); *count: those that are there. */
static double *take_p(Table *table, size_t *count) {
    Error ignored;
    double *p = mem_alloc(table->rows, sizeof *p, &ignored);
    table->failed = table->failed || !p;
    *count = 0;
    for (size_t row = 0; p && row < table->rows; row++) {
        const double value = table_number(table, "p_value", row);
        if (!isnan(value)) p[(*count)++] = value;
    }
    return p;
}

void compared_note(Table *table, const char *reference) {
    size_t count, different = 0;
    if (table->failed || table->rows == 0) return;
    double *p = take_p(table, &count);
    for (size_t i = 0; p && i < count; i++) different += p[i] < STATS_LEVEL;
    const size_t kept = p ? stats_holm(p, count) : 0;
    mem_free(p);
    if (count == 0) return;
    table_note(table, "comparison",
               "%zu comparison%s with %s on the same images; %zu differ%s at p < %g, where chance alone gives up to "
               "%.3g; %zu after Holm's correction",
               count, count == 1 ? "" : "s", reference, different, different == 1 ? "s" : "", STATS_LEVEL,
               STATS_LEVEL * (double)count, kept);
}

/* ---- tables ------------------------------------------------------------------------------------------------------ */

static void add_columns(Table *table) {
    table_column(table, "images", "", COLUMN_INTEGER);
    static const char *const shares[] = {"accuracy", "accuracy_vs", "difference"},
                             *const losses[] = {"loss", "loss_vs", "loss_difference", "loss_difference_error"},
                             *const ends[] = {"difference_low", "difference_high", "accuracy_low",
                                              "accuracy_high",  "accuracy_vs_low", "accuracy_vs_high"};
    for (size_t i = 0; i < sizeof shares / sizeof *shares; i++) table_column(table, shares[i], "%", COLUMN_REAL);
    p_columns(table);
    only_columns(table);
    for (size_t i = 0; i < sizeof losses / sizeof *losses; i++) table_column(table, losses[i], "", COLUMN_REAL);
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) table_column(table, ends[i], "%", COLUMN_REAL);
}

static uint64_t right_a(const Comparison *c) {
    return c->pairs.both + c->pairs.only_a;
}

static uint64_t right_b(const Comparison *c) {
    return c->pairs.both + c->pairs.only_b;
}

static double percent(double share, bool defined) {
    return defined ? 100 * share : (double)NAN;
}

static void add_interval(Table *table, Interval interval, bool defined) {
    table_real(table, percent(interval.low, defined));
    table_real(table, percent(interval.high, defined));
}

static void add_cells(Table *table, const Comparison *c) {
    const double images = (double)c->images, only = c->defined ? (double)c->pairs.only_a : (double)NAN;
    table_integer(table, (int64_t)c->images);
    table_real(table, percent((double)right_a(c) / images, c->defined));
    table_real(table, percent((double)right_b(c) / images, c->defined));
    table_real(table, percent(stats_difference(&c->pairs), c->defined));
    p_cells(table, only, (double)c->pairs.only_b);
    only_cells(table, only, (double)c->pairs.only_b);
    table_real(table, c->loss_a);
    table_real(table, c->loss_b);
    table_real(table, c->loss_difference);
    table_real(table, c->loss_difference_error);
    add_interval(table, stats_paired(&c->pairs), c->defined);
    add_interval(table, stats_wilson(right_a(c), c->images), c->defined);
    add_interval(table, stats_wilson(right_b(c), c->images), c->defined);
}

/* One comparison in words. */
static void add_result(Table *table, const Comparison *c, const ComparedNames *names) {
    if (!c->defined) return;
    const double difference = stats_difference(&c->pairs), p = stats_mcnemar(c->pairs.only_a, c->pairs.only_b);
    const Interval interval = stats_paired(&c->pairs);
    table_note(
        table, "comparison",
        "only %s gets %llu images right, only %s %llu; accuracy of %s minus %s: %.3f points (95 %% interval %.3f "
        "to %.3f); exact McNemar p = %.3g, %s",
        names->a, (unsigned long long)c->pairs.only_a, names->b, (unsigned long long)c->pairs.only_b, names->b,
        names->a, 100 * difference, 100 * interval.low, 100 * interval.high, p,
        p < STATS_LEVEL ? "significant" : "within chance");
}

static void add_notes(Table *table, const Evaluation *a, const Evaluation *b) {
    evaluation_note_as(table, "no_logits", a);
    evaluation_note_as(table, "no_logits_vs", b);
}

Table *compare_table(const Evaluation *a, const Evaluation *b, const ComparedNames *names, Error *err) {
    const Comparison comparison = comparison_of(a, b);
    Table *table = table_new(err);
    if (!table) return NULL;
    add_columns(table);
    add_cells(table, &comparison);
    add_result(table, &comparison, names);
    add_notes(table, a, b);
    return table_finish(table, err);
}

Table *compare_class_table(const Evaluation *a, const Evaluation *b, const Dataset *data, const ComparedNames *names,
                           Error *err) {
    Table *table = table_new(err);
    if (!table) return NULL;
    table_column(table, "class", "", COLUMN_INTEGER);
    table_column(table, "name", "", COLUMN_TEXT);
    add_columns(table);
    for (unsigned i = 0; i < a->classes; i++) {
        const Comparison comparison = comparison_of_class(a, b, data, i);
        table_integer(table, i);
        table_text(table, data->class_names ? data->class_names[i] : "");
        add_cells(table, &comparison);
    }
    compared_note(table, names->b);
    add_notes(table, a, b);
    return table_finish(table, err);
}

Table *compare_attack_table(const Attack *attacks, const Evaluation *a, const Evaluation *b, size_t count,
                            const ComparedNames *names, Error *err) {
    Table *table = table_new(err);
    Comparison comparison = {0};
    if (!table) return NULL;
    table_column(table, "eps", "", COLUMN_REAL);
    table_column(table, "eps_255", "", COLUMN_REAL);
    add_columns(table);
    for (size_t i = 0; i < count; i++) {
        comparison = comparison_of(&a[i], &b[i]);
        table_real(table, attacks[i].epsilon);
        table_real(table, 255 * attacks[i].epsilon);
        add_cells(table, &comparison);
    }
    if (count == 1)
        add_result(table, &comparison, names);
    else
        compared_note(table, names->b);
    attack_notes(table, &attacks[0]);
    for (size_t i = count; i-- > 0;) add_notes(table, &a[i], &b[i]);
    return table_finish(table, err);
}

Table *compare_corruption_table(const CorruptionScores *a, const CorruptionScores *b, const ComparedNames *names,
                                Error *err) {
    const unsigned severities = a->choice.high - a->choice.low + 1;
    Table *table = table_new(err);
    Comparison comparison = {0};
    if (!table) return NULL;
    table_column(table, "corruption", "", COLUMN_TEXT);
    table_column(table, "severity", "", COLUMN_INTEGER);
    add_columns(table);
    for (size_t i = 0; i < a->count; i++) {
        comparison = comparison_of(&a->evaluations[i], &b->evaluations[i]);
        table_text(table, corruption_name((CorruptionKind)(a->choice.first + i / severities)));
        table_integer(table, (int64_t)(a->choice.low + i % severities));
        add_cells(table, &comparison);
    }
    if (a->count == 1)
        add_result(table, &comparison, names);
    else
        compared_note(table, names->b);
    if (a->count > 1 && !isnan(a->accuracy)) table_note(table, "ood_accuracy", "%.9g", a->accuracy);
    if (b->count > 1 && !isnan(b->accuracy)) table_note(table, "ood_accuracy_vs", "%.9g", b->accuracy);
    for (size_t i = a->count; i-- > 0;) add_notes(table, &a->evaluations[i], &b->evaluations[i]);
    return table_finish(table, err);
}
