/* json_memory -- the JSON library's memory that runs out with weft's own. */
#ifndef WEFT_TESTS_JSON_MEMORY_H
#define WEFT_TESTS_JSON_MEMORY_H

#include <stdbool.h>

/* From now on every allocation of the library counts as FAULT_ALLOC (weft/base/fault.h) and fails where that is armed,
 * or none does. Not for reading numbers of 16 characters and more: json_loads ends the process by an assertion where
 * memory runs out under one. */
void json_memory_counts(bool on);

#endif
