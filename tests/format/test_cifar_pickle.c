/* test_cifar_pickle -- CIFAR's Python batches: what Python 2 and 3 wrote in each protocol
 * (tests/fixtures/cifar/make.py) reads as the binary version of the same records does; long ones; damage at every byte.
 */
#include "../support/bytes.h"
#include "../support/cifar_pickle.h"
#include "weft/base/error.h"
#include "weft/base/fault.h"
#include "weft/base/file.h"
#include "weft/base/memory.h"
#include "weft/format.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define FOLDER "tests/fixtures/cifar/"
enum { PIXELS = 3072, MANY = 60 /* more than an interpreter holds in memory */ };

static const char *const fixtures[] = {"cifar10-py2-2",  "cifar10-py3-2",    "cifar10-py3-3",  "cifar10-py3-4",
                                       "cifar10-py3-5",  "cifar10-py3-keys", "cifar100-py2-2", "cifar100-py3-2",
                                       "cifar100-py3-3", "cifar100-py3-4",   "cifar100-py3-5"};
enum { FIXTURES = sizeof fixtures / sizeof *fixtures };

static Error last;
static bool parse(const Bytes *bytes, bool fine, uint64_t limit, ImageRecords *out) {
    last = (Error){0};
    File *file = file_memory("seed", bytes->data, bytes->length, &last);
    assert_non_null(file);
    const bool ok = cifar_parse(file, fine, limit, out, &last);
    file_close(file);
    return ok;
}

static void refuse(const Bytes *bytes, bool fine, Status status, const char *reason) {
    ImageRecords records = {0};
    assert_false(parse(bytes, fine, 0, &records));
    if (last.status != status || !strstr(last.text, reason) || !strstr(last.text, "seed"))
        fail_msg("status %d, \"%s\" does not say \"%s\"", last.status, last.text, reason);
    assert_int_equal(records.count, 0);
    image_records_done(&records);
}

static void refuse_made(CifarPickle about, const char *reason) {
    Bytes bytes = {0};
    if (about.rows == 0) about.rows = 3;
    bytes_cifar_pickle(&bytes, &about);
    refuse(&bytes, about.fine, STATUS_BAD_INPUT, reason);
    bytes_done(&bytes);
}

static bool is_fine(const char *name) {
    return strncmp(name, "cifar100", 8) == 0;
}

static void test_fixtures(void **state) {
    (void)state;
    for (size_t i = 0; i < FIXTURES; i++) {
        const bool fine = is_fine(fixtures[i]);
        ImageRecords binary = {0}, pickled = {0};
        Error err = {0};
        assert_true(cifar_read(fine ? FOLDER "cifar100.bin" : FOLDER "cifar10.bin", fine, 0, &binary, &err));
        if (!cifar_read(text_of(FOLDER "%s", fixtures[i]), fine, 0, &pickled, &err)) fail_msg("%s", err.text);
        assert_int_equal(pickled.count, 2);
        assert_memory_equal(pickled.pixels, binary.pixels, 2 * PIXELS);
        assert_memory_equal(pickled.labels, binary.labels, 2 * sizeof *binary.labels);
        if (cifar_read(text_of(FOLDER "%s", fixtures[i]), !fine, 0, &pickled, &err)) fail_msg("the other kind loads");
        if (!strstr(err.text, fine ? "without labels, but with those of CIFAR-100"
                                   : "without fine_labels, but with those of CIFAR-10"))
            fail_msg("%s", err.text);
        assert_int_equal(pickled.count, 2);
        image_records_done(&binary);
        image_records_done(&pickled);
    }
}

/* Data in memory and beyond; binary bytes and text; limits; appending. */
static void test_made(void **state) {
    (void)state;
    for (unsigned kind = 0; kind < 8; kind++) {
        const CifarPickle about = {.rows = kind & 1 ? MANY : 3, .fine = kind & 2, .text = kind & 4};
        for (uint64_t limit = 0; limit <= about.rows + 1; limit += about.rows / 3) {
            Bytes bytes = {0};
            ImageRecords records = {0};
            bytes_cifar_pickle(&bytes, &about);
            if (!parse(&bytes, about.fine, limit, &records)) fail_msg("kind %u: %s", kind, last.text);
            const uint64_t first = limit > 0 && limit < about.rows ? limit : about.rows;
            assert_int_equal(records.count, first);
            assert_true(parse(&bytes, about.fine, 2, &records));
            assert_int_equal(records.count, first + 2);
            for (uint64_t n = 0; n < records.count; n++) {
                const uint64_t i = n < first ? n : n - first;
                assert_int_equal(records.labels[n], about.fine ? i % 100 : i % 10);
                for (unsigned p = 0; p < PIXELS; p++)
                    assert_int_equal(records.pixels[n * PIXELS + p], (uint8_t)(i + p));
            }
            image_records_done(&records);
            bytes_done(&bytes);
        }
    }
}

static void test_refusals(void **state) {
    (void)state;
    refuse_made((CifarPickle){.labels = 2}, "3 images, but 2 labels");
    refuse_made((CifarPickle){.label_0 = 10}, "record 0 has label 10; CIFAR-10's highest is 9");
    refuse_made((CifarPickle){.label_0 = -1}, "record 0 has label -1");
    refuse_made((CifarPickle){.label_0 = 100, .fine = true}, "record 0 has fine label 100; CIFAR-100's highest is 99");
    refuse_made((CifarPickle){.labels_as = "'labels"}, "labels is not a list");
    refuse_made((CifarPickle){.labels_as = "] ( N N N e"}, "label 0 is not an integer");
    refuse_made((CifarPickle){.labels_as = "] ( 1 2 T e"}, "label 2 is not an integer");
    refuse_made((CifarPickle){.dtype = "f8"}, "data has dtype f8; only u1 is supported");
    refuse_made((CifarPickle){.dtype = "O8"}, "data does not have a numeric dtype");
    refuse_made((CifarPickle){.dtype = "i1"}, "data has dtype i1");
    refuse_made((CifarPickle){.columns = true}, "data is in column order");
    refuse_made((CifarPickle){.shape = "( 3 3071 t"}, "data's shape is not (images, 3072)");
    refuse_made((CifarPickle){.shape = "( 3 3 32 32 t"}, "data's shape is not (images, 3072)");
    refuse_made((CifarPickle){.shape = "( 3072 t"}, "data's shape is not (images, 3072)");
    refuse_made((CifarPickle){.shape = "( -3 3072 t"}, "data's shape is not (images, 3072)");
    refuse_made((CifarPickle){.shape = "3"}, "data's shape is not (images, 3072)");
    refuse_made((CifarPickle){.shape = "( 4 3072 t", .labels = 4},
                "data's shape (4, 3072) needs 12288 bytes, it has 9216");
    refuse_made((CifarPickle){.shape = "( 2 3072 t", .labels = 2},
                "data's shape (2, 3072) needs 6144 bytes, it has 9216");
    refuse_made((CifarPickle){.shape = "( 6004799503160661 3072 t", .labels = 4}, "data's shape is not (images, 3072)");
    refuse_made((CifarPickle){.rows = MANY, .shape = "( 61 3072 t", .labels = 61, .text = true},
                "data's shape (61, 3072) needs 187392 bytes, it has 184320");
    refuse_made((CifarPickle){.rows = MANY, .shape = "( 59 3072 t", .labels = 59, .text = true},
                "data's shape (59, 3072) needs 181248 bytes, it has 184320");
}

static void test_other_pickles(void **state) {
    (void)state;
    static const struct {
        const char *program, *reason;
    } cases[] = {{"\x80\x02}.", "a pickle without labels"},
                 {"\x80\x02].", "a pickle, but not of a dict"},
                 {"\x80\x02}..", "1 bytes after the pickle"},
                 {"\x80\x02}U\6labels]s.", "a pickle without data"},
                 {"\x80\x02}U\6labels]sU\4dataNs.", "data is not a NumPy array"},
                 {"\x80\x02}U\6labels]sU\4datacnumpy\nndarray\ns.", "data is not a NumPy array"},
                 {"\x80\x02}U\6labels]sU\4datacnumpy.core.multiarray\n_reconstruct\n)Rs.", "data is not a NumPy array"},
                 {"\x80\x02}U\6labels]sU\4datacnumpy.core.numeric\n_frombuffer\n)Rs.", "data is not a NumPy array"},
                 {"\x80\x02}U\6labels]sU\4datacos\nsystem\nU\4echo\x85Rs.", "global os.system is not a tensor type"},
                 {"\x80", "pickle ends early"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const Bytes bytes = {(uint8_t *)(uintptr_t)cases[i].program, strlen(cases[i].program)};
        refuse(&bytes, false, STATUS_BAD_INPUT, cases[i].reason);
    }
}

/* Text for bytes whose characters are no bytes, or that ends within one. */
static void test_bad_text(void **state) {
    (void)state;
    const CifarPickle about = {.rows = MANY, .text = true};
    static const uint8_t bad[] = {0xc4, 0xe0, 0xff, 0xc1};
    for (size_t i = 0; i < sizeof bad; i++) {
        Bytes bytes = {0};
        bytes_cifar_pickle(&bytes, &about);
        uint8_t *lead = memmem(bytes.data, bytes.length, "\x7f\xc2\x80", 3);
        assert_non_null(lead);
        lead[1] = bad[i];
        refuse(&bytes, false, STATUS_BAD_INPUT, "data is text that is not Latin-1");
        lead[1] = 0xc2;
        lead[2] = 'x';
        refuse(&bytes, false, STATUS_BAD_INPUT, "data is text that is not Latin-1");
        bytes_done(&bytes);
    }
}

/* A public repository holds batches cut at 2,359,296 bytes (docs/reliability.md, section 2); this one has the same
 * layout. */
static void test_real_truncation(void **state) {
    (void)state;
    Bytes bytes = {0};
    bytes_cifar_pickle(&bytes, &(CifarPickle){.rows = 10000});
    bytes.length = 2359296;
    refuse(&bytes, false, STATUS_BAD_INPUT, "data needs 30720000 bytes, 2339078 remain");
    bytes_done(&bytes);
}

static void test_damage(void **state) {
    (void)state;
    for (size_t f = 0; f < FIXTURES; f++) {
        Error err;
        size_t length;
        char *bytes = file_read_all(text_of(FOLDER "%s", fixtures[f]), 1 << 20, &length, &err);
        assert_non_null(bytes);
        /* Every place in the pickle itself; of the pixels, which any values may be, each 97th. */
        for (size_t i = 0; i<length; i += i> 400 && i + 400 < length ? 97 : 1) {
            ImageRecords records = {0};
            uint8_t *exact = malloc(i + !i);
            assert_non_null(exact);
            memcpy(exact, bytes, i);
            if (i > 0) assert_false(parse(&(Bytes){exact, i}, is_fine(fixtures[f]), 0, &records));
            free(exact);
            for (unsigned k = 0; k < 4; k++) {
                const char kept = bytes[i];
                bytes[i] = (char[]){0, 0x7f, (char)0x80, (char)0xff}[k];
                parse(&(Bytes){(uint8_t *)bytes, length}, is_fine(fixtures[f]), 0, &records);
                bytes[i] = kept;
            }
            image_records_done(&records);
        }
        mem_free(bytes);
    }
}

static void test_faults(void **state) {
    (void)state;
    for (unsigned text = 0; text < 2; text++) {
        Bytes bytes = {0};
        bytes_cifar_pickle(&bytes, &(CifarPickle){.rows = MANY, .text = text});
        const char *path = scratch_path("test_batch");
        assert_true(write_bytes(path, bytes.data, bytes.length));
        bool ok = false;
        for (uint64_t k = 1; !ok && k < 1000000; k += 1 + k / 64) { /* most are the labels' nodes */
            ImageRecords records = {0};
            Error err = {0};
            fault_arm(FAULT_ALLOC | FAULT_OPEN | FAULT_READ, k, false);
            ok = cifar_read(path, false, 0, &records, &err);
            fault_disarm();
            assert_int_equal(records.count, ok ? MANY : 0);
            assert_true(ok || (err.status != STATUS_OK && err.text[0]));
            image_records_done(&records);
        }
        assert_true(ok);
        bytes_done(&bytes);
    }
    Bytes bytes = {0};
    bytes_cifar_pickle(&bytes, &(CifarPickle){.rows = MANY});
    mem_set_budget(MANY * PIXELS);
    refuse(&bytes, false, STATUS_LIMIT, "loading seed needs");
    mem_set_budget(0);
    bytes_done(&bytes);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fixtures),      cmocka_unit_test(test_made),     cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_other_pickles), cmocka_unit_test(test_bad_text), cmocka_unit_test(test_real_truncation),
        cmocka_unit_test(test_damage),        cmocka_unit_test(test_faults),
    };
    return cmocka_run_group_tests_name("cifar_pickle", tests, NULL, NULL);
}
