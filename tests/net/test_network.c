/* test_network -- recognising, loading, saving, deriving; normalisation; memory that runs out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "net/internal.h"
#include "../support/bytes.h"
#include "../support/resnet.h"
#include "weft/base/dtype.h"
#include "weft/base/error.h"
#include "weft/base/fault.h"
#include "weft/base/memory.h"
#include "weft/base/tensor.h"
#include "weft/base/text.h"

#define SHARED "../shared/data/"

static Network *load(const char *path) {
    Error err;
    Network *network = network_load(path, NULL, &err);
    if (!network) fail_msg("%s", err.text);
    return network;
}

static const char *written(const ResNetFile *file) {
    const char *path = scratch_path("resnet.safetensors");
    assert_true(write_resnet(path, file));
    return path;
}

/* ---- recognising ------------------------------------------------------------------------------------------------- */

static void check_recognised(const ResNetFile *file, const char *architecture, size_t layers) {
    Network *network = load(written(file));
    if (!network->graph) fail_msg("%s", network->why_unknown);
    assert_string_equal(network->architecture, architecture);
    assert_int_equal(network->layer_count, layers);
    assert_int_equal(network->graph->in_channels, file->channels);
    assert_int_equal(network->graph->classes, file->classes);
    assert_int_equal(network->graph->height, file->channels == 1 ? 28 : 32);
    network_free(network);
}

static void recognises_variants(void **state) {
    (void)state;
    ResNetFile file = resnet_small;
    check_recognised(&file, "ResNet8 (CIFAR, option A, widths 4/6/8)", 8);
    file.counters = true;
    file.last = "fc";
    check_recognised(&file, "ResNet8 (CIFAR, option A, widths 4/6/8)", 8);
    file.shortcut = "downsample";
    check_recognised(&file, "ResNet8 (CIFAR, option B, widths 4/6/8)", 10);
    file.shortcut = "shortcut";
    file.channels = 1;
    check_recognised(&file, "ResNet8 (CIFAR, option B, widths 4/6/8)", 10);
    file = resnet_small;
    for (int i = 0; i < 3; i++) file.blocks[i] = 3;
    file.classes = 100;
    check_recognised(&file, "ResNet20 (CIFAR, option A, widths 4/6/8)", 20);
    file.blocks[1] = 1;
    file.width[0] = 5;
    check_recognised(&file, "ResNet16 (CIFAR, blocks 3/1/3, option A, widths 5/6/8)", 16);
    file.width[1] = 5; /* the same width: a shortcut that only subsamples */
    check_recognised(&file, "ResNet16 (CIFAR, blocks 3/1/3, option A, widths 5/5/8)", 16);
}

/* The reason is kept for evaluate's message, and is the error where the architecture was asked for. */
static void check_unknown(const ResNetFile *file, const char *reason) {
    Error err;
    const char *path = written(file);
    Network *network = load(path);
    assert_null(network->graph);
    assert_null(network->architecture);
    if (!strstr(network->why_unknown, reason)) fail_msg("'%s' is not in '%s'", reason, network->why_unknown);
    assert_null(engine_new(network, 1, 32, 32, NULL, &err));
    assert_int_equal(err.status, STATUS_FAILED);
    assert_non_null(strstr(err.text, reason));
    network_free(network);
    const NetworkOptions options = {.architecture = "resnet-cifar"};
    assert_null(network_load(path, &options, &err));
    assert_int_equal(err.status, STATUS_BAD_INPUT);
    assert_non_null(strstr(err.text, reason));
    assert_non_null(strstr(err.text, "resnet.safetensors: not resnet-cifar: "));
}

static void says_why_unknown(void **state) {
    (void)state;
    static const char *const needed[] = {
        "conv1.weight",  "bn1.running_mean", "layer1.0.conv2.weight", "layer2.0.conv1.weight", "layer3.0.bn2.bias",
        "linear.weight", "linear.bias"};
    ResNetFile file = resnet_small;
    for (size_t i = 0; i < sizeof needed / sizeof *needed; i++) {
        file.omit = needed[i];
        check_unknown(&file, text_of("no tensor '%s'", needed[i]));
    }
    file.omit = NULL;
    file.add = "layer4.0.conv1.weight";
    check_unknown(&file, "tensor 'layer4.0.conv1.weight' does not belong to it");
    file.add = NULL;
    file.reshape = "layer2.0.bn1.bias";
    check_unknown(&file, "'layer2.0.bn1.bias' is 6x1, expected 6");
    file.reshape = "conv1.weight";
    check_unknown(&file, "'conv1.weight' is 4x3x3x3x1, expected NxNx3x3");
    file = resnet_small;
    file.channels = 2;
    check_unknown(&file, "'conv1.weight' takes 2 input channels, expected 3 or 1");
    file = resnet_small;
    file.width[1] = 3;
    check_unknown(&file, "no tensor 'layer2.0.shortcut.0.weight' to go from 4 channels to 3");
}

static void architecture_by_name(void **state) {
    (void)state;
    Error err;
    const char *path = written(&resnet_small);
    const NetworkOptions right = {.architecture = "resnet-cifar"}, wrong = {.architecture = "resnet-cifra"};
    Network *network = network_load(path, &right, &err);
    assert_non_null(network);
    network_free(network);
    assert_null(network_load(path, &wrong, &err));
    assert_int_equal(err.status, STATUS_USAGE);
    assert_string_equal(err.text, "no architecture 'resnet-cifra'; did you mean resnet-cifar?");
    ArchitectureList *list = architecture_list(NULL, &err);
    bool there = false;
    assert_non_null(list);
    for (size_t i = 0; i < list->count; i++) {
        there = there || strcmp(list->families[i].name, "resnet-cifar") == 0;
        assert_true(strlen(list->families[i].help) > 0);
    }
    assert_true(there);
    architecture_list_free(list);
}

/* Convolutions and linear layers by rank and name, in file order; a mask of integers is none. */
static void unknown_architecture(void **state) {
    (void)state;
    const float values[64] = {0};
    const uint64_t conv[4] = {2, 2, 3, 3}, point[4] = {2, 2, 1, 1}, matrix[2] = {4, 8}, vector[1] = {2};
    const TensorOut tensors[] = {
        {"features.3.0.weight", DTYPE_F32, 4, conv, values},
        {"features.3.0.bias", DTYPE_F32, 1, vector, values},
        {"features.4.weight", DTYPE_F32, 4, point, values},
        {"head.weight", DTYPE_F32, 2, matrix, values},
        {"head.table", DTYPE_F32, 2, matrix, values},
        {"mask.weight", DTYPE_U8, 4, conv, values},
        {"plain", DTYPE_F32, 4, conv, values},
    };
    Error err;
    const char *path = scratch_path("unknown.safetensors");
    assert_true(safetensors_save(path, true, tensors, 7, NULL, 0, &err));
    Network *network = load(path);
    static const char *const names[] = {"features.3.0", "features.4", "head", "plain"};
    assert_int_equal(network->layer_count, 4);
    for (size_t i = 0; i < 4; i++) assert_string_equal(network->layers[i].name, names[i]);
    assert_true(network->layers[0].predicted && !network->layers[1].predicted && !network->layers[2].predicted);
    assert_true(network->layers[0].kind == LAYER_CONV && network->layers[2].kind == LAYER_LINEAR);
    assert_int_equal(network->note_count, 2);
    assert_string_equal(network->notes[0].value,
                        "These tensors are no layers, by their names or shapes: 'head.table' (4x8)");
    assert_string_equal(network->notes[1].value,
                        "These weights are integers, and no layers: 'mask.weight' (U8 2x2x3x3)");
    assert_int_equal(network->layers[0].stage, -1);
    assert_int_equal(network->layers[0].block, 3);
    assert_int_equal(network->layers[2].block, -1);
    assert_int_equal(network->normalisation.channels, 0);
    size_t rows, columns;
    layer_matrix(network, &network->layers[0], &rows, &columns);
    assert_true(rows == 2 && columns == 18);
    assert_ptr_equal(layer_weight(network, &network->layers[3]), network->tensors[6].tensor);
    network_free(network);
}

/* ---- elements ---------------------------------------------------------------------------------------------------- */

/* Complex numbers are carried along with a note; a file of nothing else is an error. */
static void carries_complex(void **state) {
    (void)state;
    const float values[64] = {0};
    const uint64_t dim[1] = {4};
    const TensorOut tensors[] = {{"c", DTYPE_C64, 1, dim, values}, {"x", DTYPE_F32, 1, dim, values}};
    Error err;
    const char *path = scratch_path("complex.safetensors");
    assert_true(safetensors_save(path, true, tensors, 2, NULL, 0, &err));
    Network *network = load(path);
    assert_int_equal(network->tensor_count, 1);
    assert_string_equal(network->notes[0].value, "weft cannot compute with these tensors; save copies them: 'c' (C64)");
    network_free(network);
    assert_true(safetensors_save(path, true, tensors, 1, NULL, 0, &err));
    assert_null(network_load(path, NULL, &err));
    assert_int_equal(err.status, STATUS_BAD_INPUT);
    assert_non_null(strstr(err.text, "complex.safetensors: no tensor can be used: 'c': C64 values"));
    assert_true(safetensors_save(path, true, tensors, 0, NULL, 0, &err));
    assert_null(network_load(path, NULL, &err));
    assert_non_null(strstr(err.text, "has no tensors"));
}

/* What a file holds, byte for byte. */
static void check_same_bytes(const char *a, const char *b) {
    Error err;
    Checkpoint *first = checkpoint_open(a, &err), *second = checkpoint_open(b, &err);
    assert_non_null(first);
    assert_non_null(second);
    assert_int_equal(checkpoint_count(first), checkpoint_count(second));
    for (size_t i = 0; i < checkpoint_count(first); i++) {
        size_t other;
        const CheckpointTensor *tensor = checkpoint_tensor(first, i);
        if (!checkpoint_find(second, tensor->name, &other)) fail_msg("%s is gone", tensor->name);
        assert_int_equal(tensor->dtype, checkpoint_tensor(second, other)->dtype);
        assert_int_equal(tensor->rank, checkpoint_tensor(second, other)->rank);
        assert_int_equal(tensor->count, checkpoint_tensor(second, other)->count);
        const size_t size = (size_t)tensor->count * dtype_bits(tensor->dtype) / 8;
        void *one = mem_alloc(size, 1, &err), *two = mem_alloc(size, 1, &err);
        assert_true(checkpoint_read(first, i, one, &err) && checkpoint_read(second, other, two, &err));
        assert_memory_equal(one, two, size);
        mem_free(one);
        mem_free(two);
    }
    checkpoint_close(first);
    checkpoint_close(second);
}

static void saves_every_bit(void **state) {
    (void)state;
    Error err;
    ResNetFile file = resnet_small;
    file.counters = true;
    const char *path = written(&file), *again = scratch_path("again.safetensors"), *npz = scratch_path("again.npz");
    Network *network = load(path), *back;
    assert_true(network_save(network, again, true, &err));
    check_same_bytes(path, again);
    assert_true(network_save(network, npz, true, &err));
    check_same_bytes(path, npz);
    assert_false(network_save(network, again, false, &err));
    assert_int_equal(err.status, STATUS_WRITE);
    assert_false(network_save(network, scratch_path("again.pth"), true, &err));
    assert_int_equal(err.status, STATUS_USAGE);
    back = load(again);
    assert_string_equal(back->architecture, network->architecture);
    network_free(back);
    network_free(network);
}

/* Not-a-number with its payload, infinities, negative zero, subnormals. */
static void saves_odd_floats(void **state) {
    (void)state;
    static const uint32_t bits[] = {0x7fc00001, 0xffc12345, 0x7f800001, 0x7f800000,
                                    0xff800000, 0x80000000, 1,          0x3f800000};
    static const int64_t integers[] = {INT64_MIN, INT64_MAX, (1 << 24) + 1, -1};
    static const uint8_t flags[] = {0, 1};
    const uint64_t eight[1] = {8}, four[2] = {2, 2}, two[1] = {2}, none[2] = {0, 3};
    const TensorOut tensors[] = {{"f", DTYPE_F32, 1, eight, bits},
                                 {"i", DTYPE_I64, 2, four, integers},
                                 {"b", DTYPE_BOOL, 1, two, flags},
                                 {"e", DTYPE_F32, 2, none, bits}};
    Error err;
    const char *path = scratch_path("odd.safetensors"), *again = scratch_path("odd-again.safetensors");
    assert_true(safetensors_save(path, true, tensors, 4, NULL, 0, &err));
    Network *network = load(path), *copy = network_derive(network, "copy", "copy", &err);
    assert_non_null(copy);
    network_free(network);
    assert_true(network_save(copy, again, true, &err));
    check_same_bytes(path, again);
    network_free(copy);
}

static void keeps_its_lineage(void **state) {
    (void)state;
    Error err;
    const char *path = written(&resnet_small), *saved = scratch_path("smooth.safetensors");
    const NetworkOptions options = {.normalise = "0.5,0.25,0.125/0.1"};
    Network *network = network_load(path, &options, &err);
    assert_non_null(network);
    Network *smooth = network_derive(network, "lowpass", "lowpass base --cutoff 4 \"\xff\" --into smooth", &err);
    assert_int_equal(smooth->lineage_count, 2);
    assert_true(network_save(smooth, saved, true, &err));
    Checkpoint *checkpoint = checkpoint_open(saved, &err);
    assert_string_equal(checkpoint_metadata_find(checkpoint, "format"), "pt");
    assert_string_equal(checkpoint_metadata_find(checkpoint, "weft.architecture"), network->architecture);
    assert_string_equal(checkpoint_metadata_find(checkpoint, "weft.normalise"), "0.5,0.25,0.125/0.1,0.1,0.1");
    checkpoint_close(checkpoint);
    Network *back = load(saved);
    assert_int_equal(back->lineage_count, 3);
    assert_string_equal(back->lineage[0].key, "load");
    assert_string_equal(back->lineage[0].value, path);
    assert_string_equal(back->lineage[1].key, "lowpass");
    assert_string_equal(back->lineage[1].value, "lowpass base --cutoff 4 \"\\xff\" --into smooth");
    assert_string_equal(back->lineage[2].value, saved);
    assert_memory_equal(&back->normalisation, &network->normalisation, sizeof back->normalisation);
    network_free(back);
    network_free(smooth);
    network_free(network);
}

static void odd_metadata(void **state) {
    (void)state;
    static char lineage[] = "weft.lineage", normalise[] = "weft.normalise", mine[] = "epoch", three[] = "3";
    static char list[] = "[{\"what\":1}]", bad[] = "0.5/0";
    const float values[4] = {0};
    const uint64_t dim[1] = {4};
    const TensorOut tensor = {"x", DTYPE_F32, 1, dim, values};
    const KeyValue metadata[] = {{lineage, list}, {mine, three}, {normalise, bad}};
    Error err;
    const char *path = scratch_path("metadata.safetensors");
    assert_true(safetensors_save(path, true, &tensor, 1, metadata, 2, &err));
    Network *network = load(path);
    assert_int_equal(network->lineage_count, 1);
    assert_int_equal(network->note_count, 2);
    assert_string_equal(network->notes[0].key, "epoch");
    assert_string_equal(network->notes[1].value, "weft.lineage is not understood and was left out");
    network_free(network);
    assert_true(safetensors_save(path, true, &tensor, 1, metadata, 3, &err));
    assert_null(network_load(path, NULL, &err));
    assert_int_equal(err.status, STATUS_BAD_INPUT);
    assert_non_null(strstr(err.text, "metadata.safetensors: metadata weft.normalise: "));
}

/* A checkpoint of PyTorch's, with batch norm's counters, keeps every bit. */
static void check_pytorch(const char *path, const char *architecture) {
    Error err;
    const char *again = scratch_path("pytorch.safetensors");
    Network *network = load(path);
    assert_string_equal(network->architecture, architecture);
    assert_true(network_save(network, again, true, &err));
    check_same_bytes(path, again);
    network_free(network);
}

static void pytorch_checkpoint(void **state) {
    (void)state;
    check_pytorch("tests/oracle/narrow.pth", "ResNet8 (CIFAR, option A, widths 2/4/8)");
    if (access(SHARED "fashion-resnet8.pth", R_OK) != 0) return;
    print_message("# also " SHARED "fashion-resnet8.pth\n");
    check_pytorch(SHARED "fashion-resnet8.pth", "ResNet8 (CIFAR, option A, widths 16/32/64)");
}

/* ---- deriving ---------------------------------------------------------------------------------------------------- */

static void derived_networks_share(void **state) {
    (void)state;
    Error err;
    ResNetFile file = resnet_small;
    file.counters = true;
    Network *network = load(written(&file)), *copy = network_derive(network, "change", "change it", &err);
    assert_non_null(copy);
    assert_ptr_equal(copy->graph, network->graph);
    for (size_t i = 0; i < network->tensor_count; i++)
        assert_ptr_equal(copy->tensors[i].tensor, network->tensors[i].tensor);
    Tensor *old = copy->tensors[0].tensor, *changed = tensor_new(old->rank, old->dim, &err);
    network_replace(copy, 0, changed);
    assert_ptr_equal(copy->tensors[0].tensor, changed);
    assert_ptr_equal(network->tensors[0].tensor, old);
    assert_int_equal(old->references, 1);
    assert_int_equal(network->tensors[1].tensor->references, 2);
    assert_int_equal(network_parameters(copy), network_parameters(network));
    size_t counter = 5; /* of bn1 */
    assert_string_equal(copy->tensors[counter].name, "bn1.num_batches_tracked");
    assert_int_equal(copy->tensors[counter].stored, DTYPE_I64);
    network_replace(copy, counter, tensor_new(0, NULL, &err));
    assert_int_equal(copy->tensors[counter].stored, DTYPE_F32);
    assert_int_equal(network->tensors[counter].stored, DTYPE_I64);
    network_free(network);
    assert_string_equal(copy->lineage[1].value, "change it");
    network_free(copy);
}

/* ---- normalisation ----------------------------------------------------------------------------------------------- */

static void check_normalisation(const char *text, unsigned channels, const char *expected) {
    Error err;
    Normalisation found, again;
    Str out = {0};
    if (!normalisation_parse(text, channels, &found, &err)) fail_msg("%s", err.text);
    normalisation_text(&found, &out);
    assert_string_equal(str_text(&out), expected);
    assert_true(normalisation_parse(out.text, channels, &again, &err));
    assert_memory_equal(&found, &again, sizeof found);
    str_done(&out);
}

static void check_bad_normalisation(const char *text, unsigned channels, const char *reason) {
    Error err;
    Normalisation out;
    assert_false(normalisation_parse(text, channels, &out, &err));
    assert_int_equal(err.status, STATUS_USAGE);
    if (!strstr(err.text, reason)) fail_msg("'%s' is not in '%s'", reason, err.text);
}

static void normalisations(void **state) {
    (void)state;
    check_normalisation("imagenet", 3, "0.485,0.456,0.406/0.229,0.224,0.225");
    check_normalisation("cifar10", 3, "0.4914,0.4822,0.4465/0.247,0.2435,0.2616");
    check_normalisation("cifar10-kuangliu", 3, "0.4914,0.4822,0.4465/0.2023,0.1994,0.201");
    check_normalisation("stl10", 3, "0.4467,0.4398,0.4066/0.2603,0.2566,0.2713");
    check_normalisation("half", 3, "0.5,0.5,0.5/0.5,0.5,0.5");
    check_normalisation("half", 1, "0.5/0.5");
    check_normalisation("half", 0, "0.5/0.5");
    check_normalisation("cifar100", 0, "0.5071,0.4865,0.4409/0.2673,0.2564,0.2762");
    check_normalisation("fashion-mnist", 1, "0.286/0.353");
    check_normalisation("none", 3, "none");
    check_normalisation("0.5/0.25", 3, "0.5,0.5,0.5/0.25,0.25,0.25");
    check_normalisation("0,0,0/1", 3, "none");
    check_normalisation("-1,0.333333343,2e-5/0.1,0.2,0.3", 0, "-1,0.33333334,2e-05/0.1,0.2,0.3");
    check_bad_normalisation("fashion-mnist", 3, "is for 1 channel, the network takes 3");
    check_bad_normalisation("imagenet21k", 3,
                            "give imagenet, cifar10, cifar10-kuangliu, cifar100, stl10, fashion-mnist, half, none, or "
                            "MEANS/STDS");
    check_bad_normalisation("imagenet", 1, "is for 3 channels, the network takes 1");
    check_bad_normalisation("0.5", 3, "MEANS/STDS");
    check_bad_normalisation("0.5/", 1, "MEANS/STDS");
    check_bad_normalisation("0.5,/1,1", 2, "MEANS/STDS");
    check_bad_normalisation("nan/1", 1, "MEANS/STDS");
    check_bad_normalisation("1/1e99", 1, "MEANS/STDS");
    check_bad_normalisation("1,2/1,2", 3, "2 means and 2 stds for 3 channels");
    check_bad_normalisation("0,0,0,0,0/1", 5, "at most 4");
    check_bad_normalisation("0,0,0,0,0/1", 0, "MEANS/STDS");
    check_bad_normalisation("0/0", 1, "above 0");
    check_bad_normalisation("0/-1", 1, "above 0");
}

/* By the input and the number of classes; unknown ones are asked for. */
static void guessed_normalisation(void **state) {
    (void)state;
    static const struct {
        unsigned channels, classes;
        const char *text;
    } cases[] = {{3, 10, "0.485,0.456,0.406/0.229,0.224,0.225"},
                 {3, 100, "0.5071,0.4865,0.4409/0.2673,0.2564,0.2762"},
                 {1, 10, "0.286/0.353"},
                 {3, 43, ""}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ResNetFile file = resnet_small;
        file.channels = cases[i].channels;
        file.classes = cases[i].classes;
        Network *network = load(written(&file));
        Str text = {0};
        Error err;
        normalisation_text(&network->normalisation, &text);
        assert_string_equal(str_text(&text), cases[i].text);
        Engine *engine = engine_new(network, 1, 8, 8, NULL, &err);
        assert_int_equal(engine != NULL, cases[i].text[0] != '\0');
        if (!engine) assert_non_null(strstr(err.text, "--normalise MEAN/STD"));
        engine_free(engine);
        str_done(&text);
        network_free(network);
    }
    const NetworkOptions options = {.normalise = "fashion-mnist"};
    Error err;
    assert_null(network_load(written(&resnet_small), &options, &err));
    assert_int_equal(err.status, STATUS_USAGE);
}

/* ---- memory ------------------------------------------------------------------------------------------------------ */

/* Loads, derives, chooses, runs and saves; any of it may run out of memory. */
static bool everything(const char *path, const char *out, Error *err) {
    static float pixels[2 * 3 * 6 * 6];
    float logits[20];
    bool chosen[16], done = false;
    unsigned channels, height, width;
    float *map = NULL;
    Engine *engine = NULL;
    Network *copy = NULL, *network = network_load(path, NULL, err);
    if (network) copy = network_derive(network, "copy", "copy", err);
    if (copy) engine = engine_new(copy, 2, 6, 6, NULL, err);
    if (engine) map = engine_reference(copy, pixels, 6, 6, 3, &channels, &height, &width, err);
    if (map)
        done = engine_set_network(engine, network, err) && engine_forward(engine, pixels, 2, logits, err) &&
               layer_select(copy, "layer*,-stage:1", true, chosen, err) && network_save(copy, out, true, err);
    mem_free(map);
    engine_free(engine);
    network_free(copy);
    network_free(network);
    return done;
}

/* The k-th allocation fails, for every k (and once more with all after it); the errors say so. */
static void memory_runs_out(void **state) {
    (void)state;
    Error err;
    ResNetFile file = resnet_small, spoilt = resnet_small;
    file.counters = true;
    spoilt.add = "extra";
    const char *good = scratch_path("good.safetensors"), *bad = scratch_path("bad.safetensors");
    const char *out = scratch_path("out.safetensors");
    assert_true(write_resnet(good, &file) && write_resnet(bad, &spoilt));
    assert_true(everything(good, out, &err));
    for (int all_after = 0; all_after < 2; all_after++) {
        bool done = false;
        for (uint64_t k = 1; !done; k++) {
            fault_arm(FAULT_ALLOC, k, all_after);
            done = everything(good, out, &err);
            fault_disarm();
            if (!done && err.status != STATUS_LIMIT &&
                !strstr(err.text, "out of memory")) /* a save's are STATUS_WRITE */
                fail_msg("allocation %d: %s", (int)k, err.text);
        }
        done = false;
        for (uint64_t k = 1; !done; k++) {
            fault_arm(FAULT_ALLOC, k, all_after);
            Network *network = network_load(bad, NULL, &err);
            fault_disarm();
            done = network != NULL;
            if (!done && err.status != STATUS_LIMIT) fail_msg("allocation %d: %s", (int)k, err.text);
            if (done) assert_non_null(strstr(network->why_unknown, "extra"));
            network_free(network);
        }
    }
}

static void over_the_budget(void **state) {
    (void)state;
    Error err;
    mem_set_budget(4096);
    assert_null(network_load(written(&resnet_small), NULL, &err));
    mem_set_budget(0);
    assert_int_equal(err.status, STATUS_LIMIT);
    assert_non_null(strstr(err.text, "resnet.safetensors"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(recognises_variants),    cmocka_unit_test(says_why_unknown),
        cmocka_unit_test(architecture_by_name),   cmocka_unit_test(unknown_architecture),
        cmocka_unit_test(carries_complex),        cmocka_unit_test(saves_every_bit),
        cmocka_unit_test(saves_odd_floats),       cmocka_unit_test(keeps_its_lineage),
        cmocka_unit_test(odd_metadata),           cmocka_unit_test(pytorch_checkpoint),
        cmocka_unit_test(derived_networks_share), cmocka_unit_test(normalisations),
        cmocka_unit_test(guessed_normalisation),  cmocka_unit_test(memory_runs_out),
        cmocka_unit_test(over_the_budget),
    };
    return cmocka_run_group_tests_name("networks", tests, NULL, NULL);
}
