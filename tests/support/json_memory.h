/* json_memory -- the JSON library's memory that runs out with weft's own. */
#ifndef WEFT_TESTS_JSON_MEMORY_H
#define WEFT_TESTS_JSON_MEMORY_H

/* From now on every allocation of the library counts as FAULT_ALLOC (weft/base/fault.h) and fails where that is armed.
 * For whole test programs: what the library has allocated before is freed as before. */
void json_memory_counts(void);

#endif
