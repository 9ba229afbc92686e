/* settings -- the rows of a predictor's configuration. */
#include "weft/predictor.h"

const Setting predictor_size_settings[] = {
    INTEGER(PredictorConfig, hidden, "hidden", "H", .min = 1, .max = 8192, .standard = "140", .excludes = "from",
            .help = "width of the hidden layers"),
    INTEGER(PredictorConfig, linear, "linear", "N", .min = 2, .max = MLP_LAYERS_MAX, .standard = "5",
            .excludes = "from", .help = "number of linear layers"),
    {0}};

const Setting predictor_settings[] = {
    CHOICE(PredictorConfig, activation, "activation", "KIND", PREDICTOR_ACTIVATIONS, .standard = "relu",
           .excludes = "from", .help = "function between the linear layers"),
    CHOICE(PredictorConfig, permutation, "permutation", "ORDER", PERMUTATIONS, .standard = "in-filter",
           .usual = "in-filter; above 5 million predicted weights cross-filter", .excludes = "from",
           .help = "order in which the kernels are encoded"),
    REAL(PredictorConfig, base, "base", "B", .open_min = true, .standard = "0.76", .excludes = "from",
         .help = "base of the encoding's frequencies, base^j"),
    INTEGER(PredictorConfig, levels, "levels", "N", .min = 1, .max = 1000, .standard = "40", .excludes = "from",
            .help = "number of the encoding's frequencies"),
    CHOICE(PredictorConfig, normalisation, "normalise-indices", "HOW", INDEX_NORMALISATIONS, .standard = "none",
           .excludes = "from", .help = "divide the indices by nothing, by the layer's sizes or by the largest sizes"),
    {0}};

PredictorConfig predictor_config(void) {
    static const SettingGroup all[] = {{predictor_size_settings, 0}, {predictor_settings, 0}, {NULL, 0}};
    PredictorConfig config;
    settings_standard(all, &config);
    return config;
}
