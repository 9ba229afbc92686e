/* test_zoo -- public implementations at full size (../shared/cases/zoo): recognised from names and shapes alone, with
 * PyTorch's logits and multiply-adds; or refused with the operation that is missing.
 *
 * The weights are made by make_zoo.py, which needs Python with NumPy ($PYTHON, python3 or /usr/bin/python3). Networks
 * over 12 million parameters or 600 million multiply-adds take long: WEFT_ZOO=all has them too, WEFT_ZOO=NAME those
 * whose names contain NAME.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../support/oracle.h"
#include "weft/base/error.h"
#include "weft/base/memory.h"

#define ZOO SHARED "cases/zoo/"
enum { IMAGES = 2 };

static unsigned failures;

static void complain(const char *name, const char *what) {
    print_error("%s: %s\n", name, what);
    failures++;
}

static double multiply_adds(const Network *network, unsigned height, unsigned width) {
    const Graph *graph = network->graph;
    Error err;
    Shape *shapes = mem_alloc(graph->count, sizeof *shapes, &err);
    double sum = 0;
    assert_non_null(shapes);
    if (!graph_find_shapes(graph, height, width, shapes, &err)) fail_msg("%s", err.text);
    for (size_t i = 0; i < graph->count; i++) {
        const Op *op = &graph->ops[i];
        if (op_class(op->kind) != CLASS_WEIGHTS) continue;
        sum += (double)network->tensors[op->weight].tensor->count * shapes[i].height * shapes[i].width;
    }
    mem_free(shapes);
    return sum;
}

static void check_logits(const char *name, const json_t *net, const Network *network, const char *images_path) {
    Error err;
    IdxArray images = {0};
    if (!npy_read(images_path, 0, &images, &err)) fail_msg("%s", err.text);
    const unsigned height = (unsigned)images.dim[2], width = (unsigned)images.dim[3], classes = network->graph->classes;
    float *pixels = mem_alloc(images.count, sizeof *pixels, &err);
    float *logits = mem_alloc((size_t)IMAGES * classes, sizeof *logits, &err);
    Engine *engine = engine_new(network, IMAGES, height, width, NULL, &err);
    if (!engine || !pixels || !logits) fail_msg("%s: %s", name, err.text);
    for (uint64_t i = 0; i < images.count; i++) pixels[i] = (float)((const uint8_t *)images.data)[i] / 255.0F;
    if (!engine_forward(engine, pixels, IMAGES, logits, &err)) fail_msg("%s: %s", name, err.text);
    double largest = 0, worst = 0;
    for (unsigned i = 0; i < IMAGES * classes; i++) largest = fmax(largest, fabs((double)logits[i]));
    const json_t *expected = json_object_get(net, "logits");
    for (unsigned i = 0; i < IMAGES; i++) {
        const json_t *row = json_array_get(expected, i);
        for (size_t c = 0; c < json_array_size(row); c++)
            worst = fmax(worst, fabs(json_number_value(json_array_get(row, c)) - (double)logits[i * classes + c]));
    }
    char text[160];
    snprintf(text, sizeof text, "logits %g from PyTorch's, the largest is %g", worst, largest);
    if (!(worst < 1e-5 * largest)) complain(name, text);
    const double macs = multiply_adds(network, height, width), expected_macs = oracle_number(net, "macs");
    snprintf(text, sizeof text, "%.0f multiply-adds, expected %.0f", macs, expected_macs);
    if (macs != expected_macs) complain(name, text);
    engine_free(engine);
    mem_free(pixels);
    mem_free(logits);
    idx_done(&images);
}

/* Layer norm and attention are no operations of weft's. */
static bool runnable(const json_t *net) {
    return !json_object_get(json_object_get(net, "ops"), "layer_norm");
}

static bool wanted(const char *name, const json_t *net) {
    const char *which = getenv("WEFT_ZOO");
    const double share = strcmp(WEFT_BUILD_MODE, "asan") == 0 ? 0.2 : 1; /* the sanitizers make it slow */
    if (!which) return oracle_number(net, "parameters") <= 12e6 * share && oracle_number(net, "macs") <= 6e8 * share;
    return strcmp(which, "all") == 0 || strstr(name, which) != NULL;
}

static void check_net(const char *name, const json_t *net, const char *folder, const char *python) {
    char command[4096], weights[512], images[512];
    Error err;
    snprintf(weights, sizeof weights, "%s/net.safetensors", folder);
    snprintf(images, sizeof images, "%s/images.npy", folder);
    snprintf(command, sizeof command, "%s " ZOO "make_zoo.py " ZOO "zoo.json %s %s %s %s/labels.npy", python, name,
             weights, images, folder);
    assert_int_equal(system(command), 0);
    Network *network = network_load(weights, &(NetworkOptions){.normalise = "0.5/0.25"}, &err);
    if (!network) fail_msg("%s: %s", name, err.text);
    if (network->graph) {
        if (runnable(net))
            check_logits(name, net, network, images);
        else
            complain(name, "it runs?");
    } else if (runnable(net) || !strstr(network->why_unknown, "which needs layer norm")) {
        complain(name, network->why_unknown);
    }
    network_free(network);
}

/* $PYTHON, python3 or the system's: the first with NumPy. */
static const char *find_python(void) {
    const char *const candidates[] = {getenv("PYTHON"), "python3", "/usr/bin/python3"};
    for (size_t i = 0; i < sizeof candidates / sizeof *candidates; i++) {
        char command[4096];
        if (!candidates[i]) continue;
        snprintf(command, sizeof command, "%s -c 'import numpy' 2>/dev/null", candidates[i]);
        if (system(command) == 0) return candidates[i];
    }
    return NULL;
}

static void zoo(void **state) {
    (void)state;
    if (access(ZOO "zoo.json", R_OK) != 0) {
        print_message("# skip: " ZOO "zoo.json is not there; test_families has small networks of all families\n");
        skip();
    }
    const char *python = find_python();
    char command[4096], folder[] = "/tmp/weft-zoo-XXXXXX";
    if (!python) {
        print_message("# skip: no python3 with NumPy; PYTHON names one\n");
        skip();
    }
    json_error_t problem;
    json_t *file = json_load_file(ZOO "zoo.json", 0, &problem), *net;
    if (!file) fail_msg("%s", problem.text);
    assert_non_null(mkdtemp(folder));
    const char *name;
    unsigned checked = 0;
    json_object_foreach(json_object_get(file, "nets"), name, net) {
        if (!wanted(name, net)) continue;
        check_net(name, net, folder, python);
        checked++;
    }
    json_decref(file);
    snprintf(command, sizeof command, "rm -rf %s", folder);
    assert_int_equal(system(command), 0);
    if (failures > 0) fail_msg("%u complaints about %u networks", failures, checked);
    assert_true(checked > 0);
    print_message("# %u networks\n", checked);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(zoo)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
