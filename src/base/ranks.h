/* ranks -- how the processes of a job talk (inside base): frames, rank 0's side of a shared map, a worker's side. */
#ifndef WEFT_BASE_RANKS_H
#define WEFT_BASE_RANKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "weft/base/error.h"
#include "weft/base/ranks.h"
#include "weft/base/text.h"

/* ---- frames ------------------------------------------------------------------------------------------------------ */

typedef enum FrameKind {
    FRAME_HELLO = 1, /* worker: secret, program, CPU, machine, process; a line each */
    FRAME_WELCOME,   /* rank 0 */
    FRAME_REFUSED,   /* rank 0: why, as text */
    FRAME_COMMAND,   /* rank 0: the parcel */
    FRAME_JOIN,      /* worker: it has reached a map; `item`: how many items that has, the bytes: its name */
    FRAME_WANT,      /* worker: a lane waits for an item */
    FRAME_ITEM,      /* rank 0: `place` and `item` */
    FRAME_DONE,      /* worker: the item's result */
    FRAME_FAILED,    /* worker: its failure, an Error */
    FRAME_RESULTS,   /* rank 0: the map is done; item, length, bytes of each */
    FRAME_OVER,      /* rank 0: the command is done */
    FRAME_LEFT,      /* worker: it is out of the command; the bytes: an Error, or nothing */
    FRAME_CANCEL,    /* rank 0: `item` is the level */
    FRAME_BEAT,      /* worker: it lives */
    FRAME_QUIT       /* rank 0 */
} FrameKind;

typedef struct Frame {
    uint32_t kind, map; /* the number of the map in its command, from 1 */
    uint64_t command, place, item, length;
} Frame;
bool frame_send(int fd, Frame frame, const void *bytes, size_t length);
/* *bytes: `length` bytes and a NUL, mem_free; more than `most` are refused. False: the other side is gone. */
bool frame_receive(int fd, uint64_t most, Frame *frame, char **bytes);

/* ---- rank 0 ------------------------------------------------------------------------------------------------------ */

/* A map whose items may be done elsewhere. The functions are called from another thread, one at a time. */
typedef struct Shared {
    const char *what;
    size_t count; /* of all its items, also those that are done already */
    bool missing; /* some are not */
    bool last;    /* no map that follows needs the results */
    void *context;
    bool (*take)(void *context, size_t *place, size_t *item); /* the next one to do; false: none is left */
    void (*done)(void *context, size_t place, size_t item, const char *bytes, size_t length);
    /* True: it is to be taken again, by this process. */
    bool (*failed)(void *context, size_t place, const Error *failure);
    void (*lost)(void *context, size_t place); /* to be taken again */
    /* Appends the result of an item; false: it has none (yet). */
    bool (*pack)(void *context, size_t item, Str *bytes, Error *err);
} Shared;

bool head_start(unsigned size, int listening, const char *secret, void (*say)(const char *text), Error *err);
void head_stop(void);
/* Shares a map, if the calling thread runs a command and there are others. */
bool head_share(const Shared *shared);
/* Waits for what is done elsewhere. True: an item came back. */
bool head_wait(void);
void head_share_end(void);

/* ---- workers ----------------------------------------------------------------------------------------------------- */

bool worker_start(int fd, Error *err);
/* At a map of the command: tells rank 0. False: STATUS_CANCELLED. */
bool worker_join(const char *what, size_t count, Error *err);
/* The next item, from any thread; false: the map is over. */
bool worker_next(size_t *place, size_t *item);
/* Its result, or why there is none. */
void worker_answer(size_t place, size_t item, const Str *bytes, const Error *failure);
/* After the map: all results (mem_free); false: the command is over (STATUS_CANCELLED). */
bool worker_results(char **bytes, size_t *length, Error *err);

#endif
