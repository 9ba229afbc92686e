/* labels -- the words for columns and notes. A new column whose name is not yet what people say gets a line here. */
#include "weft/base/labels.h"

#include <stddef.h>
#include <string.h>

static const struct {
    const char *name, *words;
} labels[] = {
    /* accuracy and loss */
    {"accuracy_low", "accuracy (95 % low)"},
    {"accuracy_high", "accuracy (95 % high)"},
    {"accuracy_mean", "mean accuracy"},
    {"accuracy_std", "standard deviation of the accuracy"},
    {"accuracy_original", "accuracy of the original"},
    {"accuracy_unchanged", "accuracy of the unchanged network"},
    {"best_accuracy", "best accuracy"},
    {"best_round", "best round"},
    {"best_trial", "best trial"},
    {"cross_entropy", "cross entropy"},
    {"eps", "ε"},
    {"eps_255", "ε (1/255)"},
    {"fgsm", "accuracy under FGSM"},
    {"ifgsm", "accuracy under I-FGSM"},
    {"images_per_second", "images/s"},
    {"loss_unchanged", "loss of the unchanged network"},
    {"ood", "OOD accuracy"},
    {"ood_accuracy", "OOD accuracy"},
    {"p_value", "p value"},
    {"top5", "top-5 accuracy"},
    {"train_accuracy", "accuracy on the training images"},
    {"train_error", "error on the training images"},
    {"train_loss", "loss on the training images"},
    /* weights */
    {"cosine", "cosine similarity"},
    {"energy_fraction", "share of energy"},
    {"log_variance_change", "change of the log variance"},
    {"mean_abs", "mean |difference|"},
    {"mean_change", "change of the mean"},
    {"mean_difference", "mean difference"},
    {"mean_last_half", "mean of the last half"},
    {"mean_last_half_difference", "mean difference of the last half"},
    {"mean_last_half_paper_difference", "last-half difference (paper)"},
    {"mean_last_half_vs", "mean of its last half"},
    {"mean_vs", "mean of NET2"},
    {"relative", "relative difference"},
    {"relative_change", "relative change"},
    {"rms", "RMS difference"},
    {"rms_error", "RMS error"},
    {"s_ratio", "S_ratio"},
    {"s_ratio_vs", "S_ratio of NET2"},
    {"sigma", "singular value"},
    {"sratio_change", "change of S_ratio"},
    {"deviation", "standard deviation"},
    {"deviation_vs", "standard deviation of NET2"},
    {"greatest_vs", "greatest of NET2"},
    {"kurtosis", "excess kurtosis"},
    {"kurtosis_vs", "excess kurtosis of NET2"},
    {"least_vs", "least of NET2"},
    {"magnitude_vs", "magnitude of NET2"},
    {"not_finite_vs", "not finite in NET2"},
    {"sigma_vs", "singular value of NET2"},
    {"weights_vs", "weights of NET2"},
    {"zeros", "share of zeros"},
    {"zeros_vs", "share of zeros of NET2"},
    {"count_vs", "count in NET2"},
    {"share_vs", "share in NET2"},
    /* integers */
    {"activation_bits", "bits of activations"},
    {"activation_sqnr", "SQNR of activations"},
    {"max_error", "largest error"},
    {"sqnr", "SQNR"},
    {"zero_point", "zero point"},
    /* predictors and training */
    {"batch_norms", "batch norms"},
    {"cr", "CR"},
    {"cr_predicted", "CR of the predicted weights"},
    {"fmd", "L_fmd"},
    {"gradient_norm", "norm of the gradient"},
    {"kd", "L_kd"},
    {"kernel_size", "kernel size"},
    {"l_recon", "L_recon"},
    {"l_recon_original", "L_recon against the original"},
    {"learning_rate", "learning rate"},
    {"recon", "L_recon"},
    {"size_float", "size in float32"},
    {"source_network", "source network"},
};

const char *label_of(const char *name) {
    for (size_t i = 0; i < sizeof labels / sizeof *labels; i++)
        if (strcmp(labels[i].name, name) == 0) return labels[i].words;
    return name;
}
