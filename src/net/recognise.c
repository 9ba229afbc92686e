/* recognise -- which definition fits a network's names and shapes: all of them, or those under a prefix that wrappers
 * put before them.
 */
#include <string.h>

#include "net/architecture.h"
#include "weft/base/error.h"
#include "weft/base/memory.h"
#include "weft/base/text.h"

enum { TENSORS_MIN = 4 /* that a network under a prefix has at least */ };

/* The definitions tried, and what came of it. */
typedef struct Search {
    Library library;
    const LibraryEntry *asked; /* the one family that counts; NULL: all */
    const char *variants;      /* that were asked for; NULL: none */
    NameIndex names;
    const LibraryEntry *found;
    Fit fit; /* of `found` */
    View view;
    View *others; /* further prefixes under which a network is */
    size_t other_count, other_capacity;
    const LibraryEntry *nearest; /* none found: which comes nearest, by tensors, then by its signature */
    Str why;
    size_t matched, signature;
    bool mistake; /* the nearest is the user's and did not come to an end: nothing is nearer */
} Search;

/* ---- trying ------------------------------------------------------------------------------------------------------ */

static void remember_nearest(Search *search, const LibraryEntry *entry, size_t signature, Fit *fit) {
    const bool nearer = !search->nearest || fit->matched > search->matched ||
                        (fit->matched == search->matched && signature > search->signature);
    const bool mistake = entry->broken && entry->family->own; /* its author wants to hear of it */
    if (search->mistake || (!nearer && !mistake)) return;
    search->mistake = mistake;
    search->nearest = entry;
    search->matched = fit->matched;
    search->signature = signature;
    str_done(&search->why);
    search->why = fit->why;
    fit->why = (Str){0};
}

/* Runs one definition over the view. */
static bool try_one(Search *search, const LibraryEntry *entry, const View *view, Fit *fit, Error *err) {
    Variants variants;
    if (!family_variants(entry->family, search->asked ? search->variants : NULL, &variants, err)) return false;
    return definition_recognise(entry->definitions, entry->family, &variants, view, fit, err);
}

/* The first definition that fits the view, to *entry and *fit (or NULL). Those whose signature is not there are run
 * only for the reason (`all`). */
static bool try_view(Search *search, const View *view, bool all, const LibraryEntry **found, Fit *fit, Error *err) {
    *found = NULL;
    for (size_t i = 0; i < search->library.count; i++) {
        LibraryEntry *entry = &search->library.entries[i];
        if (entry->broken || (search->asked && entry != search->asked)) continue;
        const size_t signature = family_signature(entry->family, view);
        if (!all && signature < entry->family->signature_count) continue;
        if (all && signature == 0 && !search->asked && entry->family->signature_count > 0) continue;
        if (!try_one(search, entry, view, fit, err)) return false;
        if (fit->graph) {
            *found = entry;
            return true;
        }
        entry->broken = fit->broken;
        remember_nearest(search, entry, signature, fit);
        fit_done(fit);
    }
    return true;
}

/* ---- prefixes ---------------------------------------------------------------------------------------------------- */

static size_t first_tensor(const View *view) {
    size_t first = SIZE_MAX;
    for (size_t i = 0; i < view->count; i++) {
        const size_t tensor = view->names->entries[view->first + i].tensor;
        if (tensor < first) first = tensor;
    }
    return first;
}

/* Takes a further fit: the larger network counts, among equal ones the first in the file. */
static bool take_fit(Search *search, const LibraryEntry *entry, const View *view, Fit *fit, Error *err) {
    const bool better = !search->found || view->count > search->view.count ||
                        (view->count == search->view.count && first_tensor(view) < first_tensor(&search->view));
    View other = *view;
    if (better) {
        const Fit before = search->fit;
        other = search->view;
        search->fit = *fit;
        search->view = *view;
        *fit = before;
    }
    fit_done(fit);
    const bool two = search->found != NULL;
    if (better) search->found = entry;
    if (!two) return true;
    if (!mem_grow(&search->others, &search->other_capacity, search->other_count + 1, sizeof(View), err)) return false;
    search->others[search->other_count++] = other;
    return true;
}

static bool try_prefixes(Search *search, Error *err) {
    View *views;
    size_t count;
    if (!name_index_prefixes(&search->names, TENSORS_MIN, &views, &count, err)) return false;
    bool done = true;
    for (size_t i = 0; done && i < count; i++) {
        const LibraryEntry *entry;
        Fit fit = {0};
        done = try_view(search, &views[i], false, &entry, &fit, err);
        if (done && entry) done = take_fit(search, entry, &views[i], &fit, err);
        if (!done) fit_done(&fit);
    }
    mem_free(views);
    return done;
}

/* ---- what is said ------------------------------------------------------------------------------------------------ */

/* What names and shapes could not tell, and how to choose otherwise. */
static bool note_assumed(Network *network, const Search *search, const Variants *variants, Error *err) {
    const Family *family = search->found->family;
    const Graph *graph = network->graph;
    Str text = {0};
    if (search->fit.assumed.length == 0) return true;
    str_addf(&text, "%s; input %ux%ux%u", str_text(&search->fit.assumed), graph->in_channels, graph->height,
             graph->width);
    size_t others = 0;
    for (size_t i = 0; i < family->variant_count; i++)
        if (!variants->chosen[i])
            str_addf(&text, others++ ? "%.0s|%s" : "; --arch %s:%s", family->name, family->variants[i].name);
    if (others > 0) str_add(&text, " selects another (help architectures)");
    return network_add_note(network, "assumed", &text, err);
}

static bool note_rest(Network *network, const Search *search, Error *err) {
    Str text = {0};
    if (search->fit.left.length > 0) {
        str_addf(&text, "not part of the network: %s", search->fit.left.text);
        if (!network_add_note(network, "note", &text, err)) return false;
    }
    if (search->other_count == 0) return true;
    str_add(&text, "the file holds several networks (select one with --prefix):");
    for (size_t i = 0; i < search->other_count && i < 10; i++) {
        const View *view = &search->others[i];
        str_add(&text, i > 0 ? ", " : " ");
        str_add_escaped(&text, view->names->entries[view->first].name, view->skip);
    }
    return network_add_note(network, "note", &text, err);
}

/* Makes the find that of the network. */
static bool take_found(Network *network, Search *search, Error *err) {
    Variants variants;
    if (!family_variants(search->found->family, search->asked ? search->variants : NULL, &variants, err)) return false;
    network->graph = search->fit.graph;
    search->fit.graph = NULL;
    network->architecture = mem_copy_text(str_text(&search->fit.description), err);
    return network->architecture && note_assumed(network, search, &variants, err) && note_rest(network, search, err) &&
           view_apply(&search->view, network, err);
}

/* None fits: the nearest one's reason, the error where it was asked for. */
static bool refuse(Network *network, Search *search, const View *view, bool forced, Error *err) {
    Str why = {0};
    if (search->nearest &&
        (search->matched > 0 || search->signature > 0 || search->mistake || search->asked || search->library.only_file))
        str_addf(&why, search->nearest->family->own ? "not %s (%s): %s" : "not %s%.0s: %s",
                 search->nearest->family->name, search->nearest->family->file, str_text(&search->why));
    else
        str_add(&why, "its tensor names match no known architecture (help architectures)");
    bool done = str_ok(&why, err);
    if (done && forced) done = error_set(err, STATUS_BAD_INPUT, "%s", why.text);
    if (done) {
        network->why_unknown = mem_copy_text(why.text, err);
        done = network->why_unknown && view_apply(view, network, err);
    }
    str_done(&why);
    return done;
}

static bool note_broken(Network *network, Library *library, Error *err) {
    if (library->broken.length == 0) return true;
    Str text = {0};
    str_add(&text, "definitions left out: ");
    for (const char *at = library->broken.text; *at; at++)
        str_add_bytes(&text, *at == '\n' ? "; " : at, *at == '\n' ? 2 : 1);
    return network_add_note(network, "note", &text, err);
}

/* ---- the whole --------------------------------------------------------------------------------------------------- */

/* Which family, and which of its variants: FAMILY[:VARIANTS], or the only one of FILE.lua[:VARIANTS]. */
static bool resolve(Search *search, const char *name, const char *rest, Error *err) {
    if (search->library.only_file) {
        search->variants = rest;
        if (!rest) return true;
        const size_t length = strcspn(rest, ":");
        search->asked = library_find(&search->library, rest, length);
        if (search->asked) search->variants = rest[length] ? rest + length + 1 : NULL;
        if (!search->asked && search->library.count == 1) search->asked = &search->library.entries[0];
        return search->asked || error_set(err, STATUS_USAGE, "%s: it has no family '%s'", name, rest);
    }
    const size_t length = strcspn(name, ":");
    search->asked = library_find(&search->library, name, length);
    search->variants = name[length] ? name + length + 1 : NULL;
    return search->asked || library_no_family(&search->library, name, err);
}

/* Those that begin with P, or with "P.". */
static bool choose_prefix(Search *search, const char *prefix, View *view, Error *err) {
    Str dotted = {0};
    const size_t length = strlen(prefix);
    str_addf(&dotted, "%s.", prefix);
    if (!str_ok(&dotted, err)) return false;
    *view = name_index_under(&search->names, dotted.text, dotted.length);
    str_done(&dotted);
    if (view->count == 0) *view = name_index_under(&search->names, prefix, length);
    if (view->count > 0) return true;
    return error_set(err, STATUS_USAGE, "--prefix '%s': no tensor name begins with it; the first is '%s'", prefix,
                     search->names.network->tensors[0].name);
}

static bool search_all(Search *search, const char *prefix, View *plain, Error *err) {
    const View whole = {.names = &search->names, .count = search->names.count};
    *plain = prefix ? whole : name_index_unwrapped(&search->names);
    if (prefix && !choose_prefix(search, prefix, plain, err)) return false;
    search->view = prefix ? *plain : whole;
    if (!try_view(search, &search->view, false, &search->found, &search->fit, err)) return false;
    if (!search->found && !prefix && !try_prefixes(search, err)) return false;
    if (search->found) return true;
    search->view = *plain;
    return try_view(search, &search->view, true, &search->found, &search->fit, err);
}

bool architecture_recognise(Network *network, const NetworkOptions *options, Error *err) {
    const char *name = options->architecture, *rest = NULL;
    const bool is_file = name && architecture_is_file(name);
    char *file = is_file ? architecture_file(name, &rest, err) : NULL;
    Search search = {0};
    View plain;
    bool done = (!is_file || file) && library_init(&search.library, file, err) &&
                name_index_init(&search.names, network, err) && (!name || resolve(&search, name, rest, err)) &&
                search_all(&search, options->prefix, &plain, err);
    if (done)
        done = search.found ? take_found(network, &search, err) : refuse(network, &search, &plain, name != NULL, err);
    done = done && note_broken(network, &search.library, err);
    fit_done(&search.fit);
    str_done(&search.why);
    mem_free(search.others);
    name_index_done(&search.names);
    library_done(&search.library);
    mem_free(file);
    return done;
}
