/* heat -- what heat maps and kernels in cells share (inside chart; text_heat.c). */
#ifndef WEFT_CHART_HEAT_H
#define WEFT_CHART_HEAT_H

#include "chart/canvas.h"

typedef struct Ink {
    Canvas *canvas;
    Scale scale;
    bool diverging;
    bool bare; /* only what is missing is drawn: contours stand in for the values */
} Ink;

/* A picture of box.width x `rows` values from the top, value(context, column, row): NaN for no such place, infinite for
 * one whose value is missing. Two rows to a cell where heat_pairs. */
typedef double ValueAt(const void *context, int column, int row);
void heat_picture(const Ink *ink, Box box, int rows, ValueAt *value, const void *context);
bool heat_pairs(const Canvas *canvas);

/* Takes the colour bar's room from the right of the plot; returns its place, or -1 where there is too little. */
int heat_reserve_bar(const Ink *ink, Layout *layout, const Labels *labels);
/* The bar, headed by what the values are. */
void heat_bar(const Ink *ink, const Chart *chart, const Layout *layout, int x, const Labels *labels);
/* The axes; left: columns for the one up, 0 for none. */
void heat_frame(Canvas *canvas, const Layout *layout, const Labels *up, const Labels *across, int left);
/* The cell under the cursor, marked so that its colour still shows. */
void heat_cursor(Canvas *canvas, int x, int y);

#endif
