/* cifar_pickle -- the Python batches of CIFAR-10 and CIFAR-100: a pickled dict, read without running anything.
 *
 *     CIFAR-10:  {'data': array, 'labels': [0-9, ...], 'filenames': [...], 'batch_label': text}
 *     CIFAR-100: {'data': array, 'fine_labels': [0-99, ...], 'coarse_labels': [0-19, ...], ...}
 *
 * `data` is n x 3072 u8, rows as in the binary version. It reaches us as NumPy pickled it:
 *     _reconstruct(ndarray, (0,), 'b'), then the state (1, shape, dtype, in column order, bytes), or in protocol 5
 *     _frombuffer(bytes, dtype, shape, 'C')
 * with the bytes in the file as they are, or, from Python 3 in protocol 2, as UTF-8 text of Latin-1 characters. They
 * are never held in memory but as pixels. Source: https://www.cs.toronto.edu/~kriz/cifar.html;
 * numpy/core/src/multiarray.
 */
#include "format/cifar.h"
#include "format/pickle.h"
#include "weft/base/error.h"
#include "weft/base/file.h"
#include "weft/base/task.h"

#include <string.h>

enum { COLUMNS = CIFAR_PIXELS, PIECE = 16384 };

typedef struct Batch {
    const File *file;
    bool fine;
    const PickleNode *labels; /* a list */
    const PickleNode *bytes;  /* of data */
    uint64_t rows;
} Batch;

static bool bad(const Batch *batch, Error *err, const char *reason) {
    return error_set(err, STATUS_BAD_INPUT, "%s: %s", file_name(batch->file), reason);
}

/* ---- what the pickle says ---------------------------------------------------------------------------------------- */

static bool find_labels(Batch *batch, const PickleNode *root, Error *err) {
    const char *key = batch->fine ? "fine_labels" : "labels", *other = batch->fine ? "labels" : "fine_labels";
    batch->labels = pickle_get(root, key);
    if (!batch->labels)
        return error_set(err, STATUS_BAD_INPUT, "%s: a pickle without %s%s%s", file_name(batch->file), key,
                         pickle_get(root, other) ? ", but with those of CIFAR-" : "",
                         pickle_get(root, other) ? (batch->fine ? "10" : "100") : "");
    return batch->labels->type == PICKLE_LIST ||
           error_set(err, STATUS_BAD_INPUT, "%s: %s is not a list", file_name(batch->file), key);
}

static bool check_dtype(const Batch *batch, const PickleNode *dtype, Error *err) {
    char kind;
    unsigned size;
    bool big;
    if (!pickle_numpy_type(dtype, &kind, &size, &big)) return bad(batch, err, "data does not have a numeric dtype");
    return (kind == 'u' && size == 1) ||
           error_set(err, STATUS_BAD_INPUT, "%s: data has dtype %c%u; only u1 is supported", file_name(batch->file),
                     kind, size);
}

static bool check_shape(Batch *batch, const PickleNode *shape, Error *err) {
    const PickleNode *rows = pickle_item(shape, 0), *columns = pickle_item(shape, 1);
    if (!columns || shape->count != 2 || rows->type != PICKLE_INTEGER || columns->type != PICKLE_INTEGER ||
        rows->integer < 1 || rows->integer > UINT32_MAX || columns->integer != COLUMNS)
        return bad(batch, err, "data's shape is not (images, 3072)");
    batch->rows = (uint64_t)rows->integer;
    return batch->rows == batch->labels->count ||
           error_set(err, STATUS_BAD_INPUT, "%s: %llu images, but %u labels", file_name(batch->file),
                     (unsigned long long)batch->rows, batch->labels->count);
}

static bool find_data(Batch *batch, const PickleNode *root, Error *err) {
    const PickleNode *data = pickle_get(root, "data"), *part[4];
    if (!data) return bad(batch, err, "a pickle without data");
    if (!pickle_array_parts(data, part)) return bad(batch, err, "data is not a NumPy array");
    if (!check_dtype(batch, part[1], err) || !check_shape(batch, part[0], err)) return false;
    const bool columns = part[2]->type == PICKLE_BOOL ? part[2]->truth : !pickle_is_text(part[2], "C");
    if (columns) return bad(batch, err, "data is in column order; pickle a copy in order 'C'");
    batch->bytes = part[3];
    if (batch->bytes->type == PICKLE_LATIN1) return true; /* their number shows when they are read */
    if (batch->bytes->type != PICKLE_BYTES) return bad(batch, err, "data has no bytes");
    return batch->bytes->count == batch->rows * COLUMNS ||
           error_set(err, STATUS_BAD_INPUT, "%s: data's shape (%llu, %d) needs %llu bytes, it has %u",
                     file_name(batch->file), (unsigned long long)batch->rows, COLUMNS,
                     (unsigned long long)batch->rows * COLUMNS, batch->bytes->count);
}

/* ---- pixels and labels ------------------------------------------------------------------------------------------- */

/* Decodes the text and checks that it gives `all` bytes; the first `wanted` of them are kept. */
static bool read_latin1(const Batch *batch, uint64_t all, uint64_t wanted, uint8_t *out, Error *err) {
    uint8_t piece[PIECE];
    uint64_t made = 0;
    uint8_t lead = 0; /* the first byte of a character whose second one comes next */
    for (uint64_t at = 0; at < batch->bytes->count;) {
        const uint64_t left = batch->bytes->count - at, length = left < PIECE ? left : PIECE;
        if (!task_step(NULL, "reading", at, batch->bytes->count, err) ||
            !file_read(batch->file, batch->bytes->offset + at, piece, length, err))
            return false;
        at += length;
        for (uint64_t i = 0; i < length; i++) {
            uint8_t byte = piece[i];
            const bool follows = (byte & 0xc0) == 0x80;
            if (follows != (lead != 0) || (byte >= 0x80 && !follows && byte != 0xc2 && byte != 0xc3))
                return bad(batch, err, "data is text that is not Latin-1");
            if (byte >= 0xc2) {
                lead = byte;
                continue;
            }
            if (follows) byte = (uint8_t)(lead << 6 | (byte & 0x3f));
            lead = 0;
            if (made++ < wanted) out[made - 1] = byte;
        }
    }
    return (made == all && !lead) ||
           error_set(err, STATUS_BAD_INPUT, "%s: data's shape (%llu, %d) needs %llu bytes, it has %llu",
                     file_name(batch->file), (unsigned long long)batch->rows, COLUMNS, (unsigned long long)all,
                     (unsigned long long)made);
}

static bool read_pixels(const Batch *batch, uint64_t records, uint8_t *out, Error *err) {
    const uint64_t wanted = records * COLUMNS;
    if (batch->bytes->type == PICKLE_LATIN1) return read_latin1(batch, batch->rows * COLUMNS, wanted, out, err);
    if (!batch->bytes->text) return file_read(batch->file, batch->bytes->offset, out, wanted, err);
    memcpy(out, batch->bytes->text, wanted);
    return true;
}

/* All are looked at, also beyond the limit. */
static bool copy_labels(const Batch *batch, uint64_t records, uint16_t *out, Error *err) {
    const int64_t bound = batch->fine ? CIFAR_FINE_CLASSES : CIFAR_CLASSES;
    uint64_t i = 0;
    for (const PickleItem *item = batch->labels->first; item; item = item->next, i++) {
        if (item->node->type != PICKLE_INTEGER)
            return error_set(err, STATUS_BAD_INPUT, "%s: label %llu is not an integer", file_name(batch->file),
                             (unsigned long long)i);
        const int64_t label = item->node->integer;
        if (label < 0 || label >= bound)
            return error_set(err, STATUS_BAD_INPUT, "%s: record %llu has %slabel %lld; CIFAR-%s's highest is %lld",
                             file_name(batch->file), (unsigned long long)i, batch->fine ? "fine " : "",
                             (long long)label, batch->fine ? "100" : "10", (long long)bound - 1);
        if (i < records) out[i] = (uint16_t)label;
    }
    return true;
}

static bool append(const Batch *batch, uint64_t limit, ImageRecords *out, Error *err) {
    const uint64_t records = limit > 0 && limit < batch->rows ? limit : batch->rows;
    if (!cifar_make_room(batch->file, records, out, err) ||
        !copy_labels(batch, records, out->labels + out->count, err) ||
        !read_pixels(batch, records, out->pixels + out->count * COLUMNS, err))
        return false;
    out->count += records;
    return true;
}

bool cifar_pickle_parse(const File *file, bool fine, uint64_t limit, ImageRecords *out, Error *err) {
    Pickle *pickle = pickle_parse(file, 0, file_size(file), err);
    if (!pickle) return strstr(err->text, file_name(file)) ? false : error_prefix(err, "%s", file_name(file));
    Batch batch = {.file = file, .fine = fine};
    const PickleNode *root = pickle_root(pickle);
    const uint64_t after = file_size(file) - pickle_end(pickle);
    bool ok = root->type == PICKLE_DICT || bad(&batch, err, "a pickle, but not of a dict, so it is not a CIFAR batch");
    if (ok && after > 0)
        ok = error_set(err, STATUS_BAD_INPUT, "%s: %llu bytes after the pickle", file_name(file),
                       (unsigned long long)after);
    ok = ok && find_labels(&batch, root, err) && find_data(&batch, root, err) && append(&batch, limit, out, err);
    pickle_free(pickle);
    return ok;
}
