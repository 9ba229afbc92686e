/* gzip -- reading gzip files (RFC 1952) as a stream of bounded pieces, and writing reproducible ones. Private to
 * src/format.
 *
 * The reader inflates only as much as it is asked for, so a small file that would unfold into terabytes costs nothing.
 */
#ifndef WEFT_FORMAT_GZIP_H
#define WEFT_FORMAT_GZIP_H

#include "weft/base/error.h"
#include "weft/base/file.h"
#include "weft/base/save.h"

/* True if the file starts with the two bytes of a gzip member. */
bool gzip_recognise(const File *file);

typedef struct GzipReader GzipReader;
GzipReader *gzip_reader_open(const File *file, Error *err); /* borrows `file` */
void gzip_reader_close(GzipReader *reader);
/* Exactly `length` more bytes of the unpacked stream, across members; `out` NULL drops them. Each member's header CRC,
 * CRC-32 and length are checked when its end is reached. */
bool gzip_reader_read(GzipReader *reader, void *out, uint64_t length, Error *err);
/* Fails where anything is left: unpacked bytes, or file bytes other than zero padding. Checks the last member's end. */
bool gzip_reader_finish(GzipReader *reader, Error *err);
/* No gzip file of `packed` bytes unpacks to more (deflate's largest ratio is 1032). */
uint64_t gzip_most_unpacked(uint64_t packed);

typedef struct GzipWriter GzipWriter;
/* One member at the highest level without name and time, so that equal bytes make equal files. Borrows `save`. */
GzipWriter *gzip_writer_begin(Save *save, Error *err);
bool gzip_writer_write(GzipWriter *writer, const void *bytes, uint64_t length, Error *err);
bool gzip_writer_end(GzipWriter *writer, Error *err); /* writes what is pending; frees the writer */
void gzip_writer_abandon(GzipWriter *writer);

#endif
