"""Edges and counts of NumPy's histograms, moments of NumPy and SciPy, for tests/base/test_bins.c and
tests/spectral/test_histogram.c: python tests/oracle/make_bins.py > tests/oracle/bins.h

The values are exact in binary, so that both sides count the same numbers.
"""
import numpy as np
import scipy
import scipy.stats


def noise(count):
    i = np.arange(count, dtype=np.uint64)
    return ((i * np.uint64(2654435761) & np.uint64(0xFFFFFFFF)) >> np.uint64(16) & np.uint64(0xFFF)).astype(float) / 4096


def cases():
    u = noise(6000).reshape(-1, 6).sum(1) - 3
    yield "bell", u
    yield "skewed", u[:500] ** 3
    yield "halves", np.where(noise(300) < 0.7, 0.0, noise(300))  # more than half of the values are equal
    yield "edges", np.tile(np.arange(11) / 8.0, 9)  # values on edges
    yield "one", np.full(5, 2.5)


print("/* Made by tests/oracle/make_bins.py with NumPy %s and SciPy %s. */" % (np.__version__, scipy.__version__))
names = []
for name, x in cases():
    q = np.percentile(x, [25, 75])
    fd = len(np.histogram_bin_edges(x, bins="fd")) - 1
    auto = len(np.histogram_bin_edges(x, bins="sturges")) - 1
    bins = fd if q[1] > q[0] else auto
    counts, edges = np.histogram(x, bins=bins)
    ten, _ = np.histogram(x, bins=10)
    print("static const unsigned %s_counts[] = {%s};" % (name, ", ".join(map(str, counts))))
    print("static const unsigned %s_ten[] = {%s};" % (name, ", ".join(map(str, ten))))
    print("static const double %s_edges[] = {%s};" % (name, ", ".join("%.17g" % e for e in edges)))
    print("static const double %s_quartiles[] = {%.17g, %.17g};" % (name, q[0], q[1]))

bell = dict(cases())["bell"]
numbers = [bell.mean(), bell.std(), bell.min(), bell.max(), scipy.stats.kurtosis(bell), (bell == 0).mean()]
print("/* mean, standard deviation, least, greatest, excess kurtosis, share of zeros */")
print("static const double bell_moments[] = {%s};" % ", ".join("%.17g" % n for n in numbers))
quarter, _ = np.histogram(bell / 4, bins=14, range=(bell.min(), bell.max()))
print("static const unsigned quarter_counts[] = {%s}; /* of a quarter of each, in bell's bins */" % ", ".join(map(str, quarter)))
pool = np.r_[bell, bell / 4]
print("enum { POOL_BINS = %d }; /* by the rule, of both together */" % (len(np.histogram_bin_edges(pool, bins="fd")) - 1))
