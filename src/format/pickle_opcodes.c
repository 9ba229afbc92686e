/* pickle_opcodes -- what each opcode does: those that Python's pickler writes in protocols 2 to 5 (a bytearray is
 * read as bytes), also Python 2's. What names, calls and objects do stands in pickle_call.c.
 *
 * Integers are little-endian, only BINFLOAT is big-endian. Source: CPython's Lib/pickletools.py.
 */
#include <inttypes.h>
#include <string.h>

#include "format/bytes.h"
#include "format/pickle_machine.h"
#include "weft/base/error.h"
#include "weft/base/memory.h"
#include "weft/base/text.h"

/* ---- arguments and the stack ------------------------------------------------------------------------------------- */

static bool take_u8(PickleMachine *m, uint64_t *out, Error *err) {
    const uint8_t *bytes = pickle_take(m, 1, err);
    if (bytes) *out = bytes[0];
    return bytes;
}
static bool take_u32(PickleMachine *m, uint64_t *out, Error *err) {
    const uint8_t *bytes = pickle_take(m, 4, err);
    if (bytes) *out = get_le32(bytes);
    return bytes;
}
static bool take_u64(PickleMachine *m, uint64_t *out, Error *err) {
    const uint8_t *bytes = pickle_take(m, 8, err);
    if (bytes) *out = get_le64(bytes);
    return bytes;
}

/* The stack position after the last MARK. */
static bool after_mark(PickleMachine *m, size_t *out, Error *err) {
    for (size_t i = m->height; i > 0; i--) {
        if (m->stack[i - 1] == &m->mark) {
            *out = i;
            return true;
        }
    }
    return pickle_fault(m, err, "opcode 0x%02x finds no MARK (stack underflow)", m->opcode);
}

/* A new container of the stack's values from `from` on replaces them. */
static bool gather_values(PickleMachine *m, PickleType type, size_t from, size_t drop, Error *err) {
    PickleNode *node = pickle_node(m, type, err);
    if (!node) return false;
    for (size_t i = from; i < m->height; i++) {
        if (!pickle_link(m, node, m->stack[i], err)) return false;
    }
    m->height = from - drop;
    return pickle_push(m, node, err);
}

/* ---- scalars and strings ----------------------------------------------------------------------------------------- */

static bool push_bool(PickleMachine *m, bool truth, Error *err) {
    PickleNode *node = pickle_node(m, PICKLE_BOOL, err);
    if (node) node->truth = truth;
    return pickle_push(m, node, err);
}
static bool push_integer(PickleMachine *m, int64_t value, Error *err) {
    PickleNode *node = pickle_node(m, PICKLE_INTEGER, err);
    if (node) node->integer = value;
    return pickle_push(m, node, err);
}

static bool op_none(PickleMachine *m, Error *err) {
    return pickle_push(m, pickle_node(m, PICKLE_NONE, err), err);
}
static bool op_true(PickleMachine *m, Error *err) {
    return push_bool(m, true, err);
}
static bool op_false(PickleMachine *m, Error *err) {
    return push_bool(m, false, err);
}
static bool op_int1(PickleMachine *m, Error *err) {
    const uint8_t *bytes = pickle_take(m, 1, err);
    return bytes && push_integer(m, bytes[0], err);
}
static bool op_int2(PickleMachine *m, Error *err) {
    const uint8_t *bytes = pickle_take(m, 2, err);
    return bytes && push_integer(m, get_le16(bytes), err);
}
static bool op_int4(PickleMachine *m, Error *err) {
    const uint8_t *bytes = pickle_take(m, 4, err);
    return bytes && push_integer(m, (int32_t)get_le32(bytes), err);
}

/* Two's complement of `length` bytes; an integer over 64 bits is nothing that a network needs. */
static bool push_long(PickleMachine *m, uint64_t length, Error *err) {
    uint64_t value = 0;
    if (!pickle_remains(m, length, err)) return false;
    if (length > 8) {
        m->at += length;
        return pickle_push(m, pickle_node(m, PICKLE_OPAQUE, err), err);
    }
    const uint8_t *bytes = pickle_take(m, length, err);
    if (!bytes) return false;
    for (uint64_t i = 0; i < length; i++) value |= (uint64_t)bytes[i] << 8 * i;
    if (length > 0 && length < 8 && (bytes[length - 1] & 0x80)) value |= UINT64_MAX << 8 * length;
    return push_integer(m, (int64_t)value, err);
}

static bool op_long1(PickleMachine *m, Error *err) {
    uint64_t length = 0;
    return take_u8(m, &length, err) && push_long(m, length, err);
}
static bool op_long4(PickleMachine *m, Error *err) {
    uint64_t length = 0;
    if (!take_u32(m, &length, err)) return false;
    if (length > INT32_MAX) return pickle_fault(m, err, "integer of negative length %d", (int32_t)length);
    return push_long(m, length, err);
}

/* Decimal text, as Python 2 writes integers of more than 32 bits. */
static bool op_int_line(PickleMachine *m, Error *err) {
    char line[PICKLE_LINE];
    size_t length;
    if (!pickle_line(m, line, &length, err)) return false;
    if (strcmp(line, "00") == 0 || strcmp(line, "01") == 0) return push_bool(m, line[1] == '1', err);
    const bool minus = line[0] == '-';
    uint64_t value;
    if (!text_to_u64(line + minus, &value) || value > INT64_MAX)
        return pickle_fault(m, err, "the text of an integer is not an integer");
    return push_integer(m, minus ? -(int64_t)value : (int64_t)value, err);
}

static bool op_float(PickleMachine *m, Error *err) {
    const uint8_t *bytes = pickle_take(m, 8, err);
    PickleNode *node = bytes ? pickle_node(m, PICKLE_REAL, err) : NULL;
    if (!node) return false;
    uint64_t bits = 0;
    for (int i = 0; i < 8; i++) bits = bits << 8 | bytes[i];
    memcpy(&node->real, &bits, sizeof bits);
    return pickle_push(m, node, err);
}

static bool push_string(PickleMachine *m, PickleType type, uint64_t length, Error *err) {
    if (type == PICKLE_BYTES && length > PICKLE_HELD && length > m->end - m->at)
        return pickle_fault(m, err, "data needs %" PRIu64 " bytes, %" PRIu64 " remain", length, m->end - m->at);
    if (!pickle_remains(m, length, err)) return false;
    if (length > UINT32_MAX) return pickle_over(m, err, "bytes in a string", UINT32_MAX);
    PickleNode *node = pickle_node(m, type, err);
    if (!node) return false;
    node->count = (uint32_t)length;
    node->offset = m->at;
    if (length > PICKLE_HELD) {
        m->at += length;
        m->skipped += length;
        m->pickle->in_file = true;
        return pickle_push(m, node, err);
    }
    const uint8_t *bytes = pickle_take(m, length, err);
    char *copy = bytes ? pickle_arena(m->pickle, (size_t)length + 1, err) : NULL;
    if (!copy) return false;
    memcpy(copy, bytes, (size_t)length);
    copy[length] = '\0';
    if (type == PICKLE_TEXT && !text_valid_utf8(copy, (size_t)length)) return pickle_fault(m, err, "text is not UTF-8");
    node->text = copy;
    return pickle_push(m, node, err);
}

static bool op_text1(PickleMachine *m, Error *err) {
    uint64_t length = 0;
    return take_u8(m, &length, err) && push_string(m, PICKLE_TEXT, length, err);
}
static bool op_text4(PickleMachine *m, Error *err) {
    uint64_t length = 0;
    return take_u32(m, &length, err) && push_string(m, PICKLE_TEXT, length, err);
}
static bool op_text8(PickleMachine *m, Error *err) {
    uint64_t length = 0;
    return take_u64(m, &length, err) && push_string(m, PICKLE_TEXT, length, err);
}
static bool op_bytes1(PickleMachine *m, Error *err) {
    uint64_t length = 0;
    return take_u8(m, &length, err) && push_string(m, PICKLE_BYTES, length, err);
}
static bool op_bytes4(PickleMachine *m, Error *err) {
    uint64_t length = 0;
    return take_u32(m, &length, err) && push_string(m, PICKLE_BYTES, length, err);
}
static bool op_bytes8(PickleMachine *m, Error *err) {
    uint64_t length = 0;
    return take_u64(m, &length, err) && push_string(m, PICKLE_BYTES, length, err);
}
static bool op_string4(PickleMachine *m, Error *err) {
    uint64_t length = 0;
    if (!take_u32(m, &length, err)) return false;
    if (length > INT32_MAX) return pickle_fault(m, err, "string of negative length %d", (int32_t)length);
    return push_string(m, PICKLE_BYTES, length, err);
}

/* ---- containers -------------------------------------------------------------------------------------------------- */

static bool op_empty_dict(PickleMachine *m, Error *err) {
    return pickle_push(m, pickle_node(m, PICKLE_DICT, err), err);
}
static bool op_empty_list(PickleMachine *m, Error *err) {
    return pickle_push(m, pickle_node(m, PICKLE_LIST, err), err);
}
static bool op_empty_tuple(PickleMachine *m, Error *err) {
    return pickle_push(m, pickle_node(m, PICKLE_TUPLE, err), err);
}
static bool op_empty_set(PickleMachine *m, Error *err) {
    return pickle_push(m, pickle_set(m, "builtins.set", err), err);
}

static bool op_mark(PickleMachine *m, Error *err) {
    return pickle_push(m, &m->mark, err);
}
static bool op_tuple(PickleMachine *m, Error *err) {
    size_t from = 0;
    return after_mark(m, &from, err) && gather_values(m, PICKLE_TUPLE, from, 1, err);
}

/* TUPLE1, TUPLE2, TUPLE3: opcodes 0x85 to 0x87. */
static bool op_short_tuple(PickleMachine *m, Error *err) {
    size_t count = m->opcode - 0x84u;
    for (size_t i = 0; i < count; i++) {
        if (m->height <= i || m->stack[m->height - 1 - i] == &m->mark) {
            return pickle_fault(m, err, "opcode 0x%02x finds fewer than %zu values (stack underflow)", m->opcode,
                                count);
        }
    }
    return gather_values(m, PICKLE_TUPLE, m->height - count, 0, err);
}

/* What the values for `container` are added to: itself, or the part of an object that takes such; NULL (with an error)
 * where it takes none. `type` is PICKLE_OPAQUE for the items of a set. */
static PickleNode *taker(PickleMachine *m, PickleNode *container, PickleType type, Error *err) {
    if (container->type == PICKLE_OBJECT)
        return pickle_part(m, container, type == PICKLE_DICT ? PICKLE_DICT : PICKLE_LIST, err);
    if (container->type == type && type != PICKLE_OPAQUE) return container;
    const char *what = type == PICKLE_LIST ? "APPEND to" : type == PICKLE_DICT ? "SETITEM on" : "ADDITEMS to";
    const char *only = type == PICKLE_LIST ? "a list" : type == PICKLE_DICT ? "a dict" : "a set";
    pickle_fault(m, err, "%s something that is not %s", what, only);
    return NULL;
}

/* Moves the stack's values from `from` on into the container below them (below their MARK, if there is one). */
static bool fill_container(PickleMachine *m, PickleType type, size_t from, bool marked, Error *err) {
    size_t below = from - marked;
    if (below == 0 || m->stack[below - 1] == &m->mark)
        return pickle_fault(m, err, "opcode 0x%02x finds nothing to add to (stack underflow)", m->opcode);
    PickleNode *container = taker(m, m->stack[below - 1], type, err);
    if (!container) return false;
    size_t count = m->height - from;
    if (type == PICKLE_DICT && count % 2 != 0) return pickle_fault(m, err, "SETITEMS with an odd number of values");
    for (size_t i = 0; i < count; i++) {
        PickleNode *node = m->stack[from + i];
        if (type == PICKLE_DICT && i % 2 == 0 && (node->type == PICKLE_LIST || node->type == PICKLE_DICT))
            return pickle_fault(m, err, "a dict's key is a list or a dict");
        if (!pickle_link(m, container, node, err)) return false;
    }
    m->height = below;
    return true;
}

static bool op_append(PickleMachine *m, Error *err) {
    return pickle_top(m, err) && fill_container(m, PICKLE_LIST, m->height - 1, false, err);
}
static bool op_setitem(PickleMachine *m, Error *err) {
    if (!pickle_top(m, err)) return false;
    if (m->height < 2 || m->stack[m->height - 2] == &m->mark) return pickle_fault(m, err, "SETITEM stack underflow");
    return fill_container(m, PICKLE_DICT, m->height - 2, false, err);
}
static bool op_appends(PickleMachine *m, Error *err) {
    size_t from = 0;
    return after_mark(m, &from, err) && fill_container(m, PICKLE_LIST, from, true, err);
}
static bool op_setitems(PickleMachine *m, Error *err) {
    size_t from = 0;
    return after_mark(m, &from, err) && fill_container(m, PICKLE_DICT, from, true, err);
}
static bool op_additems(PickleMachine *m, Error *err) {
    size_t from = 0;
    return after_mark(m, &from, err) && fill_container(m, PICKLE_OPAQUE, from, true, err);
}

/* A frozenset of the values since MARK. */
static bool op_frozenset(PickleMachine *m, Error *err) {
    size_t from = 0;
    if (!after_mark(m, &from, err)) return false;
    PickleNode *node = pickle_set(m, "builtins.frozenset", err),
               *items = node ? pickle_part(m, node, PICKLE_LIST, err) : NULL;
    if (!items) return false;
    for (size_t i = from; i < m->height; i++)
        if (!pickle_link(m, items, m->stack[i], err)) return false;
    m->height = from - 1;
    return pickle_push(m, node, err);
}

/* POP and POP_MARK: Python's pickler drops so what it began of a tuple that holds itself through an object. */
static bool op_pop(PickleMachine *m, Error *err) {
    if (m->height == 0)
        return pickle_fault(m, err, "opcode 0x%02x finds no value on the stack (stack underflow)", m->opcode);
    m->height--;
    return true;
}
static bool op_pop_mark(PickleMachine *m, Error *err) {
    size_t from = 0;
    if (!after_mark(m, &from, err)) return false;
    m->height = from - 1;
    return true;
}

/* ---- memo -------------------------------------------------------------------------------------------------------- */

/* The memo is a table of pages, so that a single large index costs one page. */
static bool put(PickleMachine *m, uint64_t index, Error *err) {
    PickleNode *node = pickle_top(m, err);
    if (!node) return false;
    if (index >= PICKLE_CAP_MEMO) {
        return pickle_fault(m, err, "memo index %" PRIu64 ", limit %d,", index, PICKLE_CAP_MEMO);
    }
    PickleNode ***page = &m->memo[index / PICKLE_PAGE];
    if (!*page) *page = mem_alloc(PICKLE_PAGE, sizeof **page, err);
    if (!*page) return false;
    m->memo_count += !(*page)[index % PICKLE_PAGE];
    (*page)[index % PICKLE_PAGE] = node;
    return true;
}
static bool get(PickleMachine *m, uint64_t index, Error *err) {
    PickleNode **page = index < PICKLE_CAP_MEMO ? m->memo[index / PICKLE_PAGE] : NULL;
    if (!page || !page[index % PICKLE_PAGE])
        return pickle_fault(m, err, "memo index %" PRIu64 " was never set, read", index);
    return pickle_push(m, page[index % PICKLE_PAGE], err);
}

static bool op_put1(PickleMachine *m, Error *err) {
    uint64_t index = 0;
    return take_u8(m, &index, err) && put(m, index, err);
}
static bool op_put4(PickleMachine *m, Error *err) {
    uint64_t index = 0;
    return take_u32(m, &index, err) && put(m, index, err);
}
static bool op_get1(PickleMachine *m, Error *err) {
    uint64_t index = 0;
    return take_u8(m, &index, err) && get(m, index, err);
}
static bool op_get4(PickleMachine *m, Error *err) {
    uint64_t index = 0;
    return take_u32(m, &index, err) && get(m, index, err);
}
static bool op_memoize(PickleMachine *m, Error *err) {
    return put(m, m->memo_count, err);
}

/* ---- the stream ------------------------------------------------------------------------------------------------- */

static bool op_protocol(PickleMachine *m, Error *err) {
    uint64_t version;
    if (!take_u8(m, &version, err)) return false;
    return (version >= 2 && version <= 5) ||
           pickle_fault(m, err, "pickle protocol %" PRIu64 "; 2 to 5 are supported,", version);
}

static bool op_frame(PickleMachine *m, Error *err) {
    uint64_t length = 0;
    return take_u64(m, &length, err) && pickle_remains(m, length, err);
}

/* ---- the table --------------------------------------------------------------------------------------------------- */

PickleOpcode *const pickle_opcodes[256] = {
    [0x28] = op_mark,
    [0x29] = op_empty_tuple,
    [0x42] = op_bytes4,
    [0x43] = op_bytes1,
    [0x47] = op_float,
    [0x4a] = op_int4,
    [0x4b] = op_int1,
    [0x4d] = op_int2,
    [0x4e] = op_none,
    [0x51] = pickle_op_persistent,
    [0x52] = pickle_op_reduce,
    [0x54] = op_string4,
    [0x55] = op_bytes1,
    [0x58] = op_text4,
    [0x5d] = op_empty_list,
    [0x61] = op_append,
    [0x62] = pickle_op_build,
    [0x63] = pickle_op_global,
    [0x65] = op_appends,
    [0x68] = op_get1,
    [0x6a] = op_get4,
    [0x71] = op_put1,
    [0x72] = op_put4,
    [0x73] = op_setitem,
    [0x74] = op_tuple,
    [0x75] = op_setitems,
    [0x7d] = op_empty_dict,
    [0x80] = op_protocol,
    [0x81] = pickle_op_newobj,
    [0x85] = op_short_tuple,
    [0x86] = op_short_tuple,
    [0x87] = op_short_tuple,
    [0x88] = op_true,
    [0x89] = op_false,
    [0x8a] = op_long1,
    [0x8c] = op_text1,
    [0x8d] = op_text8,
    [0x8e] = op_bytes8,
    [0x8f] = op_empty_set,
    [0x90] = op_additems,
    [0x93] = pickle_op_stack_global,
    [0x94] = op_memoize,
    [0x95] = op_frame,
    [0x96] = op_bytes8,
    [0x30] = op_pop,
    [0x31] = op_pop_mark,
    [0x49] = op_int_line,
    [0x8b] = op_long4,
    [0x91] = op_frozenset,
    [0x92] = pickle_op_newobj_ex,
};
