#include "predictor/internal.h"
bool greedy_pruned(const double *rows, size_t count, size_t size, uint32_t *order, const Task *task, Error *err) {
    (void)task;
    return greedy_plain(rows, count, size, order, err);
}
