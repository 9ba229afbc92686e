"""make_stats -- stats.json: intervals, exact McNemar tests and corrections for many comparisons by SciPy and statsmodels,
and the comparison of the two sample networks image by image, from the predictions and losses of forward.npz."""
import os

import numpy as np
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint

from common import HERE, read_images, write_json

SHARES = ((0, 1), (1, 1), (0, 10), (10, 10), (1, 3), (5, 10), (776, 846), (1865, 2000), (9281, 10000), (49999, 50000),
          (500000, 1000000), (1, 10**9), (10**9, 10**9))
# both, only a, only b, neither; the third and fourth are examples of Fagerland, Lydersen and Laake
PAIRS = ((0, 0, 0, 1), (1, 0, 0, 0), (1, 1, 7, 12), (59, 6, 16, 80), (0, 5, 5, 0), (0, 10, 0, 0), (0, 0, 10, 0),
         (770, 6, 12, 58), (9200, 81, 75, 644), (9281, 0, 0, 719), (40, 10, 10, 40), (10, 40, 40, 10), (2, 3, 5, 900000))
DISCORDANT = ((0, 0), (0, 1), (1, 0), (3, 3), (0, 5), (0, 6), (6, 0), (2, 10), (30, 50), (50, 30), (500, 501), (0, 1000),
              (0, 1100), (1000, 1500), (49000, 51000), (500000, 501000), (1000000, 1000001), (999000, 1002000),
              (2000000, 2005000))
FAMILIES = ((0.04,), (0.06,), (0.01, 0.02, 0.03), (0.03, 0.02, 0.01, 0.04), (0.0125, 0.04, 0.5, 0.0126),
            (1e-9, 0.2, 0.013, 0.0166, 1, 0.9), (0.05, 0.05), (0.025, 0.05), tuple(0.001 * 2**i for i in range(9)))


def newcombe(both, only_a, only_b, neither):
    """The share of b minus that of a. Method 10 of Newcombe (1998): statsmodels' Wilson limits, joined by square and add."""
    n = both + only_a + only_b + neither
    shares = [(both + only_a) / n, (both + only_b) / n]
    limits = [proportion_confint(round(share * n), n, method="wilson") for share in shares]
    down, up = ([abs(limit[i] - share) for limit, share in zip(limits, shares)] for i in (0, 1))
    table = np.array([[both, only_a], [only_b, neither]], dtype=object)
    margins = np.prod([int(m) for m in table.sum(0)] + [int(m) for m in table.sum(1)], dtype=object)
    agreement = both * neither - only_a * only_b
    if agreement > 0:
        agreement = max(agreement - n / 2, 0)
    phi = agreement / float(margins) ** 0.5 if margins else 0
    side = lambda a, b: (a * a - 2 * phi * a * b + b * b) ** 0.5
    difference = (only_b - only_a) / n
    return difference, difference - side(down[1], up[0]), difference + side(down[0], up[1])


def check():
    """The value in the tests of R's package contingencytables (Fagerland, Lydersen and Laake), chapter 8."""
    assert np.allclose(newcombe(59, 16, 6, 80), (-0.0621, -0.1186, -0.0046), atol=5.1e-5)


def compare(right, losses):
    """Two networks on the same images: their results are the rows of `right` and `losses`."""
    table = [[int(np.sum((right[0] == a) & (right[1] == b))) for b in (True, False)] for a in (True, False)]
    (both, only_a), (only_b, neither) = table
    difference, low, high = newcombe(both, only_a, only_b, neither)
    apart = losses[1] - losses[0]
    return {"both": both, "only_a": only_a, "only_b": only_b, "neither": neither, "difference": 100 * difference,
            "difference_low": 100 * low, "difference_high": 100 * high, "p_value": mcnemar(table, exact=True).pvalue,
            "loss_difference": apart.mean(), "loss_error": stats.sem(apart)}


def networks():
    """The ResNet8 (a) and the ResNet20 (b), all images and class by class."""
    arrays = np.load(os.path.join(HERE, "forward.npz"))
    names = ("fashion-resnet8", "fashion-resnet20")
    labels = read_images(2000)[1].numpy()
    right = np.array([arrays[name + ".predictions"] == labels for name in names])
    losses = np.array([arrays[name + ".ce_per_image"] for name in names], dtype=np.float64)
    classes = [compare(right[:, labels == c], losses[:, labels == c]) for c in range(10)]
    return {"all": compare(right, losses), "first_100": compare(right[:, :100], losses[:, :100]), "classes": classes}


def make():
    check()
    wilson = [(part, whole, *proportion_confint(part, whole, method="wilson")) for part, whole in SHARES]
    for part, whole, low, high in wilson:
        other = stats.binomtest(part, whole).proportion_ci(method="wilson")
        assert np.allclose((low, high), (other.low, other.high), rtol=1e-9, atol=1e-15), (part, whole)
    mc_nemar = [(a, b, stats.binomtest(a, a + b).pvalue if a + b else 1) for a, b in DISCORDANT]
    for a, b, p in mc_nemar:
        assert np.isclose(p, mcnemar([[1, a], [b, 1]], exact=True).pvalue, rtol=1e-9, atol=0), (a, b)
    holm = [(p, int(multipletests(p, 0.05, "holm")[0].sum())) for p in FAMILIES]
    write_json("stats", {"wilson": wilson, "paired": [(*pairs, *newcombe(*pairs)) for pairs in PAIRS],
                         "mcnemar": mc_nemar, "holm": holm, "networks": networks()})
