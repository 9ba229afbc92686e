/* idx -- IDX arrays, the format of MNIST and Fashion-MNIST, plain or inside gzip.
 *
 *     00 00 | type u8 | rank u8 | rank x dimension u32be | elements, big-endian, row-major
 *
 * Types: 08 u8, 09 i8, 0B i16, 0C i32, 0D f32, 0E f64; rank 1 to 8; nothing may follow the elements.
 * Source: "The IDX file format", http://yann.lecun.com/exdb/mnist/.
 */
#include "format/gzip.h"
#include "weft/base/dtype.h"
#include "weft/base/error.h"
#include "weft/base/file.h"
#include "weft/base/memory.h"
#include "weft/base/save.h"
#include "weft/base/size.h"
#include "weft/base/text.h"
#include "weft/format.h"

#include <string.h>

enum { RANK_MAX = 8, HEADER_MAX = 4 + 4 * RANK_MAX, PIECE = 64 * 1024 };

static const struct {
    uint8_t code;
    DType dtype;
} TYPES[] = {{0x08, DTYPE_U8},  {0x09, DTYPE_I8},  {0x0B, DTYPE_I16},
             {0x0C, DTYPE_I32}, {0x0D, DTYPE_F32}, {0x0E, DTYPE_F64}};
enum { TYPE_COUNT = sizeof TYPES / sizeof *TYPES };

/* Turns each element of `size` bytes around. */
static void reverse(uint8_t *bytes, uint64_t length, size_t size) {
    if (size == 1) return;
    for (uint64_t i = 0; i < length; i += size)
        for (size_t a = 0, b = size - 1; a < b; a++, b--) {
            uint8_t swapped = bytes[i + a];
            bytes[i + a] = bytes[i + b];
            bytes[i + b] = swapped;
        }
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */

/* Where the bytes come from: the file itself, or what it unpacks to. */
typedef struct Source {
    const File *file;
    GzipReader *gzip; /* NULL: plain */
    uint64_t position;
} Source;

static bool source_read(Source *source, void *out, uint64_t length, Error *err) {
    if (source->gzip) return gzip_reader_read(source->gzip, out, length, err);
    if (!file_read(source->file, source->position, out, length, err)) return false;
    source->position += length;
    return true;
}

static bool read_header(Source *source, IdxArray *out, Error *err) {
    const char *name = file_name(source->file);
    uint8_t head[4], dims[4 * RANK_MAX];
    if (!source_read(source, head, sizeof head, err)) return false;
    if (head[0] || head[1])
        return error_set(err, STATUS_BAD_INPUT, "%s: not an IDX file (starts with %02x %02x, not 00 00)", name, head[0],
                         head[1]);
    size_t type = 0;
    while (type < TYPE_COUNT && TYPES[type].code != head[2]) type++;
    if (type == TYPE_COUNT)
        return error_set(err, STATUS_BAD_INPUT, "%s: IDX element type 0x%02X is unknown (byte 2)", name, head[2]);
    if (head[3] < 1 || head[3] > RANK_MAX)
        return error_set(err, STATUS_BAD_INPUT, "%s: IDX rank %u is not between 1 and %d (byte 3)", name, head[3],
                         RANK_MAX);
    out->dtype = TYPES[type].dtype;
    out->rank = head[3];
    if (!source_read(source, dims, 4 * out->rank, err)) return false;
    for (unsigned i = 0; i < out->rank; i++) {
        const uint8_t *d = dims + 4 * i;
        out->dim[i] = (uint64_t)d[0] << 24 | (uint64_t)d[1] << 16 | (uint64_t)d[2] << 8 | d[3];
    }
    out->entries = out->dim[0];
    return true;
}

static void shape_text(const IdxArray *array, Str *out) {
    for (unsigned i = 0; i < array->rank; i++) str_addf(out, "%s%llu", i ? "x" : "", (unsigned long long)array->dim[i]);
    str_addf(out, " %s", dtype_name(array->dtype));
}

/* The file holds as many elements as its header tells, or (inside gzip) may hold as many. */
static bool check_size(const Source *source, const IdxArray *array, uint64_t bytes, Error *err) {
    uint64_t packed = file_size(source->file);
    uint64_t held = source->gzip ? gzip_most_unpacked(packed) : packed - source->position;
    if (source->gzip ? bytes <= held : bytes == held) return true;
    Str shape = {0};
    shape_text(array, &shape);
    if (source->gzip)
        error_set(err, STATUS_BAD_INPUT, "%s: shape %s needs %llu bytes, more than %llu packed bytes can hold",
                  file_name(source->file), str_text(&shape), (unsigned long long)bytes, (unsigned long long)packed);
    else
        error_set(err, STATUS_BAD_INPUT, "%s: shape %s needs %llu bytes, %llu remain (byte %llu)",
                  file_name(source->file), str_text(&shape), (unsigned long long)bytes, (unsigned long long)held,
                  (unsigned long long)source->position);
    str_done(&shape);
    return false;
}

static bool array_bytes(const IdxArray *array, uint64_t *count, uint64_t *bytes) {
    return size_product(array->dim, array->rank, count) && size_mul(*count, dtype_bits(array->dtype) / 8, bytes);
}

static bool read_array(Source *source, uint64_t limit, IdxArray *out, Error *err) {
    const char *name = file_name(source->file);
    IdxArray array = {0};
    uint64_t all, kept = 0;
    if (!read_header(source, &array, err)) return false;
    if (!array_bytes(&array, &array.count, &all))
        return error_set(err, STATUS_BAD_INPUT, "%s: the product of its %u dimensions overflows", name, array.rank);
    if (!check_size(source, &array, all, err)) return false;
    if (limit > 0 && limit < array.dim[0]) array.dim[0] = limit;
    array_bytes(&array, &array.count, &kept); /* not more than all of it */
    if (!mem_admit(kept, name, err)) return false;
    array.data = mem_alloc(kept, 1, err);
    if (!array.data) return false;
    if (!source_read(source, array.data, kept, err) ||
        (source->gzip && (!gzip_reader_read(source->gzip, NULL, all - kept, err) || //
                          !gzip_reader_finish(source->gzip, err)))) {
        mem_free(array.data);
        return false;
    }
    reverse(array.data, kept, dtype_bits(array.dtype) / 8);
    *out = array;
    return true;
}

bool idx_parse(const File *file, uint64_t limit, IdxArray *out, Error *err) {
    if (file_size(file) == 0) return error_set(err, STATUS_BAD_INPUT, "%s: the file is empty", file_name(file));
    Source source = {.file = file};
    if (gzip_recognise(file) && !(source.gzip = gzip_reader_open(file, err))) return false;
    bool ok = read_array(&source, limit, out, err);
    gzip_reader_close(source.gzip);
    return ok;
}

bool idx_read(const char *path, uint64_t limit, IdxArray *out, Error *err) {
    File *file = file_open(path, err);
    bool ok = file && idx_parse(file, limit, out, err);
    file_close(file);
    return ok;
}

void idx_done(IdxArray *array) {
    mem_free(array->data);
    *array = (IdxArray){0};
}

/* ---- writing ----------------------------------------------------------------------------------------------------- */

typedef struct Sink {
    Save *save;
    GzipWriter *gzip; /* NULL: plain */
} Sink;

static bool sink_write(Sink *sink, const void *bytes, uint64_t length, Error *err) {
    return sink->gzip ? gzip_writer_write(sink->gzip, bytes, length, err) : save_write(sink->save, bytes, length, err);
}

/* The header's bytes into `out`; their number, or 0 where IDX cannot hold the array. */
static size_t make_header(const IdxArray *array, uint8_t out[HEADER_MAX]) {
    size_t type = 0;
    while (type < TYPE_COUNT && TYPES[type].dtype != array->dtype) type++;
    if (type == TYPE_COUNT || array->rank < 1 || array->rank > RANK_MAX) return 0;
    memcpy(out, (const uint8_t[]){0, 0, TYPES[type].code, (uint8_t)array->rank}, 4);
    for (unsigned i = 0; i < array->rank; i++) {
        if (array->dim[i] > UINT32_MAX) return 0;
        for (unsigned b = 0; b < 4; b++) out[4 + 4 * i + b] = (uint8_t)(array->dim[i] >> (24 - 8 * b));
    }
    return 4 + 4 * (size_t)array->rank;
}

static bool write_elements(Sink *sink, const IdxArray *array, Error *err) {
    uint8_t piece[PIECE];
    size_t size = dtype_bits(array->dtype) / 8;
    uint64_t bytes = array->count * size;
    for (uint64_t done = 0; done < bytes;) {
        uint64_t length = bytes - done < PIECE ? bytes - done : PIECE;
        memcpy(piece, (const uint8_t *)array->data + done, length);
        reverse(piece, length, size);
        if (!sink_write(sink, piece, length, err)) return false;
        done += length;
    }
    return true;
}

bool idx_save(const char *path, bool overwrite, bool gzip, const IdxArray *array, Error *err) {
    uint8_t header[HEADER_MAX];
    size_t header_length = make_header(array, header);
    if (header_length == 0)
        return error_set(err, STATUS_USAGE, "%s: IDX cannot hold an array of rank %u and type %s with these dimensions",
                         path, array->rank, dtype_name(array->dtype));
    Sink sink = {.save = save_begin(path, overwrite, err)};
    if (!sink.save) return false;
    bool ok = !gzip || (sink.gzip = gzip_writer_begin(sink.save, err));
    ok = ok && sink_write(&sink, header, header_length, err) && write_elements(&sink, array, err);
    if (ok && sink.gzip) {
        ok = gzip_writer_end(sink.gzip, err);
        sink.gzip = NULL;
    }
    if (ok) return save_commit(sink.save, err);
    gzip_writer_abandon(sink.gzip);
    save_abandon(sink.save);
    return false;
}
