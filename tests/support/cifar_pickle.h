/* cifar_pickle -- CIFAR's Python batches for tests, as the published ones were written, or with whatever lies a test
 * wants. */
#ifndef WEFT_TESTS_CIFAR_PICKLE_H
#define WEFT_TESTS_CIFAR_PICKLE_H

#include "bytes.h"

/* What is 0 or NULL is as it should be. */
typedef struct CifarPickle {
    unsigned rows;         /* images; image i is bytes_cifar's of first i, its label i mod 10 (fine: mod 100) */
    bool fine;             /* CIFAR-100: fine_labels */
    unsigned labels;       /* how many */
    int label_0;           /* the first of them, where it is not 0 */
    const char *dtype;     /* "u1" */
    const char *shape;     /* a program (pickle_text.h) of the shape: "( 3 3072 t" */
    bool columns;          /* data is said to be in column order */
    const char *labels_as; /* a program in place of the list of labels */
    bool text;             /* as Python 3 writes bytes in protocol 2: _codecs.encode(text, 'latin1') */
} CifarPickle;
void bytes_cifar_pickle(Bytes *bytes, const CifarPickle *about);

#endif
