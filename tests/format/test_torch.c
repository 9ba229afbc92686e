/* test_torch -- PyTorch checkpoints: published files, and fixtures that hold every layout
 * (tests/fixtures/make_torch.py).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "weft/format.h"

#define SHARED "../shared/data/"

static Checkpoint *open_good(const char *path) {
    Error err;
    Checkpoint *checkpoint = checkpoint_open(path, &err);
    if (!checkpoint) fail_msg("%s", err.text);
    return checkpoint;
}

static size_t find(const Checkpoint *checkpoint, const char *name) {
    size_t index;
    if (!checkpoint_find(checkpoint, name, &index)) fail_msg("%s: no %s", checkpoint_path(checkpoint), name);
    return index;
}

static void *read_bytes(Checkpoint *checkpoint, size_t index, size_t *length) {
    Error err;
    const CheckpointTensor *tensor = checkpoint_tensor(checkpoint, index);
    *length = (size_t)(tensor->count * dtype_bits(tensor->dtype) / 8);
    void *bytes = mem_alloc(*length, 1, &err);
    assert_non_null(bytes);
    if (!checkpoint_read(checkpoint, index, bytes, &err)) fail_msg("%s", err.text);
    return bytes;
}

/* ---- published files --------------------------------------------------------------------------------------------- */

static void need(const char *path) {
    if (access(path, R_OK) == 0) return;
    print_message("%s is missing\n", path);
    skip();
}

/* Three stages of n blocks: 1 + 6n convolutions, as many batch norms of four tensors, and the last layer's two. */
static void check_resnet(const char *path, size_t blocks, const char *best) {
    need(path);
    Checkpoint *net = open_good(path);
    assert_string_equal(checkpoint_format(net), "PyTorch legacy");
    assert_int_equal(checkpoint_count(net), 5 * (1 + 6 * blocks) + 2);
    assert_string_equal(checkpoint_metadata_find(net, "best_prec1"), best);
    assert_int_equal(checkpoint_note_count(net), 2);
    assert_string_equal(checkpoint_tensor(net, 0)->name, "conv1.weight");
    uint64_t parameters = 0;
    for (size_t i = 0; i < checkpoint_count(net); i++) {
        const CheckpointTensor *tensor = checkpoint_tensor(net, i);
        assert_int_equal(tensor->dtype, DTYPE_F32);
        assert_int_equal(tensor->shares_with, i);
        assert_null(strstr(tensor->name, "module."));
        if (!strstr(tensor->name, "running_")) parameters += tensor->count;
    }
    /* stem, stages of width 16, 32, 64 (9 weights a channel pair and a norm's two), last layer */
    uint64_t n = blocks, expected = 3 * 16 * 9 + 2 * 16 + 640 + 10;
    expected += 2 * n * (16 * 16 * 9 + 2 * 16);
    expected += 16 * 32 * 9 + (2 * n - 1) * 32 * 32 * 9 + 2 * n * 2 * 32;
    expected += 32 * 64 * 9 + (2 * n - 1) * 64 * 64 * 9 + 2 * n * 2 * 64;
    assert_int_equal(parameters, expected);
    const CheckpointTensor *last = checkpoint_tensor(net, find(net, "linear.weight"));
    assert_int_equal(last->rank, 2);
    assert_int_equal(last->dim[0], 10);
    assert_int_equal(last->dim[1], 64);
    checkpoint_close(net);
}

static void resnet20(void **state) {
    (void)state;
    check_resnet(SHARED "checkpoints/resnet20-12fca82f.th", 3, "91.78000183105469");
}
static void resnet32(void **state) {
    (void)state;
    check_resnet(SHARED "checkpoints/resnet32-d509ac18.th", 5, "92.78000144958496");
}
static void resnet56(void **state) {
    (void)state;
    check_resnet(SHARED "checkpoints/resnet56-4bfd9763.th", 9, "93.62");
}

/* The reference kept the weights that it filtered: float64 copies of float32, so equal to the last bit. */
static void values_of_resnet20(void **state) {
    (void)state;
    need(SHARED "checkpoints/resnet20-12fca82f.th");
    need("../shared/oracle/lowpass.npz");
    Checkpoint *net = open_good(SHARED "checkpoints/resnet20-12fca82f.th");
    Checkpoint *oracle = open_good("../shared/oracle/lowpass.npz");
    static const char *const layers[] = {"layer1.0.conv1", "layer2.0.conv1"};
    for (size_t l = 0; l < 2; l++) {
        char name[64];
        size_t length, oracle_length;
        snprintf(name, sizeof name, "%s.weight", layers[l]);
        float *values = read_bytes(net, find(net, name), &length);
        snprintf(name, sizeof name, "%s.original", layers[l]);
        double *expected = read_bytes(oracle, find(oracle, name), &oracle_length);
        assert_int_equal(oracle_length, 2 * length);
        for (size_t i = 0; i < length / sizeof *values; i++) assert_true((double)values[i] == expected[i]);
        mem_free(values);
        mem_free(expected);
    }
    checkpoint_close(oracle);
    checkpoint_close(net);
}

static void fashion_resnet8(void **state) {
    (void)state;
    need(SHARED "fashion-resnet8.pth");
    Checkpoint *net = open_good(SHARED "fashion-resnet8.pth");
    assert_string_equal(checkpoint_format(net), "PyTorch zip");
    assert_int_equal(checkpoint_count(net), 6 * 7 + 2);
    assert_int_equal(checkpoint_note_count(net), 0);
    const CheckpointTensor *stem = checkpoint_tensor(net, find(net, "conv1.weight"));
    assert_int_equal(stem->rank, 4);
    assert_int_equal(stem->dim[0], 16);
    assert_int_equal(stem->dim[1], 1);
    assert_int_equal(checkpoint_tensor(net, find(net, "bn1.num_batches_tracked"))->dtype, DTYPE_I64);
    size_t length;
    for (size_t i = 0; i < checkpoint_count(net); i++) mem_free(read_bytes(net, i, &length));
    checkpoint_close(net);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(resnet20),           cmocka_unit_test(resnet32),        cmocka_unit_test(resnet56),
        cmocka_unit_test(values_of_resnet20), cmocka_unit_test(fashion_resnet8),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
