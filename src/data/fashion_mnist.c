/* fashion_mnist -- Fashion-MNIST (Xiao, Rasul, Vollgraf, 2017): four IDX files in one folder, plain or .gz. */
#include "data/dataset.h"

#include <stdlib.h>
#include <string.h>

#include "weft/base/error.h"
#include "weft/base/text.h"

#define DEBIAN_FOLDER "/usr/share/datasets/fashion-mnist"

const char *const FASHION_MNIST_CLASSES[10] = {"T-shirt/top", "Trouser", "Pullover", "Dress", "Coat",
                                               "Sandal",      "Shirt",   "Sneaker",  "Bag",   "Ankle boot"};

/* The files of `part` in `folder`; false where one of them is missing. */
static bool find_pair_in(const char *folder, const char *prefix, Str *images, Str *labels) {
    Str name = {0};
    str_addf(&name, "%s-images-idx3-ubyte", prefix);
    bool found = find_plain_or_gz(folder, str_text(&name), images);
    str_done(&name);
    str_addf(&name, "%s-labels-idx1-ubyte", prefix);
    found = found && find_plain_or_gz(folder, str_text(&name), labels);
    str_done(&name);
    if (!found) {
        str_done(images);
        str_done(labels);
    }
    return found;
}

/* Also where torchvision puts them below the folder. */
static bool find_pair(const char *folder, const char *prefix, Str *images, Str *labels) {
    static const char *const below[] = {"", "/raw", "/FashionMNIST/raw"};
    bool found = false;
    for (size_t i = 0; i < sizeof below / sizeof *below && !found; i++) {
        Str path = {0};
        str_addf(&path, "%s%s", folder, below[i]);
        found = find_pair_in(str_text(&path), prefix, images, labels);
        str_done(&path);
    }
    return found;
}

/* Looks in `folder`, or where it is NULL in $WEFT_DATA and in Debian's. */
static bool find_files(const char *folder, const char *prefix, Str *images, Str *labels, Error *err) {
    const char *root = getenv("WEFT_DATA");
    Str own = {0};
    if (!folder && root && *root) str_addf(&own, "%s/fashion-mnist", root);
    bool ok = str_ok(&own, err);
    const char *first = folder ? folder : str_text(&own), *second = folder ? "" : DEBIAN_FOLDER;
    if (ok && !(*first && find_pair(first, prefix, images, labels)) &&
        !(*second && find_pair(second, prefix, images, labels)))
        ok = error_set(err, STATUS_BAD_INPUT,
                       "no %s-images-idx3-ubyte and %s-labels-idx1-ubyte (plain or .gz) in %s%s%s%s", prefix, prefix,
                       first, *first && *second ? " or " : "", second,
                       folder ? "" : "; install dataset-fashion-mnist, or set WEFT_DATA");
    ok = ok && str_ok(images, err) && str_ok(labels, err);
    str_done(&own);
    return ok;
}

bool load_fashion_mnist(const char *rest, uint64_t limit, Dataset *out, Error *err) {
    size_t length = strcspn(rest, ":");
    bool train = length == 5 && memcmp(rest, "train", 5) == 0;
    if ((!train && !(length == 4 && memcmp(rest, "test", 4) == 0)) || (rest[length] && !rest[length + 1]))
        return bad_form("fashion-mnist", rest, err);
    Str images = {0}, labels = {0};
    bool ok = find_files(rest[length] ? rest + length + 1 : NULL, train ? "train" : "t10k", &images, &labels, err) &&
              load_idx_pair(str_text(&images), str_text(&labels), limit, out, err) &&
              dataset_set_title(out, train ? "Fashion-MNIST train" : "Fashion-MNIST test", err);
    if (ok && out->classes > 10)
        ok = error_set(err, STATUS_BAD_INPUT, "%s: label %u; Fashion-MNIST's labels are 0 to 9", str_text(&labels),
                       out->classes - 1);
    out->class_names = FASHION_MNIST_CLASSES;
    str_done(&images);
    str_done(&labels);
    return ok;
}
