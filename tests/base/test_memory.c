/* test_memory -- allocation, its refusals, and the budget. */

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

#include "base/memory.h"
#include "weft/base/error.h"
#include "weft/base/fault.h"
#include "weft/base/memory.h"
#include "weft/base/size.h"

static void allocations_are_zeroed_and_aligned(void **state) {
    (void)state;
    Error err;
    static const size_t sizes[] = {0, 1, 63, 64, 65, 4096, 1 << 20};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        unsigned char *memory = mem_alloc(sizes[i], 1, &err);
        assert_non_null(memory);
        assert_int_equal((uintptr_t)memory % 64, 0);
        for (size_t j = 0; j < sizes[i]; j++) assert_int_equal(memory[j], 0);
        memset(memory, 0xa5, sizes[i]);
        mem_free(memory);
    }
    mem_free(NULL);
}

static void impossible_sizes_are_refused(void **state) {
    (void)state;
    static const uint64_t counts[] = {UINT64_MAX, UINT64_MAX / 8 + 1, (uint64_t)1 << 61, (uint64_t)1 << 60};
    for (size_t i = 0; i < 4; i++) {
        Error err = {0};
        assert_null(mem_alloc(counts[i], 8, &err));
        assert_int_equal(err.status, STATUS_LIMIT);
    }
}

static void arrays_grow_or_stay(void **state) {
    (void)state;
    Error err = {0};
    int *array = NULL;
    size_t capacity = 0, last = 0;
    unsigned steps = 0;
    for (size_t need = 1; need < 5000; need++) {
        assert_true(mem_grow(&array, &capacity, need, sizeof *array, &err));
        assert_true(capacity >= need);
        if (capacity != last) {
            assert_true(capacity >= last + last / 2);
            for (size_t i = need - 1; i < capacity; i++) assert_int_equal(array[i], 0);
            last = capacity;
            steps++;
        }
        array[need - 1] = (int)need;
    }
    assert_true(steps < 20);
    for (int i = 0; i < 4999; i++) assert_int_equal(array[i], i + 1);
    int *before = array;
    assert_false(mem_grow(&array, &capacity, UINT64_MAX / 2, sizeof *array, &err));
    assert_int_equal(err.status, STATUS_LIMIT);
    fault_arm(FAULT_ALLOC, 1, false);
    assert_false(mem_grow(&array, &capacity, capacity + 1, sizeof *array, &err));
    assert_int_equal(fault_disarm(), 1);
    assert_true(array == before && capacity == last);
    mem_free(array);
}

static void copies(void **state) {
    (void)state;
    Error err;
    char *text = mem_copy_text("abc", &err), *bytes = mem_copy_bytes("a\0b", 3, &err),
         *none = mem_copy_bytes("", 0, &err);
    assert_string_equal(text, "abc");
    assert_memory_equal(bytes, "a\0b", 4);
    assert_string_equal(none, "");
    mem_free(text), mem_free(bytes), mem_free(none);
}

static void faults_come_when_armed(void **state) {
    (void)state;
    fault_arm(FAULT_ALLOC | FAULT_READ, 2, false);
    assert_false(fault_hit(FAULT_WRITE));
    assert_false(fault_hit(FAULT_ALLOC));
    assert_true(fault_hit(FAULT_READ));
    assert_false(fault_hit(FAULT_READ));
    assert_int_equal(fault_disarm(), 3);
    assert_false(fault_hit(FAULT_ALLOC));
    fault_arm(FAULT_ALLOC, 2, true);
    assert_false(fault_hit(FAULT_ALLOC));
    for (int i = 0; i < 3; i++) assert_true(fault_hit(FAULT_ALLOC));
    assert_int_equal(fault_disarm(), 4);
    fault_arm(FAULT_ALLOC, 0, true); /* only counts */
    assert_false(fault_hit(FAULT_ALLOC));
    assert_int_equal(fault_disarm(), 1);
}

static void products(void **state) {
    (void)state;
    uint64_t out = 77;
    assert_true(size_product(NULL, 0, &out) && out == 1);
    assert_true(size_product((uint64_t[]){3, 4, 5}, 3, &out) && out == 60);
    assert_true(size_product((uint64_t[]){3, 0, 5}, 3, &out) && out == 0);
    assert_true(size_product((uint64_t[]){UINT64_MAX, 1}, 2, &out) && out == UINT64_MAX);
    assert_false(size_product((uint64_t[]){(uint64_t)1 << 32, (uint64_t)1 << 32}, 2, &out));
    assert_false(size_product((uint64_t[]){2, (uint64_t)1 << 63}, 2, &out));
    assert_false(size_product((uint64_t[]){0, (uint64_t)1 << 32, (uint64_t)1 << 32}, 3, &out));
    assert_false(size_product((uint64_t[]){(uint64_t)1 << 32, (uint64_t)1 << 32, 0}, 3, &out));
    assert_false(size_mul(UINT64_MAX, 2, &out) || size_add(UINT64_MAX, 1, &out));
    assert_true(size_mul(6, 7, &out) && out == 42 && size_add(40, 2, &out) && out == 42);
}

static void budget_and_admission(void **state) {
    (void)state;
    Error err = {0};
    uint64_t standard = mem_budget(), ram = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
    assert_true(standard > 0 && standard <= ram - ram / 4);
    mem_set_budget((uint64_t)16 << 30);
    assert_int_equal(mem_budget(), (uint64_t)16 << 30);
    assert_true(mem_admit((uint64_t)16 << 30, "w", &err));
    assert_false(mem_admit((uint64_t)37 << 30, "w.pth", &err));
    assert_int_equal(err.status, STATUS_LIMIT);
    assert_string_equal(err.text, "loading w.pth needs 37.0 GiB, limit 16.0 GiB (set --max-memory)");
    mem_set_budget(100);
    assert_false(mem_admit(UINT64_MAX, "w", &err));
    assert_string_equal(err.text, "loading w needs 16.0 EiB, limit 100 bytes (set --max-memory)");
    mem_set_budget(0);
    assert_int_equal(mem_budget(), standard);
}

static void write_file(const char *root, const char *path, const char *text) {
    char full[512];
    snprintf(full, sizeof full, "%s/%s", root, path);
    for (char *slash = full + 1; (slash = strchr(slash, '/')); slash++) {
        *slash = '\0';
        mkdir(full, 0700);
        *slash = '/';
    }
    FILE *file = fopen(full, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void control_groups(void **state) {
    (void)state;
    char root[] = "/tmp/weft-groups-XXXXXX", command[64];
    assert_non_null(mkdtemp(root));
    assert_true(memory_group_limit("0::/a/b\n", root) == UINT64_MAX);
    write_file(root, "memory.max", "max\n");
    write_file(root, "a/memory.max", "5000\n");
    write_file(root, "a/b/memory.max", "max\n");
    write_file(root, "a/c/memory.max", "4000\n");
    write_file(root, "memory/memory.limit_in_bytes", "9223372036854771712\n");
    write_file(root, "memory/v1/memory.limit_in_bytes", "3000\n");
    assert_int_equal(memory_group_limit("0::/a/b\n", root), 5000);
    assert_int_equal(memory_group_limit("0::/a/c\n", root), 4000);
    assert_int_equal(memory_group_limit("0::/a/not-mounted-here", root), 5000);
    assert_true(memory_group_limit("0::/\n", root) == UINT64_MAX);
    assert_int_equal(memory_group_limit("3:cpu:/a/c\n4:memory:/v1\n0::/a\n", root), 3000);
    assert_int_equal(memory_group_limit("4:memory:/\n", root), 9223372036854771712u);
    assert_true(memory_group_limit("nonsense\n::\n:\n\n", root) == UINT64_MAX);
    snprintf(command, sizeof command, "rm -r %s", root);
    assert_int_equal(system(command), 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(allocations_are_zeroed_and_aligned),
        cmocka_unit_test(impossible_sizes_are_refused),
        cmocka_unit_test(arrays_grow_or_stay),
        cmocka_unit_test(copies),
        cmocka_unit_test(faults_come_when_armed),
        cmocka_unit_test(products),
        cmocka_unit_test(budget_and_admission),
        cmocka_unit_test(control_groups),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
