/* test_recalibrate -- batch norm's statistics from images, against PyTorch's update_bn in float64
 * (tests/fixtures/make_quantise.py), and against closed forms.
 */
#include "weft/probe.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "../support/images.h"
#include "weft/base/error.h"
#include "weft/base/memory.h"
#include "weft/base/pool.h"
#include "weft/base/task.h"
#include "weft/base/tensor.h"

static size_t tensor_named(const Network *network, const char *name) {
    for (size_t i = 0; i < network->tensor_count; i++)
        if (strcmp(network->tensors[i].name, name) == 0) return i;
    fail_msg("no tensor '%s'", name);
    return 0;
}

/* Ten images in batches of 4, 4 and 2: the last counts as much as the others. */
static void as_pytorch(void **state) {
    (void)state;
    Error err;
    Images images = images_given();
    Network *network = images.network;
    Network *made = recalibrate_in_batches(network, &images.dataset, 4, "recalibrate x", NULL, &err);
    if (!made) fail_msg("%s", err.text);
    size_t statistics = 0;
    for (size_t i = 0; i < checkpoint_count(images.fixture); i++) {
        const char *name = checkpoint_tensor(images.fixture, i)->name;
        if (strncmp(name, "running.", 8) != 0) continue;
        Tensor *expected = checkpoint_read_tensor(images.fixture, i, &err);
        const Tensor *found = made->tensors[tensor_named(made, name + 8)].tensor;
        assert_non_null(expected);
        assert_int_equal(found->count, expected->count);
        for (uint64_t c = 0; c < found->count; c++)
            if (!(fabsf(found->data[c] - expected->data[c]) < 1e-5f * (1 + fabsf(expected->data[c]))))
                fail_msg("%s, channel %d: %.8g, PyTorch's %.8g", name, (int)c, (double)found->data[c],
                         (double)expected->data[c]);
        tensor_release(expected);
        statistics++;
    }
    assert_int_equal(statistics, 2 * 11);
    /* All else is shared; lineage tells. */
    const size_t weight = tensor_named(network, "conv1.weight"), mean = tensor_named(network, "bn1.running_mean");
    assert_ptr_equal(made->tensors[weight].tensor, network->tensors[weight].tensor);
    assert_ptr_not_equal(made->tensors[mean].tensor, network->tensors[mean].tensor);
    assert_string_equal(made->lineage[made->lineage_count - 1].key, "recalibrate");
    assert_string_equal(made->lineage[made->lineage_count - 1].value, "recalibrate x");
    network_free(made);
    images_done(&images);
}

/* One batch, the first batch norm: mean and unbiased variance of the convolution's results, from the reference. */
static void plain_moments(void **state) {
    (void)state;
    Error err;
    Images images = images_given();
    Network *network = images.network;
    const Dataset *data = &images.dataset;
    const unsigned channels = 6;
    float *pixels = mem_alloc((uint64_t)data->channels * data->height * data->width, sizeof *pixels, &err);
    double sum[6] = {0}, squares[6] = {0}, count = 0;
    for (uint64_t i = 0; i < data->count; i++) {
        unsigned c, h, w;
        dataset_image(data, i, pixels);
        float *map = engine_reference(network, pixels, data->height, data->width, 1, &c, &h, &w, &err);
        assert_non_null(map);
        assert_int_equal(c, channels);
        for (size_t p = 0; p < (size_t)channels * h * w; p++) {
            sum[p / (h * w)] += (double)map[p];
            squares[p / (h * w)] += (double)map[p] * (double)map[p];
        }
        count += h * w;
        mem_free(map);
    }
    Network *made = recalibrate_apply(network, data, "recalibrate", NULL, &err);
    assert_non_null(made);
    const float *mean = made->tensors[tensor_named(made, "bn1.running_mean")].tensor->data;
    const float *variance = made->tensors[tensor_named(made, "bn1.running_var")].tensor->data;
    for (unsigned c = 0; c < channels; c++) {
        const double m = sum[c] / count;
        assert_true(fabs((double)mean[c] - m) < 1e-6);
        assert_true(fabs((double)variance[c] - (squares[c] - count * m * m) / (count - 1)) < 1e-6);
    }
    network_free(made);
    images_done(&images);
    mem_free(pixels);
}

/* Statistics of statistics: nothing moves the second time, and any number of threads gives the same bits. */
static void again(void **state) {
    (void)state;
    Error err;
    Images images = images_given();
    Network *network = images.network, *made[3];
    for (unsigned i = 0; i < 3; i++) {
        pool_set_threads(1 + i % 2);
        made[i] = recalibrate_in_batches(i < 2 ? network : made[0], &images.dataset, 3, "recalibrate", NULL, &err);
        assert_non_null(made[i]);
    }
    pool_set_threads(0);
    for (unsigned i = 1; i < 3; i++)
        for (size_t t = 0; t < network->tensor_count; t++)
            assert_memory_equal(made[i]->tensors[t].tensor->data, made[0]->tensors[t].tensor->data,
                                made[0]->tensors[t].tensor->count * sizeof(float));
    for (unsigned i = 0; i < 3; i++) network_free(made[i]);
    images_done(&images);
}

static void refuses(const Network *network, const Dataset *dataset, unsigned batch, Status status, const char *part) {
    Error err = {0};
    assert_null(recalibrate_in_batches(network, dataset, batch, "recalibrate", NULL, &err));
    assert_int_equal(err.status, status);
    if (!strstr(err.text, part)) fail_msg("'%s' is not in '%s'", part, err.text);
}

static void refused(void **state) {
    (void)state;
    Error err;
    Images images = images_given();
    Network *network = images.network;
    Dataset *noise = dataset_load("noise:2:1x8x8", 0, &err);
    refuses(network, noise, 2, STATUS_USAGE, "the network takes 3 input channels");
    refuses(network, &images.dataset, 0, STATUS_USAGE, "at least 1");
    dataset_free(noise);
    noise = dataset_load("noise:2:3x1x1", 0, &err);
    refuses(network, noise, 1, STATUS_USAGE,
            "has one value per channel in a batch of one image, so it has no variance");
    Network *made = recalibrate_in_batches(network, noise, 2, "recalibrate", NULL, &err);
    assert_non_null(made); /* two values have a variance */
    network_free(made);
    dataset_free(noise);
    Graph *graph = network->graph;
    network->graph = NULL;
    refuses(network, &images.dataset, 4, STATUS_FAILED, "cannot run");
    network->graph = graph;
    for (size_t i = 0; i < graph->count; i++) /* ReLUs in their place */
        if (graph->ops[i].kind == OP_BATCH_NORM) graph->ops[i].kind = OP_RELU;
    refuses(network, &images.dataset, 4, STATUS_USAGE, "the network has no batch norm");
    cancel_request();
    for (size_t i = 0; i < graph->count; i++)
        if (strncmp(graph->ops[i].name, "bn1", 3) == 0) graph->ops[i].kind = OP_BATCH_NORM;
    refuses(network, &images.dataset, 4, STATUS_CANCELLED, "");
    cancel_clear();
    images_done(&images);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(as_pytorch),
        cmocka_unit_test(plain_moments),
        cmocka_unit_test(again),
        cmocka_unit_test(refused),
    };
    return cmocka_run_group_tests_name("recalibrate", tests, NULL, NULL);
}
