/* torch_choose -- which container of a PyTorch file holds the weights; what else could, and what is left out.
 *
 * The root is a tensor, a list, a state dict, a module, or a dict that holds one of these beside scalars (epoch,
 * best_prec1), the optimiser's state, averaged weights, other folds. From the root the way goes down: into one of the
 * usual names; past a container that holds nothing but one other; where there are several networks side by side, into
 * the one with the most tensors below it. It ends at a module, at a dict of tensors with dotted names, and where what
 * lies side by side are the layers of one network.
 */
#include <ctype.h>
#include <inttypes.h>
#include <string.h>

#include "format/torch.h"
#include "weft/base/error.h"
#include "weft/base/memory.h"
#include "weft/base/size.h"
#include "weft/base/text.h"

enum { CANDIDATES_MOST = 8, LEFT_OUT_MOST = 12, COUNTED_MOST = 100000 };

typedef struct Way {
    const PickleNode *at[PICKLE_DEPTH + 2]; /* from the root to the choice */
    unsigned length;
    Str path;
    uint8_t *network; /* Torch's */
} Way;

static bool is_mapping(const PickleNode *node) {
    return node->shape == PICKLE_ENTRIES || node->shape == PICKLE_PAIRS;
}

static bool is_named(const PickleNode *key) {
    return key && (key->type == PICKLE_TEXT || key->type == PICKLE_BYTES) && key->text;
}

bool torch_is_aside(const char *name) {
    static const char *const parts[] = {"optim", "sched",  "callback", "history",
                                        "rng",   "scaler", "hparam",   "param_groups"};
    char lower[64];
    if (strcmp(name, "opt") == 0 || strcmp(name, "args") == 0 || strcmp(name, "loops") == 0) return true;
    const size_t length = strnlen(name, sizeof lower - 1);
    for (size_t i = 0; i < length; i++) lower[i] = (char)tolower((unsigned char)name[i]);
    lower[length] = '\0';
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        if (strstr(lower, parts[i])) return true;
    return false;
}

static bool is_aside(const PickleNode *key) {
    return is_named(key) && torch_is_aside(key->text);
}

bool torch_is_flat(const PickleNode *node) {
    const PickleNode *key, *value;
    uint32_t index;
    for (PickleView view = pickle_view(node); is_mapping(node) && pickle_view_next(&view, &key, &index, &value);)
        if (is_named(key) && pickle_is_tensor(value) && memchr(key->text, '.', key->count)) return true;
    return false;
}

static const char *const usual[] = {"state_dict", "model", "model_state_dict", "net"};

static const PickleNode *usual_child(const PickleNode *node, size_t *which) {
    for (size_t i = 0; i < sizeof usual / sizeof *usual && is_mapping(node); i++) {
        const PickleNode *value = pickle_get(node, usual[i]);
        *which = i;
        if (value && pickle_is_container(value) && value->tensors > 0) return value;
    }
    return NULL;
}

/* Whether a container is a network of its own, and not a layer of the one around it: a module, tensors with dotted
 * names, or something with one of the usual names. */
static bool looks_as_network(const PickleNode *node) {
    size_t which;
    return node->shape == PICKLE_MODULE || (is_mapping(node) && (usual_child(node, &which) || torch_is_flat(node)));
}

/* A container that stands in many places is looked at once. */
static bool is_network(const Way *way, const PickleNode *node) {
    uint8_t *known = &way->network[node->number];
    if (*known == 0) *known = looks_as_network(node) ? 2 : 1;
    return *known == 2;
}

static bool go(Way *way, const PickleNode *key, uint32_t index, const PickleNode *to, Error *err) {
    way->at[way->length++] = to; /* the graph is not deeper than the way is long */
    return torch_add_key(&way->path, key, index, err);
}

/* One step on from the way's end; *more becomes false at the choice. */
static bool step(Way *way, bool at_root, bool *more, Error *err) {
    const PickleNode *here = way->at[way->length - 1], *key, *value, *best = NULL, *best_key = NULL, *only = NULL,
                     *only_key = NULL;
    uint32_t index, best_index = 0, only_index = 0, inside = 0, direct = 0;
    size_t which;
    *more = false;
    if (!pickle_is_container(here) || here->shape == PICKLE_MODULE) return true;
    const PickleNode *named = at_root ? usual_child(here, &which) : NULL;
    if (named) {
        *more = true;
        way->at[way->length++] = named;
        str_add(&way->path, usual[which]);
        return str_ok(&way->path, err);
    }
    for (PickleView view = pickle_view(here); pickle_view_next(&view, &key, &index, &value);) {
        if (pickle_is_tensor(value)) {
            direct++;
            if (is_named(key) && memchr(key->text, '.', key->count)) return true; /* a state dict */
        }
        if (!pickle_is_container(value) || value->tensors == 0 || is_aside(key)) continue;
        inside++;
        only = value, only_key = key, only_index = index;
        if ((best && value->tensors <= best->tensors) || !is_network(way, value)) continue;
        best = value, best_key = key, best_index = index;
    }
    if (!best && inside == 1 && direct == 0 && (is_mapping(only) || only->shape == PICKLE_MODULE))
        best = only, best_key = only_key, best_index = only_index;
    if (!best) return true;
    *more = true;
    return go(way, best_key, best_index, best, err);
}

static bool descend(Way *way, Error *err) {
    bool more = true;
    for (bool first = way->length == 1 && way->path.length == 0; more; first = false)
        if (!step(way, first, &more, err)) return false;
    return true;
}

/* ---- by path ----------------------------------------------------------------------------------------------------- */

/* Follows the dotted path; keys may have dots, so the longest one that fits is taken. Where none fits, *rest is what
 * was not found. */
static bool follow(Way *way, const char *path, const char **rest, Error *err) {
    Str name = {0};
    bool ok = true;
    for (*rest = path; ok && **rest;) {
        const PickleNode *here = way->at[way->length - 1], *key, *value, *found = NULL, *found_key = NULL;
        uint32_t index, found_index = 0;
        size_t longest = 0;
        for (PickleView view = pickle_view(here); ok && pickle_view_next(&view, &key, &index, &value);) {
            Error ignored;
            name.length = 0;
            if (!torch_add_key(&name, key, index, &ignored)) {
                ok = !name.failed || str_ok(&name, err);
                continue;
            }
            if (name.length == 0 || name.length < longest || strncmp(*rest, str_text(&name), name.length) != 0)
                continue;
            if ((*rest)[name.length] && (*rest)[name.length] != '.') continue;
            longest = name.length;
            found = value, found_key = key, found_index = index;
        }
        if (!found) break;
        ok = ok && go(way, found_key, found_index, found, err);
        *rest += longest;
        if (**rest == '.') (*rest)++;
    }
    str_done(&name);
    return ok;
}

/* ---- telling ----------------------------------------------------------------------------------------------------- */

/* "60 tensors, 77850 elements": elements where they are soon counted. */
static bool add_size(const Checkpoint *checkpoint, const PickleNode *node, Str *out, Error *err) {
    TorchWalk walk = {0};
    const PickleNode *value = NULL;
    uint64_t elements = 0;
    str_addf(out, "%" PRIu32 " tensor%s", node->tensors, node->tensors == 1 ? "" : "s");
    if (node->tensors > COUNTED_MOST || !pickle_is_container(node)) return str_ok(out, err);
    torch_walk_enter(&walk, node);
    bool ok;
    while ((ok = torch_walk_next(&walk, &value, err)) && value) {
        TorchTensor tensor;
        TorchShape shape;
        Error ignored;
        uint64_t count;
        if (!pickle_is_tensor(value)) continue;
        if (torch_tensor_parse(checkpoint->reader, value, "", &tensor, &shape, &ignored) &&
            (!size_product(shape.dim, shape.rank, &count) || !size_add(elements, count, &elements)))
            elements = UINT64_MAX; /* more than can be counted */
    }
    const bool no_memory = walk.name.failed; /* long names, many steps are not this note's business */
    str_done(&walk.name);
    if (ok) str_addf(out, ", %" PRIu64 " element%s", elements, elements == 1 ? "" : "s");
    return (ok || !no_memory) && str_ok(out, err);
}

/* One container beside the way: `path` is that of what holds it. */
static bool add_candidate(const Checkpoint *checkpoint, const Way *way, const char *path, const PickleNode *key,
                          uint32_t index, const PickleNode *value, bool more, Str *out, Error *err) {
    Way other = {.at = {value}, .length = 0, .network = way->network};
    Error long_name;
    str_add(&other.path, path);
    bool ok = true;
    if (go(&other, key, index, value, &long_name)) {
        ok = descend(&other, err);
        str_addf(out, "%s\"%s\" (", more ? ", " : "", str_text(&other.path));
        ok = ok && add_size(checkpoint, other.at[other.length - 1], out, err);
        str_add(out, ")");
    } else if (other.path.failed) {
        ok = str_ok(&other.path, err);
    }
    str_done(&other.path);
    return ok;
}

/* The containers with tensors beside the way, as far down as they go by themselves. */
static bool add_candidates(const Checkpoint *checkpoint, const Way *way, Str *out, unsigned *count, Error *err) {
    Str path = {0}, next_path = {0};
    bool ok = true;
    for (unsigned level = 0; ok && level + 1 < way->length; level++) {
        const PickleNode *next = way->at[level + 1], *key, *value;
        uint32_t index;
        bool passed = false;
        for (PickleView view = pickle_view(way->at[level]); ok && pickle_view_next(&view, &key, &index, &value);) {
            if (value == next) {
                Error long_name;
                if (passed) continue; /* the same once more, under another name */
                passed = true;
                next_path.length = 0;
                str_add(&next_path, str_text(&path));
                torch_add_key(&next_path, key, index, &long_name);
            } else if (pickle_is_container(value) && value->tensors > 0 && ++*count <= CANDIDATES_MOST) {
                ok = add_candidate(checkpoint, way, str_text(&path), key, index, value, *count > 1, out, err);
            }
        }
        path.length = 0;
        str_add(&path, str_text(&next_path));
    }
    if (*count > CANDIDATES_MOST) str_addf(out, " and %u more", *count - CANDIDATES_MOST);
    ok = ok && str_ok(&path, err) && str_ok(&next_path, err) && str_ok(out, err);
    str_done(&path);
    str_done(&next_path);
    return ok;
}

static bool note_choice(Checkpoint *checkpoint, const Way *way, Error *err) {
    const Torch *torch = checkpoint->reader;
    const PickleNode *chosen = way->at[way->length - 1];
    const uint32_t all = pickle_root(torch->pickle)->tensors;
    Str others = {0};
    unsigned count = 0;
    bool ok = true;
    if (way->length > 1 && all != chosen->tensors) ok = add_candidates(checkpoint, way, &others, &count, err);
    if (ok && way->length > 1) {
        ok = all == chosen->tensors
                 ? checkpoint_add_note(checkpoint, err, "the state dict is \"%s\"", str_text(&way->path))
                 : checkpoint_add_note(checkpoint, err,
                                       "the state dict is \"%s\": %" PRIu32 " of the file's %" PRIu32 " tensors%s%s%s",
                                       str_text(&way->path), chosen->tensors, all, count > 0 ? "; --key selects " : "",
                                       count > 1 ? "among " : "", str_text(&others));
    }
    str_done(&others);
    if (!ok || chosen->shape != PICKLE_MODULE) return ok;
    Str class = {0};
    pickle_name_text(chosen, &class);
    ok = str_ok(&class, err) &&
         checkpoint_add_note(checkpoint, err,
                             "a whole module, %s: its parameters and buffers are read; none of its code is executed",
                             str_text(&class));
    str_done(&class);
    return ok;
}

/* "no 'modle'; did you mean model? The file holds ..." */
static bool refuse_key(const Checkpoint *checkpoint, const char *key, const Way *way, const char *rest, Error *err) {
    enum { NAMES = 256 };
    const PickleNode *here = way->at[way->length - 1], *child, *value;
    const Torch *torch = checkpoint->reader;
    const Way root = {.at = {pickle_root(torch->pickle)}, .length = 1};
    Str names[NAMES] = {{0}}, others = {0};
    const char *texts[NAMES];
    size_t count = 0;
    unsigned listed = 0;
    uint32_t index;
    Error ignored;
    for (PickleView view = pickle_view(here); count < NAMES && pickle_view_next(&view, &child, &index, &value);)
        if (value->tensors > 0 && torch_add_key(&names[count], child, index, &ignored)) {
            texts[count] = str_text(&names[count]);
            count++;
        }
    char *word = mem_copy_text(rest, &ignored);
    const char *nearest = word ? text_nearest(word, texts, count) : NULL;
    if (word && !nearest && strchr(word, '.')) {
        *strchr(word, '.') = '\0';
        nearest = text_nearest(word, texts, count);
    }
    const PickleNode *only = root.at[0];
    for (PickleView view = pickle_view(only); pickle_view_next(&view, &child, &index, &value);) {
        Way other = {.at = {only}, .length = 1};
        if (!pickle_is_container(value) || value->tensors == 0) continue;
        if (++listed <= CANDIDATES_MOST && go(&other, child, index, value, &ignored)) {
            str_addf(&others, "%s\"%s\" (", listed > 1 ? ", " : "", str_text(&other.path));
            add_size(checkpoint, value, &others, &ignored);
            str_add(&others, ")");
        }
        str_done(&other.path);
    }
    if (listed > CANDIDATES_MOST) str_addf(&others, " and %u more", listed - CANDIDATES_MOST);
    error_set(err, STATUS_USAGE, "--key %s: no '%s'%s%s%s%s%s; %s%s", key, rest, way->path.length ? " in \"" : "",
              str_text(&way->path), way->path.length ? "\"" : "", nearest ? "; did you mean " : "",
              nearest ? nearest : "", listed > 0 ? "the file holds " : "the file holds nothing to choose from",
              str_text(&others));
    for (size_t i = 0; i < count; i++) str_done(&names[i]);
    str_done(&others);
    mem_free(word);
    return false;
}

const PickleNode *torch_choose(Checkpoint *checkpoint, const char *key, Str *path, Error *err) {
    Torch *torch = checkpoint->reader;
    torch->network = mem_alloc(pickle_nodes(torch->pickle), 1, err);
    Way way = {.at = {pickle_root(torch->pickle)}, .length = 1, .network = torch->network};
    const char *rest = "";
    bool ok = torch->network != NULL;
    if (ok && key && strcmp(key, ".") != 0) {
        ok = follow(&way, key, &rest, err) && (!*rest || refuse_key(checkpoint, key, &way, rest, err));
        if (ok && way.at[way.length - 1]->tensors == 0)
            ok = error_set(err, STATUS_USAGE, "--key %s: it has no tensors", key);
    }
    /* A key may stop at a wrapper; "." is the root as it is. */
    if (ok && (!key || way.length > 1)) ok = descend(&way, err);
    ok = ok && note_choice(checkpoint, &way, err);
    mem_free(torch->network);
    torch->network = NULL;
    *path = way.path;
    return ok ? way.at[way.length - 1] : NULL;
}

/* ---- what is left out -------------------------------------------------------------------------------------------- */

/* What a value is that is neither read nor walked into; false where there is nothing to tell. */
static bool describe_container(const PickleNode *node, bool within, Str *out) {
    const PickleGlobal *global = pickle_global(node->type == PICKLE_OBJECT ? node->object->name : node);
    switch ((PickleType)node->type) {
    case PICKLE_OBJECT:
        if (node->tensors > 0 || node->shape == PICKLE_MODULE) return false;
        if (global->reason) {
            str_add(out, global->reason);
            return true;
        }
        pickle_name_text(node, out);
        return true;
    case PICKLE_NAME:
        pickle_name_text(node, out);
        return true;
    case PICKLE_CALL:
        if (global->meaning == PICKLE_NUMPY_SCALAR) return false;
        if (global->meaning == PICKLE_REBUILD_PARAMETER) { /* of a tensor that is unread */
            const PickleNode *data = pickle_item(node->arguments, 0);
            return data && data->type == PICKLE_OBJECT && describe_container(data, within, out);
        }
        str_add(out, global->meaning == PICKLE_NUMPY_RECONSTRUCT ? "a NumPy array that is not numeric" : global->name);
        return true;
    case PICKLE_PERSISTENT:
        str_add(out, "a storage without a tensor");
        return true;
    case PICKLE_OPAQUE:
        str_add(out, "an integer over 64 bits");
        return true;
    case PICKLE_LIST:
    case PICKLE_TUPLE:
        str_add(out, "a list without tensors");
        return within && node->tensors == 0 && node->count > 0;
    case PICKLE_TEXT:
    case PICKLE_BYTES:
    case PICKLE_LATIN1:
        str_add(out, "a text");
        return within || node->count > CAP_NAME;
    case PICKLE_BOOL:
    case PICKLE_INTEGER:
    case PICKLE_REAL:
        str_add(out, "a number");
        return within;
    default:
        return false;
    }
}

/* Attributes of a TorchScript module that are no tensors are part of its program. */
static bool is_attribute(const TorchWalk *walk, unsigned depth) {
    const PickleNode *holder = depth > 0 ? walk->path[depth - 1].view.node : NULL;
    return holder && torch_is_script(holder);
}

bool torch_note_left_out(Checkpoint *checkpoint, const PickleNode *chosen, Error *err) {
    const Torch *torch = checkpoint->reader;
    const PickleNode *root = pickle_root(torch->pickle), *node = NULL;
    TorchWalk walk = {.all = true, .seen = mem_alloc(pickle_nodes(torch->pickle), 1, err)};
    Str list = {0}, what = {0};
    unsigned count = 0, inside = 0; /* inside: how deep the choice is, 0 while the walk is not in it */
    bool ok = walk.seen != NULL;
    if (ok && pickle_is_container(root)) {
        torch_walk_enter(&walk, root);
    } else if (ok && !pickle_is_tensor(root) && describe_container(root, false, &list)) {
        count = 1; /* it is all that the file holds */
    }
    if (chosen == root) inside = 1;
    while (ok && (ok = torch_walk_next(&walk, &node, err)) && node) {
        const bool entered = walk.depth > 0 && walk.path[walk.depth - 1].view.node == node;
        const unsigned depth = walk.depth - entered;
        if (inside > 0 && depth < inside) inside = 0;
        if (node == chosen && entered) inside = walk.depth;
        what.length = 0;
        bool told = describe_container(
            node,
            inside > 0 && node != chosen &&
                !(chosen == root && depth == 1 && node->type != PICKLE_LIST && node->type != PICKLE_TUPLE),
            &what);
        const bool unread = node->type == PICKLE_OBJECT && pickle_global(node->object->name)->reason;
        if (!unread && is_attribute(&walk, depth)) told = false;
        if (entered && (told || node->shape == PICKLE_MODULE) && node != chosen && node->tensors == 0)
            torch_walk_leave(&walk);
        ok = str_ok(&what, err);
        if (!told || pickle_is_tensor(node)) continue;
        if (++count <= LEFT_OUT_MOST)
            str_addf(&list, "%s\"%s\" (%s)", count > 1 ? ", " : "", str_text(&walk.name), str_text(&what));
    }
    if (count > LEFT_OUT_MOST) str_addf(&list, " and %u more", count - LEFT_OUT_MOST);
    ok = ok && str_ok(&list, err) &&
         (count == 0 ||
          checkpoint_add_note(checkpoint, err, "left out, because they are neither tensors nor plain values: %s",
                              str_text(&list)));
    str_done(&list);
    str_done(&what);
    str_done(&walk.name);
    mem_free(walk.seen);
    return ok;
}
