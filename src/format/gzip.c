/* gzip -- reading gzip files (RFC 1952) as a stream of bounded pieces, and writing reproducible ones.
 *
 * A file is one or more members, then any number of zero bytes:
 *
 *     1f 8b | 08 | flags | mtime u32le | xfl | os | [extra] [name] [comment] [header CRC-16] | deflate data
 *           | CRC-32 u32le | length mod 2^32 u32le
 *
 * zlib reads the members, their headers and their checks; what may stand between and after them is decided here.
 */
#include "format/gzip.h"

#include <string.h>
#include <zlib.h>

#include "weft/base/error.h"
#include "weft/base/file.h"
#include "weft/base/memory.h"
#include "weft/base/save.h"
#include "weft/base/size.h"
#include "weft/base/task.h"

enum { CHUNK = 64 * 1024, LARGEST_RATIO = 1032, GZIP_WINDOW = 15 + 16 };

bool gzip_recognise(const File *file) {
    uint8_t magic[2];
    Error unused;
    return file_size(file) >= 2 && file_read(file, 0, magic, 2, &unused) && magic[0] == 0x1f && magic[1] == 0x8b;
}

uint64_t gzip_most_unpacked(uint64_t packed) {
    uint64_t most;
    return size_mul(packed, LARGEST_RATIO, &most) ? most + 64 : UINT64_MAX; /* 64 more fit: 2^64 mod 1032 is 256 */
}

/* zlib's memory comes from ours, so that limits and injected faults reach it. */
static voidpf allocate(voidpf unused, uInt count, uInt size) {
    (void)unused;
    Error err;
    return mem_alloc(count, size, &err);
}

static void give(voidpf unused, voidpf memory) {
    (void)unused;
    mem_free(memory);
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */

struct GzipReader {
    const File *file;
    uint64_t position; /* of the next file byte to fetch into `chunk` */
    uint64_t unpacked; /* bytes given so far */
    uint64_t member;   /* number of the current one, from 1 */
    bool between;      /* a member has ended and the next one has not begun */
    z_stream stream;
    uint8_t chunk[CHUNK];
};

GzipReader *gzip_reader_open(const File *file, Error *err) {
    GzipReader *reader = mem_alloc(1, sizeof *reader, err);
    if (!reader) return NULL;
    reader->file = file;
    reader->member = 1;
    reader->stream.zalloc = allocate;
    reader->stream.zfree = give;
    if (inflateInit2(&reader->stream, GZIP_WINDOW) != Z_OK) {
        error_set(err, STATUS_LIMIT, "%s: no memory to inflate", file_name(file));
        mem_free(reader);
        return NULL;
    }
    return reader;
}

void gzip_reader_close(GzipReader *reader) {
    if (!reader) return;
    inflateEnd(&reader->stream);
    mem_free(reader);
}

static uint64_t packed_left(const GzipReader *reader) {
    return file_size(reader->file) - reader->position + reader->stream.avail_in;
}

static uint64_t packed_position(const GzipReader *reader) {
    return reader->position - reader->stream.avail_in;
}

/* Has the next packed bytes at hand, if there are any. */
static bool fetch_input(GzipReader *reader, Error *err) {
    uint64_t left = file_size(reader->file) - reader->position;
    if (reader->stream.avail_in > 0 || left == 0) return true;
    uint64_t length = left < CHUNK ? left : CHUNK;
    if (!file_read(reader->file, reader->position, reader->chunk, length, err)) return false;
    reader->position += length;
    reader->stream.next_in = reader->chunk;
    reader->stream.avail_in = (uInt)length;
    return true;
}

static bool inflate_failed(const GzipReader *reader, int code, Error *err) {
    const char *said = reader->stream.msg ? reader->stream.msg : "damaged";
    if (code == Z_MEM_ERROR) return error_set(err, STATUS_LIMIT, "%s: no memory to inflate", file_name(reader->file));
    if (strcmp(said, "incorrect data check") == 0)
        said = "its CRC-32 does not match the data";
    else if (strcmp(said, "incorrect length check") == 0)
        said = "its length does not match the data";
    else if (strcmp(said, "header crc mismatch") == 0)
        said = "its header's CRC-16 is wrong";
    return error_set(err, STATUS_BAD_INPUT, "%s: gzip member %llu: %s (byte %llu)", file_name(reader->file),
                     (unsigned long long)reader->member, said, (unsigned long long)packed_position(reader));
}

/* Between members: true with *more telling whether another one begins; zero bytes up to the end are padding. */
static bool next_member(GzipReader *reader, bool *more, Error *err) {
    bool padding = false;
    for (;;) {
        if (!fetch_input(reader, err)) return false;
        if (packed_left(reader) == 0) {
            *more = false;
            return true;
        }
        if (*reader->stream.next_in != 0) break;
        padding = true;
        reader->stream.next_in++;
        reader->stream.avail_in--;
    }
    if (padding || *reader->stream.next_in != 0x1f)
        return error_set(err, STATUS_BAD_INPUT, "%s: %llu bytes that are not a gzip member follow at byte %llu",
                         file_name(reader->file), (unsigned long long)packed_left(reader),
                         (unsigned long long)packed_position(reader));
    inflateReset(&reader->stream); /* fails only on a misused stream */
    reader->member++;
    reader->between = false;
    *more = true;
    return true;
}

/* Inflates up to `room` bytes into `out`. *got < room only at the end of the last member. */
static bool inflate_some(GzipReader *reader, uint8_t *out, uInt room, uInt *got, Error *err) {
    z_stream *stream = &reader->stream;
    stream->next_out = out;
    stream->avail_out = room;
    bool more = true;
    while (stream->avail_out > 0 && more) {
        if (reader->between) {
            if (!next_member(reader, &more, err)) return false;
            continue;
        }
        if (!fetch_input(reader, err)) return false;
        if (stream->avail_in == 0)
            return error_set(err, STATUS_BAD_INPUT, "%s: gzip member %llu is truncated at byte %llu",
                             file_name(reader->file), (unsigned long long)reader->member,
                             (unsigned long long)reader->position);
        int code = inflate(stream, Z_NO_FLUSH);
        reader->between = code == Z_STREAM_END;
        if (code != Z_OK && code != Z_STREAM_END) return inflate_failed(reader, code, err);
    }
    *got = room - stream->avail_out;
    reader->unpacked += *got;
    return true;
}

bool gzip_reader_read(GzipReader *reader, void *out, uint64_t length, Error *err) {
    uint8_t dropped[4096];
    const uint64_t piece = out ? CHUNK : sizeof dropped;
    for (uint64_t done = 0; done < length;) {
        uInt room = (uInt)(length - done < piece ? length - done : piece), got = 0;
        if (!task_step(NULL, "inflating", done, length, err) ||
            !inflate_some(reader, out ? (uint8_t *)out + done : dropped, room, &got, err))
            return false;
        if (got < room)
            return error_set(err, STATUS_BAD_INPUT, "%s: unpacks to %llu bytes; %llu more are needed",
                             file_name(reader->file), (unsigned long long)reader->unpacked,
                             (unsigned long long)(length - done - got));
        done += got;
    }
    return true;
}

bool gzip_reader_finish(GzipReader *reader, Error *err) {
    uint64_t expected = reader->unpacked;
    uint8_t one;
    uInt got = 0;
    if (!inflate_some(reader, &one, 1, &got, err)) return false;
    return got == 0 || error_set(err, STATUS_BAD_INPUT, "%s: unpacks to more than the %llu bytes stated in its header",
                                 file_name(reader->file), (unsigned long long)expected);
}

/* ---- writing ----------------------------------------------------------------------------------------------------- */

struct GzipWriter {
    Save *save;
    z_stream stream;
    uint8_t chunk[CHUNK];
};

GzipWriter *gzip_writer_begin(Save *save, Error *err) {
    GzipWriter *writer = mem_alloc(1, sizeof *writer, err);
    if (!writer) return NULL;
    writer->save = save;
    writer->stream.zalloc = allocate;
    writer->stream.zfree = give;
    /* zlib's own header: no name, time 0. */
    if (deflateInit2(&writer->stream, Z_BEST_COMPRESSION, Z_DEFLATED, GZIP_WINDOW, 9, Z_DEFAULT_STRATEGY) != Z_OK) {
        error_set(err, STATUS_LIMIT, "no memory to deflate");
        mem_free(writer);
        return NULL;
    }
    return writer;
}

/* Deflates what stream.next_in holds and writes all that comes out. */
static bool deflate_all(GzipWriter *writer, int flush, Error *err) {
    z_stream *stream = &writer->stream;
    do {
        stream->next_out = writer->chunk;
        stream->avail_out = CHUNK;
        deflate(stream, flush); /* fails only on a misused stream */
        if (!save_write(writer->save, writer->chunk, CHUNK - stream->avail_out, err)) return false;
    } while (stream->avail_out == 0);
    return true;
}

bool gzip_writer_write(GzipWriter *writer, const void *bytes, uint64_t length, Error *err) {
    for (uint64_t done = 0; done < length;) {
        uInt piece = (uInt)(length - done < CHUNK ? length - done : CHUNK);
        writer->stream.next_in = (z_const Bytef *)bytes + done;
        writer->stream.avail_in = piece;
        if (!deflate_all(writer, Z_NO_FLUSH, err)) return false;
        done += piece;
    }
    return true;
}

bool gzip_writer_end(GzipWriter *writer, Error *err) {
    bool ok = deflate_all(writer, Z_FINISH, err);
    gzip_writer_abandon(writer);
    return ok;
}

void gzip_writer_abandon(GzipWriter *writer) {
    if (!writer) return;
    deflateEnd(&writer->stream);
    mem_free(writer);
}
