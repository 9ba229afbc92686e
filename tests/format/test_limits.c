/* test_limits -- what is too much for a format, in files that are mostly holes; files that change between two reads;
 * reading that is cancelled; JSON that ends anywhere. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "../support/bytes.h"
#include "format/gzip.h"
#include "weft/base/dtype.h"
#include "weft/base/error.h"
#include "weft/base/fault.h"
#include "weft/base/file.h"
#include "weft/base/memory.h"
#include "weft/base/random.h"
#include "weft/base/task.h"
#include "weft/base/text.h"
#include "weft/format.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void refuses(const char *path, Status status, const char *reason) {
    Error err = {0};
    Checkpoint *checkpoint = checkpoint_open(path, &err);
    if (checkpoint || err.status != status || !strstr(err.text, reason))
        fail_msg("%s: '%s', not '%s'", path, checkpoint ? "loads" : err.text, reason);
}

/* ---- zip --------------------------------------------------------------------------------------------------------- */

/* A directory of holes, and the end records that count it. */
static const char *put_directory(uint64_t count, uint64_t size, uint64_t offset, uint64_t locator_offset) {
    Bytes end = {0};
    const char *path = scratch_path("directory.zip");
    bytes_add(&end, "PK\6\6", 4);
    bytes_le(&end, 44, 8);
    bytes_le(&end, 45, 2);
    bytes_le(&end, 45, 2);
    bytes_le(&end, 0, 8);
    bytes_le(&end, count, 8);
    bytes_le(&end, count, 8);
    bytes_le(&end, size, 8);
    bytes_le(&end, offset, 8);
    bytes_add(&end, "PK\6\7\0\0\0\0", 8);
    bytes_le(&end, locator_offset, 8);
    bytes_le(&end, 1, 4);
    bytes_add(&end, "PK\5\6\0\0\0\0\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\0\0", 22);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite("PK\3\4", 1, 4, file), 4);
    assert_int_equal(fseek(file, (long)size + 4, SEEK_SET), 0);
    assert_int_equal(fwrite(end.data, 1, end.length, file), end.length);
    assert_int_equal(fclose(file), 0);
    bytes_done(&end);
    return path;
}

static void zip_directories(void **state) {
    (void)state;
    const uint64_t members = 1000001, large = (256 << 20) + 1;
    refuses(put_directory(members, 46 * members, 4, 46 * members + 4), STATUS_LIMIT,
            "a directory of 1000001 members, 46000046 bytes; limits 1000000 and 268435456");
    refuses(put_directory(1, large, 4, large + 4), STATUS_LIMIT, "a directory of 1 members, 268435457 bytes; limits");
    refuses(put_directory(1, 100, UINT64_MAX - 50, 104), STATUS_BAD_INPUT, "does not end where the end record begins");
    refuses(put_directory(1, 100, 4, 103), STATUS_BAD_INPUT, "the ZIP64 end record is not in front of its locator");
    refuses(put_directory(1, 100, 4, 104), STATUS_BAD_INPUT, "damaged directory");
    /* a locator with nothing in front of it, an end record without even that, and no end record */
    assert_true(write_bytes(scratch_path("end.zip"),
                            "PK\3\4PK\6\7\0\0\0\0\0\0\0\0\0\0\0\0\1\0\0\0"
                            "PK\5\6\0\0\0\0\1\0\1\0\0\0\0\0\0\0\0\0\0\0",
                            46));
    refuses(scratch_path("end.zip"), STATUS_BAD_INPUT, "not in front of its locator");
    assert_true(write_bytes(scratch_path("end.zip"), "PK\3\4PK\5\6\0\0\0\0\1\0\1\0\0\0\0\0\0\0\0\0\0\0", 26));
    refuses(scratch_path("end.zip"), STATUS_BAD_INPUT, "does not end where");
    assert_true(write_bytes(scratch_path("end.zip"), "PK\3\4nothing", 11));
    refuses(scratch_path("end.zip"), STATUS_BAD_INPUT, "zip");
}

/* ---- shards ------------------------------------------------------------------------------------------------------ */

static void indices(void **state) {
    (void)state;
    static const char map[] = "{\"metadata\": {}, \"weight_map\": {\"a\": \"a.safetensors\"}}";
    const char *path = scratch_path("model.safetensors.index.json");
    Str text = {0};
    for (size_t i = 0; i < 100000; i++)
        str_add(&text, i == 0 ? map : " "); /* as far as anyone looks to tell its kind */
    assert_true(write_bytes(path, text.text, text.length));
    assert_int_equal(truncate(path, 100000001), 0);
    text.length = 0;
    refuses(path, STATUS_LIMIT, "an index of 100000001 bytes, limit 100000000");
    str_add(&text, "{\"weight_map\": {");
    for (int i = 0; i <= 1000; i++) str_addf(&text, "%s\"w%d\": \"s%d.safetensors\"", i ? ", " : "", i, i);
    str_add(&text, "}}");
    assert_true(write_bytes(path, text.text, text.length));
    refuses(path, STATUS_LIMIT, "more than 1000 shards");
    str_done(&text);
    static const struct {
        const char *text, *reason;
    } cases[] = {
        {"{\"weight_map\": 3}", "expected '{'"},
        {"{\"weight_map\": {\"a\": 3}}", "expected '\"'"},
        {"{\"weight_map\": {\"a\": \"\"}}", "is not the plain name"},
        {"{\"weight_map\": {\"a\": \".\"}}", "is not the plain name"},
        {"{\"weight_map\": {\"a\": \"~x\"}}", "is not the plain name"},
        {"{\"weight_map\": {\"a\": \"none.safetensors\"}", "JSON"},
        {"{\"weight_map\": {\"a\": \"none.safetensors\"}} x", "text after the last brace"},
        {"{\"weight_map\": {\"a\": \"none.safetensors\"}, \"metadata\": {\"total_size\": 1", "JSON"},
        {"{\"weight_map\": {\"a\": \"none.safetensors\"}, \"metadata\": {\"total_size\": 1.5, \"b\": [}", "JSON"},
        {"{\"weight_map\": {\"a\": \"none.safetensors\"}, \"metadata\": {}, \"metadata\": {}}", "appears twice"},
        {"{\"weight_map\": {\"a\": \"none.safetensors\"}, \"metadata\": 3}", "missing or unreadable shards"},
        {"{\"weight_map\": {\"a\": \"none.safetensors\"}, \"weight_map\": {}}", "appears twice"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_true(write_bytes(path, cases[i].text, strlen(cases[i].text)));
        refuses(path, STATUS_BAD_INPUT, cases[i].reason);
    }
}

/* Two shards with metadata and a note: any allocation and any file operation that fails. */
static void index_faults(void **state) {
    (void)state;
    static const unsigned kinds[] = {FAULT_ALLOC, FAULT_OPEN, FAULT_READ};
    static const char map[] = "{\"metadata\": {\"total_size\": 9}, \"weight_map\": {\"a\": \"one.safetensors\", "
                              "\"b\": \"two.safetensors\"}}";
    const char *path = scratch_path("model.safetensors.index.json");
    static const float number;
    Error err = {0};
    const KeyValue metadata[] = {{(char *)(uintptr_t) "k", (char *)(uintptr_t) "v"}};
    const TensorOut tensors[] = {
        {"a", DTYPE_F32, 0, NULL, &number}, {"b", DTYPE_F32, 0, NULL, &number}, {"c", DTYPE_F32, 0, NULL, &number}};
    assert_true(write_bytes(path, map, sizeof map - 1));
    assert_true(safetensors_save(scratch_path("one.safetensors"), true, tensors, 1, metadata, 1, &err));
    assert_true(safetensors_save(scratch_path("two.safetensors"), true, tensors + 1, 2, NULL, 0, &err));
    for (size_t k = 0; k < 3; k++) {
        bool over = false;
        for (uint64_t nth = 1; !over; nth++) {
            fault_arm(kinds[k], nth, false);
            Checkpoint *checkpoint = checkpoint_open(path, &err);
            over = fault_disarm() < nth;
            if (over != (checkpoint != NULL)) fail_msg("kind %u, call %d: %s", kinds[k], (int)nth, err.text);
            if (over) assert_int_equal(checkpoint_note_count(checkpoint), 2);
            checkpoint_close(checkpoint);
        }
    }
}

/* ---- safetensors ------------------------------------------------------------------------------------------------- */

static const uint64_t ten[] = {10}, wide[] = {UINT64_C(1) << 32, UINT64_C(1) << 32}, long_one[] = {UINT64_C(1) << 62};
static const uint64_t giant[] = {UINT64_C(1) << 60};

static void shards_to_write(void **state) {
    (void)state;
    enum { MANY = 514 };
    static TensorOut tensors[MANY];
    static char names[MANY][8];
    static const float numbers[10];
    const FileSaving saving = {.overwrite = true, .shard_size = 1};
    const char *path = scratch_path("large.safetensors");
    FileParts parts = {.tensors = tensors, .count = MANY};
    Error err = {0};
    size_t files = 0;
    for (size_t i = 0; i < MANY; i++) {
        snprintf(names[i], sizeof names[i], "w%zu", i);
        tensors[i] = (TensorOut){names[i], DTYPE_F32, 1, ten, numbers};
    }
    assert_false(safetensors_save_large(path, &saving, &parts, &files, &err));
    assert_non_null(strstr(err.text, "514 shards are too many, limit 512"));
    assert_int_equal(access(path, F_OK), -1);
    parts.count = 2;
    tensors[1].dim = long_one;
    assert_false(safetensors_save_large(path, &saving, &parts, &files, &err));
    assert_non_null(strstr(err.text, "\"w1\": impossible shape"));
    parts.count = 16;
    for (size_t i = 0; i < parts.count; i++) tensors[i] = (TensorOut){names[i], DTYPE_U8, 1, giant, numbers};
    for (int shards = 0; shards < 2; shards++) {
        const FileSaving one = {.overwrite = true, .shard_size = shards ? UINT64_C(1) << 61 : 0};
        assert_false(safetensors_save_large(path, &one, &parts, &files, &err));
        assert_non_null(strstr(err.text, "too much data"));
    }
}

static void not_written(void **state) {
    (void)state;
    static const float numbers[10];
    const struct {
        TensorOut tensor;
        const char *reason;
    } cases[] = {{{"t", DTYPE_F32, 2, wide, numbers}, "impossible shape"},
                 {{"t", DTYPE_F64, 1, long_one, numbers}, "impossible shape"},
                 {{"t", DTYPE_F6_E2M3, 1, (uint64_t[]){1}, numbers}, "impossible shape"},
                 {{"t", DTYPE_F32, 33, wide, numbers}, "impossible shape"},
                 {{"t", DTYPE_C128, 1, ten, numbers}, "safetensors has no C128"},
                 {{"__metadata__", DTYPE_F32, 1, ten, numbers}, "a tensor cannot be named"},
                 {{"\xff", DTYPE_F32, 1, ten, numbers}, "the tensor name \"\\xff\" is not UTF-8"}};
    const char *path = scratch_path("not.safetensors");
    const char *const bad[][2] = {{"\xff", "v"}, {"k", "\xff"}};
    Error err = {0};
    Str packed = {0};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_false(safetensors_save(path, true, &cases[i].tensor, 1, NULL, 0, &err));
        if (!strstr(err.text, cases[i].reason)) fail_msg("%s, not %s", err.text, cases[i].reason);
        assert_false(
            safetensors_pack(&(FileParts){.tensors = (TensorOut[]){cases[i].tensor}, .count = 1}, &packed, &err));
    }
    for (size_t i = 0; i < 2; i++) {
        const KeyValue entry = {(char *)(uintptr_t)bad[i][0], (char *)(uintptr_t)bad[i][1]};
        assert_false(safetensors_save(path, true, NULL, 0, &entry, 1, &err));
        assert_non_null(strstr(err.text, "is not UTF-8"));
    }
    assert_false(safetensors_save(path, true, NULL, 1000001, NULL, 0, &err));
    assert_int_equal(err.status, STATUS_LIMIT);
    assert_false(safetensors_pack(&(FileParts){.tensors = (TensorOut[]){{"t", DTYPE_F32, 1, ten, NULL}}, .count = 1},
                                  &packed, &err));
    assert_non_null(strstr(err.text, "not in memory"));
    str_done(&packed);
    assert_int_equal(access(path, F_OK), -1);
    for (uint64_t nth = 1, over = 0; !over; nth++) {
        const KeyValue entry = {(char *)(uintptr_t) "k\n", (char *)(uintptr_t) "v\"\x7f"};
        FileParts parts = {
            .tensors = (TensorOut[]){{"t", DTYPE_F32, 1, ten, numbers}, {"none", DTYPE_F32, 1, (uint64_t[]){0}, NULL}},
            .count = 2,
            .metadata = (KeyValue[]){entry},
            .metadata_count = 1};
        fault_arm(FAULT_ALLOC, nth, false);
        const bool done = safetensors_pack(&parts, &packed, &err);
        over = fault_disarm() < nth;
        assert_int_equal(done, over);
        str_done(&packed);
        packed = (Str){0};
    }
}

/* The longest text, which is not too long, but its header is; and one that is too long. */
static void long_header(void **state) {
    (void)state;
#ifdef __SANITIZE_ADDRESS__
    skip(); /* a second elsewhere */
#endif
    enum { MOST = 100000000 };
    Error err = {0};
    char *text = malloc(MOST + 2);
    assert_non_null(text);
    memset(text, 'a', MOST + 1);
    text[MOST + 1] = '\0';
    const KeyValue entry = {(char *)(uintptr_t) "k", text};
    assert_false(safetensors_save(scratch_path("long.safetensors"), true, NULL, 0, &entry, 1, &err));
    assert_int_equal(err.status, STATUS_USAGE);
    text[MOST] = '\0';
    assert_false(safetensors_save(scratch_path("long.safetensors"), true, NULL, 0, &entry, 1, &err));
    assert_non_null(strstr(err.text, "a header of 100000032 bytes; the format allows 100000000"));
    free(text);
}

static void headers(void **state) {
    (void)state;
    static const struct {
        const char *json, *reason;
    } cases[] = {{"{\"w\":{\"shape\":[],\"data_offsets\":[0,4]}}", "needs dtype, shape and data_offsets"},
                 {"{\"w\":{\"dtype\":\"F32\",\"data_offsets\":[0,4]}}", "needs dtype, shape and data_offsets"},
                 {"{\"w\":{\"dtype\":\"F32\",\"shape\":[]}}", "needs dtype, shape and data_offsets"},
                 {"{\"__metadata__\":null,\"w\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[0,4]}}", NULL},
                 {"{\"__metadata__\":{\"a\":\"1\",\"a\":\"2\",\"b\":\"3\",\"c\":\"4\"}}", "appears twice"},
                 {"{\"w\":{\"dtype\":\"\\ud83e\\uddf6\",\"shape\":[],\"data_offsets\":[0,4]}}", "dtype"},
                 {"{\"\\ue000\\uffff\\u00e9\":{\"dtype\":\"F32\",\"shape\":[],\"data_offsets\":[0,4]}}", NULL},
                 {"{\"\\udc00\":1}", "lone surrogate"},
                 {"{\"\\udfff\":1}", "lone surrogate"},
                 {"{\"\\ud83e\":1}", "lone surrogate"},
                 {"{\"\\ud83e\\n\":1}", "lone surrogate"},
                 {"{\"\\ud83e\\ue000\":1}", "lone surrogate"},
                 {"{\"\\ud83e\\u0041\":1}", "lone surrogate"},
                 {"{\"\\ud83e\\u00g1\":1}", "hexadecimal"},
                 {"{\"a\\q\":1}", "unknown escape"},
                 {"{\"a\\u0000\":1}", "NUL in a string"}};
    const char *path = scratch_path("header.safetensors");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Bytes bytes = {0};
        Error err = {0};
        bytes_safetensors(&bytes, cases[i].json, 4);
        assert_true(write_bytes(path, bytes.data, bytes.length));
        bytes_done(&bytes);
        if (cases[i].reason) {
            refuses(path, STATUS_BAD_INPUT, cases[i].reason);
            continue;
        }
        Checkpoint *checkpoint = checkpoint_open(path, &err);
        if (!checkpoint) fail_msg("%s: %s", cases[i].json, err.text);
        checkpoint_close(checkpoint);
    }
}

/* Values that a reader skips, whole and cut anywhere. */
static void skipped_json(void **state) {
    (void)state;
    static const char *const values[] = {"-1.5e+30",
                                         "0",
                                         "-0.5E-1",
                                         "1e5",
                                         "[1, [2, {\"a\": null}], true, false, \"t\"]",
                                         "12",
                                         "{\"a\": {}, \"b\": []}"};
    static const char *const bad[] = {"01",    "-",         "1.", "1e", "1e+", "+1",  ".5",   "nul",    "truth",
                                      "[1 2]", "{\"a\" 1}", "[",  "{",  "1.x", "1ex", "\"\\", "\"\\u12"};
    const char *path = scratch_path("skip.safetensors.index.json");
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        const char *text = text_of("{\"weight_map\": {\"a\": \"none.safetensors\"}, \"other\": %s}", values[i]);
        assert_true(write_bytes(path, text, strlen(text)));
        refuses(path, STATUS_BAD_INPUT, "missing or unreadable shards");
        for (size_t cut = strlen(text) - 1; text[cut - 1] != ':'; cut--) {
            assert_true(write_bytes(path, text, cut));
            refuses(path, STATUS_BAD_INPUT, "JSON");
        }
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        const char *text = text_of("{\"weight_map\": {\"a\": \"none.safetensors\"}, \"other\": %s", bad[i]);
        for (int closed = 0; closed < 2; closed++) {
            const char *all = text_of("%s%s", text, closed ? "}" : "");
            assert_true(write_bytes(path, all, strlen(all)));
            refuses(path, STATUS_BAD_INPUT, "JSON");
        }
    }
}

/* ---- gzip -------------------------------------------------------------------------------------------------------- */

static void gzip_lengths(void **state) {
    (void)state;
    Bytes plain = {0}, packed = {0};
    const char *path = scratch_path("short.idx.gz");
    IdxArray array;
    Error err = {0};
    bytes_idx(&plain, 8, 1, (uint32_t[]){100}, 1);
    bytes_fill(&plain, 1, 99);
    bytes_gzip(&packed, plain.data, plain.length, false);
    assert_true(write_bytes(path, packed.data, packed.length));
    assert_false(idx_read(path, 0, &array, &err));
    if (!strstr(err.text, "unpacks to 107 bytes; 1 more are needed")) fail_msg("%s", err.text);
    assert_false(idx_read(path, 1, &array, &err)); /* the rest of it, which is dropped */
    assert_non_null(strstr(err.text, "1 more are needed"));
    bytes_done(&plain);
    bytes_done(&packed);
    assert_true(gzip_most_unpacked(0) == 64 && gzip_most_unpacked(UINT64_MAX) == UINT64_MAX);
    assert_true(gzip_most_unpacked(UINT64_MAX / 1032) > UINT64_MAX - 1032);
}

/* A member that ends where a read ends, and one behind it, which cannot be read. */
static void gzip_members(void **state) {
    (void)state;
    enum { READ = 65536 };
    static uint8_t noise[READ];
    Rng rng = {.seed = 1};
    Bytes packed = {0};
    const char *path = scratch_path("members.idx.gz");
    size_t length = READ - 100;
    bool over = false;
    for (size_t i = 0; i < READ; i++) noise[i] = (uint8_t)rng_u32(&rng);
    memcpy(noise, (uint8_t[]){0, 0, 8, 1, 0, 1, 0, 0}, 8);
    while (packed.length != READ && length++ < READ) {
        bytes_done(&packed);
        packed = (Bytes){0};
        bytes_gzip(&packed, noise, length, false);
    }
    assert_int_equal(packed.length, READ);
    bytes_gzip(&packed, noise, READ + 8 - length, false);
    assert_true(write_bytes(path, packed.data, packed.length));
    bytes_done(&packed);
    for (uint64_t nth = 1; !over; nth++) {
        IdxArray array = {0};
        Error err = {0};
        fault_arm(FAULT_READ, nth, false);
        const bool done = idx_read(path, 0, &array, &err);
        over = fault_disarm() < nth;
        if (done != over && nth > 1) fail_msg("read %d: %s", (int)nth, err.text);
        if (done) assert_int_equal(array.count, READ);
        idx_done(&array);
    }
}

/* ---- IDX --------------------------------------------------------------------------------------------------------- */

static void idx_arrays(void **state) {
    (void)state;
    enum { MANY = 1 << 20 };
    static uint8_t noise[MANY];
    Rng rng = {.seed = 1};
    Error err = {0};
    IdxArray again;
    const char *path = scratch_path("out.idx.gz");
    for (size_t i = 0; i < MANY; i++) noise[i] = (uint8_t)rng_u32(&rng);
    const IdxArray cases[] = {{.dtype = DTYPE_U64, .rank = 1, .dim = {1}, .entries = 1, .count = 1, .data = noise},
                              {.dtype = DTYPE_U8, .rank = 0, .entries = 1, .count = 1, .data = noise},
                              {.dtype = DTYPE_U8, .rank = 99, .entries = 1, .count = 1, .data = noise},
                              {.dtype = DTYPE_U8, .rank = 1, .dim = {UINT64_C(1) << 32}, .count = 1, .data = noise}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_false(idx_save(path, true, false, &cases[i], &err));
        assert_int_equal(err.status, STATUS_USAGE);
    }
    /* more than one piece of deflate's output */
    const IdxArray large = {.dtype = DTYPE_U8, .rank = 1, .dim = {MANY}, .entries = MANY, .count = MANY, .data = noise};
    assert_true(idx_save(path, true, true, &large, &err));
    if (!idx_read(path, 0, &again, &err)) fail_msg("%s", err.text);
    assert_memory_equal(again.data, noise, MANY);
    idx_done(&again);
}

/* ---- cancelled --------------------------------------------------------------------------------------------------- */

static void cancelled(void **state) {
    (void)state;
    Bytes cifar = {0}, plain = {0}, packed = {0};
    ImageRecords records = {0};
    IdxArray array = {0};
    Error err = {0};
    bytes_cifar(&cifar, 1, -1, 0);
    assert_true(write_bytes(scratch_path("one.bin"), cifar.data, cifar.length));
    bytes_idx(&plain, 8, 1, (uint32_t[]){2}, 1);
    bytes_fill(&plain, 1, 2);
    bytes_gzip(&packed, plain.data, plain.length, false);
    assert_true(write_bytes(scratch_path("one.idx.gz"), packed.data, packed.length));
    bytes_fill(&cifar, 0, 96 * 96 * 3 - cifar.length);
    assert_true(write_bytes(scratch_path("stl.bin"), cifar.data, 96 * 96 * 3));
    assert_true(write_bytes(scratch_path("empty.bin"), "", 0));
    File *stl = file_open(scratch_path("stl.bin"), &err), *empty = file_open(scratch_path("empty.bin"), &err);
    assert_true(stl && empty);
    for (int run = 0; run < 3; run++) { /* as it is, cancelled, without memory */
        const Status expected = run == 1 ? STATUS_CANCELLED : STATUS_LIMIT;
        const bool done[] = {cifar_read(scratch_path("one.bin"), false, 0, &records, &err) || err.status != expected,
                             idx_read(scratch_path("one.idx.gz"), 0, &array, &err) || err.status != expected,
                             stl10_parse(stl, NULL, 0, &records, &err) || err.status != expected};
        for (size_t i = 0; i < 3; i++)
            if (done[i] != (run == 0)) fail_msg("run %d, reader %zu: %s", run, i, err.text);
        image_records_done(&records);
        idx_done(&array);
        if (run == 0) cancel_request();
        if (run == 1) cancel_clear();
        mem_set_budget(run == 1);
    }
    mem_set_budget(0);
    assert_false(stl10_parse(empty, NULL, 0, &records, &err));
    assert_non_null(strstr(err.text, "the file is empty"));
    file_close(stl);
    file_close(empty);
    bytes_done(&cifar);
    bytes_done(&plain);
    bytes_done(&packed);
}

/* ---- npz --------------------------------------------------------------------------------------------------------- */

/* A member whose header says something else once the archive is open. */
static void npz_changed(void **state) {
    (void)state;
    Error err = {0};
    static const float numbers[10];
    const TensorOut tensor = {"t", DTYPE_F32, 1, ten, numbers};
    const char *path = scratch_path("changed.npz");
    float out[10];
    assert_true(npz_save(path, true, &tensor, 1, &err));
    Checkpoint *checkpoint = checkpoint_open(path, &err);
    assert_non_null(checkpoint);
    assert_true(checkpoint_read(checkpoint, 0, out, &err));
    size_t length = 0;
    char *bytes = file_read_all(path, 1 << 16, &length, &err), *shape = NULL;
    for (size_t i = 0; i + 4 < length; i++)
        if (memcmp(bytes + i, "(10,", 4) == 0) shape = bytes + i;
    assert_non_null(shape);
    char *header = memmem(bytes, length, "\x93NUMPY", 6); /* one more number, in the place of four blanks */
    const size_t before = (uint8_t)header[8] | (size_t)(uint8_t)header[9] << 8;
    shape[2] = '1';
    header[8] = (char)(before - 4);
    header[10 + before - 5] = '\n';
    FILE *file = fopen(path, "r+b");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, length, file), length);
    assert_int_equal(fclose(file), 0);
    mem_free(bytes);
    assert_false(checkpoint_read(checkpoint, 0, out, &err));
    if (!strstr(err.text, "member \"t.npy\": changed while reading")) fail_msg("%s", err.text);
    checkpoint_close(checkpoint);
}

/* Headers that end anywhere, sizes that no bytes can count, and what no npz can hold. */
static void npy_headers(void **state) {
    (void)state;
    static const struct {
        const char *header, *reason;
    } cases[] = {{"{'descr': '<f8', 'fortran_order': False, 'shape': (4611686018427387904,), }", "has too many bytes"},
                 {"{'descr': '<f8', 'fortran_order': False, 'shape': (4", "npy"},
                 {"{'descr': '<f8', 'fortran_order': False, 'shape': (4L", "npy"},
                 {"{'descr': '<f8', 'fortran_order': Tru", "npy"},
                 {"{'descr': '<f8', 'fortran_order': True,", "npy"},
                 {"{'descr': '<f8", "npy"},
                 {"{", "npy"},
                 {"", "npy"}};
    const char *path = scratch_path("header.npy");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Bytes bytes = {0};
        bytes_add(&bytes, "\x93NUMPY\1\0", 8);
        bytes_le(&bytes, strlen(cases[i].header), 2);
        bytes_add(&bytes, cases[i].header, strlen(cases[i].header));
        assert_true(write_bytes(path, bytes.data, bytes.length));
        bytes_done(&bytes);
        refuses(path, STATUS_BAD_INPUT, cases[i].reason);
    }
}

static void npy_places(void **state) {
    (void)state;
    static const struct {
        const char *header;
        unsigned bytes;
        bool plain;
    } cases[] = {{"{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }", 24, true},
                 {"{'descr': '>f4', 'fortran_order': False, 'shape': (2, 3), }", 24, false},
                 {"{'descr': '>u1', 'fortran_order': False, 'shape': (2, 3), }", 6, true},
                 {"{'descr': '<f4', 'fortran_order': True, 'shape': (2, 3), }", 24, false}};
    const char *path = scratch_path("place.npy");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Bytes bytes = {0};
        Error err = {0};
        CheckpointPlace place;
        uint8_t out[24];
        bytes_npy(&bytes, 1, cases[i].header);
        bytes_fill(&bytes, 1, cases[i].bytes);
        assert_true(write_bytes(path, bytes.data, bytes.length));
        bytes_done(&bytes);
        Checkpoint *checkpoint = checkpoint_open(path, &err);
        if (!checkpoint) fail_msg("%s", err.text);
        assert_int_equal(checkpoint_place(checkpoint, 0, &place), cases[i].plain);
        mem_set_budget(1);
        const bool done = checkpoint_read(checkpoint, 0, out, &err);
        mem_set_budget(0);
        assert_int_equal(done, i < 3); /* column order needs memory */
        checkpoint_close(checkpoint);
    }
}

static void npz_not_written(void **state) {
    (void)state;
    static const float zeros[10];
    static char name[5000];
    memset(name, 'n', sizeof name - 1);
    const struct {
        TensorOut tensor;
        const char *reason;
    } cases[] = {{{"t", DTYPE_F32, 2, wide, zeros}, "impossible shape"},
                 {{"t", DTYPE_F64, 1, long_one, zeros}, "impossible shape"},
                 {{"t", DTYPE_F32, 33, wide, zeros}, "impossible shape"},
                 {{"t", DTYPE_BF16, 1, ten, zeros}, "NumPy has no type for BF16"},
                 {{name, DTYPE_F32, 1, ten, zeros}, "a member cannot be named"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Error err = {0};
        assert_false(npz_save(scratch_path("not.npz"), true, &cases[i].tensor, 1, &err));
        if (!strstr(err.text, cases[i].reason)) fail_msg("%s, not %s", err.text, cases[i].reason);
        assert_int_equal(access(scratch_path("not.npz"), F_OK), -1);
    }
}

/* Opened without a folder in their names: what lies beside them is found in the working folder. */
static void plain_names(void **state) {
    (void)state;
    static const char *const names[] = {"place.npy", "changed.npz", "here.safetensors.index.json"};
    static const char map[] = "{\"weight_map\": {\"a\": \"one.safetensors\"}}";
    char here[4096];
    Error err = {0};
    assert_true(write_bytes(scratch_path(names[2]), map, sizeof map - 1));
    assert_non_null(getcwd(here, sizeof here));
    assert_int_equal(chdir(scratch_folder()), 0);
    for (size_t i = 0; i < 3; i++) {
        Checkpoint *checkpoint = checkpoint_open(names[i], &err);
        if (!checkpoint) fail_msg("%s", err.text);
        checkpoint_close(checkpoint);
    }
    assert_int_equal(chdir(here), 0);
}

int main(void) {
    scratch_folder();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(zip_directories), cmocka_unit_test(indices),      cmocka_unit_test(index_faults),
        cmocka_unit_test(shards_to_write), cmocka_unit_test(not_written),  cmocka_unit_test(long_header),
        cmocka_unit_test(headers),         cmocka_unit_test(skipped_json), cmocka_unit_test(gzip_lengths),
        cmocka_unit_test(gzip_members),    cmocka_unit_test(idx_arrays),   cmocka_unit_test(cancelled),
        cmocka_unit_test(npz_changed),     cmocka_unit_test(npy_headers),  cmocka_unit_test(npy_places),
        cmocka_unit_test(npz_not_written), cmocka_unit_test(plain_names)};
    if (getenv("ONLY_TEST")) cmocka_set_test_filter(getenv("ONLY_TEST"));
    return cmocka_run_group_tests_name("limits", tests, NULL, NULL);
}
