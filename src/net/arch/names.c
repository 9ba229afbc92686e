/* names -- the names of a network's tensors: looking them up under a prefix, and what wrappers put before and within
 * them.
 */
#include <stdlib.h>
#include <string.h>

#include "net/arch/arch.h"
#include "weft/base/error.h"
#include "weft/base/memory.h"
#include "weft/base/text.h"

/* ---- sorted names ------------------------------------------------------------------------------------------------ */

/* Modules that wrap others and may stand anywhere in a name: torch.compile's, FullyShardedDataParallel's. */
static const char *const infixes[] = {"_orig_mod.", "_fsdp_wrapped_module.", "_checkpoint_wrapped_module."};
enum { INFIXES = sizeof infixes / sizeof *infixes };

static int compare_entries(const void *a, const void *b) {
    return strcmp(((const NameEntry *)a)->name, ((const NameEntry *)b)->name);
}

/* The length of the infix that `text` begins with; 0: none. */
static size_t infix_at(const char *text) {
    for (size_t i = 0; i < INFIXES; i++)
        if (strncmp(text, infixes[i], strlen(infixes[i])) == 0) return strlen(infixes[i]);
    return 0;
}

/* The name without its infixes, to `out` (of at least its size); the length written, with the NUL. */
static size_t clean(const char *name, char *out) {
    size_t length = 0;
    for (bool start = true; *name;) {
        size_t infix = start ? infix_at(name) : 0;
        if (infix && name[infix]) {
            name += infix;
            continue;
        }
        start = *name == '.';
        out[length++] = *name++;
    }
    out[length++] = '\0';
    return length;
}

static bool has_infix(const char *name) {
    for (const char *part = name; part;) {
        if (infix_at(part)) return true;
        part = strchr(part, '.');
        if (part) part++;
    }
    return false;
}

/* Fills the entries, cleaned or as they are, and sorts them; false where two names are then the same. */
static bool fill_names(NameIndex *names, bool cleaned) {
    char *at = names->cleaned;
    for (size_t i = 0; i < names->count; i++) {
        const char *name = names->network->tensors[i].name;
        names->entries[i] = (NameEntry){name, i};
        if (!cleaned || !has_infix(name)) continue;
        names->entries[i].name = at;
        at += clean(name, at);
    }
    qsort(names->entries, names->count, sizeof *names->entries, compare_entries);
    for (size_t i = 1; i < names->count; i++)
        if (strcmp(names->entries[i - 1].name, names->entries[i].name) == 0) return false;
    return true;
}

bool name_index_init(NameIndex *names, const Network *network, Error *err) {
    uint64_t bytes = 0;
    *names = (NameIndex){.network = network, .count = network->tensor_count};
    for (size_t i = 0; i < names->count; i++)
        if (has_infix(network->tensors[i].name)) bytes += strlen(network->tensors[i].name) + 1;
    names->entries = mem_alloc(names->count, sizeof *names->entries, err);
    if (!names->entries) return false;
    if (bytes > 0) names->cleaned = mem_alloc(bytes, 1, err);
    if (bytes > 0 && !names->cleaned) {
        name_index_done(names);
        return false;
    }
    names->wrapped = bytes > 0 && fill_names(names, true);
    if (!names->wrapped) fill_names(names, false);
    return true;
}

void name_index_done(NameIndex *names) {
    mem_free(names->entries);
    mem_free(names->cleaned);
    *names = (NameIndex){0};
}

/* ---- views ------------------------------------------------------------------------------------------------------- */

const char *view_name(const View *view, size_t index) {
    return view->names->entries[view->first + index].name + view->skip;
}

/* The first entry whose name's first `length` bytes are not below those of `text` (`above`: are above). */
static size_t bound(const View *view, const char *text, size_t length, bool above) {
    size_t low = 0, high = view->count;
    while (low < high) {
        const size_t middle = low + (high - low) / 2;
        const int order = strncmp(view_name(view, middle), text, length);
        if (order < 0 || (above && order == 0))
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

size_t view_range(const View *view, const char *prefix, size_t *first) {
    const size_t length = strlen(prefix);
    *first = bound(view, prefix, length, false);
    return bound(view, prefix, length, true) - *first;
}

View name_index_under(const NameIndex *names, const char *prefix, size_t length) {
    View view = {.names = names, .count = names->count};
    const size_t first = bound(&view, prefix, length, false), last = bound(&view, prefix, length, true);
    view.first = first;
    view.count = last - first;
    view.skip = length;
    while (view.count > 0 && !*view_name(&view, 0)) view.first++, view.count--; /* a tensor called as the prefix */
    return view;
}

bool view_find(const View *view, const char *name, size_t *index) {
    *index = bound(view, name, strlen(name) + 1, false);
    return *index < view->count && strcmp(view_name(view, *index), name) == 0;
}

bool view_has(const View *view, const char *name) {
    size_t index, length = strlen(name);
    if (view_find(view, name, &index)) return true;
    /* "name-x" sorts before "name.": look on from there */
    for (; index < view->count && strncmp(view_name(view, index), name, length) == 0; index++) {
        const unsigned char after = (unsigned char)view_name(view, index)[length];
        if (after == '.') return true;
        if (after > '.') return false;
    }
    return false;
}

/* ---- prefixes ---------------------------------------------------------------------------------------------------- */

/* Modules that hold the whole network where every name begins with them. */
static const char *const wrappers[] = {"module.",   "_orig_mod.", "_fsdp_wrapped_module.",
                                       "model.",    "network.",   "net.",
                                       "backbone.", "encoder.",   "ema_model."};

bool name_index_prefixes(const NameIndex *names, size_t least, View **out, size_t *count, Error *err) {
    size_t capacity = 0;
    *out = NULL;
    *count = 0;
    for (size_t i = 0; i < names->count; i++) {
        const char *name = names->entries[i].name, *before = i > 0 ? names->entries[i - 1].name : "";
        size_t same = 0;
        while (name[same] && name[same] == before[same]) same++;
        for (const char *dot = strchr(name, '.'); dot; dot = strchr(dot + 1, '.')) {
            const size_t length = (size_t)(dot - name) + 1;
            if (length <= same) continue; /* the name before had it too */
            const View view = name_index_under(names, name, length);
            if (view.count < least) break; /* a longer one has no more */
            if (!mem_grow(out, &capacity, *count + 1, sizeof **out, err)) {
                mem_free(*out);
                *out = NULL;
                return false;
            }
            (*out)[(*count)++] = view;
        }
    }
    return true;
}

/* Single numbers without a dot in their name (SWA's counter n_averaged) are a wrapper's own. */
View name_index_unwrapped(const NameIndex *names) {
    View view = {.names = names, .count = names->count};
    for (bool found = true; found;) {
        size_t inner = 0;
        found = false;
        for (size_t i = 0; i < view.count; i++) {
            const NameEntry *entry = &names->entries[view.first + i];
            inner += strchr(view_name(&view, i), '.') || names->network->tensors[entry->tensor].tensor->count > 1;
        }
        for (size_t w = 0; !found && w < sizeof wrappers / sizeof *wrappers; w++) {
            size_t first;
            const size_t length = strlen(wrappers[w]), count = view_range(&view, wrappers[w], &first);
            if (count == 0 || count < inner) continue;
            view.first += first;
            view.count = count;
            view.skip += length;
            found = true;
            if (!*view_name(&view, 0)) return (View){.names = names, .count = names->count};
        }
    }
    return view;
}

/* What was taken out of the names' middles. */
static bool note_infixes(Network *network, Error *err) {
    bool done = true;
    for (size_t i = 0; done && i < INFIXES; i++) {
        size_t found = 0;
        Str text = {0};
        for (size_t k = 0; k < network->tensor_count; k++) {
            const char *at = strstr(network->tensors[k].name, infixes[i]);
            found += at && (at == network->tensors[k].name || at[-1] == '.');
        }
        if (found == 0) continue;
        str_addf(&text, "%s%zu names held \"%s\"; stripped", found == network->tensor_count ? "all " : "", found,
                 infixes[i]);
        done = network_add_note(network, "note", &text, err);
    }
    return done;
}

/* The tensors outside the view, the first few by name. */
static bool note_outside(const View *view, const bool *drop, Network *network, const char *prefix, Error *err) {
    enum { NAMED = 5 };
    size_t outside = 0;
    Str text = {0};
    str_add(&text, "tensors outside \"");
    str_add_escaped(&text, prefix, view->skip);
    str_add(&text, "\" left out: ");
    for (size_t i = 0; i < network->tensor_count; i++) {
        const char *name = network->tensors[i].name;
        if (!drop[i]) continue;
        if (outside++ >= NAMED) continue;
        if (outside > 1) str_add(&text, ", ");
        str_add_escaped(&text, name, strlen(name));
    }
    if (outside > NAMED) str_addf(&text, " and %zu more", outside - NAMED);
    return network_add_note(network, "note", &text, err);
}

/* The names that the view's tensors get, and marks on the others. */
static bool plan(const View *view, char **renamed, bool *drop, Error *err) {
    for (size_t i = 0; i < view->names->count; i++) drop[i] = true;
    for (size_t i = 0; i < view->count; i++) {
        const size_t tensor = view->names->entries[view->first + i].tensor;
        drop[tensor] = false;
        renamed[tensor] = mem_copy_text(view_name(view, i), err);
        if (!renamed[tensor]) return false;
    }
    return true;
}

static bool note_changes(const View *view, const bool *drop, Network *network, Error *err) {
    const char *prefix = view->names->entries[view->first].name;
    const bool outside = view->count != network->tensor_count;
    if (view->names->wrapped && !note_infixes(network, err)) return false;
    if (view->skip > 0) {
        Str text = {0};
        str_add(&text, outside ? "names began with \"" : "every name began with \"");
        str_add_escaped(&text, prefix, view->skip);
        str_add(&text, "\"; stripped");
        if (!network_add_note(network, "note", &text, err)) return false;
    }
    return !outside || note_outside(view, drop, network, prefix, err);
}

bool view_apply(const View *view, Network *network, Error *err) {
    const size_t count = network->tensor_count;
    if (view->count == 0 || (!view->names->wrapped && view->skip == 0 && view->count == count)) return true;
    bool *drop = mem_alloc(count, sizeof *drop, err);
    char **renamed = drop ? mem_alloc(count, sizeof *renamed, err) : NULL;
    bool done = renamed && plan(view, renamed, drop, err) && note_changes(view, drop, network, err);
    for (size_t i = 0; done && i < count; i++) {
        if (drop[i]) continue;
        mem_free(network->tensors[i].name);
        network->tensors[i].name = renamed[i];
        renamed[i] = NULL;
    }
    done = done && network_drop_tensors(network, network->graph, drop, err);
    for (size_t i = 0; renamed && i < count; i++) mem_free(renamed[i]);
    mem_free(renamed);
    mem_free(drop);
    return done;
}
