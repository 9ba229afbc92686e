/* engine -- what the files of the engine share. Private to src/net.
 *
 * An arena holds the maps and the gradients of one image. Images go through the graph in blocks of `block` images, step
 * by step, so that a step's weights serve all of them from the cache; a worker has `block` arenas. In an engine that
 * keeps no maps only the late steps do so (see plan.h). With batch norm in training mode all images meet at each batch
 * norm: then every image has its own.
 *
 * A pass cuts its images into pieces that do not depend on the number of threads; a piece sums up its images' weight
 * gradients in order, and the pieces' sums are added in order.
 */
#ifndef WEFT_NET_ENGINE_H
#define WEFT_NET_ENGINE_H

#include "net/engine/plan.h"
#include "weft/base/error.h"

enum { PIECES_MAX = 16 };

/* What one image adds to the terms of the loss. */
typedef struct ImageTerms {
    double cross_entropy, kd, fmd;
    bool correct;
} ImageTerms;

/* A kept map before a ReLU, as the feature-map loss counts it. */
typedef struct Feature {
    int map;
    bool second; /* the batch norm that is then added to: 0 times in the aliased form */
    bool sum;    /* twice there */
} Feature;

/* The gradient of the feature-map loss at one map of one image: of_student * map + of_teacher * the teacher's map. */
typedef struct FeatureGradient {
    double of_student, of_teacher;
} FeatureGradient;

/* Batch norm in training mode; arrays have plan.statistics entries unless said otherwise. */
typedef struct Statistics {
    float *mean, *variance;       /* of the last pass */
    double *gamma_sum, *beta_sum; /* gradients of gamma and beta */
    double *partial;              /* batch x 2 x plan.channels: what each image adds */
    float *coefficients;          /* 3 x plan.channels, of the current batch norm: see statistics.c */
} Statistics;

struct Engine {
    Graph *graph;
    Plan plan;
    Normalisation normalisation;
    const Kernels *kernels;
    unsigned batch, height, width;
    float **tensors; /* what the graph reads, by index; NULL for other tensors */
    uint64_t *tensor_sizes;
    float *copies;   /* the memory of these, if there is a backward pass; */
    Tensor **shared; /* else whose they are */
    size_t tensor_count;
    float *parameters; /* folded weights and biases */
    float *arenas;
    float *locals;            /* plan.arena floats per image of each worker's block, if maps are local */
    unsigned workers, block;  /* that there are arenas for */
    bool training;            /* batch norm is */
    unsigned pieces;          /* most of a pass */
    float *sums;              /* pieces x plan.sums */
    float *scratch;           /* plan.scratch floats per worker */
    uint32_t *kernel_order;   /* plan.kernels: positions in a choice, sorted by input channel */
    uint32_t *channel_starts; /* plan.kernel_channels: where each channel's begin */
    ImageTerms *terms;        /* of each image of the batch */
    float *teacher_logits;    /* of the batch */
    Feature *features;
    size_t feature_count;
    FeatureGradient *feature_gradients; /* feature_count per arena */
    EngineObserver *observer;           /* NULL: none */
    void *observer_context;
    Statistics statistics;
};

/* ---- maps -------------------------------------------------------------------------------------------------------- */

/* A map in an arena: its first pixel inside the border, and floats from row to row and pixel to pixel. */
typedef struct View {
    float *at;
    size_t row, pixel;
    Shape shape;
    unsigned border;
} View;

/* Where an arena's local maps are, is noted at its beginning: they are where the image is worked on. */
static inline View view_of(const Map *map, float *arena) {
    if (map->local) arena = *(float **)(void *)arena;
    const size_t pixel = map->shape.channels, row = (map->shape.width + 2 * (size_t)map->border) * pixel;
    return (View){arena + map->offset + map->border * (row + pixel), row, pixel, map->shape, map->border};
}

static inline View map_view(const Engine *engine, float *arena, int position) {
    return view_of(&engine->plan.maps[position], arena);
}

static inline View gradient_view(const Engine *engine, float *arena, int position) {
    return view_of(&engine->plan.gradients[position], arena);
}

/* Zeroes the pixels around a map, where its memory may have held another one before. */
void view_clear_border(const View *view);
void view_clear(const View *view); /* all of it */
Pool step_pool(const Engine *engine, const Step *step, const View *in, const View *out);
/* What the kernels of a quantiser work on: all rows from `in` to `out`. */
Levels step_levels(const Step *step, const View *in, const View *out);

/* ---- activations, joins and moves: see simple.c ------------------------------------------------------------------ */

void pointwise_forward(const Engine *engine, const Step *step, const View *in, const View *out);
void multiply_forward(const View *in, const View *factor, const View *out);
void concat_forward(const View *first, const View *second, const View *out);
void move_forward(const Engine *engine, const Step *step, const View *in, const View *out);
/* The backward pass: each adds to `to`, the gradient of an operand, its share of `gradient`, that of the result. */
void pointwise_backward(const Engine *engine, const Step *step, const View *in, const View *gradient, const View *to);
/* `other`: the operand that this one was multiplied with. */
void multiply_backward(const View *other, const View *gradient, const View *to);
void move_backward(const Engine *engine, const Step *step, const View *gradient, const View *to);

/* Multiplications of a step for one image: of convolutions and linear layers, else 0. */
double step_work(const Engine *engine, const Step *step);

/* ---- passes ------------------------------------------------------------------------------------------------------ */

/* One pass over a batch; what a forward pass has no use for is zero. */
typedef struct Pass {
    Engine *engine;
    const float *pixels;
    unsigned images;
    float *logits; /* NULL: nobody asks */
    const uint16_t *labels;
    Engine *teacher; /* NULL: none */
    const float *teacher_logits;
    const Loss *loss; /* NULL: forward only */
    const Gradients *gradients;
    size_t per_piece;  /* images of a piece */
    bool divide;       /* fewer images than threads: one piece after the other, its large steps on all threads */
    size_t first, end; /* the current steps; in the backward pass from end - 1 down to first */
    /* Of a pass in parts, see part.c: the images' states, `state` floats each, behind `cut` steps. */
    size_t cut, state;
    const float *from; /* to begin with */
    float *keep;       /* to end in */
} Pass;

/* Rows [first, end) of a result, none beyond its last; end 0: all. */
typedef struct Band {
    unsigned first, end;
} Band;

/* The images of a piece that run together: image first + i in arenas + i * plan.arena, i < count. */
typedef struct Block {
    size_t first, count;
    float *arenas;
    size_t arena; /* the number of the first of these arenas */
    unsigned worker;
    float *sums; /* the weight gradients of this piece */
    bool add;    /* they hold those of earlier blocks */
    Band band;   /* of a step that takes turns */
} Block;
size_t worker_floats(const Engine *engine); /* of the arenas of one worker */
/* The block at the beginning of images [first, end), for this worker. */
Block block_at(const Engine *engine, size_t first, size_t end, unsigned worker);

/* A convolution of images of the block, in tiles. */
void block_tiles(const Engine *engine, const Block *block, const Convolution *convolution, Tiling tiling);

/* Arenas for as many threads as there are now: allocates only where the number was raised after engine_new. */
bool engine_prepare(Engine *engine, unsigned images, Error *err);
void pass_cut(Pass *pass); /* sets per_piece */
size_t pass_pieces(const Pass *pass);
void forward_steps(const Pass *pass, const Block *block, size_t first, size_t end);
/* Makes the local results of steps [first, end) again. */
void forward_again(const Pass *pass, const Block *block, size_t first, size_t end);
void forward_logits(const Pass *pass, const Block *block); /* to pass->logits, if asked for */
void forward_pass(Pass *pass); /* all images, all steps; with batch norm in training mode in stages */
void forward_part(Pass *pass); /* the current steps, of all images */
/* From the arena of an image to its state (`keep`), or back. */
void state_copy(const Engine *engine, size_t cut, float *arena, float *state, bool keep);
/* Whether a step of so many images runs on all threads; and a convolution, with its kernel, on all threads. */
bool divide_step(const Pass *pass, const Step *step, size_t images);
void divide_run(const Convolution *c, void (*kernel)(const Convolution *), bool depthwise);
void divide_tiles(const Engine *engine, const Convolution *c, Tiling tiling);
void backward_steps(const Pass *pass, const Block *block, size_t first, size_t end);
/* What a complete gradient still lacks when its step begins: `image` counts in the block. */
void gradient_begin(const Pass *pass, const Block *block, size_t image, const Step *step);

/* ---- chosen kernels ---------------------------------------------------------------------------------------------- */

const KernelChoice *chosen_of(const Pass *pass, const Step *step); /* NULL: all kernels */
bool chosen_sparse(const Pass *pass, const Step *step);            /* so few that a separate path is faster */
void chosen_begin(const Pass *pass);
void chosen_step(const Pass *pass, const Block *block, const Step *step);

/* ---- batch norm in training mode --------------------------------------------------------------------------------- */

/* The stage of steps [first, *end) that can run image by image; a batch norm begins a new one. */
size_t stage_end(const Plan *plan, size_t first);
/* What each image of the block adds to the statistics of the batch norm behind the current steps, or to the sums of the
 * one before them: taken while the block's maps are in the cache. */
void statistics_block_forward(const Pass *pass, const Block *block);
void statistics_block_backward(const Pass *pass, const Block *block);
/* Statistics of the whole batch's map, from what its images added, folded into the step's scale and shift. */
void statistics_forward(const Pass *pass, const Step *step);
/* Sums for gamma and beta, and the coefficients that turn the gradient of the step's result into its input's. */
void statistics_backward(const Pass *pass, const Step *step);

/* ---- losses ------------------------------------------------------------------------------------------------------ */

/* The loss of one image's logits: its terms in *terms, its gradient over `images` (of a mean) in `gradient` unless that
 * is NULL. `teacher`: logits, or NULL; `label`: or NULL. */
void loss_logits(const Loss *loss, const float *logits, const float *teacher, const uint16_t *label, size_t classes,
                 unsigned images, ImageTerms *terms, float *gradient);
/* The losses of a block's images after their forward pass, of the teacher too; begins the backward pass. */
void loss_block(const Pass *pass, const Block *block);
/* The feature-map loss of the images of a block against the teacher's maps in the worker's arenas: its terms, and the
 * gradient at each map. */
void feature_losses(const Pass *pass, const Block *block);
/* Adds that gradient to the gradient of `map`, if it is one of these maps. */
void feature_add(const Pass *pass, const Block *block, size_t image, int map);

#endif
