/* travel -- a trial's result as bytes, for another rank: its numbers, its notes, the product as its file, and the log.
 */
#include "train/internal.h"

#include <string.h>
#include <unistd.h>

#include "weft/base/dtype.h"
#include "weft/base/error.h"
#include "weft/base/file.h"
#include "weft/base/table.h"
#include "weft/base/text.h"

/* What comes first; the lengths are those of the parts that follow it. */
typedef struct Head {
    TrainResult numbers; /* its pointers mean nothing */
    uint64_t rows, notes, product;
} Head;

static bool pack_product(const TrainResult *result, Str *out, Error *err) {
    FileParts parts;
    if (!(result->predictor ? predictor_parts(result->predictor, DTYPE_F32, &parts, err)
                            : network_parts(result->network, &parts, err)))
        return false;
    const bool done = safetensors_pack(&parts, out, err);
    file_parts_done(&parts);
    return done;
}

bool travel_pack(const TrainResult *result, Str *out, Error *err) {
    const Table *log = result->predictor ? result->predictor->log : NULL;
    Str product = {0};
    bool done = pack_product(result, &product, err);
    Head head = {
        .numbers = *result, .rows = log ? log->rows : 0, .notes = result->notes.length, .product = product.length};
    head.numbers.predictor = NULL;
    head.numbers.network = NULL;
    head.numbers.notes = (Str){.length = result->predictor != NULL}; /* which of both it is */
    str_add_bytes(out, (const char *)&head, sizeof head);
    for (size_t row = 0; row < head.rows; row++)
        for (size_t c = 0; c < log->column_count; c++)
            str_add_bytes(out, (const char *)&log->columns[c].cells[row], sizeof log->columns[c].cells[row]);
    str_add_bytes(out, str_text(&result->notes), head.notes);
    str_add_bytes(out, str_text(&product), head.product);
    str_done(&product);
    return done && str_ok(out, err);
}

static Table *unpack_log(const char *bytes, uint64_t rows, Error *err) {
    Table *log = loop_log_table(err);
    for (uint64_t row = 0; log && row < rows; row++)
        for (size_t c = 0; c < log->column_count; c++, bytes += sizeof(Cell)) {
            Cell cell;
            memcpy(&cell, bytes, sizeof cell);
            if (log->columns[c].type == COLUMN_INTEGER)
                table_integer(log, cell.integer);
            else
                table_real(log, cell.real);
        }
    return log ? table_finish(log, err) : NULL;
}

static bool unpack_product(const TrainJob *job, bool predictor, const char *bytes, uint64_t length, TrainResult *out,
                           Error *err) {
    const NetworkOptions own = {.own = true};
    const PredictorOptions options = {.source = job->source};
    char path[FILE_HELD_PATH];
    const int file = file_hold(bytes, length, path, err);
    if (file < 0) return false;
    Checkpoint *checkpoint = checkpoint_open(path, err);
    if (checkpoint && predictor)
        out->predictor = predictor_from_checkpoint(checkpoint, &options, job->task, err);
    else if (checkpoint)
        out->network = network_from_checkpoint(checkpoint, &own, err);
    checkpoint_close(checkpoint);
    close(file);
    return out->predictor || out->network;
}

static bool cut(Error *err) {
    return error_set(err, STATUS_FAILED, "the result of a trial of another rank is cut");
}

bool travel_unpack(const TrainJob *job, const char *bytes, size_t length, TrainResult *out, Error *err) {
    Head head;
    if (length < sizeof head) return cut(err);
    memcpy(&head, bytes, sizeof head);
    bytes += sizeof head;
    length -= sizeof head;
    const bool predictor = head.numbers.notes.length;
    Table *empty = loop_log_table(err);
    if (!empty) return false;
    const uint64_t log = head.rows * empty->column_count * sizeof(Cell);
    table_free(empty);
    if (head.rows > length || log > length || head.notes > length - log || length - log - head.notes != head.product)
        return cut(err);
    TrainResult result = head.numbers;
    result.notes = (Str){0};
    bool done = unpack_product(job, predictor, bytes + log + head.notes, head.product, &result, err);
    if (done && predictor && head.rows > 0) done = (result.predictor->log = unpack_log(bytes, head.rows, err)) != NULL;
    str_add_bytes(&result.notes, bytes + log, head.notes);
    if (done && str_ok(&result.notes, err)) {
        *out = result;
        return true;
    }
    train_result_done(&result);
    return false;
}
