/* test_hostile -- the list of hostile inputs, each loaded in this process; and the damages that are no single file:
 * every truncation, every byte overwritten, a file cut while it is read, unreadable files, hostile paths.
 *
 * `test_hostile --write FOLDER` writes every file of the list instead and prints the list as TSV: row, name, what to
 * load (with the paths filled in), exit status, the reason that must be told ("" where none is asked). */
#include "../support/bytes.h"
#include "../support/describe.h"
#include "../support/hostile.h"
#include "weft/base/error.h"
#include "weft/base/fault.h"
#include "weft/base/file.h"
#include "weft/base/memory.h"
#include "weft/base/task.h"
#include "weft/base/text.h"
#include "weft/data.h"
#include "weft/format.h"
#include "weft/net.h"
#include "weft/predictor.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>

#define FIXTURES "tests/fixtures"
enum { SEED_MAX = 4096, PEAK_LIMIT_KIB = 64 << 10 };
#ifdef __SANITIZE_ADDRESS__
enum { FAULTS_EACH = 2 }; /* of calls: each takes ten times as long there */
#else
enum { FAULTS_EACH = 40 };
#endif
static const double slow_seconds = 1, limit_seconds = 10, faults_seconds = 0.002; /* of the processor */

/* The DATA SPEC with the path in place of each %s. */
static char *spec_of(const HostileCase *hostile, const char *path) {
    Str spec = {0};
    for (const char *at = hostile->load, *mark; *at; at = mark + 2) {
        mark = strstr(at, "%s");
        if (!mark) {
            str_add(&spec, at);
            break;
        }
        str_add_bytes(&spec, at, (size_t)(mark - at));
        str_add(&spec, path);
    }
    return spec.text;
}

/* `spec`: of spec_of, where it is a dataset. */
static bool load(const HostileCase *hostile, const char *path, const char *spec, Str *notes, Error *err) {
    if (strcmp(hostile->load, "net") == 0) {
        File *file = file_open(path, err);
        return file && load_everything(file, notes, err);
    }
    if (strcmp(hostile->load, "predictor") == 0) {
        Predictor *predictor = predictor_load(path, NULL, NULL, err);
        predictor_free(predictor);
        return predictor != NULL;
    }
    if (strcmp(hostile->load, "arch") == 0) {
        const NetworkOptions options = {.architecture = path};
        Network *network = network_load("samples/fashion-resnet8.safetensors", &options, err);
        network_free(network);
        return network != NULL;
    }
    Dataset *dataset = dataset_load(spec, 0, err);
    dataset_free(dataset);
    return dataset != NULL;
}

/* Not the clock's, on which other programs are. */
static double processor_seconds(void) {
    return (double)clock() / CLOCKS_PER_SEC;
}

/* ---- peak memory ------------------------------------------------------------------------------------------------- */

/* A field of /proc/self/status in KiB; 0 where it is not to be had. */
static long memory_kib(const char *field) {
    char line[256];
    long value = 0;
    FILE *status = fopen("/proc/self/status", "r");
    while (status && fgets(line, sizeof line, status))
        if (strncmp(line, field, strlen(field)) == 0) sscanf(line + strlen(field), ": %ld", &value);
    if (status) fclose(status);
    return value;
}

/* False where /proc cannot be written to: the peak stays that of all cases before. */
static bool reset_peak(void) {
    FILE *file = fopen("/proc/self/clear_refs", "w");
    if (!file) return false;
    const bool written = fputs("5", file) >= 0;
    return fclose(file) == 0 && written;
}

static bool peak_counts(void) {
#ifdef __SANITIZE_ADDRESS__
    return false; /* its quarantine is part of the peak */
#else
    return true;
#endif
}

/* ---- the list ---------------------------------------------------------------------------------------------------- */

/* What was wrong with the way a case ended; NULL where nothing was. */
static const char *judge(const HostileCase *hostile, bool ok, const char *notes, const Error *err) {
    if (ok) {
        if (hostile->status != 0) return "it loaded";
        return !hostile->reason || strstr(notes, hostile->reason) ? NULL : "the note is missing";
    }
    if ((int)err->status != hostile->status) return "another status";
    if (!strstr(err->text, hostile->name)) return "the file is not named";
    if (hostile->reason && !strstr(err->text, hostile->reason)) return "another reason";
    return strpbrk(err->text, "\n\033") ? "not one plain line" : NULL;
}

static bool passes(const HostileCase *hostile) {
    const char *path = scratch_path(hostile->name), *wrong;
    struct stat about = {0};
    Error err = {0};
    Str notes = {0};
    if (!hostile->write(path)) {
        print_error("%s: could not be written\n", hostile->name);
        return false;
    }
    if (stat(path, &about) != 0 || !S_ISREG(about.st_mode)) about.st_size = 0;
    char *spec = spec_of(hostile, path);
    long before = memory_kib(reset_peak() ? "VmRSS" : "VmHWM");
    double start = processor_seconds();
    bool ok = load(hostile, path, spec, &notes, &err);
    double seconds = processor_seconds() - start;
    long grown = memory_kib("VmHWM") - before;
    wrong = judge(hostile, ok, str_text(&notes), &err);
    if (!wrong && seconds > limit_seconds) wrong = "too slow";
    if (!wrong && peak_counts() && grown > PEAK_LIMIT_KIB + about.st_size / 1024) wrong = "too much memory";
    if (wrong || seconds > slow_seconds)
        print_message("# %s: %s; %.2f s, %ld KiB; status %d, wanted %d (%s): %s%s\n", hostile->name,
                      wrong ? wrong : "slow", seconds, grown, ok ? 0 : (int)err.status, hostile->status,
                      hostile->reason ? hostile->reason : "", ok ? "" : err.text, str_text(&notes));
    str_done(&notes);
    mem_free(spec);
    if (S_ISREG(about.st_mode)) unlink(path);
    return !wrong;
}

static void walk(const HostileCase *list) {
    int failures = 0;
    for (; list->name; list++) failures += !passes(list);
    assert_int_equal(failures, 0);
}

/* ---- the list, with a call refused ------------------------------------------------------------------------------- */

/* Loads the file with the k-th call of `kinds` refused (0: none), and returns how many there were. It ends as the case
 * says, or for want of what was refused. */
static uint64_t refuse(const HostileCase *hostile, const char *path, unsigned kinds, uint64_t k) {
    const int other = kinds == FAULT_ALLOC ? STATUS_LIMIT : STATUS_BAD_INPUT;
    char *spec = spec_of(hostile, path);
    Error err = {0};
    fault_arm(kinds, k, false);
    const bool ok = load(hostile, path, spec, NULL, &err);
    const uint64_t calls = fault_disarm();
    mem_free(spec);
    if (ok && (hostile->status != 0 || (kinds == FAULT_ALLOC && k > 0)))
        fail_msg("%s loads, call %llu of kinds %u refused", hostile->name, (unsigned long long)k, kinds);
    if (ok) return calls;
    if ((int)err.status != other && (int)err.status != hostile->status)
        fail_msg("%s, call %llu of kinds %u: status %d: %s", hostile->name, (unsigned long long)k, kinds,
                 (int)err.status, err.text);
    if (!err.text[0] || strpbrk(err.text, "\n\033")) fail_msg("%s: not one plain line: %s", hostile->name, err.text);
    return calls;
}

/* The first calls, and about as many of the later ones, spread over them. */
static void refuse_some(const HostileCase *hostile, const char *path, unsigned kinds) {
    const uint64_t calls = refuse(hostile, path, kinds, 0);
    for (uint64_t k = 1; k <= calls; k += k < FAULTS_EACH ? 1 : 1 + calls / FAULTS_EACH)
        refuse(hostile, path, kinds, k);
}

static void test_faults(void **state) {
    (void)state;
    static const HostileCase *const lists[] = {hostile_any,  hostile_safetensors, hostile_torch,    hostile_files,
                                               hostile_npy,  hostile_datasets,    hostile_pictures, hostile_predictor,
                                               hostile_onnx, hostile_corners,     hostile_tar};
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        for (const HostileCase *hostile = lists[i]; hostile->name; hostile++) {
            const char *path = scratch_path(text_of("refused-%s", hostile->name));
            Error err = {0};
            assert_true(hostile->write(path));
            const double start = processor_seconds();
            char *spec = spec_of(hostile, path);
            load(hostile, path, spec, NULL, &err);
            mem_free(spec);
            if (processor_seconds() - start < faults_seconds) {
                refuse_some(hostile, path, FAULT_ALLOC);
                refuse_some(hostile, path, FAULT_OPEN | FAULT_READ);
            }
            unlink(path); /* a folder stays, and is removed with all */
        }
    }
}

static void test_any(void **state) {
    (void)state;
    walk(hostile_any);
}

static void test_safetensors(void **state) {
    (void)state;
    walk(hostile_safetensors);
}

static void test_torch(void **state) {
    (void)state;
    walk(hostile_torch);
}

static void test_files(void **state) {
    (void)state;
    walk(hostile_files);
    walk(hostile_tar);
}

static void test_npy(void **state) {
    (void)state;
    walk(hostile_npy);
}

static void test_datasets(void **state) {
    (void)state;
    walk(hostile_datasets);
}

static void test_pictures(void **state) {
    (void)state;
    walk(hostile_pictures);
}

static void test_onnx(void **state) {
    (void)state;
    walk(hostile_onnx);
}

static void test_corners(void **state) {
    (void)state;
    walk(hostile_corners);
}

static void test_predictor(void **state) {
    (void)state;
    walk(hostile_predictor);
}

static void test_arch(void **state) {
    (void)state;
    walk(hostile_arch);
}

static int write_list(const char *folder) {
    const HostileCase *const lists[] = {hostile_any,  hostile_safetensors, hostile_torch,     hostile_files,
                                        hostile_npy,  hostile_datasets,    hostile_predictor, hostile_pictures,
                                        hostile_arch, hostile_onnx,        hostile_corners,   hostile_tar};
    mkdir(folder, 0777); /* it may be there */
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        for (const HostileCase *hostile = lists[i]; hostile->name; hostile++) {
            const char *path = text_of("%s/%s", folder, hostile->name);
            if (!hostile->write(path)) {
                fprintf(stderr, "%s: could not be written\n", path);
                return 1;
            }
            char *spec = spec_of(hostile, path);
            printf("%d\t%s\t%s\t%d\t%s\n", hostile->row, hostile->name, spec, hostile->status,
                   hostile->reason ? hostile->reason : "");
            mem_free(spec);
        }
    }
    return 0;
}

/* ---- damaged seeds (rows 5 and 6) -------------------------------------------------------------------------------- */

/* Loads `length` bytes; what fails must fail as bad input or at a limit, and name the file. */
static bool loads(const char *name, const uint8_t *bytes, size_t length) {
    Error err = {0};
    File *file = file_memory(name, bytes, length, &err);
    assert_non_null(file);
    if (load_everything(file, NULL, &err)) return true;
    if (err.status != STATUS_BAD_INPUT && err.status != STATUS_LIMIT) fail_msg("status %d: %s", err.status, err.text);
    if (strncmp(err.text, name, strlen(name)) != 0) fail_msg("without the name %s: %s", name, err.text);
    return false;
}

typedef void Visit(const char *name, uint8_t *bytes, size_t length);

static void each_seed_in(const char *folder, size_t most, Visit *visit) {
    struct dirent **entry;
    int count = scandir(folder, &entry, NULL, alphasort);
    assert_true(count > 0);
    for (int i = 0; i < count; i++) {
        const char *dot = strrchr(entry[i]->d_name, '.');
        struct stat about;
        bool seed = dot && strcmp(dot, ".txt") != 0 && strcmp(dot, ".py") != 0 && strcmp(dot, ".json") != 0;
        char *path = strdup(text_of("%s/%s", folder, entry[i]->d_name));
        if (seed && stat(path, &about) == 0 && S_ISREG(about.st_mode) && about.st_size <= (off_t)most) {
            Error err;
            size_t length = 0;
            uint8_t *bytes = (uint8_t *)file_read_all(path, SEED_MAX, &length, &err);
            assert_non_null(bytes);
            visit(path, bytes, length);
            mem_free(bytes);
        }
        free(path);
        free(entry[i]);
    }
    free(entry);
}

static void each_seed(Visit *visit) {
    each_seed_in(FIXTURES, SEED_MAX, visit);
    each_seed_in(FIXTURES "/files", SEED_MAX / 2, visit);
}

static void truncate_seed(const char *name, uint8_t *bytes, size_t length) {
    for (size_t i = 0; i < length; i++) {
        uint8_t *exact = malloc(i + !i); /* so that a sanitizer sees a read past the end */
        assert_non_null(exact);
        memcpy(exact, bytes, i);
        if (loads(name, exact, i)) fail_msg("%s loads with %zu of its %zu bytes", name, i, length);
        free(exact);
    }
}

static void overwrite_seed(const char *name, uint8_t *bytes, size_t length) {
    static const uint8_t values[] = {0x00, 0x7f, 0x80, 0xff};
    for (size_t i = 0; i < length; i++) {
        uint8_t kept = bytes[i];
        for (size_t k = 0; k < sizeof values; k++) {
            bytes[i] = values[k];
            loads(name, bytes, length);
        }
        bytes[i] = kept;
    }
}

static void test_truncations(void **state) {
    (void)state;
    each_seed(truncate_seed);
}

static void test_overwritten_bytes(void **state) {
    (void)state;
    mem_set_budget(64 << 20);
    each_seed(overwrite_seed);
    mem_set_budget(0);
}

/* ---- rows 3, 7 and 10 -------------------------------------------------------------------------------------------- */

static const char json[] = "{\"w\":{\"dtype\":\"F32\",\"shape\":[1000],\"data_offsets\":[0,4000]}}";

static void put_good(const char *path) {
    Bytes bytes = {0};
    bytes_safetensors(&bytes, json, 4000);
    assert_true(write_bytes(path, bytes.data, bytes.length));
    bytes_done(&bytes);
}

static void test_no_permission(void **state) {
    (void)state;
    Error err = {0};
    const char *path = scratch_path("3-no-permission.safetensors");
    const uid_t user = geteuid();
    put_good(path);
    assert_int_equal(chmod(path, 0), 0);
    if (user == 0) { /* root may read everything: be nobody for a moment */
        assert_int_equal(chmod(scratch_folder(), 0711), 0);
        assert_int_equal(seteuid(65534), 0);
    }
    Checkpoint *checkpoint = checkpoint_open(path, &err);
    if (user == 0) assert_int_equal(seteuid(0), 0);
    assert_null(checkpoint);
    assert_int_equal(err.status, STATUS_BAD_INPUT);
    assert_non_null(strstr(err.text, "Permission denied"));
}

static void test_cut_while_reading(void **state) {
    (void)state;
    Error err = {0};
    const char *path = scratch_path("7-cut.safetensors");
    put_good(path);
    Checkpoint *checkpoint = checkpoint_open(path, &err);
    assert_non_null(checkpoint);
    assert_int_equal(truncate(path, 2000), 0);
    assert_null(checkpoint_read_tensor(checkpoint, 0, &err));
    assert_int_equal(err.status, STATUS_BAD_INPUT);
    assert_non_null(strstr(err.text, "7-cut.safetensors: file changed while reading"));
    checkpoint_close(checkpoint);
}

static void test_hostile_path(void **state) {
    (void)state;
    Error err = {0};
    const char *path = scratch_path("10-\n\033]0;x\007\033[2J.safetensors");
    assert_true(write_bytes(path, "nothing", 7));
    assert_null(checkpoint_open(path, &err));
    assert_int_equal(err.status, STATUS_BAD_INPUT);
    assert_null(strpbrk(err.text, "\n\033\007"));
    assert_non_null(strstr(err.text, "10-\\x0a\\x1b]0;x\\x07\\x1b[2J.safetensors: "));
    assert_null(strstr(strstr(err.text, "10-") + 1, "10-")); /* named once */
}

int main(int count, char **argument) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_any),
        cmocka_unit_test(test_safetensors),
        cmocka_unit_test(test_torch),
        cmocka_unit_test(test_files),
        cmocka_unit_test(test_npy),
        cmocka_unit_test(test_datasets),
        cmocka_unit_test(test_predictor),
        cmocka_unit_test(test_arch),
        cmocka_unit_test(test_onnx),
        cmocka_unit_test(test_pictures),
        cmocka_unit_test(test_corners),
        cmocka_unit_test(test_truncations),
        cmocka_unit_test(test_overwritten_bytes),
        cmocka_unit_test(test_no_permission),
        cmocka_unit_test(test_cut_while_reading),
        cmocka_unit_test(test_hostile_path),
        cmocka_unit_test(test_faults),
    };
    if (count == 3 && strcmp(argument[1], "--write") == 0) return write_list(argument[2]);
    if (getenv("ONLY_TEST")) cmocka_set_test_filter(getenv("ONLY_TEST"));
    return cmocka_run_group_tests_name("hostile", tests, NULL, NULL);
}
