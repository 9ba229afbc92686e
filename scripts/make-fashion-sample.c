/* make-fashion-sample -- the sample `fashion-test`: the first 2,000 test images of Fashion-MNIST and their labels.
 *
 * usage: make-fashion-sample SOURCE-FOLDER TARGET-FOLDER
 * Reads t10k-*-ubyte.gz in SOURCE-FOLDER, writes fashion-test-*-ubyte.gz in TARGET-FOLDER; the same bytes each time.
 */
#include "weft/base/error.h"
#include "weft/format.h"

#include <stdio.h>

enum { IMAGES = 2000 };

static bool copy_first(const char *source, const char *target, const char *kind, Error *err) {
    char from[4096], to[4096];
    IdxArray array = {0};
    snprintf(from, sizeof from, "%s/t10k-%s-ubyte.gz", source, kind);
    snprintf(to, sizeof to, "%s/fashion-test-%s-ubyte.gz", target, kind);
    bool ok = idx_read(from, IMAGES, &array, err) && idx_save(to, true, true, &array, err);
    idx_done(&array);
    return ok;
}

int main(int count, char **words) {
    Error err = {0};
    if (count != 3) {
        fprintf(stderr, "usage: make-fashion-sample SOURCE-FOLDER TARGET-FOLDER\n");
        return STATUS_USAGE;
    }
    if (copy_first(words[1], words[2], "images-idx3", &err) && copy_first(words[1], words[2], "labels-idx1", &err))
        return STATUS_OK;
    fprintf(stderr, "make-fashion-sample: %s\n", err.text);
    return (int)err.status;
}
