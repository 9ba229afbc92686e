/* pickle -- the interpreter: a stack machine over a File that builds inert nodes.
 *
 * A pickle is a sequence of one-byte opcodes, each with its argument, up to STOP ('.'); pickle_opcodes.c has them, and
 * pickle_machine.c what they work on. Here are the loop and the check of the finished graph.
 */

#include "format/pickle_machine.h"
#include "weft/base/error.h"
#include "weft/base/file.h"
#include "weft/base/memory.h"

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
    while (path[--length].node->type != PICKLE_OBJECT)
        if (path[length].node == node) return false;
    return true;
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
