/* error -- failures as values: a status and one line of text.
 *
 * A function that can fail returns bool (true: done) or a pointer (NULL: failed). It takes `Error *err` last, never
 * NULL. On failure it has set *err and left its outputs unchanged. On success it has not touched *err.
 */
#ifndef WEFT_ERROR_H
#define WEFT_ERROR_H

#include <stdbool.h>

/* What went wrong. The values are the exit statuses that every command promises; the shell adds 128+n for signals. */
typedef enum Status {
    STATUS_OK = 0,
    STATUS_FAILED = 1,      /* anything else */
    STATUS_USAGE = 2,       /* unknown command, option, object, layer; a value out of range */
    STATUS_BAD_INPUT = 3,   /* a file that cannot be read or is not what it claims to be */
    STATUS_WRITE = 4,       /* nothing or not everything could be written */
    STATUS_LIMIT = 5,       /* memory, or a cap on sizes */
    STATUS_CANCELLED = 130, /* Ctrl-C */
} Status;

/* One failure: its status, and one line of text that names the file, layer or option and the reason. */
typedef struct Error {
    Status status;
    char text[1024];
} Error;

/* Sets *err. It always returns false, so that `return error_set(err, ...)` reads well. Control, DEL, C1 and
 * bidirectional characters of the formatted text are escaped (\xNN, \u{NNNN}), so that a hostile name cannot reach a
 * terminal. Long texts end in "...". */
bool error_set(Error *err, Status status, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Puts "PREFIX: " in front of a text that is already set ("model.pth: storage '0' ..."). Always returns false. */
bool error_prefix(Error *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* What the compiler cannot see there: that they return false. */
#define error_set(...)          \
    ({                          \
        error_set(__VA_ARGS__); \
        false;                  \
    })
#define error_prefix(...)          \
    ({                             \
        error_prefix(__VA_ARGS__); \
        false;                     \
    })

#endif
