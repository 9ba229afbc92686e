/* test_stored -- the record of a training run: networks and data come back, or the first that is not the same is named;
 * and whatever fails while it is written or read, the folder has nothing half. */
#include "train/internal.h"

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
#include "../support/handmade.h"
#include "../support/json_memory.h"
#include "../support/runs.h"
#include "weft/base/error.h"
#include "weft/base/fault.h"
#include "weft/base/memory.h"
#include "weft/base/run.h"
#include "weft/base/text.h"

enum { ALL_KINDS = FAULT_ALLOC | FAULT_OPEN | FAULT_READ | FAULT_WRITE | FAULT_FSYNC | FAULT_CLOSE | FAULT_RENAME };
static char folder[64];
static Network *source, *teacher;
static Dataset *images, *data, *select_data;

static int begin(void **state) {
    (void)state;
    static const HandmadeLayer layers[] = {{"a", 4, {2, 3, 3, 3}}, {"b", 2, {2, 8}}};
    Error err;
    json_memory_counts(true);
    snprintf(folder, sizeof folder, "%s/weft-stored-XXXXXX", access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp");
    source = handmade_network(layers, 2, 1);
    teacher = handmade_network(layers, 2, 2);
    images = dataset_load("noise:7:3x4x4", 0, &err);
    data = dataset_load("noise:8:3x4x4", 0, &err);
    select_data = dataset_load("noise:9:3x4x4", 0, &err);
    return mkdtemp(folder) && images && data && select_data ? 0 : -1;
}

static int end(void **state) {
    (void)state;
    network_free(source);
    network_free(teacher);
    dataset_free(images);
    dataset_free(data);
    dataset_free(select_data);
    return system(text_of("rm -r %s", folder));
}

static int clean(void **state) {
    (void)state;
    static const char *const files[] = {"config.json", "source.safetensors", "teacher.safetensors", "lock"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) unlink(text_of("%s/%s", folder, files[i]));
    return 0;
}

static TrainJob job_of(void) {
    return (TrainJob){.config = train_config(),
                      .name = "p",
                      .command = "train p",
                      .source = source,
                      .teacher = teacher,
                      .images = images,
                      .data = data};
}

static bool write_run(const TrainJob *job, unsigned trials, bool rounds, Error *err) {
    const ProgressiveJob progressive = {.rounds = 5, .patience = 2, .select = select_data};
    return stored_save_networks(folder, job, err) &&
           stored_write(folder, job, &job->config, trials, rounds ? &progressive : NULL, err);
}

static void written(const TrainJob *job, unsigned trials, bool rounds) {
    Error err = {0};
    if (!write_run(job, trials, rounds, &err)) fail_msg("%s", err.text);
}

/* ---- back and forth ---------------------------------------------------------------------------------------------- */

static void check(const Stored *stored, const TrainJob *job, unsigned trials, bool rounds) {
    const RunRecord *r = &stored->record;
    assert_string_equal(r->kind, rounds ? "progressive" : trials > 1 ? "trials" : "train");
    assert_int_equal(r->trials, rounds || trials > 1 ? trials : 0);
    assert_true(r->rounds == (rounds ? 5 : 0) && r->patience == (rounds ? 2 : 0));
    assert_null(train_config_difference(&stored->config, &job->config));
    assert_memory_equal(handmade_weights(stored->source, 0), handmade_weights(source, 0), 54 * sizeof(float));
    assert_int_equal(stored->teacher != NULL, job->teacher != NULL);
    if (job->teacher)
        assert_memory_equal(handmade_weights(stored->teacher, 1), handmade_weights(teacher, 1), 16 * sizeof(float));
    assert_int_equal(stored->data.data != NULL, job->data != NULL);
    assert_int_equal(stored->images.data != NULL, job->images != NULL);
    assert_int_equal(stored->select.data != NULL, rounds);
    assert_null(stored_problem(stored));
    const TrainJob again = stored_job(job, stored);
    assert_int_equal(again.data_images, job->data ? 8 : 0);
    assert_null(again.data_problem);
    assert_string_equal(again.command, "train p");
}

static void runs_come_back(void **state) {
    (void)state;
    for (int kind = 0; kind < 4; kind++) {
        Error err = {0};
        Stored stored;
        TrainJob job = job_of();
        if (kind == 1) job.teacher = NULL;
        if (kind == 2) job.images = job.data = NULL;
        const unsigned trials = kind == 2 ? 3 : 1;
        clean(NULL);
        written(&job, trials, kind == 3);
        if (!stored_read(folder, &stored, &err) || !stored_load(folder, &stored, &err)) fail_msg("%s", err.text);
        check(&stored, &job, trials, kind == 3);
        stored_done(&stored);
    }
}

static void where_the_source_is(void **state) {
    (void)state;
    Str out = {0};
    Error err = {0};
    stored_source(folder, &out);
    assert_string_equal(str_text(&out), text_of("%s/trial-1", folder));
    str_done(&out);
    const TrainJob job = job_of();
    written(&job, 1, false);
    stored_source(folder, &out);
    assert_string_equal(str_text(&out), folder);
    str_done(&out);
    for (unsigned trials = 1; trials <= 2; trials++) { /* a run is never begun over another */
        assert_null(stored_claim(folder, trials, &err));
        assert_int_equal(err.status, trials == 1 ? STATUS_WRITE : STATUS_FAILED);
        if (trials == 1) assert_true(write_bytes(text_of("%s/lock", folder), "", 0));
    }
    assert_null(stored_claim(folder, 1, &err));
    assert_string_equal(err.text, text_of("%s: already holds a run (resume %s continues it)", folder, folder));
    /* as weft 0.2 began trials: a record alone is no run before the first trial is there */
    assert_int_equal(unlink(text_of("%s/source.safetensors", folder)), 0);
    Run *run = stored_claim(folder, 2, &err);
    assert_non_null(run);
    run_close(run);
    assert_int_equal(mkdir(text_of("%s/trial-1", folder), 0755), 0);
    assert_true(write_bytes(text_of("%s/trial-1/config.json", folder), "{}", 2));
    assert_null(stored_claim(folder, 2, &err));
    assert_int_equal(err.status, STATUS_FAILED);
    assert_true(unlink(text_of("%s/trial-1/config.json", folder)) == 0 && rmdir(text_of("%s/trial-1", folder)) == 0);
}

/* ---- what has changed -------------------------------------------------------------------------------------------- */

/* After `from` became `to` in config.json: the line that refuses the run, or the problem of its data. */
static void changed(const char *from, const char *to, const char *words) {
    Error err = {0};
    Stored stored;
    const TrainJob job = job_of();
    clean(NULL);
    written(&job, 1, true);
    runs_replace(folder, "config.json", from, to);
    const bool read = stored_read(folder, &stored, &err), loaded = read && stored_load(folder, &stored, &err);
    const Error *problem = loaded ? stored_problem(&stored) : &err;
    if (!problem) fail_msg("%s: loaded, though it should have said: %s", to, words);
    assert_int_equal(problem->status, STATUS_BAD_INPUT);
    if (strcmp(problem->text, text_of("%s%s", folder, words)) != 0)
        fail_msg("%s: %s; expected: %s", to, problem->text, words);
    if (loaded) assert_ptr_equal(stored_job(&job, &stored).data_problem, problem);
    if (read) stored_done(&stored);
}

static void changes(void **state) {
    (void)state;
    changed("\"batch\": [0-9]*", "\"batch\": \"x\"", "/config.json: field 'batch' is invalid");
    changed("\"weft\"", "\"was\"", "/config.json: field 'weft' is invalid");
    changed("\"role\": \"source\"", "\"role\": \"other\"", "/config.json: field 'objects' has no source");
    changed("\"file\": \"source", "\"file\": \"teacher",
            ": teacher.safetensors is not the network the run started with");
    changed("\"file\": \"teacher", "\"file\": \"source",
            ": source.safetensors is not the teacher the run started with");
    changed("\"file\": \"source", "\"file\": \"nothing", "/nothing.safetensors: No such file or directory");
    changed("noise:7:3x4x4", "noise:7:3x4x5",
            ": field 'images' differs: noise:7:3x4x5 does not hold the images the run started with");
    changed("noise:8:3x4x4", "noise:8:1x4x4",
            ": field 'data' differs: noise:8:1x4x4 does not hold the images the run started with");
    changed("noise:9:3x4x4", "noise:9:3x5x4",
            ": field 'select' differs: noise:9:3x5x4 does not hold the images the run started with");
}

/* ---- what fails -------------------------------------------------------------------------------------------------- */

/* Each call and each allocation refused, the JSON library's too: no record, or a whole one. */
static void writing_fails(void **state) {
    (void)state;
    const TrainJob job = job_of();
    for (int all_after = 0; all_after < 2; all_after++) {
        unsigned failures = 0;
        bool hit = true;
        for (uint64_t n = 1; hit; n++) {
            Error err = {0};
            clean(NULL);
            fault_arm(ALL_KINDS, n, all_after);
            const bool done = write_run(&job, 1, true, &err);
            hit = fault_disarm() >= n;
            if (!done) {
                failures++;
                if (err.status != STATUS_WRITE && err.status != STATUS_LIMIT)
                    fail_msg("call %u: %d: %s", (unsigned)n, err.status, err.text);
                assert_true(*err.text && !strchr(err.text, '\n'));
            }
            if (!done && !record_here(folder)) continue;
            Stored stored;
            if (!stored_read(folder, &stored, &err) || !stored_load(folder, &stored, &err)) fail_msg("%s", err.text);
            check(&stored, &job, 1, true);
            stored_done(&stored);
        }
        assert_true(failures > 100);
    }
}

static void reading_fails(void **state) {
    (void)state;
    const TrainJob job = job_of();
    bool hit = true;
    written(&job, 1, true);
    for (uint64_t n = 1; hit; n++) {
        Error err = {0};
        Stored stored;
        fault_arm(FAULT_ALLOC | FAULT_OPEN | FAULT_READ, n, true);
        const bool read = stored_read(folder, &stored, &err), done = read && stored_load(folder, &stored, &err);
        hit = fault_disarm() >= n;
        if (!hit) check(&stored, &job, 1, true);
        if (done && hit)
            assert_non_null(stored_problem(&stored)); /* data that could not be loaded: told where needed */
        if (!done) {
            assert_true(err.status == STATUS_LIMIT || err.status == STATUS_BAD_INPUT);
            assert_true(*err.text && !strchr(err.text, '\n'));
        }
        if (read) stored_done(&stored);
    }
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup(name, clean)
    const struct CMUnitTest tests[] = {
        TEST(runs_come_back), TEST(where_the_source_is), TEST(changes), TEST(writing_fails), TEST(reading_fails),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
