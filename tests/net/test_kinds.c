/* test_kinds -- layers of every kind, weights that a file holds in parts, dtypes and ties: what is loaded and saved
 * against what PyTorch and NumPy made of the same modules (tests/fixtures/make_layers.py). */
#include "net/internal.h"

#include "../support/bytes.h"
#include "../support/resnet.h"
#include "weft/base/dtype.h"
#include "weft/base/error.h"
#include "weft/base/fault.h"
#include "weft/base/memory.h"
#include "weft/base/tensor.h"
#include "weft/base/text.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define FIXTURES "tests/fixtures/"

static Network *load(const char *path) {
    Error err;
    Network *network = network_load(path, NULL, &err);
    if (!network) fail_msg("%s", err.text);
    return network;
}

static const NetTensor *tensor_of(const Network *network, const char *name) {
    for (size_t i = 0; i < network->tensor_count; i++)
        if (strcmp(network->tensors[i].name, name) == 0) return &network->tensors[i];
    return NULL;
}

static const char *note_with(const Network *network, const char *part) {
    for (size_t i = 0; i < network->note_count; i++)
        if (strstr(network->notes[i].value, part)) return network->notes[i].value;
    fail_msg("no note says '%s'", part);
    return NULL;
}

/* ---- kinds ------------------------------------------------------------------------------------------------------- */

/* Every module's class is recognised from names and shapes, and nothing else is taken for a layer. */
static void kinds(void **state) {
    (void)state;
    Network *network = load(FIXTURES "layers.pth");
    FILE *file = fopen(FIXTURES "layers.tsv", "r");
    char line[256];
    size_t count = 0;
    assert_non_null(file);
    for (; fgets(line, sizeof line, file); count++) {
        size_t index, rows, columns;
        Error err;
        const char *name = strtok(line, "\t"), *kind = strtok(NULL, "\t");
        const size_t wanted[2] = {strtoul(strtok(NULL, "\t"), NULL, 10), strtoul(strtok(NULL, "\n"), NULL, 10)};
        if (!network_find_layer(network, name, &index, &err)) fail_msg("%s", err.text);
        const Layer *layer = &network->layers[index];
        if (strcmp(layer_kind_name(layer->kind), kind) != 0)
            fail_msg("%s is %s, not %s", name, kind, layer_kind_name(layer->kind));
        layer_matrix(network, layer, &rows, &columns);
        assert_true(rows == wanted[0] && columns == wanted[1]);
    }
    fclose(file);
    assert_int_equal(network->layer_count, count);
    assert_non_null(strstr(note_with(network, "no layers"), "'pos_embed' (1x5x6), 'norm.weight' (4x3x3)"));
    network_free(network);
}

typedef struct Given {
    const char *name;
    unsigned rank;
    uint64_t dim[5];
} Given;

static Network *network_with(const Given *cases, size_t count) {
    static const float zeros[4096];
    TensorOut tensors[16];
    Error err;
    const char *path = scratch_path("kinds.safetensors");
    for (size_t i = 0; i < count; i++)
        tensors[i] = (TensorOut){cases[i].name, DTYPE_F32, cases[i].rank, cases[i].dim, zeros};
    assert_true(safetensors_save(path, true, tensors, count, NULL, 0, &err));
    return load(path);
}

/* What decides between plain and transposed, one by one. */
static void transposed_or_not(void **state) {
    (void)state;
    static const struct {
        Given weight, beside;
        LayerKind kind;
    } cases[] = {
        {{"a.weight", 4, {8, 4, 3, 3}}, {"a.bias", 1, {8}}, LAYER_CONV},
        {{"a.weight", 4, {8, 4, 3, 3}}, {"a.bias", 1, {4}}, LAYER_TRANSPOSED},
        {{"a.weight", 4, {8, 4, 3, 3}}, {"a.bias", 1, {16}}, LAYER_TRANSPOSED}, /* 4 groups */
        {{"a.weight", 4, {6, 4, 3, 3}}, {"a.bias", 1, {16}}, LAYER_CONV},       /* 4 groups of 6 channels? no */
        {{"a.weight", 4, {8, 4, 3, 3}}, {"b.bias", 1, {4}}, LAYER_CONV},        /* another's */
        {{"deconv.weight", 4, {8, 4, 3, 3}}, {"deconv.bias", 1, {8}}, LAYER_CONV},
        {{"net.0.weight", 3, {8, 4, 3}}, {"net.1.running_mean", 1, {4}}, LAYER_TRANSPOSED_1D},
        {{"net.0.weight", 3, {8, 4, 3}}, {"net.2.running_mean", 1, {4}}, LAYER_CONV_1D},
        {{"net.0.weight", 5, {8, 4, 3, 3, 3}}, {"net.1.running_mean", 1, {8}}, LAYER_CONV_3D},
        {{"conv1.weight", 4, {8, 4, 3, 3}}, {"bn1.running_mean", 1, {4}}, LAYER_CONV}, /* of its input, perhaps */
        {{"u.up.weight", 4, {4, 4, 2, 2}}, {"u.up.bias", 1, {4}}, LAYER_TRANSPOSED},
        {{"u.up.weight", 4, {4, 4, 3, 3}}, {"u.up.bias", 1, {4}}, LAYER_CONV},
        {{"up.conv.weight", 4, {4, 4, 2, 2}}, {"up.conv.bias", 1, {4}}, LAYER_CONV},
        {{"x.ConvTranspose_0.weight", 4, {4, 4, 3, 3}}, {"y", 1, {4}}, LAYER_TRANSPOSED},
        {{"b.upsample.weight", 4, {8, 4, 2, 2}}, {"y", 1, {4}}, LAYER_TRANSPOSED},
        {{"b.upsample.weight", 4, {8, 4, 3, 3}}, {"y", 1, {4}}, LAYER_CONV},
        {{"upper.weight", 4, {4, 4, 2, 2}}, {"y", 1, {4}}, LAYER_CONV},
        {{"a.lora_up.weight", 4, {4, 4, 2, 2}}, {"y", 1, {4}}, LAYER_CONV},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const Given both[2] = {cases[i].weight, cases[i].beside};
        Network *network = network_with(both, 2);
        assert_int_equal(network->layer_count, 1);
        if (network->layers[0].kind != cases[i].kind)
            fail_msg("case %zu, %s: %s", i, both[0].name, layer_kind_name(network->layers[0].kind));
        network_free(network);
    }
}

static void matrices_of_names(void **state) {
    (void)state;
    static const struct {
        Given weight;
        LayerKind kind;
    } cases[] = {
        {{"tok.weight", 2, {9, 4}}, LAYER_EMBEDDING},
        {{"wte.weight", 2, {9, 4}}, LAYER_EMBEDDING},
        {{"pos_emb.weight", 2, {9, 4}}, LAYER_EMBEDDING},
        {{"token_type.weight", 2, {9, 4}}, LAYER_EMBEDDING},
        {{"member.weight", 2, {9, 4}}, LAYER_LINEAR},
        {{"h.0.attn.c_attn.weight", 2, {4, 12}}, LAYER_ATTENTION},
        {{"a.query.weight", 2, {4, 4}}, LAYER_ATTENTION},
        {{"a.query_key_value.weight", 2, {4, 4}}, LAYER_ATTENTION},
        {{"q.weight", 2, {4, 4}}, LAYER_LINEAR}, /* alone */
        {{"rnn.weight_hh_l11", 2, {4, 4}}, LAYER_RECURRENT},
        {{"x.w", 2, {4, 4}}, LAYER_LINEAR},
        {{"x.table", 2, {4, 4}}, LAYER_KIND_COUNT},
        {{"x.attn_bias", 5, {1, 1, 1, 1, 1}}, LAYER_KIND_COUNT},
        {{"kernel", 5, {2, 2, 1, 1, 1}}, LAYER_CONV_3D},
        {{"plain", 4, {2, 2, 1, 1}}, LAYER_CONV},
        {{"class_weight", 2, {2, 2}}, LAYER_LINEAR},
        {{"x.weight", 1, {4}}, LAYER_KIND_COUNT},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const Given one = cases[i].weight;
        Network *network = network_with(&one, 1);
        const LayerKind kind = network->layer_count ? network->layers[0].kind : LAYER_KIND_COUNT;
        if (kind != cases[i].kind) fail_msg("%s: kind %d", one.name, (int)kind);
        network_free(network);
    }
}

/* ---- weights in parts -------------------------------------------------------------------------------------------- */

/* Every folded weight is what the module works with; rounding of float32 sums is all that may differ. */
static void folded(void **state) {
    (void)state;
    Error err;
    Network *network = load(FIXTURES "layers.pth");
    Checkpoint *wanted = checkpoint_open(FIXTURES "layers.npz", &err);
    size_t count = 0;
    assert_non_null(wanted);
    for (size_t i = 0; i < checkpoint_count(wanted); i++) {
        const char *key = checkpoint_tensor(wanted, i)->name, *name = key + 7;
        char text[128];
        if (strncmp(key, "weight.", 7) != 0) continue;
        snprintf(text, sizeof text, strstr(name, "weight_") ? "%s" : "%s.weight", name);
        const NetTensor *found = tensor_of(network, text);
        Tensor *value = checkpoint_read_tensor(wanted, i, &err);
        if (!found) fail_msg("no %s", text);
        assert_int_equal(found->tensor->count, value->count);
        for (uint64_t j = 0; j < value->count; j++)
            if (!(fabsf(found->tensor->data[j] - value->data[j]) <= 4e-7f * (1 + fabsf(value->data[j]))))
                fail_msg("%s[%llu] is %.9g, not %.9g", text, (unsigned long long)j, (double)found->tensor->data[j],
                         (double)value->data[j]);
        tensor_release(value);
        count++;
    }
    assert_int_equal(count, 14);
    assert_null(tensor_of(network, "wn_conv.weight_g"));
    assert_null(tensor_of(network, "sn_new.parametrizations.weight.0._u"));
    assert_non_null(strstr(note_with(network, "Weight norm"), "'wn_second.weight' (norms along axis 1)"));
    assert_non_null(strstr(note_with(network, "Pruning"), "'wn_pruned.weight_v' (54 of 135 weights are 0)"));
    note_with(network, "These parametrisations are unknown; the effective weights are not in the file");
    assert_non_null(strstr(note_with(network, "LoRA"), "'adapted.lora_A.default.weight' (rank 2)"));
    checkpoint_close(wanted);
    network_free(network);
}

/* Parts that do not belong together, or whose weight is there already, stay as they are. */
static void not_folded(void **state) {
    (void)state;
    static const Given cases[][3] = {
        {{"a.weight_g", 2, {4, 4}}, {"a.weight_v", 2, {4, 4}}, {"x", 1, {1}}},       /* two axes of its own */
        {{"a.weight_g", 2, {3, 1}}, {"a.weight_v", 2, {4, 4}}, {"x", 1, {1}}},       /* another size */
        {{"a.weight_g", 2, {4, 1}}, {"b.weight_v", 2, {4, 4}}, {"x", 1, {1}}},       /* another module */
        {{"a.weight_mask", 2, {4, 1}}, {"a.weight_orig", 2, {4, 4}}, {"x", 1, {1}}}, /* another shape */
        {{"a.weight_u", 1, {5}}, {"a.weight_orig", 2, {4, 4}}, {"x", 1, {1}}},
        {{"a.weight_g", 2, {4, 1}}, {"a.weight_v", 2, {4, 4}}, {"a.weight", 2, {4, 4}}},
        {{"proj_g", 2, {4, 1}}, {"proj_v", 2, {4, 4}}, {"x", 1, {1}}},
        {{"parametrizations.weight.original0", 2, {4, 1}},
         {"parametrizations.weight.original1", 2, {4, 4}},
         {"parametrizations.weight.1.base", 1, {4}}},
        {{"parametrizations.weight.original", 2, {4, 4}},
         {"parametrizations.weight.0._u", 1, {3}},
         {"parametrizations.weight.0._v", 1, {4}}},
        {{"parametrizations..original", 2, {4, 4}}, {"parametrizations.", 1, {3}}, {"x", 1, {4}}},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        Network *network = network_with(cases[i], 3);
        for (size_t j = 0; j < 3; j++)
            if (!tensor_of(network, cases[i][j].name)) fail_msg("case %zu: %s is gone", i, cases[i][j].name);
        network_free(network);
    }
}

/* An orig of 2 and a mask of ones, itself pruned: passes go on until nothing is left. */
static void folded_in_passes(void **state) {
    (void)state;
    static const float twos[] = {2, 2, 2, 2}, mask[] = {1, 0, 1, 1}, g[] = {3, 1};
    const uint64_t matrix[2] = {2, 2}, column[2] = {2, 1};
    const TensorOut tensors[] = {
        {"weight_v_orig", DTYPE_F16, 2, matrix, (const uint16_t[]){0x4000, 0x4000, 0x4000, 0x4000}},
        {"weight_v_mask", DTYPE_F32, 2, matrix, mask},
        {"weight_g", DTYPE_F32, 2, column, g},
        {"other", DTYPE_F32, 2, matrix, twos}};
    Error err;
    const char *path = scratch_path("passes.safetensors");
    assert_true(safetensors_save(path, true, tensors, 4, NULL, 0, &err));
    Network *network = load(path);
    const NetTensor *weight = tensor_of(network, "weight");
    assert_non_null(weight);
    assert_int_equal(network->tensor_count, 2);
    assert_int_equal(weight->stored, DTYPE_F16);
    const float wanted[] = {3, 0, sqrtf(0.5f), sqrtf(0.5f)};
    for (size_t i = 0; i < 4; i++) assert_true(fabsf(weight->tensor->data[i] - wanted[i]) < 1e-7f);
    network_free(network);
}

/* Folding comes before recognising: a network whose weights are held in parts runs. */
static void folded_and_recognised(void **state) {
    (void)state;
    Error err;
    TensorOut tensors[64];
    float v[4 * 3 * 9], g[4], ones[8 * 8 * 9], pixels[3 * 32 * 32], logits[2][10];
    const uint64_t norms[4] = {4, 1, 1, 1};
    const char *path = scratch_path("whole.safetensors"), *parts = scratch_path("parts.safetensors");
    assert_true(write_resnet(path, &resnet_small));
    Network *network = load(path);
    size_t count = 0;
    for (size_t i = 0; i < sizeof ones / sizeof *ones; i++) ones[i] = 1;
    for (size_t i = 0; i < sizeof pixels / sizeof *pixels; i++) pixels[i] = (float)(i % 97) / 97;
    for (size_t i = 0; i < network->tensor_count; i++) {
        const NetTensor *one = &network->tensors[i];
        const Tensor *tensor = one->tensor;
        TensorOut out = {one->name, DTYPE_F32, tensor->rank, tensor->dim, tensor->data};
        if (strcmp(one->name, "conv1.weight") == 0) {
            for (size_t c = 0; c < 4; c++) {
                double sum = 0;
                for (size_t j = 0; j < 27; j++) {
                    v[c * 27 + j] = tensor->data[c * 27 + j] * (float)(c + 2);
                    sum += (double)tensor->data[c * 27 + j] * (double)tensor->data[c * 27 + j];
                }
                g[c] = (float)sqrt(sum);
            }
            tensors[count++] = (TensorOut){"conv1.weight_g", DTYPE_F32, 4, norms, g};
            out.name = "conv1.weight_v";
            out.data = v;
        } else if (strcmp(one->name, "layer3.0.conv2.weight") == 0) {
            tensors[count++] = (TensorOut){"layer3.0.conv2.weight_mask", DTYPE_F32, tensor->rank, tensor->dim, ones};
            out.name = "layer3.0.conv2.weight_orig";
        }
        tensors[count++] = out;
    }
    assert_true(safetensors_save(parts, true, tensors, count, NULL, 0, &err));
    Network *made = load(parts), *both[2] = {network, made};
    assert_string_equal(made->architecture, network->architecture);
    for (size_t i = 0; i < 2; i++) {
        Engine *engine = engine_new(both[i], 1, 32, 32, NULL, &err);
        assert_true(engine && engine_forward(engine, pixels, 1, logits[i], &err));
        engine_free(engine);
    }
    for (size_t c = 0; c < 10; c++)
        if (!(fabsf(logits[0][c] - logits[1][c]) <= 2e-5f * fabsf(logits[0][0])))
            fail_msg("logit %zu is %g, not %g", c, (double)logits[1][c], (double)logits[0][c]);
    network_free(made);
    network_free(network);
}

/* ---- files ------------------------------------------------------------------------------------------------------- */

static const char *const whole[] = {"half.weight", "half.bias",   "brain.weight",    "double.weight", "float8_e4m3fn",
                                    "float8_e5m2", "odd_half",    "complex",         "empty",         "flags",
                                    "index",       "bytes",       "scalar",          "tokens.weight", "conv1d.weight",
                                    "conv1d.bias", "double.bias", "lstm.bias_ih_l0", "deconv.weight"};

static void same_tensor(Checkpoint *a, Checkpoint *b, const char *name) {
    size_t i = 0, j = 0;
    Error err;
    if (!checkpoint_find(a, name, &i) || !checkpoint_find(b, name, &j)) fail_msg("no %s", name);
    const CheckpointTensor *x = checkpoint_tensor(a, i), *y = checkpoint_tensor(b, j);
    if (x->dtype != y->dtype) fail_msg("%s is %s, not %s", name, dtype_name(y->dtype), dtype_name(x->dtype));
    assert_true(x->rank == y->rank && x->count == y->count);
    const size_t size = (size_t)x->count * dtype_bits(x->dtype) / 8;
    void *one = mem_alloc(size, 1, &err), *two = mem_alloc(size, 1, &err);
    assert_true(checkpoint_read(a, i, one, &err) && checkpoint_read(b, j, two, &err));
    assert_memory_equal(one, two, size);
    mem_free(one);
    mem_free(two);
}

/* Loaded and saved: the same dtypes and bits; ties once, and both names again; what cannot be used is carried over. */
static void saved_as_read(void **state) {
    (void)state;
    Error err;
    size_t index;
    Str notes = {0};
    size_t files;
    const char *path = scratch_path("types.safetensors");
    Network *network = load(FIXTURES "layers.pth");
    assert_true(network_save_large(network, path, &(FileSaving){.overwrite = true}, &notes, &files, &err));
    assert_string_equal(str_text(&notes),
                        "The format has no such dtype; these tensors were left out: 'wide_complex' (C128)\n");
    Checkpoint *was = checkpoint_open(FIXTURES "layers.pth", &err), *is = checkpoint_open(path, &err);
    assert_non_null(is);
    for (size_t i = 0; i < sizeof whole / sizeof *whole; i++) same_tensor(was, is, whole[i]);
    assert_false(checkpoint_find(is, "head.weight", &index) || checkpoint_find(is, "wn_conv.weight_g", &index));
    assert_string_equal(checkpoint_metadata_find(is, "head.weight"), "tokens.weight");
    Network *back = load(path);
    const NetTensor *head = tensor_of(back, "head.weight"), *tokens = tensor_of(back, "tokens.weight");
    assert_ptr_equal(head->tensor, tokens->tensor);
    assert_int_equal(network_parameters(back), network_parameters(network));
    assert_int_equal(back->tensor_count, network->tensor_count);
    assert_int_equal(back->layer_count, network->layer_count);
    assert_int_equal(back->carried_count, 1);
    assert_int_equal(back->metadata_count, 0); /* a tie is no metadata */
    checkpoint_close(was);
    checkpoint_close(is);
    network_free(back);
    network_free(network);
    str_done(&notes);
}

static void saved_as_npz(void **state) {
    (void)state;
    static const char *const same[] = {"half.weight", "double.weight", "odd_half", "complex", "wide_complex", "empty",
                                       "flags",       "index",         "bytes",    "scalar",  "head.weight"};
    Error err;
    size_t index;
    Str notes = {0};
    size_t files;
    const char *path = scratch_path("types.npz");
    Network *network = load(FIXTURES "layers.pth");
    assert_true(network_save_large(network, path, &(FileSaving){.overwrite = true}, &notes, &files, &err));
    assert_non_null(strstr(str_text(&notes),
                           "saved as F32: 'float8_e4m3fn' (F8_E4M3), 'float8_e5m2' (F8_E5M2), 'brain.weight' (BF16)"));
    assert_non_null(strstr(str_text(&notes), "under each name: 'head.weight' (= tokens.weight)"));
    Checkpoint *was = checkpoint_open(FIXTURES "layers.pth", &err), *is = checkpoint_open(path, &err);
    assert_non_null(is);
    for (size_t i = 0; i < sizeof same / sizeof *same; i++) same_tensor(was, is, same[i]);
    assert_true(checkpoint_find(is, "brain.weight", &index));
    assert_int_equal(checkpoint_tensor(is, index)->dtype, DTYPE_F32);
    Tensor *brain = checkpoint_read_tensor(is, index, &err);
    assert_memory_equal(brain->data, tensor_of(network, "brain.weight")->tensor->data, brain->count * sizeof(float));
    tensor_release(brain);
    checkpoint_close(was);
    checkpoint_close(is);
    network_free(network);
    str_done(&notes);
}

static size_t index_of(const Network *network, const char *name) {
    return (size_t)(tensor_of(network, name) - network->tensors);
}

static void change(Network *network, const char *name, float value) {
    Error err;
    const Tensor *old = tensor_of(network, name)->tensor;
    Tensor *tensor = tensor_new(old->rank, old->dim, &err);
    for (uint64_t i = 0; i < tensor->count; i++) tensor->data[i] = value;
    network_replace(network, index_of(network, name), tensor);
}

/* Changed tensors are rounded to the dtype that they had, and it is said; a run keeps them as they are. */
static void changed(void **state) {
    (void)state;
    static const struct {
        const char *name;
        DType dtype;
        uint64_t bits; /* of 1 + 3/4096 */
    } cases[] = {{"half.weight", DTYPE_F16, 0x3c01},
                 {"brain.weight", DTYPE_BF16, 0x3f80},
                 {"double.weight", DTYPE_F64, 0x3ff0030000000000},
                 {"float8_e5m2", DTYPE_F8_E5M2, 0x3c},
                 {"index", DTYPE_F32, 0x3f801800},
                 {"tokens.weight", DTYPE_F32, 0x3f801800}};
    Error err;
    const float value = 1 + 3.0f / 4096;
    Str notes = {0};
    size_t files;
    const char *saved = scratch_path("changed.safetensors"), *kept = scratch_path("kept.safetensors");
    Network *network = load(FIXTURES "layers.pth"), *copy = network_derive(network, "change", "change", &err);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) change(copy, cases[i].name, value);
    assert_ptr_equal(tensor_of(copy, "head.weight")->tensor, tensor_of(copy, "tokens.weight")->tensor);
    assert_ptr_not_equal(tensor_of(network, "head.weight")->tensor, tensor_of(copy, "head.weight")->tensor);
    change(copy, "head.weight", value);
    assert_ptr_equal(tensor_of(copy, "head.weight")->tensor, tensor_of(copy, "tokens.weight")->tensor);
    assert_true(network_save_large(copy, saved, &(FileSaving){.overwrite = true}, &notes, &files, &err) &&
                network_keep(copy, kept, true, &err));
    assert_non_null(strstr(str_text(&notes),
                           "rounded to the dtype that they had: 'float8_e5m2' (F8_E5M2), 'half.weight' "
                           "(F16), 'brain.weight' (BF16)\n"));
    Checkpoint *file = checkpoint_open(saved, &err);
    for (size_t i = 0, at; i < sizeof cases / sizeof *cases; i++) {
        uint64_t elements[64] = {0}, first = 0;
        assert_true(checkpoint_find(file, cases[i].name, &at));
        assert_int_equal(checkpoint_tensor(file, at)->dtype, cases[i].dtype);
        assert_true(checkpoint_read(file, at, elements, &err));
        memcpy(&first, elements, dtype_bits(cases[i].dtype) / 8);
        assert_int_equal(first, cases[i].bits);
    }
    checkpoint_close(file);
    Network *back = load(kept);
    assert_int_equal(tensor_of(back, "half.weight")->stored, DTYPE_F32);
    assert_int_equal(tensor_of(back, "half.bias")->stored, DTYPE_F16);
    for (size_t i = 0; i < copy->tensor_count; i++) {
        const NetTensor *mine = &copy->tensors[i], *theirs = tensor_of(back, mine->name);
        assert_memory_equal(mine->tensor->data, theirs->tensor->data, mine->tensor->count * sizeof(float));
    }
    network_free(back);
    network_free(copy);
    network_free(network);
    str_done(&notes);
}

/* The file's own metadata goes along; numbers are of its very weights. */
static void metadata(void **state) {
    (void)state;
    static char license[] = "license", mit[] = "MIT", accuracy[] = "accuracy", number[] = "92.5", tie[] = "b.weight",
                to[] = "a.weight", title[] = "title";
    const KeyValue list[] = {{license, mit}, {accuracy, number}, {tie, to}, {title, to}};
    const float values[4] = {1, 2, 3, 4};
    const uint64_t dim[2] = {2, 2};
    const TensorOut tensor = {"a.weight", DTYPE_F32, 2, dim, values};
    Error err;
    const char *path = scratch_path("metadata.safetensors"), *again = scratch_path("metadata2.safetensors");
    assert_true(safetensors_save(path, true, &tensor, 1, list, 4, &err));
    Network *network = load(path), *derived = network_derive(network, "change", "change", &err);
    assert_int_equal(network->tensor_count, 2); /* a, b; a title is no name of a tensor */
    assert_int_equal(network->layer_count, 2);
    assert_int_equal(network_parameters(network), 4);
    assert_true(network_save(network, again, true, &err));
    Checkpoint *file = checkpoint_open(again, &err);
    assert_string_equal(checkpoint_metadata_find(file, "license"), "MIT");
    assert_string_equal(checkpoint_metadata_find(file, "accuracy"), "92.5");
    assert_string_equal(checkpoint_metadata_find(file, "b.weight"), "a.weight");
    checkpoint_close(file);
    assert_true(network_save(derived, again, true, &err));
    file = checkpoint_open(again, &err);
    assert_string_equal(checkpoint_metadata_find(file, "license"), "MIT");
    assert_null(checkpoint_metadata_find(file, "accuracy"));
    checkpoint_close(file);
    network_free(network);
    network_free(derived);
}

/* Any one allocation or read that fails while loading, deriving and saving is a plain error. */
static void faults(void **state) {
    (void)state;
    static const FaultKind kinds_of[] = {FAULT_ALLOC, FAULT_READ};
    const char *path = scratch_path("faults.safetensors");
    for (size_t kind = 0; kind < 2; kind++)
        for (uint64_t nth = 1;; nth += 7) {
            Error err = {0};
            fault_arm(kinds_of[kind], nth, false);
            Network *network = network_load(FIXTURES "layers.pth", NULL, &err);
            Network *copy = network ? network_derive(network, "change", "change", &err) : NULL;
            const bool done = copy && network_save(copy, path, true, &err);
            const bool over = fault_disarm() < nth;
            network_free(network);
            network_free(copy);
            if (over) {
                assert_true(done);
                break;
            }
            if (!done && err.status == STATUS_OK) fail_msg("fault %llu: no reason", (unsigned long long)nth);
        }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kinds),
        cmocka_unit_test(transposed_or_not),
        cmocka_unit_test(matrices_of_names),
        cmocka_unit_test(folded),
        cmocka_unit_test(not_folded),
        cmocka_unit_test(folded_in_passes),
        cmocka_unit_test(folded_and_recognised),
        cmocka_unit_test(saved_as_read),
        cmocka_unit_test(saved_as_npz),
        cmocka_unit_test(changed),
        cmocka_unit_test(metadata),
        cmocka_unit_test(faults),
    };
    return cmocka_run_group_tests_name("kinds", tests, NULL, NULL);
}
