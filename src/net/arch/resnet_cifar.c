/* resnet_cifar -- the residual networks of He et al., 2015, section 4.2 (CIFAR-10): a 3x3 stem, three stages of basic
 * blocks (two 3x3 convolutions), the second and third stage halving the map, global average pooling, one linear layer.
 *
 *   conv1, bn1; layer{1,2,3}.B.{conv1,bn1,conv2,bn2}[, shortcut.{0,1} or downsample.{0,1}]; fc or linear
 *
 * Any number of blocks per stage (6n+2 layers where all stages have n), any widths, 1 or 3 input channels. Where a
 * block changes the map's shape, its shortcut is option B, a 1x1 convolution with batch norm, where the file has one;
 * else option A, every second pixel with zero channels added on both sides.
 */
#include "net/arch/finder.h"

#include <stdio.h>

enum { STAGES = 3, BLOCKS_MAX = 10000 };
#define DEPTHS "resnet8, resnet14, resnet20, ...: 6n + 2 layers"

/* What is being built. */
typedef struct ResNet {
    Finder finder;
    GraphBuilder builder;
    unsigned in_channels, width[STAGES], blocks[STAGES];
    bool projection, padding; /* shortcuts of option B, of option A */
} ResNet;

static unsigned filters(const ResNet *net, int weight) {
    return weight == NO_TENSOR ? 0 : (unsigned)finder_tensor(&net->finder, weight)->dim[0];
}

static bool fits(const ResNet *net) {
    return net->finder.why->length == 0 && !net->finder.why->failed && !net->builder.failed;
}

/* Convolution NAME; width 0 takes whatever number of filters it has. */
static int convolution(ResNet *net, int input, unsigned in, unsigned width, unsigned kernel, unsigned stride,
                       const char *name) {
    const uint64_t dim[4] = {width, in, kernel, kernel};
    const unsigned padding = kernel / 2;
    Op op = {.kind = OP_CONV,
             .input = {input},
             .kernel = {kernel, kernel},
             .stride = {stride, stride},
             .padding = {padding, padding, padding, padding}};
    op.groups = 1;
    op.bias = NO_TENSOR;
    op.weight = finder_take(&net->finder, 4, dim, "%s.weight", name);
    op.out_channels = filters(net, op.weight);
    return graph_add(&net->builder, op, "%s", name);
}

static int batch_norm(ResNet *net, int input, unsigned channels, const char *name) {
    return graph_add(&net->builder, finder_batch_norm(&net->finder, input, channels, name), "%s", name);
}

static int relu(ResNet *net, int input, const char *name) {
    const Op *from = &net->builder.graph->ops[input];
    return graph_add(&net->builder, (Op){.kind = OP_RELU, .input = {input}, .out_channels = from->out_channels}, "%s",
                     name);
}

/* One basic block from `in` to net->width[stage] channels. */
static int block(ResNet *net, int input, unsigned in, unsigned stage, unsigned number) {
    char name[64], prefix[32];
    unsigned stride = stage > 0 && number == 0 ? 2 : 1, width = net->width[stage];
    int shortcut = input, main;
    snprintf(prefix, sizeof prefix, "layer%u.%u", stage + 1, number);
    const char *option_b = finder_has(&net->finder, "%s.shortcut.0.weight", prefix)     ? "shortcut"
                           : finder_has(&net->finder, "%s.downsample.0.weight", prefix) ? "downsample"
                                                                                        : NULL;
    if (!option_b && (stride > 1 || in != width)) {
        if (in > width)
            finder_refuse(&net->finder, "no tensor '%s.shortcut.0.weight' to go from %u channels to %u", prefix, in,
                          width);
        Op op = {.kind = OP_SHORTCUT_A, .input = {input}, .out_channels = width, .stride = {stride, stride}};
        op.offset = in < width ? (width - in) / 2 : 0;
        shortcut = graph_add(&net->builder, op, "%s.shortcut", prefix);
        net->padding = true;
    }
#define NAMED(part) (snprintf(name, sizeof name, "%s.%s", prefix, part), name)
    main = convolution(net, input, in, width, 3, stride, NAMED("conv1"));
    main = batch_norm(net, main, width, NAMED("bn1"));
    main = relu(net, main, NAMED("relu1"));
    main = convolution(net, main, width, width, 3, 1, NAMED("conv2"));
    main = batch_norm(net, main, width, NAMED("bn2"));
    if (option_b) {
        char part[16];
        snprintf(part, sizeof part, "%s.0", option_b);
        shortcut = convolution(net, input, in, width, 1, stride, NAMED(part));
        snprintf(part, sizeof part, "%s.1", option_b);
        shortcut = batch_norm(net, shortcut, width, NAMED(part));
        net->projection = true;
    }
    main = graph_add(&net->builder, (Op){.kind = OP_ADD, .input = {main, shortcut}, .out_channels = width}, "%s",
                     NAMED("add"));
    return relu(net, main, NAMED("relu2"));
#undef NAMED
}

/* The stage's width is that of its first convolution. */
static int stage(ResNet *net, int input, unsigned in, unsigned number) {
    const uint64_t dim[4] = {0, in, 3, 3};
    int first = finder_take(&net->finder, 4, dim, "layer%u.0.conv1.weight", number + 1);
    net->width[number] = filters(net, first);
    unsigned blocks = 0;
    while (fits(net) && blocks < BLOCKS_MAX &&
           (blocks == 0 || finder_has(&net->finder, "layer%u.%u.conv1.weight", number + 1, blocks))) {
        input = block(net, input, in, number, blocks++);
        in = net->width[number];
    }
    net->blocks[number] = blocks;
    return input;
}

static unsigned build(ResNet *net) {
    int at = convolution(net, 0, net->in_channels, 0, 3, 1, "conv1");
    unsigned width = net->builder.failed ? 0 : net->builder.graph->ops[at].out_channels;
    if (!fits(net)) return 0;
    at = relu(net, batch_norm(net, at, width, "bn1"), "relu");
    for (unsigned i = 0; i < STAGES && fits(net); i++) {
        at = stage(net, at, width, i);
        width = net->width[i];
    }
    if (!fits(net)) return 0;
    at = graph_add(&net->builder, (Op){.kind = OP_GLOBAL_POOL, .input = {at}, .out_channels = width}, "pool");
    const char *last = finder_has(&net->finder, "fc.weight") ? "fc" : "linear";
    Op op = {.kind = OP_LINEAR, .input = {at}};
    op.weight = finder_take(&net->finder, 2, (const uint64_t[]){0, width}, "%s.weight", last);
    op.out_channels = filters(net, op.weight);
    op.bias = finder_take(&net->finder, 1, (const uint64_t[]){op.out_channels}, "%s.bias", last);
    graph_add(&net->builder, op, "%s", last);
    return op.out_channels;
}

static void describe(const ResNet *net, Str *out) {
    const unsigned *n = net->blocks, *w = net->width;
    const char *option = net->projection && net->padding ? "A and B" : net->projection ? "B" : "A";
    str_addf(out, "ResNet%u (CIFAR, ", 2 * (n[0] + n[1] + n[2]) + 2);
    if (n[0] != n[1] || n[1] != n[2]) str_addf(out, "blocks %u/%u/%u, ", n[0], n[1], n[2]);
    str_addf(out, "option %s, widths %u/%u/%u)", option, w[0], w[1], w[2]);
}

/* 3 or 1, from the stem; other numbers are a reason to refuse. */
static unsigned input_channels(ResNet *net) {
    int stem = finder_take(&net->finder, 4, (const uint64_t[]){0, 0, 3, 3}, "conv1.weight");
    if (stem == NO_TENSOR) return 0;
    uint64_t channels = finder_tensor(&net->finder, stem)->dim[1];
    if (channels == 1 || channels == 3) return (unsigned)channels;
    finder_refuse(&net->finder, "'conv1.weight' takes %llu input channels, expected 3 or 1",
                  (unsigned long long)channels);
    return 0;
}

static bool fit(const Network *network, ArchitectureFit *out, Error *err) {
    ResNet net = {0};
    if (!finder_init(&net.finder, network, &out->why, err)) return false;
    net.in_channels = input_channels(&net);
    bool done = true;
    if (fits(&net)) {
        unsigned size = net.in_channels == 1 ? 28 : 32, classes;
        net.builder = graph_begin(net.in_channels, size, size, err);
        classes = build(&net);
        done = !net.builder.failed;
        bool complete = done && finder_fits(&net.finder);
        Graph *graph = graph_finish(&net.builder, classes);
        if (complete) {
            out->graph = graph;
            describe(&net, &out->description);
            done = str_ok(&out->description, err);
        } else {
            graph_release(graph);
        }
    }
    finder_done(&net.finder);
    return done;
}

/* ---- making ------------------------------------------------------------------------------------------------------ */

static void add_convolution(TensorBuilder *builder, unsigned out, unsigned in, unsigned kernel, const char *name) {
    tensor_add(builder, 4, (const uint64_t[]){out, in, kernel, kernel}, "%s.weight", name);
}

static void add_batch_norm(TensorBuilder *builder, unsigned channels, const char *name) {
    static const char *const parts[] = {"weight", "bias", "running_mean", "running_var"};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        tensor_add(builder, 1, (const uint64_t[]){channels}, "%s.%s", name, parts[i]);
}

static void add_block(TensorBuilder *builder, unsigned in, unsigned width, bool shortcut, const char *prefix) {
    char name[64];
#define NAMED(part) (snprintf(name, sizeof name, "%s.%s", prefix, part), name)
    add_convolution(builder, width, in, 3, NAMED("conv1"));
    add_batch_norm(builder, width, NAMED("bn1"));
    add_convolution(builder, width, width, 3, NAMED("conv2"));
    add_batch_norm(builder, width, NAMED("bn2"));
    if (!shortcut) return;
    add_convolution(builder, width, in, 1, NAMED("shortcut.0"));
    add_batch_norm(builder, width, NAMED("shortcut.1"));
#undef NAMED
}

static bool make(const ArchitectureRequest *request, unsigned depth, Network *network, Error *err) {
    const unsigned blocks = depth / 6;
    unsigned width[STAGES], in;
    if (depth % 6 != 2 || blocks == 0 || blocks > BLOCKS_MAX)
        return error_set(err, STATUS_USAGE, "%s: there are " DEPTHS, request->architecture);
    for (unsigned s = 0; s < STAGES; s++) {
        width[s] = request->widths[s] ? request->widths[s] : 16u << s;
        if (s > 0 && width[s] < width[s - 1] && !request->projection)
            return error_set(err, STATUS_USAGE,
                             "%s: from %u channels to %u: shortcuts of option A cannot take channels away, those of "
                             "option B can",
                             request->architecture, width[s - 1], width[s]);
    }
    TensorBuilder builder = {.network = network, .err = err};
    in = width[0];
    add_convolution(&builder, in, request->in_channels, 3, "conv1");
    add_batch_norm(&builder, in, "bn1");
    for (unsigned s = 0; s < STAGES; s++)
        for (unsigned b = 0; b < blocks && !builder.failed; b++) {
            char prefix[32];
            snprintf(prefix, sizeof prefix, "layer%u.%u", s + 1, b);
            add_block(&builder, in, width[s], request->projection && s > 0 && b == 0, prefix);
            in = width[s];
        }
    tensor_add(&builder, 2, (const uint64_t[]){request->classes, in}, "linear.weight");
    tensor_add(&builder, 1, (const uint64_t[]){request->classes}, "linear.bias");
    return !builder.failed;
}

/* METHOD.md section 1: every 3x3 convolution. */
static bool predicted(const Tensor *convolution_weight) {
    return convolution_weight->dim[2] == 3 && convolution_weight->dim[3] == 3;
}

const Architecture architecture_resnet_cifar = {
    .info = {"resnet-cifar", "CIFAR ResNet of basic blocks: any depth and widths, shortcut option A or B"},
    .fit = fit,
    .predicted = predicted,
    .family = "resnet",
    .depths = DEPTHS,
    .make = make,
};
