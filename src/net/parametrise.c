/* parametrise -- weights that a file holds as several tensors, folded into the one that the network works with.
 *
 *   weight norm      NAME_g, NAME_v                        NAME = g v / |v|, norms over the axes where g has 1
 *                    parametrizations.NAME.original0, original1                         (g and v)
 *   spectral norm    NAME_orig (NAME_bar), NAME_u, NAME_v  NAME = orig / sigma, sigma = u' W v, W the matrix whose rows
 *                    parametrizations.NAME.original, 0._u, 0._v                         are those that u has
 *   pruning          NAME_orig, NAME_mask                  NAME = orig mask
 *
 * as PyTorch computes them in evaluation mode (torch.nn.utils: weight_norm, spectral_norm, prune, parametrizations).
 * Sums run in double. One may be of the parts of another (a pruned weight_g): passes are made until nothing is left to
 * fold. What is not known, and LoRA's pairs, whose scale stands in no tensor, is left as it is, and said.
 */
#include "net/internal.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "weft/base/error.h"
#include "weft/base/memory.h"
#include "weft/base/tensor.h"
#include "weft/base/text.h"

enum { PASSES = 8, NAME_ROOM = 1024 };

typedef struct Folding {
    Network *network;
    TensorNames names; /* of this pass */
    bool *drop;
    char **renamed; /* of what this pass has folded, else NULL; put in place at its end, for the names' sake */
    size_t count;
    NameList weight_norm, spectral_norm, pruning, both, unknown, lora;
} Folding;

/* ---- names ------------------------------------------------------------------------------------------------------- */

/* The tensor PREFIX + `end`. */
static bool find(const Folding *folding, const char *prefix, size_t length, const char *end, size_t *index) {
    char text[NAME_ROOM];
    const int size = snprintf(text, sizeof text, "%.*s%s", (int)length, prefix, end);
    return size > 0 && size < NAME_ROOM && tensor_names_find(&folding->names, text, index) && !folding->drop[*index];
}

/* The length of `name` without `end`, where it ends so and its last part is a weight or bias; else 0. */
static size_t stem_of(const char *name, const char *end) {
    const size_t length = strlen(name), tail = strlen(end);
    if (length <= tail || strcmp(name + length - tail, end) != 0) return 0;
    const char *dot = strrchr(name, '.'), *leaf = dot ? dot + 1 : name;
    return strstr(leaf, "weight") || strncmp(leaf, "bias", 4) == 0 ? length - tail : 0;
}

/* ---- putting ----------------------------------------------------------------------------------------------------- */

/* Puts what was folded in the place of tensor `main` under its new name; the other parts are dropped with the pass. */
static bool put_folded(Folding *folding, size_t main, char *name, Tensor *tensor, const size_t *others, size_t count) {
    Network *network = folding->network;
    NetTensor *slot = &network->tensors[main];
    bool twin = slot->tied && folding->renamed[slot->tied - 1]; /* the parts of two names may be the same ones */
    for (size_t i = 0; i < count; i++) {
        twin = twin && network->tensors[others[i]].tied;
        folding->drop[others[i]] = true;
    }
    const size_t tied = twin ? slot->tied : 0;
    if (twin) {
        tensor_release(tensor);
        tensor = tensor_share(network->tensors[tied - 1].tensor);
    }
    tensor_put(network, main, tensor);
    slot->tied = tied;
    folding->renamed[main] = name;
    folding->count++;
    return true;
}

/* The name of the folded weight: `prefix` and `end`. NULL where it is taken (*err stays STATUS_OK), or memory ran out.
 */
static char *folded_name(Folding *folding, const char *prefix, size_t prefix_length, const char *end, size_t end_length,
                         Error *err) {
    Str text = {0};
    size_t ignored;
    str_add_bytes(&text, prefix, prefix_length);
    str_add_bytes(&text, end, end_length);
    char *name = NULL;
    if (str_ok(&text, err) && tensor_names_find(&folding->names, str_text(&text), &ignored))
        name_list_add(&folding->both, str_text(&text), "its parts are not layers");
    else if (!text.failed)
        name = mem_copy_text(str_text(&text), err);
    str_done(&text);
    return name;
}

/* ---- weight norm ------------------------------------------------------------------------------------------------- */

/* g has one axis of v, or none; all its other axes are 1. */
static bool fits_norm(const Tensor *g, const Tensor *v, unsigned *axis) {
    unsigned own = 0;
    *axis = v->rank;
    if (v->rank == 0 || (g->rank != v->rank && g->count != 1)) return false;
    for (unsigned i = 0; g->count != 1 && i < v->rank; i++) {
        if (g->dim[i] == 1) continue;
        if (g->dim[i] != v->dim[i]) return false;
        *axis = i;
        own++;
    }
    return own <= 1;
}

/* The parts of a weight in memory while it is folded. */
static bool pin_all(const Tensor *const *parts, size_t count, Error *err) {
    for (size_t i = 0; i < count; i++) {
        if (!parts[i] || tensor_pin(parts[i], err)) continue;
        while (i-- > 0)
            if (parts[i]) tensor_unpin(parts[i]);
        return false;
    }
    return true;
}

static void unpin_all(const Tensor *const *parts, size_t count) {
    for (size_t i = 0; i < count; i++)
        if (parts[i]) tensor_unpin(parts[i]);
}

static Tensor *normalised(const Tensor *g, const Tensor *v, unsigned axis, Error *err) {
    uint64_t behind = 1;
    const uint64_t norms = axis < v->rank ? v->dim[axis] : 1;
    for (unsigned i = axis + 1; i < v->rank; i++) behind *= v->dim[i];
    if (axis == v->rank) behind = v->count;
    Tensor *weight = tensor_new(v->rank, v->dim, err);
    double *norm = weight ? mem_alloc(norms, sizeof *norm, err) : NULL;
    for (uint64_t i = 0; norm && i < v->count; i++) {
        const double x = (double)v->data[i];
        norm[i / behind % norms] += x * x;
    }
    for (uint64_t i = 0; norm && i < v->count; i++) {
        const uint64_t n = i / behind % norms;
        weight->data[i] = (float)((double)v->data[i] * (double)g->data[g->count == 1 ? 0 : n] / sqrt(norm[n]));
    }
    if (!norm) tensor_release(weight);
    mem_free(norm);
    return norm ? weight : NULL;
}

/* `name`: of the folded weight, taken over. */
static bool fold_norm(Folding *folding, size_t g, size_t v, unsigned axis, char *name, Error *err) {
    const Network *network = folding->network;
    const Tensor *const parts[] = {network->tensors[g].tensor, network->tensors[v].tensor};
    const bool here = pin_all(parts, 2, err);
    Tensor *weight = here ? normalised(parts[0], parts[1], axis, err) : NULL;
    if (here) unpin_all(parts, 2);
    if (!weight) {
        mem_free(name);
        return false;
    }
    if (axis < weight->rank)
        name_list_add(&folding->weight_norm, name, "norms along axis %u", axis);
    else
        name_list_add(&folding->weight_norm, name, "one norm");
    return put_folded(folding, v, name, weight, &g, 1);
}

/* ---- spectral norm ----------------------------------------------------------------------------------------------- */

/* u' W v for the matrix whose rows are axis `axis`; v NULL: |W' u|, which v = W' u / |W' u| makes of it. NaN: no
 * memory. */
static double sigma_of(const Tensor *weight, unsigned axis, const float *u, const float *v, Error *err) {
    const uint64_t rows = weight->dim[axis], columns = weight->count / rows;
    uint64_t behind = 1;
    double sum = 0, *made = mem_alloc(columns, sizeof *made, err); /* W' u */
    for (unsigned i = axis + 1; i < weight->rank; i++) behind *= weight->dim[i];
    if (!made) return NAN;
    for (uint64_t i = 0; i < weight->count; i++) {
        const uint64_t row = i / behind % rows, column = i / (behind * rows) * behind + i % behind;
        made[column] += (double)u[row] * (double)weight->data[i];
    }
    for (uint64_t i = 0; i < columns; i++) sum += made[i] * (v ? (double)v[i] : made[i]);
    mem_free(made);
    return v ? sum : sqrt(sum);
}

/* Where u and v fit both of the first two axes, the right one gives the larger value: it is the largest singular value,
 * nearly. */
static bool find_sigma(const Tensor *weight, const Tensor *u, const Tensor *v, double *sigma, Error *err) {
    const Tensor *const parts[] = {weight, u, v};
    bool found = false;
    if (!pin_all(parts, 3, err)) return false;
    for (unsigned axis = 0; axis < 2 && axis < weight->rank && weight->count > 0; axis++) {
        if (u->count != weight->dim[axis] || (v && v->count != weight->count / u->count)) continue;
        const double one = sigma_of(weight, axis, u->data, v ? v->data : NULL, err);
        if (isnan(one) && err->status != STATUS_OK) break;
        if (!found || fabs(one) > fabs(*sigma)) *sigma = one;
        found = true;
    }
    unpin_all(parts, 3);
    return found && err->status == STATUS_OK;
}

static bool fold_spectral(Folding *folding, size_t orig, const size_t *others, size_t count, double sigma, char *name,
                          Error *err) {
    const Tensor *from = folding->network->tensors[orig].tensor;
    const bool here = tensor_pin(from, err);
    Tensor *weight = here ? tensor_new(from->rank, from->dim, err) : NULL;
    for (uint64_t i = 0; weight && i < from->count; i++) weight->data[i] = (float)((double)from->data[i] / sigma);
    if (here) tensor_unpin(from);
    if (!weight) {
        mem_free(name);
        return false;
    }
    name_list_add(&folding->spectral_norm, name, "sigma %.6g", sigma);
    return put_folded(folding, orig, name, weight, others, count);
}

/* ---- pruning ----------------------------------------------------------------------------------------------------- */

static bool fold_pruning(Folding *folding, size_t orig, size_t mask, char *name, Error *err) {
    const Tensor *from = folding->network->tensors[orig].tensor, *by = folding->network->tensors[mask].tensor;
    const Tensor *const parts[] = {from, by};
    const bool here = pin_all(parts, 2, err);
    Tensor *weight = here ? tensor_new(from->rank, from->dim, err) : NULL;
    uint64_t zeros = 0;
    for (uint64_t i = 0; weight && i < from->count; i++) {
        weight->data[i] = from->data[i] * by->data[i];
        zeros += by->data[i] == 0;
    }
    if (here) unpin_all(parts, 2);
    if (!weight) {
        mem_free(name);
        return false;
    }
    name_list_add(&folding->pruning, name, "%llu of %llu weights are 0", (unsigned long long)zeros,
                  (unsigned long long)from->count);
    return put_folded(folding, orig, name, weight, &mask, 1);
}

static bool same_shape(const Tensor *a, const Tensor *b) {
    return a->rank == b->rank && memcmp(a->dim, b->dim, a->rank * sizeof *a->dim) == 0;
}

/* ---- NAME_part --------------------------------------------------------------------------------------------------- */

/* Whether memory is left: no name may also mean that it is taken. */
static bool go_on(const Error *err) {
    return err->status == STATUS_OK;
}

/* NAME_g: weight norm. NAME_mask: pruning. NAME_u: spectral norm. */
static bool fold_suffixed(Folding *folding, size_t index, Error *err) {
    const NetTensor *tensors = folding->network->tensors;
    const char *name = tensors[index].name;
    size_t length, other, v;
    unsigned axis;
    if ((length = stem_of(name, "_g")) && find(folding, name, length, "_v", &v) &&
        fits_norm(tensors[index].tensor, tensors[v].tensor, &axis)) {
        char *made = folded_name(folding, name, length, "", 0, err);
        return made ? fold_norm(folding, index, v, axis, made, err) : go_on(err);
    }
    if ((length = stem_of(name, "_mask")) && find(folding, name, length, "_orig", &other) &&
        same_shape(tensors[index].tensor, tensors[other].tensor)) {
        char *made = folded_name(folding, name, length, "", 0, err);
        return made ? fold_pruning(folding, other, index, made, err) : go_on(err);
    }
    if (!(length = stem_of(name, "_u")) ||
        (!find(folding, name, length, "_orig", &other) && !find(folding, name, length, "_bar", &other)))
        return true;
    const size_t others[2] = {index, find(folding, name, length, "_v", &v) ? v : index};
    double sigma = 0;
    if (!find_sigma(tensors[other].tensor, tensors[index].tensor, others[1] == index ? NULL : tensors[v].tensor, &sigma,
                    err))
        return go_on(err);
    char *made = folded_name(folding, name, length, "", 0, err);
    return made ? fold_spectral(folding, other, others, others[1] == index ? 1 : 2, sigma, made, err) : go_on(err);
}

/* ---- parametrizations.NAME.part ---------------------------------------------------------------------------------- */

static const char registered[] = "parametrizations.";

/* Of `S.parametrizations.NAME.original...`: where "parametrizations." begins, and NAME with its length. */
static bool parse_registered(const char *name, const char **where, const char **parameter, size_t *length) {
    const char *at = strstr(name, registered);
    if (!at || (at != name && at[-1] != '.')) return false;
    *where = at;
    *parameter = at + sizeof registered - 1;
    *length = strcspn(*parameter, ".");
    return *length > 0 && strncmp(*parameter + *length, ".original", 9) == 0;
}

/* original and 0._u, 0._v and nothing else; sigma and its vectors. */
static bool is_spectral(const Folding *folding, size_t index, size_t others[2], double *sigma, Error *err) {
    const NetTensor *tensors = folding->network->tensors;
    const char *name = tensors[index].name;
    const size_t base = strlen(name) - 8; /* less "original" */
    return tensor_names_below(&folding->names, name, base) == 3 && find(folding, name, base, "0._u", &others[0]) &&
           find(folding, name, base, "0._v", &others[1]) &&
           find_sigma(tensors[index].tensor, tensors[others[0]].tensor, tensors[others[1]].tensor, sigma, err);
}

static bool fold_registered(Folding *folding, size_t index, Error *err) {
    const NetTensor *tensors = folding->network->tensors;
    const char *name = tensors[index].name, *where, *parameter;
    size_t length, v, others[2];
    unsigned axis;
    double sigma = 0;
    if (!parse_registered(name, &where, &parameter, &length)) return true;
    const char *part = parameter + length + 9;
    const size_t base = (size_t)(parameter + length + 1 - name), stem = (size_t)(where - name);
    if (strcmp(part, "0") == 0 && find(folding, name, base, "original1", &v) &&
        tensor_names_below(&folding->names, name, base) == 2 &&
        fits_norm(tensors[index].tensor, tensors[v].tensor, &axis)) {
        char *made = folded_name(folding, name, stem, parameter, length, err);
        return made ? fold_norm(folding, index, v, axis, made, err) : go_on(err);
    }
    if (strcmp(part, "") == 0 && is_spectral(folding, index, others, &sigma, err)) {
        char *made = folded_name(folding, name, stem, parameter, length, err);
        return made ? fold_spectral(folding, index, others, 2, sigma, made, err) : go_on(err);
    }
    return go_on(err);
}

/* ---- what is left ------------------------------------------------------------------------------------------------ */

/* `name` with the part `a` of it replaced by `b`; NULL where it has no such part, or is too long. */
static const char *with_part(const char *name, const char *a, const char *b, char text[NAME_ROOM]) {
    const char *at = strstr(name, a);
    if (!at) return NULL;
    const int size = snprintf(text, NAME_ROOM, "%.*s%s%s", (int)(at - name), name, b, at + strlen(a));
    return size > 0 && size < NAME_ROOM ? text : NULL;
}

static void note_lora(Folding *folding, size_t index) {
    static const char *const pairs[][2] = {{"lora_A", "lora_B"}, {"lora_down", "lora_up"}};
    const NetTensor *a = &folding->network->tensors[index];
    for (size_t i = 0; i < 2; i++) {
        char text[NAME_ROOM];
        const char *other = with_part(a->name, pairs[i][0], pairs[i][1], text);
        size_t b;
        if (other && tensor_names_find(&folding->names, other, &b) && a->tensor->rank >= 2)
            name_list_add(&folding->lora, a->name, "rank %llu", (unsigned long long)a->tensor->dim[0]);
    }
}

static bool note_rest(Folding *folding, Error *err) {
    Network *network = folding->network;
    for (size_t i = 0; i < network->tensor_count; i++) {
        const char *where, *parameter;
        size_t length;
        if (parse_registered(network->tensors[i].name, &where, &parameter, &length))
            name_list_add(&folding->unknown, network->tensors[i].name, "of rank %u", network->tensors[i].tensor->rank);
        note_lora(folding, i);
    }
    NameList *lists[] = {&folding->weight_norm, &folding->spectral_norm, &folding->pruning,
                         &folding->both,        &folding->unknown,       &folding->lora};
    bool done = true;
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) done = name_list_note(lists[i], network, err) && done;
    return done;
}

/* ---- passes ------------------------------------------------------------------------------------------------------ */

/* A tensor that was folded is no longer the one that others were tied to. */
static void untie(Network *network) {
    for (size_t i = 0; i < network->tensor_count; i++) {
        NetTensor *tensor = &network->tensors[i];
        if (tensor->tied && network->tensors[tensor->tied - 1].tensor != tensor->tensor) tensor->tied = 0;
    }
}

static void rename_folded(Folding *folding, size_t count) {
    for (size_t i = 0; folding->renamed && i < count; i++) {
        if (!folding->renamed[i]) continue;
        mem_free(folding->network->tensors[i].name);
        folding->network->tensors[i].name = folding->renamed[i];
    }
    mem_free(folding->renamed);
}

static bool fold_pass(Folding *folding, Error *err) {
    Network *network = folding->network;
    const size_t count = network->tensor_count;
    folding->count = 0;
    name_list_clear(&folding->both);
    folding->renamed = NULL;
    folding->drop = mem_alloc(count, sizeof *folding->drop, err);
    if (folding->drop) folding->renamed = mem_alloc(count, sizeof *folding->renamed, err);
    const bool named = folding->renamed && tensor_names_begin(&folding->names, network, err);
    bool done = named;
    for (size_t i = 0; done && i < count; i++) {
        if (!folding->drop[i] && !folding->renamed[i]) done = fold_suffixed(folding, i, err);
        if (done && !folding->drop[i] && !folding->renamed[i]) done = fold_registered(folding, i, err);
    }
    if (named) tensor_names_done(&folding->names);
    rename_folded(folding, count);
    untie(network);
    done = done && network_drop_tensors(network, NULL, folding->drop, err);
    mem_free(folding->drop);
    return done;
}

bool network_fold(Network *network, Error *err) {
    Folding folding = {
        .network = network,
        .weight_norm = {.head = "Weight norm was folded, weight = g v / |v|"},
        .spectral_norm = {.head = "Spectral norm was folded, weight = original / sigma with sigma = u' W v as stored"},
        .pruning = {.head = "Pruning was folded, weight = original times mask"},
        .both = {.head = "These weights are stored both whole and in parts; the whole weights are used"},
        .unknown = {.head = "These parametrisations are unknown; the effective weights are not in the file"},
        .lora =
            {.head =
                 "These low-rank pairs (LoRA) remain separate layers and are not merged into their base weights, because the scale alpha / rank is unknown"},
    };
    bool done = true;
    err->status = STATUS_OK;
    folding.count = 1;
    for (unsigned pass = 0; done && folding.count > 0 && pass < PASSES; pass++) done = fold_pass(&folding, err);
    if (done && (done = tensor_names_begin(&folding.names, network, err))) {
        done = note_rest(&folding, err);
        tensor_names_done(&folding.names);
    }
    NameList *lists[] = {&folding.weight_norm, &folding.spectral_norm, &folding.pruning,
                         &folding.both,        &folding.unknown,       &folding.lora};
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) str_done(&lists[i]->text);
    return done;
}
