/* hostile_predictor -- files that claim to be weight predictors (docs/reliability.md, section 7, rows 118 to 120). */
#include "bytes.h"
#include "hostile.h"

#include <stdio.h>
#include <string.h>

/* A predictor of one 2x2x1x1 layer: base 0.5, 1 level, hidden size 1, 2 linear layers; 9 parameters of zero. */
#define CONFIG(version, base, levels, permutation, hidden, linear, layers)                                       \
    "{\\\"version\\\":" version ",\\\"base\\\":" base ",\\\"levels\\\":" levels                                  \
    ",\\\"normalise_indices\\\":\\\"none\\\",\\\"permutation\\\":\\\"" permutation "\\\",\\\"hidden\\\":" hidden \
    ",\\\"linear\\\":" linear ",\\\"activation\\\":\\\"relu\\\",\\\"layers\\\":[" layers "]}"
#define LAYER(name, shape) "{\\\"name\\\":\\\"" name "\\\",\\\"shape\\\":[" shape "]}"
#define ONE LAYER("a", "2,2,1,1")
#define TENSOR(name, dtype, shape, offsets) \
    ",\"" name "\":{\"dtype\":\"" dtype "\",\"shape\":[" shape "],\"data_offsets\":[" offsets "]}"
#define FIRST TENSOR("layers.0.weight", "F32", "1,6", "0,24") TENSOR("layers.0.bias", "F32", "1", "24,28")
#define FINAL \
    TENSOR("final_linear_layer.weight", "F32", "1,1", "28,32") TENSOR("final_linear_layer.bias", "F32", "1", "32,36")
#define ORDERS(dtype, count, offsets, offsets2) \
    TENSOR("order.filter", dtype, count, offsets) TENSOR("order.channel", dtype, count, offsets2)
enum { PARAMETER_BYTES = 36 };

/* `numbers`: U16 values behind the parameters. */
static bool put(const char *path, const char *config, const char *more, const char *tensors, const uint16_t *numbers,
                size_t count) {
    Bytes bytes = {0};
    char json[4096];
    snprintf(json, sizeof json, "{\"__metadata__\":{\"weft.kind\":\"predictor\"%s%s%s%s}%s}",
             config ? ",\"weft.predictor\":\"" : "", config ? config : "", config ? "\"" : "", more, tensors);
    bytes_safetensors(&bytes, json, PARAMETER_BYTES);
    for (size_t i = 0; i < count; i++) bytes_le(&bytes, numbers[i], 2);
    const bool ok = write_bytes(path, bytes.data, bytes.length);
    bytes_done(&bytes);
    return ok;
}

#define CASE(function, ...)                          \
    static bool function(const char *path) {         \
        return put(path, __VA_ARGS__, (void *)0, 0); \
    }
#define ORDER_CASE(function, ...)                                                                                \
    static bool function(const char *path) {                                                                     \
        static const uint16_t numbers[] = {__VA_ARGS__};                                                         \
        return put(path, CONFIG("1", "0.5", "1", "cross-filter", "1", "2", ONE), "",                             \
                   FIRST FINAL ORDERS("U16", "4", "36,44", "44,52"), numbers, sizeof numbers / sizeof *numbers); \
    }
#define WITH(version, base, levels, hidden, linear, layers) \
    CONFIG(version, base, levels, "none", hidden, linear, layers), "", FIRST FINAL

CASE(good, WITH("1", "0.5", "1", "1", "2", ONE))
CASE(no_description, NULL, "", FIRST FINAL)
CASE(bad_json, "{\\\"version\\\":1", "", FIRST FINAL)
CASE(no_object, "[1]", "", FIRST FINAL)
CASE(new_version, WITH("2", "0.5", "1", "1", "2", ONE))
CASE(base_zero, WITH("1", "0", "1", "1", "2", ONE))
CASE(base_huge, WITH("1", "1e308", "2", "1", "2", ONE))
CASE(levels_1001, WITH("1", "0.5", "1001", "1", "2", ONE))
CASE(hidden_negative, WITH("1", "0.5", "1", "-1", "2", ONE))
CASE(hidden_huge, WITH("1", "0.5", "1", "65536", "2", ONE))
CASE(linear_33, WITH("1", "0.5", "1", "1", "33", ONE))
CASE(unknown_permutation, CONFIG("1", "0.5", "1", "random", "1", "2", ONE), "", FIRST FINAL)
CASE(no_layers, WITH("1", "0.5", "1", "1", "2", ""))
CASE(layer_twice, WITH("1", "0.5", "1", "1", "2", ONE "," ONE))
CASE(kernel_0, WITH("1", "0.5", "1", "1", "2", LAYER("a", "2,2,0,1")))
CASE(kernels_wrap, WITH("1", "0.5", "1", "1", "2", LAYER("a", "2000000000,2000000000,1,1")))
CASE(kernels_many, WITH("1", "0.5", "1", "1", "2", LAYER("a", "60000,70000,1,1")))
CASE(missing_tensor, CONFIG("1", "0.5", "1", "none", "1", "2", ONE), "",
     TENSOR("layers.0.weight", "F32", "1,8", "0,32") TENSOR("final_linear_layer.weight", "F32", "1,1", "32,36"))
CASE(wrong_shape, CONFIG("1", "0.5", "1", "none", "1", "2", ONE), "",
     TENSOR("layers.0.weight", "F32", "6,1", "0,24") TENSOR("layers.0.bias", "F32", "1", "24,28") FINAL)
CASE(wrong_outputs, WITH("1", "0.5", "1", "1", "2", LAYER("a", "2,2,3,3")))
CASE(integer_weights, CONFIG("1", "0.5", "1", "none", "1", "2", ONE), "",
     TENSOR("layers.0.weight", "I32", "1,6", "0,24") TENSOR("layers.0.bias", "F32", "1", "24,28") FINAL)
CASE(unknown_tensor, CONFIG("1", "0.5", "1", "none", "1", "2", ONE), "",
     FIRST TENSOR("final_linear_layer.weight", "F32", "1,1", "28,32") TENSOR("last.bias", "F32", "1", "32,36"))
CASE(order_missing, CONFIG("1", "0.5", "1", "in-filter", "1", "2", ONE), "", FIRST FINAL)
CASE(fingerprint, CONFIG("1", "0.5", "1", "none", "1", "2", ONE), ",\"weft.fingerprint\":\"12\"", FIRST FINAL)
CASE(lineage, CONFIG("1", "0.5", "1", "none", "1", "2", ONE), ",\"weft.lineage\":\"[1]\"", FIRST FINAL)
CASE(parameters, CONFIG("1", "0.5", "1", "none", "1", "2", ONE), ",\"weft.source_parameters\":\"-1\"", FIRST FINAL)
ORDER_CASE(good_order, 1, 1, 0, 0, 0, 1, 1, 0)
ORDER_CASE(order_out_of_range, 1, 1, 0, 2, 0, 1, 1, 0)
ORDER_CASE(order_channel_range, 1, 1, 0, 0, 0, 1, 65535, 0)
ORDER_CASE(order_twice, 1, 1, 0, 0, 0, 1, 1, 1)

static bool order_short(const char *path) {
    static const uint16_t numbers[] = {0, 0, 1, 0, 1, 0};
    return put(path, CONFIG("1", "0.5", "1", "cross-filter", "1", "2", ONE), "",
               FIRST FINAL ORDERS("U16", "3", "36,42", "42,48"), numbers, 6);
}

static bool order_not_permuted(const char *path) {
    static const uint16_t numbers[] = {0, 0, 1, 1, 0, 1, 0, 1};
    return put(path, CONFIG("1", "0.5", "1", "none", "1", "2", ONE), "",
               FIRST FINAL ORDERS("U16", "4", "36,44", "44,52"), numbers, 8);
}

static bool a_network(const char *path) {
    Bytes bytes = {0};
    bytes_safetensors(&bytes, "{\"a.weight\":{\"dtype\":\"F32\",\"shape\":[1,1,1,1],\"data_offsets\":[0,4]}}", 4);
    const bool ok = write_bytes(path, bytes.data, bytes.length);
    bytes_done(&bytes);
    return ok;
}

const HostileCase hostile_predictor[] = {
    {118, "118-good.safetensors", "predictor", good, 0, NULL},
    {118, "118-good-order.safetensors", "predictor", good_order, 0, NULL},
    {118, "118-a-network.safetensors", "predictor", a_network, 3, "not a weight predictor"},
    {118, "118-no-description.safetensors", "predictor", no_description, 3, "weft.predictor is missing"},
    {118, "118-bad-json.safetensors", "predictor", bad_json, 3, "metadata weft.predictor: not a JSON object"},
    {118, "118-no-object.safetensors", "predictor", no_object, 3, "not a JSON object"},
    {118, "118-new-version.safetensors", "predictor", new_version, 3, "version 2 of predictor files"},
    {118, "118-base-0.safetensors", "predictor", base_zero, 3, "base 0 is not a positive number"},
    {118, "118-base-huge.safetensors", "predictor", base_huge, 3, "powers up to 1 are finite"},
    {118, "118-levels-1001.safetensors", "predictor", levels_1001, 3, "'levels' is not a whole number from 1 to 1000"},
    {118, "118-hidden-negative.safetensors", "predictor", hidden_negative, 3,
     "'hidden' is not a whole number from 1 to"},
    {118, "118-hidden-huge.safetensors", "predictor", hidden_huge, 3, "'layers.0.weight' is 1x6, not 65536x6"},
    {118, "118-linear-33.safetensors", "predictor", linear_33, 3, "'linear' is not a whole number from 1 to 32"},
    {118, "118-permutation.safetensors", "predictor", unknown_permutation, 3, "'permutation' is unknown: random"},
    {118, "118-no-layers.safetensors", "predictor", no_layers, 3, "layers' is not a list of layers"},
    {118, "118-layer-twice.safetensors", "predictor", layer_twice, 3, "two layers are named 'a'"},
    {118, "118-kernel-0.safetensors", "predictor", kernel_0, 3, "layer a: dimension 2"},
    {118, "118-kernels-wrap.safetensors", "predictor", kernels_wrap, 5, "too many kernels to predict"},
    {118, "118-kernels-many.safetensors", "predictor", kernels_many, 5, "too many kernels to predict"},
    {118, "118-missing-tensor.safetensors", "predictor", missing_tensor, 3, "tensor 'layers.0.bias' is missing"},
    {118, "118-wrong-shape.safetensors", "predictor", wrong_shape, 3, "'layers.0.weight' is 6x1, not 1x6"},
    {118, "118-wrong-outputs.safetensors", "predictor", wrong_outputs, 3,
     "'final_linear_layer.weight' is 1x1, not 9x1"},
    {118, "118-integer-weights.safetensors", "predictor", integer_weights, 3, "is I32, not real numbers"},
    {118, "118-unknown-tensor.safetensors", "predictor", unknown_tensor, 3,
     "tensor 'last.bias' does not belong to a predictor with"},
    {118, "118-order-missing.safetensors", "predictor", order_missing, 3, "tensor 'order.filter' is missing"},
    {118, "118-order-short.safetensors", "predictor", order_short, 3, "'order.filter' is 3, not 4"},
    {118, "118-order-not-permuted.safetensors", "predictor", order_not_permuted, 3,
     "does not belong to a predictor without a permutation"},
    {118, "118-order-range.safetensors", "predictor", order_out_of_range, 3,
     "'order.filter': 2 at kernel 3 of layer a"},
    {118, "118-order-channel-range.safetensors", "predictor", order_channel_range, 3,
     "'order.channel': 65535 at kernel 2"},
    {118, "118-order-twice.safetensors", "predictor", order_twice, 3, "layer a has the position 0, 1 twice"},
    {118, "118-fingerprint.safetensors", "predictor", fingerprint, 3, "weft.fingerprint"},
    {118, "118-lineage.safetensors", "predictor", lineage, 3, "weft.lineage is invalid"},
    {118, "118-parameters.safetensors", "predictor", parameters, 3, "weft.source_parameters"},
    {0},
};
