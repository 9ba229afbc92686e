/* test_hash -- XXH3-128 against values that come from elsewhere. */
#include "weft/base/hash.h"

#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

/* The empty input's value is published with the algorithm (xxHash's sanity checks: low 6001C324468D497F, high
 * 99AA06D3014798D8); the others are what the program xxhsum 0.8.1 prints (`xxhsum -H2`). */
static void known_values(void **state) {
    (void)state;
    char hex[HASH_HEX], block[1000];
    hash_hex("", 0, hex);
    assert_string_equal(hex, "99aa06d3014798d86001c324468d497f");
    hash_hex("weft", 4, hex);
    assert_string_equal(hex, "69aeedc904d9a734126c4f6354db18ad");
    for (size_t i = 0; i < sizeof block; i++) block[i] = (char)(i % 251);
    hash_hex(block, sizeof block, hex);
    assert_string_equal(hex, "18bf41bc8229e27733ef703fb2b20ed1");
    block[999] ^= 1;
    hash_hex(block, sizeof block, hex);
    assert_string_not_equal(hex, "18bf41bc8229e27733ef703fb2b20ed1");
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(known_values)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
