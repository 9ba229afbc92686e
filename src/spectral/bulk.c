/* bulk -- the Marchenko-Pastur law fitted to eigenvalues, and the eigenvalues beyond its edge.
 *
 * An N x M matrix of independent entries of variance s^2 / N has eigenvalues (squares of singular values) of the
 * density sqrt((b - x) (x - a)) / (2 pi s^2 x M / N)    between a and b = s^2 (1 -+ sqrt(M / N))^2 (Marchenko and
 * Pastur, 1967). Where N = M the density of the singular values is compared with the quarter circle sqrt(4 - x^2) / (pi
 * s^2)    up to 2 in its place. WeightWatcher's rules, kept to the step so that its numbers come out: the eigenvalues
 * are scaled to a mean of 1, the grid goes from 0.05 to 2 times the s whose edge is the largest eigenvalue, and from
 * its best point SciPy's fmin goes on.
 */
#include "weft/spectral/quality.h"

#include <math.h>
#include <string.h>

#include "weft/base/error.h"
#include "weft/base/memory.h"

enum { POINTS = 1000, STEPS_MAX = 200 };
static const double BANDWIDTH = 0.1, DENSITY_MIN = 0.01, TOLERANCE = 1e-4, REFUSED = 1000, ROUNDING = 1e-12;
static const double PI = 3.14159265358979323846;

/* What is fitted: points with some density. */
typedef struct Density {
    double x[POINTS], y[POINTS];
    size_t count;
    double peak;      /* where the density is greatest */
    double ratio;     /* M / N; 1: singular values, the quarter circle */
    double circle[3]; /* there: sums of c^2, c y and y^2, c = sqrt(4 - x^2) / pi */
} Density;

/* The density of `values` (ascending) at x: a triangle of height 1 / BANDWIDTH over each. *first: of those in reach. */
static double density_at(const double *values, size_t count, double x, size_t *first) {
    double sum = 0;
    while (*first < count && values[*first] <= x - BANDWIDTH) (*first)++;
    for (size_t i = *first; i < count && values[i] < x + BANDWIDTH; i++) sum += 1 - fabs(x - values[i]) / BANDWIDTH;
    return sum / ((double)count * BANDWIDTH);
}

static void density_of(const double *values, size_t count, Density *out) {
    const double step = (values[count - 1] + 0.5) / (POINTS - 1);
    double highest = 0;
    size_t first = 0;
    out->count = 0;
    for (size_t i = 0; i < POINTS; i++) {
        const double x = (double)i * step, y = density_at(values, count, x, &first);
        if (!(y > DENSITY_MIN)) continue;
        if (y > highest * (1 + ROUNDING)) { /* a plateau's first point is its peak */
            highest = y;
            out->peak = x;
        }
        out->x[out->count] = x;
        out->y[out->count++] = y;
    }
}

static double edge(double sigma, double ratio, double sign) {
    const double side = sigma * (1 + sign * sqrt(ratio));
    return side * side;
}

static double law(double x, double sigma, double ratio, double a, double b) {
    const double square = (b - x) * (x - a);
    return square > 0 ? sqrt(square) / (2 * PI * sigma * sigma * x * ratio) : 0;
}

/* The quarter circle is c / s^2, so that the sum of squares follows from three sums. */
static void sum_circle(Density *density) {
    memset(density->circle, 0, sizeof density->circle);
    for (size_t i = 0; i < density->count; i++) {
        const double x = density->x[i], y = density->y[i], c = x > 2 ? 0 : sqrt(4 - x * x) / PI;
        density->circle[0] += c * c;
        density->circle[1] += c * y;
        density->circle[2] += y * y;
    }
}

/* The sum of squares. A bulk that leaves out the peak, or goes beyond all density, is refused. */
static double residual(const Density *density, double sigma) {
    if (density->ratio == 1) {
        const double *sums = density->circle, variance = sigma * sigma;
        return sums[0] / (variance * variance) - 2 * sums[1] / variance + sums[2];
    }
    const double a = edge(sigma, density->ratio, -1), b = edge(sigma, density->ratio, 1);
    if (b < density->peak || a > density->peak || b > density->x[density->count - 1])
        return (double)density->count * REFUSED * REFUSED;
    double sum = 0;
    for (size_t i = 0; i < density->count; i++) {
        const double difference = law(density->x[i], sigma, density->ratio, a, b) - density->y[i];
        sum += difference * difference;
    }
    return sum;
}

/* The best point of a grid around `scale`; the first of equal ones. */
static double search_grid(const Density *density, double scale) {
    const double start = 0.05 * scale, step = 0.01 * scale;
    const size_t count = (size_t)ceil((2.0 * scale - start) / step);
    double best = start, least = INFINITY;
    for (size_t i = 0; i < count; i++) {
        const double sigma = (double)i * step + start, value = residual(density, sigma);
        if (value >= least) continue;
        least = value;
        best = sigma;
    }
    return best;
}

typedef struct Vertex {
    double x, value;
} Vertex;

static Vertex vertex(const Density *density, double x) {
    return (Vertex){x, residual(density, x)};
}

/* Nelder and Mead's simplex in one dimension: two points, as SciPy's fmin moves them. */
static double search_simplex(const Density *density, double start) {
    Vertex best = vertex(density, start), worst = vertex(density, 1.05 * start);
    for (unsigned step = 0; step < STEPS_MAX; step++) {
        if (worst.value < best.value) {
            const Vertex swap = best;
            best = worst;
            worst = swap;
        }
        if (fabs(worst.x - best.x) <= TOLERANCE && fabs(worst.value - best.value) <= TOLERANCE) break;
        const Vertex reflected = vertex(density, 2 * best.x - worst.x);
        if (reflected.value < best.value) {
            const Vertex expanded = vertex(density, 3 * best.x - 2 * worst.x);
            worst = expanded.value < reflected.value ? expanded : reflected;
            continue;
        }
        const bool outside = reflected.value < worst.value;
        const Vertex contracted =
            vertex(density, outside ? 1.5 * best.x - 0.5 * worst.x : 0.5 * best.x + 0.5 * worst.x);
        if (outside ? contracted.value <= reflected.value : contracted.value < worst.value)
            worst = contracted;
        else
            worst = vertex(density, best.x + 0.5 * (worst.x - best.x));
    }
    return worst.value < best.value ? worst.x : best.x;
}

/* `scaled` has a mean of 1; `scale`: how often the eigenvalues themselves go into it. */
static void judge(const double *scaled, size_t count, size_t M, double scale, Density *density, Bulk *out) {
    const double largest = scaled[count - 1], root = sqrt(density->ratio);
    const double sigma = search_simplex(density, search_grid(density, sqrt(largest) / (1 + root)));
    const double upper = edge(sigma, density->ratio, 1), lower = edge(sigma, density->ratio, -1);
    const double width = sqrt(root * pow(upper, 2.0 / 3) * pow((double)M, -2.0 / 3));
    *out = (Bulk){sigma, lower / scale, upper / scale, upper / largest, 0};
    while (out->spikes < count && scaled[count - 1 - out->spikes] > upper + width) out->spikes++;
}

bool bulk_fit(const double *values, size_t count, size_t N, size_t M, Bulk *out, Error *err) {
    double *scaled = mem_alloc(count, 2 * sizeof *scaled, err), sum = 0;
    Density *density = scaled ? mem_alloc(1, sizeof *density, err) : NULL;
    *out = (Bulk){(double)NAN, (double)NAN, (double)NAN, (double)NAN, 0};
    for (size_t i = 0; i < count; i++) sum += values[i];
    const double scale = (double)count / sum;
    if (density && count > 0 && isfinite(scale)) {
        double *fitted = scaled + count;
        density->ratio = (double)M / (double)N;
        for (size_t i = 0; i < count; i++) {
            scaled[i] = scale * values[i];
            fitted[i] = N == M ? sqrt(scaled[i]) : scaled[i];
        }
        density_of(fitted, count, density);
        sum_circle(density);
        if (density->count > 0) judge(scaled, count, M, scale, density, out);
    }
    mem_free(density);
    mem_free(scaled);
    return density != NULL;
}
