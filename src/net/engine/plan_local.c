/* plan_local -- with batch norm in training mode, the maps that do not outlive a stage.
 *
 * All images of a batch meet at every batch norm, so each has an arena of its own and a stage (the steps from one batch
 * norm to the next) runs over all of them: what it reads and writes comes from memory, not from the cache. Two kinds of
 * maps need not: the result of a batch norm that only its own stage reads (the backward pass makes it again from the
 * input, which it reads anyway), and the gradient of what a batch norm alone reads. They lie in memory of the worker,
 * one place for each image of a block, and stay in its cache.
 */
#include "net/engine/plan.h"

static bool meets(const Plan *plan, size_t first, size_t end) {
    for (size_t i = first; i < end; i++)
        if (plan->steps[i].training) return true;
    return false;
}

/* Whether step `i` is a batch norm whose result its own stage alone reads. */
static bool result_local(const Plan *plan, size_t i) {
    const int map = plan->steps[i].result;
    if (!plan->steps[i].training || plan->steps[i].residual >= 0 || i + 1 == plan->step_count) return false;
    for (size_t reader = i + 1; reader < plan->step_count; reader++) {
        const Step *step = &plan->steps[reader];
        if ((step->input == map || step->residual == map) && meets(plan, i + 1, reader + 1)) return false;
    }
    return true;
}

/* Whether one batch norm alone reads the result of step `i`, the next that there is. */
static bool gradient_local(const Plan *plan, size_t i) {
    const int map = plan->steps[i].result;
    size_t found = 0, readers = 0;
    if (plan->steps[i].training || plan->steps[i].residual >= 0) return false;
    for (size_t reader = i + 1; reader < plan->step_count; reader++) {
        const Step *step = &plan->steps[reader];
        if (step->residual == map) return false;
        if (step->input != map) continue;
        found = reader;
        readers++;
    }
    return readers == 1 && plan->steps[found].training && !meets(plan, i + 1, found);
}

bool plan_local(Plan *plan) {
    for (size_t i = 1; plan->statistics > 0 && i < plan->step_count; i++) {
        Map *result = &plan->maps[plan->steps[i].result], *gradient = &plan->gradients[plan->steps[i].result];
        result->local = result_local(plan, i);
        gradient->local = gradient_local(plan, i);
        if (result->local && !local_place(plan, result)) return false;
    }
    return true;
}

bool local_place(Plan *plan, Map *map) {
    map->offset = plan->local;
    return map_place(&plan->local, map);
}
