/* lowpass -- Gaussian low-pass of convolution kernels. */
#include "../apply.h"
#include "../command.h"
#include "weft/base/error.h"
#include "weft/base/task.h"
#include "weft/spectral.h"

typedef struct Lowpass {
    Maker maker;
    double cutoff;
    LowpassMode mode;
} Lowpass;

static Network *lowpass_make(const Network *network, const void *options, const bool *chosen, const char *line,
                             const Task *task, Error *err) {
    const Lowpass *o = options;
    return lowpass_apply(network, o->cutoff, o->mode, chosen, line, task, err);
}

static const Setting positionals[] = {
    OBJECT(Maker, network, NETWORK, "NET", NULL, .help = "the network; it is not changed"), {0}};
static const Setting options[] = {
    REAL(Lowpass, cutoff, "cutoff", "D0", .open_min = true, .required = true,
         .help = "cutoff frequency of the Gaussian H(f) = exp(-(f/D0)^2/2); smaller is smoother"),
    CHOICE(Lowpass, mode, "mode", "MODE", LOWPASS_MODES, .standard = "1d",
           .help = "1d: FFT of the flattened kernel, f = min(i, n-i); 2d: along its own axes, radial f; raw: "
                   "flattened, f = i"),
    MAKER_LAYERS("only these convolutions (help selectors)"),
    MAKER_DRY_RUN,
    MAKER_INTO,
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
    .size = sizeof(Lowpass),
    .positionals = positionals,
    .options = ONE_GROUP(options),
    .examples = examples,
    .run = run_apply,
    .streams = true,
    .apply = lowpass_make,
    .layers = CHOOSE_CONVOLUTIONS,
    .work = work_lowpass,
    .table = true,
};
