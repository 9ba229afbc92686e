/* cifar -- the binary batches of CIFAR-10 and CIFAR-100.
 *
 *     CIFAR-10:  n x [ label u8 0-9 | 3072 bytes ]
 *     CIFAR-100: n x [ coarse label u8 0-19 | fine label u8 0-99 | 3072 bytes ]
 *
 * The 3072 bytes are 32 x 32 pixels, row-major, as three planes: red, green, blue. There is no magic number: the size
 * and the labels' ranges tell a batch from other files. Any n >= 1 (published batches have 10,000 or 50,000). Source:
 * https://www.cs.toronto.edu/~kriz/cifar.html, "Binary version".
 */
#include "format/cifar.h"

#include <string.h>

#include "weft/base/error.h"
#include "weft/base/file.h"
#include "weft/base/task.h"

enum { PIXELS = CIFAR_PIXELS, RECORDS_AT_ONCE = 16, PICKLE_PROTO = 0x80 };

static bool check_size(const File *file, bool fine, uint64_t *records, Error *err) {
    uint64_t size = file_size(file), record = PIXELS + (fine ? 2 : 1), other = PIXELS + (fine ? 1 : 2);
    if (size == 0) return error_set(err, STATUS_BAD_INPUT, "%s: the file is empty", file_name(file));
    if (size % record)
        return error_set(err, STATUS_BAD_INPUT, "%s: %llu bytes are not a multiple of CIFAR-%s's record size %llu%s%s",
                         file_name(file), (unsigned long long)size, fine ? "100" : "10", (unsigned long long)record,
                         size % other ? "" : ", but of that of CIFAR-", size % other ? "" : (fine ? "10" : "100"));
    *records = size / record;
    return true;
}

static bool check_labels(const File *file, bool fine, const uint8_t *bytes, uint64_t record, Error *err) {
    const char *what = fine ? "coarse label" : "label";
    unsigned label = bytes[0], bound = fine ? CIFAR_COARSE_CLASSES : CIFAR_CLASSES;
    if (fine && label < bound) {
        what = "fine label";
        label = bytes[1];
        bound = CIFAR_FINE_CLASSES;
    }
    return label < bound ||
           error_set(err, STATUS_BAD_INPUT, "%s: record %llu has %s %u; CIFAR-%s's highest is %u", file_name(file),
                     (unsigned long long)record, what, label, fine ? "100" : "10", bound - 1);
}

/* Records [0, records) of the file into the room after those of `out`. */
static bool read_records(const File *file, bool fine, uint64_t records, ImageRecords *out, Error *err) {
    uint8_t bytes[RECORDS_AT_ONCE * (PIXELS + 2)];
    const unsigned labels = fine ? 2 : 1, record = PIXELS + labels;
    for (uint64_t done = 0; done < records;) {
        uint64_t some = records - done < RECORDS_AT_ONCE ? records - done : RECORDS_AT_ONCE;
        if (!task_step(NULL, "reading", done, records, err) ||
            !file_read(file, done * record, bytes, some * record, err))
            return false;
        for (uint64_t i = 0; i < some; i++, done++) {
            const uint8_t *one = bytes + i * record;
            if (!check_labels(file, fine, one, done, err)) return false;
            out->labels[out->count + done] = one[labels - 1];
            memcpy(out->pixels + (out->count + done) * PIXELS, one + labels, PIXELS);
        }
    }
    return true;
}

/* Every pickle of protocol 2 and later begins so, and no label or coarse label is as large. */
static bool is_pickle(const File *file, bool *out, Error *err) {
    uint8_t first = 0;
    if (file_size(file) > 0 && !file_read(file, 0, &first, 1, err)) return false;
    *out = first == PICKLE_PROTO;
    return true;
}

bool cifar_parse(const File *file, bool fine, uint64_t limit, ImageRecords *out, Error *err) {
    uint64_t records = 0;
    bool pickled = false;
    if (!is_pickle(file, &pickled, err)) return false;
    if (pickled) return cifar_pickle_parse(file, fine, limit, out, err);
    if (!check_size(file, fine, &records, err)) return false;
    if (limit > 0 && limit < records) records = limit;
    if (!cifar_make_room(file, records, out, err) || !read_records(file, fine, records, out, err)) return false;
    out->count += records;
    return true;
}

bool cifar_read(const char *path, bool fine, uint64_t limit, ImageRecords *out, Error *err) {
    File *file = file_open(path, err);
    bool ok = file && cifar_parse(file, fine, limit, out, err);
    file_close(file);
    return ok;
}
