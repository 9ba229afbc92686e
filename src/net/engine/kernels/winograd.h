/* winograd -- convolutions of 3 x 3 taps with fewer multiplications; part of template.h, with its macros.
 *
 * Winograd's minimal filtering F(m x m, 3 x 3) in the form of Lavin and Gray (2016, "Fast algorithms for convolutional
 * neural networks"): a tile of m x m results needs (m + 2)^2 inputs d and, with weights g, is
 *
 *   A' [ (G g G') * (B' d B) ] A        (* position by position, summed over input channels)
 *
 * so it takes (m + 2)^2 multiplications where 9 m^2 are usual: 16 for 36 with m = 2, 36 for 144 with m = 4. The
 * matrices belong to polynomials at the points 0, 1, -1, infinity (m = 2) and 0, a, -a, b, -b, infinity (m = 4). Usual
 * for m = 4 are a = 1, b = 2; a = 5/8, b = 3/2 halve the rounding error, and all coefficients are exact in float32
 * still.
 *
 * A convolution with a stride of 2 has four parts, by the parity of rows and columns: 2 x 2, 2 x 1, 1 x 2 and 1 x 1
 * taps, each with a stride of 1 over every other pixel. Along an axis a tile of 4 results needs 9 inputs. F(4, 2) at
 * the points 0, 3/4, -3/4, 2, infinity makes 5 numbers of the even ones; the 4 odd ones stay as they are, and have one
 * weight. So there are 9^2 products where 144 are usual, with 6^2 numbers for a kernel.
 *
 * Weights come as G g G'. The gradient of the weights is the transpose of all this: with e of m x m gradients of
 * results, G' [ sum over tiles of (B' d B) * (A e A') ] G; G is applied by the caller, once.
 */

enum { SIDE_MOST = 2 * WINOGRAD_TILE_MOST + 1 };

/* ---- transforms -------------------------------------------------------------------------------------------------- */

#define A1 ((float)WINOGRAD_A)
#define A2 (A1 * A1)
#define A3 (A1 * A1 * A1)
#define B1 ((float)WINOGRAD_B)
#define B2 (B1 * B1)
#define B3 (B1 * B1 * B1)

/* B' d of one line of tile + 2 values, in place. */
INLINE void input_line(const unsigned tile, Vector *d) {
    if (tile == 2) {
        const Vector first = d[0] - d[2], last = d[1] - d[3], sum = d[1] + d[2], difference = d[2] - d[1];
        d[0] = first, d[1] = sum, d[2] = difference, d[3] = last;
        return;
    }
    const Vector first = A2 * B2 * d[0] - (A2 + B2) * d[2] + d[4], last = A2 * B2 * d[1] - (A2 + B2) * d[3] + d[5];
    const Vector even_a = d[4] - B2 * d[2], odd_a = d[3] - B2 * d[1], even_b = d[4] - A2 * d[2],
                 odd_b = d[3] - A2 * d[1];
    d[0] = first, d[5] = last;
    d[1] = even_a + A1 * odd_a, d[2] = even_a - A1 * odd_a;
    d[3] = even_b + B1 * odd_b, d[4] = even_b - B1 * odd_b;
}

/* A' m: from tile + 2 values to `tile`, in place. */
INLINE void output_line(const unsigned tile, Vector *m) {
    const Vector sum = m[1] + m[2], difference = m[1] - m[2];
    if (tile == 2) {
        m[0] += sum, m[1] = difference - m[3];
        return;
    }
    const Vector sum_b = m[3] + m[4], difference_b = m[3] - m[4];
    m[0] += sum + sum_b;
    m[1] = A1 * difference + B1 * difference_b;
    m[2] = A2 * sum + B2 * sum_b;
    m[3] = A3 * difference + B3 * difference_b + m[5];
}

/* A e: from `tile` values to tile + 2, in place. */
INLINE void gradient_line(const unsigned tile, Vector *e) {
    if (tile == 2) {
        const Vector sum = e[0] + e[1], difference = e[0] - e[1];
        e[3] = -e[1], e[1] = sum, e[2] = difference;
        return;
    }
    const Vector even_a = e[0] + A2 * e[2], odd_a = A1 * e[1] + A3 * e[3];
    const Vector even_b = e[0] + B2 * e[2], odd_b = B1 * e[1] + B3 * e[3];
    e[5] = e[3];
    e[1] = even_a + odd_a, e[2] = even_a - odd_a;
    e[3] = even_b + odd_b, e[4] = even_b - odd_b;
}

/* G g: from three weights to tile + 2 values, in place. */
INLINE void kernel_line(const unsigned tile, Vector *g) {
    const Vector first = g[0], last = g[2];
    if (tile == 2) {
        const Vector even = 0.5f * (first + last), odd = 0.5f * g[1];
        g[1] = even + odd, g[2] = even - odd, g[3] = last;
        return;
    }
    const Vector even_a = (float)WINOGRAD_NA * (first + A2 * last), odd_a = (float)WINOGRAD_NA * A1 * g[1];
    const Vector even_b = (float)WINOGRAD_NB * (first + B2 * last), odd_b = (float)WINOGRAD_NB * B1 * g[1];
    g[0] = (float)WINOGRAD_N0 * first, g[5] = last;
    g[1] = even_a + odd_a, g[2] = even_a - odd_a;
    g[3] = even_b + odd_b, g[4] = even_b - odd_b;
}

/* G' s: from tile + 2 sums to the gradients of three weights, in place. */
INLINE void weight_line(const unsigned tile, Vector *s) {
    if (tile == 2) {
        const Vector even = 0.5f * (s[1] + s[2]), odd = 0.5f * (s[1] - s[2]);
        s[0] += even, s[1] = odd, s[2] = even + s[3];
        return;
    }
    const Vector even_a = (float)WINOGRAD_NA * (s[1] + s[2]), odd_a = (float)WINOGRAD_NA * (s[1] - s[2]);
    const Vector even_b = (float)WINOGRAD_NB * (s[3] + s[4]), odd_b = (float)WINOGRAD_NB * (s[3] - s[4]);
    s[0] = (float)WINOGRAD_N0 * s[0] + even_a + even_b;
    s[1] = A1 * odd_a + B1 * odd_b;
    s[2] = A2 * even_a + B2 * even_b + s[5];
}

/* Their powers follow. */
#undef A1
#undef B1
#define A1 ((float)STRIDED_A)
#define B1 ((float)STRIDED_B)

/* The same with a stride of 2: numbers of even inputs and of odd ones by turns. */
INLINE void strided_input_line(const unsigned tile, Vector *d) {
    (void)tile;
    const Vector first = A2 * B1 * d[0] - A2 * d[2] - B1 * d[4] + d[6];
    const Vector last = A2 * B1 * d[2] - A2 * d[4] - B1 * d[6] + d[8];
    const Vector above = d[6] + (A1 - B1) * d[4] - A1 * B1 * d[2], below = d[6] - (A1 + B1) * d[4] + A1 * B1 * d[2];
    d[6] -= A2 * d[2];
    d[0] = first, d[2] = above, d[4] = below, d[8] = last;
}

INLINE void strided_output_line(const unsigned tile, Vector *m) {
    (void)tile;
    const Vector sum = m[2] + m[4], difference = m[2] - m[4], b = m[6], odd = m[3];
    m[0] += sum + b + m[1];
    m[1] = A1 * difference + B1 * b + odd;
    m[2] = A2 * sum + B2 * b + m[5];
    m[3] = A3 * difference + B3 * b + m[8] + m[7];
}

/* At the points, then the weight of the odd inputs. */
INLINE void strided_kernel_line(const unsigned tile, Vector *g) {
    (void)tile;
    const Vector first = g[0], odd = g[1], last = g[2];
    g[0] = (float)STRIDED_N0 * first;
    g[1] = (float)STRIDED_NA * (first + A1 * last), g[2] = (float)STRIDED_NM * (first - A1 * last);
    g[3] = (float)STRIDED_NB * (first + B1 * last);
    g[4] = last, g[5] = odd;
}

#undef A1
#undef A2
#undef A3
#undef B1
#undef B2
#undef B3

/* A square of vectors, by columns: those of a row are `pixel` floats apart. */
INLINE void take(const unsigned side, const float *from, size_t row, size_t pixel, Vector (*square)[SIDE_MOST]) {
    VECTOR_UNROLL for (unsigned i = 0; i < side; i++, from += row) {
        const float *at = from;
        VECTOR_UNROLL for (unsigned j = 0; j < side; j++, at += pixel) square[j][i] = *(const Vector *)at;
    }
}

/* And back, position by position. */
INLINE void give(const unsigned side, Vector (*square)[SIDE_MOST], float *to, size_t distance) {
    VECTOR_UNROLL for (unsigned i = 0; i < side; i++) {
        VECTOR_UNROLL for (unsigned j = 0; j < side; j++, to += distance) * (Vector *)to = square[j][i];
    }
}

/* `line` for the columns of a square of `before` x `before` and then for its rows; `after` x `after` are left. */
#define BOTH_WAYS(line, tile, before, after, square)                                          \
    VECTOR_UNROLL for (unsigned j_ = 0; j_ < (before); j_++) line(tile, (square)[j_]);        \
    VECTOR_UNROLL for (unsigned i_ = 0; i_ < (after); i_++) {                                 \
        Vector row_[SIDE_MOST];                                                               \
        VECTOR_UNROLL for (unsigned j_ = 0; j_ < (before); j_++) row_[j_] = (square)[j_][i_]; \
        line(tile, row_);                                                                     \
        VECTOR_UNROLL for (unsigned j_ = 0; j_ < (after); j_++)(square)[j_][i_] = row_[j_];   \
    }

/* ---- tiles ------------------------------------------------------------------------------------------------------- */

/* A vector of channels of one tile, transformed: position p goes to to + p * distance. These functions and their likes
 * below are not inlined: a compiler would keep the addresses of all positions for the next vector, in memory. */
typedef void Transform(const float *from, size_t row, size_t pixel, float *to, size_t distance);
#define TILE_FUNCTION TARGET __attribute__((noinline)) static void
#define TRANSFORM(name, line, tile, before, after)                                                \
    TILE_FUNCTION name(const float *from, size_t row, size_t pixel, float *to, size_t distance) { \
        Vector square[SIDE_MOST][SIDE_MOST];                                                      \
        take(before, from, row, pixel, square);                                                   \
        BOTH_WAYS(line, tile, before, after, square)                                              \
        give(after, square, to, distance);                                                        \
    }
TRANSFORM(input_of_two, input_line, 2, 4, 4)
TRANSFORM(input_of_four, input_line, 4, 6, 6)
TRANSFORM(input_strided, strided_input_line, 4, 9, 9)
TRANSFORM(kernel_of_two, kernel_line, 2, 3, 4)
TRANSFORM(kernel_of_four, kernel_line, 4, 3, 6)
TRANSFORM(kernel_strided, strided_kernel_line, 4, 3, 6)
TRANSFORM(gradient_of_two, gradient_line, 2, 2, 4)
TRANSFORM(gradient_of_four, gradient_line, 4, 4, 6)
#undef TRANSFORM

/* Where a tile is, among those of all images. */
typedef struct Tile {
    size_t image;
    unsigned y, x; /* of its first pixel */
} Tile;

/* A map of results in tiles, `tile` pixels each way. */
typedef struct Grid {
    unsigned height, width, tile;
} Grid;

INLINE size_t grid_tiles(Grid grid) {
    const size_t tile = grid.tile;
    return (grid.height + tile - 1) / tile * ((grid.width + tile - 1) / tile);
}

INLINE Tile grid_at(Grid grid, size_t number) {
    const size_t across = (grid.width + grid.tile - 1) / grid.tile, all = grid_tiles(grid);
    return (Tile){number / all, (unsigned)(number % all / across * grid.tile), (unsigned)(number % across * grid.tile)};
}

INLINE void grid_next(Grid grid, Tile *at) {
    if ((at->x += grid.tile) < grid.width) return;
    at->x = 0;
    if ((at->y += grid.tile) < grid.height) return;
    at->y = 0;
    at->image++;
}

/* Maps that tiles are taken from: `side` pixels each way, `stride` pixels for one of the grid and `beyond` more in all.
 */
typedef struct Source {
    const float *from;
    size_t next_image, row, pixel, channels;
    unsigned side, stride, beyond;
    Transform *transform;
} Source;

/* A tile that ends beyond the map is copied to `patch`, with zeros. */
TARGET static const float *patch_of(const Source *s, const float *from, size_t rows, size_t columns, float *patch) {
    memset(patch, 0, s->side * s->side * s->channels * sizeof *patch);
    for (size_t i = 0; i < rows && i < s->side; i++)
        for (size_t j = 0; j < columns && j < s->side; j++)
            memcpy(patch + (i * s->side + j) * s->channels, from + i * s->row + j * s->pixel,
                   s->channels * sizeof *patch);
    return patch;
}

/* Transforms `count` tiles from number `first` on: to[position][tile][pitch]. */
TARGET static void transform_tiles(const Source *s, Grid grid, size_t first, size_t count, float *to, float *patch) {
    const size_t pitch = padded_channels(s->channels);
    Tile at = grid_at(grid, first);
    for (size_t t = 0; t < count; t++, to += pitch, grid_next(grid, &at)) {
        const size_t rows = (grid.height - at.y) * s->stride + s->beyond;
        const size_t columns = (grid.width - at.x) * s->stride + s->beyond;
        const float *from = s->from + at.image * s->next_image + s->stride * (at.y * s->row + at.x * s->pixel);
        size_t row = s->row, pixel = s->pixel;
        if (rows < s->side || columns < s->side) {
            from = patch_of(s, from, rows, columns, patch);
            row = s->side * s->channels;
            pixel = s->channels;
        }
        for (size_t c = 0; c < s->channels; c += LANES)
            s->transform(from + c, row, pixel, to + c, winograd_distance(count * pitch));
    }
}

/* ---- products ---------------------------------------------------------------------------------------------------- */

/* to[r][c] = sum over k < sums of in[r * in_row + k * in_step] * with[k * with_step + c], for r < rows and the channels
 * c of one or two groups, the second one's `with` `group` floats further. */
typedef struct Product {
    const float *in;
    size_t in_row, in_step;
    const float *with;
    size_t with_step, group;
    size_t rows, sums;
    float *to; /* groups * CHANNEL_GROUP floats a row */
    bool add;  /* to what is there */
} Product;

INLINE void product_block(const Product *p, const unsigned groups, const unsigned rows, size_t first) {
    Vector sum[PIXELS * VECTORS];
    const unsigned vectors = groups * VECTORS;
    const size_t in_row = p->in_row, group = p->group;
    const float *in = p->in + first * in_row, *with = p->with;
    float *to = p->to + first * groups * CHANNEL_GROUP;
    VECTOR_UNROLL for (unsigned i = 0; i < rows * vectors; i++) sum[i] =
        p->add ? *(const Vector *)(to + i * LANES) : (Vector){0};
    for (size_t k = 0; k < p->sums; k++, in += p->in_step, with += p->with_step) {
        Vector value[2 * VECTORS];
        VECTOR_UNROLL for (unsigned v = 0; v < vectors; v++) value[v] =
            *(const Vector *)(with + v / VECTORS * group + v % VECTORS * LANES);
        VECTOR_UNROLL for (unsigned r = 0; r < rows; r++) {
            VECTOR_UNROLL for (unsigned v = 0; v < vectors; v++) sum[r * vectors + v] += value[v] * in[r * in_row];
        }
    }
    VECTOR_UNROLL for (unsigned i = 0; i < rows * vectors; i++) * (Vector *)(to + i * LANES) = sum[i];
}

INLINE void product(const Product *p, const unsigned groups) {
    const unsigned most = PIXELS / groups;
    for (size_t r = 0, rows; r < p->rows; r += rows) {
        rows = p->rows - r < most ? p->rows - r : most;
#define CASE(n)                                                        \
    case n:                                                            \
        if (n <= most) product_block(p, groups, n <= most ? n : 1, r); \
        break;
        switch (rows) {
            CASE(1)
            CASE(2)
            CASE(3)
            CASE(4)
            CASE(5) CASE(6) CASE(7) CASE(8) CASE(9) CASE(10) CASE(11) CASE(12) CASE(13) CASE(14) CASE(15) CASE(16)
        }
#undef CASE
    }
}

TARGET static void product_of_one(const Product *p) {
    product(p, 1);
}

TARGET static void product_of_two(const Product *p) {
    product(p, 2);
}

/* How many groups of channels go together from channel `first` on. */
INLINE size_t groups_at(size_t first, size_t channels) {
    return PIXELS >= 16 && channels - first > CHANNEL_GROUP ? 2 : 1;
}

/* ---- results ----------------------------------------------------------------------------------------------------- */

/* Where a tile's results go, and how many rows and columns of them there are. */
typedef struct TileEnds {
    Ends ends;
    unsigned rows, columns;
    size_t first, channels; /* from channel `first` on */
} TileEnds;

INLINE void ends_move(Ends *ends, size_t out, size_t residual, size_t mask) {
    ends->out += out;
    if (ends->residual) ends->residual += residual;
    if (ends->mask) ends->mask += mask;
}

INLINE TileEnds tile_ends(const Winograd *w, Tile at, size_t first) {
    const Convolution *c = &w->convolution;
    TileEnds to = {ends_at(c, at.y, at.x, first), c->out_height - at.y, c->out_width - at.x, first,
                   c->out_channels - first};
    const size_t image = at.image * c->next;
    ends_move(&to.ends, image, image, image);
    return to;
}

/* A vector of channels of one tile's results: position p is at from + p * distance. */
INLINE void output_tile(const Convolution *c, const unsigned tile, const unsigned side, const float *from,
                        size_t distance, TileEnds to, size_t lanes) {
    Vector square[SIDE_MOST][SIDE_MOST];
    take(side, from, side * distance, distance, square);
    if (side == tile + 2) {
        BOTH_WAYS(output_line, tile, tile + 2, tile, square)
    } else {
        BOTH_WAYS(strided_output_line, tile, 9, tile, square)
    }
    const Vector bias = c->bias ? *(const Vector *)(c->bias + to.first) : (Vector){0};
    VECTOR_UNROLL for (unsigned i = 0; i < tile; i++) {
        Ends ends = to.ends;
        VECTOR_UNROLL for (unsigned j = 0; j < tile; j++) {
            if (i < to.rows && j < to.columns) finish(c, square[j][i] + bias, ends, 0, lanes);
            ends_move(&ends, c->out_pixel, c->residual_pixel, c->mask_pixel);
        }
        ends_move(&to.ends, c->out_row, c->residual_row, c->mask_row);
    }
}

typedef void Output(const Convolution *c, const float *from, size_t distance, const TileEnds *to);
#define OUTPUT(name, tile, side)                                                                       \
    TILE_FUNCTION name(const Convolution *c, const float *from, size_t distance, const TileEnds *to) { \
        if (to->channels >= LANES)                                                                     \
            output_tile(c, tile, side, from, distance, *to, LANES);                                    \
        else                                                                                           \
            output_tile(c, tile, side, from, distance, *to, to->channels);                             \
    }
OUTPUT(output_of_two, 2, 4)
OUTPUT(output_of_four, 4, 6)
OUTPUT(output_strided, 4, 9)
#undef OUTPUT

/* `count` tiles from number `number` on, for `groups` groups of channels from `first` on. */
TARGET static void output_tiles(const Winograd *w, Grid grid, size_t number, size_t count, size_t groups, size_t first,
                                const float *from) {
    const Convolution *c = &w->convolution;
    const size_t distance = winograd_distance(count * groups * CHANNEL_GROUP);
    const Tiling tiling = w->tiling;
    Output *output = tiling.stride == 2 ? output_strided : tiling.tile == 2 ? output_of_two : output_of_four;
    Tile at = grid_at(grid, number);
    for (size_t t = 0; t < count; t++, from += groups * CHANNEL_GROUP, grid_next(grid, &at))
        for (size_t i = 0; i < groups * CHANNEL_GROUP && first + i < c->out_channels; i += LANES) {
            const TileEnds to = tile_ends(w, at, first + i);
            output(c, from + i, distance, &to);
        }
}

/* Input channels [first, first + count) that are worked on together. */
typedef struct Part {
    size_t first, count;
} Part;

/* Transforms the weights of a part's channels for `groups` groups of results: to[position][channel][groups *
 * CHANNEL_GROUP]. */
TARGET static void transform_kernels(const Winograd *w, Part part, size_t groups, const float *weights, float *to) {
    const size_t row = groups * CHANNEL_GROUP, tap = w->convolution.run * CHANNEL_GROUP;
    const Tiling tiling = w->tiling;
    Transform *transform = tiling.stride == 2 ? kernel_strided : tiling.tile == 2 ? kernel_of_two : kernel_of_four;
    for (size_t g = 0; g < groups; g++, weights += 9 * tap)
        for (size_t k = 0; k < part.count; k++)
            for (size_t c = 0; c < CHANNEL_GROUP; c += LANES)
                transform(weights + (part.first + k) * CHANNEL_GROUP + c, 3 * tap, tap,
                          to + k * row + g * CHANNEL_GROUP + c, winograd_distance(part.count * row));
}

/* Which number of the transformed kernels position p of a tile is multiplied with. */
INLINE size_t number_of(Tiling tiling, size_t p) {
    enum { SIDE = 9, NUMBERS = 6 }; /* of a stride of 2; the last number belongs to the odd inputs */
    const size_t y = p / SIDE, x = p % SIDE;
    if (tiling.stride == 1) return p;
    return (y % 2 ? NUMBERS - 1 : y / 2) * NUMBERS + (x % 2 ? NUMBERS - 1 : x / 2);
}

/* The products of a part of the inputs of `count` tiles, for the groups of results from channel `first` on. */
TARGET static void part_results(const Winograd *w, Part part, size_t count, size_t first, size_t groups,
                                const float *inputs, float *kernels, float *results) {
    const Convolution *c = &w->convolution;
    const size_t side = winograd_side(w->tiling), pitch = padded_channels(part.count), row = groups * CHANNEL_GROUP;
    const size_t group = (w->tiling.plain ? 9 : winograd_positions(w->tiling.tile)) * c->run * CHANNEL_GROUP;
    const float *weights = c->weights + first / CHANNEL_GROUP * group;
    if (w->tiling.plain) transform_kernels(w, part, groups, weights, kernels);
    for (size_t p = 0; p < side * side; p++) {
        const size_t number = number_of(w->tiling, p);
        const Product one = {.in = inputs + p * winograd_distance(count * pitch),
                             .in_row = pitch,
                             .in_step = 1,
                             .with = w->tiling.plain ? kernels + number * winograd_distance(part.count * row)
                                                     : weights + number * c->run * CHANNEL_GROUP,
                             .with_step = w->tiling.plain ? row : CHANNEL_GROUP,
                             .group = w->tiling.plain ? CHANNEL_GROUP : group,
                             .rows = count,
                             .sums = part.count,
                             .to = results + p * winograd_distance(count * row),
                             .add = part.first > 0};
        (groups == 2 ? product_of_two : product_of_one)(&one);
    }
}

/* The results of `count` tiles from number `number` on, part by part of the input channels. */
TARGET static void chunk_results(const Winograd *w, Grid grid, size_t number, size_t count) {
    const Convolution *c = &w->convolution;
    const Tiling tiling = w->tiling;
    const unsigned side = winograd_side(tiling);
    const size_t positions = (size_t)side * side, most = winograd_part(tiling, c->run);
    const size_t numbers = tiling.plain ? winograd_positions(tiling.tile) : 0;
    float *patch = w->scratch, *inputs = patch + positions * padded_channels(most);
    float *kernels = inputs + positions * winograd_distance(tiling.chunk * padded_channels(most));
    float *results = kernels + numbers * winograd_distance(most * 2 * CHANNEL_GROUP);
    for (Part part = {0}; part.first < c->run; part.first += part.count) {
        part.count = c->run - part.first < most ? c->run - part.first : most;
        const Source source = {.from = c->in + part.first,
                               .next_image = c->next,
                               .row = c->tap_row,
                               .pixel = c->tap_pixel,
                               .channels = part.count,
                               .side = side,
                               .stride = tiling.stride,
                               .beyond = 3 - tiling.stride,
                               .transform = tiling.stride == 2 ? input_strided
                                            : tiling.tile == 2 ? input_of_two
                                                               : input_of_four};
        const bool last = part.first + part.count == c->run;
        float *to = results;
        transform_tiles(&source, grid, number, count, inputs, patch);
        for (size_t first = 0, groups; first < c->out_channels; first += groups * CHANNEL_GROUP) {
            groups = groups_at(first, c->out_channels);
            part_results(w, part, count, first, groups, inputs, kernels, to);
            if (last) output_tiles(w, grid, number, count, groups, first, to);
            if (most < c->run) to += positions * winograd_distance(count * groups * CHANNEL_GROUP);
        }
    }
}

TARGET static void winograd(const Winograd *w) {
    const Convolution *c = &w->convolution;
    const Grid grid = {c->out_height, c->out_width, w->tiling.tile};
    for (size_t first = 0, count, left = c->images * grid_tiles(grid); left > 0; first += count, left -= count) {
        count = left < w->tiling.chunk ? left : w->tiling.chunk;
        chunk_results(w, grid, first, count);
    }
}

/* ---- gradients of weights ---------------------------------------------------------------------------------------- */

/* Adds the products of a chunk's inputs and gradients to sums[groups][position][in][groups * CHANNEL_GROUP]. */
TARGET static void chunk_sums(const WeightGradient *g, unsigned tile, size_t count, const float *inputs,
                              const float *gradients, bool add, float *sums) {
    const size_t positions = winograd_positions(tile), in = padded_channels(g->run), out = padded_channels(g->channels);
    for (size_t first = 0, groups; first < g->channels; first += groups * CHANNEL_GROUP) {
        groups = groups_at(first, g->channels);
        for (size_t p = 0; p < positions; p++, sums += g->run * groups * CHANNEL_GROUP) {
            const Product one = {.in = inputs + p * winograd_distance(count * in),
                                 .in_row = 1,
                                 .in_step = in,
                                 .with = gradients + p * winograd_distance(count * out) + first,
                                 .with_step = out,
                                 .group = CHANNEL_GROUP,
                                 .rows = g->run,
                                 .sums = count,
                                 .to = sums,
                                 .add = add};
            (groups == 2 ? product_of_two : product_of_one)(&one);
        }
    }
}

/* A vector of sums, transformed: position p is at from + p * distance, tap t goes to to + t * tap. */
INLINE void weight_tile(const unsigned tile, const float *from, size_t distance, float *to, size_t tap, bool add) {
    Vector square[SIDE_MOST][SIDE_MOST];
    take(tile + 2, from, (tile + 2) * distance, distance, square);
    BOTH_WAYS(weight_line, tile, tile + 2, 3, square)
    VECTOR_UNROLL for (unsigned i = 0; i < 3; i++) {
        VECTOR_UNROLL for (unsigned j = 0; j < 3; j++, to += tap) {
            if (add) square[j][i] += *(const Vector *)to;
            *(Vector *)to = square[j][i];
        }
    }
}

TILE_FUNCTION weight_of_two(const float *from, size_t distance, float *to, size_t tap, bool add) {
    weight_tile(2, from, distance, to, tap, add);
}

TILE_FUNCTION weight_of_four(const float *from, size_t distance, float *to, size_t tap, bool add) {
    weight_tile(4, from, distance, to, tap, add);
}

TARGET static void weight_tiles(const WeightGradient *g, unsigned tile, const float *sums) {
    const size_t positions = winograd_positions(tile), tap = g->run * CHANNEL_GROUP;
    for (size_t first = 0, groups; first < g->channels; first += groups * CHANNEL_GROUP) {
        groups = groups_at(first, g->channels);
        const size_t row = groups * CHANNEL_GROUP;
        for (size_t k = 0; k < g->run; k++)
            for (size_t c = 0; c < row; c += LANES) {
                float *to = g->sums + (first + c) / CHANNEL_GROUP * 9 * tap + k * CHANNEL_GROUP + c % CHANNEL_GROUP;
                (tile == 2 ? weight_of_two : weight_of_four)(sums + k * row + c, g->run * row, to, tap, g->add);
            }
        sums += positions * g->run * row;
    }
}

TARGET static void winograd_gradient(const WinogradGradient *w) {
    const WeightGradient *g = &w->gradient;
    const Grid grid = {g->height, g->width, w->tile};
    const Source input = {.from = g->in,
                          .next_image = w->next_image,
                          .row = g->step_row,
                          .pixel = g->step_pixel,
                          .channels = g->run,
                          .side = w->tile + 2,
                          .stride = 1,
                          .beyond = 2,
                          .transform = w->tile == 2 ? input_of_two : input_of_four};
    const Source gradient = {.from = g->gradient,
                             .next_image = w->next_image,
                             .row = g->gradient_row,
                             .pixel = g->gradient_pixel,
                             .channels = g->channels,
                             .side = w->tile,
                             .stride = 1,
                             .transform = w->tile == 2 ? gradient_of_two : gradient_of_four};
    const size_t positions = winograd_positions(w->tile);
    const size_t in = positions * padded_channels(g->run), out = positions * padded_channels(g->channels);
    const size_t in_distance = winograd_distance(w->chunk * padded_channels(g->run));
    const size_t out_distance = winograd_distance(w->chunk * padded_channels(g->channels));
    float *patch = w->scratch, *inputs = patch + in + out, *gradients = inputs + positions * in_distance;
    float *sums = gradients + positions * out_distance;
    for (size_t first = 0, count, left = w->images * grid_tiles(grid); left > 0; first += count, left -= count) {
        count = left < w->chunk ? left : w->chunk;
        transform_tiles(&input, grid, first, count, inputs, patch);
        transform_tiles(&gradient, grid, first, count, gradients, patch);
        chunk_sums(g, w->tile, count, inputs, gradients, first > 0, sums);
    }
    weight_tiles(g, w->tile, sums);
}
