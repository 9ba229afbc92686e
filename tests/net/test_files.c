/* test_files -- networks loaded from files of every kind and saved to each, with a call refused: loading fails with one
 * line, a saved file is the old one or the new one. */
#include "../support/bytes.h"
#include "weft/base/error.h"
#include "weft/base/fault.h"
#include "weft/base/file.h"
#include "weft/base/hash.h"
#include "weft/base/memory.h"
#include "weft/base/text.h"
#include "weft/net.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#define FIXTURES "tests/fixtures/"
static const char *const files[] = {
    FIXTURES "files/plain.npz",
    FIXTURES "files/module.pth",
    FIXTURES "files/pytorch_model.bin.index.json",
    FIXTURES "files/script.pt",
    FIXTURES "files/tar.pth",
    FIXTURES "sharded.safetensors.index.json",
    FIXTURES "torch-trained.pth",
    FIXTURES "torch-types.th",
    FIXTURES "types.safetensors",
    FIXTURES "external.onnx",
    FIXTURES "onnx/quantised.onnx",
    FIXTURES "onnx/old-patterns.onnx",
    FIXTURES "onnx/shuffle-dynamo.onnx",
    FIXTURES "onnx/mobile-14.onnx",
};
enum { EACH = 48, FILES = sizeof files / sizeof *files };

/* The calls of `kinds` that are refused: the first EACH one by one, about as many of the later ones, and none. */
static uint64_t next_call(uint64_t k, uint64_t calls) {
    return k + (k < EACH ? 1 : 1 + calls / EACH);
}

typedef bool Run(const void *context, Error *err);
typedef void Judge(const void *context, unsigned kinds, uint64_t k, bool hit, bool ok, const Error *err);

static void refuse_each(Run *run, Judge *judge, const void *context, unsigned kinds) {
    Error err = {0};
    fault_arm(kinds, 0, false);
    if (!run(context, &err)) fail_msg("%s", err.text);
    const uint64_t calls = fault_disarm();
    judge(context, kinds, 0, false, true, &err);
    for (uint64_t k = 1; k <= calls; k = next_call(k, calls)) {
        fault_arm(kinds, k, false);
        const bool ok = run(context, &err);
        judge(context, kinds, k, fault_disarm() >= k, ok, &err);
    }
}

/* ---- loading ----------------------------------------------------------------------------------------------------- */

typedef struct Loading {
    const char *path;
    NetworkOptions options;
    char *found; /* what the last one that loaded was, in LOADED characters */
} Loading;
enum { LOADED = 256 };

/* Every weight is read. */
static bool load(const void *context, Error *err) {
    const Loading *loading = context;
    char hash[HASH_HEX];
    Network *network = network_load(loading->path, &loading->options, err);
    const bool ok = network && network_hash(network, hash, err);
    if (ok) snprintf(loading->found, LOADED, "%s %s %zu", hash, network->architecture, network->note_count);
    network_free(network);
    return ok;
}

static void judge_load(const void *context, unsigned kinds, uint64_t k, bool hit, bool ok, const Error *err) {
    const Loading *loading = context;
    static char whole[LOADED];
    if (k == 0) memcpy(whole, loading->found, LOADED);
    if (ok && strcmp(whole, loading->found) != 0)
        fail_msg("%s, call %llu of kinds %u refused, loads as %s", loading->path, (unsigned long long)k, kinds,
                 loading->found);
    if (ok) return;
    if (!hit) fail_msg("%s: %s", loading->path, err->text);
    if (err->status != (kinds == FAULT_ALLOC ? STATUS_LIMIT : STATUS_BAD_INPUT) || !err->text[0] ||
        strchr(err->text, '\n'))
        fail_msg("%s, call %llu of kinds %u: status %d: %s", loading->path, (unsigned long long)k, kinds,
                 (int)err->status, err->text);
}

static void load_each(unsigned kinds) {
    char found[LOADED];
    for (size_t i = 0; i < 2 * FILES; i++)
        refuse_each(load, judge_load, &(Loading){files[i / 2], {.lazy = i % 2}, found}, kinds);
}

static void test_loading_without_memory(void **state) {
    (void)state;
    load_each(FAULT_ALLOC);
}

static void test_loading_without_files(void **state) {
    (void)state;
    load_each(FAULT_OPEN | FAULT_READ);
}

/* ---- saving ------------------------------------------------------------------------------------------------------ */

typedef struct Saving {
    const Network *network;
    const char *path;
    uint64_t shard_size;
    const char *old, *new; /* what stands there before, after a save; of shards the index, which is new */
} Saving;

static bool save(const void *context, Error *err) {
    const Saving *saving = context;
    const FileSaving how = {.overwrite = true, .shard_size = saving->shard_size};
    Str notes = {0};
    size_t count;
    const bool ok = network_save_large(saving->network, saving->path, &how, &notes, &count, err);
    str_done(&notes);
    return ok;
}

static char *content(const char *path) {
    Error err;
    size_t length;
    char digits[HASH_HEX];
    char *bytes = file_read_all(path, 1 << 24, &length, &err), *hash;
    if (!bytes) return NULL;
    hash_hex(bytes, length, digits);
    mem_free(bytes);
    assert_non_null(hash = strdup(digits));
    return hash;
}

static void judge_save(const void *context, unsigned kinds, uint64_t k, bool hit, bool ok, const Error *err) {
    const Saving *saving = context;
    char *now = content(saving->path);
    (void)hit;
    if (!ok && ((err->status != STATUS_LIMIT && err->status != STATUS_WRITE) || strchr(err->text, '\n')))
        fail_msg("%s, call %llu of kinds %u: status %d: %s", saving->path, (unsigned long long)k, kinds,
                 (int)err->status, err->text);
    if (ok ? strcmp(now, saving->new) != 0
           : strcmp(now, saving->old) != 0 && strcmp(now, saving->new) != 0) /* after it was renamed */
        fail_msg("%s, call %llu of kinds %u: neither the old file nor the new one", saving->path, (unsigned long long)k,
                 kinds);
    free(now);
    assert_true(write_bytes(saving->path, "old", 3));
}

static void save_each(const char *name, const char *source, uint64_t shard_size) {
    static const unsigned kinds[] = {FAULT_ALLOC, FAULT_OPEN | FAULT_WRITE | FAULT_FSYNC | FAULT_CLOSE | FAULT_RENAME,
                                     FAULT_SHORT, FAULT_INTERRUPTED};
    Error err;
    char *path = strdup(scratch_path(name));
    Network *network = network_load(source, NULL, &err);
    if (!network) fail_msg("%s", err.text);
    Saving saving = {.network = network, .path = path, .shard_size = shard_size};
    if (!save(&saving, &err)) fail_msg("%s", err.text);
    char *new = content(path);
    assert_true(write_bytes(path, "old", 3));
    char *old = content(path);
    saving.old = old;
    saving.new = new;
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) refuse_each(save, judge_save, &saving, kinds[i]);
    network_free(network);
    free(old);
    free(new);
    free(path);
}

static void test_saving(void **state) {
    (void)state;
    save_each("a.safetensors", FIXTURES "types.safetensors", 0);
    save_each("b.safetensors", FIXTURES "onnx/quantised.onnx", 0);
    save_each("c.npz", FIXTURES "files/plain.npz", 0);
    save_each("d.onnx", FIXTURES "onnx/old-patterns.onnx", 0);
    save_each("e.onnx", FIXTURES "onnx/shuffle-dynamo.onnx", 0);
    save_each("f.onnx", FIXTURES "onnx/quantised.onnx", 0);
}

/* Of shards the index: it is the new one or not there. */
static void test_saving_shards(void **state) {
    (void)state;
    static const unsigned kinds[] = {FAULT_ALLOC, FAULT_OPEN | FAULT_WRITE | FAULT_FSYNC | FAULT_CLOSE | FAULT_RENAME};
    Error err;
    Network *network = network_load("samples/fashion-resnet8.safetensors", &(NetworkOptions){.lazy = true}, &err);
    assert_non_null(network);
    const char *path = scratch_path("shards.safetensors"), *index = scratch_path("shards.safetensors.index.json");
    const Saving saving = {.network = network, .path = path, .shard_size = 50000};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        fault_arm(kinds[i], 0, false);
        if (!save(&saving, &err)) fail_msg("%s", err.text);
        const uint64_t calls = fault_disarm();
        unlink(index);
        for (uint64_t k = 1; k <= calls; k = next_call(k, calls)) {
            fault_arm(kinds[i], k, false);
            const bool ok = save(&saving, &err);
            fault_disarm();
            Checkpoint *checkpoint = access(index, F_OK) == 0 ? checkpoint_open(index, &(Error){0}) : NULL;
            if (ok != (checkpoint != NULL) && (ok || err.status != STATUS_WRITE))
                fail_msg("call %llu of kinds %u: %s", (unsigned long long)k, kinds[i], ok ? "no index" : err.text);
            checkpoint_close(checkpoint);
            unlink(index);
        }
    }
    network_free(network);
}

/* What a format has no place for is said before anything is written. */
static void test_refused(void **state) {
    (void)state;
    static const struct {
        const char *source, *name;
        uint64_t shard_size;
        const char *reason;
    } cases[] = {
        {FIXTURES "files/plain.npz", "r.npz", 1000, "only .safetensors files come in shards"},
        {FIXTURES "files/plain.npz", "r.onnx", 0, "r.onnx"},
        {FIXTURES "files/plain.npz", "r.txt", 0, "r.txt"},
        {FIXTURES "files/plain.npz", "none", 0, "none"},
        {FIXTURES "onnx/quantised.onnx", "r.npz", 0, "no place for quantisers"},
        {FIXTURES "types.safetensors", "r.npz", 0, NULL}, /* BF16 becomes float32, and a note says so */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Error err;
        Network *network = network_load(cases[i].source, NULL, &err);
        assert_non_null(network);
        const Saving saving = {
            .network = network, .path = scratch_path(cases[i].name), .shard_size = cases[i].shard_size};
        const bool ok = save(&saving, &err);
        if (cases[i].reason) {
            assert_false(ok);
            assert_int_equal(err.status, STATUS_USAGE);
            if (!strstr(err.text, cases[i].reason)) fail_msg("%s", err.text);
            assert_int_equal(access(saving.path, F_OK), -1);
        } else if (!ok) {
            fail_msg("%s", err.text);
        }
        network_free(network);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_loading_without_memory),
        cmocka_unit_test(test_loading_without_files),
        cmocka_unit_test(test_saving),
        cmocka_unit_test(test_saving_shards),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests_name("files", tests, NULL, NULL);
}
