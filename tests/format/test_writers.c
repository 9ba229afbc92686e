/* test_writers -- every writer with each of its file operations refused, each write cut short, and with more than the
 * buffer of a save holds, so that the refusal comes in the middle; a refused save leaves the old file as it was and no
 * other behind. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "../support/bytes.h"
#include "format/zip.h"
#include "weft/base/error.h"
#include "weft/base/fault.h"
#include "weft/base/memory.h"
#include "weft/base/random.h"
#include "weft/format.h"
#include "weft/format/onnx.h"

#include <dirent.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LARGE = 66 << 10, TENSORS = 3, NODES = 20, NAME = 4000 }; /* more than the buffer of a save holds */
static uint8_t noise[LARGE];
static const uint64_t dim[] = {LARGE / 4};
static TensorOut tensors[TENSORS];

static bool save_safetensors(const char *path, Error *err) {
    static char value[LARGE];
    const KeyValue metadata = {(char *)(uintptr_t) "key", value};
    memset(value, 'v', sizeof value - 1);
    return safetensors_save(path, true, tensors, TENSORS, &metadata, 1, err);
}

static bool save_npz(const char *path, Error *err) {
    return npz_save(path, true, tensors, TENSORS, err);
}

static bool save_onnx(const char *path, Error *err) {
    OnnxWriter writer = {0};
    const KeyValue metadata = {(char *)(uintptr_t) "key", (char *)(uintptr_t) "value"};
    static char name[NAME + 1];
    memset(name, 'n', NAME);
    for (size_t i = 0; i < TENSORS; i++) onnx_tensor(&writer, &tensors[i], err);
    for (size_t i = 0; i < NODES; i++) {
        onnx_node_input(&writer, "input");
        onnx_node_output(&writer, "logits");
        onnx_node(&writer, "Identity", name);
        onnx_node_end(&writer);
        onnx_value(&writer, true, name, 1, (int64_t[]){ONNX_ANY_SIZE});
    }
    onnx_value(&writer, false, "input", 1, (int64_t[]){ONNX_ANY_SIZE});
    onnx_value(&writer, true, "logits", 1, (int64_t[]){ONNX_ANY_SIZE});
    return onnx_save(&writer, path, true, &metadata, 1, err);
}

static bool save_idx(const char *path, bool gzip, Error *err) {
    IdxArray array = {.dtype = DTYPE_U8, .rank = 1, .dim = {LARGE}, .entries = LARGE, .count = LARGE, .data = noise};
    return idx_save(path, true, gzip, &array, err);
}

static bool save_plain_idx(const char *path, Error *err) {
    return save_idx(path, false, err);
}

static bool save_gzip(const char *path, Error *err) {
    return save_idx(path, true, err);
}

/* Members without bytes, whose headers and directory are longer than a buffer. */
static bool save_zip(const char *path, Error *err) {
    static char name[NAME + 8];
    memset(name, 'n', NAME);
    ZipWriter *writer = zip_writer_begin(path, true, err);
    bool done = writer != NULL;
    for (unsigned i = 0; done && i < NODES; i++) {
        snprintf(name + NAME, 8, "%u", i);
        done = zip_writer_add(writer, name, NULL, NULL, 0, err);
    }
    if (done) return zip_writer_commit(writer, err);
    zip_writer_abandon(writer);
    return false;
}

static const struct {
    const char *name;
    bool (*save)(const char *path, Error *err);
} writers[] = {{"w.safetensors", save_safetensors}, {"w.npz", save_npz},    {"w.onnx", save_onnx}, {"w.zip", save_zip},
               {"w.idx", save_plain_idx},           {"w.idx.gz", save_gzip}};

static unsigned files_here(void) {
    DIR *folder = opendir(scratch_folder());
    unsigned count = 0;
    assert_non_null(folder);
    while (readdir(folder)) count++;
    closedir(folder);
    return count;
}

static void *contents(const char *path, size_t *length) {
    static uint8_t bytes[2][8 * LARGE];
    static unsigned turn;
    FILE *file = fopen(path, "rb");
    uint8_t *out = bytes[turn++ % 2];
    assert_non_null(file);
    *length = fread(out, 1, sizeof bytes[0], file);
    assert_true(*length < sizeof bytes[0]);
    fclose(file);
    return out;
}

/* What a fault did: refused, and then the old file is there; or not, and then the new one, which is the same. */
static void refuse(size_t which, unsigned kind, bool all_after) {
    const char *path = scratch_path(writers[which].name);
    Error err = {0};
    size_t length, now;
    assert_true(writers[which].save(path, &err));
    const void *wanted = contents(path, &length);
    const unsigned files = files_here();
    bool over = false;
    for (uint64_t nth = 1; !over; nth++) {
        memset(&err, 0, sizeof err);
        fault_arm(kind, nth, all_after);
        const bool done = writers[which].save(path, &err);
        over = fault_disarm() < nth;
        const bool harmless = kind == FAULT_SHORT || kind == FAULT_INTERRUPTED;
        if (over || harmless) assert_true(done);
        if (!over && !harmless && done && kind != FAULT_CLOSE)
            fail_msg("%s: kind %u, call %u", path, kind, (unsigned)nth);
        if (!done) assert_non_null(strstr(err.text, kind == FAULT_ALLOC ? "memory" : path));
        assert_memory_equal(contents(path, &now), wanted, length);
        assert_int_equal(now, length);
        assert_int_equal(files_here(), files);
        assert_true(nth < 1000);
    }
}

static void faults(void **state) {
    (void)state;
    static const unsigned kinds[] = {FAULT_ALLOC, FAULT_OPEN,   FAULT_WRITE, FAULT_FSYNC,
                                     FAULT_CLOSE, FAULT_RENAME, FAULT_SHORT, FAULT_INTERRUPTED};
    for (size_t w = 0; w < sizeof writers / sizeof *writers; w++)
        for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) refuse(w, kinds[k], k % 2 == 0);
}

/* What cannot be written is refused with the tensor's name before the file is touched. */
static void refused(void **state) {
    (void)state;
    static const uint64_t wide[] = {UINT64_C(1) << 40, UINT64_C(1) << 40}, long_one[] = {UINT64_C(1) << 62};
    static const uint64_t giant[] = {UINT64_C(1) << 30}, one[] = {1};
    const struct {
        TensorOut tensor;
        const char *reason;
    } cases[] = {{{"t", DTYPE_F6_E2M3, 1, one, noise}, "ONNX has no"},
                 {{"t", DTYPE_F32, 2, wide, noise}, "impossible shape"},
                 {{"t", DTYPE_F64, 1, long_one, noise}, "impossible shape"},
                 {{"t", DTYPE_F32, 1, giant, noise}, "an ONNX file holds at most 2 GiB"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Error err = {0};
        OnnxWriter writer = {0};
        const char *path = scratch_path("refused.onnx");
        onnx_tensor(&writer, &cases[i].tensor, &err);
        assert_false(onnx_save(&writer, path, true, NULL, 0, &err));
        if (!strstr(err.text, cases[i].reason)) fail_msg("%s, not %s", err.text, cases[i].reason);
        assert_int_equal(access(path, F_OK), -1);
    }
}

/* Names of members that no zip may have, and lengths that no zip can say. */
static void zip_members(void **state) {
    (void)state;
    static char long_name[5000];
    memset(long_name, 'n', sizeof long_name - 1);
    const char *const names[] = {"", long_name, "\xff"};
    const char *path = scratch_path("members.zip");
    for (size_t i = 0; i < 3; i++) {
        Error err = {0};
        ZipWriter *writer = zip_writer_begin(path, true, &err);
        assert_non_null(writer);
        assert_false(zip_writer_add(writer, names[i], (const void *[]){"a"}, (uint64_t[]){1}, 1, &err));
        zip_writer_abandon(writer);
    }
    Error err = {0};
    ZipWriter *writer = zip_writer_begin(path, true, &err);
    assert_false(zip_writer_add(writer, "a", (const void *[]){"a", "b"}, (uint64_t[]){1, UINT64_MAX}, 2, &err));
    zip_writer_abandon(writer);
    zip_writer_abandon(NULL);
    writer = zip_writer_begin(path, true, &err);
    assert_true(zip_writer_commit(writer, &err)); /* without members */
}

int main(void) {
    Rng rng = {.seed = 1};
    static const char *const names[TENSORS] = {"a", "b", "c"};
    for (size_t i = 0; i < LARGE; i++) noise[i] = (uint8_t)rng_u32(&rng);
    for (size_t i = 0; i < TENSORS; i++) tensors[i] = (TensorOut){names[i], DTYPE_F32, 1, dim, noise};
    scratch_folder();
    const struct CMUnitTest tests[] = {cmocka_unit_test(faults), cmocka_unit_test(refused),
                                       cmocka_unit_test(zip_members)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
