/* pickle_view -- how a reader walks a finished graph: what a node holds, one value after the other. */

#include "format/pickle_machine.h"

PickleView pickle_view(const PickleNode *node) {
    PickleView view = {.node = node, .shape = node->shape};
    if (pickle_is_container(node) && view.shape != PICKLE_MODULE) view.next = pickle_listed(node)->first;
    return view;
}

/* The next dict of a module that is there. */
static bool next_part(PickleView *view) {
    while (view->part < 3) {
        const PickleNode *part = view->node->object->walked[view->part++];
        if (!part) continue;
        view->next = pickle_listed(part)->first;
        view->shape = part->shape;
        return true;
    }
    return false;
}

bool pickle_view_next(PickleView *view, const PickleNode **key, uint32_t *index, const PickleNode **value) {
    while (!view->next)
        if (view->node->shape != PICKLE_MODULE || !next_part(view)) return false;
    const PickleItem *item = view->next;
    *index = view->index++;
    *key = NULL;
    if (view->shape == PICKLE_ENTRIES) {
        *key = item->node;
        item = item->next;
        *value = item->node;
    } else if (view->shape == PICKLE_PAIRS) {
        *key = item->node->first->node;
        *value = item->node->last->node;
    } else {
        *value = item->node;
    }
    view->next = item->next;
    return true;
}
