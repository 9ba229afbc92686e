/* layer_kinds -- what kind of layer a tensor is the weight of.
 *
 * A file holds names and shapes, no modules. By name: recurrent (weight_ih, weight_hh), attention (in_proj_weight, q, k
 * and v), embeddings (a word such as embed, tok, wte), bilinear. By rank: 2 linear, 3 to 5 convolutions of 1 to 3 axes.
 *
 * A transposed convolution is stored as c_in x c_out/groups x k..., a plain one as c_out x c_in/groups x k...: nothing
 * in one tensor tells them apart. What does, in this order:
 *   1. A bias beside it, or the batch norm behind it in the same Sequential (numbers N and N+1), has c_out elements. As
 *      many as the first axis has, and not the second: plain. As many as the second, or (groups) a multiple of it that
 *      is not the first: transposed.
 *   2. Where that leaves both (equal axes, depthwise, no bias): a name that says so, "deconv" or "transpose" in any
 * part of it; a word such as "up", "upconv", "upsample" or "tconv" in its last one, together with an even kernel, which
 *      plain convolutions hardly have.
 *   3. Else it is plain.
 */
#include "net/internal.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "weft/base/tensor.h"

static const struct {
    const char *name;
    unsigned axes;
} kinds[] = {
#define X(name, text, axes) {text, axes},
    LAYER_KINDS(X)
#undef X
};

const char *layer_kind_name(LayerKind kind) {
    return kinds[kind].name;
}

unsigned layer_kind_axes(LayerKind kind) {
    return kinds[kind].axes;
}

bool layer_kind_transposed(LayerKind kind) {
    return kind == LAYER_TRANSPOSED_1D || kind == LAYER_TRANSPOSED || kind == LAYER_TRANSPOSED_3D;
}

/* ---- names ------------------------------------------------------------------------------------------------------- */

enum { NAME_ROOM = 1024 }; /* names that are longer are judged by their ranks alone */

/* The parts of a tensor's name: "stem.leaf"; the stem's last part is the module. */
typedef struct Name {
    char stem[NAME_ROOM]; /* "" at the root */
    const char *leaf;     /* within the tensor's name */
    bool too_long;        /* the stem is left out */
} Name;

static Name name_of(const char *tensor) {
    Name name = {.leaf = tensor};
    const char *dot = strrchr(tensor, '.');
    if (dot) name.leaf = dot + 1;
    name.too_long = dot && dot - tensor >= NAME_ROOM;
    if (dot && !name.too_long) memcpy(name.stem, tensor, (size_t)(dot - tensor));
    return name;
}

static const char *module_of(const Name *name) {
    const char *dot = strrchr(name->stem, '.');
    return dot ? dot + 1 : name->stem;
}

static bool begins(const char *text, const char *start) {
    return strncasecmp(text, start, strlen(start)) == 0;
}

static bool ends(const char *text, const char *end) {
    const size_t length = strlen(text), tail = strlen(end);
    return length >= tail && strcmp(text + length - tail, end) == 0;
}

static bool one_of(const char *text, const char *const *words) {
    for (; *words; words++)
        if (strcasecmp(text, *words) == 0) return true;
    return false;
}

bool layer_named_weight(const char *tensor) {
    static const char *const leaves[] = {"weight", "kernel", "w", "lora_A", "lora_B", NULL};
    const char *dot = strrchr(tensor, '.'), *leaf = dot ? dot + 1 : tensor;
    return one_of(leaf, leaves) || ends(leaf, "_weight");
}

/* Words between underscores, without the digits at their ends. */
static bool has_word(const char *text, bool (*wanted)(const char *word)) {
    char word[32];
    while (*text) {
        const size_t whole = strcspn(text, "_");
        size_t length = whole;
        while (length > 0 && isdigit((unsigned char)text[length - 1])) length--;
        if (length > 0 && length < sizeof word) {
            memcpy(word, text, length);
            word[length] = '\0';
            if (wanted(word)) return true;
        }
        text += whole + (text[whole] == '_');
    }
    return false;
}

static bool embedding_word(const char *word) {
    static const char *const words[] = {"tok", "token", "tokens", "vocab", "wte", "wpe", "lookup", NULL};
    return begins(word, "emb") || one_of(word, words);
}

static bool recurrent_leaf(const char *leaf) {
    static const char *const starts[] = {"weight_ih", "weight_hh", "weight_hr"};
    for (size_t i = 0; i < 3; i++)
        if (begins(leaf, starts[i])) return true;
    return false;
}

static bool has_sibling(const TensorNames *names, const Name *name, const char *leaf, size_t *index) {
    char text[NAME_ROOM + 32];
    snprintf(text, sizeof text, "%s%s%s", name->stem, *name->stem ? "." : "", leaf);
    return !name->too_long && tensor_names_find(names, text, index);
}

/* q, k and v are too short to say much alone: two of them must stand side by side. */
static bool short_attention(const TensorNames *names, const Name *name) {
    static const char *const letters[] = {"q", "k", "v", "kv", NULL};
    const char *module = module_of(name);
    if (!one_of(module, letters)) return false;
    for (size_t i = 0; letters[i]; i++) {
        char text[NAME_ROOM + 32];
        size_t ignored;
        if (strcasecmp(module, letters[i]) == 0) continue;
        snprintf(text, sizeof text, "%.*s%s.%s", (int)(module - name->stem), name->stem, letters[i], name->leaf);
        if (tensor_names_find(names, text, &ignored)) return true;
    }
    return false;
}

static bool is_attention(const TensorNames *names, const Name *name) {
    static const char *const leaves[] = {"in_proj_weight", "q_proj_weight", "k_proj_weight", "v_proj_weight", NULL};
    static const char *const modules[] = {
        "q_proj",     "k_proj", "v_proj",   "qkv",        "qkv_proj", "query",    "key",      "value",
        "query_proj", "to_q",   "key_proj", "value_proj", "to_k",     "to_v",     "to_kv",    "to_qkv",
        "in_proj",    "wq",     "wk",       "wv",         "wqkv",     "kv",       "c_attn",   "query_key_value",
        "q_lin",      "k_lin",  "v_lin",    "q_linear",   "k_linear", "v_linear", "linear_q", "linear_k",
        "linear_v",   NULL};
    if (one_of(name->leaf, leaves)) return true;
    return ends(name->leaf, "weight") && (one_of(module_of(name), modules) || short_attention(names, name));
}

/* ---- transposed convolutions ------------------------------------------------------------------------------------- */

typedef enum Verdict { UNDECIDED, PLAIN, TRANSPOSED } Verdict;

/* By the number of outputs. */
static Verdict by_outputs(const Tensor *weight, uint64_t outputs) {
    const uint64_t first = weight->dim[0], second = weight->dim[1];
    if (outputs == first) return first == second || second == 1 ? UNDECIDED : PLAIN; /* 1: depthwise, of either kind */
    return outputs > 0 && outputs % second == 0 && first % (outputs / second) == 0 ? TRANSPOSED : UNDECIDED;
}

static bool is_vector(const TensorNames *names, size_t index) {
    return names->network->tensors[index].tensor->rank == 1;
}

/* The number of channels of the batch norm behind module N of a Sequential; 0: there is none. */
static uint64_t norm_behind(const TensorNames *names, const Name *name) {
    char text[NAME_ROOM + 64], *end;
    const char *module = module_of(name);
    const long number = strtol(module, &end, 10);
    size_t index;
    if (!isdigit((unsigned char)*module) || *end || number >= 1000000) return 0;
    snprintf(text, sizeof text, "%.*s%ld.running_mean", (int)(module - name->stem), name->stem, number + 1);
    if (!tensor_names_find(names, text, &index) || !is_vector(names, index)) return 0;
    return names->network->tensors[index].tensor->count;
}

static bool contains(const char *text, const char *part) {
    for (const size_t length = strlen(part); *text; text++)
        if (strncasecmp(text, part, length) == 0) return true;
    return false;
}

static bool even_kernel(const Tensor *weight) {
    for (unsigned i = 2; i < weight->rank; i++)
        if (weight->dim[i] % 2 != 0) return false;
    return true;
}

static bool up_word(const char *word) {
    static const char *const words[] = {"up", "upconv", "tconv", "convt", "upsample", "upsampling", "upscale", NULL};
    return one_of(word, words);
}

static bool named_transposed(const Name *name, const Tensor *weight) {
    if (contains(name->stem, "deconv") || contains(name->stem, "transpose") || contains(name->stem, "convtrans"))
        return true;
    return even_kernel(weight) && has_word(module_of(name), up_word);
}

static bool is_transposed(const TensorNames *names, const Name *name, const Tensor *weight) {
    size_t bias;
    Verdict verdict = UNDECIDED;
    if (contains(name->stem, "lora_")) return false;
    if (has_sibling(names, name, "bias", &bias) && is_vector(names, bias))
        verdict = by_outputs(weight, names->network->tensors[bias].tensor->count);
    if (verdict == UNDECIDED) verdict = by_outputs(weight, norm_behind(names, name));
    return verdict == TRANSPOSED || (verdict == UNDECIDED && named_transposed(name, weight));
}

/* ---- kinds ------------------------------------------------------------------------------------------------------- */

/* LayerNorm over several axes, or a scale for each pixel: weight and bias are of one shape. */
static bool is_elementwise(const TensorNames *names, const Name *name, const Tensor *weight) {
    size_t index;
    if (!has_sibling(names, name, "bias", &index)) return false;
    const Tensor *bias = names->network->tensors[index].tensor;
    return bias->rank == weight->rank && memcmp(bias->dim, weight->dim, weight->rank * sizeof *weight->dim) == 0;
}

static LayerKind matrix_kind(const TensorNames *names, const Name *name) {
    size_t ignored;
    if (recurrent_leaf(name->leaf)) return LAYER_RECURRENT;
    if (is_attention(names, name)) return LAYER_ATTENTION;
    if (has_word(module_of(name), embedding_word) && !has_sibling(names, name, "bias", &ignored))
        return LAYER_EMBEDDING;
    return LAYER_LINEAR;
}

LayerKind layer_kind_of(const TensorNames *names, size_t tensor) {
    static const LayerKind plain[] = {LAYER_CONV_1D, LAYER_CONV, LAYER_CONV_3D};
    static const LayerKind transposed[] = {LAYER_TRANSPOSED_1D, LAYER_TRANSPOSED, LAYER_TRANSPOSED_3D};
    const NetTensor *one = &names->network->tensors[tensor];
    const Tensor *weight = one->tensor;
    if (network_integer(names->network, tensor) || weight->count == 0 || weight->rank < 2 || weight->rank > 5)
        return LAYER_KIND_COUNT;
    const Name name = name_of(one->name);
    const bool plain_array = weight->rank == 4 && !strchr(one->name, '.'); /* of an npz file */
    if (!layer_named_weight(one->name) && !recurrent_leaf(name.leaf) && !plain_array) return LAYER_KIND_COUNT;
    if (is_elementwise(names, &name, weight)) return LAYER_KIND_COUNT;
    if (weight->rank == 2) return matrix_kind(names, &name);
    if (weight->rank == 3 && contains(module_of(&name), "bilinear")) return LAYER_BILINEAR;
    return (is_transposed(names, &name, weight) ? transposed : plain)[weight->rank - 3];
}
