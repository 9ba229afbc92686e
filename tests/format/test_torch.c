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

#include "../support/hostile.h"
#include "../support/pickle_text.h"
#include "weft/base/dtype.h"
#include "weft/base/error.h"
#include "weft/base/memory.h"
#include "weft/base/tensor.h"
#include "weft/base/text.h"
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

/* ---- whole networks ---------------------------------------------------------------------------------------------- */

/* tests/oracle/make_files.py has PyTorch write a small network, in both formats; ../shared has published ones. */
typedef struct ResNet {
    const char *path, *best;
    uint64_t width[3], blocks;
} ResNet;

static bool here(const char *path) {
    return access(path, R_OK) == 0;
}

static uint64_t convolution_and_norm(uint64_t in, uint64_t out) {
    return 9 * in * out + 2 * out;
}

/* Three stages of n blocks: 1 + 6n convolutions, as many batch norms of four tensors, and the last layer's two. */
static void check_resnet(const ResNet *expected) {
    const uint64_t n = expected->blocks, *width = expected->width;
    Checkpoint *net = open_good(expected->path);
    assert_string_equal(checkpoint_format(net), "PyTorch legacy");
    assert_int_equal(checkpoint_count(net), 5 * (1 + 6 * n) + 2);
    assert_string_equal(checkpoint_metadata_find(net, "best_prec1"), expected->best);
    assert_int_equal(checkpoint_note_count(net), 1);
    assert_string_equal(checkpoint_tensor(net, 0)->name, "module.conv1.weight");
    uint64_t parameters = 0;
    for (size_t i = 0; i < checkpoint_count(net); i++) {
        const CheckpointTensor *tensor = checkpoint_tensor(net, i);
        assert_int_equal(tensor->dtype, DTYPE_F32);
        assert_int_equal(tensor->shares_with, i);
        if (!strstr(tensor->name, "running_")) parameters += tensor->count;
    }
    uint64_t sum = convolution_and_norm(3, width[0]) + 10 * width[2] + 10; /* stem, last layer */
    for (unsigned stage = 0; stage < 3; stage++) {
        sum += convolution_and_norm(width[stage ? stage - 1 : 0], width[stage]);
        sum += (2 * n - 1) * convolution_and_norm(width[stage], width[stage]);
    }
    assert_int_equal(parameters, sum);
    const CheckpointTensor *last = checkpoint_tensor(net, find(net, "module.linear.weight"));
    assert_int_equal(last->rank, 2);
    assert_int_equal(last->dim[0], 10);
    assert_int_equal(last->dim[1], width[2]);
    checkpoint_close(net);
}

static void resnets(void **state) {
    (void)state;
    static const ResNet own = {"tests/oracle/narrow.th", "12.5", {2, 4, 8}, 1};
    static const ResNet published[] = {
        {SHARED "checkpoints/resnet20-12fca82f.th", "91.78000183105469", {16, 32, 64}, 3},
        {SHARED "checkpoints/resnet32-d509ac18.th", "92.78000144958496", {16, 32, 64}, 5},
        {SHARED "checkpoints/resnet56-4bfd9763.th", "93.62", {16, 32, 64}, 9}};
    check_resnet(&own);
    if (!here(SHARED)) return;
    print_message("# also " SHARED "\n");
    for (size_t i = 0; i < 3; i++) check_resnet(&published[i]);
}

/* The values of both formats, to the last bit as NumPy wrote them; of a published one two layers, which the reference
 * widened to float64. */
static void values_of_resnets(void **state) {
    (void)state;
    static const char *const files[][2] = {{"tests/oracle/narrow.th", "module."}, {"tests/oracle/narrow.pth", ""}};
    Checkpoint *expected = open_good("tests/oracle/narrow.npz");
    for (size_t f = 0; f < 2; f++) {
        Checkpoint *net = open_good(files[f][0]);
        for (size_t i = 0; i < checkpoint_count(net); i++) {
            size_t length, other;
            const char *name = checkpoint_tensor(net, i)->name;
            assert_memory_equal(name, files[f][1], strlen(files[f][1]));
            void *found = read_bytes(net, i, &length);
            void *wanted = read_bytes(expected, find(expected, name + strlen(files[f][1])), &other);
            assert_int_equal(length, other);
            assert_memory_equal(found, wanted, length);
            mem_free(found);
            mem_free(wanted);
        }
        checkpoint_close(net);
    }
    checkpoint_close(expected);
}

static void values_of_published(void) {
    static const char *const layers[] = {"layer1.0.conv1", "layer2.0.conv1"};
    Checkpoint *net = open_good(SHARED "checkpoints/resnet20-12fca82f.th");
    Checkpoint *oracle = open_good("../shared/oracle/lowpass.npz");
    for (size_t l = 0; l < 2; l++) {
        char name[64];
        size_t length, oracle_length;
        snprintf(name, sizeof name, "module.%s.weight", layers[l]);
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

static void check_zip(const char *path, uint64_t filters, uint64_t channels) {
    Checkpoint *net = open_good(path);
    assert_string_equal(checkpoint_format(net), "PyTorch zip");
    assert_int_equal(checkpoint_count(net), 6 * 7 + 2);
    assert_int_equal(checkpoint_note_count(net), 0);
    const CheckpointTensor *stem = checkpoint_tensor(net, find(net, "conv1.weight"));
    assert_int_equal(stem->rank, 4);
    assert_int_equal(stem->dim[0], filters);
    assert_int_equal(stem->dim[1], channels);
    assert_int_equal(checkpoint_tensor(net, find(net, "bn1.num_batches_tracked"))->dtype, DTYPE_I64);
    size_t length;
    for (size_t i = 0; i < checkpoint_count(net); i++) mem_free(read_bytes(net, i, &length));
    checkpoint_close(net);
}

static void zip_resnets(void **state) {
    (void)state;
    check_zip("tests/oracle/narrow.pth", 2, 3);
    if (!here(SHARED)) return;
    check_zip(SHARED "fashion-resnet8.pth", 16, 1);
    values_of_published();
}

/* ---- fixtures ---------------------------------------------------------------------------------------------------- */

#define FIXTURE "tests/fixtures/"

/* Tied weights share; another view of the same storage does not. */
static void shared_storages(void **state) {
    (void)state;
    static const char *const files[] = {FIXTURE "torch-layouts.pth", FIXTURE "torch-layouts.th",
                                        FIXTURE "torch-deflated.pth"};
    for (size_t f = 0; f < sizeof files / sizeof *files; f++) {
        Checkpoint *net = open_good(files[f]);
        size_t a = find(net, "tied.a"), b = find(net, "tied.b");
        for (size_t i = 0; i < checkpoint_count(net); i++)
            assert_int_equal(checkpoint_tensor(net, i)->shares_with, i == b ? a : i);
        checkpoint_close(net);
    }
}

static void check_metadata(const Checkpoint *net, const char *key, const char *value) {
    const char *found = checkpoint_metadata_find(net, key);
    assert_non_null(found);
    assert_string_equal(found, value);
}

/* Scalars beside the state dict, and what is said about the choice and the names. */
static void trained_state(void **state) {
    (void)state;
    static const char *const files[] = {FIXTURE "torch-trained.pth", FIXTURE "torch-trained.th",
                                        FIXTURE "torch-trained-4.pth", FIXTURE "torch-trained-4.th"};
    for (size_t f = 0; f < sizeof files / sizeof *files; f++) {
        Checkpoint *net = open_good(files[f]);
        assert_int_equal(checkpoint_metadata_count(net), 6);
        check_metadata(net, "epoch", "7");
        check_metadata(net, "arch", "linear");
        check_metadata(net, "best_acc", "91.25");
        check_metadata(net, "best_prec1", "91.78");
        check_metadata(net, "rank", "-3");
        check_metadata(net, "amp", "true");
        assert_int_equal(checkpoint_note_count(net), 2);
        assert_string_equal(checkpoint_note(net, 0),
                            "the state dict is \"state_dict\": 2 of the file's 4 tensors; --key "
                            "selects \"optimizer.state\" (2 tensors, 8 elements)");
        assert_string_equal(checkpoint_note(net, 1),
                            "left out, because they are neither tensors nor plain values: \"device\" (torch.device)");
        checkpoint_close(net);
    }
}

/* ---- which dict holds the weights ---------------------------------------------------------------------------------
 */

/* A zip file whose data.pkl is the program, on one storage of six floats. */
static Checkpoint *open_program(const char *program) {
    static const float six[] = {0, 1, 2, 3, 4, 5};
    Bytes pickle = {0}, bytes = {0};
    Error err = {0};
    bytes_pickle(&pickle, program);
    const ZipPart parts[] = {{.name = "a/data.pkl", .data = pickle.data, .length = pickle.length},
                             {.name = "a/version", .data = "3\n", .length = 2},
                             {.name = "a/data/0", .data = six, .length = sizeof six}};
    bytes_zip(&bytes, parts, 3);
    const char *path = scratch_path("program.pth");
    assert_true(write_bytes(path, bytes.data, bytes.length));
    bytes_done(&pickle);
    bytes_done(&bytes);
    Checkpoint *checkpoint = checkpoint_open(path, &err);
    if (!checkpoint) fail_msg("%s", err.text);
    return checkpoint;
}

#define PAIR "} 'w " GOOD "s 'b " TENSOR("1", "2", "2") "s "
#define ONE "} 'v " GOOD "s "

/* The tensors' names, joined by blanks, and the first note. */
static void check_choice(const char *program, const char *names, const char *note) {
    Checkpoint *net = open_program(program);
    Str text = {0};
    for (size_t i = 0; i < checkpoint_count(net); i++) {
        if (i > 0) str_add(&text, " ");
        str_add(&text, checkpoint_tensor(net, i)->name);
    }
    assert_string_equal(str_text(&text), names);
    assert_int_equal(checkpoint_note_count(net), note ? 1 : 0);
    if (note) assert_string_equal(checkpoint_note(net, 0), note);
    str_done(&text);
    checkpoint_close(net);
}

static void choices(void **state) {
    (void)state;
    check_choice(PAIR ".", "w b", NULL);
    check_choice("} 'net " ONE "s 'ema " PAIR "s .", "v",
                 "the state dict is \"net\": 1 of the file's 3 tensors; --key selects \"ema\" (2 tensors, 8 elements)");
    check_choice(
        "} 'ema " PAIR "s 'model " ONE "s .", "v",
        "the state dict is \"model\": 1 of the file's 3 tensors; --key selects \"ema\" (2 tensors, 8 elements)");
    check_choice("} 'model N s 'params " PAIR "s .", "w b", "the state dict is \"params\"");
    check_choice("} 'x } 'y ] " PAIR "a s s 'z " ONE "s .", "x.y.0.w x.y.0.b z.v", NULL);
    check_choice("} 'model } 'encoder " ONE "s 'head " PAIR "s s .", "encoder.v head.w head.b",
                 "the state dict is \"model\"");
    check_choice("} 'a " GOOD "s 'optimizer } 'state } 0 } 'momentum_buffer " GOOD "s s s s .",
                 "a optimizer.state.0.momentum_buffer", NULL);
    check_choice("} 'a.w " GOOD "s 'optimizer } 'state } 0 } 'momentum_buffer " GOOD "s s s s .", "a.w",
                 "left out: \"optimizer\", 1 tensor for training (--key selects it)");
    check_choice("@torch._utils._rebuild_parameter ( " GOOD "T N t R .", "tensor", NULL);
    check_choice("( " GOOD ONE "t .", "0 1.v", NULL);
}

/* Many shared values: what is kept of the root's scalars is bounded. */
static void many_scalars(void **state) {
    (void)state;
    Str program = {0};
    str_add(&program, "} 'w " GOOD "s ");
    for (unsigned i = 0; i < 1100; i++) str_addf(&program, "'k%u %u s ", i, i);
    str_add(&program, ".");
    Checkpoint *net = open_program(str_text(&program));
    assert_int_equal(checkpoint_metadata_count(net), 1000);
    assert_string_equal(checkpoint_metadata_find(net, "k999"), "999");
    checkpoint_close(net);
    str_done(&program);
}

/* Elements of an offset, strided view, against its definition. */
static void strided_values(void **state) {
    (void)state;
    Error err;
    Checkpoint *net = open_program("} 'a " TENSOR("1", "2 2", "1 3") "s 'b " TENSOR("5", "3 2", "0 0") "s .");
    Tensor *a = checkpoint_read_tensor(net, 0, &err), *b = checkpoint_read_tensor(net, 1, &err);
    assert_non_null(a);
    assert_non_null(b);
    for (unsigned i = 0; i < 4; i++) assert_true(a->data[i] == (float)(1 + i / 2 + 3 * (i % 2)));
    for (unsigned i = 0; i < 6; i++) assert_true(b->data[i] == 5);
    tensor_release(a);
    tensor_release(b);
    checkpoint_close(net);
}

/* ---- nothing runs ------------------------------------------------------------------------------------------------ */

/* Rows 42 to 45 would make this file, if anything of them ran. */
static void no_canary(void **state) {
    (void)state;
    Error err;
    for (const HostileCase *hostile = hostile_torch; hostile->name; hostile++) {
        if (hostile->row > 45 && hostile->row != 93) continue;
        const char *path = scratch_path(hostile->name);
        assert_true(hostile->write(path));
        assert_null(checkpoint_open(path, &err));
        assert_int_not_equal(access("weft-canary", F_OK), 0);
        assert_int_not_equal(access("../weft-canary", F_OK), 0);
        assert_int_not_equal(access(scratch_path("weft-canary"), F_OK), 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(resnets),         cmocka_unit_test(values_of_resnets), cmocka_unit_test(zip_resnets),
        cmocka_unit_test(shared_storages), cmocka_unit_test(trained_state),     cmocka_unit_test(choices),
        cmocka_unit_test(many_scalars),    cmocka_unit_test(strided_values),    cmocka_unit_test(no_canary),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
