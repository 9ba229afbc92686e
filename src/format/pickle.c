/* pickle -- the interpreter: a stack machine over a File that builds inert nodes.
 *
 * A pickle is a sequence of one-byte opcodes, each with its argument, up to STOP ('.'); pickle_opcodes.c has them. Here
 * are the memory that nodes live in, the stream, the stack, the loop, and the check of the finished graph.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "format/pickle_machine.h"
#include "weft/base/error.h"
#include "weft/base/file.h"
#include "weft/base/memory.h"
#include "weft/base/size.h"

enum { BLOCK = 65536 };

bool pickle_fault(PickleMachine *m, Error *err, const char *format, ...) {
    char reason[512];
    va_list args;
    va_start(args, format);
    vsnprintf(reason, sizeof reason, format, args);
    va_end(args);
    return error_set(err, STATUS_BAD_INPUT, "%s: %s at byte %" PRIu64, file_name(m->file), reason, m->opcode_at);
}

bool pickle_over(PickleMachine *m, Error *err, const char *what, uint64_t cap) {
    return error_set(err, STATUS_LIMIT, "%s: pickle has more than %" PRIu64 " %s", file_name(m->file), cap, what);
}

bool pickle_work(PickleMachine *m, uint64_t amount, Error *err) {
    if (!size_add(m->work, amount, &m->work)) m->work = UINT64_MAX;
    return m->work <= PICKLE_CAP_WORK || pickle_over(m, err, "steps for parts that are shared", PICKLE_CAP_WORK);
}

/* ---- the arena --------------------------------------------------------------------------------------------------- */

void *pickle_arena(Pickle *pickle, size_t bytes, Error *err) {
    size_t header = (sizeof(PickleBlock) + 15) & ~(size_t)15;
    bytes = (bytes + 7) & ~(size_t)7;
    if (!pickle->blocks || pickle->blocks->size - pickle->blocks->used < bytes) {
        size_t size = header + bytes > BLOCK ? header + bytes : BLOCK;
        PickleBlock *block = mem_alloc(1, size, err);
        if (!block) return NULL;
        *block = (PickleBlock){pickle->blocks, header, size};
        pickle->blocks = block;
    }
    void *out = (char *)pickle->blocks + pickle->blocks->used;
    pickle->blocks->used += bytes;
    return out;
}

PickleNode *pickle_node(PickleMachine *m, PickleType type, Error *err) {
    if (m->pickle->nodes >= PICKLE_CAP_NODES) {
        pickle_over(m, err, "values", PICKLE_CAP_NODES);
        return NULL;
    }
    PickleNode *node = pickle_arena(m->pickle, sizeof *node, err);
    if (!node) return NULL;
    node->type = (uint8_t)type;
    node->number = m->pickle->nodes++;
    return node;
}

/* ---- bytes of the stream ----------------------------------------------------------------------------------------- */

bool pickle_remains(PickleMachine *m, uint64_t length, Error *err) {
    if (length <= m->end - m->at) return true;
    return pickle_fault(m, err, "pickle ends early: %" PRIu64 " bytes needed, %" PRIu64 " remain", length,
                        m->end - m->at);
}

const uint8_t *pickle_take(PickleMachine *m, uint64_t length, Error *err) {
    if (!pickle_remains(m, length, err)) return NULL;
    uint64_t inside = m->at - m->window_at;
    if (m->at < m->window_at || inside > m->window_length || length > m->window_length - inside) {
        uint64_t fill = m->end - m->at < PICKLE_WINDOW ? m->end - m->at : PICKLE_WINDOW;
        m->window_length = 0;
        if (!file_read(m->file, m->at, m->window, fill, err)) return NULL;
        m->window_at = m->at;
        m->window_length = (size_t)fill;
        inside = 0;
    }
    m->at += length;
    return m->window + inside;
}

/* ---- the stack --------------------------------------------------------------------------------------------------- */

bool pickle_push(PickleMachine *m, PickleNode *node, Error *err) {
    if (!node || !mem_grow(&m->stack, &m->capacity, (uint64_t)m->height + 1, sizeof *m->stack, err)) return false;
    m->stack[m->height++] = node;
    return true;
}

PickleNode *pickle_top(PickleMachine *m, Error *err) {
    if (m->height > 0 && m->stack[m->height - 1] != &m->mark) return m->stack[m->height - 1];
    pickle_fault(m, err, "opcode 0x%02x finds no value on the stack (stack underflow)", m->opcode);
    return NULL;
}

PickleNode *pickle_pop(PickleMachine *m, Error *err) {
    PickleNode *node = pickle_top(m, err);
    if (node) m->height--;
    return node;
}

/* ---- the graph --------------------------------------------------------------------------------------------------- */

enum { UNSEEN, OPEN, DONE };

enum { PARTS = 4 };
typedef struct Frame {
    PickleNode *node;
    PickleItem *next;         /* of a container */
    PickleNode **part[PARTS]; /* of a node that is none; taken from the end */
    unsigned deepest, parts;
} Frame;

static void add_part(Frame *frame, PickleNode **part) {
    if (*part) frame->part[frame->parts++] = part;
}

static Frame frame_of(PickleNode *node) {
    Frame frame = {.node = node};
    node->visit = OPEN;
    if (node->type == PICKLE_LIST || node->type == PICKLE_TUPLE || node->type == PICKLE_DICT) frame.next = node->first;
    if (node->type == PICKLE_PERSISTENT) add_part(&frame, &node->id);
    if (node->type == PICKLE_CALL) {
        add_part(&frame, &node->arguments);
        add_part(&frame, &node->state);
    }
    if (node->type == PICKLE_OBJECT) {
        PickleObject *object = node->object;
        add_part(&frame, &object->arguments);
        add_part(&frame, &object->state);
        add_part(&frame, &object->entries);
        add_part(&frame, &object->items);
    }
    return frame;
}

/* Where the next child stands; NULL after the last one. */
static PickleNode **next_child(Frame *frame) {
    if (frame->parts > 0) return frame->part[--frame->parts];
    if (!frame->next) return NULL;
    PickleNode **child = &frame->next->node;
    frame->next = frame->next->next;
    return child;
}

/* Whether the way from `node`, which is open, down to the end of the path leads through an object. */
static bool through_object(const Frame *path, unsigned length, const PickleNode *node) {
    for (unsigned i = length; i > 0; i--) {
        if (path[i - 1].node->type == PICKLE_OBJECT) return true;
        if (path[i - 1].node == node) return false;
    }
    return false;
}

/* Walks every edge reachable from the root once: no plain value may reach itself, none may be deeper than PICKLE_DEPTH.
 * An object may refer to itself, as Python's do; the reference that closes the circle is cut. */
static bool check_graph(PickleMachine *m, Error *err) {
    Frame path[PICKLE_DEPTH + 1];
    unsigned length = 0;
    PickleNode *self = pickle_node(m, PICKLE_OPAQUE, err);
    if (!self) return false;
    path[length++] = frame_of(m->pickle->root);
    while (length > 0) {
        Frame *here = &path[length - 1];
        PickleNode **edge = next_child(here), *child = edge ? *edge : NULL;
        if (!edge) {
            PickleNode *node = here->node;
            node->depth = (uint8_t)here->deepest;
            node->visit = DONE;
            if (!pickle_finish(m, node, err)) return false;
            child = --length > 0 ? node : NULL;
        }
        if (!child) continue;
        if (child->visit == OPEN) {
            if (!through_object(path, length, child))
                return pickle_fault(m, err, "a value contains itself: pickle ending");
            child = *edge = self;
        }
        unsigned below = child->visit == DONE ? child->depth : 0;
        if (length + below > PICKLE_DEPTH)
            return pickle_fault(m, err, "values nested deeper than %d: pickle ending", PICKLE_DEPTH);
        if (child->visit == UNSEEN) {
            path[length++] = frame_of(child);
            continue;
        }
        here = &path[length - 1];
        if (here->deepest < below + 1) here->deepest = below + 1;
    }
    return true;
}

/* ---- the loop ---------------------------------------------------------------------------------------------------- */

enum { STOP = 0x2e };

static bool interpret(PickleMachine *m, Error *err) {
    for (uint64_t count = 0;; count++) {
        m->opcode_at = m->at;
        if (m->at >= m->end) return pickle_fault(m, err, "pickle ends without STOP");
        if (count >= PICKLE_CAP_OPCODES) return pickle_over(m, err, "opcodes", PICKLE_CAP_OPCODES);
        if (m->at - m->start - m->skipped > PICKLE_CAP_STREAM) return pickle_over(m, err, "bytes", PICKLE_CAP_STREAM);
        const uint8_t *byte = pickle_take(m, 1, err);
        if (!byte) return false;
        m->opcode = *byte;
        if (m->opcode == STOP) break;
        if (!pickle_opcodes[m->opcode]) return pickle_fault(m, err, "unsupported pickle opcode 0x%02x", m->opcode);
        if (!pickle_opcodes[m->opcode](m, err)) return false;
    }
    m->pickle->root = pickle_top(m, err);
    if (!m->pickle->root) return false;
    if (m->height != 1) return pickle_fault(m, err, "%zu values on the stack at STOP, one expected,", m->height);
    m->pickle->end = m->at;
    return check_graph(m, err);
}

Pickle *pickle_parse(const File *file, uint64_t offset, uint64_t length, Error *err) {
    Pickle *pickle = mem_alloc(1, sizeof *pickle, err);
    PickleMachine *m = pickle ? mem_alloc(1, sizeof *m, err) : NULL;
    bool ok = false;
    if (m) {
        *m = (PickleMachine){.pickle = pickle, .file = file, .start = offset, .at = offset, .end = offset + length};
        m->window = mem_alloc(1, PICKLE_WINDOW, err);
        ok = m->window && interpret(m, err);
        for (size_t i = 0; i < PICKLE_PAGES; i++) mem_free(m->memo[i]);
        mem_free(m->stack);
        mem_free(m->window);
        mem_free(m);
    }
    if (ok) return pickle;
    pickle_free(pickle);
    return NULL;
}

void pickle_free(Pickle *pickle) {
    if (!pickle) return;
    for (PickleBlock *block = pickle->blocks; block;) {
        PickleBlock *next = block->next;
        mem_free(block);
        block = next;
    }
    mem_free(pickle);
}

const PickleNode *pickle_root(const Pickle *pickle) {
    return pickle->root;
}
void pickle_set_root(Pickle *pickle, const PickleNode *node) {
    pickle->root = (PickleNode *)node; /* the graph is ours */
}
uint64_t pickle_end(const Pickle *pickle) {
    return pickle->end;
}
uint32_t pickle_nodes(const Pickle *pickle) {
    return pickle->nodes;
}
bool pickle_in_file(const Pickle *pickle) {
    return pickle->in_file;
}
const PickleNode *pickle_last_persistent(const Pickle *pickle) {
    return pickle->persistent;
}
