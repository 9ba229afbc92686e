/* pickle_machine -- what the opcodes of a pickle work on: the memory that nodes live in, the stream, the stack. */
#include "format/pickle_machine.h"

#include <inttypes.h>
#include <stdio.h>

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

bool pickle_refuse_name(PickleMachine *m, const char *module, const char *name, Error *err) {
    return error_set(err, STATUS_BAD_INPUT,
                     "%s: global %s.%s is not a tensor type; the file may be malicious; nothing was executed",
                     file_name(m->file), module, name);
}

/* ---- the arena --------------------------------------------------------------------------------------------------- */

void *pickle_arena(Pickle *pickle, size_t bytes, Error *err) {
    size_t header = (sizeof(PickleBlock) + 15) & ~(size_t)15;
    bytes = (bytes + 7) & ~(size_t)7;
    if (!mem_part_allowed(bytes, err)) return NULL;
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

/* Depths are exact for what was complete when it was added, and too small where it grew later: check_graph finds these.
 */
bool pickle_link(PickleMachine *m, PickleNode *container, PickleNode *child, Error *err) {
    if (child->depth >= PICKLE_DEPTH) return pickle_fault(m, err, "values nested deeper than %d", PICKLE_DEPTH);
    PickleItem *item = pickle_arena(m->pickle, sizeof *item, err);
    if (!item) return false;
    item->node = child;
    if (container->last) {
        container->last->next = item;
    } else {
        container->first = item;
    }
    container->last = item;
    container->count++;
    if (child->depth >= container->depth) container->depth = (uint8_t)(child->depth + 1);
    return true;
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

bool pickle_line(PickleMachine *m, char line[PICKLE_LINE], size_t *length, Error *err) {
    for (size_t i = 0; i < PICKLE_LINE; i++) {
        const uint8_t *byte = m->at < m->end ? pickle_take(m, 1, err) : NULL;
        if (!byte) return m->at < m->end ? false : pickle_fault(m, err, "a global's name without a newline");
        if (*byte == '\n') {
            line[i] = '\0';
            *length = i;
            return true;
        }
        line[i] = (char)*byte;
    }
    return pickle_fault(m, err, "global name longer than %d bytes", PICKLE_LINE - 1);
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
