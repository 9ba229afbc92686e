/* test_quantise -- integer weights and their table against PyTorch (tests/fixtures/make_quantise.py) and plain loops;
 * levels of activations, files, predictors, refusals. Whether the arithmetic is that of integers: test_integers.c.
 */
#include "weft/probe.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "../support/images.h"
#include "weft/base/dtype.h"
#include "weft/base/error.h"
#include "weft/base/memory.h"
#include "weft/base/pool.h"
#include "weft/base/table.h"
#include "weft/base/tensor.h"
#include "weft/base/text.h"

static const QuantiseOptions weights_only = {.bits = 8, .activation_bits = 8};

static Network *quantise(const Network *network, const QuantiseOptions *options, const char *selector, Error *err) {
    bool *chosen = mem_alloc(network->layer_count, sizeof *chosen, err);
    Network *made = layer_select(network, selector, false, chosen, err)
                        ? quantise_apply(network, options, chosen, "quantise x", NULL, err)
                        : NULL;
    mem_free(chosen);
    return made;
}

static Network *quantised(const Network *network, const QuantiseOptions *options) {
    Error err;
    Network *made = quantise(network, options, NULL, &err);
    if (!made) fail_msg("%s", err.text);
    return made;
}

static QuantiseOptions calibrated(const Dataset *images) {
    return (QuantiseOptions){.bits = 8, .activation_bits = 8, .calibration = images};
}

/* ---- numbers ----------------------------------------------------------------------------------------------------- */

static void rows_as_pytorch(void **state) {
    (void)state;
    Error err;
    Checkpoint *fixture = images_fixture();
    Tensor *weights = images_tensor(fixture, "weights");
    float out[7 * 45], scales[7];
    assert_int_equal(weights->count, 7 * 45);
    for (unsigned bits = 2; bits <= 8; bits++) {
        char name[32];
        snprintf(name, sizeof name, "per_channel.%u", bits);
        Tensor *expected = images_tensor(fixture, name);
        assert_true(quantise_rows(weights->data, 7, 45, bits, out, scales, &err));
        for (int i = 0; i < 7 * 45; i++)
            if (out[i] < expected->data[i] || out[i] > expected->data[i])
                fail_msg("%u bits, weight %d: %.9g, PyTorch's %.9g", bits, i, (double)out[i],
                         (double)expected->data[i]);
        assert_true(quantise_rows(out, 7, 45, bits, out, NULL, &err)); /* in place; and levels stay */
        for (int i = 0; i < 7 * 45; i++) assert_true(fabsf(out[i] - expected->data[i]) <= 2e-7f * fabsf(out[i]));
        tensor_release(expected);
    }
    tensor_release(weights);
    checkpoint_close(fixture);
}

/* Zeros, the smallest and the largest numbers. */
static void edges_of_rows(void **state) {
    (void)state;
    Error err;
    float out[4];
    const float zeros[4] = {0}, tiny[4] = {1e-44f, -1e-44f, 0, 1e-45f}, huge[4] = {1.7e38f, -1.7e38f, 1, 0};
    assert_true(quantise_rows(zeros, 1, 4, 8, out, NULL, &err));
    assert_memory_equal(out, zeros, sizeof zeros);
    assert_true(quantise_rows(tiny, 1, 4, 8, out, NULL, &err));
    for (int i = 0; i < 4; i++) assert_true(fabsf(out[i]) <= 1e-37f);
    assert_true(quantise_rows(huge, 2, 2, 2, out, NULL, &err));
    for (int i = 0; i < 3; i++) assert_true(fabsf(out[i] - huge[i]) <= 1e-6f * fabsf(huge[i]));
    const float bad[3] = {NAN, INFINITY, 3.4e38f};
    for (int i = 0; i < 3; i++) {
        assert_false(quantise_rows(&bad[i], 1, 1, 8, out, NULL, &err));
        assert_int_equal(err.status, STATUS_BAD_INPUT);
    }
    assert_true(quantise_rows(zeros, 0, 4, 8, out, NULL, &err));
}

static void ranges_as_pytorch(void **state) {
    (void)state;
    Checkpoint *fixture = images_fixture();
    Tensor *low = images_tensor(fixture, "range.low"), *high = images_tensor(fixture, "range.high");
    Tensor *scale = images_tensor(fixture, "range.scale"), *zero = images_tensor(fixture, "range.zero_point");
    for (uint64_t i = 0; i < low->count; i++) {
        const Quantiser q = quantiser_of_range(low->data[i], high->data[i], 8);
        if (q.scale < scale->data[i] || q.scale > scale->data[i] || q.zero_point != (int)zero->data[i])
            fail_msg("%g .. %g: scale %.9g, zero point %d; PyTorch's %.9g, %g", (double)low->data[i],
                     (double)high->data[i], (double)q.scale, q.zero_point, (double)scale->data[i],
                     (double)zero->data[i]);
        assert_true(fabsf(quantiser_apply(&q, 0)) <= 0);
    }
    tensor_release(low);
    tensor_release(high);
    tensor_release(scale);
    tensor_release(zero);
    checkpoint_close(fixture);
}

/* ---- the table --------------------------------------------------------------------------------------------------- */

static size_t layer_row(const Table *table, const char *name) {
    const Column *column = table_find(table, "layer");
    for (size_t i = 0; i < table->rows; i++)
        if (strcmp(column->cells[i].text, name) == 0) return i;
    fail_msg("no row '%s'", name);
    return 0;
}

/* 10 log10(sum w^2 / sum (w - w')^2), and the cosine of w and w'. */
static void check_row(const Table *table, const char *name, const float *was, const float *is, uint64_t count) {
    double signal = 0, noise = 0, product = 0, power = 0, largest = 0;
    for (uint64_t i = 0; i < count; i++) {
        const double x = (double)was[i], y = (double)is[i];
        signal += x * x;
        power += y * y;
        product += x * y;
        noise += (x - y) * (x - y);
        largest = fmax(largest, fabs(x - y));
    }
    const size_t row = layer_row(table, name);
    assert_true(fabs(table_number(table, "sqnr", row) - 10 * log10(signal / noise)) < 1e-9);
    assert_true(fabs(table_number(table, "cosine", row) - product / sqrt(signal * power)) < 1e-12);
    assert_true(fabs(table_number(table, "max_error", row) - largest) < 1e-12);
}

static double note(const Table *table, const char *key) {
    assert_non_null(table_get_note(table, key));
    return atof(table_get_note(table, key));
}

/* Worst first, fewer bits worse in every layer; the size of integers by hand. */
static void table_of_weights(void **state) {
    (void)state;
    Error err;
    Network *network = images_network();
    double before[16] = {0};
    for (unsigned bits = 2; bits <= 8; bits++) {
        const QuantiseOptions options = {.bits = bits};
        Network *made = quantised(network, &options);
        Table *table = quantise_table(network, made, NULL, NULL, &err);
        if (!table) fail_msg("%s", err.text);
        assert_int_equal(table->rows, network->layer_count);
        assert_null(table_find(table, "scale"));
        double weights = 0, channels = 0;
        for (size_t i = 0; i < network->layer_count; i++) {
            const Layer *layer = &made->layers[i];
            const Tensor *was = layer_weight(network, &network->layers[i]), *is = layer_weight(made, layer);
            assert_int_equal(layer->bits, bits);
            check_row(table, layer->name, was->data, is->data, was->count);
            const double sqnr = table_number(table, "sqnr", layer_row(table, layer->name));
            assert_true(bits == 2 || sqnr > before[i] + 3); /* 6 dB a bit */
            before[i] = sqnr;
            assert_true(i == 0 || table_number(table, "sqnr", i) >= table_number(table, "sqnr", i - 1));
            weights += (double)was->count;
            channels += (double)was->dim[0];
        }
        const double mb = 1 << 20, parameters = weights + 2 * (channels - 7) + 7; /* gamma, beta; the linear bias */
        assert_true(fabs(note(table, "size_float") - 4 * parameters / mb) < 1e-4);
        assert_true(fabs(note(table, "size") - (weights * bits / 8 + 8 * channels) / mb) < 1e-4);
        const QuantisedSize size = quantise_size(made);
        assert_true(fabs(size.as_float - 4 * parameters) < 1e-6);
        assert_true(size.quantised >= weights * bits / 8 + 8 * channels &&
                    size.quantised < weights * bits / 8 + 8 * channels + (double)network->layer_count);
        table_free(table);
        network_free(made);
    }
    const QuantisedSize size = quantise_size(network); /* nothing quantised: batch norm folded at most */
    assert_true(size.quantised <= size.as_float);
    network_free(network);
}

/* Some layers at a time, each to its own bits; not twice. */
static void layers_one_by_one(void **state) {
    (void)state;
    Error err;
    Network *network = images_network();
    const QuantiseOptions four = {.bits = 4};
    Network *some = quantise(network, &four, "stage:2", &err), *all;
    assert_non_null(some);
    assert_null(quantise(some, &weights_only, NULL, &err));
    assert_int_equal(err.status, STATUS_USAGE);
    assert_string_equal(err.text, "layer 'layer2.0.conv1' is quantised already, to 4 bits");
    all = quantise(some, &weights_only, "-layer2*", &err);
    assert_non_null(all);
    for (size_t i = 0; i < all->layer_count; i++)
        assert_int_equal(all->layers[i].bits, all->layers[i].stage == 2 ? 4 : 8);
    Table *table = quantise_table(network, all, NULL, NULL, &err);
    assert_int_equal(table->rows, network->layer_count);
    table_free(table);
    /* Other weights are no integers any more. */
    Tensor *tensor = tensor_new(4, layer_weight(all, &all->layers[0])->dim, &err);
    network_replace(all, all->layers[0].tensor, tensor);
    assert_int_equal(all->layers[0].bits, 0);
    assert_int_equal(all->layers[1].bits, 8);
    network_free(all);
    network_free(some);
    network_free(network);
}

/* ---- activations ------------------------------------------------------------------------------------------------- */

static double total_noise(const Network *network, const Network *made, const Dataset *data) {
    Error err;
    double sum = 0;
    Table *table = quantise_table(network, made, data, NULL, &err);
    if (!table) fail_msg("%s", err.text);
    for (size_t i = 0; i < table->rows; i++) {
        const double sqnr = table_number(table, "activation_sqnr", i);
        assert_true(sqnr > 0 && table_number(table, "scale", i) > 0);
        sum += pow(10, -sqnr / 10);
    }
    table_free(table);
    return sum;
}

/* With few levels it pays to cut: the least error by less than all of the range, and percentiles lie within it. */
static void observers(void **state) {
    (void)state;
    Error err;
    Network *network = network_load("samples/fashion-resnet8.safetensors", NULL, &err), *made[OBSERVER_COUNT];
    Dataset *data = dataset_load("sample:fashion-test", 24, &err);
    assert_true(network && data);
    double noise[OBSERVER_COUNT];
    for (int i = 0; i < OBSERVER_COUNT; i++) {
        const QuantiseOptions options = {.bits = 8, .activation_bits = 4, .calibration = data, .observer = (Observer)i};
        made[i] = quantised(network, &options);
        noise[i] = total_noise(network, made[i], data);
    }
    print_message("# noise over signal, 4 bits: all %.4f, percentiles %.4f, least error %.4f\n", noise[OBSERVER_MINMAX],
                  noise[OBSERVER_PERCENTILE], noise[OBSERVER_MSE]);
    assert_true(noise[OBSERVER_MSE] < noise[OBSERVER_MINMAX]);
    for (size_t i = 0; i < made[0]->graph->count; i++)
        for (int j = 1; made[0]->graph->ops[i].kind == OP_QUANTISE && j < OBSERVER_COUNT; j++) {
            const Quantiser *all = &made[0]->graph->ops[i].quantiser, *part = &made[j]->graph->ops[i].quantiser;
            assert_true(part->scale <= all->scale * 1.01f && part->scale > 0.1f * all->scale);
        }
    for (int i = 0; i < OBSERVER_COUNT; i++) network_free(made[i]);
    network_free(network);
    dataset_free(data);
}

static void same_logits(const Network *a, const Network *b, const Dataset *data) {
    float *x = logits_of(a, data), *y = logits_of(b, data);
    assert_memory_equal(x, y, data->count * a->graph->classes * sizeof *x);
    mem_free(x);
    mem_free(y);
}

/* Levels, weights, table: the same bits for one thread and two. */
static void threads(void **state) {
    (void)state;
    Error err;
    Images images = images_given();
    Network *network = images.network, *made[2];
    Table *table[2];
    Str text[2] = {{0}};
    for (unsigned i = 0; i < 2; i++) {
        QuantiseOptions options = calibrated(&images.dataset);
        options.observer = OBSERVER_MSE;
        pool_set_threads(1 + i);
        made[i] = quantised(network, &options);
        table[i] = quantise_table(network, made[i], &images.dataset, NULL, &err);
        table_write(table[i], TABLE_CSV, 0, &text[i]);
    }
    pool_set_threads(0);
    assert_string_equal(text[0].text, text[1].text);
    same_logits(made[0], made[1], &images.dataset);
    for (unsigned i = 0; i < 2; i++) {
        str_done(&text[i]);
        table_free(table[i]);
        network_free(made[i]);
    }
    images_done(&images);
}

/* An engine takes the levels of another network with its weights. */
static void other_levels(void **state) {
    (void)state;
    Error err;
    Images images = images_given();
    Network *network = images.network;
    QuantiseOptions options = calibrated(&images.dataset);
    Network *fine = quantised(network, &options);
    options.activation_bits = 3;
    Network *coarse = quantised(network, &options);
    float *expected = logits_of(coarse, &images.dataset), *pixels = mem_alloc(3 * 11 * 11, sizeof *pixels, &err),
          found[7];
    dataset_image(&images.dataset, 0, pixels);
    Engine *engine = engine_new(fine, 1, 11, 11, NULL, &err);
    assert_true(engine_forward(engine, pixels, 1, found, &err));
    assert_memory_not_equal(found, expected, sizeof found);
    assert_true(engine_set_network(engine, coarse, &err));
    assert_true(engine_forward(engine, pixels, 1, found, &err));
    assert_memory_equal(found, expected, sizeof found);
    assert_false(engine_set_network(engine, network, &err)); /* another graph */
    engine_free(engine);
    mem_free(expected);
    mem_free(pixels);
    network_free(fine);
    network_free(coarse);
    images_done(&images);
}

/* ---- files ------------------------------------------------------------------------------------------------------- */

static char path[] = "/tmp/weft-quantise-XXXXXX/net.safetensors";
enum { FOLDER = sizeof "/tmp/weft-quantise-XXXXXX" - 1 };

static int make_folder(void **state) {
    (void)state;
    path[FOLDER] = '\0';
    const bool made = mkdtemp(path) != NULL;
    path[FOLDER] = '/';
    return made ? 0 : -1;
}

static int remove_folder(void **state) {
    (void)state;
    unlink(path);
    path[FOLDER] = '\0';
    return rmdir(path);
}

static void saved_and_loaded(void **state) {
    (void)state;
    Error err;
    Images images = images_given();
    Network *network = images.network;
    QuantiseOptions options = calibrated(&images.dataset);
    options.bits = 5;
    Network *made = quantised(network, &options);
    assert_true(network_save(made, path, true, &err));
    Network *loaded = network_load(path, NULL, &err);
    if (!loaded) fail_msg("%s", err.text);
    same_logits(made, loaded, &images.dataset);
    assert_true(graph_equal(made->graph, loaded->graph));
    assert_int_equal(network_quantisers(loaded), 18);
    for (size_t i = 0; i < made->graph->count; i++)
        assert_memory_equal(&made->graph->ops[i].quantiser, &loaded->graph->ops[i].quantiser, sizeof(Quantiser));
    for (size_t i = 0; i < made->layer_count; i++) assert_int_equal(loaded->layers[i].bits, 5);
    assert_string_equal(loaded->architecture, network->architecture);
    assert_int_equal(loaded->note_count, 0);
    assert_string_equal(loaded->lineage[loaded->lineage_count - 2].value, "quantise x");
    Network *again = network_copy(loaded, &err); /* what is derived from it is quantised, too */
    assert_int_equal(network_quantisers(again), 18);
    assert_int_equal(again->layers[0].bits, 5);
    assert_false(network_save(made, "/tmp/never.npz", true, &err));
    assert_int_equal(err.status, STATUS_USAGE);
    network_free(again);
    network_free(loaded);
    network_free(made);
    images_done(&images);
}

/* A file of the network whose metadata say this. */
static Network *load_with(const Network *network, const char *key, const char *value, Error *err) {
    FileParts parts;
    assert_true(network_parts(network, &parts, err));
    assert_true(key_value_add(&parts.metadata, &parts.metadata_count, key, value, err));
    assert_true(safetensors_save(path, true, parts.tensors, parts.count, parts.metadata, parts.metadata_count, err));
    file_parts_done(&parts);
    return network_load(path, NULL, err);
}

static void hostile_metadata(void **state) {
    (void)state;
    static const struct {
        const char *key, *value, *part;
    } rows[] = {
        {"weft.quantisers", "", "not a list of \"after\""},
        {"weft.quantisers", "{}", "not a list"},
        {"weft.quantisers", "[1]", "not a list"},
        {"weft.quantisers", "[{\"after\":\"relu\"}]", "not a list"},
        {"weft.quantisers", "[{\"after\":\"rel\",\"levels\":\"1 0 8\"}]", "operation 'rel' is not where it should be"},
        {"weft.quantisers", "[{\"after\":\"relu\",\"levels\":\"1 0 8\"},{\"after\":\"conv1\",\"levels\":\"1 0 8\"}]",
         "operation 'conv1' is not where it should be"},
        {"weft.quantisers", "[{\"after\":\"relu\",\"levels\":\"1 0 8\"},{\"after\":\"relu\",\"levels\":\"1 0 8\"}]",
         "operation 'relu' is not where it should be"},
        {"weft.quantisers", "[{\"after\":\"relu\",\"levels\":\"nan 0 8\"}]", "are not valid levels of 'relu'"},
        {"weft.quantisers", "[{\"after\":\"relu\",\"levels\":\"0 0 8\"}]", "are not valid levels of"},
        {"weft.quantisers", "[{\"after\":\"relu\",\"levels\":\"-1 0 8\"}]", "are not valid levels of"},
        {"weft.quantisers", "[{\"after\":\"relu\",\"levels\":\"1e39 0 8\"}]", "are not valid levels of"},
        {"weft.quantisers", "[{\"after\":\"relu\",\"levels\":\"1 256 8\"}]", "are not valid levels of"},
        {"weft.quantisers", "[{\"after\":\"relu\",\"levels\":\"1 16 4\"}]", "are not valid levels of"},
        {"weft.quantisers", "[{\"after\":\"relu\",\"levels\":\"1 0 9\"}]", "are not valid levels of"},
        {"weft.quantisers", "[{\"after\":\"relu\",\"levels\":\"1 0 0\"}]", "are not valid levels of"},
        {"weft.quantisers", "[{\"after\":\"relu\",\"levels\":\"1 0 0.5\"}]", "are not valid levels of"},
        {"weft.quantisers", "[{\"after\":\"relu\",\"levels\":\"1 0.5 8\"}]", "are not valid levels of"},
        {"weft.quantisers", "[{\"after\":\"relu\",\"levels\":\"1 0\"}]", "are not valid levels of"},
        {"weft.quantisers", "[{\"after\":\"relu\",\"levels\":\"1 0 8 8\"}]", "are not valid levels of"},
        {"weft.quantisers", "[{\"after\":\"relu\",\"levels\":\"\"}]", "are not valid levels of"},
        {"weft.bits", "[{\"layer\":\"conv2\",\"bits\":\"8\"}]", "layer 'conv2' is not where it should be"},
        {"weft.bits", "[{\"layer\":\"conv1\",\"bits\":\"9\"}]", "'9' are not valid bits of 'conv1'"},
        {"weft.bits", "[{\"layer\":\"conv1\",\"bits\":\"4294967298\"}]", "are not valid bits of"},
        {"weft.bits", "[{\"layer\":\"conv1\",\"bits\":\"x\"}]", "are not valid bits of"},
    };
    Network *network = images_network();
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        Error err = {0};
        if (load_with(network, rows[i].key, rows[i].value, &err)) fail_msg("%s loads", rows[i].value);
        assert_int_equal(err.status, STATUS_BAD_INPUT);
        if (!strstr(err.text, rows[i].part) || !strstr(err.text, rows[i].key))
            fail_msg("'%s' is not in '%s'", rows[i].part, err.text);
    }
    Error err;
    Network *loaded = load_with(network, "weft.quantisers", "[]", &err); /* none is no harm */
    assert_non_null(loaded);
    network_free(loaded);
    network_free(network);
}

/* ---- predictors -------------------------------------------------------------------------------------------------- */

static void predictors(void **state) {
    (void)state;
    Error err;
    Network *network = network_load("samples/fashion-resnet8.safetensors", NULL, &err);
    const PredictorOptions for_network = {.source = network};
    Predictor *p = predictor_load("samples/fashion-resnet8-predictor.safetensors", &for_network, NULL, &err);
    assert_non_null(p);
    Predictor *made = quantise_predictor(p, 8, "quantise y", &err);
    assert_non_null(made);
    Table *table = quantise_predictor_table(p, made, 8, &err);
    assert_int_equal(table->rows, p->config.linear);
    double bytes = 0;
    for (unsigned i = 0; i < p->config.linear; i++) {
        const MlpLayer *layer = &p->mlp[i];
        const size_t count = (size_t)layer->in * layer->out;
        float *expected = mem_alloc(count, sizeof *expected, &err);
        assert_true(quantise_rows(p->parameters + layer->weight, layer->out, layer->in, 8, expected, NULL, &err));
        assert_memory_equal(made->parameters + layer->weight, expected, count * sizeof *expected);
        assert_memory_equal(made->parameters + layer->bias, p->parameters + layer->bias, layer->out * sizeof(float));
        char name[32];
        snprintf(name, sizeof name, i + 1 < p->config.linear ? "layers.%u" : "final_linear_layer", i);
        check_row(table, name, p->parameters + layer->weight, expected, count);
        bytes += (double)count + 8 * layer->out;
        mem_free(expected);
    }
    assert_true(fabs(note(table, "size") - bytes / (1 << 20)) < 1e-4);
    assert_true(fabs(note(table, "size_float") - 4 * (double)p->parameter_count / (1 << 20)) < 1e-4);
    Network *rebuilt = predictor_reconstruct(made, NULL, "reconstruct", &err);
    assert_non_null(rebuilt);
    network_free(rebuilt);
    /* It comes back from its file, and is not quantised twice. */
    assert_true(predictor_save(made, path, DTYPE_F32, true, &err));
    Predictor *loaded = predictor_load(path, &for_network, NULL, &err);
    assert_non_null(loaded);
    assert_memory_equal(loaded->parameters, made->parameters, made->parameter_count * sizeof(float));
    assert_null(quantise_predictor(loaded, 8, "quantise", &err));
    assert_string_equal(err.text, "the predictor is quantised already");
    assert_null(quantise_predictor(p, 1, "quantise", &err));
    assert_int_equal(err.status, STATUS_USAGE);
    p->parameters[p->mlp[1].weight] = NAN;
    assert_null(quantise_predictor(p, 8, "quantise", &err));
    assert_string_equal(err.text, "linear layer 1: a weight is nan, not a finite number");
    table_free(table);
    predictor_free(loaded);
    predictor_free(made);
    predictor_free(p);
    network_free(network);
}

/* ---- refusals ---------------------------------------------------------------------------------------------------- */

static void refuses(const Network *network, QuantiseOptions options, Status status, const char *part) {
    Error err = {0};
    assert_null(quantise(network, &options, NULL, &err));
    assert_int_equal(err.status, status);
    if (!strstr(err.text, part)) fail_msg("'%s' is not in '%s'", part, err.text);
}

static void refused(void **state) {
    (void)state;
    Error err;
    Images images = images_given();
    Network *network = images.network;
    QuantiseOptions options = calibrated(&images.dataset);
    Network *made = quantised(network, &options);
    for (size_t i = 0; i < made->layer_count; i++) made->layers[i].bits = 0;
    refuses(made, options, STATUS_USAGE, "activations are quantised already");
    network_free(made);
    options.bits = 9;
    refuses(network, options, STATUS_USAGE, "9 bits for weights must be 2 to 8");
    options = calibrated(&images.dataset);
    options.activation_bits = 1;
    refuses(network, options, STATUS_USAGE, "1 bits for activations must be");
    bool none[32] = {false};
    options = weights_only;
    assert_null(quantise_apply(network, &options, none, "quantise", NULL, &err));
    assert_string_equal(err.text, "no layer is selected");
    Dataset *noise = dataset_load("noise:2:1x8x8", 0, &err);
    refuses(network, calibrated(noise), STATUS_USAGE, "the network takes 3 input channels");
    dataset_free(noise);
    /* Noise of the right shape calibrates; a network that cannot run has weights. */
    noise = dataset_load("noise:3:3x9x9", 0, &err);
    options = calibrated(noise);
    made = quantised(network, &options);
    network_free(made);
    dataset_free(noise);
    Graph *graph = network->graph;
    network->graph = NULL;
    refuses(network, calibrated(&images.dataset), STATUS_FAILED, "cannot run");
    made = quantised(network, &weights_only);
    Table *table = quantise_table(network, made, NULL, NULL, &err);
    assert_true(note(table, "ratio") > 2);
    table_free(table);
    network_free(made);
    network->graph = graph;
    /* Values that are no numbers: in a weight, in a map. */
    Tensor *weight = network->tensors[network->layers[2].tensor].tensor;
    const float kept = weight->data[5];
    weight->data[5] = NAN;
    refuses(network, weights_only, STATUS_BAD_INPUT, "layer 'layer1.0.conv2': a weight is nan");
    weight->data[5] = kept;
    for (size_t i = 0; i < network->tensor_count; i++)
        if (strcmp(network->tensors[i].name, "layer2.0.bn1.bias") == 0) network->tensors[i].tensor->data[0] = INFINITY;
    refuses(network, calibrated(&images.dataset), STATUS_FAILED,
            "layer2.0.relu1: some of its results on idx:images are not finite");
    images_done(&images);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_as_pytorch),  cmocka_unit_test(edges_of_rows),     cmocka_unit_test(ranges_as_pytorch),
        cmocka_unit_test(table_of_weights), cmocka_unit_test(layers_one_by_one), cmocka_unit_test(observers),
        cmocka_unit_test(threads),          cmocka_unit_test(other_levels),      cmocka_unit_test(saved_and_loaded),
        cmocka_unit_test(hostile_metadata), cmocka_unit_test(predictors),        cmocka_unit_test(refused),
    };
    return cmocka_run_group_tests_name("quantise", tests, make_folder, remove_folder);
}
