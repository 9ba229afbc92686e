/* test_files -- one network in every kind of file that people save: each reads as NumPy's arrays of it, value by value
 * (tests/fixtures/make_files.py); which state dict is taken, what is said to be left out. */
#include "../support/bytes.h"
#include "weft/base/dtype.h"
#include "weft/base/error.h"
#include "weft/base/fault.h"
#include "weft/base/tensor.h"
#include "weft/format.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <cmocka.h>

#define FILES "tests/fixtures/files/"

static Checkpoint *open_good(const char *file, const char *key) {
    Error err;
    Checkpoint *checkpoint = checkpoint_open_key(text_of(FILES "%s", file), key, &err);
    if (!checkpoint) fail_msg("%s", err.text);
    return checkpoint;
}

static void *bytes_of(Checkpoint *checkpoint, size_t index, size_t *length) {
    const CheckpointTensor *tensor = checkpoint_tensor(checkpoint, index);
    Error err;
    *length = tensor->count * dtype_bits(tensor->dtype) / 8;
    void *out = malloc(*length + 1);
    if (!out || !checkpoint_read(checkpoint, index, out, &err)) fail_msg("%s: %s", tensor->name, err.text);
    return out;
}

/* By its name, or by what a wrapper made of it: prefixes are the business of networks. */
static bool find_tensor(Checkpoint *checkpoint, const char *name, size_t *index) {
    char wrapped[128];
    snprintf(wrapped, sizeof wrapped, "module.%s", name);
    return checkpoint_find(checkpoint, name, index) || checkpoint_find(checkpoint, wrapped, index);
}

/* Every tensor of `plain` is in `other`: name, type, shape, bytes. */
static void check_same(Checkpoint *plain, Checkpoint *other, const char *file) {
    for (size_t i = 0; i < checkpoint_count(plain); i++) {
        const CheckpointTensor *wanted = checkpoint_tensor(plain, i), *got;
        size_t index, length, other_length;
        if (!find_tensor(other, wanted->name, &index)) fail_msg("%s: no tensor %s", file, wanted->name);
        got = checkpoint_tensor(other, index);
        if (got->dtype != wanted->dtype || got->rank != wanted->rank ||
            (got->rank > 0 && memcmp(got->dim, wanted->dim, got->rank * sizeof *got->dim) != 0))
            fail_msg("%s: %s has another type or shape", file, wanted->name);
        void *a = bytes_of(plain, i, &length), *b = bytes_of(other, index, &other_length);
        assert_int_equal(length, other_length);
        if (memcmp(a, b, length) != 0) fail_msg("%s: %s has other values", file, wanted->name);
        free(a);
        free(b);
    }
}

static const struct {
    const char *file, *key;
    size_t more; /* tensors besides the network's */
    const char *note;
} same[] = {
    {"python2.pth", NULL, 0, NULL},
    {"python2-metadata.pth", NULL, 0, NULL},
    {"python2-wrapped.pth", NULL, 0, "the state dict is \"state_dict\""},
    {"tar.pth", NULL, 0, NULL},
    {"objects.pth", NULL, 0,
     "left out, because they are neither tensors nor plain values: \"datetime\" (datetime.datetime), \"timedelta\""},
    {"objects-4.pth", NULL, 0, "\"slice\" (builtins.slice)"},
    {"module.pth", NULL, 0,
     "a whole module, home.models.Net: its parameters and buffers are read; none of its code is executed"},
    {"module-in-dict.pth", NULL, 0,
     "a whole module, torch.nn.parallel.data_parallel.DataParallel: its parameters and buffers are read; none of its code is executed"},
    {"script.pt", NULL, 1, "a TorchScript archive: its weights are read, the graph in code/ is not"},
    {"trace.pt", NULL, 1, "a TorchScript archive"},
    {"pytorch_model.bin.index.json", NULL, 0, NULL},
    {"ema.pth", "state_dict_ema", 0, "the state dict is \"state_dict_ema\": 9 of the file's 19 tensors"},
    {"model_ema.pth", "model_ema.module", 0, "\"model_ema.module\""},
    {"model_ema.pth", "model_ema", 0, "\"model_ema.module\""},
    {"teacher.pth", "teacher", 0, "--key selects \"student\" (9 tensors, 38 elements)"},
    {"folds.pth", "fold1.model", 0, "--key selects \"fold0.model\" (9 tensors, 38 elements)"},
    {"folds.pth", "fold1", 0, "the state dict is \"fold1.model\""},
    {"nested.pth", NULL, 0, NULL},
    {"nested-in-dict.pth", NULL, 0, "the state dict is \"model\""},
    {"big-optimizer.pth", NULL, 0,
     "the state dict is \"my_weights\": 9 of the file's 27 tensors; --key selects \"optimizer"},
    {"pairs.pth", NULL, 0, "the state dict is \"state_dict\""},
    {"arrays.pth", NULL, 0, NULL},
    {"arrays-5.pth", NULL, 0, NULL},
    {"object.npy", NULL, 0, NULL},
    {"arrays.pkl", NULL, 0, NULL},
    {"subclass.pth", NULL, 0, NULL},
};

static bool has_note(const Checkpoint *checkpoint, const char *text) {
    for (size_t i = 0; i < checkpoint_note_count(checkpoint); i++)
        if (strstr(checkpoint_note(checkpoint, i), text)) return true;
    return false;
}

static void test_same_weights(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
        Checkpoint *plain = open_good("plain.npz", NULL), *other = open_good(same[i].file, same[i].key);
        if (checkpoint_count(other) != checkpoint_count(plain) + same[i].more)
            fail_msg("%s: %zu tensors", same[i].file, checkpoint_count(other));
        check_same(plain, other, same[i].file);
        if (same[i].note && !has_note(other, same[i].note)) fail_msg("%s: no note '%s'", same[i].file, same[i].note);
        checkpoint_close(plain);
        checkpoint_close(other);
    }
}

/* With the k-th allocation, opening or reading refused, for every k: what was opened all the same has every tensor and
 * note. */
static void test_faults(void **state) {
    (void)state;
    static const unsigned kinds[] = {FAULT_ALLOC, FAULT_OPEN | FAULT_READ};
    for (size_t i = 0; i < 2 * (sizeof same / sizeof *same); i++) {
        const char *file = same[i / 2].file;
        bool through = false;
        for (uint64_t k = 1; !through; k++) {
            Error err = {0};
            fault_arm(kinds[i % 2], k, false);
            Checkpoint *net = checkpoint_open_key(text_of(FILES "%s", file), same[i / 2].key, &err);
            bool ok = net != NULL;
            for (size_t t = 0; ok && t < checkpoint_count(net); t++) {
                Tensor *tensor = checkpoint_read_tensor(net, t, &err);
                ok = tensor != NULL;
                tensor_release(tensor);
            }
            through = fault_disarm() < k;
            checkpoint_close(net);
            if (ok && !through) fail_msg("%s loads although call %llu failed", file, (unsigned long long)k);
            if (!ok && through) fail_msg("%s: %s", file, err.text);
            if (!ok && !strstr(err.text, file)) fail_msg("%s is not named: %s", file, err.text);
        }
    }
}

/* A frozen TorchScript module has nothing but constants: some of the weights, without names. */
static void test_frozen(void **state) {
    (void)state;
    Checkpoint *plain = open_good("plain.npz", NULL), *frozen = open_good("frozen.pt", NULL);
    size_t weight, length, found = 0;
    assert_true(checkpoint_find(plain, "head.1.weight", &weight));
    void *wanted = bytes_of(plain, weight, &length);
    for (size_t i = 0; i < checkpoint_count(frozen); i++) {
        size_t other;
        void *got = bytes_of(frozen, i, &other);
        found += other == length && memcmp(got, wanted, length) == 0;
        free(got);
    }
    assert_int_equal(found, 1);
    free(wanted);
    checkpoint_close(plain);
    checkpoint_close(frozen);
}

/* What is not asked for is the first one: other values. */
static void test_first_one(void **state) {
    (void)state;
    static const char *const files[] = {"ema.pth", "model_ema.pth", "teacher.pth", "folds.pth"};
    Checkpoint *plain = open_good("plain.npz", NULL);
    size_t index;
    assert_true(checkpoint_find(plain, "conv.weight", &index));
    Error err;
    Tensor *once = checkpoint_read_tensor(plain, index, &err);
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        Checkpoint *other = open_good(files[i], NULL);
        assert_true(checkpoint_find(other, "conv.weight", &index));
        Tensor *twice = checkpoint_read_tensor(other, index, &err);
        for (uint64_t k = 0; k < once->count; k++) assert_true(twice->data[k] == 2 * once->data[k]);
        tensor_release(twice);
        checkpoint_close(other);
    }
    tensor_release(once);
    checkpoint_close(plain);
}

static void test_unknown_keys(void **state) {
    (void)state;
    static const struct {
        const char *file, *key, *reason;
    } cases[] = {
        {"ema.pth", "state_dict_em",
         "no 'state_dict_em'; did you mean state_dict_ema; the file holds \"state_dict\" (9 tens"},
        {"model_ema.pth", "model_ema.modle", "no 'modle' in \"model_ema\"; did you mean module"},
        {"folds.pth", "fold2.model", "no 'fold2.model'; did you mean fold0"},
        {"ema.pth", "epoch", "it has no tensors"},
        {"plain.npz", "a", "npz has no nested dicts to choose from"},
        {"pytorch_model.bin.index.json", "a", "index has no nested dicts to choose from"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Error err;
        Checkpoint *checkpoint = checkpoint_open_key(text_of(FILES "%s", cases[i].file), cases[i].key, &err);
        assert_null(checkpoint);
        assert_int_equal(err.status, STATUS_USAGE);
        if (!strstr(err.text, cases[i].reason) || !strstr(err.text, cases[i].file)) fail_msg("%s", err.text);
    }
}

/* "." is the root as it is. */
static void test_root(void **state) {
    (void)state;
    Checkpoint *all = open_good("ema.pth", ".");
    size_t index;
    assert_int_equal(checkpoint_count(all), 19);
    assert_true(checkpoint_find(all, "state_dict_ema.conv.weight", &index));
    checkpoint_close(all);
}

static void test_types(void **state) {
    (void)state;
    static const struct {
        const char *name;
        DType dtype;
        uint64_t count;
    } wanted[] = {{"half", DTYPE_F16, 2},     {"bf16", DTYPE_BF16, 2},       {"double", DTYPE_F64, 1},
                  {"complex", DTYPE_C64, 1},  {"empty", DTYPE_F32, 0},       {"a.weight", DTYPE_F32, 6},
                  {"i8.weight", DTYPE_I8, 2}, {"mask.weight", DTYPE_BOOL, 2}};
    Checkpoint *net = open_good("dtypes.pth", NULL);
    assert_int_equal(checkpoint_count(net), sizeof wanted / sizeof *wanted);
    for (size_t i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        const CheckpointTensor *tensor = checkpoint_tensor(net, i);
        assert_string_equal(tensor->name, wanted[i].name);
        assert_int_equal(tensor->dtype, wanted[i].dtype);
        assert_int_equal(tensor->count, wanted[i].count);
    }
    checkpoint_close(net);
    Checkpoint *tied = open_good("tied.pth", NULL);
    assert_int_equal(checkpoint_tensor(tied, 1)->shares_with, 0);
    checkpoint_close(tied);
}

/* Lists of Python's numbers, which are doubles; a rank of 0 is a number beside them. */
static void test_lists(void **state) {
    (void)state;
    Checkpoint *plain = open_good("plain.npz", NULL), *lists = open_good("lists.pth", NULL);
    assert_int_equal(checkpoint_count(lists) + 1, checkpoint_count(plain));
    for (size_t i = 0; i < checkpoint_count(lists); i++) {
        const CheckpointTensor *got = checkpoint_tensor(lists, i);
        size_t index;
        Error err;
        assert_true(checkpoint_find(plain, got->name, &index));
        assert_int_equal(got->rank, checkpoint_tensor(plain, index)->rank);
        assert_int_equal(got->dtype, DTYPE_F64);
        Tensor *a = checkpoint_read_tensor(plain, index, &err), *b = checkpoint_read_tensor(lists, i, &err);
        for (unsigned d = 0; d < a->rank; d++) assert_int_equal(a->dim[d], b->dim[d]);
        assert_memory_equal(a->data, b->data, a->count * sizeof *a->data);
        tensor_release(a);
        tensor_release(b);
    }
    checkpoint_close(plain);
    checkpoint_close(lists);
}

static void test_mixed_npz(void **state) {
    (void)state;
    Checkpoint *net = open_good("mixed.npz", NULL);
    assert_int_equal(checkpoint_count(net), 1);
    assert_true(has_note(net, "\"text\" (text), \"objects\" (Python objects)"));
    Error err;
    Tensor *tensor = checkpoint_read_tensor(net, 0, &err); /* not the first member, were they counted */
    assert_non_null(tensor);
    assert_true(tensor->data[17] == 1);
    tensor_release(tensor);
    checkpoint_close(net);
}

static void test_folders(void **state) {
    (void)state;
    static const struct {
        const char *file, *reason;
    } cases[] = {
        {NULL, "is a directory: an empty folder"},
        {"notes.txt", "a folder without a checkpoint in it"},
        {"saved_model.pb", "a TensorFlow SavedModel"},
        {"Manifest.json", "a Core ML package"},
        {"best.pth", "a folder; open the file inside: best.pth"},
        {"another.pth", "open one of its files: another.pth, best.pth"},
        {"pytorch_model.bin.index.json", "a Hugging Face folder; open "},
    };
    const char *folder = scratch_path("folder");
    assert_int_equal(mkdir(folder, 0777), 0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Error err;
        if (cases[i].file) assert_true(write_bytes(text_of("%s/%s", folder, cases[i].file), "x", 1));
        assert_null(checkpoint_open(folder, &err));
        assert_int_equal(err.status, STATUS_BAD_INPUT);
        if (!strstr(err.text, cases[i].reason)) fail_msg("%s", err.text);
        if (i == 2 || i == 3) assert_int_equal(remove(text_of("%s/%s", folder, cases[i].file)), 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same_weights), cmocka_unit_test(test_frozen),       cmocka_unit_test(test_faults),
        cmocka_unit_test(test_first_one),    cmocka_unit_test(test_unknown_keys), cmocka_unit_test(test_root),
        cmocka_unit_test(test_types),        cmocka_unit_test(test_lists),        cmocka_unit_test(test_mixed_npz),
        cmocka_unit_test(test_folders),
    };
    return cmocka_run_group_tests_name("files", tests, NULL, NULL);
}
