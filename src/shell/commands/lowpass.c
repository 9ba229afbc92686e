/* lowpass -- Gaussian low-pass of convolution kernels. */
#include "../session.h"
#include "weft/base/error.h"
#include "weft/base/task.h"
#include "weft/spectral.h"

static Network *apply(const Network *network, const Args *args, const bool *chosen, const Task *task, Error *err) {
    return lowpass_apply(network, args_real(args, "cutoff"), (LowpassMode)args_choice(args, "mode"), chosen, args->line,
                         task, err);
}

static const ArgSpec positionals[] = {{.name = "NET", .kind = ARG_NETWORK, .help = "the network; it stays as it is"},
                                      {0}};
static const ArgSpec options[] = {
    {.name = "cutoff",
     .kind = ARG_REAL,
     .value = "D0",
     .above_min = true,
     .required = true,
     .help = "cutoff frequency of the Gaussian H(f) = exp(-(f/D0)^2/2); smaller is smoother"},
    {.name = "mode",
     .kind = ARG_CHOICE,
     .value = "MODE",
     .choices = "1d|2d|raw",
     .standard = "1d",
     .help =
         "1d: FFT of the flattened kernel, f = min(i, n-i); 2d: of the kernel along its own axes, radial f; raw: flattened, f = i"},
    {.name = "layers", .kind = ARG_LAYERS, .value = "SEL", .help = "only these convolutions (help selectors)"},
    {.name = "into", .kind = ARG_NEW, .value = "NEW", .required = true, .help = "name of the new network"},
    {0}};
static const char *const examples[] = {"lowpass base --cutoff 4 --into smooth",
                                       "lowpass base --cutoff 1 --mode 2d --layers stage:1,-layer1.0.conv1 --into s",
                                       NULL};

const Command command_lowpass = {
    .name = "lowpass",
    .group = "Smoothing",
    .summary = "Apply a Gaussian low-pass filter to kernels by FFT",
    .description =
        "Filters every kernel (with one, two or three axes) of the chosen convolutions and makes a new network "
        "(help low-pass). Other layers have no kernels and cannot be chosen. relative_change is the Frobenius "
        "norm of the change, relative to the weights before.",
    .positionals = positionals,
    .options = options,
    .examples = examples,
    .run = run_apply,
    .apply = apply,
    .layers = CHOOSE_CONVOLUTIONS,
    .table = true,
};
