/* pickle_machine -- the stack machine that pickle.c runs and pickle_opcodes.c instructs. */
#ifndef WEFT_FORMAT_PICKLE_MACHINE_H
#define WEFT_FORMAT_PICKLE_MACHINE_H

#include "format/pickle.h"
#include "weft/base/error.h"
#include "weft/base/file.h"

enum {
    PICKLE_WINDOW = 65536, /* bytes of the stream in memory at a time */
    PICKLE_LINE = 512,
    PICKLE_PAGE = 4096,
    PICKLE_PAGES = (PICKLE_CAP_MEMO + PICKLE_PAGE - 1) / PICKLE_PAGE,
};

typedef struct PickleBlock {
    struct PickleBlock *next;
    size_t used, size;
} PickleBlock;

struct Pickle {
    PickleBlock *blocks; /* all nodes, items and strings */
    PickleNode *root, *persistent;
    uint32_t nodes;
    uint64_t end;
    bool in_file;
};

/* The state of one interpretation; all of it but the pickle is freed at its end. */
typedef struct PickleMachine {
    Pickle *pickle;
    const File *file;
    uint64_t start, at, end; /* of the stream, of the next byte, of the room for the stream */
    uint64_t skipped;        /* bytes of long strings, which the cap does not count */
    uint64_t copied;         /* bytes of names and encoded texts */
    uint64_t work;           /* towards PICKLE_CAP_WORK */
    uint64_t opcode_at;
    uint8_t opcode;
    uint64_t window_at; /* the bytes [window_at, window_at + window_length) of the file */
    size_t window_length;
    uint8_t *window;
    PickleNode **stack;
    size_t height, capacity;
    PickleNode mark; /* represents MARK on the stack */
    PickleNode **memo[PICKLE_PAGES];
    uint32_t memo_count;
} PickleMachine;

/* "FILE: REASON at byte N", N being the position of the opcode; always false. */
bool pickle_fault(PickleMachine *m, Error *err, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* STATUS_LIMIT "FILE: pickle has more than CAP WHAT"; always false. */
bool pickle_over(PickleMachine *m, Error *err, const char *what, uint64_t cap);
/* Zeroed memory that lives as long as the pickle. */
void *pickle_arena(Pickle *pickle, size_t bytes, Error *err);
PickleNode *pickle_node(PickleMachine *m, PickleType type, Error *err);

bool pickle_remains(PickleMachine *m, uint64_t length, Error *err); /* that many bytes of the stream */
/* The next `length` (at most PICKLE_WINDOW) bytes, valid until the next call. */
const uint8_t *pickle_take(PickleMachine *m, uint64_t length, Error *err);

bool pickle_push(PickleMachine *m, PickleNode *node, Error *err); /* false also where `node` is NULL */
/* The value on top of the stack; NULL if there is none, or a MARK. */
PickleNode *pickle_top(PickleMachine *m, Error *err);
PickleNode *pickle_pop(PickleMachine *m, Error *err);

bool pickle_work(PickleMachine *m, uint64_t amount, Error *err); /* counts it; false over the cap */
/* Adds `child` at the end of a container. */
bool pickle_link(PickleMachine *m, PickleNode *container, PickleNode *child, Error *err);
/* The next line of the stream without its newline, at most PICKLE_LINE - 1 bytes. */
bool pickle_line(PickleMachine *m, char line[PICKLE_LINE], size_t *length, Error *err);
/* Why the file is refused for a name: "FILE: global MODULE.NAME ..."; always false. */
bool pickle_refuse_name(PickleMachine *m, const char *module, const char *name, Error *err);
PickleNode *pickle_set(PickleMachine *m, const char *name, Error *err); /* an empty object of this builtin class */
/* The part of an object that takes its entries or items, made where it is not there yet. */
PickleNode *pickle_part(PickleMachine *m, PickleNode *object, PickleType type, Error *err);
/* How the finished node is walked, its parts being finished; counts the tensors in it (pickle_finish.c). */
bool pickle_finish(PickleMachine *m, PickleNode *node, Error *err);
/* The list of items behind a shape that is not PICKLE_MODULE's. */
static inline const PickleNode *pickle_listed(const PickleNode *node) {
    return node->type == PICKLE_OBJECT ? node->object->walked[0] : node;
}

typedef bool PickleOpcode(PickleMachine *m, Error *err);
/* pickle_call.c: names, what is called, objects and their state. */
PickleOpcode pickle_op_global, pickle_op_stack_global, pickle_op_reduce, pickle_op_newobj, pickle_op_newobj_ex,
    pickle_op_build, pickle_op_persistent;
extern PickleOpcode *const pickle_opcodes[256]; /* NULL: not supported; STOP is the loop's */

#endif
