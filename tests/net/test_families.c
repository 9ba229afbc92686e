/* test_families -- small networks in the naming of public repositories are recognised from names and shapes alone, and
 * give PyTorch's logits (tests/fixtures/families.list, by make_families.py, whose rule for weights is repeated here).
 */
#include "weft/base/dtype.h"
#include "weft/base/error.h"
#include "weft/base/memory.h"
#include "weft/net.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>
#include <cmocka.h>

enum { TENSORS_MAX = 2000, IMAGES = 2, LOGITS_MAX = 20 };

/* One network of the file. */
typedef struct Case {
    char title[128];
    unsigned channels, side;
    TensorOut tensors[TENSORS_MAX];
    uint64_t dims[TENSORS_MAX][4]; /* theirs */
    size_t count;
    double logits[IMAGES][LOGITS_MAX];
    size_t logit_count, rows;
} Case;

/* The rule of make_families.py: uniform numbers by mixing the position with the name's CRC-32. */
static float *values(const char *name, uint64_t count, unsigned rank, double fan) {
    Error err;
    float *out = mem_alloc(count, sizeof *out, &err);
    assert_non_null(out);
    const size_t length = strlen(name);
    const uint32_t seed = (uint32_t)crc32(0, (const Bytef *)name, (uInt)length);
    const bool variance = length > 11 && strcmp(name + length - 11, "running_var") == 0;
    const bool gamma = rank == 1 && length > 7 && strcmp(name + length - 7, ".weight") == 0;
    for (uint64_t i = 0; i < count; i++) {
        uint32_t x = (uint32_t)i + seed;
        x ^= x >> 16;
        x *= 0x7feb352dU;
        x ^= x >> 15;
        x *= 0x846ca68bU;
        x ^= x >> 16;
        const double u = x / 4294967296.0 - 0.5;
        out[i] = (float)(variance ? 1 + 0.5 * u : gamma ? 1 + 0.4 * u : rank == 1 ? 0.3 * u : u * sqrt(12 * 1.6 / fan));
    }
    return out;
}

static void add_tensor(Case *one, unsigned rank, const uint64_t *dim, const char *format, ...) {
    char name[256];
    Error err;
    va_list args;
    va_start(args, format);
    vsnprintf(name, sizeof name, format, args);
    va_end(args);
    assert_true(one->count < TENSORS_MAX);
    TensorOut *tensor = &one->tensors[one->count];
    uint64_t count = 1;
    tensor->dim = one->dims[one->count];
    tensor->name = mem_copy_text(name, &err);
    tensor->dtype = DTYPE_F32;
    tensor->rank = rank;
    for (unsigned i = 0; i < rank; i++) {
        one->dims[one->count][i] = dim[i];
        count *= dim[i];
    }
    one->count++;
    tensor->data = values(name, count, rank, rank > 1 ? (double)(count / dim[0]) : 1);
}

static void add_line(Case *one, char *line) {
    char *shape = strrchr(line, ' '); /* a name may have spaces */
    if (strncmp(line, "images ", 7) == 0) {
        assert_int_equal(sscanf(line, "images %u %u", &one->channels, &one->side), 2);
    } else if (strncmp(line, "logits ", 7) == 0) {
        assert_true(one->rows < IMAGES);
        one->logit_count = 0;
        for (char *at = line + 7; *at; one->logit_count++) one->logits[one->rows][one->logit_count] = strtod(at, &at);
        one->rows++;
    } else {
        assert_non_null(shape);
        *shape++ = '\0';
        if (shape[0] == 'n') { /* a batch norm of so many channels */
            static const char *const parts[] = {"weight", "bias", "running_mean", "running_var"};
            const uint64_t n = strtoul(shape + 1, NULL, 10);
            for (size_t i = 0; i < 4; i++) add_tensor(one, 1, &n, "%s.%s", line, parts[i]);
            return;
        }
        uint64_t dim[4];
        unsigned rank = 0;
        for (char *at = shape; *at && rank < 4; at += *at == 'x') dim[rank++] = strtoul(at, &at, 10);
        add_tensor(one, rank, dim, "%s", line);
    }
}

static void case_done(Case *one) {
    for (size_t i = 0; i < one->count; i++) {
        mem_free((void *)(uintptr_t)one->tensors[i].name);
        mem_free((void *)(uintptr_t)one->tensors[i].data);
    }
    *one = (Case){0};
}

static unsigned failures, done;

static void complain(const Case *one, const char *what) {
    print_error("%s: %s\n", one->title, what);
    failures++;
}

static void compare(const Case *one, const float *logits, unsigned classes) {
    double largest = 0, worst = 0;
    for (size_t i = 0; i < one->rows; i++)
        for (size_t c = 0; c < one->logit_count; c++) {
            largest = fmax(largest, fabs(one->logits[i][c]));
            worst = fmax(worst, fabs((double)logits[i * classes + c] - one->logits[i][c]));
        }
    char text[128];
    snprintf(text, sizeof text, "logits %g from PyTorch's, whose largest is %g", worst, largest);
    if (!(worst < 1e-5 * largest)) complain(one, text);
}

static void run_case(const Case *one, const char *folder) {
    char path[512];
    Error err;
    snprintf(path, sizeof path, "%s/net.safetensors", folder);
    if (!safetensors_save(path, true, one->tensors, one->count, NULL, 0, &err)) fail_msg("%s", err.text);
    Network *network = network_load(path, &(NetworkOptions){.normalise = "none"}, &err);
    if (!network) fail_msg("%s", err.text);
    if (!network->graph) {
        complain(one, network->why_unknown);
    } else {
        const uint64_t pixels = (uint64_t)one->channels * one->side * one->side;
        float *images = values("images", IMAGES * pixels, 4, 19.2 * 4), logits[IMAGES * 1000];
        const unsigned classes = network->graph->classes;
        assert_true(classes <= 1000);
        Engine *engine = engine_new(network, IMAGES, one->side, one->side, NULL, &err);
        if (engine && engine_forward(engine, images, IMAGES, logits, &err))
            compare(one, logits, classes);
        else
            complain(one, err.text);
        engine_free(engine);
        mem_free(images);
    }
    network_free(network);
    unlink(path);
    done++;
}

static void all(void **state) {
    (void)state;
    char folder[] = "/tmp/weft-families-XXXXXX", line[1024];
    static Case one;
    assert_non_null(mkdtemp(folder));
    FILE *file = fopen("tests/fixtures/families.list", "r");
    assert_non_null(file);
    while (fgets(line, sizeof line, file)) {
        line[strcspn(line, "\n")] = '\0';
        if (line[0] == '#') {
            if (one.rows) run_case(&one, folder);
            case_done(&one);
            snprintf(one.title, sizeof one.title, "%.100s", line + 2);
        } else {
            add_line(&one, line);
        }
    }
    run_case(&one, folder);
    case_done(&one);
    fclose(file);
    rmdir(folder);
    assert_true(done >= 25);
    if (failures > 0) fail_msg("%u of %u networks", failures, done);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(all)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
