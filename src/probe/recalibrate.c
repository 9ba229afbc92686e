/* recalibrate -- the running statistics of batch norm, taken anew from images.
 *
 * The network runs in training mode: each batch is normalised with its own mean and biased variance, layer after layer,
 * so that a batch norm sees what those before it give in training. The running mean and variance become the averages
 * over the batches, each counting the same, of the batch's mean and unbiased variance: a momentum of None in PyTorch
 * (torch.optim.swa_utils.update_bn; Izmailov et al., 2018, section 3.2). Summed in double, rounded once.
 */
#include "probe/evaluate.h"

#include <math.h>

#include "weft/base/error.h"
#include "weft/base/memory.h"
#include "weft/base/task.h"
#include "weft/base/tensor.h"

/* The sums of one network; both arrays have network->tensor_count entries, NULL for what is no running statistic. */
typedef struct Sums {
    const Network *network;
    double **of;
    uint64_t batches;
} Sums;

static bool sums_begin(Sums *sums, Error *err) {
    const Network *network = sums->network;
    bool any = false;
    sums->of = mem_alloc(network->tensor_count, sizeof *sums->of, err);
    if (!sums->of) return false;
    for (size_t i = 0; i < network->graph->count; i++) {
        const Op *op = &network->graph->ops[i];
        if (op->kind != OP_BATCH_NORM) continue;
        any = true;
        const int tensors[2] = {op->mean, op->variance};
        for (int j = 0; j < 2; j++)
            if (!sums->of[tensors[j]] && !(sums->of[tensors[j]] = mem_alloc(op->out_channels, sizeof **sums->of, err)))
                return false;
    }
    return any || error_set(err, STATUS_USAGE, "the network has no batch norm to recalibrate");
}

static void sums_done(Sums *sums) {
    for (size_t i = 0; sums->of && i < sums->network->tensor_count; i++) mem_free(sums->of[i]);
    mem_free(sums->of);
}

/* The statistics of the batch that the engine ran last. */
static bool add_batch(void *context, const Engine *engine, unsigned images, Error *err) {
    Sums *sums = context;
    const Graph *graph = sums->network->graph;
    for (size_t i = 0; i < graph->count; i++) {
        const Op *op = &graph->ops[i];
        const float *mean, *variance;
        if (op->kind != OP_BATCH_NORM) continue;
        engine_batch_statistics(engine, i, &mean, &variance);
        const double values = (double)images * (double)engine_map_pixels(engine, i);
        if (values < 2)
            return error_set(err, STATUS_USAGE,
                             "%s has one value per channel in a batch of one image, so it has no variance", op->name);
        for (unsigned c = 0; c < op->out_channels; c++) {
            sums->of[op->mean][c] += (double)mean[c];
            sums->of[op->variance][c] += (double)variance[c] * values / (values - 1);
        }
    }
    sums->batches++;
    return true;
}

static bool run_batches(Sums *sums, const Dataset *dataset, unsigned batch, const Task *task, Error *err) {
    const EngineOptions training = {.batch_statistics = true};
    Engine *engine = engine_new(sums->network, batch, dataset->height, dataset->width, &training, err);
    const bool done =
        engine && each_batch(sums->network, engine, dataset, batch, add_batch, sums, "recalibrating", task, err);
    engine_free(engine);
    return done;
}

/* Puts the averages into `network`, which nobody has seen yet. */
static bool put_averages(const Sums *sums, Network *network, Error *err) {
    for (size_t i = 0; i < network->tensor_count; i++) {
        if (!sums->of[i]) continue;
        const Tensor *old = network->tensors[i].tensor;
        Tensor *tensor = tensor_new(old->rank, old->dim, err);
        if (!tensor) return false;
        for (uint64_t c = 0; c < tensor->count; c++) tensor->data[c] = (float)(sums->of[i][c] / (double)sums->batches);
        network_replace(network, i, tensor);
    }
    return true;
}

Network *recalibrate_in_batches(const Network *network, const Dataset *dataset, unsigned batch, const char *command,
                                const Task *task, Error *err) {
    Sums sums = {.network = network};
    if (!evaluate_takes(network, dataset, err)) return NULL;
    if (batch == 0 || dataset->count == 0) {
        error_set(err, STATUS_USAGE, "%s: a batch of %u of %llu images must have at least 1", dataset->spec, batch,
                  (unsigned long long)dataset->count);
        return NULL;
    }
    if (batch > dataset->count) batch = (unsigned)dataset->count;
    Network *made = NULL;
    if (sums_begin(&sums, err) && run_batches(&sums, dataset, batch, task, err))
        made = network_derive(network, "recalibrate", command, err);
    if (made && !put_averages(&sums, made, err)) {
        network_free(made);
        made = NULL;
    }
    sums_done(&sums);
    return made;
}

Network *recalibrate_apply(const Network *network, const Dataset *dataset, const char *command, const Task *task,
                           Error *err) {
    return recalibrate_in_batches(network, dataset, RECALIBRATE_BATCH, command, task, err);
}
