/* fuzz_idx -- any bytes as an IDX file (plain or gzip), an npy, as CIFAR batches, binary or pickled, and as images
 * and labels of STL-10: a clean verdict, whatever they are. */
#include "weft/base/error.h"
#include "weft/base/file.h"
#include "weft/base/memory.h"
#include "weft/format.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length);

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t length) {
    Error err;
    mem_set_budget(64 << 20);
    File *file = file_memory("input", bytes, length, &err);
    if (!file) return 0;
    for (uint64_t limit = 0; limit < 2; limit++) {
        IdxArray array = {0};
        if (idx_parse(file, limit, &array, &err)) idx_done(&array);
        if (npy_parse(file, limit, &array, &err)) idx_done(&array);
    }
    for (int fine = 0; fine < 2; fine++) {
        ImageRecords records = {0};
        cifar_parse(file, fine, 0, &records, &err);
        image_records_done(&records);
    }
    for (int labels = 0; labels < 2; labels++) {
        ImageRecords records = {0};
        stl10_parse(file, labels ? file : NULL, 0, &records, &err);
        image_records_done(&records);
    }
    file_close(file);
    return 0;
}
