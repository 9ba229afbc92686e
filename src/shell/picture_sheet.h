/* picture_sheet -- images as a network sees them, and several of them as a contact sheet. Private to src/shell. */
#ifndef WEFT_SHELL_PICTURE_SHEET_H
#define WEFT_SHELL_PICTURE_SHEET_H

#include "attack_options.h"
#include "command.h"
#include "weft/base/error.h"
#include "weft/base/text.h"

/* What `image` is asked for. */
typedef struct Image {
    const Object *data, *network;
    const char *which, *corrupt;
    AttackOptions attack;
} Image;

/* The image as a network sees it, and as bytes. */
typedef struct Shown {
    float *values;
    uint8_t *bytes;
    size_t size;
} Shown;
/* Image `index`, corrupted where --corrupt says so. End with shown_done, also after a failure. */
bool shown_take(const Session *session, const Image *o, uint64_t index, Shown *out, Error *err);
void shown_done(Shown *shown);

/* "WHAT2 Pullover" */
void add_class(const Dataset *data, const char *what, unsigned label, Str *out);
/* "PREFIX7 Sneaker (97.1 %)", and whether that is the label; nothing without a network. */
bool add_prediction(const Image *o, const char *prefix, uint64_t index, const Shown *shown, bool *right, Str *out,
                    Error *err);
/* The chart of the result's table of pixels, which the result's text shows already. */
void pixels_chart(Result *result, ChartKind kind, const char *title);

/* Fills the result with these images and their captions; with an attack, each as a row of three: original, attacked,
 * difference. */
bool show_sheet(Session *session, const Image *o, const Attack *attack, const uint64_t *indices, size_t count,
                Result *result, Error *err);

#endif
