/* dense -- products of rows with packed weights, on the kernels of 1x1 convolutions: what a GEMM would do, without
 * packing anew in each call, and with bias and ReLU in the store. */
#include <assert.h>

#include "net/engine/kernels/kernels.h"
#include "weft/net.h"

void dense_pack(const float *weight, size_t in_step, size_t out_step, size_t in, size_t out, float *packed) {
    for (size_t o = 0; o < out; o++) {
        float *to = packed + o / CHANNEL_GROUP * in * CHANNEL_GROUP + o % CHANNEL_GROUP;
        for (size_t i = 0; i < in; i++) to[i * CHANNEL_GROUP] = weight[i * in_step + o * out_step];
    }
}

void dense_run(const float *packed, const float *bias, bool relu, const float *from, size_t from_row, size_t in,
               size_t rows, size_t outputs, float *out) {
    assert(outputs % CHANNEL_GROUP == 0);
    const Convolution c = {.in = from,
                           .step_pixel = from_row,
                           .rows = 1,
                           .columns = 1,
                           .run = in,
                           .weights = packed,
                           .bias = bias,
                           .out = out,
                           .out_pixel = outputs,
                           .out_height = 1,
                           .out_width = (unsigned)rows,
                           .out_channels = (unsigned)outputs,
                           .activation = relu ? ACTIVATION_RELU : ACTIVATION_NONE,
                           .images = 1};
    kernels_best()->convolution(&c);
}
