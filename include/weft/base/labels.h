/* labels -- the words for columns and notes whose names are short for scripts.
 *
 * Names stay as they are in tables and files. Axes, legends, read-outs and the lines under a table show the words. The
 * one table of words is in src/base/labels.c.
 */
#ifndef WEFT_LABELS_H
#define WEFT_LABELS_H

/* "s_ratio": "S_ratio"; a name without words of its own (also one that a user gave) is returned as it is. */
const char *label_of(const char *name);

#endif
