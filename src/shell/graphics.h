/* graphics -- charts as pictures in the terminal. Private to src/shell. */
#ifndef WEFT_SHELL_GRAPHICS_H
#define WEFT_SHELL_GRAPHICS_H

#include "command.h"
#include "weft/base/text.h"
#include "weft/chart.h"

/* Which pictures this session prints: --graphics; with auto, the terminal is asked once, at a prompt. */
ChartGraphics graphics_choice(Session *session);
/* Asks before the first prompt, where an answer comes at once; a later one is read by the prompt. tmux is asked at the
 * first chart: it answers at once, but its program takes longer to start than the prompt may. */
void graphics_ask(Session *session);
/* Appends the chart as a picture of that many cells (0: what suits, and at most `most` rows unless that is 0); false,
 * and nothing, where it cannot be one: it is too small, say. */
bool graphics_chart(ChartGraphics how, const Chart *chart, unsigned columns, unsigned rows, unsigned most, Str *out);

#endif
