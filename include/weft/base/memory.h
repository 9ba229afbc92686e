/* memory -- every allocation of weft, and the limit on what one load may take.
 *
 * Ownership in the whole library: the results of X_new, X_open and X_load are freed with X_free or X_close, which
 * accept NULL. Values that X_init prepares end with X_done. A `const` pointer that an accessor returns is borrowed: it
 * lives as long as its owner.
 */
#ifndef WEFT_MEMORY_H
#define WEFT_MEMORY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "weft/base/error.h"

/* `count` zeroed objects of `size` bytes, 64-byte aligned. NULL and STATUS_LIMIT if the product overflows or memory
 * is short. count == 0 gives a valid, empty allocation. Free with mem_free. */
void *mem_alloc(uint64_t count, size_t size, Error *err);
/* Asked by what hands out parts of a block: false and STATUS_LIMIT where an injected fault (fault.h) refuses this part.
 * So a failure can be provoked at every part, and not at every block only. */
bool mem_part_allowed(uint64_t bytes, Error *err);
void mem_free(void *memory);
/* How many allocations the system has refused in this process so far. A caller that saw it grow knows that something
 * was left out, whoever swallowed the failure. */
uint64_t mem_refusals(void);

/* Makes *array hold at least `need` objects of `size` bytes; it was allocated here or is NULL. It grows by half at
 * least, and new room is zeroed. On failure *array and *capacity are unchanged. */
bool mem_grow(void *array_address, size_t *capacity, uint64_t need, size_t size, Error *err);

/* A copy of `text`, or of `length` bytes, NUL-terminated. */
char *mem_copy_text(const char *text, Error *err);
char *mem_copy_bytes(const void *bytes, size_t length, Error *err);

/* The most that one load may take: the user's limit. Without one it is 75 % of the RAM or of the control group's limit,
 * whichever is less; ranks on one machine share it. */
uint64_t mem_budget(void);
void mem_set_budget(uint64_t bytes); /* 0: back to the default */

/* The memory for tensors that can be read again and for the work on one layer after the other: the user's limit,
 * without one a quarter of the RAM or of the control group's limit. */
uint64_t mem_keep_budget(void);
/* Takes `bytes` of it for a piece of work, and waits while the work of other threads leaves no room. A piece that is
 * alone may take as much as one load (mem_budget): STATUS_LIMIT "WHAT needs 37.0 GiB, limit 16.0 GiB (set
 * --max-memory)" beyond that. A thread takes it once at a time. */
bool mem_work_begin(uint64_t bytes, const char *what, Error *err);
void mem_work_end(uint64_t bytes);
uint64_t mem_working(void); /* bytes taken now */

/* STATUS_LIMIT "loading WHAT needs 37.0 GiB, limit 16.0 GiB (set --max-memory)" where `bytes` is over the budget. */
bool mem_admit(uint64_t bytes, const char *what, Error *err);

#endif
