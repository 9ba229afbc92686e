/* test_save -- what we write reads back bit for bit: by us, by NumPy and Python's zipfile, and by the few lines of
 * Python that safetensors' definition takes; what cannot be written is refused before the file is touched; a failing
 * write leaves the old one. */
#include "../support/bytes.h"
#include "../support/describe.h"
#include "format/zip.h"
#include "weft/base/dtype.h"
#include "weft/base/error.h"
#include "weft/base/fault.h"
#include "weft/base/file.h"
#include "weft/base/memory.h"
#include "weft/base/random.h"
#include "weft/base/text.h"
#include "weft/format.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

enum { VALUES = 12, BYTES_MAX = VALUES * 16 };

/* Twelve values of every type, with all the bytes a NaN's payload can have among them. */
static const uint8_t *pattern(DType dtype) {
    static uint8_t bytes[DTYPE_COUNT][BYTES_MAX];
    Rng rng = {.seed = 1, .stream = dtype};
    for (unsigned i = 0; i < BYTES_MAX; i++) bytes[dtype][i] = (uint8_t)rng_u32(&rng);
    if (dtype == DTYPE_F32) memcpy(bytes[dtype], (uint32_t[]){0x7fc12345, 0xffa00001, 0x80000000, 1}, 16);
    if (dtype == DTYPE_F64) memcpy(bytes[dtype], (uint64_t[]){0x7ff8000000012345, 0xfff4000000000001}, 16);
    if (dtype == DTYPE_F16 || dtype == DTYPE_BF16) memcpy(bytes[dtype], (uint16_t[]){0x7fc1, 0xffa5, 0x7e01, 1}, 8);
    if (dtype == DTYPE_BOOL)
        for (unsigned i = 0; i < BYTES_MAX; i++) bytes[dtype][i] &= 1;
    return bytes[dtype];
}

static const uint64_t square[] = {3, 4}, none[] = {3, 0, 2}, one[] = {1}, line[] = {VALUES};

/* Every type but `left_out`, then a scalar, an empty tensor and names that need escapes. */
static size_t all_tensors(TensorOut *out, bool (*left_out)(DType)) {
    size_t count = 0;
    for (DType dtype = 0; dtype < DTYPE_COUNT; dtype++)
        if (!left_out(dtype)) out[count++] = (TensorOut){dtype_name(dtype), dtype, 2, square, pattern(dtype)};
    out[count++] = (TensorOut){"scalar", DTYPE_F32, 0, NULL, pattern(DTYPE_F32)};
    out[count++] = (TensorOut){"none", DTYPE_F64, 3, none, NULL};
    out[count++] = (TensorOut){"a \"name\"\\ \x01 \u00e9\U0001f9f6.weight", DTYPE_U8, 1, one, pattern(DTYPE_U8)};
    return count;
}

static bool not_in_safetensors(DType dtype) {
    return dtype == DTYPE_C128;
}

static bool not_in_numpy(DType dtype) {
    return dtype == DTYPE_BF16 || (dtype >= DTYPE_F8_E4M3 && dtype <= DTYPE_F6_E3M2);
}

static void expect_tensors(const char *path, const char *format, const TensorOut *tensors, size_t count) {
    Error err = {0};
    uint8_t bytes[BYTES_MAX];
    Checkpoint *checkpoint = checkpoint_open(path, &err);
    if (!checkpoint) fail_msg("%s", err.text);
    assert_string_equal(checkpoint_format(checkpoint), format);
    assert_int_equal(checkpoint_count(checkpoint), count);
    uint64_t sum = 0;
    for (size_t i = 0; i < count; i++) {
        const CheckpointTensor *tensor = checkpoint_tensor(checkpoint, i);
        uint64_t size = tensor->count * dtype_bits(tensor->dtype) / 8;
        assert_string_equal(tensor->name, tensors[i].name);
        assert_int_equal(tensor->dtype, tensors[i].dtype);
        assert_int_equal(tensor->rank, tensors[i].rank);
        assert_int_equal(tensor->shares_with, i);
        if (tensor->rank > 0) assert_memory_equal(tensor->dim, tensors[i].dim, tensor->rank * sizeof *tensor->dim);
        assert_true(checkpoint_read(checkpoint, i, bytes, &err));
        if (size > 0) assert_memory_equal(bytes, tensors[i].data, size);
        sum += size;
    }
    assert_int_equal(checkpoint_bytes(checkpoint), sum);
    checkpoint_close(checkpoint);
}

/* ---- safetensors ------------------------------------------------------------------------------------------------- */

static void test_safetensors(void **state) {
    (void)state;
    Error err = {0};
    TensorOut tensors[DTYPE_COUNT + 3];
    size_t count = all_tensors(tensors, not_in_safetensors);
    const char *path = scratch_path("all.safetensors");
    if (!safetensors_save(path, false, tensors, count, NULL, 0, &err)) fail_msg("%s", err.text);
    expect_tensors(path, "safetensors", tensors, count);
    assert_false(safetensors_save(path, false, tensors, count, NULL, 0, &err));
    assert_int_equal(err.status, STATUS_WRITE);
    assert_non_null(strstr(err.text, "--force"));
    assert_true(safetensors_save(path, true, tensors, 0, NULL, 0, &err));
    expect_tensors(path, "safetensors", tensors, 0);
}

static void test_metadata(void **state) {
    (void)state;
    Error err = {0};
    const KeyValue metadata[] = {{(char *)"lineage", (char *)"lowpass base --cutoff 4\n\t\"quoted\" \\ \x7f"},
                                 {(char *)"", (char *)""},
                                 {(char *)"\u00e9", (char *)"\U0001f9f6"}};
    const char *path = scratch_path("metadata.safetensors");
    for (size_t count = 0; count < 2; count++) {
        TensorOut tensor = {"w", DTYPE_F32, 1, one, pattern(DTYPE_F32)};
        assert_true(safetensors_save(path, true, &tensor, count, metadata, 3, &err));
        Checkpoint *checkpoint = checkpoint_open(path, &err);
        assert_non_null(checkpoint);
        assert_int_equal(checkpoint_count(checkpoint), count);
        assert_int_equal(checkpoint_metadata_count(checkpoint), 3);
        for (size_t i = 0; i < 3; i++) {
            assert_string_equal(checkpoint_metadata(checkpoint, i)->key, metadata[i].key);
            assert_string_equal(checkpoint_metadata_find(checkpoint, metadata[i].key), metadata[i].value);
        }
        assert_null(checkpoint_metadata_find(checkpoint, "epoch"));
        checkpoint_close(checkpoint);
    }
}

/* The header's length keeps the data at a multiple of 8, whatever the names. */
static void test_alignment(void **state) {
    (void)state;
    Error err = {0};
    char name[20] = "";
    const char *path = scratch_path("aligned.safetensors");
    for (size_t length = 1; length < 18; length++) {
        size_t size;
        memset(name, 'n', length);
        TensorOut tensor = {name, DTYPE_U8, 1, one, pattern(DTYPE_U8)};
        assert_true(safetensors_save(path, true, &tensor, 1, NULL, 0, &err));
        uint8_t *bytes = (uint8_t *)file_read_all(path, 4096, &size, &err);
        assert_non_null(bytes);
        assert_int_equal(bytes[0] % 8, 0);
        assert_int_equal(size, 8u + bytes[0] + 1u);
        mem_free(bytes);
    }
}

static void refuse_safetensors(const TensorOut *tensors, size_t count, const KeyValue *metadata, const char *reason) {
    Error err = {0};
    const char *path = scratch_path("refused.safetensors");
    assert_false(safetensors_save(path, false, tensors, count, metadata, metadata ? 2 : 0, &err));
    assert_int_equal(err.status, STATUS_USAGE);
    if (!strstr(err.text, reason) || strncmp(err.text, path, strlen(path)) != 0) fail_msg("%s", err.text);
    assert_int_equal(access(path, F_OK), -1);
}

static void test_refused_safetensors(void **state) {
    (void)state;
    const uint64_t odd[] = {3}, huge[] = {UINT64_MAX, 2};
    const uint8_t *data = pattern(DTYPE_U8);
    const KeyValue same[] = {{(char *)"a", (char *)""}, {(char *)"a", (char *)""}};
    const KeyValue broken[] = {{(char *)"a", (char *)"\xff"}, {(char *)"b", (char *)""}};
    refuse_safetensors(&(TensorOut){"w", DTYPE_C128, 1, one, data}, 1, NULL, "no C128");
    refuse_safetensors(&(TensorOut){"w", DTYPE_F4, 1, odd, data}, 1, NULL, "impossible shape");
    refuse_safetensors(&(TensorOut){"w", DTYPE_F32, 2, huge, data}, 1, NULL, "impossible shape");
    refuse_safetensors(&(TensorOut){"w", DTYPE_F32, 33, line, data}, 1, NULL, "impossible shape");
    refuse_safetensors(&(TensorOut){"__metadata__", DTYPE_U8, 1, one, data}, 1, NULL, "cannot be named");
    refuse_safetensors(&(TensorOut){"\xc0", DTYPE_U8, 1, one, data}, 1, NULL, "not UTF-8");
    refuse_safetensors((TensorOut[]){{"w", DTYPE_U8, 1, one, data}, {"w", DTYPE_U8, 1, one, data}}, 2, NULL,
                       "two tensors are named \"w\"");
    static char long_name[4098];
    memset(long_name, 'w', sizeof long_name - 1);
    refuse_safetensors(&(TensorOut){long_name, DTYPE_U8, 1, one, data}, 1, NULL, "cannot be named");
    refuse_safetensors(NULL, 0, same, "two metadata keys are named \"a\"");
    refuse_safetensors(NULL, 0, broken, "not UTF-8");
}

/* Sizes that wrap together; one by one they do not. */
static void test_too_much(void **state) {
    (void)state;
    static const char names[][2] = {"a", "b", "c", "d", "e", "f", "g", "h", "i"};
    const uint64_t most[] = {UINT64_MAX / 8};
    TensorOut tensors[9];
    Error err = {0};
    Str packed = {0};
    for (size_t i = 0; i < 9; i++) tensors[i] = (TensorOut){names[i], DTYPE_U8, 1, most, pattern(DTYPE_U8)};
    assert_false(safetensors_save(scratch_path("much.safetensors"), false, tensors, 9, NULL, 0, &err));
    assert_int_equal(err.status, STATUS_LIMIT);
    assert_non_null(strstr(err.text, "too much data"));
    const FileParts parts = {.tensors = tensors, .count = 9};
    const FileSaving shards = {.shard_size = 1};
    size_t files;
    assert_false(safetensors_save_large(scratch_path("much.safetensors"), &shards, &parts, &files, &err));
    assert_int_equal(err.status, STATUS_LIMIT);
    assert_false(safetensors_pack(&parts, &packed, &err));
    str_done(&packed);
}

/* What goes to another process is what a file would hold. */
static void test_packed(void **state) {
    (void)state;
    Error err = {0};
    TensorOut tensors[DTYPE_COUNT + 3];
    const size_t count = all_tensors(tensors, not_in_safetensors);
    const FileParts parts = {.tensors = tensors, .count = count};
    const char *path = scratch_path("packed.safetensors");
    Str packed = {0};
    assert_true(safetensors_pack(&parts, &packed, &err));
    assert_true(write_bytes(path, packed.text, packed.length));
    expect_tensors(path, "safetensors", tensors, count);
    str_done(&packed);
    tensors[0].data = NULL;
    assert_false(safetensors_pack(&parts, &packed, &err));
    assert_non_null(strstr(err.text, "is not in memory"));
    str_done(&packed);
}

/* ---- npz --------------------------------------------------------------------------------------------------------- */

static void test_npz(void **state) {
    (void)state;
    Error err = {0};
    TensorOut tensors[DTYPE_COUNT + 3];
    size_t count = all_tensors(tensors, not_in_numpy);
    const char *path = scratch_path("all.npz");
    if (!npz_save(path, false, tensors, count, &err)) fail_msg("%s", err.text);
    expect_tensors(path, "npz", tensors, count);
    File *file = file_open(path, &err);
    Zip *zip = zip_open(file, &err);
    assert_non_null(zip);
    for (size_t i = 0; i < zip_count(zip); i++) assert_int_equal(zip_member(zip, i)->offset % 64, 0);
    zip_close(zip);
}

static void test_refused_npz(void **state) {
    (void)state;
    Error err = {0};
    static char long_name[4098];
    memset(long_name, 'w', sizeof long_name - 1);
    const char *path = scratch_path("refused.npz");
    const uint8_t *data = pattern(DTYPE_U8);
    const TensorOut refused[][2] = {
        {{"w", DTYPE_BF16, 1, one, data}, {"v", DTYPE_U8, 1, one, data}},
        {{"w", DTYPE_U8, 1, one, data}, {"w", DTYPE_U8, 1, one, data}},
        {{"w", DTYPE_U8, 1, one, data}, {"v", DTYPE_F32, 33, line, data}},
        {{"\xff", DTYPE_U8, 1, one, data}, {"v", DTYPE_U8, 1, one, data}},
        {{"v", DTYPE_U8, 1, one, data}, {long_name, DTYPE_U8, 1, one, data}},
    };
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++) {
        assert_false(npz_save(path, false, refused[i], 2, &err));
        assert_int_equal(err.status, STATUS_USAGE);
        assert_int_equal(strncmp(err.text, path, strlen(path)), 0);
        assert_int_equal(access(path, F_OK), -1);
    }
}

/* A member of 4 GiB or more has its sizes in a ZIP64 field; its header is enough to see that. */
static void test_wide_member(void **state) {
    (void)state;
    enum { NAME = 1, EXTRA = 30 + NAME };
    const uint64_t size = UINT64_C(5) << 30;
    const char *path = scratch_path("wide.zip");
    Error err = {0};
    ZipWriter *writer = zip_writer_begin(path, false, &err);
    assert_non_null(writer);
    assert_true(zip_writer_begin_member(writer, "w", 0, size, &err));
    assert_true(zip_writer_commit(writer, &err));
    size_t length;
    char *bytes = file_read_all(path, 1 << 20, &length, &err);
    assert_non_null(bytes);
    assert_memory_equal(bytes + 18, "\xff\xff\xff\xff\xff\xff\xff\xff", 8);
    assert_memory_equal(bytes + EXTRA, "\1\0\20\0", 4);
    for (size_t i = 0; i < 2; i++) assert_memory_equal(bytes + EXTRA + 4 + 8 * i, &size, 8);
    mem_free(bytes);
    assert_null(checkpoint_open(path, &err)); /* its data is missing */
}

/* ---- faults ------------------------------------------------------------------------------------------------------ */

static bool save_either(bool npz, const char *path, const TensorOut *tensors, size_t count, Error *err) {
    const KeyValue metadata[] = {{(char *)"a", (char *)"b"}};
    return npz ? npz_save(path, true, tensors, count, err)
               : safetensors_save(path, true, tensors, count, metadata, 1, err);
}

/* With the k-th fallible call refused, the old file stays as it was, or the new one is complete. */
static void test_faults(void **state) {
    (void)state;
    TensorOut tensors[DTYPE_COUNT + 3];
    for (int npz = 0; npz < 2; npz++) {
        size_t count = all_tensors(tensors, npz ? not_in_numpy : not_in_safetensors);
        const char *path = scratch_path(npz ? "faults.npz" : "faults.safetensors");
        for (uint64_t k = 1;; k++) {
            Error err = {0};
            size_t length = 0;
            assert_true(write_bytes(path, "the old file", 12));
            fault_arm(FAULT_ALLOC | FAULT_OPEN | FAULT_WRITE | FAULT_FSYNC | FAULT_CLOSE | FAULT_RENAME, k, false);
            bool ok = save_either(npz, path, tensors, count, &err);
            bool through = fault_disarm() < k;
            if (ok) {
                expect_tensors(path, npz ? "npz" : "safetensors", tensors, count);
                if (through) break;
                continue;
            }
            assert_true(err.status == STATUS_WRITE || err.status == STATUS_LIMIT);
            char *kept = file_read_all(path, 1 << 20, &length, &err);
            assert_non_null(kept);
            if (strcmp(kept, "the old file") != 0) expect_tensors(path, npz ? "npz" : "safetensors", tensors, count);
            mem_free(kept);
        }
    }
}

/* ---- other readers ----------------------------------------------------------------------------------------------- */

/* Runs a Python program on two paths, with the first Python that has what it imports: its exit status, 77 for none. */
static int python(const char *program, const char *first, const char *second) {
    static const char *const interpreters[] = {"python3", "/usr/bin/python3"};
    int status = 77;
    setenv("PROGRAM", program, 1);
    for (size_t i = 0; i < 2 && (status == 77 || status == 127); i++) {
        int ended = system(text_of("%s -c \"$PROGRAM\" %s %s", interpreters[i], first, second));
        status = WIFEXITED(ended) ? WEXITSTATUS(ended) : -1;
    }
    return status == 127 ? 77 : status;
}

static void expect_python(const char *program, const char *first, const char *second) {
    int status = python(program, first, second);
    if (status == 77) {
        print_message("# no python3 with the modules it takes (python3-numpy)\n");
        skip();
    }
    assert_int_equal(status, 0);
}

/* Writes what we read from `path`. */
static void put_description(const char *path, const char *out) {
    Error err = {0};
    Str text = {0};
    Checkpoint *checkpoint = checkpoint_open(path, &err);
    assert_non_null(checkpoint);
    assert_true(describe(checkpoint, &text, &err));
    assert_true(write_bytes(out, text.text, text.length));
    checkpoint_close(checkpoint);
    str_done(&text);
}

/* NumPy must come to the description that we come to (which test_npz compares with the tensors themselves). */
static void test_numpy_reads_npz(void **state) {
    (void)state;
    static const char program[] =
        "import sys\n"
        "try:\n"
        "    import numpy as np\n"
        "except ImportError:\n"
        "    sys.exit(77)\n"
        "import zipfile\n"
        "names = dict(b1='BOOL', i1='I8', u1='U8', i2='I16', u2='U16', i4='I32', u4='U32', i8='I64', u8='U64',\n"
        "             f2='F16', f4='F32', f8='F64', c8='C64', c16='C128')\n"
        "assert zipfile.ZipFile(sys.argv[1]).testzip() is None\n"
        "arrays, text = np.load(sys.argv[1], allow_pickle=False), ''\n"
        "for name in arrays.files:\n"
        "    a = arrays[name]\n"
        "    shape = '[' + ','.join(map(str, a.shape)) + ']'\n"
        "    text += '\\t'.join([name, names[a.dtype.str[1:]], shape, a.tobytes().hex()]) + '\\n'\n"
        "sys.exit(text != open(sys.argv[2], newline='').read())\n";
    Error err = {0};
    TensorOut tensors[DTYPE_COUNT + 3];
    size_t count = all_tensors(tensors, not_in_numpy);
    const char *path = scratch_path("numpy.npz"), *expected = scratch_path("numpy.txt");
    assert_true(npz_save(path, false, tensors, count, &err));
    put_description(path, expected);
    expect_python(program, path, expected);
}

/* By the format's definition alone, in Python: the header is JSON, and each range holds the bytes. */
static void test_python_reads_safetensors(void **state) {
    (void)state;
    static const char program[] =
        "import sys, json, struct\n"
        "data = open(sys.argv[1], 'rb').read()\n"
        "n = struct.unpack('<Q', data[:8])[0]\n"
        "header, data = json.loads(data[8:8 + n]), data[8 + n:]\n"
        "assert header.pop('__metadata__') == {'a': 'b'}\n"
        "text = ''\n"
        "for name, about in header.items():\n"
        "    begin, end = about['data_offsets']\n"
        "    shape = '[' + ','.join(map(str, about['shape'])) + ']'\n"
        "    text += '\\t'.join([name, about['dtype'], shape, data[begin:end].hex()]) + '\\n'\n"
        "sys.exit(text != open(sys.argv[2], newline='').read())\n";
    Error err = {0};
    TensorOut tensors[DTYPE_COUNT + 3];
    size_t count = all_tensors(tensors, not_in_safetensors);
    const char *path = scratch_path("python.safetensors"), *expected = scratch_path("python.txt");
    assert_true(save_either(false, path, tensors, count, &err));
    put_description(path, expected);
    expect_python(program, path, expected);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_safetensors),     cmocka_unit_test(test_metadata),
        cmocka_unit_test(test_alignment),       cmocka_unit_test(test_refused_safetensors),
        cmocka_unit_test(test_too_much),        cmocka_unit_test(test_packed),
        cmocka_unit_test(test_wide_member),     cmocka_unit_test(test_npz),
        cmocka_unit_test(test_refused_npz),     cmocka_unit_test(test_faults),
        cmocka_unit_test(test_numpy_reads_npz), cmocka_unit_test(test_python_reads_safetensors),
    };
    return cmocka_run_group_tests_name("save", tests, NULL, NULL);
}
