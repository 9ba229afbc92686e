/* test_checkpoint -- the file that a run goes on from: it comes back to the bit; what a file says of the run is
 * believed only where everything fits; and whatever fails while one is saved, the newest whole one is still found. */
#include "train/internal.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "../support/bytes.h"
#include "../support/json_memory.h"
#include "weft/base/error.h"
#include "weft/base/fault.h"
#include "weft/base/hash.h"
#include "weft/base/memory.h"
#include "weft/base/run.h"
#include "weft/base/text.h"

enum { COUNT = 6, ALL_KINDS = FAULT_ALLOC | FAULT_OPEN | FAULT_READ | FAULT_WRITE | FAULT_FSYNC | FAULT_RENAME };
static char folder[64];

/* ---- a learner of six numbers ------------------------------------------------------------------------------------ */

static bool parts_of(Learner *learner, const float *parameters, FileParts *out, Error *err) {
    static const uint64_t dim[] = {2, 3};
    (void)learner;
    FileParts parts = {.tensors = mem_alloc(1, sizeof *parts.tensors, err)};
    const bool done = parts.tensors && key_value_add(&parts.metadata, &parts.metadata_count, "format", "pt", err);
    if (done) parts.tensors[parts.count++] = (TensorOut){"w", DTYPE_F32, 2, dim, parameters};
    if (done)
        *out = parts;
    else
        file_parts_done(&parts);
    return done;
}

static float parameters[COUNT];
static Learner learner = {.parameters = parameters, .count = COUNT, .kept = COUNT, .scalar = 0.3, .parts = parts_of};
static Optimiser *optimiser;
static TrainConfig config;

/* Parameters and an optimiser as after some steps. */
static void take_steps(unsigned steps) {
    const OptimiserConfig ranger = optimiser_config(OPTIMISER_RANGER);
    const ParameterBlock block = {.rows = 2, .columns = 3};
    Error err;
    for (size_t i = 0; i < COUNT; i++) parameters[i] = (float)i;
    optimiser_free(optimiser);
    assert_non_null(optimiser = optimiser_new(&ranger, &block, 1, parameters, COUNT, &err));
    for (unsigned step = 0; step < steps; step++) {
        float gradient[COUNT] = {1, -2, 3, 0.5f, 0, (float)step};
        optimiser_step(optimiser, parameters, gradient, 1, 0.01);
    }
}

static bool save(uint64_t step, Error *err) {
    const Progress progress = {
        .step = step, .seconds = 0.1 + 0.2, .best_accuracy = NAN, .best_distance = 1e-300, .accuracy = 12.5};
    return checkpoint_save(folder, &config, &learner, optimiser, &progress, err);
}

static void saved(uint64_t step) {
    Error err = {0};
    if (!save(step, &err)) fail_msg("%s", err.text);
}

static int begin(void **state) {
    (void)state;
    json_memory_counts(true);
    config = train_config();
    snprintf(folder, sizeof folder, "%s/weft-state-XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    return mkdtemp(folder) ? 0 : -1;
}

static int end(void **state) {
    (void)state;
    Error err;
    optimiser_free(optimiser);
    return checkpoint_clear(folder, &err) && rmdir(folder) == 0 ? 0 : -1;
}

static int fresh(void **state) {
    (void)state;
    Error err;
    take_steps(3);
    return checkpoint_clear(folder, &err) ? 0 : -1;
}

static Checkpoint *newest(Progress *progress, Str *notes, Error *err) {
    double scalar = 0;
    Checkpoint *checkpoint = checkpoint_newest(folder, &config, progress, &scalar, notes, err);
    if (checkpoint) assert_true(scalar == 0.3);
    return checkpoint;
}

static const char *file_of(const char *name) {
    return text_of("%s/%s.safetensors", folder, name);
}

/* ---- back and forth ---------------------------------------------------------------------------------------------- */

static void comes_back(void **state) {
    (void)state;
    OptimiserState before[OPTIMISER_STATES], after[OPTIMISER_STATES];
    float kept[OPTIMISER_STATES][COUNT];
    Error err = {0};
    Progress progress;
    Str notes = {0};
    saved(3);
    const size_t arrays = optimiser_state(optimiser, before);
    assert_int_equal(arrays, 3);
    for (size_t i = 0; i < arrays; i++) memcpy(kept[i], before[i].values, sizeof kept[i]);
    Checkpoint *checkpoint = newest(&progress, &notes, &err);
    assert_non_null(checkpoint);
    assert_int_equal(notes.length, 0);
    assert_true(progress.step == 3 && progress.seconds == 0.1 + 0.2 && progress.accuracy == 12.5);
    assert_true(isnan(progress.best_accuracy) && progress.best_distance == 1e-300);
    take_steps(1);
    assert_true(checkpoint_restore(checkpoint, optimiser, 3, &err));
    assert_int_equal(optimiser_state(optimiser, after), arrays);
    for (size_t i = 0; i < arrays; i++) assert_memory_equal(after[i].values, kept[i], sizeof kept[i]);
    fault_arm(FAULT_READ, 2, true);
    const bool restored = checkpoint_restore(checkpoint, optimiser, 3, &err);
    fault_disarm();
    assert_false(restored);
    assert_int_equal(err.status, STATUS_BAD_INPUT);
    checkpoint_close(checkpoint);
    str_done(&notes);
}

/* One that waits for its place, the last, the one before: the first that is whole, and why not those before it. */
static void the_newest_that_is_whole(void **state) {
    (void)state;
    static const char *const names[] = {"next", "last", "previous"};
    Error err = {0};
    Progress progress;
    Str notes = {0};
    assert_null(newest(&progress, &notes, &err));
    assert_int_equal(err.status, STATUS_BAD_INPUT);
    assert_string_equal(err.text, text_of("%s: no run to continue: it has no last.safetensors", folder));
    for (uint64_t step = 1; step <= 3; step++) {
        saved(step);
        assert_int_equal(rename(file_of("last"), file_of(text_of("%d", (int)step))), 0);
    }
    for (int i = 0; i < 3; i++) assert_int_equal(rename(file_of(text_of("%d", 3 - i)), file_of(names[i])), 0);
    for (unsigned damaged = 0; damaged < 3; damaged++) {
        size_t lines = 0;
        str_done(&notes);
        Checkpoint *checkpoint = newest(&progress, &notes, &err);
        assert_non_null(checkpoint);
        checkpoint_close(checkpoint);
        assert_int_equal(progress.step, 3 - damaged);
        for (size_t i = 0; i < notes.length; i++) lines += notes.text[i] == '\n';
        assert_int_equal(lines, damaged);
        assert_true(write_bytes(file_of(names[damaged]), "damaged", 7));
    }
    str_done(&notes);
    assert_null(newest(&progress, &notes, &err));
    assert_memory_equal(err.text, file_of("last"), strlen(file_of("last")));
    assert_true(unlink(file_of("next")) == 0 && unlink(file_of("last")) == 0);
    str_done(&notes);
    assert_null(newest(&progress, &notes, &err));
    assert_string_equal(err.text, text_of("%s: no run to continue: it has no last.safetensors", folder));
    assert_non_null(strstr(str_text(&notes), "previous.safetensors"));
    str_done(&notes);
    assert_true(checkpoint_clear(folder, &err));
    assert_false(run_has(folder, "previous.safetensors"));
}

/* ---- what files claim -------------------------------------------------------------------------------------------- */

/* last.safetensors again, with another description of the run (NULL: none) and its hash, or another (`hash`), with
 * `metadata` for "format" and without tensor number `left_out`. */
typedef struct Forgery {
    const char *description, *hash, *format;
    int left_out; /* 0: none; 1, 2, ... */
    uint64_t count;
    DType dtype; /* of the tensor number 2, where count is not 0 */
} Forgery;

static void forge(const Forgery *forgery) {
    Error err = {0};
    float *data[8];
    char hash[HASH_HEX];
    KeyValue *metadata = NULL;
    size_t metadata_count = 0, kept = 0;
    TensorOut tensors[8];
    Checkpoint *old = checkpoint_open(file_of("last"), &err);
    assert_non_null(old);
    const size_t count = checkpoint_count(old);
    for (size_t i = 0; i < count; i++) {
        const CheckpointTensor *tensor = checkpoint_tensor(old, i);
        assert_non_null(data[i] = mem_alloc(tensor->count, sizeof **data, &err));
        assert_true(checkpoint_read(old, i, data[i], &err));
        if ((int)i + 1 == forgery->left_out) continue;
        tensors[kept++] = (TensorOut){tensor->name, DTYPE_F32, tensor->rank, tensor->dim, data[i]};
        if (i == 1 && forgery->count) {
            tensors[kept - 1].dim = &forgery->count;
            tensors[kept - 1].dtype = forgery->dtype;
        }
    }
    assert_true(key_value_add(&metadata, &metadata_count, "format", forgery->format ? forgery->format : "pt", &err));
    if (forgery->description) {
        hash_hex(forgery->description, strlen(forgery->description), hash);
        const char *claimed = forgery->hash ? forgery->hash : hash;
        assert_true(key_value_add(&metadata, &metadata_count, "weft.run", forgery->description, &err));
        if (*claimed) assert_true(key_value_add(&metadata, &metadata_count, "weft.run.hash", claimed, &err));
    }
    if (!safetensors_save(file_of("next"), true, tensors, kept, metadata, metadata_count, &err))
        fail_msg("%s", err.text);
    checkpoint_close(old);
    for (size_t i = 0; i < count; i++) mem_free(data[i]);
    key_value_free(metadata, metadata_count);
}

static void refused(const Forgery *forgery, const char *words) {
    Error err = {0};
    Progress progress;
    Str notes = {0};
    forge(forgery);
    Checkpoint *checkpoint = newest(&progress, &notes, &err); /* passes it over and takes the last */
    assert_non_null(checkpoint);
    checkpoint_close(checkpoint);
    const char *line = text_of("%s: %s\n", file_of("next"), words);
    if (strcmp(notes.length ? str_text(&notes) : "", line) != 0)
        fail_msg("%s: %s; expected: %s", forgery->description, notes.length ? str_text(&notes) : "believed", line);
    str_done(&notes);
}

/* The true description of last.safetensors, to be freed. */
static json_t *description(void) {
    Error err;
    Checkpoint *checkpoint = checkpoint_open(file_of("last"), &err);
    assert_non_null(checkpoint);
    json_t *object = json_loads(checkpoint_metadata_find(checkpoint, "weft.run"), 0, NULL);
    assert_non_null(object);
    checkpoint_close(checkpoint);
    return object;
}

/* With another value (JSON; NULL: without it) of a field, or of one in `in`. */
static void claim(const char *in, const char *field, const char *value, const char *words) {
    json_t *object = description(), *inner = in ? json_object_get(object, in) : object;
    if (value)
        assert_int_equal(json_object_set_new(inner, field, json_loads(value, JSON_DECODE_ANY, NULL)), 0);
    else
        assert_int_equal(json_object_del(inner, field), 0);
    char *text = json_dumps(object, JSON_COMPACT | JSON_REAL_PRECISION(17));
    refused(&(Forgery){.description = text}, words);
    free(text);
    json_decref(object);
}

static void descriptions(void **state) {
    (void)state;
    static const char saved_other[] = "its description of the run is not what was saved",
                      invalid[] = "its description of the run is invalid",
                      missing[] = "tensors or metadata are missing";
    static const char *const reals[] = {"scalar", "seconds", "accuracy", "best_accuracy", "best_distance"};
    static const char *const no_reals[] = {NULL, "null", "7", "1.5", "\"\"", "\"x\"", "\"1x\"", "[]"};
    static const char *const no_counts[] = {NULL, "null", "\"7\"", "1.5", "-1", "{}"};
    saved(3);
    for (size_t i = 0; i < sizeof no_counts / sizeof *no_counts; i++) {
        claim(NULL, "version", no_counts[i], saved_other);
        claim(NULL, "step", no_counts[i], invalid);
    }
    for (size_t i = 0; i < sizeof reals / sizeof *reals; i++)
        for (size_t k = 0; k < sizeof no_reals / sizeof *no_reals; k++) claim(NULL, reals[i], no_reals[k], invalid);
    claim(NULL, "version", "2", "made by a newer weft (version 2 of checkpoints)");
    claim(NULL, "hashes", NULL, saved_other);
    claim(NULL, "hashes", "[]", saved_other);
    claim("hashes", "more", "\"0\"", missing);
    claim("hashes", "w", NULL, missing);
    claim("hashes", "w", "7", "tensor 'w' has no hash");
    claim("hashes", "w", "\"0\"", "tensor 'w' is not what was saved");
    claim("hashes", "state.slow", "\"\"", "tensor 'state.slow' is not what was saved");
    claim("hashes", "metadata format", "null", "metadata 'format' is not what was saved");
    claim("hashes", "metadata format", "\"0\"", "metadata 'format' is not what was saved");
    claim("config", "batch", "7", "field 'batch' differs from config.json");
    claim("config", "batch", "\"7\"", "field 'batch' is invalid");
    claim(NULL, "config", "[]", "field 'scheme' is missing");
}

static void files(void **state) {
    (void)state;
    static const char no_checkpoint[] = "not a checkpoint of a run",
                      saved_other[] = "its description of the run is not what was saved";
    saved(3);
    json_t *object = description();
    char *text = json_dumps(object, JSON_COMPACT | JSON_REAL_PRECISION(17));
    refused(&(Forgery){0}, no_checkpoint);
    refused(&(Forgery){.description = text, .hash = ""}, no_checkpoint);
    refused(&(Forgery){.description = text, .hash = "0"}, saved_other);
    refused(&(Forgery){.description = "{"}, saved_other);
    refused(&(Forgery){.description = "[1]"}, saved_other);
    refused(&(Forgery){.description = "{\"version\":1,\"version\":1}"}, saved_other);
    refused(&(Forgery){.description = text, .format = "np"}, "metadata 'format' is not what was saved");
    refused(&(Forgery){.description = text, .left_out = 2}, "tensors or metadata are missing");
    free(text);
    json_decref(object);
    Error err = {0};
    Progress progress;
    Str notes = {0};
    mem_set_budget(8);
    assert_null(newest(&progress, &notes, &err));
    mem_set_budget(0);
    assert_int_equal(err.status, STATUS_LIMIT);
    assert_non_null(strstr(err.text, "last.safetensors: loading the header needs"));
    str_done(&notes);
}

/* Whole files, but of a run with another optimiser. */
static void states_of_others(void **state) {
    (void)state;
    static const Forgery cases[] = {
        {.left_out = 2}, {.count = COUNT - 1, .dtype = DTYPE_F32}, {.count = COUNT, .dtype = DTYPE_I32}};
    saved(3);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Error err = {0};
        forge(&cases[i]);
        Checkpoint *checkpoint = checkpoint_open(file_of("next"), &err);
        assert_non_null(checkpoint);
        assert_false(checkpoint_restore(checkpoint, optimiser, 3, &err));
        assert_int_equal(err.status, STATUS_BAD_INPUT);
        assert_string_equal(err.text,
                            text_of("%s: tensor 'state.first' is missing or of another size", file_of("next")));
        checkpoint_close(checkpoint);
    }
}

/* ---- what fails -------------------------------------------------------------------------------------------------- */

/* Every call and every allocation refused in turn, the JSON library's too: the newest whole checkpoint is that of
 * before or the new one, and the next save succeeds. */
static void saving_fails(void **state) {
    (void)state;
    for (int all_after = 0; all_after < 2; all_after++) {
        /* one allocation alone that fails under json_loads loses a letter of a text: the library goes on */
        const unsigned kinds = all_after ? ALL_KINDS : ALL_KINDS & ~(unsigned)FAULT_ALLOC;
        unsigned failures = 0;
        bool hit = true;
        for (uint64_t n = 1; hit; n++) {
            Error err = {0}, problem = {0};
            Progress progress;
            Str notes = {0};
            assert_true(checkpoint_clear(folder, &err));
            saved(1);
            saved(2);
            fault_arm(kinds, n, all_after);
            const bool done = save(3, &err);
            hit = fault_disarm() >= n;
            assert_int_equal(done, !hit);
            if (!done) {
                failures++;
                if (err.status != STATUS_WRITE && err.status != STATUS_LIMIT)
                    fail_msg("call %u: %d: %s", (unsigned)n, err.status, err.text);
                assert_true(*err.text && !strchr(err.text, '\n'));
            }
            Checkpoint *checkpoint = newest(&progress, &notes, &problem);
            if (!checkpoint) fail_msg("call %u: %s", (unsigned)n, problem.text);
            assert_true(progress.step == 3 || (!done && progress.step == 2));
            checkpoint_close(checkpoint);
            str_done(&notes);
            saved(4);
        }
        assert_true(failures > (all_after ? 100 : 15));
    }
}

/* Looking for the newest, and putting it back. */
static void reading_fails(void **state) {
    (void)state;
    saved(2);
    bool hit = true;
    for (uint64_t n = 1; hit; n++) {
        Error err = {0};
        Progress progress;
        Str notes = {0};
        fault_arm(FAULT_ALLOC | FAULT_OPEN | FAULT_READ, n, true);
        Checkpoint *checkpoint = newest(&progress, &notes, &err);
        const bool done = checkpoint && checkpoint_restore(checkpoint, optimiser, progress.step, &err);
        hit = fault_disarm() >= n;
        assert_int_equal(done, !hit);
        if (!done) assert_true(err.status == STATUS_BAD_INPUT || err.status == STATUS_LIMIT);
        checkpoint_close(checkpoint);
        str_done(&notes);
    }
    hit = true;
    for (uint64_t n = 1; hit; n++) {
        Error err = {0};
        saved(2);
        fault_arm(ALL_KINDS, n, true);
        const bool done = checkpoint_clear(folder, &err);
        hit = fault_disarm() >= n;
        assert_int_equal(done, !hit);
        if (!done) assert_int_equal(err.status, STATUS_WRITE);
    }
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup(name, fresh)
    const struct CMUnitTest tests[] = {
        TEST(comes_back),    TEST(the_newest_that_is_whole), TEST(descriptions),
        TEST(files),         TEST(states_of_others),         TEST(saving_fails),
        TEST(reading_fails),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
