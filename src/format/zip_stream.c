/* zip_stream -- the bytes of one zip member, stored or inflated on the way, never more than the directory declares. */
#include "format/zip.h"

#include <zlib.h>

#include "weft/base/error.h"
#include "weft/base/file.h"
#include "weft/base/memory.h"

enum { INPUT_SIZE = 65536, PROOF_SIZE = 1 << 18, METHOD_DEFLATE = 8 };

struct ZipStream {
    const Zip *zip;
    const ZipMember *member;
    uint64_t produced; /* bytes given out */
    uint64_t consumed; /* stored bytes read from the file */
    uint32_t crc;
    z_stream z;
    bool inflating, ended; /* inflate was set up; its last block has ended */
    uint8_t input[INPUT_SIZE];
};

static void *allocate(void *context, unsigned count, unsigned size) {
    Error ignored; /* zlib reports it as Z_MEM_ERROR */
    (void)context;
    return mem_alloc(count, size, &ignored);
}

static void release(void *context, void *memory) {
    (void)context;
    mem_free(memory);
}

ZipStream *zip_stream_open(const Zip *zip, size_t index, Error *err) {
    ZipStream *stream = mem_alloc(1, sizeof *stream, err);
    if (!stream) return NULL;
    stream->zip = zip;
    stream->member = zip_member(zip, index);
    stream->z.zalloc = allocate;
    stream->z.zfree = release;
    if (stream->member->method == METHOD_DEFLATE) {
        if (inflateInit2(&stream->z, -MAX_WBITS) != Z_OK) {
            error_set(err, STATUS_LIMIT, "no memory to inflate \"%s\"", stream->member->name);
            zip_stream_close(stream);
            return NULL;
        }
        stream->inflating = true;
    }
    return stream;
}

void zip_stream_close(ZipStream *stream) {
    if (!stream) return;
    if (stream->inflating) inflateEnd(&stream->z);
    mem_free(stream);
}

static unsigned at_most(uint64_t bytes, unsigned most) {
    return bytes < most ? (unsigned)bytes : most;
}

/* Inflates until `room` bytes are made or the last block has ended. */
static bool inflate_some(ZipStream *stream, uint8_t *out, uint64_t room, uint64_t *made, Error *err) {
    const ZipMember *member = stream->member;
    z_stream *z = &stream->z;
    *made = 0;
    while (*made < room && !stream->ended) {
        if (z->avail_in == 0 && stream->consumed < member->stored) {
            z->avail_in = at_most(member->stored - stream->consumed, INPUT_SIZE);
            z->next_in = stream->input;
            if (!file_read(zip_file(stream->zip), member->offset + stream->consumed, stream->input, z->avail_in, err))
                return false;
            stream->consumed += z->avail_in;
        }
        const unsigned step = at_most(room - *made, 1u << 30);
        z->next_out = out + *made;
        z->avail_out = step;
        int status = inflate(z, Z_NO_FLUSH);
        *made += step - z->avail_out;
        stream->ended = status == Z_STREAM_END;
        if (status == Z_MEM_ERROR) return error_set(err, STATUS_LIMIT, "no memory to inflate \"%s\"", member->name);
        if (status == Z_BUF_ERROR)
            return error_set(err, STATUS_BAD_INPUT, "zip: member \"%s\": deflate data is cut short", member->name);
        if (status != Z_OK && status != Z_STREAM_END)
            return error_set(err, STATUS_BAD_INPUT, "zip: member \"%s\": damaged deflate data", member->name);
    }
    return true;
}

bool zip_stream_read(ZipStream *stream, void *out, uint64_t length, Error *err) {
    const ZipMember *member = stream->member;
    uint64_t made = length;
    if (length > member->size - stream->produced)
        return error_set(err, STATUS_BAD_INPUT, "zip: member \"%s\" has only %llu bytes", member->name,
                         (unsigned long long)member->size);
    if (stream->inflating) {
        if (!inflate_some(stream, out, length, &made, err)) return false;
    } else {
        if (!file_read(zip_file(stream->zip), member->offset + stream->consumed, out, length, err)) return false;
        stream->consumed += length;
    }
    stream->produced += made;
    stream->crc = (uint32_t)crc32_z(stream->crc, out, made);
    if (made < length)
        return error_set(err, STATUS_BAD_INPUT, "zip: member \"%s\" declares %llu bytes and inflates to %llu",
                         member->name, (unsigned long long)member->size, (unsigned long long)stream->produced);
    return true;
}

bool zip_stream_finish(ZipStream *stream, Error *err) {
    const ZipMember *member = stream->member;
    uint8_t beyond;
    uint64_t made = 0;
    if (stream->produced != member->size)
        return error_set(err, STATUS_BAD_INPUT, "zip: member \"%s\" has %llu bytes, %llu were asked for", member->name,
                         (unsigned long long)member->size, (unsigned long long)stream->produced);
    if (stream->inflating && !inflate_some(stream, &beyond, 1, &made, err)) return false;
    if (made > 0)
        return error_set(err, STATUS_BAD_INPUT, "zip: member \"%s\" inflates to more than the declared %llu bytes",
                         member->name, (unsigned long long)member->size);
    if (stream->consumed != member->stored || stream->z.avail_in > 0)
        return error_set(err, STATUS_BAD_INPUT, "zip: member \"%s\": bytes left behind its deflate data", member->name);
    if (stream->crc != member->crc && !zip_crc_ignored(stream->zip))
        return error_set(err, STATUS_BAD_INPUT, "zip: member \"%s\": CRC %08x, the directory says %08x", member->name,
                         stream->crc, member->crc);
    return true;
}

bool zip_read(Zip *zip, size_t index, void *out, Error *err) {
    ZipStream *stream = zip_stream_open(zip, index, err);
    bool ok =
        stream && zip_stream_read(stream, out, zip_member(zip, index)->size, err) && zip_stream_finish(stream, err);
    zip_stream_close(stream);
    return ok;
}

CheckpointPlace zip_place(const Zip *zip, size_t index) {
    const ZipMember *member = zip_member(zip, index);
    return (CheckpointPlace){.file = zip_owned_file(zip),
                             .offset = member->offset,
                             .length = member->size,
                             .checked = !zip_crc_ignored(zip),
                             .crc = member->crc,
                             .crc_offset = member->offset,
                             .crc_length = member->size};
}

bool checkpoint_prove(const CheckpointPlace *place, Error *err) {
    uint32_t crc = 0;
    uint8_t *part = mem_alloc(PROOF_SIZE, 1, err);
    bool done = part != NULL;
    for (uint64_t at = 0, some; done && at < place->crc_length; at += some) {
        some = place->crc_length - at < PROOF_SIZE ? place->crc_length - at : PROOF_SIZE;
        done = file_read(place->file, place->crc_offset + at, part, some, err);
        if (done) crc = (uint32_t)crc32_z(crc, part, some);
    }
    mem_free(part);
    if (!done || crc == place->crc) return done;
    return error_set(err, STATUS_BAD_INPUT, "%s: CRC %08x, the zip's directory says %08x", file_name(place->file), crc,
                     place->crc);
}
