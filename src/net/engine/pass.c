/* pass -- a whole backward pass: forward, losses and gradients piece by piece, then the pieces' sums. */
#include "net/engine/engine.h"
#include "weft/base/error.h"
#include "weft/base/pool.h"

/* ---- pieces ------------------------------------------------------------------------------------------------------ */

/* Calls `run` for the blocks of a piece, one after the other. */
static void each_block(const Pass *pass, size_t piece, unsigned worker,
                       void (*run)(const Pass *pass, const Block *block)) {
    const size_t first = piece * pass->per_piece;
    const size_t end = first + pass->per_piece < pass->images ? first + pass->per_piece : pass->images;
    Block block;
    for (size_t i = first; i < end; i += block.count) {
        block = block_at(pass->engine, i, end, worker);
        block.sums = pass->engine->sums + piece * pass->engine->plan.sums;
        block.add = i > first;
        run(pass, &block);
    }
}

static void whole_block(const Pass *pass, const Block *block) {
    forward_steps(pass, block, 0, pass->engine->plan.step_count);
    forward_logits(pass, block);
    loss_block(pass, block);
    backward_steps(pass, block, 0, pass->engine->plan.step_count);
}

/* The last of the steps makes no result that these read. */
static void stage_block(const Pass *pass, const Block *block) {
    forward_again(pass, block, pass->first > 0 ? pass->first - 1 : 0, pass->end - 1);
    backward_steps(pass, block, pass->first, pass->end);
    statistics_block_backward(pass, block);
}

static void whole_piece(void *context, size_t piece, unsigned worker) {
    each_block(context, piece, worker, whole_block);
}

static void loss_piece(void *context, size_t piece, unsigned worker) {
    each_block(context, piece, worker, loss_block);
}

static void stage_piece(void *context, size_t piece, unsigned worker) {
    each_block(context, piece, worker, stage_block);
}

/* With batch norm in training mode: back to each batch norm, all images meet, on. */
static void run_stages(Pass *pass) {
    const Plan *plan = &pass->engine->plan;
    forward_pass(pass);
    pool_run(pass_pieces(pass), loss_piece, pass);
    pass->end = plan->step_count;
    for (size_t i = plan->step_count; i-- > 0;) {
        if (i > 0 && !(plan->steps[i].training && plan->steps[i].backward)) continue;
        pass->first = plan->steps[i].training ? i + 1 : i;
        pool_run(pass_pieces(pass), stage_piece, pass);
        if (plan->steps[i].training) statistics_backward(pass, &plan->steps[i]);
        pass->end = i + 1;
    }
}

/* ---- sums -------------------------------------------------------------------------------------------------------- */

enum { SUM_PART = 4096 };

static void sum_part(void *context, size_t part, unsigned worker) {
    (void)worker;
    const Pass *pass = context;
    const Engine *engine = pass->engine;
    const size_t first = part * SUM_PART, all = engine->plan.sums, pieces = pass_pieces(pass);
    const size_t count = all - first < SUM_PART ? all - first : SUM_PART;
    float *restrict to = engine->sums + first;
    for (size_t piece = 1; piece < pieces; piece++) {
        const float *restrict from = engine->sums + piece * all + first;
        for (size_t i = 0; i < count; i++) to[i] += from[i];
    }
}

static void give_training(const Engine *engine, const Step *step, float *const *tensors) {
    const Op *op = &engine->graph->ops[step->batch_norm];
    const Statistics *statistics = &engine->statistics;
    for (size_t c = 0; c < engine->plan.maps[step->input].shape.channels; c++) {
        if (step->weight_wanted && tensors[op->weight])
            tensors[op->weight][c] = (float)statistics->gamma_sum[step->statistics + c];
        if (step->bias_wanted && tensors[op->bias])
            tensors[op->bias][c] = (float)statistics->beta_sum[step->statistics + c];
    }
}

static void give_step(void *context, size_t s, unsigned worker) {
    (void)worker;
    const Pass *pass = context;
    const Engine *engine = pass->engine;
    const Step *step = &engine->plan.steps[s];
    const Op *op = &engine->graph->ops[step->op];
    float *const *tensors = pass->gradients->tensors;
    const float *const *values = (const float *const *)engine->tensors;
    if (step->training)
        give_training(engine, step, tensors);
    else if (step->weight_wanted && tensors[op->weight] && chosen_of(pass, step))
        unfold_kernels(&engine->plan, step, engine->graph, values, engine->sums, chosen_of(pass, step),
                       chosen_sparse(pass, step), tensors[op->weight]);
    else if (step->weight_wanted && tensors[op->weight])
        unfold_weights(&engine->plan, step, engine->graph, values, engine->sums, tensors[op->weight]);
    if (!step->training && step->bias_wanted && tensors[op->bias])
        unfold_bias(&engine->plan, step, engine->graph, values, engine->sums, tensors[op->bias]);
}

static void sum_up(Pass *pass, LossTerms *terms) {
    const Engine *engine = pass->engine;
    pool_run((engine->plan.sums + SUM_PART - 1) / SUM_PART, sum_part, pass);
    if (pass->gradients->tensors) pool_run(engine->plan.step_count, give_step, pass);
    LossTerms sum = {0};
    for (size_t i = 0; i < pass->images; i++) {
        sum.cross_entropy += engine->terms[i].cross_entropy;
        sum.kd += engine->terms[i].kd;
        sum.fmd += engine->terms[i].fmd;
        sum.correct += engine->terms[i].correct;
    }
    sum.cross_entropy /= pass->images;
    sum.kd /= pass->images;
    sum.fmd /= pass->images;
    if (terms) *terms = sum;
}

/* ---- the whole --------------------------------------------------------------------------------------------------- */

static bool check_pass(const Pass *pass, Error *err) {
    const Engine *engine = pass->engine, *teacher = pass->teacher;
    const Loss *loss = pass->loss;
    if (!engine->plan.backward) return error_set(err, STATUS_FAILED, "an engine made for forward passes only");
    if (pass->images == 0) return error_set(err, STATUS_FAILED, "no images");
    if (loss->cross_entropy > 0 && !pass->labels) return error_set(err, STATUS_FAILED, "cross-entropy needs labels");
    for (size_t i = 0; loss->cross_entropy > 0 && i < pass->images; i++)
        if (pass->labels[i] >= engine->graph->classes)
            return error_set(err, STATUS_FAILED, "label %u of image %zu: the network has %u classes", pass->labels[i],
                             i, engine->graph->classes);
    if (loss->kd > 0 && !pass->teacher_logits) return error_set(err, STATUS_FAILED, "distillation needs a teacher");
    if (teacher && (teacher->graph->classes != engine->graph->classes || teacher->height != engine->height ||
                    teacher->width != engine->width || teacher->graph->in_channels != engine->graph->in_channels))
        return error_set(err, STATUS_FAILED, "the teacher has other images or classes than the student");
    if (!(loss->fmd > 0)) return true;
    if (!teacher || !teacher->features || !engine->features || !graph_equal(teacher->graph, engine->graph))
        return error_set(err, STATUS_FAILED, "feature maps are distilled between networks of one architecture");
    if (teacher->training || engine->training)
        return error_set(err, STATUS_FAILED,
                         "feature maps are distilled with the stored statistics of batch norm only");
    return true;
}

bool engine_backward(Engine *engine, const float *pixels, const uint16_t *labels, unsigned images, Engine *teacher,
                     const float *teacher_logits, const Loss *loss, const Gradients *gradients, float *logits,
                     LossTerms *terms, Error *err) {
    static const Gradients none = {0};
    if (!engine_prepare(engine, images, err)) return false;
    const bool taught = teacher && (loss->kd > 0 || loss->fmd > 0);
    Pass pass = {.engine = engine,
                 .pixels = pixels,
                 .images = images,
                 .logits = logits,
                 .labels = labels,
                 .teacher = taught ? teacher : NULL,
                 .teacher_logits = taught ? engine->teacher_logits : teacher_logits,
                 .loss = loss,
                 .gradients = gradients ? gradients : &none};
    if (!check_pass(&pass, err) || (taught && !engine_prepare(teacher, images, err))) return false;
    if (taught && teacher->training && !engine_forward(teacher, pixels, images, engine->teacher_logits, err))
        return false;
    pass_cut(&pass);
    chosen_begin(&pass);
    if (engine->training)
        run_stages(&pass);
    else
        pool_run(pass_pieces(&pass), whole_piece, &pass);
    sum_up(&pass, terms);
    return true;
}

EngineOperations engine_operations(const Engine *engine) {
    EngineOperations operations = {0};
    for (size_t i = 0; i < engine->plan.step_count; i++) {
        const Step *step = &engine->plan.steps[i];
        const double one = 2 * step_work(engine, step);
        operations.forward += one;
        if (step->to_input.write) operations.backward_data += one;
        if (step->weight_wanted) operations.backward_weights += one;
    }
    return operations;
}
