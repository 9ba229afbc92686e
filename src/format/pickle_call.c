/* pickle_call -- names, what a stream calls, and the objects that come of it. Nothing is called: a call whose meaning
 * the table tells is kept with its arguments, any other makes an inert object.
 */
#include <string.h>

#include "format/pickle_machine.h"
#include "weft/base/error.h"
#include "weft/base/size.h"

enum { COPIES = 16 << 20 };

/* Copies of what the memo holds could make much memory from few bytes: they are counted. */
static char *copy_room(PickleMachine *m, uint64_t length, Error *err) {
    const uint64_t cap = COPIES + 2 * (m->at - m->start);
    if (!size_add(m->copied, length + 1, &m->copied) || m->copied > cap) {
        pickle_over(m, err, "bytes of names and encoded texts", cap);
        return NULL;
    }
    return pickle_arena(m->pickle, (size_t)length + 1, err);
}

/* ---- names ------------------------------------------------------------------------------------------------------- */

static PickleNode *make_name(PickleMachine *m, const char *module, const char *name, Error *err) {
    const PickleGlobal *global = pickle_global_find(module, name);
    if (!global) {
        pickle_refuse_name(m, module, name, err);
        return NULL;
    }
    PickleNode *node = pickle_node(m, PICKLE_NAME, err);
    if (!node) return NULL;
    node->row = pickle_global_row(global);
    if (global->meaning != PICKLE_FOREIGN) return node;
    const size_t first = strlen(module), second = strlen(name);
    char *text = copy_room(m, first + 1 + second, err);
    if (!text) return NULL;
    memcpy(text, module, first);
    text[first] = '.';
    memcpy(text + first + 1, name, second);
    node->text = text;
    node->count = (uint32_t)(first + 1 + second);
    return node;
}

bool pickle_op_global(PickleMachine *m, Error *err) {
    char module[PICKLE_LINE], name[PICKLE_LINE];
    size_t module_length, name_length;
    if (!pickle_line(m, module, &module_length, err) || !pickle_line(m, name, &name_length, err)) return false;
    if (strlen(module) != module_length || strlen(name) != name_length)
        return pickle_fault(m, err, "a global's name contains a NUL");
    return pickle_push(m, make_name(m, module, name, err), err);
}

static bool is_short(const PickleNode *node) {
    return node->type == PICKLE_TEXT && node->count < PICKLE_LINE && strlen(node->text) == node->count;
}

bool pickle_op_stack_global(PickleMachine *m, Error *err) {
    PickleNode *name = pickle_pop(m, err), *module = name ? pickle_pop(m, err) : NULL;
    if (!module) return false;
    if (!is_short(name) || !is_short(module)) return pickle_fault(m, err, "a global's name is not a short text");
    return pickle_push(m, make_name(m, module->text, name->text, err), err);
}

/* ---- objects ----------------------------------------------------------------------------------------------------- */

static PickleNode *make_object(PickleMachine *m, PickleNode *name, PickleNode *arguments, Error *err) {
    PickleNode *node = pickle_node(m, PICKLE_OBJECT, err);
    PickleObject *object = node ? pickle_arena(m->pickle, sizeof *object, err) : NULL;
    if (!object) return NULL;
    object->name = name;
    object->arguments = arguments;
    node->object = object;
    return node;
}

PickleNode *pickle_set(PickleMachine *m, const char *text, Error *err) {
    PickleNode *name = pickle_node(m, PICKLE_NAME, err), *none = name ? pickle_node(m, PICKLE_TUPLE, err) : NULL;
    if (!none) return NULL;
    name->text = text; /* row 0 */
    name->count = (uint32_t)strlen(text);
    return make_object(m, name, none, err);
}

PickleNode *pickle_part(PickleMachine *m, PickleNode *node, PickleType type, Error *err) {
    PickleNode **part = type == PICKLE_DICT ? &node->object->entries : &node->object->items;
    if (!*part) *part = pickle_node(m, type, err);
    return *part;
}

/* ---- calls ------------------------------------------------------------------------------------------------------- */

/* Text to the bytes that its code points name (Latin-1), as _codecs.encode(text, 'latin1') gives them. */
static PickleNode *encode_latin1(PickleMachine *m, const PickleNode *text, Error *err) {
    PickleNode *node = pickle_node(m, text->text ? PICKLE_BYTES : PICKLE_LATIN1, err);
    if (node && !text->text) {
        node->count = text->count;
        node->offset = text->offset;
        return node;
    }
    char *out = node ? copy_room(m, text->count, err) : NULL;
    if (!out) return NULL;
    for (uint32_t i = 0; i < text->count; i++) {
        uint8_t byte = (uint8_t)text->text[i];
        if (byte >= 0x80) { /* valid UTF-8; two bytes are enough up to U+00FF */
            if (byte > 0xc3) {
                pickle_fault(m, err, "_codecs.encode: a character is not Latin-1");
                return NULL;
            }
            byte = (uint8_t)(byte << 6 | ((uint8_t)text->text[++i] & 0x3f));
        }
        out[node->count++] = (char)byte;
    }
    node->text = out;
    return node;
}

static PickleNode *keep_call(PickleMachine *m, const PickleNode *callee, PickleNode *arguments, Error *err) {
    PickleNode *node = pickle_node(m, PICKLE_CALL, err);
    if (!node) return NULL;
    node->row = callee->row;
    node->arguments = arguments;
    return node;
}

static PickleNode *first_of(const PickleNode *tuple) {
    return tuple->first ? tuple->first->node : NULL;
}

/* _rebuild_from_type_v2(function, type, arguments, state): what the function would make. */
static PickleNode *from_type(PickleMachine *m, PickleNode *callee, PickleNode *arguments, Error *err) {
    const PickleNode *function = pickle_item(arguments, 0), *within = pickle_item(arguments, 2);
    const PickleMeaning meaning =
        function && function->type == PICKLE_NAME ? pickle_global(function)->meaning : PICKLE_FOREIGN;
    const bool rebuilds = meaning == PICKLE_REBUILD_TENSOR || meaning == PICKLE_REBUILD_TENSOR_V2 ||
                          meaning == PICKLE_REBUILD_TENSOR_V3 || meaning == PICKLE_REBUILD_PARAMETER;
    if (!rebuilds || !within || within->type != PICKLE_TUPLE) return make_object(m, callee, arguments, err);
    return keep_call(m, function, arguments->first->next->next->node, err);
}

/* Of something that is not known, an attribute that runs nothing. */
static bool is_attribute(const PickleNode *arguments) {
    const PickleNode *of = pickle_item(arguments, 0), *name = pickle_item(arguments, 1);
    if (!name || arguments->count != 2 || !is_short(name) || !pickle_global_find("", name->text)) return false;
    return of->type == PICKLE_OBJECT || (of->type == PICKLE_NAME && pickle_global(of)->meaning == PICKLE_FOREIGN);
}

static PickleNode *call(PickleMachine *m, PickleNode *callee, PickleNode *arguments, Error *err) {
    PickleNode *first = first_of(arguments);
    switch (pickle_global(callee)->meaning) {
    case PICKLE_ORDERED_DICT:
        return arguments->count == 0 ? pickle_node(m, PICKLE_DICT, err) : make_object(m, callee, arguments, err);
    case PICKLE_ENCODE:
        if (first && first->type == PICKLE_TEXT && pickle_is_text(pickle_item(arguments, 1), "latin1") &&
            arguments->count == 2)
            return encode_latin1(m, first, err);
        return make_object(m, callee, arguments, err);
    case PICKLE_SIZE:
        return first && first->type == PICKLE_TUPLE && arguments->count == 1 ? first
                                                                             : make_object(m, callee, arguments, err);
    case PICKLE_FIRST:
        return first ? first : make_object(m, callee, arguments, err);
    case PICKLE_REBUILD_FROM_TYPE:
        return from_type(m, callee, arguments, err);
    case PICKLE_GETATTR:
        if (is_attribute(arguments)) return make_object(m, callee, arguments, err);
        pickle_refuse_name(m, pickle_global(callee)->module, pickle_global(callee)->name, err);
        return NULL;
    case PICKLE_RECONSTRUCTOR:
        if (!first || first->type != PICKLE_NAME) return make_object(m, callee, arguments, err);
        if (pickle_global(first)->meaning == PICKLE_PARAMETER) return keep_call(m, first, arguments, err);
        return make_object(m, first, arguments, err);
    case PICKLE_REBUILD_TENSOR:
    case PICKLE_REBUILD_TENSOR_V2:
    case PICKLE_REBUILD_TENSOR_V3:
    case PICKLE_REBUILD_PARAMETER:
    case PICKLE_PARAMETER:
    case PICKLE_NUMPY_SCALAR:
    case PICKLE_NUMPY_RECONSTRUCT:
    case PICKLE_NUMPY_FROMBUFFER:
    case PICKLE_NUMPY_DTYPE:
        return keep_call(m, callee, arguments, err);
    case PICKLE_FOREIGN:
    case PICKLE_UNREAD:
        return make_object(m, callee, arguments, err);
    default:
        pickle_fault(m, err, "REDUCE of %s.%s, which is not a function,", pickle_global(callee)->module,
                     pickle_global(callee)->name);
        return NULL;
    }
}

bool pickle_op_reduce(PickleMachine *m, Error *err) {
    PickleNode *arguments = pickle_pop(m, err), *callee = arguments ? pickle_pop(m, err) : NULL;
    if (!callee) return false;
    if (callee->type != PICKLE_NAME) return pickle_fault(m, err, "REDUCE of something that is not a name");
    if (arguments->type != PICKLE_TUPLE) return pickle_fault(m, err, "REDUCE without a tuple of arguments");
    return pickle_push(m, call(m, callee, arguments, err), err);
}

static bool new_object(PickleMachine *m, PickleNode *callee, PickleNode *arguments, Error *err) {
    const PickleMeaning meaning = callee->type == PICKLE_NAME ? pickle_global(callee)->meaning : PICKLE_STORAGE;
    const bool class = meaning == PICKLE_FOREIGN || meaning == PICKLE_UNREAD || meaning == PICKLE_ORDERED_DICT ||
                       meaning == PICKLE_PARAMETER;
    if (!class || arguments->type != PICKLE_TUPLE)
        return pickle_fault(m, err, "NEWOBJ of something that is not an inert object");
    return pickle_push(m, call(m, callee, arguments, err), err);
}

bool pickle_op_newobj(PickleMachine *m, Error *err) {
    PickleNode *arguments = pickle_pop(m, err), *callee = arguments ? pickle_pop(m, err) : NULL;
    return callee && new_object(m, callee, arguments, err);
}

/* The same with a dict of named arguments, which tell nothing. */
bool pickle_op_newobj_ex(PickleMachine *m, Error *err) {
    return pickle_pop(m, err) && pickle_op_newobj(m, err);
}

bool pickle_op_build(PickleMachine *m, Error *err) {
    PickleNode *state = pickle_pop(m, err), *target = state ? pickle_top(m, err) : NULL;
    if (!target) return false;
    if (target->type == PICKLE_DICT || target->type == PICKLE_OPAQUE) return true; /* an attribute such as _metadata */
    if (target->type == PICKLE_OBJECT) {
        if (!target->object->state) target->object->state = state;
        return true;
    }
    const PickleMeaning meaning = target->type == PICKLE_CALL ? pickle_global(target)->meaning : PICKLE_FOREIGN;
    const bool takes =
        meaning == PICKLE_NUMPY_DTYPE || meaning == PICKLE_NUMPY_RECONSTRUCT || meaning == PICKLE_PARAMETER;
    if (!takes || target->state) return pickle_fault(m, err, "BUILD on something that takes no state");
    target->state = state;
    return true;
}

/* A class with its source, ('module', class, file, source), or in tar files (class, file, source), is the class. */
static PickleNode *class_of(const PickleNode *id) {
    const PickleItem *item = id->type == PICKLE_TUPLE ? id->first : NULL;
    if (item && pickle_is_text(item->node, "module")) item = item->next;
    return item && item->node->type == PICKLE_NAME ? item->node : NULL;
}

bool pickle_op_persistent(PickleMachine *m, Error *err) {
    PickleNode *id = pickle_pop(m, err), *class = id ? class_of(id) : NULL;
    if (class) return pickle_push(m, class, err);
    PickleNode *node = id ? pickle_node(m, PICKLE_PERSISTENT, err) : NULL;
    if (!node) return false;
    node->id = id;
    node->previous = m->pickle->persistent;
    m->pickle->persistent = node;
    return pickle_push(m, node, err);
}
