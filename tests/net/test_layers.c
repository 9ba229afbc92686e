/* test_layers -- finding layers, and choosing them by selectors. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "weft/base/error.h"
#include "weft/net.h"
#include "../support/bytes.h"
#include "../support/handmade.h"
#include "../support/resnet.h"

static Network *network; /* ResNet14: stem, 3 stages of 2 blocks, "linear": 14 layers */

static int begin(void **state) {
    (void)state;
    Error err;
    ResNetFile file = resnet_small;
    for (int i = 0; i < 3; i++) file.blocks[i] = 2;
    const char *path = scratch_path("layers.safetensors");
    network = write_resnet(path, &file) ? network_load(path, NULL, &err) : NULL;
    return network && network->layer_count == 14 ? 0 : -1;
}

static int end(void **state) {
    (void)state;
    network_free(network);
    return 0;
}

/* `marks`: one character a layer, x where it must be chosen. The stem; stages 1, 2, 3 of two blocks; linear. */
static void chooses(const char *selector, bool convolutions_only, const char *marks) {
    Error err;
    bool chosen[14];
    char found[15] = "";
    if (!layer_select(network, selector, convolutions_only, chosen, &err)) fail_msg("%s: %s", selector, err.text);
    for (size_t i = 0; i < 14; i++) found[i] = chosen[i] ? 'x' : '.';
    if (strcmp(found, marks) != 0) fail_msg("%s: chose %s, not %s", selector, found, marks);
}

static void refuses(const char *selector, bool convolutions_only, const char *reason) {
    Error err;
    bool chosen[14], untouched[14];
    memset(chosen, 1, sizeof chosen);
    memset(untouched, 1, sizeof untouched);
    assert_false(layer_select(network, selector, convolutions_only, chosen, &err));
    assert_int_equal(err.status, STATUS_USAGE);
    assert_string_equal(err.text, reason);
    assert_memory_equal(chosen, untouched, sizeof chosen);
}

static void names_and_globs(void **state) {
    (void)state;
    chooses(NULL, false, "xxxxxxxxxxxxxx");
    chooses(NULL, true, "xxxxxxxxxxxxx.");
    chooses("all", false, "xxxxxxxxxxxxxx");
    chooses("all", true, "xxxxxxxxxxxxx.");
    chooses("conv1", false, "x.............");
    chooses("linear,conv1", false, "x............x");
    chooses("layer1.*", false, ".xxxx.........");
    chooses("*conv1", false, "xx.x.x.x.x.x..");
    chooses("layer[13].?.conv2", true, "..x.x.....x.x.");
    chooses("*", true, "xxxxxxxxxxxxx.");
    chooses(" conv1 , linear ", false, "x............x");
}

static void ranges(void **state) {
    (void)state;
    chooses("0", false, "x.............");
    chooses("0-3", false, "xxxx..........");
    chooses("13", false, ".............x");
    chooses("0-12", true, "xxxxxxxxxxxxx.");
    chooses("2,5-6", true, "..x..xx.......");
    refuses("13", true, "layers '13': the convolutions are 0 to 12");
    refuses("3-14", false, "layers '3-14': the layers are 0 to 13");
    refuses("4-2", false, "layers '4-2': the range runs backwards");
    refuses("99999999999999999999", false, "no layer '99999999999999999999'; there are 14, from 'conv1' to 'linear'");
}

static void stages_and_blocks(void **state) {
    (void)state;
    chooses("stage:1", false, ".xxxx.........");
    chooses("stage:3", true, ".........xxxx.");
    chooses("block:2.1", false, ".......xx.....");
    chooses("conv1,stage:1,block:3.0", true, "xxxxx....xx...");
    refuses("stage:4", false, "layers 'stage:4': the stages are 1 2 3");
    refuses("block:2.7", false, "layers 'block:2.7': the blocks are 1.0 1.1 2.0 2.1 3.0 3.1");
    refuses("stage:x", false, "no layer 'stage:x'; there are 14, from 'conv1' to 'linear'");
    refuses("block:2", false, "no layer 'block:2'; there are 14, from 'conv1' to 'linear'");
}

static void leaving_out(void **state) {
    (void)state;
    chooses("-conv1", false, ".xxxxxxxxxxxxx");
    chooses("-conv1", true, ".xxxxxxxxxxxx.");
    chooses("-stage:2,-linear", false, "xxxxx....xxxx.");
    chooses("layer1.*,-layer1.0.conv2", false, ".x.xx.........");
    chooses("-layer1.0.conv2,layer1.*", false, ".x.xx.........");
    chooses("-0-11", true, "............x.");
    refuses("-all", true, "layers '-all': none is left");
    refuses("conv1,-conv1", false, "layers 'conv1,-conv1': none is left");
}

static void mistakes(void **state) {
    (void)state;
    refuses("layer1.0.con1", false, "no layer 'layer1.0.con1'; did you mean layer1.0.conv1?");
    refuses("linaer", false, "no layer 'linaer'; did you mean linear?");
    refuses("stage:1,layer9.*", false, "no layer 'layer9.*'; there are 14, from 'conv1' to 'linear'");
    refuses("-layer1.0.con1", true, "no layer 'layer1.0.con1'; did you mean layer1.0.conv1?");
    refuses("linear", true, "layers 'linear': a linear layer; convolutions are asked for");
    refuses("lin*", true, "layers 'lin*': a linear layer; convolutions are asked for");
    refuses("", false, "layers '': an entry is empty");
    refuses("conv1,", false, "layers 'conv1,': an entry is empty");
    refuses("conv1,,linear", false, "layers 'conv1,,linear': an entry is empty");
    refuses("-", false, "layers '-': an entry is empty");
}

static void finding(void **state) {
    (void)state;
    Error err;
    size_t index;
    assert_true(network_find_layer(network, "layer2.1.conv1", &index, &err));
    assert_int_equal(index, 7);
    assert_int_equal(network->layers[7].stage, 2);
    assert_int_equal(network->layers[7].block, 1);
    assert_false(network_find_layer(network, "layer2.1.conv3", &index, &err));
    assert_int_equal(err.status, STATUS_USAGE);
    assert_non_null(strstr(err.text, "did you mean layer2.1.conv"));
}

/* A layer's own name comes before what the word would mean otherwise. */
static void names_that_look_like_numbers(void **state) {
    (void)state;
    static const HandmadeLayer layers[] = {
        {"0", 4, {2, 2, 3, 3}}, {"2", 4, {2, 2, 3, 3}}, {"all", 2, {2, 2}}, {"5", 2, {2, 2}}};
    Error err;
    bool chosen[4];
    Network *odd = handmade_network(layers, 4, 1);
    assert_true(layer_select(odd, "2", false, chosen, &err));
    assert_true(!chosen[0] && chosen[1] && !chosen[2] && !chosen[3]);
    assert_true(layer_select(odd, "2-3", false, chosen, &err));
    assert_true(!chosen[0] && !chosen[1] && chosen[2] && chosen[3]);
    assert_true(layer_select(odd, "all", false, chosen, &err));
    assert_true(!chosen[0] && !chosen[1] && chosen[2] && !chosen[3]);
    assert_false(layer_select(odd, "stage:1", false, chosen, &err));
    assert_string_equal(err.text, "layers 'stage:1': the layers' names tell of no stages");
    network_free(odd);
    odd = handmade_network(layers + 2, 2, 1);
    assert_false(layer_select(odd, NULL, true, chosen, &err));
    assert_string_equal(err.text, "the network has no convolution layers");
    assert_false(layer_select(odd, "0", true, chosen, &err));
    assert_string_equal(err.text, "layers '0': the network has no convolutions");
    network_free(odd);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_and_globs),
        cmocka_unit_test(ranges),
        cmocka_unit_test(stages_and_blocks),
        cmocka_unit_test(leaving_out),
        cmocka_unit_test(mistakes),
        cmocka_unit_test(finding),
        cmocka_unit_test(names_that_look_like_numbers),
    };
    return cmocka_run_group_tests_name("layers", tests, begin, end);
}
