/* torch_walk -- from a container of a PyTorch pickle to what is in it, with names. */
#include <inttypes.h>
#include <string.h>

#include "format/torch.h"
#include "weft/base/error.h"
#include "weft/base/text.h"

bool torch_is_script(const PickleNode *node) {
    const char *name = node->type == PICKLE_OBJECT ? node->object->name->text : NULL;
    return name && strncmp(name, "__torch__.", 10) == 0;
}

void torch_walk_enter(TorchWalk *walk, const PickleNode *container) {
    walk->path[walk->depth].view = pickle_view(container);
    walk->path[walk->depth].name_length = walk->name.length;
    walk->depth++;
    if (walk->seen) walk->seen[container->number] = 1;
}

void torch_walk_leave(TorchWalk *walk) {
    walk->depth--;
}

/* (1, 2): what is no scalar in a tuple is left out. */
static void add_tuple(Str *name, const PickleNode *tuple) {
    bool first = true;
    str_add(name, "(");
    for (const PickleItem *item = tuple->first; item && name->length < CAP_NAME; item = item->next) {
        if (!first) str_add(name, ", ");
        first = false;
        pickle_scalar_text(item->node, name);
    }
    str_add(name, ")");
}

bool torch_add_key(Str *name, const PickleNode *key, uint32_t index, Error *err) {
    if (name->length > 0) str_add(name, ".");
    if (!key) {
        str_addf(name, "%" PRIu32, index);
    } else if (key->type == PICKLE_TEXT || key->type == PICKLE_BYTES) {
        if (!key->text || key->count > CAP_NAME || name->length + key->count > CAP_NAME)
            return error_set(err, STATUS_LIMIT, "a tensor's name has more than %d bytes", CAP_NAME);
        str_add_bytes(name, key->text, key->count);
    } else if (key->type == PICKLE_TUPLE) {
        add_tuple(name, key);
    } else if (key->type == PICKLE_NONE) {
        str_add(name, "None");
    } else if (!pickle_scalar_text(key,
                                   name)) { /* a class, or an object of one: of an enumeration its value tells it */
        pickle_name_text(key, name);
        if (key->type == PICKLE_OBJECT && key->object->arguments->type == PICKLE_TUPLE)
            add_tuple(name, key->object->arguments);
    }
    return str_ok(name, err);
}

static void cut_text(Str *str, size_t length) {
    str->length = length;
    if (str->text) str->text[length] = '\0';
}

bool torch_walk_next(TorchWalk *walk, const PickleNode **out, Error *err) {
    const PickleNode *key, *value;
    uint32_t index;
    *out = NULL;
    while (walk->depth > 0) {
        if (++walk->steps > PICKLE_CAP_WORK / 4) /* a large container that holds few tensors, in many places */
            return error_set(err, STATUS_LIMIT, "more than %d steps through values that are shared",
                             PICKLE_CAP_WORK / 4);
        unsigned at = walk->depth - 1;
        cut_text(&walk->name, walk->path[at].name_length);
        if (!pickle_view_next(&walk->path[at].view, &key, &index, &value)) {
            walk->depth--;
            continue;
        }
        bool enter = pickle_is_container(value) && !(walk->seen && walk->seen[value->number]);
        if (!walk->all && (value->tensors == 0 || !(enter || pickle_is_tensor(value)))) continue;
        if (!torch_add_key(&walk->name, key, index, err)) {
            if (!walk->all || err->status != STATUS_LIMIT || walk->name.failed) return false;
            str_add(&walk->name, "..."); /* such a name is only told */
        }
        if (enter) torch_walk_enter(walk, value);
        *out = value;
        return str_ok(&walk->name, err);
    }
    return true;
}
