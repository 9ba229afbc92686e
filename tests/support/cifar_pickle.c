/* cifar_pickle -- CIFAR's Python batches, token by token in the order of the published ones: batch_label, labels, data,
 * filenames. */
#include "cifar_pickle.h"
#include "pickle_text.h"

#include <stdlib.h>
#include <string.h>

enum { PIXELS = 3072 };

/* A program without its PROTO. */
static void add_program(Bytes *bytes, const char *program) {
    Bytes all = {0};
    bytes_pickle(&all, program);
    bytes_add(bytes, all.data + 2, all.length - 2);
    bytes_done(&all);
}

static void add_string(Bytes *bytes, const char *text) {
    bytes_fill(bytes, 'U', 1);
    bytes_fill(bytes, (uint8_t)strlen(text), 1);
    bytes_add(bytes, text, strlen(text));
}

static void add_key(Bytes *bytes, const char *key, uint8_t memo) {
    add_string(bytes, key);
    bytes_add(bytes, (uint8_t[]){'q', memo}, 2);
}

static void add_labels(Bytes *bytes, const CifarPickle *about) {
    const unsigned count = about->labels ? about->labels : about->rows;
    add_key(bytes, about->fine ? "fine_labels" : "labels", 4);
    if (about->labels_as) {
        add_program(bytes, about->labels_as);
        return;
    }
    add_program(bytes, "] <5 (");
    for (unsigned i = 0; i < count; i++) {
        if (i > 0 && i % 1000 == 0) add_program(bytes, "e (");
        const int label = i == 0 ? about->label_0 : (int)(i % (about->fine ? 100 : 10));
        if (label < 0)
            add_program(bytes, text_of("%d", label));
        else
            bytes_add(bytes, (uint8_t[]){'K', (uint8_t)label}, 2);
    }
    add_program(bytes, "e");
}

/* Images of which byte p of number i is i + p, as bytes or as the text of these Latin-1 characters. */
static void add_pixels(Bytes *bytes, const CifarPickle *about) {
    uint8_t *pixels = malloc((size_t)about->rows * PIXELS * 2);
    size_t length = 0;
    if (!pixels) abort();
    for (unsigned i = 0; i < about->rows * PIXELS; i++) {
        const uint8_t byte = (uint8_t)(i / PIXELS + i % PIXELS);
        const bool two = about->text && byte >= 0x80;
        if (two) pixels[length++] = (uint8_t)(0xc0 | byte >> 6);
        pixels[length++] = two ? (byte & 0x3f) | 0x80 : byte;
    }
    if (about->text) add_program(bytes, "@_codecs.encode (");
    bytes_fill(bytes, about->text ? 'X' : 'T', 1);
    bytes_le(bytes, length, 4);
    bytes_add(bytes, pixels, length);
    if (about->text) add_program(bytes, "'latin1 t R");
    free(pixels);
}

void bytes_cifar_pickle(Bytes *bytes, const CifarPickle *about) {
    const unsigned rows = about->rows;
    add_program(bytes, "#80 #02 } <1 (");
    add_key(bytes, "batch_label", 2);
    add_key(bytes, "training batch 1 of 5", 3);
    add_labels(bytes, about);
    add_key(bytes, "data", 6);
    add_program(bytes, "@numpy.core.multiarray._reconstruct <7 @numpy.ndarray <8 #4b #00 #85");
    add_string(bytes, "b");
    add_program(bytes, "#87 R <9 ( #4b #01");
    if (about->shape)
        add_program(bytes, about->shape);
    else
        bytes_add(bytes, (uint8_t[]){'M', (uint8_t)rows, (uint8_t)(rows >> 8), 'M', 0, 12, 0x86}, 7);
    add_program(bytes, "@numpy.dtype <10");
    add_string(bytes, about->dtype ? about->dtype : "u1");
    add_program(bytes, "#4b #00 #4b #01 #87 R <11 ( #4b #03");
    add_string(bytes, "|");
    add_program(bytes, "N N N #4a #ff #ff #ff #ff #4a #ff #ff #ff #ff #4b #00 t b");
    add_program(bytes, about->columns ? "T" : "F");
    add_pixels(bytes, about);
    add_program(bytes, "t b");
    add_key(bytes, "filenames", 12);
    add_program(bytes, "] u .");
}
