/* palette -- colours that colour-blind readers can distinguish, as RGB and as the colours of terminals (inside chart).
 */
#ifndef WEFT_CHART_PALETTE_H
#define WEFT_CHART_PALETTE_H

#include <stdbool.h>
#include <stdint.h>

typedef struct Rgb {
    uint8_t red, green, blue;
} Rgb;

Rgb palette_series(int series); /* any number; repeats after 12 */
/* fraction 0 to 1; viridis, or blue through white (0.5) to red. */
Rgb palette_value(double fraction, bool diverging);
bool palette_dark(double fraction, bool diverging); /* white is seen on palette_value's colour better than black */
int palette_xterm(Rgb colour);                      /* nearest of xterm's 16 to 255 */
int palette_basic(int series);                      /* one of the 8 basic colours */
int palette_sixteen(int series);                    /* one of these or their bright variants, 8 to 15 */
/* The series' colours for terminals, and those of xterm's that are like them: at least 3:1 in contrast (WCAG 2) with
 * black and with white, because the terminal's background is not known. */
Rgb palette_screen(int series);
int palette_screen_xterm(int series);
Rgb palette_of_xterm(int colour); /* 0 to 255 */
/* From low to high values, in the 8 basic colours or in all 16 (these grow lighter); their number in *count. */
const int *palette_ramp(bool sixteen, bool diverging, int *count);
/* WCAG 2's relative luminance, 0 to 1, and whether white is seen on the colour better than black. */
double palette_luminance(Rgb colour);
bool palette_needs_white(Rgb colour);
/* The same scales in the few of xterm's colours that keep their order of lightness, which the nearest ones do not. */
int palette_value_xterm(double fraction, bool diverging);

#endif
