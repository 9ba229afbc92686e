/* test_checkpoint -- what files are taken for, DataParallel's prefix, the memory budget, indexes and their shards. */
#include "../support/bytes.h"
#include "../support/describe.h"
#include "format/checkpoint.h"
#include "weft/base/dtype.h"
#include "weft/base/error.h"
#include "weft/base/file.h"
#include "weft/base/memory.h"
#include "weft/base/tensor.h"
#include "weft/format.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

static Checkpoint *open_or_fail(const char *path) {
    Error err = {0};
    Checkpoint *checkpoint = checkpoint_open(path, &err);
    if (!checkpoint) fail_msg("%s", err.text);
    return checkpoint;
}

/* ---- kinds ------------------------------------------------------------------------------------------------------- */

static FileKind kind_of(const void *bytes, size_t length) {
    Error err = {0};
    FileKind kind = FILE_UNKNOWN;
    File *file = file_memory("bytes", bytes, length, &err);
    assert_non_null(file);
    if (!file_kind(file, &kind, &err)) fail_msg("%s", err.text);
    file_close(file);
    return kind;
}

#define KIND(text) kind_of(text, sizeof(text) - 1)

static void test_kinds(void **state) {
    (void)state;
    assert_int_equal(KIND("\2\0\0\0\0\0\0\0{}"), FILE_SAFETENSORS);
    assert_int_equal(KIND("\4\0\0\0\0\0\0\0 {} "), FILE_SAFETENSORS);
    assert_int_equal(KIND("\377\377\377\377\377\377\377\377{}"), FILE_SAFETENSORS); /* so that the length is blamed */
    assert_int_equal(KIND("{\"weight_map\":{}}"), FILE_SHARD_INDEX);
    assert_int_equal(KIND(" {\"a\":{\"b\":1},\"weight_map\":{}}"), FILE_SHARD_INDEX);
    assert_int_equal(KIND("{\"a\":{\"b\":1}}"), FILE_TEXT);
    assert_int_equal(KIND("PK\3\4"), FILE_ZIP);
    assert_int_equal(KIND("PK\5\6"), FILE_ZIP);
    assert_int_equal(KIND("\223NUMPY\1\0"), FILE_NPY);
    assert_int_equal(KIND("\37\213\10\0"), FILE_GZIP);
    assert_int_equal(KIND("\0\0\10\3\0\0\0\1"), FILE_IDX);
    assert_int_equal(KIND("\0\0\10\11\0\0\0\1"), FILE_UNKNOWN);
    assert_int_equal(KIND("\200\2\212\12\154\374\234\106\371\040\152\250\120\031."), FILE_TORCH_LEGACY);
    assert_int_equal(KIND("\200\4\225\15\0\0\0\0\0\0\0\212\12\154\374\234\106\371\040\152\250\120\031."),
                     FILE_TORCH_LEGACY);
    assert_int_equal(KIND("\200\2}q\1."), FILE_PICKLE);
    assert_int_equal(KIND("# a script\nload net base \u00e9\n"), FILE_TEXT);
    assert_int_equal(KIND("\377\376text"), FILE_UNKNOWN);
    assert_int_equal(KIND("\0"), FILE_UNKNOWN);
}

/* A header of 0x0280 bytes begins as a pickle does. */
static void test_header_like_a_pickle(void **state) {
    (void)state;
    Bytes bytes = {0};
    bytes_le(&bytes, 0x0280, 8);
    bytes_fill(&bytes, '{', 1);
    bytes_fill(&bytes, ' ', 0x0280 - 2);
    bytes_fill(&bytes, '}', 1);
    assert_int_equal(kind_of(bytes.data, bytes.length), FILE_SAFETENSORS);
    bytes_done(&bytes);
}

/* Text of which only the beginning is looked at, and which is cut within a character there. */
static void test_long_text(void **state) {
    (void)state;
    Bytes bytes = {0};
    for (size_t shift = 0; shift < 4; shift++) {
        bytes_fill(&bytes, '#', shift);
        for (int i = 0; i < 20000; i++) bytes_add(&bytes, "\U0001f9f6", 4);
        assert_int_equal(kind_of(bytes.data, bytes.length), FILE_TEXT);
        bytes_done(&bytes);
    }
}

/* ---- names ------------------------------------------------------------------------------------------------------- */

static const uint64_t two[] = {2};
static const float values[] = {1, 2};

static void save_pair(const char *path, const char *first, const char *second) {
    Error err = {0};
    const TensorOut tensors[] = {{first, DTYPE_F32, 1, two, values}, {second, DTYPE_F32, 1, two, values}};
    assert_true(safetensors_save(path, true, tensors, 2, NULL, 0, &err));
}

/* Names are as the file has them: what wrappers put before them is for whoever reads a network. */
static void test_module_prefix(void **state) {
    (void)state;
    const char *path = scratch_path("module.safetensors");
    save_pair(path, "module.w", "module.b");
    Checkpoint *checkpoint = open_or_fail(path);
    assert_string_equal(checkpoint_tensor(checkpoint, 0)->name, "module.w");
    assert_int_equal(checkpoint_note_count(checkpoint), 0);
    checkpoint_close(checkpoint);
}

/* ---- indexes ----------------------------------------------------------------------------------------------------- */

static void test_index(void **state) {
    (void)state;
    Error err = {0};
    size_t index;
    static const char text[] =
        "{\"weight_map\":{\"module.w\":\"one\",\"c\":\"two\",\"d\":\"two\",\"module.b\":\"one\"},"
        "\"metadata\":{\"total_size\":32,\"other\":-1.5e3,\"list\":[1,\"a\",{}]}}";
    const char *path = scratch_path("index.json");
    save_pair(scratch_path("one"), "module.w", "module.b");
    save_pair(scratch_path("two"), "c", "d");
    assert_true(write_bytes(path, text, sizeof text - 1));
    Checkpoint *checkpoint = open_or_fail(path);
    assert_string_equal(checkpoint_format(checkpoint), "safetensors index");
    assert_int_equal(checkpoint_count(checkpoint), 4);
    assert_string_equal(checkpoint_tensor(checkpoint, 0)->name, "module.w");
    assert_string_equal(checkpoint_tensor(checkpoint, 3)->name, "module.b");
    assert_int_equal(checkpoint_note_count(checkpoint), 0);
    assert_true(checkpoint_find(checkpoint, "d", &index));
    Tensor *tensor = checkpoint_read_tensor(checkpoint, index, &err);
    assert_non_null(tensor);
    assert_memory_equal(tensor->data, values, sizeof values);
    tensor_release(tensor);
    assert_int_equal(truncate(scratch_path("two"), 20), 0);
    assert_null(checkpoint_read_tensor(checkpoint, index, &err));
    assert_non_null(strstr(err.text, "/two: file changed while reading"));
    assert_int_equal(strncmp(err.text, path, strlen(path)), 0);
    checkpoint_close(checkpoint);
    assert_null(checkpoint_open(path, &err));
    assert_non_null(strstr(err.text, "shard \"two\""));
}

/* A shard may be a symbolic link to another folder, as in Hugging Face's cache. */
static void test_linked_shard(void **state) {
    (void)state;
    static const char text[] = "{\"weight_map\":{\"a\":\"link\",\"b\":\"link\"}}";
    const char *path = scratch_path("linked.json");
    save_pair(scratch_path("blob"), "a", "b");
    assert_int_equal(symlink(scratch_path("blob"), scratch_path("link")), 0);
    assert_true(write_bytes(path, text, sizeof text - 1));
    checkpoint_close(open_or_fail(path));
}

/* Small faults of an index's JSON, each refused. */
static void test_index_grammar(void **state) {
    (void)state;
    static const char *const texts[] = {
        "{\"weight_map\":{}} x",
        "{\"weight_map\":[]}",
        "{\"weight_map\":{\"a\":1}}",
        "{\"weight_map\":{},}",
        "{\"weight_map\":{\"a\":\"x\",}}",
        "{\"weight_map\":{},\"x\":}",
        "{\"weight_map\":{},\"x\":-}",
        "{\"weight_map\":{},\"x\":01}",
        "{\"weight_map\":{},\"x\":1.}",
        "{\"weight_map\":{},\"x\":1e}",
        "{\"weight_map\":{},\"x\":[1 2]}",
        "{\"weight_map\":{},\"x\":[1}",
        "{\"weight_map\":{},\"x\":{\"a\" 1}}",
        "{\"weight_map\":{},\"x\":\"\\x\"}",
        "{\"weight_map\":{},\"x\":\"\\u12g4\"}",
        "{\"weight_map\":{},\"x\":\"\\udc00\"}",
        "{\"weight_map\":{},\"x\":\"\\ud800\\u0041\"}",
        "{\"weight_map\":{},\"x\":\"\\ud800x\"}",
        "{\"weight_map\":{},\"x\":\"\t\"}",
        "{\"weight_map\":{},\"x\":\"",
        "{\"weight_map\":{},\"x\":tru}",
        "{\"weight_map\":{},\"metadata\":{},\"metadata\":{}}",
        "{\"weight_map\":{\"a\":\"\"}}",
        "{\"x\":\"\\\"weight_map\\\"\"} \"weight_map\"",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        Error err = {0};
        File *file = file_memory("index", texts[i], strlen(texts[i]), &err);
        assert_non_null(file);
        Checkpoint *checkpoint = checkpoint_parse(file, &err);
        if (checkpoint) fail_msg("accepted: %s", texts[i]);
        if (err.status != STATUS_BAD_INPUT || strncmp(err.text, "index: ", 7) != 0)
            fail_msg("%s: %s", texts[i], err.text);
    }
    static const char good[] = "{\"x\":[null,true,false,-0.5E+7,0,\"\\ud83e\\uddf6\\n\\u00e9\\u0041\",[],{}],"
                               "\"metadata\":7,\"weight_map\":{}}";
    Error err = {0};
    Checkpoint *checkpoint = checkpoint_parse(file_memory("index", good, sizeof good - 1, &err), &err);
    if (!checkpoint) fail_msg("%s", err.text);
    assert_int_equal(checkpoint_count(checkpoint), 0);
    checkpoint_close(checkpoint);
}

/* ---- memory ------------------------------------------------------------------------------------------------------ */

static void test_budget(void **state) {
    (void)state;
    enum { COUNT = 300000 };
    Error err = {0};
    const uint64_t dim[] = {COUNT};
    static const uint8_t data[COUNT * 8];
    const char *path = scratch_path("budget.safetensors");
    const TensorOut tensors[] = {{"half", DTYPE_F16, 1, dim, data}, {"double", DTYPE_F64, 1, dim, data}};
    assert_true(safetensors_save(path, true, tensors, 2, NULL, 0, &err));
    Checkpoint *checkpoint = open_or_fail(path);
    assert_int_equal(checkpoint_bytes(checkpoint), COUNT * 10);
    mem_set_budget(COUNT * 7);
    Tensor *tensor = checkpoint_read_tensor(checkpoint, 0, &err);
    assert_non_null(tensor);
    tensor_release(tensor);
    assert_null(checkpoint_read_tensor(checkpoint, 1, &err));
    assert_int_equal(err.status, STATUS_LIMIT);
    assert_non_null(strstr(err.text, "budget.safetensors: loading tensor \"double\" needs"));
    mem_set_budget(0);
    checkpoint_close(checkpoint);
}

/* What no reader may add, whatever its format allows. */
static void test_refused_tensors(void **state) {
    (void)state;
    static char long_name[4097];
    memset(long_name, 'w', sizeof long_name);
    const uint64_t ones[33] = {1, 1}, huge[] = {UINT64_MAX, 2}, bits[] = {UINT64_MAX / 16};
    const struct {
        const char *name;
        size_t length;
        DType dtype;
        unsigned rank;
        const uint64_t *dim;
        Status status;
        const char *reason;
    } cases[] = {
        {long_name, 4097, DTYPE_F32, 1, ones, STATUS_LIMIT, "a tensor's name has 4097 bytes"},
        {"a\0b", 3, DTYPE_F32, 1, ones, STATUS_BAD_INPUT, "the name is not UTF-8 text"},
        {"\xff", 1, DTYPE_F32, 1, ones, STATUS_BAD_INPUT, "the name is not UTF-8 text"},
        {"w", 1, DTYPE_F32, 33, ones, STATUS_LIMIT, "rank 33, limit 32"},
        {"w", 1, DTYPE_F32, 2, huge, STATUS_BAD_INPUT, "has too many bytes"},
        {"w", 1, DTYPE_F32, 1, bits, STATUS_BAD_INPUT, "has too many bytes"},
        {"w", 1, DTYPE_F4, 1, ones, STATUS_BAD_INPUT, "do not fill whole bytes"},
    };
    Error err;
    Checkpoint *checkpoint = checkpoint_new(NULL, "some/file", "test", &err);
    assert_non_null(checkpoint);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_false(checkpoint_add(checkpoint, cases[i].name, cases[i].length, cases[i].dtype, cases[i].rank,
                                    cases[i].dim, &err));
        assert_int_equal(err.status, cases[i].status);
        if (!strstr(err.text, cases[i].reason)) fail_msg("%s", err.text);
    }
    assert_int_equal(checkpoint_count(checkpoint), 0);
    assert_false(checkpoint_find(checkpoint, "w", &(size_t){0}));
    checkpoint_close(checkpoint);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kinds),           cmocka_unit_test(test_header_like_a_pickle),
        cmocka_unit_test(test_long_text),       cmocka_unit_test(test_module_prefix),
        cmocka_unit_test(test_index),           cmocka_unit_test(test_linked_shard),
        cmocka_unit_test(test_index_grammar),   cmocka_unit_test(test_budget),
        cmocka_unit_test(test_refused_tensors),
    };
    return cmocka_run_group_tests_name("checkpoint", tests, NULL, NULL);
}
