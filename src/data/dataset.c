/* dataset -- how loaders make a dataset, and how it is freed. */
#include "data/dataset.h"
#include "weft/base/error.h"
#include "weft/base/memory.h"
#include "weft/base/text.h"

bool dataset_set_title(Dataset *dataset, const char *title, Error *err) {
    Str text = {0};
    str_addf(&text, "%s, %llu image%s", title, (unsigned long long)dataset->count, dataset->count == 1 ? "" : "s");
    bool ok = str_ok(&text, err) && (dataset->title = mem_copy_text(str_text(&text), err));
    str_done(&text);
    return ok;
}

void channels_apart(const uint8_t *pixels, uint64_t plane, unsigned channels, uint8_t *out) {
    for (unsigned c = 0; c < channels; c++)
        for (uint64_t i = 0; i < plane; i++) *out++ = pixels[i * channels + c];
}

void dataset_free(Dataset *dataset) {
    if (!dataset) return;
    mem_free(dataset->spec);
    mem_free(dataset->folder);
    mem_free(dataset->title);
    mem_free(dataset->pixels);
    mem_free(dataset->labels);
    for (unsigned i = 0; dataset->names && i < dataset->classes; i++) mem_free(dataset->names[i]);
    mem_free(dataset->names);
    mem_free(dataset);
}
