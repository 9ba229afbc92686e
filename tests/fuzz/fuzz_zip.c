/* fuzz_zip -- any bytes as a zip: every member read, with the CRC checked and without, and the whole as npz. */
#include "format/checkpoint.h"
#include "format/zip.h"
#include "fuzz.h"
#include "weft/base/error.h"
#include "weft/base/file.h"
#include "weft/base/memory.h"

static void read_members(Zip *zip) {
    Error err;
    for (size_t i = 0; i < zip_count(zip); i++) {
        const ZipMember *member = zip_member(zip, i);
        size_t found = 0;
        if (!zip_find(zip, member->name, &found) || found != i) __builtin_trap();
        if (!mem_admit(member->size, "a member", &err)) continue;
        void *bytes = mem_alloc(member->size, 1, &err);
        for (int ignore = 0; bytes && ignore < 2; ignore++) {
            zip_ignore_crc(zip, ignore);
            zip_read(zip, i, bytes, &err);
        }
        mem_free(bytes);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
    Error err;
    mem_set_budget(FUZZ_BUDGET);
    File *file = file_memory("/nowhere/input", bytes, length, &err);
    Zip *zip = file ? zip_open(file, &err) : NULL;
    if (!zip) return 0;
    read_members(zip);
    fuzz_read(npz_open(zip, &err));
    return 0;
}
