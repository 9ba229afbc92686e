/* pickle_finish -- how a node is walked once its parts are known, and how many tensors there are in it.
 *
 * A dict holds its entries, a list or tuple its items, or its pairs where each item is a (name, value): list(d.items())
 * was saved so, and Python 2 made OrderedDict of such a list. Of objects, those that were made as dicts or lists hold
 * what these do. A module of PyTorch holds what its state_dict() would: _parameters, _buffers less those of
 * _non_persistent_buffers_set, _modules; one of TorchScript its attributes. All others are leaves.
 */
#include "format/pickle_machine.h"

#include <string.h>

#include "weft/base/error.h"
#include "weft/base/size.h"

static bool is_pair(const PickleNode *node) {
    return (node->type == PICKLE_TUPLE || node->type == PICKLE_LIST) && node->count == 2;
}

/* Whether each item is a pair, with a name as its key where `named`. */
static bool holds_pairs(const PickleNode *list, bool named) {
    for (const PickleItem *item = list->first; item; item = item->next) {
        if (!is_pair(item->node)) return false;
        const PickleNode *key = item->node->first->node;
        if (named && key->type != PICKLE_TEXT && key->type != PICKLE_BYTES) return false;
    }
    return list->count > 0;
}

static bool is_mapping(const PickleNode *node) {
    return node && (node->shape == PICKLE_ENTRIES || node->shape == PICKLE_PAIRS);
}

static bool is_series(const PickleNode *node) {
    return node && (node->type == PICKLE_LIST || node->type == PICKLE_TUPLE);
}

/* The names in a set of Python, as a list or NULL. */
static const PickleNode *set_items(const PickleNode *set) {
    if (!set || set->type != PICKLE_OBJECT) return NULL;
    if (set->object->items) return set->object->items;
    const PickleNode *first = pickle_item(set->object->arguments, 0);
    return is_series(first) ? first : NULL;
}

static bool is_among(const PickleNode *names, const PickleNode *key) {
    for (const PickleItem *item = names->first; item; item = item->next)
        if ((key->type == PICKLE_TEXT || key->type == PICKLE_BYTES) && key->text &&
            pickle_is_text(item->node, key->text))
            return true;
    return false;
}

/* The buffers without those that a state dict leaves out. */
static bool keep_persistent(PickleMachine *m, PickleNode **buffers, const PickleNode *names, Error *err) {
    const PickleNode *key, *value;
    uint32_t index;
    uint64_t work;
    if (!*buffers || !names || names->count == 0) return true;
    if (!size_mul(pickle_listed(*buffers)->count, names->count, &work) || !pickle_work(m, work, err)) return false;
    PickleNode *kept = pickle_node(m, PICKLE_DICT, err);
    if (!kept) return false;
    kept->shape = PICKLE_ENTRIES;
    for (PickleView view = pickle_view(*buffers); pickle_view_next(&view, &key, &index, &value);)
        if (!is_among(names, key) && (!pickle_link(m, kept, (PickleNode *)key, err) || /* the graph is ours to change */
                                      !pickle_link(m, kept, (PickleNode *)value, err)))
            return false;
    *buffers = kept;
    return true;
}

/* The dict of attributes that BUILD gave, also where it came with slots. */
static PickleNode *attributes(const PickleObject *object) {
    PickleNode *state = object->state;
    if (state && state->type == PICKLE_TUPLE && state->count == 2) state = state->first->node;
    return is_mapping(state) ? state : NULL;
}

/* Sets the shape of a module; PICKLE_PLAIN stays where the object is none. */
static bool finish_module(PickleMachine *m, PickleNode *node, PickleNode *state, Error *err) {
    PickleObject *object = node->object;
    if (!pickle_work(m, 4 * (uint64_t)pickle_listed(state)->count, err)) return false;
    PickleNode *parameters = (PickleNode *)pickle_get(state, "_parameters"),
               *buffers = (PickleNode *)pickle_get(state, "_buffers"),
               *modules = (PickleNode *)pickle_get(state, "_modules");
    if (!is_mapping(parameters) || !is_mapping(modules)) return true;
    if (!is_mapping(buffers)) buffers = NULL;
    if (!keep_persistent(m, &buffers, set_items(pickle_get(state, "_non_persistent_buffers_set")), err)) return false;
    node->shape = PICKLE_MODULE;
    object->walked[0] = parameters;
    object->walked[1] = buffers;
    object->walked[2] = modules;
    return true;
}

static bool finish_object(PickleMachine *m, PickleNode *node, Error *err) {
    PickleObject *object = node->object;
    PickleNode *state = attributes(object), *first = object->arguments->first ? object->arguments->first->node : NULL;
    if (object->arguments->type != PICKLE_TUPLE) first = NULL;
    const bool ordered = pickle_global(object->name)->meaning == PICKLE_ORDERED_DICT;
    if (state && !finish_module(m, node, state, err)) return false;
    if (node->shape == PICKLE_MODULE) return true;
    if (state && object->name->text && strncmp(object->name->text, "__torch__.", 10) == 0) {
        node->shape = state->shape;
        object->walked[0] = (PickleNode *)pickle_listed(state);
    } else if (object->entries) {
        node->shape = PICKLE_ENTRIES;
        object->walked[0] = object->entries;
    } else if (is_series(first) && object->arguments->count == 1) {
        if (ordered && !pickle_work(m, first->count, err)) return false;
        if (first->shape == PICKLE_PAIRS || (ordered && holds_pairs(first, false))) node->shape = PICKLE_PAIRS;
        object->walked[0] = first;
    } else if (is_mapping(first) && ordered) {
        node->shape = first->shape;
        object->walked[0] = (PickleNode *)pickle_listed(first);
    }
    if (node->shape == PICKLE_PLAIN && object->items) {
        node->shape = PICKLE_SERIES;
        object->walked[0] = object->items;
    }
    return true;
}

static bool is_list_of_numbers(const PickleNode *node) {
    return node->shape >= PICKLE_INTEGERS;
}

/* Whether two lists of numbers have the same lengths, level by level. */
static bool same_lengths(const PickleNode *a, const PickleNode *b) {
    for (;; a = a->first->node, b = b->first->node) {
        if (is_list_of_numbers(a) != is_list_of_numbers(b)) return false;
        if (!is_list_of_numbers(a)) return true;
        if (a->count != b->count) return false;
    }
}

/* PICKLE_INTEGERS or PICKLE_REALS, or PICKLE_PLAIN where the list is not of numbers all through. */
static PickleShape numbers_shape(const PickleNode *list) {
    PickleShape shape = PICKLE_INTEGERS;
    if (list->count == 0) return PICKLE_PLAIN;
    for (const PickleItem *item = list->first; item; item = item->next) {
        const PickleNode *node = item->node;
        const bool number = node->type == PICKLE_INTEGER || node->type == PICKLE_REAL;
        if (!(number || is_list_of_numbers(node)) || !same_lengths(list->first->node, node)) return PICKLE_PLAIN;
        if (node->type == PICKLE_REAL || node->shape == PICKLE_REALS) shape = PICKLE_REALS;
    }
    return shape;
}

/* A dict of nothing but numbers and lists of them, with a name that has a dot and a list of lists: weights. */
static void mark_lists(const PickleNode *dict) {
    bool dotted = false, matrix = false;
    for (const PickleItem *item = dict->first; item; item = item->next->next) {
        const PickleNode *key = item->node, *value = item->next->node;
        if ((key->type != PICKLE_TEXT && key->type != PICKLE_BYTES) || !key->text) return;
        if (value->type != PICKLE_INTEGER && value->type != PICKLE_REAL && !is_list_of_numbers(value)) return;
        dotted = dotted || strchr(key->text, '.');
        matrix = matrix || (is_list_of_numbers(value) && is_list_of_numbers(value->first->node));
    }
    for (const PickleItem *item = dotted && matrix ? dict->first : NULL; item; item = item->next->next)
        if (is_list_of_numbers(item->next->node)) item->next->node->tensors = 1;
}

bool pickle_finish(PickleMachine *m, PickleNode *node, Error *err) {
    const PickleNode *key, *value;
    uint32_t index;
    uint64_t tensors = pickle_is_tensor(node);
    if (node->type == PICKLE_NAME && pickle_global(node)->meaning == PICKLE_GETATTR) /* kept, to be called by someone */
        return pickle_refuse_name(m, pickle_global(node)->module, pickle_global(node)->name, err);
    if (node->type == PICKLE_DICT) node->shape = PICKLE_ENTRIES;
    if (node->type == PICKLE_DICT) mark_lists(node);
    if (is_series(node)) {
        const PickleShape numbers = numbers_shape(node);
        node->shape = holds_pairs(node, true) ? PICKLE_PAIRS : PICKLE_SERIES;
        if (numbers == PICKLE_INTEGERS) node->shape = PICKLE_INTEGERS;
        if (numbers == PICKLE_REALS) node->shape = PICKLE_REALS;
        if (numbers != PICKLE_PLAIN) return true;
    }
    if (node->type == PICKLE_OBJECT && !finish_object(m, node, err)) return false;
    for (PickleView view = pickle_view(node); pickle_view_next(&view, &key, &index, &value);) tensors += value->tensors;
    node->tensors = tensors < UINT32_MAX ? (uint32_t)tensors : UINT32_MAX;
    return true;
}
