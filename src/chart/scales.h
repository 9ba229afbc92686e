/* scales -- from data to a fraction of an axis and back, ticks, and numbers as people read them (inside chart). */
#ifndef WEFT_CHART_SCALES_H
#define WEFT_CHART_SCALES_H

#include <stdbool.h>
#include <stddef.h>

/* One axis in view: low at fraction 0, high at fraction 1; low < high, and 0 < low where log. */
typedef struct Scale {
    double low, high;
    bool log;
    bool whole;       /* its ticks are whole numbers */
    const double *at; /* the few values that were measured, increasing, which ticks prefer; NULL: none are special */
    size_t at_count;
} Scale;

/* Values further out than this are drawn at it, so that spans and sums stay finite. */
#define SCALE_LIMIT 1e300

/* Makes any two numbers a valid range: finite, in order, apart, positive where log. */
Scale scale_sane(double low, double high, bool log, double least_positive);
/* Where a value lies, below 0 and above 1 outside the range (at most 1e6 away); NaN for what has no place. */
double scale_fraction(Scale scale, double value);
double scale_value(Scale scale, double fraction);
double scale_span(Scale scale); /* its length: in data units, or powers of ten where log */

enum { TICKS_MAX = 32, TICK_TEXT = 40 };
typedef struct Ticks {
    size_t count;
    double at[TICKS_MAX];             /* increasing, all within the range */
    char label[TICKS_MAX][TICK_TEXT]; /* all in one style */
} Ticks;

/* At most `most` ticks: steps of 1, 2 or 5 times a power of ten, or on a log axis decades (thinned, or refined by 2 and
 * 5 as room allows). */
void ticks_find(Scale scale, size_t most, Ticks *out);

/* Ticks at the measured values in view, with three digits; false where they are fewer than 2 or more than TICKS_MAX, or
 * their labels do not tell them apart. */
bool ticks_measured(Scale scale, Ticks *out);
/* The same number to three digits. */
bool number_neat(double value);

/* The decimals that show `significant` digits of `largest`, or -1 where numbers need exponents. */
int number_decimals(double largest, int significant);
/* A number with these decimals (-1: as short as %.4g shows it, exponents without padding). */
void number_text(double value, int decimals, char out[TICK_TEXT]);
/* "1.50e+06" becomes "1.50e6". `text`: of TICK_TEXT bytes. */
void shorten_exponent(char *text);

#endif
