/* graphics -- charts as pictures for terminals (inside chart). */
#ifndef WEFT_CHART_GRAPHICS_H
#define WEFT_CHART_GRAPHICS_H

#include <stdint.h>

#include "weft/base/error.h"
#include "weft/base/text.h"

/* Appends the pixels (height x width x 3 bytes: red, green, blue) as sixel graphics. */
bool sixel_text(uint8_t *pixels, unsigned width, unsigned height, Str *out, Error *err);

#endif
