/* fault -- injected failures of allocations and system calls, so that tests can walk every error path. */
#include "weft/base/fault.h"

#include <stdatomic.h>

static _Atomic unsigned armed;
static _Atomic uint64_t seen, target;
static _Atomic bool every_later;

void fault_arm(unsigned kinds, uint64_t nth, bool all_after) {
    atomic_store(&armed, 0);
    atomic_store(&seen, 0);
    atomic_store(&target, nth);
    atomic_store(&every_later, all_after);
    atomic_store(&armed, kinds);
}

uint64_t fault_disarm(void) {
    atomic_store(&armed, 0);
    return atomic_load(&seen);
}

bool fault_hit(FaultKind kind) {
    if (!(atomic_load_explicit(&armed, memory_order_relaxed) & kind)) return false;
    uint64_t number = atomic_fetch_add(&seen, 1) + 1, nth = atomic_load(&target);
    return nth != 0 && (number == nth || (number > nth && atomic_load(&every_later)));
}
