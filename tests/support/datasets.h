/* datasets -- loading datasets by their specification, and folders to load them from, in tests. They assert. */
#ifndef WEFT_TESTS_DATASETS_H
#define WEFT_TESTS_DATASETS_H

#include "weft/base/error.h"
#include "weft/data.h"

Dataset *dataset_given(const char *spec, uint64_t limit); /* fails the test where it cannot be loaded */
/* Loading fails with this status, and says so. */
void dataset_refused(const char *spec, Status status, const char *reason);
const char *folder_given(const char *name); /* a new folder of the scratch folder */

#endif
