/* test_predictor -- predictors as objects: sizes, initial values, targets and crops, sources and fingerprints,
 * reconstruction; compression ratios and reconstruction losses against NumPy (tests/oracle, ../shared/oracle). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "predictor/internal.h"
#include "../support/handmade.h"
#include "../support/oracle.h"
#include "weft/base/error.h"
#include "weft/base/fault.h"
#include "weft/base/memory.h"
#include "weft/base/tensor.h"

/* Kernels of 3x3, 1x1 and 2x3, a linear layer between. */
static const HandmadeLayer mixed[] = {
    {"a", 4, {4, 3, 3, 3}}, {"b", 4, {2, 4, 1, 1}}, {"c", 2, {5, 4}}, {"d", 4, {3, 2, 2, 3}}};
enum { MIXED = 4, MIXED_KERNELS = 12 + 8 + 6, MIXED_WEIGHTS = 108 + 8 + 36 };
static const bool mixed_chosen[MIXED] = {true, true, false, true};

static PredictorConfig small_config(void) {
    PredictorConfig config = predictor_config();
    config.levels = 3;
    config.hidden = 5;
    config.linear = 3;
    return config;
}

static Predictor *made(const Network *network, const bool *chosen, const PredictorConfig *config) {
    Error err;
    Predictor *p = predictor_new(network, chosen, config, 7, "train p", NULL, &err);
    if (!p) fail_msg("%s", err.text);
    return p;
}

static const char *note_of(const Predictor *p, const char *key) {
    for (size_t i = 0; i < p->note_count; i++)
        if (strcmp(p->notes[i].key, key) == 0) return p->notes[i].value;
    return NULL;
}

/* ---- sizes ------------------------------------------------------------------------------------------------------- */

static void lays_out(void **state) {
    (void)state;
    Network *network = handmade_network(mixed, MIXED, 1);
    const PredictorConfig config = small_config();
    Predictor *p = made(network, mixed_chosen, &config);
    assert_int_equal(p->layer_count, 3);
    assert_string_equal(p->layers[2].name, "d");
    assert_int_equal(p->layers[0].first, 0);
    assert_int_equal(p->layers[1].first, 12);
    assert_int_equal(p->layers[2].first, 20);
    assert_int_equal(p->kernel_count, MIXED_KERNELS);
    assert_int_equal(p->weight_count, MIXED_WEIGHTS);
    assert_int_equal(p->size, 3);
    assert_int_equal(p->outputs, 9);
    assert_int_equal(p->parameter_count, 18 * 5 + 5 + 5 * 5 + 5 + 5 * 9 + 9);
    assert_int_equal(p->mlp[0].in, 18);
    assert_int_equal(p->mlp[2].out, 9);
    assert_int_equal(p->source_parameters, network_parameters(network));
    for (size_t k = 0; k < p->kernel_count; k++)
        assert_int_equal(predictor_layer_of(p, k), k < 12 ? 0 : k < 20 ? 1 : 2);
    assert_int_equal(p->lineage_count, 1);
    assert_string_equal(p->lineage[0].value, "train p");
    predictor_free(p);
    network_free(network);
}

/* Torchvision's ResNet18: the 3x3 convolutions of layer1 to layer4. */
static Network *resnet18(void) {
    enum { LAYERS = 16 };
    static char names[LAYERS][32];
    HandmadeLayer layers[LAYERS];
    for (unsigned i = 0; i < LAYERS; i++) {
        const unsigned stage = i / 4, width = 64u << stage;
        snprintf(names[i], sizeof names[i], "layer%u.%u.conv%u", stage + 1, i % 4 / 2, i % 2 + 1);
        layers[i] = (HandmadeLayer){names[i], 4, {width, i % 4 == 0 && stage > 0 ? width / 2 : width, 3, 3}};
    }
    return handmade_network(layers, LAYERS, 1);
}

/* Compression ratios of the paper's Appendix E, of predicted weights alone; what is usual for networks of that size. */
static void measures_as_published(void **state) {
    static const struct {
        unsigned hidden;
        double ratio;
    } published[] = {{700, 0.15}, {1024, 0.31}, {1372, 0.55}};
    (void)state;
    Network *network = resnet18();
    bool chosen[16];
    uint64_t kernels, weights;
    for (unsigned i = 0; i < 16; i++) chosen[i] = true;
    predictor_count(network, chosen, &kernels, &weights);
    assert_int_equal(kernels, 1220608);
    assert_int_equal(weights, 10985472);
    assert_int_equal(predictor_usual_order(weights), PERMUTATION_CROSS_FILTER);
    assert_int_equal(predictor_usual_order(3206976), PERMUTATION_IN_FILTER); /* MobileNet v1 */
    for (size_t i = 0; i < sizeof published / sizeof *published; i++) {
        PredictorConfig config = predictor_config();
        config.hidden = published[i].hidden;
        config.permutation = PERMUTATION_NONE;
        Predictor *p = made(network, chosen, &config);
        assert_int_equal(p->kernel_count, kernels);
        assert_int_equal(p->weight_count, weights);
        if (fabs((double)p->parameter_count / (double)weights - published[i].ratio) > 0.005)
            fail_msg("hidden %u: %zu parameters", published[i].hidden, p->parameter_count);
        predictor_free(p);
    }
    network_free(network);
}

/* Uniform within 1 / sqrt(in) of each layer, from the seed alone. */
static void initialises(void **state) {
    (void)state;
    const HandmadeLayer one = {"a", 4, {4, 3, 3, 3}};
    Network *network = handmade_network(&one, 1, 1);
    PredictorConfig config = predictor_config();
    const bool chosen[] = {true};
    Predictor *p = made(network, chosen, &config), *again = made(network, chosen, &config);
    assert_memory_equal(p->parameters, again->parameters, p->parameter_count * sizeof(float));
    for (unsigned i = 0; i < 5; i++) {
        const MlpLayer *layer = &p->mlp[i];
        const double bound = 1 / sqrt(layer->in);
        double sum = 0, squares = 0, most = 0;
        const size_t count = (size_t)layer->in * layer->out + layer->out;
        for (size_t k = 0; k < count; k++) {
            const double value = (double)p->parameters[layer->weight + k];
            sum += value;
            squares += value * value;
            most = fmax(most, fabs(value));
        }
        assert_true(most <= bound * (1 + 1e-6) && most > 0.99 * bound);
        const double n = (double)count;
        assert_true(fabs(sum / n) < 5 * bound / sqrt(3 * n));
        assert_true(fabs(squares / n * 3 / (bound * bound) - 1) < 5 * sqrt(0.8 / n)); /* var of u^2: 4/45 */
    }
    predictor_free(p);
    predictor_free(again);
    network_free(network);
}

static void check_refused(const Network *network, const bool *chosen, const PredictorConfig *config,
                          const char *reason) {
    Error err;
    assert_null(predictor_new(network, chosen, config, 1, "train", NULL, &err));
    assert_int_equal(err.status, STATUS_USAGE);
    if (!strstr(err.text, reason)) fail_msg("'%s' is not in '%s'", reason, err.text);
}

static void refuses_bad_settings(void **state) {
    (void)state;
    Network *network = handmade_network(mixed, MIXED, 1);
    const bool none[MIXED] = {false}, linear[MIXED] = {true, false, true, false};
    PredictorConfig config = small_config();
    check_refused(network, none, &config, "none is selected");
    check_refused(network, NULL, &config, "the architecture names none (select layers with --layers)");
    check_refused(network, linear, &config, "c is not a two-dimensional convolution");
    config.levels = 0;
    check_refused(network, mixed_chosen, &config, "levels 0");
    config = small_config();
    const double bases[] = {0, -1, NAN, INFINITY, 1e300};
    for (size_t i = 0; i < 5; i++) {
        config.base = bases[i];
        check_refused(network, mixed_chosen, &config, "base");
    }
    config = small_config();
    config.hidden = 0;
    check_refused(network, mixed_chosen, &config, "hidden size 0");
    config = small_config();
    config.linear = 1;
    check_refused(network, mixed_chosen, &config, "1 linear layers");
    config.linear = MLP_LAYERS_MAX + 1;
    check_refused(network, mixed_chosen, &config, "linear layers are not from 2 to");
    network_free(network);
}

static void check_counts(const Network *network, const json_t *row) {
    PredictorConfig config = predictor_config();
    config.hidden = (unsigned)oracle_number(row, "hidden");
    config.permutation = PERMUTATION_NONE;
    Predictor *p = made(network, NULL, &config);
    const double parameters = (double)p->parameter_count;
    assert_true(parameters == oracle_number(row, "parameters"));
    assert_true(fabs(4 * parameters / 1048576 - oracle_number(row, "size_mb")) < 1e-12);
    assert_true(fabs(parameters / (double)p->source_parameters - oracle_number(row, "cr_total")) < 1e-12);
    assert_true(fabs(parameters / (double)p->weight_count - oracle_number(row, "cr_conv")) < 1e-12);
    predictor_free(p);
}

/* Parameters, MB and ratios of both networks of an oracle; ../shared's are the published sizes. */
static void counts_as_the_oracle(void **state) {
    (void)state;
    for (const Oracle *o = NULL; (o = oracle_next(o));) {
        json_t *cr = oracle_values(o, "cr"), *row;
        Network *network = oracle_network(o->network), *deep = oracle_network(o->deep);
        size_t index, seen = 0;
        json_array_foreach(json_object_get(cr, "rows"), index, row) {
            const char *name = json_string_value(json_object_get(row, "network"));
            const bool first = strcmp(name, o->name) == 0;
            if (!first && strcmp(name, o->deep_name) != 0) continue;
            check_counts(first ? network : deep, row);
            seen++;
        }
        assert_true(seen >= 11);
        json_decref(cr);
        network_free(network);
        network_free(deep);
    }
}

/* ---- targets and reconstruction ---------------------------------------------------------------------------------- */

/* The place of weight (row, column) of a kernel of height x width in a frame of 3 x 3, written out by hand. */
static unsigned centre(unsigned height, unsigned width, unsigned row, unsigned column) {
    return (row + (height == 1)) * 3 + column + (width == 1);
}

static void crops_targets(void **state) {
    (void)state;
    Error err;
    Network *network = handmade_network(mixed, MIXED, 1);
    const PredictorConfig config = small_config();
    Predictor *p = made(network, mixed_chosen, &config);
    float *targets = predictor_targets(p, network, &err), mask[9];
    assert_non_null(targets);
    for (size_t i = 0; i < p->layer_count; i++) {
        const PredictedLayer *layer = &p->layers[i];
        const unsigned height = layer->kernel[0], width = layer->kernel[1];
        const float *weights = handmade_weights(network, i == 2 ? 3 : i);
        float expected[9];
        predictor_mask(p, i, mask);
        for (size_t k = 0; k < layer->filters * layer->channels; k++) {
            memset(expected, 0, sizeof expected);
            for (unsigned r = 0; r < height; r++)
                for (unsigned c = 0; c < width; c++)
                    expected[centre(height, width, r, c)] = weights[(k * height + r) * width + c];
            assert_memory_equal(targets + (layer->first + k) * 9, expected, sizeof expected);
            for (unsigned j = 0; j < 9; j++) assert_true(mask[j] == (expected[j] != 0 ? 1 : 0));
        }
    }
    mem_free(targets);
    predictor_free(p);
    network_free(network);
}

/* Predictions that are the targets give the source again, others only where a kernel is. */
static void reconstructs(void **state) {
    (void)state;
    Error err;
    Network *network = handmade_network(mixed, MIXED, 1);
    const PredictorConfig config = small_config();
    Predictor *p = made(network, mixed_chosen, &config);
    float *targets = predictor_targets(p, network, &err);
    assert_non_null(targets);
    Network *same = predictor_reconstruct(p, targets, "reconstruct p", &err);
    assert_non_null(same);
    for (size_t i = 0; i < MIXED; i++) {
        const Tensor *a = layer_weight(network, &network->layers[i]), *b = layer_weight(same, &same->layers[i]);
        assert_memory_equal(a->data, b->data, a->count * sizeof(float));
        assert_int_equal(a == b, i == 2); /* what is not predicted is shared */
    }
    assert_int_equal(same->lineage_count, 2);
    assert_string_equal(same->lineage[0].value, "train p");
    assert_string_equal(same->lineage[1].value, "reconstruct p");
    for (size_t i = 0; i < p->kernel_count * 9; i++) targets[i] = (float)i;
    Network *other = predictor_reconstruct(p, targets, "reconstruct p", &err);
    assert_non_null(other);
    const float *b = layer_weight(other, &other->layers[1])->data, *d = layer_weight(other, &other->layers[3])->data;
    for (size_t k = 0; k < 8; k++) assert_true(b[k] == (float)((12 + k) * 9 + 4));
    for (size_t k = 0; k < 6; k++)
        for (size_t j = 0; j < 6; j++) assert_true(d[6 * k + j] == (float)((20 + k) * 9 + j));
    mem_free(targets);
    network_free(same);
    network_free(other);
    predictor_free(p);
    network_free(network);
}

static void take_parameters(Predictor *p, Checkpoint *npz) {
    for (unsigned i = 0; i < 5; i++) {
        char stem[32];
        snprintf(stem, sizeof stem, i < 4 ? "layers.%u" : "final_linear_layer", i);
        Tensor *weight = oracle_tensor(npz, "h32.%s.weight", stem), *bias = oracle_tensor(npz, "h32.%s.bias", stem);
        memcpy(p->parameters + p->mlp[i].weight, weight->data, weight->count * sizeof(float));
        memcpy(p->parameters + p->mlp[i].bias, bias->data, bias->count * sizeof(float));
        tensor_release(weight);
        tensor_release(bias);
    }
}

/* Of what the predictor makes of its network. */
static double reconstruction_loss(const Predictor *p, const Network *network) {
    Error err;
    double squares = 0;
    Network *made_of = predictor_reconstruct(p, NULL, "reconstruct", &err);
    if (!made_of) fail_msg("%s", err.text);
    for (size_t i = 0; i < network->layer_count; i++) {
        const Tensor *a = layer_weight(network, &network->layers[i]), *b = layer_weight(made_of, &made_of->layers[i]);
        for (uint64_t w = 0; w < a->count; w++)
            squares += ((double)a->data[w] - (double)b->data[w]) * ((double)a->data[w] - (double)b->data[w]);
    }
    network_free(made_of);
    return sqrt(squares / (double)p->weight_count);
}

/* The loss pins the direction of the permutations: of an untrained predictor, of the sample with each of the orders. */
static void check_reconstruction(const Oracle *oracle, const json_t *losses, const Predictor *trained) {
    static const char *const keys[] = {"none", "infilter", "crossfilter"};
    Checkpoint *npz = oracle_arrays(oracle, "predictor");
    Network *network = oracle_network(oracle->network);
    for (int kind = 0; kind < PERMUTATION_COUNT; kind++) {
        PredictorConfig config = predictor_config();
        config.hidden = trained ? trained->config.hidden : 32;
        config.permutation = (PermutationKind)kind;
        Predictor *p = made(network, NULL, &config);
        if (trained)
            memcpy(p->parameters, trained->parameters, p->parameter_count * sizeof(float));
        else
            take_parameters(p, npz);
        const double loss = reconstruction_loss(p, network), expected = oracle_number(losses, keys[kind]);
        if (!(fabs(loss / expected - 1) < 1e-6))
            fail_msg("%s: %.12g, the oracle has %.12g", keys[kind], loss, expected);
        predictor_free(p);
    }
    checkpoint_close(npz);
    network_free(network);
}

static void reconstructs_as_the_oracle(void **state) {
    (void)state;
    Error err;
    Predictor *sample = predictor_load("samples/fashion-resnet8-predictor.safetensors", NULL, NULL, &err);
    if (!sample) fail_msg("%s", err.text);
    for (const Oracle *o = NULL; (o = oracle_next(o));) {
        json_t *values = oracle_values(o, "permutation");
        check_reconstruction(o, json_object_get(values, "recon_loss_of_h32_predictor"), NULL);
        if (o->own) check_reconstruction(o, json_object_get(values, "recon_loss_of_h64_predictor"), sample);
        json_decref(values);
    }
    predictor_free(sample);
}

/* ---- sources ----------------------------------------------------------------------------------------------------- */

static void knows_its_source(void **state) {
    (void)state;
    Error err;
    Network *network = handmade_network(mixed, MIXED, 1), *other = handmade_network(mixed, MIXED, 2);
    Network *kept = handmade_network(mixed, MIXED, 1);
    const PredictorConfig config = small_config();
    Predictor *p = made(network, mixed_chosen, &config);
    char fingerprint[FINGERPRINT_MAX];
    handmade_weights(kept, 2)[0] += 1; /* of the layer that is not predicted */
    assert_true(predictor_fingerprint(kept, p->layers, p->layer_count, fingerprint, &err));
    assert_string_equal(fingerprint, p->fingerprint);
    assert_true(predictor_attach(p, other, &err));
    assert_non_null(strstr(note_of(p, "source"), "differ from those"));
    assert_string_equal(fingerprint, p->fingerprint);
    assert_true(predictor_attach(p, kept, &err));
    assert_null(note_of(p, "source"));
    assert_ptr_equal(layer_weight(p->source, &p->source->layers[2]), layer_weight(kept, &kept->layers[2]));
    handmade_weights(kept, 3)[35] = nextafterf(handmade_weights(kept, 3)[35], 9);
    assert_true(predictor_fingerprint(kept, p->layers, p->layer_count, fingerprint, &err));
    assert_string_not_equal(fingerprint, p->fingerprint);

    const HandmadeLayer wrong[] = {{"a", 4, {4, 3, 3, 3}}, {"b", 4, {2, 4, 3, 3}}, {"d", 4, {3, 2, 2, 3}}};
    Network *reshaped = handmade_network(wrong, 3, 1), *lacking = handmade_network(wrong, 1, 1);
    const Network *before = p->source;
    assert_false(predictor_attach(p, reshaped, &err));
    assert_int_equal(err.status, STATUS_USAGE);
    assert_non_null(strstr(err.text, "layer b is not 2x4x1x1"));
    assert_false(predictor_attach(p, lacking, &err));
    assert_non_null(strstr(err.text, "no layer b"));
    assert_null(predictor_targets(p, lacking, &err));
    assert_int_equal(err.status, STATUS_USAGE);
    assert_ptr_equal(p->source, before);
    network_free(p->source);
    p->source = NULL;
    assert_null(predictor_reconstruct(p, NULL, "reconstruct", &err));
    assert_int_equal(err.status, STATUS_FAILED);
    assert_non_null(strstr(err.text, "--for NET"));
    predictor_free(p);
    network_free(network);
    network_free(other);
    network_free(kept);
    network_free(reshaped);
    network_free(lacking);
}

static void derives(void **state) {
    (void)state;
    Error err;
    Network *network = handmade_network(mixed, MIXED, 1);
    const PredictorConfig config = small_config();
    Predictor *p = made(network, mixed_chosen, &config);
    assert_true(predictor_note(p, "partial", "step 1", &err) && predictor_note(p, "partial", "step 2", &err));
    assert_int_equal(p->note_count, 1);
    Predictor *copy = predictor_derive(p, "train", "train q --from p", &err);
    assert_non_null(copy);
    assert_string_equal(note_of(copy, "partial"), "step 2");
    assert_string_equal(copy->fingerprint, p->fingerprint);
    assert_int_equal(copy->lineage_count, 2);
    assert_memory_equal(copy->index, p->index, p->kernel_count * sizeof *p->index);
    assert_memory_equal(copy->parameters, p->parameters, p->parameter_count * sizeof(float));
    copy->parameters[0] += 1;
    assert_true(copy->parameters[0] != p->parameters[0]);
    predictor_free(p);
    assert_ptr_equal(layer_weight(copy->source, &copy->source->layers[0]), layer_weight(network, &network->layers[0]));
    predictor_free(copy);
    network_free(network);
}

/* ---- memory ------------------------------------------------------------------------------------------------------ */

static bool everything(const Network *network, Error *err) {
    const PredictorConfig config = small_config();
    Predictor *p = predictor_new(network, mixed_chosen, &config, 1, "train", NULL, err);
    Predictor *copy = p ? predictor_derive(p, "train", "train", err) : NULL;
    bool done = copy && predictor_note(copy, "partial", "step 1", err) && predictor_attach(copy, network, err);
    Network *made_of = done ? predictor_reconstruct(copy, NULL, "reconstruct", err) : NULL;
    predictor_free(p);
    predictor_free(copy);
    network_free(made_of);
    return made_of != NULL;
}

static void survives_lack_of_memory(void **state) {
    (void)state;
    Error err;
    Network *network = handmade_network(mixed, MIXED, 1);
    assert_true(everything(network, &err)); /* what is made once for the process */
    bool done = false;
    for (uint64_t n = 1; !done; n++) {
        fault_arm(FAULT_ALLOC, n, false);
        done = everything(network, &err);
        fault_disarm();
        assert_true(done || err.status == STATUS_LIMIT);
        assert_true(n < 2000);
    }
    network_free(network);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lays_out),
        cmocka_unit_test(measures_as_published),
        cmocka_unit_test(initialises),
        cmocka_unit_test(refuses_bad_settings),
        cmocka_unit_test(counts_as_the_oracle),
        cmocka_unit_test(crops_targets),
        cmocka_unit_test(reconstructs),
        cmocka_unit_test(reconstructs_as_the_oracle),
        cmocka_unit_test(knows_its_source),
        cmocka_unit_test(derives),
        cmocka_unit_test(survives_lack_of_memory),
    };
    return cmocka_run_group_tests_name("predictor", tests, NULL, NULL);
}
