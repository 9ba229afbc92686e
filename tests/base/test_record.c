/* test_record -- config.json of a run folder: what is written is read back; records of other programs and of weft 0.1
 * are read, or refused by their field; memory that runs out and disks that fail leave the old record as it was. */
#include "weft/base/error.h"
#include "weft/base/fault.h"
#include "weft/base/file.h"
#include "weft/base/memory.h"
#include "weft/base/record.h"

#include <dirent.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "../support/bytes.h"
#include "../support/json_memory.h"

#define HASH "0123456789abcdef0123456789abcdef"
enum { ALL_KINDS = FAULT_ALLOC | FAULT_OPEN | FAULT_READ | FAULT_WRITE | FAULT_FSYNC | FAULT_CLOSE | FAULT_RENAME };
static char folder[64];

static int make_folder(void **state) {
    (void)state;
    json_memory_counts(true);
    strcpy(folder, access("/dev/shm", W_OK) == 0 ? "/dev/shm/weft-record-XXXXXX"
                                                 : "/tmp/weft-record-XXXXXX"); /* hundreds of syncs */
    return mkdtemp(folder) && chdir(folder) == 0 ? 0 : -1;
}

static int remove_folder(void **state) {
    (void)state;
    return chdir("/") == 0 ? system(text_of("rm -r %s", folder)) : -1;
}

/* Each test starts in a folder that holds nothing but the empty folder a. */
static int clean(void **state) {
    (void)state;
    return chdir(folder) == 0 ? system("rm -rf ./* && mkdir a") : -1;
}

static int not_dots(const struct dirent *entry) {
    return strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
}

static int files_of(const char *path) {
    struct dirent **entries;
    const int count = scandir(path, &entries, not_dots, NULL);
    for (int i = 0; i < count; i++) free(entries[i]);
    free(entries);
    return count;
}

/* ---- writing ----------------------------------------------------------------------------------------------------- */

static bool write_record(const char *command, json_t *settings, Error *err) {
    RunRecord record = {.steps = 24, .seed = 5, .trials = 2, .rounds = 3, .patience = 4};
    const bool done = record_begin(&record, "train", "p", command, json_incref(settings), err) &&
                      (record.rate_of = mem_copy_text("kernels", err)) &&
                      record_add_network(&record, "source", HASH, "source.safetensors", err) &&
                      record_add_data(&record, "data", "dd", "sample:fashion-test", "/elsewhere", 60, err) &&
                      record_add_data(&record, "images", "ee", "here.npz", record.folder, INT64_MAX, err) &&
                      record_write("a", &record, err);
    record_done(&record);
    return done;
}

static void check_written(const RunRecord *r) {
    const RecordObject *data = record_object(r, "data"), *images = record_object(r, "images");
    assert_string_equal(r->kind, "train");
    assert_string_equal(r->name, "p");
    assert_string_equal(r->folder, folder);
    assert_string_equal(r->rate_of, "kernels");
    assert_true(r->steps == 24 && r->seed == 5 && r->trials == 2 && r->rounds == 3 && r->patience == 4);
    assert_int_equal(r->object_count, 3);
    assert_string_equal(record_object(r, "source")->file, "source.safetensors");
    assert_string_equal(record_object(r, "source")->hash, HASH);
    assert_true(data && images && !record_object(r, "teacher"));
    assert_string_equal(data->folder, "/elsewhere");
    assert_null(images->folder); /* that of the record */
    assert_true(data->images == 60 && images->images == INT64_MAX && !data->file);
    assert_int_equal(json_integer_value(json_object_get(r->settings, "batch")), 512);
}

static json_t *some_settings(void) {
    json_t *settings = json_pack("{s:i,s:f}", "batch", 512, "rate", 0.1);
    assert_non_null(settings);
    return settings;
}

static void records_come_back(void **state) {
    (void)state;
    Error err = {0};
    RunRecord record;
    json_t *settings = some_settings();
    assert_false(record_here("a"));
    assert_true(write_record("train p --for \xff", settings, &err));
    assert_true(record_here("a"));
    assert_true(record_read("a", &record, &err));
    check_written(&record);
    assert_string_equal(record.command, "train p --for \\xff");
    record_done(&record);
    json_decref(settings);
}

/* JSON has no place for names that are not UTF-8: of a folder they are left out, of data they are refused. */
static void names_that_are_not_text(void **state) {
    (void)state;
    Error err = {0};
    RunRecord record = {0};
    assert_true(record_add_data(&record, "data", "dd", "x.npz", "/data", 1, &err)); /* no record's folder yet */
    assert_string_equal(record.objects[0].folder, "/data");
    assert_true(record_add_data(&record, "more", "dd", "x.npz", "/\xff", 1, &err));
    assert_null(record.objects[1].folder);
    assert_true(record_add_data(&record, "none", "dd", "x.npz", NULL, 1, &err));
    assert_null(record.objects[2].folder);
    assert_false(record_add_data(&record, "bad", "dd", "\xff.npz", NULL, 1, &err));
    assert_int_equal(err.status, STATUS_USAGE);
    assert_non_null(strstr(err.text, "a run saves the data's specification, but this one is not UTF-8"));
    assert_int_equal(record.object_count, 3);
    record_done(&record);
    assert_int_equal(mkdir("\xff", 0755), 0);
    assert_int_equal(chdir("\xff"), 0);
    assert_true(record_begin(&record, "train", "p", "train p", some_settings(), &err));
    assert_string_equal(record.folder, "");
    record_done(&record);
    assert_int_equal(rmdir("../\xff"), 0); /* the working folder is gone */
    assert_true(record_begin(&record, "train", "p", "train p", some_settings(), &err));
    assert_string_equal(record.folder, "");
    record_done(&record);
    assert_false(record_begin(&record, "train", "p", "train p", NULL, &err));
    assert_int_equal(err.status, STATUS_LIMIT);
    assert_string_equal(err.text, "no memory for config.json");
    record_done(&record);
}

static void differences(void **state) {
    (void)state;
    Error err;
    RunRecord a = {0}, b = {0};
    assert_null(record_objects_difference(&a, &b));
    assert_true(record_add_network(&a, "source", "11", "s", &err) &&
                record_add_network(&a, "teacher", "22", "t", &err));
    assert_string_equal(record_objects_difference(&a, &b), "source");
    assert_true(record_add_network(&b, "source", "11", "other", &err));
    assert_string_equal(record_objects_difference(&a, &b), "teacher");
    assert_string_equal(record_objects_difference(&b, &a), "teacher");
    assert_true(record_add_network(&b, "teacher", "23", "t", &err));
    assert_string_equal(record_objects_difference(&a, &b), "teacher");
    strcpy(b.objects[1].hash, "22");
    assert_null(record_objects_difference(&a, &b));
    record_done(&a);
    record_done(&b);
}

/* Each allocation, weft's and the JSON library's, and each call of the system fails in turn: the old record stands to
 * the byte, and nothing stands beside it. */
static void writing_fails(void **state) {
    (void)state;
    json_t *settings = some_settings();
    Error err = {0};
    size_t length;
    assert_true(write_record("old", settings, &err));
    char *old = file_read_all("a/config.json", 1 << 16, &length, &err);
    for (int all_after = 0; all_after < 2; all_after++) {
        bool hit = true;
        unsigned failures = 0;
        for (uint64_t n = 1; hit; n++) {
            size_t found;
            err = (Error){0};
            fault_arm(ALL_KINDS, n, all_after);
            const bool done = write_record("new \xff", settings, &err);
            hit = fault_disarm() >= n;
            char *text = file_read_all("a/config.json", 1 << 16, &found, &(Error){0});
            assert_non_null(text);
            const bool same = found == length && memcmp(text, old, length) == 0;
            if (done) {
                assert_false(same);
                assert_true(write_record("old", settings, &err));
            } else {
                failures++;
                assert_true(err.status == STATUS_LIMIT || err.status == STATUS_WRITE);
                assert_true(*err.text && !strchr(err.text, '\n'));
                /* the last thing that can fail is the sync of the folder, behind the renaming */
                assert_true(same || strstr(err.text, "a/config.json: "));
                if (!same) assert_true(write_record("old", settings, &err));
            }
            assert_int_equal(files_of("a"), 1);
            mem_free(text);
        }
        assert_true(failures > 60);
    }
    mem_free(old);
    json_decref(settings);
}

/* ---- hostile records --------------------------------------------------------------------------------------------- */

typedef struct Field {
    const char *name, *value;
} Field;
#define COMMON                                                                                                    \
    {"weft", "\"0.3\""}, {"kind", "\"train\""}, {"name", "\"p\""}, {"command", "\"train p\""},                    \
        {"folder", "\"/work\""}, {"rate_of", "\"kernels\""}, {"steps", "24"}, {"trials", "0"}, {"rounds", "0"}, { \
        "patience", "65535"                                                                                       \
    }
#define NETWORK "{\"role\":\"source\",\"network\":\"" HASH "\",\"file\":\"source.safetensors\"}"
static const Field now[] = {COMMON, {"seed", "5"}, {"objects", "[" NETWORK "]"}, {"settings", "{\"batch\":512}"}, {0}};
static const Field old[] = {COMMON,
                            {"config", "{\"batch\":512}"},
                            {"source", "\"" HASH "\""},
                            {"teacher", "\"\""},
                            {"data", "{\"hash\":\"dd\",\"spec\":\"sample:fashion-test\",\"images\":60}"},
                            {"images", "null"},
                            {"select", "null"},
                            {0}};

/* The record with another value of a field; NULL: without it. A field that it has not is put behind the others. */
static bool read_with(const Field *fields, const char *name, const char *value, RunRecord *out, Error *err) {
    FILE *file = fopen("a/config.json", "w");
    bool found = false;
    assert_non_null(file);
    fputs("{", file);
    for (const Field *f = fields; f->name; f++) {
        const bool this = name && strcmp(f->name, name) == 0;
        found = found || this;
        if (!this || value) fprintf(file, "\"%s\":%s,", f->name, this ? value : f->value);
    }
    if (name && !found && value) fprintf(file, "\"%s\":%s,", name, value);
    fputs("\"more\":1}", file);
    assert_int_equal(fclose(file), 0);
    return record_read("a", out, err);
}

static void refused(const Field *fields, const char *name, const char *value, const char *words) {
    Error err = {0};
    RunRecord record;
    static const RunRecord empty;
    if (read_with(fields, name, value, &record, &err))
        fail_msg("%s %s was read, though it should have said: %s", name, value ? value : "left out", words);
    if (err.status != STATUS_BAD_INPUT || strcmp(err.text, text_of("a/config.json: %s", words)) != 0)
        fail_msg("%s %s: %d: %s; expected: %s", name, value ? value : "left out", err.status, err.text, words);
    assert_memory_equal(&record, &empty, sizeof record);
}

/* Left out, and of every other kind. */
static void refused_kinds(const Field *fields, const char *name, const char *const *kinds) {
    for (; *kinds; kinds++)
        refused(fields, name, strcmp(*kinds, "-") == 0 ? NULL : *kinds, text_of("field '%s' is invalid", name));
}

static void fields_of_other_kinds(void **state) {
    (void)state;
    static const char *const no_texts[] = {"-", "null", "true", "7", "1.5", "[]", "{}", NULL};
    static const char *const no_counts[] = {"-", "null", "false", "\"7\"", "1.5", "7.0", "-1", "[]", "{}", NULL};
    static const char *const no_small[] = {"65536", "9223372036854775807", NULL};
    static const char *const texts[] = {"weft", "kind", "name", "command", "folder", "rate_of"};
    static const char *const counts[] = {"steps", "trials", "rounds", "patience"};
    RunRecord record;
    Error err;
    for (int of_01 = 0; of_01 < 2; of_01++) {
        const Field *fields = of_01 ? old : now;
        assert_true(read_with(fields, NULL, NULL, &record, &err));
        assert_true(record.steps == 24 && record.patience == 65535 && record.seed == (of_01 ? 0 : 5));
        assert_string_equal(record_object(&record, "source")->hash, HASH);
        record_done(&record);
        for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) refused_kinds(fields, texts[i], no_texts);
        for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) refused_kinds(fields, counts[i], no_counts);
        for (size_t i = 1; i < sizeof counts / sizeof *counts; i++) refused_kinds(fields, counts[i], no_small);
    }
    refused_kinds(now, "seed", no_counts);
    char name[82] = "\"";
    memset(name + 1, 'n', 79);
    strcpy(name + 80, "\"");
    assert_true(read_with(now, "name", name, &record, &err));
    record_done(&record);
    refused(now, "name", text_of("\"x%s", name + 1), "field 'name' is invalid");
}

static void objects_and_settings(void **state) {
    (void)state;
    static const char *const no_list[] = {"null",
                                          "7",
                                          "{}",
                                          "\"x\"",
                                          "[7]",
                                          "[[]]",
                                          "[{}]",
                                          "[{\"role\":\"x\"}]",
                                          "[{\"role\":\"\",\"network\":\"1\",\"file\":\"f\"}]",
                                          "[{\"role\":3,\"network\":\"1\",\"file\":\"f\"}]",
                                          "[{\"role\":\"x\",\"network\":\"1\"}]",
                                          "[{\"role\":\"x\",\"network\":1,\"file\":\"f\"}]",
                                          "[{\"role\":\"x\",\"data\":\"1\",\"images\":1}]",
                                          "[{\"role\":\"x\",\"spec\":\"1\",\"images\":1}]",
                                          "[" NETWORK ",null]",
                                          NULL};
    static const char *const no_settings[] = {"-", "null", "7", "[]", "\"x\"", NULL};
    refused_kinds(now, "objects", no_list);
    refused_kinds(now, "settings", no_settings);
    refused_kinds(old, "config", no_settings);
    refused(now, "objects", NULL, "field 'config' is invalid"); /* as one of weft 0.1 */
    refused(now, "objects", "[{\"role\":\"x\",\"network\":\"1\",\"file\":\"../f\"}]", "field 'file' is invalid");
    refused(now, "objects", "[{\"role\":\"x\",\"data\":\"1\",\"spec\":\"s\"}]", "field 'images' is invalid");
    refused(now, "objects", "[{\"role\":\"x\",\"data\":\"1\",\"spec\":\"s\",\"images\":-1}]",
            "field 'images' is invalid");
    RunRecord record;
    Error err;
    assert_true(read_with(now, "objects",
                          "[{\"role\":\"x\",\"data\":\"1\",\"spec\":\"s\",\"images\":2,\"folder\":\"/work\"},"
                          "{\"role\":\"y\",\"data\":\"1\",\"spec\":\"s\",\"images\":2,\"folder\":\"/other\"}]",
                          &record, &err));
    assert_null(record.objects[0].folder);
    assert_string_equal(record.objects[1].folder, "/other");
    record_done(&record);
    assert_true(read_with(now, "objects", "[]", &record, &err));
    assert_int_equal(record.object_count, 0);
    record_done(&record);
}

static void records_of_weft_01(void **state) {
    (void)state;
    static const char *const no_texts[] = {"-", "null", "7", "[]", NULL}, *const no_counts[] = {"-", "\"1\"", "-1",
                                                                                                NULL};
    static const char *const no_data[] = {"-",
                                          "7",
                                          "\"x\"",
                                          "{}",
                                          "{\"hash\":\"dd\",\"images\":1}",
                                          "{\"spec\":\"dd\",\"images\":1}",
                                          "{\"hash\":1,\"spec\":\"dd\",\"images\":1}",
                                          NULL};
    refused_kinds(old, "source", no_texts);
    refused_kinds(old, "teacher", no_texts);
    refused_kinds(old, "data", no_data);
    refused_kinds(old, "images", no_data);
    refused_kinds(old, "select", no_data);
    for (const char *const *count = no_counts; *count; count++)
        refused(old, "data",
                text_of("{\"hash\":\"dd\",\"spec\":\"s\",\"%s\":%s}",
                        **count == '-' && !(*count)[1] ? "none" : "images",
                        **count == '-' && !(*count)[1] ? "1" : *count),
                "field 'images' is invalid");
    RunRecord record;
    Error err = {0};
    assert_true(read_with(old, "teacher", "\"22\"", &record, &err));
    assert_int_equal(record.object_count, 3);
    assert_string_equal(record_object(&record, "teacher")->file, "teacher.safetensors");
    assert_string_equal(record_object(&record, "teacher")->hash, "22");
    assert_string_equal(record_object(&record, "data")->spec, "sample:fashion-test");
    assert_int_equal(record_object(&record, "data")->images, 60);
    assert_int_equal(json_integer_value(json_object_get(record.settings, "batch")), 512);
    record_done(&record);
    for (int known = 0; known < 2; known++) { /* a survey's */
        assert_false(read_with(known ? old : now + 1, "words", "[\"survey\"]", &record, &err));
        assert_int_equal(err.status, STATUS_FAILED);
        assert_non_null(strstr(err.text, known ? "a/config.json: weft 0.3 wrote it" : "weft 0.1 wrote it"));
    }
    assert_true(read_with(old, "words", "7", &record, &err));
    record_done(&record);
}

/* Each allocation, opening and reading fails, with all after it: one line, and an empty record. */
static void reading_fails(void **state) {
    (void)state;
    static const RunRecord empty;
    for (int of_01 = 0; of_01 < 2; of_01++) {
        Error err = {0};
        RunRecord record;
        bool hit = true;
        static const char objects_now[] = "[{\"role\":\"x\",\"data\":\"1\",\"spec\":\"s\",\"images\":2}]";
        assert_true(
            read_with(of_01 ? old : now, of_01 ? "teacher" : "objects", of_01 ? "\"22\"" : objects_now, &record, &err));
        const size_t objects = record.object_count;
        record_done(&record);
        for (uint64_t n = 1; hit; n++) {
            fault_arm(FAULT_ALLOC | FAULT_OPEN | FAULT_READ, n, true);
            err = (Error){0};
            const bool done = record_read("a", &record, &err);
            hit = fault_disarm() >= n;
            assert_int_equal(done, !hit);
            if (done) assert_int_equal(record.object_count, objects);
            if (!done) {
                assert_true(err.status == STATUS_LIMIT || err.status == STATUS_BAD_INPUT);
                assert_true(*err.text && !strchr(err.text, '\n') && err.text[strlen(err.text) - 1] != ' ');
                assert_memory_equal(&record, &empty, sizeof record);
            }
            record_done(&record);
        }
    }
}

static void files_that_are_no_records(void **state) {
    (void)state;
    static const struct {
        const char *text, *words;
        Status status;
    } cases[] = {{NULL, "a: not a run: it has no config.json", STATUS_BAD_INPUT},
                 {"", "a/config.json: '[' or '{' expected near end of file", STATUS_BAD_INPUT},
                 {"[1]", "a/config.json: not a JSON object", STATUS_BAD_INPUT},
                 {"{\"weft\":", "a/config.json: unexpected token near end of file", STATUS_BAD_INPUT},
                 {"{\"a\":1,\"a\":2}", "a/config.json: duplicate object key near '\"a\"'", STATUS_BAD_INPUT},
                 {"{\"a\":\"\xff\"}", "a/config.json: unable to decode byte 0xff near '\"'", STATUS_BAD_INPUT}};
    Error err;
    RunRecord record;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        if (cases[i].text) assert_true(write_bytes("a/config.json", cases[i].text, strlen(cases[i].text)));
        assert_false(record_read("a", &record, &err));
        assert_int_equal(err.status, cases[i].status);
        assert_string_equal(err.text, cases[i].words);
    }
    assert_int_equal(truncate("a/config.json", (1 << 20) + 1), 0);
    assert_false(record_read("a", &record, &err));
    assert_int_equal(err.status, STATUS_LIMIT);
    assert_string_equal(err.text, "a/config.json: has 1048577 bytes, limit 1048576");
    record_done(&record);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup(name, clean)
    const struct CMUnitTest tests[] = {
        TEST(records_come_back),    TEST(names_that_are_not_text), TEST(differences),
        TEST(writing_fails),        TEST(reading_fails),           TEST(fields_of_other_kinds),
        TEST(objects_and_settings), TEST(records_of_weft_01),      TEST(files_that_are_no_records),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
