/* sixel -- the fence around libsixel: pixels as the sixel graphics of DEC's VT340 and of the terminals after it. */
#include "chart/graphics.h"

#include <sixel.h>

#include "weft/base/error.h"
#include "weft/base/text.h"
#include "weft/chart.h"

static int collect(char *bytes, int count, void *context) {
    str_add_bytes(context, bytes, (size_t)count);
    return ((Str *)context)->failed ? -1 : count;
}

/* libsixel counts colours by their upper five bits and makes its palette of these, so that white is 248. */
static void widen(uint8_t *palette, int colours) {
    for (int i = 0; i < 3 * colours; i++) {
        const int value = (palette[i] * 255 + 124) / 248;
        palette[i] = (uint8_t)(value < 255 ? value : 255);
    }
}

/* A palette of at most 256 colours that suits the picture, without patterns of dots in between: flat areas stay flat.
 */
static SIXELSTATUS encode(uint8_t *pixels, int width, int height, Str *out) {
    sixel_dither_t *dither = NULL;
    sixel_output_t *output = NULL;
    SIXELSTATUS status = sixel_dither_new(&dither, SIXEL_PALETTE_MAX, NULL);
    if (SIXEL_SUCCEEDED(status)) status = sixel_output_new(&output, collect, out, NULL);
    if (SIXEL_SUCCEEDED(status))
        status = sixel_dither_initialize(dither, pixels, width, height, SIXEL_PIXELFORMAT_RGB888, SIXEL_LARGE_AUTO,
                                         SIXEL_REP_AVERAGE_PIXELS, SIXEL_QUALITY_HIGH);
    if (SIXEL_SUCCEEDED(status)) {
        widen(sixel_dither_get_palette(dither), sixel_dither_get_num_of_palette_colors(dither));
        sixel_dither_set_diffusion_type(dither, SIXEL_DIFFUSE_NONE);
        status = sixel_encode(pixels, width, height, 3, dither, output);
    }
    sixel_output_unref(output);
    sixel_dither_unref(dither);
    return status;
}

const char *chart_sixel_version(void) {
    return LIBSIXEL_VERSION;
}

bool sixel_text(uint8_t *pixels, unsigned width, unsigned height, Str *out, Error *err) {
    const SIXELSTATUS status = encode(pixels, (int)width, (int)height, out);
    if (!str_ok(out, err)) return false;
    if (SIXEL_SUCCEEDED(status)) return true;
    return error_set(err, status == SIXEL_BAD_ALLOCATION ? STATUS_LIMIT : STATUS_FAILED, "sixel: %s",
                     sixel_helper_format_error(status));
}
