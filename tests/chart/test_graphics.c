/* test_graphics -- charts as pictures for terminals, decoded by others (libsixel's decoder, libpng, a parser of kitty's
 * protocol) and compared with the PNG file of the same chart. */
#include "samples.h"
#include "weft/base/error.h"
#include "weft/base/memory.h"
#include "weft/base/table.h"
#include "weft/base/text.h"

#include <cairo.h>
#include <dlfcn.h>
#include <png.h>
#include <setjmp.h>
#include <sixel.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

enum { COLUMNS_WIDE = 80, ROWS_HIGH = 24, CELL_WIDTH = 8, CELL_HEIGHT = 16 };
#define WIDTH (COLUMNS_WIDE * CELL_WIDTH)
#define HEIGHT (ROWS_HIGH * CELL_HEIGHT)

static const ChartScreen usual = {GRAPHICS_SIXEL, false, COLUMNS_WIDE, ROWS_HIGH, CELL_WIDTH, CELL_HEIGHT};

/* Cairo and fontconfig keep what they have found until they are told, which a leak checker cannot know. */
static int forget_fonts(void **state) {
    (void)state;
    void (*finish)(void);
    cairo_debug_reset_static_data();
    *(void **)&finish = dlsym(RTLD_DEFAULT, "FcFini");
    if (finish) finish();
    return 0;
}

static Chart *sample(int number, Table **table) {
    Encoding encoding;
    Error err;
    sample_chart(number, table, &encoding, &err);
    Chart *chart = chart_new(*table, &encoding, &err);
    if (!chart) fail_msg("%s", err.text);
    return chart;
}

static Str drawn(const Chart *chart, const ChartScreen *screen) {
    const ChartView view = chart_view(chart);
    Str out = {0};
    Error err;
    if (!chart_graphics(chart, &view, screen, &out, &err)) fail_msg("%s", err.text);
    return out;
}

/* The PNG file of the same size. */
static Str file_of(const Chart *chart) {
    const ChartView view = chart_view(chart);
    const ChartPage page = {WIDTH / 100.0, HEIGHT / 100.0, 100, 0};
    Str out = {0};
    Error err;
    if (!chart_bytes(chart, &view, &page, "a.png", &out, &err)) fail_msg("%s", err.text);
    return out;
}

static uint8_t *png_pixels(const char *bytes, size_t length) {
    png_image image = {.version = PNG_IMAGE_VERSION};
    assert_true(png_image_begin_read_from_memory(&image, bytes, length));
    image.format = PNG_FORMAT_RGB;
    assert_true(image.width == WIDTH && image.height == HEIGHT);
    uint8_t *pixels = malloc(PNG_IMAGE_SIZE(image));
    assert_non_null(pixels);
    assert_true(png_image_finish_read(&image, NULL, pixels, 0, NULL));
    return pixels;
}

/* A palette of 256 colours: flat areas keep theirs to a few in 255, for sixel counts per cents;
 * edges, which have many, differ more. */
static void sixel_shows_the_file(void **state) {
    (void)state;
    for (int number = 0; number < SAMPLES; number++) {
        Table *table;
        Chart *chart = sample(number, &table);
        Str text = drawn(chart, &usual), file = file_of(chart);
        assert_int_equal(text.text[text.length - 1], '\n');
        uint8_t *pixels, *palette, *wanted = png_pixels(file.text, file.length);
        int width, height, colours;
        assert_true(SIXEL_SUCCEEDED(sixel_decode_raw((unsigned char *)text.text, (int)text.length - 1, &pixels, &width,
                                                     &height, &palette, &colours, NULL)));
        assert_true(width == WIDTH && height == HEIGHT && colours <= 256);
        double sum = 0;
        int largest = 0;
        for (size_t i = 0; i < (size_t)WIDTH * HEIGHT; i++)
            for (size_t c = 0; c < 3; c++) {
                const int off = abs(palette[3 * (size_t)pixels[i] + c] - wanted[3 * i + c]);
                sum += off;
                if (off > largest) largest = off;
            }
        if (sum / (3.0 * WIDTH * HEIGHT) > 1.5 || largest > 80)
            fail_msg("sample %d: off by %g in the mean, by %d at most", number, sum / (3.0 * WIDTH * HEIGHT), largest);
        free(pixels);
        free(palette);
        free(wanted);
        str_done(&text);
        str_done(&file);
        chart_free(chart);
        table_free(table);
    }
}

static int value_of(char digit) {
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *at = digit ? strchr(digits, digit) : NULL;
    return at ? (int)(at - digits) : -1;
}

static void decode64(const char *text, size_t length, Str *out) {
    assert_int_equal(length % 4, 0);
    for (size_t i = 0; i < length; i += 4) {
        unsigned word = 0;
        int bytes = 3;
        for (size_t k = 0; k < 4; k++) {
            if (text[i + k] == '=') bytes--;
            assert_true(value_of(text[i + k]) >= 0 || (text[i + k] == '=' && i + 4 == length));
            word = word << 6 | (text[i + k] == '=' ? 0 : (unsigned)value_of(text[i + k]));
        }
        const char three[3] = {(char)(word >> 16), (char)(word >> 8), (char)word};
        str_add_bytes(out, three, (size_t)bytes);
    }
}

/* Reads the commands at the beginning of a text; returns what stands behind them. *keys: of the first one. */
static const char *parse_kitty(const char *text, Str *keys, Str *data) {
    bool more = true;
    for (int number = 0; more; number++) {
        assert_memory_equal(text, "\x1b_G", 3);
        const char *semicolon = strchr(text, ';'), *end = strstr(text, "\x1b\\");
        assert_true(semicolon && end && semicolon < end);
        if (number == 0) str_add_bytes(keys, text + 3, (size_t)(semicolon - text - 3));
        assert_true(semicolon[-2] == '=' && semicolon[-3] == 'm');
        more = semicolon[-1] == '1';
        assert_true(end - semicolon - 1 <= 4096);
        decode64(semicolon + 1, (size_t)(end - semicolon - 1), data);
        text = end + 2;
    }
    return text;
}

static void kitty_gets_the_file(void **state) {
    (void)state;
    for (int number = 0; number < SAMPLES; number++) {
        Table *table;
        Chart *chart = sample(number, &table);
        ChartScreen screen = usual;
        screen.how = GRAPHICS_KITTY;
        Str text = drawn(chart, &screen), file = file_of(chart), keys = {0}, data = {0};
        assert_string_equal(parse_kitty(text.text, &keys, &data), "\n");
        assert_string_equal(str_text(&keys), "a=T,f=100,q=2,c=80,r=24,m=1");
        assert_int_equal(data.length, file.length);
        assert_memory_equal(data.text, file.text, file.length);
        free(png_pixels(data.text, data.length));
        str_done(&text);
        str_done(&file);
        str_done(&keys);
        str_done(&data);
        chart_free(chart);
        table_free(table);
    }
}

/* Every command inside DCS tmux; with doubled escapes, then 24 rows of 80 cells of the picture's number. */
static void tmux_gets_cells(void **state) {
    (void)state;
    Table *table;
    Chart *chart = sample(4, &table);
    ChartScreen screen = usual;
    screen.how = GRAPHICS_KITTY;
    screen.tmux = true;
    Str text = drawn(chart, &screen), file = file_of(chart), inner = {0}, keys = {0}, data = {0};
    const char *at = text.text;
    while (strncmp(at, "\x1bPtmux;", 7) == 0) {
        for (at += 7; !(at[0] == '\x1b' && at[1] == '\\'); at++) {
            if (at[0] == '\x1b') assert_int_equal(*++at, '\x1b');
            str_add_bytes(&inner, at, 1);
        }
        at += 2;
    }
    assert_string_equal(parse_kitty(inner.text, &keys, &data), "");
    assert_memory_equal(data.text, file.text, file.length);
    unsigned id, rows = 0, red, green, blue;
    assert_int_equal(sscanf(str_text(&keys), "a=T,f=100,q=2,c=80,r=24,U=1,i=%u,m=1", &id), 1);
    for (; *at; rows++) {
        int used = 0;
        assert_int_equal(sscanf(at, "\x1b[38;2;%u;%u;%um%n", &red, &green, &blue, &used), 3);
        assert_int_equal(red << 16 | green << 8 | blue, id);
        at += used;
        for (unsigned column = 0; column < 80; column++) {
            assert_memory_equal(at, "\xf4\x8e\xbb\xae", 4); /* U+10EEEE */
            at += column == 0 ? 8 : 4;
        }
        assert_memory_equal(at, "\x1b[39m\n", 6);
        at += 6;
    }
    assert_int_equal(rows, 24);
    str_done(&text);
    str_done(&file);
    str_done(&inner);
    str_done(&keys);
    str_done(&data);
    chart_free(chart);
    table_free(table);
}

static void too_few_cells_are_refused(void **state) {
    (void)state;
    Table *table;
    Chart *chart = sample(4, &table);
    const ChartView view = chart_view(chart);
    ChartScreen screen = usual;
    Error err;
    Str out = {0};
    screen.columns = 20;
    assert_false(chart_graphics(chart, &view, &screen, &out, &err));
    assert_int_equal(err.status, STATUS_USAGE);
    assert_int_equal(out.length, 0);
    chart_free(chart);
    table_free(table);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(sixel_shows_the_file), cmocka_unit_test(kitty_gets_the_file),
                                       cmocka_unit_test(tmux_gets_cells), cmocka_unit_test(too_few_cells_are_refused)};
    return cmocka_run_group_tests(tests, NULL, forget_fonts);
}
