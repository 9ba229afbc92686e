/* places -- where maps and other arrays lie in the memory of a plan, and which of them share a place. */
#include "net/engine/plan.h"
#include "weft/base/size.h"

bool size_place(size_t *total, uint64_t a, uint64_t b, uint64_t c) {
    const uint64_t dim[3] = {a, b, c};
    uint64_t size, sum;
    if (!size_product(dim, 3, &size) || !size_add(size, 15, &size) || !size_add(*total, size & ~(uint64_t)15, &sum) ||
        sum > SIZE_MAX / sizeof(float))
        return false;
    *total = (size_t)sum;
    return true;
}

bool map_place(size_t *total, const Map *map) {
    return size_place(total, (uint64_t)map->shape.height + 2 * map->border,
                      (uint64_t)map->shape.width + 2 * map->border, map->shape.channels);
}

/* The smallest free slot that is large enough; else the largest free one, which then grows; else a new one. */
Slot *slot_choose(Slot *slots, size_t *count, size_t size) {
    Slot *best = NULL;
    for (size_t i = 0; i < *count; i++) {
        Slot *slot = &slots[i];
        if (slot->map >= 0) continue;
        bool better = !best || (slot->size >= size ? best->size < size || slot->size < best->size
                                                   : best->size < size && slot->size > best->size);
        if (better) best = slot;
    }
    if (!best) {
        best = &slots[(*count)++];
        best->size = 0;
    }
    if (best->size < size) best->size = size;
    return best;
}

void scratch_need(Plan *plan, size_t floats) {
    if (floats > plan->scratch) plan->scratch = floats;
}
