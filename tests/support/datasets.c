/* datasets -- see datasets.h. */
#include "datasets.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <cmocka.h>

#include "bytes.h"
#include "weft/base/error.h"

Dataset *dataset_given(const char *spec, uint64_t limit) {
    Error err = {0};
    Dataset *dataset = dataset_load(spec, limit, &err);
    if (!dataset) fail_msg("%s: %s", spec, err.text);
    assert_string_equal(dataset->spec, spec);
    return dataset;
}

void dataset_refused(const char *spec, Status status, const char *reason) {
    Error err = {0};
    assert_null(dataset_load(spec, 0, &err));
    if (err.status != status || !strstr(err.text, reason))
        fail_msg("%s: status %d, \"%s\" does not say \"%s\"", spec, err.status, err.text, reason);
}

const char *folder_given(const char *name) {
    const char *path = scratch_path(name);
    assert_true(mkdir(path, 0777) == 0);
    return path;
}
