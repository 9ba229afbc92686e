/* test_lazy -- networks whose weights stay in their file: the same bits as in memory, within the budget, and a file
 * that changed is noticed.
 */
#include "../support/bytes.h"
#include "weft/base/dtype.h"
#include "weft/base/error.h"
#include "weft/base/fault.h"
#include "weft/base/file.h"
#include "weft/base/hash.h"
#include "weft/base/memory.h"
#include "weft/base/pool.h"
#include "weft/base/tensor.h"
#include "weft/base/text.h"
#include "weft/net.h"
#include "weft/probe.h"
#include "weft/spectral.h"
#include "weft/spectral/histogram.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

enum { LAYERS = 3, SIDE = 600, WIDE = 700, COUNT = SIDE * WIDE, BUDGET = 6 << 20 };

/* A file of three matrices, a convolution and integers, 3.4 MB in BF16; `seed` makes another one of the same shapes. */
static void write_net(const char *path, unsigned seed, bool npz) {
    static const uint64_t tall[] = {WIDE, SIDE}, wide[] = {SIDE, WIDE}, kernel[] = {64, 32, 3, 3}, one[] = {3};
    static const int64_t integers[] = {1, -2, 3};
    uint16_t *values = malloc(COUNT * sizeof *values);
    float *singles = malloc(COUNT * sizeof *singles);
    Error err;
    srand(seed);
    for (size_t i = 0; i < COUNT; i++) singles[i] = (float)(rand() % 2001 - 1000) / 8192;
    dtype_from_f32(DTYPE_BF16, singles, COUNT, values);
    const TensorOut out[] = {{"tall.weight", npz ? DTYPE_F16 : DTYPE_BF16, 2, tall, values},
                             {"wide.weight", npz ? DTYPE_F32 : DTYPE_BF16, 2, wide, npz ? (void *)singles : values},
                             {"single.weight", DTYPE_F32, 2, tall, singles},
                             {"conv.weight", DTYPE_F32, 4, kernel, singles + 5},
                             {"steps", DTYPE_I64, 1, one, integers}};
    const bool done = npz ? npz_save(path, true, out, 5, &err) : safetensors_save(path, true, out, 5, NULL, 0, &err);
    if (!done) fail_msg("%s", err.text);
    free(values);
    free(singles);
}

static Network *load(const char *path, bool lazy) {
    Error err;
    const NetworkOptions how = {.lazy = lazy};
    Network *network = network_load(path, &how, &err);
    if (!network) fail_msg("%s", err.text);
    assert_int_equal(network_lazy(network), lazy);
    return network;
}

static void same_file(const char *a, const char *b) {
    Error err;
    size_t size[2];
    char *bytes[2] = {file_read_all(a, 1 << 30, &size[0], &err), file_read_all(b, 1 << 30, &size[1], &err)};
    assert_true(bytes[0] && bytes[1] && size[0] == size[1] && memcmp(bytes[0], bytes[1], size[0]) == 0);
    for (int i = 0; i < 2; i++) mem_free(bytes[i]);
}

static void same_table(Table *a, Table *b) {
    assert_true(a && b && a->rows == b->rows && a->column_count == b->column_count);
    for (size_t c = 0; c < a->column_count; c++)
        for (size_t r = 0; r < a->rows; r++) {
            const Cell *x = &a->columns[c].cells[r], *y = &b->columns[c].cells[r];
            if (a->columns[c].type == COLUMN_TEXT)
                assert_string_equal(x->text ? x->text : "", y->text ? y->text : "");
            else
                assert_memory_equal(x, y, sizeof(double));
        }
    table_free(a);
    table_free(b);
}

/* Every analysis and every new network, of both ways of loading, from each kind of file. */
static void the_same_bits(const char *path, const char *other) {
    Error err;
    mem_set_budget(0);
    Network *eager[2] = {load(path, false), load(other, false)};
    bool all[8];
    memset(all, 1, sizeof all);
    Table *wanted[] = {
        sratio_table(eager[0], NULL, all, NULL, &err), distance_table(eager[0], eager[1], all, NULL, &err),
        histogram_table(eager[0], eager[1], all, 0, NULL, &err), spectrum_table(eager[0], 0, NULL, false, &err)};
    bool conv[8] = {0};
    for (size_t i = 0; i < eager[0]->layer_count; i++) conv[i] = layer_kind_axes(eager[0]->layers[i].kind) > 0;
    const QuantiseOptions quantise = {.bits = 4};
    Network *made[] = {lowpass_apply(eager[0], 0.7, LOWPASS_2D, conv, "x", NULL, &err),
                       svscale_apply(eager[0], 0.5, 40, all, "x", NULL, &err),
                       quantise_apply(eager[0], &quantise, all, "x", NULL, &err),
                       mix_apply(eager[0], eager[1], 0.3, NULL, "x", &err)};
    for (int i = 0; i < 4; i++) {
        char name[32];
        snprintf(name, sizeof name, "eager%d.safetensors", i);
        assert_true(made[i] && network_save(made[i], scratch_path(name), true, &err));
        network_free(made[i]);
    }
    for (int i = 0; i < 2; i++) network_free(eager[i]);

    mem_set_budget(BUDGET * 5); /* svscale's factors are the most that is needed */
    Network *lazy[2] = {load(path, true), load(other, true)};
    same_table(wanted[0], sratio_table(lazy[0], NULL, all, NULL, &err));
    same_table(wanted[1], distance_table(lazy[0], lazy[1], all, NULL, &err));
    same_table(wanted[2], histogram_table(lazy[0], lazy[1], all, 0, NULL, &err));
    same_table(wanted[3], spectrum_table(lazy[0], 0, NULL, false, &err));
    Network *again[] = {lowpass_apply(lazy[0], 0.7, LOWPASS_2D, conv, "x", NULL, &err),
                        svscale_apply(lazy[0], 0.5, 40, all, "x", NULL, &err),
                        quantise_apply(lazy[0], &quantise, all, "x", NULL, &err),
                        mix_apply(lazy[0], lazy[1], 0.3, NULL, "x", &err)};
    assert_int_equal(mem_working(), 0);
    mem_set_budget(1 << 20); /* now hardly anything can stay in memory */
    for (int i = 0; i < 4; i++) {
        char name[32];
        if (!again[i]) fail_msg("%d: %s", i, err.text);
        snprintf(name, sizeof name, "eager%d.safetensors", i);
        if (!network_save(again[i], scratch_path("lazy.safetensors"), true, &err)) fail_msg("%s", err.text);
        assert_true(tensor_kept() <= BUDGET * 5);
        same_file(scratch_path("lazy.safetensors"), scratch_path(name));
        network_free(again[i]);
    }
    for (int i = 0; i < 2; i++) network_free(lazy[i]);
    assert_int_equal(tensor_kept(), 0);
    mem_set_budget(0);
}

static void safetensors_and_npz(void **state) {
    (void)state;
    write_net(scratch_path("a.safetensors"), 1, false);
    write_net(scratch_path("b.safetensors"), 2, false);
    the_same_bits(scratch_path("a.safetensors"), scratch_path("b.safetensors"));
    write_net(scratch_path("a.npz"), 1, true);
    write_net(scratch_path("b.npz"), 2, true);
    the_same_bits(scratch_path("a.npz"), scratch_path("b.npz"));
}

/* Loading reads nothing but the header; a pin brings a tensor, and what is not pinned gives way. */
static void pins_within_the_budget(void **state) {
    (void)state;
    Error err;
    write_net(scratch_path("a.safetensors"), 1, false);
    mem_set_budget(2 << 20);
    Network *network = load(scratch_path("a.safetensors"), true);
    Tensor *first = network->tensors[0].tensor, *second = network->tensors[1].tensor;
    assert_int_equal(tensor_kept(), 0);
    assert_null(first->data);
    assert_true(tensor_pin(first, &err) && first->data && tensor_streams(second) && !tensor_streams(first));
    tensor_unpin(first);
    assert_non_null(first->data); /* it may stay: 1.7 MB of 2 */
    assert_true(tensor_pin(second, &err));
    assert_null(first->data);
    assert_true(tensor_kept() <= 2 << 20);
    tensor_unpin(second);
    assert_false(network_hold(network, "a", NULL, &err));
    assert_int_equal(err.status, STATUS_LIMIT);
    assert_non_null(strstr(err.text, "loading a needs"));
    assert_false(mem_work_begin(3 << 20, "the work on it", &err));
    mem_set_budget(64 << 20);
    assert_true(network_hold(network, "a", NULL, &err) && first->data && second->data);
    network_unhold(network);
    network_free(network);
    mem_set_budget(0);
}

static void change_byte(const char *path, off_t at) {
    const int file = open(path, O_RDWR);
    unsigned char byte = 0;
    struct stat before;
    assert_true(file >= 0 && fstat(file, &before) == 0 && pread(file, &byte, 1, at) == 1);
    byte ^= 0x40;
    assert_true(pwrite(file, &byte, 1, at) == 1);
    const struct timespec times[2] = {before.st_atim, before.st_mtim};
    assert_true(futimens(file, times) == 0 && close(file) == 0);
}

/* By its time, its size, and where both are as before by its checksum; one that is replaced is read on as it was. */
static void changed_files(void **state) {
    (void)state;
    Error err;
    const char *path = scratch_path("c.safetensors");
    float *values = malloc(COUNT * sizeof *values);
    mem_set_budget(1 << 20);
    for (int way = 0; way < 4; way++) {
        write_net(path, 1, false);
        Network *network = load(path, true);
        const Tensor *tensor = network->tensors[2].tensor;
        assert_non_null(tensor_span(tensor, 0, COUNT, values, &err));
        if (way == 0) assert_int_equal(truncate(path, 4000), 0);
        if (way == 1) assert_int_equal(utimensat(AT_FDCWD, path, (struct timespec[2]){{1, 0}, {1, 0}}, 0), 0);
        if (way == 2) change_byte(path, 2 * 2 * COUNT + 1000 * 1000);
        if (way == 3) write_net(path, 2, false);
        const bool read = tensor_span(tensor, 0, COUNT, values, &err) != NULL;
        assert_int_equal(read, way == 3);
        if (!read) assert_int_equal(err.status, STATUS_BAD_INPUT);
        if (way == 1) assert_non_null(strstr(err.text, "changed since it was loaded; load it again"));
        if (way == 2) assert_non_null(strstr(err.text, "tensor \"single.weight\" changed since it was first read"));
        network_free(network);
    }
    mem_set_budget(0);
    free(values);
}

/* A zip has checksums of its own: before the first use of an array its CRC is checked. */
static void damaged_npz(void **state) {
    (void)state;
    Error err;
    float value;
    const char *path = scratch_path("d.npz");
    write_net(path, 1, true);
    change_byte(path, 1000 * 1000);
    mem_set_budget(1 << 20);
    Network *network = load(path, true);
    bool refused = false;
    for (size_t i = 0; i < network->tensor_count; i++)
        if (!tensor_span(network->tensors[i].tensor, 0, 1, &value, &err)) refused = strstr(err.text, "CRC") != NULL;
    assert_true(refused);
    network_free(network);
    mem_set_budget(0);
}

/* Shards: no larger than asked, the index last, and the same network again. */
static void shards(void **state) {
    (void)state;
    Error err;
    Str notes = {0};
    size_t files;
    struct stat about;
    write_net(scratch_path("a.safetensors"), 1, false);
    mem_set_budget(1 << 20);
    Network *network = load(scratch_path("a.safetensors"), true);
    const FileSaving saving = {.shard_size = 1700000};
    assert_true(network_save_large(network, scratch_path("s.safetensors"), &saving, &notes, &files, &err));
    assert_int_equal(files, 3);
    assert_int_equal(stat(scratch_path("s-00002-of-00003.safetensors"), &about), 0);
    assert_true(about.st_size < 1700000);
    assert_false(network_save_large(network, scratch_path("s.safetensors"), &saving, &notes, &files, &err));
    assert_non_null(strstr(err.text, "--force overwrites it"));
    Network *again = load(scratch_path("s.safetensors.index.json"), true);
    assert_true(network_save(again, scratch_path("t.safetensors"), true, &err));
    network_free(again);
    assert_true(network_save(network, scratch_path("u.safetensors"), true, &err));
    network_free(network);
    mem_set_budget(0);
    Network *a = load(scratch_path("t.safetensors"), false), *b = load(scratch_path("u.safetensors"), false);
    char hash[2][HASH_HEX];
    assert_true(network_hash(a, hash[0], &err) && network_hash(b, hash[1], &err));
    assert_string_equal(hash[0], hash[1]);
    network_free(a);
    network_free(b);
    str_done(&notes);
}

/* ---- files of other programs ------------------------------------------------------------------------------------- */

/* PyTorch's zip, its older stream, npy and npz, with tensors of many types and layouts. */
static const char *const foreign[] = {"torch-trained.pth",  "torch-trained.th",    "torch-types.pth",
                                      "torch-types.th",     "torch-layouts.pth",   "torch-layouts.th",
                                      "torch-trained-4.th", "torch-trained-4.pth", "v1.npy",
                                      "big-endian.npy",     "stored.npz",          "layers.pth"};
enum { FOREIGN = sizeof foreign / sizeof *foreign };

static const char *copy_of(const char *name) {
    Error err;
    char from[256];
    size_t size;
    snprintf(from, sizeof from, "tests/fixtures/%s", name);
    char *bytes = file_read_all(from, 1 << 30, &size, &err);
    const char *path = scratch_path(name);
    FILE *file = fopen(path, "wb");
    assert_true(bytes && file && fwrite(bytes, 1, size, file) == size && fclose(file) == 0);
    mem_free(bytes);
    return path;
}

static Network *load_lazy(const char *path) {
    Error err;
    const NetworkOptions how = {.lazy = true, .lazy_always = true};
    Network *network = network_load(path, &how, &err);
    if (!network) fail_msg("%s: %s", path, err.text);
    return network;
}

/* All values, and some from the middle, are those of the tensor in memory. */
static void same_values(const Tensor *lazy, const Tensor *eager) {
    Error err;
    float *room = malloc((lazy->count + 1) * sizeof *room);
    assert_int_equal(lazy->count, eager->count);
    const float *all = tensor_span(lazy, 0, lazy->count, room, &err);
    if (!all) fail_msg("%s", err.text);
    assert_memory_equal(all, eager->data, lazy->count * sizeof *all);
    const uint64_t first = lazy->count / 3;
    const float *part = tensor_span(lazy, first, lazy->count - first, room, &err);
    assert_true(part && memcmp(part, eager->data + first, (lazy->count - first) * sizeof *part) == 0);
    free(room);
}

static void foreign_files(void **state) {
    (void)state;
    size_t streamed[FOREIGN] = {0};
    for (size_t f = 0; f < FOREIGN; f++) {
        const char *path = copy_of(foreign[f]);
        Network *eager = load(path, false), *lazy = load_lazy(path);
        assert_int_equal(lazy->tensor_count, eager->tensor_count);
        for (size_t t = 0; t < eager->tensor_count; t++) {
            streamed[f] += lazy->tensors[t].tensor->lazy != NULL;
            same_values(lazy->tensors[t].tensor, eager->tensors[t].tensor);
        }
        network_free(eager);
        network_free(lazy);
    }
    for (size_t f = 0; f < FOREIGN; f++) /* but for numbers in the other order of bytes */
        assert_int_equal(streamed[f] > 0, strcmp(foreign[f], "big-endian.npy") != 0);
}

/* Where the first values of a tensor lie in its file. */
static off_t place_of(const char *path, const Tensor *eager) {
    Error err;
    size_t size;
    char *bytes = file_read_all(path, 1 << 30, &size, &err);
    const char *found = bytes ? memmem(bytes, size, eager->data, eager->count * sizeof(float)) : NULL;
    const off_t at = found ? found - bytes : -1;
    mem_free(bytes);
    return at;
}

/* A file in place of which another one stands is noticed by size, time and checksum, in every format. */
static void foreign_files_that_change(void **state) {
    (void)state;
    Error err;
    static const char *const names[] = {"torch-trained.pth", "torch-trained.th", "v1.npy", "stored.npz"};
    for (size_t f = 0; f < 4; f++)
        for (int way = 0; way < 3; way++) {
            float values[4096];
            const char *path = copy_of(names[f]);
            Network *eager = load(path, false), *lazy = load_lazy(path);
            size_t t = 0;
            while (!lazy->tensors[t].tensor->lazy || place_of(path, eager->tensors[t].tensor) < 0)
                assert_true(++t < lazy->tensor_count);
            const Tensor *tensor = lazy->tensors[t].tensor;
            const off_t at = place_of(path, eager->tensors[t].tensor);
            assert_true(tensor->count <= 4096 && tensor_span(tensor, 0, tensor->count, values, &err));
            if (way == 0) assert_int_equal(truncate(path, at + 1), 0);
            if (way == 1) assert_int_equal(utimensat(AT_FDCWD, path, (struct timespec[2]){{1, 0}, {1, 0}}, 0), 0);
            if (way == 2) change_byte(path, at + 2);
            if (tensor_span(tensor, 0, tensor->count, values, &err)) fail_msg("%s, way %d", names[f], way);
            assert_int_equal(err.status, STATUS_BAD_INPUT);
            network_free(eager);
            network_free(lazy);
        }
}

/* ---- faults ------------------------------------------------------------------------------------------------------ */

/* A quantised network whose new weights have no room in memory; saved in shards. Everything is read, spilled, read
 * again and streamed. */
static bool spill_and_save(Error *err) {
    Str notes = {0};
    size_t files;
    bool all[8];
    memset(all, 1, sizeof all);
    const NetworkOptions how = {.lazy = true};
    const QuantiseOptions quantise = {.bits = 4};
    const FileSaving saving = {.shard_size = 1700000, .overwrite = true};
    Network *network = network_load(scratch_path("a.safetensors"), &how, err);
    Network *made = network ? quantise_apply(network, &quantise, all, "x", NULL, err) : NULL;
    const bool done = made && network_save_large(made, scratch_path("f/f.safetensors"), &saving, &notes, &files, err);
    network_free(made);
    network_free(network);
    str_done(&notes);
    return done;
}

/* Temporary files that are left in the folder of the shards. */
static size_t left_behind(void) {
    size_t count = 0;
    DIR *folder = opendir(scratch_path("f"));
    assert_non_null(folder);
    for (const struct dirent *entry; (entry = readdir(folder));)
        count += entry->d_name[0] == '.' && strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
    closedir(folder);
    return count;
}

/* Whatever fails first, there is an error, no temporary file stays, and an index only with all shards. The
 * next attempt succeeds and makes the same files. */
static void whatever_fails(void **state) {
    (void)state;
    Error err;
    static const FaultKind kinds[] = {FAULT_ALLOC, FAULT_READ, FAULT_WRITE, FAULT_FSYNC, FAULT_RENAME, FAULT_OPEN};
    size_t spilled = 0;
    char index[512];
    snprintf(index, sizeof index, "%s", scratch_path("f/f.safetensors.index.json"));
    assert_true(mkdir(scratch_path("f"), 0700) == 0 || errno == EEXIST);
    write_net(scratch_path("a.safetensors"), 1, false);
    pool_set_threads(1);
    mem_set_budget(7 << 20);
    if (!spill_and_save(&err)) fail_msg("%s", err.text);
    Network *whole = load(index, false);
    assert_true(network_save(whole, scratch_path("whole.safetensors"), true, &err));
    network_free(whole);
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++)
        for (uint64_t nth = 1;; nth += nth < 40 ? 1 : nth / 8) {
            unlink(index);
            fault_arm(kinds[k], nth, false);
            const bool done = spill_and_save(&err);
            const bool all = fault_disarm() < nth;
            spilled += !done && strstr(err.text, "temporary file") != NULL;
            if (!done && err.status == STATUS_OK) fail_msg("kind %zu, %d: no reason", k, (int)nth);
            const bool there = access(index, F_OK) == 0; /* also where only the folder could not be synced */
            if (done && !there) fail_msg("kind %zu, %d: no index", k, (int)nth);
            assert_int_equal(left_behind(), 0);
            assert_int_equal(tensor_kept(), 0);
            if (!there) continue;
            Network *again = load(index, false);
            assert_true(network_save(again, scratch_path("again.safetensors"), true, &err));
            network_free(again);
            same_file(scratch_path("again.safetensors"), scratch_path("whole.safetensors"));
            if (all) break;
        }
    assert_true(spilled >= 4);
    pool_set_threads(0);
    mem_set_budget(0);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(safetensors_and_npz),
                                       cmocka_unit_test(pins_within_the_budget),
                                       cmocka_unit_test(changed_files),
                                       cmocka_unit_test(damaged_npz),
                                       cmocka_unit_test(shards),
                                       cmocka_unit_test(foreign_files),
                                       cmocka_unit_test(foreign_files_that_change),
                                       cmocka_unit_test(whatever_fails)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
