/* memory -- what memory.c and budget.c show to each other and to their test (inside base). */
#ifndef WEFT_BASE_MEMORY_H
#define WEFT_BASE_MEMORY_H

#include <stdint.h>

/* "37.0 GiB", "12 bytes". */
enum { MEMORY_SIZE_TEXT = 24 };
void memory_size_text(uint64_t bytes, char out[MEMORY_SIZE_TEXT]);

/* The least memory limit of the control groups named in `membership` (the text of /proc/self/cgroup) and of all above
 * them, below the mount point `root`; UINT64_MAX where there is none. Knows v1 (memory.limit_in_bytes) and v2
 * (memory.max). */
uint64_t memory_group_limit(const char *membership, const char *root);

/* Gives back lazy tensors that are over the budget (tensor.c). */
void tensor_give_back(void);

#endif
