/* test_files -- charts as SVG (golden files, and what must stand in them), PNG and PDF; saving. WEFT_GOLDEN=update
 * writes the golden files anew. */
#include "samples.h"
#include "weft/base/error.h"
#include "weft/base/fault.h"
#include "weft/base/file.h"
#include "weft/base/memory.h"
#include "weft/base/save.h"
#include "weft/base/table.h"
#include "weft/base/text.h"

#include <cairo.h>
#include <dlfcn.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

static char folder[] = "/tmp/weft-chart-XXXXXX";

static int make_folder(void **state) {
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

/* Cairo and fontconfig keep what they have found until they are told, which a leak checker cannot know. */
static int remove_folder(void **state) {
    (void)state;
    void (*finish)(void);
    cairo_debug_reset_static_data();
    *(void **)&finish = dlsym(RTLD_DEFAULT, "FcFini");
    if (finish) finish();
    return rmdir(folder);
}

static char *save_and_read(const Chart *chart, const ChartView *view, const char *name, size_t *length) {
    char path[100];
    Error err;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    if (!chart_save(chart, view, NULL, path, true, &err)) fail_msg("%s", err.text);
    char *bytes = file_read_all(path, 1 << 26, length, &err);
    assert_non_null(bytes);
    unlink(path);
    return bytes;
}

static Chart *open_sample(int sample, const char **kind) {
    Table *table;
    Encoding encoding;
    Error err;
    *kind = sample_chart(sample, &table, &encoding, &err);
    Chart *chart = chart_new(table, &encoding, &err);
    assert_non_null(chart);
    table_free(table);
    return chart;
}

static void golden_files(void **state) {
    (void)state;
    const char *update = getenv("WEFT_GOLDEN");
    for (int sample = 0; sample < SAMPLES; sample++) {
        const char *kind;
        char path[100];
        size_t length, golden_length;
        Error err;
        Chart *chart = open_sample(sample, &kind);
        ChartView view = chart_view(chart);
        char *svg = save_and_read(chart, &view, "golden.svg", &length);
        snprintf(path, sizeof path, "tests/chart/golden/%s.svg", kind);
        if (update && strcmp(update, "update") == 0) assert_true(save_text(path, true, svg, length, &err));
        char *golden = file_read_all(path, 1 << 24, &golden_length, &err);
        if (!golden) fail_msg("%s", err.text);
        if (length != golden_length || memcmp(svg, golden, length) != 0) fail_msg("%s differs", path);
        mem_free(golden);
        mem_free(svg);
        chart_free(chart);
    }
}

static size_t occurrences(const char *text, const char *part) {
    size_t count = 0;
    for (; (text = strstr(text, part)); text += strlen(part)) count++;
    return count;
}

/* Tags that open and close in order, as far as charts use them; every < belongs to a tag. */
static void check_well_formed(const char *svg) {
    char open[16][16];
    int depth = 0;
    for (const char *at = strchr(svg, '<'); at; at = strchr(at + 1, '<')) {
        const char *end = strchr(at, '>');
        bool closing = at[1] == '/';
        char name[16] = {0};
        assert_non_null(end);
        sscanf(at + (closing ? 2 : 1), "%15[a-zA-Z]", name);
        assert_true(*name);
        if (closing) {
            assert_true(depth > 0);
            assert_string_equal(open[--depth], name);
        } else if (end[-1] != '/') {
            assert_true(depth < 16);
            memcpy(open[depth++], name, 16);
        }
    }
    assert_int_equal(depth, 0);
}

static void svg_is_well_formed_and_complete(void **state) {
    (void)state;
    for (int sample = 0; sample < SAMPLES; sample++) {
        const char *kind;
        size_t length;
        Chart *chart = open_sample(sample, &kind);
        ChartView view = chart_view(chart);
        char *svg = save_and_read(chart, &view, "chart.SVG", &length), title[200];
        check_well_formed(svg);
        assert_true(text_valid_utf8(svg, length));
        assert_null(strstr(svg, "nan"));
        assert_null(strstr(svg, "inf"));
        snprintf(title, sizeof title, "<title id=\"title\">%s</title>", chart_encoding(chart)->title);
        assert_non_null(strstr(svg, title));
        for (size_t s = 0; s < chart_series_count(chart) && chart_series_count(chart) > 1; s++) {
            char name[100];
            snprintf(name, sizeof name, ">%s</text>", chart_series_name(chart, s));
            assert_int_equal(occurrences(svg, name), 1);
        }
        mem_free(svg);
        chart_free(chart);
    }
}

static void names_are_escaped(void **state) {
    (void)state;
    Error err;
    size_t length;
    Table *table = table_new(&err);
    table_column(table, "name", "", COLUMN_TEXT);
    table_column(table, "value", "a&b", COLUMN_REAL);
    table_text(table, "<script>alert(1)</script>\x1b[2J");
    table_real(table, 1);
    table = table_finish(table, &err);
    Encoding encoding = sample_encoding(CHART_BARS, "a < b & c > \"d\"", "name", "value");
    Chart *chart = chart_new(table, &encoding, &err);
    assert_non_null(chart);
    ChartView view = chart_view(chart);
    char *svg = save_and_read(chart, &view, "escaped.svg", &length);
    check_well_formed(svg);
    assert_null(strstr(svg, "<script"));
    assert_null(strchr(svg, '\x1b'));
    assert_non_null(strstr(svg, "a &lt; b &amp; c &gt;"));
    mem_free(svg);
    chart_free(chart);
    table_free(table);
}

/* The rectangles of bars are as long as their values: width / value is the same for all. */
static void bars_are_proportional(void **state) {
    (void)state;
    Error err;
    size_t length, bars = 0;
    static const double values[] = {1, 2, 4, 8, -8, -3};
    Table *table = table_new(&err);
    table_column(table, "name", "", COLUMN_TEXT);
    table_column(table, "value", "", COLUMN_REAL);
    for (size_t i = 0; i < 6; i++) {
        table_text(table, "x");
        table_real(table, values[i]);
    }
    table = table_finish(table, &err);
    Encoding encoding = sample_encoding(CHART_BARS, "", "name", "value");
    Chart *chart = chart_new(table, &encoding, &err);
    ChartView view = chart_view(chart);
    char *svg = save_and_read(chart, &view, "bars.svg", &length);
    double unit = 0, zero = 0;
    for (const char *at = strstr(svg, "<rect"); at; at = strstr(at + 1, "<rect")) {
        double x, y, width, height;
        if (!strstr(at, "#0072b2") || strchr(at, '>') < strstr(at, "#0072b2")) continue;
        assert_int_equal(sscanf(at, "<rect x=\"%lf\" y=\"%lf\" width=\"%lf\" height=\"%lf\"", &x, &y, &width, &height),
                         4);
        if (bars == 0) {
            unit = width;
            zero = x;
        }
        assert_true(fabs(width - unit * fabs(values[bars])) < 0.1);
        assert_true(fabs((values[bars] > 0 ? x : x + width) - zero) < 0.1);
        bars++;
    }
    assert_int_equal(bars, 6);
    mem_free(svg);
    chart_free(chart);
    table_free(table);
}

static void png_and_pdf_are_what_they_say(void **state) {
    (void)state;
    for (int sample = 0; sample < SAMPLES; sample++) {
        const char *kind;
        size_t length;
        Chart *chart = open_sample(sample, &kind);
        ChartView view = chart_view(chart);
        char *png = save_and_read(chart, &view, "chart.png", &length);
        const unsigned char *bytes = (const unsigned char *)png;
        assert_true(length > 1000);
        assert_memory_equal(png, "\x89PNG\r\n\x1a\n", 8);
        assert_int_equal(bytes[18] << 8 | bytes[19], 2000);  /* IHDR: width, height */
        const ChartKind drawn = chart_encoding(chart)->kind; /* these are as high as they are */
        const bool trimmed = drawn == CHART_KERNELS || drawn == CHART_PICTURES;
        const int height = bytes[22] << 8 | bytes[23];
        assert_true(trimmed ? height >= 400 && height <= 1200 : height == 1200);
        mem_free(png);
        char *pdf = save_and_read(chart, &view, "chart.pdf", &length);
        assert_true(length > 1000);
        assert_memory_equal(pdf, "%PDF-1.", 7);
        assert_memory_equal(pdf + length - 6, "%%EOF\n", 6);
        mem_free(pdf);
        chart_free(chart);
    }
}

static Str bytes_of(const Chart *chart, const ChartPage *page, const char *name) {
    const ChartView view = chart_view(chart);
    Str out = {0};
    Error err;
    if (!chart_bytes(chart, &view, page, name, &out, &err)) fail_msg("%s", err.text);
    return out;
}

static const char *find(const Str *bytes, const char *text) {
    return memmem(bytes->text, bytes->length, text, strlen(text));
}

/* A second later the files are the same; a PDF is dated only by SOURCE_DATE_EPOCH, and its offsets stay true. */
static void same_bytes_twice(void **state) {
    (void)state;
    static const char *const names[] = {"a.svg", "a.png", "a.pdf"};
    const char *kind;
    Chart *chart = open_sample(16, &kind);
    Str first[3];
    unsetenv("SOURCE_DATE_EPOCH");
    for (int i = 0; i < 3; i++) first[i] = bytes_of(chart, NULL, names[i]);
    sleep(1);
    for (int i = 0; i < 3; i++) {
        Str second = bytes_of(chart, NULL, names[i]);
        assert_int_equal(first[i].length, second.length);
        assert_memory_equal(first[i].text, second.text, second.length);
        str_done(&second);
    }
    assert_null(find(&first[2], "Date"));
    setenv("SOURCE_DATE_EPOCH", "981173106", 1);
    Str dated = bytes_of(chart, NULL, "a.pdf");
    unsetenv("SOURCE_DATE_EPOCH");
    const char *date = find(&dated, "/CreationDate (D:20010203040506");
    assert_non_null(date);
    assert_memory_equal(date + 31, "Z", 1);
    const char *start = find(&dated, "startxref\n");
    assert_memory_equal(dated.text + strtol(start + 10, NULL, 10), "xref\n", 5);
    str_done(&dated);
    for (int i = 0; i < 3; i++) str_done(&first[i]);
    chart_free(chart);
}

static uint32_t big_endian(const char *bytes) {
    uint32_t value = 0;
    for (int i = 0; i < 4; i++) value = value << 8 | (unsigned char)bytes[i];
    return value;
}

static void pages_have_their_size(void **state) {
    (void)state;
    const ChartPage page = {.width = 5, .height = 4, .dpi = 100, .font = 8};
    const ChartPage bad[] = {{.width = 1}, {.width = 200}, {.dpi = 4000}, {.width = 4, .font = 40}};
    const char *kind;
    Error err;
    Chart *chart = open_sample(7, &kind);
    Str png = bytes_of(chart, &page, "a.png"), pdf = bytes_of(chart, &page, "a.pdf"),
        svg = bytes_of(chart, &page, "a.svg");
    assert_true(big_endian(png.text + 16) == 500 && big_endian(png.text + 20) == 400);
    const char *density = find(&png, "pHYs");
    assert_true(big_endian(density + 4) == 3937 && big_endian(density + 8) == 3937 && density[12] == 1);
    assert_non_null(find(&pdf, "/MediaBox [ 0 0 360 288 ]"));
    assert_non_null(find(&svg, "width=\"5in\" height=\"4in\" viewBox=\"0 0 675 540\""));
    str_done(&png);
    str_done(&pdf);
    str_done(&svg);
    const ChartView view = chart_view(chart);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_false(chart_bytes(chart, &view, &bad[i], "a.png", &png, &err));
        assert_int_equal(err.status, STATUS_USAGE);
    }
    chart_free(chart);
}

static void other_names_are_refused(void **state) {
    (void)state;
    static const char *const names[] = {"chart", "chart.gif", "chart.svg.bak", ".svg", "", "a.svg/b"};
    const char *kind;
    Error err;
    Chart *chart = open_sample(4, &kind);
    ChartView view = chart_view(chart);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char path[100];
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        assert_false(chart_save(chart, &view, NULL, path, true, &err));
        assert_int_equal(err.status, STATUS_USAGE);
        assert_int_not_equal(access(path, F_OK) == 0 && i != 4, 1);
    }
    chart_free(chart);
}

static void an_existing_file_is_kept(void **state) {
    (void)state;
    const char *kind;
    Error err;
    char path[100];
    size_t length;
    Chart *chart = open_sample(4, &kind);
    ChartView view = chart_view(chart);
    snprintf(path, sizeof path, "%s/kept.svg", folder);
    assert_true(save_text(path, false, "mine", 4, &err));
    assert_false(chart_save(chart, &view, NULL, path, false, &err));
    assert_int_equal(err.status, STATUS_WRITE);
    char *kept = file_read_all(path, 100, &length, &err);
    assert_string_equal(kept, "mine");
    mem_free(kept);
    assert_true(chart_save(chart, &view, NULL, path, true, &err));
    unlink(path);
    chart_free(chart);
}

static void failures_leave_nothing_behind(void **state) {
    (void)state;
    static const char *const names[] = {"fail.svg", "fail.png", "fail.pdf"};
    const char *kind;
    Error err;
    for (int i = 0; i < 6; i++) { /* lines; contours */
        Chart *chart = open_sample(i < 3 ? 5 : 10, &kind);
        ChartView view = chart_view(chart);
        char path[100];
        bool done = false;
        snprintf(path, sizeof path, "%s/%s", folder, names[i % 3]);
        for (uint64_t k = 1; !done; k++) {
            fault_arm(FAULT_ALLOC | FAULT_OPEN | FAULT_WRITE | FAULT_FSYNC | FAULT_CLOSE | FAULT_RENAME, k, false);
            bool ok = chart_save(chart, &view, NULL, path, true, &err);
            done = fault_disarm() < k;
            if (done) assert_true(ok);
            if (!ok) assert_true(err.status == STATUS_LIMIT || err.status == STATUS_WRITE);
            unlink(path);
        }
        chart_free(chart);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(golden_files),
        cmocka_unit_test(svg_is_well_formed_and_complete),
        cmocka_unit_test(names_are_escaped),
        cmocka_unit_test(bars_are_proportional),
        cmocka_unit_test(png_and_pdf_are_what_they_say),
        cmocka_unit_test(same_bytes_twice),
        cmocka_unit_test(pages_have_their_size),
        cmocka_unit_test(other_names_are_refused),
        cmocka_unit_test(an_existing_file_is_kept),
        cmocka_unit_test(failures_leave_nothing_behind),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
