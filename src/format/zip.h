/* zip -- a strict reader of zip directories (docs/reliability.md, section 2) and a writer of stored members. Private to
 * src/format.
 *
 * The reader takes sizes from the central directory only and refuses everything that two readers could understand
 * differently: duplicate names, overlapping members, local names that differ, flags other than 0x0808, methods other
 * than stored and deflate, wrong counts, trailing bytes.
 */
#ifndef WEFT_FORMAT_ZIP_H
#define WEFT_FORMAT_ZIP_H

#include "weft/base/error.h"
#include "weft/base/file.h"
#include "weft/format.h"

typedef struct ZipMember {
    const char *name;
    uint64_t size, stored; /* uncompressed bytes; bytes in the file */
    uint64_t offset;       /* of the data in the file */
    uint32_t crc;
    uint16_t method; /* 0 stored, 8 deflate */
} ZipMember;

typedef struct Zip Zip;
Zip *zip_open(File *file, Error *err); /* takes `file` over, also on failure */
void zip_close(Zip *zip);
const char *zip_name(const Zip *zip); /* the file's name, for errors */
const File *zip_file(const Zip *zip);
File *zip_owned_file(const Zip *zip); /* the same, for file_share */
size_t zip_count(const Zip *zip);
const ZipMember *zip_member(const Zip *zip, size_t index);
bool zip_find(const Zip *zip, const char *name, size_t *index);
/* The whole member into `out` (member->size bytes), its CRC checked (unless zip_ignore_crc). */
bool zip_read(Zip *zip, size_t index, void *out, Error *err);
/* Where a stored member's bytes lie, with their CRC unless it is ignored. */
CheckpointPlace zip_place(const Zip *zip, size_t index);
void zip_ignore_crc(Zip *zip, bool ignore);
bool zip_crc_ignored(const Zip *zip);

/* One member piece by piece: read its member->size bytes in order, then finish, which checks that the stored bytes hold
 * no more and that the CRC is right. Borrows the zip. */
typedef struct ZipStream ZipStream;
ZipStream *zip_stream_open(const Zip *zip, size_t index, Error *err);
bool zip_stream_read(ZipStream *stream, void *out, uint64_t length, Error *err);
bool zip_stream_finish(ZipStream *stream, Error *err);
void zip_stream_close(ZipStream *stream);

typedef struct ZipWriter ZipWriter;
ZipWriter *zip_writer_begin(const char *path, bool overwrite, Error *err); /* atomic, on a Save */
/* A stored member from `parts` pieces of bytes written one after the other; data aligned to 64 bytes by a padding extra
 * field. */
bool zip_writer_add(ZipWriter *writer, const char *name, const void *const *piece, const uint64_t *length,
                    size_t pieces, Error *err);
/* The same as a member of `size` bytes with this CRC-32, whose bytes are then put. */
bool zip_writer_begin_member(ZipWriter *writer, const char *name, uint32_t crc, uint64_t size, Error *err);
bool zip_writer_put(ZipWriter *writer, const void *bytes, uint64_t length, Error *err);
void zip_crc_add(uint32_t *crc, const void *bytes, uint64_t length); /* begins with 0 */
bool zip_writer_commit(ZipWriter *writer, Error *err);               /* frees the writer */
void zip_writer_abandon(ZipWriter *writer);

#endif
