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
    static const char *const names[] = {"pickle", "tensors", "storages"};
    FuzzParts parts;
    if (!fuzz_parts(bytes, length, &parts)) return 0;
    uint8_t *archive = malloc(parts.all + 3 * 1024), *at = archive;
    if (!archive) return 0;
    for (unsigned i = 0; i < 3; i++) at = add_member(at, names[i], parts.bytes[i], parts.length[i]);
    fuzz_archive(archive, (size_t)(at - archive));
    return 0;
}
