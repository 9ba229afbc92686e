/* pictures -- images with captions in rows: what text and paper share (inside chart). */
#ifndef WEFT_CHART_PICTURES_H
#define WEFT_CHART_PICTURES_H

#include "chart/layout.h"

enum { CAPTION_LINES = 5, CAPTION_BYTES = 160 };

typedef struct Caption {
    size_t count;
    char line[CAPTION_LINES][CAPTION_BYTES];
} Caption;
/* A caption's parts in lines no longer than `room` where its words allow; the parts between "; " begin new lines. */
void caption_split(const char *text, double room, TextAdvance *advance, Caption *out);
/* The most lines that a picture's caption has. */
size_t captions_lines(const Chart *chart, double room, TextAdvance *advance);

#endif
