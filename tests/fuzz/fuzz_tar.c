/* fuzz_tar -- any bytes as the members of PyTorch's tar layout. The archive around them is made here, because no
 * mutation finds its checksums: two lengths (u16le), then the members pickle, tensors, storages. */
#include "fuzz.h"
#include "weft/base/error.h"
#include "weft/base/file.h"
#include "weft/base/memory.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint8_t *add_member(uint8_t *at, const char *name, const uint8_t *bytes, size_t length) {
    unsigned sum = 0;
    memset(at, 0, 512);
    snprintf((char *)at, 100, "%s", name);
    snprintf((char *)at + 124, 12, "%011zo", length);
    at[156] = '0';
    memcpy(at + 257, "ustar\00000", 8);
    memset(at + 148, ' ', 8);
    for (size_t i = 0; i < 512; i++) sum += at[i];
    snprintf((char *)at + 148, 8, "%06o", sum);
    at += 512;
    if (length > 0) memcpy(at, bytes, length);
    size_t padding = (512 - length % 512) % 512;
    memset(at + length, 0, padding);
    return at + length + padding;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
    Error err;
    if (length < 4) return 0;
    size_t first = bytes[0] | (size_t)bytes[1] << 8, second = bytes[2] | (size_t)bytes[3] << 8;
    bytes += 4, length -= 4;
    if (first > length) first = length;
    if (second > length - first) second = length - first;
    uint8_t *archive = malloc(length + 3 * 1024), *at = archive;
    if (!archive) return 0;
    at = add_member(at, "pickle", bytes, first);
    at = add_member(at, "tensors", bytes + first, second);
    at = add_member(at, "storages", bytes + first + second, length - first - second);
    mem_set_budget(FUZZ_BUDGET);
    File *file = file_memory("/nowhere/input", archive, (uint64_t)(at - archive), &err);
    if (file) fuzz_read(checkpoint_parse(file, &err));
    free(archive);
    return 0;
}
